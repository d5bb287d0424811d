//! From looking to the first picture, and from accepting to the first sound, with real processes and real GStreamer: at a resident
//! without a browser, and in Chromium, which adds its own ~100 ms to paint. Beside them what two ends of aiortc, and two of
//! Chromium, take without a door between them. With early picture the accept opens no new connection: the offers are counted.
//!
//! `cargo bench --bench call_media`, or with one of `door aiortc chromium`.

#[path = "../bench/mod.rs"]
mod bench;
mod peers;
#[path = "../../tests/phone/mod.rs"]
mod phone;
#[path = "../../tests/resident/mod.rs"]
mod resident;

use std::time::{Duration, Instant};

use bench::{Furnished, Process, machine, row};
use phone::Phone;
use resident::Resident;

const CALLS: usize = 30;
/// A worker takes its time to come.
const COLD_CALLS: usize = 8;

fn main() {
    machine("media of a call: 640x480 test picture, VP8, loopback");
    let words = bench::words();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    if wanted("door") {
        gstreamer::init().expect("GStreamer is installed");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(at_the_door());
    }
    if wanted("aiortc") {
        peers::aiortc();
    }
    if wanted("chromium") {
        peers::chromium();
    }
    println!("load after: {}", bench::load());
}

async fn at_the_door() {
    let early = measure("", Kind { looks_first: true, kills: false }, CALLS).await;
    println!("with early picture:");
    row("  look (session started) to connected", early.iter().map(|call| call.connected).collect());
    row("  look to first decoded picture", early.iter().map(|call| call.picture).collect());
    row("  accept to first sound", early.iter().map(|call| call.sound).collect());
    println!("  offers per call: {:.2} (the accept opens no new connection)", offers(&early));
    for (state, kills, calls) in
        [("a worker that stands ready", false, CALLS), ("a worker just killed", true, COLD_CALLS)]
    {
        let late = measure("[call]\nearly-picture = false\n", Kind { looks_first: false, kills }, calls).await;
        println!("without early picture, {state}:");
        row("  accept to connected", late.iter().map(|call| call.connected).collect());
        row("  accept to first decoded picture", late.iter().map(|call| call.picture).collect());
        row("  accept to first sound", late.iter().map(|call| call.sound).collect());
        println!("  offers per call: {:.2}", offers(&late));
    }
}

/// How a call goes.
#[derive(Clone, Copy)]
struct Kind {
    looks_first: bool,
    /// The worker, before the press.
    kills: bool,
}

struct CallFigures {
    connected: Duration,
    picture: Duration,
    sound: Duration,
    offers: u32,
}

fn offers(calls: &[CallFigures]) -> f64 {
    calls.iter().map(|call| f64::from(call.offers)).sum::<f64>() / calls.len() as f64
}

async fn measure(door_settings: &str, kind: Kind, count: usize) -> Vec<CallFigures> {
    let furnished = Furnished::new(1);
    let hub = furnished.hub();
    let door = furnished.door(&hub.address, door_settings);
    let mut phone = Phone::connect(Furnished::settings(&hub.address, &furnished.residents[0])).await;
    let mut calls = Vec::new();
    for number in 0..count {
        if number == 0 || kind.kills {
            // The worker makes its certificate at start; a visitor does not come in the first second of a door's life.
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        if kind.kills {
            kill(door.worker().expect("the door keeps a worker"));
        }
        calls.push(call(&mut phone, &door, kind.looks_first).await);
        // The door shows how it went for 4 s; a press then begins the next call all the same.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    calls
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a pid is positive");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is the door's child");
}

async fn call(phone: &mut Phone, door: &Process, looks_first: bool) -> CallFigures {
    phone.resident = None;
    phone.offers = 0;
    press(&door.address).await;
    let session = phone.rings().await;
    let begun = Instant::now();
    let mut accepted = begun;
    if !looks_first {
        phone.client.accept(session).await.expect("it rings");
    }
    phone.client.start_session(session);
    phone.hold_until(session, Resident::is_connected).await;
    let connected = begun.elapsed();
    phone.hold_until(session, |resident| resident.pictures() > 0).await;
    let picture = begun.elapsed();
    if looks_first {
        accepted = Instant::now();
        phone.client.accept(session).await.expect("it rings");
    }
    phone.hold_until(session, |resident| resident.sound_packets() > 0).await;
    let sound = accepted.elapsed();
    phone.client.end(session, None).await.expect("it is ours");
    CallFigures { connected, picture, sound, offers: phone.offers }
}

async fn press(panel: &str) {
    let pressed = post(panel, "/press/flat-1?hold=60").await;
    assert!(pressed.contains(" 20"), "the panel refused: {pressed}");
}

/// One request over a bare socket: no client library warms up inside the measurement.
async fn post(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let host = address.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(host).await.expect("the panel listens");
    let request = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer.lines().next().unwrap_or_default().to_owned()
}
