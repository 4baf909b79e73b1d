//! Reading: finds the headings, then turns each row into a record.

use crate::cells::{Cell, Cells, End};
use crate::{BoundCsv, HEADING_ROWS_MAX, Header, trimmed};
use portolan_contract::{FormatCode, FormatError, Found, Limits, Position, ReadRecords, SlotId, Walker, Words};
use std::io::Read;
use std::sync::Arc;

/// Headings that a message lists, and characters of each.
const LISTED_MAX: usize = 20;
const LISTED_CHARACTERS_MAX: usize = 30;

/// Reads the records of one body.
pub struct Reader<'a> {
    bound: &'a BoundCsv,
    cells: Cells<'a>,
    walker: Walker,
    part: Part,
    /// By column of the body: what a row and the trailer row fill from it.
    columns: Vec<(Option<SlotId>, Option<SlotId>)>,
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

/// A cell of a row that is held whole.
struct HeadCell {
    text: String,
    at: Position,
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
        let rows_max = self.bound.heading_row.unwrap_or(HEADING_ROWS_MAX);
        let mut nearest = Nearest::default();
        for number in 1..=rows_max {
            let Some(row) = self.head_row()? else { break };
            let known = row.iter().filter(|cell| self.bound.table.column_of.contains_key(trimmed(&cell.text))).count();
            nearest.offer(known, &row);
            let is_heading = match self.bound.heading_row {
                Some(heading_row) => number == heading_row && known > 0,
                None => known * 2 > self.bound.table.columns.len(),
            };
            if is_heading {
                return self.take_headings(&row);
            }
            if self.bound.options.header == Header::Pairs {
                self.take_pairs(&row)?;
            }
        }
        Err(self.no_headings(nearest))
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

    fn take_headings(&mut self, row: &[HeadCell]) -> Result<(), FormatError> {
        let table = &self.bound.table;
        let mut seen = vec![false; table.columns.len()];
        for cell in row {
            let index = table.column_of.get(trimmed(&cell.text)).copied();
            let column = index.and_then(|i| table.columns.get(i).zip(seen.get_mut(i)));
            if let Some((column, seen)) = column
                && std::mem::replace(seen, true)
            {
                let name = &column.name;
                let (zh, en) = (format!("列名“{name}”出现两次"), format!("the heading {name:?} stands twice"));
                return Err(FormatError::new(FormatCode::NotThisMessage, cell.at, zh, en));
            }
            let slot = index.and_then(|i| table.columns.get(i)).and_then(|c| c.slot);
            let trailer = index.and_then(|i| table.trailer.get(i)).copied().flatten();
            self.columns.push((slot, trailer));
        }
        self.part = Part::Rows;
        Ok(())
    }

    fn take_pairs(&mut self, row: &[HeadCell]) -> Result<(), FormatError> {
        let table = &self.bound.table;
        for pair in row.chunks_exact(2) {
            let [label, value] = pair else { continue };
            let label = table.label_of.get(trimmed(&label.text)).and_then(|&i| table.labels.get(i));
            if let Some(slot) = label.and_then(|l| l.slot) {
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
        if self.bound.options.trailer_label.as_deref().is_some_and(|label| label == trimmed(self.cells.text())) {
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
            let slot = self.columns.get(count).and_then(|column| column.0);
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
            let slot = self.columns.get(index).and_then(|column| column.1);
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

    fn no_headings(&self, nearest: Nearest) -> FormatError {
        let expected = listed(self.bound.table.columns.iter().map(|c| c.name.as_str()));
        let (zh, en) = match &nearest.listed {
            None => (format!("文件为空；应有列名：{expected}"), format!("the file is empty; expected the headings {expected}")),
            Some(found) => (
                format!("未找到表头；应有列名：{expected}；最接近的一行为：{found}"),
                format!("no heading row; expected {expected}; the nearest row holds {found}"),
            ),
        };
        FormatError::new(FormatCode::NotThisMessage, nearest.at, zh, en)
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
}

/// The row that comes nearest to the headings, for the message that none was found.
struct Nearest {
    known: usize,
    at: Position,
    listed: Option<String>,
}

impl Default for Nearest {
    fn default() -> Self {
        Self { known: 0, at: Position { line: 1, byte: 0, column: 0 }, listed: None }
    }
}

impl Nearest {
    fn offer(&mut self, known: usize, row: &[HeadCell]) {
        let blank = row.iter().all(|cell| trimmed(&cell.text).is_empty());
        if blank || (self.listed.is_some() && known <= self.known) {
            return;
        }
        self.known = known;
        self.at = row.first().map_or(self.at, |cell| Position { column: 0, ..cell.at });
        self.listed = Some(listed(row.iter().map(|cell| trimmed(&cell.text))));
    }
}

fn listed<'t>(names: impl Iterator<Item = &'t str>) -> String {
    let mut listed = String::new();
    for (index, name) in names.enumerate() {
        if index == LISTED_MAX {
            listed.push_str(", …");
            break;
        }
        listed.push_str(if index == 0 { "" } else { ", " });
        listed.extend(name.chars().take(LISTED_CHARACTERS_MAX));
    }
    listed
}
