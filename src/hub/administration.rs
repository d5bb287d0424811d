//! Administration of the directory: what `doorward hub user|group|door|device …` and the paths below `/v1/admin` do, as
//! functions. Each change stands in the audit trail with who made it. Made by the command line, they change the file of a hub
//! that may be running; it notices within a second.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::auth;
use super::auth::SecretHash;
use super::directory::tables::{DirectoryError, Invitation, NewDevice, Tables};
use super::directory::{Directory, Kind, User};
use super::erasure::{self, Erased};
use super::push::subscription::Subscription;
use super::store::StoreError;
use super::trail::{Action, Actor, Trail};
use crate::clock;
use crate::config::hub::HistoryTable;
use crate::ids::{AdministratorId, DeviceId, Guid, Uid};
use crate::redacted::Redacted;
use crate::signaling::identity::Admission;
use crate::signaling::protocol::Receiver;
use crate::signaling::rules::OwnRules;

/// How late it can ring at a member of a group.
pub const LATEST_TURN: Duration = Duration::from_secs(120);
/// How long a pairing code can be used, once.
pub const PAIRING_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long an enrolment token can be used, once.
pub const ENROLMENT_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The directory, open for an administrator.
#[derive(Debug)]
pub struct Administration {
    tables: Tables,
    trail: Trail,
    actor: Actor,
    state_directory: PathBuf,
}

