//! The verbs of a call that exists: accept, reject, end, open, and what the door says.  Whoever comes first in the log wins.

use super::call::{CallState, Deadline, Device, Media, Objection, Phase, Presence, Standing, Turn, Verdict, objection};
use super::{Change, Output};
use crate::ids::{DeviceId, Nonce, RequestKey};
use crate::redacted::Redacted;
use crate::signaling::protocol::{
    CallStatus, CallType, DoorReport, EndReason, ErrorCode, EventKind, Leg, Metadata, ParticipantState, Refusal,
    RejectStatus,
};

impl CallState {
    /// Folds an entry of this call that is not its first.
    pub(super) fn fold(&mut self, turn: &mut Turn, change: Change) {
        if !self.is_over() {
            self.number = self.number.next();
        }
        match change {
            Change::Accept { leg, key } => self.verb(turn, &leg, key, Self::accept),
            Change::End { leg, key, reason } => {
                self.verb(turn, &leg, key, |call, turn, leg| call.end(turn, leg, reason));
            }
            Change::Open { leg, key, nonce } => {
                let opening = key.clone();
                self.verb(turn, &leg, key, |call, turn, leg| call.open(turn, leg, opening, nonce));
            }
            Change::PressWaiting { leg, key, metadata } => {
                self.verb(turn, &leg, key, |call, turn, leg| call.press_waiting(turn, leg, metadata));
            }
            Change::Reject { leg, key, status } => {
                self.verb(turn, &leg, key, |call, turn, leg| call.reject(turn, leg, status));
            }
            Change::ReportDoor { leg, key, report } => {
                self.verb(turn, &leg, key, |call, turn, leg| call.door_reported(turn, leg, report));
            }
            Change::ShowStill { leg, key } => self.verb(turn, &leg, key, Self::show_still),
            Change::Initiate(_) => debug_assert!(false, "the first entry makes the call"),
            Change::Absent { device_id, lost_by } => self.absent(turn, &device_id, lost_by),
            Change::Acknowledge { device_id } => self.acknowledge(turn, &device_id),
            Change::Expire => self.expire(turn),
            Change::Gone { device_id } => self.gone(turn, &device_id),
            Change::Join { leg, keeps } => self.join(turn, &leg, keeps),
            Change::Leave { device_id } => self.leave(turn, &device_id),
            Change::Notified { device_id } => self.notified(turn, &device_id),
            Change::Reachable { device_id, seen } => self.reachable(turn, &device_id, seen),
            Change::Restarted => self.restarted(turn),
            Change::Step { after } => self.step(turn, after),
        }
    }

    /// A verb of a party, done once per key. A stranger's leaves no trace.
    fn verb<F>(&mut self, turn: &mut Turn, leg: &Leg, key: RequestKey, act: F)
    where
        F: FnOnce(&mut Self, &mut Turn, &Leg) -> Verdict,
    {
        let device_id = &leg.device_id;
        if self.uid_of(device_id) != Some(&leg.uid) {
            turn.outputs.push(Output::Answer(Err(self.stranger())));
            return;
        }
        let verdict = if let Some(verdict) = self.verdict(device_id, &key) {
            verdict
        } else if self.is_over() {
            objection(ErrorCode::ErrCallTerminated, "the call is over")
        } else {
            let verdict = act(self, turn, leg);
            self.remember(device_id, key, verdict);
            verdict
        };
        let answer = match verdict {
            Ok(()) => Ok(Box::new(self.picture())),
            Err(Objection { code, words }) => Err(self.refusal(code, words)),
        };
        turn.outputs.insert(0, Output::Answer(answer));
    }

    pub(super) fn stranger(&self) -> Refusal {
        Refusal::new(ErrorCode::ErrCallNotAPart, format!("not a party of the call {}", self.session_id))
    }

    pub(super) fn standing(&self, device_id: &DeviceId) -> Option<Standing> {
        self.devices.get(device_id).map(|device| device.standing)
    }

    // ---------------------------------------------------------------------------------------------------------- accept

