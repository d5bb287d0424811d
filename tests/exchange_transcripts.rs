//! Typical calls as plain text: what was appended, what it was answered, who was told what. `#n` is the entry of an event.

mod exchange_hall;

use std::fmt::Write as _;
use std::time::Duration;

use doorward::hub::exchange::{Change, Entry, Initiation, Output};
use doorward::ids::DeviceId;
use doorward::signaling::protocol::{
    Call, DoorReport, DoorState, Event, EventKind, Leg, Metadata, Opener, OpeningRefusal, Refusal, RejectStatus,
    to_json,
};
use exchange_hall::{
    Hall, accept, acknowledge, device, door_says, end, gone, join, leave, leg, notified, open, reachable, reject,
    ring_door, ring_group, ring_user, session,
};

/// Writes down what happens to one call.
struct Scribe {
    hall: Hall,
    text: String,
}

impl Scribe {
    fn new() -> Self {
        Self { hall: Hall::new(), text: String::new() }
    }

    fn call(call: Initiation) -> Self {
        let mut scribe = Self::new();
        scribe.say(Change::Initiate(Box::new(call)));
        scribe
    }

    fn say(&mut self, change: Change) -> &mut Self {
        self.say_of(1, change)
    }

    fn say_of(&mut self, call: u8, change: Change) -> &mut Self {
        let done = self.hall.append(session(call), change);
        self.write(&done);
        self
    }

