//! Calls without end at one real media worker, and calls at a real station: nothing of those that are over is left, neither
//! memory nor threads, files or GStreamer objects. One call that lasts: its sound comes as soon at the end as at the start.
//!
//! A hundred calls run with the other tests. `make soak` runs a thousand, and the call of an hour.
#![cfg(feature = "media")]

mod alive;
mod door_house;
mod hub_house;
mod media_door;
mod mouth_to_ear;
mod phone;
mod resident;
mod room_of_pipes;
mod sounds;

use std::time::{Duration, Instant};

use doorward::config::hub::HubConfig;
use doorward::ids::{PeerId, SessionId};
use doorward::media::protocol::{Flow, Order, Report};
use doorward::media::worker::Patience;
use doorward::redacted::Redacted;
use doorward::signaling::client::Settings;
use doorward::signaling::protocol::{RejectStatus, Signal};

use alive::{Census, Registry};
use door_house::Station;
use hub_house::House;
use media_door::{CALL, Door, Memory, belongings_of, memory_of, settings};
use mouth_to_ear::MouthToEar;
use phone::Phone;

/// These pass through, and some are always under way.
const UNDER_WAY: [&str; 8] =
    ["GstBuffer", "GstBufferList", "GstEvent", "GstMemory", "GstMessage", "GstQuery", "GstSample", "GstPromise"];
/// More of them than this are not under way but left behind.
const CROWD: usize = 400;
/// Of fewer calls, memory that the allocator keeps tells nothing.
const TELLING: usize = 500;
/// Kilobytes that a call may cost for ever.
const SLOPE: f64 = 2.0;
/// Heaps in which memory may lie in pieces, beside the first.
const HEAPS: usize = 1;
/// Connections to the hub that a station keeps open for the next verbs, for a while.
const KEPT: usize = 4;

/// Chirps that are heard for one figure.
const CHIRPS: usize = 15;
/// Longer than a voice keeps what it does not need.
const SETTLING: Duration = Duration::from_secs(15);
/// One frame of Opus: what a jitter buffer may be fuller or emptier.
const DRIFT: Duration = Duration::from_millis(20);

/// One call, as its worker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Two look, one of them talks, and hangs up.
    Talked,
    /// Two talk at once; one leaves before the other.
    Shared,
    /// Somebody looks and declines.
    Declined,
    /// Nobody even looks.
    Unseen,
    /// Some look, come and go; nobody answers.
    OnlyLooked,
    /// A talker's phone dies. Another takes over; the call ends before anybody notices, or after.
    Killed { noticed: bool },
    /// A phone is offered a connection and never answers.
    Unanswered,
    /// The call ends while a connection is being made.
    CutShort,
    /// The next call begins before this one was ended.
    Overtaken,
}

use Course::{CutShort, Declined, Killed, OnlyLooked, Overtaken, Shared, Talked, Unanswered, Unseen};

/// Calls of one round, in another order each time.
const ROUND: [Course; 10] =
    [Talked, Talked, Shared, Declined, Unseen, OnlyLooked, Killed { noticed: false }, Unanswered, CutShort, Overtaken];

#[tokio::test]
async fn nothing_is_left_of_calls_that_are_over() {
    let calls = number("DOORWARD_SOAK_CALLS", 100);
    let registry = Registry::new();
    let door = Door::open_with(registry.command(), settings(), Patience::default()).await;
    let mut street = Street { door, calls: 0, peers: 0, random: fastrand::Rng::with_seed(20_261_126) };
    street.round(true).await;
    let (census, belongings) = (registry.census(street.door.pid()).await, street.door.belongings());
    let mut memory = Vec::new();
    let began = Instant::now();
    for round in 1..calls.div_ceil(ROUND.len()) {
        memory.extend(street.round(round % 5 == 0).await);
    }
    let pid = street.door.pid();
    println!("{} calls in {:.0?}; threads and files {belongings:?}", street.calls, began.elapsed());
    assert!(heaps_of(pid) <= HEAPS, "of glibc's heaps it has {}", heaps_of(pid));
    let (mut now, deadline) = (registry.census(pid).await, Instant::now() + media_door::DEADLINE);
    while let left @ [_, ..] = more(&census, &now).as_slice() {
        assert!(Instant::now() < deadline, "of these some are left (before, now): {left:?}");
        street.door.pass(Duration::from_millis(500)).await;
        now = registry.census(pid).await;
    }
    let within = |now: (usize, usize)| now.0 <= belongings.0 && now.1 <= belongings.1;
    street.door.until("threads and files of before", |door| within(door.belongings())).await;
    println!("objects alive: {} before, {} now", census.values().sum::<usize>(), now.values().sum::<usize>());
    report(&memory);
}

