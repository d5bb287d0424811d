//! `[release]` of `door.toml`: how the door opens. Whether there is a relay, and where its lines are, is the panel's matter.

use std::time::Duration;

use serde::Deserialize;

use super::light::ClockTime;
use super::value;
use crate::ids::ButtonId;
use crate::panel::release::Lock;
use crate::panel::release::hours::{Day, Hours};

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
    /// When a press opens; never if left out.
    pub hours: Vec<HoursTable>,
    /// Which clock counts for that.
    pub hours_clock: HoursClock,
}

/// `{ button = "…", days = ["mon"], from = "08:00", until = "12:30" }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HoursTable {
    /// Whose press opens.
    pub button: ButtonId,
    /// On which days.
    pub days: Vec<Day>,
    /// Local time.
    pub from: ClockTime,
    /// Local time, the same day.
    pub until: ClockTime,
}

/// `hours-clock`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoursClock {
    /// The system's, as it is: there is a clock with a battery, or another program that sets it.
    Any,
    /// The system's, once systemd-timesyncd has set it.
    Synchronised,
}

impl From<&HoursTable> for Hours {
    fn from(table: &HoursTable) -> Self {
        let HoursTable { button, days, from, until } = table;
        Self { button: button.clone(), days: days.clone(), from: from.minutes, until: until.minutes }
    }
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
            hours: Vec::new(),
            hours_clock: HoursClock::Synchronised,
        }
    }
}
