//! What is wrong with the devices, told to the door when it changes and not with every try.

use std::collections::BTreeMap;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;

use super::lines::Reports;
use crate::backoff::Backoff;
use crate::media::protocol::{Device, Report};
use crate::panel::fault::{Fault, FaultKind};

/// Which devices are at fault, as the door knows it.
pub(super) struct Faults {
    known: BTreeMap<Device, Fault>,
    reports: Reports,
}

impl Faults {
    /// None.
    pub(super) fn new(reports: Reports) -> Self {
        Self { known: BTreeMap::new(), reports }
    }

    /// This one does not work.
    pub(super) fn found(&mut self, device: Device, fault: Fault) {
        if self.known.get(&device) != Some(&fault) {
            self.known.insert(device, fault.clone());
            self.reports.send(Report::DeviceFailed { device, fault });
        }
    }

    /// This one works.
    pub(super) fn works(&mut self, device: Device) {
        if self.known.remove(&device).is_some() {
            self.reports.send(Report::DeviceRestored { device });
        }
    }
}

/// A device that failed is tried after a second, then after twice that, at last every five seconds.
pub(super) fn backoff() -> Backoff {
    Backoff::new(Duration::from_secs(1), Duration::from_secs(5))
}

/// What an element says of its trouble, by the hands that are needed.
pub(super) fn of_element(element: &str, error: &glib::Error, details: &str) -> Fault {
    Fault::new(kind(error, details), format!("{element}: {error}"))
}

/// GStreamer's own classes first, where they say enough; else what the system said, which stands in the details alone.
fn kind(error: &glib::Error, details: &str) -> FaultKind {
    if let Some(resource) = error.kind::<gst::ResourceError>() {
        match resource {
            gst::ResourceError::NotFound => return FaultKind::Missing,
            gst::ResourceError::Busy => return FaultKind::Busy,
            gst::ResourceError::NotAuthorized => return FaultKind::NoPermission,
            gst::ResourceError::Settings => return FaultKind::WrongFormat,
            _ => {}
        }
    }
    let said = [
        ("Permission denied", FaultKind::NoPermission),
        ("Operation not permitted", FaultKind::NoPermission),
        ("resource busy", FaultKind::Busy),
        ("No such file", FaultKind::Missing),
        ("No such device", FaultKind::Missing),
        ("disconnected", FaultKind::Missing),
        ("not-negotiated", FaultKind::WrongFormat),
    ];
    let text = format!("{error} {details}");
    said.iter().find(|(words, _)| text.contains(words)).map_or(FaultKind::Failed, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_elements_say_is_told_apart() {
        let of = |code: gst::ResourceError, message, details| {
            of_element("source", &glib::Error::new(code, message), details).to_string()
        };
        // As v4l2src and alsasrc of 1.22 say it.
        let said = [
            of(gst::ResourceError::NotFound, "Cannot identify device '/dev/video7'.", ""),
            of(gst::ResourceError::OpenReadWrite, "Could not open device.", "system error: Permission denied"),
            of(gst::ResourceError::Busy, "Device '/dev/video0' is busy", "system error: Device or resource busy"),
            of(gst::ResourceError::OpenRead, "Could not open audio device for recording.", "No such file or directory"),
            of(gst::ResourceError::Read, "The device has been disconnected.", ""),
            of_element(
                "source",
                &glib::Error::new(gst::StreamError::Failed, "Internal data stream error."),
                "streaming stopped, reason not-negotiated (-4)",
            )
            .to_string(),
        ];
        let kinds: Vec<&str> = said.iter().filter_map(|text| text.split(':').next()).collect();
        assert_eq!(kinds, ["missing", "no permission", "busy", "missing", "missing", "wrong format"]);
        assert!(said[0].ends_with("source: Cannot identify device '/dev/video7'."), "{}", said[0]);
    }
}
