//! The branches of the worker's pipelines: capture, speaker, and what each peer has of its own. It decides, it builds nothing.

#![deny(clippy::disallowed_methods)]

use std::path::Path;

use super::element::{Caps, Element, Field, Value, element, filter};
use super::{
    AlsaPcm, CameraSource, Encoder, LibcameraCamera, MicrophoneSource, PictureSize, PixelFormat, SpeakerSink,
    V4l2Camera, VideoSettings,
};

/// Payload type of the picture in every offer.
pub const VIDEO_PAYLOAD: i32 = 96;
/// Payload type of the sound in every offer.
pub const SOUND_PAYLOAD: i32 = 97;
/// All sound in the worker: samples per second, one channel, 16 bits.
pub const SAMPLE_RATE: i32 = 48_000;
/// Samples in one piece of sound: 10 ms.
pub const SAMPLES_PER_PIECE: i64 = 480;

/// What a sound card may hold back, in microseconds: captured sound is taken as it comes, so much of it costs nothing.
const CAPTURE_BUFFER: i64 = 200_000;
/// Played sound waits for as long as this, and a machine that is busy for longer is heard to stutter.
const PLAYBACK_BUFFER: i64 = 80_000;

/// Name of the element behind which the frame counter of the test picture is drawn.
pub const FRAME_COUNTER: &str = "frame-counter";
/// Name of the element that leaves out pictures where the receivers have less room.
pub const PICTURE_RATE: &str = "picture-rate";
/// Name of the filter that says how large pictures are encoded.
pub const PICTURE_SIZE: &str = "picture-size";
/// Name of a talker's encoder.
pub const SOUND_ENCODER: &str = "sound-encoder";
/// Name of the element behind which the speaker's sound is mixed.
pub const MIXING_POINT: &str = "mixing-point";
/// Name of the element where a still is taken: pictures before they are encoded, or as a camera encoded them.
pub const RAW_PICTURES: &str = "raw-pictures";
/// What the offer says about the sound.
#[must_use]
pub fn offered_sound() -> Caps {
    Caps {
        media_type: "application/x-rtp",
        fields: vec![
            ("media", Field::Word("audio")),
            ("encoding-name", Field::Word("OPUS")),
            ("clock-rate", Field::Number(SAMPLE_RATE)),
            ("payload", Field::Number(SOUND_PAYLOAD)),
            // RFC 7587 section 7: always 2, whatever is encoded.
            ("encoding-params", Field::Word("2")),
            ("minptime", Field::Word("10")),
            ("useinbandfec", Field::Word("1")),
        ],
    }
}

/// From the camera to encoded pictures.
#[must_use]
pub fn picture(camera: &CameraSource, video: &VideoSettings, encoder: Encoder) -> Vec<Element> {
    let mut elements = match camera {
        CameraSource::File(path) if is_still(path) => still(path, video),
        CameraSource::File(path) => film(path, video),
        CameraSource::Libcamera(camera) => libcamera(camera, video),
        CameraSource::V4l2(camera) if camera.format == PixelFormat::H264 => {
            return encoding_camera(camera, video, encoder);
        }
        CameraSource::V4l2(camera) => {
            let mut elements = v4l2(camera, video);
            elements.extend(pictures_from_a_camera(video));
            elements
        }
        CameraSource::Test => test_picture("ball", video),
    };
    elements.extend(encoded(video, encoder));
    elements
}

/// What is shown when the camera failed: black. Nothing, where the camera alone can encode: the last picture then stays.
#[must_use]
pub fn placeholder_picture(video: &VideoSettings, encoder: Encoder) -> Option<Vec<Element>> {
    let encoder = match encoder {
        Encoder::Camera(stand_in) => stand_in?.into(),
        Encoder::Hardware | Encoder::Openh264 | Encoder::Vp8 | Encoder::X264 => encoder,
    };
    let mut elements = test_picture("black", video);
    elements.extend(encoded(video, encoder));
    Some(elements)
}

