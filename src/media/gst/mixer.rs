//! Who hears whom: residents' voices and the door's own sounds for the speaker, and for each talker the voices of the others.
//!
//! Mixed at pull points in our own code, with saturation. Voices wait in a ring per listener and talker: 30 ms before it
//! starts, never more than 150 ms, so that a talker's clock may run a little faster or slower. What of it was not needed for
//! ten seconds is passed over: a machine or network that faltered once does not delay the rest of the call. It knows nothing
//! of connections; a voice that did not join is not heard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::duck::Duck;
use super::level::{Level, Meter};
use super::prompt::{Player, Samples};
use super::tone::Tones;
use crate::ids::PeerId;
use crate::media::protocol::ToneStep;

const PER_MILLISECOND: usize = 48;
/// Held back before a voice starts, against its jitter.
const PRIME: usize = 30 * PER_MILLISECOND;
/// A voice comes and goes within 5 ms.
const FADE: usize = 5 * PER_MILLISECOND;
/// More than this is cut down to twice the prime: late sound helps nobody.
const MOST: usize = 150 * PER_MILLISECOND;
/// What a voice that flows keeps in reserve.
const RESERVE: usize = 20 * PER_MILLISECOND;
/// What was in reserve for so long is not needed.
const CALM: usize = 10_000 * PER_MILLISECOND;

