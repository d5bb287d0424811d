//! A resident's phone in the manner of the app: a link, the calls it shows, and a resident who looks, answers, refuses, hangs
//! up, or does nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use doorward::ids::{BootId, PeerId, RequestKey, SessionId};
use doorward::moment::Moment;
use doorward::redacted::Redacted;
use doorward::signaling::link::{self, Link, Told};
use doorward::signaling::protocol::{
    Call, CallStatus, CallType, ClientFrame, ErrorCode, Event, EventKind, Metadata, ParticipantState, Receiver,
    Refusal, RejectStatus, Signal, Verb, VerbAnswer, VerbRequest,
};

use super::door::signature;
use super::net::short;
use super::{DEVICES, DOORS, Happening, Town, device_id};

/// A phone that lost the hub stops ringing this long after the call's time.
const RING_SLACK: Duration = Duration::from_secs(4);
/// A call that the hub's welcome did not name, and of whose end nothing was told.
const VANISHED: Duration = Duration::from_secs(3);

pub struct Phone {
    /// Counts the starts of the page.
    pub life: u32,
    /// Whether the resident does anything.
    pub awake: bool,
    app: Option<App>,
}

struct App {
    link: Link,
    boot: BootId,
    requests: u64,
    lines: BTreeMap<SessionId, Line>,
    concluded: BTreeSet<SessionId>,
    /// Calls that rang once on this page.
    rang: BTreeSet<SessionId>,
    /// Media sessions that are wanted, and the connection of each.
    media: BTreeMap<SessionId, Option<PeerId>>,
    vanishing: Option<(Moment, Vec<SessionId>)>,
}

struct Line {
    call: Call,
    stand: Stand,
}

#[derive(Debug, Clone, PartialEq)]
enum Stand {
    Answering,
    Calling,
    Ringing { until: Moment },
    Talking,
}

pub enum Tap {
    Answer(SessionId),
    CallDoor(usize),
    HangUp(SessionId),
    Reject(SessionId, RejectStatus),
}

impl Phone {
    pub fn off() -> Self {
        Self { life: 0, awake: true, app: None }
    }

    pub fn is_on(&self) -> bool {
        self.app.is_some()
    }

    pub fn link(&mut self) -> Option<&mut Link> {
        self.app.as_mut().map(|app| &mut app.link)
    }

    pub fn next_moment(&self) -> Option<Moment> {
        let app = self.app.as_ref()?;
        let rings = app.lines.values().filter_map(|line| match line.stand {
            Stand::Ringing { until } => Some(until),
            Stand::Answering | Stand::Calling | Stand::Talking => None,
        });
        let vanishing = app.vanishing.as_ref().map(|(at, _)| *at);
        app.link.poll_timeout().map(|(due, _)| due).into_iter().chain(rings).chain(vanishing).min()
    }

    /// Whether this page has this connection of the door.
    pub fn serves(&self, session: SessionId, _door: usize, peer: PeerId) -> bool {
        self.app.as_ref().is_some_and(|app| app.media.get(&session) == Some(&Some(peer)))
    }

    pub fn ringing(&self) -> Vec<SessionId> {
        self.standing(|stand| matches!(stand, Stand::Ringing { .. }))
    }

    pub fn talking(&self) -> Vec<SessionId> {
        self.standing(|stand| *stand == Stand::Talking)
    }

    fn standing(&self, which: impl Fn(&Stand) -> bool) -> Vec<SessionId> {
        let lines = self.app.iter().flat_map(|app| &app.lines);
        lines.filter(|(_, line)| which(&line.stand)).map(|(session, _)| *session).collect()
    }

    pub fn is_at_rest(&self) -> bool {
        self.app.as_ref().is_some_and(|app| {
            app.lines.is_empty() && app.media.is_empty() && app.link.is_up() && app.link.unanswered() == 0
        })
    }

