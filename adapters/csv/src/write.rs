//! Writing: labelled values, the headings, a row for each record, and the trailer row.

use crate::{BoundCsv, LineEnding};
use portolan_contract::table::RowValues;
use portolan_contract::{FormatCode, FormatError, Position, RawRecord, TextOutput, WriteRecords};
use std::io::Write;

/// Writes the records of one body.
pub struct Writer<'a> {
    bound: &'a BoundCsv,
    output: TextOutput<'a>,
    delimiter: String,
    values: RowValues,
    head: RawRecord,
}

impl<'a> Writer<'a> {
    /// A writer at the first row, with what stands before the rows written.
    ///
    /// # Errors
    /// I/O faults, and text that the charset cannot hold.
    pub fn new(output: Box<dyn Write + 'a>, bound: &'a BoundCsv, head: &RawRecord) -> Result<Self, FormatError> {
        let output = TextOutput::new(output, bound.write_charset());
        let delimiter = char::from(bound.delimiter).to_string();
        let mut writer = Self { bound, output, delimiter, values: RowValues::new(&bound.plan), head: head.clone() };
        if bound.options.byte_order_mark {
            writer.output.byte_order_mark()?;
        }
        writer.labels(head)?;
        writer.headings()?;
        Ok(writer)
    }

    /// One row of label and value for each that there is.
    fn labels(&mut self, head: &RawRecord) -> Result<(), FormatError> {
        for label in &self.bound.table.labels {
            let value = label.slot.and_then(|slot| head.find(slot, None)).map(|v| head.text(v));
            let Some(text) = value.or(label.constant.as_deref()) else { continue };
            self.cell(&label.name, false)?;
            self.output.write(&self.delimiter)?;
            self.cell(text, false).map_err(|e| e.on(&label.name))?;
            self.end_row()?;
        }
        Ok(())
    }

    fn headings(&mut self) -> Result<(), FormatError> {
        for (index, column) in self.bound.table.columns.iter().enumerate() {
            if index > 0 {
                self.output.write(&self.delimiter)?;
            }
            self.cell(&column.name, false)?;
        }
        self.end_row()
    }

    /// Writes one cell, in quotes where it needs them; `alone` on its row an empty one does.
    fn cell(&mut self, text: &str, alone: bool) -> Result<(), FormatError> {
        if text.contains('\0') {
            return Err(forbidden("单元格含有 NUL（U+0000）字符", "a cell holds a NUL character (U+0000)"));
        }
        let quote = self.bound.options.quote.byte();
        let special = |byte: u8| matches!(byte, b'\r' | b'\n') || byte == self.bound.delimiter || Some(byte) == quote;
        let needs_quotes = text.bytes().any(special) || (alone && text.is_empty());
        if !needs_quotes {
            return self.output.write(text);
        }
        if quote.is_none() {
            return Err(forbidden("该单元格须加引号，但此格式不用引号", "this cell needs quotes, and this table has none"));
        }
        self.output.write("\"")?;
        for (index, part) in text.split('"').enumerate() {
            if index > 0 {
                self.output.write("\"\"")?;
            }
            self.output.write(part)?;
        }
        self.output.write("\"")
    }

    fn end_row(&mut self) -> Result<(), FormatError> {
        self.output.write(match self.bound.options.line_ending {
            LineEnding::Crlf => "\r\n",
            LineEnding::Lf => "\n",
        })
    }

    /// The row that ends the table, where there is a value for it.
    fn trailer(&mut self) -> Result<(), FormatError> {
        let head = std::mem::take(&mut self.head);
        let cells: Vec<Option<&str>> =
            self.bound.table.trailer.iter().map(|slot| slot.and_then(|s| head.find(s, None)).map(|v| head.text(v))).collect();
        let Some(label) = self.bound.table.trailer_label.as_deref().filter(|_| cells.iter().any(Option::is_some)) else { return Ok(()) };
        self.cell(label, false)?;
        for text in cells.iter().skip(1) {
            self.output.write(&self.delimiter)?;
            self.cell(text.unwrap_or(""), false)?;
        }
        self.end_row()
    }
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        self.bound.table.check_around(&self.head, record)?;
        self.values.take_up(record);
        let columns = &self.bound.table.columns;
        for (index, column) in columns.iter().enumerate() {
            let text = self.values.text(column, record);
            if index > 0 {
                self.output.write(&self.delimiter)?;
            } else if self.bound.table.is_trailer(text) {
                let (zh, en) =
                    ("首格与结尾行的标志相同，读者会误认", "the first cell equals the trailer's label and would be taken for it");
                return Err(forbidden(zh, en).on(format!("row/{}", column.name)));
            }
            self.cell(text, columns.len() == 1).map_err(|e| e.on(format!("row/{}", column.name)))?;
        }
        self.end_row()
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.trailer()?;
        self.output.finish()
    }
}

fn forbidden(zh: &str, en: &str) -> FormatError {
    FormatError::new(FormatCode::CharacterForbidden, Position::default(), zh, en)
}
