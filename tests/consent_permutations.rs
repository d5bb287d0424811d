//! Consent, under every order in which the messages of one call can come: a gate is opened only for a connection of a device
//! that the hub named as participant, never before the hub's word, never after the end. And it is opened when it should be.

mod station_rig;

use std::collections::BTreeSet;

use doorward::call::{Action, Event, Station};
use doorward::ids::{DeviceId, PeerId};
use doorward::moment::Moment;
use doorward::signaling::protocol::{CallStatus, EndReason, EventKind, Verb, VerbRequest};
use station_rig::*;

/// What was said so far on one path.
#[derive(Clone, Default)]
struct Said {
    named: BTreeSet<DeviceId>,
    ended: bool,
}

impl Said {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::HubTold(told) => match &told.event {
                EventKind::OutgoingCallAccepted { by, .. } => {
                    self.named.insert(by.device_id.clone());
                }
                EventKind::ParticipantJoined { participant, .. } => {
                    self.named.insert(participant.device_id.clone());
                }
                EventKind::CallEnded { .. } => self.ended = true,
                _ => {}
            },
            Event::VerbAnswered { request: VerbRequest { verb: Verb::Accept { .. }, .. }, result: Ok(call) } => {
                self.named.insert(call.initiator.device_id.clone());
            }
            _ => {}
        }
    }
}

/// The device that a connection serves, as the station itself would send its signals.
fn served(station: &Station, now: Moment, session_number: u8, peer: PeerId) -> Option<DeviceId> {
    let made = Event::MediaSignalMade { session_id: session(session_number), peer, signal: candidate() };
    station.clone().handle(now, made).into_iter().find_map(|action| match action {
        Action::SendSignal { device_id, .. } => Some(device_id),
        _ => None,
    })
}

struct Search<'m> {
    messages: &'m [Event],
    call: u8,
    orders: u64,
    opened: u64,
    path: Vec<usize>,
}

impl Search<'_> {
    fn go_on(&mut self, station: &Station, said: &Said, left: u32) {
        if left == 0 {
            self.orders += 1;
        }
        for index in 0..self.messages.len() {
            if left & (1 << index) == 0 {
                continue;
            }
            let (mut station, mut said) = (station.clone(), said.clone());
            let event = self.messages[index].clone();
            self.path.push(index);
            let over = said.ended;
            said.hear(&event);
            let now = Moment::from_millis(10_000 + u64::try_from(self.path.len()).expect("few"));
            let before = station.clone();
            let actions = station.handle(now, event.clone());
            for action in actions {
                self.check(&action, &event, (&before, &station), &said, over, now);
            }
            self.go_on(&station, &said, left & !(1 << index));
            self.path.pop();
        }
    }

    fn check(
        &mut self,
        action: &Action,
        event: &Event,
        (before, after): (&Station, &Station),
        said: &Said,
        over: bool,
        now: Moment,
    ) {
        match action {
            Action::OpenGate { peer } => {
                self.opened += 1;
                assert!(!over, "a gate opens after the end\n{}", self.story());
                let device = served(after, now, self.call, *peer);
                let device = device.unwrap_or_else(|| panic!("{peer} serves nobody\n{}", self.story()));
                assert!(said.named.contains(&device), "{peer} of {device}, who did not accept\n{}", self.story());
            }
            Action::ApplySignal { peer, .. } => {
                let Event::SignalCame { device_id, .. } = event else { panic!("a signal from nowhere") };
                assert_eq!(served(before, now, self.call, *peer).as_ref(), Some(device_id), "{}", self.story());
            }
            Action::AddPeer { .. } | Action::StartMedia { .. } => {
                assert!(!over, "media begins after the end\n{}", self.story());
            }
            _ => {}
        }
    }

    fn story(&self) -> String {
        self.path.iter().map(|index| event_line(&self.messages[*index])).collect::<Vec<_>>().join("\n")
    }
}

