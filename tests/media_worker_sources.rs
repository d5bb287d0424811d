//! The media worker with files instead of a camera, a microphone and a speaker, and with the other codec.

#![cfg(feature = "media")]

mod media_door;
mod media_files;
mod resident;

use std::path::Path;

use doorward::media::gst::level;
use doorward::media::pipeline::{CameraSource, MicrophoneSource, SpeakerSink, VideoCodec};
use doorward::media::protocol::{Audible, Order, Report, ToneStep};
use doorward::media::worker::Patience;
use doorward::panel::fault::FaultKind;
use doorward::panel::sound::Cue;
use media_door::{Door, is_about, settings};
use media_files::{WHITE, make};

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
    assert!(!door.reports().any(|report| matches!(report, Report::DeviceFailed { .. })));
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
    assert!(!door.reports().any(|report| matches!(report, Report::DeviceFailed { .. })));
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
async fn the_installers_own_sounds_are_played_and_broken_ones_are_told() {
    let folder = tempfile::tempdir().expect("there is room for them");
    let path = |name: &str| folder.path().join(name);
    let tone = |hertz: u16, seconds: u16, encoded: &str| {
        format!(
            "audiotestsrc freq={hertz} volume=0.355 samplesperbuffer=441 num-buffers={} ! audio/x-raw,rate=44100,channels=2 ! {encoded}",
            100 * seconds
        )
    };
    make(&tone(700, 1, "wavenc"), &path("ringing.wav"));
    make(&tone(1100, 1, "audioconvert ! vorbisenc ! oggmux"), &path("busy.ogg"));
    make(&tone(300, 31, "wavenc"), &path("long.wav"));
    make("videotestsrc num-buffers=5 ! theoraenc ! oggmux", &path("mute.ogg"));
    std::fs::write(path("broken.ogg"), b"OggS\0 and then no more of it").expect("there is room for it");
    let mut settings = settings();
    settings.prompts = [
        (Cue::Ringing, path("ringing.wav")),
        (Cue::Busy, path("busy.ogg")),
        (Cue::Ended, path("long.wav")),
        (Cue::Failed, path("mute.ogg")),
        (Cue::Answered, path("broken.ogg")),
        (Cue::Cancelled, path("nowhere.ogg")),
    ]
    .into();
    let mut door = Door::open(settings, Patience::default()).await;
    let told = |door: &Door, cue: Cue| {
        door.reports().find_map(|report| match report {
            Report::PromptReady { cue: ready, milliseconds } if *ready == cue => Some(Ok(*milliseconds)),
            Report::PromptFailed { cue: failed, fault } if *failed == cue => Some(Err(fault.kind)),
            _ => None,
        })
    };
    door.until("a word on each", |door| {
        [Cue::Ringing, Cue::Busy, Cue::Ended, Cue::Failed, Cue::Answered, Cue::Cancelled]
            .iter()
            .all(|cue| told(door, *cue).is_some())
    })
    .await;
    for cue in [Cue::Ringing, Cue::Busy] {
        assert!(told(&door, cue).is_some_and(|told| told.is_ok_and(|length| length.abs_diff(1000) < 50)), "{cue}");
    }
    for (cue, kind) in [
        (Cue::Ended, FaultKind::WrongFormat),
        (Cue::Failed, FaultKind::WrongFormat),
        (Cue::Answered, FaultKind::WrongFormat),
        (Cue::Cancelled, FaultKind::Missing),
    ] {
        assert_eq!(told(&door, cue), Some(Err(kind)), "{cue}");
    }
    let say = |door: &Door, cue: Cue, turn: u32| door.order(Order::Play { sound: Some(Audible::Prompt { cue, turn }) });
    // What rings is repeated: it is still there after twice its length.
    say(&door, Cue::Ringing, 1);
    door.speaker_plays(700.0).await;
    let levels = door.speaker_levels().count();
    door.until("more of it", |door| door.speaker_levels().count() >= levels + 20).await;
    door.speaker_plays(700.0).await;
    // An outcome is said once, and then there is silence without another order.
    say(&door, Cue::Busy, 2);
    door.speaker_plays(1100.0).await;
    door.until("silence", |door| door.speaker_levels().next_back().is_some_and(|(dbfs, _)| dbfs < -60.0)).await;
}

#[tokio::test]
async fn the_speaker_can_be_a_file() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let path = folder.path().join("heard.wav");
    let mut settings = settings();
    settings.speaker = SpeakerSink::File(path.clone());
    let mut door = Door::open(settings, Patience::default()).await;
    door.order(Order::Play { sound: Some(Audible::Tone(ToneStep { hertz: [600, 0], dbfs: -12 })) });
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
