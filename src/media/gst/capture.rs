//! A source that is open: its pipeline ends in a producer from which any number of connections take.
//!
//! It never closes itself: whoever holds it hands its pipeline to `closing`.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_utils::StreamProducer;
use gstreamer_utils::streamproducer::ProducerSettings;
use gstreamer_video as gst_video;

use super::assembly::{self, AssemblyError, Branch};
use super::echo::{Ear, Recorded};
use super::event::Event;
use super::progress::Progress;
use super::speaker::change_samples;
use super::starting::{Started, Step};
use super::timeline::Timeline;
use super::{TAKEN_OUT, bus, frame_counter, still};
use crate::media::pipeline::{
    Element, Encoder, Exposure, FRAME_COUNTER, PICTURE_RATE, PICTURE_SIZE, PictureSize, RAW_PICTURES, VIDEO_ENCODER,
    Value, scaled,
};
use crate::media::protocol::Device;
use crate::media::rate::Shape;
use crate::panel::fault::Fault;

/// After so many pictures a camera's exposure is what it will be.
const SETTLED: u64 = 30;
/// Between two key pictures that receivers ask for.
const KEY_UNITS_APART: Duration = Duration::from_millis(500);

/// A running source.
pub(super) struct Capture {
    /// Which.
    pub(super) device: Device,
    /// Its number, by which its events are told from those of a source that was replaced.
    pub(super) opened: u64,
    /// It stands in for the device, which failed.
    pub(super) is_placeholder: bool,
    started: Started,
    producer: StreamProducer,
    progress: Progress,
}

/// What a capture needs besides its elements.
pub(super) struct Opening<'a> {
    pub(super) device: Device,
    pub(super) opened: u64,
    pub(super) is_placeholder: bool,
    /// Draw the frame counter into pictures of this width.
    pub(super) count_frames: Option<usize>,
    /// Works on the sound before anybody hears it.
    pub(super) ear: Option<Ear>,
    pub(super) timeline: &'a Timeline,
    pub(super) events: &'a Sender<Event>,
    pub(super) now: Instant,
}

impl Capture {
    /// Puts the source together and starts it, off this thread: opening a device may take its time.
    pub(super) fn open(parts: &[Element], mut opening: Opening<'_>) -> Result<Self, AssemblyError> {
        let pipeline = gst::Pipeline::new();
        let branch = Branch::build(&pipeline, parts)?;
        let sink = gst_app::AppSink::builder().max_buffers(4).drop(true).build();
        pipeline.add(&sink)?;
        branch.last().link(&sink)?;
        let end = sink.static_pad("sink").expect("every sink has one");
        let ear = opening.ear.take();
        let opening = &opening;
        if let Some(ear) = ear {
            hear_at(&end, ear, opening);
        }
        let progress = watch_at(&end, opening);
        end_is_failure(&end, opening);
        limit_key_units(&end);
        if let (Some(width), Some(element)) = (opening.count_frames, pipeline.by_name(FRAME_COUNTER)) {
            frame_counter::draw_at(&element.static_pad("src").expect("a filter has one"), width);
        }
        if let (Some(decoder), None) = (branch.find("decodebin"), branch.find("imagefreeze")) {
            repeat_for_ever(decoder, opening.timeline);
        }
        // Pictures and sound go out as they come: waiting for the clock again would only delay them.
        let producer = StreamProducer::with(&sink, ProducerSettings { sync: false });
        let (events, opened) = (opening.events.clone(), opening.opened);
        bus::listen(&pipeline, move |fault| {
            let _ = events.send(Event::CaptureFailed { opened, fault });
        });
        opening.timeline.adopt(&pipeline);
        // A device is open as soon as it is ready; a file only when it plays.
        let is_device = parts.first().is_some_and(|part| part.factory != "filesrc");
        Ok(Self {
            device: opening.device,
            opened,
            is_placeholder: opening.is_placeholder,
            started: start(pipeline, is_device, opening),
            producer,
            progress,
        })
    }

    /// From here connections take.
    pub(super) fn producer(&self) -> &StreamProducer {
        &self.producer
    }

    /// Asks the encoder for a picture that can be understood without those before it. Straight at the encoder's side of the pad: the
    /// limit is for what receivers ask.
    pub(super) fn force_key_unit(&self) {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
        let sink = self.producer.appsink().static_pad("sink").expect("every sink has one");
        if let Some(encoded) = sink.peer() {
            encoded.send_event(event);
        }
    }

    /// Encodes with this shape from now on. A camera that encodes by itself has nothing that could be changed.
    pub(super) fn adapt(&self, shape: Shape, encoder: Encoder) {
        let Shape { kilobits, width, height, frame_rate } = shape;
        let bitrate = encoder.bitrate(kilobits);
        if let (Some(element), Some((property, value))) = (self.started.pipeline().by_name(VIDEO_ENCODER), bitrate) {
            assembly::change(&element, property, &value);
        }
        if let Some(element) = self.started.pipeline().by_name(PICTURE_RATE) {
            assembly::change(&element, "max-rate", &Value::Number(i64::from(frame_rate)));
        }
        if let Some(element) = self.started.pipeline().by_name(PICTURE_SIZE) {
            assembly::change(&element, "caps", &Value::Caps(scaled(PictureSize { width, height })));
        }
    }

