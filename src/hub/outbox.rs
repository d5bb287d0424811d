//! What waits to be sent to one connection: bounded in number and in bytes, and without memory of its own while nothing waits,
//! as it is with almost every connection almost always. It never waits for the slow: whoever is too far behind is closed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use axum::extract::ws::Utf8Bytes;
use futures_util::task::AtomicWaker;

use crate::signaling::protocol::Refusal;

/// Frames that wait for one connection. A door with four viewers gets some hundred candidates in one moment.
pub const MOST_FRAMES: usize = 256;

/// And their bytes: of the largest frames four, of ordinary ones more than [`MOST_FRAMES`].
pub const MOST_BYTES: usize = 256 * 1024;

/// What the loop sends to a connection.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// A frame, serialised once for all its recipients.
    Frame(Utf8Bytes),
    /// Say why, and close.
    Refuse(Box<Refusal>),
}

impl Outgoing {
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(text) => text.len(),
            Self::Refuse(_) => 0,
        }
    }
}

/// Too much waits already, or nobody reads it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind;

/// The loop's end. Dropped, it closes the connection after what waits.
#[derive(Debug)]
pub struct Outbox(Arc<Shared>);

/// The socket's end.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    reader: AtomicWaker,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Outgoing>,
    bytes: usize,
    /// One of the ends is gone.
    closed: bool,
}

/// Both ends.
#[must_use]
pub fn outbox() -> (Outbox, Inbox) {
    let shared = Arc::<Shared>::default();
    (Outbox(shared.clone()), Inbox(shared))
}

impl Outbox {
    /// Sends.
    ///
    /// # Errors
    /// The connection is too slow, or gone: drop this end.
    pub fn push(&self, outgoing: Outgoing) -> Result<(), Behind> {
        let mut waiting = self.0.waiting();
        let bytes = waiting.bytes + outgoing.bytes();
        let full = waiting.frames.len() >= MOST_FRAMES || (bytes > MOST_BYTES && !waiting.frames.is_empty());
        if waiting.closed || full {
            return Err(Behind);
        }
        waiting.bytes = bytes;
        waiting.frames.push_back(outgoing);
        drop(waiting);
        self.0.reader.wake();
        Ok(())
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.0.waiting().closed = true;
        self.0.reader.wake();
    }
}

impl Inbox {
    /// The next one, once there is one. Nothing when the other end is gone and all is read: close the socket.
    pub async fn next(&mut self) -> Option<Outgoing> {
        std::future::poll_fn(|context| {
            if let Poll::Ready(next) = self.0.take() {
                return Poll::Ready(next);
            }
            self.0.reader.register(context.waker());
            // What came between the look and the registration woke nobody.
            self.0.take()
        })
        .await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.closed = true;
        waiting.frames = VecDeque::new();
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Poll<Option<Outgoing>> {
        let mut waiting = self.waiting();
        match waiting.frames.pop_front() {
            Some(outgoing) => {
                waiting.bytes -= outgoing.bytes();
                if waiting.frames.is_empty() {
                    waiting.frames = VecDeque::new();
                }
                Poll::Ready(Some(outgoing))
            }
            None if waiting.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::protocol::ErrorCode;

    fn frame(bytes: usize) -> Outgoing {
        Outgoing::Frame(Utf8Bytes::from("x".repeat(bytes)))
    }

    #[tokio::test]
    async fn what_waits_is_read_in_order_and_then_the_end() {
        let (outbox, mut inbox) = outbox();
        for bytes in [1, 2] {
            outbox.push(frame(bytes)).expect("there is room");
        }
        let refusal = Refusal::new(ErrorCode::ErrUnauthorized, "gone");
        outbox.push(Outgoing::Refuse(Box::new(refusal))).expect("there is room");
        drop(outbox);
        assert!(matches!(inbox.next().await, Some(Outgoing::Frame(text)) if text.len() == 1));
        assert!(matches!(inbox.next().await, Some(Outgoing::Frame(text)) if text.len() == 2));
        assert!(matches!(inbox.next().await, Some(Outgoing::Refuse(_))));
        assert!(inbox.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (outbox, mut inbox) = outbox();
        let reader = tokio::spawn(async move { inbox.next().await.is_some() });
        tokio::task::yield_now().await;
        outbox.push(frame(1)).expect("there is room");
        assert!(reader.await.expect("it only reads"));
    }

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let (many, _inbox) = outbox();
        assert!((0..MOST_FRAMES).all(|_| many.push(frame(1)).is_ok()));
        assert_eq!(many.push(frame(1)), Err(Behind));
        let (large, _inbox) = outbox();
        assert!((0..4).all(|_| large.push(frame(MOST_BYTES / 4)).is_ok()));
        assert_eq!(large.push(frame(1)), Err(Behind));
        let (single, _inbox) = outbox();
        assert_eq!(single.push(frame(MOST_BYTES + 1)), Ok(()), "one always fits");
    }

    #[test]
    fn it_holds_no_memory_once_it_is_read() {
        let (outbox, inbox) = outbox();
        (0..MOST_FRAMES).for_each(|_| outbox.push(frame(1)).expect("there is room"));
        while inbox.0.take().is_ready() {}
        let waiting = inbox.0.waiting();
        assert_eq!((waiting.frames.capacity(), waiting.bytes), (0, 0));
        drop(waiting);
        drop(inbox);
        assert_eq!(outbox.push(frame(1)), Err(Behind), "nobody reads it any more");
    }
}
