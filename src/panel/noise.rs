//! How clean a line is: presses, contacts that bounce, spells that are too short to be meant.
//!
//! Pure: it counts by the time of the edges and never reads a clock. It only watches; what a press is, `panel::button` decides.

#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::time::Duration;

use crate::moment::Moment;
use crate::panel::button::Timing;

/// What was seen of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noise {
    timing: Timing,
    active_since: Option<Moment>,
    last_edge: Option<Moment>,
    edges: u32,
    presses: u32,
    /// Spells shorter than a press: bounces and disturbance.
    glitches: u32,
    longest_glitch: Duration,
    /// The edges since the line was last quiet.
    burst: u32,
    worst_burst: u32,
    stuck: bool,
}

impl Noise {
    /// A line that nobody has seen yet.
    #[must_use]
    pub const fn new(timing: Timing) -> Self {
        Self {
            timing,
            active_since: None,
            last_edge: None,
            edges: 0,
            presses: 0,
            glitches: 0,
            longest_glitch: Duration::ZERO,
            burst: 0,
            worst_burst: 0,
            stuck: false,
        }
    }

    /// The line changed. The level a line has when it is opened is no change.
    pub fn changed(&mut self, active: bool, at: Moment) {
        let first = self.last_edge.is_none();
        if first && !active {
            self.last_edge = Some(at);
            return;
        }
        self.edges += 1;
        let quiet = self.last_edge.is_none_or(|last| at.since(last) > self.timing.lockout);
        self.burst = if quiet { 1 } else { self.burst + 1 };
        self.worst_burst = self.worst_burst.max(self.burst);
        self.last_edge = Some(at);
        match (active, self.active_since) {
            (true, None) => self.active_since = Some(at),
            (false, Some(since)) => {
                self.active_since = None;
                self.spell(at.since(since));
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Nobody watches any longer.
    pub fn ended(&mut self, now: Moment) {
        if let Some(since) = self.active_since.take() {
            self.stuck = now.since(since) >= self.timing.stuck;
            self.spell(now.since(since));
        }
    }

    fn spell(&mut self, lasted: Duration) {
        if lasted >= self.timing.confirm {
            self.presses += 1;
        } else {
            self.glitches += 1;
            self.longest_glitch = self.longest_glitch.max(lasted);
        }
    }

    /// Whether an installer should do something about it.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        if self.stuck {
            Some("it stays active: look at the button, at `active` and at `bias`")
        } else if self.edges == 0 {
            Some("nothing came: press it while this runs; if you did, look at the wire and at `line`")
        } else if self.glitches > 0 && self.longest_glitch * 2 > self.timing.confirm {
            Some("disturbance nearly as long as a press: shorten or shield the wire, or raise gestures.confirm")
        } else if self.glitches > 10 * self.presses.max(1) {
            Some("much disturbance: shorten or shield the wire, add a pull-up of 1 to 10 kΩ at the chip")
        } else {
            None
        }
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.longest_glitch.as_secs_f64() * 1000.0;
        write!(f, "{} presses, {} edges", self.presses, self.edges)?;
        if self.glitches > 0 {
            write!(f, ", {} too short to be meant (longest {millis:.1} ms)", self.glitches)?;
        }
        if self.worst_burst > 2 {
            write!(f, ", up to {} edges at once", self.worst_burst)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After edges at these microseconds, by turns down and up.
    fn seen(edges: &[u64], until: u64) -> Noise {
        let micros = |at: u64| Moment::from_nanos(at * 1_000);
        let mut noise = Noise::new(Timing::default());
        noise.changed(false, micros(0));
        for (index, at) in edges.iter().enumerate() {
            noise.changed(index % 2 == 0, micros(*at));
        }
        noise.ended(micros(until));
        noise
    }

    #[test]
    fn a_clean_press_and_one_that_bounces() {
        let clean = seen(&[1_000_000, 1_200_000], 5_000_000);
        assert_eq!(clean.to_string(), "1 presses, 2 edges");
        assert_eq!(clean.advice(), None);
        let bouncing = seen(&[1_000_000, 1_000_400, 1_000_600, 1_000_800, 1_001_000, 1_200_000], 5_000_000);
        assert_eq!(
            bouncing.to_string(),
            "1 presses, 6 edges, 2 too short to be meant (longest 0.4 ms), up to 5 edges at once"
        );
        assert_eq!(bouncing.advice(), None, "every contact does");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let advice = |edges: &[u64], until| seen(edges, until).advice().unwrap_or_default();
        assert!(advice(&[], 60_000_000).starts_with("nothing came"));
        assert!(advice(&[1_000_000], 60_000_000).starts_with("it stays active"));
        assert!(advice(&[1_000_000, 1_004_000], 60_000_000).starts_with("disturbance nearly as long"));
        let spikes: Vec<u64> = (0..30).flat_map(|at| [at * 100_000, at * 100_000 + 300]).collect();
        assert!(advice(&spikes, 60_000_000).starts_with("much disturbance"));
    }

    #[test]
    fn a_line_that_is_active_from_the_start_counts() {
        let mut noise = Noise::new(Timing::default());
        noise.changed(true, Moment::START);
        noise.ended(Moment::from_millis(30_000));
        assert!(noise.advice().is_some_and(|advice| advice.starts_with("it stays active")));
    }
}
