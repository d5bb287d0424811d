//! All calls as the naive implementation has them, their deadlines, and who may begin one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use doorward::hub::exchange::{Change, Entry, Initiation};
use doorward::ids::{DeviceId, SessionId};
use doorward::moment::Moment;
use doorward::signaling::protocol::ErrorCode;

use super::exchange_hall::*;
use super::reading::{Reading, Said, read};

/// Every call, as the naive reading has it.
#[derive(Debug, Default)]
pub struct Model {
    pub logs: BTreeMap<SessionId, Vec<Change>>,
    asked: BTreeMap<(DeviceId, String), (SessionId, Said)>,
    lost: BTreeMap<(SessionId, DeviceId), Moment>,
    began: BTreeMap<SessionId, Moment>,
}

impl Model {
    /// What the entry is answered and who is told what, besides what a returning device missed.
    pub fn take(&mut self, now: Moment, entry: &Entry) -> (Option<Said>, BTreeSet<(DeviceId, &'static str)>) {
        let session_id = entry.session_id;
        if let Change::Initiate(call) = &entry.change {
            let asked = (call.initiator.device_id.clone(), call.key.to_string());
            if let Some((_, said)) = self.asked.get(&asked) {
                return (Some(*said), BTreeSet::new());
            }
            let said = self.may(call);
            self.asked.insert(asked, (session_id, said));
            if said.is_err() {
                return (Some(said), BTreeSet::new());
            }
            self.began.insert(session_id, now);
            self.logs.insert(session_id, vec![entry.change.clone()]);
        } else if let Some(log) = self.logs.get_mut(&session_id) {
            log.push(entry.change.clone());
        } else {
            let said = entry.change.is_verb().then_some(Err(ErrorCode::ErrCallSessionNotFound));
            return (said, BTreeSet::new());
        }
        self.time(now, entry);
        let reading = read(&self.logs[&session_id]);
        (reading.said, reading.told)
    }

    /// Deadlines are ordered at their time.
    fn time(&mut self, now: Moment, entry: &Entry) {
        let session_id = entry.session_id;
        match &entry.change {
            Change::Expire => {
                let due = self.began[&session_id] + Duration::from_secs(45);
                let log = &self.logs[&session_id];
                let before = read(&log[..log.len() - 1]);
                assert!(now == due || before.no.len() == before.call.members.len(), "at its time, or nobody was asked");
            }
            Change::Step { after } => {
                let log = &self.logs[&session_id];
                let before = read(&log[..log.len() - 1]);
                let due = self.began[&session_id] + Duration::from_millis(*after);
                assert!(now == due || (now < due && before.ringing().is_empty()), "at its time, or nobody rings");
            }
            Change::Gone { device_id } => {
                self.lost.entry((session_id, device_id.clone())).or_insert(now);
            }
            Change::Accept { leg, .. } => {
                let reading = read(&self.logs[&session_id]);
                if reading.away.get(&leg.device_id) == Some(&reading.number) {
                    self.lost.insert((session_id, leg.device_id.clone()), now);
                }
            }
            Change::Reachable { device_id, .. } => {
                self.lost.remove(&(session_id, device_id.clone()));
            }
            Change::Restarted => {
                let reading = read(&self.logs[&session_id]);
                let everybody = reading.called().into_iter().chain([reading.caller()]);
                self.lost.extend(everybody.map(|id| ((session_id, id), now)));
            }
            Change::Absent { device_id, .. } => {
                assert_eq!(now, self.lost[&(session_id, device_id.clone())] + rules().absence_grace);
            }
            _ => {}
        }
    }

    fn may(&self, call: &Initiation) -> Said {
        let readings = || self.logs.values().map(|log| read(log));
        let own = |reading: &Reading| {
            !reading.status.is_terminal() && reading.call.initiator.uid == call.initiator.uid
                || reading.inside.iter().any(|id| reading.owner(id) == Some(call.initiator.uid.clone()))
        };
        if readings().any(|reading| own(&reading)) {
            return Err(ErrorCode::ErrCallBusySelf);
        }
        let mutual = |reading: &Reading| {
            let asks_me = reading
                .called()
                .iter()
                .any(|id| reading.rings(id) && reading.owner(id) == Some(call.initiator.uid.clone()));
            asks_me && call.members.iter().any(|member| member.uid == reading.call.initiator.uid)
        };
        if readings().any(|reading| mutual(&reading)) { Err(ErrorCode::ErrCallBusyUser) } else { Ok(()) }
    }
}
