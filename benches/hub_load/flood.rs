//! One door asks without end, on as many connections as it likes: what a ring of another door costs meanwhile, against a ring
//! while nothing else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::bench::{row, usage};
use super::building::{Building, Key, come_online};
use super::fan_out::Crowd;
use super::wire::{Verbs, Way};

/// Connections of the door that floods, each with one request under way.
const CONNECTIONS: usize = 8;
/// Rings per row, and doors that take turns with them: each may send ten verbs a second.
const RINGS: usize = 300;
const DOORS: usize = 48;

/// Prints both rows and their ratio.
pub async fn print() {
    println!("\na flood from one door, on {CONNECTIONS} connections from a thread of its own");
    let mut building = Building::new();
    let phone = building.group("watched", 1).remove(0);
    let doors: Vec<_> = (0..DOORS).map(|_| building.door(&["watched"])).collect();
    let rude = building.door(&["watched"]);
    let hub = building.hub(false);
    let crowd = Crowd::of_residents(vec![come_online(&hub.way, &phone).await.expect("the hub takes it")]);
    let mut ringers = Vec::new();
    for door in &doors {
        ringers.push(Verbs::open(&hub.way, door.expose()).await.expect("the hub takes it"));
    }
    rings(&crowd, &mut ringers).await;
    let quiet = row("ring while nothing else happens", rings(&crowd, &mut ringers).await);
    let (enough, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let flood = std::thread::spawn({
        let (way, enough, asked) = (Way::plain(hub.way.address), enough.clone(), asked.clone());
        move || flood(&way, &rude, &enough, &asked)
    });
    // Its burst is over, and it hears 429.
    while asked.load(Ordering::Relaxed) < 1000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (begun, before, spent) = (Instant::now(), asked.load(Ordering::Relaxed), usage(hub.process.pid()).seconds());
    let beside = rings(&crowd, &mut ringers).await;
    let seconds = begun.elapsed().as_secs_f64();
    let (rate, share) =
        (asked.load(Ordering::Relaxed) - before, (usage(hub.process.pid()).seconds() - spent) / seconds);
    enough.store(true, Ordering::Relaxed);
    flood.join().expect("it only asks");
    let beside = row("ring beside the flood", beside);
    println!(
        "  ratio of the medians {:.2}; {:.0} requests/s were refused, the hub used {share:.2} cores",
        beside.as_secs_f64() / quiet.as_secs_f64(),
        rate as f64 / seconds
    );
}

async fn rings(crowd: &Crowd, ringers: &mut [Verbs]) -> Vec<Duration> {
    let mut times = Vec::new();
    for number in 0..RINGS {
        tokio::time::sleep(Duration::from_millis(3)).await;
        let (ringer, key) = (&mut ringers[number % DOORS], super::next());
        let (took, session) = crowd.ring(ringer, "watched", &key).await;
        times.push(took);
        crowd.cancel(ringer, &session, &key).await;
    }
    times
}

fn flood(way: &Way, rude: &Key, enough: &AtomicBool, asked: &AtomicUsize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let connection = async || {
            let mut verbs = Verbs::open(way, rude.expose()).await.expect("the hub takes it");
            while !enough.load(Ordering::Relaxed) {
                // A call that nobody can take, so that what is let through costs as little as what is not.
                verbs.post("/v1/calls", "{}").await.expect("the hub answers");
                asked.fetch_add(1, Ordering::Relaxed);
            }
        };
        futures_util::future::join_all((0..CONNECTIONS).map(|_| connection())).await;
    });
}
