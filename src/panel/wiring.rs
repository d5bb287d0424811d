//! What is wired to which line: names of lines, levels, bias. Pure words, used by the configuration and by every back end.
//!
//! `L` is how a back end names its lines. Nothing here opens one.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::Error as _;

use crate::panel::Input;

/// Everything that is wired to the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiring<L> {
    /// What comes in.
    pub inputs: Vec<(Input, InputLine<L>)>,
    /// The door release, if there is one.
    pub relay: Option<RelayLine<L>>,
}

/// A line that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputLine<L> {
    /// Which one.
    pub line: L,
    /// The level that counts.
    pub active: Level,
    /// The resistor that gives the other level.
    pub bias: Bias,
}

/// The line of the relay. Its safe level is the one without current, whatever the lock makes of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayLine<L> {
    /// Which one.
    pub line: L,
    /// The level that energises the coil.
    pub active: Level,
}

/// Of two levels, one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Supply voltage.
    High,
    /// Ground.
    Low,
}

/// The resistor inside the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// As the chip was set up by somebody else.
    AsIs,
    /// None.
    Disabled,
    /// To ground.
    PullDown,
    /// To the supply.
    PullUp,
}

impl Bias {
    /// The one that keeps a line inactive while nothing is pressed.
    #[must_use]
    pub const fn against(active: Level) -> Self {
        match active {
            Level::High => Self::PullDown,
            Level::Low => Self::PullUp,
        }
    }
}

/// A line of the kernel's character device: `gpiochip0:17`, `/dev/gpiochip0:17`, `pinctrl-rp1:17` (the chip's label), or the
/// name that the board's device tree gives it, such as `GPIO17`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineName {
    /// By chip and number.
    Offset {
        /// The chip's device, or its label: on a Pi 5 the header's chip has another number with another kernel.
        chip: String,
        /// Counted from 0.
        offset: u32,
    },
    /// By name, on whichever chip.
    Named(String),
}

/// What cannot be the name of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}; allowed are a line by chip and number, such as \"gpiochip0:17\", or by its name, such as \"GPIO17\"")]
pub struct NoLineName(String);

impl FromStr for LineName {
    type Err = NoLineName;

    fn from_str(text: &str) -> Result<Self, NoLineName> {
        let fault = || NoLineName(text.to_owned());
        // The kernel keeps 31 bytes of a name; a path may be longer.
        let legal = !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if !legal || text.trim() != text {
            return Err(fault());
        }
        match text.rsplit_once(':') {
            Some((chip, offset)) if !chip.is_empty() => {
                let offset = offset.parse().map_err(|_| fault())?;
                Ok(Self::Offset { chip: chip.to_owned(), offset })
            }
            Some(_) => Err(fault()),
            None if text.starts_with('/') || text.bytes().all(|byte| byte.is_ascii_digit()) => Err(fault()),
            None => Ok(Self::Named(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for LineName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for LineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset { chip, offset } => write!(f, "{chip}:{offset}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Where LEDs are shifted out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpiName {
    /// A device of the kernel's spidev.
    Spidev(PathBuf),
    /// A bus of a Raspberry Pi, through rppal.
    Rppal {
        /// 0 to 6.
        bus: u8,
        /// 0 to 2.
        select: u8,
    },
}

impl fmt::Display for SpiName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spidev(path) => write!(f, "{}", path.display()),
            Self::Rppal { bus, select } => write!(f, "SPI {bus}.{select}"),
        }
    }
}

/// Which LEDs are shifted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpiLeds {
    /// APA102 or SK9822: data and clock.
    Apa102,
    /// SK6812 with a white LED beside the coloured ones: data alone.
    Sk6812Rgbw,
    /// WS2812 or SK6812: data alone.
    Ws2812,
}

/// A line of a Raspberry Pi, as Broadcom numbers them: `17` is pin 11 of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct BcmNumber(pub u8);

impl fmt::Display for BcmNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BCM {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_named_by_chip_and_number_or_by_name() {
        let offset = |chip: &str, offset| Ok(LineName::Offset { chip: chip.to_owned(), offset });
        assert_eq!("gpiochip0:17".parse(), offset("gpiochip0", 17));
        assert_eq!("/dev/gpiochip4:0".parse(), offset("/dev/gpiochip4", 0));
        assert_eq!("pinctrl-rp1:17".parse(), offset("pinctrl-rp1", 17));
        assert_eq!("GPIO17".parse(), Ok(LineName::Named("GPIO17".to_owned())));
        for wrong in ["", "17", ":17", "gpiochip0:", "gpiochip0:x", "/dev/gpiochip0", " GPIO17", "a\nb", "a:-1"] {
            assert!(wrong.parse::<LineName>().is_err(), "{wrong:?}");
        }
        for text in ["gpiochip0:17", "GPIO17"] {
            assert_eq!(text.parse::<LineName>().expect("it is well formed").to_string(), text);
        }
    }
}
