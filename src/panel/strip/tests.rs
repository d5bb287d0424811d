//! What is on the wire for a frame, bit by bit, and that a wire that fails or hangs holds up nobody.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::mpsc::{self, Receiver, Sender};

use embedded_hal::spi::{ErrorType, SpiBus};

use super::*;
use crate::panel::wiring::{SpiLeds, SpiName};

/// A bus that remembers.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<Vec<u8>>>>);

impl ErrorType for Tape {
    type Error = Infallible;
}

impl SpiBus<u8> for Tape {
    fn read(&mut self, _words: &mut [u8]) -> Result<(), Infallible> {
        unreachable!("nobody reads LEDs")
    }

    fn write(&mut self, words: &[u8]) -> Result<(), Infallible> {
        self.0.lock().expect("nobody panicked").push(words.to_vec());
        Ok(())
    }

    fn transfer(&mut self, _read: &mut [u8], _write: &[u8]) -> Result<(), Infallible> {
        unreachable!("nobody reads LEDs")
    }

    fn transfer_in_place(&mut self, _words: &mut [u8]) -> Result<(), Infallible> {
        unreachable!("nobody reads LEDs")
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn rgb(red: u8, green: u8, blue: u8) -> Rgb {
    Rgb { red, green, blue }
}

/// Everything that is written for these frames, each in one piece: a gap between bytes would end a WS2812's frame.
fn taped(leds: SpiLeds, frames: &[&[Rgb]]) -> Vec<Vec<u8>> {
    let tape = Tape::default();
    let mut wire = spi::wire(tape.clone(), &SpiName::Spidev("/dev/spidev0.0".into()), leds);
    for frame in frames {
        wire.write(frame).expect("a tape takes everything");
    }
    let taped = tape.0.lock().expect("nobody panicked").clone();
    assert_eq!(taped.len(), frames.len(), "one write for one frame");
    taped
}

/// The bits a WS2812 would see: of four bits of SPI one high is 0 and three high are 1 (data sheet, T0H and T1H).
fn symbols(bytes: &[u8]) -> String {
    let first = bytes.iter().position(|byte| *byte != 0).expect("something is written");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("something is written");
    // 280 µs of low are the newer chips' reset: 112 bytes at 3.2 MHz.
    assert!(first >= 112 && bytes.len() - last > 112, "no reset around the data: {first}, {last}, {}", bytes.len());
    let mut text = String::new();
    for (index, nibble) in bytes[first..=last].iter().flat_map(|byte| [byte >> 4, byte & 15]).enumerate() {
        if index > 0 && index.is_multiple_of(8) {
            text.push(' ');
        }
        match nibble {
            0b1000 => text.push('0'),
            0b1110 => text.push('1'),
            other => panic!("{other:04b} is no symbol"),
        }
    }
    text
}

#[test]
fn a_ws2812_gets_green_red_blue_highest_bit_first() {
    let frame = [rgb(0xff, 0x01, 0x80), rgb(0, 0xaa, 0)];
    let taped = taped(SpiLeds::Ws2812, &[&frame, &frame[..1]]);
    assert_eq!(symbols(&taped[0]), "00000001 11111111 10000000 10101010 00000000 00000000");
    assert_eq!(symbols(&taped[1]), "00000001 11111111 10000000", "nothing of the frame before is left");
}

#[test]
fn an_sk6812_with_white_gets_white_last() {
    let taped = taped(SpiLeds::Sk6812Rgbw, &[&[rgb(0x83, 0x07, 0x03)]]);
    assert_eq!(symbols(&taped[0]), "00000100 10000000 00000000 00000011");
}

#[test]
fn an_apa102_gets_frames_and_clocks_enough() {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a text takes everything");
            text
        })
    };
    let two = taped(SpiLeds::Apa102, &[&[rgb(1, 2, 3), rgb(255, 0, 128)]]);
    assert_eq!(hex(&two[0]), "00000000ff030201ff8000ff0000000000");
    let many = taped(SpiLeds::Apa102, &[&[rgb(9, 9, 9); 64]]);
    let end = many[0].len() - 4 - 64 * 4;
    assert!(end * 8 >= 32 + 64 / 2, "32 bits for the SK9822 and half a clock for each LED, {end} bytes");
}

