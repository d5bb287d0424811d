//! The cases of the door release: relay, request to exit, door contact, tamper, audit log.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use doorward::ids::{Nonce, SessionId};
use doorward::redacted::Redacted;
use doorward::signaling::client::Told;
use doorward::signaling::protocol::{DoorNotice, DoorState, EventKind, NonceAnswer, OpeningRefusal};

use super::{A_WHILE, SOON, Stage, milliseconds};
use crate::pins::{BUTTON_1, DOOR_CONTACT, RELAY, REQUEST_TO_EXIT, TAMPER};

/// The default.
const PULSE: Duration = Duration::from_secs(3);

/// How far a pulse may be off, on a processor that others use too.
const SLACK: Duration = Duration::from_millis(700);

/// A second is promised for a board. The emulated processor, some forty times slower, shares it with others: what is asserted is
/// that it happens without a new daemon, what is printed is how long it took.
const KILLED_TO_SAFE: Duration = Duration::from_secs(10);

/// A start is no opening.
pub fn relay_at_rest(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.run("systemctl restart doorward")?;
    stage.wait_for_hub()?;
    let edges = stage.machine.pins.all(Duration::from_secs(1));
    ensure!(!edges.iter().any(|edge| edge.line == RELAY && edge.high), "a start is no opening: {edges:?}");
    let held = stage.machine.run("grep -h . /sys/kernel/debug/gpio 2>/dev/null || (mount -t debugfs none /sys/kernel/debug; cat /sys/kernel/debug/gpio)")?;
    let line = held.lines().find(|line| line.contains("(RELAY")).context("the kernel knows the line")?;
    ensure!(line.contains("out lo"), "the daemon holds it, low: {line}");
    Ok(None)
}

/// From the inside, without anybody.
pub fn request_to_exit(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.pins.clear();
    let pressed = stage.press(REQUEST_TO_EXIT)?;
    let on = stage.machine.pins.edge(RELAY, true, SOON)?;
    let off = stage.machine.pins.edge(RELAY, false, SOON)?;
    let length = off.at - on.at;
    ensure!(length.abs_diff(PULSE) < SLACK, "the pulse is {length:?} long, not {PULSE:?}");
    let more = stage.machine.pins.all(A_WHILE);
    ensure!(!more.iter().any(|edge| edge.line == RELAY), "one press, one pulse: {more:?}");
    stage.figure("request to exit on the pin to current in the relay", milliseconds(on.at - pressed));
    stage.figure("length of the pulse (3 s by default)", milliseconds(length));
    stage.machine.run("doorward audit verify && doorward audit show | grep -i exit")?;
    Ok(None)
}

/// The whole way: nonce, pulse, contact, audit.
pub fn resident_opens(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.press(BUTTON_1)?;
    let (_, session) = stage.anna.rings(SOON)?;
    let (handle, client) = (stage.house.handle.clone(), stage.anna.client.clone());
    handle.block_on(client.accept(session))?;
    let nonce = issued(stage, session)?;
    stage.machine.pins.clear();
    let asked = Instant::now();
    handle.block_on(client.open(session, nonce.clone()))?;
    let on = stage.machine.pins.edge(RELAY, true, SOON)?;
    stage.machine.pins.set(DOOR_CONTACT, true)?;
    let off = stage.machine.pins.edge(RELAY, false, SOON)?;
    ensure!((off.at - on.at).abs_diff(PULSE) < SLACK, "the pulse is {:?} long", off.at - on.at);
    stage.anna.event("that it is open", SOON, |event| {
        matches!(event.event, EventKind::DoorContact { state: DoorState::Opened, .. }).then_some(())
    })?;
    // The same nonce once more is worth nothing.
    handle.block_on(client.open(session, nonce))?;
    stage
        .anna
        .event("a refusal", SOON, |event| matches!(event.event, EventKind::OpeningRefused { .. }).then_some(()))?;
    stage.machine.pins.set(DOOR_CONTACT, false)?;
    let more = stage.machine.pins.all(A_WHILE);
    ensure!(!more.iter().any(|edge| edge.line == RELAY && edge.high), "one nonce, one pulse: {more:?}");
    handle.block_on(client.end(session, None))?;
    stage.rest()?;
    let log = stage.machine.run("doorward audit verify && doorward audit show")?;
    ensure!(log.contains("anna"), "the audit log names who opened: {log}");
    stage.figure("open at the resident to current in the relay", milliseconds(on.at - asked));
    Ok(None)
}

