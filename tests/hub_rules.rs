//! Residents' own rules through a real hub: when it does not ring at theirs, whose turn comes first, and who sees the door before
//! anybody answers.

mod hub_house;

use std::time::{Duration, Instant, SystemTime};

use doorward::signaling::protocol::{CallStatus, ErrorCode, EventKind, HubFrame};
use hub_house::{Device, House, code, read_refusal};
use serde_json::{Value, json};

const RULES: &str = "/v1/me/rules";

async fn house() -> (House, Device, Device, Device) {
    let house = House::new().await;
    let (front, anna, ben) = (house.device("front"), house.device("anna"), house.device("ben"));
    house.settle(&ben).await;
    (house, front, anna, ben)
}

async fn set(device: &Device, rules: Value) {
    assert_eq!(device.put(RULES, rules.to_string()).await, (200, rules.clone()));
    assert_eq!(device.get(RULES).await, (200, rules));
}

fn is_ring(frame: &HubFrame) -> bool {
    matches!(frame, HubFrame::Event(event) if matches!(event.event, EventKind::IncomingCallReceived { .. }))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("this millennium")
}

#[tokio::test]
async fn who_does_not_want_to_be_disturbed_is_not_and_the_visitor_is_told() {
    let (mut house, front, anna, ben) = house().await;
    assert_eq!(anna.get(RULES).await, (200, json!({ "doNotDisturb": false })));
    set(&anna, json!({ "doNotDisturb": true, "doNotDisturbUntil": now() + 3_600_000 })).await;
    house.restart().await;
    let (front, anna, ben) = (front.at(&house), anna.at(&house), ben.at(&house));
    let (mut door, mut hers, mut his) = (front.connect().await, anna.connect().await, ben.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let told = door.event(|event| matches!(event, EventKind::CallDelivered { .. })).await;
    assert!(
        matches!(told, EventKind::CallDelivered { delivered: 0, notified: 0, members: 2, undisturbed: 1 }),
        "{told:?}"
    );
    his.until(is_ring).await;
    assert!(!hers.drain().await.iter().any(is_ring));
    assert_eq!(code(anna.verb(session, "accept").await), ErrorCode::ErrCallAnsweredElsewhere);
    assert_eq!(code(anna.token(session).await), ErrorCode::ErrCallAnsweredElsewhere);

    // He declines: then nobody is left.
    ben.reject(session, "rejected").await.expect("it rings there");
    let over = door.event(|event| matches!(event, EventKind::OutgoingCallRejected { .. })).await;
    assert!(matches!(over, EventKind::OutgoingCallRejected { call } if call.status == CallStatus::Rejected));

    // Nobody wants to be disturbed: the visitor does not wait for nothing.
    set(&ben, json!({ "doNotDisturb": true })).await;
    front.initiate("group", "flat-1").await.expect("it may");
    let over = door.event(|event| matches!(event, EventKind::OutgoingCallRejected { .. })).await;
    assert!(matches!(over, EventKind::OutgoingCallRejected { call } if call.status == CallStatus::Busy));

    // It ends at its time.
    set(&anna, json!({ "doNotDisturb": true, "doNotDisturbUntil": now() - 1 })).await;
    front.initiate("group", "flat-1").await.expect("it may");
    hers.until(is_ring).await;
}

#[tokio::test]
async fn it_rings_in_the_order_of_the_group() {
    let (mut house, front, anna, ben) = house().await;
    let [flat, uid] = ["flat-1", "ben"];
    let turn = Duration::from_millis(1_500);
    house
        .administration()
        .set_turn(&flat.parse().expect("a word"), &uid.parse().expect("a word"), turn)
        .expect("he is");
    house.restart().await;
    let (front, anna, ben) = (front.at(&house), anna.at(&house), ben.at(&house));
    let (mut hers, mut his) = (anna.connect().await, ben.connect().await);
    let began = Instant::now();
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    hers.until(is_ring).await;
    assert!(!his.drain().await.iter().any(is_ring));
    his.until(is_ring).await;
    assert!(began.elapsed() >= turn, "{:?}", began.elapsed());
    front.reject(session, "cancelled").await.expect("it may");
    his.event(|event| matches!(event, EventKind::IncomingCallCancelled { .. })).await;

    // Also by a hub that was started again meanwhile; and at once when the first ones decline.
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    house.restart().await;
    let (front, anna, ben) = (front.at(&house), anna.at(&house), ben.at(&house));
    let mut his = ben.connect().await;
    his.until(is_ring).await;
    front.reject(session, "cancelled").await.expect("it may");
    let began = Instant::now();
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    anna.reject(session, "rejected").await.expect("it rings there");
    his.until(|frame| is_ring(frame) && began.elapsed() < turn).await;
    ben.verb(session, "accept").await.expect("it rings there");
}

#[tokio::test]
async fn who_may_not_look_sees_the_door_once_they_answered() {
    let (house, front, anna, ben) = house().await;
    house.administration().set_user_looks(&"anna".parse().expect("a word"), false).expect("she is there");
    let known = async {
        loop {
            let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
            match anna.token(session).await {
                Err(refusal) => return (session, refusal.code),
                Ok(_) => drop(front.reject(session, "cancelled").await.expect("it may")),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (session, code) = tokio::time::timeout(hub_house::DEADLINE, known).await.expect("within a second");
    assert_eq!(code, ErrorCode::ErrForbidden);
    ben.token(session).await.expect("he may look");
    anna.verb(session, "accept").await.expect("it rings there");
    anna.token(session).await.expect("she is in the conversation");
}

#[tokio::test]
async fn rules_are_ones_own_and_well_formed() {
    let (_house, front, anna, ben) = house().await;
    set(&anna, json!({ "doNotDisturb": false, "quietHours": { "from": "22:00", "to": "07:00" } })).await;
    assert_eq!(ben.get(RULES).await.1, json!({ "doNotDisturb": false }));
    for wrong in [
        json!({ "quietHours": { "from": "22:00", "to": "22:00" } }),
        json!({ "quietHours": { "from": "24:00", "to": "07:00" } }),
        json!({ "quietHours": "night" }),
        json!({ "doNotDisturb": 1 }),
    ] {
        let (status, body) = anna.put(RULES, wrong.to_string()).await;
        assert_eq!(read_refusal(status, body).code, ErrorCode::ErrBadRequest, "{wrong}");
    }
    let (status, body) = front.put(RULES, json!({}).to_string()).await;
    assert_eq!(read_refusal(status, body).code, ErrorCode::ErrForbidden);
}
