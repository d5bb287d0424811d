//! The signaling client: does what [`link`] orders, over one kept-alive HTTP connection for the verbs and one
//! WebSocket for events and media signaling. It decides nothing.
//!
//! Another program uses it like this:
//!
//! ```no_run
//! # async fn example(settings: doorward::signaling::client::Settings) -> Result<(), Box<dyn std::error::Error>> {
//! use doorward::signaling::client::{Client, Told};
//! use doorward::signaling::protocol::{CallType, EventKind, Metadata};
//!
//! let (client, mut events) = Client::connect(settings)?;
//! while let Some(told) = events.recv().await {
//!     let Told::Event(event) = told else { continue };
//!     match event.event {
//!         EventKind::IncomingCallReceived { call, .. } => {
//!             client.accept(call.session_id).await?;
//!         }
//!         EventKind::CallEnded { .. } => break,
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

pub use super::link::Told;
use super::link::{self, Link};
use super::protocol::{
    AuditKept, Call, CallBody, CallType, ClientFrame, EndReason, ErrorBody, HubFrame, MAX_FRAME, Metadata, NonceAnswer,
    Receiver, Refusal, RejectStatus, SessionToken, Signal, Verb, VerbAnswer, VerbRequest, to_json,
};
use crate::clock;
use crate::ids::{DeviceId, Nonce, PeerId, RequestKey, SessionId};
use crate::redacted::Redacted;

/// An answer that takes longer is a failure; the verb is repeated by its key.
const POST_DEADLINE: Duration = Duration::from_secs(8);
/// A frame that cannot be written for this long means a dead connection.
const WRITE_DEADLINE: Duration = Duration::from_secs(3);
/// Events that wait for the owner; a slow owner slows the socket, not the memory.
const EVENTS: usize = 256;

/// Where the hub is and who we are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://hub.example` (or `http://127.0.0.1:port` on one machine), without a path.
    pub address: String,
    /// This device's credential.
    pub credential: Redacted<String>,
    /// Certificates (PEM) of a private authority to trust instead of the public ones.
    pub authority: Option<Vec<u8>>,
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The hub's address is not an address.
    #[error("the hub's address {address:?} is not of the form https://host[:port]: {message}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        message: String,
    },
    /// The private authority's certificates cannot be used.
    #[error("the certificates of the private authority cannot be used: {0}")]
    Authority(String),
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be built: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why a verb was not carried out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The hub refused.
    #[error("{} ({:?})", .0.message, .0.code)]
    Refused(Refusal),
    /// The client was stopped before the answer came.
    #[error("the client was stopped before the answer came")]
    Stopped,
}

/// A handle to the connection. Dropping the last one closes it.
#[derive(Debug, Clone)]
pub struct Client {
    orders: mpsc::UnboundedSender<Order>,
    keys: Arc<KeyMaker>,
}

#[derive(Debug)]
struct KeyMaker {
    boot: crate::ids::BootId,
    next: std::sync::atomic::AtomicU64,
}

/// What the owner orders.
#[derive(Debug)]
enum Order {
    Doubt,
    Link(link::Event),
    Ask(VerbRequest, oneshot::Sender<Result<VerbAnswer, Refusal>>),
}

impl Client {
    /// Connects, and stays connected until the last handle is dropped. What happens comes out of the receiver; it must be
    /// read.
    ///
    /// # Errors
    /// The settings cannot work. A hub that is not there is no error: it is tried again.
    pub fn connect(settings: Settings) -> Result<(Self, mpsc::Receiver<Told>), ClientError> {
        let boot = clock::boot_id();
        let wire = Wire::new(settings)?;
        let (orders, orders_out) = mpsc::unbounded_channel();
        let (events_in, events) = mpsc::channel(EVENTS);
        let connection = Connection {
            wire: Arc::new(wire),
            link: Link::new(boot),
            socket: Socket::None,
            posts: FuturesUnordered::new(),
            asked: HashMap::new(),
            events: events_in,
        };
        tokio::spawn(connection.run(orders_out));
        let keys = Arc::new(KeyMaker { boot: clock::boot_id(), next: std::sync::atomic::AtomicU64::new(1) });
        Ok((Self { orders, keys }, events))
    }

