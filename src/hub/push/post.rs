//! One message to one push service: the HTTP request, and what its answer means. Decides neither when nor whether to send.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use rustls::RootCertStore;
use tracing::debug;

use super::subscription::Subscription;
use super::vapid::Sender;
use crate::clock;
use crate::signaling::protocol::to_json;
use crate::signaling::push::PushMessage;

/// A service that takes longer is given up for this time.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is worth reading of an answer, to keep the connection.
const MAX_ANSWER: u64 = 4096;

/// The longest rest that a service may ask for.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// Where a service asks for a rest and does not say how long.
const REST: Duration = Duration::from_secs(30);

/// How the message is to be handled on its way.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// Where its service is: scheme, host and port.
    pub origin: &'a str,
    /// A later message of the same topic takes the place of one that was not fetched yet.
    pub topic: &'a str,
    /// How long it is kept for a phone that is not reached.
    pub lives: Duration,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The service has it.
    Sent,
    /// The service asks to wait before the next one to this phone.
    Busy(Duration),
    /// It did not work, and may the next time. Whether the service has it is not known.
    Failed,
    /// There is no such subscription any more.
    Gone,
    /// It will never work.
    Refused(StatusCode),
}

/// The way out.
#[derive(Debug, Clone)]
pub struct Post {
    client: Client,
}

impl Post {
    /// Kept-alive connections to public addresses, by the public certificate authorities.
    ///
    /// # Errors
    /// There is no TLS.
    pub fn new() -> Result<Self, reqwest::Error> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(false)
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(Arc::new(PublicAddresses))
            .tcp_nodelay(true)
            .timeout(DEADLINE)
            .build()?;
        Ok(Self { client })
    }

    /// Sends it, and waits for the service.
    pub async fn send(&self, sender: &Sender, to: &Subscription, stamp: Stamp<'_>, message: &PushMessage) -> Answer {
        let body = super::seal::seal(&to.key, to.auth.expose(), to_json(message).as_bytes());
        let (Ok(body), Ok(who)) = (body, sender.authorization(stamp.origin, clock::wall())) else {
            return Answer::Refused(StatusCode::BAD_REQUEST);
        };
        let request = self
            .client
            .post(to.endpoint.expose())
            .header(AUTHORIZATION, who)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_ENCODING, "aes128gcm")
            .header("TTL", stamp.lives.as_secs())
            .header("Urgency", "high")
            .header("Topic", stamp.topic)
            .body(body);
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) => {
                // The address of the error is that of the phone: a secret.
                debug!(error = %error.without_url(), "a push service is not reached");
                Answer::Failed
            }
        }
    }
}

async fn read(response: Response) -> Answer {
    let (status, rest) = (response.status(), retry_after(&response));
    if response.content_length().is_some_and(|length| length <= MAX_ANSWER) {
        drop(response.bytes().await);
    }
    match status {
        status if status.is_success() => Answer::Sent,
        StatusCode::NOT_FOUND | StatusCode::GONE => Answer::Gone,
        StatusCode::TOO_MANY_REQUESTS => Answer::Busy(rest.unwrap_or(REST)),
        StatusCode::SERVICE_UNAVAILABLE if rest.is_some() => Answer::Busy(rest.unwrap_or(REST)),
        status if status.is_server_error() => Answer::Failed,
        status => Answer::Refused(status),
    }
}

/// Seconds; a date is rare, and then the default does.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_REST))
}

/// Names are looked up as always, but what points into this machine or its network is not found: a name server must not be
/// able to send the hub there.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found.into_iter().filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || first == 0
                || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_its_network_are_not_public() {
        for public in ["142.250.74.74", "2a00:1450:4001:82b::200a", "100.128.0.1"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!is_public(inside.parse().expect("an address")), "{inside}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_found() {
        let name = "localhost".parse().expect("a name");
        assert!(PublicAddresses.resolve(name).await.is_err());
    }
}
