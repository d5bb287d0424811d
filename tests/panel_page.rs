//! The panel's page over real sockets: who may press, what is shown, and that no finger stays on a button.

use std::net::SocketAddr;
use std::time::Duration;

use doorward::ids::ButtonId;
use doorward::panel::page::{Page, PageError, PageLines, PageSettings, PageStrip, open};
use doorward::panel::{Lines as _, Relay as _, Rgb, Strip as _};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

const DEADLINE: Duration = Duration::from_secs(10);

fn id(name: &str) -> ButtonId {
    name.parse().expect("it is a word")
}

async fn page() -> (Page, PageLines, PageStrip) {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let buttons = vec![(id("a"), "Flat A".to_owned()), (id("b"), "Flat <B>".to_owned())];
    open(PageSettings { listen, name: "Door".to_owned(), buttons, leds: 12 }).await.expect("loopback has free ports")
}

async fn edge(lines: &mut PageLines) -> (String, bool) {
    let edge =
        tokio::time::timeout(DEADLINE, lines.next_edge()).await.expect("an edge in time").expect("the page lives");
    (edge.input.to_string(), edge.active)
}

async fn ask(address: SocketAddr, request: String) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the page listens");
    stream.write_all(request.as_bytes()).await.expect("the page reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the page answers in text");
    answer
}

fn request(line: &str, host: &str, more: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n{more}\r\n")
}

async fn socket(address: SocketAddr) -> Socket {
    let mut request = format!("ws://{address}/socket").into_client_request().expect("a well-formed address");
    let origin = format!("http://{address}").parse().expect("a legal header");
    request.headers_mut().insert("origin", origin);
    tokio_tungstenite::connect_async(request).await.expect("the page takes its own socket").0
}

/// Waits for a message that says this.
async fn told(socket: &mut Socket, what: &str) -> String {
    let wait = async {
        loop {
            let message = socket.next().await.expect("the socket is open").expect("and whole");
            let text = message.to_text().expect("the page speaks text").to_owned();
            if text.contains(what) {
                return text;
            }
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("nobody said {what}"))
}

#[tokio::test]
async fn others_may_not_come_in() {
    let listen = "0.0.0.0:0".parse().expect("an address");
    let settings = PageSettings { listen, name: "Door".to_owned(), buttons: Vec::new(), leds: 12 };
    assert!(matches!(open(settings).await, Err(PageError::NotLoopback(_))));

    let (page, _lines, _strip) = page().await;
    let (address, own) = (page.address(), page.address().to_string());
    let port = address.port();
    for (line, host, more, status) in [
        ("GET /", own.as_str(), "", 200),
        ("GET /", &format!("localhost:{port}"), "", 200),
        ("GET /", "rebound.attacker.net", "", 403),
        ("GET /", &format!("rebound.attacker.net:{port}"), "", 403),
        ("GET /", &format!("127.0.0.1:{}", port ^ 1), "", 403),
        ("POST /press/a?hold=1", &own, "Origin: https://attacker.net\r\n", 403),
        ("POST /press/a?hold=1", &own, "Origin: null\r\n", 403),
        ("POST /press/c", &own, "", 404),
        ("POST /press/a?hold=x", &own, "", 400),
        ("GET /press/a", &own, "", 405),
        ("GET /socket", &own, "Origin: http://attacker.net\r\n", 403),
    ] {
        let answer = ask(address, request(line, host, more)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {host} {more}: {answer}");
    }
    let own_page = ask(address, request("GET /", &own, "")).await;
    assert!(own_page.contains("content-security-policy: default-src 'none'"), "{own_page}");
}

#[tokio::test]
async fn a_press_by_curl_has_two_edges() {
    let (page, mut lines, _strip) = page().await;
    let own = page.address().to_string();
    let answer = tokio::spawn(ask(page.address(), request("POST /press/a?hold=5", &own, "")));
    assert_eq!(edge(&mut lines).await, ("button a".to_owned(), true));
    assert_eq!(edge(&mut lines).await, ("button a".to_owned(), false));
    assert!(answer.await.expect("it ends").starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_closed_page_has_no_finger() {
    let (page, mut lines, _strip) = page().await;
    let mut socket = socket(page.address()).await;
    socket.send(Message::text(r#"{"press":"b"}"#)).await.expect("it is open");
    assert_eq!(edge(&mut lines).await, ("button b".to_owned(), true));
    socket.close(None).await.expect("it closes");
    assert_eq!(edge(&mut lines).await, ("button b".to_owned(), false));
}

#[tokio::test]
async fn nonsense_closes_the_socket_and_nothing_else() {
    let (page, mut lines, _strip) = page().await;
    let long = format!(r#"{{"press":"{}"}}"#, "a".repeat(500));
    for nonsense in [r#"{"press":"nobody"}"#, r#"{"open":"a"}"#, "hello", &long] {
        let mut socket = socket(page.address()).await;
        socket.send(Message::text(nonsense)).await.expect("it is open");
        let closed = async { while matches!(socket.next().await, Some(Ok(message)) if !message.is_close()) {} };
        tokio::time::timeout(DEADLINE, closed).await.expect("the page closes it");
    }
    let mut socket = socket(page.address()).await;
    socket.send(Message::text(r#"{"press":"a"}"#)).await.expect("it is open");
    assert_eq!(edge(&mut lines).await, ("button a".to_owned(), true));
}

#[tokio::test]
async fn the_page_shows_what_the_door_shows() {
    let (page, _lines, mut strip) = page().await;
    let mut socket = socket(page.address()).await;
    let layout = told(&mut socket, "layout").await;
    assert!(layout.contains(r#""buttons":[{"id":"a","label":"Flat A"},{"id":"b","label":"Flat <B>"}],"leds":12"#));
    let mut frame = vec![Rgb::default(); strip.length()];
    frame[1] = Rgb { red: 255, green: 16, blue: 1 };
    strip.show(&frame).expect("a page never fails");
    told(&mut socket, r#""frame":"000000ff1001"#).await;
    page.show_speaker(-12.5, 440.0);
    told(&mut socket, r#""speaker":{"dbfs":-12.5,"hertz":440.0,"#).await;
    page.show_status("Ringing");
    let mut relay = page.relay();
    relay.set(true).expect("a page never fails");
    told(&mut socket, r#""relay":true,"active":[],"status":"Ringing""#).await;
    drop(relay);
    told(&mut socket, r#""relay":false"#).await;
}

#[tokio::test]
async fn contacts_are_switched_by_page_and_curl_and_stay() {
    let (page, mut lines, _strip) = page().await;
    let own = page.address().to_string();
    let mut first = socket(page.address()).await;
    first.send(Message::text(r#"{"switch":{"input":"doorContact","active":true}}"#)).await.expect("it is open");
    assert_eq!(edge(&mut lines).await, ("door contact".to_owned(), true));
    first.close(None).await.expect("it closes");
    let mut second = socket(page.address()).await;
    told(&mut second, r#""active":["doorContact"]"#).await;
    for (line, text, active) in [
        ("POST /line/tamper?active=true", "tamper", true),
        ("POST /line/door-contact?active=false", "door contact", false),
        ("POST /line/request-to-exit?active=true", "request to exit", true),
    ] {
        let answer = ask(page.address(), request(line, &own, "")).await;
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        assert_eq!(edge(&mut lines).await, (text.to_owned(), active));
    }
    told(&mut second, r#""active":["requestToExit","tamper"]"#).await;
    let answer = ask(page.address(), request("POST /line/bell?active=true", &own, "")).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}
