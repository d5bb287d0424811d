//! The station's deadlines: a table, one place each. Timers are state, never actions.

use crate::moment::Moment;

/// Why the station wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The media connection took too long.
    Connect,
    /// The press could not be delivered in time.
    Dial,
    /// The hub was unreachable for too long while it rang.
    Link,
    /// The conversation lasted as long as it may.
    Maximum,
    /// No media connection for too long.
    Media,
    /// The outcome was shown long enough.
    Outcome,
    /// The queued press waited too long.
    Queue,
    /// The hub never ended the ring.
    Ring,
    /// The worker took too long to close.
    Stop,
}

const ALL: [Timer; 9] = [
    Timer::Connect,
    Timer::Dial,
    Timer::Link,
    Timer::Maximum,
    Timer::Media,
    Timer::Outcome,
    Timer::Queue,
    Timer::Ring,
    Timer::Stop,
];

/// One deadline per timer, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timers([Option<Moment>; ALL.len()]);

impl Timers {
    pub(super) const fn new() -> Self {
        Self([None; ALL.len()])
    }

    pub(super) fn set(&mut self, timer: Timer, deadline: Moment) {
        self.0[timer as usize] = Some(deadline);
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// Stops every timer that belongs to a phase; the queued press outlives phases.
    pub(super) fn stop_phase(&mut self) {
        for timer in ALL.into_iter().filter(|timer| *timer != Timer::Queue) {
            self.stop(timer);
        }
    }

    /// The next deadline and its reason.
    pub(super) fn next(&self) -> Option<(Moment, Timer)> {
        ALL.into_iter().filter_map(|timer| self.0[timer as usize].map(|deadline| (deadline, timer))).min()
    }

    /// Takes the earliest timer that is due.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Timer> {
        let (deadline, timer) = self.next()?;
        (deadline <= now).then(|| {
            self.stop(timer);
            timer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_due_timer_fires_once() {
        let mut timers = Timers::new();
        timers.set(Timer::Ring, Moment::from_millis(20));
        timers.set(Timer::Link, Moment::from_millis(10));
        assert_eq!(timers.take_due(Moment::from_millis(5)), None);
        assert_eq!(timers.take_due(Moment::from_millis(30)), Some(Timer::Link));
        assert_eq!(timers.take_due(Moment::from_millis(30)), Some(Timer::Ring));
        assert_eq!(timers.take_due(Moment::from_millis(30)), None);
    }

    #[test]
    fn every_timer_has_its_own_place() {
        for (index, timer) in ALL.into_iter().enumerate() {
            assert_eq!(timer as usize, index);
        }
    }
}
