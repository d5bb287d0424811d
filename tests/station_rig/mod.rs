//! A station on a bench: a clock that is moved by hand, short names, and a transcript of what came in and went out.
//!
//! It decides nothing; what is expected stands in the tests that use it.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fmt::Write as _;
use std::time::Duration;

use doorward::call::indication::{Indication, LinkFact, Phase};
use doorward::call::{Action, Button, Event, Rules, Station};
use doorward::ids::{BootId, ButtonId, DeviceId, EntryNumber, PeerId, RequestKey, SessionId};
use doorward::moment::Moment;
use doorward::redacted::Redacted;
use doorward::signaling::protocol::{
    self, Call, CallStatus, CallType, EndReason, ErrorCode, EventKind, Leg, Metadata, Participant, ParticipantState,
    Receiver, Refusal, Signal, Verb, VerbRequest,
};

/// Its keys and transcripts show only the counter.
pub const BOOT: BootId = BootId::from_random([0xb0; 16]);

pub fn session(number: u8) -> SessionId {
    SessionId::from_random([number; 16])
}

pub fn button(name: &str) -> ButtonId {
    name.parse().expect("a word")
}

pub fn device(name: &str) -> DeviceId {
    name.parse().expect("a word")
}

/// The key of the station's nth request.
pub fn key(counter: u64) -> RequestKey {
    RequestKey::of_attempt(BOOT, counter)
}

/// A device named `anna-phone` belongs to `anna`.
pub fn leg(device: &str) -> Leg {
    let user = device.split('-').next().expect("a word has a first part");
    Leg {
        uid: user.parse().expect("a word"),
        device_id: device.parse().expect("a word"),
        name: user.to_uppercase().into(),
    }
}

pub fn answer_sdp() -> Signal {
    Signal::Answer { sdp: Redacted::new("v=0".to_owned()) }
}

pub fn offer_sdp() -> Signal {
    Signal::Offer { sdp: Redacted::new("v=0".to_owned()) }
}

pub fn candidate() -> Signal {
    Signal::Candidate { candidate: Redacted::new("candidate:1".to_owned()), sdp_m_line_index: 0 }
}

/// Two buttons: `front` rings the group `flat`, `back` rings the user `carl`.
pub fn rules() -> Rules {
    let buttons = vec![
        Button {
            id: button("front"),
            label: "Front".to_owned(),
            receiver: Receiver::Group("flat".parse().expect("a word")),
        },
        Button {
            id: button("back"),
            label: "Back".to_owned(),
            receiver: Receiver::User("carl".parse().expect("a word")),
        },
    ];
    Rules { door_name: "Gate".to_owned(), buttons, ..Rules::default() }
}

/// A call from this door.
pub fn call(number: u8, status: CallStatus) -> Call {
    Call {
        session_id: session(number),
        call_type: CallType::Video,
        status,
        end_reason: None,
        initiator: leg("door-panel"),
        receiver: Receiver::Group("flat".parse().expect("a word")),
        receiver_name: "Flat".to_owned(),
        door: "door".parse().expect("a word"),
        initiated_at: 0,
        started_at: None,
        ended_at: None,
        duration: None,
        participants: Vec::new(),
        metadata: Metadata::new(),
        still_at: None,
        entry: EntryNumber(1),
    }
}

/// A resident's call to this door.
pub fn call_of(number: u8, caller: &str, status: CallStatus) -> Call {
    let initiator = leg(caller);
    let talks =
        Participant { leg: initiator.clone(), state: ParticipantState::Ongoing, joined_at: Some(0), left_at: None };
    Call {
        initiator,
        receiver: Receiver::User("door".parse().expect("a word")),
        receiver_name: "Gate".to_owned(),
        participants: if status == CallStatus::Ongoing { vec![talks] } else { Vec::new() },
        ..call(number, status)
    }
}

pub fn ended(number: u8, reason: EndReason) -> Call {
    Call { end_reason: Some(reason), ..call(number, CallStatus::Ended) }
}

/// An event of the hub about a call.
pub fn told(number: u8, event: EventKind) -> Event {
    Event::HubTold(Box::new(protocol::Event { session_id: session(number), entry: EntryNumber(1), event }))
}

pub fn viewed(number: u8, device: &str) -> Event {
    told(number, EventKind::CallViewed { viewer: leg(device) })
}

pub fn viewer_left(number: u8, device: &str) -> Event {
    told(number, EventKind::ViewerLeft { viewer: leg(device) })
}

pub fn accepted(number: u8, device: &str) -> Event {
    told(number, EventKind::OutgoingCallAccepted { call: Box::new(call(number, CallStatus::Ongoing)), by: leg(device) })
}

