//! The words about push: how a phone says where it can be woken, and what it is told when it is. Exactly as they stand on the
//! wire, and inside the encrypted message. Nothing here decides anything.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::protocol::CallStatus;
use crate::ids::SessionId;
use crate::redacted::Redacted;

/// Body of `PUT /v1/me/device/push`: what the browser's `PushSubscription.toJSON()` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushBody {
    /// Where to send to. Whoever knows it can send there.
    pub endpoint: Redacted<String>,
    /// For whom to encrypt.
    pub keys: PushKeys,
}

/// The phone's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushKeys {
    /// Its public key on the curve P-256, uncompressed, in base64url.
    pub p256dh: Redacted<String>,
    /// 16 bytes that only the phone and the hub know, in base64url.
    pub auth: Redacted<String>,
}

/// Answer of `GET /v1/me/device/push`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushState {
    /// The hub's public key, for `pushManager.subscribe`. Without one this hub sends no pushes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub application_server_key: Option<String>,
    /// Whether the hub would wake this device.
    pub subscribed: bool,
}

/// What a phone is told when it is woken: enough to ring, and nothing about who lives there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PushMessage {
    /// A call rings.
    Ring {
        /// Which.
        session_id: SessionId,
        /// The name of the door.
        door: Arc<str>,
    },
    /// It does not ring any more.
    Over {
        /// Which.
        session_id: SessionId,
        /// The name of the door.
        door: Arc<str>,
        /// What became of it: `ongoing` where somebody else answered, `initiated` where this resident refused it on another
        /// device and others still ring.
        status: CallStatus,
    },
}
