//! Calls through a real hub: verbs over HTTP, events over WebSockets, on loopback.

mod hub_house;

use std::sync::Arc;
use std::time::Duration;

use doorward::config::hub::HubConfig;
use doorward::ids::PeerId;
use doorward::signaling::protocol::{
    CallStatus, ClientFrame, EndReason, ErrorCode, EventKind, HubFrame, Role, Seen, Signal,
};
use hub_house::{Device, House, code, key};
use serde_json::json;
use tokio::sync::Barrier;

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

#[tokio::test]
async fn a_resident_calls_the_door() {
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let (status, me) = anna.get("/v1/me").await;
    assert_eq!(status, 200);
    assert_eq!(me["doors"], json!([{ "uid": "front", "name": "Front door", "online": true }]));
    assert_eq!(me["groups"], json!([{ "guid": "flat-1", "name": "flat-1" }]));

    let session = anna.initiate("user", "front").await.expect("she may").session_id;
    door.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    front.verb(session, "accept").await.expect("it rings there");
    phone.event(|event| matches!(event, EventKind::OutgoingCallAccepted { .. })).await;
    let call = front.verb(session, "end").await.expect("it hangs up");
    assert_eq!(call.end_reason, Some(EndReason::DoorHungUp));
    phone.event(|event| matches!(event, EventKind::CallEnded { .. })).await;
}

#[tokio::test]
async fn every_refusal_of_the_rules() {
    use ErrorCode as E;
    let house = House::new().await;
    let (front, garden, guard) = (house.device("front"), house.device("garden"), house.device("guard"));
    let phones: Vec<_> = (0..6).map(|_| house.device("anna")).collect();
    let (anna, ben, carl) = (house.device("anna"), house.device("ben"), house.device("carl"));
    house.settle(&carl).await;
    for (device, kind, receiver, expected) in [
        (&front, "group", "flat-9", E::ErrReceiverNotFound),
        (&garden, "group", "flat-1", E::ErrReceiverNotFound),
        (&front, "user", "front", E::ErrCallingSelf),
        (&front, "user", "anna", E::ErrCallNotAPart),
        (&anna, "user", "ben", E::ErrCallInvalidParties),
        (&anna, "group", "flat-1", E::ErrCallInvalidParties),
        (&anna, "user", "garden", E::ErrReceiverNotFound),
        (&anna, "user", "carl", E::ErrReceiverNotFound),
    ] {
        assert_eq!(code(device.initiate(kind, receiver).await), expected, "{} calls {receiver}", device.uid);
    }

    let call = front.initiate("group", "flat-1").await.expect("it may");
    let session = call.session_id;
    let busy = front.initiate("group", "flat-2").await.expect_err("it is in a call");
    assert_eq!((busy.code, busy.details.call.map(|call| call.session_id)), (E::ErrCallBusySelf, Some(session)));
    assert_eq!(code(anna.initiate("user", "front").await), E::ErrCallBusyUser);
    assert_eq!(code(anna.verb(session, "end").await), E::ErrCallNotStarted);
    for stranger in [&carl, &guard, &garden] {
        for verb in ["accept", "end", "press-waiting"] {
            assert_eq!(code(stranger.verb(session, verb).await), E::ErrCallSessionNotFound);
        }
        assert_eq!(code(stranger.reject(session, "rejected").await), E::ErrCallSessionNotFound);
        assert_eq!(code(stranger.token(session).await), E::ErrCallSessionNotFound);
        assert_eq!(stranger.get(&format!("/v1/calls/{session}")).await.0, 404);
    }
    let mut viewers = Vec::new();
    for phone in &phones[..4] {
        let mut socket = phone.connect().await;
        phone.start_session(&mut socket, session).await;
        viewers.push(socket);
    }
    assert_eq!(code(phones[4].token(session).await), E::ErrSessionFull);

    anna.verb(session, "accept").await.expect("it rings there");
    assert_eq!(code(ben.verb(session, "accept").await), E::ErrCallAnsweredElsewhere);
    assert_eq!(code(ben.token(session).await), E::ErrCallAnsweredElsewhere);
    assert_eq!(code(front.reject(session, "cancelled").await), E::ErrCallOngoingToInvalid);
    front.verb(session, "end").await.expect("it may");
    let over = anna.verb(session, "accept").await.expect_err("too late");
    assert_eq!((over.code, over.details.call.map(|call| call.status)), (E::ErrCallTerminated, Some(CallStatus::Ended)));
    assert_eq!(code(anna.token(session).await), E::ErrCallTerminated);
}

