//! A hub's hall around an exchange: appends entries and what the exchange orders, keeps what every device was told, and
//! checks after each entry what must always hold. For the tests of the exchange.

#![allow(dead_code, reason = "each test binary uses its part of the hall")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use doorward::hub::exchange::{Change, Entry, Exchange, Initiation, Member, MemberDevice, Output, Rules};
use doorward::ids::{DeviceId, EntryNumber, Nonce, SessionId, Uid};
use doorward::moment::Moment;
use doorward::redacted::Redacted;
use doorward::signaling::protocol::{
    Call, CallStatus, CallType, DoorReport, Event, EventKind, Leg, Metadata, ParticipantState, Receiver, Refusal,
    RejectStatus,
};

/// 2026-01-01, the wall clock of every test.
const WALL: u64 = 1_767_225_600_000;

pub fn rules() -> Rules {
    Rules { absence_grace: Duration::from_secs(45), forget_after: Duration::from_secs(3600) }
}

pub fn session(number: u8) -> SessionId {
    SessionId::from_random([number; 16])
}

pub fn device(name: &str) -> DeviceId {
    name.parse().expect("a word")
}

/// `anna-phone` is a device of the user `anna`.
pub fn leg(name: &str) -> Leg {
    let user = name.split('-').next().expect("split has a first part");
    Leg { uid: user.parse().expect("a word"), device_id: device(name), name: user.into() }
}

fn members(devices: &[&str]) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for name in devices {
        let leg = leg(name);
        let found = MemberDevice { device_id: leg.device_id, connected: true, push: false };
        match members.iter_mut().find(|member| member.uid == leg.uid) {
            Some(member) => member.devices.push(found),
            None => members.push(Member {
                uid: leg.uid,
                name: leg.name,
                devices: vec![found],
                after: 0,
                undisturbed: false,
                looks: true,
            }),
        }
    }
    members
}

/// A door calls a group with these devices.
pub fn ring_group(door: &str, key: &str, devices: &[&str]) -> Initiation {
    Initiation {
        key: key.parse().expect("a word"),
        initiator: leg(door),
        initiator_is_door: true,
        receiver: Receiver::Group("flat".parse().expect("a word")),
        receiver_name: "Flat".to_owned(),
        receiver_is_door: false,
        members: members(devices),
        call_type: CallType::Video,
        metadata: Metadata::new(),
        ring_for: 45_000,
        joinable: false,
        max_viewers: 4,
    }
}

/// A door calls a user with these devices.
pub fn ring_user(door: &str, key: &str, devices: &[&str]) -> Initiation {
    let uid = leg(devices.first().expect("a device")).uid;
    Initiation { receiver: Receiver::User(uid), ..ring_group(door, key, devices) }
}

/// A resident's device calls a door.
pub fn ring_door(resident: &str, key: &str, door: &str) -> Initiation {
    Initiation {
        initiator_is_door: false,
        receiver: Receiver::User(leg(door).uid),
        receiver_is_door: true,
        ..ring_group(resident, key, &[door])
    }
}

pub fn accept(name: &str, key: &str) -> Change {
    Change::Accept { leg: leg(name), key: key.parse().expect("a word") }
}

pub fn end(name: &str, key: &str) -> Change {
    Change::End { leg: leg(name), key: key.parse().expect("a word"), reason: None }
}

pub fn reject(name: &str, key: &str, status: RejectStatus) -> Change {
    Change::Reject { leg: leg(name), key: key.parse().expect("a word"), status }
}

pub fn open(name: &str, key: &str) -> Change {
    let nonce = Redacted::new(Nonce::from_random([5; 16]));
    Change::Open { leg: leg(name), key: key.parse().expect("a word"), nonce }
}

/// A door says something of its release.
pub fn door_says(name: &str, key: &str, report: DoorReport) -> Change {
    Change::ReportDoor { leg: leg(name), key: key.parse().expect("a word"), report }
}

/// A door shows what its camera saw.
pub fn show_still(name: &str, key: &str) -> Change {
    Change::ShowStill { leg: leg(name), key: key.parse().expect("a word") }
}

pub fn join(name: &str) -> Change {
    Change::Join { leg: leg(name), keeps: None }
}

pub fn leave(name: &str) -> Change {
    Change::Leave { device_id: device(name) }
}

pub fn acknowledge(name: &str) -> Change {
    Change::Acknowledge { device_id: device(name) }
}

pub fn notified(name: &str) -> Change {
    Change::Notified { device_id: device(name) }
}

pub fn gone(name: &str) -> Change {
    Change::Gone { device_id: device(name) }
}