    pub fn state(&self) -> String {
        self.app.as_ref().map_or_else(
            || "off".to_owned(),
            |app| {
                let lines: Vec<String> = app
                    .lines
                    .iter()
                    .map(|(session, line)| format!("{} {:?} {:?}", short(session), line.stand, line.call.status))
                    .collect();
                let media: Vec<String> = app.media.keys().map(short).collect();
                format!("{lines:?} media {media:?} link up {}, {} verbs", app.link.is_up(), app.link.unanswered())
            },
        )
    }
}

impl App {
    fn ask(&mut self, verb: Verb) -> VerbRequest {
        self.requests += 1;
        VerbRequest { key: RequestKey::of_attempt(self.boot, self.requests), verb }
    }
}

fn is_inside(call: &Call, who: usize) -> bool {
    let me = DEVICES[who];
    call.status == CallStatus::Ongoing
        && (call.initiator.device_id.as_str() == me
            || call
                .participants
                .iter()
                .any(|one| one.leg.device_id.as_str() == me && one.state == ParticipantState::Ongoing))
}

fn is_caller(call: &Call, who: usize) -> bool {
    call.initiator.device_id.as_str() == DEVICES[who]
}

impl Town {
    pub(super) fn start_phone(&mut self, phone: usize) {
        if self.phones[phone].app.is_some() {
            return;
        }
        let boot = self.boot();
        self.phones[phone].app = Some(App {
            link: Link::new(boot),
            boot,
            requests: 0,
            lines: BTreeMap::new(),
            concluded: BTreeSet::new(),
            rang: BTreeSet::new(),
            media: BTreeMap::new(),
            vanishing: None,
        });
    }

    pub(super) fn stop_phone(&mut self, phone: usize) {
        if self.phones[phone].app.take().is_some() {
            self.phones[phone].life += 1;
            self.abandon_socket(phone + DOORS);
        }
    }

    pub(super) fn phone_due(&mut self, phone: usize) {
        let now = self.now;
        let Some(app) = &mut self.phones[phone].app else { return };
        let orders = app.link.handle_timeout(now);
        let over: Vec<SessionId> = app
            .lines
            .iter()
            .filter(|(_, line)| matches!(line.stand, Stand::Ringing { until } if until <= now))
            .map(|(session, _)| *session)
            .collect();
        let vanished = match app.vanishing.take_if(|(at, _)| *at <= now) {
            Some((_, sessions)) => sessions,
            None => Vec::new(),
        };
        for session in over {
            self.remove_line(phone, session);
        }
        for session in vanished {
            self.conclude(phone, session);
        }
        self.obey_link(phone + DOORS, orders);
    }

    /// A page says which connection it still has when it starts its session again.
    pub(super) fn as_sent(&self, who: usize, frame: ClientFrame) -> ClientFrame {
        let app = who.checked_sub(DOORS).and_then(|phone| self.phones[phone].app.as_ref());
        match (app, frame) {
            (Some(app), ClientFrame::StartSession { session_id, token, .. }) => {
                let keeps = app.media.get(&session_id).copied().flatten();
                ClientFrame::StartSession { session_id, token, keeps }
            }
            (_, frame) => frame,
        }
    }

    fn ask_as(&mut self, phone: usize, verb: Verb) {
        if let Some(app) = &mut self.phones[phone].app {
            let request = app.ask(verb);
            self.drive(phone + DOORS, link::Event::Asked(request));
        }
    }

    // ------------------------------------------------------------------------------------------------ what the hub tells

