//! The signals by which a daemon is told to end, or to read its configuration again.

use std::convert::Infallible;

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

/// Calls `reload` each time the process is asked to read its configuration again (SIGHUP). Never resolves.
pub async fn on_reload(mut reload: impl FnMut()) -> Infallible {
    if let Ok(mut hangup) = signal(SignalKind::hangup()) {
        while hangup.recv().await.is_some() {
            reload();
        }
    }
    std::future::pending().await
}
