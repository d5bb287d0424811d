//! The still picture of a call on the wire: a small JPEG, so that it fits into one frame or body with room to spare.
//!
//! What is larger, or no JPEG, is refused where it is read. Nothing here looks into the picture.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A still has at most so many bytes; as text in JSON it is a third longer.
pub const MAX_STILL: usize = 24 * 1024;

/// A still picture. Cheap to copy around, and its debug text shows no picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Still(Arc<[u8]>);

/// Not a still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StillError {
    /// Too many bytes.
    #[error("it has {0} bytes, allowed are {MAX_STILL}")]
    TooLarge(usize),
    /// Not from start of image to end of image (ITU-T T.81 table B.1).
    #[error("it is no JPEG picture")]
    NoJpeg,
}

impl Still {
    /// The picture that these bytes are.
    ///
    /// # Errors
    /// They are too many, or no JPEG.
    pub fn new(jpeg: &[u8]) -> Result<Self, StillError> {
        if jpeg.len() > MAX_STILL {
            return Err(StillError::TooLarge(jpeg.len()));
        }
        if !jpeg.starts_with(&[0xff, 0xd8, 0xff]) || !jpeg.ends_with(&[0xff, 0xd9]) {
            return Err(StillError::NoJpeg);
        }
        Ok(Self(jpeg.into()))
    }

    /// The JPEG.
    #[must_use]
    pub fn jpeg(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Still({} bytes)", self.0.len())
    }
}

impl Serialize for Still {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Still {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(deserializer)?;
        let jpeg = BASE64.decode(text.as_bytes()).map_err(|_| D::Error::custom("a still that is no base64"))?;
        Self::new(&jpeg).map_err(|error| D::Error::custom(format!("a still that is none: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_jpegs_are_stills() {
        let still = Still::new(&[0xff, 0xd8, 0xff, 0xe0, 1, 2, 0xff, 0xd9]).expect("begin and end are right");
        let text = serde_json::to_string(&still).expect("a string");
        assert_eq!(text, r#""/9j/4AEC/9k=""#);
        assert_eq!(serde_json::from_str::<Still>(&text).expect("what was written"), still);
        assert_eq!(format!("{still:?}"), "Still(8 bytes)");
        let mut large = vec![0xff; MAX_STILL + 1];
        large[1] = 0xd8;
        assert_eq!(Still::new(&large), Err(StillError::TooLarge(MAX_STILL + 1)));
        for no_jpeg in [&b""[..], b"GIF89a", &[0xff, 0xd8, 0xff, 0xe0]] {
            assert_eq!(Still::new(no_jpeg), Err(StillError::NoJpeg));
        }
        for text in [r#""%%%""#, r#""R0lGODlh""#] {
            assert!(serde_json::from_str::<Still>(text).is_err());
        }
    }
}
