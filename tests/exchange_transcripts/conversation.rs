//! Answered calls.

use doorward::hub::exchange::{Change, Initiation};
use doorward::signaling::protocol::{DoorReport, DoorState, Metadata, Opener, OpeningRefusal};

use super::exchange_hall::*;
use super::scribe::{Scribe, family};

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
