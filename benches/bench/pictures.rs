//! Every encoder a door may have here, at the two usual sizes.

use doorward::media::pipeline::{Encoder, VideoCodec, VideoSettings};

const ENCODERS: [(Encoder, VideoCodec); 3] =
    [(Encoder::Vp8, VideoCodec::Vp8), (Encoder::Openh264, VideoCodec::Openh264), (Encoder::X264, VideoCodec::X264)];
/// Width, height, kilobits.
const SIZES: [(u16, u16, u32); 2] = [(640, 480, 800), (1280, 720, 1800)];

/// Those asked for on the command line, else all. One that is not installed is skipped with a word.
pub fn pictures(plain: &VideoSettings, is_installed: impl Fn(&str) -> bool) -> Vec<(Encoder, VideoSettings)> {
    let words = super::words();
    let wanted = |factory: &str| words.is_empty() || words.iter().any(|word| word == factory);
    let mut pictures = Vec::new();
    for (encoder, codec) in ENCODERS.into_iter().filter(|(encoder, _)| wanted(encoder.factory())) {
        if !is_installed(encoder.factory()) {
            println!("{}: skipped, it is not installed", encoder.factory());
            continue;
        }
        pictures.extend(SIZES.map(|(width, height, bitrate)| {
            (encoder, VideoSettings { codec, width, height, bitrate, ..plain.clone() })
        }));
    }
    pictures
}
