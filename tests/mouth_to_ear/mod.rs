//! How long a voice takes from mouth to ear, both ways, through a real worker: a chirp is said, and found in what is heard.
//!
//! The microphone and the speaker are pipes, so it counts everything but the sound card and the air. Its settings must be
//! [`MouthToEar::settings`]'s.

#![allow(dead_code, reason = "every test that includes it uses a part of it")]

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use doorward::ids::PeerId;
use doorward::media::gst::echo::measure;
use doorward::media::pipeline::{EchoSettings, MediaSettings, MicrophoneSource, SpeakerSink};

use crate::media_door::{Door, settings};
use crate::resident::Recording;
use crate::room_of_pipes::{Mouth, pipe, wav_header};

/// 10 ms.
const PIECE: usize = 480;
const PIECE_TIME: Duration = Duration::from_millis(10);
const RATE: f64 = 48_000.0;
/// With more chirps torn apart than this there is no conversation to measure.
const TORN: usize = 30;

/// The door's mouth and ear.
pub struct MouthToEar {
    directory: tempfile::TempDir,
    street: Arc<Street>,
    threads: Vec<JoinHandle<()>>,
}

/// What is said and heard in front of the door.
#[derive(Default)]
struct Street {
    over: AtomicBool,
    /// To be said, and when it was begun.
    saying: Mutex<Vec<i16>>,
    said: Mutex<Vec<Instant>>,
    /// Kept only while it is listened to: a call may be long.
    heard: Mutex<Option<Recording>>,
}

impl MouthToEar {
    /// A quiet street.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let street = Arc::new(Street::default());
        let mouth = Mouth::new(&microphone(directory.path()), wav_header(48_000));
        let ear = pipe(&speaker(directory.path()));
        let (speaking, hearing) = (Arc::clone(&street), Arc::clone(&street));
        let threads =
            vec![std::thread::spawn(move || speak(mouth, &speaking)), std::thread::spawn(move || hear(ear, &hearing))];
        Self { directory, street, threads }
    }

    /// The worker's, with this mouth and this ear. The echo canceller works, as at a door.
    pub fn settings(&self) -> MediaSettings {
        MediaSettings {
            microphone: MicrophoneSource::File(microphone(self.directory.path())),
            speaker: SpeakerSink::File(speaker(self.directory.path())),
            echo: EchoSettings::default(),
            ..settings()
        }
    }

    /// From the street to this talker's ear, so often. Silence comes from the talker meanwhile, as from a phone: while nothing comes
    /// at all, the way is 15 ms shorter.
    pub async fn to_resident(&self, door: &mut Door, talker: PeerId, times: usize) -> Vec<Duration> {
        door.resident(talker).speak(vec![0; PIECE], || {});
        lock(&self.street.said).clear();
        door.resident(talker).record();
        let mut chirps = Chirps::default();
        while chirps.taken.len() < times {
            lock(&self.street.saying).extend(said_once());
            door.until("a chirp at the resident", |door| {
                let began = lock(&self.street.said).get(chirps.number()).copied().filter(is_over);
                began.is_some_and(|began| chirps.hear(&door.resident(talker).recording(), began))
            })
            .await;
        }
        door.resident(talker).stop_recording();
        chirps.taken
    }

    /// From this talker's mouth to the street, so often.
    pub async fn to_street(&self, door: &mut Door, talker: PeerId, times: usize) -> Vec<Duration> {
        *lock(&self.street.heard) = Some(Recording::default());
        let began = Arc::new(Mutex::new(Vec::new()));
        let beginning = Arc::clone(&began);
        let mut sound = vec![0; measure::PERIOD];
        sound.splice(..0, measure::chirp());
        door.resident(talker).speak(sound, move || lock(&beginning).push(Instant::now()));
        let mut chirps = Chirps::default();
        while chirps.taken.len() < times {
            door.until("a chirp in the street", |_| {
                let began = lock(&began).get(chirps.number()).copied().filter(is_over);
                // A copy: the ear goes on meanwhile, and notes when what it hears comes.
                let heard = began.and_then(|_| lock(&self.street.heard).clone());
                began.zip(heard).is_some_and(|(began, heard)| chirps.hear(&heard, began))
            })
            .await;
        }
        *lock(&self.street.heard) = None;
        chirps.taken
    }
}

