//! `doorward tune echo`: chirps through the door's own speaker and microphone, as a call uses them, and what they tell.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::trial::{Tried, converse, hear, is_ready, send};
use crate::config::door::DoorConfig;
use crate::door::tuned;
use crate::media::pipeline::{EchoMeasured, EchoSettings, MediaSettings, MicrophoneSource, SpeakerSink};
use crate::media::protocol::{Device, Order, Report};
use crate::media::worker::{Patience, Worker, WorkerCommand};
use crate::panel::fault::Fault;

/// Ten show a drift of a few millionths.
const CHIRPS: u8 = 10;
/// For the devices to open, and for the correlating on a slow board.
const BESIDES: Duration = Duration::from_secs(30);

/// What was found, and what is wrong with it.
#[derive(Debug)]
pub struct Tuned {
    /// What the chirps told.
    pub measured: EchoMeasured,
    /// Why no echo can be cancelled, and what to do about it.
    pub objections: Vec<String>,
    /// Where it is kept.
    kept: Option<PathBuf>,
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EchoMeasured { played, heard, delay, coupling, drift, jitter, noise, clipped: _ } = self.measured;
        writeln!(f, "chirps:   {heard} of {played} came back, the microphone hears {noise:.0} dBFS besides")?;
        if heard > 0 {
            writeln!(f, "delay:    {delay:.0} ms, steady within {jitter:.1} ms")?;
            writeln!(f, "coupling: {coupling:+.0} dB")?;
            writeln!(f, "clocks:   differ by {:.0} millionths", drift.abs())?;
        }
        for objection in &self.objections {
            writeln!(f, "wrong:    {objection}")?;
        }
        match (self.objections.is_empty(), &self.kept) {
            (true, Some(directory)) => writeln!(f, "good: kept in {}", directory.display()),
            (true, None) => writeln!(f, "good: not kept, as there is no door.state-directory"),
            (false, _) => writeln!(f, "Where that cannot be changed: [echo] mode = \"half\""),
        }
    }
}

/// Measures, and keeps the result if it is one to work with. Needs a running tokio.
///
/// # Errors
/// A device does not work, or the result cannot be written.
pub async fn echo(config: &DoorConfig, worker: WorkerCommand) -> Result<Tuned, Fault> {
    let settings = MediaSettings { echo: EchoSettings::default(), ..config.media_settings() };
    match (&settings.microphone, &settings.speaker) {
        (MicrophoneSource::Tone(_), _) => {
            return Err(Fault::failed("the microphone is a test tone, and hears nothing"));
        }
        (_, SpeakerSink::Discard) => return Err(Fault::failed("the speaker plays nowhere")),
        (MicrophoneSource::Alsa(_) | MicrophoneSource::File(_) | MicrophoneSource::Pipewire(_), _) => {}
    }
    let measured = measure(settings, worker).await?;
    let objections = measured.objections();
    let kept = config.door.state_directory.clone().filter(|_| objections.is_empty());
    if let Some(directory) = &kept {
        keep(directory, &measured)?;
    }
    Ok(Tuned { measured, objections, kept })
}

fn keep(directory: &Path, measured: &EchoMeasured) -> Result<(), Fault> {
    tuned::write(directory, measured).map_err(|error| Fault::of_io(&directory.display().to_string(), &error))
}

async fn measure(settings: MediaSettings, worker: WorkerCommand) -> Result<EchoMeasured, Fault> {
    let (worker, mut events) =
        Worker::spawn(worker, settings, Patience::default()).map_err(|error| Fault::failed(error.to_string()))?;
    let mut tried = Tried::default();
    is_ready(&mut events, &mut tried).await?;
    converse(&worker, false)?;
    send(&worker, Order::MeasureEcho { chirps: CHIRPS })?;
    let mut found = Err(Fault::failed("the microphone gave nothing to measure"));
    let until = Instant::now() + Duration::from_secs(CHIRPS.into()) + BESIDES;
    hear(&mut events, until, &mut tried, |report, _| match report {
        Report::EchoMeasured(measured) => {
            found = Ok(*measured);
            true
        }
        Report::DeviceFailed { device: device @ (Device::Microphone | Device::Speaker), fault } => {
            found = Err(Fault::new(fault.kind, format!("the {device}: {fault}")));
            true
        }
        _ => false,
    })
    .await?;
    found
}