pub fn participant_joined(number: u8, device: &str) -> Event {
    told(number, EventKind::ParticipantJoined { participant: leg(device), keeps: None })
}

pub fn participant_joined_keeping(number: u8, device: &str, peer: u32) -> Event {
    told(number, EventKind::ParticipantJoined { participant: leg(device), keeps: Some(PeerId(peer)) })
}

pub fn participant_left(number: u8, device: &str) -> Event {
    told(number, EventKind::ParticipantLeft { participant: leg(device) })
}

pub fn not_answered(number: u8, status: CallStatus) -> Event {
    told(number, EventKind::OutgoingCallRejected { call: Box::new(call(number, status)) })
}

pub fn call_ended(number: u8, reason: EndReason) -> Event {
    told(number, EventKind::CallEnded { call: Box::new(ended(number, reason)) })
}

pub fn delivered(number: u8, delivered: u32, notified: u32) -> Event {
    told(number, EventKind::CallDelivered { delivered, notified, members: 2, undisturbed: 0 })
}

pub fn incoming(number: u8, caller: &str) -> Event {
    let call = Box::new(call_of(number, caller, CallStatus::Initiated));
    told(number, EventKind::IncomingCallReceived { call, rings_for: 45_000, waiting: false })
}

pub fn session_joined(number: u8) -> Event {
    Event::SessionJoined { session_id: session(number), ice_servers: Vec::new() }
}

pub fn media_connected(number: u8, peer: u32) -> Event {
    Event::MediaConnected { session_id: session(number), peer: PeerId(peer) }
}

pub fn media_lost(number: u8, peer: u32) -> Event {
    Event::MediaLost { session_id: session(number), peer: PeerId(peer) }
}

pub fn media_stopped(number: u8) -> Event {
    Event::MediaStopped { session_id: session(number) }
}

pub fn signal_came(number: u8, from: &str, peer: u32, signal: Signal) -> Event {
    Event::SignalCame { session_id: session(number), device_id: device(from), peer: PeerId(peer), signal }
}

pub fn pressed(name: &str) -> Event {
    Event::Pressed(button(name))
}

/// The station and everything it was asked and did.
pub struct Bench {
    pub station: Station,
    pub now: Moment,
    /// Requests without an answer, and those answered, in their order.
    pub asked: Vec<VerbRequest>,
    lines: String,
}

impl Bench {
    pub fn new(rules: Rules) -> Self {
        let mut bench =
            Self { station: Station::new(rules, BOOT), now: Moment::START, asked: Vec::new(), lines: String::new() };
        bench.happens(Event::LinkUp { calls: Vec::new() });
        bench.lines.clear();
        bench
    }

    pub fn happens(&mut self, event: Event) -> &mut Self {
        let line = event_line(&event);
        let actions = self.station.handle(self.now, event);
        self.record('>', &line, actions);
        self
    }

    /// Time passes; what falls due is done when it is due.
    pub fn passes(&mut self, millis: u64) -> &mut Self {
        let until = self.now + Duration::from_millis(millis);
        while let Some((due, timer)) = self.station.poll_timeout().filter(|(due, _)| *due <= until) {
            self.now = self.now.max(due);
            let actions = self.station.handle_timeout(self.now);
            self.record('*', &format!("{timer:?} is due").to_lowercase(), actions);
        }
        self.now = until;
        self
    }

    /// The hub answers the station's nth request.
    pub fn answers(&mut self, counter: u64, result: Result<Call, Refusal>) -> &mut Self {
        let request = self.request(counter);
        self.happens(Event::VerbAnswered { request, result: result.map(Box::new) })
    }

    pub fn refuses(&mut self, counter: u64, code: ErrorCode) -> &mut Self {
        self.answers(counter, Err(Refusal::new(code, "no")))
    }

    fn request(&self, counter: u64) -> VerbRequest {
        self.asked.iter().find(|request| request.key == key(counter)).expect("it was asked").clone()
    }

    /// From rest: the front button rings call 1, and the door's media session is started.
    pub fn rings(&mut self) -> &mut Self {
        self.happens(pressed("front")).happens(Event::Released(button("front")));
        self.answers(1, Ok(call(1, CallStatus::Initiated))).happens(session_joined(1))
    }

    /// From rest: in conversation with Anna's phone, which looked before it answered.
    pub fn talks(&mut self) -> &mut Self {
        self.rings().happens(viewed(1, "anna-phone")).happens(media_connected(1, 1)).happens(accepted(1, "anna-phone"))
    }

    /// What was written since the last time.
    pub fn transcript(&mut self) -> String {
        std::mem::take(&mut self.lines)
    }

