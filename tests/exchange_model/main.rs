//! Random sequences on several doors, groups and devices, against a second implementation of the rules that is as naive as
//! can be: it keeps nothing but the entries of a call and asks its questions by reading them again from the start.

#[path = "../exchange_hall/mod.rs"]
mod exchange_hall;
mod model;
mod reading;
mod steps;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use doorward::hub::exchange::{Change, Entry, Exchange, Output};
use doorward::ids::{DeviceId, SessionId};
use doorward::signaling::protocol::CallStatus;
use proptest::prelude::*;

use exchange_hall::{Hall, device, leg, rules, session};
use model::Model;
use reading::{Reading, Said, read};
use steps::*;

struct Run {
    hall: Hall,
    model: Model,
}

impl Run {
    fn step(&mut self, step: &Step) {
        let done = match step {
            Step::Initiate { kind, who, session: number, key, offline } => {
                let call = call(*kind, *who, *key, *offline);
                self.hall.append(self.unused(*number), Change::Initiate(Arc::new(call)))
            }
            Step::Entry { call, who, what, key } => self.hall.append(session(*call), change(*who, *what, *key)),
            Step::Lose(who) => self.hall.lose(name(*who)),
            Step::Find(who) => self.hall.find(name(*who)),
            Step::Reload(who) => self.hall.reload(name(*who)),
            Step::Again(back) => match self.hall.log.iter().rev().nth(*back).map(|(_, entry)| entry.clone()) {
                Some(entry) if entry.change.is_verb() => self.hall.append(entry.session_id, entry.change),
                _ => Vec::new(),
            },
            Step::Pass(seconds) => self.hall.pass(Duration::from_secs(*seconds)),
            Step::Restart => self.restart(),
        };
        self.compare(&done);
    }

    /// A hub makes up a new id for each call; here it is the number asked for, or the next that is free.
    fn unused(&self, number: u8) -> SessionId {
        let used = |number: u8| {
            self.hall
                .log
                .iter()
                .any(|(_, entry)| entry.session_id == session(number) && matches!(entry.change, Change::Initiate(_)))
        };
        let numbers = (number..=CALLS).chain(CALLS + 1..=u8::MAX);
        session(numbers.into_iter().find(|number| !used(*number)).expect("fewer than 250 calls"))
    }

    fn restart(&mut self) -> Vec<(Entry, Vec<Output>)> {
        self.hall.exchange = Exchange::restore(rules(), self.hall.now, self.hall.log.iter().cloned());
        self.hall.offline.extend(RESIDENTS.iter().chain(&DOORS).map(|name| device(name)));
        let open = self.hall.exchange.open_calls();
        open.into_iter().flat_map(|session_id| self.hall.append(session_id, Change::Restarted)).collect()
    }

    fn compare(&mut self, done: &[(Entry, Vec<Output>)]) {
        let mut times = self.hall.log.iter().rev().take(done.len()).map(|(at, _)| *at).collect::<Vec<_>>();
        times.reverse();
        for ((entry, outputs), now) in done.iter().zip(times) {
            let (said, told) = self.model.take(now, entry);
            let answers: Vec<Said> = outputs.iter().filter_map(answered).collect();
            assert_eq!(answers, said.into_iter().collect::<Vec<_>>(), "answer of {entry:?}");
            let number = self.model.logs.get(&entry.session_id).map_or(0, |log| read(log).number);
            let mut really = BTreeSet::new();
            for (to, event) in outputs.iter().filter_map(delivered) {
                if matches!(entry.change, Change::Reachable { .. }) {
                    let over = self.hall.status(entry.session_id).is_terminal();
                    assert!(event.entry.0 < number || over, "what was missed is older");
                    continue;
                }
                assert_eq!(event.entry.0, number, "told under the number of {entry:?}");
                really.extend(to.iter().map(|id| (id.clone(), event.event.name())));
            }
            assert_eq!(really, told, "told by {entry:?}");
        }
        for (session_id, log) in &self.model.logs {
            self.compare_call(*session_id, &read(log));
        }
    }

    fn compare_call(&self, session_id: SessionId, reading: &Reading) {
        let call = self.hall.call(session_id);
        assert_eq!((call.status, call.entry.0), (reading.status, reading.number));
        let woken = self.hall.woken.iter().filter(|(of, _)| *of == session_id).map(|(_, id)| id.clone());
        assert_eq!(woken.collect::<BTreeSet<_>>(), reading.woken(), "who is woken by push still rings");
        for name in RESIDENTS.iter().chain(&DOORS) {
            let id = device(name);
            let exchange = &self.hall.exchange;
            assert_eq!(exchange.role(session_id, &id), reading.role(&id), "role of {name}");
            assert_eq!(exchange.session_of(session_id, &id), reading.media.contains(&id), "session of {name}");
            let active = exchange.active_calls(&id).iter().any(|call| call.session_id == session_id);
            let status = reading.status;
            let caller = id == reading.caller() && status == CallStatus::Initiated;
            assert_eq!(active, caller || reading.rings(&id) || reading.inside.contains(&id), "{name} is in it");
            let listed = exchange.calls_of(&id).contains(&session_id);
            assert_eq!(listed, reading.owner(&id).is_some(), "{name} is concerned");
            let admitted = exchange.admit(session_id, &leg(name));
            assert!(admitted.is_err() || admitted.ok() == reading.role(&id), "admission of {name}");
        }
    }
}

fn answered(output: &Output) -> Option<Said> {
    match output {
        Output::Answer(answer) => Some(answer.as_ref().map(|_| ()).map_err(|refusal| refusal.code)),
        _ => None,
    }
}

fn delivered(output: &Output) -> Option<(&Vec<DeviceId>, &doorward::signaling::protocol::Event)> {
    match output {
        Output::Deliver { to, event } => Some((to, event)),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_exchange_is_the_table(steps in steps()) {
        let mut run = Run { hall: Hall::new(), model: Model::default() };
        for step in &steps {
            run.step(step);
            run.hall.check_restore();
        }
        // Nobody does anything any more: everybody who is away comes back, every ring ends, and all agree.
        for who in 0..9 {
            run.step(&Step::Find(who));
        }
        run.step(&Step::Pass(45));
        for session_id in run.model.logs.keys().copied().collect::<Vec<_>>() {
            prop_assert_ne!(run.hall.status(session_id), CallStatus::Initiated);
            run.hall.check_rings_settled(session_id);
        }
        run.hall.pass(rules().forget_after + Duration::from_secs(60));
        for session_id in run.model.logs.keys() {
            let ongoing = run.hall.exchange.call(*session_id).is_some_and(|call| call.status == CallStatus::Ongoing);
            prop_assert_eq!(run.hall.exchange.call(*session_id).is_some(), ongoing, "what is over is forgotten");
        }
    }
}
