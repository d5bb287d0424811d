//! What the visitor hears: tones, or the installer's own sounds, drawn from the station's indication.
//!
//! Pure: it says what sounds now and when that changes; the media worker makes the sound. In a conversation it is
//! silent but for soft beeps to another visitor: their press waits, or is refused.

#![deny(clippy::disallowed_methods)]

mod cue;

use std::collections::BTreeMap;
use std::time::Duration;

pub use cue::Cue;

use crate::call::indication::{Indication, Phase};
use crate::media::protocol::Audible;
use crate::moment::Moment;

/// A prompt gets so much more time than it lasts: the speaker may have to be opened first.
const OPENING: Duration = Duration::from_millis(500);

/// Why the sound wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The next step of the cadence.
    Step,
}

/// Draws the sound.
#[derive(Debug, Clone)]
pub struct Sound {
    playing: Option<Playing>,
    /// A short word in between; what is below it goes on unheard, or begins again if it is a prompt.
    between: Option<Playing>,
    /// The installer's own sounds that can be played, and how long they are. Everything else has its tones.
    prompts: BTreeMap<Cue, Duration>,
    turns: u32,
    tampered: bool,
    acknowledgements: u32,
    refusals: u32,
}

/// What sounds, and since when.
#[derive(Debug, Clone, Copy)]
struct Playing {
    cue: Cue,
    since: Moment,
    /// Tells this playing of a prompt from any other.
    turn: u32,
}

/// What sounds now, and until when; without an end it is the same until something is shown.
type Place = (Option<Audible>, Option<Moment>);

impl Default for Sound {
    fn default() -> Self {
        Self::new()
    }
}

