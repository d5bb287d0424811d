//! The hub's shell around the exchange, as its loop has it, on made-up time: connections, session tokens, what is stored.
//! A crash keeps a prefix of the stored entries: the rest was still on its way to the disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use doorward::hub::exchange::{Change, Entry, Exchange, Initiation, Member, MemberDevice, Output, Rules};
use doorward::ids::{DeviceId, PeerId, SessionId};
use doorward::moment::Moment;
use doorward::redacted::Redacted;
use doorward::signaling::protocol::{
    Call, CallStatus, ClientFrame, ErrorCode, HubFrame, PROTOCOL_VERSION, Receiver, Refusal, Seen, SessionToken,
    Signal, Verb, VerbAnswer, VerbRequest,
};

use super::checks::Ledger;
use super::{DEVICES, DOORS, Town, device_id, leg, number_of};

const HEARTBEAT: Duration = Duration::from_secs(15);
const RULES: Rules = Rules { absence_grace: Duration::from_secs(45), forget_after: Duration::from_secs(150) };
const RING_FOR: u64 = 20_000;
const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// The machine with its disk; the process may be down.
pub struct Hub {
    process: Option<Process>,
    disk: Vec<(Moment, Entry)>,
    /// Entries that no crash loses: those up to the last start, which waits for the disk before it listens. Else the numbers
    /// left out would be left out twice, and given to two events.
    durable: usize,
    joinable: bool,
    tokens: u64,
    pub ledger: Ledger,
    /// Frames to be sent, and connections to be closed after them.
    out: Vec<(u64, HubFrame)>,
    closing: Vec<u64>,
}

struct Process {
    exchange: Exchange,
    conns: BTreeMap<u64, HubConn>,
    of_session: BTreeMap<(SessionId, usize), u64>,
    tokens: BTreeMap<String, (SessionId, usize, Moment)>,
}

struct HubConn {
    who: usize,
    heard: Moment,
    greeted: bool,
}

impl Process {
    fn is_connected(&self, who: usize) -> bool {
        self.conns.values().any(|conn| conn.greeted && conn.who == who)
    }
}

impl Hub {
    pub fn new(joinable: bool) -> Self {
        let mut hub = Self {
            process: None,
            disk: Vec::new(),
            durable: 0,
            joinable,
            tokens: 0,
            ledger: Ledger::new(joinable),
            out: Vec::new(),
            closing: Vec::new(),
        };
        hub.start(Moment::START);
        hub
    }

    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub fn exchange(&self) -> Option<&Exchange> {
        self.process.as_ref().map(|process| &process.exchange)
    }

    pub fn media_sessions(&self) -> impl Iterator<Item = (SessionId, usize)> {
        self.process.iter().flat_map(|process| process.of_session.keys().copied())
    }

    pub fn next_moment(&self) -> Option<Moment> {
        let process = self.process.as_ref()?;
        let silence = process.conns.values().map(|conn| conn.heard + HEARTBEAT * 2).min();
        process.exchange.poll_timeout().map(|(due, _)| due).into_iter().chain(silence).min()
    }

    fn start(&mut self, now: Moment) {
        let entries = self.disk.iter().cloned();
        let exchange = Exchange::restore(RULES, now, entries);
        let open = exchange.open_calls();
        self.process =
            Some(Process { exchange, conns: BTreeMap::new(), of_session: BTreeMap::new(), tokens: BTreeMap::new() });
        for session_id in open {
            self.append(now, session_id, Change::Restarted);
        }
        self.durable = self.disk.len();
    }

    /// The newest entries, written within `tail`, never reached the disk.
    fn crash(&mut self, now: Moment, tail: Duration) {
        if self.process.take().is_none() {
            return;
        }
        let kept = self.disk.iter().take_while(|(at, _)| *at + tail <= now).count().max(self.durable);
        for (_, entry) in self.disk.drain(kept..) {
            self.ledger.forgets(entry.session_id);
        }
        self.out.clear();
        self.closing.clear();
    }

    fn due(&mut self, now: Moment) {
        let Some(process) = &mut self.process else { return };
        for output in process.exchange.handle_timeout(now) {
            if let Output::Append(session_id, change) = output {
                self.append(now, session_id, change);
            }
        }
        let Some(process) = &self.process else { return };
        let silent = process.conns.iter().filter(|(_, conn)| conn.heard + HEARTBEAT * 2 <= now);
        let silent: Vec<u64> = silent.map(|(conn, _)| *conn).collect();
        for conn in silent {
            self.closing.push(conn);
            self.disconnect(now, conn);
        }
    }

