//! Films and sounds for the tests of the media worker, made when they are needed.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;

/// White everywhere: so the frame counter reads when there is none.
pub const WHITE: Option<u32> = Some(u32::MAX);

/// Makes a file by this pipeline.
pub fn make(pipeline: &str, path: &Path) {
    gst::init().expect("GStreamer is installed where this feature is built");
    let pipeline =
        gst::parse::launch(&format!("{pipeline} ! filesink name=file")).expect("the pipeline is written here");
    let bin = pipeline.downcast_ref::<gst::Pipeline>().expect("it has several elements");
    bin.by_name("file").expect("it is named above").set_property("location", path.display().to_string());
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let end = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().and_then(|bus| bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &end));
    assert_eq!(message.map(|message| message.type_()), Some(gst::MessageType::Eos));
    pipeline.set_state(gst::State::Null).expect("it stops");
}
