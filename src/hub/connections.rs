//! Who is connected: the table of event sockets, and the sending of frames to them. It never waits for a slow one.

use std::collections::{BTreeMap, HashMap};

use axum::extract::ws::Utf8Bytes;
use tracing::debug;

use super::metrics::Metrics;
use super::orders::ConnectionId;
use super::outbox::{Outbox, Outgoing};
use crate::ids::{DeviceId, SessionId};
use crate::signaling::protocol::{HubFrame, Refusal, to_json};

/// The event sockets that said hello.
#[derive(Debug, Default)]
pub struct Connections {
    metrics: Metrics,
    last: u64,
    open: HashMap<ConnectionId, DeviceId>,
    /// Most devices have one socket. A ring finds all that it needs in one place.
    of_device: HashMap<DeviceId, Vec<Connection>>,
    /// The connection by which a device started its media session: signals go there, not to its other windows.
    of_session: BTreeMap<(SessionId, DeviceId), ConnectionId>,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    /// None once it was too slow: its socket is being closed.
    outbox: Option<Outbox>,
    /// Media sessions that were started on it.
    sessions: Vec<SessionId>,
}

impl Connection {
    fn push(&mut self, device: &DeviceId, outgoing: Outgoing, metrics: &Metrics) {
        let Some(outbox) = &self.outbox else { return };
        if outbox.push(outgoing).is_err() {
            debug!(device_id = %device, connection = self.id.0, "connection too slow or closed");
            self.outbox = None;
            metrics.closed_slow();
        }
    }
}

impl Connections {
    /// An empty table; what it has to close is counted here.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// Takes a socket into the table.
    pub fn add(&mut self, device: DeviceId, outbox: Outbox) -> ConnectionId {
        self.last += 1;
        let id = ConnectionId(self.last);
        let connection = Connection { id, outbox: Some(outbox), sessions: Vec::new() };
        self.of_device.entry(device.clone()).or_insert_with(|| Vec::with_capacity(1)).push(connection);
        self.open.insert(id, device);
        id
    }

    /// Takes a socket out of the table. The device, if this was its last one.
    pub fn remove(&mut self, id: ConnectionId) -> Option<DeviceId> {
        let device = self.open.remove(&id)?;
        let connections = self.of_device.get_mut(&device)?;
        let place = connections.iter().position(|connection| connection.id == id)?;
        for session_id in connections.swap_remove(place).sessions {
            // Another window may have started it anew since.
            let of_device = (session_id, device.clone());
            if self.of_session.get(&of_device) == Some(&id) {
                self.of_session.remove(&of_device);
            }
        }
        if !connections.is_empty() {
            return None;
        }
        self.of_device.remove(&device);
        Some(device)
    }

    /// An open socket, whose it is, and where its closing is counted.
    fn connection(&mut self, id: ConnectionId) -> Option<(&DeviceId, &mut Connection, &Metrics)> {
        let device = self.open.get(&id)?;
        let connections = self.of_device.get_mut(device)?;
        Some((device, connections.iter_mut().find(|connection| connection.id == id)?, &self.metrics))
    }

    /// The device a socket belongs to.
    #[must_use]
    pub fn device(&self, id: ConnectionId) -> Option<&DeviceId> {
        self.open.get(&id)
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

    /// Every device that is connected, in no order.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceId> {
        self.of_device.keys()
    }

    /// Sends a frame to one socket.
    pub fn send(&mut self, id: ConnectionId, frame: &HubFrame) {
        if let Some((device, connection, metrics)) = self.connection(id) {
            connection.push(device, Outgoing::Frame(Utf8Bytes::from(to_json(frame))), metrics);
        }
    }

