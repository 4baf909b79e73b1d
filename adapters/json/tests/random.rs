//! Random bodies: agreement with another parser on what JSON is, and writing followed by reading.

#![allow(clippy::unwrap_used)]

use portolan_contract::cases::{CasePlan, Dribble, read_all, read_from, write_all};
use portolan_contract::{FormatCode, Position, RawRecord};
use portolan_json::Json;
use proptest::prelude::*;

const PLAN: &str = r#"
    records = ["$/records"]
    lists = ["$/records/items"]
    slots = [
        "$/head/from",
        "$/records/id",
        { path = "$/records/tags", repeat = "list" },
        "$/records/items/name",
        "$/records/items/amount",
    ]
    [options]
    numbers = ["$/records/items/amount"]
"#;

/// What our reader makes of a document; `None` where it is JSON.
fn refusal(document: &str) -> Option<FormatCode> {
    let case = CasePlan::parse("records = [\"$\"]\nslots = [\"$/a\"]\noptions = { layout = \"document\" }").unwrap();
    let bound = case.bind(&Json).unwrap();
    // White space beyond what the input looks at first, so that the document itself dribbles.
    let body = [" ".repeat(1100), document.to_owned()].concat();
    read_from(bound.as_ref(), Dribble::new(body.as_bytes(), 3), &case.limits).1.err().map(|error| error.code)
}

/// Text that is nearly always almost JSON.
fn near_json() -> impl Strategy<Value = String> {
    let parts = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "\"",
        "\\",
        "\\u00e9",
        "\"\\ud83d\\ude00\"",
        "\"\\udc00\"",
        "\\n",
        "0",
        "-",
        "1.5",
        "1e5",
        "1.",
        ".",
        "e",
        "E+",
        "01",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\t",
        "\u{b}",
        "\u{1}",
        "税",
        "😀",
        "'",
        "/",
        "+",
    ];
    let soup = prop::collection::vec(prop::sample::select(parts.to_vec()), 0..8).prop_map(|parts| parts.concat());
    let cut = (document(), any::<prop::sample::Index>(), prop::sample::select(parts.to_vec())).prop_map(|(text, at, part)| {
        let at = text.char_indices().map(|(i, _)| i).nth(at.index(text.chars().count().max(1))).unwrap_or(0);
        let (before, after) = text.split_at(at);
        [before, part, after.get(after.chars().next().map_or(0, char::len_utf8)..).unwrap_or("")].concat()
    });
    prop_oneof![soup, cut, document()]
}

/// JSON as another program writes it.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,6}".prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((".{0,3}", inner), 0..4).prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    });
    (value, any::<bool>()).prop_map(|(v, pretty)| if pretty { format!("{v:#}") } else { v.to_string() })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn agrees_with_serde_json(text in near_json()) {
        let refusal = refusal(&text);
        // serde_json lets a name stand twice and has no number beyond a double; we do otherwise.
        prop_assume!(refusal != Some(FormatCode::DuplicateKey));
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assume!(!theirs.as_ref().is_err_and(|e| e.to_string().starts_with("number out of range")));
        // A raw NUL is refused wherever it stands; serde_json refuses it too, as it is never JSON.
        prop_assert_eq!(refusal.is_none(), theirs.is_ok(), "{:?}: ours {:?}, theirs {:?}", text, refusal, theirs);
    }

    #[test]
    fn reads_what_it_writes(records in prop::collection::vec(record(), 0..6), layout in prop::sample::select(vec!["lines", "array", "document"])) {
        let mut case = CasePlan::parse(PLAN).unwrap();
        case.options.insert("write_layout".to_owned(), layout.into());
        let bound = case.bind(&Json).unwrap();
        let records: Vec<RawRecord> = records.iter().map(raw).collect();
        let body = write_all(bound.as_ref(), &RawRecord::default(), &records).unwrap();
        prop_assume!(!body.is_empty());
        let text = String::from_utf8(body).unwrap();
        for line in text.lines().filter(|_| layout == "lines") {
            prop_assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{}", line);
        }
        prop_assert!(layout == "lines" || serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        let (read, end) = read_all(bound.as_ref(), text.as_bytes(), &case.limits);
        prop_assert!(end.is_ok(), "{:?} in {}", end, text);
        let plain = |records: &[RawRecord]| records.iter().map(facts).collect::<Vec<_>>();
        prop_assert_eq!(plain(&read), plain(&records), "{}", text);
    }
}

/// An identifier, tags, and items of name and amount.
type Facts = (Option<String>, Vec<String>, Vec<(Option<String>, Option<u32>)>);

fn record() -> impl Strategy<Value = Facts> {
    let text = "[^\0]{0,8}";
    let item = (prop::option::of(text), prop::option::of(any::<u32>()));
    (prop::option::of(text), prop::collection::vec(text, 0..3), prop::collection::vec(item, 0..3))
}

/// The slots have the numbers of [`PLAN`], in its order.
fn raw((id, tags, items): &Facts) -> RawRecord {
    let mut record = RawRecord::default();
    record.push(0, None, "税务局", Position::default());
    if let Some(id) = id {
        record.push(1, None, id, Position::default());
    }
    for tag in tags {
        record.push(2, None, tag, Position::default());
    }
    for (name, amount) in items {
        let item = record.push_item(0, None);
        if let Some(name) = name {
            record.push(3, Some(item), name, Position::default());
        }
        if let Some(amount) = amount {
            record.push(4, Some(item), &format!("{amount}.10"), Position::default());
        }
    }
    record
}

/// A slot, its item and its text.
type Fact = (u32, Option<u32>, String);

/// What of a record must come back: everything but the places.
fn facts(record: &RawRecord) -> (Vec<Fact>, usize, usize) {
    let values = record.values().iter().map(|v| (v.slot, v.item, record.text(v).to_owned())).collect();
    (values, record.items().len(), record.findings.len())
}
