//! The signaling hub.

pub mod exchange;
