//! Watches the loop's entries and outputs for the hub's figures: when calls began, who is there. It decides nothing, and
//! forgets a call with its end.

use std::collections::{BTreeMap, BTreeSet};

use super::exchange::Output;
use super::metrics::Metrics;
use crate::ids::{DeviceId, SessionId, Uid};
use crate::moment::Moment;
use crate::signaling::protocol::{EventKind, Trace};

/// What has to be remembered between two happenings to measure the time between them.
#[derive(Debug)]
pub struct Observer {
    metrics: Metrics,
    rings: BTreeMap<SessionId, Ring>,
    doors: BTreeSet<DeviceId>,
    /// The call of which each door told last: it may tell again.
    traced: BTreeMap<Uid, SessionId>,
}

#[derive(Debug)]
struct Ring {
    began: Moment,
    delivered: u32,
    answered: bool,
}

impl Observer {
    /// Counts into these.
    #[must_use]
    pub const fn new(metrics: Metrics) -> Self {
        Self { metrics, rings: BTreeMap::new(), doors: BTreeSet::new(), traced: BTreeMap::new() }
    }

    /// Calls go on from before the start. When they began to ring is not known any more.
    pub fn took_up(&self, calls: usize) {
        self.metrics.calls_taken_up(calls);
    }

    /// A call began to ring.
    pub fn began(&mut self, now: Moment, session_id: SessionId) {
        self.rings.insert(session_id, Ring { began: now, delivered: 0, answered: false });
        self.metrics.call_began();
    }

    /// Something follows of an entry.
    pub fn saw(&mut self, now: Moment, output: &Output) {
        match output {
            Output::Archive(call) => {
                self.rings.remove(&call.session_id);
                self.metrics.call_over(call);
            }
            Output::Deliver { event, .. } => {
                let Some(ring) = self.rings.get_mut(&event.session_id) else { return };
                match &event.event {
                    // One more acknowledged; that a push was sent tells the same number again.
                    EventKind::CallDelivered { delivered, .. } if *delivered > ring.delivered => {
                        ring.delivered = *delivered;
                        self.metrics.delivered(now.since(ring.began));
                    }
                    EventKind::OutgoingCallAccepted { .. } if !ring.answered => {
                        ring.answered = true;
                        self.metrics.answered(now.since(ring.began));
                    }
                    _other => {}
                }
            }
            Output::Answer(_)
            | Output::Append(..)
            | Output::Notify { .. }
            | Output::Revoke { .. }
            | Output::Withdraw { .. } => {}
        }
    }

    /// A door told how long what took in a call.
    pub fn traced(&mut self, door: &Uid, session_id: SessionId, trace: &Trace) {
        if self.traced.insert(door.clone(), session_id) != Some(session_id) {
            self.metrics.traced(trace);
        }
    }

    /// A device's first socket is open; so many devices are online now.
    pub fn came(&mut self, device: &DeviceId, is_door: bool, online: usize) {
        if is_door {
            self.doors.insert(device.clone());
        }
        self.tell(online);
    }

    /// A device's last socket is closed; so many devices are online now.
    pub fn went(&mut self, device: &DeviceId, online: usize) {
        self.doors.remove(device);
        self.tell(online);
    }

    fn tell(&self, online: usize) {
        self.metrics.online(self.doors.len(), online.saturating_sub(self.doors.len()));
    }
}
