//! Random sequences on several doors, groups and devices, against a second implementation of the rules that is as naive as
//! can be: it keeps nothing but the entries of a call and asks its questions by reading them again from the start.

mod exchange_hall;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use doorward::hub::exchange::{Change, Entry, Exchange, Initiation, Output};
use doorward::ids::{DeviceId, SessionId, Uid};
use doorward::moment::Moment;
use doorward::signaling::protocol::{
    CallStatus, DoorReport, DoorState, ErrorCode, Opener, OpeningRefusal, RejectStatus, Role,
};
use exchange_hall::{
    Hall, accept, acknowledge, device, door_says, end, join, leave, leg, notified, open, reject, ring_door, ring_group,
    ring_user, rules, session,
};
use proptest::prelude::*;

// --------------------------------------------------------------------------------------------------------------- model

/// What a verb is answered.
type Said = Result<(), ErrorCode>;

/// The naive picture of one call, read from its entries.
#[derive(Debug, Clone)]
struct Reading {
    call: Initiation,
    status: CallStatus,
    inside: BTreeSet<DeviceId>,
    left: BTreeSet<DeviceId>,
    no: BTreeMap<Uid, RejectStatus>,
    ack: BTreeSet<DeviceId>,
    push: BTreeSet<DeviceId>,
    media: BTreeSet<DeviceId>,
    /// Revoked, and the door is still to hear of it.
    closing: BTreeSet<DeviceId>,
    away: BTreeMap<DeviceId, u64>,
    keys: BTreeMap<(DeviceId, String), Said>,
    number: u64,
    said: Option<Said>,
    told: BTreeSet<(DeviceId, &'static str)>,
}

/// Reads a call's log from the start: what stands after its last entry, what that entry was answered, who was told what.
fn read(log: &[Change]) -> Reading {
    let Change::Initiate(call) = &log[0] else { panic!("a call begins with its initiation") };
    let all = call.members.iter().flat_map(|m| &m.devices);
    let mut at = Reading {
        call: (**call).clone(),
        status: CallStatus::Initiated,
        inside: BTreeSet::new(),
        left: BTreeSet::new(),
        no: BTreeMap::new(),
        ack: BTreeSet::new(),
        push: BTreeSet::new(),
        media: BTreeSet::new(),
        closing: BTreeSet::new(),
        away: all.clone().filter(|d| !d.connected).map(|d| (d.device_id.clone(), 1)).collect(),
        keys: BTreeMap::new(),
        number: 1,
        said: Some(Ok(())),
        told: all.clone().map(|d| (d.device_id.clone(), "incomingCallReceived")).collect(),
    };
    if !all.clone().any(|d| d.connected || d.push) {
        at.told.insert((call.initiator.device_id.clone(), "callDelivered"));
    }
    for change in &log[1..] {
        at.said = None;
        at.told.clear();
        at.closing.retain(|_| at.status == CallStatus::Initiated);
        if !at.status.is_terminal() {
            at.number += if matches!(change, Change::Restarted) { 1001 } else { 1 };
        }
        at.step(change);
    }
    at
}

impl Reading {
    fn caller(&self) -> DeviceId {
        self.call.initiator.device_id.clone()
    }

    fn owner(&self, id: &DeviceId) -> Option<Uid> {
        if *id == self.caller() {
            return Some(self.call.initiator.uid.clone());
        }
        let owner = self.call.members.iter().find(|m| m.devices.iter().any(|d| d.device_id == *id));
        owner.map(|m| m.uid.clone())
    }

    fn is_door(&self, id: &DeviceId) -> bool {
        (*id == self.caller()) == self.call.initiator_is_door
    }

    fn called(&self) -> BTreeSet<DeviceId> {
        self.call.members.iter().flat_map(|m| m.devices.iter().map(|d| d.device_id.clone())).collect()
    }

    fn rings(&self, id: &DeviceId) -> bool {
        self.status == CallStatus::Initiated
            && self.called().contains(id)
            && self.owner(id).is_some_and(|uid| !self.no.contains_key(&uid))
    }

