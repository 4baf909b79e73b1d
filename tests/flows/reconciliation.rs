//! The example's reconciliation of three legs: a debit request as pain.008, the bank's answers as pain.002, the payment as
//! camt.054, over mutual TLS. The bodies are the mappings' own cases; they share their end-to-end references.

use crate::example::Example;
use crate::line::get;
use crate::world::eventually;
use serde_json::{Value, json};

fn case(mapping: &str, case: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    std::fs::read_to_string(folder.join(mapping).join("cases").join(case)).unwrap()
}

/// The payment of a debit, as the bank confirms it.
fn payment(message: &str, reference: &str, amount: &str) -> String {
    case("camt054", "one-payment.in.xml")
        .replace("Ntfctn-SYN-1", message)
        .replace("VAT-2026-Q3-0001", reference)
        .replace("2026093000012345", message)
        .replace("EUR", "CNY")
        .replace("1234.56", amount)
}

async fn send(example: &Example, partner: &str, flow: &str, body: &str) -> String {
    let mapping = match flow {
        "tax-debit" => "pain008",
        "tax-debit-answer" => "pain002",
        _ => "camt054",
    };
    let path = format!("{flow}/exchanges?mapping={mapping}");
    let head = format!(
        "POST /v1/flows/{path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body.as_bytes()].concat();
    example.line(partner).await.ask(&request).await.unwrap().exchange()
}

/// Waits until the matters stand so, and gives those of a state.
async fn stand(example: &Example, expected: &Value, state: &str) -> Value {
    eventually(&format!("{expected}"), async || {
        let mut operator = example.operator().await;
        let all = operator.ask(&get("/v1/reconciliations")).await.unwrap().json();
        let own = all["reconciliations"].as_array()?.iter().find(|own| own["reconciliation"] == "tax-debit")?.clone();
        let found = json!([&own["matters"], &own["left_out"]]);
        if found != *expected {
            return None;
        }
        Some(operator.ask(&get(&format!("/v1/reconciliations/tax-debit/matters?state={state}"))).await.unwrap().json())
    })
    .await
}

fn matters(matched: u64, waiting: u64, unmatched: u64, different: u64) -> Value {
    let matters =
        json!({ "matched": matched, "waiting": waiting, "late": 0, "unmatched": unmatched, "amount-different": different, "settled": 0 });
    json!([matters, 1])
}

#[tokio::test]
async fn a_debit_its_answer_and_its_payment_meet() {
    let example = Example::start("").await;
    // SYN-E2E-1 and SYN-E2E-3; the record between them has no reference and takes no part.
    let request = send(&example, "tax-bureau", "tax-debit", &case("pain008", "v08-two-batches.in.xml")).await;
    stand(&example, &matters(0, 2, 0, 0), "waiting").await;
    // Settled: 1. Rejected, of debits that nobody has sent: 2 and 4. Pending, which is no answer yet: 5.
    let answer = send(&example, "bank-a", "tax-debit-answer", &case("pain002", "v12-every-level.in.xml")).await;
    let unmatched = stand(&example, &matters(0, 2, 2, 0), "unmatched").await;
    let keys: Vec<&str> = unmatched["matters"].as_array().unwrap().iter().filter_map(|row| row["key"].as_str()).collect();
    assert_eq!(keys, ["SYN-E2E-4", "SYN-E2E-2"]);
    // The payment of 3 comes before its answer and has another amount.
    send(&example, "bank-a", "payment-confirmation", &payment("SYN-P-3", "SYN-E2E-3", "99999999.98")).await;
    let different = stand(&example, &matters(0, 1, 2, 1), "amount-different").await;
    assert_eq!(different["matters"][0]["legs"][1]["amount"], "99999999.98");
    let paid = send(&example, "bank-a", "payment-confirmation", &payment("SYN-P-1", "SYN-E2E-1", "1200.50")).await;
    let matched = stand(&example, &matters(1, 0, 2, 1), "matched").await;
    let legs = matched["matters"][0]["legs"].as_array().unwrap();
    let seen: Vec<_> = legs.iter().map(|leg| (leg["leg"].as_str().unwrap(), leg["exchange"].as_str().unwrap(), &leg["amount"])).collect();
    let amount = json!("1200.50");
    assert_eq!(seen, [("request", &*request, &amount), ("answer", &*answer, &amount), ("payment", &*paid, &amount)]);

    let mut operator = example.operator().await;
    let exported = operator.ask(&get("/v1/reconciliations/tax-debit/export?state=unmatched")).await.unwrap();
    let text = String::from_utf8(exported.body).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains(",SYN-E2E-2,unmatched,") && text.starts_with('\u{FEFF}'), "{text}");
    let metrics = String::from_utf8(operator.ask(&get("/metrics")).await.unwrap().body).unwrap();
    assert!(metrics.contains("portolan_reconciliation_matters{reconciliation=\"tax-debit\",state=\"unmatched\"} 2"), "{metrics}");
    let alarms = eventually("an alarm", async || {
        let alarms = example.operator().await.ask(&get("/v1/alarms")).await.unwrap().json();
        alarms["open"].as_array()?.iter().find(|alarm| alarm["kind"] == "reconciliation.unmet").cloned()
    })
    .await;
    assert_eq!(alarms["figures"]["amount_different"], 1, "{alarms}");
}
