//! One webrtcbin in a pipeline of its own, put together: payloaders, the talker's encoder, the voice's decoder, both guards.
//!
//! Its callbacks hold nothing but a way to send and weak references. Directions are fixed here, before the first offer, and
//! never change: what consent changes is a gate on the data.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_utils::StreamProducer;
use gstreamer_webrtc as gst_webrtc;

use super::assembly::{self, AssemblyError, Branch};
use super::event::PeerEvent;
use super::gate::Guard;
use super::ice::Server;
use super::liveness::Arrivals;
use super::mixer::Mixer;
use super::pace::Pace;
use super::speaker::change_samples;
use super::starting::Started;
use super::succession::{self, Late};
use super::timeline::Timeline;
use super::{TAKEN_OUT, bus, ice, liveness, statistics};
use crate::ids::PeerId;
use crate::media::pipeline::{
    Caps, Encoder, IceSettings, SOUND_ENCODER, Value, offered_sound, picture_packets, sound_packets, voice,
};
use crate::media::protocol::Flow;
use crate::signaling::protocol::IceServer;

/// Between two reports to a receiver, more or less.
const REPORTS_APART: gst::ClockTime = gst::ClockTime::SECOND;

/// libnice's word for another state of the way.
const ICE_CHANGED: &str = "component-state-changed";

/// Where the events of a connection go. Called on streaming threads: it only sends.
pub(super) type Notify = Arc<dyn Fn(PeerEvent) + Send + Sync>;

/// What a connection is made of.
pub(super) struct Plan<'a> {
    pub(super) peer: PeerId,
    pub(super) encoder: Encoder,
    pub(super) ice: &'a IceSettings,
    pub(super) ice_servers: &'a [IceServer],
    pub(super) timeline: &'a Timeline,
    pub(super) mixer: &'a Arc<Mixer>,
    pub(super) guard: Guard,
    pub(super) notify: Notify,
}

/// The pipeline of one connection.
pub(super) struct Connection {
    pipeline: gst::Pipeline,
    pub(super) webrtc: gst::Element,
    /// Here the encoded picture comes in.
    pub(super) picture: gst_app::AppSrc,
    /// Here the microphone's samples come in.
    pub(super) sound: gst_app::AppSrc,
    /// At which the picture leaves.
    pub(super) pace: Pace,
    /// Counts what arrives.
    pub(super) arrivals: Arc<Arrivals>,
    /// Set, webrtcbin hears no more of ICE.
    closing: Arc<AtomicBool>,
    /// The last thing it was asked to do. It does one after the other.
    asked: gst::Promise,
}

impl Connection {
    /// Puts it together and asks for an offer, which comes as an event.
    pub(super) fn offer(plan: &Plan<'_>) -> Result<Self, AssemblyError> {
        let pipeline = gst::Pipeline::new();
        let webrtc = webrtcbin(plan)?;
        let closing = mute_ice_on(&webrtc);
        pipeline.add(&webrtc)?;
        let arrivals = liveness::count_arrivals(&webrtc);
        let picture = sending_branch(&pipeline, &webrtc, "sink_0", &picture_packets(plan.encoder))?;
        let sound = sending_branch(&pipeline, &webrtc, "sink_1", &sound_packets())?;
        succession::keep_at(&picture.static_pad("src").expect("every source has one"), Late::Redated);
        succession::keep_at(&sound.static_pad("src").expect("every source has one"), Late::LeftOut);
        let pace = Pace::unlimited();
        pace.stand_at(&webrtc.static_pad("sink_0").and_then(|pad| pad.peer()).expect("it was linked"));
        use gst_webrtc::WebRTCRTPTransceiverDirection::{Sendonly, Sendrecv};
        fix_direction(&webrtc, "sink_0", Sendonly, &plan.encoder.offered())?;
        fix_direction(&webrtc, "sink_1", Sendrecv, &offered_sound())?;
        guard_and_mix(&sound, plan);
        // Behind the gate: what it holds back did not flow.
        tell_first(&picture, Flow::Picture, &plan.notify);
        tell_first(&sound, Flow::SoundOut, &plan.notify);
        receiving_branch(&pipeline, &webrtc, plan)?;
        tell_about(&pipeline, &webrtc, plan);
        plan.timeline.adopt(&pipeline);
        pipeline.set_state(gst::State::Playing)?;
        let asked = create_offer(&webrtc, &plan.notify);
        Ok(Self { pipeline, webrtc, picture, sound, pace, arrivals, closing, asked })
    }

