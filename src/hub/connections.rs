//! Who is connected: the table of event sockets, and the sending of frames to them. It never waits for a slow one.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;
use tracing::debug;

use super::metrics::Metrics;
use super::orders::{ConnectionId, Outgoing};
use crate::ids::{DeviceId, SessionId};
use crate::signaling::protocol::{HubFrame, Refusal, to_json};

/// The event sockets that said hello.
#[derive(Debug, Default)]
pub struct Connections {
    metrics: Metrics,
    last: u64,
    open: BTreeMap<ConnectionId, Connection>,
    of_device: BTreeMap<DeviceId, BTreeSet<ConnectionId>>,
    /// The connection by which a device started its media session: signals go there, not to its other windows.
    of_session: BTreeMap<(SessionId, DeviceId), ConnectionId>,
}

#[derive(Debug)]
struct Connection {
    device: DeviceId,
    /// None once it was too slow: its socket is being closed.
    outbox: Option<mpsc::Sender<Outgoing>>,
}

impl Connections {
    /// An empty table; what it has to close is counted here.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// Takes a socket into the table.
    pub fn add(&mut self, device: DeviceId, outbox: mpsc::Sender<Outgoing>) -> ConnectionId {
        self.last += 1;
        let id = ConnectionId(self.last);
        self.of_device.entry(device.clone()).or_default().insert(id);
        self.open.insert(id, Connection { device, outbox: Some(outbox) });
        id
    }

    /// Takes a socket out of the table. The device, if this was its last one.
    pub fn remove(&mut self, id: ConnectionId) -> Option<DeviceId> {
        let Connection { device, .. } = self.open.remove(&id)?;
        self.of_session.retain(|_, connection| *connection != id);
        let connections = self.of_device.get_mut(&device)?;
        connections.remove(&id);
        if !connections.is_empty() {
            return None;
        }
        self.of_device.remove(&device);
        Some(device)
    }

    /// The device a socket belongs to.
    #[must_use]
    pub fn device(&self, id: ConnectionId) -> Option<&DeviceId> {
        self.open.get(&id).map(|connection| &connection.device)
    }

    /// Whether a device is connected.
    #[must_use]
    pub fn is_connected(&self, device: &DeviceId) -> bool {
        self.of_device.contains_key(device)
    }

    /// How many devices are connected.
    #[must_use]
    pub fn online(&self) -> usize {
        self.of_device.len()
    }

    /// Every device that is connected.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceId> {
        self.of_device.keys()
    }

    /// Sends a frame to one socket.
    pub fn send(&mut self, id: ConnectionId, frame: &HubFrame) {
        self.push(id, Outgoing::Frame(Utf8Bytes::from(to_json(frame))));
    }

    /// Sends a frame to every socket of these devices. It is serialised once.
    pub fn send_all<'d>(&mut self, devices: impl IntoIterator<Item = &'d DeviceId>, frame: &HubFrame) {
        let mut text = None;
        for device in devices {
            for id in self.of_device.get(device).cloned().into_iter().flatten() {
                let text = text.get_or_insert_with(|| Utf8Bytes::from(to_json(frame)));
                self.push(id, Outgoing::Frame(text.clone()));
            }
        }
    }

    /// A device starts the media session of a call on this socket.
    pub fn start_session(&mut self, session_id: SessionId, device: &DeviceId, id: ConnectionId) {
        self.of_session.insert((session_id, device.clone()), id);
    }

    /// A device's media session of a call is over.
    pub fn end_session(&mut self, session_id: SessionId, device: &DeviceId) {
        self.of_session.remove(&(session_id, device.clone()));
    }

    /// Whether this socket speaks for its device in the media session: it started it, or the one that did is closed.
    #[must_use]
    pub fn speaks(&self, session_id: SessionId, device: &DeviceId, id: ConnectionId) -> bool {
        self.of_session.get(&(session_id, device.clone())).is_none_or(|started| *started == id)
    }

    /// Sends a frame of a media session: to the socket that started it or, if that is closed, to all of the device.
    pub fn send_signal(&mut self, session_id: SessionId, device: &DeviceId, frame: &HubFrame) {
        match self.of_session.get(&(session_id, device.clone())) {
            Some(id) => self.send(*id, frame),
            None => self.send_all([device], frame),
        }
    }

    /// Says why, and closes every socket of a device.
    pub fn refuse(&mut self, device: &DeviceId, refusal: &Refusal) {
        for id in self.of_device.get(device).cloned().into_iter().flatten() {
            self.push(id, Outgoing::Refuse(refusal.clone()));
            if let Some(connection) = self.open.get_mut(&id) {
                connection.outbox = None;
            }
        }
    }

    fn push(&mut self, id: ConnectionId, outgoing: Outgoing) {
        let Some(connection) = self.open.get_mut(&id) else { return };
        let Some(outbox) = &connection.outbox else { return };
        if outbox.try_send(outgoing).is_err() {
            debug!(device = %connection.device, connection = id.0, "connection too slow or closed");
            connection.outbox = None;
            self.metrics.closed_slow();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::orders::OUTBOX;

    fn device(word: &str) -> DeviceId {
        word.parse().expect("a word")
    }

    #[test]
    fn a_device_is_gone_with_its_last_socket() {
        let mut connections = Connections::default();
        let (outbox, _inbox) = mpsc::channel(OUTBOX);
        let first = connections.add(device("a"), outbox.clone());
        let second = connections.add(device("a"), outbox);
        assert_eq!(connections.remove(first), None);
        assert!(connections.is_connected(&device("a")));
        assert_eq!(connections.remove(second), Some(device("a")));
        assert_eq!(connections.remove(second), None);
    }

    #[test]
    fn a_slow_socket_is_closed_and_nobody_waits_for_it() {
        let mut connections = Connections::default();
        let (outbox, mut slow) = mpsc::channel(OUTBOX);
        connections.add(device("slow"), outbox);
        let (outbox, mut quick) = mpsc::channel(OUTBOX);
        connections.add(device("quick"), outbox);
        let both = [device("quick"), device("slow")];
        for _ in 0..=OUTBOX {
            connections.send_all(&both, &HubFrame::Pong {});
            assert!(quick.try_recv().is_ok());
        }
        let mut frames = 0;
        while slow.try_recv().is_ok() {
            frames += 1;
        }
        assert_eq!(frames, OUTBOX);
        assert!(matches!(slow.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
    }

    #[test]
    fn signals_go_to_the_window_that_started_the_session() {
        let mut connections = Connections::default();
        let (outbox, mut first) = mpsc::channel(OUTBOX);
        let first_id = connections.add(device("a"), outbox);
        let (outbox, mut second) = mpsc::channel(OUTBOX);
        let second_id = connections.add(device("a"), outbox);
        let call = SessionId::from_random([1; 16]);
        connections.start_session(call, &device("a"), second_id);
        connections.send_signal(call, &device("a"), &HubFrame::Pong {});
        assert!(first.try_recv().is_err() && second.try_recv().is_ok());
        assert!(!connections.speaks(call, &device("a"), first_id));
        connections.remove(second_id);
        assert!(connections.speaks(call, &device("a"), first_id));
        connections.send_signal(call, &device("a"), &HubFrame::Pong {});
        assert!(first.try_recv().is_ok());
    }
}
