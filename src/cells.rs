//! Cells of tables that people open in a spreadsheet: what would be a formula there stays text.

use std::borrow::Cow;

/// A text that no spreadsheet computes: one that begins like a formula gets an apostrophe before it.
pub fn neutral(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Adds a row of CSV (RFC 4180), its cells neutral.
pub fn write_row(table: &mut String, cells: &[&str]) {
    for (n, cell) in cells.iter().enumerate() {
        if n > 0 {
            table.push(',');
        }
        let cell = neutral(cell);
        if cell.contains(['"', ',', '\r', '\n']) {
            table.push('"');
            table.push_str(&cell.replace('"', "\"\""));
            table.push('"');
        } else {
            table.push_str(&cell);
        }
    }
    table.push_str("\r\n");
}
