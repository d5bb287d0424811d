//! The panel's back ends, as the installer chose them: the only place that knows which there are.
//!
//! It opens and hands over; what fails later is the back end's own matter.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::config::door::DoorConfig;
use crate::config::light::{
    Apa102Table, Colours, LampsTable, LedClassTable, LightTable, SpiTable, StripTable, Ws2812Table,
};
use crate::config::panel::{GpioTable, PanelTable, WiringTable};
use crate::panel::drive::Drive;
use crate::panel::fault::{Fault, FaultKind};
use crate::panel::gpio::Pins;
use crate::panel::gpio::chardev::Chardev;
use crate::panel::gpio::inputs::Inputs;
use crate::panel::gpio::relay::{self, GpioRelay};
use crate::panel::gpio::rppal::Rppal;
use crate::panel::page::{self, Page, PageSettings};
use crate::panel::strip::{Opener, WiredStrip, lamps, led_class, spi};
use crate::panel::wiring::SpiLeds;
use crate::panel::{Lines, Relay, Rgb, Strip};

use super::dark::Dark;

/// Of a light that is out of order.
const FLASH: Duration = Duration::from_millis(100);
/// The same as the LEDs of the kernel's LED class (systemd/degraded).
const BETWEEN_FLASHES: Duration = Duration::from_millis(900);

/// The panel's back ends.
pub(super) struct Panel {
    /// Buttons and contacts.
    pub(super) lines: Box<dyn Lines>,
    /// The ring of LEDs.
    pub(super) strip: Box<dyn Strip>,
    /// The door release, if there is one. It is safe already.
    pub(super) relay: Option<Box<dyn Relay>>,
    /// Where the panel is simulated.
    pub(super) page: Option<Page>,
}

/// Opens the panel, the relay before anything else. Lines that cannot be had now are tried again later.
pub(super) async fn open(config: &DoorConfig) -> anyhow::Result<Panel> {
    match &config.panel {
        PanelTable::Gpio(GpioTable::Chardev(table)) => open_lines(config, Chardev, table),
        PanelTable::Gpio(GpioTable::Rppal(table)) => open_lines(config, Rppal, table),
        PanelTable::Page(table) => {
            let settings = PageSettings {
                listen: table.listen,
                name: config.door.name.clone(),
                buttons: config.button.iter().map(|button| (button.id.clone(), button.label.clone())).collect(),
                leds: usize::from(config.light.leds),
            };
            let (page, lines, strip) = page::open(settings).await.context("the simulated panel")?;
            let relay = Box::new(page.relay());
            Ok(Panel { lines: Box::new(lines), strip: Box::new(strip), relay: Some(relay), page: Some(page) })
        }
    }
}

fn open_lines<P: Pins + Copy>(config: &DoorConfig, pins: P, table: &WiringTable<P::Name>) -> anyhow::Result<Panel> {
    let wiring = table.wiring();
    let relay = wiring.relay.map(|line| -> Box<dyn Relay> { Box::new(GpioRelay::new(pins, line)) });
    let lines = Box::new(Inputs::new(pins, wiring.inputs));
    Ok(Panel {
        lines,
        strip: open_strip(&config.light, &config.strip).context("the light's thread")?,
        relay,
        page: None,
    })
}

fn open_strip(light: &LightTable, strip: &StripTable) -> std::io::Result<Box<dyn Strip>> {
    let leds = usize::from(light.leds);
    let (opener, drive) = match strip {
        StripTable::None(_) => return Ok(Box::new(Dark::new(light.leds))),
        wired => (strip_opener(wired), strip_drive(wired, light)),
    };
    Ok(Box::new(WiredStrip::start(leds, drive, opener)?))
}

/// What opens the strip, as often as it is lost.
pub(super) fn strip_opener(strip: &StripTable) -> Opener {
    match strip {
        StripTable::Apa102(Apa102Table { spi }) => spi_opener(spi, SpiLeds::Apa102),
        StripTable::LedClass(LedClassTable { leds }) => {
            let leds = leds.clone();
            Box::new(move || led_class::open(Path::new(led_class::CLASS), &leds))
        }
        StripTable::Lamps(LampsTable { lines, active }) => {
            let (lines, active) = (lines.clone(), *active);
            Box::new(move || lamps::open(&mut Chardev, &lines, active))
        }
        StripTable::None(_) => Box::new(|| Err(Fault::new(FaultKind::Missing, "there is no strip"))),
        StripTable::Ws2812(Ws2812Table { spi, colours }) => spi_opener(
            spi,
            match colours {
                Colours::Rgb => SpiLeds::Ws2812,
                Colours::Rgbw => SpiLeds::Sk6812Rgbw,
            },
        ),
    }
}

fn spi_opener(table: &SpiTable, leds: SpiLeds) -> Opener {
    let name = table.name();
    Box::new(move || spi::open(&name, leds))
}

/// Lamps are on or off, and a strip's current limit is not theirs.
fn strip_drive(strip: &StripTable, light: &LightTable) -> Option<Drive> {
    match strip {
        StripTable::Apa102(_) | StripTable::Ws2812(_) => Some(light.drive()),
        // Its LEDs have their own drivers, with limits of their own, and the order they are named in.
        StripTable::LedClass(_) => Some(Drive { gamma: light.gamma, milliamperes: u16::MAX, top: 0, clockwise: true }),
        StripTable::Lamps(_) | StripTable::None(_) => None,
    }
}

/// Puts the relay of a daemon that died back to its safe level. Whatever else is wrong with the file is no reason not to.
///
/// # Errors
/// The file does not tell which line it is, or the line cannot be had.
pub fn relay_safe(path: &Path) -> anyhow::Result<()> {
    match DoorConfig::load_panel(path)? {
        PanelTable::Gpio(GpioTable::Chardev(table)) => make_safe(Chardev, &table),
        PanelTable::Gpio(GpioTable::Rppal(table)) => make_safe(Rppal, &table),
        PanelTable::Page(_) => Ok(()),
    }
}

fn make_safe<P: Pins>(pins: P, table: &WiringTable<P::Name>) -> anyhow::Result<()> {
    let Some(line) = table.wiring().relay else { return Ok(()) };
    relay::make_safe(pins, &line).with_context(|| format!("the relay on {}", line.line))
}

/// Blinks the light of a station that is out of order, until it is told to stop: the whole of it, a short flash each second,
/// which no call has. Whatever else is wrong with the file is no reason not to.
///
/// # Errors
/// The file does not tell what light there is.
pub async fn out_of_order(path: &Path, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (light, table) = DoorConfig::load_light(path)?;
    if let StripTable::None(_) = table {
        return Ok(());
    }
    let mut strip = open_strip(&light, &table).context("the light's thread")?;
    let leds = usize::from(light.leds);
    let red = u8::try_from(u16::from(light.brightness) * 255 / 100).unwrap_or(u8::MAX);
    let (bright, dark) = (vec![Rgb { red, green: 0, blue: 0 }; leds], vec![Rgb::default(); leds]);
    tokio::pin!(stop);
    loop {
        for (frame, lasting) in [(&bright, FLASH), (&dark, BETWEEN_FLASHES)] {
            strip.show(frame)?;
            tokio::select! {
                () = tokio::time::sleep(lasting) => {}
                () = &mut stop => return Ok(()),
            }
        }
    }
}
