//! The names by which calls, people, devices and requests are known, each a type of its own so that one never stands for another.
//!
//! Ids are public words, not secrets: knowing one grants nothing (credentials are in `hub::auth`). Nothing here makes up
//! randomness; random bits are handed in by the adapters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 1 to 64 characters.
    #[error("has {0} characters; allowed are 1 to 64")]
    Length(usize),
    /// A character outside the alphabet.
    #[error("has the character {0:?}; allowed are letters, digits, '-', '_' and '.'")]
    Character(char),
    /// Not 32 hexadecimal digits.
    #[error("is not 32 lower-case hexadecimal digits")]
    NotHex,
}

fn check_word(text: &str) -> Result<(), IdError> {
    let count = text.chars().count();
    if count == 0 || count > 64 {
        return Err(IdError::Length(count));
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        Some(found) => Err(IdError::Character(found)),
        None => Ok(()),
    }
}

/// A word that is read once and then handed on a hundred times: a copy has no memory of its own.
macro_rules! word_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check_word(text)?;
                Ok(Self(text.into()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|error| serde::de::Error::custom(format_args!("{text:?} {error}")))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

word_id! {
    /// A user of the hub: a resident or a door. Doors are users, so that both can call and be called.
    Uid
}
word_id! {
    /// A group of residents that rings together, such as a flat.
    Guid
}
word_id! {
    /// One device of a user: a phone, a tablet, a door station. Made up by the hub at pairing or enrolment.
    DeviceId
}
word_id! {
    /// Somebody who administers the hub by REST. No user: they have no part in calls.
    AdministratorId
}
word_id! {
    /// A button of the door, as named in `door.toml`.
    ButtonId
}
word_id! {
    /// Idempotency key of a verb, made by the device that sends it: the same key is the same request, however often it comes.
    RequestKey
}

impl RequestKey {
    /// The key of a machine's request: a boot id, random per start, and a counter.
    #[must_use]
    pub fn of_attempt(boot: BootId, counter: u64) -> Self {
        Self(format!("{boot}-{counter}").into())
    }

    /// The key of what the door release says and asks.
    #[must_use]
    pub fn of_release(boot: BootId, counter: u64) -> Self {
        Self(format!("{boot}-d{counter}").into())
    }

    /// The key under which a door hands over the trace of a call.
    #[must_use]
    pub fn of_trace(session_id: SessionId) -> Self {
        Self(format!("trace-{session_id}").into())
    }

    /// The key of a link's own request for a session token.
    #[must_use]
    pub fn of_token(boot: BootId, counter: u64) -> Self {
        Self(format!("{boot}-t{counter}").into())
    }
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From 128 random bits.
            #[must_use]
            pub const fn from_random(bits: [u8; 16]) -> Self {
                Self(bits)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| IdError::NotHex)?;
                Ok(Self(bytes.try_into().map_err(|_| IdError::NotHex)?))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|error| serde::de::Error::custom(format_args!("{text:?} {error}")))
            }
        }
    };
}

random_id! {
    /// A ringing or running call, made up by the hub: 128 random bits, 32 hexadecimal digits on the wire.
    SessionId
}
random_id! {
    /// One start of a process, so that counters of two starts never collide.
    BootId
}

random_id! {
    /// What a door gives a participant for one opening: only whoever shows it within its short life opens. Kept in
    /// [`Redacted`](crate::redacted::Redacted) wherever it travels.
    Nonce
}

/// The number of an entry in the log of one call, from 1. With the session id it names an event for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryNumber(pub u64);

impl EntryNumber {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for EntryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One peer connection of the door, numbered by the station. A replaced connection has a new number, so late frames of the
/// old one are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub u32);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer-{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_refused_with_what_was_found() {
        assert_eq!("".parse::<Uid>(), Err(IdError::Length(0)));
        assert_eq!("a b".parse::<Uid>(), Err(IdError::Character(' ')));
        assert_eq!("x".repeat(65).parse::<Guid>(), Err(IdError::Length(65)));
        assert!("flat-3.left_door".parse::<Guid>().is_ok());
    }

    #[test]
    fn random_ids_survive_the_wire() {
        let id = SessionId::from_random([0xab; 16]);
        let json = serde_json::to_string(&id).expect("an id is a string");
        assert_eq!(json, format!("\"{}\"", "ab".repeat(16)));
        assert_eq!(serde_json::from_str::<SessionId>(&json).expect("it was just written"), id);
        assert!(serde_json::from_str::<SessionId>("\"ABAB\"").is_err());
    }
}
