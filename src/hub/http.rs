//! The hub's paths: verbs and questions in, calls and refusals out. It checks the form of what comes in, never the rules of a
//! call. Every answer with a status of 400 and above is an [`ErrorBody`](crate::signaling::protocol::ErrorBody).

use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use serde::de::DeserializeOwned;
use tower::Service as _;
use tracing::error;

use super::admin;
use super::answer::{Done, Jpeg, Json, Refused};
use super::app;
use super::audit::AuditError;
use super::directory::Kind;
use super::directory::tables::{DirectoryError, Invitation};
use super::history::{Concern, PAGE};
use super::interface::{Interface, check_origin};
use super::orders::{Order, unauthorized};
use super::server::Peer;
use super::trail::Actor;
use super::{auth, health, own, socket};
use crate::ids::{DeviceId, SessionId};
use crate::signaling::identity::{Admission, CallsBody, EnrolBody, Me, PairBody};
use crate::signaling::protocol::{
    AuditBody, AuditKept, Call, CallBody, ErrorCode, InitiateBody, MAX_FRAME, MAX_METADATA_ENTRIES, MAX_METADATA_TEXT,
    Metadata, Refusal, SessionToken, Trace, Verb, VerbAnswer, VerbBody, VerbRequest,
};

/// A body has to be there this soon after its head.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

type Answer<T> = Result<Json<T>, Refused>;

/// A ring: the one path on which somebody waits at a door.
const RING: &str = "/v1/calls";

/// Every request passes here before a path is looked for, but for those to the listener for monitoring.
#[derive(Debug, Clone)]
pub struct Gate {
    interface: Interface,
    paths: Router,
}

impl Gate {
    /// Before all paths of the hub.
    #[must_use]
    pub fn new(interface: Interface) -> Self {
        Self { paths: paths(interface.clone()), interface }
    }

    /// Answers. Every refusal is a figure for the operator.
    pub async fn answer(self, peer: Peer, request: Request) -> Response {
        let metrics = self.interface.metrics.clone();
        let response = self.pass(peer, request).await;
        if let Some(code) = response.extensions().get() {
            metrics.refused(*code);
        }
        response
    }

