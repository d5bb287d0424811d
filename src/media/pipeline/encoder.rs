//! The choice of the picture's encoder and its settings, as measured. It never looks at the machine: what there is, is handed in.

#![deny(clippy::disallowed_methods)]

use super::element::{Caps, Element, Field, Value, element, filter};
use super::{CameraSource, PixelFormat, V4l2Camera, VIDEO_PAYLOAD, VideoCodec, VideoSettings};

/// Name of the element that encodes the picture.
pub const VIDEO_ENCODER: &str = "video-encoder";

/// The encoder of the picture, chosen once when the worker starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    /// H.264 by the camera itself, passed through. The black that stands in for a camera that failed is encoded by what is named
    /// here, if anything is.
    Camera(Option<StandIn>),
    /// H.264 by the machine.
    Hardware,
    /// H.264 by openh264.
    Openh264,
    /// VP8 by libvpx.
    Vp8,
    /// H.264 by x264.
    X264,
}

/// What encodes the black that stands in for a camera that encodes by itself: the machine, or what the configuration names.
/// Patents and licences are the installer's choice, also here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// By the machine.
    Hardware,
    /// By openh264.
    Openh264,
    /// By x264.
    X264,
}

impl From<StandIn> for Encoder {
    fn from(stand_in: StandIn) -> Self {
        match stand_in {
            StandIn::Hardware => Self::Hardware,
            StandIn::Openh264 => Self::Openh264,
            StandIn::X264 => Self::X264,
        }
    }
}

