//! The cases. Each finds the door at rest and leaves it at rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::house::{House, Phone};
use crate::leds;
use crate::machine::{Machine, Start, Workshop};
use crate::pi::{Line, Pi};
use crate::pins::{BUTTON_1, BUTTON_2, DOOR_CONTACT, REQUEST_TO_EXIT, TAMPER};

#[cfg(feature = "media")]
mod calls;
/// Without GStreamer there is nobody who could look and listen.
#[cfg(not(feature = "media"))]
#[path = "scenes/no_calls.rs"]
mod calls;
mod power;
mod release;

/// A ring, a pulse, a status: nothing of the door takes longer on an emulated processor unless it is broken.
const SOON: Duration = Duration::from_secs(20);
/// Long enough to hear what must not happen.
const A_WHILE: Duration = Duration::from_secs(4);

/// A case: its name says what holds.
pub struct Scene {
    pub name: &'static str,
    /// `Some` is the reason why it could not be tried here.
    act: fn(&mut Stage<'_>) -> anyhow::Result<Option<String>>,
}

pub const SCENES: &[Scene] = &[
    Scene { name: "a press on the pin rings at the resident", act: press_rings },
    Scene { name: "a second button rings its own flat", act: second_button },
    Scene { name: "twenty edges in ten milliseconds are one call", act: bounce },
    Scene {
        name: "lines that somebody else holds: it stays up, says so, and takes them when they are free",
        act: busy_lines,
    },
    Scene { name: "glitches shorter than `confirm` are none", act: glitch },
    Scene { name: "a button held for ten seconds is one call and a stuck button", act: held },
    Scene { name: "the hub's unit of the package serves on loopback", act: hub_unit },
    Scene { name: "a hung daemon is killed by the watchdog and started again", act: watchdog },
    Scene { name: "the LEDs at the pins show the animation of every phase", act: led_frames },
    Scene { name: "at rest the relay is without current", act: release::relay_at_rest },
    Scene { name: "request to exit is a pulse of the right length", act: release::request_to_exit },
    Scene {
        name: "a daemon killed within a pulse leaves the relay safe, without a new daemon",
        act: release::killed_in_a_pulse,
    },
    Scene { name: "a resident opens: relay, door contact, audit", act: release::resident_opens },
    Scene {
        name: "an opened enclosure is told, and no resident opens any more; request to exit does",
        act: release::tampered,
    },
    Scene { name: "a resident sees the door's picture and hears its tone", act: calls::test_sources },
    Scene { name: "vivid's picture and the loopback card's tone go through a call, both ways", act: calls::devices },
    Scene { name: "camera and sound card unbound in a call: it goes on, and they come back", act: calls::unplugged },
    Scene { name: "the sandbox refuses what a door does not need", act: sandbox },
    Scene { name: "five deaths within a minute leave a light that blinks", act: degraded },
    Scene {
        name: "no clock, a read-only system, no state, no network: it starts, and a press rings once the cable is in",
        act: power::bare_boot,
    },
    Scene { name: "power cuts while state is written lose nothing that was acknowledged", act: power::cuts },
    Scene { name: "rppal sets outputs on QEMU's raspi3b (its inputs cannot be injected there)", act: rppal_outputs },
    // The last one: it takes the station away.
    Scene { name: "an upgrade keeps configuration, removal keeps state, purge leaves nothing", act: package },
];

/// A machine with an enrolled door, its house, and a phone of each flat.
pub struct Stage<'a> {
    pub machine: Machine,
    pub anna: Phone,
    pub clara: Phone,
    pub house: &'a House,
    workshop: &'a Workshop,
    disk: PathBuf,
    package: PathBuf,
    figures: Vec<(String, String)>,
}