    /// What was done so far is not of interest.
    pub fn so_far(&mut self) -> &mut Self {
        self.lines.clear();
        self
    }

    fn record(&mut self, mark: char, what: &str, actions: Vec<Action>) {
        writeln!(self.lines, "{:>9} {mark} {what}", format!("{:?}", self.now)).expect("a string takes text");
        for action in actions {
            writeln!(self.lines, "{:>13} {}", "", action_line(&action)).expect("a string takes text");
            if let Action::Ask(request) = action {
                self.asked.push(request);
            }
        }
    }
}

fn short(session_id: SessionId) -> String {
    let text = session_id.to_string();
    format!("s{}", u8::from_str_radix(&text[..2], 16).expect("ids are hexadecimal"))
}

fn counter(key: &RequestKey) -> &str {
    key.as_str().rsplit('-').next().expect("a key has a counter")
}

fn signal_word(signal: &Signal) -> &'static str {
    match signal {
        Signal::Answer { .. } => "answer",
        Signal::Candidate { .. } => "candidate",
        Signal::Offer { .. } => "offer",
    }
}

fn verb_line(request: &VerbRequest) -> String {
    let what = match &request.verb {
        Verb::Accept { session_id } => format!("accept {}", short(*session_id)),
        Verb::End { session_id, reason: None } => format!("end {}", short(*session_id)),
        Verb::End { session_id, reason: Some(reason) } => format!("end {} {reason:?}", short(*session_id)),
        Verb::GenerateToken { session_id } => format!("token {}", short(*session_id)),
        Verb::Initiate { receiver, .. } => format!("initiate {receiver}"),
        Verb::KeepAudit { .. } | Verb::KeepTrace { .. } | Verb::Open { .. } | Verb::ReportDoor { .. } => {
            panic!("the station has no part in the door release: {request:?}")
        }
        Verb::PressWaiting { session_id, metadata } => {
            format!("pressWaiting {} {}", short(*session_id), metadata["button"])
        }
        Verb::Reject { session_id, status } => format!("reject {} {status:?}", short(*session_id)),
        Verb::ShowStill { session_id, .. } => format!("show still {}", short(*session_id)),
    };
    format!("{what} #{}", counter(&request.key))
}

/// An event in one line.
pub fn event_line(event: &Event) -> String {
    match event {
        Event::CapturingChanged { camera, microphone } => format!("capturing camera {camera} microphone {microphone}"),
        Event::Held(button) => format!("held {button}"),
        Event::HubTold(told) => format!("{} {}", short(told.session_id), told_line(&told.event)),
        Event::LinkDown => "link down".to_owned(),
        Event::LinkUp { calls } => {
            let calls: Vec<String> =
                calls.iter().map(|call| format!(" {} {:?}", short(call.session_id), call.status)).collect();
            format!("link up{}", calls.concat())
        }
        Event::MediaConnected { session_id, peer } => format!("{} {peer} connected", short(*session_id)),
        Event::MediaDied => "media worker died".to_owned(),
        Event::MediaLost { session_id, peer } => format!("{} {peer} lost", short(*session_id)),
        Event::MediaRestarted => "media worker ready".to_owned(),
        Event::MediaSignalMade { session_id, peer, signal } => {
            format!("{} {peer} made {}", short(*session_id), signal_word(signal))
        }
        Event::MediaStopped { session_id } => format!("{} media stopped", short(*session_id)),
        Event::OpeningRefused => "opening refused".to_owned(),
        Event::ReleaseChanged { released, tampered } => format!("released {released} tampered {tampered}"),
        Event::Pressed(button) => format!("pressed {button}"),
        Event::Released(button) => format!("released {button}"),
        Event::SessionJoined { session_id, .. } => format!("{} session joined", short(*session_id)),
        Event::SessionRefused { session_id, refusal } => {
            format!("{} session refused {:?}", short(*session_id), refusal.code)
        }
        Event::ShutDown => "shut down".to_owned(),
        Event::SignalCame { session_id, device_id, peer, signal } => {
            format!("{} {} of {device_id} for {peer}", short(*session_id), signal_word(signal))
        }
        Event::DevicesChanged { at_fault } => format!("devices at fault {at_fault}"),
        Event::StillTaken { session_id, .. } => format!("{} still taken", short(*session_id)),
        Event::StuckChanged { button, stuck } => format!("{button} stuck {stuck}"),
        Event::VerbAnswered { request, result: Ok(call) } => {
            format!("answer to {}: {} {:?}", verb_line(request), short(call.session_id), call.status)
        }
        Event::VerbAnswered { request, result: Err(refusal) } => {
            format!("answer to {}: {:?}", verb_line(request), refusal.code)
        }
    }
}

