//! The hub's databases in bad times: killed in the middle of a write a hundred times, a disk that is full, one that cannot be
//! written, a file of the version before and one of the version after.

mod hub_house;
mod hub_process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward::hub::administration::Administration;
use doorward::hub::exchange::{Change, Entry};
use doorward::ids::{DeviceId, SessionId};
use doorward::signaling::identity::Admission;
use doorward::signaling::protocol::{ErrorCode, HubFrame};
use hub_house::{DEADLINE, Device, House, key, read_refusal};
use hub_process::{Process, command, spawn};
use rusqlite::Connection;
use serde_json::json;

const ROUNDS: u32 = 100;

/// The databases of a state directory.
fn files(state: &Path) -> [PathBuf; 4] {
    ["calls.sqlite", "directory.sqlite", "audit.sqlite", "trail.sqlite"].map(|file| state.join(file))
}

/// Every call of the log, in order, with its entries.
fn logged(state: &Path) -> Vec<(SessionId, Vec<Change>)> {
    let connection = Connection::open(state.join("calls.sqlite")).expect("a database");
    let mut statement = connection.prepare("SELECT entry FROM entries ORDER BY id").expect("a table");
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("readable");
    let (mut order, mut calls) = (Vec::new(), BTreeMap::<SessionId, Vec<Change>>::new());
    for row in rows {
        let entry: Entry = serde_json::from_str(&row.expect("readable")).expect("a whole entry");
        let changes = calls.entry(entry.session_id).or_insert_with(|| {
            order.push(entry.session_id);
            Vec::new()
        });
        changes.push(entry.change);
    }
    order.into_iter().map(|session| (session, calls.remove(&session).expect("it was put there"))).collect()
}

/// Calls and takes back, one call after the other, until the hub is gone: the calls it answered, the second verb answered too.
async fn calls_until_the_end(door: Device) -> Vec<(SessionId, bool)> {
    // What the last hub left ringing is not in the way.
    let active = door.http.get(door.url("/v1/calls/active")).bearer_auth(&door.credential).send().await;
    let active: serde_json::Value = match active {
        Ok(answer) => serde_json::from_str(&answer.text().await.unwrap_or_default()).unwrap_or_default(),
        Err(_) => return Vec::new(),
    };
    for call in active["calls"].as_array().into_iter().flatten() {
        let path = format!("/v1/calls/{}/reject", call["sessionId"].as_str().expect("a text"));
        post(&door, &path, json!({ "key": key(), "status": "cancelled" })).await;
    }
    let mut answered = Vec::new();
    loop {
        let key = key();
        let body = json!({ "key": key, "receiverType": "group", "receiver": "flat-1", "type": "video" });
        let Some(call) = post(&door, "/v1/calls", body).await else { return answered };
        let session: SessionId = call["call"]["sessionId"].as_str().expect("a text").parse().expect("an id");
        answered.push((session, false));
        let end = json!({ "key": format!("{key}-end"), "status": "cancelled" });
        if post(&door, &format!("/v1/calls/{session}/reject"), end).await.is_none() {
            return answered;
        }
        answered.last_mut().expect("it was just put there").1 = true;
    }
}

/// Redeems codes until they or the hub are at their end: who was admitted.
async fn admissions_until_the_end(phone: Device, codes: Vec<String>) -> Vec<Admission> {
    let mut admitted = Vec::new();
    for code in codes {
        let body = json!({ "code": code, "deviceName": "phone" });
        let Some(admission) = post(&phone, "/v1/pair", body).await else { break };
        admitted.push(serde_json::from_value(admission).expect("an admission"));
    }
    admitted
}

/// Nothing once the hub is gone, or has enough of this device.
async fn post(device: &Device, path: &str, body: serde_json::Value) -> Option<serde_json::Value> {
    let request = device.http.post(device.url(path)).bearer_auth(&device.credential).body(body.to_string());
    let answer = request.send().await.ok()?;
    if answer.status().as_u16() != 200 {
        return None;
    }
    serde_json::from_str(&answer.text().await.ok()?).ok()
}

fn admitted(state: &Path) -> Vec<DeviceId> {
    let mut administration = Administration::open(state).expect("it opens");
    administration.directory().expect("it is readable").devices.into_keys().collect()
}

