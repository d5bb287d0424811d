//! The signals by which a daemon is told to end, or to read its configuration again.

use std::convert::Infallible;

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to end (SIGTERM, SIGINT). It counts from the call on: whoever is told "ready" may signal at
/// once. Call it within the runtime.
pub fn stop() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Calls `reload` each time the process is asked to read its configuration again (SIGHUP), from the call on. Never resolves.
/// Call it within the runtime.
pub fn on_reload(mut reload: impl FnMut()) -> impl Future<Output = Infallible> {
    let hangups = signal(SignalKind::hangup());
    async move {
        if let Ok(mut hangups) = hangups {
            while hangups.recv().await.is_some() {
                reload();
            }
        }
        std::future::pending().await
    }
}
