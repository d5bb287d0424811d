//! Whether something still flows through a pad. It measures in looks, not in the clock's time: a machine that stood still
//! for a while is no reason to call a device dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Between two looks no more than this counts.
const LOOK: Duration = Duration::from_millis(500);
/// A device may take so long until it gives the first of anything.
const START: Duration = Duration::from_secs(4);
/// A device that gave nothing for so long is lost, whatever it says.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counts what passes a pad, and how long nothing did.
#[derive(Debug)]
pub(super) struct Progress {
    passed: Arc<AtomicU64>,
    seen: u64,
    looked: Instant,
    silent: Duration,
}

impl Progress {
    /// Begins to count, and calls `first` on the streaming thread when the first passes.
    pub(super) fn at(pad: &gst::Pad, now: Instant, first: impl Fn() + Send + Sync + 'static) -> Self {
        let passed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&passed);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                first();
            }
            gst::PadProbeReturn::Ok
        });
        Self { passed, seen: 0, looked: now, silent: Duration::ZERO }
    }

    /// How many passed so far.
    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Nothing passed for too long. To be asked often.
    pub(super) fn stopped(&mut self, now: Instant) -> bool {
        let passed = self.passed();
        let since = now.saturating_duration_since(self.looked).min(LOOK);
        self.looked = now;
        self.silent = if passed == self.seen { self.silent + since } else { Duration::ZERO };
        self.seen = passed;
        self.silent > if passed == 0 { START } else { PATIENCE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_in_looks() {
        let begun = Instant::now();
        let passed = Arc::new(AtomicU64::new(0));
        let mut progress = Progress { passed: Arc::clone(&passed), seen: 0, looked: begun, silent: Duration::ZERO };
        let at = |millis| begun + Duration::from_millis(millis);
        assert!(!(1..=16).any(|look| progress.stopped(at(250 * look))), "a device may need a while to start");
        passed.store(1, Ordering::Relaxed);
        assert!(!progress.stopped(at(4_250)));
        assert!(!(1..=8).any(|look| progress.stopped(at(4_250 + 250 * look))));
        assert!(progress.stopped(at(6_500)), "more than two seconds of nothing");
        passed.store(2, Ordering::Relaxed);
        assert!(!progress.stopped(at(6_750)));
        assert!(!progress.stopped(at(60_000)), "the machine stood still, not the device");
    }
}
