//! Doors, hub and phones together on made-up time, thousands of lives with every kind of trouble: nothing forbidden is ever
//! seen, and once the trouble is over all agree, all comes to rest, and a press rings.
//!
//! `DOORWARD_SIM_SEED=n` lives through one seed again and prints its transcript, `DOORWARD_SIM_RUNS=n` says how many;
//! `make soak-calls` lives through a million.

mod town;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// All of them together, in several tests that run beside each other.
const RUNS: u64 = 30_000;
const PARTS: u64 = 4;

thread_local! {
    static ERROR: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What was logged as an error in this run.
fn errors_logged() -> Option<String> {
    ERROR.with_borrow_mut(Option::take)
}

/// Hears errors, and nothing else.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Words(String);
        impl Visit for Words {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        ERROR.set(Some(words.0));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn live(seed: u64, recording: bool) -> Result<u64, Box<town::Failure>> {
    catch_unwind(AssertUnwindSafe(|| town::run(seed, recording)))
        .unwrap_or_else(|_| Err(Box::new(town::Failure { why: "a panic".to_owned(), transcript: String::new() })))
}

fn replay(seed: u64) {
    let result = live(seed, true);
    if let Err(failure) = result {
        let why = &failure.why;
        panic!("{}\n\nseed {seed}: {why}\nreplay it with DOORWARD_SIM_SEED={seed}", failure.transcript);
    }
}

fn live_through(part: u64) {
    let _guard = tracing::subscriber::set_default(Listener);
    if let Some(seed) = number("DOORWARD_SIM_SEED") {
        if part == 0 {
            replay(seed);
        }
        return;
    }
    let runs = number("DOORWARD_SIM_RUNS").unwrap_or(RUNS);
    let (mut steps, mut failed) = (0, Vec::new());
    for seed in (part..runs).step_by(usize::try_from(PARTS).expect("few")) {
        match live(seed, false) {
            Ok(count) => steps += count,
            Err(failure) => failed.push((seed, failure.why)),
        }
        if failed.len() > 20 {
            break;
        }
    }
    println!("{steps} steps");
    if let Some((seed, _)) = failed.first() {
        for (seed, why) in &failed {
            eprintln!("seed {seed}: {why}");
        }
        replay(*seed);
    }
}

#[test]
fn first_part() {
    live_through(0);
}

#[test]
fn second_part() {
    live_through(1);
}

#[test]
fn third_part() {
    live_through(2);
}

#[test]
fn fourth_part() {
    live_through(3);
}
