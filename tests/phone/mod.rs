//! A resident's phone without a browser: the client of this crate for the signaling, and a [`Resident`] for the media.

#![allow(dead_code, reason = "every test that includes it uses a part of it")]

use std::time::{Duration, Instant};

use doorward::ids::{PeerId, SessionId};
use doorward::signaling::client::{Client, Settings, Told};
use doorward::signaling::protocol::{EventKind, Signal};
use tokio::sync::mpsc;

use crate::resident::Resident;

/// Nothing takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(20);

/// A phone that is on.
pub struct Phone {
    pub client: Client,
    told: mpsc::Receiver<Told>,
    /// Its end of the latest connection.
    pub resident: Option<(PeerId, Resident)>,
    /// Offers that came since this was last set to 0.
    pub offers: u32,
}

impl Phone {
    /// Once it reaches the hub.
    pub async fn connect(settings: Settings) -> Self {
        let (client, told) = Client::connect(settings).expect("good settings");
        let mut phone = Self { client, told, resident: None, offers: 0 };
        while !matches!(phone.next().await, Told::Up { .. }) {}
        phone
    }

    /// The next call that rings here.
    pub async fn rings(&mut self) -> SessionId {
        loop {
            if let Told::Event(event) = self.next().await
                && matches!(event.event, EventKind::IncomingCallReceived { .. })
            {
                return event.session_id;
            }
        }
    }

    /// Carries signals to and fro until this holds of the resident.
    pub async fn hold_until(&mut self, session: SessionId, holds: impl Fn(&Resident) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if self.resident.as_ref().is_some_and(|(_, resident)| holds(resident)) {
                return;
            }
            assert!(Instant::now() < deadline, "it never came about: {:?}", self.resident);
            // Media comes on GStreamer's threads: it is looked at every millisecond.
            let Ok(told) = tokio::time::timeout(Duration::from_millis(1), self.told.recv()).await else { continue };
            if let Told::Signal { session_id, peer, signal, .. } = told.expect("the client runs")
                && session_id == session
            {
                self.signal(session, peer, &signal);
            }
        }
    }

    async fn next(&mut self) -> Told {
        tokio::time::timeout(DEADLINE, self.told.recv()).await.expect("in time").expect("the client runs")
    }

    fn signal(&mut self, session: SessionId, peer: PeerId, signal: &Signal) {
        if let Signal::Offer { .. } = signal {
            self.offers += 1;
            let client = self.client.clone();
            let resident = Resident::new(move |signal| client.signal(session, None, peer, signal));
            self.resident = Some((peer, resident));
        }
        if let Some((known, resident)) = &self.resident
            && *known == peer
        {
            resident.apply(signal);
        }
    }
}
