//! What a finger means: bouncing edges in, presses, holds and stuck buttons out.
//!
//! Pure: it counts by the time of the edges, not by when they were handed in, and never reads a clock. Hand in every edge
//! that is known before letting the timers run, else a glitch that is over already may count as a press.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::ButtonId;
use crate::moment::Moment;
use crate::panel::{Edge, Input};

/// How long a stuck button must be let go before it counts again.
const FREED_AFTER: Duration = Duration::from_secs(1);

/// How long is how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A line that keeps its level for this long means it.
    pub confirm: Duration,
    /// After a press or release was given, the line is not looked at for this long.
    pub lockout: Duration,
    /// From the press to the hold.
    pub hold: Duration,
    /// From the press to being stuck.
    pub stuck: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            confirm: Duration::from_millis(5),
            lockout: Duration::from_millis(50),
            hold: Duration::from_millis(1500),
            stuck: Duration::from_secs(10),
        }
    }
}

/// What somebody did with a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gesture {
    /// Which button.
    pub button: ButtonId,
    /// What happened to it.
    pub kind: GestureKind,
    /// When, by the edges: the same however late the edges were handed in.
    pub at: Moment,
}

/// What happened to a button. `Pressed` and `Released` alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GestureKind {
    /// A stuck button works again; its release came just before.
    Freed,
    /// Pressed for long, and still.
    Held,
    /// Pressed.
    Pressed,
    /// Let go.
    Released,
    /// Pressed for so long that nobody can mean it. Ignored until it was let go for a while.
    Stuck,
}

/// What the buttons wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The line to keep its level.
    Confirm,
    /// A stuck button to stay free.
    Free,
    /// A hold.
    Hold,
    /// A stuck button.
    Stuck,
}

/// All buttons of the door.
#[derive(Debug, Clone)]
pub struct Buttons {
    timing: Timing,
    buttons: BTreeMap<ButtonId, Button>,
}

impl Buttons {
    /// Buttons that nobody touches. Edges of any other line are passed over.
    #[must_use]
    pub fn new(timing: Timing, ids: impl IntoIterator<Item = ButtonId>) -> Self {
        Self { timing, buttons: ids.into_iter().map(|id| (id, Button::default())).collect() }
    }

    /// A line changed. What was due by the time of the edge happened before it; what is due since is left to
    /// [`Self::handle_timeout`], because another edge may be known already.
    #[must_use]
    pub fn handle(&mut self, now: Moment, edge: &Edge) -> Vec<Gesture> {
        let Input::Button(id) = &edge.input else { return Vec::new() };
        let Some(button) = self.buttons.get_mut(id) else {
            tracing::debug!(button = %id, "edge of an unknown button");
            return Vec::new();
        };
        let at = edge.at.min(now).max(button.line.since);
        let gestures = button.run_until(&self.timing, at);
        if button.line.active != edge.active {
            button.line = Line { active: edge.active, since: at };
        }
        name(id, gestures)
    }

    /// Time has passed.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<Gesture> {
        let mut gestures: Vec<Gesture> = Vec::new();
        for (id, button) in &mut self.buttons {
            gestures.extend(name(id, button.run_until(&self.timing, now)));
        }
        gestures.sort_by_key(|gesture| gesture.at);
        gestures
    }

    /// When [`Self::handle_timeout`] has something to do, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Moment, Timer)> {
        self.buttons.values().filter_map(|button| button.next_due(&self.timing)).min()
    }

    /// Whether this button is stuck.
    #[must_use]
    pub fn is_stuck(&self, id: &ButtonId) -> bool {
        self.buttons.get(id).is_some_and(|button| button.state == State::Stuck)
    }

    /// Whether any button is stuck.
    #[must_use]
    pub fn any_stuck(&self) -> bool {
        self.buttons.values().any(|button| button.state == State::Stuck)
    }
}

#[derive(Debug, Clone, Default)]
struct Button {
    line: Line,
    state: State,
    /// The line is not looked at before.
    locked_until: Moment,
}

/// The line as its edges tell.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    active: bool,
    since: Moment,
}

/// What was given to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Up,
    Down {
        since: Moment,
    },
    /// Down, and the hold was given.
    Held {
        since: Moment,
    },
    Stuck,
}

impl Button {
    /// Everything that is due by `now`, each at its own time.
    fn run_until(&mut self, timing: &Timing, now: Moment) -> Vec<(GestureKind, Moment)> {
        let mut gestures = Vec::new();
        while let Some((due, timer)) = self.next_due(timing).filter(|(due, _)| *due <= now) {
            self.fire(timing, due, timer, &mut gestures);
        }
        gestures
    }

