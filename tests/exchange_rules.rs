//! The table of the ringing rules, row by row.

mod exchange_hall;

use std::sync::Arc;
use std::time::Duration;

use doorward::hub::exchange::{Change, Exchange, Initiation, Output, Timer};
use doorward::moment::Moment;
use doorward::signaling::protocol::{CallStatus, EndReason, ErrorCode, Receiver, RejectStatus, Role};
use exchange_hall::{
    Hall, accept, acknowledge, device, end, gone, join, leg, notified, reachable, reject, ring_door, ring_group,
    ring_user, rules, session, uid,
};

const CALL: u8 = 1;

/// The front door rings Anna's phone and tablet and Ben's phone.
fn ringing() -> Hall {
    let mut hall = Hall::new();
    let call = ring_group("front-panel", "k1", &["anna-phone", "anna-tablet", "ben-phone"]);
    let answer = hall.ask(session(CALL), Change::Initiate(Arc::new(call))).expect("it rings");
    assert_eq!(answer.status, CallStatus::Initiated);
    hall
}

fn initiate(call: Initiation) -> Change {
    Change::Initiate(Arc::new(call))
}

fn code(hall: &mut Hall, number: u8, change: Change) -> ErrorCode {
    hall.ask(session(number), change).expect_err("it is refused").code
}

#[test]
fn the_first_accept_wins_and_the_last_resident_ends_it() {
    let mut hall = ringing();
    let call = hall.ask(session(CALL), accept("anna-phone", "a1")).expect("it is ringing");
    assert_eq!(call.status, CallStatus::Ongoing);
    assert_eq!(hall.names("front-panel"), ["outgoingCallAccepted"]);
    assert_eq!(hall.names("anna-tablet"), ["incomingCallReceived", "callAnsweredElsewhere"]);
    assert_eq!(hall.names("ben-phone"), ["incomingCallReceived", "callAnsweredElsewhere"]);
    assert_eq!(code(&mut hall, CALL, accept("ben-phone", "b1")), ErrorCode::ErrCallAnsweredElsewhere);
    hall.pass(Duration::from_secs(7));
    let call = hall.ask(session(CALL), end("anna-phone", "a2")).expect("it is ongoing");
    assert_eq!((call.status, call.end_reason), (CallStatus::Ended, Some(EndReason::ResidentHungUp)));
    assert_eq!(call.duration, Some(7));
    assert_eq!(hall.names("front-panel"), ["outgoingCallAccepted", "callEnded"]);
    assert_eq!(code(&mut hall, CALL, accept("ben-phone", "b2")), ErrorCode::ErrCallTerminated);
    hall.check_rings_settled(session(CALL));
}

#[test]
fn a_group_call_is_rejected_when_everybody_refused() {
    let mut hall = ringing();
    let call = hall.ask(session(CALL), reject("anna-phone", "a1", RejectStatus::Rejected)).expect("it is ringing");
    assert_eq!(call.status, CallStatus::Initiated);
    assert_eq!(hall.names("anna-tablet"), ["incomingCallReceived", "incomingCallCancelled"]);
    assert_eq!(hall.names("ben-phone"), ["incomingCallReceived"]);
    assert_eq!(code(&mut hall, CALL, accept("anna-tablet", "t1")), ErrorCode::ErrCallAnsweredElsewhere);
    let call = hall.ask(session(CALL), reject("ben-phone", "b1", RejectStatus::Busy)).expect("it is ringing");
    assert_eq!(call.status, CallStatus::Rejected, "busy only when all said busy");
    assert_eq!(hall.names("front-panel"), ["outgoingCallRejected"]);
    hall.check_rings_settled(session(CALL));
}

#[test]
fn busy_ends_a_call_to_a_user() {
    let mut hall = Hall::new();
    let call = ring_user("front-panel", "k1", &["anna-phone", "anna-tablet"]);
    hall.ask(session(CALL), initiate(call)).expect("it rings");
    let call = hall.ask(session(CALL), reject("anna-tablet", "t1", RejectStatus::Busy)).expect("it is ringing");
    assert_eq!(call.status, CallStatus::Busy);
    assert_eq!(hall.names("anna-phone"), ["incomingCallReceived", "incomingCallCancelled"]);
}

