//! Random bodies: what is written comes back, whole or a few bytes at a time.

#![allow(clippy::unwrap_used)]

use portolan_contract::cases::{CasePlan, Dribble, read_all, read_from, record_of, write_all};
use portolan_contract::{Position, RawRecord};
use portolan_fixed::Fixed;
use proptest::prelude::*;

const PLAN: &str = r#"
    records = ["row"]
    lists = ["row/remark"]
    slots = [
        "header/batch",
        "row/name",
        "row/amount",
        "row/day",
        "row/remark/text",
        { path = "trailer/total", after = true },
    ]
    [options]
    line_length = 64
    tag = { start = 63, length = 2 }
    [[options.line]]
    path = "header"
    tag = "H"
    columns = [{ name = "batch", start = 1, length = 20 }]
    [[options.line]]
    path = "row"
    tag = "D"
    columns = [
        { name = "name", start = 1, length = 30 },
        { name = "amount", start = 31, length = 22, align = "right", pad = "0", decimals = 2 },
        { name = "day", start = 53, length = 10, align = "right", pad = "*" },
    ]
    [[options.line]]
    path = "row/remark"
    tag = "R"
    columns = [{ name = "text", start = 11, length = 40, align = "right" }]
    [[options.line]]
    path = "trailer"
    tag = "T"
    columns = [{ name = "total", start = 2, length = 32, align = "right", pad = "0" }]
"#;

const TAG_FIRST: &str = r#"
    records = ["row"]
    lists = ["row/remark"]
    slots = ["header/batch", "row/name", "row/remark/text", { path = "trailer/total", after = true }]
    [options]
    line_length = 64
    tag = { start = 1, length = 1 }
    [[options.line]]
    path = "header"
    tag = "H"
    optional = true
    columns = [{ name = "batch", start = 2, length = 20 }]
    [[options.line]]
    path = "row"
    tag = "D"
    columns = [{ name = "name", start = 2, length = 30, align = "right", pad = "0", decimals = 2 }]
    [[options.line]]
    path = "row/remark"
    tag = "R"
    columns = [{ name = "text", start = 11, length = 40 }]
    [[options.line]]
    path = "trailer"
    tag = "T"
    columns = [{ name = "total", start = 2, length = 32, align = "right", pad = "0" }]
"#;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    amount: String,
    day: String,
    remarks: Vec<String>,
}

/// Text with characters of one to four bytes, that no padding stands around; at most five characters.
fn text() -> impl Strategy<Value = String> {
    let parts = ["a", "é", "税", "㐂", "𠀀", "合", "|", "0", "-"];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6).prop_map(|parts| parts.concat())
}

fn amount() -> impl Strategy<Value = String> {
    let whole = prop_oneof![Just(0_u64), Just(1), Just(999_999_999_999_999_999), 0..1_000_000_u64];
    (any::<bool>(), whole, 0..100_u8).prop_map(|(negative, whole, part)| {
        let sign = if negative { "-" } else { "" };
        format!("{sign}{whole}.{part:02}")
    })
}

fn row() -> impl Strategy<Value = Row> {
    let day = prop::sample::select(vec!["0001-01-01", "9999-12-31", "2024-02-29"]);
    (text(), amount(), day, prop::collection::vec(text(), 0..4)).prop_map(|(name, amount, day, remarks)| Row {
        name,
        amount,
        day: day.to_owned(),
        remarks,
    })
}

fn raw(row: &Row, batch: &str) -> RawRecord {
    let mut record = record_of(0, &[batch, &row.name, &row.amount, &row.day]);
    for remark in &row.remarks {
        let item = record.push_item(0, None);
        record.push(4, Some(item), remark, Position::default());
    }
    record
}

fn found(record: &RawRecord, slot: u32, item: Option<u32>) -> String {
    record.find(slot, item).map_or("", |v| record.text(v)).to_owned()
}

fn row_of(record: &RawRecord) -> Row {
    let remarks = (0..record.items().len() as u32).map(|item| found(record, 4, Some(item))).collect();
    Row { name: found(record, 1, None), amount: found(record, 2, None), day: found(record, 3, None), remarks }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn reads_what_it_writes(
        rows in prop::collection::vec(row(), 0..20),
        batch in text(),
        charset in prop::sample::select(vec!["utf-8", "utf-16le", "utf-16be", "gb18030"]),
        columns in prop::sample::select(vec!["bytes", "characters"]),
        line_ending in prop::sample::select(vec!["crlf", "lf", "none"]),
        bytes_at_a_time in 1..9_usize,
    ) {
        prop_assume!(columns == "characters" || !charset.starts_with("utf-16"));
        let mut case = CasePlan::parse(PLAN).unwrap();
        for (key, value) in [("charset", charset), ("columns", columns), ("line_ending", line_ending)] {
            case.options.insert(key.to_owned(), value.into());
        }
        let bound = case.bind(&Fixed).unwrap();
        let records: Vec<RawRecord> = rows.iter().map(|row| raw(row, &batch)).collect();
        let mut head = record_of(0, &[&batch]);
        head.push(5, None, &rows.len().to_string(), Position::default());
        let body = write_all(bound.as_ref(), &head, &records).unwrap();

        let (read, end) = read_from(bound.as_ref(), Dribble::new(&body, bytes_at_a_time), &case.limits);
        let end = end.unwrap();
        prop_assert!(read.iter().all(|record| record.findings.is_empty()), "{:?}", read);
        let (read, end): (Vec<_>, _) = (read.iter().map(row_of).collect(), (found(&end, 0, None), found(&end, 5, None)));
        let total = rows.len().to_string();
        prop_assert_eq!((read, end), (rows, (batch, total)), "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn any_bytes_end_in_an_answer(
        lines in prop::collection::vec((prop::sample::select(b"HDRTX".to_vec()), prop::collection::vec(any::<u8>(), 0..70)), 0..6),
        charset in prop::sample::select(vec!["utf-8", "utf-16le", "gb18030"]),
        line_ending in prop::sample::select(vec!["lf", "none"]),
    ) {
        let mut case = CasePlan::parse(TAG_FIRST).unwrap();
        for (key, value) in [("charset", charset), ("columns", "characters"), ("line_ending", line_ending)] {
            case.options.insert(key.to_owned(), value.into());
        }
        let bound = case.bind(&Fixed).unwrap();
        let body: Vec<u8> = lines.into_iter().flat_map(|(tag, rest)| [vec![tag], rest, vec![b'\n']].concat()).collect();
        drop(read_all(bound.as_ref(), &body, &case.limits));
    }
}
