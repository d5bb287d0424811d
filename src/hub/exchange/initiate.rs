//! The first entry of a call: who may call whom now, and whom it rings. Whether the caller may know the receiver at all was
//! decided before, with the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::call::{CallState, Deadline, Delivery, Device, Media, Phase, Presence, RING, Standing, Turn};
use super::{Change, Exchange, Initiation, Member, MemberDevice, Output};
use crate::ids::{DeviceId, RequestKey, SessionId};
use crate::moment::Moment;
use crate::signaling::protocol::{Call, ErrorCode, EventKind, Leg, Receiver, Refusal, RejectStatus};

/// An initiation that made no call, remembered for its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedInitiation {
    pub asked: (DeviceId, RequestKey),
    pub refusal: Refusal,
    pub forget_at: Moment,
}

impl Exchange {
    pub(super) fn initiate(&mut self, session_id: SessionId, wall: u64, initiation: Arc<Initiation>) -> Vec<Output> {
        let asked = (initiation.initiator.device_id.clone(), initiation.key.clone());
        if let Some(known) = self.initiations.get(&asked) {
            return vec![Output::Answer(self.asked_before(*known))];
        }
        let initiation = each_once(initiation);
        if let Err(refusal) = self.may_initiate(session_id, &initiation) {
            if !self.calls.contains_key(&session_id) && !self.refused.contains_key(&session_id) {
                let forget_at = self.now + self.rules.forget_after;
                self.initiations.insert(asked.clone(), session_id);
                self.refused.insert(session_id, RefusedInitiation { asked, refusal: refusal.clone(), forget_at });
                self.due.insert((forget_at, session_id));
            }
            return vec![Output::Answer(Err(refusal))];
        }
        self.initiations.insert(asked, session_id);
        let call = CallState::ringing(session_id, wall, self.now, initiation);
        self.of_device.add(call.device_ids(), session_id);
        self.of_user.add(call.uids(), session_id);
        self.calls.insert(session_id, call);
        self.schedule(session_id, None);
        self.ring(session_id, wall)
    }

    fn asked_before(&self, session_id: SessionId) -> Result<Box<Call>, Refusal> {
        match (self.calls.get(&session_id), self.refused.get(&session_id)) {
            (Some(call), _) => Ok(Box::new(call.picture())),
            (None, Some(refused)) => Err(refused.refusal.clone()),
            (None, None) => Err(super::not_found(session_id)),
        }
    }

    fn may_initiate(&self, session_id: SessionId, initiation: &Initiation) -> Result<(), Refusal> {
        let caller = &initiation.initiator.uid;
        if initiation.receiver == Receiver::User(caller.clone()) {
            return Err(Refusal::new(ErrorCode::ErrCallingSelf, format!("{caller} is the caller")));
        }
        let calls_door = initiation.receiver_is_door && matches!(initiation.receiver, Receiver::User(_));
        if calls_door == initiation.initiator_is_door {
            let found = format!("{caller} cannot call {}: exactly one of them has to be a door", initiation.receiver);
            return Err(Refusal::new(ErrorCode::ErrCallInvalidParties, found));
        }
        if self.calls.contains_key(&session_id) || self.refused.contains_key(&session_id) {
            return Err(Refusal::new(ErrorCode::ErrInternal, format!("the session id {session_id} is in use")));
        }
        if let Some(call) = self.engaged(caller, session_id) {
            return Err(call.refusal(ErrorCode::ErrCallBusySelf, "the caller is in a call already"));
        }
        if let Some(call) = self.called_by_receiver(initiation) {
            return Err(
                call.refusal(ErrorCode::ErrCallBusyUser, "the one called is calling the caller: accept that call")
            );
        }
        Ok(())
    }

    /// A ringing call that the caller could answer, made by one of those now called.
    fn called_by_receiver(&self, initiation: &Initiation) -> Option<&CallState> {
        let caller = &initiation.initiator.uid;
        let called = |call: &&CallState| {
            let by = &call.initiation.initiator.uid;
            initiation.receiver == Receiver::User(by.clone()) || initiation.members.iter().any(|m| m.uid == *by)
        };
        let calls = self.of_user.get(caller).iter().filter_map(|session_id| self.calls.get(session_id));
        calls.filter(|call| call.asks(caller)).find(called)
    }

    /// Tells every device of every member that is not to ring later or not at all, connected or not.
    fn ring(&mut self, session_id: SessionId, wall: u64) -> Vec<Output> {
        let Some(call) = self.calls.get(&session_id) else { return Vec::new() };
        let waiting = call.uids().filter(|uid| self.engaged(uid, session_id).is_some()).cloned().collect();
        let mut turn = Turn { now: self.now, wall, rules: self.rules, waiting, outputs: Vec::new() };
        let Some(call) = self.calls.get_mut(&session_id) else { return Vec::new() };
        turn.outputs.push(Output::Answer(Ok(Box::new(call.picture()))));
        call.ring(&mut turn);
        let members = &call.initiation.members;
        let reachable = members.iter().flat_map(|member| &member.devices).any(|device| device.connected || device.push);
        if !reachable || members.iter().any(|member| member.undisturbed) {
            call.tell_delivered(&mut turn);
        }
        call.hasten(&mut turn);
        turn.outputs
    }
}

