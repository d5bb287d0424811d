//! One source after another into the same connection: what leaves, leaves in the order of time.
//!
//! A camera's picture tells when it was taken, a moment ago; the placeholder it takes over from was drawn just now. Sent as
//! they are, time would run backwards for a moment, which a phone takes for loss.

use std::sync::{Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::TAKEN_OUT;

/// The least step between two pictures that stood in the wrong order.
const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(1);

/// What becomes of a piece that comes too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// It is dated anew: of encoded pictures none may be missing.
    Redated,
    /// It is left out: sound that was covered already.
    LeftOut,
}

/// From now on what passes this pad is in the order of time.
pub(super) fn keep_at(pad: &gst::Pad, late: Late) {
    let reached = Mutex::new(gst::ClockTime::ZERO);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let segment = pad
            .sticky_event::<gst::event::Segment>(0)
            .and_then(|event| event.segment().downcast_ref::<gst::ClockTime>().cloned());
        let (Some(segment), Some(buffer)) = (segment, info.buffer_mut()) else { return gst::PadProbeReturn::Ok };
        let Some(begins) = buffer.pts().and_then(|pts| segment.to_running_time(pts)) else {
            return gst::PadProbeReturn::Ok;
        };
        let ends = begins + buffer.duration().unwrap_or_default();
        let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
        match place(begins, ends, &mut reached, late) {
            Place::AsItIs => {}
            Place::Nowhere => return TAKEN_OUT,
            Place::Later(by) => {
                let buffer = buffer.make_mut();
                buffer.set_pts(buffer.pts().map(|pts| pts + by));
                buffer.set_dts(buffer.dts().map(|dts| dts + by));
            }
        }
        gst::PadProbeReturn::Ok
    });
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    AsItIs,
    Later(gst::ClockTime),
    Nowhere,
}

/// Where a piece goes, behind what was reached: the beginning of the last picture, the end of the last sound.
fn place(begins: gst::ClockTime, ends: gst::ClockTime, reached: &mut gst::ClockTime, late: Late) -> Place {
    match late {
        Late::LeftOut if ends <= *reached => Place::Nowhere,
        Late::LeftOut => {
            *reached = ends;
            Place::AsItIs
        }
        Late::Redated if begins > *reached => {
            *reached = begins;
            Place::AsItIs
        }
        Late::Redated => {
            let new = *reached + STEP;
            *reached = new;
            Place::Later(new - begins)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(millis)
    }

    #[test]
    fn pictures_of_the_past_follow_at_once_and_then_keep_their_time() {
        let mut reached = ms(0);
        let mut put = |at| place(ms(at), ms(at + 40), &mut reached, Late::Redated);
        assert_eq!(put(40), Place::AsItIs);
        assert_eq!(put(1000), Place::AsItIs);
        assert_eq!(put(990), Place::Later(ms(11)), "1001");
        assert_eq!(put(1001), Place::Later(ms(1)), "1002");
        assert_eq!(put(1030), Place::AsItIs);
    }

    #[test]
    fn sound_that_was_covered_is_left_out() {
        let mut reached = ms(0);
        let mut put = |at| place(ms(at), ms(at + 10), &mut reached, Late::LeftOut);
        assert_eq!(put(100), Place::AsItIs);
        assert_eq!(put(90), Place::Nowhere);
        assert_eq!(put(100), Place::Nowhere);
        assert_eq!(put(105), Place::AsItIs);
        assert_eq!(put(115), Place::AsItIs);
    }
}
