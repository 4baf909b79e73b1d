//! The cases of this adapter (`cases/make.py` makes them), and those that are too large for a file.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use portolan_contract::cases::{CasePlan, read_all, run, write_all};
use portolan_contract::{FormatCode, Position, RawRecord};
use portolan_xlsx::Xlsx;
use std::path::Path;

const PLAN: &str = r#"
    records = ["row"]
    slots = ["row/id", "row/amount"]
    [options]
    trailer_label = "sum"
"#;

#[test]
fn cases() {
    let failures = run(&Xlsx, &Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check_refused(body: &[u8], code: FormatCode) {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Xlsx).unwrap();
    let error = read_all(bound.as_ref(), body, &case.limits).1.err().unwrap();
    assert_eq!(error.code, code, "{error}");
}

#[test]
fn bodies_beyond_a_cap() {
    let zip = |rest: Vec<u8>| [b"PK\x03\x04".to_vec(), rest].concat();
    check_refused(&zip(b"PK\x01\x02".repeat(1_001)), FormatCode::ExpansionExceeded);
    check_refused(&zip(vec![0; 64 << 20]), FormatCode::RecordExceeded);
}

#[test]
fn the_bytes_of_a_workbook_stay_the_same() {
    // A delivery that is sent again must be the same bytes, whatever version of the gateway sends it: where this fails
    // because a new version of a crate compresses otherwise, deliveries that wait would fail as well.
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Xlsx).unwrap();
    let record = |number: u32| {
        let mut record = RawRecord::default();
        record.push(0, None, &format!("00{number}"), Position::default());
        record.push(1, None, &format!("{}.10", number * 7), Position::default());
        record
    };
    let records: Vec<RawRecord> = (0..500).map(record).collect();
    let body = write_all(bound.as_ref(), &RawRecord::default(), &records).unwrap();
    assert!(body == include_bytes!("written.xlsx"), "{} bytes", body.len());
}

fn check_unwritable(cells: [&str; 2], path: Option<&str>) {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Xlsx).unwrap();
    let mut record = RawRecord::default();
    for (slot, cell) in (0..).zip(cells) {
        record.push(slot, None, cell, Position::default());
    }
    let error = write_all(bound.as_ref(), &RawRecord::default(), &[record]).err().unwrap();
    assert_eq!(error.path.as_deref(), path, "{error}");
}

#[test]
fn what_a_sheet_cannot_hold_is_not_written() {
    check_unwritable(["a", &"中".repeat(32_768)], Some("row/amount"));
    check_unwritable(["a\0", "1"], Some("row/id"));
    check_unwritable([" sum ", "1"], Some("row/id"));
    check_unwritable(["", "sum"], Some("row/amount"));
    check_unwritable(["", ""], None);
}
