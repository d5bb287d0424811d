//! Dialing: from the press to the hub's answer.

use doorward::call::Rules;
use doorward::signaling::protocol::{CallStatus, ErrorCode, Refusal};
use insta::assert_snapshot;

use super::bench;
use super::station_rig::*;

#[test]
fn initiated_rings_and_starts_the_early_picture() {
    let mut bench = bench();
    bench.happens(pressed("front")).so_far().answers(1, Ok(call(1, CallStatus::Initiated)));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > answer to initiate group flat #1: s1 Initiated
               join session s1
               start media s1
               show ringing 0+0 looking 0
    ");
}

#[test]
fn without_early_picture_the_camera_waits_for_the_answer() {
    let mut bench = Bench::new(Rules { early_picture: false, ..rules() });
    bench.rings().happens(viewed(1, "anna-phone")).happens(accepted(1, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > pressed front
               ask initiate group flat #1
               show dialing
    0.000s > released front
    0.000s > answer to initiate group flat #1: s1 Initiated
               join session s1
               show ringing 0+0 looking 0
    0.000s > s1 session joined
    0.000s > s1 callViewed anna-phone
               show ringing 0+0 looking 1
    0.000s > s1 outgoingCallAccepted by anna-phone
               start media s1
               add peer-1 to s1
               OPEN GATE of peer-1
               show connecting
    ");
}

#[test]
fn a_refused_initiate_fails() {
    let mut bench = bench();
    bench.happens(pressed("front")).so_far().refuses(1, ErrorCode::ErrReceiverNotFound).passes(5_000);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > answer to initiate group flat #1: ErrReceiverNotFound
               show outcome failed
    4.000s * outcome is due
               show idle
    ");
}

#[test]
fn a_call_left_from_before_a_restart_is_closed_first() {
    let mut bench = bench();
    let left = Refusal::new(ErrorCode::ErrCallBusySelf, "in a call").with_call(call(9, CallStatus::Initiated));
    bench.happens(pressed("front")).so_far().answers(1, Err(left)).answers(2, Ok(call(9, CallStatus::Cancelled)));
    bench.answers(3, Ok(call(1, CallStatus::Initiated)));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > answer to initiate group flat #1: ErrCallBusySelf
               ask reject s9 Cancelled #2
    0.000s > answer to reject s9 Cancelled #2: s9 Cancelled
               ask initiate group flat #3
    0.000s > answer to initiate group flat #3: s1 Initiated
               join session s1
               start media s1
               show ringing 0+0 looking 0
    ");
}

#[test]
fn when_both_call_each_other_the_press_answers() {
    let mut bench = bench();
    let theirs = call_of(7, "anna-phone", CallStatus::Initiated);
    let refusal = Refusal::new(ErrorCode::ErrCallBusyUser, "calling you").with_call(theirs);
    bench.happens(pressed("front")).happens(incoming(7, "anna-phone")).answers(1, Err(refusal));
    bench.answers(2, Ok(call_of(7, "anna-phone", CallStatus::Ongoing)));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > pressed front
               ask initiate group flat #1
               show dialing
    0.000s > s7 incomingCallReceived from anna-phone
    0.000s > answer to initiate group flat #1: ErrCallBusyUser
               ask accept s7 #2
               show connecting
    0.000s > answer to accept s7 #2: s7 Ongoing
               join session s7
               start media s7
    ");
}

#[test]
fn the_socket_may_be_faster_than_the_answer() {
    let mut bench = bench();
    bench.happens(pressed("front")).happens(delivered(1, 1, 0)).happens(accepted(1, "anna-phone"));
    bench.answers(1, Ok(call(1, CallStatus::Ongoing)));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > pressed front
               ask initiate group flat #1
               show dialing
    0.000s > s1 callDelivered 1+0
    0.000s > s1 outgoingCallAccepted by anna-phone
    0.000s > answer to initiate group flat #1: s1 Ongoing
               join session s1
               start media s1
               show connecting
    ");
}
