//! The hub as a process of its own, to be killed, starved or measured. Shared by tests of the hub.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Nothing takes longer unless it is broken, also on a machine with much else to do.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running hub, killed with this value.
pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
    said: Arc<Mutex<String>>,
}

/// The command that starts a hub on a state directory, at a free port of loopback.
pub fn command(state: &Path, more: &str) -> (String, Vec<String>) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
    let text = format!("[server]\nlisten = \"127.0.0.1:0\"\nstate-directory = \"{}\"\n{more}", state.display());
    std::fs::write(file.path(), text).expect("it is writable");
    let (_, path) = file.keep().expect("it is ours");
    let arguments = ["hub", "--config", &path.display().to_string()].map(str::to_owned).to_vec();
    (env!("CARGO_BIN_EXE_doorward").to_owned(), arguments)
}

pub async fn spawn(state: &Path) -> Process {
    let (program, arguments) = command(state, "");
    Process::start(&program, &arguments).await.expect("it starts")
}

impl Process {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// It ended before: how, and what it said.
    pub async fn start(program: &str, arguments: &[String]) -> Result<Self, (ExitStatus, String)> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let said = Arc::<Mutex<String>>::default();
        let mut complaints = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let heard = said.clone();
        let hearing = tokio::spawn(async move {
            while let Ok(Some(line)) = complaints.next_line().await {
                *heard.lock().expect("nobody fails here") += &(line + "\n");
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = timeout(DEADLINE, lines.next_line()).await.expect("in time").expect("text");
        let Some(line) = line else {
            let status = child.wait().await.expect("it ended");
            hearing.await.expect("it only reads");
            let said = said.lock().expect("nobody fails here").clone();
            return Err((status, said));
        };
        let address = line.strip_prefix("ready address=http://").expect("its address").parse().expect("an address");
        Ok(Self { child, address, said })
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What it wrote to its log so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("nobody fails here").clone()
    }

    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Resident set, in kB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has one");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}
