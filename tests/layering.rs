//! Who may use whom, and what every file owes its reader: the table of the house, enforced by reading the sources.
//!
//! It reads text, not syntax: comments are left out, and so are tests at the end of a file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file that can still be read in one go.
const LONGEST: usize = 600;

/// The layers, from the bottom. A module may use those of lower layers, and of its own where its layer says so.
const LAYERS: [Layer; 6] = [
    Layer { name: "words", number: 0, modules: &["backoff", "ids", "moment", "redacted"], own: Own::All },
    Layer {
        name: "pure machines",
        number: 1,
        modules: &[
            "audit",
            "call",
            "hub::exchange",
            "media::admission",
            "media::pipeline",
            "media::protocol",
            "media::rate",
            "panel",
            "panel::button",
            "panel::drive",
            "panel::fault",
            "panel::level",
            "panel::light",
            "panel::noise",
            "panel::release",
            "panel::sound",
            "panel::wiring",
            "signaling",
            "signaling::identity",
            "signaling::link",
            "signaling::protocol",
            "signaling::push",
            "signaling::rules",
        ],
        own: Own::All,
    },
    Layer { name: "settings", number: 2, modules: &["config"], own: Own::All },
    Layer {
        name: "adapters",
        number: 3,
        modules: &[
            "audit::file",
            "clock",
            "control",
            "daemon",
            "hub",
            "media",
            "media::gst",
            "media::worker",
            "panel::gpio",
            "panel::page",
            "panel::strip",
            "signaling::client",
            "signaling::enrolment",
        ],
        own: Own::SameRoom,
    },
    Layer { name: "wiring", number: 4, modules: &["audit::command", "demo", "door", "hub::command"], own: Own::All },
    Layer { name: "edge", number: 5, modules: &["cli", "main"], own: Own::All },
];

/// The folders of the adapters. The hub is one room: its loop and its adapters stand in it together.
const ROOMS: [&str; 7] = ["audit", "clock", "daemon", "hub", "media", "panel", "signaling"];

/// What a pure machine never touches, and why.
const IMPURE: [(&str, &str); 14] = [
    ("Instant::now", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("crate::clock", "time is an argument, randomness arrives in events"),
    ("getrandom", "randomness arrives in events"),
    ("HashMap", "its order changes from run to run: use BTreeMap"),
    ("HashSet", "its order changes from run to run: use BTreeSet"),
    ("tokio", "a machine does not wait"),
    ("gstreamer", "a machine moves no media"),
    ("std::fs", "a machine reads no files"),
    ("std::net", "a machine opens no sockets"),
    ("std::env", "the environment is read at the edge"),
    ("std::thread", "a machine has one thread: the caller's"),
    ("std::process", "a machine starts nothing"),
    ("async fn", "a machine does not wait"),
];

struct Layer {
    name: &'static str,
    number: u8,
    modules: &'static [&'static str],
    own: Own,
}

/// Who of the same layer may be used.
enum Own {
    All,
    /// Only modules of the same folder: adapters never use each other. The clock is everybody's.
    SameRoom,
}

/// A line of code, without comments.
struct Line {
    number: usize,
    text: String,
}

struct Source {
    path: PathBuf,
    /// Such as `hub::exchange::fold`.
    module: String,
    text: String,
}

impl Source {
    /// The code that ships: no comments, no tests.
    fn code(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        let mut all = self.text.lines().enumerate().peekable();
        while let Some((index, line)) = all.next() {
            let is_tests = |next: Option<&(usize, &str)>| next.is_some_and(|(_, next)| next.starts_with("mod tests"));
            if line.trim() == "#[cfg(test)]" && is_tests(all.peek()) {
                // Either `mod tests;` or a block that rustfmt closes at the margin.
                let _skipped = all.by_ref().find(|(_, line)| *line == "}" || *line == "mod tests;");
                continue;
            }
            let text = line.split("//").next().unwrap_or_default().to_owned();
            lines.push(Line { number: index + 1, text });
        }
        lines
    }

    fn layer(&self) -> &'static Layer {
        layer_of(&self.module)
            .unwrap_or_else(|| panic!("{}: its module stands in no layer of tests/layering.rs", self.module))
    }

    /// Whether this file is tests as a whole, or belongs to no layer because it only lists modules.
    fn is_outside(&self) -> bool {
        self.module.ends_with("::tests") || self.module == "lib"
    }
}

/// The longest name in the table that this module is, or is within.
fn layer_of(module: &str) -> Option<&'static Layer> {
    let within = |name: &str| module == name || module.starts_with(&format!("{name}::"));
    let entries = LAYERS.iter().flat_map(|layer| layer.modules.iter().map(move |name| (*name, layer)));
    entries.filter(|(name, _)| within(name)).max_by_key(|(name, _)| name.len()).map(|(_, layer)| layer)
}

fn room_of(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources are readable") {
            let path = entry.expect("the sources are readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).expect("it was found below").with_extension("");
                let words: Vec<String> = inside.iter().map(|word| word.to_string_lossy().into_owned()).collect();
                let module = words.join("::");
                let module = module.strip_suffix("::mod").unwrap_or(&module).to_owned();
                let text = fs::read_to_string(&path).expect("sources are text");
                sources.push(Source { path, module, text });
            }
        }
    }
    sources.sort_by(|one, two| one.path.cmp(&two.path));
    sources
}

