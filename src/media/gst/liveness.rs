//! Whether a connection lives. webrtcbin never notices that the other side is gone, so what arrives is counted here, behind
//! decryption: RTP and RTCP that only the real peer can send. An address of this machine that is gone is looked at, too.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

/// A connection that is not there by then never will be.
const CONNECT: Duration = Duration::from_secs(15);
/// A browser reports about once a second, the slowest allowed rhythm is about 6 s (RFC 3550 section 6.2).
const SILENCE: Duration = Duration::from_secs(10);
/// Who talks sends fifty packets a second, also in pauses, and reports besides.
const TALKER_SILENCE: Duration = Duration::from_millis(2_200);
/// An address that went is a reason as soon as it shows: others may have come meanwhile.
const MOVED: Duration = Duration::from_millis(400);

/// What arrived so far.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    sound: AtomicU64,
    reports: AtomicU64,
}

/// How far a connection is and when it last showed life.
#[derive(Debug)]
pub(super) struct Liveness {
    arrivals: Arc<Arrivals>,
    /// Of this machine, as they were told to the peer.
    addresses: Vec<IpAddr>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting {
        since: Instant,
    },
    Connected {
        sound: u64,
        reports: u64,
        /// The last sign of life.
        since: Instant,
        /// The last packet of sound.
        talked: Option<Instant>,
    },
}

impl Liveness {
    /// A connection that is about to be made.
    pub(super) fn connecting(arrivals: Arc<Arrivals>, now: Instant) -> Self {
        Self { arrivals, addresses: Vec::new(), stage: Stage::Connecting { since: now } }
    }

    /// One of this machine's own addresses, by which the connection may run.
    pub(super) fn has_address(&mut self, address: IpAddr) {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    /// ICE and DTLS are up. True the first time.
    pub(super) fn connected(&mut self, now: Instant) -> bool {
        match self.stage {
            Stage::Connecting { .. } => {
                let (sound, reports) = self.arrivals.now();
                self.stage = Stage::Connected { sound, reports, since: now, talked: None };
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
            Stage::Connected { sound, reports, since, talked } => {
                let arrived = self.arrivals.now();
                if arrived.0 != *sound {
                    *talked = Some(now);
                }
                if arrived != (*sound, *reports) {
                    (*sound, *reports) = arrived;
                    *since = now;
                }
                let silent = now.saturating_duration_since(*since);
                let talks = talked.is_some_and(|talked| now.saturating_duration_since(talked) < SILENCE);
                if silent > if talks { TALKER_SILENCE } else { SILENCE } {
                    return Some("nothing arrives any more");
                }
                let moved = silent > MOVED && self.addresses.iter().any(|address| !is_ours(*address));
                moved.then_some("an address of this machine is gone")
            }
        }
    }
}

impl Arrivals {
    /// Reports so far.
    pub(super) fn reports(&self) -> u64 {
        self.reports.load(Ordering::Relaxed)
    }

    fn now(&self) -> (u64, u64) {
        (self.sound.load(Ordering::Relaxed), self.reports())
    }
}

/// Only a machine's own addresses can be bound. Nothing is sent or received by it.
fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Counts what arrives in a webrtcbin and was decrypted.
pub(super) fn count_arrivals(webrtc: &gst::Element) -> Arc<Arrivals> {
    let arrivals = Arc::new(Arrivals::default());
    let counting = Arc::clone(&arrivals);
    if let Some(rtp) = webrtc.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("rtpbin")) {
        rtp.connect_pad_added(move |_, pad| {
            let is_sound = pad.name().starts_with("recv_rtp_sink");
            if !is_sound && !pad.name().starts_with("recv_rtcp_sink") {
                return;
            }
            let counting = Arc::clone(&counting);
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
                let counter = if is_sound { &counting.sound } else { &counting.reports };
                counter.fetch_add(1, Ordering::Relaxed);
                gst::PadProbeReturn::Ok
            });
        });
    }
    arrivals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(start: Instant) -> (Arc<Arrivals>, Liveness) {
        let arrivals = Arc::new(Arrivals::default());
        let mut liveness = Liveness::connecting(Arc::clone(&arrivals), start);
        assert!(liveness.connected(start));
        (arrivals, liveness)
    }

    #[test]
    fn a_connection_must_come_and_then_keep_showing_life() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let arrivals = Arc::new(Arrivals::default());
        let mut liveness = Liveness::connecting(Arc::clone(&arrivals), start);
        assert_eq!(liveness.verdict(at(15)), None);
        assert!(liveness.verdict(at(16)).is_some());
        assert!(liveness.connected(at(16)));
        assert!(!liveness.connected(at(17)), "only once");
        assert_eq!(liveness.verdict(at(26)), None);
        arrivals.reports.fetch_add(1, Ordering::Relaxed);
        assert_eq!(liveness.verdict(at(27)), None);
        assert_eq!(liveness.verdict(at(37)), None);
        assert!(liveness.verdict(at(38)).is_some());
    }

    #[test]
    fn who_talks_is_missed_sooner() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let (arrivals, mut liveness) = connected(start);
        arrivals.sound.fetch_add(50, Ordering::Relaxed);
        assert_eq!(liveness.verdict(at(1_000)), None);
        assert_eq!(liveness.verdict(at(3_000)), None);
        // Muted by its system: no sound any more, but it still reports.
        arrivals.reports.fetch_add(1, Ordering::Relaxed);
        assert_eq!(liveness.verdict(at(3_100)), None);
        assert!(liveness.verdict(at(5_500)).is_some());
    }

    #[test]
    fn an_address_that_is_gone_is_noticed_where_nothing_arrives() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let (arrivals, mut liveness) = connected(start);
        liveness.has_address([127, 0, 0, 1].into());
        assert_eq!(liveness.verdict(at(1_000)), None);
        // TEST-NET-3: nobody's.
        liveness.has_address([203, 0, 113, 77].into());
        arrivals.reports.fetch_add(1, Ordering::Relaxed);
        assert_eq!(liveness.verdict(at(1_100)), None, "it lives all the same");
        assert_eq!(liveness.verdict(at(1_600)), Some("an address of this machine is gone"));
    }
}