pub fn reachable(name: &str, seen: u64) -> Change {
    Change::Reachable { device_id: device(name), seen: EntryNumber(seen) }
}

/// What a device was told, and what its verbs were answered.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// As a device keeps them: none twice.
    pub events: Vec<Event>,
    /// The last entry seen of each call.
    pub seen: BTreeMap<SessionId, EntryNumber>,
    pub answers: Vec<Result<Call, Refusal>>,
    pub revoked: Vec<SessionId>,
}

impl Heard {
    /// Takes an event as every device does: one that is not newer than the last seen must be one it knows.
    fn take(&mut self, event: &Event) {
        let seen = self.seen.entry(event.session_id).or_default();
        if event.entry > *seen {
            *seen = event.entry;
            self.events.push(event.clone());
            return;
        }
        let same = |known: &&Event| (known.session_id, known.entry) == (event.session_id, event.entry);
        let known =
            self.events.iter().find(same).unwrap_or_else(|| panic!("missed {event:?}, knows {:?}", self.events));
        assert_eq!(known.event.name(), event.event.name(), "an id names one event for ever");
    }

    /// The newest picture of a call this device has, from events and answers.
    pub fn belief(&self, session_id: SessionId) -> Option<&Call> {
        let told = self.events.iter().filter_map(|event| event.event.call());
        let answered = self.answers.iter().filter_map(|answer| match answer {
            Ok(call) => Some(call),
            Err(refusal) => refusal.details.call.as_deref(),
        });
        told.chain(answered).filter(|call| call.session_id == session_id).max_by_key(|call| call.entry)
    }
}

/// See the top of this file.
#[derive(Clone)]
pub struct Hall {
    pub exchange: Exchange,
    pub now: Moment,
    pub log: Vec<(Moment, Entry)>,
    pub heard: BTreeMap<DeviceId, Heard>,
    pub archived: Vec<Call>,
    /// Devices without a connection: they are told nothing.
    pub offline: BTreeSet<DeviceId>,
    /// Devices to be woken by push whose ring was not taken back.
    pub woken: BTreeSet<(SessionId, DeviceId)>,
    statuses: BTreeMap<SessionId, CallStatus>,
    winners: BTreeMap<SessionId, DeviceId>,
}

impl Hall {
    pub fn new() -> Self {
        Self {
            exchange: Exchange::new(rules()),
            now: Moment::from_millis(1000),
            log: Vec::new(),
            heard: BTreeMap::new(),
            archived: Vec::new(),
            offline: BTreeSet::new(),
            woken: BTreeSet::new(),
            statuses: BTreeMap::new(),
            winners: BTreeMap::new(),
        }
    }

    /// Appends an entry and, after it, everything that is ordered. Answers what came of it, entry by entry.
    pub fn append(&mut self, session_id: SessionId, change: Change) -> Vec<(Entry, Vec<Output>)> {
        let mut queue = std::collections::VecDeque::from([(session_id, change)]);
        let mut done = Vec::new();
        while let Some((session_id, change)) = queue.pop_front() {
            let wall = WALL + self.now.as_nanos() / 1_000_000;
            let entry = Entry { session_id, wall, change };
            self.log.push((self.now, entry.clone()));
            self.connect(&entry.change);
            let outputs = self.exchange.handle(self.now, entry.clone());
            self.hear(&entry, &outputs);
            self.check(session_id);
            for output in &outputs {
                if let Output::Append(session_id, change) = output {
                    queue.push_back((*session_id, change.clone()));
                }
            }
            done.push((entry, outputs));
        }
        done
    }

    /// Appends an entry and answers its verb's answer.
    pub fn ask(&mut self, session_id: SessionId, change: Change) -> Result<Call, Refusal> {
        let done = self.append(session_id, change);
        let answers = done[0].1.iter().filter_map(|output| match output {
            Output::Answer(answer) => Some(answer.clone().map(|call| *call)),
            _ => None,
        });
        let mut answers = answers.collect::<Vec<_>>();
        assert_eq!(answers.len(), 1, "a verb has one answer");
        answers.remove(0)
    }

    /// Lets time pass, appending what becomes due, each at its time.
    pub fn pass(&mut self, duration: Duration) -> Vec<(Entry, Vec<Output>)> {
        let until = self.now + duration;
        let mut done = Vec::new();
        while let Some((at, _)) = self.exchange.poll_timeout()
            && at <= until
        {
            self.now = self.now.max(at);
            for order in self.exchange.handle_timeout(self.now) {
                let Output::Append(session_id, change) = order else { panic!("a timer only orders: {order:?}") };
                done.append(&mut self.append(session_id, change));
            }
        }
        self.now = until;
        done
    }

