//! What must never be seen, what must be true once the trouble is over, and that it all works afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use doorward::ids::{DeviceId, SessionId};
use doorward::signaling::protocol::{Call, CallStatus, Event, ParticipantState, Refusal, Role, VerbAnswer};

use super::door::Finger;
use super::net::short;
use super::phone::Tap;
use super::{DEVICES, DOORS, Happening, PHONES, Town, device_id};

/// What was decided and told so far.
pub struct Ledger {
    joinable: bool,
    /// Terminal statuses that anybody heard of.
    terminal: BTreeMap<SessionId, CallStatus>,
    /// Every device that the hub ever named as participant.
    participants: BTreeSet<(SessionId, DeviceId)>,
    /// Calls of which a crash of the hub lost entries: they may be decided a second time.
    forgotten: BTreeSet<SessionId>,
    violation: Option<String>,
}

impl Ledger {
    pub fn new(joinable: bool) -> Self {
        Self {
            joinable,
            terminal: BTreeMap::new(),
            participants: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            violation: None,
        }
    }

    pub fn violate(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| what.into());
    }

    pub fn forgets(&mut self, session: SessionId) {
        self.forgotten.insert(session);
        self.terminal.remove(&session);
    }

    pub fn has_forgotten(&self, session: SessionId) -> bool {
        self.forgotten.contains(&session)
    }

    /// The hub folded an entry of this call.
    pub fn folded(&mut self, call: &Call) {
        let talked = call
            .participants
            .iter()
            .filter(|one| matches!(one.state, ParticipantState::Ongoing | ParticipantState::Ended));
        let mut residents = 0;
        for one in talked {
            residents += usize::from(one.leg.uid != call.door);
            self.participants.insert((call.session_id, one.leg.device_id.clone()));
        }
        if residents > 1 && !self.joinable {
            self.violate(format!("{} has {residents} winners", short(&call.session_id)));
        }
    }

    fn heard(&mut self, call: &Call) {
        if !call.status.is_terminal() || self.forgotten.contains(&call.session_id) {
            return;
        }
        let first = *self.terminal.entry(call.session_id).or_insert(call.status);
        if first != call.status {
            self.violate(format!("{} was {first:?} and is {:?}", short(&call.session_id), call.status));
        }
    }

    pub fn heard_answer(&mut self, result: &Result<VerbAnswer, Refusal>) {
        match result {
            Ok(VerbAnswer::Call(call)) => self.heard(call),
            Ok(VerbAnswer::Token(_) | VerbAnswer::Kept) => {}
            Err(refusal) => {
                if let Some(call) = &refusal.details.call {
                    self.heard(call);
                }
            }
        }
    }

    pub fn heard_event(&mut self, event: &Event) {
        if let Some(call) = event.event.call() {
            self.heard(call);
        }
    }
}

impl Town {
    /// After every step.
    pub(super) fn check_always(&mut self) -> Result<(), String> {
        if let Some(error) = crate::errors_logged() {
            return Err(format!("an ERROR was logged: {error}"));
        }
        if let Some(violation) = self.hub.ledger.violation.take() {
            return Err(violation);
        }
        for door in &self.doors {
            let Some(session) = door.worker().session else { continue };
            for (peer, known) in door.worker().peers.iter().filter(|(_, known)| known.gate) {
                if !door.is_talking() {
                    return Err(format!("the gate of {peer} is open outside a conversation"));
                }
                if let Some((phone, _)) = known.phone
                    && !self.hub.ledger.participants.contains(&(session, device_id(phone + DOORS)))
                {
                    return Err(format!(
                        "the gate of {peer} is open for {} who did not accept",
                        DEVICES[phone + DOORS]
                    ));
                }
            }
        }
        if let Some(exchange) = self.hub.exchange() {
            for (session, who) in self.hub.media_sessions() {
                let device = device_id(who);
                if exchange.role(session, &device).is_none() || !exchange.session_of(session, &device) {
                    return Err(format!("{} has a media session in {} and no role", DEVICES[who], short(&session)));
                }
            }
        }
        Ok(())
    }

