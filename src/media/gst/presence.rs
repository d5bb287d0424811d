//! Whether the devices are plugged in, by looking and without opening any: a camera that is looked for is not in use.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::media::pipeline::{AlsaPcm, CameraSource, MediaSettings, MicrophoneSource, SpeakerSink};
use crate::media::protocol::Device;
use crate::panel::fault::{Fault, FaultKind};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// The kernel's list of sound cards; `/proc/asound` is hidden from a service.
const CARDS: &str = "/sys/class/sound";

/// Which devices are not there.
pub(super) struct Presence {
    looked: Option<Instant>,
    absent: BTreeSet<Device>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It is there again.
    Came(Device),
    /// It is not there any more.
    Went(Device, Fault),
}

impl Presence {
    /// Nothing was looked for yet.
    pub(super) fn new() -> Self {
        Self { looked: None, absent: BTreeSet::new() }
    }

    /// This device is certainly not there: opening it makes no sense.
    pub(super) fn is_absent(&self, device: Device) -> bool {
        self.absent.contains(&device)
    }

    /// Looks, if it is time to, and says what is otherwise than before.
    pub(super) fn look(&mut self, settings: &MediaSettings, now: Instant) -> Vec<Change> {
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < INTERVAL) {
            return Vec::new();
        }
        self.looked = Some(now);
        [Device::Camera, Device::Microphone, Device::Speaker]
            .into_iter()
            .filter_map(|device| match missing(settings, device) {
                Some(fault) => self.absent.insert(device).then_some(Change::Went(device, fault)),
                None => self.absent.remove(&device).then_some(Change::Came(device)),
            })
            .collect()
    }
}

/// Why this device cannot be there. Where only opening would tell, nothing is known.
fn missing(settings: &MediaSettings, device: Device) -> Option<Fault> {
    match device {
        Device::Camera => match &settings.camera {
            CameraSource::File(path) => missing_file(path),
            CameraSource::V4l2(camera) => missing_file(&camera.path),
            CameraSource::Libcamera(_) | CameraSource::Test => None,
        },
        Device::Microphone => match &settings.microphone {
            MicrophoneSource::Alsa(pcm) => missing_card(pcm, Path::new(CARDS)),
            MicrophoneSource::File(path) => missing_file(path),
            MicrophoneSource::Pipewire(_) | MicrophoneSource::Tone(_) => None,
        },
        Device::Speaker => match &settings.speaker {
            SpeakerSink::Alsa(pcm) => missing_card(pcm, Path::new(CARDS)),
            // The file is made; the folder is not.
            SpeakerSink::File(path) => path.parent().and_then(missing_file),
            SpeakerSink::Discard | SpeakerSink::Pipewire(_) => None,
        },
    }
}

fn missing_file(path: &Path) -> Option<Fault> {
    match path.try_exists() {
        Ok(false) => Some(Fault::new(FaultKind::Missing, format!("there is no {}", path.display()))),
        // Whether it may not be looked at, opening says better.
        Ok(true) | Err(_) => None,
    }
}

fn missing_card(pcm: &AlsaPcm, cards: &Path) -> Option<Fault> {
    let mut ids: Vec<String> = std::fs::read_dir(cards)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("id")).ok())
        .map(|id| id.trim().to_owned())
        .collect();
    if ids.contains(&pcm.card) {
        return None;
    }
    ids.sort();
    let there = if ids.is_empty() { "there is none".to_owned() } else { format!("there are {}", ids.join(", ")) };
    Some(Fault::new(FaultKind::Missing, format!("no sound card has the id {}: {there}", pcm.card)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_there_by_its_id() {
        let cards = tempfile::tempdir().expect("a temporary directory");
        let pcm =
            AlsaPcm { card: "Device".to_owned(), device: 0, subdevice: None, rate: None, channels: None, plug: false };
        let said = |pcm| missing_card(pcm, cards.path()).map(|fault| fault.to_string());
        assert_eq!(said(&pcm).as_deref(), Some("missing: no sound card has the id Device: there is none"));
        for (card, id) in [("card0", "vc4hdmi"), ("card1", "Device_1")] {
            std::fs::create_dir(cards.path().join(card)).expect("it is writable");
            std::fs::write(cards.path().join(card).join("id"), format!("{id}\n")).expect("it is writable");
        }
        std::fs::create_dir(cards.path().join("pcmC0D0p")).expect("it is writable");
        let others = "missing: no sound card has the id Device: there are Device_1, vc4hdmi";
        assert_eq!(said(&pcm).as_deref(), Some(others));
        std::fs::write(cards.path().join("card1/id"), "Device\n").expect("it is writable");
        assert_eq!(said(&pcm), None);
    }
}
