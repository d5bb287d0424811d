//! The station under random events, plausible and not, against the invariants that stand in its module. Each checker names
//! the invariant it is for.

mod station_rig;

use std::collections::BTreeSet;
use std::time::Duration;

use doorward::call::indication::Phase;
use doorward::call::{Action, Event, IncomingCalls, PressAgain, Rules, SecondButton, Station};
use doorward::ids::{DeviceId, PeerId, RequestKey, SessionId};
use doorward::moment::Moment;
use doorward::signaling::protocol::{
    Call, CallStatus, CallType, EndReason, ErrorCode, EventKind, Refusal, Verb, VerbRequest,
};
use proptest::prelude::*;
use station_rig::*;

const DEVICES: [&str; 3] = ["anna-phone", "ben-phone", "carl-phone"];
/// Sessions of the door's own calls are numbered by the request that made them; residents' calls begin here.
const THEIRS: u8 = 200;

/// What happens, in words that become an event when it is known what was asked so far.
#[derive(Debug, Clone, Copy)]
struct Turn {
    kind: u8,
    number: u8,
    other: u8,
    /// Milliseconds; negative: the clock that was handed in lies.
    gap: i32,
}

fn turn() -> impl Strategy<Value = Turn> {
    let gap = prop_oneof![6 => 0..800i32, 2 => 0..20_000i32, 1 => -5_000..0i32, 1 => Just(200_000)];
    (0..34u8, any::<u8>(), any::<u8>(), gap).prop_map(|(kind, number, other, gap)| Turn { kind, number, other, gap })
}

fn configuration() -> impl Strategy<Value = Rules> {
    (0..3u8, any::<[bool; 4]>()).prop_map(|(incoming, [early_picture, again, second, video])| Rules {
        early_picture,
        incoming: [IncomingCalls::Ring, IncomingCalls::AutoAnswer, IncomingCalls::Reject][usize::from(incoming)],
        press_again: if again { PressAgain::Cancel } else { PressAgain::Ignore },
        second_button: if second { SecondButton::Queue } else { SecondButton::Refuse },
        call_type: if video { CallType::Video } else { CallType::Audio },
        ..rules()
    })
}

/// The station and what is known of its past.
struct Trial {
    station: Station,
    twin: Station,
    now: Moment,
    asked: Vec<VerbRequest>,
    answered: BTreeSet<RequestKey>,
    issued: BTreeSet<SessionId>,
    /// Live at the hub as far as this door was told, and not closed by anybody.
    open: BTreeSet<SessionId>,
    /// Over, for ever.
    ended: BTreeSet<SessionId>,
    named: BTreeSet<(SessionId, DeviceId)>,
    added: BTreeSet<(SessionId, PeerId)>,
    connected: BTreeSet<SessionId>,
    media: Option<SessionId>,
    shut_down: bool,
}

impl Trial {
    fn new(rules: Rules) -> Self {
        let station = Station::new(rules, BOOT);
        Self {
            twin: station.clone(),
            station,
            now: Moment::from_millis(10_000),
            asked: Vec::new(),
            answered: BTreeSet::new(),
            issued: BTreeSet::new(),
            open: BTreeSet::new(),
            ended: BTreeSet::new(),
            named: BTreeSet::new(),
            added: BTreeSet::new(),
            connected: BTreeSet::new(),
            media: None,
            shut_down: false,
        }
    }

    /// Mostly the session at hand, sometimes any other.
    fn pick_session(&self, number: u8) -> u8 {
        let current = self
            .station
            .session()
            .map(|session| u8::from_str_radix(&session.to_string()[..2], 16).expect("ids are hexadecimal"));
        match (number % 4, current) {
            (0, _) | (_, None) => [1, 2, 3, THEIRS, THEIRS + 1][usize::from(number / 4) % 5],
            (_, Some(current)) => current,
        }
    }