    /// Puts the offer in force; the outcome comes as an event.
    pub(super) fn enforce_offer(&mut self, offer: &gst_webrtc::WebRTCSessionDescription, notify: &Notify) {
        let notify = Arc::clone(notify);
        self.asked = gst::Promise::with_change_func(move |reply| {
            notify(PeerEvent::OfferInForce(outcome(reply).map(|_| ())));
        });
        self.webrtc.emit_by_name::<()>("set-local-description", &[offer, &self.asked]);
    }

    /// Applies the answer; the outcome comes as an event.
    pub(super) fn apply_answer(&mut self, sdp: &str, notify: &Notify) -> Result<(), glib::BoolError> {
        let message = gstreamer_sdp::SDPMessage::parse_buffer(sdp.as_bytes())?;
        let answer = gst_webrtc::WebRTCSessionDescription::new(gst_webrtc::WebRTCSDPType::Answer, message);
        let notify = Arc::clone(notify);
        self.asked = gst::Promise::with_change_func(move |reply| {
            notify(PeerEvent::AnswerApplied(outcome(reply).map(|_| ())));
        });
        self.webrtc.emit_by_name::<()>("set-remote-description", &[&answer, &self.asked]);
        Ok(())
    }

    /// Asks what it measures of itself; it comes as an event.
    pub(super) fn measure(&mut self, notify: &Notify) {
        let notify = Arc::clone(notify);
        self.asked = gst::Promise::with_change_func(move |reply| {
            if let Ok(Some(reply)) = reply {
                notify(PeerEvent::Measured(statistics::read(reply)));
            }
        });
        self.webrtc.emit_by_name::<()>("get-stats", &[&None::<gst::Pad>, &self.asked]);
    }

    /// Reports as often as browsers do. By them the receiver's own reports tell the round trip: after the five seconds that
    /// GStreamer takes (RFC 3550 section 6.2), a queue that is long gone would still be held against the picture.
    pub(super) fn report_often(&self) {
        let sessions = self.webrtc.downcast_ref::<gst::Bin>().and_then(|webrtc| webrtc.by_name("rtpbin"));
        let session =
            sessions.and_then(|rtp| rtp.emit_by_name::<Option<glib::Object>>("get-internal-session", &[&0_u32]));
        match session {
            Some(session) => session.set_property("rtcp-min-interval", REPORTS_APART.nseconds()),
            None => tracing::warn!("a connection reports as seldom as GStreamer likes"),
        }
    }

    /// Under which number its picture or sound is sent, by which its receiver's reports are told apart.
    pub(super) fn source_number(&self, pad: &str) -> Option<u32> {
        let caps = self.webrtc.static_pad(pad)?.current_caps()?;
        caps.structure(0)?.get("ssrc").ok()
    }

    /// So many of a hundred packets of sound are lost: each carries as much of the one before as helps against that.
    pub(super) fn expect_loss(&self, percent: i64) {
        if let Some(encoder) = self.pipeline.by_name(SOUND_ENCODER) {
            assembly::change(&encoder, "packet-loss-percentage", &Value::Number(percent));
        }
    }

    /// Gives the pipeline away, to be closed.
    pub(super) fn into_started(self) -> Started {
        self.closing.store(true, Ordering::SeqCst);
        Started::asked(self.pipeline, self.asked)
    }

    /// Applies a candidate of the peer.
    pub(super) fn add_candidate(&self, sdp_m_line_index: u32, candidate: &str) {
        self.webrtc.emit_by_name::<()>("add-ice-candidate", &[&sdp_m_line_index, &candidate]);
    }
}

