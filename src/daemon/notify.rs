//! Words for the service manager (`sd_notify(3)`). Without one, nothing happens.

use sd_notify::NotifyState;

/// The service does its work.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// What `systemctl status` shows.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// The service is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
