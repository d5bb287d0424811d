//! `doorward audit …`: reads an audit log, offline, and says whether it is whole. Never writes one.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::file::parts::put_away;
use super::{Event, Fault, Record, Verifier};
use crate::signaling::protocol::Opener;

/// The log is not whole.
const BROKEN: u8 = 65;
/// There is no log.
const MISSING: u8 = 66;

/// `doorward audit`
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that nothing was altered, left out or put in: 0 whole, 65 not whole, 66 no log
    Verify {
        /// The log, with the full files beside it (audit.0001.jsonl …) that were put away; or "-" for standard input (as `doorward hub audit` prints it)
        #[arg(value_name = "FILE", default_value = "/var/lib/doorward/audit.jsonl")]
        file: PathBuf,
    },
    /// Print it for people
    Show {
        /// The log, with the full files beside it; or "-" for standard input
        #[arg(value_name = "FILE", default_value = "/var/lib/doorward/audit.jsonl")]
        file: PathBuf,
    },
}

/// Does what `doorward audit …` was asked for.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let (file, show) = match &arguments.command {
        Command::Verify { file } => (file, false),
        Command::Show { file } => (file, true),
    };
    let mut reading = Reading { show, verifier: Verifier::default(), count: 0 };
    let parts = match open(file) {
        Ok(parts) => parts,
        Err(error) => {
            eprintln!("doorward: {}: {error}", file.display());
            return ExitCode::from(MISSING);
        }
    };
    for part in parts {
        if let Err(code) = reading.read(part) {
            return ExitCode::from(code);
        }
    }
    if !show {
        let Reading { verifier, count, .. } = reading;
        let end = verifier.last().map_or_else(String::new, |line| {
            format!(", the last has number {} and hash {}", line.record.number, line.hash)
        });
        let erased = match verifier.erased {
            0 => String::new(),
            lines => format!(", somebody was erased from {lines}"),
        };
        println!("{}: whole, {count} lines, {} gaps{erased}{end}", file.display(), verifier.gaps);
    }
    ExitCode::SUCCESS
}

/// A file of the log, by its name.
struct Part {
    name: String,
    text: Box<dyn Read>,
}

/// What was read so far.
struct Reading {
    show: bool,
    verifier: Verifier,
    count: u64,
}

impl Reading {
    /// Reads a file to its end, or says what is wrong and with which exit code that ends.
    fn read(&mut self, Part { name, text }: Part) -> Result<(), u8> {
        for (number, line) in (1u64..).zip(BufReader::new(text).split(b'\n')) {
            let line = line.map_err(|error| {
                eprintln!("doorward: {name}:{number}: {error}");
                MISSING
            })?;
            let text = String::from_utf8(line).map_err(|_| Fault::Unreadable);
            let read = text.and_then(|text| self.verifier.read(&text).cloned()).map_err(|fault| {
                eprintln!("{name}:{number}: {fault}");
                BROKEN
            })?;
            if self.show {
                println!("{}", describe(&read.record));
            }
            self.count += 1;
        }
        Ok(())
    }
}

/// The full files of a log and then itself. It is opened first: put away meanwhile, it is still the newest.
fn open(log: &Path) -> std::io::Result<Vec<Part>> {
    if log == Path::new("-") {
        return Ok(vec![Part { name: "-".to_owned(), text: Box::new(std::io::stdin()) }]);
    }
    let named = |path: &Path, file: File| Part { name: path.display().to_string(), text: Box::new(file) };
    let newest = File::open(log)?;
    let place = |file: &File| file.metadata().map(|data| (data.dev(), data.ino()));
    let mut parts = Vec::new();
    for path in put_away(log)? {
        let file = File::open(&path)?;
        if place(&file)? != place(&newest)? {
            parts.push(named(&path, file));
        }
    }
    parts.push(named(log, newest));
    Ok(parts)
}

/// One line in words.
fn describe(record: &Record) -> String {
    let mut text = format!("{:>6}  {}  ", record.number, utc(record.wall));
    let written = match &record.event {
        Event::Contact { state } => write!(text, "door {}", word(state)),
        Event::Gap { reason } => write!(text, "gap: what was before is not known here ({})", word(reason)),
        Event::Opened { opener, released_for, merged, .. } => {
            let merged = if *merged { ", into a release that went on" } else { "" };
            write!(text, "released for {released_for} ms by {}{merged}", who(opener))
        }
        Event::Refused { opener, reason, .. } => write!(text, "refused to {}: {}", who(opener), word(reason)),
        Event::RelayFailed => write!(text, "the relay failed"),
        Event::Started => write!(text, "the station started"),
        Event::Stopped => write!(text, "the station stopped"),
        Event::Tamper { active: true } => write!(text, "tamper: the enclosure is open"),
        Event::Tamper { active: false } => write!(text, "tamper is over"),
    };
    written.expect("a text takes everything");
    text
}

fn who(opener: &Opener) -> String {
    match opener {
        Opener::Administrator {} => "the administrator".to_owned(),
        // A name is somebody else's text: no control characters in a terminal.
        Opener::Participant { by, .. } => {
            let name: String = by.name.chars().filter(|letter| !letter.is_control()).collect();
            format!("{name} ({}, device {})", by.uid, by.device_id)
        }
        Opener::RequestToExit {} => "request to exit".to_owned(),
        Opener::Schedule { button } => format!("the hours of button {button}"),
    }
}

/// A word of the protocol, as it stands there.
fn word<T: serde::Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

/// Milliseconds since 1970 as date and time, in UTC (days from civil, Howard Hinnant).
fn utc(millis: u64) -> String {
    let (days, seconds) = (millis / 86_400_000, millis / 1000 % 86_400);
    let era_day = days + 719_468;
    let (era, day) = (era_day / 146_097, era_day % 146_097);
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (date, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(utc(0), "1970-01-01 00:00:00Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(utc(1_767_225_599_999), "2025-12-31 23:59:59Z");
    }
}
