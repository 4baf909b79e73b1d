//! Reading: opens the workbook, finds the sheet and its headings, then turns each row into a record.

use crate::package::{Package, error};
use crate::sheet::{Cell, MergedRows, Row, Rows};
use crate::workbook::{Sheet, Workbook};
use crate::{BoundXlsx, SheetChoice};
use portolan_contract::table::{ColumnSlots, HeadCell, Header, HeadingSearch, trimmed};
use portolan_contract::{FormatCode, FormatError, Found, Limits, Position, RawRecord, ReadRecords, SlotId, Walker, Words};
use std::io::Read;
use std::sync::Arc;

/// Sheets that an error names.
const SHEETS_TOLD_MAX: usize = 20;

/// Reads the records of one body.
pub struct Reader<'a> {
    bound: &'a BoundXlsx,
    rows: Rows,
    merged: MergedRows,
    walker: Walker,
    sheet: String,
    stage: Stage,
    /// By column of the sheet, what stands below its heading; `None` where there is no heading.
    columns: Vec<Option<ColumnSlots>>,
}

/// How far the sheet has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Rows,
    /// After the trailer row; whether a row was found there that nothing reads.
    Trailer {
        told: bool,
    },
}

impl<'a> Reader<'a> {
    /// A reader before the first row.
    ///
    /// # Errors
    /// A body that is no workbook, or one without the sheet.
    pub fn new(mut input: Box<dyn Read + 'a>, bound: &'a BoundXlsx, limits: &Limits) -> Result<Self, FormatError> {
        let package = Package::open(input.as_mut())?;
        drop(input);
        let workbook = Arc::new(Workbook::open(package, limits)?);
        let sheet = chosen(&workbook, &bound.sheet)?;
        if matches!(bound.sheet, SheetChoice::First) {
            refuse_others(&workbook, limits)?;
        }
        let merged = MergedRows::read(&workbook, sheet, limits)?;
        let rows = Rows::new(Arc::clone(&workbook), sheet, limits)?;
        let mut walker = Walker::new(Arc::clone(&bound.plan), limits);
        walker.begin_part(&sheet.name);
        Ok(Self { bound, rows, merged, walker, sheet: sheet.name.clone(), stage: Stage::Start, columns: Vec::new() })
    }

    fn step(&mut self) -> Result<Step, FormatError> {
        if self.stage == Stage::Start {
            self.read_head()?;
            self.stage = Stage::Rows;
        }
        if !self.rows.next()? {
            return Ok(Step::End);
        }
        let Some(first) = self.rows.row.cells.first() else { return Ok(Step::Further) };
        match self.stage {
            Stage::Trailer { told } => {
                self.note_after_trailer(told);
                Ok(Step::Further)
            }
            _ if self.bound.table.is_trailer(self.rows.row.text(first)) => {
                self.stage = Stage::Trailer { told: false };
                self.fill(1, |slots| slots.trailer)?;
                Ok(Step::Further)
            }
            _ => self.take_record().map(|()| Step::Record),
        }
    }

    /// Reads up to and with the headings. What stands before them is taken row by row.
    fn read_head(&mut self) -> Result<(), FormatError> {
        let bound = self.bound;
        let mut search = HeadingSearch::new(&bound.table);
        while self.rows.next()? && u64::from(self.rows.row.number) <= search.rows_max() {
            let cells = head_cells(&self.rows.row);
            if let Some(columns) = search.look(u64::from(self.rows.row.number), &cells)? {
                self.columns = by_column(&cells, &columns);
                return Ok(());
            }
            if bound.table.header == Header::Pairs {
                self.take_pairs()?;
            }
        }
        Err(search.not_found())
    }

    /// A label's value is the next cell, or over empty ones the next that is no label itself.
    fn take_pairs(&mut self) -> Result<(), FormatError> {
        let (table, row) = (&self.bound.table, &self.rows.row);
        let mut left = row.cells.iter().peekable();
        while let Some(label) = left.next() {
            let Some(slot) = table.label_slot(row.text(label)) else { continue };
            let is_value = |cell: &&Cell| cell.column == label.column + 1 || table.label_slot(row.text(cell)).is_none();
            if let Some(value) = left.next_if(is_value) {
                fill(&mut self.walker, row, value, slot)?;
            }
        }
        Ok(())
    }

    fn take_record(&mut self) -> Result<(), FormatError> {
        let at = Position { line: u64::from(self.rows.row.number), byte: 0, column: 0 };
        self.walker.enter_node(Some(self.bound.table.row), at)?;
        if let Some(range) = self.merged.touching(self.rows.row.number) {
            let words = Words::new(
                format!("本行有合并单元格 {range}，请取消合并并逐行填写"),
                format!("cells of this row are merged ({range}); unmerge them and fill in every row"),
            );
            self.walker.finding("xlsx.merged", at, None, words);
        }
        if self.rows.row.is_hidden {
            let words = Words::new("本行被隐藏，请取消隐藏或删除", "this row is hidden; unhide it or delete it");
            self.walker.finding("xlsx.hidden-row", at, None, words);
        }
        self.fill(0, |slots| slots.row)?;
        self.walker.leave(at)?;
        Ok(())
    }

