//! Camera and microphone: opened when a call needs them, replaced when they fail, tried again, closed when it is over.
//!
//! What is open is reported from the device, never from the intention.

use std::collections::BTreeMap;
use std::time::Instant;

use super::capture::Capture;
use super::closing::Closing;
use super::faults::Faults;
use super::place::{Flow, Maker, Place, Source};
use crate::media::protocol::{Device, Reason, Report};
use crate::panel::fault::Fault;

/// Both places, and what is open.
pub(super) struct Sources {
    maker: Maker,
    places: [Place; 2],
    /// Devices that are open, by their number: placeholders are not among them.
    open: BTreeMap<u64, Device>,
    /// Which closing ends which device, and why.
    ending: BTreeMap<u64, (u64, Device, Reason)>,
    /// Why a place is needed.
    needed_for: BTreeMap<Device, Reason>,
}

/// Whom the sources need for their work.
pub(super) struct Hands<'a> {
    pub(super) closing: &'a mut Closing,
    pub(super) faults: &'a mut Faults,
    pub(super) now: Instant,
}

impl Sources {
    /// Everything closed.
    pub(super) fn new(maker: Maker) -> Self {
        let places = [Place::new(Source::Camera), Place::new(Source::Microphone)];
        Self { maker, places, open: BTreeMap::new(), ending: BTreeMap::new(), needed_for: BTreeMap::new() }
    }

    /// What connections are fed with.
    pub(super) fn on_air(&self, source: Source) -> Option<&Capture> {
        self.places.iter().find(|place| place.source() == source).and_then(Place::on_air)
    }

    /// This device is needed.
    pub(super) fn open(&mut self, source: Source, reason: Reason, absent: bool, hands: &mut Hands<'_>) {
        let Some(place) = self.places.iter_mut().find(|place| place.source() == source) else { return };
        if !place.is_needed() {
            self.needed_for.insert(source.into(), reason);
        }
        if let Err(error) = place.open(&mut self.maker, absent, hands.now) {
            hands.faults.found(source.into(), error.fault());
        }
    }

    /// Nobody needs this device any more.
    pub(super) fn close(&mut self, source: Source, reason: Reason, hands: &mut Hands<'_>) {
        let closed: Vec<Capture> =
            self.places.iter_mut().filter(|place| place.source() == source).flat_map(Place::close).collect();
        closed.into_iter().for_each(|capture| self.end(capture, reason, hands));
    }

    /// What was opened under this number is open now, also if it is to be closed already. Which device, and why.
    pub(super) fn opened(&mut self, opened: u64) -> Option<(Device, Reason)> {
        let place = self.places.iter().find(|place| place.holds(opened));
        let ending = self.ending.values().find(|(ending, ..)| *ending == opened).map(|(_, device, _)| *device);
        let device = place.map(Place::device).or(ending)?;
        self.open.insert(opened, device);
        let retry = place.is_some_and(Place::is_stood_in);
        let reason = if retry { Some(Reason::Retry) } else { self.needed_for.get(&device).copied() };
        Some((device, reason.unwrap_or(Reason::Retry)))
    }

    /// What was opened under this number failed. The source whose connections are to be fed anew, if any.
    pub(super) fn failed(&mut self, opened: u64, fault: Fault, hands: &mut Hands<'_>) -> Option<Source> {
        let place = self
            .places
            .iter_mut()
            .find(|place| place.holds(opened) || place.on_air().is_some_and(|capture| capture.opened == opened))?;
        let (source, device) = (place.source(), place.device());
        let capture = place.fail(opened, &mut self.maker, hands.now)?;
        if capture.is_placeholder {
            tracing::error!(?device, %fault, "what stands in for a device failed");
        } else {
            hands.faults.found(device, fault);
        }
        self.end(capture, Reason::Fault, hands);
        Some(source)
    }

    /// What was opened under this number gave its first. The source whose connections are to be fed anew, if any.
    pub(super) fn flows(&mut self, opened: u64, hands: &mut Hands<'_>) -> Option<Source> {
        for place in &mut self.places {
            let (source, device) = (place.source(), place.device());
            match place.flows(opened) {
                Flow::Nothing => {}
                Flow::Works => hands.faults.works(device),
                Flow::TookOver(placeholder) => {
                    hands.faults.works(device);
                    placeholder.into_iter().for_each(|capture| self.end(capture, Reason::Retry, hands));
                    return Some(source);
                }
            }
        }
        None
    }

    /// It is not there any more: no need to wait until it falls silent.
    pub(super) fn went(&mut self, device: Device, fault: Fault, hands: &mut Hands<'_>) -> Option<Source> {
        hands.faults.found(device, fault.clone());
        let opened = self.places.iter().find(|place| place.device() == device)?.device_number()?;
        self.failed(opened, fault, hands)
    }

    /// It is there again.
    pub(super) fn came(&mut self, device: Device, hands: &mut Hands<'_>) {
        let Some(place) = self.places.iter_mut().find(|place| place.device() == device) else { return };
        place.came(hands.now);
        if !place.is_needed() {
            hands.faults.works(device);
        }
    }

    /// Looks at what fell silent, and tries again what does not work. The sources whose connections are to be fed anew.
    pub(super) fn tick(&mut self, absent: impl Fn(Device) -> bool, hands: &mut Hands<'_>) -> Vec<Source> {
        let silent: Vec<u64> = self.places.iter_mut().flat_map(|place| place.silent(hands.now)).collect();
        let mut fed: Vec<Source> =
            silent.into_iter().filter_map(|opened| self.failed(opened, Fault::failed(SILENT), hands)).collect();
        for place in &mut self.places {
            let device = place.device();
            // One that does not even close cannot be opened.
            let hangs = self.ending.values().any(|&(_, ending, _)| ending == device);
            if hangs || absent(device) {
                continue;
            }
            let had_none = place.on_air().is_none();
            if let Err(error) = place.attempt(&mut self.maker, hands.now) {
                hands.faults.found(device, error.fault());
            }
            if had_none && place.on_air().is_some() {
                fed.push(place.source());
            }
        }
        fed
    }

    /// A pipeline is closed. Which device that was, and why, if it was one that was open.
    pub(super) fn closed(&mut self, number: u64) -> Option<(Device, Reason)> {
        let (opened, device, reason) = self.ending.remove(&number)?;
        self.open.remove(&opened).map(|_| (device, reason))
    }

    /// Which devices are open.
    pub(super) fn capturing(&self) -> Report {
        let is_open = |device| self.open.values().any(|&open| open == device);
        Report::Capturing { camera: is_open(Device::Camera), microphone: is_open(Device::Microphone) }
    }

    fn end(&mut self, capture: Capture, reason: Reason, hands: &mut Hands<'_>) {
        if capture.is_placeholder {
            hands.closing.close(capture.into_started());
        } else {
            let (opened, device) = (capture.opened, capture.device);
            let number = hands.closing.close_device(capture.into_started());
            self.ending.insert(number, (opened, device, reason));
        }
    }
}

const SILENT: &str = "it gives nothing any more";
