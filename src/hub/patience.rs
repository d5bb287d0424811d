//! How long a connection may take for what it is doing, and the stream that watches it. A peer that says nothing, or says it
//! one byte at a time, is closed; a device that is known may keep its connection for as long as it likes.
//!
//! (hyper's own header deadline also closes kept-alive connections that are merely idle, and a handshake in the way of a call
//! is what they are kept alive against.)

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

/// For the head of a request, from its first byte; on a new connection from the start.
pub const HEAD: Duration = Duration::from_secs(5);
/// For the answer of a request.
const ANSWER: Duration = Duration::from_secs(30);
/// Between the requests of somebody unknown.
const IDLE: Duration = Duration::from_secs(30);

/// What a connection is doing, and until when it may.
#[derive(Debug)]
pub struct Patience {
    state: Mutex<State>,
    displaced: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// A device that is known made a request on it.
    known: bool,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// A request is coming in.
    Head { until: Instant },
    /// A request is being answered.
    Answering { until: Instant },
    /// Nothing is going on.
    Idle { since: Instant },
    /// It is a WebSocket now, with deadlines of its own.
    Upgraded,
    /// Its place is needed.
    Displaced,
}

impl Patience {
    /// Of a new connection.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let phase = Phase::Head { until: Instant::now() + HEAD };
        Arc::new(Self { state: Mutex::new(State { phase, known: false }), displaced: Notify::new() })
    }

    /// The head of a request is complete.
    pub fn request_came(&self) {
        self.set(|state| state.phase = Phase::Answering { until: Instant::now() + ANSWER });
    }

    /// A request was answered.
    pub fn answered(&self, upgraded: bool) {
        let phase = if upgraded { Phase::Upgraded } else { Phase::Idle { since: Instant::now() } };
        self.set(|state| state.phase = phase);
    }

    /// Whether nobody known has shown themselves on it, yet.
    #[must_use]
    pub fn is_strange(&self) -> bool {
        !self.state().known
    }

    /// Somebody else needs its place: it is lost at once, unless it is a known device's. Whether it is lost.
    pub fn displace(&self) -> bool {
        let strange = self.is_strange();
        if strange {
            self.set(|state| state.phase = Phase::Displaced);
            self.displaced.notify_waiters();
        }
        strange
    }

    /// A device that is known makes a request.
    pub fn device_known(&self) {
        self.set(|state| state.known = true);
    }

    /// Returns once the connection took too long. What the connection does is seen when its task is polled: poll this after
    /// what does it, in the same task. (To wake that task for each step would poll it once more before all that the step set
    /// going: before the phones that a ring reaches.)
    pub async fn lost(&self) {
        let displaced = self.displaced.notified();
        let alarm = tokio::time::sleep(HEAD);
        let (mut displaced, mut alarm) = (pin!(displaced), pin!(alarm));
        poll_fn(|cx| {
            if displaced.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            loop {
                let Some(deadline) = self.deadline() else { return Poll::Pending };
                if deadline <= Instant::now() {
                    return Poll::Ready(());
                }
                // One that rings too early is set anew then.
                if alarm.deadline() > deadline || alarm.is_elapsed() {
                    alarm.as_mut().reset(deadline);
                }
                ready!(alarm.as_mut().poll(cx));
            }
        })
        .await;
    }

    fn bytes_came(&self) {
        self.set(|state| {
            if let Phase::Idle { .. } = state.phase {
                state.phase = Phase::Head { until: Instant::now() + HEAD };
            }
        });
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Displaced) {
            change(&mut state);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        match state.phase {
            Phase::Head { until } | Phase::Answering { until } => Some(until),
            Phase::Idle { since } => (!state.known).then_some(since + IDLE),
            Phase::Upgraded => None,
            Phase::Displaced => Some(Instant::now()),
        }
    }
}

/// A stream whose incoming bytes are noticed, and that holds one of the hub's places for as long as it lives.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    patience: Arc<Patience>,
    _place: OwnedSemaphorePermit,
}

impl<S> Watched<S> {
    /// This stream, at this place.
    pub const fn new(stream: S, patience: Arc<Patience>, place: OwnedSemaphorePermit) -> Self {
        Self { stream, patience, _place: place }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.patience.bytes_came();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_the_connection_does_is_seen_when_its_task_is_polled() {
        let patience = Patience::new();
        let mut lost = pin!(patience.lost());
        assert!(lost.as_mut().now_or_never().is_none(), "it has five seconds");
        patience.request_came();
        patience.device_known();
        patience.answered(false);
        assert!(lost.as_mut().now_or_never().is_none(), "a known device may be silent");
        patience.bytes_came();
        match &mut patience.state().phase {
            Phase::Head { until } => *until = Instant::now(),
            other => panic!("{other:?} after the first byte of a request"),
        }
        assert!(lost.as_mut().now_or_never().is_some(), "its time is over");
    }

    #[tokio::test]
    async fn a_stranger_gives_way_at_once_and_a_known_device_never() {
        let (stranger, known) = (Patience::new(), Patience::new());
        known.device_known();
        let waiting = tokio::spawn({
            let stranger = stranger.clone();
            async move { stranger.lost().await }
        });
        tokio::task::yield_now().await;
        assert!(stranger.displace());
        waiting.await.expect("it only waits");
        assert!(!known.displace());
        assert!(known.lost().now_or_never().is_none());
    }
}
