//! LEDs of the kernel's LED class (`/sys/class/leds`): those of a board, of an I²C expander, of a PWM, in one colour or many.

use std::fs;
use std::path::{Path, PathBuf};

use crate::panel::Rgb;
use crate::panel::fault::{Fault, FaultKind};

use super::Wire;

/// Where the kernel has them.
pub const CLASS: &str = "/sys/class/leds";

struct LedClass {
    leds: Vec<Led>,
}

struct Led {
    folder: PathBuf,
    full: u32,
    /// The colours in the order the kernel has them; nothing for a LED of one colour.
    colours: Vec<Colour>,
    shown: Option<Rgb>,
}

#[derive(Clone, Copy)]
enum Colour {
    Red,
    Green,
    Blue,
    /// One that a picture has no word for.
    Other,
}

/// Takes the LEDs of these names away from their triggers.
///
/// # Errors
/// Why one of them cannot be had now.
pub fn open(class: &Path, names: &[String]) -> Result<Box<dyn Wire>, Fault> {
    let leds = names.iter().map(|name| Led::open(&class.join(name))).collect::<Result<Vec<_>, Fault>>()?;
    Ok(Box::new(LedClass { leds }))
}

impl Wire for LedClass {
    fn write(&mut self, frame: &[Rgb]) -> Result<(), Fault> {
        self.leds.iter_mut().zip(frame).try_for_each(|(led, colour)| led.show(*colour))
    }
}

impl Led {
    fn open(folder: &Path) -> Result<Self, Fault> {
        let full = read(&folder.join("max_brightness"))?;
        let full = full.trim().parse().ok().filter(|full| *full > 0).ok_or_else(|| {
            let message = format!("{}: max_brightness is {:?}", folder.display(), full.trim());
            Fault::new(FaultKind::WrongFormat, message)
        })?;
        let trigger = folder.join("trigger");
        if trigger.exists() {
            write(&trigger, "none")?;
        }
        let index = folder.join("multi_index");
        let colours =
            if index.exists() { read(&index)?.split_whitespace().map(Colour::named).collect() } else { vec![] };
        Ok(Self { folder: folder.to_owned(), full, colours, shown: None })
    }

    fn show(&mut self, colour: Rgb) -> Result<(), Fault> {
        if self.shown == Some(colour) {
            return Ok(());
        }
        let brightest = colour.red.max(colour.green).max(colour.blue);
        let brightness = match self.colours.is_empty() || brightest == 0 {
            true => self.scale(brightest),
            false => self.full,
        };
        if !self.colours.is_empty() {
            let levels: Vec<String> =
                self.colours.iter().map(|part| self.scale(part.level(colour)).to_string()).collect();
            write(&self.folder.join("multi_intensity"), &levels.join(" "))?;
        }
        write(&self.folder.join("brightness"), &brightness.to_string())?;
        self.shown = Some(colour);
        Ok(())
    }

    /// What glows at all still glows.
    fn scale(&self, level: u8) -> u32 {
        let scaled = (u64::from(level) * u64::from(self.full)).div_ceil(255);
        u32::try_from(scaled).unwrap_or(self.full)
    }
}

impl Colour {
    fn named(name: &str) -> Self {
        match name {
            "red" => Self::Red,
            "green" => Self::Green,
            "blue" => Self::Blue,
            _other => Self::Other,
        }
    }

    fn level(self, colour: Rgb) -> u8 {
        match self {
            Self::Red => colour.red,
            Self::Green => colour.green,
            Self::Blue => colour.blue,
            Self::Other => 0,
        }
    }
}

fn read(path: &Path) -> Result<String, Fault> {
    fs::read_to_string(path).map_err(|error| Fault::of_io(&path.display().to_string(), &error))
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    fs::write(path, text).map_err(|error| Fault::of_io(&path.display().to_string(), &error))
}
