//! From a confirmed press to the resident's socket having the whole ring, with the real hub and the real clients: on
//! loopback, with a delay between everybody and the hub (the slope says how many round trips it takes), and beside baresip's
//! dial to INVITE where that is installed.

mod bench;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bench::{Furnished, machine, row};
use doorward::call::{Action, Button, Event, Rules, Station};
use doorward::clock;
use doorward::signaling::client::{Client, Told};
use doorward::signaling::protocol::{EventKind, Receiver, RejectStatus, VerbAnswer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const PRESSES: usize = 100;
const PRESSES_FAR_AWAY: usize = 30;
/// A device may ask for ten verbs a second, and each visitor here costs two; the limit is not what is measured.
const BETWEEN_VISITORS: Duration = Duration::from_millis(220);

fn main() {
    machine("press (confirmed) to ring (the resident's socket has the whole frame)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for residents in [1, 2, 50] {
            let furnished = Furnished::new(residents);
            let hub = furnished.hub();
            row(&format!("doorward, loopback, last of {residents}"), presses(&furnished, &hub.address, PRESSES).await);
        }
        let mut medians = Vec::new();
        for rtt in [0_u64, 20, 50, 150] {
            let furnished = Furnished::new(1);
            let hub = furnished.hub();
            let far = delayed(&hub.address, Duration::from_millis(rtt) / 2).await;
            let samples = presses(&furnished, &far, PRESSES_FAR_AWAY).await;
            medians.push((
                rtt as f64,
                row(&format!("doorward, {rtt} ms round trip to the hub"), samples).as_secs_f64() * 1000.0,
            ));
        }
        let (first, last) = (medians[0], medians[medians.len() - 1]);
        println!(
            "slope: {:.3} round trips (physics: half to the hub, half to the phone)",
            (last.1 - first.1) / (last.0 - first.0)
        );
    });
    match baresip() {
        Some(samples) => {
            row("baresip, loopback, dial to INVITE (no hub between)", samples);
        }
        None => println!("baresip: not installed, skipped (Debian: baresip-core)"),
    }
    println!("load after: {}", bench::load());
}

fn rules() -> Rules {
    Rules {
        door_name: "Front door".to_owned(),
        buttons: vec![Button {
            id: "flat-1".parse().expect("a word"),
            label: "Flat 1".to_owned(),
            receiver: Receiver::Group("flat-1".parse().expect("a word")),
        }],
        ..Rules::default()
    }
}

/// Presses so often, and cancels each time; from the press to the last resident's ring.
async fn presses(furnished: &Furnished, hub: &str, count: usize) -> Vec<Duration> {
    let (door, mut door_told) = Client::connect(Furnished::settings(hub, &furnished.door)).expect("good settings");
    let mut residents = Vec::new();
    for credential in &furnished.residents {
        residents.push(Client::connect(Furnished::settings(hub, credential)).expect("good settings"));
    }
    until(&mut door_told, |told| matches!(told, Told::Up { .. }).then_some(())).await;
    for (_, told) in &mut residents {
        until(told, |told| matches!(told, Told::Up { .. }).then_some(())).await;
    }
    // The connection for the verbs is opened when the link is up; a visitor is not that fast.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        tokio::time::sleep(BETWEEN_VISITORS).await;
        let mut station = Station::new(rules(), clock::boot_id());
        let pressed = Instant::now();
        for action in station.handle(clock::now(), Event::Pressed("flat-1".parse().expect("a word"))) {
            if let Action::Ask(request) = action {
                door.ask(request);
            }
        }
        for (_, told) in &mut residents {
            until(told, |told| match told {
                Told::Event(event) => matches!(event.event, EventKind::IncomingCallReceived { .. }).then_some(()),
                _ => None,
            })
            .await;
        }
        samples.push(pressed.elapsed());
        let session = until(&mut door_told, |told| match told {
            Told::Answered { result: Ok(VerbAnswer::Call(call)), .. } => Some(call.session_id),
            Told::Answered { result, .. } => panic!("refused: {result:?}"),
            _ => None,
        })
        .await;
        door.reject(session, RejectStatus::Cancelled).await.expect("the caller may cancel");
        for (_, told) in &mut residents {
            until(told, |told| match told {
                Told::Event(event) => matches!(event.event, EventKind::IncomingCallCancelled { .. }).then_some(()),
                _ => None,
            })
            .await;
        }
    }
    samples
}

