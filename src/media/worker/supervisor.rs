//! Keeps one child alive: configures it, pings it, buries it, starts the next. It knows nothing of sessions and peers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::child::Child;
use super::{Patience, WorkerCommand, WorkerEvent};
use crate::media::pipeline::MediaSettings;
use crate::media::protocol::{Order, Report};

/// Watches over the children, one after the other.
pub(super) struct Supervisor {
    command: WorkerCommand,
    settings: MediaSettings,
    patience: Patience,
    events: mpsc::Sender<WorkerEvent>,
    /// Of the present child, 0 without one.
    pid: Arc<AtomicU32>,
    /// A child was ready before: the door learns of the next as of a restart.
    served: bool,
}

/// Why a child is over.
enum End {
    /// It died or had to.
    Died(String),
    /// Nobody wants a worker any more.
    Unwanted,
}

impl Supervisor {
    pub(super) fn new(
        command: WorkerCommand,
        settings: MediaSettings,
        patience: Patience,
        events: mpsc::Sender<WorkerEvent>,
        pid: Arc<AtomicU32>,
    ) -> Self {
        Self { command, settings, patience, events, pid, served: false }
    }

    /// Until the door drops its handle.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut backoff = Duration::ZERO;
        loop {
            let end = match Child::start(&self.command) {
                Ok(child) => {
                    let started = Instant::now();
                    let end = self.attend(child, &mut orders).await;
                    // A worker that lived for a while is worth an immediate restart.
                    if started.elapsed() > self.patience.longest_backoff {
                        backoff = Duration::ZERO;
                    }
                    end
                }
                Err(error) => End::Died(format!("it cannot be started: {error}")),
            };
            let End::Died(reason) = end else { return };
            tracing::error!(reason, "the media worker died");
            self.tell(WorkerEvent::Died { reason });
            if wait(backoff, &mut orders).await {
                return;
            }
            backoff = (backoff * 2).clamp(self.patience.backoff, self.patience.longest_backoff);
        }
    }

    async fn attend(&mut self, mut child: Child, orders: &mut mpsc::Receiver<Order>) -> End {
        self.pid.store(child.id().unwrap_or_default(), Ordering::Relaxed);
        tracing::info!(pid = child.id(), "the media worker was started");
        let end = self.serve(&mut child, orders).await;
        self.pid.store(0, Ordering::Relaxed);
        match end {
            End::Died(reason) => match child.kill().await {
                Ok(status) => End::Died(format!("{reason} ({status})")),
                Err(_) => End::Died(reason),
            },
            End::Unwanted => {
                let _ = child.hang_up().await;
                End::Unwanted
            }
        }
    }

    async fn serve(&mut self, child: &mut Child, orders: &mut mpsc::Receiver<Order>) -> End {
        if child.send(&Order::Configure { settings: Box::new(self.settings.clone()) }).is_err() {
            return End::Died("it takes no configuration".to_owned());
        }
        let mut pings = tokio::time::interval(self.patience.ping);
        pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut nonce, mut answered) = (0, 0);
        let mut ready_by = Some(Instant::now() + self.patience.ready);
        loop {
            tokio::select! {
                // Reports first: a pong that is there already must not be missed for being late in line.
                biased;
                report = child.report() => match report {
                    Some(Report::Pong { nonce }) => answered = nonce,
                    Some(Report::Ready { encoder }) => {
                        ready_by = None;
                        self.ready(encoder);
                    }
                    Some(report) => self.tell(WorkerEvent::Report(report)),
                    None => return End::Died("it closed its socket".to_owned()),
                },
                order = orders.recv() => match order {
                    None => return End::Unwanted,
                    // What was meant for a child that died means nothing to the next.
                    Some(_) if self.served && ready_by.is_some() => {}
                    Some(order) => {
                        if child.send(&order).is_err() {
                            return End::Died("it takes no orders".to_owned());
                        }
                    }
                },
                _ = pings.tick() => {
                    if self.is_silent(nonce, answered) {
                        return End::Died(format!("it does not answer; its loop {}", child.state()));
                    }
                    nonce += 1;
                    if child.send(&Order::Ping { nonce }).is_err() {
                        return End::Died("it takes no orders".to_owned());
                    }
                }
                () = until(ready_by) => return End::Died("it was not ready in time".to_owned()),
            }
        }
    }

    /// Measured in pings, not by the clock: a door that stood still itself asked nothing in that time.
    fn is_silent(&self, asked: u64, answered: u64) -> bool {
        let unanswered = u32::try_from(asked.saturating_sub(answered)).unwrap_or(u32::MAX);
        self.patience.ping.saturating_mul(unanswered) >= self.patience.pong
    }

    fn ready(&mut self, encoder: String) {
        let event = if self.served {
            WorkerEvent::Restarted { encoder }
        } else {
            WorkerEvent::Report(Report::Ready { encoder })
        };
        self.served = true;
        self.tell(event);
    }

    /// Never waits for the door: a door that is so far behind is restarted by its own watchdog.
    fn tell(&self, event: WorkerEvent) {
        if self.events.try_send(event).is_err() {
            tracing::error!("a report of the media worker is lost: nobody takes it");
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Waits, and passes over the orders of that time. True if nobody wants a worker any more.
async fn wait(backoff: Duration, orders: &mut mpsc::Receiver<Order>) -> bool {
    let over = Instant::now() + backoff;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(over) => return false,
            order = orders.recv() => if order.is_none() { return true },
        }
    }
}
