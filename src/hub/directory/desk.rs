//! The directory while the hub runs: a thread that reads and changes the tables, and a picture that everybody looks at.
//!
//! `doorward hub …` changes the same file; that is noticed within a second.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tracing::{error, info};

use super::Directory;
use super::tables::{DirectoryError, Invitation, NewDevice, Tables};
use crate::clock;
use crate::hub::auth::{self, SecretHash};
use crate::hub::push::subscription::Subscription;
use crate::hub::store::StoreError;
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

#[derive(Debug)]
enum Job {
    Redeem {
        invitation: Invitation,
        secret: SecretHash,
        device_name: String,
        answer: oneshot::Sender<Result<Option<Admission>, DirectoryError>>,
    },
    Revoke {
        device: DeviceId,
        answer: oneshot::Sender<Result<(), DirectoryError>>,
    },
    SetRules {
        uid: Uid,
        rules: OwnRules,
        answer: oneshot::Sender<Result<(), DirectoryError>>,
    },
    Subscribe {
        device: DeviceId,
        subscription: Arc<Subscription>,
        answer: oneshot::Sender<Result<(), DirectoryError>>,
    },
    Unsubscribe {
        device: DeviceId,
        only: Option<Arc<Subscription>>,
        answer: oneshot::Sender<Result<(), DirectoryError>>,
    },
}

impl Desk {
    /// Opens the directory below this state directory and starts its thread. It stops with the last handle.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn open(state_directory: &Path) -> Result<Self, StoreError> {
        let mut tables = Tables::open(state_directory)?;
        let version = tables.version()?;
        let (told, directory) = watch::channel(Arc::new(tables.read()?));
        let (jobs, inbox) = channel();
        let mut keeper = Keeper { tables, version, told };
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

    /// Redeems an invitation: makes up a device and its credential. Nothing if there is no such invitation. The answer comes
    /// when it is on the disk.
    ///
    /// # Errors
    /// The device's name is not allowed, or the database fails.
    pub async fn redeem(
        &self,
        invitation: Invitation,
        secret: SecretHash,
        device_name: String,
    ) -> Result<Option<Admission>, DirectoryError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Redeem { invitation, secret, device_name, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Takes a device's credential away, also when somebody else just did. The answer comes when it is on the disk and the
    /// picture shows it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke(&self, device: DeviceId) -> Result<(), DirectoryError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Revoke { device, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Sets when it does not ring at a resident's. The answer comes when it is on the disk and the picture shows it.
    ///
    /// # Errors
    /// The resident is not there any more, or the database fails.
    pub async fn set_rules(&self, uid: Uid, rules: OwnRules) -> Result<(), DirectoryError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::SetRules { uid, rules, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Keeps where a device can be woken by push. The answer comes when it is on the disk and the picture shows it.
    ///
    /// # Errors
    /// The device is not there any more, or the database fails.
    pub async fn subscribe(&self, device: DeviceId, subscription: Subscription) -> Result<(), DirectoryError> {
        let (answer, answered) = oneshot::channel();
        let subscription = Arc::new(subscription);
        self.jobs.send(Job::Subscribe { device, subscription, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// A device is not woken any more; with `only`, if it is still woken there.
    ///
    /// # Errors
    /// The database fails.
    pub async fn unsubscribe(&self, device: DeviceId, only: Option<Arc<Subscription>>) -> Result<(), DirectoryError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Unsubscribe { device, only, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// The thread is gone.
fn closed() -> DirectoryError {
    DirectoryError::Unknown("directory any more".to_owned())
}

struct Keeper {
    tables: Tables,
    version: i64,
    told: watch::Sender<Arc<Directory>>,
}

impl Keeper {
    fn run(&mut self, inbox: &Receiver<Job>) {
        loop {
            match inbox.recv_timeout(LOOK) {
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The picture before the answer: the device comes back with its credential at once, and a revoked one is refused. Who
    /// asked may be gone by then; a device that nobody knows of can be revoked.
    fn work(&mut self, job: Job) {
        match job {
            Job::Redeem { invitation, secret, device_name, answer } => {
                let result = self.redeem(invitation, &secret, device_name);
                if matches!(result, Ok(Some(_))) {
                    self.read();
                }
                drop(answer.send(result));
            }
            Job::Revoke { device, answer } => {
                let result = match self.tables.revoke_device(&device) {
                    Ok(()) | Err(DirectoryError::Unknown(_)) => Ok(()),
                    Err(error) => Err(error),
                };
                self.done(result, answer);
            }
            Job::SetRules { uid, rules, answer } => {
                let result = self.tables.set_rules(&uid, &rules);
                self.done(result, answer);
            }
            Job::Subscribe { device, subscription, answer } => {
                let result = self.tables.subscribe(&device, &subscription);
                self.done(result, answer);
            }
            Job::Unsubscribe { device, only, answer } => {
                let result = self.tables.unsubscribe(&device, only.as_deref());
                self.done(result, answer);
            }
        }
    }

    fn done(&mut self, result: Result<(), DirectoryError>, answer: oneshot::Sender<Result<(), DirectoryError>>) {
        if result.is_ok() {
            self.read();
        }
        drop(answer.send(result));
    }

    fn redeem(
        &mut self,
        invitation: Invitation,
        secret: &SecretHash,
        name: String,
    ) -> Result<Option<Admission>, DirectoryError> {
        let device_id = auth::make_device_id();
        let (credential, hash) = auth::make_credential(&device_id);
        let device = NewDevice { device_id: device_id.clone(), name, credential: hash };
        let redeemed = self.tables.redeem(invitation, secret, &device, clock::wall())?;
        Ok(redeemed.map(|(uid, name)| {
            info!(%uid, %device_id, "device admitted");
            Admission { credential, device_id, uid, name }
        }))
    }

    fn look(&mut self) {
        match self.tables.version() {
            Ok(version) if version == self.version => {}
            Ok(version) => {
                self.version = version;
                self.read();
            }
            Err(error) => error!(%error, "the directory cannot be read"),
        }
    }

    fn read(&mut self) {
        match self.tables.read() {
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
