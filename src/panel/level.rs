//! A line that has a level rather than a press: contacts of the door and of the enclosure, the request to exit.
//!
//! Pure. Unlike a button such a line may be active for days; only glitches are kept away. It counts by the time of the edges.

#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use crate::moment::Moment;

/// A line that keeps its level for this long means it.
const CONFIRM: Duration = Duration::from_millis(20);

/// One line, inactive until it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    line: bool,
    since: Moment,
    given: bool,
}

impl Level {
    /// Inactive.
    #[must_use]
    pub const fn new() -> Self {
        Self { line: false, since: Moment::START, given: false }
    }

    /// The level that was confirmed last.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.given
    }

    /// The line changed.
    pub fn edge(&mut self, active: bool, at: Moment) {
        if active != self.line {
            *self = Self { line: active, since: at.max(self.since), ..*self };
        }
    }

    /// When a changed level is confirmed.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        (self.line != self.given).then(|| self.since + CONFIRM)
    }

    /// Takes a change that is confirmed by now: the level as it is from then on.
    pub fn take(&mut self, now: Moment) -> Option<bool> {
        self.due().filter(|due| *due <= now)?;
        self.given = self.line;
        Some(self.given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glitches_are_nothing_and_levels_are_given_once() {
        let at = Moment::from_millis;
        let mut level = Level::default();
        level.edge(true, at(100));
        level.edge(false, at(119));
        assert_eq!((level.take(at(500)), level.due()), (None, None));
        level.edge(true, at(600));
        assert_eq!((level.take(at(619)), level.take(at(620)), level.take(at(621))), (None, Some(true), None));
        level.edge(true, at(700));
        assert!(level.is_active() && level.due().is_none());
        level.edge(false, at(800));
        level.edge(true, at(810));
        assert_eq!(level.take(at(900)), None, "a contact that trembles is not open");
    }
}
