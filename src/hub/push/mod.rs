//! Push: wakes phones whose app is closed, by the push services of their browsers (RFC 8030).
//!
//! ```text
//!  exchange ── Notify ───▶ Push ──▶ an errand per phone and call ─▶ post ─▶ push service ─▶ phone
//!           ── Withdraw ─▶                │
//!  loop ◀── Order::Notified ──────────────┘  (and dead subscriptions to the directory)
//! ```
//!
//! The loop hands over and goes on: whatever the services do, no call waits for them. Errands are bounded in number, and of
//! each service a few are on the way at one time.

mod errand;
mod post;
pub mod seal;
pub mod subscription;
pub mod vapid;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::directory::Directory;
use super::directory::desk::Desk;
use super::metrics::Metrics;
use super::orders::Handle;
use super::store::StoreError;
use crate::config::push::{PushTable, Service};
use crate::ids::{DeviceId, SessionId};
use crate::signaling::protocol::Call;
use crate::signaling::push::{PushBody, PushMessage};
use errand::{Errand, Stage};
use post::Post;
use subscription::{Subscription, Unfit, service_of};
use vapid::Sender;

/// Errands at one time: phones that are being woken. Each takes some kilobytes.
const ERRANDS: usize = 4096;

/// Messages on their way to one service at one time.
const AT_ONCE: usize = 32;

/// Phones whose service asked for a rest, remembered at one time.
const RESTING: usize = 1024;

/// Why push cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The key.
    #[error(transparent)]
    Key(#[from] StoreError),
    /// The HTTP client.
    #[error("{0}")]
    Post(#[from] reqwest::Error),
}

/// What every errand needs.
#[derive(Debug)]
pub struct Office {
    post: Post,
    sender: Sender,
    services: Vec<Service>,
    /// Of each service, in the same order.
    lanes: Vec<Semaphore>,
    places: Arc<Semaphore>,
    resting: Mutex<BTreeMap<DeviceId, Instant>>,
    repeat: Duration,
    handle: Handle,
    desk: Desk,
    metrics: Metrics,
}

impl Office {
    /// With the key of this state directory.
    ///
    /// # Errors
    /// The key cannot be read or made.
    pub fn open(
        table: &PushTable,
        state: &Path,
        handle: Handle,
        desk: Desk,
        metrics: Metrics,
    ) -> Result<Self, PushError> {
        let services: Vec<Service> = table.services.iter().filter_map(|text| Service::read(text)).collect();
        Ok(Self {
            post: Post::new()?,
            sender: Sender::open(state, &table.contact)?,
            lanes: services.iter().map(|_| Semaphore::new(AT_ONCE)).collect(),
            services,
            places: Arc::new(Semaphore::new(ERRANDS)),
            resting: Mutex::default(),
            repeat: table.repeat,
            handle,
            desk,
            metrics,
        })
    }

    /// The public key that phones subscribe with.
    #[must_use]
    pub fn public_key(&self) -> &str {
        self.sender.public_key()
    }

    /// Reads what a phone sent.
    ///
    /// # Errors
    /// It is not fit.
    pub fn read(&self, body: &PushBody) -> Result<Subscription, Unfit> {
        Subscription::read(body, &self.services)
    }

    /// The lane of the service where a phone is to be woken, and its origin. None, if the operator took it off the list.
    fn lane(&self, to: &Subscription) -> Option<(usize, String)> {
        let (service, origin) = service_of(to.endpoint.expose(), &self.services).ok()?;
        Some((self.services.iter().position(|known| known == service)?, origin))
    }

    /// Waits until a message to this phone may leave.
    async fn turn(&self, device_id: &DeviceId, lane: usize) -> SemaphorePermit<'_> {
        let rested = self.resting().get(device_id).copied();
        if let Some(rested) = rested {
            sleep_until(rested).await;
        }
        self.lanes[lane].acquire().await.expect("it is never closed")
    }

    fn rest(&self, device_id: &DeviceId, rest: Duration) {
        let mut resting = self.resting();
        let now = Instant::now();
        resting.retain(|_, until| *until > now);
        if resting.len() < RESTING {
            resting.insert(device_id.clone(), now + rest);
        }
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeviceId, Instant>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's side of push: which errands are on their way.
#[derive(Debug, Default)]
pub struct Push {
    office: Option<Arc<Office>>,
    errands: BTreeMap<(SessionId, DeviceId), watch::Sender<Stage>>,
}

impl Push {
    /// Of this office; without one nothing is ever sent.
    #[must_use]
    pub fn new(office: Option<Arc<Office>>) -> Self {
        Self { office, errands: BTreeMap::new() }
    }

    /// Whether this hub wakes phones.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.office.is_some()
    }

    /// A call rings these phones.
    pub fn wake(&mut self, directory: &Directory, call: &Call, rings_for: Duration, devices: &[DeviceId]) {
        let until = Instant::now() + rings_for;
        for device_id in devices {
            let ring = PushMessage::Ring { session_id: call.session_id, door: call.initiator.name.clone() };
            self.begin(directory, call.session_id, device_id, Stage::Rings(until), Some(ring));
        }
    }

    /// A call rings these phones no more; `by` knows that.
    pub fn withdraw(&mut self, directory: &Directory, call: &Call, devices: &[DeviceId], by: Option<&DeviceId>) {
        let session_id = call.session_id;
        for device_id in devices {
            let door = call.initiator.name.clone();
            let over = Stage::Over(PushMessage::Over { session_id, door, status: call.status });
            let stage = if by == Some(device_id) { Stage::Known } else { over };
            match self.errands.remove(&(session_id, device_id.clone())) {
                Some(errand) => drop(errand.send_replace(stage)),
                None if stage == Stage::Known => {}
                // Of before the hub's start, mostly.
                None => self.begin(directory, session_id, device_id, stage, None),
            }
        }
    }

    fn begin(
        &mut self,
        directory: &Directory,
        session_id: SessionId,
        device_id: &DeviceId,
        stage: Stage,
        ring: Option<PushMessage>,
    ) {
        let Some(office) = &self.office else { return };
        let subscription = directory.devices.get(device_id).and_then(|device| device.subscription.clone());
        let Some(to) = subscription else { return };
        let Some((lane, origin)) = office.lane(&to) else { return };
        let Ok(place) = office.places.clone().try_acquire_owned() else {
            warn!(limit = ERRANDS, "as many phones are being woken as allowed; one more is left asleep");
            return;
        };
        let (told, stage) = watch::channel(stage);
        let rings = ring.is_some();
        let office = office.clone();
        let errand =
            Errand { office, session_id, device_id: device_id.clone(), to, lane, origin, stage, _place: place };
        tokio::spawn(errand.run(ring));
        if rings {
            self.errands.insert((session_id, device_id.clone()), told);
        }
    }
}
