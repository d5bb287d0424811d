//! The words between a device and the hub: verbs, their answers, events and frames, exactly as they stand on the wire.
//!
//! JSON, camelCase. `docs/protocol.md` describes the same from the outside, and a test replays its examples through these
//! types. Nothing here decides anything. Unknown fields are ignored in both directions, so that one side can be newer;
//! an unknown frame type or event name is an error that the reader logs and passes over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, EntryNumber, Guid, Nonce, PeerId, RequestKey, SessionId, Uid};
use crate::redacted::Redacted;

mod frame;
mod refusal;
mod release;
mod still;
mod trace;
mod verb;

pub use frame::{ClientFrame, HubFrame, Seen, Signal};
pub use refusal::{ErrorBody, ErrorCode, Refusal, RefusalDetails};
pub use release::{DoorNotice, DoorReport, DoorState, NonceAnswer, Opener, OpeningRefusal};
pub use still::{MAX_STILL, Still, StillError};
pub use trace::Trace;
pub use verb::{
    AuditBody, AuditKept, CallBody, IceServer, InitiateBody, SessionToken, Verb, VerbAnswer, VerbBody, VerbRequest,
};

/// Version of this protocol, said in `hello` and `welcome`.
pub const PROTOCOL_VERSION: u32 = 1;

/// Largest frame and largest request body, in bytes, in both directions.
pub const MAX_FRAME: usize = 64 * 1024;

/// Most entries of [`Metadata`].
pub const MAX_METADATA_ENTRIES: usize = 16;

/// Longest key or value of [`Metadata`], in characters.
pub const MAX_METADATA_TEXT: usize = 256;

/// Words that travel with a call to the callee, such as `doorName`, `button` and `buttonLabel`.
pub type Metadata = BTreeMap<String, String>;

/// Whether a call carries a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallType {
    /// Sound only.
    Audio,
    /// Sound, and the door's picture.
    Video,
}

/// Who is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "receiverType", content = "receiver", rename_all = "camelCase")]
pub enum Receiver {
    /// Every member of a group, at once.
    Group(Guid),
    /// One user: every device of theirs.
    User(Uid),
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(guid) => write!(f, "group {guid}"),
            Self::User(uid) => write!(f, "user {uid}"),
        }
    }
}

/// Where a call stands, in the ringing workflow's words and in life order. Everything after `Ongoing` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallStatus {
    /// Ringing.
    Initiated,
    /// Answered.
    Ongoing,
    /// Answered, and over.
    Ended,
    /// Every member refused.
    Rejected,
    /// The user called answered that they are in another call.
    Busy,
    /// The caller took it back before the answer.
    Cancelled,
    /// Nobody answered in time.
    Unanswered,
}

impl CallStatus {
    /// Whether the call is over. It never changes again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Initiated | Self::Ongoing => false,
            Self::Ended | Self::Rejected | Self::Busy | Self::Cancelled | Self::Unanswered => true,
        }
    }
}

/// How a receiver, or the caller for `Cancelled`, refuses a ringing call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RejectStatus {
    /// The receiver is in another call.
    Busy,
    /// The caller takes the call back.
    Cancelled,
    /// The receiver does not want to answer.
    Rejected,
}

/// Why an answered call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndReason {
    /// The door was unreachable for longer than the grace time.
    DoorGone,
    /// The door hung up.
    DoorHungUp,
    /// No media connection came about, or it was lost and not replaced.
    MediaLost,
    /// The longest allowed call was reached.
    MaximumDuration,
    /// The last resident was unreachable for longer than the grace time.
    ResidentGone,
    /// The last resident hung up.
    ResidentHungUp,
}

/// What a device may do in the media session of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The door itself.
    Door,
    /// In the conversation: this device's user accepted (or initiated) the call.
    Participant,
    /// Sees the door, silently, before anybody answers.
    Viewer,
}

/// One device of one user, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// The user.
    pub uid: Uid,
    /// Their device.
    pub device_id: DeviceId,
    /// The user's name, for people.
    pub name: Arc<str>,
}

/// What became of one device in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ParticipantState {
    /// Answered that it is in another call.
    Busy,
    /// Was in the conversation and left, or the call is over.
    Ended,
    /// In the conversation.
    Ongoing,
    /// Refused.
    Rejected,
}

/// A device that acted in a call. Devices that only rang are not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Who.
    #[serde(flatten)]
    pub leg: Leg,
    /// What became of them.
    pub state: ParticipantState,
    /// When they entered the conversation; milliseconds since 1970 by the hub's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined_at: Option<u64>,
    /// When they left it; milliseconds since 1970 by the hub's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_at: Option<u64>,
}

