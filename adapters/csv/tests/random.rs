//! Random tables: what is written comes back, whole or a few bytes at a time.

#![allow(clippy::unwrap_used)]

use portolan_contract::RawRecord;
use portolan_contract::cases::{CasePlan, Dribble, read_from, record_of, texts, write_all};
use portolan_csv::Csv;
use proptest::prelude::*;

const PLAN: &str = r#"
    records = ["row"]
    slots = [
        "row/店铺（用户）名称",
        "row/银行账号/支付账户",
        "row/id",
        "header/报送日期",
        { path = "trailer/id", after = true },
    ]
    [options]
    header = "pairs"
    trailer_label = "合计"
"#;

/// Text with what a table must quote, and with characters of one to four bytes.
fn cell() -> impl Strategy<Value = String> {
    let parts = ["\"", ",", ";", "\r", "\n", "\r\n", " ", "a", "é", "税", "㐂", "𠀀", "合计", "\u{feff}", "1.10"];
    prop_oneof![prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6).prop_map(|parts| parts.concat()), "[^\0]{0,10}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn reads_what_it_writes(
        rows in prop::collection::vec(prop::collection::vec(cell(), 3), 0..20),
        outside in prop::collection::vec(cell(), 2),
        charset in prop::sample::select(vec!["utf-8", "utf-16le", "utf-16be", "gb18030"]),
        delimiter in prop::sample::select(vec![",", ";", "\t"]),
        line_ending in prop::sample::select(vec!["crlf", "lf"]),
        byte_order_mark in any::<bool>(),
        bytes_at_a_time in 1..9_usize,
    ) {
        let label = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}') == "合计";
        prop_assume!(!rows.iter().any(|row| label(&row[0])));
        let mut case = CasePlan::parse(PLAN).unwrap();
        for (key, value) in [("charset", charset), ("delimiter", delimiter), ("line_ending", line_ending)] {
            case.options.insert(key.to_owned(), value.into());
        }
        case.options.insert("byte_order_mark".to_owned(), byte_order_mark.into());
        let bound = case.bind(&Csv).unwrap();
        let records: Vec<RawRecord> = rows.iter().map(|row| record_of(0, &[row.as_slice(), &outside[..1]].concat())).collect();
        let body = write_all(bound.as_ref(), &record_of(3, &outside), &records).unwrap();

        let (read, end) = read_from(bound.as_ref(), Dribble::new(&body, bytes_at_a_time), &case.limits);
        prop_assert!(read.iter().all(|record| record.findings.is_empty()), "{:?}", read);
        let read: Vec<_> = read.iter().map(|record| texts(record, 0..3)).collect();
        prop_assert_eq!((read, texts(&end.unwrap(), 3..5)), (rows, outside), "{}", String::from_utf8_lossy(&body));
    }
}
