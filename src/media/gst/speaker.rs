//! The speaker: a silent source gives the beat, the mixer fills in, and ten times a second the level is told.
//!
//! It is open while something is or may soon be heard, and closed again when it was idle for a while.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::assembly::{AssemblyError, Branch};
use super::closing::Closing;
use super::echo::Room;
use super::event::Event;
use super::mixer::Mixer;
use super::progress::Progress;
use super::starting::{Started, Step};
use super::timeline::Timeline;
use super::{bus, faults};
use crate::backoff::Backoff;
use crate::media::pipeline::{self, MIXING_POINT, SpeakerSink};
use crate::panel::fault::Fault;

/// Opening and closing a sound device can be heard.
const LINGER: Duration = Duration::from_secs(5);
/// How long a file may take to be completed.
const COMPLETION: gst::ClockTime = gst::ClockTime::from_mseconds(500);
/// After so many pieces, half a second, it works.
const SETTLED: u64 = 50;

/// The door's speaker.
pub(super) struct Speaker {
    sink: SpeakerSink,
    mixer: Arc<Mixer>,
    room: Arc<Room>,
    timeline: Timeline,
    events: Sender<Event>,
    state: State,
    backoff: Backoff,
    opened: u64,
    /// The closing of the one before, which still has the device.
    closing: Option<u64>,
}

enum State {
    Closed,
    /// It does not work; not tried again before this time, as every tone would try.
    Failed {
        again: Instant,
    },
    Open {
        started: Started,
        progress: Progress,
        needed: Instant,
    },
}

/// How the speaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It plays, or would.
    Works,
    /// Nothing is known.
    Unknown,
    /// It takes nothing.
    Stopped,
}

impl Speaker {
    /// A closed speaker.
    pub(super) fn new(
        sink: SpeakerSink,
        mixer: Arc<Mixer>,
        room: Arc<Room>,
        timeline: Timeline,
        events: Sender<Event>,
    ) -> Self {
        let backoff = faults::backoff();
        Self { sink, mixer, room, timeline, events, state: State::Closed, backoff, opened: 0, closing: None }
    }

    /// Opens it unless it is open, or cannot be now.
    pub(super) fn open(&mut self, absent: bool, now: Instant) -> Result<(), AssemblyError> {
        match &mut self.state {
            State::Open { needed, .. } => *needed = now,
            State::Failed { again } if now < *again => {}
            State::Closed | State::Failed { .. } if absent || self.closing.is_some() => {}
            State::Closed | State::Failed { .. } => match self.build(now) {
                Ok((started, progress)) => self.state = State::Open { started, progress, needed: now },
                Err(error) => {
                    self.state = State::Failed { again: now + self.backoff.wait() };
                    return Err(error);
                }
            },
        }
        Ok(())
    }

    /// It was plugged in: it need not wait.
    pub(super) fn came(&mut self) {
        self.backoff.reset();
        if matches!(self.state, State::Failed { .. }) {
            self.state = State::Closed;
        }
    }

    /// How it is. To be asked often.
    pub(super) fn look(&mut self, now: Instant) -> Condition {
        let State::Open { progress, .. } = &mut self.state else { return Condition::Unknown };
        if progress.stopped(now) {
            Condition::Stopped
        } else if progress.passed() > SETTLED {
            self.backoff.reset();
            Condition::Works
        } else {
            Condition::Unknown
        }
    }

    /// It is wanted: something sounds, or somebody may talk.
    pub(super) fn is_wanted(&self) -> bool {
        !self.mixer.is_idle()
    }

    /// Closes it, if nothing is to be heard and nobody asked for it lately.
    pub(super) fn close_if_idle(&mut self, closing: &mut Closing, now: Instant) {
        let State::Open { needed, .. } = &mut self.state else { return };
        // A file that is opened again would lose what it holds.
        if matches!(self.sink, SpeakerSink::File(_)) || !self.mixer.is_idle() {
            *needed = now;
        }
        if now.saturating_duration_since(*needed) >= LINGER {
            self.leave(State::Closed, closing);
        }
    }

    /// What was opened under this number broke. False if it is an earlier one.
    pub(super) fn fail(&mut self, opened: u64, closing: &mut Closing, now: Instant) -> bool {
        if opened != self.opened || !matches!(self.state, State::Open { .. }) {
            return false;
        }
        let again = now + self.backoff.wait();
        self.leave(State::Failed { again }, closing);
        true
    }

    /// The number of what is open.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    /// A pipeline is closed.
    pub(super) fn closed(&mut self, number: u64) {
        if self.closing == Some(number) {
            self.closing = None;
        }
    }

