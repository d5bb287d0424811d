//! Hours in which a press opens, as in a doctor's practice. Which day and minute it is, others know.

use serde::Deserialize;

use crate::ids::ButtonId;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// All of them, from Monday.
    pub const WEEK: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

/// Some hours of some days, for one button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// Whose press opens.
    pub button: ButtonId,
    /// On these days.
    pub days: Vec<Day>,
    /// From this minute of the day, local time.
    pub from: u16,
    /// Up to this minute, and not including it.
    pub until: u16,
}

impl Hours {
    /// Whether a press of this button opens at this minute of this day.
    #[must_use]
    pub fn cover(&self, button: &ButtonId, day: Day, minute: u16) -> bool {
        self.button == *button && self.days.contains(&day) && (self.from..self.until).contains(&minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_of_a_button_a_day_and_minutes() {
        let button: ButtonId = "dentist".parse().expect("a word");
        let hours = Hours { button: button.clone(), days: vec![Day::Mon, Day::Fri], from: 480, until: 720 };
        assert!(hours.cover(&button, Day::Mon, 480) && hours.cover(&button, Day::Fri, 719));
        assert!(!hours.cover(&button, Day::Mon, 479) && !hours.cover(&button, Day::Mon, 720));
        assert!(!hours.cover(&button, Day::Tue, 500));
        assert!(!hours.cover(&"flat-1".parse().expect("a word"), Day::Mon, 500));
    }
}
