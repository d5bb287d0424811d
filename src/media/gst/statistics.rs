//! What webrtcbin measures of a connection, asked for once a second: by which pair of candidates it runs, and what its receiver
//! reports of each stream. It reads, and changes nothing.
//!
//! webrtcbin 1.22 mixes up the kinds and directions in its statistics, but not the synchronisation sources and addresses: by
//! these alone is told what is what.

use gstreamer as gst;

/// Everything of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Measured {
    /// Ends of the pair in use, in no order.
    pub(super) ends: Vec<End>,
    /// What the receiver says.
    pub(super) receivers: Vec<Receiver>,
}

/// One end of the pair of candidates in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) address: String,
    pub(super) port: u32,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub(super) kind: String,
    /// To the TURN server: `udp` or `tcp`.
    pub(super) protocol: String,
}

/// A receiver's last report of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Receiver {
    pub(super) ssrc: u32,
    /// 0 to 1, since the report before.
    pub(super) lost: f64,
    /// In seconds; 0 if not known.
    pub(super) round_trip: f64,
}

/// Reads a reply to `get-stats`.
pub(super) fn read(reply: &gst::StructureRef) -> Measured {
    let mut measured = Measured::default();
    for (_, value) in reply.iter() {
        let Ok(one) = value.get::<gst::Structure>() else { continue };
        if let (Ok(address), Ok(kind)) = (one.get::<String>("address"), one.get::<String>("candidate-type")) {
            let protocol = one.get("relay-protocol").or_else(|_| one.get("protocol")).unwrap_or_default();
            measured.ends.push(End { address, port: one.get("port").unwrap_or_default(), kind, protocol });
        }
        if let (Ok(ssrc), Ok(lost)) = (one.get("ssrc"), one.get("fraction-lost")) {
            let round_trip = one.get("round-trip-time").unwrap_or_default();
            measured.receivers.push(Receiver { ssrc, lost, round_trip });
        }
    }
    measured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_reports_are_found_by_what_they_have() {
        gst::init().expect("GStreamer is installed where the feature `media` is built");
        let end = gst::Structure::builder("remote-candidate")
            .field("address", "192.0.2.7")
            .field("port", 4000_u32)
            .field("candidate-type", "host")
            .field("protocol", "udp")
            .build();
        let report = gst::Structure::builder("remote-inbound-rtp")
            .field("ssrc", 7_u32)
            .field("fraction-lost", 0.25)
            .field("round-trip-time", 0.08)
            .build();
        let other = gst::Structure::builder("codec").field("ssrc", 7_u32).build();
        let reply =
            gst::Structure::builder("stats").field("a", end).field("b", report).field("c", other).field("d", 1).build();
        let measured = read(&reply);
        assert_eq!(measured.receivers, [Receiver { ssrc: 7, lost: 0.25, round_trip: 0.08 }]);
        assert_eq!((measured.ends.len(), measured.ends[0].port, measured.ends[0].kind.as_str()), (1, 4000, "host"));
    }
}