impl Sound {
    /// Silent.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            playing: None,
            between: None,
            prompts: BTreeMap::new(),
            turns: 0,
            tampered: false,
            acknowledgements: 0,
            refusals: 0,
        }
    }

    /// The worker can play the installer's own sound for this, which is so long.
    pub fn prompt_ready(&mut self, cue: Cue, length: Duration) {
        self.prompts.insert(cue, length);
    }

    /// The worker that had them is gone.
    pub fn forget_prompts(&mut self) {
        self.prompts.clear();
    }

    /// The station shows something else. What stays the same goes on.
    pub fn show(&mut self, now: Moment, indication: &Indication) {
        let before = self.playing.map(|playing| playing.cue);
        let cue = cue_of(indication, before);
        if cue != before {
            self.playing = cue.map(|cue| self.begin(cue, now));
        }
        let refused = indication.refusals != self.refusals;
        let tampered = indication.tampered && !self.tampered;
        let acknowledged = indication.acknowledgements != self.acknowledgements && !is_conversation(&indication.phase);
        (self.refusals, self.acknowledgements) = (indication.refusals, indication.acknowledgements);
        self.tampered = indication.tampered;
        if tampered {
            self.say_between(Cue::Tampered, now);
        } else if refused {
            self.say_between(Cue::NotNow, now);
        } else if acknowledged {
            self.say_between(Cue::Understood, now);
        }
    }

    /// What sounds now; nothing is silence.
    #[must_use]
    pub fn step(&self, now: Moment) -> Option<Audible> {
        self.place(now).and_then(|(audible, _)| audible)
    }

    /// When that changes.
    #[must_use]
    pub fn poll_timeout(&self, now: Moment) -> Option<(Moment, Timer)> {
        self.place(now).and_then(|(_, until)| until).map(|until| (until, Timer::Step))
    }

    fn begin(&mut self, cue: Cue, since: Moment) -> Playing {
        self.turns = self.turns.wrapping_add(1);
        Playing { cue, since, turn: self.turns }
    }

    fn say_between(&mut self, cue: Cue, now: Moment) {
        let end = now + self.lasts(cue);
        let cut_short = self.playing.filter(|playing| {
            !playing.cue.repeats() && self.prompts.contains_key(&playing.cue) && self.place_of(playing, now).is_some()
        });
        if let Some(playing) = cut_short {
            // Words that were cut short are said again.
            self.playing = Some(Playing { since: end, ..playing });
        }
        self.between = Some(self.begin(cue, now));
    }

    fn place(&self, now: Moment) -> Option<Place> {
        let of = |playing: Option<Playing>| playing.and_then(|playing| self.place_of(&playing, now));
        of(self.between).or_else(|| of(self.playing))
    }

    /// How long it takes to be said once.
    fn lasts(&self, cue: Cue) -> Duration {
        self.prompts.get(&cue).map_or_else(|| cue.length(), |length| *length + OPENING)
    }

    /// Nothing once it is over.
    fn place_of(&self, playing: &Playing, now: Moment) -> Option<Place> {
        let Playing { cue, since, turn } = *playing;
        let (repeats, length) = (cue.repeats(), self.lasts(cue));
        if !repeats && now.since(since) >= length {
            return None;
        }
        if self.prompts.contains_key(&cue) {
            return Some((Some(Audible::Prompt { cue, turn }), (!repeats).then(|| since + length)));
        }
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let elapsed = millis(now.since(since));
        let round = elapsed - elapsed % millis(length);
        let (tone, end) = cue.at(elapsed - round)?;
        Some((tone.map(Audible::Tone), Some(since + Duration::from_millis(round + end))))
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

fn cue_of(indication: &Indication, before: Option<Cue>) -> Option<Cue> {
    if indication.door_released {
        return Some(Cue::DoorReleased);
    }
    match &indication.phase {
        // What was begun about the call is said to its end.
        Phase::Idle => before.filter(|cue| !cue.repeats()),
        Phase::Ending => None,
        Phase::Dialing => Some(Cue::Dialing),
        Phase::Ringing { .. } => Some(Cue::Ringing),
        Phase::Incoming => Some(Cue::Incoming),
        Phase::Connecting => Some(Cue::Answered),
        Phase::Ongoing => match (&indication.press_waiting, before) {
            (Some(_), _) => Some(Cue::PressWaiting),
            // Nobody waits, or is let in, any more: that is no second answer.
            (None, None | Some(Cue::PressWaiting | Cue::DoorReleased)) => None,
            // The chirp of the answer is not cut off by the connection that follows it at once.
            (None, Some(_)) => Some(Cue::Answered),
        },
        Phase::Outcome(outcome) => Some(Cue::of_outcome(*outcome)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::indication::Outcome;
    use crate::media::protocol::ToneStep;

    /// The tone that sounds.
    fn tone(sound: &Sound, at: u64) -> Option<ToneStep> {
        match sound.step(Moment::from_millis(at)) {
            Some(Audible::Tone(tone)) => Some(tone),
            Some(Audible::Prompt { .. }) => panic!("there is no prompt"),
            None => None,
        }
    }

    /// The prompt that sounds.
    fn prompt(sound: &Sound, at: u64) -> Option<(Cue, u32)> {
        match sound.step(Moment::from_millis(at)) {
            Some(Audible::Prompt { cue, turn }) => Some((cue, turn)),
            Some(Audible::Tone(_)) | None => None,
        }
    }

    /// The cadence as text: the first frequency, or nothing, and for how long.
    fn heard(phase: Phase, for_millis: u64) -> String {
        let mut sound = Sound::new();
        let start = Moment::from_millis(1000);
        sound.show(start, &Indication::of(phase));
        let mut text = Vec::new();
        let mut now = start;
        while now.since(start) < Duration::from_millis(for_millis) {
            let Some((until, Timer::Step)) = sound.poll_timeout(now) else { break };
            let hertz = match sound.step(now) {
                Some(Audible::Tone(tone)) => tone.hertz[0],
                Some(Audible::Prompt { .. }) | None => 0,
            };
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
        assert_eq!(tone(&sound, 600).map(|tone| tone.hertz[0]), Some(880), "the answer is heard");
        assert_eq!(sound.poll_timeout(Moment::from_millis(720)), None, "and then nothing");
    }

    #[test]
    fn a_waiting_visitor_is_heard_softly_and_leaves_no_trace() {
        let waiting =
            Indication { press_waiting: Some("b".parse().expect("a word")), ..Indication::of(Phase::Ongoing) };
        let mut sound = Sound::new();
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Connecting));
        sound.show(Moment::from_millis(5_000), &waiting);
        let soft = tone(&sound, 5_000).expect("a beep");
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
        let at = |millis: u64| tone(&sound, millis).map(|tone| tone.hertz[0]);
        assert_eq!(
            [at(300), at(359), at(360), at(999), at(1000)],
            [Some(1320), Some(1320), Some(425), Some(425), None]
        );

        let refused = Indication { refusals: 1, ..Indication::of(Phase::Ongoing) };
        let mut sound = Sound::new();
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Ringing { delivered: 1, notified: 0, looking: 0 }));
        sound.show(Moment::from_millis(10), &Indication::of(Phase::Ongoing));
        sound.show(Moment::from_millis(9_000), &refused);
        let no = tone(&sound, 9_000).expect("no is heard");
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
        assert_eq!(tone(&sound, 5_000).map(|tone| tone.hertz), Some([150, 300]));
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

    #[test]
    fn an_opened_enclosure_is_heard_once_whatever_goes_on() {
        let mut sound = Sound::new();
        let tampered = Indication { tampered: true, ..Indication::of(Phase::Idle) };
        sound.show(Moment::from_millis(0), &tampered);
        assert_eq!(tone(&sound, 0).map(|tone| tone.hertz[0]), Some(1600));
        sound.show(Moment::from_millis(1000), &tampered);
        assert_eq!(sound.poll_timeout(Moment::from_millis(1000)), None, "once");
        sound.show(Moment::from_millis(2000), &Indication::of(Phase::Idle));
        assert_eq!(sound.step(Moment::from_millis(2000)), None, "a shut one makes no sound");
    }

    #[test]
    fn a_prompt_stands_for_its_tones_and_only_for_them() {
        let mut sound = Sound::new();
        sound.prompt_ready(Cue::Ringing, Duration::from_secs(7));
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Dialing));
        assert_eq!(tone(&sound, 0).map(|tone| tone.hertz[0]), Some(425), "there is none for this");
        let ringing = Indication::of(Phase::Ringing { delivered: 1, notified: 0, looking: 0 });
        sound.show(Moment::from_millis(100), &ringing);
        let (cue, turn) = prompt(&sound, 100).expect("there is one for this");
        assert_eq!(cue, Cue::Ringing);
        assert_eq!(sound.poll_timeout(Moment::from_millis(100)), None, "the worker repeats it");
        sound.show(Moment::from_millis(9_000), &ringing);
        assert_eq!(prompt(&sound, 60_000), Some((Cue::Ringing, turn)), "it goes on undisturbed");
        sound.forget_prompts();
        assert!(sound.step(Moment::from_millis(100)).is_some_and(|audible| matches!(audible, Audible::Tone(_))));
    }

    #[test]
    fn a_prompt_is_said_to_its_end_also_after_the_outcome_and_no_longer() {
        let mut sound = Sound::new();
        sound.prompt_ready(Cue::Unanswered, Duration::from_secs(6));
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Outcome(Outcome::Unanswered)));
        sound.show(Moment::from_millis(4_000), &Indication::of(Phase::Idle));
        assert_eq!(prompt(&sound, 6_400).map(|(cue, _)| cue), Some(Cue::Unanswered));
        assert_eq!(sound.poll_timeout(Moment::from_millis(6_000)).map(|(at, _)| at), Some(Moment::from_millis(6_500)));
        assert_eq!(sound.step(Moment::from_millis(6_500)), None);
        sound.show(Moment::from_millis(7_000), &Indication::of(Phase::Dialing));
        assert!(tone(&sound, 7_000).is_some(), "the next visitor");
    }

    #[test]
    fn words_cut_short_are_said_again_and_words_that_were_said_are_not() {
        let mut sound = Sound::new();
        sound.prompt_ready(Cue::Answered, Duration::from_secs(3));
        sound.prompt_ready(Cue::NotNow, Duration::from_secs(1));
        sound.show(Moment::from_millis(0), &Indication::of(Phase::Connecting));
        sound.show(Moment::from_millis(500), &Indication::of(Phase::Ongoing));
        sound.show(Moment::from_millis(1_000), &Indication { refusals: 1, ..Indication::of(Phase::Ongoing) });
        let (_, first) = prompt(&sound, 1_000).expect("a no");
        assert_eq!(prompt(&sound, 2_499), Some((Cue::NotNow, first)));
        assert_eq!(prompt(&sound, 2_500).map(|(cue, _)| cue), Some(Cue::Answered));
        assert_eq!(prompt(&sound, 5_999).map(|(cue, _)| cue), Some(Cue::Answered));
        assert_eq!(sound.step(Moment::from_millis(6_000)), None);
        sound.show(Moment::from_millis(9_000), &Indication { refusals: 2, ..Indication::of(Phase::Ongoing) });
        assert_eq!(prompt(&sound, 9_000).map(|(cue, turn)| (cue, turn > first)), Some((Cue::NotNow, true)));
        assert_eq!(sound.step(Moment::from_millis(10_500)), None, "the answer is not announced twice");
    }

    #[test]
    fn every_cue_has_tones_of_its_own() {
        let rounds: Vec<Vec<_>> = Cue::ALL
            .iter()
            .map(|cue| {
                let mut at = 0;
                std::iter::from_fn(|| {
                    let (tone, end) = cue.at(at)?;
                    at = end;
                    Some((tone.map(|tone| tone.hertz), end))
                })
                .collect()
            })
            .collect();
        for (index, round) in rounds.iter().enumerate() {
            assert!(!round.is_empty() && !rounds[..index].contains(round), "{:?}", Cue::ALL[index]);
        }
    }
}
