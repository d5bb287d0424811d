//! The light of a door that has none.

use crate::panel::{Frame, PanelError, Strip};

/// A ring that nobody sees.
#[derive(Debug)]
pub(super) struct Dark {
    leds: usize,
}

impl Dark {
    /// Of this many LEDs.
    pub(super) fn new(leds: u8) -> Self {
        Self { leds: usize::from(leds) }
    }
}

impl Strip for Dark {
    fn length(&self) -> usize {
        self.leds
    }

    fn show(&mut self, _frame: &Frame) -> Result<(), PanelError> {
        Ok(())
    }
}
