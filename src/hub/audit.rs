//! The hub's copy of the doors' audit logs: what a station that is stolen or burnt cannot take with it. Lines are kept as they
//! are, so that their chain can be verified here too. It never judges an opening.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::store::{self, Commit, StoreError};
use crate::audit::{Event, Fault, LONGEST_LINE, Line};
use crate::clock;
use crate::ids::Uid;
use crate::signaling::protocol::{DoorNotice, DoorState};

pub(super) const MIGRATIONS: [&str; 1] = ["
CREATE TABLE lines (
    door TEXT NOT NULL,
    chain TEXT NOT NULL,
    number INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (door, chain, number)
) STRICT;
CREATE INDEX lines_by_time ON lines (door, kept_at);
"];

/// Lines of one request, at the most.
const MOST_LINES: usize = 64;
/// Lines kept of one door; a hundred a day fill it in three years. The oldest go first.
const MOST_OF_A_DOOR: u32 = 100_000;

/// Why lines are not kept.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// One of them is none.
    #[error("line {0} {1}")]
    Line(usize, Fault),
    /// Too much at a time.
    #[error("{0} lines, or a long one; allowed are {MOST_LINES} of {LONGEST_LINE} bytes")]
    Many(usize),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for AuditError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The copies, for any number of tasks.
#[derive(Debug, Clone)]
pub struct Copies {
    connection: Arc<Mutex<Connection>>,
    keep: Duration,
}

/// The file in a state directory.
#[must_use]
pub fn path(state_directory: &Path) -> PathBuf {
    state_directory.join("audit.sqlite")
}

impl Copies {
    /// Opens them; lines that came longer ago than `keep` are forgotten.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn open(state_directory: &Path, keep: Duration) -> Result<Self, StoreError> {
        store::make_directory(state_directory)?;
        let connection = store::open(&path(state_directory), Commit::Awaited, &MIGRATIONS)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), keep })
    }

    /// Keeps lines of a door; those that are kept already are passed over. What residents and operator are to be told of the
    /// others, with the door's wall clock. On the disk when it returns.
    ///
    /// # Errors
    /// A line is none, or the database fails: then nothing is kept.
    pub fn keep(&self, door: &Uid, lines: &[String]) -> Result<Vec<(DoorNotice, u64)>, AuditError> {
        if lines.len() > MOST_LINES || lines.iter().any(|line| line.len() > LONGEST_LINE) {
            return Err(AuditError::Many(lines.len()));
        }
        let read = |(index, text): (usize, &String)| Line::read(text).map_err(|fault| AuditError::Line(index, fault));
        let lines = lines.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        let mut notices = Vec::new();
        for line in &lines {
            let record = &line.record;
            let fresh = transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO lines (door, chain, number, kept_at, line) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![door.as_str(), record.chain.to_string(), record.number, clock::wall(), line.text])?;
            if fresh > 0 {
                notices.extend(notice_of(&record.event).map(|notice| (notice, record.wall)));
            }
        }
        transaction.execute(
            "DELETE FROM lines WHERE door = ?1 AND kept_at < COALESCE((SELECT kept_at FROM lines WHERE door = ?1
                ORDER BY kept_at DESC LIMIT 1 OFFSET ?2), 0)",
            params![door.as_str(), MOST_OF_A_DOOR],
        )?;
        let oldest = clock::wall().saturating_sub(u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX));
        transaction.execute("DELETE FROM lines WHERE kept_at < ?1", [oldest])?;
        transaction.commit()?;
        Ok(notices)
    }

    /// The latest lines before the one of this id, of one door or of all, the latest first. (Many come in the same millisecond.)
    ///
    /// # Errors
    /// The database fails.
    pub fn page(&self, door: Option<&str>, before: Option<u64>, limit: u32) -> Result<Vec<Kept>, StoreError> {
        let before = before.and_then(|id| i64::try_from(id).ok()).unwrap_or(i64::MAX);
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare_cached(
            "SELECT rowid, door, kept_at, line FROM lines WHERE rowid < ?1 AND (?2 IS NULL OR door = ?2)
             ORDER BY rowid DESC LIMIT ?3",
        )?;
        let kept = |row: &rusqlite::Row<'_>| {
            Ok(Kept { id: row.get(0)?, door: row.get(1)?, kept_at: row.get(2)?, line: row.get(3)? })
        };
        let rows = statement.query_map(params![before, door, limit], kept)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A line, as it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Its number, in the order in which they came.
    pub id: u64,
    /// Of which door.
    pub door: String,
    /// When it came, milliseconds since 1970.
    pub kept_at: u64,
    /// The line itself.
    pub line: String,
}