/// From the microphone to samples. Opus comes after the mix, in each talker's own pipeline.
#[must_use]
pub fn sound(microphone: &MicrophoneSource) -> Vec<Element> {
    match microphone {
        MicrophoneSource::Alsa(pcm) => {
            let mut elements = vec![card("alsasrc", pcm, CAPTURE_BUFFER)];
            elements.extend(asked_of(pcm));
            elements.extend(samples_from_anything());
            elements
        }
        MicrophoneSource::Pipewire(node) => {
            let mut elements = vec![element("pipewiresrc").with("target-object", Value::Text(node.clone()))];
            elements.push(filter(Caps { media_type: "audio/x-raw", fields: Vec::new() }));
            elements.extend(samples_from_anything());
            elements
        }
        MicrophoneSource::File(path) => {
            let mut elements = vec![file(path), element("decodebin")];
            elements.extend(samples_from_anything());
            elements.push(element("clocksync"));
            elements
        }
        MicrophoneSource::Tone(hertz) => vec![
            element("audiotestsrc")
                .with("is-live", Value::Flag(true))
                .with("wave", Value::Word("sine"))
                .with("freq", Value::Number(i64::from(*hertz)))
                // -12 dBFS RMS.
                .with("volume", Value::Word("0.355"))
                .with("samplesperbuffer", Value::Number(SAMPLES_PER_PIECE)),
            filter(samples()),
        ],
    }
}

/// What is captured when the microphone failed: silence, so that the residents still hear each other.
#[must_use]
pub fn placeholder_sound() -> Vec<Element> {
    vec![silence(), filter(samples())]
}

/// From a sound file to samples, as fast as they come.
#[must_use]
pub fn prompt(path: &Path) -> Vec<Element> {
    let mut elements = vec![file(path), element("decodebin")];
    elements.extend(samples_from_anything());
    elements.push(element("fakesink").with("sync", Value::Flag(false)));
    elements
}

/// From the clock's silence by the mixing point to the speaker.
#[must_use]
pub fn speaker(sink: &SpeakerSink) -> Vec<Element> {
    let mut elements = vec![silence(), filter(samples()).named(MIXING_POINT)];
    match sink {
        SpeakerSink::Alsa(pcm) => {
            elements.extend([element("audioconvert"), element("audioresample")]);
            elements.extend(asked_of(pcm));
            elements.push(card("alsasink", pcm, PLAYBACK_BUFFER));
        }
        SpeakerSink::Pipewire(node) => elements.extend([
            element("audioconvert"),
            element("audioresample"),
            element("pipewiresink").with("target-object", Value::Text(node.clone())),
        ]),
        SpeakerSink::Discard => elements.push(element("fakesink").with("sync", Value::Flag(true))),
        SpeakerSink::File(path) => elements.extend([
            element("wavenc"),
            element("filesink")
                .with("location", Value::Text(path.display().to_string()))
                .with("buffer-mode", Value::Word("unbuffered"))
                .with("sync", Value::Flag(true)),
        ]),
    }
    elements
}

/// From encoded pictures to one peer's packets.
#[must_use]
pub fn picture_packets(encoder: Encoder) -> Vec<Element> {
    let payloader = match encoder {
        Encoder::Vp8 => element("rtpvp8pay").with("picture-id-mode", Value::Word("15-bit")),
        Encoder::Camera(_) | Encoder::Hardware | Encoder::Openh264 | Encoder::X264 => element("rtph264pay")
            .with("config-interval", Value::Number(-1))
            .with("aggregate-mode", Value::Word("zero-latency")),
    };
    vec![
        payloader.with("pt", Value::Number(i64::from(VIDEO_PAYLOAD))).with("mtu", Value::Number(1200)),
        filter(packets("video", VIDEO_PAYLOAD)),
    ]
}

