//! The ring of LEDs on a real wire.
//!
//! Whatever the wire is, it is written by a thread of its own: a write that blocks, or a device that is gone, never holds up
//! the door. Only the newest frame counts, only a frame that differs is written, and a device that fails is opened again.

pub mod apa102;
pub mod lamps;
pub mod led_class;
pub mod spi;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::panel::drive::Drive;
use crate::panel::fault::{Fault, FaultKind, RETRY};
use crate::panel::{Frame, PanelError, Rgb, Strip};

/// A wire that takes longer than this for a frame hangs.
const HANGS_AFTER: Duration = Duration::from_secs(3);
/// How long the end of the door waits for the light to go out.
const FAREWELL: Duration = Duration::from_millis(200);

/// An open device that shows frames.
pub trait Wire: Send {
    /// Shows a frame; may block for as long as the wire takes.
    ///
    /// # Errors
    /// The device is lost.
    fn write(&mut self, frame: &[Rgb]) -> Result<(), Fault>;
}

/// Opens the device, as often as it is lost.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Wire>, Fault> + Send>;

/// A ring on a wire.
pub struct WiredStrip {
    leds: usize,
    drive: Option<Drive>,
    desk: Arc<Desk>,
}

/// What the door and the wire's thread share.
#[derive(Default)]
struct Desk {
    papers: Mutex<Papers>,
    changed: Condvar,
}

#[derive(Default)]
struct Papers {
    /// The newest frame that is not written yet.
    waiting: Option<Frame>,
    /// A frame is being written, since then.
    writing: Option<Instant>,
    fault: Option<Fault>,
    end: End,
}

#[derive(Default, PartialEq, Eq)]
enum End {
    #[default]
    Far,
    /// The light is to go out.
    Asked,
    /// It is out.
    Reached,
}

impl WiredStrip {
    /// A ring of this many LEDs. `drive` is how they are driven, nothing for lamps that are on or off.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(leds: usize, drive: Option<Drive>, opener: Opener) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let writer = Writer { desk: Arc::clone(&desk), opener, wire: None, leds, written: None, retry: RETRY };
        thread::Builder::new().name("light".to_owned()).spawn(move || writer.run())?;
        Ok(Self { leds, drive, desk })
    }
}

impl Strip for WiredStrip {
    fn length(&self) -> usize {
        self.leds
    }

    fn is_dimmable(&self) -> bool {
        self.drive.is_some()
    }

    /// Never blocks and never fails: what goes wrong is among [`Self::faults`].
    fn show(&mut self, frame: &Frame) -> Result<(), PanelError> {
        let driven = self.drive.as_ref().map_or_else(|| frame.clone(), |drive| drive.apply(frame));
        self.desk.papers().waiting = Some(driven);
        self.desk.changed.notify_all();
        Ok(())
    }

    fn faults(&self) -> Vec<PanelError> {
        let papers = self.desk.papers();
        let hangs = papers.writing.is_some_and(|since| since.elapsed() > HANGS_AFTER);
        let fault = match &papers.fault {
            Some(fault) => Some(fault.clone()),
            None if hangs => Some(Fault::new(FaultKind::Failed, "it takes no frames")),
            None => None,
        };
        fault.map(|fault| fault.of("light")).into_iter().collect()
    }
}

impl Drop for WiredStrip {
    fn drop(&mut self) {
        let mut papers = self.desk.papers();
        papers.end = End::Asked;
        self.desk.changed.notify_all();
        let out = self.desk.changed.wait_timeout_while(papers, FAREWELL, |papers| papers.end != End::Reached);
        if out.is_ok_and(|(_, waited)| waited.timed_out()) {
            tracing::warn!("the light may still be on");
        }
    }
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wire's thread.
struct Writer {
    desk: Arc<Desk>,
    opener: Opener,
    wire: Option<Box<dyn Wire>>,
    leds: usize,
    /// What the device shows.
    written: Option<Frame>,
    retry: Backoff,
}

impl Writer {
    fn run(mut self) {
        while let Some(frame) = self.next_frame() {
            if self.wire.is_some() && self.written.as_ref() == Some(&frame) {
                continue;
            }
            if let Err(fault) = self.write(&frame) {
                self.fail(fault, frame);
            }
        }
        let dark = vec![Rgb::default(); self.leds];
        if self.wire.is_some() {
            // Whoever waits for it cannot wait longer, and nobody is left to be told.
            let _ = self.write(&dark);
        }
        self.desk.papers().end = End::Reached;
        self.desk.changed.notify_all();
    }

    /// Waits for a frame; nothing when the door ends.
    fn next_frame(&self) -> Option<Frame> {
        let idle = |papers: &mut Papers| papers.waiting.is_none() && papers.end == End::Far;
        let waited = self.desk.changed.wait_while(self.desk.papers(), idle);
        let mut papers = waited.unwrap_or_else(PoisonError::into_inner);
        match papers.end {
            End::Far => papers.waiting.take(),
            End::Asked | End::Reached => None,
        }
    }

    fn write(&mut self, frame: &Frame) -> Result<(), Fault> {
        self.desk.papers().writing = Some(Instant::now());
        let written = match &mut self.wire {
            Some(wire) => wire.write(frame),
            None => (self.opener)().and_then(|mut wire| {
                wire.write(frame)?;
                self.wire = Some(wire);
                Ok(())
            }),
        };
        let mut papers = self.desk.papers();
        papers.writing = None;
        written?;
        if papers.fault.take().is_some() {
            tracing::info!("the light works again");
        }
        drop(papers);
        self.retry.reset();
        self.written = Some(frame.clone());
        Ok(())
    }

    /// Waits before the next try. The frame is tried again then, unless there is a newer one.
    fn fail(&mut self, fault: Fault, frame: Frame) {
        self.wire = None;
        self.written = None;
        let mut papers = self.desk.papers();
        if papers.fault.as_ref() != Some(&fault) {
            tracing::warn!(%fault, "the light failed");
        }
        papers.fault = Some(fault);
        papers.waiting.get_or_insert(frame);
        let wait = self.retry.wait();
        let ends = self.desk.changed.wait_timeout_while(papers, wait, |papers| papers.end == End::Far);
        drop(ends);
    }
}

#[cfg(test)]
mod tests;
