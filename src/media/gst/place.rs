//! The place of one source in a session: the device itself, or what stands in for it until the device works again.
//!
//! It opens and never closes: what is to be closed is given away.

use std::sync::Arc;
use std::time::Instant;

use super::assembly::AssemblyError;
use super::capture::{Capture, Opening};
use super::echo::{Ear, Room};
use super::event::Event;
use super::faults;
use super::timeline::Timeline;
use crate::backoff::Backoff;
use crate::media::pipeline::{self, CameraSource, Element, Encoder, MediaSettings, MicrophoneSource};
use crate::media::protocol::Device;

/// After so many buffers a device works, and its next failure is a first one.
const SETTLED: u64 = 100;

/// Which source stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Camera,
    Microphone,
}

impl From<Source> for Device {
    fn from(source: Source) -> Self {
        match source {
            Source::Camera => Self::Camera,
            Source::Microphone => Self::Microphone,
        }
    }
}

/// Makes captures of what is configured, each with a number of its own.
pub(super) struct Maker {
    pub(super) settings: MediaSettings,
    pub(super) encoder: Encoder,
    pub(super) room: Arc<Room>,
    pub(super) timeline: Timeline,
    pub(super) events: std::sync::mpsc::Sender<Event>,
    pub(super) opened: u64,
}

impl Maker {
    fn device(&mut self, source: Source, now: Instant) -> Result<Capture, AssemblyError> {
        let MediaSettings { camera, microphone, video, .. } = &self.settings;
        let (parts, counted) = match source {
            Source::Camera => (pipeline::picture(camera, video, self.encoder), *camera == CameraSource::Test),
            Source::Microphone => (pipeline::sound(microphone), false),
        };
        let width = usize::from(video.width);
        self.open(source, &parts, false, counted.then_some(width), now)
    }

    /// It captures nothing: black, or silence.
    fn placeholder(&mut self, source: Source, now: Instant) -> Option<Capture> {
        let parts = match source {
            Source::Camera => pipeline::placeholder_picture(&self.settings.video, self.encoder)?,
            Source::Microphone => pipeline::placeholder_sound(),
        };
        match self.open(source, &parts, true, None, now) {
            Ok(capture) => Some(capture),
            Err(error) => {
                tracing::error!(?source, %error, "nothing can stand in for a device");
                None
            }
        }
    }

    fn open(
        &mut self,
        source: Source,
        parts: &[Element],
        is_placeholder: bool,
        count_frames: Option<usize>,
        now: Instant,
    ) -> Result<Capture, AssemblyError> {
        self.opened += 1;
        let (timeline, events) = (&self.timeline, &self.events);
        let device = source.into();
        // A test tone was in no room, and a canceller would take it for noise.
        let is_room = !is_placeholder && !matches!(self.settings.microphone, MicrophoneSource::Tone(_));
        let ear = (source == Source::Microphone && is_room).then(|| Ear::new(&self.room)).flatten();
        let opened = self.opened;
        Capture::open(parts, Opening { device, opened, is_placeholder, count_frames, ear, timeline, events, now })
    }
}

/// Where a source stands.
pub(super) struct Place {
    source: Source,
    state: State,
    backoff: Backoff,
}

enum State {
    /// Nobody needs it.
    Closed,
    /// The device itself.
    Device(Capture),
    /// The device does not work.
    StoodIn { placeholder: Option<Capture>, attempt: Attempt },
}

enum Attempt {
    /// Not before this time.
    Due(Instant),
    /// The device is open again, and has to give something before it is believed.
    Running(Capture),
}

/// What the first of anything from a source means.
pub(super) enum Flow {
    /// The device works, as it should.
    Works,
    /// The device works again and took its place; what stood in is to be closed.
    TookOver(Option<Capture>),
    /// Nothing: it is a placeholder, or of another time.
    Nothing,
}

impl Place {
    /// Nobody needs it.
    pub(super) fn new(source: Source) -> Self {
        Self { source, state: State::Closed, backoff: faults::backoff() }
    }

    /// Whose place it is.
    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// The same, as it is reported.
    pub(super) fn device(&self) -> Device {
        self.source.into()
    }

