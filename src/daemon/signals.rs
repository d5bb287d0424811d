//! The signals by which a daemon is told to end.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to end (SIGTERM, SIGINT).
pub async fn stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
