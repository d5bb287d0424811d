//! The shapes and rhythms of the light, each told by which LEDs are lit and when, with a colour on top.
//!
//! Nothing here remembers anything: a scene is drawn from how long it has been shown.

use std::time::Duration;

use crate::call::indication::{Outcome, Phase};
use crate::panel::{Frame, Rgb};

use super::BlinkKind;

/// A colour at full light.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tint(u8, u8, u8);

pub(super) const AMBER: Tint = Tint(255, 140, 0);
pub(super) const BLUE: Tint = Tint(40, 120, 255);
pub(super) const GREEN: Tint = Tint(30, 255, 60);
pub(super) const RED: Tint = Tint(255, 40, 20);
pub(super) const WHITE: Tint = Tint(255, 235, 200);

impl Tint {
    /// The colour at this light.
    pub(super) fn at(self, level: u8) -> Rgb {
        let scale = |part: u8| u8::try_from((u16::from(part) * u16::from(level)).div_ceil(255)).unwrap_or(u8::MAX);
        Rgb { red: scale(self.0), green: scale(self.1), blue: scale(self.2) }
    }
}

/// Full light, half, a background, and a glow by which the button is found in the dark.
const BRIGHT: u8 = 255;
const HALF: u8 = 110;
const DIM: u8 = 28;
const GLOW: u8 = 6;

/// All LEDs but the top and the bottom one, clockwise from the top: the right arc downwards, then the left arc upwards.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    lamps: Vec<Rgb>,
    /// How many of them are on the right.
    right: usize,
}

impl Stage {
    /// A dark stage in a ring of this many LEDs.
    pub(super) fn new(leds: usize) -> Self {
        Self { lamps: vec![Rgb::default(); leds - 2], right: leds / 2 - 1 }
    }

    /// Puts it between the top and the bottom LED.
    pub(super) fn place(&self, frame: &mut Frame) {
        for (index, lamp) in self.lamps.iter().enumerate() {
            let led = if index < self.right { index + 1 } else { index + 2 };
            frame[led] = *lamp;
        }
    }

    fn count(&self) -> usize {
        self.lamps.len()
    }

    fn fill(&mut self, light: Rgb) {
        self.lamps.fill(light);
    }

    fn set(&mut self, index: usize, light: Rgb) {
        let count = self.count();
        self.lamps[index % count] = light;
    }

    /// How far up an LED is, 0 at the bottom: the same left and right.
    fn height(&self, index: usize) -> usize {
        if index < self.right { self.right - 1 - index } else { index - self.right }
    }

    fn is_right(&self, index: usize) -> bool {
        index < self.right
    }

    /// Lights those that are chosen.
    fn light(&mut self, light: Rgb, chosen: impl Fn(&Self, usize) -> bool) {
        for index in 0..self.count() {
            if chosen(self, index) {
                self.lamps[index] = light;
            }
        }
    }
}

/// The phase of the call.
pub(super) fn draw(stage: &mut Stage, phase: &Phase, elapsed: Duration) {
    match phase {
        Phase::Idle => stage.fill(WHITE.at(GLOW)),
        Phase::Dialing => draw_runner(stage, elapsed),
        Phase::Ringing { delivered, notified, looking } => {
            draw_ringing(stage, *delivered, *notified, elapsed);
            if *looking > 0 {
                draw_eyes(stage);
            }
        }
        Phase::Incoming => {
            let filled = steps(elapsed, 1200, stage.right + 2);
            stage.light(BLUE.at(BRIGHT), |stage, index| stage.height(index) < filled);
        }
        Phase::Connecting => {
            let place = steps(elapsed, 1600, stage.count());
            stage.set(place, GREEN.at(BRIGHT));
            stage.set(place + stage.count() / 2, GREEN.at(BRIGHT));
        }
        Phase::Ongoing => stage.fill(GREEN.at(HALF)),
        Phase::Ending => {
            let drained = steps(elapsed, 1200, stage.right + 2);
            stage.light(GREEN.at(HALF), |stage, index| stage.height(index) + drained < stage.right);
        }
        Phase::Outcome(outcome) => draw_outcome(stage, *outcome, elapsed),
    }
}

/// A word in between: every second LED for yes, a cross twice for no.
pub(super) fn draw_blink(stage: &mut Stage, kind: BlinkKind, elapsed: Duration) {
    let step = elapsed.as_millis() / 160;
    match kind {
        BlinkKind::Acknowledged => match step {
            0 | 3 => stage.fill(Rgb::default()),
            1 | 2 => {
                stage.fill(Rgb::default());
                stage.light(WHITE.at(BRIGHT), |_, index| index % 2 == 0);
            }
            _over => {}
        },
        BlinkKind::Refused => match step {
            0 | 3 => stage.fill(Rgb::default()),
            1 | 2 | 4 | 5 => {
                stage.fill(Rgb::default());
                draw_cross(stage, BRIGHT);
            }
            _over => {}
        },
    }
}

