//! The paths below `/v1/admin`: administration of the directory, the calls and the audit logs, for who shows an administrator's
//! credential. It checks the form of what comes in; [`Administration`] does it and notes who did.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, FromRequestParts, Path, Request};
use axum::http::Uri;
use axum::http::request::Parts;
use axum::routing::{delete, get, post, put};
use serde::{Deserialize, Serialize};
use tracing::error;

use super::administration::{Administration, ENROLMENT_LIFETIME, LATEST_TURN, PAIRING_LIFETIME};
use super::answer::{Done, Json, Refused};
use super::audit;
use super::directory::tables::DirectoryError;
use super::directory::{Directory, Group, Kind};
use super::history::{Filter, PAGE};
use super::http::{query_number, query_word, read_body};
use super::interface::Interface;
use super::orders::Order;
use super::own::check_rules;
use super::server::Peer;
use super::trail::{self, Actor, Note};
use crate::ids::{AdministratorId, DeviceId, Guid, IdError, Uid};
use crate::redacted::Redacted;
use crate::signaling::identity::CallsBody;
use crate::signaling::protocol::{Call, ErrorCode, Receiver, Refusal};
use crate::signaling::rules::OwnRules;

type Answer<T> = Result<Json<T>, Refused>;

/// The paths, below `/v1/admin`.
pub fn router() -> Router<Interface> {
    Router::new()
        .route("/me", get(me))
        .route("/directory", get(directory))
        .route("/groups/{guid}", put(add_group).delete(remove_group))
        .route("/groups/{guid}/looks", put(set_group_looks))
        .route("/groups/{guid}/members/{uid}", put(join).delete(leave))
        .route("/groups/{guid}/members/{uid}/turn", put(set_turn))
        .route("/residents/{uid}", put(add_resident).delete(remove_user))
        .route("/residents/{uid}/erase", post(erase))
        .route("/residents/{uid}/looks", put(set_looks))
        .route("/residents/{uid}/rules", put(set_rules))
        .route("/residents/{uid}/pair", post(pair))
        .route("/doors/{uid}", put(add_door).delete(remove_user))
        .route("/doors/{uid}/enrol", post(enrol))
        .route("/doors/{uid}/{kind}/{receiver}", put(allow).delete(deny))
        .route("/devices/{device}", delete(revoke_device))
        .route("/calls", get(calls))
        .route("/audit", get(door_audit))
        .route("/trail", get(hub_trail))
}

// -------------------------------------------------------------------------------------------------------- who is asking

/// Somebody who showed an administrator's credential.
struct Administrator {
    id: AdministratorId,
    interface: Interface,
}

impl FromRequestParts<Interface> for Administrator {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, interface: &Interface) -> Result<Self, Refused> {
        let peer = Extension::<Peer>::from_request_parts(parts, interface).await;
        let address = peer.as_ref().map_or(IpAddr::from([0, 0, 0, 0]), |Extension(peer)| peer.address);
        let id = interface.administrator(address, &parts.headers)?;
        interface.count_administration(&id)?;
        if let Ok(Extension(peer)) = peer {
            peer.patience.device_known();
        }
        Ok(Self { id, interface: interface.clone() })
    }
}

impl Administrator {
    async fn does<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Administration) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, Refused> {
        let done = self.interface.desk.administer(Actor::Administrator(self.id.clone()), work).await;
        done.map_err(|error| match error {
            DirectoryError::Exists(_) | DirectoryError::Name(_) => Refused::bad(error.to_string()),
            DirectoryError::Unknown(_) => Refusal::new(ErrorCode::ErrNotFound, error.to_string()).into(),
            DirectoryError::Store(_) => {
                error!(%error, "the directory cannot be changed");
                Refusal::new(ErrorCode::ErrInternal, "the directory cannot be changed").into()
            }
        })
    }
}

/// An id that is none is an id that nobody has.
fn id<T: FromStr<Err = IdError>>(text: &str) -> Result<T, Refused> {
    text.parse().map_err(|error| Refused::bad(format!("`{text}` {error}")))
}

fn receiver(kind: &str, text: &str) -> Result<Receiver, Refused> {
    match kind {
        "groups" => Ok(Receiver::Group(id(text)?)),
        "users" => Ok(Receiver::User(id(text)?)),
        _other => Err(Refusal::new(ErrorCode::ErrNotFound, "a door has `groups` and `users`").into()),
    }
}

// ------------------------------------------------------------------------------------------------------------- pictures

