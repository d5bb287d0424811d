//! What the visitor hears: cadences of tones drawn from the station's indication, after ITU-T E.180 where it has one.
//!
//! Pure: it says which tone sounds now and when that changes; the media worker makes the sound. In a conversation it is
//! silent but for soft beeps to another visitor: their press waits, or is refused.

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
/// Ringing tone: 425 Hz, 1 s on, 4 s off (E.180).
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
/// Another visitor waits: two soft beeps, then much silence (a call waiting tone).
const WAITING: Cadence =
    Cadence { steps: &[(tone(425, 0, -28), 200), (None, 200), (tone(425, 0, -28), 200), (None, 9400)], repeats: true };
/// Taken back: one short note.
const CANCELLED: Cadence = Cadence { steps: &[(tone(440, 0, -18), 160)], repeats: false };
/// Over: one falling pair.
const ENDED: Cadence = Cadence { steps: &[(tone(660, 0, -18), 120), (tone(440, 0, -18), 200)], repeats: false };
/// Busy tone: 425 Hz, 0.5 s on, 0.5 s off (E.180).
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
/// It did not work: special information tone, 950, 1400 and 1800 Hz, 330 ms each (E.180).
const FAILED: Cadence = Cadence {
    steps: &[(tone(950, 0, -18), 330), (tone(1400, 0, -18), 330), (tone(1800, 0, -18), 330)],
    repeats: false,
};

/// The connection broke: the first note of failure, over and over.
const MEDIA_LOST: Cadence = Cadence {
    steps: &[(tone(950, 0, -18), 330), (None, 170), (tone(950, 0, -18), 330), (None, 170), (tone(950, 0, -18), 330)],
    repeats: false,
};
/// Understood, and nothing changes: a high tick.
const YES: Cadence = Cadence { steps: &[(tone(1320, 0, -20), 60)], repeats: false };
/// No: two low ticks, soft enough to be played into a conversation.
const NO: Cadence =
    Cadence { steps: &[(tone(220, 0, -26), 120), (None, 80), (tone(220, 0, -26), 120)], repeats: false };

/// The lock is released: a buzz of two tones, as old door openers make it, so that one knows when to push. In a conversation
/// softer than a voice.
const RELEASED: Cadence = Cadence { steps: &[(tone(150, 300, -20), 400), (None, 100)], repeats: true };

/// Draws the sound.
#[derive(Debug, Clone)]
pub struct Sound {
    playing: Playing,
    /// A short word in between; the cadence below it goes on unheard.
    between: Option<Playing>,
    acknowledgements: u32,
    refusals: u32,
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
        let playing = Playing { cadence: SILENCE, since: Moment::START };
        Self { playing, between: None, acknowledgements: 0, refusals: 0 }
    }

    /// The station shows something else. A cadence that stays the same goes on.
    pub fn show(&mut self, now: Moment, indication: &Indication) {
        let cadence = cadence_of(indication, self.playing.cadence);
        if cadence != self.playing.cadence {
            self.playing = Playing { cadence, since: now };
        }
        let refused = indication.refusals != self.refusals;
        let acknowledged = indication.acknowledgements != self.acknowledgements && !is_conversation(&indication.phase);
        (self.refusals, self.acknowledgements) = (indication.refusals, indication.acknowledgements);
        if refused {
            self.between = Some(Playing { cadence: NO, since: now });
        } else if acknowledged {
            self.between = Some(Playing { cadence: YES, since: now });
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

    fn place(&self, now: Moment) -> Option<(Option<ToneStep>, Moment)> {
        self.between.and_then(|between| between.place(now)).or_else(|| self.playing.place(now))
    }
}

/// A cadence, and when it began.
#[derive(Debug, Clone, Copy)]
struct Playing {
    cadence: Cadence,
    since: Moment,
}

impl Playing {
    /// The step that is on, and its end; nothing once the cadence is over.
    fn place(&self, now: Moment) -> Option<(Option<ToneStep>, Moment)> {
        let length: u64 = self.cadence.steps.iter().map(|(_, millis)| millis).sum();
        let elapsed = u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX);
        if length == 0 || (!self.cadence.repeats && elapsed >= length) {
            return None;
        }
        let round = elapsed - elapsed % length;
        let mut end = round;
        for (tone, millis) in self.cadence.steps {
            end += millis;
            if elapsed < end {
                return Some((*tone, self.since + Duration::from_millis(end)));
            }
        }
        None
    }
}

const fn is_conversation(phase: &Phase) -> bool {
    match phase {
        Phase::Connecting | Phase::Ongoing => true,
        Phase::Idle | Phase::Dialing | Phase::Ringing { .. } | Phase::Incoming | Phase::Ending | Phase::Outcome(_) => {
            false
        }
    }
}

