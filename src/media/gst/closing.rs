//! Pipelines on their way out. Stopping one may take long or for ever, so each stops on a thread of its own; one that never
//! comes back costs the whole process, which is started anew.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::bus;
use super::event::Event;
use super::starting::Started;

/// What hangs longer will hang for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pipelines that are being closed.
pub(super) struct Closing {
    events: Sender<Event>,
    next: u64,
    waiting: BTreeMap<u64, Wait>,
}

struct Wait {
    since: Instant,
    /// A driver may hang, and a call can go on without it.
    is_device: bool,
}

impl Closing {
    /// Nothing is being closed.
    pub(super) fn new(events: Sender<Event>) -> Self {
        Self { events, next: 0, waiting: BTreeMap::new() }
    }

    /// Closes a pipeline, off this thread. Its number comes back in `Event::Closed`.
    pub(super) fn close(&mut self, started: Started) -> u64 {
        self.begin(started, false)
    }

    /// The same, of a pipeline with a device in it.
    pub(super) fn close_device(&mut self, started: Started) -> u64 {
        self.begin(started, true)
    }

    /// This one is closed.
    pub(super) fn closed(&mut self, number: u64) {
        self.waiting.remove(&number);
    }

    /// Nothing is being closed.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Something hangs that must not. A device may, as long as a call goes on without it.
    pub(super) fn hangs(&self, in_call: bool, now: Instant) -> bool {
        self.waiting
            .values()
            .any(|wait| now.saturating_duration_since(wait.since) > PATIENCE && !(in_call && wait.is_device))
    }

    fn begin(&mut self, started: Started, is_device: bool) -> u64 {
        self.next += 1;
        let number = self.next;
        let events = self.events.clone();
        let closing = std::thread::Builder::new().name("closing".into()).spawn(move || {
            let pipeline = started.stop();
            bus::mute(&pipeline);
            drop(pipeline);
            let _ = events.send(Event::Closed(number));
        });
        if let Err(error) = closing {
            tracing::error!(%error, "no thread can be started: giving up");
            std::process::exit(70);
        }
        self.waiting.insert(number, Wait { since: Instant::now(), is_device });
        number
    }
}
