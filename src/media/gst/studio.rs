//! The worker at work: one session at a time with its camera, its microphone and its connections, and the speaker beside it.
//!
//! It executes orders and reports what it sees. The microphone is open exactly while some gate is, the camera during a call
//! with picture, or always where the installer wants it on standby.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use gstreamer as gst;

use super::closing::Closing;
use super::connection::Plan;
use super::echo::{Figures, Room};
use super::event::{Event, PeerEvent};
use super::faults::Faults;
use super::gate::Gate;
use super::hearing::Heard;
use super::lines::Reports;
use super::mixer::Mixer;
use super::peer::{Outcome, Peer};
use super::place::{Maker, Source};
use super::presence::{Change, Presence};
use super::prompt::{self, Samples};
use super::sources::{Hands, Sources};
use super::speaker::{Condition, Speaker};
use super::starting::Started;
use super::still;
use super::timeline::Timeline;
use crate::clock;
use crate::ids::{PeerId, SessionId};
use crate::media::pipeline::{Encoder, MediaSettings, SAMPLE_RATE, Standby, VideoSettings};
use crate::media::protocol::{Audible, Device, Order, Reason, Report};
use crate::media::rate::{self, Limits, Rate, Shape};
use crate::panel::fault::Fault;
use crate::panel::sound::Cue;
use crate::signaling::protocol::{IceServer, Signal};

/// More orders than this for a session that cannot begin yet are not meant seriously.
const WAITING: usize = 256;
/// Receivers report about once a second.
const MEASURE: Duration = Duration::from_secs(1);

/// Everything the worker has.
pub(super) struct Studio {
    settings: MediaSettings,
    encoder: Encoder,
    timeline: Timeline,
    events: Sender<Event>,
    reports: Reports,
    mixer: Arc<Mixer>,
    /// The installer's own sounds, as far as they can be played.
    prompts: BTreeMap<Cue, Samples>,
    room: Arc<Room>,
    speaker: Speaker,
    sources: Sources,
    closing: Closing,
    faults: Faults,
    presence: Presence,
    stage: Stage,
    /// How much picture there is for everybody.
    rate: Rate,
    /// When the connections were last asked what they measure.
    measured: Instant,
    /// The speaker played something when it was last measured.
    sounding: bool,
}

enum Stage {
    Idle,
    Running(Session),
    /// Everything of this session is being closed; what is ordered for the next waits.
    Stopping {
        session_id: SessionId,
        waiting: Vec<Order>,
    },
}

struct Session {
    id: SessionId,
    /// A still of it was made, or is being made.
    still_taken: bool,
    peers: BTreeMap<PeerId, Peer>,
}

impl Studio {
    /// A studio with everything closed.
    pub(super) fn new(
        settings: MediaSettings,
        encoder: Encoder,
        timeline: Timeline,
        events: Sender<Event>,
        reports: Reports,
    ) -> Self {
        let mixer = Arc::new(Mixer::default());
        prompt::decode_all(settings.prompts.clone(), events.clone());
        let room = Room::new(settings.echo);
        let sink = settings.speaker.clone();
        let speaker = Speaker::new(sink, Arc::clone(&mixer), Arc::clone(&room), timeline.clone(), events.clone());
        let maker = Maker {
            settings: settings.clone(),
            encoder,
            room: Arc::clone(&room),
            timeline: timeline.clone(),
            events: events.clone(),
            opened: 0,
        };
        Self {
            closing: Closing::new(events.clone()),
            sources: Sources::new(maker),
            faults: Faults::new(reports.clone()),
            presence: Presence::new(),
            rate: whole(&settings.video),
            settings,
            encoder,
            timeline,
            events,
            reports,
            mixer,
            prompts: BTreeMap::new(),
            room,
            speaker,
            stage: Stage::Idle,
            measured: Instant::now(),
            sounding: false,
        }
    }

