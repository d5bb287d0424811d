//! `[light]` and `[strip.…]`: how bright the ring is and when, and on which wire its LEDs are.
//!
//! It names devices and opens none.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use crate::panel::drive::Drive;
use crate::panel::light::Night;
use crate::panel::wiring::{Level, LineName, SpiName};

use super::document::Document;
use super::door::EmptyTable;
use super::door_rules::{check_path, check_range};
use super::panel::PanelTable;

/// `[light]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LightTable {
    /// How many LEDs the ring has.
    pub leds: u8,
    /// Percent.
    pub brightness: u8,
    /// When it is dimmed; never if left out.
    pub night: Option<NightTable>,
    /// The exponent between picture and light.
    pub gamma: f64,
    /// What all LEDs together may take.
    pub milliamperes: u16,
    /// Which LED of the strip is the top one, from 0.
    pub top: u8,
    /// Which way round the strip runs.
    pub clockwise: bool,
}

/// `night = { from = "22:00", until = "06:00", brightness = 10 }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NightTable {
    /// Local time.
    pub from: ClockTime,
    /// Local time.
    pub until: ClockTime,
    /// Percent.
    pub brightness: u8,
}

/// A time of the day, `"22:00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockTime {
    /// Since midnight.
    pub minutes: u16,
}

/// `[strip.…]`: exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StripTable {
    /// APA102 or SK9822.
    Apa102(Apa102Table),
    /// Plain LEDs on GPIO.
    Lamps(LampsTable),
    /// LEDs of the kernel's LED class.
    LedClass(LedClassTable),
    /// No light, or the page's.
    None(EmptyTable),
    /// WS2812 or SK6812.
    Ws2812(Ws2812Table),
}

/// `[strip.ws2812]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ws2812Table {
    /// The bus.
    pub spi: SpiTable,
    /// Which LEDs are in each package.
    #[serde(default)]
    pub colours: Colours,
}

/// `[strip.apa102]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Apa102Table {
    /// The bus.
    pub spi: SpiTable,
}

/// `spi = { spidev = "/dev/spidev0.0" }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpiTable {
    /// A bus of a Raspberry Pi, through rppal.
    Rppal(RppalSpiTable),
    /// A device of the kernel.
    Spidev(PathBuf),
}

/// `{ bus = 0, select = 0 }`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RppalSpiTable {
    /// 0 to 6.
    pub bus: u8,
    /// 0 to 2.
    pub select: u8,
}

/// `colours`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colours {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// And white.
    Rgbw,
}

/// `[strip.lamps]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LampsTable {
    /// One for each LED, clockwise from the top.
    pub lines: Vec<LineName>,
    /// The level that lights them.
    #[serde(default = "supply")]
    pub active: Level,
}

/// `[strip.led-class]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LedClassTable {
    /// Their names in `/sys/class/leds`, clockwise from the top.
    pub leds: Vec<String>,
}

impl LightTable {
    /// When the light is dimmed, and to what.
    #[must_use]
    pub fn night(&self) -> Option<Night> {
        let NightTable { from, until, brightness } = self.night.as_ref()?;
        Some(Night { from: from.minutes, until: until.minutes, brightness: *brightness })
    }

    /// How a strip is driven.
    #[must_use]
    pub const fn drive(&self) -> Drive {
        Drive { gamma: self.gamma, milliamperes: self.milliamperes, top: self.top, clockwise: self.clockwise }
    }
}

impl SpiTable {
    /// Where it is.
    #[must_use]
    pub fn name(&self) -> SpiName {
        match self {
            Self::Rppal(RppalSpiTable { bus, select }) => SpiName::Rppal { bus: *bus, select: *select },
            Self::Spidev(path) => SpiName::Spidev(path.clone()),
        }
    }
}

/// What the light must fulfil beyond its types.
pub(super) fn check(document: &mut Document<'_>, light: &LightTable, strip: &StripTable, panel: &PanelTable) {
    check_range(document, "light.leds", light.leds, 1, 64);
    check_range(document, "light.brightness", light.brightness, 1, 100);
    check_range(document, "light.milliamperes", light.milliamperes, 50, 5_000);
    if !(1.0..=3.0).contains(&light.gamma) {
        document.error("light.gamma", "a number from 1.0 to 3.0");
    }
    if light.top >= light.leds {
        document.error("light.top", format!("a whole number below light.leds, which is {}", light.leds));
    }
    if let Some(night) = &light.night {
        check_range(document, "light.night.brightness", night.brightness, 1, 100);
        if night.from == night.until {
            document.error("light.night.until", "another time than `from`");
        }
    }
    check_strip(document, strip, usize::from(light.leds));
    if matches!(panel, PanelTable::Page(_)) && !matches!(strip, StripTable::None(_)) {
        document.error_found("strip", "a strip beside [panel.page]", "no [strip.…]: the page has a ring of its own");
    }
}

fn check_strip(document: &mut Document<'_>, strip: &StripTable, leds: usize) {
    match strip {
        StripTable::Apa102(table) => check_spi(document, "strip.apa102.spi", &table.spi),
        StripTable::Ws2812(table) => check_spi(document, "strip.ws2812.spi", &table.spi),
        StripTable::Lamps(table) => check_names(document, "strip.lamps.lines", &table.lines, leds),
        StripTable::LedClass(table) => {
            check_names(document, "strip.led-class.leds", &table.leds, leds);
            for (index, name) in table.leds.iter().enumerate() {
                if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
                    document
                        .error(&format!("strip.led-class.leds[{index}]"), "the name of a folder in /sys/class/leds");
                }
            }
        }
        StripTable::None(EmptyTable {}) => {}
    }
}

fn check_spi(document: &mut Document<'_>, key: &str, spi: &SpiTable) {
    match spi {
        SpiTable::Rppal(RppalSpiTable { bus, select }) => {
            check_range(document, &format!("{key}.rppal.bus"), *bus, 0, 6);
            check_range(document, &format!("{key}.rppal.select"), *select, 0, 2);
        }
        SpiTable::Spidev(path) => check_path(document, &format!("{key}.spidev"), path),
    }
}

fn check_names<N: Ord + fmt::Display>(document: &mut Document<'_>, key: &str, names: &[N], leds: usize) {
    if names.len() != leds {
        let found = format!("{} of them", names.len());
        document.error_found(key, found, format!("as many as light.leds, which is {leds}"));
    }
    let mut taken = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        if !taken.insert(name) {
            document.error_found(&format!("{key}[{index}]"), format!("{name}, which is named twice"), "each once");
        }
    }
}

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = |part: &str, below: u16| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u16>().ok().filter(|number| digits && *number < below)
        };
        let parts = text.split_once(':').and_then(|(hours, rest)| Some((number(hours, 24)?, number(rest, 60)?)));
        let (hours, minutes) = parts.ok_or_else(|| {
            serde::de::Error::custom(format_args!("{text:?}; allowed are times of the day, \"00:00\" to \"23:59\""))
        })?;
        Ok(Self { minutes: hours * 60 + minutes })
    }
}

const fn supply() -> Level {
    Level::High
}

impl Default for LightTable {
    fn default() -> Self {
        Self { leds: 12, brightness: 60, night: None, gamma: 1.0, milliamperes: 500, top: 0, clockwise: true }
    }
}

impl Default for StripTable {
    fn default() -> Self {
        Self::None(EmptyTable {})
    }
}
