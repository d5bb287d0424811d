//! The list of what an open door intercom must withstand, each with its number: S1 to S26. Those that are about one part alone
//! stand beside that part's other tests, under the same numbers (`s7` … in hub_hostile.rs, `s10` in hub_server.rs, `s11` `s15` `s20`
//! in hub_directory.rs).

mod hub_house;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doorward::config::Configuration as _;
use doorward::config::door::DoorConfig;
use doorward::config::hub::{HubConfig, TlsTable};
use doorward::hub::sessions::{Sessions, TOKEN_LIFETIME};
use doorward::hub::trail::Trail;
use doorward::ids::{PeerId, SessionId};
use doorward::moment::Moment;
use doorward::signaling::enrolment;
use doorward::signaling::protocol::{ClientFrame, ErrorCode, EventKind, HubFrame, Signal};
use hub_house::{DEADLINE, Device, House, Socket, code, key, read_refusal};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// The front door rings flat 1, and both sides have their media session; Carl lives in flat 2.
struct Scene {
    front: Device,
    anna: Device,
    carl: Device,
    door: Socket,
    phone: Socket,
    session: SessionId,
    house: House,
}

async fn scene() -> Scene {
    let house = House::new().await;
    let (front, anna, carl) = (house.device("front"), house.device("anna"), house.device("carl"));
    house.settle(&carl).await;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    front.start_session(&mut door, session).await;
    anna.start_session(&mut phone, session).await;
    door.drain().await;
    phone.drain().await;
    Scene { front, anna, carl, door, phone, session, house }
}

