//! Lines of the kernel's GPIO character device, on any Linux board (uAPI v2: bias, levels, timestamps by CLOCK_MONOTONIC).
//!
//! One request per line, so that one that is busy leaves the others alone. A read is made only where something is waiting,
//! so nothing here blocks.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use gpiocdev::Request;
use gpiocdev::chip::Chip;
use gpiocdev::line::{EdgeDetection, EdgeKind, Offset, Value};
use tokio::io::unix::AsyncFd;

use crate::moment::Moment;
use crate::panel::fault::{Fault, FaultKind};
use crate::panel::wiring::{Bias, InputLine, Level, LineName, RelayLine};

use super::{Change, InputPin, OutputPin, Pins};

/// Who uses a line, for `gpioinfo`.
const CONSUMER: &str = "doorward";
/// The most the kernel keeps for one line (16 by default): a worn contact bounces more than that.
const KERNEL_QUEUE: u32 = 256;
/// How many changes are read at once.
const READ_AT_ONCE: usize = 16;

/// The character device.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chardev;

/// A line that is read.
#[derive(Debug)]
pub struct ChardevInput {
    request: AsyncFd<Request>,
    place: Place,
    read: VecDeque<Change>,
}

/// A line that is switched.
#[derive(Debug)]
pub struct ChardevOutput {
    request: Request,
    place: Place,
}

/// A line that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The chip's device.
    pub chip: PathBuf,
    /// Counted from 0.
    pub offset: Offset,
}

impl Pins for Chardev {
    type Name = LineName;
    type Input = ChardevInput;
    type Output = ChardevOutput;

    fn input(&mut self, line: &InputLine<LineName>) -> Result<ChardevInput, Fault> {
        let place = find(&line.line)?;
        let mut builder = Request::builder();
        builder.on_chip(&place.chip).with_consumer(CONSUMER).with_kernel_event_buffer_size(KERNEL_QUEUE);
        builder.with_line(place.offset).as_input().with_edge_detection(EdgeDetection::BothEdges);
        builder.with_bias(bias(line.bias));
        if line.active == Level::Low {
            builder.as_active_low();
        }
        let request = builder.request().map_err(|error| place.refusal(&error))?;
        // The request owns its descriptor for as long as it lives, which is what `register` wants to have promised.
        #[expect(deprecated, reason = "its successor cannot be called without unsafe code")]
        let request = AsyncFd::new(request).map_err(|error| Fault::of_io(&place.to_string(), &error))?;
        Ok(ChardevInput { request, place, read: VecDeque::new() })
    }

    fn output(&mut self, line: &RelayLine<LineName>, energised: bool) -> Result<ChardevOutput, Fault> {
        let place = find(&line.line)?;
        let mut builder = Request::builder();
        builder.on_chip(&place.chip).with_consumer(CONSUMER).with_line(place.offset);
        if line.active == Level::Low {
            builder.as_active_low();
        }
        let request = builder.as_output(value(energised)).request().map_err(|error| place.refusal(&error))?;
        Ok(ChardevOutput { request, place })
    }
}

impl InputPin for ChardevInput {
    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<Result<Change, Fault>> {
        loop {
            if let Some(change) = self.read.pop_front() {
                return Poll::Ready(Ok(change));
            }
            // Not by readiness: what the kernel has queued is known, whether or not tokio has heard of it.
            self.take()?;
            if !self.read.is_empty() {
                continue;
            }
            match self.request.poll_read_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Fault::of_io(&self.place.to_string(), &error))),
                Poll::Ready(Ok(mut guard)) => guard.clear_ready(),
            }
        }
    }

    fn is_active(&mut self) -> Result<bool, Fault> {
        let value = self.request.get_ref().lone_value().map_err(|error| self.place.fault(&error))?;
        Ok(value == Value::Active)
    }
}

impl ChardevInput {
    /// Reads what waits. (`Request::read_edge_event` would read eight at once and give one.)
    fn take(&mut self) -> Result<(), Fault> {
        let request = self.request.get_ref();
        let fault = |error: gpiocdev::Error| self.place.fault(&error);
        if !request.has_edge_event().map_err(fault)? {
            return Ok(());
        }
        let size = request.edge_event_u64_size();
        let mut words = vec![0_u64; size * READ_AT_ONCE];
        let count = request.read_edge_events_into_slice(&mut words).map_err(fault)?;
        for event in words[..count].chunks_exact(size) {
            let event = request.edge_event_from_slice(event).map_err(fault)?;
            let active = match event.kind {
                EdgeKind::Rising => true,
                EdgeKind::Falling => false,
            };
            self.read.push_back(Change { active, at: Moment::from_nanos(event.timestamp_ns) });
        }
        Ok(())
    }
}

impl OutputPin for ChardevOutput {
    fn set(&mut self, energised: bool) -> Result<(), Fault> {
        self.request.set_lone_value(value(energised)).map_err(|error| self.place.fault(&error))
    }

    fn check(&mut self) -> Result<(), Fault> {
        self.request.lone_value().map(drop).map_err(|error| self.place.fault(&error))
    }
}

