//! The page as a conversation: what it says that a device sends is sent to a real hub, and what the hub then says is compared
//! with the page. Ids, tokens and credentials are other ones than the page's, but always the same for the same; times are
//! times; everything else is equal.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::house::House;
use super::{Example, writing};

/// The hub answers within milliseconds; this is for a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(5);
const NAMED: [&str; 5] = ["applicationServerKey", "credential", "deviceId", "sessionId", "token"];
const TIMES: [&str; 7] = ["endedAt", "initiatedAt", "joinedAt", "leftAt", "startedAt", "stillAt", "time"];
const SPANS: [&str; 2] = ["duration", "ringsFor"];

/// A conversation with a hub.
pub struct Replay {
    house: House,
    sockets: BTreeMap<String, WebSocketStream<TcpStream>>,
    /// The last request, without its answer.
    asked: Option<String>,
    /// What the hub said, in the page's names and form.
    pub said: Vec<(Range<usize>, String)>,
    writing: writing::Writing,
}

impl Replay {
    /// Nothing was said yet.
    pub async fn begin() -> Self {
        let house = House::open().await;
        let (sockets, said) = (BTreeMap::new(), Vec::new());
        Self { house, sockets, asked: None, said, writing: writing::Writing::default() }
    }

    /// One example. What is different from the page, if anything is.
    pub async fn step(&mut self, example: &Example) -> Result<(), String> {
        match (example.language.as_str(), example.kind(), example.actor(), example.status()) {
            ("json", Some("ClientFrame"), Some(actor), _) => {
                self.send(actor, &example.text).await;
                Ok(())
            }
            ("json", Some("HubFrame"), Some(actor), _) => {
                let text = self.receive(actor).await.map_err(|error| format!("{actor}: {error}"))?;
                self.compare(example, &text)
            }
            ("http", _, Some(_), _) => {
                self.asked = Some(example.text.clone());
                Ok(())
            }
            ("http", _, None, Some(status)) => self.answer(example, status).await,
            _ => Ok(()),
        }
    }

