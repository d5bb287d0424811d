//! Whole calls: the door initiates, the phone rings and says so, it accepts, the door hears it and hangs up, the phone hears
//! that. As many at one time as there are visitors here; what it costs the hub is its CPU time, whatever else the machine does.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::bench::{row, usage};
use super::building::{Building, Key, come_online};
use super::wire::{Socket, Verbs, Way, contains};

/// Calls at one time.
const VISITORS: usize = 32;
/// Doors of one visitor, who goes from one to the next: each device may send so many verbs a second.
const DOORS_EACH: usize = 24;

/// Prints the rate, the cost and the latency.
pub async fn print(calls: usize) {
    println!("\nfull calls: initiate, ring, acknowledge, accept, end, with all their events");
    let mut building = Building::new();
    let mut pairs = Vec::new();
    for number in 0..VISITORS * DOORS_EACH {
        let group = format!("home-{number}");
        let phone = building.group(&group, 1).remove(0);
        pairs.push((building.door(&[&group]), phone, group));
    }
    let hub = building.hub(false);
    let mut visitors = Vec::new();
    for pairs in pairs.chunks(DOORS_EACH) {
        let mut entrances = Vec::new();
        for (door, phone, group) in pairs {
            entrances.push(Entrance::open(&hub.way, door, phone, group).await.expect("the hub takes them"));
        }
        visitors.push(entrances);
    }
    let latencies = Rc::new(RefCell::new(Vec::new()));
    let (begun, spent) = (Instant::now(), usage(hub.process.pid()).seconds());
    let tasks = visitors.into_iter().map(|mut entrances| {
        let latencies = latencies.clone();
        tokio::task::spawn_local(async move {
            for number in 0..calls / VISITORS {
                let rang = entrances[number % DOORS_EACH].call().await.expect("the hub goes on");
                latencies.borrow_mut().push(rang);
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        task.await.expect("a visitor fails only with the bench");
    }
    let (took, spent) = (begun.elapsed().as_secs_f64(), usage(hub.process.pid()).seconds() - spent);
    let done = latencies.borrow().len() as f64;
    row(&format!("initiate to ring, {VISITORS} calls at one time"), latencies.take());
    println!(
        "{:.0} calls/s on this machine, shared with the generator; {:.3} ms of the hub's CPU per call: {:.0} calls/s and core",
        done / took,
        spent / done * 1000.0,
        done / spent
    );
    println!("(kamailio 5.6, measured elsewhere: 0.6 ms of CPU per call of seven messages, without a log of it)");
}

/// A door and the phone behind it.
struct Entrance {
    door: Socket,
    phone: Socket,
    door_verbs: Verbs,
    phone_verbs: Verbs,
    group: String,
}

impl Entrance {
    async fn open(way: &Way, door: &Key, phone: &Key, group: &str) -> std::io::Result<Self> {
        Ok(Self {
            door: come_online(way, door).await?,
            phone: come_online(way, phone).await?,
            door_verbs: Verbs::open(way, door.expose()).await?,
            phone_verbs: Verbs::open(way, phone.expose()).await?,
            group: group.to_owned(),
        })
    }

    /// One call; how long it took to ring.
    async fn call(&mut self) -> std::io::Result<Duration> {
        let (key, group) = (super::next(), &self.group);
        let begun = Instant::now();
        let body = format!(r#"{{"key":"{key}","receiverType":"group","receiver":"{group}","type":"video"}}"#);
        let (answer, rang) = tokio::join!(self.door_verbs.post("/v1/calls", &body), async {
            let ring = self.phone.until("\"incomingCallReceived\"").await?;
            let took = begun.elapsed();
            let session = super::session_of(&ring);
            let acknowledge = format!(r#"{{"type":"acknowledge","sessionId":"{session}","entry":1}}"#);
            self.phone.send(acknowledge.as_bytes(), false).await?;
            let accept = format!(r#"{{"key":"{key}-accept"}}"#);
            let (status, _) = self.phone_verbs.post(&format!("/v1/calls/{session}/accept"), &accept).await?;
            assert_eq!(status, 200);
            Ok::<_, std::io::Error>((took, session))
        });
        let (status, answer) = answer?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        let (took, session) = rang?;
        self.door.until("\"outgoingCallAccepted\"").await?;
        let end = format!(r#"{{"key":"{key}-end"}}"#);
        let (status, answer) = self.door_verbs.post(&format!("/v1/calls/{session}/end"), &end).await?;
        assert!(status == 200 && contains(&answer, "\"ended\""), "{}", String::from_utf8_lossy(&answer));
        self.phone.until("\"callEnded\"").await?;
        Ok(took)
    }
}