async fn until<T>(told: &mut mpsc::Receiver<Told>, wanted: impl Fn(&Told) -> Option<T>) -> T {
    let found = async {
        loop {
            let told = told.recv().await.expect("the client runs");
            if let Some(found) = wanted(&told) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("in time")
}

/// A way to the hub that takes so long in each direction.
async fn delayed(hub: &str, delay: Duration) -> String {
    let target: SocketAddr = hub.trim_start_matches("http://").parse().expect("an address");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(target).await else { continue };
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            tokio::spawn(carry(near_in, far_out, delay));
            tokio::spawn(carry(far_in, near_out, delay));
        }
    });
    format!("http://{address}")
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin + Send + 'static,
    delay: Duration,
) {
    let (bytes_in, mut bytes) = mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, chunk)) = bytes.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 || bytes_in.send((tokio::time::Instant::now() + delay, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

/// The reference small SIP client: its `dial` command to the INVITE on the callee's socket.
fn baresip() -> Option<Vec<Duration>> {
    use std::io::Write;
    use std::net::UdpSocket;

    let directory = tempfile::tempdir().ok()?;
    let free = || std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).ok();
    let (sip, control) = (free()?, free()?);
    let modules = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"]
        .into_iter()
        .find(|path| std::path::Path::new(path).is_dir())?;
    let config = format!(
        "module_path {modules}\nmodule g711.so\nmodule_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n\
         sip_listen {sip}\nctrl_tcp_listen {control}\nrtp_ports 20000-20100\n"
    );
    std::fs::write(directory.path().join("config"), config).ok()?;
    std::fs::write(directory.path().join("accounts"), "<sip:door@127.0.0.1>;regint=0\n").ok()?;
    let mut peer = std::process::Command::new("baresip")
        .arg("-f")
        .arg(directory.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .ok()?;
    let samples = (|| {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut commands = loop {
            match std::net::TcpStream::connect(control) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Err(_) => return None,
            }
        };
        commands.set_nodelay(true).ok()?;
        let callee = UdpSocket::bind("127.0.0.1:0").ok()?;
        callee.set_read_timeout(Some(Duration::from_secs(3))).ok()?;
        let port = callee.local_addr().ok()?.port();
        let mut samples = Vec::new();
        for _ in 0..200 {
            let order = format!("{{\"command\":\"dial\",\"params\":\"sip:r@127.0.0.1:{port}\"}}");
            let dialed = Instant::now();
            commands.write_all(format!("{}:{order},", order.len()).as_bytes()).ok()?;
            let (invite, from) = receive(&callee, "INVITE")?;
            samples.push(dialed.elapsed());
            callee.send_to(busy(&invite).as_bytes(), from).ok()?;
            receive(&callee, "ACK")?;
            std::thread::sleep(Duration::from_millis(3));
        }
        Some(samples)
    })();
    let _ = peer.kill();
    let _ = peer.wait();
    samples
}

fn receive(callee: &std::net::UdpSocket, method: &str) -> Option<(String, SocketAddr)> {
    let mut buffer = [0; 8192];
    loop {
        let (length, from) = callee.recv_from(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.starts_with(method) {
            return Some((text, from));
        }
    }
}

/// 486 Busy Here (RFC 3261 §21.4.24) to this INVITE.
fn busy(invite: &str) -> String {
    let header =
        |name: &str| invite.lines().find(|line| line.to_lowercase().starts_with(name)).unwrap_or_default().to_owned();
    format!(
        "SIP/2.0 486 Busy Here\r\n{}\r\n{}\r\n{};tag=z\r\n{}\r\n{}\r\nContent-Length: 0\r\n\r\n",
        header("via:"),
        header("from:"),
        header("to:"),
        header("call-id:"),
        header("cseq:")
    )
}
