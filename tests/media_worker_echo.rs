//! The echo canceller in a real media worker: what the speaker plays comes back by a room to the microphone, in real time.
#![cfg(feature = "media")]

mod media_door;
mod resident;
mod sounds;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use doorward::media::pipeline::{EchoSettings, MediaSettings, MicrophoneSource, SpeakerSink};
use doorward::media::protocol::{Order, Report};
use doorward::media::worker::Patience;

use media_door::{CALL, Door, settings};
use sounds::{RATE, Walls, from_i16, to_i16, voice};

/// Milliseconds; what the pipes take comes on top.
const DELAY: usize = 120;
const PIECE: usize = RATE / 100;

/// Stands between the pipe that the speaker writes and the pipe that the microphone reads.
struct RoomOfPipes {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RoomOfPipes {
    fn between(speaker: &Path, microphone: &Path) -> Self {
        for path in [speaker, microphone] {
            rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
                .expect("the directory is ours");
        }
        // Open for both ways: nobody waits for the other end.
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path).expect("it was just made");
        let (played, captured) = (open(speaker), open(microphone));
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = std::thread::spawn(move || answer(played, captured, &until));
        Self { over, thread: Some(thread) }
    }
}

impl Drop for RoomOfPipes {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Every piece that is played is answered by a piece with the echo of what was played before.
fn answer(mut played: std::fs::File, mut captured: std::fs::File, over: &AtomicBool) {
    let walls = Walls::new();
    let mut header = [0; 44];
    played.read_exact(&mut header).expect("the speaker writes a WAV file");
    captured.write_all(&header).expect("the pipe is open");
    let mut history: Vec<f32> = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let mut bytes = [0; 2 * PIECE];
        played.read_exact(&mut bytes).expect("the speaker plays");
        let piece: Vec<i16> = bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        let from = history.len();
        history.extend(from_i16(&piece));
        let echo: Vec<f32> = (from..history.len()).map(|n| walls.echo(&history, n, DELAY * RATE / 1000)).collect();
        let bytes: Vec<u8> = to_i16(&echo).iter().flat_map(|sample| sample.to_le_bytes()).collect();
        captured.write_all(&bytes).expect("the pipe is open");
    }
}

#[tokio::test]
async fn the_residents_own_voice_does_not_come_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (speaker, microphone) = (directory.path().join("speaker.wav"), directory.path().join("microphone.wav"));
    let room = RoomOfPipes::between(&speaker, &microphone);
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
    let delay = door.reports().filter_map(|report| match report {
        Report::Sound { delay, .. } => *delay,
        _ => None,
    });
    let found = usize::from(delay.last().expect("it found the delay"));
    assert!((DELAY - 20..DELAY + 200).contains(&found), "{found} ms");
    drop(door);
    drop(room);
}
