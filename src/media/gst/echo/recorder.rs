//! Plays chirps into what the speaker plays, and keeps what the microphone captures meanwhile: for measuring the room.

use std::collections::VecDeque;

use super::SampleTime;
use super::measure::{self, FARTHEST, PERIOD};
use super::played::JITTER;
use crate::media::pipeline::EchoMeasured;

/// A measurement that is going on.
#[derive(Debug)]
pub(super) struct Recorder {
    count: usize,
    chirps: VecDeque<i16>,
    /// When the first of them was played.
    begun: Option<SampleTime>,
    captured: Vec<i16>,
    /// When the first of it was captured.
    since: Option<SampleTime>,
}

/// A measurement that is complete but for its result.
#[derive(Debug)]
pub struct Recorded {
    count: usize,
    captured: Vec<i16>,
    begun: usize,
}

impl Recorder {
    /// It begins when the microphone gives something.
    pub(super) fn new(count: usize) -> Self {
        Self { count, chirps: measure::chirps(count).into(), begun: None, captured: Vec::new(), since: None }
    }

    /// Adds chirps to what is played from this moment on.
    pub(super) fn play(&mut self, at: SampleTime, samples: &mut [i16]) {
        if self.since.is_none() {
            return;
        }
        self.begun.get_or_insert(at);
        let ready = self.chirps.len().min(samples.len());
        for (sample, chirp) in samples.iter_mut().zip(self.chirps.drain(..ready)) {
            *sample = sample.saturating_add(chirp);
        }
    }

    /// Keeps what was captured. True if nothing more is needed.
    pub(super) fn capture(&mut self, at: SampleTime, samples: &[i16]) -> bool {
        let since = *self.since.get_or_insert(at);
        // What was lost on the way took its time all the same.
        let lost = at.0 - since.0 - self.captured.len() as i64;
        if lost > JITTER {
            self.captured.resize(self.captured.len() + lost as usize, 0);
        }
        self.captured.extend(samples);
        let last = self.begun.map(|begun| (begun.0 - since.0) + ((self.count + 1) * PERIOD + FARTHEST) as i64);
        last.is_some_and(|last| self.captured.len() as i64 > last)
    }

    /// What is there, for the measuring.
    pub(super) fn finish(self) -> Recorded {
        let begun = self.begun.zip(self.since).map_or(0, |(begun, since)| begun.0 - since.0);
        Recorded { count: self.count, captured: self.captured, begun: usize::try_from(begun).unwrap_or(0) }
    }
}

impl Recorded {
    /// Takes seconds: not for a streaming thread.
    #[must_use]
    pub fn measure(&self) -> EchoMeasured {
        measure::measure(self.count, &self.captured, self.begun)
    }
}
