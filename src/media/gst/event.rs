//! Everything that reaches the worker's loop. Events name their source; what they mean is decided by the loop alone.

use gstreamer as gst;
use gstreamer_webrtc::{WebRTCPeerConnectionState, WebRTCSessionDescription};

use super::echo::Figures;
use super::level::Level;
use super::prompt::Samples;
use super::statistics::Measured;
use crate::ids::{PeerId, SessionId};
use crate::media::pipeline::EchoMeasured;
use crate::media::protocol::{Flow, Order};
use crate::panel::fault::Fault;
use crate::panel::sound::Cue;
use crate::signaling::protocol::Still;

/// Something to be done by the loop.
pub(super) enum Event {
    /// A source failed. The number tells a replaced source from the present one.
    CaptureFailed { opened: u64, fault: Fault },
    /// A source gave its first picture or sound.
    CaptureFlows { opened: u64 },
    /// A source is open and running.
    CaptureOpened { opened: u64 },
    /// A pipeline reached its end state and is gone.
    Closed(u64),
    /// Chirps were measured.
    EchoMeasured(EchoMeasured),
    /// A second of the microphone's sound was worked on.
    Heard(Figures),
    /// The other end of the socket is closed: nobody is left to work for.
    HangUp,
    /// GStreamer is ready, or never will be.
    Initialised(Result<(), String>),
    /// An order of the door.
    Order(Order),
    /// Something happened to a connection.
    Peer { peer: PeerId, event: PeerEvent },
    /// A camera's picture is as it should be: a still can be made of it.
    PictureSettled { opened: u64, picture: gst::Sample },
    /// A still was made for this session.
    StillMade { session_id: SessionId, still: Still },
    /// A sound of the installer's own was decoded, or cannot be.
    PromptDecoded { cue: Cue, samples: Result<Samples, Fault> },
    /// The speaker's pipeline broke. The number tells an earlier one from the present one.
    SpeakerFailed { opened: u64, fault: Fault },
    /// A tenth of a second of sound went to the speaker.
    SpeakerLevel(Level),
    /// Something happened to the connection that only pays for the certificate.
    WarmUp(PeerEvent),
}

/// What webrtcbin says.
pub(super) enum PeerEvent {
    /// A description was applied or refused.
    AnswerApplied(Result<(), String>),
    /// The state of ICE and DTLS together.
    ConnectionState(WebRTCPeerConnectionState),
    /// Its pipeline reports an error.
    Failed(String),
    /// This flowed for the first time.
    Flows(Flow),
    /// What it measured of itself.
    Measured(Measured),
    /// A candidate of ours.
    LocalCandidate { sdp_m_line_index: u32, candidate: String },
    /// The offer is there.
    OfferCreated(Result<WebRTCSessionDescription, String>),
    /// The offer is in force: only now may an answer come.
    OfferInForce(Result<(), String>),
}
