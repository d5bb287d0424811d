//! From the door's request to the last resident's socket having the whole ring, beside a publication of as many bytes by
//! nats-server to as many subscribers, one after the other, with others online who have nothing to do with it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::bench::row;
use super::building::{Building, come_online};
use super::cores::Cores;
use super::figures::exponent;
use super::holder::Holder;
use super::memory::connect_all;
use super::nats::{self, Nats};
use super::wire::{Socket, Verbs, Way, contains};

/// Sizes of the group that rings.
const GROUPS: [usize; 3] = [50, 160, 500];
/// Rings per row.
const RINGS: usize = 200;
/// Doors that take turns: one alone may send ten verbs a second.
const DOORS: usize = 40;
/// What the last round left to do is not counted to the next one: the hub writes its log 5 ms after a call, on the core that
/// both servers have.
const REST: Duration = Duration::from_millis(15);
const PATIENCE: Duration = Duration::from_secs(20);
/// nats-server's question how long the way is, the end of a message, and both in one frame.
const PING: &[u8] = b"PING\r\n";
const END: &[u8] = b"x\r\n";
const ASKING: &[u8] = b"x\r\nPING\r\n";

/// Prints a row per group and number of others: with the servers on a core that the generator has no part in, and without any
/// measure.
pub async fn print(totals: &[usize]) {
    const WHAT: &str = "request to the last socket having the whole frame";
    match Cores::apart() {
        Some(cores) => {
            println!("\nring fan-out, servers on one core, generator on the others, all kept awake: {WHAT}");
            measure(totals, Some(&cores)).await;
        }
        None => println!("\nring fan-out, servers on one core: skipped, there is only one"),
    }
    println!("\nring fan-out, wherever the kernel puts the servers and the generator, and cores may sleep: {WHAT}");
    measure(totals, None).await;
}

