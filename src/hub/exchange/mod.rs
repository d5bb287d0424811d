//! The exchange: the ringing rules, folded from a log of entries in their order. Pure: no clock, no I/O, no randomness.
//!
//! A verb is an entry, and so is anything else that decides: a device lost or found, a deadline. Whoever comes first in the
//! log wins; everybody converges to the same call. A due timer only *orders* an entry (`Output::Append`); the call is
//! unanswered when that entry comes back. Wall-clock times in entries are for history, never for decisions.
//!
//! ```text
//!  initiated ──first accept──▶ ongoing ──end by the door, or the last resident leaves──▶ ended
//!      ├── every member refused: rejected, or busy when all said busy
//!      ├── the caller takes it back, or is gone for the grace time: cancelled
//!      └── the ring time is over: unanswered
//! ```
//!
//! Not everybody rings at once, or at all: who comes later in the order of a group rings by a `Step`, at its time or as soon as
//! nobody rings any more; who does not want to be disturbed counts as having said busy from the start.
//!
//! Every entry of a call that is not over takes the next number of that call, also one that changes nothing and a verb that
//! is refused: the number is the place in the call's log. Whoever stores the log stores all of them, in order;
//! [`Exchange::restore`] then comes to the same numbers. A call that is over keeps its number and its picture for ever.
//!
//! A verb that comes again (same device, same key) has the same verdict and no second effect, and its answer carries the call
//! as it stands *now*: a device whose answer was lost is up to date with the second one.

#![deny(clippy::disallowed_methods)]

mod call;
mod entry;
mod initiate;
mod presence;
mod queries;
mod verbs;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};
use std::time::Duration;

use indexmap::IndexMap;

use crate::ids::{DeviceId, RequestKey, SessionId, Uid};
use crate::moment::Moment;
use crate::signaling::protocol::{Call, ErrorCode, Event, Refusal};
use call::{CallState, Turn};
pub use entry::{Change, Entry, Initiation, Member, MemberDevice};
use initiate::RefusedInitiation;

/// What follows from an entry.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The answer of the verb that this entry is.
    Answer(Result<Box<Call>, Refusal>),
    /// Append this entry, before any other that waits: a timer is due, or what was folded has a consequence that is an entry
    /// of its own.
    Append(SessionId, Change),
    /// The call reached its terminal status: keep it in the history.
    Archive(Box<Call>),
    /// Tell these devices. One serialisation serves all.
    Deliver {
        /// To whom: at most one event per entry and device.
        to: Vec<DeviceId>,
        /// What.
        event: Event,
    },
    /// Wake these devices by push. Those that are connected were told by their sockets just before.
    Notify {
        /// Which devices.
        to: Vec<DeviceId>,
        /// The call that rings.
        call: Box<Call>,
        /// Milliseconds for which it rings.
        rings_for: u64,
    },
    /// These devices' media sessions of this call are over: the hub stops relaying and tells them.
    Revoke {
        /// Which call.
        session_id: SessionId,
        /// Which devices.
        devices: Vec<DeviceId>,
    },
    /// The call asks these devices no more, which were to be woken by push.
    Withdraw {
        /// Which devices.
        devices: Vec<DeviceId>,
        /// The one of them that decided it, if it did: it needs no word.
        by: Option<DeviceId>,
        /// The call as it stands now.
        call: Box<Call>,
    },
}

/// Why the exchange wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// A device's grace time is over.
    Absence(SessionId),
    /// A tombstone may be forgotten.
    Forget(SessionId),
    /// The ring time is over.
    Ring(SessionId),
    /// It is to ring at the next ones.
    Step(SessionId),
}

/// How long the exchange waits, where no entry says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long a device in a call may be away before it counts as having left.
    pub absence_grace: Duration,
    /// How long a call that is over is remembered for late and repeated verbs.
    pub forget_after: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self { absence_grace: Duration::from_secs(45), forget_after: Duration::from_mins(10) }
    }
}

