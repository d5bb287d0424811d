//! The answered call: connecting until media is up, then the conversation, until somebody or something ends it.

use super::indication::Outcome;
use super::live::{Call, Origin};
use super::station::{Desk, Phase};
use super::{Action, Button, Event, Timer};
use crate::ids::{ButtonId, SessionId};
use crate::signaling::protocol::{Call as WireCall, CallStatus, EndReason, EventKind, Refusal, Verb};

/// An answered call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Talking {
    call: Call,
    /// The button that went down since the answer; only that press, held, hangs up.
    armed: Option<ButtonId>,
}

impl Talking {
    /// The hub named a participant of the visitor's call.
    pub(super) fn begin(desk: &mut Desk, call: Call) -> Phase {
        desk.timers.stop_phase();
        desk.timers.set(Timer::Connect, desk.now + desk.rules.connect_deadline);
        Phase::Connecting(Self { call, armed: None }).settle(desk)
    }

    /// The door answers a resident's call. Camera and gates wait for the hub's word.
    pub(super) fn answer(desk: &mut Desk, call: Call) -> Phase {
        desk.ask(Verb::Accept { session_id: call.session });
        Self::begin(desk, call)
    }

    pub(super) fn accept_answered(mut self, desk: &mut Desk, result: Result<Box<WireCall>, Refusal>) -> Phase {
        match result {
            Ok(call) if call.status == CallStatus::Ongoing => {
                desk.order(Action::JoinSession(self.call.session));
                self.call.start_media(desk);
                self.call.consent(desk, &call.initiator.device_id);
                Phase::Connecting(self).settle(desk)
            }
            Ok(_) => self.over(desk, Outcome::Cancelled),
            Err(refusal) => {
                tracing::info!(code = ?refusal.code, "the call was over before it was answered");
                self.over(desk, Outcome::Cancelled)
            }
        }
    }

    pub(super) const fn session(&self) -> SessionId {
        self.call.session
    }

    pub(super) fn is_armed(&self, button: &ButtonId) -> bool {
        self.armed.as_ref() == Some(button)
    }

    pub(super) fn pressed(mut self, desk: &mut Desk, button: &Button) -> Self {
        match &self.call.origin {
            Origin::Button(own) if *own == button.id => {
                desk.acknowledge();
                self.armed = Some(button.id.clone());
            }
            Origin::Button(_) => desk.press_waits(Some(self.call.session), button),
            // No button is this call's own: held it hangs up, let go it was another visitor.
            Origin::Resident => self.armed = Some(button.id.clone()),
        }
        self
    }

    pub(super) fn released(mut self, desk: &mut Desk, button: &ButtonId) -> Self {
        if !self.is_armed(button) {
            return self;
        }
        self.armed = None;
        let known = desk.rules.buttons.iter().find(|known| known.id == *button).cloned();
        match (&self.call.origin, known) {
            (Origin::Resident, Some(known)) => desk.press_waits(Some(self.call.session), &known),
            (Origin::Resident, None) | (Origin::Button(_), _) => {}
        }
        self
    }

    pub(super) fn timed_out(self, desk: &mut Desk, timer: Timer) -> Phase {
        match timer {
            Timer::Connect | Timer::Media => self.hang_up(desk, EndReason::MediaLost),
            Timer::Maximum => self.hang_up(desk, EndReason::MaximumDuration),
            Timer::Link => self.over(desk, Outcome::Failed),
            Timer::Dial | Timer::Outcome | Timer::Queue | Timer::Ring | Timer::Stop => {
                Phase::Ongoing(self).settle(desk)
            }
        }
    }

    /// The door ends the call.
    pub(super) fn hang_up(self, desk: &mut Desk, reason: EndReason) -> Phase {
        desk.ask(Verb::End { session_id: self.call.session, reason: Some(reason) });
        let outcome = match reason {
            EndReason::MediaLost => Outcome::MediaLost,
            EndReason::DoorGone
            | EndReason::DoorHungUp
            | EndReason::MaximumDuration
            | EndReason::ResidentGone
            | EndReason::ResidentHungUp => Outcome::Ended,
        };
        self.over(desk, outcome)
    }

    fn over(self, desk: &mut Desk, outcome: Outcome) -> Phase {
        desk.wind_up(self.call, outcome)
    }

    pub(super) fn hub_told(mut self, desk: &mut Desk, event: EventKind) -> Phase {
        match event {
            EventKind::CallEnded { call }
            | EventKind::IncomingCallCancelled { call }
            | EventKind::OutgoingCallRejected { call }
            | EventKind::CallAnsweredElsewhere { call } => self.over(desk, super::outcome_of(&call)),
            EventKind::ParticipantJoined { participant } => {
                self.call.arrived(desk, &participant.device_id);
                self.call.consent(desk, &participant.device_id);
                Phase::Ongoing(self).settle(desk)
            }
            EventKind::ParticipantLeft { participant } => {
                self.call.departed(desk, &participant.device_id);
                Phase::Ongoing(self).settle(desk)
            }
            EventKind::OutgoingCallAccepted { by, .. } => {
                self.call.consent(desk, &by.device_id);
                Phase::Ongoing(self).settle(desk)
            }
            // Before the answer of accept: who waits is remembered, and heard by nobody yet.
            EventKind::CallViewed { viewer } => {
                self.call.arrived(desk, &viewer.device_id);
                Phase::Ongoing(self).settle(desk)
            }
            EventKind::ViewerLeft { viewer } => {
                self.call.departed(desk, &viewer.device_id);
                Phase::Ongoing(self).settle(desk)
            }
            EventKind::CallDelivered { .. }
            | EventKind::CallUpdated { .. }
            | EventKind::IncomingCallReceived { .. }
            | EventKind::PressWaiting { .. } => Phase::Ongoing(self).settle(desk),
        }
    }

    pub(super) fn media_event(mut self, desk: &mut Desk, event: Event) -> Phase {
        self.call.media_event(desk, event);
        Phase::Ongoing(self).settle(desk)
    }
}

impl Phase {
    /// Connecting until the first media is up; from then on ongoing, with a grace time while there is none.
    fn settle(self, desk: &mut Desk) -> Self {
        let (Self::Connecting(talking) | Self::Ongoing(talking)) = self else { return self };
        let begun = desk.timers.is_set(Timer::Maximum);
        if talking.call.is_connected() {
            desk.timers.stop(Timer::Connect);
            desk.timers.stop(Timer::Media);
            if !begun {
                desk.timers.set(Timer::Maximum, desk.now + desk.rules.maximum_duration);
            }
            return Self::Ongoing(talking);
        }
        if !begun {
            return Self::Connecting(talking);
        }
        if !desk.timers.is_set(Timer::Media) {
            desk.timers.set(Timer::Media, desk.now + desk.rules.media_grace);
        }
        Self::Ongoing(talking)
    }
}
