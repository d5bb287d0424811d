//! Why a device does not work, in the installer's words, and when to try it again.
//!
//! Pure: it opens nothing and never reads a clock.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;
use crate::panel::PanelError;

/// What is wrong with a device, of the kinds that need different hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// It is not there.
    Missing,
    /// Somebody else uses it.
    Busy,
    /// It is there, and not for us.
    NoPermission,
    /// It is there, and cannot do what is asked of it.
    WrongFormat,
    /// It failed.
    Failed,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Busy => "busy",
            Self::NoPermission => "no permission",
            Self::WrongFormat => "wrong format",
            Self::Failed => "failed",
        })
    }
}

/// Why a device does not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Fault {
    /// Which kind of trouble it is.
    pub kind: FaultKind,
    /// What exactly.
    pub message: String,
}

impl Fault {
    /// A fault of this kind.
    #[must_use]
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// One that needs no other hands than those that look into the log.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Failed, message)
    }

    /// What the operating system said about a device, by the name the installer knows.
    #[must_use]
    pub fn of_io(device: &str, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => FaultKind::Missing,
            io::ErrorKind::PermissionDenied => FaultKind::NoPermission,
            io::ErrorKind::ResourceBusy => FaultKind::Busy,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => FaultKind::WrongFormat,
            _other if matches!(error.raw_os_error(), Some(ENXIO | ENODEV)) => FaultKind::Missing,
            _other => FaultKind::Failed,
        };
        Self::new(kind, format!("{device}: {error}"))
    }

    /// The same, said of a part of the panel.
    #[must_use]
    pub fn of(self, part: impl fmt::Display) -> PanelError {
        PanelError { device: part.to_string(), message: self.to_string() }
    }
}

/// "No such device or address" and "No such device", for which the standard library has no kind (errno(3)).
const ENXIO: i32 = 6;
const ENODEV: i32 = 19;

/// When a device is tried again: after 0.25 s, 0.5 s … 5 s.
pub(super) const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_told_apart() {
        let kind = |errno| Fault::of_io("x", &io::Error::from_raw_os_error(errno)).kind;
        assert_eq!(kind(2), FaultKind::Missing);
        assert_eq!(kind(19), FaultKind::Missing);
        assert_eq!(kind(13), FaultKind::NoPermission);
        assert_eq!(kind(1), FaultKind::NoPermission);
        assert_eq!(kind(16), FaultKind::Busy);
        assert_eq!(kind(22), FaultKind::WrongFormat);
        assert_eq!(kind(5), FaultKind::Failed);
    }
}
