//! How connections find their way: addresses of servers as webrtcbin takes them.

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
        // libnice takes `turns:` and then speaks without TLS: the login would go out in the open, and lead nowhere.
        "turn" => {
            let user = escaped(server.username.as_deref().unwrap_or_default());
            let password = escaped(server.credential.as_ref().map_or("", |credential| credential.expose()));
            Some(Server::Turn(format!("turn://{user}:{password}@{}", with_port(rest, 3478))))
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
        for nonsense in ["", "stun", "turns:hub.example", "stun:", "http://x", "turn://x", "turn:a@b"] {
            assert_eq!(parsed(nonsense), None, "{nonsense:?}");
        }
    }
}
