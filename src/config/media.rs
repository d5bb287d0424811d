//! `[camera.…]`, `[microphone.…]` and `[speaker.…]`: where picture and sound come from, and where sound goes.
//!
//! It names devices by what stays the same when they are plugged in again, and opens none.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::media::pipeline::{
    AlsaPcm, CameraSource, LibcameraCamera, MicrophoneSource, PictureSize, PixelFormat, SpeakerSink, V4l2Camera,
    VideoSettings,
};

use super::document::Document;
use super::door::{EmptyTable, VideoTable};
use super::door_rules::{check_path, check_range};

/// `[camera.…]`: exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CameraTable {
    /// A picture or film, repeated for ever.
    File(FileTable),
    /// A camera that libcamera drives.
    Libcamera(LibcameraTable),
    /// A moving test picture.
    Test(EmptyTable),
    /// A camera of the kernel's.
    V4l2(V4l2Table),
}

/// `[microphone.…]`: exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MicrophoneTable {
    /// A sound card.
    Alsa(AlsaTable),
    /// A sound, repeated for ever.
    File(FileTable),
    /// A node of PipeWire.
    Pipewire(PipewireTable),
    /// A test tone.
    Test(ToneTable),
}

/// `[speaker.…]`: exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpeakerTable {
    /// A sound card.
    Alsa(AlsaTable),
    /// Plays nowhere; the level is still measured.
    Discard(EmptyTable),
    /// A WAV file.
    File(FileTable),
    /// A node of PipeWire.
    Pipewire(PipewireTable),
}

/// A back end that is a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileTable {
    /// Where it is.
    pub path: PathBuf,
}

/// `[camera.v4l2]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct V4l2Table {
    /// Its device, best by a link that names the camera.
    pub path: PathBuf,
    /// What its pictures are made of.
    #[serde(default)]
    pub format: PixelFormat,
    /// Pixels; those of `[video]` if left out.
    #[serde(default)]
    pub width: Option<u16>,
    /// Pixels; those of `[video]` if left out.
    #[serde(default)]
    pub height: Option<u16>,
    /// Pictures per second; as many as it likes if left out.
    #[serde(default)]
    pub frame_rate: Option<u8>,
}

/// `[camera.libcamera]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LibcameraTable {
    /// As libcamera names it.
    pub id: String,
    /// Pixels; those of `[video]` if left out.
    #[serde(default)]
    pub width: Option<u16>,
    /// Pixels; those of `[video]` if left out.
    #[serde(default)]
    pub height: Option<u16>,
}

/// `[microphone.alsa]` and `[speaker.alsa]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AlsaTable {
    /// Which card.
    pub card: CardId,
    /// Which of its devices.
    #[serde(default)]
    pub device: u8,
    /// Which of the device's substreams; any that is free if left out.
    #[serde(default)]
    pub subdevice: Option<u8>,
    /// Samples per second; what the card likes if left out.
    #[serde(default)]
    pub rate: Option<u32>,
    /// Channels; what the card likes if left out.
    #[serde(default)]
    pub channels: Option<u8>,
    /// Let ALSA convert what the card cannot do itself.
    #[serde(default)]
    pub plug: bool,
}

/// `[microphone.pipewire]` and `[speaker.pipewire]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PipewireTable {
    /// Its `node.name`.
    pub node: String,
}

/// `[microphone.test]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ToneTable {
    /// Hertz.
    pub hertz: u16,
}

/// The id of a sound card, as `/proc/asound/cards` has it in brackets. A number is none: it changes with the order in which
/// the kernel finds the cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardId(String);

impl CardId {
    /// As ALSA knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CardId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CardVisitor)
    }
}

struct CardVisitor;

impl Visitor<'_> for CardVisitor {
    type Value = CardId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the card's id, such as \"Device\": the word in brackets in /proc/asound/cards (its number changes with \
             the order of plugging in)",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<CardId, E> {
        // What the kernel makes ids of (snd_card_set_id), which have at most 15 characters.
        let legal = (1..=15).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            && !text.chars().all(|c| c.is_ascii_digit());
        if legal { Ok(CardId(text.to_owned())) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
    }
}

impl CameraTable {
    /// As the worker has it.
    #[must_use]
    pub fn source(&self, video: &VideoSettings) -> CameraSource {
        let size = |width: Option<u16>, height: Option<u16>| PictureSize {
            width: width.unwrap_or(video.width),
            height: height.unwrap_or(video.height),
        };
        match self {
            Self::File(file) => CameraSource::File(file.path.clone()),
            Self::Libcamera(table) => {
                let size = size(table.width, table.height);
                CameraSource::Libcamera(LibcameraCamera { id: table.id.clone(), size })
            }
            Self::Test(EmptyTable {}) => CameraSource::Test,
            Self::V4l2(table) => CameraSource::V4l2(V4l2Camera {
                path: table.path.clone(),
                format: table.format,
                size: size(table.width, table.height),
                frame_rate: table.frame_rate,
            }),
        }
    }
}

