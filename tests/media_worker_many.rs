//! Many residents at one real media worker: eight see, four of them talk, and nobody is disturbed by the others.
#![cfg(feature = "media")]

mod media_door;
mod resident;

use doorward::ids::PeerId;
use doorward::media::protocol::{Order, Report};

use media_door::{CALL, Door, is_about, settings};

/// At most half a second was lost, on a machine that does something else as well.
const UNDISTURBED: u32 = 13;

#[tokio::test]
async fn eight_see_four_of_them_talk_and_all_go_on_when_some_leave() {
    let mut door = Door::in_session(settings()).await;
    let mut peers = Vec::new();
    for number in 1..=8 {
        peers.push(door.join_and_see(number).await);
    }
    let talkers = &peers[..4];
    for &talker in talkers {
        door.order(Order::OpenGate { peer: talker });
    }
    for &talker in talkers {
        door.until("the door's tone", |door| door.resident(talker).hears().is_some_and(|level| level.dbfs > -14.0))
            .await;
    }
    // One after the other: each is heard at the door and by the three others, and not by the viewers.
    for (number, &talker) in talkers.iter().enumerate() {
        let hertz = [700, 1100, 1500, 1900][number];
        door.resident(talker).talk(hertz);
        door.until("this talker at the door", |door| {
            door.speaker_levels().next_back().is_some_and(|(_, found)| number > 0 || is_about(found, hertz.into()))
        })
        .await;
    }
    // Four equally loud tones are 6 dB more than one.
    door.until("all four at the door", |door| {
        door.speaker_levels().next_back().is_some_and(|(dbfs, _)| (-7.5..-4.5).contains(&dbfs))
    })
    .await;
    for &viewer in &peers[4..] {
        assert_eq!(door.resident(viewer).sound_packets(), 0, "who did not accept hears nothing");
    }
    for &peer in &[peers[3], peers[7], peers[2], peers[6]] {
        door.leave(peer);
        door.pictures(peers[0], 5).await;
    }
    for &peer in &[peers[0], peers[1], peers[4], peers[5]] {
        door.pictures(peer, 25).await;
        let gap = door.resident(peer).longest_gap();
        assert!(gap <= UNDISTURBED, "{peer:?} lost {gap} pictures");
    }
    assert!(!door.reports().any(|report| matches!(report, Report::Lost { .. })));
}

#[tokio::test]
async fn one_that_takes_nothing_stops_nobody() {
    let mut door = Door::in_session(settings()).await;
    let (first, stuck) = (door.join_and_see(1).await, door.join_and_see(2).await);
    // One that is offered a connection and never answers, one that stands still with its connection up.
    door.order(Order::AddPeer { session_id: CALL, peer: PeerId(3), ice_servers: Vec::new() });
    for peer in [first, stuck] {
        door.order(Order::OpenGate { peer });
    }
    door.hears(first, 440.0).await;
    door.resident(stuck).stand_still();
    door.pictures(first, 75).await;
    let gap = door.resident(first).longest_gap();
    assert!(gap <= UNDISTURBED, "lost {gap} pictures");
    door.hears(first, 440.0).await;
}
