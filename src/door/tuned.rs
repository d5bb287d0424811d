//! What `doorward tune echo` found, kept in the state directory.

use std::io;
use std::path::Path;

use crate::media::pipeline::EchoMeasured;

const FILE: &str = "echo.json";

/// What is kept; nothing if there is none, or it cannot be read: it only helps the canceller to begin.
pub(super) fn read(state_directory: Option<&Path>) -> Option<EchoMeasured> {
    let path = state_directory?.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, path = %path.display(), "what was measured of the echo cannot be read");
            }
            return None;
        }
    };
    let measured = serde_json::from_str(&text);
    if let Err(error) = &measured {
        tracing::warn!(%error, path = %path.display(), "what was measured of the echo is not understood");
    }
    measured.ok()
}

/// Replaces what is kept, in one step.
pub(super) fn write(state_directory: &Path, measured: &EchoMeasured) -> io::Result<()> {
    let draft = state_directory.join("echo.new");
    std::fs::write(&draft, serde_json::to_string_pretty(measured)? + "\n")?;
    std::fs::rename(&draft, state_directory.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nonsense_is_nothing() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = Some(directory.path());
        assert_eq!(read(None), None);
        assert_eq!(read(state), None);
        let measured = EchoMeasured {
            played: 10,
            heard: 9,
            delay: 112.25,
            coupling: -6.5,
            drift: 2.0,
            jitter: 0.5,
            noise: -60.0,
            clipped: false,
        };
        write(directory.path(), &measured).expect("the directory is ours");
        assert_eq!(read(state), Some(measured));
        std::fs::write(directory.path().join(FILE), "{}").expect("the directory is ours");
        assert_eq!(read(state), None);
    }
}
