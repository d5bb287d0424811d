//! The hub's loop: one task through which everything passes that decides. It owns the exchange, the session tokens and the
//! table of connections; every verb, loss, return and deadline becomes an entry, in one order, and what follows is done.
//!
//! It never waits: not for the disk (the log is written behind), not for a socket (a slow one is closed).

mod lines;
mod verbs;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;
use tracing::{debug, info, warn};

use super::connections::Connections;
use super::directory::{Directory, Kind, User};
use super::exchange::{Change, Entry, Exchange, Output, Rules};
use super::ice;
use super::log::Log;
use super::metrics::Metrics;
use super::observer::Observer;
use super::orders::{ConnectionId, Order, unauthorized};
use super::outbox::Outbox;
use super::push::Push;
use super::sessions::Sessions;
use super::stills::Stills;
use crate::clock;
use crate::ids::{DeviceId, PeerId, RequestKey, SessionId, Uid};
use crate::moment::Moment;
use crate::signaling::identity::{Me, NamedDoor, NamedGroup, UserKind};
use crate::signaling::protocol::{
    Call, CallStatus, ClientFrame, DoorNotice, ErrorCode, HubFrame, Leg, PROTOCOL_VERSION, Refusal, RejectStatus, Seen,
    Signal, Still,
};
use lines::Lines;

/// How often the log is rid of the entries of calls that are forgotten: seldom, for it looks at every call of ten minutes.
const SWEEP: Duration = Duration::from_mins(1);

/// So many records and lines do not wait for a quiet moment.
const MOST_BEHIND: usize = 64;

/// What the loop is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a call rings.
    pub ring_for: Duration,
    /// Devices that may look before anybody answers.
    pub max_viewers: u32,
    /// How often a device says that it is there.
    pub heartbeat: Duration,
    /// Told to both ends of a call.
    pub ice_servers: Vec<ice::Server>,
}

/// The loop's state.
#[derive(Debug)]
pub struct Switchboard {
    exchange: Exchange,
    connections: Connections,
    sessions: Sessions,
    stills: Stills,
    directory: watch::Receiver<Arc<Directory>>,
    known: Arc<Directory>,
    log: Log,
    push: Push,
    /// Calls that have entries in the log.
    logged: BTreeSet<SessionId>,
    observer: Observer,
    lines: Lines,
    /// When to look which of them are forgotten.
    sweep_at: Moment,
    settings: Settings,
}

impl Switchboard {
    /// Takes up the calls of the log where the last hub left them. Waits for the disk: nobody listens yet.
    #[must_use]
    pub fn restore(
        settings: Settings,
        directory: watch::Receiver<Arc<Directory>>,
        (log, entries): (Log, Vec<(Moment, Entry)>),
        push: Push,
        metrics: &Metrics,
    ) -> Self {
        let logged: BTreeSet<_> = entries.iter().map(|(_, entry)| entry.session_id).collect();
        let exchange = Exchange::restore(Rules::default(), clock::now(), entries);
        let known = directory.borrow().clone();
        let (connections, sessions) = (Connections::new(metrics.clone()), Sessions::default());
        let observer = Observer::new(metrics.clone());
        let (stills, sweep_at) = (Stills::default(), clock::now() + SWEEP);
        let mut board = Self {
            exchange,
            connections,
            sessions,
            stills,
            directory,
            known,
            log,
            push,
            logged,
            observer,
            lines: Lines::default(),
            sweep_at,
            settings,
        };
        let open = board.exchange.open_calls();
        board.observer.took_up(open.len());
        if !open.is_empty() {
            info!(calls = open.len(), "calls taken up after a restart");
        }
        for session_id in &open {
            board.append(*session_id, Change::Restarted);
        }
        board.forget_entries();
        if !open.is_empty() && !board.log.settle() {
            warn!("the disk does not take what the restart left out: after another one, devices could miss events");
        }
        board
    }

