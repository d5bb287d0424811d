//! The cases of a call's picture and sound: a resident without a screen sees and hears the door in the machine.
//!
//! The machine's network has the host at an address of its own, and shows the host none of the machine's: so the resident's
//! candidates are told to the door as the machine can reach them, and the door's own need not be reachable.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use doorward::ids::{PeerId, SessionId};
use doorward::signaling::client::Told;
use doorward::signaling::protocol::{EventKind, Signal};

use super::{A_WHILE, SOON, Stage, milliseconds};
use crate::house::HOST;
use crate::pins::{BUTTON_1, Edge};
use crate::resident::Resident;

/// An emulated processor encodes for a while, and starts everything for the first time.
const FIRST_SIGHT: Duration = Duration::from_secs(90);
/// How long pictures are counted.
const COUNTED: Duration = Duration::from_secs(10);

/// What the street sounds like, through the microphone.
const STREET: f64 = 600.0;
/// What the resident says.
const VOICE: u16 = 700;
/// Of the loopback card, under emulation.
const RATE: u32 = 16_000;

/// Anna's end of a call that she accepted.
struct Call {
    session: SessionId,
    resident: Option<(PeerId, Resident)>,
}

/// The picture's and the tone's own sources, for what encoders, transport and the network under all that do.
pub fn test_sources(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    let mut call = Call::begin(stage)?;
    let accepted = Instant::now();
    call.hold_until(stage, "a picture", |resident| resident.pictures() > 0)?;
    let picture = accepted.elapsed();
    call.hold_until(stage, "the door's tone", |resident| hears(resident, 440.0))?;
    let rate = call.pictures_a_second(stage)?;
    stage.figure("accept to the first picture at the resident", milliseconds(picture));
    stage.figure("pictures of 320x240 a second at the resident", format!("{rate:.1}"));
    call.finish(stage)?;
    Ok(None)
}

/// A call that is answered, connected and ended, for whoever watches the pins meanwhile.
pub fn answered_and_ended(stage: &mut Stage<'_>) -> anyhow::Result<Option<Vec<Edge>>> {
    stage.machine.pins.clear();
    let mut call = Call::begin(stage)?;
    call.hold_until(stage, "a picture", |resident| resident.pictures() > 0)?;
    call.carry(stage, Duration::from_secs(4))?;
    call.finish(stage)?;
    Ok(Some(stage.machine.pins.all(A_WHILE)))
}

/// A camera and a sound card of the kernel's, which are not there when the station starts.
pub fn devices(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    with_devices(stage)?;
    let mut call = Call::begin(stage)?;
    call.hold_until(stage, "the camera's picture", sees_camera)?;
    call.hold_until(stage, "the microphone's tone", |resident| hears(resident, STREET))?;
    let rate = call.pictures_a_second(stage)?;
    stage.figure("pictures of vivid's 320x180 a second at the resident", format!("{rate:.1}"));

    call.resident.as_ref().context("there is a resident")?.1.talk(VOICE);
    let deadline = Instant::now() + FIRST_SIGHT;
    loop {
        let (voice, noise) = played(stage)?;
        if voice > 100.0 && voice > 4.0 * noise {
            break;
        }
        if Instant::now() > deadline {
            let cables = stage.machine.run("head -n 99 /proc/asound/Loopback/pcm*/sub0/{hw_params,status}")?;
            bail!("the loudspeaker plays {voice:.0} of the voice beside {noise:.0} of another tone:\n{cables}");
        }
        call.carry(stage, Duration::from_millis(20))?;
    }
    call.finish(stage)?;
    without_devices(stage)
}