    /// Fills what the cells of the row, but the first few, stand for, with a finding for each that
    /// cannot be relied on.
    fn fill(&mut self, skipped: usize, slot_of: impl Fn(&ColumnSlots) -> Option<SlotId>) -> Result<(), FormatError> {
        let row = &self.rows.row;
        for cell in row.cells.iter().skip(skipped) {
            let Some(slots) = self.columns.get(cell.column as usize).copied().flatten() else {
                let words = Words::new("此列没有列名，单元格却有内容", "something stands in a column that has no heading");
                self.walker.finding("xlsx.no-heading", row.at(cell), None, words);
                continue;
            };
            if let Some(slot) = slot_of(&slots) {
                fill(&mut self.walker, row, cell, slot)?;
            }
        }
        Ok(())
    }

    fn note_after_trailer(&mut self, told: bool) {
        if !told {
            let at = Position { line: u64::from(self.rows.row.number), byte: 0, column: 0 };
            let words = Words::new("结尾行之后还有内容，未读取", "there is more after the trailer row; it is not read");
            self.walker.finding("xlsx.after-trailer", at, None, words);
            self.stage = Stage::Trailer { told: true };
        }
    }
}

enum Step {
    Record,
    Further,
    End,
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        loop {
            match self.step() {
                Ok(Step::Record) => return Ok(Found::Record(self.walker.record())),
                Ok(Step::Further) => {}
                Ok(Step::End) => return Ok(Found::End(self.walker.end())),
                Err(error) => return Err(in_sheet(error, &self.sheet)),
            }
        }
    }

    fn held(&self) -> &RawRecord {
        self.walker.record()
    }
}

/// The error with its sheet: what is wrong with the XML names its part of the zip, all else its cell.
fn in_sheet(error: FormatError, sheet: &str) -> FormatError {
    if error.part.is_some() { error } else { error.within(sheet) }
}

/// Where a mapping names no sheet, only one that is shown may be filled: the records of another would be lost without a word.
///
/// # Errors
/// Several that are filled.
fn refuse_others(workbook: &Arc<Workbook>, limits: &Limits) -> Result<(), FormatError> {
    let mut filled = Vec::new();
    for sheet in workbook.sheets.iter().filter(|sheet| !sheet.is_hidden) {
        let mut rows = Rows::new(Arc::clone(workbook), sheet, limits)?;
        while rows.next().map_err(|error| in_sheet(error, &sheet.name))? {
            if rows.row.cells.iter().any(|cell| cell.flaw.is_some() || !trimmed(rows.row.text(cell)).is_empty()) {
                filled.push(sheet.name.as_str());
                break;
            }
        }
    }
    if filled.len() < 2 {
        return Ok(());
    }
    let (count, names) = (filled.len(), filled.iter().take(SHEETS_TOLD_MAX).copied().collect::<Vec<_>>().join(", "));
    let (zh, en) = (
        format!("工作簿有 {count} 个已填写的工作表（{names}），映射规则须以 `sheet` 指明其一"),
        format!("the workbook has {count} filled sheets ({names}); name one with `sheet`"),
    );
    Err(error(FormatCode::NotThisMessage, zh, en))
}

/// The sheet that a mapping reads.
///
/// # Errors
/// One that is not there, or hidden.
pub fn chosen<'w>(workbook: &'w Workbook, choice: &SheetChoice) -> Result<&'w Sheet, FormatError> {
    let names: Vec<&str> = workbook.sheets.iter().map(|s| s.name.as_str()).take(SHEETS_TOLD_MAX).collect();
    let names = names.join(", ");
    let missing = |which: String| {
        let (zh, en) = (format!("没有工作表 {which}；工作簿中有：{names}"), format!("there is no sheet {which}; the workbook has {names}"));
        error(FormatCode::NotThisMessage, zh, en)
    };
    let sheet = match choice {
        SheetChoice::Name(name) => workbook.sheets.iter().find(|s| s.name == *name).ok_or_else(|| missing(format!("“{name}”")))?,
        SheetChoice::Number(number) => workbook.sheets.get(number.saturating_sub(1)).ok_or_else(|| missing(number.to_string()))?,
        SheetChoice::First => workbook.sheets.iter().find(|s| !s.is_hidden).ok_or_else(|| missing("1".to_owned()))?,
    };
    if sheet.is_hidden {
        let name = &sheet.name;
        let (zh, en) = (format!("工作表“{name}”被隐藏，请取消隐藏后报送"), format!("the sheet {name:?} is hidden; unhide it"));
        return Err(error(FormatCode::NotThisMessage, zh, en));
    }
    Ok(sheet)
}

fn head_cells(row: &Row) -> Vec<HeadCell> {
    row.cells.iter().map(|cell| HeadCell { text: row.text(cell).to_owned(), at: row.at(cell) }).collect()
}

/// Fills a slot from a cell, and notes why it cannot be relied on.
fn fill(walker: &mut Walker, row: &Row, cell: &Cell, slot: SlotId) -> Result<(), FormatError> {
    if let Some(flaw) = &cell.flaw {
        walker.finding(flaw.rule, row.at(cell), Some(slot), flaw.words.clone());
    }
    match &cell.flaw {
        Some(flaw) if !flaw.is_doubt => Ok(()),
        _ => walker.fill(slot, row.text(cell), row.at(cell)),
    }
}

fn by_column(cells: &[HeadCell], slots: &[ColumnSlots]) -> Vec<Option<ColumnSlots>> {
    let last = cells.last().map_or(0, |cell| cell.at.column as usize);
    let mut columns = vec![None; last + 1];
    for (cell, slots) in cells.iter().zip(slots).filter(|(cell, _)| !trimmed(&cell.text).is_empty()) {
        if let Some(column) = columns.get_mut(cell.at.column as usize) {
            *column = Some(*slots);
        }
    }
    columns
}