    /// Serves until `stop`; then every socket is closed and the log is on the disk.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Order>, mut stop: oneshot::Receiver<()>) {
        loop {
            let deadline = self.exchange.poll_timeout().map(|(moment, _)| moment);
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order),
                    None => break,
                },
                () = clock::sleep_until(deadline) => self.run_due(),
                Ok(()) = self.directory.changed() => self.close_revoked(),
                // Everybody who was told has had their turn to write it to their socket.
                () = yield_now(), if self.behind() > 0 => self.catch_up(),
                _ = &mut stop => break,
            }
        }
        let Self { connections, log, mut lines, .. } = self;
        drop(connections);
        lines.write();
        // The rest is on the disk in milliseconds, and nobody waits for this task but the end of the program.
        log.close();
    }

    fn obey(&mut self, order: Order) {
        // Also where one order follows the other.
        if self.behind() >= MOST_BEHIND {
            self.catch_up();
        }
        match order {
            Order::Connect { device, seen, outbox, answer } => {
                drop(answer.send(self.connect(&device, &seen, outbox)));
            }
            Order::Disconnect(connection) => self.disconnect(connection),
            Order::Frame(connection, frame) => self.read_frame(connection, *frame),
            Order::Notice { device, notices } => self.notice(&device, notices),
            Order::Notified { session_id, device } => {
                self.arrived(session_id, device, |device_id| Change::Notified { device_id });
            }
            Order::Verb { device, request, answer } => drop(answer.send(self.verb(&device, *request))),
            Order::ReadCall { device, session_id, answer } => drop(answer.send(self.party(session_id, &device))),
            Order::ReadStill { device, session_id, answer } => drop(answer.send(self.still(session_id, &device))),
            Order::ReadActive { device, answer } => drop(answer.send(Ok(self.exchange.active_calls(&device)))),
            Order::ReadOnline { answer } => drop(answer.send(Ok(self.connections.devices().cloned().collect()))),
            Order::Beat { answer } => drop(answer.send(Ok(()))),
            Order::ReadMe { device, answer } => drop(answer.send(self.me(&device).ok_or_else(unauthorized))),
        }
    }

    /// How many records and lines the log's writer and the journal wait for.
    const fn behind(&self) -> usize {
        self.log.fresh() + self.lines.waiting()
    }

    fn catch_up(&mut self) {
        self.log.hand_over();
        self.lines.write();
    }

    // ------------------------------------------------------------------------------------------------- the log's order

    /// Appends an entry and does what follows, also of the entries that it orders. The answer, if it is a verb.
    fn append(&mut self, session_id: SessionId, change: Change) -> Option<Result<Box<Call>, Refusal>> {
        let mut answer = None;
        let mut queue = VecDeque::from([(session_id, change)]);
        while let Some((session_id, change)) = queue.pop_front() {
            let entry = Entry { session_id, wall: clock::wall(), change };
            for output in self.fold(entry) {
                match output {
                    Output::Answer(result) => answer = answer.or(Some(result)),
                    Output::Append(session_id, change) => queue.push_back((session_id, change)),
                    other => self.perform(other),
                }
            }
        }
        answer
    }

    /// An entry of a call that is over changes nothing and has no number, and a refused initiation makes no call: neither is
    /// kept.
    fn fold(&mut self, entry: Entry) -> Vec<Output> {
        let (now, session_id) = (clock::now(), entry.session_id);
        let before = self.exchange.status(session_id);
        let outputs = self.exchange.handle(now, entry.clone());
        if before.is_none() && self.exchange.status(session_id).is_some() {
            self.observer.began(now, session_id);
        }
        for output in &outputs {
            self.observer.saw(now, output);
        }
        if !before.is_some_and(CallStatus::is_terminal) && self.exchange.status(session_id).is_some() {
            self.logged.insert(session_id);
            self.log.append(now, entry);
        }
        outputs
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Answer(_) | Output::Append(..) => {}
            Output::Notify { to, call, rings_for } => {
                self.push.wake(&self.known, &call, Duration::from_millis(rings_for), &to);
            }
            Output::Withdraw { devices, by, call } => self.push.withdraw(&self.known, &call, &devices, by.as_ref()),
            Output::Archive(call) => {
                self.lines.over(&call);
                self.sessions.forget_call(call.session_id);
                let still = self.stills.take(call.session_id);
                self.log.archive(call, still);
            }
            Output::Deliver { to, event } => self.connections.send_all(&to, &HubFrame::Event(event)),
            Output::Revoke { session_id, devices } => {
                self.connections.send_all(&devices, &HubFrame::SessionEnded { session_id });
                for device in &devices {
                    self.connections.end_session(session_id, device);
                }
            }
        }
    }

    fn run_due(&mut self) {
        for output in self.exchange.handle_timeout(clock::now()) {
            if let Output::Append(session_id, change) = output {
                self.append(session_id, change);
            }
        }
        if clock::now() >= self.sweep_at {
            self.sweep_at = clock::now() + SWEEP;
            self.forget_entries();
        }
    }

    fn forget_entries(&mut self) {
        let (exchange, log) = (&self.exchange, &mut self.log);
        self.logged.retain(|session_id| {
            let known = exchange.status(*session_id).is_some();
            if !known {
                log.forget(*session_id);
            }
            known
        });
    }

    // ----------------------------------------------------------------------------------------------------- connections

    fn connect(&mut self, device: &DeviceId, seen: &[Seen], outbox: Outbox) -> Result<ConnectionId, Refusal> {
        let leg = self.leg(device)?;
        let connection = self.connections.add(device.clone(), outbox);
        let welcome = HubFrame::Welcome {
            protocol: PROTOCOL_VERSION,
            uid: leg.uid,
            device_id: device.clone(),
            heartbeat: verbs::millis(self.settings.heartbeat),
            time: clock::wall(),
            calls: self.exchange.active_calls(device),
        };
        self.connections.send(connection, &welcome);
        let is_door = matches!(self.known.user_of(device), Some((_, User { kind: Kind::Door { .. }, .. })));
        self.observer.came(device, is_door, self.connections.online());
        debug!(device_id = %device, connection = connection.0, "connected");
        for session_id in self.exchange.calls_of(device) {
            let seen = seen.iter().find(|seen| seen.session_id == session_id).map(|seen| seen.entry);
            self.append(session_id, Change::Reachable { device_id: device.clone(), seen: seen.unwrap_or_default() });
        }
        Ok(connection)
    }

    fn disconnect(&mut self, connection: ConnectionId) {
        let Some(device_id) = self.connections.remove(connection) else { return };
        self.observer.went(&device_id, self.connections.online());
        debug!(%device_id, "gone");
        for session_id in self.exchange.calls_of(&device_id) {
            self.append(session_id, Change::Gone { device_id: device_id.clone() });
        }
    }

    /// Closes the sockets of devices that are not in the directory any more, and ends their part in every call.
    fn close_revoked(&mut self) {
        let directory = self.directory.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.known, directory);
        let revoked = before.devices.keys().filter(|device| !self.known.devices.contains_key(*device));
        let revoked: Vec<_> = revoked.filter_map(|device| before.leg(device)).collect();
        for leg in revoked {
            info!(uid = %leg.uid, device_id = %leg.device_id, "device revoked");
            self.sessions.forget_device(&leg.device_id);
            for session_id in self.exchange.calls_of(&leg.device_id) {
                self.take_out(session_id, &leg);
            }
            self.connections.refuse(&leg.device_id, &unauthorized());
        }
    }

    fn take_out(&mut self, session_id: SessionId, leg: &Leg) {
        let Some(call) = self.exchange.call(session_id).filter(|call| !call.status.is_terminal()) else { return };
        let key = RequestKey::of_attempt(clock::boot_id(), 0);
        let leg = leg.clone();
        let device_id = leg.device_id.clone();
        if call.status == CallStatus::Ongoing {
            self.append(session_id, Change::End { leg, key, reason: None });
        } else if call.initiator.device_id == device_id {
            self.append(session_id, Change::Reject { leg, key, status: RejectStatus::Cancelled });
        }
        self.append(session_id, Change::Gone { device_id });
    }

    // ---------------------------------------------------------------------------------------------------------- frames

    fn read_frame(&mut self, connection: ConnectionId, frame: ClientFrame) {
        let Some(device) = self.connections.device(connection).cloned() else { return };
        match frame {
            ClientFrame::Acknowledge { session_id, .. } => {
                self.arrived(session_id, device, |device_id| Change::Acknowledge { device_id });
            }
            ClientFrame::EndSession { session_id } => self.end_session(session_id, device, connection),
            ClientFrame::AskNonce { session_id } => self.ask_nonce(session_id, device, connection),
            ClientFrame::Nonce { session_id, device_id, answer } => {
                // From the door of this call, and to somebody who may open, or it is nobody's.
                if self.exchange.door_device(session_id) == Some(device)
                    && self.exchange.may_open(session_id, &device_id).is_ok()
                {
                    self.connections.send_all(&[device_id], &HubFrame::Nonce { session_id, answer });
                }
            }
            ClientFrame::Hello { .. } => debug!(device_id = %device, "a second hello is passed over"),
            ClientFrame::Ping {} => self.connections.send(connection, &HubFrame::Pong {}),
            ClientFrame::Signal { session_id, device_id, peer, signal } => {
                if self.connections.speaks(session_id, &device, connection)
                    && let Some(to) = self.signal_receiver(session_id, &device, device_id, &signal)
                {
                    let frame = HubFrame::Signal { session_id, device_id: device, peer, signal };
                    self.connections.send_signal(session_id, &to, &frame);
                } else {
                    // Also what was on its way when a session ended: nobody has to hear of it.
                    debug!(device_id = %device, %session_id, "a signal outside a session is dropped");
                }
            }
            ClientFrame::StartSession { session_id, token, keeps } => {
                if let Err(error) = self.start_session(session_id, &device, connection, token.expose(), keeps) {
                    self.connections.send(connection, &HubFrame::SessionRefused { session_id, error });
                }
            }
        }
    }

    /// The ring came to a device, or a push service has it. Only a ring that asks for it is worth an entry.
    fn arrived(&mut self, session_id: SessionId, device_id: DeviceId, how: impl FnOnce(DeviceId) -> Change) {
        let rings = |call: &Call| call.status == CallStatus::Initiated && call.initiator.device_id != device_id;
        if self.party(session_id, &device_id).is_ok_and(|call| rings(&call)) {
            self.append(session_id, how(device_id));
        }
    }

    fn start_session(
        &mut self,
        session_id: SessionId,
        device: &DeviceId,
        connection: ConnectionId,
        token: &str,
        keeps: Option<PeerId>,
    ) -> Result<(), Refusal> {
        if !self.sessions.accepts(clock::now(), session_id, device, token) {
            let message = "the session token is wrong, expired, or of another device or call; ask for a new one";
            return Err(Refusal::new(ErrorCode::ErrSessionTokenInvalid, message));
        }
        let leg = self.leg(device)?;
        let role = self.exchange.admit(session_id, &leg)?;
        self.connections.start_session(session_id, device, connection);
        self.connections.send(connection, &HubFrame::SessionStarted { session_id, role });
        self.append(session_id, Change::Join { leg, keeps });
        Ok(())
    }

    /// To everybody who may call this door and is here. The operator finds it in the journal.
    fn notice(&mut self, device: &DeviceId, notices: Vec<(DoorNotice, u64)>) {
        let Some((door, user)) = self.known.user_of(device) else { return };
        let (door, door_name) = (door.clone(), user.name.to_string());
        let may_call = |uid: &&Uid| self.known.doors_of(uid).any(|(known, _)| *known == door);
        let residents = self.known.users.keys().filter(may_call);
        let to: Vec<DeviceId> =
            residents.filter_map(|uid| self.known.users.get(uid)).flat_map(|user| user.devices.clone()).collect();
        for (notice, at) in notices {
            warn!(%door, ?notice, "a door says");
            let frame = HubFrame::DoorNotice { door: door.clone(), door_name: door_name.clone(), notice, at };
            self.connections.send_all(&to, &frame);
        }
    }

    fn end_session(&mut self, session_id: SessionId, device_id: DeviceId, connection: ConnectionId) {
        if self.exchange.session_of(session_id, &device_id)
            && self.connections.speaks(session_id, &device_id, connection)
        {
            self.connections.end_session(session_id, &device_id);
            self.append(session_id, Change::Leave { device_id });
        }
        self.connections.send(connection, &HubFrame::SessionEnded { session_id });
    }

    /// Passes on a participant's wish to the door.
    fn ask_nonce(&mut self, session_id: SessionId, device_id: DeviceId, connection: ConnectionId) {
        let may = self.may_open(session_id, &device_id);
        match may {
            Ok(door) => self.connections.send_all(&[door], &HubFrame::NonceAsked { session_id, device_id }),
            Err(error) => self.connections.send(connection, &HubFrame::NonceRefused { session_id, error }),
        }
    }

    /// The door's device, if this one may ask it to open now.
    fn may_open(&self, session_id: SessionId, device: &DeviceId) -> Result<DeviceId, Refusal> {
        let call = self.party(session_id, device)?;
        let door = self.exchange.may_open(session_id, device)?;
        let barred = self.known.user_of(device).is_some_and(|(uid, _)| !self.known.may_open(uid, &call.door));
        if barred { Err(may_not_open()) } else { Ok(door) }
    }

    /// Who opens what is data of the directory, as it stands now; who is in the call is the exchange's.
    fn check_opening(&self, session_id: SessionId, resident: &Uid) -> Result<(), Refusal> {
        let door = self.exchange.call(session_id).map(|call| call.door);
        let may = door.is_none_or(|door| door == *resident || self.known.may_open(resident, &door));
        if may { Ok(()) } else { Err(may_not_open()) }
    }

    /// To whom a signal goes: between the door and one other device, both with a started session; the door offers, the other
    /// answers.
    fn signal_receiver(
        &self,
        session_id: SessionId,
        from: &DeviceId,
        to: Option<DeviceId>,
        signal: &Signal,
    ) -> Option<DeviceId> {
        let door = self.exchange.door_device(session_id)?;
        let to = if *from == door { to.filter(|to| *to != door)? } else { door.clone() };
        let fits = match signal {
            Signal::Offer { .. } => *from == door,
            Signal::Answer { .. } => *from != door,
            Signal::Candidate { .. } => true,
        };
        let started = |device: &DeviceId| self.exchange.session_of(session_id, device);
        (fits && started(from) && started(&to)).then_some(to)
    }

    // --------------------------------------------------------------------------------------------------------- queries

    fn leg(&self, device: &DeviceId) -> Result<Leg, Refusal> {
        self.known.leg(device).ok_or_else(unauthorized)
    }

    /// The call, if it concerns this device. A foreign call looks as if it were not there.
    fn party(&self, session_id: SessionId, device: &DeviceId) -> Result<Call, Refusal> {
        let concerns = self.exchange.calls_of(device).contains(&session_id);
        let call = concerns.then(|| self.exchange.call(session_id)).flatten();
        call.ok_or_else(|| Refusal::new(ErrorCode::ErrCallSessionNotFound, format!("there is no call {session_id}")))
    }

    /// What the door of a call that is not over saw, for whoever may see the door now.
    fn still(&self, session_id: SessionId, device: &DeviceId) -> Result<Still, Refusal> {
        let may_see = self.exchange.role(session_id, device).is_some();
        let still = may_see.then(|| self.stills.of(session_id)).flatten().cloned();
        still.ok_or_else(|| Refusal::new(ErrorCode::ErrNotFound, "there is no still picture of this call"))
    }

    fn me(&self, device: &DeviceId) -> Option<Me> {
        let (uid, user) = self.known.user_of(device)?;
        let named = |guid| {
            let group = self.known.groups.get(guid)?;
            Some(NamedGroup { guid: guid.clone(), name: group.name.clone() })
        };
        let (kind, groups) = match &user.kind {
            Kind::Door { groups, .. } => (UserKind::Door, groups.iter().filter_map(named).collect()),
            Kind::Resident { groups } => (UserKind::Resident, groups.keys().filter_map(named).collect()),
        };
        let online = |devices: &BTreeSet<DeviceId>| devices.iter().any(|device| self.connections.is_connected(device));
        let doors = self.known.doors_of(uid).map(|(uid, door)| NamedDoor {
            uid: uid.clone(),
            name: door.name.to_string(),
            online: online(&door.devices),
        });
        let doors = doors.collect();
        Some(Me { uid: uid.clone(), name: user.name.to_string(), kind, device_id: device.clone(), groups, doors })
    }
}

fn may_not_open() -> Refusal {
    Refusal::new(ErrorCode::ErrForbidden, "this resident may answer this door, not open it")
}