#[tokio::test]
async fn nothing_is_left_of_calls_at_a_station() {
    let calls = number("DOORWARD_SOAK_CALLS", 100) / 5;
    let Flat { station, mut phone, _house } = Flat::furnish().await;
    let processes = [("station", station.pid()), ("worker", station.worker())];
    let mut before = Vec::new();
    let mut memory = [Vec::new(), Vec::new()];
    for number in 0..calls.max(4) {
        visit(&station, &mut phone, number).await;
        if number == 3 {
            before = processes.map(|(_, pid)| belongings_of(pid)).to_vec();
        }
        memory.iter_mut().zip(processes).for_each(|(memory, (_, pid))| memory.push(memory_of(pid)));
    }
    for ((what, pid), before) in processes.into_iter().zip(before) {
        let left = |now: (usize, usize)| now.0 > before.0 || now.1 > before.1 + KEPT;
        let deadline = Instant::now() + media_door::DEADLINE;
        while left(belongings_of(pid)) {
            assert!(Instant::now() < deadline, "{what}: threads and files {before:?}, now {:?}", belongings_of(pid));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("{what}, {calls} calls: threads and files {before:?}, now {:?}", belongings_of(pid));
    }
    memory.iter().for_each(|memory| report(memory));
    assert_eq!(station.worker(), processes[1].1, "it never died");
}

/// At a real station, in one call. The pure machine and the worker alone are tried with the others; this one takes as long as the
/// pauses between a worker and the next.
#[tokio::test]
#[ignore = "it takes a minute: make soak"]
async fn a_worker_killed_twenty_times_leaves_a_visitor_talking() {
    let Flat { station, mut phone, _house } = Flat::furnish().await;
    station.press().await;
    let session = phone.rings().await;
    phone.client.accept(session).await.expect("it rings");
    phone.client.start_session(session);
    phone.hold_until(session, |resident| resident.pictures() > 0 && resident.sound_packets() > 0).await;
    for number in 1..=20 {
        phone.resident = None;
        door_house::signal(station.worker(), rustix::process::Signal::KILL);
        phone.hold_until(session, |resident| resident.pictures() > 0 && resident.sound_packets() > 0).await;
        let status = station.status().await;
        assert_eq!(status["workerRestarts"], number, "{status}");
        assert_eq!((&status["sessionId"], &status["phase"]), (&session.to_string().into(), &"Ongoing".into()));
    }
    phone.client.end(session, None).await.expect("it is the same call");
}

/// A call lasts at most three minutes where nothing else is configured; the worker knows no such limit.
#[tokio::test]
#[ignore = "it takes an hour: make soak"]
async fn sound_comes_as_soon_after_an_hour_as_at_first() {
    let minutes = number("DOORWARD_SOAK_MINUTES", 60);
    let street = MouthToEar::new();
    let mut door = Door::open(street.settings(), Patience::default()).await;
    door.order(Order::StartSession { session_id: CALL, picture: true });
    let talker = door.join_and_see(1).await;
    door.order(Order::OpenGate { peer: talker });
    door.report(|report| matches!(report, Report::Flows { flow: Flow::SoundOut, .. })).await;
    // What was held up while everything began is caught up with.
    door.pass(SETTLING).await;
    let (began, pid) = (Instant::now(), door.pid());
    let first = delays(&street, &mut door, talker, began).await;
    let mut last = first;
    let mut memory = Vec::new();
    for minute in 1..=minutes {
        door.pass(Duration::from_secs(60 * minute as u64).saturating_sub(began.elapsed())).await;
        let broken = door.reports().find(|report| matches!(report, Report::Lost { .. } | Report::DeviceFailed { .. }));
        assert!(broken.is_none(), "in minute {minute}: {broken:?}");
        door.heard.clear();
        memory.push(door.memory());
        if minute == minutes || minute % 10 == 0 {
            last = delays(&street, &mut door, talker, began).await;
        }
    }
    for (way, (first, last)) in ["to the resident", "to the street"].into_iter().zip(first.into_iter().zip(last)) {
        assert!(last <= first + DRIFT, "{way}: {first:?} at first, {last:?} after {minutes} minutes");
    }
    assert_eq!(door.pid(), pid, "it never died");
    println!("memory: {memory:?} KiB, minute by minute");
}

/// Medians of mouth to ear, both ways.
async fn delays(street: &MouthToEar, door: &mut Door, talker: PeerId, began: Instant) -> [Duration; 2] {
    let middle = |mut taken: Vec<Duration>| {
        taken.sort_unstable();
        taken[taken.len() / 2]
    };
    let after = began.elapsed();
    let to_resident = middle(street.to_resident(door, talker, CHIRPS).await);
    let to_street = middle(street.to_street(door, talker, CHIRPS).await);
    println!("after {after:.0?}: {to_resident:.1?} to the resident, {to_street:.1?} to the street");
    [to_resident, to_street]
}

/// A station, and one phone in the flat behind it.
struct Flat {
    station: Station,
    phone: Phone,
    _house: House,
}

impl Flat {
    async fn furnish() -> Self {
        let house = House::with(HubConfig::default()).await;
        let anna = house.device("anna");
        house.settle(&anna).await;
        let address = format!("http://{}", house.address);
        let credential = Redacted::from(anna.credential.clone());
        let phone = Phone::connect(Settings { address, credential, authority: None }).await;
        Self { station: Station::start(&house, "").await, phone, _house: house }
    }
}

/// A visitor comes; how it goes depends on the number.
async fn visit(station: &Station, phone: &mut Phone, number: usize) {
    phone.resident = None;
    station.press().await;
    let session = phone.rings().await;
    match number % 4 {
        0 => drop(phone.client.reject(session, RejectStatus::Busy).await.expect("it rings")),
        1 => {
            phone.client.start_session(session);
            phone.hold_until(session, |resident| resident.pictures() > 0).await;
            phone.client.reject(session, RejectStatus::Rejected).await.expect("it rings");
        }
        _ => {
            phone.client.start_session(session);
            phone.hold_until(session, |resident| resident.pictures() > 0).await;
            phone.client.accept(session).await.expect("it rings");
            phone.hold_until(session, |resident| resident.sound_packets() > 0).await;
            if number % 20 == 2 {
                // Its phone dies and comes back, within the call.
                if let Some((_, resident)) = phone.resident.take() {
                    resident.fall_silent();
                }
                phone.hold_until(session, |resident| resident.pictures() > 0 && resident.sound_packets() > 0).await;
            }
            phone.client.end(session, None).await.expect("it talks");
        }
    }
    let over = |status: &serde_json::Value| status["camera"] == false && status["sessionId"].is_null();
    station.until("the end of the call", over).await;
}

/// What glibc reserved for heaps beside the first: 64 MiB each, at a multiple of that. The part that is in use comes first, then what
/// nobody may touch, up to the end at least. (By chance something else begins there, too.)
fn heaps_of(pid: u32) -> usize {
    const RESERVED: usize = 64 << 20;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mapping = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (begin, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some((number(begin)?, number(end)?, rest.get(..4)?.to_owned()))
    };
    let mappings: Vec<_> = maps.lines().filter_map(mapping).collect();
    let is_heap = |pair: &&[(usize, usize, String)]| match pair {
        [(begin, end, used), (next, last, reserved)] => {
            begin % RESERVED == 0
                && (used.as_str(), reserved.as_str()) == ("rw-p", "---p")
                && next == end
                && *last >= begin + RESERVED
        }
        _ => false,
    };
    mappings.windows(2).filter(is_heap).count()
}

/// A number that was set from outside.
fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("it is a number"))
}