    /// Whether the task behind this handle lives. A hub that is away does not end it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.orders.is_closed()
    }

    /// Asks without waiting; the answer comes as [`Told::Answered`]. The key is the caller's.
    pub fn ask(&self, request: VerbRequest) {
        self.order(link::Event::Asked(request));
    }

    /// The answer of this verb does not matter any more.
    pub fn withdraw(&self, key: RequestKey) {
        self.order(link::Event::Withdrawn(key));
    }

    /// Calls a user or a group.
    ///
    /// # Errors
    /// The hub refused.
    pub async fn initiate(
        &self,
        receiver: Receiver,
        call_type: CallType,
        metadata: Metadata,
    ) -> Result<Call, CallError> {
        self.call(Verb::Initiate { receiver, call_type, metadata }).await
    }

    /// Answers a ringing call.
    ///
    /// # Errors
    /// The hub refused.
    pub async fn accept(&self, session_id: SessionId) -> Result<Call, CallError> {
        self.call(Verb::Accept { session_id }).await
    }

    /// Refuses a ringing call, or cancels one's own.
    ///
    /// # Errors
    /// The hub refused.
    pub async fn reject(&self, session_id: SessionId, status: RejectStatus) -> Result<Call, CallError> {
        self.call(Verb::Reject { session_id, status }).await
    }

    /// Hangs up.
    ///
    /// # Errors
    /// The hub refused.
    pub async fn end(&self, session_id: SessionId, reason: Option<EndReason>) -> Result<Call, CallError> {
        self.call(Verb::End { session_id, reason }).await
    }

    /// Asks for a session token, for a program that starts its media session by itself.
    ///
    /// # Errors
    /// The hub refused.
    pub async fn generate_token(&self, session_id: SessionId) -> Result<SessionToken, CallError> {
        match self.verb(Verb::GenerateToken { session_id }).await? {
            VerbAnswer::Token(token) => Ok(token),
            VerbAnswer::Call(_) | VerbAnswer::Kept => Err(CallError::Stopped),
        }
    }

    /// Asks the door for a nonce, with which it can be asked to open within five seconds: [`Told::Nonce`] or
    /// [`Told::NonceRefused`] follows.
    pub fn ask_nonce(&self, session_id: SessionId) {
        self.order(link::Event::NonceWanted(session_id));
    }

    /// From a door: its answer to [`Told::NonceAsked`].
    pub fn answer_nonce(&self, session_id: SessionId, device_id: DeviceId, answer: NonceAnswer) {
        self.order(link::Event::NonceMade { session_id, device_id, answer });
    }

    /// Asks the door to open. What the door decides follows as `doorOpened` or `openingRefused`.
    ///
    /// # Errors
    /// The hub refused.
    pub async fn open(&self, session_id: SessionId, nonce: Redacted<Nonce>) -> Result<Call, CallError> {
        self.call(Verb::Open { session_id, nonce }).await
    }

    /// Starts the media session of a call and keeps it started over reconnects: [`Told::Joined`] follows.
    pub fn start_session(&self, session_id: SessionId) {
        self.order(link::Event::JoinWanted(session_id));
    }

    /// Leaves the media session of a call.
    pub fn end_session(&self, session_id: SessionId) {
        self.order(link::Event::LeaveWanted(session_id));
    }

    /// Sends a description or candidate inside a started session. A door names the device it is for.
    pub fn signal(&self, session_id: SessionId, device_id: Option<DeviceId>, peer: PeerId, signal: Signal) {
        self.order(link::Event::SignalMade { session_id, device_id, peer, signal });
    }

    /// The network may have changed: a connection that only seems to live is found out soon, and made anew.
    pub fn doubt(&self) {
        let _ = self.orders.send(Order::Doubt);
    }

    fn order(&self, event: link::Event) {
        // A stopped connection has nobody to tell; its owner has seen the event stream end.
        let _ = self.orders.send(Order::Link(event));
    }

    async fn call(&self, verb: Verb) -> Result<Call, CallError> {
        match self.verb(verb).await? {
            VerbAnswer::Call(call) => Ok(*call),
            VerbAnswer::Token(_) | VerbAnswer::Kept => Err(CallError::Stopped),
        }
    }

    async fn verb(&self, verb: Verb) -> Result<VerbAnswer, CallError> {
        let number = self.keys.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let request = VerbRequest { key: RequestKey::of_attempt(self.keys.boot, number), verb };
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Ask(request, reply)).map_err(|_| CallError::Stopped)?;
        answer.await.map_err(|_| CallError::Stopped)?.map_err(CallError::Refused)
    }
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Opening = std::pin::Pin<Box<dyn Future<Output = Result<Stream, tungstenite::Error>> + Send>>;
type Post = std::pin::Pin<Box<dyn Future<Output = link::Event> + Send>>;

