//! The audit log's file, and what of it the hub has no copy of yet. Written by a thread of its own after the fact: no opening
//! ever waits for the disk. Without a directory, or with one that fails, the newest lines are kept in memory, and the log says
//! that it has a gap. A full file is put away, and the chain goes on in the next one.

pub mod parts;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Chain, Event, GapReason, LONGEST_LINE, Line};
use crate::ids::BootId;
use crate::moment::Moment;
use parts::Log;

/// Lines of which the hub may have no copy; older ones are in the file only.
const KEPT: usize = 256;
/// Lines sent to the hub at one time: they fit into a frame.
const BATCH: usize = 12;
/// Lines that wait for the disk.
const QUEUE: usize = 1024;
/// After a failed write the next try waits this long.
const RETRY: Duration = Duration::from_secs(2);
/// A file of this size, some ten thousand lines, is put away.
const FULL: u64 = 4 << 20;

/// The log of this door.
#[derive(Debug)]
pub struct Audit {
    chain: Chain,
    /// The newest lines that the hub may not have, the oldest first.
    uncopied: VecDeque<Line>,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    lines: SyncSender<String>,
    thread: JoinHandle<()>,
}

/// The log in a state directory.
#[must_use]
pub fn path(state_directory: &Path) -> PathBuf {
    state_directory.join("audit.jsonl")
}

impl Audit {
    /// Takes up the log in this directory, or begins one. Never fails: a door without a log opens all the same.
    #[must_use]
    pub fn open(state_directory: Option<&Path>, boot: BootId, now: Moment, wall: u64) -> Self {
        let Some(directory) = state_directory else {
            return Self::forgetful(boot, now, wall, GapReason::NotKept);
        };
        match Self::take_up(directory, FULL, boot, now, wall) {
            Ok(audit) => audit,
            Err(error) => {
                tracing::error!(%error, path = %path(directory).display(), "the audit log cannot be kept");
                Self::forgetful(boot, now, wall, GapReason::Unreadable)
            }
        }
    }

    fn forgetful(boot: BootId, now: Moment, wall: u64, reason: GapReason) -> Self {
        let mut audit = Self { chain: Chain::begin(boot), uncopied: VecDeque::new(), writer: None };
        audit.record(now, wall, Event::Gap { reason });
        audit.record(now, wall, Event::Started);
        audit
    }

    fn take_up(directory: &Path, full: u64, boot: BootId, now: Moment, wall: u64) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut log = Log::open(path(directory), full)?;
        let End { mut lines, torn, empty } = read_end(log.file())?;
        if torn > 0 {
            // The power went while it was written: nobody was told that it was kept.
            log.cut(torn)?;
            tracing::warn!(bytes = torn, "the last line of the audit log was not whole");
        }
        let mut unreadable = lines.is_empty() && !empty;
        // The first lines of a file follow the last ones of the file that was put away before it.
        if lines.len() < KEPT && !unreadable {
            let before = end_of_parts(&parts::put_away(&path(directory))?)?;
            unreadable = lines.is_empty() && before.lines.is_empty() && !before.empty;
            before.lines.into_iter().rev().take(KEPT - lines.len()).for_each(|line| lines.push_front(line));
        }
        let (chain, gap) = match lines.back() {
            Some(last) => (Chain::after(last, boot), None),
            None => (Chain::begin(boot), unreadable.then_some(GapReason::Unreadable)),
        };
        let mut audit = Self { chain, uncopied: lines, writer: Some(Writer::start(log)?) };
        if let Some(reason) = gap {
            audit.record(now, wall, Event::Gap { reason });
        }
        audit.record(now, wall, Event::Started);
        Ok(audit)
    }

    /// Keeps what happened.
    pub fn record(&mut self, now: Moment, wall: u64, event: Event) {
        let line = self.chain.add(now, wall, event);
        if let Some(writer) = &self.writer {
            match writer.lines.try_send(line.text.clone()) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => tracing::error!("the disk is too slow, a line of the audit log is lost"),
                Err(TrySendError::Disconnected(_)) => tracing::error!("the audit log's writer is gone"),
            }
        }
        if self.uncopied.len() == KEPT {
            self.uncopied.pop_front();
        }
        self.uncopied.push_back(line);
    }

    /// The oldest lines of which the hub may have no copy.
    #[must_use]
    pub fn uncopied(&self) -> Vec<String> {
        self.uncopied.iter().take(BATCH).map(|line| line.text.clone()).collect()
    }

    /// The hub has a copy of these lines.
    pub fn copied(&mut self, lines: &[String]) {
        self.uncopied.retain(|line| !lines.contains(&line.text));
    }

    /// Writes what is waiting, and stops.
    pub fn close(self) {
        if let Some(Writer { lines, thread }) = self.writer {
            drop(lines);
            if thread.join().is_err() {
                tracing::error!("the audit log's writer failed");
            }
        }
    }
}