/// Every verb there is, of this device for this call.
async fn every_verb(device: &Device, session: SessionId) -> Vec<(&'static str, ErrorCode)> {
    let with = |more: Value| {
        let mut body = json!({ "key": key() });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let mut codes = vec![("token", code(device.token(session).await))];
    for (verb, more) in [
        ("accept", json!({})),
        ("end", json!({})),
        ("reject", json!({ "status": "rejected" })),
        ("open", json!({ "nonce": "00".repeat(16) })),
        ("press-waiting", json!({ "metadata": {} })),
    ] {
        codes.push((verb, code(device.verb_with(session, verb, with(more)).await)));
    }
    codes
}

#[tokio::test]
async fn s1_who_is_not_in_the_call_offers_answers_and_opens_nothing() {
    let Scene { carl, mut door, mut phone, session, house, anna, .. } = scene().await;
    let mut stranger = carl.connect().await;
    let peer = PeerId(1);
    for signal in [
        Signal::Offer { sdp: "v=0".to_owned().into() },
        Signal::Answer { sdp: "v=0".to_owned().into() },
        Signal::Candidate { candidate: "candidate:1".to_owned().into(), sdp_m_line_index: 0 },
    ] {
        for device_id in [None, Some(anna.id.clone())] {
            stranger.send(&ClientFrame::Signal { session_id: session, device_id, peer, signal: signal.clone() }).await;
        }
    }
    // With a token of somebody else in the call, too.
    let token = anna.token(session).await.expect("she may look").token;
    stranger.send(&ClientFrame::StartSession { session_id: session, token, keeps: None }).await;
    stranger.send(&ClientFrame::AskNonce { session_id: session }).await;
    let told = stranger.drain().await;
    assert!(told.iter().any(|frame| matches!(frame, HubFrame::SessionRefused { .. })), "{told:?}");
    assert!(told.iter().any(|frame| matches!(frame, HubFrame::NonceRefused { .. })), "{told:?}");
    for (verb, code) in every_verb(&carl, session).await {
        assert_eq!(code, ErrorCode::ErrCallSessionNotFound, "{verb}");
    }
    assert_eq!((door.drain().await, phone.drain().await), (vec![], vec![]), "nobody in the call hears anything of it");
    drop(house);
}

#[tokio::test]
async fn s2_another_groups_call_looks_as_if_it_were_not_there() {
    let Scene { carl, session, house, .. } = scene().await;
    let never = SessionId::from_random([7; 16]);
    let without = |mut answer: (u16, Value), id: SessionId| {
        let message = answer.1["error"]["message"].as_str().expect("words").replace(&id.to_string(), "ID");
        answer.1["error"]["message"] = message.into();
        answer
    };
    for path in ["", "/still"] {
        let foreign = carl.get(&format!("/v1/calls/{session}{path}")).await;
        let unknown = carl.get(&format!("/v1/calls/{never}{path}")).await;
        assert_eq!(foreign.0, 404);
        assert_eq!(without(foreign, session), without(unknown, never), "no difference tells that it is there");
    }
    assert_eq!(carl.get("/v1/calls/active").await.1, json!({ "calls": [] }));
    drop(house);
}

#[tokio::test]
async fn s3_the_id_of_a_call_that_is_over_is_worth_nothing() {
    let Scene { front, anna, mut door, mut phone, session, house, .. } = scene().await;
    let token = anna.token(session).await.expect("she may look").token;
    anna.verb(session, "accept").await.expect("it rings there");
    front.verb(session, "end").await.expect("it is its call");
    phone.event(|event| matches!(event, EventKind::CallEnded { .. })).await;
    for (verb, code) in every_verb(&anna, session).await {
        assert_eq!(code, ErrorCode::ErrCallTerminated, "{verb}");
    }
    door.drain().await;
    phone.send(&ClientFrame::StartSession { session_id: session, token, keeps: None }).await;
    phone.send(&ClientFrame::AskNonce { session_id: session }).await;
    let signal = Signal::Answer { sdp: "v=0".to_owned().into() };
    phone.send(&ClientFrame::Signal { session_id: session, device_id: None, peer: PeerId(1), signal }).await;
    let told = phone.drain().await;
    assert!(told.iter().any(|frame| matches!(frame, HubFrame::SessionRefused { .. })), "{told:?}");
    assert_eq!(door.drain().await, [], "the door hears nothing of it");
    drop(house);
}

/// The door's own part, that a nonce opens once and for five seconds, is proven in door_release.rs and release_properties.rs.
#[tokio::test]
async fn s4_an_open_that_is_played_again_asks_the_door_once() {
    let Scene { anna, carl, front, mut door, session, house, .. } = scene().await;
    anna.verb(session, "accept").await.expect("it rings there");
    door.drain().await;
    let captured = json!({ "key": key(), "nonce": "5a".repeat(16) });
    let asked = |frames: &[HubFrame]| {
        let asks = |frame: &&HubFrame| matches!(frame, HubFrame::Event(event) if matches!(event.event, EventKind::OpeningAsked { .. }));
        frames.iter().filter(asks).count()
    };
    anna.verb_with(session, "open", captured.clone()).await.expect("she talks");
    assert_eq!(asked(&door.drain().await), 1);
    for _ in 0..10 {
        anna.verb_with(session, "open", captured.clone()).await.expect("the same answer again");
    }
    // The same words from other hands.
    assert_eq!(code(carl.verb_with(session, "open", captured.clone()).await), ErrorCode::ErrCallSessionNotFound);
    let none = Device { credential: String::new(), ..anna.clone() };
    assert_eq!(code(none.verb_with(session, "open", captured.clone()).await), ErrorCode::ErrUnauthorized);
    assert_eq!(asked(&door.drain().await), 0);
    // In another call.
    anna.verb(session, "end").await.expect("she hangs up");
    let next = front.initiate("group", "flat-1").await.expect("it may").session_id;
    assert!(anna.verb_with(next, "open", captured).await.is_err(), "nobody opens before they talk");
    assert_eq!(asked(&door.drain().await), 0);
    drop(house);
}

#[tokio::test]
async fn s5_a_token_that_is_altered_foreign_or_old_starts_no_session() {
    let Scene { anna, front, mut phone, session, house, .. } = scene().await;
    let good = anna.token(session).await.expect("she may look").token.into_exposed();
    let foreign = front.token(session).await.expect("it is its call").token.into_exposed();
    let mut altered = good.clone();
    altered.replace_range(5..6, if &good[5..6] == "A" { "B" } else { "A" });
    // Those of JSON web tokens that no key signed.
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIn0.".to_owned();
    let long = "A".repeat(10_000);
    for token in [altered, foreign, none, String::new(), good[..42].to_owned(), format!("{good}A"), long] {
        phone.send(&ClientFrame::StartSession { session_id: session, token: token.into(), keeps: None }).await;
        let refused = phone.until(|frame| matches!(frame, HubFrame::SessionRefused { .. })).await;
        let HubFrame::SessionRefused { error, .. } = refused else { unreachable!() };
        assert_eq!(error.code, ErrorCode::ErrSessionTokenInvalid);
    }
    phone.send(&ClientFrame::StartSession { session_id: session, token: good.into(), keeps: None }).await;
    phone.until(|frame| matches!(frame, HubFrame::SessionStarted { .. })).await;
    // Time is an argument of the table that keeps them.
    let (mut sessions, now) = (Sessions::default(), Moment::from_millis(1));
    let token = sessions.issue(now, session, &anna.id);
    assert!(sessions.accepts(now, session, &anna.id, token.expose()));
    assert!(!sessions.accepts(now + TOKEN_LIFETIME, session, &anna.id, token.expose()));
    // And credentials: altered, of another device, without a secret.
    let secret = anna.credential.rsplit_once('.').expect("a credential has three parts").1;
    for wrong in
        [format!("dw1.{}.{secret}", front.id), format!("dw1.{}.", anna.id), anna.credential.replace("dw1", "dw2")]
    {
        assert_eq!(Device { credential: wrong, ..anna.clone() }.get("/v1/me").await.0, 401);
    }
    drop(house);
}

#[tokio::test]
async fn s6_a_secret_in_an_address_is_refused_and_not_repeated() {
    let Scene { anna, session, house, .. } = scene().await;
    for path in ["/v1/me", "/v1/calls", "/v1/events", "/v1/admin/me", &format!("/v1/calls/{session}/accept")] {
        for name in ["token", "access_token", "credential", "Authorization"] {
            let (status, body) = anna.get(&format!("{path}?{name}={}", anna.credential)).await;
            assert_eq!(status, 400, "{path} {body}");
            assert!(!body.to_string().contains(&anna.credential));
        }
    }
    let mut request = format!("ws://{}/v1/events?token={}", house.address, anna.credential)
        .into_client_request()
        .expect("an address");
    let bearer = format!("Bearer {}", anna.credential).parse().expect("ASCII");
    request.headers_mut().insert("authorization", bearer);
    let refused = tokio_tungstenite::connect_async(request).await.expect_err("also where it stands in the header, too");
    assert!(refused.to_string().contains("400"), "{refused}");
}

/// A hub or a door as a process; killed when the test ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the binary and waits for its line of readiness, or for its end: then the exit code.
fn start(words: &[&str], file: &Path, text: &str) -> Result<Daemon, Option<i32>> {
    use std::io::{BufRead as _, BufReader};
    std::fs::write(file, text).expect("the directory is ours");
    let child = Command::new(env!("CARGO_BIN_EXE_doorward")).args(words).arg(file).stdout(Stdio::piped()).spawn();
    let mut daemon = Daemon(child.expect("the binary was built for this test"));
    let said = BufReader::new(daemon.0.stdout.take().expect("it is piped"));
    match said.lines().map_while(Result::ok).find(|line| line.starts_with("ready")) {
        Some(_) => Ok(daemon),
        None => Err(daemon.0.wait().expect("it is our child").code()),
    }
}

/// What others on the machine may see of a process.
fn seen_from_outside(pid: u32) -> String {
    let read = |name: &str| {
        std::fs::read(format!("/proc/{pid}/{name}")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    format!("{} {}", read("cmdline").expect("it runs"), read("environ").expect("it is ours"))
}

const DOOR: &str = "[[button]]\nid = \"one\"\nlabel = \"One\"\nreceiver = { group = \"flat-1\" }\n\
                    [panel.gpio.chardev]\nbutton.one = { line = \"a-line-that-is-not-there\" }\n";

/// The log is searched by `s7_no_secret_is_ever_logged` in hub_hostile.rs.
#[tokio::test]
async fn s7_no_secret_is_seen_from_outside_or_printed() {
    let Scene { anna, front, session, house, .. } = scene().await;
    let admission = house.administration().add_device(&"ben".parse().expect("a word"), "p").expect("he is there");
    let token = anna.token(session).await.expect("she may look");
    let printed = format!("{admission:?} {token:?} {:?} {:?}", house.administration(), token.token);
    let directory = format!("{:?}", house.administration().directory().expect("readable"));
    let secrets = [admission.credential.expose(), token.token.expose(), &anna.credential, &front.credential];
    for secret in secrets {
        let secret = secret.rsplit('.').next().expect("it has an end");
        assert!(!printed.contains(secret) && !directory.contains(secret));
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let credential = folder.path().join("credential");
    std::fs::write(&credential, &front.credential).expect("the directory is ours");
    let password = folder.path().join("turn");
    std::fs::write(&password, "kept-for-turn-alone-5f2a").expect("the directory is ours");
    let hub = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nstate-directory = {:?}\n[[ice]]\nurls = [\"turn:127.0.0.1\"]\n\
         username = \"door\"\ncredential = {{ file = {password:?} }}\n",
        folder.path().join("state")
    );
    let hub = start(&["hub", "--config"], &folder.path().join("hub.toml"), &hub).expect("it starts");
    let mut seen = seen_from_outside(hub.0.id());
    if cfg!(feature = "media") {
        let door =
            format!("[hub]\naddress = \"http://{}\"\ncredential = {{ file = {credential:?} }}\n{DOOR}", house.address);
        let door = start(&["run", "--config"], &folder.path().join("door.toml"), &door).expect("it starts");
        seen += &seen_from_outside(door.0.id());
    }
    assert!(!seen.contains(&front.credential) && !seen.contains("kept-for-turn-alone"), "{seen}");
}

#[test]
fn s8_placeholders_are_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let state = folder.path().join("state");
    let secret = folder.path().join("turn");
    for (word, starts) in [("changeme", false), ("password", false), ("", false), ("wLk3-9f", true)] {
        std::fs::write(&secret, word).expect("the directory is ours");
        let hub = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nstate-directory = {state:?}\n[[ice]]\nurls = [\"turn:127.0.0.1\"]\n\
             username = \"door\"\ncredential = {{ file = {secret:?} }}\n"
        );
        let started = start(&["hub", "--config"], &folder.path().join("hub.toml"), &hub);
        assert_eq!(started.err(), if starts { None } else { Some(Some(78)) }, "{word:?}");
    }
    // What is shipped as an example starts nothing that anybody could log in to.
    let shipped = HubConfig::parse("hub.toml", include_str!("../config/hub.toml")).expect("it is shipped");
    assert!(shipped.ice.is_empty() && shipped.tls.is_none() && shipped.server.listen.ip().is_loopback());
    let door = include_str!("../config/door.toml").replace("[hub]\n", "[hub]\naddress = \"https://hub.example.com\"\n");
    assert!(DoorConfig::parse("door.toml", &door).is_err(), "an example's address is no address");
}

/// An authority, and a certificate of it: for this name, for so many days from now.
fn certify(authority: &CertifiedIssuer<'_, KeyPair>, folder: &Path, name: &str, days: i64) -> TlsTable {
    let key = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let (today, day) = (std::time::SystemTime::now(), Duration::from_secs(86_400));
    let span = day * u32::try_from(days.unsigned_abs()).expect("some days");
    let (from, until) = if days < 0 { (today - span - day, today - span) } else { (today - day, today + span) };
    (parameters.not_before, parameters.not_after) = (from.into(), until.into());
    let certificate = parameters.signed_by(&key, authority).expect("it can be signed");
    let table = TlsTable {
        certificate: folder.join(format!("{name}{days}.pem")),
        key: folder.join(format!("{name}{days}.key")),
    };
    std::fs::write(&table.certificate, certificate.pem()).expect("the directory is ours");
    std::fs::write(&table.key, key.serialize_pem()).expect("the directory is ours");
    table
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::<String>::new()).expect("no names");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("it can be signed")
}

#[tokio::test]
async fn s9_a_door_trusts_its_pinned_authority_alone_and_only_in_time_and_name() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (ours, other) = (authority(), authority());
    for (issuer, name, days, pinned, trusted) in [
        (&ours, "localhost", 30, Some(&ours), true),
        (&other, "localhost", 30, Some(&ours), false),
        (&ours, "localhost", -2, Some(&ours), false),
        (&ours, "elsewhere.house", 30, Some(&ours), false),
        // The public authorities are trusted only where none is pinned, and none of them signed this.
        (&ours, "localhost", 30, None, false),
    ] {
        let tls = Some(certify(issuer, folder.path(), name, days));
        let house = House::with(HubConfig { tls, ..HubConfig::default() }).await;
        let token = house.administration().enrol(&"front".parse().expect("a word")).expect("it is there");
        let address = format!("https://localhost:{}", house.address.port());
        let pem = pinned.map(|authority| authority.pem());
        let enrolled = enrolment::enrol(&address, pem.as_ref().map(String::as_bytes), token).await;
        let found = enrolled.as_ref().map(|_| ()).map_err(ToString::to_string);
        assert_eq!(enrolled.is_ok(), trusted, "{name} for {days} days: {found:?}");
    }
}

#[test]
fn s10_a_door_speaks_in_clear_on_its_own_machine_only() {
    let door = |address: &str| {
        let text = format!("[hub]\naddress = \"{address}\"\ncredential = {{ credential = \"hub\" }}\n{DOOR}");
        DoorConfig::parse("door.toml", &text).map(|_| ())
    };
    assert!(door("http://127.0.0.1:8080").is_ok());
    for address in
        ["http://192.0.2.7", "http://hub.my-house.net:8080", "ws://hub.my-house.net", "http://127.0.0.1.nip.io"]
    {
        let refused = door(address).expect_err(address);
        assert!(refused.to_string().contains("hub.address"), "{refused}");
    }
}

#[tokio::test]
async fn s12_five_thousand_half_open_handshakes_keep_nobody_from_ringing() {
    const STRANGERS: u32 = 5000;
    let mut config = HubConfig::default();
    config.server.max_connections = 8192;
    let house = House::with(config).await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let mut strangers = Vec::new();
    for number in 0..STRANGERS {
        let mut stream = TcpStream::connect(house.address).await.expect("there is room");
        let head: &[u8] = match number % 3 {
            0 => b"GET /v1/events HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n",
            1 => b"P",
            _ => b"",
        };
        stream.write_all(head).await.expect("it is open");
        strangers.push(stream);
    }
    let begun = Instant::now();
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    anna.verb(session, "accept").await.expect("it rings there");
    door.event(|event| matches!(event, EventKind::OutgoingCallAccepted { .. })).await;
    front.verb(session, "end").await.expect("it is its call");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let closed = async {
        for stream in &mut strangers {
            let mut nothing = [0; 64];
            while let Ok(1..) = stream.read(&mut nothing).await {}
        }
    };
    timeout(Duration::from_secs(60), closed).await.expect("each of them is closed in time");
    anna.connect().await;
}

#[cfg(feature = "media")]
#[tokio::test]
async fn s16_an_idle_door_listens_nowhere() {
    let Scene { front, mut door, house, .. } = scene().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let credential = folder.path().join("credential");
    std::fs::write(&credential, &front.credential).expect("the directory is ours");
    let text =
        format!("[hub]\naddress = \"http://{}\"\ncredential = {{ file = {credential:?} }}\n{DOOR}", house.address);
    let station = start(&["run", "--config"], &folder.path().join("door.toml"), &text).expect("it starts");
    door.drain().await;
    let pid = station.0.id();
    let worker = || std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
    // It is connected and has its media worker, so the sockets are looked at where there are some.
    let furnished = async {
        while worker().is_empty() || sockets(pid, "tcp").iter().all(|state| state != "01") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(DEADLINE, furnished).await.expect("the door starts its worker and finds its hub");
    for pid in worker().split_whitespace().map(|pid| pid.parse().expect("a number")).chain([pid]) {
        let listening =
            ["tcp", "tcp6"].iter().flat_map(|table| sockets(pid, table)).filter(|state| state == "0A").count();
        let datagrams = ["udp", "udp6"].iter().flat_map(|table| sockets(pid, table)).count();
        assert_eq!((listening, datagrams), (0, 0), "process {pid}");
    }
}

/// The states of a process's own sockets of one kind, as the kernel lists them.
#[cfg(feature = "media")]
fn sockets(pid: u32, table: &str) -> Vec<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten();
    let own: Vec<String> = links
        .filter_map(|link| std::fs::read_link(link.path()).ok())
        .map(|to| to.to_string_lossy().into_owned())
        .collect();
    let listed = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).expect("the kernel lists them");
    let mut states = Vec::new();
    for line in listed.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if own.contains(&format!("socket:[{}]", fields[9])) {
            states.push(fields[3].to_owned());
        }
    }
    states
}

