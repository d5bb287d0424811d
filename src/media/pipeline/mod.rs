//! Which elements with which properties make the door's pipelines, decided as data.
//!
//! Pure: no GStreamer here, so the decision is tested as text. No configuration text ever reaches a launch string.

#![deny(clippy::disallowed_methods)]

mod branches;
mod device;
mod echo;
mod element;
mod encoder;
mod measured;
mod still;

pub use branches::{
    FRAME_COUNTER, MIXING_POINT, PICTURE_RATE, PICTURE_SIZE, RAW_PICTURES, SAMPLE_RATE, SAMPLES_PER_PIECE,
    SOUND_ENCODER, SOUND_PAYLOAD, VIDEO_PAYLOAD, offered_sound, picture, picture_packets, placeholder_picture,
    placeholder_sound, prompt, scaled, sound, sound_packets, speaker, voice,
};
pub use device::{AlsaPcm, LibcameraCamera, PictureSize, PixelFormat, V4l2Camera, plugin_package};
pub use echo::{EchoMode, EchoSettings, GainControl, NoiseSuppression};
pub use element::{Caps, Element, Field, Value};
pub use encoder::{Encoder, MissingElement, StandIn, VIDEO_ENCODER};
pub use measured::EchoMeasured;
pub use still::{Exposure, STILLS, StillSettings, still_picture};

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::panel::sound::Cue;

/// Everything the worker needs to know about the door it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaSettings {
    /// Where the picture comes from.
    pub camera: CameraSource,
    /// Where the door's sound comes from.
    pub microphone: MicrophoneSource,
    /// Where the residents' voices and the tones go.
    pub speaker: SpeakerSink,
    /// Whether the camera is open without a call.
    pub standby: Standby,
    /// The installer's own sounds: files, in place of the tones.
    pub prompts: BTreeMap<Cue, PathBuf>,
    /// What is done to the door's sound.
    pub echo: EchoSettings,
    /// How the picture is encoded.
    pub video: VideoSettings,
    /// How connections are made.
    pub ice: IceSettings,
}

/// Where the picture comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CameraSource {
    /// A picture file (PNG or JPEG) or a film, repeated for ever.
    File(std::path::PathBuf),
    /// A camera that libcamera drives.
    Libcamera(LibcameraCamera),
    /// A moving test picture with a frame counter.
    Test,
    /// A camera of the kernel's.
    V4l2(V4l2Camera),
}

/// What the camera does while there is no call. The microphone is closed in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standby {
    /// It is closed.
    #[default]
    Closed,
    /// It stays open, and its picture is encoded for nobody: the first picture of a call is there at once.
    Warm,
}

/// Where the door's sound comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MicrophoneSource {
    /// A sound card.
    Alsa(AlsaPcm),
    /// A sound file (WAV, Ogg), repeated for ever.
    File(std::path::PathBuf),
    /// The node of this name in PipeWire.
    Pipewire(String),
    /// A steady test tone of this many hertz.
    Tone(u16),
}

/// Where the speaker's sound goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SpeakerSink {
    /// A sound card.
    Alsa(AlsaPcm),
    /// Nowhere; its level is still measured and reported.
    Discard,
    /// A WAV file, for listening afterwards.
    File(std::path::PathBuf),
    /// The node of this name in PipeWire.
    Pipewire(String),
}

/// How the picture is encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoSettings {
    /// Which codec and encoder.
    pub codec: VideoCodec,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames per second.
    pub frame_rate: u8,
    /// Kilobits per second, at the most.
    pub bitrate: u32,
    /// Kilobits per second: a receiver with less room gets sound only.
    pub bitrate_floor: u32,
}

/// Which codec and encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VideoCodec {
    /// Hardware H.264 where the machine has it, else VP8.
    Auto,
    /// H.264 by openh264 (patents: see the documentation).
    Openh264,
    /// VP8 by libvpx.
    Vp8,
    /// H.264 by x264 (GPL; installed by whoever chooses it).
    X264,
}

/// How connections are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceSettings {
    /// Offer 127.0.0.1 as a way to reach the door: demo and tests on one machine only.
    pub loopback: bool,
    /// Lowest UDP port, 0 for any.
    pub min_port: u16,
    /// Highest UDP port, 0 for any.
    pub max_port: u16,
    /// Only by a TURN server: nobody learns where the door is.
    pub relay_only: bool,
}
