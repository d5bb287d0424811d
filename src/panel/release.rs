//! The door release: who may open, for how long, and what the door's contact makes of it.
//!
//! Pure: no clock, no I/O, no randomness. It decides alone; the hub checks the permission of whoever asks, this machine
//! checks the nonce, the call and the enclosure.
//!
//! * **Pulse.** Every legitimate opening is one pulse of the relay, `pulse` long, never longer. An opening during a pulse is
//!   merged into it: it is answered as opened, with the time that is left, and prolongs nothing (a lock's coil is made for
//!   short currents). Whoever came too late presses again.
//! * **Lock.** The relay's safe level is always without current. A fail-secure lock rests there and is opened by current; a
//!   fail-safe lock rests under current and is opened by its absence, and so by any death of the station.
//! * **Nonce.** 128 bits, made for one participant of one call, good for one opening within five seconds of this machine's
//!   own clock. A device has one at a time; a wrong one costs it the right one.
//! * **Tamper.** While the enclosure is open, and for a configured time afterwards, only the request to exit opens; a pulse
//!   of anybody else ends at once.
//! * **Contact.** After a release the contact tells whether the door was really opened; a door that opens without one was
//!   forced; one that stays open is reported once.
//!
//! # Invariants
//! Tested in `tests/release_properties.rs` over random sequences:
//! 1. The lock is never ordered to be released for longer than the pulse.
//! 2. It is never released without an authority: the request to exit, or one that tamper does not inhibit.
//! 3. With no further events it returns to rest.
//! 4. A nonce opens once at the most, and only its own device, in its own call, in time.
//! 5. A fired deadline moves.
//! 6. After shutdown the relay is without current, and stays so.
//! 7. Same events and times, same actions.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::audit;
use crate::ids::{ButtonId, DeviceId, Nonce, RequestKey, SessionId};
use crate::moment::Moment;
use crate::panel::Input;
use crate::panel::level::Level;
use crate::redacted::Redacted;
use crate::signaling::protocol::{DoorReport, DoorState, Leg, NonceAnswer, Opener, OpeningRefusal};

mod contact;
pub mod hours;

use contact::Contact;

/// How long a nonce is good.
pub const NONCE_LIFE: Duration = Duration::from_secs(5);
/// A relay that failed is set to rest again after this long.
const RELAY_RETRY: Duration = Duration::from_secs(1);
/// Devices that hold a nonce at one time; more than residents in a call.
const MOST_NONCES: usize = 32;

/// What the lock does without current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// It opens: the relay holds it shut.
    FailSafe,
    /// It stays shut: the relay opens it.
    FailSecure,
}

/// How this door opens, from its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// There is a relay.
    pub fitted: bool,
    /// What the lock does without current.
    pub lock: Lock,
    /// How long it is released.
    pub pulse: Duration,
    /// There is a contact in the door's frame.
    pub contact: bool,
    /// From the release, how long somebody may take to open the door.
    pub opened_within: Duration,
    /// A door that stands open for longer is reported.
    pub left_open_after: Duration,
    /// A door that opens without a release is reported.
    pub report_forced: bool,
    /// How long tamper inhibits after the enclosure is shut; nothing: it never does.
    pub tamper_inhibits: Duration,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The operator opens at the station's own command line.
    AdministratorAsked,
    /// A line changed. Those of buttons are passed over.
    LineChanged {
        /// Which.
        input: Input,
        /// Its level.
        active: bool,
        /// When.
        at: Moment,
    },
    /// A device wants to open soon.
    NonceAsked {
        /// In which call.
        session_id: SessionId,
        /// Which device.
        device_id: DeviceId,
        /// The station knows it as a participant of this call.
        participant: bool,
        /// 128 random bits.
        random: [u8; 16],
    },
    /// A device asks to open, and the hub found that it may.
    OpenAsked {
        /// In which call.
        session_id: SessionId,
        /// Who.
        by: Leg,
        /// The key of their `open`.
        opening: RequestKey,
        /// What they show.
        nonce: Redacted<Nonce>,
        /// The station knows the device as a participant of this call.
        participant: bool,
    },
    /// A button was pressed in hours in which a press opens.
    PressedInHours(ButtonId),
    /// The relay was set as ordered last, or was not.
    RelayAnswered {
        /// Whether it was.
        works: bool,
    },
    /// The process is to end.
    ShutDown,
}

