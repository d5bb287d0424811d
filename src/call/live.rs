//! One call's life inside the station: who is in it and which connection serves whom. Lives once, is never reset.
//!
//! The consent rule stands here and nowhere else: [`Call::consent`] is the only place that makes a participant, and only a
//! participant's connection ever gets an [`Action::OpenGate`].

use std::collections::BTreeMap;

use super::desk::Desk;
use super::{Action, Event, Timer};
use crate::ids::{ButtonId, DeviceId, EntryNumber, PeerId, SessionId};
use crate::signaling::protocol::{Call as WireCall, CallType, IceServer, ParticipantState, Signal, Still, Verb};

/// A connection that fails again and again is given up: the device is unreachable, not unlucky. A worker that dies takes its
/// connections with it, and may do so often.
const MOST_TRIES: u8 = 24;

/// Who began the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The visitor, with this button.
    Button(ButtonId),
    /// A resident.
    Resident,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) session: SessionId,
    pub(super) origin: Origin,
    /// The newest entry known here. A picture from before it is of the past.
    entry: EntryNumber,
    /// The camera stays closed in a call without picture.
    call_type: CallType,
    media: Media,
    /// Known once the door's own media session is started.
    ice_servers: Option<Vec<IceServer>>,
    /// The residents were shown a still: one is enough, also when the worker begins anew.
    still_shown: bool,
    devices: BTreeMap<DeviceId, Standing>,
}

/// Whether camera and worker serve this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    /// Never ordered.
    Unneeded,
    /// Ordered, and as far as is known running.
    Started,
    /// Ordered, and lost with the worker.
    Died,
}

/// How one resident's device stands in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    rank: Rank,
    /// Its media session at the hub is started: it can be sent an offer.
    present: bool,
    connection: Option<Connection>,
    tries: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    Viewer,
    Participant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Connection {
    peer: PeerId,
    up: bool,
}

impl Standing {
    const fn new(rank: Rank) -> Self {
        Self { rank, present: false, connection: None, tries: 0 }
    }

    fn serves(&self, peer: PeerId) -> bool {
        self.connection.is_some_and(|connection| connection.peer == peer)
    }
}

impl Call {
    pub(super) fn new(desk: &mut Desk, picture: &WireCall, origin: Origin) -> Self {
        let (session, entry) = (picture.session_id, picture.entry);
        desk.meet(session);
        let call_type = picture.call_type;
        Self {
            session,
            origin,
            entry,
            call_type,
            media: Media::Unneeded,
            ice_servers: None,
            still_shown: false,
            devices: BTreeMap::new(),
        }
    }

    /// The hub told of an entry of this call: it knows of it.
    pub(super) fn heard(&mut self, desk: &mut Desk, entry: EntryNumber) {
        desk.timers.stop(Timer::Link);
        self.entry = self.entry.max(entry);
    }

    /// Whether a picture was made before something that is known here.
    pub(super) fn is_ahead_of(&self, picture: &WireCall) -> bool {
        self.entry > picture.entry
    }

    /// Sends away every participant whom the hub does not name (any more).
    pub(super) fn keep_only(&mut self, desk: &mut Desk, picture: &WireCall) {
        let named = |device: &DeviceId| {
            let mut participants = picture.participants.iter();
            participants.any(|one| one.leg.device_id == *device && one.state == ParticipantState::Ongoing)
        };
        let talking = self.devices.iter().filter(|(_, standing)| standing.rank == Rank::Participant);
        let gone: Vec<DeviceId> = talking.map(|(device, _)| device.clone()).filter(|device| !named(device)).collect();
        for device in gone {
            self.departed(desk, &device);
        }
    }

    /// The call needs the worker from now on.
    pub(super) fn start_media(&mut self, desk: &mut Desk) {
        match self.media {
            Media::Unneeded | Media::Died => {
                self.media = Media::Started;
                desk.order(Action::StartMedia { session_id: self.session, picture: self.call_type == CallType::Video });
                self.connect_all(desk);
            }
            Media::Started => {}
        }
    }

    /// The worker died and took every connection with it.
    fn media_died(&mut self) {
        if self.media == Media::Started {
            self.media = Media::Died;
        }
        for standing in self.devices.values_mut() {
            standing.connection = None;
        }
    }

