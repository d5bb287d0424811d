//! Every branch as the line that `gst-launch-1.0` would take.

use super::super::{StandIn, VideoCodec};
use super::*;

const VIDEO: VideoSettings = VideoSettings {
    codec: VideoCodec::Auto,
    width: 640,
    height: 480,
    frame_rate: 25,
    bitrate: 800,
    bitrate_floor: 150,
};

fn written(elements: &[Element]) -> String {
    elements.iter().map(Element::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn test_picture_in_vp8() {
    insta::assert_snapshot!(written(&picture(&CameraSource::Test, &VIDEO, Encoder::Vp8)), @"
    videotestsrc is-live=true pattern=ball
    capsfilter name=frame-counter caps=video/x-raw,format=I420,width=640,height=480,framerate=25/1,pixel-aspect-ratio=1/1
    queue name=raw-pictures leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0
    videorate name=picture-rate drop-only=true max-rate=25
    videoscale
    capsfilter name=picture-size caps=video/x-raw,format=I420,width=640,height=480,pixel-aspect-ratio=1/1
    vp8enc name=video-encoder deadline=1 cpu-used=-8 threads=1 end-usage=cbr target-bitrate=800000 keyframe-max-dist=2000 error-resilient=default lag-in-frames=0 buffer-size=600 buffer-initial-size=400 buffer-optimal-size=500 static-threshold=1 max-intra-bitrate=300 min-force-key-unit-interval=100000000
    ");
}

#[test]
fn a_camera_that_encodes_is_passed_through() {
    let size = PictureSize { width: 1280, height: 720 };
    let camera = V4l2Camera { path: "/dev/video0".into(), format: PixelFormat::H264, size, frame_rate: Some(30) };
    let elements = picture(&CameraSource::V4l2(camera), &VIDEO, Encoder::Camera(None));
    insta::assert_snapshot!(written(&elements), @r#"
    v4l2src device="/dev/video0" extra-controls={"video_bitrate": 800000, "h264_i_frame_period": 50, "repeat_sequence_header": 1, "h264_profile": 1, "h264_level": 9}
    capsfilter caps=video/x-h264,width=1280,height=720,framerate=30/1
    h264parse config-interval=-1
    capsfilter name=raw-pictures caps=video/x-h264,stream-format=byte-stream,alignment=au
    "#);
}

#[test]
fn film_in_openh264() {
    let camera = CameraSource::File("/var/door/it's a \"film\" ! fakesink.webm".into());
    insta::assert_snapshot!(written(&picture(&camera, &VIDEO, Encoder::Openh264)), @r#"
    filesrc location="/var/door/it's a \"film\" ! fakesink.webm"
    decodebin
    videoconvert
    videoscale add-borders=true
    videorate skip-to-first=true
    capsfilter caps=video/x-raw,format=I420,width=640,height=480,framerate=25/1,pixel-aspect-ratio=1/1
    clocksync
    queue name=raw-pictures leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0
    videorate name=picture-rate drop-only=true max-rate=25
    videoscale
    capsfilter name=picture-size caps=video/x-raw,format=I420,width=640,height=480,pixel-aspect-ratio=1/1
    openh264enc name=video-encoder rate-control=bitrate bitrate=800000 max-bitrate=1600000 complexity=low gop-size=2000 multi-thread=1 usage-type=camera min-force-key-unit-interval=100000000
    capsfilter caps=video/x-h264,profile=constrained-baseline
    h264parse config-interval=-1
    capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au
    "#);
}

#[test]
fn still_by_the_hardware() {
    let camera = CameraSource::File("/var/door/closed.JPG".into());
    insta::assert_snapshot!(written(&picture(&camera, &VIDEO, Encoder::Hardware)), @r#"
    filesrc location="/var/door/closed.JPG"
    decodebin
    videoconvert
    videoscale add-borders=true
    imagefreeze is-live=true
    capsfilter caps=video/x-raw,format=I420,width=640,height=480,framerate=25/1,pixel-aspect-ratio=1/1
    queue name=raw-pictures leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0
    v4l2h264enc name=video-encoder extra-controls={"repeat_sequence_header": 1, "video_bitrate": 800000, "h264_i_frame_period": 2000}
    capsfilter caps=video/x-h264,profile=constrained-baseline,level=3.1
    h264parse config-interval=-1
    capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au
    "#);
}

#[test]
fn cameras() {
    let size = PictureSize { width: 1280, height: 720 };
    let path: std::path::PathBuf = "/dev/v4l/by-id/usb-046d_HD_Pro-video-index0".into();
    let raw = V4l2Camera { path, format: PixelFormat::Raw, size, frame_rate: None };
    let jpeg = V4l2Camera { format: PixelFormat::Mjpeg, frame_rate: Some(30), ..raw.clone() };
    let libcamera = LibcameraCamera { id: "/base/soc/i2c0mux/i2c@1/imx219@10".to_owned(), size };
    let sources = [CameraSource::V4l2(raw), CameraSource::V4l2(jpeg), CameraSource::Libcamera(libcamera)];
    // What comes after is every camera's.
    let own = |camera: &CameraSource| written(&picture(camera, &VIDEO, Encoder::Vp8)[..7]);
    insta::assert_snapshot!(sources.each_ref().map(own).join("\n--\n"), @r#"
    v4l2src device="/dev/v4l/by-id/usb-046d_HD_Pro-video-index0"
    capsfilter caps=video/x-raw,width=1280,height=720
    videorate skip-to-first=true
    videoconvert
    videoscale add-borders=true
    capsfilter caps=video/x-raw,format=I420,width=640,height=480,framerate=25/1,pixel-aspect-ratio=1/1
    queue name=raw-pictures leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0
    --
    v4l2src device="/dev/v4l/by-id/usb-046d_HD_Pro-video-index0"
    capsfilter caps=image/jpeg,width=1280,height=720,framerate=30/1
    jpegdec
    videorate skip-to-first=true
    videoconvert
    videoscale add-borders=true
    capsfilter caps=video/x-raw,format=I420,width=640,height=480,framerate=25/1,pixel-aspect-ratio=1/1
    --
    libcamerasrc camera-name="/base/soc/i2c0mux/i2c@1/imx219@10"
    capsfilter caps=video/x-raw,width=1280,height=720
    videorate skip-to-first=true
    videoconvert
    videoscale add-borders=true
    capsfilter caps=video/x-raw,format=I420,width=640,height=480,framerate=25/1,pixel-aspect-ratio=1/1
    queue name=raw-pictures leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0
    "#);
}

#[test]
fn sound_cards_and_pipewire() {
    let card =
        AlsaPcm { card: "Device".to_owned(), device: 0, subdevice: None, rate: None, channels: None, plug: false };
    let asked = AlsaPcm { rate: Some(16_000), channels: Some(1), plug: true, ..card.clone() };
    let node = "alsa_input.usb-C-Media.mono-fallback".to_owned();
    let branches = [
        sound(&MicrophoneSource::Alsa(card.clone())),
        sound(&MicrophoneSource::Alsa(asked.clone())),
        sound(&MicrophoneSource::Pipewire(node.clone())),
        speaker(&SpeakerSink::Alsa(card)),
        speaker(&SpeakerSink::Alsa(asked)),
        speaker(&SpeakerSink::Pipewire(node)),
    ];
    insta::assert_snapshot!(branches.each_ref().map(|branch| written(branch)).join("\n--\n"), @r#"
    alsasrc device="hw:CARD=Device,DEV=0" buffer-time=200000 latency-time=10000 provide-clock=false
    audioconvert
    audioresample
    capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    --
    alsasrc device="plughw:CARD=Device,DEV=0" buffer-time=200000 latency-time=10000 provide-clock=false
    capsfilter caps=audio/x-raw,rate=16000,channels=1
    audioconvert
    audioresample
    capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    --
    pipewiresrc target-object="alsa_input.usb-C-Media.mono-fallback"
    capsfilter caps=audio/x-raw
    audioconvert
    audioresample
    capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    --
    audiotestsrc is-live=true wave=silence samplesperbuffer=480
    capsfilter name=mixing-point caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    audioconvert
    audioresample
    alsasink device="hw:CARD=Device,DEV=0" buffer-time=80000 latency-time=10000 provide-clock=false
    --
    audiotestsrc is-live=true wave=silence samplesperbuffer=480
    capsfilter name=mixing-point caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    audioconvert
    audioresample
    capsfilter caps=audio/x-raw,rate=16000,channels=1
    alsasink device="plughw:CARD=Device,DEV=0" buffer-time=80000 latency-time=10000 provide-clock=false
    --
    audiotestsrc is-live=true wave=silence samplesperbuffer=480
    capsfilter name=mixing-point caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    audioconvert
    audioresample
    pipewiresink target-object="alsa_input.usb-C-Media.mono-fallback"
    "#);
}

#[test]
fn placeholders_in_x264() {
    assert_eq!(placeholder_picture(&VIDEO, Encoder::Camera(None)), None, "nobody may encode it");
    let black = written(&placeholder_picture(&VIDEO, Encoder::Camera(Some(StandIn::Hardware))).unwrap_or_default());
    assert!(black.contains("pattern=black") && black.contains("v4l2h264enc"), "{black}");
    let mut elements = placeholder_picture(&VIDEO, Encoder::X264).expect("x264 encodes it");
    elements.extend(placeholder_sound());
    insta::assert_snapshot!(written(&elements), @"
    videotestsrc is-live=true pattern=black
    capsfilter name=frame-counter caps=video/x-raw,format=I420,width=640,height=480,framerate=25/1,pixel-aspect-ratio=1/1
    queue name=raw-pictures leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0
    videorate name=picture-rate drop-only=true max-rate=25
    videoscale
    capsfilter name=picture-size caps=video/x-raw,format=I420,width=640,height=480,pixel-aspect-ratio=1/1
    x264enc name=video-encoder tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=2000 threads=1 bframes=0 vbv-buf-capacity=300 min-force-key-unit-interval=100000000
    capsfilter caps=video/x-h264,profile=constrained-baseline
    h264parse config-interval=-1
    capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au
    audiotestsrc is-live=true wave=silence samplesperbuffer=480
    capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    ");
}

#[test]
fn microphones() {
    insta::assert_snapshot!(written(&sound(&MicrophoneSource::Tone(440))), @"
    audiotestsrc is-live=true wave=sine freq=440 volume=0.355 samplesperbuffer=480
    capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    ");
    insta::assert_snapshot!(written(&sound(&MicrophoneSource::File("/var/door/voice.wav".into()))), @r#"
    filesrc location="/var/door/voice.wav"
    decodebin
    audioconvert
    audioresample
    capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    clocksync
    "#);
}

#[test]
fn speakers() {
    insta::assert_snapshot!(written(&speaker(&SpeakerSink::Discard)), @"
    audiotestsrc is-live=true wave=silence samplesperbuffer=480
    capsfilter name=mixing-point caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    fakesink sync=true
    ");
    insta::assert_snapshot!(written(&speaker(&SpeakerSink::File("/tmp/heard.wav".into()))), @r#"
    audiotestsrc is-live=true wave=silence samplesperbuffer=480
    capsfilter name=mixing-point caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    wavenc
    filesink location="/tmp/heard.wav" buffer-mode=unbuffered sync=true
    "#);
}

#[test]
fn what_each_peer_has() {
    insta::assert_snapshot!(written(&picture_packets(Encoder::Vp8)), @"
    rtpvp8pay picture-id-mode=15-bit pt=96 mtu=1200
    capsfilter caps=application/x-rtp,media=video,payload=96
    ");
    insta::assert_snapshot!(written(&picture_packets(Encoder::Hardware)), @"
    rtph264pay config-interval=-1 aggregate-mode=zero-latency pt=96 mtu=1200
    capsfilter caps=application/x-rtp,media=video,payload=96
    ");
    insta::assert_snapshot!(written(&sound_packets()), @"
    opusenc name=sound-encoder audio-type=voice frame-size=20 bitrate=32000 inband-fec=true packet-loss-percentage=5
    rtpopuspay pt=97 mtu=1200
    capsfilter caps=application/x-rtp,media=audio,payload=97
    ");
    insta::assert_snapshot!(written(&voice()), @"
    rtpopusdepay
    opusdec use-inband-fec=true plc=true
    audioconvert
    audioresample
    capsfilter caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1
    ");
}

#[test]
fn what_is_offered() {
    insta::assert_snapshot!(Encoder::Vp8.offered(), @"application/x-rtp,media=video,clock-rate=90000,payload=96,encoding-name=VP8");
    insta::assert_snapshot!(Encoder::Hardware.offered(), @"application/x-rtp,media=video,clock-rate=90000,payload=96,encoding-name=H264,packetization-mode=1,profile-level-id=42e01f,level-asymmetry-allowed=1");
    insta::assert_snapshot!(offered_sound(), @"application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=97,encoding-params=2,minptime=10,useinbandfec=1");
}
