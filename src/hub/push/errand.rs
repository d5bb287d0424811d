//! One phone and one call: wakes it, again and again while it rings, and takes the ring back where it may have arrived.
//!
//! One task, so that the ring is always before its end. It waits for the service as long as it takes; nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::Office;
use super::post::{Answer, Stamp};
use super::subscription::Subscription;
use crate::hub::orders::Order;
use crate::ids::{DeviceId, SessionId};
use crate::signaling::push::PushMessage;

/// Before the first repetition of what failed; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long the end of a ring is worth sending.
const TRY_OVER_FOR: Duration = Duration::from_secs(60);

/// How long the end of a ring is kept for a phone that is not reached: it tells of a missed call.
const OVER_LIVES: Duration = Duration::from_secs(600);

/// Where the call stands for this phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It rings, until then.
    Rings(Instant),
    /// It rings no more, and the phone is to be told.
    Over(PushMessage),
    /// It rings no more, and the phone knows.
    Known,
}

/// See the top of this file.
#[derive(Debug)]
pub struct Errand {
    pub office: Arc<Office>,
    pub session_id: SessionId,
    pub device_id: DeviceId,
    pub to: Arc<Subscription>,
    /// Which service, and where it is.
    pub lane: usize,
    pub origin: String,
    pub stage: watch::Receiver<Stage>,
    /// One of the places that bound their number.
    pub _place: OwnedSemaphorePermit,
}

impl Errand {
    /// Runs it to its end.
    pub async fn run(mut self, ring: Option<PushMessage>) {
        let may_ring = match ring {
            Some(ring) => self.wake(&ring).await,
            // Somebody else woke it, before the hub started again.
            None => true,
        };
        if !may_ring {
            return;
        }
        // An error: the hub stops.
        let over = self.stage.wait_for(|stage| !matches!(stage, Stage::Rings(_))).await.map(|stage| stage.clone());
        if let Ok(Stage::Over(message)) = over {
            self.tell(&message).await;
        }
    }

    /// Whether the phone may have heard of the ring.
    async fn wake(&mut self, ring: &PushMessage) -> bool {
        let began = Instant::now();
        let (mut sent, mut may_ring, mut pause) = (false, false, FIRST_PAUSE);
        while let Some(until) = self.rings_until() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let answer = tokio::select! {
                turn = self.office.turn(&self.device_id, self.lane) => self.send(turn, ring, left).await,
                changed = self.stage.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return false,
                },
            };
            let wait = match answer {
                Answer::Sent => {
                    if !sent {
                        self.office.metrics.pushed(began.elapsed());
                        let order = Order::Notified { session_id: self.session_id, device: self.device_id.clone() };
                        self.office.handle.tell(order).await;
                    }
                    (sent, may_ring, pause) = (true, true, FIRST_PAUSE);
                    self.office.repeat
                }
                Answer::Failed => {
                    may_ring = true;
                    longer(&mut pause)
                }
                Answer::Busy(rest) => rest,
                Answer::Gone | Answer::Refused(_) => return false,
            };
            tokio::select! {
                () = sleep(wait) => {}
                changed = self.stage.changed() => if changed.is_err() { return false },
            }
        }
        may_ring
    }

    fn rings_until(&self) -> Option<Instant> {
        match *self.stage.borrow() {
            Stage::Rings(until) => Some(until),
            Stage::Over(_) | Stage::Known => None,
        }
    }

    /// Tells that it rings no more.
    async fn tell(&self, over: &PushMessage) {
        let (until, mut pause) = (Instant::now() + TRY_OVER_FOR, FIRST_PAUSE);
        loop {
            let turn = tokio::select! {
                turn = self.office.turn(&self.device_id, self.lane) => turn,
                () = sleep_until(until) => return,
            };
            let wait = match self.send(turn, over, OVER_LIVES).await {
                Answer::Sent | Answer::Gone | Answer::Refused(_) => return,
                Answer::Failed => longer(&mut pause),
                Answer::Busy(rest) => rest,
            };
            if Instant::now() + wait > until {
                return;
            }
            sleep(wait).await;
        }
    }

    async fn send(&self, _turn: SemaphorePermit<'_>, message: &PushMessage, lives: Duration) -> Answer {
        let topic = topic(self.session_id, &self.device_id);
        let stamp = Stamp { origin: &self.origin, topic: &topic, lives };
        let answer = self.office.post.send(&self.office.sender, &self.to, stamp, message).await;
        let outcome = match answer {
            Answer::Sent => "sent",
            Answer::Failed => "failed",
            Answer::Busy(rest) => {
                debug!(device_id = %self.device_id, seconds = rest.as_secs(), "a push service asks for a rest");
                self.office.rest(&self.device_id, rest);
                "busy"
            }
            Answer::Gone => {
                info!(device_id = %self.device_id, "a push subscription is dead");
                let dropped = self.office.desk.unsubscribe(self.device_id.clone(), Some(self.to.clone())).await;
                if let Err(error) = dropped {
                    warn!(%error, "a dead push subscription cannot be forgotten");
                }
                "gone"
            }
            Answer::Refused(status) => {
                warn!(device_id = %self.device_id, %status, service = self.origin, "a push is refused");
                "refused"
            }
        };
        self.office.metrics.push(outcome);
        answer
    }
}

/// This pause; the next one is twice as long.
fn longer(pause: &mut Duration) -> Duration {
    let next = *pause * 2;
    std::mem::replace(pause, next)
}

/// One per call and phone, 22 characters: the service sees neither which call it is nor who else is called.
fn topic(session_id: SessionId, device_id: &DeviceId) -> String {
    let hash = Sha256::digest(format!("{session_id} {device_id}"));
    data_encoding::BASE64URL_NOPAD.encode(&hash[..16])
}
