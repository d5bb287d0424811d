//! A number drawn into the test picture that survives encoding: 32 squares, black or white, in the top left corner.

use std::sync::atomic::{AtomicU32, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Side of a square, in pixels.
const SQUARE: usize = 16;
/// Squares in a row; there are two rows.
const COLUMNS: usize = 16;
const BLACK: u8 = 16;
const WHITE: u8 = 235;

/// Numbers the pictures that pass this pad, from 1. They are I420 of this width.
pub(super) fn draw_at(pad: &gst::Pad, width: usize) {
    let count = AtomicU32::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let number = count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if let Some(mut picture) = info.buffer_mut().and_then(|buffer| buffer.make_mut().map_writable().ok()) {
            draw(picture.as_mut_slice(), width, number);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Draws a number into the luma plane of a picture; one too small for it is left as it is.
pub fn draw(luma: &mut [u8], stride: usize, number: u32) {
    if stride < COLUMNS * SQUARE || luma.len() < stride * 2 * SQUARE {
        return;
    }
    for bit in 0..32 {
        let colour = if number >> bit & 1 == 1 { WHITE } else { BLACK };
        let (x, y) = corner(bit);
        for row in luma.chunks_exact_mut(stride).skip(y).take(SQUARE) {
            row[x..x + SQUARE].fill(colour);
        }
    }
}

/// Reads the number from the luma plane of a decoded picture; nothing if the picture is too small.
#[must_use]
pub fn read(luma: &[u8], stride: usize) -> Option<u32> {
    if stride < COLUMNS * SQUARE || luma.len() < stride * 2 * SQUARE {
        return None;
    }
    Some(
        (0..32)
            .filter(|&bit| {
                let (x, y) = corner(bit);
                luma[(y + SQUARE / 2) * stride + x + SQUARE / 2] > 127
            })
            .fold(0, |number, bit| number | 1 << bit),
    )
}

fn corner(bit: usize) -> (usize, usize) {
    (bit % COLUMNS * SQUARE, bit / COLUMNS * SQUARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_read() {
        let mut picture = vec![90; 320 * 240];
        for number in [0, 1, 0x8000_0001, 0xdead_beef, u32::MAX] {
            draw(&mut picture, 320, number);
            assert_eq!(read(&picture, 320), Some(number));
        }
        draw(&mut picture[..100], 320, 5);
        assert_eq!(read(&picture[..100], 320), None);
    }
}
