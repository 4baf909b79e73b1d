//! The spreadsheet adapter: a table in one sheet of an `.xlsx` workbook (ISO/IEC 29500), with
//! headings, with labelled values before it and a trailer row after.
//!
//! Paths and headings are those of every table: see [`portolan_contract::table`]. A label's value is
//! the next cell to its right. Places are rows and columns of the sheet, and the part is the sheet's
//! name, so that a finding reads `收入!C17`.
//!
//! What a cell gives: text exactly as it stands, of shared strings, inline ones and rich text (never
//! how it is pronounced); numbers and dates as [`formats`] says; `true` or `false`; of a formula the
//! value that was computed last. An error value, a formula without a value, a number of more than 15
//! digits, a date that is none, a merged range or a hidden row within the table, and something in a
//! column that has no heading are findings, and so is a percentage or a currency other than the yuan that a cell shows
//! (`xlsx.percent`, `xlsx.currency`: doubts, whose number is read all the same). An empty cell leaves its value absent, an empty row is
//! passed over, and a hidden column is read as any other. Rows before the headings may be merged and
//! hidden. A hidden sheet is never read: without a `sheet` the first that is not hidden is, and a workbook in which another one that
//! is not hidden has cells is refused.
//!
//! Refused with a reason: encrypted workbooks, `.xls`, `.xlsb`, `.xlsm`, `.ods` and what is no workbook
//! at all.
//!
//! Wire format: a zip, which is read from its end: the body is held in memory up to
//! [`package::BODY_BYTES_MAX`], with the shared strings up to [`workbook::SHARED_TEXT_BYTES_MAX`]; its
//! sheets are expanded as they are read. Limits: see [`package`], [`workbook`], [`sheet`] and
//! [`portolan_contract::Limits`]. What is written holds one sheet and is never held as a whole. Numbers
//! and days are cells of their types, as far as the mapping says that a value is one and the cell gives the same text back; every
//! other cell is text, identifiers with all their zeros. Nothing can become a formula or lose a digit. The same records give the same bytes.

mod escapes;
mod formats;
mod outline;
mod package;
mod read;
mod sheet;
mod typed;
mod workbook;
mod write;
mod xml;

use portolan_contract::table::{Header, Table, TableOptions};
use portolan_contract::{Bound, Format, FormatError, Limits, OptionsError, Outline, Plan, RawRecord, ReadRecords, WriteRecords};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

/// The format named `xlsx`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Xlsx;

/// Characters of a sheet's name, and what none of them may be.
const SHEET_NAME_CHARS_MAX: usize = 31;
const SHEET_NAME_FORBIDDEN: &str = "[]:*?/\\";

/// The mapping's `[format]` options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// The name of the sheet, which is written too, or its number, counted from 1; the first that
    /// is not hidden unless given, which then is the only one with cells.
    sheet: Option<toml::Value>,
    /// As for every table; see [`TableOptions`].
    heading_row: toml::Value,
    /// As for every table; see [`TableOptions`].
    header: Header,
    /// As for every table; see [`TableOptions`].
    trailer_label: Option<String>,
    /// As for every table; see [`TableOptions`].
    heading_aliases: BTreeMap<String, Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sheet: None,
            heading_row: toml::Value::String("auto".to_owned()),
            header: Header::None,
            trailer_label: None,
            heading_aliases: BTreeMap::new(),
        }
    }
}

/// Which sheet a mapping reads.
enum SheetChoice {
    First,
    Name(String),
    Number(usize),
}

impl SheetChoice {
    fn new(option: Option<&toml::Value>) -> Result<Self, OptionsError> {
        match option {
            None => Ok(Self::First),
            Some(toml::Value::String(name)) if is_sheet_name(name) => Ok(Self::Name(name.clone())),
            Some(toml::Value::Integer(number @ 1..)) => Ok(Self::Number(usize::try_from(*number).unwrap_or(usize::MAX))),
            Some(_) => Err(OptionsError::new(
                "sheet",
                "must be the number of a sheet, from 1, or its name: at most 31 characters, none of []:*?/\\",
            )),
        }
    }
}

fn is_sheet_name(name: &str) -> bool {
    let fits = (1..=SHEET_NAME_CHARS_MAX).contains(&name.encode_utf16().count());
    fits && !name.starts_with('\'') && !name.ends_with('\'') && !name.contains(|c: char| c.is_control() || SHEET_NAME_FORBIDDEN.contains(c))
}

impl Format for Xlsx {
    fn name(&self) -> &'static str {
        "xlsx"
    }

    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError> {
        let options: Options = OptionsError::parse(options)?;
        let table = TableOptions {
            heading_row: &options.heading_row,
            header: options.header,
            trailer_label: options.trailer_label.as_deref(),
            heading_aliases: &options.heading_aliases,
        };
        let table = Table::new(&plan, &table)?;
        if table.columns.len() > sheet::COLUMNS_MAX as usize {
            return Err(OptionsError::new("row", format!("a sheet has at most {} columns", sheet::COLUMNS_MAX)));
        }
        Ok(Arc::new(BoundXlsx { plan, table, sheet: SheetChoice::new(options.sheet.as_ref())? }))
    }

    fn doubts(&self) -> &'static [&'static str] {
        &[sheet::PERCENT, sheet::CURRENCY]
    }

    fn outline<'a>(&self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Option<Outline>, FormatError> {
        outline::outline(input, limits).map(Some)
    }
}

struct BoundXlsx {
    plan: Arc<Plan>,
    table: Table,
    sheet: SheetChoice,
}

impl Bound for BoundXlsx {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        Ok(Box::new(read::Reader::new(input, self, limits)?))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        Ok(Box::new(write::Writer::new(output, self, head)?))
    }

    fn media_type(&self) -> String {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned()
    }
}
