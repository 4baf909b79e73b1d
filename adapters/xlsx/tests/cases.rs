//! The cases of this adapter (`cases/make.py` makes them), and those that are too large for a file.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use portolan_contract::cases::{CasePlan, read_all, run, write_all};
use portolan_contract::{Format, FormatCode, Position, RawRecord};
use portolan_xlsx::Xlsx;
use std::path::Path;
use std::sync::Arc;

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
    let bound = Xlsx.bind(Arc::clone(&case.plan), &case.options).unwrap();
    let error = read_all(bound.as_ref(), body, &case.limits).1.err().unwrap();
    assert_eq!(error.code, code, "{error}");
}

#[test]
fn bodies_beyond_a_cap() {
    let zip = |rest: Vec<u8>| [b"PK\x03\x04".to_vec(), rest].concat();
    check_refused(&zip(b"PK\x01\x02".repeat(1_001)), FormatCode::ExpansionExceeded);
    check_refused(&zip(vec![0; 64 << 20]), FormatCode::RecordExceeded);
}

fn check_unwritable(cells: [&str; 2], path: Option<&str>) {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = Xlsx.bind(Arc::clone(&case.plan), &case.options).unwrap();
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
