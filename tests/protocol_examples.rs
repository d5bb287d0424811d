//! `docs/protocol.md` against the code: every example is what the types write, every element of the protocol has one, every
//! figure of the tables is the code's, and the whole page, read from the top, is a conversation with a real hub.
//!
//! `DOORWARD_BLESS=1 cargo test --test protocol_examples hub_replays` writes what the hub said into the page.

mod protocol_page;

use std::collections::BTreeSet;

use doorward::config::hub::HubConfig;
use doorward::hub::administration::{ENROLMENT_LIFETIME, PAIRING_LIFETIME};
use doorward::hub::exchange::Rules;
use doorward::hub::{history, outbox, sessions};
use doorward::ids::{Nonce, SessionId};
use doorward::redacted::Redacted;
use doorward::signaling::identity::{Admission, CallsBody, EnrolBody, Me, PairBody, UserKind};
use doorward::signaling::protocol::{
    AuditBody, AuditKept, CallBody, CallStatus, CallType, ClientFrame, DoorNotice, DoorReport, DoorState, EndReason,
    ErrorBody, ErrorCode, EventKind, HubFrame, InitiateBody, MAX_FRAME, MAX_METADATA_ENTRIES, MAX_METADATA_TEXT,
    MAX_STILL, Metadata, Opener, OpeningRefusal, PROTOCOL_VERSION, ParticipantState, Receiver, RejectStatus, Role,
    SessionToken, Signal, Still, Trace, Verb, VerbBody, VerbRequest,
};
use doorward::signaling::push::{PushBody, PushMessage, PushState};
use doorward::signaling::rules::OwnRules;
use protocol_page::replay::Replay;
use protocol_page::{Example, PAGE, examples};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[test]
fn every_example_is_what_its_type_writes() {
    let examples = examples(&PAGE);
    assert!(examples.len() > 50, "the examples are found");
    for example in &examples {
        match (example.language.as_str(), example.kind()) {
            ("json", None) => panic!("{example}: its fence names no type"),
            ("json" | "http", Some(kind)) => written_again(example, kind),
            _ => assert!(example.json().is_empty(), "{example}: its fence names no type"),
        }
    }
}

fn written_again(example: &Example, kind: &str) {
    fn again<T: DeserializeOwned + Serialize>(example: &Example) -> Value {
        let read: T = serde_json::from_str(example.json()).unwrap_or_else(|error| panic!("{example}: {error}"));
        serde_json::to_value(&read).expect("wire types are plain data")
    }
    let written = match kind {
        "Admission" => again::<Admission>(example),
        "AuditBody" => again::<AuditBody>(example),
        "AuditKept" => again::<AuditKept>(example),
        "CallBody" => again::<CallBody>(example),
        "CallsBody" => again::<CallsBody>(example),
        "ClientFrame" => again::<ClientFrame>(example),
        "EnrolBody" => again::<EnrolBody>(example),
        "ErrorBody" => again::<ErrorBody>(example),
        "HubFrame" => again::<HubFrame>(example),
        "InitiateBody" => again::<InitiateBody>(example),
        "Me" => again::<Me>(example),
        "OwnRules" => again::<OwnRules>(example),
        "PairBody" => again::<PairBody>(example),
        "PushBody" => again::<PushBody>(example),
        "PushMessage" => again::<PushMessage>(example),
        "PushState" => again::<PushState>(example),
        "SessionToken" => again::<SessionToken>(example),
        "Trace" => again::<Trace>(example),
        "VerbBody" => again::<VerbBody>(example),
        other => panic!("{example}: no type {other}"),
    };
    assert_eq!(written, example.value(), "{example}");
}

// ------------------------------------------------------------------------------------------------- nothing is left out

/// The words an enumeration knows, from what it says to one that it does not know.
fn variants<T: DeserializeOwned>(unknown: &str) -> BTreeSet<String> {
    let Err(error) = serde_json::from_str::<T>(unknown) else { panic!("{unknown} is known") };
    let error = error.to_string();
    let (_, expected) = error.split_once("expected ").unwrap_or_else(|| panic!("no list in {error:?}"));
    let words: BTreeSet<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!words.is_empty(), "no words in {error:?}");
    words
}

