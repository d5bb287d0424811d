//! Camera, microphone and speaker, tried as a call uses them: a media worker opens all three for some seconds, and tells which
//! of them fails, and how.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};

use super::Finding;
use crate::config::door::DoorConfig;
use crate::ids::{PeerId, SessionId};
use crate::media::pipeline::{AlsaPcm, CameraSource, MediaSettings, MicrophoneSource, SpeakerSink};
use crate::media::protocol::{Device, Order, Report, ToneStep};
use crate::media::worker::{Patience, Worker, WorkerCommand, WorkerEvent};
use crate::panel::fault::Fault;

/// The first start on a machine looks at every plugin there is.
const READY: Duration = Duration::from_secs(30);
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
    if parts.is_empty() {
        return Vec::new();
    }
    let tried = try_all(settings, worker).await;
    parts.into_iter().map(|part| part.finding(&tried)).collect()
}

impl Part {
    fn finding(self, tried: &Result<BTreeMap<Device, Fault>, Fault>) -> Finding {
        let state = match tried {
            Err(fault) => Err(fault.clone()),
            Ok(faults) => match (faults.get(&self.device), self.device) {
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

/// What fails of all three, used together as in a call with one resident.
async fn try_all(settings: MediaSettings, worker: WorkerCommand) -> Result<BTreeMap<Device, Fault>, Fault> {
    let (worker, mut events) =
        Worker::spawn(worker, settings, Patience::default()).map_err(|error| Fault::failed(error.to_string()))?;
    let mut faults = BTreeMap::new();
    let ready_by = Instant::now() + READY;
    if !hear(&mut events, ready_by, &mut faults, |report| matches!(report, Report::Ready { .. })).await? {
        return Err(Fault::failed("the media worker did not become ready"));
    }
    let session_id = SessionId::from_random([0; 16]);
    let peer = PeerId(1);
    let orders = [
        Order::StartSession { session_id, picture: true },
        // Of a connection that is offered to nobody: its gate opens the microphone.
        Order::AddPeer { session_id, peer, ice_servers: Vec::new() },
        Order::OpenGate { peer },
        Order::Play { tone: Some(TONE) },
    ];
    for order in orders {
        worker.send(order).map_err(|error| Fault::failed(error.to_string()))?;
    }
    hear(&mut events, Instant::now() + TRIAL, &mut faults, |_| false).await?;
    Ok(faults)
}

/// Collects faults until a report is the awaited one, or until the time is over: then false.
async fn hear(
    events: &mut Receiver<WorkerEvent>,
    until: Instant,
    faults: &mut BTreeMap<Device, Fault>,
    awaited: impl Fn(&Report) -> bool,
) -> Result<bool, Fault> {
    while let Ok(Some(event)) = timeout_at(until, events.recv()).await {
        match event {
            WorkerEvent::Died { reason } => return Err(Fault::failed(format!("the media worker: {reason}"))),
            WorkerEvent::Report(report) if awaited(&report) => return Ok(true),
            WorkerEvent::Report(Report::DeviceFailed { device, fault }) => drop(faults.insert(device, fault)),
            WorkerEvent::Report(Report::DeviceRestored { device }) => drop(faults.remove(&device)),
            WorkerEvent::Report(_) | WorkerEvent::Restarted { .. } => {}
        }
    }
    Ok(false)
}
