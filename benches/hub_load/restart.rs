//! The hub is killed and started again while everybody is online: how long until everybody is back, and how long a ring takes
//! meanwhile. Once with everybody at the door in the same moment, and once as stations and phones really come: after a wait
//! that each of them draws.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use doorward::backoff::Backoff;
use tokio::task::JoinHandle;

use super::bench::row;
use super::building::{Building, Hub, Key, come_online};
use super::fan_out::Crowd;
use super::memory::connect_all;
use super::wire::{Socket, Verbs, Way};

/// As the devices wait: half a second at first, half a minute at the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Between two rings while they come.
const BETWEEN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(120);

/// Prints both.
pub async fn print(devices: usize) {
    println!("\nhub killed and started again with {devices} devices online");
    let mut building = Building::new();
    let keys = Rc::new(building.others(devices));
    let watched = building.group("watched", 1);
    let doors: Vec<_> = (0..24).map(|_| building.door(&["watched"])).collect();
    for drawn in [false, true] {
        let hub = building.hub(false);
        let online = connect_all(devices, |number| come_online(&hub.way, &keys[number])).await;
        let quiet = rings(&hub.way, &watched[0], &doors, Some(60)).await;
        row("ring while nothing else happens", quiet);
        let address = hub.way.address;
        let (way, killed) = (Rc::new(hub.way.at(address)), Instant::now());
        drop(hub);
        let storm = Storm::begin(online, keys.clone(), way.clone(), drawn);
        let hub: Hub = building.hub_at(address, false);
        let listens = killed.elapsed();
        let during = tokio::task::spawn_local({
            let (way, watched, doors) = (way.clone(), watched[0].clone(), doors.clone());
            async move { rings(&way, &watched, &doors, None).await }
        });
        storm.over(devices).await;
        let all_online = killed.elapsed();
        during.abort();
        let how = if drawn { "after drawn waits" } else { "all at once" };
        println!(
            "{how}: hub listens {:.2} s after its end, all online {:.2} s after it; {} tries failed",
            listens.as_secs_f64(),
            all_online.as_secs_f64(),
            storm.failed.get()
        );
        row(&format!("ring meanwhile ({how})"), DURING.with(RefCell::take));
        drop(hub);
    }
}

thread_local! {
    /// Rings of the probe, kept when it is stopped in the middle of one.
    static DURING: RefCell<Vec<Duration>> = const { RefCell::new(Vec::new()) };
}

/// One phone rings again and again: so many times, or until stopped.
async fn rings(way: &Way, phone: &Key, doors: &[Key], count: Option<usize>) -> Vec<Duration> {
    let crowd = Crowd::of_residents(vec![persistent(way, phone).await]);
    DURING.with(RefCell::take);
    for number in 0..count.unwrap_or(usize::MAX) {
        // Opened anew: the hub closes what waits too long for its next verb, as it does here between two turns of a door.
        let mut ringer = Verbs::open(way, doors[number % doors.len()].expose()).await.expect("the hub takes it");
        let key = super::next();
        let (took, session) = crowd.ring(&mut ringer, "watched", &key).await;
        DURING.with(|during| during.borrow_mut().push(took));
        crowd.cancel(&mut ringer, &session, &key).await;
        tokio::time::sleep(BETWEEN).await;
    }
    DURING.with(RefCell::take)
}

async fn persistent(way: &Way, key: &Key) -> Socket {
    loop {
        match come_online(way, key).await {
            Ok(socket) => return socket,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Everybody comes back.
struct Storm {
    online: Rc<Cell<usize>>,
    failed: Rc<Cell<usize>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Storm {
    fn begin(sockets: Vec<Socket>, keys: Rc<Vec<Key>>, way: Rc<Way>, drawn: bool) -> Self {
        let (online, failed) = (Rc::<Cell<usize>>::default(), Rc::<Cell<usize>>::default());
        let back = |(number, mut socket): (usize, Socket)| {
            let (online, failed, keys, way) = (online.clone(), failed.clone(), keys.clone(), way.clone());
            tokio::task::spawn_local(async move {
                // Its end is how a device learns of it.
                while socket.frame().await.is_ok() {}
                drop(socket);
                let mut waits = Backoff::new(WAITS.0, WAITS.1);
                loop {
                    let wait = if drawn { waits.wait_drawn(fastrand::u32(..)) } else { Duration::from_millis(100) };
                    tokio::time::sleep(wait).await;
                    match come_online(&way, &keys[number]).await {
                        Ok(socket) => {
                            online.set(online.get() + 1);
                            // Online until the storm is over, and longer: its place is not given away.
                            std::mem::forget(socket);
                            return;
                        }
                        Err(_) => failed.set(failed.get() + 1),
                    }
                }
            })
        };
        let tasks = sockets.into_iter().enumerate().map(back).collect();
        Self { online, failed, tasks }
    }

    async fn over(&self, devices: usize) {
        let all = async {
            while self.online.get() < devices {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("everybody comes back");
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
