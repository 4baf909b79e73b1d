//! Writing text piece by piece: counted, encoded, with XML's escapes.

use super::{Size, Written};
use std::io::{self, Write};

/// Collects the text of one record, then writes it encoded and counted.
pub struct Sheet<'a> {
    into: &'a mut dyn Write,
    encoding: &'static encoding_rs::Encoding,
    /// The text that is not yet written.
    pub text: String,
    written: Written,
}

impl<'a> Sheet<'a> {
    pub fn new(into: &'a mut dyn Write, encoding: &'static encoding_rs::Encoding) -> Self {
        Self { into, encoding, text: String::new(), written: Written::default() }
    }

    /// Whether a feed of this size needs another record.
    pub fn wants_more(&self, size: Size) -> bool {
        match size {
            Size::Records(records) => self.written.records < records,
            Size::Bytes(bytes) => self.written.bytes < bytes,
        }
    }

    /// The number of the record that is written next, counted from 1.
    pub fn next_record(&self) -> u64 {
        self.written.records + 1
    }

    /// Writes the text collected, which holds so many whole records.
    pub fn flush(&mut self, records: u64) -> io::Result<()> {
        let (bytes, _, _) = self.encoding.encode(&self.text);
        self.into.write_all(&bytes)?;
        self.written.bytes += bytes.len() as u64;
        self.written.records += records;
        self.text.clear();
        Ok(())
    }

    /// What was written in all.
    pub fn written(&self) -> Written {
        self.written
    }

    /// An opening tag on a line of its own.
    pub fn open(&mut self, tag: &str) {
        self.text.extend(["<", tag, ">\n"]);
    }

    /// A closing tag on a line of its own.
    pub fn close(&mut self, tag: &str) {
        self.text.extend(["</", tag, ">\n"]);
    }

    /// An element with text, on a line of its own; `tag` may have attributes behind its name.
    pub fn leaf(&mut self, tag: &str, text: &str) {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.text.extend(["<", tag, ">"]);
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                c => self.text.push(c),
            }
        }
        self.text.extend(["</", name, ">\n"]);
    }
}

/// An amount in hundredths as a decimal number with two decimals.
pub fn hundredths(amount: u64) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}
