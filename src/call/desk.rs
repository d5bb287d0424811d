//! What every phase of the station works with: time, rules, timers, the facts beside the phase, and the orders given.
//!
//! Nothing here knows which phase it is.

use std::collections::{BTreeSet, VecDeque};

use super::indication::{LinkFact, Outcome};
use super::outgoing::Dialing;
use super::station::Phase;
use super::timers::Timers;
use super::{
    Action, Button, MOST_MET, OUTCOME_SHOWN, QUEUE_DEADLINE, Rules, STOP_DEADLINE, SecondButton, Timer, press_metadata,
};
use crate::ids::{BootId, ButtonId, PeerId, RequestKey, SessionId};
use crate::moment::Moment;
use crate::signaling::protocol::{
    Call as WireCall, CallStatus, Event as HubEvent, EventKind, RejectStatus, Verb, VerbRequest,
};

/// What every phase works with: time, rules, timers, numbers, the facts beside the phase, and the orders given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Desk {
    pub(super) now: Moment,
    pub(super) rules: Rules,
    pub(super) timers: Timers,
    pub(super) link: LinkFact,
    pub(super) boot: BootId,
    pub(super) requests: u64,
    pub(super) peers: u32,
    pub(super) camera: bool,
    pub(super) microphone: bool,
    pub(super) stuck: BTreeSet<ButtonId>,
    pub(super) at_fault: bool,
    pub(super) released: bool,
    pub(super) tampered: bool,
    pub(super) queued: Option<ButtonId>,
    /// Sessions this door had or closed, the newest last.
    pub(super) met: VecDeque<SessionId>,
    pub(super) acknowledgements: u32,
    pub(super) refusals: u32,
    pub(super) actions: Vec<Action>,
}

impl Desk {
    /// With nothing on it.
    pub(super) const fn new(rules: Rules, boot: BootId) -> Self {
        Self {
            now: Moment::START,
            rules,
            timers: Timers::new(),
            link: LinkFact::Down,
            boot,
            requests: 0,
            peers: 0,
            camera: false,
            microphone: false,
            stuck: BTreeSet::new(),
            at_fault: false,
            released: false,
            tampered: false,
            queued: None,
            met: VecDeque::new(),
            acknowledgements: 0,
            refusals: 0,
            actions: Vec::new(),
        }
    }