/// A call as everybody sees it. All times are milliseconds since 1970 by the hub's clock, for people, never for decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Its id.
    pub session_id: SessionId,
    /// Sound only, or with picture.
    #[serde(rename = "type")]
    pub call_type: CallType,
    /// Where it stands.
    pub status: CallStatus,
    /// Why it ended, once `Ended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// The device that called.
    pub initiator: Leg,
    /// Who was called.
    #[serde(flatten)]
    pub receiver: Receiver,
    /// Their name, for people.
    pub receiver_name: String,
    /// The user that is the door of this call: its initiator or its receiver.
    pub door: Uid,
    /// When it began to ring.
    pub initiated_at: u64,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<u64>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Seconds from answer to end, by the hub's monotonic clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Devices that acted.
    pub participants: Vec<Participant>,
    /// Words of the caller.
    pub metadata: Metadata,
    /// When the door showed a still picture, which can be asked for; milliseconds since 1970 by the hub's clock.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub still_at: Option<u64>,
    /// The last log entry folded into this picture.
    pub entry: EntryNumber,
}

/// A wire type as JSON.
pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("wire types hold only strings, numbers and lists")
}

// --------------------------------------------------------------------------------------------------------------- events

/// Something that happened to a call, told to the devices it concerns. The pair of session id and entry names it for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Which call.
    pub session_id: SessionId,
    /// Which entry of its log.
    pub entry: EntryNumber,
    /// What happened.
    pub event: EventKind,
}

/// What is left out is 0.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// To the other devices that rang: stop, somebody answered.
    CallAnsweredElsewhere {
        /// The call, with who answered among its participants.
        call: Box<Call>,
    },
    /// To the caller: how many phones acknowledged the ring.
    CallDelivered {
        /// Devices that acknowledged it.
        delivered: u32,
        /// Devices to which a push was sent and that have not acknowledged.
        notified: u32,
        /// Members called (users, not devices).
        members: u32,
        /// Members of them who do not want to be disturbed now: it does not ring there.
        #[serde(default, skip_serializing_if = "is_zero")]
        undisturbed: u32,
    },
    /// To everybody in it: over.
    CallEnded {
        /// The call, with end reason and duration.
        call: Box<Call>,
    },
    /// To everybody who rings or talks, except the door: there is a still picture.
    CallUpdated {
        /// The call.
        call: Box<Call>,
    },
    /// To the door: a device opened its media session as viewer. Also when it did so again (a reloaded page).
    CallViewed {
        /// Which device.
        viewer: Leg,
    },
    /// To the participants: what the contact of the door says of its leaf.
    DoorContact {
        /// What.
        state: DoorState,
    },
    /// To the participants: the door is released.
    DoorOpened {
        /// By whom.
        opener: Opener,
        /// Milliseconds for which it still is.
        released_for: u64,
    },
    /// To the receiver's devices: stop ringing; `status` says why (cancelled, unanswered, rejected, busy).
    IncomingCallCancelled {
        /// The call.
        call: Box<Call>,
    },
    /// To every device of every receiver: ring. Acknowledge it.
    IncomingCallReceived {
        /// The call.
        call: Box<Call>,
        /// Milliseconds from now for which it rings at the most; a lifetime for phones that lose the hub.
        rings_for: u64,
        /// The receiver is in another call: call waiting.
        waiting: bool,
    },
    /// To the door: a participant asks it to open. Only told while it is there: an old wish opens nothing.
    OpeningAsked {
        /// Who.
        by: Leg,
        /// The key of their `open`.
        opening: RequestKey,
        /// What they show.
        nonce: Redacted<Nonce>,
    },
    /// To the participant who asked: the door does not open.
    OpeningRefused {
        /// The key of their `open`.
        opening: RequestKey,
        /// Why.
        reason: OpeningRefusal,
    },
    /// To the caller: answered.
    OutgoingCallAccepted {
        /// The call.
        call: Box<Call>,
        /// The device that answered. Its media gate may open now.
        by: Leg,
    },
    /// To the caller: not answered; `status` says how (rejected, busy, unanswered).
    OutgoingCallRejected {
        /// The call.
        call: Box<Call>,
    },
    /// To everybody in the call: a device of role participant opened its media session. Also when it did so again.
    ParticipantJoined {
        /// Which device.
        participant: Leg,
        /// The door's connection that this device still has, and which need not be replaced.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        keeps: Option<PeerId>,
    },
    /// To everybody in the call: a participant left it.
    ParticipantLeft {
        /// Which device.
        participant: Leg,
    },
    /// To the participants: a visitor pressed another button.
    PressWaiting {
        /// Words about the press: `button`, `buttonLabel`.
        metadata: Metadata,
    },
    /// To the door: a viewer closed its media session, or lost the hub.
    ViewerLeft {
        /// Which device.
        viewer: Leg,
    },
}

