//! The consent gate of one connection: the single place that lets sound through, in both directions.
//!
//! It is closed when made, opened once by its owner on the door's order, and closed for ever when the owner is dropped.
//! Nothing a peer sends can reach it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::TAKEN_OUT;

/// Held by the connection, on the worker's loop.
pub(super) struct Gate(Arc<AtomicBool>);

/// Held by whatever stands in the way of the sound; it can look and not touch.
#[derive(Debug, Clone)]
pub(super) struct Guard(Arc<AtomicBool>);

impl Gate {
    /// A closed gate.
    pub(super) fn closed() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    /// The resident consented.
    pub(super) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Sound may flow.
    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// A look at this gate.
    pub(super) fn guard(&self) -> Guard {
        Guard(Arc::clone(&self.0))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Guard {
    /// Sound may flow.
    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Stands at a pad: while the gate is closed nothing that carries sound, or asks a decoder to make some up, passes.
    pub(super) fn stand_at(&self, pad: &gst::Pad) {
        let guard = self.clone();
        let sound = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(sound, move |_, info| {
            if guard.is_open() || info.event().is_some_and(|event| !makes_sound(event.type_())) {
                gst::PadProbeReturn::Ok
            } else {
                TAKEN_OUT
            }
        });
    }
}

/// A gap, or the loss of a packet, makes a decoder fill in.
fn makes_sound(event: gst::EventType) -> bool {
    event == gst::EventType::Gap || event == gst::EventType::CustomDownstream
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn a_gate_is_closed_before_and_after() {
        let gate = Gate::closed();
        let guard = gate.guard();
        assert!(!guard.is_open());
        gate.open();
        assert!(guard.is_open() && gate.is_open());
        drop(gate);
        assert!(!guard.is_open(), "sound that is still on its way stops with the connection");
    }

    #[test]
    fn nothing_passes_a_closed_gate() {
        gst::init().expect("GStreamer is installed where this feature is built");
        let pad = gst::Pad::builder(gst::PadDirection::Src).build();
        let gate = Gate::closed();
        gate.guard().stand_at(&pad);
        pad.set_active(true).expect("a lonely pad can be active");
        let sink =
            gst::Pad::builder(gst::PadDirection::Sink).chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok)).build();
        let passed = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&passed);
        sink.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            gst::PadProbeReturn::Ok
        });
        sink.set_active(true).expect("a lonely pad can be active");
        pad.link(&sink).expect("they fit");
        pad.push_event(gst::event::StreamStart::new("test"));
        pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        let complaints = Arc::new(AtomicU32::new(0));
        let heard = Arc::clone(&complaints);
        let levels = gst::glib::LogLevels::LEVEL_CRITICAL;
        let listening = gst::glib::log_set_handler(Some("GStreamer"), levels, false, false, move |_, _, _| {
            heard.fetch_add(1, Ordering::SeqCst);
        });
        let mut list = gst::BufferList::new();
        list.get_mut().expect("it is new").add(gst::Buffer::new());
        let _ = pad.push(gst::Buffer::new());
        let _ = pad.push_list(list);
        pad.push_event(gst::event::Gap::new(gst::ClockTime::ZERO, gst::ClockTime::SECOND));
        assert_eq!((passed.load(Ordering::SeqCst), complaints.load(Ordering::SeqCst)), (0, 0));
        gst::glib::log_remove_handler(Some("GStreamer"), listening);
        gate.open();
        pad.push(gst::Buffer::new()).expect("the gate is open");
        assert_eq!(passed.load(Ordering::SeqCst), 1);
    }
}
