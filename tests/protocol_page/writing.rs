//! How the page writes what a hub said: in its own names and times, in lines that can be read.

use std::collections::BTreeMap;

/// Longest line of an example.
const WIDTH: usize = 116;

/// The page's first moment, milliseconds since 1970.
const FIRST: u64 = 1_767_225_600_000;

/// Times that were written, and what they are on the page.
#[derive(Debug, Default)]
pub struct Writing {
    times: BTreeMap<String, u64>,
}

impl Writing {
    /// JSON of a hub, as the page writes it.
    pub fn in_the_pages_words(&mut self, text: &str, names: &[(&String, &String)]) -> String {
        let text = names.iter().fold(text.to_owned(), |text, (page, here)| text.replace(here.as_str(), page));
        filled(&self.with_the_pages_times(&text))
    }

    fn with_the_pages_times(&mut self, text: &str) -> String {
        let (mut written, mut digits) = (String::new(), String::new());
        for letter in text.chars().chain(['\n']) {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            if digits.len() == 13 && !written.ends_with(|before: char| before.is_ascii_alphanumeric()) {
                let next = FIRST + 1_400 * self.times.len() as u64;
                digits = self.times.entry(digits).or_insert(next).to_string();
            }
            written.push_str(&std::mem::take(&mut digits));
            written.push(letter);
        }
        written.trim_end().to_owned()
    }
}

/// JSON in lines: broken after commas, further lines by two spaces in.
fn filled(text: &str) -> String {
    let (mut pieces, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for letter in text.chars() {
        let last = pieces.last_mut().expect("there is always one");
        last.push(letter);
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ':' if !quoted => last.push(' '),
            ',' if !quoted => pieces.push(String::new()),
            _ => {}
        }
    }
    let (mut lines, mut line) = (Vec::new(), String::new());
    for piece in pieces {
        if line.len() + 1 + piece.len() > WIDTH && !line.is_empty() {
            lines.push(std::mem::replace(&mut line, format!("  {piece}")));
        } else if line.is_empty() {
            line = piece;
        } else {
            line = format!("{line} {piece}");
        }
    }
    lines.push(line);
    lines.join("\n")
}