/// From one talker's mix to its packets.
#[must_use]
pub fn sound_packets() -> Vec<Element> {
    vec![
        element("opusenc")
            .named(SOUND_ENCODER)
            .with("audio-type", Value::Word("voice"))
            .with("frame-size", Value::Word("20"))
            .with("bitrate", Value::Number(32_000))
            .with("inband-fec", Value::Flag(true))
            .with("packet-loss-percentage", Value::Number(5)),
        element("rtpopuspay").with("pt", Value::Number(i64::from(SOUND_PAYLOAD))).with("mtu", Value::Number(1200)),
        filter(packets("audio", SOUND_PAYLOAD)),
    ]
}

/// From one talker's packets to samples.
#[must_use]
pub fn voice() -> Vec<Element> {
    let mut elements = vec![
        element("rtpopusdepay"),
        element("opusdec").with("use-inband-fec", Value::Flag(true)).with("plc", Value::Flag(true)),
    ];
    elements.extend(samples_from_anything());
    elements
}

fn file(path: &Path) -> Element {
    element("filesrc").with("location", Value::Text(path.display().to_string()))
}

fn is_still(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ["png", "jpg", "jpeg"].iter().any(|still| ending.eq_ignore_ascii_case(still)))
}

fn test_picture(pattern: &'static str, video: &VideoSettings) -> Vec<Element> {
    vec![
        element("videotestsrc").with("is-live", Value::Flag(true)).with("pattern", Value::Word(pattern)),
        filter(raw(video)).named(FRAME_COUNTER),
    ]
}

fn still(path: &Path, video: &VideoSettings) -> Vec<Element> {
    let mut elements = vec![file(path), element("decodebin"), element("videoconvert")];
    elements.push(element("videoscale").with("add-borders", Value::Flag(true)));
    elements.push(element("imagefreeze").with("is-live", Value::Flag(true)));
    elements.push(filter(raw(video)));
    elements
}

fn film(path: &Path, video: &VideoSettings) -> Vec<Element> {
    let mut elements = vec![file(path), element("decodebin"), element("videoconvert")];
    elements.push(element("videoscale").with("add-borders", Value::Flag(true)));
    elements.push(element("videorate").with("skip-to-first", Value::Flag(true)));
    elements.push(filter(raw(video)));
    elements.push(element("clocksync"));
    elements
}

fn v4l2(camera: &V4l2Camera, video: &VideoSettings) -> Vec<Element> {
    let V4l2Camera { path, format, size, frame_rate } = camera;
    let rate = frame_rate.map(|rate| ("framerate", Field::Ratio(i32::from(rate))));
    let source = element("v4l2src").with("device", Value::Text(path.display().to_string()));
    let asked = |media_type| filter(Caps { media_type, fields: pixels(*size).into_iter().chain(rate).collect() });
    match format {
        PixelFormat::Raw => vec![source, asked("video/x-raw")],
        PixelFormat::Mjpeg => vec![source, asked("image/jpeg"), element("jpegdec")],
        PixelFormat::H264 => {
            let controls = Value::Controls(super::encoder::camera_controls(video));
            vec![source.with("extra-controls", controls), asked("video/x-h264")]
        }
    }
}

/// Its stream as it is: nothing is decoded, scaled or encoded again.
fn encoding_camera(camera: &V4l2Camera, video: &VideoSettings, encoder: Encoder) -> Vec<Element> {
    let mut elements = v4l2(camera, video);
    elements.extend(encoder.elements(video));
    if let Some(last) = elements.pop() {
        elements.push(last.named(RAW_PICTURES));
    }
    elements
}

fn libcamera(camera: &LibcameraCamera, video: &VideoSettings) -> Vec<Element> {
    let mut elements = vec![
        element("libcamerasrc").with("camera-name", Value::Text(camera.id.clone())),
        filter(Caps { media_type: "video/x-raw", fields: pixels(camera.size).into() }),
    ];
    elements.extend(pictures_from_a_camera(video));
    elements
}

