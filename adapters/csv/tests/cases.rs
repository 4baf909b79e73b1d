//! The cases of this adapter, and those that are too large for a file.

#![allow(clippy::unwrap_used)]

use portolan_contract::cases::{CasePlan, read_all, run, write_all};
use portolan_contract::{FormatCode, Position, RawRecord};
use portolan_csv::Csv;
use std::path::Path;

const PLAN: &str = r#"
    records = ["row"]
    slots = ["row/id", "row/amount"]
"#;

#[test]
fn cases() {
    let failures = run(&Csv, &Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Checks that a body is refused after so many records, and where.
fn check_refused(body: &str, code: FormatCode, byte: u64, column: u32, records: usize) {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Csv).unwrap();
    let (read, end) = read_all(bound.as_ref(), body.as_bytes(), &case.limits);
    let error = end.err().unwrap();
    assert_eq!((error.code, error.at.byte, error.at.column, read.len()), (code, byte, column, records), "{error}");
}

#[test]
fn ten_megabytes_in_one_cell() {
    let large = "9".repeat(10 << 20);
    check_refused(&format!("id,amount\n1,2\n3,{large}\n"), FormatCode::TokenExceeded, 16, 2, 1);
    check_refused(&format!("id,amount\n1,2\n\"{large}\",4\n"), FormatCode::TokenExceeded, 14, 1, 1);
    check_refused(&format!("id,amount,more\n1,2,{large}\n"), FormatCode::TokenExceeded, 19, 3, 0);
    // A quote that is never closed runs into the cap before the body ends.
    check_refused(&format!("id,amount\n1,\"2\n{}", "3,4\n".repeat(1 << 20)), FormatCode::TokenExceeded, 12, 2, 0);
    check_refused(&format!("{large}\nid,amount\n"), FormatCode::TokenExceeded, 0, 1, 0);
}

#[test]
fn columns_without_end() {
    check_refused(&format!("id,amount\n1,2\n{}\n", ",".repeat(5_000)), FormatCode::RecordExceeded, 14 + 2_048, 2_049, 1);
}

#[test]
fn head_without_end() {
    // Ten cells just under one mebibyte; the fifth goes beyond the four of a record.
    let cell = "9".repeat((1 << 20) - 1);
    let row = [cell.as_str(); 10].join(",");
    check_refused(&format!("{row}\nid,amount\n"), FormatCode::RecordExceeded, 4 << 20, 5, 0);
}

#[test]
fn a_table_has_one_value_for_each_label() {
    let plan = "records = [\"row\"]\nslots = [\"header/报送日期\", \"row/id\"]\n[options]\nheader = \"pairs\"";
    let case = CasePlan::parse(plan).unwrap();
    let bound = case.bind(&Csv).unwrap();
    let record = |date: Option<&str>| {
        let mut raw = RawRecord::default();
        date.into_iter().for_each(|date| raw.push(0, None, date, Position::default()));
        raw.push(1, None, "1", Position::default());
        raw
    };
    let first = record(Some("2026-01-01"));
    assert!(write_all(bound.as_ref(), &first, &[first.clone(), first.clone()]).is_ok());
    for other in [Some("2026-01-02"), None] {
        let error = write_all(bound.as_ref(), &first, &[first.clone(), record(other)]).unwrap_err();
        assert_eq!((error.code, error.path.as_deref()), (FormatCode::ValueUnwritable, Some("报送日期")), "{error}");
        assert!(error.words.zh.contains("报送日期") && error.words.en.contains("报送日期"), "{:?}", error.words);
    }
}