    /// A device's connection is lost: one entry per call that concerns it.
    pub fn lose(&mut self, name: &str) -> Vec<(Entry, Vec<Output>)> {
        self.offline.insert(device(name));
        let calls = self.exchange.calls_of(&device(name));
        calls.into_iter().flat_map(|session_id| self.append(session_id, gone(name))).collect()
    }

    /// A device connects and says what it saw.
    pub fn find(&mut self, name: &str) -> Vec<(Entry, Vec<Output>)> {
        self.offline.remove(&device(name));
        let calls = self.exchange.calls_of(&device(name));
        let seen = |hall: &Self, session_id| {
            hall.heard.get(&device(name)).and_then(|heard| heard.seen.get(&session_id)).copied().unwrap_or_default()
        };
        let reachables = calls.into_iter().map(|session_id| {
            (session_id, Change::Reachable { device_id: device(name), seen: seen(self, session_id) })
        });
        let reachables: Vec<_> = reachables.collect();
        reachables.into_iter().flat_map(|(session_id, change)| self.append(session_id, change)).collect()
    }

    /// A page is loaded anew: its connection is lost, and everything it knew.
    pub fn reload(&mut self, name: &str) -> Vec<(Entry, Vec<Output>)> {
        let mut done = self.lose(name);
        if let Some(heard) = self.heard.get_mut(&device(name)) {
            (heard.events, heard.seen) = (Vec::new(), BTreeMap::new());
        }
        done.append(&mut self.find(name));
        done
    }

    fn connect(&mut self, change: &Change) {
        match change {
            Change::Initiate(call) => {
                for found in call.members.iter().flat_map(|member| &member.devices).filter(|found| !found.connected) {
                    self.offline.insert(found.device_id.clone());
                }
            }
            Change::Gone { device_id } => {
                self.offline.insert(device_id.clone());
            }
            Change::Reachable { device_id, .. } => {
                self.offline.remove(device_id);
            }
            _ => {}
        }
    }

    pub fn call(&self, session_id: SessionId) -> Call {
        self.exchange.call(session_id).expect("the call is known")
    }

    pub fn status(&self, session_id: SessionId) -> CallStatus {
        self.call(session_id).status
    }

