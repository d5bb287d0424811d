//! A board without a board: QEMU's `virt` machine with Debian's kernel and systemd, its GPIO pins on the host's side of the
//! fence, and a hand inside that runs what the test says.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use data_encoding::BASE64;

use crate::pins::Pins;

/// An emulated machine on a busy host may take this long to start.
const BOOT: Duration = Duration::from_secs(240);
/// What the hand inside does takes no longer.
const ERRAND: Duration = Duration::from_secs(180);

/// A running machine. Dropped, its power is cut.
pub struct Machine {
    qemu: Child,
    monitor: UnixStream,
    agent: BufReader<UnixStream>,
    errand: u64,
    /// The pins of its GPIO controller.
    pub pins: Pins,
    /// When its power came on.
    pub started: Instant,
    /// How long it took until something inside answered.
    pub answered: Duration,
    serial: PathBuf,
}

/// How the power comes on.
#[derive(Default)]
pub struct Start {
    /// Added to the kernel's command line.
    pub words: &'static str,
    /// The board has no clock that runs without power: it believes that it is 1970.
    pub without_clock: bool,
    /// The network cable is not plugged in.
    pub unplugged: bool,
}

/// What came of an errand.
pub struct Done {
    pub code: i32,
    pub text: String,
}

/// A place for disks and sockets, with what `prepare` made beside it.
pub struct Workshop {
    made: PathBuf,
    scratch: tempfile::TempDir,
}

impl Workshop {
    pub fn open() -> anyhow::Result<Self> {
        let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hardware");
        Ok(Self { made, scratch: tempfile::tempdir()? })
    }

    /// What `prepare` made.
    pub fn made(&self) -> &Path {
        &self.made
    }

    /// A place for what goes when the test ends.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// A directory that the machine sees, read only, as /share.
    pub fn share(&self) -> anyhow::Result<PathBuf> {
        let share = self.scratch.path().join("share");
        fs::create_dir_all(&share)?;
        Ok(share)
    }

    /// A new disk with Debian on it, or with what is on another disk; nothing written to it reaches that one.
    pub fn disk(&self, name: &str, on: Option<&Path>) -> anyhow::Result<PathBuf> {
        let disk = self.scratch.path().join(name);
        let (base, format) = match on {
            Some(base) => (base.to_owned(), "qcow2"),
            None => (self.made.join("root.ext4"), "raw"),
        };
        let made = Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", format, "-b"])
            .args([&base, &disk])
            .status()
            .context("qemu-img")?;
        ensure!(made.success(), "qemu-img refused to make {}", disk.display());
        Ok(disk)
    }

