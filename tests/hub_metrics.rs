//! What the operator's monitoring sees of a hub at work.

mod hub_house;

use std::net::{Ipv4Addr, SocketAddr};

use doorward::config::hub::{HubConfig, MetricsTable};
use doorward::signaling::protocol::{ClientFrame, EventKind};
use hub_house::House;

/// An address on loopback that is this process's alone: the whole of 127.0.0.0/8 is.
fn own_address() -> SocketAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 64 | a & 63, b, c), 9464))
}

async fn read(address: SocketAddr, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().expect("no TLS is needed");
    let answer = client.get(format!("http://{address}{path}")).send().await.expect("it listens");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

/// The value of one line of the figures.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().expect("a number")
}

#[tokio::test]
async fn figures_tell_of_calls_devices_and_refusals_and_of_nobody() {
    let address = own_address();
    let house =
        House::with(HubConfig { metrics: Some(MetricsTable { listen: address }), ..HubConfig::default() }).await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let ring = phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    let EventKind::IncomingCallReceived { call, .. } = ring else { unreachable!() };
    phone.send(&ClientFrame::Acknowledge { session_id: session, entry: call.entry }).await;
    door.event(|event| matches!(event, EventKind::CallDelivered { delivered: 1, .. })).await;
    anna.verb(session, "accept").await.expect("she was called");
    let (_, during) = read(address, "/metrics").await;
    assert!((figure(&during, "doorward_calls_open") - 1.0).abs() < f64::EPSILON);
    front.verb(session, "end").await.expect("it is its call");
    front.initiate("group", "flat-9").await.expect_err("there is none");
    drop(phone);
    let gone = async { while figure(&read(address, "/metrics").await.1, "doorward_online{kind=\"phone\"}") > 0.0 {} };
    tokio::time::timeout(hub_house::DEADLINE, gone).await.expect("the closed socket is noticed");

    let (status, text) = read(address, "/metrics").await;
    assert_eq!(status, 200);
    for (name, value) in [
        ("doorward_calls_total{status=\"ended\",reason=\"doorHungUp\"}", 1.0),
        ("doorward_calls_begun_total", 1.0),
        ("doorward_calls_open", 0.0),
        ("doorward_ring_to_delivered_seconds_count", 1.0),
        ("doorward_ring_to_delivered_seconds_bucket{le=\"10.0\"}", 1.0),
        ("doorward_ring_to_answer_seconds_count", 1.0),
        ("doorward_online{kind=\"door\"}", 1.0),
        ("doorward_refusals_total{code=\"ERR_RECEIVER_NOT_FOUND\"}", 1.0),
        ("doorward_waiting{queue=\"orders\"}", 0.0),
    ] {
        assert!((figure(&text, name) - value).abs() < f64::EPSILON, "{name} in\n{text}");
    }
    assert!(!["anna", "front", "flat-1", &session.to_string()].iter().any(|word| text.contains(word)), "{text}");

    assert_eq!(read(address, "/healthz").await.0, 200);
    assert_eq!(read(address, "/readyz").await, (200, r#"{"status":"ready"}"#.to_owned()));
    assert_eq!(read(house.address, "/readyz").await.0, 200);
    // The figures are not for those who call.
    assert_eq!(read(house.address, "/metrics").await.0, 404);
    assert_eq!(read(address, "/v1/me").await.0, 404);
}
