//! Where the directory is kept: SQLite tables, and every change that can be made to them. One call is one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{
    Connection, ErrorCode as SqlCode, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};

use super::{Device, Directory, Group, Kind, User, access};
use crate::hub::auth::SecretHash;
use crate::hub::push::subscription::Subscription;
use crate::hub::store::{self, Commit, StoreError};
use crate::ids::{DeviceId, Guid, IdError, Uid};
use crate::redacted::Redacted;
use crate::signaling::rules::{OwnRules, QuietHours, TimeOfDay};

const MIGRATIONS: [&str; 4] = [FIRST, PUSH, RULES, access::MIGRATION];

const FIRST: &str = "
CREATE TABLE users (
    uid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('door', 'resident'))
) STRICT, WITHOUT ROWID;
CREATE TABLE groups (
    guid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    joinable INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE members (
    guid TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,
    uid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    since INTEGER NOT NULL,
    PRIMARY KEY (guid, uid)
) STRICT, WITHOUT ROWID;
CREATE TABLE door_groups (
    door TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    guid TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,
    PRIMARY KEY (door, guid)
) STRICT, WITHOUT ROWID;
CREATE TABLE door_users (
    door TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    uid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (door, uid)
) STRICT, WITHOUT ROWID;
CREATE TABLE devices (
    device_id TEXT PRIMARY KEY,
    uid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    name TEXT NOT NULL,
    credential BLOB NOT NULL,
    added INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE invitations (
    secret BLOB PRIMARY KEY,
    uid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

const PUSH: &str = "
CREATE TABLE subscriptions (
    device_id TEXT PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    endpoint TEXT NOT NULL UNIQUE,
    key BLOB NOT NULL,
    auth BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

const RULES: &str = "
ALTER TABLE users ADD COLUMN do_not_disturb INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN undisturbed_until INTEGER;
ALTER TABLE users ADD COLUMN quiet_from INTEGER;
ALTER TABLE users ADD COLUMN quiet_to INTEGER;
ALTER TABLE users ADD COLUMN looks INTEGER NOT NULL DEFAULT 1;
ALTER TABLE groups ADD COLUMN looks INTEGER NOT NULL DEFAULT 1;
ALTER TABLE members ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
";

/// Why the directory was not changed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is one of this id.
    #[error("{0} is there already")]
    Exists(String),
    /// There is none of this id.
    #[error("there is no {0}")]
    Unknown(String),
    /// A name that would not do on a phone or in a log.
    #[error("the name {0:?} is not allowed: 1 to 64 characters, no control characters")]
    Name(String),
}

impl From<rusqlite::Error> for DirectoryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What an invitation makes of who redeems it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invitation {
    /// A phone becomes one more device of a resident.
    Pairing,
    /// A station becomes the only device of a door.
    Enrolment,
}

impl Invitation {
    const fn kind(self) -> &'static str {
        match self {
            Self::Pairing => "resident",
            Self::Enrolment => "door",
        }
    }
}

/// The directory's file in a state directory.
#[must_use]
pub fn path(state_directory: &Path) -> PathBuf {
    state_directory.join("directory.sqlite")
}

/// The tables, open for reading and changing.
#[derive(Debug)]
pub struct Tables {
    pub(super) connection: Connection,
}

impl Tables {
    /// Opens the directory below this state directory; makes it if it is not there.
    ///
    /// # Errors
    /// See [`store::open`].
    pub fn open(state_directory: &Path) -> Result<Self, StoreError> {
        store::make_directory(state_directory)?;
        Ok(Self { connection: store::open(&path(state_directory), Commit::Awaited, &MIGRATIONS)? })
    }

    /// A number that changes when somebody else changed the tables.
    ///
    /// # Errors
    /// The database fails.
    pub fn version(&self) -> Result<i64, StoreError> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Reads everything.
    ///
    /// # Errors
    /// The database fails.
    pub fn read(&mut self) -> Result<Directory, StoreError> {
        let transaction = self.connection.transaction()?;
        let directory = read_all(&transaction)?;
        transaction.commit()?;
        Ok(directory)
    }

    /// Adds a group.
    ///
    /// # Errors
    /// It exists, or the database fails.
    pub fn add_group(&mut self, guid: &Guid, name: &str, joinable: bool) -> Result<(), DirectoryError> {
        check_name(name)?;
        let sql = "INSERT INTO groups (guid, name, joinable) VALUES (?1, ?2, ?3)";
        self.connection
            .execute(sql, params![guid.as_str(), name, joinable])
            .map_err(|error| exists(error, format!("group {guid}")))?;
        Ok(())
    }

    /// Adds a resident, as a member of these groups from `now` on.
    ///
    /// # Errors
    /// The user exists, a group does not, or the database fails.
    pub fn add_resident(&mut self, uid: &Uid, name: &str, groups: &[Guid], now: u64) -> Result<(), DirectoryError> {
        let transaction = self.begin()?;
        add_user(&transaction, uid, name, "resident")?;
        for guid in groups {
            add_member(&transaction, guid, uid, now)?;
        }
        Ok(transaction.commit()?)
    }

    /// Adds a door that may call these groups and users.
    ///
    /// # Errors
    /// The user exists, a receiver does not, or the database fails.
    pub fn add_door(&mut self, uid: &Uid, name: &str, groups: &[Guid], users: &[Uid]) -> Result<(), DirectoryError> {
        let transaction = self.begin()?;
        add_user(&transaction, uid, name, "door")?;
        for guid in groups {
            transaction
                .execute(
                    "INSERT OR IGNORE INTO door_groups (door, guid) VALUES (?1, ?2)",
                    [uid.as_str(), guid.as_str()],
                )
                .map_err(|error| unknown(error, format!("group {guid}")))?;
        }
        for receiver in users {
            transaction
                .execute(
                    "INSERT OR IGNORE INTO door_users (door, uid) VALUES (?1, ?2)",
                    [uid.as_str(), receiver.as_str()],
                )
                .map_err(|error| unknown(error, format!("user {receiver}")))?;
        }
        Ok(transaction.commit()?)
    }

    /// Makes a resident a member of a group.
    ///
    /// # Errors
    /// One of them is not there, or the database fails.
    pub fn add_member(&mut self, guid: &Guid, uid: &Uid, now: u64) -> Result<(), DirectoryError> {
        let transaction = self.begin()?;
        require_user(&transaction, uid, "resident")?;
        add_member(&transaction, guid, uid, now)?;
        Ok(transaction.commit()?)
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn remove_member(&mut self, guid: &Guid, uid: &Uid) -> Result<(), DirectoryError> {
        let sql = "DELETE FROM members WHERE guid = ?1 AND uid = ?2";
        let gone = self.connection.execute(sql, [guid.as_str(), uid.as_str()])?;
        (gone > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("member {uid} of group {guid}")))
    }

    /// Removes a group. Calls that ring go on.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn remove_group(&mut self, guid: &Guid) -> Result<(), DirectoryError> {
        let gone = self.connection.execute("DELETE FROM groups WHERE guid = ?1", [guid.as_str()])?;
        (gone > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("group {guid}")))
    }

    /// Removes a resident or a door, with all devices.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn remove_user(&mut self, uid: &Uid) -> Result<(), DirectoryError> {
        let gone = self.connection.execute("DELETE FROM users WHERE uid = ?1", [uid.as_str()])?;
        (gone > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("user {uid}")))
    }

    /// Removes a device: its credential is worth nothing from now on.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn revoke_device(&mut self, device: &DeviceId) -> Result<(), DirectoryError> {
        let gone = self.connection.execute("DELETE FROM devices WHERE device_id = ?1", [device.as_str()])?;
        (gone > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("device {device}")))
    }

    /// Keeps the hash of a pairing code or enrolment token, until `expires`.
    ///
    /// # Errors
    /// The user is not there or of the other kind, or the database fails.
    pub fn invite(
        &mut self,
        invitation: Invitation,
        uid: &Uid,
        secret: &SecretHash,
        now: u64,
        expires: u64,
    ) -> Result<(), DirectoryError> {
        let transaction = self.begin()?;
        require_user(&transaction, uid, invitation.kind())?;
        transaction.execute("DELETE FROM invitations WHERE expires <= ?1", [now])?;
        let sql = "INSERT INTO invitations (secret, uid, expires) VALUES (?1, ?2, ?3)";
        transaction.execute(sql, params![secret.as_bytes(), uid.as_str(), expires])?;
        Ok(transaction.commit()?)
    }

    /// Redeems an invitation: it is used up, and the device is one of its user's. Nothing if there is no such invitation.
    ///
    /// # Errors
    /// The name is not allowed, or the database fails.
    pub fn redeem(
        &mut self,
        invitation: Invitation,
        secret: &SecretHash,
        device: &NewDevice,
        now: u64,
    ) -> Result<Option<(Uid, String)>, DirectoryError> {
        check_name(&device.name)?;
        let transaction = self.begin()?;
        let sql = "SELECT uid, users.name FROM invitations JOIN users USING (uid)
                   WHERE secret = ?1 AND expires > ?2 AND kind = ?3";
        let found = transaction
            .query_row(sql, params![secret.as_bytes(), now, invitation.kind()], |row| Ok((id(row, 0)?, row.get(1)?)))
            .optional()?;
        let Some((uid, name)) = found else { return Ok(None) };
        let uid: Uid = uid;
        transaction.execute("DELETE FROM invitations WHERE secret = ?1", [secret.as_bytes()])?;
        if invitation == Invitation::Enrolment {
            transaction.execute("DELETE FROM devices WHERE uid = ?1", [uid.as_str()])?;
        }
        insert_device(&transaction, &uid, device, now)?;
        transaction.commit()?;
        Ok(Some((uid, name)))
    }

    /// Adds a device without an invitation. The name of its user.
    ///
    /// # Errors
    /// The user is not there, the name is not allowed, or the database fails.
    pub fn add_device(&mut self, uid: &Uid, device: &NewDevice, now: u64) -> Result<String, DirectoryError> {
        check_name(&device.name)?;
        let transaction = self.begin()?;
        let sql = "SELECT name FROM users WHERE uid = ?1";
        let name = transaction.query_row(sql, [uid.as_str()], |row| row.get(0)).optional()?;
        let name = name.ok_or_else(|| DirectoryError::Unknown(format!("user {uid}")))?;
        insert_device(&transaction, uid, device, now)?;
        transaction.commit()?;
        Ok(name)
    }

    /// Keeps where a device can be woken by push. One place wakes one device: who had it before is not woken there any more.
    ///
    /// # Errors
    /// The device is not there, or the database fails.
    pub fn subscribe(&mut self, device: &DeviceId, subscription: &Subscription) -> Result<(), DirectoryError> {
        let transaction = self.begin()?;
        let Subscription { endpoint, key, auth } = subscription;
        let sql = "DELETE FROM subscriptions WHERE device_id = ?1 OR endpoint = ?2";
        transaction.execute(sql, params![device.as_str(), endpoint.expose()])?;
        let sql = "INSERT INTO subscriptions (device_id, endpoint, key, auth) VALUES (?1, ?2, ?3, ?4)";
        transaction
            .execute(sql, params![device.as_str(), endpoint.expose(), key, auth.expose()])
            .map_err(|error| unknown(error, format!("device {device}")))?;
        Ok(transaction.commit()?)
    }

    /// A device is not woken any more; with `only`, if it is still woken there.
    ///
    /// # Errors
    /// The database fails.
    pub fn unsubscribe(&mut self, device: &DeviceId, only: Option<&Subscription>) -> Result<(), DirectoryError> {
        let sql = "DELETE FROM subscriptions WHERE device_id = ?1 AND endpoint = coalesce(?2, endpoint)";
        self.connection.execute(sql, params![device.as_str(), only.map(|only| only.endpoint.expose())])?;
        Ok(())
    }

    /// Whether these tables changed since they counted as many changes.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.connection.total_changes()
    }

    pub(super) fn begin(&mut self) -> Result<Transaction<'_>, rusqlite::Error> {
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }
}

