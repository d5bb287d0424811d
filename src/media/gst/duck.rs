//! The speaker turned down for a short while, without a click: a canceller that begins anew leaks until it knows the room.

use crate::media::pipeline::SAMPLE_RATE;

/// A canceller knows its room after a second.
const LASTING: usize = SAMPLE_RATE as usize * 3 / 2;
/// -20 dB: still to be understood at the door.
const LOW: f32 = 0.1;
/// It takes 20 ms down, and as long up again.
const STEP: f32 = 50.0 / SAMPLE_RATE as f32;

/// How far down it is.
#[derive(Debug)]
pub(super) struct Duck {
    left: usize,
    gain: f32,
}

impl Default for Duck {
    fn default() -> Self {
        Self { left: 0, gain: 1.0 }
    }
}

impl Duck {
    /// Down from now on, for a while.
    pub(super) fn begin(&mut self) {
        self.left = LASTING;
    }

    /// Turns these down as far as they must be.
    pub(super) fn apply(&mut self, samples: &mut [i16]) {
        if self.left == 0 && self.gain >= 1.0 {
            return;
        }
        for sample in samples {
            let goal = if self.left > 0 { LOW } else { 1.0 };
            self.left = self.left.saturating_sub(1);
            self.gain += (goal - self.gain).clamp(-STEP, STEP);
            *sample = (f32::from(*sample) * self.gain) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_down_stays_and_comes_back_without_a_click() {
        let mut duck = Duck::default();
        let mut samples = vec![10_000; 480];
        duck.apply(&mut samples);
        assert_eq!(samples, vec![10_000; 480]);
        duck.begin();
        let mut heard = vec![10_000; 2 * LASTING];
        heard.chunks_mut(480).for_each(|piece| duck.apply(piece));
        assert_eq!(heard[LASTING / 2], 1000);
        assert_eq!(heard[2 * LASTING - 1], 10_000);
        let steepest = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max();
        assert!(steepest.is_some_and(|step| step <= 12), "{steepest:?}");
    }
}
