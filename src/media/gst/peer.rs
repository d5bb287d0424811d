//! One resident's connection on the worker's loop: what was said, whether it lives, and what it is fed.

use std::time::Instant;

use gstreamer_utils::ConsumptionLink;
use gstreamer_webrtc::WebRTCPeerConnectionState;

use super::assembly::AssemblyError;
use super::capture::Capture;
use super::connection::{Connection, Notify, Plan};
use super::event::PeerEvent;
use super::gate::Gate;
use super::hearing::{Heard, Hearing};
use super::ice;
use super::liveness::Liveness;
use super::negotiation::{Candidate, Negotiation};
use super::starting::Started;
use super::statistics::Measured;
use super::ways::Ways;
use crate::media::admission;
use crate::media::pipeline::IceSettings;
use crate::media::protocol::{Flow, Way};
use crate::signaling::protocol::Signal;

/// A connection.
pub(super) struct Peer {
    /// Sound flows through here or not at all.
    gate: Gate,
    connection: Connection,
    negotiation: Negotiation,
    liveness: Liveness,
    ways: Ways,
    way: Way,
    hearing: Hearing,
    /// Its way has no room for the picture.
    sound_only: bool,
    notify: Notify,
    offer: Option<String>,
    /// Links that feed it: picture and sound.
    picture: Option<ConsumptionLink>,
    sound: Option<ConsumptionLink>,
}

/// What an event of a connection leads to.
pub(super) enum Outcome {
    /// ICE and DTLS are up for the first time.
    Connected,
    /// This flowed for the first time.
    Flows(Flow),
    /// It is of no use any more.
    Lost(String),
    /// These are for the resident, perhaps none.
    Tell(Vec<Signal>),
    /// It measured itself: the way by which it runs, if it is another, and what its receiver reports, if that is new.
    Measured { way: Option<Way>, heard: Option<Heard> },
}

impl Peer {
    /// Begins a connection. The gate must be the one whose guard is in the plan.
    pub(super) fn offer(gate: Gate, plan: &Plan<'_>, now: Instant) -> Result<Self, AssemblyError> {
        let connection = Connection::offer(plan)?;
        let liveness = Liveness::connecting(connection.arrivals.clone(), now);
        let servers = ice::servers(plan.ice_servers);
        let turn = servers.iter().filter(|server| matches!(server, ice::Server::Turn(_))).count();
        Ok(Self {
            gate,
            connection,
            negotiation: Negotiation::start(),
            liveness,
            ways: Ways::new(servers.len() - turn, turn),
            way: Way::default(),
            hearing: Hearing::default(),
            sound_only: false,
            notify: plan.notify.clone(),
            offer: None,
            picture: None,
            sound: None,
        })
    }

    /// Takes in what webrtcbin says.
    pub(super) fn hear(&mut self, event: PeerEvent, settings: &IceSettings, now: Instant) -> Outcome {
        match event {
            PeerEvent::OfferCreated(Ok(offer)) => match offer.sdp().as_text() {
                Ok(sdp) => {
                    self.offer = Some(sdp);
                    self.connection.enforce_offer(&offer, &self.notify);
                    Outcome::Tell(Vec::new())
                }
                Err(error) => Outcome::Lost(error.to_string()),
            },
            PeerEvent::OfferInForce(Ok(())) => {
                let mut signals: Vec<Signal> =
                    self.offer.take().map(|sdp| Signal::Offer { sdp: sdp.into() }).into_iter().collect();
                signals.extend(self.negotiation.offer_in_force().into_iter().map(signal));
                Outcome::Tell(signals)
            }
            PeerEvent::LocalCandidate { sdp_m_line_index, candidate } => {
                let Some(told) = admission::told(&candidate, settings) else {
                    return Outcome::Tell(Vec::new());
                };
                if let Some(address) = self.ways.ours(&candidate) {
                    self.liveness.has_address(address);
                }
                let candidate = told;
                let candidate = Candidate { sdp_m_line_index, candidate: candidate.into() };
                Outcome::Tell(self.negotiation.our_candidate(candidate).map(signal).into_iter().collect())
            }
            PeerEvent::AnswerApplied(Ok(())) => {
                self.connection.report_often();
                for candidate in self.negotiation.answer_in_force() {
                    self.connection.add_candidate(candidate.sdp_m_line_index, candidate.candidate.expose());
                }
                Outcome::Tell(Vec::new())
            }
            PeerEvent::ConnectionState(state) => self.change(state, now),
            PeerEvent::Flows(flow) => Outcome::Flows(flow),
            PeerEvent::Measured(measured) => self.measured(&measured),
            PeerEvent::AnswerApplied(Err(reason))
            | PeerEvent::Failed(reason)
            | PeerEvent::OfferCreated(Err(reason))
            | PeerEvent::OfferInForce(Err(reason)) => Outcome::Lost(reason),
        }
    }