#[test]
fn the_ring_time_is_the_hubs() {
    let mut hall = ringing();
    hall.pass(Duration::from_millis(44_999));
    assert_eq!(hall.status(session(CALL)), CallStatus::Initiated);
    hall.pass(Duration::from_millis(1));
    assert_eq!(hall.status(session(CALL)), CallStatus::Unanswered);
    assert_eq!(hall.names("front-panel"), ["outgoingCallRejected"]);
    assert_eq!(hall.names("ben-phone"), ["incomingCallReceived", "incomingCallCancelled"]);
    assert_eq!(code(&mut hall, CALL, accept("ben-phone", "b1")), ErrorCode::ErrCallTerminated);
    hall.pass(rules().forget_after);
    assert_eq!(code(&mut hall, CALL, accept("ben-phone", "b1")), ErrorCode::ErrCallSessionNotFound);
    assert_eq!(hall.exchange.poll_timeout(), None, "nothing is left");
}

#[test]
fn verbs_out_of_place_are_refused() {
    let mut hall = ringing();
    assert_eq!(code(&mut hall, CALL, end("front-panel", "f1")), ErrorCode::ErrCallNotStarted);
    assert_eq!(code(&mut hall, CALL, accept("eve-phone", "e1")), ErrorCode::ErrCallNotAPart);
    assert_eq!(code(&mut hall, CALL, accept("front-panel", "f2")), ErrorCode::ErrBadRequest);
    let wrong = reject("ben-phone", "b1", RejectStatus::Cancelled);
    assert_eq!(code(&mut hall, CALL, wrong), ErrorCode::ErrBadRequest);
    assert_eq!(code(&mut hall, 9, accept("ben-phone", "b2")), ErrorCode::ErrCallSessionNotFound);
    hall.ask(session(CALL), accept("ben-phone", "b3")).expect("it is ringing");
    let late = reject("front-panel", "f3", RejectStatus::Cancelled);
    assert_eq!(code(&mut hall, CALL, late), ErrorCode::ErrCallOngoingToInvalid);
    assert_eq!(code(&mut hall, CALL, end("anna-phone", "a1")), ErrorCode::ErrCallNotAPart);
}

#[test]
fn a_lost_device_has_the_grace_time() {
    let mut hall = ringing();
    hall.ask(session(CALL), accept("ben-phone", "b1")).expect("it is ringing");
    hall.append(session(CALL), gone("front-panel"));
    hall.pass(Duration::from_secs(44));
    hall.append(session(CALL), reachable("front-panel", 2));
    hall.pass(Duration::from_secs(60));
    assert_eq!(hall.status(session(CALL)), CallStatus::Ongoing, "it came back in time");
    hall.append(session(CALL), gone("front-panel"));
    hall.pass(Duration::from_secs(45));
    assert_eq!(hall.call(session(CALL)).end_reason, Some(EndReason::DoorGone));
    assert_eq!(hall.names("ben-phone"), ["incomingCallReceived", "callEnded"]);
}

#[test]
fn a_vanished_caller_does_not_ring_for_ever() {
    let mut hall = Hall::new();
    let call = Initiation { ring_for: 180_000, ..ring_group("front-panel", "k1", &["ben-phone"]) };
    hall.ask(session(CALL), initiate(call)).expect("it rings");
    hall.append(session(CALL), gone("front-panel"));
    hall.pass(Duration::from_secs(45));
    assert_eq!(hall.status(session(CALL)), CallStatus::Cancelled);
    assert_eq!(hall.names("ben-phone"), ["incomingCallReceived", "incomingCallCancelled"]);
}

#[test]
fn parties_and_busy_callers() {
    let mut hall = Hall::new();
    let own = Initiation { receiver: Receiver::User(uid("front")), ..ring_group("front-panel", "k1", &["ben-phone"]) };
    assert_eq!(code(&mut hall, 1, initiate(own)), ErrorCode::ErrCallingSelf);
    let residents = Initiation { initiator_is_door: false, ..ring_user("anna-phone", "k2", &["ben-phone"]) };
    assert_eq!(code(&mut hall, 2, initiate(residents)), ErrorCode::ErrCallInvalidParties);
    let doors = Initiation { initiator_is_door: true, ..ring_door("front-panel", "k3", "back-panel") };
    assert_eq!(code(&mut hall, 3, initiate(doors)), ErrorCode::ErrCallInvalidParties);
    hall.ask(session(4), initiate(ring_group("front-panel", "k4", &["anna-phone", "ben-phone"]))).expect("it rings");
    let second = ring_group("front-panel", "k5", &["carl-phone"]);
    let refusal = hall.ask(session(5), initiate(second)).expect_err("it is calling already");
    assert_eq!(refusal.code, ErrorCode::ErrCallBusySelf);
    assert_eq!(refusal.details.call.expect("with the call").session_id, session(4));
    let glare = hall.ask(session(6), initiate(ring_door("ben-phone", "k6", "front-panel"))).expect_err("both call");
    assert_eq!(glare.code, ErrorCode::ErrCallBusyUser);
    assert_eq!(glare.details.call.expect("with the call").session_id, session(4));
    hall.ask(session(4), accept("ben-phone", "b1")).expect("it can be accepted");
}

