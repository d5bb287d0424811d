//! The door release under random events, plausible and not, against the invariants that stand in its module, and its rules one
//! by one.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward::audit;
use doorward::ids::{DeviceId, Nonce, SessionId};
use doorward::moment::Moment;
use doorward::panel::Input;
use doorward::panel::release::{Action, Event, Lock, NONCE_LIFE, Release, Rules};
use doorward::redacted::Redacted;
use doorward::signaling::protocol::{DoorReport, DoorState, Leg, NonceAnswer, Opener, OpeningRefusal};
use proptest::prelude::*;

const DEVICES: [&str; 3] = ["anna-phone", "ben-phone", "carl-phone"];

fn rules() -> Rules {
    Rules {
        fitted: true,
        lock: Lock::FailSecure,
        pulse: Duration::from_secs(3),
        contact: true,
        opened_within: Duration::from_secs(10),
        left_open_after: Duration::from_secs(60),
        report_forced: true,
        tamper_inhibits: Duration::from_secs(300),
    }
}

fn session(bits: u8) -> SessionId {
    SessionId::from_random([bits; 16])
}

fn leg(device: &str) -> Leg {
    Leg { uid: "anna".parse().expect("a word"), device_id: device.parse().expect("a word"), name: "Anna".into() }
}

/// The machine, a relay that answers, and what is known of the past.
struct Trial {
    release: Release,
    rules: Rules,
    now: Moment,
    relay_works: bool,
    current: bool,
    /// Ordered to be released since then.
    open_since: Option<Moment>,
    stopped: bool,
    nonces: BTreeMap<DeviceId, (SessionId, Nonce, Moment)>,
    told: Vec<Action>,
}

impl Trial {
    fn new(rules: Rules) -> Self {
        let release = Release::new(rules);
        let now = Moment::from_millis(1_000);
        let mut trial = Self {
            release,
            rules,
            now,
            relay_works: true,
            current: false,
            open_since: None,
            stopped: false,
            nonces: BTreeMap::new(),
            told: Vec::new(),
        };
        let actions = trial.release.start();
        trial.perform(actions);
        trial
    }

    fn opens(&self) -> bool {
        self.rules.lock == Lock::FailSecure
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Action::Energise(current) = action {
                assert!(self.rules.fitted);
                assert!(!(self.stopped && current), "6: no current after shutdown");
                let works = self.relay_works;
                if works {
                    self.current = current;
                }
                let released = current == self.opens() && !self.stopped;
                self.open_since = released.then(|| self.open_since.unwrap_or(self.now));
                let more = self.release.handle(self.now, Event::RelayAnswered { works });
                self.perform(more);
            } else {
                self.told.push(action);
            }
        }
        if let Some(since) = self.open_since {
            assert!(self.now.since(since) <= self.rules.pulse, "1: released for longer than the pulse");
        }
    }

    /// Lets every deadline up to then fire at its own time.
    fn wait(&mut self, until: Moment) {
        while let Some((due, timer)) = self.release.poll_timeout().filter(|(due, _)| *due <= until) {
            self.now = self.now.max(due);
            let actions = self.release.handle_timeout(self.now);
            self.perform(actions);
            let next = self.release.poll_timeout();
            assert!(next.is_none_or(|(again, what)| again > due || what != timer), "5: {timer:?} fires for ever");
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, event: Event) -> Vec<Action> {
        self.stopped |= event == Event::ShutDown;
        let from = self.told.len();
        let actions = self.release.handle(self.now, event);
        self.perform(actions);
        self.told[from..].to_vec()
    }

    fn line(&mut self, input: Input, active: bool) -> Vec<Action> {
        let from = self.told.len();
        let at = self.now;
        self.happen(Event::LineChanged { input, active, at });
        self.wait(at + Duration::from_millis(20));
        self.told[from..].to_vec()
    }

    fn nonce(&mut self, device: &str) -> Redacted<Nonce> {
        let random = [self.told.len().to_le_bytes()[0].wrapping_add(1); 16];
        let device_id = device.parse().expect("a word");
        let event = Event::NonceAsked { session_id: session(1), device_id, participant: true, random };
        match self.happen(event).as_slice() {
            [Action::AnswerNonce { answer: NonceAnswer::Issued { nonce, .. }, .. }] => nonce.clone(),
            other => panic!("no nonce: {other:?}"),
        }
    }

    fn open(&mut self, device: &str, nonce: Redacted<Nonce>) -> Result<(), OpeningRefusal> {
        self.open_in(session(1), device, nonce, true)
    }

    fn open_in(
        &mut self,
        session_id: SessionId,
        device: &str,
        nonce: Redacted<Nonce>,
        participant: bool,
    ) -> Result<(), OpeningRefusal> {
        let opening = "k-1".parse().expect("a word");
        let told = self.happen(Event::OpenAsked { session_id, by: leg(device), opening, nonce, participant });
        let reports = told.iter().filter_map(|action| match action {
            Action::Report { report: DoorReport::Opened { .. }, .. } => Some(Ok(())),
            Action::Report { report: DoorReport::Refused { reason, .. }, .. } => Some(Err(*reason)),
            _other => None,
        });
        let [verdict] = reports.collect::<Vec<_>>()[..] else { panic!("not one verdict: {told:?}") };
        verdict
    }

    fn is_open(&self) -> bool {
        self.open_since.is_some()
    }

    fn states(&self) -> Vec<DoorState> {
        let state = |action: &Action| match action {
            Action::Report { report: DoorReport::Contact { state }, .. } => Some(*state),
            _other => None,
        };
        self.told.iter().filter_map(state).collect()
    }

    fn later(&self, seconds: u64) -> Moment {
        self.now + Duration::from_secs(seconds)
    }
}