impl<'a> Stage<'a> {
    /// Boots, installs the package, enrols the door, and waits until it is ready.
    pub fn set_up(workshop: &'a Workshop, house: &'a House, package: &Path) -> anyhow::Result<Self> {
        let share = workshop.share()?;
        fs::copy(package, share.join("doorward.deb")).with_context(|| format!("{}", package.display()))?;
        fs::write(share.join("door.toml"), door_toml(house))?;
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hardware/guest/sandbox"), share.join("sandbox"))?;
        fs::write(share.join("hub-credential"), &house.credential)?;
        fs::write(share.join("hub-ca.pem"), &house.authority)?;
        let mut figures = Vec::new();
        let size = fs::metadata(package)?.len();
        figures.push(("package of the station, arm64".to_owned(), format!("{:.1} MB", mega(size))));
        if let Some(hub) = hub_package(package) {
            let size = fs::metadata(hub)?.len();
            figures.push(("package of the hub, arm64".to_owned(), format!("{:.1} MB", mega(size))));
        }

        let disk = workshop.disk("first.qcow2", None)?;
        let mut machine = workshop.power_on(&disk, &Start::default())?;
        println!("the machine is up after {:.1} s", machine.answered.as_secs_f64());
        machine.run("systemctl is-system-running --wait || true; modprobe spi-gpio")?;
        machine.run("dpkg -i /share/doorward.deb")?;
        let state =
            machine.run("systemctl show -P ActiveState doorward; systemctl show -P ConditionResult doorward")?;
        ensure!(state.split_whitespace().eq(["inactive", "no"]), "not enrolled, not started: {state}");
        machine.run(
            "cp /share/door.toml /etc/doorward/door.toml; cp /share/hub-ca.pem /etc/doorward/\n\
             install -m 600 /share/hub-credential /etc/doorward/hub-credential\n\
             doorward check /etc/doorward/door.toml && systemctl start doorward",
        )?;
        let binary: u64 = machine.run("stat -c %s /usr/bin/doorward")?.parse()?;
        figures.push(("binary, arm64".to_owned(), format!("{:.1} MB", mega(binary))));
        let began = machine.run("systemctl show -P ExecMainStartTimestampMonotonic doorward")?.parse::<u64>()?;
        let ready = machine.run("systemctl show -P ActiveEnterTimestampMonotonic doorward")?.parse::<u64>()?;
        figures.push(("start of the daemon to READY=1".to_owned(), format!("{:.0} ms", (ready - began) as f64 / 1e3)));
        let score = machine.run("systemd-analyze security --no-pager doorward | tail -n1")?;
        figures.push(("systemd-analyze security".to_owned(), score.trim_start_matches("→ ").to_owned()));
        let package = package.to_owned();
        let (anna, clara) = (house.phone("anna")?, house.phone("clara")?);
        let mut stage = Self { machine, anna, clara, house, workshop, disk, package, figures };
        stage.wait_for_hub()?;
        Ok(stage)
    }

    /// Plays one scene from rest to rest.
    pub fn play(&mut self, scene: &Scene) -> anyhow::Result<Option<String>> {
        self.anna.forget();
        self.clara.forget();
        self.machine.pins.clear();
        (scene.act)(self)
    }

    /// After a scene that failed: hands off the pins, and the station anew.
    pub fn recover(&mut self) -> anyhow::Result<()> {
        for line in [BUTTON_1, BUTTON_2, DOOR_CONTACT, REQUEST_TO_EXIT, TAMPER] {
            self.machine.pins.set(line, false)?;
        }
        self.machine.try_run(
            "systemctl stop watching looking tone 2>/dev/null\n\
             [ ! -e /run/door.toml ] || cp /run/door.toml /etc/doorward/door.toml\n\
             systemctl reset-failed doorward; systemctl restart doorward",
        )?;
        self.wait_for_hub()
    }

    /// What the door logged last.
    pub fn evidence(&mut self) -> String {
        let log = self
            .machine
            .try_run("journalctl -u doorward -n 25 -o cat --no-pager; systemctl status doorward | head -n 12");
        log.map_or_else(|error| format!("{error:#}"), |done| done.text)
    }

    pub fn figures(&self) -> &[(String, String)] {
        &self.figures
    }

    fn figure(&mut self, name: &str, value: String) {
        self.figures.push((name.to_owned(), value));
    }

