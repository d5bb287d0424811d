//! Many at once, and some of them rude: everybody comes back in the same moment, one does not read, one door rings without end,
//! strangers begin and never finish. Nobody else waits for them, and the hub keeps a bounded memory of them.
//!
//! `DOORWARD_CROWD=8000` is as many as a large building has (`make soak-hub`); without it, few enough for every day.

mod hub_house;
mod hub_process;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use doorward::ids::{PeerId, SessionId};
use doorward::signaling::protocol::{ClientFrame, EventKind, HubFrame, Signal};
use hub_house::{DEADLINE, Device, House, Socket, key};
use hub_process::spawn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many are many.
fn crowd() -> usize {
    let room = getrlimit(Resource::Nofile);
    // Both ends of every socket are in this process.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: room.maximum, maximum: room.maximum });
    std::env::var("DOORWARD_CROWD").map_or(400, |number| number.parse().expect("DOORWARD_CROWD is a number"))
}

/// Nothing of a crowd takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rings so often, takes it back each time, and sees that the phone hears it: once each, in order. How long each took.
async fn rings(door: &Device, phone: &mut Socket, group: &str, count: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        let call = door.initiate("group", group).await.expect("it may");
        let heard = next_event(phone).await;
        times.push(begun.elapsed());
        assert!(matches!(heard, (id, EventKind::IncomingCallReceived { .. }) if id == call.session_id), "{heard:?}");
        door.reject(call.session_id, "cancelled").await.expect("it may");
        let heard = next_event(phone).await;
        assert!(matches!(heard, (id, EventKind::IncomingCallCancelled { .. }) if id == call.session_id), "{heard:?}");
    }
    times
}

