//! A conversation at a door with an echo, on made-up time: the far voice for ten seconds, both for five, the near one for five.
//! What is heard goes through the very code of the media worker.

#![allow(dead_code, reason = "every test that includes it uses a part of it")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::media::gst::echo::{Canceller, Ear, FRAME, Figures, Room, SampleTime};
use doorward::media::pipeline::{EchoSettings, GainControl, NoiseSuppression};

use crate::sounds::{RATE, Walls, decibels, drifted, from_i16, part, power, share, to_i16, voice};

/// What is not as usual.
#[derive(Clone)]
pub struct Scene {
    /// Milliseconds from the speaker to the microphone.
    pub delay: usize,
    /// From this second on, another delay.
    pub jump: Option<(usize, usize)>,
    /// The microphone's clock against the speaker's.
    pub ppm: f64,
    /// The far voice never speaks.
    pub alone: bool,
    /// Every other piece of the speaker comes a piece late, with the one after it.
    pub bursts: bool,
    /// Every piece of the speaker comes so many pieces late.
    pub late: usize,
    /// How much of it is played.
    pub seconds: usize,
    pub settings: EchoSettings,
}

impl Default for Scene {
    fn default() -> Self {
        let settings = EchoSettings::default();
        Self { delay: 100, jump: None, ppm: 0.0, alone: false, bursts: false, late: 0, seconds: 20, settings }
    }
}

/// The canceller alone: what noise suppression and gain do to levels is no echo.
pub fn canceller_alone() -> EchoSettings {
    EchoSettings { noise_suppression: NoiseSuppression::Off, gain: GainControl::Off, ..EchoSettings::default() }
}

/// What was said and heard.
pub struct Take {
    pub near: Vec<f32>,
    pub microphone: Vec<f32>,
    pub sent: Vec<f32>,
    pub figures: Vec<Figures>,
    pub took: Duration,
}

impl Take {
    /// By how much the echo is lowered between these seconds.
    pub fn lowered(&self, from: f64, to: f64) -> f64 {
        decibels(power(part(&self.microphone, from, to))) - decibels(power(part(&self.sent, from, to)))
    }

    /// What double talk costs the near voice (decibels), against the same voice sent where it is alone.
    pub fn double_talk_costs(&self, alone: &Self) -> f64 {
        -share(part(&alone.sent, 10.5, 15.0), part(&self.sent, 10.5, 15.0))
    }

    /// Microseconds for 10 ms of sound.
    pub fn per_frame(&self) -> f64 {
        self.took.as_secs_f64() * 1e6 / (self.sent.len() / FRAME) as f64
    }
}

impl Scene {
    pub fn play<C: Canceller>(&self, ear: impl FnOnce(&Arc<Room>) -> Ear<C>) -> Take {
        let (far, near) = self.voices();
        let microphone = self.microphone(&far, &near);
        let room = Room::new(self.settings);
        room.speaker_opened();
        let mut ear = ear(&room);
        let (played, mut sent) = (to_i16(&far), to_i16(&microphone));
        let mut figures = Vec::new();
        let began = Instant::now();
        let mut told = 0;
        for (number, heard) in sent.chunks_exact_mut(FRAME).enumerate() {
            let known = if self.bursts { number.div_ceil(2) * 2 } else { (number + 1).saturating_sub(self.late) };
            for piece in told..known {
                room.play(at(piece), &played[piece * FRAME..(piece + 1) * FRAME]);
            }
            told = told.max(known);
            figures.extend(ear.hear(at(number), heard));
        }
        let took = began.elapsed();
        Take { near, microphone, sent: from_i16(&sent), figures, took }
    }

    fn voices(&self) -> (Vec<f32>, Vec<f32>) {
        let mut far = if self.alone { Vec::new() } else { voice(15, 118.0, -20.0, 1) };
        far.resize(self.seconds * RATE, 0.0);
        let mut near = vec![0.0; 10 * RATE];
        near.extend(voice(10, 205.0, -26.0, 2));
        near.resize(self.seconds * RATE, 0.0);
        (far, near)
    }

    fn microphone(&self, far: &[f32], near: &[f32]) -> Vec<f32> {
        let (walls, aired) = (Walls::new(), drifted(far, self.ppm));
        let mut random = fastrand::Rng::with_seed(3);
        // -70 dBFS.
        let mut noise = move || (random.f32() * 2.0 - 1.0) * 5.5e-4;
        (0..far.len())
            .map(|n| {
                let delay = self.jump.filter(|(second, _)| n >= second * RATE).map_or(self.delay, |(_, delay)| delay);
                (walls.echo(&aired, n, delay * RATE / 1000) + near[n] + noise()).clamp(-1.0, 1.0)
            })
            .collect()
    }
}

fn at(piece: usize) -> SampleTime {
    SampleTime(i64::try_from(piece * FRAME).expect("a scene is short"))
}
