//! A small town in one thread: two doors, a hub and residents' phones, all of them the real machines, joined by a made-up
//! network on made-up time. One seed decides everything that is not decided by the machines, so that a run can be replayed.
//!
//! It decides nothing about calls; `checks` says what must never be seen.

mod checks;
mod door;
mod hub;
mod net;
mod phone;

use std::collections::BTreeMap;
use std::time::Duration;

use doorward::ids::{BootId, DeviceId};
use doorward::moment::Moment;
use doorward::signaling::protocol::{ClientFrame, HubFrame, Leg, Refusal, VerbAnswer, VerbRequest};
use fastrand::Rng;

use door::{Door, Finger, WorkerReport};
use hub::Hub;
use net::Conn;
use phone::{Phone, Tap};

/// Doors first, then phones: a device's number.
pub const DOORS: usize = 2;
const DEVICES: [&str; 6] = ["door-panel", "gate-panel", "anna-phone", "anna-tablet", "ben-phone", "carl-phone"];
const PHONES: usize = DEVICES.len() - DOORS;

/// How long after the faults all consequences of them are over.
const SETTLE: Duration = Duration::from_secs(80);
/// In fair weather every exchange of messages is over by then.
const FLIGHT: Duration = Duration::from_secs(3);
/// By then no call can be left, for nobody begins one any more.
const REST: Duration = Duration::from_secs(180);

/// What was arranged to happen.
enum Happening {
    ClosedAtDevice { conn: u64 },
    ClosedAtHub { conn: u64 },
    Fault(Fault),
    Finger { door: usize, finger: Finger },
    FrameToDevice { conn: u64, frame: HubFrame },
    FrameToHub { conn: u64, frame: ClientFrame },
    Opened { conn: u64 },
    PostAtHub { who: usize, life: u32, request: VerbRequest, answer: Fate },
    PostDone { who: usize, life: u32, request: VerbRequest, answer: Option<Result<VerbAnswer, Refusal>> },
    Tap { phone: usize, life: u32, tap: Tap },
    Worker { door: usize, life: u32, report: WorkerReport },
}

impl Happening {
    fn travels(&self) -> bool {
        matches!(
            self,
            Self::FrameToDevice { .. } | Self::FrameToHub { .. } | Self::PostAtHub { .. } | Self::PostDone { .. }
        )
    }
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    Lost,
    /// Nobody waits for it: the request was a duplicate.
    Unheard,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Block {
        who: usize,
        up: bool,
        down: bool,
    },
    BreakSocket {
        who: usize,
    },
    /// No answer of a verb arrives, while the socket works.
    LoseAnswers {
        who: usize,
    },
    CrashDoor {
        door: usize,
    },
    CrashHub,
    CrashWorker {
        door: usize,
    },
    ReloadPhone {
        phone: usize,
    },
    StartDoor {
        door: usize,
    },
    StartHub,
    StartPhone {
        phone: usize,
    },
    StartWorker {
        door: usize,
    },
    StopPhone {
        phone: usize,
    },
    Unblock {
        who: usize,
    },
}

/// How bad the network is, from 0 to 1.
#[derive(Debug, Clone, Copy)]
struct Weather {
    lost: f64,
    slow: f64,
    doubled: f64,
    media: f64,
}

const FAIR: Weather = Weather { lost: 0.0, slow: 0.0, doubled: 0.0, media: 0.0 };

pub struct Town {
    now: Moment,
    rng: Rng,
    weather: Weather,
    arranged: BTreeMap<(Moment, u64), Happening>,
    arrangements: u64,
    conns: BTreeMap<u64, Conn>,
    last_conn: u64,
    /// Which connection each device has.
    wires: Vec<Option<u64>>,
    /// Whose answers are lost.
    answerless: Vec<bool>,
    /// Which direction of each device does not get through: up, down.
    blocked: Vec<[bool; 2]>,
    hub: Hub,
    doors: Vec<Door>,
    phones: Vec<Phone>,
    steps: u64,
    /// What happened, if anybody wants to read it.
    lines: Option<Vec<String>>,
}

/// Why a run failed.
pub struct Failure {
    pub why: String,
    pub transcript: String,
}

/// Lives through one seed. The number of steps, or what went wrong.
pub fn run(seed: u64, recording: bool) -> Result<u64, Box<Failure>> {
    let mut town = Town::new(seed, recording);
    let result = town.live();
    let steps = town.steps;
    result.map(|()| steps).map_err(|why| {
        let transcript = town.lines.unwrap_or_default().join("\n");
        Box::new(Failure { why, transcript })
    })
}

fn device_id(who: usize) -> DeviceId {
    DEVICES[who].parse().expect("a word")
}

fn number_of(device: &DeviceId) -> Option<usize> {
    DEVICES.iter().position(|name| *name == device.as_str())
}

fn leg(who: usize) -> Leg {
    let user = DEVICES[who].split('-').next().expect("a word has a first part");
    Leg { uid: user.parse().expect("a word"), device_id: device_id(who), name: user.into() }
}

