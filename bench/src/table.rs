//! A table of what was measured, as Markdown that is read in a terminal just as well.

use std::fmt::Write;

/// What a row of the benchmarks found.
#[derive(Clone, Debug)]
pub struct Table {
    /// The name of its file.
    pub name: String,
    /// What it shows, a sentence or two with the circumstances.
    pub says: String,
    /// Its columns.
    pub headings: Vec<String>,
    /// Its rows, each with a cell for every column.
    pub rows: Vec<Vec<String>>,
    /// Whether everything in it is within its limit.
    pub within_limits: bool,
}

impl Table {
    /// The sentence and the table, the columns padded to their widest cell: the first to the left, figures to the right.
    pub fn to_markdown(&self) -> String {
        let cells = || std::iter::once(&self.headings).chain(&self.rows);
        let width = |column: usize| cells().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.headings.len()).map(|column| width(column).max(3)).collect();
        let mut text = format!("{}\n\n", self.says);
        for (number, row) in cells().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = if column == 0 { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
            }
            text.push_str("|\n");
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let _ = if column == 0 { write!(text, "|{:-<1$}", "", width + 2) } else { write!(text, "|{:->1$}:", "", width + 1) };
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let table = Table {
            name: "n".to_owned(),
            says: "What it is.".to_owned(),
            headings: cells(["call", "p50, ms"]),
            rows: vec![cells(["by partner", "1.25"]), cells(["all", "10.00"])],
            within_limits: true,
        };
        let expected = "What it is.\n\n\
            | call       | p50, ms |\n\
            |------------|--------:|\n\
            | by partner |    1.25 |\n\
            | all        |   10.00 |\n";
        assert_eq!(table.to_markdown(), expected);
    }
}