    /// Sends a frame to every socket of these devices. It is serialised once.
    pub fn send_all<'d>(&mut self, devices: impl IntoIterator<Item = &'d DeviceId>, frame: &HubFrame) {
        let mut text = None;
        for device in devices {
            for connection in self.of_device.get_mut(device).into_iter().flatten() {
                let text = text.get_or_insert_with(|| Utf8Bytes::from(to_json(frame)));
                connection.push(device, Outgoing::Frame(text.clone()), &self.metrics);
            }
        }
    }

    /// A device starts the media session of a call on this socket.
    pub fn start_session(&mut self, session_id: SessionId, device: &DeviceId, id: ConnectionId) {
        self.of_session.insert((session_id, device.clone()), id);
        if let Some((_, connection, _)) = self.connection(id)
            && !connection.sessions.contains(&session_id)
        {
            connection.sessions.push(session_id);
        }
    }

    /// A device's media session of a call is over.
    pub fn end_session(&mut self, session_id: SessionId, device: &DeviceId) {
        let Some(id) = self.of_session.remove(&(session_id, device.clone())) else { return };
        if let Some((_, connection, _)) = self.connection(id) {
            connection.sessions.retain(|session| *session != session_id);
        }
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
        for connection in self.of_device.get_mut(device).into_iter().flatten() {
            connection.push(device, Outgoing::Refuse(Box::new(refusal.clone())), &self.metrics);
            connection.outbox = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::hub::outbox::{Inbox, MOST_FRAMES, outbox};

    fn device(word: &str) -> DeviceId {
        word.parse().expect("a word")
    }

    /// Frames that wait.
    fn waiting(inbox: &mut Inbox) -> usize {
        let mut frames = 0;
        while let Some(Some(_)) = inbox.next().now_or_never() {
            frames += 1;
        }
        frames
    }

    #[test]
    fn a_device_is_gone_with_its_last_socket() {
        let mut connections = Connections::default();
        let (first, _inbox) = outbox();
        let first = connections.add(device("a"), first);
        let (second, _inbox) = outbox();
        let second = connections.add(device("a"), second);
        assert_eq!(connections.remove(first), None);
        assert!(connections.is_connected(&device("a")));
        assert_eq!(connections.remove(second), Some(device("a")));
        assert_eq!(connections.remove(second), None);
    }

    #[tokio::test]
    async fn a_slow_socket_is_closed_and_nobody_waits_for_it() {
        let mut connections = Connections::default();
        let (slow_in, mut slow) = outbox();
        connections.add(device("slow"), slow_in);
        let (quick_in, mut quick) = outbox();
        connections.add(device("quick"), quick_in);
        let both = [device("quick"), device("slow")];
        for _ in 0..=MOST_FRAMES {
            connections.send_all(&both, &HubFrame::Pong {});
            assert_eq!(waiting(&mut quick), 1);
        }
        assert_eq!(waiting(&mut slow), MOST_FRAMES);
        assert!(slow.next().await.is_none(), "it is closed after that");
    }

    #[test]
    fn signals_go_to_the_window_that_started_the_session() {
        let mut connections = Connections::default();
        let (first_in, mut first) = outbox();
        let first_id = connections.add(device("a"), first_in);
        let (second_in, mut second) = outbox();
        let second_id = connections.add(device("a"), second_in);
        let call = SessionId::from_random([1; 16]);
        connections.start_session(call, &device("a"), second_id);
        connections.send_signal(call, &device("a"), &HubFrame::Pong {});
        assert_eq!((waiting(&mut first), waiting(&mut second)), (0, 1));
        assert!(!connections.speaks(call, &device("a"), first_id));
        connections.remove(second_id);
        assert!(connections.speaks(call, &device("a"), first_id));
        connections.send_signal(call, &device("a"), &HubFrame::Pong {});
        assert_eq!(waiting(&mut first), 1);
    }

    #[test]
    fn a_session_stays_with_the_window_that_started_it_last() {
        let mut connections = Connections::default();
        let (first, _first) = outbox();
        let first = connections.add(device("a"), first);
        let (second, _second) = outbox();
        let second = connections.add(device("a"), second);
        let call = SessionId::from_random([1; 16]);
        connections.start_session(call, &device("a"), first);
        connections.start_session(call, &device("a"), second);
        connections.remove(first);
        assert!(connections.speaks(call, &device("a"), second));
        assert_eq!(connections.of_session.len(), 1);
        connections.remove(second);
        assert_eq!(connections.of_session.len(), 0);
    }
}