fn told_line(event: &EventKind) -> String {
    match event {
        EventKind::CallAnsweredElsewhere { .. } => "callAnsweredElsewhere".to_owned(),
        EventKind::CallDelivered { delivered, notified, .. } => format!("callDelivered {delivered}+{notified}"),
        EventKind::CallEnded { call } => match call.end_reason {
            Some(reason) => format!("callEnded {reason:?}"),
            None => "callEnded".to_owned(),
        },
        EventKind::CallUpdated { .. } => "callUpdated".to_owned(),
        EventKind::CallViewed { viewer } => format!("callViewed {}", viewer.device_id),
        EventKind::IncomingCallCancelled { call } => format!("incomingCallCancelled {:?}", call.status),
        EventKind::IncomingCallReceived { call, .. } => {
            format!("incomingCallReceived from {}", call.initiator.device_id)
        }
        EventKind::DoorContact { .. }
        | EventKind::DoorOpened { .. }
        | EventKind::OpeningAsked { .. }
        | EventKind::OpeningRefused { .. } => event.name().to_owned(),
        EventKind::OutgoingCallAccepted { by, .. } => format!("outgoingCallAccepted by {}", by.device_id),
        EventKind::OutgoingCallRejected { call } => format!("outgoingCallRejected {:?}", call.status),
        EventKind::ParticipantJoined { participant, keeps: None } => {
            format!("participantJoined {}", participant.device_id)
        }
        EventKind::ParticipantJoined { participant, keeps: Some(peer) } => {
            format!("participantJoined {} keeps {peer}", participant.device_id)
        }
        EventKind::ParticipantLeft { participant } => format!("participantLeft {}", participant.device_id),
        EventKind::PressWaiting { .. } => "pressWaiting".to_owned(),
        EventKind::ViewerLeft { viewer } => format!("viewerLeft {}", viewer.device_id),
    }
}

/// An action in one line.
pub fn action_line(action: &Action) -> String {
    match action {
        Action::AddPeer { session_id, peer, .. } => format!("add {peer} to {}", short(*session_id)),
        Action::ApplySignal { peer, signal } => format!("apply {} to {peer}", signal_word(signal)),
        Action::Ask(request) => format!("ask {}", verb_line(request)),
        Action::Indicate(indication) => format!("show {}", indication_line(indication)),
        Action::JoinSession(session_id) => format!("join session {}", short(*session_id)),
        Action::LeaveSession(session_id) => format!("leave session {}", short(*session_id)),
        Action::OpenGate { peer } => format!("OPEN GATE of {peer}"),
        Action::RemovePeer { peer } => format!("remove {peer}"),
        Action::SendSignal { session_id, device_id, peer, signal } => {
            format!("send {} of {peer} to {device_id} in {}", signal_word(signal), short(*session_id))
        }
        Action::StartMedia { session_id, picture: true } => format!("start media {}", short(*session_id)),
        Action::StartMedia { session_id, picture: false } => {
            format!("start media {} without picture", short(*session_id))
        }
        Action::StopMedia(session_id) => format!("stop media {}", short(*session_id)),
        Action::Withdraw(key) => format!("withdraw #{}", counter(key)),
    }
}

fn indication_line(indication: &Indication) -> String {
    let mut line = match &indication.phase {
        Phase::Idle => "idle".to_owned(),
        Phase::Dialing => "dialing".to_owned(),
        Phase::Ringing { delivered, notified, looking } => format!("ringing {delivered}+{notified} looking {looking}"),
        Phase::Incoming => "incoming".to_owned(),
        Phase::Connecting => "connecting".to_owned(),
        Phase::Ongoing => "ongoing".to_owned(),
        Phase::Ending => "ending".to_owned(),
        Phase::Outcome(outcome) => format!("outcome {outcome:?}").to_lowercase(),
    };
    if indication.link == LinkFact::Down {
        line.push_str(", link down");
    }
    if indication.camera_in_use {
        line.push_str(", camera");
    }
    if indication.microphone_in_use {
        line.push_str(", microphone");
    }
    if let Some(button) = &indication.press_waiting {
        write!(line, ", {button} waits").expect("a string takes text");
    }
    if indication.at_fault {
        line.push_str(", at fault");
    }
    if indication.button_stuck {
        line.push_str(", stuck");
    }
    if indication.acknowledgements > 0 {
        write!(line, ", yes {}", indication.acknowledgements).expect("a string takes text");
    }
    if indication.refusals > 0 {
        write!(line, ", no {}", indication.refusals).expect("a string takes text");
    }
    line
}
