//! Calls through a real hub: verbs over HTTP, events over WebSockets, on loopback.

mod hub_house;

use doorward::ids::PeerId;
use doorward::signaling::protocol::{CallStatus, ClientFrame, EndReason, EventKind, HubFrame, Role, Signal};
use hub_house::House;

#[tokio::test]
async fn ring_look_answer_talk_hang_up() {
    let house = House::new().await;
    let (front, anna, ben) = (house.device("front"), house.device("anna"), house.device("ben"));
    house.settle(&ben).await;
    let (mut door, mut phone, mut other) = (front.connect().await, anna.connect().await, ben.connect().await);

    let call = front.initiate("group", "flat-1").await.expect("the front door may ring flat 1");
    assert_eq!((call.status, call.door.as_str()), (CallStatus::Initiated, "front"));
    let session = call.session_id;
    for socket in [&mut phone, &mut other] {
        let ring = socket.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
        let EventKind::IncomingCallReceived { call, rings_for, waiting } = ring else { unreachable!() };
        assert_eq!((call.session_id, rings_for, waiting), (session, 45_000, false));
        assert_eq!(call.metadata["button"], "flat-1");
        socket.send(&ClientFrame::Acknowledge { session_id: session, entry: call.entry }).await;
    }
    door.event(|event| matches!(event, EventKind::CallDelivered { delivered: 2, members: 2, .. })).await;

    front.start_session(&mut door, session).await;
    anna.start_session(&mut phone, session).await;
    let viewed = door.event(|event| matches!(event, EventKind::CallViewed { .. })).await;
    assert!(matches!(viewed, EventKind::CallViewed { viewer } if viewer.device_id == anna.id));
    let offer = Signal::Offer { sdp: "v=0 offer".to_owned().into() };
    let (peer, device_id) = (PeerId(1), Some(anna.id.clone()));
    door.send(&ClientFrame::Signal { session_id: session, device_id, peer, signal: offer.clone() }).await;
    let got = phone.until(|frame| matches!(frame, HubFrame::Signal { .. })).await;
    assert_eq!(got, HubFrame::Signal { session_id: session, device_id: front.id.clone(), peer, signal: offer });
    let answer = Signal::Answer { sdp: "v=0 answer".to_owned().into() };
    phone.send(&ClientFrame::Signal { session_id: session, device_id: None, peer, signal: answer.clone() }).await;
    let got = door.until(|frame| matches!(frame, HubFrame::Signal { .. })).await;
    assert_eq!(got, HubFrame::Signal { session_id: session, device_id: anna.id.clone(), peer, signal: answer });

    let call = anna.verb(session, "accept").await.expect("it rings there");
    assert_eq!(call.status, CallStatus::Ongoing);
    let accepted = door.event(|event| matches!(event, EventKind::OutgoingCallAccepted { .. })).await;
    assert!(matches!(accepted, EventKind::OutgoingCallAccepted { by, .. } if by.device_id == anna.id));
    other.event(|event| matches!(event, EventKind::CallAnsweredElsewhere { .. })).await;
    assert_eq!(anna.token(session).await.expect("she talks").role, Role::Participant);

    let call = anna.verb(session, "end").await.expect("she may hang up");
    assert_eq!((call.status, call.end_reason), (CallStatus::Ended, Some(EndReason::ResidentHungUp)));
    let ended = door.event(|event| matches!(event, EventKind::CallEnded { .. })).await;
    assert!(matches!(ended, EventKind::CallEnded { call } if call.status == CallStatus::Ended));
    let ended = |frame: &HubFrame| matches!(frame, HubFrame::SessionEnded { session_id } if *session_id == session);
    for socket in [&mut door, &mut phone] {
        let frames = socket.drain().await;
        assert_eq!(frames.iter().filter(|frame| ended(frame)).count(), 1, "{frames:?}");
    }
}