    fn wait_for_hub(&mut self) -> anyhow::Result<()> {
        self.machine
            .wait_for(
                "the door reaches the hub",
                "journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID doorward) -o cat | grep -q 'the hub is reached'",
            )
            .map(drop)
    }

    /// Down for a tenth of a second.
    fn press(&mut self, line: u8) -> anyhow::Result<std::time::Instant> {
        let at = self.machine.pins.set(line, true)?;
        std::thread::sleep(Duration::from_millis(100));
        self.machine.pins.set(line, false)?;
        Ok(at)
    }

    /// The caller hangs up, and the door is at rest again.
    fn calm_down(&mut self, session: doorward::ids::SessionId) -> anyhow::Result<()> {
        use doorward::signaling::protocol::RejectStatus;
        let handle = self.house.handle.clone();
        // The only member of a flat: its refusal ends the call.
        let client = self.anna.client.clone();
        if handle.block_on(client.reject(session, RejectStatus::Rejected)).is_err() {
            let client = self.clara.client.clone();
            handle.block_on(client.reject(session, RejectStatus::Rejected))?;
        }
        self.rest()
    }

    fn rest(&mut self) -> anyhow::Result<()> {
        self.machine
            .wait_for("the door is at rest", "systemctl show -P StatusText doorward | grep -q '^Idle'")
            .map(drop)
    }
}

/// The lines of the board by their names. `confirm` is longer than by default: the emulated processor can be away for
/// longer than 5 ms between two edges.
fn door_toml(house: &House) -> String {
    format!(
        "[door]\nname = \"Front door\"\nstate-directory = \"/var/lib/doorward\"\n\
         [hub]\naddress = \"{}\"\ncredential = {{ credential = \"hub-credential\" }}\nca-file = \"/etc/doorward/hub-ca.pem\"\n\
         [[button]]\nid = \"flat-1\"\nlabel = \"Flat 1\"\nreceiver = {{ group = \"flat-1\" }}\n\
         [[button]]\nid = \"flat-2\"\nlabel = \"Flat 2\"\nreceiver = {{ group = \"flat-2\" }}\n\
         [panel.gpio.chardev]\n\
         button.flat-1 = {{ line = \"BTN_1\", active = \"high\" }}\n\
         button.flat-2 = {{ line = \"BTN_2\", active = \"high\" }}\n\
         door-contact = {{ line = \"DOOR_CONTACT\", active = \"high\" }}\n\
         request-to-exit = {{ line = \"REX\", active = \"high\" }}\n\
         tamper = {{ line = \"TAMPER\", active = \"high\" }}\n\
         relay = {{ line = \"RELAY\" }}\n\
         [gestures]\nconfirm = \"20ms\"\n\
         [call]\ndial-deadline = \"1m\"\nconnect-deadline = \"1m\"\n\
         [video]\nwidth = 320\nheight = 240\nframe-rate = 5\n",
        house.address_inside()
    )
}

/// The hub's package of the same build.
fn hub_package(station: &Path) -> Option<PathBuf> {
    let name = station.file_name()?.to_str()?;
    let package = station.with_file_name(name.replacen("doorward_", "doorward-hub_", 1));
    package.exists().then_some(package)
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1e3)
}

fn press_rings(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    let pressed = stage.press(BUTTON_1)?;
    let (rang, session) = stage.anna.rings(SOON)?;
    ensure!(stage.clara.rings_counted(A_WHILE) == 0, "the other flat rings too");
    stage.figure("press on the pin to the ring at the resident", milliseconds(rang - pressed));
    stage.figure("power-on to the first ring, with installation", milliseconds(rang - stage.machine.started));
    stage.calm_down(session)?;
    Ok(None)
}

fn second_button(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.press(BUTTON_2)?;
    let (_, session) = stage.clara.rings(SOON)?;
    ensure!(stage.anna.rings_counted(A_WHILE) == 0, "the other flat rings too");
    stage.calm_down(session)?;
    Ok(None)
}

fn bounce(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    for edge in 0..20 {
        stage.machine.pins.set(BUTTON_1, edge % 2 == 0)?;
        std::thread::sleep(Duration::from_micros(500));
    }
    stage.press(BUTTON_1)?;
    let (_, session) = stage.anna.rings(SOON)?;
    ensure!(stage.anna.rings_counted(A_WHILE) == 0, "it rings again");
    stage.calm_down(session)?;
    Ok(None)
}