/// The door can be opened: every third LED, against the clock, whatever the call does.
pub(super) fn draw_released(stage: &mut Stage, elapsed: Duration) {
    let turned = steps(elapsed, 1080, 3);
    stage.fill(GREEN.at(DIM));
    stage.light(GREEN.at(BRIGHT), |_, index| (index + turned).is_multiple_of(3));
}

/// The two LEDs beside the bottom, by turns.
pub(super) fn draw_waiting(stage: &mut Stage, elapsed: Duration) {
    let left = (elapsed.as_millis() / 600).is_multiple_of(2);
    let (on, off) = (AMBER.at(BRIGHT), Rgb::default());
    stage.set(stage.right - 1, if left { off } else { on });
    stage.set(stage.right, if left { on } else { off });
}

/// One LED with a short tail runs clockwise: on its way.
fn draw_runner(stage: &mut Stage, elapsed: Duration) {
    let place = steps(elapsed, 1200, stage.count()) + stage.count();
    stage.set(place - 1, AMBER.at(DIM));
    stage.set(place, AMBER.at(BRIGHT));
}

/// From the lower left clockwise, past the two LEDs of a waiting press, one LED for each phone: those that ring blink twice like a bell, those that were only sent a
/// push blink once. Where nothing was reached yet, a gap runs round the other way.
fn draw_ringing(stage: &mut Stage, delivered: u32, notified: u32, elapsed: Duration) {
    stage.fill(AMBER.at(DIM));
    let room = stage.count() - 2;
    let rings = usize::try_from(delivered).unwrap_or(room).min(room);
    let sent = usize::try_from(notified).unwrap_or(room).min(room - rings);
    if rings + sent == 0 {
        let place = stage.count() - 1 - steps(elapsed, 2400, stage.count());
        stage.set(place, Rgb::default());
        return;
    }
    let step = elapsed.as_millis() / 240 % 8;
    let (twice, once) = (matches!(step, 0 | 2), step == 0);
    for place in 0..rings + sent {
        let on = if place < rings { twice } else { once };
        let level = match (place < rings, on) {
            (true, true) => BRIGHT,
            (false, true) => HALF,
            (true | false, false) => 0,
        };
        stage.set(stage.right + 1 + place, AMBER.at(level));
    }
}

/// Two steady LEDs beside the camera: somebody looks.
fn draw_eyes(stage: &mut Stage) {
    stage.set(0, WHITE.at(BRIGHT));
    stage.set(stage.count() - 1, WHITE.at(BRIGHT));
}

fn draw_outcome(stage: &mut Stage, outcome: Outcome, elapsed: Duration) {
    let half_seconds = elapsed.as_millis() / 480;
    match outcome {
        // The rhythm of the busy tone.
        Outcome::Busy if half_seconds.is_multiple_of(2) => stage.fill(AMBER.at(BRIGHT)),
        Outcome::Busy => {}
        // Taken back: wiped out against the clock.
        Outcome::Cancelled => {
            let left = stage.count() + 2 - steps(elapsed, 1200, stage.count() + 3);
            stage.light(AMBER.at(HALF), |_, index| index < left);
        }
        // The top, at rest.
        Outcome::Ended => stage.light(GREEN.at(HALF), |stage, index| stage.height(index) > stage.right / 2),
        // Three beats and a rest.
        Outcome::Failed if matches!(elapsed.as_millis() / 280 % 8, 0 | 2 | 4) => stage.fill(RED.at(BRIGHT)),
        Outcome::Failed => {}
        // Torn in two.
        Outcome::MediaLost => {
            let right = half_seconds.is_multiple_of(2);
            stage.light(RED.at(BRIGHT), |stage, index| stage.is_right(index) == right);
        }
        // A cross with short gaps.
        Outcome::Rejected if half_seconds % 4 < 3 => draw_cross(stage, BRIGHT),
        Outcome::Rejected => {}
        // An empty bowl, slowly.
        Outcome::Unanswered if half_seconds % 4 < 2 => {
            stage.light(AMBER.at(HALF), |stage, index| stage.height(index) <= stage.right / 2);
        }
        Outcome::Unanswered => {}
    }
}

/// The four LEDs on the diagonals.
fn draw_cross(stage: &mut Stage, level: u8) {
    let (right, quarter) = (stage.right, stage.right / 4);
    for place in [quarter, right - 1 - quarter, right + quarter, 2 * right - 1 - quarter] {
        stage.set(place, RED.at(level));
    }
}

/// Which of `count` equal parts of the period this is.
fn steps(elapsed: Duration, period_millis: u128, count: usize) -> usize {
    let part = elapsed.as_millis() % period_millis;
    let count = u128::try_from(count).unwrap_or(1);
    usize::try_from(part * count / period_millis).unwrap_or(0)
}