/// What is to be done.
#[must_use]
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Answer who asked for a nonce.
    AnswerNonce {
        /// In which call.
        session_id: SessionId,
        /// Which device.
        device_id: DeviceId,
        /// What.
        answer: NonceAnswer,
    },
    /// Let current flow through the relay, or not. [`Event::RelayAnswered`] follows.
    Energise(bool),
    /// Keep this in the audit log. The hub tells residents and operator of what concerns them outside of calls.
    Record(audit::Event),
    /// Tell the parties of the call: of this one, or of the one that is going on.
    Report {
        /// Which, where it is known.
        session_id: Option<SessionId>,
        /// What.
        report: DoorReport,
    },
}

/// Why the machine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The pulse is over.
    Pulse,
    /// A line's new level is confirmed.
    Level,
    /// The door stands open for too long, or was not opened.
    Contact,
    /// The relay is tried again.
    Relay,
    /// Tamper no longer inhibits.
    Tamper,
}

/// The machine. See the module for its rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    rules: Rules,
    now: Moment,
    nonces: BTreeMap<DeviceId, Issued>,
    lock: Locked,
    relay: Wire,
    exit: Level,
    tamper: Level,
    /// Tamper inhibits until then, although the enclosure is shut.
    inhibited_until: Option<Moment>,
    contact: Contact,
    stopped: bool,
    actions: Vec<Action>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Issued {
    session_id: SessionId,
    nonce: Redacted<Nonce>,
    until: Moment,
}

/// The lock, as the relay was ordered to hold it.
#[derive(Debug, Clone, PartialEq)]
enum Locked {
    /// At rest.
    Rest,
    /// Ordered to open; the relay has not answered.
    Opening { until: Moment, opener: Asked },
    /// Open.
    Open { until: Moment, egress: bool },
}

/// The relay, as it answered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// It does what it is told.
    Works,
    /// It failed, which was reported; it is set to rest again then.
    Failed { retry: Moment },
}

/// An opener, and the call to whose parties it is told.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    opener: Opener,
    session_id: Option<SessionId>,
}

impl Asked {
    const fn of(opener: Opener) -> Self {
        Self { opener, session_id: None }
    }

    const fn is_egress(&self) -> bool {
        matches!(self.opener, Opener::RequestToExit {})
    }
}