    fn ringing(&self) -> BTreeSet<DeviceId> {
        self.called().into_iter().filter(|id| self.rings(id)).collect()
    }

    fn role(&self, id: &DeviceId) -> Option<Role> {
        let part = match self.status {
            CallStatus::Initiated if *id == self.caller() || self.rings(id) => Role::Viewer,
            CallStatus::Ongoing if self.inside.contains(id) => Role::Participant,
            _ => return None,
        };
        Some(if self.is_door(id) { Role::Door } else { part })
    }

    fn joinable(&self) -> bool {
        self.call.joinable && format!("{}", self.call.receiver).starts_with("group")
    }

    /// The door's device that viewers are shown on.
    fn door(&self) -> Option<DeviceId> {
        if self.call.initiator_is_door {
            return Some(self.caller());
        }
        let inside = self.inside.iter().find(|id| self.is_door(id));
        inside.or_else(|| self.media.iter().find(|id| self.is_door(id))).cloned()
    }

    fn tell(&mut self, to: impl IntoIterator<Item = DeviceId>, name: &'static str) {
        self.told.extend(to.into_iter().map(|id| (id, name)));
    }

    fn over(&mut self, status: CallStatus, by: Option<&DeviceId>) {
        let but = |ids: BTreeSet<DeviceId>| ids.into_iter().filter(|id| Some(id) != by).collect::<Vec<_>>();
        if self.status == CallStatus::Initiated {
            self.tell(but(self.ringing()), "incomingCallCancelled");
            self.tell(but([self.caller()].into()), "outgoingCallRejected");
        } else {
            self.tell(but(self.inside.clone()), "callEnded");
        }
        self.left.append(&mut self.inside);
        self.media.clear();
        self.closing.clear();
        self.status = status;
    }

    fn depart(&mut self, id: &DeviceId, by: Option<&DeviceId>) {
        let others: BTreeSet<DeviceId> = self.inside.iter().filter(|other| *other != id).cloned().collect();
        if self.is_door(id) || others.iter().all(|other| self.is_door(other)) {
            return self.over(CallStatus::Ended, by);
        }
        self.inside = others.clone();
        self.left.insert(id.clone());
        self.media.remove(id);
        self.tell(others, "participantLeft");
        if by.is_none() {
            self.tell([id.clone()], "participantLeft");
        }
    }

    fn step(&mut self, change: &Change) {
        let (leg, key) = match change {
            Change::Accept { leg, key }
            | Change::End { leg, key, .. }
            | Change::Open { leg, key, .. }
            | Change::Reject { leg, key, .. }
            | Change::ReportDoor { leg, key, .. } => (leg, key),
            other => return self.fact(other),
        };
        let id = &leg.device_id;
        if self.owner(id) != Some(leg.uid.clone()) {
            self.said = Some(Err(ErrorCode::ErrCallNotAPart));
            return;
        }
        let asked = (id.clone(), key.to_string());
        if let Some(said) = self.keys.get(&asked) {
            self.said = Some(*said);
            return;
        }
        if self.status.is_terminal() {
            self.said = Some(Err(ErrorCode::ErrCallTerminated));
            return;
        }
        let said = self.verb(id, change);
        self.keys.insert(asked, said);
        self.said = Some(said);
    }

