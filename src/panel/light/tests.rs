//! Every picture of the station is told apart without colour, nothing flashes fast, and frames come only when they differ.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::call::indication::Outcome;

use super::*;

const LEDS: usize = 12;
const WATCHED: u64 = 4_800;
const START: u64 = 10_000;

fn ringing(delivered: u32, notified: u32, looking: u32) -> Phase {
    Phase::Ringing { delivered, notified, looking }
}

fn phases() -> Vec<Phase> {
    let mut phases = vec![
        Phase::Idle,
        Phase::Dialing,
        ringing(0, 0, 0),
        ringing(1, 0, 0),
        ringing(3, 0, 0),
        ringing(0, 1, 0),
        ringing(1, 2, 0),
        ringing(3, 0, 1),
        Phase::Incoming,
        Phase::Connecting,
        Phase::Ongoing,
        Phase::Ending,
    ];
    phases.extend(Outcome::ALL.map(Phase::Outcome));
    phases
}

/// Each with every combination of the facts that hold beside the phase. A released door hides the phase.
fn indications() -> Vec<Indication> {
    let mut all = Vec::new();
    let ordinary = phases().into_iter().map(|phase| (phase, false, false));
    let at_the_door = [(true, false), (false, true), (true, true)];
    let at_the_door = at_the_door.map(|(released, tampered)| (Phase::Idle, released, tampered));
    for (phase, door_released, tampered) in ordinary.chain(at_the_door) {
        for facts in 0..32_u8 {
            let fact = |bit: u8| facts & (1 << bit) != 0;
            all.push(Indication {
                link: if fact(0) { LinkFact::Down } else { LinkFact::Up },
                camera_in_use: fact(1),
                press_waiting: fact(2).then(|| "b".parse().expect("it is a word")),
                button_stuck: fact(3),
                at_fault: fact(4),
                tampered,
                door_released,
                ..Indication::of(phase.clone())
            });
        }
    }
    all
}

/// What an eye without colour makes of an LED: dark, glowing, lit, bright.
fn shade(led: &Rgb) -> char {
    match led.red.max(led.green).max(led.blue) {
        0 => '.',
        1..=15 => ':',
        16..=70 => 'o',
        71..=255 => '@',
    }
}

/// The ring as a line: top, right, bottom, left.
fn line(frame: &Frame) -> String {
    frame.iter().map(shade).collect()
}

/// The animation of a light that was shown these, each for as long as the next one waits (milliseconds).
fn film(leds: usize, shown: &[(u64, Indication)], until: u64) -> Vec<Frame> {
    let mut light = Light::new(leds);
    (START..START + until)
        .step_by(40)
        .map(|now| {
            for (_, indication) in shown.iter().filter(|(at, _)| START + at == now) {
                light.show(Moment::from_millis(now), indication);
            }
            // As `frame` does, but without looking for the next one.
            light.turn(Moment::from_millis(now));
            light.draw(floor(light.now))
        })
        .collect()
}

fn lines(leds: usize, indication: &Indication) -> Vec<String> {
    film(leds, &[(0, indication.clone())], WATCHED).iter().map(line).collect()
}

/// The animation as text: each line of LEDs, and for how many milliseconds.
fn art(shown: &[(u64, Indication)], until: u64) -> String {
    let mut text = String::new();
    let mut runs: Vec<(String, u32)> = Vec::new();
    for line in film(LEDS, shown, until).iter().map(line) {
        match runs.last_mut() {
            Some((last, count)) if *last == line => *count += 1,
            Some(_) | None => runs.push((line, 1)),
        }
    }
    for (line, count) in runs {
        text += &format!("{line} {:>4}\n", count * 40);
    }
    text
}

#[test]
fn every_two_pictures_differ_without_colour() {
    for leds in [8, 12, 16, 24, 33] {
        let mut numbers = BTreeMap::new();
        let mut number = |line: String| {
            let next = numbers.len();
            *numbers.entry(line).or_insert(next)
        };
        let mut all: Vec<(Indication, Vec<usize>)> = Vec::new();
        for shown in indications() {
            let film = lines(leds, &shown).into_iter().map(&mut number).collect();
            all.push((shown, film));
        }
        for (index, (shown, film)) in all.iter().enumerate() {
            for (other, other_film) in &all[..index] {
                if leds == 8 && merge_on_a_small_ring(&shown.phase, &other.phase) {
                    continue;
                }
                let differing = film.iter().zip(other_film).filter(|(one, two)| one != two).count();
                assert!(differing >= 6, "{leds} LEDs, alike but for {differing} frames:\n{shown:?}\n{other:?}");
            }
        }
    }
}

/// Eight LEDs are too few to count phones while somebody looks.
fn merge_on_a_small_ring(one: &Phase, two: &Phase) -> bool {
    matches!((one, two), (Phase::Ringing { .. }, Phase::Ringing { .. }))
}

