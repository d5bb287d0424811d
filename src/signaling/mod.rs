//! Signaling between a device and the hub: the protocol's words, the pure link, and the client that moves its bytes.

pub mod client;
pub mod enrolment;
pub mod identity;
pub mod link;
pub mod protocol;
pub mod push;
pub mod rules;
