//! From the door's request to the last resident's socket having the whole ring, beside a publication of as many bytes by
//! nats-server to as many subscribers, with others online who have nothing to do with it. A pair of servers for each number of
//! others: all ring by turns, so that what the machine does at one time is in every row.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::bench::row;
use super::building::{Building, DEVICE_PING, Hub, Key, come_online};
use super::cores::{Cores, Placing};
use super::figures::exponent;
use super::holder::Holder;
use super::memory::connect_all;
use super::nats::{self, Nats};
use super::wire::{Socket, Verbs, Way, contains};

/// Sizes of the group that rings.
const GROUPS: [usize; 3] = [50, 160, 500];
/// Rings per row, and how many of them one pair of servers has before it is another one's turn.
const RINGS: usize = 200;
const TURN: usize = 20;
/// Doors that take turns: one alone may send ten verbs a second.
const DOORS: usize = 40;
/// What the last round left to do is not counted to the next one: the hub writes its log 5 ms after a call, on the core that
/// all servers have.
const REST: Duration = Duration::from_millis(15);
const PATIENCE: Duration = Duration::from_secs(20);
/// A resident's device shows that it is there after so many calls.
const CALLS_PER_PING: usize = 64;
/// The end of a message of nats-server, and that with its question in one frame.
const END: &[u8] = b"x\r\n";
const ASKING: &[u8] = b"x\r\nPING\r\n";

/// Prints a row per group and number of others, for each placing.
pub async fn print(totals: &[usize], placings: &[Placing]) {
    for placing in placings {
        println!("\nring fan-out, {placing}: request to the last socket having the whole frame");
        match Cores::of(*placing) {
            Some(cores) => measure(totals, &cores).await,
            None => println!("skipped: there is only one core"),
        }
    }
}

async fn measure(totals: &[usize], cores: &Cores) {
    let mut houses = Vec::new();
    for total in totals {
        houses.push(House::open(*total, cores).await);
    }
    for house in &mut houses {
        house.doors_come().await;
    }
    if houses.iter().any(|house| house.peer.is_none()) {
        println!("nats-server: not installed, skipped (Debian: nats-server)");
    }
    for _turn in 0..RINGS / TURN {
        for group in 0..GROUPS.len() {
            for house in &mut houses {
                house.turn(group).await;
            }
        }
    }
    let mut medians = Vec::new();
    for house in houses {
        for (size, (rung, published)) in GROUPS.into_iter().zip(house.took) {
            let shown = format!("last of {size}, {} others online", house.others);
            let rung = row(&format!("doorward    {shown}"), rung).as_secs_f64();
            let published = house.peer.is_some().then(|| row(&format!("nats-server {shown}"), published).as_secs_f64());
            if let Some(published) = published {
                println!("  ratio of the medians {:.2}", rung / published);
            }
            medians.push(Medians { size, others: house.others, rung, published });
        }
    }
    for size in GROUPS {
        let what = format!("the number of others, group of {size}");
        print_exponents(&what, medians.iter().filter(|row| row.size == size), |row| row.others);
    }
    for total in totals {
        let what = format!("the size of the group, {total} others");
        print_exponents(&what, medians.iter().filter(|row| row.others == *total), |row| row.size);
    }
}

/// Of a group's rings with so many others online, in seconds.
struct Medians {
    size: usize,
    others: usize,
    rung: f64,
    published: Option<f64>,
}

fn print_exponents<'m>(what: &str, rows: impl Iterator<Item = &'m Medians>, over: fn(&Medians) -> usize) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for row in rows {
        let x = over(row) as f64;
        ours.push((x, row.rung));
        theirs.extend(row.published.map(|published| (x, published)));
    }
    println!("exponent over {what}: doorward {}, nats-server {}", exponent(&ours), exponent(&theirs));
}

/// A hub, and its peer with as many clients.
struct House {
    others: usize,
    doors: Vec<Key>,
    ringers: Vec<Verbs>,
    residents: Vec<Crowd>,
    peer: Option<Peer>,
    /// Of each group, what its rings took, and the peer's publications.
    took: [(Vec<Duration>, Vec<Duration>); GROUPS.len()],
    rung: usize,
    // In this order: the devices go before what they are connected to.
    _others: Holder,
    hub: Hub,
    _building: Building,
}

