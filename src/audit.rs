//! The audit log of a door: who opened it, who was refused, what its contact and its enclosure said. Every line holds the hash
//! of the line before, so that nothing can be altered, left out or put in between without breaking the chain.
//!
//! Pure: it makes lines and judges them; `audit::file` keeps them. What a chain cannot show by itself is lines cut off at its
//! end: the hub keeps a copy, and the number of the last line is told.
//!
//! ```text
//! {"number":7,"chain":"5f…","boot":"5f…","moment":81236,"wall":1795…,"event":{"name":"opened",…},"previous":"9c…","hash":"41…"}
//!  └────────────────────────────── SHA-256 of these bytes, up to the comma before "hash" ─────────────────┘
//! ```
//! `moment` counts nanoseconds since the machine started, `boot` names that start of the station: the order of lines is true
//! also where the wall clock was wrong.

#![deny(clippy::disallowed_methods)]

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{BootId, SessionId, Uid};
use crate::moment::Moment;
use crate::signaling::protocol::{DoorState, Leg, Opener, OpeningRefusal};

pub mod command;
pub mod file;

/// Stands for the hash of the line before the first.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The longest line that can be true.
pub const LONGEST_LINE: usize = 4096;

const SEAL: &str = ",\"hash\":\"";

/// What happened at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// The door's contact said something.
    Contact {
        /// What.
        state: DoorState,
    },
    /// What was before this line is not known here.
    Gap {
        /// Why.
        reason: GapReason,
    },
    /// The door was released.
    Opened {
        /// By whom.
        #[serde(flatten)]
        opener: Opener,
        /// In which call.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        session_id: Option<SessionId>,
        /// Milliseconds for which it was released from then on.
        released_for: u64,
        /// It was released already.
        merged: bool,
    },
    /// Somebody asked, and the door was not released.
    Refused {
        /// Who.
        #[serde(flatten)]
        opener: Opener,
        /// In which call.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        session_id: Option<SessionId>,
        /// Why.
        reason: OpeningRefusal,
    },
    /// The relay could not be switched.
    RelayFailed,
    /// The station started.
    Started,
    /// The station stopped in good order.
    Stopped,
    /// The enclosure was opened, or shut.
    Tamper {
        /// It is open.
        active: bool,
    },
}

/// Why a log does not know what was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GapReason {
    /// The station keeps nothing: it has no state directory.
    NotKept,
    /// The log there was cannot be read.
    Unreadable,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// From 1.
    pub number: u64,
    /// Which log: the start of the station that began it.
    pub chain: BootId,
    /// The start of the station that wrote it.
    pub boot: BootId,
    /// When, by the machine's monotonic clock.
    pub moment: Moment,
    /// When, by its wall clock: milliseconds since 1970, for people.
    pub wall: u64,
    /// What.
    pub event: Event,
    /// The hash of the line before.
    pub previous: String,
    /// Somebody was taken out of this line: the hash that it had before, which the next line holds. Such a line is the word of
    /// who keeps the copy, not of the door.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stands_for: Option<String>,
}

/// A record with its text, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub record: Record,
    /// Its text, without a line feed.
    pub text: String,
    /// Its hash, which the next line holds.
    pub hash: String,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The text was altered.
    #[error("was altered: its hash is not that of its text")]
    Altered,
    /// The line before is another one.
    #[error("does not follow the line before: that one was altered, or lines were left out or put in")]
    Broken,
    /// A number is missing or comes twice.
    #[error("has the number {found} where {expected} is due")]
    Number {
        /// What it says.
        found: u64,
        /// What it should say.
        expected: u64,
    },
    /// No line of an audit log.
    #[error("is no line of an audit log")]
    Unreadable,
}