/// Types of which there are more than before, with both numbers.
fn more(before: &Census, now: &Census) -> Vec<(String, usize, usize)> {
    let had = |name: &String| before.get(name).copied().unwrap_or_default();
    let spare = |name: &String| if UNDER_WAY.contains(&name.as_str()) { CROWD } else { 0 };
    now.iter()
        .filter(|(name, count)| **count > had(name) + spare(name))
        .map(|(name, count)| (name.clone(), had(name), *count))
        .collect()
}

/// Prints how memory grew, and judges it where there were calls enough.
fn report(memory: &[Memory]) {
    judge("resident memory", &memory.iter().map(|memory| memory.resident).collect::<Vec<_>>());
    judge("of its own", &memory.iter().map(|memory| memory.own).collect::<Vec<_>>());
}

fn judge(what: &str, memory: &[u64]) {
    // What the allocator keeps for later is there after some calls.
    let slope = slope(&memory[memory.len() / 4..]);
    let last = memory.len().saturating_sub(1);
    let tenths: Vec<u64> = (0..=10).filter_map(|tenth| memory.get(last * tenth / 10).copied()).collect();
    println!("{what}: {tenths:?} KiB, from tenth to tenth; {slope:+.2} KiB a call");
    assert!(memory.len() < TELLING || slope < SLOPE, "{what}: every call costs {slope:.2} KiB for ever");
}

