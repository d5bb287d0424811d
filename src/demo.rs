//! `doorward demo`: hub, a simulated door and the app on this machine, wired as an installer would wire them, without
//! hardware and without configuration. With `--lan` a phone in the same network can take part.
//!
//! Everything it makes is in one temporary directory, and goes with it.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use anyhow::Context;
use tokio::sync::{oneshot, watch};

use crate::config::Configuration;
use crate::config::door::DoorConfig;
use crate::config::hub::{HubConfig, ServerTable, TlsTable};
use crate::hub::administration::Administration;
use crate::ids::Guid;
use crate::media::worker::WorkerCommand;
use crate::redacted::Redacted;
use crate::{clock, door, hub};

/// The demo's own words on the command line.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Let a phone in the same network take part: makes a certificate authority and a certificate
    #[arg(long)]
    lan: bool,
    /// Port of the hub and the app
    #[arg(long, default_value_t = 8480)]
    port: u16,
    /// Port of the door's panel
    #[arg(long, default_value_t = 8481)]
    panel_port: u16,
}

/// Who lives in the demo's house: user, name, flat.
const RESIDENTS: [(&str, &str, &str); 3] =
    [("anna", "Anna", "flat-1"), ("ben", "Ben", "flat-1"), ("clara", "Clara", "flat-2")];
const FLATS: [(&str, &str); 2] = [("flat-1", "Flat 1"), ("flat-2", "Flat 2")];

/// Runs the demo until it is interrupted.
///
/// # Errors
/// Something it needs is not there: a port, a directory, the media worker.
pub async fn run(arguments: Arguments, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let house = House::build(&scratch, &arguments)?;
    let (stop_in, stopped) = watch::channel(());
    let ended = || {
        let mut stopped = stopped.clone();
        async move {
            // The sender is dropped when the demo ends.
            while stopped.changed().await.is_ok() {}
        }
    };
    let (listening, listens) = oneshot::channel();
    let ready = |address| {
        // The door waits for it as long as the demo lives.
        let _ = listening.send(address);
    };
    let hub = hub::run(house.hub.clone(), ready, ended());
    let door = async {
        let address = listens.await.context("the hub did not start")?;
        let config = house.door(&scratch, address)?;
        let ready = |started: &door::Started| house.welcome(address, started);
        // The demo's configuration is its own: nobody changes it.
        let (_, reloads) = tokio::sync::mpsc::channel(1);
        door::run(config, reloads, WorkerCommand::of_this_binary()?, ready, ended()).await
    };
    tokio::pin!(hub, door);
    tokio::select! {
        result = &mut hub => return Ok(result?),
        result = &mut door => return result,
        () = stop => {}
    }
    drop(stop_in);
    println!("\nStopping.");
    // The door says its goodbyes to a hub that still listens.
    door.await?;
    Ok(())
}

/// What the demo wired.
struct House {
    hub: HubConfig,
    panel: SocketAddr,
    /// The address phones use, if not loopback.
    lan: Option<Lan>,
    /// Name and pairing code.
    codes: Vec<(&'static str, Redacted<String>)>,
}

struct Lan {
    ip: IpAddr,
    authority: PathBuf,
}

impl House {
    fn build(scratch: &Scratch, arguments: &Arguments) -> anyhow::Result<Self> {
        let state_directory = scratch.path.join("hub");
        let mut administration = Administration::open(&state_directory)?;
        let mut groups: Vec<Guid> = Vec::new();
        for (guid, name) in FLATS {
            let guid: Guid = guid.parse()?;
            administration.add_group(&guid, name, false)?;
            groups.push(guid);
        }
        administration.add_door(&"front-door".parse()?, "Front door", &groups, &[])?;
        let station = administration.add_device(&"front-door".parse()?, "Simulated door")?;
        scratch.write("door.credential", station.credential.expose().as_bytes())?;
        let mut codes = Vec::new();
        for (uid, name, flat) in RESIDENTS {
            administration.add_user(&uid.parse()?, name, &[flat.parse()?])?;
            codes.push((name, administration.pair(&uid.parse()?)?));
        }
        let lan = if arguments.lan { Some(Lan::open(scratch)?) } else { None };
        let ip = if lan.is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let listen = SocketAddr::new(ip.into(), arguments.port);
        let hub = HubConfig {
            server: ServerTable { listen, state_directory, ..ServerTable::default() },
            tls: lan
                .is_some()
                .then(|| TlsTable { certificate: scratch.path.join("hub.pem"), key: scratch.path.join("hub.key") }),
            ..HubConfig::default()
        };
        Ok(Self { hub, panel: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), arguments.panel_port), lan, codes })
    }

    /// The door's configuration, written and read as an installer's would be.
    fn door(&self, scratch: &Scratch, hub: SocketAddr) -> anyhow::Result<DoorConfig> {
        let mut text = String::from("[door]\nname = \"Front door\"\n\n[hub]\n");
        writeln!(text, "address = \"{}\"", self.base(hub))?;
        writeln!(text, "credential = {{ file = {:?} }}", scratch.path.join("door.credential"))?;
        if let Some(lan) = &self.lan {
            writeln!(text, "ca-file = {:?}", lan.authority)?;
        }
        for (guid, name) in FLATS {
            writeln!(text, "\n[[button]]\nid = {guid:?}\nlabel = {name:?}\nreceiver = {{ group = {guid:?} }}")?;
        }
        writeln!(text, "\n[panel.page]\nlisten = \"{}\"", self.panel)?;
        writeln!(text, "\n[ice]\nloopback = {}", self.lan.is_none())?;
        let path = scratch.write("door.toml", text.as_bytes())?;
        DoorConfig::load(&path).map_err(|diagnostics| anyhow::anyhow!("the demo's own configuration:\n{diagnostics}"))
    }

    /// Where phones find hub and app.
    fn base(&self, hub: SocketAddr) -> String {
        match &self.lan {
            Some(lan) => format!("https://{}:{}", lan.ip, hub.port()),
            None => format!("http://{hub}"),
        }
    }

    fn welcome(&self, hub: SocketAddr, started: &door::Started) {
        let base = self.base(hub);
        println!("\nDoorward demo: a front door with two buttons, Anna and Ben in flat 1, Clara in flat 2.\n");
        if let Some(panel) = started.panel {
            println!("  The door's panel   http://{panel}/");
        }
        for (name, code) in &self.codes {
            println!("  Pair {name:<14}{base}/#pair={}", code.expose());
        }
        println!(
            "\nOpen the panel and a pairing link each in a window of its own (a private window per resident on one"
        );
        println!("machine: a browser profile is one phone). Press a button on the panel; answer in the app.");
        if let Some(lan) = &self.lan {
            lan.explain(&base, &self.codes);
        }
        println!("A pairing link works once, for ten minutes. Ctrl-C ends the demo and removes all it made.");
    }
}