fn glitch(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    for _ in 0..20 {
        stage.machine.pins.glitch(BUTTON_1)?;
        std::thread::sleep(Duration::from_millis(150));
    }
    ensure!(stage.anna.rings_counted(A_WHILE) == 0, "a glitch rings");
    Ok(None)
}

/// Whoever watches the lines holds them: the station cannot have them meanwhile, and its own are busy to whoever checks.
fn busy_lines(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    let check = stage.machine.try_run("doorward check --hardware /etc/doorward/door.toml")?;
    ensure!(check.code == 69 && check.text.contains("busy"), "what runs has the lines: {}", check.text);
    stage.machine.run(
        "systemctl stop doorward\n\
         systemd-run -q --unit=watching doorward check --hardware --watch-buttons 5m /etc/doorward/door.toml",
    )?;
    stage.machine.wait_for("the lines are watched", "journalctl -u watching -o cat | grep -q 'Watching every line'")?;
    stage.machine.run("systemctl start doorward")?;
    stage.machine.wait_for(
        "the status names the lines",
        "systemctl show -P StatusText doorward | grep 'at fault' | grep -q 'button flat-1: busy'",
    )?;
    // As a field of the journal: the text of a line is always the same.
    stage.machine.run("journalctl -u doorward -o json | grep -q '/dev/gpiochip0:0 is used by doorward'")?;
    stage.machine.run("systemctl stop watching")?;
    stage.machine.wait_for(
        "they are taken when they are free",
        "! systemctl show -P StatusText doorward | grep -q 'at fault' && [ $(systemctl show -P NRestarts doorward) = 0 ]",
    )?;
    stage.wait_for_hub()?;
    stage.press(BUTTON_1)?;
    let (_, session) = stage.anna.rings(SOON)?;
    stage.calm_down(session)?;
    noise(stage)
}

/// The installer's look at the lines: ten presses and as many glitches, told apart.
fn noise(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.run(
        "systemctl stop doorward; systemctl reset-failed watching 2>/dev/null\n\
         systemd-run -q --collect --unit=looking sh -c 'doorward check --hardware --watch-buttons 15s /etc/doorward/door.toml > /run/noise'",
    )?;
    stage.machine.wait_for("the lines are watched", "grep -q 'Watching every line' /run/noise")?;
    for _ in 0..10 {
        stage.press(BUTTON_1)?;
        std::thread::sleep(Duration::from_millis(150));
        stage.machine.pins.glitch(BUTTON_1)?;
        std::thread::sleep(Duration::from_millis(150));
    }
    let report = stage
        .machine
        .wait_for("the report", "! systemctl is-active --quiet looking && grep '^button flat-1:' /run/noise")?;
    ensure!(report.contains("10 presses"), "{report}");
    stage.machine.run("systemctl start doorward")?;
    stage.wait_for_hub()?;
    Ok(None)
}

fn held(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.pins.set(BUTTON_1, true)?;
    let (_, session) = stage.anna.rings(SOON)?;
    // As the door logs it: the gesture, with its button as a field of the journal.
    stage.machine.wait_for(
        "the stuck button is reported",
        "journalctl -u doorward BUTTON=flat-1 -o cat | grep -q . && journalctl -u doorward -o json | grep -q '\"KIND\":\"Stuck\"'",
    )?;
    ensure!(stage.anna.rings_counted(A_WHILE) == 0, "it rings again");
    // The other button works meanwhile, once the first call is over.
    stage.calm_down(session)?;
    stage.press(BUTTON_2)?;
    let (_, other) = stage.clara.rings(SOON)?;
    stage.machine.pins.set(BUTTON_1, false)?;
    stage.calm_down(other)?;
    stage.machine.wait_for("it is free again", "journalctl -u doorward -o json | grep -q '\"KIND\":\"Freed\"'")?;
    Ok(None)
}

