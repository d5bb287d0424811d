//! The hub's databases: how a file is opened, who may read it and how its tables come up to date. Knows no table itself.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

/// How sure a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// On the disk before it is answered, so that neither a new nor a revoked credential is undone by a power cut.
    Awaited,
    /// Survives the end of the process; a power cut can take the last ones.
    WrittenBehind,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the file cannot be made or opened.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// SQLite says no.
    #[error("database: {0}")]
    Sql(#[from] rusqlite::Error),
    /// Written by a later doorward.
    #[error("the database has version {found}; this doorward knows versions up to {known}")]
    Newer {
        /// Of the file.
        found: usize,
        /// Of this program.
        known: usize,
    },
}

/// Makes the state directory, readable by its owner alone.
///
/// # Errors
/// It is not there and cannot be made.
pub fn make_directory(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| file_error(path, error))
}

/// Opens a database, makes it if it is not there, and brings its tables up to date. `migrations` are run once each, in
/// their order; their number is the version of the file.
///
/// # Errors
/// The file cannot be opened, or it comes from a later doorward.
pub fn open(path: &Path, commit: Commit, migrations: &[&str]) -> Result<Connection, StoreError> {
    // SQLite gives its WAL files the mode of the database, so this one call keeps all of them private.
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| file_error(path, error))?;
    let mut connection = Connection::open(path)?;
    prepare(&connection, commit)?;
    migrate(&mut connection, migrations)?;
    Ok(connection)
}

/// Opens a database that is there, for reading.
///
/// # Errors
/// The file cannot be opened.
pub fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

fn prepare(connection: &Connection, commit: Commit) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(
        None,
        "synchronous",
        match commit {
            Commit::Awaited => "full",
            Commit::WrittenBehind => "normal",
        },
    )?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is gone from the file, too: pictures, subscriptions, credentials.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(())
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > migrations.len() {
        return Err(StoreError::Newer { found: version, known: migrations.len() });
    }
    for migration in &migrations[version..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(
        None,
        "user_version",
        i64::try_from(migrations.len()).expect("a handful of migrations"),
    )?;
    transaction.commit()?;
    Ok(())
}

fn file_error(path: &Path, error: std::io::Error) -> StoreError {
    StoreError::File { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const FIRST: &str = "CREATE TABLE a (x INTEGER) STRICT;";
    const SECOND: &str = "ALTER TABLE a ADD COLUMN y INTEGER;";

    #[test]
    fn tables_come_up_to_date_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("a.sqlite");
        drop(open(&path, Commit::Awaited, &[FIRST]).expect("a new file"));
        let connection = open(&path, Commit::Awaited, &[FIRST, SECOND]).expect("one migration is missing");
        connection.execute("INSERT INTO a (x, y) VALUES (1, 2)", []).expect("both columns are there");
        drop(connection);
        let refused = open(&path, Commit::Awaited, &[FIRST]).expect_err("the file is newer");
        assert!(matches!(refused, StoreError::Newer { found: 2, known: 1 }));
    }

    #[test]
    fn nobody_else_reads_the_files() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = directory.path().join("state");
        make_directory(&state).expect("it can be made");
        let path = state.join("a.sqlite");
        let connection = open(&path, Commit::WrittenBehind, &[FIRST]).expect("a new file");
        connection.execute("INSERT INTO a (x) VALUES (1)", []).expect("the table is there");
        for file in std::fs::read_dir(&state).expect("it was just made") {
            let file = file.expect("readable").path();
            let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", file.display());
        }
    }
}
