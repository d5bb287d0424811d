//! Words for the service manager (`sd_notify(3)`). Without one, nothing happens. It checks nothing itself: who feeds the
//! watchdog says whether everything is well.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::moment::Moment;

/// How often the watchdog is fed within the time after which it bites.
const MEALS: u32 = 3;

/// The service does its work.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// What `systemctl status` shows.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// The service is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The main loop lives, and what it depends on.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// The service manager's watchdog (`WatchdogSec=`), fed by a main loop that looks at its parts first.
#[derive(Debug)]
pub struct Watchdog {
    every: Option<Duration>,
    due: Moment,
    starving: bool,
}

impl Watchdog {
    /// The watchdog this process was started with, if any.
    #[must_use]
    pub fn of_this_service(now: Moment) -> Self {
        Self::biting_after(sd_notify::watchdog_enabled(), now)
    }

    fn biting_after(patience: Option<Duration>, now: Moment) -> Self {
        Self { every: patience.map(|patience| patience / MEALS), due: now, starving: false }
    }

    /// When the loop has to turn, whatever else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.every.map(|_| self.due)
    }

    /// Feeds it if it is time and nothing is dead. `dead` names what is, for the log; systemd then starts a whole process.
    pub fn look(&mut self, now: Moment, dead: Option<&'static str>) {
        let Some(every) = self.every.filter(|_| now >= self.due) else { return };
        self.due = now + every;
        match dead {
            None => alive(),
            Some(part) if !self.starving => tracing::error!(part, "a part is dead: the watchdog is not fed any more"),
            Some(_) => {}
        }
        self.starving = dead.is_some();
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fed_often_enough_and_never_without_one() {
        let start = Moment::from_millis(1_000);
        let mut none = Watchdog::biting_after(None, start);
        none.look(start, None);
        assert_eq!(none.poll_timeout(), None);

        let mut watchdog = Watchdog::biting_after(Some(Duration::from_secs(30)), start);
        assert_eq!(watchdog.poll_timeout(), Some(start), "at once: the start may have taken long");
        watchdog.look(start, None);
        assert_eq!(watchdog.poll_timeout(), Some(start + Duration::from_secs(10)));
        watchdog.look(start + Duration::from_secs(1), None);
        assert_eq!(watchdog.poll_timeout(), Some(start + Duration::from_secs(10)), "not before it is due");
        watchdog.look(start + Duration::from_secs(10), Some("signaling"));
        assert!(watchdog.starving);
    }
}