#[tokio::test]
async fn a_verb_that_comes_twice_is_done_once() {
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let mut phone = anna.connect().await;
    let first = front.initiate_with("press-1", "group", "flat-1").await.expect("it may");
    let again = front.initiate_with("press-1", "group", "flat-1").await.expect("the same answer");
    assert_eq!(first.session_id, again.session_id);
    let rings = |frames: &[HubFrame]| {
        let ring = |frame: &&HubFrame| matches!(frame, HubFrame::Event(event) if matches!(event.event, EventKind::IncomingCallReceived { .. }));
        frames.iter().filter(ring).count()
    };
    assert_eq!(rings(&phone.drain().await), 1);
    for _ in 0..2 {
        let body = json!({ "key": "answer-1" });
        let call = anna.verb_with(first.session_id, "accept", body).await.expect("the same answer");
        assert_eq!((call.status, call.participants.len()), (CallStatus::Ongoing, 2));
    }
    for _ in 0..2 {
        let body = json!({ "key": "away-1" });
        let call = front.verb_with(first.session_id, "end", body).await.expect("the same answer");
        assert_eq!(call.status, CallStatus::Ended);
    }
    // The key of a call that is over still names that call.
    let late = front.initiate_with("press-1", "group", "flat-1").await.expect("the same call");
    assert_eq!((late.session_id, late.status), (first.session_id, CallStatus::Ended));
    assert_eq!(rings(&phone.drain().await), 0);
}

#[tokio::test]
async fn what_a_device_missed_is_told_once_it_is_back() {
    let house = House::new().await;
    let (front, anna, ben) = (house.device("front"), house.device("anna"), house.device("ben"));
    house.settle(&ben).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let (mut phone, calls) = anna.connect_with(&[]).await;
    assert_eq!(calls.len(), 1);
    let HubFrame::Event(ring) = phone.until(|frame| matches!(frame, HubFrame::Event(_))).await else { unreachable!() };
    assert!(matches!(ring.event, EventKind::IncomingCallReceived { .. }));
    drop(phone);

    // She saw the ring; while she is away, Ben answers.
    ben.verb(session, "accept").await.expect("it rings there");
    let seen = [Seen { session_id: session, entry: ring.entry }];
    let (mut phone, calls) = anna.connect_with(&seen).await;
    assert_eq!(calls, []);
    phone.event(|event| matches!(event, EventKind::CallAnsweredElsewhere { .. })).await;
    let (status, active) = ben.get("/v1/calls/active").await;
    assert_eq!((status, active["calls"].as_array().map(Vec::len)), (200, Some(1)));
    let (status, one) = anna.get(&format!("/v1/calls/{session}")).await;
    assert_eq!((status, &one["call"]["status"]), (200, &json!("ongoing")));
}

#[tokio::test]
async fn two_windows_of_one_device_are_one_device() {
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let (mut first, mut second) = (anna.connect().await, anna.connect().await);
    let mut door = front.connect().await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    for window in [&mut first, &mut second] {
        window.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    }
    front.start_session(&mut door, session).await;
    anna.start_session(&mut second, session).await;
    // Another window is closed: the viewer is still there, and so is the session.
    drop(first);
    let offer = Signal::Offer { sdp: "offer".to_owned().into() };
    let (peer, device_id) = (PeerId(1), Some(anna.id.clone()));
    door.send(&ClientFrame::Signal { session_id: session, device_id, peer, signal: offer }).await;
    second.until(|frame| matches!(frame, HubFrame::Signal { .. })).await;
    drop(second);
    door.event(|event| matches!(event, EventKind::ViewerLeft { .. })).await;
}

