//! The pace of one connection's picture: where its way is known to be narrow, packets leave one after the other and not a whole
//! picture at once. It loses nothing, and where the way is wide it does nothing.
//!
//! A key picture is as large as ten others. In one go it fills the queue before a narrow line and the rest of it is lost: the
//! receiver asks for another, which is lost again, and the sound waits behind each of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::TAKEN_OUT;

/// One picture is never held back for longer: before the next one has to wait for it in vain, the rest goes at once.
const LONGEST: Duration = Duration::from_millis(400);
/// Kilobits per second; as fast as it comes.
const UNLIMITED: u32 = 0;

/// Kilobits per second at which the picture leaves. Held by the connection; its end on the streaming thread looks at it.
#[derive(Debug, Clone)]
pub(super) struct Pace(Arc<AtomicU32>);

impl Pace {
    /// As fast as it comes.
    pub(super) fn unlimited() -> Self {
        Self(Arc::new(AtomicU32::new(UNLIMITED)))
    }

    /// From the next packet on.
    pub(super) fn keep(&self, kilobits: Option<u32>) {
        self.0.store(kilobits.unwrap_or(UNLIMITED), Ordering::Relaxed);
    }

    /// Stands at the pad where packets leave for webrtcbin. Payloaders give away all packets of a picture in one list, on a
    /// thread that does nothing else.
    pub(super) fn stand_at(&self, pad: &gst::Pad) {
        let (pace, line) = (self.clone(), Mutex::new(Line { free: Instant::now() }));
        pad.add_probe(gst::PadProbeType::BUFFER_LIST, move |pad, info| {
            let kilobits = pace.0.load(Ordering::Relaxed);
            let Some(next) = pad.peer().filter(|_| kilobits != UNLIMITED) else { return gst::PadProbeReturn::Ok };
            let Some(gst::PadProbeData::BufferList(packets)) = info.data.take() else {
                return gst::PadProbeReturn::Ok;
            };
            let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
            info.flow_res = line.send(&next, &packets, kilobits);
            TAKEN_OUT
        });
    }
}

/// What the packets leave by.
struct Line {
    /// When the last packet will have left.
    free: Instant,
}

impl Line {
    fn send(
        &mut self,
        next: &gst::Pad,
        packets: &gst::BufferList,
        kilobits: u32,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let began = Instant::now();
        for packet in packets.iter_owned() {
            let now = Instant::now();
            let wait = self.free.saturating_duration_since(now);
            if began + LONGEST > now + wait {
                std::thread::sleep(wait);
            }
            self.free = self.free.max(now) + takes(packet.size(), kilobits);
            next.chain(packet)?;
        }
        // Of what was not waited for the next picture knows nothing.
        self.free = self.free.min(Instant::now() + LONGEST);
        Ok(gst::FlowSuccess::Ok)
    }
}

/// A line of so many kilobits per second is busy for so long.
fn takes(bytes: usize, kilobits: u32) -> Duration {
    // A bit per millisecond is a kilobit per second.
    Duration::from_secs_f64(bytes as f64 * 8.0 / 1000.0 / f64::from(kilobits.max(1)))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Pads as a payloader and webrtcbin have them; what arrives is told with its size.
    fn line(pace: &Pace) -> (gst::Pad, gst::Pad, mpsc::Receiver<usize>) {
        gst::init().expect("GStreamer is installed where the feature `media` is built");
        let (told, arrived) = mpsc::channel();
        let source = gst::Pad::new(gst::PadDirection::Src);
        let sink = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, packet| {
                told.send(packet.size()).map_err(|_| gst::FlowError::Eos)?;
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(|_, _, _| true)
            .build();
        source.link(&sink).expect("they fit");
        [&source, &sink].into_iter().for_each(|pad| pad.set_active(true).expect("it can be"));
        source.push_event(gst::event::StreamStart::new("picture"));
        source.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        pace.stand_at(&source);
        (source, sink, arrived)
    }

    fn picture(sizes: &[usize]) -> gst::BufferList {
        sizes.iter().map(|size| gst::Buffer::with_size(*size).expect("there is memory")).collect()
    }

    #[test]
    fn a_picture_leaves_packet_by_packet_and_not_faster_than_the_line() {
        let pace = Pace::unlimited();
        let (source, _sink, arrived) = line(&pace);
        pace.keep(Some(1_000));
        let began = Instant::now();
        source.push_list(picture(&[1_200, 1_100, 1_000, 900])).expect("it flows");
        // All but the last have left the line by then: 3,300 bytes at a megabit.
        assert!(began.elapsed() >= Duration::from_micros(26_400), "{:?}", began.elapsed());
        source.push_list(picture(&[500])).expect("it flows");
        assert!(began.elapsed() >= Duration::from_micros(33_600), "{:?}", began.elapsed());
        assert_eq!(arrived.try_iter().collect::<Vec<_>>(), [1_200, 1_100, 1_000, 900, 500]);
    }

    #[test]
    fn without_a_pace_and_after_too_long_everything_goes_at_once() {
        let pace = Pace::unlimited();
        let (source, _sink, arrived) = line(&pace);
        source.push_list(picture(&[1_200, 7])).expect("it flows");
        // Each of these would take ten seconds.
        pace.keep(Some(1));
        source.push_list(picture(&[1_250, 1_250, 1_250])).expect("it flows");
        assert_eq!(arrived.try_iter().collect::<Vec<_>>(), [1_200, 7, 1_250, 1_250, 1_250]);
    }

    #[test]
    fn who_closes_is_heard() {
        let pace = Pace::unlimited();
        let (source, sink, arrived) = line(&pace);
        pace.keep(Some(10_000));
        sink.set_active(false).expect("it can be");
        assert_eq!(source.push_list(picture(&[1_200, 1_200])), Err(gst::FlowError::Flushing));
        assert_eq!(arrived.try_iter().count(), 0);
    }
}
