//! A door: its station and link, joined as the door's loop joins them, and a media worker that follows orders. The worker's
//! peers are connected as long as the phone at the other end serves them.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward::call::indication::{Indication, Phase};
use doorward::call::{Action, Button, Event, IncomingCalls, PressAgain, Rules, SecondButton, Station};
use doorward::ids::{ButtonId, PeerId, SessionId};
use doorward::moment::Moment;
use doorward::redacted::Redacted;
use doorward::signaling::link::{self, Link, Told};
use doorward::signaling::protocol::{CallType, Receiver, Signal, VerbAnswer};
use fastrand::Rng;

use super::net::short;
use super::{DEVICES, DOORS, Happening, Town, device_id, number_of};

/// A worker that hears nothing for this long gives a connection up.
const MEDIA_PATIENCE: u64 = 6_000;

pub struct Door {
    /// Counts the starts of the process.
    pub life: u32,
    mind: Option<Mind>,
    rules: Rules,
    worker: Worker,
}

struct Mind {
    station: Station,
    link: Link,
    shown: Option<Indication>,
}

#[derive(Default)]
pub struct Worker {
    life: u32,
    up: bool,
    pub session: Option<SessionId>,
    pub peers: BTreeMap<PeerId, WorkerPeer>,
}

#[derive(Default)]
pub struct WorkerPeer {
    /// The phone that answered, and its life.
    pub phone: Option<(usize, u32)>,
    pub connected: bool,
    pub gate: bool,
}