impl Place {
    /// Why this line could not be had.
    fn refusal(&self, error: &gpiocdev::Error) -> Fault {
        let info = Chip::from_path(&self.chip).and_then(|chip| chip.line_info(self.offset));
        match info {
            Ok(info) if info.used => {
                let by = if info.consumer.is_empty() { "the kernel" } else { &info.consumer };
                Fault::new(FaultKind::Busy, format!("{self} is used by {by}"))
            }
            Ok(_) | Err(_) => self.fault(error),
        }
    }

    /// What an error at this line means, once it is ours.
    fn fault(&self, error: &gpiocdev::Error) -> Fault {
        match std::fs::metadata(&self.chip) {
            Ok(_) => Fault::new(FaultKind::Failed, format!("{self}: {error}")),
            Err(_) => Fault::new(FaultKind::Missing, format!("{self}: the chip is gone")),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.chip.display(), self.offset)
    }
}

/// The chip and number of a line.
///
/// # Errors
/// There is no such chip or line, it may not be opened, or the name is given twice.
pub fn find(line: &LineName) -> Result<Place, Fault> {
    match line {
        LineName::Offset { chip, offset } => {
            let path = find_chip(chip)?;
            let lines = open(&path)?.info().map_err(|error| failed(&path, &error))?.num_lines;
            if *offset >= lines {
                let message = format!("{} has the lines 0 to {}", path.display(), lines.saturating_sub(1));
                return Err(Fault::new(FaultKind::Missing, message));
            }
            Ok(Place { chip: path, offset: *offset })
        }
        LineName::Named(name) => find_named(name),
    }
}

/// The device of a chip, by its path, its name or its label.
fn find_chip(chip: &str) -> Result<PathBuf, Fault> {
    if chip.starts_with('/') {
        return Ok(PathBuf::from(chip));
    }
    if chip.strip_prefix("gpiochip").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
        return Ok(Path::new("/dev").join(chip));
    }
    let mut refused = None;
    for path in chips()? {
        match open(&path).and_then(|open| open.info().map_err(|error| failed(&path, &error))) {
            Ok(info) if info.label == chip => return Ok(path),
            Ok(_) => {}
            Err(fault) => refused = Some(fault),
        }
    }
    Err(refused.unwrap_or_else(|| Fault::new(FaultKind::Missing, format!("no chip has the label {chip:?}"))))
}

fn find_named(name: &str) -> Result<Place, Fault> {
    let mut found: Vec<Place> = Vec::new();
    let mut refused = None;
    for path in chips()? {
        match named_on(&path, name) {
            Ok(offsets) => found.extend(offsets.into_iter().map(|offset| Place { chip: path.clone(), offset })),
            Err(fault) => refused = Some(fault),
        }
    }
    let places: Vec<String> = found.iter().map(Place::to_string).collect();
    match (found.pop(), found.is_empty()) {
        (Some(place), true) => Ok(place),
        (Some(_), false) => {
            let message = format!("{name:?} is the name of several lines: {}", places.join(", "));
            Err(Fault::new(FaultKind::WrongFormat, message))
        }
        (None, _) => {
            Err(refused.unwrap_or_else(|| Fault::new(FaultKind::Missing, format!("no line has the name {name:?}"))))
        }
    }
}

fn named_on(path: &Path, name: &str) -> Result<Vec<Offset>, Fault> {
    let chip = open(path)?;
    let lines = chip.line_info_iter().map_err(|error| failed(path, &error))?;
    Ok(lines.filter_map(Result::ok).filter(|line| line.name == name).map(|line| line.offset).collect())
}

fn chips() -> Result<Vec<PathBuf>, Fault> {
    let chips = gpiocdev::chip::chips().map_err(|error| failed(Path::new("/dev"), &error))?;
    match chips.is_empty() {
        true => Err(Fault::new(FaultKind::Missing, "this machine has no /dev/gpiochip*")),
        false => Ok(chips),
    }
}

/// Opened twice, because only the first error says why.
fn open(path: &Path) -> Result<Chip, Fault> {
    std::fs::File::open(path).map_err(|error| Fault::of_io(&path.display().to_string(), &error))?;
    let no_chip = |_| Fault::new(FaultKind::WrongFormat, format!("{} is no GPIO chip", path.display()));
    Chip::from_path(path).map_err(no_chip)
}

fn failed(path: &Path, error: &gpiocdev::Error) -> Fault {
    Fault::new(FaultKind::Failed, format!("{}: {error}", path.display()))
}

fn value(energised: bool) -> Value {
    if energised { Value::Active } else { Value::Inactive }
}

fn bias(bias: Bias) -> Option<gpiocdev::line::Bias> {
    match bias {
        Bias::AsIs => None,
        Bias::Disabled => Some(gpiocdev::line::Bias::Disabled),
        Bias::PullDown => Some(gpiocdev::line::Bias::PullDown),
        Bias::PullUp => Some(gpiocdev::line::Bias::PullUp),
    }
}
