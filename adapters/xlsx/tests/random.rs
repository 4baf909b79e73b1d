//! Random tables: what is written comes back, and the same records give the same bytes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use portolan_contract::cases::{CasePlan, read_all, write_all};
use portolan_contract::{Format, Position, RawRecord};
use portolan_xlsx::Xlsx;
use proptest::prelude::*;
use std::sync::Arc;

const PLAN: &str = r#"
    records = ["row"]
    slots = [
        "row/店铺（用户）名称",
        "row/收入总额",
        "row/日期",
        "header/报送日期",
        { path = "trailer/日期", after = true },
    ]
    [options]
    sheet = "收入 & 'Q3' 表"
    header = "pairs"
    trailer_label = "合计"
"#;

fn texts(record: &RawRecord, slots: std::ops::Range<u32>) -> Vec<String> {
    slots.map(|slot| record.find(slot, None).map_or("", |v| record.text(v)).to_owned()).collect()
}

fn raw(first_slot: u32, cells: &[String]) -> RawRecord {
    let mut record = RawRecord::default();
    for (slot, cell) in (first_slot..).zip(cells) {
        record.push(slot, None, cell, Position::default());
    }
    record
}

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
    ];
    prop_oneof![prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6).prop_map(|parts| parts.concat()), "[^\0]{0,10}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn reads_what_it_writes(
        rows in prop::collection::vec(prop::collection::vec(cell(), 3), 0..20),
        outside in prop::collection::vec(cell(), 2),
    ) {
        let first = |row: &[String]| row.iter().find(|cell| !cell.is_empty()).cloned();
        let label = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}') == "合计";
        prop_assume!(rows.iter().all(|row| first(row).is_some_and(|text| !label(&text))));
        let case = CasePlan::parse(PLAN).unwrap();
        let bound = Xlsx.bind(Arc::clone(&case.plan), &case.options).unwrap();
        let records: Vec<RawRecord> = rows.iter().map(|row| raw(0, row)).collect();
        let body = write_all(bound.as_ref(), &raw(3, &outside), &records).unwrap();
        prop_assert_eq!(&body, &write_all(bound.as_ref(), &raw(3, &outside), &records).unwrap());

        let (read, end) = read_all(bound.as_ref(), &body, &case.limits);
        let end = end.unwrap();
        prop_assert!(read.iter().chain([&end]).all(|record| record.findings.is_empty() && record.part.as_deref() == Some("收入 & 'Q3' 表")));
        let read: Vec<Vec<String>> = read.iter().map(|record| texts(record, 0..3)).collect();
        prop_assert_eq!((read, texts(&end, 3..5)), (rows, outside));
    }
}
