//! The log of calls on disk, and the history of those that are over. Written behind by a thread of its own: no call ever
//! waits for the disk. What it holds decides nothing while the hub runs; a hub that starts again reads it once.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, Transaction, params};
use tokio::sync::watch;
use tracing::{error, warn};

use super::erasure::Erased;
use super::exchange::{Change, Entry};
use super::store::{self, Commit, StoreError};
use crate::clock;
use crate::config::hub::HistoryTable;
use crate::ids::SessionId;
use crate::moment::Moment;
use crate::signaling::protocol::{Call, Receiver as Callee, Still, Trace};

const MIGRATIONS: [&str; 3] = [
    "
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    boot TEXT NOT NULL,
    moment INTEGER NOT NULL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX entries_of_session ON entries (session);
CREATE TABLE history (
    session TEXT PRIMARY KEY,
    initiated_at INTEGER NOT NULL,
    door TEXT NOT NULL,
    initiator TEXT NOT NULL,
    user TEXT,
    guid TEXT,
    call TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX history_by_time ON history (initiated_at);
",
    "
CREATE TABLE stills (
    session TEXT PRIMARY KEY REFERENCES history (session) ON DELETE CASCADE,
    initiated_at INTEGER NOT NULL,
    jpeg BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX stills_by_time ON stills (initiated_at);
",
    "
CREATE TABLE traces (
    session TEXT PRIMARY KEY REFERENCES history (session) ON DELETE CASCADE,
    trace TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE erased (
    uid TEXT NOT NULL,
    name TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
",
];

/// Records that wait for the disk. A disk that is slower for longer loses some of them, with an ERROR.
pub const QUEUE: usize = 8192;

/// Records of one transaction, at the most.
const BATCH: usize = 256;

/// What comes within this time is one transaction: the card is spared, and a ring is on its way to everybody before the writer
/// takes its part of the machine.
const GATHER: Duration = Duration::from_millis(5);

/// A disk that needs longer to settle does not keep the hub from its calls.
const SETTLE: Duration = Duration::from_secs(5);

/// A reader of the history does not wait longer for the writer.
const CATCH_UP: Duration = Duration::from_secs(2);

/// After a failed write the next try waits this long.
const RETRY: Duration = Duration::from_secs(2);

/// Calls after which the history is cut to its bounds again; it is also cut when nothing happened for [`QUIET`].
const CUT_EVERY: u32 = 64;

/// A picture must not outlive its time for long because nobody rings.
const QUIET: Duration = Duration::from_secs(3600);

/// What is kept.
#[derive(Debug)]
enum Record {
    Entry {
        moment: Moment,
        entry: Box<Entry>,
    },
    Archive(Box<Call>, Option<Still>),
    Trace(SessionId, Trace),
    Forget(SessionId),
    /// Everything before it is on the disk, in a file that a power failure does not take back.
    Settle(SyncSender<()>),
}

impl Record {
    fn settled(self) -> Option<SyncSender<()>> {
        match self {
            Self::Settle(done) => Some(done),
            Self::Entry { .. } | Self::Archive(..) | Self::Trace(..) | Self::Forget(_) => None,
        }
    }
}

/// The way to the writer.
#[derive(Debug)]
pub struct Log {
    /// Not yet handed over.
    fresh: Vec<Record>,
    records: SyncSender<Record>,
    progress: Progress,
    thread: JoinHandle<()>,
}

/// How far the writer is, for readers of what it writes.
#[derive(Debug, Clone)]
pub struct Progress {
    given: Arc<AtomicU64>,
    done: watch::Receiver<u64>,
}

impl Progress {
    /// How many records wait for the disk.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waiting = self.given.load(Ordering::Acquire).saturating_sub(*self.done.borrow());
        usize::try_from(waiting).unwrap_or(usize::MAX)
    }

    /// Waits until all that was given so far is written, or two seconds.
    pub async fn caught_up(&mut self) {
        let given = self.given.load(Ordering::Acquire);
        let written = self.done.wait_for(|done| *done >= given);
        // A disk that is slower, or a writer that is gone, is reported where it happens.
        drop(tokio::time::timeout(CATCH_UP, written).await);
    }
}

/// The file in a state directory.
#[must_use]
pub fn path(state_directory: &Path) -> PathBuf {
    state_directory.join("calls.sqlite")
}

/// Opens the tables beside a log that may be running.
///
/// # Errors
/// The database cannot be used.
pub fn open_tables(state_directory: &Path) -> Result<Connection, StoreError> {
    store::open(&path(state_directory), Commit::WrittenBehind, &MIGRATIONS)
}

impl Log {
    /// Opens the log: what is not forgotten, in order, with the times as they count now, and the way to write on.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn open(state_directory: &Path, keep: &HistoryTable) -> Result<(Self, Vec<(Moment, Entry)>), StoreError> {
        store::make_directory(state_directory)?;
        let connection = open_tables(state_directory)?;
        let boot = kernel_boot();
        let entries = read_entries(&connection, &boot, clock::now())?;
        let (records, inbox) = sync_channel(QUEUE);
        let (done_in, done) = watch::channel(0);
        let progress = Progress { given: Arc::default(), done };
        let waiting = VecDeque::new();
        let writer = Writer { connection, boot, keep: keep.clone(), waiting, archived: CUT_EVERY, done: done_in };
        let thread = std::thread::Builder::new()
            .name("hub-log".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(|error| StoreError::File { path: "thread hub-log".to_owned(), error })?;
        Ok((Self { fresh: Vec::new(), records, progress, thread }, entries))
    }

    /// For readers of what this log writes.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Keeps an entry. A ring waits for [`Self::hand_over`]; its door would ask for it again. What was answered is on its way to
    /// the disk before anybody hears of it.
    pub fn append(&mut self, moment: Moment, entry: Entry) {
        let rings = matches!(entry.change, Change::Initiate(_));
        self.keep(Record::Entry { moment, entry: Box::new(entry) });
        if !rings {
            self.hand_over();
        }
    }

    /// Keeps a call that is over in the history, with what the door saw, as far as pictures are kept.
    pub fn archive(&mut self, call: Box<Call>, still: Option<Still>) {
        self.send(Record::Archive(call, still));
    }

    /// Keeps the trace of a call in the history. The first one stands.
    pub fn trace(&mut self, session_id: SessionId, trace: Trace) {
        self.send(Record::Trace(session_id, trace));
    }

    /// The entries of this call are not needed any more.
    pub fn forget(&mut self, session_id: SessionId) {
        self.send(Record::Forget(session_id));
    }

    /// Waits until all that was given so far is on the disk, also for a power failure. Only for a hub that does not listen
    /// yet. Whether it is.
    pub fn settle(&mut self) -> bool {
        let (done, settled) = sync_channel(1);
        self.send(Record::Settle(done));
        settled.recv_timeout(SETTLE).is_ok()
    }

    /// Writes what is waiting, and stops.
    pub fn close(mut self) {
        self.hand_over();
        let Self { records, thread, .. } = self;
        drop(records);
        if thread.join().is_err() {
            error!("the log's writer failed");
        }
    }

    /// How many records wait for [`Self::hand_over`].
    #[must_use]
    pub const fn fresh(&self) -> usize {
        self.fresh.len()
    }

    /// Gives the writer what is kept since the last time. Waking it is a call of the kernel, and it then takes its part of the
    /// machine: whoever is rung hears it before.
    pub fn hand_over(&mut self) {
        for record in self.fresh.drain(..) {
            let lost = match self.records.try_send(record) {
                Ok(()) => continue,
                Err(TrySendError::Full(_)) => "the disk is too slow, an entry of the log is lost",
                Err(TrySendError::Disconnected(_)) => "the log's writer is gone, an entry of the log is lost",
            };
            self.progress.given.fetch_sub(1, Ordering::Release);
            error!("{lost}");
        }
    }

    fn send(&mut self, record: Record) {
        self.keep(record);
        self.hand_over();
    }

    fn keep(&mut self, record: Record) {
        self.progress.given.fetch_add(1, Ordering::Release);
        self.fresh.push(record);
    }
}

struct Writer {
    connection: Connection,
    boot: String,
    keep: HistoryTable,
    waiting: VecDeque<Record>,
    archived: u32,
    /// Records that are written or given up.
    done: watch::Sender<u64>,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Record>) {
        self.cut();
        loop {
            let patience = if self.waiting.is_empty() { QUIET } else { RETRY };
            match inbox.recv_timeout(patience) {
                Ok(record) => {
                    self.waiting.push_back(record);
                    std::thread::sleep(GATHER);
                }
                Err(RecvTimeoutError::Timeout) if self.waiting.is_empty() => self.cut(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.waiting.extend(inbox.try_iter());
            self.write_all();
        }
        self.write_all();
    }

    /// Until nothing waits, or the disk does not take it.
    fn write_all(&mut self) {
        while !self.waiting.is_empty() && self.write() {}
    }

    /// Whether a batch was written.
    fn write(&mut self) -> bool {
        while self.waiting.len() > QUEUE {
            self.waiting.pop_front();
            self.done.send_modify(|done| *done += 1);
        }
        let batch = self.waiting.len().min(BATCH);
        if let Err(error) = self.write_batch(batch) {
            error!(%error, waiting = self.waiting.len(), "the log cannot be written");
            return false;
        }
        self.done.send_modify(|done| *done += batch as u64);
        let settled: Vec<_> = self.waiting.drain(..batch).filter_map(Record::settled).collect();
        if !settled.is_empty()
            && let Err(error) = self.connection.pragma(None, "wal_checkpoint", "full", |_| Ok(()))
        {
            error!(%error, "the log cannot be settled");
            return false;
        }
        for done in settled {
            // Whoever waits no longer has gone on.
            let _ = done.try_send(());
        }
        if self.archived >= CUT_EVERY {
            self.cut();
        }
        true
    }

    fn write_batch(&mut self, batch: usize) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        let mut archived = 0;
        for record in self.waiting.iter().take(batch) {
            match record {
                Record::Entry { moment, entry } => write_entry(&transaction, &self.boot, *moment, entry)?,
                Record::Archive(call, still) => {
                    write_history(&transaction, call)?;
                    if let Some(still) = still.as_ref().filter(|_| !self.keep.keep_stills.is_zero()) {
                        write_still(&transaction, call, still)?;
                    }
                    archived += 1;
                }
                Record::Trace(session_id, trace) => write_trace(&transaction, *session_id, trace)?,
                Record::Settle(_) => {}
                Record::Forget(session) => {
                    let mut statement = transaction.prepare_cached("DELETE FROM entries WHERE session = ?1")?;
                    statement.execute([session.to_string()])?;
                }
            }
        }
        transaction.commit()?;
        self.archived += archived;
        Ok(())
    }

    fn cut(&mut self) {
        self.archived = 0;
        let now = clock::wall();
        let before = |age: Duration| now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let oldest = before(self.keep.keep);
        let by_age = self.connection.execute("DELETE FROM history WHERE initiated_at < ?1", [oldest]);
        // All of them, where none is kept any more.
        let oldest = before(self.keep.keep_stills);
        let stills = self.connection.execute("DELETE FROM stills WHERE initiated_at < ?1", [oldest]);
        let by_number = self.connection.execute(
            "DELETE FROM history WHERE session IN
                (SELECT session FROM history ORDER BY initiated_at DESC LIMIT -1 OFFSET ?1)",
            [self.keep.max_calls],
        );
        // No call lasts a day: who was erased before is in none that is still to come.
        let erased = clock::wall().saturating_sub(24 * 3_600_000);
        let by_end = self.connection.execute("DELETE FROM erased WHERE at < ?1", [erased]);
        if let Err(error) = by_age.and(by_number).and(stills).and(by_end) {
            warn!(%error, "the history cannot be cut");
        }
    }
}

fn write_entry(
    transaction: &Transaction<'_>,
    boot: &str,
    moment: Moment,
    entry: &Entry,
) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO entries (session, boot, moment, entry) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = transaction.prepare_cached(sql)?;
    let text = serde_json::to_string(entry).expect("entries hold only words and numbers");
    statement.execute(params![entry.session_id.to_string(), boot, moment.as_nanos(), text])?;
    Ok(())
}

fn write_history(transaction: &Transaction<'_>, call: &Call) -> Result<(), rusqlite::Error> {
    let sql = "INSERT OR REPLACE INTO history (session, initiated_at, door, initiator, user, guid, call)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (user, guid) = match &call.receiver {
        Callee::User(uid) => (Some(uid.as_str()), None),
        Callee::Group(guid) => (None, Some(guid.as_str())),
    };
    let mut picture = serde_json::to_value(call).expect("a call holds only words and numbers");
    let (mut initiator, mut user) = (call.initiator.uid.as_str(), user);
    let gone = erased_since(transaction, call.initiated_at)?;
    for erased in gone.iter().filter(|erased| erased.take_out_of(&mut picture)) {
        let instead = |uid| if uid == erased.uid.as_str() { erased.pseudonym.as_str() } else { uid };
        (initiator, user) = (instead(initiator), user.map(instead));
    }
    let (session, door, text) = (call.session_id.to_string(), call.door.as_str(), picture.to_string());
    transaction.prepare_cached(sql)?.execute(params![session, call.initiated_at, door, initiator, user, guid, text])?;
    Ok(())
}

/// Residents that were erased while a call begun at this time went on.
fn erased_since(transaction: &Transaction<'_>, begun: u64) -> Result<Vec<Erased>, rusqlite::Error> {
    let mut statement = transaction.prepare_cached("SELECT uid, name, pseudonym FROM erased WHERE at >= ?1")?;
    let rows = statement.query_map([begun], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut gone = Vec::new();
    for row in rows {
        let (uid, name, pseudonym): (String, String, String) = row?;
        if let (Ok(uid), Ok(pseudonym)) = (uid.parse(), pseudonym.parse()) {
            gone.push(Erased { uid, name, devices: BTreeSet::new(), pseudonym });
        }
    }
    Ok(gone)
}

fn write_still(transaction: &Transaction<'_>, call: &Call, still: &Still) -> Result<(), rusqlite::Error> {
    let sql = "INSERT OR REPLACE INTO stills (session, initiated_at, jpeg) VALUES (?1, ?2, ?3)";
    let key = params![call.session_id.to_string(), call.initiated_at, still.jpeg()];
    transaction.prepare_cached(sql)?.execute(key)?;
    Ok(())
}

/// Only of a call that is in the history still: it may have been cut already.
fn write_trace(transaction: &Transaction<'_>, session_id: SessionId, trace: &Trace) -> Result<(), rusqlite::Error> {
    let sql = "INSERT OR IGNORE INTO traces (session, trace) SELECT session, ?2 FROM history WHERE session = ?1";
    let text = serde_json::to_string(trace).expect("a trace holds only numbers");
    transaction.prepare_cached(sql)?.execute(params![session_id.to_string(), text])?;
    Ok(())
}

/// Reads the log. Times of this start of the machine count as they are; of an earlier one, from now: CLOCK_MONOTONIC began
/// anew. An entry that cannot be read takes its whole call with it, for half a log would make another call of it.
fn read_entries(connection: &Connection, boot: &str, now: Moment) -> Result<Vec<(Moment, Entry)>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT session, boot, moment, entry FROM entries ORDER BY id")?;
    let mut rows = statement.query([])?;
    let (mut entries, mut broken) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let session: String = row.get(0)?;
        let moment = if row.get_ref(1)?.as_str()? == boot { Moment::from_nanos(row.get(2)?).min(now) } else { now };
        match serde_json::from_str::<Entry>(row.get_ref(3)?.as_str()?) {
            Ok(entry) => entries.push((moment, entry)),
            Err(error) => {
                error!(session_id = session, %error, "an entry of the log cannot be read, its call is dropped");
                broken.push(session);
            }
        }
    }
    let whole = |entry: &Entry| !broken.iter().any(|session| *session == entry.session_id.to_string());
    entries.retain(|(_, entry)| whole(entry));
    Ok(entries)
}

