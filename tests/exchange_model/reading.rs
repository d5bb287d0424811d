//! One call as the naive implementation sees it: read again from its entries, from the start, for every question.

use std::collections::{BTreeMap, BTreeSet};

use doorward::hub::exchange::{Change, Initiation, Member};
use doorward::ids::{DeviceId, Uid};
use doorward::signaling::protocol::{CallStatus, DoorReport, ErrorCode, RejectStatus, Role};

/// What a verb is answered.
pub type Said = Result<(), ErrorCode>;

/// The naive picture of one call, read from its entries.
#[derive(Debug, Clone)]
pub struct Reading {
    pub call: Initiation,
    pub status: CallStatus,
    pub inside: BTreeSet<DeviceId>,
    pub left: BTreeSet<DeviceId>,
    pub no: BTreeMap<Uid, RejectStatus>,
    /// Members whose turn has not come.
    pub later: BTreeMap<Uid, u64>,
    pub ack: BTreeSet<DeviceId>,
    pub push: BTreeSet<DeviceId>,
    pub media: BTreeSet<DeviceId>,
    /// Revoked, and the door is still to hear of it.
    pub closing: BTreeSet<DeviceId>,
    pub away: BTreeMap<DeviceId, u64>,
    pub keys: BTreeMap<(DeviceId, String), Said>,
    pub number: u64,
    pub said: Option<Said>,
    pub told: BTreeSet<(DeviceId, &'static str)>,
}

/// Reads a call's log from the start: what stands after its last entry, what that entry was answered, who was told what.
pub fn read(log: &[Change]) -> Reading {
    let Change::Initiate(call) = &log[0] else { panic!("a call begins with its initiation") };
    let all = call.members.iter().flat_map(|m| &m.devices);
    let with = |which: fn(&&Member) -> bool| call.members.iter().filter(which);
    let mut at = Reading {
        call: (**call).clone(),
        status: CallStatus::Initiated,
        inside: BTreeSet::new(),
        left: BTreeSet::new(),
        no: with(|m| m.undisturbed).map(|m| (m.uid.clone(), RejectStatus::Busy)).collect(),
        later: with(|m| m.after > 0 && !m.undisturbed).map(|m| (m.uid.clone(), m.after)).collect(),
        ack: BTreeSet::new(),
        push: BTreeSet::new(),
        media: BTreeSet::new(),
        closing: BTreeSet::new(),
        away: all.clone().filter(|d| !d.connected).map(|d| (d.device_id.clone(), 1)).collect(),
        keys: BTreeMap::new(),
        number: 1,
        said: Some(Ok(())),
        told: BTreeSet::new(),
    };
    at.tell(at.ringing(), "incomingCallReceived");
    if !all.clone().any(|d| d.connected || d.push) || with(|m| m.undisturbed).next().is_some() {
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
    pub fn caller(&self) -> DeviceId {
        self.call.initiator.device_id.clone()
    }

    pub fn owner(&self, id: &DeviceId) -> Option<Uid> {
        if *id == self.caller() {
            return Some(self.call.initiator.uid.clone());
        }
        let owner = self.call.members.iter().find(|m| m.devices.iter().any(|d| d.device_id == *id));
        owner.map(|m| m.uid.clone())
    }

    pub fn is_door(&self, id: &DeviceId) -> bool {
        (*id == self.caller()) == self.call.initiator_is_door
    }

    pub fn called(&self) -> BTreeSet<DeviceId> {
        self.call.members.iter().flat_map(|m| m.devices.iter().map(|d| d.device_id.clone())).collect()
    }

    pub fn rings(&self, id: &DeviceId) -> bool {
        self.status == CallStatus::Initiated
            && self.called().contains(id)
            && self.owner(id).is_some_and(|uid| !self.no.contains_key(&uid) && !self.later.contains_key(&uid))
    }

    pub fn ringing(&self) -> BTreeSet<DeviceId> {
        self.called().into_iter().filter(|id| self.rings(id)).collect()
    }

    /// Those with a push subscription that still ring.
    pub fn woken(&self) -> BTreeSet<DeviceId> {
        let devices = self.call.members.iter().flat_map(|m| &m.devices);
        devices.filter(|d| d.push && self.rings(&d.device_id)).map(|d| d.device_id.clone()).collect()
    }

    fn looks(&self, id: &DeviceId) -> bool {
        self.call.members.iter().any(|m| m.looks && m.devices.iter().any(|d| d.device_id == *id))
    }

    pub fn role(&self, id: &DeviceId) -> Option<Role> {
        let part = match self.status {
            CallStatus::Initiated if *id == self.caller() || (self.rings(id) && self.looks(id)) => Role::Viewer,
            CallStatus::Ongoing if self.inside.contains(id) => Role::Participant,
            _ => return None,
        };
        Some(if self.is_door(id) { Role::Door } else { part })
    }

    pub fn joinable(&self) -> bool {
        self.call.joinable && format!("{}", self.call.receiver).starts_with("group")
    }

    /// The door's device that viewers are shown on.
    pub fn door(&self) -> Option<DeviceId> {
        if self.call.initiator_is_door {
            return Some(self.caller());
        }
        let inside = self.inside.iter().find(|id| self.is_door(id));
        inside.or_else(|| self.media.iter().find(|id| self.is_door(id))).cloned()
    }

    pub fn tell(&mut self, to: impl IntoIterator<Item = DeviceId>, name: &'static str) {
        self.told.extend(to.into_iter().map(|id| (id, name)));
    }

    pub fn over(&mut self, status: CallStatus, by: Option<&DeviceId>) {
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

    pub fn depart(&mut self, id: &DeviceId, by: Option<&DeviceId>) {
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

    pub fn step(&mut self, change: &Change) {
        let (leg, key) = match change {
            Change::Accept { leg, key }
            | Change::End { leg, key, .. }
            | Change::Open { leg, key, .. }
            | Change::Reject { leg, key, .. }
            | Change::ReportDoor { leg, key, .. }
            | Change::ShowStill { leg, key } => (leg, key),
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
    pub fn verb(&mut self, id: &DeviceId, change: &Change) -> Said {
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
            (Change::ShowStill { .. }, _) if self.door() != Some(id.clone()) => Err(ErrorCode::ErrForbidden),
            (Change::ShowStill { .. }, _) => {
                let to: BTreeSet<DeviceId> = self.ringing().into_iter().chain(self.inside.iter().cloned()).collect();
                self.tell(to.into_iter().filter(|other| other != id), "callUpdated");
                Ok(())
            }
            (other, _) => panic!("no verb: {other:?}"),
        }
    }

    /// Who answers without a connection has the grace time from then on.
    pub fn late(&mut self, id: &DeviceId) {
        if let Some(since) = self.away.get_mut(id) {
            *since = self.number;
        }
    }

    pub fn refuse(&mut self, id: &DeviceId, status: RejectStatus) {
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

    pub fn fact(&mut self, change: &Change) {
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
            Change::Expire if self.status == CallStatus::Initiated => {
                let none_asked = self.no.len() == self.call.members.len();
                self.over(if none_asked { CallStatus::Busy } else { CallStatus::Unanswered }, None);
            }
            Change::Step { after } if self.status == CallStatus::Initiated => {
                let before = self.ringing();
                self.later.retain(|_, turn| turn != after);
                let now = self.ringing();
                self.tell(now.difference(&before).cloned(), "incomingCallReceived");
            }
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

    pub fn join(&mut self, id: &DeviceId) {
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

    pub fn close(&mut self, id: &DeviceId) {
        let was_open = self.media.remove(id);
        if (self.closing.remove(id) || was_open) && self.status == CallStatus::Initiated && !self.is_door(id) {
            self.tell(self.door(), "viewerLeft");
        }
    }
}
