//! What `door.toml` must fulfil beyond its types: ranges, names given once, addresses that make sense.
//!
//! Everything is reported, nothing is corrected.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::document::Document;
use super::door::{ButtonTable, CallTable, DoorConfig, GesturesTable, HubTable, IceTable, VideoTable};
use super::value::{format_duration, is_placeholder_host};

/// At least one button, each with a name and label of its own. A button that could not be read is nothing here.
pub(super) fn check_buttons(document: &mut Document<'_>, buttons: &[Option<ButtonTable>]) {
    if buttons.is_empty() && !document.has("button") {
        document.error_found("button", "no [[button]]", "at least one [[button]]");
    }
    let mut ids = BTreeMap::new();
    for (index, button) in buttons.iter().enumerate() {
        let Some(button) = button else { continue };
        if let Some(first) = ids.insert(button.id.clone(), index) {
            let found = format!("\"{}\", which is also button[{first}].id", button.id);
            document.error_found(&format!("button[{index}].id"), found, "an id that no other button has");
        }
        check_text(document, &format!("button[{index}].label"), &button.label);
    }
}

/// Where the hub is, and how the door proves who it is.
pub(super) fn check_hub(document: &mut Document<'_>, hub: &HubTable) {
    if let Some(allowed) = address_fault(&hub.address) {
        document.error("hub.address", allowed);
    }
    if let Some(allowed) = hub.credential.fault() {
        document.error("hub.credential", allowed);
    }
    if let Some(path) = &hub.ca_file {
        check_path(document, "hub.ca-file", path);
    }
}

/// Everything with a default.
pub(super) fn check_tables(document: &mut Document<'_>, config: &DoorConfig) {
    check_text(document, "door.name", &config.door.name);
    if let Some(path) = &config.door.state_directory {
        check_path(document, "door.state-directory", path);
    }
    check_gestures(document, &config.gestures);
    check_call(document, &config.call);
    check_video(document, &config.video);
    check_ice(document, &config.ice);
    check_release(document, config);
}

fn check_gestures(document: &mut Document<'_>, gestures: &GesturesTable) {
    let ms = Duration::from_millis;
    check_time(document, "gestures.confirm", gestures.confirm, ms(1), ms(100));
    check_time(document, "gestures.lockout", gestures.lockout, ms(10), ms(500));
    check_time(document, "gestures.hold", gestures.hold, ms(500), ms(5_000));
    check_time(document, "gestures.stuck", gestures.stuck, ms(5_000), ms(60_000));
    if gestures.hold >= gestures.stuck {
        let allowed = format!("a time shorter than gestures.stuck, which is \"{}\"", format_duration(gestures.stuck));
        document.error("gestures.hold", allowed);
    }
}

fn check_call(document: &mut Document<'_>, call: &CallTable) {
    let s = Duration::from_secs;
    check_time(document, "call.dial-deadline", call.dial_deadline, s(3), s(60));
    check_time(document, "call.connect-deadline", call.connect_deadline, s(5), s(60));
    check_time(document, "call.media-grace", call.media_grace, s(2), s(60));
    check_time(document, "call.maximum-duration", call.maximum_duration, s(30), s(3600));
}

fn check_release(document: &mut Document<'_>, config: &DoorConfig) {
    let release = &config.release;
    let s = Duration::from_secs;
    check_time(document, "release.pulse", release.pulse, Duration::from_millis(200), s(30));
    check_time(document, "release.opened-within", release.opened_within, s(3), s(120));
    if release.opened_within < release.pulse {
        let within = format_duration(release.opened_within);
        document.error("release.pulse", format!("a time not longer than release.opened-within, which is \"{within}\""));
    }
    check_time(document, "release.left-open-after", release.left_open_after, s(10), s(24 * 3600));
    check_time(document, "release.tamper-inhibits", release.tamper_inhibits, s(0), s(24 * 3600));
    for (index, hours) in release.hours.iter().enumerate() {
        let key = |name: &str| format!("release.hours[{index}].{name}");
        if !config.button.iter().any(|button| button.id == hours.button) {
            let found = format!("\"{}\"", hours.button);
            document.error_found(&key("button"), found, "the id of a [[button]]");
        }
        if hours.days.is_empty() {
            document.error_found(&key("days"), "no day", "at least one of \"mon\" to \"sun\"");
        }
        if hours.until.minutes <= hours.from.minutes {
            document.error(&key("until"), "a later time of the same day than `from`");
        }
    }
}