    fn fire(&mut self, timing: &Timing, due: Moment, timer: Timer, gestures: &mut Vec<(GestureKind, Moment)>) {
        match (timer, self.state) {
            (Timer::Confirm, State::Up) => {
                self.state = State::Down { since: due };
                self.locked_until = due + timing.lockout;
                gestures.push((GestureKind::Pressed, due));
            }
            (Timer::Confirm, State::Down { .. } | State::Held { .. } | State::Stuck) => {
                self.state = State::Up;
                self.locked_until = due + timing.lockout;
                gestures.push((GestureKind::Released, due));
            }
            (Timer::Free, State::Up | State::Down { .. } | State::Held { .. } | State::Stuck) => {
                self.state = State::Up;
                gestures.push((GestureKind::Released, due));
                gestures.push((GestureKind::Freed, due));
            }
            (Timer::Hold, State::Down { since } | State::Held { since }) => {
                self.state = State::Held { since };
                gestures.push((GestureKind::Held, due));
            }
            (Timer::Stuck, State::Down { .. } | State::Held { .. }) => {
                self.state = State::Stuck;
                gestures.push((GestureKind::Stuck, due));
            }
            // `next_due` never gives these.
            (Timer::Hold | Timer::Stuck, State::Up | State::Stuck) => {}
        }
    }

    fn next_due(&self, timing: &Timing) -> Option<(Moment, Timer)> {
        let confirm = ((self.line.since + timing.confirm).max(self.locked_until), Timer::Confirm);
        // A line that dropped just now may be a glitch: whether it is a hold shows when it is confirmed or comes back.
        let hold = |due: Moment, timer| Some((due.max(self.line.since), timer));
        match (self.state, self.line.active) {
            (State::Up, true) | (State::Down { .. } | State::Held { .. }, false) => Some(confirm),
            (State::Up, false) | (State::Stuck, true) => None,
            (State::Down { since }, true) => hold(since + timing.hold, Timer::Hold),
            (State::Held { since }, true) => hold(since + timing.stuck, Timer::Stuck),
            (State::Stuck, false) => Some((self.line.since + FREED_AFTER, Timer::Free)),
        }
    }
}

