//! Processes of the generator that keep devices online which have nothing to do with what is measured: each has open files, and
//! a limit of them, of its own.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio, exit};
use std::time::Duration;

use super::building::{DEVICE_PING, Key, come_online};
use super::memory::connect_all;
use super::nats;
use super::wire::Way;

/// The word with which this program is such a process.
pub const WORD: &str = "hold";

/// Each shows that it is there this often: within the heartbeat of the benches' hubs.
const ALIVE: Duration = Duration::from_secs(50);

/// Devices that are online for as long as it lives.
pub struct Holder(Child);

impl Holder {
    /// Of a hub, one device for each of these keys.
    pub fn of_devices(address: SocketAddr, keys: &[Key]) -> Self {
        let keys = keys.iter().fold(String::new(), |text, key| text + key.expose() + "\n");
        Self::start(&format!("hub {address} {}\n{keys}", keys.lines().count()))
    }

    /// Of nats-server, so many clients.
    pub fn of_clients(address: SocketAddr, count: usize) -> Self {
        Self::start(&format!("nats {address} {count}\n"))
    }

    /// Keys go through the pipe: a command line is for everybody to see.
    fn start(orders: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(WORD).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.as_mut().expect("it is piped").write_all(orders.as_bytes()).expect("it reads");
        let mut ready = [0; 6];
        child.stdout.as_mut().expect("it is piped").read_exact(&mut ready).expect("everybody is online");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Its input ends, and so does it.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What such a process does.
pub async fn hold() -> ! {
    let mut lines = std::io::stdin().lock().lines().map(|line| line.expect("text"));
    let first = lines.next().expect("its orders");
    let [server, address, count] = first.split(' ').collect::<Vec<_>>()[..] else { panic!("orders: {first}") };
    let (way, count) = (Way::plain(address.parse().expect("an address")), count.parse().expect("a number"));
    let (mut online, ping, binary) = if server == "nats" {
        (connect_all(count, |_| nats::come_online(&way, None)).await, nats::PING, true)
    } else {
        let keys: Vec<_> = lines.by_ref().take(count).map(Key::new).collect();
        (connect_all(count, |number| come_online(&way, &keys[number])).await, DEVICE_PING, false)
    };
    println!("ready");
    drop(lines);
    std::thread::spawn(|| {
        // Nothing more is said; whatever ends it, ends this.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        exit(0);
    });
    let mut every = tokio::time::interval(ALIVE / u32::try_from(count).unwrap_or(u32::MAX).max(1));
    loop {
        for socket in &mut online {
            every.tick().await;
            socket.send(ping, binary).await.expect("the server reads");
        }
    }
}
