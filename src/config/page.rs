//! One file of a configuration: its text, the raw form read from it, and every problem in it.

use super::recovery::{Entry, line_of, recovered};
use super::{NamedFile, Problem, raw::At};
use serde::de::DeserializeOwned;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of one configuration file or certificate file.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

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
        let read = recovered(&self.text);
        self.unreadable = read.unreadable;
        read.problems.into_iter().for_each(|(at, message)| self.note(at, message));
        read.value
    }

    /// Notes a problem at a place in the text; `None` is the file as a whole, told at its beginning.
    pub fn note(&mut self, at: Option<Range<usize>>, message: impl Into<String>) {
        let line = self.line(at);
        self.problems.push(Problem { file: self.file.clone(), line, message: message.into() });
    }

    /// The line of a place in the text.
    fn line(&self, at: Option<Range<usize>>) -> usize {
        at.map_or(1, |span| line_of(&self.text, span.start))
    }

    /// A file that is named at a place in the text.
    pub fn named_file(&self, path: PathBuf, at: Option<Range<usize>>) -> NamedFile {
        NamedFile::named_at(path, &self.file, self.line(at))
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