    /// Completes a file, as a last deed, and closes it.
    pub(super) fn finish(&mut self, closing: &mut Closing) {
        if let (State::Open { started, .. }, SpeakerSink::File(_)) = (&self.state, &self.sink)
            && let Some(bus) = started.pipeline().bus()
        {
            bus.unset_sync_handler();
            started.pipeline().send_event(gst::event::Eos::new());
            let _ = bus.timed_pop_filtered(COMPLETION, &[gst::MessageType::Eos, gst::MessageType::Error]);
        }
        self.leave(State::Closed, closing);
    }

    fn leave(&mut self, for_state: State, closing: &mut Closing) {
        if let State::Open { started, .. } = std::mem::replace(&mut self.state, for_state) {
            self.closing = Some(closing.close_device(started));
        }
    }

    fn build(&mut self, now: Instant) -> Result<(Started, Progress), AssemblyError> {
        self.opened += 1;
        let opened = self.opened;
        let pipeline = gst::Pipeline::new();
        Branch::build(&pipeline, &pipeline::speaker(&self.sink))?;
        let point = pipeline.by_name(MIXING_POINT).expect("every speaker branch has one");
        let pad = point.static_pad("src").expect("a filter has one");
        self.room.speaker_opened();
        self.mixer.duck();
        let mixing = (Arc::clone(&self.mixer), Arc::clone(&self.room));
        mix_at(&pad, mixing, self.timeline.clone(), self.events.clone());
        let progress = Progress::at(&pad, now, || {});
        let events = self.events.clone();
        bus::listen(&pipeline, move |fault| drop(events.send(Event::SpeakerFailed { opened, fault })));
        self.timeline.adopt(&pipeline);
        let events = self.events.clone();
        let started = Started::through(pipeline, &[gst::State::Playing], move |step| match step {
            Step::Reached(_) => {}
            Step::Failed(reason) => {
                let _ = events.send(Event::SpeakerFailed { opened, fault: Fault::failed(reason) });
            }
        });
        Ok((started, progress))
    }
}

/// What the speaker is to play is added, and the room told of it.
fn mix_at(pad: &gst::Pad, (mixer, room): (Arc<Mixer>, Arc<Room>), timeline: Timeline, events: Sender<Event>) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let at = timeline.of_probed(pad, info);
        let level = change_samples(info, |samples| {
            let level = mixer.add_for_speaker(samples);
            room.add_chirps(at, samples);
            room.play(at, samples);
            level
        });
        if let Some(level) = level.flatten() {
            let _ = events.send(Event::SpeakerLevel(level));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Lets `change` work on the samples that pass; nothing if there are none.
pub(super) fn change_samples<T>(info: &mut gst::PadProbeInfo<'_>, change: impl FnOnce(&mut [i16]) -> T) -> Option<T> {
    let buffer = info.buffer_mut()?.make_mut();
    // A silent source calls all of its buffers a gap, and audioconvert makes silence of a gap, whatever is in it.
    buffer.unset_flags(gst::BufferFlags::GAP);
    let mut bytes = buffer.map_writable().ok()?;
    let mut samples: Vec<i16> =
        bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
    let result = change(&mut samples);
    for (bytes, sample) in bytes.chunks_exact_mut(2).zip(samples) {
        bytes.copy_from_slice(&sample.to_le_bytes());
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::protocol::ToneStep;

    #[test]
    fn what_is_mixed_into_silence_survives_conversion() {
        gst::init().expect("GStreamer is installed where the feature `media` is built");
        let description = "audiotestsrc wave=silence num-buffers=20 samplesperbuffer=480 \
            ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! identity name=point \
            ! audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=16000,channels=2 ! fakesink name=end";
        let pipeline = gst::parse::launch(description).expect("it is written correctly");
        let pipeline = pipeline.downcast::<gst::Pipeline>().expect("several elements are a pipeline");
        let pad = |element: &str, pad: &str| {
            pipeline.by_name(element).and_then(|element| element.static_pad(pad)).expect("it was just made")
        };
        let mixer = Arc::new(Mixer::default());
        mixer.play(Some(ToneStep { hertz: [600, 0], dbfs: -12 }));
        let (events, _levels) = std::sync::mpsc::channel();
        let room = Room::new(crate::media::pipeline::EchoSettings::default());
        mix_at(&pad("point", "src"), (mixer, room), Timeline::start(), events);
        let (told, loudest) = std::sync::mpsc::channel();
        pad("end", "sink").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let loudest = change_samples(info, |samples| samples.iter().copied().max()).flatten();
            let _ = told.send(loudest.unwrap_or_default());
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).expect("it plays");
        let heard = loudest.iter().take(10).max();
        pipeline.set_state(gst::State::Null).expect("it stops");
        assert!(heard > Some(8_000), "-12 dBFS are heard, not {heard:?}");
    }
}