    fn pass(&mut self, millis: u64) -> &mut Self {
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

    fn end(&self) -> &str {
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
        Output::Revoke { devices, .. } => format!("revoke {}", names(devices)),
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
        EventKind::CallDelivered { delivered, notified, members } => {
            format!("{name} {delivered} ring, {notified} notified, {members} members")
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

fn family() -> Initiation {
    ring_group("front-panel", "k1", &["anna-phone", "anna-tablet", "ben-phone"])
}

#[test]
fn press_look_answer_hang_up() {
    let mut scribe = Scribe::call(family());
    scribe.pass(40).say(acknowledge("ben-phone")).say(acknowledge("anna-phone"));
    scribe.pass(900).say(join("front-panel")).say(join("anna-phone")).say(join("ben-phone"));
    scribe.pass(4000).say(accept("ben-phone", "b1"));
    scribe.pass(20).say(accept("anna-phone", "a1")).say(leave("anna-phone"));
    scribe.pass(30_000).say(end("ben-phone", "b2")).say(end("front-panel", "f1"));
    insta::assert_snapshot!(scribe.end(), @r"
     0.000 front-panel initiate group flat
             = initiated
             → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
     0.040 ben-phone acknowledges the ring
             → front-panel: callDelivered #2 1 ring, 0 notified, 2 members
     0.040 anna-phone acknowledges the ring
             → front-panel: callDelivered #3 2 ring, 0 notified, 2 members
     0.940 front-panel starts its media session
     0.940 anna-phone starts its media session
             → front-panel: callViewed #5 anna-phone
     0.940 ben-phone starts its media session
             → front-panel: callViewed #6 ben-phone
     4.940 ben-phone accept
             = ongoing, front-panel ongoing, ben-phone ongoing
             → front-panel: outgoingCallAccepted #7 by ben-phone
             → anna-phone anna-tablet: callAnsweredElsewhere #7 ongoing, front-panel ongoing, ben-phone ongoing
             revoke anna-phone
     4.960 anna-phone accept
             = ERR_CALL_ANSWERED_ELSEWHERE (ongoing, front-panel ongoing, ben-phone ongoing)
     4.960 anna-phone leaves its media session
    34.960 ben-phone end
             = ended residentHungUp after 30 s, front-panel ended, ben-phone ended
             → front-panel: callEnded #10 ended residentHungUp after 30 s, front-panel ended, ben-phone ended
             revoke ben-phone front-panel
             archive ended residentHungUp after 30 s, front-panel ended, ben-phone ended
    34.960 front-panel end
             = ERR_CALL_TERMINATED (ended residentHungUp after 30 s, front-panel ended, ben-phone ended)
    ");
}

#[test]
fn the_visitor_cancels() {
    let mut scribe = Scribe::call(family());
    scribe.pass(40).say(acknowledge("ben-phone")).say(join("ben-phone"));
    scribe.pass(5000).say(reject("front-panel", "f1", RejectStatus::Cancelled)).say(accept("ben-phone", "b1"));
    insta::assert_snapshot!(scribe.end(), @r#"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    0.040 ben-phone acknowledges the ring
            → front-panel: callDelivered #2 1 ring, 0 notified, 2 members
    0.040 ben-phone starts its media session
            → front-panel: callViewed #3 ben-phone
    5.040 front-panel reject "cancelled"
            = cancelled
            → anna-phone anna-tablet ben-phone: incomingCallCancelled #4 cancelled
            revoke ben-phone
            archive cancelled
    5.040 ben-phone accept
            = ERR_CALL_TERMINATED (cancelled)
    "#);
}

#[test]
fn one_refuses_while_looking_and_the_other_is_busy() {
    let mut scribe = Scribe::call(family());
    scribe.say(join("anna-phone")).say(join("anna-tablet"));
    scribe.pass(3000).say(reject("anna-phone", "a1", RejectStatus::Rejected));
    scribe.pass(1000).say(reject("ben-phone", "b1", RejectStatus::Busy));
    insta::assert_snapshot!(scribe.end(), @r#"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    0.000 anna-phone starts its media session
            → front-panel: callViewed #2 anna-phone
    0.000 anna-tablet starts its media session
            → front-panel: callViewed #3 anna-tablet
    3.000 anna-phone reject "rejected"
            = initiated, anna-phone rejected
            → anna-tablet: incomingCallCancelled #4 initiated, anna-phone rejected
            + anna-phone leaves its media session
            + anna-tablet leaves its media session
            revoke anna-phone anna-tablet
    3.000 anna-phone leaves its media session
            → front-panel: viewerLeft #5 anna-phone
    3.000 anna-tablet leaves its media session
            → front-panel: viewerLeft #6 anna-tablet
    4.000 ben-phone reject "busy"
            = rejected, anna-phone rejected, ben-phone busy
            → front-panel: outgoingCallRejected #7 rejected, anna-phone rejected, ben-phone busy
            archive rejected, anna-phone rejected, ben-phone busy
    "#);
}

#[test]
fn busy() {
    let mut scribe = Scribe::call(ring_user("front-panel", "k1", &["anna-phone", "anna-tablet"]));
    scribe.pass(2000).say(reject("anna-phone", "a1", RejectStatus::Busy));
    insta::assert_snapshot!(scribe.end(), @r#"
    0.000 front-panel initiate user anna
            = initiated
            → anna-phone anna-tablet: incomingCallReceived #1 for 45000 ms
    2.000 anna-phone reject "busy"
            = busy, anna-phone busy
            → anna-tablet: incomingCallCancelled #2 busy, anna-phone busy
            → front-panel: outgoingCallRejected #2 busy, anna-phone busy
            archive busy, anna-phone busy
    "#);
}

#[test]
fn nobody_is_reachable_until_one_comes_online() {
    let mut call = family();
    for member in &mut call.members {
        for device in &mut member.devices {
            device.connected = false;
        }
    }
    let mut scribe = Scribe::call(call);
    scribe.pass(20_000).say(reachable("ben-phone", 0)).say(acknowledge("ben-phone"));
    scribe.pass(30_000);
    insta::assert_snapshot!(scribe.end(), @r"
     0.000 front-panel initiate group flat
             = initiated
             → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
             → front-panel: callDelivered #1 0 ring, 0 notified, 2 members
    20.000 ben-phone reachable, has seen #0
             → ben-phone: incomingCallReceived #1 for 25000 ms
    20.000 ben-phone acknowledges the ring
             → front-panel: callDelivered #3 1 ring, 0 notified, 2 members
    45.000 ring time over
             → anna-phone anna-tablet ben-phone: incomingCallCancelled #4 unanswered
             → front-panel: outgoingCallRejected #4 unanswered
             archive unanswered
    ");
}

#[test]
fn a_push_wakes_a_phone() {
    let mut call = ring_user("front-panel", "k1", &["ben-phone"]);
    call.members[0].devices[0].connected = false;
    call.members[0].devices[0].push = true;
    let mut scribe = Scribe::call(call);
    scribe.pass(10).say(notified("ben-phone"));
    scribe.pass(2500).say(reachable("ben-phone", 0)).say(acknowledge("ben-phone"));
    scribe.pass(1500).say(accept("ben-phone", "b1")).say(end("front-panel", "f1"));
    insta::assert_snapshot!(scribe.end(), @r"
    0.000 front-panel initiate user ben
            = initiated
            → ben-phone: incomingCallReceived #1 for 45000 ms
    0.010 ben-phone push sent
            → front-panel: callDelivered #2 0 ring, 1 notified, 1 members
    2.510 ben-phone reachable, has seen #0
            → ben-phone: incomingCallReceived #1 for 42490 ms
    2.510 ben-phone acknowledges the ring
            → front-panel: callDelivered #4 1 ring, 0 notified, 1 members
    4.010 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #5 by ben-phone
    4.010 front-panel end
            = ended doorHungUp after 0 s, front-panel ended, ben-phone ended
            → ben-phone: callEnded #6 ended doorHungUp after 0 s, front-panel ended, ben-phone ended
            archive ended doorHungUp after 0 s, front-panel ended, ben-phone ended
    ");
}

#[test]
fn a_resident_calls_the_door() {
    let mut scribe = Scribe::call(ring_door("ben-phone", "k1", "front-panel"));
    scribe.pass(30).say(acknowledge("front-panel")).say(join("ben-phone"));
    scribe.pass(2000).say(accept("front-panel", "f1")).say(join("front-panel"));
    scribe.pass(9000).say(end("front-panel", "f2"));
    insta::assert_snapshot!(scribe.end(), @r"
     0.000 ben-phone initiate user front
             = initiated
             → front-panel: incomingCallReceived #1 for 45000 ms
     0.030 front-panel acknowledges the ring
             → ben-phone: callDelivered #2 1 ring, 0 notified, 1 members
     0.030 ben-phone starts its media session
     2.030 front-panel accept
             = ongoing, ben-phone ongoing, front-panel ongoing
             → ben-phone: outgoingCallAccepted #4 by front-panel
             → front-panel: participantJoined #4 ben-phone
     2.030 front-panel starts its media session
    11.030 front-panel end
             = ended doorHungUp after 9 s, ben-phone ended, front-panel ended
             → ben-phone: callEnded #6 ended doorHungUp after 9 s, ben-phone ended, front-panel ended
             revoke ben-phone front-panel
             archive ended doorHungUp after 9 s, ben-phone ended, front-panel ended
    ");
}

#[test]
fn a_joinable_group_talks_together() {
    let mut scribe = Scribe::call(Initiation { joinable: true, ..family() });
    scribe.say(accept("ben-phone", "b1")).say(join("front-panel")).say(join("ben-phone"));
    scribe.pass(1000).say(accept("anna-tablet", "t1")).say(join("anna-tablet"));
    scribe.pass(1000).say(end("ben-phone", "b2"));
    scribe.pass(1000).say(end("anna-tablet", "t2"));
    insta::assert_snapshot!(scribe.end(), @r"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    0.000 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #2 by ben-phone
            → anna-phone anna-tablet: callAnsweredElsewhere #2 ongoing, front-panel ongoing, ben-phone ongoing
    0.000 front-panel starts its media session
    0.000 ben-phone starts its media session
            → front-panel: participantJoined #4 ben-phone
    1.000 anna-tablet accept
            = ongoing, front-panel ongoing, ben-phone ongoing, anna-tablet ongoing
    1.000 anna-tablet starts its media session
            → ben-phone front-panel: participantJoined #6 anna-tablet
    2.000 ben-phone end
            = ongoing, front-panel ongoing, ben-phone ended, anna-tablet ongoing
            revoke ben-phone
            → anna-tablet front-panel: participantLeft #7 ben-phone
    3.000 anna-tablet end
            = ended residentHungUp after 3 s, front-panel ended, ben-phone ended, anna-tablet ended
            → front-panel: callEnded #8 ended residentHungUp after 3 s, front-panel ended, ben-phone ended, anna-tablet ended
            revoke anna-tablet front-panel
            archive ended residentHungUp after 3 s, front-panel ended, ben-phone ended, anna-tablet ended
    ");
}

#[test]
fn a_page_is_loaded_anew_while_it_rings_and_during_the_call() {
    let mut scribe = Scribe::call(family());
    scribe.say(acknowledge("ben-phone")).say(join("ben-phone"));
    scribe.pass(5000).say(leave("ben-phone")).say(gone("ben-phone"));
    scribe.pass(700).say(reachable("ben-phone", 0)).say(join("ben-phone")).say(accept("ben-phone", "b1"));
    scribe.pass(5000).say(leave("ben-phone")).say(gone("ben-phone"));
    scribe.pass(700).say(reachable("ben-phone", 0)).say(join("ben-phone")).say(end("ben-phone", "b2"));
    insta::assert_snapshot!(scribe.end(), @r"
     0.000 front-panel initiate group flat
             = initiated
             → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
     0.000 ben-phone acknowledges the ring
             → front-panel: callDelivered #2 1 ring, 0 notified, 2 members
     0.000 ben-phone starts its media session
             → front-panel: callViewed #3 ben-phone
     5.000 ben-phone leaves its media session
             → front-panel: viewerLeft #4 ben-phone
     5.000 ben-phone gone
     5.700 ben-phone reachable, has seen #0
             → ben-phone: incomingCallReceived #1 for 39300 ms
     5.700 ben-phone starts its media session
             → front-panel: callViewed #7 ben-phone
     5.700 ben-phone accept
             = ongoing, front-panel ongoing, ben-phone ongoing
             → front-panel: outgoingCallAccepted #8 by ben-phone
             → anna-phone anna-tablet: callAnsweredElsewhere #8 ongoing, front-panel ongoing, ben-phone ongoing
    10.700 ben-phone leaves its media session
    10.700 ben-phone gone
    11.400 ben-phone reachable, has seen #0
    11.400 ben-phone starts its media session
             → front-panel: participantJoined #12 ben-phone
    11.400 ben-phone end
             = ended residentHungUp after 5 s, front-panel ended, ben-phone ended
             → front-panel: callEnded #13 ended residentHungUp after 5 s, front-panel ended, ben-phone ended
             revoke ben-phone
             archive ended residentHungUp after 5 s, front-panel ended, ben-phone ended
    ");
}

#[test]
fn the_door_misses_the_answer_and_hears_it_later() {
    let mut scribe = Scribe::call(family());
    scribe.pass(1000).say(gone("front-panel"));
    scribe.pass(1000).say(accept("ben-phone", "b1")).say(join("ben-phone"));
    scribe.pass(1000).say(reachable("front-panel", 0)).say(reachable("anna-phone", 1)).say(reachable("anna-tablet", 0));
    scribe.pass(1000).say(end("front-panel", "f1"));
    insta::assert_snapshot!(scribe.end(), @r"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    1.000 front-panel gone
    2.000 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #3 by ben-phone
            → anna-phone anna-tablet: callAnsweredElsewhere #3 ongoing, front-panel ongoing, ben-phone ongoing
    2.000 ben-phone starts its media session
            → front-panel: participantJoined #4 ben-phone
    3.000 front-panel reachable, has seen #0
            → front-panel: outgoingCallAccepted #3 by ben-phone
            → front-panel: participantJoined #4 ben-phone
    3.000 anna-phone reachable, has seen #1
            → anna-phone: callAnsweredElsewhere #3 ongoing, front-panel ongoing, ben-phone ongoing
    3.000 anna-tablet reachable, has seen #0
    4.000 front-panel end
            = ended doorHungUp after 2 s, front-panel ended, ben-phone ended
            → ben-phone: callEnded #8 ended doorHungUp after 2 s, front-panel ended, ben-phone ended
            revoke ben-phone
            archive ended doorHungUp after 2 s, front-panel ended, ben-phone ended
    ");
}

#[test]
fn a_resident_vanishes() {
    let mut scribe = Scribe::call(family());
    scribe.say(accept("ben-phone", "b1")).say(join("ben-phone"));
    scribe.pass(5000).say(gone("ben-phone"));
    scribe.pass(50_000).say(reachable("ben-phone", 1));
    insta::assert_snapshot!(scribe.end(), @r"
     0.000 front-panel initiate group flat
             = initiated
             → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
     0.000 ben-phone accept
             = ongoing, front-panel ongoing, ben-phone ongoing
             → front-panel: outgoingCallAccepted #2 by ben-phone
             → anna-phone anna-tablet: callAnsweredElsewhere #2 ongoing, front-panel ongoing, ben-phone ongoing
     0.000 ben-phone starts its media session
             → front-panel: participantJoined #3 ben-phone
     5.000 ben-phone gone
    50.000 ben-phone absent since #4
             → ben-phone front-panel: callEnded #5 ended residentGone after 50 s, front-panel ended, ben-phone ended
             revoke ben-phone
             archive ended residentGone after 50 s, front-panel ended, ben-phone ended
    55.000 ben-phone reachable, has seen #1
             → ben-phone: callEnded #5 ended residentGone after 50 s, front-panel ended, ben-phone ended
    ");
}

#[test]
fn the_door_is_opened_and_refused() {
    let opener = || Opener::Participant { opening: "o1".parse().expect("a word"), by: leg("ben-phone") };
    let opened = || DoorReport::Opened { opener: opener(), released_for: 3000 };
    let refused = DoorReport::Refused {
        by: leg("ben-phone"),
        opening: "o2".parse().expect("a word"),
        reason: OpeningRefusal::NonceUnknown,
    };
    let mut scribe = Scribe::call(family());
    scribe.say(open("ben-phone", "early")).say(accept("ben-phone", "b1"));
    scribe.say(open("ben-phone", "o1")).say(open("ben-phone", "o1")).say(open("anna-phone", "a1"));
    scribe.say(open("front-panel", "f1")).say(door_says("front-panel", "d1", opened()));
    scribe.say(door_says("front-panel", "d1", opened())).say(door_says("ben-phone", "b2", opened()));
    scribe.say(door_says("front-panel", "d2", DoorReport::Contact { state: DoorState::Opened }));
    scribe.say(open("ben-phone", "o2")).say(door_says("front-panel", "d3", refused));
    scribe.say(end("front-panel", "f2")).say(open("ben-phone", "late"));
    insta::assert_snapshot!(scribe.end(), @r#"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    0.000 ben-phone open
            = ERR_CALL_NOT_STARTED (initiated)
    0.000 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #3 by ben-phone
            → anna-phone anna-tablet: callAnsweredElsewhere #3 ongoing, front-panel ongoing, ben-phone ongoing
    0.000 ben-phone open
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: openingAsked #4 o1 by ben-phone
    0.000 ben-phone open
            = ongoing, front-panel ongoing, ben-phone ongoing
    0.000 anna-phone open
            = ERR_CALL_NOT_A_PART (ongoing, front-panel ongoing, ben-phone ongoing)
    0.000 front-panel open
            = ERR_FORBIDDEN (ongoing, front-panel ongoing, ben-phone ongoing)
    0.000 front-panel reports {"report":"opened","opener":{"authority":"participant","opening":"o1","by":{"uid":"ben","deviceId":"ben-phone","name":"ben"}},"releasedFor":3000}
            = ongoing, front-panel ongoing, ben-phone ongoing
            → ben-phone: doorOpened #8 {"authority":"participant","opening":"o1","by":{"uid":"ben","deviceId":"ben-phone","name":"ben"}} for 3000 ms
    0.000 front-panel reports {"report":"opened","opener":{"authority":"participant","opening":"o1","by":{"uid":"ben","deviceId":"ben-phone","name":"ben"}},"releasedFor":3000}
            = ongoing, front-panel ongoing, ben-phone ongoing
    0.000 ben-phone reports {"report":"opened","opener":{"authority":"participant","opening":"o1","by":{"uid":"ben","deviceId":"ben-phone","name":"ben"}},"releasedFor":3000}
            = ERR_FORBIDDEN (ongoing, front-panel ongoing, ben-phone ongoing)
    0.000 front-panel reports {"report":"contact","state":"opened"}
            = ongoing, front-panel ongoing, ben-phone ongoing
            → ben-phone: doorContact #11 "opened"
    0.000 ben-phone open
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: openingAsked #12 o2 by ben-phone
    0.000 front-panel reports {"report":"refused","by":{"uid":"ben","deviceId":"ben-phone","name":"ben"},"opening":"o2","reason":"nonceUnknown"}
            = ongoing, front-panel ongoing, ben-phone ongoing
            → ben-phone: openingRefused #13 o2 "nonceUnknown"
    0.000 front-panel end
            = ended doorHungUp after 0 s, front-panel ended, ben-phone ended
            → ben-phone: callEnded #14 ended doorHungUp after 0 s, front-panel ended, ben-phone ended
            archive ended doorHungUp after 0 s, front-panel ended, ben-phone ended
    0.000 ben-phone open
            = ERR_CALL_TERMINATED (ended doorHungUp after 0 s, front-panel ended, ben-phone ended)
    "#);
}

#[test]
fn somebody_presses_another_button_during_the_call() {
    let mut scribe = Scribe::call(family());
    scribe.say(accept("ben-phone", "b1"));
    let metadata = Metadata::from([("button".to_owned(), "dentist".to_owned())]);
    let press = |name: &str| Change::PressWaiting {
        leg: leg(name),
        key: "w1".parse().expect("a word"),
        metadata: metadata.clone(),
    };
    scribe.pass(1000).say(press("front-panel")).say(press("front-panel")).say(press("ben-phone"));
    scribe.say(end("front-panel", "f1"));
    insta::assert_snapshot!(scribe.end(), @r#"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    0.000 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #2 by ben-phone
            → anna-phone anna-tablet: callAnsweredElsewhere #2 ongoing, front-panel ongoing, ben-phone ongoing
    1.000 front-panel press waiting
            = ongoing, front-panel ongoing, ben-phone ongoing
            → ben-phone: pressWaiting #3 {"button": "dentist"}
    1.000 front-panel press waiting
            = ongoing, front-panel ongoing, ben-phone ongoing
    1.000 ben-phone press waiting
            = ERR_FORBIDDEN (ongoing, front-panel ongoing, ben-phone ongoing)
    1.000 front-panel end
            = ended doorHungUp after 1 s, front-panel ended, ben-phone ended
            → ben-phone: callEnded #6 ended doorHungUp after 1 s, front-panel ended, ben-phone ended
            archive ended doorHungUp after 1 s, front-panel ended, ben-phone ended
    "#);
}

#[test]
fn two_doors_ring_one_family() {
    let mut scribe = Scribe::call(family());
    scribe.pass(1000).say(accept("ben-phone", "b1"));
    let back = ring_group("back-panel", "k1", &["anna-phone", "ben-phone"]);
    scribe.pass(1000).say_of(2, Change::Initiate(Box::new(back)));
    scribe.say_of(2, reject("ben-phone", "b2", RejectStatus::Busy));
    scribe.pass(1000).say_of(2, accept("anna-phone", "a1"));
    scribe.say(end("front-panel", "f1")).say_of(2, end("back-panel", "p1"));
    insta::assert_snapshot!(scribe.end(), @r#"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    1.000 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #2 by ben-phone
            → anna-phone anna-tablet: callAnsweredElsewhere #2 ongoing, front-panel ongoing, ben-phone ongoing
    2.000 back-panel initiate group flat
            = initiated
            → anna-phone: incomingCallReceived #1 for 45000 ms
            → ben-phone: incomingCallReceived #1 for 45000 ms, call waiting
    2.000 ben-phone reject "busy"
            = initiated, ben-phone busy
    3.000 anna-phone accept
            = ongoing, ben-phone busy, back-panel ongoing, anna-phone ongoing
            → back-panel: outgoingCallAccepted #3 by anna-phone
    3.000 front-panel end
            = ended doorHungUp after 2 s, front-panel ended, ben-phone ended
            → ben-phone: callEnded #3 ended doorHungUp after 2 s, front-panel ended, ben-phone ended
            archive ended doorHungUp after 2 s, front-panel ended, ben-phone ended
    3.000 back-panel end
            = ended doorHungUp after 0 s, ben-phone busy, back-panel ended, anna-phone ended
            → anna-phone: callEnded #4 ended doorHungUp after 0 s, ben-phone busy, back-panel ended, anna-phone ended
            archive ended doorHungUp after 0 s, ben-phone busy, back-panel ended, anna-phone ended
    "#);
}

#[test]
fn both_call_each_other() {
    let mut scribe = Scribe::call(ring_user("front-panel", "k1", &["ben-phone"]));
    scribe.say_of(2, Change::Initiate(Box::new(ring_door("ben-phone", "k1", "front-panel"))));
    scribe.say(accept("ben-phone", "b1")).say(end("ben-phone", "b2"));
    insta::assert_snapshot!(scribe.end(), @r"
    0.000 front-panel initiate user ben
            = initiated
            → ben-phone: incomingCallReceived #1 for 45000 ms
    0.000 ben-phone initiate user front
            = ERR_CALL_BUSY_USER (initiated)
    0.000 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #2 by ben-phone
    0.000 ben-phone end
            = ended residentHungUp after 0 s, front-panel ended, ben-phone ended
            → front-panel: callEnded #3 ended residentHungUp after 0 s, front-panel ended, ben-phone ended
            archive ended residentHungUp after 0 s, front-panel ended, ben-phone ended
    ");
}

#[test]
fn the_hub_starts_again_while_somebody_looks() {
    let mut scribe = Scribe::call(family());
    scribe.pass(1000).say(join("ben-phone"));
    scribe.hall.exchange = doorward::hub::exchange::Exchange::restore(
        exchange_hall::rules(),
        scribe.hall.now,
        scribe.hall.log.iter().cloned(),
    );
    for session_id in scribe.hall.exchange.open_calls() {
        assert_eq!(session_id, session(1));
        scribe.say(Change::Restarted);
    }
    scribe.pass(800).say(reachable("front-panel", 2)).say(reachable("ben-phone", 1));
    scribe.pass(800).say(join("ben-phone")).say(accept("ben-phone", "b1"));
    assert!(scribe.hall.exchange.session_of(session(1), &device("ben-phone")));
    scribe.say(end("ben-phone", "b2"));
    insta::assert_snapshot!(scribe.end(), @r"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    1.000 ben-phone starts its media session
            → front-panel: callViewed #2 ben-phone
    1.000 hub restarted
            + ben-phone leaves its media session
            revoke ben-phone
    1.000 ben-phone leaves its media session
            → front-panel: viewerLeft #1004 ben-phone
    1.800 front-panel reachable, has seen #2
            → front-panel: viewerLeft #1004 ben-phone
    1.800 ben-phone reachable, has seen #1
    2.600 ben-phone starts its media session
            → front-panel: callViewed #1007 ben-phone
    2.600 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #1008 by ben-phone
            → anna-phone anna-tablet: callAnsweredElsewhere #1008 ongoing, front-panel ongoing, ben-phone ongoing
    2.600 ben-phone end
            = ended residentHungUp after 0 s, front-panel ended, ben-phone ended
            → front-panel: callEnded #1009 ended residentHungUp after 0 s, front-panel ended, ben-phone ended
            revoke ben-phone
            archive ended residentHungUp after 0 s, front-panel ended, ben-phone ended
    ");
}
