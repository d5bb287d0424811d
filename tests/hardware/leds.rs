//! What a ring of WS2812 at the SPI pins would show, and what the animation says that it should.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use doorward::call::indication::{Indication, Phase};
use doorward::moment::Moment;
use doorward::panel::Rgb;
use doorward::panel::drive::Drive;
use doorward::panel::light::Light;

use crate::pins::{Edge, SPI_CLOCK, SPI_DATA};

/// LEDs of the test's ring.
pub const LEDS: usize = 12;
/// Of the configuration, by default.
const BRIGHTNESS: u8 = 60;
/// Of the configuration, by default.
const MILLIAMPERES: u16 = 500;
/// A frame begins and ends with a silence of more than this many bits; none of its own bits is silent for as long.
const SILENCE: usize = 500;
/// Four bits on the bus are one bit of an LED.
const FRAME_BITS: usize = LEDS * 24 * 4;
/// The animation's pace; frames change at no other time.
const TICK: Duration = Duration::from_millis(40);

/// Bytes on the wire: green, red, blue, LED after LED.
pub type Wire = Vec<u8>;

/// The frames in a recording of the pins, those that are in it as a whole.
pub fn decode(edges: &[Edge]) -> anyhow::Result<Vec<Wire>> {
    let mut data = false;
    let mut bits = Vec::new();
    for edge in edges {
        match edge.line {
            SPI_DATA => data = edge.high,
            // Mode 0: the LED looks when the clock rises.
            SPI_CLOCK if edge.high => bits.push(data),
            _ => {}
        }
    }
    let mut frames = Vec::new();
    let (mut at, mut silent) = (0, 0);
    while at < bits.len() {
        if !bits[at] {
            silent += 1;
            at += 1;
        } else if silent > SILENCE && at + FRAME_BITS <= bits.len() {
            frames.push(frame(&bits[at..at + FRAME_BITS])?);
            at += FRAME_BITS;
            silent = 0;
        } else {
            // The recording began within a frame.
            silent = 0;
            at += 1;
        }
    }
    Ok(frames)
}

fn frame(bits: &[bool]) -> anyhow::Result<Wire> {
    let symbols: Vec<bool> = bits
        .chunks(4)
        .map(|symbol| match symbol {
            [true, false, false, false] => Ok(false),
            [true, true, true, false] => Ok(true),
            other => Err(anyhow::anyhow!("{other:?} is no symbol of a WS2812")),
        })
        .collect::<Result<_, _>>()?;
    Ok(symbols.chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | u8::from(*bit))).collect())
}

/// Every frame that the animation of a phase has, with the camera closed or open.
pub fn animation(phase: &Phase) -> BTreeSet<Wire> {
    let drive = Drive { gamma: 1.0, milliamperes: MILLIAMPERES, top: 0, clockwise: true };
    let mut frames = BTreeSet::new();
    for camera_in_use in [false, true] {
        let mut light = Light::new(LEDS).with_brightness(BRIGHTNESS);
        let start = Moment::from_millis(1_000);
        light.show(start, &Indication { camera_in_use, ..Indication::of(phase.clone()) });
        for tick in 0..500 {
            let picture = light.frame(start + TICK * tick);
            frames.insert(drive.apply(&picture).iter().flat_map(|led| [led.green, led.red, led.blue]).collect());
        }
    }
    frames
}

/// What the ring shows in between when the station is out of order: all of it, red, at the brightness of the configuration.
pub fn out_of_order() -> Wire {
    let drive = Drive { gamma: 1.0, milliamperes: MILLIAMPERES, top: 0, clockwise: true };
    let red = u8::try_from(u16::from(BRIGHTNESS) * 255 / 100).expect("it is in percent");
    let bright = vec![Rgb { red, green: 0, blue: 0 }; LEDS];
    drive.apply(&bright).iter().flat_map(|led| [led.green, led.red, led.blue]).collect()
}

/// Everything that was shown belongs to one of these phases, and they came one after the other. How many frames there were.
pub fn follow(shown: &[Wire], phases: &[(&str, BTreeSet<Wire>)]) -> anyhow::Result<usize> {
    let mut at = 0;
    for wire in shown {
        let next = phases[at..].iter().position(|(_, frames)| frames.contains(wire));
        let next = next
            .with_context(|| format!("after {}, the ring shows {wire:02x?}: no frame of what follows", phases[at].0))?;
        at += next;
    }
    ensure!(at + 1 == phases.len(), "the ring got no further than {}", phases[at].0);
    Ok(shown.len())
}
