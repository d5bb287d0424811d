//! Hostile input on a real hub: an error that says what is wrong, or a closed socket; and everybody else goes on ringing.

mod hub_house;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doorward::signaling::protocol::{ClientFrame, ErrorCode, EventKind, HubFrame, MAX_FRAME};
use hub_house::{DEADLINE, Device, House, key, read_refusal};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// A house in which the front door and Anna are there, to see that nothing disturbs them.
async fn house() -> (House, Device, Device) {
    let house = House::new().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    house.settle(&anna).await;
    (house, front, anna)
}

/// Sends bytes and reads what comes back until the hub closes, or for as long as `patience`.
async fn raw(house: &House, bytes: &[u8], patience: Duration) -> String {
    let mut stream = TcpStream::connect(house.address).await.expect("the hub listens");
    // The hub may close before it has read everything.
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
        }
    };
    drop(timeout(patience, read).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn every_wrong_request_has_an_answer_that_says_why() {
    let (_house, front, _) = house().await;
    let initiate = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut body = json!({ "key": key(), "receiverType": "group", "receiver": "flat-1", "type": "video" });
        change(&mut body);
        body.to_string()
    };
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let many: serde_json::Value =
        (0..17).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    for (body, word) in [
        (String::new(), "EOF"),
        ("{".to_owned(), "EOF"),
        ("null".to_owned(), "null"),
        (deep.clone(), "sequence"),
        (initiate(&|body| body["key"] = json!("two words")), "allowed are letters"),
        (initiate(&|body| body["key"] = json!("k".repeat(65))), "65 characters"),
        (initiate(&|body| body["receiverType"] = json!("everybody")), "everybody"),
        (initiate(&|body| body["type"] = json!("smell")), "smell"),
        (initiate(&|body| drop(body.as_object_mut().expect("an object").remove("key"))), "missing field `key`"),
        (initiate(&|body| body["metadata"] = many.clone()), "17 entries"),
        (initiate(&|body| body["metadata"] = json!({ "k": "v".repeat(257) })), "256 characters"),
    ] {
        let (status, answer) = front.post("/v1/calls", body).await;
        let refusal = read_refusal(status, answer);
        assert_eq!(refusal.code, ErrorCode::ErrBadRequest);
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
    // What is not known is passed over, as long as it is not a trap.
    assert_eq!(front.post("/v1/calls", initiate(&|body| body["later"] = json!([[[1]]]))).await.0, 200);
    let later = format!(r#"{{"later":{deep},{}"#, &initiate(&|_| ())[1..]);
    let (status, answer) = front.post("/v1/calls", later).await;
    assert!(read_refusal(status, answer).message.contains("recursion limit"));
}

#[tokio::test]
async fn every_wrong_address_has_an_answer_that_says_why() {
    let (house, front, anna) = house().await;
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let body = json!({ "key": key() }).to_string();
    for (path, status, expected) in [
        ("/v1/calls/x/accept".to_owned(), 404, ErrorCode::ErrCallSessionNotFound),
        (format!("/v1/calls/{}/accept", "0".repeat(32)), 404, ErrorCode::ErrCallSessionNotFound),
        (format!("/v1/calls/{session}/answer"), 404, ErrorCode::ErrNotFound),
        (format!("/v1/calls/{session}/reject"), 400, ErrorCode::ErrBadRequest),
        ("/v1/open-all-doors".to_owned(), 404, ErrorCode::ErrNotFound),
        ("/v1/me".to_owned(), 405, ErrorCode::ErrBadRequest),
        ("/index.html".to_owned(), 405, ErrorCode::ErrBadRequest),
        (format!("/v1/calls?token={}", anna.credential), 400, ErrorCode::ErrBadRequest),
        (format!("/v1/calls/{session}/accept?access_token=x"), 400, ErrorCode::ErrBadRequest),
    ] {
        let (found, answer) = anna.post(&path, body.clone()).await;
        let refusal =
            serde_json::from_value::<doorward::signaling::protocol::ErrorBody>(answer).expect("a refusal").error;
        assert_eq!((found, refusal.code), (status, expected), "{path}: {}", refusal.message);
        assert!(!refusal.message.contains(&anna.credential));
    }
    assert_eq!(anna.get("/v1/events").await.0, 400);
    assert_eq!(anna.get("/v1/nothing").await.0, 404);
    assert_eq!(anna.get("/../Cargo.toml").await.0, 404);
    assert_eq!(anna.get("/panel/index.html").await.0, 404);
    for path in ["/v1/me", "/v1/calls", "/v1/calls/active"] {
        let answer = anna.http.get(anna.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 401, "{path}");
    }
    for header in ["", "Basic YTpi", "Bearer", "Bearer x", &format!("Bearer dw1.{}.{}", anna.id, "A".repeat(43))] {
        let answer = anna.http.get(anna.url("/v1/me")).header("authorization", header).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 401, "{header}");
    }
    // A page of another site.
    for (origin, status) in [
        ("https://evil.example".to_owned(), 403),
        ("null".to_owned(), 403),
        (format!("http://{}.evil.example", house.address), 403),
        (format!("http://{}", house.address), 200),
    ] {
        let request = anna.http.get(anna.url("/v1/me")).header("origin", &origin);
        let answer = request.bearer_auth(&anna.credential).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{origin}");
    }
}

#[tokio::test]
async fn s13_sizes_are_bounded() {
    let (house, front, anna) = house().await;
    let body = |size: usize| {
        let empty = json!({ "key": key(), "later": "" }).to_string();
        json!({ "key": key(), "later": "x".repeat(size - empty.len()) }).to_string()
    };
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    let path = format!("/v1/calls/{session}/accept");
    let (status, answer) = anna.post(&path, body(MAX_FRAME + 100)).await;
    assert_eq!(read_refusal(status, answer).code, ErrorCode::ErrPayloadTooLarge);
    assert_eq!(anna.post(&path, body(MAX_FRAME - 100)).await.0, 200);

    let huge = format!("GET /v1/me HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024));
    let answer = raw(&house, huge.as_bytes(), DEADLINE).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = format!("GET /v1/me HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: x\r\n".repeat(500));
    let answer = raw(&house, many.as_bytes(), DEADLINE).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    for noise in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"\0\0\0\0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let answer = raw(&house, noise, DEADLINE).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    front.verb(session, "end").await.expect("nobody was disturbed");
}

#[tokio::test]
async fn s13_frames_are_bounded_and_well_formed_or_the_socket_is_closed() {
    let (house, front, anna) = house().await;
    let mut healthy = anna.connect().await;
    let padded = |size: usize| {
        let bare = r#"{"type":"ping","later":""}"#;
        format!(r#"{{"type":"ping","later":"{}"}}"#, "x".repeat(size - bare.len()))
    };
    for (frame, expected) in [
        (Message::text("{"), ErrorCode::ErrBadRequest),
        (Message::text(""), ErrorCode::ErrBadRequest),
        (Message::text("[]"), ErrorCode::ErrBadRequest),
        (Message::text(format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000))), ErrorCode::ErrBadRequest),
        (Message::text(r#"{"type":"startSession"}"#), ErrorCode::ErrBadRequest),
        (Message::text(r#"{"type":"acknowledge","sessionId":"x","entry":1}"#), ErrorCode::ErrBadRequest),
        (
            Message::text(r#"{"type":"acknowledge","sessionId":"00000000000000000000000000000000","entry":-1}"#),
            ErrorCode::ErrBadRequest,
        ),
        (Message::binary(b"{\"type\":\"ping\"}".to_vec()), ErrorCode::ErrBadRequest),
        (Message::text(padded(MAX_FRAME + 1)), ErrorCode::ErrPayloadTooLarge),
    ] {
        let mut socket = anna.connect().await;
        futures_util::SinkExt::send(&mut socket.0, frame).await.expect("the hub reads");
        assert_eq!(socket.refused().await.code, expected);
    }
    let mut socket = anna.connect().await;
    for frame in [r#"{"type":"reboot"}"#.to_owned(), padded(MAX_FRAME), r#"{"type":"ping","later":{}}"#.to_owned()] {
        socket.send_text(frame).await;
    }
    for _ in 0..2 {
        socket.until(|frame| matches!(frame, HubFrame::Pong {})).await;
    }
    front.initiate("group", "flat-1").await.expect("it may");
    healthy.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    drop(house);
}

#[tokio::test]
async fn the_first_frame_says_who_it_is() {
    let (house, _, anna) = house().await;
    let url = format!("ws://{}/v1/events", house.address);
    let hello =
        |protocol: u32, credential: &str| json!({ "type": "hello", "protocol": protocol, "credential": credential });
    for (frame, expected) in [
        (json!({ "type": "ping" }), ErrorCode::ErrBadRequest),
        (json!({ "type": "hello", "protocol": 1 }), ErrorCode::ErrUnauthorized),
        (hello(2, &anna.credential), ErrorCode::ErrBadRequest),
        (hello(1, "dw1.nobody.x"), ErrorCode::ErrUnauthorized),
        (hello(1, &anna.credential[..anna.credential.len() - 1]), ErrorCode::ErrUnauthorized),
    ] {
        let (stream, _) = tokio_tungstenite::connect_async(&url).await.expect("a browser's socket has no header");
        let mut socket = hub_house::Socket(stream);
        socket.send_text(frame.to_string()).await;
        assert_eq!(socket.refused().await.code, expected, "{frame}");
    }
    let (stream, _) = tokio_tungstenite::connect_async(&url).await.expect("a browser's socket has no header");
    let mut socket = hub_house::Socket(stream);
    socket.send_text(hello(1, &anna.credential).to_string()).await;
    socket.until(|frame| matches!(frame, HubFrame::Welcome { .. })).await;
    // With a wrong header there is no socket at all.
    let wrong = Device { credential: "dw1.nobody.x".to_owned(), ..anna };
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(&url).expect("a URL");
    let header = format!("Bearer {}", wrong.credential).parse().expect("ASCII");
    request.headers_mut().insert("authorization", header);
    let refused = tokio_tungstenite::connect_async(request).await.expect_err("it is refused");
    assert!(refused.to_string().contains("401"), "{refused}");
}

#[tokio::test]
async fn who_is_slow_is_closed_and_who_is_idle_and_known_is_not() {
    let (house, _, anna) = house().await;
    // The head of a request, one byte at a time; a handshake that never says hello; a body that never comes.
    let begun = Instant::now();
    let dripping = async {
        let mut stream = TcpStream::connect(house.address).await.expect("the hub listens");
        for byte in b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mute = async {
        let mut socket = anna.open().await;
        assert_eq!(socket.refused().await.code, ErrorCode::ErrBadRequest);
    };
    let bodiless = async {
        let head = format!("POST /v1/pair HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\n{{", house.address);
        let answer = raw(&house, head.as_bytes(), Duration::from_secs(6)).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    };
    let silent = async {
        let answer = raw(&house, b"", Duration::from_secs(8)).await;
        assert!(answer.is_empty(), "{answer}");
    };
    // One connection by hand, to see that it is the same one after a time that would be too long for somebody unknown.
    let known = async {
        let mut stream = TcpStream::connect(house.address).await.expect("the hub listens");
        let head = format!(
            "GET /v1/me HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            house.address, anna.credential
        );
        for _ in 0..2 {
            stream.write_all(head.as_bytes()).await.expect("it is still open");
            let mut answer = [0; 2048];
            let count = stream.read(&mut answer).await.expect("it is still open");
            assert!(answer[..count].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..count]));
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
    };
    let strangers = async {
        tokio::join!(dripping, mute, bodiless, silent);
        assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    };
    tokio::join!(strangers, known);
}

#[tokio::test]
async fn a_flood_of_frames_is_slowed_and_disturbs_nobody() {
    let (_house, front, anna) = house().await;
    let mut flooding = anna.connect().await;
    let mut healthy = anna.connect().await;
    for _ in 0..300 {
        flooding.send(&ClientFrame::Ping {}).await;
    }
    let begun = Instant::now();
    front.initiate("group", "flat-1").await.expect("it may");
    healthy.event(|event| matches!(event, EventKind::IncomingCallReceived { .. })).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // Slowed, not lost: 300 frames at 50 per second after a burst of 100.
    let begun = Instant::now();
    let mut pongs = 0;
    while pongs < 300 {
        if let HubFrame::Pong {} = flooding.next().await {
            pongs += 1;
        }
    }
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
    // And verbs.
    let mut refused = None;
    for _ in 0..200 {
        let (status, body) = front.post("/v1/calls", "{}").await;
        if status == 429 {
            refused = Some(read_refusal(status, body));
            break;
        }
    }
    assert!(refused.expect("they are counted").details.retry_after.is_some());
    assert_eq!(anna.get("/v1/me").await.0, 200);
}

#[tokio::test]
async fn connections_are_bounded() {
    let mut config = doorward::config::hub::HubConfig::default();
    config.server.max_connections = 16;
    let house = House::with(config).await;
    let anna = house.device("anna");
    house.settle(&anna).await;
    let mut sockets = Vec::new();
    while sockets.len() < 15 {
        sockets.push(anna.connect().await);
    }
    // The sixteenth place is the kept-alive connection of the verbs; who comes now is closed at once.
    assert_eq!(raw(&house, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", DEADLINE).await, "");
    drop(sockets.pop());
    let free = async {
        while raw(&house, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", DEADLINE).await.is_empty() {
        }
    };
    timeout(DEADLINE, free).await.expect("the place is free again");
}

#[tokio::test]
async fn strangers_take_no_residents_place() {
    let mut config = doorward::config::hub::HubConfig::default();
    config.server.max_connections = 16;
    let house = House::with(config).await;
    let (anna, carl) = (house.device("anna"), house.device("carl"));
    house.settle(&anna).await;
    let mut phone = anna.connect().await;
    let mut strangers = Vec::new();
    for number in 0..48 {
        let mut stream = TcpStream::connect(house.address).await.expect("the hub listens");
        // Some say nothing, some half of a request, some have a WebSocket and say no more.
        let half = "GET /v1/events HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        let rest = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let said = ["", half, &format!("{half}{rest}")][number % 3].to_owned();
        stream.write_all(said.as_bytes()).await.expect("the hub reads");
        if number % 3 == 2 {
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.expect("it is upgraded");
        }
        strangers.push(stream);
    }
    let _newcomer = carl.connect().await;
    assert_eq!(carl.get("/v1/me").await.0, 200);
    phone.send(&ClientFrame::Ping {}).await;
    assert_eq!(phone.next().await, HubFrame::Pong {}, "who was there is there still");
    let mut oldest = strangers.swap_remove(0);
    let closed = timeout(Duration::from_secs(2), oldest.read(&mut [0; 16])).await.expect("long before its time was up");
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody fails here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn s7_no_secret_is_ever_logged() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    // For every thread of this process; no other test of this program looks at the log.
    tracing::subscriber::set_global_default(subscriber.finish()).expect("it is the first");
    let (house, front, anna) = house().await;
    let code = house.administration().pair(&"ben".parse().expect("a word")).expect("he is there").into_exposed();
    let body = json!({ "code": code, "deviceName": "phone" }).to_string();
    let (_, admission) = anna.post_without_credential("/v1/pair", body).await;
    let paired = admission["credential"].as_str().expect("a credential").to_owned();
    let (mut door, mut phone) = (front.connect().await, anna.connect().await);
    let session = front.initiate("group", "flat-1").await.expect("it may").session_id;
    front.start_session(&mut door, session).await;
    let token = anna.token(session).await.expect("she may look").token;
    let text = token.expose().clone();
    phone.send(&ClientFrame::StartSession { session_id: session, token, keeps: None }).await;
    phone
        .send_text(
            json!({ "type": "signal", "sessionId": session, "peer": 1,
        "signal": { "kind": "candidate", "candidate": "candidate:192.0.2.7", "sdpMLineIndex": 0 } })
            .to_string(),
        )
        .await;
    phone.drain().await;
    door.drain().await;
    anna.post("/v1/calls?credential=s3cret", "{}").await;
    Device { credential: format!("{}x", anna.credential), ..anna.clone() }.get("/v1/me").await;

    let log = String::from_utf8(lines.0.lock().expect("nobody fails here").clone()).expect("text");
    // Lines of the hub itself; at TRACE the libraries print what goes over the wire, and nobody runs a hub so.
    let ours: String = log.lines().filter(|line| line.contains("doorward")).map(|line| format!("{line}\n")).collect();
    assert!(ours.contains("call initiated") && ours.contains("device admitted"), "{ours}");
    for secret in [&code, &paired, &text, &anna.credential, &front.credential, "192.0.2.7", "s3cret"] {
        assert!(!ours.contains(secret), "{secret} in {ours}");
        let loud = |line: &&str| !line.contains("TRACE") && !line.contains("DEBUG");
        assert!(log.lines().filter(loud).all(|line| !line.contains(secret)), "{secret}");
    }
}
