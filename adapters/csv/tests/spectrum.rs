//! csv-spectrum: every table is read as the JSON beside it says, cell by cell.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../../tests/support/tools.rs"]
mod tools;

use portolan_contract::cases::read_all;
use portolan_contract::{Format, Limits, PlanBuilder, RawRecord, Repeat};
use portolan_csv::Csv;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

/// Tables of the suite.
const TABLES: usize = 12;
/// The one cell in which the suite does not agree with itself: its JSON has another number.
const DISAGREES: (&str, &str) = ("location_coordinates.csv", "Contact Phone Number");

#[test]
fn every_table_is_read_as_its_json_says() {
    let folder = tools::package("csv-spectrum");
    let mut tables = 0;
    for entry in std::fs::read_dir(folder.join("csvs")).unwrap() {
        let table = entry.unwrap().path();
        let json = folder.join("json").join(table.file_name().unwrap()).with_extension("json");
        let rows = match serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap() {
            Value::Array(rows) => rows,
            row => vec![row],
        };
        check(&table, &rows);
        tables += 1;
    }
    assert_eq!(tables, TABLES, "tables of the suite");
}

fn check(table: &Path, rows: &[Value]) {
    let mut plan = PlanBuilder::new();
    plan.anchor("row").unwrap();
    let headings: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    for heading in &headings {
        plan.slot(&format!("row/{heading}"), Repeat::Once, false).unwrap();
    }
    let bound = Csv.bind(Arc::new(plan.build().unwrap()), &toml::Table::new()).unwrap();
    let (records, end) = read_all(bound.as_ref(), &std::fs::read(table).unwrap(), &Limits::default());
    assert!(end.is_ok(), "{}: {:?}", table.display(), end.err());
    let mut read: Vec<Value> = records.iter().map(|record| row(record, &headings)).collect();
    if table.ends_with(DISAGREES.0) {
        assert_ne!(read[0][DISAGREES.1], rows[0][DISAGREES.1], "the suite agrees with itself now");
        read[0][DISAGREES.1] = rows[0][DISAGREES.1].clone();
    }
    assert_eq!(read, rows, "{}", table.display());
}

/// A cell that is empty is no value to us.
fn row(record: &RawRecord, headings: &[&String]) -> Value {
    let cell = |slot: usize| record.find(slot as u32, None).map_or("", |value| record.text(value));
    Value::Object(headings.iter().enumerate().map(|(slot, heading)| ((*heading).clone(), Value::from(cell(slot)))).collect::<Map<_, _>>())
}
