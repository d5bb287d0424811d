//! What the sockets and the HTTP interface ask of the hub's loop, and the handle by which they ask. Words only: the loop
//! answers them one after the other, and so everything that decides has one order.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::auth::read_credential;
use super::directory::Directory;
use super::outbox::Outbox;
use crate::ids::{DeviceId, SessionId};
use crate::signaling::identity::Me;
use crate::signaling::protocol::{
    Call, ClientFrame, DoorNotice, ErrorCode, Refusal, Seen, Still, VerbAnswer, VerbRequest,
};

/// Orders that wait for the loop.
const ORDERS: usize = 1024;

/// One connection of a device, numbered by the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What is asked of the loop.
#[derive(Debug)]
pub enum Order {
    /// A socket said hello. Its welcome comes by the outbox.
    Connect {
        /// Whose it is.
        device: DeviceId,
        /// What the device saw of each call it knows.
        seen: Vec<Seen>,
        /// Where its frames go.
        outbox: Outbox,
        /// The connection's number.
        answer: oneshot::Sender<Result<ConnectionId, Refusal>>,
    },
    /// A socket is closed.
    Disconnect(ConnectionId),
    /// A frame came.
    Frame(ConnectionId, Box<ClientFrame>),
    /// Something is wrong with a door, or is well again.
    Notice {
        /// The door's device.
        device: DeviceId,
        /// What, and when by the door's wall clock.
        notices: Vec<(DoorNotice, u64)>,
    },
    /// A push service took the ring for a device.
    Notified {
        /// Of which call.
        session_id: SessionId,
        /// For which device.
        device: DeviceId,
    },
    /// A verb came.
    Verb {
        /// From which device.
        device: DeviceId,
        /// What.
        request: Box<VerbRequest>,
        /// The answer.
        answer: oneshot::Sender<Result<VerbAnswer, Refusal>>,
    },
    /// A device asks for one call.
    ReadCall {
        /// Which device.
        device: DeviceId,
        /// Which call.
        session_id: SessionId,
        /// The call, if it is one of theirs.
        answer: oneshot::Sender<Result<Call, Refusal>>,
    },
    /// A device asks what the door of a call saw.
    ReadStill {
        /// Which device.
        device: DeviceId,
        /// Which call.
        session_id: SessionId,
        /// The picture, if there is one and this device may see the door.
        answer: oneshot::Sender<Result<Still, Refusal>>,
    },
    /// A device asks for the calls it is in.
    ReadActive {
        /// Which device.
        device: DeviceId,
        /// The calls.
        answer: oneshot::Sender<Result<Vec<Call>, Refusal>>,
    },
    /// Whoever watches over the hub asks whether its loop turns.
    Beat {
        /// It does.
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    /// An administrator asks who is there.
    ReadOnline {
        /// The devices.
        answer: oneshot::Sender<Result<BTreeSet<DeviceId>, Refusal>>,
    },
    /// A device asks who it is.
    ReadMe {
        /// Which device.
        device: DeviceId,
        /// Its user, with what they may know.
        answer: oneshot::Sender<Result<Me, Refusal>>,
    },
}

/// Whose a credential is.
#[derive(Debug, Clone)]
pub struct Identified {
    /// The device.
    pub device: DeviceId,
    /// It is the device's next credential, shown for the first time.
    pub renewed: bool,
}

/// The way to the loop, for any number of tasks.
#[derive(Debug, Clone)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
    directory: watch::Receiver<Arc<Directory>>,
}

impl Handle {
    /// A handle, and the end of it that the loop reads.
    #[must_use]
    pub fn new(directory: watch::Receiver<Arc<Directory>>) -> (Self, mpsc::Receiver<Order>) {
        let (orders, inbox) = mpsc::channel(ORDERS);
        (Self { orders, directory }, inbox)
    }

    /// The device that a credential belongs to.
    ///
    /// # Errors
    /// None, or not any more.
    pub fn identify(&self, credential: &str) -> Result<Identified, Refusal> {
        let presented = read_credential(credential).ok_or_else(unauthorized)?;
        let directory = self.directory.borrow();
        let device = directory.identify(&presented).cloned().ok_or_else(unauthorized)?;
        Ok(Identified { device, renewed: directory.is_renewal(&presented) })
    }

    /// The directory as it stands.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.borrow().clone()
    }

    /// Whether the loop is there.
    #[must_use]
    pub fn is_served(&self) -> bool {
        !self.orders.is_closed()
    }

    /// How many orders wait for the loop.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.orders.max_capacity() - self.orders.capacity()
    }

    /// Asks the loop and waits for its answer.
    ///
    /// # Errors
    /// The loop refused, or the hub is stopping.
    pub async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Order) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.map_err(|_| unavailable())?;
        answered.await.map_err(|_| unavailable())?
    }

    /// Tells the loop something that has no answer. If the loop is gone, nobody needs to know it any more.
    pub async fn tell(&self, order: Order) {
        drop(self.orders.send(order).await);
    }
}

/// No credential, or one that is not known.
#[must_use]
pub fn unauthorized() -> Refusal {
    Refusal::new(ErrorCode::ErrUnauthorized, "no valid credential; pair this device again")
}

fn unavailable() -> Refusal {
    Refusal::new(ErrorCode::ErrUnavailable, "the hub is stopping; try again in a moment")
}
