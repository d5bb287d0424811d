//! What `doorward hub … list` prints: a line each, tabs between, for a person and for `cut`.

use std::time::Duration;

use crate::config::value::format_duration;
use crate::hub::directory::{Directory, Kind};
use crate::ids::Uid;

/// A link as blocks for a terminal. A link too long for a code is no error: it stands above.
pub(super) fn qr(link: &str) -> String {
    let Ok(code) = qrcode::QrCode::new(link) else { return String::new() };
    let mut blocks = code.render::<qrcode::render::unicode::Dense1x2>().build();
    blocks.push('\n');
    blocks
}

pub(super) fn list_residents(directory: &Directory) -> String {
    let mut lines = String::new();
    for (uid, user) in &directory.users {
        if let Kind::Resident { groups } = &user.kind {
            lines +=
                &format!("{uid}\t{}\tgroups: {}\tdevices: {}\n", user.name, words(groups.keys()), user.devices.len());
        }
    }
    lines
}

pub(super) fn list_rules(directory: &Directory, uid: &Uid) -> String {
    let Some(user) = directory.users.get(uid) else { return String::new() };
    let on = |on: bool| if on { "on" } else { "off" };
    let quiet = user.rules.quiet_hours.map_or_else(|| "off".to_owned(), |hours| hours.to_string());
    format!("{uid}\tdo-not-disturb: {}\tquiet: {quiet}\tlooks: {}\n", on(user.rules.do_not_disturb), on(user.looks))
}

pub(super) fn list_groups(directory: &Directory) -> String {
    let mut lines = String::new();
    for (guid, group) in &directory.groups {
        let joinable = if group.joinable { "\tjoinable" } else { "" };
        let member = |uid: &Uid| match group.turns.get(uid) {
            Some(turn) => format!("{uid} (after {})", format_duration(Duration::from_millis(*turn))),
            None => uid.to_string(),
        };
        let looks = if group.looks { "" } else { "\tlooks: off" };
        let members = words(group.members.iter().map(member));
        lines += &format!("{guid}\t{}\tmembers: {members}{joinable}{looks}\n", group.name);
    }
    lines
}

pub(super) fn list_doors(directory: &Directory) -> String {
    let mut lines = String::new();
    for (uid, user) in &directory.users {
        if let Kind::Door { groups, users } = &user.kind {
            let stations = user.devices.len();
            let (groups, users) = (words(groups), words(users));
            lines += &format!("{uid}\t{}\tgroups: {groups}\tusers: {users}\tstations: {stations}\n", user.name);
        }
    }
    lines
}

pub(super) fn list_devices(directory: &Directory) -> String {
    directory.devices.iter().map(|(id, device)| format!("{id}\t{}\t{}\n", device.uid, device.name)).collect()
}

fn words<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| word.to_string()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}