#[tokio::test]
async fn signals_stay_inside_a_started_session() {
    let house = House::new().await;
    let (front, anna, ben, carl) =
        (house.device("front"), house.device("anna"), house.device("ben"), house.device("carl"));
    house.settle(&carl).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let (mut other, mut foreign) = (ben.connect().await, carl.connect().await);
    front.start_session(&mut door, session).await;
    anna.start_session(&mut phone, session).await;
    let signal = |device_id: Option<&Device>, signal: Signal| ClientFrame::Signal {
        session_id: session,
        device_id: device_id.map(|device| device.id.clone()),
        peer: PeerId(1),
        signal,
    };
    let candidate = || Signal::Candidate { candidate: "candidate:1".to_owned().into(), sdp_m_line_index: 0 };
    let offer = || Signal::Offer { sdp: "v=0".to_owned().into() };
    // Without a session, of another group, to another resident, with an offer of one's own: nothing arrives.
    other.send(&signal(None, candidate())).await;
    foreign.send(&signal(None, candidate())).await;
    phone.send(&signal(Some(&ben), candidate())).await;
    phone.send(&signal(None, offer())).await;
    door.send(&signal(Some(&ben), offer())).await;
    door.send(&signal(Some(&carl), offer())).await;
    door.send(&signal(None, offer())).await;
    let arrived = |frames: Vec<HubFrame>| frames.iter().filter(|f| matches!(f, HubFrame::Signal { .. })).count();
    for socket in [&mut other, &mut foreign, &mut phone] {
        assert_eq!(arrived(socket.drain().await), 0);
    }
    // The phone's candidate went to the door, whatever device it named.
    assert_eq!(arrived(door.drain().await), 1);

    // With somebody else's token, or with none, there is no session.
    let stolen = anna.token(session).await.expect("she looks").token;
    for token in [stolen, "A".repeat(43).into(), String::new().into()] {
        other.send(&ClientFrame::StartSession { session_id: session, token, keeps: None }).await;
        let refused = other.until(|frame| matches!(frame, HubFrame::SessionRefused { .. })).await;
        assert!(
            matches!(refused, HubFrame::SessionRefused { error, .. } if error.code == ErrorCode::ErrSessionTokenInvalid)
        );
    }
    // Ben had a token before Anna answered; it is worth nothing any more.
    let early = ben.token(session).await.expect("he may look").token;
    anna.verb(session, "accept").await.expect("it rings there");
    other.send(&ClientFrame::StartSession { session_id: session, token: early, keeps: None }).await;
    let refused = other.until(|frame| matches!(frame, HubFrame::SessionRefused { .. })).await;
    assert!(
        matches!(refused, HubFrame::SessionRefused { error, .. } if error.code == ErrorCode::ErrCallAnsweredElsewhere)
    );
}

#[tokio::test]
async fn a_door_with_other_buttons_tells_its_residents() {
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let mut phone = anna.connect().await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    anna.verb(session, "accept").await.expect("it rings there");
    let body = json!({ "key": key(), "metadata": { "button": "flat-2", "buttonLabel": "Second floor" } });
    front.verb_with(session, "press-waiting", body).await.expect("it may");
    let waiting = phone.event(|event| matches!(event, EventKind::PressWaiting { .. })).await;
    assert!(matches!(waiting, EventKind::PressWaiting { metadata } if metadata["button"] == "flat-2"));
}

