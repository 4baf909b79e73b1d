//! What must hold of everything that a reader gives.

use portolan_contract::cases::Dribble;
use portolan_contract::{FormatError, Limits, Position, RawRecord, Words};
use std::io::Read;

/// A few bytes of a body at a time, more of a large one, so that every place is once the end of a buffer.
pub fn dribble<'b>(body: &'b [u8]) -> Box<dyn Read + 'b> {
    Box::new(Dribble::new(body, 1 + body.len() / 512))
}

/// The bounds that a body sets to what is said of it.
pub struct Bounds {
    bytes: u64,
    lines: u64,
    limits: Limits,
}

impl Bounds {
    /// Places within these bytes.
    pub fn of(body: &[u8], limits: Limits) -> Self {
        Self { bytes: body.len() as u64, lines: 1 + body.iter().filter(|&&byte| byte == b'\n').count() as u64, limits }
    }

    /// Places that are not those of the body itself but of parts that are compressed in it.
    pub fn of_parts(limits: Limits) -> Self {
        Self { bytes: u64::MAX, lines: u64::MAX, limits }
    }

    /// A place is in the body.
    pub fn place(&self, at: Position) {
        assert!(at.byte <= self.bytes && at.line <= self.lines, "{at:?} is not within {} bytes, {} lines", self.bytes, self.lines);
    }

    /// An error has its place in the body and words in both languages.
    pub fn error(&self, error: &FormatError) {
        self.place(error.at);
        words(&error.words);
        assert!(error.io.is_none(), "nothing fails below the format here: {error}");
    }

    /// A record's values have their places in the body, their items are there, and its size is within the limits.
    pub fn record(&self, record: &RawRecord) {
        self.place(record.at);
        for value in record.values() {
            self.place(value.at);
            assert!(!record.text(value).contains('\0'), "a value holds NUL: {value:?}");
            assert!(value.item.is_none_or(|item| (item as usize) < record.items().len()), "no such item: {value:?}");
        }
        for (index, item) in record.items().iter().enumerate() {
            assert!(item.parent.is_none_or(|parent| (parent as usize) < index), "an item before its parent: {item:?}");
        }
        for finding in &record.findings {
            self.place(finding.at);
            words(&finding.words);
            assert!(!finding.rule.is_empty());
        }
        assert!(record.values().len() <= self.limits.record_values_max, "{} values", record.values().len());
        assert!(record.text_bytes() <= self.limits.record_bytes_max, "{} bytes of text", record.text_bytes());
    }
}

/// Bytes that one language may say.
const SAID_BYTES_MAX: usize = 4_200;

/// Both languages say something, on one line and not at length.
pub fn words(words: &Words) {
    assert!(!words.zh.trim().is_empty() && !words.en.trim().is_empty(), "{words:?}");
    assert!(words.zh.len() <= SAID_BYTES_MAX && words.en.len() <= SAID_BYTES_MAX, "{} bytes of words", words.en.len());
    assert!(!words.zh.contains(char::is_control) && !words.en.contains(char::is_control), "{words:?}");
}
