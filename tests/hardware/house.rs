//! What is at the other end of the door's cable: a hub with TLS on this machine, and the residents' phones.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use doorward::config::hub::{HubConfig, ServerTable, TlsTable};
use doorward::hub;
use doorward::hub::administration::Administration;
use doorward::signaling::client::{Client, Settings, Told};
use doorward::signaling::protocol::{Event, EventKind};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The host, as QEMU's user network shows it to the machine.
pub const HOST: &str = "10.0.2.2";

/// A hub, and the runtime on which it and the phones live.
pub struct House {
    pub handle: Handle,
    pub address: SocketAddr,
    /// The authority that signed the hub's certificate, PEM.
    pub authority: String,
    /// The door's credential.
    pub credential: String,
    state: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
}

impl House {
    pub fn open() -> anyhow::Result<Self> {
        let state = tempfile::tempdir()?;
        // The first one counts.
        drop(rustls::crypto::ring::default_provider().install_default());
        let (authority, tls) = certificates(state.path())?;
        let mut administration = Administration::open(state.path())?;
        for (guid, user) in [("flat-1", "anna"), ("flat-2", "clara")] {
            administration.add_group(&guid.parse()?, guid, false)?;
            administration.add_user(&user.parse()?, user, &[guid.parse()?])?;
        }
        administration.add_door(&"front".parse()?, "Front door", &["flat-1".parse()?, "flat-2".parse()?], &[])?;
        let station = administration.add_device(&"front".parse()?, "the machine")?;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = ServerTable { listen, state_directory: state.path().to_owned(), ..ServerTable::default() };
        let config = HubConfig { server, tls: Some(tls), ..HubConfig::default() };

        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let ready = |address| {
                    // The test waits for it.
                    let _ = ready.send(address);
                };
                if let Err(error) = hub::run(config, ready, async { drop(stopped.await) }).await {
                    eprintln!("the hub: {error}");
                }
            });
        });
        let address = is_ready.recv_timeout(Duration::from_secs(20)).context("the hub does not start")?;
        Ok(Self { handle, address, authority, credential: station.credential.into_exposed(), state, _stop: stop })
    }

    /// The hub's address as the machine reaches it.
    pub fn address_inside(&self) -> String {
        format!("https://{HOST}:{}", self.address.port())
    }

    /// A phone of a resident, connected.
    pub fn phone(&self, user: &str) -> anyhow::Result<Phone> {
        let admission = Administration::open(self.state.path())?.add_device(&user.parse()?, "a phone")?;
        let settings = Settings {
            address: format!("https://127.0.0.1:{}", self.address.port()),
            credential: admission.credential,
            authority: Some(self.authority.clone().into_bytes()),
        };
        let (tell, told) = mpsc::channel();
        let _guard = self.handle.enter();
        let (client, mut heard) = Client::connect(settings)?;
        self.handle.spawn(async move {
            while let Some(word) = heard.recv().await {
                if tell.send((Instant::now(), word)).is_err() {
                    return;
                }
            }
        });
        let mut phone = Phone { client, told };
        phone.hears("the hub", Duration::from_secs(20), |told| matches!(told, Told::Up { .. }).then_some(()))?;
        Ok(phone)
    }
}

/// A resident's phone, without a screen.
pub struct Phone {
    pub client: Client,
    told: mpsc::Receiver<(Instant, Told)>,
}

impl Phone {
    /// The next word of the hub that is meant, and when it came.
    pub fn hears<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut meant: impl FnMut(&Told) -> Option<T>,
    ) -> anyhow::Result<(Instant, T)> {
        let deadline = Instant::now() + within;
        loop {
            let Ok((at, told)) = self.told.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                bail!("the phone heard nothing of {what} within {within:?}");
            };
            if let Some(found) = meant(&told) {
                return Ok((at, found));
            }
        }
    }

    /// The next event of a call that is meant.
    pub fn event<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut meant: impl FnMut(&Event) -> Option<T>,
    ) -> anyhow::Result<(Instant, T)> {
        self.hears(what, within, |told| match told {
            Told::Event(event) => meant(event),
            _ => None,
        })
    }

    /// It rings.
    pub fn rings(&mut self, within: Duration) -> anyhow::Result<(Instant, doorward::ids::SessionId)> {
        self.event("a ring", within, |event| {
            matches!(event.event, EventKind::IncomingCallReceived { .. }).then_some(event.session_id)
        })
    }

    /// How often it rings for as long as this.
    pub fn rings_counted(&mut self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        let mut rings = 0;
        while self.rings(deadline.saturating_duration_since(Instant::now())).is_ok() {
            rings += 1;
        }
        rings
    }

    /// The next word of the hub, if one comes before this.
    #[cfg(feature = "media")]
    pub fn next(&mut self, deadline: Instant) -> Option<Told> {
        self.told.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok().map(|(_, told)| told)
    }

    /// Hears nothing that was said so far.
    pub fn forget(&mut self) {
        while self.told.try_recv().is_ok() {}
    }
}

/// An authority of the test's own, and the hub's certificate by it.
fn certificates(directory: &std::path::Path) -> anyhow::Result<(String, TlsTable)> {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let certificate = authority.self_signed(&authority_key)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![HOST.to_owned(), "127.0.0.1".to_owned()])?;
    let signed = leaf.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
    let written = |name: &str, text: String| -> anyhow::Result<PathBuf> {
        let path = directory.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let table =
        TlsTable { certificate: written("hub.pem", signed.pem())?, key: written("hub.key", key.serialize_pem())? };
    Ok((certificate.pem(), table))
}
