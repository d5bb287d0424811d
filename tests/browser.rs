//! The whole house with residents in a real browser: each test runs one file of `tests/browser` with node.
//!
//! Where node, its modules or Chromium are missing, a test fails and says so: `make test` installs them. Nothing here
//! knows what is tested.

#![cfg(feature = "media")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a test is not even begun without.
fn prepare() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let node = Command::new("node").arg("--version").output();
    assert!(node.is_ok_and(|node| node.status.success()), "node is missing: `make test` installs it");
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "the browser tests' modules are missing: `make browser-modules` installs them"
    );
    assert!(
        Path::new("/usr/bin/chromium").exists(),
        "Chromium is missing at /usr/bin/chromium: `make test` installs it"
    );
    folder
}

#[track_caller]
fn run(file: &str) {
    // What node says goes where the test's own output goes: it is seen when the test fails.
    let output = Command::new("node")
        .args(["--test", file])
        .current_dir(prepare())
        .env("DOORWARD_BINARY", env!("CARGO_BIN_EXE_doorward"))
        .output()
        .expect("node was there a moment ago");
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "tests/browser/{file} failed");
}

#[test]
fn admin() {
    run("admin.test.js");
}

#[test]
fn calls_consent() {
    run("calls_consent.test.js");
}

#[test]
fn calls_door() {
    run("calls_door.test.js");
}

#[test]
fn calls_group() {
    run("calls_group.test.js");
}

#[test]
fn calls_open() {
    run("calls_open.test.js");
}

#[test]
fn calls_push() {
    run("calls_push.test.js");
}

#[test]
fn calls_waiting() {
    run("calls_waiting.test.js");
}

#[test]
fn recovery_door() {
    run("recovery_door.test.js");
}

#[test]
fn recovery_hub() {
    run("recovery_hub.test.js");
}

#[test]
fn recovery_media() {
    run("recovery_media.test.js");
}

#[test]
fn recovery_phone() {
    run("recovery_phone.test.js");
}

/// In a network of its own, for it breaks it.
#[test]
fn network() {
    let here = std::env::current_exe().expect("a test is a program");
    if std::env::var_os("DOORWARD_OWN_NETWORK").is_some() {
        return run("network.test.js");
    }
    let has = |tool: &str| Path::new("/usr/sbin").join(tool).exists();
    if !rustix::process::geteuid().is_root() || !has("nft") || !has("ip") {
        println!("skipped: it needs root, and the Debian packages nftables and iproute2");
        return;
    }
    let script = "ip link set lo up && exec \"$0\" --exact network --nocapture";
    let done = Command::new("unshare")
        .args(["--net", "sh", "-c", script])
        .arg(here)
        .env("DOORWARD_OWN_NETWORK", "yes")
        .status()
        .expect("unshare is part of every Debian");
    assert!(done.success(), "tests/browser/network.test.js failed");
}