impl Release {
    /// A release at rest. [`Self::start`] orders the relay there.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: Moment::START,
            nonces: BTreeMap::new(),
            lock: Locked::Rest,
            relay: Wire::Works,
            exit: Level::new(),
            tamper: Level::new(),
            inhibited_until: None,
            contact: Contact::new(),
            stopped: false,
            actions: Vec::new(),
        }
    }

    /// The first orders.
    pub fn start(&mut self) -> Vec<Action> {
        self.rest();
        std::mem::take(&mut self.actions)
    }

    /// Takes an event. What is due by `now` happens first; an older `now` counts as the newest seen.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        // An edge is handed in before its level counts, and others may be known already: as buttons do, see there.
        if let Event::LineChanged { input, active, at } = event {
            self.now = self.now.max(now);
            self.line(&input, active, at.min(self.now));
            return std::mem::take(&mut self.actions);
        }
        self.run_due(now);
        match event {
            Event::LineChanged { .. } => {}
            Event::AdministratorAsked => self.ask(Asked::of(Opener::Administrator {})),
            Event::NonceAsked { session_id, device_id, participant, random } => {
                let answer = self.issue(session_id, &device_id, participant, random);
                self.actions.push(Action::AnswerNonce { session_id, device_id, answer });
            }
            Event::OpenAsked { session_id, by, opening, nonce, participant } => {
                let verdict = self.redeem(session_id, &by.device_id, &nonce, participant);
                let asked = Asked { opener: Opener::Participant { opening, by }, session_id: Some(session_id) };
                match verdict {
                    Ok(()) => self.ask(asked),
                    Err(reason) => self.refuse(asked, reason),
                }
            }
            Event::PressedInHours(button) => self.ask(Asked::of(Opener::Schedule { button })),
            Event::RelayAnswered { works } => self.relay_answered(works),
            Event::ShutDown => self.shut_down(),
        }
        std::mem::take(&mut self.actions)
    }

    /// Runs every deadline that is due.
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<Action> {
        self.run_due(now);
        std::mem::take(&mut self.actions)
    }

    /// The next deadline, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Moment, Timer)> {
        let relay = match self.relay {
            Wire::Works => None,
            Wire::Failed { retry } => Some((retry, Timer::Relay)),
        };
        if self.stopped {
            return relay;
        }
        let pulse = match self.lock {
            Locked::Rest => None,
            Locked::Opening { until, .. } | Locked::Open { until, .. } => Some((until, Timer::Pulse)),
        };
        let levels = [self.exit, self.tamper, self.contact.level()].into_iter().filter_map(|level| level.due()).min();
        let timers = [
            pulse,
            levels.map(|due| (due, Timer::Level)),
            self.contact.due().map(|due| (due, Timer::Contact)),
            relay,
            self.inhibited_until.map(|due| (due, Timer::Tamper)),
        ];
        timers.into_iter().flatten().min()
    }

    /// Whether the lock is released now.
    #[must_use]
    pub const fn is_released(&self) -> bool {
        matches!(self.lock, Locked::Open { .. })
    }

    /// Whether the enclosure is open.
    #[must_use]
    pub const fn is_tampered(&self) -> bool {
        self.tamper.is_active()
    }

    /// Whether the door stands open, by its contact.
    #[must_use]
    pub const fn is_door_open(&self) -> bool {
        self.contact.is_open()
    }

    fn run_due(&mut self, now: Moment) {
        self.now = self.now.max(now);
        while let Some((due, timer)) = self.poll_timeout().filter(|(due, _)| *due <= self.now) {
            match timer {
                Timer::Pulse => self.rest(),
                Timer::Level => self.levels(due),
                Timer::Contact => {
                    let told = self.contact.run(due, &self.rules);
                    self.contact_told(told);
                }
                Timer::Relay => {
                    self.relay = Wire::Failed { retry: due + RELAY_RETRY };
                    self.rest();
                }
                Timer::Tamper => self.inhibited_until = None,
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------------- lines

    fn line(&mut self, input: &Input, active: bool, at: Moment) {
        match input {
            Input::Button(_) => {}
            Input::DoorContact if self.rules.contact => self.contact.edge(active, at),
            Input::DoorContact => {}
            Input::RequestToExit => self.exit.edge(active, at),
            Input::Tamper => self.tamper.edge(active, at),
        }
    }

    fn levels(&mut self, due: Moment) {
        if self.exit.take(due) == Some(true) {
            self.ask(Asked::of(Opener::RequestToExit {}));
        }
        if let Some(active) = self.tamper.take(due) {
            self.tampered(active, due);
        }
        let told = self.contact.take_level(due, &self.rules);
        self.contact_told(told);
    }

    fn tampered(&mut self, active: bool, at: Moment) {
        self.actions.push(Action::Record(audit::Event::Tamper { active }));
        if self.rules.tamper_inhibits.is_zero() {
            return;
        }
        self.inhibited_until = (!active).then(|| at + self.rules.tamper_inhibits);
        match &self.lock {
            Locked::Open { egress: false, .. } => self.rest(),
            Locked::Opening { opener, .. } if !opener.is_egress() => self.rest(),
            Locked::Rest | Locked::Opening { .. } | Locked::Open { .. } => {}
        }
    }

    fn contact_told(&mut self, states: impl IntoIterator<Item = DoorState>) {
        for state in states {
            self.actions.push(Action::Record(audit::Event::Contact { state }));
            self.actions.push(Action::Report { session_id: None, report: DoorReport::Contact { state } });
        }
    }

    // --------------------------------------------------------------------------------------------------------- nonces

    fn issue(
        &mut self,
        session_id: SessionId,
        device_id: &DeviceId,
        participant: bool,
        random: [u8; 16],
    ) -> NonceAnswer {
        let refusal = match (self.rules.fitted, self.stopped, participant) {
            (false, _, _) => Some(OpeningRefusal::NoRelease),
            (true, true, _) => Some(OpeningRefusal::Stopping),
            (true, false, false) => Some(OpeningRefusal::NotAParticipant),
            (true, false, true) => None,
        };
        if let Some(reason) = refusal {
            return NonceAnswer::Refused { reason };
        }
        let now = self.now;
        self.nonces.retain(|_, issued| issued.until > now);
        if self.nonces.len() >= MOST_NONCES
            && let Some(oldest) = self.nonces.iter().min_by_key(|(_, issued)| issued.until).map(|(id, _)| id.clone())
        {
            self.nonces.remove(&oldest);
        }
        let nonce = Redacted::new(Nonce::from_random(random));
        let issued = Issued { session_id, nonce: nonce.clone(), until: now + NONCE_LIFE };
        self.nonces.insert(device_id.clone(), issued);
        NonceAnswer::Issued { nonce, expires_in: millis(NONCE_LIFE) }
    }

    /// Whatever is shown, the nonce that the device had is gone.
    fn redeem(
        &mut self,
        session_id: SessionId,
        device_id: &DeviceId,
        nonce: &Redacted<Nonce>,
        participant: bool,
    ) -> Result<(), OpeningRefusal> {
        let issued = self.nonces.remove(device_id);
        if !self.rules.fitted {
            return Err(OpeningRefusal::NoRelease);
        }
        if !participant {
            return Err(OpeningRefusal::NotAParticipant);
        }
        match issued {
            Some(issued) if issued.session_id == session_id && issued.nonce == *nonce => {
                // Alive until, and not at, its end.
                if self.now < issued.until { Ok(()) } else { Err(OpeningRefusal::NonceExpired) }
            }
            Some(_) | None => Err(OpeningRefusal::NonceUnknown),
        }
    }

    // -------------------------------------------------------------------------------------------------------- the lock

    fn is_inhibited(&self) -> bool {
        !self.rules.tamper_inhibits.is_zero() && (self.tamper.is_active() || self.inhibited_until.is_some())
    }

    /// A legitimate opening, unless the door as such does not open now.
    fn ask(&mut self, asked: Asked) {
        let refusal = match (self.rules.fitted, self.stopped) {
            (false, _) => Some(OpeningRefusal::NoRelease),
            (true, true) => Some(OpeningRefusal::Stopping),
            (true, false) => (self.is_inhibited() && !asked.is_egress()).then_some(OpeningRefusal::Tampered),
        };
        if let Some(reason) = refusal {
            return self.refuse(asked, reason);
        }
        match &mut self.lock {
            Locked::Rest => {
                self.lock = Locked::Opening { until: self.now + self.rules.pulse, opener: asked };
                self.actions.push(Action::Energise(self.current_opens()));
            }
            Locked::Open { until, egress } => {
                *egress |= asked.is_egress();
                let until = *until;
                self.opened(asked, until, true);
            }
            // The relay answers at once; a second opening before that is a bug of its driver.
            Locked::Opening { .. } => self.refuse(asked, OpeningRefusal::RelayFailed),
        }
    }

    fn relay_answered(&mut self, works: bool) {
        if works {
            self.relay = Wire::Works;
        }
        match (std::mem::replace(&mut self.lock, Locked::Rest), works) {
            (Locked::Opening { until, opener }, true) => {
                self.lock = Locked::Open { until, egress: opener.is_egress() };
                self.opened(opener, until, false);
            }
            (Locked::Opening { opener, .. }, false) => {
                self.refuse(opener, OpeningRefusal::RelayFailed);
                self.relay_failed();
                // Who knows how far it came.
                self.rest();
            }
            (Locked::Open { until, egress }, true) => self.lock = Locked::Open { until, egress },
            (Locked::Rest, true) => {}
            (Locked::Open { .. } | Locked::Rest, false) => self.relay_failed(),
        }
    }

    fn relay_failed(&mut self) {
        let before = std::mem::replace(&mut self.relay, Wire::Failed { retry: self.now + RELAY_RETRY });
        if before == Wire::Works && !self.stopped {
            self.actions.push(Action::Record(audit::Event::RelayFailed));
        }
    }

    fn opened(&mut self, asked: Asked, until: Moment, merged: bool) {
        let Asked { opener, session_id } = asked;
        let released_for = millis(until.since(self.now));
        let record = audit::Event::Opened { opener: opener.clone(), session_id, released_for, merged };
        self.actions.push(Action::Report { session_id, report: DoorReport::Opened { opener, released_for } });
        self.actions.push(Action::Record(record));
        let told = self.contact.released(self.now + self.rules.opened_within, &self.rules);
        self.contact_told(told);
    }

    fn refuse(&mut self, asked: Asked, reason: OpeningRefusal) {
        let Asked { opener, session_id } = asked;
        if let Opener::Participant { opening, by } = &opener {
            let report = DoorReport::Refused { by: by.clone(), opening: opening.clone(), reason };
            self.actions.push(Action::Report { session_id, report });
        }
        self.actions.push(Action::Record(audit::Event::Refused { opener, session_id, reason }));
    }

    /// Orders the lock to rest.
    fn rest(&mut self) {
        if let Locked::Opening { opener, .. } = std::mem::replace(&mut self.lock, Locked::Rest) {
            self.refuse(opener, OpeningRefusal::RelayFailed);
        }
        if self.rules.fitted {
            self.actions.push(Action::Energise(!self.current_opens() && !self.stopped));
        }
    }

    fn shut_down(&mut self) {
        if self.stopped {
            return;
        }
        self.lock = Locked::Rest;
        self.nonces.clear();
        self.stopped = true;
        self.rest();
        self.actions.push(Action::Record(audit::Event::Stopped));
    }

    const fn current_opens(&self) -> bool {
        match self.rules.lock {
            Lock::FailSafe => false,
            Lock::FailSecure => true,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
