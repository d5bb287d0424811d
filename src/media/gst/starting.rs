//! Pipelines on their way up. Opening a device may take its time, or for ever, so each starts on a thread of its own.
//!
//! One that is to stop before it started must not start behind the back of whoever stopped it: a camera would be open then, for
//! nobody, until the worker ends. So what starts and what stops it are never two threads at once; nor is what stops it and what
//! counts in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gstreamer as gst;
use gstreamer::prelude::*;

/// A pipeline that is being started, or was.
pub(super) struct Started {
    pipeline: gst::Pipeline,
    starting: Option<JoinHandle<()>>,
    unwanted: Arc<AtomicBool>,
    /// What is perhaps not done yet.
    asked: Option<gst::Promise>,
}

/// How far a start got.
pub(super) enum Step {
    /// It is in this state, or will be as soon as data flows.
    Reached(gst::State),
    /// It does not get any further, and why.
    Failed(String),
}

impl Started {
    /// Takes a pipeline from state to state, off this thread, and tells of every step.
    pub(super) fn through(
        pipeline: gst::Pipeline,
        states: &'static [gst::State],
        tell: impl Fn(Step) + Clone + Send + 'static,
    ) -> Self {
        let unwanted = Arc::new(AtomicBool::new(false));
        let (climbing, given_up, told) = (pipeline.clone(), Arc::clone(&unwanted), tell.clone());
        let starting = std::thread::Builder::new().name("opening".into()).spawn(move || {
            for state in states {
                if given_up.load(Ordering::SeqCst) {
                    return;
                }
                if let Err(error) = climbing.set_state(*state) {
                    return told(Step::Failed(error.to_string()));
                }
                told(Step::Reached(*state));
            }
        });
        let starting = starting.map_err(|error| tell(Step::Failed(error.to_string()))).ok();
        Self { pipeline, starting, unwanted, asked: None }
    }

    /// One that nobody is starting any more, but whose webrtcbin was asked to do something, which it does on a thread of its own.
    /// It is not stopped before that is done. Otherwise what it is about to add for an offer is not stopped with the rest. And
    /// while it counts for its statistics, Debian 12's GStreamer empties the tables of an RTP session that stops, without their
    /// lock (mended by GStreamer's merge request 4528).
    pub(super) fn asked(pipeline: gst::Pipeline, asked: gst::Promise) -> Self {
        Self { pipeline, starting: None, unwanted: Arc::default(), asked: Some(asked) }
    }

    /// What it is.
    pub(super) fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }

    /// Stops it. This may take as long as starting it.
    pub(super) fn stop(self) -> gst::Pipeline {
        self.unwanted.store(true, Ordering::SeqCst);
        if self.starting.is_some_and(|starting| starting.join().is_err()) {
            tracing::error!("starting a pipeline panicked");
        }
        if let Some(asked) = self.asked {
            asked.wait();
        }
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "a pipeline did not stop cleanly");
        }
        self.pipeline
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    fn pipeline() -> gst::Pipeline {
        gst::init().expect("GStreamer is installed where the feature `media` is built");
        let pipeline = gst::parse::launch("fakesrc is-live=true ! fakesink").expect("it is written correctly");
        pipeline.downcast::<gst::Pipeline>().expect("several elements are a pipeline")
    }

    #[test]
    fn what_was_asked_something_answers_before_it_stops() {
        let pipeline = pipeline();
        pipeline.set_state(gst::State::Playing).expect("it plays");
        pipeline.state(gst::ClockTime::from_seconds(20)).0.expect("and does so soon");
        let promise = gst::Promise::new();
        let started = Started::asked(pipeline.clone(), promise.clone());
        let stopping = std::thread::spawn(move || started.stop());
        let until = std::time::Instant::now() + std::time::Duration::from_millis(300);
        while std::time::Instant::now() < until {
            assert_eq!(pipeline.current_state(), gst::State::Playing);
            std::thread::yield_now();
        }
        promise.reply(None);
        assert_eq!(stopping.join().expect("no panic").current_state(), gst::State::Null);
    }

    #[test]
    fn what_is_stopped_while_it_starts_does_not_start_later() {
        let pipeline = pipeline();
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Arc::new(Mutex::new(may_go));
        let (reach, reached) = mpsc::channel();
        let started = Started::through(pipeline, &[gst::State::Ready, gst::State::Playing], move |step| {
            if let Step::Reached(state) = step {
                let _ = reach.send(state);
                // The device took its time.
                let _ = may_go.lock().map(|may_go| may_go.recv());
            }
        });
        assert_eq!(reached.recv(), Ok(gst::State::Ready));
        let stopping = std::thread::spawn(move || started.stop());
        drop(go);
        let pipeline = stopping.join().expect("no panic");
        let _ = reached.try_recv();
        assert_eq!(reached.try_recv(), Err(mpsc::TryRecvError::Disconnected), "nobody starts it any more");
        assert_eq!(pipeline.current_state(), gst::State::Null);
    }
}
