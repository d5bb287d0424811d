//! What a device and the hub say on the event socket, frame by frame. Nothing here decides anything.

use serde::{Deserialize, Serialize};

use super::{Call, DoorNotice, Event, NonceAnswer, Refusal, Role};
use crate::ids::{DeviceId, EntryNumber, PeerId, SessionId, Uid};
use crate::redacted::Redacted;

/// The last entry a device saw of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Which call.
    pub session_id: SessionId,
    /// The last entry seen.
    pub entry: EntryNumber,
}

/// A description or a candidate on its way between device and door, inside a started session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Signal {
    /// The device's description, in answer to the door's.
    Answer {
        /// SDP (RFC 8866).
        sdp: Redacted<String>,
    },
    /// A way to reach the sender (RFC 8839), as in `RTCIceCandidate`.
    Candidate {
        /// `candidate:…`
        candidate: Redacted<String>,
        /// Index of the media section.
        #[serde(rename = "sdpMLineIndex")]
        sdp_m_line_index: u32,
    },
    /// The door's description. An offer with a new peer number replaces the connection there was.
    Offer {
        /// SDP (RFC 8866).
        sdp: Redacted<String>,
    },
}

/// What a device sends on its event socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ClientFrame {
    /// This event arrived. For a ring: the phone really rings.
    Acknowledge {
        /// Which call.
        session_id: SessionId,
        /// Which entry.
        entry: EntryNumber,
    },
    /// A participant is about to ask the door to open: a nonce, please. Answered by `nonce` or `nonceRefused`.
    AskNonce {
        /// In which call.
        session_id: SessionId,
    },
    /// Leave the media session of a call (the call itself goes on; see the verb `end`).
    EndSession {
        /// Which call.
        session_id: SessionId,
    },
    /// First frame of every connection, within 5 s.
    Hello {
        /// [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION).
        protocol: u32,
        /// The credential, from clients that cannot set the `Authorization` header (browsers).
        #[serde(skip_serializing_if = "Option::is_none", default)]
        credential: Option<Redacted<String>>,
        /// What this device saw of each call it knows.
        #[serde(default)]
        seen: Vec<Seen>,
    },
    /// From the door: its answer to `nonceAsked`.
    Nonce {
        /// In which call.
        session_id: SessionId,
        /// For which device.
        device_id: DeviceId,
        /// What.
        answer: NonceAnswer,
    },
    /// Are you there? Answered by `pong`.
    Ping {},
    /// To the door, or from the door to one device.
    Signal {
        /// Which call.
        session_id: SessionId,
        /// From the door: to which device. From a device: left out.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        device_id: Option<DeviceId>,
        /// Which of the door's connections.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// Start the media session of a call. Answered by `sessionStarted` or `sessionRefused`.
    StartSession {
        /// Which call.
        session_id: SessionId,
        /// From the verb `token`.
        token: Redacted<String>,
        /// The door's connection that this device still has, after a reconnect: the door replaces it only if it has lost it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        keeps: Option<PeerId>,
    },
}

/// What the hub sends on an event socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum HubFrame {
    /// To everybody who may call this door, call or not: something is wrong with it, or is well again.
    DoorNotice {
        /// Which door.
        door: Uid,
        /// Its name, for people.
        door_name: String,
        /// What.
        notice: DoorNotice,
        /// When, milliseconds since 1970 by the door's clock.
        at: u64,
    },
    /// Something happened to a call.
    Event(Event),
    /// From the door: the nonce that was asked for, or why there is none.
    Nonce {
        /// In which call.
        session_id: SessionId,
        /// What.
        answer: NonceAnswer,
    },
    /// To the door: a participant wants to open soon.
    NonceAsked {
        /// In which call.
        session_id: SessionId,
        /// Which device.
        device_id: DeviceId,
    },
    /// The hub does not pass on the wish for a nonce.
    NonceRefused {
        /// In which call.
        session_id: SessionId,
        /// Why.
        error: Refusal,
    },
    /// Answer to `ping`.
    Pong {},
    /// The hub closes this connection, and why.
    Refused {
        /// Why.
        error: Refusal,
    },
    /// This device's media session of a call is over: it left, lost its role (answered elsewhere), or the call is over.
    SessionEnded {
        /// Which call.
        session_id: SessionId,
    },
    /// The media session could not be started.
    SessionRefused {
        /// Which call.
        session_id: SessionId,
        /// Why.
        error: Refusal,
    },
    /// The media session is started; signals are relayed from now on.
    SessionStarted {
        /// Which call.
        session_id: SessionId,
        /// With which role.
        role: Role,
    },
    /// From the door, or from one device to the door.
    Signal {
        /// Which call.
        session_id: SessionId,
        /// The device it comes from.
        device_id: DeviceId,
        /// Which of the door's connections.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// Answer to a good `hello`. Missed events follow.
    Welcome {
        /// [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION) of the hub.
        protocol: u32,
        /// Who this device belongs to.
        uid: Uid,
        /// This device.
        device_id: DeviceId,
        /// Milliseconds between the `ping` frames the hub expects; twice as long without any frame and it closes.
        heartbeat: u64,
        /// The hub's clock, milliseconds since 1970.
        time: u64,
        /// The calls this device is in: as caller, as participant, or ringing.
        calls: Vec<Call>,
    },
}