/// Every call of one hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    rules: Rules,
    /// The newest time seen.
    now: Moment,
    calls: BTreeMap<SessionId, CallState>,
    /// Refused initiations, remembered for their keys, by the session id that was not used.
    refused: BTreeMap<SessionId, RefusedInitiation>,
    /// What became of each initiation.
    initiations: BTreeMap<(DeviceId, RequestKey), SessionId>,
    /// Calls that concern a device, also those that are over.
    of_device: Index<DeviceId>,
    /// Calls that are not over, by the users called and calling.
    of_user: Index<Uid>,
    /// The next deadline of each call that has one.
    due: BTreeSet<(Moment, SessionId)>,
}

/// The calls of each device or user, oldest first. (One set of all pairs would grow with every call that is remembered, and a ring
/// searches it once for each member.) Found by a hash, which is the same in every run; nobody goes through it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Index<K: Hash + Eq>(IndexMap<K, Vec<SessionId>, BuildHasherDefault<DefaultHasher>>);

impl<K: Hash + Eq + Clone> Index<K> {
    const fn new() -> Self {
        Self(IndexMap::with_hasher(BuildHasherDefault::new()))
    }

    fn get(&self, key: &K) -> &[SessionId] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    fn add<'k>(&mut self, keys: impl Iterator<Item = &'k K>, session_id: SessionId)
    where
        K: 'k,
    {
        for key in keys {
            self.0.entry(key.clone()).or_default().push(session_id);
        }
    }

    fn remove(&mut self, key: &K, session_id: SessionId) {
        let Some(sessions) = self.0.get_mut(key) else { return };
        sessions.retain(|known| *known != session_id);
        if sessions.is_empty() {
            self.0.swap_remove(key);
        }
    }
}

