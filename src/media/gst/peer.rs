//! One resident's connection on the worker's loop: what was said, whether it lives, and what it is fed.

use std::time::Instant;

use gstreamer as gst;
use gstreamer_utils::ConsumptionLink;
use gstreamer_webrtc::WebRTCPeerConnectionState;

use super::assembly::AssemblyError;
use super::capture::Capture;
use super::connection::{Connection, Notify, Plan};
use super::event::PeerEvent;
use super::gate::Gate;
use super::liveness::Liveness;
use super::negotiation::{Candidate, Negotiation};
use crate::media::admission;
use crate::media::pipeline::IceSettings;
use crate::media::protocol::Flow;
use crate::signaling::protocol::Signal;

/// A connection.
pub(super) struct Peer {
    /// Sound flows through here or not at all.
    gate: Gate,
    connection: Connection,
    negotiation: Negotiation,
    liveness: Liveness,
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
}

impl Peer {
    /// Begins a connection. The gate must be the one whose guard is in the plan.
    pub(super) fn offer(gate: Gate, plan: &Plan<'_>, now: Instant) -> Result<Self, AssemblyError> {
        let connection = Connection::offer(plan)?;
        let liveness = Liveness::connecting(connection.arrived.clone(), now);
        Ok(Self {
            gate,
            connection,
            negotiation: Negotiation::start(),
            liveness,
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
                let Some(candidate) = admission::told(&candidate, settings) else {
                    return Outcome::Tell(Vec::new());
                };
                let candidate = Candidate { sdp_m_line_index, candidate: candidate.into() };
                Outcome::Tell(self.negotiation.our_candidate(candidate).map(signal).into_iter().collect())
            }
            PeerEvent::AnswerApplied(Ok(())) => {
                for candidate in self.negotiation.answer_in_force() {
                    self.connection.add_candidate(candidate.sdp_m_line_index, candidate.candidate.expose());
                }
                Outcome::Tell(Vec::new())
            }
            PeerEvent::ConnectionState(state) => self.change(state, now),
            PeerEvent::Flows(flow) => Outcome::Flows(flow),
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
            Signal::Candidate { candidate, sdp_m_line_index }
                if sdp_m_line_index > 1 || !admission::candidate(candidate.expose(), settings) =>
            {
                tracing::debug!("a candidate that leads nowhere the door goes");
                true
            }
            Signal::Candidate { candidate, sdp_m_line_index } => {
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
        if self.liveness.is_connected() {
            feed(&mut self.picture, &self.connection.picture, picture);
            picture.force_key_unit();
        }
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

    /// Why it is to be given up, if it is.
    pub(super) fn verdict(&mut self, now: Instant) -> Option<&'static str> {
        self.liveness.verdict(now)
    }

    /// Closes the gate, unlinks everything and gives the pipeline away, to be closed.
    pub(super) fn into_pipeline(self) -> gst::Pipeline {
        self.connection.pipeline
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
