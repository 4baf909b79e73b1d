//! References to messages of another flow: known, unknown, and in a flow that refuses what is unknown.

use crate::line::post;
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
