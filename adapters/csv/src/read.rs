//! Reading: finds the headings, then turns each row into a record.

use crate::BoundCsv;
use crate::cells::{Cell, Cells, End};
use portolan_contract::table::{ColumnSlots, HeadCell, Header, HeadingSearch};
use portolan_contract::{FormatCode, FormatError, Found, Limits, Position, RawRecord, ReadRecords, SlotId, Walker, Words};
use std::io::Read;
use std::sync::Arc;

/// Reads the records of one body.
pub struct Reader<'a> {
    bound: &'a BoundCsv,
    cells: Cells<'a>,
    walker: Walker,
    part: Part,
    /// By column of the body: what a row and the trailer row fill from it.
    columns: Vec<ColumnSlots>,
}

/// How far the body has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    Rows,
    /// After the trailer row; whether a row was found there that nothing reads.
    Trailer {
        told: bool,
    },
}

/// What one row was.
enum Row {
    Record,
    Other,
    End,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a body.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(input: Box<dyn Read + 'a>, bound: &'a BoundCsv, limits: &Limits) -> Result<Self, FormatError> {
        let cells = Cells::new(input, bound.options.charset, bound.delimiter, bound.options.quote.byte(), limits)?;
        let walker = Walker::new(Arc::clone(&bound.plan), limits);
        Ok(Self { bound, cells, walker, part: Part::Start, columns: Vec::new() })
    }

    /// Reads up to and with the headings. What stands before them is taken row by row.
    fn read_head(&mut self) -> Result<(), FormatError> {
        let bound = self.bound;
        let mut search = HeadingSearch::new(&bound.table);
        for number in 1..=search.rows_max() {
            let Some(row) = self.head_row()? else { break };
            if let Some(columns) = search.look(number, &row)? {
                self.columns = columns;
                self.part = Part::Rows;
                return Ok(());
            }
            if bound.table.header == Header::Pairs {
                self.take_pairs(&row)?;
            }
        }
        Err(search.not_found())
    }

    /// A whole row; `None` at the end of the body.
    fn head_row(&mut self) -> Result<Option<Vec<HeadCell>>, FormatError> {
        let Some(mut cell) = self.cells.first()? else { return Ok(None) };
        let mut row = Vec::new();
        let mut bytes = 0;
        loop {
            bytes += self.cells.text().len();
            let bytes_max = self.walker.limits().record_bytes_max;
            if bytes > bytes_max {
                let (zh, en) = (format!("表头行超过 {bytes_max} 字节"), format!("a row before the table is larger than {bytes_max} bytes"));
                return Err(FormatError::new(FormatCode::RecordExceeded, cell.at, zh, en));
            }
            self.note_stray(&cell, None);
            row.push(HeadCell { text: self.cells.text().to_owned(), at: cell.at });
            if cell.end == End::Row {
                return Ok(Some(row));
            }
            cell = self.cells.next()?;
        }
    }

    fn take_pairs(&mut self, row: &[HeadCell]) -> Result<(), FormatError> {
        for pair in row.chunks_exact(2) {
            let [label, value] = pair else { continue };
            if let Some(slot) = self.bound.table.label_slot(&label.text) {
                self.walker.fill(slot, &value.text, value.at)?;
            }
        }
        Ok(())
    }

    fn read_row(&mut self) -> Result<Row, FormatError> {
        let Some(cell) = self.cells.first()? else { return Ok(Row::End) };
        if self.cells.is_blank(&cell) {
            return Ok(Row::Other);
        }
        if let Part::Trailer { told } = self.part {
            return self.pass_over(cell, told);
        }
        if self.bound.table.is_trailer(self.cells.text()) {
            self.take_trailer(cell)?;
            return Ok(Row::Other);
        }
        self.take_record(cell)
    }

    fn take_record(&mut self, first: Cell) -> Result<Row, FormatError> {
        let at = Position { column: 0, ..first.at };
        self.walker.enter_node(Some(self.bound.table.row), at)?;
        let mut cell = first;
        let mut count = 0;
        loop {
            let slot = self.columns.get(count).and_then(|column| column.row);
            self.note_stray(&cell, slot);
            if let Some(slot) = slot {
                self.walker.fill(slot, self.cells.text(), cell.at)?;
            }
            count += 1;
            if cell.end == End::Row {
                break;
            }
            cell = self.cells.next()?;
        }
        let headings = self.columns.len();
        if count != headings {
            let (zh, en) =
                (format!("本行有 {count} 格，表头有 {headings} 格"), format!("this row has {count} cells, the headings have {headings}"));
            self.walker.finding("csv.ragged-row", at, None, Words::new(zh, en));
        }
        self.walker.leave(at)?;
        Ok(Row::Record)
    }

    fn take_trailer(&mut self, label: Cell) -> Result<(), FormatError> {
        self.part = Part::Trailer { told: false };
        let mut cell = label;
        let mut index = 0;
        loop {
            let slot = self.columns.get(index).and_then(|column| column.trailer);
            self.note_stray(&cell, slot);
            if let Some(slot) = slot {
                self.walker.fill(slot, self.cells.text(), cell.at)?;
            }
            if cell.end == End::Row {
                return Ok(());
            }
            index += 1;
            cell = self.cells.next()?;
        }
    }

    /// Passes over a row after the trailer, but not without a word.
    fn pass_over(&mut self, first: Cell, told: bool) -> Result<Row, FormatError> {
        if !told {
            let words = Words::new("结尾行之后还有内容，未读取", "there is more after the trailer row; it is not read");
            self.walker.finding("csv.after-trailer", Position { column: 0, ..first.at }, None, words);
            self.part = Part::Trailer { told: true };
        }
        let mut cell = first;
        while cell.end == End::Delimiter {
            cell = self.cells.next()?;
        }
        Ok(Row::Other)
    }

    fn note_stray(&mut self, cell: &Cell, slot: Option<SlotId>) {
        let Some(at) = cell.stray else { return };
        let words = match cell.quoted {
            true => Words::new("引号闭合之后还有文字", "text stands after the closing quote"),
            false => Words::new("未加引号的单元格内有引号", "a quote stands within a cell that is not in quotes"),
        };
        self.walker.finding("csv.quote", at, slot, words);
    }
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        if self.part == Part::Start {
            self.read_head()?;
        }
        loop {
            match self.read_row()? {
                Row::Record => return Ok(Found::Record(self.walker.record())),
                Row::Other => {}
                Row::End => return Ok(Found::End(self.walker.end())),
            }
        }
    }

    fn held(&self) -> &RawRecord {
        self.walker.record()
    }
}