impl Lan {
    fn open(scratch: &Scratch) -> anyhow::Result<Self> {
        let ip = lan_address().context("this machine has no address in a network")?;
        let authority = make_certificates(scratch, ip)?;
        Ok(Self { ip, authority })
    }

    fn explain(&self, base: &str, codes: &[(&str, Redacted<String>)]) {
        if let Some((name, code)) = codes.first() {
            println!("\nFor the phone of {name}:\n\n{}", qr(&format!("{base}/#pair={}", code.expose())));
        }
        println!("What a phone demands: microphone and notifications work only on a page with a certificate the phone");
        println!("trusts. This demo made its own authority for it, which no phone knows yet:");
        println!("  {}", self.authority.display());
        println!("Bring that file to the phone (mail, cable, a share). Android: Settings, Security, Encryption and");
        println!("credentials, Install a certificate, CA certificate. iPhone: open it, Settings, Profile downloaded,");
        println!(
            "Install; then Settings, General, About, Certificate Trust Settings, switch it on. Without it the page"
        );
        println!(
            "opens after a warning at best, and rings without a microphone. Remove it when you are done. For a real"
        );
        println!("house use a name of your own with a public certificate; then a phone needs none of this.\n");
    }
}

/// The address of this machine that others in its network would use. Nothing is sent.
fn lan_address() -> anyhow::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // TEST-NET-1 (RFC 5737) stands for "anywhere else".
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    Ok(socket.local_addr()?.ip())
}

/// An authority of the demo's own, and the hub's certificate by it. Where the authority's certificate is.
fn make_certificates(scratch: &Scratch, ip: IpAddr) -> anyhow::Result<PathBuf> {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Doorward demo authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate = authority.self_signed(&authority_key)?;
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(vec![ip.to_string(), "localhost".to_owned()])?;
    leaf.distinguished_name.push(DnType::CommonName, "Doorward demo hub");
    // Phones refuse certificates that are valid for more than 825 days.
    let year = 1970 + i32::try_from(clock::wall() / 31_556_952_000)?;
    (leaf.not_before, leaf.not_after) = (rcgen::date_time_ymd(year, 1, 1), rcgen::date_time_ymd(year + 2, 1, 1));
    leaf.use_authority_key_identifier_extension = true;
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = leaf.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
    scratch.write("hub.pem", certificate.pem().as_bytes())?;
    scratch.write("hub.key", key.serialize_pem().as_bytes())?;
    scratch.write("doorward-demo-authority.crt", authority_certificate.pem().as_bytes())
}

/// A text as a QR code for a terminal.
fn qr(text: &str) -> String {
    match qrcode::QrCode::new(text) {
        Ok(code) => code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build(),
        Err(_) => String::new(),
    }
}

/// A directory that goes with the demo.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("doorward-demo-{}", clock::boot_id()));
        fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path })
    }

    fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        use std::io::Write;

        let path = self.path.join(name);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(content)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "the demo's directory stays behind");
        }
    }
}
