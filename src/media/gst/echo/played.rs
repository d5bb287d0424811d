//! What was played lately, by its time. What is asked for and not there is silence.

use std::collections::VecDeque;

use super::SampleTime;
use crate::media::pipeline::SAMPLE_RATE;

/// A microphone that is later than this has lost its echo anyway.
const MOST: usize = 2 * SAMPLE_RATE as usize;
/// Who was silent for longer (200 ms) is not late: nothing is played.
const SILENT: i64 = SAMPLE_RATE as i64 / 5;
/// Times that differ by less (15 ms) are the same: clocks are read by threads that are sometimes late.
pub(super) const JITTER: i64 = SAMPLE_RATE as i64 * 15 / 1000;

/// Played samples without a gap, the first of them at `start`.
#[derive(Debug, Default)]
pub(super) struct Played {
    start: Option<SampleTime>,
    samples: VecDeque<i16>,
}

impl Played {
    /// Nothing was played.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// These follow, or begin anew at another time.
    pub(super) fn push(&mut self, at: SampleTime, samples: &[i16]) {
        let expected = self.start.map(|start| start.after(self.samples.len()));
        if expected.is_none_or(|expected| (at.0 - expected.0).abs() > JITTER) {
            self.samples.clear();
            self.start = Some(at);
        }
        self.samples.extend(samples);
        let surplus = self.samples.len().saturating_sub(MOST);
        self.drop_first(surplus);
    }

    /// What was played from this moment on. Everything before it is forgotten. Gives the number of samples that will come, and
    /// too late.
    pub(super) fn take(&mut self, from: SampleTime, into: &mut [i16]) -> usize {
        into.fill(0);
        let Some(start) = self.start else { return 0 };
        let end = start.after(self.samples.len());
        let early = usize::try_from(from.0 - start.0).unwrap_or(0).min(self.samples.len());
        self.drop_first(early);
        let start = self.start.unwrap_or(from);
        let silent = usize::try_from(start.0 - from.0).unwrap_or(0).min(into.len());
        let known = self.samples.len().min(into.len() - silent);
        for (sample, played) in into[silent..].iter_mut().zip(self.samples.drain(..known)) {
            *sample = played;
        }
        self.start = Some(start.after(known));
        if end.0 > from.0 - SILENT { into.len() - silent - known } else { 0 }
    }

    fn drop_first(&mut self, count: usize) {
        self.samples.drain(..count);
        self.start = self.start.map(|start| start.after(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(played: &mut Played, from: i64) -> [i16; 4] {
        let mut into = [9; 4];
        played.take(SampleTime(from), &mut into);
        into
    }

    #[test]
    fn samples_are_found_by_their_time() {
        let mut played = Played::default();
        assert_eq!(taken(&mut played, 0), [0; 4]);
        played.push(SampleTime(100), &[1, 2, 3, 4]);
        // A clock that was read a little late.
        played.push(SampleTime(104 + JITTER), &[5, 6, 7, 8]);
        assert_eq!(taken(&mut played, 98), [0, 0, 1, 2]);
        assert_eq!(taken(&mut played, 102), [3, 4, 5, 6]);
        assert_eq!(taken(&mut played, 106), [7, 8, 0, 0], "what is not there yet is silence");
        played.push(SampleTime(108), &[9, 10, 11, 12]);
        assert_eq!(taken(&mut played, 110), [11, 12, 0, 0], "and what comes too late is not wanted any more");
        assert_eq!(played.take(SampleTime(114), &mut [0; 4]), 4, "it is late");
        assert_eq!(played.take(SampleTime(118 + SILENT), &mut [0; 4]), 0, "nobody is late who plays nothing");
    }

    #[test]
    fn a_gap_begins_anew() {
        let mut played = Played::default();
        played.push(SampleTime(0), &[1; 480]);
        played.push(SampleTime(48_000), &[2; 480]);
        assert_eq!(taken(&mut played, 0), [0; 4]);
        assert_eq!(taken(&mut played, 48_000), [2; 4]);
        played.forget();
        assert_eq!(taken(&mut played, 48_010), [0; 4]);
    }

    #[test]
    fn it_keeps_two_seconds() {
        let mut played = Played::default();
        for piece in 0..300 {
            played.push(SampleTime(piece * 480), &[1; 480]);
        }
        assert_eq!(played.samples.len(), MOST);
        assert_eq!(taken(&mut played, 300 * 480 - MOST as i64), [1; 4]);
    }
}
