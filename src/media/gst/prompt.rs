//! The installer's own sounds: decoded once and whole, before anybody waits for them, and played from memory. A file that
//! cannot be decoded is told, and disturbs nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::assembly::Branch;
use super::event::Event;
use super::faults;
use crate::media::pipeline::{self, SAMPLE_RATE};
use crate::panel::fault::{Fault, FaultKind};
use crate::panel::sound::Cue;

/// Thirty seconds: what is longer is no prompt, and would fill the memory of a small board.
const LONGEST: usize = 30 * SAMPLE_RATE as usize;
/// How long a file may take to be decoded.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);
/// What is cut off goes within 5 ms, without a click.
const RAMP: usize = SAMPLE_RATE as usize / 200;

/// A decoded sound.
pub(super) type Samples = Arc<[i16]>;

/// Decodes every file, one after the other, off the loop.
pub(super) fn decode_all(prompts: BTreeMap<Cue, PathBuf>, events: Sender<Event>) {
    if prompts.is_empty() {
        return;
    }
    let decoding = std::thread::Builder::new().name("prompts".into()).spawn(move || {
        for (cue, path) in prompts {
            let _ = events.send(Event::PromptDecoded { cue, samples: decode(&path) });
        }
    });
    if let Err(error) = decoding {
        tracing::error!(%error, "no sound file can be decoded");
    }
}

fn decode(path: &Path) -> Result<Samples, Fault> {
    let name = path.display().to_string();
    // What the system has to say of it is said in its own words.
    std::fs::File::open(path).map_err(|error| Fault::of_io(&name, &error))?;
    let wrong = |why: &str| Fault::new(FaultKind::WrongFormat, format!("{name}: {why}"));
    let pipeline = gst::Pipeline::new();
    let branch = Branch::build(&pipeline, &pipeline::prompt(path)).map_err(|error| error.fault())?;
    let pieces = collect(branch.last());
    look_for_sound(&pipeline, &branch);
    let played = play_to_the_end(&pipeline);
    let _ = pipeline.set_state(gst::State::Null);
    played.map_err(|why| wrong(&why))?;
    let samples: Vec<i16> = pieces.try_iter().flatten().take(LONGEST + 1).collect();
    match samples.len() {
        0 => Err(wrong("there is no sound in it")),
        length if length > LONGEST => Err(wrong("it is longer than 30 s")),
        _ => Ok(samples.into()),
    }
}

/// A film without sound would otherwise be waited for.
fn look_for_sound(pipeline: &gst::Pipeline, branch: &Branch) {
    let (Some(decoder), Some(converter)) = (branch.find("decodebin"), branch.find("audioconvert")) else { return };
    let (pipeline, converter) = (pipeline.downgrade(), converter.downgrade());
    decoder.connect_no_more_pads(move |_| {
        let linked =
            converter.upgrade().and_then(|converter| converter.static_pad("sink")).is_some_and(|pad| pad.is_linked());
        if let Some(pipeline) = pipeline.upgrade().filter(|_| !linked) {
            let nothing = gst::message::Application::new(gst::Structure::new_empty("no-sound"));
            let _ = pipeline.post_message(nothing);
        }
    });
}

/// What arrives at this element; no more than is wanted.
fn collect(end: &gst::Element) -> Receiver<Vec<i16>> {
    let (sender, pieces) = channel();
    let pad = end.static_pad("sink").expect("the end of a branch has one");
    let collected = AtomicUsize::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let wanted = collected.load(Ordering::Relaxed) <= LONGEST;
        let Some(bytes) = info.buffer().filter(|_| wanted).and_then(|buffer| buffer.map_readable().ok()) else {
            return gst::PadProbeReturn::Ok;
        };
        let samples: Vec<i16> =
            bytes.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
        collected.fetch_add(samples.len(), Ordering::Relaxed);
        let _ = sender.send(samples);
        gst::PadProbeReturn::Ok
    });
    pieces
}