    fn accept(&mut self, turn: &mut Turn, leg: &Leg) -> Verdict {
        if self.is_caller(&leg.device_id) {
            return objection(ErrorCode::ErrBadRequest, "the caller cannot answer its own call");
        }
        match (&self.phase, self.standing(&leg.device_id)) {
            (Phase::Ringing { .. }, Some(Standing::Ringing)) => {
                self.answered(turn, leg);
                Ok(())
            }
            (Phase::Ongoing { .. }, Some(Standing::In)) => Ok(()),
            (Phase::Ongoing { .. }, Some(_)) if self.is_joinable() => {
                // Others are told when its media session starts: nobody has one who is not in the conversation.
                self.enter(turn, leg);
                Ok(())
            }
            (Phase::Ringing { .. }, _) => {
                objection(ErrorCode::ErrCallAnsweredElsewhere, "it does not ring at this device")
            }
            (Phase::Ongoing { .. } | Phase::Over { .. }, _) => {
                objection(ErrorCode::ErrCallAnsweredElsewhere, "another device answered first")
            }
        }
    }

    /// The first accept.
    fn answered(&mut self, turn: &mut Turn, leg: &Leg) {
        let caller = self.initiation.initiator.clone();
        self.phase = Phase::Ongoing { since: turn.now, started_at: turn.wall };
        self.enter(turn, &caller);
        self.enter(turn, leg);
        let others = self.those(|device| device.standing == Standing::Ringing);
        let viewers = self.those(|device| device.standing == Standing::Ringing && device.media != Media::Closed);
        let rings = |device: &&mut Device| matches!(device.standing, Standing::Later | Standing::Ringing);
        for device in self.devices.values_mut().filter(rings) {
            device.standing = Standing::Settled;
            device.media = Media::Closed;
        }
        let call = Box::new(self.picture());
        let accepted = EventKind::OutgoingCallAccepted { call: call.clone(), by: leg.clone() };
        self.tell(turn, vec![caller.device_id.clone()], accepted);
        self.tell(turn, others, EventKind::CallAnsweredElsewhere { call });
        if !viewers.is_empty() {
            turn.outputs.push(Output::Revoke { session_id: self.session_id, devices: viewers });
        }
        self.withdraw(turn, Some(&leg.device_id));
        let caller_looks = self.devices.get(&caller.device_id).is_some_and(|device| device.media == Media::Open);
        if !self.initiation.initiator_is_door && caller_looks {
            self.tell(
                turn,
                vec![leg.device_id.clone()],
                EventKind::ParticipantJoined { participant: caller, keeps: None },
            );
        }
    }

