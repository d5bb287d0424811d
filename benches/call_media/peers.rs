//! Programs that are not ours, or run where our own code does not: what they print is put beside the door's figures. One that cannot run
//! here is skipped with a word.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::bench::row;

/// Two connections of aiortc.
pub fn aiortc() {
    let has = Command::new("python3").args(["-c", "import aiortc"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        println!("aiortc: skipped, python3 has it not (pip install aiortc)");
        return;
    }
    println!("aiortc with itself:");
    rows(Command::new("python3").arg(beside("aiortc_pair.py")));
}

/// Chromium at our door, and two connections of Chromium.
pub fn chromium() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let needed = [
        (Path::new("/usr/bin/node").to_owned(), "the Debian package nodejs"),
        (Path::new("/usr/bin/chromium").to_owned(), "the Debian package chromium"),
        (root.join("tests/browser/node_modules/playwright-core"), "playwright-core (npm ci in tests/browser)"),
    ];
    if let Some((_, missing)) = needed.iter().find(|(path, _)| !path.exists()) {
        println!("Chromium: skipped, {missing} is not installed");
        return;
    }
    println!("Chromium:");
    rows(Command::new("node").arg(beside("chromium.js")).env("DOORWARD_BINARY", env!("CARGO_BIN_EXE_doorward")));
}

fn beside(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/call_media").join(file)
}

#[derive(serde::Deserialize)]
struct Figure {
    what: String,
    milliseconds: Vec<f64>,
}

/// Each line is a figure.
fn rows(program: &mut Command) {
    let done = program.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("it was there just now");
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        match serde_json::from_str::<Figure>(line) {
            Ok(Figure { what, milliseconds }) => {
                let samples = milliseconds.iter().map(|each| Duration::from_secs_f64(each / 1000.0)).collect();
                row(&format!("  {what}"), samples);
            }
            Err(_) => println!("  {line}"),
        }
    }
    if !done.status.success() {
        println!("  it failed: {}", done.status);
    }
}
