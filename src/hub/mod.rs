//! The signaling hub: it knows who lives behind which door, rings them, and remembers what became of it.
//!
//! ```text
//!  server (TCP, TLS, deadlines) ─▶ http (paths) ─┐ Order                          ┌─▶ connections ─▶ sockets
//!                               └▶ socket (events)┼──────▶ switchboard ── Entry ──▶ exchange (pure)
//!  directory (users, groups, devices) ── picture ─┘           the loop            └─▶ log (disk, behind), history
//! ```
//!
//! This file wires them. Everything that decides happens in the switchboard's order; everything that waits (disk, sockets,
//! TLS) happens around it.

pub mod admin;
pub mod administration;
pub mod answer;
pub mod app;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod command;
pub mod connections;
pub mod directory;
pub mod erasure;
pub mod exchange;
pub mod health;
pub mod history;
pub mod http;
pub mod ice;
pub mod interface;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod observer;
pub mod orders;
pub mod outbox;
pub mod own;
pub mod patience;
pub mod push;
pub mod server;
pub mod sessions;
pub mod socket;
pub mod stills;
pub mod store;
pub mod switchboard;
pub mod tls;
pub mod trail;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::config::hub::{HubConfig, IceServerTable};
use crate::config::value::SecretError;
use administration::Administration;
use audit::Copies;
use directory::desk::Desk;
use history::History;
use http::Gate;
use interface::{Interface, Parts};
use log::Log;
use metrics::Metrics;
use orders::{Handle, Order};
use push::{Office, Push, PushError};
use server::Server;
use store::StoreError;
use switchboard::{Settings, Switchboard};
use tls::{Certificate, TlsError};
use trail::Trail;

