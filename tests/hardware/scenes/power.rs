//! The cases of power: what a board finds when it comes on, and what is left when it goes off.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};

use super::{A_WHILE, SOON, Stage, milliseconds};
use crate::machine::Start;
use crate::pins::{BUTTON_1, DOOR_CONTACT, RELAY, REQUEST_TO_EXIT};

/// How often the power is cut, unless DOORWARD_POWER_CUTS says otherwise.
const CUTS: u32 = 10;
/// So much is acknowledged before a cut, at the least.
const AT_WORK: usize = 3;
/// It takes the emulated processor no longer than this.
const WRITTEN: Duration = Duration::from_secs(120);
/// From the cable to the ring: the emulated network comes up, and the door's next try is up to 30 s away.
const PLUGGED_IN: Duration = Duration::from_secs(75);
const YEAR: u64 = 31_556_952;

/// No clock, nothing to write to, no state, no network; and yet a door.
pub fn bare_boot(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.run(
        "systemctl stop doorward; mkdir -p /var/lib/kept && mv /var/lib/doorward/* /var/lib/kept/ && [ -z \"$(ls -A /var/lib/doorward)\" ] && sync",
    )?;
    stage.machine.cut_power()?;
    let start = Start { words: "ro systemd.mask=systemd-remount-fs.service", without_clock: true, unplugged: true };
    stage.machine = stage.workshop.power_on(&stage.disk, &start)?;
    stage.machine.wait_for("the station works", "systemctl is-active doorward")?;
    let ready = stage.machine.started.elapsed();
    bare_world(stage)?;
    let (began, active) = (
        stage.machine.run("systemctl show -P ExecMainStartTimestampMonotonic doorward")?.parse::<u64>()?,
        stage.machine.run("systemctl show -P ActiveEnterTimestampMonotonic doorward")?.parse::<u64>()?,
    );
    ensure!(stage.machine.run("systemctl show -P NRestarts doorward")? == "0", "it took more than one start");

    // The way out needs nobody.
    stage.machine.pins.clear();
    stage.press(REQUEST_TO_EXIT)?;
    stage.machine.pins.edge(RELAY, true, SOON)?;
    stage.machine.pins.edge(RELAY, false, SOON)?;

    stage.press(BUTTON_1)?;
    ensure!(stage.anna.rings_counted(A_WHILE) == 0, "it rings without a network");
    stage.machine.plug_in()?;
    let plugged = Instant::now();
    let (rang, session) = stage.anna.rings(PLUGGED_IN).context("the press is kept until there is a network")?;
    stage.calm_down(session)?;
    stage.figure("bare board: power-on to a station that works", milliseconds(ready));
    stage.figure("bare board: start of the daemon to READY=1", format!("{:.0} ms", (active - began) as f64 / 1e3));
    stage.figure("bare board: cable plugged in to the ring", milliseconds(rang - plugged));

    stage.machine.cut_power()?;
    stage.machine = stage.workshop.power_on(&stage.disk, &Start::default())?;
    stage.machine.run("systemctl stop doorward; rm -rf /var/lib/doorward/*; mv /var/lib/kept/* /var/lib/doorward/; rmdir /var/lib/kept; systemctl start doorward")?;
    stage.wait_for_hub()?;
    Ok(None)
}

/// That it is what the case's name says.
fn bare_world(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let inside: u64 = stage.machine.run("date +%s")?.parse()?;
    let outside = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    ensure!(inside + YEAR / 2 < outside, "the clock should be wrong, and says {inside}");
    ensure!(stage.machine.try_run("touch /var/lib/doorward/probe")?.code != 0, "the system can be written to");
    ensure!(stage.machine.run("ls -A /var/lib/doorward")?.is_empty(), "there is state");
    let carrier = stage.machine.run("cat /sys/class/net/eth0/carrier || echo down")?;
    ensure!(carrier != "1", "there is a network");
    Ok(())
}

/// Cut after cut, on the same disk: what was acknowledged before any of them is there after all that follow.
pub fn cuts(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    let cuts = std::env::var("DOORWARD_POWER_CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(CUTS);
    stage.machine.run("systemctl enable --now doorward-hub 2>&1; sync")?;
    let mut acknowledged: Vec<String> = Vec::new();
    let mut to_press = Duration::ZERO;
    let began = Instant::now();
    for cut in 0..cuts {
        write_state(stage, cut)?;
        stage.machine.cut_power()?;
        let console = stage.machine.console();
        acknowledged.extend(
            console.split("ack ").skip(1).filter_map(|rest| rest.split_once('.').map(|(uid, _)| uid.to_owned())),
        );
        stage.machine = stage.workshop.power_on(&stage.disk, &Start::default())?;
        stage
            .machine
            .wait_for("hub and station work", "systemctl is-active doorward && systemctl is-active doorward-hub")?;
        to_press = stage.machine.started.elapsed();
        let known = stage.machine.run("runuser -u doorward-hub -- doorward hub user list")?;
        for uid in &acknowledged {
            ensure!(known.contains(uid.as_str()), "{uid} was acknowledged before cut {cut}, and is gone\n{known}");
        }
        // Of a log that is being written the last line may be on its way; what is broken stays broken.
        stage.machine.wait_for("the audit log is whole", "doorward audit verify")?;
    }
    ensure!(acknowledged.len() >= AT_WORK * cuts as usize, "too little was written: {acknowledged:?}");
    let each = began.elapsed() / cuts.max(1);
    stage.figure("power-on to the first possible press", milliseconds(to_press));
    stage.figure(
        "power cuts, with acknowledged writes before them",
        format!("{cuts}, {}; {:.0} s each", acknowledged.len(), each.as_secs_f64()),
    );
    stage.machine.run("systemctl disable --now doorward-hub 2>&1")?;
    stage.wait_for_hub()?;
    stage.press(BUTTON_1)?;
    let (_, session) = stage.anna.rings(SOON)?;
    stage.calm_down(session)?;
    Ok(None)
}

/// Hub and door write what they keep, each at its own pace, until the power goes: the hub's directory, which says on the
/// console what is done, and the door's audit log.
fn write_state(stage: &mut Stage<'_>, cut: u32) -> anyhow::Result<()> {
    stage.machine.run(&format!(
        "(for i in $(seq 1000); do runuser -u doorward-hub -- doorward hub user add c{cut}-$i --name Cut && echo \"ack c{cut}-$i.\" > /dev/ttyAMA0; done) >/dev/null 2>&1 &"
    ))?;
    let deadline = Instant::now() + WRITTEN;
    let mut open = false;
    let mut contact = |stage: &mut Stage<'_>| {
        open = !open;
        stage.machine.pins.set(DOOR_CONTACT, open)?;
        std::thread::sleep(Duration::from_millis(60));
        anyhow::Ok(())
    };
    while stage.machine.console().matches("ack ").count() < AT_WORK {
        contact(stage)?;
        ensure!(Instant::now() < deadline, "nothing is written");
    }
    // Each cut comes at another moment of what they are at.
    let until = Instant::now() + Duration::from_millis(u64::from(cut) * 173);
    while Instant::now() < until {
        contact(stage)?;
    }
    stage.machine.pins.set(DOOR_CONTACT, false)?;
    Ok(())
}
