//! `hub.toml`: where the hub listens, what it keeps, and how long a call rings.
//!
//! Only settings: users, groups, doors and devices are in the hub's directory, administered by `doorward hub …`.
//! Every key has a default but none that would open the hub to a network without TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::Configuration;
use super::document::Document;
use super::door::LogTable;
use super::push::PushTable;
use super::value::{self, SecretSource};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HubConfig {
    /// `[server]`: the socket, and what a peer may cost.
    pub server: ServerTable,
    /// `[tls]`: demanded as soon as the hub listens beyond loopback.
    pub tls: Option<TlsTable>,
    /// `[call]`: the rules of every call.
    pub call: CallTable,
    /// `[[ice]]`: STUN and TURN servers, told to both ends of a call.
    pub ice: Vec<IceServerTable>,
    /// `[metrics]`: the listener for monitoring. None without it.
    pub metrics: Option<MetricsTable>,
    /// `[push]`: how phones ring whose app is closed. Without it they do not.
    pub push: Option<PushTable>,
    /// `[history]`: what is kept of calls that are over.
    pub history: HistoryTable,
    /// `[log]`: how much is said.
    pub log: LogTable,
}

/// The socket, and what a peer may cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServerTable {
    /// Address and port. Beyond loopback only with `[tls]`.
    pub listen: SocketAddr,
    /// Directory of the databases. Only the hub's user may read it.
    pub state_directory: PathBuf,
    /// Connections at one time, at the most.
    pub max_connections: usize,
    /// How often a device says that it is there. Twice as long without a word, and its connection is closed.
    #[serde(deserialize_with = "value::duration")]
    pub heartbeat: Duration,
}

/// The hub's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsTable {
    /// The certificate and those that signed it, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The rules of every call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CallTable {
    /// How long a call rings.
    #[serde(deserialize_with = "value::duration")]
    pub ring_timeout: Duration,
    /// Devices that may look before anybody answers.
    pub max_viewers: u32,
}

/// STUN and TURN servers that share one login, or one secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IceServerTable {
    /// `stun:` and `turn:` addresses.
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default)]
    pub username: Option<String>,
    /// For TURN: where the password is kept.
    #[serde(default)]
    pub credential: Option<SecretSource>,
    /// For TURN: where the secret is kept from which the hub makes a login for each call. Instead of `username` and `credential`.
    #[serde(default)]
    pub secret: Option<SecretSource>,
}

/// The listener for monitoring.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct MetricsTable {
    /// Address and port. What it tells are numbers, no names; it speaks no TLS.
    pub listen: SocketAddr,
}

/// What is kept of calls that are over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HistoryTable {
    /// How long.
    #[serde(deserialize_with = "value::duration")]
    pub keep: Duration,
    /// How many calls at the most.
    pub max_calls: u32,
    /// How long the still pictures of calls; zero for not at all.
    #[serde(deserialize_with = "value::duration")]
    pub keep_stills: Duration,
    /// How long the hub's audit trail and its copies of the doors' audit logs are kept.
    #[serde(deserialize_with = "value::duration")]
    pub keep_audit: Duration,
}

impl Default for ServerTable {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            state_directory: PathBuf::from("/var/lib/doorward-hub"),
            max_connections: 4096,
            heartbeat: Duration::from_secs(10),
        }
    }
}

impl Default for CallTable {
    fn default() -> Self {
        Self { ring_timeout: Duration::from_secs(45), max_viewers: 4 }
    }
}

impl Default for MetricsTable {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)) }
    }
}

impl Default for HistoryTable {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(90 * 86_400),
            max_calls: 10_000,
            keep_stills: Duration::ZERO,
            keep_audit: Duration::from_secs(365 * 86_400),
        }
    }
}

/// Pictures of visitors are kept no longer than this, whatever the operator says.
const LONGEST_STILLS: Duration = Duration::from_secs(90 * 86_400);

/// A rule that a value breaks, with the key it stands under and what is allowed.
type Fault = (String, &'static str);

impl HubConfig {
    /// Every key whose value breaks a rule, and what is allowed there.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, &'static str)> {
        let mut faults = self.server.faults(self.tls.is_some());
        if !within(self.call.ring_timeout, 5, 180) {
            faults.push(("call.ring-timeout".to_owned(), "\"5s\" to \"180s\""));
        }
        if !(1..=16).contains(&self.call.max_viewers) {
            faults.push(("call.max-viewers".to_owned(), "1 to 16"));
        }
        if self.history.keep_stills > LONGEST_STILLS {
            faults.push(("history.keep-stills".to_owned(), "\"0d\" (not at all) to \"90d\""));
        }
        for (index, server) in self.ice.iter().enumerate() {
            faults.extend(server.faults(index));
        }
        faults.extend(self.push.iter().flat_map(PushTable::faults));
        faults
    }
}