    /// What holds for every path of the interface: no foreign page asks, and no secret stands in an address, where logs and
    /// histories would keep it.
    async fn pass(mut self, peer: Peer, mut request: Request) -> Response {
        let path = request.uri().path();
        if path.strip_prefix("/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && let Err(refusal) = check_origin(request.headers()).and_then(|()| check_query(request.uri()))
        {
            return Refused::from(refusal).into_response();
        }
        // Straight on: in the time that the search among the others takes, several phones are rung.
        if path == RING && request.method() == Method::POST {
            return initiate(State(self.interface), Extension(peer), request).await.into_response();
        }
        request.extensions_mut().insert(peer);
        let Ok(response) = self.paths.call(request).await;
        response
    }
}

fn paths(interface: Interface) -> Router {
    // Whole paths: where one is cut off before the next is looked at, every request makes itself another address.
    Router::new()
        .route("/v1/audit", post(keep_audit))
        .route(RING, post(initiate).get(history))
        .route("/v1/calls/active", get(active))
        .route("/v1/calls/{session}", get(call))
        .route("/v1/calls/{session}/still", get(still))
        .route("/v1/calls/{session}/token", post(token))
        .route("/v1/calls/{session}/trace", post(keep_trace).get(trace))
        .route("/v1/calls/{session}/{verb}", post(verb))
        .route("/v1/events", get(socket::open))
        .route("/v1/me", get(me))
        .route("/v1/me/credential", post(renew))
        .route("/v1/me/device", delete(forget_device))
        .merge(own::paths())
        .route("/v1/pair", post(pair))
        .route("/v1/enrol", post(enrol))
        .route("/v1", any(nothing_here))
        .route("/v1/", any(nothing_here))
        .route("/v1/{*path}", any(nothing_here))
        .nest("/v1/admin", admin::router().fallback(nothing_here))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(app::file)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(interface)
}

fn check_query(uri: &Uri) -> Result<(), Refusal> {
    let known = |pair: &str| matches!(pair.split('=').next(), Some("" | "before" | "door" | "limit" | "status"));
    match uri.query() {
        Some(query) if !query.split('&').all(known) => Err(Refusal::new(
            ErrorCode::ErrBadRequest,
            "a query key that is not known; known are `before`, `door`, `limit` and `status`, and credentials travel in the Authorization header",
        )),
        Some(_) | None => Ok(()),
    }
}

async fn nothing_here() -> Refused {
    Refusal::new(ErrorCode::ErrNotFound, "there is nothing at this address").into()
}

async fn method_not_allowed(method: Method) -> Refused {
    let refusal = Refusal::new(ErrorCode::ErrBadRequest, format!("{method} is not allowed here; see the Allow header"));
    Refused::with_status(refusal, StatusCode::METHOD_NOT_ALLOWED)
}

// ---------------------------------------------------------------------------------------------------------------- verbs

async fn initiate(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Answer<CallBody> {
    let device = caller(&interface, &peer, request.headers())?;
    interface.count_verb(&device)?;
    let InitiateBody { key, receiver, call_type, metadata } = read_body(request).await?;
    check_metadata(&metadata)?;
    let request = VerbRequest { key, verb: Verb::Initiate { receiver, call_type, metadata } };
    called(ask(&interface, &device, request).await?)
}

async fn verb(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    Path((session, name)): Path<(String, String)>,
    request: Request,
) -> Answer<CallBody> {
    let device = caller(&interface, &peer, request.headers())?;
    interface.count_verb(&device)?;
    let body: VerbBody = read_body(request).await?;
    check_metadata(&body.metadata)?;
    let (session_id, key) = (session_id(&session)?, body.key.clone());
    let verb = read_verb(&name, session_id, body)?;
    let answer = ask(&interface, &device, VerbRequest { key, verb }).await;
    called(or_history(&interface, &device, session_id, answer).await?)
}

fn read_verb(name: &str, session_id: SessionId, body: VerbBody) -> Result<Verb, Refused> {
    Ok(match name {
        "accept" => Verb::Accept { session_id },
        "end" => Verb::End { session_id, reason: body.reason },
        "door-report" => {
            Verb::ReportDoor { session_id, report: body.report.ok_or_else(|| Refused::bad("`report` is missing"))? }
        }
        "open" => {
            let missing = || Refused::bad("`nonce` is missing; ask the door for one");
            Verb::Open { session_id, nonce: body.nonce.ok_or_else(missing)? }
        }
        "press-waiting" => Verb::PressWaiting { session_id, metadata: body.metadata },
        "reject" => {
            let missing = || Refused::bad("`status` is missing; allowed: busy, cancelled, rejected");
            Verb::Reject { session_id, status: body.status.ok_or_else(missing)? }
        }
        "show-still" => {
            Verb::ShowStill { session_id, still: body.still.ok_or_else(|| Refused::bad("`still` is missing"))? }
        }
        _other => {
            let message = "there is no such verb; known are accept, door-report, end, open, press-waiting, reject, \
                           show-still and token";
            return Err(Refusal::new(ErrorCode::ErrNotFound, message).into());
        }
    })
}

/// A door's lines are on the disk before it hears that they are kept.
async fn keep_audit(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Answer<AuditKept> {
    let device = caller(&interface, &peer, request.headers())?;
    interface.count_verb(&device)?;
    let AuditBody { lines, .. } = read_body(request).await?;
    let directory = interface.handle.directory();
    let (door, user) = directory.user_of(&device).ok_or_else(unauthorized)?;
    if !matches!(user.kind, Kind::Door { .. }) {
        return Err(Refusal::new(ErrorCode::ErrForbidden, "only doors keep an audit log").into());
    }
    let (door, copies) = (door.clone(), interface.copies.clone());
    let kept = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    match tokio::task::spawn_blocking(move || copies.keep(&door, &lines)).await {
        Ok(Ok(notices)) if notices.is_empty() => {}
        Ok(Ok(notices)) => interface.handle.tell(Order::Notice { device, notices }).await,
        Ok(Err(AuditError::Store(error))) => {
            error!(%error, "an audit log cannot be kept");
            return Err(internal("the audit log cannot be kept"));
        }
        Ok(Err(error @ (AuditError::Line(..) | AuditError::Many(_)))) => return Err(Refused::bad(error.to_string())),
        Err(error) => {
            error!(%error, "the keeping of an audit log failed");
            return Err(internal("the audit log cannot be kept"));
        }
    }
    Ok(Json(AuditKept { kept }))
}

/// How long what took in a call that is over, from its door.
async fn keep_trace(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    Path(session): Path<String>,
    request: Request,
) -> Result<Done, Refused> {
    let device = caller(&interface, &peer, request.headers())?;
    interface.count_verb(&device)?;
    let VerbBody { key, trace, .. } = read_body(request).await?;
    let (session_id, trace) = (session_id(&session)?, trace.ok_or_else(|| Refused::bad("`trace` is missing"))?);
    let verb = Verb::KeepTrace { session_id, trace };
    match ask(&interface, &device, VerbRequest { key, verb }).await? {
        VerbAnswer::Kept => Ok(Done),
        VerbAnswer::Call(_) | VerbAnswer::Token(_) => Err(internal("something else came where a trace was kept")),
    }
}

async fn trace(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Answer<Trace> {
    let device = caller(&interface, &peer, &headers)?;
    let session_id = session_id(&session)?;
    let concern = Concern::of(&interface.handle.directory(), &device).ok_or_else(unauthorized)?;
    let trace = interface.history.trace(concern, session_id).await?;
    trace.map(Json).ok_or_else(|| Refusal::new(ErrorCode::ErrNotFound, "there is no trace of this call").into())
}

async fn token(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    Path(session): Path<String>,
    request: Request,
) -> Answer<SessionToken> {
    let device = caller(&interface, &peer, request.headers())?;
    interface.count_verb(&device)?;
    let VerbBody { key, .. } = read_body(request).await?;
    let session_id = session_id(&session)?;
    let answer = ask(&interface, &device, VerbRequest { key, verb: Verb::GenerateToken { session_id } }).await;
    match or_history(&interface, &device, session_id, answer).await? {
        VerbAnswer::Token(token) => Ok(Json(token)),
        VerbAnswer::Call(_) | VerbAnswer::Kept => Err(internal("a call came where a token was asked for")),
    }
}

async fn ask(interface: &Interface, device: &DeviceId, request: VerbRequest) -> Result<VerbAnswer, Refusal> {
    let (device, request) = (device.clone(), Box::new(request));
    let answer = interface.handle.ask(|answer| Order::Verb { device, request, answer }).await;
    // Those who are told by it hear it first. This task may stand before theirs in the queue.
    tokio::task::yield_now().await;
    answer
}

fn called(answer: VerbAnswer) -> Answer<CallBody> {
    match answer {
        VerbAnswer::Call(call) => Ok(Json(CallBody { call: *call })),
        VerbAnswer::Token(_) | VerbAnswer::Kept => Err(internal("a token came where a call was asked for")),
    }
}

/// A call that the loop has forgotten is over, and the history still knows how.
async fn or_history<T>(
    interface: &Interface,
    device: &DeviceId,
    session_id: SessionId,
    answer: Result<T, Refusal>,
) -> Result<T, Refused> {
    let refusal = match answer {
        Ok(answer) => return Ok(answer),
        Err(refusal) => refusal,
    };
    if refusal.code == ErrorCode::ErrCallSessionNotFound
        && let Some(call) = past_call(interface, device, session_id).await?
    {
        return Err(Refusal::new(ErrorCode::ErrCallTerminated, "the call is over").with_call(call).into());
    }
    Err(refusal.into())
}

async fn past_call(interface: &Interface, device: &DeviceId, session_id: SessionId) -> Result<Option<Call>, Refusal> {
    let concern = Concern::of(&interface.handle.directory(), device).ok_or_else(unauthorized)?;
    interface.history.call(concern, session_id).await
}

// ------------------------------------------------------------------------------------------------------------ questions

async fn call(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Answer<CallBody> {
    let device = caller(&interface, &peer, &headers)?;
    let session_id = session_id(&session)?;
    let asking = device.clone();
    let answer = interface.handle.ask(|answer| Order::ReadCall { device: asking, session_id, answer }).await;
    match answer {
        Ok(call) => Ok(Json(CallBody { call })),
        Err(refusal) if refusal.code == ErrorCode::ErrCallSessionNotFound => {
            let call = past_call(&interface, &device, session_id).await?.ok_or(refusal)?;
            Ok(Json(CallBody { call }))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// What the door of a call saw: of one that is not over, or as the history has it.
async fn still(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Jpeg, Refused> {
    let device = caller(&interface, &peer, &headers)?;
    let session_id = session_id(&session)?;
    let asking = device.clone();
    let refusal = match interface.handle.ask(|answer| Order::ReadStill { device: asking, session_id, answer }).await {
        Ok(still) => return Ok(Jpeg(still.jpeg().to_vec())),
        Err(refusal) => refusal,
    };
    let concern = Concern::of(&interface.handle.directory(), &device).ok_or_else(unauthorized)?;
    let kept = interface.history.still(concern, session_id).await?;
    Ok(Jpeg(kept.ok_or(refusal)?))
}

async fn active(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Answer<CallsBody> {
    let device = caller(&interface, &peer, &headers)?;
    let calls = interface.handle.ask(|answer| Order::ReadActive { device, answer }).await?;
    Ok(Json(CallsBody { calls }))
}

async fn history(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<CallsBody> {
    let device = caller(&interface, &peer, &headers)?;
    let before = query_number(&uri, "before")?;
    let limit = query_number(&uri, "limit")?.map_or(PAGE, |limit| u32::try_from(limit).unwrap_or(PAGE));
    let concern = Concern::of(&interface.handle.directory(), &device).ok_or_else(unauthorized)?;
    Ok(Json(CallsBody { calls: interface.history.page(concern, before, limit).await? }))
}

async fn me(State(interface): State<Interface>, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Answer<Me> {
    let device = caller(&interface, &peer, &headers)?;
    Ok(Json(interface.handle.ask(|answer| Order::ReadMe { device, answer }).await?))
}

/// The value of a query key: words of the protocol, which need no escapes.
pub(super) fn query_word(uri: &Uri, key: &str) -> Option<String> {
    let mut pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, value)| *name == key && !value.is_empty()).map(|(_, value)| value.to_owned())
}

pub(super) fn query_number(uri: &Uri, key: &str) -> Result<Option<u64>, Refused> {
    let Some(value) = query_word(uri, key) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| Refused::bad(format!("`{key}` is not a whole number")))
}

// -------------------------------------------------------------------------------------------------- joining and leaving

async fn pair(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Answer<Admission> {
    interface.may_guess(peer.address)?;
    let PairBody { code, device_name } = read_body(request).await?;
    redeem(&interface, &peer, Invitation::Pairing, auth::read_pairing_code(code.expose()), device_name).await
}

async fn enrol(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Answer<Admission> {
    interface.may_guess(peer.address)?;
    let EnrolBody { token } = read_body(request).await?;
    let secret = auth::read_enrolment_token(token.expose());
    redeem(&interface, &peer, Invitation::Enrolment, secret, "door station".to_owned()).await
}

async fn redeem(
    interface: &Interface,
    peer: &Peer,
    invitation: Invitation,
    secret: Option<auth::SecretHash>,
    device_name: String,
) -> Answer<Admission> {
    let redeemed = match secret {
        Some(secret) => interface.desk.redeem(Actor::Address(peer.address), invitation, secret, device_name).await,
        None => Ok(None),
    };
    match redeemed {
        Ok(Some(admission)) => {
            interface.guessed_right(peer.address);
            Ok(Json(admission))
        }
        Ok(None) => {
            interface.guessed_wrong(peer.address);
            let message = "the code is wrong, was used already, or is too old; ask for a new one";
            Err(Refusal::new(ErrorCode::ErrPairingCodeInvalid, message).into())
        }
        Err(error @ DirectoryError::Name(_)) => Err(Refused::bad(error.to_string())),
        Err(error) => Err(unchanged(&error)),
    }
}

/// A device asks for its next credential. The one it has stays good until it shows the next one.
async fn renew(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Answer<Admission> {
    let device = caller(&interface, &peer, &headers)?;
    interface.count_verb(&device)?;
    let actor = Actor::Device(device.clone());
    let renewed = interface.desk.administer(actor, move |administration| administration.renew(&device)).await;
    renewed.map(Json).map_err(|error| unchanged(&error))
}

/// A device gives its own credential back. The loop learns it from the directory, as of any other revocation.
async fn forget_device(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Done, Refused> {
    let device = caller(&interface, &peer, &headers)?;
    interface.desk.revoke(device).await.map(|()| Done).map_err(|error| unchanged(&error))
}

pub(super) fn unchanged(error: &DirectoryError) -> Refused {
    error!(%error, "the directory cannot be changed");
    internal("the directory cannot be changed")
}

// --------------------------------------------------------------------------------------------------------------- bodies

pub(super) fn caller(interface: &Interface, peer: &Peer, headers: &HeaderMap) -> Result<DeviceId, Refused> {
    let device = interface.caller(peer.address, headers)?;
    peer.patience.device_known();
    Ok(device)
}

/// An id that is none is an id that nobody has.
fn session_id(text: &str) -> Result<SessionId, Refused> {
    text.parse().map_err(|_| Refusal::new(ErrorCode::ErrCallSessionNotFound, "there is no such call").into())
}

pub(super) async fn read_body<T: DeserializeOwned>(request: Request) -> Result<T, Refused> {
    let body = axum::body::to_bytes(request.into_body(), MAX_FRAME);
    let bytes = match tokio::time::timeout(BODY_DEADLINE, body).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let message = format!("the body is larger than {MAX_FRAME} bytes, or broke off");
            return Err(Refusal::new(ErrorCode::ErrPayloadTooLarge, message).into());
        }
        Err(_) => {
            return Err(Refused::with_status(
                Refusal::new(ErrorCode::ErrBadRequest, "the body did not come in time"),
                StatusCode::REQUEST_TIMEOUT,
            ));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| Refused::bad(format!("the body is not as documented: {error}")))
}

fn check_metadata(metadata: &Metadata) -> Result<(), Refused> {
    let long = |text: &String| text.chars().count() > MAX_METADATA_TEXT;
    if metadata.len() > MAX_METADATA_ENTRIES || metadata.iter().any(|(key, value)| long(key) || long(value)) {
        let found = metadata.len();
        return Err(Refused::bad(format!(
            "`metadata` has {found} entries, or a long one; allowed are {MAX_METADATA_ENTRIES} of {MAX_METADATA_TEXT} characters"
        )));
    }
    Ok(())
}

fn internal(message: &str) -> Refused {
    Refusal::new(ErrorCode::ErrInternal, message).into()
}
