//! How connections find their way: addresses of servers as webrtcbin takes them, and which of our own candidates are told.

use std::net::IpAddr;

use crate::media::pipeline::IceSettings;
use crate::signaling::protocol::IceServer;

/// A server as webrtcbin takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Server {
    /// Value of the property `stun-server`.
    Stun(String),
    /// Argument of `add-turn-server`; it holds a credential.
    Turn(String),
}

/// The servers that can be used; the others are passed over.
pub(super) fn servers(offered: &[IceServer]) -> Vec<Server> {
    offered.iter().flat_map(|server| server.urls.iter().filter_map(|url| parse(url, server))).collect()
}

fn parse(url: &str, server: &IceServer) -> Option<Server> {
    let (scheme, rest) = url.split_once(':')?;
    if rest.is_empty() || rest.contains(['/', '@', ' ']) {
        return None;
    }
    match scheme {
        "stun" => Some(Server::Stun(format!("stun://{}", with_port(rest, 3478)))),
        "turn" | "turns" => {
            let user = escaped(server.username.as_deref().unwrap_or_default());
            let password = escaped(server.credential.as_ref().map_or("", |credential| credential.expose()));
            let port = if scheme == "turn" { 3478 } else { 5349 };
            Some(Server::Turn(format!("{scheme}://{user}:{password}@{}", with_port(rest, port))))
        }
        _ => None,
    }
}

/// RFC 7065: the port may be missing, a query may follow.
fn with_port(rest: &str, port: u16) -> String {
    let (host, query) = rest.split_once('?').map_or((rest, None), |(host, query)| (host, Some(query)));
    let has_port = host.rsplit_once(':').is_some_and(|(before, _)| !before.contains(':') || before.ends_with(']'));
    let host = if has_port { host.to_owned() } else { format!("{host}:{port}") };
    query.map_or(host.clone(), |query| format!("{host}?{query}"))
}

/// RFC 3986 section 2.1: time-limited user names have a colon, passwords are base64.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut done, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            done.push(char::from(byte));
        } else {
            done.push_str(&format!("%{byte:02X}"));
        }
        done
    })
}

/// Whether a candidate of ours is of any use to a resident.
pub(super) fn is_worth_telling(candidate: &str, settings: &IceSettings) -> bool {
    // RFC 8839 section 5.1: foundation, component, transport, priority, address.
    let Some(address) = candidate.split_ascii_whitespace().nth(4).and_then(|text| text.parse::<IpAddr>().ok()) else {
        return !candidate.is_empty();
    };
    match address {
        IpAddr::V4(v4) => !v4.is_link_local() && (settings.loopback || !v4.is_loopback()),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && (settings.loopback || !v6.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> IceServer {
        IceServer {
            urls: vec![url.to_owned()],
            username: Some("1700000000:door".to_owned()),
            credential: Some("a+b/c=".to_owned().into()),
        }
    }

    #[test]
    fn servers_are_written_as_webrtcbin_takes_them() {
        let parsed = |url| match servers(&[server(url)]).pop() {
            Some(Server::Stun(text) | Server::Turn(text)) => Some(text),
            None => None,
        };
        assert_eq!(parsed("stun:hub.example").as_deref(), Some("stun://hub.example:3478"));
        assert_eq!(parsed("stun:[2001:db8::1]:3479").as_deref(), Some("stun://[2001:db8::1]:3479"));
        assert_eq!(parsed("stun:[2001:db8::1]").as_deref(), Some("stun://[2001:db8::1]:3478"));
        assert_eq!(
            parsed("turn:hub.example:3478?transport=tcp").as_deref(),
            Some("turn://1700000000%3Adoor:a%2Bb%2Fc%3D@hub.example:3478?transport=tcp")
        );
        assert_eq!(
            parsed("turns:hub.example").as_deref(),
            Some("turns://1700000000%3Adoor:a%2Bb%2Fc%3D@hub.example:5349")
        );
        for nonsense in ["", "stun", "stun:", "http://x", "turn://x", "turn:a@b"] {
            assert_eq!(parsed(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn only_useful_candidates_are_told() {
        let open = IceSettings { loopback: false, min_port: 0, max_port: 0 };
        let alone = IceSettings { loopback: true, ..open.clone() };
        let candidate = |address: &str| format!("candidate:1 1 UDP 2015363327 {address} 40000 typ host");
        for (address, told, told_alone) in [
            ("192.0.2.7", true, true),
            ("127.0.0.1", false, true),
            ("::1", false, true),
            ("169.254.3.4", false, false),
            ("fe80::1", false, false),
            ("2001:db8::1", true, true),
        ] {
            assert_eq!(is_worth_telling(&candidate(address), &open), told, "{address}");
            assert_eq!(is_worth_telling(&candidate(address), &alone), told_alone, "{address}");
        }
        assert!(!is_worth_telling("", &open));
    }
}
