//! A hub on loopback with a house behind it, and devices that speak to it over real sockets. Shared by the tests of the hub.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward::config::hub::HubConfig;
use doorward::hub::administration::Administration;
use doorward::ids::{DeviceId, SessionId};
use doorward::signaling::identity::Admission;
use doorward::signaling::protocol::{
    Call, CallBody, ClientFrame, ErrorBody, ErrorCode, EventKind, HubFrame, Refusal, Seen, SessionToken, to_json,
};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Nothing on loopback takes longer unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The state of a hub, with the hub that runs on it.
pub struct House {
    pub state: TempDir,
    pub config: HubConfig,
    pub address: SocketAddr,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

impl House {
    /// A hub whose directory is the house of [`furnish`].
    pub async fn new() -> Self {
        Self::with(HubConfig::default()).await
    }

    pub async fn with(mut config: HubConfig) -> Self {
        let state = tempfile::tempdir().expect("a temporary directory");
        config.server.state_directory = PathBuf::from(state.path());
        config.server.listen.set_port(0);
        furnish(&mut administration(&state));
        let address = config.server.listen;
        // The first one counts; reqwest wants one also where there is no TLS.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().build().expect("no TLS is needed");
        let mut house = Self { state, config, address, http, stop: None, running: None };
        house.start().await;
        house
    }

    pub async fn start(&mut self) {
        let (ready, is_ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let config = self.config.clone();
        self.running = Some(tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            let ready = |address| ready.send(address).expect("the test waits for it");
            doorward::hub::run(config, ready, shutdown).await.expect("the hub starts");
        }));
        self.address = timeout(DEADLINE, is_ready).await.expect("in time").expect("the hub starts");
        self.stop = Some(stop);
    }

