//! The words by which a device is let in and learns who it is, exactly as they stand on the wire.
//!
//! Beside [`protocol`](super::protocol), which has the words of calls. Nothing here decides anything.

use serde::{Deserialize, Serialize};

use super::protocol::Call;
use crate::ids::{DeviceId, Guid, Uid};
use crate::redacted::Redacted;

/// Body of `POST /v1/pair`: a phone becomes a device of the resident who was given this code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairBody {
    /// The code, as it was shown or typed.
    pub code: Redacted<String>,
    /// What the resident calls this phone.
    pub device_name: String,
}

/// Body of `POST /v1/enrol`: a station becomes the device of the door that this token was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolBody {
    /// The token.
    pub token: Redacted<String>,
}

/// Answer of `pair` and `enrol`. The only time the credential is ever told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// What the device shows from now on: `Authorization: Bearer …`.
    pub credential: Redacted<String>,
    /// The device.
    pub device_id: DeviceId,
    /// Whose it is.
    pub uid: Uid,
    /// Their name.
    pub name: String,
}

/// Whether a user is a person or a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserKind {
    /// A door station.
    Door,
    /// A person.
    Resident,
}

/// Answer of `GET /v1/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Who this device belongs to.
    pub uid: Uid,
    /// Their name.
    pub name: String,
    /// Person or door.
    pub kind: UserKind,
    /// This device.
    pub device_id: DeviceId,
    /// Of a resident: the groups they belong to. Of a door: the groups it may ring.
    pub groups: Vec<NamedGroup>,
    /// Doors that this resident may call.
    pub doors: Vec<NamedDoor>,
}

/// A group, as its members see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedGroup {
    /// Its id.
    pub guid: Guid,
    /// Its name.
    pub name: String,
}

/// A door, as those see it who may call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedDoor {
    /// Its user.
    pub uid: Uid,
    /// Its name.
    pub name: String,
    /// Whether it is connected now.
    pub online: bool,
}

/// Answer of `GET /v1/calls` (history, the latest first) and `GET /v1/calls/active` (the oldest first).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallsBody {
    /// The calls.
    pub calls: Vec<Call>,
}
