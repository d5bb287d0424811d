//! What residents cost at the media worker: processor and memory with nobody, with viewers, and with talkers among them, by
//! encoder and size. Beside it the same pictures with an encoder for every resident (as webrtcsink does by default) in the same
//! run. The source's own cost is measured alone and subtracted from both.
//!
//! `cargo bench --bench media_cost`, or with one of `vp8enc openh264enc x264enc`. On a busy machine some pictures are not decoded
//! in time: their rate stands beside the cost, which is only true at 25.

mod bench;
#[path = "../tests/media_door/mod.rs"]
mod media_door;
#[path = "../tests/resident/mod.rs"]
mod resident;

use std::time::Duration;

use doorward::ids::PeerId;
use doorward::media::pipeline::{self, CameraSource, Element, Encoder, FRAME_COUNTER, VideoSettings};
use doorward::media::protocol::{Order, Report};
use doorward::media::worker::Patience;
use gstreamer as gst;
use gstreamer::prelude::*;

use bench::pictures::pictures;
use bench::{machine, usage};
use media_door::{CALL, Door, settings};

/// At least the few seconds in which a rate is found.
const SETTLING: Duration = Duration::from_secs(3);
const WATCHED: Duration = Duration::from_secs(6);
const CROWDS: [usize; 5] = [0, 1, 2, 4, 8];
/// Four viewers may cost this many times what one costs.
const TARGET: f64 = 1.6;

fn main() {
    machine("cost of residents: test picture, 25 a second, residents without a browser, loopback; % of one core");
    gst::init().expect("GStreamer is installed");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (encoder, video) in pictures(&settings().video, |factory| gst::ElementFactory::find(factory).is_some()) {
        let VideoSettings { width, height, bitrate, .. } = video;
        println!("\n{} {width}x{height}, {bitrate} kbit/s, load {}", encoder.factory(), bench::load());
        compare(&runtime, encoder, video);
    }
    println!("load after: {}", bench::load());
}

fn compare(runtime: &tokio::runtime::Runtime, encoder: Encoder, video: VideoSettings) {
    let source = in_process(&description(encoder, &video, 0));
    println!("  the source alone {source:.1} %");
    let shared = runtime.block_on(at_the_worker(video.clone()));
    let mut own = Vec::new();
    for (crowd, cost) in CROWDS.into_iter().zip(&shared.viewers) {
        let each = if crowd == 0 { 0.0 } else { in_process(&description(encoder, &video, crowd)) - source };
        println!(
            "  {crowd} viewers: {:>5.1} %, less the source {:>5.1} %, {:>5.1} MB, {:.1} pictures/s; an encoder each {each:>5.1} %",
            cost.cpu,
            cost.cpu - source,
            cost.memory,
            cost.pictures
        );
        own.push(each);
    }
    let less: Vec<f64> = shared.viewers.iter().map(|cost| cost.cpu - source).collect();
    let (ratio, peer) = (four_to_one(&less), four_to_one(&own));
    println!("  four viewers to one: {ratio:.2} (target {TARGET}); with an encoder each: {peer:.2}");
    let [silent, one, two] = shared.talking;
    println!("  of four viewers, the first who talks adds {:+.1} %, the second {:+.1} %", one - silent, two - one);
}

fn four_to_one(costs: &[f64]) -> f64 {
    let of = |wanted| CROWDS.iter().position(|crowd| *crowd == wanted).map_or(f64::NAN, |place| costs[place]);
    of(4) / of(1)
}

#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    /// Megabytes.
    memory: f64,
    /// Decoded in a second by who came first.
    pictures: f64,
}

struct Shared {
    viewers: Vec<Cost>,
    /// Of four viewers nobody talks, one, and two.
    talking: [f64; 3],
}

async fn at_the_worker(video: VideoSettings) -> Shared {
    let mut door = Door::open(pipeline::MediaSettings { video, ..settings() }, Patience::default()).await;
    door.order(Order::StartSession { session_id: CALL, picture: true });
    door.report(|report| matches!(report, Report::Capturing { camera: true, .. })).await;
    let mut viewers = Vec::new();
    let mut peers: Vec<PeerId> = Vec::new();
    let mut talking = [0.0; 3];
    let mut numbers = 0..;
    for crowd in CROWDS {
        while peers.len() < crowd {
            peers.push(door.join_and_see(numbers.next().expect("it has no end")).await);
        }
        let cost = watched(&mut door, &peers).await;
        viewers.push(cost);
        if crowd == 4 {
            talking[0] = cost.cpu;
            for (talkers, peer) in (1..talking.len()).zip(peers.clone()) {
                door.order(Order::OpenGate { peer });
                door.resident(peer).talk(1000);
                talking[talkers] = watched(&mut door, &peers).await.cpu;
            }
            // The next crowd is one of viewers again.
            peers.drain(..talking.len() - 1).for_each(|talker| door.leave(talker));
        }
    }
    Shared { viewers, talking }
}

async fn watched(door: &mut Door, peers: &[PeerId]) -> Cost {
    door.pass(SETTLING).await;
    let seen = |door: &Door| peers.first().map_or(0, |first| door.resident(*first).pictures());
    let (before, pictures) = (usage(door.pid()).ticks, seen(door));
    door.pass(WATCHED).await;
    let cpu = per_cent(usage(door.pid()).ticks - before);
    let pictures = (seen(door) - pictures) as f64 / WATCHED.as_secs_f64();
    door.heard.clear();
    Cost { cpu, memory: door.memory() as f64 / 1024.0, pictures }
}

/// Of this process, which does nothing else meanwhile.
fn in_process(description: &str) -> f64 {
    let pipeline = gst::parse::launch(description).expect("it is written correctly");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    std::thread::sleep(SETTLING);
    let before = usage(std::process::id()).ticks;
    std::thread::sleep(WATCHED);
    let used = usage(std::process::id()).ticks - before;
    pipeline.set_state(gst::State::Null).expect("it stops");
    per_cent(used)
}

/// A tick is a hundredth of a second.
fn per_cent(ticks: u64) -> f64 {
    ticks as f64 / WATCHED.as_secs_f64()
}

/// The worker's own elements with an encoder for each of so many: their packets go nowhere, so encryption and sending come on top.
fn description(encoder: Encoder, video: &VideoSettings, residents: usize) -> String {
    let mut elements = pipeline::picture(&CameraSource::Test, video, encoder);
    let end =
        elements.iter().position(|element| element.name == Some(FRAME_COUNTER)).expect("the test picture has one");
    let mut encoding = elements.split_off(end + 1);
    encoding.extend(pipeline::picture_packets(encoder));
    let source = line(&elements);
    if residents == 0 {
        return format!("{source} ! fakesink");
    }
    let branches = format!(" pictures. ! {} ! fakesink async=false", line(&encoding)).repeat(residents);
    format!("{source} ! tee name=pictures{branches}")
}

/// Without names, which would be there more than once.
fn line(elements: &[Element]) -> String {
    let nameless = elements.iter().map(|element| Element { name: None, ..element.clone() }.to_string());
    nameless.collect::<Vec<_>>().join(" ! ")
}
