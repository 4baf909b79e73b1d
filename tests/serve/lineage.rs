//! Where each value of a record came from, as its sender and an operator are told. The body is that of a
//! case of `tests/cli_cases/own-mappings`; its offsets were counted by hand.

use crate::line::{get, head, payments, post};
use crate::world::{Gateway, World, eventually};
use serde_json::{Value, json};
use std::io::Write;

const MAPPING: &str = include_str!("../cli_cases/own-mappings/acme-income/mapping.toml");
const BODY: &str = include_str!("../cli_cases/own-mappings/acme-income/cases/plain.in.csv");
const OPERATOR: &str =
    "title = { zh = \"值班员\", en = \"On duty\" }\nrole = \"operate\"\n\n[[certificate]]\nfile = \"../ca/issued/bureau.pem\"\n";

/// A gateway whose flow `income` takes the table from the bank.
async fn world() -> (World, Gateway) {
    let world = World::new();
    world.write("conf/mappings/acme-income/mapping.toml", MAPPING);
    world.flow("income", "platform-income.v1", &["bank"], "acme-income", "");
    let gateway = world.serve().await;
    (world, gateway)
}

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Whether all that is expected is there, with the same length of lists; words are not looked at.
fn holds(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| answer.get(name).is_some_and(|answer| holds(answer, expected)))
        }
        (Value::Array(answer), Value::Array(expected)) => {
            answer.len() == expected.len() && answer.iter().zip(expected).all(|(answer, expected)| holds(answer, expected))
        }
        (answer, expected) => answer == expected,
    }
}

#[track_caller]
fn check(answer: &Value, expected: &Value) {
    assert!(holds(answer, expected), "{answer:#}");
}

#[tokio::test]
async fn a_record_tells_where_each_value_came_from() {
    let (world, gateway) = world().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let body = gzip(BODY);
    let request = [head("income", body.len(), "content-encoding: gzip\r\n"), body].concat();
    let id = bank.ask(&request).await.unwrap().exchange();
    let expected: Value = serde_json::from_str(include_str!("lineage.json")).unwrap();
    let first = get(&format!("/v1/exchanges/{id}/records/1"));
    let answer = bank.ask(&first).await.unwrap();
    assert_eq!(answer.status, 200);
    check(&answer.json(), &expected);
    let constant = &answer.json()["fields"][4];
    assert!(constant.get("source").is_none() && constant.get("line").is_none(), "it stands nowhere: {constant}");

    // A refused record: what could be read, the default where there is nothing, and what is wrong.
    let second = bank.ask(&get(&format!("/v1/exchanges/{id}/records/2"))).await.unwrap().json();
    let name = json!({ "canonical": "operator.name", "value": "示例平台", "rule": { "made": "default", "text": "示例平台" } });
    let income = json!({ "canonical": "gross_income", "text": "80.505", "line": 3, "byte": 118, "range": [118, 124] });
    check(&second["fields"][1], &name);
    check(&second["fields"][3], &income);
    assert!(second["fields"][3].get("value").is_none() && second["canonical"].get("gross_income").is_none());
    let finding = json!([{ "rule": "type.money-decimals", "record": 2, "line": 3, "byte": 118, "canonical": "gross_income" }]);
    check(&second, &json!({ "record": 2, "verdict": "refused", "findings": finding }));

    let mut operator = world.line_to(gateway.operators, "bureau").await.unwrap();
    check(&operator.ask(&first).await.unwrap().json(), &expected);
    assert_eq!(gateway.logs("an operator looks into a record", 1).await["operator"], "CN=bureau");
}

#[tokio::test]
async fn a_record_that_is_not_there_is_told_so() {
    let (world, gateway) = world().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let id = bank.ask(&post("income", BODY, "")).await.unwrap().exchange();
    for number in ["0", "3", "-1", "first", "1e0", "99999999999999999999"] {
        let answer = bank.ask(&get(&format!("/v1/exchanges/{id}/records/{number}"))).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (404, "request.record-unknown"), "{number}");
        assert_eq!(answer.json()["words"]["en"], "this exchange has 2 records");
    }
    // A body that breaks off is refused whole; what came before is told all the same.
    let cut = payments("CUT", 2);
    let cut = &cut[..cut.len() - 20];
    let refused = bank.ask(&post("payments", cut, "")).await.unwrap().json();
    let id = refused["exchange"].as_str().unwrap();
    let first = bank.ask(&get(&format!("/v1/exchanges/{id}/records/1"))).await.unwrap().json();
    check(&first, &json!({ "verdict": "refused", "records": 1, "canonical": { "message_id": "CUT", "amount": "100.00" }, "findings": [] }));
    let second = bank.ask(&get(&format!("/v1/exchanges/{id}/records/2"))).await.unwrap();
    assert_eq!((second.status, second.code().as_str()), (404, "request.record-unknown"));
    assert_eq!(second.json()["words"]["en"], "this exchange has 1 record; its body was refused: syntax.truncated");
}

#[tokio::test]
async fn an_operator_sees_personal_values_for_a_reason_that_is_logged() {
    const NUMBER: &str = "1100106100220000001";
    let world = World::new();
    world.write("conf/operators/on-duty.toml", OPERATOR);
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let id = bank.ask(&post("payments", &payments("MASK", 1), "")).await.unwrap().exchange();
    let mut operator = world.line_to(gateway.operators, "bureau").await.unwrap();
    let mut ask = async |query: &str| operator.ask(&get(&format!("/v1/exchanges/{id}/records/1{query}"))).await.unwrap().json();
    let masked = ask("").await;
    assert!(!masked.to_string().contains(NUMBER), "{masked}");
    let account = json!({ "account": { "number": "****0001" }, "amount": "100.00" });
    check(&masked, &json!({ "masked": true, "canonical": account }));
    let whole = ask("?reveal=%E6%A0%B8%E6%9F%A5%20case-17").await;
    check(&whole, &json!({ "masked": false, "canonical": { "account": { "number": NUMBER } } }));
    let acts = operator.ask(&get("/v1/acts?kind=reveal")).await.unwrap().json();
    let deed = json!({ "kind": "reveal", "exchange": id, "what": "record/1" });
    check(&acts, &json!({ "acts": [{ "operator": "on-duty", "reason": "核查 case-17", "deed": deed }] }));
    // Whose own it is sees all of it.
    let own = bank.ask(&get(&format!("/v1/exchanges/{id}/records/1"))).await.unwrap().json();
    check(&own, &json!({ "masked": false, "canonical": { "account": { "number": NUMBER } } }));
}

#[tokio::test]
async fn the_mapping_is_the_one_that_the_commit_pinned() {
    let (world, gateway) = world().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let id = bank.ask(&post("income", BODY, "")).await.unwrap().exchange();
    // From now on the shop's column is called otherwise, and the old body cannot be read so.
    world.write("conf/mappings/acme-income/mapping.toml", &MAPPING.replace("path = \"Shop\"", "path = \"Outlet\""));
    let new = BODY.replace("Shop", "Outlet");
    eventually("the new mapping is in force", async || {
        (bank.ask(&post("income", &new, "")).await.unwrap().json()["counts"]["accepted"] == 1).then_some(())
    })
    .await;
    let old = bank.ask(&get(&format!("/v1/exchanges/{id}/records/1"))).await.unwrap().json();
    check(&old, &serde_json::from_str(include_str!("lineage.json")).unwrap());
}
