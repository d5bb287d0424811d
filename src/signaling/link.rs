//! The connection to the hub, as a pure machine: when to open, greet, ping, give up and come back, and which verbs are
//! still unanswered.
//!
//! It owns every unanswered verb and sends it again, by its key, until it is answered, also when the station has moved on.
//! It keeps the door's (or a phone's) media session started over reconnects. It never opens a socket and never knows a
//! clock: `client` does what it orders.
//!
//! ```text
//!   Waiting ──due, or a verb is urgent──▶ Opening ──opened──▶ Greeting ──welcome──▶ Up
//!      ▲                                     │ closed, 10 s       │ closed, 5 s        │ closed, silent
//!      └─────────────────────────────────────┴────────────────────┴────────────────────┘
//! ```

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::protocol::{
    Call, ClientFrame, ErrorCode, Event as CallEvent, HubFrame, IceServer, PROTOCOL_VERSION, Refusal, Seen,
    SessionToken, Verb, VerbAnswer, VerbRequest,
};
use crate::backoff::Backoff;
use crate::ids::{BootId, EntryNumber, RequestKey, SessionId};
use crate::moment::Moment;

mod words;

pub use words::{Action, Event, Timer, Told};

/// Before the second try to reach the hub.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Between two tries, at the most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A socket that takes longer than this to open is given up.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// A hub that takes longer than this to say welcome is given up.
const GREET_DEADLINE: Duration = Duration::from_secs(5);
/// A hub that is doubted has this long to say anything.
const DOUBT: Duration = Duration::from_secs(1);
/// The first repetition of a verb that is on its way; each further one waits twice as long.
const FIRST_REPEAT: Duration = Duration::from_secs(2);
/// The longest wait between repetitions of a verb.
const LONGEST_REPEAT: Duration = Duration::from_secs(10);
/// A verb that failed is repeated this much sooner than one that is on its way.
const FAILED_SOONER: u32 = 8;
/// Tokens in a row that the hub issues and does not take before it is believed.
const MOST_SPOILT: u8 = 3;
/// Sessions of which the last seen entry is remembered; the oldest are forgotten.
const MOST_SEEN: usize = 64;

/// The machine. See the module for its states.
#[derive(Debug, Clone)]
pub struct Link {
    now: Moment,
    boot: BootId,
    tokens: u64,
    state: State,
    backoff: Backoff,
    refused: bool,
    verbs: BTreeMap<RequestKey, Pending>,
    sessions: BTreeMap<SessionId, Joining>,
    seen: BTreeMap<SessionId, (u64, EntryNumber)>,
    sightings: u64,
    actions: Vec<Action>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting { until: Moment },
    Opening { until: Moment },
    Greeting { until: Moment },
    Up { heartbeat: Duration, ping_at: Moment, silent_at: Moment },
}

/// A verb without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    request: VerbRequest,
    /// How often it is on its way: for each, an answer or a failure will come.
    on_its_way: u32,
    again: Again,
    wait: Duration,
    /// The link's own question for a token: nobody else waits for the answer.
    own: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// To be repeated.
    At(Moment),
    /// Withdrawn. What is on its way may still be answered.
    Never,
}

/// The media session of a call that is to be started and kept started.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Joining {
    step: Step,
    /// Tokens in a row that the hub did not take.
    spoilt: u8,
}

/// How far the start of a media session is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A token was asked for, under this key.
    Token(RequestKey),
    /// The session was asked for with a token, with which these servers came.
    Starting(Vec<IceServer>),
    /// It is started.
    Started,
}

impl Link {
    /// A link that wants to connect at once. `boot` makes its own request keys unlike the owner's and every other start's.
    #[must_use]
    pub const fn new(boot: BootId) -> Self {
        Self {
            now: Moment::START,
            boot,
            tokens: 0,
            state: State::Waiting { until: Moment::START },
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            refused: false,
            verbs: BTreeMap::new(),
            sessions: BTreeMap::new(),
            seen: BTreeMap::new(),
            sightings: 0,
            actions: Vec::new(),
        }
    }

