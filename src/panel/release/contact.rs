//! The contact in the door's frame: what its level means after a release, without one, and when it lasts too long.

use super::Rules;
use crate::moment::Moment;
use crate::panel::level::Level;
use crate::signaling::protocol::DoorState;

/// The door's leaf, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contact {
    level: Level,
    /// A release allows the door to be opened until then.
    watch: Option<Watch>,
    /// The door is open, and is reported then.
    report_at: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Watch {
    until: Moment,
    opened: bool,
}

impl Contact {
    pub(super) const fn new() -> Self {
        Self { level: Level::new(), watch: None, report_at: None }
    }

    pub(super) const fn level(&self) -> Level {
        self.level
    }

    pub(super) const fn is_open(&self) -> bool {
        self.level.is_active()
    }

    pub(super) fn edge(&mut self, active: bool, at: Moment) {
        self.level.edge(active, at);
    }

    /// The next deadline besides the level's own.
    pub(super) fn due(&self) -> Option<Moment> {
        self.watch.map(|watch| watch.until).into_iter().chain(self.report_at).min()
    }

    /// The lock was released: the door may be opened until then. One that stands open is open.
    pub(super) fn released(&mut self, until: Moment, rules: &Rules) -> Option<DoorState> {
        if !rules.contact {
            return None;
        }
        let opened = self.is_open();
        self.watch = Some(Watch { until, opened });
        opened.then_some(DoorState::Opened)
    }

    /// Takes a level that is confirmed.
    pub(super) fn take_level(&mut self, now: Moment, rules: &Rules) -> Option<DoorState> {
        if !self.level.take(now)? {
            self.report_at = None;
            return Some(DoorState::Closed);
        }
        self.report_at = Some(now + rules.left_open_after);
        match &mut self.watch {
            Some(watch) => {
                watch.opened = true;
                Some(DoorState::Opened)
            }
            None if rules.report_forced => Some(DoorState::Forced),
            None => Some(DoorState::Opened),
        }
    }

    /// Runs what is due.
    pub(super) fn run(&mut self, now: Moment, rules: &Rules) -> Option<DoorState> {
        if let Some(watch) = self.watch
            && watch.until <= now
        {
            self.watch = None;
            return (!watch.opened && rules.contact).then_some(DoorState::NotOpened);
        }
        self.report_at.take_if(|at| *at <= now).map(|_| DoorState::LeftOpen)
    }
}
