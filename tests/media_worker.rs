//! The media worker as a real child process, with residents made of webrtcbin on loopback.

#![cfg(feature = "media")]

mod media_door;
mod resident;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use doorward::ids::{PeerId, SessionId};
use doorward::media::protocol::{Audible, Order, Report, ToneStep};
use doorward::media::worker::{Patience, WorkerEvent};
use doorward::signaling::protocol::Signal;
use gstreamer as gst;
use gstreamer::prelude::*;

use media_door::{CALL, DEADLINE, Door, is_about, recovered, settings};

#[tokio::test]
async fn a_viewer_sees_the_picture() {
    let mut door = Door::in_session(settings()).await;
    let viewer = door.join_and_see(1).await;
    door.report(
        |report| matches!(report, Report::Connected { session_id, peer } if (*session_id, *peer) == (CALL, viewer)),
    )
    .await;
    door.pictures(viewer, 25).await;
    let number = door.resident(viewer).frame_number();
    assert!(number.is_some_and(|number| (25..2000).contains(&number)), "the counter can be read: {number:?}");
    door.report(|report| matches!(report, Report::Capturing { camera: true, microphone: false })).await;
}

#[tokio::test]
async fn a_session_with_picture_gives_one_still() {
    let mut door = Door::in_session(settings()).await;
    let is_still = |report: &Report| matches!(report, Report::StillTaken { session_id: CALL, .. });
    let Report::StillTaken { still, .. } = door.report(is_still).await else { unreachable!("it was looked for") };
    let (width, height, number) = still_number(still.jpeg());
    assert_eq!((width, height), (320, 240));
    assert!((1..250).contains(&number), "what the camera saw first: {number}");
    let viewer = door.join_and_see(1).await;
    door.pictures(viewer, 50).await;
    assert_eq!(door.reports().filter(|report| is_still(report)).count(), 1);
}

/// Size of a JPEG and the number of the picture that it shows.
fn still_number(jpeg: &[u8]) -> (i32, i32, u32) {
    gst::init().expect("GStreamer is installed where this feature is built");
    let line = "appsrc name=in ! jpegdec ! videoconvert ! video/x-raw,format=I420 ! appsink name=out sync=false";
    let pipeline = gst::parse::launch(line).expect("it is written correctly");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("several elements are a pipeline");
    let source = pipeline.by_name("in").and_downcast::<gstreamer_app::AppSrc>().expect("it has that name");
    let sink = pipeline.by_name("out").and_downcast::<gstreamer_app::AppSink>().expect("it has that name");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    source.push_buffer(gst::Buffer::from_slice(jpeg.to_vec())).expect("it takes it");
    source.end_of_stream().expect("it takes it");
    let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(10)).expect("a picture comes out");
    pipeline.set_state(gst::State::Null).expect("it stops");
    let info = gstreamer_video::VideoInfo::from_caps(sample.caps().expect("it says what it is")).expect("a picture");
    let map = sample.buffer().expect("a picture").map_readable().expect("it is ours");
    let stride = usize::try_from(info.stride()[0]).expect("it is positive");
    let number = doorward::media::gst::read_frame_counter(&map, stride).expect("it is large enough");
    (info.width().cast_signed(), info.height().cast_signed(), number)
}

#[tokio::test]
async fn sound_flows_after_consent_and_not_before() {
    let mut door = Door::in_session(settings()).await;
    let resident = door.join_and_see(1).await;
    door.resident(resident).talk(1000);
    door.pictures(resident, 50).await;
    assert_eq!(door.resident(resident).sound_packets(), 0, "no captured sound leaves before consent");
    assert_eq!(door.speaker_levels().next(), None, "nobody is heard before consent");
    assert!(!door.reports().any(|report| matches!(report, Report::Capturing { microphone: true, .. })));

    door.order(Order::OpenGate { peer: resident });
    door.hears(resident, 440.0).await;
    door.speaker_plays(1000.0).await;
    door.report(|report| matches!(report, Report::Capturing { camera: true, microphone: true })).await;
}

#[tokio::test]
async fn consent_of_one_opens_nothing_for_another() {
    let mut door = Door::in_session(settings()).await;
    let (talker, viewer) = (door.join_and_see(1).await, door.join_and_see(2).await);
    door.resident(viewer).talk(2000);
    door.order(Order::OpenGate { peer: talker });
    door.hears(talker, 440.0).await;
    door.pictures(viewer, 25).await;
    assert_eq!(door.resident(viewer).sound_packets(), 0, "the microphone is open, and not for the viewer");
    assert_eq!(door.speaker_levels().next(), None, "the speaker is open, and not for the viewer");
    let heard = door.resident(talker).hears().expect("it was just heard");
    assert!(is_about(heard.hertz, 440.0), "{heard:?}");
}