#[tokio::test]
async fn killed_a_hundred_times_while_it_writes() {
    let mut house = House::new().await;
    house.stop().await;
    let state = house.state.path().to_owned();
    let (front, garden) = (house.device("front"), house.device("garden"));
    let mut known = Vec::<Admission>::new();
    let (mut written, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        let before = logged(&state).len();
        let mut administration = house.administration();
        let codes = (0..3).map(|_| administration.pair(&"anna".parse().expect("a word")).expect("she is there"));
        let codes = codes.map(doorward::redacted::Redacted::into_exposed).collect();
        drop(administration);
        let mut hub = spawn(&state).await;
        house.address = hub.address;
        let calls = tokio::spawn(calls_until_the_end(front.at(&house)));
        let admissions = tokio::spawn(admissions_until_the_end(garden.at(&house), codes));
        tokio::time::sleep(Duration::from_micros(u64::from(fastrand::u32(500..60_000)))).await;
        hub.kill().await;
        let calls = calls.await.expect("it only asks");
        known.extend(admissions.await.expect("it only asks"));

        for file in files(&state) {
            let whole = Connection::open(&file)
                .expect("a database")
                .query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
            assert_eq!(whole.expect("readable"), "ok", "round {round}: {}", file.display());
        }
        // What is there is the beginning of what was said, without a hole, and every call begins with its beginning.
        let log = logged(&state);
        let now = &log[before..];
        for ((session, changes), (answered, ended)) in now.iter().zip(&calls) {
            assert_eq!(session, answered, "round {round}: a call is missing before it");
            assert!(matches!(changes.first(), Some(Change::Initiate(_))), "round {round}: {changes:?}");
            let rejects = changes.iter().filter(|change| matches!(change, Change::Reject { .. })).count();
            assert!(rejects <= 1 && (*ended || session == &calls.last().expect("it is one of them").0 || rejects == 0));
        }
        let whole = |(_, changes): &&(SessionId, Vec<Change>)| {
            changes.iter().any(|change| matches!(change, Change::Reject { .. }))
        };
        let unfinished: Vec<_> = now.iter().filter(|call| !whole(call)).map(|(session, _)| session).collect();
        assert!(unfinished.iter().all(|session| Some(*session) == now.last().map(|(last, _)| last)), "round {round}");
        // Who was told that they are admitted is.
        let devices = admitted(&state);
        for admission in &known {
            assert!(devices.contains(&admission.device_id), "round {round}: {}", admission.device_id);
        }
        written += now.len();
        lost += calls.len().saturating_sub(now.len());
    }
    println!("{written} calls in the log, {lost} answered and not yet written, {} phones admitted", known.len());
    assert!(written > 0 && !known.is_empty(), "it was killed in the middle of something");
    let hub = spawn(&state).await;
    house.address = hub.address;
    let last = house.admitted(known.pop().expect("there is one"));
    assert_eq!(last.get("/v1/me").await.0, 200);
    assert!(!hub.said().contains("ERROR"), "{}", hub.said());
}

// ------------------------------------------------------------------------------------------------------ a disk of its own

/// Runs the hub on a copy of this state, on a disk of its own, in memory and of this size: as root, or as root of a name
/// space. The disk as the test reaches it. Nothing where that is not allowed.
async fn on_a_small_disk(state: &Path, kilobytes: u32) -> Option<(Process, PathBuf, tempfile::TempDir)> {
    let place = tempfile::tempdir().expect("a temporary directory");
    let (program, arguments) = command(place.path(), "");
    let (from, to) = (state.display(), place.path().display());
    let script =
        format!("mount -t tmpfs -o size={kilobytes}k,mode=700 none {to} && cp {from}/*.sqlite {to} && exec \"$@\"");
    for unshare in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        let line = unshare.iter().map(|word| (*word).to_owned());
        let line = line.chain(["sh", "-c", &script, "sh", &program].map(str::to_owned)).chain(arguments.clone());
        if let Ok(hub) = Process::start("unshare", &line.collect::<Vec<_>>()).await {
            let seen = PathBuf::from(format!("/proc/{}/root{to}", hub.pid()));
            return Some((hub, seen, place));
        }
    }
    println!("skipped: no mount name space may be made here (root, or unprivileged user name spaces)");
    None
}

/// Fills a disk to its last byte.
fn fill(disk: &Path) -> PathBuf {
    use std::io::Write as _;
    let filler = disk.join("filler");
    let mut file = std::fs::File::create(&filler).expect("there is room yet");
    for size in [64 * 1024, 512] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    filler
}

