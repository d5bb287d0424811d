//! How fast and how big the media worker is. Measures and prints: `cargo nextest run --run-ignored only media_worker_times --no-capture`.

#![cfg(feature = "media")]

mod media_door;
mod resident;

use std::time::{Duration, Instant};

use doorward::media::pipeline::VideoSettings;
use doorward::media::protocol::{Order, Report};
use doorward::media::worker::Patience;

use media_door::{CALL, Door, settings};

#[tokio::test]
#[ignore = "it measures and checks nothing"]
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
    for number in 0..20 {
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
    print("join to connected", connected);
    print("join to first decoded picture", seen);
    for number in 100..104 {
        let peer = door.join_and_see(number).await;
        door.order(Order::OpenGate { peer });
        door.resident(peer).talk(700);
        door.hears(peer, 440.0).await;
        println!("{} talkers: {} KiB, threads and files {:?}", number - 99, door.memory(), door.belongings());
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |hundredth: usize| times[(times.len() - 1) * hundredth / 100];
    println!("{what}: median {:?}, 95 % {:?}, longest {:?}", at(50), at(95), at(100));
}
