//! How much picture there is for everybody: bitrate, frame rate and size of the one encode, from what the receivers report.
//!
//! ```text
//!  per receiver, once a second:  lost, round trip ─▶ its room: grows by a step, falls by what was lost or waits in queues
//!  all receivers ─▶ the encode: the least room of those that get the picture, between floor and ceiling
//!                 └▶ who has no room for the floor, or far less than the others: sound only, and again later
//! ```
//!
//! Sound is never taken away: it is what the call is for, and little. Who only looks keeps the picture, for it has nothing else,
//! but does not hold back those who talk. Additive increase and multiplicative decrease: many such receivers share a line fairly.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::PeerId;
use crate::moment::Moment;

mod ladder;

pub use ladder::Shape;

/// As much loss a wireless network has on a good day: it is no sign of too much traffic.
const HARMLESS: f64 = 0.02;
/// More than this is.
const HARMFUL: f64 = 0.10;
/// Packets that wait in queues for so long longer than they did at best.
const QUEUED: Duration = Duration::from_millis(120);
/// A round trip that was best so long ago is of another network.
const BEST_LASTS: Duration = Duration::from_secs(30);
/// Between two decreases: what the first did must be seen before the second.
const SETTLE: Duration = Duration::from_millis(900);
/// Without a report for so long nothing is known, and less is sent.
const UNHEARD: Duration = Duration::from_secs(8);
/// No room for the floor for so long, and the picture stops.
const STARVED: Duration = Duration::from_secs(3);
/// One receiver may hold back the others for so long.
const PATIENCE: Duration = Duration::from_secs(6);
/// The picture is tried again after this, and after twice as long each time it had to stop again.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A picture that stayed for so long was not tried in vain.
const PROVEN: Duration = Duration::from_secs(20);

/// A way that was found narrow is treated with care for so long.
const NARROW_LASTS: Duration = Duration::from_mins(1);
/// Kilobits per second: at less, a key picture takes longer than the next ones can wait.
const LEAST_PACE: f64 = 250.0;

/// Floor and ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Kilobits per second: whoever has less room gets sound only.
    pub floor: u32,
    /// Kilobits per second.
    pub ceiling: u32,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A receiver is connected. One that talks can do without a picture.
    Came {
        /// Which.
        peer: PeerId,
    },
    /// It may talk and hear from now on.
    Talks {
        /// Which.
        peer: PeerId,
    },
    /// It is gone.
    Left {
        /// Which.
        peer: PeerId,
    },
    /// What a receiver reports.
    Reported {
        /// Which.
        peer: PeerId,
        /// 0 to 1, since its last report.
        lost: f64,
        /// There and back; nothing if not known.
        round_trip: Option<Duration>,
    },
}

