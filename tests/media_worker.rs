//! The media worker as a real child process, with residents made of webrtcbin on loopback.

#![cfg(feature = "media")]

mod media_door;
mod resident;

use doorward::media::protocol::{Order, Report};

use media_door::{CALL, Door, is_about, settings};

#[tokio::test]
async fn a_viewer_sees_the_picture() {
    let mut door = Door::in_session(settings()).await;
    let viewer = door.join_and_see(1).await;
    door.report(
        |report| matches!(report, Report::Connected { session_id, peer } if (*session_id, *peer) == (CALL, viewer)),
    )
    .await;
    door.pictures(viewer, 25).await;
    let number = door.resident(viewer).frame_number();
    assert!(number.is_some_and(|number| (25..2000).contains(&number)), "the counter can be read: {number:?}");
}

#[tokio::test]
async fn sound_flows_after_consent_and_not_before() {
    let mut door = Door::in_session(settings()).await;
    let resident = door.join_and_see(1).await;
    door.resident(resident).talk(1000);
    door.pictures(resident, 50).await;
    assert_eq!(door.resident(resident).sound_packets(), 0, "no captured sound leaves before consent");
    assert_eq!(door.speaker_levels().next(), None, "nobody is heard before consent");
    assert!(!door.reports().any(|report| matches!(report, Report::Capturing { microphone: true, .. })));

    door.order(Order::OpenGate { peer: resident });
    door.until("the door's tone", |door| {
        door.resident(resident)
            .hears()
            .is_some_and(|level| is_about(level.hertz, 440.0) && (level.dbfs + 12.0).abs() < 2.0)
    })
    .await;
    door.until("the resident's tone", |door| {
        door.speaker_levels()
            .next_back()
            .is_some_and(|(dbfs, hertz)| is_about(hertz, 1000.0) && (dbfs + 12.0).abs() < 2.0)
    })
    .await;
    door.report(|report| matches!(report, Report::Capturing { camera: true, microphone: true })).await;
}