/// nats-server, with who publishes and who has subscribed.
struct Peer {
    publisher: Socket,
    subscribers: Vec<Crowd>,
    _others: Holder,
    _nats: Nats,
}

fn name(group: usize) -> String {
    format!("group-{}", GROUPS[group])
}

impl House {
    async fn open(others: usize, cores: &Cores) -> Self {
        let mut building = Building::new();
        let names: Vec<_> = (0..GROUPS.len()).map(name).collect();
        let groups: Vec<_> = GROUPS.iter().zip(&names).map(|(size, name)| building.group(name, *size)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let doors: Vec<_> = (0..DOORS).map(|_| building.door(&names)).collect();
        let online = building.others(others);
        cores.start_servers();
        let hub = building.hub(false);
        let nats = Nats::start(building.directory.path(), Way::plain, false);
        cores.generate();
        let mut residents = Vec::new();
        for keys in &groups {
            residents.push(Crowd::of_residents(connect_all(keys.len(), |one| come_online(&hub.way, &keys[one])).await));
        }
        let peer = match nats {
            Some(nats) => Some(Peer::of(nats, others).await),
            None => None,
        };
        let holder = Holder::of_devices(hub.way.address, &online);
        Self {
            others,
            doors,
            ringers: Vec::new(),
            residents,
            peer,
            took: Default::default(),
            rung: 0,
            _others: holder,
            hub,
            _building: building,
        }
    }

    /// Once there is something to ring for: a connection that only waits is closed.
    async fn doors_come(&mut self) {
        for door in &self.doors {
            self.ringers.push(Verbs::open(&self.hub.way, door.expose()).await.expect("the hub takes it"));
        }
    }

    /// A ring, a publication, a ring …
    async fn turn(&mut self, group: usize) {
        let (name, residents) = (name(group), &self.residents[group]);
        let (rung, published) = &mut self.took[group];
        for _number in 0..TURN {
            let ringer = &mut self.ringers[self.rung % DOORS];
            self.rung += 1;
            let key = format!("{name}-{}", super::next());
            tokio::time::sleep(REST).await;
            let (took, session) = residents.ring(ringer, &name, &key).await;
            rung.push(took);
            residents.cancel(ringer, &session, &key).await;
            if let Some(Peer { publisher, subscribers, .. }) = &mut self.peer {
                tokio::time::sleep(REST).await;
                let message = vec![b'x'; residents.ring_length.get()];
                published.push(subscribers[group].publish(publisher, &name, &message).await);
            }
        }
    }
}

impl Peer {
    async fn of(nats: Nats, others: usize) -> Self {
        let publisher = nats::come_online(&nats.way, None).await.expect("it takes it");
        let mut subscribers = Vec::new();
        for (group, size) in GROUPS.iter().enumerate() {
            let subject = name(group);
            let sockets = connect_all(*size, |_| nats::come_online(&nats.way, Some(&subject))).await;
            subscribers.push(Crowd::of_subscribers(sockets));
        }
        let holder = Holder::of_clients(nats.way.address, others);
        Self { publisher, subscribers, _others: holder, _nats: nats }
    }
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
        // Not all in one moment: each begins to count elsewhere.
        let receive = |(mut calls, mut socket): (usize, Socket)| {
            let (arrived, ring_length) = (arrived.clone(), ring_length.clone());
            tokio::task::spawn_local(async move {
                while let Ok(frame) = socket.frame().await {
                    if contains(&frame, "\"incomingCallReceived\"") {
                        ring_length.set(frame.len());
                        arrived.count(&arrived.rings, size);
                    } else if contains(&frame, "\"incomingCallCancelled\"") {
                        arrived.count(&arrived.ends, size);
                        calls += 1;
                        if calls % CALLS_PER_PING == 0 {
                            socket.send(DEVICE_PING, false).await.expect("the hub reads");
                        }
                    }
                }
            })
        };
        let tasks = sockets.into_iter().enumerate().map(receive).collect();
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
                    while message.starts_with(nats::PING) {
                        message.drain(..nats::PING.len());
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
