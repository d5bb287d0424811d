//! The worker's loop, from its first order to its last: configuration, then the studio. Orders that come too early wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use gstreamer as gst;

use super::connection::{Connection, Plan};
use super::event::{Event, PeerEvent};
use super::gate::Gate;
use super::lines::Reports;
use super::mixer::Mixer;
use super::studio::Studio;
use super::timeline::Timeline;
use crate::ids::PeerId;
use crate::media::pipeline::{Encoder, MediaSettings};
use crate::media::protocol::{Order, Report};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);
/// More orders than this before the worker is ready are not meant seriously.
const WAITING: usize = 256;

/// How long everything may take to close when the door is gone. What hangs longer ends with the process.
const FAREWELL: Duration = Duration::from_millis(800);

/// The loop and what it holds.
pub(super) struct Worker {
    events: Sender<Event>,
    reports: Reports,
    state: State,
    waiting: Vec<Order>,
}

enum State {
    Unconfigured,
    Initialising(Box<MediaSettings>),
    /// A connection to nobody is making its offer, which makes the process's certificate.
    WarmingUp {
        settings: Box<MediaSettings>,
        encoder: Encoder,
        timeline: Timeline,
        connection: Connection,
    },
    Working(Box<Studio>),
    /// It cannot work; said once, then it ends.
    Unusable,
}

impl Worker {
    /// A worker that waits for its configuration.
    pub(super) fn new(events: Sender<Event>, reports: Reports) -> Self {
        Self { events, reports, state: State::Unconfigured, waiting: Vec::new() }
    }

    /// Works until the door hangs up. False if it could not work at all.
    pub(super) fn run(&mut self, inbox: &Receiver<Event>) -> bool {
        let mut ticked = Instant::now();
        loop {
            match inbox.recv_timeout(TICK) {
                Ok(Event::HangUp) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now.saturating_duration_since(ticked) >= TICK {
                ticked = now;
                if let State::Working(studio) = &mut self.state {
                    studio.tick(now);
                }
            }
            if matches!(self.state, State::Unusable) {
                return false;
            }
        }
        if let State::Working(studio) = &mut self.state {
            close_down(studio, inbox);
        }
        true
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Order(Order::Ping { nonce }) => self.reports.send(Report::Pong { nonce }),
            Event::Order(Order::Configure { settings }) => self.configure(settings),
            Event::Order(order) => match &mut self.state {
                State::Working(studio) => studio.execute(order, Instant::now()),
                State::Unconfigured | State::Initialising(_) | State::WarmingUp { .. } | State::Unusable => {
                    if self.waiting.len() < WAITING {
                        self.waiting.push(order);
                    }
                }
            },
            Event::Initialised(result) => self.initialised(result),
            Event::WarmUp(event) => self.warmed_up(event),
            Event::HangUp => {}
            event @ (Event::CaptureFailed { .. }
            | Event::CaptureFlows { .. }
            | Event::CaptureOpened { .. }
            | Event::Closed(_)
            | Event::EchoMeasured(_)
            | Event::Heard(_)
            | Event::Peer { .. }
            | Event::PictureSettled { .. }
            | Event::PromptDecoded { .. }
            | Event::SpeakerFailed { .. }
            | Event::SpeakerLevel(_)
            | Event::StillMade { .. }) => {
                if let State::Working(studio) = &mut self.state {
                    studio.hear(event, Instant::now());
                }
            }
        }
    }

    /// The first start on a machine scans all plugins, which takes long: not on this thread.
    fn configure(&mut self, settings: Box<MediaSettings>) {
        if !matches!(self.state, State::Unconfigured) {
            tracing::error!("a worker is configured once");
            return;
        }
        let events = self.events.clone();
        let initialising = std::thread::Builder::new().name("initialising".into()).spawn(move || {
            let _ = events.send(Event::Initialised(gst::init().map_err(|error| error.to_string())));
        });
        match initialising {
            Ok(_) => self.state = State::Initialising(settings),
            Err(error) => self.give_up(&error.to_string()),
        }
    }

    fn initialised(&mut self, result: Result<(), String>) {
        let State::Initialising(settings) = std::mem::replace(&mut self.state, State::Unusable) else { return };
        let begun = result.and_then(|()| self.begin_warm_up(settings));
        match begun {
            Ok(state) => self.state = state,
            Err(error) => self.give_up(&error),
        }
    }

    fn begin_warm_up(&self, settings: Box<MediaSettings>) -> Result<State, String> {
        let installed = |element: &str| gst::ElementFactory::find(element).is_some();
        let encoder =
            Encoder::choose(&settings.camera, settings.video.codec, installed).map_err(|error| error.to_string())?;
        let timeline = Timeline::start();
        let events = self.events.clone();
        let plan = Plan {
            peer: PeerId(0),
            encoder,
            ice: &settings.ice,
            ice_servers: &[],
            timeline: &timeline,
            mixer: &Arc::new(Mixer::default()),
            guard: Gate::closed().guard(),
            notify: Arc::new(move |event| drop(events.send(Event::WarmUp(event)))),
        };
        let connection = Connection::offer(&plan).map_err(|error| error.to_string())?;
        Ok(State::WarmingUp { settings, encoder, timeline, connection })
    }

    fn warmed_up(&mut self, event: PeerEvent) {
        let offer = match event {
            PeerEvent::OfferCreated(offer) => offer,
            PeerEvent::AnswerApplied(_)
            | PeerEvent::ConnectionState(_)
            | PeerEvent::Failed(_)
            | PeerEvent::Flows(_)
            | PeerEvent::LocalCandidate { .. }
            | PeerEvent::Measured(_)
            | PeerEvent::OfferInForce(_) => return,
        };
        let State::WarmingUp { settings, encoder, timeline, connection } =
            std::mem::replace(&mut self.state, State::Unusable)
        else {
            return;
        };
        if let Err(error) = offer {
            self.give_up(&error);
            return;
        }
        let mut studio = Studio::new(*settings, encoder, timeline, self.events.clone(), self.reports.clone());
        studio.close(connection.into_started());
        self.reports.send(Report::Ready { encoder: encoder.factory().to_owned() });
        let now = Instant::now();
        studio.stand_by(now);
        std::mem::take(&mut self.waiting).into_iter().for_each(|order| studio.execute(order, now));
        self.state = State::Working(Box::new(studio));
    }

    fn give_up(&mut self, error: &str) {
        tracing::error!(error, "the media worker cannot work");
        self.state = State::Unusable;
    }
}

/// Devices are let go in order; whatever hangs ends with the process.
fn close_down(studio: &mut Studio, inbox: &Receiver<Event>) {
    studio.finish();
    let deadline = Instant::now() + FAREWELL;
    while !studio.is_closed() {
        match inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(event) => studio.hear(event, Instant::now()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}