pub enum Finger {
    Down(&'static str),
    Held(&'static str),
    Up(&'static str),
}

/// What the worker does later.
pub enum WorkerReport {
    Connects { session: SessionId, peer: PeerId },
    Looks { session: SessionId, peer: PeerId },
    Offers { session: SessionId, peer: PeerId },
    Stopped { session: SessionId },
}

fn button(name: &str) -> ButtonId {
    name.parse().expect("a word")
}

impl Door {
    pub fn new(_door: usize, rng: &mut Rng) -> Self {
        let ring = |id: &str, receiver| Button { id: button(id), label: id.to_owned(), receiver };
        let rules = Rules {
            door_name: "Door".to_owned(),
            buttons: vec![
                ring("front", Receiver::Group("flat".parse().expect("a word"))),
                ring("back", Receiver::User("carl".parse().expect("a word"))),
            ],
            call_type: if rng.u8(..5) == 0 { CallType::Audio } else { CallType::Video },
            early_picture: rng.u8(..4) > 0,
            press_again: if rng.u8(..4) == 0 { PressAgain::Ignore } else { PressAgain::Cancel },
            incoming: [IncomingCalls::Ring, IncomingCalls::AutoAnswer, IncomingCalls::Ring, IncomingCalls::Reject]
                [rng.usize(..4)],
            second_button: if rng.u8(..4) == 0 { SecondButton::Refuse } else { SecondButton::Queue },
            maximum_duration: Duration::from_secs(120),
            ..Rules::default()
        };
        Self { life: 0, mind: None, rules, worker: Worker { up: true, ..Worker::default() } }
    }

    pub fn next_moment(&self) -> Option<Moment> {
        let mind = self.mind.as_ref()?;
        let station = mind.station.poll_timeout().map(|(due, _)| due);
        let link = mind.link.poll_timeout().map(|(due, _)| due);
        station.into_iter().chain(link).min()
    }

    pub fn link(&mut self) -> Option<&mut Link> {
        self.mind.as_mut().map(|mind| &mut mind.link)
    }

    pub fn session(&self) -> Option<SessionId> {
        self.mind.as_ref().and_then(|mind| mind.station.session())
    }

    pub fn is_idle(&self) -> bool {
        self.mind
            .as_ref()
            .is_some_and(|mind| mind.station.is_idle() && mind.link.unanswered() == 0 && mind.link.is_up())
    }

    pub fn state(&self) -> String {
        self.mind.as_ref().map_or_else(
            || "down".to_owned(),
            |mind| {
                let session = mind.station.session().map(|session| short(&session));
                let phase = mind.station.indication().phase;
                let (up, verbs) = (mind.link.is_up(), mind.link.unanswered());
                format!("{phase:?} session {session:?} link up {up}, {verbs} verbs, camera {:?}", self.worker.session)
            },
        )
    }

    pub fn is_talking(&self) -> bool {
        self.mind
            .as_ref()
            .is_some_and(|mind| matches!(mind.station.indication().phase, Phase::Connecting | Phase::Ongoing))
    }

    pub fn is_ongoing(&self) -> bool {
        self.mind.as_ref().is_some_and(|mind| mind.station.indication().phase == Phase::Ongoing)
    }

    pub fn worker(&self) -> &Worker {
        &self.worker
    }
}

impl Town {
    pub(super) fn start_door(&mut self, door: usize) {
        if self.doors[door].mind.is_some() {
            return;
        }
        let boot = self.boot();
        let station = Station::new(self.doors[door].rules.clone(), boot);
        self.doors[door].mind = Some(Mind { station, link: Link::new(boot), shown: None });
        if self.doors[door].worker.session.is_some() || !self.doors[door].worker.up {
            self.doors[door].worker = Worker { life: self.doors[door].worker.life + 1, up: true, ..Worker::default() };
        }
    }

    /// The worker dies with the process that started it.
    pub(super) fn crash_door(&mut self, door: usize) {
        if self.doors[door].mind.take().is_none() {
            return;
        }
        self.doors[door].life += 1;
        self.doors[door].worker = Worker { life: self.doors[door].worker.life + 1, up: true, ..Worker::default() };
        self.abandon_socket(door);
    }

    pub(super) fn crash_worker(&mut self, door: usize) {
        let worker = &mut self.doors[door].worker;
        if worker.up {
            *worker = Worker { life: worker.life + 1, up: false, ..Worker::default() };
            self.tell_door(door, Event::MediaDied);
        }
    }

    pub(super) fn start_worker(&mut self, door: usize) {
        if !self.doors[door].worker.up {
            self.doors[door].worker.up = true;
            self.tell_door(door, Event::MediaRestarted);
        }
    }

    pub(super) fn finger(&mut self, door: usize, finger: Finger) {
        let event = match finger {
            Finger::Down(name) => Event::Pressed(button(name)),
            Finger::Held(name) => Event::Held(button(name)),
            Finger::Up(name) => Event::Released(button(name)),
        };
        self.note(|| format!("{}: {event:?}", DEVICES[door]));
        self.tell_door(door, event);
    }

    pub(super) fn door_due(&mut self, door: usize) {
        let now = self.now;
        let Some(mind) = &mut self.doors[door].mind else { return };
        let actions = mind.station.handle_timeout(now);
        let orders = mind.link.handle_timeout(now);
        let again = [mind.station.poll_timeout().map(|(due, _)| due), mind.link.poll_timeout().map(|(due, _)| due)];
        if again.into_iter().flatten().any(|due| due <= now) {
            self.hub.ledger.violate("a deadline of a door did not move");
        }
        self.obey_station(door, actions);
        self.obey_link(door, orders);
    }

    pub(super) fn door_told(&mut self, door: usize, told: Told) {
        let event = match told {
            Told::Answered { request, result } => {
                self.hub.ledger.heard_answer(&result);
                match result {
                    Ok(VerbAnswer::Call(call)) => Event::VerbAnswered { request, result: Ok(call) },
                    Err(refusal) => Event::VerbAnswered { request, result: Err(refusal) },
                    Ok(VerbAnswer::Token(_) | VerbAnswer::Kept) => {
                        self.hub.ledger.violate("a door is told of a token it did not ask for");
                        return;
                    }
                }
            }
            Told::Down => Event::LinkDown,
            Told::Event(event) => {
                self.hub.ledger.heard_event(&event);
                Event::HubTold(event)
            }
            Told::Nonce { .. } | Told::NonceAsked { .. } | Told::NonceRefused { .. } | Told::Notice { .. } => return,
            Told::Joined { session_id, ice_servers } => Event::SessionJoined { session_id, ice_servers },
            Told::JoinRefused { session_id, refusal: Some(refusal) } => Event::SessionRefused { session_id, refusal },
            Told::JoinRefused { refusal: None, .. } => return,
            Told::Signal { session_id, device_id, peer, signal } => {
                Event::SignalCame { session_id, device_id, peer, signal }
            }
            Told::Unauthorized => {
                self.hub.ledger.violate("a door is not known");
                return;
            }
            Told::Up { calls } => Event::LinkUp { calls },
        };
        self.tell_door(door, event);
    }

    fn tell_door(&mut self, door: usize, event: Event) {
        let now = self.now;
        let Some(mind) = &mut self.doors[door].mind else { return };
        let actions = mind.station.handle(now, event);
        self.obey_station(door, actions);
    }

    fn obey_station(&mut self, door: usize, actions: Vec<Action>) {
        for action in actions {
            if self.lines.is_some() {
                self.note(|| format!("{} orders {action:?}", DEVICES[door]));
            }
            match action {
                Action::Ask(request) => self.drive(door, link::Event::Asked(request)),
                Action::Withdraw(key) => self.drive(door, link::Event::Withdrawn(key)),
                Action::JoinSession(session) => self.drive(door, link::Event::JoinWanted(session)),
                Action::LeaveSession(session) => self.drive(door, link::Event::LeaveWanted(session)),
                Action::SendSignal { session_id, device_id, peer, signal } => {
                    let device_id = Some(device_id);
                    self.drive(door, link::Event::SignalMade { session_id, device_id, peer, signal });
                }
                Action::Indicate(indication) => {
                    if let Some(mind) = &mut self.doors[door].mind {
                        mind.shown = Some(indication);
                    }
                }
                Action::AddPeer { session_id, peer, .. } => self.add_peer(door, session_id, peer),
                Action::ApplySignal { peer, signal } => self.apply_signal(door, peer, &signal),
                Action::OpenGate { peer } => self.open_gate(door, peer),
                Action::RemovePeer { peer } => {
                    self.doors[door].worker.peers.remove(&peer);
                }
                Action::StartMedia { session_id: session, .. } => self.start_media(door, session),
                Action::StopMedia(session) => self.stop_media(door, session),
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------- the worker

    fn worker_later(&mut self, door: usize, millis: u64, report: WorkerReport) {
        let life = self.doors[door].worker.life;
        self.after(millis, Happening::Worker { door, life, report });
    }

    fn start_media(&mut self, door: usize, session: SessionId) {
        let worker = &mut self.doors[door].worker;
        if worker.up {
            worker.peers.clear();
            worker.session = Some(session);
        }
    }

    fn stop_media(&mut self, door: usize, session: SessionId) {
        let worker = &mut self.doors[door].worker;
        if worker.session == Some(session) {
            worker.session = None;
            worker.peers.clear();
        }
        // A worker that hangs says nothing.
        let hangs = self.weather.media;
        if !self.chance(hangs) {
            let later = self.rng.u64(5..300);
            self.worker_later(door, later, WorkerReport::Stopped { session });
        }
    }

    fn add_peer(&mut self, door: usize, session: SessionId, peer: PeerId) {
        let worker = &mut self.doors[door].worker;
        if worker.up && worker.session == Some(session) {
            worker.peers.insert(peer, WorkerPeer::default());
            let later = self.rng.u64(1..60);
            self.worker_later(door, later, WorkerReport::Offers { session, peer });
            self.worker_later(door, 2 * MEDIA_PATIENCE, WorkerReport::Looks { session, peer });
        }
    }

    fn open_gate(&mut self, door: usize, peer: PeerId) {
        if let Some(peer) = self.doors[door].worker.peers.get_mut(&peer) {
            peer.gate = true;
        }
    }

    fn apply_signal(&mut self, door: usize, peer: PeerId, signal: &Signal) {
        let Signal::Answer { sdp } = signal else { return };
        let mut words = sdp.expose().split(' ');
        let phone = words.next().and_then(|name| number_of(&device_id_of(name))).expect("phones sign their answers");
        let life = words.next().and_then(|life| life.parse().ok()).expect("phones sign their answers");
        let worker = &mut self.doors[door].worker;
        let Some(session) = worker.session else { return };
        if let Some(known) = worker.peers.get_mut(&peer) {
            known.phone = Some((phone - DOORS, life));
            let later = self.rng.u64(20..800);
            self.worker_later(door, later, WorkerReport::Connects { session, peer });
        }
    }

    pub(super) fn worker_report(&mut self, door: usize, life: u32, report: WorkerReport) {
        if self.doors[door].worker.life != life {
            return;
        }
        match report {
            WorkerReport::Offers { session, peer } => {
                if self.doors[door].worker.peers.contains_key(&peer) {
                    let signal = Signal::Offer { sdp: Redacted::new("offer".to_owned()) };
                    self.tell_door(door, Event::MediaSignalMade { session_id: session, peer, signal });
                }
            }
            WorkerReport::Connects { session, peer } => {
                let fails = self.weather.media;
                if self.is_served(door, session, peer) && !self.chance(fails) {
                    let known = self.doors[door].worker.peers.get_mut(&peer).expect("it is served");
                    known.connected = true;
                    self.tell_door(door, Event::MediaConnected { session_id: session, peer });
                    self.worker_later(door, MEDIA_PATIENCE, WorkerReport::Looks { session, peer });
                }
            }
            WorkerReport::Looks { session, peer } => {
                let Some(known) = self.doors[door].worker.peers.get(&peer) else { return };
                let breaks = known.connected && {
                    let breaks = self.weather.media / 4.0;
                    self.chance(breaks)
                };
                let alive = self.doors[door].worker.peers[&peer].connected && self.is_served(door, session, peer);
                if alive && !breaks {
                    self.worker_later(door, MEDIA_PATIENCE, WorkerReport::Looks { session, peer });
                } else {
                    self.doors[door].worker.peers.remove(&peer);
                    self.tell_door(door, Event::MediaLost { session_id: session, peer });
                }
            }
            WorkerReport::Stopped { session } => self.tell_door(door, Event::MediaStopped { session_id: session }),
        }
    }

    fn is_served(&self, door: usize, session: SessionId, peer: PeerId) -> bool {
        let phone = self.doors[door].worker.peers.get(&peer).and_then(|known| known.phone);
        phone.is_some_and(|(phone, life)| {
            self.phones[phone].life == life && self.phones[phone].serves(session, door, peer)
        })
    }
}

fn device_id_of(name: &str) -> doorward::ids::DeviceId {
    name.parse().expect("a word")
}

/// The name with which a phone signs its answers.
pub fn signature(phone: usize, life: u32) -> String {
    format!("{} {life}", device_id(phone + DOORS))
}
