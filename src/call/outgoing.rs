//! The visitor's own call before the answer: dialing, and ringing with the residents' first looks.

use super::desk::Desk;
use super::indication::{self, Outcome};
use super::live::{Call, Origin};
use super::station::Phase;
use super::talking::Talking;
use super::{Button, Event, IMPATIENCE, LINK_GRACE, PressAgain, RING_BACKSTOP, Timer, press_metadata};
use crate::ids::{RequestKey, SessionId};
use crate::moment::Moment;
use crate::signaling::protocol::{
    self, Call as WireCall, CallStatus, CallType, ErrorCode, EventKind, Refusal, RejectStatus, Verb,
};

/// Events kept while the hub's answer is on its way: they may be of the call it will name.
const MOST_HELD_BACK: usize = 64;

/// Pressed; the hub has not answered yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dialing {
    button: Button,
    pressed_at: Moment,
    attempt: Attempt,
    /// A call that stood in the way once, and was closed: it is not closed twice.
    cleared: Option<SessionId>,
    /// The socket may be faster than the answer.
    held_back: Vec<protocol::Event>,
}

/// What the hub was asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Attempt {
    /// To close the call that stands in the way. Only its answer makes room: verbs may overtake each other.
    Clear(RequestKey),
    /// To ring.
    Initiate(RequestKey),
}

impl Dialing {
    pub(super) fn begin(desk: &mut Desk, button: &Button) -> Phase {
        let attempt = initiate(desk, button);
        desk.unqueue(&button.id);
        desk.timers.stop_phase();
        desk.timers.set(Timer::Dial, desk.now + desk.rules.dial_deadline);
        Phase::Dialing(Self {
            button: button.clone(),
            pressed_at: desk.now,
            attempt,
            cleared: None,
            held_back: Vec::new(),
        })
    }

    pub(super) fn is_attempt(&self, key: &RequestKey) -> bool {
        self.attempt == Attempt::Initiate(key.clone())
    }

    pub(super) fn is_clearing(&self, key: &RequestKey) -> bool {
        self.attempt == Attempt::Clear(key.clone())
    }

    /// The call that stood in the way is closed; or it was answered just before, and has to be ended instead.
    pub(super) fn cleared(
        self,
        desk: &mut Desk,
        session_id: SessionId,
        result: &Result<Box<WireCall>, Refusal>,
    ) -> Phase {
        let answered = |refusal: &Refusal| refusal.code == ErrorCode::ErrCallOngoingToInvalid;
        let attempt = if result.as_ref().is_err_and(answered) {
            Attempt::Clear(desk.ask(Verb::End { session_id, reason: None }))
        } else {
            initiate(desk, &self.button)
        };
        Phase::Dialing(Self { attempt, ..self })
    }

    pub(super) fn hold_back(mut self, told: protocol::Event) -> Self {
        if self.held_back.len() < MOST_HELD_BACK {
            self.held_back.push(told);
        } else {
            tracing::warn!("events before the answer of initiate were dropped");
        }
        self
    }

    pub(super) fn answered(self, desk: &mut Desk, result: Result<Box<WireCall>, Refusal>) -> Phase {
        let refusal = match result {
            Ok(call) => return self.initiated(desk, &call),
            Err(refusal) => refusal,
        };
        let standing_in_the_way = refusal.details.call;
        match (refusal.code, standing_in_the_way) {
            // The resident was first: the press answers their call.
            (ErrorCode::ErrCallBusyUser, Some(call)) => {
                let live = Call::new(desk, &call, Origin::Resident);
                let phase = Talking::answer(desk, live);
                replay(phase, desk, self.held_back)
            }
            // Left from before a restart of this door: out of the way, and once more.
            (ErrorCode::ErrCallBusySelf, Some(call)) if self.cleared != Some(call.session_id) => {
                let attempt = match desk.close_at_hub(&call) {
                    Some(key) => Attempt::Clear(key),
                    None => initiate(desk, &self.button),
                };
                Phase::Dialing(Self { attempt, cleared: Some(call.session_id), ..self })
            }
            (code, _) => {
                tracing::warn!(?code, message = %refusal.message, "the hub refused the call");
                let phase = desk.show(Outcome::Failed);
                replay(phase, desk, self.held_back)
            }
        }
    }

