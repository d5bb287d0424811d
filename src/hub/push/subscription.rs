//! Where a phone can be woken, as the phone says it: checked before it is believed. Never sends anything.

use data_encoding::BASE64URL_NOPAD;
use reqwest::Url;

use super::seal::{self, AUTH, POINT};
use crate::config::push::Service;
use crate::redacted::Redacted;
use crate::signaling::push::{PushBody, PushKeys};

/// The longest address that is kept.
const MAX_ENDPOINT: usize = 1024;

/// Where and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The address at the push service. Whoever knows it can send there.
    pub endpoint: Redacted<String>,
    /// The phone's public key.
    pub key: [u8; POINT],
    /// The secret it shares with the hub.
    pub auth: Redacted<[u8; AUTH]>,
}

/// Why a subscription is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not what a browser gives.
    #[error("not the JSON of a push subscription")]
    Malformed,
    /// The operator does not allow this push service.
    #[error("the hub does not send to this push service; see `push.services` in hub.toml")]
    Service,
}

impl Subscription {
    /// Reads what a phone sent, for a hub that sends to these services.
    ///
    /// # Errors
    /// It is malformed, or the service is none of these.
    pub fn read(body: &PushBody, services: &[Service]) -> Result<Self, Unfit> {
        let PushBody { endpoint, keys: PushKeys { p256dh, auth } } = body;
        service_of(endpoint.expose(), services)?;
        let key = decode(p256dh.expose()).ok_or(Unfit::Malformed)?;
        let auth = decode(auth.expose()).ok_or(Unfit::Malformed)?;
        // Tried now: later nobody would hear that it is no point of the curve.
        seal::seal(&key, &auth, b"").map_err(|_| Unfit::Malformed)?;
        Ok(Self { endpoint: endpoint.clone(), key, auth: Redacted::new(auth) })
    }
}

/// The entry of the list that allows this address, and the address's origin.
///
/// # Errors
/// It is no address, or none allows it.
pub fn service_of<'s>(endpoint: &str, services: &'s [Service]) -> Result<(&'s Service, String), Unfit> {
    if endpoint.len() > MAX_ENDPOINT {
        return Err(Unfit::Malformed);
    }
    let url = Url::parse(endpoint).map_err(|_| Unfit::Malformed)?;
    let (origin, host) = (url.origin().ascii_serialization(), url.host_str().unwrap_or_default());
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let public = plain && url.scheme() == "https" && url.port().is_none();
    let allows = |service: &&Service| match service {
        Service::Host(name) => public && host == name,
        Service::Below(domain) => public && host.strip_suffix(domain).is_some_and(|head| head.ends_with('.')),
        Service::Loopback(address) => plain && origin == *address,
    };
    services.iter().find(allows).map(|service| (service, origin)).ok_or(Unfit::Service)
}

/// With or without the padding that some browsers write.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_services_of_the_list_are_sent_to() {
        let services = ["push.test.net", "*.push.apple.com", "http://127.0.0.1:9000"];
        let services = services.map(|text| Service::read(text).expect("a service"));
        for good in ["https://push.test.net/a?b=c", "https://web.push.apple.com/x", "http://127.0.0.1:9000/a"] {
            assert!(service_of(good, &services).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("nonsense", Unfit::Malformed),
            (&*format!("https://push.test.net/{}", "a".repeat(1100)), Unfit::Malformed),
            ("http://push.test.net/a", Unfit::Service),
            ("https://push.test.net:8443/a", Unfit::Service),
            ("https://user@push.test.net/a", Unfit::Service),
            ("https://push.test.net@10.0.0.1/a", Unfit::Service),
            ("https://push.test.net.evil.net/a", Unfit::Service),
            ("https://push.apple.com/a", Unfit::Service),
            ("https://evilpush.apple.com/a", Unfit::Service),
            ("https://127.0.0.1/a", Unfit::Service),
            ("https://[::1]/a", Unfit::Service),
            ("https://localhost/a", Unfit::Service),
            ("http://127.0.0.1:9001/a", Unfit::Service),
            ("http://127.0.0.1/a", Unfit::Service),
            ("http://169.254.169.254/latest/meta-data", Unfit::Service),
            ("file:///etc/shadow", Unfit::Service),
        ] {
            assert_eq!(service_of(bad, &services).expect_err(bad), why, "{bad}");
        }
    }
}