/// What is pulled in a call is replaced by what is left, and comes back when it returns.
pub fn unplugged(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    with_devices(stage)?;
    let mut call = Call::begin(stage)?;
    call.hold_until(stage, "the camera's picture", sees_camera)?;
    call.hold_until(stage, "the microphone's tone", |resident| hears(resident, STREET))?;

    stage.machine.run("(echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind) >/dev/null 2>&1 &")?;
    call.hold_until(stage, "black in the camera's place", |resident| !sees_camera(resident))?;
    call.hold_until(stage, "the microphone's tone", |resident| hears(resident, STREET))?;
    let returned = Instant::now();
    stage.machine.run("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind && udevadm settle")?;
    call.hold_until(stage, "the camera's picture again", sees_camera)?;
    stage.figure("camera bound again to its picture at the resident", milliseconds(returned.elapsed()));

    stage.machine.run(
        "systemctl stop tone; (echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/unbind) >/dev/null 2>&1 &",
    )?;
    call.hold_until(stage, "silence", |resident| !hears(resident, STREET))?;
    let before = call.pictures()?;
    call.hold_until(stage, "more pictures", |resident| resident.pictures() > before + 3)?;
    let returned = Instant::now();
    stage.machine.run("echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/bind && udevadm settle")?;
    street(stage)?;
    call.hold_until(stage, "the microphone's tone again", |resident| hears(resident, STREET))?;
    stage.figure("sound card bound again to its tone at the resident", milliseconds(returned.elapsed()));
    call.finish(stage)?;
    without_devices(stage)
}

/// How much of the resident's voice, and of a tone that nobody makes, the card's loudspeaker plays.
fn played(stage: &mut Stage<'_>) -> anyhow::Result<(f64, f64)> {
    let heard = stage.machine.run(&format!(
        "arecord -q -D hw:CARD=Loopback,DEV=1 -f S16_LE -r {RATE} -c 1 -d 2 -t raw /run/heard >&2 && base64 -w0 /run/heard"
    ))?;
    let bytes = BASE64.decode(heard.trim().as_bytes()).context("the recording")?;
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    Ok((tone(&samples, f64::from(VOICE)), tone(&samples, 450.0)))
}

/// The station starts without its camera and its card, and they come late.
/// Nothing is done to the sound: tones would be taken for noise.
fn with_devices(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.machine.run(&format!(
        "systemctl stop doorward tone 2>/dev/null; modprobe -r vivid snd-aloop\n\
         [ -e /run/door.toml ] || cp /etc/doorward/door.toml /run/door.toml\n\
         cp /run/door.toml /etc/doorward/door.toml\n\
         cat >> /etc/doorward/door.toml <<'END'\n\
         [camera.v4l2]\npath = \"/dev/v4l/by-path/platform-vivid.0-video-index0\"\nwidth = 320\nheight = 180\n\
         [microphone.alsa]\ncard = \"Loopback\"\nrate = {RATE}\nchannels = 1\n\
         [speaker.alsa]\ncard = \"Loopback\"\nrate = {RATE}\nchannels = 1\n\
         [echo]\nmode = \"off\"\nnoise-suppression = \"off\"\ngain = \"off\"\n\
         END\n\
         systemctl start doorward"
    ))?;
    stage.wait_for_hub()?;
    stage.machine.run(
        "modprobe vivid n_devs=1 node_types=0x1 && modprobe snd-aloop && udevadm settle\n\
         ls /dev/v4l/by-path/platform-vivid.0-video-index0 && grep -q Loopback /proc/asound/cards",
    )?;
    street(stage)
}

fn street(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let tone = format!(
        "systemd-run -q --collect --unit=tone speaker-test -D hw:CARD=Loopback,DEV=1 -c 1 -r {RATE} -F S16_LE -t sine -f {STREET}"
    );
    stage.machine.run(&tone).map(drop)
}

fn without_devices(stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    stage.machine.run(
        "systemctl stop tone; cp /run/door.toml /etc/doorward/door.toml; systemctl restart doorward\n\
         modprobe -r vivid snd-aloop || true",
    )?;
    stage.wait_for_hub()?;
    Ok(None)
}

