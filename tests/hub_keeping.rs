//! What a hub keeps: copied while it runs and put back, taken out of its records for one who asks for it, and its certificate,
//! renewed while connections go on.

mod hub_house;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use doorward::audit::{Chain, Event, Verifier};
use doorward::config::hub::HubConfig;
use doorward::hub::administration::Administration;
use doorward::hub::trail::Trail;
use doorward::hub::{audit, backup};
use doorward::ids::{BootId, Uid};
use doorward::moment::Moment;
use doorward::signaling::protocol::{EventKind, Leg, Opener};
use hub_house::{DEADLINE, House, key};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

fn word<T: std::str::FromStr<Err = doorward::ids::IdError>>(text: &str) -> T {
    text.parse().expect("a word")
}

/// Everything below a folder, as one text.
fn everything(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).expect("it is there").flatten() {
        if entry.path().is_file() {
            all += &String::from_utf8_lossy(&std::fs::read(entry.path()).expect("it is ours"));
        }
    }
    all
}

#[tokio::test]
async fn a_backup_of_a_running_hub_brings_everything_back() {
    let mut house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    anna.reject(session, "rejected").await.expect("it rings there");
    assert_eq!(anna.get(&format!("/v1/calls/{session}")).await.0, 200, "it is in the history");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (file, state) = (folder.path().join("hub.backup"), house.state.path().to_owned());
    let names = backup::backup(&state, &file).expect("it can be read while it runs");
    assert!(
        ["audit.sqlite", "calls.sqlite", "directory.sqlite", "trail.sqlite"]
            .iter()
            .all(|name| names.contains(&(*name).to_owned()))
    );
    assert!(backup::backup(&state, &file).expect_err("nothing is overwritten").to_string().contains("there already"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("it is there").permissions());
    assert_eq!(mode & 0o077, 0, "nobody else reads it");
    assert!(!everything(folder.path()).contains(anna.credential.rsplit_once('.').expect("a secret").1));

    // What happens afterwards is not in it: she is revoked, and comes back with the backup.
    house.administration().revoke_user(&word("anna")).expect("she is there");
    let refused = backup::restore(&file, &state, true).expect_err("a hub runs on it");
    assert!(refused.to_string().contains("stop it first"), "{refused}");
    house.stop().await;
    assert!(backup::restore(&file, &state, false).expect_err("there is state").to_string().contains("there already"));
    backup::restore(&file, &state, true).expect("nobody uses it");
    house.start().await;
    let (anna, front) = (anna.at(&house), front.at(&house));
    assert_eq!(anna.get("/v1/me").await.1["name"], "Anna");
    assert_eq!(anna.get(&format!("/v1/calls/{session}")).await.0, 200);
    let mut phone = anna.connect().await;
    front.initiate("group", "flat-1").await.expect("it may");
    phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    house.stop().await;

    // Into an empty place, and nothing of what is no backup, or a damaged one.
    let empty = folder.path().join("elsewhere");
    backup::restore(&file, &empty, false).expect("there is nothing");
    assert!(
        Administration::open(&empty)
            .expect("whole")
            .directory()
            .expect("whole")
            .users
            .contains_key(&word::<Uid>("anna"))
    );
    let mut bytes = std::fs::read(&file).expect("it is ours");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xa5);
    let damaged = folder.path().join("damaged");
    std::fs::write(&damaged, bytes).expect("the directory is ours");
    let nothing = folder.path().join("nothing");
    for unfit in [damaged, empty.join("directory.sqlite"), folder.path().join("hub.toml")] {
        let refused = backup::restore(&unfit, &nothing, false).expect_err("it is none");
        assert!(refused.to_string().contains("no backup"), "{refused}");
        assert!(!nothing.exists(), "nothing is changed");
    }
}

/// Keeps an address at a push service for a device, as a hub that wakes phones does.
fn subscribe(state: &Path, device: &str) -> String {
    let endpoint = format!("https://push.test.net/{device}");
    let connection = rusqlite::Connection::open(state.join("directory.sqlite")).expect("a database");
    let sql = "INSERT INTO subscriptions (device_id, endpoint, key, auth) VALUES (?1, ?2, zeroblob(65), zeroblob(16))";
    connection.execute(sql, [device, &endpoint]).expect("the device is there");
    endpoint
}

