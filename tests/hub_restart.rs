//! A hub that is stopped and started again on the same state, in every phase of a call: nothing is lost, nothing rings twice.

mod hub_house;
mod hub_process;

use std::time::Duration;

use doorward::ids::PeerId;
use doorward::signaling::protocol::{CallStatus, ClientFrame, ErrorCode, EventKind, HubFrame, Role, Seen, Signal};
use hub_house::{DEADLINE, House, code};
use hub_process::spawn;
use serde_json::json;
use tokio::time::timeout;

#[tokio::test]
async fn a_ringing_call_rings_on_and_can_be_answered() {
    let mut house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let mut phone = anna.connect().await;
    let call = front.initiate_with("press-1", "group", "flat-1").await.expect("it may");
    let session = call.session_id;
    let HubFrame::Event(ring) = phone.until(|frame| matches!(frame, HubFrame::Event(_))).await else { unreachable!() };

    house.restart().await;
    let (front, anna) = (front.at(&house), anna.at(&house));
    // The verb is sent again, for its answer could have been lost: it is the same call.
    let again = front.initiate_with("press-1", "group", "flat-1").await.expect("the same call");
    assert_eq!((again.session_id, again.status), (session, CallStatus::Initiated));
    let (mut door, calls) = front.connect_with(&[]).await;
    assert_eq!(calls.len(), 1);
    // She heard it ring: it does not ring again. A page loaded anew does.
    let (mut phone, calls) = anna.connect_with(&[Seen { session_id: session, entry: ring.entry }]).await;
    assert_eq!(calls[0].session_id, session);
    assert!(phone.drain().await.iter().all(|frame| !is_ring(frame)));
    let (mut page, _) = anna.connect_with(&[]).await;
    assert_eq!(page.drain().await.iter().filter(|frame| is_ring(frame)).count(), 1);

    anna.verb(session, "accept").await.expect("it still rings");
    door.event(|event| matches!(event, EventKind::OutgoingCallAccepted { .. })).await;
}

#[tokio::test]
async fn an_ongoing_call_goes_on() {
    let mut house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    front.start_session(&mut door, session).await;
    anna.verb(session, "accept").await.expect("it rings there");
    anna.start_session(&mut phone, session).await;

    house.restart().await;
    let (front, anna) = (front.at(&house), anna.at(&house));
    let (mut door, calls) = front.connect_with(&[]).await;
    assert_eq!((calls.len(), calls[0].status), (1, CallStatus::Ongoing));
    let (mut phone, calls) = anna.connect_with(&[]).await;
    assert_eq!(calls.len(), 1);
    // The media session was started before; what it negotiates now is still relayed, and a new token can be had.
    let signal = Signal::Candidate { candidate: "candidate:1".to_owned().into(), sdp_m_line_index: 0 };
    phone.send(&ClientFrame::Signal { session_id: session, device_id: None, peer: PeerId(1), signal }).await;
    door.until(|frame| matches!(frame, HubFrame::Signal { .. })).await;
    assert_eq!(anna.token(session).await.expect("she talks").role, Role::Participant);

    front.verb(session, "end").await.expect("it may");
    phone.event(|event| matches!(event, EventKind::CallEnded { .. })).await;
}

#[tokio::test]
async fn a_call_that_is_over_stays_over() {
    let mut house = House::new().await;
    let (front, anna, carl) = (house.device("front"), house.device("anna"), house.device("carl"));
    house.settle(&carl).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let mut phone = anna.connect().await;
    let HubFrame::Event(ring) = phone.until(is_ring).await else { unreachable!() };
    anna.verb(session, "accept").await.expect("it rings there");
    drop(phone);
    front.verb_with(session, "end", json!({ "key": "away" })).await.expect("it may");

    house.restart().await;
    let (front, anna, carl) = (front.at(&house), anna.at(&house), carl.at(&house));
    let call = front.verb_with(session, "end", json!({ "key": "late" })).await.expect_err("it is over");
    assert_eq!(call.code, ErrorCode::ErrCallTerminated);
    assert_eq!(call.details.call.expect("it is told").status, CallStatus::Ended);
    assert_eq!(code(carl.verb(session, "accept").await), ErrorCode::ErrCallSessionNotFound);
    // She was away when it ended, and hears of it now.
    let (mut phone, calls) = anna.connect_with(&[Seen { session_id: session, entry: ring.entry }]).await;
    assert_eq!(calls, []);
    phone.event(|event| matches!(event, EventKind::CallEnded { .. })).await;
    let (_, history) = anna.get("/v1/calls").await;
    assert_eq!(history["calls"][0]["sessionId"], json!(session.to_string()));
}

