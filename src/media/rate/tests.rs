//! Fair, bounded, quick to give way, and never deaf for long: by random histories and by a line with a queue.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { floor: 150, ceiling: 1500 };
const FULL: Shape = Shape { kilobits: 1500, width: 1280, height: 720, frame_rate: 15 };

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn peer(number: u32) -> PeerId {
    PeerId(number)
}

/// A receiver behind a line of its own that carries so much and queues for 300 ms before it loses.
#[derive(Debug, Clone, Copy)]
struct Line {
    carries: f64,
    queue: f64,
}

impl Line {
    fn new(carries: u32) -> Self {
        Self { carries: f64::from(carries), queue: 0.0 }
    }

    /// One second at this rate: loss, round trip.
    fn second(&mut self, rate: f64) -> (f64, Duration) {
        let most = self.carries * 0.3;
        let (before, flow) = (self.queue, rate + 40.0);
        self.queue = (before + flow - self.carries).clamp(0.0, most);
        let lost = ((before + flow - self.carries - most) / flow).clamp(0.0, 1.0);
        let wait = if self.carries > 0.0 { self.queue / self.carries } else { 1.0 };
        (lost, Duration::from_millis(40) + Duration::from_secs_f64(wait))
    }
}

struct Town {
    rate: Rate,
    lines: Vec<(PeerId, Line, bool)>,
    now: u64,
}

impl Town {
    fn new(lines: &[u32]) -> Self {
        let mut rate = Rate::new(LIMITS, FULL);
        let lines: Vec<_> =
            (0..).zip(lines).map(|(number, carries)| (peer(number), Line::new(*carries), true)).collect();
        for (peer, ..) in &lines {
            let _ = rate.handle(at(0), Event::Came { peer: *peer });
            let _ = rate.handle(at(0), Event::Talks { peer: *peer });
        }
        Self { rate, lines, now: 0 }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1_000;
            for index in 0..self.lines.len() {
                let (peer, line, shown) = &mut self.lines[index];
                let picture = if *shown { f64::from(self.rate.shape().kilobits) } else { 0.0 };
                let (lost, round_trip) = line.second(picture);
                let event = Event::Reported { peer: *peer, lost, round_trip: Some(round_trip) };
                let actions = self.rate.handle(at(self.now), event);
                self.note(&actions);
            }
            let actions = self.rate.handle_timeout(at(self.now));
            self.note(&actions);
        }
    }

    fn note(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Picture { peer, shown } = action {
                let line = self.lines.iter_mut().find(|(other, ..)| other == peer).expect("it is known");
                line.2 = *shown;
            }
        }
    }

    fn kilobits(&self) -> u32 {
        self.rate.shape().kilobits
    }

    fn is_shown(&self, number: u32) -> bool {
        self.lines.iter().any(|(other, _, shown)| *other == peer(number) && *shown)
    }
}

#[test]
fn a_good_line_keeps_what_is_configured() {
    let mut town = Town::new(&[5_000]);
    town.run(60);
    assert_eq!(town.rate.shape(), FULL);
}

#[test]
fn a_line_that_narrows_is_followed_within_seconds_and_left_again() {
    let mut town = Town::new(&[2_000]);
    town.run(5);
    town.lines[0].1.carries = 300.0;
    town.run(8);
    assert!(town.kilobits() <= 300, "{}", town.kilobits());
    assert!(town.rate.shape().width < FULL.width, "{:?}", town.rate.shape());
    town.run(20);
    assert!((150..=320).contains(&town.kilobits()), "{}", town.kilobits());
    assert!(town.is_shown(0), "there is room for the floor");
    town.lines[0].1.carries = 2_000.0;
    town.run(60);
    assert_eq!(town.rate.shape(), FULL);
}

#[test]
fn packets_keep_a_pace_where_the_way_was_found_narrow_and_only_there() {
    let mut town = Town::new(&[2_000, 5_000]);
    town.run(5);
    assert_eq!((town.rate.pace(peer(0)), town.rate.pace(peer(1))), (None, None));
    town.lines[0].1.carries = 400.0;
    town.run(8);
    let pace = town.rate.pace(peer(0)).expect("its way is narrow");
    assert!((town.kilobits() * 2..=town.kilobits() * 3).contains(&pace), "{pace} for {}", town.kilobits());
    assert_eq!((town.rate.pace(peer(1)), town.rate.pace(peer(7))), (None, None));
    town.lines[0].1.carries = 5_000.0;
    town.run(90);
    assert_eq!(town.rate.pace(peer(0)), None);
}

#[test]
fn who_has_no_room_for_the_floor_gets_sound_and_the_picture_again_later() {
    let mut town = Town::new(&[2_000, 2_000]);
    town.run(3);
    town.lines[1].1.carries = 100.0;
    let stops = (0..12).any(|_| {
        town.run(1);
        !town.is_shown(1)
    });
    assert!(stops, "there is no room for the floor");
    town.run(10);
    assert!(town.is_shown(0));
    town.lines[1].1.carries = 2_000.0;
    town.run(90);
    assert!(town.is_shown(1));
    assert_eq!(town.rate.shape(), FULL);
}

