//! One child process and the socket pair to it. It is killed when this is dropped, and ends by itself when its socket does.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{OrderError, WorkerCommand};
use crate::media::protocol::{Order, Report};

/// Lines on their way into the socket.
const LINES_WAITING: usize = 512;

/// A worker ends by itself within a second.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// Every connection has a dozen threads of its own, for as long as it lasts. glibc gives them up to eight heaps for each processor,
/// and what stays in pieces in each of them is never given back: a worker weighed 108 MB after a thousand calls, and weighs
/// 76 MB with two heaps.
const HEAPS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// A running child.
pub(super) struct Child {
    process: tokio::process::Child,
    reports: Lines<BufReader<OwnedReadHalf>>,
    lines: mpsc::Sender<Vec<u8>>,
    writer: JoinHandle<()>,
}

impl Child {
    /// Starts it.
    pub(super) fn start(command: &WorkerCommand) -> std::io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let process = Command::new(&command.program)
            .args(&command.arguments)
            .env(HEAPS.0, std::env::var_os(HEAPS.0).unwrap_or_else(|| HEAPS.1.into()))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (reading, mut writing) = UnixStream::from_std(ours)?.into_split();
        let (lines, mut waiting) = mpsc::channel::<Vec<u8>>(LINES_WAITING);
        // On a task of its own: a child that reads nothing must not stop what watches over it.
        let writer = tokio::spawn(async move {
            while let Some(line) = waiting.recv().await {
                if writing.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, reports: BufReader::new(reading).lines(), lines, writer })
    }

    /// Number of the process.
    pub(super) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// What its loop does, as the kernel sees it: one that runs or may run is starved, one that sleeps waits for something.
    pub(super) fn state(&self) -> &'static str {
        let stat =
            self.id().and_then(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok()).unwrap_or_default();
        // Behind the name, which may hold anything.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        match state {
            Some('R') => "runs",
            Some('S') => "sleeps",
            Some('D') => "waits for a disk or a device",
            Some('T' | 't') => "was stopped",
            Some('Z' | 'X') => "is dead",
            _ => "is in a state that is not known",
        }
    }

    /// Hands over an order, without waiting.
    pub(super) fn send(&self, order: &Order) -> Result<(), OrderError> {
        let mut line = serde_json::to_vec(order).expect("an order is plain data");
        line.push(b'\n');
        self.lines.try_send(line).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => OrderError::Busy,
            mpsc::error::TrySendError::Closed(_) => OrderError::Gone,
        })
    }

    /// The next report; nothing when the child closed its end. May be cancelled without loss.
    pub(super) async fn report(&mut self) -> Option<Report> {
        loop {
            let line = self.reports.next_line().await.ok().flatten()?;
            match serde_json::from_str(&line) {
                Ok(report) => return Some(report),
                Err(error) => {
                    tracing::error!(column = error.column(), "a report of the media worker was not understood")
                }
            }
        }
    }

    /// Hangs up, so that it can complete what it writes, and ends it if it does not.
    pub(super) async fn hang_up(mut self) -> std::io::Result<ExitStatus> {
        self.writer.abort();
        if let Ok(status) = tokio::time::timeout(LAST_WORDS, self.process.wait()).await {
            return status;
        }
        self.kill().await
    }

    /// Ends it, however it is: a stopped process dies of this, too.
    pub(super) async fn kill(mut self) -> std::io::Result<ExitStatus> {
        self.writer.abort();
        if let Err(error) = self.process.start_kill() {
            tracing::debug!(%error, "the media worker was gone already");
        }
        self.process.wait().await
    }
}