fn webrtcbin(plan: &Plan<'_>) -> Result<gst::Element, AssemblyError> {
    let webrtc = gst::ElementFactory::make("webrtcbin")
        .property_from_str("bundle-policy", "max-bundle")
        .property("latency", 60_u32)
        .property_from_str("ice-transport-policy", if plan.ice.relay_only { "relay" } else { "all" })
        .build()?;
    let agent = webrtc.property::<glib::Object>("ice-agent");
    if plan.ice.loopback && !agent.emit_by_name::<bool>("add-local-ip-address", &[&"127.0.0.1"]) {
        tracing::warn!("the loopback address was not accepted");
    }
    if plan.ice.min_port > 0 {
        agent.set_property("min-rtp-port", u32::from(plan.ice.min_port));
    }
    if plan.ice.max_port > 0 {
        agent.set_property("max-rtp-port", u32::from(plan.ice.max_port));
    }
    // No resident's browser listens on TCP; and a door does not ask the router to open ports (UPnP is on by default).
    let nice = ice_agent(&webrtc);
    for unwanted in ["ice-tcp", "upnp"] {
        if nice.find_property(unwanted).is_some() {
            nice.set_property(unwanted, false);
        }
    }
    // Only before candidates are gathered does it take servers.
    for server in ice::servers(plan.ice_servers) {
        match server {
            Server::Stun(url) => webrtc.set_property("stun-server", url),
            Server::Turn(url) => {
                if !webrtc.emit_by_name::<bool>("add-turn-server", &[&url]) {
                    tracing::warn!(peer = %plan.peer, "a TURN server was not accepted");
                }
            }
        }
    }
    Ok(webrtc)
}

/// What is given back, set, keeps from a webrtcbin what its ICE goes through from then on. While it is being closed, ICE still
/// works on a thread of its own, and the half that receives puts a block up at every change, also after it took its last one
/// down: that block then holds the half for ever (gst-plugins-bad 1.22, transportreceivebin.c). Who listens first can stop a
/// signal for the others, and webrtcbin listens as soon as it has pads.
fn mute_ice_on(webrtc: &gst::Element) -> Arc<AtomicBool> {
    let closing = Arc::new(AtomicBool::new(false));
    let is_closing = Arc::clone(&closing);
    ice_agent(webrtc).connect(ICE_CHANGED, false, move |values| {
        if is_closing.load(Ordering::SeqCst)
            && let Some(Ok(agent)) = values.first().map(glib::Value::get::<glib::Object>)
        {
            agent.stop_signal_emission_by_name(ICE_CHANGED);
        }
        None
    });
    closing
}

/// libnice's, which does the work.
fn ice_agent(webrtc: &gst::Element) -> glib::Object {
    webrtc.property::<glib::Object>("ice-agent").property("agent")
}

/// Data comes in by the source that is given back, and leaves as packets by this pad of webrtcbin.
fn sending_branch(
    pipeline: &gst::Pipeline,
    webrtc: &gst::Element,
    pad: &'static str,
    parts: &[crate::media::pipeline::Element],
) -> Result<gst_app::AppSrc, AssemblyError> {
    let source = gst_app::AppSrc::builder().build();
    StreamProducer::configure_consumer(&source);
    pipeline.add(&source)?;
    let branch = Branch::build(pipeline, parts)?;
    source.link(branch.first())?;
    let sink = webrtc.request_pad_simple(pad).ok_or(AssemblyError::Webrtc("a pad"))?;
    let packets = branch.last().static_pad("src").ok_or(AssemblyError::Webrtc("the end of a branch"))?;
    packets.link(&sink).map_err(|_| AssemblyError::Webrtc("a link"))?;
    Ok(source)
}

