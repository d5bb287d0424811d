//! A resident's own rules, as they stand on the wire: when it does not ring at theirs. Reads no clock: the time is an argument.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Body and answer of `/v1/me/rules`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnRules {
    /// It does not ring at all.
    #[serde(default)]
    pub do_not_disturb: bool,
    /// … until then (milliseconds since 1970); without it, until it is switched off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub do_not_disturb_until: Option<u64>,
    /// It does not ring in these hours of every day.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quiet_hours: Option<QuietHours>,
}

/// From then to then, over midnight where `to` is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuietHours {
    /// The first quiet minute.
    pub from: TimeOfDay,
    /// The first minute in which it rings again.
    pub to: TimeOfDay,
}

/// A minute of the day, `"22:00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl OwnRules {
    /// Whether it must not ring at this time: milliseconds since 1970, and the minute of the day on the hub's wall, if its
    /// clock can be right.
    #[must_use]
    pub fn are_quiet(&self, wall: u64, minute: Option<u16>) -> bool {
        let disturbing = self.do_not_disturb && self.do_not_disturb_until.is_none_or(|until| wall < until);
        let quiet = |hours: &QuietHours| minute.is_some_and(|minute| hours.contain(TimeOfDay(minute)));
        disturbing || self.quiet_hours.as_ref().is_some_and(quiet)
    }
}

impl QuietHours {
    fn contain(self, minute: TimeOfDay) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl TimeOfDay {
    /// Of these minutes since midnight.
    #[must_use]
    pub fn of_minutes(minutes: u16) -> Option<Self> {
        (minutes < DAY).then_some(Self(minutes))
    }

    /// Minutes since midnight.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// What is no time of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time of a day such as 22:00")]
pub struct NoTime;

impl FromStr for TimeOfDay {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let (hours, minutes) = text.split_once(':').ok_or(NoTime)?;
        let number = |part: &str, most: u16| match part.parse::<u16>() {
            Ok(number) if part.len() == 2 && number < most && !part.starts_with('+') => Ok(number),
            Ok(_) | Err(_) => Err(NoTime),
        };
        Ok(Self(number(hours, 24)? * 60 + number(minutes, 60)?))
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

impl FromStr for QuietHours {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let (from, to) = text.split_once('-').ok_or(NoTime)?;
        Ok(Self { from: from.parse()?, to: to.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(text: &str) -> Option<u16> {
        Some(text.parse::<TimeOfDay>().expect("a time").minutes())
    }

    #[test]
    fn quiet_hours_go_over_midnight() {
        let quiet_hours = "22:00-07:00".parse().ok();
        let rules = OwnRules { quiet_hours, ..OwnRules::default() };
        for (time, quiet) in [("21:59", false), ("22:00", true), ("00:00", true), ("06:59", true), ("07:00", false)] {
            assert_eq!(rules.are_quiet(0, minute(time)), quiet, "{time}");
        }
        assert!(!rules.are_quiet(0, None), "a clock that cannot be right silences nobody");
        let siesta = OwnRules { quiet_hours: "13:00-15:00".parse().ok(), ..OwnRules::default() };
        assert!(siesta.are_quiet(0, minute("14:59")) && !siesta.are_quiet(0, minute("12:59")));
    }

    #[test]
    fn do_not_disturb_ends_at_its_time() {
        let rules = OwnRules { do_not_disturb: true, do_not_disturb_until: Some(1_000), quiet_hours: None };
        assert!(rules.are_quiet(999, None) && !rules.are_quiet(1_000, None));
        let for_ever = OwnRules { do_not_disturb_until: None, ..rules.clone() };
        assert!(for_ever.are_quiet(u64::MAX, None));
        assert!(!OwnRules { do_not_disturb: false, ..rules }.are_quiet(0, None));
    }

    #[test]
    fn times_are_strict() {
        for wrong in ["", "7:00", "24:00", "12:60", "12", "12:0", "+1:00", "a:bb", "12:000"] {
            assert_eq!(wrong.parse::<TimeOfDay>(), Err(NoTime), "{wrong}");
        }
        let json = r#"{"doNotDisturb":false,"quietHours":{"from":"22:00","to":"07:00"}}"#;
        let rules: OwnRules = serde_json::from_str(json).expect("rules");
        assert_eq!(serde_json::to_string(&rules).expect("rules"), json);
        assert_eq!(rules.quiet_hours.map(|hours| hours.to_string()).as_deref(), Some("22:00-07:00"));
    }
}
