//! Lines of a Raspberry Pi through rppal, by their BCM numbers.
//!
//! Changes come from rppal's own threads, with the kernel's timestamps. A line that somebody else uses shows itself by its
//! thread ending at once: rppal tells it in no other way.

use std::task::{Context, Poll};

use rppal::gpio::{Error, Event, Gpio, InputPin as RppalInputPin, OutputPin as RppalOutputPin, Trigger};
use tokio::sync::mpsc;

use crate::moment::Moment;
use crate::panel::fault::{Fault, FaultKind};
use crate::panel::wiring::{BcmNumber, Bias, InputLine, Level, RelayLine};

use super::{Change, InputPin, OutputPin, Pins};

/// Changes that may wait; the level is read again where there were more.
const CHANGES_WAITING: usize = 256;

/// The Pi's own GPIO.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rppal;

/// A line that is read.
#[derive(Debug)]
pub struct RppalInput {
    pin: RppalInputPin,
    number: BcmNumber,
    active: Level,
    changes: mpsc::Receiver<Event>,
}

/// A line that is switched.
#[derive(Debug)]
pub struct RppalOutput {
    pin: RppalOutputPin,
    active: Level,
}

impl Pins for Rppal {
    type Name = BcmNumber;
    type Input = RppalInput;
    type Output = RppalOutput;

    fn input(&mut self, line: &InputLine<BcmNumber>) -> Result<RppalInput, Fault> {
        let number = line.line;
        let fault = |error| fault(number, error);
        let pin = Gpio::new().and_then(|gpio| gpio.get(number.0)).map_err(fault)?;
        let mut pin = match line.bias {
            Bias::AsIs | Bias::Disabled => pin.into_input(),
            Bias::PullDown => pin.into_input_pulldown(),
            Bias::PullUp => pin.into_input_pullup(),
        };
        let (told, changes) = mpsc::channel(CHANGES_WAITING);
        let tell = move |event| {
            // A full queue is made up for by reading the level.
            let _ = told.try_send(event);
        };
        pin.set_async_interrupt(Trigger::Both, None, tell).map_err(fault)?;
        Ok(RppalInput { pin, number, active: line.active, changes })
    }

    fn output(&mut self, line: &RelayLine<BcmNumber>, energised: bool) -> Result<RppalOutput, Fault> {
        let pin = Gpio::new().and_then(|gpio| gpio.get(line.line.0)).map_err(|error| fault(line.line, error))?;
        let mut pin = match is_high(line.active, energised) {
            true => pin.into_output_high(),
            false => pin.into_output_low(),
        };
        // Its level is to hold when this process is gone.
        pin.set_reset_on_drop(false);
        Ok(RppalOutput { pin, active: line.active })
    }
}

impl InputPin for RppalInput {
    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<Result<Change, Fault>> {
        let Poll::Ready(event) = self.changes.poll_recv(context) else { return Poll::Pending };
        let ended = || Fault::new(FaultKind::Busy, format!("{} gives no changes: somebody else uses it", self.number));
        Poll::Ready(event.ok_or_else(ended).map(|event| {
            let high = event.trigger == Trigger::RisingEdge;
            let nanos = u64::try_from(event.timestamp.as_nanos()).unwrap_or(u64::MAX);
            Change { active: high == (self.active == Level::High), at: Moment::from_nanos(nanos) }
        }))
    }

    fn is_active(&mut self) -> Result<bool, Fault> {
        Ok(self.pin.is_high() == (self.active == Level::High))
    }
}

impl OutputPin for RppalOutput {
    fn set(&mut self, energised: bool) -> Result<(), Fault> {
        match is_high(self.active, energised) {
            true => self.pin.set_high(),
            false => self.pin.set_low(),
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

fn is_high(active: Level, energised: bool) -> bool {
    energised == (active == Level::High)
}

fn fault(number: BcmNumber, error: Error) -> Fault {
    match error {
        Error::UnknownModel => {
            Fault::new(FaultKind::Missing, "this is no Raspberry Pi that rppal knows: use the character device")
        }
        Error::PinUsed(_) => Fault::new(FaultKind::Busy, format!("{number} is used twice")),
        Error::PinNotAvailable(_) => Fault::new(FaultKind::Missing, format!("{number}: this board has no such line")),
        Error::PermissionDenied(path) => Fault::new(FaultKind::NoPermission, path),
        Error::Io(error) => Fault::of_io(&number.to_string(), &error),
        Error::ThreadPanic => Fault::new(FaultKind::Failed, format!("{number}: rppal's thread ended")),
    }
}
