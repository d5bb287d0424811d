//! What both back ends share, against lines that are made of air: missing, coming, changing, lost and found again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use futures_util::FutureExt;

use crate::panel::fault::FaultKind;
use crate::panel::wiring::{Bias, Level, LineName};
use crate::panel::{Input, Lines, PanelError, Relay};

use super::inputs::Inputs;
use super::relay::{GpioRelay, make_safe};
use super::*;

/// How often a line is looked at here.
const SOON: Duration = Duration::from_millis(20);

/// Chips without a board. A line that is not in here is missing.
#[derive(Clone, Default)]
struct Air {
    wires: Arc<Mutex<BTreeMap<String, Wire>>>,
    /// How often a line was asked for that is not there.
    misses: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Wire {
    active: bool,
    /// What the kernel has queued.
    queue: VecDeque<Change>,
    waker: Option<Waker>,
    opened: usize,
    /// Everything that was ever put on it.
    levels: Vec<bool>,
}

struct AirPin {
    air: Air,
    name: String,
}

impl Air {
    fn with(names: &[&str]) -> Self {
        let air = Self::default();
        for name in names {
            air.plug(name);
        }
        air
    }

    fn plug(&self, name: &str) {
        self.wires().insert(name.to_owned(), Wire::default());
    }

    fn unplug(&self, name: &str) {
        let waker = self.wires().remove(name).and_then(|wire| wire.waker);
        waker.into_iter().for_each(Waker::wake);
    }

    /// A change that the kernel tells.
    fn change(&self, name: &str, active: bool, at: u64) {
        let mut wires = self.wires();
        let wire = wires.get_mut(name).expect("it is plugged in");
        wire.active = active;
        wire.queue.push_back(Change { active, at: Moment::from_millis(at) });
        wire.waker.take().into_iter().for_each(Waker::wake);
    }

    fn set_level(&self, name: &str, active: bool) {
        self.wires().get_mut(name).expect("it is plugged in").active = active;
    }

    fn levels(&self, name: &str) -> Vec<bool> {
        self.wires().get(name).expect("it is plugged in").levels.clone()
    }

    fn opened(&self, name: &str) -> usize {
        self.wires().get(name).map_or(0, |wire| wire.opened)
    }

    fn tries(&self) -> usize {
        self.misses.load(Ordering::Relaxed)
    }

    fn wires(&self) -> MutexGuard<'_, BTreeMap<String, Wire>> {
        self.wires.lock().expect("nobody panicked")
    }

    fn open(&self, name: &LineName) -> Result<AirPin, Fault> {
        let name = name.to_string();
        let mut wires = self.wires();
        let Some(wire) = wires.get_mut(&name) else {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return Err(gone());
        };
        wire.opened += 1;
        wire.queue.clear();
        Ok(AirPin { air: self.clone(), name: name.clone() })
    }
}

fn gone() -> Fault {
    Fault::new(FaultKind::Missing, "there is no such chip")
}

impl Pins for Air {
    type Name = LineName;
    type Input = AirPin;
    type Output = AirPin;

    fn input(&mut self, line: &InputLine<LineName>) -> Result<AirPin, Fault> {
        self.open(&line.line)
    }

    fn output(&mut self, line: &RelayLine<LineName>, energised: bool) -> Result<AirPin, Fault> {
        let mut pin = self.open(&line.line)?;
        pin.set(energised)?;
        Ok(pin)
    }
}