/// Shared by the streaming threads of the speaker and of every talker.
#[derive(Debug, Default)]
pub(super) struct Mixer(Mutex<Mix>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Listener {
    Peer(PeerId),
    Speaker,
}

#[derive(Debug, Default)]
struct Mix {
    tones: Tones,
    prompts: Player,
    duck: Duck,
    meter: Meter,
    /// Who hears, and whom.
    rings: BTreeMap<(Listener, PeerId), Ring>,
}

impl Mixer {
    /// A talker: heard by the speaker and by every other talker, and hears them.
    pub(super) fn join(&self, peer: PeerId) {
        let mut mix = self.lock();
        let others: Vec<PeerId> = mix.talkers().filter(|&other| other != peer).collect();
        let between =
            others.into_iter().flat_map(|other| [(Listener::Peer(other), peer), (Listener::Peer(peer), other)]);
        for way in between.chain([(Listener::Speaker, peer)]) {
            let ring = mix.rings.entry(way).or_default();
            if ring.is_leaving() {
                *ring = Ring::default();
            }
        }
    }

    /// A talker who left, with everything of it that was not heard yet: what just sounds fades away.
    pub(super) fn leave(&self, peer: PeerId) {
        let mut mix = self.lock();
        mix.rings.retain(|&(listener, _), _| listener != Listener::Peer(peer));
        mix.rings.iter_mut().filter(|((_, talker), _)| *talker == peer).for_each(|(_, ring)| ring.leave());
        mix.rings.retain(|_, ring| !ring.is_over());
    }

    /// A piece of a talker's voice.
    pub(super) fn voice(&self, peer: PeerId, samples: impl Iterator<Item = i16> + Clone) {
        let mut mix = self.lock();
        mix.rings.iter_mut().filter(|((_, talker), _)| *talker == peer).for_each(|(_, ring)| ring.put(samples.clone()));
    }

    /// From now on this tone, or none.
    pub(super) fn play(&self, tone: Option<ToneStep>) {
        let mut mix = self.lock();
        mix.prompts.play(None);
        mix.tones.play(tone);
    }

    /// From now on this sound instead of any tone, once or again and again.
    pub(super) fn say(&self, samples: Samples, repeats: bool) {
        let mut mix = self.lock();
        mix.tones.play(None);
        mix.prompts.play(Some((samples, repeats)));
    }

    /// The microphone or the speaker was replaced, and the echo is not known yet: somebody talks more quietly for a while.
    pub(super) fn duck(&self) {
        let mut mix = self.lock();
        if !mix.rings.is_empty() {
            mix.duck.begin();
        }
    }

    /// Nobody talks and no tone sounds.
    pub(super) fn is_idle(&self) -> bool {
        let mix = self.lock();
        mix.tones.is_silent() && mix.prompts.is_silent() && mix.rings.values().all(Ring::is_leaving)
    }

    /// Adds what the speaker is to play; now and then also tells how loud that is.
    pub(super) fn add_for_speaker(&self, samples: &mut [i16]) -> Option<Level> {
        let mut mix = self.lock();
        mix.add_voices(Listener::Speaker, samples);
        mix.tones.add_to(samples);
        mix.prompts.add_to(samples);
        mix.duck.apply(samples);
        mix.meter.add(samples)
    }

    /// Adds the voices of the others; false if there are none and nothing was done.
    pub(super) fn add_for_talker(&self, peer: PeerId, samples: &mut [i16]) {
        self.lock().add_voices(Listener::Peer(peer), samples);
    }

    /// There are others for this talker to hear.
    pub(super) fn has_others(&self, peer: PeerId) -> bool {
        self.lock().rings.keys().any(|&(listener, _)| listener == Listener::Peer(peer))
    }

    /// No piece of it can be half changed, whoever panicked.
    fn lock(&self) -> MutexGuard<'_, Mix> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mix {
    fn talkers(&self) -> impl Iterator<Item = PeerId> {
        let present =
            self.rings.iter().filter(|((listener, _), ring)| *listener == Listener::Speaker && !ring.is_leaving());
        present.map(|(&(_, talker), _)| talker)
    }

    fn add_voices(&mut self, listener: Listener, samples: &mut [i16]) {
        self.rings.iter_mut().filter(|((who, _), _)| *who == listener).for_each(|(_, ring)| ring.take_into(samples));
        self.rings.retain(|_, ring| !ring.is_over());
    }
}

/// A voice on its way to one listener. It comes and goes within some milliseconds, so that nothing clicks.
#[derive(Debug, Default)]
struct Ring {
    waiting: VecDeque<i16>,
    state: State,
    gain: f32,
    reserve: Reserve,
}

/// The least that waited, in so many samples that were heard.
#[derive(Debug, Default)]
struct Reserve {
    least: Option<usize>,
    heard: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Collecting; not heard.
    #[default]
    Priming,
    /// Heard.
    Flowing,
    /// The last of it is heard.
    Leaving,
}

impl Ring {
    fn put(&mut self, samples: impl Iterator<Item = i16>) {
        if self.state == State::Leaving {
            return;
        }
        self.waiting.extend(samples);
        if self.waiting.len() > MOST {
            self.pass_over(self.waiting.len() - 2 * PRIME);
        }
        if self.waiting.len() >= PRIME {
            self.state = State::Flowing;
        }
    }

    fn take_into(&mut self, samples: &mut [i16]) {
        if self.state == State::Priming {
            return;
        }
        let mut left = self.waiting.len();
        let runs_dry = left <= samples.len();
        let ready = left.min(samples.len());
        for (sample, voice) in samples.iter_mut().zip(self.waiting.drain(..ready)) {
            left -= 1;
            let goal = if runs_dry && left < FADE { left as f32 / FADE as f32 } else { 1.0 };
            self.gain = (self.gain + 1.0 / FADE as f32).min(goal);
            *sample = sample.saturating_add((f32::from(voice) * self.gain) as i16);
        }
        if self.state != State::Flowing {
            return;
        }
        if runs_dry {
            (self.state, self.gain, self.reserve) = (State::Priming, 0.0, Reserve::default());
        } else if let Some(spare) = self.reserve.spare(left, samples.len()) {
            self.pass_over(spare);
        }
    }

    /// Leaves out what is next to be heard, from one sound into the other. More than a fade waits behind it.
    fn pass_over(&mut self, count: usize) {
        for index in 0..FADE {
            let gain = index as f32 / FADE as f32;
            let (before, after) = (f32::from(self.waiting[index]), f32::from(self.waiting[count + index]));
            self.waiting[count + index] = (before * (1.0 - gain) + after * gain) as i16;
        }
        self.waiting.drain(..count);
    }

    fn leave(&mut self) {
        let heard = if self.state == State::Flowing { FADE } else { 0 };
        self.waiting.truncate(heard);
        self.state = State::Leaving;
    }

    fn is_leaving(&self) -> bool {
        self.state == State::Leaving
    }

    fn is_over(&self) -> bool {
        self.is_leaving() && self.waiting.is_empty()
    }
}

impl Reserve {
    /// So many wait after so many were heard. How many of them are not needed, now and then.
    fn spare(&mut self, waiting: usize, heard: usize) -> Option<usize> {
        let least = self.least.map_or(waiting, |least| least.min(waiting));
        (self.least, self.heard) = (Some(least), self.heard + heard);
        if self.heard < CALM {
            return None;
        }
        *self = Self::default();
        least.checked_sub(RESERVE).filter(|&spare| spare > FADE)
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(2);

    fn heard(mixer: &Mixer) -> i16 {
        let mut samples = vec![0; 480];
        mixer.add_for_speaker(&mut samples);
        samples[479]
    }

    fn heard_by(mixer: &Mixer, peer: PeerId) -> i16 {
        let mut samples = vec![0; 480];
        mixer.add_for_talker(peer, &mut samples);
        samples[479]
    }

    fn say(mixer: &Mixer, peer: PeerId, value: i16) {
        mixer.voice(peer, std::iter::repeat_n(value, 2 * PRIME));
    }

    #[test]
    fn only_who_joined_is_heard_and_nobody_after_leaving() {
        let mixer = Mixer::default();
        say(&mixer, A, 100);
        assert_eq!(heard(&mixer), 0);
        mixer.join(A);
        assert_eq!(heard(&mixer), 0, "what was said before joining is gone");
        say(&mixer, A, 100);
        assert_eq!(heard(&mixer), 100);
        mixer.leave(A);
        assert_eq!(heard(&mixer), 0);
        assert!(mixer.is_idle());
    }

    #[test]
    fn talkers_hear_the_others_and_never_themselves() {
        let mixer = Mixer::default();
        mixer.join(A);
        assert!(!mixer.has_others(A));
        mixer.join(B);
        assert!(mixer.has_others(A) && mixer.has_others(B));
        say(&mixer, A, 100);
        say(&mixer, B, 7);
        assert_eq!((heard_by(&mixer, A), heard_by(&mixer, B), heard(&mixer)), (7, 100, 107));
        mixer.leave(B);
        assert_eq!(heard_by(&mixer, A), 0);
        assert!(!mixer.has_others(A));
    }

    #[test]
    fn a_voice_waits_for_its_prime_and_never_lags() {
        let mixer = Mixer::default();
        mixer.join(A);
        mixer.voice(A, std::iter::repeat_n(5, PRIME - 1));
        assert_eq!(heard(&mixer), 0);
        mixer.voice(A, std::iter::repeat_n(9, MOST));
        assert_eq!(heard(&mixer), 9, "what was too late was cut");
    }

    #[test]
    fn a_voice_that_was_held_up_once_catches_up_without_a_click() {
        let mixer = Mixer::default();
        mixer.join(A);
        let mut said = 0_u32;
        let mut speak = |count| {
            let from = said;
            said += count;
            let sample = |number: u32| ((f64::from(number) * TAU * 440.0 / 48_000.0).sin() * 5_000.0) as i16;
            mixer.voice(A, (from..said).map(sample));
        };
        let mut heard = Vec::new();
        let mut listen = || {
            let mut samples = vec![0; 480];
            mixer.add_for_speaker(&mut samples);
            heard.extend(samples);
            mixer.lock().rings.values().map(|ring| ring.waiting.len()).sum::<usize>()
        };
        speak(1_440);
        let flows: Vec<usize> = (0..2_500)
            .map(|piece| {
                // Once it was held up, for 90 ms, and the speaker went on without it.
                speak(match piece {
                    200..209 => 0,
                    209 => 4_800,
                    _ => 480,
                });
                listen()
            })
            .collect();
        assert_eq!((flows[199], flows[2_499]), (1_440, RESERVE), "{:?}", &flows[205..220]);
        assert!(flows[400] > 3_000, "the machine and the network are given time: {}", flows[400]);
        let after = &heard[300 * 480..];
        let step = after.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max();
        assert!(step.is_some_and(|step| step < 350), "its own steepest is 288: {step:?}");
    }

    #[test]
    fn only_a_conversation_is_ducked() {
        let mixer = Mixer::default();
        mixer.duck();
        mixer.join(A);
        say(&mixer, A, 10_000);
        assert_eq!(heard(&mixer), 10_000);
        mixer.duck();
        say(&mixer, A, 10_000);
        heard(&mixer);
        assert!(heard(&mixer) < 2_000);
    }

    /// The steepest step from one sample to the next in what is heard while `meanwhile` happens in the middle.
    fn steepest(mixer: &Mixer, speaks: impl Fn(usize), meanwhile: impl Fn()) -> u16 {
        let mut heard = Vec::new();
        for piece in 0..20 {
            speaks(piece);
            if piece == 10 {
                meanwhile();
            }
            let mut samples = vec![0; 480];
            mixer.add_for_speaker(&mut samples);
            heard.extend(samples);
        }
        heard.windows(2).map(|pair: &[i16]| pair[0].abs_diff(pair[1])).max().unwrap_or_default()
    }

    #[test]
    fn nobody_comes_or_goes_with_a_click() {
        let mixer = Mixer::default();
        mixer.join(A);
        mixer.join(B);
        let both = |_| [A, B].iter().for_each(|&peer| mixer.voice(peer, std::iter::repeat_n(5_000, 480)));
        let step = steepest(&mixer, both, || mixer.leave(B));
        assert!(step <= 45, "a voice leaves: {step}");
        let step = steepest(&mixer, both, || mixer.join(B));
        assert!(step <= 45, "a voice comes back: {step}");
        let falters = |piece: usize| {
            if !(12..15).contains(&piece) {
                both(piece)
            }
        };
        let step = steepest(&mixer, falters, || ());
        assert!(step <= 45, "a voice falters: {step}");
    }

    #[test]
    fn others_come_and_go_and_a_voice_goes_on_sample_by_sample() {
        let (alone, shared) = (Mixer::default(), Mixer::default());
        alone.join(A);
        shared.join(A);
        let mut next = 0_i16;
        for piece in 0..200_u32 {
            let voice: Vec<i16> = (0..480)
                .map(|_| {
                    next = next.wrapping_mul(31).wrapping_add(7);
                    next / 4
                })
                .collect();
            alone.voice(A, voice.iter().copied());
            shared.voice(A, voice.iter().copied());
            // Three quiet ones come and go, each at a time of its own.
            for (peer, every) in [(2, 7), (3, 11), (4, 13)] {
                match piece % every {
                    2 => shared.join(PeerId(peer)),
                    5 => shared.leave(PeerId(peer)),
                    _ => shared.voice(PeerId(peer), std::iter::repeat_n(0, 480)),
                }
            }
            let (mut one, mut other) = (vec![0; 480], vec![0; 480]);
            alone.add_for_speaker(&mut one);
            shared.add_for_speaker(&mut other);
            assert_eq!(one, other, "piece {piece}");
        }
    }

    #[test]
    fn shouting_saturates() {
        let mixer = Mixer::default();
        mixer.join(A);
        mixer.join(B);
        say(&mixer, A, 30_000);
        say(&mixer, B, 30_000);
        assert_eq!(heard(&mixer), i16::MAX);
    }
}
