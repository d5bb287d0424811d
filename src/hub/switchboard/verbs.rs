//! The loop's verbs: what a device asks for, with the facts that its entry carries, and what it is answered.

use std::sync::Arc;
use std::time::Duration;

use super::Switchboard;
use crate::clock;
use crate::hub::auth;
use crate::hub::directory::Kind;
use crate::hub::exchange::{Change, Initiation};
use crate::hub::sessions::TOKEN_LIFETIME;
use crate::ids::{DeviceId, RequestKey, SessionId};
use crate::signaling::protocol::{
    CallType, ErrorCode, Leg, Metadata, Receiver, Refusal, Role, SessionToken, Still, Trace, Verb, VerbAnswer,
    VerbRequest,
};

impl Switchboard {
    pub(super) fn verb(&mut self, device: &DeviceId, request: VerbRequest) -> Result<VerbAnswer, Refusal> {
        let leg = self.leg(device)?;
        let VerbRequest { key, verb } = request;
        let (session_id, change) = match verb {
            Verb::Initiate { receiver, call_type, metadata } => {
                let initiation = self.initiation(leg, key, receiver, call_type, metadata)?;
                return self.answered(auth::make_session_id(), Change::Initiate(Arc::new(initiation)));
            }
            Verb::GenerateToken { session_id } => {
                self.party(session_id, device)?;
                return self.token(session_id, &leg);
            }
            Verb::Accept { session_id } => (session_id, Change::Accept { leg, key }),
            Verb::End { session_id, reason } => (session_id, Change::End { leg, key, reason }),
            Verb::KeepAudit { .. } => {
                return Err(Refusal::new(ErrorCode::ErrInternal, "audit lines are not kept by the loop"));
            }
            Verb::Open { session_id, nonce } => {
                self.party(session_id, device)?;
                self.check_opening(session_id, &leg.uid)?;
                (session_id, Change::Open { leg, key, nonce })
            }
            Verb::PressWaiting { session_id, metadata } => (session_id, Change::PressWaiting { leg, key, metadata }),
            Verb::Reject { session_id, status } => (session_id, Change::Reject { leg, key, status }),
            Verb::ReportDoor { session_id, report } => (session_id, Change::ReportDoor { leg, key, report }),
            Verb::KeepTrace { session_id, trace } => return self.keep_trace(session_id, &leg, trace),
            Verb::ShowStill { session_id, still } => return self.show_still(session_id, leg, key, still),
        };
        self.party(session_id, device)?;
        self.answered(session_id, change)
    }

    /// From the door of a call that is over and not yet forgotten. It decides nothing, so it is no entry.
    fn keep_trace(&mut self, session_id: SessionId, leg: &Leg, trace: Trace) -> Result<VerbAnswer, Refusal> {
        let call = self.party(session_id, &leg.device_id)?;
        if call.door != leg.uid {
            return Err(Refusal::new(ErrorCode::ErrForbidden, "only the door of this call tells how long it took"));
        }
        if !call.status.is_terminal() {
            return Err(Refusal::new(ErrorCode::ErrBadRequest, "the call is not over"));
        }
        self.observer.traced(&call.door, session_id, &trace);
        self.log.trace(session_id, trace);
        Ok(VerbAnswer::Kept)
    }

    /// Kept where it is allowed, and only then: nobody asks for it before this turn of the loop is over.
    fn show_still(
        &mut self,
        session_id: SessionId,
        leg: Leg,
        key: RequestKey,
        still: Still,
    ) -> Result<VerbAnswer, Refusal> {
        self.party(session_id, &leg.device_id)?;
        let answer = self.answered(session_id, Change::ShowStill { leg, key })?;
        self.stills.show(session_id, still);
        Ok(answer)
    }

    fn answered(&mut self, session_id: SessionId, change: Change) -> Result<VerbAnswer, Refusal> {
        let worth_a_line = line(&change);
        let answer = self.append(session_id, change);
        let answer = answer.unwrap_or_else(|| Err(Refusal::new(ErrorCode::ErrInternal, "the exchange gave no answer")));
        if let (Ok(call), Some((message, by))) = (&answer, worth_a_line)
            && call.session_id == session_id
        {
            self.lines.done(message, by, call);
        }
        answer.map(VerbAnswer::Call)
    }

    fn initiation(
        &self,
        initiator: Leg,
        key: RequestKey,
        receiver: Receiver,
        call_type: CallType,
        metadata: Metadata,
    ) -> Result<Initiation, Refusal> {
        let mut reach = self.known.reach(&initiator.uid, &receiver, (clock::wall(), clock::minute_of_day()))?;
        for device in reach.members.iter_mut().flat_map(|member| &mut member.devices) {
            device.connected = self.connections.is_connected(&device.device_id);
            device.push &= self.push.is_on();
        }
        let kind = self.known.users.get(&initiator.uid).map(|user| &user.kind);
        Ok(Initiation {
            key,
            initiator_is_door: matches!(kind, Some(Kind::Door { .. })),
            initiator,
            receiver,
            receiver_name: reach.name,
            receiver_is_door: reach.is_door,
            members: reach.members,
            call_type,
            metadata,
            ring_for: millis(self.settings.ring_for),
            joinable: reach.joinable,
            max_viewers: self.settings.max_viewers,
        })
    }

    fn token(&mut self, session_id: SessionId, leg: &Leg) -> Result<VerbAnswer, Refusal> {
        let role: Role = self.exchange.admit(session_id, leg)?;
        Ok(VerbAnswer::Token(SessionToken {
            token: self.sessions.issue(clock::now(), session_id, &leg.device_id),
            role,
            expires_in: TOKEN_LIFETIME.as_secs(),
            ice_servers: self
                .settings
                .ice_servers
                .iter()
                .map(|server| server.offer(clock::wall(), &leg.device_id))
                .collect(),
        }))
    }
}

/// What the journal says of a verb that was done, and who did it: enough to follow a call. Verbs of the door about itself, and
/// `end`, which the end of the call tells, are not worth a line.
fn line(change: &Change) -> Option<(&'static str, Leg)> {
    match change {
        Change::Initiate(initiation) => Some(("call initiated", initiation.initiator.clone())),
        Change::Accept { leg, .. } => Some(("call answered", leg.clone())),
        Change::Reject { leg, .. } => Some(("call refused", leg.clone())),
        Change::Open { leg, .. } => Some(("opening asked", leg.clone())),
        _other => None,
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
