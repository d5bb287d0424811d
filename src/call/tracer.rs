//! Writes down when the steps of a visitor's own call happen. It hears what the station hears and orders, and decides nothing.

use super::{Action, Event};
use crate::ids::{ButtonId, RequestKey, SessionId};
use crate::moment::Moment;
use crate::signaling::protocol::{Call, ErrorCode, EventKind, Refusal, Trace, Verb, VerbRequest};

/// What flowed for the first time in a connection.
pub use crate::media::protocol::Flow;

/// The call that goes on, if one does, and its steps so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tracer {
    pressed: Option<(Moment, ButtonId)>,
    begun: Option<Begun>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Begun {
    pressed: Moment,
    button: ButtonId,
    attempt: RequestKey,
    session_id: Option<SessionId>,
    trace: Trace,
}

/// A call that is over, as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Which call.
    pub session_id: SessionId,
    /// Which button was pressed.
    pub button: ButtonId,
    /// When what happened.
    pub trace: Trace,
}

impl Tracer {
    /// Something happened to the station.
    pub fn heard(&mut self, now: Moment, event: &Event) -> Option<Finished> {
        match event {
            Event::Pressed(button) => self.pressed = Some((now, button.clone())),
            Event::VerbAnswered { request, result } => {
                return self.answered(now, request, result.as_ref().map(|call| &**call));
            }
            Event::HubTold(told) => return self.told(now, told.session_id, &told.event),
            Event::MediaConnected { session_id, .. } => self.step(now, *session_id, |trace| &mut trace.connected),
            _other => {}
        }
        None
    }

    /// The station ordered something.
    pub fn ordered(&mut self, now: Moment, action: &Action) {
        let Action::Ask(request) = action else { return };
        match &request.verb {
            Verb::Initiate { .. } => {
                // A call that stood in the way is closed first: the press counts, not the attempt.
                let before = self.begun.take().filter(|begun| begun.session_id.is_none());
                let pressed = self.pressed.take().or(before.map(|begun| (begun.pressed, begun.button)));
                self.begun = pressed.map(|(pressed, button)| Begun {
                    pressed,
                    button,
                    attempt: request.key.clone(),
                    session_id: None,
                    trace: Trace::default(),
                });
            }
            Verb::End { session_id, .. } | Verb::Reject { session_id, .. } => {
                self.step(now, *session_id, |trace| &mut trace.ended);
            }
            _other => {}
        }
    }

    /// Sound or picture flowed for the first time in a connection.
    pub fn flowed(&mut self, now: Moment, session_id: SessionId, flow: Flow) {
        self.step(now, session_id, |trace| match flow {
            Flow::Picture => &mut trace.first_frame,
            Flow::SoundIn => &mut trace.first_sound_in,
            Flow::SoundOut => &mut trace.first_sound_out,
        });
    }

    fn answered(&mut self, now: Moment, request: &VerbRequest, result: Result<&Call, &Refusal>) -> Option<Finished> {
        match (&request.verb, result) {
            (Verb::Initiate { .. }, Ok(call)) => {
                let begun = self.begun.as_mut().filter(|begun| begun.attempt == request.key)?;
                begun.session_id = Some(call.session_id);
                begun.trace.sent.get_or_insert(millis(now, begun.pressed));
                None
            }
            // Not before the hub has ended it, too: verbs may overtake each other.
            (Verb::End { session_id, .. } | Verb::Reject { session_id, .. }, Ok(call)) if call.status.is_terminal() => {
                self.over(now, *session_id)
            }
            (Verb::End { session_id, .. } | Verb::Reject { session_id, .. }, Err(refusal))
                if refusal.code == ErrorCode::ErrCallTerminated =>
            {
                self.over(now, *session_id)
            }
            _other => None,
        }
    }

    fn told(&mut self, now: Moment, session_id: SessionId, event: &EventKind) -> Option<Finished> {
        match event {
            EventKind::CallDelivered { delivered: 1.., .. } => self.step(now, session_id, |trace| &mut trace.delivered),
            EventKind::CallViewed { .. } => self.step(now, session_id, |trace| &mut trace.viewed),
            EventKind::OutgoingCallAccepted { .. } => self.step(now, session_id, |trace| &mut trace.accepted),
            event if event.is_last_word() => return self.over(now, session_id),
            _other => {}
        }
        None
    }

    /// Only the first time counts.
    fn step(&mut self, now: Moment, session_id: SessionId, step: impl FnOnce(&mut Trace) -> &mut Option<u64>) {
        if let Some(begun) = self.begun.as_mut().filter(|begun| begun.session_id == Some(session_id)) {
            step(&mut begun.trace).get_or_insert(millis(now, begun.pressed));
        }
    }

    fn over(&mut self, now: Moment, session_id: SessionId) -> Option<Finished> {
        self.step(now, session_id, |trace| &mut trace.ended);
        let begun = self.begun.take_if(|begun| begun.session_id == Some(session_id))?;
        Some(Finished { session_id, button: begun.button, trace: begun.trace })
    }
}