    pub(super) fn phone_told(&mut self, phone: usize, told: Told) {
        match told {
            Told::Answered { request, result } => {
                self.hub.ledger.heard_answer(&result);
                self.phone_answered(phone, &request, result);
            }
            Told::Event(event) => {
                self.hub.ledger.heard_event(&event);
                self.phone_event(phone, *event);
            }
            Told::Joined { .. } | Told::Down => {}
            Told::JoinRefused { session_id, refusal } => {
                if let Some(app) = &mut self.phones[phone].app {
                    app.media.remove(&session_id);
                }
                // The end of the viewer's session may be heard after the accept was answered.
                let end = refusal.as_ref().and_then(|refusal| refusal.details.call.as_ref());
                if end.is_some_and(|call| call.status.is_terminal()) {
                    // Hung up by the page before this one, for example: nobody else tells this one.
                    self.conclude(phone, session_id);
                } else if refusal.is_none() && self.phones[phone].talking().contains(&session_id) {
                    self.open_media(phone, session_id);
                }
            }
            Told::Signal { session_id, peer, signal: Signal::Offer { .. }, .. } => {
                let life = self.phones[phone].life;
                let Some(app) = &mut self.phones[phone].app else { return };
                let Some(serving) = app.media.get_mut(&session_id) else { return };
                *serving = Some(peer);
                let signal = Signal::Answer { sdp: Redacted::new(signature(phone, life)) };
                self.drive(phone + DOORS, link::Event::SignalMade { session_id, device_id: None, peer, signal });
            }
            Told::Signal { .. } => {}
            Told::Nonce { .. } | Told::NonceAsked { .. } | Told::NonceRefused { .. } | Told::Notice { .. } => {}
            Told::Unauthorized => self.hub.ledger.violate("a phone is not known"),
            Told::Up { calls } => self.phone_welcome(phone, calls),
        }
    }

    fn phone_welcome(&mut self, phone: usize, calls: Vec<Call>) {
        let who = phone + DOORS;
        let now = self.now;
        let Some(app) = &mut self.phones[phone].app else { return };
        let known: BTreeSet<SessionId> = app.lines.keys().copied().collect();
        let told: BTreeSet<SessionId> = calls.iter().map(|call| call.session_id).collect();
        let vanishing: Vec<SessionId> = known.difference(&told).copied().collect();
        app.vanishing = (!vanishing.is_empty()).then_some((now + VANISHED, vanishing));
        for call in calls {
            let Some(app) = &self.phones[phone].app else { return };
            if app.concluded.contains(&call.session_id) {
                // It hung up or refused, and the hub forgot: it says so once more.
                self.leave_again(phone, &call);
            } else if is_caller(&call, who) || is_inside(&call, who) {
                self.resume(phone, call);
            } else {
                self.ring(phone, call, Duration::from_secs(45));
            }
        }
    }

    fn leave_again(&mut self, phone: usize, call: &Call) {
        let session_id = call.session_id;
        match call.status {
            CallStatus::Ongoing if is_inside(call, phone + DOORS) => {
                self.ask_as(phone, Verb::End { session_id, reason: None });
            }
            CallStatus::Initiated if is_caller(call, phone + DOORS) => {
                self.ask_as(phone, Verb::Reject { session_id, status: RejectStatus::Cancelled });
            }
            _ => {}
        }
    }

    fn resume(&mut self, phone: usize, call: Call) {
        let inside = is_inside(&call, phone + DOORS);
        let session = call.session_id;
        let Some(app) = &mut self.phones[phone].app else { return };
        if app.concluded.contains(&session) {
            return;
        }
        let line = app.lines.entry(session).or_insert(Line { call: call.clone(), stand: Stand::Calling });
        if line.call.entry <= call.entry {
            line.call = call;
            if inside {
                self.talk(phone, session);
            }
        }
    }

    fn talk(&mut self, phone: usize, session: SessionId) {
        let Some(app) = &mut self.phones[phone].app else { return };
        let Some(line) = app.lines.get_mut(&session) else { return };
        if line.stand == Stand::Talking {
            return;
        }
        line.stand = Stand::Talking;
        self.note(|| format!("{} talks in {}", DEVICES[phone + DOORS], short(&session)));
        self.open_media(phone, session);
        if self.phones[phone].awake && self.rng.u8(..3) > 0 {
            let later = self.rng.u64(200..40_000);
            self.tap_later(phone, later, Tap::HangUp(session));
        }
    }

    fn open_media(&mut self, phone: usize, session: SessionId) {
        let Some(app) = &mut self.phones[phone].app else { return };
        if let Entry::Vacant(place) = app.media.entry(session) {
            place.insert(None);
            self.drive(phone + DOORS, link::Event::JoinWanted(session));
        }
    }