/// A device about to be added.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Its id.
    pub device_id: DeviceId,
    /// Its name.
    pub name: String,
    /// The hash of its credential.
    pub credential: SecretHash,
}

fn check_name(name: &str) -> Result<(), DirectoryError> {
    // Bidirectional marks could make a name read as another one.
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let count = name.chars().count();
    match count == 0 || count > 64 || name.trim().is_empty() || name.chars().any(hidden) {
        true => Err(DirectoryError::Name(name.chars().take(80).collect())),
        false => Ok(()),
    }
}

fn add_user(transaction: &Transaction<'_>, uid: &Uid, name: &str, kind: &str) -> Result<(), DirectoryError> {
    check_name(name)?;
    transaction
        .execute("INSERT INTO users (uid, name, kind) VALUES (?1, ?2, ?3)", [uid.as_str(), name, kind])
        .map_err(|error| exists(error, format!("user {uid}")))?;
    Ok(())
}

fn add_member(transaction: &Transaction<'_>, guid: &Guid, uid: &Uid, now: u64) -> Result<(), DirectoryError> {
    let sql = "INSERT OR IGNORE INTO members (guid, uid, since) VALUES (?1, ?2, ?3)";
    transaction
        .execute(sql, params![guid.as_str(), uid.as_str(), now])
        .map_err(|error| unknown(error, format!("group {guid}")))?;
    Ok(())
}