fn millis(now: Moment, since: Moment) -> u64 {
    u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Button, Rules, Station};
    use crate::ids::{BootId, PeerId};
    use crate::signaling::protocol::{self, CallStatus, CallType, Leg, Metadata, Receiver};

    fn leg(uid: &str) -> Leg {
        Leg { uid: uid.parse().expect("a word"), device_id: uid.parse().expect("a word"), name: uid.into() }
    }

    fn call(status: CallStatus) -> Box<Call> {
        Box::new(Call {
            session_id: SessionId::from_random([1; 16]),
            call_type: CallType::Video,
            status,
            end_reason: None,
            initiator: leg("door"),
            receiver: Receiver::User("anna".parse().expect("a word")),
            receiver_name: String::new(),
            door: "door".parse().expect("a word"),
            initiated_at: 0,
            started_at: None,
            ended_at: None,
            duration: None,
            participants: Vec::new(),
            metadata: Metadata::new(),
            still_at: None,
            entry: crate::ids::EntryNumber(1),
        })
    }

    /// A station and its tracer, as the door's loop has them.
    struct Desk {
        station: Station,
        tracer: Tracer,
        asked: Vec<VerbRequest>,
        over: Option<Finished>,
    }

    impl Desk {
        fn happens(&mut self, millis: u64, event: Event) {
            let now = Moment::from_millis(millis);
            let over = self.tracer.heard(now, &event);
            self.over = self.over.take().or(over);
            for action in self.station.handle(now, event) {
                self.tracer.ordered(now, &action);
                if let Action::Ask(request) = action {
                    self.asked.push(request);
                }
            }
        }

        fn told(&mut self, millis: u64, event: EventKind) {
            let session_id = SessionId::from_random([1; 16]);
            let told = protocol::Event { session_id, entry: crate::ids::EntryNumber(2), event };
            self.happens(millis, Event::HubTold(Box::new(told)));
        }
    }

    fn rings() -> Desk {
        let button: ButtonId = "bell".parse().expect("a word");
        let receiver = Receiver::User("anna".parse().expect("a word"));
        let buttons = vec![Button { id: button.clone(), label: String::new(), receiver }];
        let station = Station::new(Rules { buttons, ..Rules::default() }, BootId::from_random([0; 16]));
        let mut desk = Desk { station, tracer: Tracer::default(), asked: Vec::new(), over: None };
        desk.happens(500, Event::LinkUp { calls: Vec::new() });
        desk.happens(1000, Event::Pressed(button));
        let request = desk.asked[0].clone();
        desk.happens(1012, Event::VerbAnswered { request, result: Ok(call(CallStatus::Initiated)) });
        desk
    }

    #[test]
    fn every_step_of_a_call_has_its_time_and_only_the_first_counts() {
        let session_id = SessionId::from_random([1; 16]);
        let mut desk = rings();
        desk.told(1015, EventKind::CallDelivered { delivered: 0, notified: 1, members: 2, undisturbed: 0 });
        desk.told(1020, EventKind::CallDelivered { delivered: 1, notified: 0, members: 2, undisturbed: 0 });
        desk.told(1900, EventKind::CallDelivered { delivered: 2, notified: 0, members: 2, undisturbed: 0 });
        desk.told(1100, EventKind::CallViewed { viewer: leg("anna") });
        desk.happens(1300, Event::MediaConnected { session_id, peer: PeerId(1) });
        desk.tracer.flowed(Moment::from_millis(1310), session_id, Flow::Picture);
        desk.tracer.flowed(Moment::from_millis(1999), SessionId::from_random([2; 16]), Flow::SoundIn);
        desk.told(4000, EventKind::OutgoingCallAccepted { call: call(CallStatus::Ongoing), by: leg("anna") });
        desk.tracer.flowed(Moment::from_millis(4040), session_id, Flow::SoundOut);
        desk.tracer.flowed(Moment::from_millis(4400), session_id, Flow::SoundIn);
        desk.told(9000, EventKind::CallEnded { call: call(CallStatus::Ended) });
        let over = desk.over.expect("it is over");
        let steps: Vec<_> = over.trace.steps().map(|(step, at)| format!("{step} {at}")).collect();
        assert_eq!(
            steps.join(", "),
            "sent 12, delivered 20, viewed 100, accepted 3000, connected 300, first frame 310, \
             first sound out 3040, first sound in 3400, ended 8000"
        );
        assert_eq!((over.session_id, over.button.as_str()), (session_id, "bell"));
    }

    #[test]
    fn a_call_that_the_visitor_takes_back_is_over_when_the_hub_says_so() {
        let mut desk = rings();
        desk.happens(6000, Event::Pressed("bell".parse().expect("a word")));
        assert_eq!(desk.over, None, "the hub does not know yet");
        let request = desk.asked.last().expect("it took it back").clone();
        desk.happens(6700, Event::VerbAnswered { request, result: Ok(call(CallStatus::Cancelled)) });
        let trace = desk.over.map(|over| over.trace);
        assert_eq!(trace, Some(Trace { sent: Some(12), ended: Some(5000), ..Trace::default() }));
    }
}
