//! From mouth to ear through a real worker and a connection on loopback, both ways, against the budget of 150 ms (ITU-T G.114).
//! Sound cards and the air come on top: the card's buffers are 10 ms for capture, and up to 80 ms for playing.

mod bench;
#[path = "../tests/media_door/mod.rs"]
mod media_door;
#[path = "../tests/mouth_to_ear/mod.rs"]
mod mouth_to_ear;
#[path = "../tests/resident/mod.rs"]
mod resident;
#[path = "../tests/room_of_pipes/mod.rs"]
mod room_of_pipes;
#[path = "../tests/sounds/mod.rs"]
mod sounds;

use doorward::media::protocol::{Order, Report};
use doorward::media::worker::Patience;

use bench::{machine, row};
use media_door::{CALL, Door};
use mouth_to_ear::MouthToEar;

const CHIRPS: usize = 30;

fn main() {
    machine(
        "mouth to ear: a chirp through worker, Opus and a connection on loopback; budget 150 ms with cards and network",
    );
    gstreamer::init().expect("GStreamer is installed");
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(measuring());
    println!("load after: {}", bench::load());
}

async fn measuring() {
    let street = MouthToEar::new();
    let mut door = Door::open(street.settings(), Patience::default()).await;
    door.order(Order::StartSession { session_id: CALL, picture: true });
    let talker = door.join(1);
    door.order(Order::OpenGate { peer: talker });
    door.report(|report| matches!(report, Report::Connected { .. })).await;
    row("visitor's mouth to resident's ear", street.to_resident(&mut door, talker, CHIRPS).await);
    row("resident's mouth to visitor's ear", street.to_street(&mut door, talker, CHIRPS).await);
    drop(door);
}
