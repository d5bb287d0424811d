//! The relay of the door release on a line: safe from the first moment, safe at the end, opened again when it was lost.
//!
//! It never decides when the door opens. What it was told last holds, also for a line that comes back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::panel::fault::{Fault, RETRY};
use crate::panel::wiring::RelayLine;
use crate::panel::{PanelError, Relay};

use super::{OutputPin, Pins};

/// How often a line that works is looked at: an unplugged chip is known before it is needed.
const HEALTH: Duration = Duration::from_secs(5);

/// A relay on a line.
pub struct GpioRelay<P: Pins> {
    switch: Arc<Mutex<Switch<P>>>,
    keeper: JoinHandle<()>,
}

struct Switch<P: Pins> {
    pins: P,
    line: RelayLine<P::Name>,
    wanted: bool,
    state: State<P::Output>,
    retry: Backoff,
}

enum State<O> {
    Open(O),
    Failed(Fault),
}

impl<P: Pins> GpioRelay<P> {
    /// Takes the line with its safe level, at once; if that fails, again and again. Needs a running tokio.
    #[must_use]
    pub fn new(pins: P, line: RelayLine<P::Name>) -> Self {
        Self::looked_at_every(HEALTH, pins, line)
    }

    pub(super) fn looked_at_every(health: Duration, pins: P, line: RelayLine<P::Name>) -> Self {
        let unopened = Fault::new(crate::panel::fault::FaultKind::Missing, "not opened yet");
        let mut switch = Switch { pins, line, wanted: false, state: State::Failed(unopened), retry: RETRY };
        match switch.open() {
            Ok(()) => tracing::info!(line = %switch.line.line, "the relay is safe"),
            Err(fault) => tracing::warn!(%fault, line = %switch.line.line, "the relay cannot be switched"),
        }
        let switch = Arc::new(Mutex::new(switch));
        let keeper = tokio::spawn(keep(Arc::clone(&switch), health));
        Self { switch, keeper }
    }
}

impl<P: Pins> Relay for GpioRelay<P> {
    fn set(&mut self, energised: bool) -> Result<(), PanelError> {
        let mut switch = lock(&self.switch);
        switch.wanted = energised;
        switch.apply().map_err(|fault| fault.of("relay"))
    }

    fn faults(&self) -> Vec<PanelError> {
        match &lock(&self.switch).state {
            State::Open(_) => Vec::new(),
            State::Failed(fault) => vec![fault.clone().of("relay")],
        }
    }
}

impl<P: Pins> Drop for GpioRelay<P> {
    fn drop(&mut self) {
        self.keeper.abort();
        let mut switch = lock(&self.switch);
        switch.wanted = false;
        if let Err(fault) = switch.apply() {
            tracing::warn!(%fault, "the relay could not be left safe");
        }
    }
}

impl<P: Pins> Switch<P> {
    fn open(&mut self) -> Result<(), Fault> {
        match self.pins.output(&self.line, self.wanted) {
            Ok(pin) => {
                self.state = State::Open(pin);
                self.retry.reset();
                Ok(())
            }
            Err(fault) => self.fail(fault),
        }
    }

    fn apply(&mut self) -> Result<(), Fault> {
        let wanted = self.wanted;
        match &mut self.state {
            State::Open(pin) => match pin.set(wanted) {
                Ok(()) => Ok(()),
                Err(fault) => self.fail(fault),
            },
            State::Failed(_) => self.open(),
        }
    }

    fn fail(&mut self, fault: Fault) -> Result<(), Fault> {
        self.state = State::Failed(fault.clone());
        Err(fault)
    }

    /// Looks at the line, or tries it again. How long to wait for the next try where it fails.
    fn look(&mut self) -> Option<Duration> {
        match &mut self.state {
            State::Open(pin) => match pin.check() {
                Ok(()) => None,
                Err(fault) => {
                    tracing::warn!(%fault, line = %self.line.line, "the relay is lost");
                    let _ = self.fail(fault);
                    Some(self.retry.wait())
                }
            },
            State::Failed(_) => match self.open() {
                Ok(()) => {
                    tracing::info!(line = %self.line.line, energised = self.wanted, "the relay works again");
                    None
                }
                Err(_) => Some(self.retry.wait()),
            },
        }
    }
}

async fn keep<P: Pins>(switch: Arc<Mutex<Switch<P>>>, health: Duration) {
    loop {
        let wait = lock(&switch).look();
        tokio::time::sleep(wait.unwrap_or(health)).await;
    }
}

/// A switch whose holder panicked is still a switch.
fn lock<P: Pins>(switch: &Mutex<Switch<P>>) -> MutexGuard<'_, Switch<P>> {
    switch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the safe level back, for a daemon that died. Whoever had the line is gone, so a line that is still busy is asked
/// again for a moment only.
///
/// # Errors
/// Why the line could not be had.
pub fn make_safe<P: Pins>(mut pins: P, line: &RelayLine<P::Name>) -> Result<(), Fault> {
    let mut tries = 0;
    loop {
        match pins.output(line, false) {
            Ok(_kept) => return Ok(()),
            Err(fault) if tries == 20 => return Err(fault),
            Err(_) => {}
        }
        tries += 1;
        std::thread::sleep(Duration::from_millis(25));
    }
}
