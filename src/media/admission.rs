//! What of descriptions and candidates is let through: a resident's words to webrtcbin, and the door's own to a resident.
//!
//! webrtcbin trusts the shape of what it is given. So an answer is not examined for what is forbidden, it is written anew from
//! the lines that are allowed; and a candidate goes to no address that a resident has no business to point the door at.
//! It opens nothing and resolves no name.

#![deny(clippy::disallowed_methods)]

use core::net::IpAddr;

use super::pipeline::IceSettings;

/// No honest description is longer, and none has more lines or longer ones.
const LONGEST: usize = 64 * 1024;
const MOST_LINES: usize = 1024;
const LONGEST_LINE: usize = 2048;
/// Candidates in one answer. Browsers send theirs one by one.
const MOST_CANDIDATES: usize = 32;
const LONGEST_CANDIDATE: usize = 512;
/// The sections of every offer, in this order.
const SECTIONS: [&str; 2] = ["video", "audio"];
/// Attributes that mean something to a connection with one picture and one sound. What is not here is left out: keys for plain
/// SRTP, data channels, simulcast, whatever comes to be invented.
const ATTRIBUTES: [&str; 26] = [
    "candidate",
    "end-of-candidates",
    "extmap",
    "extmap-allow-mixed",
    "fingerprint",
    "fmtp",
    "group",
    "ice-options",
    "ice-pwd",
    "ice-ufrag",
    "inactive",
    "maxptime",
    "mid",
    "msid",
    "msid-semantic",
    "ptime",
    "recvonly",
    "rtcp",
    "rtcp-fb",
    "rtcp-mux",
    "rtcp-rsize",
    "rtpmap",
    "sendonly",
    "sendrecv",
    "setup",
    "ssrc",
];

/// A resident's answer, of which only what is allowed is left; nothing if it is no answer to the door's offer.
#[must_use]
pub fn answer(sdp: &str, settings: &IceSettings) -> Option<String> {
    if sdp.len() > LONGEST {
        return None;
    }
    let lines: Vec<&str> = sdp.lines().collect();
    let legal = |line: &&str| line.len() <= LONGEST_LINE && line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if lines.len() > MOST_LINES || !lines.iter().all(legal) || lines.first() != Some(&"v=0") {
        return None;
    }
    let begins: Vec<usize> = (0..lines.len()).filter(|&index| lines[index].starts_with("m=")).collect();
    let &[video, audio] = begins.as_slice() else { return None };
    let session = Section { lines: &lines[..video] };
    let sections = [Section { lines: &lines[video..audio] }, Section { lines: &lines[audio..] }];
    if !sections.iter().zip(SECTIONS).all(|(section, media)| section.answers(media, &session)) {
        return None;
    }
    if !session.groups_only(&sections) {
        return None;
    }
    Some(written(&lines, settings))
}

fn written(lines: &[&str], settings: &IceSettings) -> String {
    let mut candidates = 0;
    let kept = lines.iter().filter(|line| match line.split_once('=') {
        Some(("v" | "o" | "s" | "t" | "c" | "b" | "m", _)) => true,
        Some(("a", attribute)) if attribute.starts_with("candidate:") => {
            candidates += 1;
            candidates <= MOST_CANDIDATES && candidate(attribute, settings)
        }
        Some(("a", attribute)) => ATTRIBUTES.contains(&name(attribute)),
        Some(_) | None => false,
    });
    kept.flat_map(|line| [line, "\r\n"]).collect()
}

fn name(attribute: &str) -> &str {
    attribute.split_once(':').map_or(attribute, |(name, _)| name)
}

/// The lines before the first `m=`, or from one to the next.
struct Section<'a> {
    lines: &'a [&'a str],
}

impl<'a> Section<'a> {
    /// Values of an attribute.
    fn all(&self, attribute: &str) -> impl Iterator<Item = &'a str> {
        let of = |line: &&'a str| line.strip_prefix("a=").and_then(|line| line.split_once(':'));
        self.lines.iter().filter_map(of).filter_map(move |(name, value)| (name == attribute).then_some(value))
    }

    /// The value of an attribute that may be said once here, or once for all sections.
    fn one(&self, attribute: &str, session: &Self) -> Option<&'a str> {
        let mut own = self.all(attribute).chain(session.all(attribute).filter(|_| self.all(attribute).count() == 0));
        own.next().filter(|_| own.next().is_none())
    }

    fn answers(&self, media: &str, session: &Self) -> bool {
        let is = |attribute: &str, legal: fn(&str) -> bool| self.one(attribute, session).is_some_and(legal);
        let directions = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
        self.lines[0].strip_prefix("m=").is_some_and(|line| is_media(line, media))
            && is("ice-ufrag", |text| is_ice_text(text, 4))
            && is("ice-pwd", |text| is_ice_text(text, 22))
            && is("fingerprint", is_fingerprint)
            && is("setup", |text| matches!(text, "active" | "passive"))
            && self.one("mid", &Section { lines: &[] }).is_some_and(is_token)
            && self.lines.iter().filter(|line| directions.contains(line)).count() <= 1
            && ["rtpmap", "fmtp", "rtcp-fb"].iter().all(|attribute| self.all(attribute).all(begins_with_payload))
            && self.all("ssrc").all(|value| value.split(' ').next().is_some_and(|number| number.parse::<u32>().is_ok()))
    }

    /// A bundle of other sections than there are would point nowhere.
    fn groups_only(&self, sections: &[Self]) -> bool {
        let none = Section { lines: &[] };
        let mids: Vec<&str> = sections.iter().filter_map(|section| section.one("mid", &none)).collect();
        let mut groups = self.all("group");
        let fits = |group: &str| {
            group.strip_prefix("BUNDLE ").is_some_and(|bundle| bundle.split(' ').all(|mid| mids.contains(&mid)))
        };
        mids[0] != mids[1] && groups.next().is_none_or(fits) && groups.next().is_none()
    }
}

