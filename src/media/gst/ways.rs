//! By which ways a connection was tried, in words for whoever asks the station how it is: the pair of candidates in use, and why
//! others were not. It tries nothing itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::statistics::End;
use crate::media::protocol::Way;

/// What is known of the tries of one connection.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// Servers that it was given.
    stun: usize,
    turn: usize,
    /// Candidates of ours and of the peer, by their kind.
    ours: BTreeMap<String, u32>,
    theirs: BTreeMap<String, u32>,
    /// Candidates of the peer that lead nowhere the door goes.
    refused: u32,
    /// Addresses of ours, and of the peer with their ports, to tell the ends of a pair apart.
    addresses: Vec<String>,
    peers_addresses: Vec<(String, u32)>,
}

/// More addresses of a peer are not remembered: it may tell as many as it likes.
const MOST_ADDRESSES: usize = 32;

impl Ways {
    /// Nothing was tried yet.
    pub(super) fn new(stun: usize, turn: usize) -> Self {
        Self { stun, turn, ..Self::default() }
    }

    /// A candidate of ours. Its address, if the machine itself has it.
    pub(super) fn ours(&mut self, candidate: &str) -> Option<IpAddr> {
        let (address, _, kind) = parts(candidate)?;
        *self.ours.entry(kind.to_owned()).or_default() += 1;
        self.addresses.push(address.to_owned());
        address.parse().ok().filter(|_| kind == "host")
    }

    /// A candidate of the peer.
    pub(super) fn theirs(&mut self, candidate: &str, let_through: bool) {
        let Some((address, port, kind)) = parts(candidate).filter(|_| let_through) else {
            self.refused = self.refused.saturating_add(1);
            return;
        };
        if self.peers_addresses.len() < MOST_ADDRESSES {
            self.peers_addresses.push((address.to_owned(), port));
        }
        let kind = if address.parse::<IpAddr>().is_err() { "hidden" } else { kind };
        let count = self.theirs.entry(kind.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// In words. `ends` are those of the pair in use, if there is one.
    pub(super) fn told(&self, ends: &[End]) -> Way {
        let is_ours = |end: &&End| self.addresses.contains(&end.address);
        let is_theirs =
            |end: &&End| self.peers_addresses.iter().any(|(ip, port)| (ip, port) == (&end.address, &end.port));
        let other = |than: Option<&End>| ends.iter().find(|end| Some(*end) != than);
        // Behind a router our end is an address that only the peer saw; then theirs is the one that is known.
        let ours =
            ends.iter().find(is_ours).or_else(|| ends.iter().find(is_theirs).and_then(|theirs| other(Some(theirs))));
        let theirs = other(ours);
        let in_use = ours.zip(theirs).map(|(ours, theirs)| format!("{} to {}", named(ours), named(theirs)));
        Way { in_use, notes: self.notes(ours.is_some_and(|end| end.kind == "relay")) }
    }

    fn notes(&self, relayed: bool) -> Vec<String> {
        let mut notes = Vec::new();
        let has = |of: &BTreeMap<String, u32>, kind: &str| of.contains_key(kind);
        if relayed {
            notes.push("no direct way: the networks of door and phone keep each other out".to_owned());
        }
        if self.turn > 0 && !has(&self.ours, "relay") {
            notes.push("no relay: the TURN server was not reached, or did not take the login".to_owned());
        }
        if self.turn == 0 && !has(&self.theirs, "relay") {
            notes.push("no relay: the hub names no TURN server (docs/network.md)".to_owned());
        }
        if self.stun > 0 && !has(&self.ours, "srflx") && !has(&self.ours, "relay") {
            notes.push("no public address: the STUN server was not reached, or the door has one itself".to_owned());
        }
        if self.ours.is_empty() {
            notes.push("this machine has no address to be reached at".to_owned());
        }
        if self.theirs.is_empty() {
            notes.push("the phone told no address to be reached at".to_owned());
        } else if self.theirs.keys().all(|kind| kind == "hidden") {
            notes.push("the phone hides its addresses: it can only come to the door by itself".to_owned());
        }
        if self.refused > 0 {
            notes.push(format!("{} addresses of the phone were not tried: loopback, link-local, TCP", self.refused));
        }
        notes
    }
}

fn named(end: &End) -> String {
    let kind = match end.kind.as_str() {
        "host" => "own address",
        "srflx" => "public address",
        "prflx" => "address seen on the way",
        "relay" if end.protocol.eq_ignore_ascii_case("tcp") => "relay over TCP",
        "relay" => "relay",
        _unknown => "address",
    };
    format!(
        "{kind} {}",
        std::net::SocketAddr::new(
            end.address.parse().unwrap_or(IpAddr::from([0, 0, 0, 0])),
            u16::try_from(end.port).unwrap_or_default(),
        )
    )
}

/// RFC 8839 section 5.1: address, port and kind.
fn parts(candidate: &str) -> Option<(&str, u32, &str)> {
    let mut words = candidate.split_ascii_whitespace().skip(4);
    let (address, port) = (words.next()?, words.next()?.parse().ok()?);
    let kind = words.skip_while(|word| *word != "typ").nth(1)?;
    Some((address, port, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(address: &str, kind: &str) -> String {
        format!("candidate:1 1 UDP 1 {address} 4000 typ {kind}")
    }

    fn end(address: &str, kind: &str) -> End {
        End { address: address.to_owned(), port: 4000, kind: kind.to_owned(), protocol: "udp".to_owned() }
    }

    #[test]
    fn a_direct_way_needs_few_words() {
        let mut ways = Ways::new(0, 1);
        assert_eq!(ways.ours(&candidate("192.0.2.1", "host")), Some([192, 0, 2, 1].into()));
        assert_eq!(ways.ours(&candidate("198.51.100.1", "relay")), None);
        ways.theirs(&candidate("192.0.2.7", "host"), true);
        let way = ways.told(&[end("192.0.2.7", "host"), end("192.0.2.1", "host")]);
        assert_eq!(way.in_use.as_deref(), Some("own address 192.0.2.1:4000 to own address 192.0.2.7:4000"));
        assert_eq!(way.notes, [""; 0]);
    }

    #[test]
    fn an_end_that_only_the_peer_saw_is_ours() {
        let mut ways = Ways::new(1, 0);
        ways.ours(&candidate("192.0.2.1", "host"));
        ways.theirs(&candidate("203.0.113.9", "host"), true);
        let seen = End { port: 5000, ..end("203.0.113.9", "prflx") };
        let told = ways.told(&[seen, end("203.0.113.9", "host")]).in_use;
        let expected = "address seen on the way 203.0.113.9:5000 to own address 203.0.113.9:4000";
        assert_eq!(told.as_deref(), Some(expected));
        assert_eq!(ways.told(&[]).in_use, None);
    }

    #[test]
    fn why_others_were_not_used() {
        let mut ways = Ways::new(1, 1);
        ways.theirs(&candidate("127.0.0.1", "host"), false);
        ways.theirs(&candidate("01234567-89ab-cdef-0123-456789abcdef.local", "host"), true);
        let notes = ways.told(&[]).notes.join("\n");
        for word in ["TURN server was not reached", "STUN server", "no address", "hides", "1 addresses"] {
            assert!(notes.contains(word), "{word}: {notes}");
        }
        assert_eq!(ways.told(&[]).in_use, None);
        let notes = Ways::new(0, 0).told(&[]).notes.join("\n");
        assert!(notes.contains("names no TURN server") && notes.contains("told no address"), "{notes}");
    }
}