    /// Takes in what the resident says. False if it makes no sense now; nothing happened then.
    pub(super) fn apply(&mut self, signal: Signal, settings: &IceSettings) -> bool {
        match signal {
            Signal::Answer { sdp } => {
                let Some(sdp) = admission::answer(sdp.expose(), settings) else { return false };
                self.negotiation.answer() && self.connection.apply_answer(&sdp, &self.notify).is_ok()
            }
            Signal::Candidate { candidate, sdp_m_line_index } => {
                let let_through = sdp_m_line_index <= 1 && admission::candidate(candidate.expose(), settings);
                self.ways.theirs(candidate.expose(), let_through);
                if !let_through {
                    return true;
                }
                let candidate = Candidate { sdp_m_line_index, candidate };
                if let Some(now) = self.negotiation.their_candidate(candidate) {
                    self.connection.add_candidate(now.sdp_m_line_index, now.candidate.expose());
                }
                true
            }
            // The door always offers.
            Signal::Offer { .. } => false,
        }
    }

    /// Feeds it the picture, from the next picture that can be understood by itself. Nothing flows before it is connected:
    /// what piles up before would only delay what follows.
    pub(super) fn watch(&mut self, picture: &Capture) {
        if self.liveness.is_connected() && !self.sound_only {
            feed(&mut self.picture, &self.connection.picture, picture);
            picture.force_key_unit();
        }
    }

    /// Whether its way has room for the picture. Without, the sound goes on.
    pub(super) fn show(&mut self, shown: bool) {
        self.sound_only = !shown;
        if self.sound_only {
            self.picture = None;
        }
    }

    /// Kilobits per second at which its picture is to leave, if its way is narrow.
    pub(super) fn pace(&self, kilobits: Option<u32>) {
        self.connection.pace.keep(kilobits);
    }

    /// CONSENT: opens the gate.
    pub(super) fn open_gate(&self) {
        self.gate.open();
    }

    /// It is a talker.
    pub(super) fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// Feeds it the microphone if it may hear it; it is not even linked before.
    pub(super) fn listen(&mut self, sound: &Capture) {
        if self.liveness.is_connected() && self.gate.is_open() {
            feed(&mut self.sound, &self.connection.sound, sound);
        }
    }

    /// Asks what it measures of itself.
    pub(super) fn measure(&mut self) {
        if self.liveness.is_connected() {
            self.connection.measure(&self.notify);
        }
    }

    /// By which way it ran last, and what became of the others.
    pub(super) fn way(&self) -> Way {
        self.ways.told(&[])
    }

    fn measured(&mut self, measured: &Measured) -> Outcome {
        let way = self.ways.told(&measured.ends);
        let changed = way != self.way;
        self.way = way.clone();
        let connection = &self.connection;
        let picture = connection.source_number("sink_0").filter(|_| !self.sound_only);
        let sound = connection.source_number("sink_1");
        let heard = self.hearing.hear(measured, connection.arrivals.reports(), picture, sound);
        if let Some(percent) = heard.and_then(|heard| heard.expect) {
            connection.expect_loss(percent);
        }
        Outcome::Measured { way: changed.then_some(way), heard }
    }

    /// Why it is to be given up, if it is.
    pub(super) fn verdict(&mut self, now: Instant) -> Option<&'static str> {
        self.liveness.verdict(now)
    }

    /// Closes the gate, unlinks everything and gives the pipeline away, to be closed.
    pub(super) fn into_started(self) -> Started {
        self.connection.into_started()
    }

    fn change(&mut self, state: WebRTCPeerConnectionState, now: Instant) -> Outcome {
        match state {
            WebRTCPeerConnectionState::Connected if self.liveness.connected(now) => Outcome::Connected,
            WebRTCPeerConnectionState::Failed => Outcome::Lost("the connection failed".to_owned()),
            WebRTCPeerConnectionState::Closed => Outcome::Lost("the connection was closed".to_owned()),
            _ => Outcome::Tell(Vec::new()),
        }
    }
}

fn feed(link: &mut Option<ConsumptionLink>, consumer: &gstreamer_app::AppSrc, capture: &Capture) {
    if link.as_ref().is_some_and(|link| link.stream_producer() == Some(capture.producer())) {
        return;
    }
    // The old one first: a consumer has one producer.
    *link = None;
    match capture.producer().add_consumer(consumer) {
        Ok(added) => *link = Some(added),
        Err(error) => tracing::error!(%error, "a connection cannot be fed"),
    }
}

fn signal(candidate: Candidate) -> Signal {
    Signal::Candidate { candidate: candidate.candidate, sdp_m_line_index: candidate.sdp_m_line_index }
}
