//! What the visitor may hear: a word for each, and its built-in tones, after ITU-T E.180 where it has one.

#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::indication::Outcome;
use crate::media::protocol::ToneStep;

/// What the visitor is told by ear. Each has its tones, and may have a sound of the installer's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cue {
    /// Answered.
    Answered,
    /// Everybody is in another call.
    Busy,
    /// Taken back.
    Cancelled,
    /// Pressed, and on its way.
    Dialing,
    /// The lock is released: push.
    DoorReleased,
    /// Answered, and over.
    Ended,
    /// The hub could not be reached, or refused.
    Failed,
    /// A resident calls the door.
    Incoming,
    /// Answered, but the connection failed.
    MediaLost,
    /// Not now: a press or an opening is refused.
    NotNow,
    /// Another visitor's press waits for the end of this call.
    PressWaiting,
    /// Refused by everybody called.
    Rejected,
    /// It rings.
    Ringing,
    /// The enclosure was opened.
    Tampered,
    /// Nobody answered.
    Unanswered,
    /// Understood, and nothing changes.
    Understood,
}

/// One step of a cadence: a tone or silence, for so many milliseconds.
type Step = (Option<ToneStep>, u64);

/// Tones and pauses.
type Cadence = &'static [Step];

const fn tone(first: u16, second: u16, dbfs: i8) -> Option<ToneStep> {
    Some(ToneStep { hertz: [first, second], dbfs })
}

/// Pressed and on its way: a soft tick each second, so that nobody presses again in doubt.
const DIALING: Cadence = &[(tone(425, 0, -26), 60), (None, 940)];
/// Ringing tone: 425 Hz, 1 s on, 4 s off (E.180).
const RINGBACK: Cadence = &[(tone(425, 0, -18), 1000), (None, 4000)];
/// A resident calls the door: loud and warbling, it must be heard by somebody who stands nearby.
const INCOMING: Cadence = &[
    (tone(660, 0, -8), 400),
    (tone(880, 0, -8), 400),
    (None, 200),
    (tone(660, 0, -8), 400),
    (tone(880, 0, -8), 400),
    (None, 2200),
];
/// Answered: two rising notes.
const CONNECTED: Cadence = &[(tone(660, 0, -16), 90), (tone(880, 0, -16), 130)];
/// Another visitor waits: two soft beeps, then much silence (a call waiting tone).
const WAITING: Cadence = &[(tone(425, 0, -28), 200), (None, 200), (tone(425, 0, -28), 200), (None, 9400)];
/// Taken back: one short note.
const CANCELLED: Cadence = &[(tone(440, 0, -18), 160)];
/// Over: one falling pair.
const ENDED: Cadence = &[(tone(660, 0, -18), 120), (tone(440, 0, -18), 200)];
/// Busy tone: 425 Hz, 0.5 s on, 0.5 s off (E.180).
const BUSY: Cadence =
    &[(tone(425, 0, -16), 500), (None, 500), (tone(425, 0, -16), 500), (None, 500), (tone(425, 0, -16), 500)];
/// Refused: two low notes, falling.
const REFUSED: Cadence = &[(tone(392, 0, -16), 250), (None, 80), (tone(294, 0, -16), 450)];
/// Nobody answered: three even low notes.
const NOBODY: Cadence =
    &[(tone(330, 0, -16), 300), (None, 150), (tone(330, 0, -16), 300), (None, 150), (tone(330, 0, -16), 300)];
/// It did not work: special information tone, 950, 1400 and 1800 Hz, 330 ms each (E.180).
const FAILED: Cadence = &[(tone(950, 0, -18), 330), (tone(1400, 0, -18), 330), (tone(1800, 0, -18), 330)];

/// The connection broke: the first note of failure, over and over.
const MEDIA_LOST: Cadence =
    &[(tone(950, 0, -18), 330), (None, 170), (tone(950, 0, -18), 330), (None, 170), (tone(950, 0, -18), 330)];