    fn tap_later(&mut self, phone: usize, millis: u64, tap: Tap) {
        let life = self.phones[phone].life;
        self.after(millis, Happening::Tap { phone, life, tap });
    }

    fn ring(&mut self, phone: usize, call: Call, rings_for: Duration) {
        let session = call.session_id;
        let now = self.now;
        let Some(app) = &mut self.phones[phone].app else { return };
        if call.status != CallStatus::Initiated || app.concluded.contains(&session) || app.lines.contains_key(&session)
        {
            return;
        }
        if !app.rang.insert(session) && !self.hub.ledger.has_forgotten(session) {
            self.hub.ledger.violate("a phone rings again for a call it had dismissed");
        }
        let until = now + rings_for + RING_SLACK;
        app.lines.insert(session, Line { call, stand: Stand::Ringing { until } });
        self.note(|| format!("{} rings for {}", DEVICES[phone + DOORS], short(&session)));
        if !self.phones[phone].awake {
            return;
        }
        if self.rng.u8(..3) > 0 {
            self.open_media(phone, session);
        }
        let quick = if self.rng.bool() { 2_000 } else { 25_000 };
        let later = self.rng.u64(50..quick);
        match self.rng.u8(..10) {
            0..=3 => self.tap_later(phone, later, Tap::Answer(session)),
            4..=5 => self.tap_later(phone, later, Tap::Reject(session, RejectStatus::Rejected)),
            6 => self.tap_later(phone, later, Tap::Reject(session, RejectStatus::Busy)),
            _ => {}
        }
    }

    fn phone_event(&mut self, phone: usize, event: Event) {
        let session = event.session_id;
        match event.event {
            EventKind::IncomingCallReceived { call, rings_for, .. } => {
                self.ring(phone, *call, Duration::from_millis(rings_for));
            }
            EventKind::OutgoingCallAccepted { call, .. } | EventKind::CallUpdated { call } => {
                if self.line(phone, session).is_some() || !is_caller(&call, phone + DOORS) {
                    self.resume(phone, *call);
                }
            }
            EventKind::CallAnsweredElsewhere { call }
            | EventKind::CallEnded { call }
            | EventKind::IncomingCallCancelled { call }
            | EventKind::OutgoingCallRejected { call } => {
                // A later accept may have been answered as a join before this was heard.
                let joined_since = self.line(phone, session).is_some_and(|line| line.call.entry > call.entry);
                if !joined_since {
                    self.conclude(phone, session);
                }
            }
            EventKind::ParticipantLeft { participant } if participant.device_id == device_id(phone + DOORS) => {
                self.conclude(phone, session);
            }
            EventKind::CallDelivered { .. }
            | EventKind::CallViewed { .. }
            | EventKind::DoorContact { .. }
            | EventKind::DoorOpened { .. }
            | EventKind::OpeningAsked { .. }
            | EventKind::OpeningRefused { .. }
            | EventKind::ParticipantJoined { .. }
            | EventKind::ParticipantLeft { .. }
            | EventKind::PressWaiting { .. }
            | EventKind::ViewerLeft { .. } => {}
        }
    }

    fn line(&self, phone: usize, session: SessionId) -> Option<&Line> {
        self.phones[phone].app.as_ref()?.lines.get(&session)
    }

    fn remove_line(&mut self, phone: usize, session: SessionId) {
        let Some(app) = &mut self.phones[phone].app else { return };
        app.lines.remove(&session);
        if app.media.remove(&session).is_some() {
            self.drive(phone + DOORS, link::Event::LeaveWanted(session));
        }
    }

    fn conclude(&mut self, phone: usize, session: SessionId) {
        if let Some(app) = &mut self.phones[phone].app {
            app.concluded.insert(session);
        }
        self.remove_line(phone, session);
    }

    // ------------------------------------------------------------------------------------------------ what a resident does

