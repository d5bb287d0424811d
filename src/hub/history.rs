//! Reading of the history: the calls that are over and that concern a user. Never writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, Row, params};
use tracing::error;

use super::directory::{Directory, Kind};
use super::log::{self, Progress};
use super::store::{self, StoreError};
use crate::ids::{DeviceId, SessionId, Uid};
use crate::signaling::protocol::{Call, ErrorCode, Refusal, Trace};

/// Calls of one answer, at the most.
pub const PAGE: u32 = 100;

/// What concerns one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    uid: Uid,
    /// `[["flat-1", 1700000000000], …]`: groups, and from when on.
    groups: String,
}

impl Concern {
    /// Of the user of this device: what they called, what called them or their groups since they belong to them, and all of
    /// a door's own.
    #[must_use]
    pub fn of(directory: &Directory, device: &DeviceId) -> Option<Self> {
        let (uid, user) = directory.user_of(device)?;
        let groups = match &user.kind {
            Kind::Resident { groups } => serde_json::json!(groups.iter().collect::<Vec<_>>()).to_string(),
            Kind::Door { .. } => "[]".to_owned(),
        };
        Some(Self { uid: uid.clone(), groups })
    }
}

/// Which calls an administrator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this door alone.
    pub door: Option<String>,
    /// Of this status alone, in the protocol's word.
    pub status: Option<String>,
}

/// The history's file.
#[derive(Debug, Clone)]
pub struct History {
    path: PathBuf,
    log: Progress,
}

const CONCERNS: &str = "(door = ?1 OR initiator = ?1 OR user = ?1 OR EXISTS
    (SELECT 1 FROM json_each(?2) WHERE guid = value ->> 0 AND initiated_at >= value ->> 1))";

/// A picture that was not kept, or not for so long, is not promised.
const STILL: &str = "EXISTS (SELECT 1 FROM stills WHERE stills.session = history.session)";

impl History {
    /// Of this state directory, in step with its log: whoever was told of a call's end finds it in the history.
    #[must_use]
    pub fn of(state_directory: &Path, log: Progress) -> Self {
        Self { path: log::path(state_directory), log }
    }

    /// How many records of the log wait for the disk.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.log.waiting()
    }

    /// The latest calls that concern a user, begun before a time (milliseconds since 1970).
    ///
    /// # Errors
    /// The database fails.
    pub async fn page(&self, concern: Concern, before: Option<u64>, limit: u32) -> Result<Vec<Call>, Refusal> {
        let before = before.and_then(|time| i64::try_from(time).ok()).unwrap_or(i64::MAX);
        let sql = format!(
            "SELECT call, {STILL} FROM history WHERE initiated_at < ?3 AND {CONCERNS} ORDER BY initiated_at DESC, session LIMIT ?4"
        );
        self.read(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows =
                statement.query_map(params![concern.uid.as_str(), concern.groups, before, limit.min(PAGE)], call)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The latest calls of all, begun before a time, for an administrator.
    ///
    /// # Errors
    /// The database fails.
    pub async fn all(&self, filter: Filter, before: Option<u64>, limit: u32) -> Result<Vec<Call>, Refusal> {
        let before = before.and_then(|time| i64::try_from(time).ok()).unwrap_or(i64::MAX);
        let sql = format!(
            "SELECT call, {STILL} FROM history WHERE initiated_at < ?1 AND (?2 IS NULL OR door = ?2)
             AND (?3 IS NULL OR call ->> 'status' = ?3) ORDER BY initiated_at DESC, session LIMIT ?4"
        );
        self.read(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params![before, filter.door, filter.status, limit.min(PAGE)], call)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The last call of every door that had one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn last_of_doors(&self) -> Result<BTreeMap<Uid, Call>, Refusal> {
        // SQLite gives the row of the maximum beside max().
        let sql = format!("SELECT call, {STILL}, max(initiated_at) FROM history GROUP BY door");
        self.read(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let calls = statement.query_map([], call)?;
            Ok(calls.map(|call| call.map(|call| (call.door.clone(), call))).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// One call, if it concerns this user.
    ///
    /// # Errors
    /// The database fails.
    pub async fn call(&self, concern: Concern, session_id: SessionId) -> Result<Option<Call>, Refusal> {
        let sql = format!("SELECT call, {STILL} FROM history WHERE session = ?3 AND {CONCERNS}");
        self.read(move |connection| {
            let key = params![concern.uid.as_str(), concern.groups, session_id.to_string()];
            Ok(connection.query_row(&sql, key, call).optional()?)
        })
        .await
    }

    /// The still picture of a call that is over, if it was kept and the call concerns this user.
    ///
    /// # Errors
    /// The database fails.
    pub async fn still(&self, concern: Concern, session_id: SessionId) -> Result<Option<Vec<u8>>, Refusal> {
        let theirs = format!("SELECT session FROM history WHERE session = ?3 AND {CONCERNS}");
        let sql = format!("SELECT jpeg FROM stills WHERE session IN ({theirs})");
        self.read(move |connection| {
            let key = params![concern.uid.as_str(), concern.groups, session_id.to_string()];
            Ok(connection.query_row(&sql, key, |row| row.get(0)).optional()?)
        })
        .await
    }

    /// When what happened in a call that is over, if its door told and the call concerns this user.
    ///
    /// # Errors
    /// The database fails.
    pub async fn trace(&self, concern: Concern, session_id: SessionId) -> Result<Option<Trace>, Refusal> {
        let theirs = format!("SELECT session FROM history WHERE session = ?3 AND {CONCERNS}");
        let sql = format!("SELECT trace FROM traces WHERE session IN ({theirs})");
        self.read(move |connection| {
            let key = params![concern.uid.as_str(), concern.groups, session_id.to_string()];
            Ok(connection.query_row(&sql, key, from_json).optional()?)
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.log.clone().caught_up().await;
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || query(&store::open_for_reading(&path)?)).await;
        match read {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                error!(%error, "the history cannot be read");
                Err(Refusal::new(ErrorCode::ErrInternal, "the history cannot be read"))
            }
            Err(error) => {
                error!(%error, "the reading of the history failed");
                Err(Refusal::new(ErrorCode::ErrInternal, "the history cannot be read"))
            }
        }
    }
}

fn call(row: &Row<'_>) -> Result<Call, rusqlite::Error> {
    let mut call: Call = from_json(row)?;
    if !row.get::<_, bool>(1)? {
        call.still_at = None;
    }
    Ok(call)
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>) -> Result<T, rusqlite::Error> {
    serde_json::from_str(row.get_ref(0)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))
}
