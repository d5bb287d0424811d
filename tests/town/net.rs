//! The network: sockets that keep their order until they break, and requests that do not keep any. TCP loses no single
//! frame: a blocked direction holds them back, and a break loses all that is on its way.

use std::time::Duration;

use doorward::moment::Moment;
use doorward::signaling::link;
use doorward::signaling::protocol::{ClientFrame, HubFrame, Refusal, VerbAnswer, VerbRequest};

use super::{DOORS, Fate, Happening, Town};

const UP: usize = 0;
const DOWN: usize = 1;

/// After this a client gives a request up.
const POST_DEADLINE: u64 = 8_000;

pub struct Conn {
    who: usize,
    device_open: bool,
    hub_open: bool,
    broken: bool,
    /// When the last frame of each direction arrives.
    last: [Moment; 2],
    held_up: Vec<ClientFrame>,
    held_down: Vec<HubFrame>,
}

impl Town {
    fn delay(&mut self) -> Duration {
        let slow = self.weather.slow;
        if self.chance(slow) {
            return Duration::from_millis(self.rng.u64(50..3_000));
        }
        Duration::from_micros(self.rng.u64(500..20_000))
    }

    // ---------------------------------------------------------------------------------------------------------- sockets

    pub(super) fn open_socket(&mut self, who: usize) {
        self.last_conn += 1;
        let conn = self.last_conn;
        self.wires[who] = Some(conn);
        self.conns.insert(
            conn,
            Conn {
                who,
                device_open: true,
                hub_open: false,
                broken: false,
                last: [self.now; 2],
                held_up: Vec::new(),
                held_down: Vec::new(),
            },
        );
        let lost = self.weather.lost;
        if self.blocked[who] != [false; 2] {
            // Nothing comes back.
        } else if !self.hub.is_up() || self.chance(lost) {
            let later = self.rng.u64(1..500);
            self.after(later, Happening::ClosedAtDevice { conn });
        } else {
            let at = self.now + self.delay();
            self.arrange(at, Happening::Opened { conn });
        }
    }

    pub(super) fn opened(&mut self, conn: u64) {
        let up = self.hub.is_up();
        let Some(known) = self.conns.get_mut(&conn).filter(|known| known.device_open) else { return };
        if !up {
            return self.closed_at_device(conn);
        }
        known.hub_open = true;
        let who = known.who;
        self.hub.accept_socket(self.now, conn, who);
        self.drive(who, link::Event::Opened);
    }

    pub(super) fn send_up(&mut self, who: usize, frame: ClientFrame) {
        let Some(conn) = self.wires[who] else { return };
        let delay = self.delay();
        let blocked = self.blocked[who][UP];
        let Some(known) = self.conns.get_mut(&conn).filter(|known| known.device_open && !known.broken) else { return };
        if blocked || !known.held_up.is_empty() {
            known.held_up.push(frame);
            return;
        }
        let at = known.last[UP].max(self.now + delay);
        known.last[UP] = at;
        self.arrange(at, Happening::FrameToHub { conn, frame });
    }

    pub(super) fn send_down(&mut self, conn: u64, frame: HubFrame) {
        let delay = self.delay();
        let Some(known) = self.conns.get_mut(&conn).filter(|known| known.hub_open && !known.broken) else { return };
        if self.blocked[known.who][DOWN] || !known.held_down.is_empty() {
            known.held_down.push(frame);
            return;
        }
        let at = known.last[DOWN].max(self.now + delay);
        known.last[DOWN] = at;
        self.arrange(at, Happening::FrameToDevice { conn, frame });
    }

    pub(super) fn frame_at_hub(&mut self, conn: u64, frame: ClientFrame) {
        if self.conns.get(&conn).is_some_and(|known| known.hub_open && !known.broken) {
            self.hub.read_frame(self.now, conn, frame);
            self.flush_hub();
        }
    }

    pub(super) fn frame_at_device(&mut self, conn: u64, frame: HubFrame) {
        if let Some(known) = self.conns.get(&conn).filter(|known| known.device_open && !known.broken) {
            let who = known.who;
            self.note(|| format!("{} << {}", super::DEVICES[who], brief(&frame)));
            self.drive(who, link::Event::FrameCame(Box::new(frame)));
        }
    }

    /// The device closes its socket; the hub hears of it if it can.
    pub(super) fn close_socket(&mut self, who: usize) {
        let Some(conn) = self.wires[who].take() else { return };
        let delay = self.delay();
        let blocked = self.blocked[who][UP];
        let Some(known) = self.conns.get_mut(&conn) else { return };
        known.device_open = false;
        let at = known.last[UP].max(self.now + delay);
        if !blocked && !known.broken {
            self.arrange(at, Happening::ClosedAtHub { conn });
        }
        self.tidy(conn);
    }