fn cadence_of(indication: &Indication, before: Cadence) -> Cadence {
    if indication.door_released {
        return RELEASED;
    }
    match &indication.phase {
        Phase::Idle | Phase::Ending => SILENCE,
        Phase::Dialing => DIALING,
        Phase::Ringing { .. } => RINGBACK,
        Phase::Incoming => INCOMING,
        Phase::Connecting => CONNECTED,
        Phase::Ongoing => match indication.press_waiting {
            Some(_) => WAITING,
            // Nobody waits, or is let in, any more: that is no second answer.
            None if [WAITING, SILENCE, RELEASED].contains(&before) => SILENCE,
            // The chirp of the answer is not cut off by the connection that follows it at once.
            None => CONNECTED,
        },
        Phase::Outcome(outcome) => match outcome {
            Outcome::Busy => BUSY,
            Outcome::Cancelled => CANCELLED,
            Outcome::Ended => ENDED,
            Outcome::Failed => FAILED,
            Outcome::MediaLost => MEDIA_LOST,
            Outcome::Rejected => REFUSED,
            Outcome::Unanswered => NOBODY,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cadence as text: the first frequency, or nothing, and for how long.
    fn heard(phase: Phase, for_millis: u64) -> String {
        let mut sound = Sound::new();
        let start = Moment::from_millis(1000);
        sound.show(start, &Indication::of(phase));
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
        let texts: Vec<String> = Outcome::ALL.iter().map(|outcome| heard(Phase::Outcome(*outcome), 60_000)).collect();
        for (index, text) in texts.iter().enumerate() {
            assert!(!text.is_empty() && text.len() < 200, "{text}");
            assert!(!texts[..index].contains(text), "two outcomes sound alike: {text}");
        }
    }

    #[test]
    fn rest_and_conversation_are_silent() {
        assert_eq!(heard(Phase::Idle, 1000), "");
        assert_eq!(heard(Phase::Ending, 60_000), "");
        let mut sound = Sound::new();
        let ringing = Phase::Ringing { delivered: 1, notified: 0, looking: 1 };
        sound.show(Moment::from_millis(0), &Indication::of(ringing));
        sound.show(Moment::from_millis(500), &Indication::of(Phase::Ongoing));
        assert_eq!(sound.step(Moment::from_millis(600)).map(|tone| tone.hertz[0]), Some(880), "the answer is heard");
        assert_eq!(sound.poll_timeout(Moment::from_millis(720)), None, "and then nothing");
    }

    #[test]
    fn a_waiting_visitor_is_heard_softly_and_leaves_no_trace() {
        let waiting =
            Indication { press_waiting: Some("b".parse().expect("a word")), ..Indication::of(Phase::Ongoing) };
        let mut sound = Sound::new();
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Connecting));
        sound.show(Moment::from_millis(5_000), &waiting);
        let soft = sound.step(Moment::from_millis(5_000)).expect("a beep");
        assert!(soft.dbfs <= -24, "{soft:?}");
        sound.show(Moment::from_millis(9_000), &Indication::of(Phase::Ongoing));
        sound.show(Moment::from_millis(9_001), &Indication::of(Phase::Ongoing));
        assert_eq!(sound.poll_timeout(Moment::from_millis(9_001)), None);
    }

    #[test]
    fn a_yes_and_a_no_come_in_between() {
        let ringing = Indication::of(Phase::Ringing { delivered: 1, notified: 0, looking: 0 });
        let mut sound = Sound::new();
        sound.show(Moment::from_millis(0), &ringing);
        let acknowledged = Indication { acknowledgements: 1, ..ringing.clone() };
        sound.show(Moment::from_millis(300), &acknowledged);
        let at = |millis: u64| sound.step(Moment::from_millis(millis)).map(|tone| tone.hertz[0]);
        assert_eq!(
            [at(300), at(359), at(360), at(999), at(1000)],
            [Some(1320), Some(1320), Some(425), Some(425), None]
        );

        let refused = Indication { refusals: 1, ..Indication::of(Phase::Ongoing) };
        let mut sound = Sound::new();
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Ringing { delivered: 1, notified: 0, looking: 0 }));
        sound.show(Moment::from_millis(10), &Indication::of(Phase::Ongoing));
        sound.show(Moment::from_millis(9_000), &refused);
        let no = sound.step(Moment::from_millis(9_000)).expect("no is heard");
        assert!(no.hertz == [220, 0] && no.dbfs <= -24, "{no:?}");
        let acknowledged = Indication { acknowledgements: 1, ..refused };
        sound.show(Moment::from_millis(12_000), &acknowledged);
        assert_eq!(sound.step(Moment::from_millis(12_000)), None, "a yes is for the eye in a conversation");
    }

    #[test]
    fn every_phase_has_its_sound() {
        let ringing = Phase::Ringing { delivered: 1, notified: 0, looking: 0 };
        let phases = [Phase::Dialing, ringing, Phase::Incoming, Phase::Connecting, Phase::Outcome(Outcome::Ended)];
        let texts: Vec<String> = phases.into_iter().map(|phase| heard(phase, 10_000)).collect();
        for (index, text) in texts.iter().enumerate() {
            assert!(!text.is_empty() && !texts[..index].contains(text), "{text}");
        }
    }

    #[test]
    fn a_released_door_buzzes_and_leaves_no_trace() {
        let ongoing = Indication::of(Phase::Ongoing);
        let released = Indication { door_released: true, ..ongoing.clone() };
        let mut sound = Sound::new();
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Connecting));
        sound.show(Moment::from_millis(5_000), &released);
        assert_eq!(sound.step(Moment::from_millis(5_000)).map(|tone| tone.hertz), Some([150, 300]));
        sound.show(Moment::from_millis(8_000), &ongoing);
        assert_eq!(sound.poll_timeout(Moment::from_millis(8_000)), None);
    }

    #[test]
    fn more_phones_do_not_start_the_ringback_anew() {
        let mut sound = Sound::new();
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Ringing { delivered: 0, notified: 0, looking: 0 }));
        sound.show(Moment::from_millis(900), &Indication::of(Phase::Ringing { delivered: 2, notified: 0, looking: 1 }));
        assert_eq!(sound.step(Moment::from_millis(1100)), None, "the tone ends when it would have");
    }
}