#[test]
fn a_participant_opens_once_for_one_pulse() {
    for lock in [Lock::FailSecure, Lock::FailSafe] {
        let mut trial = Trial::new(Rules { lock, ..rules() });
        assert_eq!(trial.current, lock == Lock::FailSafe, "at rest");
        let nonce = trial.nonce("anna-phone");
        assert_eq!(trial.open("anna-phone", nonce.clone()), Ok(()));
        assert_eq!(trial.current, lock == Lock::FailSecure);
        assert_eq!(trial.open("anna-phone", nonce), Err(OpeningRefusal::NonceUnknown), "used");
        let end = trial.later(3);
        trial.wait(end - Duration::from_millis(1));
        assert!(trial.is_open());
        trial.wait(end);
        assert!(!trial.is_open() && trial.current == (lock == Lock::FailSafe));
    }
}

#[test]
fn a_second_opening_is_merged_and_prolongs_nothing() {
    let mut trial = Trial::new(rules());
    let (anna, ben) = (trial.nonce("anna-phone"), trial.nonce("ben-phone"));
    assert_eq!(trial.open("anna-phone", anna), Ok(()));
    let end = trial.later(3);
    let later = trial.later(2);
    trial.wait(later);
    assert_eq!(trial.open("ben-phone", ben), Ok(()));
    let merged = |action: &&Action| {
        matches!(action, Action::Record(audit::Event::Opened { merged: true, released_for: 1000, .. }))
    };
    assert_eq!(trial.told.iter().filter(merged).count(), 1);
    trial.wait(end);
    assert!(!trial.is_open());
}

#[test]
fn a_nonce_is_for_its_device_its_call_and_five_seconds() {
    let mut trial = Trial::new(rules());
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("ben-phone", nonce.clone()), Err(OpeningRefusal::NonceUnknown));
    assert_eq!(trial.open_in(session(2), "anna-phone", nonce, true), Err(OpeningRefusal::NonceUnknown));
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open_in(session(1), "anna-phone", nonce, false), Err(OpeningRefusal::NotAParticipant));
    let nonce = trial.nonce("anna-phone");
    let other = Redacted::new(Nonce::from_random([77; 16]));
    assert_eq!(trial.open("anna-phone", other), Err(OpeningRefusal::NonceUnknown));
    assert_eq!(trial.open("anna-phone", nonce), Err(OpeningRefusal::NonceUnknown), "one guess costs it");
    let nonce = trial.nonce("anna-phone");
    let end = trial.now + NONCE_LIFE;
    trial.wait(end);
    assert_eq!(trial.open("anna-phone", nonce), Err(OpeningRefusal::NonceExpired));
    let nonce = trial.nonce("anna-phone");
    let end = trial.now + NONCE_LIFE - Duration::from_millis(1);
    trial.wait(end);
    assert_eq!(trial.open("anna-phone", nonce), Ok(()));
}

