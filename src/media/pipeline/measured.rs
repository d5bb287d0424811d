//! What chirps through the door's own devices told of the way from the speaker to the microphone, and what of it cannot work.

#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// The canceller looks no further than half a second, and the room goes on sounding for a while.
const LONGEST: f64 = 440.0;
/// The canceller was measured to follow 200.
const FASTEST: f64 = 250.0;
/// A delay that moves by more is searched for again and again.
const UNSTEADIEST: f64 = 8.0;
/// An echo that is so much louder than what is played overdrives the microphone as soon as a resident shouts.
const LOUDEST: f64 = 6.0;

/// How sound comes from the speaker to the microphone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EchoMeasured {
    /// How many chirps were played.
    pub played: u32,
    /// How many came back.
    pub heard: u32,
    /// Milliseconds that it takes.
    pub delay: f64,
    /// How loud the echo is against what was played, in decibels.
    pub coupling: f64,
    /// By how many millionths the microphone's clock is too slow for the speaker's: the delay grows by so much.
    pub drift: f64,
    /// The most by which one delay was not what the others said, in milliseconds.
    pub jitter: f64,
    /// What the microphone hears when nothing is played (dBFS).
    pub noise: f64,
    /// The microphone was overdriven.
    pub clipped: bool,
}

impl EchoMeasured {
    /// Why no echo can be cancelled here, and what is to be changed. Nothing if it can.
    #[must_use]
    pub fn objections(&self) -> Vec<String> {
        let Self { played, heard, delay, coupling, drift, jitter, noise: _, clipped } = *self;
        if heard * 2 < played {
            return vec![format!(
                "{heard} of {played} chirps came back: is the speaker on, the microphone not muted (`alsamixer`), and are both \
                 the right devices?"
            )];
        }
        let objections = [
            (clipped, "the microphone is overdriven: turn its capture volume down (`alsamixer`)".to_owned()),
            (
                coupling > LOUDEST,
                format!(
                    "the echo is {coupling:.0} dB louder than what is played: turn the speaker down, or move it away from the microphone"
                ),
            ),
            (
                delay > LONGEST,
                format!(
                    "the echo comes after {delay:.0} ms, and at most {LONGEST:.0} can be cancelled: use the card itself ([speaker.alsa]) and nothing with buffers of its own"
                ),
            ),
            (
                drift.abs() > FASTEST,
                format!(
                    "the clocks of speaker and microphone differ by {:.0} millionths, and at most {FASTEST:.0} can be followed: use one card for both",
                    drift.abs()
                ),
            ),
            (
                jitter > UNSTEADIEST,
                format!(
                    "the delay changes by {jitter:.0} ms from one second to the next: use one card for both, without PipeWire"
                ),
            ),
        ];
        objections.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words).collect()
    }
}

impl fmt::Display for EchoMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delay, coupling, drift, .. } = self;
        write!(f, "echo after {delay:.0} ms, {coupling:+.0} dB, clocks differ by {:.0} millionths", drift.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: EchoMeasured = EchoMeasured {
        played: 10,
        heard: 10,
        delay: 112.4,
        coupling: -9.0,
        drift: -3.2,
        jitter: 0.1,
        noise: -61.0,
        clipped: false,
    };

    #[test]
    fn what_can_work_is_accepted() {
        assert_eq!(GOOD.objections(), Vec::<String>::new());
        assert_eq!(GOOD.to_string(), "echo after 112 ms, -9 dB, clocks differ by 3 millionths");
        assert!(EchoMeasured { heard: 5, ..GOOD }.objections().is_empty());
    }

    #[test]
    fn what_cannot_is_refused_with_what_to_do() {
        let refused = [
            EchoMeasured { heard: 4, delay: 900.0, ..GOOD },
            EchoMeasured { clipped: true, ..GOOD },
            EchoMeasured { coupling: 7.0, ..GOOD },
            EchoMeasured { delay: 510.0, ..GOOD },
            EchoMeasured { drift: -400.0, ..GOOD },
            EchoMeasured { jitter: 20.0, ..GOOD },
        ];
        for measured in refused {
            let objections = measured.objections();
            assert_eq!(objections.len(), 1, "{objections:?}");
            assert!(objections[0].contains(": "), "it says what to do: {objections:?}");
        }
    }
}
