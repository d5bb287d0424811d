//! A resident's answer: whatever it is, what is let through is let through again as it is, and holds nothing that is forbidden.

#![no_main]

use doorward::media::{admission, pipeline::IceSettings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|sdp: &str| {
    let settings = IceSettings { loopback: false, min_port: 0, max_port: 0, relay_only: false };
    if let Some(through) = admission::answer(sdp, &settings) {
        assert_eq!(admission::answer(&through, &settings).as_deref(), Some(through.as_str()));
        assert!(!through.contains("a=crypto") && !through.contains(" 127.") && !through.contains(" 169.254."));
    }
});