    /// The table of section "races": status, party and verb.
    fn verb(&mut self, id: &DeviceId, change: &Change) -> Said {
        let caller = *id == self.caller();
        match (change, self.status == CallStatus::Ongoing) {
            (Change::Accept { .. }, _) if caller => Err(ErrorCode::ErrBadRequest),
            (Change::Accept { .. }, false) if self.rings(id) => {
                let others: Vec<DeviceId> = self.ringing().into_iter().filter(|other| other != id).collect();
                self.tell([self.caller()], "outgoingCallAccepted");
                self.tell(others.clone(), "callAnsweredElsewhere");
                self.media.retain(|open| !others.contains(open));
                self.inside = [id.clone(), self.caller()].into();
                self.status = CallStatus::Ongoing;
                if !self.call.initiator_is_door && self.media.contains(&self.caller()) {
                    self.tell([id.clone()], "participantJoined");
                }
                self.late(id);
                Ok(())
            }
            (Change::Accept { .. }, true) if self.inside.contains(id) => Ok(()),
            (Change::Accept { .. }, true) if self.joinable() => {
                self.inside.insert(id.clone());
                self.late(id);
                Ok(())
            }
            (Change::Accept { .. }, _) => Err(ErrorCode::ErrCallAnsweredElsewhere),
            (Change::Reject { .. }, true) => Err(ErrorCode::ErrCallOngoingToInvalid),
            (Change::Reject { status, .. }, false) => {
                if caller != (*status == RejectStatus::Cancelled) {
                    return Err(ErrorCode::ErrBadRequest);
                }
                if caller {
                    self.over(CallStatus::Cancelled, Some(id));
                } else if self.rings(id) {
                    self.refuse(id, *status);
                }
                Ok(())
            }
            (Change::End { .. }, false) => Err(ErrorCode::ErrCallNotStarted),
            (Change::End { .. }, true) if self.inside.contains(id) => {
                self.depart(id, Some(id));
                Ok(())
            }
            (Change::End { .. }, true) if self.left.contains(id) => Ok(()),
            (Change::End { .. }, true) => Err(ErrorCode::ErrCallNotAPart),
            (Change::Open { .. }, _) if self.is_door(id) => Err(ErrorCode::ErrForbidden),
            (Change::Open { .. }, false) => Err(ErrorCode::ErrCallNotStarted),
            (Change::Open { .. }, true) if self.inside.contains(id) => {
                self.tell(self.door(), "openingAsked");
                Ok(())
            }
            (Change::Open { .. }, true) => Err(ErrorCode::ErrCallNotAPart),
            (Change::ReportDoor { .. }, _) if self.door() != Some(id.clone()) => Err(ErrorCode::ErrForbidden),
            (Change::ReportDoor { report, .. }, _) => {
                let others = self.inside.iter().filter(|other| *other != id).cloned();
                let (to, name): (Vec<DeviceId>, _) = match report {
                    DoorReport::Contact { .. } => (others.collect(), "doorContact"),
                    DoorReport::Opened { .. } => (others.collect(), "doorOpened"),
                    DoorReport::Refused { by, .. } => {
                        (others.filter(|other| *other == by.device_id).collect(), "openingRefused")
                    }
                };
                self.tell(to, name);
                Ok(())
            }
            (other, _) => panic!("no verb: {other:?}"),
        }
    }

    /// Who answers without a connection has the grace time from then on.
    fn late(&mut self, id: &DeviceId) {
        if let Some(since) = self.away.get_mut(id) {
            *since = self.number;
        }
    }

    fn refuse(&mut self, id: &DeviceId, status: RejectStatus) {
        let uid = self.owner(id).expect("it rings");
        let before = self.ringing();
        self.no.insert(uid.clone(), status);
        if self.no.len() == self.call.members.len() {
            let busy = self.no.values().all(|no| *no == RejectStatus::Busy);
            // The refuser's other devices count as ringing still.
            let rest: Vec<DeviceId> = before.into_iter().filter(|other| other != id).collect();
            self.over(if busy { CallStatus::Busy } else { CallStatus::Rejected }, Some(id));
            self.tell(rest, "incomingCallCancelled");
            return;
        }
        let own: Vec<DeviceId> = before.into_iter().filter(|other| self.owner(other) == Some(uid.clone())).collect();
        self.closing.extend(own.iter().filter(|other| self.media.contains(other)).cloned());
        self.media.retain(|open| !own.contains(open));
        self.tell(own.into_iter().filter(|other| other != id), "incomingCallCancelled");
    }

