//! Half duplex: while a resident is heard at the door, the microphone is all but closed. For hardware whose echo nothing
//! cancels. The resident has the right of way.

use super::FRAME;

/// Louder than this (-45 dBFS), the speaker plays something.
const PLAYS: f64 = 184.0;
/// How long an echo may take where nobody measured it, in frames of 10 ms.
const UNKNOWN: u32 = 30;
/// A room goes on sounding for so long, in frames.
const REVERBERATION: u32 = 20;
/// -34 dB: a microphone that is quite dead sounds like a call that broke off.
const CLOSED: f32 = 0.02;
/// To open or close takes so many frames, so that nothing clicks.
const RAMP: f32 = 3.0;

/// A switch that the speaker's sound turns.
#[derive(Debug)]
pub(super) struct Half {
    hold: u32,
    /// Frames until it opens again.
    left: u32,
    gain: f32,
}

impl Half {
    /// An open one, for an echo of this delay in milliseconds.
    pub(super) fn new(delay: Option<u16>) -> Self {
        let travel = delay.map_or(UNKNOWN, |delay| u32::from(delay) / 10 + 1);
        Self { hold: travel + REVERBERATION, left: 0, gain: 1.0 }
    }

    /// Lets the microphone through or not, by what is played.
    pub(super) fn turn(&mut self, played: &[i16; FRAME], captured: &mut [i16; FRAME]) {
        let energy: f64 = played.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        self.left = if (energy / FRAME as f64).sqrt() > PLAYS { self.hold } else { self.left.saturating_sub(1) };
        let goal = if self.left > 0 { CLOSED } else { 1.0 };
        let step = 1.0 / (RAMP * FRAME as f32);
        for sample in captured {
            self.gain += (goal - self.gain).clamp(-step, step);
            *sample = (f32::from(*sample) * self.gain) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(half: &mut Half, played: i16, frames: usize) -> i16 {
        let mut captured = [0; FRAME];
        for _ in 0..frames {
            captured = [10_000; FRAME];
            half.turn(&[played; FRAME], &mut captured);
        }
        captured[FRAME - 1]
    }

    #[test]
    fn the_resident_has_the_right_of_way_until_the_echo_is_over() {
        let mut half = Half::new(Some(100));
        assert_eq!(after(&mut half, 0, 1), 10_000);
        assert!(after(&mut half, 3000, 4) <= 210);
        assert!(after(&mut half, 0, 28) <= 210, "100 ms of travel, 200 ms of reverberation");
        assert_eq!(after(&mut half, 0, 8), 10_000);
        assert_eq!(after(&mut half, 100, 8), 10_000, "a murmur closes nothing");
    }

    #[test]
    fn it_opens_and_closes_without_a_click() {
        let mut half = Half::new(None);
        let mut heard = Vec::new();
        for frame in 0..100 {
            let mut captured = [10_000; FRAME];
            half.turn(&[if frame == 5 { 3000 } else { 0 }; FRAME], &mut captured);
            heard.extend(captured);
        }
        let steepest = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max();
        assert!(steepest.is_some_and(|step| step <= 8), "{steepest:?}");
    }
}
