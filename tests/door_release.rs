//! The door release end to end: the real binary as door station with its panel as a page, a real hub, and residents over real
//! sockets. From the press to the relay's pulse, to the contact and to the audit log.

#![cfg(feature = "media")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use doorward::audit::Verifier;
use doorward::config::hub::HubConfig;
use doorward::hub;
use doorward::hub::administration::Administration;
use doorward::ids::{Nonce, SessionId};
use doorward::redacted::Redacted;
use doorward::signaling::client::{CallError, Client, Settings, Told};
use doorward::signaling::protocol::{
    DoorNotice, DoorState, ErrorCode, EventKind, NonceAnswer, Opener, OpeningRefusal, Verb, VerbAnswer, VerbRequest,
};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Nothing takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(30);
const PULSE: Duration = Duration::from_secs(1);
/// How late a busy machine may be with either end of a pulse.
const LATE: Duration = Duration::from_millis(900);

/// A house: a hub, residents of one flat, and a directory for everything.
struct House {
    directory: tempfile::TempDir,
    address: SocketAddr,
    anna: (Client, mpsc::Receiver<Told>),
    ben: (Client, mpsc::Receiver<Told>),
    _stop: oneshot::Sender<()>,
}

fn word<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a word")
}

impl House {
    async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = directory.path().join("hub");
        let mut office = Administration::open(&state).expect("an empty directory");
        office.add_group(&word("flat-1"), "Flat 1", false).expect("it is new");
        for (uid, name) in [("anna", "Anna"), ("ben", "Ben")] {
            office.add_user(&word(uid), name, &[word("flat-1")]).expect("it is new");
        }
        office.add_door(&word("front"), "Front door", &[word("flat-1")], &[]).expect("it is new");
        let mut credential = |uid: &str| office.add_device(&word(uid), "a device").expect("they are there").credential;
        let (anna, ben, front) = (credential("anna"), credential("ben"), credential("front"));
        std::fs::write(directory.path().join("credential"), front.expose()).expect("the directory is ours");
        let mut config = HubConfig::default();
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.server.state_directory = state;
        let (ready, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let told = |address| ready.send(address).expect("the test waits for it");
            hub::run(config, told, async { drop(stopped.await) }).await.expect("the hub runs");
        });
        let address = address.await.expect("the hub starts");
        let client = |credential| {
            Client::connect(Settings { address: format!("http://{address}"), credential, authority: None })
                .expect("the address is one")
        };
        Self { anna: client(anna), ben: client(ben), directory, address, _stop: stop }
    }

    async fn door(&self) -> Door {
        Door::start(self.directory.path(), &format!("http://{}", self.address)).await
    }

    /// A visitor presses, Anna answers.
    async fn answered(&mut self, door: &Door) -> SessionId {
        door.post("/press/bell?hold=100").await;
        let session_id = self.ringing().await;
        self.anna.0.accept(session_id).await.expect("it rings");
        session_id
    }

    async fn ringing(&mut self) -> SessionId {
        hear(&mut self.anna.1, |told| match told {
            Told::Event(event) if matches!(event.event, EventKind::IncomingCallReceived { .. }) => {
                Some(event.session_id)
            }
            _other => None,
        })
        .await
    }

    async fn nonce(&mut self, session_id: SessionId) -> Redacted<Nonce> {
        self.anna.0.ask_nonce(session_id);
        let answer = hear(&mut self.anna.1, |told| match told {
            Told::Nonce { answer, .. } => Some(answer),
            Told::NonceRefused { refusal, .. } => panic!("the hub refused: {refusal:?}"),
            _other => None,
        });
        match answer.await {
            NonceAnswer::Issued { nonce, .. } => nonce,
            NonceAnswer::Refused { reason } => panic!("the door gave no nonce: {reason:?}"),
        }
    }

    async fn refused(&mut self) -> OpeningRefusal {
        self.event(|event| match event {
            EventKind::OpeningRefused { reason, .. } => Some(reason),
            EventKind::DoorOpened { opener, .. } => panic!("the door opened for {opener:?}"),
            _other => None,
        })
        .await
    }

    async fn event<T>(&mut self, find: impl Fn(EventKind) -> Option<T>) -> T {
        let find = |told| if let Told::Event(event) = told { find(event.event) } else { None };
        hear(&mut self.anna.1, find).await
    }
}

