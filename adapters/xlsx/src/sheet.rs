//! One worksheet: its rows, each held whole, and the ranges that are merged in it.
//!
//! A sheet is passed over twice: first for its merged ranges, which stand after its rows, then row by
//! row. Limits: a row's columns and bytes of text, and merged ranges.

use crate::formats::{CellFormat, Unfit};
use crate::package;
use crate::workbook::{Sheet, Workbook, is_true, rich_text};
use crate::xml::{Node, Xml};
use portolan_contract::{FormatCode, FormatError, Limits, Position, Words};
use std::sync::Arc;

/// Rows and columns of a sheet, as many as spreadsheets have.
pub const ROWS_MAX: u32 = 1_048_576;
/// See [`ROWS_MAX`].
pub const COLUMNS_MAX: u32 = 16_384;
/// Merged ranges of a sheet.
pub const MERGED_RANGES_MAX: usize = 65_536;

/// The rows of one worksheet.
pub struct Rows {
    workbook: Arc<Workbook>,
    xml: Xml<'static>,
    limits: Limits,
    in_data: bool,
    /// The row read last.
    pub row: Row,
}

/// A row of which only cells with something in them are kept.
#[derive(Default)]
pub struct Row {
    /// Its number, counted from 1.
    pub number: u32,
    /// It is hidden from those who open the workbook.
    pub is_hidden: bool,
    /// Its cells from left to right.
    pub cells: Vec<Cell>,
    text: String,
}

/// A cell with something in it.
pub struct Cell {
    /// Its column, counted from 1.
    pub column: u32,
    /// Why it has no text that can be relied on.
    pub flaw: Option<Flaw>,
    start: usize,
    end: usize,
}

/// What is wrong with a cell.
pub struct Flaw {
    /// The rule's stable id.
    pub rule: &'static str,
    /// In words.
    pub words: Words,
    /// It is a doubt: the cell's text stands all the same.
    pub is_doubt: bool,
}

impl Row {
    /// The text of a cell of this row.
    pub fn text(&self, cell: &Cell) -> &str {
        self.text.get(cell.start..cell.end).unwrap_or_default()
    }

    /// Where a cell of this row stands.
    pub fn at(&self, cell: &Cell) -> Position {
        Position { line: u64::from(self.number), byte: 0, column: cell.column }
    }
}

impl Rows {
    /// The rows of a sheet.
    ///
    /// # Errors
    /// A part that is not there.
    pub fn new(workbook: Arc<Workbook>, sheet: &Sheet, limits: &Limits) -> Result<Self, FormatError> {
        let xml = Xml::new(workbook.package.part(&sheet.part)?, &sheet.part, limits)?;
        Ok(Self { workbook, xml, limits: *limits, in_data: false, row: Row::default() })
    }

    /// Reads the next row into [`Rows::row`]; `false` after the last.
    ///
    /// # Errors
    /// What is not well-formed, out of order or beyond a limit.
    pub fn next(&mut self) -> Result<bool, FormatError> {
        loop {
            match self.xml.next()? {
                Node::Open if self.xml.name() == "sheetData" => self.in_data = true,
                Node::Close if self.xml.name() == "sheetData" => self.in_data = false,
                Node::Open if self.in_data && self.xml.name() == "row" => {
                    self.read_row()?;
                    return Ok(true);
                }
                Node::End => return Ok(false),
                _ => {}
            }
        }
    }

