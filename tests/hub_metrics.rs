//! What the operator's monitoring sees of a hub at work.

mod hub_house;
mod hub_process;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use doorward::config::hub::{HubConfig, MetricsTable};
use doorward::signaling::protocol::{ClientFrame, EventKind};
use hub_house::{DEADLINE, House};
use hub_process::{Process, command};
use tokio::net::UnixDatagram;
use tokio::time::timeout;

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
    timeout(DEADLINE, gone).await.expect("the closed socket is noticed");

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

/// The hub as systemd starts it, with this directory in the place of the journal's. Nothing where that is not allowed.
async fn with_journal_in(place: &Path, state: &Path) -> Option<Process> {
    let (program, arguments) = command(state, "");
    let place = place.display();
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind {place} /run/systemd/journal || exit 1; \
         JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$@\""
    );
    for unshare in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        let line = unshare.iter().copied().chain(["sh", "-c", &script, "sh", &program]).map(str::to_owned);
        if let Ok(hub) = Process::start("unshare", &line.chain(arguments.clone()).collect::<Vec<_>>()).await {
            return Some(hub);
        }
    }
    println!("skipped: no mount name space may be made here (root, or unprivileged user name spaces)");
    None
}

/// The fields of one entry in the journal's own format: `NAME=value`, or the name, a length of eight bytes, and the value.
fn fields(mut datagram: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while let Some(end) = datagram.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = (String::from_utf8_lossy(&datagram[..end]).into_owned(), &datagram[end + 1..]);
        let (name, value, rest) = match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned(), rest),
            None => {
                let (length, rest) = rest.split_at(8);
                let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
                (line, String::from_utf8_lossy(&rest[..length]).into_owned(), &rest[length + 1..])
            }
        };
        fields.insert(name, value);
        datagram = rest;
    }
    fields
}

#[tokio::test]
async fn the_journal_has_a_calls_parties_as_fields() {
    let mut house = House::new().await;
    house.stop().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    let place = tempfile::tempdir().expect("a temporary directory");
    let journal = UnixDatagram::bind(place.path().join("socket")).expect("a new socket");
    let Some(hub) = with_journal_in(place.path(), house.state.path()).await else { return };
    house.address = hub.address;
    let (front, anna) = (front.at(&house), anna.at(&house));
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    anna.verb(session, "accept").await.expect("it rings there");
    front.verb(session, "end").await.expect("it is its call");
    let mut of_the_call = Vec::new();
    while of_the_call.len() < 3 {
        let mut datagram = vec![0; 64 * 1024];
        let length = timeout(DEADLINE, journal.recv(&mut datagram)).await.expect("in time").expect("it is ours");
        let fields = fields(&datagram[..length]);
        if fields.get("SESSION_ID") == Some(&session.to_string()) {
            assert_eq!(
                (&*fields["DOOR"], &*fields["SYSLOG_IDENTIFIER"], &*fields["PRIORITY"]),
                ("front", "doorward", "6")
            );
            let of = |name| fields.get(name).cloned().unwrap_or_default();
            of_the_call.push([of("MESSAGE"), of("UID"), of("DEVICE_ID"), of("STATUS")]);
        }
    }
    let line = |message: &str, uid: &str, device: &str, status: &str| [message, uid, device, status].map(str::to_owned);
    assert_eq!(
        of_the_call,
        [
            line("call initiated", "front", front.id.as_str(), "Initiated"),
            line("call answered", "anna", anna.id.as_str(), "Ongoing"),
            line("call over", "", "", "Ended"),
        ]
    );
    assert!(!hub.said().contains("call"), "nothing twice: {}", hub.said());
}
