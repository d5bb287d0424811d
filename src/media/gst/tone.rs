//! Steady tones, made sample by sample, that begin and end without a click.

use std::f32::consts::{SQRT_2, TAU};

use crate::media::pipeline::SAMPLE_RATE;
use crate::media::protocol::ToneStep;

/// How long a tone takes to come and to go: 5 ms.
const RAMP: f32 = SAMPLE_RATE as f32 * 0.005;

/// What sounds, and what is to sound.
#[derive(Debug, Default)]
pub struct Tones {
    sounding: Option<ToneStep>,
    wanted: Option<ToneStep>,
    /// 0 to 1: how far the sounding tone has come.
    fade: f32,
    phases: [f32; 2],
}

impl Tones {
    /// From now on this tone, or none. The level of a tone is its root mean square, both frequencies together.
    pub fn play(&mut self, tone: Option<ToneStep>) {
        self.wanted = tone;
    }

    /// Nothing sounds and nothing is to sound.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.sounding.is_none() && self.wanted.is_none()
    }

    /// Adds the tone to these samples.
    pub fn add_to(&mut self, samples: &mut [i16]) {
        if self.is_silent() {
            return;
        }
        for sample in samples {
            *sample = sample.saturating_add(self.next() as i16);
        }
    }

    fn next(&mut self) -> f32 {
        let step = if self.sounding == self.wanted { 1.0 } else { -1.0 };
        self.fade = (self.fade + step / RAMP).clamp(0.0, 1.0);
        if self.fade <= 0.0 && self.sounding != self.wanted {
            self.sounding = self.wanted;
            self.phases = [0.0; 2];
        }
        let Some(tone) = self.sounding else { return 0.0 };
        let sum = tone.hertz.iter().zip(&mut self.phases).filter(|&(hertz, _)| *hertz > 0).fold(
            0.0,
            |sum, (hertz, phase)| {
                *phase = (*phase + TAU * f32::from(*hertz) / SAMPLE_RATE as f32) % TAU;
                sum + phase.sin()
            },
        );
        let voices = tone.hertz.iter().filter(|&&hertz| hertz > 0).count().max(1) as f32;
        let amplitude = f32::from(i16::MAX) * 10_f32.powf(f32::from(tone.dbfs) / 20.0) * SQRT_2 / voices.sqrt();
        sum * amplitude * self.fade
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::gst::level::{WINDOW, measure};

    fn second_window(tones: &mut Tones) -> Vec<i16> {
        let mut samples = vec![0; 2 * WINDOW];
        tones.add_to(&mut samples);
        samples.split_off(WINDOW)
    }

    #[test]
    fn a_tone_has_the_level_and_frequency_asked_for() {
        for hertz in [[425, 0], [350, 440]] {
            let mut tones = Tones::default();
            tones.play(Some(ToneStep { hertz, dbfs: -12 }));
            let level = measure(&second_window(&mut tones));
            assert!((level.dbfs + 12.0).abs() < 0.5, "{level:?}");
            assert!(hertz.iter().any(|&one| (level.hertz - f64::from(one)).abs() < 0.05 * f64::from(one)), "{level:?}");
        }
    }

    #[test]
    fn tones_come_and_go_without_a_click_and_change_into_each_other() {
        let mut tones = Tones::default();
        let mut samples = Vec::new();
        for step in [Some([440, 0]), Some([1000, 0]), None] {
            tones.play(step.map(|hertz| ToneStep { hertz, dbfs: -6 }));
            let mut piece = vec![0; 4800];
            tones.add_to(&mut piece);
            samples.extend(piece);
        }
        assert!(tones.is_silent(), "it ended");
        let steepest = samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
        // 1000 Hz at this level moves by at most 2π · 1000 / 48000 · 23000 in a sample.
        assert!(steepest.is_some_and(|step| step < 3200), "{steepest:?}");
    }

    #[test]
    fn too_loud_saturates() {
        let mut tones = Tones::default();
        tones.play(Some(ToneStep { hertz: [440, 0], dbfs: 0 }));
        let mut samples = vec![30_000; 4800];
        tones.add_to(&mut samples);
        assert_eq!(samples.iter().max(), Some(&i16::MAX));
    }
}
