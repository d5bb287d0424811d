//! The event socket of one device: frames in, frames out, with a bound for everything: time to say hello, size, rate, silence,
//! and how long the peer may take to read. It decides nothing about calls.

use std::pin::pin;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use serde::Deserialize;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::answer::Refused;
use super::interface::{Interface, bearer};
use super::limits::Bucket;
use super::metrics::Metrics;
use super::orders::{ConnectionId, Handle, Order, unauthorized};
use super::outbox::{Inbox, Outgoing, outbox};
use super::server::Peer;
use crate::clock;
use crate::ids::DeviceId;
use crate::signaling::protocol::{
    ClientFrame, ErrorCode, HubFrame, MAX_FRAME, PROTOCOL_VERSION, Refusal, Seen, to_json,
};

/// `hello` has to come this soon.
const HELLO: Duration = Duration::from_secs(5);

/// A peer that does not take a frame for this long is closed.
const WRITE: Duration = Duration::from_secs(10);

/// After the hub's close frame the peer has this long to answer it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Frames of a peer: so many at once, and one each of these in the long run. Faster ones are read no faster.
const RATE: (u32, Duration) = (100, Duration::from_millis(20));

/// The buffers of a socket, in bytes. The library's own (128 kB each way) would cost 24 times the memory per resident, and what
/// it may read at once it fills with zeros whenever it looks. Most frames are shorter.
const READ_BUFFER: usize = 512;
const MOST_UNWRITTEN: usize = 256 * 1024;

/// `GET /v1/events`.
pub async fn open(
    State(interface): State<Interface>,
    peer: Result<Extension<Peer>, ExtensionRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(Extension(peer)) = peer else {
        return Refused::from(Refusal::new(ErrorCode::ErrInternal, "a request without a connection")).into_response();
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            return Refused::bad(format!("this address is a WebSocket: {}", rejection.body_text())).into_response();
        }
    };
    // Who shows a credential that is wrong hears it before there is a socket; who shows none says it in `hello`.
    let shown = bearer(&headers).and_then(|shown| shown.map(|text| interface.log_in(peer.address, text)).transpose());
    let shown = match shown {
        Ok(shown) => shown,
        Err(refusal) => return Refused::from(refusal).into_response(),
    };
    if shown.is_some() {
        peer.patience.device_known();
    }
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MOST_UNWRITTEN)
        .max_frame_size(MAX_FRAME)
        .max_message_size(MAX_FRAME)
        // A task of its own: the one of the upgrade carries what only the handshake needed.
        .on_upgrade(move |socket| async move { drop(tokio::spawn(serve(interface, peer, shown, socket))) })
}

/// What does not last as long as the socket is boxed: a device that is online and silent keeps no memory for it.
async fn serve(interface: Interface, peer: Peer, shown: Option<DeviceId>, mut socket: WebSocket) {
    let silence = silence(interface.heartbeat);
    let (handle, metrics) = (interface.handle.clone(), interface.metrics.clone());
    let (connection, inbox) = match Box::pin(greet(interface, peer, shown, &mut socket)).await {
        Ok(connected) => connected,
        Err(End::Refused(refusal)) => return Box::pin(refuse(&metrics, &mut socket, *refusal)).await,
        Err(End::Lost | End::HubCloses) => return,
    };
    let end = exchange_frames(&handle, silence, connection, inbox, &mut socket).await;
    Box::pin(async {
        handle.tell(Order::Disconnect(connection)).await;
        match end {
            End::Lost => {}
            End::HubCloses => farewell(&mut socket, close_code::AWAY).await,
            End::Refused(refusal) => refuse(&metrics, &mut socket, *refusal).await,
        }
    })
    .await;
}

/// A heartbeat may be a little late, and one may be lost.
fn silence(heartbeat: Duration) -> Duration {
    heartbeat * 2 + Duration::from_secs(2)
}

