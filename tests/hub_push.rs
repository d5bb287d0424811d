//! Push through a real hub: a phone says where it can be woken, a call wakes it, its end is told; and whatever the push
//! service does, calls go their way.

mod hub_house;
mod push_service;

use std::time::Duration;

use doorward::config::hub::HubConfig;
use doorward::config::push::PushTable;
use doorward::ids::SessionId;
use doorward::signaling::protocol::{CallStatus, ClientFrame, ErrorCode, EventKind, HubFrame};
use doorward::signaling::push::PushMessage;
use hub_house::{Device, House, read_refusal};
use push_service::{Answer, CONTACT, PushService};
use serde_json::{Value, json};

const PUSH: &str = "/v1/me/device/push";

/// A hub that sends to these services, with everybody's first device.
async fn house(services: &[&PushService]) -> (House, Device, Device, Device) {
    let services = services.iter().map(|service| service.name()).collect();
    let push = Some(PushTable { services, repeat: Duration::from_secs(60), ..PushTable::of(CONTACT) });
    let house = House::with(HubConfig { push, ..HubConfig::default() }).await;
    let (front, anna, ben) = (house.device("front"), house.device("anna"), house.device("ben"));
    house.settle(&ben).await;
    (house, front, anna, ben)
}

async fn subscribe(device: &Device, subscription: &Value) {
    assert_eq!(device.put(PUSH, subscription.to_string()).await, (204, Value::Null));
    assert_eq!(device.get(PUSH).await.1["subscribed"], true);
}

#[tokio::test]
async fn a_ring_wakes_sleeping_phones_and_its_answer_is_told_to_the_others() {
    let mut service = PushService::open().await;
    let (_house, front, anna, ben) = house(&[&service]).await;
    subscribe(&anna, &service.subscription("anna")).await;
    subscribe(&ben, &service.subscription("ben")).await;
    let mut door = front.connect().await;
    let session_id = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let rings = [service.next().await, service.next().await];
    for ring in &rings {
        let expected = PushMessage::Ring { session_id, door: "Front door".into() };
        assert_eq!(ring.message, expected);
        assert!((40..=45).contains(&ring.ttl), "as long as it rings: {}", ring.ttl);
    }
    assert_ne!(rings[0].topic, rings[1].topic, "the service cannot tell who is called together");
    door.event(|event| matches!(event, EventKind::CallDelivered { delivered: 0, notified: 2, members: 2, .. })).await;

    ben.verb(session_id, "accept").await.expect("it rings there");
    let over = service.next().await;
    let status = CallStatus::Ongoing;
    assert_eq!(over.message, PushMessage::Over { session_id, door: "Front door".into(), status });
    let ring = rings.iter().find(|ring| ring.phone == "anna").expect("hers");
    assert_eq!(
        (over.phone.as_str(), &over.topic),
        ("anna", &ring.topic),
        "it takes the place of a ring not fetched yet"
    );

    // Ben answered there: nothing more came to him, neither now nor when they hang up.
    front.verb(session_id, "end").await.expect("it may");
    front.initiate("group", "flat-1").await.expect("it may");
    for next in [service.next().await, service.next().await] {
        assert!(next.is_ring(), "{next:?}");
        assert_ne!(next.topic, ring.topic, "one topic per call");
    }
}

#[tokio::test]
async fn a_phone_that_is_open_is_rung_by_both_ways_and_counted_once() {
    let mut service = PushService::open().await;
    let (_house, front, anna, _) = house(&[&service]).await;
    subscribe(&anna, &service.subscription("anna")).await;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let session_id = front.initiate("group", "flat-1").await.expect("it may").session_id;
    assert!(service.next().await.is_ring());
    door.event(|event| matches!(event, EventKind::CallDelivered { delivered: 0, notified: 1, .. })).await;
    let HubFrame::Event(ring) = phone.until(|frame| matches!(frame, HubFrame::Event(_))).await else { unreachable!() };
    assert!(matches!(ring.event, EventKind::IncomingCallReceived { .. }));
    phone.send(&ClientFrame::Acknowledge { session_id, entry: ring.entry }).await;
    door.event(|event| matches!(event, EventKind::CallDelivered { delivered: 1, notified: 0, .. })).await;
}