#[test]
fn phases_differ_whenever_one_begins_to_look() {
    for (index, phase) in phases().iter().enumerate() {
        let film = lines(LEDS, &Indication::of(phase.clone()));
        for other in &phases()[..index] {
            let other_film = lines(LEDS, &Indication::of(other.clone()));
            // Shifted against each other by up to half of what is watched.
            for shift in 0..film.len() / 2 {
                let alike = |one: &[String], two: &[String]| one.iter().zip(two).all(|(one, two)| one == two);
                assert!(!alike(&film[shift..], &other_film), "{phase:?}\n{other:?}\nby {} ms", shift * 40);
                assert!(!alike(&film, &other_film[shift..]), "{other:?}\n{phase:?}\nby {} ms", shift * 40);
            }
        }
    }
}

#[test]
fn the_camera_in_use_is_always_seen() {
    for shown in indications() {
        let film = film(LEDS, &[(0, shown.clone())], WATCHED);
        let lit = film.iter().filter(|frame| shade(&frame[0]) == '@').count();
        assert_eq!(lit, if shown.camera_in_use { film.len() } else { 0 }, "{shown:?}");
    }
    for brightness in [1, 5, 100] {
        let mut light = Light::new(LEDS).with_brightness(brightness);
        light.show(Moment::START, &Indication { camera_in_use: true, ..Indication::of(Phase::Idle) });
        assert_ne!(light.frame(Moment::START)[0], Rgb::default(), "even at {brightness} %");
    }
}

#[test]
fn a_yes_and_a_no_are_seen_in_every_phase_and_differ() {
    for phase in phases() {
        let before = Indication::of(phase.clone());
        let acknowledged = Indication { acknowledgements: 1, ..before.clone() };
        let refused = Indication { refusals: 1, ..before.clone() };
        let film = |after: Indication| -> Vec<String> {
            film(LEDS, &[(0, before.clone()), (400, after)], WATCHED).iter().map(line).collect()
        };
        let (nothing, yes, no) = (film(before.clone()), film(acknowledged), film(refused));
        let differing = |one: &[String], two: &[String]| one.iter().zip(two).filter(|(one, two)| one != two).count();
        assert!(differing(&nothing, &yes) >= 4, "{phase:?}");
        assert!(differing(&nothing, &no) >= 8, "{phase:?}");
        assert!(differing(&yes, &no) >= 6, "{phase:?}");
        assert_eq!(nothing[40..], yes[40..], "it goes on as if nothing had been, {phase:?}");
    }
}

#[test]
fn rest_needs_no_waking() {
    let is_rest = |shown: &Indication| {
        shown.phase == Phase::Idle && shown.press_waiting.is_none() && !shown.tampered && !shown.door_released
    };
    for shown in indications().into_iter().filter(is_rest) {
        let frames = film(LEDS, &[(0, shown.clone())], 20_000);
        let changes = frames.windows(2).filter(|pair| pair[0] != pair[1]).count();
        // Trouble is worth waking for its blinks, three in two seconds at most.
        let blinks = shown.button_stuck || shown.at_fault;
        assert!(changes <= if blinks { 54 } else { 0 }, "{changes} changes, {shown:?}");
        let mut light = Light::new(LEDS);
        light.show(Moment::from_millis(START), &shown);
        let _ = light.frame(Moment::from_millis(START));
        assert_eq!(light.poll_timeout().is_some(), blinks, "{shown:?}");
    }
}

#[test]
fn golden_films() {
    let base = Indication::of(Phase::Idle);
    for (name, phase) in [
        ("dialing", Phase::Dialing),
        ("ringing_nobody_yet", ringing(0, 0, 0)),
        ("ringing_2_sent_1_looking", ringing(2, 1, 1)),
        ("incoming", Phase::Incoming),
        ("connecting", Phase::Connecting),
        ("ongoing", Phase::Ongoing),
        ("ending", Phase::Ending),
        ("busy", Phase::Outcome(Outcome::Busy)),
        ("cancelled", Phase::Outcome(Outcome::Cancelled)),
        ("ended", Phase::Outcome(Outcome::Ended)),
        ("failed", Phase::Outcome(Outcome::Failed)),
        ("media_lost", Phase::Outcome(Outcome::MediaLost)),
        ("rejected", Phase::Outcome(Outcome::Rejected)),
        ("unanswered", Phase::Outcome(Outcome::Unanswered)),
    ] {
        insta::assert_snapshot!(name, art(&[(0, Indication { phase, ..base.clone() })], 2_480));
    }
    let released = Indication { door_released: true, ..base.clone() };
    insta::assert_snapshot!("released", art(&[(0, released)], 2_480));
    let facts = Indication {
        link: LinkFact::Down,
        camera_in_use: true,
        press_waiting: Some("b".parse().expect("it is a word")),
        button_stuck: true,
        at_fault: true,
        tampered: true,
        ..Indication::of(Phase::Ongoing)
    };
    insta::assert_snapshot!("every_fact_at_once", art(&[(0, facts)], 4_800));
    let acknowledged = Indication { acknowledgements: 1, ..base.clone() };
    let refused = Indication { refusals: 1, ..acknowledged.clone() };
    insta::assert_snapshot!("yes_then_no", art(&[(0, base), (80, acknowledged), (400, refused)], 3_000));
}

