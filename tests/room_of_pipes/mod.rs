//! A room between two pipes: what the speaker writes into one comes back by the other, which the microphone reads, as an echo.

#![allow(dead_code, reason = "every test that includes it uses a part of it")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::sounds::{RATE, Walls, from_i16, to_i16};

const PIECE: usize = RATE / 100;

/// A new pipe, and its reading end. It is open for both ways, so that nobody waits for the other end.
pub fn pipe(path: &Path) -> File {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .expect("the directory is ours");
    OpenOptions::new().read(true).write(true).open(path).expect("it was just made")
}

/// The writing end of a pipe, once somebody reads: what was written before would come late for ever.
pub struct Mouth {
    path: PathBuf,
    end: Option<File>,
    header: Vec<u8>,
}

impl Mouth {
    /// A new pipe. Whoever reads gets this first.
    pub fn new(path: &Path, header: Vec<u8>) -> Self {
        drop(pipe(path));
        Self { path: path.to_owned(), end: None, header }
    }

    /// Says this if somebody listens. False if not.
    pub fn say(&mut self, samples: &[i16]) -> bool {
        if self.end.is_none() {
            let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
            self.end = rustix::fs::open(&self.path, flags, rustix::fs::Mode::empty()).ok().map(File::from);
            if let Some(end) = &mut self.end {
                end.write_all(&self.header).expect("an empty pipe takes a header");
            }
        }
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        // A pipe takes a piece as a whole or not at all. One that is full loses it, as a sound card does.
        self.end.as_mut().is_some_and(|end| end.write(&bytes).is_ok())
    }
}

/// Of a WAV file without an end: so many samples a second, one channel, sixteen bits.
pub fn wav_header(rate: u32) -> Vec<u8> {
    let mut header = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    header.extend(rate.to_le_bytes());
    header.extend((2 * rate).to_le_bytes());
    header.extend(b"\x02\0\x10\0data\xff\xff\xff\x7f");
    header
}

/// Answers until it is dropped.
pub struct RoomOfPipes {
    over: Arc<AtomicBool>,
    speaker: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl RoomOfPipes {
    /// An echo so many milliseconds later, this much louder than -6 dB.
    pub fn between(speaker: &Path, microphone: &Path, delay: usize, gain: f32) -> Self {
        Self::with_rate(speaker, microphone, delay, gain, RATE)
    }

    /// The same, with a microphone of so many samples a second: a whole part of the speaker's.
    pub fn with_rate(speaker: &Path, microphone: &Path, delay: usize, gain: f32, rate: usize) -> Self {
        let header = wav_header(u32::try_from(rate).expect("it is a rate"));
        let (played, captured) = (pipe(speaker), Mouth::new(microphone, header));
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread =
            std::thread::spawn(move || answer(played, captured, (delay * RATE / 1000, gain, RATE / rate), &until));
        Self { over, speaker: speaker.to_owned(), thread: Some(thread) }
    }
}

impl Drop for RoomOfPipes {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // It waits for a piece that may never come.
        if let Ok(mut speaker) = OpenOptions::new().read(true).write(true).open(&self.speaker) {
            let _ = speaker.write_all(&[0; 2 * PIECE]);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Every piece that is played is answered by a piece with the echo of what was played before.
fn answer(mut played: File, mut captured: Mouth, (delay, gain, thinned): (usize, f32, usize), over: &AtomicBool) {
    let walls = Walls::new();
    let mut header = [0; 44];
    if played.read_exact(&mut header).is_err() {
        return;
    }
    let mut history: Vec<f32> = Vec::new();
    let mut bytes = [0; 2 * PIECE];
    while !over.load(Ordering::SeqCst) && played.read_exact(&mut bytes).is_ok() {
        let piece: Vec<i16> = bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        let from = history.len();
        history.extend(from_i16(&piece));
        let echo: Vec<f32> = (from..history.len()).map(|n| gain * walls.echo(&history, n, delay)).collect();
        let slower: Vec<f32> = echo.chunks(thinned).map(|few| few.iter().sum::<f32>() / thinned as f32).collect();
        captured.say(&to_i16(&slower));
    }
}