/// The machine lacks what the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the GStreamer element {0} is not installed")]
pub struct MissingElement(pub &'static str);

impl Encoder {
    /// The encoder for this camera and this setting, on a machine that has what `has` says.
    ///
    /// # Errors
    ///
    /// The encoder that was asked for by name, or the last resort, is not installed.
    pub fn choose(
        camera: &CameraSource,
        codec: VideoCodec,
        has: impl Fn(&str) -> bool,
    ) -> Result<Self, MissingElement> {
        if let CameraSource::V4l2(V4l2Camera { format: PixelFormat::H264, .. }) = camera {
            let stand_in = match codec {
                VideoCodec::Auto | VideoCodec::Vp8 => Some(StandIn::Hardware),
                VideoCodec::Openh264 => Some(StandIn::Openh264),
                VideoCodec::X264 => Some(StandIn::X264),
            };
            let chosen = Self::Camera(stand_in.filter(|stand_in| has(Self::from(*stand_in).factory())));
            return if has(chosen.factory()) { Ok(chosen) } else { Err(MissingElement(chosen.factory())) };
        }
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
            Self::Camera(_) => "h264parse",
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
            Self::Camera(_) | Self::Hardware | Self::Openh264 | Self::X264 => fields.extend([
                ("encoding-name", Field::Word("H264")),
                ("packetization-mode", Field::Word("1")),
                // Constrained baseline, level 3.1 (RFC 6184 section 8.1): what every browser takes. 42001f, baseline without the
                // constraint, is refused by some; higher profiles are offered by none of them in hardware everywhere. A receiver
                // may be sent a higher level than it names where asymmetry is allowed (section 8.2.2).
                ("profile-level-id", Field::Word("42e01f")),
                ("level-asymmetry-allowed", Field::Word("1")),
            ]),
        }
        Caps { media_type: "application/x-rtp", fields }
    }

    /// Whether it goes on when its pictures change their size and rate. The driver of the hardware must be set up anew for that,
    /// and a camera that encodes by itself does as it likes.
    #[must_use]
    pub const fn follows_size(self) -> bool {
        match self {
            Self::Camera(_) | Self::Hardware => false,
            Self::Openh264 | Self::Vp8 | Self::X264 => true,
        }
    }

    /// The property that sets another bitrate while it runs, where there is one.
    #[must_use]
    pub fn bitrate(self, kilobits: u32) -> Option<(&'static str, Value)> {
        let bits = i64::from(kilobits) * 1000;
        Some(match self {
            Self::Camera(stand_in) => return stand_in.and_then(|stand_in| Self::from(stand_in).bitrate(kilobits)),
            Self::Hardware => {
                ("extra-controls", Value::Controls(vec![("video_bitrate", i32::try_from(bits).unwrap_or(i32::MAX))]))
            }
            Self::Openh264 => ("bitrate", Value::Number(bits)),
            Self::Vp8 => ("target-bitrate", Value::Number(bits)),
            Self::X264 => ("bitrate", Value::Number(i64::from(kilobits))),
        })
    }

    /// The elements, from raw pictures to what is sent; of a camera that encodes by itself, from its stream.
    #[must_use]
    pub fn elements(self, video: &VideoSettings) -> Vec<Element> {
        let kilobits = i64::from(video.bitrate);
        let encoder = element(self.factory()).named(VIDEO_ENCODER);
        match self {
            Self::Camera(_) => headers_in_band(),
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
                elements.extend(constrained_baseline(Some(level(video))));
                elements
            }
            Self::Openh264 => {
                let mut elements = vec![
                    encoder
                        .with("rate-control", Value::Word("bitrate"))
                        .with("bitrate", Value::Number(kilobits * 1000))
                        // Without a limit, the first change of the bitrate raises the stream's level to 5.1, which was not
                        // offered. 14 megabits are those of level 3.1 (H.264 table A-1).
                        .with("max-bitrate", Value::Number((kilobits * 2000).min(14_000_000)))
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
    let mut elements = vec![filter(Caps { media_type: "video/x-h264", fields: profile })];
    elements.extend(headers_in_band());
    elements
}

/// Sequence and picture parameters before every key picture: who joins late needs them, and SDP does not carry them.
fn headers_in_band() -> Vec<Element> {
    let stream = vec![("stream-format", Field::Word("byte-stream")), ("alignment", Field::Word("au"))];
    vec![
        element("h264parse").with("config-interval", Value::Number(-1)),
        filter(Caps { media_type: "video/x-h264", fields: stream }),
    ]
}

/// The lowest level from 3.1 on that these pictures fit into (ITU-T H.264 table A-1), in macroblocks.
fn level(video: &VideoSettings) -> &'static str {
    let picture = u32::from(video.width.div_ceil(16)) * u32::from(video.height.div_ceil(16));
    if picture <= 3600 && picture * u32::from(video.frame_rate) <= 108_000 { "3.1" } else { "4" }
}

/// What a camera that encodes is asked for, by the kernel's names for it; what it does not know it passes over.
pub(super) fn camera_controls(video: &VideoSettings) -> Vec<(&'static str, i32)> {
    vec![
        ("video_bitrate", i32::try_from(video.bitrate.saturating_mul(1000)).unwrap_or(i32::MAX)),
        // A viewer waits for the next key picture: every two seconds.
        ("h264_i_frame_period", i32::from(video.frame_rate) * 2),
        ("repeat_sequence_header", 1),
        // Constrained baseline, level 3.1 or 4 (enumerations of V4L2, linux/v4l2-controls.h).
        ("h264_profile", 1),
        ("h264_level", if level(video) == "3.1" { 9 } else { 11 }),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::PictureSize;
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
            assert_eq!(Encoder::choose(&CameraSource::Test, codec, everything), with_hardware);
            assert_eq!(Encoder::choose(&CameraSource::Test, codec, no_hardware), without);
            assert_eq!(Encoder::choose(&CameraSource::Test, codec, nothing), Err(missing));
        }
    }

    #[test]
    fn a_camera_that_encodes_is_passed_through() {
        let size = PictureSize { width: 1280, height: 720 };
        let camera = V4l2Camera { path: "/dev/video0".into(), format: PixelFormat::H264, size, frame_rate: None };
        let camera = CameraSource::V4l2(camera);
        let chosen = |codec, without: &str| Encoder::choose(&camera, codec, |element: &str| element != without);
        for codec in [VideoCodec::Auto, VideoCodec::Vp8] {
            assert_eq!(chosen(codec, ""), Ok(Encoder::Camera(Some(StandIn::Hardware))));
            assert_eq!(chosen(codec, "v4l2h264enc"), Ok(Encoder::Camera(None)), "nobody chose a patent");
        }
        assert_eq!(chosen(VideoCodec::Openh264, ""), Ok(Encoder::Camera(Some(StandIn::Openh264))));
        assert_eq!(chosen(VideoCodec::X264, "x264enc"), Ok(Encoder::Camera(None)));
        assert_eq!(chosen(VideoCodec::Auto, "h264parse"), Err(MissingElement("h264parse")));
    }

    #[test]
    fn the_level_holds_the_picture() {
        let video = |width, height, frame_rate| VideoSettings {
            codec: VideoCodec::Auto,
            width,
            height,
            frame_rate,
            bitrate: 1500,
            bitrate_floor: 100,
        };
        let levels = [(640, 480, 30, "3.1"), (1280, 720, 30, "3.1"), (1296, 720, 15, "4"), (1920, 1080, 30, "4")];
        for (width, height, rate, expected) in levels {
            assert_eq!(level(&video(width, height, rate)), expected, "{width}x{height}@{rate}");
        }
        assert!(camera_controls(&video(1920, 1080, 15)).contains(&("h264_level", 11)));
    }

    /// The page shows what is built, element by element.
    #[test]
    fn the_page_of_encoders_is_the_table() {
        let page = include_str!("../../../docs/encoders.md");
        let video = VideoSettings {
            codec: VideoCodec::Auto,
            width: 1280,
            height: 720,
            frame_rate: 15,
            bitrate: 1500,
            bitrate_floor: 100,
        };
        for encoder in [Encoder::Camera(None), Encoder::Hardware, Encoder::Vp8, Encoder::Openh264, Encoder::X264] {
            let lines: Vec<String> = encoder.elements(&video).iter().map(Element::to_string).collect();
            assert!(page.contains(&lines.join("\n")), "docs/encoders.md does not show\n{}", lines.join("\n"));
            let row = format!("| `{}` |", encoder.factory());
            assert!(page.contains(&row), "docs/encoders.md has no row {row}");
        }
        for codec in ["auto", "vp8", "openh264", "x264"] {
            assert!(page.contains(&format!("`\"{codec}\"`")), "{codec}");
        }
        assert!(page.contains("42e01f"));
    }
}
