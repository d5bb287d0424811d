//! The worker's end of the socket pair: orders in, reports out, one JSON object per line, each way on a thread of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::time::Duration;

use super::event::Event;
use crate::media::protocol::{Order, Report};

/// A door that reads nothing for so many reports is gone.
const REPORTS_WAITING: usize = 1024;

/// How long the loop may take to end by itself after the door hung up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where reports go. Never blocks.
#[derive(Debug, Clone)]
pub(super) struct Reports(SyncSender<Report>);

impl Reports {
    /// Tells the door.
    pub(super) fn send(&self, report: Report) {
        match self.0.try_send(report) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::error!("the door reads no reports: giving up");
                std::process::exit(70);
            }
            Err(TrySendError::Disconnected(_)) => tracing::debug!("nobody is left to report to"),
        }
    }
}

/// Starts both threads.
pub(super) fn connect(socket: UnixStream, events: Sender<Event>) -> std::io::Result<Reports> {
    let writing = socket.try_clone()?;
    let (sender, receiver) = mpsc::sync_channel(REPORTS_WAITING);
    std::thread::Builder::new().name("reports".into()).spawn(move || write_reports(writing, &receiver))?;
    std::thread::Builder::new().name("orders".into()).spawn(move || read_orders(socket, &events))?;
    Ok(Reports(sender))
}

fn write_reports(mut socket: UnixStream, reports: &Receiver<Report>) {
    while let Ok(report) = reports.recv() {
        let mut line = serde_json::to_vec(&report).expect("a report is plain data");
        line.push(b'\n');
        if socket.write_all(&line).is_err() {
            return;
        }
    }
}

fn read_orders(socket: UnixStream, events: &Sender<Event>) {
    for line in BufReader::new(socket).lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str::<Order>(&line) {
            Ok(order) => {
                let _ = events.send(Event::Order(order));
            }
            // Its text may be secret; the place in it is not.
            Err(error) => tracing::error!(line = error.line(), column = error.column(), "an order was not understood"),
        }
    }
    let _ = events.send(Event::HangUp);
    std::thread::sleep(LAST_WORDS);
    std::process::exit(0);
}
