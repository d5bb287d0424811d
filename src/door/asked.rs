//! What the control socket asks of the door, and how the station is. Presses go the way of every press.

use super::Door;
use crate::call::Event;
use crate::call::indication::LinkFact;
use crate::clock;
use crate::control::{Answer, Asked, ButtonStatus, Question, Status};
use crate::ids::{ButtonId, PeerId};
use crate::media::protocol::Way;

impl Door {
    pub(super) fn asked(&mut self, asked: Asked) {
        let answer = match &asked.question {
            Question::LastCall => Answer::LastCall(self.last_call.clone().map(Box::new)),
            Question::Open => self.open_door(),
            Question::Status => Answer::Status(Box::new(self.status())),
            Question::Press(button) => self.press(&button.clone()),
        };
        asked.answer(answer);
    }

    fn open_door(&mut self) -> Answer {
        let now = clock::now();
        match self.access.administrator_opens(now, self.station.session()) {
            Ok(()) => Answer::Done,
            Err(reason) => Answer::Refused(format!("the door stays shut: {reason}")),
        }
    }

    fn press(&mut self, button: &ButtonId) -> Answer {
        let known: Vec<&str> = self.labels.iter().map(|(id, _)| id.as_str()).collect();
        if !known.contains(&button.as_str()) {
            return Answer::Refused(format!("there is no button {button}; there are {}", known.join(", ")));
        }
        tracing::info!(%button, "pressed by the operator");
        let now = clock::now();
        self.happened(now, Event::Pressed(button.clone()));
        self.happened(now, Event::Released(button.clone()));
        Answer::Done
    }

    fn status(&self) -> Status {
        let shown = self.station.indication();
        let buttons = self.labels.iter().map(|(id, label)| ButtonStatus {
            id: id.clone(),
            label: label.clone(),
            stuck: self.buttons.is_stuck(id),
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            door: self.name.clone(),
            up_for: clock::now().since(self.since).as_secs(),
            phase: format!("{:?}", shown.phase),
            session_id: self.station.session(),
            hub_reached: shown.link == LinkFact::Up,
            encoder: self.encoder.clone(),
            worker_restarts: self.worker_restarts,
            camera: shown.camera_in_use,
            microphone: shown.microphone_in_use,
            tuned: self.tuned.as_ref().map(ToString::to_string),
            sound: self.hearing,
            ways: self.ways.iter().flat_map(|((_, peer), way)| told(*peer, way)).collect(),
            buttons: buttons.collect(),
            troubles: self.faults.iter().map(ToString::to_string).collect(),
        }
    }
}

/// One line for the way in use, and one for each reason why others are not.
fn told(peer: PeerId, way: &Way) -> Vec<String> {
    let in_use = way.in_use.as_deref().unwrap_or("none works");
    let first = format!("connection {peer}: {in_use}");
    std::iter::once(first).chain(way.notes.iter().map(|note| format!("connection {peer}: {note}"))).collect()
}
