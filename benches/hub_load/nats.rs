//! The peer: nats-server with its WebSocket listener, a broker known for its fan-out. It knows no calls, no residents and no
//! rules: a publication to a subject is the least that a ring could cost.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::wire::{Socket, Way};

/// The question how long the way is, which both sides may ask.
pub const PING: &[u8] = b"PING\r\n";

/// A running nats-server.
pub struct Nats {
    child: Child,
    pub way: Way,
}

impl Nats {
    /// Nothing if it is not installed.
    pub fn start(place: &Path, way: impl FnOnce(SocketAddr) -> Way, tls: bool) -> Option<Self> {
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let (clients, sockets) = (free(), free());
        let secured = match tls {
            true => format!("tls {{ cert_file: {:?}, key_file: {:?} }}", place.join("hub.pem"), place.join("hub.key")),
            false => "no_tls: true".to_owned(),
        };
        let config = place.join("nats.conf");
        let text = format!(
            "listen: \"{clients}\"\nmax_connections: 100000\nping_interval: \"1h\"\n\
             websocket {{ listen: \"{sockets}\", {secured} }}\n"
        );
        fs::write(&config, text).expect("the directory is ours");
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let nats = Self { child: command.spawn().ok()?, way: way(sockets) };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(sockets).is_err() {
            assert!(Instant::now() < deadline, "nats-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(nats)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// A client, subscribed to a subject or to none.
pub async fn come_online(way: &Way, subject: Option<&str>) -> std::io::Result<Socket> {
    let mut socket = Socket::open(way, "/", None).await?;
    let subscription = subject.map(|subject| format!("SUB {subject} 1\r\n")).unwrap_or_default();
    let hello = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{subscription}PING\r\n");
    socket.until("INFO").await?;
    socket.send(hello.as_bytes(), true).await?;
    socket.until("PONG").await?;
    Ok(socket)
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