#[tokio::test]
async fn a_call_older_than_the_tombstones_is_known_from_the_history() {
    let mut house = House::new().await;
    let (front, carl) = (house.device("front"), house.device("carl"));
    house.settle(&carl).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    front.reject(session, "cancelled").await.expect("it may");
    house.stop().await;
    let calls = rusqlite::Connection::open(doorward::hub::log::path(house.state.path())).expect("it is there");
    assert!(calls.execute("DELETE FROM entries", []).expect("it is writable") > 0);
    drop(calls);
    house.start().await;
    let (front, carl) = (front.at(&house), carl.at(&house));
    let over = front.reject(session, "cancelled").await.expect_err("it is over");
    assert_eq!(over.code, ErrorCode::ErrCallTerminated);
    assert_eq!(over.details.call.expect("it is told").status, CallStatus::Cancelled);
    assert_eq!(code(front.token(session).await), ErrorCode::ErrCallTerminated);
    assert_eq!(front.get(&format!("/v1/calls/{session}")).await.0, 200);
    assert_eq!(carl.get(&format!("/v1/calls/{session}")).await.0, 404);
    assert_eq!(code(carl.reject(session, "rejected").await), ErrorCode::ErrCallSessionNotFound);
}

#[tokio::test]
async fn a_broken_entry_costs_its_call_and_no_other() {
    let mut house = House::new().await;
    let (front, garden, anna) = (house.device("front"), house.device("garden"), house.device("anna"));
    house.settle(&anna).await;
    let broken = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let whole = garden.initiate("group", "flat-2").await.expect("it may").session_id;
    house.stop().await;
    let calls = rusqlite::Connection::open(doorward::hub::log::path(house.state.path())).expect("it is there");
    calls.execute("UPDATE entries SET entry = '{' WHERE session = ?1", [broken.to_string()]).expect("it is writable");
    drop(calls);
    house.start().await;
    assert_eq!(front.at(&house).get(&format!("/v1/calls/{broken}")).await.0, 404);
    assert_eq!(garden.at(&house).get(&format!("/v1/calls/{whole}")).await.0, 200);
}

#[tokio::test]
async fn a_killed_hub_rings_on() {
    let mut house = House::new().await;
    house.stop().await;
    let mut first = spawn(house.state.path()).await;
    house.address = first.address;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let call = front.initiate_with("press-1", "group", "flat-1").await.expect("it may");
    let calls = rusqlite::Connection::open(doorward::hub::log::path(house.state.path())).expect("it is there");
    let count = || calls.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0));
    let written = async {
        while count().expect("it is readable") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, written).await.expect("it is written in milliseconds");
    drop(calls);
    first.kill().await;

    let second = spawn(house.state.path()).await;
    house.address = second.address;
    let (front, anna) = (front.at(&house), anna.at(&house));
    let (mut phone, calls) = anna.connect_with(&[]).await;
    assert_eq!(calls[0].session_id, call.session_id);
    phone.until(is_ring).await;
    let again = front.initiate_with("press-1", "group", "flat-1").await.expect("the same call");
    assert_eq!(again.session_id, call.session_id);
    anna.verb(call.session_id, "accept").await.expect("it rings there");
}

fn is_ring(frame: &HubFrame) -> bool {
    matches!(frame, HubFrame::Event(event) if matches!(event.event, EventKind::IncomingCallReceived { .. }))
}
