//! The door station: one current call, the facts beside it, and the table that says what each event means in each phase.
//!
//! This file dispatches; what a phase does stands in `outgoing`, `incoming` and `talking`, what they work with in `desk`.

use super::desk::Desk;
use super::incoming::Incoming;
use super::indication::{self, Indication, LinkFact, Outcome};
use super::outgoing::{Dialing, Ringing, replay};
use super::talking::Talking;
use super::{Action, Event, PROOF_DEADLINE, Rules, Timer};
use crate::ids::{BootId, ButtonId, DeviceId, RequestKey, SessionId};
use crate::moment::Moment;
use crate::signaling::protocol::{
    Call as WireCall, EndReason, ErrorCode, Event as HubEvent, EventKind, Refusal, RejectStatus, Verb, VerbRequest,
};

/// The door's mind. See the module for its contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    phase: Phase,
    desk: Desk,
    shown: Option<Indication>,
}

/// Where the current call stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// No call.
    Idle,
    /// Pressed; the hub has not answered yet.
    Dialing(Dialing),
    /// It rings.
    Ringing(Ringing),
    /// A resident calls the door.
    Incoming(Incoming),
    /// Answered; no media connection yet.
    Connecting(Talking),
    /// In conversation.
    Ongoing(Talking),
    /// Over; the worker still closes.
    Ending { session: SessionId, outcome: Outcome },
    /// Over; the visitor is shown how it went.
    Outcome(Outcome),
    /// Shut down: nothing new begins.
    Closed,
}

impl Station {
    /// A station at rest. `boot` makes its request keys unlike those of every other start.
    #[must_use]
    pub const fn new(rules: Rules, boot: BootId) -> Self {
        let desk = Desk::new(rules, boot);
        Self { phase: Phase::Idle, desk, shown: None }
    }

    /// Takes an event. What is due by `now` happens first; an older `now` counts as the newest seen.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.run_due(now);
        let phase = self.take_phase();
        self.phase = phase.handle(&mut self.desk, event);
        self.finish()
    }

    /// Runs every deadline that is due.
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<Action> {
        self.run_due(now);
        self.finish()
    }

    /// The next deadline, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Moment, Timer)> {
        self.desk.timers.next()
    }

    /// Whether there is no call and nothing left to close.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Closed)
    }

    /// The call that is ringing or running, if there is one.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        self.phase.session()
    }

    /// Whether the hub named this device a participant of this call, which is going on.
    #[must_use]
    pub fn talks_with(&self, session_id: SessionId, device_id: &DeviceId) -> bool {
        match &self.phase {
            Phase::Connecting(talking) | Phase::Ongoing(talking) => {
                talking.session() == session_id && talking.has_participant(device_id)
            }
            Phase::Idle
            | Phase::Dialing(_)
            | Phase::Ringing(_)
            | Phase::Incoming(_)
            | Phase::Ending { .. }
            | Phase::Outcome(_)
            | Phase::Closed => false,
        }
    }

    /// What the visitor is to be shown now.
    #[must_use]
    pub fn indication(&self) -> Indication {
        Indication {
            phase: self.phase.shown(),
            link: self.desk.link,
            camera_in_use: self.desk.camera,
            microphone_in_use: self.desk.microphone,
            press_waiting: self.desk.queued.clone(),
            button_stuck: !self.desk.stuck.is_empty(),
            at_fault: self.desk.at_fault,
            door_released: self.desk.released,
            tampered: self.desk.tampered,
            acknowledgements: self.desk.acknowledgements,
            refusals: self.desk.refusals,
        }
    }

    fn run_due(&mut self, now: Moment) {
        self.desk.now = self.desk.now.max(now);
        while let Some(timer) = self.desk.timers.take_due(self.desk.now) {
            let phase = self.take_phase();
            self.phase = phase.handle_timer(&mut self.desk, timer);
        }
    }

    const fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Idle)
    }

    fn finish(&mut self) -> Vec<Action> {
        let indication = self.indication();
        if self.shown.as_ref() != Some(&indication) {
            self.desk.order(Action::Indicate(indication.clone()));
            self.shown = Some(indication);
        }
        std::mem::take(&mut self.desk.actions)
    }
}