/// The modules that a line of code names by `crate::…` or `super::…`, one for each branch of a `use` tree.
fn named(source: &Source) -> Vec<(usize, String)> {
    let code = source.code();
    let mut named = Vec::new();
    for (index, line) in code.iter().enumerate() {
        for start in starts(&line.text) {
            // A `use` tree may go on over lines: up to its semicolon. Anything else ends with its line.
            let is_use = line.text.trim_start().starts_with("use ") || line.text.trim_start().starts_with("pub use ");
            let mut tree = line.text[start..].to_owned();
            for next in &code[index + 1..] {
                if !is_use || tree.contains(';') {
                    break;
                }
                tree += next.text.trim();
            }
            let (base, tree) = resolve(&source.module, &tree);
            named.extend(branches(tree).into_iter().map(|path| (line.number, format!("{base}{path}"))));
        }
    }
    named
}

/// Where paths of this crate begin.
fn starts(text: &str) -> Vec<usize> {
    let begins =
        |start: &usize| !text[..*start].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | ':'));
    ["crate::", "super::"].iter().flat_map(|word| text.match_indices(word)).map(|(at, _)| at).filter(begins).collect()
}

/// `super::super::protocol::Call` in `signaling::link::words` is `signaling::`, `protocol::Call`.
fn resolve<'t>(module: &str, mut tree: &'t str) -> (String, &'t str) {
    if let Some(tree) = tree.strip_prefix("crate::") {
        return (String::new(), tree);
    }
    let mut words: Vec<&str> = module.split("::").collect();
    while let Some(rest) = tree.strip_prefix("super::") {
        words.pop();
        tree = rest;
    }
    (words.iter().map(|word| format!("{word}::")).collect(), tree)
}

/// `hub::{exchange::{Call, fold}, http}` becomes `hub::exchange::Call`, `hub::exchange::fold`, `hub::http`.
fn branches(tree: &str) -> Vec<String> {
    let end = tree.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '{')).unwrap_or(tree.len());
    let Some(open) = tree[..end].find('{') else { return vec![tree[..end].trim_end_matches(':').to_owned()] };
    let stem = &tree[..open];
    let mut all = Vec::new();
    let (mut depth, mut from) = (0_usize, open + 1);
    for (at, c) in tree.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 1 => {
                all.extend(branches(tree[from..at].trim()).into_iter().map(|branch| format!("{stem}{branch}")));
                from = at + 1;
                depth -= usize::from(c == '}');
            }
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    all.retain(|path| path.len() > stem.len());
    all
}

fn check(complaints: &str) {
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn every_module_uses_only_what_stands_below_it() {
    let mut complaints = String::new();
    for source in sources().iter().filter(|source| !source.is_outside()) {
        let layer = source.layer();
        for (line, path) in named(source) {
            let Some(used) = layer_of(&path) else {
                // The wiring of the whole crate: `crate::door` from `demo`, or a macro.
                continue;
            };
            let same_room = room_of(&path) == room_of(&source.module) && ROOMS.contains(&room_of(&path));
            let allowed = if used.number == layer.number {
                match layer.own {
                    Own::All => true,
                    Own::SameRoom => same_room || path.starts_with("clock"),
                }
            } else {
                used.number < layer.number
            };
            if !allowed {
                let place = source.path.display();
                let rule = format!("{} (layer {}) may not use {}", layer.name, layer.number, used.name);
                writeln!(complaints, "{place}:{line}: {rule} (layer {}): crate::{path}", used.number)
                    .expect("a text takes everything");
            }
        }
    }
    check(&complaints);
}

#[test]
fn pure_machines_touch_nothing() {
    let mut complaints = String::new();
    for source in sources().iter().filter(|source| !source.is_outside() && source.layer().number <= 1) {
        for line in source.code() {
            for (word, why) in IMPURE.iter().filter(|(word, _)| line.text.contains(word)) {
                writeln!(complaints, "{}:{}: a pure machine has no {word}: {why}", source.path.display(), line.number)
                    .expect("a text takes everything");
            }
        }
    }
    check(&complaints);
}

#[test]
fn every_file_says_what_it_is_for_and_can_be_read_in_one_go() {
    let mut complaints = String::new();
    for Source { path, text, .. } in sources() {
        let place = path.display();
        if !text.starts_with("//! ") {
            writeln!(complaints, "{place}:1: a file opens with `//!`: what it is for and what it never does")
                .expect("a text takes everything");
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            writeln!(complaints, "{place}:{LONGEST}: {lines} lines; no file has more than {LONGEST}: split it by role")
                .expect("a text takes everything");
        }
    }
    check(&complaints);
}

#[test]
fn use_trees_are_understood() {
    assert_eq!(branches("ids::Uid;"), ["ids::Uid"]);
    assert_eq!(
        branches("hub::{exchange::{Call, fold}, http};"),
        ["hub::exchange::Call", "hub::exchange::fold", "hub::http"]
    );
    assert_eq!(branches("panel::{Edge,Frame,};"), ["panel::Edge", "panel::Frame"]);
    assert_eq!(starts("use super::link::Link; use crate::ids; my_crate::x"), [27, 4]);
    assert_eq!(resolve("a::b::c", "super::super::d::E"), ("a::".to_owned(), "d::E"));
    assert_eq!(resolve("a::b", "crate::d::E"), (String::new(), "d::E"));
    assert_eq!(branches("clock::now() + x"), ["clock::now"]);
    assert_eq!(layer_of("hub::exchange::fold").map(|layer| layer.number), Some(1));
    assert_eq!(layer_of("hub::http").map(|layer| layer.number), Some(3));
    assert_eq!(layer_of("nobody").map(|layer| layer.number), None);
}
