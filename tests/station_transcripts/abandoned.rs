//! Attempts given up, events of other sessions, shut-down: in any phase.

use doorward::call::Event;
use doorward::signaling::protocol::{CallStatus, EndReason};
use insta::assert_snapshot;

use super::bench;
use super::station_rig::*;

#[test]
fn an_abandoned_attempt_that_succeeds_is_cancelled() {
    let mut bench = bench();
    bench.happens(pressed("front")).passes(15_000).so_far().answers(1, Ok(call(1, CallStatus::Initiated)));
    bench.happens(pressed("back"));
    assert_snapshot!(bench.transcript(), @r"
    15.000s > answer to initiate group flat #1: s1 Initiated
                ask reject s1 Cancelled #2
    15.000s > pressed back
                ask initiate user carl #3
                show dialing
    ");
}

#[test]
fn an_abandoned_attempt_that_rings_all_the_same_is_cancelled_once() {
    let mut bench = bench();
    bench.happens(pressed("front")).passes(15_000).so_far();
    bench.happens(delivered(1, 1, 0)).happens(delivered(1, 2, 0)).happens(viewed(1, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    15.000s > s1 callDelivered 1+0
                ask reject s1 Cancelled #2
    15.000s > s1 callDelivered 2+0
    15.000s > s1 callViewed anna-phone
    ");
}

#[test]
fn an_abandoned_attempt_that_is_answered_all_the_same_is_ended() {
    let mut bench = bench();
    bench.happens(pressed("front")).passes(15_000).so_far().happens(accepted(1, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    15.000s > s1 outgoingCallAccepted by anna-phone
                ask end s1 #2
    ");
}

#[test]
fn what_was_held_back_while_dialing_is_heard_when_the_attempt_is_abandoned() {
    let mut bench = bench();
    bench.happens(pressed("front")).happens(incoming(7, "anna-phone")).so_far().passes(15_000);
    assert_snapshot!(bench.transcript(), @r"
    15.000s * dial is due
                withdraw #1
                show incoming
    ");
}

#[test]
fn what_was_held_back_while_dialing_is_refused_at_shut_down() {
    let mut bench = bench();
    bench.happens(pressed("front")).happens(incoming(7, "anna-phone")).so_far().happens(Event::ShutDown);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > shut down
               withdraw #1
               ask reject s7 Busy #2
               show idle
    ");
}

#[test]
fn events_of_another_session_change_nothing() {
    let mut bench = bench();
    bench.talks().so_far();
    bench.happens(call_ended(9, EndReason::ResidentHungUp)).happens(participant_joined(9, "ben-phone"));
    bench.happens(media_lost(9, 1)).happens(media_stopped(9)).happens(session_joined(9));
    bench.happens(signal_came(9, "anna-phone", 1, answer_sdp()));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s9 callEnded ResidentHungUp
    0.000s > s9 participantJoined ben-phone
    0.000s > s9 peer-1 lost
    0.000s > s9 media stopped
    0.000s > s9 session joined
    0.000s > s9 answer of anna-phone for peer-1
    ");
}

#[test]
fn shut_down_closes_what_is_open_and_begins_nothing() {
    let mut bench = bench();
    bench.talks().so_far().happens(Event::ShutDown).happens(pressed("front")).happens(incoming(7, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > shut down
               ask end s1 DoorHungUp #2
               leave session s1
               stop media s1
               show idle
    0.000s > pressed front
    0.000s > s7 incomingCallReceived from anna-phone
               ask reject s7 Busy #3
    ");
}

#[test]
fn shut_down_takes_a_ring_back() {
    let mut bench = bench();
    assert_snapshot!(bench.rings().so_far().happens(Event::ShutDown).transcript(), @r"
    0.000s > shut down
               ask reject s1 Cancelled #2
               leave session s1
               stop media s1
               show idle
    ");
}