fn hub_unit(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.run("systemctl start doorward-hub")?;
    stage
        .machine
        .run("exec 9<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&9; head -n1 <&9 | grep -q 200")?;
    stage.machine.run("systemctl stop doorward-hub && [ $(systemctl show -P Result doorward-hub) = success ]")?;
    Ok(None)
}

fn watchdog(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    let before = stage.machine.run("systemctl show -P MainPID doorward")?;
    stage.machine.run(&format!("kill -STOP {before}"))?;
    stage.machine.wait_for(
        "it is started again",
        &format!("[ $(systemctl show -P NRestarts doorward) -ge 1 ] && [ $(systemctl show -P MainPID doorward) != {before} ] && [ $(systemctl show -P SubState doorward) = running ]"),
    )?;
    let log = stage.machine.run("journalctl -u doorward -o cat | grep -i watchdog")?;
    ensure!(log.contains("timeout"), "{log}");
    stage.wait_for_hub()?;
    stage.press(BUTTON_1)?;
    let (_, session) = stage.anna.rings(SOON)?;
    stage.calm_down(session)?;
    Ok(None)
}

/// From the next start on the door has a ring of LEDs; without one it stands in /run/door.toml.
fn with_ring(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.machine.run(&format!(
        "[ -e /run/door.toml ] || cp /etc/doorward/door.toml /run/door.toml\n\
         cp /run/door.toml /etc/doorward/door.toml\n\
         printf '[light]\\nleds = {}\\n[strip.ws2812]\\nspi = {{ spidev = \"/dev/spidev0.0\" }}\\n' >> /etc/doorward/door.toml",
        leds::LEDS
    ))?;
    Ok(())
}

fn led_frames(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    use doorward::call::indication::{Outcome, Phase};
    with_ring(stage)?;
    stage.machine.run("systemctl restart doorward")?;
    stage.wait_for_hub()?;
    stage.rest()?;
    // The picture stands still before the recording begins.
    std::thread::sleep(A_WHILE);
    stage.machine.pins.clear();
    stage.press(BUTTON_1)?;
    let (_, session) = stage.anna.rings(SOON)?;
    let mut edges = stage.machine.pins.all(A_WHILE);
    stage.calm_down(session)?;
    edges.extend(stage.machine.pins.all(A_WHILE));
    let answered = calls::answered_and_ended(stage)?;
    stage.machine.run("cp /run/door.toml /etc/doorward/door.toml; systemctl restart doorward")?;
    stage.wait_for_hub()?;

    let shown = leds::decode(&edges)?;
    let ringing = |delivered| Phase::Ringing { delivered, notified: 0, looking: 0 };
    let mut rings = leds::animation(&ringing(0));
    rings.extend(leds::animation(&ringing(1)));
    let phases = [
        ("dialing", leds::animation(&Phase::Dialing)),
        ("ringing", rings),
        ("refused", leds::animation(&Phase::Outcome(Outcome::Rejected))),
        ("at rest", leds::animation(&Phase::Idle)),
    ];
    let mut frames = leds::follow(&shown, &phases)?;
    if let Some(edges) = answered {
        let mut rings = leds::animation(&ringing(0));
        rings.extend(leds::animation(&ringing(1)));
        rings.extend(leds::animation(&Phase::Ringing { delivered: 1, notified: 0, looking: 1 }));
        let phases = [
            ("dialing", leds::animation(&Phase::Dialing)),
            ("ringing", rings),
            ("connecting", leds::animation(&Phase::Connecting)),
            ("in conversation", leds::animation(&Phase::Ongoing)),
            ("ending", leds::animation(&Phase::Ending)),
            ("ended", leds::animation(&Phase::Outcome(Outcome::Ended))),
            ("at rest", leds::animation(&Phase::Idle)),
        ];
        frames += leds::follow(&leds::decode(&edges)?, &phases)?;
    }
    stage.figure("frames at the LEDs' pins, decoded and equal", frames.to_string());
    Ok(None)
}

