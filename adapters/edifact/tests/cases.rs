//! The cases of this adapter, and those that are too large for a file.

#![allow(clippy::unwrap_used)]

use portolan_contract::FormatCode;
use portolan_contract::cases::{CasePlan, read_all, run, write_all};
use portolan_edifact::Edifact;
use std::path::Path;

const PLAN: &str = r#"
    records = ["message"]
    slots = ["message/BGM/C106/1004"]
    [options]
    message = "CUSDEC"
    versions = ["D.99B"]
"#;

const START: &str = "UNB+UNOC:3+A+B+260701:0830+R1'UNH+1+CUSDEC:D:99B:UN'";

#[test]
fn cases() {
    let failures = run(&Edifact, &Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Checks that a body is refused, and where.
fn check_refused(body: &str, code: FormatCode, byte: usize) {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Edifact).unwrap();
    let (_, end) = read_all(bound.as_ref(), body.as_bytes(), &case.limits);
    let error = end.err().unwrap();
    assert_eq!((error.code, error.at.byte), (code, byte as u64), "{error}");
}

#[test]
fn ten_megabytes_in_one_token() {
    let large = "9".repeat(10 << 20);
    check_refused(&format!("{START}BGM+830+{large}'"), FormatCode::TokenExceeded, START.len());
    check_refused(&format!("{START}{large}"), FormatCode::TokenExceeded, START.len());
    check_refused(&format!("UNB+UNOC:3+{large}"), FormatCode::TokenExceeded, 0);
    // A released terminator does not end the segment.
    check_refused(&format!("{START}BGM+830+{}", "?'".repeat(5 << 20)), FormatCode::TokenExceeded, START.len());
}

#[test]
fn components_without_end() {
    check_refused(&format!("{START}BGM{}'", "+".repeat(5_000)), FormatCode::RecordExceeded, START.len());
    check_refused(&format!("{START}BGM{}'", ":".repeat(5_000)), FormatCode::Syntax, START.len());
}

#[test]
fn what_is_mandatory_and_has_no_value_cannot_be_written() {
    let case = CasePlan::parse(&PLAN.replace("slots = [", "slots = [\"UNB/0020\", ")).unwrap();
    let bound = case.bind(&Edifact).unwrap();
    let (records, head) = read_all(bound.as_ref(), format!("{START}BGM+830+1'UNS+D'UNS+S'UNT+5+1'UNZ+1+R1'").as_bytes(), &case.limits);
    // The plan has neither sender nor recipient, which UNB must name.
    let error = write_all(bound.as_ref(), &head.unwrap(), &records).unwrap_err();
    assert_eq!(error.code, FormatCode::ValueUnwritable, "{error}");
    assert!(error.path.is_some_and(|path| path.starts_with("UNB")), "{}", error.words.en);
}
