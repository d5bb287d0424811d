//! What is no verb and yet decides, or is told: rings that arrived, media sessions, devices lost and found.

use super::Output;
use super::call::{CallState, Deadline, Delivery, Media, Phase, Presence, RING, Standing, Turn};
use crate::ids::{DeviceId, EntryNumber, PeerId};
use crate::signaling::protocol::{CallStatus, EndReason, EventKind, Leg, Role};

/// Numbers left out after a restart of the hub: more than entries can be on their way to the disk.
const RESTART_GAP: u64 = 1000;

impl CallState {
    // ------------------------------------------------------------------------------------------------- rings that arrived

    pub(super) fn acknowledge(&mut self, turn: &mut Turn, device_id: &DeviceId) {
        self.arrived(turn, device_id, Delivery::Acknowledged);
    }

    pub(super) fn notified(&mut self, turn: &mut Turn, device_id: &DeviceId) {
        self.arrived(turn, device_id, Delivery::Notified);
    }

    fn arrived(&mut self, turn: &mut Turn, device_id: &DeviceId, how: Delivery) {
        let Some(device) = self.devices.get_mut(device_id).filter(|device| device.standing == Standing::Ringing) else {
            return;
        };
        if device.delivery < how {
            device.delivery = how;
            self.tell_delivered(turn);
        }
    }

    /// Tells the caller how far its ring came.
    pub(super) fn tell_delivered(&mut self, turn: &mut Turn) {
        let counted = |delivery| count(self.devices.values().filter(|device| device.delivery == delivery));
        let event = EventKind::CallDelivered {
            delivered: counted(Delivery::Acknowledged),
            notified: counted(Delivery::Notified),
            members: count(self.initiation.members.iter()),
            undisturbed: count(self.initiation.members.iter().filter(|member| member.undisturbed)),
        };
        self.tell(turn, vec![self.initiation.initiator.device_id.clone()], event);
    }

    // ------------------------------------------------------------------------------------------------- media sessions

    /// Whether a further viewer would be one too many.
    pub(super) fn is_full_for(&self, device_id: &DeviceId) -> bool {
        let viewers = self.devices.values().filter(|device| {
            device.media == Media::Open && device.leg.device_id != *device_id && self.role(device) == Some(Role::Viewer)
        });
        count(viewers) >= self.initiation.max_viewers
    }

    pub(super) fn join(&mut self, turn: &mut Turn, leg: &Leg, keeps: Option<PeerId>) {
        let device_id = &leg.device_id;
        let Some(device) = self.devices.get(device_id).filter(|device| device.leg.uid == leg.uid) else {
            turn.outputs.push(Output::Revoke { session_id: self.session_id, devices: vec![device_id.clone()] });
            return;
        };
        let leg = device.leg.clone();
        let (to, event) = match self.role(device) {
            Some(Role::Viewer) if !self.is_full_for(device_id) => {
                (self.door_device().cloned().into_iter().collect(), Some(EventKind::CallViewed { viewer: leg }))
            }
            Some(Role::Participant) => {
                (self.others_in(device_id), Some(EventKind::ParticipantJoined { participant: leg, keeps }))
            }
            Some(Role::Door) => (Vec::new(), None),
            Some(Role::Viewer) | None => {
                // The log moved on between the question and the entry.
                turn.outputs.push(Output::Revoke { session_id: self.session_id, devices: vec![device_id.clone()] });
                return;
            }
        };
        if let Some(device) = self.devices.get_mut(device_id) {
            device.media = Media::Open;
        }
        if let Some(event) = event {
            self.tell(turn, to, event);
        }
    }

    /// A media session ended. A participant's alone changes nothing: a page is loaded anew. If it stays away, its absence or the
    /// door's judgement of the media ends it.
    pub(super) fn leave(&mut self, turn: &mut Turn, device_id: &DeviceId) {
        let Some(device) = self.devices.get_mut(device_id).filter(|device| device.media != Media::Closed) else {
            return;
        };
        device.media = Media::Closed;
        let viewer = device.leg.clone();
        let looked = matches!(self.phase, Phase::Ringing { .. }) && viewer.uid != *self.door();
        if looked {
            let to = self.door_device().cloned().into_iter().collect();
            self.tell(turn, to, EventKind::ViewerLeft { viewer });
        }
    }

    // ------------------------------------------------------------------------------------------- devices lost and found

