//! `[release]` of `door.toml`: how the door opens. Whether there is a relay, and where its lines are, is the panel's matter.

use std::time::Duration;

use serde::Deserialize;

use super::value;
use crate::panel::release::Lock;

/// `[release]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReleaseTable {
    /// What the lock does without current.
    pub lock: Lock,
    /// How long it is released.
    #[serde(deserialize_with = "value::duration")]
    pub pulse: Duration,
    /// How long somebody may take to open the door.
    #[serde(deserialize_with = "value::duration")]
    pub opened_within: Duration,
    /// When a door that stands open is reported.
    #[serde(deserialize_with = "value::duration")]
    pub left_open_after: Duration,
    /// Whether a door that opens without a release is reported.
    pub report_forced: bool,
    /// How long tamper inhibits the release after it is over.
    #[serde(deserialize_with = "value::duration")]
    pub tamper_inhibits: Duration,
}

impl Default for ReleaseTable {
    fn default() -> Self {
        Self {
            lock: Lock::FailSecure,
            pulse: Duration::from_secs(3),
            opened_within: Duration::from_secs(10),
            left_open_after: Duration::from_secs(60),
            report_forced: false,
            tamper_inhibits: Duration::from_secs(300),
        }
    }
}
