//! The station's table, row by row, as transcripts: what happened (`>`), what fell due (`*`), and what was ordered below it.

mod abandoned;
mod conversation;
mod dialing;
mod idle;
mod incoming;
mod other_button;
mod ringing;
#[path = "../station_rig/mod.rs"]
mod station_rig;

fn bench() -> station_rig::Bench {
    station_rig::Bench::new(station_rig::rules())
}
