//! The cases of this adapter, those that are too large for a file, and what cannot be written.

#![allow(clippy::unwrap_used, clippy::panic)]

use portolan_contract::cases::{CasePlan, read_all, run, write_all};
use portolan_contract::{Charset, FormatCode, Position, RawRecord, TextOutput};
use portolan_fixed::Fixed;
use std::path::Path;

const PLAN: &str = r#"
    records = ["row"]
    slots = ["row/name", "row/amount", "row/cents"]
    [options]
    charset = "gb2312"
    [[options.line]]
    path = "row"
    columns = [
        { name = "name", start = 1, length = 6 },
        { name = "amount", start = 7, length = 5, align = "right", pad = "0" },
        { name = "cents", start = 12, length = 5, align = "right", decimals = 2 },
    ]
"#;

#[test]
fn cases() {
    let failures = run(&Fixed, &Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn ten_megabytes_in_one_line() {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Fixed).unwrap();
    for (large, byte) in [("9".repeat(10 << 20), 18), ("\u{4E2D}".repeat(3 << 20), 18)] {
        let mut body = Vec::new();
        let mut output = TextOutput::new(Box::new(&mut body), Charset::Gb18030);
        output.write(&format!("abcdef00001  100\r\n{large}")).unwrap();
        output.finish().unwrap();
        drop(output);
        let (read, end) = read_all(bound.as_ref(), &body, &case.limits);
        let error = end.err().unwrap();
        assert_eq!((error.code, error.at.line, error.at.byte, read.len()), (FormatCode::TokenExceeded, 2, byte, 0), "{error}");
    }
}

/// Checks what writing one value says: nothing, or where and in which words.
#[track_caller]
fn check_written(slot: u32, text: &str, expected: Result<&str, (FormatCode, &str)>) {
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Fixed).unwrap();
    let mut record = RawRecord::default();
    record.push(slot, None, text, Position::default());
    let written = write_all(bound.as_ref(), &RawRecord::default(), std::slice::from_ref(&record));
    match (written, expected) {
        (Ok(body), Ok(line)) => assert_eq!(String::from_utf8_lossy(&body), format!("{line}\r\n")),
        (Err(error), Err((code, words))) => {
            assert_eq!(error.code, code, "{error}");
            assert!(error.words.en.contains(words), "{error}");
        }
        (written, expected) => panic!("{text:?}: {written:?} instead of {expected:?}"),
    }
}

#[test]
fn what_has_no_room_is_not_cut() {
    let unwritable = FormatCode::ValueUnwritable;
    check_written(0, "abcdef", Ok("abcdef          "));
    check_written(0, "税务局a", Err((unwritable, "`row/name` is 7 long, and the column 6")));
    check_written(0, "a\nb", Err((unwritable, "line end")));
    check_written(0, "ab ", Err((unwritable, "padding")));
    check_written(0, " ", Err((unwritable, "padding")));
    check_written(0, "朱镕基", Err((FormatCode::CharacterUnmappable, "'镕'")));
    check_written(1, "-12", Ok("      -0012     "));
    check_written(1, "012", Err((unwritable, "padding")));
    check_written(1, "123456", Err((unwritable, "is 6 long")));
    check_written(2, "123.4", Ok("           12340"));
    check_written(2, "1234.56", Err((unwritable, "is 6 long")));
    check_written(2, "1.234", Err((unwritable, "at most 2 decimals")));
    check_written(2, "1e3", Err((unwritable, "at most 2 decimals")));
}

#[test]
fn a_body_has_one_header() {
    let plan = PLAN
        .replace("\"row/cents\"", "\"row/cents\", \"header/batch\"")
        .replace("[[options.line]]", "tag = { start = 20, length = 1 }\n[[options.line]]");
    let header =
        "[[options.line]]\npath = \"header\"\ntag = \"H\"\ncolumns = [{ name = \"batch\", start = 1, length = 3 }]\n[[options.line]]";
    let plan = plan.replacen("[[options.line]]", header, 1).replace("path = \"row\"", "path = \"row\"\ntag = \"D\"");
    let case = CasePlan::parse(&plan).unwrap();
    let bound = case.bind(&Fixed).unwrap();
    let records: Vec<RawRecord> = ["b1", "b1", "b2"]
        .map(|batch| {
            let mut record = RawRecord::default();
            record.push(3, None, batch, Position::default());
            record
        })
        .to_vec();
    assert!(write_all(bound.as_ref(), &records[0], &records[..2]).is_ok());
    let error = write_all(bound.as_ref(), &records[0], &records).unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (FormatCode::ValueUnwritable, Some("header/batch")), "{error}");
}