    // ------------------------------------------------------------------------------------------------------------ the log

    fn append(&mut self, now: Moment, session_id: SessionId, change: Change) -> Option<Result<Box<Call>, Refusal>> {
        let mut answer = None;
        let mut queue = VecDeque::from([(session_id, change)]);
        while let Some((session_id, change)) = queue.pop_front() {
            let wall = now.as_nanos() / 1_000_000;
            for output in self.fold(now, Entry { session_id, wall, change }) {
                match output {
                    Output::Answer(result) => answer = answer.or(Some(result)),
                    Output::Append(session_id, change) => queue.push_back((session_id, change)),
                    Output::Archive(_) | Output::Notify { .. } | Output::Withdraw { .. } => {}
                    Output::Deliver { to, event } => self.send_all(&to, &HubFrame::Event(event)),
                    Output::Revoke { session_id, devices } => {
                        self.send_all(&devices, &HubFrame::SessionEnded { session_id });
                        if let Some(process) = &mut self.process {
                            for who in devices.iter().filter_map(number_of) {
                                process.of_session.remove(&(session_id, who));
                            }
                        }
                    }
                }
            }
        }
        answer
    }

    fn fold(&mut self, now: Moment, entry: Entry) -> Vec<Output> {
        let Some(process) = &mut self.process else { return Vec::new() };
        let session_id = entry.session_id;
        let was_over = process.exchange.call(session_id).is_some_and(|call| call.status.is_terminal());
        let outputs = process.exchange.handle(now, entry.clone());
        if let Some(call) = process.exchange.call(session_id) {
            if !was_over {
                self.disk.push((now, entry));
            }
            self.ledger.folded(&call);
        }
        outputs
    }

    fn send_all(&mut self, devices: &[DeviceId], frame: &HubFrame) {
        let Some(process) = &self.process else { return };
        for (conn, known) in &process.conns {
            if known.greeted && devices.iter().any(|device| device.as_str() == DEVICES[known.who]) {
                self.out.push((*conn, frame.clone()));
            }
        }
    }

    // -------------------------------------------------------------------------------------------------------- connections

    pub fn accept_socket(&mut self, now: Moment, conn: u64, who: usize) {
        if let Some(process) = &mut self.process {
            process.conns.insert(conn, HubConn { who, heard: now, greeted: false });
        }
    }

    fn hello(&mut self, now: Moment, conn: u64, seen: &[Seen]) {
        let Some(process) = &mut self.process else { return };
        let Some(known) = process.conns.get_mut(&conn) else { return };
        known.greeted = true;
        let who = known.who;
        let device = device_id(who);
        let welcome = HubFrame::Welcome {
            protocol: PROTOCOL_VERSION,
            uid: leg(who).uid,
            device_id: device.clone(),
            heartbeat: u64::try_from(HEARTBEAT.as_millis()).expect("seconds"),
            time: 0,
            calls: process.exchange.active_calls(&device),
        };
        self.out.push((conn, welcome));
        for session_id in process.exchange.calls_of(&device) {
            let seen = seen.iter().find(|seen| seen.session_id == session_id).map(|seen| seen.entry);
            let change = Change::Reachable { device_id: device.clone(), seen: seen.unwrap_or_default() };
            self.append(now, session_id, change);
        }
    }

    pub fn disconnect(&mut self, now: Moment, conn: u64) {
        let Some(process) = &mut self.process else { return };
        let Some(known) = process.conns.remove(&conn) else { return };
        process.of_session.retain(|_, started| *started != conn);
        if !known.greeted || process.is_connected(known.who) {
            return;
        }
        let device_id = device_id(known.who);
        for session_id in process.exchange.calls_of(&device_id) {
            self.append(now, session_id, Change::Gone { device_id: device_id.clone() });
        }
    }

