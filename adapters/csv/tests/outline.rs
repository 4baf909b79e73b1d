//! Tables looked into without a plan.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use portolan_contract::{Format, FormatCode, Limits};
use portolan_csv::Csv;

#[track_caller]
fn check(body: &[u8], expected: &[(&str, u64, &str)], options: &str) {
    let outline = Csv.outline(Box::new(body), &Limits::default()).unwrap().unwrap();
    let first = |path: &portolan_contract::outline::OutlinePath| path.samples.first().map_or(String::new(), |s| s.text.clone());
    let told: Vec<_> = outline.paths.iter().map(|path| (path.path.as_str(), path.times, first(path))).collect();
    let expected: Vec<_> = expected.iter().map(|(path, times, text)| (*path, *times, (*text).to_owned())).collect();
    assert_eq!(told, expected);
    assert_eq!(outline.options, toml::from_str::<toml::Table>(options).unwrap());
}

#[test]
fn headings_labels_charset_and_delimiter_are_found() {
    check(
        b"a;b;c\r\n1;\"x;y\";\r\n2;;z\r\n",
        &[("row", 2, ""), ("row/a", 2, "1"), ("row/b", 2, "x;y"), ("row/c", 2, "z")],
        "charset = \"utf-8\"\ndelimiter = \";\"\n",
    );
    // 报送 and 税 in GB 18030.
    check(
        b"\xB1\xA8\xCB\xCD,2026\n\na,b,\xCB\xB0\n1,2,3\n",
        &[("header", 1, ""), ("header/报送", 1, "2026"), ("row", 1, ""), ("row/a", 1, "1"), ("row/b", 1, "2"), ("row/税", 1, "3")],
        "charset = \"gb18030\"\nheader = \"pairs\"\n",
    );
}

#[test]
fn a_byte_order_mark_says_the_charset() {
    // 开 (U+5F00) and 弬 (U+5F2C) hold bytes that are a comma in ASCII.
    let text = "\u{FEFF}开弬弬弬;b\r\n1;x\r\n";
    let told = [("row", 1, ""), ("row/开弬弬弬", 1, "1"), ("row/b", 1, "x")];
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(&little, &told, "charset = \"utf-16le\"\ndelimiter = \";\"\n");
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    check(&big, &told, "charset = \"utf-16be\"\ndelimiter = \";\"\n");
    check(text.as_bytes(), &told, "charset = \"utf-8\"\ndelimiter = \";\"\n");
}

#[test]
fn an_empty_file_has_no_headings() {
    let error = Csv.outline(Box::new(&b"\n\n"[..]), &Limits::default()).unwrap_err();
    assert_eq!(error.code, FormatCode::NotThisMessage);
}
