//! How long to wait before the next try: exponential with full jitter, so that eight thousand phones do not come at once.
//!
//! Pure: the random bits come from whoever calls.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Counts failures in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// No failure yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { failures: 0 }
    }

    /// The wait after one more failure: evenly drawn between a tenth and the whole of 0.5 s, 1 s, 2 s … 30 s.
    pub fn next(&mut self, random: u32) -> Duration {
        let ceiling = LONGEST.min(FIRST * 2_u32.saturating_pow(self.failures.min(10)));
        self.failures = self.failures.saturating_add(1);
        let floor = ceiling / 10;
        floor + (ceiling - floor).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// It worked: the next failure is a first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_ceiling_and_starts_anew() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(u32::MAX), FIRST);
        assert_eq!(backoff.next(u32::MAX), FIRST * 2);
        for _ in 0..20 {
            assert!(backoff.next(0) >= FIRST / 10);
        }
        assert_eq!(backoff.next(u32::MAX), LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(u32::MAX), FIRST);
    }
}
