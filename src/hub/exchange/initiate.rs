//! The first entry of a call: who may call whom now, and whom it rings. Whether the caller may know the receiver at all was
//! decided before, with the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::call::{CallState, Deadline, Delivery, Device, Media, Phase, Presence, RING, Standing, Turn};
use super::{Exchange, Initiation, MemberDevice, Output};
use crate::ids::{DeviceId, RequestKey, SessionId};
use crate::moment::Moment;
use crate::signaling::protocol::{Call, ErrorCode, EventKind, Leg, Receiver, Refusal};

/// An initiation that made no call, remembered for its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedInitiation {
    pub asked: (DeviceId, RequestKey),
    pub refusal: Refusal,
    pub forget_at: Moment,
}

impl Exchange {
    pub(super) fn initiate(&mut self, session_id: SessionId, wall: u64, mut initiation: Initiation) -> Vec<Output> {
        let asked = (initiation.initiator.device_id.clone(), initiation.key.clone());
        if let Some(known) = self.initiations.get(&asked) {
            return vec![Output::Answer(self.asked_before(*known))];
        }
        let mut known = BTreeSet::from([initiation.initiator.uid.clone()]);
        initiation.members.retain(|member| known.insert(member.uid.clone()));
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
        for device_id in call.device_ids() {
            self.of_device.entry(device_id.clone()).or_default().insert(session_id);
        }
        for uid in call.uids() {
            self.of_user.entry(uid.clone()).or_default().insert(session_id);
        }
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
        let sessions = self.of_user.get(caller)?.iter().filter_map(|session_id| self.calls.get(session_id));
        sessions.filter(|call| call.asks(caller)).find(called)
    }

    /// Tells every device of every member, connected or not.
    fn ring(&mut self, session_id: SessionId, wall: u64) -> Vec<Output> {
        let Some(call) = self.calls.get(&session_id) else { return Vec::new() };
        let picture = Box::new(call.picture());
        let mut turn = Turn { now: self.now, wall, rules: self.rules, waiting: false, outputs: Vec::new() };
        turn.outputs.push(Output::Answer(Ok(picture.clone())));
        for waiting in [false, true] {
            let to = call.those(|device| {
                device.standing == Standing::Ringing && self.engaged(&device.leg.uid, session_id).is_some() == waiting
            });
            if !to.is_empty() {
                let rings_for = call.initiation.ring_for;
                let event = EventKind::IncomingCallReceived { call: picture.clone(), rings_for, waiting };
                turn.outputs.push(call.deliver(to, RING, event));
            }
        }
        let to = call.those(|device| device.push);
        if !to.is_empty() {
            turn.outputs.push(Output::Notify { to, call: picture, rings_for: call.initiation.ring_for });
        }
        let devices = call.initiation.members.iter().flat_map(|member| &member.devices);
        if !devices.into_iter().any(|device| device.connected || device.push)
            && let Some(call) = self.calls.get_mut(&session_id)
        {
            call.tell_delivered(&mut turn);
        }
        turn.outputs
    }
}

impl CallState {
    /// A new call, just after its first entry.
    fn ringing(session_id: SessionId, wall: u64, now: Moment, initiation: Initiation) -> Self {
        let until = Deadline::Ahead(now + Duration::from_millis(initiation.ring_for));
        let caller = Device {
            leg: initiation.initiator.clone(),
            standing: Standing::Calling,
            delivery: Delivery::Sent,
            media: Media::Closed,
            presence: Presence::Here,
            push: false,
        };
        let mut devices = BTreeMap::from([(caller.leg.device_id.clone(), caller)]);
        for member in &initiation.members {
            for device in &member.devices {
                let leg =
                    Leg { uid: member.uid.clone(), device_id: device.device_id.clone(), name: member.name.clone() };
                devices.entry(device.device_id.clone()).or_insert_with(|| called(leg, device, now));
            }
        }
        Self {
            session_id,
            initiation,
            initiated_at: wall,
            number: RING,
            phase: Phase::Ringing { until },
            devices,
            refusals: BTreeMap::new(),
            participants: Vec::new(),
            still_at: None,
            verdicts: BTreeMap::new(),
            told: Vec::new(),
        }
    }
}

fn called(leg: Leg, device: &MemberDevice, now: Moment) -> Device {
    let presence = if device.connected {
        Presence::Here
    } else {
        // The deadline counts only from an accept on, which sets it anew.
        Presence::Away { lost_by: RING, until: Deadline::Ahead(now) }
    };
    let (standing, delivery, media) = (Standing::Ringing, Delivery::Sent, Media::Closed);
    Device { leg, standing, delivery, media, presence, push: device.push }
}