    /// Stops the hub, and waits for its end.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        let running = self.running.take().expect("it runs");
        timeout(DEADLINE, running).await.expect("it stops in time").expect("it does not fail");
    }

    /// Stops it and starts it again on the same state, at another port.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// For the verbs of devices that are made by hand.
    pub fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    pub fn administration(&self) -> Administration {
        administration(&self.state)
    }

    /// One more device of a user.
    pub fn device(&self, uid: &str) -> Device {
        let admission =
            self.administration().add_device(&uid.parse().expect("a word"), "test").expect("the user is there");
        self.admitted(admission)
    }

    /// The device that was just admitted.
    pub fn admitted(&self, admission: Admission) -> Device {
        let Admission { credential, device_id, uid, .. } = admission;
        let (address, http) = (self.address, self.http.clone());
        Device { id: device_id, uid: uid.to_string(), credential: credential.into_exposed(), address, http }
    }

    /// Waits until the hub knows what was changed behind its back.
    pub async fn settle(&self, device: &Device) {
        let known = async {
            while device.get("/v1/me").await.0 != 200 {
                // Not too often: these count as wrong credentials.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(DEADLINE, known).await.expect("the hub looks at its directory twice a second");
    }
}

fn administration(state: &TempDir) -> Administration {
    Administration::open(state.path()).expect("the directory opens")
}

/// Flat 1 with Anna and Ben, flat 2 with Carl, the guard in no flat; the front door rings both flats and the guard, the
/// garden door flat 2.
fn furnish(administration: &mut Administration) {
    let guid = |text: &str| text.parse().expect("a word");
    let uid = |text: &str| text.parse().expect("a word");
    for flat in ["flat-1", "flat-2"] {
        administration.add_group(&guid(flat), flat, false).expect("it is new");
    }
    for (user, name, flats) in [
        ("anna", "Anna", vec![guid("flat-1")]),
        ("ben", "Ben", vec![guid("flat-1")]),
        ("carl", "Carl", vec![guid("flat-2")]),
        ("guard", "Guard", vec![]),
    ] {
        administration.add_user(&uid(user), name, &flats).expect("it is new");
    }
    let flats = [guid("flat-1"), guid("flat-2")];
    administration.add_door(&uid("front"), "Front door", &flats, &[uid("guard")]).expect("it is new");
    administration.add_door(&uid("garden"), "Garden gate", &flats[1..], &[]).expect("it is new");
}

/// A device with its credential: verbs by one HTTP connection.
#[derive(Clone)]
pub struct Device {
    pub id: DeviceId,
    pub uid: String,
    pub credential: String,
    pub address: SocketAddr,
    pub http: reqwest::Client,
}

static KEYS: AtomicU64 = AtomicU64::new(1);

/// A key that no other verb of this test program has.
pub fn key() -> String {
    format!("key-{}", KEYS.fetch_add(1, Ordering::Relaxed))
}

impl Device {
    /// The same device, at a hub that was started again.
    pub fn at(&self, house: &House) -> Self {
        Self { address: house.address, ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.http.get(self.url(path)), true).await
    }

    /// Status, kind and bytes of what the door of this call saw.
    pub async fn still(&self, session: SessionId) -> (u16, String, Vec<u8>) {
        let bearer = format!("Bearer {}", self.credential);
        let request = self.http.get(self.url(&format!("/v1/calls/{session}/still"))).header(AUTHORIZATION, bearer);
        let response = timeout(DEADLINE, request.send()).await.expect("in time").expect("the hub answers");
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let (status, kind) = (response.status().as_u16(), kind.to_owned());
        (status, kind, response.bytes().await.expect("the hub answers").to_vec())
    }

    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        self.send(self.http.post(self.url(path)).body(body), true).await
    }

    pub async fn post_without_credential(&self, path: &str, body: String) -> (u16, Value) {
        self.send(self.http.post(self.url(path)).body(body), false).await
    }

    pub async fn put(&self, path: &str, body: impl ToString) -> (u16, Value) {
        self.send(self.http.put(self.url(path)).body(body.to_string()), true).await
    }

    /// A body that is not there is null.
    pub async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(self.http.delete(self.url(path)), true).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, authorized: bool) -> (u16, Value) {
        let request =
            if authorized { request.header(AUTHORIZATION, format!("Bearer {}", self.credential)) } else { request };
        let response = timeout(DEADLINE, request.send()).await.expect("in time").expect("the hub answers");
        let status = response.status().as_u16();
        let body = timeout(DEADLINE, response.text()).await.expect("in time").expect("the hub answers");
        if status == 204 && body.is_empty() {
            return (status, Value::Null);
        }
        (
            status,
            serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} with a body that is not JSON: {body}")),
        )
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn initiate(&self, receiver_type: &str, receiver: &str) -> Result<Call, Refusal> {
        self.initiate_with(&key(), receiver_type, receiver).await
    }

    pub async fn initiate_with(&self, key: &str, receiver_type: &str, receiver: &str) -> Result<Call, Refusal> {
        let body = json!({ "key": key, "receiverType": receiver_type, "receiver": receiver, "type": "video",
                           "metadata": { "button": receiver } });
        read_call(self.post("/v1/calls", body.to_string()).await)
    }

    pub async fn verb(&self, session: SessionId, verb: &str) -> Result<Call, Refusal> {
        self.verb_with(session, verb, json!({ "key": key() })).await
    }

    pub async fn reject(&self, session: SessionId, status: &str) -> Result<Call, Refusal> {
        self.verb_with(session, "reject", json!({ "key": key(), "status": status })).await
    }

    pub async fn verb_with(&self, session: SessionId, verb: &str, body: Value) -> Result<Call, Refusal> {
        read_call(self.post(&format!("/v1/calls/{session}/{verb}"), body.to_string()).await)
    }

    pub async fn token(&self, session: SessionId) -> Result<SessionToken, Refusal> {
        let (status, body) =
            self.post(&format!("/v1/calls/{session}/token"), json!({ "key": key() }).to_string()).await;
        if status == 200 { Ok(serde_json::from_value(body).expect("a token")) } else { Err(read_refusal(status, body)) }
    }

    /// Connects, says hello and reads the welcome.
    pub async fn connect(&self) -> Socket {
        self.connect_with(&[]).await.0
    }

    /// The same, with what it saw before; also gives the calls of the welcome.
    pub async fn connect_with(&self, seen: &[Seen]) -> (Socket, Vec<Call>) {
        let mut socket = self.open().await;
        socket.send(&ClientFrame::Hello { protocol: 1, credential: None, seen: seen.to_vec() }).await;
        match socket.next().await {
            HubFrame::Welcome { device_id, calls, .. } => {
                assert_eq!(device_id, self.id);
                (socket, calls)
            }
            other => panic!("not welcome: {other:?}"),
        }
    }

    /// Opens a socket without a word.
    pub async fn open(&self) -> Socket {
        let mut request = format!("ws://{}/v1/events", self.address).into_client_request().expect("an address");
        let bearer = format!("Bearer {}", self.credential);
        request.headers_mut().insert("authorization", bearer.parse().expect("ASCII"));
        let connected = timeout(DEADLINE, tokio_tungstenite::connect_async(request)).await.expect("in time");
        Socket(connected.expect("the hub takes it").0)
    }

    /// Connects and starts the media session of a call; gives the socket.
    pub async fn start_session(&self, socket: &mut Socket, session: SessionId) {
        let token = self.token(session).await.expect("it may have one").token;
        socket.send(&ClientFrame::StartSession { session_id: session, token, keeps: None }).await;
        socket
            .until(|frame| matches!(frame, HubFrame::SessionStarted { session_id, .. } if *session_id == session))
            .await;
    }
}

