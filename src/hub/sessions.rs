//! Session tokens: who may start the media session of which call. In memory only, as hashes; a hub that starts again issues
//! new ones. Whether a device may have one at all is the exchange's decision.

use std::collections::BTreeMap;
use std::time::Duration;

use super::auth::{self, SecretHash};
use crate::ids::{DeviceId, SessionId};
use crate::moment::Moment;
use crate::redacted::Redacted;

/// How long a session can be started with a token, again and again.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// Tokens of one device and call that are valid at one time: an answer can be lost and asked for again.
const TOKENS_PER_DEVICE: usize = 4;

/// The tokens that were issued.
#[derive(Debug, Default)]
pub struct Sessions {
    tokens: BTreeMap<SessionId, BTreeMap<DeviceId, Vec<(SecretHash, Moment)>>>,
}

impl Sessions {
    /// Issues a token for this device and call.
    pub fn issue(&mut self, now: Moment, session_id: SessionId, device: &DeviceId) -> Redacted<String> {
        let (token, hash) = auth::make_session_token();
        let tokens = self.tokens.entry(session_id).or_default().entry(device.clone()).or_default();
        tokens.retain(|(_, expires)| *expires > now);
        if tokens.len() == TOKENS_PER_DEVICE {
            tokens.remove(0);
        }
        tokens.push((hash, now + TOKEN_LIFETIME));
        token
    }

    /// Whether this token was issued to this device for this call, and not too long ago.
    #[must_use]
    pub fn accepts(&self, now: Moment, session_id: SessionId, device: &DeviceId, token: &str) -> bool {
        let Some(hash) = auth::read_session_token(token) else { return false };
        let tokens = self.tokens.get(&session_id).and_then(|of_call| of_call.get(device));
        tokens.into_iter().flatten().any(|(known, expires)| known.matches(&hash) && *expires > now)
    }

    /// The call is over: its tokens are worth nothing.
    pub fn forget_call(&mut self, session_id: SessionId) {
        self.tokens.remove(&session_id);
    }

    /// The device is not what it was: its tokens are worth nothing.
    pub fn forget_device(&mut self, device: &DeviceId) {
        self.tokens.values_mut().for_each(|of_call| drop(of_call.remove(device)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_call_and_device_and_a_minute() {
        let (now, mut sessions) = (Moment::from_millis(1), Sessions::default());
        let (call, other): (SessionId, _) = (SessionId::from_random([1; 16]), SessionId::from_random([2; 16]));
        let (phone, tablet): (DeviceId, DeviceId) = ("a".parse().expect("a word"), "b".parse().expect("a word"));
        let token = sessions.issue(now, call, &phone);
        let token = token.expose();
        assert!(sessions.accepts(now, call, &phone, token) && sessions.accepts(now, call, &phone, token));
        assert!(!sessions.accepts(now, other, &phone, token) && !sessions.accepts(now, call, &tablet, token));
        assert!(!sessions.accepts(now, call, &phone, "") && !sessions.accepts(now, call, &phone, &"A".repeat(43)));
        assert!(!sessions.accepts(now + TOKEN_LIFETIME, call, &phone, token));
        sessions.forget_call(call);
        assert!(!sessions.accepts(now, call, &phone, token));
    }

    #[test]
    fn tokens_of_a_device_are_bounded() {
        let (now, mut sessions) = (Moment::START, Sessions::default());
        let (call, phone): (_, DeviceId) = (SessionId::from_random([1; 16]), "a".parse().expect("a word"));
        let tokens: Vec<_> = (0..6).map(|_| sessions.issue(now, call, &phone)).collect();
        let good = tokens.iter().filter(|token| sessions.accepts(now, call, &phone, token.expose())).count();
        assert_eq!(good, TOKENS_PER_DEVICE);
        assert!(sessions.accepts(now, call, &phone, tokens[5].expose()));
    }
}
