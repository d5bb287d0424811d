//! A TOML file under examination: every table is read on its own, so that one mistake does not hide the next.
//!
//! It knows places and messages, not what any key means.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

use super::diagnostics::{Diagnostics, Finding, Severity, is_secret, nearest};

/// What is said of a value that may be a secret.
const HIDDEN: &str = "a value that is not shown";

/// Keys whose value is a table of one key, such as `{ group = "flat-1" }`.
const TABLES_OF_ONE_KEY: [&str; 3] = ["receiver", "credential", "spi"];

/// A file being read, and what was found wrong so far.
#[derive(Debug)]
pub struct Document<'t> {
    name: &'t str,
    text: &'t str,
    root: DeTable<'t>,
    asked: BTreeSet<&'static str>,
    diagnostics: Diagnostics,
}

impl<'t> Document<'t> {
    /// Reads the text as TOML. What is broken is reported, and what can still be read is.
    #[must_use]
    pub fn new(name: &'t str, text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut document =
            Self { name, text, root: root.into_inner(), asked: BTreeSet::new(), diagnostics: Diagnostics::default() };
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let finding = broken(error.message(), text.get(span.clone()).unwrap_or_default());
            document.report(Severity::Error, span, String::new(), finding);
        }
        document
    }

    /// A table that need not be there.
    pub fn table<T: DeserializeOwned + Default>(&mut self, key: &'static str) -> T {
        self.optional(key).unwrap_or_default()
    }

    /// A table that may be left out. Nothing also if it could not be read, which is then reported.
    pub fn optional<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        self.asked.insert(key);
        let value = self.root.get(key)?.clone();
        self.read(value)
    }

    /// A table that must be there.
    pub fn required<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        if !self.root.contains_key(key) {
            self.asked.insert(key);
            let end = self.text.len();
            let found = format!("no table [{key}]");
            let finding = Finding { found, allowed: format!("exactly one table [{key}]"), meant: None };
            self.report(Severity::Error, end..end, key.to_owned(), finding);
        }
        self.optional(key)
    }

    /// A list of tables (`[[key]]`), each read on its own. An entry that could not be read is nothing, and reported.
    pub fn list<T: DeserializeOwned>(&mut self, key: &'static str) -> Vec<Option<T>> {
        self.asked.insert(key);
        let Some(value) = self.root.get(key) else { return Vec::new() };
        let Some(entries) = value.get_ref().as_array().cloned() else {
            let allowed = format!("a list of tables, each beginning with [[{key}]]");
            self.error(key, allowed);
            return Vec::new();
        };
        entries.into_iter().map(|entry| self.read(entry)).collect()
    }

    /// Whether this key was written. Lists are counted from 0: `button[1].label`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// What stands at this key may not stand there. What was found is taken from the file.
    pub fn error(&mut self, path: &str, allowed: impl Into<String>) {
        self.mark(Severity::Error, path, None, allowed.into());
    }

    /// The same, with words of one's own for what was found.
    pub fn error_found(&mut self, path: &str, found: impl Into<String>, allowed: impl Into<String>) {
        self.mark(Severity::Error, path, Some(found.into()), allowed.into());
    }

    /// What stands at this key will probably not work.
    pub fn warning(&mut self, path: &str, found: impl Into<String>, allowed: impl Into<String>) {
        self.mark(Severity::Warning, path, Some(found.into()), allowed.into());
    }

    /// Everything that was found, including tables that nobody asked for.
    #[must_use]
    pub fn finish(mut self) -> Diagnostics {
        let known: Vec<&str> = self.asked.iter().copied().collect();
        let unknown: Vec<_> =
            self.root.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).cloned().collect();
        for key in unknown {
            let word = key.get_ref().as_ref();
            let finding = Finding {
                found: format!("unknown name `{word}`"),
                allowed: list_words(&known),
                meant: nearest(word, known.iter().copied()),
            };
            self.report(Severity::Error, key.span(), word.to_owned(), finding);
        }
        self.diagnostics
    }

    fn read<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'t>>) -> Option<T> {
        let whole = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => {
                let span = error.span().unwrap_or(whole);
                let key = self.path_at(&span);
                let finding = self.translate(error.message(), &key, &span);
                self.report(Severity::Error, span, key, finding);
                None
            }
        }
    }

    /// Serde's message in the words of this project.
    fn translate(&self, message: &str, key: &str, span: &Range<usize>) -> Finding {
        let secret = is_secret(self.text, span.start);
        let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
        let (head, tail) = message.split_once(", ").unwrap_or((message, ""));
        if let Some(rest) = head.strip_prefix("unknown field ") {
            return one_of(format!("unknown key `{}`", quoted(rest)), &quoted(rest), tail);
        }
        if let Some(rest) = head.strip_prefix("unknown variant ") {
            let found = if secret { HIDDEN.to_owned() } else { format!("\"{}\"", quoted(rest)) };
            // Where the keys are words themselves.
            let is_key = self.text[span.end..].trim_start_matches(['"', '\'', ' ']).starts_with(['=', '.']);
            let found = if is_key && !secret { format!("unknown key `{}`", quoted(rest)) } else { found };
            let finding = one_of(found, &quoted(rest), tail);
            let is_text = self.text[span.start..].starts_with(['"', '\'']);
            let wants_table = TABLES_OF_ONE_KEY.iter().any(|name| key.ends_with(name));
            return match is_text && wants_table {
                true => Finding { allowed: format!("a table with one of {}", finding.allowed), meant: None, ..finding },
                false => finding,
            };
        }
        let plain = |found: String, allowed: &str| Finding { found, allowed: allowed.to_owned(), meant: None };
        if head.starts_with("missing field ") {
            return plain(format!("no key `{}`", quoted(head)), &format!("`{}` must be given", quoted(head)));
        }
        if message.starts_with("wanted exactly 1 element") {
            let found = if message.contains("more than") { "more than one" } else { "none" };
            return plain(found.to_owned(), "exactly one of its kinds");
        }
        let standing = || self.standing(span);
        match message {
            "wanted string or table" => return plain(standing(), "one of its words, in quotes"),
            "invalid socket address syntax" => return plain(standing(), expectation("socket address")),
            _other => {}
        }
        for prefix in ["invalid type: ", "invalid value: "] {
            let Some((found, expected)) = message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected "))
            else {
                continue;
            };
            if expected.ends_with(" variant") {
                return plain(
                    standing(),
                    "a table of its own, such as [camera.test] for the kind \"test\" of [camera]",
                );
            }
            let found = if secret { HIDDEN.to_owned() } else { found.replace('`', "") };
            return plain(found, expectation(expected));
        }
        match message.split_once("; allowed are ") {
            Some((found, allowed)) => plain(found.to_owned(), allowed),
            None => plain(message.to_owned(), ""),
        }
    }

    /// The first line of what stands there, unless it is a secret.
    fn standing(&self, span: &Range<usize>) -> String {
        match is_secret(self.text, span.start) {
            true => HIDDEN.to_owned(),
            false => self.text.get(span.clone()).unwrap_or_default().lines().next().unwrap_or_default().to_owned(),
        }
    }

    fn mark(&mut self, severity: Severity, path: &str, found: Option<String>, allowed: String) {
        let (span, there) = match self.find(path) {
            Some(span) => (span, true),
            None => (self.nearest_span(path), false),
        };
        let found = found.unwrap_or_else(|| match there {
            true => self.standing(&span),
            false => "nothing".to_owned(),
        });
        self.report(severity, span, path.to_owned(), Finding { found, allowed, meant: None });
    }

    fn report(&mut self, severity: Severity, span: Range<usize>, key: String, finding: Finding) {
        self.diagnostics.add(severity, self.name, self.text, span, key, finding);
    }

    fn find(&self, path: &str) -> Option<Range<usize>> {
        let (first, rest) = split_path(path);
        let mut value = self.root.get(first.as_str())?;
        for word in rest {
            value = match value.get_ref() {
                DeValue::Table(table) => table.get(word.as_str())?,
                DeValue::Array(entries) => entries.get(word.parse::<usize>().ok()?)?,
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => return None,
            };
        }
        Some(value.span())
    }

    /// The closest thing above a key that is not there.
    fn nearest_span(&self, path: &str) -> Range<usize> {
        let mut path = path;
        while let Some(cut) = path.rfind(['.', '[']) {
            path = &path[..cut];
            if let Some(span) = self.find(path) {
                return span;
            }
        }
        self.text.len()..self.text.len()
    }

    /// The key that holds these bytes.
    fn path_at(&self, span: &Range<usize>) -> String {
        path_in_table(&self.root, span).unwrap_or_default()
    }
}

