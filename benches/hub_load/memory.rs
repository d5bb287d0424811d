//! Memory of a device that is online and does nothing, as almost all do almost always.

use std::time::Duration;

use super::bench::memory;
use super::building::{Building, come_online};
use super::figures::exponent;
use super::nats::{self, Nats};
use super::wire::{Socket, Way};

/// Handshakes that are under way at one time.
const AT_ONCE: usize = 32;

/// Prints a row per number of devices, plain and TLS, doorward beside nats-server.
pub async fn print(sizes: &[usize]) {
    println!("\nmemory per idle device (resident set of the server; the kernel's buffers are not in it)");
    for tls in [false, true] {
        let mut rows = [Vec::new(), Vec::new()];
        for size in sizes {
            let mut building = Building::new();
            let empty = memory(building.hub(tls).process.pid());
            let keys = building.others(*size);
            let hub = building.hub(tls);
            let before = memory(hub.process.pid());
            let online = connect_all(keys.len(), |number| come_online(&hub.way, &keys[number])).await;
            settle().await;
            let after = memory(hub.process.pid());
            let per = |kilobytes: u64| kilobytes as f64 / *size as f64;
            println!(
                "doorward    {} {size:>6} devices: {:>6.2} kB each; with their entries in the directory {:>6.2} kB",
                shown(tls),
                per(after - before),
                per(after - empty),
            );
            rows[0].push((*size as f64, (after - before) as f64));
            drop((online, hub));
            let way = |address| if tls { building.hub_way(address) } else { Way::plain(address) };
            let Some(nats) = Nats::start(building.directory.path(), way, tls) else { continue };
            let before = memory(nats.pid());
            let online = connect_all(*size, |_| nats::come_online(&nats.way, None)).await;
            settle().await;
            let after = memory(nats.pid());
            println!("nats-server {} {size:>6} devices: {:>6.2} kB each", shown(tls), per(after - before));
            rows[1].push((*size as f64, (after - before) as f64));
            drop(online);
        }
        let [ours, theirs] = rows.map(|rows| exponent(&rows));
        println!("exponent over the number of devices, {}: doorward {ours}, nats-server {theirs}", shown(tls));
    }
}

const fn shown(tls: bool) -> &'static str {
    if tls { "TLS  " } else { "plain" }
}

/// What a handshake needed for a moment is given back by then.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// Opens so many sockets, some at a time.
pub async fn connect_all<F>(count: usize, open: impl Fn(usize) -> F) -> Vec<Socket>
where
    F: Future<Output = std::io::Result<Socket>>,
{
    use futures_util::StreamExt as _;
    let sockets = futures_util::stream::iter(0..count).map(open).buffer_unordered(AT_ONCE);
    sockets.map(|socket| socket.expect("the server takes it")).collect().await
}