impl Phase {
    fn handle(self, desk: &mut Desk, event: Event) -> Self {
        match event {
            Event::CapturingChanged { camera, microphone } => {
                desk.camera = camera;
                desk.microphone = microphone;
                self
            }
            Event::Held(button) => self.held(desk, &button),
            Event::HubTold(told) => self.hub_told(desk, *told),
            Event::LinkDown => {
                desk.link = LinkFact::Down;
                self.link_down(desk)
            }
            Event::LinkUp { calls } => {
                desk.link = LinkFact::Up;
                self.link_up(desk, &calls)
            }
            Event::Pressed(button) => self.pressed(desk, &button),
            Event::Released(button) => self.released(desk, &button),
            Event::ReleaseChanged { released, tampered } => {
                desk.released = released;
                desk.tampered = tampered;
                self
            }
            Event::OpeningRefused => {
                desk.refusals = desk.refusals.wrapping_add(1);
                self
            }
            Event::SessionRefused { session_id, refusal } => self.session_refused(desk, session_id, refusal),
            Event::ShutDown => self.shut_down(desk),
            Event::DevicesChanged { at_fault } => {
                desk.at_fault = at_fault;
                self
            }
            Event::StuckChanged { button, stuck } => {
                if stuck {
                    desk.stuck.insert(button);
                } else {
                    desk.stuck.remove(&button);
                }
                self
            }
            Event::VerbAnswered { request, result } => self.verb_answered(desk, request, result),
            Event::MediaConnected { .. }
            | Event::MediaDied
            | Event::MediaLost { .. }
            | Event::MediaRestarted
            | Event::MediaSignalMade { .. }
            | Event::MediaStopped { .. }
            | Event::SessionJoined { .. }
            | Event::SignalCame { .. }
            | Event::StillTaken { .. } => self.media_event(desk, event),
        }
    }

    fn handle_timer(self, desk: &mut Desk, timer: Timer) -> Self {
        if timer == Timer::Queue {
            desk.queued = None;
            desk.refusals += 1;
            return self;
        }
        match self {
            Self::Idle | Self::Closed => self,
            Self::Dialing(dialing) => dialing.timed_out(desk, timer),
            Self::Ringing(ringing) => ringing.timed_out(desk, timer),
            Self::Incoming(incoming) => incoming.given_up(desk, Outcome::Unanswered),
            Self::Connecting(talking) | Self::Ongoing(talking) => talking.timed_out(desk, timer),
            Self::Ending { outcome, .. } => desk.show(outcome),
            Self::Outcome(_) => desk.next_turn(),
        }
    }

    fn pressed(self, desk: &mut Desk, button: &ButtonId) -> Self {
        let Some(known) = desk.rules.buttons.iter().find(|known| known.id == *button).cloned() else {
            tracing::debug!(%button, "press of a button that is not configured");
            return self;
        };
        match self {
            Self::Idle | Self::Outcome(_) => Dialing::begin(desk, &known),
            Self::Dialing(dialing) => dialing.pressed(desk, &known),
            Self::Ringing(ringing) => ringing.pressed(desk, &known),
            Self::Incoming(incoming) => incoming.pressed(&known),
            Self::Connecting(talking) => Self::Connecting(talking.pressed(desk, &known)),
            Self::Ongoing(talking) => Self::Ongoing(talking.pressed(desk, &known)),
            Self::Ending { .. } => {
                desk.queue(&known);
                self
            }
            Self::Closed => self,
        }
    }

    fn released(self, desk: &mut Desk, button: &ButtonId) -> Self {
        match self {
            Self::Incoming(incoming) => incoming.released(desk, button),
            Self::Connecting(talking) => Self::Connecting(talking.released(desk, button)),
            Self::Ongoing(talking) => Self::Ongoing(talking.released(desk, button)),
            Self::Idle
            | Self::Dialing(_)
            | Self::Ringing(_)
            | Self::Ending { .. }
            | Self::Outcome(_)
            | Self::Closed => self,
        }
    }

    fn held(self, desk: &mut Desk, button: &ButtonId) -> Self {
        match self {
            Self::Incoming(incoming) => incoming.held(desk, button),
            Self::Connecting(talking) if talking.is_armed(button) => talking.hang_up(desk, EndReason::DoorHungUp),
            Self::Ongoing(talking) if talking.is_armed(button) => talking.hang_up(desk, EndReason::DoorHungUp),
            Self::Idle
            | Self::Dialing(_)
            | Self::Ringing(_)
            | Self::Connecting(_)
            | Self::Ongoing(_)
            | Self::Ending { .. }
            | Self::Outcome(_)
            | Self::Closed => self,
        }
    }

