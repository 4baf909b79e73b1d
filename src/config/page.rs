//! One file of a configuration: its text, the raw form read from it, and every problem in it.
//!
//! Serde stops at the first key that it cannot take. Here the offending entry is noted, taken out,
//! and the rest is read again, so that one run names every problem; at most
//! [`PROBLEMS_PER_FILE_MAX`] of one file.

use super::{Problem, raw::At};
use serde::de::DeserializeOwned;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bytes of one configuration file or certificate file.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Problems named of one file before its reading is given up.
pub const PROBLEMS_PER_FILE_MAX: usize = 100;

/// A key and where its table stands; `None` is the file's own table.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    table: Option<Range<usize>>,
    key: String,
}

/// One file while it is read.
#[derive(Debug)]
pub struct Page {
    file: PathBuf,
    text: String,
    /// Entries that could not be read; they are not missing as well.
    unreadable: Vec<Entry>,
    /// What was found wrong so far.
    pub problems: Vec<Problem>,
}

impl Page {
    /// Reads a file. One that cannot be read is a page without text, with that problem.
    pub fn read(file: PathBuf) -> Self {
        let (text, problem) = match read_text(&file) {
            Ok(text) => (text, None),
            Err(message) => (String::new(), Some(Problem { file: file.clone(), line: 0, message })),
        };
        Self { file, text, unreadable: Vec::new(), problems: problem.into_iter().collect() }
    }

    /// The text, as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The raw form: `None` where the text is no TOML at all, else what could be read of it.
    pub fn parse<T: DeserializeOwned>(&mut self) -> Option<T> {
        if !self.problems.is_empty() {
            return None;
        }
        let text = std::mem::take(&mut self.text);
        let parsed = self.parse_text(&text);
        self.text = text;
        parsed
    }

    fn parse_text<T: DeserializeOwned>(&mut self, text: &str) -> Option<T> {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            for error in errors.iter().take(PROBLEMS_PER_FILE_MAX) {
                self.note_in(text, error.span(), format!("this is not TOML: {}", error.message()));
            }
            return None;
        }
        let (span, mut table) = (document.span(), document.into_inner());
        for _ in 0..PROBLEMS_PER_FILE_MAX {
            let error = match T::deserialize(toml::Deserializer::from(Spanned::new(span.clone(), table.clone()))) {
                Ok(raw) => return Some(raw),
                Err(error) => error,
            };
            let removed = error.span().and_then(|at| remove(&mut table, None, &at));
            self.note_in(text, error.span(), readable(error.message(), removed.as_ref().map(|entry| entry.key.as_str())));
            self.unreadable.push(removed?);
        }
        None
    }

    /// Notes a problem at a place in the text; `None` is the file as a whole.
    pub fn note(&mut self, at: Option<Range<usize>>, message: impl Into<String>) {
        let problem = problem_at(&self.file, &self.text, at, message.into());
        self.problems.push(problem);
    }

    fn note_in(&mut self, text: &str, at: Option<Range<usize>>, message: String) {
        self.problems.push(problem_at(&self.file, text, at, message));
    }

    /// The value, or the problem that it is missing in the table that stands at `table`.
    pub fn required<T>(&mut self, value: Option<T>, key: &str, table: Option<Range<usize>>) -> Option<T> {
        if value.is_none() {
            self.missing(key, table);
        }
        value
    }

    /// Notes that a key is missing in the table that stands at `table`.
    pub fn missing(&mut self, key: &str, table: Option<Range<usize>>) {
        let entry = Entry { table, key: key.to_owned() };
        if !self.unreadable.contains(&entry) {
            self.note(entry.table, format!("`{key}` is missing"));
        }
    }

    /// The value parsed from its text, or the problem that the parser names.
    pub fn parsed<T>(&mut self, text: &At<String>) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        text.value().parse().map_err(|error| self.note(text.span(), format!("{error}"))).ok()
    }
}

fn problem_at(file: &Path, text: &str, at: Option<Range<usize>>, message: String) -> Problem {
    Problem { file: file.to_owned(), line: at.map_or(0, |span| line_of(text, span.start)), message }
}

fn line_of(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|b| *b == b'\n').count()
}

/// A file's text, if it is text and not larger than [`FILE_BYTES_MAX`].
fn read_text(file: &Path) -> Result<String, String> {
    String::from_utf8(read_bytes(file)?).map_err(|_| "the file is not UTF-8 text".to_owned())
}

/// A file's bytes, if there are not more than [`FILE_BYTES_MAX`].
pub fn read_bytes(file: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(cannot)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("the file is larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

/// Takes the innermost entry that stands around `at` out of the table, which stands at `here`.
fn remove(table: &mut DeTable<'_>, here: Option<Range<usize>>, at: &Range<usize>) -> Option<Entry> {
    let around = |span: Range<usize>| span.start <= at.start && at.end <= span.end;
    for (_, value) in table.iter_mut() {
        let span = Some(value.span());
        let removed = match value.get_mut() {
            DeValue::Table(inner) => remove(inner, span, at),
            DeValue::Array(items) => items.iter_mut().find_map(|item| {
                let span = Some(item.span());
                match item.get_mut() {
                    DeValue::Table(inner) => remove(inner, span, at),
                    _ => None,
                }
            }),
            _ => None,
        };
        if removed.is_some() {
            return removed;
        }
    }
    let key = table.iter().find(|(key, value)| around(key.span()) || around(value.span()))?.0.get_ref().to_string();
    table.remove(key.as_str());
    Some(Entry { table: here, key })
}

/// Serde's message in an operator's words.
fn readable(message: &str, key: Option<&str>) -> String {
    let key = key.unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (name, valid) = rest.split_once(", ").unwrap_or((rest, "none"));
        let valid = valid.trim_start_matches("expected one of ").trim_start_matches("expected ").replace(" or ", ", ");
        return format!("unknown key {name}; the keys here are {valid}");
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let (name, valid) = rest.split_once(", expected ").unwrap_or((rest, ""));
        return format!("`{key}` cannot be {name}; write {}", valid.trim_start_matches("one of "));
    }
    if message.contains("expected newtype variant") {
        return format!("`{key}`: this choice needs a value, as in {{ NAME = VALUE }}");
    }
    let plain = [("a nonzero u32", "a whole number from 1 to 4294967295"), ("a nonzero u64", "a whole number from 1")];
    let message = plain.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to));
    // The types of tables are named in Rust's words, which mean nothing here.
    let message = message.split_once("expected struct ").map_or(message.clone(), |(start, _)| format!("{start}expected a table"));
    format!("`{key}`: {message}")
}
