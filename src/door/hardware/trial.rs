//! Camera, microphone and speaker, tried as a call uses them: a media worker opens all three for some seconds, and tells which
//! of them fails, and how. It decodes the installer's sounds as well.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};

use super::{Finding, SOUND};
use crate::config::door::DoorConfig;
use crate::ids::{PeerId, SessionId};
use crate::media::pipeline::{AlsaPcm, CameraSource, MediaSettings, MicrophoneSource, SpeakerSink};
use crate::media::protocol::{Audible, Device, Order, Report, ToneStep};
use crate::media::worker::{Patience, Worker, WorkerCommand, WorkerEvent};
use crate::panel::fault::Fault;
use crate::panel::sound::Cue;

/// The first start on a machine looks at every plugin there is.
const READY: Duration = Duration::from_secs(30);
/// Sixteen sounds of half a minute.
const DECODED: Duration = Duration::from_secs(30);
/// Longer than the worker waits for the first of anything.
const TRIAL: Duration = Duration::from_secs(6);
/// Heard, and bearable.
const TONE: ToneStep = ToneStep { hertz: [1000, 0], dbfs: -20 };

/// What is to be tried.
struct Part {
    device: Device,
    place: String,
    file: Option<PathBuf>,
}

/// A row for each device that does not merely stand for one.
pub(super) async fn check(config: &DoorConfig, worker: WorkerCommand) -> Vec<Finding> {
    let settings = config.media_settings();
    let parts: Vec<Part> =
        [camera(&settings), microphone(&settings), speaker(&settings)].into_iter().flatten().collect();
    let prompts = settings.prompts.clone();
    if parts.is_empty() && prompts.is_empty() {
        return Vec::new();
    }
    let tried = try_all(settings, !parts.is_empty(), worker).await;
    let sounds = prompts.into_iter().map(|(cue, path)| sound_finding(cue, path, &tried));
    let devices = parts.into_iter().map(|part| part.finding(&tried));
    devices.chain(sounds.collect::<Vec<_>>()).collect()
}

/// What the worker said.
#[derive(Default)]
pub(super) struct Tried {
    faults: BTreeMap<Device, Fault>,
    /// How long they are.
    prompts: BTreeMap<Cue, Result<Duration, Fault>>,
}

impl Tried {
    /// Most of what a worker says is about calls.
    fn note(&mut self, report: &Report) {
        if let Report::DeviceFailed { device, fault } = report {
            self.faults.insert(*device, fault.clone());
        } else if let Report::DeviceRestored { device } = report {
            self.faults.remove(device);
        } else if let Report::PromptFailed { cue, fault } = report {
            self.prompts.insert(*cue, Err(fault.clone()));
        } else if let Report::PromptReady { cue, milliseconds } = report {
            self.prompts.insert(*cue, Ok(Duration::from_millis(*milliseconds)));
        }
    }
}

fn sound_finding(cue: Cue, path: PathBuf, tried: &Result<Tried, Fault>) -> Finding {
    let state = match tried {
        Err(fault) => Err(fault.clone()),
        Ok(tried) => match tried.prompts.get(&cue) {
            Some(Ok(length)) => Ok(format!("{:.1} s of sound", length.as_secs_f64())),
            Some(Err(fault)) => Err(fault.clone()),
            None => Err(Fault::failed("the media worker did not decode it in time")),
        },
    };
    Finding { part: format!("{SOUND}{cue}"), place: path.display().to_string(), state, device: Some(path) }
}

impl Part {
    fn finding(self, tried: &Result<Tried, Fault>) -> Finding {
        let state = match tried {
            Err(fault) => Err(fault.clone()),
            Ok(tried) => match (tried.faults.get(&self.device), self.device) {
                (Some(fault), _) => Err(fault.clone()),
                (None, Device::Camera) => Ok("gives pictures".to_owned()),
                (None, Device::Microphone) => Ok("gives sound".to_owned()),
                (None, Device::Speaker) => Ok("played a tone: was it heard?".to_owned()),
            },
        };
        Finding { part: self.device.to_string(), place: self.place, state, device: self.file }
    }
}