    pub(super) fn closed_at_device(&mut self, conn: u64) {
        let Some(known) = self.conns.get_mut(&conn).filter(|known| known.device_open) else { return };
        known.device_open = false;
        let who = known.who;
        self.tidy(conn);
        if self.wires[who] == Some(conn) {
            self.wires[who] = None;
            let random = self.rng.u32(..);
            self.drive(who, link::Event::Closed { random });
        }
    }

    pub(super) fn closed_at_hub(&mut self, conn: u64) {
        let Some(known) = self.conns.get_mut(&conn).filter(|known| known.hub_open) else { return };
        known.hub_open = false;
        self.tidy(conn);
        self.hub.disconnect(self.now, conn);
        self.flush_hub();
    }

    /// The hub closes it; the device hears of it if it can.
    pub(super) fn hub_closes(&mut self, conn: u64) {
        let delay = self.delay();
        let Some(known) = self.conns.get_mut(&conn).filter(|known| known.hub_open) else { return };
        known.hub_open = false;
        let at = known.last[DOWN].max(self.now + delay);
        if known.device_open && !known.broken && !self.blocked[known.who][DOWN] {
            self.arrange(at, Happening::ClosedAtDevice { conn });
        }
        self.tidy(conn);
    }

    fn tidy(&mut self, conn: u64) {
        if self.conns.get(&conn).is_some_and(|known| !known.device_open && !known.hub_open) {
            self.conns.remove(&conn);
        }
    }

    pub(super) fn break_socket(&mut self, who: usize) {
        if let Some(conn) = self.wires[who] {
            self.break_conn(conn);
        }
    }

    /// Whatever is on its way is lost. Each end notices soon, or by the silence.
    pub(super) fn break_conn(&mut self, conn: u64) {
        let Some(known) = self.conns.get_mut(&conn) else { return };
        known.broken = true;
        let (device, hub) = (self.rng.u8(..5) > 0, self.rng.u8(..5) > 0);
        let (first, second) = (self.rng.u64(..2_000), self.rng.u64(..2_000));
        if device {
            self.after(first, Happening::ClosedAtDevice { conn });
        }
        if hub {
            self.after(second, Happening::ClosedAtHub { conn });
        }
    }

    /// The process at the device's end is gone; its kernel may say so.
    pub(super) fn abandon_socket(&mut self, who: usize) {
        let Some(conn) = self.wires[who].take() else { return };
        let said = self.rng.u8(..5) > 0;
        let later = self.rng.u64(..500);
        let Some(known) = self.conns.get_mut(&conn) else { return };
        known.device_open = false;
        known.broken = true;
        if said {
            self.after(later, Happening::ClosedAtHub { conn });
        }
        self.tidy(conn);
    }

    pub(super) fn abandon_all(&mut self) {
        let all: Vec<u64> = self.conns.keys().copied().collect();
        for conn in all {
            let said = self.rng.u8(..5) > 0;
            let later = self.rng.u64(..500);
            let Some(known) = self.conns.get_mut(&conn) else { continue };
            known.hub_open = false;
            known.broken = true;
            if said {
                self.after(later, Happening::ClosedAtDevice { conn });
            }
            self.tidy(conn);
        }
    }

    /// What was held back gets through, or the socket did not survive it.
    pub(super) fn unblock(&mut self, who: usize) {
        self.answerless[who] = false;
        if self.blocked[who] == [false; 2] {
            return;
        }
        self.blocked[who] = [false; 2];
        let held: Vec<u64> = self.conns.iter().filter(|(_, conn)| conn.who == who).map(|(conn, _)| *conn).collect();
        for conn in held {
            if self.rng.bool() {
                self.break_conn(conn);
                continue;
            }
            let known = self.conns.get_mut(&conn).expect("it was just listed");
            let (up, down) = (std::mem::take(&mut known.held_up), std::mem::take(&mut known.held_down));
            for frame in up {
                if self.wires[who] == Some(conn) {
                    self.send_up(who, frame);
                }
            }
            for frame in down {
                self.send_down(conn, frame);
            }
        }
    }

    // --------------------------------------------------------------------------------------------------------- requests