    pub(super) fn tap(&mut self, phone: usize, life: u32, tap: Tap) {
        if (life != u32::MAX && life != self.phones[phone].life) || !self.phones[phone].is_on() {
            return;
        }
        match tap {
            Tap::Answer(session) => self.tap_answer(phone, session),
            Tap::CallDoor(door) => self.tap_call(phone, door),
            Tap::HangUp(session) => self.tap_hang_up(phone, session),
            Tap::Reject(session_id, status) => {
                if matches!(self.line(phone, session_id), Some(Line { stand: Stand::Ringing { .. }, .. })) {
                    self.note(|| format!("{} refuses {}", DEVICES[phone + DOORS], short(&session_id)));
                    self.conclude(phone, session_id);
                    self.ask_as(phone, Verb::Reject { session_id, status });
                }
            }
        }
    }

    fn tap_answer(&mut self, phone: usize, session: SessionId) {
        for other in self.phones[phone].talking() {
            self.tap_hang_up(phone, other);
        }
        let Some(app) = &mut self.phones[phone].app else { return };
        let Some(line) = app.lines.get_mut(&session) else { return };
        if let Stand::Ringing { .. } = line.stand {
            line.stand = Stand::Answering;
            self.note(|| format!("{} answers {}", DEVICES[phone + DOORS], short(&session)));
            self.ask_as(phone, Verb::Accept { session_id: session });
        }
    }

    fn tap_hang_up(&mut self, phone: usize, session_id: SessionId) {
        let Some(line) = self.line(phone, session_id) else { return };
        let calling = line.stand == Stand::Calling;
        self.note(|| format!("{} hangs up {}", DEVICES[phone + DOORS], short(&session_id)));
        self.conclude(phone, session_id);
        if calling {
            self.ask_as(phone, Verb::Reject { session_id, status: RejectStatus::Cancelled });
        } else {
            self.ask_as(phone, Verb::End { session_id, reason: None });
        }
    }

    fn tap_call(&mut self, phone: usize, door: usize) {
        let door = DEVICES[door].split('-').next().expect("a word has a first part");
        let receiver = Receiver::User(door.parse().expect("a word"));
        self.note(|| format!("{} calls {door}", DEVICES[phone + DOORS]));
        self.ask_as(phone, Verb::Initiate { receiver, call_type: CallType::Video, metadata: Metadata::new() });
    }

    fn phone_answered(&mut self, phone: usize, request: &VerbRequest, result: Result<VerbAnswer, Refusal>) {
        let over = |call: &Call| call.status.is_terminal();
        match (&request.verb, result) {
            (Verb::Initiate { .. }, Ok(VerbAnswer::Call(call))) => {
                if over(&call) {
                    return self.conclude(phone, call.session_id);
                }
                let session = call.session_id;
                self.resume(phone, *call);
                if self.phones[phone].awake && self.rng.u8(..3) == 0 {
                    let later = self.rng.u64(500..15_000);
                    self.tap_later(phone, later, Tap::HangUp(session));
                }
            }
            (Verb::Accept { session_id }, Ok(VerbAnswer::Call(call))) => {
                if over(&call) {
                    self.conclude(phone, *session_id);
                } else if self.line(phone, *session_id).is_some() {
                    self.resume(phone, *call);
                } else if is_inside(&call, phone + DOORS) {
                    // It was over here before the hub had answered.
                    self.ask_as(phone, Verb::End { session_id: *session_id, reason: None });
                }
            }
            (Verb::Accept { session_id }, Err(_)) => self.conclude(phone, *session_id),
            (Verb::Reject { session_id, .. }, Err(refusal)) if refusal.code == ErrorCode::ErrCallOngoingToInvalid => {
                let inside = refusal.details.call.is_some_and(|call| is_inside(&call, phone + DOORS));
                if inside {
                    self.ask_as(phone, Verb::End { session_id: *session_id, reason: None });
                }
            }
            (
                Verb::Initiate { .. }
                | Verb::Accept { .. }
                | Verb::Reject { .. }
                | Verb::End { .. }
                | Verb::GenerateToken { .. }
                | Verb::KeepAudit { .. }
                | Verb::KeepTrace { .. }
                | Verb::Open { .. }
                | Verb::PressWaiting { .. }
                | Verb::ReportDoor { .. }
                | Verb::ShowStill { .. },
                _,
            ) => {}
        }
    }
}