/// What is to be done.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The encoder's new target.
    Encode(Shape),
    /// This receiver gets the picture (again), or sound only.
    Picture {
        /// Which.
        peer: PeerId,
        /// Whether it gets it.
        shown: bool,
    },
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Rate {
    limits: Limits,
    ladder: ladder::Ladder,
    receivers: BTreeMap<PeerId, Receiver>,
    now: Moment,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
struct Receiver {
    /// Kilobits per second that its way seems to carry.
    room: f64,
    talks: bool,
    picture: Picture,
    best: Option<(Duration, Moment)>,
    reported: Moment,
    decreased: Moment,
    /// When its way was last found narrow.
    narrow: Option<Moment>,
    /// Since when it has had no room, or held back others.
    starved: Option<Moment>,
    slow: Option<Moment>,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Picture {
    Shown { since: Moment },
    Paused { until: Moment },
}

impl Rate {
    /// Nobody is connected; the encode is what is configured.
    #[must_use]
    pub fn new(limits: Limits, full: Shape) -> Self {
        let limits = Limits { floor: limits.floor.min(limits.ceiling), ..limits };
        let ladder = ladder::Ladder::new(full, limits.ceiling);
        let shape = ladder.shape(limits.ceiling, None);
        Self { limits, ladder, receivers: BTreeMap::new(), now: Moment::START, shape }
    }

    /// What is encoded now.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Kilobits per second at which packets are to leave for this receiver, where its way was found narrow: a picture that is larger
    /// than others takes longer then. Two and a half times what is sent, so that nothing piles up at the door.
    #[must_use]
    pub fn pace(&self, peer: PeerId) -> Option<u32> {
        let receiver = self.receivers.get(&peer)?;
        let narrow = receiver.narrow.is_some_and(|at| self.now.since(at) < NARROW_LASTS);
        // Between the least pace and some ceilings: it fits.
        let pace = receiver.room.max(f64::from(self.shape.kilobits)) * 2.5;
        narrow.then_some(pace.max(LEAST_PACE) as u32)
    }

    /// Takes an event. An older `now` counts as the newest seen.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        match event {
            Event::Came { peer } => self.came(peer),
            Event::Talks { peer } => {
                if let Some(receiver) = self.receivers.get_mut(&peer) {
                    receiver.talks = true;
                }
            }
            Event::Left { peer } => {
                self.receivers.remove(&peer);
            }
            Event::Reported { peer, lost, round_trip } => {
                let (now, limits, rate) = (self.now, self.limits, f64::from(self.shape.kilobits));
                if let Some(receiver) = self.receivers.get_mut(&peer) {
                    receiver.reported(now, limits, rate, lost, round_trip);
                }
            }
        }
        self.decide()
    }

    /// Looks at what time alone changes. To be called about once a second.
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<Action> {
        self.now = self.now.max(now);
        let (now, limits) = (self.now, self.limits);
        self.receivers.values_mut().for_each(|receiver| receiver.unheard(now, limits));
        self.decide()
    }

    /// A newcomer begins where the others are, for it would else hold them back; the first below the ceiling, for nothing is known
    /// of its way, but not so far that the size would change at once.
    fn came(&mut self, peer: PeerId) {
        let alone = self.shown().next().is_none();
        let room = f64::from(self.shape.kilobits) * if alone { 2.0 / 3.0 } else { 1.0 };
        let now = self.now;
        self.receivers.entry(peer).or_insert(Receiver {
            room,
            talks: false,
            picture: Picture::Shown { since: now },
            best: None,
            reported: now,
            decreased: now,
            narrow: None,
            starved: None,
            slow: None,
            pause: FIRST_PAUSE,
        });
    }

    fn decide(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        let usual = self.usual_room();
        for (peer, receiver) in &mut self.receivers {
            if let Some(shown) = receiver.judge(self.now, self.limits, usual) {
                actions.push(Action::Picture { peer: *peer, shown });
            }
        }
        let kilobits = self.target();
        let shape = self.ladder.shape(kilobits, Some(self.shape));
        if self.is_worth_changing(shape) {
            self.shape = shape;
            actions.push(Action::Encode(shape));
        }
        actions
    }

    /// What the middle one of all others than the slowest has. Nothing where nobody is to be compared with.
    fn usual_room(&self) -> Option<f64> {
        let mut rooms: Vec<f64> = self.shown().map(|receiver| receiver.room).collect();
        rooms.sort_by(f64::total_cmp);
        (rooms.len() >= 2).then(|| rooms[rooms.len() / 2])
    }

    /// Small steps are not: each costs the encoder something, and nobody sees them. The last one to an end is.
    fn is_worth_changing(&self, shape: Shape) -> bool {
        let Shape { kilobits, width, frame_rate, .. } = self.shape;
        let step = shape.kilobits.abs_diff(kilobits);
        let is_end = [self.limits.floor, self.limits.ceiling].contains(&shape.kilobits);
        (shape.width, shape.frame_rate) != (width, frame_rate) || step * 25 >= kilobits.max(1) || (is_end && step > 0)
    }

    fn shown(&self) -> impl Iterator<Item = &Receiver> {
        self.receivers.values().filter(|receiver| matches!(receiver.picture, Picture::Shown { .. }))
    }

    /// The least room of those who talk; of those who look, where nobody does. With nobody at all, what is configured.
    fn target(&self) -> u32 {
        let talks = self.receivers.values().any(|receiver| receiver.talks);
        let least = self.shown().filter(|receiver| receiver.talks || !talks).map(|receiver| receiver.room);
        let least = least.fold(f64::from(self.limits.ceiling), f64::min);
        if least >= f64::from(self.limits.ceiling) {
            return self.limits.ceiling;
        }
        // Between 0 and the ceiling: it fits.
        ((least as u32) / 10 * 10).max(self.limits.floor)
    }
}