fn check_video(document: &mut Document<'_>, video: &VideoTable) {
    check_range(document, "video.width", video.width, 160, 1920);
    check_range(document, "video.height", video.height, 120, 1080);
    for (key, pixels) in [("video.width", video.width), ("video.height", video.height)] {
        if pixels % 2 == 1 {
            document.error(key, "an even number: colour is stored for two pixels at a time");
        }
    }
    check_range(document, "video.frame-rate", video.frame_rate, 1, 30);
    check_range(document, "video.bitrate", video.bitrate, 100, 10_000);
    // What is wrong with the other key is told once.
    if (100..=10_000).contains(&video.bitrate) {
        check_range(document, "video.bitrate-floor", video.bitrate_floor, 50, video.bitrate);
    }
}

fn check_ice(document: &mut Document<'_>, ice: &IceTable) {
    match (ice.min_port, ice.max_port) {
        (0, 0) => {}
        (0, _) | (_, 0) => {
            let key = if ice.min_port == 0 { "ice.min-port" } else { "ice.max-port" };
            document.error(key, "both ports, or neither");
        }
        (min, max) if min < 1024 => {
            document.error("ice.min-port", format!("a port from 1024 to {max}"));
        }
        (min, max) if max < min || max - min < 15 => {
            document.error("ice.max-port", format!("a port at least 15 above ice.min-port, which is {min}"));
        }
        _enough => {}
    }
}

fn check_text(document: &mut Document<'_>, path: &str, text: &str) {
    let length = text.chars().count();
    if length == 0 || length > 64 || text.trim() != text || text.chars().any(char::is_control) {
        document.error(path, "1 to 64 characters on one line, without white space around them");
    }
}

pub(super) fn check_path(document: &mut Document<'_>, key: &str, path: &Path) {
    if !path.is_absolute() {
        document.error(key, "an absolute path");
    }
}

fn check_time(document: &mut Document<'_>, path: &str, time: Duration, least: Duration, most: Duration) {
    if time < least || time > most {
        let allowed = format!("a time from \"{}\" to \"{}\"", format_duration(least), format_duration(most));
        document.error(path, allowed);
    }
}

pub(super) fn check_range<N: PartialOrd + std::fmt::Display>(
    document: &mut Document<'_>,
    path: &str,
    found: N,
    least: N,
    most: N,
) {
    if found < least || found > most {
        document.error(path, format!("a whole number from {least} to {most}"));
    }
}

/// What is allowed instead of this address of a hub, if it cannot be used.
fn address_fault(address: &str) -> Option<&'static str> {
    let form = Some("\"https://\", a host, and perhaps a port, such as \"https://hub.my-house.net:8443\"");
    let (scheme, rest) = match address.split_once("://") {
        Some(parts) => parts,
        None => return form,
    };
    let Some((host, port)) = split_host(rest.strip_suffix('/').unwrap_or(rest)) else { return form };
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return form;
    }
    if is_placeholder_host(host) {
        return Some("the address of your own hub: this host is reserved for examples");
    }
    match scheme {
        "https" => None,
        "http" if is_loopback(host) => None,
        "http" => Some("\"https://\"; unencrypted \"http://\" only for a hub on this machine (127.0.0.1)"),
        _other => form,
    }
}

fn split_host(rest: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = match rest.strip_prefix('[') {
        Some(inner) => {
            let (host, tail) = inner.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if tail.is_empty() { None } else { Some(tail.strip_prefix(':')?) })
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let legal =
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_'));
    legal.then_some((host, port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::address_fault;

    #[test]
    fn addresses_of_hubs() {
        for good in [
            "https://hub.my-house.net",
            "https://hub.my-house.net:8443/",
            "http://127.0.0.1:8480",
            "http://localhost:1",
            "http://[::1]:8480",
            "https://[2001:db8::1]",
        ] {
            assert_eq!(address_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "hub",
            "https://",
            "https://hub.example.org",
            "http://192.168.1.5:8480",
            "wss://hub",
            "https://hub:0",
            "https://hub:99999",
            "https://user:word@hub",
            "https://hub/v1",
            "https://[::1",
        ] {
            assert!(address_fault(bad).is_some(), "{bad}");
        }
    }
}
