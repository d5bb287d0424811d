//! What the HTTP paths and the event sockets share: who is asking, how often they may, and where the answers come from.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use tracing::{info, warn};

use super::answer::too_many;
use super::audit::Copies;
use super::auth::read_administrator_credential;
use super::directory::desk::Desk;
use super::history::History;
use super::limits::{Bucket, Buckets, Guesses};
use super::metrics::Metrics;
use super::orders::{Handle, Identified};
use super::push::Office;
use super::trail::{Action, Actor, Trail};
use crate::clock;
use crate::ids::{AdministratorId, DeviceId, Uid};
use crate::signaling::protocol::{ErrorCode, Refusal};

/// Names of which the rate is known at one time.
const NAMES: usize = 16 * 1024;

/// The hub's parts, for whoever asks from outside.
#[derive(Debug)]
pub struct Parts {
    /// The loop.
    pub handle: Handle,
    /// Where invitations are redeemed.
    pub desk: Desk,
    /// Calls that are over.
    pub history: History,
    /// Copies of the doors' audit logs.
    pub copies: Copies,
    /// What wakes phones, if this hub does.
    pub office: Option<Arc<Office>>,
    /// How often a device says that it is there.
    pub heartbeat: Duration,
    /// The figures.
    pub metrics: Metrics,
    /// The hub's audit trail.
    pub trail: Trail,
}

/// The hub, as its paths and sockets see it. Every step of a request has a copy, so that is a pointer.
#[derive(Debug, Clone)]
pub struct Interface(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Parts,
    limits: Mutex<Limits>,
}

