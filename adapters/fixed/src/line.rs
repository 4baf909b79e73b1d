//! Lines of text, and cutting them into cells where the body's own bytes or characters say.
//!
//! Limits: a line is held whole, and counts as a token.

use crate::Units;
use portolan_contract::{Charset, FormatCode, FormatError, Position, TextInput};
use std::io::{BufRead, Read};
use std::ops::Range;

/// Bytes of UTF-8 for one unit of columns: a character has at most four.
const UTF8_BYTES_PER_UNIT_MAX: usize = 4;

/// The lines of one body; one is held.
pub struct Lines<'a> {
    input: TextInput<'a>,
    bytes_max: usize,
    units: Units,
    /// The length of every line where lines have no ends.
    length: Option<usize>,
    text: String,
    /// The line's start.
    at: Position,
    /// Where each character that is not ASCII begins and ends; between them one unit is one
    /// character of ASCII (or in UTF-16 two bytes).
    marks: Vec<Mark>,
    /// The line's end.
    end: Mark,
}

/// A place within a line: in the text that is held, in bytes of the body, and in units of columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    text: usize,
    bytes: usize,
    units: usize,
}

/// A stretch of a line.
pub enum Cell<'l> {
    /// Its text, whole, and where it begins; the line may end within it.
    Whole(&'l str, Position),
    /// The line ends before it.
    Beyond,
    /// It begins or ends within a character, which begins here.
    Cut(Position),
}

