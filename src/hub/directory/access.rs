//! What the tables know of access: administrators, what a door may ring and who may open it, and the renewal of credentials.
//! One call is one transaction.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Directory;
use super::tables::{DirectoryError, Tables, exists, id, unknown};
use crate::hub::auth::SecretHash;
use crate::ids::{AdministratorId, DeviceId, Uid};
use crate::signaling::protocol::Receiver;

/// The second version of the tables.
pub(super) const MIGRATION: &str = "
ALTER TABLE door_groups ADD COLUMN opens INTEGER NOT NULL DEFAULT 1;
ALTER TABLE door_users ADD COLUMN opens INTEGER NOT NULL DEFAULT 1;
ALTER TABLE devices ADD COLUMN renewed BLOB;
CREATE TABLE administrators (
    id TEXT PRIMARY KEY,
    credential BLOB NOT NULL,
    added INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

impl Tables {
    /// Adds an administrator.
    ///
    /// # Errors
    /// There is one of this id, or the database fails.
    pub fn add_administrator(
        &mut self,
        id: &AdministratorId,
        credential: &SecretHash,
        now: u64,
    ) -> Result<(), DirectoryError> {
        let sql = "INSERT INTO administrators (id, credential, added) VALUES (?1, ?2, ?3)";
        self.connection
            .execute(sql, params![id.as_str(), credential.as_bytes(), now])
            .map_err(|error| exists(error, format!("administrator {id}")))?;
        Ok(())
    }

    /// Takes an administrator's credential away.
    ///
    /// # Errors
    /// There is none, or the database fails.
    pub fn revoke_administrator(&mut self, id: &AdministratorId) -> Result<(), DirectoryError> {
        let gone = self.connection.execute("DELETE FROM administrators WHERE id = ?1", [id.as_str()])?;
        (gone > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("administrator {id}")))
    }

    /// What was deleted does not stay behind in the log beside the file.
    ///
    /// # Errors
    /// The database fails.
    pub fn settle(&self) -> Result<(), DirectoryError> {
        Ok(self.connection.pragma(None, "wal_checkpoint", "truncate", |_| Ok(()))?)
    }

    /// A door may ring this receiver from now on; whether those who answer may open it.
    ///
    /// # Errors
    /// One of them is not there, or the database fails.
    pub fn allow(&mut self, door: &Uid, receiver: &Receiver, opens: bool) -> Result<(), DirectoryError> {
        let transaction = self.begin()?;
        super::tables::require_user(&transaction, door, "door")?;
        let (sql, word) = match receiver {
            Receiver::Group(guid) => (
                "INSERT INTO door_groups (door, guid, opens) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET opens = excluded.opens",
                guid.as_str(),
            ),
            Receiver::User(uid) => (
                "INSERT INTO door_users (door, uid, opens) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET opens = excluded.opens",
                uid.as_str(),
            ),
        };
        transaction
            .execute(sql, params![door.as_str(), word, opens])
            .map_err(|error| unknown(error, receiver.to_string()))?;
        Ok(transaction.commit()?)
    }

    /// A door may not ring this receiver any more.
    ///
    /// # Errors
    /// It did not, or the database fails.
    pub fn deny(&mut self, door: &Uid, receiver: &Receiver) -> Result<(), DirectoryError> {
        let (sql, word) = match receiver {
            Receiver::Group(guid) => ("DELETE FROM door_groups WHERE door = ?1 AND guid = ?2", guid.as_str()),
            Receiver::User(uid) => ("DELETE FROM door_users WHERE door = ?1 AND uid = ?2", uid.as_str()),
        };
        let gone = self.connection.execute(sql, [door.as_str(), word])?;
        (gone > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("{receiver} at door {door}")))
    }

    /// Keeps a device's next credential beside the one it has, which stays good until the next one is shown. The device's
    /// user with their name.
    ///
    /// # Errors
    /// There is no such device, or the database fails.
    pub fn renew(&mut self, device: &DeviceId, credential: &SecretHash) -> Result<(Uid, String), DirectoryError> {
        let sql = "UPDATE devices SET renewed = ?2 WHERE device_id = ?1
                   RETURNING uid, (SELECT name FROM users WHERE users.uid = devices.uid)";
        let found = self
            .connection
            .query_row(sql, params![device.as_str(), credential.as_bytes()], |row| Ok((id(row, 0)?, row.get(1)?)));
        found.optional()?.ok_or_else(|| DirectoryError::Unknown(format!("device {device}")))
    }

    /// A device showed its next credential: the former one is worth nothing from now on. Whether anything changed.
    ///
    /// # Errors
    /// The database fails.
    pub fn settle_renewal(&mut self, device: &DeviceId) -> Result<bool, DirectoryError> {
        let sql = "UPDATE devices SET credential = renewed, renewed = NULL WHERE device_id = ?1 AND renewed NOT NULL";
        Ok(self.connection.execute(sql, [device.as_str()])? > 0)
    }
}

/// Administrators, and those who answer a door and may not open it.
pub(super) fn read(connection: &Connection, directory: &mut Directory) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare("SELECT id, credential FROM administrators")?;
    let administrator = |row: &rusqlite::Row<'_>| Ok((id(row, 0)?, SecretHash::from_stored(row.get(1)?)));
    directory.administrators = statement.query_map([], administrator)?.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare("SELECT door, guid FROM door_groups WHERE NOT opens")?;
    let group = |row: &rusqlite::Row<'_>| Ok((id(row, 0)?, Receiver::Group(id(row, 1)?)));
    directory.barred = statement.query_map([], group)?.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare("SELECT door, uid FROM door_users WHERE NOT opens")?;
    let user = |row: &rusqlite::Row<'_>| Ok((id(row, 0)?, Receiver::User(id(row, 1)?)));
    for row in statement.query_map([], user)? {
        directory.barred.insert(row?);
    }
    Ok(())
}