#[tokio::test]
async fn who_is_erased_is_in_no_record_and_the_chain_holds() {
    let mut house = House::new().await;
    let (front, anna, ben) = (house.device("front"), house.device("anna"), house.device("ben"));
    let tablet = house.device("anna");
    house.settle(&tablet).await;
    // What she did herself, with a device that is gone; and where she is woken.
    assert_eq!(tablet.put("/v1/me/rules", json!({ "doNotDisturb": false }).to_string()).await.0, 200);
    assert_eq!(tablet.delete("/v1/me/device").await.0, 204);
    let endpoint = subscribe(house.state.path(), anna.id.as_str());
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let talk = async || {
        let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
        anna.verb(session, "accept").await.expect("it rings there");
        session
    };
    let over = talk().await;
    anna.verb(over, "end").await.expect("she talks");
    // The door's log tells that she opened it.
    let mut chain = Chain::begin(BootId::from_random([3; 16]));
    let by = Leg { uid: word("anna"), device_id: anna.id.clone(), name: "Anna".into() };
    let opener = Opener::Participant { opening: word("k"), by };
    let opened = Event::Opened { opener, session_id: Some(over), released_for: 3000, merged: false };
    let lines = [Event::Started, opened, Event::Stopped].map(|event| chain.add(Moment::START, 1, event).text);
    let (status, _) = front.post("/v1/audit", json!({ "key": key(), "lines": lines }).to_string()).await;
    assert_eq!(status, 200);
    // She is in a call when it happens.
    let ongoing = talk().await;
    door.event(|event| matches!(event, EventKind::OutgoingCallAccepted { .. })).await;
    let (records, pseudonym) = house.administration().erase_resident(&word("anna")).expect("she is there");
    assert!(records >= 3, "a call, a line, notes: {records}");
    phone.refused().await;
    door.event(|event| matches!(event, EventKind::CallEnded { .. })).await;
    let erased = |call: &serde_json::Value| call["participants"].to_string().contains(pseudonym.as_str());
    // (What the hub has in memory of the last ten minutes' calls it still tells their parties as it was.)
    let (_, history) = ben.get("/v1/calls").await;
    assert_eq!(history["calls"][0]["sessionId"], ongoing.to_string());
    assert!(history["calls"].as_array().expect("a list").iter().all(erased), "{history}");

    let kept = audit::lines(house.state.path(), Some(&word("front"))).expect("readable");
    let mut verifier = Verifier::default();
    for line in &kept {
        verifier.read(line).expect("the chain holds");
    }
    assert_eq!((kept.len(), verifier.erased), (3, 1));
    house.stop().await;
    // Not in free pages, either. (The entries of the last minutes are forgotten with their calls.)
    for name in ["audit.sqlite", "directory.sqlite", "trail.sqlite"] {
        let bytes = std::fs::read(house.state.path().join(name)).expect("it is there");
        let text = String::from_utf8_lossy(&bytes);
        for word in ["Anna", anna.id.as_str(), tablet.id.as_str(), &endpoint] {
            assert!(!text.contains(word), "{word} in {name}");
        }
    }
    let trail = Trail::open(house.state.path(), Duration::from_secs(3600)).and_then(|trail| trail.page(None, 500));
    let trail = trail.expect("readable");
    let by_herself = format!("device {pseudonym}");
    assert!(trail.iter().any(|note| note.actor == by_herself && note.action == "rulesSet"), "{trail:?}");
    assert!(trail.iter().any(|note| note.actor == "command line" && note.action == "residentAdded"), "{trail:?}");
    assert!(house.administration().erase_resident(&word("front")).is_err(), "a door is no resident");
}

/// A self-signed certificate for this machine in these two files, each replaced in one step.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("it can be made");
    for (name, text) in [("hub.pem", made.cert.pem()), ("hub.key", made.signing_key.serialize_pem())] {
        let draft = folder.join("draft");
        std::fs::write(&draft, text).expect("the directory is ours");
        std::fs::rename(&draft, folder.join(name)).expect("the directory is ours");
    }
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("it was just made")
}

async fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("its own versions").with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").expect("a name"), stream)
        .await
}

async fn is_healthy(stream: &mut TlsStream<TcpStream>) -> bool {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("it is open");
    let mut answer = [0; 1024];
    let count = stream.read(&mut answer).await.expect("it is open");
    answer[..count].starts_with(b"HTTP/1.1 200")
}

struct Hub(Child);

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_and_no_connection_is_dropped() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let first = certify(folder.path());
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nstate-directory = {:?}\n[tls]\ncertificate = {:?}\nkey = {:?}\n",
        folder.path().join("state"),
        folder.path().join("hub.pem"),
        folder.path().join("hub.key")
    );
    let file = folder.path().join("hub.toml");
    std::fs::write(&file, text).expect("the directory is ours");
    assert!(HubConfig::default().tls.is_none());
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    let child = command.args(["hub", "--config"]).arg(&file).stdout(Stdio::piped()).spawn();
    let mut hub = Hub(child.expect("the binary was built for this test"));
    let said = BufReader::new(hub.0.stdout.take().expect("it is piped"));
    let ready = said
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("ready address=https://").map(str::to_owned));
    let address: SocketAddr = ready.expect("it starts").parse().expect("an address");

    let mut kept = connect(address, &first).await.expect("it is trusted");
    assert!(is_healthy(&mut kept).await);
    // Asked to by a signal, and then by itself.
    let mut before = first;
    for asked in [true, false] {
        let renewed = certify(folder.path());
        if asked {
            let sent = Command::new("kill").args(["-s", "HUP", &hub.0.id().to_string()]).status();
            assert!(sent.expect("every system has kill").success());
        }
        let taken = async {
            while connect(address, &renewed).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(DEADLINE * 2, taken).await.expect("the renewed certificate is shown");
        assert!(connect(address, &before).await.is_err(), "the former is not shown any more");
        assert!(is_healthy(&mut kept).await, "who is connected stays so");
        before = renewed;
    }
    // A pair that does not fit leaves the last one in force.
    std::fs::write(folder.path().join("hub.key"), "no key").expect("the directory is ours");
    let sent = Command::new("kill").args(["-s", "HUP", &hub.0.id().to_string()]).status();
    assert!(sent.expect("every system has kill").success());
    for _ in 0..10 {
        connect(address, &before).await.expect("it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(is_healthy(&mut kept).await);
}
