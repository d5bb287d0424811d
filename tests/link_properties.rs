//! The link under random treatment: what it promises about verbs, events, media sessions and sockets, whatever comes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use doorward::ids::{BootId, EntryNumber, RequestKey, SessionId};
use doorward::moment::Moment;
use doorward::redacted::Redacted;
use doorward::signaling::link::{Action, Event, Link, Told};
use doorward::signaling::protocol::{
    ClientFrame, ErrorCode, Event as HubEvent, EventKind, HubFrame, Metadata, Refusal, Role, SessionToken, Verb,
    VerbAnswer, VerbRequest,
};
use proptest::prelude::*;

const BOOT: BootId = BootId::from_random([1; 16]);
const HEARTBEAT: u64 = 15_000;

fn session(number: u8) -> SessionId {
    SessionId::from_random([number; 16])
}

fn key(counter: u8) -> RequestKey {
    RequestKey::of_attempt(BOOT, u64::from(counter))
}

/// What is done to the link.
#[derive(Debug, Clone)]
enum Treatment {
    Answer(usize),
    Ask(u8),
    Close(u32),
    Ended(u8),
    Fail(usize),
    Join(u8),
    Leave(u8),
    Pass(u64),
    Pong,
    Refuse(u8),
    Open,
    Started(u8),
    Tell(u8, u64),
    Welcome,
    Withdraw(u8),
}

