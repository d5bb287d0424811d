//! `[sounds]` of `door.toml`: the installer's own sounds, by what they tell the visitor.
//!
//! It decodes none: the media worker does. What `doorward check` can see without it is whether a file is there and begins as
//! one of the two kinds do.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::panel::sound::Cue;

use super::document::Document;
use super::door_rules::check_path;

/// What a file may be.
const KINDS: &str = "a WAV or Ogg file that the service can read";

/// `[sounds]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct SoundsTable(BTreeMap<Cue, PathBuf>);

impl SoundsTable {
    /// The files.
    #[must_use]
    pub fn prompts(&self) -> BTreeMap<Cue, PathBuf> {
        self.0.clone()
    }

    /// What is wrong with the files: the key, what was found, and what is allowed. The door starts with any of them: it has
    /// tones.
    pub(super) fn faults(&self) -> Vec<(String, String, String)> {
        let fault = |(cue, path): (&Cue, &PathBuf)| {
            let found = beginning(path).err()?;
            Some((key(*cue), found, KINDS.to_owned()))
        };
        self.0.iter().filter_map(fault).collect()
    }
}

/// Paths are absolute.
pub(super) fn check(document: &mut Document<'_>, sounds: &SoundsTable) {
    for (cue, path) in &sounds.0 {
        check_path(document, &key(*cue), path);
    }
}

fn key(cue: Cue) -> String {
    format!("sounds.{cue}")
}

/// Looks at the first bytes: `RIFF….WAVE` (or its 64-bit kind, RF64) or `OggS`.
fn beginning(path: &Path) -> Result<(), String> {
    let mut bytes = [0; 12];
    let mut file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    match file.read_exact(&mut bytes) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err("a file that ends at once".into());
        }
        Err(error) => return Err(error.to_string()),
    }
    let is_wav = (bytes.starts_with(b"RIFF") || bytes.starts_with(b"RF64")) && bytes.ends_with(b"WAVE");
    match is_wav || bytes.starts_with(b"OggS") {
        true => Ok(()),
        false => Err(format!("a file that begins with {:?}", String::from_utf8_lossy(&bytes[..4]))),
    }
}
