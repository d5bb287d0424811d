//! One call: who is in it, where it stands, what was told to whom. Never looks at another call.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Change, Initiation, Output, Rules, Timer};
use crate::ids::{DeviceId, EntryNumber, RequestKey, SessionId, Uid};
use crate::moment::Moment;
use crate::signaling::protocol::{
    Call, CallStatus, EndReason, ErrorCode, Event, EventKind, Leg, Participant, ParticipantState, Receiver, Refusal,
    RejectStatus, Role,
};

/// The number of the entry that rings.
pub(super) const RING: EntryNumber = EntryNumber(1);

/// Verbs remembered per device and call; a device that sends more has long had the answers of the first.
const REMEMBERED_KEYS: usize = 32;

/// What folding one entry needs besides the call, and what comes of it.
pub(super) struct Turn {
    pub now: Moment,
    /// The entry's wall clock, for history.
    pub wall: u64,
    pub rules: Rules,
    /// Users who are in another call.
    pub waiting: BTreeSet<Uid>,
    pub outputs: Vec<Output>,
}

/// A time at which an entry is ordered, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// Still to come.
    Ahead(Moment),
    /// The entry is on its way.
    Ordered(Moment),
}

impl Deadline {
    pub const fn at(self) -> Moment {
        match self {
            Self::Ahead(at) | Self::Ordered(at) => at,
        }
    }

    const fn ahead(self) -> Option<Moment> {
        match self {
            Self::Ahead(at) => Some(at),
            Self::Ordered(_) => None,
        }
    }

    /// Whether it is due now; then it counts as ordered.
    fn order(&mut self, now: Moment) -> bool {
        let due = self.ahead().is_some_and(|at| at <= now);
        if due {
            *self = Self::Ordered(self.at());
        }
        due
    }
}

/// Where the call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Ringing { until: Deadline },
    Ongoing { since: Moment, started_at: u64 },
    Over { status: CallStatus, reason: Option<EndReason>, talk: Option<Talk>, ended_at: u64, forget_at: Moment },
}

/// The answered part of a call that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Talk {
    pub started_at: u64,
    pub seconds: u64,
}

/// What the call is to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It called, and waits.
    Calling,
    /// It rings later, if nobody answers before.
    Later,
    /// It rings.
    Ringing,
    /// It rang, or was not to be disturbed: its user refused, or somebody else answered.
    Settled,
    /// It is in the conversation.
    In,
    /// It was in the conversation.
    Left,
}

/// How far the ring came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Delivery {
    Sent,
    Notified,
    Acknowledged,
}

/// A device's media session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Closed,
    Open,
    /// Revoked; its `Leave`, with which the door is told, is ordered.
    Closing,
}

/// Whether the hub reaches the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// Lost by this entry. The deadline counts while the device calls or is in the conversation.
    Away {
        lost_by: EntryNumber,
        until: Deadline,
    },
}

/// One device that has to do with the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub leg: Leg,
    pub standing: Standing,
    pub delivery: Delivery,
    pub media: Media,
    pub presence: Presence,
    /// The entry by which it rings.
    pub rung_by: EntryNumber,
    /// Milliseconds after which it rings.
    pub after: u64,
    /// It may see the door before anybody answers.
    pub looks: bool,
    /// Whether it can be woken by push.
    pub push: bool,
    /// It was to be woken, and was not told yet that it need not any more.
    pub woken: bool,
}

impl Device {
    /// Its absence decides something.
    const fn counts(&self) -> bool {
        matches!(self.standing, Standing::Calling | Standing::In)
    }
}

/// Why a verb of a party is refused; the call as it stands goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Objection {
    pub code: ErrorCode,
    pub words: &'static str,
}

/// Shorthand for a refused verb.
pub(super) const fn objection(code: ErrorCode, words: &'static str) -> Verdict {
    Err(Objection { code, words })
}

/// What was decided of a verb.
pub(super) type Verdict = Result<(), Objection>;

/// An event as it was told, kept for devices that were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub entry: EntryNumber,
    pub to: Vec<DeviceId>,
    pub event: EventKind,
}

/// One call, from its first entry until it is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallState {
    pub session_id: SessionId,
    pub initiation: Arc<Initiation>,
    pub initiated_at: u64,
    pub number: EntryNumber,
    pub phase: Phase,
    /// The caller's device and those of every member.
    pub devices: BTreeMap<DeviceId, Device>,
    /// When it rings at those who come later, by milliseconds.
    pub steps: BTreeMap<u64, Deadline>,
    /// Members that do not want to answer.
    pub refusals: BTreeMap<Uid, RejectStatus>,
    pub participants: Vec<Participant>,
    /// When the door showed its picture.
    pub still_at: Option<u64>,
    pub verdicts: BTreeMap<DeviceId, VecDeque<(RequestKey, Verdict)>>,
    pub told: Vec<Told>,
}

