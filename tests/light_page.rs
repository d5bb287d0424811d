//! `docs/light.md` and its pictures are drawn by the light itself: this test draws them again and compares.
//!
//! `DOORWARD_DRAW=1 cargo test --test light_page` writes them anew after a change of the light.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use doorward::call::indication::{Indication, LinkFact, Outcome, Phase};
use doorward::moment::Moment;
use doorward::panel::light::Light;
use doorward::panel::{Frame, Rgb};

const LEDS: usize = 12;
/// One loop of an animation: all rhythms but those of one LED begin anew here.
const LOOP: u64 = 9_600;
const TICK: u64 = 40;
/// Stills beside the animation.
const STILLS: usize = 7;

/// A picture of the page: the name of its file, its title, what it tells, and how the light comes to show it.
struct Picture {
    name: &'static str,
    title: &'static str,
    tells: &'static str,
    leds: usize,
    shown: Vec<(u64, Indication)>,
}

/// What is shown for one state after the other.
fn picture(name: &'static str, title: &'static str, tells: &'static str, shown: Indication) -> Picture {
    Picture { name, title, tells, leds: LEDS, shown: vec![(0, shown)] }
}

fn of(phase: Phase) -> Indication {
    Indication { link: LinkFact::Up, ..Indication::of(phase) }
}

fn ringing(delivered: u32, notified: u32, looking: u32) -> Indication {
    of(Phase::Ringing { delivered, notified, looking })
}

fn phases() -> Vec<Picture> {
    vec![
        picture("idle", "Ready", "a faint glow", of(Phase::Idle)),
        picture("dialing", "Pressed, on its way", "one LED runs clockwise", of(Phase::Dialing)),
        picture("ringing", "Ringing, no phone reached yet", "a gap runs the other way round", ringing(0, 0, 0)),
        picture(
            "ringing-phones",
            "Ringing at two phones, a push sent to a third",
            "from the lower left one LED per phone: twice where it rings, once where a push was sent",
            ringing(2, 1, 0),
        ),
        picture("looking", "Somebody looks", "two steady LEDs beside the top", ringing(2, 0, 1)),
        picture("incoming", "A resident calls the door", "both sides fill upwards", of(Phase::Incoming)),
        picture("connecting", "Answered, connecting", "two opposite LEDs turn", of(Phase::Connecting)),
        picture("ongoing", "In conversation", "the whole ring, steady", of(Phase::Ongoing)),
        picture("ending", "Ending", "both sides drain downwards", of(Phase::Ending)),
    ]
}

fn outcomes() -> Vec<Picture> {
    let outcome = |outcome| of(Phase::Outcome(outcome));
    vec![
        picture("ended", "Ended", "the top, steady", outcome(Outcome::Ended)),
        picture("unanswered", "Nobody answered", "the lower half, slowly", outcome(Outcome::Unanswered)),
        picture("rejected", "Refused", "a cross with short gaps", outcome(Outcome::Rejected)),
        picture("busy", "Busy", "all, half a second on and off", outcome(Outcome::Busy)),
        picture("cancelled", "Taken back", "wiped out against the clock", outcome(Outcome::Cancelled)),
        picture("failed", "Hub not reached, or it said no", "three beats and a rest", outcome(Outcome::Failed)),
        picture("media-lost", "Connection lost", "the halves by turns", outcome(Outcome::MediaLost)),
    ]
}

fn facts() -> Vec<Picture> {
    let idle = || of(Phase::Idle);
    let down = || Indication { link: LinkFact::Down, ..idle() };
    let waiting = Some("flat-2".parse().expect("it is a word"));
    let blink =
        |name, title, tells, after| Picture { name, title, tells, leds: LEDS, shown: vec![(0, idle()), (480, after)] };
    vec![
        picture("camera", "The camera is in use", "the top, steady", Indication { camera_in_use: true, ..idle() }),
        picture("link-down", "The hub is not reached", "the bottom, steady", down()),
        picture("stuck", "A button is stuck", "the bottom, two blinks", Indication { button_stuck: true, ..idle() }),
        picture(
            "at-fault",
            "A device of the panel fails",
            "the bottom, three blinks",
            Indication { at_fault: true, ..idle() },
        ),
        picture(
            "stuck-at-fault",
            "Both",
            "two blinks and three by turns",
            Indication { button_stuck: true, at_fault: true, ..idle() },
        ),
        picture(
            "stuck-link-down",
            "A button is stuck, and the hub is not reached",
            "the bottom with two gaps",
            Indication { button_stuck: true, ..down() },
        ),
        picture(
            "at-fault-link-down",
            "A device fails, and the hub is not reached",
            "the bottom with three gaps",
            Indication { at_fault: true, ..down() },
        ),
        picture(
            "tampered",
            "The enclosure is open",
            "the bottom, a long blink after any others",
            Indication { tampered: true, ..idle() },
        ),
        picture(
            "released",
            "The door can be opened",
            "every third LED bright, against the clock, whatever the call does",
            Indication { door_released: true, ..of(Phase::Ongoing) },
        ),
        picture(
            "waiting",
            "Another button's press waits",
            "the two LEDs beside the bottom by turns",
            Indication { press_waiting: waiting, ..of(Phase::Ongoing) },
        ),
        blink(
            "yes",
            "Understood, nothing changes",
            "every second LED, once",
            Indication { acknowledgements: 1, ..idle() },
        ),
        blink("no", "Not now", "a cross, twice", Indication { refusals: 1, ..idle() }),
    ]
}

