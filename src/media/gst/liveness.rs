//! Whether a connection lives. webrtcbin never notices that the other side is gone, so what arrives is counted here, behind
//! decryption: RTP and RTCP that only the real peer can send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

/// A connection that is not there by then never will be.
const CONNECT: Duration = Duration::from_secs(15);
/// A browser reports about once a second, the slowest allowed rhythm is about 6 s (RFC 3550 section 6.2).
const SILENCE: Duration = Duration::from_secs(10);

/// How far a connection is and when it last showed life.
#[derive(Debug)]
pub(super) struct Liveness {
    arrived: Arc<AtomicU64>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting { since: Instant },
    Connected { arrived: u64, since: Instant },
}

impl Liveness {
    /// A connection that is about to be made.
    pub(super) fn connecting(arrived: Arc<AtomicU64>, now: Instant) -> Self {
        Self { arrived, stage: Stage::Connecting { since: now } }
    }

    /// ICE and DTLS are up. True the first time.
    pub(super) fn connected(&mut self, now: Instant) -> bool {
        match self.stage {
            Stage::Connecting { .. } => {
                self.stage = Stage::Connected { arrived: self.arrived.load(Ordering::Relaxed), since: now };
                true
            }
            Stage::Connected { .. } => false,
        }
    }

    /// ICE and DTLS are up.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.stage, Stage::Connected { .. })
    }

    /// Why it is to be given up, if it is.
    pub(super) fn verdict(&mut self, now: Instant) -> Option<&'static str> {
        match &mut self.stage {
            Stage::Connecting { since } => {
                (now.saturating_duration_since(*since) > CONNECT).then_some("it was not connected in time")
            }
            Stage::Connected { arrived, since } => {
                let total = self.arrived.load(Ordering::Relaxed);
                if total != *arrived {
                    (*arrived, *since) = (total, now);
                }
                (now.saturating_duration_since(*since) > SILENCE).then_some("nothing arrives any more")
            }
        }
    }
}

/// Counts what arrives in a webrtcbin and was decrypted.
pub(super) fn count_arrivals(webrtc: &gst::Element) -> Arc<AtomicU64> {
    let arrived = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&arrived);
    if let Some(rtp) = webrtc.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("rtpbin")) {
        rtp.connect_pad_added(move |_, pad| {
            if !pad.name().starts_with("recv_rtp_sink") && !pad.name().starts_with("recv_rtcp_sink") {
                return;
            }
            let count = Arc::clone(&count);
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
                count.fetch_add(1, Ordering::Relaxed);
                gst::PadProbeReturn::Ok
            });
        });
    }
    arrived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_must_come_and_then_keep_showing_life() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let arrived = Arc::new(AtomicU64::new(0));
        let mut liveness = Liveness::connecting(Arc::clone(&arrived), start);
        assert_eq!(liveness.verdict(at(15)), None);
        assert!(liveness.verdict(at(16)).is_some());
        assert!(liveness.connected(at(16)));
        assert!(!liveness.connected(at(17)), "only once");
        assert_eq!(liveness.verdict(at(26)), None);
        arrived.fetch_add(1, Ordering::Relaxed);
        assert_eq!(liveness.verdict(at(27)), None);
        assert_eq!(liveness.verdict(at(37)), None);
        assert!(liveness.verdict(at(38)).is_some());
    }
}
