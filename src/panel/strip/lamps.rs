//! Plain LEDs, one on each line of the kernel's GPIO: on or off.

use crate::panel::Rgb;
use crate::panel::fault::Fault;
use crate::panel::gpio::{OutputPin, Pins};
use crate::panel::wiring::{Level, RelayLine};

use super::Wire;

/// From this level of the picture on, a lamp is on: a glow or a background is not.
const ON: u8 = 64;

struct Lamps<O> {
    lines: Vec<(O, bool)>,
}

/// Opens the lines, all dark.
///
/// # Errors
/// Why one of them cannot be had now.
pub fn open<P: Pins>(pins: &mut P, names: &[P::Name], active: Level) -> Result<Box<dyn Wire>, Fault>
where
    P::Output: 'static,
{
    let lines = names
        .iter()
        .map(|name| pins.output(&RelayLine { line: name.clone(), active }, false).map(|line| (line, false)))
        .collect::<Result<Vec<_>, Fault>>()?;
    Ok(Box::new(Lamps { lines }))
}

impl<O: OutputPin> Wire for Lamps<O> {
    fn write(&mut self, frame: &[Rgb]) -> Result<(), Fault> {
        for ((line, lit), led) in self.lines.iter_mut().zip(frame) {
            let on = led.red.max(led.green).max(led.blue) >= ON;
            if *lit != on {
                line.set(on)?;
                *lit = on;
            }
        }
        Ok(())
    }
}
