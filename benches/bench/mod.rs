//! What every bench needs: the machine it ran on, a row of figures, a house of real processes or threads.

#![allow(dead_code, reason = "every bench that includes it uses a part of it")]

pub mod pictures;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use doorward::hub::administration::Administration;
use doorward::redacted::Redacted;
use doorward::signaling::client::Settings;

/// Prints where and under which load the figures were taken.
pub fn machine(title: &str) {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("\t: unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("\n{title}");
    println!("machine:{}, {cores} cores, Linux {}", model.trim_start_matches(['\t', ':']), release.trim());
    println!("load:    {}", load());
}

/// What was asked for on the command line.
pub fn words() -> Vec<String> {
    std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect()
}

pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Prints a row: minimum, median, 99th percentile, in milliseconds.
pub fn row(what: &str, mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    let Some(last) = samples.len().checked_sub(1) else {
        println!("{what:<58} no samples");
        return Duration::ZERO;
    };
    let at = |share: usize| samples[(last * share / 100).min(last)];
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    println!(
        "{what:<58} n={:<5} min {:>8.3}  p50 {:>8.3}  p99 {:>8.3} ms",
        samples.len(),
        ms(at(0)),
        ms(at(50)),
        ms(at(99))
    );
    at(50)
}

/// What a process used since its start.
pub struct Usage {
    /// Of 10 ms: hundredths of a second of processor time, so ticks per second are per cent.
    pub ticks: u64,
    /// Voluntary context switches of all threads.
    pub switches: u64,
}

impl Usage {
    /// Of processor time, its own and the kernel's for it.
    pub fn seconds(&self) -> f64 {
        self.ticks as f64 / 100.0
    }
}

/// What this process used until now.
pub fn usage(pid: u32) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let switches = threads.map(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or_default()
    });
    Usage { ticks: number(11) + number(12), switches: switches.sum() }
}

/// Resident memory in KiB.
pub fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|size| size.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// A hub's state with one door and residents in one group.
pub struct Furnished {
    pub directory: tempfile::TempDir,
    pub door: Redacted<String>,
    pub residents: Vec<Redacted<String>>,
}

impl Furnished {
    pub fn new(residents: usize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut administration = Administration::open(&directory.path().join("hub")).expect("a new state directory");
        let group = "flat-1".parse().expect("a word");
        administration.add_group(&group, "Flat 1", false).expect("a new group");
        let door = "front".parse().expect("a word");
        administration.add_door(&door, "Front door", std::slice::from_ref(&group), &[]).expect("a new door");
        let station = administration.add_device(&door, "station").expect("the door is there");
        let residents = (0..residents)
            .map(|number| {
                let uid = format!("resident-{number}").parse().expect("a word");
                administration.add_user(&uid, "Resident", std::slice::from_ref(&group)).expect("a new user");
                administration.add_device(&uid, "phone").expect("the user is there").credential
            })
            .collect();
        Self { directory, door: station.credential, residents }
    }

    pub fn settings(address: &str, credential: &Redacted<String>) -> Settings {
        Settings { address: address.to_owned(), credential: credential.clone(), authority: None }
    }

    pub fn state(&self) -> PathBuf {
        self.directory.path().join("hub")
    }

    /// Starts the hub as a process of its own.
    pub fn hub(&self) -> Process {
        let config = self.directory.path().join("hub.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nstate-directory = {:?}\n[log]\nlevel = \"error\"\n",
            self.state()
        );
        fs::write(&config, text).expect("the directory is ours");
        Process::start(&["hub", "--config", &config.display().to_string()])
    }

    /// Starts the door as a process of its own.
    pub fn door(&self, hub: &str, more: &str) -> Process {
        let credential = self.directory.path().join("door.credential");
        fs::write(&credential, self.door.expose()).expect("the directory is ours");
        let config = self.directory.path().join("door.toml");
        fs::write(&config, door_toml(hub, &credential, more)).expect("the directory is ours");
        Process::start(&["run", "--config", &config.display().to_string()])
    }
}

fn door_toml(hub: &str, credential: &Path, more: &str) -> String {
    format!(
        "[hub]\naddress = \"{hub}\"\ncredential = {{ file = {credential:?} }}\n\
         [[button]]\nid = \"flat-1\"\nlabel = \"Flat 1\"\nreceiver = {{ group = \"flat-1\" }}\n\
         [panel.page]\nlisten = \"127.0.0.1:0\"\n[ice]\nloopback = true\n[log]\nlevel = \"error\"\n{more}"
    )
}

/// A running doorward, ended with this value.
pub struct Process {
    child: Child,
    /// The address in its ready line.
    pub address: String,
}

impl Process {
    /// Starts the binary and waits for its ready line.
    pub fn start(arguments: &[&str]) -> Self {
        use std::io::BufRead;

        let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this bench");
        let output = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        std::io::BufReader::new(output).read_line(&mut line).expect("it says that it is ready");
        let address = line.trim().split_once('=').map(|(_, address)| address.trim_end_matches('/').to_owned());
        Self { child, address: address.expect("its ready line has an address") }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The door's media worker, if it has one.
    pub fn worker(&self) -> Option<u32> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