fn pixels(size: PictureSize) -> [(&'static str, Field); 2] {
    [("width", Field::Number(i32::from(size.width))), ("height", Field::Number(i32::from(size.height)))]
}

/// What the encoder gets is always the same, whatever a camera gives. Superfluous pictures go before any work is done.
fn pictures_from_a_camera(video: &VideoSettings) -> Vec<Element> {
    vec![
        element("videorate").with("skip-to-first", Value::Flag(true)),
        element("videoconvert"),
        element("videoscale").with("add-borders", Value::Flag(true)),
        filter(raw(video)),
    ]
}

/// A sound card, which follows the worker's clock.
fn card(factory: &'static str, pcm: &AlsaPcm, buffer: i64) -> Element {
    element(factory)
        .with("device", Value::Text(pcm.name()))
        .with("buffer-time", Value::Number(buffer))
        .with("latency-time", Value::Number(10_000))
        .with("provide-clock", Value::Flag(false))
}

fn asked_of(pcm: &AlsaPcm) -> Option<Element> {
    let rate = pcm.rate.and_then(|rate| i32::try_from(rate).ok()).map(|rate| ("rate", Field::Number(rate)));
    let channels = pcm.channels.map(|channels| ("channels", Field::Number(i32::from(channels))));
    let fields: Vec<_> = rate.into_iter().chain(channels).collect();
    (!fields.is_empty()).then(|| filter(Caps { media_type: "audio/x-raw", fields }))
}

fn encoded(video: &VideoSettings, encoder: Encoder) -> Vec<Element> {
    // An encoder that is late loses old pictures, never delays new ones.
    let queue = element("queue")
        .named(RAW_PICTURES)
        .with("leaky", Value::Word("downstream"))
        .with("max-size-buffers", Value::Number(2))
        .with("max-size-bytes", Value::Number(0))
        .with("max-size-time", Value::Number(0));
    // They pass everything on as it is until the receivers have less room.
    let rate = element("videorate")
        .named(PICTURE_RATE)
        .with("drop-only", Value::Flag(true))
        .with("max-rate", Value::Number(i64::from(video.frame_rate)));
    let mut elements = vec![queue];
    if encoder.follows_size() {
        let size = PictureSize { width: video.width, height: video.height };
        elements.extend([rate, element("videoscale"), filter(scaled(size)).named(PICTURE_SIZE)]);
    }
    elements.extend(encoder.elements(video));
    elements
}

/// What the encoder is given when the receivers have less room.
#[must_use]
pub fn scaled(size: PictureSize) -> Caps {
    let mut fields = vec![("format", Field::Word("I420"))];
    fields.extend(pixels(size));
    fields.push(("pixel-aspect-ratio", Field::Ratio(1)));
    Caps { media_type: "video/x-raw", fields }
}

fn silence() -> Element {
    element("audiotestsrc")
        .with("is-live", Value::Flag(true))
        .with("wave", Value::Word("silence"))
        .with("samplesperbuffer", Value::Number(SAMPLES_PER_PIECE))
}

fn samples_from_anything() -> Vec<Element> {
    vec![element("audioconvert"), element("audioresample"), filter(samples())]
}

fn raw(video: &VideoSettings) -> Caps {
    Caps {
        media_type: "video/x-raw",
        fields: vec![
            ("format", Field::Word("I420")),
            ("width", Field::Number(i32::from(video.width))),
            ("height", Field::Number(i32::from(video.height))),
            ("framerate", Field::Ratio(i32::from(video.frame_rate))),
            ("pixel-aspect-ratio", Field::Ratio(1)),
        ],
    }
}

fn samples() -> Caps {
    Caps {
        media_type: "audio/x-raw",
        fields: vec![
            ("format", Field::Word("S16LE")),
            ("layout", Field::Word("interleaved")),
            ("rate", Field::Number(SAMPLE_RATE)),
            ("channels", Field::Number(1)),
        ],
    }
}

fn packets(media: &'static str, payload: i32) -> Caps {
    Caps {
        media_type: "application/x-rtp",
        fields: vec![("media", Field::Word(media)), ("payload", Field::Number(payload))],
    }
}

#[cfg(test)]
mod tests;