/// The same states on the button's only LED.
fn rhythms() -> Vec<Picture> {
    let names = BTreeMap::from([
        ("dialing", "one-dialing"),
        ("ringing", "one-ringing"),
        ("ringing-phones", "one-ringing-phones"),
        ("looking", "one-looking"),
        ("incoming", "one-incoming"),
        ("connecting", "one-connecting"),
        ("ongoing", "one-ongoing"),
        ("ending", "one-ending"),
        ("ended", "one-ended"),
        ("unanswered", "one-unanswered"),
        ("rejected", "one-rejected"),
        ("busy", "one-busy"),
        ("cancelled", "one-cancelled"),
        ("failed", "one-failed"),
        ("media-lost", "one-media-lost"),
    ]);
    let all = phases().into_iter().chain(outcomes());
    all.filter_map(|picture| Some(Picture { name: names.get(picture.name)?, tells: "", leds: 1, ..picture })).collect()
}

/// Every frame of one loop.
fn film(picture: &Picture) -> Vec<Frame> {
    let mut light = Light::new(picture.leds);
    let mut frames = Vec::new();
    for now in (0..LOOP).step_by(40) {
        for (_, indication) in picture.shown.iter().filter(|(at, _)| *at == now) {
            light.show(Moment::from_millis(now), indication);
        }
        frames.push(light.frame(Moment::from_millis(now)));
    }
    frames
}

/// A LED as it looks: a glow is seen, which on paper it would not be.
fn colour(led: Rgb) -> String {
    if led == Rgb::default() {
        return "#1c1c1c".to_owned();
    }
    let shade = |level: u8| {
        let seen = (f64::from(level) / 255.0).powf(0.45) * 255.0;
        format!("{:02x}", seen.round() as u8)
    };
    format!("#{}{}{}", shade(led.red), shade(led.green), shade(led.blue))
}

/// Where a LED is in a ring of this radius, the first at the top.
fn place(led: usize, leds: usize, radius: f64) -> (f64, f64) {
    if leds == 1 {
        return (0.0, 0.0);
    }
    let angle = std::f64::consts::TAU * led as f64 / leds as f64;
    (radius * angle.sin(), -radius * angle.cos())
}

/// An animation, and stills with their times.
fn draw(picture: &Picture) -> String {
    let frames = film(picture);
    if picture.leds == 1 {
        return draw_rhythm(picture, &frames);
    }
    let stills = stills(&frames);
    let width = 150 + 70 * stills.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} 130\" width=\"{width}\" height=\"130\" \
         font-family=\"sans-serif\" font-size=\"10\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#0d0d0d\"/>\n<g transform=\"translate(65 62)\">\n",
        picture.title
    );
    for led in 0..picture.leds {
        let (x, y) = place(led, picture.leds, 44.0);
        let dot = format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"{}\"", colour(frames[0][led]));
        writeln!(svg, "{dot}{}", animation(&frames, led)).expect("a text takes everything");
    }
    svg += "</g>\n";
    for (column, (at, frame)) in stills.iter().enumerate() {
        writeln!(svg, "<g transform=\"translate({} 58)\">", 165 + 70 * column).expect("a text takes everything");
        for (led, light) in frame.iter().enumerate() {
            let (x, y) = place(led, picture.leds, 24.0);
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{}\"/>", colour(*light))
                .expect("a text takes everything");
        }
        writeln!(svg, "<text y=\"48\" text-anchor=\"middle\" fill=\"#bbb\">{:.2} s</text>\n</g>", *at as f64 / 1000.0)
            .expect("a text takes everything");
    }
    svg + "</svg>\n"
}

