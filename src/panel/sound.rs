//! What the visitor hears: cadences of tones drawn from the station's indication, after ITU-T E.180 and its supplement 2.
//!
//! Pure: it says which tone sounds now and when that changes; the media worker makes the sound. In a conversation it is
//! silent but for a soft double beep when another visitor waits.

#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use crate::call::indication::{Indication, Outcome, Phase};
use crate::media::protocol::ToneStep;
use crate::moment::Moment;

/// Why the sound wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The next step of the cadence.
    Step,
}

/// One step of a cadence: a tone or silence, for so many milliseconds.
type Step = (Option<ToneStep>, u64);

/// A cadence, and whether it is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cadence {
    steps: &'static [Step],
    repeats: bool,
}

const fn tone(first: u16, second: u16, dbfs: i8) -> Option<ToneStep> {
    Some(ToneStep { hertz: [first, second], dbfs })
}

const SILENCE: Cadence = Cadence { steps: &[], repeats: false };
/// Pressed and on its way: a soft tick each second, so that nobody presses again in doubt.
const DIALING: Cadence = Cadence { steps: &[(tone(425, 0, -26), 60), (None, 940)], repeats: true };
/// Ringing tone: 425 Hz, 1 s on, 4 s off (E.180 §3).
const RINGBACK: Cadence = Cadence { steps: &[(tone(425, 0, -18), 1000), (None, 4000)], repeats: true };
/// A resident calls the door: loud and warbling, it must be heard by somebody who stands nearby.
const INCOMING: Cadence = Cadence {
    steps: &[
        (tone(660, 0, -8), 400),
        (tone(880, 0, -8), 400),
        (None, 200),
        (tone(660, 0, -8), 400),
        (tone(880, 0, -8), 400),
        (None, 2200),
    ],
    repeats: true,
};
/// Answered: two rising notes.
const CONNECTED: Cadence = Cadence { steps: &[(tone(660, 0, -16), 90), (tone(880, 0, -16), 130)], repeats: false };
/// Another visitor waits: two soft beeps, then much silence (call waiting tone, E.180 §9).
const WAITING: Cadence =
    Cadence { steps: &[(tone(425, 0, -28), 200), (None, 200), (tone(425, 0, -28), 200), (None, 9400)], repeats: true };
/// Over: one falling pair.
const ENDED: Cadence = Cadence { steps: &[(tone(660, 0, -18), 120), (tone(440, 0, -18), 200)], repeats: false };
/// Busy tone: 425 Hz, 0.5 s on, 0.5 s off (E.180 §5).
const BUSY: Cadence = Cadence {
    steps: &[(tone(425, 0, -16), 500), (None, 500), (tone(425, 0, -16), 500), (None, 500), (tone(425, 0, -16), 500)],
    repeats: false,
};
/// Refused: two low notes, falling.
const REFUSED: Cadence =
    Cadence { steps: &[(tone(392, 0, -16), 250), (None, 80), (tone(294, 0, -16), 450)], repeats: false };
/// Nobody answered: three even low notes.
const NOBODY: Cadence = Cadence {
    steps: &[(tone(330, 0, -16), 300), (None, 150), (tone(330, 0, -16), 300), (None, 150), (tone(330, 0, -16), 300)],
    repeats: false,
};
/// It did not work: special information tone, 950, 1400 and 1800 Hz, 330 ms each (E.180 §8).
const FAILED: Cadence = Cadence {
    steps: &[(tone(950, 0, -18), 330), (tone(1400, 0, -18), 330), (tone(1800, 0, -18), 330)],
    repeats: false,
};

/// Draws the sound.
#[derive(Debug, Clone)]
pub struct Sound {
    playing: Cadence,
    since: Moment,
}

impl Default for Sound {
    fn default() -> Self {
        Self::new()
    }
}

impl Sound {
    /// Silent.
    #[must_use]
    pub const fn new() -> Self {
        Self { playing: SILENCE, since: Moment::START }
    }

    /// The station shows something else. A cadence that stays the same goes on.
    pub fn show(&mut self, now: Moment, indication: &Indication) {
        let cadence = cadence_of(indication);
        if cadence != self.playing {
            self.playing = cadence;
            self.since = now;
        }
    }

    /// What sounds now; nothing is silence.
    #[must_use]
    pub fn step(&self, now: Moment) -> Option<ToneStep> {
        self.place(now).and_then(|(tone, _)| tone)
    }