impl Administration {
    /// Of the hub with this state directory, for the command line. Makes it if it is not there.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn open(state_directory: &Path) -> Result<Self, StoreError> {
        let trail = Trail::open(state_directory, HistoryTable::default().keep_audit)?;
        Self::with_trail(state_directory, trail)
    }

    /// The same, noting in this trail.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn with_trail(state_directory: &Path, trail: Trail) -> Result<Self, StoreError> {
        let tables = Tables::open(state_directory)?;
        Ok(Self { tables, trail, actor: Actor::CommandLine, state_directory: state_directory.to_owned() })
    }

    /// For somebody else: what is done from now on is theirs.
    pub fn act_as(&mut self, actor: Actor) {
        self.actor = actor;
    }

    /// Everybody and everything there is.
    ///
    /// # Errors
    /// The database fails.
    pub fn directory(&mut self) -> Result<Directory, StoreError> {
        self.tables.read()
    }

    /// A number that changes with every change of the tables, whoever makes it.
    ///
    /// # Errors
    /// The database fails.
    pub fn version(&self) -> Result<(i64, u64), StoreError> {
        Ok((self.tables.version()?, self.tables.changes()))
    }

    /// Adds a group.
    ///
    /// # Errors
    /// It exists, or the database fails.
    pub fn add_group(&mut self, guid: &Guid, name: &str, joinable: bool) -> Result<(), DirectoryError> {
        self.tables.add_group(guid, name, joinable)?;
        self.note(Action::GroupAdded, guid.as_str())
    }

    /// Removes a group.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn remove_group(&mut self, guid: &Guid) -> Result<(), DirectoryError> {
        self.tables.remove_group(guid)?;
        self.note(Action::GroupRemoved, guid.as_str())
    }

    /// Adds a resident to the directory and to groups.
    ///
    /// # Errors
    /// The user exists, a group does not, or the database fails.
    pub fn add_user(&mut self, uid: &Uid, name: &str, groups: &[Guid]) -> Result<(), DirectoryError> {
        self.tables.add_resident(uid, name, groups, clock::wall())?;
        self.note(Action::ResidentAdded, uid.as_str())
    }

    /// Makes a resident a member of a group.
    ///
    /// # Errors
    /// One of them is not there, or the database fails.
    pub fn join(&mut self, uid: &Uid, guid: &Guid) -> Result<(), DirectoryError> {
        self.tables.add_member(guid, uid, clock::wall())?;
        self.note(Action::MemberAdded, &format!("{uid} to {guid}"))
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn leave(&mut self, uid: &Uid, guid: &Guid) -> Result<(), DirectoryError> {
        self.tables.remove_member(guid, uid)?;
        self.note(Action::MemberRemoved, &format!("{uid} of {guid}"))
    }

    /// Sets when it does not ring at a resident's.
    ///
    /// # Errors
    /// There is no such resident, or the database fails.
    pub fn set_rules(&mut self, uid: &Uid, rules: &OwnRules) -> Result<(), DirectoryError> {
        self.tables.set_rules(uid, rules)?;
        self.note(Action::RulesSet, uid.as_str())
    }

    /// Sets whether a resident may see doors before they answer.
    ///
    /// # Errors
    /// There is no such resident, or the database fails.
    pub fn set_user_looks(&mut self, uid: &Uid, looks: bool) -> Result<(), DirectoryError> {
        self.tables.set_user_looks(uid, looks)?;
        self.note(Action::LookingSet, uid.as_str())
    }

    /// Sets whether the members of a group may see doors before they answer.
    ///
    /// # Errors
    /// There is no such group, or the database fails.
    pub fn set_group_looks(&mut self, guid: &Guid, looks: bool) -> Result<(), DirectoryError> {
        self.tables.set_group_looks(guid, looks)?;
        self.note(Action::LookingSet, guid.as_str())
    }

    /// Sets how long after the first ones it rings at a member of a group.
    ///
    /// # Errors
    /// There is no such member, or the database fails.
    pub fn set_turn(&mut self, guid: &Guid, uid: &Uid, after: Duration) -> Result<(), DirectoryError> {
        self.tables.set_turn(guid, uid, millis(after))?;
        self.note(Action::TurnSet, &format!("{uid} of {guid}"))
    }

    /// Adds a door that may ring these groups and users.
    ///
    /// # Errors
    /// The user exists, a receiver does not, or the database fails.
    pub fn add_door(&mut self, uid: &Uid, name: &str, groups: &[Guid], users: &[Uid]) -> Result<(), DirectoryError> {
        self.tables.add_door(uid, name, groups, users)?;
        self.note(Action::DoorAdded, uid.as_str())
    }

    /// A door may ring this receiver; whether those who answer may open it.
    ///
    /// # Errors
    /// One of them is not there, or the database fails.
    pub fn allow(&mut self, door: &Uid, receiver: &Receiver, opens: bool) -> Result<(), DirectoryError> {
        self.tables.allow(door, receiver, opens)?;
        let opens = if opens { "who may open" } else { "who may not open" };
        self.note(Action::DoorChanged, &format!("{door} rings {receiver}, {opens}"))
    }

    /// A door may not ring this receiver any more.
    ///
    /// # Errors
    /// It did not, or the database fails.
    pub fn deny(&mut self, door: &Uid, receiver: &Receiver) -> Result<(), DirectoryError> {
        self.tables.deny(door, receiver)?;
        self.note(Action::DoorChanged, &format!("{door} rings {receiver} no more"))
    }

    /// Removes a resident or a door with all devices; their connections are closed and their part in calls ends.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn revoke_user(&mut self, uid: &Uid) -> Result<(), DirectoryError> {
        self.tables.remove_user(uid)?;
        self.note(Action::UserRevoked, uid.as_str())
    }

    /// Removes a resident with all devices, and takes them out of every record of the hub. In how many they were, and what
    /// stands there now. Who was removed before can still be erased.
    ///
    /// # Errors
    /// It is a door, or a database fails.
    pub fn erase_resident(&mut self, uid: &Uid) -> Result<(usize, Uid), DirectoryError> {
        let user = self.tables.read()?.users.swap_remove(uid);
        if let Some(User { kind: Kind::Door { .. }, .. }) = user {
            return Err(DirectoryError::Unknown(format!("resident {uid}")));
        }
        if user.is_some() {
            self.tables.remove_user(uid)?;
            self.tables.settle()?;
        }
        let (name, devices) = user.map(|user| (user.name.to_string(), user.devices)).unwrap_or_default();
        let erased = Erased::now(uid.clone(), name, devices);
        let records = erasure::erase(&self.state_directory, &erased)?;
        self.note(Action::ResidentErased, erased.pseudonym.as_str())?;
        Ok((records, erased.pseudonym))
    }

    /// Makes up a code with which one phone becomes a device of this resident.
    ///
    /// # Errors
    /// There is no such resident, or the database fails.
    pub fn pair(&mut self, uid: &Uid) -> Result<Redacted<String>, DirectoryError> {
        let (code, hash) = auth::make_pairing_code();
        let now = clock::wall();
        self.tables.invite(Invitation::Pairing, uid, &hash, now, now + millis(PAIRING_LIFETIME))?;
        self.note(Action::PairingMade, uid.as_str())?;
        Ok(code)
    }

    /// Makes up a token with which one station becomes the device of this door. The station it had is then revoked.
    ///
    /// # Errors
    /// There is no such door, or the database fails.
    pub fn enrol(&mut self, uid: &Uid) -> Result<Redacted<String>, DirectoryError> {
        let (token, hash) = auth::make_enrolment_token();
        let now = clock::wall();
        self.tables.invite(Invitation::Enrolment, uid, &hash, now, now + millis(ENROLMENT_LIFETIME))?;
        self.note(Action::EnrolmentMade, uid.as_str())?;
        Ok(token)
    }

    /// Redeems an invitation: makes up a device and its credential. Nothing if there is no such invitation.
    ///
    /// # Errors
    /// The device's name is not allowed, or the database fails.
    pub fn redeem(
        &mut self,
        invitation: Invitation,
        secret: &SecretHash,
        name: String,
    ) -> Result<Option<Admission>, DirectoryError> {
        let (device, credential) = new_device(name);
        let Some((uid, name)) = self.tables.redeem(invitation, secret, &device, clock::wall())? else {
            return Ok(None);
        };
        let device_id = device.device_id;
        self.note(Action::DeviceAdmitted, &format!("{device_id} of {uid}"))?;
        Ok(Some(Admission { credential, device_id, uid, name }))
    }

    /// Adds a device at once, without an invitation: for a station or phone in the same hands as the hub, such as a demo's.
    ///
    /// # Errors
    /// There is no such user, or the database fails.
    pub fn add_device(&mut self, uid: &Uid, name: &str) -> Result<Admission, DirectoryError> {
        let (device, credential) = new_device(name.to_owned());
        let name = self.tables.add_device(uid, &device, clock::wall())?;
        self.note(Action::DeviceAdded, &format!("{} of {uid}", device.device_id))?;
        Ok(Admission { credential, device_id: device.device_id, uid: uid.clone(), name })
    }

    /// Makes up a device's next credential. The one it has stays good until the next one is shown, so that an answer that
    /// gets lost locks nobody out.
    ///
    /// # Errors
    /// There is no such device, or the database fails.
    pub fn renew(&mut self, device_id: &DeviceId) -> Result<Admission, DirectoryError> {
        let (credential, hash) = auth::make_credential(device_id);
        let (uid, name) = self.tables.renew(device_id, &hash)?;
        Ok(Admission { credential, device_id: device_id.clone(), uid, name })
    }

    /// A device showed its next credential: the former one is worth nothing from now on.
    ///
    /// # Errors
    /// The database fails.
    pub fn settle_renewal(&mut self, device_id: &DeviceId) -> Result<(), DirectoryError> {
        match self.tables.settle_renewal(device_id)? {
            true => self.note(Action::CredentialRenewed, device_id.as_str()),
            false => Ok(()),
        }
    }

    /// Keeps where a device can be woken by push.
    ///
    /// # Errors
    /// The device is not there, or the database fails.
    pub fn subscribe(&mut self, device: &DeviceId, subscription: &Subscription) -> Result<(), DirectoryError> {
        self.tables.subscribe(device, subscription)
    }

    /// A device is not woken any more; with `only`, if it is still woken there.
    ///
    /// # Errors
    /// The database fails.
    pub fn unsubscribe(&mut self, device: &DeviceId, only: Option<&Subscription>) -> Result<(), DirectoryError> {
        self.tables.unsubscribe(device, only)
    }

    /// Takes a device's credential away; its connections are closed and its part in calls ends.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn revoke_device(&mut self, device: &DeviceId) -> Result<(), DirectoryError> {
        self.tables.revoke_device(device)?;
        self.note(Action::DeviceRevoked, device.as_str())
    }

    /// Adds an administrator, and makes up their credential.
    ///
    /// # Errors
    /// There is one of this id, or the database fails.
    pub fn add_administrator(&mut self, id: &AdministratorId) -> Result<Redacted<String>, DirectoryError> {
        let (credential, hash) = auth::make_administrator_credential(id);
        self.tables.add_administrator(id, &hash, clock::wall())?;
        self.note(Action::AdministratorAdded, id.as_str())?;
        Ok(credential)
    }

    /// Takes an administrator's credential away.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn revoke_administrator(&mut self, id: &AdministratorId) -> Result<(), DirectoryError> {
        self.tables.revoke_administrator(id)?;
        self.note(Action::AdministratorRevoked, id.as_str())
    }

    /// What was done is done: a trail that cannot be written stops nobody.
    #[expect(clippy::unnecessary_wraps, reason = "the last line of most changes")]
    fn note(&self, action: Action, subject: &str) -> Result<(), DirectoryError> {
        self.trail.note(&self.actor, action, subject);
        Ok(())
    }
}

fn new_device(name: String) -> (NewDevice, Redacted<String>) {
    let device_id = auth::make_device_id();
    let (text, credential) = auth::make_credential(&device_id);
    (NewDevice { device_id, name, credential }, text)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