    fn fact(&mut self, change: &Change) {
        match change {
            Change::Acknowledge { device_id } if self.rings(device_id) && !self.ack.contains(device_id) => {
                self.ack.insert(device_id.clone());
                self.tell([self.caller()], "callDelivered");
            }
            Change::Notified { device_id }
                if self.rings(device_id) && !self.ack.contains(device_id) && !self.push.contains(device_id) =>
            {
                self.push.insert(device_id.clone());
                self.tell([self.caller()], "callDelivered");
            }
            Change::Expire if self.status == CallStatus::Initiated => self.over(CallStatus::Unanswered, None),
            Change::Join { leg, .. } => self.join(&leg.device_id),
            Change::Leave { device_id } => self.close(device_id),
            Change::Gone { device_id }
                if !self.status.is_terminal()
                    && self.owner(device_id).is_some()
                    && !self.away.contains_key(device_id) =>
            {
                self.away.insert(device_id.clone(), self.number);
                if self.role(device_id) == Some(Role::Viewer) && self.media.contains(device_id) {
                    self.close(device_id);
                }
            }
            Change::Reachable { device_id, .. } => {
                self.away.remove(device_id);
            }
            Change::Absent { device_id, lost_by } if self.away.get(device_id) == Some(&lost_by.0) => {
                if self.status == CallStatus::Initiated && *device_id == self.caller() {
                    self.over(CallStatus::Cancelled, None);
                } else if self.inside.contains(device_id) {
                    self.depart(device_id, None);
                }
            }
            Change::Restarted if !self.status.is_terminal() => {
                let everybody: Vec<DeviceId> = self.called().into_iter().chain([self.caller()]).collect();
                let number = self.number;
                self.away = everybody.into_iter().map(|id| (id, number)).collect();
                let viewers: Vec<DeviceId> =
                    self.media.iter().filter(|id| self.role(id) == Some(Role::Viewer)).cloned().collect();
                self.media.retain(|open| !viewers.contains(open));
                self.closing.extend(viewers);
            }
            _ => {}
        }
    }

    fn join(&mut self, id: &DeviceId) {
        let viewers = |at: &Self| {
            let viewing = at.media.iter().filter(|other| *other != id && at.role(other) == Some(Role::Viewer));
            viewing.count()
        };
        match self.role(id) {
            Some(Role::Viewer) if viewers(self) < self.call.max_viewers as usize => {
                self.tell(self.door(), "callViewed");
            }
            Some(Role::Participant) => {
                let others: Vec<DeviceId> = self.inside.iter().filter(|other| *other != id).cloned().collect();
                self.tell(others, "participantJoined");
            }
            Some(Role::Door) => {}
            _ => return,
        }
        self.closing.remove(id);
        self.media.insert(id.clone());
    }

