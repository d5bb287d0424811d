//! The still picture that follows a ring: how it is made of one raw picture, and which picture is good enough.

#![deny(clippy::disallowed_methods)]

use super::element::{Caps, Element, Field, Value, element, filter};

/// The ways to make one: the first whose picture is small enough is taken.
pub const STILLS: [StillSettings; 4] = [
    StillSettings { width: 480, quality: 75 },
    StillSettings { width: 480, quality: 50 },
    StillSettings { width: 320, quality: 50 },
    StillSettings { width: 160, quality: 30 },
];

/// How large and how good a still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StillSettings {
    /// Pixels; the height follows.
    pub width: u16,
    /// Of the JPEG, in per cent.
    pub quality: u8,
}

/// From one picture of this size, raw or encoded, to a JPEG. Where nothing can decode it there is no still.
#[must_use]
pub fn still_picture(settings: StillSettings, width: i32, height: i32, encoded: bool) -> Vec<Element> {
    let wide = i32::from(settings.width).min(width);
    // Chroma has half the lines.
    let high = (height * wide / width.max(1)).max(2) & !1;
    let size = vec![("width", Field::Number(wide & !1)), ("height", Field::Number(high))];
    let mut elements = if encoded { vec![element("decodebin")] } else { Vec::new() };
    elements.extend([
        element("videoconvert"),
        element("videoscale"),
        filter(Caps { media_type: "video/x-raw", fields: size }),
        element("jpegenc").with("quality", Value::Number(i64::from(settings.quality))),
    ]);
    elements
}

/// So many pictures in a row must be about equally bright.
const STEADY: u8 = 5;
/// A mean that moves by no more than this between two pictures is steady, of 255.
const STEP: u8 = 3;
/// A lens that is still shut gives black, which is 16 in most formats.
const DARK: u8 = 20;
/// A scene that is never steady is shown as it is after so many pictures.
const ENOUGH: u8 = 30;

/// Waits for a camera to find its exposure: the first pictures of most are black, or white.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exposure {
    seen: u8,
    steady: u8,
    last: Option<u8>,
}

impl Exposure {
    /// Of a camera that was open before: its next picture is good.
    #[must_use]
    pub const fn found() -> Self {
        Self { seen: ENOUGH, steady: STEADY, last: None }
    }

    /// Whether the picture of this mean brightness is good enough. The night is dark, too, and waited for in vain.
    pub fn is_good(&mut self, mean: u8) -> bool {
        let moved = self.last.map_or(u8::MAX, |last| last.abs_diff(mean));
        self.last = Some(mean);
        self.seen = self.seen.saturating_add(1);
        self.steady = if moved <= STEP && mean > DARK { self.steady.saturating_add(1) } else { 0 };
        self.steady >= STEADY || self.seen >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(settings: StillSettings, width: i32, height: i32) -> String {
        still_picture(settings, width, height, false).iter().map(Element::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_still_keeps_the_shape_of_the_picture() {
        insta::assert_snapshot!(written(STILLS[0], 1280, 720), @"
        videoconvert
        videoscale
        capsfilter caps=video/x-raw,width=480,height=270
        jpegenc quality=75
        ");
        let small = written(STILLS[3], 99, 33);
        assert!(small.contains("width=98,height=32") && small.ends_with("quality=30"), "{small}");
    }

    #[test]
    fn a_camera_that_finds_its_exposure_is_waited_for() {
        let first = |means: &[u8]| {
            let mut exposure = Exposure::default();
            means.iter().position(|mean| exposure.is_good(*mean))
        };
        assert_eq!(first(&[90; 40]), Some(5), "a steady one is not waited for");
        let opening = [0, 0, 0, 0, 0, 0, 0, 20, 40, 80, 110, 118, 120, 121, 120, 122, 121, 120];
        assert_eq!(first(&opening), Some(16));
        assert!(Exposure::found().is_good(50), "a camera on standby");
        assert_eq!(first(&[16; 40]), Some(29), "it is night");
        let party: Vec<u8> = (0..100).map(|picture| if picture % 2 == 0 { 20 } else { 200 }).collect();
        assert_eq!(first(&party), Some(29), "no longer than this");
    }
}
