//! The media worker whose devices are missing, pulled out, hang, and come back: the call goes on with what is left.
//!
//! Files stand for devices: one that is moved away was pulled out, a pipe that nobody writes into is a driver that hangs.

#![cfg(feature = "media")]

mod media_door;
mod media_files;
mod resident;

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use doorward::ids::PeerId;
use doorward::media::pipeline::{
    AlsaPcm, CameraSource, LibcameraCamera, MediaSettings, MicrophoneSource, PictureSize, PixelFormat, SpeakerSink,
    Standby, V4l2Camera,
};
use doorward::media::protocol::{Audible, Device, Order, Reason, Report, ToneStep};
use doorward::media::worker::{Patience, WorkerEvent};
use doorward::panel::fault::FaultKind;
use gstreamer as gst;

use media_door::{CALL, Door, recovered, settings};
use media_files::{WHITE, make};

const WHITE_PICTURE: &str =
    "videotestsrc pattern=white num-buffers=1 ! video/x-raw,width=160,height=120 ! videoconvert ! pngenc";
const TONE_700: &str = "audiotestsrc freq=700 volume=0.355 num-buffers=43 ! audio/x-raw,rate=44100,channels=2 ! wavenc";

async fn fails(door: &mut Door, device: Device, kind: FaultKind) {
    let is_it = |report: &Report| matches!(report, Report::DeviceFailed { device: failed, .. } if *failed == device);
    let Report::DeviceFailed { fault, .. } = door.report(is_it).await else { unreachable!("it was looked for") };
    assert_eq!(fault.kind, kind, "{fault}");
}

async fn is_restored(door: &mut Door, wanted: Device) {
    door.report(|report| matches!(report, Report::DeviceRestored { device } if *device == wanted)).await;
}

async fn sees(door: &mut Door, peer: PeerId, white: bool) {
    let what = if white { "the device's picture" } else { "the placeholder" };
    door.until(what, |door| (door.resident(peer).frame_number() == WHITE) == white).await;
    door.pictures(peer, 10).await;
}

async fn hears_nothing(door: &mut Door, peer: PeerId) {
    door.until("silence", |door| door.resident(peer).hears().is_some_and(|level| level.dbfs < -60.0)).await;
}

fn nobody_was_lost(door: &Door) {
    assert!(!door.reports().any(|report| matches!(report, Report::Lost { .. })), "every connection is what it was");
}

fn captures(report: &Report) -> bool {
    matches!(report, Report::Capturing { camera: true, .. } | Report::Capturing { microphone: true, .. })
}

#[tokio::test]
async fn missing_devices_leave_black_and_silence() {
    let mut settings = settings();
    settings.camera = CameraSource::File("/nowhere/door.png".into());
    settings.microphone = MicrophoneSource::File("/nowhere/voice.wav".into());
    let mut door = Door::in_session(settings).await;
    fails(&mut door, Device::Camera, FaultKind::Missing).await;
    let resident = door.join_and_see(1).await;
    sees(&mut door, resident, false).await;
    door.order(Order::OpenGate { peer: resident });
    fails(&mut door, Device::Microphone, FaultKind::Missing).await;
    hears_nothing(&mut door, resident).await;
    assert!(!door.reports().any(captures), "what stands in captures nothing");
}

#[tokio::test]
async fn a_camera_that_is_pulled_out_comes_back() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let (path, away) = (folder.path().join("door.png"), folder.path().join("away.png"));
    make(WHITE_PICTURE, &path);
    let mut door = Door::in_session(MediaSettings { camera: CameraSource::File(path.clone()), ..settings() }).await;
    let resident = door.join_and_see(1).await;
    for _ in 0..2 {
        sees(&mut door, resident, true).await;
        door.report(|report| matches!(report, Report::Capturing { camera: true, .. })).await;
        door.heard.clear();
        let pulled = Instant::now();
        fs::rename(&path, &away).expect("it is ours");
        fails(&mut door, Device::Camera, FaultKind::Missing).await;
        door.report(|report| matches!(report, Report::Capturing { camera: false, .. })).await;
        sees(&mut door, resident, false).await;
        recovered("camera pulled out", "black in its place", pulled.elapsed());
        let plugged = Instant::now();
        fs::rename(&away, &path).expect("it is ours");
        is_restored(&mut door, Device::Camera).await;
        sees(&mut door, resident, true).await;
        recovered("camera plugged in", "its picture again", plugged.elapsed());
    }
    // Who comes now sees it at once, too.
    let later = door.join_and_see(2).await;
    sees(&mut door, later, true).await;
    nobody_was_lost(&door);
}