fn play_to_the_end(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().expect("every pipeline has a bus");
    let started = pipeline.set_state(gst::State::Playing);
    let message = bus.timed_pop_filtered(
        if started.is_ok() { PATIENCE } else { gst::ClockTime::ZERO },
        &[gst::MessageType::Application, gst::MessageType::Eos, gst::MessageType::Error],
    );
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => Err(faults::of_element("decoder", &error.error(), "").message),
        Some(gst::MessageView::Application(_)) => Err("there is no sound in it".to_owned()),
        Some(_) | None => Err("it cannot be decoded".to_owned()),
    }
}

/// Plays one sound at a time.
#[derive(Debug, Default)]
pub(super) struct Player {
    playing: Option<Reel>,
    /// What was cut off, and how many of its samples are still heard.
    leaving: Option<(Reel, usize)>,
}

#[derive(Debug)]
struct Reel {
    samples: Samples,
    next: usize,
    repeats: bool,
}

impl Player {
    /// From now on this one, from its beginning, or none.
    pub(super) fn play(&mut self, sound: Option<(Samples, bool)>) {
        let next = sound.map(|(samples, repeats)| Reel { samples, next: 0, repeats });
        if let Some(cut_off) = std::mem::replace(&mut self.playing, next) {
            self.leaving = Some((cut_off, RAMP));
        }
    }

    /// Nothing sounds.
    pub(super) fn is_silent(&self) -> bool {
        self.playing.is_none() && self.leaving.is_none()
    }

    /// Adds what sounds to these samples.
    pub(super) fn add_to(&mut self, samples: &mut [i16]) {
        for sample in samples {
            if self.is_silent() {
                return;
            }
            *sample = sample.saturating_add(self.next());
        }
    }

    fn next(&mut self) -> i16 {
        let new = self.playing.as_mut().map(Reel::next);
        if new == Some(None) {
            self.playing = None;
        }
        let old = self.leaving.as_mut().and_then(|(reel, left)| {
            *left = left.checked_sub(1)?;
            reel.next().map(|sample| (i32::from(sample) * *left as i32 / RAMP as i32) as i16)
        });
        if old.is_none() {
            self.leaving = None;
        }
        new.flatten().unwrap_or_default().saturating_add(old.unwrap_or_default())
    }
}

impl Reel {
    fn next(&mut self) -> Option<i16> {
        if self.next == self.samples.len() && self.repeats {
            self.next = 0;
        }
        let sample = self.samples.get(self.next).copied();
        self.next += 1;
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(player: &mut Player, length: usize) -> Vec<i16> {
        let mut samples = vec![0; length];
        player.add_to(&mut samples);
        samples
    }

    #[test]
    fn a_sound_is_played_once_or_again_and_again() {
        let mut player = Player::default();
        player.play(Some(([1, 2, 3].into(), false)));
        assert_eq!(heard(&mut player, 5), [1, 2, 3, 0, 0]);
        assert!(player.is_silent());
        player.play(Some(([1, 2, 3].into(), true)));
        assert_eq!(heard(&mut player, 7), [1, 2, 3, 1, 2, 3, 1]);
        assert!(!player.is_silent());
    }

    #[test]
    fn what_is_cut_off_fades_while_the_next_one_begins() {
        let mut player = Player::default();
        player.play(Some((vec![10_000; 100_000].into(), false)));
        assert_eq!(heard(&mut player, 2), [10_000, 10_000]);
        player.play(None);
        let fading = heard(&mut player, RAMP + 1);
        assert!(fading[0] > 9_900 && fading.windows(2).all(|pair| pair[1] <= pair[0]), "{fading:?}");
        assert!(player.is_silent());
        player.play(Some((vec![30_000; 100_000].into(), false)));
        heard(&mut player, 1);
        player.play(Some((vec![30_000; 10].into(), false)));
        assert_eq!(heard(&mut player, 1), [i16::MAX], "too loud saturates");
    }
}
