//! From glass to glass through a real worker and a connection on loopback: a camera of this bench's own writes a number into every
//! picture, and the resident reads it from the decoded one. Beside the budget of 150 ms, and in pictures.
//!
//! The camera is a pipe, and the resident waits 20 ms for packets that are late. A sensor adds its exposure and readout, a screen
//! up to one of its own periods, a browser about two pictures. `cargo bench --bench glass_to_glass`, or with one of
//! `vp8enc openh264enc x264enc`. (Sound: mouth_to_ear.)

mod bench;
#[path = "../tests/media_door/mod.rs"]
mod media_door;
#[path = "../tests/resident/mod.rs"]
mod resident;
#[path = "../tests/room_of_pipes/mod.rs"]
mod room_of_pipes;
#[path = "../tests/sounds/mod.rs"]
mod sounds;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use doorward::media::gst::draw_frame_counter;
use doorward::media::pipeline::{CameraSource, MediaSettings, VideoSettings};
use doorward::media::protocol::Order;
use doorward::media::worker::Patience;

use bench::pictures::pictures;
use bench::{machine, row};
use media_door::{CALL, Door, settings};
use resident::Look;

const PICTURES: u64 = 500;
const PERIOD: Duration = Duration::from_millis(40);

fn main() {
    machine("glass to glass: 25 pictures a second through worker, encoder and a connection on loopback; budget 150 ms");
    gstreamer::init().expect("GStreamer is installed");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (encoder, video) in pictures(&settings().video, |factory| gstreamer::ElementFactory::find(factory).is_some()) {
        runtime.block_on(measure(encoder.factory(), video));
    }
    println!("load after: {}", bench::load());
}

async fn measure(factory: &str, video: VideoSettings) {
    let camera = Camera::new(video.width.into(), video.height.into());
    let (width, height) = (video.width, video.height);
    let settings = MediaSettings { camera: CameraSource::File(camera.path.clone()), video, ..settings() };
    let mut door = Door::open(settings, Patience::default()).await;
    door.order(Order::StartSession { session_id: CALL, picture: true });
    let viewer = door.join_and_see(1).await;
    // Its buffers find their level, and the picture its rate and size.
    door.pictures(viewer, 125).await;
    door.resident(viewer).look_closely();
    door.pictures(viewer, PICTURES).await;
    let mut looks = door.resident(viewer).looks();
    let all = looks.len();
    looks.retain(|look| look.width == usize::from(width));
    let drawn = camera.drawn.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let age = |look: &Look| Some(look.at - *drawn.get(usize::try_from(look.number).ok()?.checked_sub(1)?)?);
    let middle = row(&format!("{factory} {width}x{height}"), looks.iter().filter_map(age).collect());
    let span = looks.first().zip(looks.last()).map_or(0, |(first, last)| last.number.saturating_sub(first.number) + 1);
    let lost = usize::try_from(span).unwrap_or(0).saturating_sub(looks.len());
    println!("  {:.1} pictures under way, {lost} of {span} not shown", middle.as_secs_f64() / PERIOD.as_secs_f64());
    if all > looks.len() {
        println!(
            "  {} were smaller, and their number not readable: there was no room for this size",
            all - looks.len()
        );
    }
}

/// Whatever reads this pipe sees numbered pictures, as Y4M.
struct Camera {
    path: PathBuf,
    /// When the picture with the number after its place was begun.
    drawn: Arc<Mutex<Vec<Instant>>>,
    _directory: tempfile::TempDir,
}

impl Camera {
    fn new(width: usize, height: usize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("camera.y4m");
        drop(room_of_pipes::pipe(&path));
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let (pipe, drawing) = (path.clone(), Arc::clone(&drawn));
        std::thread::spawn(move || film(&pipe, (width, height), &drawing));
        Self { path, drawn, _directory: directory }
    }
}

/// For whoever opens the pipe, one after the other: a door that was late for two seconds opens its camera anew.
fn film(pipe: &Path, (width, height): (usize, usize), drawn: &Mutex<Vec<Instant>>) {
    let header = format!("YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420jpeg\n");
    let mut picture = vec![128; width * height * 3 / 2];
    let mut number = 0;
    // This waits for who reads, until the directory is gone.
    while let Ok(mut reader) = OpenOptions::new().write(true).open(pipe) {
        let mut due = Instant::now();
        let mut shot = reader.write_all(header.as_bytes());
        while shot.is_ok() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += PERIOD;
            number += 1;
            move_ball(&mut picture, width, height, number);
            draw_frame_counter(&mut picture, width, number);
            drawn.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            shot = shoot(&mut reader, &picture);
        }
    }
}

fn shoot(pipe: &mut File, picture: &[u8]) -> std::io::Result<()> {
    pipe.write_all(b"FRAME\n")?;
    pipe.write_all(picture)
}

/// Something for the encoder to do: a bright square goes round on grey stripes.
fn move_ball(picture: &mut [u8], width: usize, height: usize, number: u32) {
    let side = height / 4;
    let at = usize::try_from(number).expect("it fits") * 8 % (width - side);
    for (y, line) in picture[..width * height].chunks_exact_mut(width).enumerate() {
        line.fill(if y / 16 % 2 == 0 { 90 } else { 110 });
        if (height / 2..height / 2 + side).contains(&y) {
            line[at..at + side].fill(220);
        }
    }
}
