//! The directory while the hub runs: a thread that reads and changes the tables, and a picture that everybody looks at.
//!
//! `doorward hub …` changes the same file; that is noticed within a second.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tracing::{error, info};

use super::Directory;
use super::tables::{DirectoryError, Invitation};
use crate::hub::administration::Administration;
use crate::hub::auth::SecretHash;
use crate::hub::push::subscription::Subscription;
use crate::hub::store::StoreError;
use crate::hub::trail::Actor;
use crate::ids::{DeviceId, Uid};
use crate::signaling::identity::Admission;
use crate::signaling::rules::OwnRules;

/// How often the file is looked at for changes by others: a revoked device is closed this soon.
const LOOK: Duration = Duration::from_millis(500);

/// The way to the directory's thread.
#[derive(Debug, Clone)]
pub struct Desk {
    jobs: Sender<Job>,
    directory: watch::Receiver<Arc<Directory>>,
}

type Job = Box<dyn FnOnce(&mut Keeper) + Send>;

impl Desk {
    /// Reads the directory and starts its thread. It stops with the last handle.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn open(mut administration: Administration) -> Result<Self, StoreError> {
        let version = administration.version()?;
        let (told, directory) = watch::channel(Arc::new(administration.directory()?));
        let (jobs, inbox) = channel();
        let mut keeper = Keeper { administration, version, told };
        std::thread::Builder::new()
            .name("hub-directory".to_owned())
            .spawn(move || keeper.run(&inbox))
            .map_err(|error| StoreError::File { path: "thread hub-directory".to_owned(), error })?;
        Ok(Self { jobs, directory })
    }

    /// The picture, and word of every change.
    #[must_use]
    pub fn directory(&self) -> watch::Receiver<Arc<Directory>> {
        self.directory.clone()
    }

    /// Does something in somebody's name. The answer comes when it is on the disk and the picture shows it.
    ///
    /// # Errors
    /// What it gives, or the thread is gone.
    pub async fn administer<T: Send + 'static>(
        &self,
        actor: Actor,
        work: impl FnOnce(&mut Administration) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let (answer, answered) = oneshot::channel();
        let job = move |keeper: &mut Keeper| {
            keeper.administration.act_as(actor);
            let result = work(&mut keeper.administration);
            // The picture before the answer: the device comes back with its credential at once, and a revoked one is refused.
            keeper.look();
            // Who asked may be gone by then; a device that nobody knows of can be revoked.
            drop(answer.send(result));
        };
        self.jobs.send(Box::new(job)).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Redeems an invitation: makes up a device and its credential. Nothing if there is no such invitation.
    ///
    /// # Errors
    /// The device's name is not allowed, or the database fails.
    pub async fn redeem(
        &self,
        actor: Actor,
        invitation: Invitation,
        secret: SecretHash,
        device_name: String,
    ) -> Result<Option<Admission>, DirectoryError> {
        let redeemed = self
            .administer(actor, move |administration| administration.redeem(invitation, &secret, device_name))
            .await?;
        if let Some(Admission { uid, device_id, .. }) = &redeemed {
            info!(%uid, %device_id, "device admitted");
        }
        Ok(redeemed)
    }

    /// A device gives its credential back, also when somebody else just took it away.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke(&self, device: DeviceId) -> Result<(), DirectoryError> {
        let work = {
            let device = device.clone();
            move |administration: &mut Administration| administration.revoke_device(&device)
        };
        match self.administer(Actor::Device(device), work).await {
            Ok(()) | Err(DirectoryError::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A device showed its next credential. Nobody waits for it.
    pub fn settle_renewal(&self, device: DeviceId) {
        let job = move |keeper: &mut Keeper| {
            keeper.administration.act_as(Actor::Device(device.clone()));
            if let Err(error) = keeper.administration.settle_renewal(&device) {
                error!(%error, "a renewed credential cannot be settled");
            }
            keeper.look();
        };
        // Without the thread the hub is stopping, and the next one settles it.
        drop(self.jobs.send(Box::new(job)));
    }

    /// Sets when it does not ring at a resident's. The answer comes when it is on the disk and the picture shows it.
    ///
    /// # Errors
    /// The resident is not there any more, or the database fails.
    pub async fn set_rules(&self, device: DeviceId, uid: Uid, rules: OwnRules) -> Result<(), DirectoryError> {
        self.administer(Actor::Device(device), move |administration| administration.set_rules(&uid, &rules)).await
    }

    /// Keeps where a device can be woken by push. The answer comes when it is on the disk and the picture shows it.
    ///
    /// # Errors
    /// The device is not there any more, or the database fails.
    pub async fn subscribe(&self, device: DeviceId, subscription: Subscription) -> Result<(), DirectoryError> {
        let actor = Actor::Device(device.clone());
        self.administer(actor, move |administration| administration.subscribe(&device, &subscription)).await
    }

    /// A device is not woken any more; with `only`, if it is still woken there.
    ///
    /// # Errors
    /// The database fails.
    pub async fn unsubscribe(&self, device: DeviceId, only: Option<Arc<Subscription>>) -> Result<(), DirectoryError> {
        let actor = Actor::Device(device.clone());
        self.administer(actor, move |administration| administration.unsubscribe(&device, only.as_deref())).await
    }
}

/// The thread is gone.
fn closed() -> DirectoryError {
    DirectoryError::Unknown("directory any more".to_owned())
}

struct Keeper {
    administration: Administration,
    version: (i64, u64),
    told: watch::Sender<Arc<Directory>>,
}

impl Keeper {
    fn run(&mut self, inbox: &Receiver<Job>) {
        loop {
            match inbox.recv_timeout(LOOK) {
                Ok(job) => job(self),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) {
        match self.administration.version() {
            Ok(version) if version == self.version => {}
            Ok(version) => {
                self.version = version;
                self.read();
            }
            Err(error) => error!(%error, "the directory cannot be read"),
        }
    }

    fn read(&mut self) {
        match self.administration.directory() {
            Ok(directory) => {
                let changed = |known: &mut Arc<Directory>| {
                    let changed = **known != directory;
                    if changed {
                        *known = Arc::new(directory);
                    }
                    changed
                };
                self.told.send_if_modified(changed);
            }
            Err(error) => error!(%error, "the directory cannot be read"),
        }
    }
}
