//! By how much what is played is ahead of what is captured, where the two are matched.
//!
//! The more the better, as no echo is found that is less than 5 ms behind. But what is matched must be there: behind a speaker
//! whose thread always comes late the lead becomes smaller, which a real speaker's own delay makes good many times.

use super::FRAME;

/// At first, half of the margin.
const FIRST: i64 = FRAME as i64;
/// Never more behind than 300 ms: the canceller looks no further than half a second.
const LEAST: i64 = -30 * FRAME as i64;
/// So often within a second it came too late: it is no accident.
const OFTEN: u32 = 3;
const SECOND: u32 = 100;
/// It is made smaller in steps of 5 ms.
const STEP: i64 = FRAME as i64 / 2;

/// The lead of one speaker over one microphone.
#[derive(Debug)]
pub(super) struct Lead {
    samples: i64,
    frames: u32,
    late: u32,
    worst: i64,
}

impl Default for Lead {
    fn default() -> Self {
        Self { samples: FIRST, frames: 0, late: 0, worst: 0 }
    }
}

impl Lead {
    /// In samples; behind, if it is negative.
    pub(super) fn samples(&self) -> i64 {
        self.samples
    }

    /// In milliseconds.
    pub(super) fn milliseconds(&self) -> i64 {
        self.samples * 10 / FRAME as i64
    }

    /// So many samples of a frame were not there in time.
    pub(super) fn missed(&mut self, samples: usize) {
        self.frames += 1;
        if samples > 0 {
            self.late += 1;
            self.worst = self.worst.max(samples as i64);
        }
        if self.late >= OFTEN {
            let steps = (self.worst + STEP - 1) / STEP;
            self.samples = (self.samples - steps * STEP).max(LEAST);
        }
        if self.late >= OFTEN || self.frames >= SECOND {
            *self = Self { samples: self.samples, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accident_changes_nothing_and_a_habit_does() {
        let mut lead = Lead::default();
        for _ in 0..10 {
            lead.missed(FRAME);
            lead.missed(FRAME);
            (0..98).for_each(|_| lead.missed(0));
        }
        assert_eq!(lead.milliseconds(), 10);
        (0..3).for_each(|_| lead.missed(100));
        assert_eq!(lead.milliseconds(), 5);
        (0..1000).for_each(|_| lead.missed(FRAME));
        assert_eq!(lead.milliseconds(), -300);
    }
}
