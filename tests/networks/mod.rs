//! A small internet for tests: a door, a phone and a router with a TURN server, each in a network namespace of its own, and faults on
//! the way between them. The test itself runs where the phone is. Needs root, and the tools that `.ci/setup test` installs.

pub mod detour;

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use doorward::hub::ice::{Login, Server};
use doorward::ids::DeviceId;
use doorward::media::pipeline::IceSettings;
use doorward::media::worker::{Patience, WorkerCommand};
use doorward::signaling::protocol::IceServer;

use crate::media_door::{CALL, Door, settings};
use doorward::media::protocol::Order;

/// Says to the second run of a test that it is inside, and of which town.
const INSIDE: &str = "DOORWARD_TEST_TOWN";
const SECRET: &str = "only-for-this-test";
/// Where the TURN server is. All addresses are of networks for documentation (RFC 5737), which coturn's shipped file lets through.
const SERVER: &str = "203.0.113.1";

/// The three namespaces.
pub struct Town {
    name: String,
    server: Option<Child>,
}

/// Runs a scenario in a town of its own, or says what is missing here.
pub fn in_town<F: Future<Output = ()>>(test: &str, scenario: impl FnOnce(Town) -> F) {
    if let Ok(name) = std::env::var(INSIDE) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(scenario(Town { name, server: None }));
    }
    if let Some(missing) = missing() {
        println!("skipped: {missing}");
        return;
    }
    let town = Town::build();
    let inside = std::env::current_exe().expect("a test is a program");
    let done = Command::new("ip")
        .args(["netns", "exec", &town.place("phone")])
        .arg(inside)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, &town.name)
        .status()
        .expect("ip is installed");
    town.destroy();
    assert!(done.success(), "{test} failed inside its town");
}

fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root");
    }
    let has = |tool: &str| {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|at| std::path::Path::new(at).join(tool).exists())
    };
    [("ip", "iproute2"), ("tc", "iproute2"), ("nft", "nftables"), ("turnserver", "coturn")]
        .into_iter()
        .find_map(|(tool, package)| (!has(tool)).then_some(package))
        .map(|package| match package {
            "iproute2" => "the Debian package iproute2 is not installed",
            "nftables" => "the Debian package nftables is not installed",
            _coturn => "the Debian package coturn is not installed",
        })
}

impl Town {
    /// Interfaces must not be called veth*: libnice passes those over.
    fn build() -> Self {
        let town = Self { name: format!("dwc{}", std::process::id()), server: None };
        for place in ["door", "phone", "router"] {
            run("ip", &["netns", "add", &town.place(place)]);
            town.at(place, "ip", &["link", "set", "lo", "up"]);
        }
        for (place, near, far, own, gate) in [
            ("door", "lan", "tod", "198.51.100.2/25", "198.51.100.1"),
            ("phone", "lan", "top", "198.51.100.130/25", "198.51.100.129"),
        ] {
            let router = town.place("router");
            town.at(place, "ip", &["link", "add", near, "type", "veth", "peer", "name", far, "netns", &router]);
            town.at(place, "ip", &["address", "add", own, "dev", near]);
            town.at(place, "ip", &["link", "set", near, "up"]);
            town.at("router", "ip", &["address", "add", &format!("{gate}/25"), "dev", far]);
            town.at("router", "ip", &["link", "set", far, "up"]);
            town.at(place, "ip", &["route", "add", "default", "via", gate]);
        }
        town.at("router", "ip", &["address", "add", &format!("{SERVER}/32"), "dev", "lo"]);
        town.at("router", "sysctl", &["-qw", "net.ipv4.ip_forward=1"]);
        town.at("router", "nft", &["add table inet faults"]);
        town.at("router", "nft", &["add chain inet faults way { type filter hook forward priority 0; }"]);
        town.at("router", "nft", &["add chain inet faults server { type filter hook input priority 0; }"]);
        town
    }

    fn place(&self, place: &str) -> String {
        format!("{}-{place}", self.name)
    }

    /// Runs a tool at a place.
    pub fn at(&self, place: &str, tool: &str, arguments: &[&str]) {
        let place = self.place(place);
        run("ip", &[&["netns", "exec", &place, tool], arguments].concat());
    }

    /// Packets with this description are dropped on the way; the faults before are over.
    pub fn fault(&self, rule: &str) {
        self.mend();
        self.at("router", "nft", &["add", "rule", "inet", "faults", "way", rule, "drop"]);
    }

