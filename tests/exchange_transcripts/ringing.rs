//! While it rings, and how it ends unanswered.

use std::sync::Arc;

use doorward::hub::exchange::Change;
use doorward::signaling::protocol::RejectStatus;

use super::exchange_hall::*;
use super::scribe::{Scribe, family};

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
            push → ben-phone: ring for 45000 ms
    0.010 ben-phone push sent
            → front-panel: callDelivered #2 0 ring, 1 notified, 1 members
    2.510 ben-phone reachable, has seen #0
            → ben-phone: incomingCallReceived #1 for 42490 ms
    2.510 ben-phone acknowledges the ring
            → front-panel: callDelivered #4 1 ring, 0 notified, 1 members
    4.010 ben-phone accept
            = ongoing, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #5 by ben-phone
            push ✗ ben-phone: by ben-phone ongoing, front-panel ongoing, ben-phone ongoing
    4.010 front-panel end
            = ended doorHungUp after 0 s, front-panel ended, ben-phone ended
            → ben-phone: callEnded #6 ended doorHungUp after 0 s, front-panel ended, ben-phone ended
            archive ended doorHungUp after 0 s, front-panel ended, ben-phone ended
    ");
}

#[test]
fn two_doors_ring_one_family() {
    let mut scribe = Scribe::call(family());
    scribe.pass(1000).say(accept("ben-phone", "b1"));
    let back = ring_group("back-panel", "k1", &["anna-phone", "ben-phone"]);
    scribe.pass(1000).say_of(2, Change::Initiate(Arc::new(back)));
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
    scribe.say_of(2, Change::Initiate(Arc::new(ring_door("ben-phone", "k1", "front-panel"))));
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
fn a_still_follows_the_ring() {
    let mut scribe = Scribe::call(family());
    scribe.pass(300).say(reject("anna-phone", "a1", RejectStatus::Rejected)).say(show_still("front-panel", "f1"));
    scribe.say(show_still("front-panel", "f1")).say(show_still("ben-phone", "b1"));
    scribe.pass(1000).say(gone("ben-phone")).say(reachable("ben-phone", 1)).say(accept("ben-phone", "b2"));
    scribe.say(show_still("front-panel", "f2"));
    insta::assert_snapshot!(scribe.end(), @r#"
    0.000 front-panel initiate group flat
            = initiated
            → anna-phone anna-tablet ben-phone: incomingCallReceived #1 for 45000 ms
    0.300 anna-phone reject "rejected"
            = initiated, anna-phone rejected
            → anna-tablet: incomingCallCancelled #2 initiated, anna-phone rejected
    0.300 front-panel shows a still
            = initiated, anna-phone rejected
            → ben-phone: callUpdated #3 initiated, anna-phone rejected
    0.300 front-panel shows a still
            = initiated, anna-phone rejected
    0.300 ben-phone shows a still
            = ERR_FORBIDDEN (initiated, anna-phone rejected)
    1.300 ben-phone gone
    1.300 ben-phone reachable, has seen #1
            → ben-phone: callUpdated #3 initiated, anna-phone rejected
    1.300 ben-phone accept
            = ongoing, anna-phone rejected, front-panel ongoing, ben-phone ongoing
            → front-panel: outgoingCallAccepted #8 by ben-phone
    1.300 front-panel shows a still
            = ongoing, anna-phone rejected, front-panel ongoing, ben-phone ongoing
            → ben-phone: callUpdated #9 ongoing, anna-phone rejected, front-panel ongoing, ben-phone ongoing
    "#);
}

#[test]
fn one_after_the_other() {
    let mut call = family();
    call.members[1].after = 20_000;
    let mut scribe = Scribe::call(call);
    scribe.pass(5_000).say(accept("ben-phone", "b0"));
    scribe.pass(15_000).say(acknowledge("ben-phone"));
    scribe.pass(4_000).say(accept("ben-phone", "b1"));
    insta::assert_snapshot!(scribe.end(), @r"
     0.000 front-panel initiate group flat
             = initiated
             → anna-phone anna-tablet: incomingCallReceived #1 for 45000 ms
     5.000 ben-phone accept
             = ERR_CALL_ANSWERED_ELSEWHERE (initiated)
    20.000 the turn of those after 20000 ms
             → ben-phone: incomingCallReceived #3 for 25000 ms
    20.000 ben-phone acknowledges the ring
             → front-panel: callDelivered #4 1 ring, 0 notified, 2 members
    24.000 ben-phone accept
             = ongoing, front-panel ongoing, ben-phone ongoing
             → front-panel: outgoingCallAccepted #5 by ben-phone
             → anna-phone anna-tablet: callAnsweredElsewhere #5 ongoing, front-panel ongoing, ben-phone ongoing
    ");
}

#[test]
fn the_next_one_rings_as_soon_as_the_first_declines() {
    let mut call = family();
    call.members[1].after = 20_000;
    call.members[1].devices[0].push = true;
    let mut scribe = Scribe::call(call);
    scribe.pass(3_000).say(reject("anna-phone", "a1", RejectStatus::Rejected));
    scribe.pass(60_000);
    insta::assert_snapshot!(scribe.end(), @r#"
     0.000 front-panel initiate group flat
             = initiated
             → anna-phone anna-tablet: incomingCallReceived #1 for 45000 ms
     3.000 anna-phone reject "rejected"
             = initiated, anna-phone rejected
             → anna-tablet: incomingCallCancelled #2 initiated, anna-phone rejected
             + the turn of those after 20000 ms
     3.000 the turn of those after 20000 ms
             → ben-phone: incomingCallReceived #3 for 42000 ms
             push → ben-phone: ring for 42000 ms
    45.000 ring time over
             → ben-phone: incomingCallCancelled #4 unanswered, anna-phone rejected
             → front-panel: outgoingCallRejected #4 unanswered, anna-phone rejected
             push ✗ ben-phone: unanswered, anna-phone rejected
             archive unanswered, anna-phone rejected
    "#);
}

#[test]
fn who_does_not_want_to_be_disturbed_is_not() {
    let mut call = family();
    call.members[0].undisturbed = true;
    let mut scribe = Scribe::call(call);
    scribe.pass(1_000).say(accept("anna-tablet", "a1"));
    scribe.pass(1_000).say(reject("ben-phone", "b1", RejectStatus::Rejected));
    insta::assert_snapshot!(scribe.end(), @r#"
    0.000 front-panel initiate group flat
            = initiated
            → ben-phone: incomingCallReceived #1 for 45000 ms
            → front-panel: callDelivered #1 0 ring, 0 notified, 2 members, 1 undisturbed
    1.000 anna-tablet accept
            = ERR_CALL_ANSWERED_ELSEWHERE (initiated)
    2.000 ben-phone reject "rejected"
            = rejected, ben-phone rejected
            → front-panel: outgoingCallRejected #3 rejected, ben-phone rejected
            archive rejected, ben-phone rejected
    "#);
}

#[test]
fn nobody_wants_to_be_disturbed() {
    let mut call = family();
    call.members.iter_mut().for_each(|member| member.undisturbed = true);
    insta::assert_snapshot!(Scribe::call(call).end(), @r"
    0.000 front-panel initiate group flat
            = initiated
            → front-panel: callDelivered #1 0 ring, 0 notified, 2 members, 2 undisturbed
            + ring time over
    0.000 ring time over
            → front-panel: outgoingCallRejected #2 busy
            archive busy
    ");
}
