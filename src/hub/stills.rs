//! The still pictures of calls that are not over, in memory only. What becomes of one afterwards is the history's.

use std::collections::BTreeMap;

use crate::ids::SessionId;
use crate::signaling::protocol::Still;

/// One still per call, at the most.
#[derive(Debug, Default)]
pub struct Stills {
    of_call: BTreeMap<SessionId, Still>,
}

impl Stills {
    /// The door of this call shows what it sees.
    pub fn show(&mut self, session_id: SessionId, still: Still) {
        self.of_call.insert(session_id, still);
    }

    /// What was shown.
    #[must_use]
    pub fn of(&self, session_id: SessionId) -> Option<&Still> {
        self.of_call.get(&session_id)
    }

    /// The call is over: its still is given away, and nothing of it stays here.
    pub fn take(&mut self, session_id: SessionId) -> Option<Still> {
        self.of_call.remove(&session_id)
    }
}