#[test]
fn tamper_inhibits_everybody_but_the_exit() {
    let mut trial = Trial::new(rules());
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Ok(()));
    trial.line(Input::Tamper, true);
    assert!(!trial.is_open(), "a pulse ends at once");
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Err(OpeningRefusal::Tampered));
    trial.happen(Event::AdministratorAsked);
    trial.happen(Event::PressedInHours("b".parse().expect("a word")));
    assert!(!trial.is_open());
    trial.line(Input::RequestToExit, true);
    assert!(trial.is_open(), "nobody is locked in");
    let end = trial.later(299);
    trial.line(Input::Tamper, false);
    trial.line(Input::RequestToExit, false);
    trial.wait(end);
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Err(OpeningRefusal::Tampered), "and for a while afterwards");
    let end = trial.later(2);
    trial.wait(end);
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Ok(()));

    let mut trial = Trial::new(Rules { tamper_inhibits: Duration::ZERO, ..rules() });
    trial.line(Input::Tamper, true);
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Ok(()), "configured to be told only");
}

#[test]
fn an_exit_keeps_its_pulse_also_when_the_enclosure_is_opened() {
    let mut trial = Trial::new(rules());
    trial.line(Input::RequestToExit, true);
    trial.line(Input::Tamper, true);
    assert!(trial.is_open());
    let end = trial.later(30);
    trial.wait(end);
    assert!(!trial.is_open(), "held down it is still one pulse");
    assert_eq!(
        trial.told.iter().filter(|action| matches!(action, Action::Record(audit::Event::Opened { .. }))).count(),
        1
    );
}

#[test]
fn the_contact_tells_what_became_of_it() {
    let mut trial = Trial::new(rules());
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Ok(()));
    let end = trial.later(10);
    trial.wait(end);
    assert_eq!(trial.states(), [DoorState::NotOpened]);
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Ok(()));
    let end = trial.later(5);
    trial.wait(end);
    trial.line(Input::DoorContact, true);
    assert!(trial.release.is_door_open());
    let end = trial.later(600);
    trial.wait(end);
    trial.line(Input::DoorContact, false);
    trial.line(Input::DoorContact, true);
    use DoorState::{Closed, Forced, LeftOpen, NotOpened, Opened};
    assert_eq!(trial.states(), [NotOpened, Opened, LeftOpen, Closed, Forced]);
}

#[test]
fn a_relay_that_fails_is_told_once_and_tried_again() {
    let mut trial = Trial::new(rules());
    trial.relay_works = false;
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Err(OpeningRefusal::RelayFailed));
    let end = trial.later(60);
    trial.wait(end);
    let failures = trial.told.iter().filter(|action| **action == Action::Record(audit::Event::RelayFailed)).count();
    assert_eq!(failures, 1);
    trial.relay_works = true;
    let end = trial.later(1);
    trial.wait(end);
    assert_eq!(trial.release.poll_timeout(), None, "at rest again");
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce), Ok(()));
}

#[test]
fn a_door_without_a_release_says_so() {
    let mut trial = Trial::new(Rules { fitted: false, ..rules() });
    let device_id: DeviceId = "anna-phone".parse().expect("a word");
    let event = Event::NonceAsked { session_id: session(1), device_id, participant: true, random: [1; 16] };
    let told = trial.happen(event);
    let refused = NonceAnswer::Refused { reason: OpeningRefusal::NoRelease };
    assert!(matches!(&told[..], [Action::AnswerNonce { answer, .. }] if *answer == refused), "{told:?}");
    trial.line(Input::RequestToExit, true);
    trial.happen(Event::ShutDown);
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    kind: u8,
    number: u8,
    gap: u16,
}

fn turn() -> impl Strategy<Value = Turn> {
    (0..16u8, any::<u8>(), prop_oneof![4 => 0..300u16, 2 => 0..7_000u16, 1 => Just(60_000u16)])
        .prop_map(|(kind, number, gap)| Turn { kind, number, gap })
}

