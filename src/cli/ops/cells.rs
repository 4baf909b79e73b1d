//! Values of the gateway's answers as cells of a table. What an answer does not have is shown as a dash.

use super::super::desk::{Desk, plain};
use super::super::terminal::{table, thousands};
use crate::ops::console::figures::local;
use crate::ops::console::words::{NOTHING, Text};
use comfy_table::{ColumnConstraint, Table};
use jiff::Timestamp;
use serde_json::Value;

/// A table with headings in the language of the desk.
pub fn told<const N: usize>(desk: &Desk, headings: [&str; N], chinese: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    table(if desk.zh { chinese } else { headings }, rows)
}

/// A table whose first column is never folded: an id is there to be copied.
pub fn first_whole(mut table: Table) -> String {
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.to_string()
}

/// The values of a list.
pub fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Words in the language of the desk.
pub fn said(words: &Value, desk: &Desk) -> String {
    text(if desk.zh { &words["zh"] } else { &words["en"] })
}

/// A time as the console shows it: 24-hour, in its zone, to the second.
pub fn when(value: &Value) -> String {
    let at = value.as_str().and_then(|at| at.parse::<Timestamp>().ok());
    at.map_or_else(|| text(value), |at| local(at, "%Y-%m-%d %H:%M:%S"))
}

/// A word on the wire, by what such words are called.
pub fn word(called: &[(&str, Text)], value: &Value, desk: &Desk) -> String {
    let wire = text(value);
    let found = called.iter().find(|(word, _)| desk.zh && *word == wire);
    found.map_or(wire.clone(), |(_, called)| called.zh.to_owned())
}

/// Anything else.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), thousands),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => NOTHING.to_owned(),
    }
}