fn name(id: &ButtonId, gestures: Vec<(GestureKind, Moment)>) -> Vec<Gesture> {
    gestures.into_iter().map(|(kind, at)| Gesture { button: id.clone(), kind, at }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::GestureKind::{Freed, Held, Pressed, Released, Stuck};
    use super::*;

    fn id(name: &str) -> ButtonId {
        name.parse().expect("it is a word")
    }

    fn micros(micros: u64) -> Moment {
        Moment::from_nanos(micros * 1000)
    }

    /// Hands in edges of one button (at these microseconds, toggling from pressed), then waits; gives kinds and milliseconds.
    fn play(edges: &[u64], until: u64) -> Vec<(GestureKind, u64)> {
        let mut buttons = Buttons::new(Timing::default(), [id("a")]);
        let mut gestures = Vec::new();
        for (index, at) in edges.iter().enumerate() {
            let at = micros(*at);
            gestures.extend(buttons.handle(at, &Edge { input: Input::Button(id("a")), active: index % 2 == 0, at }));
        }
        gestures.extend(buttons.handle_timeout(micros(until)));
        gestures.into_iter().map(|gesture| (gesture.kind, gesture.at.as_nanos() / 1_000_000)).collect()
    }

    #[test]
    fn a_press_counts_from_the_edge() {
        assert_eq!(play(&[1_000_000, 1_200_000], 2_000_000), [(Pressed, 1005), (Released, 1205)]);
    }

    #[test]
    fn a_hold_and_a_stuck_button() {
        let gestures = play(&[0, 15_000_000], 20_000_000);
        assert_eq!(gestures, [(Pressed, 5), (Held, 1505), (Stuck, 10_005), (Released, 16_000), (Freed, 16_000)]);
        assert_eq!(play(&[0, 15_000_000, 15_500_000], 20_000_000), [(Pressed, 5), (Held, 1505), (Stuck, 10_005)]);
    }

    #[test]
    fn a_short_press_lasts_as_long_as_the_lockout() {
        assert_eq!(play(&[0, 10_000], 1_000_000), [(Pressed, 5), (Released, 55)]);
        assert_eq!(
            play(&[0, 10_000, 60_000, 100_000], 1_000_000),
            [(Pressed, 5), (Released, 55)],
            "the rest is bouncing"
        );
    }

    #[test]
    fn edges_handed_in_late_mean_the_same() {
        let mut buttons = Buttons::new(Timing::default(), [id("a")]);
        let late = micros(500_000);
        for (at, active) in [(0, true), (2_000, false)] {
            let gestures = buttons.handle(late, &Edge { input: Input::Button(id("a")), active, at: micros(at) });
            assert_eq!(gestures, [], "2 ms are a glitch, whenever they are heard of");
        }
        assert_eq!(buttons.handle_timeout(late), []);
    }

    #[test]
    fn a_stuck_button_leaves_the_others_alone() {
        let mut buttons = Buttons::new(Timing::default(), [id("a"), id("b")]);
        let edge =
            |name: &str, active, at: u64| (micros(at), Edge { input: Input::Button(id(name)), active, at: micros(at) });
        let (at, stuck) = edge("a", true, 0);
        assert_eq!(buttons.handle(at, &stuck), []);
        assert_eq!(buttons.handle_timeout(micros(12_000_000)).len(), 3);
        assert!(buttons.any_stuck());
        let (at, press) = edge("b", true, 12_000_000);
        assert_eq!(buttons.handle(at, &press), []);
        let gestures = buttons.handle_timeout(micros(12_010_000));
        assert_eq!(gestures, [Gesture { button: id("b"), kind: Pressed, at: micros(12_005_000) }]);
    }

    #[test]
    fn an_edge_of_an_unknown_button_is_passed_over() {
        let mut buttons = Buttons::new(Timing::default(), [id("a")]);
        assert_eq!(buttons.handle(micros(0), &Edge { input: Input::Button(id("z")), active: true, at: micros(0) }), []);
        assert_eq!(buttons.poll_timeout(), None);
    }

    proptest! {
        #[test]
        fn a_bounce_storm_is_one_press(gaps in prop::collection::vec(1u64..4_900, 0..16)) {
            // An even number of changes after the first edge: in the end the line is active.
            let mut at = 0;
            let mut edges = vec![0];
            for gap in gaps.iter().take(gaps.len() / 2 * 2) {
                at += gap;
                edges.push(at);
            }
            prop_assert_eq!(play(&edges, at + 1_000_000), [(Pressed, (at + 5_000) / 1000)]);
        }

        #[test]
        fn glitches_are_nothing(starts in prop::collection::vec(10u64..100_000, 1..30)) {
            let mut at = 0;
            let mut edges = Vec::new();
            for gap in starts {
                edges.extend([at + gap, at + gap + 1]);
                at += gap + 1;
            }
            prop_assert_eq!(play(&edges, at + 1_000_000), []);
        }

        #[test]
        fn glitches_do_not_end_a_press(starts in prop::collection::vec(6_000u64..100_000, 1..10)) {
            let mut at = 0;
            let mut edges = vec![0];
            for gap in starts {
                edges.extend([at + gap, at + gap + 1]);
                at += gap + 1;
            }
            prop_assert_eq!(play(&edges, at + 1_000)[..1].to_vec(), [(Pressed, 5)]);
            prop_assert!(play(&edges, at + 1_000).iter().all(|(kind, _)| *kind != Released));
        }

        #[test]
        fn presses_and_releases_alternate_in_order_and_timers_move(
            steps in prop::collection::vec((0u64..3_000_000, any::<bool>(), any::<bool>()), 0..60),
        ) {
            let mut buttons = Buttons::new(Timing::default(), [id("a")]);
            let (mut now, mut down, mut last) = (0, false, Moment::START);
            for (gap, active, timeout) in steps {
                now += gap;
                let gestures = match timeout {
                    true => buttons.handle_timeout(micros(now)),
                    false => buttons.handle(micros(now), &Edge { input: Input::Button(id("a")), active, at: micros(now) }),
                };
                if timeout {
                    prop_assert!(buttons.poll_timeout().is_none_or(|(due, _)| due > micros(now)));
                }
                for gesture in gestures {
                    prop_assert!(gesture.at >= last && gesture.at <= micros(now));
                    last = gesture.at;
                    match gesture.kind {
                        Pressed => prop_assert!(!std::mem::replace(&mut down, true)),
                        Released => prop_assert!(std::mem::replace(&mut down, false)),
                        Held | Stuck => prop_assert!(down),
                        Freed => prop_assert!(!down),
                    }
                }
            }
        }
    }
}