impl CallState {
    /// Tells those who ring by this entry, and wakes them.
    fn ring(&mut self, turn: &mut Turn) {
        let Phase::Ringing { until } = &self.phase else { return };
        let rings_for = u64::try_from(until.at().since(turn.now).as_millis()).unwrap_or(u64::MAX);
        let (number, call) = (self.number, Box::new(self.picture()));
        let rings = |device: &Device| device.standing == Standing::Ringing && device.rung_by == number;
        for waiting in [false, true] {
            let to = self.those(|device| rings(device) && turn.waiting.contains(&device.leg.uid) == waiting);
            if !to.is_empty() {
                let event = EventKind::IncomingCallReceived { call: call.clone(), rings_for, waiting };
                turn.outputs.push(self.deliver(to, number, event));
            }
        }
        let to = self.those(|device| rings(device) && device.push);
        for device in self.devices.values_mut().filter(|device| rings(device) && device.push) {
            device.woken = true;
        }
        if !to.is_empty() {
            turn.outputs.push(Output::Notify { to, call, rings_for });
        }
    }

    /// It rings at those whose turn it is.
    pub(super) fn step(&mut self, turn: &mut Turn, after: u64) {
        let ringing = matches!(self.phase, Phase::Ringing { .. });
        if !ringing || self.steps.remove(&after).is_none() {
            return;
        }
        let number = self.number;
        for device in self.devices.values_mut().filter(|d| d.standing == Standing::Later && d.after == after) {
            (device.standing, device.rung_by) = (Standing::Ringing, number);
        }
        self.ring(turn);
    }

    /// It rings nowhere any more: then it rings at the next ones, and without any the call is over.
    pub(super) fn hasten(&self, turn: &mut Turn) {
        if self.devices.values().any(|device| device.standing == Standing::Ringing) {
            return;
        }
        let next = match self.steps.keys().next() {
            Some(after) => Change::Step { after: *after },
            None if self.all_refused() => Change::Expire,
            None => return,
        };
        turn.outputs.push(Output::Append(self.session_id, next));
    }

    /// A new call, just after its first entry.
    fn ringing(session_id: SessionId, wall: u64, now: Moment, initiation: Arc<Initiation>) -> Self {
        let until = Deadline::Ahead(now + Duration::from_millis(initiation.ring_for));
        let caller = Device {
            leg: initiation.initiator.clone(),
            standing: Standing::Calling,
            delivery: Delivery::Sent,
            media: Media::Closed,
            presence: Presence::Here,
            rung_by: RING,
            after: 0,
            looks: true,
            push: false,
            woken: false,
        };
        let mut devices = BTreeMap::from([(caller.leg.device_id.clone(), caller)]);
        for member in &initiation.members {
            for device in &member.devices {
                let leg =
                    Leg { uid: member.uid.clone(), device_id: device.device_id.clone(), name: member.name.clone() };
                devices.entry(device.device_id.clone()).or_insert_with(|| called(leg, member, device, now));
            }
        }
        let asked = || initiation.members.iter().filter(|member| !member.devices.is_empty());
        let undisturbed = asked().filter(|member| member.undisturbed);
        let refusals = undisturbed.map(|member| (member.uid.clone(), RejectStatus::Busy)).collect();
        let later = asked().filter(|member| member.after > 0 && !member.undisturbed).map(|member| member.after);
        let steps = later.map(|after| (after, Deadline::Ahead(now + Duration::from_millis(after)))).collect();
        Self {
            session_id,
            initiation,
            initiated_at: wall,
            number: RING,
            phase: Phase::Ringing { until },
            devices,
            steps,
            refusals,
            participants: Vec::new(),
            still_at: None,
            verdicts: BTreeMap::new(),
            told: Vec::new(),
        }
    }
}

/// Every member once, and the caller not at all. The hub's directory gives them so, in order.
fn each_once(mut initiation: Arc<Initiation>) -> Arc<Initiation> {
    let (caller, members) = (&initiation.initiator.uid, &initiation.members);
    if !members.is_sorted_by(|one, next| one.uid < next.uid) || members.iter().any(|member| member.uid == *caller) {
        let mut known = BTreeSet::from([caller.clone()]);
        Arc::make_mut(&mut initiation).members.retain(|member| known.insert(member.uid.clone()));
    }
    initiation
}

fn called(leg: Leg, member: &Member, device: &MemberDevice, now: Moment) -> Device {
    let presence = if device.connected {
        Presence::Here
    } else {
        // The deadline counts only from an accept on, which sets it anew.
        Presence::Away { lost_by: RING, until: Deadline::Ahead(now) }
    };
    let standing = match (member.undisturbed, member.after) {
        (true, _) => Standing::Settled,
        (false, 0) => Standing::Ringing,
        (false, _) => Standing::Later,
    };
    Device {
        leg,
        standing,
        delivery: Delivery::Sent,
        media: Media::Closed,
        presence,
        rung_by: RING,
        after: member.after,
        looks: member.looks,
        push: device.push,
        woken: false,
    }
}
