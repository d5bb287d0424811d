//! Echo, noise and gain between the microphone and everybody who hears it.
//!
//! The speaker's thread only leaves a copy of what it plays, with its time; all the work is done on the microphone's thread,
//! so that neither waits for the other. Both sides are matched by the pipelines' common clock and not by the order in which
//! threads come to run: a late thread or a gap in the capture is no jump of the delay. It knows nothing of consent: sound
//! passes through here before any gate.

mod canceller;
mod ear;
mod half;
mod lead;
pub mod measure;
mod played;
mod recorder;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::media::pipeline::{EchoSettings, SAMPLE_RATE};

pub use canceller::{Canceller, Processor};
pub use ear::Ear;
pub use recorder::Recorded;

use played::Played;
use recorder::Recorder;

/// Samples worked on at a time: 10 ms.
pub const FRAME: usize = SAMPLE_RATE as usize / 100;
/// The microphone waits for so long (20 ms): what is played is known before what is captured, whatever thread is late. A
/// canceller finds no echo that is less than 5 ms behind.
const MARGIN: usize = 2 * FRAME;

/// A moment on the pipelines' common clock, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampleTime(pub i64);

impl SampleTime {
    /// From nanoseconds of running time.
    #[must_use]
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        let samples = u128::from(nanoseconds) * SAMPLE_RATE as u128 / 1_000_000_000;
        Self(i64::try_from(samples).unwrap_or(i64::MAX / 2))
    }

    fn after(self, samples: usize) -> Self {
        Self(self.0 + samples as i64)
    }
}

/// What a second of the microphone was like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// What the microphone heard (dBFS).
    pub captured: f64,
    /// What is left of it for the residents (dBFS).
    pub sent: f64,
    /// What the speaker played (dBFS).
    pub played: f64,
    /// Milliseconds from the speaker to the microphone, where the canceller found them.
    pub delay: Option<u16>,
    /// By how much the canceller lowers the echo, in decibels, where it knows.
    pub lowered: Option<f64>,
}

/// The room between speaker and microphone: held by both sides.
#[derive(Debug)]
pub struct Room {
    settings: EchoSettings,
    played: Mutex<Played>,
    /// A measurement that is going on.
    recorder: Mutex<Option<Recorder>>,
    /// Counts speakers: each has a delay of its own.
    speakers: AtomicU64,
}

impl Room {
    /// A quiet room.
    #[must_use]
    pub fn new(settings: EchoSettings) -> Arc<Self> {
        Arc::new(Self { settings, played: Mutex::default(), recorder: Mutex::default(), speakers: AtomicU64::new(0) })
    }

    /// Another speaker plays from now on.
    pub fn speaker_opened(&self) {
        self.lock().forget();
        self.speakers.fetch_add(1, Ordering::SeqCst);
    }

    /// This is played, from this moment on.
    pub fn play(&self, at: SampleTime, samples: &[i16]) {
        if self.settings != EchoSettings::NOTHING {
            self.lock().push(at, samples);
        }
    }

    /// From now on so many chirps are played, as soon as the microphone is heard.
    pub fn measure(&self, chirps: usize) {
        *unpoisoned(&self.recorder) = Some(Recorder::new(chirps));
    }

    /// Adds chirps to what is played from this moment on, if the room is measured.
    pub fn add_chirps(&self, at: SampleTime, samples: &mut [i16]) {
        if let Some(recorder) = &mut *unpoisoned(&self.recorder) {
            recorder.play(at, samples);
        }
    }

    /// Takes what was captured from this moment on, if the room is measured. The last piece completes the measurement.
    pub fn record(&self, at: SampleTime, samples: &[i16]) -> Option<Recorded> {
        let mut recorder = unpoisoned(&self.recorder);
        let complete = recorder.as_mut()?.capture(at, samples);
        complete.then(|| recorder.take().map(Recorder::finish)).flatten()
    }

    fn speakers(&self) -> u64 {
        self.speakers.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Played> {
        unpoisoned(&self.played)
    }
}

/// No sample can be half written, whoever panicked.
fn unpoisoned<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
