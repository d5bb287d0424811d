//! The pins of the machine's GPIO controller, from outside: levels in, edges out, through QEMU's qtest socket. A logic analyser
//! with eight probes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// What is wired to the lines of the test's door.
pub const BUTTON_1: u8 = 0;
pub const BUTTON_2: u8 = 1;
pub const DOOR_CONTACT: u8 = 2;
pub const RELAY: u8 = 3;
pub const TAMPER: u8 = 4;
pub const REQUEST_TO_EXIT: u8 = 5;
pub const SPI_CLOCK: u8 = 6;
pub const SPI_DATA: u8 = 7;

/// A change of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    pub line: u8,
    pub high: bool,
    pub at: Instant,
}

pub struct Pins {
    socket: UnixStream,
    device: String,
    edges: Receiver<Edge>,
    /// Seen, and not asked for yet.
    kept: Vec<Edge>,
}

impl Pins {
    /// Watches the outputs of a controller from now on.
    pub fn watch(mut socket: UnixStream, device: &str) -> anyhow::Result<Self> {
        writeln!(socket, "irq_intercept_out {device}").context("QEMU's qtest socket")?;
        let (found, edges) = mpsc::channel();
        let lines = BufReader::new(socket.try_clone()?);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let at = Instant::now();
                let mut words = line.split_whitespace();
                let (Some("IRQ"), Some(change), Some(number)) = (words.next(), words.next(), words.next()) else {
                    continue;
                };
                let Ok(line) = number.parse() else { continue };
                if found.send(Edge { line, high: change == "raise", at }).is_err() {
                    return;
                }
            }
        });
        Ok(Self { socket, device: device.to_owned(), edges, kept: Vec::new() })
    }

    /// Puts a level on an input; when it was put there.
    pub fn set(&mut self, line: u8, high: bool) -> anyhow::Result<Instant> {
        let at = Instant::now();
        writeln!(self.socket, "set_irq_in {} unnamed-gpio-in {line} {}", self.device, u8::from(high))?;
        Ok(at)
    }

    /// A glitch: high and low again, as short as QEMU can make it.
    pub fn glitch(&mut self, line: u8) -> anyhow::Result<()> {
        let [high, low] = [1, 0].map(|level| format!("set_irq_in {} unnamed-gpio-in {line} {level}\n", self.device));
        // In one piece: QEMU puts both levels on the line before it looks at anything else.
        Ok(self.socket.write_all(format!("{high}{low}").as_bytes())?)
    }

    /// Forgets what was seen so far.
    pub fn clear(&mut self) {
        self.kept.clear();
        while self.edges.try_recv().is_ok() {}
    }

    /// The next edge of this output.
    pub fn edge(&mut self, line: u8, high: bool, within: Duration) -> anyhow::Result<Edge> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(index) = self.kept.iter().position(|edge| edge.line == line && edge.high == high) {
                return Ok(self.kept.remove(index));
            }
            match self.edges.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(edge) => self.kept.push(edge),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("line {line} did not go {} within {within:?}", if high { "high" } else { "low" })
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the machine went out"),
            }
        }
    }

    /// Everything that is seen for as long as this, with what was seen before and not asked for.
    pub fn all(&mut self, within: Duration) -> Vec<Edge> {
        let deadline = Instant::now() + within;
        // A ring that is animated has always one more.
        while let Some(left) = deadline.checked_duration_since(Instant::now())
            && let Ok(edge) = self.edges.recv_timeout(left)
        {
            self.kept.push(edge);
        }
        std::mem::take(&mut self.kept)
    }
}
