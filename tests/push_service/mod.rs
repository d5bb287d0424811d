//! A push service for tests, on loopback: checks who sends, decrypts what it gets with another implementation than the hub's,
//! and answers as it is told. Shared by the tests and the bench of push.
#![allow(dead_code, reason = "each program uses its own part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64URL_NOPAD;
use doorward::signaling::push::PushMessage;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use web_push_native::p256::SecretKey;
use web_push_native::p256::elliptic_curve::sec1::ToEncodedPoint as _;

use super::hub_house::DEADLINE;

pub const CONTACT: &str = "mailto:you@your-house.net";

/// What the service does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Take,
    Refuse(u16),
    /// 429, and come back after so many seconds.
    Rest(u64),
    /// Takes it, and never says so.
    Hang,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Whose.
    pub phone: String,
    pub message: PushMessage,
    pub ttl: u64,
    pub topic: String,
    pub answer: Answer,
    pub at: Instant,
}

impl Pushed {
    pub fn is_ring(&self) -> bool {
        matches!(self.message, PushMessage::Ring { .. })
    }
}

#[derive(Debug, Default)]
struct Phones {
    known: BTreeMap<String, (SecretKey, [u8; 16])>,
    answers: BTreeMap<String, VecDeque<Answer>>,
}

#[derive(Debug, Clone)]
struct Desk {
    origin: String,
    phones: Arc<Mutex<Phones>>,
    arrived: mpsc::UnboundedSender<Pushed>,
}

pub struct PushService {
    pub address: SocketAddr,
    phones: Arc<Mutex<Phones>>,
    inbox: mpsc::UnboundedReceiver<Pushed>,
    serving: JoinHandle<()>,
}

impl Drop for PushService {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl PushService {
    pub async fn open() -> Self {
        Self::open_at("127.0.0.1:0".parse().expect("an address")).await
    }

    pub async fn open_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let (arrived, inbox) = mpsc::unbounded_channel();
        let phones = Arc::new(Mutex::new(Phones::default()));
        let desk = Desk { origin: format!("http://{address}"), phones: phones.clone(), arrived };
        let router = Router::new().fallback(take).with_state(desk);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, phones, inbox, serving }
    }

    /// Its entry in the hub's list.
    pub fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A phone's subscription, as its browser would give it.
    pub fn subscription(&self, phone: &str) -> Value {
        let bits = |from: u8| -> [u8; 32] { std::array::from_fn(|n| from ^ u8::try_from(n).expect("32")) };
        let seed = phone.bytes().fold(7u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let secret = SecretKey::from_slice(&bits(seed)).expect("a scalar");
        let auth: [u8; 16] = bits(seed.wrapping_add(1))[..16].try_into().expect("16");
        let key = secret.public_key().to_encoded_point(false);
        self.phones.lock().expect("whole").known.insert(phone.to_owned(), (secret, auth));
        json!({
            "endpoint": format!("http://{}/{phone}", self.address), "expirationTime": null,
            "keys": { "p256dh": BASE64URL_NOPAD.encode(key.as_bytes()), "auth": BASE64URL_NOPAD.encode(&auth) },
        })
    }

    /// How the next messages to a phone are answered; after them all are taken.
    pub fn answer(&self, phone: &str, answers: &[Answer]) {
        self.phones.lock().expect("whole").answers.insert(phone.to_owned(), answers.iter().copied().collect());
    }

    /// The next message.
    pub async fn next(&mut self) -> Pushed {
        timeout(DEADLINE, self.inbox.recv()).await.expect("in time").expect("the service runs")
    }

    /// What came and was not looked at yet.
    pub fn rest(&mut self) -> Vec<Pushed> {
        std::iter::from_fn(|| self.inbox.try_recv().ok()).collect()
    }
}

async fn take(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let phone = uri.path().trim_start_matches('/').to_owned();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    check_sender(&header("authorization"), &desk.origin);
    assert_eq!(header("content-encoding"), "aes128gcm");
    assert_eq!(header("urgency"), "high");
    let topic = header("topic");
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!((1..=32).contains(&topic.len()) && topic.chars().all(allowed), "{topic}");
    let (answer, message) = {
        let mut phones = desk.phones.lock().expect("whole");
        let (secret, auth) = phones.known.get(&phone).expect("the phone is known").clone();
        let text = web_push_native::decrypt(body.to_vec(), &secret, &auth.into()).expect("encrypted for this phone");
        let answer = phones.answers.get_mut(&phone).and_then(VecDeque::pop_front).unwrap_or(Answer::Take);
        (answer, serde_json::from_slice(&text).expect("a message"))
    };
    let ttl = header("ttl").parse().expect("seconds");
    desk.arrived.send(Pushed { phone, message, ttl, topic, answer, at: Instant::now() }).expect("the test listens");
    match answer {
        Answer::Take => StatusCode::CREATED.into_response(),
        Answer::Refuse(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Answer::Rest(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())]).into_response()
        }
        Answer::Hang => std::future::pending().await,
    }
}

/// As a push service has to (RFC 8292, section 4.2).
fn check_sender(authorization: &str, origin: &str) {
    let word = authorization.strip_prefix("vapid t=").expect("the scheme");
    let (token, key) = word.split_once(", k=").expect("both parameters");
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let verified = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key));
    verified.verify(signed.as_bytes(), &decode(signature)).expect("signed with its key");
    let (head, claims) = signed.split_once('.').expect("two parts");
    let [head, claims] = [head, claims].map(|part| serde_json::from_slice::<Value>(&decode(part)).expect("JSON"));
    assert_eq!((head["alg"].as_str(), claims["aud"].as_str()), (Some("ES256"), Some(origin)));
    assert_eq!(claims["sub"].as_str(), Some(CONTACT));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let expires = claims["exp"].as_u64().expect("seconds");
    assert!((now + 1..=now + 86_400).contains(&expires), "{expires} at {now}");
}
