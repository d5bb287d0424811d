//! Ringing: looks, answers, refusals, presses, and a hub that goes and comes.

use doorward::call::{Event, PressAgain, Rules};
use doorward::ids::{EntryNumber, PeerId};
use doorward::signaling::protocol::{Call, CallStatus, EndReason, ErrorCode, Still};
use insta::assert_snapshot;

use super::bench;
use super::station_rig::*;

#[test]
fn phones_reached_and_lookers_are_shown() {
    let mut bench = bench();
    bench.rings().so_far().happens(delivered(1, 0, 1)).happens(delivered(1, 1, 1));
    bench.happens(viewed(1, "anna-phone")).happens(Event::CapturingChanged { camera: true, microphone: false });
    bench.happens(viewed(1, "ben-phone")).happens(viewer_left(1, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 callDelivered 0+1
               show ringing 0+1 looking 0
    0.000s > s1 callDelivered 1+1
               show ringing 1+1 looking 0
    0.000s > s1 callViewed anna-phone
               add peer-1 to s1
               show ringing 1+1 looking 1
    0.000s > capturing camera true microphone false
               show ringing 1+1 looking 1, camera
    0.000s > s1 callViewed ben-phone
               add peer-2 to s1
               show ringing 1+1 looking 2, camera
    0.000s > s1 viewerLeft anna-phone
               remove peer-1
               show ringing 1+1 looking 1, camera
    ");
}

#[test]
fn signals_go_only_between_a_connection_and_its_device() {
    let mut bench = bench();
    bench.rings().happens(viewed(1, "anna-phone")).so_far();
    let made = |peer, signal| Event::MediaSignalMade { session_id: session(1), peer, signal };
    bench.happens(made(PeerId(1), offer_sdp())).happens(signal_came(1, "anna-phone", 1, answer_sdp()));
    bench.happens(signal_came(1, "ben-phone", 1, answer_sdp())).happens(signal_came(1, "anna-phone", 2, candidate()));
    bench.happens(made(PeerId(2), candidate()));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 peer-1 made offer
               send offer of peer-1 to anna-phone in s1
    0.000s > s1 answer of anna-phone for peer-1
               apply answer to peer-1
    0.000s > s1 answer of ben-phone for peer-1
    0.000s > s1 candidate of anna-phone for peer-2
    0.000s > s1 peer-2 made candidate
    ");
}

#[test]
fn a_reloaded_page_gets_a_new_connection() {
    let mut bench = bench();
    bench.rings().happens(viewed(1, "anna-phone")).so_far().happens(viewed(1, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 callViewed anna-phone
               remove peer-1
               add peer-2 to s1
    ");
}

#[test]
fn a_device_whose_socket_came_back_keeps_its_connection() {
    let mut bench = bench();
    bench.rings().happens(accepted(1, "anna-phone")).happens(participant_joined(1, "anna-phone"));
    bench.happens(media_connected(1, 1)).so_far();
    bench.happens(participant_joined_keeping(1, "anna-phone", 1)).happens(participant_joined_keeping(
        1,
        "anna-phone",
        7,
    ));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 participantJoined anna-phone keeps peer-1
    0.000s > s1 participantJoined anna-phone keeps peer-7
               remove peer-1
               add peer-2 to s1
               OPEN GATE of peer-2
    ");
}

#[test]
fn the_answer_of_a_connected_viewer_needs_no_new_connection() {
    let mut bench = bench();
    bench.rings().happens(viewed(1, "anna-phone")).happens(viewed(1, "ben-phone"));
    bench.happens(media_connected(1, 1)).so_far().happens(accepted(1, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 outgoingCallAccepted by anna-phone
               OPEN GATE of peer-1
               remove peer-2
               show ongoing
    ");
}

#[test]
fn the_answer_of_a_device_without_media_waits_for_it() {
    let mut bench = bench();
    bench.rings().happens(viewed(1, "ben-phone")).so_far().happens(accepted(1, "anna-phone"));
    bench.happens(participant_joined(1, "anna-phone")).happens(media_connected(1, 2));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 outgoingCallAccepted by anna-phone
               remove peer-1
               show connecting
    0.000s > s1 participantJoined anna-phone
               add peer-2 to s1
               OPEN GATE of peer-2
    0.000s > s1 peer-2 connected
               show ongoing
    ");
}

#[test]
fn nobody_answers() {
    for status in [CallStatus::Rejected, CallStatus::Busy, CallStatus::Unanswered] {
        let mut bench = bench();
        bench.rings().so_far().happens(not_answered(1, status)).passes(4_000);
        match status {
            CallStatus::Rejected => assert_snapshot!(bench.transcript(), @r"
            0.000s > s1 outgoingCallRejected Rejected
                       leave session s1
                       stop media s1
                       show outcome rejected
            4.000s * outcome is due
                       show idle
            "),
            CallStatus::Busy => assert_snapshot!(bench.transcript(), @r"
            0.000s > s1 outgoingCallRejected Busy
                       leave session s1
                       stop media s1
                       show outcome busy
            4.000s * outcome is due
                       show idle
            "),
            _ => assert_snapshot!(bench.transcript(), @r"
            0.000s > s1 outgoingCallRejected Unanswered
                       leave session s1
                       stop media s1
                       show outcome unanswered
            4.000s * outcome is due
                       show idle
            "),
        }
    }
}

#[test]
fn an_impatient_finger_is_only_acknowledged() {
    let mut bench = bench();
    bench.rings().so_far().passes(2_999).happens(pressed("front"));
    assert_snapshot!(bench.transcript(), @r"
    2.999s > pressed front
               show ringing 0+0 looking 0, yes 1
    ");
}

#[test]
fn a_later_press_takes_the_call_back() {
    let mut bench = bench();
    bench.rings().so_far().passes(3_000).happens(pressed("front"));
    bench.answers(2, Ok(call(1, CallStatus::Cancelled))).happens(media_stopped(1)).passes(4_000);
    assert_snapshot!(bench.transcript(), @r"
    3.000s > pressed front
               ask reject s1 Cancelled #2
               leave session s1
               stop media s1
               show outcome cancelled
    3.000s > answer to reject s1 Cancelled #2: s1 Cancelled
    3.000s > s1 media stopped
    7.000s * outcome is due
               show idle
    ");
}

#[test]
fn a_later_press_while_dialing_abandons_the_attempt() {
    let mut bench = bench();
    bench.happens(pressed("front")).passes(3_000).so_far().happens(pressed("front"));
    assert_snapshot!(bench.transcript(), @r"
    3.000s > pressed front
               withdraw #1
               show outcome cancelled
    ");
}

#[test]
fn a_later_press_is_ignored_where_configured() {
    let mut bench = Bench::new(Rules { press_again: PressAgain::Ignore, ..rules() });
    bench.rings().so_far().passes(10_000).happens(pressed("front"));
    assert_snapshot!(bench.transcript(), @r"
    10.000s > pressed front
                show ringing 0+0 looking 0, yes 1
    ");
}

#[test]
fn a_cancel_that_lost_to_an_accept_ends_the_call_and_opens_no_gate() {
    let mut bench = bench();
    bench.rings().happens(viewed(1, "anna-phone")).happens(media_connected(1, 1)).passes(5_000).so_far();
    bench.happens(pressed("front")).happens(accepted(1, "anna-phone"));
    bench.refuses(2, ErrorCode::ErrCallOngoingToInvalid).answers(3, Ok(ended(1, EndReason::DoorHungUp)));
    assert_snapshot!(bench.transcript(), @r"
    5.000s > pressed front
               ask reject s1 Cancelled #2
               leave session s1
               stop media s1
               show outcome cancelled
    5.000s > s1 outgoingCallAccepted by anna-phone
               ask end s1 #3
    5.000s > answer to reject s1 Cancelled #2: ErrCallOngoingToInvalid
               ask end s1 #4
    5.000s > answer to end s1 #3: s1 Ended
    ");
}

#[test]
fn a_hub_that_never_ends_the_ring_is_not_waited_for() {
    let mut bench = bench();
    bench.rings().so_far().passes(200_000);
    assert_snapshot!(bench.transcript(), @r"
    190.000s * ring is due
                 ask reject s1 Cancelled #2
                 leave session s1
                 stop media s1
                 show outcome unanswered
    194.000s * outcome is due
                 show idle
    ");
}

#[test]
fn a_hub_gone_for_long_ends_the_ring() {
    let mut bench = bench();
    bench.rings().so_far().happens(Event::LinkDown).passes(50_000);
    assert_snapshot!(bench.transcript(), @r"
     0.000s > link down
                show ringing 0+0 looking 0, link down
    45.000s * link is due
                ask reject s1 Cancelled #2
                leave session s1
                stop media s1
                show outcome failed, link down
    49.000s * outcome is due
                show idle, link down
    ");
}

#[test]
fn a_hub_gone_for_short_does_not() {
    let mut bench = bench();
    bench.rings().so_far().happens(Event::LinkDown).passes(40_000);
    bench.happens(Event::LinkUp { calls: vec![call(1, CallStatus::Initiated)] }).passes(10_000);
    assert_snapshot!(bench.transcript(), @r"
     0.000s > link down
                show ringing 0+0 looking 0, link down
    40.000s > link up s1 Initiated
                show ringing 0+0 looking 0
    ");
}

#[test]
fn a_hub_that_lost_the_call_ends_the_ring() {
    let mut bench = bench();
    bench.rings().so_far().happens(Event::LinkDown).passes(2_000);
    bench.happens(Event::LinkUp { calls: Vec::new() }).passes(20_000);
    assert_snapshot!(bench.transcript(), @r"
     0.000s > link down
                show ringing 0+0 looking 0, link down
     2.000s > link up
                show ringing 0+0 looking 0
    12.000s * link is due
                ask reject s1 Cancelled #2
                leave session s1
                stop media s1
                show outcome failed
    16.000s * outcome is due
                show idle
    ");
}

#[test]
fn a_welcome_older_than_the_call_is_no_reason_to_end_it() {
    let mut bench = bench();
    bench.happens(Event::LinkDown).happens(pressed("front")).answers(1, Ok(call(1, CallStatus::Initiated))).so_far();
    bench.happens(Event::LinkUp { calls: Vec::new() }).passes(500).happens(session_joined(1)).passes(30_000);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > link up
               show ringing 0+0 looking 0
    0.500s > s1 session joined
    ");
}

#[test]
fn a_hub_that_lost_the_answer_ends_the_call() {
    let mut bench = bench();
    bench.talks().so_far().happens(Event::LinkDown);
    bench.happens(Event::LinkUp { calls: vec![Call { entry: EntryNumber(1_002), ..call(1, CallStatus::Initiated) }] });
    assert_snapshot!(bench.transcript(), @r"
    0.000s > link down
               show ongoing, link down
    0.000s > link up s1 Initiated
               ask reject s1 Cancelled #2
               leave session s1
               stop media s1
               show ending
    ");
}

#[test]
fn a_participant_whom_the_hub_does_not_name_any_more_is_sent_away() {
    let mut bench = bench();
    bench.talks().happens(participant_joined(1, "ben-phone")).so_far().happens(Event::LinkDown);
    let anna = call_of(1, "anna-phone", CallStatus::Ongoing).participants;
    let known = Call { entry: EntryNumber(1_002), participants: anna, ..call(1, CallStatus::Ongoing) };
    bench.happens(Event::LinkUp { calls: vec![known] });
    assert_snapshot!(bench.transcript(), @r"
    0.000s > link down
               show ongoing, link down
    0.000s > link up s1 Ongoing
               remove peer-2
               show ongoing
    ");
}

#[test]
fn calls_that_are_nobodys_are_closed_when_the_hub_is_back() {
    let mut bench = bench();
    let calls = vec![
        call(3, CallStatus::Initiated),
        call(4, CallStatus::Ongoing),
        call_of(5, "anna-phone", CallStatus::Ongoing),
        call_of(6, "ben-phone", CallStatus::Initiated),
    ];
    assert_snapshot!(bench.happens(Event::LinkUp { calls }).transcript(), @r"
    0.000s > link up s3 Initiated s4 Ongoing s5 Ongoing s6 Initiated
               ask reject s3 Cancelled #1
               ask end s4 #2
               ask end s5 #3
    ");
}

#[test]
fn the_first_still_of_an_own_call_is_shown_and_no_other() {
    let mut bench = bench();
    let still = Still::new(&[0xff, 0xd8, 0xff, 0xff, 0xd9]).expect("it begins and ends as a JPEG");
    let taken = |number| Event::StillTaken { session_id: session(number), still: still.clone() };
    bench.rings().so_far().happens(taken(2)).happens(taken(1)).happens(taken(1));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s2 still taken
    0.000s > s1 still taken
               ask show still s1 #2
    0.000s > s1 still taken
    ");
    let mut bench = Bench::new(Rules { early_picture: false, ..rules() });
    bench.rings().so_far().happens(taken(1));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 still taken
    ");
}