    /// Takes an event. What is due by `now` happens first; an older `now` counts as the newest seen.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.run_due(now);
        match event {
            Event::Answered { key, result } => self.answered(&key, result),
            Event::Asked(request) => self.asked(request, false),
            Event::Closed { random } => self.closed(random),
            Event::Doubted => self.doubted(),
            Event::Failed { key } => self.failed(&key),
            Event::FrameCame(frame) => self.frame_came(*frame),
            Event::JoinWanted(session_id) => self.ask_token(session_id, 0),
            Event::LeaveWanted(session_id) => self.leave(session_id),
            Event::NonceMade { session_id, device_id, answer } => {
                self.send(ClientFrame::Nonce { session_id, device_id, answer });
            }
            Event::NonceWanted(session_id) => self.send(ClientFrame::AskNonce { session_id }),
            Event::Opened => self.opened(),
            Event::SignalMade { session_id, device_id, peer, signal } => {
                if self.is_started(session_id) {
                    self.send(ClientFrame::Signal { session_id, device_id, peer, signal });
                } else {
                    tracing::debug!(session = %session_id, "signal without a started session");
                }
            }
            Event::Unplugged => self.unplugged(),
            Event::Withdrawn(key) => self.withdrawn(&key),
        }
        std::mem::take(&mut self.actions)
    }

    /// Runs every deadline that is due.
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<Action> {
        self.run_due(now);
        std::mem::take(&mut self.actions)
    }

    /// The next deadline, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Moment, Timer)> {
        let state = match &self.state {
            State::Waiting { until } => (*until, Timer::Retry),
            State::Opening { until } | State::Greeting { until } => (*until, Timer::Connect),
            State::Up { ping_at, silent_at, .. } => (*ping_at, Timer::Ping).min((*silent_at, Timer::Silence)),
        };
        let repeat = self.verbs.values().filter_map(|pending| match pending.again {
            Again::At(at) => Some((at, Timer::Repeat)),
            Again::Never => None,
        });
        repeat.chain([state]).min()
    }

    /// Whether the hub is reached.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Verbs without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.verbs.len()
    }

    fn run_due(&mut self, now: Moment) {
        self.now = self.now.max(now);
        while let Some((deadline, timer)) = self.poll_timeout() {
            if deadline > self.now {
                return;
            }
            match timer {
                Timer::Retry => self.open(),
                Timer::Connect | Timer::Silence => self.drop_socket(),
                Timer::Ping => self.ping(),
                Timer::Repeat => self.repeat_due(),
            }
        }
    }

    fn tell(&mut self, told: Told) {
        self.actions.push(Action::Tell(told));
    }

    fn send(&mut self, frame: ClientFrame) {
        if self.is_up() {
            self.actions.push(Action::Send(frame));
        }
    }

    // ------------------------------------------------------------------------------------------------ the connection

    fn open(&mut self) {
        self.state = State::Opening { until: self.now + OPEN_DEADLINE };
        self.actions.push(Action::Open);
    }

    fn opened(&mut self) {
        if !matches!(self.state, State::Opening { .. }) {
            return;
        }
        self.state = State::Greeting { until: self.now + GREET_DEADLINE };
        let seen =
            self.seen.iter().map(|(session_id, (_, entry))| Seen { session_id: *session_id, entry: *entry }).collect();
        self.actions.push(Action::Send(ClientFrame::Hello { protocol: PROTOCOL_VERSION, credential: None, seen }));
    }

    /// The socket is useless: `Closed` will come of it, and nothing else counts until then.
    fn drop_socket(&mut self) {
        let was_up = self.is_up();
        // Should the close itself hang, the link tries again all the same.
        self.state = State::Waiting { until: self.now + OPEN_DEADLINE };
        self.actions.push(Action::Close);
        if was_up {
            self.went_down();
        }
    }

    fn closed(&mut self, random: u32) {
        let was_up = self.is_up();
        let mut wait = self.backoff.wait_drawn(random);
        if self.refused {
            // A credential does not become right by asking often.
            wait = wait.max(Duration::from_secs(30));
        }
        self.state = State::Waiting { until: self.now + wait };
        if was_up {
            self.went_down();
        }
    }

    fn went_down(&mut self) {
        self.tell(Told::Down);
    }

    fn welcome(&mut self, heartbeat: u64, calls: Vec<Call>) {
        let heartbeat = Duration::from_millis(heartbeat.clamp(100, 600_000));
        self.state = State::Up { heartbeat, ping_at: self.now + heartbeat, silent_at: self.now + heartbeat * 2 };
        self.backoff.reset();
        self.refused = false;
        self.tell(Told::Up { calls });
        let due: Vec<RequestKey> = self.verbs.keys().cloned().collect();
        for key in due {
            self.repeat(&key);
        }
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session_id in sessions {
            self.start_again(session_id);
        }
    }

    fn ping(&mut self) {
        if let State::Up { heartbeat, ping_at, .. } = &mut self.state {
            *ping_at = self.now + *heartbeat;
            self.actions.push(Action::Send(ClientFrame::Ping {}));
        }
    }

    fn doubted(&mut self) {
        if let State::Up { silent_at, .. } = &mut self.state {
            *silent_at = (*silent_at).min(self.now + DOUBT);
            self.actions.push(Action::Send(ClientFrame::Ping {}));
        }
    }

    /// What failed before says nothing about the network that there is now.
    fn unplugged(&mut self) {
        self.backoff.reset();
        match &mut self.state {
            State::Waiting { .. } if self.refused => {}
            State::Waiting { until } => *until = self.now.min(*until),
            State::Opening { .. } | State::Greeting { .. } | State::Up { .. } => self.drop_socket(),
        }
        self.run_due(self.now);
    }

    fn frame_came(&mut self, frame: HubFrame) {
        if let State::Up { heartbeat, silent_at, .. } = &mut self.state {
            *silent_at = self.now + *heartbeat * 2;
        }
        match frame {
            HubFrame::Welcome { heartbeat, calls, .. } => {
                if matches!(self.state, State::Greeting { .. }) {
                    self.welcome(heartbeat, calls);
                }
            }
            HubFrame::Refused { error } => self.hub_refused(&error),
            _ if !self.is_up() => {}
            HubFrame::DoorNotice { door, notice, .. } => self.tell(Told::Notice { door, notice }),
            HubFrame::Event(event) => self.event_came(event),
            HubFrame::Nonce { session_id, answer } => self.tell(Told::Nonce { session_id, answer }),
            HubFrame::NonceAsked { session_id, device_id } => self.tell(Told::NonceAsked { session_id, device_id }),
            HubFrame::NonceRefused { session_id, error } => {
                self.tell(Told::NonceRefused { session_id, refusal: error });
            }
            HubFrame::Pong {} => {}
            HubFrame::SessionEnded { session_id } => {
                // While a token is asked for, this is of the session before; what the hub says to the token counts.
                if self.sessions.get(&session_id).is_some_and(|joining| !matches!(joining.step, Step::Token(_))) {
                    self.sessions.remove(&session_id);
                    self.tell(Told::JoinRefused { session_id, refusal: None });
                }
            }
            HubFrame::SessionRefused { session_id, error } => self.session_refused(session_id, error),
            HubFrame::SessionStarted { session_id, .. } => {
                if let Some(Joining { step: Step::Starting(ice_servers), .. }) = self.sessions.get(&session_id) {
                    let ice_servers = ice_servers.clone();
                    self.sessions.insert(session_id, Joining { step: Step::Started, spoilt: 0 });
                    self.tell(Told::Joined { session_id, ice_servers });
                }
            }
            HubFrame::Signal { session_id, device_id, peer, signal } => {
                if self.is_started(session_id) {
                    self.tell(Told::Signal { session_id, device_id, peer, signal });
                }
            }
        }
    }

    fn hub_refused(&mut self, refusal: &Refusal) {
        tracing::warn!(code = ?refusal.code, message = %refusal.message, "the hub closes the connection");
        if refusal.code == ErrorCode::ErrUnauthorized {
            self.refused = true;
            self.tell(Told::Unauthorized);
        }
    }

    /// Each event is told once; its arrival is acknowledged each time, for the acknowledgement may have been lost.
    fn event_came(&mut self, event: CallEvent) {
        let (session_id, entry) = (event.session_id, event.entry);
        self.send(ClientFrame::Acknowledge { session_id, entry });
        let known = self.seen.get(&session_id).map(|(_, seen)| *seen).unwrap_or_default();
        if entry <= known {
            return;
        }
        self.sightings += 1;
        self.seen.insert(session_id, (self.sightings, entry));
        if self.seen.len() > MOST_SEEN
            && let Some(oldest) = self.seen.iter().min_by_key(|(_, (sighting, _))| *sighting).map(|(id, _)| *id)
        {
            self.seen.remove(&oldest);
        }
        self.tell(Told::Event(Box::new(event)));
    }

    // ----------------------------------------------------------------------------------------------------- the verbs

    fn asked(&mut self, request: VerbRequest, own: bool) {
        let key = request.key.clone();
        let on_its_way = 1 + self.verbs.get(&key).map_or(0, |pending| pending.on_its_way);
        let again = Again::At(self.now + FIRST_REPEAT);
        self.verbs.insert(key, Pending { request: request.clone(), on_its_way, again, wait: FIRST_REPEAT, own });
        self.actions.push(Action::Post(request));
        // Whoever asks wants to hear what follows: do not sleep through it.
        if let State::Waiting { until } = &mut self.state
            && !self.refused
        {
            *until = self.now.min(*until);
            self.run_due(self.now);
        }
    }

    fn repeat_due(&mut self) {
        let now = self.now;
        let due: Vec<RequestKey> = self
            .verbs
            .iter()
            .filter(|(_, pending)| matches!(pending.again, Again::At(at) if at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.repeat(&key);
        }
    }

    fn repeat(&mut self, key: &RequestKey) {
        let Some(pending) = self.verbs.get_mut(key) else { return };
        match pending.again {
            Again::At(_) => {
                pending.on_its_way = pending.on_its_way.saturating_add(1);
                pending.wait = LONGEST_REPEAT.min(pending.wait * 2);
                pending.again = Again::At(self.now + pending.wait);
                self.actions.push(Action::Post(pending.request.clone()));
            }
            Again::Never => {}
        }
    }

    fn failed(&mut self, key: &RequestKey) {
        let Some(pending) = self.verbs.get_mut(key) else { return };
        pending.on_its_way = pending.on_its_way.saturating_sub(1);
        match pending.again {
            // A failure is known at once; the long wait is for answers that may still come.
            Again::At(at) => pending.again = Again::At(at.min(self.now + pending.wait / FAILED_SOONER)),
            Again::Never if pending.on_its_way == 0 => {
                self.verbs.remove(key);
            }
            Again::Never => {}
        }
    }

    /// One that is on its way may still be answered, and the owner will then undo it; one that is not is forgotten.
    fn withdrawn(&mut self, key: &RequestKey) {
        let Some(pending) = self.verbs.get_mut(key) else { return };
        pending.again = Again::Never;
        if pending.on_its_way == 0 {
            self.verbs.remove(key);
        }
    }

    fn answered(&mut self, key: &RequestKey, result: Result<VerbAnswer, Refusal>) {
        let Some(pending) = self.verbs.remove(key) else {
            tracing::debug!(%key, "second answer of a verb");
            return;
        };
        match pending.request.verb {
            Verb::GenerateToken { session_id } if pending.own => self.token_answered(session_id, key, result),
            Verb::Accept { .. }
            | Verb::End { .. }
            | Verb::GenerateToken { .. }
            | Verb::Initiate { .. }
            | Verb::KeepAudit { .. }
            | Verb::KeepTrace { .. }
            | Verb::Open { .. }
            | Verb::PressWaiting { .. }
            | Verb::Reject { .. }
            | Verb::ReportDoor { .. }
            | Verb::ShowStill { .. } => self.tell(Told::Answered { request: pending.request, result }),
        }
    }

    // ----------------------------------------------------------------------------------------------- media sessions

    fn is_started(&self, session_id: SessionId) -> bool {
        matches!(self.sessions.get(&session_id), Some(Joining { step: Step::Started, .. }))
    }

    fn ask_token(&mut self, session_id: SessionId, spoilt: u8) {
        self.tokens += 1;
        let key = RequestKey::of_token(self.boot, self.tokens);
        let before = self.sessions.insert(session_id, Joining { step: Step::Token(key.clone()), spoilt });
        if let Some(Joining { step: Step::Token(abandoned), .. }) = before {
            self.withdrawn(&abandoned);
        }
        self.asked(VerbRequest { key, verb: Verb::GenerateToken { session_id } }, true);
    }

    fn token_answered(&mut self, session_id: SessionId, key: &RequestKey, result: Result<VerbAnswer, Refusal>) {
        let Some(joining) =
            self.sessions.get_mut(&session_id).filter(|joining| joining.step == Step::Token(key.clone()))
        else {
            tracing::debug!(session = %session_id, "a token that nobody waits for any more");
            return;
        };
        match result {
            Ok(VerbAnswer::Token(SessionToken { token, ice_servers, .. })) => {
                joining.step = Step::Starting(ice_servers);
                self.send(ClientFrame::StartSession { session_id, token, keeps: None });
            }
            Ok(VerbAnswer::Call(_) | VerbAnswer::Kept) => self.session_refused(session_id, unexpected_answer()),
            Err(refusal) => self.session_refused(session_id, refusal),
        }
    }

    /// After a reconnect the hub has forgotten the session: a new token, for the old one is short-lived.
    fn start_again(&mut self, session_id: SessionId) {
        match self.sessions.get(&session_id).map(|joining| &joining.step) {
            Some(Step::Starting(_) | Step::Started) => self.ask_token(session_id, 0),
            Some(Step::Token(_)) | None => {}
        }
    }

    fn session_refused(&mut self, session_id: SessionId, refusal: Refusal) {
        let Some(Joining { spoilt, .. }) = self.sessions.get(&session_id) else { return };
        let spoilt = spoilt.saturating_add(1);
        if refusal.code == ErrorCode::ErrSessionTokenInvalid && spoilt < MOST_SPOILT {
            self.ask_token(session_id, spoilt);
        } else {
            self.sessions.remove(&session_id);
            self.tell(Told::JoinRefused { session_id, refusal: Some(refusal) });
        }
    }

    fn leave(&mut self, session_id: SessionId) {
        match self.sessions.remove(&session_id).map(|joining| joining.step) {
            Some(Step::Token(key)) => self.withdrawn(&key),
            Some(Step::Starting(_) | Step::Started) => self.send(ClientFrame::EndSession { session_id }),
            None => {}
        }
    }
}

fn unexpected_answer() -> Refusal {
    Refusal::new(ErrorCode::ErrInternal, "the hub answered `token` with a call")
}