impl CallState {
    /// Whether it is over.
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Device and key of its first entry.
    pub fn asked(&self) -> (DeviceId, RequestKey) {
        (self.initiation.initiator.device_id.clone(), self.initiation.key.clone())
    }

    pub fn device_ids(&self) -> impl Iterator<Item = &DeviceId> {
        self.devices.keys()
    }

    pub fn uids(&self) -> impl Iterator<Item = &Uid> {
        self.initiation.members.iter().map(|member| &member.uid).chain([&self.initiation.initiator.uid])
    }

    pub fn uid_of(&self, device_id: &DeviceId) -> Option<&Uid> {
        self.devices.get(device_id).map(|device| &device.leg.uid)
    }

    pub fn is_caller(&self, device_id: &DeviceId) -> bool {
        self.initiation.initiator.device_id == *device_id
    }

    /// Whether this user calls, or is in the conversation.
    pub fn engages(&self, uid: &Uid) -> bool {
        self.devices.values().any(|device| device.leg.uid == *uid && device.counts())
    }

    /// Whether this user could still answer.
    pub fn asks(&self, uid: &Uid) -> bool {
        matches!(self.phase, Phase::Ringing { .. })
            && self.devices.values().any(|device| device.leg.uid == *uid && device.standing == Standing::Ringing)
    }

    /// Every member that has a device refused, and there is one.
    pub fn all_refused(&self) -> bool {
        let asked = self.initiation.members.iter().filter(|member| !member.devices.is_empty());
        !self.refusals.is_empty() && self.refusals.len() == asked.count()
    }

    /// The user that is the door of this call.
    pub fn door(&self) -> &Uid {
        match &self.initiation.receiver {
            Receiver::User(uid) if !self.initiation.initiator_is_door => uid,
            Receiver::User(_) | Receiver::Group(_) => &self.initiation.initiator.uid,
        }
    }

    pub fn is_door(&self, device: &Device) -> bool {
        device.leg.uid == *self.door()
    }

    /// The door's device, once it is known which of them is in this call.
    pub fn door_device(&self) -> Option<&DeviceId> {
        let doors = || self.devices.values().filter(|device| self.is_door(device));
        doors()
            .find(|device| device.counts())
            .or_else(|| doors().find(|device| device.standing == Standing::Left))
            .or_else(|| doors().find(|device| device.media == Media::Open))
            .map(|device| &device.leg.device_id)
    }

    /// What the device may do in the media session now.
    pub fn role(&self, device: &Device) -> Option<Role> {
        let asked = match (&self.phase, device.standing) {
            (Phase::Ringing { .. }, Standing::Calling) => Role::Viewer,
            (Phase::Ringing { .. }, Standing::Ringing) if device.looks => Role::Viewer,
            (Phase::Ongoing { .. }, Standing::In) => Role::Participant,
            (Phase::Ringing { .. } | Phase::Ongoing { .. } | Phase::Over { .. }, _) => return None,
        };
        Some(if self.is_door(device) { Role::Door } else { asked })
    }

    /// A call to a group whose later accepts join.
    pub fn is_joinable(&self) -> bool {
        self.initiation.joinable && matches!(self.initiation.receiver, Receiver::Group(_))
    }

    pub const fn status(&self) -> CallStatus {
        match self.phase {
            Phase::Ringing { .. } => CallStatus::Initiated,
            Phase::Ongoing { .. } => CallStatus::Ongoing,
            Phase::Over { status, .. } => status,
        }
    }

    /// The call as everybody sees it.
    pub fn picture(&self) -> Call {
        let (end_reason, started_at, ended_at, duration) = match &self.phase {
            Phase::Ringing { .. } => (None, None, None, None),
            Phase::Ongoing { started_at, .. } => (None, Some(*started_at), None, None),
            Phase::Over { reason, talk, ended_at, .. } => {
                (*reason, talk.map(|talk| talk.started_at), Some(*ended_at), talk.map(|talk| talk.seconds))
            }
        };
        Call {
            session_id: self.session_id,
            call_type: self.initiation.call_type,
            status: self.status(),
            end_reason,
            initiator: self.initiation.initiator.clone(),
            receiver: self.initiation.receiver.clone(),
            receiver_name: self.initiation.receiver_name.clone(),
            door: self.door().clone(),
            initiated_at: self.initiated_at,
            started_at,
            ended_at,
            duration,
            participants: self.participants.clone(),
            metadata: self.initiation.metadata.clone(),
            still_at: self.still_at,
            entry: self.number,
        }
    }

