//! How bright the light is by the clock on the wall, looked at once a minute.

use std::time::Duration;

use crate::clock;
use crate::config::light::LightTable;
use crate::moment::Moment;
use crate::panel::light::Night;

const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Dims the light at night.
#[derive(Debug)]
pub(super) struct Dimmer {
    day: u8,
    night: Option<Night>,
    shown: Option<u8>,
    due: Option<Moment>,
}

impl Dimmer {
    /// For this light. Lamps that are on or off are never dimmed.
    pub(super) fn new(light: &LightTable, is_dimmable: bool) -> Self {
        let (day, night) = if is_dimmable { (light.brightness, light.night()) } else { (100, None) };
        Self { day, night, shown: None, due: Some(Moment::START) }
    }

    /// When it must be looked at again: never, where the night is as the day.
    pub(super) const fn due(&self) -> Option<Moment> {
        self.due
    }

    /// The light's percent, where it changed.
    pub(super) fn look(&mut self, now: Moment) -> Option<u8> {
        if self.due.is_none_or(|due| now < due) {
            return None;
        }
        self.due = self.night.map(|_| now + LOOK_EVERY);
        // A clock that is not set yet leaves it day: rather too bright than not seen.
        let night = self.night.filter(|night| clock::minute_of_day().is_some_and(|minute| night.covers(minute)));
        let percent = night.map_or(self.day, |night| night.brightness);
        (self.shown.replace(percent) != Some(percent)).then_some(percent)
    }
}