#[tokio::test]
async fn two_hundred_accept_at_once_and_one_talks() {
    const PHONES: usize = 200;
    let house = House::new().await;
    let front = house.device("front");
    let mut administration = house.administration();
    let phones: Vec<_> = (0..PHONES)
        .map(|number| {
            let (uid, flat) =
                (format!("resident-{number}").parse().expect("a word"), "flat-1".parse().expect("a word"));
            administration.add_user(&uid, "Resident", &[flat]).expect("there is none of this name");
            house.admitted(administration.add_device(&uid, "phone").expect("they are there"))
        })
        .collect();
    house.settle(phones.last().expect("there are some")).await;
    let mut sockets = Vec::new();
    for phone in &phones {
        sockets.push(phone.connect().await);
    }
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    for socket in &mut sockets {
        socket.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    }
    let start = Arc::new(Barrier::new(PHONES));
    let answers = phones.iter().cloned().map(|phone| {
        let start = start.clone();
        tokio::spawn(async move {
            start.wait().await;
            (phone.id.clone(), phone.verb(session, "accept").await)
        })
    });
    let answers: Vec<_> = answers.collect();
    let mut winners = Vec::new();
    for answer in answers {
        let (id, answer) = answer.await.expect("no task fails");
        match answer {
            Ok(call) => {
                assert_eq!(call.status, CallStatus::Ongoing);
                winners.push(id);
            }
            Err(refusal) => assert_eq!(refusal.code, ErrorCode::ErrCallAnsweredElsewhere),
        }
    }
    assert_eq!(winners.len(), 1);
    for (phone, socket) in phones.iter().zip(&mut sockets).filter(|(phone, _)| phone.id != winners[0]) {
        let event = socket.event(|event| !matches!(event, EventKind::IncomingCallReceived { .. })).await;
        assert!(matches!(event, EventKind::CallAnsweredElsewhere { .. }), "{}: {event:?}", phone.id);
    }
}

