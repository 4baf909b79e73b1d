//! Random statements: what is written comes back, whole or a few bytes at a time; and any text ends in
//! an answer.

#![allow(clippy::unwrap_used)]

use portolan_contract::cases::{CasePlan, Dribble, read_all, read_from, texts, write_all};
use portolan_contract::{Position, RawRecord};
use portolan_mt940::Mt940;
use proptest::prelude::*;

const PLAN: &str = r#"
    records = ["statement/entry"]
    slots = [
        "statement/20",
        "statement/25",
        "statement/28C/number",
        "statement/34F/currency",
        "statement/34F/debit",
        "statement/34F/credit",
        "statement/13D",
        "statement/entry/value_date",
        "statement/entry/entry_date",
        "statement/entry/direction",
        "statement/entry/reversal",
        "statement/entry/amount",
        "statement/entry/type",
        "statement/entry/reference",
        "statement/entry/bank_reference",
        "statement/entry/supplementary",
        "statement/entry/86/EREF",
        "statement/entry/86/ORDP",
        "statement/entry/86/REMI",
    ]
    [options]
    message = 942
    charset = "gb18030"
    characters = "any"
"#;
const HEAD_SLOTS: u32 = 7;

/// Text with characters of one to four bytes and with what fields begin and end with.
fn text(parts_max: usize) -> impl Strategy<Value = String> {
    let parts = ["A", "0", " ", ":", "-", "/", "?20", "税", "㐂", "𠀀", "缴款", ":61:", "+", "'", ","];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..parts_max).prop_map(|parts| parts.concat())
}

fn reference() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "A", "INV-2026/0001", "0000000000000001"]).prop_map(str::to_owned)
}

fn entry() -> impl Strategy<Value = Vec<String>> {
    let day = |days: &[&'static str]| prop::sample::select(days.to_vec());
    let amount = prop_oneof![
        Just("0".to_owned()),
        Just("99999999999.99".to_owned()),
        Just("0.01".to_owned()),
        (0..10_000_000_u32).prop_map(|n| format!("{}.{:02}", n / 100, n % 100))
    ];
    let dates = prop_oneof![
        (day(&["1980-01-01", "2079-12-31", "2024-02-29", "2026-09-30"]), Just("")),
        Just(("2023-12-31", "2024-01-01")),
        Just(("2024-01-01", "2023-12-31")),
        Just(("2024-02-29", "2024-02-29")),
    ];
    (dates, any::<bool>(), any::<bool>(), amount, reference(), reference(), "[A-Z0-9 ]{0,30}[A-Z]", text(15), text(15), text(60)).prop_map(
        |((value, entry), credit, reversal, amount, reference, bank, supplementary, eref, ordp, remi)| {
            let reference = if reference.is_empty() { "NONREF".to_owned() } else { reference };
            let (direction, reversal) = (if credit { "C" } else { "D" }, if reversal { "true" } else { "false" });
            [value, entry, direction, reversal, &amount, "NTRF", &reference, &bank, &supplementary, &eref, &ordp, &remi]
                .map(str::to_owned)
                .to_vec()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn reads_what_it_writes(entries in prop::collection::vec(entry(), 1..12), statements in 1..4_usize, bytes_at_a_time in 1..9_usize) {
        let case = CasePlan::parse(PLAN).unwrap();
        let bound = case.bind(&Mt940).unwrap();
        let mut records = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            let statement = (number % statements).to_string();
            let head = ["税单1", "账号 270100000001", &statement, "CNY", "0", "0", "2026-09-30T12:00+08:00"];
            let mut record = RawRecord::default();
            let texts: Vec<&str> = head.into_iter().chain(entry.iter().map(String::as_str)).collect();
            for (slot, text) in (0..).zip(&texts).filter(|(_, text)| !text.is_empty()) {
                record.push(slot, None, text, Position::default());
            }
            // What the format cannot hold is refused by itself; the rest must come back.
            if write_all(bound.as_ref(), &record, std::slice::from_ref(&record)).is_ok() {
                records.push(record);
            }
        }
        let head = records.first().cloned().unwrap_or_default();
        prop_assume!(!records.is_empty());
        let body = write_all(bound.as_ref(), &head, &records).unwrap();

        let (read, end) = read_from(bound.as_ref(), Dribble::new(&body, bytes_at_a_time), &case.limits);
        prop_assert!(read.iter().chain([&end.unwrap()]).all(|record| record.findings.is_empty()), "{:?}", read);
        let slots = 0..case.plan.slots.len() as u32;
        let shown = |records: &[RawRecord]| records.iter().map(|record| texts(record, slots.clone())).collect::<Vec<_>>();
        let (read, written) = (shown(&read), shown(&records));
        prop_assert!(written.iter().all(|texts| texts.len() > HEAD_SLOTS as usize));
        prop_assert_eq!(read, written, "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn any_text_ends_in_an_answer(lines in prop::collection::vec((prop::sample::select(vec![
        ":20:", ":25:", ":28C:1/", ":34F:CNY", ":13D:", ":60F:C260930", ":61:260930", ":61:2609300930RC", ":86:", ":86:166?00", ":90D:1CNY", ":62F:D", "-", "-}", "{1:F01", "{2:O940", "",
    ]), "\\PC{0,12}"), 0..30), four_ends in any::<bool>()) {
        let case = CasePlan::parse(&PLAN.replace("942", "940")).unwrap();
        let bound = case.bind(&Mt940).unwrap();
        let end = if four_ends { "{4:\n" } else { "\n" };
        let body: String = [":20:A\n".to_owned()].into_iter().chain(lines.iter().map(|(start, rest)| format!("{start}{rest}{end}"))).collect();
        let mut bytes = Vec::new();
        let mut output = portolan_contract::TextOutput::new(Box::new(&mut bytes), portolan_contract::Charset::Gb18030);
        prop_assume!(output.write(&body).is_ok());
        output.finish().unwrap();
        drop(output);
        drop(read_all(bound.as_ref(), &bytes, &case.limits));
    }
}
