//! The panel's back ends, as the installer chose them: the only place that knows which there are.
//!
//! It opens and hands over; what fails later is the back end's own matter.

use std::path::Path;

use anyhow::Context;

use crate::config::door::DoorConfig;
use crate::config::panel::{GpioTable, PanelTable, WiringTable};
use crate::panel::gpio::Pins;
use crate::panel::gpio::chardev::Chardev;
use crate::panel::gpio::inputs::Inputs;
use crate::panel::gpio::relay::{self, GpioRelay};
use crate::panel::gpio::rppal::Rppal;
use crate::panel::page::{self, Page, PageSettings};
use crate::panel::{Lines, Relay, Strip};

use super::dark::Dark;

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
        PanelTable::Gpio(GpioTable::Chardev(table)) => Ok(open_lines(config, Chardev, table)),
        PanelTable::Gpio(GpioTable::Rppal(table)) => Ok(open_lines(config, Rppal, table)),
        PanelTable::Page(table) => {
            let settings = PageSettings {
                listen: table.listen,
                name: config.door.name.clone(),
                buttons: config.button.iter().map(|button| (button.id.clone(), button.label.clone())).collect(),
                leds: usize::from(config.light.leds),
            };
            let (page, lines, strip) = page::open(settings).await.context("the simulated panel")?;
            Ok(Panel { lines: Box::new(lines), strip: Box::new(strip), relay: None, page: Some(page) })
        }
    }
}

fn open_lines<P: Pins + Copy>(config: &DoorConfig, pins: P, table: &WiringTable<P::Name>) -> Panel {
    let wiring = table.wiring();
    let relay = wiring.relay.map(|line| -> Box<dyn Relay> { Box::new(GpioRelay::new(pins, line)) });
    let lines = Box::new(Inputs::new(pins, wiring.inputs));
    Panel { lines, strip: Box::new(Dark::new(config.light.leds)), relay, page: None }
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