fn read_call((status, body): (u16, Value)) -> Result<Call, Refusal> {
    if status == 200 {
        return Ok(serde_json::from_value::<CallBody>(body).expect("a call").call);
    }
    Err(read_refusal(status, body))
}

/// A refusal; its status has to be the one that goes with its code.
pub fn read_refusal(status: u16, body: Value) -> Refusal {
    let refusal = serde_json::from_value::<ErrorBody>(body).expect("a refusal").error;
    assert_eq!(status, refusal.code.http_status(), "{refusal:?}");
    assert!(!refusal.message.is_empty());
    refusal
}

/// The code of what was refused.
pub fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> ErrorCode {
    answer.expect_err("it is refused").code
}

/// An event socket.
pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, frame: &ClientFrame) {
        self.send_text(to_json(frame)).await;
    }

    pub async fn send_text(&mut self, text: String) {
        self.0.send(Message::text(text)).await.expect("the hub reads");
    }

    /// The next frame.
    pub async fn next(&mut self) -> HubFrame {
        timeout(DEADLINE, self.frame()).await.expect("in time").expect("the socket is open")
    }

    /// The next frame; nothing once the hub closed.
    pub async fn frame(&mut self) -> Option<HubFrame> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Reads until a frame is the one that is waited for.
    pub async fn until(&mut self, which: impl Fn(&HubFrame) -> bool) -> HubFrame {
        loop {
            let frame = self.next().await;
            if which(&frame) {
                return frame;
            }
        }
    }

    /// Reads until an event is the one that is waited for.
    pub async fn event(&mut self, which: impl Fn(&EventKind) -> bool) -> EventKind {
        match self.until(|frame| matches!(frame, HubFrame::Event(event) if which(&event.event))).await {
            HubFrame::Event(event) => event.event,
            other => panic!("{other:?}"),
        }
    }

    /// Everything that comes before the answer to a ping: what the hub had to say until now.
    pub async fn drain(&mut self) -> Vec<HubFrame> {
        self.send(&ClientFrame::Ping {}).await;
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                HubFrame::Pong {} => return frames,
                frame => frames.push(frame),
            }
        }
    }

    /// Why the hub closes this socket.
    pub async fn refused(&mut self) -> Refusal {
        let end = async {
            let mut refusal = None;
            while let Some(frame) = self.frame().await {
                if let HubFrame::Refused { error } = frame {
                    refusal = Some(error);
                }
            }
            refusal
        };
        timeout(DEADLINE, end).await.expect("it is closed in time").expect("the hub says why")
    }
}
