//! The words between the door and its media worker: orders down, reports up, one JSON object per line on a socket pair.
//!
//! The door never touches GStreamer, the worker never decides: it opens what it is told to open and says what it sees.
//! Orders for a session or peer that is gone are passed over; reports name session and peer, so a late one is told apart.

use serde::{Deserialize, Serialize};

use crate::ids::{PeerId, SessionId};
use crate::media::pipeline::{EchoMeasured, MediaSettings};
use crate::panel::fault::Fault;
use crate::panel::sound::Cue;
use crate::signaling::protocol::{IceServer, Signal, Still};

/// What the door orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Order {
    /// A new connection to one resident: make an offer. It carries the picture as soon as it is connected, and no sound in
    /// either direction before its gate is opened.
    AddPeer {
        /// For which call. Another one than the started session: passed over.
        session_id: SessionId,
        /// Its number, never used before in this worker's life.
        peer: PeerId,
        /// Servers for ICE.
        ice_servers: Vec<IceServer>,
    },
    /// The resident's answer or candidate.
    ApplySignal {
        /// Which connection.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// First order of a worker's life.
    Configure {
        /// Everything it needs to know.
        settings: Box<MediaSettings>,
    },
    /// Play so many chirps by the speaker, and say how they come back to the microphone. It is to be open.
    MeasureEcho {
        /// A second each.
        chirps: u8,
    },
    /// This resident consented: sound may flow, both ways. Opens the microphone if it is the first.
    OpenGate {
        /// Which connection.
        peer: PeerId,
    },
    /// Are you alive? Answered by a pong from the loop that also serves the pipelines.
    Ping {
        /// Comes back in the pong.
        nonce: u64,
    },
    /// Play this by the speaker, instead of what it plays now.
    Play {
        /// What; nothing is silence.
        sound: Option<Audible>,
    },
    /// Close one connection. The others go on undisturbed.
    RemovePeer {
        /// Which connection.
        peer: PeerId,
    },
    /// Make ready for the connections of this call, and open the camera if it has a picture. The session before it, if one is left, is stopped first.
    StartSession {
        /// Which call.
        session_id: SessionId,
        /// Whether it has a picture; else the camera stays closed.
        picture: bool,
    },
    /// Close every connection, the camera and the microphone.
    StopSession {
        /// Which call.
        session_id: SessionId,
    },
}

/// What the door says to whoever stands in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Audible {
    /// A sound of the installer's own, from its beginning; what repeats is played until something else is.
    Prompt {
        /// Which. Silent if it cannot be played.
        cue: Cue,
        /// Tells one playing from the next.
        turn: u32,
    },
    /// A tone, for as long as nothing else is ordered.
    Tone(ToneStep),
}

/// One steady piece of a tone. `panel::sound` makes cadences of these.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToneStep {
    /// Frequencies sounded together, in hertz; the second may be 0 for a single tone.
    pub hertz: [u16; 2],
    /// Level in decibels below full scale, such as -12.
    pub dbfs: i8,
}