/// Plays the messages in every order. How many orders there were, and how many gates were opened in all.
fn every_order(station: &Station, call: u8, messages: &[Event]) -> (u64, u64) {
    let mut search = Search { messages, call, orders: 0, opened: 0, path: Vec::new() };
    search.go_on(station, &Said::default(), (1 << messages.len()) - 1);
    assert!(search.opened > 0, "no order opens a gate: nothing was tested");
    (search.orders, search.opened)
}

fn ringing() -> Station {
    let mut bench = Bench::new(rules());
    bench.happens(pressed("front")).answers(1, Ok(call(1, CallStatus::Initiated)));
    bench.station
}

#[test]
fn two_viewers_of_whom_one_accepts() {
    let messages = [
        viewed(1, "anna-phone"),
        viewed(1, "ben-phone"),
        session_joined(1),
        accepted(1, "anna-phone"),
        signal_came(1, "anna-phone", 1, answer_sdp()),
        signal_came(1, "ben-phone", 1, answer_sdp()),
        media_connected(1, 1),
        media_connected(1, 2),
    ];
    let (orders, _) = every_order(&ringing(), 1, &messages);
    assert_eq!(orders, 40_320);
}

#[test]
fn answers_and_candidates_before_anything_else() {
    let messages = [
        viewed(1, "anna-phone"),
        session_joined(1),
        accepted(1, "ben-phone"),
        participant_joined(1, "ben-phone"),
        signal_came(1, "anna-phone", 1, answer_sdp()),
        signal_came(1, "anna-phone", 2, candidate()),
        signal_came(1, "ben-phone", 1, candidate()),
        media_connected(1, 1),
    ];
    every_order(&ringing(), 1, &messages);
}

#[test]
fn the_end_among_everything() {
    let messages = [
        viewed(1, "anna-phone"),
        session_joined(1),
        accepted(1, "anna-phone"),
        participant_joined(1, "anna-phone"),
        media_connected(1, 1),
        media_lost(1, 1),
        viewed(1, "ben-phone"),
        call_ended(1, EndReason::ResidentHungUp),
    ];
    every_order(&ringing(), 1, &messages);
}

#[test]
fn the_answer_of_initiate_comes_late() {
    let mut bench = Bench::new(rules());
    bench.happens(pressed("front"));
    let initiated =
        Event::VerbAnswered { request: bench.asked[0].clone(), result: Ok(Box::new(call(1, CallStatus::Initiated))) };
    let messages = [
        initiated,
        viewed(1, "anna-phone"),
        session_joined(1),
        accepted(1, "anna-phone"),
        participant_joined(1, "ben-phone"),
        media_connected(1, 1),
        viewer_left(1, "anna-phone"),
        call_ended(1, EndReason::ResidentHungUp),
    ];
    every_order(&bench.station, 1, &messages);
}

#[test]
fn a_worker_that_dies_and_a_second_participant() {
    let messages = [
        session_joined(1),
        accepted(1, "anna-phone"),
        participant_joined(1, "anna-phone"),
        participant_joined(1, "ben-phone"),
        participant_left(1, "anna-phone"),
        Event::MediaDied,
        Event::MediaRestarted,
        media_connected(1, 1),
    ];
    every_order(&ringing(), 1, &messages);
}

#[test]
fn a_residents_call() {
    let mut bench = Bench::new(rules());
    bench.happens(incoming(7, "anna-phone")).happens(pressed("front")).happens(Event::Released(button("front")));
    let answered = Event::VerbAnswered {
        request: bench.asked[0].clone(),
        result: Ok(Box::new(call_of(7, "anna-phone", CallStatus::Ongoing))),
    };
    let messages = [
        answered,
        session_joined(7),
        participant_joined(7, "anna-phone"),
        viewed(7, "ben-phone"),
        signal_came(7, "ben-phone", 1, answer_sdp()),
        signal_came(7, "anna-phone", 1, answer_sdp()),
        media_connected(7, 1),
        call_ended(7, EndReason::ResidentHungUp),
    ];
    every_order(&bench.station, 7, &messages);
}