    fn read_row(&mut self) -> Result<(), FormatError> {
        let number = match self.xml.attribute("r") {
            None => Some(self.row.number + 1),
            Some(text) => text.parse::<u32>().ok(),
        };
        let number = number.filter(|n| (self.row.number + 1..=ROWS_MAX).contains(n)).ok_or_else(|| {
            let found = self.xml.attribute("r").unwrap_or_default();
            let (zh, en) =
                (format!("行号 {found} 超出范围或次序颠倒"), format!("the row number {found:?} is out of range or out of order"));
            self.xml.error(FormatCode::Syntax, zh, en)
        })?;
        self.row.number = number;
        self.row.is_hidden = is_true(self.xml.attribute("hidden"));
        self.row.cells.clear();
        self.row.text.clear();
        let mut column = 0;
        loop {
            match self.xml.next()? {
                Node::Open if self.xml.name() == "c" => column = self.read_cell(column)?,
                Node::Close if self.xml.name() == "row" => return Ok(()),
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }

    /// Reads a cell that has just opened, after one in the column `before`; returns its column.
    fn read_cell(&mut self, before: u32) -> Result<u32, FormatError> {
        let column = match self.xml.attribute("r") {
            None => Some(before + 1),
            Some(reference) => column_and_row(reference).filter(|(_, row)| *row == self.row.number).map(|(column, _)| column),
        };
        let column = column.filter(|c| (before + 1..=COLUMNS_MAX).contains(c)).ok_or_else(|| {
            let (found, row) = (self.xml.attribute("r").unwrap_or_default(), self.row.number);
            let (zh, en) = (
                format!("第 {row} 行的单元格位置 {found} 超出范围或次序颠倒"),
                format!("in row {row} the cell {found:?} is out of range or out of order"),
            );
            self.xml.error(FormatCode::Syntax, zh, en)
        })?;
        let kind = self.xml.attribute("t").unwrap_or("n").to_owned();
        let style = self.xml.attribute("s").and_then(|s| s.parse().ok()).unwrap_or(0);
        let start = self.row.text.len();
        let stored = self.cell_content()?;
        let flaw = self.settle(&kind, style, start, &stored)?;
        let end = self.row.text.len();
        let at = Position { line: u64::from(self.row.number), byte: 0, column };
        if end - start > self.limits.token_bytes_max {
            let max = self.limits.token_bytes_max;
            return Err(FormatError::new(
                FormatCode::TokenExceeded,
                at,
                format!("单元格超过 {max} 字节"),
                format!("a cell is larger than {max} bytes"),
            ));
        }
        if end > self.limits.record_bytes_max || self.row.cells.len() >= self.limits.columns_max {
            let (bytes, columns) = (self.limits.record_bytes_max, self.limits.columns_max);
            let (zh, en) =
                (format!("一行超过 {bytes} 字节或 {columns} 格"), format!("a row has more than {bytes} bytes or {columns} cells"));
            return Err(FormatError::new(FormatCode::RecordExceeded, at, zh, en));
        }
        if end > start || flaw.is_some() {
            self.row.cells.push(Cell { column, flaw, start, end });
        }
        Ok(column)
    }

    /// Reads a cell to its end: its stored value is appended to the row's text.
    fn cell_content(&mut self) -> Result<Stored, FormatError> {
        let depth = self.xml.depth();
        let mut stored = Stored::default();
        let mut in_value = false;
        loop {
            match self.xml.next()? {
                Node::Open if self.xml.name() == "is" => {
                    stored.has_value = true;
                    let bytes_max = self.row.text.len() + self.limits.token_bytes_max;
                    rich_text(&mut self.xml, "is", bytes_max, &mut self.row.text)?;
                }
                Node::Open if self.xml.name() == "v" => {
                    in_value = true;
                    stored.has_value = true;
                }
                Node::Close if self.xml.name() == "v" => in_value = false,
                Node::Open if self.xml.name() == "f" => stored.is_formula = true,
                Node::Text if in_value => {
                    self.row.text.push_str(self.xml.text());
                    if self.row.text.len() > self.limits.record_bytes_max {
                        return Err(self.xml.error(FormatCode::RecordExceeded, "一行过长", "a row is too long"));
                    }
                }
                Node::Close if self.xml.depth() < depth => return Ok(stored),
                Node::End => return Ok(stored),
                _ => {}
            }
        }
    }

    /// Turns what is stored from `start` on into the cell's text.
    fn settle(&mut self, kind: &str, style: usize, start: usize, stored: &Stored) -> Result<Option<Flaw>, FormatError> {
        // An empty text is a value; the empty one of another kind is none.
        let has_value = stored.has_value && (kind == "str" || self.row.text.len() > start);
        if stored.is_formula && !has_value {
            let words = Words::new(
                "公式没有已算出的值，请在表格软件中重新计算并保存",
                "the formula has no computed value; open the workbook, let it compute and save it",
            );
            return Ok(Some(Flaw { rule: "xlsx.formula", words, is_doubt: false }));
        }
        let text = self.row.text.get(start..).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let mut doubt = None;
        let told = match kind {
            "s" => {
                let string = text.parse().ok().and_then(|index| self.workbook.strings.at(index));
                let missing = || {
                    let (zh, en) = (format!("共享文本 {text} 不存在"), format!("there is no shared string {text:?}"));
                    self.xml.error(FormatCode::Syntax, zh, en)
                };
                Ok(string.ok_or_else(missing)?.to_owned())
            }
            "inlineStr" => return Ok(None),
            "str" => match crate::escapes::decoded(text) {
                Some(plain) => Ok(plain),
                None => return Ok(None),
            },
            "b" => Ok(if is_true(Some(text)) { "true" } else { "false" }.to_owned()),
            "e" => Err(error_value(text)),
            "d" => return Ok(None),
            _ => {
                let format = self.workbook.formats.get(style).copied().unwrap_or(CellFormat::Number);
                doubt = doubtful(format);
                format.text(text, self.workbook.is_1904).map_err(|unfit| unfit_number(unfit, text))
            }
        };
        self.row.text.truncate(start);
        match told {
            Ok(text) => {
                self.row.text.push_str(&text);
                Ok(doubt)
            }
            Err(flaw) => Ok(Some(flaw)),
        }
    }
}

#[derive(Default)]
struct Stored {
    is_formula: bool,
    has_value: bool,
}

fn error_value(text: &str) -> Flaw {
    let text: String = text.chars().take(10).collect();
    Flaw {
        rule: "xlsx.error-value",
        words: Words::new(format!("单元格为错误值 {text}"), format!("the cell holds the error {text}")),
        is_doubt: false,
    }
}

fn unfit_number(unfit: Unfit, stored: &str) -> Flaw {
    let stored: String = stored.chars().take(30).collect();
    let (rule, zh, en) = match unfit {
        Unfit::Digits => (
            "xlsx.number-digits",
            "数字超过 15 位，表格软件不保留其余各位；请将此列设为文本格式后重新填写".to_owned(),
            "a number of more than 15 digits, of which a spreadsheet keeps no more; format the column as text and enter it anew".to_owned(),
        ),
        Unfit::NoDay => (
            "xlsx.date",
            format!("日期格式的单元格存有 {stored}，不是存在的日期"),
            format!("the cell is formatted as a date, but holds {stored}, which is no day"),
        ),
        Unfit::NoNumber => ("xlsx.number", format!("{stored:?} 不是数字"), format!("{stored:?} is no number")),
    };
    Flaw { rule, words: Words::new(zh, en), is_doubt: false }
}

/// Rule of a cell that shows a percentage.
pub const PERCENT: &str = "xlsx.percent";
/// Rule of a cell that shows a currency other than the yuan.
pub const CURRENCY: &str = "xlsx.currency";

/// What is shown with a number and does not stand in its text.
fn doubtful(format: CellFormat) -> Option<Flaw> {
    let (rule, zh, en) = match format {
        CellFormat::Percent => (
            PERCENT,
            "单元格显示为百分数，存储的数值仅为所显示数字的百分之一；请将单元格设为普通数字格式并核对数值",
            "the cell shows a percentage, and the number that it holds is a hundredth of what is seen; format it as a plain number and check it",
        ),
        CellFormat::Foreign => (
            CURRENCY,
            "单元格显示的币种不是人民币，而数值本身不含币种；请将单元格设为普通数字格式并核对金额",
            "the cell shows a currency other than the yuan, and its number says none; format it as a plain number and check the amount",
        ),
        _ => return None,
    };
    Some(Flaw { rule, words: Words::new(zh, en), is_doubt: true })
}

/// Rows that merged ranges touch.
#[derive(Default)]
pub struct MergedRows {
    /// First row, last row and the range that begins there; apart from each other and in order.
    spans: Vec<(u32, u32, String)>,
    next: usize,
}

impl MergedRows {
    /// Reads a sheet to its end for them, and so makes sure that it is whole.
    ///
    /// # Errors
    /// What is not well-formed or beyond a limit.
    pub fn read(workbook: &Workbook, sheet: &Sheet, limits: &Limits) -> Result<Self, FormatError> {
        let mut xml = Xml::new(workbook.package.part(&sheet.part)?, &sheet.part, limits)?;
        let mut ranges = Vec::new();
        let mut is_worksheet = false;
        loop {
            match xml.next()? {
                Node::Open if xml.depth() == 1 => is_worksheet = xml.name() == "worksheet",
                Node::Open if xml.depth() == 3 && xml.name() == "mergeCell" => {
                    let reference = xml.attribute("ref").unwrap_or_default();
                    let (first, last) = reference.split_once(':').unwrap_or((reference, reference));
                    let rows = column_and_row(first).zip(column_and_row(last)).map(|((_, first), (_, last))| (first, last));
                    let Some((first, last)) = rows.filter(|(first, last)| first <= last) else {
                        let (zh, en) = (format!("合并区域 {reference:?} 不合法"), format!("{reference:?} is no merged range"));
                        return Err(xml.error(FormatCode::Syntax, zh, en));
                    };
                    if ranges.len() == MERGED_RANGES_MAX {
                        let (zh, en) =
                            (format!("合并区域超过 {MERGED_RANGES_MAX} 个"), format!("more than {MERGED_RANGES_MAX} merged ranges"));
                        return Err(xml.error(FormatCode::RecordExceeded, zh, en));
                    }
                    ranges.push((first, last, reference.to_owned()));
                }
                Node::End if is_worksheet => return Ok(Self::from_ranges(ranges)),
                Node::End => {
                    return Err(package::error(FormatCode::Syntax, "部件不是工作表", "the part is no worksheet").within(&sheet.part));
                }
                _ => {}
            }
        }
    }

    fn from_ranges(mut ranges: Vec<(u32, u32, String)>) -> Self {
        ranges.sort();
        let mut spans: Vec<(u32, u32, String)> = Vec::new();
        for (first, last, reference) in ranges {
            match spans.last_mut() {
                Some((_, until, _)) if first <= *until => *until = last.max(*until),
                _ => spans.push((first, last, reference)),
            }
        }
        Self { spans, next: 0 }
    }

    /// A merged range that touches a row; rows are asked for in their order.
    pub fn touching(&mut self, row: u32) -> Option<&str> {
        while self.spans.get(self.next).is_some_and(|(_, last, _)| *last < row) {
            self.next += 1;
        }
        self.spans.get(self.next).filter(|(first, ..)| *first <= row).map(|(.., reference)| reference.as_str())
    }
}

/// Column and row of a reference such as `C17`, counted from 1.
fn column_and_row(reference: &str) -> Option<(u32, u32)> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, digits) = reference.split_at_checked(letters).filter(|(letters, _)| (1..=3).contains(&letters.len()))?;
    let column = letters.bytes().fold(0, |sum, b| sum * 26 + u32::from(b.to_ascii_uppercase() - b'A') + 1);
    let row = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    ((1..=COLUMNS_MAX).contains(&column) && (1..=ROWS_MAX).contains(&row)).then_some((column, row))
}