async fn greet(
    interface: Interface,
    peer: Peer,
    shown: Option<DeviceId>,
    socket: &mut WebSocket,
) -> Result<(ConnectionId, Inbox), End> {
    let greeted = tokio::select! {
        biased;
        greeted = timeout(HELLO, greeting(socket)) => greeted,
        // Its place is needed at once, not after a farewell.
        () = peer.patience.lost() => return Err(End::Lost),
    };
    let greeted = greeted.unwrap_or_else(|_| Err(bad("no `hello` came within 5 s"))).map_err(End::refused)?;
    let (device, seen) = greeted.identify(&interface, &peer, shown).map_err(End::refused)?;
    peer.patience.device_known();
    let (outbox, inbox) = outbox();
    let connected = interface.handle.ask(|answer| Order::Connect { device, seen, outbox, answer }).await;
    Ok((connected.map_err(End::refused)?, inbox))
}

// ---------------------------------------------------------------------------------------------------------------- hello

struct Hello {
    credential: Option<crate::redacted::Redacted<String>>,
    seen: Vec<Seen>,
}

async fn greeting(socket: &mut WebSocket) -> Result<Hello, Refusal> {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => return read_hello(&text),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(bad("a binary frame; frames are JSON text")),
            Some(Err(error)) => return Err(unreadable(&error)),
            Some(Ok(Message::Close(_))) | None => return Err(bad("closed before `hello`")),
        }
    }
}

fn read_hello(text: &str) -> Result<Hello, Refusal> {
    match serde_json::from_str(text) {
        Ok(ClientFrame::Hello { protocol: PROTOCOL_VERSION, credential, seen }) => Ok(Hello { credential, seen }),
        Ok(ClientFrame::Hello { protocol, .. }) => {
            Err(bad(format!("protocol {protocol}; this hub speaks {PROTOCOL_VERSION}")))
        }
        Ok(_) => Err(bad("the first frame is not `hello`")),
        Err(error) => Err(bad(format!("the first frame is not `hello`: {error}"))),
    }
}

impl Hello {
    fn identify(
        self,
        interface: &Interface,
        peer: &Peer,
        shown: Option<DeviceId>,
    ) -> Result<(DeviceId, Vec<Seen>), Refusal> {
        let said = self.credential.map(|text| interface.log_in(peer.address, text.expose())).transpose()?;
        match (shown, said) {
            (Some(shown), Some(said)) if shown != said => Err(bad("two credentials of two devices")),
            (Some(device), _) | (None, Some(device)) => Ok((device, self.seen)),
            (None, None) => Err(unauthorized()),
        }
    }
}

// --------------------------------------------------------------------------------------------------------------- frames

enum End {
    /// The peer closed, or is gone.
    Lost,
    /// The hub stops, or the peer is too slow.
    HubCloses,
    /// With words.
    Refused(Box<Refusal>),
}

