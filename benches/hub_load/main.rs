//! What a hub with a large building costs, and how fast it is: memory per idle device, fan-out of a ring, whole calls, a
//! flood from one door, and everybody's return after a restart. The generator is this process; beside it nats-server, where
//! that is installed.
//!
//! `cargo bench --no-default-features --bench hub_load`, or with one of `memory fan-out calls flood restart`, and `small` for a
//! quick look. Only `fan-out-asleep` does not run unasked: the fan-out where cores may sleep (see `cores.rs`). It opens as many
//! sockets as it needs where root may raise the limit; else as many as the shell allows.

mod building;
mod calls;
mod cores;
mod fan_out;
mod figures;
mod flood;
mod holder;
mod memory;
mod nats;
mod restart;
mod wire;

#[path = "../bench/mod.rs"]
mod bench;

use std::sync::atomic::{AtomicU64, Ordering};

use cores::Placing;

fn main() {
    let words = bench::words();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if words.iter().any(|word| word == holder::WORD) {
        figures::room_for_sockets(figures::MOST);
        runtime.block_on(holder::hold());
    }
    let small = words.iter().any(|word| word == "small");
    let wanted = |name: &str| words.iter().all(|word| word == "small") || words.iter().any(|word| word == name);
    let sizes: Vec<usize> = if small { vec![250, 500, 1000] } else { vec![1000, 4000, 16_000] };
    let most = sizes.last().copied().unwrap_or_default();

    bench::machine("a hub under load");
    let room = figures::room_for_sockets(figures::MOST);
    let sizes: Vec<_> = sizes.into_iter().filter(|size| *size as u64 + 3000 <= room).collect();
    if sizes.last() != Some(&most) {
        println!("{room} open files are allowed: sizes above that are left out");
    }
    tokio::task::LocalSet::new().block_on(&runtime, async {
        if wanted("memory") {
            memory::print(&sizes).await;
        }
        if wanted("fan-out") {
            fan_out::print(&sizes, &[Placing::Apart, Placing::Free]).await;
        }
        if words.iter().any(|word| word == "fan-out-asleep") {
            fan_out::print(&sizes, &[Placing::Asleep]).await;
        }
        if wanted("calls") {
            calls::print(if small { 3200 } else { 16_000 }).await;
        }
        if wanted("flood") {
            flood::print().await;
        }
        if wanted("restart") {
            restart::print(if small { 500 } else { 8000 }).await;
        }
    });
    println!("load after: {}", bench::load());
}

/// A key that no other verb of this run has.
fn next() -> String {
    static KEYS: AtomicU64 = AtomicU64::new(1);
    format!("key-{}", KEYS.fetch_add(1, Ordering::Relaxed))
}

/// The call that a frame or an answer speaks of.
fn session_of(json: &[u8]) -> String {
    let text = std::str::from_utf8(json).expect("JSON is text");
    let (_, rest) = text.split_once("\"sessionId\":\"").expect("it names its call");
    rest.split('"').next().expect("a string ends").to_owned()
}