    fn event(&self, turn: Turn) -> Event {
        let session_number = self.pick_session(turn.number);
        let device = DEVICES[usize::from(turn.other) % DEVICES.len()];
        let name = if turn.other.is_multiple_of(3) { "back" } else { "front" };
        let peer = u32::from(turn.other % 5);
        let status =
            [CallStatus::Rejected, CallStatus::Busy, CallStatus::Unanswered, CallStatus::Cancelled, CallStatus::Ended]
                [usize::from(turn.other) % 5];
        match turn.kind {
            0..=3 => pressed(name),
            4 => Event::Released(button(name)),
            5 => Event::Held(button(name)),
            6..=10 => self.answer(turn),
            11 => viewed(session_number, device),
            12 => viewer_left(session_number, device),
            13..=14 => accepted(session_number, device),
            15 => participant_joined(session_number, device),
            16 => participant_left(session_number, device),
            17 => not_answered(session_number, status),
            18 => call_ended(session_number, EndReason::ResidentHungUp),
            19 => delivered(session_number, 1, 1),
            20 => incoming(THEIRS + turn.number % 3, device),
            21 if turn.other.is_multiple_of(3) => Event::SessionRefused {
                session_id: session(session_number),
                refusal: Refusal::new(ErrorCode::ErrCallSessionNotFound, "lost"),
            },
            21 => session_joined(session_number),
            22..=23 => media_connected(session_number, peer),
            24 => media_lost(session_number, peer),
            25 => media_stopped(session_number),
            26 => Event::MediaDied,
            27 => Event::MediaRestarted,
            28 => signal_came(session_number, device, peer, answer_sdp()),
            29 => Event::LinkDown,
            30 => Event::LinkUp { calls: self.calls(turn) },
            31 if turn.other.is_multiple_of(3) => Event::DevicesChanged { at_fault: turn.other.is_multiple_of(2) },
            31 => Event::StuckChanged { button: button(name), stuck: turn.other.is_multiple_of(2) },
            32 if turn.other.is_multiple_of(3) => {
                Event::ReleaseChanged { released: turn.other.is_multiple_of(2), tampered: turn.other.is_multiple_of(4) }
            }
            32 if turn.other.is_multiple_of(5) => Event::OpeningRefused,
            32 => Event::CapturingChanged {
                camera: turn.other.is_multiple_of(2),
                microphone: turn.other.is_multiple_of(4),
            },
            _ if turn.number == 0 => Event::ShutDown,
            _ => {
                Event::MediaSignalMade { session_id: session(session_number), peer: PeerId(peer), signal: offer_sdp() }
            }
        }
    }

    fn calls(&self, turn: Turn) -> Vec<Call> {
        let status = if turn.other.is_multiple_of(2) { CallStatus::Initiated } else { CallStatus::Ongoing };
        self.open
            .iter()
            .filter(|_| !turn.other.is_multiple_of(5))
            .map(|session_id| Call { session_id: *session_id, ..call(1, status) })
            .collect()
    }

    /// An answer to one of the open questions; a press on a key where there is none.
    fn answer(&self, turn: Turn) -> Event {
        let open: Vec<&VerbRequest> =
            self.asked.iter().filter(|request| !self.answered.contains(&request.key)).collect();
        let Some(request) = open.get(usize::from(turn.number) % open.len().max(1)) else { return pressed("front") };
        let refusals = [
            ErrorCode::ErrCallTerminated,
            ErrorCode::ErrCallOngoingToInvalid,
            ErrorCode::ErrReceiverNotFound,
            ErrorCode::ErrCallBusySelf,
            ErrorCode::ErrCallBusyUser,
        ];
        let refused = turn.other.is_multiple_of(4);
        let code = refusals[usize::from(turn.other / 4) % refusals.len()];
        let result = match (&request.verb, refused) {
            (Verb::Initiate { .. }, false) => Ok(Box::new(call(self.number_of(request), CallStatus::Initiated))),
            (Verb::Initiate { .. }, true) if code == ErrorCode::ErrCallBusySelf => {
                Err(Refusal::new(code, "no").with_call(call(190, CallStatus::Initiated)))
            }
            (Verb::Initiate { .. }, true) if code == ErrorCode::ErrCallBusyUser => {
                Err(Refusal::new(code, "no").with_call(call_of(THEIRS, "anna-phone", CallStatus::Initiated)))
            }
            (Verb::Accept { session_id }, false) => {
                Ok(Box::new(Call { session_id: *session_id, ..call_of(1, "anna-phone", CallStatus::Ongoing) }))
            }
            (Verb::End { session_id, .. } | Verb::Reject { session_id, .. }, false) => {
                Ok(Box::new(Call { session_id: *session_id, ..call(1, CallStatus::Ended) }))
            }
            (_, _) => Err(Refusal::new(code, "no")),
        };
        Event::VerbAnswered { request: (*request).clone(), result }
    }