#[tokio::test]
async fn a_microphone_that_is_pulled_out_comes_back() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let (path, away) = (folder.path().join("voice.wav"), folder.path().join("away.wav"));
    make(TONE_700, &path);
    let mut door =
        Door::in_session(MediaSettings { microphone: MicrophoneSource::File(path.clone()), ..settings() }).await;
    let resident = door.join_and_see(1).await;
    door.order(Order::OpenGate { peer: resident });
    door.hears(resident, 700.0).await;
    let pulled = Instant::now();
    fs::rename(&path, &away).expect("it is ours");
    fails(&mut door, Device::Microphone, FaultKind::Missing).await;
    hears_nothing(&mut door, resident).await;
    recovered("microphone pulled out", "silence in its place", pulled.elapsed());
    door.pictures(resident, 10).await;
    let plugged = Instant::now();
    fs::rename(&away, &path).expect("it is ours");
    is_restored(&mut door, Device::Microphone).await;
    door.hears(resident, 700.0).await;
    recovered("microphone plugged in", "its sound again", plugged.elapsed());
    nobody_was_lost(&door);
}

/// Which of these files the worker has open now.
fn opened(door: &Door, paths: [&Path; 2]) -> [bool; 2] {
    let open: Vec<_> = fs::read_dir(format!("/proc/{}/fd", door.pid()))
        .expect("the worker runs")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .collect();
    paths.map(|path| open.iter().any(|link| link == path))
}

