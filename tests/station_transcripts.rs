//! The station's table, row by row, as transcripts: what happened (`>`), what fell due (`*`), and what was ordered below it.

mod station_rig;

use doorward::call::{Event, IncomingCalls, PressAgain, Rules, SecondButton};
use doorward::ids::{EntryNumber, PeerId};
use doorward::signaling::protocol::{Call, CallStatus, CallType, EndReason, ErrorCode, EventKind, Refusal};
use insta::assert_snapshot;
use station_rig::*;

fn bench() -> Bench {
    Bench::new(rules())
}

// ------------------------------------------------------------------------------------------------------ idle, outcome

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

// ------------------------------------------------------------------------------------------------------------- dialing

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

// ----------------------------------------------------------------------------------------------------------- any phase

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

// ------------------------------------------------------------------------------------------------------------- ringing

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

// ------------------------------------------------------------------------------------------------------------ incoming

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

// ------------------------------------------------------------------------------------------------- connecting, ongoing

#[test]
fn participants_join_and_leave() {
    let mut bench = bench();
    bench.talks().so_far().happens(participant_joined(1, "ben-phone")).happens(media_connected(1, 2));
    bench.happens(participant_left(1, "anna-phone"));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 participantJoined ben-phone
               add peer-2 to s1
               OPEN GATE of peer-2
    0.000s > s1 peer-2 connected
    0.000s > s1 participantLeft anna-phone
               remove peer-1
    ");
}

#[test]
fn a_new_press_held_hangs_up() {
    let mut bench = bench();
    bench.talks().so_far().happens(pressed("front")).passes(1_500).happens(Event::Held(button("front"))).passes(200);
    bench.happens(media_stopped(1)).passes(4_000);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > pressed front
               show ongoing, yes 1
    1.500s > held front
               ask end s1 DoorHungUp #2
               leave session s1
               stop media s1
               show ending, yes 1
    1.700s > s1 media stopped
               show outcome ended, yes 1
    5.700s * outcome is due
               show idle, yes 1
    ");
}

#[test]
fn the_press_that_began_the_call_does_not_hang_up() {
    let mut bench = bench();
    bench.happens(pressed("front")).answers(1, Ok(call(1, CallStatus::Initiated))).passes(1_000);
    bench.happens(accepted(1, "anna-phone")).so_far().passes(500).happens(Event::Held(button("front")));
    assert_snapshot!(bench.transcript(), @r"
       1.500s > held front
    ");
}

#[test]
fn a_short_press_during_the_call_is_only_acknowledged() {
    let mut bench = bench();
    bench.talks().so_far().happens(pressed("front")).passes(300).happens(Event::Released(button("front")));
    bench.passes(5_000).happens(Event::Held(button("front")));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > pressed front
               show ongoing, yes 1
    0.300s > released front
    5.300s > held front
    ");
}

#[test]
fn the_resident_hangs_up_and_the_worker_hangs() {
    let mut bench = bench();
    bench.talks().so_far().happens(call_ended(1, EndReason::ResidentHungUp)).passes(10_000);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 callEnded ResidentHungUp
               leave session s1
               stop media s1
               show ending
    3.000s * stop is due
               show outcome ended
    7.000s * outcome is due
               show idle
    ");
}

#[test]
fn media_lost_and_replaced_goes_on() {
    let mut bench = bench();
    bench.talks().so_far().happens(media_lost(1, 1)).passes(9_999).happens(media_connected(1, 2)).passes(30_000);
    assert_snapshot!(bench.transcript(), @r"
    0.000s > s1 peer-1 lost
               add peer-2 to s1
               OPEN GATE of peer-2
    9.999s > s1 peer-2 connected
    ");
}

#[test]
fn media_lost_and_not_replaced_ends_the_call() {
    let mut bench = bench();
    bench.talks().so_far().happens(media_lost(1, 1)).passes(10_000);
    assert_snapshot!(bench.transcript(), @r"
     0.000s > s1 peer-1 lost
                add peer-2 to s1
                OPEN GATE of peer-2
    10.000s * media is due
                ask end s1 MediaLost #2
                leave session s1
                stop media s1
                show ending
    ");
}

#[test]
fn a_new_media_worker_takes_the_call_over() {
    let mut bench = bench();
    bench.talks().so_far().happens(Event::MediaDied).passes(800).happens(Event::MediaRestarted);
    bench.happens(media_connected(1, 2));
    assert_snapshot!(bench.transcript(), @r"
    0.000s > media worker died
    0.800s > media worker ready
               start media s1
               add peer-2 to s1
               OPEN GATE of peer-2
    0.800s > s1 peer-2 connected
    ");
}

#[test]
fn media_that_never_connects_ends_the_call() {
    let mut bench = bench();
    bench.rings().happens(accepted(1, "anna-phone")).so_far().passes(15_000);
    assert_snapshot!(bench.transcript(), @r"
    15.000s * connect is due
                ask end s1 MediaLost #2
                leave session s1
                stop media s1
                show ending
    ");
}

#[test]
fn the_longest_call_is_ended() {
    let mut bench = bench();
    bench.talks().so_far().passes(180_000).happens(media_stopped(1));
    assert_snapshot!(bench.transcript(), @r"
    180.000s * maximum is due
                 ask end s1 MaximumDuration #2
                 leave session s1
                 stop media s1
                 show ending
    180.000s > s1 media stopped
                 show outcome ended
    ");
}

// -------------------------------------------------------------------------------------------------------- other button

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
