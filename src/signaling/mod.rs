//! Signaling between a device and the hub.

pub mod protocol;