/// What was opened (true) and closed since the last time, in order, with its reason.
fn uses(door: &mut Door) -> Vec<(Device, bool, Reason)> {
    let heard = std::mem::take(&mut door.heard);
    heard
        .iter()
        .filter_map(|event| match event {
            WorkerEvent::Report(Report::DeviceOpened { device, reason }) => Some((*device, true, *reason)),
            WorkerEvent::Report(Report::DeviceClosed { device, reason }) => Some((*device, false, *reason)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn without_a_call_every_device_is_closed_unless_the_camera_is_to_be_warm() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let (film, voice) = (folder.path().join("film.webm"), folder.path().join("voice.wav"));
    make(
        "videotestsrc num-buffers=500 ! video/x-raw,width=320,height=240,framerate=25/1 ! vp8enc deadline=1 ! webmmux",
        &film,
    );
    make("audiotestsrc freq=700 volume=0.355 num-buffers=2000 ! audio/x-raw,rate=44100,channels=2 ! wavenc", &voice);
    for standby in [Standby::Closed, Standby::Warm] {
        let warm = standby == Standby::Warm;
        let files = MediaSettings {
            camera: CameraSource::File(film.clone()),
            microphone: MicrophoneSource::File(voice.clone()),
            standby,
            ..settings()
        };
        let mut door = Door::open(files, Patience::default()).await;
        let open = |door: &Door| opened(door, [&film, &voice]);
        door.until("the state of rest", |door| open(door) == [warm, false]).await;
        if warm {
            door.report(|report| matches!(report, Report::Capturing { camera: true, microphone: false })).await;
            assert_eq!(uses(&mut door), [(Device::Camera, true, Reason::Standby)]);
        }
        for number in 1..3 {
            door.order(Order::StartSession { session_id: CALL, picture: true });
            let resident = door.join_and_see(number).await;
            assert_eq!(open(&door), [true, false], "nobody answered yet");
            door.order(Order::OpenGate { peer: resident });
            door.hears(resident, 700.0).await;
            assert_eq!(open(&door), [true, true]);
            let begun = uses(&mut door);
            let call = [(Device::Camera, true, Reason::Call), (Device::Microphone, true, Reason::Conversation)];
            assert_eq!(begun, call[usize::from(warm)..]);
            door.order(Order::StopSession { session_id: CALL });
            door.report(|report| matches!(report, Report::SessionStopped { .. })).await;
            assert_eq!(open(&door), [warm, false], "closed before it is said");
            let mut ended = uses(&mut door);
            ended.sort_by_key(|(device, ..)| *device);
            let over = [(Device::Camera, false, Reason::CallOver), (Device::Microphone, false, Reason::CallOver)];
            assert_eq!(ended, over[usize::from(warm)..]);
            door.residents.clear();
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_told_without_a_call_and_without_opening() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let path = folder.path().join("door.png");
    let settings = MediaSettings { camera: CameraSource::File(path.clone()), ..settings() };
    let mut door = Door::open(settings, Patience::default()).await;
    fails(&mut door, Device::Camera, FaultKind::Missing).await;
    make(WHITE_PICTURE, &path);
    is_restored(&mut door, Device::Camera).await;
    assert!(!door.reports().any(|report| matches!(report, Report::Capturing { .. })), "nothing was opened");
    door.order(Order::StartSession { session_id: CALL, picture: true });
    let resident = door.join_and_see(1).await;
    sees(&mut door, resident, true).await;
}

#[tokio::test]
async fn devices_by_their_names_say_what_is_wrong() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let size = PictureSize { width: 320, height: 240 };
    let card =
        AlsaPcm { card: "Nowhere".to_owned(), device: 0, subdevice: None, rate: None, channels: None, plug: false };
    let camera = V4l2Camera {
        path: folder.path().join("usb-camera-video-index0"),
        format: PixelFormat::Raw,
        size,
        frame_rate: None,
    };
    let absent = MediaSettings {
        camera: CameraSource::V4l2(camera.clone()),
        microphone: MicrophoneSource::Alsa(card.clone()),
        speaker: SpeakerSink::Alsa(card),
        ..settings()
    };
    let mut door = Door::in_session(absent).await;
    let resident = door.join_and_see(1).await;
    door.order(Order::OpenGate { peer: resident });
    for device in [Device::Camera, Device::Microphone, Device::Speaker] {
        fails(&mut door, device, FaultKind::Missing).await;
    }
    hears_nothing(&mut door, resident).await;
    // Something is there, and it is no camera.
    door.heard.clear();
    fs::write(&camera.path, "").expect("it is ours");
    door.report(|report| matches!(report, Report::DeviceFailed { fault, .. } if fault.message.contains("v4l2src")))
        .await;
    sees(&mut door, resident, false).await;
    assert!(!door.reports().any(captures));
    nobody_was_lost(&door);

    gst::init().expect("GStreamer is installed where this feature is built");
    if gst::ElementFactory::find("libcamerasrc").is_none() {
        let camera = CameraSource::Libcamera(LibcameraCamera { id: "/base/imx219@10".to_owned(), size });
        let mut door = Door::in_session(MediaSettings { camera, ..settings() }).await;
        door.report(|report| {
            matches!(report, Report::DeviceFailed { fault, .. } if fault.message.ends_with("gstreamer1.0-libcamera"))
        })
        .await;
        door.join_and_see(1).await;
    }
}

#[tokio::test]
async fn a_camera_that_hangs_and_does_not_even_close_leaves_the_call_alone() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let (film, pipe) = (folder.path().join("film.webm"), folder.path().join("camera"));
    make(
        "videotestsrc pattern=white num-buffers=50 ! video/x-raw,framerate=25/1 ! vp8enc deadline=1 ! webmmux streamable=true",
        &film,
    );
    let mut film = fs::read(film).expect("it was just made");
    film.extend(void(8 * 1024));
    let camera = plug_in(&film, &pipe);
    let mut door = Door::in_session(MediaSettings { camera: CameraSource::File(pipe.clone()), ..settings() }).await;
    let pid = door.pid();
    let resident = door.join_and_see(1).await;
    sees(&mut door, resident, true).await;
    door.resident(resident).look_closely();
    fails(&mut door, Device::Camera, FaultKind::Failed).await;
    sees(&mut door, resident, false).await;
    let looks = door.resident(resident).looks();
    let frozen = looks.windows(2).map(|two| two[1].at.duration_since(two[0].at)).max();
    recovered("camera stalls", "black in its place", frozen.expect("there were pictures before and after"));
    // Longer than anything else may take to close.
    for _ in 0..8 {
        door.pictures(resident, 25).await;
    }
    sees(&mut door, resident, false).await;
    assert!(
        !door.reports().any(|report| matches!(report, Report::Capturing { camera: false, .. })),
        "it is open still"
    );
    let again = plug_in(&film, &pipe);
    let released = Instant::now();
    drop(camera);
    is_restored(&mut door, Device::Camera).await;
    sees(&mut door, resident, true).await;
    recovered("stalled camera gone, another plugged in", "its picture again", released.elapsed());
    nobody_was_lost(&door);
    assert_eq!(door.pid(), pid, "the worker lives");
    drop(again);
}

#[tokio::test]
async fn a_speaker_that_is_pulled_out_comes_back() {
    let folder = tempfile::tempdir().expect("there is room for it");
    let pipe = folder.path().join("speaker");
    make_pipe(&pipe);
    let settings = MediaSettings { speaker: SpeakerSink::File(pipe.clone()), ..settings() };
    let mut door = Door::in_session(settings).await;
    let (hands, handled) = mpsc::channel::<()>();
    let reading = pipe.clone();
    let card = std::thread::spawn(move || {
        for _ in 0..2 {
            // What the worker opens and closes again does not take it out: it reads on until it is pulled.
            let mut speaker = OpenOptions::new()
                .read(true)
                .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
                .open(&reading)
                .expect("the pipe is there");
            let mut piece = [0; 4096];
            while handled.try_recv() == Err(mpsc::TryRecvError::Empty) {
                if !speaker.read(&mut piece).is_ok_and(|read| read > 0) {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            drop(speaker);
            let _pulled_out = handled.recv();
        }
    });
    let resident = door.join_and_see(1).await;
    door.order(Order::Play { sound: Some(Audible::Tone(ToneStep { hertz: [600, 0], dbfs: -12 })) });
    door.speaker_plays(600.0).await;
    let pulled = Instant::now();
    hands.send(()).expect("the card waits for it");
    fails(&mut door, Device::Speaker, FaultKind::Failed).await;
    recovered("speaker pulled out", "noticed", pulled.elapsed());
    door.until("no level", |door| door.speaker_levels().next_back().is_some_and(|(dbfs, _)| dbfs < -60.0)).await;
    let plugged = Instant::now();
    hands.send(()).expect("the card waits for it");
    is_restored(&mut door, Device::Speaker).await;
    door.speaker_plays(600.0).await;
    recovered("speaker plugged in", "sound again", plugged.elapsed());
    door.pictures(resident, 10).await;
    nobody_was_lost(&door);
    door.drop_worker();
    drop(hands);
    card.join().expect("it did all it had to");
}

/// A camera at this path that gives a film and then nothing, and nothing can be done about it until it is dropped.
fn plug_in(film: &[u8], path: &Path) -> fs::File {
    let new = path.with_extension("new");
    make_pipe(&new);
    let mut camera = OpenOptions::new().read(true).write(true).open(&new).expect("it is ours");
    camera.write_all(film).expect("a pipe takes more");
    fs::rename(&new, path).expect("the folder is ours");
    camera
}

/// So many bytes of nothing behind a film (RFC 8794 §11.3.2): what reads a pipe waits for whole blocks.
fn void(length: u32) -> Vec<u8> {
    let mut element = vec![0xEC, 0x01, 0, 0, 0];
    element.extend(length.to_be_bytes());
    element.resize(element.len() + length as usize, 0);
    element
}

fn make_pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::from(0o600), 0)
        .expect("the folder is ours");
}

#[test]
fn the_check_of_the_hardware_tells_a_picture_from_what_is_none() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    make(WHITE_PICTURE, &path.join("door.png"));
    fs::write(path.join("door.jpg"), "this is no picture").expect("the directory is ours");
    fs::write(path.join("credential"), "0123456789abcdef0123456789abcdef\n").expect("the directory is ours");
    let checked = |camera: &str| {
        let text = format!(
            "[hub]\naddress = \"http://127.0.0.1:9\"\ncredential = {{ file = {:?} }}\n\
             [[button]]\nid = \"one\"\nlabel = \"One\"\nreceiver = {{ group = \"flat-1\" }}\n\
             [panel.page]\nlisten = \"127.0.0.1:0\"\n[camera.file]\npath = {:?}\n",
            path.join("credential"),
            path.join(camera)
        );
        fs::write(path.join("door.toml"), text).expect("the directory is ours");
        let door = std::process::Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(["check", "--hardware"])
            .arg(path.join("door.toml"))
            .output()
            .expect("the binary was built for this test");
        (door.status.code(), String::from_utf8_lossy(&door.stdout).into_owned())
    };
    let (code, table) = checked("door.png");
    assert!(code == Some(0) && table.contains("gives pictures"), "{code:?}: {table}");
    let (code, table) = checked("door.jpg");
    assert!(code == Some(69) && !table.contains("gives pictures"), "{code:?}: {table}");
}
