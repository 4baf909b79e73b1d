//! An exchange is found by the business key of one of its records, as the canonical record has it.

use crate::line::{get, payments, post};
use crate::world::World;
use portolan::http::query::percent_encoded;

const OPERATOR: &str =
    "title = { zh = \"值班员\", en = \"On duty\" }\nrole = \"operate\"\n\n[[certificate]]\nfile = \"../ca/issued/bureau.pem\"\n";

#[tokio::test]
async fn an_exchange_is_found_by_a_business_key() {
    let world = World::new();
    world.write("conf/operators/on-duty.toml", OPERATOR);
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let ids = [bank.ask(&post("payments", &payments("M-1", 2), "")).await.unwrap().exchange(), {
        bank.ask(&post("payments", &payments("M-2", 2), "")).await.unwrap().exchange()
    }];
    let mut operator = world.line_to(gateway.operators, "bureau").await.unwrap();
    for id in &ids {
        // The key is made of what is personal too, so the record is looked at whole.
        let records = operator.ask(&get(&format!("/v1/exchanges/{id}/canonical?from=1&reveal=search"))).await.unwrap().json();
        let record = percent_encoded(&records["records"][0]["canonical"].to_string());
        let found = operator.ask(&get(&format!("/v1/exchanges?partner=bank&flow=payments&business_key={record}"))).await.unwrap().json();
        assert_eq!(found["exchanges"][0]["exchange"], **id, "{found}");
        let other =
            operator.ask(&get(&format!("/v1/exchanges?partner=platform&flow=payments&business_key={record}"))).await.unwrap().json();
        assert_eq!(other["exchanges"].as_array().map(Vec::len), Some(0), "another's facts are its own");
    }
}