#[tokio::test]
async fn s18_a_name_is_never_a_command() {
    // The only program that is ever started is this one again, as its own worker.
    let mut starts = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are here").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            if code.contains("Command::new(") || code.contains("libc::system") || code.contains("\"sh\"") {
                starts.push(path.file_name().expect("a file").to_string_lossy().into_owned());
            }
        }
    }
    assert_eq!(starts, ["child.rs"], "the media worker's");
    let house = House::new().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let trap = folder.path().join("trap");
    let name = format!("$(touch {})", trap.display());
    let code = house.administration().pair(&"anna".parse().expect("a word")).expect("she is there").into_exposed();
    let any = house.device("guard");
    let body = json!({ "code": code, "deviceName": name.chars().take(64).collect::<String>() }).to_string();
    assert_eq!(any.post_without_credential("/v1/pair", body).await.0, 200, "a name is a name");
    assert!("$(reboot)".parse::<doorward::ids::ButtonId>().is_err() && "a;b".parse::<doorward::ids::Uid>().is_err());
    assert!(!trap.exists());
}

#[tokio::test]
async fn s22_a_page_of_another_site_gets_no_socket() {
    let house = House::new().await;
    let anna = house.device("anna");
    house.settle(&anna).await;
    for (origin, allowed) in [
        ("https://evil.example".to_owned(), false),
        ("null".to_owned(), false),
        (format!("http://{}.evil.example", house.address), false),
        (format!("http://127.0.0.1:{}", house.address.port().wrapping_add(1)), false),
        (format!("http://{}", house.address), true),
    ] {
        let mut request = format!("ws://{}/v1/events", house.address).into_client_request().expect("an address");
        request.headers_mut().insert("origin", origin.parse().expect("ASCII"));
        let bearer = format!("Bearer {}", anna.credential).parse().expect("ASCII");
        request.headers_mut().insert("authorization", bearer);
        let connected = timeout(DEADLINE, tokio_tungstenite::connect_async(request)).await.expect("in time");
        match connected {
            Ok(_) => assert!(allowed, "{origin}"),
            Err(error) => assert!(!allowed && error.to_string().contains("403"), "{origin}: {error}"),
        }
    }
}

