//! A light of fewer LEDs than a ring needs: the phase is told by rhythm alone, as on an illuminated button.
//!
//! With one LED that is all there is; at rest it shows trouble too. The second is the camera's, the third trouble's; any
//! further ones go with the first. Each rhythm differs from every other from whichever moment on it is seen.

use std::time::Duration;

use crate::call::indication::{Indication, Outcome, Phase};
use crate::moment::Moment;
use crate::panel::{Frame, Rgb};

use super::scene::{AMBER, BLUE, GREEN, RED, Tint, WHITE};
use super::{BlinkKind, trouble};

/// The fewest LEDs of a ring.
pub(super) const RING: usize = 8;
/// How long one sign of a rhythm lasts.
const SIGN: u128 = 240;
const FULL: u8 = 255;
const GLOW: u8 = 6;

/// Everything at one moment. `elapsed` is how long the phase has been shown.
pub(super) fn draw(leds: usize, indication: &Indication, elapsed: Duration, at: Moment) -> Frame {
    let own = trouble(indication, at).then(|| RED.at(FULL));
    let mut phase = sign(&indication.phase, elapsed);
    if leds < 3 && indication.phase == Phase::Idle {
        phase = own.unwrap_or(phase);
    }
    let mut frame = vec![phase; leds];
    if leds >= 2 {
        frame[1] = if indication.camera_in_use { WHITE.at(FULL) } else { Rgb::default() };
    }
    if leds >= 3 {
        frame[2] = own.unwrap_or_default();
    }
    frame
}

/// A word in between: dark and bright once for yes, twice for no.
pub(super) fn draw_blink(frame: &mut Frame, kind: BlinkKind, elapsed: Duration) {
    let step = elapsed.as_millis() / 160;
    let lit = match kind {
        BlinkKind::Acknowledged => match step {
            0 | 3 => None,
            1 | 2 => Some(WHITE.at(FULL)),
            _over => return,
        },
        BlinkKind::Refused => match step {
            0 | 3 => None,
            1 | 2 | 4 | 5 => Some(RED.at(FULL)),
            _over => return,
        },
    };
    for (_, led) in frame.iter_mut().enumerate().filter(|(place, _)| !matches!(place, 1 | 2)) {
        *led = lit.unwrap_or_default();
    }
}

fn sign(phase: &Phase, elapsed: Duration) -> Rgb {
    let Some((tint, rhythm)) = rhythm(phase) else { return WHITE.at(GLOW) };
    let count = rhythm.len();
    let step = usize::try_from(elapsed.as_millis() / SIGN).unwrap_or(0) % count.max(1);
    if rhythm.as_bytes().get(step) == Some(&b'#') { tint.at(FULL) } else { Rgb::default() }
}

/// The colour, and where it is lit; nothing at rest.
fn rhythm(phase: &Phase) -> Option<(Tint, &'static str)> {
    let rhythm = match phase {
        Phase::Idle => return None,
        Phase::Dialing => (AMBER, "#."),
        Phase::Ringing { delivered: 0, notified: 0, looking: 0 } => (AMBER, "#......."),
        Phase::Ringing { looking: 0, .. } => (AMBER, "#.#....."),
        Phase::Ringing { .. } => (AMBER, "#.#.####"),
        Phase::Incoming => (BLUE, "##.."),
        Phase::Connecting => (GREEN, "###."),
        Phase::Ongoing => (GREEN, "#"),
        Phase::Ending => (GREEN, "######.."),
        Phase::Outcome(outcome) => match outcome {
            Outcome::Busy => (AMBER, "####...."),
            Outcome::Cancelled => (AMBER, "##......"),
            Outcome::Ended => (GREEN, "#####..."),
            Outcome::Failed => (RED, "#.#.#..."),
            Outcome::MediaLost => (RED, "###.#..."),
            Outcome::Rejected => (RED, "##.##..."),
            Outcome::Unanswered => (AMBER, "######......"),
        },
    };
    Some(rhythm)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn phases() -> Vec<Phase> {
        let ringing = |delivered, looking| Phase::Ringing { delivered, notified: 0, looking };
        let mut phases =
            vec![Phase::Dialing, ringing(0, 0), ringing(1, 0), ringing(1, 1), Phase::Incoming, Phase::Connecting];
        phases.extend([Phase::Ongoing, Phase::Ending]);
        phases.extend(Outcome::ALL.map(Phase::Outcome));
        phases
    }

    #[test]
    fn no_rhythm_is_another_one_begun_later() {
        // All lengths divide 24, so what is the same for 24 signs is the same for ever.
        let whole = |rhythm: &str| rhythm.chars().cycle().take(24).collect::<String>();
        let begun_at = |rhythm: &str, at: usize| whole(rhythm).chars().cycle().skip(at).take(24).collect::<String>();
        let mut seen = BTreeSet::new();
        for phase in phases() {
            let (_, rhythm) = rhythm(&phase).expect("it is not at rest");
            assert_eq!(24 % rhythm.len(), 0, "{phase:?}");
            let least = (0..24).map(|at| begun_at(rhythm, at)).min().expect("there are 24");
            assert!(seen.insert(least), "{phase:?} looks like another phase");
        }
    }

    #[test]
    fn lamps_that_are_on_or_off_tell_it_too() {
        let on = |led: Rgb| led.red.max(led.green).max(led.blue) >= 64;
        for phase in phases() {
            let (_, rhythm) = rhythm(&phase).expect("it is not at rest");
            for (step, sign) in rhythm.chars().enumerate() {
                let elapsed = Duration::from_millis(u64::try_from(step).expect("it is small") * 240);
                assert_eq!(on(super::sign(&phase, elapsed)), sign == '#', "{phase:?} {step}");
            }
        }
        assert!(!on(sign(&Phase::Idle, Duration::ZERO)));
    }

    #[test]
    fn camera_and_trouble_have_lamps_of_their_own_where_there_are_enough() {
        let indication = Indication { camera_in_use: true, at_fault: true, ..Indication::of(Phase::Ongoing) };
        let at = Moment::START;
        let lit = |leds| draw(leds, &indication, Duration::ZERO, at).iter().map(|led| led.red).collect::<Vec<_>>();
        assert_eq!(lit(1), [30]);
        assert_eq!(lit(2), [30, 255]);
        assert_eq!(lit(4), [30, 255, 255, 30]);
        let idle = Indication { phase: Phase::Idle, ..indication };
        assert_eq!(draw(1, &idle, Duration::ZERO, at), [RED.at(FULL)], "trouble is seen at rest");
    }
}
