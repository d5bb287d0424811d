//! The journal's lines about calls: enough to follow a call. A journal that is slow, or stands still, holds up whoever writes
//! to it, so the loop writes them when everybody who is rung has heard it.

use tracing::{Level, enabled, info};

use crate::signaling::protocol::{Call, Leg};

/// A line that waits to be written.
#[derive(Debug)]
struct Line {
    said: Said,
    /// The call as it stood.
    call: Call,
}

#[derive(Debug)]
enum Said {
    /// A verb was done, by this device.
    Done(&'static str, Leg),
    Over,
}

/// Lines that wait.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// A verb was done.
    pub(super) fn done(&mut self, what: &'static str, by: Leg, call: &Call) {
        self.keep(|| Line { said: Said::Done(what, by), call: call.clone() });
    }

    /// A call is over.
    pub(super) fn over(&mut self, call: &Call) {
        self.keep(|| Line { said: Said::Over, call: call.clone() });
    }

    fn keep(&mut self, line: impl FnOnce() -> Line) {
        if enabled!(Level::INFO) {
            self.0.push(line());
        }
    }

    /// How many wait.
    pub(super) const fn waiting(&self) -> usize {
        self.0.len()
    }

    /// Writes what waits.
    pub(super) fn write(&mut self) {
        self.0.drain(..).for_each(Line::write);
    }
}

impl Line {
    fn write(self) {
        let Call { session_id, door, receiver, status, end_reason, duration, .. } = self.call;
        match self.said {
            Said::Done(what, Leg { uid, device_id, .. }) => {
                info!(%session_id, %door, %receiver, %uid, %device_id, ?status, "{what}");
            }
            Said::Over => info!(%session_id, %door, ?status, reason = ?end_reason, duration, "call over"),
        }
    }
}
