//! Chirps through the air: how long sound takes from the speaker to the microphone, how loud it arrives, how steady that is.
//!
//! A chirp is found by correlation, also where it is quieter than the noise. It measures and judges nothing.

use std::f64::consts::TAU;

use crate::media::gst::level::decibels;
use crate::media::pipeline::{EchoMeasured, SAMPLE_RATE};

const RATE: usize = SAMPLE_RATE as usize;
/// A chirp is heard as a short whistle: 100 ms, from 500 Hz up to 6 kHz.
const CHIRP: usize = RATE / 10;
const LOWEST: f64 = 500.0;
const HIGHEST: f64 = 6_000.0;
/// -12 dBFS RMS in its middle.
const AMPLITUDE: f64 = 11_600.0;
/// It fades in and out for 5 ms.
const FADE: usize = RATE / 200;
/// From one chirp to the next: what takes longer is taken for the next one's.
pub const PERIOD: usize = RATE;
/// The longest way that is found: 900 ms.
pub(super) const FARTHEST: usize = RATE * 9 / 10;
/// For the first look every so many samples are taken as one.
const COARSE: usize = 3;
/// A chirp is one where it stands out so far from whatever else is like it.
const DISTINCT: f64 = 6.0;
/// An echo that is added up after its first sound: 200 ms.
const REVERBERATION: usize = RATE / 5;
/// As loud as this, a sample is cut off.
const CLIPPED: u16 = 32_700;

/// One chirp.
#[must_use]
pub fn chirp() -> Vec<i16> {
    (0..CHIRP)
        .map(|n| {
            let time = n as f64 / RATE as f64;
            let sweep = (HIGHEST - LOWEST) / (CHIRP as f64 / RATE as f64);
            let fade = (n.min(CHIRP - 1 - n) as f64 / FADE as f64).min(1.0);
            ((TAU * (LOWEST + 0.5 * sweep * time) * time).sin() * fade * AMPLITUDE) as i16
        })
        .collect()
}

/// So many chirps, a period after each other, with silence before the first.
#[must_use]
pub fn chirps(count: usize) -> Vec<i16> {
    let mut samples = vec![0; PERIOD];
    for _ in 0..count {
        let end = samples.len() + PERIOD;
        samples.extend(chirp());
        samples.resize(end, 0);
    }
    samples
}

/// Where the chirp begins in what was heard from `from` on: in samples, with parts of one. Nothing, if none stands out.
#[must_use]
pub fn find(heard: &[i16], from: usize) -> Option<f64> {
    let chirp: Vec<f32> = chirp().iter().map(|&sample| f32::from(sample)).collect();
    let end = heard.len().min(from + FARTHEST + CHIRP);
    let window: Vec<f32> = heard.get(from..end)?.iter().map(|&sample| f32::from(sample)).collect();
    let coarse = correlation(&thinned(&window), &thinned(&chirp), 0, usize::MAX);
    let peak = strongest(&coarse)?;
    let mean = coarse.iter().map(|value| f64::from(value.abs())).sum::<f64>() / coarse.len() as f64;
    if f64::from(coarse[peak].abs()) < DISTINCT * mean.max(1.0) {
        return None;
    }
    let begin = (peak * COARSE).saturating_sub(2 * COARSE);
    let fine = correlation(&window, &chirp, begin, 4 * COARSE + 1);
    let peak = strongest(&fine)?;
    Some((from + begin + peak) as f64 + apex(&fine, peak))
}

/// What chirps that were played with [`chirps`] left in what was captured. `begun` is where in it the playing began.
#[must_use]
pub fn measure(count: usize, captured: &[i16], begun: usize) -> EchoMeasured {
    let sent: Vec<usize> = (1..=count).map(|number| begun + number * PERIOD).collect();
    let found: Vec<(f64, f64)> =
        sent.iter().filter_map(|&at| Some((at as f64, find(captured, at)? - at as f64))).collect();
    let silence = captured.get(begun..begun + PERIOD).unwrap_or_default();
    let noise = mean_square(silence);
    let echoes: Vec<f64> = found
        .iter()
        .filter_map(|&(at, delay)| {
            let begin = (at + delay) as usize;
            let heard = captured.get(begin..begin + REVERBERATION)?;
            Some((mean_square(heard) - noise).max(0.0) * REVERBERATION as f64)
        })
        .collect();
    let played = mean_square(&chirp()) * CHIRP as f64;
    let echo = echoes.iter().sum::<f64>() / echoes.len().max(1) as f64;
    let (delay, drift, jitter) = line(&found);
    EchoMeasured {
        played: whole(count),
        heard: whole(found.len()),
        delay: delay * 1000.0 / RATE as f64,
        coupling: 10.0 * (echo / played).max(1e-12).log10(),
        drift: drift * 1e6,
        jitter: jitter * 1000.0 / RATE as f64,
        noise: decibels(noise),
        clipped: captured.iter().filter(|sample| sample.unsigned_abs() >= CLIPPED).count() > 10,
    }
}