    fn enter(&mut self, turn: &Turn, leg: &Leg) {
        self.record(leg, ParticipantState::Ongoing, turn.wall);
        let number = self.number;
        if let Some(device) = self.devices.get_mut(&leg.device_id) {
            let was_counted = device.standing == Standing::Calling;
            device.standing = Standing::In;
            if let Presence::Away { lost_by, until } = &mut device.presence
                && !was_counted
            {
                (*lost_by, *until) = (number, Deadline::Ahead(turn.now + turn.rules.absence_grace));
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------------- reject

    fn reject(&mut self, turn: &mut Turn, leg: &Leg, status: RejectStatus) -> Verdict {
        if let Phase::Ongoing { .. } | Phase::Over { .. } = self.phase {
            return objection(ErrorCode::ErrCallOngoingToInvalid, "the call was answered: end it");
        }
        let state = match (self.is_caller(&leg.device_id), status) {
            (true, RejectStatus::Cancelled) => {
                self.finish(turn, CallStatus::Cancelled, None, Some(&leg.device_id));
                return Ok(());
            }
            (true, RejectStatus::Busy | RejectStatus::Rejected) => {
                return objection(ErrorCode::ErrBadRequest, "the caller's status is cancelled");
            }
            (false, RejectStatus::Cancelled) => {
                return objection(ErrorCode::ErrBadRequest, "only the caller cancels: rejected or busy");
            }
            (false, RejectStatus::Busy) => ParticipantState::Busy,
            (false, RejectStatus::Rejected) => ParticipantState::Rejected,
        };
        if self.standing(&leg.device_id) == Some(Standing::Ringing) {
            self.refused(turn, leg, status, state);
        }
        Ok(())
    }

    /// One member does not want to answer.
    fn refused(&mut self, turn: &mut Turn, leg: &Leg, status: RejectStatus, state: ParticipantState) {
        self.refusals.insert(leg.uid.clone(), status);
        self.record(leg, state, turn.wall);
        if self.all_refused() {
            self.finish(turn, self.refused_as(), None, Some(&leg.device_id));
            return;
        }
        let others = self.those(|device| device.leg.uid == leg.uid && device.leg.device_id != leg.device_id);
        let viewers = self.those(|device| device.leg.uid == leg.uid && device.media == Media::Open);
        for device in self.devices.values_mut().filter(|device| device.leg.uid == leg.uid) {
            device.standing = Standing::Settled;
        }
        self.tell(turn, others, EventKind::IncomingCallCancelled { call: Box::new(self.picture()) });
        self.withdraw(turn, Some(&leg.device_id));
        self.close(turn, viewers);
        self.hasten(turn);
    }

    /// Ends the sessions of viewers while it goes on ringing. The door is told of each by an entry of its own, since it can
    /// be told only one thing per entry.
    pub(super) fn close(&mut self, turn: &mut Turn, viewers: Vec<DeviceId>) {
        if viewers.is_empty() {
            return;
        }
        for device_id in &viewers {
            if let Some(device) = self.devices.get_mut(device_id) {
                device.media = Media::Closing;
            }
            turn.outputs.push(Output::Append(self.session_id, Change::Leave { device_id: device_id.clone() }));
        }
        turn.outputs.push(Output::Revoke { session_id: self.session_id, devices: viewers });
    }

    /// What a call becomes that every member refused.
    fn refused_as(&self) -> CallStatus {
        let all_busy = self.refusals.values().all(|status| *status == RejectStatus::Busy);
        if all_busy { CallStatus::Busy } else { CallStatus::Rejected }
    }

    fn expire(&mut self, turn: &mut Turn) {
        if let Phase::Ringing { .. } = self.phase {
            // Nobody wanted to be disturbed: it rang nowhere.
            let status = if self.all_refused() { self.refused_as() } else { CallStatus::Unanswered };
            self.finish(turn, status, None, None);
        }
    }

    // ------------------------------------------------------------------------------------------------------------- end

    fn end(&mut self, turn: &mut Turn, leg: &Leg, reason: Option<EndReason>) -> Verdict {
        if let Phase::Ringing { .. } = self.phase {
            return objection(ErrorCode::ErrCallNotStarted, "not answered yet: cancel or reject it");
        }
        match self.standing(&leg.device_id) {
            Some(Standing::In) => {
                self.hang_up(turn, &leg.device_id, reason);
                Ok(())
            }
            // It wants to be out, and is.
            Some(Standing::Left) => Ok(()),
            Some(Standing::Calling | Standing::Later | Standing::Ringing | Standing::Settled) | None => {
                objection(ErrorCode::ErrCallNotAPart, "this device is not in the conversation")
            }
        }
    }

    fn hang_up(&mut self, turn: &mut Turn, device_id: &DeviceId, reason: Option<EndReason>) {
        let Some(device) = self.devices.get(device_id) else { return };
        let said = match reason {
            Some(reason @ (EndReason::MediaLost | EndReason::MaximumDuration)) => Some(reason),
            // Who hung up is known here better.
            Some(EndReason::DoorGone | EndReason::DoorHungUp | EndReason::ResidentGone | EndReason::ResidentHungUp)
            | None => None,
        };
        let hung_up = if self.is_door(device) { EndReason::DoorHungUp } else { EndReason::ResidentHungUp };
        self.depart(turn, device_id, said.unwrap_or(hung_up), Some(device_id));
    }

    /// A device in the conversation leaves it: the door's leaving and the last resident's end the call. `by` has it as an answer.
    pub(super) fn depart(&mut self, turn: &mut Turn, device_id: &DeviceId, reason: EndReason, by: Option<&DeviceId>) {
        let Some(device) = self.devices.get(device_id) else { return };
        let leg = device.leg.clone();
        let stays = |other: &Device| {
            other.standing == Standing::In && other.leg.device_id != *device_id && !self.is_door(other)
        };
        if self.is_door(device) || !self.devices.values().any(stays) {
            self.finish(turn, CallStatus::Ended, Some(reason), by);
            return;
        }
        self.record(&leg, ParticipantState::Ended, turn.wall);
        if let Some(device) = self.devices.get_mut(device_id) {
            device.standing = Standing::Left;
            if device.media != Media::Closed {
                device.media = Media::Closed;
                turn.outputs.push(Output::Revoke { session_id: self.session_id, devices: vec![device_id.clone()] });
            }
        }
        let mut to = self.others_in(device_id);
        if by.is_none() {
            // It is away; when it comes back it learns that it is out.
            to.push(device_id.clone());
        }
        self.tell(turn, to, EventKind::ParticipantLeft { participant: leg });
    }

    // ------------------------------------------------------------------------------------------------ the door release

    /// Whether a device may ask is decided here, whether the door opens is decided by the door: its device.
    pub(super) fn may_open(&self, device_id: &DeviceId) -> Result<DeviceId, Objection> {
        let no = |code, words| Err(Objection { code, words });
        if self.devices.get(device_id).is_some_and(|device| self.is_door(device)) {
            return no(ErrorCode::ErrForbidden, "a door is opened by residents");
        }
        match (&self.phase, self.standing(device_id), self.door_device()) {
            (Phase::Ringing { .. }, _, _) => {
                no(ErrorCode::ErrCallNotStarted, "not answered yet: who opens talks with the visitor first")
            }
            (Phase::Over { .. }, _, _) => no(ErrorCode::ErrCallTerminated, "the call is over"),
            (Phase::Ongoing { .. }, Some(Standing::In), Some(door)) => Ok(door.clone()),
            (Phase::Ongoing { .. }, _, _) => no(ErrorCode::ErrCallNotAPart, "only who is in the conversation may open"),
        }
    }

    fn open(&self, turn: &mut Turn, leg: &Leg, opening: RequestKey, nonce: Redacted<Nonce>) -> Verdict {
        let door = self.may_open(&leg.device_id)?;
        let event = EventKind::OpeningAsked { by: leg.clone(), opening, nonce };
        // Not remembered: a door that is away must not open when it comes back.
        turn.outputs.push(self.deliver(vec![door], self.number, event));
        Ok(())
    }

    fn door_reported(&mut self, turn: &mut Turn, leg: &Leg, report: DoorReport) -> Verdict {
        if self.door_device() != Some(&leg.device_id) {
            return objection(ErrorCode::ErrForbidden, "only the door of this call says what it did");
        }
        let all = self.others_in(&leg.device_id);
        match report {
            DoorReport::Contact { state } => self.tell(turn, all, EventKind::DoorContact { state }),
            DoorReport::Opened { opener, released_for } => {
                self.tell(turn, all, EventKind::DoorOpened { opener, released_for });
            }
            DoorReport::Refused { by, opening, reason } => {
                let to = all.into_iter().filter(|device| *device == by.device_id).collect();
                self.tell(turn, to, EventKind::OpeningRefused { opening, reason });
            }
        }
        Ok(())
    }

    // ----------------------------------------------------------------------------------------------------------- still

    /// Whoever rings or talks learns that there is a picture, and may ask for it.
    fn show_still(&mut self, turn: &mut Turn, leg: &Leg) -> Verdict {
        if self.door_device() != Some(&leg.device_id) {
            return objection(ErrorCode::ErrForbidden, "only the door of this call shows its picture");
        }
        if self.initiation.call_type == CallType::Audio {
            return objection(ErrorCode::ErrBadRequest, "a call without picture has no still");
        }
        self.still_at = Some(turn.wall);
        let to = self.those(|device| {
            matches!(device.standing, Standing::Ringing | Standing::In) && device.leg.device_id != leg.device_id
        });
        self.tell(turn, to, EventKind::CallUpdated { call: Box::new(self.picture()) });
        Ok(())
    }

    // --------------------------------------------------------------------------------------------------- press waiting

    fn press_waiting(&mut self, turn: &mut Turn, leg: &Leg, metadata: Metadata) -> Verdict {
        if self.door_device() != Some(&leg.device_id) {
            return objection(ErrorCode::ErrForbidden, "only the door of this call says that somebody pressed");
        }
        let to = self.others_in(&leg.device_id);
        self.tell(turn, to, EventKind::PressWaiting { metadata });
        Ok(())
    }
}
