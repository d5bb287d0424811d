//! The door's panel: buttons, the ring of LEDs, the relay and the sounds. Pure machines decide, back ends behind the traits
//! here touch the world, and a failing back end never disturbs a call.

pub mod button;
pub mod drive;
pub mod fault;
pub mod gpio;
pub mod level;
pub mod light;
pub mod noise;
pub mod page;
pub mod release;
pub mod sound;
pub mod strip;
pub mod wiring;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::ids::ButtonId;
use crate::moment::Moment;

/// A line that comes in to the door.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// A visitor's button. Active: pressed.
    Button(ButtonId),
    /// The contact in the door's frame. Active: the door is open.
    DoorContact,
    /// The button at the inside of the door. Active: pressed.
    RequestToExit,
    /// The contact of the enclosure. Active: somebody opens it.
    Tamper,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Button(id) => write!(f, "button {id}"),
            Self::DoorContact => f.write_str("door contact"),
            Self::RequestToExit => f.write_str("request to exit"),
            Self::Tamper => f.write_str("tamper"),
        }
    }
}

/// A change of a line, debounced by nobody yet. A line that is active at the start gives an edge too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which line.
    pub input: Input,
    /// Whether the line is active now.
    pub active: bool,
    /// When it changed: the kernel's timestamp where there is one.
    pub at: Moment,
}

/// One LED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rgb {
    /// 0 to 255, linear light.
    pub red: u8,
    /// 0 to 255, linear light.
    pub green: u8,
    /// 0 to 255, linear light.
    pub blue: u8,
}

/// All LEDs of the ring, clockwise from the top.
pub type Frame = Vec<Rgb>;

/// Why a back end failed. The caller logs it, shows it and goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{device}: {message}")]
pub struct PanelError {
    /// Which device, in the installer's words.
    pub device: String,
    /// What happened.
    pub message: String,
}

/// The next edge, once it happens.
pub type NextEdge<'a> = Pin<Box<dyn Future<Output = Result<Edge, PanelError>> + Send + 'a>>;

/// Where edges come from.
pub trait Lines: Send {
    /// Waits for the next edge of any line. Safe to drop and call again: no edge is lost.
    /// An error is told once; the line is tried again, and gives an edge when it works.
    fn next_edge(&mut self) -> NextEdge<'_>;

    /// The lines that do not work now.
    fn faults(&self) -> Vec<PanelError> {
        Vec::new()
    }
}

/// Where frames go.
pub trait Strip: Send {
    /// How many LEDs there are.
    fn length(&self) -> usize;

    /// Whether they have levels between dark and full light.
    fn is_dimmable(&self) -> bool {
        true
    }

    /// Shows a frame. Must not block for longer than the wire takes.
    ///
    /// # Errors
    /// The device failed; the next frame is tried all the same.
    fn show(&mut self, frame: &Frame) -> Result<(), PanelError>;

    /// What does not work now.
    fn faults(&self) -> Vec<PanelError> {
        Vec::new()
    }
}

/// The relay of the door release. It is released when it is dropped: its owner's end is the relay's.
pub trait Relay: Send {
    /// Lets current flow through the relay's coil, or not. Whether that opens the door is the wiring's matter.
    ///
    /// # Errors
    /// The device failed; the safe level is tried again.
    fn set(&mut self, energised: bool) -> Result<(), PanelError>;

    /// What does not work now.
    fn faults(&self) -> Vec<PanelError> {
        Vec::new()
    }
}
