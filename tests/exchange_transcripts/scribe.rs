//! Writes down what happens in the exchange, a line each.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use doorward::hub::exchange::{Change, Entry, Initiation, Output};
use doorward::ids::DeviceId;
use doorward::signaling::protocol::{Call, Event, EventKind, Leg, Refusal, to_json};

use super::exchange_hall::{Hall, ring_group, session};

/// Writes down what happens to one call.
pub struct Scribe {
    pub hall: Hall,
    text: String,
}

impl Scribe {
    pub fn new() -> Self {
        Self { hall: Hall::new(), text: String::new() }
    }

    pub fn call(call: Initiation) -> Self {
        let mut scribe = Self::new();
        scribe.say(Change::Initiate(Arc::new(call)));
        scribe
    }

    pub fn say(&mut self, change: Change) -> &mut Self {
        self.say_of(1, change)
    }

    pub fn say_of(&mut self, call: u8, change: Change) -> &mut Self {
        let done = self.hall.append(session(call), change);
        self.write(&done);
        self
    }

    pub fn pass(&mut self, millis: u64) -> &mut Self {
        let done = self.hall.pass(Duration::from_millis(millis));
        self.write(&done);
        self
    }

    fn write(&mut self, done: &[(Entry, Vec<Output>)]) {
        for (entry, outputs) in done {
            let at = self.hall.log.iter().rev().find(|(_, known)| known == entry).expect("it was logged").0;
            let at = at.as_nanos() / 1_000_000 - 1000;
            writeln!(self.text, "{:>3}.{:03} {}", at / 1000, at % 1000, words_of_change(&entry.change))
                .expect("a string takes all");
            for output in outputs {
                writeln!(self.text, "          {}", words_of_output(output)).expect("a string takes all");
            }
        }
    }

    pub fn end(&self) -> &str {
        self.hall.check_rings_settled(session(1));
        self.hall.check_restore();
        &self.text
    }
}

fn words_of_change(change: &Change) -> String {
    match change {
        Change::Accept { leg, .. } => format!("{} accept", leg.device_id),
        Change::Acknowledge { device_id } => format!("{device_id} acknowledges the ring"),
        Change::Absent { device_id, lost_by } => format!("{device_id} absent since #{lost_by}"),
        Change::End { leg, .. } => format!("{} end", leg.device_id),
        Change::Expire => "ring time over".to_owned(),
        Change::Gone { device_id } => format!("{device_id} gone"),
        Change::Initiate(call) => format!("{} initiate {}", call.initiator.device_id, call.receiver),
        Change::Join { leg, .. } => format!("{} starts its media session", leg.device_id),
        Change::Leave { device_id } => format!("{device_id} leaves its media session"),
        Change::Notified { device_id } => format!("{device_id} push sent"),
        Change::Open { leg, .. } => format!("{} open", leg.device_id),
        Change::ReportDoor { leg, report, .. } => format!("{} reports {}", leg.device_id, to_json(report)),
        Change::PressWaiting { leg, .. } => format!("{} press waiting", leg.device_id),
        Change::Reachable { device_id, seen } => format!("{device_id} reachable, has seen #{seen}"),
        Change::Reject { leg, status, .. } => format!("{} reject {}", leg.device_id, to_json(status)),
        Change::Restarted => "hub restarted".to_owned(),
        Change::Step { after } => format!("the turn of those after {after} ms"),
        Change::ShowStill { leg, .. } => format!("{} shows a still", leg.device_id),
    }
}

fn words_of_output(output: &Output) -> String {
    match output {
        Output::Answer(Ok(call)) => format!("= {}", words_of_call(call)),
        Output::Answer(Err(Refusal { code, details, .. })) => {
            let call = details.call.as_ref().map(|call| format!(" ({})", words_of_call(call)));
            format!("= {}{}", to_json(code).trim_matches('"'), call.unwrap_or_default())
        }
        Output::Append(_, change) => format!("+ {}", words_of_change(change)),
        Output::Archive(call) => format!("archive {}", words_of_call(call)),
        Output::Deliver { to, event } => format!("→ {}: {}", names(to), words_of_event(event)),
        Output::Notify { to, rings_for, .. } => format!("push → {}: ring for {rings_for} ms", names(to)),
        Output::Revoke { devices, .. } => format!("revoke {}", names(devices)),
        Output::Withdraw { devices, by, call } => {
            let by = by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
            format!("push ✗ {}:{by} {}", names(devices), words_of_call(call))
        }
    }
}

fn names(devices: &[DeviceId]) -> String {
    devices.iter().map(DeviceId::as_str).collect::<Vec<_>>().join(" ")
}

fn words_of_call(call: &Call) -> String {
    let mut words = to_json(&call.status).trim_matches('"').to_owned();
    if let Some(reason) = call.end_reason {
        write!(words, " {}", to_json(&reason).trim_matches('"')).expect("a string takes all");
    }
    if let Some(seconds) = call.duration {
        write!(words, " after {seconds} s").expect("a string takes all");
    }
    for participant in &call.participants {
        let state = to_json(&participant.state);
        write!(words, ", {} {}", participant.leg.device_id, state.trim_matches('"')).expect("a string takes all");
    }
    words
}

fn words_of_event(event: &Event) -> String {
    let name = format!("{} #{}", event.event.name(), event.entry);
    match &event.event {
        EventKind::CallAnsweredElsewhere { call }
        | EventKind::CallEnded { call }
        | EventKind::CallUpdated { call }
        | EventKind::IncomingCallCancelled { call }
        | EventKind::OutgoingCallRejected { call } => format!("{name} {}", words_of_call(call)),
        EventKind::CallDelivered { delivered, notified, members, undisturbed } => {
            let undisturbed = if *undisturbed > 0 { format!(", {undisturbed} undisturbed") } else { String::new() };
            format!("{name} {delivered} ring, {notified} notified, {members} members{undisturbed}")
        }
        EventKind::IncomingCallReceived { rings_for, waiting, .. } => {
            format!("{name} for {rings_for} ms{}", if *waiting { ", call waiting" } else { "" })
        }
        EventKind::OutgoingCallAccepted { by, .. } => format!("{name} by {}", by.device_id),
        EventKind::CallViewed { viewer: Leg { device_id, .. } }
        | EventKind::ViewerLeft { viewer: Leg { device_id, .. } }
        | EventKind::ParticipantJoined { participant: Leg { device_id, .. }, .. }
        | EventKind::ParticipantLeft { participant: Leg { device_id, .. } } => format!("{name} {device_id}"),
        EventKind::DoorContact { state } => format!("{name} {}", to_json(state)),
        EventKind::DoorOpened { opener, released_for } => format!("{name} {} for {released_for} ms", to_json(opener)),
        EventKind::OpeningAsked { by, opening, .. } => format!("{name} {opening} by {}", by.device_id),
        EventKind::OpeningRefused { opening, reason } => format!("{name} {opening} {}", to_json(reason)),
        EventKind::PressWaiting { metadata } => format!("{name} {metadata:?}"),
    }
}

/// The front door calls a family of two, with three phones.
pub fn family() -> Initiation {
    ring_group("front-panel", "k1", &["anna-phone", "anna-tablet", "ben-phone"])
}
