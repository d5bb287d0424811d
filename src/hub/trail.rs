//! The hub's own audit trail: who administered what, who was let in, who was locked out. Notes are kept for a bounded time
//! and in a bounded number; a note that cannot be kept stops nobody, and is an ERROR in the log. No secret is ever in one.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use tracing::{error, info};

use super::store::{self, Commit, StoreError};
use crate::clock;
use crate::ids::{AdministratorId, DeviceId};

pub(super) const MIGRATIONS: [&str; 1] = ["
CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;
CREATE INDEX notes_by_time ON notes (at);
"];

/// Notes kept, at the most: a year of a hundred a day. The oldest go first.
const MOST_NOTES: u32 = 40_000;
/// Notes of one answer, at the most.
pub const PAGE: u32 = 500;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody unknown, at this address.
    Address(IpAddr),
    /// An administrator, by REST.
    Administrator(AdministratorId),
    /// Whoever may run commands on the hub's machine.
    CommandLine,
    /// A device, for itself.
    Device(DeviceId),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address {address}"),
            Self::Administrator(id) => write!(f, "administrator {id}"),
            Self::CommandLine => f.write_str("command line"),
            Self::Device(id) => write!(f, "device {id}"),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// An administrator was added; theirs is the subject.
    AdministratorAdded,
    /// An administrator's credential was taken away.
    AdministratorRevoked,
    /// A code was guessed wrong so often that the address is locked out.
    AddressLockedOut,
    /// A device was let in without an invitation.
    DeviceAdded,
    /// A device redeemed an invitation.
    DeviceAdmitted,
    /// A device's credential was taken away, or given back.
    DeviceRevoked,
    /// A device has a new credential.
    CredentialRenewed,
    /// A wrong credential was shown.
    CredentialRefused,
    /// A door was added.
    DoorAdded,
    /// What a door may ring, and who may open it, was changed.
    DoorChanged,
    /// A token for a station was made.
    EnrolmentMade,
    /// A group was added.
    GroupAdded,
    /// A group was removed.
    GroupRemoved,
    /// Who may see doors before they answer was set, for a resident or for a group.
    LookingSet,
    /// A resident became a member of a group.
    MemberAdded,
    /// A membership ended.
    MemberRemoved,
    /// A pairing code was made.
    PairingMade,
    /// Somebody asked, or showed wrong credentials, more often than anybody may. Of a device, its user is the subject.
    RateLimited,
    /// A resident was added.
    ResidentAdded,
    /// A resident was removed, and what was known of them.
    ResidentErased,
    /// When it does not ring at a resident's was set.
    RulesSet,
    /// How late it rings at a member of a group was set.
    TurnSet,
    /// A resident or a door was removed.
    UserRevoked,
}

/// One note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its number.
    pub id: u64,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To whom or what.
    pub subject: String,
}

/// The trail, for any number of tasks.
#[derive(Debug, Clone)]
pub struct Trail {
    connection: Arc<Mutex<Connection>>,
    keep: Duration,
}

/// The file in a state directory.
#[must_use]
pub fn path(state_directory: &Path) -> PathBuf {
    state_directory.join("trail.sqlite")
}

impl Trail {
    /// Opens the trail; notes older than `keep` are forgotten.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn open(state_directory: &Path, keep: Duration) -> Result<Self, StoreError> {
        store::make_directory(state_directory)?;
        let connection = store::open(&path(state_directory), Commit::Awaited, &MIGRATIONS)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), keep })
    }

    /// Keeps a note. On the disk when it returns.
    pub fn note(&self, actor: &Actor, action: Action, subject: &str) {
        info!(%actor, ?action, subject, "audit");
        if let Err(error) = self.keep(actor, action, subject) {
            error!(%error, "the audit trail cannot be written");
        }
    }

    /// The same from a task that must not wait for the disk.
    pub fn note_soon(&self, actor: Actor, action: Action, subject: String) {
        let trail = self.clone();
        tokio::task::spawn_blocking(move || trail.note(&actor, action, &subject));
    }

    fn keep(&self, actor: &Actor, action: Action, subject: &str) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        let now = clock::wall();
        transaction
            .prepare_cached("INSERT INTO notes (at, actor, action, subject) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![now, actor.to_string(), word(action), subject])?;
        let oldest = now.saturating_sub(u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX));
        transaction
            .prepare_cached("DELETE FROM notes WHERE at < ?1 OR id <= (SELECT max(id) FROM notes) - ?2")?
            .execute(params![oldest, MOST_NOTES])?;
        Ok(transaction.commit()?)
    }

    /// The latest notes before the one of this id, the latest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn page(&self, before: Option<u64>, limit: u32) -> Result<Vec<Note>, StoreError> {
        let before = before.and_then(|id| i64::try_from(id).ok()).unwrap_or(i64::MAX);
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = "SELECT id, at, actor, action, subject FROM notes WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![before, limit.min(PAGE)], note)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn note(row: &Row<'_>) -> Result<Note, rusqlite::Error> {
    Ok(Note { id: row.get(0)?, at: row.get(1)?, actor: row.get(2)?, action: row.get(3)?, subject: row.get(4)? })
}

fn word(action: Action) -> String {
    serde_json::to_string(&action).expect("a word").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_in_order_and_for_a_time() {
        let state = tempfile::tempdir().expect("a temporary directory");
        let trail = Trail::open(state.path(), Duration::from_secs(3600)).expect("a new file");
        trail.note(&Actor::CommandLine, Action::GroupAdded, "flat-1");
        trail.note(&Actor::Address([10, 0, 0, 1].into()), Action::AddressLockedOut, "30 s");
        let notes = trail.page(None, PAGE).expect("readable");
        let said: Vec<_> =
            notes.iter().map(|note| format!("{} {} {}", note.actor, note.action, note.subject)).collect();
        assert_eq!(said, ["address 10.0.0.1 addressLockedOut 30 s", "command line groupAdded flat-1"]);
        assert_eq!(trail.page(None, 1).expect("readable"), notes[..1]);
        assert_eq!(trail.page(Some(notes[0].id), 1).expect("readable"), notes[1..]);
        let short = Trail::open(state.path(), Duration::ZERO).expect("it is there");
        std::thread::sleep(Duration::from_millis(2));
        short.note(&Actor::CommandLine, Action::GroupRemoved, "flat-1");
        assert_eq!(short.page(None, PAGE).expect("readable").len(), 1);
    }
}