    /// Does what the door orders.
    pub(super) fn execute(&mut self, order: Order, now: Instant) {
        if let Order::Play { sound } = order {
            self.play(sound, now);
            return;
        }
        if let Stage::Stopping { waiting, session_id } = &mut self.stage {
            let again = matches!(&order, Order::StopSession { session_id: again } if again == session_id);
            if !again && waiting.len() < WAITING {
                waiting.push(order);
            }
            return;
        }
        match order {
            Order::AddPeer { session_id, peer, ice_servers } => self.add_peer(session_id, peer, &ice_servers, now),
            Order::ApplySignal { peer, signal } => self.apply_signal(peer, signal),
            Order::MeasureEcho { chirps } => self.room.measure(chirps.into()),
            Order::OpenGate { peer } => self.open_gate(peer, now),
            Order::RemovePeer { peer } => self.remove_peer(peer, now),
            Order::StartSession { session_id, picture } => self.start_session(session_id, picture, now),
            Order::StopSession { session_id } => self.stop_session(session_id, now),
            Order::Configure { .. } | Order::Ping { .. } | Order::Play { .. } => {}
        }
    }

    /// Takes in what happened.
    pub(super) fn hear(&mut self, event: Event, now: Instant) {
        match event {
            Event::CaptureFailed { opened, fault } => {
                let source = self.with_sources(now, |sources, hands| sources.failed(opened, fault, hands));
                self.feed(source);
            }
            Event::CaptureFlows { opened } => {
                let source = self.with_sources(now, |sources, hands| sources.flows(opened, hands));
                if source == Some(Source::Microphone) {
                    self.mixer.duck();
                }
                self.feed(source);
                if source == Some(Source::Camera) {
                    self.watch_for_still();
                }
            }
            Event::CaptureOpened { opened } => {
                if let Some((device, reason)) = self.sources.opened(opened) {
                    self.reports.send(Report::DeviceOpened { device, reason });
                    self.reports.send(self.sources.capturing());
                }
            }
            Event::Closed(number) => self.closed(number, now),
            Event::EchoMeasured(measured) => self.reports.send(Report::EchoMeasured(measured)),
            Event::Heard(Figures { captured, sent, played, delay, lowered }) => {
                self.reports.send(Report::Sound { captured, sent, played, delay, lowered });
            }
            Event::Peer { peer, event } => self.hear_peer(peer, event, now),
            Event::PictureSettled { opened, picture } => self.make_still(opened, picture),
            Event::StillMade { session_id, still } => self.reports.send(Report::StillTaken { session_id, still }),
            Event::SpeakerLevel(level) => {
                let sounds = level.dbfs > super::level::SILENCE;
                // Also the first silence after a sound: whoever shows the level must not keep showing the last one.
                if sounds || self.sounding {
                    self.reports.send(Report::SpeakerLevel { dbfs: level.dbfs, hertz: level.hertz });
                }
                self.sounding = sounds;
            }
            Event::PromptDecoded { cue, samples } => self.prompt_decoded(cue, samples),
            Event::SpeakerFailed { opened, fault } => self.speaker_failed(opened, fault, now),
            Event::HangUp | Event::Initialised(_) | Event::Order(_) | Event::WarmUp(_) => {}
        }
    }

    fn play(&mut self, sound: Option<Audible>, now: Instant) {
        match sound {
            Some(Audible::Prompt { cue, .. }) => match self.prompts.get(&cue) {
                Some(samples) => self.mixer.say(Arc::clone(samples), cue.repeats()),
                None => self.mixer.play(None),
            },
            Some(Audible::Tone(tone)) => self.mixer.play(Some(tone)),
            None => self.mixer.play(None),
        }
        if sound.is_some() {
            self.open_speaker(now);
        }
    }

    fn prompt_decoded(&mut self, cue: Cue, samples: Result<Samples, Fault>) {
        let report = match samples {
            Ok(samples) => {
                let milliseconds = samples.len() as u64 * 1000 / SAMPLE_RATE as u64;
                self.prompts.insert(cue, samples);
                Report::PromptReady { cue, milliseconds }
            }
            Err(fault) => Report::PromptFailed { cue, fault },
        };
        self.reports.send(report);
    }

