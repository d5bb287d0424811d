//! What the HTTP paths and the event sockets share: who is asking, how often they may, and where the answers come from.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use tracing::{info, warn};

use super::answer::too_many;
use super::audit::Copies;
use super::directory::desk::Desk;
use super::history::History;
use super::limits::{Bucket, Buckets, Guesses};
use super::metrics::Metrics;
use super::orders::Handle;
use super::push::Office;
use crate::clock;
use crate::ids::DeviceId;
use crate::signaling::protocol::{ErrorCode, Refusal};

/// Names of which the rate is known at one time.
const NAMES: usize = 16 * 1024;

/// The hub, as its paths and sockets see it.
#[derive(Debug, Clone)]
pub struct Interface {
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
    limits: Arc<Mutex<Limits>>,
}

#[derive(Debug)]
struct Limits {
    /// Credentials that were wrong, by address.
    logins: Buckets<IpAddr>,
    /// Verbs, by device.
    verbs: Buckets<DeviceId>,
    /// Pairing codes and enrolment tokens.
    guesses: Guesses,
}

impl Interface {
    /// Of this loop and this directory.
    #[must_use]
    pub fn new(
        handle: Handle,
        desk: Desk,
        history: History,
        copies: Copies,
        office: Option<Arc<Office>>,
        heartbeat: Duration,
        metrics: Metrics,
    ) -> Self {
        let limits = Limits {
            logins: Buckets::new(Bucket::new(20, Duration::from_secs(2)), NAMES),
            verbs: Buckets::new(Bucket::new(60, Duration::from_millis(100)), NAMES),
            guesses: Guesses::default(),
        };
        Self { handle, desk, history, copies, office, heartbeat, metrics, limits: Arc::new(Mutex::new(limits)) }
    }

    /// The device that shows this credential. One that is right is always let in, so nobody can lock out somebody else; who
    /// shows wrong ones too often hears only that.
    ///
    /// # Errors
    /// It is not known.
    pub fn log_in(&self, address: IpAddr, credential: &str) -> Result<DeviceId, Refusal> {
        self.handle.identify(credential).map_err(|refusal| {
            match self.limits().logins.take(clock::now(), address) {
                Ok(()) => {
                    info!("a credential was refused");
                    refusal
                }
                // Silent: a flood of logins must not become a flood of log lines.
                Err(wait) => too_many("too many wrong credentials from this address", wait),
            }
        })
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
        let taken = self.limits().verbs.take(clock::now(), device.clone());
        taken.map_err(|wait| too_many("too many requests of this device", wait))
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
            Some(lock) => warn!(seconds = lock.as_secs(), "an address is locked out after wrong codes"),
        }
    }

    /// An address had a right code.
    pub fn guessed_right(&self, address: IpAddr) {
        self.limits().guesses.right(address);
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
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