    pub fn read_frame(&mut self, now: Moment, conn: u64, frame: ClientFrame) {
        let Some(process) = &mut self.process else { return };
        let Some(known) = process.conns.get_mut(&conn) else { return };
        known.heard = now;
        let who = known.who;
        match frame {
            ClientFrame::Acknowledge { session_id, .. } => {
                let rings = |call: Call| {
                    call.status == CallStatus::Initiated && call.initiator.device_id.as_str() != DEVICES[who]
                };
                if self.party(session_id, who).is_ok_and(rings) {
                    self.append(now, session_id, Change::Acknowledge { device_id: device_id(who) });
                }
            }
            ClientFrame::EndSession { session_id } => self.end_session(now, session_id, who, conn),
            // Nobody opens a door in the simulation: it is no part of a call's state.
            ClientFrame::AskNonce { .. } | ClientFrame::Nonce { .. } => {}
            ClientFrame::Hello { seen, .. } => self.hello(now, conn, &seen),
            ClientFrame::Ping {} => self.out.push((conn, HubFrame::Pong {})),
            ClientFrame::Signal { session_id, device_id: to, peer, signal } => {
                let to =
                    self.speaks(session_id, who, conn).then(|| self.receiver(session_id, who, to, &signal)).flatten();
                let started = to.and_then(|to| self.process.as_ref()?.of_session.get(&(session_id, to)).copied());
                if let Some(conn) = started {
                    self.out.push((conn, HubFrame::Signal { session_id, device_id: device_id(who), peer, signal }));
                }
            }
            ClientFrame::StartSession { session_id, token, keeps } => {
                if let Err(error) = self.start_session(now, session_id, (who, conn), token.expose(), keeps) {
                    self.out.push((conn, HubFrame::SessionRefused { session_id, error }));
                }
            }
        }
    }

    fn speaks(&self, session_id: SessionId, who: usize, conn: u64) -> bool {
        let started = self.process.as_ref().and_then(|process| process.of_session.get(&(session_id, who)));
        started.is_none_or(|started| *started == conn)
    }

