//! How fast residents join at the media worker, and how big it gets: memory, threads and files with viewers and talkers.

mod bench;
#[path = "../tests/media_door/mod.rs"]
mod media_door;
#[path = "../tests/resident/mod.rs"]
mod resident;

use std::time::{Duration, Instant};

use doorward::media::pipeline::VideoSettings;
use doorward::media::protocol::{Order, Report};
use doorward::media::worker::Patience;

use bench::{machine, row};
use media_door::{CALL, Door, settings};

const JOINS: u32 = 20;

fn main() {
    machine("media worker: 640x480 test picture, VP8, residents without a browser, loopback");
    gstreamer::init().expect("GStreamer is installed");
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(joining());
    println!("load after: {}", bench::load());
}

async fn joining() {
    let mut settings = settings();
    settings.video = VideoSettings { width: 640, height: 480, bitrate: 800, ..settings.video };
    let start = Instant::now();
    let mut door = Door::open(settings, Patience::default()).await;
    println!("ready after {:?}; {} KiB", start.elapsed(), door.memory());
    door.order(Order::StartSession { session_id: CALL, picture: true });
    door.report(|report| matches!(report, Report::Capturing { camera: true, .. })).await;
    println!("camera open: {} KiB, threads and files {:?}", door.memory(), door.belongings());
    let (mut connected, mut seen) = (Vec::new(), Vec::new());
    for number in 0..JOINS {
        let start = Instant::now();
        let peer = door.join(number);
        door.report(|report| matches!(report, Report::Connected { peer: connected, .. } if *connected == peer)).await;
        connected.push(start.elapsed());
        door.until("the first picture", |door| door.resident(peer).first_picture().is_some()).await;
        seen.push(door.resident(peer).first_picture().map_or(Duration::MAX, |first| first - start));
        if number == 0 {
            door.pictures(peer, 10).await;
            println!("one viewer: {} KiB, threads and files {:?}", door.memory(), door.belongings());
        }
        door.leave(peer);
    }
    row("join to connected", connected);
    row("join to first decoded picture", seen);
    for number in 100..104 {
        let peer = door.join_and_see(number).await;
        door.order(Order::OpenGate { peer });
        door.resident(peer).talk(700);
        // From the second on they hear each other more than the door.
        door.until("sound", |door| door.resident(peer).hears().is_some()).await;
        println!("{} talkers: {} KiB, threads and files {:?}", number - 99, door.memory(), door.belongings());
    }
}
