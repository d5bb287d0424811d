//! Who sends: the hub's key pair, and the signed word by which a push service knows it (VAPID, RFC 8292).
//!
//! A subscription is bound to this key: without it every phone has to subscribe anew. It is made once, is on the disk before
//! it is used, and is readable by the hub's user alone.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use crate::hub::store::StoreError;

/// How long a signed word is good; services allow a day.
const GOOD_FOR: u64 = 12 * 3600;

/// The hub's key pair.
pub struct Sender {
    pair: EcdsaKeyPair,
    public: String,
    contact: String,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The key's file in a state directory.
#[must_use]
pub fn path(state_directory: &Path) -> PathBuf {
    state_directory.join("push.key")
}

impl Sender {
    /// Reads the key of this state directory; makes it if it is not there.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn open(state_directory: &Path, contact: &str) -> Result<Self, StoreError> {
        let path = path(state_directory);
        let kept = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(&path),
            read => read,
        };
        let failed = |error| StoreError::File { path: path.display().to_string(), error };
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &kept.map_err(failed)?, &SystemRandom::new())
                .map_err(|error| failed(std::io::Error::other(format!("is no key: {error}"))))?;
        let public = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
        Ok(Self { pair, public, contact: contact.to_owned() })
    }

    /// The public key, as browsers want it.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// The `Authorization` header for the service at this origin, at this time (milliseconds since 1970).
    ///
    /// # Errors
    /// The kernel has no randomness.
    pub fn authorization(&self, origin: &str, wall: u64) -> Result<String, ring::error::Unspecified> {
        let claims = serde_json::json!({ "aud": origin, "exp": wall / 1000 + GOOD_FOR, "sub": self.contact });
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let signed = format!("{}.{}", encode(r#"{"typ":"JWT","alg":"ES256"}"#), encode(&claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!("vapid t={signed}.{}, k={}", BASE64URL_NOPAD.encode(signature.as_ref()), self.public))
    }
}

/// Whole or not at all: what lies under the name is a key, also after a power cut.
fn make(path: &Path) -> std::io::Result<Vec<u8>> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| std::io::Error::other("the kernel has no randomness"))?;
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(made.as_ref())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()?;
    Ok(made.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_key_is_made_once_and_nobody_else_reads_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let first = Sender::open(directory.path(), "mailto:a@b.c").expect("a new key");
        let again = Sender::open(directory.path(), "mailto:a@b.c").expect("the same key");
        assert_eq!(first.public_key(), again.public_key());
        let mode = fs::metadata(path(directory.path())).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(path(directory.path()), b"spoilt").expect("it can be written");
        assert!(Sender::open(directory.path(), "mailto:a@b.c").is_err());
    }

    #[test]
    fn the_word_is_signed_by_the_key_it_names() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let sender = Sender::open(directory.path(), "mailto:a@b.c").expect("a new key");
        let word = sender.authorization("https://push.test", 1_700_000_000_000).expect("randomness");
        let (token, key) = word.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).expect("its form");
        assert_eq!(key, sender.public_key());
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key))
            .verify(signed.as_bytes(), &decode(signature))
            .expect("its own signature");
        let claims = String::from_utf8(decode(signed.split_once('.').expect("two parts").1)).expect("text");
        assert_eq!(claims, r#"{"aud":"https://push.test","exp":1700043200,"sub":"mailto:a@b.c"}"#);
    }
}
