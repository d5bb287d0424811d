//! Which GStreamer objects live in a worker, as GStreamer's own leaks tracer counts them.
//!
//! The tracer lists them in a file whenever the process gets SIGUSR1: nothing is added to the worker for it.

#![allow(dead_code, reason = "every test that includes it uses a part of it")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use doorward::media::worker::WorkerCommand;
use rustix::process::{Pid, Signal, kill_process};

/// How many live of each type.
pub type Census = BTreeMap<String, usize>;

/// Longer than any list takes to be written.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the tracer writes.
pub struct Registry {
    directory: tempfile::TempDir,
}

impl Registry {
    /// Of nobody yet.
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A worker that is counted.
    pub fn command(&self) -> WorkerCommand {
        let file = format!("GST_DEBUG_FILE={}", self.file().display());
        let variables = ["GST_TRACERS=leaks", "GST_LEAKS_TRACER_SIG=1", "GST_DEBUG=GST_TRACER:7,leaks:7", &file];
        let worker = [env!("CARGO_BIN_EXE_doorward"), "media-worker"];
        // `env` becomes the worker: it has its process number.
        WorkerCommand {
            program: "env".into(),
            arguments: variables.into_iter().chain(worker).map(Into::into).collect(),
        }
    }

    /// Those alive in this process now.
    pub async fn census(&self, pid: u32) -> Census {
        let before = self.written().len();
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid is positive");
        kill_process(pid, Signal::USR1).expect("it is our child");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let written = self.written();
            let listed = written.get(before..).unwrap_or_default();
            let is_whole = listed.lines().any(|line| line.contains("listed") && line.ends_with("alive objects"));
            if is_whole || listed.contains("No objects alive") {
                return count(listed);
            }
            assert!(Instant::now() < deadline, "the tracer lists nothing; it wrote: {written:.2000}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("alive")
    }

    fn written(&self) -> String {
        std::fs::read(self.file()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

fn count(listed: &str) -> Census {
    let mut census = Census::new();
    let types = listed.lines().filter_map(|line| line.split_once("object-alive, type-name=(string)"));
    for (_, rest) in types {
        let name = rest.split(',').next().unwrap_or_default();
        *census.entry(name.to_owned()).or_default() += 1;
    }
    census
}