enum Socket {
    None,
    Opening(Opening),
    Open(Box<Stream>),
}

/// What came from the socket.
enum Arrival {
    Opened(Box<Stream>),
    Closed,
    Frame(Box<HubFrame>),
    /// Something that is no frame of ours: passed over.
    Other,
}

impl Socket {
    /// Whether this machine has lost the address from which the socket speaks.
    fn is_unplugged(&self) -> bool {
        let Self::Open(stream) = self else { return false };
        let stream = match stream.get_ref() {
            MaybeTlsStream::Plain(stream) => stream,
            MaybeTlsStream::Rustls(stream) => stream.get_ref().0,
            _no_other_is_built => return false,
        };
        // Only an address that a machine has can be bound.
        stream.local_addr().is_ok_and(|address| std::net::UdpSocket::bind((address.ip(), 0)).is_err())
    }

    async fn next(&mut self) -> Arrival {
        match self {
            Self::None => std::future::pending().await,
            Self::Opening(opening) => match opening.await {
                Ok(stream) => Arrival::Opened(Box::new(stream)),
                Err(error) => {
                    tracing::debug!(%error, "the event socket did not open");
                    Arrival::Closed
                }
            },
            Self::Open(stream) => match stream.next().await {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(frame) => Arrival::Frame(Box::new(frame)),
                    Err(error) => {
                        tracing::warn!(%error, "the hub sent a frame of a kind unknown here");
                        Arrival::Other
                    }
                },
                Some(Ok(Message::Close(_))) | None => Arrival::Closed,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {
                    Arrival::Other
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the event socket broke");
                    Arrival::Closed
                }
            },
        }
    }
}

struct Connection {
    wire: Arc<Wire>,
    link: Link,
    socket: Socket,
    posts: FuturesUnordered<Post>,
    asked: HashMap<RequestKey, oneshot::Sender<Result<VerbAnswer, Refusal>>>,
    events: mpsc::Sender<Told>,
}

