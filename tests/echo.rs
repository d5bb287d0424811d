//! The echo canceller as it stands in the media worker, on made-up time: any delay, double talk, drift, jumps, other speakers.
#![cfg(feature = "media")]

mod echo_scene;
mod sounds;

use doorward::media::gst::echo::{Ear, FRAME, Room, SampleTime};
use doorward::media::pipeline::{EchoMode, EchoSettings};

use echo_scene::{Scene, Take, canceller_alone};
use sounds::{RATE, Walls, decibels, from_i16, part, power, to_i16, voice};

fn play(scene: &Scene) -> Take {
    scene.play(|room| Ear::new(room).expect("something is to be done"))
}

#[test]
fn any_delay_is_found_and_the_echo_is_gone_after_two_seconds() {
    for delay in [20, 60, 150, 250, 400] {
        let take = play(&Scene { delay, seconds: 10, ..Scene::default() });
        let lowered = take.lowered(2.0, 10.0);
        assert!(lowered >= 30.0, "{delay} ms: {lowered:.1} dB");
        let found = take.figures[8].delay.expect("it says what it found");
        assert!(usize::from(found).abs_diff(delay) <= 12, "{delay} ms: found {found}");
        assert!(take.figures[8].lowered.is_some());
    }
}

#[test]
fn double_talk_costs_little() {
    for delay in [20, 100, 400] {
        let scene = Scene { delay, seconds: 15, settings: canceller_alone(), ..Scene::default() };
        let alone = play(&Scene { alone: true, ..scene.clone() });
        let cost = play(&scene).double_talk_costs(&alone);
        assert!(cost <= 6.0, "{delay} ms: {cost:.1} dB");
    }
}

#[test]
fn clocks_may_differ_by_200_millionths() {
    for ppm in [-200.0, 200.0] {
        let take = play(&Scene { ppm, seconds: 10, ..Scene::default() });
        let lowered = take.lowered(2.0, 10.0);
        assert!(lowered >= 30.0, "{ppm} ppm: {lowered:.1} dB");
    }
}

#[test]
fn a_jump_of_the_delay_heals_within_four_seconds() {
    for (before, after) in [(50, 150), (150, 50)] {
        let take = play(&Scene { delay: before, jump: Some((5, after)), seconds: 10, ..Scene::default() });
        let healed = take.lowered(9.0, 10.0);
        assert!(healed >= 30.0, "{before} to {after} ms: {healed:.1} dB");
    }
}

#[test]
fn a_thread_that_comes_late_is_no_jump() {
    let take = play(&Scene { bursts: true, seconds: 10, ..Scene::default() });
    let lowered = take.lowered(2.0, 10.0);
    assert!(lowered >= 30.0, "{lowered:.1} dB");
    let take = play(&Scene { late: 5, seconds: 10, ..Scene::default() });
    let lowered = take.lowered(3.0, 10.0);
    assert!(lowered >= 30.0, "always late: {lowered:.1} dB");
    let found = take.figures[8].delay.expect("it says what it found");
    assert!(found.abs_diff(100) <= 12, "{found} ms");
}

#[test]
fn a_visitor_alone_is_sent_as_heard() {
    let take = play(&Scene { alone: true, settings: canceller_alone(), ..Scene::default() });
    let change = -take.lowered(10.5, 20.0);
    assert!(change.abs() < 1.0, "{change:.1} dB");
}

/// With another speaker the canceller begins anew: its suppression at the start is better than seconds of echo.
#[test]
fn another_speaker_is_another_room() {
    let (far, walls) = (voice(12, 118.0, -20.0, 1), Walls::new());
    let lowered = |tell: bool| {
        let room = Room::new(EchoSettings::default());
        let mut ear = Ear::new(&room).expect("something is to be done");
        let (mut heard, mut sent) = (Vec::new(), Vec::new());
        for number in 0..far.len() / FRAME {
            let replaced = number >= 500;
            if number == 500 && tell {
                room.speaker_opened();
            }
            let (from, time) = (number * FRAME, SampleTime((number * FRAME) as i64));
            room.play(time, &to_i16(&far[from..from + FRAME]));
            let delay = if replaced { 50 } else { 150 } * RATE / 1000;
            let echo: Vec<f32> = (from..from + FRAME).map(|n| walls.echo(&far, n, delay)).collect();
            let mut piece = to_i16(&echo);
            ear.hear(time, &mut piece);
            heard.extend(echo);
            sent.extend(from_i16(&piece));
        }
        decibels(power(part(&heard, 6.0, 7.0))) - decibels(power(part(&sent, 6.0, 7.0)))
    };
    let (told, untold) = (lowered(true), lowered(false));
    assert!(told > untold + 10.0, "told {told:.1} dB, untold {untold:.1} dB");
}

#[test]
fn pieces_of_any_length_come_out_as_long_and_complete() {
    let room = Room::new(canceller_alone());
    let said = to_i16(&voice(3, 205.0, -26.0, 2));
    for length in [1, 160, 441, 480, 960, 1024] {
        let mut ear = Ear::new(&room).expect("something is to be done");
        let mut heard = said.clone();
        let mut from = 0;
        for piece in heard.chunks_mut(length) {
            ear.hear(SampleTime(from), piece);
            from += piece.len() as i64;
        }
        let change = decibels(power(&from_i16(&heard[4800..]))) - decibels(power(&from_i16(&said)));
        assert!(change.abs() < 1.0, "pieces of {length}: {change:.1} dB");
    }
}

#[test]
fn half_duplex_lets_no_echo_through_and_the_visitor_when_the_resident_is_quiet() {
    let settings = EchoSettings { mode: EchoMode::Half, ..canceller_alone() };
    let take = play(&Scene { delay: 300, settings, ..Scene::default() });
    let lowered = take.lowered(0.0, 10.0);
    assert!(lowered >= 30.0, "{lowered:.1} dB");
    let change = -take.lowered(16.0, 20.0);
    assert!(change.abs() < 1.0, "{change:.1} dB");
}

#[test]
fn off_is_nothing_at_all() {
    assert!(Ear::new(&Room::new(EchoSettings::NOTHING)).is_none());
}