    /// The devices for which `which` holds.
    pub fn those(&self, which: impl Fn(&Device) -> bool) -> Vec<DeviceId> {
        self.devices.values().filter(|device| which(device)).map(|device| device.leg.device_id.clone()).collect()
    }

    /// Everybody in the conversation but one.
    pub fn others_in(&self, but: &DeviceId) -> Vec<DeviceId> {
        self.those(|device| device.standing == Standing::In && device.leg.device_id != *but)
    }

    // ------------------------------------------------------------------------------------------------------- deadlines

    /// The next deadline that was not ordered yet.
    pub fn next_deadline(&self) -> Option<(Moment, Timer)> {
        let ring = match &self.phase {
            Phase::Over { forget_at, .. } => return Some((*forget_at, Timer::Forget(self.session_id))),
            Phase::Ringing { until } => {
                let steps = self.steps.values().filter_map(|step| step.ahead()).min();
                let step = steps.map(|at| (at, Timer::Step(self.session_id)));
                let over = until.ahead().map(|at| (at, Timer::Ring(self.session_id)));
                step.into_iter().chain(over).min_by_key(|(at, _)| *at)
            }
            Phase::Ongoing { .. } => None,
        };
        let absences =
            self.devices.values().filter(|device| device.counts()).filter_map(|device| match device.presence {
                Presence::Here => None,
                Presence::Away { until, .. } => until.ahead(),
            });
        let absence = absences.min().map(|at| (at, Timer::Absence(self.session_id)));
        ring.into_iter().chain(absence).min_by_key(|(at, _)| *at)
    }

    /// The entries that are due.
    pub fn order_due(&mut self, now: Moment) -> Vec<Change> {
        let mut orders = Vec::new();
        if let Phase::Ringing { until } = &mut self.phase {
            let due = self.steps.iter_mut().filter_map(|(after, step)| step.order(now).then_some(*after));
            orders.extend(due.map(|after| Change::Step { after }));
            if until.order(now) {
                orders.push(Change::Expire);
            }
        }
        for device in self.devices.values_mut().filter(|device| device.counts()) {
            if let Presence::Away { lost_by, until } = &mut device.presence
                && until.order(now)
            {
                orders.push(Change::Absent { device_id: device.leg.device_id.clone(), lost_by: *lost_by });
            }
        }
        orders
    }

    /// What was ordered may never have reached the log.
    pub fn rearm(&mut self) {
        if let Phase::Ringing { until } = &mut self.phase {
            *until = Deadline::Ahead(until.at());
        }
        for step in self.steps.values_mut() {
            *step = Deadline::Ahead(step.at());
        }
        for device in self.devices.values_mut() {
            if let Presence::Away { until, .. } = &mut device.presence {
                *until = Deadline::Ahead(until.at());
            }
        }
    }

    // --------------------------------------------------------------------------------------------------------- telling

    /// Tells an event of this entry, and remembers it for those who are not there.
    pub fn tell(&mut self, turn: &mut Turn, to: Vec<DeviceId>, event: EventKind) {
        if to.is_empty() {
            return;
        }
        self.told.retain(|told| !supersedes(&event, &told.event));
        self.told.push(Told { entry: self.number, to: to.clone(), event: event.clone() });
        turn.outputs.push(self.deliver(to, self.number, event));
    }

    /// An event on its way, remembered or not.
    pub const fn deliver(&self, to: Vec<DeviceId>, entry: EntryNumber, event: EventKind) -> Output {
        Output::Deliver { to, event: Event { session_id: self.session_id, entry, event } }
    }

    /// Takes the ring back where it was pushed: from devices that do not ring any more.
    pub fn withdraw(&mut self, turn: &mut Turn, by: Option<&DeviceId>) {
        let devices = self.those(|device| device.woken && device.standing != Standing::Ringing);
        if devices.is_empty() {
            return;
        }
        for device_id in &devices {
            if let Some(device) = self.devices.get_mut(device_id) {
                device.woken = false;
            }
        }
        turn.outputs.push(Output::Withdraw { devices, by: by.cloned(), call: Box::new(self.picture()) });
    }

    /// Keeps what became of a device for the history.
    pub fn record(&mut self, leg: &Leg, state: ParticipantState, wall: u64) {
        let joined_at = (state == ParticipantState::Ongoing).then_some(wall);
        let now = Participant { leg: leg.clone(), state, joined_at, left_at: None };
        match self.participants.iter_mut().find(|participant| participant.leg.device_id == leg.device_id) {
            Some(participant) if state == ParticipantState::Ended => {
                participant.state = state;
                participant.left_at = Some(wall);
            }
            Some(participant) => *participant = now,
            None => self.participants.push(now),
        }
    }

