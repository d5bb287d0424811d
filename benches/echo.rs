//! The echo canceller beside the other one in Rust (`aec3`), in the worker's own code: by how much each lowers the echo, what
//! it costs the visitor's voice, and the processor.

mod bench;
#[path = "../tests/echo_scene/mod.rs"]
mod echo_scene;
#[path = "../tests/sounds/mod.rs"]
mod sounds;

use aec3::nodes::audio::AudioFormat;
use aec3::pipelines::linear::{self, LinearPipeline};
use doorward::media::gst::echo::{Canceller, Ear, FRAME, Processor};
use doorward::media::pipeline::{EchoSettings, SAMPLE_RATE};

use echo_scene::{Scene, Take, canceller_alone};

/// The peer.
struct Peer(LinearPipeline);

impl Peer {
    fn new(_: &EchoSettings) -> Self {
        let format = AudioFormat::ten_ms(SAMPLE_RATE.unsigned_abs(), 1);
        let builder = linear::builder(format, format)
            .enable_noise_suppression(false)
            .enable_gain_controller2(false)
            .enable_post_filter(false);
        Self(builder.build().expect("the format is one it knows"))
    }
}

impl Canceller for Peer {
    fn played(&mut self, samples: &[i16; FRAME]) {
        self.0.handle_render_frame(&sounds::from_i16(samples)).expect("ten milliseconds");
    }

    fn captured(&mut self, samples: &mut [i16; FRAME]) {
        let heard = sounds::from_i16(samples.as_slice());
        let mut sent = vec![0.0; FRAME];
        self.0.process_capture_frame(&heard, &mut sent).expect("ten milliseconds");
        samples.copy_from_slice(&sounds::to_i16(&sent));
    }

    fn found(&self) -> (Option<u16>, Option<f64>) {
        (None, None)
    }
}

/// A scene played with one of them.
type Playing = fn(&Scene) -> Take;
const CANCELLERS: [(&str, Playing); 2] = [
    ("sonora", |scene| scene.play(|room| Ear::with(room, Processor::new))),
    ("aec3", |scene| scene.play(|room| Ear::with(room, Peer::new))),
];

fn main() {
    bench::machine(
        "echo: two synthetic voices, a room, -6 dB coupling, cancellers alone (no noise suppression, no gain)",
    );
    println!(
        "{:<28} {:<7} {:>6} {:>6} {:>6} {:>6} {:>8} {:>8}",
        "", "", "0-1 s", "1-2 s", "2-4 s", "4-10 s", "double", "us/10 ms"
    );
    for delay in [20, 50, 100, 200, 400, 500] {
        compare(&format!("delay {delay} ms"), &Scene { delay, ..Scene::default() });
    }
    for ppm in [-200.0, 200.0] {
        compare(&format!("{ppm} ppm"), &Scene { ppm, ..Scene::default() });
    }
    compare("speaker's thread late", &Scene { bursts: true, ..Scene::default() });
    println!("after a jump of the delay in second 5: seconds 5-6, 6-7, 7-8, 8-9, 9-10");
    for (delay, after) in [(50, 150), (150, 50)] {
        for (name, play) in CANCELLERS {
            let scene = Scene { delay, jump: Some((5, after)), settings: canceller_alone(), ..Scene::default() };
            let take = play(&scene);
            let seconds: Vec<String> =
                (5..10).map(|second| format!("{:6.1}", take.lowered(second.into(), (second + 1).into()))).collect();
            println!("{:<28} {name:<7} {}", format!("{delay} to {after} ms"), seconds.join(" "));
        }
    }
    println!("as configured from the start: echo, noise and gain");
    let scene = Scene::default();
    let all = CANCELLERS[0].1(&scene);
    println!(
        "{:<28} {:<7} lowered {:.1} dB from second 2 on, {:.0} us/10 ms",
        "",
        "sonora",
        all.lowered(2.0, 10.0),
        all.per_frame()
    );
    println!("load after: {}", bench::load());
}

fn compare(what: &str, scene: &Scene) {
    let scene = Scene { settings: canceller_alone(), ..scene.clone() };
    for (name, play) in CANCELLERS {
        let alone = play(&Scene { alone: true, ..scene.clone() });
        let take = play(&scene);
        let [a, b, c, d] = [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 10.0)].map(|(from, to)| take.lowered(from, to));
        let (cost, time) = (take.double_talk_costs(&alone), take.per_frame());
        println!("{what:<28} {name:<7} {a:6.1} {b:6.1} {c:6.1} {d:6.1} {cost:8.1} {time:8.0}");
    }
}