    pub(super) fn post(&mut self, who: usize, request: VerbRequest) {
        let life = self.life(who);
        let (lost, doubled) = (self.weather.lost, self.weather.doubled);
        if self.blocked[who][UP] || self.chance(lost) {
            return self.post_fails(who, life, request);
        }
        let answer = if self.answerless[who] || self.chance(lost) { Fate::Lost } else { Fate::Arrives };
        let at = self.now + self.delay();
        if self.chance(doubled) {
            let again = self.now + self.delay();
            let copy = Happening::PostAtHub { who, life, request: request.clone(), answer: Fate::Unheard };
            self.arrange(again, copy);
        }
        self.arrange(at, Happening::PostAtHub { who, life, request, answer });
    }

    fn post_fails(&mut self, who: usize, life: u32, request: VerbRequest) {
        let later = if self.rng.bool() { self.rng.u64(1..400) } else { POST_DEADLINE };
        self.after(later, Happening::PostDone { who, life, request, answer: None });
    }

    pub(super) fn post_at_hub(&mut self, who: usize, life: u32, request: VerbRequest, answer: Fate) {
        if !self.hub.is_up() {
            return match answer {
                Fate::Arrives | Fate::Lost => self.post_fails(who, life, request),
                Fate::Unheard => {}
            };
        }
        let session = self.rng.u128(..).to_be_bytes();
        let result = self.hub.verb(self.now, who, request.clone(), session);
        self.note(|| {
            let code = result.as_ref().err().map(|refusal| refusal.code);
            format!("hub: {} asks {:?} {}: {code:?}", super::DEVICES[who], request.verb, request.key)
        });
        self.flush_hub();
        match answer {
            Fate::Unheard => {}
            Fate::Arrives if !self.blocked[who][DOWN] => {
                let at = self.now + self.delay();
                self.arrange(at, Happening::PostDone { who, life, request, answer: Some(result) });
            }
            Fate::Arrives | Fate::Lost => self.post_fails(who, life, request),
        }
    }

    pub(super) fn post_done(
        &mut self,
        who: usize,
        life: u32,
        request: VerbRequest,
        answer: Option<Result<VerbAnswer, Refusal>>,
    ) {
        if self.life(who) != life {
            return;
        }
        let key = request.key;
        let event = match answer {
            Some(result) => link::Event::Answered { key, result },
            None => link::Event::Failed { key },
        };
        self.drive(who, event);
    }

    // ------------------------------------------------------------------------------------------------------------ links

    fn life(&self, who: usize) -> u32 {
        if who < DOORS { self.doors[who].life } else { self.phones[who - DOORS].life }
    }

    /// Hands an event to a device's link.
    pub(super) fn drive(&mut self, who: usize, event: link::Event) {
        let now = self.now;
        let link = if who < DOORS { self.doors[who].link() } else { self.phones[who - DOORS].link() };
        let Some(link) = link else { return };
        let actions = link.handle(now, event);
        self.obey_link(who, actions);
    }

    /// Does what a link orders; what it tells is heard after that.
    pub(super) fn obey_link(&mut self, who: usize, actions: Vec<link::Action>) {
        let mut told = Vec::new();
        for action in actions {
            match action {
                link::Action::Close => {
                    self.close_socket(who);
                    let random = self.rng.u32(..);
                    self.drive(who, link::Event::Closed { random });
                }
                link::Action::Open => {
                    if self.wires[who].is_some() {
                        self.hub.ledger.violate("a second socket is opened beside the first");
                    }
                    self.open_socket(who);
                }
                link::Action::Post(request) => self.post(who, request),
                link::Action::Send(frame) => {
                    let frame = self.as_sent(who, frame);
                    self.send_up(who, frame);
                }
                link::Action::Tell(what) => told.push(what),
            }
        }
        for what in told {
            if who < DOORS {
                self.door_told(who, what);
            } else {
                self.phone_told(who - DOORS, what);
            }
        }
    }
}

fn brief(frame: &HubFrame) -> String {
    match frame {
        HubFrame::Event(event) => {
            let name = format!("{:?}", event.event);
            let name = name.split([' ', '{']).next().unwrap_or_default().to_owned();
            format!("{name} {} #{}", short(&event.session_id), event.entry)
        }
        HubFrame::Welcome { calls, .. } => {
            let calls: Vec<String> = calls
                .iter()
                .map(|call| format!("{} {:?} #{}", short(&call.session_id), call.status, call.entry))
                .collect();
            format!("Welcome {calls:?}")
        }
        other => format!("{other:?}"),
    }
}

pub fn short(session: &doorward::ids::SessionId) -> String {
    session.to_string()[..6].to_owned()
}