    /// What is read may be a moment behind (the history's disk): it is read again until it is as the page says.
    async fn answer(&mut self, example: &Example, status: u16) -> Result<(), String> {
        let asked = self.asked.take().ok_or("an answer without a request")?;
        let until = Instant::now() + DEADLINE;
        loop {
            let answer = self.ask(&asked).await;
            let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end of its head")?;
            let compared = check_head(example, head, status).and_then(|()| match example.kind() {
                Some(_) => self.compare(example, body),
                None if body.is_empty() => Ok(()),
                None => Err(format!("the page has no body, the hub said {body}")),
            });
            if compared.is_ok() || !asked.starts_with("GET ") || Instant::now() > until {
                return compared;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Nobody was told more than the page says: each socket's next frame is the answer to a ping.
    pub async fn end(mut self) -> Result<Vec<(Range<usize>, String)>, String> {
        let actors: Vec<String> = self.sockets.keys().cloned().collect();
        for actor in actors {
            self.send(&actor, r#"{"type":"ping"}"#).await;
            match self.receive(&actor).await {
                Ok(text) if text != r#"{"type":"pong"}"# => return Err(format!("{actor} was also told {text}")),
                // Refused and closed.
                Ok(_) | Err(_) => {}
            }
        }
        drop(self.sockets);
        self.house.close().await;
        Ok(self.said)
    }

    // ------------------------------------------------------------------------------------------------------ to the hub

    /// The page's text in this hub's names.
    fn here(&self, text: &str) -> String {
        let names = longest_first(&self.house.names);
        names.into_iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    async fn ask(&self, text: &str) -> String {
        let text = self.here(text);
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let head = head.replace('\n', "\r\n");
        let request = format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(self.house.address).await.expect("the hub listens");
        stream.write_all(request.as_bytes()).await.expect("the hub reads");
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("an answer in time").expect("an answer");
        answer
    }

    async fn send(&mut self, actor: &str, text: &str) {
        let text = self.here(text);
        if text.contains(r#""type": "hello""#) {
            self.hang_up(actor).await;
            let stream = TcpStream::connect(self.house.address).await.expect("the hub listens");
            let address = format!("ws://{}/v1/events", self.house.address);
            let (socket, _) = tokio_tungstenite::client_async(address, stream).await.expect("a WebSocket");
            self.sockets.insert(actor.to_owned(), socket);
        }
        let socket = self.sockets.get_mut(actor).unwrap_or_else(|| panic!("{actor} said no hello"));
        // A refused socket takes nothing more; what was expected instead says so.
        drop(socket.send(Message::text(text)).await);
    }

    /// Closes a connection and waits until the hub knows it.
    async fn hang_up(&mut self, actor: &str) {
        let Some(mut socket) = self.sockets.remove(actor) else { return };
        drop(socket.close(None).await);
        let rest = async { while let Some(Ok(_)) = socket.next().await {} };
        timeout(DEADLINE, rest).await.expect("the hub closes in time");
    }

    async fn receive(&mut self, actor: &str) -> Result<String, String> {
        let socket = self.sockets.get_mut(actor).ok_or("no socket")?;
        loop {
            match timeout(DEADLINE, socket.next()).await {
                Err(_) => return Err("nothing came".to_owned()),
                Ok(Some(Ok(Message::Text(text)))) => return Ok(text.to_string()),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Ok(other) => return Err(format!("instead of a frame: {other:?}")),
            }
        }
    }

    // -------------------------------------------------------------------------------------------------------- compared

    fn compare(&mut self, example: &Example, text: &str) -> Result<(), String> {
        let said: Value = serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))?;
        self.learn(&example.value(), &said);
        self.said.retain(|(place, _)| *place != example.json_place());
        self.said
            .push((example.json_place(), self.writing.in_the_pages_words(text, &longest_first(&self.house.names))));
        self.same(&example.value(), &said, "").map_err(|error| format!("{error}\nthe hub said {text}"))
    }

    /// What the page calls what was just said.
    fn learn(&mut self, page: &Value, said: &Value) {
        match (page, said) {
            (Value::Object(page), Value::Object(said)) => {
                for (key, page) in page {
                    match (NAMED.contains(&key.as_str()), page.as_str(), said.get(key).and_then(Value::as_str)) {
                        (true, Some(page), Some(here)) => {
                            self.house.names.entry(page.to_owned()).or_insert_with(|| here.to_owned());
                        }
                        _ => self.learn(page, said.get(key).unwrap_or(&Value::Null)),
                    }
                }
            }
            (Value::Array(page), Value::Array(said)) => page.iter().zip(said).for_each(|(a, b)| self.learn(a, b)),
            _ => {}
        }
    }

    fn same(&self, page: &Value, said: &Value, key: &str) -> Result<(), String> {
        let differ = || Err(format!("{key}: the page has {page}, the hub said {said}"));
        match (page, said) {
            (Value::Object(page), Value::Object(said)) => {
                let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
                if keys(page) != keys(said) {
                    return Err(format!("{key}: the page has {:?}, the hub said {:?}", keys(page), keys(said)));
                }
                page.iter().zip(said.values()).try_for_each(|((key, page), said)| self.same(page, said, key))
            }
            (Value::Array(page), Value::Array(said)) if page.len() == said.len() => {
                page.iter().zip(said).try_for_each(|(page, said)| self.same(page, said, key))
            }
            (Value::String(page), Value::String(said)) if NAMED.contains(&key) => {
                if self.house.names.get(page) == Some(said) { Ok(()) } else { differ() }
            }
            // For developers, and no part of the protocol.
            (Value::String(_), Value::String(said)) if key == "message" && !said.is_empty() => Ok(()),
            (Value::Number(_), Value::Number(said)) if TIMES.contains(&key) => {
                if said.as_u64().is_some_and(|time| time > 1_600_000_000_000) { Ok(()) } else { differ() }
            }
            (Value::Number(page), Value::Number(said)) if SPANS.contains(&key) => {
                let near = said.as_u64().zip(page.as_u64()).is_some_and(|(said, page)| said.abs_diff(page) < 20_000);
                if near { Ok(()) } else { differ() }
            }
            _ if page == said => Ok(()),
            _ => differ(),
        }
    }
}

/// A credential before the device whose id is a part of it.
fn longest_first(names: &BTreeMap<String, String>) -> Vec<(&String, &String)> {
    let mut names: Vec<_> = names.iter().collect();
    names.sort_by_key(|(page, _)| std::cmp::Reverse(page.len()));
    names
}

fn check_head(example: &Example, head: &str, status: u16) -> Result<(), String> {
    let (page, _) = example.text.split_once("\n\n").unwrap_or((&example.text, ""));
    let mut lines = page.lines();
    let first = lines.next().unwrap_or_default();
    let found = head.lines().next().unwrap_or_default();
    if first != found || !first.contains(&format!(" {status} ")) {
        return Err(format!("the page has {first:?}, the hub said {found:?}: {head}"));
    }
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    match lines.find(|line| !head.lines().any(|found| header(found) == header(line))) {
        Some(missing) => Err(format!("the hub did not say {missing:?}: {head}")),
        None => Ok(()),
    }
}