/// What stands in for a camera is black; vivid's colour bars are not.
fn sees_camera(resident: &Resident) -> bool {
    resident.pictures() > 0 && resident.brightness() > 40
}

/// How much of this tone there is (Goertzel).
fn tone(samples: &[i16], hertz: f64) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * hertz / f64::from(RATE)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        (last, before) = (f64::from(sample) + coefficient * last - before, last);
    }
    (last * last + before * before - coefficient * last * before).max(0.0).sqrt() / samples.len().max(1) as f64
}

impl Call {
    fn begin(stage: &mut Stage<'_>) -> anyhow::Result<Self> {
        // After the first start of all the media worker looks at every plugin there is.
        stage.machine.wait_for(
            "the media worker is ready",
            "journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID doorward) -o cat | grep -q 'media worker ready'",
        )?;
        stage.press(BUTTON_1)?;
        let (_, session) = stage.anna.rings(SOON)?;
        stage.house.handle.block_on(stage.anna.client.accept(session))?;
        stage.anna.client.start_session(session);
        Ok(Self { session, resident: None })
    }

    /// Carries signals to and fro until this holds of the resident.
    fn hold_until(
        &mut self,
        stage: &mut Stage<'_>,
        what: &str,
        holds: impl Fn(&Resident) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + FIRST_SIGHT;
        loop {
            self.carry(stage, Duration::from_millis(20))?;
            if self.resident.as_ref().is_some_and(|(_, resident)| holds(resident)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the resident has nothing of {what}: {:?}", self.resident);
            }
        }
    }

    /// The signals that come for as long as this.
    fn carry(&mut self, stage: &mut Stage<'_>, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        let session = self.session;
        while let Some(told) = stage.anna.next(deadline) {
            match told {
                Told::Signal { session_id, peer, signal, .. } if session_id == session => {
                    self.signal(stage, peer, &signal);
                }
                Told::Event(event) if matches!(event.event, EventKind::CallEnded { .. }) => {
                    bail!("the call is over: {event:?}")
                }
                _other => {}
            }
        }
        Ok(())
    }

    fn signal(&mut self, stage: &Stage<'_>, peer: PeerId, signal: &Signal) {
        if let Signal::Offer { .. } = signal
            && self.resident.as_ref().is_none_or(|(known, _)| *known != peer)
        {
            let (client, session) = (stage.anna.client.clone(), self.session);
            let resident = Resident::new(move |signal| client.signal(session, None, peer, as_seen_inside(signal)));
            self.resident = Some((peer, resident));
        }
        if let Some((known, resident)) = &self.resident
            && *known == peer
        {
            resident.apply(signal);
        }
    }

    fn pictures_a_second(&mut self, stage: &mut Stage<'_>) -> anyhow::Result<f64> {
        let before = self.pictures()?;
        let began = Instant::now();
        self.carry(stage, COUNTED)?;
        Ok((self.pictures()? - before) as f64 / began.elapsed().as_secs_f64())
    }

    fn pictures(&self) -> anyhow::Result<u64> {
        self.resident.as_ref().map(|(_, resident)| resident.pictures()).context("there is a resident")
    }

    fn finish(self, stage: &mut Stage<'_>) -> anyhow::Result<()> {
        stage.house.handle.block_on(stage.anna.client.end(self.session, None))?;
        stage.rest()
    }
}

fn as_seen_inside(signal: Signal) -> Signal {
    match signal {
        Signal::Candidate { candidate, sdp_m_line_index } => {
            Signal::Candidate { candidate: candidate.expose().replace("127.0.0.1", HOST).into(), sdp_m_line_index }
        }
        Signal::Offer { .. } | Signal::Answer { .. } => signal,
    }
}

fn hears(resident: &Resident, hertz: f64) -> bool {
    resident.hears().is_some_and(|level| level.dbfs > -50.0 && (level.hertz - hertz).abs() < 30.0)
}