impl Line {
    /// Reads one line and judges it alone.
    ///
    /// # Errors
    /// It is not a line, or was altered.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let (sealed, seal) = text.rsplit_once(SEAL).ok_or(Fault::Unreadable)?;
        let hash = seal.strip_suffix("\"}").ok_or(Fault::Unreadable)?;
        let record: Record = serde_json::from_str(text).map_err(|_| Fault::Unreadable)?;
        if digest(sealed) != hash {
            return Err(Fault::Altered);
        }
        let hash = record.stands_for.clone().unwrap_or_else(|| hash.to_owned());
        Ok(Self { record, text: text.to_owned(), hash })
    }

    /// The same line without this resident; nothing if they are not in it.
    #[must_use]
    pub fn without(&self, uid: &Uid, pseudonym: &Uid) -> Option<Self> {
        let mut record = self.record.clone();
        match &mut record.event {
            Event::Opened { opener: Opener::Participant { by, .. }, .. }
            | Event::Refused { opener: Opener::Participant { by, .. }, .. }
                if by.uid == *uid =>
            {
                let device_id = pseudonym.as_str().parse().expect("a word is a word");
                *by = Leg { uid: pseudonym.clone(), device_id, name: pseudonym.as_str().into() };
            }
            Event::Contact { .. }
            | Event::Gap { .. }
            | Event::Opened { .. }
            | Event::Refused { .. }
            | Event::RelayFailed
            | Event::Started
            | Event::Stopped
            | Event::Tamper { .. } => return None,
        }
        record.stands_for = Some(self.hash.clone());
        let sealed = Self::seal(record);
        Some(Self { hash: self.hash.clone(), ..sealed })
    }

    fn seal(record: Record) -> Self {
        let text = serde_json::to_string(&record).expect("records hold only words and numbers");
        let sealed = text.strip_suffix('}').unwrap_or(&text);
        let hash = digest(sealed);
        let text = format!("{sealed}{SEAL}{hash}\"}}");
        Self { record, text, hash }
    }
}

fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// The end of a log, to which lines are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    id: BootId,
    boot: BootId,
    number: u64,
    head: String,
}

impl Chain {
    /// A new log, begun by this start of the station.
    #[must_use]
    pub fn begin(boot: BootId) -> Self {
        Self { id: boot, boot, number: 0, head: GENESIS.to_owned() }
    }

    /// The log that ends with this line goes on.
    #[must_use]
    pub fn after(last: &Line, boot: BootId) -> Self {
        Self { id: last.record.chain, boot, number: last.record.number, head: last.hash.clone() }
    }

    /// The next line.
    pub fn add(&mut self, moment: Moment, wall: u64, event: Event) -> Line {
        self.number += 1;
        let record = Record {
            number: self.number,
            chain: self.id,
            boot: self.boot,
            moment,
            wall,
            event,
            previous: std::mem::take(&mut self.head),
            stands_for: None,
        };
        let line = Line::seal(record);
        self.head.clone_from(&line.hash);
        line
    }
}

/// Reads a log line by line and stops being content at the first that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verifier {
    last: Option<Line>,
    /// Places at which the log says itself that something is missing.
    pub gaps: u64,
    /// Lines out of which somebody was taken.
    pub erased: u64,
}

