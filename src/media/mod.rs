//! The door's camera, microphone and speaker, in a child process.

pub mod admission;
#[cfg(feature = "media")]
pub mod gst;
pub mod pipeline;
pub mod protocol;
pub mod rate;
pub mod worker;
