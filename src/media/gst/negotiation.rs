//! The order of descriptions and candidates of one connection, whatever order they come in. It touches no webrtcbin.

use crate::redacted::Redacted;

/// More candidates than this before the answer are not meant seriously.
const WAITING: usize = 64;
/// No honest description is longer.
const LONGEST: usize = 64 * 1024;

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
    pub(super) fn answer(&mut self, sdp: &str) -> bool {
        match self {
            Self::Offered { theirs } if looks_like_an_answer(sdp) => {
                *self = Self::Applying { theirs: std::mem::take(theirs) };
                true
            }
            Self::Offering { .. } | Self::Offered { .. } | Self::Applying { .. } | Self::Settled => false,
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

/// Answers our offer line by line: a picture and sound, in this order, with everything a connection needs. webrtcbin trusts
/// the shape of what it is given, so nothing of another shape reaches it.
fn looks_like_an_answer(sdp: &str) -> bool {
    let media: Vec<&str> = sdp.lines().filter_map(|line| line.strip_prefix("m=")).collect();
    let count = |attribute: &str| sdp.lines().filter(|line| line.starts_with(attribute)).count();
    sdp.len() <= LONGEST
        && sdp.starts_with("v=0")
        && media.len() == 2
        && media[0].starts_with("video ")
        && media[1].starts_with("audio ")
        && ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:"].iter().all(|attribute| count(attribute) > 0)
        && count("a=ice-ufrag:") == count("a=ice-pwd:")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\na=fingerprint:z\r\na=setup:active\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nm=audio 9 UDP/TLS/RTP/SAVPF 97\r\n";

    fn candidate(number: u32) -> Candidate {
        Candidate { sdp_m_line_index: number, candidate: String::new().into() }
    }

    #[test]
    fn everything_in_its_order() {
        let mut negotiation = Negotiation::start();
        assert_eq!(negotiation.our_candidate(candidate(1)), None);
        assert!(!negotiation.answer(ANSWER), "an answer before the offer");
        assert_eq!(negotiation.their_candidate(candidate(8)), None);
        assert_eq!(negotiation.offer_in_force(), [candidate(1)]);
        assert_eq!(negotiation.our_candidate(candidate(2)), Some(candidate(2)));
        assert_eq!(negotiation.their_candidate(candidate(9)), None);
        assert!(!negotiation.answer("v=0\r\n"));
        assert!(negotiation.answer(ANSWER));
        assert!(!negotiation.answer(ANSWER), "a second one");
        assert_eq!(negotiation.answer_in_force(), [candidate(9)], "and not the one from before the offer");
        assert_eq!(negotiation.their_candidate(candidate(10)), Some(candidate(10)));
        assert!(!negotiation.answer(ANSWER));
        assert_eq!(negotiation.answer_in_force(), []);
        assert_eq!(negotiation.offer_in_force(), []);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut negotiation = Negotiation::start();
        negotiation.offer_in_force();
        (0..1000).for_each(|number| assert_eq!(negotiation.their_candidate(candidate(number)), None));
        assert!(negotiation.answer(ANSWER));
        assert_eq!(negotiation.answer_in_force().len(), WAITING);
    }

    #[test]
    fn another_shape_is_no_answer() {
        for (from, to) in [
            ("m=video", "m=audio"),
            ("m=audio", "m=application"),
            ("a=ice-pwd", "a=nothing"),
            ("a=fingerprint", "a=nothing"),
            ("a=setup", "a=ice-ufrag:again\r\na=setup"),
            ("v=0", "v=1"),
            ("m=audio", "m=audio 9 UDP/TLS/RTP/SAVPF 97\r\nm=audio"),
        ] {
            assert!(!looks_like_an_answer(&ANSWER.replace(from, to)), "{from} → {to}");
        }
        assert!(looks_like_an_answer(ANSWER));
        assert!(!looks_like_an_answer(&(ANSWER.to_owned() + &"a=x\r\n".repeat(20_000))));
    }
}