fn fix_direction(
    webrtc: &gst::Element,
    pad: &str,
    direction: gst_webrtc::WebRTCRTPTransceiverDirection,
    offered: &Caps,
) -> Result<(), AssemblyError> {
    let pad = webrtc.static_pad(pad).ok_or(AssemblyError::Webrtc("a pad"))?;
    let transceiver = pad.property::<gst_webrtc::WebRTCRTPTransceiver>("transceiver");
    let mut caps = assembly::caps(offered);
    if direction == gst_webrtc::WebRTCRTPTransceiverDirection::Sendonly {
        let fields = caps.make_mut().structure_mut(0).expect("it was made with one");
        ["rtcp-fb-nack", "rtcp-fb-nack-pli", "rtcp-fb-ccm-fir"].iter().for_each(|feedback| fields.set(*feedback, true));
        transceiver.set_property("do-nack", true);
    }
    transceiver.set_property("direction", direction);
    transceiver.set_property("codec-preferences", caps);
    Ok(())
}

/// CONSENT, outgoing: no sample reaches this talker's encoder while the gate is closed.
fn guard_and_mix(sound: &gst_app::AppSrc, plan: &Plan<'_>) {
    let pad = sound.static_pad("src").expect("every source has one");
    plan.guard.stand_at(&pad);
    let (guard, mixer, peer) = (plan.guard.clone(), Arc::clone(plan.mixer), plan.peer);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if guard.is_open() && mixer.has_others(peer) {
            change_samples(info, |samples| mixer.add_for_talker(peer, samples));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Tells when something leaves this source for the first time.
fn tell_first(source: &gst_app::AppSrc, flow: Flow, notify: &Notify) {
    let notify = Arc::clone(notify);
    let next = source.static_pad("src").and_then(|pad| pad.peer()).expect("it was linked");
    next.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        notify(PeerEvent::Flows(flow));
        gst::PadProbeReturn::Remove
    });
}

/// CONSENT, incoming: no packet of this talker reaches a decoder while the gate is closed.
fn receiving_branch(pipeline: &gst::Pipeline, webrtc: &gst::Element, plan: &Plan<'_>) -> Result<(), AssemblyError> {
    let branch = Branch::build(pipeline, &voice())?;
    let sink = gst_app::AppSink::builder().sync(false).async_(false).max_buffers(20).drop(true).build();
    pipeline.add(&sink)?;
    branch.last().link(&sink)?;
    let (guard, mixer, peer) = (plan.guard.clone(), Arc::clone(plan.mixer), plan.peer);
    let (notify, told) = (Arc::clone(&plan.notify), AtomicBool::new(false));
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        // What was in the decoder when the gate closed for ever stays unheard, too.
        if let (true, Some(Ok(bytes))) = (guard.is_open(), sample.buffer().map(gst::BufferRef::map_readable)) {
            if !told.swap(true, Ordering::Relaxed) {
                notify(PeerEvent::Flows(Flow::SoundIn));
            }
            mixer.voice(peer, bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])));
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
    let voice = branch.first().static_pad("sink").expect("a depayloader has one").downgrade();
    let guard = plan.guard.clone();
    webrtc.connect_pad_added(move |_, pad| {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        guard.stand_at(pad);
        let voice = voice.upgrade().filter(|voice| is_sound(pad) && !voice.is_linked());
        if voice.is_none_or(|voice| pad.link(&voice).is_err()) {
            // Something that was not asked for: it goes nowhere, and must not stop what is beside it.
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, |_, _| TAKEN_OUT);
        }
    });
    Ok(())
}

fn is_sound(pad: &gst::Pad) -> bool {
    pad.current_caps()
        .unwrap_or_else(|| pad.query_caps(None))
        .structure(0)
        .is_some_and(|structure| structure.get::<&str>("media") == Ok("audio"))
}

fn tell_about(pipeline: &gst::Pipeline, webrtc: &gst::Element, plan: &Plan<'_>) {
    let notify = Arc::clone(&plan.notify);
    bus::listen(pipeline, move |fault| notify(PeerEvent::Failed(fault.to_string())));
    let notify = Arc::clone(&plan.notify);
    webrtc.connect("on-ice-candidate", false, move |values| {
        if let [_, index, candidate] = values
            && let (Ok(sdp_m_line_index), Ok(candidate)) = (index.get(), candidate.get())
        {
            notify(PeerEvent::LocalCandidate { sdp_m_line_index, candidate });
        }
        None
    });
    let notify = Arc::clone(&plan.notify);
    webrtc.connect_notify(Some("connection-state"), move |webrtc, _| {
        notify(PeerEvent::ConnectionState(webrtc.property("connection-state")));
    });
}

