//! STUN and TURN servers as a session token tells them. A TURN server that shares a secret with the hub gets a login for each
//! call and device that runs out by itself: what a phone keeps or leaks is soon worth nothing.
//!
//! It speaks with no server: the login is made by the rule that coturn calls its REST API
//! (draft-uberti-behave-turn-rest-00).

use std::time::Duration;

use data_encoding::BASE64;
use ring::hmac;

use crate::ids::DeviceId;
use crate::redacted::Redacted;
use crate::signaling::protocol::IceServer;

/// The longest ring and the longest conversation, and some minutes for clocks that differ: a connection that is replaced at the
/// end of a call asks the TURN server anew.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(70 * 60);

/// STUN and TURN servers with one login.
#[derive(Debug, Clone)]
pub struct Server {
    /// Their addresses.
    pub urls: Vec<String>,
    /// How they know who may use them.
    pub login: Login,
}

/// How a TURN server knows who may use it.
#[derive(Debug, Clone)]
pub enum Login {
    /// Always the same, or none for STUN.
    Fixed {
        /// The user.
        username: Option<String>,
        /// The password.
        credential: Option<Redacted<String>>,
    },
    /// Made for each call from this secret.
    PerCall(Redacted<String>),
}

impl Server {
    /// As it is told to this device now, in milliseconds since 1970.
    #[must_use]
    pub fn offer(&self, now: u64, device: &DeviceId) -> IceServer {
        let (username, credential) = match &self.login {
            Login::Fixed { username, credential } => (username.clone(), credential.clone()),
            Login::PerCall(secret) => {
                let username = format!("{}:{device}", now / 1000 + LOGIN_LIFETIME.as_secs());
                let credential = sign(secret, &username);
                (Some(username), Some(credential))
            }
        };
        IceServer { urls: self.urls.clone(), username, credential }
    }
}

/// SHA-1, because TURN servers know no other: as a key for a short time, not as a fingerprint.
fn sign(secret: &Redacted<String>, username: &str) -> Redacted<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    Redacted::new(BASE64.encode(hmac::sign(&key, username.as_bytes()).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside `printf '1700004200:phone' | openssl dgst -sha1 -hmac north -binary | base64`.
    #[test]
    fn a_login_for_a_call_is_what_coturn_expects() {
        let urls = vec!["turn:turn.example:3478?transport=udp".to_owned()];
        let server = Server { urls: urls.clone(), login: Login::PerCall("north".to_owned().into()) };
        let phone: DeviceId = "phone".parse().expect("a word");
        let offered = server.offer(1_700_000_000_999, &phone);
        assert_eq!(offered.urls, urls);
        assert_eq!(offered.username.as_deref(), Some("1700004200:phone"));
        assert_eq!(offered.credential.expect("a password").expose(), "wyTgYw245mjKnbtYa90aanQ7st8=");
        assert!(!format!("{server:?}").contains("north"));
    }

    #[test]
    fn a_fixed_login_is_passed_on() {
        let login = Login::Fixed { username: Some("door".to_owned()), credential: Some("x".to_owned().into()) };
        let offered = Server { urls: Vec::new(), login }.offer(0, &"phone".parse().expect("a word"));
        assert_eq!((offered.username.as_deref(), offered.credential.is_some()), (Some("door"), true));
    }
}
