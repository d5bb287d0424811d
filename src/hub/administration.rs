//! Administration of the directory: what `doorward hub user|group|door|device …` does, as functions. They change the file of a
//! hub that may be running; it notices within a second.

use std::path::Path;
use std::time::Duration;

use super::auth;
use super::directory::Directory;
use super::directory::tables::{DirectoryError, Invitation, NewDevice, Tables};
use super::store::StoreError;
use crate::clock;
use crate::ids::{DeviceId, Guid, Uid};
use crate::redacted::Redacted;
use crate::signaling::identity::Admission;
use crate::signaling::rules::OwnRules;

/// How long a pairing code can be used, once.
pub const PAIRING_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long an enrolment token can be used, once.
pub const ENROLMENT_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The directory, open for an administrator.
#[derive(Debug)]
pub struct Administration {
    tables: Tables,
}

impl Administration {
    /// Of the hub with this state directory. Makes it if it is not there.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn open(state_directory: &Path) -> Result<Self, StoreError> {
        Ok(Self { tables: Tables::open(state_directory)? })
    }

    /// Everybody and everything there is.
    ///
    /// # Errors
    /// The database fails.
    pub fn directory(&mut self) -> Result<Directory, StoreError> {
        self.tables.read()
    }

    /// Adds a group.
    ///
    /// # Errors
    /// It exists, or the database fails.
    pub fn add_group(&mut self, guid: &Guid, name: &str, joinable: bool) -> Result<(), DirectoryError> {
        self.tables.add_group(guid, name, joinable)
    }

    /// Removes a group.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn remove_group(&mut self, guid: &Guid) -> Result<(), DirectoryError> {
        self.tables.remove_group(guid)
    }

    /// Adds a resident to the directory and to groups.
    ///
    /// # Errors
    /// The user exists, a group does not, or the database fails.
    pub fn add_user(&mut self, uid: &Uid, name: &str, groups: &[Guid]) -> Result<(), DirectoryError> {
        self.tables.add_resident(uid, name, groups, clock::wall())
    }

    /// Makes a resident a member of a group.
    ///
    /// # Errors
    /// One of them is not there, or the database fails.
    pub fn join(&mut self, uid: &Uid, guid: &Guid) -> Result<(), DirectoryError> {
        self.tables.add_member(guid, uid, clock::wall())
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn leave(&mut self, uid: &Uid, guid: &Guid) -> Result<(), DirectoryError> {
        self.tables.remove_member(guid, uid)
    }

    /// Sets when it does not ring at a resident's.
    ///
    /// # Errors
    /// There is no such resident, or the database fails.
    pub fn set_rules(&mut self, uid: &Uid, rules: &OwnRules) -> Result<(), DirectoryError> {
        self.tables.set_rules(uid, rules)
    }

    /// Sets whether a resident may see doors before they answer.
    ///
    /// # Errors
    /// There is no such resident, or the database fails.
    pub fn set_user_looks(&mut self, uid: &Uid, looks: bool) -> Result<(), DirectoryError> {
        self.tables.set_user_looks(uid, looks)
    }

    /// Sets whether the members of a group may see doors before they answer.
    ///
    /// # Errors
    /// There is no such group, or the database fails.
    pub fn set_group_looks(&mut self, guid: &Guid, looks: bool) -> Result<(), DirectoryError> {
        self.tables.set_group_looks(guid, looks)
    }

    /// Sets how long after the first ones it rings at a member of a group.
    ///
    /// # Errors
    /// There is no such member, or the database fails.
    pub fn set_turn(&mut self, guid: &Guid, uid: &Uid, after: Duration) -> Result<(), DirectoryError> {
        self.tables.set_turn(guid, uid, millis(after))
    }

    /// Adds a door that may ring these groups and users.
    ///
    /// # Errors
    /// The user exists, a receiver does not, or the database fails.
    pub fn add_door(&mut self, uid: &Uid, name: &str, groups: &[Guid], users: &[Uid]) -> Result<(), DirectoryError> {
        self.tables.add_door(uid, name, groups, users)
    }

    /// Removes a resident or a door with all devices; their connections are closed and their part in calls ends.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn revoke_user(&mut self, uid: &Uid) -> Result<(), DirectoryError> {
        self.tables.remove_user(uid)
    }

    /// Makes up a code with which one phone becomes a device of this resident.
    ///
    /// # Errors
    /// There is no such resident, or the database fails.
    pub fn pair(&mut self, uid: &Uid) -> Result<Redacted<String>, DirectoryError> {
        let (code, hash) = auth::make_pairing_code();
        let now = clock::wall();
        self.tables.invite(Invitation::Pairing, uid, &hash, now, now + millis(PAIRING_LIFETIME))?;
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
        Ok(token)
    }

    /// Adds a device at once, without an invitation: for a station or phone in the same hands as the hub, such as a demo's.
    ///
    /// # Errors
    /// There is no such user, or the database fails.
    pub fn add_device(&mut self, uid: &Uid, name: &str) -> Result<Admission, DirectoryError> {
        let device_id = auth::make_device_id();
        let (credential, hash) = auth::make_credential(&device_id);
        let device = NewDevice { device_id: device_id.clone(), name: name.to_owned(), credential: hash };
        let name = self.tables.add_device(uid, &device, clock::wall())?;
        Ok(Admission { credential, device_id, uid: uid.clone(), name })
    }

    /// Takes a device's credential away; its connections are closed and its part in calls ends.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn revoke_device(&mut self, device: &DeviceId) -> Result<(), DirectoryError> {
        self.tables.revoke_device(device)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
