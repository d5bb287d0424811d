//! All lines that are read, each opened, watched and, when it fails, opened again on its own.
//!
//! A line whose chip is missing, busy or unplugged is told once as an error and tried again; the others go on. Every line
//! that is open gives its level as an edge first, so a button that is pressed from the start counts, and its level is read
//! after every change: where the kernel's queue lost changes, the last level is still right.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::backoff::Backoff;
use crate::clock;
use crate::moment::Moment;
use crate::panel::fault::{Fault, RETRY};
use crate::panel::wiring::InputLine;
use crate::panel::{Edge, Input, Lines, NextEdge, PanelError};

use super::{InputPin, Pins};

/// An unplugged chip does not wake everybody on every kernel: each line is asked for its level this often.
const HEALTH: Duration = Duration::from_secs(5);
/// A line that changes faster than it is read must not keep the others waiting.
const CHANGES_AT_ONCE: usize = 64;

/// The lines of one back end.
pub struct Inputs<P: Pins> {
    pins: P,
    slots: Vec<Slot<P>>,
    /// What is known and not given out yet.
    news: VecDeque<Result<Edge, PanelError>>,
}

struct Slot<P: Pins> {
    input: Input,
    line: InputLine<P::Name>,
    /// How often its level is asked for.
    health: Duration,
    state: State<P::Input>,
    /// The next try, or the next look at the level.
    timer: Pin<Box<Sleep>>,
    retry: Backoff,
}

enum State<I> {
    /// It could not be opened yet.
    New,
    /// It failed, and this was told.
    Failed(Fault),
    /// It works. The level is the last one that was given out.
    Open { pin: I, active: bool },
}

impl<P: Pins> Inputs<P> {
    /// Lines that are opened as soon as somebody waits for them. Needs a running tokio.
    #[must_use]
    pub fn new(pins: P, inputs: Vec<(Input, InputLine<P::Name>)>) -> Self {
        let slots = inputs
            .into_iter()
            .map(|(input, line)| Slot {
                input,
                line,
                health: HEALTH,
                state: State::New,
                timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
                retry: RETRY,
            })
            .collect();
        Self { pins, slots, news: VecDeque::new() }
    }

    /// The same, with levels asked for this often.
    #[cfg(test)]
    pub(super) fn asked_every(mut self, health: Duration) -> Self {
        self.slots.iter_mut().for_each(|slot| slot.health = health);
        self
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Edge, PanelError>> {
        if self.news.is_empty() {
            for slot in &mut self.slots {
                slot.poll(&mut self.pins, &mut self.news, context);
            }
        }
        match self.news.pop_front() {
            Some(news) => Poll::Ready(news),
            None => Poll::Pending,
        }
    }
}

impl<P: Pins> Lines for Inputs<P> {
    fn next_edge(&mut self) -> NextEdge<'_> {
        Box::pin(poll_fn(|context| self.poll(context)))
    }

    fn faults(&self) -> Vec<PanelError> {
        self.slots.iter().filter_map(Slot::fault).collect()
    }
}

impl<P: Pins> Slot<P> {
    fn poll(&mut self, pins: &mut P, news: &mut VecDeque<Result<Edge, PanelError>>, context: &mut Context<'_>) {
        // Each turn either waits or has changed the state.
        loop {
            let due = match &mut self.state {
                State::New | State::Failed(_) => match self.timer.as_mut().poll(context) {
                    Poll::Ready(()) => {
                        self.open(pins, news);
                        continue;
                    }
                    Poll::Pending => return,
                },
                State::Open { .. } => self.timer.as_mut().poll(context).is_ready(),
            };
            let changed = match self.read(news, context) {
                Ok(changed) => changed,
                Err(fault) => {
                    self.fail(fault, news);
                    continue;
                }
            };
            if !changed && !due {
                return;
            }
            if let Err(fault) = self.compare(news) {
                self.fail(fault, news);
            } else if due {
                self.timer.as_mut().reset(Instant::now() + self.health);
            } else {
                return;
            }
        }
    }

    fn open(&mut self, pins: &mut P, news: &mut VecDeque<Result<Edge, PanelError>>) {
        let opened = pins.input(&self.line).and_then(|mut pin| pin.is_active().map(|active| (pin, active)));
        match opened {
            Ok((pin, active)) => {
                if matches!(self.state, State::Failed(_)) {
                    tracing::info!(input = %self.input, line = %self.line.line, "the line works again");
                }
                self.state = State::Open { pin, active };
                self.timer.as_mut().reset(Instant::now() + self.health);
                self.retry.reset();
                news.push_back(Ok(self.edge(active, clock::now())));
            }
            Err(fault) => self.fail(fault, news),
        }
    }

    /// Takes what is known. Whether there was anything.
    fn read(
        &mut self,
        news: &mut VecDeque<Result<Edge, PanelError>>,
        context: &mut Context<'_>,
    ) -> Result<bool, Fault> {
        for taken in 0..CHANGES_AT_ONCE {
            let State::Open { pin, active } = &mut self.state else { return Ok(false) };
            let change = match pin.poll_change(context) {
                Poll::Ready(change) => change?,
                Poll::Pending => return Ok(taken > 0),
            };
            *active = change.active;
            let edge = self.edge(change.active, change.at);
            news.push_back(Ok(edge));
        }
        context.waker().wake_by_ref();
        Ok(true)
    }

    /// Gives out the level where the changes did not tell it.
    fn compare(&mut self, news: &mut VecDeque<Result<Edge, PanelError>>) -> Result<(), Fault> {
        let State::Open { pin, active } = &mut self.state else { return Ok(()) };
        let level = pin.is_active()?;
        if std::mem::replace(active, level) != level {
            tracing::debug!(input = %self.input, level, "a change was not told");
            let edge = self.edge(level, clock::now());
            news.push_back(Ok(edge));
        }
        Ok(())
    }

    fn fail(&mut self, fault: Fault, news: &mut VecDeque<Result<Edge, PanelError>>) {
        self.timer.as_mut().reset(Instant::now() + self.retry.wait());
        let known = matches!(&self.state, State::Failed(known) if *known == fault);
        self.state = State::Failed(fault);
        if !known {
            news.extend(self.fault().map(Err));
        }
    }

    fn fault(&self) -> Option<PanelError> {
        match &self.state {
            State::Failed(fault) => Some(fault.clone().of(&self.input)),
            State::New | State::Open { .. } => None,
        }
    }

    fn edge(&self, active: bool, at: Moment) -> Edge {
        Edge { input: self.input.clone(), active, at }
    }
}
