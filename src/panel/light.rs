//! What the visitor sees: the ring of LEDs, drawn from the picture of the station.
//!
//! Pure: time is an argument, and a frame is due only when it differs from the one that is shown. Colour helps (amber calls,
//! green is answered, as in EN 81-28), but nothing is told by colour alone: every phase, outcome and fact has its own shape
//! and rhythm. No LED flashes more than three times in a second (WCAG 2.3.1, photosensitivity).
//!
//! ```text
//!            0           0: the camera is in use (white, steady, in every phase)
//!       11       1
//!    10            2     all but 0 and 6, the stage: the phase of the call
//!    9             3
//!     8           4      5 and 7 by turns: another button's press waits
//!        7  6  5         6: trouble: link down (on), a button stuck (two blinks), a device at fault (three blinks), both
//!                           (two, then three); with the link down the blinks are gaps;
//!                           tamper: a long blink after them
//! ```
//! The microphone has no LED of its own: it is open only in connecting and ongoing, which nobody can mistake.

#![deny(clippy::disallowed_methods)]

mod beacon;
mod scene;

use std::time::Duration;

use crate::call::indication::{Indication, LinkFact, Phase};
use crate::moment::Moment;
use crate::panel::{Frame, Rgb};

use scene::{RED, Stage, WHITE};

/// Frames are drawn on multiples of this: 25 pictures a second.
const TICK: Duration = Duration::from_millis(40);
/// No pattern keeps still for longer and then moves again.
const LONGEST_STILL: u32 = 75;
/// From one blink of acknowledgement or refusal to the next.
const BLINK_REST: Duration = Duration::from_millis(1200);

/// What the light waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A frame that differs from the one shown.
    Frame,
}

/// When the light is dimmed for the neighbours' sleep. Minutes since midnight, local time; `until` may lie on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    /// From here on.
    pub from: u16,
    /// Up to here.
    pub until: u16,
    /// Percent.
    pub brightness: u8,
}

impl Night {
    /// Whether this minute of the day belongs to it.
    #[must_use]
    pub const fn covers(&self, minute: u16) -> bool {
        if self.from <= self.until {
            self.from <= minute && minute < self.until
        } else {
            self.from <= minute || minute < self.until
        }
    }
}

/// The ring of LEDs.
#[derive(Debug, Clone)]
pub struct Light {
    leds: usize,
    /// Percent.
    brightness: u16,
    /// The newest time seen.
    now: Moment,
    shown: Option<Shown>,
    blink: Option<Blink>,
    /// A blink that was asked for while another one, or the rest after it, went on.
    waiting: Option<BlinkKind>,
    last: Option<Frame>,
    next: Option<Moment>,
}

impl Light {
    /// A ring of this many LEDs; fewer than eight tell it by rhythm. Nothing is shown yet.
    #[must_use]
    pub fn new(leds: usize) -> Self {
        Self {
            leds: leds.max(1),
            brightness: 100,
            now: Moment::START,
            shown: None,
            blink: None,
            waiting: None,
            last: None,
            next: None,
        }
    }

    /// The same ring at this many percent of its light.
    #[must_use]
    pub fn with_brightness(self, percent: u8) -> Self {
        Self { brightness: u16::from(percent.clamp(1, 100)), ..self }
    }

    /// From now on at this many percent.
    pub fn dim_to(&mut self, now: Moment, percent: u8) {
        self.turn(now);
        self.brightness = u16::from(percent.clamp(1, 100));
        self.plan();
    }

    /// This is how things stand. A phase that goes on keeps its rhythm.
    pub fn show(&mut self, now: Moment, indication: &Indication) {
        self.turn(now);
        let shown = self.shown.take();
        if let Some(before) = &shown {
            self.ask_for_blinks(&before.indication, indication);
        }
        let since = match shown {
            Some(before) if same_scene(&before.indication.phase, &indication.phase) => before.since,
            Some(_) | None => floor(self.now),
        };
        self.shown = Some(Shown { indication: indication.clone(), since });
        self.turn(now);
        self.plan();
    }

    /// The frame for now.
    #[must_use]
    pub fn frame(&mut self, now: Moment) -> Frame {
        self.turn(now);
        let frame = self.draw(floor(self.now));
        self.last = Some(frame.clone());
        self.plan();
        frame
    }

