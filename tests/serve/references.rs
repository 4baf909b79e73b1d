//! References to messages of another flow: known, unknown, and in a flow that refuses what is unknown.

use crate::line::post;
use crate::support::portolan;
use crate::world::World;
use serde_json::{Value, json};

/// A debit (synthetic) under a message id; one without an amount is refused.
fn debit(message_id: &str, amount: Option<&str>) -> String {
    let mut debit = json!({
        "message_id": message_id, "collection_date": "2026-10-12", "end_to_end_id": format!("E-{message_id}"), "currency": "CNY",
        "debtor": { "account": { "number": "1100106100220000001" } },
    });
    debit["amount"] = amount.map_or(Value::Null, Value::from);
    format!("{debit}\n")
}

/// Answers (synthetic) under a message id, each to one of these messages, which a space divides.
fn answers(message_id: &str, to: &str) -> String {
    let answer = |(number, original): (usize, &str)| {
        json!({
            "message_id": message_id, "original_message_id": original, "end_to_end_id": format!("{message_id}-{number}"),
            "level": "transaction", "status": "settled", "result": "success",
        })
    };
    to.split(' ').enumerate().map(|answered| format!("{}\n", answer(answered))).collect()
}

/// A DPI declaration (synthetic) in the canonical form: new, or a correction of an earlier one.
fn declaration(operator: &str, id: &str, corrects: Option<&str>) -> String {
    let kind = if corrects.is_some() { "correction" } else { "new" };
    let mut record = json!({
        "message_id": format!("M-{operator}-{id}"), "operator": { "taxpayer_number": operator, "country": "DE" }, "seller_id": "S-1", "gross_income": "1.00",
        "period": "2025-01-01/2025-12-31", "currency": "EUR", "document": { "type": kind, "id": id },
    });
    corrects.into_iter().for_each(|corrects| record["document"]["corrects"] = corrects.into());
    format!("{record}\n")
}

#[tokio::test]
async fn a_record_is_known_by_its_business_key() {
    let world = World::new();
    let key = |theirs: &str, ours: &str| format!("[[reference.key]]\ntheirs = \"{theirs}\"\nours = \"{ours}\"\n");
    let keys = key("operator.taxpayer_number", "operator.taxpayer_number") + &key("document.id", "document.corrects");
    let reference = format!("[reference]\nflow = \"incomes\"\nfield = \"document.corrects\"\nunknown = \"error\"\n{keys}");
    world.flow("incomes", "platform-income.v1", &["platform", "bank"], "platform-income-json", &reference);
    let gateway = world.serve().await;
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    // Operator, document, what it corrects, and whether that is known.
    let cases = [
        ("91350100M000100Y43", "D-1", None, 202),
        ("91350100M000100Y43", "D-2", Some("D-1"), 202),
        ("91350100M000100Y43", "D-3", Some("D-9"), 422),
        // Another operator's.
        ("91110108MA01ABCD23", "D-4", Some("D-1"), 422),
        // What was refused is not known.
        ("91350100M000100Y43", "D-5", Some("D-3"), 422),
        ("91350100M000100Y43", "D-6", Some("D-2"), 202),
    ];
    for (operator, id, corrects, status) in cases {
        let answer = platform.ask(&post("incomes", &declaration(operator, id, corrects), "")).await.unwrap();
        let told = answer.json();
        assert_eq!(answer.status, status, "{id}: {told}");
        let rules: Vec<&Value> = told["findings"].as_array().into_iter().flatten().map(|f| &f["rule"]).collect();
        let expected: &[Value] = if status == 422 { &["reference.unknown".into()] } else { &[] };
        assert_eq!(rules, expected.iter().collect::<Vec<_>>(), "{id}: {told}");
    }
    // Of another sender of the flow.
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    assert_eq!(bank.ask(&post("incomes", &declaration("91350100M000100Y43", "D-7", Some("D-6")), "")).await.unwrap().status, 202);
}

#[tokio::test]
async fn a_key_that_does_not_fit_the_records_is_named_with_its_line() {
    let world = World::new();
    let key = "[[reference.key]]\ntheirs = \"seller_id\"\nours = \"document.correct\"\n";
    let reference = format!("[reference]\nflow = \"incomes\"\nfield = \"document.corrects\"\n{key}");
    world.flow("incomes", "platform-income.v1", &["platform"], "platform-income-json", &reference);
    let checked = portolan().args(["check", "--config"]).arg(world.path("conf")).output().unwrap();
    let printed = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{printed}");
    for expected in [
        "flows/incomes.toml:9: `reference`: \"seller_id\" is not in the business key of platform-income.v1",
        "flows/incomes.toml:10: `reference`: platform-income.v1 has no \"document.correct\"",
    ] {
        assert!(printed.contains(expected), "{expected} is not in {printed}");
    }
}

#[tokio::test]
async fn a_reference_to_nothing_known_is_a_finding() {
    let world = World::new();
    world.flow("debits", "tax-debit.v1", &["platform"], "tax-debit-json", "");
    let reference = |unknown: &str| format!("[reference]\nflow = \"debits\"\nfield = \"original_message_id\"\nunknown = \"{unknown}\"\n");
    world.flow("answers", "tax-debit-answer.v1", &["bank"], "tax-debit-answer-json", &reference("warning"));
    world.flow("strict", "tax-debit-answer.v1", &["bank"], "tax-debit-answer-json", &reference("error"));
    let gateway = world.serve().await;
    let (mut bank, mut bureau) = (world.line(&gateway, "bank").await.unwrap(), world.line(&gateway, "platform").await.unwrap());
    assert_eq!(bureau.ask(&post("debits", &debit("KNOWN", Some("1.00")), "")).await.unwrap().status, 202);
    assert_eq!(bureau.ask(&post("debits", &debit("REFUSED", None), "")).await.unwrap().status, 422);

    // Flow, what is referred to, and what is found: status, records accepted, numbers of records with a finding.
    let cases = [
        ("answers", "KNOWN KNOWN", 202, 2, vec![]),
        ("answers", "KNOWN NEVER NEVER REFUSED", 202, 4, vec![2, 4]),
        ("strict", "KNOWN", 202, 1, vec![]),
        ("strict", "KNOWN NEVER", 422, 0, vec![2]),
        ("strict", "REFUSED", 422, 0, vec![1]),
        // The id that the second delivery of a message has, and what is none.
        ("strict", "KNOWN-2", 202, 1, vec![]),
        ("strict", "KNOWN-02", 422, 0, vec![1]),
        ("strict", "NEVER-2", 422, 0, vec![1]),
    ];
    for (number, (flow, to, status, accepted, records)) in cases.into_iter().enumerate() {
        let answer = bank.ask(&post(flow, &answers(&format!("A-{number}"), to), "")).await.unwrap();
        let told = answer.json();
        assert_eq!(answer.status, status, "{to}: {told}");
        let found: Vec<&Value> = told["findings"].as_array().into_iter().flatten().collect();
        assert!(found.iter().all(|f| f["rule"] == "reference.unknown"), "{told}");
        assert_eq!(found.iter().map(|f| f["record"].as_u64().unwrap()).collect::<Vec<_>>(), records, "{to}");
        assert_eq!(told["counts"]["accepted"].as_u64().unwrap_or_default(), accepted, "{to}: {told}");
    }
}