    /// Somebody needs it.
    pub(super) fn is_needed(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// The device does not work, and something stands in for it.
    pub(super) fn is_stood_in(&self) -> bool {
        matches!(self.state, State::StoodIn { .. })
    }

    /// What connections are fed with.
    pub(super) fn on_air(&self) -> Option<&Capture> {
        match &self.state {
            State::Closed => None,
            State::Device(capture) => Some(capture),
            State::StoodIn { placeholder, .. } => placeholder.as_ref(),
        }
    }

    /// Its device is, or is being, opened under this number.
    pub(super) fn holds(&self, opened: u64) -> bool {
        self.device_number() == Some(opened)
    }

    /// The number of the device that is open, or being opened.
    pub(super) fn device_number(&self) -> Option<u64> {
        match &self.state {
            State::Device(capture) | State::StoodIn { attempt: Attempt::Running(capture), .. } => Some(capture.opened),
            State::Closed | State::StoodIn { attempt: Attempt::Due(_), .. } => None,
        }
    }

    /// Opens the device, or what stands in for one that certainly is not there.
    pub(super) fn open(&mut self, maker: &mut Maker, absent: bool, now: Instant) -> Result<(), AssemblyError> {
        if self.is_needed() {
            return Ok(());
        }
        let opened = if absent { Ok(None) } else { maker.device(self.source, now).map(Some) };
        match opened {
            Ok(Some(capture)) => self.state = State::Device(capture),
            Ok(None) => self.stand_in(maker, now),
            Err(error) => {
                self.stand_in(maker, now);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Nobody needs it any more.
    pub(super) fn close(&mut self) -> Vec<Capture> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => Vec::new(),
            State::Device(capture) => vec![capture],
            State::StoodIn { placeholder, attempt: Attempt::Due(_) } => placeholder.into_iter().collect(),
            State::StoodIn { placeholder, attempt: Attempt::Running(capture) } => {
                placeholder.into_iter().chain([capture]).collect()
            }
        }
    }

    /// What was opened under this number failed: it is given away, and something stands in for it.
    pub(super) fn fail(&mut self, opened: u64, maker: &mut Maker, now: Instant) -> Option<Capture> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Device(capture) if capture.opened == opened => {
                self.stand_in(maker, now);
                Some(capture)
            }
            State::StoodIn { placeholder: Some(capture), attempt } if capture.opened == opened => {
                self.state = State::StoodIn { placeholder: None, attempt };
                Some(capture)
            }
            State::StoodIn { placeholder, attempt: Attempt::Running(capture) } if capture.opened == opened => {
                self.state = State::StoodIn { placeholder, attempt: Attempt::Due(now + self.backoff.wait()) };
                Some(capture)
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// What was opened under this number gave its first.
    pub(super) fn flows(&mut self, opened: u64) -> Flow {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::StoodIn { placeholder, attempt: Attempt::Running(capture) } if capture.opened == opened => {
                self.state = State::Device(capture);
                Flow::TookOver(placeholder)
            }
            other => {
                self.state = other;
                match &self.state {
                    State::Device(capture) if capture.opened == opened => Flow::Works,
                    State::Closed | State::Device(_) | State::StoodIn { .. } => Flow::Nothing,
                }
            }
        }
    }

    /// Tries the device again, if it is time to. Also what stands in is tried again if it failed.
    pub(super) fn attempt(&mut self, maker: &mut Maker, now: Instant) -> Result<(), AssemblyError> {
        let State::StoodIn { placeholder, attempt } = &mut self.state else { return Ok(()) };
        let due = matches!(attempt, Attempt::Due(at) if *at <= now);
        if !due {
            return Ok(());
        }
        match maker.device(self.source, now) {
            Ok(capture) => *attempt = Attempt::Running(capture),
            Err(error) => {
                *attempt = Attempt::Due(now + self.backoff.wait());
                if placeholder.is_none() {
                    *placeholder = maker.placeholder(self.source, now);
                }
                return Err(error);
            }
        }
        if placeholder.is_none() {
            *placeholder = maker.placeholder(self.source, now);
        }
        Ok(())
    }

    /// It was plugged in: it need not wait.
    pub(super) fn came(&mut self, now: Instant) {
        self.backoff.reset();
        if let State::StoodIn { attempt: attempt @ Attempt::Due(_), .. } = &mut self.state {
            *attempt = Attempt::Due(now);
        }
    }

    /// The numbers of those that fell silent.
    pub(super) fn silent(&mut self, now: Instant) -> Vec<u64> {
        let captures: Vec<&mut Capture> = match &mut self.state {
            State::Closed => Vec::new(),
            State::Device(capture) => {
                if capture.passed() > SETTLED {
                    self.backoff.reset();
                }
                vec![capture]
            }
            State::StoodIn { placeholder, attempt: Attempt::Due(_) } => placeholder.iter_mut().collect(),
            State::StoodIn { placeholder, attempt: Attempt::Running(capture) } => {
                placeholder.iter_mut().chain([capture]).collect()
            }
        };
        captures.into_iter().filter_map(|capture| capture.went_silent(now).then_some(capture.opened)).collect()
    }

    fn stand_in(&mut self, maker: &mut Maker, now: Instant) {
        let placeholder = maker.placeholder(self.source, now);
        self.state = State::StoodIn { placeholder, attempt: Attempt::Due(now + self.backoff.wait()) };
    }
}