#[test]
fn a_second_door_is_call_waiting() {
    let mut hall = ringing();
    hall.ask(session(CALL), accept("ben-phone", "b1")).expect("it is ringing");
    hall.ask(session(2), initiate(ring_group("back-panel", "k1", &["anna-phone", "ben-phone"]))).expect("it rings");
    let waiting = |name: &str| {
        let heard = &hall.heard[&device(name)];
        heard.events.iter().any(|event| {
            matches!(event.event, doorward::signaling::protocol::EventKind::IncomingCallReceived { waiting: true, .. })
        })
    };
    assert!(waiting("ben-phone"));
    assert!(!waiting("anna-phone"));
}

#[test]
fn roles_follow_the_log() {
    let mut hall = ringing();
    let role = |hall: &Hall, name: &str| hall.exchange.role(session(CALL), &device(name));
    assert_eq!(role(&hall, "front-panel"), Some(Role::Door));
    assert_eq!(role(&hall, "ben-phone"), Some(Role::Viewer));
    assert_eq!(role(&hall, "eve-phone"), None);
    hall.append(session(CALL), join("ben-phone"));
    hall.append(session(CALL), join("anna-phone"));
    assert_eq!(hall.names("front-panel"), ["callViewed", "callViewed"]);
    hall.append(session(CALL), accept("anna-phone", "a1"));
    assert_eq!(role(&hall, "anna-phone"), Some(Role::Participant));
    assert!(hall.exchange.session_of(session(CALL), &device("anna-phone")));
    assert_eq!(role(&hall, "ben-phone"), None);
    assert_eq!(hall.heard[&device("ben-phone")].revoked, [session(CALL)]);
    let refusal = hall.exchange.admit(session(CALL), &leg("ben-phone")).expect_err("answered elsewhere");
    assert_eq!(refusal.code, ErrorCode::ErrCallAnsweredElsewhere);
    hall.append(session(CALL), end("front-panel", "f1"));
    assert_eq!(hall.heard[&device("anna-phone")].revoked, [session(CALL)]);
    let refusal = hall.exchange.admit(session(CALL), &leg("anna-phone")).expect_err("it is over");
    assert_eq!(refusal.code, ErrorCode::ErrCallTerminated);
}

#[test]
fn a_repeated_verb_has_the_same_verdict_and_no_second_effect() {
    let mut hall = ringing();
    let again = ring_group("front-panel", "k1", &["anna-phone", "anna-tablet", "ben-phone"]);
    let call = hall.ask(session(7), initiate(again)).expect("it is the first one");
    assert_eq!(call.session_id, session(CALL));
    assert_eq!(hall.exchange.call(session(7)), None);
    hall.append(session(CALL), acknowledge("ben-phone"));
    hall.append(session(CALL), acknowledge("ben-phone"));
    assert_eq!(hall.names("front-panel"), ["callDelivered"]);
    hall.ask(session(CALL), accept("ben-phone", "b1")).expect("it is ringing");
    hall.ask(session(CALL), accept("ben-phone", "b1")).expect("it did");
    hall.ask(session(CALL), end("front-panel", "f1")).expect("it is ongoing");
    let call = hall.ask(session(CALL), accept("ben-phone", "b1")).expect("it did");
    assert_eq!(call.status, CallStatus::Ended, "with the call as it stands now");
    assert_eq!(hall.names("front-panel"), ["callDelivered", "outgoingCallAccepted"]);
    hall.check_restore();
}

#[test]
fn a_device_lost_twice_has_two_grace_times() {
    let mut hall = ringing();
    hall.append(session(CALL), accept("ben-phone", "b1"));
    hall.append(session(CALL), gone("ben-phone"));
    let first = hall.call(session(CALL)).entry;
    hall.append(session(CALL), reachable("ben-phone", 1));
    hall.append(session(CALL), gone("ben-phone"));
    hall.append(session(CALL), Change::Absent { device_id: device("ben-phone"), lost_by: first });
    assert_eq!(hall.status(session(CALL)), CallStatus::Ongoing, "the order of the first loss came too late");
    hall.pass(Duration::from_secs(45));
    assert_eq!(hall.call(session(CALL)).end_reason, Some(EndReason::ResidentGone));
}

