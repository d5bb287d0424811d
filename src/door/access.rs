//! The door release in the door's loop: the machine, its relay, its log, and what of them the hub hears. Nothing here decides.

use std::collections::VecDeque;

use crate::audit::{self, file::Audit};
use crate::clock;
use crate::config::release::{HoursClock, ReleaseTable};
use crate::ids::{BootId, ButtonId, RequestKey, SessionId};
use crate::moment::Moment;
use crate::panel::release::hours::{Day, Hours};
use crate::panel::release::{Action, Event, Release};
use crate::panel::{PanelError, Relay};
use crate::signaling::client::Client;
use crate::signaling::protocol::{DoorReport, OpeningRefusal, Verb, VerbRequest};

/// The door release, wired.
pub struct Access {
    release: Release,
    relay: Option<Box<dyn Relay>>,
    audit: Audit,
    /// Lines that are on their way to the hub.
    copying: Option<(RequestKey, Vec<String>)>,
    client: Client,
    boot: BootId,
    requests: u64,
    refusals: u32,
    /// What was decided last.
    verdict: Option<Result<(), OpeningRefusal>>,
}

/// When a press opens.
#[derive(Debug)]
pub struct OpeningHours {
    hours: Vec<Hours>,
    clock: HoursClock,
}

impl OpeningHours {
    /// As configured.
    pub fn new(table: &ReleaseTable) -> Self {
        Self { hours: table.hours.iter().map(Hours::from).collect(), clock: table.hours_clock }
    }

    /// Whether a press of this button opens now. A clock that may be wrong opens nothing.
    pub fn is_open(&self, button: &ButtonId) -> bool {
        let is_right = || match self.clock {
            HoursClock::Any => true,
            HoursClock::Synchronised => clock::is_synchronised(),
        };
        let now = || clock::day_and_minute().and_then(|(day, minute)| Some((*Day::WEEK.get(day)?, minute)));
        !self.hours.is_empty()
            && is_right()
            && now().is_some_and(|(day, minute)| self.hours.iter().any(|hours| hours.cover(button, day, minute)))
    }
}

/// What the visitor is shown of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The lock is released.
    pub released: bool,
    /// The enclosure is open.
    pub tampered: bool,
    /// Openings that were refused.
    pub refusals: u32,
}

impl Access {
    /// Sets the relay to rest before anything else.
    pub fn start(release: Release, relay: Option<Box<dyn Relay>>, audit: Audit, client: Client, boot: BootId) -> Self {
        let mut access =
            Self { release, relay, audit, copying: None, client, boot, requests: 0, refusals: 0, verdict: None };
        let actions = access.release.start();
        access.perform(clock::now(), actions, None);
        access.copy();
        access
    }

    /// What of the relay does not work now.
    pub fn faults(&self) -> Vec<PanelError> {
        self.relay.iter().flat_map(|relay| relay.faults()).collect()
    }

    /// When [`Self::run_due`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.release.poll_timeout().map(|(deadline, _)| deadline)
    }

    /// Runs what is due. `session` is the call that is going on.
    pub fn run_due(&mut self, now: Moment, session: Option<SessionId>) {
        let actions = self.release.handle_timeout(now);
        self.perform(now, actions, session);
    }

    /// Hands in an event. `session` is the call that is going on.
    pub fn happened(&mut self, now: Moment, event: Event, session: Option<SessionId>) {
        let actions = self.release.handle(now, event);
        self.perform(now, actions, session);
    }

    /// The operator opens: whether it did.
    pub fn administrator_opens(&mut self, now: Moment, session: Option<SessionId>) -> Result<(), OpeningRefusal> {
        self.verdict = None;
        self.happened(now, Event::AdministratorAsked, session);
        self.verdict.take().unwrap_or(Err(OpeningRefusal::RelayFailed))
    }

    /// Whether an answer of the hub was to a request of this one.
    pub fn answered(&mut self, key: &RequestKey, kept: bool) -> bool {
        if let Some((_, lines)) = self.copying.take_if(|(asked, _)| asked == key) {
            if !kept {
                tracing::warn!(lines = lines.len(), "the hub does not keep these lines of the audit log");
            }
            // What it refuses once it would refuse for ever.
            self.audit.copied(&lines);
            self.copy();
            return true;
        }
        false
    }

    /// What the visitor is shown.
    #[must_use]
    pub const fn facts(&self) -> Facts {
        Facts { released: self.release.is_released(), tampered: self.release.is_tampered(), refusals: self.refusals }
    }

    /// Leaves the lock without current, and the log on the disk.
    pub fn close(mut self) {
        let now = clock::now();
        self.happened(now, Event::ShutDown, None);
        // Dropping a relay releases it too; nothing of the disk comes before.
        drop(self.relay.take());
        self.audit.close();
    }

    fn perform(&mut self, now: Moment, actions: Vec<Action>, session: Option<SessionId>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::AnswerNonce { session_id, device_id, answer } => {
                    self.client.answer_nonce(session_id, device_id, answer);
                }
                Action::Energise(current) => {
                    let works = self.energise(current);
                    let mut answered = VecDeque::from(self.release.handle(now, Event::RelayAnswered { works }));
                    answered.append(&mut queue);
                    queue = answered;
                }
                Action::Record(event) => {
                    tracing::info!(?event, "door release");
                    match &event {
                        audit::Event::Opened { .. } => self.verdict = Some(Ok(())),
                        audit::Event::Refused { reason, .. } => self.verdict = Some(Err(*reason)),
                        audit::Event::Contact { .. }
                        | audit::Event::Gap { .. }
                        | audit::Event::RelayFailed
                        | audit::Event::Started
                        | audit::Event::Stopped
                        | audit::Event::Tamper { .. } => {}
                    }
                    self.audit.record(now, clock::wall(), event);
                    self.copy();
                }
                Action::Report { session_id, report } => {
                    if matches!(report, DoorReport::Refused { .. }) {
                        self.refusals = self.refusals.wrapping_add(1);
                    }
                    if let Some(session_id) = session_id.or(session) {
                        self.ask(Verb::ReportDoor { session_id, report });
                    }
                }
            }
        }
    }

    fn energise(&mut self, current: bool) -> bool {
        match self.relay.as_mut().map(|relay| relay.set(current)) {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::error!(%error, current, "the relay of the door release failed");
                false
            }
            None => false,
        }
    }

    /// One batch at a time, the oldest lines first.
    fn copy(&mut self) {
        if self.copying.is_none() {
            let lines = self.audit.uncopied();
            if !lines.is_empty() {
                let key = self.ask(Verb::KeepAudit { lines: lines.clone() });
                self.copying = Some((key, lines));
            }
        }
    }

    fn ask(&mut self, verb: Verb) -> RequestKey {
        self.requests += 1;
        let key = RequestKey::of_release(self.boot, self.requests);
        self.client.ask(VerbRequest { key: key.clone(), verb });
        key
    }
}