    /// The first good picture from now on comes as an event. A placeholder has none.
    pub(super) fn watch_for_still(&self, events: &Sender<Event>) {
        if let (false, Some(element)) = (self.is_placeholder, self.started.pipeline().by_name(RAW_PICTURES)) {
            // One that was open before the press has found its exposure.
            let exposure = if self.passed() > SETTLED { Exposure::found() } else { Exposure::default() };
            still::watch(
                &element.static_pad("sink").expect("a queue or filter has one"),
                exposure,
                self.opened,
                events,
            );
        }
    }

    /// The source stopped giving anything.
    pub(super) fn went_silent(&mut self, now: Instant) -> bool {
        self.progress.stopped(now)
    }

    /// How much it gave so far.
    pub(super) fn passed(&self) -> u64 {
        self.progress.passed()
    }

    /// Gives its pipeline away, to be closed.
    pub(super) fn into_started(self) -> Started {
        self.started
    }
}

fn start(pipeline: gst::Pipeline, is_device: bool, opening: &Opening<'_>) -> Started {
    let (events, opened) = (opening.events.clone(), opening.opened);
    let states: &[gst::State] =
        if is_device { &[gst::State::Ready, gst::State::Playing] } else { &[gst::State::Playing] };
    let open = states[0];
    Started::through(pipeline, states, move |step| {
        let event = match step {
            Step::Reached(state) if state == open => Event::CaptureOpened { opened },
            Step::Reached(_) => return,
            Step::Failed(reason) => Event::CaptureFailed { opened, fault: Fault::failed(reason) },
        };
        let _ = events.send(event);
    })
}

fn watch_at(pad: &gst::Pad, opening: &Opening<'_>) -> Progress {
    let (events, opened) = (opening.events.clone(), opening.opened);
    Progress::at(pad, opening.now, move || drop(events.send(Event::CaptureFlows { opened })))
}

/// The only way of the door's sound goes through this ear.
fn hear_at(pad: &gst::Pad, ear: Ear, opening: &Opening<'_>) {
    let (ear, timeline, events) = (Mutex::new(ear), opening.timeline.clone(), opening.events.clone());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let at = timeline.of_probed(pad, info);
        // One thread passes here, and if it panicked the source is at its end.
        let mut ear = ear.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = change_samples(info, |samples| {
            if let Some(recorded) = ear.room().record(at, samples) {
                measure(recorded, events.clone());
            }
            ear.hear(at, samples)
        });
        if let Some(figures) = heard.flatten() {
            let _ = events.send(Event::Heard(figures));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Off the streaming thread: it takes seconds.
fn measure(recorded: Recorded, events: Sender<Event>) {
    let measuring = std::thread::Builder::new().name("measuring".into()).spawn(move || {
        let _ = events.send(Event::EchoMeasured(recorded.measure()));
    });
    if let Err(error) = measuring {
        tracing::error!(%error, "the echo cannot be measured");
    }
}

/// On a bad line every receiver asks for key pictures again and again, each of which is as large as ten others and makes the line
/// worse for all. What is asked too soon is dropped: who still needs one asks again.
fn limit_key_units(pad: &gst::Pad) {
    let last: Mutex<Option<Instant>> = Mutex::new(None);
    pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        if info.event().is_none_or(|event| !gst_video::ForceKeyUnitEvent::is(event)) {
            return gst::PadProbeReturn::Ok;
        }
        let (mut last, now) = (last.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        if last.is_some_and(|last| now.saturating_duration_since(last) < KEY_UNITS_APART) {
            return TAKEN_OUT;
        }
        *last = Some(now);
        gst::PadProbeReturn::Ok
    });
}

/// An end that passed on would end the connections too, which go on with another source.
fn end_is_failure(pad: &gst::Pad, opening: &Opening<'_>) {
    let (events, opened) = (opening.events.clone(), opening.opened);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info.event().is_none_or(|event| event.type_() != gst::EventType::Eos) {
            return gst::PadProbeReturn::Ok;
        }
        let _ = events.send(Event::CaptureFailed { opened, fault: Fault::failed("it came to an end") });
        TAKEN_OUT
    });
}

/// A file begins now, and begins again where it ends.
fn repeat_for_ever(decoder: &gst::Element, timeline: &Timeline) {
    let timeline = timeline.clone();
    decoder.connect_pad_added(move |_, pad| {
        pad.set_offset(i64::try_from(timeline.now().nseconds()).unwrap_or(i64::MAX));
        let timeline = timeline.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let ends = info.event().is_some_and(|event| event.type_() == gst::EventType::Eos);
            if !ends {
                return gst::PadProbeReturn::Ok;
            }
            if let Some(decoder) = pad.parent_element() {
                let (timeline, pad) = (timeline.clone(), pad.clone());
                decoder.call_async(move |decoder| begin_again(decoder, &pad, &timeline));
            }
            TAKEN_OUT
        });
    });
}

fn begin_again(decoder: &gst::Element, pad: &gst::Pad, timeline: &Timeline) {
    pad.set_offset(i64::try_from(timeline.now().nseconds()).unwrap_or(i64::MAX));
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
    if let Err(error) = decoder.seek_simple(flags, gst::ClockTime::ZERO) {
        gst::element_error!(decoder, gst::ResourceError::Seek, ["the file cannot be repeated: {error}"]);
    }
}
