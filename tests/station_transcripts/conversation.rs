//! Connecting and in conversation.

use doorward::call::Event;
use doorward::call::indication::Phase;
use doorward::signaling::protocol::{CallStatus, EndReason};
use insta::assert_snapshot;

use super::bench;
use super::station_rig::*;

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

#[test]
fn a_worker_that_dies_twenty_times_leaves_the_call_usable() {
    let mut bench = bench();
    bench.talks();
    for _ in 0..20 {
        bench.happens(Event::MediaDied).passes(400).happens(Event::MediaRestarted);
    }
    bench.so_far().happens(media_connected(1, 21));
    assert_snapshot!(bench.transcript(), @r"
     8.000s > s1 peer-21 connected
    ");
    assert_eq!(bench.station.indication().phase, Phase::Ongoing);
}
