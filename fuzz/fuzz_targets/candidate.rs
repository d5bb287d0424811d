//! A resident's candidate, and one of the door's own: no panic, and none that leads to this machine.

#![no_main]

use doorward::media::{admission, pipeline::IceSettings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let settings = IceSettings { loopback: false, min_port: 0, max_port: 0, relay_only: false };
    if admission::candidate(text, &settings) {
        assert!(!text.contains(" 127.") && !text.contains(" ::1 ") && !text.contains(['\r', '\n']));
    }
    let hidden = IceSettings { relay_only: true, ..settings };
    if let Some(told) = admission::told(text, &hidden) {
        assert!(told.contains("typ relay"));
    }
});