/// Why the hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Without TLS only this machine may listen in.
    #[error("server.listen is {0}, which other machines can reach, and there is no [tls]: refused")]
    Exposed(SocketAddr),
    /// The certificate.
    #[error("[tls] {0}")]
    Tls(#[from] TlsError),
    /// The key for pushes, or the way out.
    #[error("[push] {0}")]
    Push(#[from] PushError),
    /// The password of a TURN server.
    #[error("[[ice]] {0}")]
    Secret(#[from] SecretError),
    /// The databases.
    #[error("server.state-directory: {0}")]
    Store(#[from] StoreError),
    /// A socket.
    #[error("{key}: {address}: {error}")]
    Listen {
        /// By which key.
        key: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
}

impl HubError {
    /// The exit code of sysexits that says it: 71 operating system, 77 permission, 78 configuration.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Listen { error, .. } | Self::Store(StoreError::File { error, .. })
                if error.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                77
            }
            Self::Exposed(_) | Self::Tls(_) | Self::Secret(_) | Self::Store(StoreError::Newer { .. }) => 78,
            Self::Listen { .. } | Self::Push(_) | Self::Store(_) => 71,
        }
    }
}

/// How often the loop is asked whether it still answers.
const PULSE: Duration = Duration::from_secs(1);

/// Connections of those that read the figures, at one time.
const WATCHERS: usize = 16;

/// Runs a hub until `shutdown`. `ready` hears the address once it listens: with port 0 the one that was found.
///
/// # Errors
/// It cannot start.
pub async fn run(
    config: HubConfig,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), HubError> {
    run_with_pulse(config, ready, || (), &Notify::new(), shutdown).await
}

/// The same, and `pulse` hears every second that connections are accepted and the loop answers. The certificate is read again
/// when `renew` is told to, and whenever its files change.
///
/// # Errors
/// It cannot start.
pub async fn run_with_pulse(
    config: HubConfig,
    ready: impl FnOnce(SocketAddr),
    pulse: impl Fn(),
    renew: &Notify,
    shutdown: impl Future<Output = ()>,
) -> Result<(), HubError> {
    let listen = config.server.listen;
    if config.tls.is_none() && !listen.ip().is_loopback() {
        return Err(HubError::Exposed(listen));
    }
    let certificate = config.tls.as_ref().map(Certificate::load).transpose()?;
    let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
    let settings = Settings {
        ring_for: config.call.ring_timeout,
        max_viewers: config.call.max_viewers,
        heartbeat: config.server.heartbeat,
        ice_servers: config.ice.iter().map(ice_server).collect::<Result<_, _>>()?,
    };
    let state = &config.server.state_directory;
    let trail = Trail::open(state, config.history.keep_audit)?;
    let desk = Desk::open(Administration::with_trail(state, trail.clone())?)?;
    let (log, entries) = Log::open(state, &config.history)?;
    let history = History::of(state, log.progress());
    let (handle, inbox) = Handle::new(desk.directory());
    let metrics = Metrics::default();
    let open = |table| Office::open(table, state, handle.clone(), desk.clone(), metrics.clone()).map(Arc::new);
    let office = config.push.as_ref().map(open).transpose()?;
    let push = Push::new(office.clone());
    let board = Switchboard::restore(settings, desk.directory(), (log, entries), push, &metrics);
    let beating = beat(handle.clone(), pulse);
    let copies = Copies::open(state, config.history.keep_audit)?;
    let parts = Parts { handle, desk, history, copies, office, trail, heartbeat: config.server.heartbeat, metrics };
    let interface = Interface::new(parts);

    let watchers = watchers(&config, &interface)?;
    let (listener, address) = bind("server.listen", listen)?;
    let max_connections = config.server.max_connections;
    server::make_room(max_connections);
    let gate = Gate::new(interface);
    let answer = move |peer, request| gate.clone().answer(peer, request);
    let server = Server { listener, tls, answer, max_connections };

    let (stop, stopped) = oneshot::channel();
    let mut switchboard = tokio::spawn(board.run(inbox, stopped));
    info!(%address, tls = config.tls.is_some(), "hub listens");
    ready(address);
    tokio::select! {
        () = server.serve() => {}
        () = watchers => {}
        () = stay_new(certificate.as_deref(), renew) => {}
        () = shutdown => {}
        () = beating => {}
        _ = &mut switchboard => warn!("the switchboard ended by itself"),
    }
    drop(stop);
    if !switchboard.is_finished() {
        drop(switchboard.await);
    }
    info!("hub stopped");
    Ok(())
}

/// Never ends.
async fn stay_new(certificate: Option<&Certificate>, renew: &Notify) {
    match certificate {
        Some(certificate) => certificate.stay_new(renew).await,
        None => std::future::pending().await,
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), HubError> {
    let failed = |error| HubError::Listen { key, address, error };
    let listener = server::listen(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The listener for monitoring, if there is one. What it gives back never ends.
fn watchers(config: &HubConfig, interface: &Interface) -> Result<impl Future<Output = ()> + use<>, HubError> {
    let server = match &config.metrics {
        None => None,
        Some(table) => {
            let (listener, address) = bind("metrics.listen", table.listen)?;
            info!(%address, "figures for monitoring");
            let router = health::router(interface.clone());
            let answer = move |_peer, request| health::answer(router.clone(), request);
            Some(Server { listener, tls: None, answer, max_connections: WATCHERS })
        }
    };
    Ok(async move {
        match server {
            Some(server) => server.serve().await,
            None => std::future::pending().await,
        }
    })
}

/// Never ends; a loop that does not answer any more is the end of the pulse.
async fn beat(handle: Handle, pulse: impl Fn()) {
    let mut beats = tokio::time::interval(PULSE);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if handle.ask(|answer| Order::Beat { answer }).await.is_ok() {
            pulse();
        }
    }
}

fn ice_server(table: &IceServerTable) -> Result<ice::Server, SecretError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let read = |source: &crate::config::value::SecretSource| source.read(credentials.as_deref());
    let login = match &table.secret {
        Some(secret) => ice::Login::PerCall(read(secret)?),
        None => ice::Login::Fixed {
            username: table.username.clone(),
            credential: table.credential.as_ref().map(read).transpose()?,
        },
    };
    Ok(ice::Server { urls: table.urls.clone(), login })
}
