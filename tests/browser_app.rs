//! The residents' app in a real browser: its types; its screens against a small hub and a door made of another page, where
//! every state is easily reached; and its calls with the real hub and the real door of this binary.

#![cfg(feature = "media")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs a script of the browser tests' package, and fails with all it said.
fn script(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "the browser's modules are missing: make browser-modules"
    );
    let run = Command::new("npm")
        .args(["run", "--silent", name])
        .env("DOORWARD", env!("CARGO_BIN_EXE_doorward"))
        .current_dir(folder)
        .output();
    let Output { status, stdout, stderr } = run.expect("npm is installed: .ci/setup test");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "npm run {name}: {status}\n{stdout}\n{stderr}");
}

#[test]
fn the_app_is_well_typed() {
    script("check");
}

#[test]
fn the_app_shows_every_state_of_a_call() {
    script("test-screens");
}

#[test]
fn the_app_calls_with_the_real_door() {
    script("test-calls");
}
