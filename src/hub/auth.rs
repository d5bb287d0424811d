//! Credentials, pairing codes, enrolment tokens and session tokens: how they are made up, written, hashed and compared.
//!
//! Nothing here is stored or looked up: the directory and the session table keep the hashes. Secrets print as `[redacted]`.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::clock;
use crate::ids::{AdministratorId, DeviceId, SessionId};
use crate::redacted::Redacted;

/// Crockford's base 32: no I, L, O, U, and those that people type for 1 and 0 are understood.
const CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a pairing code, 5 bits each.
const CODE_LENGTH: usize = 10;

const CREDENTIAL_PREFIX: &str = "dw1.";
const ADMINISTRATOR_PREFIX: &str = "dwa1.";
const ENROLMENT_PREFIX: &str = "dwe1.";

/// SHA-256 of a secret. The secrets have 50 to 256 random bits and no dictionary, so a slow hash would protect nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Of these bytes.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// As stored.
    #[must_use]
    pub const fn from_stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For storing.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are the same, in a time that does not tell how much of them is.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a device shows to be let in: its id and the hash of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Which device it says it is.
    pub device_id: DeviceId,
    /// The hash of the secret it knows.
    pub hash: SecretHash,
}

/// Reads `dw1.<deviceId>.<secret>`. Nothing if it is anything else.
#[must_use]
pub fn read_credential(text: &str) -> Option<Presented> {
    let (device, secret) = text.strip_prefix(CREDENTIAL_PREFIX)?.rsplit_once('.')?;
    let secret = decode_256(secret)?;
    Some(Presented { device_id: device.parse().ok()?, hash: SecretHash::of(&secret) })
}

/// Makes up a device's credential: the text it will show, and the hash to keep.
#[must_use]
pub fn make_credential(device: &DeviceId) -> (Redacted<String>, SecretHash) {
    let secret: [u8; 32] = clock::random();
    let text = format!("{CREDENTIAL_PREFIX}{device}.{}", BASE64URL_NOPAD.encode(&secret));
    (Redacted::new(text), SecretHash::of(&secret))
}

/// Makes up an administrator's credential: the text they will show, and the hash to keep.
#[must_use]
pub fn make_administrator_credential(id: &AdministratorId) -> (Redacted<String>, SecretHash) {
    let secret: [u8; 32] = clock::random();
    let text = format!("{ADMINISTRATOR_PREFIX}{id}.{}", BASE64URL_NOPAD.encode(&secret));
    (Redacted::new(text), SecretHash::of(&secret))
}

/// Reads `dwa1.<administrator>.<secret>`. Nothing if it is anything else.
#[must_use]
pub fn read_administrator_credential(text: &str) -> Option<(AdministratorId, SecretHash)> {
    let (id, secret) = text.strip_prefix(ADMINISTRATOR_PREFIX)?.rsplit_once('.')?;
    Some((id.parse().ok()?, SecretHash::of(&decode_256(secret)?)))
}

/// Makes up a one-time code that a person can type: the text, in two groups, and the hash to keep.
#[must_use]
pub fn make_pairing_code() -> (Redacted<String>, SecretHash) {
    let bits: [u8; CODE_LENGTH] = clock::random();
    let mut code: String = bits.iter().map(|byte| char::from(CODE_ALPHABET[usize::from(byte % 32)])).collect();
    let hash = SecretHash::of(code.as_bytes());
    code.insert(CODE_LENGTH / 2, '-');
    (Redacted::new(code), hash)
}

/// The hash of a pairing code as a person typed it: small letters, spaces and dashes do not matter.
#[must_use]
pub fn read_pairing_code(text: &str) -> Option<SecretHash> {
    let mut code = String::with_capacity(CODE_LENGTH);
    for letter in text.chars().filter(|c| !matches!(c, '-' | ' ')).take(CODE_LENGTH + 1) {
        code.push(match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        });
    }
    let known = code.bytes().all(|byte| CODE_ALPHABET.contains(&byte));
    (known && code.len() == CODE_LENGTH).then(|| SecretHash::of(code.as_bytes()))
}

/// Makes up a one-time token with which a door station becomes a device: the text and the hash to keep.
#[must_use]
pub fn make_enrolment_token() -> (Redacted<String>, SecretHash) {
    let secret: [u8; 32] = clock::random();
    (Redacted::new(format!("{ENROLMENT_PREFIX}{}", BASE64URL_NOPAD.encode(&secret))), SecretHash::of(&secret))
}

/// The hash of an enrolment token.
#[must_use]
pub fn read_enrolment_token(text: &str) -> Option<SecretHash> {
    decode_256(text.trim().strip_prefix(ENROLMENT_PREFIX)?).map(|secret| SecretHash::of(&secret))
}

/// Makes up the token of a media session: the text and the hash to keep.
#[must_use]
pub fn make_session_token() -> (Redacted<String>, SecretHash) {
    let secret: [u8; 32] = clock::random();
    (Redacted::new(BASE64URL_NOPAD.encode(&secret)), SecretHash::of(&secret))
}

/// The hash of a session token.
#[must_use]
pub fn read_session_token(text: &str) -> Option<SecretHash> {
    decode_256(text).map(|secret| SecretHash::of(&secret))
}

/// Makes up the id of a device.
#[must_use]
pub fn make_device_id() -> DeviceId {
    let bits: [u8; 8] = clock::random();
    HEXLOWER.encode(&bits).parse().expect("hexadecimal digits are a word")
}

/// Makes up the id of a call.
#[must_use]
pub fn make_session_id() -> SessionId {
    SessionId::from_random(clock::random())
}

fn decode_256(text: &str) -> Option<[u8; 32]> {
    // 43 characters; anything longer is not worth decoding.
    if text.len() > 64 {
        return None;
    }
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_names_its_device_and_proves_it() {
        let device = make_device_id();
        let (text, hash) = make_credential(&device);
        let presented = read_credential(text.expose()).expect("it was just made");
        assert_eq!(presented.device_id, device);
        assert!(presented.hash.matches(&hash));
        let (other, _) = make_credential(&device);
        assert!(!read_credential(other.expose()).expect("well formed").hash.matches(&hash));
        for wrong in ["", "dw1.", "dw1.a", "dw1.a.b", "dw2.a.b", &format!("dw1.a.{}", "A".repeat(4000))] {
            assert!(read_credential(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_code_is_understood_as_people_type_it() {
        let (code, hash) = make_pairing_code();
        let code = code.expose();
        assert_eq!(code.len(), CODE_LENGTH + 1);
        let sloppy = format!(" {} ", code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l"));
        assert!(read_pairing_code(&sloppy).expect("it is the same code").matches(&hash));
        assert!(read_pairing_code("23456-7890").is_none());
        assert!(read_pairing_code("23456-789ÄÖ").is_none());
        assert!(read_pairing_code(&"2".repeat(100_000)).is_none());
    }

    #[test]
    fn codes_use_the_whole_alphabet() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            seen.extend(make_pairing_code().0.expose().bytes().filter(|byte| *byte != b'-'));
        }
        assert_eq!(seen.len(), 32);
    }

    #[test]
    fn nothing_prints_a_secret() {
        let (text, hash) = make_enrolment_token();
        assert_eq!(format!("{text:?} {hash:?}"), "[redacted] [redacted]");
        assert!(read_enrolment_token(&format!("{}\n", text.expose())).expect("it was just made").matches(&hash));
    }
}
