//! What the visitor is told: the picture of the station that light and sound draw from. No colours, no frequencies here.

use crate::ids::ButtonId;
use crate::signaling::protocol::CallStatus;

/// Everything the panel may show at one time: the phase of the call, and the facts that hold beside any phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indication {
    /// Where the call stands.
    pub phase: Phase,
    /// Whether the hub is reached.
    pub link: LinkFact,
    /// Whether the camera is open: from the device, not from intention.
    pub camera_in_use: bool,
    /// Whether the microphone is open: from the device, not from intention.
    pub microphone_in_use: bool,
    /// Another button's press waits for this call to end.
    pub press_waiting: Option<ButtonId>,
    /// A button is stuck.
    pub button_stuck: bool,
    /// A device fails: a line, the relay, the light itself, the camera, microphone or speaker.
    pub at_fault: bool,
    /// The lock is released: the door can be opened.
    pub door_released: bool,
    /// The station's enclosure is open.
    pub tampered: bool,
    /// Counts presses that were understood but changed nothing: each step is one short blink.
    pub acknowledgements: u32,
    /// Counts presses, and openings, that were refused: each step is one "no" blink.
    pub refusals: u32,
}

impl Indication {
    /// This phase and no fact beside it: the hub is reached, the devices are closed.
    #[must_use]
    pub const fn of(phase: Phase) -> Self {
        Self {
            phase,
            link: LinkFact::Up,
            camera_in_use: false,
            microphone_in_use: false,
            press_waiting: None,
            button_stuck: false,
            at_fault: false,
            door_released: false,
            tampered: false,
            acknowledgements: 0,
            refusals: 0,
        }
    }
}

/// Whether the hub is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFact {
    /// Not now.
    Down,
    /// Yes.
    Up,
}

/// Where the call stands, as the visitor needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// No call.
    Idle,
    /// Pressed, and on its way.
    Dialing,
    /// It rings at this many phones.
    Ringing {
        /// Phones that acknowledged the ring.
        delivered: u32,
        /// Phones to which a push was sent.
        notified: u32,
        /// Phones that look at the picture.
        looking: u32,
    },
    /// A resident calls the door.
    Incoming,
    /// Answered; the media connection is being made.
    Connecting,
    /// In conversation.
    Ongoing,
    /// Being taken down.
    Ending,
    /// How it went, shown for a short while.
    Outcome(Outcome),
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everybody is in another call.
    Busy,
    /// The visitor took it back, or the resident who called the door did.
    Cancelled,
    /// Answered, and over.
    Ended,
    /// The hub could not be reached, or refused.
    Failed,
    /// Answered, but the connection failed.
    MediaLost,
    /// Refused, by everybody called or by the visitor.
    Rejected,
    /// Nobody answered.
    Unanswered,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::Busy, Self::Cancelled, Self::Ended, Self::Failed, Self::MediaLost, Self::Rejected, Self::Unanswered];

    /// The outcome that goes with a terminal status.
    #[must_use]
    pub const fn of_status(status: CallStatus) -> Self {
        match status {
            CallStatus::Busy => Self::Busy,
            CallStatus::Cancelled => Self::Cancelled,
            CallStatus::Initiated | CallStatus::Ongoing | CallStatus::Ended => Self::Ended,
            CallStatus::Rejected => Self::Rejected,
            CallStatus::Unanswered => Self::Unanswered,
        }
    }
}
