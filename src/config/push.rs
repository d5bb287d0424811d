//! `[push]` of `hub.toml`: whom the hub asks to wake a phone, and who answers for it.
//!
//! Without the table the hub sends nothing to anybody. The services are a list of names that is allowed, because the address
//! to send to comes from the phone: the hub never fetches an address just because a client says so.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use super::value;

/// `[push]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PushTable {
    /// `mailto:` or `https:` address of whoever runs the hub, told to the push services.
    pub contact: String,
    /// Push services that the hub sends to.
    #[serde(default = "known_services")]
    pub services: Vec<String>,
    /// How often a phone is woken again while it rings.
    #[serde(default = "repeat", deserialize_with = "value::duration")]
    pub repeat: Duration,
}

/// The services of Chrome and its relatives, Safari, Firefox, and Edge on Windows.
fn known_services() -> Vec<String> {
    ["fcm.googleapis.com", "*.push.apple.com", "updates.push.services.mozilla.com", "*.notify.windows.com"]
        .map(str::to_owned)
        .into()
}

const fn repeat() -> Duration {
    Duration::from_secs(10)
}

impl PushTable {
    /// With the defaults.
    #[must_use]
    pub fn of(contact: &str) -> Self {
        Self { contact: contact.to_owned(), services: known_services(), repeat: repeat() }
    }

    /// Every key whose value breaks a rule, and what is allowed there.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, &'static str)> {
        let mut faults = Vec::new();
        let mail = |text: &str| text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        let web = |text: &str| text.contains('.') && !text.starts_with('.');
        let known = self.contact.strip_prefix("mailto:").is_some_and(mail)
            || self.contact.strip_prefix("https://").is_some_and(web);
        if !known || self.contact.contains(|c: char| c.is_whitespace() || c.is_control()) {
            faults.push(("push.contact".to_owned(), "\"mailto:\" or \"https://\" and an address that reaches you"));
        }
        if self.services.is_empty() || self.services.iter().any(|text| Service::read(text).is_none()) {
            let allowed =
                "names such as \"push.example.net\" or \"*.example.net\"; for tests \"http://127.0.0.1:9000\"";
            faults.push(("push.services".to_owned(), allowed));
        }
        if !(Duration::from_secs(5)..=Duration::from_secs(180)).contains(&self.repeat) {
            faults.push(("push.repeat".to_owned(), "\"5s\" to \"180s\""));
        }
        faults
    }
}

/// A push service that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// One host, by HTTPS.
    Host(String),
    /// Every host below this domain, by HTTPS.
    Below(String),
    /// A port of this machine, without TLS: for tests.
    Loopback(String),
}

impl Service {
    /// Reads an entry of the list.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if let Some(authority) = text.strip_prefix("http://") {
            let (host, port) = authority.rsplit_once(':')?;
            let address: IpAddr = host.parse().ok()?;
            port.parse::<u16>().ok()?;
            return address.is_loopback().then(|| Self::Loopback(text.to_owned()));
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        // A name that looks like an address of the network is none: `10.0.0.1`.
        let named = name.rsplit('.').next().is_some_and(|last| last.chars().any(|c| c.is_ascii_lowercase()));
        if !(name.contains('.') && named && name.split('.').all(label)) {
            return None;
        }
        Some(if name.len() == text.len() { Self::Host(name.to_owned()) } else { Self::Below(name.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_services_and_addresses_are_not() {
        for good in ["fcm.googleapis.com", "*.push.apple.com", "http://127.0.0.1:9000"] {
            assert!(Service::read(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "*",
            "*.com.",
            "localhost",
            "10.0.0.1",
            "http://10.0.0.1:80",
            "http://127.0.0.1",
            "http://push.example.net:80",
            "https://push.example.net",
            "push.example.net:8443",
            "push example.net",
            "Push.example.net",
            "a.*.net",
        ] {
            assert!(Service::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_contact_reaches_somebody() {
        assert_eq!(PushTable::of("mailto:you@your-house.net").faults(), []);
        assert_eq!(PushTable::of("https://your-house.net/contact").faults(), []);
        for nobody in ["", "you@your-house.net", "mailto:you@localhost", "mailto:a b@c.d", "https://"] {
            assert_eq!(PushTable::of(nobody).faults()[0].0, "push.contact", "{nobody}");
        }
    }
}
