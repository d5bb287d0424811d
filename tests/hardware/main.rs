//! The door itself: the arm64 package on Debian with its kernel's real drivers, under systemd, in a virtual machine whose pins
//! the test holds in its hands. `make test-hardware` makes what it needs and runs it.
//!
//! One machine is set up once; the cases run one after the other, as the days of a door do. What is not there is said, and
//! counted as skipped.

mod house;
mod leds;
mod machine;
mod pi;
mod pins;
#[cfg(feature = "media")]
#[path = "../resident/mod.rs"]
mod resident;
mod scenes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use house::House;
use machine::Workshop;
use scenes::{SCENES, Stage};

/// What became of the cases.
#[derive(Default)]
struct Score {
    passed: usize,
    failed: usize,
    skipped: usize,
}

fn main() -> ExitCode {
    let only = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    match run(only.as_deref()) {
        Ok(score) => {
            println!("\n{} passed, {} failed, {} skipped", score.passed, score.failed, score.skipped);
            if score.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("\nFAILED before the first case: {error:#}\n\n0 passed, 1 failed, 0 skipped");
            ExitCode::FAILURE
        }
    }
}

fn run(only: Option<&str>) -> anyhow::Result<Score> {
    let package = std::env::var_os("DOORWARD_PACKAGE").map(PathBuf::from);
    let package =
        package.ok_or_else(|| anyhow::anyhow!("DOORWARD_PACKAGE names no arm64 package: use make test-hardware"))?;
    let workshop = Workshop::open()?;
    let house = House::open()?;
    let mut stage = Stage::set_up(&workshop, &house, &package)?;
    let mut score = Score::default();
    for scene in SCENES.iter().filter(|scene| only.is_none_or(|word| scene.name.contains(word))) {
        let began = Instant::now();
        match stage.play(scene) {
            Ok(None) => {
                score.passed += 1;
                println!("ok       {} ({:.1} s)", scene.name, began.elapsed().as_secs_f64());
            }
            Ok(Some(reason)) => {
                score.skipped += 1;
                println!("skipped  {}: {reason}", scene.name);
            }
            Err(error) => {
                score.failed += 1;
                println!("FAILED   {}: {error:#}\n{}", scene.name, stage.evidence());
                if let Err(error) = stage.recover() {
                    println!("the station does not come back: {error:#}");
                }
            }
        }
    }
    println!("\nfigures (an emulated processor on a shared machine: compare them with themselves)");
    for (name, figure) in stage.figures() {
        println!("  {name:<52} {figure}");
    }
    Ok(score)
}
