//! Where log lines go and how many of them. Values are fields; nothing secret is ever a field (see `redacted`).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error, from this level on. `RUST_LOG` says otherwise where it is set.
pub fn start(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start is a test's or an embedder's business, not worth failing for.
    let _ = if journal { lines.without_time().try_init() } else { lines.try_init() };
}