    fn close(&mut self, id: &DeviceId) {
        let was_open = self.media.remove(id);
        if (self.closing.remove(id) || was_open) && self.status == CallStatus::Initiated && !self.is_door(id) {
            self.tell(self.door(), "viewerLeft");
        }
    }
}

/// Every call, as the naive reading has it.
#[derive(Debug, Default)]
struct Model {
    logs: BTreeMap<SessionId, Vec<Change>>,
    asked: BTreeMap<(DeviceId, String), (SessionId, Said)>,
    lost: BTreeMap<(SessionId, DeviceId), Moment>,
    began: BTreeMap<SessionId, Moment>,
}

impl Model {
    /// What the entry is answered and who is told what, besides what a returning device missed.
    fn take(&mut self, now: Moment, entry: &Entry) -> (Option<Said>, BTreeSet<(DeviceId, &'static str)>) {
        let session_id = entry.session_id;
        if let Change::Initiate(call) = &entry.change {
            let asked = (call.initiator.device_id.clone(), call.key.to_string());
            if let Some((_, said)) = self.asked.get(&asked) {
                return (Some(*said), BTreeSet::new());
            }
            let said = self.may(call);
            self.asked.insert(asked, (session_id, said));
            if said.is_err() {
                return (Some(said), BTreeSet::new());
            }
            self.began.insert(session_id, now);
            self.logs.insert(session_id, vec![entry.change.clone()]);
        } else if let Some(log) = self.logs.get_mut(&session_id) {
            log.push(entry.change.clone());
        } else {
            let said = entry.change.is_verb().then_some(Err(ErrorCode::ErrCallSessionNotFound));
            return (said, BTreeSet::new());
        }
        self.time(now, entry);
        let reading = read(&self.logs[&session_id]);
        (reading.said, reading.told)
    }

    /// Deadlines are ordered at their time.
    fn time(&mut self, now: Moment, entry: &Entry) {
        let session_id = entry.session_id;
        match &entry.change {
            Change::Expire => assert_eq!(now, self.began[&session_id] + Duration::from_secs(45)),
            Change::Gone { device_id } => {
                self.lost.entry((session_id, device_id.clone())).or_insert(now);
            }
            Change::Accept { leg, .. } => {
                let reading = read(&self.logs[&session_id]);
                if reading.away.get(&leg.device_id) == Some(&reading.number) {
                    self.lost.insert((session_id, leg.device_id.clone()), now);
                }
            }
            Change::Reachable { device_id, .. } => {
                self.lost.remove(&(session_id, device_id.clone()));
            }
            Change::Restarted => {
                let reading = read(&self.logs[&session_id]);
                let everybody = reading.called().into_iter().chain([reading.caller()]);
                self.lost.extend(everybody.map(|id| ((session_id, id), now)));
            }
            Change::Absent { device_id, .. } => {
                assert_eq!(now, self.lost[&(session_id, device_id.clone())] + rules().absence_grace);
            }
            _ => {}
        }
    }

    fn may(&self, call: &Initiation) -> Said {
        let readings = || self.logs.values().map(|log| read(log));
        let own = |reading: &Reading| {
            !reading.status.is_terminal() && reading.call.initiator.uid == call.initiator.uid
                || reading.inside.iter().any(|id| reading.owner(id) == Some(call.initiator.uid.clone()))
        };
        if readings().any(|reading| own(&reading)) {
            return Err(ErrorCode::ErrCallBusySelf);
        }
        let mutual = |reading: &Reading| {
            let asks_me = reading
                .called()
                .iter()
                .any(|id| reading.rings(id) && reading.owner(id) == Some(call.initiator.uid.clone()));
            asks_me && call.members.iter().any(|member| member.uid == reading.call.initiator.uid)
        };
        if readings().any(|reading| mutual(&reading)) { Err(ErrorCode::ErrCallBusyUser) } else { Ok(()) }
    }
}

// -------------------------------------------------------------------------------------------------------------- driver

const RESIDENTS: [&str; 6] = ["anna-phone", "anna-tablet", "ben-phone", "carl-phone", "carl-tablet", "dora-phone"];
const DOORS: [&str; 3] = ["front-panel", "front-spare", "back-panel"];
const CALLS: u8 = 4;

/// One thing that happens. Numbers choose devices, calls and keys; few of each, so that they meet often.
#[derive(Debug, Clone)]
enum Step {
    Initiate { kind: u8, who: u8, session: u8, key: u8, offline: u8 },
    Entry { call: u8, who: u8, what: u8, key: u8 },
    Lose(u8),
    Find(u8),
    Reload(u8),
    Again(usize),
    Pass(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6u8, 0..6u8, 1..=CALLS, 0..3u8, any::<u8>())
            .prop_map(|(kind, who, session, key, offline)| Step::Initiate { kind, who, session, key, offline }),
        16 => (prop_oneof![3 => Just(1), 1 => 1..=CALLS], 0..9u8, 0..13u8, 0..3u8).prop_map(|(call, who, what, key)| Step::Entry { call, who, what, key }),
        2 => (0..9u8).prop_map(Step::Lose),
        2 => (0..9u8).prop_map(Step::Find),
        1 => (0..9u8).prop_map(Step::Reload),
        2 => (0..40usize).prop_map(Step::Again),
        2 => prop_oneof![Just(0), Just(1), Just(20), Just(44), Just(45)].prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

fn name(who: u8) -> &'static str {
    RESIDENTS.iter().chain(&DOORS).nth(usize::from(who)).expect("nine devices")
}

fn call(kind: u8, who: u8, key: u8, offline: u8) -> Initiation {
    let door = ["front-panel", "back-panel"][usize::from(who % 2)];
    let resident = RESIDENTS[usize::from(who % 6)];
    let key = format!("call-{key}");
    let mut call = match kind {
        0 => ring_group(door, &key, &RESIDENTS[..3]),
        1 => ring_group(door, &key, &RESIDENTS[2..]),
        2 => Initiation { joinable: true, ..ring_group(door, &key, &RESIDENTS) },
        3 => ring_user(door, &key, &RESIDENTS[3..5]),
        4 => ring_door(resident, &key, "back-panel"),
        _ => {
            let mut call = ring_door(resident, &key, "front-panel");
            let spare = ring_group("x", "k", &["front-spare"]).members.remove(0);
            call.members[0].devices.extend(spare.devices);
            call
        }
    };
    call.max_viewers = 2;
    for (bit, found) in call.members.iter_mut().flat_map(|member| &mut member.devices).enumerate() {
        found.connected = offline & 0b1000_0000 != 0 || offline & (1 << (bit % 7)) == 0;
        found.push = offline & 0b10 == 0;
    }
    call
}

fn change(who: u8, what: u8, key: u8) -> Change {
    let (name, key) = (name(who), format!("{what}-{key}"));
    match what {
        0 | 1 => accept(name, &key),
        2 => end(name, &key),
        3 => reject(name, &key, RejectStatus::Rejected),
        4 => reject(name, &key, [RejectStatus::Busy, RejectStatus::Cancelled][usize::from(who >= 6)]),
        5 => join(name),
        6 => leave(name),
        7 => acknowledge(name),
        8 => notified(name),
        9 | 10 => open(name, &key),
        11 => {
            let (by, opening) = (leg(RESIDENTS[usize::from(who % 6)]), key.parse().expect("a word"));
            door_says(name, &key, DoorReport::Refused { by, opening, reason: OpeningRefusal::Tampered })
        }
        _ if who.is_multiple_of(2) => door_says(name, &key, DoorReport::Contact { state: DoorState::Opened }),
        _ => {
            let opener = Opener::RequestToExit {};
            door_says(name, &key, DoorReport::Opened { opener, released_for: 3000 })
        }
    }
}

struct Run {
    hall: Hall,
    model: Model,
}

impl Run {
    fn step(&mut self, step: &Step) {
        let done = match step {
            Step::Initiate { kind, who, session: number, key, offline } => {
                let call = call(*kind, *who, *key, *offline);
                self.hall.append(self.unused(*number), Change::Initiate(Box::new(call)))
            }
            Step::Entry { call, who, what, key } => self.hall.append(session(*call), change(*who, *what, *key)),
            Step::Lose(who) => self.hall.lose(name(*who)),
            Step::Find(who) => self.hall.find(name(*who)),
            Step::Reload(who) => self.hall.reload(name(*who)),
            Step::Again(back) => match self.hall.log.iter().rev().nth(*back).map(|(_, entry)| entry.clone()) {
                Some(entry) if entry.change.is_verb() => self.hall.append(entry.session_id, entry.change),
                _ => Vec::new(),
            },
            Step::Pass(seconds) => self.hall.pass(Duration::from_secs(*seconds)),
            Step::Restart => self.restart(),
        };
        self.compare(&done);
    }

