//! Who is let in, and who no more: pairing, enrolment, revocation, wrong guesses; with a hub that runs all the while.

mod hub_house;

use doorward::hub::administration::Administration;
use doorward::signaling::identity::Admission;
use doorward::signaling::protocol::{CallStatus, EndReason, ErrorCode, EventKind};
use hub_house::{Device, House, code, read_refusal};
use serde_json::{Value, json};

async fn pair(device: &Device, code: &str) -> (u16, Value) {
    let body = json!({ "code": code, "deviceName": "Anna's phone" });
    device.post_without_credential("/v1/pair", body.to_string()).await
}

fn word<T: std::str::FromStr<Err = doorward::ids::IdError>>(text: &str) -> T {
    text.parse().expect("a word")
}

#[tokio::test]
async fn a_code_makes_one_phone_a_device() {
    let house = House::new().await;
    let any = house.device("guard");
    let made = house.administration().pair(&word("anna")).expect("she is there");
    let typed = made.expose().to_lowercase().replace('-', " ");
    let (status, body) = pair(&any, &typed).await;
    assert_eq!(status, 200, "{body}");
    let admission: Admission = serde_json::from_value(body).expect("an admission");
    assert_eq!((admission.uid.as_str(), &admission.name[..]), ("anna", "Anna"));
    let phone = house.admitted(admission);
    // It is let in at once, without waiting for anything.
    assert_eq!(phone.get("/v1/me").await.1["name"], "Anna");
    phone.connect().await;
    let (status, body) = pair(&any, made.expose()).await;
    assert_eq!(read_refusal(status, body).code, ErrorCode::ErrPairingCodeInvalid);
}

#[tokio::test]
async fn a_token_makes_one_station_the_door() {
    let house = House::new().await;
    let old = house.device("front");
    house.settle(&old).await;
    let mut socket = old.connect().await;
    let token = house.administration().enrol(&word("front")).expect("it is there").into_exposed();
    let body = json!({ "token": token }).to_string();
    let (status, answer) = old.post_without_credential("/v1/enrol", body.clone()).await;
    assert_eq!(status, 200, "{answer}");
    let station = house.admitted(serde_json::from_value(answer).expect("an admission"));
    station.initiate("group", "flat-1").await.expect("it is the front door now");
    // The one it replaces is out.
    assert_eq!(socket.refused().await.code, ErrorCode::ErrUnauthorized);
    assert_eq!(old.get("/v1/me").await.0, 401);
    assert_eq!(old.post_without_credential("/v1/enrol", body).await.0, 410);
    // A pairing code is no enrolment token, and the other way round.
    let code = house.administration().pair(&word("anna")).expect("she is there").into_exposed();
    assert_eq!(old.post_without_credential("/v1/enrol", json!({ "token": code }).to_string()).await.0, 410);
    assert_eq!(pair(&old, &token).await.0, 410);
}

#[tokio::test]
async fn s20_a_revoked_device_is_out_within_a_second_and_its_call_ends() {
    let house = House::new().await;
    let (front, anna, ben) = (house.device("front"), house.device("anna"), house.device("ben"));
    house.settle(&ben).await;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    front.start_session(&mut door, session).await;
    anna.verb(session, "accept").await.expect("it rings there");
    anna.start_session(&mut phone, session).await;
    let begun = std::time::Instant::now();
    house.administration().revoke_device(&anna.id).expect("it is there");
    assert_eq!(phone.refused().await.code, ErrorCode::ErrUnauthorized);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    let ended = door.event(|event| matches!(event, EventKind::CallEnded { .. })).await;
    assert!(matches!(ended, EventKind::CallEnded { call } if call.end_reason == Some(EndReason::ResidentHungUp)));
    assert_eq!(code(anna.verb(session, "accept").await), ErrorCode::ErrUnauthorized);

    // A revoked door's ring ends too.
    let mut other = ben.connect().await;
    front.initiate("group", "flat-1").await.expect("it may");
    house.administration().revoke_user(&word("front")).expect("it is there");
    assert_eq!(door.refused().await.code, ErrorCode::ErrUnauthorized);
    let cancelled = other.event(|event| matches!(event, EventKind::IncomingCallCancelled { .. })).await;
    assert!(matches!(cancelled, EventKind::IncomingCallCancelled { call } if call.status == CallStatus::Cancelled));
}

