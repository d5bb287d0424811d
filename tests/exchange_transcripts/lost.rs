//! Who was away hears of it later; pages, residents and hubs come back.

use doorward::hub::exchange::Change;

use super::exchange_hall::*;
use super::scribe::{Scribe, family};

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
fn the_hub_starts_again_while_somebody_looks() {
    let mut scribe = Scribe::call(family());
    scribe.pass(1000).say(join("ben-phone"));
    scribe.hall.exchange =
        doorward::hub::exchange::Exchange::restore(rules(), scribe.hall.now, scribe.hall.log.iter().cloned());
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