    /// A hub makes up a new id for each call; here it is the number asked for, or the next that is free.
    fn unused(&self, number: u8) -> SessionId {
        let used = |number: u8| {
            self.hall
                .log
                .iter()
                .any(|(_, entry)| entry.session_id == session(number) && matches!(entry.change, Change::Initiate(_)))
        };
        let numbers = (number..=CALLS).chain(CALLS + 1..=u8::MAX);
        session(numbers.into_iter().find(|number| !used(*number)).expect("fewer than 250 calls"))
    }

    fn restart(&mut self) -> Vec<(Entry, Vec<Output>)> {
        self.hall.exchange = Exchange::restore(rules(), self.hall.now, self.hall.log.iter().cloned());
        self.hall.offline.extend(RESIDENTS.iter().chain(&DOORS).map(|name| device(name)));
        let open = self.hall.exchange.open_calls();
        open.into_iter().flat_map(|session_id| self.hall.append(session_id, Change::Restarted)).collect()
    }

    fn compare(&mut self, done: &[(Entry, Vec<Output>)]) {
        let mut times = self.hall.log.iter().rev().take(done.len()).map(|(at, _)| *at).collect::<Vec<_>>();
        times.reverse();
        for ((entry, outputs), now) in done.iter().zip(times) {
            let (said, told) = self.model.take(now, entry);
            let answers: Vec<Said> = outputs.iter().filter_map(answered).collect();
            assert_eq!(answers, said.into_iter().collect::<Vec<_>>(), "answer of {entry:?}");
            let number = self.model.logs.get(&entry.session_id).map_or(0, |log| read(log).number);
            let mut really = BTreeSet::new();
            for (to, event) in outputs.iter().filter_map(delivered) {
                if matches!(entry.change, Change::Reachable { .. }) {
                    let over = self.hall.status(entry.session_id).is_terminal();
                    assert!(event.entry.0 < number || over, "what was missed is older");
                    continue;
                }
                assert_eq!(event.entry.0, number, "told under the number of {entry:?}");
                really.extend(to.iter().map(|id| (id.clone(), event.event.name())));
            }
            assert_eq!(really, told, "told by {entry:?}");
        }
        for (session_id, log) in &self.model.logs {
            self.compare_call(*session_id, &read(log));
        }
    }