#[test]
fn leds_of_the_kernel_are_taken_and_written_where_they_change() {
    let class = tempfile::tempdir().expect("a temporary directory");
    let file = |led: &str, name: &str| class.path().join(led).join(name);
    let put = |led: &str, name: &str, text: &str| std::fs::write(file(led, name), text).expect("it is writable");
    let at = |led: &str, name: &str| std::fs::read_to_string(file(led, name)).expect("it was written");
    for led in ["door:white", "door:ring"] {
        std::fs::create_dir(class.path().join(led)).expect("it is writable");
        put(led, "brightness", "7");
        put(led, "trigger", "none [heartbeat] timer");
    }
    put("door:white", "max_brightness", "15\n");
    put("door:ring", "max_brightness", "255\n");
    put("door:ring", "multi_index", "green red white\n");
    let names = ["door:white".to_owned(), "door:ring".to_owned()];
    let mut wire = led_class::open(class.path(), &names).expect("both are there");
    assert_eq!(at("door:white", "trigger"), "none");
    wire.write(&[rgb(1, 0, 0), rgb(255, 140, 0)]).expect("they are writable");
    assert_eq!(at("door:white", "brightness"), "1", "a glow still glows");
    assert_eq!(at("door:ring", "multi_intensity"), "140 255 0");
    assert_eq!(at("door:ring", "brightness"), "255");
    put("door:white", "brightness", "untouched");
    wire.write(&[rgb(1, 0, 0), rgb(0, 0, 0)]).expect("they are writable");
    assert_eq!(at("door:white", "brightness"), "untouched");
    assert_eq!(at("door:ring", "brightness"), "0");

    put("door:white", "max_brightness", "bright");
    assert_eq!(led_class::open(class.path(), &names).err().map(|fault| fault.kind), Some(FaultKind::WrongFormat));
    let nobody = led_class::open(class.path(), &["nobody".to_owned()]).err().map(|fault| fault.kind);
    assert_eq!(nobody, Some(FaultKind::Missing));
}

/// A device that does what it is told by the test.
struct Puppet {
    written: Sender<Frame>,
    mood: Arc<Mutex<Mood>>,
    hang: Arc<Mutex<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Gone,
}

impl Wire for Puppet {
    fn write(&mut self, frame: &[Rgb]) -> Result<(), Fault> {
        let _free = self.hang.lock().expect("nobody panicked");
        match *self.mood.lock().expect("nobody panicked") {
            Mood::Well => {
                self.written.send(frame.to_vec()).expect("the test listens");
                Ok(())
            }
            Mood::Gone => Err(Fault::new(FaultKind::Missing, "unplugged")),
        }
    }
}

struct Stage {
    strip: WiredStrip,
    written: Receiver<Frame>,
    mood: Arc<Mutex<Mood>>,
    hang: Arc<Mutex<()>>,
}

fn stage() -> Stage {
    let (sender, written) = mpsc::channel();
    let (mood, hang) = (Arc::new(Mutex::new(Mood::Well)), Arc::new(Mutex::new(())));
    let (theirs, gate) = (Arc::clone(&mood), Arc::clone(&hang));
    let opener: Opener = Box::new(move || {
        if *theirs.lock().expect("nobody panicked") == Mood::Gone {
            return Err(Fault::new(FaultKind::Missing, "unplugged"));
        }
        Ok(Box::new(Puppet { written: sender.clone(), mood: Arc::clone(&theirs), hang: Arc::clone(&gate) }))
    });
    let strip = WiredStrip::start(2, None, opener).expect("there is a thread");
    Stage { strip, written, mood, hang }
}

impl Stage {
    fn show(&mut self, level: u8) {
        self.strip.show(&vec![rgb(level, 0, 0); 2]).expect("it never fails");
    }

    /// The next frame on the wire, by its red.
    fn seen(&self) -> u8 {
        let frame = self.written.recv_timeout(Duration::from_secs(60)).expect("something is written");
        frame[0].red
    }

    fn until(&self, holds: impl Fn(&WiredStrip) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(&self.strip) {
            assert!(Instant::now() < deadline, "it never happens");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn only_frames_that_differ_are_written_and_the_end_is_dark() {
    let mut stage = stage();
    for level in [1, 1, 2] {
        stage.show(level);
        thread::yield_now();
    }
    let mut seen = vec![stage.seen()];
    while seen.last() != Some(&2) {
        seen.push(stage.seen());
    }
    assert!(seen == [1, 2] || seen == [2], "{seen:?}");
    let Stage { strip, written, .. } = stage;
    drop(strip);
    assert_eq!(written.into_iter().map(|frame| frame[0].red).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_light_that_is_lost_is_told_and_found_again() {
    let mut stage = stage();
    stage.show(1);
    assert_eq!(stage.seen(), 1);
    *stage.mood.lock().expect("nobody panicked") = Mood::Gone;
    stage.show(2);
    stage.until(|strip| !strip.faults().is_empty());
    assert_eq!(stage.strip.faults()[0].to_string(), "light: missing: unplugged");
    stage.show(3);
    *stage.mood.lock().expect("nobody panicked") = Mood::Well;
    assert_eq!(stage.seen(), 3, "the newest frame, not the one that failed");
    stage.until(|strip| strip.faults().is_empty());
}

#[test]
fn a_light_that_hangs_holds_up_nobody() {
    let mut stage = stage();
    let hang = Arc::clone(&stage.hang);
    let hanging = hang.lock().expect("nobody panicked");
    let began = Instant::now();
    stage.show(1);
    stage.until(|strip| !strip.faults().is_empty());
    stage.show(2);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(stage.strip.faults()[0].to_string(), "light: failed: it takes no frames");
    drop(hanging);
    assert_eq!([stage.seen(), stage.seen()], [1, 2]);
    assert_eq!(stage.strip.faults(), []);
}