impl Configuration for HubConfig {
    fn examine<'t>(name: &'t str, text: &'t str) -> (Option<Self>, Document<'t>) {
        let mut document = Document::new(name, text);
        let config = Self {
            server: document.table("server"),
            tls: document.optional("tls"),
            call: document.table("call"),
            ice: document.list("ice").into_iter().flatten().collect(),
            metrics: document.optional("metrics"),
            push: document.optional("push"),
            history: document.table("history"),
            log: document.table("log"),
        };
        // A [tls] that could not be read is reported as such; that the address needs one would only mislead.
        let tls_unreadable = config.tls.is_none() && document.has("tls");
        for (key, allowed) in config.faults() {
            if !(tls_unreadable && key == "server.listen") {
                document.error(&key, allowed);
            }
        }
        (Some(config), document)
    }

    fn files(&self) -> Vec<(String, PathBuf)> {
        let mut files = Vec::new();
        if let Some(tls) = &self.tls {
            files.push(("tls.certificate".to_owned(), tls.certificate.clone()));
            files.push(("tls.key".to_owned(), tls.key.clone()));
        }
        for (index, server) in self.ice.iter().enumerate() {
            for (key, source) in [("credential", &server.credential), ("secret", &server.secret)] {
                if let Some(SecretSource::File(path)) = source {
                    files.push((format!("ice[{index}].{key}.file"), path.clone()));
                }
            }
        }
        files
    }
}

impl ServerTable {
    fn faults(&self, tls: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(self.listen.ip().is_loopback() || tls) {
            faults.push(("server.listen".to_owned(), "a loopback address, or any address together with [tls]"));
        }
        if !self.state_directory.is_absolute() {
            faults.push(("server.state-directory".to_owned(), "an absolute path"));
        }
        if !(16..=1_000_000).contains(&self.max_connections) {
            faults.push(("server.max-connections".to_owned(), "16 to 1000000"));
        }
        if !within(self.heartbeat, 1, 60) {
            faults.push(("server.heartbeat".to_owned(), "\"1s\" to \"60s\""));
        }
        faults
    }
}

impl IceServerTable {
    fn faults(&self, index: usize) -> Vec<Fault> {
        let known = |url: &String| ["stun:", "stuns:", "turn:", "turns:"].iter().any(|word| url.starts_with(word));
        let mut faults = Vec::new();
        if self.urls.is_empty() || !self.urls.iter().all(known) {
            let allowed = "addresses that begin with stun:, stuns:, turn: or turns:";
            faults.push((format!("ice[{index}].urls"), allowed));
        }
        for (key, source) in [("credential", &self.credential), ("secret", &self.secret)] {
            if let Some(allowed) = source.as_ref().and_then(SecretSource::fault) {
                faults.push((format!("ice[{index}].{key}"), allowed));
            }
        }
        let turn = self.urls.iter().any(|url| url.starts_with("turn"));
        let fixed = (self.username.is_some(), self.credential.is_some());
        match (&self.secret, fixed) {
            (Some(_), (false, false)) | (None, (true, true)) => {}
            (None, (false, false)) if !turn => {}
            // A browser refuses the whole connection if a TURN server has no login.
            (None, (false, false)) => {
                faults.push((format!("ice[{index}].urls"), "`turn:` and `turns:` together with `secret`"));
            }
            (Some(_), _) => {
                faults.push((format!("ice[{index}].secret"), "`secret` alone, or `username` and `credential`"))
            }
            (None, (_, false)) => faults.push((format!("ice[{index}].username"), "together with `credential`")),
            (None, (false, true)) => faults.push((format!("ice[{index}].credential"), "together with `username`")),
        }
        faults
    }
}

fn within(value: Duration, from: u64, to: u64) -> bool {
    (Duration::from_secs(from)..=Duration::from_secs(to)).contains(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        let problems = HubConfig::parse("hub.toml", text).expect_err("it has mistakes");
        problems.problems().iter().map(|problem| format!("{} {}", problem.line, problem.key)).collect()
    }

    #[test]
    fn an_empty_file_is_a_hub_on_loopback() {
        let config = HubConfig::parse("hub.toml", "").expect("every key has a default");
        assert_eq!(config, HubConfig::default());
        assert!(config.server.listen.ip().is_loopback());
    }

    #[test]
    fn the_shipped_file_says_the_defaults() {
        let shipped = include_str!("../../config/hub.toml");
        assert_eq!(HubConfig::parse("hub.toml", shipped).expect("it is shipped"), HubConfig::default());
        // Its comments, uncommented: `#key` and `#[table]` are TOML, `# text` is prose.
        let bare = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            Some(_) | None => format!("{line}\n"),
        };
        let whole = HubConfig::parse("hub.toml", &shipped.lines().map(bare).collect::<String>()).expect("well formed");
        assert_eq!((whole.tls.is_some(), whole.ice.len()), (true, 2));
        assert_eq!(whole.metrics, Some(MetricsTable::default()));
        assert_eq!(whole.push, Some(PushTable::of("mailto:you@your-house.net")));
        let optional = HubConfig { tls: None, ice: Vec::new(), metrics: None, push: None, ..whole };
        assert_eq!(optional, HubConfig::default());
    }

    #[test]
    fn beyond_loopback_only_with_tls() {
        let open = "[server]\nlisten = \"0.0.0.0:8443\"\n";
        assert_eq!(complaints(open), ["2 server.listen"]);
        let closed = format!("{open}[tls]\ncertificate = \"/etc/doorward/hub.pem\"\nkey = \"/etc/doorward/hub.key\"\n");
        assert!(HubConfig::parse("hub.toml", &closed).is_ok());
        assert_eq!(complaints(&format!("{open}[tls]\ncertificate = 1\n")), ["4 tls.certificate"]);
    }

    #[test]
    fn limits_are_kept() {
        let text = r#"
            server.heartbeat = "2m"
            call = { ring-timeout = "4s", max-viewers = 0 }
            ice = [{ urls = ["http://a"] }]
            calls = {}
        "#;
        assert_eq!(
            complaints(text),
            ["2 server.heartbeat", "3 call.ring-timeout", "3 call.max-viewers", "4 ice[0].urls", "5 calls"]
        );
    }
}