    /// When the next frame is due that differs from the last one. A picture that stands still is never due.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<(Moment, Timer)> {
        match self.next {
            Some(next) => Some((next, Timer::Frame)),
            None => None,
        }
    }

    fn turn(&mut self, now: Moment) {
        self.now = self.now.max(now);
        if self.blink.as_ref().is_some_and(|blink| self.now.since(blink.since) >= BLINK_REST) {
            self.blink = None;
        }
        if self.blink.is_none() {
            self.blink = self.waiting.take().map(|kind| Blink { kind, since: floor(self.now) });
        }
    }

    /// Refusal is the more important word.
    fn ask_for_blinks(&mut self, before: &Indication, after: &Indication) {
        if before.refusals != after.refusals {
            self.waiting = Some(BlinkKind::Refused);
        } else if before.acknowledgements != after.acknowledgements && self.waiting.is_none() {
            self.waiting = Some(BlinkKind::Acknowledged);
        }
    }

    fn plan(&mut self) {
        let last = self.last.clone();
        let here = floor(self.now);
        if last.as_ref() != Some(&self.draw(here)) {
            self.next = Some(self.now);
            return;
        }
        let blink_over = match (&self.blink, self.waiting) {
            (Some(blink), Some(_)) => Some(blink.since + BLINK_REST),
            (Some(_) | None, None) | (None, Some(_)) => None,
        };
        let change =
            (1..=LONGEST_STILL).map(|ticks| here + TICK * ticks).find(|at| last.as_ref() != Some(&self.draw(*at)));
        self.next = change.into_iter().chain(blink_over).min();
    }

    fn draw(&self, at: Moment) -> Frame {
        let mut frame = vec![Rgb::default(); self.leds];
        let Some(shown) = &self.shown else { return frame };
        if self.leds < beacon::RING {
            return self.draw_beacon(shown, at);
        }
        let mut stage = Stage::new(self.leds);
        if shown.indication.door_released {
            scene::draw_released(&mut stage, at.since(Moment::START));
        } else {
            scene::draw(&mut stage, &shown.indication.phase, at.since(shown.since));
        }
        if let Some(blink) = &self.blink {
            scene::draw_blink(&mut stage, blink.kind, at.since(blink.since));
        }
        if shown.indication.press_waiting.is_some() {
            scene::draw_waiting(&mut stage, at.since(Moment::START));
        }
        stage.place(&mut frame);
        if shown.indication.camera_in_use {
            frame[0] = WHITE.at(255);
        }
        if trouble(&shown.indication, at) {
            frame[self.leds / 2] = RED.at(160);
        }
        for led in &mut frame {
            *led = self.dim(*led);
        }
        frame
    }

    fn draw_beacon(&self, shown: &Shown, at: Moment) -> Frame {
        let mut frame = beacon::draw(self.leds, &shown.indication, at.since(shown.since), at);
        if let Some(blink) = &self.blink {
            beacon::draw_blink(&mut frame, blink.kind, at.since(blink.since));
        }
        frame.into_iter().map(|led| self.dim(led)).collect()
    }

    /// What glows at all still glows at the lowest brightness.
    fn dim(&self, led: Rgb) -> Rgb {
        let scale = |level: u8| u8::try_from((u16::from(level) * self.brightness).div_ceil(100)).unwrap_or(u8::MAX);
        Rgb { red: scale(led.red), green: scale(led.green), blue: scale(led.blue) }
    }
}

#[derive(Debug, Clone)]
struct Shown {
    indication: Indication,
    since: Moment,
}

#[derive(Debug, Clone)]
struct Blink {
    kind: BlinkKind,
    since: Moment,
}

/// A short word in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlinkKind {
    /// Understood, and nothing changes.
    Acknowledged,
    /// No.
    Refused,
}

/// Whether the LED of trouble is on: two groups of blinks, each in ten steps of a quarter of a second.
fn trouble(indication: &Indication, at: Moment) -> bool {
    let step = at.since(Moment::START).as_millis() / 240 % 20;
    let (group, step) = (step / 10, step % 10);
    let long = indication.tampered && matches!(step, 6..=8);
    let blink = match (indication.button_stuck, indication.at_fault) {
        (false, false) => false,
        (true, false) => matches!(step, 0 | 2),
        (false, true) => matches!(step, 0 | 2 | 4),
        (true, true) => matches!(step, 0 | 2) || (group == 1 && step == 4),
    };
    match indication.link {
        LinkFact::Up => blink || long,
        LinkFact::Down => !(blink || long),
    }
}

/// Ringing at one more phone goes on in the rhythm of the ringing.
fn same_scene(before: &Phase, after: &Phase) -> bool {
    match (before, after) {
        (Phase::Ringing { .. }, Phase::Ringing { .. }) => true,
        (
            Phase::Idle
            | Phase::Dialing
            | Phase::Ringing { .. }
            | Phase::Incoming
            | Phase::Connecting
            | Phase::Ongoing
            | Phase::Ending
            | Phase::Outcome(_),
            after,
        ) => before == after,
    }
}

/// The tick at or before.
fn floor(at: Moment) -> Moment {
    let tick = u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX);
    Moment::from_nanos(at.as_nanos() / tick * tick)
}

#[cfg(test)]
mod tests;
