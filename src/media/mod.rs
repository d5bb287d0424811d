//! The door's camera, microphone and speaker, in a child process.

pub mod pipeline;
pub mod protocol;