#[tokio::test]
async fn the_history_has_what_concerns_oneself() {
    let house = House::new().await;
    let (front, anna, carl) = (house.device("front"), house.device("anna"), house.device("carl"));
    house.settle(&carl).await;
    let mut sessions = Vec::new();
    for flat in ["flat-1", "flat-2", "flat-1"] {
        let session = front.initiate("group", flat).await.expect("it may").session_id;
        front.reject(session, "cancelled").await.expect("it may");
        sessions.push(session.to_string());
    }
    let history = async |device: &Device, query: &str| {
        let (status, body) = device.get(&format!("/v1/calls{query}")).await;
        assert_eq!(status, 200, "{body}");
        let calls = body["calls"].as_array().expect("a list").clone();
        calls.iter().map(|call| call["sessionId"].as_str().expect("a call").to_owned()).collect::<Vec<_>>()
    };
    // It is written behind, but whoever was answered finds the call there.
    assert_eq!(history(&front, "").await.len(), 3);
    assert_eq!(history(&anna, "").await, [&sessions[2][..], &sessions[0]]);
    assert_eq!(history(&carl, "").await, [&sessions[1][..]]);
    assert_eq!(history(&front, "?limit=2").await, [&sessions[2][..], &sessions[1]]);
    let (_, oldest) = front.get(&format!("/v1/calls/{}", sessions[1])).await;
    let before = oldest["call"]["initiatedAt"].as_u64().expect("a time");
    assert_eq!(history(&front, &format!("?before={before}")).await, [&sessions[0][..]]);
    assert_eq!(anna.get("/v1/calls?before=yesterday").await.0, 400);
    // Who moves in later does not read about who lived there before.
    house.administration().join(&"guard".parse().expect("a word"), &"flat-1".parse().expect("a word")).expect("new");
    let guard = house.device("guard");
    house.settle(&guard).await;
    assert_eq!(history(&guard, "").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_trace_comes_from_the_door_of_a_call_that_is_over() {
    let house = House::new().await;
    let (front, anna, carl) = (house.device("front"), house.device("anna"), house.device("carl"));
    house.settle(&carl).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let path = format!("/v1/calls/{session}/trace");
    let tell = async |device: &hub_house::Device, sent: u64| {
        device.post(&path, json!({ "key": key(), "trace": { "sent": sent, "ended": 900 } }).to_string()).await
    };
    assert_eq!(tell(&front, 1).await.0, 400, "it goes on");
    front.reject(session, "cancelled").await.expect("it is its call");
    assert_eq!((tell(&anna, 2).await.0, tell(&carl, 3).await.0), (403, 404));
    assert_eq!((tell(&front, 4).await.0, tell(&front, 5).await.0), (204, 204));
    assert_eq!(anna.get(&path).await, (200, json!({ "sent": 4, "ended": 900 })), "the first one stands");
    assert_eq!(carl.get(&path).await.0, 404);
}

/// From start of image to end of image, and nothing of a picture between.
const STILL: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==";

#[tokio::test]
async fn a_still_is_seen_by_those_who_may_see_the_door() {
    let house = House::new().await;
    let (front, anna, ben, carl) =
        (house.device("front"), house.device("anna"), house.device("ben"), house.device("carl"));
    house.settle(&carl).await;
    let mut phone = anna.connect().await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    assert_eq!(anna.still(session).await.0, 404, "there is none yet");
    let show = json!({ "key": key(), "still": STILL });
    assert_eq!(code(anna.verb_with(session, "show-still", show.clone()).await), ErrorCode::ErrForbidden);
    let call = front.verb_with(session, "show-still", show).await.expect("it is the door");
    let updated = phone.event(|event| matches!(event, EventKind::CallUpdated { .. })).await;
    assert_eq!(updated.call().map(|call| (call.still_at, call.entry)), Some((call.still_at, call.entry)));
    assert!(call.still_at.is_some());
    let (status, kind, jpeg) = anna.still(session).await;
    assert_eq!((status, kind.as_str(), jpeg.get(..3)), (200, "image/jpeg", Some(&[0xff, 0xd8, 0xff][..])));
    assert_eq!(carl.still(session).await.0, 404, "he lives elsewhere");
    ben.reject(session, "rejected").await.expect("it rings there");
    assert_eq!(ben.still(session).await.0, 404, "he did not want to see it");
    anna.verb(session, "accept").await.expect("it rings there");
    assert_eq!(anna.still(session).await.0, 200);
    anna.verb(session, "end").await.expect("she talks");
    assert_eq!(anna.still(session).await.0, 404, "it is not kept");
    let (_, past) = anna.get("/v1/calls").await;
    assert_eq!((past["calls"][0]["status"].as_str(), &past["calls"][0]["stillAt"]), (Some("ended"), &json!(null)));

    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    for nonsense in ["", "%", "R0lGODlh", &"/9j/".repeat(8192)] {
        let show = json!({ "key": key(), "still": nonsense });
        assert_eq!(code(front.verb_with(session, "show-still", show).await), ErrorCode::ErrBadRequest);
    }
}

#[tokio::test]
async fn a_still_is_kept_with_the_history_for_as_long_as_the_operator_says() {
    let mut config = HubConfig::default();
    config.history.keep_stills = Duration::from_secs(86_400);
    let mut house = House::with(config).await;
    let (front, anna, ben, carl) =
        (house.device("front"), house.device("anna"), house.device("ben"), house.device("carl"));
    house.settle(&carl).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    front.verb_with(session, "show-still", json!({ "key": key(), "still": STILL })).await.expect("it is the door");
    front.reject(session, "cancelled").await.expect("it is its call");
    for (device, status) in [(&anna, 200), (&ben, 200), (&front, 200), (&carl, 404)] {
        assert_eq!(device.still(session).await.0, status, "{}", device.uid);
    }
    house.restart().await;
    let anna = anna.at(&house);
    assert_eq!(anna.still(session).await.0, 200);
    assert!(anna.get(&format!("/v1/calls/{session}")).await.1["call"]["stillAt"].is_u64());
    house.stop().await;
    house.config.history.keep_stills = Duration::ZERO;
    house.start().await;
    let anna = anna.at(&house);
    let gone = async { while anna.still(session).await.0 != 404 {} };
    tokio::time::timeout(hub_house::DEADLINE, gone).await.expect("what is not to be kept goes with the next start");
    assert_eq!(anna.get("/v1/calls").await.1["calls"][0]["stillAt"], json!(null));
}
