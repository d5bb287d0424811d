//! The worker at work: one session at a time with its camera, its microphone and its connections, and the speaker beside it.
//!
//! It executes orders and reports what it sees. The microphone is open exactly while some gate is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use gstreamer as gst;

use super::capture::{Capture, Opening};
use super::closing::Closing;
use super::connection::Plan;
use super::event::{Event, PeerEvent};
use super::gate::Gate;
use super::lines::Reports;
use super::mixer::Mixer;
use super::peer::{Outcome, Peer};
use super::speaker::Speaker;
use super::timeline::Timeline;
use crate::ids::{PeerId, SessionId};
use crate::media::pipeline::{self, CameraSource, Encoder, MediaSettings};
use crate::media::protocol::{Order, Report, Source};
use crate::signaling::protocol::{IceServer, Signal};

/// More orders than this for a session that cannot begin yet are not meant seriously.
const WAITING: usize = 256;

/// Everything the worker has.
pub(super) struct Studio {
    settings: MediaSettings,
    encoder: Encoder,
    timeline: Timeline,
    events: Sender<Event>,
    reports: Reports,
    mixer: Arc<Mixer>,
    speaker: Speaker,
    closing: Closing,
    stage: Stage,
    /// Sources that are open, by their number: those of placeholders are not among them.
    open: BTreeMap<u64, Source>,
    /// Which closing ends which source.
    ending: BTreeMap<u64, u64>,
    opened: u64,
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
    picture: Option<Capture>,
    sound: Option<Capture>,
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
        let speaker = Speaker::new(settings.speaker.clone(), Arc::clone(&mixer), timeline.clone(), events.clone());
        Self {
            closing: Closing::new(events.clone()),
            settings,
            encoder,
            timeline,
            events,
            reports,
            mixer,
            speaker,
            stage: Stage::Idle,
            open: BTreeMap::new(),
            ending: BTreeMap::new(),
            opened: 0,
            sounding: false,
        }
    }

    /// Does what the door orders.
    pub(super) fn execute(&mut self, order: Order, now: Instant) {
        if let Order::Play { tone } = order {
            self.mixer.play(tone);
            if tone.is_some() {
                self.speaker.open(now);
            }
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
            Order::OpenGate { peer } => self.open_gate(peer, now),
            Order::RemovePeer { peer } => self.remove_peer(peer),
            Order::StartSession { session_id, picture } => self.start_session(session_id, picture, now),
            Order::StopSession { session_id } => self.stop_session(session_id),
            Order::Configure { .. } | Order::Ping { .. } | Order::Play { .. } => {}
        }
    }

    /// Takes in what happened.
    pub(super) fn hear(&mut self, event: Event, now: Instant) {
        match event {
            Event::CaptureFailed { opened, message } => self.replace_source(opened, message),
            Event::CaptureOpened { opened } => self.source_opened(opened),
            Event::Closed(number) => self.closed(number, now),
            Event::Peer { peer, event } => self.hear_peer(peer, event, now),
            Event::SpeakerLevel(level) => {
                let sounds = level.dbfs > super::level::SILENCE;
                // Also the first silence after a sound: whoever shows the level must not keep showing the last one.
                if sounds || self.sounding {
                    self.reports.send(Report::SpeakerLevel { dbfs: level.dbfs, hertz: level.hertz });
                }
                self.sounding = sounds;
            }
            Event::SpeakerFailed(error) => {
                tracing::error!(error, "the speaker failed");
                if let Some(pipeline) = self.speaker.fail(now) {
                    self.closing.close(pipeline);
                }
            }
            Event::HangUp | Event::Initialised(_) | Event::Order(_) | Event::WarmUp(_) => {}
        }
    }

    /// Looks at every deadline.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.closing.hangs(now) {
            tracing::error!("a pipeline does not close: giving up");
            std::process::exit(70);
        }
        if let Stage::Running(session) = &mut self.stage {
            let lost: Vec<(PeerId, &str)> = session
                .peers
                .iter_mut()
                .filter_map(|(id, peer)| peer.verdict(now).map(|reason| (*id, reason)))
                .collect();
            let silent: Vec<u64> = [&mut session.picture, &mut session.sound]
                .into_iter()
                .flatten()
                .filter_map(|source| source.went_silent(now).then_some(source.opened))
                .collect();
            lost.into_iter().for_each(|(peer, reason)| self.lose_peer(peer, reason.to_owned()));
            silent.into_iter().for_each(|opened| self.replace_source(opened, "it gives nothing any more".to_owned()));
            self.speaker.open(now);
        }
        if let Some(pipeline) = self.speaker.close_if_idle(now) {
            self.closing.close(pipeline);
        }
    }

    /// Closes a pipeline off the loop.
    pub(super) fn close(&mut self, pipeline: gst::Pipeline) {
        self.closing.close(pipeline);
    }

    /// The door is gone: everything is to be closed. What happens is still to be handed in, until [`Self::is_closed`].
    pub(super) fn finish(&mut self) {
        if let Stage::Running(Session { id, .. }) = &self.stage {
            self.stop_session(*id);
        }
        if let Some(pipeline) = self.speaker.finish() {
            self.closing.close(pipeline);
        }
    }

    /// Nothing is left to close.
    pub(super) fn is_closed(&self) -> bool {
        self.closing.is_empty()
    }

    fn start_session(&mut self, session_id: SessionId, picture: bool, now: Instant) {
        match &self.stage {
            Stage::Running(session) if session.id == session_id => return,
            Stage::Running(session) => {
                let before = session.id;
                self.stop_session(before);
                self.execute(Order::StartSession { session_id, picture }, now);
                return;
            }
            Stage::Idle => {}
            Stage::Stopping { .. } => return,
        }
        let picture = if picture { self.open_source(Source::Camera) } else { None };
        self.stage = Stage::Running(Session { id: session_id, picture, sound: None, peers: BTreeMap::new() });
        self.speaker.open(now);
    }

    fn stop_session(&mut self, session_id: SessionId) {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Running(session) if session.id == session_id => {
                for (id, peer) in session.peers {
                    self.mixer.leave(id);
                    self.closing.close(peer.into_pipeline());
                }
                [session.picture, session.sound].into_iter().flatten().for_each(|source| self.close_source(source));
                self.stage = Stage::Stopping { session_id, waiting: Vec::new() };
                self.finish_stopping(Instant::now());
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
        let source = self.ending.remove(&number).and_then(|opened| self.open.remove(&opened));
        if source.is_some() {
            self.report_capturing();
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
        if !session.peers.get_mut(&id).is_some_and(|peer| peer.apply(signal)) {
            tracing::info!(peer = %id, "a signal that makes no sense now was passed over");
        }
    }

    fn hear_peer(&mut self, id: PeerId, event: PeerEvent, now: Instant) {
        let Stage::Running(session) = &mut self.stage else { return };
        let Some(peer) = session.peers.get_mut(&id) else { return };
        let session_id = session.id;
        match peer.hear(event, &self.settings.ice, now) {
            Outcome::Connected => {
                session.picture.iter().for_each(|picture| peer.watch(picture));
                session.sound.iter().for_each(|sound| peer.listen(sound));
                self.reports.send(Report::Connected { session_id, peer: id });
            }
            Outcome::Lost(reason) => self.lose_peer(id, reason),
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
        if session.sound.is_none() {
            let sound = self.open_source(Source::Microphone);
            if let Stage::Running(session) = &mut self.stage {
                session.sound = sound;
            }
        }
        self.feed(Source::Microphone);
        self.speaker.open(now);
    }

    fn lose_peer(&mut self, id: PeerId, reason: String) {
        let Stage::Running(session) = &self.stage else { return };
        let session_id = session.id;
        self.remove_peer(id);
        self.reports.send(Report::Lost { session_id, peer: id, reason });
    }

    fn remove_peer(&mut self, id: PeerId) {
        let Stage::Running(session) = &mut self.stage else { return };
        let Some(peer) = session.peers.remove(&id) else { return };
        self.mixer.leave(id);
        self.closing.close(peer.into_pipeline());
        let talkers_left = session.peers.values().any(Peer::is_open);
        if !talkers_left && let Some(sound) = session.sound.take() {
            self.close_source(sound);
        }
    }

    /// Opens a source, or what stands in for it.
    fn open_source(&mut self, source: Source) -> Option<Capture> {
        self.assemble(source, false).or_else(|| self.assemble(source, true))
    }

    fn assemble(&mut self, source: Source, is_placeholder: bool) -> Option<Capture> {
        self.opened += 1;
        let (settings, encoder) = (&self.settings, self.encoder);
        let parts = match (source, is_placeholder) {
            (Source::Camera, false) => pipeline::picture(&settings.camera, &settings.video, encoder),
            (Source::Camera, true) => pipeline::placeholder_picture(&settings.video, encoder),
            (Source::Microphone, false) => pipeline::sound(&settings.microphone),
            (Source::Microphone, true) => pipeline::placeholder_sound(),
        };
        let is_test_picture = source == Source::Camera && (is_placeholder || settings.camera == CameraSource::Test);
        let opening = Opening {
            source,
            opened: self.opened,
            is_placeholder,
            count_frames: is_test_picture.then_some(usize::from(settings.video.width)),
            timeline: &self.timeline,
            events: &self.events,
        };
        match Capture::open(&parts, &opening) {
            Ok(capture) => Some(capture),
            Err(error) => {
                self.reports.send(Report::SourceFailed { source, message: error.to_string() });
                None
            }
        }
    }

    fn source_opened(&mut self, opened: u64) {
        let Stage::Running(session) = &self.stage else { return };
        let source = [&session.picture, &session.sound].into_iter().flatten().find(|source| source.opened == opened);
        if let Some(source) = source.filter(|source| !source.is_placeholder) {
            self.open.insert(opened, source.source);
            self.report_capturing();
        }
    }

    /// A source failed: what stands in for it takes its place.
    fn replace_source(&mut self, opened: u64, message: String) {
        let Stage::Running(session) = &mut self.stage else { return };
        let place = if session.picture.as_ref().is_some_and(|source| source.opened == opened) {
            &mut session.picture
        } else if session.sound.as_ref().is_some_and(|source| source.opened == opened) {
            &mut session.sound
        } else {
            return;
        };
        let Some(failed) = place.take() else { return };
        let source = failed.source;
        let retry = !failed.is_placeholder;
        self.reports.send(Report::SourceFailed { source, message });
        self.close_source(failed);
        let replacement = if retry { self.assemble(source, true) } else { None };
        if let Stage::Running(session) = &mut self.stage {
            match source {
                Source::Camera => session.picture = replacement,
                Source::Microphone => session.sound = replacement,
            }
        }
        self.feed(source);
    }

    fn feed(&mut self, source: Source) {
        let Stage::Running(session) = &mut self.stage else { return };
        for peer in session.peers.values_mut() {
            match source {
                Source::Camera => session.picture.iter().for_each(|picture| peer.watch(picture)),
                Source::Microphone => session.sound.iter().for_each(|sound| peer.listen(sound)),
            }
        }
    }

    fn close_source(&mut self, source: Capture) {
        let opened = source.opened;
        let number = self.closing.close(source.into_pipeline());
        self.ending.insert(number, opened);
    }

    fn report_capturing(&self) {
        let is_open = |source| self.open.values().any(|&open| open == source);
        self.reports
            .send(Report::Capturing { camera: is_open(Source::Camera), microphone: is_open(Source::Microphone) });
    }
}
