//! The house of the page: a hub with Anna, Ben, their flat and its front door, started in this process on a free port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;

use doorward::config::hub::HubConfig;
use doorward::config::push::PushTable;
use doorward::hub::{self, administration::Administration};
use doorward::ids::IdError;
use tokio::sync::oneshot;

/// What the page calls the pairing code, the enrolment token, and Ben's phone.
const CODE: &str = "7K3M9-QX2TD";
const TOKEN: &str = "dwe1.Qk1tbnpWYzJ0b3JhZ2UtZXhhbXBsZS1vbmx5LTAwMDE";
const BENS_DEVICE: &str = "b2e07c41d95a3f68";
const BENS_CREDENTIAL: &str = "dw1.b2e07c41d95a3f68.dGhpcy1pcy1iZW5zLXBob25lLW5vdC1hLXNlY3JldC0";

/// A running hub.
pub struct House {
    /// Where it listens.
    pub address: SocketAddr,
    /// What the page calls something, and what it is called here.
    pub names: BTreeMap<String, String>,
    stop: Option<oneshot::Sender<()>>,
    hub: tokio::task::JoinHandle<()>,
    _state: tempfile::TempDir,
}

fn word<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().expect("a word")
}

impl House {
    /// With everybody in it, and nobody connected.
    pub async fn open() -> Self {
        let state = tempfile::tempdir().expect("a directory for the hub");
        let names = settle(state.path());
        let mut config = HubConfig::default();
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.server.state_directory = state.path().to_owned();
        // Subscribed and unsubscribed before anybody calls: nothing is sent.
        config.push = Some(PushTable::of("mailto:you@your-house.net"));
        let (ready, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let hub = tokio::spawn(async move {
            let told = |address| ready.send(address).expect("the test waits for it");
            let stopped = async { drop(stopped.await) };
            hub::run(config, told, stopped).await.expect("the hub runs");
        });
        let address = address.await.expect("the hub starts");
        Self { address, names, stop: Some(stop), hub, _state: state }
    }

    /// Stops the hub.
    pub async fn close(mut self) {
        drop(self.stop.take());
        self.hub.await.expect("the hub stops");
    }
}

fn settle(state: &std::path::Path) -> BTreeMap<String, String> {
    let mut office = Administration::open(state).expect("an empty directory");
    let flat = word("flat-1");
    office.add_group(&flat, "Flat 1", false).expect("it is new");
    for (uid, name) in [("anna", "Anna"), ("ben", "Ben")] {
        office.add_user(&word(uid), name, std::slice::from_ref(&flat)).expect("it is new");
    }
    office.add_door(&word("front"), "Front door", &[flat], &[]).expect("it is new");
    let code = office.pair(&word("anna")).expect("she is there");
    let token = office.enrol(&word("front")).expect("it is there");
    let ben = office.add_device(&word("ben"), "Ben's phone").expect("he is there");
    [
        (CODE, code.expose().clone()),
        (TOKEN, token.expose().clone()),
        (BENS_DEVICE, ben.device_id.to_string()),
        (BENS_CREDENTIAL, ben.credential.expose().clone()),
    ]
    .map(|(page, here)| (page.to_owned(), here))
    .into()
}