impl Deref for Interface {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

#[derive(Debug)]
struct Limits {
    /// Credentials that were wrong, by address.
    logins: Buckets<IpAddr>,
    /// Verbs, by device.
    verbs: Buckets<DeviceId>,
    /// Verbs, by user: more devices are no way around the limit.
    accounts: Buckets<Uid>,
    /// Requests below `/v1/admin`, by administrator: a script that adds two thousand flats is no flood.
    administrators: Buckets<AdministratorId>,
    /// Notes in the audit trail, by who and what: a flood must not become a flood of notes.
    notes: Buckets<(String, Action)>,
    /// Pairing codes and enrolment tokens.
    guesses: Guesses,
}

impl Interface {
    /// Of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let limits = Limits {
            logins: Buckets::new(Bucket::new(20, Duration::from_secs(2)), NAMES),
            verbs: Buckets::new(Bucket::new(60, Duration::from_millis(100)), NAMES),
            accounts: Buckets::new(Bucket::new(120, Duration::from_millis(50)), NAMES),
            administrators: Buckets::new(Bucket::new(200, Duration::from_millis(10)), 64),
            notes: Buckets::new(Bucket::new(1, Duration::from_secs(60)), 1024),
            guesses: Guesses::default(),
        };
        Self(Arc::new(Shared { parts, limits: Mutex::new(limits) }))
    }

    /// The device that shows this credential. One that is right is always let in, so nobody can lock out somebody else; who
    /// shows wrong ones too often hears only that.
    ///
    /// # Errors
    /// It is not known.
    pub fn log_in(&self, address: IpAddr, credential: &str) -> Result<DeviceId, Refusal> {
        let known = self.handle.identify(credential);
        match known {
            Ok(Identified { device, renewed }) => {
                if renewed {
                    self.desk.settle_renewal(device.clone());
                }
                Ok(device)
            }
            Err(refusal) => Err(self.wrong_credential(address, refusal)),
        }
    }

    /// The administrator that shows this credential.
    ///
    /// # Errors
    /// They show none, or a wrong one.
    pub fn administrator(&self, address: IpAddr, headers: &HeaderMap) -> Result<AdministratorId, Refusal> {
        let message = "no administrator's credential; show it as `Authorization: Bearer dwa1.…`";
        let refusal = Refusal::new(ErrorCode::ErrUnauthorized, message);
        let Some(credential) = bearer(headers)? else { return Err(refusal) };
        let directory = self.handle.directory();
        let known = read_administrator_credential(credential)
            .filter(|(id, shown)| directory.administrators.get(id).is_some_and(|known| known.matches(shown)));
        known.map(|(id, _)| id).ok_or_else(|| self.wrong_credential(address, refusal))
    }

    fn wrong_credential(&self, address: IpAddr, refusal: Refusal) -> Refusal {
        let taken = self.limits().logins.take(clock::now(), address);
        self.note(Actor::Address(address), Action::CredentialRefused, String::new());
        match taken {
            Ok(()) => {
                info!("a credential was refused");
                refusal
            }
            // Silent: a flood of logins must not become a flood of log lines.
            Err(wait) => {
                self.note(Actor::Address(address), Action::RateLimited, "wrong credentials".to_owned());
                too_many("too many wrong credentials from this address", wait)
            }
        }
    }

    /// Into the audit trail, each once a minute.
    fn note(&self, actor: Actor, action: Action, subject: String) {
        if self.limits().notes.take(clock::now(), (actor.to_string(), action)).is_ok() {
            self.trail.note_soon(actor, action, subject);
        }
    }

    /// The device of a request.
    ///
    /// # Errors
    /// It shows no credential, or a wrong one.
    pub fn caller(&self, address: IpAddr, headers: &HeaderMap) -> Result<DeviceId, Refusal> {
        let credential = bearer(headers)?.ok_or_else(|| {
            let message = "no credential; show it as `Authorization: Bearer dw1.…`";
            Refusal::new(ErrorCode::ErrUnauthorized, message)
        })?;
        self.log_in(address, credential)
    }

    /// Whether a device may send one more verb now.
    ///
    /// # Errors
    /// It sent too many.
    pub fn count_verb(&self, device: &DeviceId) -> Result<(), Refusal> {
        let account = self.handle.directory().devices.get(device).map(|device| device.uid.clone());
        let taken = self.take_verb(device, account.clone());
        if taken.is_err() {
            let subject = account.map(|account| account.to_string()).unwrap_or_default();
            self.note(Actor::Device(device.clone()), Action::RateLimited, subject);
        }
        taken
    }

    fn take_verb(&self, device: &DeviceId, account: Option<Uid>) -> Result<(), Refusal> {
        let (now, mut limits) = (clock::now(), self.limits());
        let of_device = limits.verbs.take(now, device.clone());
        of_device.map_err(|wait| too_many("too many requests of this device", wait))?;
        let of_account = account.map_or(Ok(()), |account| limits.accounts.take(now, account));
        of_account.map_err(|wait| too_many("too many requests of this user's devices", wait))
    }

    /// Whether an administrator may ask one more thing now.
    ///
    /// # Errors
    /// They asked too much.
    pub fn count_administration(&self, id: &AdministratorId) -> Result<(), Refusal> {
        let taken = self.limits().administrators.take(clock::now(), id.clone());
        if taken.is_err() {
            self.note(Actor::Administrator(id.clone()), Action::RateLimited, String::new());
        }
        taken.map_err(|wait| too_many("too many requests of this administrator", wait))
    }

    /// Whether an address may try a code now.
    ///
    /// # Errors
    /// It, or all together, tried too many.
    pub fn may_guess(&self, address: IpAddr) -> Result<(), Refusal> {
        let may = self.limits().guesses.may_guess(clock::now(), address);
        may.map_err(|wait| too_many("too many wrong codes", wait))
    }

    /// An address tried a wrong code.
    pub fn guessed_wrong(&self, address: IpAddr) {
        match self.limits().guesses.wrong(clock::now(), address) {
            None => info!("a pairing code or enrolment token was refused"),
            Some(lock) => {
                warn!(seconds = lock.as_secs(), "an address is locked out after wrong codes");
                let subject = format!("for {} s", lock.as_secs());
                self.trail.note_soon(Actor::Address(address), Action::AddressLockedOut, subject);
            }
        }
    }

    /// An address had a right code.
    pub fn guessed_right(&self, address: IpAddr) {
        self.limits().guesses.right(address);
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.0.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The credential of a request, if it shows one.
///
/// # Errors
/// The header is there and is something else.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let credential = value.to_str().ok().and_then(|text| text.split_once(' '));
    match credential {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(credential.trim())),
        Some(_) | None => {
            Err(Refusal::new(ErrorCode::ErrUnauthorized, "the Authorization header is not of the form `Bearer dw1.…`"))
        }
    }
}

/// Refuses what a page of another site asks for in the name of whoever looks at it. Programs send no `Origin`.
///
/// # Errors
/// The origin is another host.
pub fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let of_origin = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    match of_origin {
        Some(of_origin) if !host.is_empty() && of_origin.eq_ignore_ascii_case(host) => Ok(()),
        Some(_) | None => Err(Refusal::new(
            ErrorCode::ErrForbidden,
            "the Origin header names another host; only the hub's own pages may ask",
        )),
    }
}
