//! A door station as a real process, with its real media worker, behind a hub of its own on loopback.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hub_house::House;

/// Nothing takes longer unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A running station. Its button `flat-1` rings the group of that name.
pub struct Station {
    child: Child,
    directory: tempfile::TempDir,
}

impl Station {
    /// The front door of this house. `more` are further tables of its configuration.
    pub async fn start(house: &House, more: &str) -> Self {
        let front = house.device("front");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (credential, socket) = (directory.path().join("credential"), directory.path().join("door.sock"));
        std::fs::write(&credential, &front.credential).expect("the directory is ours");
        let text = format!(
            "[door]\nname = \"Gate\"\n[hub]\naddress = \"http://{}\"\ncredential = {{ file = {credential:?} }}\n\
             [[button]]\nid = \"flat-1\"\nlabel = \"Flat 1\"\nreceiver = {{ group = \"flat-1\" }}\n\
             [panel.page]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = {socket:?}\n[ice]\nloopback = true\n\
             [video]\nwidth = 320\nheight = 240\n{more}",
            house.address
        );
        std::fs::write(directory.path().join("door.toml"), text).expect("the directory is ours");
        let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(["run", "--config"])
            .arg(directory.path().join("door.toml"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let output = child.stdout.take().expect("it is piped");
        let first = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = first.await.expect("no panic").expect("it says that it is ready");
        assert!(line.starts_with("ready"), "{line:?}");
        let station = Self { child, directory };
        let ready = |status: &Value| status["hubReached"] == true && status["encoder"].is_string();
        station.until("the hub and an encoder", ready).await;
        station
    }

    /// Asks it by its control socket. The hub of this house goes on meanwhile.
    pub async fn asked(&self, words: &[&str]) -> Output {
        let socket: PathBuf = self.directory.path().join("door.sock");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.args(words).arg("--socket").arg(socket).output().await.expect("the binary was built for this test")
    }

    pub async fn press(&self) {
        assert!(self.asked(&["press", "flat-1"]).await.status.success());
    }

    pub async fn status(&self) -> Value {
        let output = self.asked(&["status", "--json"]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.status().await;
            if holds(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never came: {what}; {status}");
        }
    }

    /// Number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Number of its media worker's process.
    pub fn worker(&self) -> u32 {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
        let others = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
        let all: Vec<String> = others.chain([children]).collect();
        let first = all.iter().find_map(|children| children.split_whitespace().next()?.parse().ok());
        first.expect("the station has a media worker")
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process of this test.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a pid is positive");
    rustix::process::kill_process(pid, signal).expect("it is ours");
}

/// Whether a process is stopped.
pub fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}
