//! APA102 and SK9822 on SPI, by their data sheets: a start frame, four bytes per LED, and as many clocks as the data needs to
//! reach the last one.

use embedded_hal::spi::SpiBus;

use crate::panel::Rgb;

/// The global brightness of each LED: all of it. (The levels dim; the 5-bit one would flicker at 580 Hz.)
const FULL: u8 = 0b1110_0000 | 31;

/// A strip on a bus.
#[derive(Debug)]
pub struct Apa102<B> {
    bus: B,
    bytes: Vec<u8>,
}

impl<B: SpiBus<u8>> Apa102<B> {
    /// A strip on this bus.
    pub const fn new(bus: B) -> Self {
        Self { bus, bytes: Vec::new() }
    }

    /// Shows a frame.
    ///
    /// # Errors
    /// The bus failed.
    pub fn write(&mut self, frame: &[Rgb]) -> Result<(), B::Error> {
        self.bytes.clear();
        self.bytes.extend([0; 4]);
        for led in frame {
            self.bytes.extend([FULL, led.blue, led.green, led.red]);
        }
        // An SK9822 shows nothing new before 32 zero bits; then each LED delays the data by half a clock.
        self.bytes.extend([0; 4]);
        self.bytes.extend(std::iter::repeat_n(0, frame.len().div_ceil(16)));
        self.bus.write(&self.bytes)?;
        self.bus.flush()
    }
}
