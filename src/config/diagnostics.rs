//! What is wrong with a configuration file, all of it at once, each problem with its place, what was found and what is allowed.
//!
//! Pure text: it reads no file and decides nothing. A line that holds a secret is never printed with its value.

use std::fmt;
use std::ops::Range;

/// Keys whose values are never printed, wherever they stand.
const SECRET_KEYS: [&str; 4] = ["credential", "password", "secret", "token"];

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but something will probably not work.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Name of the file, as the user gave it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The key, such as `button[1].receiver.group`; empty where the file is no TOML at all.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What may stand there; empty where the finding says it all.
    pub allowed: String,
    /// The word that was probably meant.
    pub meant: Option<String>,
    excerpt: Excerpt,
}

/// Everything that is wrong with one file, in the order of the lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    problems: Vec<Problem>,
}

/// What a problem says, before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
    /// The word that was probably meant.
    pub meant: Option<String>,
}

impl Diagnostics {
    /// Whether anything forbids the use of the file.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// All problems, in the order of the lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// A problem with the file as a whole: it cannot be read.
    #[must_use]
    pub fn of_file(file: &str, found: impl Into<String>, allowed: impl Into<String>) -> Self {
        let finding = Finding { found: found.into(), allowed: allowed.into(), meant: None };
        let mut diagnostics = Self::default();
        diagnostics.add(Severity::Error, file, "", 0..0, String::new(), finding);
        diagnostics
    }

    /// Adds a problem found at these bytes of the text, unless one is known there: the second only follows from the first.
    pub fn add(
        &mut self,
        severity: Severity,
        file: &str,
        text: &str,
        span: Range<usize>,
        key: String,
        finding: Finding,
    ) {
        let (line, column, excerpt) = Excerpt::cut(text, span);
        let is_known = |other: &Problem| (other.line, other.column) == (line, column);
        if !excerpt.is_blank() && self.problems.iter().any(is_known) {
            return;
        }
        let Finding { found, allowed, meant } = finding;
        let problem = Problem { severity, file: file.to_owned(), line, column, key, found, allowed, meant, excerpt };
        let place = self.problems.partition_point(|other| (other.line, other.column) <= (line, column));
        self.problems.insert(place, problem);
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        let colon = if self.key.is_empty() { "" } else { ": " };
        writeln!(f, "{}:{}:{}{colon}{severity}{}", self.file, self.line, self.column, self.key)?;
        if !self.excerpt.is_blank() {
            writeln!(f, "{:>5} | {}", self.line, self.excerpt.line)?;
            writeln!(f, "      | {}{}", " ".repeat(self.excerpt.indent), "^".repeat(self.excerpt.width))?;
        }
        writeln!(f, "  found:   {}", self.found)?;
        if !self.allowed.is_empty() {
            writeln!(f, "  allowed: {}", self.allowed)?;
        }
        if let Some(meant) = &self.meant {
            writeln!(f, "  did you mean {meant}?")?;
        }
        Ok(())
    }
}

/// Whether the line at this byte assigns a secret, be it inside an inline table, so that its values must not be shown.
pub(super) fn is_secret(text: &str, at: usize) -> bool {
    let line = text[line_start(text, at)..].lines().next().unwrap_or_default();
    let is_key = |(start, word): (usize, &str)| {
        let rest = line[start + word.len()..].trim_start_matches(['"', '\'']).trim_start();
        rest.starts_with(['=', '.'])
    };
    SECRET_KEYS.iter().any(|key| line.match_indices(key).any(is_key))
}

/// The one of the known words that was probably meant, if one is near enough.
pub(super) fn nearest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(word) = known.iter().find(|word| found.len() >= 3 && word.contains(found)) {
        return Some(format!("`{word}`"));
    }
    let limit = (found.chars().count() / 3).clamp(1, 3);
    let (distance, word) = known.into_iter().map(|word| (distance(found, word), word)).min()?;
    (distance <= limit).then(|| format!("`{word}`"))
}

/// The line a problem is shown with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    line: String,
    indent: usize,
    width: usize,
}

impl Excerpt {
    /// Nothing stands there: what is missing has no place.
    fn is_blank(&self) -> bool {
        self.line.trim().is_empty()
    }

    /// The line and column of these bytes, and the line itself, with secrets blotted out.
    fn cut(text: &str, span: Range<usize>) -> (usize, usize, Self) {
        let span = boundary(text, span.start)..boundary(text, span.end.max(span.start));
        let start = line_start(text, span.start);
        let number = text[..start].matches('\n').count() + 1;
        let line = text[start..].lines().next().unwrap_or_default();
        let at = (span.start - start).min(line.len());
        let end = (span.end - start).clamp(at, line.len());
        let column = line[..at].chars().count() + 1;
        if is_secret(text, span.start) {
            let key = line.split('=').next().unwrap_or_default();
            let indent = column.saturating_sub(1).min(key.chars().count() + 2);
            return (number, column, Self { line: format!("{key}= …"), indent, width: 1 });
        }
        let width = line[at..end].chars().count().max(1);
        (number, column, Self { line: line.replace('\t', " "), indent: column - 1, width })
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..boundary(text, at)].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The last place at or before this byte where a character begins.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

/// How many characters must be added, removed, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let change = rows[i][j] + usize::from(a != b);
            let mut best = change.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding { found: "x".into(), allowed: "y".into(), meant: None }
    }

    #[test]
    fn problems_stand_in_the_order_of_the_lines() {
        let mut diagnostics = Diagnostics::default();
        let text = "a = 1\n\tb = 2\n";
        diagnostics.add(Severity::Error, "f", text, 11..12, "b".into(), finding());
        diagnostics.add(Severity::Warning, "f", text, 4..5, "a".into(), finding());
        let places: Vec<_> = diagnostics.problems().iter().map(|p| (p.line, p.column)).collect();
        assert_eq!(places, [(1, 5), (2, 6)]);
        assert!(diagnostics.has_errors());
    }

    #[test]
    fn a_secret_is_never_printed() {
        for text in [
            "credential = \"s3cret\"",
            "hub.credential = \"s3cret\"",
            "'credential'=\"s3cret\"",
            "hub = { adress = 1, credential = \"s3cret\" }",
            "ice = [{ credential.credental = \"s3cret\" }]",
            "  api-token =\"s3cret",
        ] {
            for start in 0..text.len() {
                let mut diagnostics = Diagnostics::default();
                diagnostics.add(Severity::Error, "f", text, start..start + 8, String::new(), finding());
                assert!(!diagnostics.to_string().contains("s3cret"), "{diagnostics}");
            }
        }
    }

    #[test]
    fn the_word_meant_is_near() {
        assert_eq!(nearest("adress", ["address", "credential"]), Some("`address`".to_owned()));
        assert_eq!(nearest("lable", ["label", "leds"]), Some("`label`".to_owned()));
        assert_eq!(nearest("colour", ["label", "leds"]), None);
    }

    #[test]
    fn any_place_in_any_text_can_be_shown() {
        for text in ["", "ä\n", "a = \"ü\"\r\nb", "\n\n"] {
            for start in 0..=text.len() + 1 {
                let mut diagnostics = Diagnostics::default();
                diagnostics.add(Severity::Error, "f", text, start..start + 3, String::new(), finding());
                assert!(diagnostics.to_string().starts_with("f:"));
            }
        }
    }
}
