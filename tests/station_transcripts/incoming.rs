//! A resident's call to the door.

use doorward::call::Event;
use doorward::signaling::protocol::{CallStatus, ErrorCode, EventKind};
use insta::assert_snapshot;

use super::bench;
use super::station_rig::*;

#[test]
fn a_residents_call_taken_back_leaves_rest() {
    let mut bench = bench();
    bench.happens(incoming(7, "anna-phone")).so_far();
    let call = Box::new(call_of(7, "anna-phone", CallStatus::Cancelled));
    bench.happens(told(7, EventKind::IncomingCallCancelled { call }));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s7 incomingCallCancelled Cancelled
               show idle
    ");
}

#[test]
fn a_residents_call_that_nobody_ends_is_given_up() {
    let mut bench = bench();
    bench.happens(incoming(7, "anna-phone")).so_far().passes(60_000);
    assert_snapshot!(bench.transcript(), @r"
    50.000s * ring is due
                ask reject s7 Rejected #1
                show idle
    ");
}

#[test]
fn a_residents_call_that_was_over_before_the_answer() {
    let mut bench = bench();
    bench.happens(incoming(7, "anna-phone")).happens(pressed("front")).happens(Event::Released(button("front")));
    bench.so_far().refuses(1, ErrorCode::ErrCallTerminated);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > answer to accept s7 #1: ErrCallTerminated
               leave session s7
               show outcome cancelled
    ");
}

#[test]
fn an_answer_that_never_arrives_is_taken_back() {
    let mut bench = bench();
    bench.happens(incoming(7, "anna-phone")).happens(pressed("front")).happens(Event::Released(button("front")));
    bench.so_far().happens(Event::LinkDown).passes(20_000);
    bench.refuses(2, ErrorCode::ErrCallOngoingToInvalid);
    assert_snapshot!(bench.transcript(), @r"
     0.000s > link down
                show connecting, link down
    15.000s * connect is due
                withdraw #1
                ask reject s7 Rejected #2
                leave session s7
                show outcome medialost, link down
    19.000s * outcome is due
                show idle, link down
    20.000s > answer to reject s7 Rejected #2: ErrCallOngoingToInvalid
                ask end s7 #3
    ");
}

#[test]
fn a_second_resident_hears_busy() {
    let mut bench = bench();
    assert_snapshot!(bench.talks().so_far().happens(incoming(7, "ben-phone")).transcript(), @r"
    0.000s > s7 incomingCallReceived from ben-phone
               ask reject s7 Busy #2
    ");
}