impl End {
    fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

async fn exchange_frames(
    handle: &Handle,
    silence: Duration,
    connection: ConnectionId,
    mut inbox: Inbox,
    socket: &mut WebSocket,
) -> End {
    // One timer for as long as the socket lasts: it is set anew by what comes in, not by what goes out.
    let mut silent = pin!(sleep_until(Instant::now() + silence));
    let mut bucket = Bucket::new(RATE.0, RATE.1);
    let mut pause: Option<Instant> = None;
    let mut spoke = false;
    loop {
        tokio::select! {
            // In this order: whoever is rung hears it before anything else is looked at. What waits is bounded.
            biased;
            outgoing = inbox.next() => match outgoing {
                Some(Outgoing::Frame(text)) => {
                    if !send(socket, Message::Text(text)).await {
                        return End::Lost;
                    }
                    spoke = true;
                }
                Some(Outgoing::Refuse(refusal)) => return End::Refused(refusal),
                None => return End::HubCloses,
            },
            // The others who are rung hear it before this one is listened to.
            () = yield_now(), if spoke => spoke = false,
            () = rest(pause), if !spoke && pause.is_some() => pause = None,
            incoming = socket.recv(), if !spoke && pause.is_none() => {
                silent.as_mut().reset(Instant::now() + silence);
                pause = bucket.spend(clock::now()).map(|rest| Instant::now() + rest);
                match read_frame(incoming) {
                    Incoming::Frame(frame) => handle.tell(Order::Frame(connection, frame)).await,
                    Incoming::Nothing => {}
                    Incoming::End(end) => return end,
                }
            }
            () = &mut silent, if !spoke && pause.is_none() => {
                return End::refused(bad("no frame for too long; send `ping` at every heartbeat"));
            }
        }
    }
}

/// Sends a frame. Whether the peer took it in time.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    let mut sending = pin!(socket.send(message));
    // The kernel takes it at once, almost always: then nobody looks at a clock.
    match sending.as_mut().now_or_never() {
        Some(sent) => sent.is_ok(),
        None => matches!(timeout(WRITE, sending).await, Ok(Ok(()))),
    }
}

async fn rest(until: Option<Instant>) {
    if let Some(until) = until {
        sleep_until(until).await;
    }
}

enum Incoming {
    Frame(Box<ClientFrame>),
    Nothing,
    End(End),
}

fn read_frame(incoming: Option<Result<Message, axum::Error>>) -> Incoming {
    match incoming {
        Some(Ok(Message::Text(text))) => read_text(&text),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Nothing,
        Some(Ok(Message::Binary(_))) => Incoming::End(End::refused(bad("a binary frame; frames are JSON text"))),
        Some(Err(error)) => Incoming::End(End::refused(unreadable(&error))),
        Some(Ok(Message::Close(_))) | None => Incoming::End(End::Lost),
    }
}

fn read_text(text: &str) -> Incoming {
    #[derive(Deserialize)]
    struct Kind<'t> {
        #[serde(rename = "type", borrow)]
        kind: std::borrow::Cow<'t, str>,
    }
    const KNOWN: [&str; 8] =
        ["acknowledge", "askNonce", "endSession", "hello", "nonce", "ping", "signal", "startSession"];
    match serde_json::from_str(text) {
        Ok(frame) => Incoming::Frame(Box::new(frame)),
        // A newer peer may say things that this hub does not know yet.
        Err(_) if serde_json::from_str(text).is_ok_and(|Kind { kind }| !KNOWN.contains(&kind.as_ref())) => {
            debug!("a frame of an unknown type is passed over");
            Incoming::Nothing
        }
        Err(error) => Incoming::End(End::refused(bad(format!("the frame is not as documented: {error}")))),
    }
}

// ---------------------------------------------------------------------------------------------------------------- close

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::ErrBadRequest, message)
}

fn unreadable(error: &axum::Error) -> Refusal {
    debug!(%error, "a socket cannot be read");
    Refusal::new(ErrorCode::ErrPayloadTooLarge, format!("a frame is larger than {MAX_FRAME} bytes, or not well formed"))
}

async fn refuse(metrics: &Metrics, socket: &mut WebSocket, error: Refusal) {
    metrics.refused(error.code);
    let code = match error.code {
        ErrorCode::ErrPayloadTooLarge => close_code::SIZE,
        _other => close_code::POLICY,
    };
    let text = Utf8Bytes::from(to_json(&HubFrame::Refused { error }));
    if send(socket, Message::Text(text)).await {
        farewell(socket, code).await;
    }
}

/// Closes, and reads what was on its way: closing with unread bytes would reset the connection, and the peer would never see
/// the last frames.
async fn farewell(socket: &mut WebSocket, code: u16) {
    let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
    if !send(socket, close).await {
        return;
    }
    let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    // Whether the peer answers in time changes nothing.
    drop(timeout(FAREWELL, rest).await);
}