#[test]
fn one_slow_receiver_holds_back_the_others_only_for_a_while() {
    let mut town = Town::new(&[3_000, 3_000, 3_000, 250]);
    town.run(120);
    let mut fast = 0;
    for _ in 0..300 {
        town.run(1);
        fast += u32::from(town.kilobits() >= 750);
    }
    assert!(fast >= 200, "half of what is configured, and more, in two thirds of the time: {fast}");
    assert!(town.is_shown(0) && town.is_shown(1) && town.is_shown(2));
}

#[test]
fn a_lossy_but_wide_line_is_not_starved() {
    let mut rate = Rate::new(LIMITS, FULL);
    let _ = rate.handle(at(0), Event::Came { peer: peer(1) });
    for second in 1..60 {
        let event = Event::Reported { peer: peer(1), lost: 0.05, round_trip: Some(Duration::from_millis(50)) };
        let _ = rate.handle(at(second * 1_000), event);
    }
    assert_eq!(rate.shape(), FULL);
}

#[test]
fn who_only_looks_keeps_its_picture_and_holds_back_nobody_who_talks() {
    let mut rate = Rate::new(LIMITS, FULL);
    for number in [1, 2] {
        let _ = rate.handle(at(0), Event::Came { peer: peer(number) });
    }
    let _ = rate.handle(at(0), Event::Talks { peer: peer(1) });
    for second in 1..60 {
        for (number, lost) in [(1, 0.0), (2, 0.5)] {
            let event = Event::Reported { peer: peer(number), lost, round_trip: None };
            let actions = rate.handle(at(second * 1_000), event);
            assert!(!actions.iter().any(|action| matches!(action, Action::Picture { .. })));
        }
    }
    assert_eq!(rate.shape(), FULL);
}

fn events() -> impl Strategy<Value = (u64, Option<Event>)> {
    let number = 0..5_u32;
    let round_trip = prop_oneof![Just(None), (0..3_000_u64).prop_map(|millis| Some(Duration::from_millis(millis)))];
    let event = prop_oneof![
        number.clone().prop_map(|number| Event::Came { peer: peer(number) }),
        number.clone().prop_map(|number| Event::Talks { peer: peer(number) }),
        number.clone().prop_map(|number| Event::Left { peer: peer(number) }),
        (number, -0.5..1.5_f64, round_trip).prop_map(|(number, lost, round_trip)| Event::Reported {
            peer: peer(number),
            lost,
            round_trip
        }),
    ];
    (0..3_000_u64, proptest::option::weighted(0.8, event))
}

proptest! {
    #[test]
    fn whatever_is_reported_the_encode_stays_within_its_limits(
        history in proptest::collection::vec(events(), 1..200),
        floor in 50..2_000_u32,
        ceiling in 100..4_000_u32,
    ) {
        let limits = Limits { floor, ceiling };
        let mut rate = Rate::new(limits, Shape { kilobits: ceiling, ..FULL });
        let mut shown: BTreeMap<PeerId, bool> = BTreeMap::new();
        let mut now = 0;
        for (pause, event) in history {
            now += pause;
            let actions = match event {
                Some(event) => {
                    if let Event::Came { peer } = event { shown.entry(peer).or_insert(true); }
                    if let Event::Left { peer } = event { shown.remove(&peer); }
                    rate.handle(at(now), event)
                }
                None => rate.handle_timeout(at(now)),
            };
            for action in actions {
                match action {
                    Action::Encode(shape) => prop_assert_eq!(shape, rate.shape()),
                    // Told only where it changes, and only of those who are there.
                    Action::Picture { peer, shown: is } => prop_assert_eq!(shown.insert(peer, is), Some(!is)),
                }
            }
            let Shape { kilobits, width, height, frame_rate } = rate.shape();
            prop_assert!(kilobits >= floor.min(ceiling) && kilobits <= ceiling, "{}", kilobits);
            prop_assert!((240..=FULL.width).contains(&width) && width % 2 == 0 && height % 2 == 0 && height > 0);
            prop_assert!((1..=FULL.frame_rate).contains(&frame_rate));
        }
    }

    #[test]
    fn the_same_history_gives_the_same_encode(history in proptest::collection::vec(events(), 1..60)) {
        let run = || {
            let mut rate = Rate::new(LIMITS, FULL);
            let mut now = 0;
            let mut all = Vec::new();
            for (pause, event) in &history {
                now += pause;
                all.extend(match event {
                    Some(event) => rate.handle(at(now), *event),
                    None => rate.handle_timeout(at(now)),
                });
            }
            all
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn a_smaller_bitrate_is_never_a_larger_picture(low in 0..4_000_u32, high in 0..4_000_u32, width in 160..1921_u16) {
        let full = Shape { width: width & !1, ..FULL };
        let ladder = ladder::Ladder::new(full, 1_500);
        let (low, high) = (low.min(high), low.max(high));
        let (small, large) = (ladder.shape(low, None), ladder.shape(high, None));
        prop_assert!(small.width <= large.width && small.frame_rate <= large.frame_rate);
        prop_assert!(large.width <= full.width && large.height <= full.height);
    }
}