    fn number_of(&self, request: &VerbRequest) -> u8 {
        let counter = request.key.as_str().rsplit('-').next().expect("a key has a counter");
        1 + u8::try_from(counter.parse::<u64>().expect("a number") % 180).expect("small")
    }

    fn take(&mut self, turn: Turn) {
        let event = self.event(turn);
        let gap = Duration::from_millis(u64::from(turn.gap.unsigned_abs()));
        if turn.gap >= 0 {
            self.now = self.now + gap;
            self.run_due();
        }
        // An older moment counts as the newest seen.
        let told = if turn.gap >= 0 { self.now } else { self.now - gap };
        self.learn(&event);
        let before = self.station.clone();
        let actions = self.station.handle(told, event.clone());
        assert_eq!(actions, self.twin.handle(told, event.clone()), "6: same events and times, same actions");
        self.check_stale(&before, &event, &actions);
        self.check(&actions);
    }

    /// Every deadline up to now, one by one.
    fn run_due(&mut self) {
        while let Some((due, timer)) = self.station.poll_timeout().filter(|(due, _)| *due <= self.now) {
            let actions = self.station.handle_timeout(due);
            assert_eq!(actions, self.twin.handle_timeout(due), "6: same events and times, same actions");
            let next = self.station.poll_timeout();
            assert!(next.is_none_or(|(next, _)| next > due), "5: {timer:?} is due again at the same moment: {next:?}");
            self.check(&actions);
        }
    }

    /// What the hub said with this event.
    fn learn(&mut self, event: &Event) {
        match event {
            Event::HubTold(told) => {
                let session_id = told.session_id;
                let new = self.issued.insert(session_id);
                match &told.event {
                    EventKind::IncomingCallReceived { .. } if new => {
                        self.open.insert(session_id);
                    }
                    EventKind::OutgoingCallAccepted { by: leg, .. }
                    | EventKind::ParticipantJoined { participant: leg, .. } => {
                        self.named.insert((session_id, leg.device_id.clone()));
                    }
                    EventKind::CallEnded { .. } | EventKind::OutgoingCallRejected { .. } => {
                        self.open.remove(&session_id);
                        self.ended.insert(session_id);
                    }
                    _ => {}
                }
            }
            Event::VerbAnswered { request, result } => {
                self.answered.insert(request.key.clone());
                match (&request.verb, result) {
                    (Verb::Initiate { .. }, Ok(call)) => {
                        self.issued.insert(call.session_id);
                        if !self.ended.contains(&call.session_id) {
                            self.open.insert(call.session_id);
                        }
                    }
                    (Verb::Accept { session_id }, Ok(call)) => {
                        self.named.insert((*session_id, call.initiator.device_id.clone()));
                    }
                    (Verb::Accept { session_id }, Err(_)) => {
                        self.open.remove(session_id);
                    }
                    (Verb::Initiate { .. }, Err(refusal)) => {
                        self.issued.extend(refusal.details.call.iter().map(|call| call.session_id));
                    }
                    _ => {}
                }
            }
            Event::SessionRefused { session_id, .. } => {
                self.open.remove(session_id);
                self.ended.insert(*session_id);
            }
            Event::LinkUp { calls } => self.issued.extend(calls.iter().map(|call| call.session_id)),
            Event::MediaConnected { session_id, peer } if self.added.contains(&(*session_id, *peer)) => {
                self.connected.insert(*session_id);
            }
            Event::ShutDown => self.shut_down = true,
            _ => {}
        }
    }

    fn check_stale(&self, before: &Station, event: &Event, actions: &[Action]) {
        let about = match event {
            Event::MediaConnected { session_id, .. }
            | Event::MediaLost { session_id, .. }
            | Event::MediaSignalMade { session_id, .. }
            | Event::SessionJoined { session_id, .. }
            | Event::SignalCame { session_id, .. } => *session_id,
            _ => return,
        };
        if before.session() != Some(about) {
            assert!(
                actions.iter().all(|action| matches!(action, Action::Indicate(_))),
                "7: stale {event:?}: {actions:?}"
            );
            assert_eq!(before.session(), self.station.session(), "7: stale {event:?} moved the phase");
        }
    }

