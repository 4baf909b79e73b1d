//! The synthetic feeds, read by programs that are not ours: Python's XML parser and CSV reader.
//!
//! `feeds/read.py` checks form, check digits and sums, and compares what it reads with the facts
//! that the feeds tell of themselves. Where there is no `python3`, nothing is checked, and it says so.

#![allow(clippy::expect_used, reason = "a test may panic")]

use portolan::demo::feeds::camt054::Camt054;
use portolan::demo::feeds::ceb603::{Ceb603, Charset};
use portolan::demo::feeds::platform_income::{PlatformIncome, Wrong};
use portolan::demo::feeds::{Expected, Feed, Size};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const RECORDS: u64 = 2_000;

#[test]
fn feeds_are_read_as_told_by_another_program() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("not checked: there is no python3 here");
        return;
    }
    let (seed, message, size) = (20_261_020, 1, Size::Records(RECORDS));
    let wrong = [(12, Wrong::ThirdDecimal), (700, Wrong::ImpossiblePeriod), (RECORDS, Wrong::FullWidthDigits)];
    check("camt054", &Camt054 { seed, message, size });
    check("platform-income", &PlatformIncome { seed, message, size, wrong: wrong.into() });
    check("ceb603", &Ceb603 { seed, message, size, charset: Charset::Utf8 });
    check("ceb603", &Ceb603 { seed, message, size, charset: Charset::Gb2312 });
}

fn check(kind: &str, feed: &dyn Feed) {
    let folder = tempfile::tempdir().expect("a folder");
    let (body, facts) = (folder.path().join("body"), folder.path().join("facts.json"));
    std::fs::write(&body, feed.body()).expect("the body is written");
    let told: Vec<Value> = feed
        .facts()
        .into_iter()
        .map(|fact| match fact.expected {
            Expected::Accepted(canonical) => canonical,
            Expected::Refused(cell) => json!({ "row": cell.row, "column": cell.column, "found": cell.found }),
        })
        .collect();
    std::fs::write(&facts, Value::from(told).to_string()).expect("the facts are written");

    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/feeds/read.py");
    let output = Command::new("python3").arg(program).args([kind.as_ref(), body.as_os_str(), facts.as_os_str()]).output().expect("it runs");
    assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
}
