//! A workbook of one table: labelled values, headings and rows, for those who open it in a spreadsheet. The same
//! table gives the same bytes. Every cell is text, and none can be taken for a formula.

use crate::formats::formats;
use portolan_contract::{FormatError, PlanBuilder, Position, RawRecord, Repeat};
use std::sync::{Arc, Mutex, PoisonError};

/// The media type of a workbook.
pub const WORKBOOK_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A table.
pub struct Table<'t> {
    /// The name of its sheet, in the words of spreadsheets: at most 31 characters, none of `[]:*?/\`.
    pub sheet: &'t str,
    /// Labels before it with their values. A label has no `/`.
    pub labels: Vec<(&'t str, String)>,
    /// Its headings, all different, none with `/`.
    pub headings: &'t [&'t str],
    /// Its rows, a cell for each heading.
    pub rows: Vec<Vec<String>>,
}

/// The bytes of a workbook.
///
/// # Errors
/// A cell that no workbook can hold, in words.
pub fn workbook(table: &Table<'_>) -> Result<Vec<u8>, String> {
    let mut plan = PlanBuilder::new();
    let text = |error: portolan_contract::PlanError| error.to_string();
    plan.anchor("row").map_err(text)?;
    let mut slot = |path: String| plan.slot(&path, Repeat::Once, false).map_err(text);
    let labels = table.labels.iter().map(|(label, _)| slot(format!("header/{label}"))).collect::<Result<Vec<_>, _>>()?;
    let columns = table.headings.iter().map(|heading| slot(format!("row/{heading}"))).collect::<Result<Vec<_>, _>>()?;
    let plan = plan.build().map_err(text)?;
    let mut options = toml::Table::from_iter([("sheet".to_owned(), toml::Value::from(table.sheet))]);
    if !labels.is_empty() {
        options.insert("header".to_owned(), "pairs".into());
    }
    let format = formats().into_iter().find(|format| format.name() == "xlsx").ok_or("there is no adapter for workbooks")?;
    let bound = format.bind(Arc::new(plan), &options).map_err(|error| error.to_string())?;
    let mut head = RawRecord::default();
    labels.iter().zip(&table.labels).for_each(|(slot, (_, value))| head.push(*slot, None, value, Position::default()));
    let output = Shared::default();
    let written = |error: FormatError| error.words.en;
    let mut writer = bound.writer(Box::new(output.clone()), &head).map_err(written)?;
    for row in &table.rows {
        let mut record = head.clone();
        columns.iter().zip(row).for_each(|(slot, cell)| record.push(*slot, None, cell, Position::default()));
        writer.write(&record).map_err(written)?;
    }
    writer.finish().map_err(written)?;
    Ok(std::mem::take(&mut *output.0.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Bytes that a writer and whoever made it both hold.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
