//! `[panel.…]`: which lines the buttons, the contacts and the relay are wired to.
//!
//! It names lines and opens none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use serde::Deserialize;

use crate::ids::ButtonId;
use crate::panel::Input;
use crate::panel::wiring::{BcmNumber, Bias, InputLine, Level, LineName, RelayLine, Wiring};

use super::document::Document;
use super::door::ButtonTable;

/// The highest line of any Raspberry Pi (those of the header end at 27).
const HIGHEST_BCM: u8 = 53;

/// `[panel.…]`: exactly one back end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PanelTable {
    /// Real lines.
    Gpio(GpioTable),
    /// A web page that stands for buttons and LEDs.
    Page(PagePanelTable),
}

/// `[panel.gpio.…]`: exactly one back end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpioTable {
    /// The kernel's character device, on any board.
    Chardev(WiringTable<LineName>),
    /// rppal, on a Raspberry Pi.
    Rppal(WiringTable<BcmNumber>),
}

/// `[panel.gpio.chardev]`, `[panel.gpio.rppal]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", bound = "L: Deserialize<'de>")]
pub struct WiringTable<L> {
    /// The line of each button, by its id.
    #[serde(default = "BTreeMap::new")]
    pub button: BTreeMap<ButtonId, InputTable<L>>,
    /// The contact in the door's frame.
    pub door_contact: Option<InputTable<L>>,
    /// The button at the inside of the door.
    pub request_to_exit: Option<InputTable<L>>,
    /// The contact of the enclosure.
    pub tamper: Option<InputTable<L>>,
    /// The door release.
    pub relay: Option<RelayTable<L>>,
}

/// `{ line = "…" }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", bound = "L: Deserialize<'de>")]
pub struct InputTable<L> {
    /// Which line.
    pub line: L,
    /// The level that counts.
    #[serde(default = "ground")]
    pub active: Level,
    /// The resistor inside the chip; the one against `active` if left out.
    pub bias: Option<Bias>,
}

/// `[panel.gpio.….relay]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", bound = "L: Deserialize<'de>")]
pub struct RelayTable<L> {
    /// Which line.
    pub line: L,
    /// The level that energises the coil.
    #[serde(default = "supply")]
    pub active: Level,
}

/// `[panel.page]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PagePanelTable {
    /// Loopback only: whoever reaches it can press the buttons.
    pub listen: SocketAddr,
}

impl PanelTable {
    /// Whether there is a contact in the door's frame.
    #[must_use]
    pub const fn has_door_contact(&self) -> bool {
        match self {
            Self::Gpio(GpioTable::Chardev(table)) => table.door_contact.is_some(),
            Self::Gpio(GpioTable::Rppal(table)) => table.door_contact.is_some(),
            Self::Page(_) => true,
        }
    }
}

impl<L> WiringTable<L> {
    /// What is wired where.
    #[must_use]
    pub fn wiring(&self) -> Wiring<L>
    where
        L: Clone,
    {
        let line = |table: &InputTable<L>| InputLine {
            line: table.line.clone(),
            active: table.active,
            bias: table.bias.unwrap_or(Bias::against(table.active)),
        };
        let relay = self.relay.as_ref();
        Wiring {
            inputs: self.inputs().into_iter().map(|(input, table)| (input, line(table))).collect(),
            relay: relay.map(|table| RelayLine { line: table.line.clone(), active: table.active }),
        }
    }

    fn inputs(&self) -> Vec<(Input, &InputTable<L>)> {
        let buttons = self.button.iter().map(|(id, table)| (Input::Button(id.clone()), table));
        let others = [
            (Input::DoorContact, &self.door_contact),
            (Input::RequestToExit, &self.request_to_exit),
            (Input::Tamper, &self.tamper),
        ];
        buttons.chain(others.into_iter().filter_map(|(input, table)| Some((input, table.as_ref()?)))).collect()
    }
}

/// What a panel must fulfil beyond its types.
/// `buttons` are all that there are, or nothing where one could not be read.
pub(super) fn check(document: &mut Document<'_>, panel: &PanelTable, buttons: Option<&[ButtonTable]>) {
    match panel {
        PanelTable::Gpio(GpioTable::Chardev(table)) => {
            check_wiring(document, "panel.gpio.chardev", table, buttons);
        }
        PanelTable::Gpio(GpioTable::Rppal(table)) => {
            check_wiring(document, "panel.gpio.rppal", table, buttons);
            for (key, number) in lines(table).into_iter().filter(|(_, line)| line.0 > HIGHEST_BCM) {
                let found = number.0.to_string();
                let allowed = format!("a line by its BCM number, 0 to {HIGHEST_BCM}; 2 to 27 are on the header");
                document.error_found(&format!("panel.gpio.rppal.{key}.line"), found, allowed);
            }
        }
        PanelTable::Page(page) => {
            if !page.listen.ip().is_loopback() {
                document.error("panel.page.listen", "an address of this machine alone, such as \"127.0.0.1:8481\"");
            }
        }
    }
}

fn check_wiring<L: Ord + fmt::Display>(
    document: &mut Document<'_>,
    table: &str,
    wiring: &WiringTable<L>,
    buttons: Option<&[ButtonTable]>,
) {
    if let Some(buttons) = buttons {
        check_buttons(document, table, wiring, buttons);
    }
    let mut taken = BTreeSet::new();
    for (key, line) in lines(wiring) {
        if !taken.insert(line) {
            let found = format!("{line}, which is used twice");
            document.error_found(&format!("{table}.{key}.line"), found, "a line that nothing else uses");
        }
    }
}

/// Each button has a line, and each of these lines a button.
fn check_buttons<L>(document: &mut Document<'_>, table: &str, wiring: &WiringTable<L>, buttons: &[ButtonTable]) {
    let known: Vec<String> = buttons.iter().map(|button| format!("\"{}\"", button.id)).collect();
    for id in wiring.button.keys().filter(|id| buttons.iter().all(|button| button.id != **id)) {
        let key = format!("{table}.button.{id}");
        document.error_found(&key, format!("no [[button]] has the id \"{id}\""), known.join(", "));
    }
    for button in buttons.iter().filter(|button| !wiring.button.contains_key(&button.id)) {
        let key = format!("{table}.button.{}", button.id);
        document.error_found(&key, format!("no line for the button \"{}\"", button.id), "a line for each button");
    }
}

/// Every line with its key in the table.
fn lines<L>(wiring: &WiringTable<L>) -> Vec<(String, &L)> {
    let key = |input: &Input| match input {
        Input::Button(id) => format!("button.{id}"),
        Input::DoorContact => "door-contact".to_owned(),
        Input::RequestToExit => "request-to-exit".to_owned(),
        Input::Tamper => "tamper".to_owned(),
    };
    let relay = wiring.relay.iter().map(|table| ("relay".to_owned(), &table.line));
    wiring.inputs().into_iter().map(|(input, table)| (key(&input), &table.line)).chain(relay).collect()
}

const fn ground() -> Level {
    Level::Low
}

const fn supply() -> Level {
    Level::High
}

impl Default for PanelTable {
    fn default() -> Self {
        Self::Page(PagePanelTable::default())
    }
}

impl Default for PagePanelTable {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8481)) }
    }
}
