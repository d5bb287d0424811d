//! From the door's `initiate` to a push service having the ring, beside the socket of a phone that is open, in the same calls:
//! one process, loopback, a group of 2 and of 50. The push service of the tests checks and decrypts each message, which is a
//! part of what is measured.

mod bench;
#[path = "../tests/hub_house/mod.rs"]
mod hub_house;
#[path = "../tests/push_service/mod.rs"]
mod push_service;

use std::time::{Duration, Instant};

use bench::{machine, row};
use doorward::config::hub::HubConfig;
use doorward::config::push::PushTable;
use doorward::signaling::protocol::EventKind;
use hub_house::{Device, House};
use push_service::{CONTACT, PushService};

const CALLS: usize = 30;
/// Verbs of the door are limited; the limit is not what is measured.
const BETWEEN_CALLS: Duration = Duration::from_millis(220);

fn main() {
    machine("ring (initiate sent) to push (a push service decrypted it)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for phones in [2, 50] {
        runtime.block_on(group(phones));
    }
    println!("load after: {}", bench::load());
}

async fn group(phones: usize) {
    let mut service = PushService::open().await;
    let services = vec![service.name()];
    let push = Some(PushTable { services, repeat: Duration::from_secs(60), ..PushTable::of(CONTACT) });
    let house = House::with(HubConfig { push, ..HubConfig::default() }).await;
    let (door, open) = (house.device("front"), house.device("ben"));
    let asleep: Vec<Device> = (0..phones).map(|_| house.device("anna")).collect();
    house.settle(asleep.last().expect("some")).await;
    for (number, phone) in asleep.iter().enumerate() {
        let subscription = service.subscription(&format!("phone{number}"));
        assert_eq!(phone.put("/v1/me/device/push", subscription.to_string()).await.0, 204);
    }
    let mut socket = open.connect().await;
    let (mut rung, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..CALLS {
        let began = Instant::now();
        let call = async { door.initiate("group", "flat-1").await.expect("it may") };
        let ring = async {
            socket.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
            began.elapsed()
        };
        let (call, ring) = tokio::join!(call, ring);
        rung.push(ring);
        let mut times = Vec::new();
        for _ in 0..phones {
            times.push(service.next().await.at.saturating_duration_since(began));
        }
        first.push(times.iter().min().copied().unwrap_or_default());
        last.push(times.iter().max().copied().unwrap_or_default());
        door.reject(call.session_id, "cancelled").await.expect("it may");
        for _ in 0..phones {
            service.next().await;
        }
        tokio::time::sleep(BETWEEN_CALLS).await;
    }
    row(&format!("socket of an open phone, beside {phones} asleep"), rung);
    row(&format!("push, first of {phones}"), first);
    row(&format!("push, last of {phones}"), last);
}
