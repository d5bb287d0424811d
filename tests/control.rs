//! The running door station as its operator sees it: status, press, and a configuration that is read again.

#![cfg(feature = "media")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// A station without a hub: it keeps a press for as long as it may.
struct Station {
    child: Child,
    log: BufReader<ChildStderr>,
    directory: tempfile::TempDir,
}

impl Station {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        configure(directory.path(), "Flat 1");
        let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(["run", "--config"])
            .arg(directory.path().join("door.toml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let output = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("it says that it is ready");
        assert!(line.starts_with("ready"), "{line:?}");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, log, directory }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("door.sock")
    }

    fn asked(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.args(words).arg("--socket").arg(self.socket()).output().expect("the binary was built for this test")
    }

    /// While the configuration is read again there may be nobody at the socket.
    fn status(&self) -> Value {
        let output = self.asked(&["status", "--json"]);
        match output.status.code() {
            Some(0) => serde_json::from_slice(&output.stdout).expect("it is JSON"),
            Some(69) => Value::Null,
            _ => panic!("{output:?}"),
        }
    }

    /// Reads its log up to a line with these words.
    fn logs(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.log.read_line(&mut line).expect("it is text") > 0, "the log ended before {words:?}");
        }
    }

    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never came: {what}; {status}");
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().expect("every system has kill").success());
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A hub that nobody is, a page for a panel, one button with this label.
fn configure(directory: &Path, label: &str) {
    let (credential, socket) = (directory.join("credential"), directory.join("door.sock"));
    std::fs::write(&credential, "0".repeat(64)).expect("the directory is ours");
    let text = format!(
        "[door]\nname = \"Gate\"\n[hub]\naddress = \"http://127.0.0.1:9\"\ncredential = {{ file = {credential:?} }}\n\
         [[button]]\nid = \"flat-1\"\nlabel = \"{label}\"\nreceiver = {{ group = \"flat-1\" }}\n\
         [panel.page]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = {socket:?}\n[log]\nlevel = \"error\"\n"
    );
    std::fs::write(directory.join("door.toml"), text).expect("the directory is ours");
}

#[test]
fn the_operator_sees_how_the_station_is_and_presses() {
    let station = Station::start();
    let status = station.until("the station at rest", |status| status["phase"] == "Idle");
    assert_eq!(status["door"], "Gate");
    assert_eq!(status["hubReached"], false);
    assert_eq!(status["camera"], false);
    assert_eq!(status["buttons"][0]["label"], "Flat 1");
    let text = String::from_utf8(station.asked(&["status"]).stdout).expect("it is text");
    assert!(text.starts_with("Gate: Idle, up for ") && text.contains("hub:     not reached"), "{text}");

    let refused = station.asked(&["press", "flat-9"]);
    assert_eq!(refused.status.code(), Some(69));
    let why = String::from_utf8(refused.stderr).expect("it is text");
    assert_eq!(why, "doorward: there is no button flat-9; there are flat-1\n");
    assert!(station.asked(&["press", "flat-1"]).status.success());
    station.until("a press that is on its way", |status| status["phase"] == "Dialing");
}

#[test]
fn a_changed_configuration_is_read_again_and_a_wrong_one_changes_nothing() {
    let mut station = Station::start();
    let label = |status: &Value| status["buttons"][0]["label"].clone();
    configure(station.directory.path(), "First floor");
    station.signal("HUP");
    station.until("the new label", |status| label(status) == "First floor");

    // One with mistakes, and one that is well formed and cannot work.
    std::fs::write(station.directory.path().join("door.toml"), "[door]\nnam = 1\n").expect("the directory is ours");
    station.signal("HUP");
    station.logs("the new configuration has errors");
    configure(station.directory.path(), "Second floor");
    station.signal("HUP");
    station.until("the label after the mistake", |status| label(status) == "Second floor");
    configure(station.directory.path(), "Third floor");
    std::fs::remove_file(station.directory.path().join("credential")).expect("it is there");
    station.signal("HUP");
    station.logs("the new configuration does not work");
    station.until("a station as before", |status| !status.is_null());
}

#[test]
fn without_a_station_the_operator_is_told() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    let output = command.args(["status", "--socket"]).arg(directory.path().join("none.sock")).output();
    let output = output.expect("the binary was built for this test");
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is the door station running?"), "{output:?}");
}
