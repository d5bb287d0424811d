//! A way that takes time, and another time for each packet: datagrams between the door and one phone are carried by hand, late and
//! out of order. (The kernel could do it, where it has netem.)

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;

/// Where the phone is.
const PHONE: &str = "198.51.100.130:0";

/// The address that the door is told instead of the phone's own, and what goes on behind it.
pub struct Detour {
    pub address: SocketAddr,
    phone: watch::Sender<Option<SocketAddr>>,
    carried: Arc<AtomicU64>,
}

impl Detour {
    /// One way takes as many milliseconds as a dice with these sides says, for each packet anew. It ends with the runtime.
    pub async fn open(milliseconds: Range<u64>) -> Self {
        let bind = || async { Arc::new(UdpSocket::bind(PHONE).await.expect("it is our address")) };
        let (to_door, to_phone) = (bind().await, bind().await);
        let (phone, phone_at) = watch::channel(None);
        let (door, door_at) = watch::channel(None);
        let carried = Arc::new(AtomicU64::new(0));
        let carry = Carry { milliseconds, carried: carried.clone() };
        tokio::spawn(
            carry
                .clone()
                .run(to_door.clone(), to_phone.clone(), phone_at, move |from| _ = door.send_replace(Some(from))),
        );
        tokio::spawn(carry.run(to_phone, to_door.clone(), door_at, |_| ()));
        Self { address: to_door.local_addr().expect("it is bound"), phone, carried }
    }

    /// Puts its own address into a candidate of the phone (RFC 8839 section 5.1), whose address it keeps.
    pub fn lead(&self, candidate: &str) -> String {
        let mut words: Vec<&str> = candidate.split(' ').collect();
        let (ip, port) = (self.address.ip().to_string(), self.address.port().to_string());
        if words.len() > 5 && words[2].eq_ignore_ascii_case("udp") {
            if let Ok(address) = format!("{}:{}", words[4], words[5]).parse() {
                self.phone.send_replace(Some(address));
            }
            (words[4], words[5]) = (&ip, &port);
        }
        words.join(" ")
    }

    /// Packets so far, both ways.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Carry {
    milliseconds: Range<u64>,
    carried: Arc<AtomicU64>,
}

impl Carry {
    async fn run(
        self,
        from: Arc<UdpSocket>,
        by: Arc<UdpSocket>,
        to: watch::Receiver<Option<SocketAddr>>,
        came_from: impl Fn(SocketAddr),
    ) {
        let mut packet = vec![0; 2048];
        while let Ok((length, source)) = from.recv_from(&mut packet).await {
            came_from(source);
            let (by, to, content) = (by.clone(), to.clone(), packet[..length].to_vec());
            let late = Duration::from_millis(fastrand::u64(self.milliseconds.clone()));
            let carried = self.carried.clone();
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                let to = *to.borrow();
                // Nobody is there yet: as on any network, it is gone.
                if let Some(to) = to
                    && by.send_to(&content, to).await.is_ok()
                {
                    carried.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
}
