//! The door's panel: buttons, the ring of LEDs, the relay and the sounds. Pure machines decide, back ends behind the traits
//! here touch the world, and a failing back end never disturbs a call.

pub mod button;
pub mod light;
pub mod page;
pub mod sound;

use std::future::Future;
use std::pin::Pin;

use crate::ids::ButtonId;
use crate::moment::Moment;

/// A change of a button's line, debounced by nobody yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which button.
    pub button: ButtonId,
    /// Whether the line is active (pressed) now.
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
#[derive(Debug, thiserror::Error)]
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
    /// Waits for the next edge of any button. Safe to drop and call again: no edge is lost.
    fn next_edge(&mut self) -> NextEdge<'_>;
}

/// Where frames go.
pub trait Strip: Send {
    /// How many LEDs there are.
    fn length(&self) -> usize;

    /// Shows a frame. Must not block for longer than the wire takes.
    ///
    /// # Errors
    /// The device failed; the next frame is tried all the same.
    fn show(&mut self, frame: &Frame) -> Result<(), PanelError>;
}