    /// Who is in a call, is in it together.
    pub(super) fn check_agreement(&mut self) -> Result<(), String> {
        let exchange = self.hub.exchange().ok_or("the hub is down")?;
        let mut problems = Vec::new();
        for session in exchange.open_calls() {
            let call = exchange.call(session).ok_or("an open call is unknown")?;
            let door = exchange.door_device(session);
            let door = (0..DOORS).find(|number| door == Some(device_id(*number)));
            let known = door.is_some_and(|door| self.doors[door].session() == Some(session));
            if !known && call.initiator.uid == call.door {
                problems.push(format!("no door knows of {} ({:?})", short(&session), call.status));
            }
            if call.status == CallStatus::Ongoing && !door.is_some_and(|door| self.doors[door].is_ongoing()) {
                problems.push(format!("the door does not talk in {}", short(&session)));
            }
        }
        for (number, door) in self.doors.iter().enumerate() {
            if let Some(session) = door.session()
                && exchange.call(session).is_none_or(|call| call.status.is_terminal())
            {
                problems.push(format!("{} is in {}, which is over", DEVICES[number], short(&session)));
            }
        }
        for phone in 0..PHONES {
            let who = phone + DOORS;
            for session in self.phones[phone].talking() {
                if exchange.role(session, &device_id(who)) != Some(Role::Participant) {
                    problems.push(format!("{} talks in {} and is not in it", DEVICES[who], short(&session)));
                }
            }
            for session in self.phones[phone].ringing() {
                if exchange.call(session).is_none_or(|call| call.status != CallStatus::Initiated) {
                    problems.push(format!("{} rings for {}, which does not ring", DEVICES[who], short(&session)));
                }
            }
            for session in exchange.open_calls() {
                if exchange.role(session, &device_id(who)) == Some(Role::Participant)
                    && !self.phones[phone].talking().contains(&session)
                {
                    problems.push(format!("{} is in {} and does not talk", DEVICES[who], short(&session)));
                }
            }
        }
        self.finding("no agreement", problems)
    }

    fn finding(&mut self, what: &str, mut problems: Vec<String>) -> Result<(), String> {
        if problems.is_empty() {
            return Ok(());
        }
        for (number, door) in self.doors.iter().enumerate() {
            problems.push(format!("  {}: {}", DEVICES[number], door.state()));
        }
        for (number, phone) in self.phones.iter().enumerate() {
            problems.push(format!("  {}: {}", DEVICES[number + DOORS], phone.state()));
        }
        Err(format!("{what}:\n{}", problems.join("\n")))
    }

    /// Nobody is in any call.
    pub(super) fn check_rest(&mut self) -> Result<(), String> {
        let exchange = self.hub.exchange().ok_or("the hub is down")?;
        let mut problems: Vec<String> =
            exchange.open_calls().iter().map(|session| format!("the hub still has {}", short(session))).collect();
        problems.extend(
            self.hub.media_sessions().map(|(session, who)| format!("{} is still in {}", DEVICES[who], short(&session))),
        );
        for (number, door) in self.doors.iter().enumerate() {
            if !door.is_idle() || door.worker().session.is_some() {
                problems.push(format!("{} is not at rest", DEVICES[number]));
            }
        }
        for (number, phone) in self.phones.iter().enumerate() {
            if !phone.is_at_rest() {
                problems.push(format!("{} is not at rest", DEVICES[number + DOORS]));
            }
        }
        self.finding("no rest", problems)
    }

    /// A press rings at once, is answered, talked in, and hung up.
    pub(super) fn check_it_works(&mut self) -> Result<(), String> {
        let door = self.rng.usize(..DOORS);
        self.after(0, Happening::Finger { door, finger: Finger::Down("front") });
        self.after(200, Happening::Finger { door, finger: Finger::Up("front") });
        self.until(self.now + Duration::from_secs(1))?;
        let rings = |phone: &super::Phone| phone.ringing().len() == 1;
        if !(0..3).all(|phone| rings(&self.phones[phone])) || rings(&self.phones[3]) {
            return self.finding("a press did not ring the flat within a second", vec![String::new()]);
        }
        let session = self.phones[1].ringing()[0];
        let life = self.phones[1].life;
        self.after(0, Happening::Tap { phone: 1, life, tap: Tap::Answer(session) });
        self.until(self.now + Duration::from_secs(3))?;
        let gates = self.doors[door].worker().peers.values().filter(|peer| peer.gate && peer.connected).count();
        let ringing = (0..PHONES).any(|phone| !self.phones[phone].ringing().is_empty());
        if !self.doors[door].is_ongoing() || self.phones[1].talking() != [session] || gates != 1 || ringing {
            return self
                .finding("an answer was not a conversation within three seconds", vec![format!("{gates} gates")]);
        }
        self.after(0, Happening::Finger { door, finger: Finger::Down("front") });
        self.after(1_500, Happening::Finger { door, finger: Finger::Held("front") });
        self.until(self.now + Duration::from_secs(10))?;
        self.check_rest()
    }
}
