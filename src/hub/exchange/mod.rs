//! The exchange: the ringing rules, folded from a log of entries in their order. Pure: no clock, no I/O, no randomness.
//!
//! A verb is an entry, and so is anything else that decides: a device lost or found, a deadline. Whoever comes first in the
//! log wins; everybody converges to the same call. A due timer only *orders* an entry (`Output::Append`); the call is
//! unanswered when that entry comes back. Wall-clock times in entries are for history, never for decisions.

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, EntryNumber, RequestKey, SessionId, Uid};
use crate::signaling::protocol::{Call, CallType, EndReason, Event, Leg, Metadata, Receiver, Refusal, RejectStatus};

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
    Initiate(Box<Initiation>),
    /// A device started its media session.
    Join {
        /// Which device.
        leg: Leg,
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

/// A user called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Who.
    pub uid: Uid,
    /// Their name.
    pub name: String,
    /// Their devices, whether reachable or not.
    pub devices: Vec<MemberDevice>,
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

/// What follows from an entry.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The answer of the verb that this entry is.
    Answer(Result<Box<Call>, Refusal>),
    /// A due timer orders this entry.
    Append(SessionId, Change),
    /// The call reached its terminal status: keep it in the history.
    Archive(Box<Call>),
    /// Tell these devices. One serialisation serves all.
    Deliver {
        /// To whom: at most one event per entry and device.
        to: Vec<DeviceId>,
        /// What.
        event: Event,
    },
    /// These devices' media sessions of this call are over: the hub stops relaying and tells them.
    Revoke {
        /// Which call.
        session_id: SessionId,
        /// Which devices.
        devices: Vec<DeviceId>,
    },
}

/// Why the exchange wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// A device's grace time is over.
    Absence(SessionId),
    /// A tombstone may be forgotten.
    Forget(SessionId),
    /// The ring time is over.
    Ring(SessionId),
}