fn camera(settings: &MediaSettings) -> Option<Part> {
    let (place, file) = match &settings.camera {
        CameraSource::File(path) => (path.display().to_string(), Some(path.clone())),
        CameraSource::Libcamera(camera) => (camera.id.clone(), None),
        CameraSource::Test => return None,
        CameraSource::V4l2(camera) => (camera.path.display().to_string(), Some(camera.path.clone())),
    };
    Some(Part { device: Device::Camera, place, file })
}

fn microphone(settings: &MediaSettings) -> Option<Part> {
    let (place, file) = match &settings.microphone {
        MicrophoneSource::Alsa(pcm) => card(pcm),
        MicrophoneSource::File(path) => (path.display().to_string(), Some(path.clone())),
        MicrophoneSource::Pipewire(node) => (node.clone(), None),
        MicrophoneSource::Tone(_) => return None,
    };
    Some(Part { device: Device::Microphone, place, file })
}

fn speaker(settings: &MediaSettings) -> Option<Part> {
    let (place, file) = match &settings.speaker {
        SpeakerSink::Alsa(pcm) => card(pcm),
        SpeakerSink::File(path) => (path.display().to_string(), path.parent().map(PathBuf::from)),
        SpeakerSink::Pipewire(node) => (node.clone(), None),
        SpeakerSink::Discard => return None,
    };
    Some(Part { device: Device::Speaker, place, file })
}

/// Whoever may use the timer may use the cards.
fn card(pcm: &AlsaPcm) -> (String, Option<PathBuf>) {
    (format!("card {}, device {}", pcm.card, pcm.device), Some(PathBuf::from("/dev/snd/timer")))
}

/// What fails of all three, used together as in a call with one resident, and of the sounds.
async fn try_all(settings: MediaSettings, devices: bool, worker: WorkerCommand) -> Result<Tried, Fault> {
    let sounds = settings.prompts.len();
    let (worker, mut events) =
        Worker::spawn(worker, settings, Patience::default()).map_err(|error| Fault::failed(error.to_string()))?;
    let mut tried = Tried::default();
    is_ready(&mut events, &mut tried).await?;
    if sounds > 0 {
        hear(&mut events, Instant::now() + DECODED, &mut tried, |_, tried| tried.prompts.len() == sounds).await?;
    }
    if !devices {
        return Ok(tried);
    }
    converse(&worker, true)?;
    send(&worker, Order::Play { sound: Some(Audible::Tone(TONE)) })?;
    hear(&mut events, Instant::now() + TRIAL, &mut tried, |_, _| false).await?;
    Ok(tried)
}

/// Waits until the worker can be ordered.
pub(super) async fn is_ready(events: &mut Receiver<WorkerEvent>, tried: &mut Tried) -> Result<(), Fault> {
    let is_ready = |report: &Report, _: &Tried| matches!(report, Report::Ready { .. });
    if hear(events, Instant::now() + READY, tried, is_ready).await? {
        Ok(())
    } else {
        Err(Fault::failed("the media worker did not become ready"))
    }
}

/// Opens what a conversation with one resident opens.
pub(super) fn converse(worker: &Worker, picture: bool) -> Result<(), Fault> {
    let session_id = SessionId::from_random([0; 16]);
    let peer = PeerId(1);
    send(worker, Order::StartSession { session_id, picture })?;
    // Of a connection that is offered to nobody: its gate opens the microphone.
    send(worker, Order::AddPeer { session_id, peer, ice_servers: Vec::new() })?;
    send(worker, Order::OpenGate { peer })
}

pub(super) fn send(worker: &Worker, order: Order) -> Result<(), Fault> {
    worker.send(order).map_err(|error| Fault::failed(error.to_string()))
}

/// Collects what is said until it is enough, or until the time is over: then false.
pub(super) async fn hear(
    events: &mut Receiver<WorkerEvent>,
    until: Instant,
    tried: &mut Tried,
    mut enough: impl FnMut(&Report, &Tried) -> bool,
) -> Result<bool, Fault> {
    while let Ok(Some(event)) = timeout_at(until, events.recv()).await {
        let report = match event {
            WorkerEvent::Died { reason } => return Err(Fault::failed(format!("the media worker: {reason}"))),
            WorkerEvent::Report(report) => report,
            WorkerEvent::Restarted { .. } => continue,
        };
        tried.note(&report);
        if enough(&report, tried) {
            return Ok(true);
        }
    }
    Ok(false)
}