impl Town {
    fn new(seed: u64, recording: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let doors = (0..DOORS).map(|door| Door::new(door, &mut rng)).collect();
        let mut town = Self {
            now: Moment::START,
            weather: FAIR,
            arranged: BTreeMap::new(),
            arrangements: 0,
            conns: BTreeMap::new(),
            last_conn: 0,
            wires: vec![None; DEVICES.len()],
            answerless: vec![false; DEVICES.len()],
            blocked: vec![[false; 2]; DEVICES.len()],
            hub: Hub::new(rng.bool()),
            doors,
            phones: (0..PHONES).map(|_| Phone::off()).collect(),
            steps: 0,
            lines: recording.then(Vec::new),
            rng,
        };
        for door in 0..DOORS {
            town.start_door(door);
        }
        for phone in 0..PHONES {
            if town.rng.u8(..8) > 0 {
                town.start_phone(phone);
            }
        }
        town
    }

    /// Trouble, then fair weather; then everything must come to agree, come to rest, and work again.
    fn live(&mut self) -> Result<(), String> {
        self.until(self.now + Duration::from_secs(2))?;
        let end = self.now + Duration::from_millis(self.rng.u64(20_000..80_000));
        self.arrange_people(end);
        self.arrange_trouble(end);
        self.until(end)?;
        self.clear_up();
        self.until(end + SETTLE)?;
        self.until_delivered()?;
        self.check_agreement()?;
        self.until(end + SETTLE + REST)?;
        self.check_rest()?;
        self.check_it_works()
    }

