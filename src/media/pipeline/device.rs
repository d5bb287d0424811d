//! Cameras and sound cards by names that stay the same, and what they are asked for. It opens none.

#![deny(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A camera of the kernel's (V4L2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct V4l2Camera {
    /// Such as `/dev/v4l/by-id/…-video-index0`.
    pub path: PathBuf,
    /// What its pictures are made of.
    pub format: PixelFormat,
    /// How large they are.
    pub size: PictureSize,
    /// Pictures per second; as many as it likes if left out.
    pub frame_rate: Option<u8>,
}

/// A camera that libcamera drives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LibcameraCamera {
    /// As libcamera names it, such as `/base/soc/i2c0mux/i2c@1/imx219@10`.
    pub id: String,
    /// How large its pictures are.
    pub size: PictureSize,
}

/// Pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PictureSize {
    /// From left to right.
    pub width: u16,
    /// From top to bottom.
    pub height: u16,
}

/// What a camera's pictures are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PixelFormat {
    /// Pixels, in any order.
    #[default]
    Raw,
    /// Encoded by the camera: nothing here encodes it again.
    H264,
    /// A JPEG each: larger pictures, or more of them, over the same cable.
    Mjpeg,
}

/// One direction of a sound card (ALSA).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlsaPcm {
    /// The card's id, never its number: that one changes with the order of plugging in.
    pub card: String,
    /// Which of its devices.
    pub device: u8,
    /// Which of the device's substreams; any that is free if left out.
    pub subdevice: Option<u8>,
    /// Samples per second it is asked for; what it likes if left out.
    pub rate: Option<u32>,
    /// Channels it is asked for; what it likes if left out.
    pub channels: Option<u8>,
    /// Let ALSA convert what the card cannot do itself. What is converted here sounds better.
    pub plug: bool,
}

impl AlsaPcm {
    /// The name under which ALSA opens it.
    #[must_use]
    pub fn name(&self) -> String {
        let driver = if self.plug { "plughw" } else { "hw" };
        let mut name = format!("{driver}:CARD={},DEV={}", self.card, self.device);
        if let Some(subdevice) = self.subdevice {
            let _infallible = write!(name, ",SUBDEV={subdevice}");
        }
        name
    }
}

/// The Debian package with this element, for those that a door may do without: what follows `gstreamer1.0-` in its name.
#[must_use]
pub fn plugin_package(element: &str) -> Option<&'static str> {
    match element {
        "alsasink" | "alsasrc" => Some("alsa"),
        "jpegdec" | "v4l2src" | "wavenc" | "wavparse" => Some("plugins-good"),
        "libcamerasrc" => Some("libcamera"),
        "pipewiresink" | "pipewiresrc" => Some("pipewire"),
        _other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_named_as_alsa_names_it() {
        let card = AlsaPcm {
            card: "Loopback".to_owned(),
            device: 1,
            subdevice: None,
            rate: Some(16_000),
            channels: None,
            plug: false,
        };
        assert_eq!(card.name(), "hw:CARD=Loopback,DEV=1");
        assert_eq!(AlsaPcm { subdevice: Some(3), plug: true, ..card }.name(), "plughw:CARD=Loopback,DEV=1,SUBDEV=3");
    }
}