    /// When that changes.
    #[must_use]
    pub fn poll_timeout(&self, now: Moment) -> Option<(Moment, Timer)> {
        self.place(now).map(|(_, until)| (until, Timer::Step))
    }

    /// The step that is on, and its end; nothing once the cadence is over.
    fn place(&self, now: Moment) -> Option<(Option<ToneStep>, Moment)> {
        let length: u64 = self.playing.steps.iter().map(|(_, millis)| millis).sum();
        let elapsed = u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX);
        if length == 0 || (!self.playing.repeats && elapsed >= length) {
            return None;
        }
        let round = elapsed - elapsed % length;
        let mut end = round;
        for (tone, millis) in self.playing.steps {
            end += millis;
            if elapsed < end {
                return Some((*tone, self.since + Duration::from_millis(end)));
            }
        }
        None
    }
}

fn cadence_of(indication: &Indication) -> Cadence {
    match &indication.phase {
        Phase::Idle | Phase::Ending => SILENCE,
        Phase::Dialing => DIALING,
        Phase::Ringing { .. } => RINGBACK,
        Phase::Incoming => INCOMING,
        Phase::Connecting => CONNECTED,
        Phase::Ongoing => match indication.press_waiting {
            Some(_) => WAITING,
            // The chirp of the answer is not cut off by the connection that follows it at once.
            None => CONNECTED,
        },
        Phase::Outcome(outcome) => match outcome {
            Outcome::Busy => BUSY,
            Outcome::Cancelled | Outcome::Ended => ENDED,
            Outcome::Failed | Outcome::MediaLost => FAILED,
            Outcome::Rejected => REFUSED,
            Outcome::Unanswered => NOBODY,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::indication::LinkFact;

    fn showing(phase: Phase) -> Indication {
        Indication {
            phase,
            link: LinkFact::Up,
            camera_in_use: false,
            microphone_in_use: false,
            press_waiting: None,
            button_stuck: false,
            acknowledgements: 0,
            refusals: 0,
        }
    }

    /// The cadence as text: the first frequency, or nothing, and for how long.
    fn heard(phase: Phase, for_millis: u64) -> String {
        let mut sound = Sound::new();
        let start = Moment::from_millis(1000);
        sound.show(start, &showing(phase));
        let mut text = Vec::new();
        let mut now = start;
        while now.since(start) < Duration::from_millis(for_millis) {
            let Some((until, Timer::Step)) = sound.poll_timeout(now) else { break };
            let hertz = sound.step(now).map_or(0, |tone| tone.hertz[0]);
            text.push(format!("{hertz} Hz {} ms", until.since(now).as_millis()));
            assert!(until > now, "time goes on");
            now = until;
        }
        text.join(", ")
    }

    #[test]
    fn ringback_is_the_telephones() {
        let ringing = Phase::Ringing { delivered: 1, notified: 0, looking: 0 };
        assert_eq!(heard(ringing, 10_000), "425 Hz 1000 ms, 0 Hz 4000 ms, 425 Hz 1000 ms, 0 Hz 4000 ms");
    }

    #[test]
    fn outcomes_end_by_themselves_and_differ() {
        let outcomes = [Outcome::Busy, Outcome::Cancelled, Outcome::Failed, Outcome::Rejected, Outcome::Unanswered];
        let texts: Vec<String> = outcomes.iter().map(|outcome| heard(Phase::Outcome(*outcome), 60_000)).collect();
        for (index, text) in texts.iter().enumerate() {
            assert!(!text.is_empty() && text.len() < 200, "{text}");
            assert!(!texts[..index].contains(text), "two outcomes sound alike: {text}");
        }
    }

    #[test]
    fn rest_and_conversation_are_silent() {
        assert_eq!(heard(Phase::Idle, 1000), "");
        assert_eq!(heard(Phase::Ongoing, 60_000), "660 Hz 90 ms, 880 Hz 130 ms");
    }

    #[test]
    fn more_phones_do_not_start_the_ringback_anew() {
        let mut sound = Sound::new();
        sound.show(Moment::from_millis(0), &showing(Phase::Ringing { delivered: 0, notified: 0, looking: 0 }));
        sound.show(Moment::from_millis(900), &showing(Phase::Ringing { delivered: 2, notified: 0, looking: 1 }));
        assert_eq!(sound.step(Moment::from_millis(1100)), None, "the tone ends when it would have");
    }
}