fn create_offer(webrtc: &gst::Element, notify: &Notify) -> gst::Promise {
    let notify = Arc::clone(notify);
    let promise = gst::Promise::with_change_func(move |reply| {
        let offer = outcome(reply).and_then(|reply| {
            reply
                .and_then(|reply| reply.get::<gst_webrtc::WebRTCSessionDescription>("offer").ok())
                .ok_or_else(|| "there is no offer in the reply".to_owned())
        });
        notify(PeerEvent::OfferCreated(offer));
    });
    webrtc.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &promise]);
    promise
}

/// webrtcbin hides its failures in a field of a reply that looks like success.
fn outcome(reply: Result<Option<&gst::StructureRef>, gst::PromiseError>) -> Result<Option<&gst::StructureRef>, String> {
    match reply {
        Ok(Some(structure)) if structure.has_field("error") => Err(structure
            .get::<glib::Error>("error")
            .map_or_else(|_| "it was refused".to_owned(), |error| error.message().to_owned())),
        Ok(structure) => Ok(structure),
        Err(error) => Err(format!("the promise was broken: {error:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::media::gst::gate::Gate;

    /// As the door makes it, and what it says.
    fn connection() -> (Connection, mpsc::Receiver<PeerEvent>) {
        gst::init().expect("GStreamer is installed where the feature `media` is built");
        let (events, heard) = mpsc::channel();
        let plan = Plan {
            peer: PeerId(1),
            encoder: Encoder::Vp8,
            ice: &IceSettings { loopback: false, min_port: 0, max_port: 0, relay_only: false },
            ice_servers: &[],
            timeline: &Timeline::start(),
            mixer: &Arc::default(),
            guard: Gate::closed().guard(),
            notify: Arc::new(move |event| drop(events.send(event))),
        };
        (Connection::offer(&plan).expect("its elements are installed"), heard)
    }

    /// Waits for its offer.
    fn makes_an_offer(heard: &mpsc::Receiver<PeerEvent>) {
        let offer = heard.iter().find_map(|event| match event {
            PeerEvent::OfferCreated(offer) => Some(offer),
            _ => None,
        });
        offer.expect("it tells").expect("nothing is in its way");
    }

    fn receiving_half(webrtc: &gst::Element) -> glib::WeakRef<gst::Element> {
        let parts = webrtc.downcast_ref::<gst::Bin>().expect("it is one").iterate_elements();
        let half = parts.into_iter().flatten().find(|part| part.type_().name() == "TransportReceiveBin");
        half.expect("there is one from the offer on").downgrade()
    }

    #[test]
    fn one_that_is_closed_at_once_still_makes_its_offer_before_it_stops() {
        let (connection, heard) = connection();
        let pipeline = connection.into_started().stop();
        makes_an_offer(&heard);
        bus::mute(&pipeline);
    }

    #[test]
    fn what_ice_goes_through_while_it_is_closed_keeps_nothing_alive() {
        let (connection, heard) = connection();
        makes_an_offer(&heard);
        let (half, agent) = (receiving_half(&connection.webrtc), ice_agent(&connection.webrtc));
        let pipeline = connection.into_started().stop();
        // The first stream's first component fails (NICE_COMPONENT_STATE_FAILED).
        agent.emit_by_name::<()>(ICE_CHANGED, &[&1_u32, &1_u32, &5_u32]);
        bus::mute(&pipeline);
        drop((pipeline, agent));
        // Its own threads let go of it in their time.
        let until = Instant::now() + Duration::from_secs(20);
        while half.upgrade().is_some() {
            assert!(Instant::now() < until, "the half that receives is still there");
            std::thread::yield_now();
        }
    }
}