    fn initiated(self, desk: &mut Desk, call: &WireCall) -> Phase {
        let last_word = |told: &&protocol::Event| told.session_id == call.session_id && told.event.is_last_word();
        let end = self.held_back.iter().find(last_word).and_then(|told| told.event.call()).cloned();
        let end = end.or_else(|| call.status.is_terminal().then(|| call.clone()));
        if let Some(end) = end {
            desk.meet(call.session_id);
            let phase = desk.show(super::outcome_of(&end));
            let others = self.held_back.into_iter().filter(|told| told.session_id != call.session_id);
            return replay(phase, desk, others.collect());
        }
        let mut live = Call::new(desk, call, Origin::Button(self.button.id.clone()));
        desk.order(super::Action::JoinSession(call.session_id));
        if desk.rules.early_picture && desk.rules.call_type == CallType::Video {
            live.start_media(desk);
        }
        desk.timers.stop_phase();
        desk.timers.set(Timer::Ring, desk.now + RING_BACKSTOP);
        if desk.link == indication::LinkFact::Down {
            desk.timers.set(Timer::Link, desk.now + LINK_GRACE);
        }
        let ringing =
            Ringing { call: live, button: self.button, pressed_at: self.pressed_at, delivered: 0, notified: 0 };
        replay(Phase::Ringing(ringing), desk, self.held_back)
    }

    pub(super) fn pressed(self, desk: &mut Desk, button: &Button) -> Phase {
        match again(desk, &self.button, self.pressed_at, button) {
            Again::Nothing => Phase::Dialing(self),
            Again::Another => {
                desk.press_waits(None, button);
                Phase::Dialing(self)
            }
            Again::Cancel => self.give_up(desk, Outcome::Cancelled),
        }
    }

    pub(super) fn timed_out(self, desk: &mut Desk, timer: Timer) -> Phase {
        match timer {
            Timer::Dial => self.give_up(desk, Outcome::Failed),
            Timer::Connect
            | Timer::Link
            | Timer::Maximum
            | Timer::Media
            | Timer::Outcome
            | Timer::Queue
            | Timer::Ring
            | Timer::Stop => Phase::Dialing(self),
        }
    }

    fn give_up(self, desk: &mut Desk, outcome: Outcome) -> Phase {
        let held_back = self.withdraw(desk);
        let phase = desk.show(outcome);
        replay(phase, desk, held_back)
    }

    /// The attempt is abandoned: should it succeed all the same, its call is cancelled. What was held back is still to be
    /// heard.
    pub(super) fn withdraw(self, desk: &mut Desk) -> Vec<protocol::Event> {
        match self.attempt {
            Attempt::Initiate(key) => desk.order(super::Action::Withdraw(key)),
            // The call that stood in the way is closed all the same.
            Attempt::Clear(_) => {}
        }
        self.held_back
    }
}

/// Events that came before the answer, in the phase the answer led to.
pub(super) fn replay(phase: Phase, desk: &mut Desk, held_back: Vec<protocol::Event>) -> Phase {
    held_back.into_iter().fold(phase, |phase, told| phase.hub_told(desk, told))
}

fn initiate(desk: &mut Desk, button: &Button) -> Attempt {
    let metadata = press_metadata(&desk.rules, button);
    let (receiver, call_type) = (button.receiver.clone(), desk.rules.call_type);
    Attempt::Initiate(desk.ask(Verb::Initiate { receiver, call_type, metadata }))
}

/// What a press means while the visitor's own call dials or rings.
enum Again {
    Nothing,
    Another,
    Cancel,
}

fn again(desk: &mut Desk, own: &Button, first: Moment, pressed: &Button) -> Again {
    if own.id != pressed.id {
        return Again::Another;
    }
    if desk.now.since(first) < IMPATIENCE {
        desk.acknowledge();
        return Again::Nothing;
    }
    match desk.rules.press_again {
        PressAgain::Cancel => Again::Cancel,
        PressAgain::Ignore => {
            desk.acknowledge();
            Again::Nothing
        }
    }
}

