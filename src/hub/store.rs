//! The hub's databases: how a file is opened, who may read it and how its tables come up to date. Knows no table itself.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tracing::warn;

/// A migration that opens with this line cannot be lived with by an earlier doorward. All others only add: tables, or columns
/// with a default, which programs that do not know them pass over.
pub const BREAKS: &str = "-- breaks\n";

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
    /// Written by a later doorward, in a way that this one cannot live with.
    #[error(
        "the database was written by a later doorward: it has version {found}, can be used from version {oldest} on, and this \
         doorward knows versions up to {known}; install the later one again, or restore a backup from before it"
    )]
    Newer {
        /// Of the file.
        found: usize,
        /// The oldest that can use the file.
        oldest: usize,
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
/// their order; their number is the version of the file. See [`BREAKS`] for what they may do.
///
/// # Errors
/// The file cannot be opened, or a later doorward changed it so that this one cannot use it.
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

/// The version of a file is the number of migrations it went through. Beside it stands the version of the last one that
/// breaks: after one step back, a program that knows at least this one goes on with the file as it is.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = number(&transaction, "user_version")?;
    let oldest = number(&transaction, OLDEST)?;
    let known = migrations.len();
    if found > known {
        if oldest > known {
            return Err(StoreError::Newer { found, oldest, known });
        }
        warn!(found, known, "the database was written by a later doorward; this one goes on with what it knows of it");
        return Ok(());
    }
    for migration in &migrations[found..] {
        transaction.execute_batch(migration)?;
    }
    let breaking = migrations.iter().rposition(|migration| migration.starts_with(BREAKS)).unwrap_or_default();
    let written = |number: usize| i64::try_from(number).expect("a handful of migrations");
    transaction.pragma_update(None, "user_version", written(known))?;
    transaction.pragma_update(None, OLDEST, written(breaking + 1))?;
    transaction.commit()?;
    Ok(())
}

/// SQLite keeps it in the head of the file and gives it no meaning.
const OLDEST: &str = "application_id";

fn number(transaction: &Transaction<'_>, pragma: &str) -> Result<usize, StoreError> {
    let number: i64 = transaction.pragma_query_value(None, pragma, |row| row.get(0))?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
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
        let kept: i64 = connection.query_row("SELECT y FROM a", [], |row| row.get(0)).expect("it was just written");
        assert_eq!(kept, 2);
    }

    #[test]
    fn an_earlier_program_goes_on_after_a_step_that_only_adds() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("a.sqlite");
        drop(open(&path, Commit::Awaited, &[FIRST, SECOND]).expect("a new file"));
        let earlier = open(&path, Commit::Awaited, &[FIRST]).expect("the second step only adds");
        earlier.execute("INSERT INTO a (x) VALUES (1)", []).expect("what it knows is there");
        drop(earlier);
        let later = open(&path, Commit::Awaited, &[FIRST, SECOND]).expect("no step is run twice");
        let row = later.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row.expect("one row"), (1, None::<i64>));
    }

    #[test]
    fn an_earlier_program_refuses_after_a_step_that_breaks() {
        const THIRD: &str = "-- breaks\nALTER TABLE a DROP COLUMN x;";
        assert!(THIRD.starts_with(BREAKS));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("a.sqlite");
        drop(open(&path, Commit::Awaited, &[FIRST, SECOND, THIRD]).expect("a new file"));
        let refused = open(&path, Commit::Awaited, &[FIRST, SECOND]).expect_err("the file is newer");
        assert!(matches!(refused, StoreError::Newer { found: 3, oldest: 3, known: 2 }));
        assert!(refused.to_string().contains("restore a backup"), "{refused}");
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
