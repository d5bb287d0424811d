//! The door's part in the tests of the media worker: a real child process, and residents connected to it in this process.

#![allow(dead_code, reason = "every test that includes it uses a part of it")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use doorward::ids::{PeerId, SessionId};
use doorward::media::pipeline::{
    CameraSource, EchoSettings, IceSettings, MediaSettings, MicrophoneSource, SpeakerSink, Standby, VideoCodec,
    VideoSettings,
};
use doorward::media::protocol::{Order, Report};
use doorward::media::worker::{Patience, Worker, WorkerCommand, WorkerEvent};
use doorward::signaling::protocol::{IceServer, Signal};
use tokio::sync::mpsc;

use crate::resident::Resident;

/// Longer than anything that works takes, on a machine that does something else as well.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub const CALL: SessionId = SessionId::from_random([7; 16]);

/// A small test picture and a 440 Hz tone.
pub fn settings() -> MediaSettings {
    MediaSettings {
        camera: CameraSource::Test,
        microphone: MicrophoneSource::Tone(440),
        speaker: SpeakerSink::Discard,
        standby: Standby::Closed,
        prompts: BTreeMap::new(),
        // Tones would be taken for noise.
        echo: EchoSettings::NOTHING,
        video: VideoSettings {
            codec: VideoCodec::Vp8,
            width: 320,
            height: 240,
            frame_rate: 25,
            bitrate: 400,
            bitrate_floor: 100,
        },
        ice: IceSettings { loopback: true, min_port: 0, max_port: 0, relay_only: false },
    }
}

/// One description made of another.
pub type Tamper = Box<dyn FnMut(&str) -> String>;

/// A worker, what it said, and its residents.
pub struct Door {
    worker: Option<Worker>,
    events: mpsc::Receiver<WorkerEvent>,
    outbox: mpsc::UnboundedSender<(PeerId, Signal)>,
    inbox: mpsc::UnboundedReceiver<(PeerId, Signal)>,
    pub residents: BTreeMap<PeerId, Resident>,
    /// What a hostile resident makes of an honest answer.
    pub tamper: Option<Tamper>,
    /// And of candidates.
    pub tamper_candidates: Option<Tamper>,
    /// Residents are reached by 127.0.0.1 alone.
    pub on_loopback: bool,
    /// For both ends of the connections that are ordered from now on.
    pub ice_servers: Vec<IceServer>,
    /// Everything the worker said, without signals for residents that are there.
    pub heard: Vec<WorkerEvent>,
    /// Signals of the worker for peers without a resident.
    pub unclaimed: Vec<(PeerId, Signal)>,
}

impl Door {
    /// A worker that is ready.
    pub async fn open(settings: MediaSettings, patience: Patience) -> Self {
        let command =
            WorkerCommand { program: env!("CARGO_BIN_EXE_doorward").into(), arguments: vec!["media-worker".into()] };
        Self::open_with(command, settings, patience).await
    }

    /// A worker that is started in another way.
    pub async fn open_with(command: WorkerCommand, settings: MediaSettings, patience: Patience) -> Self {
        let (worker, events) = Worker::spawn(command, settings, patience).expect("these tests need the feature");
        let (outbox, inbox) = mpsc::unbounded_channel();
        let mut door = Self {
            worker: Some(worker),
            events,
            outbox,
            inbox,
            residents: BTreeMap::new(),
            tamper: None,
            tamper_candidates: None,
            on_loopback: true,
            ice_servers: Vec::new(),
            heard: Vec::new(),
            unclaimed: Vec::new(),
        };
        door.report(|report| matches!(report, Report::Ready { .. })).await;
        door
    }

    /// With a started session.
    pub async fn in_session(settings: MediaSettings) -> Self {
        let door = Self::open(settings, Patience::default()).await;
        door.order(Order::StartSession { session_id: CALL, picture: true });
        door
    }

    /// Number of the child process.
    pub fn pid(&self) -> u32 {
        self.worker.as_ref().and_then(Worker::pid).expect("the child runs")
    }

    /// Threads and open files of the child process.
    pub fn belongings(&self) -> (usize, usize) {
        belongings_of(self.pid())
    }

    /// Resident memory of the child process, in KiB.
    pub fn memory(&self) -> u64 {
        memory_of(self.pid()).resident
    }

    /// Sends a signal to the child process.
    pub fn signal_child(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid is positive");
        rustix::process::kill_process(pid, signal).expect("it is our child");
    }

    /// A resident leaves: the door takes the connection away.
    pub fn leave(&mut self, peer: PeerId) {
        self.order(Order::RemovePeer { peer });
        self.residents.remove(&peer);
    }

    pub fn order(&self, order: Order) {
        self.worker.as_ref().expect("it was not dropped").send(order).expect("few orders wait");
    }

    /// Lets the worker go, as a door does that ends.
    pub fn drop_worker(&mut self) {
        self.worker = None;
    }

    /// A resident whose connection is ordered.
    pub fn join(&mut self, number: u32) -> PeerId {
        self.join_call(CALL, number)
    }

    /// The same, of another call.
    pub fn join_call(&mut self, session_id: SessionId, number: u32) -> PeerId {
        let peer = PeerId(number);
        let outbox = self.outbox.clone();
        let resident = Resident::reached_by(self.on_loopback, &self.ice_servers, move |signal| {
            let _ = outbox.send((peer, signal));
        });
        self.residents.insert(peer, resident);
        self.order(Order::AddPeer { session_id, peer, ice_servers: self.ice_servers.clone() });
        peer
    }

    /// A resident who sees the picture.
    pub async fn join_and_see(&mut self, number: u32) -> PeerId {
        let peer = self.join(number);
        self.until("the first picture", |door| door.resident(peer).pictures() > 0).await;
        peer
    }