async fn measure(totals: &[usize], cores: Option<&Cores>) {
    let most = totals.last().copied().unwrap_or_default();
    let mut building = Building::new();
    let groups: Vec<_> = GROUPS.iter().map(|size| building.group(&format!("group-{size}"), *size)).collect();
    let names: Vec<_> = GROUPS.iter().map(|size| format!("group-{size}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let doors: Vec<_> = (0..DOORS).map(|_| building.door(&names)).collect();
    let others = building.others(most);
    if let Some(cores) = cores {
        cores.start_servers();
    }
    let hub = building.hub(false);
    let nats = Nats::start(building.directory.path(), Way::plain, false);
    if nats.is_none() {
        println!("nats-server: not installed, skipped (Debian: nats-server)");
    }
    if let Some(cores) = cores {
        cores.generate();
    }
    let mut ringers = Vec::new();
    for door in &doors {
        ringers.push(Verbs::open(&hub.way, door.expose()).await.expect("the hub takes it"));
    }
    let mut publisher = match &nats {
        Some(nats) => Some(nats::come_online(&nats.way, None).await.expect("it takes it")),
        None => None,
    };
    let mut crowds = Vec::new();
    for (index, size) in GROUPS.iter().enumerate() {
        let ours = connect_all(*size, |number| come_online(&hub.way, &groups[index][number])).await;
        let theirs = match &nats {
            Some(nats) => connect_all(*size, |_| nats::come_online(&nats.way, Some(names[index]))).await,
            None => Vec::new(),
        };
        crowds.push((Crowd::of_residents(ours), Crowd::of_subscribers(theirs)));
    }
    let mut times = Vec::new();
    let (mut idle, mut online) = (Vec::new(), 0);
    for total in totals {
        let more = online..*total;
        idle.push(Holder::of_devices(hub.way.address, &others[more.clone()]));
        idle.extend(nats.as_ref().map(|nats| Holder::of_clients(nats.way.address, more.len())));
        online = *total;
        for (index, size) in GROUPS.iter().enumerate() {
            let (ours, theirs) = &crowds[index];
            let pair = interleaved(&mut ringers, names[index], ours, publisher.as_mut().map(|p| (p, theirs))).await;
            let shown = format!("last of {size}, {total} others online");
            let rung = row(&format!("doorward    {shown}"), pair.0).as_secs_f64();
            if nats.is_some() {
                let published = row(&format!("nats-server {shown}"), pair.1).as_secs_f64();
                println!("  ratio of the medians {:.2}", rung / published);
            }
            times.push((*size as f64, *total as f64, rung));
        }
    }
    for size in GROUPS {
        let over: Vec<_> = times.iter().filter(|row| row.0 == size as f64).map(|row| (row.1, row.2)).collect();
        println!("exponent over the number of others, group of {size}: {}", exponent(&over));
    }
    for total in totals {
        let over: Vec<_> = times.iter().filter(|row| row.1 == *total as f64).map(|row| (row.0, row.2)).collect();
        println!("exponent over the size of the group, {total} others: {}", exponent(&over));
    }
    drop((crowds, idle, hub));
}

/// A ring, a publication, a ring …
async fn interleaved(
    ringers: &mut [Verbs],
    group: &str,
    residents: &Crowd,
    mut peer: Option<(&mut Socket, &Crowd)>,
) -> (Vec<Duration>, Vec<Duration>) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..RINGS {
        tokio::time::sleep(REST).await;
        let ringer = &mut ringers[number % DOORS];
        let key = format!("{group}-{}", super::next());
        let (took, session) = residents.ring(ringer, group, &key).await;
        ours.push(took);
        residents.cancel(ringer, &session, &key).await;
        if let Some((publisher, subscribers)) = &mut peer {
            tokio::time::sleep(REST).await;
            let message = vec![b'x'; residents.ring_length.get()];
            theirs.push(subscribers.publish(publisher, group, &message).await);
        }
    }
    (ours, theirs)
}

/// Receivers that count together what they got.
pub struct Crowd {
    size: usize,
    arrived: Rc<Arrived>,
    ring_length: Rc<Cell<usize>>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Arrived {
    rings: Cell<usize>,
    ends: Cell<usize>,
    last: Cell<Option<Instant>>,
    changed: Notify,
}

impl Arrived {
    fn count(&self, which: &Cell<usize>, size: usize) {
        which.set(which.get() + 1);
        if which.get() == size {
            self.last.set(Some(Instant::now()));
            self.changed.notify_one();
        }
    }

    /// Waits until all have it; when the last one had.
    async fn all(&self, which: &Cell<usize>, size: usize) -> Instant {
        let all = async {
            while which.get() < size {
                self.changed.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("everybody gets it");
        which.set(0);
        self.last.get().expect("the last one was counted")
    }
}

impl Crowd {
    pub fn of_residents(sockets: Vec<Socket>) -> Self {
        let (arrived, ring_length, size) = (Rc::<Arrived>::default(), Rc::<Cell<usize>>::default(), sockets.len());
        let receive = |mut socket: Socket| {
            let (arrived, ring_length) = (arrived.clone(), ring_length.clone());
            tokio::task::spawn_local(async move {
                while let Ok(frame) = socket.frame().await {
                    if contains(&frame, "\"incomingCallReceived\"") {
                        ring_length.set(frame.len());
                        arrived.count(&arrived.rings, size);
                    } else if contains(&frame, "\"incomingCallCancelled\"") {
                        arrived.count(&arrived.ends, size);
                    }
                }
            })
        };
        let tasks = sockets.into_iter().map(receive).collect();
        Self { size, arrived, ring_length, tasks }
    }

    /// Every message they get ends with an x.
    fn of_subscribers(sockets: Vec<Socket>) -> Self {
        let (arrived, size) = (Rc::<Arrived>::default(), sockets.len());
        let receive = |mut socket: Socket| {
            let arrived = arrived.clone();
            tokio::task::spawn_local(async move {
                let mut message = Vec::new();
                while let Ok(frame) = socket.frame().await {
                    message.extend(frame);
                    // It asks once how long the way is, alone or in one frame with a message, and needs no answer.
                    while message.starts_with(PING) {
                        message.drain(..PING.len());
                    }
                    if message.starts_with(b"MSG ") && (message.ends_with(END) || message.ends_with(ASKING)) {
                        message.clear();
                        arrived.count(&arrived.rings, size);
                    }
                }
            })
        };
        let tasks = sockets.into_iter().map(receive).collect();
        Self { size, arrived, ring_length: Rc::default(), tasks }
    }

    /// How long it took, and which call it is.
    pub async fn ring(&self, door: &mut Verbs, group: &str, key: &str) -> (Duration, String) {
        let body = format!(
            r#"{{"key":"{key}","receiverType":"group","receiver":"{group}","type":"video","metadata":{{"button":"{group}"}}}}"#
        );
        let begun = Instant::now();
        let (status, answer) = door.post("/v1/calls", &body).await.expect("the hub answers");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        let last = self.arrived.all(&self.arrived.rings, self.size).await;
        (last - begun, super::session_of(&answer))
    }

    pub async fn cancel(&self, door: &mut Verbs, session: &str, key: &str) {
        let body = format!(r#"{{"key":"{key}-end","status":"cancelled"}}"#);
        let path = format!("/v1/calls/{session}/reject");
        let (status, answer) = door.post(&path, &body).await.expect("the hub answers");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        self.arrived.all(&self.arrived.ends, self.size).await;
    }

    async fn publish(&self, publisher: &mut Socket, subject: &str, message: &[u8]) -> Duration {
        let mut text = format!("PUB {subject} {}\r\n", message.len()).into_bytes();
        text.extend(message);
        text.extend(b"\r\n");
        let begun = Instant::now();
        publisher.send(&text, true).await.expect("nats-server reads");
        self.arrived.all(&self.arrived.rings, self.size).await - begun
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
