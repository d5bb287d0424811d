//! What an installer writes: TOML, strict, every mistake reported at once with its place.
//!
//! A key left out has the default that stands in the shipped file. Nothing here acts on what it reads.

pub mod diagnostics;
pub mod document;
pub mod door;
mod door_rules;
pub mod hub;
pub mod value;

use std::path::Path;

use diagnostics::Diagnostics;

/// The text of a configuration file.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read_text(path: &Path, name: &str) -> Result<String, Diagnostics> {
    std::fs::read_to_string(path)
        .map_err(|error| Diagnostics::of_file(name, format!("no readable file: {error}"), "a TOML file in UTF-8"))
}