/// It rings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ringing {
    call: Call,
    button: Button,
    pressed_at: Moment,
    delivered: u32,
    notified: u32,
}

impl Ringing {
    pub(super) const fn session(&self) -> SessionId {
        self.call.session
    }

    pub(super) fn shown(&self) -> indication::Phase {
        indication::Phase::Ringing { delivered: self.delivered, notified: self.notified, looking: self.call.looking() }
    }

    pub(super) fn pressed(self, desk: &mut Desk, button: &Button) -> Phase {
        match again(desk, &self.button, self.pressed_at, button) {
            Again::Nothing => Phase::Ringing(self),
            Again::Another => {
                desk.press_waits(Some(self.call.session), button);
                Phase::Ringing(self)
            }
            Again::Cancel => self.cancel(desk, Outcome::Cancelled),
        }
    }

    pub(super) fn timed_out(self, desk: &mut Desk, timer: Timer) -> Phase {
        match timer {
            Timer::Ring => self.cancel(desk, Outcome::Unanswered),
            Timer::Link => self.cancel(desk, Outcome::Failed),
            Timer::Connect
            | Timer::Dial
            | Timer::Maximum
            | Timer::Media
            | Timer::Outcome
            | Timer::Queue
            | Timer::Stop => Phase::Ringing(self),
        }
    }

    fn cancel(self, desk: &mut Desk, outcome: Outcome) -> Phase {
        self.take_back(desk);
        desk.show(outcome)
    }

    /// Cancels at the hub and closes everything, without waiting for the worker.
    pub(super) fn take_back(self, desk: &mut Desk) {
        desk.ask(Verb::Reject { session_id: self.call.session, status: RejectStatus::Cancelled });
        self.call.close(desk);
    }

    fn over(self, desk: &mut Desk, call: &WireCall) -> Phase {
        self.lost(desk, super::outcome_of(call))
    }

    /// The hub has it no more.
    pub(super) fn lost(self, desk: &mut Desk, outcome: Outcome) -> Phase {
        self.call.close(desk);
        desk.show(outcome)
    }

    pub(super) fn hub_told(mut self, desk: &mut Desk, told: protocol::Event) -> Phase {
        self.call.heard(desk, told.entry);
        match told.event {
            EventKind::CallDelivered { delivered, notified, .. } => {
                self.delivered = delivered;
                self.notified = notified;
                Phase::Ringing(self)
            }
            EventKind::CallViewed { viewer } => {
                self.call.arrived(desk, &viewer.device_id);
                Phase::Ringing(self)
            }
            EventKind::ViewerLeft { viewer } => {
                self.call.departed(desk, &viewer.device_id);
                Phase::Ringing(self)
            }
            EventKind::OutgoingCallAccepted { call, by } if call.status == CallStatus::Ongoing => {
                self.call.start_media(desk);
                self.call.consent(desk, &by.device_id);
                Talking::begin(desk, self.call)
            }
            EventKind::OutgoingCallAccepted { call, .. }
            | EventKind::OutgoingCallRejected { call }
            | EventKind::IncomingCallCancelled { call }
            | EventKind::CallEnded { call } => self.over(desk, &call),
            EventKind::CallAnsweredElsewhere { .. }
            | EventKind::CallUpdated { .. }
            | EventKind::IncomingCallReceived { .. }
            | EventKind::ParticipantJoined { .. }
            | EventKind::ParticipantLeft { .. }
            | EventKind::DoorContact { .. }
            | EventKind::DoorOpened { .. }
            | EventKind::OpeningAsked { .. }
            | EventKind::OpeningRefused { .. }
            | EventKind::PressWaiting { .. } => Phase::Ringing(self),
        }
    }

    pub(super) fn media_event(mut self, desk: &mut Desk, event: Event) -> Phase {
        self.call.media_event(desk, event);
        Phase::Ringing(self)
    }
}