    /// Looks at every deadline.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.closing.hangs(matches!(self.stage, Stage::Running(_)), now) {
            tracing::error!("a pipeline does not close: giving up");
            std::process::exit(70);
        }
        self.look_for_devices(now);
        if let Stage::Running(session) = &mut self.stage {
            let lost: Vec<(PeerId, &str)> = session
                .peers
                .iter_mut()
                .filter_map(|(id, peer)| peer.verdict(now).map(|reason| (*id, reason)))
                .collect();
            if now.saturating_duration_since(self.measured) >= MEASURE {
                self.measured = now;
                session.peers.values_mut().for_each(Peer::measure);
                let actions = self.rate.handle_timeout(clock::now());
                self.adapt(actions);
            }
            lost.into_iter().for_each(|(peer, reason)| self.lose_peer(peer, reason.to_owned(), now));
            self.open_speaker(now);
        } else if self.speaker.is_wanted() {
            self.open_speaker(now);
        }
        // Without a call, too: a camera on standby is one.
        let Self { sources, presence, closing, faults, .. } = self;
        let fed = sources.tick(|device| presence.is_absent(device), &mut Hands { closing, faults, now });
        self.feed(fed);
        match self.speaker.look(now) {
            Condition::Works => self.faults.works(Device::Speaker),
            Condition::Unknown => {}
            Condition::Stopped => {
                self.speaker_failed(self.speaker.opened(), Fault::failed("it takes nothing any more"), now)
            }
        }
        self.speaker.close_if_idle(&mut self.closing, now);
    }

    /// Whether the devices are there, also while nobody needs them: the installer is to know before the visitor does.
    fn look_for_devices(&mut self, now: Instant) {
        for change in self.presence.look(&self.settings, now) {
            match change {
                Change::Came(device) => {
                    self.with_sources(now, |sources, hands| sources.came(device, hands));
                    if device == Device::Speaker {
                        self.speaker.came();
                        self.faults.works(device);
                    }
                }
                Change::Went(device, fault) => {
                    if device == Device::Speaker {
                        self.faults.found(device, fault.clone());
                        self.speaker_failed(self.speaker.opened(), fault, now);
                    } else {
                        let source = self.with_sources(now, |sources, hands| sources.went(device, fault, hands));
                        self.feed(source);
                    }
                }
            }
        }
    }

    /// Closes a pipeline off the loop.
    pub(super) fn close(&mut self, started: Started) {
        self.closing.close(started);
    }

    /// The door is gone: everything is to be closed. What happens is still to be handed in, until [`Self::is_closed`].
    pub(super) fn finish(&mut self) {
        let now = Instant::now();
        for source in [Source::Camera, Source::Microphone] {
            self.close_source(source, Reason::StationEnds, now);
        }
        if let Stage::Running(Session { id, .. }) = &self.stage {
            self.stop_session(*id, now);
        }
        self.speaker.finish(&mut self.closing);
    }

    /// Nothing is left to close.
    pub(super) fn is_closed(&self) -> bool {
        self.closing.is_empty()
    }

    /// Opens what is to be open without a call.
    pub(super) fn stand_by(&mut self, now: Instant) {
        match self.settings.standby {
            Standby::Closed => {}
            Standby::Warm => self.open_source(Source::Camera, Reason::Standby, now),
        }
    }

    fn start_session(&mut self, session_id: SessionId, picture: bool, now: Instant) {
        match &self.stage {
            Stage::Running(session) if session.id == session_id => return,
            Stage::Running(session) => {
                let before = session.id;
                self.stop_session(before, now);
                self.execute(Order::StartSession { session_id, picture }, now);
                return;
            }
            Stage::Idle => {}
            Stage::Stopping { .. } => return,
        }
        self.stage = Stage::Running(Session { id: session_id, still_taken: false, peers: BTreeMap::new() });
        self.rate = whole(&self.settings.video);
        // A camera that is always open may still encode for those of the call before.
        if let Some(capture) = self.sources.on_air(Source::Camera) {
            capture.adapt(self.rate.shape(), self.encoder);
        }
        if picture {
            self.open_source(Source::Camera, Reason::Call, now);
            self.watch_for_still();
        }
        self.open_speaker(now);
    }

    /// A session has one still, of the camera itself: what stands in for it has nothing to show.
    fn watch_for_still(&self) {
        if let (Stage::Running(Session { still_taken: false, .. }), Some(capture)) =
            (&self.stage, self.sources.on_air(Source::Camera))
        {
            capture.watch_for_still(&self.events);
        }
    }

    fn make_still(&mut self, opened: u64, picture: gst::Sample) {
        let Stage::Running(session) = &mut self.stage else { return };
        let of_now = self.sources.on_air(Source::Camera).is_some_and(|capture| capture.opened == opened);
        if of_now && !std::mem::replace(&mut session.still_taken, true) {
            still::make(session.id, picture, self.events.clone());
        }
    }

    fn stop_session(&mut self, session_id: SessionId, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Running(session) if session.id == session_id => {
                for (id, peer) in session.peers {
                    self.mixer.leave(id);
                    self.closing.close(peer.into_started());
                }
                self.close_source(Source::Microphone, Reason::CallOver, now);
                if self.settings.standby == Standby::Closed {
                    self.close_source(Source::Camera, Reason::CallOver, now);
                }
                self.stage = Stage::Stopping { session_id, waiting: Vec::new() };
                self.finish_stopping(now);
            }
            other => {
                self.stage = other;
                // Nothing of it is open, which is what was wanted.
                self.reports.send(Report::SessionStopped { session_id });
            }
        }
    }

    fn finish_stopping(&mut self, now: Instant) {
        if !self.closing.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Stopping { session_id, waiting } => {
                self.reports.send(Report::SessionStopped { session_id });
                waiting.into_iter().for_each(|order| self.execute(order, now));
            }
            other @ (Stage::Idle | Stage::Running(_)) => self.stage = other,
        }
    }

    fn closed(&mut self, number: u64, now: Instant) {
        self.closing.closed(number);
        self.speaker.closed(number);
        if let Some((device, reason)) = self.sources.closed(number) {
            self.reports.send(Report::DeviceClosed { device, reason });
            self.reports.send(self.sources.capturing());
        }
        self.finish_stopping(now);
    }

    fn add_peer(&mut self, session_id: SessionId, id: PeerId, ice_servers: &[IceServer], now: Instant) {
        let Stage::Running(session) = &mut self.stage else { return };
        if session.id != session_id || session.peers.contains_key(&id) {
            tracing::debug!(peer = %id, "a connection of another session, or one that exists");
            return;
        }
        let gate = Gate::closed();
        let events = self.events.clone();
        let plan = Plan {
            peer: id,
            encoder: self.encoder,
            ice: &self.settings.ice,
            ice_servers,
            timeline: &self.timeline,
            mixer: &self.mixer,
            guard: gate.guard(),
            notify: Arc::new(move |event| drop(events.send(Event::Peer { peer: id, event }))),
        };
        match Peer::offer(gate, &plan, now) {
            Ok(peer) => {
                session.peers.insert(id, peer);
            }
            Err(error) => self.reports.send(Report::Lost { session_id, peer: id, reason: error.to_string() }),
        }
    }

    fn apply_signal(&mut self, id: PeerId, signal: Signal) {
        let Stage::Running(session) = &mut self.stage else { return };
        if !session.peers.get_mut(&id).is_some_and(|peer| peer.apply(signal, &self.settings.ice)) {
            tracing::info!(peer = %id, "a signal that makes no sense now was passed over");
        }
    }

    fn hear_peer(&mut self, id: PeerId, event: PeerEvent, now: Instant) {
        let Stage::Running(session) = &mut self.stage else { return };
        let Some(peer) = session.peers.get_mut(&id) else { return };
        let session_id = session.id;
        match peer.hear(event, &self.settings.ice, now) {
            Outcome::Connected => {
                self.sources.on_air(Source::Camera).into_iter().for_each(|picture| peer.watch(picture));
                self.sources.on_air(Source::Microphone).into_iter().for_each(|sound| peer.listen(sound));
                peer.measure();
                let talks = peer.is_open();
                self.reports.send(Report::Connected { session_id, peer: id });
                self.rate_happened(rate::Event::Came { peer: id });
                if talks {
                    self.rate_happened(rate::Event::Talks { peer: id });
                }
            }
            Outcome::Flows(flow) => self.reports.send(Report::Flows { session_id, peer: id, flow }),
            Outcome::Lost(reason) => self.lose_peer(id, reason, now),
            Outcome::Measured { way, heard } => {
                if let Some(way) = way {
                    self.reports.send(Report::Path { session_id, peer: id, way });
                }
                if let Some(Heard { lost, round_trip, .. }) = heard {
                    self.rate_happened(rate::Event::Reported { peer: id, lost, round_trip });
                }
            }
            Outcome::Tell(signals) => {
                for signal in signals {
                    self.reports.send(Report::Signal { session_id, peer: id, signal });
                }
            }
        }
    }

    /// CONSENT: the only place that opens a gate, on the door's order.
    fn open_gate(&mut self, id: PeerId, now: Instant) {
        let Stage::Running(session) = &mut self.stage else { return };
        let Some(peer) = session.peers.get_mut(&id) else { return };
        peer.open_gate();
        self.mixer.join(id);
        self.rate_happened(rate::Event::Talks { peer: id });
        self.open_source(Source::Microphone, Reason::Conversation, now);
        self.feed([Source::Microphone]);
        self.open_speaker(now);
    }

    fn lose_peer(&mut self, id: PeerId, reason: String, now: Instant) {
        let Stage::Running(session) = &self.stage else { return };
        let session_id = session.id;
        if let Some(peer) = session.peers.get(&id) {
            self.reports.send(Report::Path { session_id, peer: id, way: peer.way() });
        }
        self.remove_peer(id, now);
        self.reports.send(Report::Lost { session_id, peer: id, reason });
    }

    fn remove_peer(&mut self, id: PeerId, now: Instant) {
        let Stage::Running(session) = &mut self.stage else { return };
        let Some(peer) = session.peers.remove(&id) else { return };
        self.mixer.leave(id);
        self.closing.close(peer.into_started());
        let talkers_left = session.peers.values().any(Peer::is_open);
        if !talkers_left {
            self.close_source(Source::Microphone, Reason::ConversationOver, now);
        }
        self.rate_happened(rate::Event::Left { peer: id });
    }

    /// Opens a source, or what stands in for it.
    fn open_source(&mut self, source: Source, reason: Reason, now: Instant) {
        let absent = self.presence.is_absent(source.into());
        self.with_sources(now, |sources, hands| sources.open(source, reason, absent, hands));
    }

    fn close_source(&mut self, source: Source, reason: Reason, now: Instant) {
        self.with_sources(now, |sources, hands| sources.close(source, reason, hands));
    }

    fn with_sources<T>(&mut self, now: Instant, work: impl FnOnce(&mut Sources, &mut Hands<'_>) -> T) -> T {
        let Self { sources, closing, faults, .. } = self;
        work(sources, &mut Hands { closing, faults, now })
    }

    fn open_speaker(&mut self, now: Instant) {
        if let Err(error) = self.speaker.open(self.presence.is_absent(Device::Speaker), now) {
            self.faults.found(Device::Speaker, error.fault());
        }
    }

    fn speaker_failed(&mut self, opened: u64, fault: Fault, now: Instant) {
        if self.speaker.fail(opened, &mut self.closing, now) {
            self.faults.found(Device::Speaker, fault);
            if std::mem::take(&mut self.sounding) {
                self.reports.send(Report::SpeakerLevel { dbfs: super::level::NOTHING, hertz: 0.0 });
            }
        }
    }

    fn rate_happened(&mut self, event: rate::Event) {
        let actions = self.rate.handle(clock::now(), event);
        self.adapt(actions);
    }

    fn adapt(&mut self, actions: Vec<rate::Action>) {
        let Stage::Running(session) = &mut self.stage else { return };
        for action in actions {
            match action {
                rate::Action::Encode(shape) => {
                    tracing::debug!(?shape, "the picture follows its receivers");
                    if let Some(capture) = self.sources.on_air(Source::Camera) {
                        capture.adapt(shape, self.encoder);
                    }
                }
                rate::Action::Picture { peer, shown } => {
                    tracing::info!(%peer, shown, "picture for a connection");
                    let Some(receiver) = session.peers.get_mut(&peer) else { continue };
                    receiver.show(shown);
                    if let Some(capture) = self.sources.on_air(Source::Camera) {
                        receiver.watch(capture);
                    }
                }
            }
        }
        session.peers.iter().for_each(|(id, peer)| peer.pace(self.rate.pace(*id)));
    }

    /// Connections go over to what is on the air now.
    fn feed(&mut self, sources: impl IntoIterator<Item = Source>) {
        let Stage::Running(session) = &mut self.stage else { return };
        for source in sources {
            let Some(capture) = self.sources.on_air(source) else { continue };
            if source == Source::Camera {
                capture.adapt(self.rate.shape(), self.encoder);
            }
            for peer in session.peers.values_mut() {
                match source {
                    Source::Camera => peer.watch(capture),
                    Source::Microphone => peer.listen(capture),
                }
            }
        }
    }
}

/// Everything that is configured.
fn whole(video: &VideoSettings) -> Rate {
    let VideoSettings { width, height, frame_rate, bitrate, bitrate_floor, .. } = *video;
    let limits = Limits { floor: bitrate_floor, ceiling: bitrate };
    Rate::new(limits, Shape { kilobits: bitrate, width, height, frame_rate })
}
