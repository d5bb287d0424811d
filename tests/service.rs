//! The daemons under a service manager: what they tell it, and the units that start them. The manager here is a socket; the
//! real one is the virtual machine's (`make test-hardware`).

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// A daemon and the socket on which it speaks to its manager.
struct Service {
    child: Child,
    socket: UnixDatagram,
    started: Instant,
    _directory: tempfile::TempDir,
}

impl Service {
    /// Starts the binary with a watchdog. `arguments` end in the configuration's file, which holds `configuration`.
    fn start(arguments: &[&str], configuration: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("the directory is ours");
        socket.set_read_timeout(Some(DEADLINE)).expect("it is not zero");
        let file = directory.path().join("configuration.toml");
        std::fs::write(&file, configuration(directory.path())).expect("the directory is ours");
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(arguments)
            .arg(&file)
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "900000")
            .env("CREDENTIALS_DIRECTORY", directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary was built for this test");
        Self { child, socket, started, _directory: directory }
    }

    /// The next message that contains `word`.
    fn says(&self, word: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut buffer = [0; 4096];
        while Instant::now() < deadline {
            let length = self.socket.recv(&mut buffer).expect("the daemon speaks");
            let text = String::from_utf8_lossy(&buffer[..length]);
            if text.contains(word) {
                return text.into_owned();
            }
        }
        panic!("the daemon never said {word:?}");
    }

    /// The daemon says that it works; how long it took to say so is printed.
    fn becomes_ready(&self) {
        self.says("READY=1");
        println!("start to READY=1: {:.1} ms", self.started.elapsed().as_secs_f64() * 1e3);
    }

    fn signal(&self, pid: u32, signal: &str) {
        let pid = pid.to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().expect("every system has kill");
        assert!(sent.success());
    }

    fn ends_well(mut self) {
        self.signal(self.child.id(), "TERM");
        self.says("STOPPING=1");
        assert!(self.child.wait().expect("it is our child").success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_hub_feeds_the_watchdog_as_long_as_its_loop_turns() {
    let hub = Service::start(&["hub", "--config"], |directory| {
        let state = directory.join("state");
        format!("[server]\nlisten = \"127.0.0.1:0\"\nstate-directory = {state:?}\n")
    });
    hub.becomes_ready();
    for _ in 0..3 {
        hub.says("WATCHDOG=1");
    }
    hub.ends_well();
}

#[cfg(feature = "media")]
#[test]
fn a_door_feeds_the_watchdog_also_while_its_worker_hangs() {
    let door = Service::start(&["run", "--config"], |directory| {
        std::fs::write(directory.join("hub-credential"), "dwd_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
            .expect("the directory is ours");
        "[hub]\naddress = \"http://127.0.0.1:9\"\ncredential = { credential = \"hub-credential\" }\n\
         [[button]]\nid = \"one\"\nlabel = \"One\"\nreceiver = { group = \"flat-1\" }\n\
         [panel.page]\nlisten = \"127.0.0.1:0\"\n"
            .to_owned()
    });
    door.becomes_ready();
    door.says("STATUS=");
    door.says("WATCHDOG=1");
    let worker = children(door.child.id());
    let [worker] = worker[..] else { panic!("a door has one child, its media worker: {worker:?}") };
    door.signal(worker, "STOP");
    // It is found hanging after five seconds, killed and replaced; meanwhile nobody needs to kill the door.
    let deadline = Instant::now() + DEADLINE;
    while children(door.child.id()).contains(&worker) {
        assert!(Instant::now() < deadline, "a worker that hangs is replaced");
        door.says("WATCHDOG=1");
    }
    door.says("WATCHDOG=1");
    door.ends_well();
}

#[cfg(feature = "media")]
fn children(pid: u32) -> Vec<u32> {
    let list = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(list).expect("the kernel tells of children");
    text.split_whitespace().map(|pid| pid.parse().expect("a number")).collect()
}

fn systemd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

#[test]
fn every_unit_is_locked_up() {
    for unit in ["doorward.service", "doorward-hub.service", "doorward-degraded.service"] {
        let path = systemd().join(unit);
        let analysed = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
            .arg(&path)
            .output();
        let Ok(analysed) = analysed else {
            println!("skipped: there is no systemd-analyze on this machine");
            return;
        };
        let report = String::from_utf8_lossy(&analysed.stdout);
        let score = report.lines().last().unwrap_or_default();
        println!("{score}");
        assert!(
            analysed.status.success(),
            "{unit} may be at most 2.0: {score}\n{}",
            String::from_utf8_lossy(&analysed.stderr)
        );
    }
}

#[test]
fn a_door_may_use_what_it_needs_and_asks_for_nothing_that_may_be_missing() {
    let unit = std::fs::File::open(systemd().join("doorward.service")).expect("it is there");
    let lines: Vec<String> = BufReader::new(unit).lines().map(|line| line.expect("it is text")).collect();
    let has = |wanted: &str| lines.iter().any(|line| line == wanted);
    for wanted in ["Type=notify", "KillMode=mixed", "OOMPolicy=continue", "RestartPreventExitStatus=64 78"] {
        assert!(has(wanted), "{wanted}");
    }
    assert!(lines.iter().any(|line| line.starts_with("ExecStopPost=+/usr/bin/doorward relay-safe")));
    for line in lines.iter().filter(|line| !line.starts_with('#')) {
        for late in ["network-online.target", "time-sync.target", "sound.target", "StateDirectory="] {
            assert!(!line.contains(late), "a door starts without it: {line}");
        }
    }
}
