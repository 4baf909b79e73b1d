//! TOML read past its mistakes, so that one run names every problem of a file.
//!
//! Serde stops at the first key that it cannot take. Here the offending entry is noted, taken out, and the rest is
//! read again; at most [`PROBLEMS_PER_FILE_MAX`] times.

use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Problems named of one file before its reading is given up.
pub const PROBLEMS_PER_FILE_MAX: usize = 100;

/// A key and where its table stands; `None` is the file's own table.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The table: the whole of one that is written in a line, else its header.
    pub table: Option<Range<usize>>,
    /// The key.
    pub key: String,
}

/// What could be read of a text.
#[derive(Debug)]
pub struct Recovered<T> {
    /// The value without what could not be read; `None` where the text is no TOML at all.
    pub value: Option<T>,
    /// Entries that could not be read; they are not missing as well.
    pub unreadable: Vec<Entry>,
    /// What is wrong, and where; `None` is the text as a whole.
    pub problems: Vec<(Option<Range<usize>>, String)>,
}

/// Reads a text.
pub fn recovered<T: DeserializeOwned>(text: &str) -> Recovered<T> {
    let mut read = Recovered { value: None, unreadable: Vec::new(), problems: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let told = errors.iter().take(PROBLEMS_PER_FILE_MAX);
        read.problems.extend(told.map(|error| (error.span(), format!("this is not TOML: {}", error.message()))));
        return read;
    }
    let (span, mut table) = (document.span(), document.into_inner());
    for _ in 0..PROBLEMS_PER_FILE_MAX {
        let error = match T::deserialize(toml::Deserializer::from(Spanned::new(span.clone(), table.clone()))) {
            Ok(value) => {
                read.value = Some(value);
                break;
            }
            Err(error) => error,
        };
        let removed = error.span().and_then(|at| remove(&mut table, None, &at));
        // What was taken out before is not missing.
        let follows = |entry: &Entry| missing(error.message()) == Some(&entry.key) && entry.table == error.span();
        if !read.unreadable.iter().any(follows) {
            let message = readable(error.message(), removed.as_ref().map(|entry| entry.key.as_str()));
            read.problems.push((error.span(), message));
        }
        match removed {
            Some(entry) => read.unreadable.push(entry),
            None => break,
        }
    }
    read
}

/// The line of a place in a text, from 1.
pub fn line_of(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|b| *b == b'\n').count()
}

/// Takes the innermost entry that stands around `at` out of the table, which stands at `here`; of several tables under
/// one key the one table.
fn remove(table: &mut DeTable<'_>, here: Option<Range<usize>>, at: &Range<usize>) -> Option<Entry> {
    let around = |span: Range<usize>| span.start <= at.start && at.end <= span.end;
    for (key, value) in table.iter_mut() {
        let span = Some(value.span());
        let removed = match value.get_mut() {
            DeValue::Table(inner) => remove(inner, span, at),
            DeValue::Array(items) => {
                let within = items.iter_mut().find_map(|item| {
                    let span = Some(item.span());
                    match item.get_mut() {
                        DeValue::Table(inner) => remove(inner, span, at),
                        _ => None,
                    }
                });
                within.or_else(|| {
                    let item = items.iter().position(|item| item.get_ref().is_table() && around(item.span()))?;
                    *items = std::mem::replace(items, DeArray::new())
                        .into_iter()
                        .enumerate()
                        .filter(|(at, _)| *at != item)
                        .map(|(_, item)| item)
                        .collect();
                    Some(Entry { table: here.clone(), key: key.get_ref().to_string() })
                })
            }
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

/// The key that serde misses.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Serde's message in an operator's words.
fn readable(message: &str, key: Option<&str>) -> String {
    let key = key.unwrap_or_default();
    if let Some(missing) = missing(message) {
        return format!("`{missing}` is missing");
    }
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
    if message.contains("untagged enum") {
        return format!("`{key}` is written in none of the ways that it may be");
    }
    let plain = [("a nonzero u32", "a whole number from 1 to 4294967295"), ("a nonzero u64", "a whole number from 1")];
    let message = plain.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to));
    // The types of tables are named in Rust's words, which mean nothing here.
    let message = message.split_once("expected struct ").map_or(message.clone(), |(start, _)| format!("{start}expected a table"));
    format!("`{key}`: {message}")
}