async fn next_event(phone: &mut Socket) -> (SessionId, EventKind) {
    match phone.until(|frame| matches!(frame, HubFrame::Event(_))).await {
        HubFrame::Event(event) => (event.session_id, event.event),
        other => panic!("{other:?}"),
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: {} rings, median {middle:?}, longest {last:?}", times.len());
}

#[tokio::test]
async fn everybody_comes_back_at_once_and_rings_get_through() {
    let mut house = House::with({
        let mut config = doorward::config::hub::HubConfig::default();
        config.server.max_connections = 100_000;
        config
    })
    .await;
    let (garden, carl) = (house.device("garden"), house.device("carl"));
    let devices: Vec<_> = (0..8).map(|_| house.device("anna")).collect();
    house.settle(devices.last().expect("there are eight")).await;
    let mut online = Vec::new();
    for number in 0..crowd() {
        online.push(devices[number % devices.len()].connect().await);
    }
    let mut phone = carl.connect().await;
    print("quiet", rings(&garden, &mut phone, "flat-2", 10).await);

    house.config.server.listen = house.address;
    house.restart().await;
    let begun = Instant::now();
    let back = Arc::new(AtomicUsize::new(0));
    let mut storm = JoinSet::new();
    for (number, mut socket) in online.into_iter().enumerate() {
        let (device, back) = (devices[number % devices.len()].clone(), back.clone());
        storm.spawn(async move {
            while socket.frame().await.is_some() {}
            drop(socket);
            let socket = device.connect().await;
            back.fetch_add(1, Ordering::Relaxed);
            socket
        });
    }
    let mut phone = carl.connect().await;
    let during = rings(&garden, &mut phone, "flat-2", 15).await;
    println!("{} of {} were back after the rings", back.load(Ordering::Relaxed), crowd());
    print("meanwhile", during);
    let all = timeout(PATIENCE, storm.join_all()).await.expect("everybody comes back");
    println!("all back after {:?}", begun.elapsed());
    assert_eq!(all.len(), crowd());
    // They are not only connected, they are served.
    for mut socket in all.into_iter().step_by(crowd() / 8) {
        assert_eq!(socket.drain().await, []);
    }
}

/// A socket that takes next to nothing that is not read.
async fn narrow(device: &Device) -> Socket {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let socket = TcpSocket::new_v4().expect("there is one");
    socket.set_recv_buffer_size(4096).expect("it may be small");
    let stream = socket.connect(device.address).await.expect("the hub listens");
    let mut request = format!("ws://{}/v1/events", device.address).into_client_request().expect("an address");
    let bearer = format!("Bearer {}", device.credential);
    request.headers_mut().insert("authorization", bearer.parse().expect("ASCII"));
    let stream = tokio_tungstenite::MaybeTlsStream::Plain(stream);
    let (stream, _) = tokio_tungstenite::client_async(request, stream).await.expect("the hub takes it");
    let mut socket = Socket(stream);
    socket.send(&ClientFrame::Hello { protocol: 1, credential: None, seen: Vec::new() }).await;
    socket.until(|frame| matches!(frame, HubFrame::Welcome { .. })).await;
    socket
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_nobody_waits() {
    const SIGNALS: usize = 60;
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    let (garden, carl) = (house.device("garden"), house.device("carl"));
    house.settle(&carl).await;
    let (mut door, mut slow, mut phone) = (front.connect().await, narrow(&anna).await, carl.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    front.start_session(&mut door, session).await;
    anna.start_session(&mut slow, session).await;
    for _ in 0..SIGNALS {
        let signal = Signal::Candidate { candidate: "x".repeat(50_000).into(), sdp_m_line_index: 0 };
        let to = Some(anna.id.clone());
        door.send(&ClientFrame::Signal { session_id: session, device_id: to, peer: PeerId(1), signal }).await;
    }
    // The door's frames are read, all of them, though nobody takes them at the other end.
    door.drain().await;
    print("beside one who does not read", rings(&garden, &mut phone, "flat-2", 10).await);
    let mut heard = 0;
    let end = async {
        while let Some(frame) = slow.frame().await {
            heard += usize::from(matches!(frame, HubFrame::Signal { .. }));
        }
    };
    timeout(DEADLINE, end).await.expect("the hub closed it");
    println!("{heard} of {SIGNALS} signals were on their way to it");
    assert!(heard < SIGNALS / 2, "the rest was not kept: {heard}");
    // It comes back and is served like everybody.
    assert_eq!(anna.connect_with(&[]).await.1.len(), 1, "its call still rings");
}

#[tokio::test]
async fn a_door_that_floods_leaves_the_others_their_rings() {
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    let (garden, carl) = (house.device("garden"), house.device("carl"));
    house.settle(&carl).await;
    let (mut phone, _sleeper) = (carl.connect().await, anna.connect().await);
    let quiet = rings(&garden, &mut phone, "flat-2", 10).await;

    let (enough, taken, refused) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::default());
    let begun = Instant::now();
    let mut flood = JoinSet::new();
    for _ in 0..8 {
        let (front, enough, taken, refused) = (front.clone(), enough.clone(), taken.clone(), Arc::clone(&refused));
        flood.spawn(async move {
            while !enough.load(Ordering::Relaxed) {
                let body = json!({ "key": key(), "receiverType": "group", "receiver": "flat-1", "type": "video" });
                let (status, _) = front.post("/v1/calls", body.to_string()).await;
                let count: &AtomicUsize = if status == 429 { &refused } else { &taken };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // And frames on its event socket.
    flood.spawn({
        let (front, enough) = (front.clone(), enough.clone());
        async move {
            let mut socket = front.connect().await;
            while !enough.load(Ordering::Relaxed) {
                if timeout(Duration::from_millis(50), socket.send(&ClientFrame::Ping {})).await.is_err() {
                    continue;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    while refused.load(Ordering::Relaxed) < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let during = rings(&garden, &mut phone, "flat-2", 15).await;
    enough.store(true, Ordering::Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    timeout(DEADLINE, flood.join_all()).await.expect("it ends");
    let (taken, refused) = (taken.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    print("quiet", quiet);
    print("beside a flood", during);
    println!("of the flood {taken} were taken and {refused} refused, in {seconds:.1} s");
    // A burst of 60 and ten a second, whatever it tries.
    let most = 60.0 + 10.0 * (seconds + 1.0);
    assert!((taken as f64) <= most && refused > taken, "{taken} taken, {most} allowed, {refused} refused");
}

#[tokio::test]
async fn strangers_that_never_finish_cost_little_and_go() {
    let strangers = crowd() * 5 / 8;
    let mut house = House::new().await;
    house.stop().await;
    let (garden, carl) = (house.device("garden"), house.device("carl"));
    let hub = spawn(house.state.path()).await;
    house.address = hub.address;
    let (garden, carl) = (garden.at(&house), carl.at(&house));
    let mut phone = carl.connect().await;
    print("quiet", rings(&garden, &mut phone, "flat-2", 10).await);
    let mut sizes = vec![hub.resident()];
    for wave in 0..3 {
        let mut open = Vec::new();
        for number in 0..strangers {
            let mut stream = TcpStream::connect(house.address).await.expect("the hub listens");
            // Some say nothing, some half of a handshake.
            if number % 4 != 0 {
                let half = "GET /v1/events HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nX: ";
                stream.write_all(half.as_bytes()).await.expect("the hub reads");
            }
            open.push(stream);
        }
        print("beside strangers", rings(&garden, &mut phone, "flat-2", 3).await);
        // Somebody new gets in as well.
        drop(carl.connect().await);
        sizes.push(hub.resident());
        let mut closed = 0;
        for mut stream in open {
            let end = async { while matches!(stream.read(&mut [0; 512]).await, Ok(1..)) {} };
            timeout(DEADLINE, end).await.expect("after five seconds the hub closes them");
            closed += 1;
        }
        assert_eq!(closed, strangers, "wave {wave}");
    }
    let each = |size: u64| (size.saturating_sub(sizes[0])) as f64 / strangers as f64;
    println!("{strangers} strangers, {} and {} and {} kB each", each(sizes[1]), each(sizes[2]), each(sizes[3]));
    // Of this build, which optimises nothing; benches/hub_load prints what a device costs the real one.
    assert!(each(sizes[1]) < 64.0, "{sizes:?}");
    // The second finds the memory of the first in pieces; from then on it is the same.
    let growth = sizes[3].saturating_sub(sizes[2]);
    assert!(growth < sizes[1] / 4, "the third wave costs what the second did: {sizes:?}");
}
