//! Races: whatever order entries get in the log, all parties converge to one call.

mod exchange_hall;

use std::sync::Arc;
use std::time::Duration;

use doorward::hub::exchange::{Change, Initiation};
use doorward::signaling::protocol::{CallStatus, ErrorCode, RejectStatus};
use exchange_hall::{
    Hall, accept, acknowledge, device, end, join, leave, reject, ring_door, ring_group, ring_user, rules, session,
};

/// Something that happens in a race.
#[derive(Debug, Clone)]
enum Step {
    Entry(Change),
    Lose(&'static str),
    Find(&'static str),
    Reload(&'static str),
    Pass(u64),
}

impl Step {
    fn run(&self, hall: &mut Hall) {
        match self {
            Self::Entry(change) => drop(hall.append(session(1), change.clone())),
            Self::Lose(name) => drop(hall.lose(name)),
            Self::Find(name) => drop(hall.find(name)),
            Self::Reload(name) => drop(hall.reload(name)),
            Self::Pass(seconds) => drop(hall.pass(Duration::from_secs(*seconds))),
        }
    }
}

/// Every order of `items` (Heap's algorithm).
fn permutations<T: Clone>(items: &[T], mut each: impl FnMut(&[T])) {
    fn heap<T>(items: &mut [T], count: usize, each: &mut impl FnMut(&[T])) {
        if count <= 1 {
            each(items);
            return;
        }
        for place in 0..count {
            heap(items, count - 1, each);
            items.swap(if count.is_multiple_of(2) { place } else { 0 }, count - 1);
        }
    }
    let mut items = items.to_vec();
    let count = items.len();
    heap(&mut items, count, &mut each);
}

const DEVICES: [&str; 4] = ["front-panel", "anna-phone", "anna-tablet", "ben-phone"];

fn family() -> Initiation {
    ring_group("front-panel", "k1", &DEVICES[1..])
}

fn calling(call: Initiation) -> Hall {
    let mut hall = Hall::new();
    hall.ask(session(1), Change::Initiate(Arc::new(call))).expect("it rings");
    hall
}

/// Runs every order of the steps, `times` each step in a row, then lets everybody come back and time pass.
fn converge(call: &Initiation, steps: &[Step], times: usize, mut check: impl FnMut(&Hall)) {
    permutations(steps, |order| {
        let mut hall = calling(call.clone());
        for step in order {
            for _ in 0..times {
                step.run(&mut hall);
            }
        }
        for name in DEVICES {
            if hall.offline.contains(&device(name)) {
                hall.find(name);
            }
        }
        hall.pass(Duration::from_secs(50));
        hall.check_converged(session(1));
        hall.check_restore();
        check(&hall);
    });
}

fn cancel() -> Step {
    Step::Entry(reject("front-panel", "f1", RejectStatus::Cancelled))
}

fn takes(name: &str) -> Step {
    Step::Entry(accept(name, "accept"))
}

fn refuses(name: &str, status: RejectStatus) -> Step {
    Step::Entry(reject(name, "reject", status))
}

#[test]
fn accept_against_cancel() {
    for times in [1, 2, 10] {
        let mut outcomes = Vec::new();
        converge(&family(), &[takes("ben-phone"), cancel()], times, |hall| {
            outcomes.push(hall.status(session(1)));
            let codes = |name: &str| {
                let answers = &hall.heard[&device(name)].answers;
                answers.iter().map(|answer| answer.as_ref().map(|_| ()).map_err(|r| r.code)).collect::<Vec<_>>()
            };
            match hall.status(session(1)) {
                CallStatus::Ongoing => {
                    assert_eq!(codes("ben-phone"), vec![Ok(()); times]);
                    let refused = vec![Err(ErrorCode::ErrCallOngoingToInvalid); times];
                    assert_eq!(codes("front-panel"), [vec![Ok(())], refused].concat());
                }
                CallStatus::Cancelled => {
                    assert_eq!(codes("ben-phone"), vec![Err(ErrorCode::ErrCallTerminated); times]);
                }
                other => panic!("neither won: {other:?}"),
            }
        });
        assert_eq!(outcomes, [CallStatus::Ongoing, CallStatus::Cancelled], "the first in the log wins");
    }
}

#[test]
fn accept_against_expiry() {
    for times in [1, 2, 10] {
        let mut outcomes = Vec::new();
        converge(&family(), &[takes("ben-phone"), Step::Entry(Change::Expire)], times, |hall| {
            outcomes.push(hall.status(session(1)));
        });
        assert_eq!(outcomes, [CallStatus::Ongoing, CallStatus::Unanswered]);
    }
}

#[test]
fn an_accept_already_in_the_queue_when_the_ring_time_ends_wins() {
    let mut hall = calling(family());
    hall.now = hall.now + Duration::from_secs(60);
    let done = hall.append(session(1), accept("ben-phone", "b1"));
    assert_eq!(done[1].0.change, Change::Expire, "the order comes behind it");
    assert_eq!(hall.status(session(1)), CallStatus::Ongoing);
    hall.check_restore();
}

#[test]
fn five_accepts_at_once() {
    let names = ["a-phone", "b-phone", "c-phone", "d-phone", "e-phone"];
    for times in [1, 2] {
        permutations(&names, |order| {
            let mut hall = calling(ring_group("front-panel", "k1", &names));
            for name in order {
                hall.append(session(1), join(name));
            }
            for name in order {
                for _ in 0..times {
                    hall.append(session(1), accept(name, "accept"));
                }
            }
            for (place, name) in order.iter().enumerate() {
                let heard = &hall.heard[&device(name)];
                let won = heard.answers.iter().all(Result::is_ok);
                assert_eq!(won, place == 0, "{order:?}");
                assert_eq!(
                    heard.revoked.len(),
                    usize::from(place != 0),
                    "a viewer's session ends; the fifth had none and hears so"
                );
            }
            hall.check_converged(session(1));
        });
    }
}

#[test]
fn answers_of_every_kind_in_every_order() {
    let steps = [
        takes("ben-phone"),
        takes("anna-tablet"),
        refuses("anna-phone", RejectStatus::Rejected),
        refuses("ben-phone", RejectStatus::Busy),
        cancel(),
        Step::Entry(Change::Expire),
        Step::Entry(end("ben-phone", "b9")),
    ];
    for times in [1, 2] {
        converge(&family(), &steps, times, |hall| assert_ne!(hall.status(session(1)), CallStatus::Initiated));
    }
}

#[test]
fn a_joinable_group_in_every_order() {
    let steps = [
        takes("ben-phone"),
        takes("anna-tablet"),
        refuses("anna-phone", RejectStatus::Rejected),
        Step::Entry(join("ben-phone")),
        Step::Entry(join("anna-tablet")),
        Step::Entry(end("ben-phone", "b9")),
        Step::Entry(end("front-panel", "f9")),
    ];
    converge(&Initiation { joinable: true, ..family() }, &steps, 1, |_| {});
}

#[test]
fn lost_connections_in_every_order() {
    let steps = [
        Step::Entry(acknowledge("ben-phone")),
        Step::Entry(join("ben-phone")),
        takes("ben-phone"),
        Step::Lose("ben-phone"),
        Step::Find("ben-phone"),
        Step::Lose("front-panel"),
        Step::Pass(30),
    ];
    for times in [1, 2] {
        converge(&family(), &steps, times, |_| {});
    }
}

#[test]
fn losses_and_reloads_around_the_end_in_every_order() {
    let steps = [
        takes("ben-phone"),
        Step::Lose("front-panel"),
        Step::Reload("ben-phone"),
        Step::Reload("anna-phone"),
        Step::Lose("anna-tablet"),
        Step::Entry(end("ben-phone", "b9")),
        cancel(),
    ];
    converge(&family(), &steps, 1, |_| {});
}

#[test]
fn media_sessions_in_every_order() {
    let steps = [
        Step::Entry(join("anna-phone")),
        Step::Entry(join("ben-phone")),
        Step::Entry(leave("ben-phone")),
        refuses("anna-tablet", RejectStatus::Rejected),
        takes("ben-phone"),
        Step::Lose("anna-phone"),
        cancel(),
    ];
    converge(&family(), &steps, 1, |hall| {
        for name in DEVICES {
            let open = hall.exchange.session_of(session(1), &device(name));
            let role = hall.exchange.role(session(1), &device(name));
            assert!(!open || role.is_some(), "{name} has a session and no role");
        }
    });
}

#[test]
fn a_resident_calling_the_door_in_every_order() {
    let steps = [
        takes("front-panel"),
        Step::Entry(join("ben-phone")),
        Step::Entry(join("front-panel")),
        Step::Entry(reject("ben-phone", "b1", RejectStatus::Cancelled)),
        refuses("front-panel", RejectStatus::Rejected),
        Step::Entry(end("ben-phone", "b9")),
        Step::Lose("ben-phone"),
    ];
    converge(&ring_door("ben-phone", "k1", "front-panel"), &steps, 1, |hall| {
        assert_ne!(hall.status(session(1)), CallStatus::Initiated);
    });
}

#[test]
fn both_call_each_other() {
    let calls = [ring_user("front-panel", "k1", &["ben-phone"]), ring_door("ben-phone", "k1", "front-panel")];
    permutations(&[0, 1], |order| {
        let mut hall = Hall::new();
        let [first, second] = [order[0], order[1]].map(|place| calls[place].clone());
        let (winner, loser) = (first.initiator.device_id.clone(), second.initiator.device_id.clone());
        hall.ask(session(1), Change::Initiate(Arc::new(first))).expect("it is the first");
        for _ in 0..2 {
            let refusal =
                hall.ask(session(2), Change::Initiate(Arc::new(second.clone()))).expect_err("it is the second");
            assert_eq!(refusal.code, ErrorCode::ErrCallBusyUser);
            assert_eq!(refusal.details.call.expect("with the call").session_id, session(1));
        }
        hall.ask(session(1), accept(loser.as_str(), "accept")).expect("the other's call can be answered");
        assert!(hall.exchange.call(session(2)).is_none());
        assert_eq!(hall.names(winner.as_str()), ["outgoingCallAccepted"]);
        hall.check_converged(session(1));
        hall.check_restore();
    });
}

#[test]
fn a_refused_initiation_stays_refused_by_its_key() {
    let mut hall = calling(family());
    let second = Change::Initiate(Arc::new(ring_group("front-panel", "k2", &["carl-phone"])));
    assert!(hall.ask(session(2), second.clone()).is_err());
    hall.append(session(1), reject("front-panel", "f1", RejectStatus::Cancelled));
    let refusal = hall.ask(session(3), second.clone()).expect_err("the same key has the same answer");
    assert_eq!(refusal.code, ErrorCode::ErrCallBusySelf);
    hall.pass(rules().forget_after);
    hall.ask(session(3), second).expect("the key is forgotten");
}

#[test]
fn late_entries_of_a_call_that_is_over_change_nothing() {
    let mut hall = calling(family());
    hall.append(session(1), accept("ben-phone", "b1"));
    hall.append(session(1), end("front-panel", "f1"));
    let before = hall.call(session(1));
    let late = [
        accept("anna-phone", "late"),
        end("ben-phone", "late"),
        reject("anna-tablet", "late", RejectStatus::Busy),
        Change::Expire,
        Change::Restarted,
        acknowledge("anna-phone"),
        leave("ben-phone"),
    ];
    for change in late {
        for (_, outputs) in hall.append(session(1), change.clone()) {
            assert_eq!(outputs.len(), usize::from(change.is_verb()), "{change:?}: {outputs:?}");
        }
    }
    hall.append(session(1), join("ben-phone"));
    assert!(!hall.exchange.session_of(session(1), &device("ben-phone")));
    assert_eq!(hall.call(session(1)), before);
}

#[test]
fn an_older_now_counts_as_the_newest_seen() {
    let mut hall = calling(family());
    hall.now = hall.now + Duration::from_secs(10);
    hall.append(session(1), acknowledge("ben-phone"));
    hall.now = hall.now - Duration::from_secs(9);
    hall.append(session(1), accept("ben-phone", "b1"));
    hall.now = hall.now + Duration::from_secs(12);
    let call = hall.ask(session(1), end("ben-phone", "b2")).expect("it is ongoing");
    assert_eq!(call.duration, Some(3));
}
