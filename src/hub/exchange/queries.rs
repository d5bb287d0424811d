//! What the hub asks the exchange between entries: pictures, roles, admission. Nothing here changes anything.

use super::Exchange;
use super::call::{CallState, Media, Objection, Phase, Standing};
use crate::ids::{DeviceId, SessionId};
use crate::signaling::protocol::{Call, CallStatus, ErrorCode, Leg, Refusal, Role};

impl Exchange {
    /// The call as everybody sees it.
    #[must_use]
    pub fn call(&self, session_id: SessionId) -> Option<Call> {
        self.calls.get(&session_id).map(CallState::picture)
    }

    /// Where a call stands.
    #[must_use]
    pub fn status(&self, session_id: SessionId) -> Option<CallStatus> {
        self.calls.get(&session_id).map(CallState::status)
    }

    /// Every call that is not over.
    #[must_use]
    pub fn open_calls(&self) -> Vec<SessionId> {
        self.calls.iter().filter(|(_, call)| !call.is_over()).map(|(session_id, _)| *session_id).collect()
    }

    /// Every call that concerns a device, also those over and not yet forgotten: one `Reachable` or `Gone` is appended to each.
    #[must_use]
    pub fn calls_of(&self, device_id: &DeviceId) -> Vec<SessionId> {
        self.of_device.get(device_id).to_vec()
    }

    /// The calls a device is in now, oldest first: as caller, as participant, or ringing.
    #[must_use]
    pub fn active_calls(&self, device_id: &DeviceId) -> Vec<Call> {
        let calls = self.of_device.get(device_id).iter().filter_map(|session_id| self.calls.get(session_id));
        let mut active: Vec<Call> = calls
            .filter(|call| !call.is_over())
            .filter(|call| match call.standing(device_id) {
                Some(Standing::Calling | Standing::Ringing | Standing::In) => true,
                Some(Standing::Later | Standing::Settled | Standing::Left) | None => false,
            })
            .map(CallState::picture)
            .collect();
        active.sort_by_key(|call| (call.initiated_at, call.session_id));
        active
    }

    /// What a device may do in the media session of a call now; nothing if it may not have one.
    #[must_use]
    pub fn role(&self, session_id: SessionId, device_id: &DeviceId) -> Option<Role> {
        let call = self.calls.get(&session_id)?;
        call.devices.get(device_id).and_then(|device| call.role(device))
    }

    /// Whether a device may have a token, or start its media session, now, and as what.
    ///
    /// # Errors
    /// With the refusal that the device is to be told.
    pub fn admit(&self, session_id: SessionId, leg: &Leg) -> Result<Role, Refusal> {
        let call = self.calls.get(&session_id).ok_or_else(|| super::not_found(session_id))?;
        let device = call.devices.get(&leg.device_id).filter(|device| device.leg.uid == leg.uid);
        let device = device.ok_or_else(|| call.stranger())?;
        match (call.role(device), &call.phase) {
            (Some(Role::Viewer), _) if call.is_full_for(&leg.device_id) => {
                Err(call.refusal(ErrorCode::ErrSessionFull, "as many are looking as the door can serve"))
            }
            (Some(role), _) => Ok(role),
            (None, Phase::Over { .. }) => Err(call.refusal(ErrorCode::ErrCallTerminated, "the call is over")),
            (None, Phase::Ringing { .. }) if device.standing == Standing::Ringing => {
                Err(call.refusal(ErrorCode::ErrForbidden, "this resident sees the door once they answered"))
            }
            (None, Phase::Ringing { .. } | Phase::Ongoing { .. }) => {
                Err(call.refusal(ErrorCode::ErrCallAnsweredElsewhere, "the call does not ask this device any more"))
            }
        }
    }

    /// Whether a device may ask the door of this call to open now: the door's device.
    ///
    /// # Errors
    /// With the refusal that the device is to be told.
    pub fn may_open(&self, session_id: SessionId, device_id: &DeviceId) -> Result<DeviceId, Refusal> {
        let call = self.calls.get(&session_id).ok_or_else(|| super::not_found(session_id))?;
        call.may_open(device_id).map_err(|Objection { code, words }| call.refusal(code, words))
    }

    /// Whether a device has a started media session.
    #[must_use]
    pub fn session_of(&self, session_id: SessionId, device_id: &DeviceId) -> bool {
        let device = self.calls.get(&session_id).and_then(|call| call.devices.get(device_id));
        device.is_some_and(|device| device.media == Media::Open)
    }

    /// The door's device in a call: its initiator, or the door's device that answered or started its media session.
    #[must_use]
    pub fn door_device(&self, session_id: SessionId) -> Option<DeviceId> {
        self.calls.get(&session_id).and_then(CallState::door_device).cloned()
    }
}