impl Exchange {
    /// Without calls.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: Moment::START,
            calls: BTreeMap::new(),
            refused: BTreeMap::new(),
            initiations: BTreeMap::new(),
            of_device: Index::new(),
            of_user: Index::new(),
            due: BTreeSet::new(),
        }
    }

    /// From the stored log: the same state as the exchange that folded it, with its timers going on. What was ordered or told
    /// then is not ordered or told again, but what is due is ordered by the next [`Self::handle_timeout`]. Moments later than
    /// `now` (of another start of the machine) count as `now`. The hub then appends [`Change::Restarted`] to
    /// each of [`Self::open_calls`], and sees to it that no later start loses these entries: they leave numbers out, and a
    /// number given out twice would make two events one.
    #[must_use]
    pub fn restore(rules: Rules, now: Moment, entries: impl IntoIterator<Item = (Moment, Entry)>) -> Self {
        let mut exchange = Self::new(rules);
        for (at, entry) in entries {
            let _told_before = exchange.handle(at.min(now), entry);
        }
        exchange.rearm();
        exchange
    }

    /// Folds one entry, after what is due. An older `now` counts as the newest seen.
    #[must_use]
    pub fn handle(&mut self, now: Moment, entry: Entry) -> Vec<Output> {
        let mut outputs = self.handle_timeout(now);
        outputs.append(&mut self.fold(entry));
        debug_assert!(told_once(&outputs), "one event per entry and device: {outputs:?}");
        outputs
    }

    /// Orders what is due ([`Output::Append`] only) and forgets what is old.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<Output> {
        self.now = self.now.max(now);
        let mut orders = Vec::new();
        while let Some((at, session_id)) = self.due.first().copied()
            && at <= self.now
        {
            let Some(call) = self.calls.get_mut(&session_id) else {
                self.forget(session_id);
                continue;
            };
            match call.next_deadline() {
                Some((_, Timer::Forget(_))) => self.forget(session_id),
                Some((_, Timer::Absence(_) | Timer::Ring(_) | Timer::Step(_))) => {
                    orders.extend(call.order_due(self.now).into_iter().map(|c| Output::Append(session_id, c)));
                    self.schedule(session_id, Some(at));
                }
                None => self.schedule(session_id, Some(at)),
            }
        }
        orders
    }

    /// When to call [`Self::handle_timeout`], and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Moment, Timer)> {
        let (at, session_id) = self.due.first().copied()?;
        let next = self.calls.get(&session_id).and_then(CallState::next_deadline);
        Some(next.unwrap_or((at, Timer::Forget(session_id))))
    }

    fn fold(&mut self, entry: Entry) -> Vec<Output> {
        let Entry { session_id, wall, change } = entry;
        if let Change::Initiate(initiation) = change {
            return self.initiate(session_id, wall, initiation);
        }
        let waiting = self.waiting(session_id, &change);
        let Some(call) = self.calls.get_mut(&session_id) else {
            return if change.is_verb() { vec![Output::Answer(Err(not_found(session_id)))] } else { Vec::new() };
        };
        let before = call.next_deadline().map(|(at, _)| at);
        let was_over = call.is_over();
        let mut turn = Turn { now: self.now, wall, rules: self.rules, waiting, outputs: Vec::new() };
        call.fold(&mut turn, change);
        if call.is_over() && !was_over {
            self.release_users(session_id);
        }
        self.schedule(session_id, before);
        turn.outputs
    }

    /// Users at whom this entry may ring and who are in another call: their ring is then call waiting.
    fn waiting(&self, session_id: SessionId, change: &Change) -> BTreeSet<Uid> {
        let call = self.calls.get(&session_id);
        let uids: Vec<&Uid> = match (change, call) {
            (Change::Reachable { device_id, .. }, Some(call)) => call.uid_of(device_id).into_iter().collect(),
            (Change::Step { .. }, Some(call)) => call.uids().collect(),
            _ => return BTreeSet::new(),
        };
        uids.into_iter().filter(|uid| self.engaged(uid, session_id).is_some()).cloned().collect()
    }

    /// The call other than `except` in which this user is caller or participant.
    fn engaged(&self, uid: &Uid, except: SessionId) -> Option<&CallState> {
        let others = self.of_user.get(uid).iter().filter(|session_id| **session_id != except);
        others.filter_map(|session_id| self.calls.get(session_id)).find(|call| call.engages(uid))
    }

    /// Keeps `due` in step with one call, whose deadline was `before`.
    fn schedule(&mut self, session_id: SessionId, before: Option<Moment>) {
        if let Some(at) = before {
            self.due.remove(&(at, session_id));
        }
        if let Some((at, _)) = self.calls.get(&session_id).and_then(CallState::next_deadline) {
            self.due.insert((at, session_id));
        }
    }

    fn rearm(&mut self) {
        for (session_id, call) in &mut self.calls {
            if let Some((at, _)) = call.next_deadline() {
                self.due.remove(&(at, *session_id));
            }
            call.rearm();
            if let Some((at, _)) = call.next_deadline() {
                self.due.insert((at, *session_id));
            }
        }
    }

    fn release_users(&mut self, session_id: SessionId) {
        let Some(call) = self.calls.get(&session_id) else { return };
        for uid in call.uids() {
            self.of_user.remove(uid, session_id);
        }
    }

    fn forget(&mut self, session_id: SessionId) {
        if let Some(refused) = self.refused.remove(&session_id) {
            self.due.remove(&(refused.forget_at, session_id));
            self.initiations.remove(&refused.asked);
        }
        let Some(call) = self.calls.remove(&session_id) else { return };
        if let Some((at, _)) = call.next_deadline() {
            self.due.remove(&(at, session_id));
        }
        self.initiations.remove(&call.asked());
        for device_id in call.device_ids() {
            self.of_device.remove(device_id, session_id);
        }
    }
}

fn not_found(session_id: SessionId) -> Refusal {
    Refusal::new(ErrorCode::ErrCallSessionNotFound, format!("there is no call {session_id}"))
}

/// Events are recognised by their entry: two of one entry to one device would be one.
fn told_once(outputs: &[Output]) -> bool {
    let mut told = BTreeSet::new();
    outputs.iter().all(|output| match output {
        Output::Deliver { to, event } => to.iter().all(|device_id| told.insert((event.entry, device_id))),
        Output::Answer(_)
        | Output::Append(..)
        | Output::Archive(_)
        | Output::Notify { .. }
        | Output::Revoke { .. }
        | Output::Withdraw { .. } => true,
    })
}