    /// A new worker is there: everything once more, with new numbers.
    fn media_restarted(&mut self, desk: &mut Desk) {
        match self.media {
            Media::Unneeded => {}
            Media::Started | Media::Died => {
                self.media_died();
                self.start_media(desk);
            }
        }
    }

    /// The door's own media session is started: offers can be sent.
    fn joined(&mut self, desk: &mut Desk, ice_servers: Vec<IceServer>) {
        desk.timers.stop(Timer::Link);
        self.ice_servers = Some(ice_servers);
        // The offers of those that are not up were sent to a hub that was away.
        let waiting = self.devices.iter().filter(|(_, standing)| standing.connection.is_some_and(|one| !one.up));
        let waiting: Vec<DeviceId> = waiting.map(|(device, _)| device.clone()).collect();
        waiting.iter().for_each(|device| self.disconnect(desk, device));
        self.connect_all(desk);
    }

    /// A device started its media session, for the first time or again (a reloaded page).
    pub(super) fn arrived(&mut self, desk: &mut Desk, device: &DeviceId) {
        self.disconnect(desk, device);
        let standing = self.devices.entry(device.clone()).or_insert(Standing::new(Rank::Viewer));
        standing.present = true;
        standing.tries = 0;
        self.connect(desk, device);
    }

    /// Whether this device's connection is the one it says it still has, and up: only its words with the hub were interrupted.
    pub(super) fn has_up(&self, device: &DeviceId, keeps: Option<PeerId>) -> bool {
        let connection = self.devices.get(device).and_then(|standing| standing.connection);
        connection.is_some_and(|connection| connection.up && Some(connection.peer) == keeps)
    }

    /// A device left its media session, or the call.
    pub(super) fn departed(&mut self, desk: &mut Desk, device: &DeviceId) {
        self.disconnect(desk, device);
        self.devices.remove(device);
    }

    /// The hub named this device as participant. Whoever only looked is sent away.
    pub(super) fn consent(&mut self, desk: &mut Desk, device: &DeviceId) {
        let standing = self.devices.entry(device.clone()).or_insert(Standing::new(Rank::Viewer));
        if standing.rank == Rank::Participant {
            return;
        }
        standing.rank = Rank::Participant;
        if let Some(connection) = standing.connection {
            desk.order(Action::OpenGate { peer: connection.peer });
        }
        let viewers: Vec<DeviceId> = self
            .devices
            .iter()
            .filter(|(_, standing)| standing.rank == Rank::Viewer)
            .map(|(device, _)| device.clone())
            .collect();
        for viewer in viewers {
            self.departed(desk, &viewer);
        }
        self.connect(desk, device);
    }

    /// What the worker and the hub's relay say. Anything of another session or connection changes nothing.
    pub(super) fn media_event(&mut self, desk: &mut Desk, event: Event) {
        match event {
            Event::MediaConnected { session_id, peer } if session_id == self.session => self.connected(peer),
            Event::MediaDied => self.media_died(),
            Event::MediaLost { session_id, peer } if session_id == self.session => self.lost(desk, peer),
            Event::MediaRestarted => self.media_restarted(desk),
            Event::MediaSignalMade { session_id, peer, signal } if session_id == self.session => {
                self.signal_made(desk, peer, signal);
            }
            Event::SessionJoined { session_id, ice_servers } if session_id == self.session => {
                self.joined(desk, ice_servers)
            }
            Event::SignalCame { session_id, device_id, peer, signal } if session_id == self.session => {
                self.signal_came(desk, &device_id, peer, signal);
            }
            Event::StillTaken { session_id, still } if session_id == self.session => self.show_still(desk, still),
            other => tracing::debug!(?other, "event of another session"),
        }
    }

    /// Only a visitor's own call has a still, and only where residents may see the door before they answer.
    fn show_still(&mut self, desk: &mut Desk, still: Still) {
        if matches!(self.origin, Origin::Button(_)) && desk.rules.early_picture && !self.still_shown {
            self.still_shown = true;
            desk.ask(Verb::ShowStill { session_id: self.session, still });
        }
    }

