//! Looks into a table without a plan: its charset, delimiter, headings, and what stands before them.
//!
//! The charset is that of the byte order mark; without one it is UTF-8 where the beginning is, else GB 18030. The delimiter is the one of which the first
//! lines have most. The headings are the first row that has as many cells as the widest of the first
//! [`HEADING_ROWS_MAX`]; rows of two cells before it are labels and values.

use crate::cells::{Cells, End};
use portolan_contract::table::{HEADING_ROWS_MAX, trimmed};
use portolan_contract::{Charset, FormatCode, FormatError, Limits, Outline, Outliner, Position, TextInput};
use std::io::{Cursor, Read};

/// Bytes by which charset and delimiter are guessed.
const BEGINNING_BYTES: u64 = 64 * 1024;
/// What may stand between cells.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The outline of a table.
///
/// # Errors
/// A body that is no table, and I/O.
pub fn outline<'a>(mut input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Outline, FormatError> {
    let mut beginning = Vec::new();
    let start = Position { line: 1, byte: 0, column: 0 };
    (&mut input).take(BEGINNING_BYTES).read_to_end(&mut beginning).map_err(|error| FormatError::from_io(error, start))?;
    let unmarked = if is_utf8(&beginning) { Charset::Utf8 } else { Charset::Gb18030 };
    let charset = TextInput::new(Box::new(&beginning[..]), unmarked, limits.token_bytes_max)?.charset();
    let delimiter = delimiter(&beginning, charset);
    let whole = Box::new(Cursor::new(beginning).chain(input));
    let mut rows = Rows { cells: Cells::new(whole, charset, delimiter, Some(b'"'), limits)?, bytes_max: limits.record_bytes_max };
    let mut first = Vec::new();
    while first.len() < HEADING_ROWS_MAX as usize
        && let Some(row) = rows.next()?
    {
        first.push(row);
    }
    let width = first.iter().map(Vec::len).max().unwrap_or(0);
    let Some(heading) = first.iter().position(|row| row.len() == width && width > 0) else {
        return Err(FormatError::new(FormatCode::NotThisMessage, start, "文件为空，没有表头", "the file is empty: there are no headings"));
    };
    let mut outliner = Outliner::new(limits);
    let after = first.split_off(heading);
    let pairs = pairs(&mut outliner, &first)?;
    let mut after = after.into_iter();
    let headings: Vec<String> = after.next().into_iter().flatten().map(|cell| trimmed(&cell).to_owned()).collect();
    for row in after {
        record(&mut outliner, &headings, &row)?;
    }
    while let Some(row) = rows.next()? {
        record(&mut outliner, &headings, &row)?;
    }
    Ok(Outline { record: Some("row".to_owned()), ..outliner.finish(options(charset, delimiter, pairs)) })
}

fn options(charset: Charset, delimiter: u8, pairs: bool) -> toml::Table {
    let mut options = toml::Table::new();
    options.insert("charset".to_owned(), charset.label().to_ascii_lowercase().into());
    if delimiter != b',' {
        options.insert("delimiter".to_owned(), char::from(delimiter).to_string().into());
    }
    if pairs {
        options.insert("header".to_owned(), "pairs".into());
    }
    options
}

/// Labels and values before the headings; whether there are any.
fn pairs(outliner: &mut Outliner, rows: &[Vec<String>]) -> Result<bool, FormatError> {
    let at = Position::default();
    let pairs: Vec<_> = rows.iter().filter_map(|row| if let [label, value] = &row[..] { Some((label, value)) } else { None }).collect();
    if pairs.is_empty() {
        return Ok(false);
    }
    outliner.enter("header", at)?;
    for (label, value) in &pairs {
        outliner.value(trimmed(label), value, at)?;
    }
    outliner.leave();
    Ok(true)
}

fn record(outliner: &mut Outliner, headings: &[String], row: &[String]) -> Result<(), FormatError> {
    let at = Position::default();
    outliner.enter("row", at)?;
    for (heading, cell) in headings.iter().zip(row).filter(|(heading, _)| !heading.is_empty()) {
        outliner.value(heading, cell, at)?;
    }
    outliner.leave();
    Ok(())
}

/// The rows of a table, blank ones left out, each held whole.
struct Rows<'a> {
    cells: Cells<'a>,
    bytes_max: usize,
}

impl Rows<'_> {
    fn next(&mut self) -> Result<Option<Vec<String>>, FormatError> {
        loop {
            let Some(mut cell) = self.cells.first()? else { return Ok(None) };
            if self.cells.is_blank(&cell) {
                continue;
            }
            let (mut row, mut bytes) = (Vec::new(), 0);
            loop {
                bytes += self.cells.text().len();
                if bytes > self.bytes_max {
                    let max = self.bytes_max;
                    let (zh, en) = (format!("一行超过 {max} 字节"), format!("a row is larger than {max} bytes"));
                    return Err(FormatError::new(FormatCode::RecordExceeded, cell.at, zh, en));
                }
                row.push(self.cells.text().to_owned());
                if cell.end == End::Row {
                    return Ok(Some(row));
                }
                cell = self.cells.next()?;
            }
        }
    }
}

/// Whether a beginning is UTF-8, the character that it may end within left out.
fn is_utf8(beginning: &[u8]) -> bool {
    std::str::from_utf8(beginning).map_or_else(|error| error.error_len().is_none(), |_| true)
}

fn delimiter(beginning: &[u8], charset: Charset) -> u8 {
    let count = |delimiter: u8| match charset {
        Charset::Utf16Le => beginning.chunks_exact(2).filter(|unit| *unit == [delimiter, 0]).count(),
        Charset::Utf16Be => beginning.chunks_exact(2).filter(|unit| *unit == [0, delimiter]).count(),
        _ => beginning.iter().filter(|byte| **byte == delimiter).count(),
    };
    DELIMITERS.into_iter().rev().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}
