//! A real door station whose media worker hangs: nobody waits for it, neither visitor nor resident.

#![cfg(feature = "media")]

mod door_house;
mod hub_house;

use std::time::{Duration, Instant};

use doorward::config::hub::HubConfig;
use doorward::signaling::protocol::{CallStatus, EventKind};
use rustix::process::Signal;
use serde_json::Value;

use door_house::{Station, is_stopped, signal};
use hub_house::House;

/// A second press this soon after the first is impatience, not a change of mind.
const IMPATIENCE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn hanging_up_does_not_wait_for_a_worker_that_hangs() {
    let mut config = HubConfig::default();
    // The phone of this test does not ping.
    config.server.heartbeat = Duration::from_secs(60);
    let house = House::with(config).await;
    let anna = house.device("anna");
    house.settle(&anna).await;
    let mut phone = anna.connect().await;
    let station = Station::start(&house, "").await;

    // The visitor takes the ring back.
    station.press().await;
    let pressed = Instant::now();
    let ring = phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    assert_eq!(ring.call().map(|call| call.status), Some(CallStatus::Initiated));
    station.until("the camera of the call", |status| status["camera"] == true && pressed.elapsed() > IMPATIENCE).await;
    let worker = station.worker();
    signal(worker, Signal::STOP);
    station.press().await;
    phone.event(|event| matches!(event, EventKind::IncomingCallCancelled { .. })).await;
    let shown = station.until("the outcome", |status| status["phase"].to_string().contains("Cancelled")).await;
    assert!(is_stopped(worker), "it had nothing to do with it: {shown}");
    signal(worker, Signal::CONT);
    let session = ring.call().expect("it has one").session_id;
    let asked = station.asked(&["status", "--last-call", "--json"]).await;
    let last: Value = serde_json::from_slice(&asked.stdout).expect("it is JSON");
    let step = |name: &str| last["trace"][name].as_u64();
    assert_eq!(last["sessionId"], session.to_string());
    assert!(step("sent") <= step("ended") && step("sent").is_some() && step("accepted").is_none(), "{last}");
    assert!(step("ended") >= u64::try_from(IMPATIENCE.as_millis()).ok(), "{last}");
    let path = format!("/v1/calls/{session}/trace");
    let mut kept = anna.get(&path).await;
    while kept.0 == 404 {
        kept = anna.get(&path).await;
    }
    assert_eq!(kept, (200, last["trace"].clone()), "the hub keeps the same");

    // A resident hangs up.
    station.until("the state of rest", |status| status["phase"] == "Idle" && status["camera"] == false).await;
    station.press().await;
    let ring = phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    let session = ring.call().expect("it has one").session_id;
    station.until("the camera of the call", |status| status["camera"] == true).await;
    anna.verb(session, "accept").await.expect("it rings there");
    station.until("the answer", |status| status["phase"] == "Connecting").await;
    signal(worker, Signal::STOP);
    let call = anna.verb(session, "end").await.expect("she talks");
    assert_eq!(call.status, CallStatus::Ended);
    let shown = station.until("the end", |status| status["phase"] != "Connecting").await;
    assert!(is_stopped(worker), "it had nothing to do with it: {shown}");

    // It is found hanging, buried and replaced; the next visitor notices nothing.
    let status = station
        .until("another worker", |status| {
            status["workerRestarts"] == 1 && status["encoder"].is_string() && status["phase"] == "Idle"
        })
        .await;
    assert_eq!(status["camera"], false);
    station.press().await;
    phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    station.until("the camera of the call", |status| status["camera"] == true).await;
}