/// Every line of a door, or of all, the oldest log first.
///
/// # Errors
/// The database cannot be read.
pub fn lines(state_directory: &Path, door: Option<&Uid>) -> Result<Vec<String>, StoreError> {
    let connection = store::open_for_reading(&path(state_directory))?;
    let mut statement = connection.prepare(
        "SELECT line FROM lines JOIN (SELECT door AS of_door, chain AS of_chain, min(rowid) AS begun FROM lines GROUP BY door, chain)
            ON door = of_door AND chain = of_chain
         WHERE ?1 IS NULL OR door = ?1 ORDER BY door, begun, number",
    )?;
    let rows = statement.query_map([door.map(Uid::as_str)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What concerns others than the parties of a call.
const fn notice_of(event: &Event) -> Option<DoorNotice> {
    match event {
        Event::Contact { state: DoorState::Forced } => Some(DoorNotice::Forced),
        Event::Contact { state: DoorState::LeftOpen } => Some(DoorNotice::LeftOpen),
        Event::RelayFailed => Some(DoorNotice::RelayFailed),
        Event::Tamper { active: true } => Some(DoorNotice::Tampered),
        Event::Tamper { active: false } => Some(DoorNotice::TamperOver),
        Event::Contact { state: DoorState::Closed | DoorState::NotOpened | DoorState::Opened }
        | Event::Gap { .. }
        | Event::Opened { .. }
        | Event::Refused { .. }
        | Event::Started
        | Event::Stopped => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Chain;
    use crate::ids::BootId;
    use crate::moment::Moment;

    #[test]
    fn lines_are_kept_once_and_tell_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let copies = Copies::open(directory.path(), Duration::from_secs(3600)).expect("an empty directory");
        let (front, back): (Uid, Uid) = ("front".parse().expect("a word"), "back".parse().expect("a word"));
        let mut chain = Chain::begin(BootId::from_random([1; 16]));
        let tamper = Event::Tamper { active: true };
        let kept = [Event::Started, tamper].map(|event| chain.add(Moment::START, 7, event).text);
        assert_eq!(copies.keep(&front, &kept[..1]).expect("good lines"), []);
        assert_eq!(copies.keep(&front, &kept).expect("good lines"), [(DoorNotice::Tampered, 7)]);
        assert_eq!(copies.keep(&front, &kept).expect("good lines"), [], "told already");
        let altered = [kept[0].replace("started", "stopped")];
        assert!(matches!(copies.keep(&back, &altered), Err(AuditError::Line(0, Fault::Altered))));
        assert_eq!(lines(directory.path(), Some(&front)).expect("readable"), kept);
        assert_eq!(lines(directory.path(), Some(&back)).expect("readable"), Vec::<String>::new());
        // Page by page none is left out, though they came in the same moment.
        let latest = copies.page(Some("front"), None, 1).expect("readable").remove(0);
        let before = copies.page(Some("front"), Some(latest.id), 1).expect("readable").remove(0);
        assert_eq!([before.line, latest.line], kept);
        assert_eq!(copies.page(Some("front"), Some(before.id), 1).expect("readable"), []);
    }
}
