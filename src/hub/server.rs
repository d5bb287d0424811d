//! The listening socket: connections in, with a limit to their number and a deadline for everything they do, TLS where there
//! is a certificate, and HTTP/1.1 with bounded heads on top. Knows no path and no verb.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;
use tracing::{debug, error, warn};

use super::patience::{HEAD, Patience, Watched};

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Largest number of header lines.
const MAX_HEADERS: usize = 64;

/// A peer that acknowledges nothing for this long is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

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
pub struct Server {
    /// The socket.
    pub listener: TcpListener,
    /// TLS, if there is a certificate.
    pub tls: Option<TlsAcceptor>,
    /// The paths.
    pub router: Router,
    /// Connections at one time.
    pub max_connections: usize,
}

impl Server {
    /// Serves for ever. Dropped, it closes every connection that is not a WebSocket.
    pub async fn serve(self) {
        let places = Arc::new(Semaphore::new(self.max_connections));
        let mut connections = JoinSet::new();
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
            let Ok(place) = places.clone().try_acquire_owned() else {
                if !full {
                    warn!(limit = self.max_connections, "as many connections as allowed; further ones are closed");
                }
                full = true;
                continue;
            };
            full = false;
            let (tls, router) = (self.tls.clone(), self.router.clone());
            connections.spawn(connection(stream, address, tls, router, place));
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    place: OwnedSemaphorePermit,
) {
    tune(&stream);
    let ip = address.ip().to_canonical();
    match tls {
        None => http(stream, ip, router, place).await,
        Some(tls) => match timeout(HEAD, tls.accept(stream)).await {
            Ok(Ok(stream)) => http(stream, ip, router, place).await,
            Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
            Err(_) => debug!("TLS handshake took too long"),
        },
    }
}

async fn http<S>(stream: S, address: IpAddr, router: Router, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let patience = Patience::new();
    let peer = Peer { address, patience: patience.clone() };
    let io = TokioIo::new(Watched::new(stream, patience.clone(), place));
    let service = service_fn(move |request: Request<Incoming>| {
        peer.patience.request_came();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        let (answer, patience) = (router.clone().call(request), peer.patience.clone());
        async move {
            let answer = answer.await;
            let upgraded = answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SWITCHING_PROTOCOLS);
            patience.answered(upgraded);
            answer
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::select! {
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
        Ok(())
    });
    if let Err(error) = tuned {
        debug!(%error, "socket options refused");
    }
}