impl InputPin for AirPin {
    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<Result<Change, Fault>> {
        let mut wires = self.air.wires();
        let Some(wire) = wires.get_mut(&self.name) else { return Poll::Ready(Err(gone())) };
        match wire.queue.pop_front() {
            Some(change) => Poll::Ready(Ok(change)),
            None => {
                wire.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_active(&mut self) -> Result<bool, Fault> {
        self.air.wires().get(&self.name).map(|wire| wire.active).ok_or_else(gone)
    }
}

impl OutputPin for AirPin {
    fn set(&mut self, energised: bool) -> Result<(), Fault> {
        self.air.wires().get_mut(&self.name).map(|wire| wire.levels.push(energised)).ok_or_else(gone)
    }

    fn check(&mut self) -> Result<(), Fault> {
        self.is_active().map(drop)
    }
}

fn button(name: &str) -> Input {
    Input::Button(name.parse().expect("it is a word"))
}

fn named(name: &str) -> LineName {
    LineName::Named(name.to_owned())
}

fn input(name: &str) -> InputLine<LineName> {
    InputLine { line: named(name), active: Level::Low, bias: Bias::PullUp }
}

fn two_buttons(air: &Air) -> Inputs<Air> {
    Inputs::new(air.clone(), vec![(button("a"), input("A")), (button("b"), input("B"))]).asked_every(SOON)
}

fn relay(air: &Air) -> GpioRelay<Air> {
    GpioRelay::looked_at_every(SOON, air.clone(), RelayLine { line: named("R"), active: Level::High })
}

/// What comes next, without its time.
async fn next(lines: &mut impl Lines) -> Result<(Input, bool), PanelError> {
    let deadline = Duration::from_secs(60);
    let edge = tokio::time::timeout(deadline, lines.next_edge()).await.expect("something happens");
    edge.map(|edge| (edge.input, edge.active))
}

/// Nothing more is known.
fn rest(lines: &mut impl Lines) {
    let known = lines.next_edge().now_or_never();
    assert!(known.is_none(), "{known:?}");
}

/// Waits until this holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waited).await.expect(what);
}

#[tokio::test]
async fn every_line_tells_its_level_first_and_then_its_changes() {
    let air = Air::with(&["A", "B"]);
    air.set_level("B", true);
    let mut lines = two_buttons(&air);
    assert_eq!(next(&mut lines).await, Ok((button("a"), false)));
    assert_eq!(next(&mut lines).await, Ok((button("b"), true)), "pressed from the start");
    rest(&mut lines);
    air.change("A", true, 5);
    air.change("A", false, 7);
    let edges = [lines.next_edge().await, lines.next_edge().await].map(|edge| edge.expect("it is plugged in"));
    assert_eq!(edges.each_ref().map(|edge| edge.active), [true, false]);
    assert_eq!(edges.map(|edge| edge.at), [5, 7].map(Moment::from_millis), "the kernel's time");
    rest(&mut lines);
}

#[tokio::test]
async fn a_missing_line_is_told_once_and_found_later_while_the_other_works() {
    let air = Air::with(&["B"]);
    let mut lines = two_buttons(&air);
    let missing = next(&mut lines).await.expect_err("it is missing");
    assert_eq!(missing.to_string(), "button a: missing: there is no such chip");
    assert_eq!(lines.faults(), [missing]);
    assert_eq!(next(&mut lines).await, Ok((button("b"), false)));
    // It is tried again and again, and not told again: the next that is heard is the other line.
    let tried = air.tries();
    while air.tries() < tried + 2 {
        let waited = tokio::time::timeout(SOON, lines.next_edge()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
    air.change("B", true, 1);
    assert_eq!(next(&mut lines).await, Ok((button("b"), true)));
    air.plug("A");
    air.set_level("A", true);
    assert_eq!(next(&mut lines).await, Ok((button("a"), true)), "found, and pressed");
    assert_eq!(lines.faults(), []);
}

#[tokio::test]
async fn an_unplugged_line_comes_back() {
    let air = Air::with(&["A", "B"]);
    let mut lines = two_buttons(&air);
    for _ in 0..2 {
        assert!(next(&mut lines).await.is_ok());
    }
    rest(&mut lines);
    air.unplug("A");
    assert!(next(&mut lines).await.is_err());
    assert_eq!(lines.faults().len(), 1);
    air.plug("A");
    assert_eq!(next(&mut lines).await, Ok((button("a"), false)));
    assert_eq!(air.opened("B"), 1, "the other one was left alone");
}

#[tokio::test]
async fn a_level_that_no_change_told_is_noticed() {
    let air = Air::with(&["A", "B"]);
    let mut lines = two_buttons(&air);
    for _ in 0..2 {
        assert!(next(&mut lines).await.is_ok());
    }
    // The queue overflowed: pressed and let go was told, the last press was not.
    air.change("A", true, 1);
    air.change("A", false, 2);
    air.set_level("A", true);
    for active in [true, false, true] {
        assert_eq!(next(&mut lines).await, Ok((button("a"), active)));
    }
    // Nothing at all was told: the look every few seconds finds it.
    air.set_level("A", false);
    assert_eq!(next(&mut lines).await, Ok((button("a"), false)));
}

#[tokio::test]
async fn a_storm_on_one_line_does_not_silence_the_other() {
    let air = Air::with(&["A", "B"]);
    let mut lines = two_buttons(&air);
    for _ in 0..2 {
        assert!(next(&mut lines).await.is_ok());
    }
    for at in 0..1000 {
        air.change("A", at % 2 == 0, at);
    }
    air.change("B", true, 3);
    let mut edges = 0;
    while next(&mut lines).await.expect("both work").0 != button("b") {
        edges += 1;
    }
    assert!(edges <= 65, "{edges} edges of the other line came first");
}

#[tokio::test]
async fn the_relay_is_safe_from_the_start_to_the_end() {
    let air = Air::with(&["R"]);
    let mut relay = relay(&air);
    assert_eq!(air.levels("R"), [false], "before anything is asked of it");
    relay.set(true).expect("it is plugged in");
    drop(relay);
    assert_eq!(air.levels("R"), [false, true, false]);
    make_safe(air.clone(), &RelayLine { line: named("R"), active: Level::High }).expect("it is plugged in");
    assert_eq!(air.levels("R").last(), Some(&false));
}

#[tokio::test]
async fn a_relay_that_comes_back_has_the_level_it_was_told_last() {
    let air = Air::default();
    let mut relay = relay(&air);
    assert!(relay.set(true).is_err());
    assert_eq!(relay.faults().len(), 1);
    assert!(relay.set(false).is_err());
    air.plug("R");
    until("it is opened again", || relay.faults().is_empty()).await;
    assert_eq!(air.levels("R"), [false], "no pulse that is over is made up for");
    air.unplug("R");
    until("it is known before it is needed", || relay.faults().len() == 1).await;
    air.plug("R");
    relay.set(true).expect("it is opened at once");
    assert_eq!(air.levels("R"), [true]);
}
