//! Where log lines go and how many of them. Values are fields; nothing secret is ever a field (see `redacted`).
//!
//! Under systemd every line goes to the journal with its fields as fields (`journalctl SESSION=…`, `journalctl BUTTON=flat-1`);
//! anywhere else to standard error.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging, from this level on. `RUST_LOG` says otherwise where it is set.
pub fn start(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let registry = tracing_subscriber::registry().with(filter);
    // A second start is a test's or an embedder's business, not worth failing for.
    let _ = match journal() {
        Some(journal) => registry.with(journal).try_init(),
        None => {
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal());
            registry.with(lines).try_init()
        }
    };
}

/// The journal, if it is what standard error is connected to (`systemd.exec(5)`, `$JOURNAL_STREAM`).
fn journal() -> Option<tracing_journald::Layer> {
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let stderr = std::fs::metadata("/proc/self/fd/2").ok()?;
    if stream != format!("{}:{}", stderr.dev(), stderr.ino()) {
        return None;
    }
    let layer = tracing_journald::layer().ok()?;
    let names = tracing_journald::PriorityMappings {
        error: tracing_journald::Priority::Error,
        warn: tracing_journald::Priority::Warning,
        info: tracing_journald::Priority::Informational,
        debug: tracing_journald::Priority::Debug,
        trace: tracing_journald::Priority::Debug,
    };
    Some(layer.with_field_prefix(None).with_priority_mappings(names).with_syslog_identifier("doorward".to_owned()))
}
