//! A resident calls the door: it rings, a press answers, a held press refuses.

use std::time::Duration;

use super::desk::Desk;
use super::indication::Outcome;
use super::live::{Call, Origin};
use super::station::Phase;
use super::talking::Talking;
use super::{Button, IncomingCalls, Timer};
use crate::ids::{ButtonId, SessionId};
use crate::signaling::protocol::{Call as WireCall, Event as HubEvent, EventKind, RejectStatus, Verb};

/// The hub ends a ring; this is how long after its time the station waits for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// A ringing call of a resident.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incoming {
    call: Call,
    /// The button that went down while it rang; only its release answers.
    armed: Option<ButtonId>,
}

impl Incoming {
    pub(super) fn begin(desk: &mut Desk, call: &WireCall, rings_for: u64, before: Phase) -> Phase {
        let live = Call::new(desk, call, Origin::Resident);
        match desk.rules.incoming {
            IncomingCalls::AutoAnswer => Talking::answer(desk, live),
            IncomingCalls::Reject => {
                desk.ask(Verb::Reject { session_id: call.session_id, status: RejectStatus::Rejected });
                before
            }
            IncomingCalls::Ring => {
                desk.timers.stop_phase();
                desk.timers.set(Timer::Ring, desk.now + Duration::from_millis(rings_for) + PATIENCE);
                Phase::Incoming(Self { call: live, armed: None })
            }
        }
    }

    pub(super) const fn session(&self) -> SessionId {
        self.call.session
    }

    pub(super) fn pressed(mut self, button: &Button) -> Phase {
        self.armed = Some(button.id.clone());
        Phase::Incoming(self)
    }

    pub(super) fn released(self, desk: &mut Desk, button: &ButtonId) -> Phase {
        if self.armed.as_ref() == Some(button) { Talking::answer(desk, self.call) } else { Phase::Incoming(self) }
    }

    pub(super) fn held(self, desk: &mut Desk, button: &ButtonId) -> Phase {
        if self.armed.as_ref() != Some(button) {
            return Phase::Incoming(self);
        }
        self.refuse(desk, RejectStatus::Rejected);
        desk.show(Outcome::Rejected)
    }

    pub(super) fn refuse(self, desk: &mut Desk, status: RejectStatus) {
        desk.ask(Verb::Reject { session_id: self.call.session, status });
    }

    /// The hub did not end it in time, or does not know of it any more.
    pub(super) fn given_up(self, desk: &mut Desk, outcome: Outcome) -> Phase {
        tracing::debug!(session = %self.call.session, ?outcome, "incoming call given up");
        self.refuse(desk, RejectStatus::Rejected);
        desk.next_turn()
    }

    pub(super) fn hub_told(mut self, desk: &mut Desk, told: HubEvent) -> Phase {
        self.call.heard(desk, told.entry);
        match told.event {
            EventKind::CallAnsweredElsewhere { .. }
            | EventKind::CallEnded { .. }
            | EventKind::IncomingCallCancelled { .. }
            | EventKind::OutgoingCallRejected { .. } => desk.next_turn(),
            // Nothing is offered before the door answers, but who waits is remembered.
            EventKind::CallViewed { viewer: leg } | EventKind::ParticipantJoined { participant: leg, .. } => {
                self.call.arrived(desk, &leg.device_id);
                Phase::Incoming(self)
            }
            EventKind::ViewerLeft { viewer: leg } | EventKind::ParticipantLeft { participant: leg } => {
                self.call.departed(desk, &leg.device_id);
                Phase::Incoming(self)
            }
            EventKind::CallDelivered { .. }
            | EventKind::CallUpdated { .. }
            | EventKind::IncomingCallReceived { .. }
            // Only a caller is told that.
            | EventKind::OutgoingCallAccepted { .. }
            | EventKind::DoorContact { .. }
            | EventKind::DoorOpened { .. }
            | EventKind::OpeningAsked { .. }
            | EventKind::OpeningRefused { .. }
            | EventKind::PressWaiting { .. } => Phase::Incoming(self),
        }
    }
}