    pub(super) fn hub_told(self, desk: &mut Desk, told: HubEvent) -> Self {
        if let Self::Dialing(dialing) = self {
            return Self::Dialing(dialing.hold_back(told));
        }
        if self.session() != Some(told.session_id) {
            return self.other_session(desk, told);
        }
        match self {
            Self::Ringing(ringing) => ringing.hub_told(desk, told),
            Self::Incoming(incoming) => incoming.hub_told(desk, told),
            Self::Connecting(talking) | Self::Ongoing(talking) => talking.hub_told(desk, told),
            Self::Idle | Self::Dialing(_) | Self::Ending { .. } | Self::Outcome(_) | Self::Closed => self,
        }
    }

    /// A new call may begin, and a call that nobody here knows of is closed; anything else changes nothing.
    fn other_session(self, desk: &mut Desk, told: HubEvent) -> Self {
        let EventKind::IncomingCallReceived { call, rings_for, .. } = told.event else {
            desk.close_stray(&told);
            return self;
        };
        match self {
            Self::Idle | Self::Outcome(_) => Incoming::begin(desk, &call, rings_for, self),
            Self::Dialing(_) | Self::Ringing(_) | Self::Incoming(_) | Self::Connecting(_) | Self::Ongoing(_) => {
                desk.meet(call.session_id);
                desk.ask(Verb::Reject { session_id: call.session_id, status: super::REFUSE_BUSY });
                self
            }
            Self::Ending { .. } | Self::Closed => {
                desk.meet(call.session_id);
                desk.ask(Verb::Reject { session_id: call.session_id, status: super::REFUSE_BUSY });
                self
            }
        }
    }

    fn verb_answered(self, desk: &mut Desk, request: VerbRequest, result: Result<Box<WireCall>, Refusal>) -> Self {
        match (request.verb, result) {
            (Verb::Initiate { .. }, result) => match self {
                Self::Dialing(dialing) if dialing.is_attempt(&request.key) => dialing.answered(desk, result),
                other => {
                    if let Ok(call) = result {
                        desk.close_at_hub(&call);
                    }
                    other
                }
            },
            (Verb::Accept { session_id }, result) => match self {
                Self::Connecting(talking) | Self::Ongoing(talking) if talking.is_answering(&request.key) => {
                    talking.accept_answered(desk, result)
                }
                other => {
                    if let Ok(call) = result
                        && other.session() != Some(session_id)
                    {
                        desk.close_at_hub(&call);
                    }
                    other
                }
            },
            (Verb::Reject { session_id, .. } | Verb::End { session_id, .. }, result)
                if self.is_clearing(&request.key) =>
            {
                match self {
                    Self::Dialing(dialing) => dialing.cleared(desk, session_id, &result),
                    other => other,
                }
            }
            // The cancel lost to an accept: the call is ours, and nobody is at the door any more.
            (Verb::Reject { session_id, .. }, Err(refusal)) if refusal.code == ErrorCode::ErrCallOngoingToInvalid => {
                if self.session() != Some(session_id) {
                    desk.ask(Verb::End { session_id, reason: None });
                }
                self
            }
            (
                Verb::Reject { .. }
                | Verb::End { .. }
                | Verb::GenerateToken { .. }
                | Verb::KeepAudit { .. }
                | Verb::KeepTrace { .. }
                | Verb::Open { .. }
                | Verb::PressWaiting { .. }
                | Verb::ReportDoor { .. }
                | Verb::ShowStill { .. },
                _,
            ) => self,
        }
    }

    fn media_event(self, desk: &mut Desk, event: Event) -> Self {
        match self {
            Self::Ringing(ringing) => ringing.media_event(desk, event),
            Self::Incoming(incoming) => Self::Incoming(incoming),
            Self::Connecting(talking) | Self::Ongoing(talking) => talking.media_event(desk, event),
            Self::Ending { session, outcome } => match event {
                Event::MediaStopped { session_id } if session_id == session => desk.show(outcome),
                Event::MediaDied => desk.show(outcome),
                _ => Self::Ending { session, outcome },
            },
            Self::Idle | Self::Dialing(_) | Self::Outcome(_) | Self::Closed => self,
        }
    }