impl Connection {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut actions = self.link.handle_timeout(clock::now());
        loop {
            if self.perform(actions).await.is_err() {
                return;
            }
            let deadline = self.link.poll_timeout().map(|(deadline, _)| deadline);
            actions = tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Doubt) => {
                        let event = if self.socket.is_unplugged() { link::Event::Unplugged } else { link::Event::Doubted };
                        self.link.handle(clock::now(), event)
                    }
                    Some(Order::Link(event)) => self.link.handle(clock::now(), event),
                    Some(Order::Ask(request, reply)) => {
                        self.asked.insert(request.key.clone(), reply);
                        self.link.handle(clock::now(), link::Event::Asked(request))
                    }
                    None => return self.close().await,
                },
                arrival = self.socket.next() => self.arrived(arrival),
                Some(event) = self.posts.next() => self.link.handle(clock::now(), event),
                () = clock::sleep_until(deadline) => self.link.handle_timeout(clock::now()),
            };
        }
    }

    fn arrived(&mut self, arrival: Arrival) -> Vec<link::Action> {
        let event = match arrival {
            Arrival::Opened(stream) => {
                self.socket = Socket::Open(stream);
                link::Event::Opened
            }
            Arrival::Closed => {
                self.socket = Socket::None;
                link::Event::Closed { random: u32::from_ne_bytes(clock::random()) }
            }
            Arrival::Frame(frame) => link::Event::FrameCame(frame),
            Arrival::Other => return Vec::new(),
        };
        self.link.handle(clock::now(), event)
    }

    /// Carries out orders; an error means that the owner is gone.
    async fn perform(&mut self, actions: Vec<link::Action>) -> Result<(), ()> {
        let mut queue = std::collections::VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                link::Action::Close => {
                    self.socket = Socket::None;
                    // What killed the socket has killed the connection for the verbs, which would wait for its deadline.
                    match self.wire.renewed() {
                        Ok(wire) => self.wire = Arc::new(wire),
                        Err(error) => tracing::warn!(%error, "the connection for the verbs stays as it is"),
                    }
                    queue.extend(self.arrived(Arrival::Closed));
                }
                link::Action::Open => {
                    let wire = Arc::clone(&self.wire);
                    self.socket = Socket::Opening(Box::pin(async move { wire.open().await }));
                }
                link::Action::Post(request) => {
                    let wire = Arc::clone(&self.wire);
                    self.posts.push(Box::pin(async move { wire.post(request).await }));
                }
                link::Action::Send(frame) => queue.extend(self.write(frame).await),
                link::Action::Tell(told) => self.tell(told).await?,
            }
        }
        Ok(())
    }

    async fn write(&mut self, frame: ClientFrame) -> Vec<link::Action> {
        let Socket::Open(stream) = &mut self.socket else { return Vec::new() };
        match tokio::time::timeout(WRITE_DEADLINE, stream.send(Message::text(to_json(&frame)))).await {
            Ok(Ok(())) => Vec::new(),
            Ok(Err(_)) | Err(_) => self.arrived(Arrival::Closed),
        }
    }

    async fn tell(&mut self, told: Told) -> Result<(), ()> {
        if let Told::Up { .. } = told {
            // The connection for the verbs is opened before it is needed: no handshake in the call path.
            let wire = Arc::clone(&self.wire);
            tokio::spawn(async move { wire.warm().await });
        }
        if let Told::Answered { request, result } = told {
            return match self.asked.remove(&request.key) {
                Some(reply) => {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(result);
                    Ok(())
                }
                None => self.events.send(Told::Answered { request, result }).await.map_err(|_| ()),
            };
        }
        self.events.send(told).await.map_err(|_| ())
    }

    async fn close(mut self) {
        if let Socket::Open(stream) = &mut self.socket {
            // A courtesy to the hub, not worth waiting for.
            let _ = tokio::time::timeout(Duration::from_millis(200), (**stream).close(None)).await;
        }
    }
}

/// Addresses, credential and the two transports.
struct Wire {
    settings: Settings,
    base: String,
    host: String,
    port: u16,
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
}

