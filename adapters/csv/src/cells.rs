//! CSV text to cells (RFC 4180), each with its place.
//!
//! It is our own because `csv-core` reads whatever it is given without a word: it tells neither of
//! a quote that stands where none may, nor where in the source a cell began.
//!
//! Limits: bytes of a cell, held while it is being read, and cells of a row.

use portolan_contract::{Charset, FormatCode, FormatError, Limits, Position, TextInput};
use std::io::{BufRead, Read};

/// The cells of one body.
pub struct Cells<'a> {
    input: TextInput<'a>,
    delimiter: u8,
    quote: Option<u8>,
    limits: Limits,
    /// Of the cell at hand, counted from 1.
    column: u32,
    text: String,
}

/// A cell; [`Cells::text`] holds its text until the next is read.
#[derive(Clone, Copy)]
pub struct Cell {
    /// Where it begins, at its opening quote if it has one.
    pub at: Position,
    /// What ended it.
    pub end: End,
    /// It stands in quotes.
    pub quoted: bool,
    /// The first quote within it, or text after the closing one, that RFC 4180 does not allow.
    pub stray: Option<Position>,
}

/// What ended a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A delimiter: another cell follows.
    Delimiter,
    /// The row's end, or the body's.
    Row,
}

impl<'a> Cells<'a> {
    /// The cells of `source`.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(
        source: Box<dyn Read + 'a>,
        charset: Charset,
        delimiter: u8,
        quote: Option<u8>,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        // The cap is kept here rather than by the input, so that the error names the cell's start.
        let input = TextInput::new(source, charset, usize::MAX)?;
        Ok(Self { input, delimiter, quote, limits: *limits, column: 0, text: String::new() })
    }

    /// The first cell of the next row; `None` at the end of the body.
    ///
    /// # Errors
    /// As for [`Cells::next`].
    pub fn first(&mut self) -> Result<Option<Cell>, FormatError> {
        self.column = 0;
        if self.peek()?.is_none() { Ok(None) } else { self.next().map(Some) }
    }

    /// The next cell of a row that goes on.
    ///
    /// # Errors
    /// A body that ends in quotes, what is no text in its charset, and what is beyond a limit.
    pub fn next(&mut self) -> Result<Cell, FormatError> {
        self.column += 1;
        self.text.clear();
        let at = self.here();
        if self.column as usize > self.limits.columns_max {
            let max = self.limits.columns_max;
            let (zh, en) = (format!("一行超过 {max} 列"), format!("a row has more than {max} columns"));
            return Err(FormatError::new(FormatCode::RecordExceeded, at, zh, en));
        }
        match (self.peek()?, self.quote) {
            (Some(next), Some(quote)) if next == quote => self.quoted(at, quote),
            _ => self.bare(at),
        }
    }

    /// Whether the cell read last is all of its row, and nothing stands on it.
    pub fn is_blank(&self, cell: &Cell) -> bool {
        self.text.is_empty() && !cell.quoted && cell.end == End::Row && cell.at.column == 1
    }

    /// The text of the cell read last.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn here(&self) -> Position {
        Position { column: self.column, ..self.input.position() }
    }

    fn bare(&mut self, at: Position) -> Result<Cell, FormatError> {
        let mut stray = None;
        let end = self.until_end(at, &mut stray)?;
        Ok(Cell { at, end, quoted: false, stray })
    }

    fn quoted(&mut self, at: Position, quote: u8) -> Result<Cell, FormatError> {
        self.input.consume(1);
        self.until_quote(at, quote)?;
        while self.peek()? == Some(quote) {
            self.text.push(char::from(quote));
            self.input.consume(1);
            self.until_quote(at, quote)?;
        }
        self.after_quote(at)
    }

    /// Ends a cell whose closing quote was taken; text that follows it is kept and noted.
    fn after_quote(&mut self, at: Position) -> Result<Cell, FormatError> {
        let after = self.here();
        let returns = self.peek()? == Some(b'\r');
        if returns {
            self.input.consume(1);
        }
        let mut stray = None;
        let end = match self.peek()? {
            None => End::Row,
            Some(b'\n') => {
                self.input.consume(1);
                End::Row
            }
            Some(next) if next == self.delimiter && !returns => {
                self.input.consume(1);
                End::Delimiter
            }
            Some(_) => {
                self.text.push_str(if returns { "\r" } else { "" });
                stray = Some(after);
                self.until_end(at, &mut stray)?
            }
        };
        Ok(Cell { at, end, quoted: true, stray })
    }

    /// Takes text up to a quote, and the quote.
    fn until_quote(&mut self, at: Position, quote: u8) -> Result<(), FormatError> {
        loop {
            let bytes = filled(&mut self.input)?;
            if bytes.is_empty() {
                let (zh, en) =
                    ("报文在引号内中断：此处的引号没有闭合", "the body ends within quotes: the one that opens here is never closed");
                return Err(FormatError::new(FormatCode::Truncated, at, zh, en));
            }
            let found = memchr::memchr(quote, bytes);
            let length = found.unwrap_or(bytes.len());
            append(&mut self.text, &bytes[..length], at, self.limits.token_bytes_max)?;
            self.input.consume(length + usize::from(found.is_some()));
            if found.is_some() {
                return Ok(());
            }
        }
    }

    /// Takes text up to a delimiter or the end of the row, and that; quotes in it are kept and the
    /// first is noted.
    fn until_end(&mut self, at: Position, stray: &mut Option<Position>) -> Result<End, FormatError> {
        loop {
            let bytes = filled(&mut self.input)?;
            if bytes.is_empty() {
                return Ok(self.end_row());
            }
            let found = match self.quote {
                Some(quote) => memchr::memchr3(self.delimiter, b'\n', quote, bytes),
                None => memchr::memchr2(self.delimiter, b'\n', bytes),
            };
            let length = found.unwrap_or(bytes.len());
            let stop = bytes.get(length).copied();
            append(&mut self.text, &bytes[..length], at, self.limits.token_bytes_max)?;
            match stop {
                None => self.input.consume(length),
                Some(b'\n') => {
                    self.input.consume(length + 1);
                    return Ok(self.end_row());
                }
                Some(byte) if byte == self.delimiter => {
                    self.input.consume(length + 1);
                    return Ok(End::Delimiter);
                }
                Some(quote) => {
                    self.input.consume(length);
                    stray.get_or_insert(self.here());
                    append(&mut self.text, &[quote], at, self.limits.token_bytes_max)?;
                    self.input.consume(1);
                }
            }
        }
    }

    /// The carriage return before a line feed belongs to the row's end, not to the cell.
    fn end_row(&mut self) -> End {
        if self.text.ends_with('\r') {
            self.text.pop();
        }
        End::Row
    }

    fn peek(&mut self) -> Result<Option<u8>, FormatError> {
        Ok(filled(&mut self.input)?.first().copied())
    }
}

fn filled<'i>(input: &'i mut TextInput<'_>) -> Result<&'i [u8], FormatError> {
    let at = input.position();
    input.fill_buf().map_err(|e| FormatError::from_io(e, at))
}

/// Appends bytes that end at an ASCII character or with the input's buffer, so are whole
/// characters.
fn append(text: &mut String, bytes: &[u8], at: Position, bytes_max: usize) -> Result<(), FormatError> {
    if text.len() + bytes.len() > bytes_max {
        let (zh, en) = (format!("单元格超过 {bytes_max} 字节"), format!("a cell is larger than {bytes_max} bytes"));
        return Err(FormatError::new(FormatCode::TokenExceeded, at, zh, en));
    }
    match std::str::from_utf8(bytes) {
        Ok(whole) => text.push_str(whole),
        Err(_) => text.push_str(&String::from_utf8_lossy(bytes)),
    }
    Ok(())
}
