//! Random messages: what is written comes back, whole or a few bytes at a time.

#![allow(clippy::unwrap_used)]

use portolan_contract::cases::{CasePlan, Dribble, read_from, write_all};
use portolan_contract::{Position, RawRecord};
use portolan_edifact::Edifact;
use proptest::prelude::*;

const PLAN: &str = r#"
    records = ["message"]
    lists = ["message/SG:CST"]
    slots = [
        "UNB/S002/0004",
        "UNB/S003/0010",
        "UNB/S004/0017",
        "UNB/S004/0019",
        "UNB/0020",
        "message/BGM+830/C106/1004",
        "message/SG:NAD+EX/NAD/C082/3039",
        "message/SG:NAD+EX/NAD/C080/3036",
        "message/LOC+12/C517/3225",
        "message/SG:CST/CST/1496",
        "message/SG:CST/CST/C246#2/7361",
        { path = "message/SG:CST/FTX+AAA/C108/4440", repeat = "list" },
    ]
    [options]
    message = "CUSDEC"
    versions = ["D.99B", "D.21A"]
"#;

/// The slots of the message itself, and those of an item.
const MESSAGE: std::ops::Range<u32> = 5..9;
const ITEM: std::ops::Range<u32> = 9..11;
const LINES: u32 = 11;

/// A message's values, and for each item its own and its lines of text.
type Message = (Vec<String>, Vec<(Vec<String>, Vec<String>)>);

fn raw((values, items): &Message) -> RawRecord {
    let mut record = RawRecord::default();
    for (slot, text) in (0..).zip(["SENDER", "RECIPIENT", "260701", "0830", "R?1"]) {
        record.push(slot, None, text, Position::default());
    }
    for (slot, text) in MESSAGE.zip(values) {
        record.push(slot, None, text, Position::default());
    }
    for (values, lines) in items {
        let item = record.push_item(0, None);
        for (slot, text) in ITEM.zip(values) {
            record.push(slot, Some(item), text, Position::default());
        }
        for line in lines {
            record.push(LINES, Some(item), line, Position::default());
        }
    }
    record
}

fn shown(record: &RawRecord) -> Message {
    let text = |slot, item| record.find(slot, item).map_or("", |v| record.text(v)).to_owned();
    let items = (0..record.items().len() as u32).map(|item| {
        let lines = record.values().iter().filter(|v| v.slot == LINES && v.item == Some(item));
        (ITEM.map(|slot| text(slot, Some(item))).collect(), lines.map(|v| record.text(v).to_owned()).collect())
    });
    (MESSAGE.map(|slot| text(slot, None)).collect(), items.collect())
}

/// Text with every service character, and with characters of one to four bytes, that an element with so little room holds.
fn text(chars_max: usize) -> impl Strategy<Value = String> {
    let parts = ["?", "'", "+", ":", "*", "??", "?'", " ", "\r\n", "a", "é", "税", "㐂", "𠀀", "UNT+1+1'", "\u{feff}", "1,10"];
    let any =
        prop_oneof![prop::collection::vec(prop::sample::select(parts.to_vec()), 1..6).prop_map(|parts| parts.concat()), "[^\0]{1,10}"];
    any.prop_map(move |text| text.chars().take(chars_max).collect())
}

fn message() -> impl Strategy<Value = Message> {
    // 1496 is an..6, 7361 an..18, 4440 an..512; of the message's own the shortest is an..35.
    let item = ((text(6), text(18)).prop_map(|(number, code)| vec![number, code]), prop::collection::vec(text(35), 0..5));
    (prop::collection::vec(text(35), 4), prop::collection::vec(item, 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn reads_what_it_writes(
        messages in prop::collection::vec(message(), 1..6),
        charset in prop::sample::select(vec!["", "gb18030", "utf-16be"]),
        syntax in prop::sample::select(vec!["UNOW:3", "UNOW:4"]),
        version in prop::sample::select(vec!["D.99B", "D.21A"]),
        una in prop::sample::select(vec!["", ":+.? '", "|/,\\*~", "?*.:+'"]),
        line_ending in prop::sample::select(vec!["none", "lf", "crlf"]),
        bytes_at_a_time in 1..9_usize,
    ) {
        let mut case = CasePlan::parse(PLAN).unwrap();
        for (key, value) in [("write_syntax", syntax), ("write_version", version), ("line_ending", line_ending)] {
            case.options.insert(key.to_owned(), value.into());
        }
        for key in ["charset", "write_charset"].iter().filter(|_| !charset.is_empty()) {
            case.options.insert((*key).to_owned(), charset.into());
        }
        if !una.is_empty() {
            case.options.insert("service_characters".to_owned(), una.into());
        }
        let bound = case.bind(&Edifact).unwrap();
        let records: Vec<RawRecord> = messages.iter().map(raw).collect();
        let body = write_all(bound.as_ref(), &records[0], &records).unwrap();

        let (read, end) = read_from(bound.as_ref(), Dribble::new(&body, bytes_at_a_time), &case.limits);
        prop_assert!(end.is_ok() && read.iter().all(|record| record.findings.is_empty()), "{:?}, {:?}", read, end);
        prop_assert_eq!(read.iter().map(shown).collect::<Vec<_>>(), messages);
    }

    #[test]
    fn no_body_is_too_strange(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "UNA:+.? '", "UNB+UNOC:3+A+B+260701:0830+R1'", "UNG+1'", "UNH+1+CUSDEC:D:99B:UN'", "BGM+830+1'", "UNS+D'", "UNS+S'", "CST+1'",
                "FTX+AAA+++a?", "?'", "'", "+", ":", "LOC+9+X'", "NAD+EX'", "UNT+5+1'", "UNE+1+1'", "UNZ+1+R1'", "\r\n", "é", "XYZ+1'", "\0",
            ]),
            0..30,
        ),
        bytes_at_a_time in 1..9_usize,
    ) {
        let case = CasePlan::parse(PLAN).unwrap();
        let bound = case.bind(&Edifact).unwrap();
        let body = parts.concat();
        drop(read_from(bound.as_ref(), Dribble::new(body.as_bytes(), bytes_at_a_time), &case.limits));
    }
}