fn step(trial: &mut Trial, turn: Turn) {
    let until = trial.now + Duration::from_millis(u64::from(turn.gap));
    trial.wait(until);
    let device = DEVICES[usize::from(turn.number) % 3];
    let device_id: DeviceId = device.parse().expect("a word");
    let (session_id, participant) = (session(turn.number / 3 % 2), !turn.number.is_multiple_of(7));
    let inhibited = trial.release.is_tampered() && !trial.rules.tamper_inhibits.is_zero();
    let was_open = trial.is_open();
    let input = |number: u8| [Input::DoorContact, Input::RequestToExit, Input::Tamper][usize::from(number) % 3].clone();
    let may_open = match turn.kind {
        0..=3 => {
            let random = trial.now.as_nanos().to_le_bytes().repeat(2).try_into().expect("sixteen bytes");
            let id = device_id.clone();
            let told = trial.happen(Event::NonceAsked { session_id, device_id: id, participant, random });
            if let [Action::AnswerNonce { answer: NonceAnswer::Issued { nonce, .. }, .. }] = &told[..] {
                assert!(participant);
                trial.nonces.insert(device_id, (session_id, *nonce.expose(), trial.now + NONCE_LIFE));
            }
            false
        }
        4..=8 => {
            let known = trial.nonces.remove(&device_id);
            let shown = known.map_or(Nonce::from_random([9; 16]), |(_, nonce, _)| nonce);
            let good = known.is_some_and(|(of, _, until)| of == session_id && trial.now < until);
            let verdict = trial.open_in(session_id, device, Redacted::new(shown), participant);
            assert!(verdict.is_err() || (good && participant), "4: opened with a bad nonce");
            good && participant && !inhibited
        }
        9..=12 => {
            trial.line(input(turn.number), turn.number.is_multiple_of(2));
            turn.number % 3 == 1 && turn.number.is_multiple_of(2)
        }
        13 => {
            trial.happen(Event::AdministratorAsked);
            !inhibited
        }
        14 => {
            trial.happen(Event::PressedInHours("b".parse().expect("a word")));
            !inhibited
        }
        _last => {
            trial.relay_works = !turn.number.is_multiple_of(4);
            if turn.number > 250 {
                trial.happen(Event::ShutDown);
            }
            false
        }
    };
    assert!(was_open || !trial.is_open() || may_open, "2: opened without an authority: {turn:?}");
    assert!(!(trial.is_open() && trial.stopped), "6: released after shutdown");
}

proptest! {
    #[test]
    fn the_invariants_hold(
        turns in prop::collection::vec(turn(), 0..80),
        safe in any::<bool>(),
        contact in any::<bool>(),
        inhibits in any::<bool>(),
    ) {
        let rules = Rules {
            lock: if safe { Lock::FailSafe } else { Lock::FailSecure },
            contact,
            tamper_inhibits: Duration::from_secs(if inhibits { 300 } else { 0 }),
            ..rules()
        };
        let (mut trial, mut twin) = (Trial::new(rules), Trial::new(rules));
        for turn in &turns {
            step(&mut trial, *turn);
            step(&mut twin, *turn);
        }
        prop_assert_eq!(&trial.told, &twin.told, "7: same events, other actions");
        trial.relay_works = true;
        let end = trial.later(3600);
        trial.wait(end);
        prop_assert!(!trial.is_open(), "3: it does not return to rest");
        prop_assert_eq!(trial.release.poll_timeout(), None);
        let safe_level = trial.rules.lock == Lock::FailSafe && !trial.stopped;
        prop_assert!(trial.current == safe_level, "3: the relay is not at rest");
        trial.happen(Event::ShutDown);
        prop_assert!(!trial.current, "6: current after shutdown");
        let event = Event::LineChanged { input: Input::RequestToExit, active: true, at: trial.now };
        trial.happen(event);
        let end = trial.later(60);
        trial.wait(end);
        prop_assert!(!trial.current);
    }
}

#[test]
fn every_refusal_and_every_opening_is_recorded() {
    let mut trial = Trial::new(rules());
    let nonce = trial.nonce("anna-phone");
    assert_eq!(trial.open("anna-phone", nonce.clone()), Ok(()));
    assert!(trial.open("anna-phone", nonce).is_err());
    trial.line(Input::RequestToExit, true);
    let records: Vec<_> = trial
        .told
        .iter()
        .filter_map(|action| match action {
            Action::Record(audit::Event::Opened { opener, merged, .. }) => Some((opener.clone(), Some(*merged))),
            Action::Record(audit::Event::Refused { opener, .. }) => Some((opener.clone(), None)),
            _other => None,
        })
        .collect();
    let anna = Opener::Participant { opening: "k-1".parse().expect("a word"), by: leg("anna-phone") };
    assert_eq!(records, [(anna.clone(), Some(false)), (anna, None), (Opener::RequestToExit {}, Some(true))]);
}
