//! Values that configuration files share: times with units, secrets by reference.
//!
//! A secret itself never stands in a configuration file, and what is read here never prints one.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::redacted::Redacted;

/// Reads a time with a unit, for `#[serde(deserialize_with = "value::duration")]`.
///
/// # Errors
/// The value is not a string such as `"45s"`.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationVisitor)
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time with its unit, such as \"1500ms\", \"45s\", \"2m\" or \"12h\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A whole number with one of the units `ms`, `s`, `m`, `h`, `d`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _unknown => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// The shortest way to write a time, as a configuration file would have it.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (number, unit) = match millis {
        0 => (0, "s"),
        _ if millis.is_multiple_of(86_400_000) => (millis / 86_400_000, "d"),
        _ if millis.is_multiple_of(3_600_000) => (millis / 3_600_000, "h"),
        _ if millis.is_multiple_of(60_000) => (millis / 60_000, "m"),
        _ if millis.is_multiple_of(1_000) => (millis / 1_000, "s"),
        _ => (millis, "ms"),
    };
    format!("{number}{unit}")
}

/// Where a secret is kept: never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretSource {
    /// The name of a credential that systemd hands over (`LoadCredential=`), found in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file that only the service can read.
    File(PathBuf),
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// systemd handed nothing over.
    #[error("{0} is not available: $CREDENTIALS_DIRECTORY is not set")]
    NoDirectory(SecretSource),
    /// It holds nothing.
    #[error("{0} is empty")]
    Empty(SecretSource),
    /// Somebody forgot to fill it in.
    #[error("{0} holds a placeholder, not a secret")]
    Placeholder(SecretSource),
    /// The file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(SecretSource, std::io::Error),
}

impl SecretSource {
    /// Reads the secret, without the white space around it. `credentials` is `$CREDENTIALS_DIRECTORY`, if set.
    ///
    /// # Errors
    /// It is missing, unreadable, empty or a placeholder.
    pub fn read(&self, credentials: Option<&OsStr>) -> Result<Redacted<String>, SecretError> {
        let path = match self {
            Self::Credential(name) => {
                Path::new(credentials.ok_or_else(|| SecretError::NoDirectory(self.clone()))?).join(name)
            }
            Self::File(path) => path.clone(),
        };
        let text = std::fs::read_to_string(path).map_err(|error| SecretError::Unreadable(self.clone(), error))?;
        let secret = text.trim();
        if secret.is_empty() {
            return Err(SecretError::Empty(self.clone()));
        }
        if is_placeholder(secret) {
            return Err(SecretError::Placeholder(self.clone()));
        }
        Ok(Redacted::new(secret.to_owned()))
    }

    /// Why this cannot be where a secret is kept, if so: what is allowed instead.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Credential(name) if is_placeholder(name) || !is_file_name(name) => {
                Some("the name of a credential that systemd hands over, such as \"hub-credential\"")
            }
            Self::File(path) if is_placeholder(&path.to_string_lossy()) || !path.is_absolute() => {
                Some("the absolute path of a file")
            }
            Self::Credential(_) | Self::File(_) => None,
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential {name:?}"),
            Self::File(path) => write!(f, "secret file {}", path.display()),
        }
    }
}

/// Whether a text is one of those that stand for "fill this in".
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let words = ["changeme", "change-me", "change_me", "example", "fixme", "password", "placeholder", "secret", "todo"];
    text.is_empty() || text.starts_with('<') || text.chars().all(|c| c == 'x') || words.contains(&text.as_str())
}

/// Whether a host name belongs to those reserved for examples (RFC 2606).
#[must_use]
pub fn is_placeholder_host(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    ["example", "example.com", "example.net", "example.org", "invalid", "changeme"]
        .iter()
        .any(|reserved| host == *reserved || host.strip_suffix(reserved).is_some_and(|rest| rest.ends_with('.')))
}

fn is_file_name(name: &str) -> bool {
    Path::new(name).file_name() == Some(OsStr::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
        for wrong in ["", "45", "s", "1.5s", "-1s", "5 s", "5S", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse_duration(wrong), None, "{wrong:?}");
        }
        for text in ["0s", "5ms", "45s", "2m", "1h", "30d", "1500ms"] {
            assert_eq!(format_duration(parse_duration(text).expect("it is well formed")), text);
        }
    }

    #[test]
    fn a_secret_is_read_from_its_place_only() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("hub"), "  0123abcd\n").expect("it is writable");
        let source = SecretSource::Credential("hub".into());
        let secret = source.read(Some(directory.path().as_os_str())).expect("it was just written");
        assert_eq!(secret.expose(), "0123abcd");
        assert!(matches!(source.read(None), Err(SecretError::NoDirectory(_))));
        let file = SecretSource::File(directory.path().join("hub"));
        std::fs::write(directory.path().join("hub"), "ChangeMe").expect("it is writable");
        assert!(matches!(file.read(None), Err(SecretError::Placeholder(_))));
        std::fs::write(directory.path().join("hub"), "\n").expect("it is writable");
        assert!(matches!(file.read(None), Err(SecretError::Empty(_))));
    }

    #[test]
    fn placeholders_are_known() {
        assert!(is_placeholder("CHANGEME") && is_placeholder("xxxx") && is_placeholder("<token>"));
        assert!(!is_placeholder("0123abcd"));
        assert!(is_placeholder_host("hub.example.org") && is_placeholder_host("hub.example"));
        assert!(!is_placeholder_host("hub.notexample.org") && !is_placeholder_host("127.0.0.1"));
    }

    #[test]
    fn a_credential_is_a_name_and_a_file_a_path() {
        assert!(SecretSource::Credential("../etc/shadow".into()).fault().is_some());
        assert!(SecretSource::Credential("hub".into()).fault().is_none());
        assert!(SecretSource::File("relative".into()).fault().is_some());
    }
}