impl EventKind {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CallAnsweredElsewhere { .. } => "callAnsweredElsewhere",
            Self::CallDelivered { .. } => "callDelivered",
            Self::CallEnded { .. } => "callEnded",
            Self::CallUpdated { .. } => "callUpdated",
            Self::CallViewed { .. } => "callViewed",
            Self::DoorContact { .. } => "doorContact",
            Self::DoorOpened { .. } => "doorOpened",
            Self::IncomingCallCancelled { .. } => "incomingCallCancelled",
            Self::IncomingCallReceived { .. } => "incomingCallReceived",
            Self::OpeningAsked { .. } => "openingAsked",
            Self::OpeningRefused { .. } => "openingRefused",
            Self::OutgoingCallAccepted { .. } => "outgoingCallAccepted",
            Self::OutgoingCallRejected { .. } => "outgoingCallRejected",
            Self::ParticipantJoined { .. } => "participantJoined",
            Self::ParticipantLeft { .. } => "participantLeft",
            Self::PressWaiting { .. } => "pressWaiting",
            Self::ViewerLeft { .. } => "viewerLeft",
        }
    }

    /// The call as it stood then, where the event carries it.
    #[must_use]
    pub const fn call(&self) -> Option<&Call> {
        match self {
            Self::CallAnsweredElsewhere { call }
            | Self::CallEnded { call }
            | Self::CallUpdated { call }
            | Self::IncomingCallCancelled { call }
            | Self::IncomingCallReceived { call, .. }
            | Self::OutgoingCallAccepted { call, .. }
            | Self::OutgoingCallRejected { call } => Some(call),
            Self::CallDelivered { .. }
            | Self::DoorContact { .. }
            | Self::DoorOpened { .. }
            | Self::OpeningAsked { .. }
            | Self::OpeningRefused { .. }
            | Self::CallViewed { .. }
            | Self::ParticipantJoined { .. }
            | Self::ParticipantLeft { .. }
            | Self::PressWaiting { .. }
            | Self::ViewerLeft { .. } => None,
        }
    }

    /// Whether a device hears nothing more of the call after this.
    #[must_use]
    pub const fn is_last_word(&self) -> bool {
        match self {
            Self::CallAnsweredElsewhere { .. }
            | Self::CallEnded { .. }
            | Self::IncomingCallCancelled { .. }
            | Self::OutgoingCallRejected { .. } => true,
            Self::CallDelivered { .. }
            | Self::DoorContact { .. }
            | Self::DoorOpened { .. }
            | Self::OpeningAsked { .. }
            | Self::OpeningRefused { .. }
            | Self::CallUpdated { .. }
            | Self::CallViewed { .. }
            | Self::IncomingCallReceived { .. }
            | Self::OutgoingCallAccepted { .. }
            | Self::ParticipantJoined { .. }
            | Self::ParticipantLeft { .. }
            | Self::PressWaiting { .. }
            | Self::ViewerLeft { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_have_the_documented_form() {
        let request = VerbRequest {
            key: "k-1".parse().expect("a word"),
            verb: Verb::Initiate {
                receiver: Receiver::Group("flat-1".parse().expect("a word")),
                call_type: CallType::Video,
                metadata: Metadata::new(),
            },
        };
        assert_eq!(request.path(), "/v1/calls");
        assert_eq!(request.body(), r#"{"key":"k-1","receiverType":"group","receiver":"flat-1","type":"video"}"#);
    }

    #[test]
    fn error_codes_are_the_workflows() {
        assert_eq!(to_json(&ErrorCode::ErrCallBusySelf), r#""ERR_CALL_BUSY_SELF""#);
        assert_eq!(to_json(&ErrorCode::ErrCallingSelf), r#""ERR_CALLING_SELF""#);
        assert_eq!(to_json(&ErrorCode::ErrCallNotAPart), r#""ERR_CALL_NOT_A_PART""#);
    }

    #[test]
    fn frames_have_the_documented_form() {
        let frame = ClientFrame::Signal {
            session_id: SessionId::from_random([1; 16]),
            device_id: None,
            peer: PeerId(3),
            signal: Signal::Candidate { candidate: Redacted::new("candidate:1".to_owned()), sdp_m_line_index: 0 },
        };
        let json = to_json(&frame);
        assert_eq!(
            json,
            r#"{"type":"signal","sessionId":"01010101010101010101010101010101","peer":3,"signal":{"kind":"candidate","candidate":"candidate:1","sdpMLineIndex":0}}"#
        );
        assert_eq!(serde_json::from_str::<ClientFrame>(&json).expect("it was just written"), frame);
        assert!(!format!("{frame:?}").contains("candidate:1"));
    }

    #[test]
    fn unknown_fields_are_passed_over_and_unknown_types_refused() {
        assert_eq!(
            serde_json::from_str::<ClientFrame>(r#"{"type":"ping","later":1}"#).expect("known type"),
            ClientFrame::Ping {}
        );
        assert!(serde_json::from_str::<ClientFrame>(r#"{"type":"reboot"}"#).is_err());
    }
}
