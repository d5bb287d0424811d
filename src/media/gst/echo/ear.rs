//! The microphone's side: cuts what is captured into frames, matches each with what was played, and has the canceller work.

use std::collections::VecDeque;
use std::sync::Arc;

use super::canceller::{Canceller, Processor};
use super::half::Half;
use super::lead::Lead;
use super::played::JITTER;
use super::{FRAME, Figures, MARGIN, Room, SampleTime};
use crate::media::gst::level::decibels;
use crate::media::pipeline::{EchoMode, EchoSettings};

/// Frames between two reports: a second.
const REPORTED: u32 = 100;

/// Hears with one microphone, from its opening to its closing.
pub struct Ear<C = Processor> {
    room: Arc<Room>,
    /// Makes the canceller of a room that nothing is known of.
    maker: fn(&EchoSettings) -> C,
    canceller: C,
    half: Option<Half>,
    lead: Lead,
    /// The speaker whose echo the canceller knows.
    speaker: u64,
    /// Captured and not worked on; the margin is in front.
    captured: VecDeque<i16>,
    /// When the first of them was captured.
    time: Option<SampleTime>,
    /// Worked on and not given away.
    done: VecDeque<i16>,
    sums: Sums,
}

#[derive(Debug, Default)]
struct Sums {
    frames: u32,
    captured: f64,
    sent: f64,
    played: f64,
}

impl Ear {
    /// A new ear in this room; nothing if sound is to pass as it is.
    #[must_use]
    pub fn new(room: &Arc<Room>) -> Option<Self> {
        (room.settings != EchoSettings::NOTHING).then(|| Self::with(room, Processor::new))
    }
}

impl<C: Canceller> Ear<C> {
    /// An ear with another canceller: for comparing them.
    #[must_use]
    pub fn with(room: &Arc<Room>, maker: fn(&EchoSettings) -> C) -> Self {
        let settings = &room.settings;
        Self {
            room: Arc::clone(room),
            canceller: maker(settings),
            maker,
            half: (settings.mode == EchoMode::Half).then(|| Half::new(settings.delay)),
            lead: Lead::default(),
            speaker: room.speakers(),
            captured: VecDeque::from(vec![0; MARGIN]),
            time: None,
            done: VecDeque::new(),
            sums: Sums::default(),
        }
    }

    /// Where it hears.
    #[must_use]
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Works on a piece of sound of any length that was captured from this moment on. What stands there afterwards is what
    /// was captured the margin before. Once a second it tells its figures.
    pub fn hear(&mut self, at: SampleTime, samples: &mut [i16]) -> Option<Figures> {
        self.keep_time(at);
        self.captured.extend(samples.iter());
        let mut figures = None;
        while self.captured.len() >= MARGIN + FRAME {
            figures = self.work().or(figures);
        }
        // Pieces that are no whole number of frames cost a part of a frame, once.
        let missing = samples.len().saturating_sub(self.done.len());
        let (silent, rest) = samples.split_at_mut(missing);
        silent.fill(0);
        let ready = rest.len();
        for (sample, done) in rest.iter_mut().zip(self.done.drain(..ready)) {
            *sample = done;
        }
        figures
    }

    /// Counts samples; a clock that says something quite different is right.
    fn keep_time(&mut self, at: SampleTime) {
        let first = SampleTime(at.0 - self.captured.len() as i64);
        if self.time.is_none_or(|time| (first.0 - time.0).abs() > JITTER) {
            self.time = Some(first);
        }
    }

    fn work(&mut self) -> Option<Figures> {
        let time = self.time?;
        self.know_the_speaker();
        let mut captured = [0; FRAME];
        for (sample, waiting) in captured.iter_mut().zip(self.captured.drain(..FRAME)) {
            *sample = waiting;
        }
        self.time = Some(time.after(FRAME));
        let mut played = [0; FRAME];
        let missing = self.room.lock().take(SampleTime(time.0 + self.lead.samples()), &mut played);
        self.lead.missed(missing);
        let heard = captured;
        self.canceller.played(&played);
        self.canceller.captured(&mut captured);
        if let Some(half) = &mut self.half {
            half.turn(&played, &mut captured);
        }
        self.done.extend(captured);
        self.sums.add(&heard, &captured, &played);
        self.figures()
    }

    /// Another speaker has another delay: the canceller would leak for seconds until it found out.
    fn know_the_speaker(&mut self) {
        let speaker = self.room.speakers();
        if speaker != self.speaker {
            self.speaker = speaker;
            self.canceller = (self.maker)(&self.room.settings);
            self.lead = Lead::default();
        }
    }

    fn figures(&mut self) -> Option<Figures> {
        if self.sums.frames < REPORTED {
            return None;
        }
        let Sums { frames, captured, sent, played } = std::mem::take(&mut self.sums);
        let level = |sum: f64| decibels(sum / (f64::from(frames) * FRAME as f64));
        let (delay, lowered) = self.canceller.found();
        // The canceller was fed with what was played a little later.
        let delay = delay.and_then(|delay| u16::try_from(i64::from(delay) - self.lead.milliseconds()).ok());
        Some(Figures { captured: level(captured), sent: level(sent), played: level(played), delay, lowered })
    }
}

impl Sums {
    fn add(&mut self, captured: &[i16], sent: &[i16], played: &[i16]) {
        let energy = |samples: &[i16]| samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
        self.frames += 1;
        self.captured += energy(captured);
        self.sent += energy(sent);
        self.played += energy(played);
    }
}

impl<C> std::fmt::Debug for Ear<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ear").field("speaker", &self.speaker).field("sums", &self.sums).finish_non_exhaustive()
    }
}