#[tokio::test]
async fn a_device_that_leaves_is_out_and_the_users_other_one_is_not() {
    let mut house = House::new().await;
    let (front, anna, tablet) = (house.device("front"), house.device("anna"), house.device("anna"));
    house.settle(&tablet).await;
    let (mut door, mut phone, mut other) = (front.connect().await, anna.connect().await, tablet.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    front.start_session(&mut door, session).await;
    anna.verb(session, "accept").await.expect("it rings there");
    anna.start_session(&mut phone, session).await;

    let begun = std::time::Instant::now();
    assert_eq!(anna.delete("/v1/me/device").await, (204, Value::Null));
    // Refused from the answer on, not only when somebody looks.
    assert_eq!(anna.get("/v1/me").await.0, 401);
    let (status, body) = anna.delete("/v1/me/device").await;
    assert_eq!(read_refusal(status, body).code, ErrorCode::ErrUnauthorized);
    assert_eq!(phone.refused().await.code, ErrorCode::ErrUnauthorized);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    let ended = door.event(|event| matches!(event, EventKind::CallEnded { .. })).await;
    assert!(matches!(ended, EventKind::CallEnded { call } if call.end_reason == Some(EndReason::ResidentHungUp)));

    // Her other device rings, on the socket that it had.
    other.drain().await;
    front.initiate("group", "flat-1").await.expect("it may");
    other.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    assert_eq!(tablet.get("/v1/me").await.1["uid"], "anna");

    // It was on the disk.
    house.restart().await;
    assert_eq!(anna.at(&house).get("/v1/me").await.0, 401);
    assert_eq!(tablet.at(&house).get("/v1/me").await.0, 200);
}

#[tokio::test]
async fn a_device_that_leaves_stops_ringing_and_takes_its_own_call_back() {
    let house = House::new().await;
    let (front, anna, ben) = (house.device("front"), house.device("anna"), house.device("ben"));
    house.settle(&ben).await;
    let (mut door, mut bens) = (front.connect().await, ben.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    assert_eq!(anna.delete("/v1/me/device").await.0, 204);
    // Ben still rings, and may answer.
    bens.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    let call = ben.verb(session, "accept").await.expect("it rings there");
    assert_eq!(call.status, CallStatus::Ongoing);
    ben.verb(session, "end").await.expect("he is in it");

    let session = ben.initiate("user", "front").await.expect("he may").session_id;
    assert_eq!(ben.delete("/v1/me/device").await.0, 204);
    let taken_back =
        |event: &EventKind| matches!(event, EventKind::IncomingCallCancelled { call } if call.session_id == session);
    let cancelled = door.event(taken_back).await;
    assert!(matches!(cancelled, EventKind::IncomingCallCancelled { call } if call.status == CallStatus::Cancelled));
}

#[tokio::test]
async fn nobody_leaves_for_somebody_else() {
    let house = House::new().await;
    let anna = house.device("anna");
    house.settle(&anna).await;
    let stranger = Device { credential: format!("{}x", anna.credential), ..anna.clone() };
    assert_eq!(stranger.delete("/v1/me/device").await.0, 401);
    assert_eq!(anna.delete(&format!("/v1/me/device?device={}", anna.id)).await.0, 400);
    assert_eq!(anna.post("/v1/me/device", "{}").await.0, 405);
    assert_eq!(anna.get("/v1/me").await.0, 200);
}

#[tokio::test]
async fn who_guesses_is_locked_out() {
    let house = House::new().await;
    let any = house.device("guard");
    house.settle(&any).await;
    let good = house.administration().pair(&word("anna")).expect("she is there").into_exposed();
    for guess in ["", "1234", "AAAAA-AAAAA", "BBBBB-BBBBB"] {
        assert_eq!(pair(&any, guess).await.0, 410, "{guess}");
    }
    assert_eq!(pair(&any, "CCCCC-CCCCC").await.0, 410);
    // Now also a right one waits.
    let (status, body) = pair(&any, &good).await;
    let refusal = read_refusal(status, body);
    assert_eq!((refusal.code, refusal.details.retry_after), (ErrorCode::ErrRateLimited, Some(30)));
    // Who is in stays in.
    assert_eq!(any.get("/v1/me").await.0, 200);
}

#[tokio::test]
async fn s11_ten_thousand_bad_logins_disturb_nobody() {
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let mut phone = anna.connect().await;
    let stranger = Device { credential: format!("{}x", anna.credential), ..anna.clone() };
    let mut told = std::collections::BTreeMap::new();
    for _ in 0..100 {
        let tries = (0..100).map(|_| stranger.get("/v1/me"));
        for (status, body) in futures_util::future::join_all(tries).await {
            *told.entry(read_refusal(status, body).code).or_insert(0) += 1;
        }
    }
    assert!(told[&ErrorCode::ErrUnauthorized] < 200 && told[&ErrorCode::ErrRateLimited] > 9800, "{told:?}");
    // It stands in the audit trail, and not ten thousand times.
    let trail = doorward::hub::trail::Trail::open(house.state.path(), std::time::Duration::from_hours(1));
    let notes = trail.expect("it is there").page(None, 500).expect("readable");
    let refused = notes.iter().filter(|note| note.action == "credentialRefused").count();
    assert!((1..10).contains(&refused), "{refused}");
    // From the same address, with the right credential: as if nothing had been.
    front.initiate("group", "flat-1").await.expect("it may");
    phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
}

#[tokio::test]
async fn s15_names_that_deceive_are_refused() {
    let house = House::new().await;
    let any = house.device("guard");
    let long = "x".repeat(65);
    for name in ["", " ", "a\nb", "\u{1b}[31m", "\u{202e}annA", &long] {
        let code = house.administration().pair(&word("anna")).expect("she is there").into_exposed();
        let body = json!({ "code": code, "deviceName": name }).to_string();
        let (status, body) = any.post_without_credential("/v1/pair", body).await;
        assert_eq!((status, read_refusal(status, body).code), (400, ErrorCode::ErrBadRequest), "{name:?}");
    }
}

#[tokio::test]
async fn an_administrator_and_a_hub_share_the_directory() {
    let house = House::new().await;
    let mut second = Administration::open(house.state.path()).expect("two may open it");
    second.add_group(&word("flat-3"), "Third floor", true).expect("it is new");
    second.add_user(&word("dora"), "Dora", &[word("flat-3")]).expect("she is new");
    second.add_door(&word("back"), "Back door", &[word("flat-3")], &[]).expect("it is new");
    let (back, dora) = (house.device("back"), house.device("dora"));
    house.settle(&dora).await;
    let mut phone = dora.connect().await;
    back.initiate("group", "flat-3").await.expect("it may");
    phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    second.leave(&word("dora"), &word("flat-3")).expect("she is a member");
    let gone = async {
        while !dora.get("/v1/me").await.1["groups"].as_array().expect("a list").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(hub_house::DEADLINE, gone).await.expect("it is noticed");
    assert_eq!(code(dora.initiate("user", "back").await), ErrorCode::ErrReceiverNotFound);
}