    /// A connection is up.
    fn connected(&mut self, peer: PeerId) {
        let found = self.devices.values_mut().find(|standing| standing.serves(peer));
        if let Some(standing) = found {
            standing.connection = Some(Connection { peer, up: true });
            standing.tries = 0;
        }
    }

    /// A connection failed: it is replaced within the same call, as long as its device is there.
    fn lost(&mut self, desk: &mut Desk, peer: PeerId) {
        let found = self.devices.iter().find(|(_, standing)| standing.serves(peer));
        let Some(device) = found.map(|(device, _)| device.clone()) else { return };
        if let Some(standing) = self.devices.get_mut(&device) {
            standing.connection = None;
        }
        self.connect(desk, &device);
    }

    /// The worker made a description or candidate: for whoever the connection serves.
    fn signal_made(&self, desk: &mut Desk, peer: PeerId, signal: Signal) {
        let found = self.devices.iter().find(|(_, standing)| standing.serves(peer));
        match found {
            Some((device, _)) => {
                desk.order(Action::SendSignal { session_id: self.session, device_id: device.clone(), peer, signal });
            }
            None => tracing::debug!(%peer, "signal of a connection that is gone"),
        }
    }

    /// A resident's answer or candidate: only for the connection that serves this very device.
    fn signal_came(&self, desk: &mut Desk, device: &DeviceId, peer: PeerId, signal: Signal) {
        if self.devices.get(device).is_some_and(|standing| standing.serves(peer)) {
            desk.order(Action::ApplySignal { peer, signal });
        } else {
            tracing::debug!(%peer, %device, "signal for a connection that is not this device's");
        }
    }

    /// Whether anybody can be talked with.
    pub(super) fn is_connected(&self) -> bool {
        self.devices.values().any(|standing| {
            standing.rank == Rank::Participant && standing.connection.is_some_and(|connection| connection.up)
        })
    }

    /// Whether the hub named this device a participant.
    pub(super) fn has_participant(&self, device: &DeviceId) -> bool {
        self.devices.get(device).is_some_and(|standing| standing.rank == Rank::Participant)
    }

    /// How many phones look at the picture.
    pub(super) fn looking(&self) -> u32 {
        let count = self.devices.values().filter(|standing| standing.present && standing.rank == Rank::Viewer).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Closes everything. Whether the worker will report that it stopped.
    pub(super) fn close(self, desk: &mut Desk) -> bool {
        desk.order(Action::LeaveSession(self.session));
        match self.media {
            Media::Unneeded => false,
            Media::Started => {
                desk.order(Action::StopMedia(self.session));
                true
            }
            // A restarted worker knows nothing of it; one that is just coming up is told all the same.
            Media::Died => {
                desk.order(Action::StopMedia(self.session));
                false
            }
        }
    }

    fn connect_all(&mut self, desk: &mut Desk) {
        let devices: Vec<DeviceId> = self.devices.keys().cloned().collect();
        for device in devices {
            self.connect(desk, &device);
        }
    }

    /// Offers a connection to a device, if everything it needs is there.
    fn connect(&mut self, desk: &mut Desk, device: &DeviceId) {
        let Some(ice_servers) = self.ice_servers.clone() else { return };
        let Some(standing) = self.devices.get_mut(device) else { return };
        let wanted = match standing.rank {
            Rank::Participant => true,
            Rank::Viewer => desk.rules.early_picture,
        };
        let ready = self.media == Media::Started && standing.present && standing.connection.is_none();
        if !wanted || !ready || standing.tries >= MOST_TRIES {
            return;
        }
        standing.tries += 1;
        let peer = desk.next_peer();
        standing.connection = Some(Connection { peer, up: false });
        desk.order(Action::AddPeer { session_id: self.session, peer, ice_servers });
        if standing.rank == Rank::Participant {
            desk.order(Action::OpenGate { peer });
        }
    }

    fn disconnect(&mut self, desk: &mut Desk, device: &DeviceId) {
        if let Some(connection) = self.devices.get_mut(device).and_then(|standing| standing.connection.take()) {
            desk.order(Action::RemovePeer { peer: connection.peer });
        }
    }
}
