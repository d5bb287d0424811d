//! A resident without a browser: a webrtcbin that answers the door's offer, counts what it sees, measures what it hears, and
//! talks when told to. It knows no transport: signals go out by a closure and come in by `apply`.
//!
//! Like a browser that answers before anybody accepted, it answers `sendrecv` and sends no sound until `talk`.

#![allow(dead_code, reason = "every test that includes it uses a part of it")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use doorward::media::gst::level::{Level, Meter};
use doorward::media::gst::read_frame_counter;
use doorward::signaling::protocol::{IceServer, Signal};
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_webrtc as gst_webrtc;

/// Where its answer and candidates go; called on any thread.
pub type Outbox = Arc<dyn Fn(Signal) + Send + Sync>;

/// A resident's end of a connection.
pub struct Resident {
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    voice: gst::Element,
    valve: gst::Element,
    /// What puts another sound in the tone's place.
    speaking: Mutex<Option<gst::PadProbeId>>,
    outbox: Outbox,
    senses: Arc<Senses>,
}

/// What reached it so far.
#[derive(Default)]
struct Senses {
    picture_packets: AtomicU64,
    picture_bytes: AtomicU64,
    picture_width: AtomicU64,
    sound_packets: AtomicU64,
    pictures: AtomicU64,
    seen: Mutex<Seen>,
    /// Kept while it looks closely.
    looks: Mutex<Option<Vec<Look>>>,
    heard: Mutex<Heard>,
}

/// A picture that was decoded.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Its frame counter, which only a picture of the camera's own size shows.
    pub number: u32,
    pub width: usize,
    pub at: Instant,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    first: Option<Instant>,
    last_number: Option<u32>,
    last_brightness: u8,
    longest_gap: u32,
}

/// What a resident heard, and when it came.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Samples, 48,000 a second.
    pub samples: Vec<i16>,
    /// When the last of the first so many samples had come.
    pub came: Vec<(usize, Instant)>,
}

#[derive(Default)]
struct Heard {
    recording: Option<Recording>,
    meter: Meter,
    last: Option<Level>,
    windows: u64,
}

impl Resident {
    /// Ready for an offer. It is reached by 127.0.0.1 alone.
    pub fn new(outbox: impl Fn(Signal) + Send + Sync + 'static) -> Self {
        Self::reached_by(true, &[], outbox)
    }

