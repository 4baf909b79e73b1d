//! Someone on duty, who asks the gateway over the operators' listener.

use crate::line::{Answer, Line, get};
use crate::world::{Gateway, World, eventually, gateway_file};
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