    /// Packets to the TURN server with this description are dropped.
    pub fn fault_at_server(&self, rule: &str) {
        self.at("router", "nft", &["add", "rule", "inet", "faults", "server", rule, "drop"]);
    }

    /// All ways are open.
    pub fn mend(&self) {
        self.at("router", "nft", &["flush", "chain", "inet", "faults", "way"]);
        self.at("router", "nft", &["flush", "chain", "inet", "faults", "server"]);
    }

    /// To the phone there is no more than this, with a queue of 300 ms.
    pub fn narrow(&self, rate: &str) {
        let shape = ["qdisc", "replace", "dev", "top", "root", "tbf", "rate", rate, "burst", "8kb", "latency", "300ms"];
        self.at("router", "tc", &shape);
    }

    /// A machine gets another address in its network.
    pub fn readdress(&self, place: &str, from: &str, to: &str, gate: &str) {
        // With the first address of a network its others go, too.
        self.at(place, "ip", &["address", "del", from, "dev", "lan"]);
        self.at(place, "ip", &["address", "add", to, "dev", "lan"]);
        self.at(place, "ip", &["route", "replace", "default", "via", gate]);
    }

    /// Starts the TURN server with the configuration that is shipped.
    pub fn start_server(&mut self) {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/turnserver.conf");
        let secret = format!("--static-auth-secret={SECRET}");
        let pid = format!("--pidfile=/tmp/{}.pid", self.name);
        let child = Command::new("ip")
            .args(["netns", "exec", &self.place("router"), "turnserver", "-c", shipped, &secret, &pid])
            .args(["-L", SERVER, "-E", SERVER, "--no-tls", "--log-file=stdout"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn is installed");
        self.server = Some(child);
        // It answers as soon as it listens.
        let deadline = Instant::now() + std::time::Duration::from_secs(10);
        while std::net::TcpStream::connect((SERVER, 3478)).is_err() {
            assert!(Instant::now() < deadline, "coturn does not listen");
            std::thread::yield_now();
        }
    }

    /// It dies without a word.
    pub fn kill_server(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_file(format!("/tmp/{}.pid", self.name));
        }
    }

    /// The TURN server as the hub tells it.
    pub fn turn(&self, transport: &str) -> Vec<IceServer> {
        let urls = vec![format!("turn:{SERVER}:3478?transport={transport}")];
        let server = Server { urls, login: Login::PerCall(SECRET.to_owned().into()) };
        let device: DeviceId = "test-phone".parse().expect("a word");
        vec![server.offer(doorward::clock::wall(), &device)]
    }

    /// A worker at the door's place with a started session; its residents are where the test is.
    pub async fn door(&self, change: impl FnOnce(&mut doorward::media::pipeline::MediaSettings)) -> Door {
        let mut settings = settings();
        settings.ice = IceSettings { loopback: false, ..settings.ice };
        change(&mut settings);
        let place = self.place("door");
        let arguments = ["netns", "exec", &place, env!("CARGO_BIN_EXE_doorward"), "media-worker"];
        let command = WorkerCommand { program: "ip".into(), arguments: arguments.map(Into::into).to_vec() };
        let mut door = Door::open_with(command, settings, Patience::default()).await;
        door.on_loopback = false;
        door.order(Order::StartSession { session_id: CALL, picture: true });
        door
    }

    /// Whether the TURN server lets this login send to an address.
    pub fn relays_to(&self, address: &str) -> bool {
        let place = self.place("phone");
        let user = format!("phone-{address}");
        let words = ["netns", "exec", &place, "timeout", "3", "turnutils_uclient", "-e", address, "-n", "1", "-m", "1"];
        let login = ["-W", SECRET, "-u", &user, SERVER];
        // Refused, it says so and ends; else it tries for as long as it may.
        let done = Command::new("ip").args(words).args(login).output().expect("it comes with coturn");
        let said = [done.stdout, done.stderr].concat();
        !String::from_utf8_lossy(&said).contains("403 (Forbidden IP)")
    }

    fn destroy(self) {
        for place in ["door", "phone", "router"] {
            run("ip", &["netns", "delete", &self.place(place)]);
        }
    }
}

/// Also when a scenario fails.
impl Drop for Town {
    fn drop(&mut self) {
        self.kill_server();
    }
}

fn run(tool: &str, arguments: &[&str]) {
    let done = Command::new(tool).args(arguments).output().unwrap_or_else(|error| panic!("{tool}: {error}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{tool} {}: {said}", arguments.join(" "));
}