#[tokio::test]
async fn consent_before_the_connection_counts_from_the_connection_on() {
    let mut door = Door::in_session(settings()).await;
    let resident = door.join(1);
    door.order(Order::OpenGate { peer: resident });
    door.hears(resident, 440.0).await;
    door.resident(resident).talk(1000);
    door.speaker_plays(1000.0).await;
}

#[tokio::test]
async fn talkers_hear_each_other_and_the_door() {
    let mut door = Door::in_session(settings()).await;
    let (one, other) = (door.join_and_see(1).await, door.join_and_see(2).await);
    door.order(Order::OpenGate { peer: one });
    door.order(Order::OpenGate { peer: other });
    door.hears(one, 440.0).await;
    door.hears(other, 440.0).await;
    // The door's tone and this one are equally loud: together 3 dB more.
    door.resident(one).talk(1000);
    door.until("both tones at the other", |door| door.resident(other).hears().is_some_and(|level| level.dbfs > -10.0))
        .await;
    door.speaker_plays(1000.0).await;
    let own = door.resident(one).hears().expect("it heard the door before");
    assert!(is_about(own.hertz, 440.0) && own.dbfs < -11.0, "nobody hears themselves: {own:?}");
    door.leave(one);
    door.until("the door's tone alone", |door| {
        door.resident(other).hears().is_some_and(|level| is_about(level.hertz, 440.0) && level.dbfs < -11.0)
    })
    .await;
}

#[tokio::test]
async fn another_viewer_comes_and_goes_and_the_first_sees_on() {
    let mut door = Door::in_session(settings()).await;
    let first = door.join_and_see(1).await;
    for number in 2..5 {
        let guest = door.join_and_see(number).await;
        door.pictures(guest, 5).await;
        assert!(door.resident(guest).longest_gap() <= 12, "a key picture first, then every picture");
        door.leave(guest);
        door.pictures(first, 10).await;
    }
    let gap = door.resident(first).longest_gap();
    assert!(gap <= 12, "at most half a second was lost on a busy machine: {gap} pictures");
}

#[tokio::test]
async fn the_microphone_closes_with_the_last_gate_and_the_camera_with_the_session() {
    let mut door = Door::in_session(settings()).await;
    let resident = door.join_and_see(1).await;
    door.order(Order::OpenGate { peer: resident });
    door.report(|report| matches!(report, Report::Capturing { camera: true, microphone: true })).await;
    door.heard.clear();
    door.leave(resident);
    door.report(|report| matches!(report, Report::Capturing { camera: true, microphone: false })).await;
    door.heard.clear();
    door.order(Order::StopSession { session_id: CALL });
    door.report(|report| matches!(report, Report::SessionStopped { session_id } if *session_id == CALL)).await;
    let last = door.reports().filter(|report| matches!(report, Report::Capturing { .. })).last();
    assert_eq!(last, Some(&Report::Capturing { camera: false, microphone: false }), "closed before it is said");
}

#[tokio::test]
async fn a_call_without_picture_leaves_the_camera_closed() {
    let mut door = Door::open(settings(), Patience::default()).await;
    door.order(Order::StartSession { session_id: CALL, picture: false });
    let resident = door.join(1);
    door.order(Order::OpenGate { peer: resident });
    door.hears(resident, 440.0).await;
    assert!(!door.reports().any(|report| matches!(report, Report::Capturing { camera: true, .. })));
    assert_eq!(door.resident(resident).pictures(), 0);
}

#[tokio::test]
async fn a_session_begins_where_another_ends() {
    let mut door = Door::in_session(settings()).await;
    let before = door.join_and_see(1).await;
    let next = SessionId::from_random([8; 16]);
    door.order(Order::StartSession { session_id: next, picture: true });
    // Still of the session before: passed over.
    door.order(Order::AddPeer { session_id: CALL, peer: PeerId(2), ice_servers: Vec::new() });
    door.order(Order::AddPeer { session_id: next, peer: PeerId(3), ice_servers: Vec::new() });
    door.report(|report| matches!(report, Report::SessionStopped { session_id } if *session_id == CALL)).await;
    door.until("an offer of the next session", |door| {
        door.unclaimed.iter().any(|(peer, signal)| *peer == PeerId(3) && matches!(signal, Signal::Offer { .. }))
    })
    .await;
    assert!(!door.unclaimed.iter().any(|(peer, _)| *peer == PeerId(2)));
    door.residents.remove(&before);
    door.order(Order::StopSession { session_id: next });
    door.report(|report| matches!(report, Report::SessionStopped { session_id } if *session_id == next)).await;
}