    fn compare_call(&self, session_id: SessionId, reading: &Reading) {
        let call = self.hall.call(session_id);
        assert_eq!((call.status, call.entry.0), (reading.status, reading.number));
        for name in RESIDENTS.iter().chain(&DOORS) {
            let id = device(name);
            let exchange = &self.hall.exchange;
            assert_eq!(exchange.role(session_id, &id), reading.role(&id), "role of {name}");
            assert_eq!(exchange.session_of(session_id, &id), reading.media.contains(&id), "session of {name}");
            let active = exchange.active_calls(&id).iter().any(|call| call.session_id == session_id);
            let status = reading.status;
            let caller = id == reading.caller() && status == CallStatus::Initiated;
            assert_eq!(active, caller || reading.rings(&id) || reading.inside.contains(&id), "{name} is in it");
            let listed = exchange.calls_of(&id).contains(&session_id);
            assert_eq!(listed, reading.owner(&id).is_some(), "{name} is concerned");
            let admitted = exchange.admit(session_id, &leg(name));
            assert!(admitted.is_err() || admitted.ok() == reading.role(&id), "admission of {name}");
        }
    }
}

fn answered(output: &Output) -> Option<Said> {
    match output {
        Output::Answer(answer) => Some(answer.as_ref().map(|_| ()).map_err(|refusal| refusal.code)),
        _ => None,
    }
}

fn delivered(output: &Output) -> Option<(&Vec<DeviceId>, &doorward::signaling::protocol::Event)> {
    match output {
        Output::Deliver { to, event } => Some((to, event)),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_exchange_is_the_table(steps in steps()) {
        let mut run = Run { hall: Hall::new(), model: Model::default() };
        for step in &steps {
            run.step(step);
            run.hall.check_restore();
        }
        // Nobody does anything any more: everybody who is away comes back, every ring ends, and all agree.
        for who in 0..9 {
            run.step(&Step::Find(who));
        }
        run.step(&Step::Pass(45));
        for session_id in run.model.logs.keys().copied().collect::<Vec<_>>() {
            prop_assert_ne!(run.hall.status(session_id), CallStatus::Initiated);
            run.hall.check_rings_settled(session_id);
        }
        run.hall.pass(rules().forget_after + Duration::from_secs(60));
        for session_id in run.model.logs.keys() {
            let ongoing = run.hall.exchange.call(*session_id).is_some_and(|call| call.status == CallStatus::Ongoing);
            prop_assert_eq!(run.hall.exchange.call(*session_id).is_some(), ongoing, "what is over is forgotten");
        }
    }
}