    fn start_session(
        &mut self,
        now: Moment,
        session_id: SessionId,
        (who, conn): (usize, u64),
        token: &str,
        keeps: Option<PeerId>,
    ) -> Result<(), Refusal> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let good = process
            .tokens
            .get(token)
            .is_some_and(|(session, owner, until)| (*session, *owner) == (session_id, who) && *until > now);
        if !good {
            return Err(Refusal::new(ErrorCode::ErrSessionTokenInvalid, "no such token"));
        }
        let role = process.exchange.admit(session_id, &leg(who))?;
        process.of_session.insert((session_id, who), conn);
        self.out.push((conn, HubFrame::SessionStarted { session_id, role }));
        self.append(now, session_id, Change::Join { leg: leg(who), keeps });
        Ok(())
    }

    fn end_session(&mut self, now: Moment, session_id: SessionId, who: usize, conn: u64) {
        let device_id = device_id(who);
        if self.speaks(session_id, who, conn)
            && let Some(process) = &mut self.process
            && process.exchange.session_of(session_id, &device_id)
        {
            process.of_session.remove(&(session_id, who));
            self.append(now, session_id, Change::Leave { device_id });
        }
        self.out.push((conn, HubFrame::SessionEnded { session_id }));
    }

    fn receiver(&self, session_id: SessionId, from: usize, to: Option<DeviceId>, signal: &Signal) -> Option<usize> {
        let exchange = self.exchange()?;
        let door = exchange.door_device(session_id)?;
        let from = device_id(from);
        let to = if from == door { to.filter(|to| *to != door)? } else { door.clone() };
        let fits = match signal {
            Signal::Offer { .. } => from == door,
            Signal::Answer { .. } => from != door,
            Signal::Candidate { .. } => true,
        };
        let started = |device: &DeviceId| exchange.session_of(session_id, device);
        (fits && started(&from) && started(&to)).then(|| number_of(&to)).flatten()
    }

    // -------------------------------------------------------------------------------------------------------------- verbs

    pub fn verb(
        &mut self,
        now: Moment,
        who: usize,
        request: VerbRequest,
        session: [u8; 16],
    ) -> Result<VerbAnswer, Refusal> {
        let (leg, VerbRequest { key, verb }) = (leg(who), request);
        let (session_id, change) = match verb {
            Verb::Initiate { receiver, call_type, metadata } => {
                let members = self.members(&receiver);
                let change = Change::Initiate(Arc::new(Initiation {
                    key,
                    initiator: leg,
                    initiator_is_door: who < DOORS,
                    receiver_name: receiver.to_string(),
                    receiver_is_door: matches!(&receiver, Receiver::User(uid) if ["door", "gate"].contains(&uid.as_str())),
                    receiver,
                    members,
                    call_type,
                    metadata,
                    ring_for: RING_FOR,
                    joinable: self.joinable,
                    max_viewers: 2,
                }));
                return self.answered(now, SessionId::from_random(session), change);
            }
            Verb::GenerateToken { session_id } => {
                self.party(session_id, who)?;
                return self.token(now, session_id, who);
            }
            Verb::Accept { session_id } => (session_id, Change::Accept { leg, key }),
            Verb::End { session_id, reason } => (session_id, Change::End { leg, key, reason }),
            Verb::KeepAudit { .. } | Verb::KeepTrace { .. } => return Ok(VerbAnswer::Kept),
            Verb::Open { session_id, nonce } => (session_id, Change::Open { leg, key, nonce }),
            Verb::ReportDoor { session_id, report } => (session_id, Change::ReportDoor { leg, key, report }),
            Verb::PressWaiting { session_id, metadata } => (session_id, Change::PressWaiting { leg, key, metadata }),
            Verb::Reject { session_id, status } => (session_id, Change::Reject { leg, key, status }),
            Verb::ShowStill { session_id, .. } => (session_id, Change::ShowStill { leg, key }),
        };
        self.party(session_id, who)?;
        self.answered(now, session_id, change)
    }

    fn answered(&mut self, now: Moment, session_id: SessionId, change: Change) -> Result<VerbAnswer, Refusal> {
        let answer = self.append(now, session_id, change);
        answer.unwrap_or_else(|| Err(Refusal::new(ErrorCode::ErrInternal, "no answer"))).map(VerbAnswer::Call)
    }

    fn token(&mut self, now: Moment, session_id: SessionId, who: usize) -> Result<VerbAnswer, Refusal> {
        self.tokens += 1;
        let text = format!("t{}", self.tokens);
        let Some(process) = &mut self.process else { return Err(Refusal::new(ErrorCode::ErrUnavailable, "down")) };
        let role = process.exchange.admit(session_id, &leg(who))?;
        process.tokens.insert(text.clone(), (session_id, who, now + TOKEN_LIFETIME));
        let token = Redacted::new(text);
        Ok(VerbAnswer::Token(SessionToken { token, role, expires_in: 60, ice_servers: Vec::new() }))
    }

    fn party(&self, session_id: SessionId, who: usize) -> Result<Call, Refusal> {
        let exchange = self.exchange();
        let concerns = exchange.filter(|exchange| exchange.calls_of(&device_id(who)).contains(&session_id));
        let call = concerns.and_then(|exchange| exchange.call(session_id));
        call.ok_or_else(|| Refusal::new(ErrorCode::ErrCallSessionNotFound, "no such call"))
    }

    fn members(&self, receiver: &Receiver) -> Vec<Member> {
        let users: BTreeSet<&str> = match receiver {
            Receiver::Group(_) => BTreeSet::from(["anna", "ben"]),
            Receiver::User(uid) => BTreeSet::from([uid.as_str()]),
        };
        let devices = |user: &str| {
            let own = (0..DEVICES.len()).filter(|who| DEVICES[*who].starts_with(user));
            own.map(|who| MemberDevice {
                device_id: device_id(who),
                connected: self.process.as_ref().is_some_and(|process| process.is_connected(who)),
                push: false,
            })
            .collect()
        };
        users
            .into_iter()
            .map(|user| Member {
                uid: user.parse().expect("a word"),
                name: user.into(),
                devices: devices(user),
                after: 0,
                undisturbed: false,
                looks: true,
            })
            .collect()
    }
}

impl Town {
    pub(super) fn hub_due(&mut self) {
        self.hub.due(self.now);
        self.flush_hub();
    }

    pub(super) fn flush_hub(&mut self) {
        for (conn, frame) in std::mem::take(&mut self.hub.out) {
            self.send_down(conn, frame);
        }
        for conn in std::mem::take(&mut self.hub.closing) {
            self.hub_closes(conn);
        }
    }

    pub(super) fn crash_hub(&mut self) {
        if self.hub.is_up() {
            let tail = Duration::from_millis([0, 20, 20, 400, 3_000][self.rng.usize(..5)]);
            self.hub.crash(self.now, tail);
            self.abandon_all();
        }
    }

    pub(super) fn start_hub(&mut self) {
        if !self.hub.is_up() {
            self.hub.start(self.now);
            self.flush_hub();
        }
    }
}
