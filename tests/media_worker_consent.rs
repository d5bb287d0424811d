//! Consent with real sound: whatever the order of orders and connections, not one sample of a resident's or the visitor's voice
//! gets through before that resident's gate is opened, or after it is gone. A real worker, its speaker a file.
#![cfg(feature = "media")]

mod media_door;
mod resident;

use std::collections::BTreeSet;
use std::path::Path;

use doorward::ids::{PeerId, SessionId};
use doorward::media::pipeline::{MediaSettings, SpeakerSink};
use doorward::media::protocol::{Order, Report};
use doorward::media::worker::Patience;

use media_door::{CALL, Door, is_about, settings};

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A connection, that is connected when the step is over.
    Join(u32),
    /// This resident talks from now on, allowed or not.
    Talk(u32),
    /// CONSENT of this resident.
    Gate(u32),
    Leave(u32),
    /// The call is over, and another begins.
    Another,
}

use Step::{Another, Gate, Join, Leave, Talk};

const ORDERS: [&[Step]; 8] = [
    &[Join(1), Talk(1), Gate(1)],
    &[Gate(1), Join(1), Talk(1)],
    &[Join(1), Join(2), Talk(1), Talk(2), Gate(2)],
    &[Join(1), Gate(1), Join(2), Talk(2), Talk(1)],
    &[Join(1), Gate(1), Talk(1), Leave(1), Join(2), Talk(2)],
    &[Join(1), Gate(1), Leave(1), Gate(1), Join(2), Talk(2), Gate(2)],
    &[Join(1), Gate(1), Gate(1), Talk(1), Another, Join(2), Talk(2)],
    &[Join(1), Talk(1), Another, Gate(1), Join(2), Talk(2), Join(3), Gate(3), Talk(3)],
];

#[tokio::test]
async fn not_one_sample_gets_through_without_consent() {
    for steps in ORDERS {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("speaker.wav");
        let settings = MediaSettings { speaker: SpeakerSink::File(file.clone()), ..settings() };
        let mut door = Door::open(settings, Patience::default()).await;
        let mut scene = Scene { call: CALL, steps, file: &file, ..Scene::begin(&mut door) };
        for &step in steps {
            scene.take(&mut door, step).await;
        }
        scene.finish(&mut door).await;
    }
}

struct Scene<'a> {
    call: SessionId,
    steps: &'a [Step],
    file: &'a Path,
    /// Who is connected, who talks, and who may.
    there: BTreeSet<u32>,
    talking: BTreeSet<u32>,
    open: BTreeSet<u32>,
    /// Somebody was allowed to be heard by the speaker before.
    heard_before: bool,
}

impl Scene<'_> {
    fn begin(door: &mut Door) -> Self {
        door.order(Order::StartSession { session_id: CALL, picture: true });
        Self {
            call: CALL,
            steps: &[],
            file: Path::new(""),
            there: BTreeSet::new(),
            talking: BTreeSet::new(),
            open: BTreeSet::new(),
            heard_before: false,
        }
    }

    async fn take(&mut self, door: &mut Door, step: Step) {
        match step {
            Join(number) => {
                door.join_call(self.call, number);
                door.resident(PeerId(number)).record();
                door.until("the picture", |door| door.resident(PeerId(number)).pictures() > 0).await;
                self.there.insert(number);
            }
            Talk(number) => {
                door.resident(PeerId(number)).talk(tone(number));
                self.talking.insert(number);
            }
            Gate(number) => {
                // What was said until now is not said again.
                self.check(door);
                door.order(Order::OpenGate { peer: PeerId(number) });
                if self.there.contains(&number) {
                    self.open.insert(number);
                }
            }
            Leave(number) => {
                self.check(door);
                door.leave(PeerId(number));
                self.gone(number);
            }
            Another => {
                self.check(door);
                door.order(Order::StopSession { session_id: self.call });
                let ended = self.call;
                door.report(|report| matches!(report, Report::SessionStopped { session_id } if *session_id == ended))
                    .await;
                door.residents.clear();
                self.there.clone().into_iter().for_each(|number| self.gone(number));
                self.call = SessionId::from_random([9; 16]);
                door.order(Order::StartSession { session_id: self.call, picture: true });
            }
        }
        // Time for whatever gets through: pictures are the clock.
        if let Some(&number) = self.there.last() {
            door.pictures(PeerId(number), 8).await;
        }
        self.check(door);
    }

    fn gone(&mut self, number: u32) {
        self.heard_before |= self.open.contains(&number) && self.talking.contains(&number);
        self.there.remove(&number);
        self.talking.remove(&number);
        self.open.remove(&number);
    }

    /// Nobody without consent hears anything or is heard.
    fn check(&self, door: &Door) {
        for &number in self.there.difference(&self.open) {
            let resident = door.resident(PeerId(number));
            assert_eq!(resident.sound_packets(), 0, "{:?}: {number} hears", self.steps);
            assert!(resident.recording().samples.is_empty(), "{:?}: {number} hears", self.steps);
        }
        for (&listener, &talker) in
            self.open.iter().flat_map(|one| self.talking.difference(&self.open).map(move |other| (one, other)))
        {
            let recording = door.resident(PeerId(listener)).recording();
            let loud = amplitude(&recording.samples, tone(talker).into());
            assert!(loud < 200.0, "{:?}: {listener} hears {talker}, {loud:.0}", self.steps);
        }
        let may_be_heard = self.heard_before || self.talking.intersection(&self.open).next().is_some();
        if !may_be_heard {
            let written = std::fs::read(self.file).unwrap_or_default();
            let sound = written.get(44..).unwrap_or_default();
            assert!(sound.iter().all(|&byte| byte == 0), "{:?}: the speaker plays something", self.steps);
        }
    }

    /// Who may talk is heard in the end, and nobody else.
    async fn finish(&self, door: &mut Door) {
        for &number in &self.open {
            door.until("the door at who consented", |door| {
                door.resident(PeerId(number)).recording().samples.iter().any(|sample| sample.unsigned_abs() > 1000)
            })
            .await;
            if self.talking.contains(&number) {
                door.speaker_plays(tone(number).into()).await;
            }
        }
        self.check(door);
        let allowed: Vec<f64> =
            (1..4).filter(|number| self.open.contains(number)).map(|number| tone(number).into()).collect();
        if let Some((_, hertz)) = door.speaker_levels().next_back().filter(|_| !self.heard_before) {
            assert!(allowed.iter().any(|&tone| is_about(hertz, tone)), "{:?}: {hertz} Hz at the door", self.steps);
        }
    }
}

fn tone(number: u32) -> u16 {
    600 + 500 * u16::try_from(number).expect("there are few")
}

/// How much of this tone is in it. A resident's own is 11,600.
fn amplitude(samples: &[i16], hertz: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (s, c) = (std::f64::consts::TAU * hertz * n as f64 / 48_000.0).sin_cos();
        sine += f64::from(sample) * s;
        cosine += f64::from(sample) * c;
    }
    2.0 * f64::hypot(sine, cosine) / samples.len().max(1) as f64
}
