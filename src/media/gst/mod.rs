//! The media worker: the child process that opens camera, microphone and speaker and speaks WebRTC with the residents.
//!
//! One plain thread executes every order and every event of GStreamer, in order. Callbacks only send on a channel; whatever
//! may block (opening GStreamer, closing pipelines) runs on a thread of its own. It decides nothing about calls, and ends
//! with the process that started it.

mod assembly;
mod bus;
mod capture;
mod closing;
mod connection;
mod duck;
mod event;
mod faults;
mod frame_counter;
mod gate;
mod hearing;
mod ice;
mod lines;
mod liveness;
mod mixer;
mod negotiation;
mod pace;
mod peer;
mod place;
mod presence;
mod progress;
mod prompt;
mod sources;
mod speaker;
mod starting;
mod statistics;
mod still;
mod studio;
mod succession;
mod timeline;
mod ways;
mod worker;

pub mod echo;
pub mod level;
pub mod tone;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc;

pub use frame_counter::{draw as draw_frame_counter, read as read_frame_counter};

use event::Event;

/// A probe's word for: what comes by goes no further. `Drop` says the same, but here a probe owns what it sees and lets go of it
/// itself; GStreamer before 1.24.8 then lets go of nothing once more, with a critical warning for every piece.
const TAKEN_OUT: gstreamer::PadProbeReturn = gstreamer::PadProbeReturn::Handled;

/// Exit status for a worker that cannot work at all (`EX_SOFTWARE` of sysexits.h).
const SOFTWARE: u8 = 70;

/// The whole life of a worker. Standard input is its end of a socket pair with the door; standard output is not used.
///
/// Once GStreamer may be open, the process ends here, without what libraries clean up at an exit: their threads still run then, or
/// are about to end, and step on what is gone (OpenSSL's, GLib's), which kills a process that has nothing left to do.
#[must_use]
pub fn run_worker() -> ExitCode {
    start_logging();
    let socket = match std::io::stdin().as_fd().try_clone_to_owned() {
        Ok(descriptor) => UnixStream::from(descriptor),
        Err(error) => {
            tracing::error!(%error, "standard input cannot be used");
            return ExitCode::from(SOFTWARE);
        }
    };
    let (events, inbox) = mpsc::channel::<Event>();
    let reports = match lines::connect(socket, events.clone()) {
        Ok(reports) => reports,
        Err(error) => {
            tracing::error!(%error, "standard input is not a socket");
            return ExitCode::from(SOFTWARE);
        }
    };
    let mut worker = worker::Worker::new(events, reports);
    let worked = worker.run(&inbox);
    signal_hook::low_level::exit(if worked { 0 } else { SOFTWARE.into() })
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy();
    // A second subscriber is refused where the caller already logs, which is as good.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}
