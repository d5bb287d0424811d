//! Manners of a daemon: logs that a journal can read, words for the service manager.

pub mod logging;
pub mod notify;
