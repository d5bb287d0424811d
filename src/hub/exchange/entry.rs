//! The entries of the log, as they are stored. Nothing here decides anything.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, EntryNumber, Nonce, PeerId, RequestKey, SessionId, Uid};
use crate::redacted::Redacted;
use crate::signaling::protocol::{CallType, DoorReport, EndReason, Leg, Metadata, Receiver, RejectStatus};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The call it belongs to.
    pub session_id: SessionId,
    /// The hub's wall clock when it was appended, milliseconds since 1970: for history only.
    pub wall: u64,
    /// What it says.
    pub change: Change,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Change {
    /// A device answers, or joins.
    Accept {
        /// Which device.
        leg: Leg,
        /// Idempotency key.
        key: RequestKey,
    },
    /// A device acknowledged the ring.
    Acknowledge {
        /// Which device.
        device_id: DeviceId,
    },
    /// A device was gone for longer than the grace time.
    Absent {
        /// Which device.
        device_id: DeviceId,
        /// The entry by which it was lost: a later loss has a grace time of its own.
        lost_by: EntryNumber,
    },
    /// A device hangs up.
    End {
        /// Which device.
        leg: Leg,
        /// Idempotency key.
        key: RequestKey,
        /// Why, where it is not simply hanging up.
        reason: Option<EndReason>,
    },
    /// The ring time is over.
    Expire,
    /// A device's last connection to the hub was lost.
    Gone {
        /// Which device.
        device_id: DeviceId,
    },
    /// Somebody calls somebody: the first entry of every call.
    Initiate(Arc<Initiation>),
    /// A device started its media session.
    Join {
        /// Which device.
        leg: Leg,
        /// The door's connection that it still has.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        keeps: Option<PeerId>,
    },
    /// A device ended its media session.
    Leave {
        /// Which device.
        device_id: DeviceId,
    },
    /// A push was sent to a device.
    Notified {
        /// Which device.
        device_id: DeviceId,
    },
    /// A participant asks the door to open.
    Open {
        /// Which device.
        leg: Leg,
        /// Idempotency key.
        key: RequestKey,
        /// What it shows to the door.
        nonce: Redacted<Nonce>,
    },
    /// The door tells of a press on another button.
    PressWaiting {
        /// The door.
        leg: Leg,
        /// Idempotency key.
        key: RequestKey,
        /// Words about the press.
        metadata: Metadata,
    },
    /// A device (re)connected.
    Reachable {
        /// Which device.
        device_id: DeviceId,
        /// The last entry of this call it saw; 0 for none.
        seen: EntryNumber,
    },
    /// A device refuses, or the caller cancels.
    Reject {
        /// Which device.
        leg: Leg,
        /// Idempotency key.
        key: RequestKey,
        /// How.
        status: RejectStatus,
    },
    /// The door tells what its release did, and what its contact says.
    ReportDoor {
        /// The door.
        leg: Leg,
        /// Idempotency key.
        key: RequestKey,
        /// What.
        report: DoorReport,
    },
    /// The door shows a still picture. The picture itself is no part of the log: only that there is one.
    ShowStill {
        /// The door.
        leg: Leg,
        /// Idempotency key.
        key: RequestKey,
    },
    /// It rings at those who come after the first, if nobody answered by then.
    Step {
        /// Milliseconds after which it was to ring there.
        after: u64,
    },
    /// The hub started again: every connection was lost, and perhaps the last entries too. Appended once per start to each
    /// of [`open_calls`](super::Exchange::open_calls). Numbers go on after a gap, so that none is ever given to two events.
    Restarted,
}

impl Change {
    /// Whether somebody waits for an answer to it.
    #[must_use]
    pub const fn is_verb(&self) -> bool {
        match self {
            Self::Accept { .. }
            | Self::End { .. }
            | Self::Initiate(_)
            | Self::Open { .. }
            | Self::PressWaiting { .. }
            | Self::Reject { .. }
            | Self::ReportDoor { .. }
            | Self::ShowStill { .. } => true,
            Self::Absent { .. }
            | Self::Acknowledge { .. }
            | Self::Expire
            | Self::Gone { .. }
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::Notified { .. }
            | Self::Reachable { .. }
            | Self::Restarted
            | Self::Step { .. } => false,
        }
    }
}

/// Everything the exchange needs to know to start a call, taken from the directory when the verb came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initiation {
    /// Idempotency key.
    pub key: RequestKey,
    /// Who calls.
    pub initiator: Leg,
    /// Whether the initiator is a door.
    pub initiator_is_door: bool,
    /// Who is called.
    pub receiver: Receiver,
    /// The name of who is called.
    pub receiver_name: String,
    /// Whether the receiver is a user that is a door.
    pub receiver_is_door: bool,
    /// The users called, without the initiator's own, with their devices.
    pub members: Vec<Member>,
    /// With picture or without.
    pub call_type: CallType,
    /// Words of the caller.
    pub metadata: Metadata,
    /// Milliseconds to ring.
    pub ring_for: u64,
    /// Whether later accepts of a group call join it.
    pub joinable: bool,
    /// Most devices that may look before anybody answers.
    pub max_viewers: u32,
}

/// What is left out is false.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// What is left out is true.
const fn yes() -> bool {
    true
}

/// A user called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Who.
    pub uid: Uid,
    /// Their name.
    pub name: Arc<str>,
    /// Their devices, whether reachable or not.
    pub devices: Vec<MemberDevice>,
    /// Milliseconds after which it rings there, if nobody answered by then.
    #[serde(default)]
    pub after: u64,
    /// They do not want to be disturbed now: it does not ring there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub undisturbed: bool,
    /// They may see the door before they answer.
    #[serde(default = "yes")]
    pub looks: bool,
}

/// A device of a user called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberDevice {
    /// Which.
    pub device_id: DeviceId,
    /// Connected when the call began.
    pub connected: bool,
    /// Has a push subscription.
    pub push: bool,
}
