//! LEDs that are shifted out over SPI, on the kernel's spidev or on the Pi's bus through rppal.

use std::path::Path;

use embedded_hal::spi::SpiBus;
use linux_embedded_hal::SpidevBus;
use linux_embedded_hal::spidev::{SpiModeFlags, Spidev, SpidevOptions};
use rppal::spi::{Bus, Mode, SlaveSelect, Spi};
use smart_leds::{RGB8, RGBW, SmartLedsWrite, White};
use ws2812_spi::hosted::{Ws2812, devices};

use crate::panel::Rgb;
use crate::panel::drive::with_white;
use crate::panel::fault::{Fault, FaultKind};
use crate::panel::wiring::{SpiLeds, SpiName};

use super::Wire;
use super::apa102::Apa102;

/// Four bits of SPI for one of the LED: 312 ns and 937 ns of 1.25 µs, within the data sheets of WS2812, WS2812B and SK6812.
const WS2812_HERTZ: u32 = 3_200_000;
/// Far below what an APA102 takes, for the wire's sake.
const APA102_HERTZ: u32 = 4_000_000;

/// Opens the bus for these LEDs.
///
/// # Errors
/// Why it cannot be had now.
pub fn open(name: &SpiName, leds: SpiLeds) -> Result<Box<dyn Wire>, Fault> {
    let hertz = match leds {
        SpiLeds::Apa102 => APA102_HERTZ,
        SpiLeds::Sk6812Rgbw | SpiLeds::Ws2812 => WS2812_HERTZ,
    };
    match name {
        SpiName::Spidev(path) => Ok(wire(open_spidev(path, hertz)?, name, leds)),
        SpiName::Rppal { bus, select } => Ok(wire(open_rppal(*bus, *select, hertz)?, name, leds)),
    }
}

/// The LEDs on a bus that is open.
pub fn wire<B: SpiBus<u8> + Send + 'static>(bus: B, name: &SpiName, leds: SpiLeds) -> Box<dyn Wire> {
    let name = name.to_string();
    match leds {
        SpiLeds::Apa102 => Box::new(OnSpi { leds: Apa102::new(bus), name }),
        SpiLeds::Sk6812Rgbw => Box::new(OnSpi { leds: Ws2812::new_sk6812w(bus), name }),
        SpiLeds::Ws2812 => Box::new(OnSpi { leds: Ws2812::new(bus), name }),
    }
}

struct OnSpi<D> {
    leds: D,
    name: String,
}

impl<B: SpiBus<u8> + Send> Wire for OnSpi<Apa102<B>> {
    fn write(&mut self, frame: &[Rgb]) -> Result<(), Fault> {
        self.leds.write(frame).map_err(|error| lost(&self.name, &error))
    }
}

impl<B: SpiBus<u8> + Send> Wire for OnSpi<Ws2812<B>> {
    fn write(&mut self, frame: &[Rgb]) -> Result<(), Fault> {
        let colours = frame.iter().map(|led| RGB8 { r: led.red, g: led.green, b: led.blue });
        self.leds.write(colours).map_err(|error| lost(&self.name, &error))
    }
}

impl<B: SpiBus<u8> + Send> Wire for OnSpi<Ws2812<B, devices::Sk6812w>>
where
    devices::Sk6812w: Send,
{
    fn write(&mut self, frame: &[Rgb]) -> Result<(), Fault> {
        let colours = frame.iter().map(|led| {
            let (Rgb { red, green, blue }, white) = with_white(*led);
            RGBW { r: red, g: green, b: blue, a: White(white) }
        });
        self.leds.write(colours).map_err(|error| lost(&self.name, &error))
    }
}

fn open_spidev(path: &Path, hertz: u32) -> Result<SpidevBus, Fault> {
    let fault = |error: std::io::Error| Fault::of_io(&path.display().to_string(), &error);
    let mut device = Spidev::open(path).map_err(fault)?;
    let options = SpidevOptions::new().bits_per_word(8).max_speed_hz(hertz).mode(SpiModeFlags::SPI_MODE_0).build();
    device.configure(&options).map_err(fault)?;
    Ok(SpidevBus(device))
}

fn open_rppal(bus: u8, select: u8, hertz: u32) -> Result<Spi, Fault> {
    let unknown = || Fault::new(FaultKind::Missing, format!("rppal knows no SPI bus {bus} with select {select}"));
    let known_bus = match bus {
        0 => Bus::Spi0,
        1 => Bus::Spi1,
        2 => Bus::Spi2,
        3 => Bus::Spi3,
        4 => Bus::Spi4,
        5 => Bus::Spi5,
        6 => Bus::Spi6,
        _more => return Err(unknown()),
    };
    let known_select = match select {
        0 => SlaveSelect::Ss0,
        1 => SlaveSelect::Ss1,
        2 => SlaveSelect::Ss2,
        _more => return Err(unknown()),
    };
    let name = format!("/dev/spidev{bus}.{select}");
    Spi::new(known_bus, known_select, hertz, Mode::Mode0).map_err(|error| match error {
        rppal::spi::Error::Io(error) => Fault::of_io(&name, &error),
        other => Fault::new(FaultKind::WrongFormat, format!("{name}: {other}")),
    })
}

fn lost(name: &str, error: &dyn std::fmt::Debug) -> Fault {
    Fault::new(FaultKind::Failed, format!("{name}: {error:?}"))
}
