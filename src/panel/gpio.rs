//! Real lines: buttons and contacts that are read, a relay that is switched.
//!
//! Two back ends fill the same [`Pins`]: the kernel's character device, and rppal for those who number their lines as the
//! Raspberry Pi does. What both share stands here and below: nothing waits, a line that fails is opened again and again, and
//! the others go on. Nothing here debounces or decides anything.

pub mod chardev;
pub mod inputs;
pub mod relay;
pub mod rppal;

use std::fmt;
use std::task::{Context, Poll};

use crate::moment::Moment;
use crate::panel::fault::Fault;
use crate::panel::wiring::{InputLine, RelayLine};

/// A back end: something that has lines.
pub trait Pins: Send + 'static {
    /// How it names them.
    type Name: fmt::Display + Clone + Send + 'static;
    /// An open line that is read.
    type Input: InputPin;
    /// An open line that is switched.
    type Output: OutputPin;

    /// Opens a line to read it.
    ///
    /// # Errors
    /// Why it cannot be read now. It will be tried again.
    fn input(&mut self, line: &InputLine<Self::Name>) -> Result<Self::Input, Fault>;

    /// Opens a line to switch it, with this level from the first moment.
    ///
    /// # Errors
    /// Why it cannot be switched now. It will be tried again.
    fn output(&mut self, line: &RelayLine<Self::Name>, energised: bool) -> Result<Self::Output, Fault>;
}

/// A change of a line, as the kernel saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Whether the line is active since.
    pub active: bool,
    /// When.
    pub at: Moment,
}

/// A line that is read.
pub trait InputPin: Send {
    /// The next change that is known; whoever asks is woken by one that is not known yet.
    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<Result<Change, Fault>>;

    /// Whether the line is active at this very moment.
    ///
    /// # Errors
    /// The line is lost.
    fn is_active(&mut self) -> Result<bool, Fault>;
}

/// A line that is switched. It keeps its level when it is dropped, as far as the kernel lets it.
pub trait OutputPin: Send {
    /// Switches it.
    ///
    /// # Errors
    /// The line is lost.
    fn set(&mut self, energised: bool) -> Result<(), Fault>;

    /// Whether it is still ours.
    ///
    /// # Errors
    /// The line is lost.
    fn check(&mut self) -> Result<(), Fault>;
}

#[cfg(test)]
mod tests;