    pub fn resident(&self, peer: PeerId) -> &Resident {
        &self.residents[&peer]
    }

    /// So many further pictures of this resident: the clock of these tests.
    pub async fn pictures(&mut self, peer: PeerId, count: u64) {
        let goal = self.resident(peer).pictures() + count;
        self.until("more pictures", |door| door.resident(peer).pictures() >= goal).await;
    }

    /// Carries signals to and fro until this holds.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds(self) {
            if Instant::now() > deadline {
                let last = &self.heard[self.heard.len().saturating_sub(10)..];
                panic!("{what} did not come; residents: {:#?}; last heard: {last:#?}", self.residents);
            }
            self.turn().await;
        }
    }

    /// Carries signals to and fro for so long.
    pub async fn pass(&mut self, time: Duration) {
        let later = Instant::now() + time;
        while Instant::now() < later {
            self.turn().await;
        }
    }

    /// The first report like this, from now on or before.
    pub async fn report(&mut self, wanted: impl Fn(&Report) -> bool) -> Report {
        self.until("a report", |door| door.reports().any(&wanted)).await;
        self.reports().find(|report| wanted(report)).cloned().expect("it was just there")
    }

    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.heard.iter().filter_map(|event| match event {
            WorkerEvent::Report(report) => Some(report),
            WorkerEvent::Died { .. } | WorkerEvent::Restarted { .. } => None,
        })
    }

    /// What the speaker played, latest last.
    pub fn speaker_levels(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> {
        self.heard.iter().filter_map(|event| match event {
            WorkerEvent::Report(Report::SpeakerLevel { dbfs, hertz }) => Some((*dbfs, *hertz)),
            _ => None,
        })
    }

    /// This resident hears this tone, as loud as the door's and the residents' tones are.
    pub async fn hears(&mut self, peer: PeerId, hertz: f64) {
        let heard = |door: &Self| door.resident(peer).hears();
        self.until("a tone at a resident", |door| {
            heard(door).is_some_and(|level| is_about(level.hertz, hertz) && (level.dbfs + 12.0).abs() < 2.0)
        })
        .await;
    }

    /// The speaker plays this tone, as loud as the residents' tones are.
    pub async fn speaker_plays(&mut self, hertz: f64) {
        self.until("a tone at the speaker", |door| {
            door.speaker_levels()
                .next_back()
                .is_some_and(|(dbfs, found)| is_about(found, hertz) && (dbfs + 12.0).abs() < 2.0)
        })
        .await;
    }

    /// Another worker took the place of the one there was.
    pub async fn restarted(&mut self) {
        self.until("another worker", |door| {
            door.heard.iter().any(|event| matches!(event, WorkerEvent::Restarted { .. }))
        })
        .await;
    }

    /// As the station does: a connection that is lost is replaced by another, and that again, until a picture comes. The resident
    /// stays in the conversation.
    pub async fn replaced(&mut self, lost: PeerId, mut meanwhile: impl FnMut(&Self)) -> PeerId {
        let deadline = Instant::now() + 4 * DEADLINE;
        let mut peer = lost;
        while peer == lost || self.resident(peer).pictures() == 0 {
            assert!(Instant::now() < deadline, "it is not replaced; residents: {:#?}", self.residents);
            let is_lost = |report: &Report| matches!(report, Report::Lost { peer: gone, .. } if *gone == peer);
            if self.reports().any(is_lost) {
                self.residents.remove(&peer);
                peer = self.join(peer.0 + 1);
                self.order(Order::OpenGate { peer });
            }
            meanwhile(self);
            self.turn().await;
        }
        self.resident(peer).talk(1000);
        peer
    }

    async fn turn(&mut self) {
        tokio::select! {
            event = self.events.recv() => match event {
                Some(WorkerEvent::Report(Report::Signal { peer, signal, .. })) => match self.residents.get(&peer) {
                    Some(resident) => resident.apply(&signal),
                    None => self.unclaimed.push((peer, signal)),
                },
                Some(event) => self.heard.push(event),
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Some((peer, signal)) = self.inbox.recv() => {
                let signal = match (signal, &mut self.tamper) {
                    (Signal::Answer { sdp }, Some(tamper)) => Signal::Answer { sdp: tamper(sdp.expose()).into() },
                    (signal, _) => signal,
                };
                let signal = match (signal, &mut self.tamper_candidates) {
                    (Signal::Candidate { candidate, sdp_m_line_index }, Some(tamper)) => {
                        Signal::Candidate { candidate: tamper(candidate.expose()).into(), sdp_m_line_index }
                    }
                    (signal, _) => signal,
                };
                self.order(Order::ApplySignal { peer, signal });
            }
            // What residents see and hear comes without an event.
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
}

/// Prints what a fault cost, with the machine's load: `make recovery` collects these lines.
pub fn recovered(fault: &str, what: &str, took: Duration) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    println!("recovery: {fault}: {what} after {:.2} s (load {load})", took.as_secs_f64());
}

/// Threads and open files of a process.
pub fn belongings_of(pid: u32) -> (usize, usize) {
    let count = |what| std::fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count);
    (count("task"), count("fd"))
}

/// What a process weighs, in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What is in memory of all that it sees.
    pub resident: u64,
    /// The part of it that is its own. The rest is in files: code of libraries, read in as it is needed for the first time.
    pub own: u64,
}

/// What this process weighs now.
pub fn memory_of(pid: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let number = |key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    Memory { resident: number("VmRSS:"), own: number("RssAnon:") }
}

/// Within five hundredths.
pub fn is_about(found: f64, wanted: f64) -> bool {
    (found - wanted).abs() <= wanted * 0.05
}