    /// Switches a machine on and waits until something inside answers.
    pub fn power_on(&self, disk: &Path, start: &Start) -> anyhow::Result<Machine> {
        let path = |name: &str| self.scratch.path().join(name);
        for socket in ["pins", "monitor", "agent"] {
            let _ = fs::remove_file(path(socket));
        }
        let serial = path("serial.log");
        let socket = |name: &str| format!("unix:{},server,nowait", path(name).display());
        let log = fs::File::create(path("qemu.log"))?;
        let qemu = Command::new("qemu-system-aarch64")
            .args(["-M", "virt,gic-version=3", "-cpu", "cortex-a53", "-smp", "2", "-m", "768"])
            // No KVM: it is not there, or not allowed, on the machines this is made for.
            .args(["-accel", "tcg,thread=multi", "-display", "none", "-no-reboot", "-nodefaults"])
            .arg("-dtb")
            .arg(self.made.join("door.dtb"))
            .arg("-kernel")
            .arg(self.made.join("vmlinuz"))
            .arg("-initrd")
            .arg(self.made.join("initrd.gz"))
            .arg("-append")
            .arg(format!(
                "console=ttyAMA0 loglevel=4 panic=-1 mitigations=off systemd.show_status=0 net.ifnames=0 {}",
                start.words
            ))
            .args(["-rtc", if start.without_clock { "base=1970-01-01" } else { "base=utc" }])
            .arg("-serial")
            .arg(format!("file:{}", serial.display()))
            .arg("-monitor")
            .arg(socket("monitor"))
            .arg("-qtest")
            .arg(socket("pins"))
            .args(["-qtest-log", "/dev/null"])
            .arg("-drive")
            .arg(format!("file={},format=qcow2,if=none,id=disk", disk.display()))
            .args(["-device", "virtio-blk-pci,drive=disk"])
            .arg("-fsdev")
            .arg(format!("local,id=share,path={},security_model=none,readonly=on", self.share()?.display()))
            .args(["-device", "virtio-9p-pci,fsdev=share,mount_tag=share"])
            .args(["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="])
            .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"])
            .arg("-chardev")
            .arg(format!("socket,id=agent,path={},server=on,wait=off", path("agent").display()))
            .args(["-device", "virtserialport,chardev=agent,name=agent"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("qemu-system-aarch64")?;
        let started = Instant::now();
        let connected = |name: &str| -> anyhow::Result<UnixStream> {
            let deadline = Instant::now() + Duration::from_secs(20);
            loop {
                match UnixStream::connect(path(name)) {
                    Ok(socket) => return Ok(socket),
                    Err(error) if Instant::now() > deadline => {
                        let said = fs::read_to_string(path("qemu.log")).unwrap_or_default();
                        return Err(error).with_context(|| format!("QEMU's socket {name:?}: {said}"));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        };
        let agent = connected("agent")?;
        agent.set_read_timeout(Some(BOOT))?;
        let mut monitor = connected("monitor")?;
        if start.unplugged {
            // Long before the kernel looks.
            monitor.write_all(b"set_link net off\n")?;
        }
        let device = gpio_controller(&mut monitor)?;
        let pins = Pins::watch(connected("pins")?, &device)?;
        let agent = BufReader::new(agent);
        let mut machine = Machine { qemu, monitor, agent, errand: 0, pins, started, answered: Duration::ZERO, serial };
        let hello = machine.line().with_context(|| machine.last_words())?;
        ensure!(hello.starts_with("ready "), "the machine said {hello:?}");
        machine.answered = started.elapsed();
        machine.agent.get_ref().set_read_timeout(Some(ERRAND))?;
        Ok(machine)
    }
}

impl Machine {
    /// Runs a script inside, whatever comes of it.
    pub fn try_run(&mut self, script: &str) -> anyhow::Result<Done> {
        self.errand += 1;
        let number = self.errand;
        writeln!(self.agent.get_mut(), "{number} {}", BASE64.encode(script.as_bytes()))?;
        loop {
            let line = self.line()?;
            let mut words = line.split_whitespace();
            if words.next() != Some(&number.to_string()) {
                continue;
            }
            let code = words.next().context("an errand has an exit code")?.parse()?;
            let text = BASE64.decode(words.next().unwrap_or_default().as_bytes())?;
            return Ok(Done { code, text: String::from_utf8_lossy(&text).into_owned() });
        }
    }

    /// Runs a script inside that must succeed.
    pub fn run(&mut self, script: &str) -> anyhow::Result<String> {
        let done = self.try_run(script)?;
        ensure!(done.code == 0, "inside, exit code {}: {script}\n{}", done.code, done.text);
        Ok(done.text.trim().to_owned())
    }

    /// Runs a script inside until it succeeds.
    pub fn wait_for(&mut self, what: &str, script: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + ERRAND;
        loop {
            let done = self.try_run(script)?;
            if done.code == 0 {
                return Ok(done.text.trim().to_owned());
            }
            if Instant::now() > deadline {
                bail!("it never came to this: {what}\n{}", done.text);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Puts the network cable in.
    pub fn plug_in(&mut self) -> anyhow::Result<()> {
        Ok(self.monitor.write_all(b"set_link net on\n")?)
    }

    /// Without a word, in the middle of whatever it does.
    pub fn cut_power(&mut self) -> anyhow::Result<()> {
        self.qemu.kill()?;
        self.qemu.wait()?;
        Ok(())
    }

    /// What was written to its console.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.serial).unwrap_or_default()).into_owned()
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let length = self.agent.read_line(&mut line).context("nothing inside answers")?;
        ensure!(length > 0, "the machine went out");
        Ok(line.trim().to_owned())
    }

    fn last_words(&self) -> String {
        let text = self.console();
        let lines: Vec<&str> = text.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Where the GPIO controller is in QEMU's tree; its number moves with the devices before it.
fn gpio_controller(monitor: &mut UnixStream) -> anyhow::Result<String> {
    monitor.set_read_timeout(Some(Duration::from_secs(2)))?;
    monitor.write_all(b"info qom-tree\n")?;
    let mut tree = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut buffer = [0; 65536];
    loop {
        match monitor.read(&mut buffer) {
            Ok(0) => bail!("QEMU closed its monitor"),
            Ok(length) => tree.extend_from_slice(&buffer[..length]),
            Err(_) => ensure!(Instant::now() < deadline, "QEMU's monitor does not answer"),
        }
        let text = String::from_utf8_lossy(&tree);
        let device = text.lines().find(|line| line.contains("(pl061)") && line.trim_end().ends_with(')'));
        if let Some(device) = device {
            let name = device.trim().trim_start_matches('/').split(' ').next().unwrap_or_default();
            return Ok(format!("/machine/unattached/{name}"));
        }
    }
}