fn split_path(path: &str) -> (String, Vec<String>) {
    let mut words = path.split(['.', '[']).map(|word| word.trim_end_matches(']').to_owned());
    (words.next().unwrap_or_default(), words.collect())
}

fn path_in_table(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let word = key.get_ref();
        if key.span() == *span {
            return Some(word.to_string());
        }
        path_in_value(value, span).map(|below| join(word, &below))
    })
}

fn path_in_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    let below = match value.get_ref() {
        DeValue::Table(table) => path_in_table(table, span),
        DeValue::Array(entries) => path_in_list(entries, span),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            None
        }
    };
    below.or_else(|| (value.span() == *span).then(String::new))
}

fn path_in_list(entries: &DeArray<'_>, span: &Range<usize>) -> Option<String> {
    entries.iter().enumerate().find_map(|(index, entry)| {
        path_in_value(entry, span).map(|below| match below.as_str() {
            "" => format!("[{index}]"),
            _ => format!("[{index}].{below}"),
        })
    })
}

fn join(word: &str, below: &str) -> String {
    match below.chars().next() {
        None => word.to_owned(),
        Some('[') => format!("{word}{below}"),
        Some(_) => format!("{word}.{below}"),
    }
}

fn list_words(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The parser's message, where it has a better one than what the parser tried last.
fn broken(message: &str, standing: &str) -> Finding {
    let quotes = "a text in quotes, a number, true or false, a list or a table".to_owned();
    if message.starts_with("invalid boolean") || message.starts_with("string values must be quoted") {
        return Finding { found: format!("the bare word {standing}"), allowed: quotes, meant: None };
    }
    Finding { found: message.to_owned(), allowed: String::new(), meant: None }
}

fn one_of(found: String, word: &str, tail: &str) -> Finding {
    let known: Vec<&str> = tail.split('`').skip(1).step_by(2).collect();
    let allowed = if known.is_empty() { "no keys at all".to_owned() } else { list_words(&known) };
    Finding { found, allowed, meant: nearest(word, known.iter().copied()) }
}

fn expectation(expected: &str) -> &str {
    match expected {
        "a string" | "string" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "path string" => "a path in quotes",
        "socket address" => "an address and a port in quotes, such as \"127.0.0.1:8481\"",
        "f64" => "a number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number",
        "a map" => "a table",
        _ if expected.starts_with("struct ") => "a table",
        _ if expected.starts_with("enum ") => "one of its words",
        _ => expected,
    }
}
