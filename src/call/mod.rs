//! The door's mind: what a press, a word from the hub or a report of the media worker means. Pure: no clock, no I/O.
//!
//! [`Station`] is the machine; `live::Call` is one call's life inside it, from dial to end, never reset. Events are
//! facts in the past tense, actions are orders in the imperative, and every event is legal in every phase.
//!
//! ```text
//!            Pressed           initiated           accepted            media connected
//!   Idle ─────────────▶ Dialing ────────▶ Ringing ─────────▶ Connecting ─────────────▶ Ongoing
//!    ▲ │                  │ failed          │ refused, unanswered  │ deadline             │ held, ended, lost, too long
//!    │ │ incoming call    │ deadline        │ cancelled            │                      │
//!    │ └──▶ Incoming ──released──────────────────────────▶ (Connecting)                   ▼
//!    │         │ held, cancelled            ▼                      └───────────────────▶ Ending
//!    │         └──────────────────────▶ Outcome ◀──────────────────────────────────────────┘ media stopped, 3 s
//!    └──────────────────── 4 s ─────────────┘ (or Dialing, for a queued press)
//! ```
//!
//! Facts that hold beside any phase (link, devices in use, stuck button, devices at fault, queued press) are named fields of the station.
//!
//! # Invariants
//! Tested in `tests/station_properties.rs` over random sequences of events:
//! 1. With no further events, running the deadlines reaches idle.
//! 2. Every session the hub issued is cancelled, ended, or was closed by the other side.
//! 3. One session's media at a time, stopped after it started.
//! 4. Actions name only sessions that were issued.
//! 5. A fired deadline moves: it is never due again at the same moment.
//! 6. Same events and times, same actions.
//! 7. Ongoing only after media connected for this session; a stale event never changes anything.
//! 8. After shutdown nothing new is initiated.
//! 9. Gates are opened only in connecting and ongoing, and only for a device that the hub named as participant.

use std::time::Duration;

use serde::Deserialize;

use crate::ids::{ButtonId, DeviceId, PeerId, RequestKey, SessionId};
use crate::signaling::protocol::{
    self, CallType, EndReason, IceServer, Metadata, Receiver, Refusal, RejectStatus, Signal, Still, VerbRequest,
};

mod desk;
mod incoming;
pub mod indication;
mod live;
mod outgoing;
mod station;
mod talking;
mod timers;
pub mod tracer;

pub use station::Station;
pub use timers::Timer;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The media worker opened or closed its devices.
    CapturingChanged {
        /// The camera is open.
        camera: bool,
        /// The microphone is open.
        microphone: bool,
    },
    /// A button was held down.
    Held(ButtonId),
    /// The hub told of something that happened to a call.
    HubTold(Box<protocol::Event>),
    /// The hub is not reached any more.
    LinkDown,
    /// The hub is reached; these are the calls it knows this door to be in.
    LinkUp {
        /// Not terminal.
        calls: Vec<protocol::Call>,
    },
    /// A connection to a resident is up.
    MediaConnected {
        /// For which call.
        session_id: SessionId,
        /// Which connection.
        peer: PeerId,
    },
    /// The media worker died; everything it had is gone.
    MediaDied,
    /// A connection to a resident failed. The worker has removed it.
    MediaLost {
        /// For which call.
        session_id: SessionId,
        /// Which connection.
        peer: PeerId,
    },
    /// A new media worker stands ready, and knows of nothing.
    MediaRestarted,
    /// The worker made a description or a candidate for a resident.
    MediaSignalMade {
        /// For which call.
        session_id: SessionId,
        /// Which connection.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// Everything of this session is closed.
    MediaStopped {
        /// Which call.
        session_id: SessionId,
    },
    /// A button was pressed.
    Pressed(ButtonId),
    /// Somebody asked the door to open, and it does not.
    OpeningRefused,
    /// The door release, or the enclosure's contact, is in another state.
    ReleaseChanged {
        /// The lock is released.
        released: bool,
        /// The enclosure is open.
        tampered: bool,
    },
    /// A button was let go before it counted as held.
    Released(ButtonId),
    /// The door's media session at the hub is started.
    SessionJoined {
        /// Which call.
        session_id: SessionId,
        /// Servers for ICE.
        ice_servers: Vec<IceServer>,
    },
    /// The door's media session at the hub cannot be started.
    SessionRefused {
        /// Which call.
        session_id: SessionId,
        /// Why.
        refusal: Refusal,
    },
    /// The process is to end: close what is open.
    ShutDown,
    /// A resident's description or candidate came.
    SignalCame {
        /// For which call.
        session_id: SessionId,
        /// From which device.
        device_id: DeviceId,
        /// For which connection.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// Devices of the panel fail, or all work again.
    DevicesChanged {
        /// Whether any fails.
        at_fault: bool,
    },
    /// The camera's first good picture of a call.
    StillTaken {
        /// For which call.
        session_id: SessionId,
        /// What it shows.
        still: Still,
    },
    /// A button is stuck, or is no longer.
    StuckChanged {
        /// Which button.
        button: ButtonId,
        /// Whether it is.
        stuck: bool,
    },
    /// The hub answered a verb.
    VerbAnswered {
        /// The verb as it was asked.
        request: VerbRequest,
        /// The call as it now stands, or why not.
        result: Result<Box<protocol::Call>, Refusal>,
    },
}

/// What is to be done.
#[must_use]
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make a connection to a resident, without sound.
    AddPeer {
        /// For which call.
        session_id: SessionId,
        /// Its number.
        peer: PeerId,
        /// Servers for ICE.
        ice_servers: Vec<IceServer>,
    },
    /// Hand a resident's description or candidate to the worker.
    ApplySignal {
        /// Which connection.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// Ask the hub. Repeated by the link until answered.
    Ask(VerbRequest),
    /// Show this to the visitor.
    Indicate(indication::Indication),
    /// Start the door's media session at the hub, and keep it started over reconnects.
    JoinSession(SessionId),
    /// Leave the door's media session at the hub.
    LeaveSession(SessionId),
    /// Let sound flow to and from this resident, who consented.
    OpenGate {
        /// Which connection.
        peer: PeerId,
    },
    /// Close a connection.
    RemovePeer {
        /// Which.
        peer: PeerId,
    },
    /// Send a description or a candidate to a resident.
    SendSignal {
        /// For which call.
        session_id: SessionId,
        /// To which device.
        device_id: DeviceId,
        /// Of which connection.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// Make ready for the connections of this call, with the camera if it has a picture.
    StartMedia {
        /// Which call.
        session_id: SessionId,
        /// Open the camera.
        picture: bool,
    },
    /// Close camera, microphone and every connection of this call.
    StopMedia(SessionId),
    /// The answer to this verb does not matter any more: do not send it again.
    Withdraw(RequestKey),
}

/// A button of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Its name in the configuration.
    pub id: ButtonId,
    /// Its name for people.
    pub label: String,
    /// Whom it rings.
    pub receiver: Receiver,
}

/// What a second press of the same button means while it dials or rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PressAgain {
    /// It takes the call back (not within the first 3 s).
    Cancel,
    /// Nothing.
    Ignore,
}