/// Understood, and nothing changes: a high tick.
const YES: Cadence = &[(tone(1320, 0, -20), 60)];
/// No: two low ticks, soft enough to be played into a conversation.
const NO: Cadence = &[(tone(220, 0, -26), 120), (None, 80), (tone(220, 0, -26), 120)];

/// The lock is released: a buzz of two tones, as old door openers make it, so that one knows when to push. In a conversation
/// softer than a voice.
const RELEASED: Cadence = &[(tone(150, 300, -20), 400), (None, 100)];
/// The enclosure was opened: three quick high notes, once.
const TAMPERED: Cadence =
    &[(tone(1600, 0, -18), 120), (None, 60), (tone(1600, 0, -18), 120), (None, 60), (tone(1600, 0, -18), 120)];

impl fmt::Display for Cue {
    /// As the configuration has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::Dialing => "dialing",
            Self::DoorReleased => "door-released",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Incoming => "incoming",
            Self::MediaLost => "media-lost",
            Self::NotNow => "not-now",
            Self::PressWaiting => "press-waiting",
            Self::Rejected => "rejected",
            Self::Ringing => "ringing",
            Self::Tampered => "tampered",
            Self::Unanswered => "unanswered",
            Self::Understood => "understood",
        })
    }
}

impl Cue {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::Answered,
        Self::Busy,
        Self::Cancelled,
        Self::Dialing,
        Self::DoorReleased,
        Self::Ended,
        Self::Failed,
        Self::Incoming,
        Self::MediaLost,
        Self::NotNow,
        Self::PressWaiting,
        Self::Rejected,
        Self::Ringing,
        Self::Tampered,
        Self::Unanswered,
        Self::Understood,
    ];

    /// The one that goes with how a call went.
    #[must_use]
    pub const fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Busy => Self::Busy,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Ended => Self::Ended,
            Outcome::Failed => Self::Failed,
            Outcome::MediaLost => Self::MediaLost,
            Outcome::Rejected => Self::Rejected,
            Outcome::Unanswered => Self::Unanswered,
        }
    }

    /// It sounds again and again for as long as it is true; else once.
    #[must_use]
    pub const fn repeats(self) -> bool {
        match self {
            Self::Dialing | Self::DoorReleased | Self::Incoming | Self::PressWaiting | Self::Ringing => true,
            Self::Answered
            | Self::Busy
            | Self::Cancelled
            | Self::Ended
            | Self::Failed
            | Self::MediaLost
            | Self::NotNow
            | Self::Rejected
            | Self::Tampered
            | Self::Unanswered
            | Self::Understood => false,
        }
    }

    /// Its tones last so long, once.
    pub(super) fn length(self) -> Duration {
        Duration::from_millis(self.cadence().iter().map(|(_, millis)| millis).sum())
    }

    /// Which tone sounds after so many milliseconds of one round, and until when; nothing after its end.
    pub(super) fn at(self, elapsed: u64) -> Option<(Option<ToneStep>, u64)> {
        let mut end = 0;
        self.cadence().iter().find_map(|(tone, millis)| {
            end += millis;
            (elapsed < end).then_some((*tone, end))
        })
    }

    const fn cadence(self) -> Cadence {
        match self {
            Self::Answered => CONNECTED,
            Self::Busy => BUSY,
            Self::Cancelled => CANCELLED,
            Self::Dialing => DIALING,
            Self::DoorReleased => RELEASED,
            Self::Ended => ENDED,
            Self::Failed => FAILED,
            Self::Incoming => INCOMING,
            Self::MediaLost => MEDIA_LOST,
            Self::NotNow => NO,
            Self::PressWaiting => WAITING,
            Self::Rejected => REFUSED,
            Self::Ringing => RINGBACK,
            Self::Tampered => TAMPERED,
            Self::Unanswered => NOBODY,
            Self::Understood => YES,
        }
    }
}
