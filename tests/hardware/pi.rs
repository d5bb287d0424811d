//! QEMU's Raspberry Pi 3, for what of rppal can be seen there: outputs. QEMU aborts where a level is put on one of its inputs.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// The relay's line, by Broadcom's number.
const RELAY: u32 = 24;
/// Registers of the GPIO controller: what each line is for, and its level.
const FUNCTION_20_TO_29: u32 = 0x3f20_0008;
const LEVEL_0_TO_31: u32 = 0x3f20_0034;
/// It boots into an initial ramdisk only.
const WITHIN: Duration = Duration::from_secs(180);

/// What the controller says about the relay's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub is_output: bool,
    pub high: bool,
}

/// A Pi that runs. Dropped, its power is cut.
pub struct Pi {
    qemu: Child,
    registers: BufReader<UnixStream>,
    serial: PathBuf,
    deadline: Instant,
}

impl Pi {
    /// Starts a Pi with the program of a package. `made` is what `prepare` made.
    pub fn start(made: &Path, scratch: &Path, package: &Path) -> anyhow::Result<Self> {
        let initrd = initial_ramdisk(made, scratch, package)?;
        let (serial, socket) = (scratch.join("pi-serial.log"), scratch.join("pi-registers"));
        let qemu = Command::new("qemu-system-aarch64")
            .args(["-M", "raspi3b", "-accel", "tcg,thread=multi", "-display", "none", "-no-reboot", "-monitor", "none"])
            .arg("-kernel")
            .arg(made.join("vmlinuz"))
            .arg("-dtb")
            .arg(made.join("pi.dtb"))
            .arg("-initrd")
            .arg(initrd)
            // rppal wants /dev/mem where a kernel has no /dev/gpiomem, and Debian's guards it.
            .args(["-append", "console=ttyS1,115200 loglevel=4 panic=-1 iomem=relaxed rdinit=/init"])
            .args(["-serial", "null", "-serial"])
            .arg(format!("file:{}", serial.display()))
            .arg("-qtest")
            .arg(format!("unix:{},server,nowait", socket.display()))
            .args(["-qtest-log", "/dev/null"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("qemu-system-aarch64")?;
        let deadline = Instant::now() + WITHIN;
        let registers = loop {
            match UnixStream::connect(&socket) {
                Ok(socket) => break socket,
                Err(error) if Instant::now() > deadline => return Err(error).context("QEMU's socket of the Pi"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        registers.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { qemu, registers: BufReader::new(registers), serial, deadline })
    }

    /// The relay's line as it is once the program inside has said this.
    pub fn line_at(&mut self, mark: &str) -> anyhow::Result<Line> {
        loop {
            let said = self.console();
            if said.contains(&format!("MARK {mark}.")) {
                let function = self.register(FUNCTION_20_TO_29)? >> ((RELAY - 20) * 3) & 0b111;
                let high = self.register(LEVEL_0_TO_31)? >> RELAY & 1 == 1;
                return Ok(Line { is_output: function == 0b001, high });
            }
            ensure!(self.qemu.try_wait()?.is_none(), "the Pi went out before {mark:?}: {said}");
            ensure!(Instant::now() < self.deadline, "the Pi never said {mark:?}: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What was written to its console.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.serial).unwrap_or_default()).into_owned()
    }

    fn register(&mut self, address: u32) -> anyhow::Result<u32> {
        writeln!(self.registers.get_mut(), "readl {address:#x}")?;
        let mut line = String::new();
        self.registers.read_line(&mut line)?;
        let Some(value) = line.trim().strip_prefix("OK 0x") else { bail!("QEMU says {line:?}") };
        Ok(u32::try_from(u64::from_str_radix(value, 16)?)?)
    }
}

impl Drop for Pi {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What `prepare` made, and after it an archive with the package's program and two doors: one whose relay closes with a high
/// level, one whose relay closes with a low one.
fn initial_ramdisk(made: &Path, scratch: &Path, package: &Path) -> anyhow::Result<PathBuf> {
    let root = scratch.join("pi");
    let unpacked = Command::new("dpkg-deb").arg("-x").arg(package).arg(&root).status().context("dpkg-deb")?;
    ensure!(unpacked.success(), "dpkg-deb cannot unpack {}", package.display());
    fs::create_dir_all(root.join("door"))?;
    for active in ["high", "low"] {
        let door = format!(
            "[door]\nname = \"Front door\"\n\
             [hub]\naddress = \"https://hub.doorward.test\"\ncredential = {{ file = \"/door/credential\" }}\n\
             [[button]]\nid = \"flat-1\"\nlabel = \"Flat 1\"\nreceiver = {{ group = \"flat-1\" }}\n\
             [panel.gpio.rppal]\nbutton.flat-1 = {{ line = 17 }}\nrelay = {{ line = {RELAY}, active = \"{active}\" }}\n"
        );
        fs::write(root.join(format!("door/{active}.toml")), door)?;
    }
    let archive = Command::new("cpio")
        .args(["-o", "-H", "newc", "--quiet"])
        .current_dir(&root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cpio")?;
    let names = "usr\nusr/bin\nusr/bin/doorward\ndoor\ndoor/high.toml\ndoor/low.toml\n";
    archive.stdin.as_ref().context("cpio reads names")?.write_all(names.as_bytes())?;
    let archive = archive.wait_with_output()?;
    ensure!(archive.status.success(), "cpio failed");
    let mut both = fs::read(made.join("pi.cpio"))?;
    both.extend(archive.stdout);
    let path = scratch.join("pi-initrd");
    fs::write(&path, both)?;
    Ok(path)
}
