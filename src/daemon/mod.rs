//! Manners of a daemon: logs that a journal can read, words for the service manager, the signals to end.

pub mod logging;
pub mod notify;
pub mod signals;