/// This start of the machine, as the kernel names it. Where it cannot be known, no two starts are the same.
fn kernel_boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| clock::boot_id().to_string(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::exchange::Initiation;
    use crate::signaling::protocol::{CallType, Leg, Metadata};

    #[test]
    fn what_is_settled_is_in_the_file_while_the_writer_still_runs() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mut log, entries) = Log::open(directory.path(), &HistoryTable::default()).expect("a new log");
        assert!(entries.is_empty());
        let session_id = SessionId::from_random([7; 16]);
        for _ in 0..QUEUE / 2 {
            log.append(Moment::START, Entry { session_id, wall: 1, change: Change::Restarted });
        }
        assert!(log.settle(), "this disk works");
        // Without its WAL, as a power failure may leave it.
        let copy = directory.path().join("copy.sqlite");
        std::fs::copy(path(directory.path()), &copy).expect("it is there");
        let connection = store::open_for_reading(&copy).expect("a whole database");
        let count: u32 = connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).expect("a table");
        assert_eq!(usize::try_from(count), Ok(QUEUE / 2));
        log.close();
    }

    /// The entry that rings, as it stands in the file.
    fn ring(session_id: SessionId) -> Entry {
        let (uid, device_id) = ("front".parse().expect("a word"), "station".parse().expect("a word"));
        let initiation = Initiation {
            key: "key".parse().expect("a word"),
            initiator: Leg { uid, device_id, name: "Front door".into() },
            initiator_is_door: true,
            receiver: Callee::Group("flat-1".parse().expect("a word")),
            receiver_name: "Flat 1".to_owned(),
            receiver_is_door: false,
            members: Vec::new(),
            call_type: CallType::Video,
            metadata: Metadata::new(),
            ring_for: 45_000,
            joinable: false,
            max_viewers: 4,
        };
        Entry { session_id, wall: 1, change: Change::Initiate(Arc::new(initiation)) }
    }

    #[test]
    fn a_ring_waits_and_what_follows_takes_it_along() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let open = || Log::open(directory.path(), &HistoryTable::default()).expect("a log");
        let ringing = ring(SessionId::from_random([7; 16]));
        let (mut log, _empty) = open();
        log.append(Moment::START, ringing.clone());
        assert_eq!((log.fresh(), log.progress().waiting()), (1, 1));
        let after = Entry { change: Change::Expire, ..ringing.clone() };
        log.append(Moment::START, after.clone());
        assert_eq!(log.fresh(), 0);
        // The last one nobody asks for.
        log.append(Moment::START, ringing.clone());
        log.close();
        let (log, entries) = open();
        log.close();
        let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
        assert_eq!(entries, [ringing.clone(), after, ringing]);
    }
}
