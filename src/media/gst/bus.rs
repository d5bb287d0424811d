//! What pipelines say by themselves, without a thread per pipeline: errors go to the loop, latency is recalculated elsewhere.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::faults;
use crate::panel::fault::Fault;

/// Listens to a pipeline until `mute`.
pub(super) fn listen(pipeline: &gst::Pipeline, failed: impl Fn(Fault) + Send + Sync + 'static) {
    let Some(bus) = pipeline.bus() else { return };
    let weak = pipeline.downgrade();
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Error(error) => failed(describe(error)),
            gst::MessageView::Eos(_) => failed(Fault::failed("it came to an end")),
            gst::MessageView::Warning(warning) => tracing::debug!(warning = %warning.error(), "GStreamer warns"),
            gst::MessageView::Latency(_) => {
                if let Some(pipeline) = weak.upgrade() {
                    pipeline.call_async(|pipeline| {
                        let _ = pipeline.recalculate_latency();
                    });
                }
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}

/// Stops listening, so that nothing of the listener stays alive with the pipeline.
pub(super) fn mute(pipeline: &gst::Pipeline) {
    if let Some(bus) = pipeline.bus() {
        bus.unset_sync_handler();
        bus.set_flushing(true);
    }
}

/// By the kind of element, not by the name it has this time: the same trouble is told in the same words.
fn describe(error: &gst::message::Error) -> Fault {
    let element = error
        .src()
        .and_then(|source| source.downcast_ref::<gst::Element>())
        .and_then(gst::Element::factory)
        .map(|factory| factory.name().to_string())
        .unwrap_or_default();
    faults::of_element(&element, &error.error(), error.debug().as_deref().unwrap_or_default())
}
