//! When what happened in one call: the latency trace that a door hands to its hub. Plain numbers, no decisions.

use serde::{Deserialize, Serialize};

/// Milliseconds from the visitor's press to each step, by the door's own monotonic clock. What did not happen is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The hub has the call, and rings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sent: Option<u64>,
    /// The first phone says that it rings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivered: Option<u64>,
    /// The first phone asks for the picture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub viewed: Option<u64>,
    /// A resident answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accepted: Option<u64>,
    /// The first media connection is up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connected: Option<u64>,
    /// The first picture left the door.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_frame: Option<u64>,
    /// The first sound of the visitor left the door.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_sound_out: Option<u64>,
    /// The first sound of a resident arrived.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_sound_in: Option<u64>,
    /// The call was over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<u64>,
}

impl Trace {
    /// Every step that has a time, in the order of a call.
    pub fn steps(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("sent", self.sent),
            ("delivered", self.delivered),
            ("viewed", self.viewed),
            ("accepted", self.accepted),
            ("connected", self.connected),
            ("first frame", self.first_frame),
            ("first sound out", self.first_sound_out),
            ("first sound in", self.first_sound_in),
            ("ended", self.ended),
        ]
        .into_iter()
        .filter_map(|(step, at)| at.map(|at| (step, at)))
    }
}
