//! The audit log on the disk: the file that is written, and those that were put away when they were full. It knows no lines.
//!
//! `audit.jsonl` is the newest part, `audit.0001.jsonl`, `audit.0002.jsonl` … are the older ones, in this order. Each begins
//! where the one before ended, so that the chain can be verified over all of them. The oldest are deleted: a card is not
//! endless, and the hub has its copy.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// So many full files are kept beside the one that is written.
pub const KEPT: usize = 8;

/// The file that is written.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// From this size on it is put away.
    full: u64,
}

/// The full files of the log at this path, the oldest first.
///
/// # Errors
/// Its directory cannot be read.
pub fn put_away(log: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(numbered(log)?.into_iter().map(|(_, path)| path).collect())
}

fn numbered(log: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(directory(log))? {
        let path = entry?.path();
        if let Some(number) = number(log, &path) {
            parts.push((number, path));
        }
    }
    parts.sort_unstable();
    Ok(parts)
}

/// Which part of this log a file is.
fn number(log: &Path, part: &Path) -> Option<u64> {
    let name = part.file_name()?.to_str()?.strip_prefix(log.file_stem()?.to_str()?)?;
    let digits = name.strip_prefix('.')?.strip_suffix(".jsonl")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn directory(log: &Path) -> &Path {
    match log.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

impl Log {
    /// Opens it, or makes it.
    pub(super) fn open(path: PathBuf, full: u64) -> io::Result<Self> {
        Ok(Self { file: open(&path)?, path, full })
    }

    /// To be read.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Takes so many bytes off its end.
    pub(super) fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.file.set_len(length.saturating_sub(bytes))
    }

    /// All or nothing: half a line that could be written is taken back. A full file is put away afterwards.
    pub(super) fn append(&mut self, text: &str) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.file.set_len(length)?;
        }
        written?;
        if length + text.len() as u64 >= self.full
            && let Err(error) = self.put_away()
        {
            // It goes on in this one, and is tried again with the next line.
            tracing::error!(%error, "the audit log is full and cannot be put away");
        }
        Ok(())
    }

    fn put_away(&mut self) -> io::Result<()> {
        let parts = numbered(&self.path)?;
        let next = parts.last().map_or(1, |(number, _)| number + 1);
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let part = self.path.with_file_name(format!("{stem}.{next:04}.jsonl"));
        std::fs::rename(&self.path, &part)?;
        match open(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => {
                std::fs::rename(&part, &self.path)?;
                return Err(error);
            }
        }
        File::open(directory(&self.path))?.sync_all()?;
        let surplus = (parts.len() + 1).saturating_sub(KEPT);
        parts.iter().take(surplus).try_for_each(|(_, oldest)| std::fs::remove_file(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_their_names_and_stand_in_their_order() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = directory.path().join("audit.jsonl");
        for name in [
            "audit.10000.jsonl",
            "audit.9999.jsonl",
            "audit.jsonl",
            "audit.x.jsonl",
            "audit.0002.json",
            "other.1.jsonl",
        ] {
            std::fs::write(directory.path().join(name), "").expect("room on the disk");
        }
        let names: Vec<String> = put_away(&log)
            .expect("a directory")
            .iter()
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["audit.9999.jsonl", "audit.10000.jsonl"]);
    }
}