/// RFC 8866 section 5.14: media, port, protocol, payload types.
fn is_media(line: &str, media: &str) -> bool {
    let mut words = line.split(' ');
    let payloads = |words: std::str::Split<'_, char>| {
        let numbers: Vec<&str> = words.collect();
        (1..=32).contains(&numbers.len()) && numbers.iter().all(|number| is_payload(number))
    };
    words.next() == Some(media)
        && words.next().is_some_and(|port| port.parse::<u16>().is_ok())
        && words.next() == Some("UDP/TLS/RTP/SAVPF")
        && payloads(words)
}

fn is_payload(text: &str) -> bool {
    text.parse::<u8>().is_ok_and(|number| number < 128)
}

fn begins_with_payload(value: &str) -> bool {
    let first = value.split(' ').next().unwrap_or_default();
    first == "*" || is_payload(first)
}

/// RFC 8839 section 5.4: letters, digits, `+` and `/`.
fn is_ice_text(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len()) && text.bytes().all(is_ice_byte)
}

fn is_ice_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

fn is_token(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+~{}!#$%&'*^`|".contains(&byte))
}

/// RFC 8122 section 5, with what is still safe.
fn is_fingerprint(text: &str) -> bool {
    let Some((hash, digits)) = text.split_once(' ') else { return false };
    let length = match hash.to_ascii_lowercase().as_str() {
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _broken_or_unknown => return false,
    };
    let is_byte = |pair: &str| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits.split(':').count() == length && digits.split(':').all(is_byte)
}

/// Whether a resident's candidate may be tried: where packets are sent to, on a stranger's word.
#[must_use]
pub fn candidate(text: &str, settings: &IceSettings) -> bool {
    let Some(parts) = Parts::of(text) else { return false };
    // The door makes no TCP connections, and bundles everything into one component.
    let fits = parts.transport.eq_ignore_ascii_case("udp") && parts.component == 1 && parts.port != 0;
    fits && match parts.address.parse::<IpAddr>() {
        Ok(address) => is_somewhere(address, settings),
        Err(_) => is_mdns_name(parts.address),
    }
}

/// A candidate of the door's as it is told to a resident; nothing if it stays here.
#[must_use]
pub fn told(text: &str, settings: &IceSettings) -> Option<String> {
    let parts = Parts::of(text)?;
    let address: IpAddr = parts.address.parse().ok()?;
    if !is_somewhere(address, settings) {
        return None;
    }
    if !settings.relay_only {
        return Some(text.to_owned());
    }
    // What it is related to is the address that shall not be known (RFC 8839 section 5.1 allows zeros).
    let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
    for index in 0..words.len().saturating_sub(1) {
        match words[index] {
            "raddr" => words[index + 1] = if address.is_ipv4() { "0.0.0.0" } else { "::" },
            "rport" => words[index + 1] = "0",
            _other => {}
        }
    }
    (parts.kind == "relay").then(|| words.join(" "))
}

/// RFC 8839 section 5.1.
struct Parts<'a> {
    component: u16,
    transport: &'a str,
    address: &'a str,
    port: u16,
    kind: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST_CANDIDATE || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return None;
        }
        let mut words = text.strip_prefix("candidate:")?.split(' ');
        let foundation = words.next()?;
        let component = words.next()?.parse().ok()?;
        let transport = words.next()?;
        let _priority: u32 = words.next()?.parse().ok()?;
        let address = words.next()?;
        let port = words.next()?.parse().ok()?;
        let kind = words.next().filter(|word| *word == "typ").and(words.next())?;
        let legal = (1..=32).contains(&foundation.len())
            && foundation.bytes().all(is_ice_byte)
            && matches!(kind, "host" | "srflx" | "prflx" | "relay");
        legal.then_some(Self { component, transport, address, port, kind })
    }
}

/// An address of one machine in some network. Link-local ones hold, among others, the clouds' metadata services.
fn is_somewhere(address: IpAddr, settings: &IceSettings) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let nowhere = v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast() || v4.octets()[0] == 0;
            !nowhere && !v4.is_link_local() && (settings.loopback || !v4.is_loopback())
        }
        IpAddr::V6(v6) => {
            let nowhere = v6.is_unspecified() || v6.is_multicast();
            // fe80::/10, and the site-local fec0::/10 that nobody routes (RFC 3879).
            let local = v6.is_unicast_link_local() || v6.segments()[0] & 0xffc0 == 0xfec0;
            !nowhere && !local && (settings.loopback || !v6.is_loopback())
        }
    }
}

/// What browsers put in place of a private address: a random name, asked for on the local link only. Any other name would make
/// the door look it up for a stranger.
fn is_mdns_name(name: &str) -> bool {
    let Some(uuid) = name.strip_suffix(".local") else { return false };
    let lengths = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = uuid.split('-').collect();
    groups.len() == lengths.len()
        && groups
            .iter()
            .zip(lengths)
            .all(|(group, length)| group.len() == length && group.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests;
