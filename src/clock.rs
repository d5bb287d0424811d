//! The one place that reads clocks and draws random bits, for the adapters and the wiring. The machines never come here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::ids::BootId;
use crate::moment::Moment;

/// Time since the machine started (CLOCK_MONOTONIC, the clock of kernel edges).
#[must_use]
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    Moment::from_nanos(seconds * 1_000_000_000 + nanos)
}

/// Milliseconds since 1970, for people and history.
#[must_use]
pub fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Minutes since midnight, by the clock on the wall. Nothing while the clock cannot be right: a board without a clock of its
/// own starts in 1970, or at the time of its system's build.
#[must_use]
pub fn minute_of_day() -> Option<u16> {
    let now = jiff::ZonedDateTime::now();
    let hours = u16::try_from(now.hour()).ok()?;
    let minutes = u16::try_from(now.minute()).ok()?;
    (now.year() >= 2026).then_some(hours * 60 + minutes)
}

/// The day of the week, from 0 for Monday, and the minute since midnight, by the clock on the wall. Nothing while the clock
/// cannot be right, see [`minute_of_day`].
#[must_use]
pub fn day_and_minute() -> Option<(usize, u16)> {
    let minute = minute_of_day()?;
    let day = jiff::ZonedDateTime::now().weekday().to_monday_zero_offset();
    Some((usize::try_from(day).ok()?, minute))
}

/// Whether systemd-timesyncd has set the clock since the machine started. What it was before may be the time of the last
/// shutdown.
#[must_use]
pub fn is_synchronised() -> bool {
    std::path::Path::new("/run/systemd/timesync/synchronized").exists()
}

/// Sleeps until a deadline; for ever if there is none.
pub async fn sleep_until(deadline: Option<Moment>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(now())).await,
        None => std::future::pending().await,
    }
}

/// Random bytes from the kernel.
///
/// # Panics
/// Where the kernel has no randomness: nothing that is secret can be made then.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel has randomness");
    bytes
}

/// A new name for this start of the process.
#[must_use]
pub fn boot_id() -> BootId {
    BootId::from_random(random())
}
