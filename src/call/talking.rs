//! The answered call: connecting until media is up, then the conversation, until somebody or something ends it.

use super::desk::Desk;
use super::indication::Outcome;
use super::live::{Call, Origin};
use super::station::Phase;
use super::{Action, Button, Event, Timer};
use crate::ids::{ButtonId, DeviceId, RequestKey, SessionId};
use crate::signaling::protocol::{
    Call as WireCall, CallStatus, EndReason, Event as HubEvent, EventKind, Refusal, RejectStatus, Verb,
};

/// An answered call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Talking {
    call: Call,
    /// The door's own accept of a resident's call, while the hub has not answered it.
    answering: Option<RequestKey>,
    /// The button that went down since the answer; only that press, held, hangs up.
    armed: Option<ButtonId>,
}

impl Talking {
    /// The hub named a participant of the visitor's call.
    pub(super) fn begin(desk: &mut Desk, call: Call) -> Phase {
        Self::connect(desk, call, None)
    }

    fn connect(desk: &mut Desk, call: Call, answering: Option<RequestKey>) -> Phase {
        desk.timers.stop_phase();
        desk.timers.set(Timer::Connect, desk.now + desk.rules.connect_deadline);
        Phase::Connecting(Self { call, answering, armed: None }).settle(desk)
    }

    /// The door answers a resident's call. Camera and gates wait for the hub's word.
    pub(super) fn answer(desk: &mut Desk, call: Call) -> Phase {
        let key = desk.ask(Verb::Accept { session_id: call.session });
        Self::connect(desk, call, Some(key))
    }

    pub(super) fn is_answering(&self, key: &RequestKey) -> bool {
        self.answering.as_ref() == Some(key)
    }

    pub(super) fn accept_answered(mut self, desk: &mut Desk, result: Result<Box<WireCall>, Refusal>) -> Phase {
        self.answering = None;
        match result {
            Ok(call) if call.status == CallStatus::Ongoing => {
                self.call.heard(desk, call.entry);
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

    pub(super) fn has_participant(&self, device: &DeviceId) -> bool {
        self.call.has_participant(device)
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
            Timer::Link => {
                self.let_go(desk, None);
                self.over(desk, Outcome::Failed)
            }
            Timer::Dial | Timer::Outcome | Timer::Queue | Timer::Ring | Timer::Stop => {
                Phase::Ongoing(self).settle(desk)
            }
        }
    }

    /// The door ends the call.
    pub(super) fn hang_up(self, desk: &mut Desk, reason: EndReason) -> Phase {
        self.let_go(desk, Some(reason));
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

    /// Ends the call at the hub; refuses it there if its answer is not known to have arrived.
    fn let_go(&self, desk: &mut Desk, reason: Option<EndReason>) {
        let session_id = self.call.session;
        match &self.answering {
            Some(key) => {
                desk.order(Action::Withdraw(key.clone()));
                desk.ask(Verb::Reject { session_id, status: RejectStatus::Rejected });
            }
            None => {
                desk.ask(Verb::End { session_id, reason });
            }
        }
    }

    /// What the hub knows of this call, after it was away.
    pub(super) fn compare(mut self, desk: &mut Desk, picture: &WireCall) -> Phase {
        if self.call.is_ahead_of(picture) || self.answering.is_some() {
            return Phase::Ongoing(self).settle(desk);
        }
        if picture.status == CallStatus::Initiated {
            // It started again and lost the answer: nobody is known to have consented.
            let status = match self.call.origin {
                Origin::Button(_) => RejectStatus::Cancelled,
                Origin::Resident => RejectStatus::Rejected,
            };
            desk.ask(Verb::Reject { session_id: self.call.session, status });
            return self.over(desk, Outcome::Failed);
        }
        self.call.keep_only(desk, picture);
        Phase::Ongoing(self).settle(desk)
    }

    pub(super) fn over(self, desk: &mut Desk, outcome: Outcome) -> Phase {
        desk.wind_up(self.call, outcome)
    }

    pub(super) fn hub_told(mut self, desk: &mut Desk, told: HubEvent) -> Phase {
        self.call.heard(desk, told.entry);
        match told.event {
            EventKind::CallEnded { call }
            | EventKind::IncomingCallCancelled { call }
            | EventKind::OutgoingCallRejected { call }
            | EventKind::CallAnsweredElsewhere { call } => self.over(desk, super::outcome_of(&call)),
            EventKind::ParticipantJoined { participant, keeps } => {
                if !self.call.has_up(&participant.device_id, keeps) {
                    self.call.arrived(desk, &participant.device_id);
                }
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
            | EventKind::DoorContact { .. }
            | EventKind::DoorOpened { .. }
            | EventKind::OpeningAsked { .. }
            | EventKind::OpeningRefused { .. }
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
