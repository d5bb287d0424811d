//! The hub's figures, for the operator's monitoring: counters, gauges and histograms in the text of OpenMetrics. They are
//! written where something happens and read by whoever asks; they decide nothing, and no name or id of anybody is in them.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;

use crate::signaling::protocol::{Call, ErrorCode, Trace};

/// What the text is, for whoever reads it.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Within a house a ring takes milliseconds; a phone that wakes up takes seconds.
const UNTIL_DELIVERED: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Machines to begin with, then people.
const UNTIL_STEP: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0, 90.0, 180.0];
/// People.
const UNTIL_ANSWERED: [f64; 10] = [1.0, 2.0, 4.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0, 90.0];

/// The figures. Every clone counts into the same ones.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    calls_over: Family<Over, Counter>,
    calls_begun: Counter,
    delivered: Histogram,
    answered: Histogram,
    pushed: Histogram,
    pushes: Family<Push, Counter>,
    steps: Family<Step, Histogram, fn() -> Histogram>,
    refusals: Family<Refused, Counter>,
    too_slow: Counter,
    open_calls: Gauge,
    online: Family<Online, Gauge>,
    waiting: Family<Queue, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Over {
    status: String,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Push {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Online {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Step {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("doorward");
        let histogram = |bounds: &[f64]| Histogram::new(bounds.iter().copied());
        let steps = Family::new_with_constructor((|| Histogram::new(UNTIL_STEP)) as fn() -> Histogram);
        let (calls_over, calls_begun) = (Family::default(), Counter::default());
        let (delivered, answered) = (histogram(&UNTIL_DELIVERED), histogram(&UNTIL_ANSWERED));
        let (pushed, pushes) = (histogram(&UNTIL_DELIVERED), Family::default());
        let (refusals, too_slow, open_calls) = (Family::default(), Counter::default(), Gauge::default());
        let (online, waiting) = (Family::<Online, Gauge>::default(), Family::default());
        registry.register("build", "This hub's build", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("calls", "Calls that are over, by how and why they ended", calls_over.clone());
        registry.register("calls_begun", "Calls that began to ring", calls_begun.clone());
        registry.register("calls_open", "Calls that ring or are ongoing", open_calls.clone());
        registry.register_with_unit(
            "press_to_step",
            "From the press to each step of a call, by the clock of its door",
            Unit::Seconds,
            steps.clone(),
        );
        registry.register_with_unit(
            "ring_to_delivered",
            "From the ring to a device's acknowledgement",
            Unit::Seconds,
            delivered.clone(),
        );
        registry.register_with_unit("ring_to_answer", "From the ring to the answer", Unit::Seconds, answered.clone());
        registry.register_with_unit(
            "ring_to_push",
            "From the ring to a push service's word that it has it",
            Unit::Seconds,
            pushed.clone(),
        );
        registry.register("pushes", "Messages to push services, by what became of them", pushes.clone());
        registry.register("refusals", "What was refused, by its code", refusals.clone());
        registry.register("slow_sockets", "Event sockets closed because they took nothing any more", too_slow.clone());
        registry.register("online", "Devices with an event socket", online.clone());
        registry.register("waiting", "What waits in the hub's queues", waiting.clone());
        for kind in ["door", "phone"] {
            online.get_or_create(&Online { kind }).set(0);
        }
        Self {
            registry: Arc::new(registry),
            calls_over,
            calls_begun,
            delivered,
            answered,
            pushed,
            pushes,
            steps,
            refusals,
            too_slow,
            open_calls,
            online,
            waiting,
        }
    }
}

impl Metrics {
    /// A call rings.
    pub fn call_began(&self) {
        self.calls_begun.inc();
        self.open_calls.inc();
    }

    /// Calls were taken up after a restart.
    pub fn calls_taken_up(&self, calls: usize) {
        self.open_calls.inc_by(gauge(calls));
    }

    /// A call is over.
    pub fn call_over(&self, call: &Call) {
        let reason = call.end_reason.map(word).unwrap_or_default();
        self.calls_over.get_or_create(&Over { status: word(call.status), reason }).inc();
        self.open_calls.dec();
    }

    /// A device acknowledged a ring, so long after it began.
    pub fn delivered(&self, after: Duration) {
        self.delivered.observe(after.as_secs_f64());
    }

    /// A call was answered, so long after it began.
    pub fn answered(&self, after: Duration) {
        self.answered.observe(after.as_secs_f64());
    }

    /// A push service took a ring, so long after it began.
    pub fn pushed(&self, after: Duration) {
        self.pushed.observe(after.as_secs_f64());
    }

    /// What became of a message to a push service.
    pub fn push(&self, outcome: &'static str) {
        self.pushes.get_or_create(&Push { outcome }).inc();
    }

    /// Somebody was refused something.
    pub fn refused(&self, code: ErrorCode) {
        self.refusals.get_or_create(&Refused { code: word(code) }).inc();
    }

    /// An event socket is closed because it takes nothing any more.
    pub fn closed_slow(&self) {
        self.too_slow.inc();
    }

    /// Who is there.
    pub fn online(&self, doors: usize, phones: usize) {
        for (kind, number) in [("door", doors), ("phone", phones)] {
            self.online.get_or_create(&Online { kind }).set(gauge(number));
        }
    }

    /// How much waits in a queue now.
    pub fn waiting(&self, queue: &'static str, number: usize) {
        self.waiting.get_or_create(&Queue { queue }).set(gauge(number));
    }

    /// A door told how long what took in a call.
    pub fn traced(&self, trace: &Trace) {
        for (step, at) in trace.steps() {
            self.steps.get_or_create(&Step { step }).observe(Duration::from_millis(at).as_secs_f64());
        }
    }

    /// All of it, as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A word of the protocol, as it stands on the wire.
fn word(word: impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_words_of_the_protocol_and_end_as_the_format_says() {
        let metrics = Metrics::default();
        metrics.refused(ErrorCode::ErrRateLimited);
        metrics.clone().refused(ErrorCode::ErrRateLimited);
        metrics.delivered(Duration::from_millis(20));
        metrics.online(1, 41);
        metrics.traced(&Trace { sent: Some(12), first_frame: Some(310), ..Trace::default() });
        metrics.waiting("orders", 7);
        let text = metrics.text();
        for line in [
            "doorward_refusals_total{code=\"ERR_RATE_LIMITED\"} 2",
            "doorward_ring_to_delivered_seconds_bucket{le=\"0.01\"} 0",
            "doorward_ring_to_delivered_seconds_bucket{le=\"0.025\"} 1",
            "doorward_press_to_step_seconds_bucket{le=\"0.01\",step=\"sent\"} 0",
            "doorward_press_to_step_seconds_bucket{le=\"0.5\",step=\"first frame\"} 1",
            "doorward_online{kind=\"phone\"} 41",
            "doorward_waiting{queue=\"orders\"} 7",
            concat!("doorward_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
