//! Message encryption for Web Push (RFC 8291, with the `aes128gcm` coding of RFC 8188): one record, readable by the phone
//! alone. ring does the arithmetic. Never sends anything.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;

use crate::clock;

/// A point of the curve P-256, uncompressed.
pub const POINT: usize = 65;

/// The phone's secret.
pub const AUTH: usize = 16;

/// The record size that the header names: one record holds everything.
const RECORD: u32 = 4096;

/// Every message is padded to a multiple of this, so that its length does not tell what it says.
const BLOCK: usize = 256;

/// Marks the end of the last record's text.
const LAST: u8 = 2;

/// Encrypts for the phone that has this public key and secret.
///
/// # Errors
/// The key is not a point of the curve.
pub fn seal(to: &[u8; POINT], auth: &[u8; AUTH], text: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
    let public: [u8; POINT] = private.compute_public_key()?.as_ref().try_into().map_err(|_| Unspecified)?;
    let padded = text.len().saturating_add(1).next_multiple_of(BLOCK);
    agree_ephemeral(private, &UnparsedPublicKey::new(&ECDH_P256, to), |shared| {
        let keys = Keys { shared, to, from: &public, auth, salt: clock::random() };
        keys.seal(text, padded)
    })?
}

/// Everything the content key follows from.
struct Keys<'a> {
    shared: &'a [u8],
    to: &'a [u8; POINT],
    from: &'a [u8; POINT],
    auth: &'a [u8; AUTH],
    salt: [u8; 16],
}

/// How many bytes to derive.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Keys<'_> {
    /// The header, and one record with the text, padded to `length` bytes with its mark.
    fn seal(&self, text: &[u8], length: usize) -> Result<Vec<u8>, Unspecified> {
        let material: [u8; 32] = derive(self.auth, self.shared, &[b"WebPush: info\0", self.to, self.from])?;
        let key: [u8; 16] = derive(&self.salt, &material, &[b"Content-Encoding: aes128gcm\0"])?;
        let nonce: [u8; 12] = derive(&self.salt, &material, &[b"Content-Encoding: nonce\0"])?;
        let mut record = [text, &[LAST]].concat();
        record.resize(length, 0);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)?;
        let point = u8::try_from(POINT).expect("a point has 65 bytes");
        Ok([&self.salt[..], &RECORD.to_be_bytes(), &[point], self.from, &record].concat())
    }
}

fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Result<[u8; N], Unspecified> {
    let mut derived = [0; N];
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(info, Length(N))?.fill(&mut derived)?;
    Ok(derived)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url").try_into().expect("its length")
    }

    /// RFC 8291, appendix A.
    #[test]
    fn the_example_of_the_standard() {
        let keys = Keys {
            shared: &bytes::<32>("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"),
            to: &bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
            from: &bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"),
            auth: &bytes("BTBZMqHH6r4Tts7J_aSIgg"),
            salt: bytes("DGv6ra1nlYgDCS1FRnbzlw"),
        };
        let text = b"When I grow up, I want to be a watermelon";
        let sealed = keys.seal(text, text.len() + 1).expect("good keys");
        assert_eq!(
            BASE64URL_NOPAD.encode(&sealed),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru\
             3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn a_key_off_the_curve_is_refused_and_lengths_tell_nothing() {
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).expect("randomness");
        let public: [u8; POINT] =
            private.compute_public_key().expect("a key").as_ref().try_into().expect("uncompressed");
        let lengths = [1, 60, 200].map(|length| seal(&public, &[7; AUTH], &vec![b'x'; length]).expect("a point").len());
        assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
        let mut off = public;
        off[64] ^= 1;
        assert!(seal(&off, &[7; AUTH], b"x").is_err());
    }
}
