//! From the picture of the light to what the LEDs are driven with: gamma, current, and where on the strip the ring begins.
//!
//! Pure: nothing here writes to a device. What glows at all still glows afterwards.

#![deny(clippy::disallowed_methods)]

use crate::panel::{Frame, Rgb};

/// What a WS2812, SK6812 or APA102 takes for one colour at full light, by the data sheets of those that take most.
const CHANNEL_MICROAMPERES: u32 = 20_000;
/// What one takes that is dark.
const IDLE_MICROAMPERES: u32 = 1_000;

/// How a strip is driven.
#[derive(Debug, Clone, PartialEq)]
pub struct Drive {
    /// The exponent between picture and light; 1 leaves it alone.
    pub gamma: f64,
    /// What the whole strip may take. Brighter pictures are dimmed as a whole.
    pub milliamperes: u16,
    /// Which LED of the strip is at the top of the ring, from 0.
    pub top: u8,
    /// Which way round the strip runs.
    pub clockwise: bool,
}

impl Drive {
    /// What is written to the strip for this picture of the ring.
    #[must_use]
    pub fn apply(&self, picture: &Frame) -> Frame {
        let bright: Frame = picture.iter().map(|led| each(*led, |level| self.bend(level))).collect();
        let limited = limit(&bright, u32::from(self.milliamperes) * 1_000);
        self.turn(&limited)
    }

    fn bend(&self, level: u8) -> u8 {
        if level == 0 {
            return 0;
        }
        let bent = (f64::from(level) / 255.0).powf(self.gamma) * 255.0;
        // The range is checked by the clamp, so the cast loses nothing but the fraction.
        bent.round().clamp(1.0, 255.0) as u8
    }

    fn turn(&self, ring: &Frame) -> Frame {
        let mut strip = vec![Rgb::default(); ring.len()];
        let count = ring.len().max(1);
        for (place, led) in ring.iter().enumerate() {
            let steps = if self.clockwise { place } else { count - place };
            strip[(usize::from(self.top) + steps) % count] = *led;
        }
        strip
    }
}

/// What a strip takes that shows this, in microamperes.
#[must_use]
pub fn current(frame: &Frame) -> u32 {
    let levels: u32 = frame.iter().map(|led| u32::from(led.red) + u32::from(led.green) + u32::from(led.blue)).sum();
    idle(frame) + u32::try_from(u64::from(levels) * u64::from(CHANNEL_MICROAMPERES) / 255).unwrap_or(u32::MAX)
}

fn idle(frame: &Frame) -> u32 {
    u32::try_from(frame.len()).unwrap_or(u32::MAX).saturating_mul(IDLE_MICROAMPERES)
}

fn limit(frame: &Frame, microamperes: u32) -> Frame {
    let wanted = current(frame);
    if wanted <= microamperes {
        return frame.clone();
    }
    let idle = idle(frame);
    let (room, light) = (u64::from(microamperes.saturating_sub(idle)), u64::from(wanted - idle));
    let scale = |level: u8| match level {
        0 => 0,
        _ => u8::try_from(u64::from(level) * room / light).unwrap_or(u8::MAX).max(1),
    };
    frame.iter().map(|led| each(*led, scale)).collect()
}

fn each(led: Rgb, change: impl Fn(u8) -> u8) -> Rgb {
    Rgb { red: change(led.red), green: change(led.green), blue: change(led.blue) }
}

/// The same light with a white LED beside the coloured ones: what all three share comes from it.
#[must_use]
pub fn with_white(led: Rgb) -> (Rgb, u8) {
    let white = led.red.min(led.green).min(led.blue);
    (each(led, |level| level - white), white)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Drive = Drive { gamma: 1.0, milliamperes: 5_000, top: 0, clockwise: true };

    fn grey(level: u8) -> Rgb {
        Rgb { red: level, green: level, blue: level }
    }

    #[test]
    fn gamma_bends_and_darkens_nothing_away() {
        let frame = vec![grey(0), grey(1), grey(128), grey(255)];
        assert_eq!(PLAIN.apply(&frame), frame);
        let bent = Drive { gamma: 2.2, ..PLAIN }.apply(&frame);
        assert_eq!(bent.iter().map(|led| led.red).collect::<Vec<_>>(), [0, 1, 56, 255]);
    }

    #[test]
    fn a_ring_begins_where_it_was_glued() {
        let ring: Frame = (1..=4).map(grey).collect();
        let shown = |top, clockwise| {
            let strip = Drive { top, clockwise, ..PLAIN }.apply(&ring);
            strip.iter().map(|led| led.red).collect::<Vec<_>>()
        };
        assert_eq!(shown(0, true), [1, 2, 3, 4]);
        assert_eq!(shown(1, true), [4, 1, 2, 3]);
        assert_eq!(shown(0, false), [1, 4, 3, 2]);
        assert_eq!(shown(3, false), [4, 3, 2, 1]);
    }

    #[test]
    fn white_comes_from_the_white_led() {
        let warm = Rgb { red: 255, green: 235, blue: 200 };
        assert_eq!(with_white(warm), (Rgb { red: 55, green: 35, blue: 0 }, 200));
        let green = Rgb { red: 30, green: 255, blue: 0 };
        assert_eq!(with_white(green), (green, 0));
    }

    proptest! {
        #[test]
        fn the_supply_is_never_asked_for_more(
            levels in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..64),
            milliamperes in 100_u16..3_000,
        ) {
            let frame: Frame = levels.iter().map(|&(red, green, blue)| Rgb { red, green, blue }).collect();
            let driven = Drive { milliamperes, ..PLAIN }.apply(&frame);
            // What keeps a lamp from going dark is a 255th of its light.
            let glow = current(&vec![grey(1); frame.len()]);
            prop_assert!(current(&driven) <= u32::from(milliamperes) * 1_000 + glow);
            for (before, after) in frame.iter().zip(&driven) {
                prop_assert_eq!(before.red == 0, after.red == 0);
                prop_assert!(after.red <= before.red);
            }
        }
    }
}