#[tokio::test]
async fn s23_residents_see_their_own_groups_only() {
    let Scene { carl, anna, session, house, .. } = scene().await;
    let guard = house.device("guard");
    house.settle(&guard).await;
    let mut stranger = carl.connect().await;
    for (who, groups, doors) in [(&anna, 1, 1), (&carl, 1, 2), (&guard, 0, 1)] {
        let (_, me) = who.get("/v1/me").await;
        let count = |list: &str| me[list].as_array().expect("a list").len();
        assert_eq!((count("groups"), count("doors")), (groups, doors), "{me}");
        let others: &[&str] = if who.uid == "anna" { &["flat-2", "carl", "garden"] } else { &["flat-1", "anna"] };
        assert!(others.iter().all(|word| !me.to_string().contains(word)), "{me}");
    }
    // What is unknown and what is none of their business has the same answer.
    for receiver in ["flat-1", "flat-9"] {
        assert_eq!(code(carl.initiate("group", receiver).await), ErrorCode::ErrReceiverNotFound);
    }
    for receiver in ["anna", "nobody"] {
        assert_eq!(code(carl.initiate("user", receiver).await), ErrorCode::ErrReceiverNotFound);
    }
    anna.verb(session, "accept").await.expect("it rings there");
    anna.verb(session, "end").await.expect("she talks");
    for who in [&carl, &guard] {
        assert_eq!(who.get("/v1/calls").await.1, json!({ "calls": [] }));
        assert_eq!(who.get(&format!("/v1/calls/{session}")).await.0, 404);
    }
    assert_eq!(stranger.drain().await, [], "no event either");
}