#[tokio::test]
async fn tones_sound_without_a_session() {
    let mut door = Door::open(settings(), Patience::default()).await;
    door.order(Order::Play { sound: Some(Audible::Tone(ToneStep { hertz: [425, 0], dbfs: -12 })) });
    door.speaker_plays(425.0).await;
    door.order(Order::Play { sound: Some(Audible::Tone(ToneStep { hertz: [1400, 0], dbfs: -20 })) });
    door.until("the next tone", |door| {
        door.speaker_levels()
            .next_back()
            .is_some_and(|(dbfs, hertz)| is_about(hertz, 1400.0) && (dbfs + 20.0).abs() < 1.0)
    })
    .await;
    assert!(!door.reports().any(|report| matches!(report, Report::Capturing { .. })), "nothing is captured for a tone");
}

#[tokio::test]
async fn a_killed_worker_is_replaced() {
    let mut door = Door::in_session(settings()).await;
    door.join_and_see(1).await;
    let before = door.pid();
    door.signal_child(rustix::process::Signal::KILL);
    door.restarted().await;
    assert_ne!(door.pid(), before);
    door.residents.clear();
    door.order(Order::StartSession { session_id: CALL, picture: true });
    door.join_and_see(2).await;
}

/// The door does after each death what it does after the first.
#[tokio::test]
async fn a_worker_killed_twenty_times_leaves_the_call_usable() {
    let backoff = Duration::from_millis(20);
    let patience = Patience { backoff, longest_backoff: backoff, ..Patience::default() };
    let mut door = Door::open(settings(), patience).await;
    let mut pids = BTreeSet::new();
    let (mut killed, mut silences) = (None, Vec::new());
    for number in 1..=21 {
        door.order(Order::StartSession { session_id: CALL, picture: true });
        let peer = door.join_and_see(number).await;
        door.order(Order::OpenGate { peer });
        door.hears(peer, 440.0).await;
        door.resident(peer).talk(1000);
        door.speaker_plays(1000.0).await;
        assert!(pids.insert(door.pid()), "another worker each time");
        silences.extend(killed.map(|killed: Instant| killed.elapsed()));
        if number <= 20 {
            killed = Some(Instant::now());
            door.signal_child(rustix::process::Signal::KILL);
            door.residents.clear();
            door.heard.clear();
            door.restarted().await;
        }
    }
    silences.sort_unstable();
    recovered("worker killed, as a rule", "picture and sound again", silences[silences.len() / 2]);
    recovered("worker killed, at the worst of 20", "picture and sound again", silences[silences.len() - 1]);
}

#[tokio::test]
async fn a_hanging_worker_is_killed_and_replaced() {
    let mut door = Door::in_session(settings()).await;
    let before = door.pid();
    let stopped = Instant::now();
    door.signal_child(rustix::process::Signal::STOP);
    door.restarted().await;
    recovered("worker hangs", "another one", stopped.elapsed());
    assert_ne!(door.pid(), before);
    let died = door.heard.iter().find_map(|event| match event {
        WorkerEvent::Died { reason } => Some(reason.clone()),
        WorkerEvent::Report(_) | WorkerEvent::Restarted { .. } => None,
    });
    assert!(died.as_ref().is_some_and(|reason| reason.contains("does not answer; its loop was stopped")), "{died:?}");
    assert!(!std::path::Path::new(&format!("/proc/{before}")).exists(), "it is buried");
}

