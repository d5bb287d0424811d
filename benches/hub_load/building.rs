//! A building with many flats, and the hub that knows it: a process of its own, on a disk in memory, so that what is measured
//! is the hub and not the disk.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use doorward::hub::administration::Administration;
use doorward::ids::{Guid, Uid};
use doorward::redacted::Redacted;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::bench::Process;
use super::wire::{Socket, Way};

/// Residents of one flat.
const FLAT: usize = 4;

/// What a device says at every heartbeat.
pub const DEVICE_PING: &[u8] = br#"{"type":"ping"}"#;

/// What a device shows to be let in.
pub type Key = Redacted<String>;

/// The state of a hub.
pub struct Building {
    pub directory: tempfile::TempDir,
    administration: Administration,
    doors: Cell<usize>,
    certificate: CertificateDer<'static>,
}

pub fn word<T: std::str::FromStr<Err = doorward::ids::IdError>>(text: &str) -> T {
    text.parse().expect("a word")
}

impl Building {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = tempfile::Builder::new().prefix("doorward-bench").tempdir_in(place).expect("it is writable");
        let administration = Administration::open(&directory.path().join("hub")).expect("a new state directory");
        let certificate = certify(directory.path());
        Self { directory, administration, doors: Cell::new(0), certificate }
    }

    /// A group of so many residents, each with one phone.
    pub fn group(&mut self, name: &str, residents: usize) -> Vec<Key> {
        let guid: Guid = word(name);
        self.administration.add_group(&guid, name, false).expect("a new group");
        let resident = |number| {
            let uid: Uid = word(&format!("{name}-{number}"));
            let shown = format!("Resident {number} of {name}");
            self.administration.add_user(&uid, &shown, std::slice::from_ref(&guid)).expect("a new user");
            self.administration.add_device(&uid, "phone").expect("the user is there").credential
        };
        (0..residents).map(resident).collect()
    }

    /// So many residents, in flats of four.
    pub fn others(&mut self, residents: usize) -> Vec<Key> {
        let flats = residents.div_ceil(FLAT);
        let mut keys: Vec<_> = (0..flats).flat_map(|flat| self.group(&format!("flat-{flat}"), FLAT)).collect();
        keys.truncate(residents);
        keys
    }

    /// A door that rings these groups.
    pub fn door(&mut self, groups: &[&str]) -> Key {
        let number = self.doors.replace(self.doors.get() + 1);
        let uid: Uid = word(&format!("door-{number}"));
        let groups: Vec<Guid> = groups.iter().map(|guid| word(guid)).collect();
        self.administration.add_door(&uid, "Front door", &groups, &[]).expect("a new door");
        self.administration.add_device(&uid, "station").expect("the door is there").credential
    }

    /// Starts the hub, with the way to it.
    pub fn hub(&self, tls: bool) -> Hub {
        self.hub_at(SocketAddr::from(([127, 0, 0, 1], 0)), tls)
    }

    /// The way to another server with the same certificate.
    pub fn hub_way(&self, address: SocketAddr) -> Way {
        Way::tls(address, self.certificate.clone())
    }

    pub fn hub_at(&self, address: SocketAddr, tls: bool) -> Hub {
        let place = self.directory.path();
        let mut text = format!(
            "[server]\nlisten = \"{address}\"\nstate-directory = {:?}\nmax-connections = 100000\nheartbeat = \"60s\"\n\
             [log]\nlevel = \"error\"\n",
            place.join("hub")
        );
        if tls {
            text += &format!("[tls]\ncertificate = {:?}\nkey = {:?}\n", place.join("hub.pem"), place.join("hub.key"));
        }
        let config = place.join("hub.toml");
        fs::write(&config, text).expect("the directory is ours");
        let process = Process::start(&["hub", "--config", &config.display().to_string()]);
        let address = process.address.split_once("://").map(|(_, address)| address.parse()).expect("its address");
        let address = address.expect("an address");
        let way = if tls { self.hub_way(address) } else { Way::plain(address) };
        Hub { process, way }
    }
}

/// A certificate for `localhost`, which is its own authority. Both servers of a bench take it.
fn certify(place: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("names are names");
    fs::write(place.join("hub.pem"), made.cert.pem()).expect("the directory is ours");
    fs::write(place.join("hub.key"), made.signing_key.serialize_pem()).expect("the directory is ours");
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("it was just made")
}

/// A running hub.
pub struct Hub {
    pub process: Process,
    pub way: Way,
}

/// A device on its event socket, welcome.
pub async fn come_online(way: &Way, key: &Key) -> std::io::Result<Socket> {
    let mut socket = Socket::open(way, "/v1/events", Some(key.expose())).await?;
    socket.send(br#"{"type":"hello","protocol":1}"#, false).await?;
    let welcome = socket.frame().await?;
    if super::wire::contains(&welcome, "\"welcome\"") {
        Ok(socket)
    } else {
        Err(std::io::Error::other(String::from_utf8_lossy(&welcome).into_owned()))
    }
}
