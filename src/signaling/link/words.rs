//! What the link hears and says. The words alone: what they mean to it stands in [`super::Link`].

use crate::ids::{DeviceId, PeerId, RequestKey, SessionId, Uid};
use crate::signaling::protocol::{
    Call, ClientFrame, DoorNotice, Event as CallEvent, HubFrame, IceServer, NonceAnswer, Refusal, Signal, VerbAnswer,
    VerbRequest,
};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The hub answered a verb, or said no.
    Answered {
        /// The verb's key.
        key: RequestKey,
        /// What it said.
        result: Result<VerbAnswer, Refusal>,
    },
    /// The socket closed, or could not be opened.
    Closed {
        /// Random bits for the wait before the next try.
        random: u32,
    },
    /// A frame came.
    FrameCame(Box<HubFrame>),
    /// The owner asks the hub something.
    Asked(VerbRequest),
    /// The network may have changed: a socket that only seems to live is to be found out soon.
    Doubted,
    /// The verb could not be delivered or was not answered; it is repeated.
    Failed {
        /// The verb's key.
        key: RequestKey,
    },
    /// The owner wants the media session of a call started, and kept started.
    JoinWanted(SessionId),
    /// The owner leaves the media session of a call.
    LeaveWanted(SessionId),
    /// The door gives a participant a nonce, or says why not.
    NonceMade {
        /// In which call.
        session_id: SessionId,
        /// For which device.
        device_id: DeviceId,
        /// What.
        answer: NonceAnswer,
    },
    /// The owner wants a nonce for an opening. Not repeated: who wants to open asks again.
    NonceWanted(SessionId),
    /// The socket is open.
    Opened,
    /// The network changed under the socket: it is dead, and another can be opened at once.
    Unplugged,
    /// The owner sends a description or candidate.
    SignalMade {
        /// For which call.
        session_id: SessionId,
        /// From a door: to which device.
        device_id: Option<DeviceId>,
        /// Of which connection.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// The owner does not need this verb's answer any more: it is not repeated.
    Withdrawn(RequestKey),
}

/// What is to be done.
#[must_use]
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Close the socket.
    Close,
    /// Open the socket.
    Open,
    /// Send this verb by HTTP.
    Post(VerbRequest),
    /// Send this frame on the socket.
    Send(ClientFrame),
    /// Tell the owner.
    Tell(Told),
}

/// What the owner learns.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A verb was answered.
    Answered {
        /// The verb as it was asked.
        request: VerbRequest,
        /// The hub's answer.
        result: Result<VerbAnswer, Refusal>,
    },
    /// The hub is not reached any more.
    Down,
    /// Something happened to a call; never told twice.
    Event(Box<CallEvent>),
    /// Something is wrong with a door, or is well again.
    Notice {
        /// Which door.
        door: Uid,
        /// What.
        notice: DoorNotice,
    },
    /// The door gives a nonce, or says why not.
    Nonce {
        /// In which call.
        session_id: SessionId,
        /// What.
        answer: NonceAnswer,
    },
    /// To a door: a participant wants a nonce.
    NonceAsked {
        /// In which call.
        session_id: SessionId,
        /// Which device.
        device_id: DeviceId,
    },
    /// The hub does not pass on the wish for a nonce.
    NonceRefused {
        /// In which call.
        session_id: SessionId,
        /// Why.
        refusal: Refusal,
    },
    /// The media session of a call is started.
    Joined {
        /// Which call.
        session_id: SessionId,
        /// Servers for ICE.
        ice_servers: Vec<IceServer>,
    },
    /// The media session of a call cannot be started, or was ended by the hub.
    JoinRefused {
        /// Which call.
        session_id: SessionId,
        /// Why, where the hub said it.
        refusal: Option<Refusal>,
    },
    /// A description or candidate came.
    Signal {
        /// For which call.
        session_id: SessionId,
        /// From which device.
        device_id: DeviceId,
        /// For which connection.
        peer: PeerId,
        /// What.
        signal: Signal,
    },
    /// The hub does not know this device's credential (any more). It is tried again, seldom.
    Unauthorized,
    /// The hub is reached.
    Up {
        /// The calls it knows this device to be in.
        calls: Vec<Call>,
    },
}

/// Why the link wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The socket took too long.
    Connect,
    /// Time for a ping.
    Ping,
    /// Time to repeat a verb.
    Repeat,
    /// Time for the next try.
    Retry,
    /// Nothing came for too long.
    Silence,
}