#[derive(Serialize)]
struct AdministratorView {
    id: AdministratorId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryView {
    version: &'static str,
    groups: Vec<GroupView>,
    residents: Vec<ResidentView>,
    doors: Vec<DoorView>,
    devices: Vec<DeviceView>,
    administrators: BTreeSet<AdministratorId>,
}

#[derive(Serialize)]
struct GroupView {
    guid: Guid,
    name: String,
    joinable: bool,
    looks: bool,
    members: BTreeSet<Uid>,
    /// Seconds after which it rings at members that do not come first.
    turns: BTreeMap<Uid, u64>,
}

#[derive(Serialize)]
struct ResidentView {
    uid: Uid,
    name: Arc<str>,
    groups: Vec<Guid>,
    online: bool,
    looks: bool,
    rules: OwnRules,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DoorView {
    uid: Uid,
    name: Arc<str>,
    online: bool,
    receivers: Vec<ReceiverView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_call: Option<Call>,
}

/// Whom a door rings, and whether they may open it.
#[derive(Serialize)]
struct ReceiverView {
    #[serde(flatten)]
    receiver: Receiver,
    opens: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceView {
    device_id: DeviceId,
    uid: Uid,
    name: String,
    added: u64,
    online: bool,
}

fn view(directory: &Directory, online: &BTreeSet<DeviceId>, last: &mut BTreeMap<Uid, Call>) -> DirectoryView {
    let is_online = |devices: &BTreeSet<DeviceId>| devices.iter().any(|device| online.contains(device));
    let mut picture = DirectoryView {
        version: env!("CARGO_PKG_VERSION"),
        groups: Vec::new(),
        residents: Vec::new(),
        doors: Vec::new(),
        devices: Vec::new(),
        administrators: directory.administrators.keys().cloned().collect(),
    };
    for (guid, group) in &directory.groups {
        let turns = group.turns.iter().map(|(uid, turn)| (uid.clone(), turn / 1000)).collect();
        let (name, members) = (group.name.clone(), group.members.clone());
        let Group { joinable, looks, .. } = *group;
        picture.groups.push(GroupView { guid: guid.clone(), name, joinable, looks, members, turns });
    }
    for (uid, user) in &directory.users {
        let (uid, name, online) = (uid.clone(), user.name.clone(), is_online(&user.devices));
        match &user.kind {
            Kind::Resident { groups } => {
                let (groups, looks, rules) = (groups.keys().cloned().collect(), user.looks, user.rules.clone());
                picture.residents.push(ResidentView { uid, name, groups, online, looks, rules });
            }
            Kind::Door { groups, users } => {
                let groups = groups.iter().cloned().map(Receiver::Group);
                let receivers = groups.chain(users.iter().cloned().map(Receiver::User));
                let opens = |receiver: &Receiver| !directory.barred.contains(&(uid.clone(), receiver.clone()));
                let receivers = receivers.map(|receiver| ReceiverView { opens: opens(&receiver), receiver }).collect();
                let last_call = last.remove(&uid);
                picture.doors.push(DoorView { uid, name, online, receivers, last_call });
            }
        }
    }
    for (device_id, device) in &directory.devices {
        let (uid, name, online) = (device.uid.clone(), device.name.clone(), online.contains(device_id));
        picture.devices.push(DeviceView { device_id: device_id.clone(), uid, name, added: device.added, online });
    }
    picture
}

async fn me(administrator: Administrator) -> Answer<AdministratorView> {
    Ok(Json(AdministratorView { id: administrator.id }))
}

async fn directory(Administrator { interface, .. }: Administrator) -> Answer<DirectoryView> {
    let online = interface.handle.ask(|answer| Order::ReadOnline { answer }).await?;
    let mut last = interface.history.last_of_doors().await?;
    Ok(Json(view(&interface.handle.directory(), &online, &mut last)))
}

// -------------------------------------------------------------------------------------------------------------- changes

#[derive(Deserialize)]
struct GroupBody {
    name: String,
    #[serde(default)]
    joinable: bool,
}

async fn add_group(administrator: Administrator, Path(guid): Path<String>, request: Request) -> Result<Done, Refused> {
    let GroupBody { name, joinable } = read_body(request).await?;
    let guid: Guid = id(&guid)?;
    administrator.does(move |administration| administration.add_group(&guid, &name, joinable)).await.map(|()| Done)
}

async fn remove_group(administrator: Administrator, Path(guid): Path<String>) -> Result<Done, Refused> {
    let guid: Guid = id(&guid)?;
    administrator.does(move |administration| administration.remove_group(&guid)).await.map(|()| Done)
}

async fn join(administrator: Administrator, Path((guid, uid)): Path<(String, String)>) -> Result<Done, Refused> {
    let (guid, uid): (Guid, Uid) = (id(&guid)?, id(&uid)?);
    administrator.does(move |administration| administration.join(&uid, &guid)).await.map(|()| Done)
}

async fn leave(administrator: Administrator, Path((guid, uid)): Path<(String, String)>) -> Result<Done, Refused> {
    let (guid, uid): (Guid, Uid) = (id(&guid)?, id(&uid)?);
    administrator.does(move |administration| administration.leave(&uid, &guid)).await.map(|()| Done)
}

#[derive(Deserialize)]
struct UserBody {
    name: String,
    #[serde(default)]
    groups: Vec<Guid>,
    /// Of a door: users it rings alone.
    #[serde(default)]
    users: Vec<Uid>,
}

async fn add_resident(
    administrator: Administrator,
    Path(uid): Path<String>,
    request: Request,
) -> Result<Done, Refused> {
    let UserBody { name, groups, .. } = read_body(request).await?;
    let uid: Uid = id(&uid)?;
    administrator.does(move |administration| administration.add_user(&uid, &name, &groups)).await.map(|()| Done)
}

async fn add_door(administrator: Administrator, Path(uid): Path<String>, request: Request) -> Result<Done, Refused> {
    let UserBody { name, groups, users } = read_body(request).await?;
    let uid: Uid = id(&uid)?;
    administrator.does(move |administration| administration.add_door(&uid, &name, &groups, &users)).await.map(|()| Done)
}

async fn remove_user(administrator: Administrator, Path(uid): Path<String>) -> Result<Done, Refused> {
    let uid: Uid = id(&uid)?;
    administrator.does(move |administration| administration.revoke_user(&uid)).await.map(|()| Done)
}

#[derive(Serialize)]
struct ErasedView {
    records: usize,
    pseudonym: Uid,
}

async fn erase(administrator: Administrator, Path(uid): Path<String>) -> Answer<ErasedView> {
    let uid: Uid = id(&uid)?;
    let (records, pseudonym) = administrator.does(move |administration| administration.erase_resident(&uid)).await?;
    Ok(Json(ErasedView { records, pseudonym }))
}

#[derive(Deserialize)]
struct AllowBody {
    #[serde(default = "yes")]
    opens: bool,
}

const fn yes() -> bool {
    true
}

async fn allow(
    administrator: Administrator,
    Path((door, kind, whom)): Path<(String, String, String)>,
    request: Request,
) -> Result<Done, Refused> {
    let AllowBody { opens } = read_body(request).await?;
    let (door, receiver): (Uid, _) = (id(&door)?, receiver(&kind, &whom)?);
    administrator.does(move |administration| administration.allow(&door, &receiver, opens)).await.map(|()| Done)
}

async fn deny(
    administrator: Administrator,
    Path((door, kind, whom)): Path<(String, String, String)>,
) -> Result<Done, Refused> {
    let (door, receiver): (Uid, _) = (id(&door)?, receiver(&kind, &whom)?);
    administrator.does(move |administration| administration.deny(&door, &receiver)).await.map(|()| Done)
}

async fn set_rules(administrator: Administrator, Path(uid): Path<String>, request: Request) -> Result<Done, Refused> {
    let rules: OwnRules = read_body(request).await?;
    check_rules(&rules)?;
    let uid: Uid = id(&uid)?;
    administrator.does(move |administration| administration.set_rules(&uid, &rules)).await.map(|()| Done)
}

#[derive(Deserialize)]
struct LooksBody {
    looks: bool,
}

async fn set_looks(administrator: Administrator, Path(uid): Path<String>, request: Request) -> Result<Done, Refused> {
    let LooksBody { looks } = read_body(request).await?;
    let uid: Uid = id(&uid)?;
    administrator.does(move |administration| administration.set_user_looks(&uid, looks)).await.map(|()| Done)
}

async fn set_group_looks(
    administrator: Administrator,
    Path(guid): Path<String>,
    request: Request,
) -> Result<Done, Refused> {
    let LooksBody { looks } = read_body(request).await?;
    let guid: Guid = id(&guid)?;
    administrator.does(move |administration| administration.set_group_looks(&guid, looks)).await.map(|()| Done)
}

#[derive(Deserialize)]
struct TurnBody {
    /// Seconds.
    after: u64,
}

async fn set_turn(
    administrator: Administrator,
    Path((guid, uid)): Path<(String, String)>,
    request: Request,
) -> Result<Done, Refused> {
    let TurnBody { after } = read_body(request).await?;
    if Duration::from_secs(after) > LATEST_TURN {
        return Err(Refused::bad(format!("`after` is {after}; allowed are 0 to {} seconds", LATEST_TURN.as_secs())));
    }
    let (guid, uid, after): (Guid, Uid, _) = (id(&guid)?, id(&uid)?, Duration::from_secs(after));
    administrator.does(move |administration| administration.set_turn(&guid, &uid, after)).await.map(|()| Done)
}

async fn revoke_device(administrator: Administrator, Path(device): Path<String>) -> Result<Done, Refused> {
    let device: DeviceId = id(&device)?;
    administrator.does(move |administration| administration.revoke_device(&device)).await.map(|()| Done)
}

#[derive(Deserialize)]
struct PairRequest {
    /// The hub's address, as phones reach it.
    address: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PairingView {
    code: Redacted<String>,
    link: Redacted<String>,
    /// The link as a QR code, SVG.
    qr: Redacted<String>,
    expires_in: u64,
}

async fn pair(administrator: Administrator, Path(uid): Path<String>, request: Request) -> Answer<PairingView> {
    let PairRequest { address } = read_body(request).await?;
    let uid: Uid = id(&uid)?;
    let code = administrator.does(move |administration| administration.pair(&uid)).await?;
    let link = format!("{}/#pair={}", address.trim_end_matches('/'), code.expose());
    let qr = qrcode::QrCode::new(&link).map_err(|_| Refused::bad("`address` is too long for a QR code"))?;
    let qr = qr.render::<qrcode::render::svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(Json(PairingView { code, link: link.into(), qr: qr.into(), expires_in: PAIRING_LIFETIME.as_secs() }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnrolmentView {
    token: Redacted<String>,
    expires_in: u64,
}

async fn enrol(administrator: Administrator, Path(uid): Path<String>) -> Answer<EnrolmentView> {
    let uid: Uid = id(&uid)?;
    let token = administrator.does(move |administration| administration.enrol(&uid)).await?;
    Ok(Json(EnrolmentView { token, expires_in: ENROLMENT_LIFETIME.as_secs() }))
}

// ----------------------------------------------------------------------------------------------------------------- logs

async fn calls(Administrator { interface, .. }: Administrator, uri: Uri) -> Answer<CallsBody> {
    let filter = Filter { door: query_word(&uri, "door"), status: query_word(&uri, "status") };
    let calls = interface.history.all(filter, query_number(&uri, "before")?, limit(&uri, PAGE)?).await?;
    Ok(Json(CallsBody { calls }))
}

#[derive(Serialize)]
struct LinesView {
    lines: Vec<audit::Kept>,
}

async fn door_audit(Administrator { interface, .. }: Administrator, uri: Uri) -> Answer<LinesView> {
    let (door, before, limit) = (query_word(&uri, "door"), query_number(&uri, "before")?, limit(&uri, trail::PAGE)?);
    let copies = interface.copies.clone();
    let read = tokio::task::spawn_blocking(move || copies.page(door.as_deref(), before, limit)).await;
    Ok(Json(LinesView { lines: readable(read)? }))
}

#[derive(Serialize)]
struct NotesView {
    notes: Vec<Note>,
}

async fn hub_trail(Administrator { interface, .. }: Administrator, uri: Uri) -> Answer<NotesView> {
    let (before, limit) = (query_number(&uri, "before")?, limit(&uri, trail::PAGE)?);
    let trail = interface.trail.clone();
    let read = tokio::task::spawn_blocking(move || trail.page(before, limit)).await;
    Ok(Json(NotesView { notes: readable(read)? }))
}

fn limit(uri: &Uri, most: u32) -> Result<u32, Refused> {
    Ok(query_number(uri, "limit")?.map_or(most, |limit| u32::try_from(limit).unwrap_or(most).min(most)))
}

fn readable<T, E: std::fmt::Display>(read: Result<Result<T, E>, tokio::task::JoinError>) -> Result<T, Refused> {
    let failed = |error: &dyn std::fmt::Display| {
        error!(%error, "an audit log cannot be read");
        Refused::from(Refusal::new(ErrorCode::ErrInternal, "the audit log cannot be read"))
    };
    read.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}
