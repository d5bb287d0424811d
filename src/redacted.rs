//! A value that must not be printed: credentials, tokens, session descriptions, addresses.
//!
//! It travels on the wire as itself, and prints as `[redacted]` everywhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Holds a secret and prints none of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Takes a secret into keeping.
    pub const fn new(secret: T) -> Self {
        Self(secret)
    }

    /// The secret itself. Every use is a place to look at in a review.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The secret itself, given away.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(secret: T) -> Self {
        Self(secret)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_and_travels_whole() {
        let secret = Redacted::new("s3cret".to_owned());
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert_eq!(serde_json::to_string(&secret).expect("a string"), "\"s3cret\"");
    }
}
