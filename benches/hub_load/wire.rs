//! The generator's ends of the sockets: as little memory and work as can be, so that what is measured is the server. Speaks
//! just enough HTTP/1.1 and WebSocket (RFC 6455) for a server that is well behaved, and panics at one that is not.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

/// Connections of one source address: some 28,000 ports are free for them.
const PER_SOURCE: u32 = 4000;

pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// How to reach a server.
pub struct Way {
    pub address: SocketAddr,
    tls: Option<TlsConnector>,
    opened: Cell<u32>,
}

impl Way {
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None, opened: Cell::new(0) }
    }

    /// Trusting this authority alone.
    pub fn tls(address: SocketAddr, authority: rustls::pki_types::CertificateDer<'static>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority).expect("it was just made");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Every device of a house is another one: none resumes a session of its neighbour.
        config.resumption = rustls::client::Resumption::disabled();
        Self { address, tls: Some(TlsConnector::from(Arc::new(config))), opened: Cell::new(0) }
    }

    /// The same server on another port.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address, tls: self.tls.clone(), opened: Cell::new(self.opened.get()) }
    }

    pub async fn connect(&self) -> std::io::Result<Box<dyn Duplex>> {
        let number = self.opened.replace(self.opened.get() + 1);
        let [a, b] = u16::try_from(2 + number / PER_SOURCE % 60_000).expect("below 2¹⁶").to_be_bytes();
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, a, b], 0)))?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some(tls) => {
                let name = ServerName::try_from("localhost").expect("a name");
                Ok(Box::new(tls.connect(name, stream).await?))
            }
        }
    }
}

/// A WebSocket.
pub struct Socket {
    stream: Box<dyn Duplex>,
    unread: Vec<u8>,
}

impl Socket {
    pub async fn open(way: &Way, path: &str, credential: Option<&str>) -> std::io::Result<Self> {
        let mut stream = way.connect().await?;
        let authorization = credential.map(|text| format!("Authorization: Bearer {text}\r\n")).unwrap_or_default();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{authorization}\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.flush().await?;
        let (mut unread, head) = (Vec::new(), read_head(&mut stream).await?);
        if !head.0.starts_with(b"HTTP/1.1 101") {
            return Err(std::io::Error::other(String::from_utf8_lossy(&head.0).into_owned()));
        }
        unread.extend_from_slice(&head.1);
        Ok(Self { stream, unread })
    }

    pub async fn send(&mut self, text: &[u8], binary: bool) -> std::io::Result<()> {
        let mut frame = vec![if binary { 0x82 } else { 0x81 }];
        match text.len() {
            length @ 0..=125 => frame.push(0x80 | u8::try_from(length).expect("small")),
            length => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).expect("short frames only").to_be_bytes());
            }
        }
        // A mask of zeros is a mask.
        frame.extend([0; 4]);
        frame.extend(text);
        self.stream.write_all(&frame).await?;
        self.stream.flush().await
    }

    /// The payload of the next frame.
    pub async fn frame(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            if let Some((head, length)) = measure(&self.unread)
                && self.unread.len() >= head + length
            {
                let payload = self.unread[head..head + length].to_vec();
                self.unread.drain(..head + length);
                if self.unread.is_empty() {
                    self.unread = Vec::new();
                }
                return Ok(payload);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => self.unread.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Reads until a frame contains these words.
    pub async fn until(&mut self, words: &str) -> std::io::Result<Vec<u8>> {
        loop {
            let frame = self.frame().await?;
            if contains(&frame, words) {
                return Ok(frame);
            }
        }
    }
}

pub fn contains(frame: &[u8], words: &str) -> bool {
    std::str::from_utf8(frame).is_ok_and(|text| text.contains(words))
}

/// Length of head and payload of a frame that begins here.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        short @ 0..=125 => Some((2, usize::from(short))),
        126 => Some((4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])))),
        _ => panic!("a frame longer than any of the protocol"),
    }
}

/// The head of an answer, and what came behind it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((bytes, rest));
        }
        match stream.read(&mut buffer).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A kept-alive connection for verbs.
pub struct Verbs {
    stream: Box<dyn Duplex>,
    credential: String,
}

impl Verbs {
    pub async fn open(way: &Way, credential: &str) -> std::io::Result<Self> {
        Ok(Self { stream: way.connect().await?, credential: credential.to_owned() })
    }

    /// Posts, and reads the answer.
    pub async fn post(&mut self, path: &str, body: &str) -> std::io::Result<(u16, Vec<u8>)> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.credential,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let (head, mut rest) = read_head(&mut self.stream).await?;
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("its answers have one");
        let length: usize = length.trim().parse().expect("a number");
        let mut buffer = [0; 4096];
        while rest.len() < length {
            match self.stream.read(&mut buffer).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => rest.extend_from_slice(&buffer[..count]),
            }
        }
        Ok((status, rest))
    }
}
