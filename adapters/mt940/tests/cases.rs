//! The cases of this adapter, those that are too large for a file, and what cannot be written.

#![allow(clippy::unwrap_used, clippy::panic)]

use portolan_contract::cases::{CasePlan, read_all, run, write_all};
use portolan_contract::{FormatCode, Position, RawRecord};
use portolan_mt940::Mt940;
use std::path::Path;

const PLAN: &str = r#"
    records = ["statement/entry"]
    slots = [
        "statement/20",
        "statement/25",
        "statement/28C/number",
        "statement/60/mark",
        "statement/60/date",
        "statement/60/currency",
        "statement/60/amount",
        "statement/entry/value_date",
        "statement/entry/direction",
        "statement/entry/amount",
        "statement/entry/type",
        "statement/entry/reference",
        "statement/entry/86/EREF",
        "statement/entry/86/REMI",
        "statement/entry/86/?20",
        { path = "statement/62/mark", after = true },
        { path = "statement/62/date", after = true },
        { path = "statement/62/currency", after = true },
        { path = "statement/62/amount", after = true },
    ]
"#;
const STATEMENT: &[(&str, &str)] = &[
    ("20", "REF"),
    ("25", "123"),
    ("28C/number", "1"),
    ("60/mark", "D"),
    ("60/date", "2026-09-29"),
    ("60/currency", "CNY"),
    ("60/amount", "5"),
    ("entry/value_date", "2026-09-30"),
    ("entry/direction", "C"),
    ("entry/amount", "7.5"),
    ("entry/type", "NTRF"),
    ("62/mark", "C"),
    ("62/date", "2026-09-30"),
    ("62/currency", "CNY"),
    ("62/amount", "2.50"),
];

#[test]
fn cases() {
    let failures = run(&Mt940, &Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn ten_megabytes_in_one_field() {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Mt940).unwrap();
    for large in ["9".repeat(10 << 20), "9\n".repeat(5 << 20), "\n".repeat(10 << 20)] {
        let body = format!(":20:X\n:86:{large}");
        let (_, end) = read_all(bound.as_ref(), body.as_bytes(), &case.limits);
        let error = end.err().unwrap();
        assert_eq!((error.code, error.at.line), (FormatCode::TokenExceeded, 2), "{error}");
    }
}

/// Writes one statement, with some of its values changed, and checks the field that shows it, or where
/// and in which words it is refused.
#[track_caller]
fn check_written(changed: &[(&str, &str)], expected: Result<&str, (FormatCode, &str, &str)>) {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Mt940).unwrap();
    let mut record = RawRecord::default();
    for (slot, known) in (0..).zip(&case.plan.slots) {
        let name = known.path.strip_prefix("statement/").unwrap();
        let text = changed.iter().chain(STATEMENT).find(|(path, _)| *path == name);
        if let Some((_, text)) = text.filter(|(_, text)| !text.is_empty()) {
            record.push(slot, None, text, Position::default());
        }
    }
    let written = write_all(bound.as_ref(), &record, std::slice::from_ref(&record)).map(|body| String::from_utf8(body).unwrap());
    match (written, expected) {
        (Ok(body), Ok(part)) => assert!(body.contains(part), "{body}"),
        (Err(error), Err((code, path, words))) => {
            assert_eq!((error.code, error.path.as_deref()), (code, Some(path)), "{error}");
            assert!(error.words.en.contains(words), "{error}");
        }
        (written, expected) => panic!("{changed:?}: {written:?} instead of {expected:?}"),
    }
}

#[test]
fn what_does_not_fit_is_not_cut() {
    let unwritable = FormatCode::ValueUnwritable;
    let whole = ":20:REF\r\n:25:123\r\n:28C:1\r\n:60F:D260929CNY5,\r\n:61:260930C7,5NTRFNONREF\r\n:62F:C260930CNY2,50\r\n-\r\n";
    check_written(&[], Ok(whole));
    check_written(&[("20", "A REFERENCE OF 17")], Err((unwritable, "statement/20", "16 characters")));
    check_written(&[("20", "A//B")], Err((unwritable, "statement/20", "no two together")));
    check_written(&[("25", "")], Err((unwritable, "statement/25", "missing")));
    check_written(&[("28C/number", "123456")], Err((unwritable, "statement/28C/number", "five digits")));
    check_written(&[("62/amount", "2.51")], Err((unwritable, "statement/62/amount", "opening balance")));
    check_written(&[("60/date", "2080-01-01")], Err((unwritable, "statement/60", "balance")));
    check_written(&[("entry/amount", "7.50000000000000")], Err((unwritable, "statement/entry", "does not fit")));
    check_written(&[("entry/amount", "-7.5")], Err((unwritable, "statement/entry", "does not fit")));
    check_written(&[("entry/reference", "17 CHARACTERS HER")], Err((unwritable, "statement/entry", "16 characters")));
    check_written(&[("entry/reference", "A//B")], Err((unwritable, "statement/entry", "does not fit")));
    check_written(&[("entry/type", "XTRF")], Err((unwritable, "statement/entry", "does not fit")));
    check_written(&[("25", "税务局")], Err((FormatCode::CharacterUnmappable, "statement/25", "'税'")));
    check_written(&[("25", "A{B}")], Err((FormatCode::CharacterUnmappable, "statement/25", "'{'")));
    check_written(&[("entry/86/EREF", "A"), ("entry/86/REMI", "B/C")], Ok(":86:/EREF/A/REMI/B/C\r\n:62F:"));
    check_written(&[("entry/86/EREF", "A/REMI/B")], Err((unwritable, "statement/entry/86", "read back")));
    check_written(&[("entry/86/EREF", "A"), ("entry/86/?20", "B")], Err((unwritable, "statement/entry/86", "read back")));
    check_written(&[("entry/86/REMI", &"9".repeat(6 * 65))], Err((unwritable, "statement/entry/86", "six lines")));
    let line = "9".repeat(59);
    // What would look like a field's start is moved to the line before.
    check_written(&[("entry/86/REMI", &format!("{line}::A"))], Ok(&format!(":86:/REMI/{}\r\n9::A\r\n", "9".repeat(58))));
}