    pub(super) fn order(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Asks the hub, under a new key.
    pub(super) fn ask(&mut self, verb: Verb) -> RequestKey {
        self.requests += 1;
        let key = RequestKey::of_attempt(self.boot, self.requests);
        self.order(Action::Ask(VerbRequest { key: key.clone(), verb }));
        key
    }

    pub(super) const fn next_peer(&mut self) -> PeerId {
        self.peers += 1;
        PeerId(self.peers)
    }

    /// The press was understood and changes nothing.
    pub(super) const fn acknowledge(&mut self) {
        self.acknowledgements = self.acknowledgements.wrapping_add(1);
    }

    /// Another button while a call is on: residents of the call learn of it, and it waits its turn or is refused.
    pub(super) fn press_waits(&mut self, session: Option<SessionId>, button: &Button) {
        if let Some(session_id) = session {
            let metadata = press_metadata(&self.rules, button);
            self.ask(Verb::PressWaiting { session_id, metadata });
        }
        match self.rules.second_button {
            SecondButton::Queue => self.queue(button),
            SecondButton::Refuse => self.refusals = self.refusals.wrapping_add(1),
        }
    }

    pub(super) fn queue(&mut self, button: &Button) {
        match &self.queued {
            None => {
                self.queued = Some(button.id.clone());
                self.timers.set(Timer::Queue, self.now + QUEUE_DEADLINE);
                self.acknowledge();
            }
            Some(queued) if *queued == button.id => self.acknowledge(),
            Some(_) => self.refusals = self.refusals.wrapping_add(1),
        }
    }

    /// The queued press has its turn, or was repeated.
    pub(super) fn unqueue(&mut self, button: &ButtonId) {
        if self.queued.as_ref() == Some(button) {
            self.forget_queued();
        }
    }

    pub(super) fn forget_queued(&mut self) {
        self.queued = None;
        self.timers.stop(Timer::Queue);
    }

    /// Over: show how it went.
    pub(super) fn show(&mut self, outcome: Outcome) -> Phase {
        self.timers.stop_phase();
        self.timers.set(Timer::Outcome, self.now + OUTCOME_SHOWN);
        Phase::Outcome(outcome)
    }

    /// Over: wait for the worker, if it has something to close, then show how it went.
    pub(super) fn wind_up(&mut self, call: super::live::Call, outcome: Outcome) -> Phase {
        let session = call.session;
        if call.close(self) {
            self.timers.stop_phase();
            self.timers.set(Timer::Stop, self.now + STOP_DEADLINE);
            Phase::Ending { session, outcome }
        } else {
            self.show(outcome)
        }
    }

    /// At rest, unless a press waits for its turn.
    pub(super) fn next_turn(&mut self) -> Phase {
        self.timers.stop_phase();
        let queued = self.queued.take();
        self.timers.stop(Timer::Queue);
        match queued.and_then(|id| self.rules.buttons.iter().find(|button| button.id == id).cloned()) {
            Some(button) => Dialing::begin(self, &button),
            None => Phase::Idle,
        }
    }

    /// Remembers a session. Whether it is a new one.
    pub(super) fn meet(&mut self, session_id: SessionId) -> bool {
        let new = !self.has_met(session_id);
        if new {
            if self.met.len() == MOST_MET {
                self.met.pop_front();
            }
            self.met.push_back(session_id);
        }
        new
    }

    pub(super) fn has_met(&self, session_id: SessionId) -> bool {
        self.met.contains(&session_id)
    }

    /// A call of this door that is nobody's any more. The verb's key, if there is something to close.
    pub(super) fn close_at_hub(&mut self, call: &WireCall) -> Option<RequestKey> {
        let session_id = call.session_id;
        self.meet(session_id);
        match call.status {
            CallStatus::Initiated => Some(self.ask(Verb::Reject { session_id, status: RejectStatus::Cancelled })),
            CallStatus::Ongoing => Some(self.ask(Verb::End { session_id, reason: None })),
            CallStatus::Ended
            | CallStatus::Rejected
            | CallStatus::Busy
            | CallStatus::Cancelled
            | CallStatus::Unanswered => None,
        }
    }

    /// A call the hub still has and the station has not: left from before a restart, of this door or of the hub. A resident's
    /// ring is told anew, unless it was refused already.
    pub(super) fn close_leftover(&mut self, call: &WireCall) {
        let session_id = call.session_id;
        if call.initiator.uid == call.door || call.status == CallStatus::Ongoing {
            self.close_at_hub(call);
        } else if self.has_met(session_id) {
            self.ask(Verb::Reject { session_id, status: RejectStatus::Rejected });
        }
    }

    /// An attempt that was abandoned may have reached the hub all the same, its answer lost. Only the caller of a call hears
    /// these.
    pub(super) fn close_stray(&mut self, told: &HubEvent) {
        let session_id = told.session_id;
        match &told.event {
            EventKind::OutgoingCallAccepted { call, .. } => {
                self.close_at_hub(call);
            }
            EventKind::CallDelivered { .. } | EventKind::CallViewed { .. } if self.meet(session_id) => {
                self.ask(Verb::Reject { session_id, status: RejectStatus::Cancelled });
            }
            EventKind::CallDelivered { .. }
            | EventKind::CallViewed { .. }
            | EventKind::CallAnsweredElsewhere { .. }
            | EventKind::CallEnded { .. }
            | EventKind::CallUpdated { .. }
            | EventKind::IncomingCallCancelled { .. }
            | EventKind::IncomingCallReceived { .. }
            | EventKind::OutgoingCallRejected { .. }
            | EventKind::ParticipantJoined { .. }
            | EventKind::ParticipantLeft { .. }
            | EventKind::DoorContact { .. }
            | EventKind::DoorOpened { .. }
            | EventKind::OpeningAsked { .. }
            | EventKind::OpeningRefused { .. }
            | EventKind::PressWaiting { .. }
            | EventKind::ViewerLeft { .. } => tracing::debug!(session = %session_id, "event of another session"),
        }
    }
}
