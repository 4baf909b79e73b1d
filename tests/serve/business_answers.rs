//! Senders who are answered in a format of their own.

use crate::line::{get, post};
use crate::world::World;

/// Claims in XML: whose message it is stands before them.
const CLAIMS: &str = r#"
title = { zh = "付款通知", en = "Payments" }
canonical = "claim.v1"
[format]
name = "xml"
[body]
root = "Claims"
record = "Claim"
message_id = "/Reference"
[[field]]
to = "amount"
path = "Amount"
type = "money"
currency = "CNY"
[[answer]]
to = "sender"
path = "/Sender"
[[answer]]
to = "reference"
path = "/Reference"
[[answer]]
to = "document"
path = "Number"
"#;
const CLAIM: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Claim", "x-title-zh": "申请", "type": "object", "additionalProperties": false, "required": ["amount"],
  "properties": {"amount": {"title": "Amount", "x-title-zh": "金额", "type": "string"}}
}"#;
/// The answer, in a format that the partner made up: GBK, as its line has always been.
const ACK: &str = r#"
title = { zh = "回执", en = "Acknowledgement" }
canonical = "exchange-answer.v1"
direction = "write"
[format]
name = "xml"
charset = "gbk"
[body]
root = "Ack"
record = ""
[[field]]
to = "message.sender"
path = "To"
[[field]]
to = "message.reference"
path = "Of"
[[field]]
to = "verdict"
path = "Result"
codes = { 0000 = "accepted", 0001 = "in-part", 9999 = "refused" }
[[field]]
to = "fault"
path = "Fault"
[[field]]
to = "counts.accepted"
path = "Taken"
type = "integer"
[[list]]
to = "errors"
path = "Error"
[[list.field]]
to = "line"
path = "@line"
type = "integer"
[[list.field]]
to = "document"
path = "Number"
[[list.field]]
to = "message_zh"
path = "Text"
"#;

fn claims(reference: &str, amounts: &[&str]) -> String {
    let claims: String = amounts
        .iter()
        .enumerate()
        .map(|(n, amount)| format!("\n<Claim><Number>C{}</Number><Amount>{amount}</Amount></Claim>", n + 1))
        .collect();
    format!("<Claims><Sender>B01</Sender><Reference>{reference}</Reference>{claims}\n</Claims>")
}

fn gbk(text: &str) -> Vec<u8> {
    encoding_rs::GBK.encode(text).0.into_owned()
}

#[tokio::test]
async fn an_answer_comes_in_the_senders_format_and_a_repeat_gets_the_same_bytes() {
    let world = World::new();
    world.write("conf/mappings/canonical/claim.v1.schema.json", CLAIM);
    world.write("conf/mappings/claims/mapping.toml", CLAIMS);
    world.write("conf/mappings/ack/mapping.toml", ACK);
    world.flow("claims", "claim.v1", &["bank"], "claims", "");
    let flow = std::fs::read_to_string(world.path("conf/flows/claims.toml")).unwrap();
    world.write("conf/flows/claims.toml", &flow.replace("[sender.bank]\n", "[sender.bank]\nanswer = \"ack\"\n"));
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();

    let in_part = claims("R-1", &["1.00", "1.005", "2.00"]);
    let first = bank.ask(&post("claims", &in_part, "idempotency-key: one\r\n")).await.unwrap();
    let expected = gbk("<?xml version=\"1.0\" encoding=\"GBK\"?>\n<Ack><To>B01</To><Of>R-1</Of><Result>0001</Result><Taken>2</Taken>\
         <Error line=\"3\"><Number>C2</Number><Text>CNY 金额最多 2 位小数，实为 3 位</Text></Error></Ack>\n");
    assert_eq!(String::from_utf8_lossy(&first.body), String::from_utf8_lossy(&expected));
    assert_eq!((first.status, first.body.as_slice()), (202, expected.as_slice()));
    assert_eq!(
        (first.headers["content-type"].as_str(), first.headers["portolan-refused-records"].as_str()),
        ("application/xml; charset=gbk", "1")
    );
    let again = bank.ask(&post("claims", &in_part, "idempotency-key: one\r\n")).await.unwrap();
    assert_eq!((again.status, &again.body, &again.headers["location"]), (202, &first.body, &first.headers["location"]));

    // The same later, and its receipt; JSON for whoever asks for it.
    let location = first.headers["location"].clone();
    let kept = bank.ask(&get(&format!("{location}/answer"))).await.unwrap();
    assert_eq!((kept.status, &kept.body), (200, &first.body));
    assert_eq!(bank.ask(&get(&format!("{location}/receipt"))).await.unwrap().json()["leaf"]["message_id"], "R-1");
    let json = bank.ask(&post("claims", &in_part, "idempotency-key: one\r\naccept: application/json\r\n")).await.unwrap();
    assert_eq!((json.status, json.json()["verdict"].as_str().map(str::to_owned)), (202, Some("in-part".to_owned())));

    // Refused whole: the same format, with the status of the problem.
    let refused = bank.ask(&post("claims", &claims("R-2", &["x"]), "")).await.unwrap();
    let text = encoding_rs::GBK.decode(&refused.body).0.into_owned();
    assert_eq!(refused.status, 422, "{text}");
    assert!(text.contains("<Of>R-2</Of><Result>9999</Result><Fault>records.refused</Fault><Taken>0</Taken>"), "{text}");

    // What is refused before there is an exchange, or only validated, is answered as ever.
    let unknown = bank.ask(&post("claims", &claims("R-3", &["1.00"]), "portolan-corrects: none\r\n")).await.unwrap();
    assert_eq!(unknown.code(), "request.header");
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    assert_eq!(platform.ask(&get(&format!("{location}/answer"))).await.unwrap().code(), "request.exchange-unknown");
}

#[tokio::test]
async fn a_mapping_of_another_record_cannot_answer() {
    let world = World::new();
    let flow = std::fs::read_to_string(world.path("conf/flows/payments.toml")).unwrap();
    world.write("conf/flows/payments.toml", &flow.replace("[sender.bank]\n", "[sender.bank]\nanswer = \"camt054\"\n"));
    let mut running = world.start();
    assert!(running.wait(crate::world::PATIENCE).is_some_and(|status| !status.success()));
    let printed = running.printed();
    assert!(
        printed.contains("payments.toml:") && printed.contains("\"camt054\" is for payment-confirmation.v1, not for exchange-answer.v1"),
        "{printed}"
    );
}