impl Receiver {
    fn reported(&mut self, now: Moment, limits: Limits, rate: f64, lost: f64, round_trip: Option<Duration>) {
        let heard_for = now.since(self.reported).min(Duration::from_secs(2));
        self.reported = now;
        let lost = if lost.is_finite() { lost.clamp(0.0, 1.0) } else { 0.0 };
        let queued = round_trip.is_some_and(|round_trip| self.queues(now, round_trip));
        let floor = f64::from(limits.floor);
        if lost > HARMFUL || queued {
            if now.since(self.decreased) < SETTLE {
                return;
            }
            self.decreased = now;
            self.narrow = Some(now);
            // Where packets wait and are lost, what arrives is what the way carries; where they are only lost, it may be the air.
            let share = if queued { 0.75_f64.min(1.0 - lost).max(0.5) } else { 1.0 - lost / 2.0 };
            // From what was really sent: room that was never used is a guess.
            self.room = (self.room.min(rate) * share).max(floor / 2.0);
        } else if lost < HARMLESS || round_trip.is_some() {
            // A twelfth a second: from the floor to the ceiling in half a minute. Not far above what is sent, for the same reason.
            // Where something is lost and yet nothing waits, it is the air and not the traffic: on, but carefully.
            let careful = if lost < HARMLESS { 1.0 } else { 0.25 };
            let step = (self.room / 12.0).max(20.0) * heard_for.as_secs_f64() * careful;
            let known = rate.max(floor) * 1.5;
            self.room = (self.room + step).min(f64::from(limits.ceiling)).min(self.room.max(known));
        }
    }

    /// Whether packets wait somewhere on the way.
    fn queues(&mut self, now: Moment, round_trip: Duration) -> bool {
        let best = match self.best {
            Some((best, at)) if best <= round_trip && now.since(at) < BEST_LASTS => best,
            Some(_) | None => {
                self.best = Some((round_trip, now));
                round_trip
            }
        };
        round_trip > best * 2 && round_trip > best + QUEUED
    }

    fn unheard(&mut self, now: Moment, limits: Limits) {
        if now.since(self.reported) > UNHEARD && now.since(self.decreased) >= SETTLE {
            self.decreased = now;
            self.room = (self.room * 0.7).max(f64::from(limits.floor) / 2.0);
        }
    }

    /// Whether it begins or ceases to get the picture.
    fn judge(&mut self, now: Moment, limits: Limits, usual: Option<f64>) -> Option<bool> {
        match self.picture {
            Picture::Shown { since } => {
                if now.since(since) > PROVEN {
                    self.pause = FIRST_PAUSE;
                }
                let starves = self.room < f64::from(limits.floor);
                let slows = usual.is_some_and(|usual| self.room < usual / 2.0);
                self.starved = starves.then(|| self.starved.unwrap_or(now));
                self.slow = slows.then(|| self.slow.unwrap_or(now));
                let long = |since: Option<Moment>, limit| since.is_some_and(|since| now.since(since) >= limit);
                let stops = self.talks && (long(self.starved, STARVED) || long(self.slow, PATIENCE));
                if !stops {
                    return None;
                }
                self.picture = Picture::Paused { until: now + self.pause };
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                (self.starved, self.slow) = (None, None);
                Some(false)
            }
            Picture::Paused { until } => {
                // Sound alone arrives well: there may be room again. It begins with the floor, or with what the others have.
                let well = now.since(self.reported) <= UNHEARD && now.since(self.decreased) >= SETTLE * 2;
                if now < until || !well {
                    return None;
                }
                self.picture = Picture::Shown { since: now };
                self.room = self.room.max(f64::from(limits.floor)).max(usual.map_or(0.0, |usual| usual / 2.0));
                Some(true)
            }
        }
    }
}

#[cfg(test)]
mod tests;
