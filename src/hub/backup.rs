//! Backup and restore of everything a hub keeps, as one file. A copy is taken while the hub runs, each database whole as it was
//! at one moment; it is put back only where no hub runs. It looks into no table.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::store::{self, Commit, StoreError};
use crate::clock;

const MIGRATIONS: [&str; 1] = ["
CREATE TABLE backed_up (
    name TEXT PRIMARY KEY,
    content BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"];

/// Pages that are copied at a time; in between the hub goes on writing.
const PAGES: i32 = 512;

/// Why nothing was copied, or nothing put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It would be overwritten.
    #[error("{0} is there already")]
    Exists(String),
    /// The state is in use.
    #[error("a hub runs on {0}: stop it first")]
    InUse(String),
    /// Not made by `backup`, or damaged.
    #[error("{path} is no backup that can be put back: {why}")]
    Unfit {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Copies the state of a hub, running or not, into one new file that only its owner can read.
///
/// # Errors
/// The file is there already, or something cannot be read or written: then no file is left.
pub fn backup(state: &Path, to: &Path) -> Result<Vec<String>, BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.display().to_string()));
    }
    let draft = to.with_extension("part");
    drop(fs::remove_file(&draft));
    let copied = copy_into(state, &draft);
    let kept = copied.and_then(|names| {
        fs::rename(&draft, to).map_err(|error| file_error(to, error))?;
        Ok(names)
    });
    if kept.is_err() {
        // Half a backup is none.
        drop(fs::remove_file(&draft));
    }
    kept
}

fn copy_into(state: &Path, draft: &Path) -> Result<Vec<String>, BackupError> {
    let archive = store::open(draft, Commit::Awaited, &MIGRATIONS)?;
    let files = files_of(state)?;
    for (name, path) in &files {
        let content = if is_database(name) { copy_database(path, draft)? } else { read(path)? };
        let digest = Sha256::digest(&content);
        archive.execute(
            "INSERT INTO backed_up (name, content, digest) VALUES (?1, ?2, ?3)",
            params![name, content, digest.as_slice()],
        )?;
    }
    // One file, without a log beside it.
    archive.pragma_update(None, "journal_mode", "delete")?;
    drop(archive);
    fs::File::open(draft).and_then(|file| file.sync_all()).map_err(|error| file_error(draft, error))?;
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

/// A whole database as bytes, as it is at one moment.
fn copy_database(path: &Path, beside: &Path) -> Result<Vec<u8>, BackupError> {
    let source = store::open_for_reading(path)?;
    let copy = beside.with_extension("copy");
    drop(fs::remove_file(&copy));
    write(&copy, &[])?;
    let mut target = Connection::open(&copy)?;
    Backup::new(&source, &mut target)?.run_to_completion(PAGES, Duration::from_millis(1), None)?;
    target.pragma_update(None, "journal_mode", "delete")?;
    drop(target);
    let content = read(&copy);
    drop(fs::remove_file(&copy));
    content
}

/// Puts a backup back. What is there is kept in a folder beside it, and only replaced if `replace`.
///
/// # Errors
/// It is no backup, there is state already, or a hub runs on it: then nothing is changed.
pub fn restore(from: &Path, state: &Path, replace: bool) -> Result<Vec<String>, BackupError> {
    let files = unpack(from)?;
    store::make_directory(state)?;
    let there = files_of(state)?;
    if !there.is_empty() {
        if !replace {
            return Err(BackupError::Exists(format!("the state in {}", state.display())));
        }
        put_away(state, &there)?;
    }
    let mut names = Vec::new();
    for (name, content) in files {
        write(&state.join(&name), &content)?;
        names.push(name);
    }
    fs::File::open(state).and_then(|folder| folder.sync_all()).map_err(|error| file_error(state, error))?;
    Ok(names)
}

/// Reads a backup and tries every database in it.
fn unpack(from: &Path) -> Result<Vec<(String, Vec<u8>)>, BackupError> {
    let unfit = |why: String| BackupError::Unfit { path: from.display().to_string(), why };
    let archive = store::open_for_reading(from).map_err(|error| unfit(error.to_string()))?;
    if !archive.table_exists(None, "backed_up").map_err(|error| unfit(error.to_string()))? {
        return Err(unfit("it was not made by `doorward hub backup`".to_owned()));
    }
    let mut statement = archive.prepare("SELECT name, content, digest FROM backed_up")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows: Vec<(String, Vec<u8>, Vec<u8>)> =
        rows.collect::<Result<_, _>>().map_err(|error| unfit(error.to_string()))?;
    for (name, content, digest) in &rows {
        if Sha256::digest(content).as_slice() != digest {
            return Err(unfit(format!("{name} is damaged")));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(unfit(format!("it has a file of the name {name:?}")));
        }
        if is_database(name) {
            let trial = trial_of(from, name);
            drop(fs::remove_file(&trial));
            write(&trial, content)?;
            let whole = whole(&trial);
            drop(fs::remove_file(&trial));
            whole.map_err(|why| unfit(format!("{name}: {why}")))?;
        }
    }
    Ok(rows.into_iter().map(|(name, content, _)| (name, content)).collect())
}

fn trial_of(from: &Path, name: &str) -> PathBuf {
    from.with_extension(format!("{name}.trial"))
}

fn whole(path: &Path) -> Result<(), String> {
    let connection = Connection::open(path).map_err(|error| error.to_string())?;
    let said: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|error| error.to_string())?;
    if said == "ok" { Ok(()) } else { Err(said) }
}

/// Moves what is there aside, unless a hub has it open: SQLite leaves WAL only for whoever is alone.
fn put_away(state: &Path, files: &[(String, PathBuf)]) -> Result<(), BackupError> {
    for (_, path) in files.iter().filter(|(name, _)| is_database(name)) {
        let connection = Connection::open(path)?;
        let alone = connection.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get::<_, String>(0));
        if !alone.is_ok_and(|mode| mode == "delete") {
            return Err(BackupError::InUse(state.display().to_string()));
        }
    }
    let aside = state.join(format!("before-restore-{}", clock::wall()));
    store::make_directory(&aside)?;
    for (name, path) in files {
        fs::rename(path, aside.join(name)).map_err(|error| file_error(path, error))?;
    }
    Ok(())
}

/// The files of a state directory, without the logs that SQLite keeps beside its own.
fn files_of(state: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(state).map_err(|error| file_error(state, error))? {
        let entry = entry.map_err(|error| file_error(state, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && !name.ends_with("-wal") && !name.ends_with("-shm") && !name.ends_with("-journal") {
            files.push((name, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

fn is_database(name: &str) -> bool {
    name.ends_with(".sqlite")
}

fn read(path: &Path) -> Result<Vec<u8>, BackupError> {
    fs::read(path).map_err(|error| file_error(path, error))
}

fn write(path: &Path, content: &[u8]) -> Result<(), BackupError> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    })
    .map_err(|error| file_error(path, error))
}

fn file_error(path: &Path, error: std::io::Error) -> BackupError {
    BackupError::File { path: path.display().to_string(), error }
}