/// What the door does when a resident calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncomingCalls {
    /// It answers by itself, announced by light and tone.
    AutoAnswer,
    /// It refuses.
    Reject,
    /// It rings; a press answers, a held press refuses.
    Ring,
}

/// What another button means while a call is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondButton {
    /// It waits its turn: one press, for 30 s.
    Queue,
    /// It is refused.
    Refuse,
}

/// How this door behaves, from its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The door's name, for people.
    pub door_name: String,
    /// Its buttons.
    pub buttons: Vec<Button>,
    /// Sound only, or with picture.
    pub call_type: CallType,
    /// Whether residents see the door before they answer.
    pub early_picture: bool,
    /// What a second press of the same button means.
    pub press_again: PressAgain,
    /// What the door does when a resident calls it.
    pub incoming: IncomingCalls,
    /// What another button means while a call is on.
    pub second_button: SecondButton,
    /// How long a press is kept that could not be sent.
    pub dial_deadline: Duration,
    /// How long a media connection may take after the answer.
    pub connect_deadline: Duration,
    /// How long a call goes on without any media connection.
    pub media_grace: Duration,
    /// How long a conversation may last.
    pub maximum_duration: Duration,
}

impl Default for Rules {
    /// A door without a name and without buttons, which behaves as a door does where the installer says nothing.
    fn default() -> Self {
        Self {
            door_name: String::new(),
            buttons: Vec::new(),
            call_type: CallType::Video,
            early_picture: true,
            press_again: PressAgain::Cancel,
            incoming: IncomingCalls::Ring,
            second_button: SecondButton::Queue,
            dial_deadline: Duration::from_secs(15),
            connect_deadline: Duration::from_secs(15),
            media_grace: Duration::from_secs(10),
            maximum_duration: Duration::from_secs(180),
        }
    }
}

/// A second press this soon after the first is an impatient finger, not a change of mind.
const IMPATIENCE: Duration = Duration::from_secs(3);

/// The hub's timer ends a ring after 180 s at the most; this is for a hub that does not.
const RING_BACKSTOP: Duration = Duration::from_secs(190);

/// How long a hub that was reached again may take to show that it knows the current call, where its welcome did not.
const PROOF_DEADLINE: Duration = Duration::from_secs(10);

/// A ring whose hub is unreachable for this long is given up: by then the hub has cancelled it too.
const LINK_GRACE: Duration = Duration::from_secs(45);

/// How long an outcome is shown.
const OUTCOME_SHOWN: Duration = Duration::from_secs(4);

/// How long the worker may take to close everything before the station moves on.
const STOP_DEADLINE: Duration = Duration::from_secs(3);

/// Sessions remembered after they are over.
const MOST_MET: usize = 32;

/// How long a queued press waits for its turn.
const QUEUE_DEADLINE: Duration = Duration::from_secs(30);

/// Metadata of every call and waiting press: words for the resident's screen.
fn press_metadata(rules: &Rules, button: &Button) -> Metadata {
    [("doorName", rules.door_name.clone()), ("button", button.id.to_string()), ("buttonLabel", button.label.clone())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.chars().take(protocol::MAX_METADATA_TEXT).collect()))
        .collect()
}

/// Reasons and statuses meet here: how a call that ended is shown.
fn outcome_of(call: &protocol::Call) -> indication::Outcome {
    match call.end_reason {
        Some(EndReason::MediaLost) => indication::Outcome::MediaLost,
        Some(
            EndReason::DoorGone
            | EndReason::DoorHungUp
            | EndReason::MaximumDuration
            | EndReason::ResidentGone
            | EndReason::ResidentHungUp,
        )
        | None => indication::Outcome::of_status(call.status),
    }
}

/// How a rejection by this door is told.
const REFUSE_BUSY: RejectStatus = RejectStatus::Busy;