    fn until(&mut self, end: Moment) -> Result<(), String> {
        while let Some(next) = self.next_moment().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.steps += 1;
            if self.steps > 200_000 {
                return Err("a loop: too many steps".to_owned());
            }
            self.step();
            self.check_always()?;
        }
        self.now = end;
        Ok(())
    }

    /// Until no message is on its way: a door that ends a long call by itself may do so at any moment, this one too.
    fn until_delivered(&mut self) -> Result<(), String> {
        let patience = self.now + FLIGHT;
        while let Some(landing) = self.arranged.iter().rev().find_map(|((at, _), what)| what.travels().then_some(*at)) {
            if landing > patience {
                return Err("messages without end".to_owned());
            }
            self.until(landing)?;
        }
        Ok(())
    }

    fn next_moment(&self) -> Option<Moment> {
        let arranged = self.arranged.keys().next().map(|(moment, _)| *moment);
        let doors = self.doors.iter().filter_map(Door::next_moment);
        let phones = self.phones.iter().filter_map(Phone::next_moment);
        arranged.into_iter().chain(self.hub.next_moment()).chain(doors).chain(phones).min()
    }

    /// One thing: an arranged one, else a deadline.
    fn step(&mut self) {
        if let Some(entry) = self.arranged.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let happening = entry.remove();
            return self.happen(happening);
        }
        if self.hub.next_moment().is_some_and(|due| due <= self.now) {
            self.hub_due();
            return;
        }
        for door in 0..DOORS {
            if self.doors[door].next_moment().is_some_and(|due| due <= self.now) {
                return self.door_due(door);
            }
        }
        for phone in 0..PHONES {
            if self.phones[phone].next_moment().is_some_and(|due| due <= self.now) {
                return self.phone_due(phone);
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ClosedAtDevice { conn } => self.closed_at_device(conn),
            Happening::ClosedAtHub { conn } => self.closed_at_hub(conn),
            Happening::Fault(fault) => self.fault(fault),
            Happening::Finger { door, finger } => self.finger(door, finger),
            Happening::FrameToDevice { conn, frame } => self.frame_at_device(conn, frame),
            Happening::FrameToHub { conn, frame } => self.frame_at_hub(conn, frame),
            Happening::Opened { conn } => self.opened(conn),
            Happening::PostAtHub { who, life, request, answer } => self.post_at_hub(who, life, request, answer),
            Happening::PostDone { who, life, request, answer } => self.post_done(who, life, request, answer),
            Happening::Tap { phone, life, tap } => self.tap(phone, life, tap),
            Happening::Worker { door, life, report } => self.worker_report(door, life, report),
        }
    }

    fn arrange(&mut self, at: Moment, happening: Happening) {
        self.arrangements += 1;
        self.arranged.insert((at, self.arrangements), happening);
    }

    fn after(&mut self, millis: u64, happening: Happening) {
        self.arrange(self.now + Duration::from_millis(millis), happening);
    }

    fn chance(&mut self, of_one: f64) -> bool {
        of_one > 0.0 && self.rng.f64() < of_one
    }

    fn boot(&mut self) -> BootId {
        BootId::from_random(self.rng.u128(..).to_be_bytes())
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10} {}", format!("{:?}", self.now), line()));
        }
    }

    // ------------------------------------------------------------------------------------------------ people and trouble

    fn arrange_people(&mut self, end: Moment) {
        let span = u64::try_from(end.since(self.now).as_millis()).expect("minutes");
        for _ in 0..self.rng.usize(1..6) {
            let (door, at) = (self.rng.usize(..DOORS), self.rng.u64(..span));
            let button = if self.rng.u8(..4) == 0 { "back" } else { "front" };
            self.arrange_press(door, button, at);
            if self.rng.u8(..4) == 0 {
                // Again, or another finger.
                let other = if self.rng.bool() { "back" } else { "front" };
                let later = at + self.rng.u64(..8_000);
                self.arrange_press(door, other, later);
            }
        }
        for _ in 0..self.rng.usize(..3) {
            let (phone, door, at) = (self.rng.usize(..PHONES), self.rng.usize(..DOORS), self.rng.u64(..span));
            let life = u32::MAX;
            self.after(at, Happening::Tap { phone, life, tap: Tap::CallDoor(door) });
        }
    }

    fn arrange_press(&mut self, door: usize, button: &'static str, at: u64) {
        self.after(at, Happening::Finger { door, finger: Finger::Down(button) });
        let hold = if self.rng.u8(..4) == 0 { self.rng.u64(1_500..4_000) } else { self.rng.u64(80..1_500) };
        if hold >= 1_500 {
            self.after(at + 1_500, Happening::Finger { door, finger: Finger::Held(button) });
        }
        self.after(at + hold, Happening::Finger { door, finger: Finger::Up(button) });
    }

    fn arrange_trouble(&mut self, end: Moment) {
        let span = u64::try_from(end.since(self.now).as_millis()).expect("minutes");
        let bad = [0.0, 0.0, 0.02, 0.1, 0.3];
        let pick = |rng: &mut Rng| bad[rng.usize(..bad.len())];
        self.weather = Weather {
            lost: pick(&mut self.rng),
            slow: pick(&mut self.rng),
            doubled: pick(&mut self.rng),
            media: pick(&mut self.rng) / 2.0,
        };
        let count = [0, 1, 2, 4, 9][self.rng.usize(..5)];
        if self.rng.u8(..4) == 0 {
            self.arrange_restarts(span);
        }
        for _ in 0..count {
            let at = self.rng.u64(..span);
            let lasts = [300, 3_000, 20_000, 60_000][self.rng.usize(..4)];
            let back = (at + 1 + self.rng.u64(..lasts)).min(span);
            let (who, door, phone) =
                (self.rng.usize(..DEVICES.len()), self.rng.usize(..DOORS), self.rng.usize(..PHONES));
            let (fault, repair) = match self.rng.u8(..14) {
                0..=2 => {
                    let (up, down) = [(true, true), (true, false), (false, true)][self.rng.usize(..3)];
                    (Fault::Block { who, up, down }, Some(Fault::Unblock { who }))
                }
                3..=4 => (Fault::BreakSocket { who }, None),
                5..=6 => (Fault::CrashHub, Some(Fault::StartHub)),
                7 => (Fault::CrashDoor { door }, Some(Fault::StartDoor { door })),
                8 => (Fault::CrashWorker { door }, Some(Fault::StartWorker { door })),
                9 => (Fault::StopPhone { phone }, Some(Fault::StartPhone { phone })),
                10..=11 => (Fault::LoseAnswers { who }, Some(Fault::Unblock { who })),
                _ => (Fault::ReloadPhone { phone }, None),
            };
            self.after(at, Happening::Fault(fault));
            if let Some(repair) = repair {
                self.after(back, Happening::Fault(repair));
            }
        }
    }

    /// A hub that is started again and again, each time at once.
    fn arrange_restarts(&mut self, span: u64) {
        for _ in 0..self.rng.u8(1..8) {
            let at = self.rng.u64(..span);
            let back = at + self.rng.u64(1..400);
            self.after(at, Happening::Fault(Fault::CrashHub));
            self.after(back, Happening::Fault(Fault::StartHub));
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.note(|| format!("!! {fault:?}"));
        match fault {
            Fault::Block { who, up, down } => self.blocked[who] = [up, down],
            Fault::BreakSocket { who } => self.break_socket(who),
            Fault::LoseAnswers { who } => self.answerless[who] = true,
            Fault::CrashDoor { door } => self.crash_door(door),
            Fault::CrashHub => self.crash_hub(),
            Fault::CrashWorker { door } => self.crash_worker(door),
            Fault::ReloadPhone { phone } => {
                if self.phones[phone].is_on() {
                    self.stop_phone(phone);
                    self.start_phone(phone);
                }
            }
            Fault::StartDoor { door } => self.start_door(door),
            Fault::StartHub => self.start_hub(),
            Fault::StartPhone { phone } => self.start_phone(phone),
            Fault::StartWorker { door } => self.start_worker(door),
            Fault::StopPhone { phone } => self.stop_phone(phone),
            Fault::Unblock { who } => self.unblock(who),
        }
    }

    /// Fair weather, and everything that was down is up.
    fn clear_up(&mut self) {
        self.note(|| "-- the faults are over, and nobody touches anything any more".to_owned());
        self.weather = FAIR;
        self.start_hub();
        for who in 0..DEVICES.len() {
            self.unblock(who);
        }
        for door in 0..DOORS {
            self.start_door(door);
            self.start_worker(door);
        }
        for phone in 0..PHONES {
            self.start_phone(phone);
            self.phones[phone].awake = false;
        }
    }
}
