//! The speaker: a silent source gives the beat, the mixer fills in, and ten times a second the level is told.
//!
//! It is open while something is or may soon be heard, and closed again when it was idle for a while.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::assembly::{AssemblyError, Branch};
use super::bus;
use super::event::Event;
use super::mixer::Mixer;
use super::timeline::Timeline;
use crate::media::pipeline::{self, MIXING_POINT, SpeakerSink};

/// Opening and closing a sound device can be heard.
const LINGER: Duration = Duration::from_secs(5);
/// How long a file may take to be completed.
const COMPLETION: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// The door's speaker.
pub(super) struct Speaker {
    sink: SpeakerSink,
    mixer: Arc<Mixer>,
    timeline: Timeline,
    events: Sender<Event>,
    state: State,
}

enum State {
    Closed,
    /// It did not open; not tried again before this time, as every tone would try.
    Failed {
        again: Instant,
    },
    Open {
        pipeline: gst::Pipeline,
        needed: Instant,
    },
}

impl Speaker {
    /// A closed speaker.
    pub(super) fn new(sink: SpeakerSink, mixer: Arc<Mixer>, timeline: Timeline, events: Sender<Event>) -> Self {
        Self { sink, mixer, timeline, events, state: State::Closed }
    }

    /// Opens it unless it is open.
    pub(super) fn open(&mut self, now: Instant) {
        match &mut self.state {
            State::Open { needed, .. } => *needed = now,
            State::Failed { again } if now < *again => {}
            State::Closed | State::Failed { .. } => {
                self.state = match self.build() {
                    Ok(pipeline) => State::Open { pipeline, needed: now },
                    Err(error) => {
                        tracing::error!(%error, "the speaker cannot be opened");
                        State::Failed { again: now + LINGER }
                    }
                };
            }
        }
    }

    /// Gives the pipeline away to be closed, if nothing is to be heard and nobody asked for it lately.
    pub(super) fn close_if_idle(&mut self, now: Instant) -> Option<gst::Pipeline> {
        let State::Open { needed, .. } = &mut self.state else { return None };
        // A file that is opened again would lose what it holds.
        if matches!(self.sink, SpeakerSink::File(_)) || !self.mixer.is_idle() {
            *needed = now;
        }
        if now.saturating_duration_since(*needed) < LINGER {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open { pipeline, .. } => Some(pipeline),
            State::Closed | State::Failed { .. } => None,
        }
    }

    /// It broke: gives the pipeline away to be closed. The next use after a while tries again.
    pub(super) fn fail(&mut self, now: Instant) -> Option<gst::Pipeline> {
        match std::mem::replace(&mut self.state, State::Failed { again: now + LINGER }) {
            State::Open { pipeline, .. } => Some(pipeline),
            State::Closed | State::Failed { .. } => None,
        }
    }

    /// Completes a file, as a last deed, and gives the pipeline away to be closed.
    pub(super) fn finish(&mut self) -> Option<gst::Pipeline> {
        let State::Open { pipeline, .. } = std::mem::replace(&mut self.state, State::Closed) else { return None };
        if let (SpeakerSink::File(_), Some(bus)) = (&self.sink, pipeline.bus()) {
            bus.unset_sync_handler();
            pipeline.send_event(gst::event::Eos::new());
            let _ = bus.timed_pop_filtered(COMPLETION, &[gst::MessageType::Eos, gst::MessageType::Error]);
        }
        Some(pipeline)
    }

    fn build(&self) -> Result<gst::Pipeline, AssemblyError> {
        let pipeline = gst::Pipeline::new();
        Branch::build(&pipeline, &pipeline::speaker(&self.sink))?;
        let point = pipeline.by_name(MIXING_POINT).expect("every speaker branch has one");
        mix_at(&point.static_pad("src").expect("a filter has one"), Arc::clone(&self.mixer), self.events.clone());
        let events = self.events.clone();
        bus::listen(&pipeline, move |error| drop(events.send(Event::SpeakerFailed(error))));
        self.timeline.adopt(&pipeline);
        pipeline.set_state(gst::State::Playing)?;
        Ok(pipeline)
    }
}

fn mix_at(pad: &gst::Pad, mixer: Arc<Mixer>, events: Sender<Event>) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let level = change_samples(info, |samples| mixer.add_for_speaker(samples)).flatten();
        if let Some(level) = level {
            let _ = events.send(Event::SpeakerLevel(level));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Lets `change` work on the samples that pass; nothing if there are none.
pub(super) fn change_samples<T>(info: &mut gst::PadProbeInfo<'_>, change: impl FnOnce(&mut [i16]) -> T) -> Option<T> {
    let buffer = info.buffer_mut()?;
    let mut bytes = buffer.make_mut().map_writable().ok()?;
    let mut samples: Vec<i16> =
        bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
    let result = change(&mut samples);
    for (bytes, sample) in bytes.chunks_exact_mut(2).zip(samples) {
        bytes.copy_from_slice(&sample.to_le_bytes());
    }
    Some(result)
}