/// Nothing where a LED stays as it is.
fn animation(frames: &[Frame], led: usize) -> String {
    let mut values = Vec::new();
    let mut times = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let colour = colour(frame[led]);
        if values.last() != Some(&colour) {
            values.push(colour);
            times.push(format!("{:.4}", index as f64 / frames.len() as f64));
        }
    }
    if values.len() < 2 {
        return "/>".to_owned();
    }
    let (values, times) = (values.join(";"), times.join(";"));
    let seconds = LOOP as f64 / 1000.0;
    format!(
        "><animate attributeName=\"fill\" calcMode=\"discrete\" dur=\"{seconds}s\" repeatCount=\"indefinite\" \
         values=\"{values}\" keyTimes=\"{times}\"/></circle>"
    )
}

/// The first frames that differ, with the milliseconds at which they come.
fn stills(frames: &[Frame]) -> Vec<(u64, &Frame)> {
    let mut stills: Vec<(u64, &Frame)> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        if stills.last().is_none_or(|(_, last)| *last != frame) {
            stills.push((u64::try_from(index).expect("it is small") * TICK, frame));
        }
    }
    stills.truncate(STILLS);
    stills
}

/// Light along the time: five seconds.
fn draw_rhythm(picture: &Picture, frames: &[Frame]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 420 30\" width=\"420\" height=\"30\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"4\" fill=\"#0d0d0d\"/>\n\
         <circle cx=\"15\" cy=\"15\" r=\"9\" fill=\"{}\"{}\n",
        picture.title,
        colour(frames[0][0]),
        animation(frames, 0)
    );
    let mut from = 0;
    let shown = &frames[..120];
    for (index, frame) in shown.iter().enumerate() {
        let ends = shown.get(index + 1).is_none_or(|next| next != frame);
        if ends {
            let (left, width) = (34 + from * 3, (index + 1 - from) * 3);
            let colour = colour(frame[0]);
            writeln!(svg, "<rect x=\"{left}\" y=\"6\" width=\"{width}\" height=\"18\" fill=\"{colour}\"/>")
                .expect("a text takes everything");
            from = index + 1;
        }
    }
    svg + "</svg>\n"
}

fn page() -> String {
    let mut page = "# The light\n\n\
        What the ring of LEDs tells, as it is drawn by the light's own code: at the left as it moves, beside it the pictures that\n\
        follow each other. `tests/light_page.rs` draws this page and compares.\n\n\
        LED 0 is at the top. Each state has a shape and rhythm of its own, so colour only helps, and no LED flashes more than\n\
        three times a second. What goes with it in sound stands in [configuration.md](configuration.md).\n"
        .to_owned();
    let parts = [
        ("The phase of a call", "All LEDs but the top and the bottom one.", phases()),
        ("How it went", "For four seconds, in the same place.", outcomes()),
        ("Beside any phase", "Each can be seen together with every phase and with every other of them.", facts()),
    ];
    for (title, words, pictures) in parts {
        write!(page, "\n## {title}\n\n{words}\n\n| state | light | |\n|---|---|---|\n")
            .expect("a text takes everything");
        for Picture { name, title, tells, .. } in pictures {
            writeln!(page, "| {title} | ![{title}](light/{name}.svg) | {tells} |").expect("a text takes everything");
        }
    }
    page += "\n## Fewer than eight LEDs\n\n\
        One LED tells the phase by rhythm alone, and trouble at rest; a second one shows the camera, a third one trouble, any\n\
        further ones go with the first. Five seconds of each:\n\n| state | light |\n|---|---|\n";
    for Picture { name, title, .. } in rhythms() {
        writeln!(page, "| {title} | ![{title}](light/{name}.svg) |").expect("a text takes everything");
    }
    page
}

/// Every file of the page.
fn files() -> BTreeMap<PathBuf, String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let pictures = [phases(), outcomes(), facts(), rhythms()].into_iter().flatten();
    let mut files: BTreeMap<PathBuf, String> =
        pictures.map(|picture| (docs.join("light").join(picture.name).with_extension("svg"), draw(&picture))).collect();
    files.insert(docs.join("light.md"), page());
    files
}

#[test]
fn the_page_of_the_light_shows_the_light() {
    let draw = std::env::var_os("DOORWARD_DRAW").is_some();
    let mut stale = Vec::new();
    for (path, text) in files() {
        if draw {
            std::fs::create_dir_all(path.parent().expect("it is within docs")).expect("the sources are writable");
            std::fs::write(&path, text).expect("the sources are writable");
        } else if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "run `DOORWARD_DRAW=1 cargo test --test light_page`: {stale:#?}");
}

#[test]
fn no_picture_is_left_over() {
    let files = files();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/light")).expect("it is there") {
        let path = entry.expect("it is readable").path();
        assert!(files.contains_key(&path), "nobody draws {}", path.display());
    }
}
