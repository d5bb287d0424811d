//! The door's panel as a web page: buttons to press and hold, the ring of LEDs, what the speaker plays, the relay's lamp.
//!
//! It stands for hardware in the demo and in tests, behind the same traits. Whoever reaches it can press the buttons, so it
//! listens on loopback only and answers no page but its own. It never decides anything.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::ids::ButtonId;
use crate::panel::{Edge, Frame, Input, Lines, NextEdge, PanelError, Relay, Strip};

/// Nobody's finger is faster than the door reads.
const EDGES_WAITING: usize = 256;
/// The longest message a page has reason to send.
const LONGEST_MESSAGE: usize = 256;
/// Enough for a stuck button.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page shows, and where it listens.
#[derive(Debug, Clone)]
pub struct PageSettings {
    /// A loopback address; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// What residents call the door.
    pub name: String,
    /// Names and labels of the buttons.
    pub buttons: Vec<(ButtonId, String)>,
    /// How many LEDs the ring has.
    pub leds: usize,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Others could press the buttons.
    #[error("{0} is not a loopback address: the panel's page would let anybody press the buttons")]
    NotLoopback(SocketAddr),
    /// Somebody else is there, most likely.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// The page, for as long as a copy of this is kept.
#[derive(Debug, Clone)]
pub struct Page {
    address: SocketAddr,
    shown: Arc<watch::Sender<Shown>>,
    _server: Arc<Server>,
}

/// The page's buttons.
#[derive(Debug)]
pub struct PageLines {
    edges: mpsc::Receiver<Edge>,
}

/// The page's ring.
#[derive(Debug)]
pub struct PageStrip {
    leds: usize,
    shown: Arc<watch::Sender<Shown>>,
}

/// The page's relay.
#[derive(Debug)]
pub struct PageRelay {
    shown: Arc<watch::Sender<Shown>>,
}

/// Serves the page.
///
/// # Errors
/// The address is not this machine's alone, or is taken.
pub async fn open(settings: PageSettings) -> Result<(Page, PageLines, PageStrip), PageError> {
    let PageSettings { listen, name, buttons, leds } = settings;
    if !listen.ip().is_loopback() {
        return Err(PageError::NotLoopback(listen));
    }
    let refused = |error| PageError::Listen(listen, error);
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let (edge, edges) = mpsc::channel(EDGES_WAITING);
    let shown = Arc::new(watch::Sender::new(Shown { frame: "0".repeat(leds * 6), ..Shown::default() }));
    let door = Door { layout: Arc::new(Layout::new(name, &buttons, leds)), edge, shown: Arc::clone(&shown), address };
    let router = router(door);
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the panel's page stopped");
        }
    });
    let page = Page { address, shown: Arc::clone(&shown), _server: Arc::new(Server(task)) };
    Ok((page, PageLines { edges }, PageStrip { leds, shown }))
}

impl Page {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's relay, without current until it is told otherwise.
    #[must_use]
    pub fn relay(&self) -> PageRelay {
        PageRelay { shown: Arc::clone(&self.shown) }
    }

    /// What the speaker plays: level in decibels below full scale, strongest frequency in hertz. The page forgets it by
    /// itself when nothing follows.
    pub fn show_speaker(&self, dbfs: f64, hertz: f64) {
        self.shown.send_modify(|shown| {
            let count = shown.speaker.map_or(0, |speaker| speaker.count);
            shown.speaker = Some(Speaker { dbfs, hertz, count: count.wrapping_add(1) });
        });
    }

    /// What the door does, in words.
    pub fn show_status(&self, text: &str) {
        self.shown.send_if_modified(|shown| {
            let changed = shown.status != text;
            text.clone_into(&mut shown.status);
            changed
        });
    }
}

impl Lines for PageLines {
    fn next_edge(&mut self) -> NextEdge<'_> {
        Box::pin(async {
            let gone = || PanelError { device: "panel page".to_owned(), message: "the page was closed".to_owned() };
            self.edges.recv().await.ok_or_else(gone)
        })
    }
}

impl Strip for PageStrip {
    fn length(&self) -> usize {
        self.leds
    }