impl MicrophoneTable {
    /// As the worker has it.
    #[must_use]
    pub fn source(&self) -> MicrophoneSource {
        match self {
            Self::Alsa(table) => MicrophoneSource::Alsa(table.pcm()),
            Self::File(file) => MicrophoneSource::File(file.path.clone()),
            Self::Pipewire(table) => MicrophoneSource::Pipewire(table.node.clone()),
            Self::Test(tone) => MicrophoneSource::Tone(tone.hertz),
        }
    }
}

impl SpeakerTable {
    /// As the worker has it.
    #[must_use]
    pub fn sink(&self) -> SpeakerSink {
        match self {
            Self::Alsa(table) => SpeakerSink::Alsa(table.pcm()),
            Self::Discard(EmptyTable {}) => SpeakerSink::Discard,
            Self::File(file) => SpeakerSink::File(file.path.clone()),
            Self::Pipewire(table) => SpeakerSink::Pipewire(table.node.clone()),
        }
    }
}

impl AlsaTable {
    fn pcm(&self) -> AlsaPcm {
        let Self { card, device, subdevice, rate, channels, plug } = self.clone();
        AlsaPcm { card: card.0, device, subdevice, rate, channels, plug }
    }
}

impl Default for CameraTable {
    fn default() -> Self {
        Self::Test(EmptyTable {})
    }
}

impl Default for MicrophoneTable {
    fn default() -> Self {
        Self::Test(ToneTable::default())
    }
}

impl Default for ToneTable {
    fn default() -> Self {
        Self { hertz: 440 }
    }
}

impl Default for SpeakerTable {
    fn default() -> Self {
        Self::Discard(EmptyTable {})
    }
}

/// Ranges, paths and names.
pub(super) fn check(
    document: &mut Document<'_>,
    camera: &CameraTable,
    microphone: &MicrophoneTable,
    speaker: &SpeakerTable,
) {
    match camera {
        CameraTable::File(file) => check_path(document, "camera.file.path", &file.path),
        CameraTable::Libcamera(table) => {
            check_name(document, "camera.libcamera.id", &table.id, "the camera's id, as `cam --list` prints it");
            check_size(document, "camera.libcamera", table.width, table.height);
        }
        CameraTable::Test(EmptyTable {}) => {}
        CameraTable::V4l2(table) => {
            check_path(document, "camera.v4l2.path", &table.path);
            check_size(document, "camera.v4l2", table.width, table.height);
            if let Some(rate) = table.frame_rate {
                check_range(document, "camera.v4l2.frame-rate", rate, 1, 120);
            }
        }
    }
    match microphone {
        MicrophoneTable::Alsa(table) => check_alsa(document, "microphone.alsa", table),
        MicrophoneTable::File(file) => check_path(document, "microphone.file.path", &file.path),
        MicrophoneTable::Pipewire(table) => check_name(document, "microphone.pipewire.node", &table.node, NODE),
        MicrophoneTable::Test(tone) => check_range(document, "microphone.test.hertz", tone.hertz, 50, 8000),
    }
    match speaker {
        SpeakerTable::Alsa(table) => check_alsa(document, "speaker.alsa", table),
        SpeakerTable::Discard(EmptyTable {}) => {}
        SpeakerTable::File(file) => check_path(document, "speaker.file.path", &file.path),
        SpeakerTable::Pipewire(table) => check_name(document, "speaker.pipewire.node", &table.node, NODE),
    }
}

const NODE: &str = "the node's name, as `pw-cli ls Node` prints it (node.name)";

fn check_size(document: &mut Document<'_>, table: &str, width: Option<u16>, height: Option<u16>) {
    for (key, pixels, least, most) in [("width", width, 160, 3840), ("height", height, 120, 2160)] {
        if let Some(pixels) = pixels {
            check_range(document, &format!("{table}.{key}"), pixels, least, most);
        }
    }
    // One of them alone would be an aspect that nobody meant.
    match (width, height) {
        (Some(_), None) => document.error(&format!("{table}.width"), "both `width` and `height`, or neither"),
        (None, Some(_)) => document.error(&format!("{table}.height"), "both `width` and `height`, or neither"),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn check_alsa(document: &mut Document<'_>, key: &str, table: &AlsaTable) {
    if let Some(rate) = table.rate {
        check_range(document, &format!("{key}.rate"), rate, 8_000, 192_000);
    }
    if let Some(channels) = table.channels {
        check_range(document, &format!("{key}.channels"), channels, 1, 8);
    }
}

fn check_name(document: &mut Document<'_>, key: &str, name: &str, allowed: &str) {
    if name.trim() != name || name.is_empty() || name.chars().any(char::is_control) {
        document.error(key, allowed);
    }
}

impl From<&VideoTable> for VideoSettings {
    fn from(video: &VideoTable) -> Self {
        let VideoTable { codec, width, height, frame_rate, bitrate, bitrate_floor, standby: _ } = *video;
        Self { codec, width, height, frame_rate, bitrate, bitrate_floor }
    }
}
