//! Someone on duty, who asks the gateway over the operators' listener.

use crate::line::{Answer, Line, get};
use crate::world::{Gateway, World, eventually, gateway_file};
use portolan::alarms::Kind;
use serde_json::Value;

/// Who asks: somebody who may operate.
const ON_DUTY: &str =
    "title = { zh = \"值班员\", en = \"On duty\" }\nrole = \"operate\"\n\n[[certificate]]\nfile = \"../ca/issued/gateway.pem\"\n";

/// A world with somebody on duty.
pub fn world_on_duty() -> World {
    let world = World::new();
    world.write("conf/operators/on-duty.toml", ON_DUTY);
    world
}

/// A configuration in which alarms come and go within seconds.
pub fn quick_file(further: &str) -> String {
    let alarms = "[alarms]\nevaluation_interval_ms = 100\nraise_after_ms = 300\nclear_after_ms = 600\n";
    format!("{}\n{alarms}{further}", gateway_file("127.0.0.1:0", ""))
}

/// A `POST` of an operator with a reason.
pub fn post_reason(path: &str, reason: &str) -> Vec<u8> {
    let fields = format!("host: localhost\r\nportolan-client: test\r\nportolan-reason: {reason}\r\ncontent-length: 0");
    format!("POST {path} HTTP/1.1\r\n{fields}\r\n\r\n").into_bytes()
}

/// The operators' listener asked once.
pub async fn ask(world: &World, gateway: &Gateway, request: &[u8]) -> Answer {
    let mut line: Line = world.line_to(gateway.operators, "gateway").await.unwrap();
    line.ask(request).await.unwrap()
}

/// The open alarms.
pub async fn open(world: &World, gateway: &Gateway) -> Vec<Value> {
    let answer = ask(world, gateway, &get("/v1/alarms")).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()["open"].as_array().unwrap().clone()
}

/// Waits for an alarm of a kind with this value at a name.
pub async fn raised(world: &World, gateway: &Gateway, kind: &str, name: &str, value: &str) -> Value {
    let fits = |alarm: &Value| alarm["kind"] == kind && alarm[name] == value;
    eventually(kind, async || open(world, gateway).await.into_iter().find(fits)).await
}

/// Waits until an alarm is closed, and gives it as history has it.
pub async fn closed(world: &World, gateway: &Gateway, alarm: &Value) -> Value {
    eventually("the alarm is closed", async || {
        let all = ask(world, gateway, &get("/v1/alarms?before=last")).await.json();
        let found = all["alarms"].as_array().unwrap().iter().find(|row| row["number"] == alarm["number"]).unwrap().clone();
        (!found["closed_at"].is_null()).then_some(found)
    })
    .await
}

/// A page of the console, in English.
pub async fn page(world: &World, gateway: &Gateway, path: &str) -> String {
    let answer = ask(world, gateway, &get(&format!("{path}?lang=en"))).await;
    let body = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status, 200, "{path}: {body}");
    body
}

/// Whoever looks at the first page sees the alarm with whose fault it is, and how the partner stands; the alarm's page says what to do.
pub async fn shown(world: &World, gateway: &Gateway, alarm: &Value, partner: &str, state: &str) {
    let kind: Kind = alarm["kind"].as_str().unwrap().parse().unwrap();
    let (number, party) = (alarm["number"].as_u64().unwrap(), alarm["party"].as_str().unwrap());
    let now = page(world, gateway, "/").await;
    let row = |id: &str| {
        let (_, rest) = now.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {now}"));
        rest.split_once("</tr>").unwrap().0
    };
    let told = row(&format!("alarm-{number}"));
    assert!(told.contains(kind.title().1) && told.contains(&format!(">{party}</td>")), "{told}");
    assert!(row(&format!("partner-{partner}")).contains(&format!("{state}</span>")), "{partner} is not {state}: {now}");
    // The page of what to do has marks of emphasis, which the console shows as such.
    let what_to_do = kind.page().split("**What the operator does.** ").nth(1).unwrap().split(['`', '\n', '&', '\'']).next().unwrap();
    let own = page(world, gateway, &format!("/alarms/{number}")).await;
    assert!(own.contains(what_to_do) && own.contains(&format!("/v1/alarms/{number}/note")), "{what_to_do}: {own}");
    assert!(page(world, gateway, "/handover").await.contains(&format!("href=\"/alarms/{number}\"")));
}

/// Waits until an alarm is closed and gone from the first page, and gives it as history has it.
pub async fn cleared(world: &World, gateway: &Gateway, alarm: &Value) -> Value {
    let closed = closed(world, gateway, alarm).await;
    let number = alarm["number"].as_u64().unwrap();
    let is_gone = async || (!page(world, gateway, "/").await.contains(&format!("alarm-{number}\""))).then_some(());
    eventually("the first page is well again", is_gone).await;
    closed
}
