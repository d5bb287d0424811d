//! What the hub's records know of a resident, taken out of them: calls that are over, copies of the doors' audit logs, notes of
//! the trail. A made-up name stands where theirs stood, the same in all records. The records themselves stay, and an audit
//! log's chain can still be verified.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::Value;

use super::store::{self, Commit, StoreError};
use super::{audit, log, trail};
use crate::audit::Line;
use crate::clock;
use crate::ids::{DeviceId, Uid};

/// Who is erased, and what stands in their place.
#[derive(Debug, Clone)]
pub struct Erased {
    /// Who.
    pub uid: Uid,
    /// Their name, where it is known.
    pub name: String,
    /// Their devices, where they are known.
    pub devices: BTreeSet<DeviceId>,
    /// What stands in their place.
    pub pseudonym: Uid,
}

impl Erased {
    /// Somebody, with a name that was made up just now: it cannot be worked out from theirs.
    #[must_use]
    pub fn now(uid: Uid, name: String, devices: BTreeSet<DeviceId>) -> Self {
        let bits: [u8; 4] = clock::random();
        let pseudonym = format!("erased-{}", data_encoding::HEXLOWER.encode(&bits));
        Self { uid, name, devices, pseudonym: pseudonym.parse().expect("hexadecimal digits are a word") }
    }

    /// Takes them out of a call's picture. Whether they were in it.
    #[must_use]
    pub fn take_out_of(&self, call: &mut Value) -> bool {
        let mut found = false;
        let mut leg = |leg: &mut Value| {
            if leg["uid"] == self.uid.as_str() {
                for key in ["uid", "deviceId", "name"] {
                    leg[key] = Value::from(self.pseudonym.as_str());
                }
                found = true;
            }
        };
        leg(&mut call["initiator"]);
        call["participants"].as_array_mut().into_iter().flatten().for_each(&mut leg);
        if call["receiverType"] == "user" && call["receiver"] == self.uid.as_str() {
            for key in ["receiver", "receiverName"] {
                call[key] = Value::from(self.pseudonym.as_str());
            }
            found = true;
        }
        // A button of their own has their name.
        for (_, word) in call["metadata"].as_object_mut().into_iter().flatten() {
            if [self.uid.as_str(), &self.name].iter().any(|name| !name.is_empty() && *word == **name) {
                *word = Value::from(self.pseudonym.as_str());
                found = true;
            }
        }
        found
    }
}

/// Takes somebody out of every record of the hub with this state directory, running or not. In how many they were.
///
/// # Errors
/// A database fails; what was done until then is done, and can be done again.
pub fn erase(state: &Path, erased: &Erased) -> Result<usize, StoreError> {
    store::make_directory(state)?;
    Ok(history(state, erased)? + copies(state, erased)? + notes(state, erased)?)
}

fn history(state: &Path, erased: &Erased) -> Result<usize, StoreError> {
    let mut connection = log::open_tables(state)?;
    let transaction = connection.transaction()?;
    // Calls that are not over yet are archived with this in mind.
    transaction.execute(
        "INSERT INTO erased (uid, name, pseudonym, at) VALUES (?1, ?2, ?3, ?4)",
        params![erased.uid.as_str(), erased.name, erased.pseudonym.as_str(), clock::wall()],
    )?;
    let calls: Vec<(String, String)> = transaction
        .prepare("SELECT session, call FROM history WHERE instr(call, ?1) > 0 OR instr(call, ?2) > 0")?
        .query_map([erased.uid.as_str(), &erased.name], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut found = 0;
    for (session, call) in calls {
        let Ok(mut call) = serde_json::from_str::<Value>(&call) else { continue };
        if erased.take_out_of(&mut call) {
            transaction.execute(
                "UPDATE history SET call = ?2, initiator = ?3, user = iif(user = ?4, ?5, user) WHERE session = ?1",
                params![
                    session,
                    call.to_string(),
                    call["initiator"]["uid"].as_str(),
                    erased.uid.as_str(),
                    erased.pseudonym.as_str()
                ],
            )?;
            found += 1;
        }
    }
    transaction.commit()?;
    settle(&connection)?;
    Ok(found)
}

fn copies(state: &Path, erased: &Erased) -> Result<usize, StoreError> {
    let mut connection = store::open(&audit::path(state), Commit::Awaited, &audit::MIGRATIONS)?;
    let transaction = connection.transaction()?;
    let lines: Vec<(i64, String)> = transaction
        .prepare("SELECT rowid, line FROM lines WHERE instr(line, ?1) > 0")?
        .query_map([erased.uid.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut found = 0;
    for (row, text) in lines {
        if let Some(line) = Line::read(&text).ok().and_then(|line| line.without(&erased.uid, &erased.pseudonym)) {
            transaction.execute("UPDATE lines SET line = ?2 WHERE rowid = ?1", params![row, line.text])?;
            found += 1;
        }
    }
    transaction.commit()?;
    settle(&connection)?;
    Ok(found)
}

/// Subjects of notes are words: theirs is replaced wherever it stands alone. Who did something is them if it was their device.
fn notes(state: &Path, erased: &Erased) -> Result<usize, StoreError> {
    let mut connection = store::open(&trail::path(state), Commit::Awaited, &trail::MIGRATIONS)?;
    let transaction = connection.transaction()?;
    let notes: Vec<(i64, String, String)> = transaction
        .prepare("SELECT id, actor, subject FROM notes")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let devices = devices(&transaction, erased)?;
    let mut found = 0;
    for (id, actor, subject) in notes {
        let theirs = |word: &str| word == erased.uid.as_str() || devices.contains(word);
        let word = |word| if theirs(word) { erased.pseudonym.as_str() } else { word };
        let new_subject = subject.split(' ').map(word).collect::<Vec<_>>().join(" ");
        let did = actor.strip_prefix("device ").is_some_and(|device| devices.contains(device));
        let new_actor = if did { format!("device {}", erased.pseudonym) } else { actor.clone() };
        if (&new_actor, &new_subject) != (&actor, &subject) {
            let sql = "UPDATE notes SET actor = ?2, subject = ?3 WHERE id = ?1";
            transaction.execute(sql, params![id, new_actor, new_subject])?;
            found += 1;
        }
    }
    transaction.commit()?;
    settle(&connection)?;
    Ok(found)
}

/// Their devices: those of the directory, and those they had before, of which only the notes of their coming know.
fn devices(trail: &Connection, erased: &Erased) -> Result<BTreeSet<String>, StoreError> {
    let came: Vec<String> = trail
        .prepare("SELECT subject FROM notes WHERE action IN ('deviceAdded', 'deviceAdmitted')")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let came = came.iter().filter_map(|subject| subject.split_once(" of "));
    let theirs = came.filter(|(_, owner)| *owner == erased.uid.as_str()).map(|(device, _)| device.to_owned());
    Ok(theirs.chain(erased.devices.iter().map(ToString::to_string)).collect())
}

/// What was overwritten does not stay behind in free pages or in the log beside the file.
fn settle(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("VACUUM")?;
    connection.pragma(None, "wal_checkpoint", "truncate", |_| Ok(()))?;
    Ok(())
}