async fn hear<T>(told: &mut mpsc::Receiver<Told>, find: impl Fn(Told) -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = find(told.recv().await.expect("the client runs")) {
                return found;
            }
        }
    };
    timeout(DEADLINE, wait).await.expect("it is told in time")
}

/// The door station: a process, and what its page shows.
struct Door {
    child: Child,
    panel: SocketAddr,
    /// Each change of the relay, and when it was seen.
    relay: mpsc::UnboundedReceiver<(bool, Instant)>,
}

impl Door {
    async fn start(directory: &Path, hub: &str) -> Self {
        let text = format!(
            "[door]\nstate-directory = {:?}\n[hub]\naddress = \"{hub}\"\ncredential = {{ file = {:?} }}\n\
             [[button]]\nid = \"bell\"\nlabel = \"Bell\"\nreceiver = {{ group = \"flat-1\" }}\n\
             [panel.page]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = {:?}\n[call]\nconnect-deadline = \"1m\"\n\
             [release]\npulse = \"1s\"\nopened-within = \"5s\"\ntamper-inhibits = \"1m\"\n\
             hours-clock = \"any\"\n\
             hours = [{{ button = \"practice\", days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"], \
             from = \"00:00\", until = \"23:59\" }}]\n\
             [[button]]\nid = \"practice\"\nlabel = \"Practice\"\nreceiver = {{ group = \"flat-1\" }}\n",
            directory.join("door"),
            directory.join("credential"),
            directory.join("door.sock"),
        );
        let file = directory.join("door.toml");
        std::fs::write(&file, text).expect("the directory is ours");
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(["run", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary was built for this test");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let ready = timeout(DEADLINE, lines.next_line()).await.expect("in time").expect("text").expect("a line");
        let panel = ready.trim_start_matches("ready panel=http://").trim_end_matches('/').parse().expect("an address");
        let (told, relay) = mpsc::unbounded_channel();
        tokio::spawn(watch_relay(panel, told));
        Self { child, panel, relay }
    }

    async fn post(&self, path: &str) {
        let mut stream = TcpStream::connect(self.panel).await.expect("the page listens");
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", self.panel);
        stream.write_all(request.as_bytes()).await.expect("the page reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the page answers");
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    }

    async fn relay_is(&mut self, on: bool) -> Instant {
        let (state, at) = timeout(DEADLINE, self.relay.recv()).await.expect("in time").expect("the page is watched");
        assert_eq!(state, on);
        at
    }

    /// One whole pulse, of the right length, and nothing after it.
    async fn one_pulse(&mut self) {
        let on = self.relay_is(true).await;
        let off = self.relay_is(false).await;
        let length = off - on;
        println!("pulse at the page: {length:?}");
        assert!(length + LATE >= PULSE && length <= PULSE + LATE, "{length:?}");
        self.no_pulse();
    }

    fn no_pulse(&mut self) {
        assert!(self.relay.try_recv().is_err(), "the relay was switched");
    }

    /// Stops in good order. What the binary then says of its audit log.
    async fn audited(mut self, directory: &Path) -> String {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().expect("every system has kill").success());
        assert!(timeout(DEADLINE, self.child.wait()).await.expect("it ends").expect("it is ours").success());
        let log = directory.join("door/audit.jsonl");
        let verified = audit("verify", &log);
        assert!(verified.status.success(), "{verified:?}");
        let text = std::fs::read_to_string(&log).expect("the log is there");
        let altered = directory.join("altered.jsonl");
        std::fs::write(&altered, text.replacen("\"merged\":false", "\"merged\":true ", 1)).expect("it is ours");
        let found = audit("verify", &altered);
        assert_eq!(found.status.code(), Some(65), "{found:?}");
        // A full file is put away: both are read as one, and show the same.
        let shown = audit("show", &log).stdout;
        let (older, newer) = text.split_at(text.find('\n').expect("a log has lines") + 1);
        std::fs::write(log.with_file_name("audit.0001.jsonl"), older).expect("it is ours");
        assert_eq!(audit("verify", &log).status.code(), Some(65), "the first line comes twice");
        std::fs::write(&log, newer).expect("it is ours");
        assert_eq!(audit("show", &log).stdout, shown);
        assert!(audit("verify", &log).status.success());
        String::from_utf8(shown).expect("text")
    }
}

