//! What an installer writes: TOML, strict, every mistake reported at once with its place.
//!
//! A key left out has the default that stands in the shipped file. Nothing here acts on what it reads.

pub mod diagnostics;
pub mod document;
pub mod door;
mod door_rules;
pub mod echo;
pub mod hub;
pub mod light;
pub mod media;
pub mod panel;
pub mod push;
pub mod release;
pub mod sounds;
pub mod value;

use std::path::{Path, PathBuf};

use diagnostics::Diagnostics;
use document::Document;

/// A configuration and how its file is read.
pub trait Configuration: Sized {
    /// Reads a text without looking at any file, and reports what is wrong with it. Nothing, if what is missing has no
    /// default.
    fn examine<'t>(name: &'t str, text: &'t str) -> (Option<Self>, Document<'t>);

    /// The files that are named in it, by their keys.
    fn files(&self) -> Vec<(String, PathBuf)>;

    /// What is wrong with what stands in those files, so far as it can be seen: the key, what was found, what is allowed.
    /// Errors to whoever checks the file; the service has something to put in their place, and starts.
    fn faults(&self) -> Vec<(String, String, String)> {
        Vec::new()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Everything that forbids its use, with places, and every warning besides.
    fn load(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let text = read_text(path, &name)?;
        Self::parse(&name, &text)
    }

    /// Reads a text, without looking at any file.
    ///
    /// # Errors
    /// Everything that forbids its use, with places.
    fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        let (config, document) = Self::examine(name, text);
        let diagnostics = document.finish();
        match config {
            Some(config) if !diagnostics.has_errors() => Ok(config),
            Some(_) | None => Err(diagnostics),
        }
    }

    /// Everything there is to say about a file: what [`Self::load`] would refuse, and what is wrong with files that are named
    /// in it.
    #[must_use]
    fn check(path: &Path) -> Diagnostics {
        let name = path.display().to_string();
        let text = match read_text(path, &name) {
            Ok(text) => text,
            Err(diagnostics) => return diagnostics,
        };
        let (config, mut document) = Self::examine(&name, &text);
        for (key, file) in config.iter().flat_map(Self::files) {
            if let Err(error) = std::fs::File::open(&file) {
                document.warning(&key, error.to_string(), "a file that the service can read");
            }
        }
        for (key, found, allowed) in config.iter().flat_map(Self::faults) {
            document.error_found(&key, found, allowed);
        }
        document.finish()
    }
}

fn read_text(path: &Path, name: &str) -> Result<String, Diagnostics> {
    std::fs::read_to_string(path)
        .map_err(|error| Diagnostics::of_file(name, format!("no readable file: {error}"), "a TOML file in UTF-8"))
}