impl<'a> Lines<'a> {
    /// The lines of `source`, all of one `length` where they have no ends.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(
        source: Box<dyn Read + 'a>,
        charset: Charset,
        units: Units,
        length: Option<usize>,
        token_bytes_max: usize,
    ) -> Result<Self, FormatError> {
        // The cap is kept here rather than by the input, so that the error names the line's start.
        let input = TextInput::new(source, charset, usize::MAX)?;
        let at = input.position();
        Ok(Self { input, bytes_max: token_bytes_max, units, length, text: String::new(), at, marks: Vec::new(), end: Mark::default() })
    }

    /// Reads the next line; `false` at the end of the body.
    ///
    /// # Errors
    /// What is no text in its charset, a line beyond the limit, and where lines have no ends one
    /// that is not whole.
    pub fn next(&mut self) -> Result<bool, FormatError> {
        self.text.clear();
        self.marks.clear();
        self.end = Mark::default();
        self.at = self.input.position();
        match self.length {
            Some(length) => self.next_of_length(length),
            None => self.next_with_end(),
        }
    }

    /// Where the line begins, or the body ends.
    pub fn at(&self) -> Position {
        self.at
    }

    /// Nothing stands on the line.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The line's length in units of columns.
    pub fn units(&self) -> usize {
        self.end.units
    }

    /// What stands in some of the line's places, counted from 0.
    pub fn cell(&self, place: &Range<usize>) -> Cell<'_> {
        if place.start >= self.end.units {
            return Cell::Beyond;
        }
        match (self.mark(place.start), self.mark(place.end)) {
            (Ok(from), Ok(to)) => {
                let byte = self.at.byte + from.bytes as u64;
                let at = Position { byte, column: (place.start + 1) as u32, ..self.at };
                Cell::Whole(self.text.get(from.text..to.text).unwrap_or_default(), at)
            }
            (Err(cut), _) | (_, Err(cut)) => {
                let byte = self.at.byte + cut.bytes as u64;
                Cell::Cut(Position { byte, column: (cut.units + 1) as u32, ..self.at })
            }
        }
    }

    fn next_with_end(&mut self) -> Result<bool, FormatError> {
        let mut any = false;
        loop {
            let bytes = filled(&mut self.input)?;
            if bytes.is_empty() {
                break;
            }
            any = true;
            let stop = memchr::memchr(b'\n', bytes);
            let length = stop.unwrap_or(bytes.len());
            self.take(length, usize::MAX)?;
            if stop.is_some() {
                self.input.consume(1);
                break;
            }
        }
        self.drop_return();
        Ok(any)
    }

    fn next_of_length(&mut self, length: usize) -> Result<bool, FormatError> {
        while self.end.units < length {
            let bytes = filled(&mut self.input)?;
            if bytes.is_empty() {
                // A line end after the last line is no line.
                return match self.text.bytes().all(|b| matches!(b, b'\r' | b'\n')) {
                    true => Ok(false),
                    false => Err(self.broken(FormatCode::Truncated, length)),
                };
            }
            let enough = (length - self.end.units).saturating_mul(UTF8_BYTES_PER_UNIT_MAX);
            let goes_on = |at: usize| bytes.get(at).is_some_and(|b| b & 0xC0 == 0x80);
            let whole = (0..=enough.min(bytes.len())).rev().find(|&at| !goes_on(at)).unwrap_or(bytes.len());
            self.take(whole, length)?;
        }
        if self.end.units > length { Err(self.broken(FormatCode::Syntax, length)) } else { Ok(true) }
    }

    fn broken(&self, code: FormatCode, length: usize) -> FormatError {
        let found = self.end.units;
        let (zh, en) = match code {
            FormatCode::Truncated => {
                (format!("每行应长 {length}，末行只有 {found}"), format!("every line is {length} long, the last one {found}"))
            }
            _ => (
                format!("每行应长 {length}，此行的末端落在一个字符中间"),
                format!("every line is {length} long, and this one's end is within a character"),
            ),
        };
        FormatError::new(code, self.at, zh, en)
    }

    /// Takes text that the input holds, `length` bytes of UTF-8 or up to so many units.
    fn take(&mut self, length: usize, units_max: usize) -> Result<(), FormatError> {
        let (start, each, wide) = (self.text.len(), self.ascii_units(), self.ascii_bytes());
        let bytes = filled(&mut self.input)?;
        let bytes = bytes.get(..length).unwrap_or(bytes);
        let taken = bytes.len();
        if start + taken > self.bytes_max {
            let max = self.bytes_max;
            let (zh, en) = (format!("一行超过 {max} 字节"), format!("a line is larger than {max} bytes"));
            return Err(FormatError::new(FormatCode::TokenExceeded, self.at, zh, en));
        }
        self.text.push_str(&String::from_utf8_lossy(bytes));
        if bytes.is_ascii() && taken.saturating_mul(each) <= units_max.saturating_sub(self.end.units) {
            self.input.consume(taken);
            self.end = Mark { text: start + taken, bytes: self.end.bytes + taken * wide, units: self.end.units + taken * each };
            return Ok(());
        }
        while self.end.units < units_max
            && let Some(character) = self.text.get(self.end.text..).and_then(|rest| rest.chars().next())
        {
            self.take_character(character);
        }
        self.text.truncate(self.end.text);
        Ok(())
    }

    fn take_character(&mut self, character: char) {
        // Some characters of GB 18030 have more than one form: only the body tells which stood there.
        let start = if character.is_ascii() { None } else { Some(self.input.position().byte) };
        self.input.consume(character.len_utf8());
        let bytes = start.map_or(self.ascii_bytes(), |start| (self.input.position().byte - start) as usize);
        let before = self.end;
        let units = if self.units == Units::Bytes { bytes } else { 1 };
        self.end = Mark { text: before.text + character.len_utf8(), bytes: before.bytes + bytes, units: before.units + units };
        if start.is_some() {
            if self.marks.last() != Some(&before) {
                self.marks.push(before);
            }
            self.marks.push(self.end);
        }
    }

    /// The carriage return before a line feed belongs to the line's end.
    fn drop_return(&mut self) {
        if self.text.ends_with('\r') {
            self.text.pop();
            self.end.text -= 1;
            self.end.bytes -= self.ascii_bytes();
            self.end.units -= self.ascii_units();
        }
    }

    fn ascii_bytes(&self) -> usize {
        if matches!(self.input.charset(), Charset::Utf16Le | Charset::Utf16Be) { 2 } else { 1 }
    }

    fn ascii_units(&self) -> usize {
        if self.units == Units::Bytes { self.ascii_bytes() } else { 1 }
    }

    /// The place so many units from the line's start (its end where it is shorter), or the start of
    /// the character in the middle of which that is.
    fn mark(&self, units: usize) -> Result<Mark, Mark> {
        if units >= self.end.units {
            return Ok(self.end);
        }
        let before = self.marks.partition_point(|mark| mark.units <= units).checked_sub(1).and_then(|at| self.marks.get(at));
        let base = before.copied().unwrap_or_default();
        let beyond = units - base.units;
        let is_ascii = self.text.as_bytes().get(base.text).is_none_or(u8::is_ascii);
        let each = self.ascii_units();
        let characters = beyond / each;
        match is_ascii {
            _ if beyond == 0 => Ok(base),
            false => Err(base),
            true => {
                let place = Mark {
                    text: base.text + characters,
                    bytes: base.bytes + characters * self.ascii_bytes(),
                    units: base.units + characters * each,
                };
                if beyond.is_multiple_of(each) { Ok(place) } else { Err(place) }
            }
        }
    }
}

fn filled<'i>(input: &'i mut TextInput<'_>) -> Result<&'i [u8], FormatError> {
    let at = input.position();
    input.fill_buf().map_err(|e| FormatError::from_io(e, at))
}
