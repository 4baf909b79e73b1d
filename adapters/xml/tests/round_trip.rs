//! Whatever is written is read back as it was, in every charset that can hold it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use portolan_contract::cases::{self, CasePlan};
use portolan_contract::{Format, Position, RawRecord, SlotId};
use portolan_xml::Xml;
use proptest::prelude::*;

const PLAN: &str = r#"
    records = ["Doc/b:Batch/Row"]
    lists = ["Doc/b:Batch/Row/Item"]
    slots = [
        "Doc/Head/Id", "Doc/b:Batch/@no", "Doc/b:Batch/Name",
        "Doc/b:Batch/Row/@kind", "Doc/b:Batch/Row/Name", "Doc/b:Batch/Row/Name/@b:lang",
        "Doc/b:Batch/Row/Item/@n", "Doc/b:Batch/Row/Item/Text",
    ]
    [options]
    namespaces = { "" = ["urn:test:a&b"], b = ["urn:test:b"] }
"#;

/// Slots of [`PLAN`] in its order: outside the record, in it, in an item.
const OUTSIDE: std::ops::Range<SlotId> = 0..3;
const IN_RECORD: std::ops::Range<SlotId> = 3..6;
const IN_ITEM: std::ops::Range<SlotId> = 6..8;

/// What one record holds: texts by slot, and for each item its texts by slot.
#[derive(Clone, Debug)]
struct Row {
    texts: Vec<String>,
    items: Vec<Vec<String>>,
}

/// Text of what messages are made of, and of what could go wrong.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 .,-]{1,8}",
        4 => "[一-龥]{1,6}",
        2 => r#"[<>&'"\]\[!?/;#]{1,4}"#,
        2 => "[\t\n\r ]{1,3}",
        2 => "[\u{20000}-\u{2A6D6}\u{1F300}-\u{1F64F}]{1,3}",
        1 => "[㐀-䶵ä-üА-я。，（）～]{1,3}",
        1 => Just("]]>".to_owned()),
        1 => Just("&amp;&#0;<![CDATA[".to_owned()),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn texts(count: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(text(), count)
}

fn row() -> impl Strategy<Value = Row> {
    (texts(IN_RECORD.len()), proptest::collection::vec(texts(IN_ITEM.len()), 0..4)).prop_map(|(texts, items)| Row { texts, items })
}

fn record(outside: &[String], row: &Row) -> RawRecord {
    let mut record = RawRecord::default();
    for (slot, text) in OUTSIDE.zip(outside).chain(IN_RECORD.zip(&row.texts)) {
        record.push(slot, None, text, Position::default());
    }
    for texts in &row.items {
        let item = record.push_item(0, None);
        for (slot, text) in IN_ITEM.zip(texts) {
            record.push(slot, Some(item), text, Position::default());
        }
    }
    record
}

/// Values without their places, in an order that reading need not keep.
fn values(record: &RawRecord) -> Vec<(Option<u32>, SlotId, String)> {
    let mut values: Vec<_> = record.values().iter().map(|v| (v.item, v.slot, record.text(v).to_owned())).collect();
    values.sort();
    values
}

proptest! {
    #[test]
    fn written_is_read(
        outside in texts(OUTSIDE.len()),
        rows in proptest::collection::vec(row(), 1..4),
        charset in proptest::sample::select(vec!["utf-8", "utf-16le", "utf-16be", "gb18030"]),
    ) {
        let mut plan = CasePlan::parse(PLAN).unwrap();
        plan.options.insert("write_charset".to_owned(), charset.into());
        let bound = Xml.bind(plan.plan, &plan.options).unwrap();
        let records: Vec<RawRecord> = rows.iter().map(|row| record(&outside, row)).collect();

        let body = cases::write_all(bound.as_ref(), &RawRecord::default(), &records).unwrap();
        let (read, end) = cases::read_all(bound.as_ref(), &body, &plan.limits);

        prop_assert!(end.is_ok(), "{:?}", end.err());
        let expected: Vec<_> = records.iter().map(values).collect();
        let found: Vec<_> = read.iter().map(values).collect();
        prop_assert_eq!(found, expected);
    }
}
