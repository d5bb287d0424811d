//! The protocol's page as data: its examples, in order, with what their fences say of them. Checks nothing; `replay` does.
//!
//! ```text
//!  ```json TYPE            an example of this type
//!  ```json ClientFrame @w  … that `w` sends on its socket (a `hello` opens a new one)
//!  ```json HubFrame @w     … that then arrives at `w`
//!  ```http @w [TYPE]       a request of `w`, with a body of this type
//!  ```http STATUS [TYPE]   its answer
//! ```

pub mod house;
pub mod replay;
mod writing;

use std::ops::Range;
use std::sync::LazyLock;

/// `docs/protocol.md`.
pub static PAGE: LazyLock<String> = LazyLock::new(|| {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md")).expect("the page is there")
});

/// One fenced block.
#[derive(Debug, Clone)]
pub struct Example {
    /// The line of its fence, from 1.
    pub line: usize,
    /// `json`, `http`, `js`, …
    pub language: String,
    /// The other words of the fence.
    pub words: Vec<String>,
    /// Where its text stands in the page.
    pub place: Range<usize>,
    /// Its text.
    pub text: String,
}

impl Example {
    /// `@anna` as `anna`.
    pub fn actor(&self) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix('@'))
    }

    /// The type of its JSON.
    pub fn kind(&self) -> Option<&str> {
        self.words.iter().map(String::as_str).find(|word| word.starts_with(|first: char| first.is_ascii_uppercase()))
    }

    /// Of an HTTP answer.
    pub fn status(&self) -> Option<u16> {
        self.words.iter().find_map(|word| word.parse().ok())
    }

    /// What is JSON of it: all, or the body of an HTTP message.
    pub fn json(&self) -> &str {
        match self.language.as_str() {
            "json" => &self.text,
            "http" => self.text.split_once("\n\n").map_or("", |(_, body)| body),
            _ => "",
        }
    }

    /// Where its JSON stands in the page.
    pub fn json_place(&self) -> Range<usize> {
        let start = self.place.start + (self.text.len() - self.json().len());
        start..start + self.json().len()
    }

    /// Its JSON as a value.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(self.json()).unwrap_or_else(|error| panic!("{self}: {error}"))
    }
}

impl std::fmt::Display for Example {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "docs/protocol.md:{} ({} {})", self.line, self.language, self.words.join(" "))
    }
}

/// Every fenced block of a page.
pub fn examples(page: &str) -> Vec<Example> {
    let (mut examples, mut open): (Vec<Example>, Option<Example>) = (Vec::new(), None);
    let mut offset = 0;
    for (index, line) in page.split_inclusive('\n').enumerate() {
        let (start, end) = (offset, offset + line.len());
        offset = end;
        match (line.trim_end().strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let words = words.collect();
                open = Some(Example { line: index + 1, language, words, place: end..end, text: String::new() });
            }
            (Some(_), Some(example)) => {
                example.place.end = start;
                example.text = page[example.place.clone()].trim_end().to_owned();
                examples.extend(open.take());
            }
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    examples
}