#[tokio::test]
async fn every_end_of_a_ring_is_told() {
    let mut service = PushService::open().await;
    let (mut house, front, anna, _) = house(&[&service]).await;
    house.config.call.ring_timeout = Duration::from_secs(2);
    house.restart().await;
    let (front, anna) = (front.at(&house), anna.at(&house));
    let tablet = house.device("anna");
    house.settle(&tablet).await;
    subscribe(&anna, &service.subscription("anna")).await;

    let session = ring(&front, &mut service).await;
    front.reject(session, "cancelled").await.expect("it may");
    is_told(&mut service, session, CallStatus::Cancelled).await;

    let session = ring(&front, &mut service).await;
    is_told(&mut service, session, CallStatus::Unanswered).await;

    // She refused on her tablet; Ben could still answer.
    let session = ring(&front, &mut service).await;
    tablet.reject(session, "rejected").await.expect("it rings there");
    is_told(&mut service, session, CallStatus::Initiated).await;
}

/// The front door rings flat 1, and one phone is woken.
async fn ring(front: &Device, service: &mut PushService) -> SessionId {
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    assert!(service.next().await.is_ring());
    session
}

async fn is_told(service: &mut PushService, session_id: SessionId, status: CallStatus) {
    let over = service.next().await;
    assert_eq!(over.message, PushMessage::Over { session_id, door: "Front door".into(), status });
    assert!((60..=3600).contains(&over.ttl), "worth knowing later: {}", over.ttl);
}

