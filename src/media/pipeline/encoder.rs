//! The choice of the picture's encoder and its settings, as measured. It never looks at the machine: what there is, is handed in.

#![deny(clippy::disallowed_methods)]

use super::element::{Caps, Element, Field, Value, element, filter};
use super::{VIDEO_PAYLOAD, VideoCodec, VideoSettings};

/// Name of the element that encodes the picture.
pub const VIDEO_ENCODER: &str = "video-encoder";

/// The encoder of the picture, chosen once when the worker starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    /// H.264 by the machine.
    Hardware,
    /// H.264 by openh264.
    Openh264,
    /// VP8 by libvpx.
    Vp8,
    /// H.264 by x264.
    X264,
}

/// The machine lacks what the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the GStreamer element {0} is not installed")]
pub struct MissingElement(pub &'static str);

impl Encoder {
    /// The encoder for this setting, on a machine that has what `has` says.
    ///
    /// # Errors
    ///
    /// The encoder that was asked for by name, or the last resort, is not installed.
    pub fn choose(codec: VideoCodec, has: impl Fn(&str) -> bool) -> Result<Self, MissingElement> {
        let chosen = match codec {
            VideoCodec::Auto if has(Self::Hardware.factory()) => Self::Hardware,
            VideoCodec::Auto | VideoCodec::Vp8 => Self::Vp8,
            VideoCodec::Openh264 => Self::Openh264,
            VideoCodec::X264 => Self::X264,
        };
        if has(chosen.factory()) { Ok(chosen) } else { Err(MissingElement(chosen.factory())) }
    }

    /// Name of its element.
    #[must_use]
    pub const fn factory(self) -> &'static str {
        match self {
            Self::Hardware => "v4l2h264enc",
            Self::Openh264 => "openh264enc",
            Self::Vp8 => "vp8enc",
            Self::X264 => "x264enc",
        }
    }

    /// What the offer says about the picture.
    #[must_use]
    pub fn offered(self) -> Caps {
        let mut fields = vec![
            ("media", Field::Word("video")),
            ("clock-rate", Field::Number(90_000)),
            ("payload", Field::Number(VIDEO_PAYLOAD)),
        ];
        match self {
            Self::Vp8 => fields.push(("encoding-name", Field::Word("VP8"))),
            Self::Hardware | Self::Openh264 | Self::X264 => fields.extend([
                ("encoding-name", Field::Word("H264")),
                ("packetization-mode", Field::Word("1")),
                // Constrained baseline, level 3.1 (RFC 6184 section 8.1): what every browser takes.
                ("profile-level-id", Field::Word("42e01f")),
                ("level-asymmetry-allowed", Field::Word("1")),
            ]),
        }
        Caps { media_type: "application/x-rtp", fields }
    }

    pub(super) fn elements(self, video: &VideoSettings) -> Vec<Element> {
        let kilobits = i64::from(video.bitrate);
        let encoder = element(self.factory()).named(VIDEO_ENCODER);
        match self {
            // The defaults take 100 ms a frame. A second thread burns time waiting for the first on busy cores; a positive
            // cpu-used adapts to wall time; a longer key unit interval makes a further viewer wait for its first picture.
            Self::Vp8 => vec![
                encoder
                    .with("deadline", Value::Number(1))
                    .with("cpu-used", Value::Number(-8))
                    .with("threads", Value::Number(1))
                    .with("end-usage", Value::Word("cbr"))
                    .with("target-bitrate", Value::Number(kilobits * 1000))
                    .with("keyframe-max-dist", Value::Number(2000))
                    .with("error-resilient", Value::Word("default"))
                    .with("lag-in-frames", Value::Number(0))
                    .with("buffer-size", Value::Number(600))
                    .with("buffer-initial-size", Value::Number(400))
                    .with("buffer-optimal-size", Value::Number(500))
                    .with("static-threshold", Value::Number(1))
                    .with("max-intra-bitrate", Value::Number(300))
                    .with("min-force-key-unit-interval", Value::Number(100_000_000)),
            ],
            Self::Hardware => {
                let controls = vec![
                    ("repeat_sequence_header", 1),
                    ("video_bitrate", i32::try_from(kilobits * 1000).unwrap_or(i32::MAX)),
                    ("h264_i_frame_period", 2000),
                ];
                let mut elements = vec![encoder.with("extra-controls", Value::Controls(controls))];
                // The driver refuses to start without an explicit level.
                elements.extend(constrained_baseline(Some("3.1")));
                elements
            }
            Self::Openh264 => {
                let mut elements = vec![
                    encoder
                        .with("rate-control", Value::Word("bitrate"))
                        .with("bitrate", Value::Number(kilobits * 1000))
                        .with("complexity", Value::Word("low"))
                        .with("gop-size", Value::Number(2000))
                        .with("multi-thread", Value::Number(1))
                        .with("usage-type", Value::Word("camera"))
                        .with("min-force-key-unit-interval", Value::Number(100_000_000)),
                ];
                elements.extend(constrained_baseline(None));
                elements
            }
            Self::X264 => {
                let mut elements = vec![
                    encoder
                        .with("tune", Value::Word("zerolatency"))
                        .with("speed-preset", Value::Word("ultrafast"))
                        .with("bitrate", Value::Number(kilobits))
                        .with("key-int-max", Value::Number(2000))
                        .with("threads", Value::Number(1))
                        .with("bframes", Value::Number(0))
                        .with("vbv-buf-capacity", Value::Number(300))
                        .with("min-force-key-unit-interval", Value::Number(100_000_000)),
                ];
                elements.extend(constrained_baseline(None));
                elements
            }
        }
    }
}

fn constrained_baseline(level: Option<&'static str>) -> Vec<Element> {
    let mut profile = vec![("profile", Field::Word("constrained-baseline"))];
    profile.extend(level.map(|level| ("level", Field::Word(level))));
    let stream = vec![("stream-format", Field::Word("byte-stream")), ("alignment", Field::Word("au"))];
    vec![
        filter(Caps { media_type: "video/x-h264", fields: profile }),
        element("h264parse").with("config-interval", Value::Number(-1)),
        filter(Caps { media_type: "video/x-h264", fields: stream }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardware_is_preferred_and_vp8_is_always_good_enough() {
        let everything = |_: &str| true;
        let no_hardware = |element: &str| element != "v4l2h264enc";
        let nothing = |_: &str| false;
        let choices = [
            (VideoCodec::Auto, Ok(Encoder::Hardware), Ok(Encoder::Vp8), MissingElement("vp8enc")),
            (VideoCodec::Openh264, Ok(Encoder::Openh264), Ok(Encoder::Openh264), MissingElement("openh264enc")),
            (VideoCodec::Vp8, Ok(Encoder::Vp8), Ok(Encoder::Vp8), MissingElement("vp8enc")),
            (VideoCodec::X264, Ok(Encoder::X264), Ok(Encoder::X264), MissingElement("x264enc")),
        ];
        for (codec, with_hardware, without, missing) in choices {
            assert_eq!(Encoder::choose(codec, everything), with_hardware);
            assert_eq!(Encoder::choose(codec, no_hardware), without);
            assert_eq!(Encoder::choose(codec, nothing), Err(missing));
        }
    }
}