    fn link_down(self, desk: &mut Desk) -> Self {
        if matches!(self, Self::Ringing(_)) {
            desk.timers.set(Timer::Link, desk.now + super::LINK_GRACE);
        }
        self
    }

    /// What the hub knows and what the station knows are brought together.
    fn link_up(self, desk: &mut Desk, calls: &[WireCall]) -> Self {
        desk.timers.stop(Timer::Link);
        let session = self.session();
        let dialing = matches!(self, Self::Dialing(_));
        for call in calls.iter().filter(|call| Some(call.session_id) != session) {
            // While dialing, one that is unknown may be the answer that was lost; it comes again.
            if !dialing || desk.has_met(call.session_id) {
                desk.close_leftover(call);
            }
        }
        let Some(session) = session else { return self };
        let Some(picture) = calls.iter().find(|call| call.session_id == session) else {
            // Its end, missed while the link was down, follows at once, or a word that shows that the welcome was older
            // than the call; if neither comes, the hub has lost the call.
            desk.timers.set(Timer::Link, desk.now + PROOF_DEADLINE);
            return self;
        };
        match self {
            Self::Connecting(talking) | Self::Ongoing(talking) => talking.compare(desk, picture),
            Self::Idle
            | Self::Dialing(_)
            | Self::Ringing(_)
            | Self::Incoming(_)
            | Self::Ending { .. }
            | Self::Outcome(_)
            | Self::Closed => self,
        }
    }

    /// The hub says so of a call that is over, or that it lost: its answer was on its way for longer than it lived.
    fn session_refused(self, desk: &mut Desk, session_id: SessionId, refusal: Refusal) -> Self {
        let lost = refusal.code == ErrorCode::ErrCallSessionNotFound;
        let end = refusal.details.call.filter(|call| call.status.is_terminal());
        if self.session() != Some(session_id) || !(lost || end.is_some()) {
            return self;
        }
        let outcome = end.map_or(Outcome::Failed, |call| super::outcome_of(&call));
        match self {
            Self::Ringing(ringing) => ringing.lost(desk, outcome),
            Self::Connecting(talking) | Self::Ongoing(talking) => talking.over(desk, outcome),
            Self::Idle
            | Self::Dialing(_)
            | Self::Incoming(_)
            | Self::Ending { .. }
            | Self::Outcome(_)
            | Self::Closed => self,
        }
    }

    fn is_clearing(&self, key: &RequestKey) -> bool {
        matches!(self, Self::Dialing(dialing) if dialing.is_clearing(key))
    }

    fn shut_down(self, desk: &mut Desk) -> Self {
        let mut held_back = Vec::new();
        match self {
            Self::Dialing(dialing) => held_back = dialing.withdraw(desk),
            Self::Ringing(ringing) => ringing.take_back(desk),
            Self::Incoming(incoming) => incoming.refuse(desk, RejectStatus::Rejected),
            Self::Connecting(talking) | Self::Ongoing(talking) => {
                // The media stops with the process at the latest; nobody waits for it.
                let _ = talking.hang_up(desk, EndReason::DoorHungUp);
            }
            Self::Idle | Self::Ending { .. } | Self::Outcome(_) | Self::Closed => {}
        }
        desk.timers.stop_phase();
        desk.forget_queued();
        replay(Self::Closed, desk, held_back)
    }

    const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Ringing(ringing) => Some(ringing.session()),
            Self::Incoming(incoming) => Some(incoming.session()),
            Self::Connecting(talking) | Self::Ongoing(talking) => Some(talking.session()),
            Self::Idle | Self::Dialing(_) | Self::Ending { .. } | Self::Outcome(_) | Self::Closed => None,
        }
    }

    fn shown(&self) -> indication::Phase {
        match self {
            Self::Idle | Self::Closed => indication::Phase::Idle,
            Self::Dialing(_) => indication::Phase::Dialing,
            Self::Ringing(ringing) => ringing.shown(),
            Self::Incoming(_) => indication::Phase::Incoming,
            Self::Connecting(_) => indication::Phase::Connecting,
            Self::Ongoing(_) => indication::Phase::Ongoing,
            Self::Ending { .. } => indication::Phase::Ending,
            Self::Outcome(outcome) => indication::Phase::Outcome(*outcome),
        }
    }
}
