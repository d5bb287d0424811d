//! Administration by REST: a house from nothing, who may open what, credentials that are renewed and taken away, and the trail
//! of who did it.

mod hub_house;

use std::time::{Duration, Instant};

use doorward::hub::trail::Note;
use doorward::signaling::identity::Admission;
use doorward::signaling::protocol::{ClientFrame, ErrorCode, HubFrame};
use hub_house::{Device, House, code, key, read_refusal};
use serde_json::{Value, json};

/// An administrator, as a device of nobody that only asks.
async fn administrator(house: &House) -> Device {
    let credential = house.administration().add_administrator(&"olga".parse().expect("a word")).expect("she is new");
    let admission =
        Admission { credential, device_id: id("none"), uid: id("none"), name: "an administrator".to_owned() };
    let olga = house.admitted(admission);
    let known = async {
        while olga.get("/v1/admin/me").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(hub_house::DEADLINE, known).await.expect("the hub looks at its directory");
    olga
}

fn id<T: std::str::FromStr<Err = doorward::ids::IdError>>(word: &str) -> T {
    word.parse().expect("a word")
}

async fn done(answer: (u16, Value)) {
    assert_eq!(answer, (204, Value::Null));
}

async fn actions(olga: &Device) -> Vec<String> {
    let (status, body) = olga.get("/v1/admin/trail").await;
    assert_eq!(status, 200, "{body}");
    let notes: Vec<Note> = serde_json::from_value(body["notes"].clone()).expect("notes");
    notes.into_iter().map(|note| format!("{}: {} {}", note.actor, note.action, note.subject)).collect()
}

#[tokio::test]
async fn a_house_from_nothing() {
    let house = House::new().await;
    let olga = administrator(&house).await;
    done(olga.put("/v1/admin/groups/attic", json!({ "name": "Attic", "joinable": true })).await).await;
    done(olga.put("/v1/admin/residents/zoe", json!({ "name": "Zoë", "groups": ["attic"] })).await).await;
    done(olga.put("/v1/admin/residents/yan", json!({ "name": "Yan" })).await).await;
    done(olga.put("/v1/admin/groups/attic/members/yan", json!({})).await).await;
    done(olga.put("/v1/admin/doors/roof", json!({ "name": "Roof", "groups": ["attic"], "users": ["zoe"] })).await)
        .await;
    done(olga.put("/v1/admin/doors/roof/groups/attic", json!({ "opens": false })).await).await;
    done(olga.put("/v1/admin/doors/roof/groups/flat-1", json!({})).await).await;
    done(olga.delete("/v1/admin/doors/roof/groups/flat-1").await).await;

    // Whose turn is when, who is not disturbed, who sees the door before answering.
    done(olga.put("/v1/admin/groups/attic/members/yan/turn", json!({ "after": 20 })).await).await;
    done(olga.put("/v1/admin/groups/attic/looks", json!({ "looks": false })).await).await;
    done(olga.put("/v1/admin/residents/yan/looks", json!({ "looks": false })).await).await;
    let quiet = json!({ "doNotDisturb": true, "quietHours": { "from": "22:00", "to": "07:00" } });
    done(olga.put("/v1/admin/residents/yan/rules", quiet.clone()).await).await;

    // A phone and a station come in by what the administrator hands out.
    let (status, pairing) = olga.post("/v1/admin/residents/zoe/pair", r#"{"address":"https://hub.house/"}"#).await;
    assert_eq!((status, &pairing["expiresIn"]), (200, &json!(600)));
    assert_eq!(pairing["link"], format!("https://hub.house/#pair={}", pairing["code"].as_str().expect("a code")));
    assert!(pairing["qr"].as_str().expect("a picture").contains("<svg"));
    let body = json!({ "code": pairing["code"], "deviceName": "phone" }).to_string();
    let (_, admission) = olga.post_without_credential("/v1/pair", body).await;
    let zoe = house.admitted(serde_json::from_value(admission).expect("she is let in"));
    let (_, enrolment) = olga.post("/v1/admin/doors/roof/enrol", "{}").await;
    let body = json!({ "token": enrolment["token"] }).to_string();
    let (_, admission) = olga.post_without_credential("/v1/enrol", body).await;
    let roof = house.admitted(serde_json::from_value(admission).expect("it is let in"));
    let _door = roof.connect().await;
    let session = roof.initiate("group", "attic").await.expect("it may").session_id;
    roof.reject(session, "cancelled").await.expect("it is its call");

    let (_, directory) = olga.get("/v1/admin/directory").await;
    let of = |list: &str, key: &str, word: &str| {
        let list = directory[list].as_array().expect("a list").clone();
        list.into_iter().find(|entry| entry[key] == word).unwrap_or_else(|| panic!("{word} in {directory}"))
    };
    let attic = of("groups", "guid", "attic");
    assert_eq!((&attic["members"], &attic["turns"]), (&json!(["yan", "zoe"]), &json!({ "yan": 20 })));
    assert_eq!((&attic["looks"], &of("residents", "uid", "zoe")["looks"]), (&json!(false), &json!(true)));
    let yan = of("residents", "uid", "yan");
    assert_eq!((&yan["looks"], &yan["rules"]), (&json!(false), &quiet));
    assert_eq!(of("residents", "uid", "zoe")["online"], false);
    let door = of("doors", "uid", "roof");
    assert_eq!((&door["online"], &door["lastCall"]["status"]), (&json!(true), &json!("cancelled")));
    assert_eq!(door["receivers"][0], json!({ "receiverType": "group", "receiver": "attic", "opens": false }));
    assert_eq!(of("devices", "deviceId", zoe.id.as_str())["uid"], "zoe");
    let (_, calls) = olga.get("/v1/admin/calls?door=roof&status=cancelled").await;
    assert_eq!(calls["calls"][0]["sessionId"], session.to_string());
    assert_eq!(olga.get("/v1/admin/calls?door=front").await.1, json!({ "calls": [] }));

    done(olga.delete("/v1/admin/groups/attic/members/yan").await).await;
    done(olga.delete("/v1/admin/groups/attic").await).await;
    done(olga.delete("/v1/admin/residents/zoe").await).await;
    done(olga.delete("/v1/admin/doors/roof").await).await;
    assert_eq!(zoe.get("/v1/me").await.0, 401);
    let actions = actions(&olga).await;
    for action in ["groupAdded attic", "doorChanged roof rings group attic, who may not open", "userRevoked zoe"] {
        assert!(actions.contains(&format!("administrator olga: {action}")), "{action} in {actions:#?}");
    }
    assert!(actions.contains(&"command line: administratorAdded olga".to_owned()), "{actions:#?}");
    assert!(actions.contains(&format!("address 127.0.0.1: deviceAdmitted {} of zoe", zoe.id)), "{actions:#?}");
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let house = House::new().await;
    let olga = administrator(&house).await;
    for (path, body, status) in [
        ("groups/flat-1", json!({ "name": "again" }), 400),
        ("groups/a%2Fb", json!({ "name": "x" }), 400),
        ("groups/new", json!({ "name": "\u{202e}evil" }), 400),
        ("residents/new", json!({ "name": "New", "groups": ["flat-9"] }), 404),
        ("groups/flat-1/members/anna/turn", json!({ "after": 121 }), 400),
        ("groups/flat-2/members/anna/turn", json!({ "after": 1 }), 404),
        ("groups/flat-9/looks", json!({ "looks": true }), 404),
        ("residents/front/looks", json!({ "looks": true }), 404),
        ("residents/anna/rules", json!({ "quietHours": { "from": "22:00", "to": "22:00" } }), 400),
        ("doors/front/groups/flat-9", json!({}), 404),
        ("doors/front/rooms/flat-1", json!({}), 404),
        ("doors/anna/groups/flat-1", json!({}), 404),
    ] {
        let (found, answer) = olga.put(&format!("/v1/admin/{path}"), body).await;
        assert_eq!(found, status, "{path}: {answer}");
        read_refusal(found, answer);
    }
    assert_eq!(olga.post("/v1/admin/residents/front/pair", r#"{"address":"http://a"}"#).await.0, 404);
    assert_eq!(olga.delete("/v1/admin/devices/nobody").await.0, 404);
    // A resident is no administrator, a door neither, and an administrator is no resident.
    let (anna, front) = (house.device("anna"), house.device("front"));
    house.settle(&anna).await;
    for stranger in [&anna, &front] {
        assert_eq!(stranger.get("/v1/admin/directory").await.0, 401);
        assert_eq!(stranger.put("/v1/admin/groups/mine", json!({ "name": "Mine" })).await.0, 401);
    }
    assert_eq!(olga.get("/v1/me").await.0, 401);
    house.administration().revoke_administrator(&id("olga")).expect("she is there");
    let begun = Instant::now();
    while olga.get("/v1/admin/me").await.0 == 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_renewed_credential_replaces_the_former_once_it_is_shown() {
    let house = House::new().await;
    let anna = house.device("anna");
    house.settle(&anna).await;
    let mut socket = anna.connect().await;
    // The answer gets lost: the next try gives another one, and the former stays good.
    assert_eq!(anna.post("/v1/me/credential", "").await.0, 200);
    let (status, admission) = anna.post("/v1/me/credential", "").await;
    assert_eq!(status, 200);
    assert_eq!(anna.get("/v1/me").await.0, 200);
    let renewed = house.admitted(serde_json::from_value(admission).expect("an admission"));
    assert_eq!((&renewed.id, renewed.get("/v1/me").await.0), (&anna.id, 200));
    let out = async {
        while anna.get("/v1/me").await.0 != 401 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(hub_house::DEADLINE, out).await.expect("the former is worth nothing");
    assert_eq!(renewed.get("/v1/me").await.0, 200);
    // It is the same device: its open socket goes on.
    socket.drain().await;
}

#[tokio::test]
async fn who_may_answer_a_door_may_not_always_open_it() {
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    let receiver = doorward::signaling::protocol::Receiver::Group(id("flat-1"));
    house.administration().allow(&id("front"), &receiver, false).expect("both are there");
    house.settle(&anna).await;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    anna.verb(session, "accept").await.expect("she may answer");
    front.start_session(&mut door, session).await;
    anna.start_session(&mut phone, session).await;
    door.drain().await;
    phone.send(&ClientFrame::AskNonce { session_id: session }).await;
    let refused = phone.until(|frame| matches!(frame, HubFrame::NonceRefused { .. })).await;
    assert!(matches!(refused, HubFrame::NonceRefused { error, .. } if error.code == ErrorCode::ErrForbidden));
    let open = json!({ "key": key(), "nonce": "00".repeat(16) });
    assert_eq!(code(anna.verb_with(session, "open", open.clone()).await), ErrorCode::ErrForbidden);
    assert_eq!(door.drain().await, [], "the door hears nothing of it");
    // From the next moment on she may.
    house.administration().allow(&id("front"), &receiver, true).expect("both are there");
    let may = async {
        loop {
            phone.send(&ClientFrame::AskNonce { session_id: session }).await;
            let asked = |frame: &HubFrame| matches!(frame, HubFrame::NonceAsked { .. });
            if door.drain().await.iter().any(asked) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(hub_house::DEADLINE, may).await.expect("the directory's change counts at once");
}