/// Every value that stands under this key in an example.
fn said(key: &str) -> BTreeSet<String> {
    fn gather(value: &Value, key: &str, words: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let (true, Some(word)) = (name == key, value.as_str()) {
                        words.insert(word.to_owned());
                    }
                    gather(value, key, words);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| gather(item, key, words)),
            _ => {}
        }
    }
    let mut words = BTreeSet::new();
    for example in examples(&PAGE).iter().filter(|example| !example.json().is_empty()) {
        gather(&example.value(), key, &mut words);
    }
    words
}

#[test]
fn every_frame_event_and_signal_has_an_example() {
    let left_out = |known: BTreeSet<String>, key: &str| known.difference(&said(key)).cloned().collect::<Vec<_>>();
    let nothing: Vec<String> = Vec::new();
    assert_eq!(left_out(variants::<ClientFrame>(r#"{"type":"?"}"#), "type"), nothing);
    assert_eq!(left_out(variants::<HubFrame>(r#"{"type":"?"}"#), "type"), nothing);
    assert_eq!(left_out(variants::<EventKind>(r#"{"name":"?"}"#), "name"), nothing);
    assert_eq!(left_out(variants::<Signal>(r#"{"kind":"?"}"#), "kind"), nothing);
    assert_eq!(left_out(variants::<Role>(r#""?""#), "role"), nothing);
    assert_eq!(left_out(variants::<CallStatus>(r#""?""#), "status"), nothing);
    assert_eq!(left_out(variants::<RejectStatus>(r#""?""#), "status"), nothing);
    assert_eq!(left_out(variants::<ParticipantState>(r#""?""#), "state"), nothing);
    assert_eq!(left_out(variants::<CallType>(r#""?""#), "type"), nothing);
    assert_eq!(left_out(variants::<PushMessage>(r#"{"kind":"?"}"#), "kind"), nothing);
    assert_eq!(left_out(variants::<UserKind>(r#""?""#), "kind"), nothing);
    assert_eq!(left_out(variants::<Receiver>(r#"{"receiverType":"?","receiver":"a"}"#), "receiverType"), nothing);
}

#[test]
fn every_word_is_explained() {
    let words = [
        variants::<CallStatus>(r#""?""#),
        variants::<CallType>(r#""?""#),
        variants::<DoorNotice>(r#""?""#),
        variants::<DoorReport>(r#"{"report":"?"}"#),
        variants::<DoorState>(r#""?""#),
        variants::<Opener>(r#"{"authority":"?"}"#),
        variants::<OpeningRefusal>(r#""?""#),
        variants::<EndReason>(r#""?""#),
        variants::<ParticipantState>(r#""?""#),
        variants::<PushMessage>(r#"{"kind":"?"}"#),
        variants::<RejectStatus>(r#""?""#),
        variants::<Role>(r#""?""#),
        variants::<UserKind>(r#""?""#),
        variants::<EventKind>(r#"{"name":"?"}"#),
        variants::<HubFrame>(r#"{"type":"?"}"#),
        variants::<ClientFrame>(r#"{"type":"?"}"#),
        variants::<Signal>(r#"{"kind":"?"}"#),
    ];
    let prose = prose();
    for word in words.into_iter().flatten() {
        assert!(prose.contains(&format!("`{word}`")), "`{word}` is nowhere explained");
    }
}

/// The page without its examples.
fn prose() -> String {
    let (mut prose, mut from) = (String::new(), 0);
    for example in examples(&PAGE) {
        prose.push_str(&PAGE[from..example.place.start]);
        from = example.place.end;
    }
    prose + &PAGE[from..]
}

#[test]
fn every_field_is_described() {
    fn gather(value: &Value, fields: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    fields.insert(name.clone());
                    gather(value, fields);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| gather(item, fields)),
            _ => {}
        }
    }
    let mut fields = BTreeSet::new();
    for example in examples(&PAGE).iter().filter(|example| !example.json().is_empty()) {
        gather(&example.value(), &mut fields);
    }
    let described: BTreeSet<&str> =
        rows().flat_map(|row| row.first().copied().unwrap_or_default().split('`')).collect();
    let missing: Vec<_> = fields.iter().filter(|field| !described.contains(field.as_str())).collect();
    assert!(missing.is_empty(), "in no table: {missing:?}");
}

/// The rows of the page's tables, as cells.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(str::trim).collect())
}

#[test]
fn every_error_code_stands_in_the_table_with_its_status() {
    let mut known = variants::<ErrorCode>(r#""?""#);
    for row in rows() {
        let [code, status, when, todo, words, ..] = row.as_slice() else { continue };
        let code = code.trim_matches('`');
        if !known.remove(code) {
            assert!(!code.starts_with("ERR_"), "{code} is no code, or stands there twice");
            continue;
        }
        let read: ErrorCode = serde_json::from_str(&format!("\"{code}\"")).expect("it is known");
        assert_eq!(status.parse(), Ok(read.http_status()), "{code}");
        assert!([when, todo, words].iter().all(|cell| !cell.is_empty()), "{code} has an empty cell");
    }
    assert_eq!(known, BTreeSet::new(), "codes that are not in the table");
}

#[test]
fn every_verb_has_an_example() {
    let session_id = SessionId::from_random([7; 16]);
    let receiver = Receiver::User("anna".parse().expect("a word"));
    let (call_type, metadata) = (CallType::Video, Metadata::new());
    let verbs = [
        Verb::Accept { session_id },
        Verb::End { session_id, reason: None },
        Verb::GenerateToken { session_id },
        Verb::Initiate { receiver, call_type, metadata: metadata.clone() },
        Verb::KeepAudit { lines: Vec::new() },
        Verb::KeepTrace { session_id, trace: Trace::default() },
        Verb::Open { session_id, nonce: Redacted::new(Nonce::from_random([7; 16])) },
        Verb::PressWaiting { session_id, metadata },
        Verb::Reject { session_id, status: RejectStatus::Busy },
        Verb::ReportDoor { session_id, report: DoorReport::Contact { state: DoorState::Opened } },
        Verb::ShowStill { session_id, still: Still::new(&[0xff, 0xd8, 0xff, 0xff, 0xd9]).expect("begin and end") },
    ];
    // A new verb belongs into the list above.
    let _all = |verb: &Verb| match verb {
        Verb::Accept { .. }
        | Verb::End { .. }
        | Verb::GenerateToken { .. }
        | Verb::Initiate { .. }
        | Verb::KeepAudit { .. }
        | Verb::KeepTrace { .. }
        | Verb::Open { .. }
        | Verb::PressWaiting { .. }
        | Verb::Reject { .. }
        | Verb::ReportDoor { .. }
        | Verb::ShowStill { .. } => {}
    };
    let examples = examples(&PAGE);
    let asked: Vec<&str> =
        examples.iter().filter(|example| example.language == "http").map(|e| e.text.as_str()).collect();
    for verb in verbs {
        let path = VerbRequest { key: "k".parse().expect("a word"), verb }.path();
        let (before, after) = path.split_once(&session_id.to_string()).unwrap_or((path.as_str(), ""));
        let found = |text: &&&str| {
            let place = text.strip_prefix("POST ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
            let middle = place.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            middle.is_some_and(|middle| after.is_empty() == middle.is_empty())
        };
        assert!(asked.iter().any(|text| found(&text)), "no example of {path}");
    }
}

#[test]
fn the_figures_are_the_codes() {
    let config = HubConfig::default();
    let rules = Rules::default();
    let figures = [
        ("Protocol version", PROTOCOL_VERSION.to_string()),
        ("Request body, and frame", format!("{MAX_FRAME} bytes")),
        ("Still picture", format!("{MAX_STILL} bytes")),
        ("Metadata", format!("{MAX_METADATA_ENTRIES} entries")),
        ("Key or value of metadata", format!("{MAX_METADATA_TEXT} characters")),
        ("Calls in one answer of the history", history::PAGE.to_string()),
        ("Frames waiting for one connection", outbox::MOST_FRAMES.to_string()),
        ("Their bytes", outbox::MOST_BYTES.to_string()),
        ("Session token", format!("{} s", sessions::TOKEN_LIFETIME.as_secs())),
        ("Pairing code", format!("{} min", PAIRING_LIFETIME.as_secs() / 60)),
        ("Enrolment token", format!("{} h", ENROLMENT_LIFETIME.as_secs() / 3600)),
        ("Ring", format!("{} s", config.call.ring_timeout.as_secs())),
        ("Viewers of one call", config.call.max_viewers.to_string()),
        ("Heartbeat", format!("{} s", config.server.heartbeat.as_secs())),
        ("Connections of one hub", config.server.max_connections.to_string()),
        ("Absence", format!("{} s", rules.absence_grace.as_secs())),
        ("Memory of a call that is over", format!("{} min", rules.forget_after.as_secs() / 60)),
    ];
    for (name, figure) in figures {
        let row = rows().find(|row| row.first() == Some(&name)).unwrap_or_else(|| panic!("no row {name:?}"));
        let found = row.get(1).copied().unwrap_or_default();
        let numbers = |text: &str| text.split([' ', ',', ';']).take(2).map(str::to_owned).collect::<Vec<_>>();
        let expected = numbers(&figure);
        assert_eq!(numbers(found)[..expected.len()], expected[..], "{name}");
    }
}

// ------------------------------------------------------------------------------------------------- the client module

#[test]
fn the_client_module_has_what_the_page_promises() {
    let [client, media, types] = ["client.js", "media.js", "types.d.ts"].map(|name| {
        let path = format!("{}/app/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    });
    let (_, chapter) = PAGE.split_once("## client.js").expect("the chapter is there");
    let described: BTreeSet<&str> = chapter.split('`').flat_map(words).collect();
    for name in ["initiateCall", "acceptCall", "rejectCall", "endCall", "addCallListener", "removeCallListener"] {
        assert!(described.contains(name), "{name} is not described");
    }
    let listeners: BTreeSet<&str> = words(&types).filter(|word| is_listener(word)).collect();
    let described_listeners: BTreeSet<&str> =
        described.iter().copied().filter(|word| is_listener(word) && *word != "onChange").collect();
    assert_eq!(described_listeners, listeners);
    let example = examples(&PAGE).into_iter().find(|example| example.language == "js").expect("it is there");
    let known: BTreeSet<&str> = words(&client).chain(words(&media)).collect();
    let rows = rows().skip_while(|row| row.first() != Some(&"`pairDevice`"));
    let promised =
        rows.take_while(|row| row.first() != Some(&"listener")).flat_map(|row| words(row[0]).collect::<Vec<_>>());
    let called = ["client.", "media."].map(|of| example.text.split(of).skip(1).filter_map(|rest| words(rest).next()));
    for name in promised.filter(|name| *name != "new").chain(called.into_iter().flatten()) {
        assert!(known.contains(name), "{name} is not in the module");
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

fn is_listener(word: &str) -> bool {
    word.strip_prefix("on").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

// ------------------------------------------------------------------------------------------------------- a real hub

#[tokio::test]
async fn a_hub_replays_the_page() {
    let bless = std::env::var_os("DOORWARD_BLESS").is_some();
    let mut replay = Replay::begin().await;
    for example in examples(&PAGE) {
        match replay.step(&example).await {
            Ok(()) => {}
            Err(error) if bless => println!("{example}: {error}"),
            Err(error) => panic!("{example}: {error}"),
        }
    }
    match (replay.end().await, bless) {
        (Ok(_), false) => {}
        (Ok(said), true) => write_down(said),
        (Err(error), _) => panic!("after the last example, {error}"),
    }
}

/// Puts what the hub said into the page.
fn write_down(said: Vec<(std::ops::Range<usize>, String)>) {
    let mut page = PAGE.clone();
    for (place, text) in said.into_iter().rev() {
        page.replace_range(place, &text);
    }
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md"), page).expect("the page can be written");
}