    // ------------------------------------------------------------------------------------------------- repeated verbs

    /// What was said to this verb when it came the first time.
    pub fn verdict(&self, device_id: &DeviceId, key: &RequestKey) -> Option<Verdict> {
        let remembered = self.verdicts.get(device_id)?;
        remembered.iter().find(|(known, _)| known == key).map(|(_, verdict)| *verdict)
    }

    pub fn remember(&mut self, device_id: &DeviceId, key: RequestKey, verdict: Verdict) {
        let remembered = self.verdicts.entry(device_id.clone()).or_default();
        if remembered.len() == REMEMBERED_KEYS {
            remembered.pop_front();
        }
        remembered.push_back((key, verdict));
    }

    /// A refusal with the call as it stands.
    pub fn refusal(&self, code: ErrorCode, message: &str) -> Refusal {
        Refusal::new(code, message).with_call(self.picture())
    }

    // ------------------------------------------------------------------------------------------------------------- end

    /// The call is over. `by` has it as an answer; everybody else who rings, calls or talks is told.
    pub fn finish(&mut self, turn: &mut Turn, status: CallStatus, reason: Option<EndReason>, by: Option<&DeviceId>) {
        let all_but = |standing: Standing| move |d: &Device| d.standing == standing && Some(&d.leg.device_id) != by;
        let (ringing, calling) = (self.those(all_but(Standing::Ringing)), self.those(all_but(Standing::Calling)));
        let talking = self.those(all_but(Standing::In));
        let open = self.those(|device| device.media == Media::Open);
        let talk = match self.phase {
            Phase::Ongoing { since, started_at } => Some(Talk { started_at, seconds: turn.now.since(since).as_secs() }),
            Phase::Ringing { .. } | Phase::Over { .. } => None,
        };
        let forget_at = turn.now + turn.rules.forget_after;
        self.phase = Phase::Over { status, reason, talk, ended_at: turn.wall, forget_at };
        for device in self.devices.values_mut() {
            device.media = Media::Closed;
            // Nobody's absence matters any more.
            device.presence = Presence::Here;
            device.standing = match device.standing {
                Standing::Later | Standing::Ringing | Standing::Settled => Standing::Settled,
                Standing::Calling | Standing::In | Standing::Left => Standing::Left,
            };
        }
        for participant in self.participants.iter_mut().filter(|p| p.state == ParticipantState::Ongoing) {
            participant.state = ParticipantState::Ended;
            participant.left_at = Some(turn.wall);
        }
        let call = Box::new(self.picture());
        self.told.retain(|told| told.event.is_last_word());
        self.tell(turn, ringing, EventKind::IncomingCallCancelled { call: call.clone() });
        self.tell(turn, calling, EventKind::OutgoingCallRejected { call: call.clone() });
        self.tell(turn, talking, EventKind::CallEnded { call: call.clone() });
        if !open.is_empty() {
            turn.outputs.push(Output::Revoke { session_id: self.session_id, devices: open });
        }
        self.withdraw(turn, by);
        turn.outputs.push(Output::Archive(call));
    }
}

/// Whether nobody who missed `old` needs it any more once there is `new`.
fn supersedes(new: &EventKind, old: &EventKind) -> bool {
    use EventKind as K;
    match (new, old) {
        (K::CallDelivered { .. }, K::CallDelivered { .. })
        | (K::CallUpdated { .. }, K::CallUpdated { .. })
        | (K::DoorContact { .. }, K::DoorContact { .. })
        | (K::DoorOpened { .. }, K::DoorOpened { .. })
        | (K::OpeningRefused { .. }, K::OpeningRefused { .. })
        | (K::PressWaiting { .. }, K::PressWaiting { .. })
        | (K::OutgoingCallAccepted { .. }, K::CallDelivered { .. } | K::CallViewed { .. } | K::ViewerLeft { .. }) => {
            true
        }
        (
            K::CallViewed { viewer: new } | K::ViewerLeft { viewer: new },
            K::CallViewed { viewer: old } | K::ViewerLeft { viewer: old },
        )
        | (
            K::ParticipantJoined { participant: new, .. } | K::ParticipantLeft { participant: new },
            K::ParticipantJoined { participant: old, .. } | K::ParticipantLeft { participant: old },
        ) => new.device_id == old.device_id,
        _ => false,
    }
}
