//! The media worker with files instead of a camera, a microphone and a speaker, whole and missing, and with the other codec.

#![cfg(feature = "media")]

mod media_door;
mod resident;

use std::path::Path;

use doorward::media::gst::level;
use doorward::media::pipeline::{CameraSource, MicrophoneSource, SpeakerSink, VideoCodec};
use doorward::media::protocol::{Order, Report, Source, ToneStep};
use doorward::media::worker::Patience;
use gstreamer as gst;
use gstreamer::prelude::*;

use media_door::{Door, is_about, settings};

/// White everywhere: so the frame counter reads when there is none.
const WHITE: Option<u32> = Some(u32::MAX);

/// Makes a file by this pipeline.
fn make(pipeline: &str, path: &Path) {
    gst::init().expect("GStreamer is installed where this feature is built");
    let pipeline =
        gst::parse::launch(&format!("{pipeline} ! filesink name=file")).expect("the pipeline is written here");
    let bin = pipeline.downcast_ref::<gst::Pipeline>().expect("it has several elements");
    bin.by_name("file").expect("it is named above").set_property("location", path.display().to_string());
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let end = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().and_then(|bus| bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &end));
    assert_eq!(message.map(|message| message.type_()), Some(gst::MessageType::Eos));
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[tokio::test]
async fn missing_files_leave_black_and_silence() {
    let mut settings = settings();
    settings.camera = CameraSource::File("/nowhere/door.png".into());
    settings.microphone = MicrophoneSource::File("/nowhere/voice.wav".into());
    let mut door = Door::in_session(settings).await;
    door.report(|report| matches!(report, Report::SourceFailed { source: Source::Camera, .. })).await;
    let resident = door.join_and_see(1).await;
    door.pictures(resident, 10).await;
    assert_ne!(door.resident(resident).frame_number(), WHITE);
    door.order(Order::OpenGate { peer: resident });
    door.report(|report| matches!(report, Report::SourceFailed { source: Source::Microphone, .. })).await;
    door.until("silence", |door| door.resident(resident).hears().is_some_and(|level| level.dbfs < -60.0)).await;
    let capturing = |report: &Report| {
        matches!(report, Report::Capturing { camera: true, .. } | Report::Capturing { microphone: true, .. })
    };
    assert!(!door.reports().any(capturing), "what stands in captures nothing");
}

#[tokio::test]
async fn a_picture_stands_still() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let path = folder.path().join("it's \"the\" door ! fakesink.png");
    make("videotestsrc pattern=white num-buffers=1 ! video/x-raw,width=160,height=120 ! videoconvert ! pngenc", &path);
    let mut settings = settings();
    settings.camera = CameraSource::File(path);
    let mut door = Door::in_session(settings).await;
    let resident = door.join_and_see(1).await;
    door.pictures(resident, 50).await;
    assert_eq!(door.resident(resident).frame_number(), WHITE);
    assert!(!door.reports().any(|report| matches!(report, Report::SourceFailed { .. })));
}

#[tokio::test]
async fn a_film_and_a_sound_are_repeated() {
    let folder = tempfile::tempdir().expect("there is room for them");
    let (film, sound) = (folder.path().join("film.webm"), folder.path().join("sound.wav"));
    make("videotestsrc pattern=white num-buffers=20 ! video/x-raw,framerate=20/1 ! vp8enc deadline=1 ! webmmux", &film);
    make("audiotestsrc freq=700 volume=0.355 num-buffers=43 ! audio/x-raw,rate=44100,channels=2 ! wavenc", &sound);
    let mut settings = settings();
    settings.camera = CameraSource::File(film);
    settings.microphone = MicrophoneSource::File(sound);
    let mut door = Door::in_session(settings).await;
    let resident = door.join_and_see(1).await;
    door.order(Order::OpenGate { peer: resident });
    // Both files are a second long.
    for _ in 0..3 {
        door.hears(resident, 700.0).await;
        door.pictures(resident, 30).await;
    }
    assert_eq!(door.resident(resident).frame_number(), WHITE);
    assert!(!door.reports().any(|report| matches!(report, Report::SourceFailed { .. })));
}

#[tokio::test]
async fn h264_is_seen_too() {
    let mut settings = settings();
    settings.video.codec = VideoCodec::Openh264;
    let mut door = Door::in_session(settings).await;
    door.report(|report| matches!(report, Report::Ready { encoder } if encoder == "openh264enc")).await;
    let resident = door.join_and_see(1).await;
    door.pictures(resident, 25).await;
    assert!(door.resident(resident).frame_number().is_some_and(|number| (25..2000).contains(&number)));
}

#[tokio::test]
async fn the_speaker_can_be_a_file() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let path = folder.path().join("heard.wav");
    let mut settings = settings();
    settings.speaker = SpeakerSink::File(path.clone());
    let mut door = Door::open(settings, Patience::default()).await;
    door.order(Order::Play { tone: Some(ToneStep { hertz: [600, 0], dbfs: -12 }) });
    door.speaker_plays(600.0).await;
    let pid = door.pid();
    door.drop_worker();
    door.until("its end", |_| !Path::new(&format!("/proc/{pid}")).exists()).await;
    let wav = std::fs::read(&path).expect("it was written");
    let data = wav.windows(4).position(|bytes| bytes == b"data").expect("a WAV file has a chunk of data");
    let length = u32::from_le_bytes(wav[data + 4..data + 8].try_into().expect("these are four"));
    // Unfinished files say 0; other chunks may follow the data.
    let bytes = &wav[data + 8..][..length as usize];
    assert!(bytes.len() >= 2 * level::WINDOW, "the file was completed: {length}");
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
    let last = level::measure(&samples[samples.len() - level::WINDOW..]);
    assert!(is_about(last.hertz, 600.0), "{last:?}");
}
