//! The door release on the wire: who opened, why not, and what the door's contact says. Nothing here decides anything.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Leg;
use crate::ids::{ButtonId, Nonce, RequestKey};
use crate::redacted::Redacted;

/// By whose authority the door was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "authority", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Opener {
    /// The operator, at the door station's own command line.
    Administrator {},
    /// A resident in the conversation.
    Participant {
        /// The key of their `open`.
        opening: RequestKey,
        /// Who.
        by: Leg,
    },
    /// Somebody inside.
    RequestToExit {},
    /// A press during the hours in which a press opens.
    Schedule {
        /// Which button.
        button: ButtonId,
    },
}

/// Why the door does not open. Part of the protocol: a reason is never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OpeningRefusal {
    /// The door has no door release.
    NoRelease,
    /// The nonce is older than its five seconds: ask for another.
    NonceExpired,
    /// The nonce is not one of this device's and this call's, or was used.
    NonceUnknown,
    /// The door does not know this device as a participant of its call.
    NotAParticipant,
    /// The relay cannot be switched.
    RelayFailed,
    /// The station is stopping.
    Stopping,
    /// Somebody tampers with the station, or did a short while ago.
    Tampered,
}

impl fmt::Display for OpeningRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRelease => "it has no door release",
            Self::NonceExpired => "the nonce is too old",
            Self::NonceUnknown => "the nonce is not one of the door's, or was used",
            Self::NotAParticipant => "only who talks with the visitor may open",
            Self::RelayFailed => "the relay cannot be switched",
            Self::Stopping => "the station is stopping",
            Self::Tampered => "somebody has opened the station's enclosure",
        })
    }
}

/// What became of the door's leaf, by its contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DoorState {
    /// It fell shut.
    Closed,
    /// It was opened without a release.
    Forced,
    /// It stands open for longer than it should.
    LeftOpen,
    /// It was released, and nobody opened it.
    NotOpened,
    /// It is open.
    Opened,
}

/// What a door says of its release, inside a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DoorReport {
    /// The contact of the door says something.
    Contact {
        /// What.
        state: DoorState,
    },
    /// The door is released.
    Opened {
        /// By whom.
        opener: Opener,
        /// Milliseconds for which it still is.
        released_for: u64,
    },
    /// A participant asked, and the door did not open.
    Refused {
        /// Who.
        by: Leg,
        /// The key of their `open`.
        opening: RequestKey,
        /// Why.
        reason: OpeningRefusal,
    },
}

/// What a door answers to a participant who wants to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NonceAnswer {
    /// It is to be shown with the verb `open`.
    Issued {
        /// Good for one opening.
        nonce: Redacted<Nonce>,
        /// Milliseconds for which it is good, from when the door made it.
        #[serde(rename = "expiresIn")]
        expires_in: u64,
    },
    /// There is none.
    Refused {
        /// Why.
        reason: OpeningRefusal,
    },
}

/// What residents and operator are told of a door outside of any call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DoorNotice {
    /// It was opened without a release.
    Forced,
    /// It stands open for longer than it should.
    LeftOpen,
    /// The relay cannot be switched.
    RelayFailed,
    /// Somebody opens the station's enclosure.
    Tampered,
    /// The enclosure is shut again.
    TamperOver,
}