    fn show(&mut self, frame: &Frame) -> Result<(), PanelError> {
        let mut text = String::with_capacity(frame.len() * 6);
        for led in frame {
            write!(text, "{:02x}{:02x}{:02x}", led.red, led.green, led.blue)
                .map_err(|error| PanelError { device: "panel page".to_owned(), message: error.to_string() })?;
        }
        self.shown.send_if_modified(|shown| {
            let changed = shown.frame != text;
            shown.frame = text;
            changed
        });
        Ok(())
    }
}

impl Relay for PageRelay {
    fn set(&mut self, energised: bool) -> Result<(), PanelError> {
        self.shown.send_if_modified(|shown| std::mem::replace(&mut shown.relay, energised) != energised);
        Ok(())
    }
}

impl Drop for PageRelay {
    fn drop(&mut self) {
        self.shown.send_if_modified(|shown| std::mem::replace(&mut shown.relay, false));
    }
}

/// Ends with the last copy of the page.
#[derive(Debug)]
struct Server(tokio::task::JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What stays the same.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    name: String,
    buttons: Vec<LayoutButton>,
    leds: usize,
}

#[derive(Debug, Serialize)]
struct LayoutButton {
    id: ButtonId,
    label: String,
}

impl Layout {
    fn new(name: String, buttons: &[(ButtonId, String)], leds: usize) -> Self {
        let buttons = buttons.iter().map(|(id, label)| LayoutButton { id: id.clone(), label: label.clone() }).collect();
        Self { name, buttons, leds }
    }

    fn has(&self, id: &ButtonId) -> bool {
        self.buttons.iter().any(|button| button.id == *id)
    }
}

/// What changes.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    /// Six hexadecimal digits per LED.
    frame: String,
    speaker: Option<Speaker>,
    relay: bool,
    /// Lines that are active, buttons aside.
    active: BTreeSet<Wire>,
    status: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Speaker {
    dbfs: f64,
    hertz: f64,
    /// Tells a new measurement from one that was sent before.
    count: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Told<'a> {
    Layout(&'a Layout),
    Shown(&'a Shown),
}

/// A line that is no button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Wire {
    DoorContact,
    RequestToExit,
    Tamper,
}

impl Wire {
    /// As it stands in addresses.
    fn named(name: &str) -> Option<Self> {
        match name {
            "door-contact" => Some(Self::DoorContact),
            "request-to-exit" => Some(Self::RequestToExit),
            "tamper" => Some(Self::Tamper),
            _other => None,
        }
    }
}

impl From<Wire> for Input {
    fn from(contact: Wire) -> Self {
        match contact {
            Wire::DoorContact => Self::DoorContact,
            Wire::RequestToExit => Self::RequestToExit,
            Wire::Tamper => Self::Tamper,
        }
    }
}

/// What a page says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Said {
    Press(ButtonId),
    Release(ButtonId),
    Switch(Switch),
}

/// A line that is to be active, or not. Unlike a finger it stays when the page is closed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Switch {
    input: Wire,
    active: bool,
}

#[derive(Debug, Clone)]
struct Door {
    layout: Arc<Layout>,
    edge: mpsc::Sender<Edge>,
    shown: Arc<watch::Sender<Shown>>,
    address: SocketAddr,
}

impl Door {
    fn touch(&self, button: &ButtonId, active: bool) {
        self.change(Input::Button(button.clone()), active);
    }

    fn switch(&self, contact: Wire, active: bool) {
        self.shown.send_if_modified(|shown| match active {
            true => shown.active.insert(contact),
            false => shown.active.remove(&contact),
        });
        self.change(contact.into(), active);
    }

    fn change(&self, input: Input, active: bool) {
        let edge = Edge { input, active, at: clock::now() };
        if let Err(error) = self.edge.try_send(edge) {
            let (TrySendError::Full(edge) | TrySendError::Closed(edge)) = error;
            tracing::warn!(input = %edge.input, active, "edge lost: the door does not read its lines");
        }
    }
}

fn router(door: Door) -> Router {
    let file = |kind, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../../app/panel/index.html")))
        .route("/panel.js", file("text/javascript; charset=utf-8", include_str!("../../app/panel/panel.js")))
        .route("/panel.css", file("text/css; charset=utf-8", include_str!("../../app/panel/panel.css")))
        .route("/socket", get(take_socket))
        .route("/press/{id}", post(press))
        .route("/line/{name}", post(line))
        .layer(middleware::from_fn_with_state(door.clone(), only_own_pages))
        .with_state(door)
}

