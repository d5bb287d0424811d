//! What a device sets for itself and its user: paths below `/v1/me`. Nobody sets anything for somebody else here.

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::HeaderMap;
use axum::routing::get;

use super::answer::{Done, Json, Refused};
use super::directory::Kind;
use super::http::{caller, read_body, unchanged};
use super::interface::Interface;
use super::orders::unauthorized;
use super::server::Peer;
use crate::ids::{DeviceId, Uid};
use crate::signaling::protocol::{ErrorCode, Refusal};
use crate::signaling::push::{PushBody, PushState};
use crate::signaling::rules::OwnRules;

/// The paths.
pub fn paths() -> Router<Interface> {
    Router::new()
        .route("/v1/me/device/push", get(push).put(subscribe).delete(unsubscribe))
        .route("/v1/me/rules", get(rules).put(set_rules))
}

// ---------------------------------------------------------------------------------------------------------------- rules

async fn rules(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<OwnRules>, Refused> {
    let device = caller(&interface, &peer, &headers)?;
    let (_, rules) = own_rules(&interface, &device)?;
    Ok(Json(rules))
}

/// For the next ring: one that is on its way goes on.
async fn set_rules(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Json<OwnRules>, Refused> {
    let device = caller(&interface, &peer, request.headers())?;
    interface.count_verb(&device)?;
    let (uid, _) = own_rules(&interface, &device)?;
    let rules: OwnRules = read_body(request).await?;
    check_rules(&rules)?;
    interface.desk.set_rules(device, uid, rules.clone()).await.map_err(|error| unchanged(&error))?;
    Ok(Json(rules))
}

/// Whether these can be kept.
pub(super) fn check_rules(rules: &OwnRules) -> Result<(), Refused> {
    if rules.quiet_hours.is_some_and(|hours| hours.from == hours.to) {
        return Err(Refused::bad("`quietHours` begin when they end: leave them out, or use `doNotDisturb`"));
    }
    Ok(())
}

fn own_rules(interface: &Interface, device: &DeviceId) -> Result<(Uid, OwnRules), Refusal> {
    let directory = interface.handle.directory();
    let (uid, user) = directory.user_of(device).ok_or_else(unauthorized)?;
    match user.kind {
        Kind::Resident { .. } => Ok((uid.clone(), user.rules.clone())),
        Kind::Door { .. } => Err(Refusal::new(ErrorCode::ErrForbidden, "this is for residents, not for doors")),
    }
}

// ----------------------------------------------------------------------------------------------------------------- push

async fn push(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<PushState>, Refused> {
    let device = caller(&interface, &peer, &headers)?;
    let directory = interface.handle.directory();
    let subscribed = directory.devices.get(&device).is_some_and(|device| device.subscription.is_some());
    let key = interface.office.as_ref().map(|office| office.public_key().to_owned());
    Ok(Json(PushState { subscribed: subscribed && key.is_some(), application_server_key: key }))
}

/// The answer comes when it is on the disk, and the next ring wakes the phone.
async fn subscribe(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Done, Refused> {
    let device = caller(&interface, &peer, request.headers())?;
    interface.count_verb(&device)?;
    own_rules(&interface, &device)?;
    let body: PushBody = read_body(request).await?;
    let Some(office) = &interface.office else {
        return Err(Refusal::new(ErrorCode::ErrNotFound, "this hub sends no pushes").into());
    };
    let subscription = office.read(&body).map_err(|unfit| Refused::bad(unfit.to_string()))?;
    interface.desk.subscribe(device, subscription).await.map(|()| Done).map_err(|error| unchanged(&error))
}

async fn unsubscribe(
    State(interface): State<Interface>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Done, Refused> {
    let device = caller(&interface, &peer, &headers)?;
    interface.count_verb(&device)?;
    interface.desk.unsubscribe(device, None).await.map(|()| Done).map_err(|error| unchanged(&error))
}