impl Drop for MouthToEar {
    fn drop(&mut self) {
        self.street.over.store(true, Ordering::SeqCst);
        // The ear waits for a piece that may never come.
        if let Ok(mut ear) = OpenOptions::new().read(true).write(true).open(speaker(self.directory.path())) {
            let _ = ear.write_all(&[0; 2 * PIECE]);
        }
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn microphone(directory: &Path) -> PathBuf {
    directory.join("microphone.wav")
}

fn speaker(directory: &Path) -> PathBuf {
    directory.join("speaker.wav")
}

/// A chirp and the silence after it.
fn said_once() -> Vec<i16> {
    let mut sound = measure::chirp();
    sound.resize(measure::PERIOD / 2, 0);
    sound
}

/// Chirps, one after the other.
#[derive(Default)]
struct Chirps {
    /// How long they took.
    taken: Vec<Duration>,
    /// Those that a busy machine tore apart: nobody finds them any more.
    torn: usize,
}

impl Chirps {
    /// Of the one that is listened for.
    fn number(&self) -> usize {
        self.taken.len() + self.torn
    }

    /// Listens for it. False, as long as it and half a second more are not there. It is looked for once: looking takes long.
    fn hear(&mut self, recording: &Recording, began: Instant) -> bool {
        let Some(first) = recording.came.iter().position(|(_, came)| *came >= began) else { return false };
        let from = recording.came.get(first.saturating_sub(1)).map_or(0, |(samples, _)| *samples);
        if recording.samples.len() < from + measure::PERIOD * 3 / 4 {
            return false;
        }
        match arrived(recording, from, began) {
            Some(after) => self.taken.push(after),
            None => self.torn += 1,
        }
        assert!(self.torn <= TORN, "{} chirps were torn apart, only {:?} came", self.torn, self.taken);
        true
    }
}

/// So long after a chirp began a look at the recording may be worth its while.
fn is_over(began: &Instant) -> bool {
    began.elapsed() > Duration::from_millis(750)
}

/// How long after it was begun the chirp had come. Its last part comes when it was said, so its length does not count.
fn arrived(recording: &Recording, from: usize, began: Instant) -> Option<Duration> {
    let at = measure::find(&recording.samples, from)?;
    let (samples, came) = recording.came.iter().find(|(samples, _)| *samples as f64 > at)?;
    // The piece came as a whole: its earlier samples are as much older.
    let age = Duration::from_secs_f64((*samples as f64 - at) / RATE);
    (*came - age.min(came.duration_since(began))).checked_duration_since(began)
}

/// Silence, and now and then a chirp, at the pace of a microphone.
fn speak(mut mouth: Mouth, street: &Street) {
    let began = Instant::now();
    let mut pieces = 0;
    while !street.over.load(Ordering::SeqCst) {
        let due = began + PIECE_TIME * pieces;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        pieces += 1;
        let mut saying = lock(&street.saying);
        let length = saying.len().min(PIECE);
        if saying.len() == said_once().len() {
            // The first sample was captured before the piece was complete.
            lock(&street.said).push(Instant::now() - PIECE_TIME);
        }
        let mut piece: Vec<i16> = saying.drain(..length).collect();
        drop(saying);
        piece.resize(PIECE, 0);
        mouth.say(&piece);
    }
}

fn hear(mut ear: std::fs::File, street: &Street) {
    let mut header = [0; 44];
    let _ = ear.read_exact(&mut header);
    let mut bytes = [0; 2 * PIECE];
    while !street.over.load(Ordering::SeqCst) && ear.read_exact(&mut bytes).is_ok() {
        let mut heard = lock(&street.heard);
        let Some(heard) = heard.as_mut() else { continue };
        heard.samples.extend(bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])));
        let samples = heard.samples.len();
        heard.came.push((samples, Instant::now()));
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
