//! The cases of this adapter, and those that are too large for a file.

#![allow(clippy::unwrap_used)]

use portolan_contract::FormatCode;
use portolan_contract::cases::{CasePlan, read_all, run};
use portolan_json::Json;
use std::path::Path;

const PLAN: &str = r#"
    records = ["$"]
    slots = ["$/id", "$/amount"]
"#;

#[test]
fn cases() {
    let failures = run(&Json, &Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Checks that a body is refused after so many records, and where.
fn check_refused(body: &[u8], code: FormatCode, byte: u64, records: usize) {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Json).unwrap();
    let (read, end) = read_all(bound.as_ref(), body, &case.limits);
    let error = end.err().unwrap();
    assert_eq!((error.code, error.at.byte, read.len()), (code, byte, records), "{error}");
}

#[test]
fn ten_thousand_deep() {
    let arrays = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    check_refused(arrays.as_bytes(), FormatCode::DepthExceeded, 128, 0);
    // Each object but the first stands six bytes after the one before: {"a":{"a":…
    let objects = ["{\"a\":".repeat(10_000), "1".to_owned(), "}".repeat(10_000)].concat();
    check_refused(objects.as_bytes(), FormatCode::DepthExceeded, 128 * 5, 0);
}

#[test]
fn ten_megabytes_in_one_token() {
    let large = "9".repeat(10 << 20);
    check_refused(format!("{{\"id\":\"1\"}}\n{{\"id\":\"{large}\"}}").as_bytes(), FormatCode::TokenExceeded, 17, 1);
    check_refused(format!("{{\"id\":{large}}}").as_bytes(), FormatCode::TokenExceeded, 6, 0);
    check_refused(format!("{{\"unasked\":[\"{large}\"]}}").as_bytes(), FormatCode::TokenExceeded, 12, 0);
    check_refused(format!("{{\"{large}\":1}}").as_bytes(), FormatCode::TokenExceeded, 1, 0);
}

#[test]
fn names_without_end() {
    let members: Vec<String> = (0..300).map(|n| format!("\"m{n:03}\":0")).collect();
    let body = format!("{{{}}}", members.join(","));
    // Each member takes nine bytes; the one after the 256 allowed is at fault.
    check_refused(body.as_bytes(), FormatCode::RecordExceeded, 1 + 256 * 9, 0);
}
