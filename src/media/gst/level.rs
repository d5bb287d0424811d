//! How loud a piece of sound is, and which frequency is the strongest in it. For reports and tests, not for hearing.

use std::f32::consts::TAU;

use crate::media::pipeline::SAMPLE_RATE;

/// Samples measured at a time: a tenth of a second.
pub const WINDOW: usize = SAMPLE_RATE as usize / 10;

/// Every so many samples are taken as one: voices and tones are far below 6 kHz.
const DECIMATION: usize = 4;
const RATE: f32 = SAMPLE_RATE as f32 / DECIMATION as f32;
/// The resolution that a tenth of a second gives.
const STEP: f32 = 10.0;
const LOWEST: f32 = 50.0;
const BINS: u16 = 350;

/// Quieter than this is silence (dBFS).
pub const SILENCE: f64 = -70.0;
/// No sound at all (dBFS).
pub const NOTHING: f64 = -200.0;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Root mean square in decibels below full scale, -200 for nothing at all.
    pub dbfs: f64,
    /// The strongest frequency, in hertz; 0 in silence.
    pub hertz: f64,
}

/// Measures a piece of sound of one channel.
#[must_use]
pub fn measure(samples: &[i16]) -> Level {
    let energy = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    let dbfs = decibels(energy);
    let hertz = if dbfs > SILENCE { strongest(samples) } else { 0.0 };
    Level { dbfs, hertz }
}

/// Decibels below full scale of a mean square of samples.
#[must_use]
pub fn decibels(mean_square: f64) -> f64 {
    (10.0 * (mean_square / f64::from(i16::MIN).powi(2)).log10()).max(NOTHING)
}

fn strongest(samples: &[i16]) -> f64 {
    let thinned: Vec<f32> =
        samples.chunks_exact(DECIMATION).map(|few| few.iter().map(|&sample| f32::from(sample)).sum()).collect();
    (0..BINS)
        .map(|bin| LOWEST + STEP * f32::from(bin))
        .map(|hertz| (hertz, goertzel(&thinned, hertz)))
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map_or(0.0, |(hertz, _)| f64::from(hertz))
}

/// Energy at one frequency (Goertzel, "An Algorithm for the Evaluation of Finite Trigonometric Series", 1958).
fn goertzel(samples: &[f32], hertz: f32) -> f32 {
    let coefficient = 2.0 * (TAU * hertz / RATE).cos();
    let (last, before) =
        samples.iter().fold((0.0, 0.0), |(last, before), sample| (sample + coefficient * last - before, last));
    last * last + before * before - coefficient * last * before
}

/// Collects pieces of sound into windows.
#[derive(Debug, Default)]
pub struct Meter {
    window: Vec<i16>,
}

impl Meter {
    /// Takes a piece; gives the level whenever a window is full.
    pub fn add(&mut self, samples: &[i16]) -> Option<Level> {
        self.window.extend_from_slice(samples);
        if self.window.len() < WINDOW {
            return None;
        }
        let level = measure(&self.window[..WINDOW]);
        self.window.clear();
        Some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f32, amplitude: f32) -> Vec<i16> {
        (0..WINDOW).map(|n| ((TAU * hertz * n as f32 / SAMPLE_RATE as f32).sin() * amplitude) as i16).collect()
    }

    #[test]
    fn tones_are_told_apart() {
        for hertz in [62.0, 440.0, 445.0, 1000.0, 1633.0, 3400.0] {
            let level = measure(&sine(hertz, 16_384.0));
            assert!((level.hertz - f64::from(hertz)).abs() <= f64::from(hertz) * 0.05, "{hertz}: {level:?}");
            assert!((level.dbfs + 9.03).abs() < 0.3, "{hertz}: {level:?}");
        }
    }

    #[test]
    fn silence_has_no_frequency() {
        assert_eq!(measure(&[0; WINDOW]), Level { dbfs: -200.0, hertz: 0.0 });
        assert_eq!(measure(&[]).hertz, 0.0);
    }

    #[test]
    fn the_stronger_of_two_tones_is_named() {
        let mixed: Vec<i16> =
            sine(350.0, 8000.0).iter().zip(sine(2000.0, 4000.0)).map(|(one, other)| one + other).collect();
        assert!((measure(&mixed).hertz - 350.0).abs() < 15.0);
    }

    #[test]
    fn a_meter_speaks_ten_times_a_second() {
        let mut meter = Meter::default();
        let tone = sine(440.0, 16_384.0);
        let spoken = tone.chunks(480).filter_map(|piece| meter.add(piece)).count();
        assert_eq!(spoken, 1);
    }
}
