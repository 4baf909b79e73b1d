//! Looks into a workbook without a plan: the first sheet that is not hidden, its headings, and what stands before them.
//!
//! The headings are the first row that has as many cells as the widest of the first [`HEADING_ROWS_MAX`]; rows of two cells
//! before it are labels and values. Cells without a heading are left out.

use crate::package::Package;
use crate::read::chosen;
use crate::sheet::{Row, Rows};
use crate::workbook::Workbook;
use crate::{SheetChoice, package};
use portolan_contract::table::{HEADING_ROWS_MAX, trimmed};
use portolan_contract::{FormatCode, FormatError, Limits, Outline, Outliner, Position};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

/// The texts of a row by their columns.
type Cells = BTreeMap<u32, String>;

/// The outline of a workbook.
///
/// # Errors
/// A body that is no workbook, a sheet without a row, and I/O.
pub fn outline<'a>(mut input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Outline, FormatError> {
    let workbook = Arc::new(Workbook::open(Package::open(input.as_mut())?, limits)?);
    let sheet = chosen(&workbook, &SheetChoice::First)?;
    let mut rows = Rows::new(Arc::clone(&workbook), sheet, limits)?;
    let mut first = Vec::new();
    while first.len() < HEADING_ROWS_MAX as usize && rows.next()? {
        first.push(cells(&rows.row));
    }
    let width = first.iter().map(Cells::len).max().unwrap_or(0);
    let Some(heading) = first.iter().position(|row| row.len() == width && width > 0) else {
        return Err(package::error(FormatCode::NotThisMessage, "工作表为空，没有表头", "the sheet is empty: there are no headings"));
    };
    let after = first.split_off(heading);
    let mut outliner = Outliner::new(limits);
    let has_pairs = pairs(&mut outliner, &first)?;
    let mut after = after.into_iter();
    let headings = after.next().unwrap_or_default();
    for row in after {
        record(&mut outliner, &headings, &row)?;
    }
    while rows.next()? {
        record(&mut outliner, &headings, &cells(&rows.row))?;
    }
    let mut options = toml::Table::new();
    if workbook.sheets.len() > 1 {
        options.insert("sheet".to_owned(), sheet.name.clone().into());
    }
    if has_pairs {
        options.insert("header".to_owned(), "pairs".into());
    }
    Ok(Outline { record: Some("row".to_owned()), ..outliner.finish(options) })
}

fn cells(row: &Row) -> Cells {
    let texts = row.cells.iter().map(|cell| (cell.column, row.text(cell).to_owned()));
    texts.filter(|(_, text)| !trimmed(text).is_empty()).collect()
}

/// Labels and values before the headings; whether there are any.
fn pairs(outliner: &mut Outliner, rows: &[Cells]) -> Result<bool, FormatError> {
    let at = Position::default();
    let pairs: Vec<(&String, &String)> =
        rows.iter().filter(|row| row.len() == 2).filter_map(|row| Some((row.values().next()?, row.values().nth(1)?))).collect();
    if pairs.is_empty() {
        return Ok(false);
    }
    outliner.enter("header", at)?;
    for (label, value) in pairs {
        outliner.value(trimmed(label), value, at)?;
    }
    outliner.leave();
    Ok(true)
}

fn record(outliner: &mut Outliner, headings: &Cells, row: &Cells) -> Result<(), FormatError> {
    if row.is_empty() {
        return Ok(());
    }
    let at = Position::default();
    outliner.enter("row", at)?;
    for (column, heading) in headings {
        outliner.value(trimmed(heading), row.get(column).map_or("", String::as_str), at)?;
    }
    outliner.leave();
    Ok(())
}