impl Verifier {
    /// Judges the next line. A log that was cut at its beginning (an old file put away) begins with any number.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&mut self, text: &str) -> Result<&Line, Fault> {
        let line = Line::read(text)?;
        let known = self.last.as_ref().is_some_and(|last| last.record.chain == line.record.chain);
        let first = line.record.number == 1 && line.record.previous == GENESIS && !known;
        let gap = matches!(line.record.event, Event::Gap { .. });
        if let Some(last) = self.last.as_ref().filter(|_| !first) {
            let expected = last.record.number + 1;
            if line.record.chain != last.record.chain || line.record.previous != last.hash {
                return Err(Fault::Broken);
            }
            if line.record.number != expected {
                return Err(Fault::Number { found: line.record.number, expected });
            }
        }
        // A log that begins anew where another one ended, or that begins in its middle.
        if gap || self.last.is_some() == first {
            self.gaps += 1;
        }
        self.erased += u64::from(line.record.stands_for.is_some());
        Ok(self.last.insert(line))
    }

    /// The last good line.
    #[must_use]
    pub const fn last(&self) -> Option<&Line> {
        self.last.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(bits: u8) -> BootId {
        BootId::from_random([bits; 16])
    }

    fn log() -> Vec<String> {
        let mut chain = Chain::begin(boot(1));
        let events = [
            Event::Started,
            Event::Tamper { active: true },
            Event::Opened { opener: Opener::RequestToExit {}, session_id: None, released_for: 3000, merged: false },
            Event::Stopped,
        ];
        let lines = events.into_iter().zip(1u64..);
        lines.map(|(event, at)| chain.add(Moment::from_millis(at), at, event).text).collect()
    }

    fn verify(lines: &[String]) -> Result<u64, (usize, Fault)> {
        let mut verifier = Verifier::default();
        for (index, line) in lines.iter().enumerate() {
            verifier.read(line).map_err(|fault| (index, fault))?;
        }
        Ok(verifier.gaps)
    }

    #[test]
    fn a_log_is_good_and_goes_on_after_a_restart() {
        let mut lines = log();
        assert_eq!(verify(&lines), Ok(0));
        let last = Line::read(lines.last().expect("four lines")).expect("a good one");
        let next = Chain::after(&last, boot(2)).add(Moment::START, 5, Event::Started);
        assert_eq!((next.record.number, next.record.chain, next.record.boot), (5, boot(1), boot(2)));
        lines.push(next.text);
        assert_eq!(verify(&lines), Ok(0));
        assert_eq!(verify(&lines[2..]), Ok(1), "a log without its beginning says so");
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let good = log();
        for index in 0..good.len() {
            for (at, _) in good[index].char_indices() {
                let mut lines = good.clone();
                let old = lines[index].as_bytes()[at];
                let new = if old == b'0' { "1" } else { "0" };
                lines[index].replace_range(at..=at, new);
                let (found, _) = verify(&lines).expect_err("a character was changed");
                assert_eq!(found, index, "character {at}: {}", lines[index]);
            }
        }
        for index in 1..good.len() - 1 {
            let mut lines = good.clone();
            lines.remove(index);
            assert_eq!(verify(&lines), Err((index, Fault::Broken)), "a line was taken out");
            let mut lines = good.clone();
            lines.swap(index, index + 1);
            assert_eq!(verify(&lines), Err((index, Fault::Broken)), "two lines changed places");
            let mut lines = good.clone();
            lines.insert(index, good[index - 1].clone());
            let (found, _) = verify(&lines).expect_err("a line comes twice");
            assert_eq!(found, index);
        }
    }

    #[test]
    fn a_resident_is_taken_out_and_the_chain_holds() {
        let mut chain = Chain::begin(boot(1));
        let word = |text: &str| text.parse::<Uid>().expect("a word");
        let by = Leg { uid: word("anna"), device_id: "phone".parse().expect("a word"), name: "Anna".into() };
        let opener = Opener::Participant { opening: "key".parse().expect("a word"), by };
        let opened = Event::Opened { opener, session_id: None, released_for: 3000, merged: false };
        let mut lines = [Event::Started, opened, Event::Stopped].map(|event| chain.add(Moment::START, 1, event));
        assert_eq!(lines[0].without(&word("anna"), &word("erased-1")), None);
        let without = lines[1].without(&word("anna"), &word("erased-1")).expect("she is in it");
        assert_eq!(lines[1].without(&word("ben"), &word("erased-2")), None);
        lines[1] = Line::read(&without.text).expect("it is sealed");
        assert!(!lines[1].text.contains("nna") && !lines[1].text.contains("phone"), "{}", lines[1].text);
        let mut verifier = Verifier::default();
        for line in &lines {
            verifier.read(&line.text).expect("the chain holds");
        }
        assert_eq!(verifier.erased, 1);
        // Of an altered line nobody can say that it stands for another one without saying so.
        let altered = lines[1].text.replace("erased-1", "erased-9");
        assert_eq!(Line::read(&altered), Err(Fault::Altered));
    }

    #[test]
    fn a_line_has_the_documented_form() {
        insta::assert_snapshot!(log()[2]);
    }
}
