//! One clock and one beginning for all pipelines of the worker, so that a picture captured in one is on time in another.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::echo::SampleTime;

/// The worker's clock and when it started. Cheap to copy around.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    clock: gst::Clock,
    base: gst::ClockTime,
}

impl Timeline {
    /// Begins now.
    pub(super) fn start() -> Self {
        let clock = gst::SystemClock::obtain();
        let base = clock.time();
        Self { clock, base }
    }

    /// Puts a pipeline that was not started yet on this timeline.
    pub(super) fn adopt(&self, pipeline: &gst::Pipeline) {
        pipeline.use_clock(Some(&self.clock));
        pipeline.set_start_time(gst::ClockTime::NONE);
        pipeline.set_base_time(self.base);
    }

    /// When what passes this pad is due on the timeline; now, if it does not say.
    pub(super) fn of_probed(&self, pad: &gst::Pad, info: &gst::PadProbeInfo<'_>) -> SampleTime {
        let said = info.buffer().and_then(|buffer| {
            let event = pad.sticky_event::<gst::event::Segment>(0)?;
            event.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts()?)
        });
        SampleTime::from_nanoseconds(said.unwrap_or_else(|| self.now()).nseconds())
    }

    /// The running time of every adopted pipeline.
    pub(super) fn now(&self) -> gst::ClockTime {
        self.clock.time().saturating_sub(self.base)
    }
}
