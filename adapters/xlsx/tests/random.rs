//! Random tables: what is written comes back, and the same records give the same bytes. Random
//! damage: whatever happens to a workbook, reading it ends.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use portolan_contract::cases::{CasePlan, read_all, record_of, texts, write_all};
use portolan_contract::{Format, RawRecord};
use portolan_xlsx::Xlsx;
use proptest::prelude::*;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

const PLAN: &str = r#"
    records = ["row"]
    slots = [
        "row/店铺（用户）名称",
        { path = "row/收入总额", form = "number" },
        { path = "row/日期", form = "date" },
        { path = "header/报送日期", form = "date" },
        { path = "trailer/日期", after = true, form = "number" },
    ]
    [options]
    sheet = "收入 & 'Q3' 表"
    header = "pairs"
    trailer_label = "合计"
"#;

/// Text with what XML must escape or would change, what a spreadsheet would take for a formula or a
/// number, extreme amounts and dates, and characters of one to four bytes.
fn cell() -> impl Strategy<Value = String> {
    let parts = [
        "<",
        "&",
        "]]>",
        "\"",
        "'",
        "\r",
        "\n",
        "\r\n",
        "\t",
        " ",
        "_x000D_",
        "_x005F_",
        "_",
        "\u{1}",
        "\u{FFFF}",
        "a",
        "税",
        "㐂",
        "𠀀",
        "合计",
        "=1+1",
        "@SUM(A1)",
        "007",
        "110101199003070011",
        "99999999999999999.99",
        "-0.01",
        "9999-12-31",
        "0001-01-01",
        "1900-02-28",
        "2026-09-30",
        "123456789012.345",
        "0",
        "1.50",
    ];
    prop_oneof![prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6).prop_map(|parts| parts.concat()), "[^\0]{0,10}"]
}

/// Workbooks as a spreadsheet program writes them.
const WORKBOOKS: [&[u8]; 3] = [
    include_bytes!("../cases/header-pairs-and-trailer/input.xlsx"),
    include_bytes!("../cases/dates-from-1904/input.xlsx"),
    include_bytes!("../cases/shared-strings/input.xlsx"),
];

fn read_to_an_end(body: &[u8]) {
    let case = CasePlan::parse(PLAN).unwrap();
    let mut options = case.options.clone();
    options.remove("sheet");
    let bound = Xlsx.bind(Arc::clone(&case.plan), &options).unwrap();
    drop(read_all(bound.as_ref(), body, &case.limits));
}

/// The workbook with the text of one of its parts changed at some places.
fn with_other_text(body: &[u8], part: usize, changes: &[(usize, String)]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(body)).unwrap();
    let mut changed = ZipWriter::new(Cursor::new(Vec::new()));
    let part = part % archive.len();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        for (at, with) in changes.iter().filter(|_| index == part) {
            let at = at % (text.len() + 1);
            let end = (at + with.len()).min(text.len());
            text.splice(at..end, with.bytes());
        }
        changed.start_file(file.name().unwrap(), SimpleFileOptions::default()).unwrap();
        changed.write_all(&text).unwrap();
    }
    changed.finish().unwrap().into_inner()
}

fn damage() -> impl Strategy<Value = String> {
    let parts = [
        "<",
        ">",
        "/>",
        "\"",
        "'",
        "=",
        "&",
        "&#x0;",
        "0",
        "9",
        "-1",
        "99999999999999999999",
        "A1:",
        "XFD",
        "<row",
        "<c ",
        "</v>",
        "\u{1}",
        "中",
    ];
    prop::sample::select(parts.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_damaged_zip_is_read_to_an_end(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8),
        cut in any::<usize>(),
    ) {
        let mut body = WORKBOOKS[which].to_vec();
        for (at, byte) in changes {
            let at = at % body.len();
            body[at] = byte;
        }
        read_to_an_end(&body);
        body.truncate(cut % body.len());
        read_to_an_end(&body);
    }

    #[test]
    fn damaged_parts_are_read_to_an_end(
        which in 0..3_usize,
        part in 0..20_usize,
        changes in prop::collection::vec((any::<usize>(), damage()), 1..6),
    ) {
        read_to_an_end(&with_other_text(WORKBOOKS[which], part, &changes));
    }

    #[test]
    fn reads_what_it_writes(
        rows in prop::collection::vec(prop::collection::vec(cell(), 3), 0..20),
        outside in prop::collection::vec(cell(), 2),
    ) {
        let first = |row: &[String]| row.iter().find(|cell| !cell.is_empty()).cloned();
        let label = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}') == "合计";
        prop_assume!(rows.iter().all(|row| first(row).is_some_and(|text| !label(&text))));
        let case = CasePlan::parse(PLAN).unwrap();
        let bound = case.bind(&Xlsx).unwrap();
        let records: Vec<RawRecord> = rows.iter().map(|row| record_of(0, &[row.as_slice(), &outside[..1]].concat())).collect();
        let body = write_all(bound.as_ref(), &record_of(3, &outside), &records).unwrap();
        prop_assert_eq!(&body, &write_all(bound.as_ref(), &record_of(3, &outside), &records).unwrap());

        let (read, end) = read_all(bound.as_ref(), &body, &case.limits);
        let end = end.unwrap();
        prop_assert!(read.iter().chain([&end]).all(|record| record.findings.is_empty() && record.part.as_deref() == Some("收入 & 'Q3' 表")));
        let read: Vec<Vec<String>> = read.iter().map(|record| texts(record, 0..3)).collect();
        prop_assert_eq!((read, texts(&end, 3..5)), (rows, outside));
    }
}
