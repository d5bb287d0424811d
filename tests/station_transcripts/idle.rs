//! At rest: the first press, a resident who calls.

use doorward::call::{Event, IncomingCalls, Rules};
use doorward::signaling::protocol::{Call, CallStatus, CallType, ErrorCode};
use insta::assert_snapshot;

use super::bench;
use super::station_rig::*;

#[test]
fn a_press_dials_and_is_acknowledged_at_once() {
    assert_snapshot!(bench().happens(pressed("front")).transcript(), @r"
    0.000s > pressed front
               ask initiate group flat #1
               show dialing
    ");
}

#[test]
fn a_press_without_a_hub_is_kept_until_its_deadline() {
    let mut bench = bench();
    bench.happens(Event::LinkDown).happens(pressed("front")).passes(20_000);
    assert_snapshot!(bench.transcript(), @r"
     0.000s > link down
                show idle, link down
     0.000s > pressed front
                ask initiate group flat #1
                show dialing, link down
    15.000s * dial is due
                withdraw #1
                show outcome failed, link down
    19.000s * outcome is due
                show idle, link down
    ");
}

#[test]
fn a_press_without_a_hub_rings_once_the_hub_is_back() {
    let mut bench = bench();
    bench.happens(Event::LinkDown).happens(pressed("front")).passes(14_000);
    bench.happens(Event::LinkUp { calls: Vec::new() }).answers(1, Ok(call(1, CallStatus::Initiated)));
    assert_snapshot!(bench.transcript(), @r"
     0.000s > link down
                show idle, link down
     0.000s > pressed front
                ask initiate group flat #1
                show dialing, link down
    14.000s > link up
                show dialing
    14.000s > answer to initiate group flat #1: s1 Initiated
                join session s1
                start media s1
                show ringing 0+0 looking 0
    ");
}

#[test]
fn a_call_without_picture_leaves_the_camera_closed() {
    let mut rules = rules();
    rules.call_type = CallType::Audio;
    let mut bench = Bench::new(rules);
    let audio = Call { call_type: CallType::Audio, ..call(1, CallStatus::Initiated) };
    bench.happens(pressed("front")).answers(1, Ok(audio)).happens(session_joined(1)).so_far();
    bench.happens(accepted(1, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 outgoingCallAccepted by anna-phone
               start media s1 without picture
               show connecting
    ");
}

#[test]
fn a_residents_call_rings_at_the_door_and_is_answered_by_a_press() {
    let mut bench = bench();
    bench.happens(incoming(7, "anna-phone")).passes(2_000).happens(pressed("front")).passes(300);
    bench.happens(Event::Released(button("front"))).answers(1, Ok(call_of(7, "anna-phone", CallStatus::Ongoing)));
    bench.happens(session_joined(7)).happens(participant_joined(7, "anna-phone")).happens(media_connected(7, 1));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s7 incomingCallReceived from anna-phone
               show incoming
    2.000s > pressed front
    2.300s > released front
               ask accept s7 #1
               show connecting
    2.300s > answer to accept s7 #1: s7 Ongoing
               join session s7
               start media s7
    2.300s > s7 session joined
    2.300s > s7 participantJoined anna-phone
               add peer-1 to s7
               OPEN GATE of peer-1
    2.300s > s7 peer-1 connected
               show ongoing
    ");
}

#[test]
fn a_residents_call_is_refused_by_a_held_press() {
    let mut bench = bench();
    bench.happens(incoming(7, "anna-phone")).happens(pressed("back")).passes(1_500);
    bench.happens(Event::Held(button("back"))).passes(5_000);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s7 incomingCallReceived from anna-phone
               show incoming
    0.000s > pressed back
    1.500s > held back
               ask reject s7 Rejected #1
               show outcome rejected
    5.500s * outcome is due
               show idle
    ");
}

#[test]
fn a_press_that_began_before_the_ring_does_not_answer_it() {
    let mut bench = bench();
    bench.happens(pressed("front")).refuses(1, ErrorCode::ErrReceiverNotFound).happens(incoming(7, "anna-phone"));
    bench.so_far().happens(Event::Released(button("front")));
    assert_snapshot!(bench.transcript(), @r"
       0.000s > released front
    ");
}

#[test]
fn a_residents_call_is_answered_by_itself_where_configured() {
    let mut bench = Bench::new(Rules { incoming: IncomingCalls::AutoAnswer, ..rules() });
    bench.happens(incoming(7, "anna-phone")).answers(1, Ok(call_of(7, "anna-phone", CallStatus::Ongoing)));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s7 incomingCallReceived from anna-phone
               ask accept s7 #1
               show connecting
    0.000s > answer to accept s7 #1: s7 Ongoing
               join session s7
               start media s7
    ");
}

#[test]
fn a_residents_call_is_refused_where_configured() {
    let mut bench = Bench::new(Rules { incoming: IncomingCalls::Reject, ..rules() });
    assert_snapshot!(bench.happens(incoming(7, "anna-phone")).transcript(), @r"
    0.000s > s7 incomingCallReceived from anna-phone
               ask reject s7 Rejected #1
    ");
}
