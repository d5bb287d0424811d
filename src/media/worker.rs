//! The door's side of the media worker: keeps a child process alive, hands it orders, passes on its reports.
//!
//! A child that dies, hangs or does not answer is killed and started anew; what it had open is gone then, and the door
//! hears `Restarted` when it can order again. Nothing here ever waits for the child.

mod child;
mod supervisor;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use self::supervisor::Supervisor;
use super::pipeline::MediaSettings;
use super::protocol::{Order, Report};

/// Orders on their way to the child.
const ORDERS_WAITING: usize = 256;
/// Reports on their way to the door.
const EVENTS_WAITING: usize = 1024;

/// How the child is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The binary, normally the door's own.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// This binary, as a media worker.
    ///
    /// # Errors
    ///
    /// The system does not tell where this binary is.
    pub fn of_this_binary() -> std::io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, arguments: vec!["media-worker".into()] })
    }
}

/// How patient the door is with its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Between two pings.
    pub ping: Duration,
    /// Without a pong to the pings of so long, it hangs.
    pub pong: Duration,
    /// From its start until it must be ready. The first start on a machine scans all GStreamer plugins.
    pub ready: Duration,
    /// Before the second start in a row; every further one waits twice as long.
    pub backoff: Duration,
    /// The longest wait before a start.
    pub longest_backoff: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(1),
            pong: Duration::from_secs(5),
            ready: Duration::from_secs(60),
            backoff: Duration::from_millis(250),
            // A worker that dies again and again costs the call no more than a moment each time.
            longest_backoff: Duration::from_secs(2),
        }
    }
}

/// What the door hears of its worker.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerEvent {
    /// The child is gone, and with it every connection, the camera, the microphone and the tone. Another is on its way.
    Died {
        /// For the log.
        reason: String,
    },
    /// From the child. The first `Ready` comes this way.
    Report(Report),
    /// Another child is ready; nothing is open in it.
    Restarted {
        /// Name of the encoder element.
        encoder: String,
    },
}

/// An order was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The worker is behind; it will be found hanging if it stays so.
    #[error("too many orders wait for the media worker")]
    Busy,
    /// Nobody supervises it any more.
    #[error("the media worker is gone for good")]
    Gone,
}

/// This binary cannot be a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this binary was built without the feature `media`: it has no camera, microphone or speaker")]
pub struct NotBuilt;

/// A running worker. Dropping it ends the child.
#[derive(Debug)]
pub struct Worker {
    orders: mpsc::Sender<Order>,
    pid: Arc<AtomicU32>,
}

impl Worker {
    /// Starts a worker and keeps it alive, on the runtime this is called in.
    ///
    /// # Errors
    ///
    /// This binary has no worker in it.
    pub fn spawn(
        command: WorkerCommand,
        settings: MediaSettings,
        patience: Patience,
    ) -> Result<(Self, mpsc::Receiver<WorkerEvent>), NotBuilt> {
        if cfg!(not(feature = "media")) {
            return Err(NotBuilt);
        }
        let (orders, ordered) = mpsc::channel(ORDERS_WAITING);
        let (events, heard) = mpsc::channel(EVENTS_WAITING);
        let pid = Arc::new(AtomicU32::new(0));
        let supervisor = Supervisor::new(command, settings, patience, events, Arc::clone(&pid));
        tokio::spawn(supervisor.run(ordered));
        Ok((Self { orders, pid }, heard))
    }

    /// Number of the child process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }

    /// Whether somebody keeps the child alive: it answers, or another is being started.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        !self.orders.is_closed()
    }

    /// Hands over an order. It is passed over if the child dies first: the door hears of that.
    ///
    /// # Errors
    ///
    /// The order was not taken.
    pub fn send(&self, order: Order) -> Result<(), OrderError> {
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => OrderError::Busy,
            mpsc::error::TrySendError::Closed(_) => OrderError::Gone,
        })
    }
}
