//! What may happen in a random life of the exchange.

use doorward::hub::exchange::{Change, Initiation};
use doorward::signaling::protocol::{DoorReport, DoorState, Opener, OpeningRefusal, RejectStatus};
use proptest::prelude::*;

use super::exchange_hall::*;

pub const RESIDENTS: [&str; 6] = ["anna-phone", "anna-tablet", "ben-phone", "carl-phone", "carl-tablet", "dora-phone"];
pub const DOORS: [&str; 3] = ["front-panel", "front-spare", "back-panel"];
pub const CALLS: u8 = 4;

/// One thing that happens. Numbers choose devices, calls and keys; few of each, so that they meet often.
#[derive(Debug, Clone)]
pub enum Step {
    Initiate { kind: u8, who: u8, session: u8, key: u8, offline: u8 },
    Entry { call: u8, who: u8, what: u8, key: u8 },
    Lose(u8),
    Find(u8),
    Reload(u8),
    Again(usize),
    Pass(u64),
    Restart,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6u8, 0..6u8, 1..=CALLS, 0..3u8, any::<u8>())
            .prop_map(|(kind, who, session, key, offline)| Step::Initiate { kind, who, session, key, offline }),
        16 => (prop_oneof![3 => Just(1), 1 => 1..=CALLS], 0..9u8, 0..14u8, 0..3u8).prop_map(|(call, who, what, key)| Step::Entry { call, who, what, key }),
        2 => (0..9u8).prop_map(Step::Lose),
        2 => (0..9u8).prop_map(Step::Find),
        1 => (0..9u8).prop_map(Step::Reload),
        2 => (0..40usize).prop_map(Step::Again),
        2 => prop_oneof![Just(0), Just(1), Just(20), Just(44), Just(45)].prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

pub fn name(who: u8) -> &'static str {
    RESIDENTS.iter().chain(&DOORS).nth(usize::from(who)).expect("nine devices")
}

pub fn call(kind: u8, who: u8, key: u8, offline: u8) -> Initiation {
    let door = ["front-panel", "back-panel"][usize::from(who % 2)];
    let resident = RESIDENTS[usize::from(who % 6)];
    let key = format!("call-{key}");
    let mut call = match kind {
        0 => ring_group(door, &key, &RESIDENTS[..3]),
        1 => ring_group(door, &key, &RESIDENTS[2..]),
        2 => Initiation { joinable: true, ..ring_group(door, &key, &RESIDENTS) },
        3 => ring_user(door, &key, &RESIDENTS[3..5]),
        4 => ring_door(resident, &key, "back-panel"),
        _ => {
            let mut call = ring_door(resident, &key, "front-panel");
            let spare = ring_group("x", "k", &["front-spare"]).members.remove(0);
            call.members[0].devices.extend(spare.devices);
            call
        }
    };
    call.max_viewers = 2;
    if kind < 3 {
        // The residents' own rules, in one call of two.
        for (place, member) in (0u32..).zip(&mut call.members).filter(|_| offline & 1 == 1) {
            let lot = offline.rotate_left(3 * place) ^ key_of(who);
            member.after = [0, 0, 1_000, 20_000][usize::from(lot & 3)];
            member.undisturbed = lot & 0b11100 == 0b10100;
            member.looks = lot & 0b110_0000 != 0b100_0000;
        }
    }
    for (bit, found) in call.members.iter_mut().flat_map(|member| &mut member.devices).enumerate() {
        found.connected = offline & 0b1000_0000 != 0 || offline & (1 << (bit % 7)) == 0;
        found.push = offline & 0b10 == 0;
    }
    call
}

fn key_of(who: u8) -> u8 {
    who.wrapping_mul(29)
}

pub fn change(who: u8, what: u8, key: u8) -> Change {
    let (name, key) = (name(who), format!("{what}-{key}"));
    match what {
        0 | 1 => accept(name, &key),
        2 => end(name, &key),
        3 => reject(name, &key, RejectStatus::Rejected),
        4 => reject(name, &key, [RejectStatus::Busy, RejectStatus::Cancelled][usize::from(who >= 6)]),
        5 => join(name),
        6 => leave(name),
        7 => acknowledge(name),
        8 => notified(name),
        9 | 10 => open(name, &key),
        11 => {
            let (by, opening) = (leg(RESIDENTS[usize::from(who % 6)]), key.parse().expect("a word"));
            door_says(name, &key, DoorReport::Refused { by, opening, reason: OpeningRefusal::Tampered })
        }
        12 => show_still(name, &key),
        _ if who.is_multiple_of(2) => door_says(name, &key, DoorReport::Contact { state: DoorState::Opened }),
        _ => {
            let opener = Opener::RequestToExit {};
            door_says(name, &key, DoorReport::Opened { opener, released_for: 3000 })
        }
    }
}