fn treatment() -> impl Strategy<Value = Treatment> {
    use Treatment as T;
    prop_oneof![
        4 => any::<usize>().prop_map(T::Answer),
        3 => (0..30u8).prop_map(T::Ask),
        2 => any::<u32>().prop_map(T::Close),
        1 => (0..3u8).prop_map(T::Ended),
        3 => any::<usize>().prop_map(T::Fail),
        2 => (0..3u8).prop_map(T::Join),
        1 => (0..3u8).prop_map(T::Leave),
        4 => (0..40_000u64).prop_map(T::Pass),
        1 => Just(T::Pong),
        1 => (0..3u8).prop_map(T::Refuse),
        4 => Just(T::Open),
        2 => (0..3u8).prop_map(T::Started),
        3 => (0..3u8, 1..12u64).prop_map(|(session, entry)| T::Tell(session, entry)),
        4 => Just(T::Welcome),
        2 => (0..30u8).prop_map(T::Withdraw),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    None,
    Opening,
    Open,
}

/// A link, what is at its other end, and what it promised.
struct Bench {
    link: Link,
    now: Moment,
    socket: Socket,
    on_their_way: Vec<VerbRequest>,
    asked: BTreeSet<RequestKey>,
    withdrawn: BTreeSet<RequestKey>,
    answered: BTreeSet<RequestKey>,
    wanted: BTreeSet<SessionId>,
    heard: BTreeMap<SessionId, EntryNumber>,
    joined: BTreeSet<SessionId>,
    started: Vec<SessionId>,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            link: Link::new(BOOT),
            now: Moment::from_millis(1),
            socket: Socket::None,
            on_their_way: Vec::new(),
            asked: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            answered: BTreeSet::new(),
            wanted: BTreeSet::new(),
            heard: BTreeMap::new(),
            joined: BTreeSet::new(),
            started: Vec::new(),
        };
        bench.pass(0);
        bench
    }

    fn happens(&mut self, event: Event) {
        let actions = self.link.handle(self.now, event);
        self.obey(actions);
    }

    fn obey(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Close => {
                    self.socket = Socket::None;
                    self.happens(Event::Closed { random: 77 });
                }
                Action::Open => {
                    assert_eq!(self.socket, Socket::None, "a second socket is opened beside the first");
                    self.socket = Socket::Opening;
                }
                Action::Post(request) => {
                    assert!(!self.withdrawn.contains(&request.key), "a withdrawn verb is sent again");
                    assert!(!self.answered.contains(&request.key), "an answered verb is sent again");
                    self.on_their_way.push(request);
                }
                Action::Send(frame) => {
                    assert_eq!(self.socket, Socket::Open, "a frame without a socket: {frame:?}");
                    if let ClientFrame::StartSession { session_id, .. } = frame {
                        self.started.push(session_id);
                    }
                }
                Action::Tell(told) => self.hear(told),
            }
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Event(event) => {
                let last = self.heard.insert(event.session_id, event.entry).unwrap_or_default();
                assert!(event.entry > last, "entry {} is told after {last}", event.entry);
            }
            Told::Answered { request, .. } => {
                assert!(self.asked.contains(&request.key), "an answer nobody asked for: {request:?}");
                assert!(self.answered.insert(request.key), "an answer is told twice");
            }
            Told::JoinRefused { session_id, .. } => {
                assert!(self.wanted.remove(&session_id), "a session nobody wants is refused");
                self.joined.remove(&session_id);
            }
            Told::Joined { session_id, .. } => {
                assert!(self.wanted.contains(&session_id), "a session nobody wants is started");
                self.joined.insert(session_id);
            }
            Told::Down => self.joined.clear(),
            Told::Nonce { .. }
            | Told::NonceAsked { .. }
            | Told::NonceRefused { .. }
            | Told::Notice { .. }
            | Told::Signal { .. }
            | Told::Unauthorized
            | Told::Up { .. } => {}
        }
    }

    /// Time passes; every deadline moves.
    fn pass(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some((due, _)) = self.link.poll_timeout().filter(|(due, _)| *due <= until) {
            self.now = self.now.max(due);
            let actions = self.link.handle_timeout(self.now);
            self.obey(actions);
            let next = self.link.poll_timeout();
            assert!(next.is_none_or(|(due, _)| due > self.now), "{next:?} does not move at {:?}", self.now);
        }
        self.now = until;
    }

    fn frame(&mut self, frame: HubFrame) {
        if self.socket == Socket::Open {
            self.happens(Event::FrameCame(Box::new(frame)));
        }
    }

    fn take(&mut self, index: usize) -> Option<VerbRequest> {
        let count = self.on_their_way.len();
        (count > 0).then(|| self.on_their_way.swap_remove(index % count))
    }

    fn answer(&mut self, request: VerbRequest) {
        let result = match request.verb {
            Verb::GenerateToken { .. } => Ok(VerbAnswer::Token(SessionToken {
                token: Redacted::new("t".to_owned()),
                role: Role::Viewer,
                expires_in: 60,
                ice_servers: Vec::new(),
            })),
            _ => Err(Refusal::new(ErrorCode::ErrCallTerminated, "over")),
        };
        self.happens(Event::Answered { key: request.key, result });
    }

    fn treat(&mut self, treatment: Treatment) {
        match treatment {
            Treatment::Answer(index) => {
                if let Some(request) = self.take(index) {
                    self.answer(request);
                }
            }
            Treatment::Fail(index) => {
                if let Some(request) = self.take(index) {
                    self.happens(Event::Failed { key: request.key });
                }
            }
            Treatment::Ask(counter) => {
                if self.asked.insert(key(counter)) {
                    let verb = Verb::Accept { session_id: session(counter) };
                    self.happens(Event::Asked(VerbRequest { key: key(counter), verb }));
                }
            }
            Treatment::Withdraw(counter) => {
                if self.asked.contains(&key(counter)) {
                    self.withdrawn.insert(key(counter));
                    self.happens(Event::Withdrawn(key(counter)));
                }
            }
            Treatment::Close(random) => {
                if self.socket != Socket::None {
                    self.socket = Socket::None;
                    self.happens(Event::Closed { random });
                }
            }
            Treatment::Open => {
                if self.socket == Socket::Opening {
                    self.socket = Socket::Open;
                    self.happens(Event::Opened);
                }
            }
            Treatment::Join(number) => {
                self.wanted.insert(session(number));
                self.happens(Event::JoinWanted(session(number)));
            }
            Treatment::Leave(number) => {
                self.wanted.remove(&session(number));
                self.joined.remove(&session(number));
                self.happens(Event::LeaveWanted(session(number)));
            }
            Treatment::Pass(millis) => self.pass(millis),
            Treatment::Pong => self.frame(HubFrame::Pong {}),
            Treatment::Ended(number) => self.frame(HubFrame::SessionEnded { session_id: session(number) }),
            Treatment::Refuse(number) => {
                let error = Refusal::new(ErrorCode::ErrSessionTokenInvalid, "spoilt");
                self.frame(HubFrame::SessionRefused { session_id: session(number), error });
            }
            Treatment::Started(number) => {
                self.frame(HubFrame::SessionStarted { session_id: session(number), role: Role::Viewer });
            }
            Treatment::Tell(number, entry) => {
                let event = EventKind::PressWaiting { metadata: Metadata::new() };
                let (session_id, entry) = (session(number), EntryNumber(entry));
                self.frame(HubFrame::Event(HubEvent { session_id, entry, event }));
            }
            Treatment::Welcome => self.welcome(),
        }
    }

    fn welcome(&mut self) {
        self.frame(HubFrame::Welcome {
            protocol: 1,
            uid: "door".parse().expect("a word"),
            device_id: "panel".parse().expect("a word"),
            heartbeat: HEARTBEAT,
            time: 0,
            calls: Vec::new(),
        });
    }

    /// From now on everything works.
    fn recover(&mut self) {
        if self.socket != Socket::None {
            self.socket = Socket::None;
            self.happens(Event::Closed { random: u32::MAX });
        }
        self.started.clear();
        for _ in 0..80 {
            self.treat(Treatment::Open);
            self.welcome();
            while let Some(request) = self.take(0) {
                self.answer(request);
            }
            for session_id in std::mem::take(&mut self.started) {
                self.frame(HubFrame::SessionStarted { session_id, role: Role::Viewer });
            }
            self.frame(HubFrame::Pong {});
            self.pass(1_000);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_and_everything_recovers(treatments in prop::collection::vec(treatment(), 0..120)) {
        let mut bench = Bench::new();
        for treatment in treatments {
            bench.treat(treatment);
        }
        bench.recover();
        prop_assert!(bench.link.is_up());
        prop_assert_eq!(bench.link.unanswered(), 0);
        prop_assert_eq!(&bench.joined, &bench.wanted, "what is wanted is started again");
        let open: Vec<_> = bench.asked.difference(&bench.withdrawn).filter(|key| !bench.answered.contains(*key)).collect();
        prop_assert!(open.is_empty(), "never answered: {:?}", open);
    }

    #[test]
    fn a_silent_hub_is_left_within_two_heartbeats(quiet in 0..HEARTBEAT) {
        let mut bench = Bench::new();
        bench.treat(Treatment::Open);
        bench.welcome();
        bench.pass(quiet);
        bench.frame(HubFrame::Pong {});
        bench.pass(2 * HEARTBEAT - 1);
        prop_assert!(bench.link.is_up());
        bench.pass(1);
        prop_assert!(!bench.link.is_up());
    }

    #[test]
    fn the_next_try_is_neither_at_once_nor_late(failures in 1..12usize, random in any::<u32>()) {
        let mut bench = Bench::new();
        for _ in 0..failures {
            prop_assert_eq!(bench.socket, Socket::Opening);
            bench.treat(Treatment::Close(random));
            prop_assert_eq!(bench.socket, Socket::None);
            bench.pass(49);
            prop_assert_eq!(bench.socket, Socket::None, "a loop");
            let since = bench.now;
            while bench.socket == Socket::None {
                bench.pass(10);
                prop_assert!(bench.now.since(since) <= Duration::from_secs(30), "late");
            }
        }
    }

    #[test]
    fn an_unknown_credential_is_not_tried_at_every_press(presses in 1..10u8) {
        let mut bench = Bench::new();
        bench.treat(Treatment::Open);
        bench.frame(HubFrame::Refused { error: Refusal::new(ErrorCode::ErrUnauthorized, "who?") });
        bench.treat(Treatment::Close(0));
        for counter in 0..presses {
            bench.treat(Treatment::Ask(counter));
            prop_assert_eq!(bench.socket, Socket::None);
        }
        bench.pass(29_000);
        prop_assert_eq!(bench.socket, Socket::None);
        bench.pass(2_000);
        prop_assert_eq!(bench.socket, Socket::Opening);
    }
}

#[test]
fn the_answer_of_a_repeated_and_withdrawn_verb_is_told_though_one_try_failed() {
    let mut bench = Bench::new();
    bench.treat(Treatment::Ask(1));
    bench.pass(2_000);
    assert_eq!(bench.on_their_way.len(), 2);
    bench.treat(Treatment::Withdraw(1));
    bench.treat(Treatment::Fail(0));
    bench.treat(Treatment::Answer(0));
    assert!(bench.answered.contains(&key(1)));
}

#[test]
fn the_end_of_a_session_that_crosses_its_new_start_does_not_end_it() {
    let mut bench = Bench::new();
    for treatment in [Treatment::Open, Treatment::Welcome, Treatment::Join(1), Treatment::Leave(1), Treatment::Join(1)]
    {
        bench.treat(treatment);
    }
    bench.treat(Treatment::Ended(1));
    bench.recover();
    assert!(bench.joined.contains(&session(1)));
}

#[test]
fn a_hub_that_takes_none_of_its_tokens_is_believed_at_last() {
    let mut bench = Bench::new();
    for treatment in [Treatment::Open, Treatment::Welcome, Treatment::Join(1)] {
        bench.treat(treatment);
    }
    for _ in 0..3 {
        bench.treat(Treatment::Answer(0));
        bench.treat(Treatment::Refuse(1));
    }
    assert!(bench.wanted.is_empty(), "it goes on asking");
    assert!(bench.on_their_way.is_empty());
}
