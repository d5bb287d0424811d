//! The still picture of a call: taken from the running camera in passing, encoded on a thread of its own. It never holds up
//! a picture on its way, and a still that cannot be made is only missed.

use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video::{VideoFrameExt, VideoFrameRef, VideoInfo};

use super::assembly::{AssemblyError, Branch};
use super::event::Event;
use crate::ids::SessionId;
use crate::media::pipeline::{Exposure, STILLS, StillSettings, still_picture};
use crate::signaling::protocol::{Still, StillError};

/// One JPEG takes some ten milliseconds, also on a small board.
const PATIENCE: Duration = Duration::from_secs(3);
/// Every so many lines and columns one pixel is looked at.
const STRIDE: usize = 16;

/// Why there is no still.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error("{0}")]
    Assembly(#[from] AssemblyError),
    #[error("{0}")]
    Gstreamer(#[from] gst::glib::BoolError),
    #[error("{0}")]
    Flow(#[from] gst::FlowError),
    #[error("the picture does not say what it is")]
    Nameless,
    #[error("no picture came out")]
    Nothing,
    #[error("{0}")]
    Still(#[from] StillError),
}

/// The first good picture that passes this pad comes as an event.
pub(super) fn watch(pad: &gst::Pad, exposure: Exposure, opened: u64, events: &Sender<Event>) {
    let events = events.clone();
    let exposure = Mutex::new(exposure);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let (Some(buffer), Some(caps)) = (info.buffer(), pad.current_caps()) else { return gst::PadProbeReturn::Ok };
        let Some(mean) = brightness(buffer, &caps) else { return gst::PadProbeReturn::Remove };
        let good = exposure.lock().is_ok_and(|mut exposure| exposure.is_good(mean));
        if !good {
            return gst::PadProbeReturn::Ok;
        }
        let picture = gst::Sample::builder().buffer(buffer).caps(&caps).build();
        let _ = events.send(Event::PictureSettled { opened, picture });
        gst::PadProbeReturn::Remove
    });
}

/// The mean of the first plane, by samples: luma, in every format that an encoder here takes.
fn brightness(buffer: &gst::BufferRef, caps: &gst::Caps) -> Option<u8> {
    let info = VideoInfo::from_caps(caps).ok()?;
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info).ok()?;
    let (stride, width) = (usize::try_from(*frame.plane_stride().first()?).ok()?, usize::try_from(info.width()).ok()?);
    let luma = frame.plane_data(0).ok()?;
    let lines = luma.chunks(stride).step_by(STRIDE).filter_map(|line| line.get(..width));
    let (sum, count) = lines
        .flat_map(|line| line.iter().step_by(STRIDE))
        .fold((0_u64, 0_u64), |(sum, count), pixel| (sum + u64::from(*pixel), count + 1));
    u8::try_from(sum.checked_div(count)?).ok()
}

/// Makes a still of a picture, off this thread; it comes as an event.
pub(super) fn make(session_id: SessionId, picture: gst::Sample, events: Sender<Event>) {
    let making = std::thread::Builder::new().name("still".into()).spawn(move || {
        match STILLS.iter().find_map(|settings| too_large_is_none(encode(&picture, *settings))) {
            Some(Ok(still)) => drop(events.send(Event::StillMade { session_id, still })),
            Some(Err(error)) => tracing::warn!(%error, "there is no still of this call"),
            None => tracing::warn!("there is no still of this call: its picture cannot be made small enough"),
        }
    });
    if let Err(error) = making {
        tracing::warn!(%error, "there is no still of this call");
    }
}

fn too_large_is_none(result: Result<Still, Missed>) -> Option<Result<Still, Missed>> {
    match result {
        Err(Missed::Still(StillError::TooLarge(_))) => None,
        other => Some(other),
    }
}

fn encode(picture: &gst::Sample, settings: StillSettings) -> Result<Still, Missed> {
    let caps = picture.caps_owned().ok_or(Missed::Nameless)?;
    let info = VideoInfo::from_caps(&caps)?;
    let size = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
    let pipeline = gst::Pipeline::new();
    let source = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
    let sink = gst_app::AppSink::builder().sync(false).build();
    pipeline.add_many([source.upcast_ref::<gst::Element>(), sink.upcast_ref()])?;
    let branch = Branch::build(&pipeline, &still_picture(settings, size(info.width()), size(info.height())))?;
    source.link(branch.first())?;
    branch.last().link(&sink)?;
    let encoded = pull(&pipeline, &source, &sink, picture);
    if let Err(error) = pipeline.set_state(gst::State::Null) {
        tracing::debug!(%error, "the pipeline of a still did not stop cleanly");
    }
    encoded
}

fn pull(
    pipeline: &gst::Pipeline,
    source: &gst_app::AppSrc,
    sink: &gst_app::AppSink,
    picture: &gst::Sample,
) -> Result<Still, Missed> {
    pipeline.set_state(gst::State::Playing).map_err(AssemblyError::from)?;
    let buffer = picture.buffer_owned().ok_or(Missed::Nameless)?;
    source.push_buffer(buffer)?;
    source.end_of_stream()?;
    let patience = gst::ClockTime::from_mseconds(u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX));
    let sample = sink.try_pull_sample(patience).ok_or(Missed::Nothing)?;
    let jpeg = sample.buffer().ok_or(Missed::Nothing)?.map_readable()?;
    Ok(Still::new(&jpeg)?)
}