    fn check(&mut self, actions: &[Action]) {
        let phase = self.station.indication().phase;
        for action in actions {
            let session_id = match action {
                Action::Ask(request) => {
                    self.asked.push(request.clone());
                    self.check_ask(request)
                }
                Action::StartMedia { session_id, .. } => {
                    let running = self.media.replace(*session_id);
                    assert!(running.is_none() || running == Some(*session_id), "3: {running:?} still has media");
                    Some(*session_id)
                }
                Action::StopMedia(session_id) => {
                    assert_eq!(self.media.take(), Some(*session_id), "3: stopped without a start");
                    Some(*session_id)
                }
                Action::AddPeer { session_id, peer, .. } => {
                    assert_eq!(self.media, Some(*session_id), "3: a peer without media");
                    assert!(self.added.insert((*session_id, *peer)), "a peer number is used twice");
                    assert!(!self.shut_down, "8: a peer after shutdown");
                    Some(*session_id)
                }
                Action::OpenGate { peer } => {
                    self.check_gate(*peer, &phase);
                    None
                }
                Action::JoinSession(session_id)
                | Action::LeaveSession(session_id)
                | Action::SendSignal { session_id, .. } => Some(*session_id),
                Action::Indicate(indication) => {
                    let session = self.station.session();
                    let talks = indication.phase == Phase::Ongoing;
                    assert!(!talks || session.is_some_and(|s| self.connected.contains(&s)), "7: ongoing without media");
                    None
                }
                Action::ApplySignal { .. } | Action::RemovePeer { .. } | Action::Withdraw(_) => None,
            };
            if let Some(session_id) = session_id {
                assert!(self.issued.contains(&session_id), "4: {action:?} names a session that nobody issued");
            }
        }
    }

    fn check_ask(&mut self, request: &VerbRequest) -> Option<SessionId> {
        match &request.verb {
            Verb::Initiate { .. } => {
                assert!(!self.shut_down, "8: initiate after shutdown");
                None
            }
            Verb::Accept { session_id } => {
                assert!(!self.shut_down, "8: accept after shutdown");
                Some(*session_id)
            }
            Verb::End { session_id, .. } | Verb::Reject { session_id, .. } => {
                self.open.remove(session_id);
                Some(*session_id)
            }
            Verb::GenerateToken { session_id }
            | Verb::PressWaiting { session_id, .. }
            | Verb::ShowStill { session_id, .. } => Some(*session_id),
            Verb::KeepAudit { .. } | Verb::KeepTrace { .. } | Verb::Open { .. } | Verb::ReportDoor { .. } => {
                panic!("the station has no part in the door release: {request:?}")
            }
        }
    }

    fn check_gate(&self, peer: PeerId, phase: &Phase) {
        assert!(!self.shut_down, "8: a gate after shutdown");
        assert!(matches!(phase, Phase::Connecting | Phase::Ongoing), "9: a gate in {phase:?}");
        let session_id = self.station.session().expect("9: a gate without a call");
        let made = Event::MediaSignalMade { session_id, peer, signal: candidate() };
        let device = self.station.clone().handle(self.now, made).into_iter().find_map(|action| match action {
            Action::SendSignal { device_id, .. } => Some(device_id),
            _ => None,
        });
        let device = device.expect("9: a gate of a peer that serves nobody");
        assert!(self.named.contains(&(session_id, device.clone())), "9: a gate for {device}, whom the hub never named");
    }

    /// Nothing happens any more; the deadlines run.
    fn drain(&mut self) {
        for _ in 0..200 {
            let Some((due, _)) = self.station.poll_timeout() else { break };
            self.now = self.now.max(due);
            self.run_due();
        }
        assert!(self.station.is_idle(), "1: not idle: {:?}", self.station.indication().phase);
        assert_eq!(self.media, None, "3: media was never stopped");
        assert_eq!(self.station, self.twin, "6: same events and times, same state");
        assert!(self.open.is_empty(), "2: never closed: {:?}", self.open);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_whatever_happens(rules in configuration(), turns in prop::collection::vec(turn(), 0..60)) {
        let mut trial = Trial::new(rules);
        for turn in turns {
            trial.take(turn);
        }
        trial.drain();
    }
}