pub(super) fn require_user(transaction: &Transaction<'_>, uid: &Uid, kind: &str) -> Result<(), DirectoryError> {
    let sql = "SELECT 1 FROM users WHERE uid = ?1 AND kind = ?2";
    let found = transaction.query_row(sql, [uid.as_str(), kind], |_| Ok(())).optional()?;
    found.ok_or_else(|| DirectoryError::Unknown(format!("{kind} {uid}")))
}

fn insert_device(connection: &Connection, uid: &Uid, device: &NewDevice, now: u64) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO devices (device_id, uid, name, credential, added) VALUES (?1, ?2, ?3, ?4, ?5)";
    let NewDevice { device_id, name, credential } = device;
    connection.execute(sql, params![device_id.as_str(), uid.as_str(), name, credential.as_bytes(), now])?;
    Ok(())
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(SqlCode::ConstraintViolation)
}

pub(super) fn exists(error: rusqlite::Error, what: String) -> DirectoryError {
    if is_constraint(&error) { DirectoryError::Exists(what) } else { error.into() }
}

pub(super) fn unknown(error: rusqlite::Error, what: String) -> DirectoryError {
    if is_constraint(&error) { DirectoryError::Unknown(what) } else { error.into() }
}

pub(super) fn id<T: std::str::FromStr<Err = IdError>>(row: &Row<'_>, column: usize) -> Result<T, rusqlite::Error> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: IdError| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

fn read_all(connection: &Connection) -> Result<Directory, rusqlite::Error> {
    let mut directory = Directory { groups: read_groups(connection)?, ..Directory::default() };
    read_users(connection, &mut directory)?;
    let pairs = |sql: &str| -> Result<Vec<(Uid, String, u64)>, rusqlite::Error> {
        connection.prepare(sql)?.query_map([], |row| Ok((id(row, 0)?, row.get(1)?, row.get(2)?)))?.collect()
    };
    for (uid, guid, turn) in pairs("SELECT uid, guid, turn FROM members WHERE turn > 0")? {
        if let Some(group) = guid.parse().ok().and_then(|guid: Guid| directory.groups.get_mut(&guid)) {
            group.turns.insert(uid, turn);
        }
    }
    for (uid, guid, since) in pairs("SELECT uid, guid, since FROM members")? {
        let (Ok(guid), Some((_, uid, user))) = (guid.parse::<Guid>(), directory.users.get_full_mut(&uid)) else {
            continue;
        };
        if let Kind::Resident { groups } = &mut user.kind {
            groups.insert(guid.clone(), since);
        }
        // The same word in the same place: it is found without being compared.
        if let Some(group) = directory.groups.get_mut(&guid) {
            group.members.insert(uid.clone());
        }
    }
    for (door, guid, _) in pairs("SELECT door, guid, 0 FROM door_groups")? {
        if let (Some(User { kind: Kind::Door { groups, .. }, .. }), Ok(guid)) =
            (directory.users.get_mut(&door), guid.parse())
        {
            groups.insert(guid);
        }
    }
    for (door, uid, _) in pairs("SELECT door, uid, 0 FROM door_users")? {
        if let (Some(User { kind: Kind::Door { users, .. }, .. }), Ok(uid)) =
            (directory.users.get_mut(&door), uid.parse())
        {
            users.insert(uid);
        }
    }
    read_devices(connection, &mut directory)?;
    directory.users.shrink_to_fit();
    directory.devices.shrink_to_fit();
    access::read(connection, &mut directory)?;
    directory.muster();
    Ok(directory)
}

fn read_groups(connection: &Connection) -> Result<BTreeMap<Guid, Group>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT guid, name, joinable, looks FROM groups")?;
    let group = |row: &Row<'_>| {
        let (name, joinable, looks) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let (members, turns, roster) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Ok((id(row, 0)?, Group { name, joinable, members, turns, looks, roster }))
    };
    statement.query_map([], group)?.collect()
}