/// What makes the relay safe is `ExecStopPost=`.
pub fn killed_in_a_pulse(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    // Nobody comes after it: what makes the relay safe is ExecStopPost=.
    stage.machine.run(
        "mkdir -p /run/systemd/system/doorward.service.d\n\
         printf '[Service]\\nRestart=no\\n' > /run/systemd/system/doorward.service.d/alone.conf; systemctl daemon-reload",
    )?;
    let daemon = stage.machine.run("systemctl show -P MainPID doorward")?;
    stage.machine.pins.clear();
    stage.press(REQUEST_TO_EXIT)?;
    stage.machine.pins.edge(RELAY, true, SOON)?;
    // With the time that the emulated processor takes to do as it is told.
    let killed = Instant::now();
    stage.machine.run(&format!("kill -KILL {daemon}"))?;
    let off = stage.machine.pins.edge(RELAY, false, SOON)?;
    let took = off.at.saturating_duration_since(killed);
    stage.figure("SIGKILL within a pulse to the relay's safe level", milliseconds(took));
    ensure!(took < KILLED_TO_SAFE, "it took {took:?}");
    stage.machine.run("rm -r /run/systemd/system/doorward.service.d; systemctl daemon-reload; systemctl reset-failed doorward; systemctl restart doorward")?;
    stage.wait_for_hub()?;
    Ok(None)
}

/// The enclosure is opened: residents and the audit log hear of it, nobody of them opens the door any more, and whoever wants to
/// leave the house still can. Afterwards the inhibition goes on; a start ends it.
pub fn tampered(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.pins.set(TAMPER, true)?;
    let notice = |stage: &mut Stage<'_>, wanted: DoorNotice| {
        stage.anna.hears("a notice of the door", SOON, |told| {
            matches!(told, Told::Notice { notice, .. } if *notice == wanted).then_some(())
        })
    };
    notice(stage, DoorNotice::Tampered)?;
    stage.press(BUTTON_1)?;
    let (_, session) = stage.anna.rings(SOON)?;
    let (handle, client) = (stage.house.handle.clone(), stage.anna.client.clone());
    handle.block_on(client.accept(session))?;
    let nonce = issued(stage, session)?;
    stage.machine.pins.clear();
    handle.block_on(client.open(session, nonce))?;
    stage.anna.event("a refusal, with its reason", SOON, |event| {
        matches!(event.event, EventKind::OpeningRefused { reason: OpeningRefusal::Tampered, .. }).then_some(())
    })?;
    let edges = stage.machine.pins.all(Duration::from_secs(1));
    ensure!(!edges.iter().any(|edge| edge.line == RELAY && edge.high), "it opens all the same: {edges:?}");
    stage.press(REQUEST_TO_EXIT)?;
    stage.machine.pins.edge(RELAY, true, SOON)?;
    stage.machine.pins.edge(RELAY, false, SOON)?;
    handle.block_on(client.end(session, None))?;
    stage.machine.pins.set(TAMPER, false)?;
    notice(stage, DoorNotice::TamperOver)?;
    let log = stage.machine.run("doorward audit verify && doorward audit show")?;
    ensure!(log.contains("amper"), "the audit log says so: {log}");
    stage.machine.run("systemctl restart doorward")?;
    stage.wait_for_hub()?;
    Ok(None)
}

/// The door has to hear of the accept before it gives a nonce; who asks too early asks again.
fn issued(stage: &mut Stage<'_>, session: SessionId) -> anyhow::Result<Redacted<Nonce>> {
    let deadline = Instant::now() + SOON;
    loop {
        stage.anna.client.ask_nonce(session);
        let (_, answer) = stage.anna.hears("a nonce", SOON, |told| match told {
            Told::Nonce { answer, .. } => Some(answer.clone()),
            _ => None,
        })?;
        match answer {
            NonceAnswer::Issued { nonce, .. } => return Ok(nonce),
            NonceAnswer::Refused { reason } => {
                ensure!(Instant::now() < deadline, "the door gives no nonce: {reason:?}");
            }
        }
    }
}
