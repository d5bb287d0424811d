//! Typical calls as plain text: what was appended, what it was answered, who was told what. `#n` is the entry of an event.

mod conversation;
#[path = "../exchange_hall/mod.rs"]
mod exchange_hall;
mod lost;
mod ringing;
mod scribe;