fn read_users(connection: &Connection, directory: &mut Directory) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare(
        "SELECT uid, name, kind, looks, do_not_disturb, undisturbed_until, quiet_from, quiet_to FROM users
             ORDER BY uid",
    )?;
    let user = |row: &Row<'_>| {
        let kind = match row.get_ref(2)?.as_str()? {
            "door" => Kind::Door { groups: BTreeSet::new(), users: BTreeSet::new() },
            _resident => Kind::Resident { groups: BTreeMap::new() },
        };
        let minute = |column| -> Result<_, rusqlite::Error> {
            Ok(row.get::<_, Option<u16>>(column)?.and_then(TimeOfDay::of_minutes))
        };
        let rules = OwnRules {
            do_not_disturb: row.get(4)?,
            do_not_disturb_until: row.get(5)?,
            quiet_hours: minute(6)?.zip(minute(7)?).map(|(from, to)| QuietHours { from, to }),
        };
        let (devices, subscribed) = (BTreeSet::new(), BTreeSet::new());
        Ok((id(row, 0)?, User { name: row.get(1)?, kind, devices, subscribed, rules, looks: row.get(3)? }))
    };
    directory.users = statement.query_map([], user)?.collect::<Result<_, _>>()?;
    Ok(())
}

fn read_devices(connection: &Connection, directory: &mut Directory) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare(
        "SELECT device_id, uid, name, credential, endpoint, key, auth, renewed, added
         FROM devices LEFT JOIN subscriptions USING (device_id)
         ORDER BY device_id",
    )?;
    let device = |row: &Row<'_>| {
        let credential = SecretHash::from_stored(row.get(3)?);
        let subscription = match row.get::<_, Option<String>>(4)? {
            Some(endpoint) => {
                let (endpoint, auth) = (Redacted::new(endpoint), Redacted::new(row.get(6)?));
                Some(Arc::new(Subscription { endpoint, key: row.get(5)?, auth }))
            }
            None => None,
        };
        let renewed = row.get::<_, Option<[u8; 32]>>(7)?.map(SecretHash::from_stored);
        let (uid, name, added) = (id(row, 1)?, row.get(2)?, row.get(8)?);
        Ok((id::<DeviceId>(row, 0)?, Device { uid, name, credential, subscription, renewed, added }))
    };
    for row in statement.query_map([], device)? {
        let (device_id, device) = row?;
        if let Some(user) = directory.users.get_mut(&device.uid) {
            user.devices.insert(device_id.clone());
            user.subscribed.extend(device.subscription.is_some().then(|| device_id.clone()));
        }
        directory.devices.insert(device_id, device);
    }
    Ok(())
}
