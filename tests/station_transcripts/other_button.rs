//! Other buttons, stuck buttons, and answers that overtake each other.

use doorward::call::{Event, Rules, SecondButton};
use doorward::signaling::protocol::{CallStatus, EndReason, ErrorCode, EventKind, Refusal};
use insta::assert_snapshot;

use super::bench;
use super::station_rig::*;

#[test]
fn another_button_waits_its_turn() {
    let mut bench = bench();
    bench.talks().so_far().happens(pressed("back")).happens(pressed("back"));
    bench.happens(call_ended(1, EndReason::ResidentHungUp)).happens(media_stopped(1)).passes(4_000);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > pressed back
               ask pressWaiting s1 back #2
               show ongoing, back waits, yes 1
    0.000s > pressed back
               ask pressWaiting s1 back #3
               show ongoing, back waits, yes 2
    0.000s > s1 callEnded ResidentHungUp
               leave session s1
               stop media s1
               show ending, back waits, yes 2
    0.000s > s1 media stopped
               show outcome ended, back waits, yes 2
    4.000s * outcome is due
               ask initiate user carl #4
               show dialing, yes 2
    ");
}

#[test]
fn another_button_does_not_wait_for_ever() {
    let mut bench = bench();
    bench.talks().so_far().happens(pressed("back")).passes(30_000);
    assert_snapshot!(bench.transcript(), @r"
     0.000s > pressed back
                ask pressWaiting s1 back #2
                show ongoing, back waits, yes 1
    30.000s * queue is due
                show ongoing, yes 1, no 1
    ");
}

#[test]
fn another_button_is_refused_where_configured() {
    let mut bench = Bench::new(Rules { second_button: SecondButton::Refuse, ..rules() });
    assert_snapshot!(bench.rings().so_far().happens(pressed("back")).transcript(), @r"
    0.000s > pressed back
               ask pressWaiting s1 back #2
               show ringing 0+0 looking 0, no 1
    ");
}

#[test]
fn a_waiting_button_that_is_pressed_again_in_its_turn_rings_once() {
    let mut bench = bench();
    bench.talks().happens(pressed("back")).happens(call_ended(1, EndReason::ResidentHungUp));
    bench.happens(media_stopped(1)).so_far().passes(1_000).happens(pressed("back"));
    bench.refuses(3, ErrorCode::ErrReceiverNotFound).passes(10_000);
    assert_snapshot!(bench.transcript(), @r"
    1.000s > pressed back
               ask initiate user carl #3
               show dialing, yes 1
    1.000s > answer to initiate user carl #3: ErrReceiverNotFound
               show outcome failed, yes 1
    5.000s * outcome is due
               show idle, yes 1
    ");
}

#[test]
fn a_waiting_button_has_its_turn_after_a_residents_call_too() {
    let mut bench = bench();
    bench.talks().happens(pressed("back")).happens(call_ended(1, EndReason::ResidentHungUp));
    bench.happens(media_stopped(1)).happens(incoming(7, "anna-phone")).so_far();
    let call = Box::new(call_of(7, "anna-phone", CallStatus::Cancelled));
    bench.happens(told(7, EventKind::IncomingCallCancelled { call }));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s7 incomingCallCancelled Cancelled
               ask initiate user carl #3
               show dialing, yes 1
    ");
}

#[test]
fn a_device_at_fault_is_shown_and_stops_no_call() {
    let mut bench = bench();
    bench.happens(Event::DevicesChanged { at_fault: true }).happens(pressed("front"));
    bench.happens(Event::DevicesChanged { at_fault: false });
    assert_snapshot!(bench.transcript(), @r"
    0.000s > devices at fault true
               show idle, at fault
    0.000s > pressed front
               ask initiate group flat #1
               show dialing, at fault
    0.000s > devices at fault false
               show dialing
    ");
}

#[test]
fn a_stuck_button_is_shown_beside_any_phase() {
    let mut bench = bench();
    bench.happens(Event::StuckChanged { button: button("back"), stuck: true }).happens(pressed("front"));
    bench.happens(Event::StuckChanged { button: button("back"), stuck: false });
    assert_snapshot!(bench.transcript(), @r"
    0.000s > back stuck true
               show idle, stuck
    0.000s > pressed front
               ask initiate group flat #1
               show dialing, stuck
    0.000s > back stuck false
               show dialing
    ");
}

#[test]
fn an_end_that_is_faster_than_the_answer_opens_no_camera() {
    let mut bench = bench();
    bench.happens(pressed("front")).happens(accepted(1, "anna-phone"));
    bench.happens(call_ended(1, EndReason::ResidentHungUp)).so_far().answers(1, Ok(call(1, CallStatus::Initiated)));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > answer to initiate group flat #1: s1 Initiated
               show outcome ended
    ");
}

#[test]
fn a_call_that_the_hub_lost_before_its_answer_arrived_is_given_up() {
    let mut bench = bench();
    bench.happens(pressed("front")).answers(1, Ok(call(1, CallStatus::Initiated))).so_far();
    let refusal = Refusal::new(ErrorCode::ErrCallSessionNotFound, "no such call");
    bench.happens(Event::SessionRefused { session_id: session(1), refusal });
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 session refused ErrCallSessionNotFound
               leave session s1
               stop media s1
               show outcome failed
    ");
}
