//! How long to wait before the next try of what failed: twice as long each time, up to a longest wait.
//!
//! Pure: the random bits come from whoever calls.

use std::time::Duration;

/// Counts failures in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// No failure yet.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The wait after one more failure, where nobody else tries at the same time: first, twice that … longest.
    pub fn wait(&mut self) -> Duration {
        let wait = self.longest.min(self.first * 2_u32.saturating_pow(self.failures.min(10)));
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// The wait after one more failure, evenly drawn between a tenth and the whole of [`Self::wait`], so that eight thousand
    /// phones do not come at once.
    pub fn wait_drawn(&mut self, random: u32) -> Duration {
        let ceiling = self.wait();
        let floor = ceiling / 10;
        floor + (ceiling - floor).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// It worked: the next failure is a first one.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(30);

    #[test]
    fn grows_to_its_ceiling_and_starts_anew() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        assert_eq!(backoff.wait_drawn(u32::MAX), FIRST);
        assert_eq!(backoff.wait_drawn(u32::MAX), FIRST * 2);
        for _ in 0..20 {
            assert!(backoff.wait_drawn(0) >= FIRST / 10);
        }
        assert_eq!(backoff.wait_drawn(u32::MAX), LONGEST);
        backoff.reset();
        assert_eq!(backoff.wait_drawn(u32::MAX), FIRST);
    }

    #[test]
    fn waits_double_where_nothing_is_drawn() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
        let waits: Vec<u128> = (0..7).map(|_| backoff.wait().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.wait().as_millis(), 250);
    }
}