fn audit(verb: &str, log: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doorward")).args(["audit", verb]).arg(log).output().expect("it runs")
}

async fn watch_relay(panel: SocketAddr, told: mpsc::UnboundedSender<(bool, Instant)>) {
    let mut request = format!("ws://{panel}/socket").into_client_request().expect("an address");
    request.headers_mut().insert("origin", format!("http://{panel}").parse().expect("a legal header"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("the page takes a socket");
    let mut last = false;
    while let Some(Ok(message)) = socket.next().await {
        let Ok(text) = message.to_text() else { continue };
        let Ok(picture) = serde_json::from_str::<Value>(text) else { continue };
        if let Some(relay) = picture["shown"]["relay"].as_bool()
            && std::mem::replace(&mut last, relay) != relay
            && told.send((relay, Instant::now())).is_err()
        {
            return;
        }
    }
}

fn refusal(result: Result<doorward::signaling::protocol::Call, CallError>) -> ErrorCode {
    match result {
        Err(CallError::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_resident_opens_in_a_call_and_nobody_else() {
    let mut house = House::open().await;
    let mut door = house.door().await;
    door.post("/press/bell?hold=100").await;
    let session_id = house.ringing().await;

    // Who only looks may not.
    house.anna.0.ask_nonce(session_id);
    let refused = hear(&mut house.anna.1, |told| match told {
        Told::NonceRefused { refusal, .. } => Some(refusal.code),
        _other => None,
    });
    assert_eq!(refused.await, ErrorCode::ErrCallNotStarted);
    let guess = || Redacted::new(Nonce::from_random([7; 16]));
    assert_eq!(refusal(house.anna.0.open(session_id, guess()).await), ErrorCode::ErrCallNotStarted);

    house.anna.0.accept(session_id).await.expect("it rings");
    assert_eq!(refusal(house.ben.0.open(session_id, guess()).await), ErrorCode::ErrCallNotAPart);
    let stranger = SessionId::from_random([9; 16]);
    assert_eq!(refusal(house.anna.0.open(stranger, guess()).await), ErrorCode::ErrCallSessionNotFound);
    house.anna.0.open(session_id, guess()).await.expect("the hub lets a participant ask");
    assert_eq!(house.refused().await, OpeningRefusal::NonceUnknown);
    door.no_pulse();

    // A wish that comes twice is one.
    let nonce = house.nonce(session_id).await;
    let wish = VerbRequest { key: word("wish-1"), verb: Verb::Open { session_id, nonce: nonce.clone() } };
    house.anna.0.ask(wish.clone());
    let opened = |event| match event {
        EventKind::DoorOpened { opener, .. } => Some(opener),
        EventKind::OpeningRefused { reason, .. } => panic!("{reason:?}"),
        _other => None,
    };
    let opener = house.event(opened).await;
    assert!(
        matches!(opener, Opener::Participant { opening, by } if opening == word("wish-1") && by.uid == word("anna"))
    );
    house.anna.0.ask(wish);
    let again = |told| match told {
        Told::Answered { result, .. } => Some(result),
        _other => None,
    };
    let again = hear(&mut house.anna.1, again).await.expect("the same answer");
    assert!(matches!(again, VerbAnswer::Call(_)));
    door.one_pulse().await;
    door.post("/line/door-contact?active=true").await;
    let state = |event| match event {
        EventKind::DoorContact { state } => Some(state),
        _other => None,
    };
    assert_eq!(house.event(state).await, DoorState::Opened);

    // Nor does the same nonce open under another key.
    house.anna.0.open(session_id, nonce).await.expect("the hub lets a participant ask");
    assert_eq!(house.refused().await, OpeningRefusal::NonceUnknown);
    door.no_pulse();
    door.post("/line/door-contact?active=false").await;
    assert_eq!(house.event(state).await, DoorState::Closed);
    house.anna.0.end(session_id, None).await.expect("it is on");

    copied(&house, "\"name\":\"contact\",\"state\":\"closed\"").await;
    let shown = door.audited(house.directory.path()).await;
    for line in ["refused to Anna", "released for 1000 ms by Anna", "door opened", "door closed", "the station stopped"]
    {
        assert!(shown.contains(line), "{line}:\n{shown}");
    }
    assert_eq!(shown.matches("released for").count(), 1, "{shown}");
}

/// The hub's copy has this line, and is whole.
async fn copied(house: &House, text: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let lines = hub::audit::lines(&house.directory.path().join("hub"), None).expect("the copies are readable");
        let mut verifier = Verifier::default();
        for line in &lines {
            verifier.read(line).expect("the copy is whole");
        }
        if lines.iter().any(|line| line.contains(text)) {
            return;
        }
        assert!(Instant::now() < deadline, "{lines:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_nonce_lives_five_seconds() {
    let mut house = House::open().await;
    let mut door = house.door().await;
    let session_id = house.answered(&door).await;
    let nonce = house.nonce(session_id).await;
    // Its life is time itself; there is no event to wait for.
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    house.anna.0.open(session_id, nonce).await.expect("the hub lets a participant ask");
    assert_eq!(house.refused().await, OpeningRefusal::NonceExpired);
    door.no_pulse();
}

#[tokio::test]
async fn the_exit_and_the_administrator_need_no_hub() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("credential"), "dw1.a41f7c20d8e35b96.bm9ib2R5").expect("it is ours");
    // Nobody listens on the discard port.
    let mut door = Door::start(directory.path(), "http://127.0.0.1:9").await;
    door.post("/line/request-to-exit?active=true").await;
    door.one_pulse().await;
    door.post("/line/request-to-exit?active=false").await;
    // Shorter than a finger would be a glitch.
    tokio::time::sleep(Duration::from_millis(100)).await;
    door.post("/line/request-to-exit?active=true").await;
    door.one_pulse().await;
    let open = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["open", "--socket"])
        .arg(directory.path().join("door.sock"))
        .status();
    assert!(open.expect("the binary was built for this test").success());
    door.one_pulse().await;
    let shown = door.audited(directory.path()).await;
    assert_eq!(shown.matches("by request to exit").count(), 2, "{shown}");
    assert_eq!(shown.matches("by the administrator").count(), 1, "{shown}");
}

#[tokio::test]
async fn in_opening_hours_a_press_opens_and_only_that_buttons() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("credential"), "dw1.a41f7c20d8e35b96.bm9ib2R5").expect("it is ours");
    let mut door = Door::start(directory.path(), "http://127.0.0.1:9").await;
    // The one minute of the day that the hours leave out.
    while doorward::clock::minute_of_day() == Some(23 * 60 + 59) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    door.post("/press/bell?hold=100").await;
    door.no_pulse();
    door.post("/press/practice?hold=100").await;
    door.one_pulse().await;
    let shown = door.audited(directory.path()).await;
    assert_eq!(shown.matches("by the hours of button practice").count(), 1, "{shown}");
}

#[tokio::test]
async fn tamper_inhibits_all_but_the_exit_and_is_told() {
    let mut house = House::open().await;
    let mut door = house.door().await;
    let session_id = house.answered(&door).await;
    door.post("/line/tamper?active=true").await;
    let notice = |told| match told {
        Told::Notice { door, notice } => Some((door, notice)),
        _other => None,
    };
    assert_eq!(hear(&mut house.anna.1, notice).await, (word("front"), DoorNotice::Tampered));
    assert_eq!(hear(&mut house.ben.1, notice).await.1, DoorNotice::Tampered, "also who is in no call");
    let nonce = house.nonce(session_id).await;
    house.anna.0.open(session_id, nonce).await.expect("the hub lets a participant ask");
    assert_eq!(house.refused().await, OpeningRefusal::Tampered);
    door.no_pulse();
    door.post("/line/request-to-exit?active=true").await;
    door.one_pulse().await;
    door.post("/line/tamper?active=false").await;
    assert_eq!(hear(&mut house.ben.1, notice).await.1, DoorNotice::TamperOver);
    let nonce = house.nonce(session_id).await;
    house.anna.0.open(session_id, nonce).await.expect("the hub lets a participant ask");
    assert_eq!(house.refused().await, OpeningRefusal::Tampered, "for a minute afterwards");
    door.no_pulse();
}

#[test]
fn there_is_nothing_to_verify_where_there_is_no_log() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(audit("verify", &directory.path().join("audit.jsonl")).status.code(), Some(66));
}
