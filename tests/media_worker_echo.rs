//! The echo canceller in a real media worker: what the speaker plays comes back by a room to the microphone, in real time.
#![cfg(feature = "media")]

mod media_door;
mod resident;
mod room_of_pipes;
mod sounds;

use std::process::Command;

use doorward::media::pipeline::{EchoMeasured, EchoSettings, MediaSettings, MicrophoneSource, SpeakerSink};
use doorward::media::protocol::{Order, Report};
use doorward::media::worker::Patience;

use media_door::{CALL, Door, settings};
use room_of_pipes::RoomOfPipes;
use sounds::{to_i16, voice};

/// Milliseconds; what the pipes take comes on top.
const DELAY: usize = 120;

#[tokio::test]
async fn the_residents_own_voice_does_not_come_back() {
    it_does_not_come_back(48_000, DELAY).await;
}

#[tokio::test]
async fn nor_by_a_microphone_of_16_kilohertz() {
    // Its pipe takes three times as long.
    it_does_not_come_back(16_000, 40).await;
}

async fn it_does_not_come_back(rate: usize, delay: usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (speaker, microphone) = (directory.path().join("speaker.wav"), directory.path().join("microphone.wav"));
    let room = RoomOfPipes::with_rate(&speaker, &microphone, delay, 1.0, rate);
    let settings = MediaSettings {
        speaker: SpeakerSink::File(speaker),
        microphone: MicrophoneSource::File(microphone),
        echo: EchoSettings::default(),
        ..settings()
    };
    let mut door = Door::open(settings, Patience::default()).await;
    door.order(Order::StartSession { session_id: CALL, picture: false });
    let talker = door.join(1);
    door.order(Order::OpenGate { peer: talker });
    door.report(|report| matches!(report, Report::Connected { .. })).await;
    door.resident(talker).speak(to_i16(&voice(20, 118.0, -20.0, 1)), || ());
    let mut lowered = Vec::new();
    door.until("an echo that is gone", |door| {
        lowered = door
            .reports()
            .filter_map(|report| match report {
                // While the voice is heard by the microphone at all.
                Report::Sound { captured, sent, .. } if *captured > -40.0 => Some(captured - sent),
                _ => None,
            })
            .collect();
        lowered.len() >= 4 && lowered.iter().rev().take(2).all(|lowered| *lowered >= 30.0)
    })
    .await;
    let found = door.reports().filter_map(|report| match report {
        Report::Sound { delay, .. } => *delay,
        _ => None,
    });
    let found = usize::from(found.last().expect("it found the delay"));
    assert!((delay - 20..480).contains(&found), "{found} ms");
    drop(door);
    drop(room);
}

#[test]
fn the_installer_is_told_what_the_echo_is_like_and_what_cannot_work() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| directory.path().join(name);
    let (config, credential, state) = (place("door.toml"), place("credential"), place("state"));
    std::fs::create_dir(&state).expect("the directory is ours");
    std::fs::write(&credential, "0".repeat(64)).expect("the directory is ours");
    let tune = |name: &str, delay: usize, gain: f32| {
        let (speaker, microphone) = (place(&format!("{name}-speaker.wav")), place(&format!("{name}-microphone.wav")));
        let room = RoomOfPipes::between(&speaker, &microphone, delay, gain);
        let text = format!(
            "[door]\nstate-directory = {state:?}\n[hub]\naddress = \"http://127.0.0.1:9\"\n\
             credential = {{ file = {credential:?} }}\n\
             [[button]]\nid = \"flat-1\"\nlabel = \"Flat 1\"\nreceiver = {{ group = \"flat-1\" }}\n\
             [microphone.file]\npath = {microphone:?}\n[speaker.file]\npath = {speaker:?}\n"
        );
        std::fs::write(&config, text).expect("the directory is ours");
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        let output = command.args(["tune", "echo", "--config"]).arg(&config).output().expect("it was built");
        drop(room);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, said) = tune("good", DELAY, 1.0);
    assert_eq!(status, Some(0), "{said}");
    let kept = std::fs::read_to_string(state.join("echo.json")).expect("it is kept");
    let measured: EchoMeasured = serde_json::from_str(&kept).expect("it is understood");
    assert!(measured.heard >= 8 && (-8.0..-4.0).contains(&measured.coupling), "{measured:?}");
    assert!((DELAY as f64..DELAY as f64 + 250.0).contains(&measured.delay), "{measured:?}");

    let (status, said) = tune("deaf", DELAY, 0.0);
    assert_eq!(status, Some(69), "{said}");
    assert!(said.contains("0 of 10 chirps came back: is the speaker on"), "{said}");
    assert_eq!(std::fs::read_to_string(state.join("echo.json")).ok(), Some(kept), "what was good stays");
}
