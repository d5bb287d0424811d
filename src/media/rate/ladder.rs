//! Size and frame rate that suit a bitrate: a small sharp picture says more than a large one made of blocks.

use serde::{Deserialize, Serialize};

/// What the encoder is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Kilobits per second.
    pub kilobits: u32,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Pictures per second.
    pub frame_rate: u8,
}

/// The steps, the best first: parts of the configured bitrate from which they are worth it, of width and height, of frame rate.
const STEPS: [Step; 5] = [
    Step { from: 50, quarters: 4, thirds: 3 },
    Step { from: 35, quarters: 3, thirds: 3 },
    Step { from: 22, quarters: 2, thirds: 3 },
    Step { from: 12, quarters: 2, thirds: 2 },
    LAST,
];
const LAST: Step = Step { from: 0, quarters: 1, thirds: 2 };
/// No picture is made narrower than this: nobody would be recognised.
const LEAST_WIDTH: u16 = 240;
/// Nor slower.
const LEAST_RATE: u8 = 5;

#[derive(Debug, Clone, Copy)]
struct Step {
    /// Percent of the ceiling.
    from: u32,
    /// Quarters of width and height.
    quarters: u16,
    /// Thirds of the frame rate.
    thirds: u8,
}

/// The steps of one door.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ladder {
    full: Shape,
    ceiling: u32,
}

impl Ladder {
    pub(super) const fn new(full: Shape, ceiling: u32) -> Self {
        Self { full, ceiling }
    }

    /// The shape for this bitrate. A step up is taken a little later than the same step down, or it would be taken to and fro.
    pub(super) fn shape(&self, kilobits: u32, before: Option<Shape>) -> Shape {
        let percent = |kilobits: u32| kilobits * 100 / self.ceiling.max(1);
        let now = STEPS.iter().find(|step| percent(kilobits) >= step.from).unwrap_or(&LAST);
        let made = self.made(*now, kilobits);
        match before {
            Some(before) if made.is_larger(before) => {
                let later = STEPS.iter().find(|step| percent(kilobits) * 10 >= step.from * 12).unwrap_or(&LAST);
                let later = self.made(*later, kilobits);
                if later.is_larger(before) { later } else { Shape { kilobits, ..before } }
            }
            Some(_) | None => made,
        }
    }

    fn made(&self, step: Step, kilobits: u32) -> Shape {
        let Shape { width, height, frame_rate, .. } = self.full;
        let least = (1..=4).find(|quarters| part(width, *quarters) >= LEAST_WIDTH).unwrap_or(4);
        let quarters = step.quarters.max(least);
        let slower = u8::try_from(u16::from(frame_rate) * u16::from(step.thirds) / 3).unwrap_or(frame_rate);
        Shape {
            kilobits,
            width: part(width, quarters),
            height: part(height, quarters),
            frame_rate: slower.max(LEAST_RATE.min(frame_rate)),
        }
    }
}

/// In even numbers: colour is stored for two pixels at a time.
fn part(pixels: u16, quarters: u16) -> u16 {
    if quarters == 4 { pixels } else { (pixels / 4 * quarters) & !1 }
}

impl Shape {
    fn is_larger(self, than: Self) -> bool {
        (self.width, self.frame_rate) != (than.width, than.frame_rate)
            && self.width >= than.width
            && self.frame_rate >= than.frame_rate
    }
}