/// What stands at the end of a log.
struct End {
    /// The newest lines, each good by itself; none if the last is not.
    lines: VecDeque<Line>,
    /// Bytes after the last line feed.
    torn: u64,
    /// There is no line at all.
    empty: bool,
}

/// Only the end is read: a door must be ready at once, however old its log is.
fn read_end(file: &mut File) -> std::io::Result<End> {
    let length = file.metadata()?.len();
    let window = u64::try_from(KEPT * LONGEST_LINE / 4).unwrap_or(u64::MAX).min(length);
    file.seek(SeekFrom::Start(length - window))?;
    let mut bytes = Vec::new();
    file.take(window).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (whole, torn) = text.rsplit_once('\n').unwrap_or(("", &text));
    let torn = if torn.contains('\u{fffd}') { last_part(&bytes) } else { torn.len() };
    let mut lines = VecDeque::new();
    for line in whole.lines().rev().take(KEPT) {
        match Line::read(line) {
            Ok(line) => lines.push_front(line),
            Err(_) => break,
        }
    }
    Ok(End { lines, torn: u64::try_from(torn).unwrap_or(0), empty: whole.is_empty() })
}

/// The end of the newest part that has anything in it.
fn end_of_parts(parts: &[PathBuf]) -> std::io::Result<End> {
    for part in parts.iter().rev() {
        let end = read_end(&mut File::open(part)?)?;
        if !end.empty {
            return Ok(end);
        }
    }
    Ok(End { lines: VecDeque::new(), torn: 0, empty: true })
}

fn last_part(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|byte| **byte != b'\n').count()
}

impl Writer {
    fn start(log: Log) -> std::io::Result<Self> {
        let (lines, inbox) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || write(log, &inbox))?;
        Ok(Self { lines, thread })
    }
}

