//! The listening socket: connections in, with a limit to their number and a deadline for everything they do, TLS where there
//! is a certificate, and HTTP/1.1 with bounded heads on top. Knows no path and no verb.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, error, warn};

use super::patience::{Patience, Watched};

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Largest number of header lines.
const MAX_HEADERS: usize = 64;

/// A peer that acknowledges nothing for this long is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Connections that wait to be accepted: a building that comes back at once. (The kernel may allow fewer: net.core.somaxconn.)
const BACKLOG: u32 = 4096;

/// Bytes that the kernel keeps for a peer that does not read; it counts twice as much, for its own book-keeping. What it
/// would choose itself grows to megabytes, of each.
const UNREAD: usize = 128 * 1024;

/// A connection whose place is needed is gone this soon.
const GIVEN_UP: Duration = Duration::from_millis(100);

/// Descriptors for everything that is no connection.
const DESCRIPTORS: u64 = 128;

/// After this long without a word the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Who is at the other end of a request's connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Their address.
    pub address: IpAddr,
    /// The connection's clock.
    pub patience: Arc<Patience>,
}

/// Where connections come from, and what becomes of them.
pub struct Server<A> {
    /// The socket.
    pub listener: TcpListener,
    /// TLS, if there is a certificate.
    pub tls: Option<TlsAcceptor>,
    /// What answers requests.
    pub answer: A,
    /// Connections at one time.
    pub max_connections: usize,
}

/// Listens.
///
/// # Errors
/// The address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A hub that starts again does not wait for what the kernel remembers of the last one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Asks for as many descriptors as connections need: many systems give a program 1024 until it asks.
pub fn make_room(max_connections: usize) {
    let wanted = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(DESCRIPTORS);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    // A sandbox may forbid to ask; what counts is what is there in the end.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum });
    let current = getrlimit(Resource::Nofile).current;
    if current.is_some_and(|current| current < wanted) {
        warn!(max_connections, descriptors = ?current, "fewer open files are allowed than max-connections needs");
    }
}

impl<A, F> Server<A>
where
    A: Fn(Peer, Request<Body>) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    /// Serves for ever. Dropped, it closes every connection that is not a WebSocket.
    pub async fn serve(self) {
        let places = Arc::new(Semaphore::new(self.max_connections));
        let mut connections = JoinSet::new();
        let mut strangers = Strangers::default();
        let mut full = false;
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: those that close make room.
                    error!(%error, "no connection can be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            let mut place = places.clone().try_acquire_owned().ok();
            if place.is_none() && !full {
                warn!(
                    limit = self.max_connections,
                    "as many connections as allowed; strangers and newcomers are closed"
                );
            }
            full = place.is_none();
            if full && strangers.displace_one() {
                place = timeout(GIVEN_UP, places.clone().acquire_owned()).await.ok().and_then(Result::ok);
            }
            let Some(place) = place else { continue };
            let (tls, answer) = (self.tls.clone(), self.answer.clone());
            connections.spawn(connection(stream, address, tls, answer, (strangers.add(), place)));
        }
    }
}

/// Connections on which nobody has shown who they are, the oldest first. They do not keep residents out: when all places are
/// taken, the newcomer gets the place of the one that had the most time.
#[derive(Debug, Default)]
struct Strangers(VecDeque<Weak<Patience>>);

impl Strangers {
    fn add(&mut self) -> Arc<Patience> {
        while self.0.front().is_some_and(|oldest| oldest.upgrade().is_none_or(|oldest| !oldest.is_strange())) {
            self.0.pop_front();
        }
        let patience = Patience::new();
        self.0.push_back(Arc::downgrade(&patience));
        patience
    }

    fn displace_one(&mut self) -> bool {
        while let Some(oldest) = self.0.pop_front() {
            if oldest.upgrade().is_some_and(|oldest| oldest.displace()) {
                return true;
            }
        }
        false
    }
}

async fn connection<A, F>(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    answer: A,
    (patience, place): (Arc<Patience>, OwnedSemaphorePermit),
) where
    A: Fn(Peer, Request<Body>) -> F,
    F: Future<Output = Response>,
{
    tune(&stream);
    let peer = Peer { address: address.ip().to_canonical(), patience };
    let Some(tls) = tls else { return http(stream, peer, answer, place).await };
    tokio::select! {
        biased;
        accepted = tls.accept(stream) => match accepted {
            Ok(stream) => http(stream, peer, answer, place).await,
            Err(error) => debug!(%error, "TLS handshake failed"),
        },
        () = peer.patience.lost() => debug!("TLS handshake took too long"),
    }
}

async fn http<S, A, F>(stream: S, peer: Peer, answer: A, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Peer, Request<Body>) -> F,
    F: Future<Output = Response>,
{
    let patience = peer.patience.clone();
    let io = TokioIo::new(Watched::new(stream, patience.clone(), place));
    let service = service_fn(move |request: Request<Incoming>| {
        peer.patience.request_came();
        let (answer, patience) = (answer(peer.clone(), request.map(Body::new)), peer.patience.clone());
        async move {
            let answer = answer.await;
            patience.answered(answer.status() == StatusCode::SWITCHING_PROTOCOLS);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::select! {
        biased;
        served = connection => {
            if let Err(error) = served {
                debug!(%error, "connection closed");
            }
        }
        () = patience.lost() => debug!("connection took too long"),
    }
}

/// Small frames leave at once, and a peer that vanished is noticed. Where the kernel refuses, it works less well.
fn tune(stream: &TcpStream) {
    use rustix::net::sockopt;
    let unacknowledged = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    let tuned = stream.set_nodelay(true).and_then(|()| {
        sockopt::set_socket_keepalive(stream, true)?;
        sockopt::set_tcp_keepidle(stream, KEEPALIVE)?;
        sockopt::set_tcp_user_timeout(stream, unacknowledged)?;
        sockopt::set_socket_send_buffer_size(stream, UNREAD)?;
        Ok(())
    });
    if let Err(error) = tuned {
        debug!(%error, "socket options refused");
    }
}