#[tokio::test]
async fn a_full_disk_costs_no_call() {
    let mut house = House::new().await;
    house.stop().await;
    let (front, anna) = (house.device("front"), house.device("anna"));
    let code = house.administration().pair(&"ben".parse().expect("a word")).expect("he is there").into_exposed();
    let Some((hub, disk, _place)) = on_a_small_disk(house.state.path(), 2048).await else { return };
    house.address = hub.address;
    let (front, anna) = (front.at(&house), anna.at(&house));
    assert_eq!(anna.get("/v1/me").await.0, 200);

    let filler = fill(&disk);
    let mut phone = anna.connect().await;
    let mut calls = Vec::new();
    while !hub.said().contains("the log cannot be written") {
        let call = front.initiate("group", "flat-1").await.expect("it may");
        phone.until(|frame| matches!(frame, HubFrame::Event(event) if event.session_id == call.session_id)).await;
        anna.verb(call.session_id, "accept").await.expect("it rings there");
        front.verb(call.session_id, "end").await.expect("it may");
        calls.push(call.session_id);
        // Ten verbs a second are allowed, and as many calls as fit into what the files hold already.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(calls.len() < 100, "the disk is not full");
    }
    // Nobody is let in who would be a stranger tomorrow.
    let pairing = json!({ "code": code, "deviceName": "phone" }).to_string();
    let (status, refusal) = anna.post("/v1/pair", pairing.clone()).await;
    assert_eq!(read_refusal(status, refusal).code, ErrorCode::ErrInternal);

    std::fs::remove_file(filler).expect("it is ours");
    let kept = async {
        loop {
            let (status, page) = anna.get("/v1/calls").await;
            let kept: Vec<_> =
                page["calls"].as_array().into_iter().flatten().map(|call| call["sessionId"].clone()).collect();
            if status == 200 && calls.iter().rev().take(20).all(|session| kept.contains(&json!(session.to_string()))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(DEADLINE, kept).await.expect("what waited is written once there is room");
    assert_eq!(anna.post("/v1/pair", pairing).await.0, 200, "the code was not used up");
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_named() {
    let mut house = House::new().await;
    house.stop().await;
    let (program, arguments) = command(house.state.path(), "");
    let place = house.state.path().display();
    let mount = format!("mount --bind {place} {place} && mount -o remount,bind,ro {place} && exec \"$@\"");
    let line = ["--mount", "sh", "-c", &mount, "sh", &program].map(str::to_owned).into_iter().chain(arguments);
    match Process::start("unshare", &line.collect::<Vec<_>>()).await {
        Err((_, said)) if said.contains("unshare") => println!("skipped: no mount name space may be made here"),
        Err((status, said)) => {
            assert_eq!(status.code(), Some(71), "{said}");
            assert!(said.contains("server.state-directory") && said.contains("Read-only file system"), "{said}");
        }
        Ok(_) => panic!("it cannot keep who is let in, and says nothing"),
    }
}

// --------------------------------------------------------------------------------------------------------------- versions

/// The state of a hub of the first version, with Anna's phone and one call in its history.
const FIRST_VERSION: [(&str, &str); 3] = [
    ("directory.sqlite", include_str!("hub_states/first/directory.sql")),
    ("calls.sqlite", include_str!("hub_states/first/calls.sql")),
    ("audit.sqlite", include_str!("hub_states/first/audit.sql")),
];

/// The credential of Anna's phone in it: 32 bytes of 7.
const PHONE: &str = "dw1.phone.BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

fn first_version(state: &Path) {
    for (file, sql) in FIRST_VERSION {
        let connection = Connection::open(state.join(file)).expect("a new file");
        connection.execute_batch(sql).expect("it is SQL");
    }
}

async fn serves_the_phone(house: &House, hub: &Process) {
    let phone = Device {
        id: "phone".parse().expect("a word"),
        uid: "anna".to_owned(),
        credential: PHONE.to_owned(),
        address: hub.address,
        http: house.http(),
    };
    let (status, me) = phone.get("/v1/me").await;
    assert_eq!((status, &me["name"]), (200, &json!("Anna")));
    let (_, history) = phone.get("/v1/calls").await;
    assert_eq!(history["calls"][0]["receiverName"], json!("Flat 1"), "{history}");
    drop(phone.connect().await);
}

#[tokio::test]
async fn a_state_of_the_first_version_is_brought_up_to_date() {
    let mut house = House::new().await;
    house.stop().await;
    let state = tempfile::tempdir().expect("a temporary directory");
    first_version(state.path());
    for _ in 0..2 {
        let hub = spawn(state.path()).await;
        serves_the_phone(&house, &hub).await;
        assert!(!hub.said().contains("ERROR"), "{}", hub.said());
    }
}

#[tokio::test]
async fn one_step_back_goes_on_or_says_why_not() {
    let mut house = House::new().await;
    house.stop().await;
    let state = tempfile::tempdir().expect("a temporary directory");
    first_version(state.path());
    drop(spawn(state.path()).await);
    // As a later version that only adds leaves it.
    let directory = || Connection::open(state.path().join("directory.sqlite")).expect("a database");
    let version: i64 = directory().query_row("PRAGMA user_version", [], |row| row.get(0)).expect("it has one");
    let later = format!(
        "CREATE TABLE later (x INTEGER) STRICT; ALTER TABLE users ADD COLUMN later TEXT; PRAGMA user_version = {};",
        version + 1
    );
    directory().execute_batch(&later).expect("it is SQL");
    let hub = spawn(state.path()).await;
    serves_the_phone(&house, &hub).await;
    assert!(hub.said().contains("later doorward"), "{}", hub.said());
    drop(hub);
    Administration::open(state.path())
        .and_then(|mut administration| {
            administration.add_user(&"eve".parse().expect("a word"), "Eve", &[]).expect("it can be changed");
            administration.directory()
        })
        .expect("it is readable");
    // And as one that breaks.
    directory().execute_batch(&format!("PRAGMA application_id = {};", version + 1)).expect("it is SQL");
    let (program, arguments) = command(state.path(), "");
    let (status, said) = Process::start(&program, &arguments).await.map(|_| ()).expect_err("it cannot know");
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.contains("later doorward") && said.contains("restore a backup"), "{said}");
}