impl Wire {
    fn new(settings: Settings) -> Result<Self, ClientError> {
        let bad =
            |message: &str| ClientError::Address { address: settings.address.clone(), message: message.to_owned() };
        let url = reqwest::Url::parse(&settings.address).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("the scheme is neither https nor http"));
        }
        let host = url.host_str().ok_or_else(|| bad("there is no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| bad("there is no port"))?;
        let tls = Arc::new(tls_settings(settings.authority.as_deref())?);
        let http = http_client(settings.authority.as_deref())?;
        let base = settings.address.trim_end_matches('/').to_owned();
        Ok(Self { settings, base, host, port, http, tls })
    }

    /// The same with new connections.
    fn renewed(&self) -> Result<Self, ClientError> {
        Self::new(self.settings.clone())
    }

    async fn open(&self) -> Result<Stream, tungstenite::Error> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, self.port)).await?;
        stream.set_nodelay(true)?;
        let address = format!("{}/v1/events", self.base.replacen("http", "ws", 1));
        let mut request = address.into_client_request()?;
        let bearer = format!("Bearer {}", self.settings.credential.expose());
        if let Ok(mut value) = tungstenite::http::HeaderValue::from_str(&bearer) {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        // tungstenite's own buffers are 128 KiB each; a door's frames are small.
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * MAX_FRAME)
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        let (stream, _) =
            tokio_tungstenite::client_async_tls_with_config(request, stream, Some(config), Some(connector)).await?;
        Ok(stream)
    }

    async fn warm(&self) {
        if let Err(error) =
            self.http.get(format!("{}/v1/me", self.base)).bearer_auth(self.settings.credential.expose()).send().await
        {
            tracing::debug!(%error, "the connection for the verbs could not be opened ahead");
        }
    }

    async fn post(&self, request: VerbRequest) -> link::Event {
        let sent = self
            .http
            .post(format!("{}{}", self.base, request.path()))
            .bearer_auth(self.settings.credential.expose())
            .header("content-type", "application/json")
            .body(request.body())
            .send()
            .await;
        let answer = match sent {
            Ok(response) => read_answer(&request.verb, response).await,
            Err(error) => Err(error.without_url().to_string()),
        };
        match answer {
            Ok(result) => link::Event::Answered { key: request.key, result },
            Err(reason) => {
                tracing::debug!(reason, "a verb was not answered");
                link::Event::Failed { key: request.key }
            }
        }
    }
}

/// An answer, or why there is none yet: the hub's own failures and its "too many requests" are worth another try.
async fn read_answer(verb: &Verb, response: reqwest::Response) -> Result<Result<VerbAnswer, Refusal>, String> {
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| error.without_url().to_string())?;
    if status == 429 || status >= 500 {
        return Err(format!("status {status}"));
    }
    if status >= 400 {
        let refused: ErrorBody = serde_json::from_slice(&body).map_err(|error| format!("status {status}, {error}"))?;
        return Ok(Err(refused.error));
    }
    let parsed = match verb {
        Verb::GenerateToken { .. } => serde_json::from_slice::<SessionToken>(&body).map(VerbAnswer::Token),
        Verb::KeepAudit { .. } => serde_json::from_slice::<AuditKept>(&body).map(|_| VerbAnswer::Kept),
        Verb::KeepTrace { .. } => Ok(VerbAnswer::Kept),
        Verb::Accept { .. }
        | Verb::End { .. }
        | Verb::Initiate { .. }
        | Verb::Open { .. }
        | Verb::PressWaiting { .. }
        | Verb::Reject { .. }
        | Verb::ReportDoor { .. }
        | Verb::ShowStill { .. } => {
            serde_json::from_slice::<CallBody>(&body).map(|body| VerbAnswer::Call(Box::new(body.call)))
        }
    };
    parsed.map(Ok).map_err(|error| format!("status {status}, {error}"))
}

/// One kept-alive connection, that nothing closes but its ends.
pub(super) fn http_client(authority: Option<&[u8]>) -> Result<reqwest::Client, ClientError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls_settings(authority)?)
        .http1_only()
        .no_proxy()
        .tcp_nodelay(true)
        .pool_idle_timeout(None)
        .pool_max_idle_per_host(2)
        .timeout(POST_DEADLINE)
        .build()?;
    Ok(client)
}

fn tls_settings(authority: Option<&[u8]>) -> Result<rustls::ClientConfig, ClientError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let mut roots = rustls::RootCertStore::empty();
    match authority {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| ClientError::Authority(error.to_string()))?;
                roots.add(certificate).map_err(|error| ClientError::Authority(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(ClientError::Authority("there is none in the file".to_owned()));
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Authority(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
