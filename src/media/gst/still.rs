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
        // What a camera encoded is not looked into; a key picture can be decoded by itself.
        let encoded = is_encoded(&caps);
        let mean = if encoded { Some(u8::MAX / 2) } else { brightness(buffer, &caps) };
        let Some(mean) = mean else { return gst::PadProbeReturn::Remove };
        let settled = exposure.lock().is_ok_and(|mut exposure| exposure.is_good(mean));
        let good = settled && !(encoded && buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
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

fn is_encoded(caps: &gst::CapsRef) -> bool {
    caps.structure(0).is_some_and(|structure| structure.name() != "video/x-raw")
}

fn too_large_is_none(result: Result<Still, Missed>) -> Option<Result<Still, Missed>> {
    match result {
        Err(Missed::Still(StillError::TooLarge(_))) => None,
        other => Some(other),
    }
}

fn encode(picture: &gst::Sample, settings: StillSettings) -> Result<Still, Missed> {
    let caps = picture.caps_owned().ok_or(Missed::Nameless)?;
    let size = |name| caps.structure(0).and_then(|structure| structure.get::<i32>(name).ok()).ok_or(Missed::Nameless);
    let (width, height) = (size("width")?, size("height")?);
    let pipeline = gst::Pipeline::new();
    let source = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
    let sink = gst_app::AppSink::builder().sync(false).build();
    pipeline.add_many([source.upcast_ref::<gst::Element>(), sink.upcast_ref()])?;
    let branch = Branch::build(&pipeline, &still_picture(settings, width, height, is_encoded(&caps)))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::pipeline::{Encoder, VideoCodec, VideoSettings, picture_packets};

    /// As a camera gives it that encodes by itself: parameters once, at the very beginning.
    const CAMERA: &str = "videotestsrc num-buffers=60 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 \
        ! openh264enc gop-size=15 ! video/x-h264,profile=constrained-baseline ! h264parse config-interval=0";

    /// Which kinds of NAL unit (ITU-T H.264 table 7-1) a byte stream has.
    fn units(stream: &[u8]) -> Vec<u8> {
        let starts = stream.windows(4).filter(|bytes| bytes[..3] == [0, 0, 1]);
        starts.map(|bytes| bytes[3] & 0x1f).collect()
    }

    #[test]
    fn what_a_camera_encodes_is_passed_through_with_headers_and_gives_a_still() {
        gst::init().expect("GStreamer is installed where the feature `media` is built");
        let video = VideoSettings {
            codec: VideoCodec::Auto,
            width: 320,
            height: 240,
            frame_rate: 30,
            bitrate: 500,
            bitrate_floor: 100,
        };
        let encoder = Encoder::Camera(None);
        let pipeline = gst::Pipeline::new();
        let camera = gst::parse::bin_from_description(CAMERA, true).expect("openh264enc is in plugins-bad");
        let sink = gst_app::AppSink::builder().sync(false).build();
        pipeline.add_many([camera.upcast_ref::<gst::Element>(), sink.upcast_ref()]).expect("they are new");
        let parsed = Branch::build(&pipeline, &encoder.elements(&video)).expect("h264parse is in plugins-bad");
        let packets = Branch::build(&pipeline, &picture_packets(encoder)).expect("rtph264pay is in plugins-good");
        let unpacked = gst::ElementFactory::make("rtph264depay").build().expect("it is beside rtph264pay");
        let form = gst::ElementFactory::make("capsfilter").build().expect("it is in the core");
        let caps = gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").field("alignment", "au");
        form.set_property("caps", caps.build());
        pipeline.add_many([&unpacked, &form]).expect("they are new");
        camera.link(parsed.first()).expect("H.264");
        parsed.last().link(packets.first()).expect("H.264");
        gst::Element::link_many([packets.last(), &unpacked, &form, sink.upcast_ref()]).expect("packets of H.264");
        let (events, heard) = std::sync::mpsc::channel();
        let point = parsed.last().static_pad("sink").expect("a filter has one");
        watch(&point, Exposure::default(), 7, &events);
        pipeline.set_state(gst::State::Playing).expect("it plays");
        let mut pictures = Vec::new();
        while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(20)) {
            let map = sample.buffer().expect("a picture").map_readable().expect("it is ours");
            pictures.push(units(&map));
        }
        pipeline.set_state(gst::State::Null).expect("it stops");
        assert_eq!(pictures.len(), 60, "none is lost, none is made");
        let keys: Vec<&Vec<u8>> = pictures.iter().filter(|units| units.contains(&5)).collect();
        assert!(keys.len() >= 4, "{pictures:?}");
        assert!(keys.iter().all(|units| units.contains(&7) && units.contains(&8)), "headers before each: {keys:?}");

        let Ok(Event::PictureSettled { opened: 7, picture }) = heard.try_recv() else { panic!("no key picture came") };
        match encode(&picture, STILLS[0]) {
            Ok(still) => assert!(still.jpeg().len() > 1000, "{still:?}"),
            // No decoder of H.264 is installed: the call has no still, and nothing else changes.
            Err(error) => assert!(matches!(error, Missed::Nothing), "{error}"),
        }
    }
}