fn write(mut log: Log, inbox: &Receiver<String>) {
    let mut waiting = String::new();
    loop {
        let patience = if waiting.is_empty() { Duration::from_secs(3600) } else { RETRY };
        let open = match inbox.recv_timeout(patience) {
            Ok(line) => {
                waiting.push_str(&line);
                waiting.push('\n');
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        };
        for line in inbox.try_iter() {
            waiting.push_str(&line);
            waiting.push('\n');
        }
        if !waiting.is_empty() {
            match log.append(&waiting) {
                Ok(()) => waiting.clear(),
                Err(error) => tracing::error!(%error, bytes = waiting.len(), "the audit log cannot be written"),
            }
        }
        if !open {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::super::{Fault, Verifier};
    use super::*;

    fn boot(bits: u8) -> BootId {
        BootId::from_random([bits; 16])
    }

    fn open(directory: &Path, bits: u8) -> Audit {
        Audit::open(Some(directory), boot(bits), Moment::START, 0)
    }

    fn verify(directory: &Path) -> Result<(u64, u64), Fault> {
        let text = std::fs::read_to_string(path(directory)).expect("a log");
        let mut verifier = Verifier::default();
        for line in text.lines() {
            verifier.read(line)?;
        }
        Ok((verifier.last().map_or(0, |line| line.record.number), verifier.gaps))
    }

    #[test]
    fn a_log_goes_on_after_a_power_cut_in_the_middle_of_a_line() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut audit = open(directory.path(), 1);
        audit.record(Moment::START, 0, Event::Tamper { active: true });
        audit.close();
        assert_eq!(verify(directory.path()), Ok((2, 0)));
        let mut file = OpenOptions::new().append(true).open(path(directory.path())).expect("the log");
        file.write_all(b"{\"number\":3,\"chain\":\"01").expect("room on the disk");
        let audit = open(directory.path(), 2);
        assert_eq!(audit.uncopied().len(), 3, "the hub is offered what it may have missed");
        audit.close();
        assert_eq!(verify(directory.path()), Ok((3, 0)));
    }

    #[test]
    fn an_unreadable_end_is_a_gap_that_is_seen() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(path(directory.path()), "what is this\n").expect("room on the disk");
        open(directory.path(), 1).close();
        let text = std::fs::read_to_string(path(directory.path())).expect("a log");
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains(r#"{"name":"gap","reason":"unreadable"}"#), "{text}");
        assert_eq!(verify(directory.path()), Err(Fault::Unreadable));
    }

    #[test]
    fn without_a_directory_the_newest_lines_are_kept_and_the_gap_is_marked() {
        let mut audit = Audit::open(None, boot(1), Moment::START, 0);
        assert!(audit.uncopied()[0].contains("notKept"));
        for _ in 0..2 * KEPT {
            audit.record(Moment::START, 0, Event::Tamper { active: true });
        }
        assert_eq!(audit.uncopied.len(), KEPT);
        let batch = audit.uncopied();
        assert_eq!(batch.len(), BATCH);
        audit.copied(&batch);
        assert_eq!(audit.uncopied.len(), KEPT - BATCH);
        audit.close();
    }

    /// A log whose files are full after some lines, over as many starts.
    fn full_of(directory: &Path, starts: u8) {
        for bits in 1..=starts {
            let mut audit = Audit::take_up(directory, 2_000, boot(bits), Moment::START, 0).expect("a directory");
            for _ in 0..4 {
                audit.record(Moment::START, 0, Event::Tamper { active: true });
            }
            audit.close();
        }
    }

    /// The last number and the gaps of everything that is kept, or where it is wrong.
    fn verify_all(directory: &Path) -> Result<(u64, u64), Fault> {
        let mut files = parts::put_away(&path(directory)).expect("a directory");
        files.push(path(directory));
        let mut verifier = Verifier::default();
        for file in files {
            for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
                verifier.read(line)?;
            }
        }
        Ok((verifier.last().map_or(0, |line| line.record.number), verifier.gaps))
    }

    #[test]
    fn full_files_are_put_away_and_the_chain_goes_on() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        full_of(directory.path(), 6);
        let put_away = parts::put_away(&path(directory.path())).expect("a directory");
        assert!(put_away.len() >= 3, "{put_away:?}");
        assert_eq!(verify_all(directory.path()), Ok((30, 0)));
        // The power goes after a file was put away, before the next one has a line.
        std::fs::rename(path(directory.path()), directory.path().join("audit.9999.jsonl")).expect("a rename");
        let audit = Audit::take_up(directory.path(), 2_000, boot(7), Moment::START, 0).expect("a directory");
        assert!(audit.uncopied.len() > 1, "the hub is offered what it may have missed, whichever file it is in");
        audit.close();
        assert_eq!(verify_all(directory.path()), Ok((31, 0)));
    }

    #[test]
    fn what_is_missing_between_files_is_found_and_the_oldest_may_go() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        full_of(directory.path(), 12);
        let put_away = parts::put_away(&path(directory.path())).expect("a directory");
        std::fs::remove_file(&put_away[0]).expect("it is ours");
        assert_eq!(verify_all(directory.path()), Ok((60, 1)), "a log without its beginning says so");
        std::fs::remove_file(&put_away[2]).expect("it is ours");
        assert_eq!(verify_all(directory.path()), Err(Fault::Broken));
    }

    #[test]
    fn no_more_is_kept_than_was_promised() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        full_of(directory.path(), 60);
        let put_away = parts::put_away(&path(directory.path())).expect("a directory");
        assert_eq!(put_away.len(), parts::KEPT);
        assert_eq!(verify_all(directory.path()), Ok((300, 1)));
    }
}