/// Of the straight line that is nearest to these.
fn slope(values: &[u64]) -> f64 {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<u64>() as f64 / count;
    let (mut along, mut across) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let distance = index as f64 - middle;
        along += distance * (*value as f64 - mean);
        across += distance * distance;
    }
    if across > 0.0 { along / across } else { 0.0 }
}

/// A worker and what happens before its door.
struct Street {
    door: Door,
    calls: u32,
    peers: u32,
    random: fastrand::Rng,
}

impl Street {
    /// One of each. What the worker weighs after every call.
    async fn round(&mut self, noticed: bool) -> Vec<Memory> {
        let mut courses = ROUND;
        self.random.shuffle(&mut courses);
        let mut memory = Vec::new();
        for course in courses {
            let course = if let Killed { .. } = course { Killed { noticed } } else { course };
            let session = self.call(course).await;
            self.end(session).await;
            memory.push(memory_of(self.door.pid()));
        }
        memory
    }

    async fn call(&mut self, course: Course) -> SessionId {
        let session = self.begin();
        match course {
            Talked | Overtaken => {
                let (one, other) = (self.looks(session).await, self.looks(session).await);
                self.talks(one).await;
                self.door.leave(other);
            }
            Shared => {
                let (one, other) = (self.looks(session).await, self.looks(session).await);
                self.talks(one).await;
                self.talks(other).await;
                self.door.leave(one);
            }
            Declined => drop(self.looks(session).await),
            Unseen => {}
            OnlyLooked => {
                let (one, _) = (self.looks(session).await, self.looks(session).await);
                self.door.leave(one);
                self.looks(session).await;
            }
            Killed { noticed } => self.dies(session, noticed).await,
            Unanswered => self.never_answers(session).await,
            CutShort => drop(self.join(session)),
        }
        if course == Overtaken { self.begin() } else { session }
    }

    fn begin(&mut self) -> SessionId {
        self.calls += 1;
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.calls.to_be_bytes());
        let session = SessionId::from_random(bytes);
        self.door.order(Order::StartSession { session_id: session, picture: true });
        session
    }

    async fn end(&mut self, session: SessionId) {
        self.door.order(Order::StopSession { session_id: session });
        let over = |report: &Report| matches!(report, Report::SessionStopped { session_id } if *session_id == session);
        self.door.report(over).await;
        self.door.residents.clear();
        self.door.heard.clear();
        self.door.unclaimed.clear();
    }

    fn join(&mut self, session: SessionId) -> PeerId {
        self.peers += 1;
        self.door.join_call(session, self.peers)
    }

    async fn looks(&mut self, session: SessionId) -> PeerId {
        let peer = self.join(session);
        self.door.until("the first picture", |door| door.resident(peer).pictures() > 0).await;
        peer
    }

    /// Until both voices are heard.
    async fn talks(&mut self, talker: PeerId) {
        self.door.order(Order::OpenGate { peer: talker });
        self.door.resident(talker).talk(1000);
        for wanted in [Flow::SoundIn, Flow::SoundOut] {
            let flows = |report: &Report| matches!(report, Report::Flows { peer, flow, .. } if (*peer, *flow) == (talker, wanted));
            self.door.report(flows).await;
        }
    }

    async fn dies(&mut self, session: SessionId, noticed: bool) {
        let victim = self.looks(session).await;
        self.talks(victim).await;
        // Without a farewell.
        self.door.resident(victim).fall_silent();
        self.door.residents.remove(&victim);
        let heir = self.looks(session).await;
        self.talks(heir).await;
        if noticed {
            self.door.report(|report| matches!(report, Report::Lost { peer, .. } if *peer == victim)).await;
        }
    }

    async fn never_answers(&mut self, session: SessionId) {
        self.peers += 1;
        let peer = PeerId(self.peers);
        self.door.order(Order::AddPeer { session_id: session, peer, ice_servers: Vec::new() });
        self.door
            .until("an offer", |door| {
                door.unclaimed.iter().any(|(to, signal)| *to == peer && matches!(signal, Signal::Offer { .. }))
            })
            .await;
    }
}