#[tokio::test]
async fn a_dead_subscription_is_dropped() {
    let mut service = PushService::open().await;
    let (_house, front, anna, ben) = house(&[&service]).await;
    subscribe(&anna, &service.subscription("anna")).await;
    for status in [404, 410] {
        subscribe(&ben, &service.subscription("ben")).await;
        service.answer("ben", &[Answer::Refuse(status)]);
        let session_id = front.initiate("group", "flat-1").await.expect("it may").session_id;
        let came = [service.next().await, service.next().await];
        assert!(came.iter().any(|ring| ring.answer == Answer::Refuse(status)));
        let dropped = async {
            while ben.get(PUSH).await.1["subscribed"] == true {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(hub_house::DEADLINE, dropped).await.expect("it is dropped");
        front.reject(session_id, "cancelled").await.expect("it may");
        assert_eq!(service.next().await.phone, "anna", "who is not there is not told of the end");
    }
    let mut door = front.connect().await;
    front.initiate("group", "flat-1").await.expect("it may");
    assert_eq!(service.next().await.phone, "anna");
    door.event(|event| matches!(event, EventKind::CallDelivered { notified: 1, .. })).await;
    assert_eq!(service.rest(), []);
}

#[tokio::test]
async fn a_service_that_asks_for_a_rest_gets_it() {
    let mut service = PushService::open().await;
    let (_house, front, anna, ben) = house(&[&service]).await;
    subscribe(&anna, &service.subscription("anna")).await;
    subscribe(&ben, &service.subscription("ben")).await;
    service.answer("anna", &[Answer::Rest(2)]);
    let mut door = front.connect().await;
    let session_id = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let first = [service.next().await, service.next().await];
    door.event(|event| matches!(event, EventKind::CallDelivered { notified: 1, .. })).await;
    let refused = first.iter().find(|ring| ring.phone == "anna").expect("hers");
    let again = service.next().await;
    assert_eq!((again.phone.as_str(), again.is_ring()), ("anna", true));
    assert!(again.at - refused.at >= Duration::from_secs(2), "{:?}", again.at - refused.at);
    door.event(|event| matches!(event, EventKind::CallDelivered { notified: 2, .. })).await;

    // Longer than it rings: she is left in peace, and never heard of it.
    front.reject(session_id, "cancelled").await.expect("it may");
    assert!([service.next().await, service.next().await].iter().all(|over| !over.is_ring()));
    service.answer("anna", &[Answer::Rest(600)]);
    let session_id = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let both = [service.next().await, service.next().await];
    assert!(both.iter().all(push_service::Pushed::is_ring));
    front.reject(session_id, "cancelled").await.expect("it may");
    assert_eq!(service.next().await.phone, "ben");
}

#[tokio::test]
async fn a_service_that_hangs_or_is_down_disturbs_nobody() {
    let hanging = PushService::open().await;
    let mut down = PushService::open().await;
    let mut well = PushService::open().await;
    let (house, front, anna, ben) = house(&[&hanging, &down, &well]).await;
    let third = house.device("anna");
    house.settle(&third).await;
    subscribe(&anna, &hanging.subscription("anna")).await;
    subscribe(&third, &down.subscription("third")).await;
    subscribe(&ben, &well.subscription("ben")).await;
    hanging.answer("anna", &[Answer::Hang; 8]);
    let address = down.address;
    down = PushService::open().await;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    for _ in 0..2 {
        let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
        phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
        assert!(well.next().await.is_ring());
        door.event(|event| matches!(event, EventKind::CallDelivered { notified: 1, .. })).await;
        anna.verb(session, "accept").await.expect("it rings there");
        door.event(|event| matches!(event, EventKind::OutgoingCallAccepted { .. })).await;
        assert!(!well.next().await.is_ring());
        front.verb(session, "end").await.expect("it may");
    }
    // It is there again while it rings: then it gets the ring.
    front.initiate("group", "flat-1").await.expect("it may");
    assert!(well.next().await.is_ring());
    drop(down);
    let mut again = PushService::open_at(address).await;
    again.subscription("third");
    while !again.next().await.is_ring() {}
    door.event(|event| matches!(event, EventKind::CallDelivered { notified: 2, .. })).await;
}

#[tokio::test]
async fn a_phone_is_woken_again_while_it_rings() {
    let mut service = PushService::open().await;
    let services = vec![service.name()];
    let push = Some(PushTable { services, repeat: Duration::from_millis(200), ..PushTable::of(CONTACT) });
    let house = House::with(HubConfig { push, ..HubConfig::default() }).await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    subscribe(&anna, &service.subscription("anna")).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let first = service.next().await;
    for _ in 0..2 {
        let again = service.next().await;
        assert_eq!((again.is_ring(), &again.topic), (true, &first.topic));
        assert!(again.ttl <= first.ttl);
    }
    front.reject(session, "cancelled").await.expect("it may");
    while service.next().await.is_ring() {}
    front.get("/v1/me").await;
    assert_eq!(service.rest(), [], "its end is the last word");
}

#[tokio::test]
async fn a_hub_that_was_started_again_takes_the_ring_back_and_keeps_its_key() {
    let mut service = PushService::open().await;
    let (mut house, front, anna, _) = house(&[&service]).await;
    subscribe(&anna, &service.subscription("anna")).await;
    let key = anna.get(PUSH).await.1["applicationServerKey"].clone();
    assert_eq!(key.as_str().map(str::len), Some(87));
    let session_id = front.initiate("group", "flat-1").await.expect("it may").session_id;
    assert!(service.next().await.is_ring());
    house.restart().await;
    let (front, anna) = (front.at(&house), anna.at(&house));
    assert_eq!(anna.get(PUSH).await.1, json!({ "applicationServerKey": key, "subscribed": true }));
    front.reject(session_id, "cancelled").await.expect("it still rings");
    let over = service.next().await;
    assert!(matches!(over.message, PushMessage::Over { status: CallStatus::Cancelled, .. }), "{over:?}");
}

#[tokio::test]
async fn only_what_is_allowed_is_subscribed() {
    let service = PushService::open().await;
    let (house, front, anna, ben) = house(&[&service]).await;
    let good = service.subscription("anna");
    let with = |path: &[&str], value: &str| {
        let mut body = good.clone();
        let at = path.iter().fold(&mut body, |at, key| &mut at[*key]);
        *at = json!(value);
        body
    };
    let off_curve = format!("BA{}", "A".repeat(85));
    for (bad, code) in [
        (with(&["endpoint"], "https://fcm.googleapis.com/fcm/send/x"), ErrorCode::ErrBadRequest),
        (with(&["endpoint"], "http://127.0.0.1:22/x"), ErrorCode::ErrBadRequest),
        (with(&["endpoint"], "https://169.254.169.254/latest"), ErrorCode::ErrBadRequest),
        (with(&["endpoint"], "/x"), ErrorCode::ErrBadRequest),
        (with(&["keys", "p256dh"], &off_curve), ErrorCode::ErrBadRequest),
        (with(&["keys", "p256dh"], ""), ErrorCode::ErrBadRequest),
        (with(&["keys", "auth"], "AAAA"), ErrorCode::ErrBadRequest),
        (json!({}), ErrorCode::ErrBadRequest),
    ] {
        let (status, body) = anna.put(PUSH, bad.to_string()).await;
        assert_eq!(read_refusal(status, body).code, code, "{bad}");
    }
    let (status, body) = front.put(PUSH, good.to_string()).await;
    assert_eq!(read_refusal(status, body).code, ErrorCode::ErrForbidden);
    assert_eq!(anna.get(PUSH).await.1["subscribed"], false);

    // A browser that changed hands is woken for its new owner alone.
    subscribe(&anna, &good).await;
    subscribe(&ben, &good).await;
    assert_eq!(anna.get(PUSH).await.1["subscribed"], false);
    assert_eq!(ben.delete(PUSH).await.0, 204);
    assert_eq!(ben.get(PUSH).await.1["subscribed"], false);
    drop(house);

    let without = House::new().await;
    let anna = without.device("anna");
    without.settle(&anna).await;
    assert_eq!(anna.get(PUSH).await, (200, json!({ "subscribed": false })));
    let (status, body) = anna.put(PUSH, good.to_string()).await;
    assert_eq!(read_refusal(status, body).code, ErrorCode::ErrNotFound);
}
