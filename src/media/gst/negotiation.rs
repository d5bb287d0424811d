//! The order of descriptions and candidates of one connection, whatever order they come in. It touches no webrtcbin.

use crate::redacted::Redacted;

/// More candidates than this before the answer are not meant seriously.
const WAITING: usize = 64;

/// A way to reach somebody, with the index of its media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) sdp_m_line_index: u32,
    pub(super) candidate: Redacted<String>,
}

/// How far the two sides are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Negotiation {
    /// Our offer is not in force yet: our candidates wait, and nothing the peer says can be meant for it.
    Offering { ours: Vec<Candidate> },
    /// The offer was sent. The peer's candidates wait for its answer.
    Offered { theirs: Vec<Candidate> },
    /// The answer is being applied.
    Applying { theirs: Vec<Candidate> },
    /// Both are in force.
    Settled,
}

impl Negotiation {
    /// Nothing was said yet.
    pub(super) fn start() -> Self {
        Self::Offering { ours: Vec::new() }
    }

    /// Our offer is in force: it may be sent, and then these candidates.
    pub(super) fn offer_in_force(&mut self) -> Vec<Candidate> {
        match std::mem::replace(self, Self::Offered { theirs: Vec::new() }) {
            Self::Offering { ours } => ours,
            later @ (Self::Offered { .. } | Self::Applying { .. } | Self::Settled) => {
                *self = later;
                Vec::new()
            }
        }
    }

    /// A candidate of ours; given back if it may be sent.
    pub(super) fn our_candidate(&mut self, candidate: Candidate) -> Option<Candidate> {
        match self {
            Self::Offering { ours } => {
                ours.push(candidate);
                None
            }
            Self::Offered { .. } | Self::Applying { .. } | Self::Settled => Some(candidate),
        }
    }

    /// An answer; true if it is to be applied. Early ones and second ones are not.
    pub(super) fn answer(&mut self) -> bool {
        match self {
            Self::Offered { theirs } => {
                *self = Self::Applying { theirs: std::mem::take(theirs) };
                true
            }
            Self::Offering { .. } | Self::Applying { .. } | Self::Settled => false,
        }
    }

    /// The answer is in force: the candidates that waited for it.
    pub(super) fn answer_in_force(&mut self) -> Vec<Candidate> {
        match std::mem::replace(self, Self::Settled) {
            Self::Applying { theirs } => theirs,
            Self::Settled => Vec::new(),
            earlier @ (Self::Offering { .. } | Self::Offered { .. }) => {
                *self = earlier;
                Vec::new()
            }
        }
    }

    /// A candidate of the peer; given back if it is to be applied now.
    pub(super) fn their_candidate(&mut self, candidate: Candidate) -> Option<Candidate> {
        match self {
            Self::Offering { .. } => None,
            Self::Offered { theirs } | Self::Applying { theirs } => {
                if theirs.len() < WAITING {
                    theirs.push(candidate);
                }
                None
            }
            Self::Settled => Some(candidate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(number: u32) -> Candidate {
        Candidate { sdp_m_line_index: number, candidate: String::new().into() }
    }

    #[test]
    fn everything_in_its_order() {
        let mut negotiation = Negotiation::start();
        assert_eq!(negotiation.our_candidate(candidate(1)), None);
        assert!(!negotiation.answer(), "an answer before the offer");
        assert_eq!(negotiation.their_candidate(candidate(8)), None);
        assert_eq!(negotiation.offer_in_force(), [candidate(1)]);
        assert_eq!(negotiation.our_candidate(candidate(2)), Some(candidate(2)));
        assert_eq!(negotiation.their_candidate(candidate(9)), None);
        assert!(negotiation.answer());
        assert!(!negotiation.answer(), "a second one");
        assert_eq!(negotiation.answer_in_force(), [candidate(9)], "and not the one from before the offer");
        assert_eq!(negotiation.their_candidate(candidate(10)), Some(candidate(10)));
        assert!(!negotiation.answer());
        assert_eq!(negotiation.answer_in_force(), []);
        assert_eq!(negotiation.offer_in_force(), []);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut negotiation = Negotiation::start();
        negotiation.offer_in_force();
        (0..1000).for_each(|number| assert_eq!(negotiation.their_candidate(candidate(number)), None));
        assert!(negotiation.answer());
        assert_eq!(negotiation.answer_in_force().len(), WAITING);
    }
}