    /// Ready for an offer, reached by 127.0.0.1 alone or by whatever addresses there are, and by these servers.
    pub fn reached_by(
        on_loopback: bool,
        servers: &[IceServer],
        outbox: impl Fn(Signal) + Send + Sync + 'static,
    ) -> Self {
        gst::init().expect("GStreamer is installed where the feature `media` is built");
        let pipeline = gst::Pipeline::new();
        let webrtc = gst::ElementFactory::make("webrtcbin")
            .property_from_str("bundle-policy", "max-bundle")
            // Of its jitter buffer, in milliseconds: there is no network to wait for.
            .property("latency", 20_u32)
            .build()
            .expect("webrtcbin is installed");
        let agent = webrtc.property::<glib::Object>("ice-agent");
        if on_loopback {
            assert!(agent.emit_by_name::<bool>("add-local-ip-address", &[&"127.0.0.1"]));
        }
        // No browser listens on TCP or asks the router for anything.
        let nice = agent.property::<glib::Object>("agent");
        ["ice-tcp", "upnp"].into_iter().for_each(|unwanted| nice.set_property(unwanted, false));
        for url in servers.iter().flat_map(turn_urls) {
            assert!(webrtc.emit_by_name::<bool>("add-turn-server", &[&url]), "a TURN server is taken");
        }
        pipeline.add(&webrtc).expect("the pipeline is new");
        let outbox: Outbox = Arc::new(outbox);
        let senses = Arc::new(Senses::default());
        let out = Arc::clone(&outbox);
        webrtc.connect("on-ice-candidate", false, move |values| {
            let sdp_m_line_index = values[1].get().expect("the signal's second argument is an index");
            let candidate: String = values[2].get().expect("the signal's third argument is a text");
            out(Signal::Candidate { candidate: candidate.into(), sdp_m_line_index });
            None
        });
        let (weak, sensing) = (pipeline.downgrade(), Arc::clone(&senses));
        webrtc.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = weak.upgrade().filter(|_| pad.direction() == gst::PadDirection::Src) {
                receive(&pipeline, pad, &sensing);
            }
        });
        let (voice, valve) = (make("audiotestsrc"), make("valve"));
        pipeline.set_state(gst::State::Playing).expect("it plays");
        Self { pipeline, webrtc, voice, valve, speaking: Mutex::new(None), outbox, senses }
    }

    /// Takes in the door's offer or candidate.
    pub fn apply(&self, signal: &Signal) {
        match signal {
            Signal::Offer { sdp } => self.answer(sdp.expose()),
            Signal::Candidate { candidate, sdp_m_line_index } => {
                self.webrtc.emit_by_name::<()>("add-ice-candidate", &[sdp_m_line_index, candidate.expose()]);
            }
            Signal::Answer { .. } => panic!("the door never answers"),
        }
    }

    /// From now on it sends this tone, at -12 dBFS RMS.
    pub fn talk(&self, hertz: u16) {
        self.voice.set_property("freq", f64::from(hertz));
        self.valve.set_property("drop", false);
    }

    /// From now on it sends this sound, of 48,000 samples a second, again and again. Each time it begins, `begins` is called.
    pub fn speak(&self, sound: Vec<i16>, begins: impl Fn() + Send + Sync + 'static) {
        assert!(!sound.is_empty());
        let next = AtomicUsize::new(0);
        let pad = self.voice.static_pad("src").expect("every source has one");
        let mut speaking = self.speaking.lock().unwrap_or_else(PoisonError::into_inner);
        speaking.take().into_iter().for_each(|before| pad.remove_probe(before));
        *speaking = pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
            let mut bytes = buffer.make_mut().map_writable().expect("it is our own");
            for sample in bytes.chunks_exact_mut(2) {
                let at = next.fetch_add(1, Ordering::SeqCst) % sound.len();
                if at == 0 {
                    begins();
                }
                sample.copy_from_slice(&sound[at].to_le_bytes());
            }
            gst::PadProbeReturn::Ok
        });
        self.valve.set_property("drop", false);
    }

    /// From now on it takes nothing and says nothing, its connection still up.
    pub fn stand_still(&self) {
        self.pipeline.set_state(gst::State::Paused).expect("it pauses");
    }

    /// From now on it keeps count of every picture.
    pub fn look_closely(&self) {
        *self.senses.looks.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// The pictures since then.
    pub fn looks(&self) -> Vec<Look> {
        self.senses.looks.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// From now on it keeps what it hears.
    pub fn record(&self) {
        self.senses.heard.lock().unwrap_or_else(PoisonError::into_inner).recording = Some(Recording::default());
    }

    /// And no longer.
    pub fn stop_recording(&self) {
        self.senses.heard.lock().unwrap_or_else(PoisonError::into_inner).recording = None;
    }

    /// What it heard since then.
    pub fn recording(&self) -> Recording {
        self.senses.heard.lock().unwrap_or_else(PoisonError::into_inner).recording.clone().unwrap_or_default()
    }

    /// From now on nothing leaves it, as if its phone had lost the network. ICE is not so easily silenced.
    pub fn fall_silent(&self) {
        let bin = self.webrtc.downcast_ref::<gst::Bin>().expect("webrtcbin is a bin");
        let mut sinks = 0;
        for element in bin.iterate_all_by_element_factory_name("nicesink") {
            let pad = element.ok().and_then(|element| element.static_pad("sink")).expect("a sink has one");
            let all = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
            // `Drop` would be a critical warning of GStreamer for each of them.
            pad.add_probe(all, |_, _| gst::PadProbeReturn::Handled);
            sinks += 1;
        }
        assert!(sinks > 0, "it is connected by ICE");
    }

    /// Pictures decoded so far.
    pub fn pictures(&self) -> u64 {
        self.senses.pictures.load(Ordering::SeqCst)
    }

    /// When the first picture was decoded.
    pub fn first_picture(&self) -> Option<Instant> {
        self.seen().first
    }

    /// The frame counter of the last picture.
    pub fn frame_number(&self) -> Option<u32> {
        self.seen().last_number
    }

    /// The mean of the last picture's luma: 16 is black, 235 is white (ITU-R BT.601).
    pub fn brightness(&self) -> u8 {
        self.seen().last_brightness
    }

    /// The most by which the frame counter jumped between two decoded pictures.
    pub fn longest_gap(&self) -> u32 {
        self.seen().longest_gap
    }

    /// Bytes of picture that arrived, in packets.
    pub fn picture_bytes(&self) -> u64 {
        self.senses.picture_bytes.load(Ordering::SeqCst)
    }

    /// Of the last picture.
    pub fn width(&self) -> u64 {
        self.senses.picture_width.load(Ordering::SeqCst)
    }

    /// RTP packets of sound that arrived.
    pub fn sound_packets(&self) -> u64 {
        self.senses.sound_packets.load(Ordering::SeqCst)
    }

    /// The last tenth of a second of sound.
    pub fn hears(&self) -> Option<Level> {
        self.senses.heard.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// ICE and DTLS are up.
    pub fn is_connected(&self) -> bool {
        self.webrtc.property::<gst_webrtc::WebRTCPeerConnectionState>("connection-state")
            == gst_webrtc::WebRTCPeerConnectionState::Connected
    }

    fn seen(&self) -> Seen {
        *self.senses.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, sdp: &str) {
        let sdp = gstreamer_sdp::SDPMessage::parse_buffer(sdp.as_bytes()).expect("the door's offer is SDP");
        let offer = gst_webrtc::WebRTCSessionDescription::new(gst_webrtc::WebRTCSDPType::Offer, sdp);
        let wait = gst::Promise::new();
        self.webrtc.emit_by_name::<()>("set-remote-description", &[&offer, &wait]);
        assert_eq!(wait.wait(), gst::PromiseResult::Replied);
        assert!(!wait.get_reply().is_some_and(|reply| reply.has_field("error")), "the offer is taken");
        self.prepare_voice();
        let wait = gst::Promise::new();
        self.webrtc.emit_by_name::<()>("create-answer", &[&None::<gst::Structure>, &wait]);
        assert_eq!(wait.wait(), gst::PromiseResult::Replied);
        let answer = wait
            .get_reply()
            .expect("an answer is replied")
            .get::<gst_webrtc::WebRTCSessionDescription>("answer")
            .expect("the reply holds the answer");
        let wait = gst::Promise::new();
        self.webrtc.emit_by_name::<()>("set-local-description", &[&answer, &wait]);
        assert_eq!(wait.wait(), gst::PromiseResult::Replied);
        self.report_often();
        let sdp = answer.sdp().as_text().expect("what was made can be written");
        (self.outbox)(Signal::Answer { sdp: sdp.into() });
    }

    /// Browsers report every second what they receive of a picture. GStreamer's own pace is that of RFC 3550, five seconds.
    fn report_often(&self) {
        let bin = self.webrtc.downcast_ref::<gst::Bin>().expect("webrtcbin is a bin");
        let sessions = bin.by_name("rtpbin").expect("webrtcbin has one");
        let session: glib::Object = sessions.emit_by_name("get-internal-session", &[&0_u32]);
        session.set_property("rtcp-min-interval", gst::ClockTime::SECOND.nseconds());
    }

    /// A closed valve stands for a track that is not there yet.
    fn prepare_voice(&self) {
        self.voice.set_property("is-live", true);
        self.voice.set_property("volume", 0.355_f64);
        self.voice.set_property("samplesperbuffer", 480_i32);
        self.valve.set_property("drop", true);
        let filter = make("capsfilter");
        filter.set_property(
            "caps",
            gst::Caps::builder("audio/x-raw").field("rate", 48_000_i32).field("channels", 1_i32).build(),
        );
        let (encoder, payloader) = (make("opusenc"), make("rtpopuspay"));
        payloader.set_property("pt", 97_u32);
        let chain = [&self.voice, &filter, &self.valve, &encoder, &payloader];
        self.pipeline.add_many(chain).expect("they are new");
        gst::Element::link_many(chain).expect("they fit");
        let pad = self.webrtc.request_pad_simple("sink_1").expect("the second section of the offer is sound");
        let transceiver = pad.property::<gst_webrtc::WebRTCRTPTransceiver>("transceiver");
        transceiver.set_property("direction", gst_webrtc::WebRTCRTPTransceiverDirection::Sendrecv);
        payloader.static_pad("src").expect("a payloader has one").link(&pad).expect("they fit");
        // The source last: it would give up at an element that does not play yet.
        for element in chain.iter().rev() {
            element.sync_state_with_parent().expect("they play");
        }
    }
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident")
            .field("connected", &self.is_connected())
            .field("pictures", &self.pictures())
            .field("sound_packets", &self.sound_packets())
            .field("hears", &self.hears())
            .finish_non_exhaustive()
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// As webrtcbin takes them: everything in the login escaped.
fn turn_urls(server: &IceServer) -> Vec<String> {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let user = escaped(server.username.as_deref().unwrap_or_default());
    let password = escaped(server.credential.as_ref().map_or("", |credential| credential.expose()));
    let hosts = server.urls.iter().filter_map(|url| url.strip_prefix("turn:"));
    hosts.map(|host| format!("turn://{user}:{password}@{host}")).collect()
}

fn make(factory: &str) -> gst::Element {
    gst::ElementFactory::make(factory).build().unwrap_or_else(|error| panic!("{factory}: {error}"))
}

fn receive(pipeline: &gst::Pipeline, pad: &gst::Pad, senses: &Arc<Senses>) {
    let caps = pad.current_caps().expect("webrtcbin adds a pad with its media type");
    let encoding: String =
        caps.structure(0).and_then(|fields| fields.get("encoding-name").ok()).expect("packets have an encoding");
    let is_sound = encoding == "OPUS";
    let counting = Arc::clone(senses);
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
        if !is_sound {
            let listed = || info.buffer_list().map_or(0, |list| list.iter().map(gst::BufferRef::size).sum());
            let bytes = info.buffer().map_or_else(listed, |buffer| buffer.size());
            counting.picture_bytes.fetch_add(bytes as u64, Ordering::SeqCst);
        }
        let counter = if is_sound { &counting.sound_packets } else { &counting.picture_packets };
        counter.fetch_add(1, Ordering::SeqCst);
        gst::PadProbeReturn::Ok
    });
    let factories: &[&str] = match encoding.as_str() {
        "OPUS" => &["rtpopusdepay", "opusdec", "audioconvert", "audioresample"],
        "VP8" => &["rtpvp8depay", "vp8dec", "videoconvert"],
        "H264" => &["rtph264depay", "h264parse", "openh264dec", "videoconvert"],
        other => panic!("the door offered {other}"),
    };
    let mut chain: Vec<gst::Element> = factories.iter().map(|factory| make(factory)).collect();
    chain.push(sense(is_sound, Arc::clone(senses)).upcast());
    pipeline.add_many(&chain).expect("they are new");
    gst::Element::link_many(&chain).expect("they fit");
    chain.iter().for_each(|element| element.sync_state_with_parent().expect("they play"));
    pad.link(&chain[0].static_pad("sink").expect("a depayloader has one")).expect("they fit");
}

fn sense(is_sound: bool, senses: Arc<Senses>) -> gst_app::AppSink {
    let caps = if is_sound {
        gst::Caps::builder("audio/x-raw").field("format", "S16LE").field("rate", 48_000_i32).field("channels", 1_i32)
    } else {
        gst::Caps::builder("video/x-raw").field("format", "I420")
    };
    let sink = gst_app::AppSink::builder().sync(false).async_(false).caps(&caps.build()).build();
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let bytes = sample.buffer().and_then(|buffer| buffer.map_readable().ok()).ok_or(gst::FlowError::Error)?;
        if is_sound {
            hear(&senses, &bytes);
        } else {
            let width: i32 = sample
                .caps()
                .and_then(|caps| caps.structure(0))
                .and_then(|fields| fields.get("width").ok())
                .ok_or(gst::FlowError::Error)?;
            senses.picture_width.store(u64::try_from(width).unwrap_or_default(), Ordering::SeqCst);
            see(&senses, &bytes, usize::try_from(width).unwrap_or_default());
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
    sink
}

fn hear(senses: &Senses, bytes: &[u8]) {
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
    let mut heard = senses.heard.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(recording) = &mut heard.recording {
        recording.samples.extend(&samples);
        recording.came.push((recording.samples.len(), Instant::now()));
    }
    if let Some(level) = heard.meter.add(&samples) {
        heard.last = Some(level);
        heard.windows += 1;
    }
}

fn see(senses: &Senses, luma: &[u8], width: usize) {
    let mut seen = senses.seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.first.get_or_insert_with(Instant::now);
    let number = read_frame_counter(luma, width);
    let mut looks = senses.looks.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(number), Some(looks)) = (number, looks.as_mut()) {
        looks.push(Look { number, width, at: Instant::now() });
    }
    if let (Some(number), Some(last)) = (number, seen.last_number) {
        seen.longest_gap = seen.longest_gap.max(number.saturating_sub(last));
    }
    seen.last_number = number;
    // The chroma planes follow the luma plane and are half as long.
    let plane = &luma[..luma.len() / 3 * 2];
    let sum: u64 = plane.iter().copied().map(u64::from).sum();
    seen.last_brightness = u8::try_from(sum / plane.len().max(1) as u64).unwrap_or(u8::MAX);
    senses.pictures.fetch_add(1, Ordering::SeqCst);
}