/// Refuses pages of other origins, also those whose name was made to point here (DNS rebinding).
async fn only_own_pages(State(door): State<Door>, request: Request, next: Next) -> Response {
    if !is_own(request.headers(), door.address) {
        return (StatusCode::FORBIDDEN, "this page is for this machine only\n").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

fn is_own(headers: &HeaderMap, address: SocketAddr) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let from_here = |origin: &str| origin.strip_prefix("http://").is_some_and(|host| is_own_host(host, address));
    text(header::HOST).is_some_and(|host| is_own_host(host, address)) && text(header::ORIGIN).is_none_or(from_here)
}

fn is_own_host(host: &str, address: SocketAddr) -> bool {
    host == address.to_string()
        || host.strip_prefix("localhost:").is_some_and(|port| port == address.port().to_string())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PressQuery {
    /// Milliseconds.
    hold: Option<u64>,
}

/// For those without a mouse: `curl -X POST http://127.0.0.1:8481/press/flat-1?hold=2000`.
async fn press(State(door): State<Door>, Path(id): Path<String>, Query(query): Query<PressQuery>) -> Response {
    let Some(button) = id.parse().ok().filter(|id| door.layout.has(id)) else {
        let known: Vec<&str> = door.layout.buttons.iter().map(|button| button.id.as_str()).collect();
        return (StatusCode::NOT_FOUND, format!("no such button; there is {}\n", known.join(", "))).into_response();
    };
    let hold = Duration::from_millis(query.hold.unwrap_or(100)).min(LONGEST_HOLD);
    // On its own task: a caller who hangs up must not leave a finger on the button.
    let finger = tokio::spawn(async move {
        door.touch(&button, true);
        tokio::time::sleep(hold).await;
        door.touch(&button, false);
    });
    match finger.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineQuery {
    active: bool,
}

/// `curl -X POST http://127.0.0.1:8481/line/door-contact?active=true`.
async fn line(State(door): State<Door>, Path(name): Path<String>, Query(query): Query<LineQuery>) -> Response {
    let Some(contact) = Wire::named(&name) else {
        return (StatusCode::NOT_FOUND, "no such line; there is door-contact, request-to-exit, tamper\n")
            .into_response();
    };
    door.switch(contact, query.active);
    StatusCode::NO_CONTENT.into_response()
}

async fn take_socket(State(door): State<Door>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    // A browser always says where its page comes from; whether that is here, was asked before.
    if !headers.contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "a socket needs an origin\n").into_response();
    }
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(move |socket| serve_socket(door, socket)).into_response()
}

async fn serve_socket(door: Door, mut socket: WebSocket) {
    let mut pressed: Vec<ButtonId> = Vec::new();
    let mut shown = door.shown.subscribe();
    shown.mark_changed();
    let mut alive = tell(&mut socket, &Told::Layout(&door.layout)).await;
    while alive {
        alive = tokio::select! {
            changed = shown.changed() => {
                let picture = shown.borrow_and_update().clone();
                changed.is_ok() && tell(&mut socket, &Told::Shown(&picture)).await
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => hear(&door, &mut pressed, &text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
                Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => false,
            },
        };
    }
    // A closed page has no finger.
    for button in pressed {
        door.touch(&button, false);
    }
}

/// Whether the page makes sense.
fn hear(door: &Door, pressed: &mut Vec<ButtonId>, text: &str) -> bool {
    match serde_json::from_str(text) {
        Ok(Said::Press(button)) if door.layout.has(&button) => {
            door.touch(&button, true);
            pressed.push(button);
            true
        }
        Ok(Said::Release(button)) if door.layout.has(&button) => {
            door.touch(&button, false);
            pressed.retain(|other| *other != button);
            true
        }
        Ok(Said::Switch(Switch { input, active })) => {
            door.switch(input, active);
            true
        }
        Ok(Said::Press(_) | Said::Release(_)) | Err(_) => false,
    }
}

/// Whether the page is still there.
async fn tell(socket: &mut WebSocket, told: &Told<'_>) -> bool {
    let Ok(text) = serde_json::to_string(told) else { return false };
    socket.send(Message::Text(text.into())).await.is_ok()
}
