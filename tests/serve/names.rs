//! Chinese names through the running gateway: from a table in GB 18030 and an inventory declared as GBK to
//! JSON in UTF-8, and the table back byte for byte. Python encoded the bodies; a shop's name in `names.csv`
//! has, one after the other, characters of four bytes (𠮷 㐂), of GBK alone (䶮 镕), of private use (AAA1,
//! A3A0, FE51), and the two sequences that the edition of 2022 swapped (FE59, 82359037).

use crate::line::{get, head};
use crate::world::{World, eventually};
use portolan::demo::receiver::{Receiver, ReceiverOptions};
use portolan::domain::Digest;
use portolan::fault::{FaultCode, Party};
use std::fs;
use std::path::Path;

const TABLE: &[u8] = include_bytes!("names.csv");
const INVENTORY: &[u8] = include_bytes!("names.xml");
/// What the names are in Unicode, by the table of GB 18030-2022.
const SHOP: &str = "𠮷㐂䶮镕\u{E000}\u{E5E5}\u{E816}\u{9FB4}\u{E81E}";
const MERCHANT: &str = "深圳市𠮷㐂䶮镕\u{E000}贸易有限公司";

const INCOME: &str = include_str!("../../mappings/cn-platform-income/mapping.toml");

/// A bureau with these places, each under a flow and a mapping.
async fn receiver(world: &World, places: &[&str]) -> Receiver {
    let options = ReceiverOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        chain: world.path("ca/issued/bureau.pem"),
        key: world.path("ca/issued/bureau.key"),
        client_authorities: world.path("ca/ca.pem"),
        folder: world.path("bureau"),
    };
    let receiver = Receiver::start(options).await.unwrap();
    let port = receiver.address().port();
    let place =
        |place: &&str| format!("[destination.{place}]\nurl = \"https://localhost:{port}/{place}\"\nauthorities = [\"../ca/ca.pem\"]\n");
    world.partner("bureau", &[], &places.iter().map(place).collect::<String>());
    receiver
}

fn routes(routes: &[(&str, &str)]) -> String {
    routes.iter().map(|(place, mapping)| format!("[[route]]\nto = \"bureau/{place}\"\nmapping = \"{mapping}\"\n")).collect()
}

/// Whether some file below a folder holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => holds(&path, text),
        false => fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()),
    })
}

#[tokio::test]
async fn chinese_names_arrive_as_they_were_sent() {
    let world = World::new();
    let receiver = receiver(&world, &["table", "records"]).await;
    let income = routes(&[("table", "cn-platform-income"), ("records", "platform-income-json")]);
    world.flow("income", "platform-income.v1", &["platform"], "cn-platform-income", &income);
    let customs = routes(&[("records", "customs-declaration-json")]);
    world.flow("customs", "customs-declaration.v1", &["platform"], "ceb603", &customs);
    let gateway = world.serve().await;
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    for (flow, body, deliveries) in [("income", TABLE, 2), ("customs", INVENTORY, 1)] {
        let exchange = platform.ask(&[head(flow, body.len(), ""), body.to_vec()].concat()).await.unwrap().exchange();
        let path = format!("/v1/exchanges/{exchange}/deliveries");
        eventually("all is acknowledged", async || {
            let told = platform.ask(&get(&path)).await.unwrap().json();
            let states: Vec<&str> = told["deliveries"].as_array().unwrap().iter().filter_map(|d| d["state"].as_str()).collect();
            assert!(!states.contains(&"dead-letter"), "{told:#}");
            (states == vec!["acknowledged"; deliveries]).then_some(())
        })
        .await;
    }
    let held = receiver.held();
    assert_eq!(held.len(), 3, "{held:#?}");

    let table = Digest::of(TABLE);
    assert!(held.iter().any(|delivery| delivery.flow == "income" && delivery.digest == table), "the table has other bytes: {held:#?}");
    let bureau = world.path("bureau");
    assert!(holds(&bureau, SHOP), "the shop's name in UTF-8");
    assert!(holds(&bureau, MERCHANT), "the merchant's name in UTF-8");
}

#[tokio::test]
async fn a_character_that_the_receiver_cannot_hold_is_the_receivers_dead_letter() {
    let world = World::new();
    let receiver = receiver(&world, &["table"]).await;
    world.write("conf/mappings/income-in-gbk/mapping.toml", &INCOME.replace("charset = \"gb18030\"", "charset = \"gbk\""));
    world.flow("income", "platform-income.v1", &["platform"], "cn-platform-income", &routes(&[("table", "income-in-gbk")]));
    let gateway = world.serve().await;
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    let exchange = platform.ask(&[head("income", TABLE.len(), ""), TABLE.to_vec()].concat()).await.unwrap().exchange();
    let path = format!("/v1/exchanges/{exchange}/deliveries");
    let told = eventually("the delivery is a dead letter", async || {
        let told = platform.ask(&get(&path)).await.unwrap().json();
        (told["deliveries"][0]["state"] == "dead-letter").then_some(told)
    })
    .await;
    assert_eq!(told["deliveries"][0]["last_fault"], "delivery.charset");
    assert_eq!(FaultCode::CharacterUnmappable.party(), Party::Receiver);
    assert!(receiver.held().is_empty(), "nothing with a question mark was sent");
}
