//! A flow that is paused, as its senders and the operators see it, over a restart.

use crate::line::{Line, get, payments, post};
use crate::world::{Gateway, World};

const OPERATOR: &str =
    "title = { zh = \"值班员\", en = \"On duty\" }\nrole = \"operate\"\n\n[[certificate]]\nfile = \"../ca/issued/bureau.pem\"\n";

/// What an operator asks to be changed.
fn change(path: &str) -> Vec<u8> {
    let body = "{\"reason\": \"the mapping is being mended\"}";
    let fields = format!("host: localhost\r\nportolan-client: test\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
    format!("POST {path} HTTP/1.1\r\n{fields}\r\n\r\n{body}").into_bytes()
}

async fn operator(world: &World, gateway: &Gateway) -> Line {
    world.line_to(gateway.operators, "bureau").await.unwrap()
}

#[tokio::test]
async fn a_flow_that_is_paused_takes_nothing_in_until_it_is_resumed() {
    let world = World::new();
    world.write("conf/operators/on-duty.toml", OPERATOR);
    let mut gateway = world.serve().await;
    let answer = operator(&world, &gateway).await.ask(&change("/v1/flows/payments/pause")).await.unwrap();
    assert_eq!((answer.status, answer.json()["changed"].as_bool()), (200, Some(true)));
    for restart in [false, true] {
        if restart {
            gateway.signal("TERM");
            gateway.ended().await;
            gateway = world.serve().await;
        }
        let mut bank = world.line(&gateway, "bank").await.unwrap();
        let refused = bank.ask(&post("payments", &payments("M-1", 1), "")).await.unwrap();
        assert_eq!((refused.status, refused.code().as_str(), refused.headers["retry-after"].as_str()), (503, "gateway.flow-paused", "300"));
        let checked =
            String::from_utf8(post("payments", &payments("M-1", 1), "")).unwrap().replacen("exchanges ", "exchanges?mode=validate ", 1);
        assert_eq!(bank.ask(checked.as_bytes()).await.unwrap().status, 200);
        let status = operator(&world, &gateway).await.ask(&get("/status.json")).await.unwrap().json();
        let paused = &status["paused"][0];
        assert_eq!((paused["what"].as_str(), paused["act"]["operator"].as_str()), (Some("flow/payments"), Some("on-duty")), "{status}");
    }
    assert_eq!(operator(&world, &gateway).await.ask(&change("/v1/flows/payments/resume")).await.unwrap().status, 200);
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &payments("M-1", 1), "")).await.unwrap().exchange();
}

#[tokio::test]
async fn only_what_is_configured_is_paused() {
    let world = World::new();
    world.write("conf/operators/on-duty.toml", OPERATOR);
    let gateway = world.serve().await;
    let mut operator = operator(&world, &gateway).await;
    let cases = [
        ("/v1/flows/nothing/pause", 404, "request.flow-unknown"),
        ("/v1/flows/No%20Name/pause", 404, "request.flow-unknown"),
        ("/v1/destinations/bureau/nowhere/pause", 404, "request.path-unknown"),
        ("/v1/destinations/bureau/pause", 404, "request.path-unknown"),
        ("/v1/flows/payments/resume", 200, ""),
    ];
    for (path, status, code) in cases {
        let answer = operator.ask(&change(path)).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
}
