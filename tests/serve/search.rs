//! An exchange is found by the business key of one of its records, as the canonical record has it.

use crate::line::{Line, get, payments, post};
use crate::world::World;
use portolan::http::query::percent_encoded;
use serde_json::Value;

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
        by_the_form(&mut operator, &records["records"][0]["canonical"], id).await;
    }
}

/// The console's page asks for each part of the key by its own field, and finds the exchange by what is written into them.
async fn by_the_form(operator: &mut Line, record: &Value, id: &str) {
    let mut address = "/exchanges?partner=bank&flow=payments".to_owned();
    let form = String::from_utf8(operator.ask(&get(&address)).await.unwrap().body).unwrap();
    for rest in form.split("name=\"key.").skip(1) {
        let (path, _) = rest.split_once('"').unwrap();
        let value = path.split('.').try_fold(record, |value, name| value.get(name));
        let text = value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default();
        address.push_str(&format!("&key.{path}={}", percent_encoded(&text)));
    }
    let found = String::from_utf8(operator.ask(&get(&address)).await.unwrap().body).unwrap();
    assert_eq!(found.matches("<a class=\"id\"").count(), 1, "{address}: {found}");
    assert!(found.contains(&format!("<a class=\"id\" href=\"/exchanges/{id}\"")), "{address}: {found}");
}