fn package(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    let before = stage.machine.run("cat /etc/doorward/door.toml /etc/doorward/hub-credential | md5sum")?;
    let pid = stage.machine.run("systemctl show -P MainPID doorward")?;
    stage.machine.run("dpkg -i /share/doorward.deb && systemctl is-active doorward")?;
    let after = stage.machine.run("cat /etc/doorward/door.toml /etc/doorward/hub-credential | md5sum")?;
    ensure!(before == after, "an upgrade changes what the installer wrote");
    ensure!(stage.machine.run("systemctl show -P MainPID doorward")? != pid, "an upgrade starts the new binary");
    stage.machine.run(
        "touch /var/lib/doorward/kept; dpkg -r doorward && [ -e /var/lib/doorward/kept -a -e /etc/doorward/door.toml ]",
    )?;
    ensure!(stage.machine.try_run("pgrep -x doorward")?.code != 0, "removed, and it still runs");
    stage
        .machine
        .run("dpkg -P doorward && ! ls -d /etc/doorward /var/lib/doorward /var/lib/doorward-hub 2>/dev/null")?;
    Ok(None)
}

/// The hub's package has the same code for lines, and needs no library that a ramdisk has no place for.
fn rppal_outputs(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    let Some(package) = hub_package(&stage.package) else {
        return Ok(Some(format!("there is no package of the hub beside {}", stage.package.display())));
    };
    let mut pi = Pi::start(stage.workshop.made(), stage.workshop.scratch(), &package)?;
    ensure!(!pi.line_at("start")?.is_output, "it is an output before anybody asked for it");
    pi.line_at("checked")?;
    let said = pi.console();
    for device in ["button flat-1", "relay"] {
        let works = said.lines().any(|line| line.starts_with(device) && line.contains("works"));
        ensure!(works, "`check --hardware` finds no {device}: {said}");
    }
    for (mark, high) in [("high", true), ("low", false), ("high again", true)] {
        ensure!(pi.line_at(mark)? == Line { is_output: true, high }, "at {mark:?}: {:?}", pi.line_at(mark)?);
    }
    Ok(None)
}

/// As root, so that it is the sandbox that refuses and not the modes of files.
fn sandbox(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.run(
        "mkdir -p /run/systemd/system/doorward.service.d\n\
         printf '[Service]\\nUser=root\\nExecStartPre=/share/sandbox\\n' > /run/systemd/system/doorward.service.d/probe.conf\n\
         systemctl daemon-reload; systemctl restart doorward",
    )?;
    let said = stage.machine.run("journalctl -u doorward -o cat | grep '^sandbox'")?;
    stage
        .machine
        .run("rm -r /run/systemd/system/doorward.service.d; systemctl daemon-reload; systemctl restart doorward")?;
    stage.wait_for_hub()?;
    let open: Vec<&str> = said.lines().filter(|line| line.starts_with("sandbox allows")).collect();
    let expected = ["sandbox allows gpiochip0"];
    ensure!(open == expected, "allowed are {open:?}\n{said}");
    Ok(None)
}

fn degraded(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    with_ring(stage)?;
    stage.machine.run(
        "for i in $(seq 60); do\n\
             systemctl is-failed --quiet doorward && break\n\
             systemctl kill -s KILL doorward; sleep 0.5\n\
         done; systemctl is-failed doorward",
    )?;
    stage.machine.run("[ $(systemctl is-active doorward-degraded) = active ]")?;
    stage.machine.pins.clear();
    let frames = leds::decode(&stage.machine.pins.all(SOON))?;
    let flashes = frames.iter().filter(|frame| **frame == leds::out_of_order()).count();
    let dark = frames.iter().filter(|frame| frame.iter().all(|level| *level == 0)).count();
    ensure!(flashes >= 3 && dark >= 3 && flashes + dark == frames.len(), "the ring shows {frames:02x?}");
    stage
        .machine
        .run("cp /run/door.toml /etc/doorward/door.toml; systemctl reset-failed doorward; systemctl start doorward")?;
    ensure!(
        stage.machine.try_run("systemctl is-active doorward-degraded")?.code != 0,
        "a station that works has no need for a light that says that it does not"
    );
    stage.wait_for_hub()?;
    Ok(None)
}