/// How often an LED goes from dark to light in any second, and the whole ring likewise.
fn most_flashes(film: &[Frame]) -> usize {
    let level = |frame: &Frame, led: usize| {
        let Rgb { red, green, blue } = frame[led];
        2126 * u32::from(red) + 7152 * u32::from(green) + 722 * u32::from(blue)
    };
    // A tenth of full light is what WCAG counts as a change.
    let tenth = 255 * 1000;
    let mut most = 0;
    for led in 0..LEDS {
        let rises: Vec<usize> =
            (1..film.len()).filter(|at| level(&film[*at], led) >= level(&film[*at - 1], led) + tenth).collect();
        for (index, first) in rises.iter().enumerate() {
            most = most.max(rises[index..].iter().take_while(|at| **at < first + 25).count());
        }
    }
    most
}

#[test]
fn no_pattern_flashes_faster_than_three_times_a_second() {
    let four_times: Vec<Frame> =
        (0..50).map(|at| vec![scene::RED.at(if at % 7 < 3 { 255 } else { 0 }); LEDS]).collect();
    assert_eq!(most_flashes(&four_times), 4, "flashes are counted at all");
    for shown in indications() {
        assert!(most_flashes(&film(LEDS, &[(0, shown.clone())], 6_000)) <= 3, "{shown:?}");
    }
    for phase in phases() {
        // A finger that cannot stop: a yes and a no by turns, every 80 ms.
        let hammering = |step: u32| Indication {
            acknowledgements: step / 2,
            refusals: step.div_ceil(2),
            ..Indication::of(phase.clone())
        };
        let shown: Vec<_> = (0..60).map(|step| (u64::from(step) * 80, hammering(step))).collect();
        assert!(most_flashes(&film(LEDS, &shown, 6_000)) <= 3, "{phase:?}");
    }
}

#[test]
fn one_more_phone_keeps_the_rhythm() {
    let film = film(LEDS, &[(0, Indication::of(ringing(1, 0, 0))), (120, Indication::of(ringing(2, 0, 0)))], 2_000);
    let whole = lines(LEDS, &Indication::of(ringing(2, 0, 0)));
    assert_eq!(film.iter().map(line).collect::<Vec<_>>()[3..], whole[3..50]);
}

#[test]
fn a_night_may_end_on_the_next_day() {
    let night = |from, until| Night { from, until, brightness: 10 };
    let covered = |night: Night| (0..1440).filter(|minute| night.covers(*minute)).collect::<Vec<u16>>();
    assert_eq!(covered(night(60, 120)), (60..120).collect::<Vec<_>>());
    assert_eq!(covered(night(1380, 60)), (0..60).chain(1380..1440).collect::<Vec<_>>());
}

#[test]
fn a_light_is_dimmed_at_once_and_never_goes_out() {
    let mut light = Light::new(LEDS);
    light.show(Moment::START, &Indication::of(Phase::Ongoing));
    let bright = light.frame(Moment::START);
    assert_eq!(light.poll_timeout(), None);
    light.dim_to(Moment::from_millis(1), 10);
    assert!(light.poll_timeout().is_some(), "the same picture, but darker");
    let dark = light.frame(Moment::from_millis(2));
    assert!(
        bright
            .iter()
            .zip(&dark)
            .all(|(bright, dark)| dark.green <= bright.green && (dark.green > 0) == (bright.green > 0))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Who draws only when a frame is due misses none.
    #[test]
    fn frames_are_due_exactly_when_they_differ(
        steps in prop::collection::vec((0usize..608, 0u64..2_500), 1..5), leds in 1usize..40,
    ) {
        let all = indications();
        let (mut lazy, mut eager) = (Light::new(leds), Light::new(leds));
        let mut now = START;
        let mut last: Option<Frame> = None;
        for (which, lasting) in steps {
            lazy.show(Moment::from_millis(now), &all[which]);
            eager.show(Moment::from_millis(now), &all[which]);
            for at in now..now + lasting {
                let moment = Moment::from_millis(at);
                let due = lazy.poll_timeout().is_some_and(|(due, _)| due <= moment);
                eager.turn(moment);
                let frame = eager.draw(floor(moment));
                if due {
                    let drawn = lazy.frame(moment);
                    prop_assert_eq!(&drawn, &frame);
                    last = Some(drawn);
                }
                prop_assert_eq!(last.as_ref(), Some(&frame), "a change was not announced at {}", at);
            }
            now += lasting;
        }
    }
}