/// A machine that was suspended or starved is no worker that hangs: it was asked nothing meanwhile.
#[tokio::test]
async fn a_door_that_stood_still_keeps_its_worker() {
    let patience = Patience { ping: Duration::from_millis(500), pong: Duration::from_secs(2), ..Patience::default() };
    let mut door = Door::open(settings(), patience).await;
    let pid = door.pid();
    for _ in 0..2 {
        // Everything of the door stands still, its supervisor too: they share this thread.
        std::thread::sleep(Duration::from_secs(3));
        door.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(door.pid(), pid);
    assert!(!door.heard.iter().any(|event| matches!(event, WorkerEvent::Died { .. })), "{:?}", door.heard);
}

#[tokio::test]
async fn the_worker_ends_with_its_door() {
    let mut door = Door::in_session(settings()).await;
    door.join_and_see(1).await;
    let pid = door.pid();
    door.drop_worker();
    door.until("its end", |_| !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;
}

#[test]
fn a_door_that_hangs_up_in_a_session_leaves_nothing_playing() {
    let (ours, mut child) = bare_worker();
    ours.set_read_timeout(Some(DEADLINE)).expect("not zero");
    let orders = [
        Order::Configure { settings: Box::new(settings()) },
        Order::StartSession { session_id: CALL, picture: true },
        Order::Play { sound: Some(Audible::Tone(ToneStep { hertz: [600, 0], dbfs: -12 })) },
    ];
    orders.iter().for_each(|order| write_order(&ours, order));
    let reports = BufReader::new(&ours).lines().map(|line| line.expect("it reports in time"));
    let (mut captures, mut sounds) = (false, false);
    for report in reports.map(|line| serde_json::from_str(&line).expect("a report")) {
        captures |= matches!(report, Report::Capturing { camera: true, .. });
        sounds |= matches!(report, Report::SpeakerLevel { hertz, .. } if is_about(hertz, 600.0));
        if captures && sounds {
            break;
        }
    }
    drop(ours);
    let status = child.wait().expect("our own child");
    assert!(status.success(), "{status}");
}

/// Wherever its start is interrupted: while GStreamer is opened, while the certificate is made, or just after.
#[test]
fn a_door_that_hangs_up_while_its_worker_starts_lets_it_end_in_peace() {
    for delay in (0..400).step_by(20) {
        let (ours, mut child) = bare_worker();
        write_order(&ours, &Order::Configure { settings: Box::new(settings()) });
        std::thread::sleep(Duration::from_millis(delay));
        drop(ours);
        let status = child.wait().expect("our own child");
        assert!(status.success(), "{status}, hung up after {delay} ms");
    }
}

/// A worker without its supervisor, and the door's end of its socket. Whatever GStreamer finds wrong is the end of the process,
/// instead of a line that nobody reads.
fn bare_worker() -> (UnixStream, Child) {
    let (ours, theirs) = UnixStream::pair().expect("descriptors are left");
    let child = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .arg("media-worker")
        .env("G_DEBUG", "fatal-criticals")
        .stdin(OwnedFd::from(theirs))
        .spawn()
        .expect("it was built");
    (ours, child)
}

fn write_order(mut socket: &UnixStream, order: &Order) {
    writeln!(socket, "{}", serde_json::to_string(order).expect("plain data")).expect("it reads");
}

#[tokio::test]
async fn nonsense_disturbs_nobody() {
    let mut door = Door::in_session(settings()).await;
    let first = door.join_and_see(1).await;
    let pid = door.pid();
    let victim = PeerId(2);
    // Before there is such a connection, right after it was ordered, and when its offer is there.
    send_nonsense(&door, victim);
    door.order(Order::AddPeer { session_id: CALL, peer: victim, ice_servers: Vec::new() });
    send_nonsense(&door, victim);
    door.until("an offer", |door| door.unclaimed.iter().any(|(_, signal)| matches!(signal, Signal::Offer { .. })))
        .await;
    send_nonsense(&door, victim);
    // An offer is no answer, though it looks like one.
    let offer = door.unclaimed.iter().find_map(|(_, signal)| match signal {
        Signal::Offer { sdp } => Some(sdp.clone()),
        Signal::Answer { .. } | Signal::Candidate { .. } => None,
    });
    door.order(Order::ApplySignal { peer: victim, signal: Signal::Answer { sdp: offer.expect("it was just there") } });
    send_nonsense(&door, victim);
    door.order(Order::OpenGate { peer: PeerId(99) });
    door.order(Order::RemovePeer { peer: PeerId(99) });
    door.pictures(first, 25).await;
    // Once more to one that is connected.
    send_nonsense(&door, first);
    door.pictures(first, 25).await;
    door.join_and_see(3).await;
    assert_eq!(door.pid(), pid, "it never died");
    assert!(door.resident(first).longest_gap() <= 12);
}

#[tokio::test]
async fn answers_with_a_twist_disturb_nobody() {
    let mut door = Door::in_session(settings()).await;
    let first = door.join_and_see(1).await;
    let pid = door.pid();
    let mut random = fastrand::Rng::with_seed(20_261_123);
    let tampered = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = std::rc::Rc::clone(&tampered);
    door.tamper = Some(Box::new(move |sdp| {
        count.set(count.get() + 1);
        twist(sdp, &mut random)
    }));
    for number in 2..62 {
        let peer = door.join(number);
        door.until("its answer", |_| tampered.get() == number - 1).await;
        // What webrtcbin makes of it takes a while; the pictures of the first are the clock.
        door.pictures(first, 2).await;
        door.leave(peer);
    }
    door.tamper = None;
    door.join_and_see(100).await;
    assert_eq!(door.pid(), pid, "it never died");
}

/// An answer with one to three lines lost, doubled, moved, cut, or with other numbers.
fn twist(sdp: &str, random: &mut fastrand::Rng) -> String {
    let mut lines: Vec<String> = sdp.lines().map(str::to_owned).collect();
    for _ in 0..random.u8(1..=3) {
        let (at, to) = (random.usize(0..lines.len()), random.usize(0..lines.len()));
        match random.u8(0..5) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            2 => lines.swap(at, to),
            3 => {
                let end = random.usize(0..=lines[at].len());
                lines[at] = lines[at].chars().take(end).collect();
            }
            _ => {
                let digit = char::from(random.u8(b'0'..=b'9'));
                lines[at] = lines[at].chars().map(|c| if c.is_ascii_digit() { digit } else { c }).collect();
            }
        }
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn send_nonsense(door: &Door, peer: PeerId) {
    let answers = [
        "",
        "\n",
        "v=0",
        "v=0\r\nm=video",
        "v=0\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\na=fingerprint:c\r\na=setup:d\r\nm=video \r\nm=audio \r\n",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        &"v=0\r\n".repeat(50_000),
    ];
    for sdp in answers {
        door.order(Order::ApplySignal { peer, signal: Signal::Answer { sdp: sdp.to_owned().into() } });
        door.order(Order::ApplySignal { peer, signal: Signal::Offer { sdp: sdp.to_owned().into() } });
    }
    let candidates = [
        "",
        "candidate:",
        "candidate:1 1 UDP 1 999.1.1.1 99999 typ host",
        "candidate:1 1 UDP 2015363327 127.0.0.1 1 typ host",
        "candidate:1 1 UDP 2015363327 0b0e3c7e-0000-4000-8000-000000000000.local 50000 typ host",
    ];
    for candidate in candidates {
        for sdp_m_line_index in [0, 1, 7, u32::MAX] {
            let signal = Signal::Candidate { candidate: candidate.to_owned().into(), sdp_m_line_index };
            door.order(Order::ApplySignal { peer, signal });
        }
    }
}

#[tokio::test]
async fn a_phone_that_falls_silent_is_lost() {
    let mut door = Door::in_session(settings()).await;
    let (silent, other) = (door.join_and_see(1).await, door.join_and_see(2).await);
    door.resident(silent).fall_silent();
    door.report(|report| matches!(report, Report::Lost { peer, .. } if *peer == silent)).await;
    door.pictures(other, 10).await;
    assert!(!door.reports().any(|report| matches!(report, Report::Lost { peer, .. } if *peer == other)));
}

#[tokio::test]
async fn an_offer_that_nobody_answers_is_lost() {
    let mut door = Door::in_session(settings()).await;
    door.order(Order::AddPeer { session_id: CALL, peer: PeerId(1), ice_servers: Vec::new() });
    door.report(
        |report| matches!(report, Report::Lost { peer, session_id, .. } if (*peer, *session_id) == (PeerId(1), CALL)),
    )
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_those_who_left() {
    let mut door = Door::in_session(settings()).await;
    let first = door.join_and_see(1).await;
    let mut before = (0, 0);
    for number in 2..13 {
        let guest = door.join_and_see(number).await;
        door.order(Order::OpenGate { peer: guest });
        door.resident(guest).talk(1000);
        door.hears(guest, 440.0).await;
        door.leave(guest);
        door.heard.clear();
        door.report(|report| matches!(report, Report::Capturing { microphone: false, .. })).await;
        if number == 2 {
            door.pictures(first, 25).await;
            before = door.belongings();
        }
    }
    let (threads, files) = before;
    door.until("threads and files of before", |door| {
        let now = door.belongings();
        now.0 <= threads && now.1 <= files
    })
    .await;
}
