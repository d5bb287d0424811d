//! Doorward: the firmware of an open door intercom.
//!
//! A visitor presses a button, a group of residents rings, one answers in the app, they see and hear each other, somebody
//! hangs up. Pure machines hold all decisions; adapters around them touch the world; one file on each side wires them.
//!
//! ```text
//!  edges ──▶ panel::button (debounce, gestures) ─┐                    ┌─▶ panel::light   Indication → frames → LEDs
//!  hub ◀───▶ signaling::link (connection, resend)┼Event▶ call::Station ┼─▶ panel::sound   Indication → cadence → worker
//!  worker ── media events ───────────────────────┤      (pure)  Action ├─▶ signaling      initiate, accept, reject, end, signal
//!  clock, signals ───────────────────────────────┘                    └─▶ media          peers, gates, descriptions
//!                   door.rs: the only place where they meet
//!  hub side: HTTP + WebSocket ─▶ ordered log of entries ─▶ hub::exchange (pure ringing rules) ─▶ deliveries, directory
//! ```

pub mod audit;
pub mod backoff;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod door;
pub mod hub;
pub mod ids;
pub mod media;
pub mod moment;
pub mod panel;
pub mod redacted;
pub mod signaling;