    /// Names of the events a device was told of a call, in order.
    pub fn names(&self, name: &str) -> Vec<&'static str> {
        let heard = self.heard.get(&device(name)).map(|heard| heard.events.as_slice()).unwrap_or_default();
        heard.iter().map(|event| event.event.name()).collect()
    }

    fn hear(&mut self, entry: &Entry, outputs: &[Output]) {
        let mut told = BTreeSet::new();
        for output in outputs {
            match output {
                Output::Answer(answer) => {
                    if let Some(device_id) = actor(&entry.change) {
                        let answers = &mut self.heard.entry(device_id).or_default().answers;
                        answers.push(answer.clone().map(|call| *call));
                    }
                }
                Output::Deliver { to, event } => {
                    assert!(!to.is_empty(), "somebody is told");
                    for device_id in to {
                        assert!(told.insert((event.entry, device_id.clone())), "one event per entry and device");
                        if !self.offline.contains(device_id) {
                            self.heard.entry(device_id.clone()).or_default().take(event);
                        }
                    }
                }
                Output::Revoke { session_id, devices } => {
                    assert!(!devices.is_empty(), "somebody's session is revoked");
                    for device_id in devices {
                        assert!(!self.exchange.session_of(*session_id, device_id), "revoked is closed");
                        self.heard.entry(device_id.clone()).or_default().revoked.push(*session_id);
                    }
                }
                Output::Archive(call) => {
                    assert!(call.status.is_terminal(), "archived when over");
                    let before = self.archived.iter().any(|known| known.session_id == call.session_id);
                    assert!(!before, "archived once");
                    self.archived.push((**call).clone());
                }
                Output::Notify { to, call, .. } => {
                    for device_id in to {
                        let rang = told.iter().any(|(_, rang)| rang == device_id);
                        assert!(rang, "{device_id} is rung by its socket before it is woken");
                        assert!(self.woken.insert((call.session_id, device_id.clone())), "{device_id} is woken once");
                    }
                }
                Output::Withdraw { devices, by, call } => {
                    assert!(by.is_none() || *by == actor(&entry.change), "who decided it is who acted");
                    for device_id in devices {
                        let woken = self.woken.remove(&(call.session_id, device_id.clone()));
                        assert!(woken, "{device_id} was woken, and its ring is taken back once");
                    }
                }
                Output::Append(..) => {}
            }
        }
    }

    /// What holds after every entry.
    fn check(&mut self, session_id: SessionId) {
        let Some(call) = self.exchange.call(session_id) else { return };
        let before = self.statuses.insert(session_id, call.status);
        match (before, call.status) {
            (None, CallStatus::Initiated) => {}
            (Some(before), after) if before == after => {}
            (Some(CallStatus::Initiated), after) => assert_ne!(after, CallStatus::Ended, "ended only from ongoing"),
            (Some(CallStatus::Ongoing), CallStatus::Ended) => {}
            (before, after) => panic!("status went from {before:?} to {after:?}"),
        }
        if call.status.is_terminal() {
            let kept = self.archived.iter().find(|known| known.session_id == session_id);
            assert_eq!(kept, Some(&call), "what is over never changes, and is what was archived");
            assert!(call.participants.iter().all(|p| p.state != ParticipantState::Ongoing), "nobody stays in it");
        }
        if call.status == CallStatus::Ongoing {
            let answering = call.participants.iter().filter(|p| p.leg != call.initiator && p.joined_at.is_some());
            let answering: Vec<DeviceId> = answering.map(|p| p.leg.device_id.clone()).collect();
            let winner = self.winners.entry(session_id).or_insert_with(|| answering[0].clone()).clone();
            assert!(answering.contains(&winner), "the first to answer stays the first");
        }
    }

    /// Every device that was told to ring was told, or said itself, how that ended, exactly once.
    pub fn check_rings_settled(&self, session_id: SessionId) {
        for (device_id, heard) in &self.heard {
            let of_call = || heard.events.iter().filter(|event| event.session_id == session_id);
            let rang = of_call().any(|event| matches!(event.event, EventKind::IncomingCallReceived { .. }));
            if !rang {
                continue;
            }
            let told: BTreeSet<EntryNumber> = of_call()
                .filter(|event| {
                    matches!(
                        event.event,
                        EventKind::CallAnsweredElsewhere { .. } | EventKind::IncomingCallCancelled { .. }
                    )
                })
                .map(|event| event.entry)
                .collect();
            let call = self.call(session_id);
            let acted = call.participants.iter().any(|participant| participant.leg.device_id == *device_id);
            let settled = told.len() + usize::from(acted);
            // Who was told and joins nevertheless decided a second time.
            let joined = acted && self.is_joinable(session_id);
            assert!(settled == 1 || (joined && settled == 2), "{device_id}: told {told:?}, acted: {acted}, {call:#?}");
        }
    }

    /// Caller and participants believe what is; whoever rang knows that it is over for them.
    pub fn check_converged(&self, session_id: SessionId) {
        self.check_rings_settled(session_id);
        let call = self.call(session_id);
        let talked = call.participants.iter().filter(|participant| participant.joined_at.is_some());
        let parties: BTreeSet<_> = talked.map(|participant| &participant.leg).chain([&call.initiator]).collect();
        for leg in parties {
            let left = call.participants.iter().any(|p| p.leg == *leg && p.state == ParticipantState::Ended);
            let heard = self.heard.get(&leg.device_id);
            // A page loaded anew may know nothing of a call that it is not in any more.
            let Some(belief) = heard.and_then(|heard| heard.belief(session_id)) else { continue };
            let knows = belief.status == call.status && belief.end_reason == call.end_reason;
            // Who left before the end need not know how it ended.
            assert!(knows || left, "{} believes {belief:#?}\nbut it is {call:#?}", leg.device_id);
        }
        assert_eq!(self.exchange.active_calls(&call.initiator.device_id).is_empty(), call.status.is_terminal());
    }

    fn is_joinable(&self, session_id: SessionId) -> bool {
        self.log.iter().any(|(_, entry)| {
            entry.session_id == session_id && matches!(&entry.change, Change::Initiate(call) if call.joinable)
        })
    }

    /// An exchange made from the log anew is the same.
    pub fn check_restore(&self) {
        let restored = Exchange::restore(rules(), self.now, self.log.iter().cloned());
        assert_eq!(restored, self.exchange, "restored from {:#?}", self.log);
    }
}

/// The device whose verb an entry is.
pub fn actor(change: &Change) -> Option<DeviceId> {
    match change {
        Change::Accept { leg, .. }
        | Change::End { leg, .. }
        | Change::Open { leg, .. }
        | Change::PressWaiting { leg, .. }
        | Change::Reject { leg, .. }
        | Change::ReportDoor { leg, .. }
        | Change::ShowStill { leg, .. } => Some(leg.device_id.clone()),
        Change::Initiate(initiation) => Some(initiation.initiator.device_id.clone()),
        _ => None,
    }
}

/// A user as named in tests.
pub fn uid(name: &str) -> Uid {
    name.parse().expect("a word")
}