#[test]
fn what_was_missed_is_told_once_and_only_where_it_still_matters() {
    let mut hall = ringing();
    hall.lose("front-panel");
    for change in [acknowledge("ben-phone"), acknowledge("anna-phone"), join("ben-phone"), join("ben-phone")] {
        hall.append(session(CALL), change);
    }
    hall.find("front-panel");
    assert_eq!(hall.names("front-panel"), ["callDelivered", "callViewed"], "the newest of each");
    let told_again = |hall: &mut Hall| hall.find("front-panel").iter().map(|(_, outputs)| outputs.len()).sum::<usize>();
    assert_eq!(told_again(&mut hall), 0, "it saw all of it");
    hall.lose("front-panel");
    hall.append(session(CALL), accept("ben-phone", "b1"));
    hall.append(session(CALL), end("ben-phone", "b2"));
    hall.find("front-panel");
    assert_eq!(hall.names("front-panel"), ["callDelivered", "callViewed", "callEnded"], "the end is the last word");
}

#[test]
fn a_participant_who_vanished_hears_that_it_is_out() {
    let mut hall = Hall::new();
    let call = ring_group("front-panel", "k1", &["anna-phone", "ben-phone"]);
    hall.append(session(CALL), initiate(Initiation { joinable: true, ..call }));
    hall.append(session(CALL), accept("anna-phone", "a1"));
    hall.append(session(CALL), accept("ben-phone", "b1"));
    hall.lose("ben-phone");
    hall.pass(Duration::from_secs(45));
    assert_eq!(hall.status(session(CALL)), CallStatus::Ongoing, "the other talks on");
    assert_eq!(hall.names("front-panel"), ["outgoingCallAccepted", "participantLeft"]);
    hall.find("ben-phone");
    assert_eq!(hall.names("ben-phone"), ["incomingCallReceived", "callAnsweredElsewhere", "participantLeft"]);
    assert!(hall.exchange.active_calls(&device("ben-phone")).is_empty());
    hall.check_restore();
}

#[test]
fn a_restored_hub_orders_again_what_was_only_ordered() {
    let mut hall = ringing();
    let due = hall.now + rules().absence_grace;
    let ordered = hall.exchange.handle_timeout(due);
    assert_eq!(ordered, [Output::Append(session(CALL), Change::Expire)]);
    assert!(hall.exchange.handle_timeout(due).is_empty(), "ordered once");
    hall.now = due;
    hall.append(session(CALL), acknowledge("ben-phone"));
    let mut restored = Exchange::restore(rules(), due, hall.log.iter().cloned());
    assert_eq!(restored.handle_timeout(due), ordered, "the order was lost with the hub");
}

#[test]
fn moments_of_another_start_of_the_machine_count_as_now() {
    let hall = ringing();
    let now = Moment::from_millis(10);
    let mut restored = Exchange::restore(rules(), now, hall.log.iter().cloned());
    assert_eq!(restored.poll_timeout(), Some((now + Duration::from_secs(45), Timer::Ring(session(CALL)))));
    assert_eq!(restored.handle_timeout(now + Duration::from_secs(45)).len(), 1);
}

#[test]
fn a_key_is_free_again_when_its_call_is_forgotten() {
    let mut hall = ringing();
    hall.append(session(CALL), reject("front-panel", "f1", RejectStatus::Cancelled));
    hall.pass(rules().forget_after);
    assert_eq!(hall.exchange.poll_timeout(), None);
    let again = ring_group("front-panel", "k1", &["ben-phone"]);
    let call = hall.ask(session(2), initiate(again)).expect("it is a new call");
    assert_eq!(call.session_id, session(2));
    assert!(hall.exchange.calls_of(&device("anna-phone")).is_empty());
}

#[test]
fn a_push_after_the_acknowledgement_takes_nothing_back() {
    let mut hall = ringing();
    hall.append(session(CALL), acknowledge("ben-phone"));
    hall.append(session(CALL), notified("ben-phone"));
    assert_eq!(hall.names("front-panel"), ["callDelivered"]);
}

#[test]
fn who_refused_the_doors_call_may_call_the_door() {
    let mut hall = ringing();
    hall.append(session(CALL), reject("ben-phone", "b1", RejectStatus::Rejected));
    hall.ask(session(2), initiate(ring_door("ben-phone", "k1", "front-panel"))).expect("no call to accept instead");
}
