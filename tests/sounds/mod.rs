//! Sounds without a recording: voices, a room that answers with an echo, and how much of one sound is in another. All of it
//! made up from a seed, so that every run hears the same.

#![allow(dead_code, reason = "every test that includes it uses a part of it")]

use std::f32::consts::TAU;

/// Samples per second.
pub const RATE: usize = 48_000;

/// First, second and third formant of five vowels, in hertz (Peterson and Barney, 1952).
const VOWELS: [[f32; 3]; 5] = [
    [730.0, 1090.0, 2440.0],
    [530.0, 1840.0, 2480.0],
    [270.0, 2290.0, 3010.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
];
const BANDWIDTHS: [f32; 3] = [80.0, 110.0, 160.0];

/// A voice of this pitch that speaks syllables, words and pauses for so many seconds, at this level (dBFS RMS).
pub fn voice(seconds: usize, pitch: f32, dbfs: f32, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut speech = Vec::with_capacity((seconds + 2) * RATE);
    while speech.len() < seconds * RATE {
        for _ in 0..random.usize(2..5) {
            consonant(&mut speech, &mut random);
            vowel(&mut speech, pitch * (0.85 + 0.3 * random.f32()), &mut random);
        }
        speech.extend(std::iter::repeat_n(0.0, random.usize(RATE / 20..RATE / 5)));
    }
    speech.truncate(seconds * RATE);
    scale(&mut speech, dbfs);
    speech
}

fn consonant(speech: &mut Vec<f32>, random: &mut fastrand::Rng) {
    let length = random.usize(RATE / 40..RATE / 12);
    let mut last = 0.0;
    for n in 0..length {
        let noise = random.f32() * 2.0 - 1.0;
        // Its high half.
        speech.push(0.25 * (noise - last) * envelope(n, length));
        last = noise;
    }
}

fn vowel(speech: &mut Vec<f32>, pitch: f32, random: &mut fastrand::Rng) {
    let length = random.usize(RATE / 9..RATE / 4);
    let formants = VOWELS[random.usize(0..VOWELS.len())];
    let glide = 0.8 + 0.4 * random.f32();
    let mut states = [[0.0_f32; 2]; 3];
    let (mut phase, mut unsteady) = (0.0, 1.0);
    for n in 0..length {
        let progress = n as f32 / length as f32;
        phase += unsteady * pitch * (1.0 + (glide - 1.0) * progress) / RATE as f32;
        // No two pulses are alike, and breath goes through with them.
        let mut pulse = 0.06 * (random.f32() - 0.5);
        if phase >= 1.0 {
            pulse += 0.8 + 0.4 * random.f32();
            unsteady = 0.97 + 0.06 * random.f32();
        }
        phase %= 1.0;
        let mut sum = 0.0;
        for ((state, hertz), bandwidth) in states.iter_mut().zip(formants).zip(BANDWIDTHS) {
            let radius = (-std::f32::consts::PI * bandwidth / RATE as f32).exp();
            let cosine = (TAU * hertz / RATE as f32).cos();
            let next = pulse + 2.0 * radius * cosine * state[0] - radius * radius * state[1];
            *state = [next, state[0]];
            sum += next * (1.0 - radius) * 10.0;
        }
        speech.push(sum * envelope(n, length));
    }
}

fn envelope(n: usize, length: usize) -> f32 {
    let edge = (RATE / 100) as f32;
    (n as f32 / edge).min((length - n) as f32 / edge).min(1.0)
}

/// Brings a sound to this level (dBFS RMS).
pub fn scale(sound: &mut [f32], dbfs: f32) {
    let gain = (10_f64.powf(f64::from(dbfs) / 10.0) / power(sound)).sqrt() as f32;
    sound.iter_mut().for_each(|sample| *sample = (*sample * gain).clamp(-1.0, 1.0));
}

/// The mean square of a sound.
pub fn power(sound: &[f32]) -> f64 {
    sound.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / sound.len().max(1) as f64
}

/// Decibels of a ratio of powers.
pub fn decibels(power: f64) -> f64 {
    10.0 * (power + 1e-14).log10()
}

/// A part of a sound, from one second to another.
pub fn part(sound: &[f32], from: f64, to: f64) -> &[f32] {
    let at = |seconds: f64| ((seconds * RATE as f64) as usize).min(sound.len());
    &sound[at(from)..at(to)]
}

/// What a room answers to what is played in it: the direct sound first, walls within 50 ms, -6 dB in all.
pub struct Walls(Vec<(usize, f32)>);

impl Walls {
    pub fn new() -> Self {
        let strong = [
            (0.0, 1.0),
            (1.3, -0.55),
            (2.9, 0.42),
            (5.2, 0.30),
            (8.1, -0.25),
            (13.4, 0.18),
            (21.2, -0.12),
            (34.0, 0.08),
        ];
        let mut random = fastrand::Rng::with_seed(7);
        let weak = (0..24).map(|_| {
            let ms = 3.0 + 47.0 * random.f32();
            // 60 dB in 200 ms.
            (ms, (random.f32() - 0.5) * 0.4 * 10_f32.powf(-3.0 * ms / 200.0))
        });
        let mut taps: Vec<(usize, f32)> =
            strong.into_iter().chain(weak).map(|(ms, gain)| ((ms * RATE as f32 / 1000.0) as usize, gain)).collect();
        let all: f32 = taps.iter().map(|(_, gain)| gain * gain).sum();
        taps.iter_mut().for_each(|(_, gain)| *gain *= (0.25 / all).sqrt());
        Self(taps)
    }

    /// The echo at this sample, if this was played so many samples before.
    pub fn echo(&self, played: &[f32], at: usize, delay: usize) -> f32 {
        self.0.iter().filter_map(|&(tap, gain)| Some(gain * played.get(at.checked_sub(delay + tap)?)?)).sum()
    }
}

/// A sound as a clock plays it that is this many millionths too fast (cubic interpolation after Catmull and Rom).
pub fn drifted(sound: &[f32], ppm: f64) -> Vec<f32> {
    let at = |index: usize| sound.get(index).copied().unwrap_or_default();
    (0..sound.len())
        .map(|n| {
            let position = n as f64 * (1.0 + ppm * 1e-6);
            let (index, t) = (position as usize, position.fract() as f32);
            let (a, b, c, d) = (at(index.saturating_sub(1)), at(index), at(index + 1), at(index + 2));
            b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
        })
        .collect()
}

/// How much of this voice is in what was heard, in decibels of the voice: in every 20 ms and every 50 Hz that of its energy which
/// is still there. What else is heard counts for nothing.
pub fn share(voice: &[f32], heard: &[f32]) -> f64 {
    let piece = RATE / 50;
    let (mut said, mut found) = (0.0, 0.0);
    for (voice, heard) in voice.chunks_exact(piece).zip(heard.chunks_exact(piece)) {
        for bin in 2..80 {
            let (one, other) = (energy_at(voice, bin), energy_at(heard, bin));
            said += f64::from(one);
            found += f64::from(one.min(other));
        }
    }
    decibels(found / said)
}

/// The energy of a multiple of the lowest frequency that a piece can hold (Goertzel, 1958).
fn energy_at(piece: &[f32], bin: usize) -> f32 {
    let coefficient = 2.0 * (TAU * bin as f32 / piece.len() as f32).cos();
    let (last, before) =
        piece.iter().fold((0.0, 0.0), |(last, before), sample| (sample + coefficient * last - before, last));
    last * last + before * before - coefficient * last * before
}

/// Sixteen bits.
pub fn to_i16(sound: &[f32]) -> Vec<i16> {
    sound.iter().map(|&sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16).collect()
}

/// From sixteen bits.
pub fn from_i16(sound: &[i16]) -> Vec<f32> {
    sound.iter().map(|&sample| f32::from(sample) / 32_768.0).collect()
}