/// What the worker reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Report {
    /// Devices were opened or closed: the truth, not the intention.
    Capturing {
        /// The camera is open.
        camera: bool,
        /// The microphone is open.
        microphone: bool,
    },
    /// Camera or microphone was closed.
    DeviceClosed {
        /// Which.
        device: Device,
        /// Why.
        reason: Reason,
    },
    /// A device does not work; what goes on goes on without it, and it is tried again. Told once per fault.
    DeviceFailed {
        /// Which.
        device: Device,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Camera or microphone was opened.
    DeviceOpened {
        /// Which.
        device: Device,
        /// Why.
        reason: Reason,
    },
    /// A device that was told to fail works again, or is there again.
    DeviceRestored {
        /// Which.
        device: Device,
    },
    /// What the chirps told.
    EchoMeasured(EchoMeasured),
    /// ICE and DTLS are up and the first picture or sound may flow.
    Connected {
        /// Which call.
        session_id: SessionId,
        /// Which connection.
        peer: PeerId,
    },
    /// Picture or sound flowed for the first time in a connection.
    Flows {
        /// Which call.
        session_id: SessionId,
        /// Which connection.
        peer: PeerId,
        /// What.
        flow: Flow,
    },
    /// The connection failed, closed, or showed no life for too long. It is removed.
    Lost {
        /// Which call.
        session_id: SessionId,
        /// Which connection.
        peer: PeerId,
        /// For the log.
        reason: String,
    },
    /// Answer to a ping.
    Pong {
        /// From the ping.
        nonce: u64,
    },
    /// A sound of the installer's own cannot be played; its tones take its place.
    PromptFailed {
        /// Which.
        cue: Cue,
        /// Why.
        fault: Fault,
    },
    /// A sound of the installer's own can be played.
    PromptReady {
        /// Which.
        cue: Cue,
        /// How long it is.
        milliseconds: u64,
    },
    /// The worker is configured, its encoder chosen, its certificate made.
    Ready {
        /// Name of the encoder element.
        encoder: String,
    },
    /// Everything of this session is closed.
    SessionStopped {
        /// Which call.
        session_id: SessionId,
    },
    /// The door's offer or candidate for a resident.
    Signal {
        /// Which call.
        session_id: SessionId,
        /// Which connection.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// The camera's first good picture of a session, once per session.
    StillTaken {
        /// Which call.
        session_id: SessionId,
        /// What it shows.
        still: Still,
    },
    /// What the last second of the microphone was like, once a second while it is open.
    Sound {
        /// What it heard (dBFS).
        captured: f64,
        /// What was left of it for the residents, after echo, noise and gain (dBFS).
        sent: f64,
        /// What the speaker played (dBFS).
        played: f64,
        /// Milliseconds from the speaker to the microphone, where the canceller found them.
        delay: Option<u16>,
        /// By how many decibels the echo is lowered, where the canceller knows.
        lowered: Option<f64>,
    },
    /// By which way a connection runs, or was tried: once it is up, when the way changes, and before it is lost.
    Path {
        /// Which call.
        session_id: SessionId,
        /// Which connection.
        peer: PeerId,
        /// For whoever asks the station. It holds addresses.
        way: Way,
    },
    /// What the speaker plays, ten times a second while it plays anything, and once when it falls silent.
    SpeakerLevel {
        /// Root mean square in decibels below full scale.
        dbfs: f64,
        /// The strongest frequency, in hertz.
        hertz: f64,
    },
}

/// Why a device was opened or closed: every time is told, so that nobody has to believe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// Opened: a call with picture.
    Call,
    /// Opened: somebody in the call may hear the visitor.
    Conversation,
    /// Closed: nobody is in the conversation any more.
    ConversationOver,
    /// Closed: the call is over.
    CallOver,
    /// Closed: it failed.
    Fault,
    /// Opened: it failed before and is tried again.
    Retry,
    /// Opened: the installer wants it open without a call.
    Standby,
    /// Closed: the station ends.
    StationEnds,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Call => "a call with picture",
            Self::Conversation => "a conversation",
            Self::ConversationOver => "nobody is in the conversation any more",
            Self::CallOver => "the call is over",
            Self::Fault => "it failed",
            Self::Retry => "it failed and is tried again",
            Self::Standby => "standby is warm",
            Self::StationEnds => "the station ends",
        })
    }
}

/// What can flow in a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flow {
    /// The door's picture, to the resident.
    Picture,
    /// The resident's voice, to the door. Only after consent.
    SoundIn,
    /// The visitor's voice, to the resident. Only after consent.
    SoundOut,
}

/// By which way a connection runs, and what came of the others, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// The pair of candidates in use; nothing where none works.
    pub in_use: Option<String>,
    /// Why others are not.
    pub notes: Vec<String>,
}

/// What the worker opens of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Device {
    /// The picture.
    Camera,
    /// The door's sound.
    Microphone,
    /// Tones and the residents' voices.
    Speaker,
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        })
    }
}