    /// A lost device has the grace time to come back. Its viewing ends at once, so that the door shows no viewer who is not
    /// there and the place is free; the media session of the door and of participants goes on, for their media does.
    pub(super) fn gone(&mut self, turn: &mut Turn, device_id: &DeviceId) {
        if self.is_over() {
            return;
        }
        let until = Deadline::Ahead(turn.now + turn.rules.absence_grace);
        let Some(device) = self.devices.get_mut(device_id) else { return };
        if device.presence != Presence::Here {
            return;
        }
        device.presence = Presence::Away { lost_by: self.number, until };
        if self.views(device_id) {
            turn.outputs.push(Output::Revoke { session_id: self.session_id, devices: vec![device_id.clone()] });
            self.leave(turn, device_id);
        }
    }

    fn views(&self, device_id: &DeviceId) -> bool {
        self.devices
            .get(device_id)
            .is_some_and(|device| device.media == Media::Open && self.role(device) == Some(Role::Viewer))
    }

    pub(super) fn restarted(&mut self, turn: &mut Turn) {
        if self.is_over() {
            return;
        }
        self.number = EntryNumber(self.number.0.saturating_add(RESTART_GAP));
        let until = Deadline::Ahead(turn.now + turn.rules.absence_grace);
        for device in self.devices.values_mut() {
            device.presence = Presence::Away { lost_by: self.number, until };
        }
        // Also those whose `Leave` was ordered and perhaps never reached the log.
        let ringing = matches!(self.phase, Phase::Ringing { .. });
        let viewers = self.those(|d| self.views(&d.leg.device_id) || (ringing && d.media == Media::Closing));
        self.close(turn, viewers);
    }

    pub(super) fn absent(&mut self, turn: &mut Turn, device_id: &DeviceId, lost: EntryNumber) {
        if self.is_over() {
            return;
        }
        let Some(device) = self.devices.get_mut(device_id) else { return };
        match &mut device.presence {
            // The order came back: none is on its way.
            Presence::Away { lost_by, until } if *lost_by == lost => *until = Deadline::Ahead(until.at()),
            Presence::Away { .. } | Presence::Here => return,
        }
        let Some(device) = self.devices.get(device_id) else { return };
        match (device.standing, self.is_door(device)) {
            (Standing::Calling, _) => self.finish(turn, CallStatus::Cancelled, None, None),
            (Standing::In, true) => self.depart(turn, device_id, EndReason::DoorGone, None),
            (Standing::In, false) => self.depart(turn, device_id, EndReason::ResidentGone, None),
            (Standing::Later | Standing::Ringing | Standing::Settled | Standing::Left, _) => {}
        }
    }

    /// A device is back, and hears what it missed under the original numbers.
    pub(super) fn reachable(&mut self, turn: &mut Turn, device_id: &DeviceId, seen: EntryNumber) {
        let Some(device) = self.devices.get_mut(device_id) else { return };
        device.presence = Presence::Here;
        if let (Phase::Ringing { until }, Standing::Ringing) = (&self.phase, device.standing)
            && seen < device.rung_by
        {
            let (rung_by, waiting) = (device.rung_by, turn.waiting.contains(&device.leg.uid));
            let rings_for = u64::try_from(until.at().since(turn.now).as_millis()).unwrap_or(u64::MAX);
            let call = Box::new(self.picture());
            let event = EventKind::IncomingCallReceived { call, rings_for, waiting };
            turn.outputs.push(self.deliver(vec![device_id.clone()], rung_by, event));
        }
        let missed = self.told.iter().filter(|told| told.entry > seen && told.to.contains(device_id));
        let needed = missed.filter(|told| seen >= RING || self.is_needed_by_new(device_id, &told.event));
        let events = needed.map(|told| self.deliver(vec![device_id.clone()], told.entry, told.event.clone()));
        turn.outputs.extend(events);
    }

    /// Whether a device that knows nothing of the call (a page loaded anew) needs to hear this. What it is in now it learns
    /// from the welcome.
    fn is_needed_by_new(&self, device_id: &DeviceId, event: &EventKind) -> bool {
        let Some(device) = self.devices.get(device_id) else { return false };
        let waits = device.standing == Standing::Calling;
        if waits || (self.is_door(device) && device.standing != Standing::Settled) {
            return true;
        }
        match event {
            EventKind::CallAnsweredElsewhere { .. } | EventKind::IncomingCallCancelled { .. } => false,
            EventKind::OutgoingCallAccepted { .. } => true,
            other => other.is_last_word(),
        }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