fn whole(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn thinned(samples: &[f32]) -> Vec<f32> {
    samples.chunks_exact(COARSE).map(|few| few.iter().sum::<f32>() / COARSE as f32).collect()
}

/// Of `window` with `chirp`, at so many places.
fn correlation(window: &[f32], chirp: &[f32], from: usize, places: usize) -> Vec<f32> {
    window
        .windows(chirp.len())
        .skip(from)
        .take(places)
        .map(|part| part.iter().zip(chirp).map(|(one, other)| one * other).sum())
        .collect()
}

fn strongest(values: &[f32]) -> Option<usize> {
    (0..values.len()).max_by(|&one, &other| values[one].abs().total_cmp(&values[other].abs()))
}

/// Between the samples: the top of the parabola through the peak and its neighbours.
fn apex(values: &[f32], peak: usize) -> f64 {
    let (Some(&before), Some(&after)) = (peak.checked_sub(1).and_then(|at| values.get(at)), values.get(peak + 1))
    else {
        return 0.0;
    };
    let (before, top, after) = (f64::from(before), f64::from(values[peak]), f64::from(after));
    let curve = before - 2.0 * top + after;
    if curve == 0.0 { 0.0 } else { (0.5 * (before - after) / curve).clamp(-0.5, 0.5) }
}

/// The straight line through these points: its height in their middle, its slope, and how far the farthest is away from it.
fn line(points: &[(f64, f64)]) -> (f64, f64, f64) {
    let count = points.len().max(1) as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (mut above, mut below) = (0.0, 0.0);
    for point in points {
        above += (point.0 - x) * (point.1 - y);
        below += (point.0 - x).powi(2);
    }
    let slope = if below > 0.0 { above / below } else { 0.0 };
    let off = points.iter().map(|point| (point.1 - y - slope * (point.0 - x)).abs()).fold(0.0, f64::max);
    (y, slope, off)
}

fn mean_square(samples: &[i16]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes back of chirps: so many samples later, stretched by this many millionths, this loud, in noise.
    fn answered(count: usize, delay: f64, ppm: f64, gain: f64, noise: f64) -> Vec<i16> {
        let played = chirps(count);
        let mut random = fastrand::Rng::with_seed(1);
        (0..played.len())
            .map(|n| {
                let position = (n as f64 - delay) * (1.0 - ppm * 1e-6);
                let (whole, part) = (position.floor(), position.fract());
                let at = |index: f64| {
                    if index < 0.0 { 0.0 } else { f64::from(played.get(index as usize).copied().unwrap_or(0)) }
                };
                let value = at(whole) * (1.0 - part.abs()) + at(whole + 1.0) * part.abs();
                (value * gain + (random.f64() - 0.5) * noise) as i16
            })
            .collect()
    }

    #[test]
    fn delay_coupling_and_drift_are_found() {
        for (ms, ppm, db) in [(3.0, 0.0, 0.0), (112.5, 50.0, -9.0), (420.0, -180.0, -20.0), (850.0, 0.0, -6.0)] {
            let gain = 10_f64.powf(db / 20.0);
            let measured = measure(6, &answered(6, ms * 48.0, ppm, gain, 20.0), 0);
            assert_eq!((measured.played, measured.heard, measured.clipped), (6, 6, false));
            assert!((measured.delay - ms).abs() < 1.0, "{ms} ms: {measured:?}");
            assert!((measured.drift - ppm).abs() < 5.0, "{ppm} ppm: {measured:?}");
            assert!((measured.coupling - db).abs() < 1.0, "{db} dB: {measured:?}");
            assert!(measured.jitter < 0.1, "{measured:?}");
        }
    }

    #[test]
    fn a_chirp_is_found_in_noise_that_is_louder() {
        let measured = measure(4, &answered(4, 4_800.0, 0.0, 0.05, 4_000.0), 0);
        assert_eq!(measured.heard, 4, "{measured:?}");
        assert!((measured.delay - 100.0).abs() < 0.2, "{measured:?}");
        assert!(measured.noise > -32.0 && measured.noise < -28.0, "{measured:?}");
    }

    #[test]
    fn silence_and_noise_hold_no_chirp() {
        assert_eq!(measure(3, &answered(3, 0.0, 0.0, 0.0, 0.0), 0).heard, 0);
        assert_eq!(measure(3, &answered(3, 0.0, 0.0, 0.0, 4_000.0), 0).heard, 0);
        assert_eq!(measure(3, &[], 0).heard, 0);
    }

    #[test]
    fn too_loud_is_told() {
        assert!(measure(2, &answered(2, 480.0, 0.0, 4.0, 0.0), 0).clipped);
    }

    #[test]
    fn a_delay_that_changes_is_jitter() {
        let mut captured = answered(6, 4_800.0, 0.0, 0.5, 20.0);
        // From the fourth chirp on, 10 ms more.
        captured.splice(4 * PERIOD..4 * PERIOD, [0; 480]);
        assert!(measure(6, &captured, 0).jitter > 2.0);
    }
}