/// So many empty verbs of these devices at once, one after the other of each. How many were refused.
async fn flood(devices: &[&Device], each: usize) -> usize {
    let one = async |device: &Device| {
        let (status, body) = device.post("/v1/calls", "{}").await;
        let limited = status == 429;
        if limited {
            assert!(read_refusal(status, body).details.retry_after.is_some(), "it says how long");
        }
        limited
    };
    let all = devices.iter().flat_map(|device| std::iter::repeat_n(*device, each)).map(one);
    futures_util::future::join_all(all).await.into_iter().filter(|limited| *limited).count()
}

#[tokio::test]
async fn s26_who_asks_too_much_waits_and_nobody_else_does() {
    let house = House::new().await;
    let (front, garden, carl) = (house.device("front"), house.device("garden"), house.device("carl"));
    let annas: Vec<Device> = (0..4).map(|_| house.device("anna")).collect();
    house.settle(&annas[3]).await;
    let mut phone = carl.connect().await;
    assert!(flood(&[&front], 200).await > 0);
    // Another door rings as ever, beside the flood.
    let begun = Instant::now();
    let flooding = [&front];
    let (refused, call) = tokio::join!(flood(&flooding, 100), garden.initiate("group", "flat-2"));
    assert!(refused > 0, "the flood goes on");
    phone.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    garden.reject(call.expect("it may").session_id, "cancelled").await.expect("it is its call");
    // Each of her devices keeps to its own limit; together they are more than one user may.
    assert!(flood(&annas.iter().collect::<Vec<_>>(), 55).await > 0);
    assert_eq!(carl.post("/v1/calls", "{}").await.0, 400, "another user's requests are read");
    // It stands in the audit trail, once each, with the user.
    let noted = async {
        loop {
            let trail = Trail::open(house.state.path(), Duration::from_hours(1)).expect("it is there");
            let notes = trail.page(None, 500).expect("readable").into_iter();
            let notes = notes.filter(|note| note.action == "rateLimited").map(|note| (note.actor, note.subject));
            let notes: Vec<_> = notes.collect();
            let of = |device: &Device, uid: &str| (format!("device {}", device.id), uid.to_owned());
            if notes.contains(&of(&front, "front")) && annas.iter().any(|anna| notes.contains(&of(anna, "anna"))) {
                return notes;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let noted = timeout(DEADLINE, noted).await.expect("both are noted");
    assert!(noted.len() <= 5, "{noted:?}");
}
