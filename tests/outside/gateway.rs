//! Adapters from outside in a running gateway.

use crate::built::install;
use crate::line::{get, payments, post};
use crate::receiver::{Receiver, Server};
use crate::world::{World, eventually};
use portolan::certs::files::read_certificates;
use portolan::certs::{Issued, Summary};
use std::collections::BTreeMap;
use std::fs;

const BODY: &str = include_str!("../../adapters/wit/examples/stanza/mapping/cases/two.in.txt");

#[tokio::test]
async fn a_hostile_adapter_costs_its_own_messages_alone() {
    let world = World::new();
    install(&world.path("conf/mappings"));
    world.flow("words", "word.v1", &["bank"], "hostile", "");
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    let misdeeds: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(include_str!("misdeeds.toml")).unwrap();
    for (number, (misdeed, said)) in misdeeds["reading"].iter().enumerate() {
        let refused = bank.ask(&post("words", misdeed, "")).await.unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (422, "syntax.adapter-failed"), "{misdeed}");
        assert!(refused.json().to_string().contains(said.as_str()), "{misdeed}: {}", refused.json());
        // The same adapter reads the next body, and nobody else noticed.
        bank.ask(&post("words", &format!("good{number}"), "")).await.unwrap().exchange();
        platform.ask(&post("payments", &payments(&format!("AFTER-{number}"), 1), "")).await.unwrap().exchange();
    }
}

#[tokio::test]
async fn an_odd_format_is_delivered_to_a_receiver_behind_mutual_tls() {
    let world = World::new();
    install(&world.path("conf/mappings"));
    let file = |kind: &str| world.path(&format!("ca/issued/bureau.{kind}"));
    let summary = Summary::of(&read_certificates(&file("pem")).unwrap()[0]).unwrap();
    let identity = Issued { chain: file("pem"), key: Some(file("key")), summary };
    let receiver = Receiver::start(&Server { identity: &identity, client_authority: &world.path("ca/ca.pem"), protocol: "h2" }, 0).await;
    let url = format!("https://localhost:{}/stanzas", receiver.address.port());
    world.partner("bureau", &[], &format!("[destination.stanzas]\nurl = \"{url}\"\nauthorities = [\"../ca/ca.pem\"]\n"));
    let route = "[[route]]\nto = \"bureau/stanzas\"\nmapping = \"stanza-payments\"\n";
    world.flow("payments", "payment-confirmation.v1", &["bank"], "payment-confirmation-json", route);
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let exchange = bank.ask(&post("payments", &payments("OUT", 2), "")).await.unwrap().exchange();
    let seen = eventually("the stanzas are delivered", async || receiver.seen().into_iter().next()).await;
    assert_eq!((seen.path.as_str(), seen.field("portolan-exchange")), ("/stanzas", exchange.as_str()));
    // What was sent, as the format's description writes it: what stands around the records, then each of them.
    let body = String::from_utf8(seen.body.to_vec()).unwrap();
    let mut stanzas = body.split("==\n");
    let told = |stanza: &str| stanza.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let around: BTreeMap<String, String> = told(stanzas.next().unwrap());
    assert_eq!((around["batch"].as_str(), around["account"].as_str()), ("OUT", "1100106100220000001"), "{body}");
    let records: Vec<BTreeMap<String, String>> = body.split("--\n").filter(|stanza| stanza.contains("number=")).map(told).collect();
    assert_eq!(records.len(), 2, "{body}");
    for (number, record) in records.iter().enumerate() {
        let expected = [("amount", "100.00"), ("currency", "CNY"), ("direction", "收"), ("reversal", "false"), ("status", "booked")];
        expected.iter().for_each(|(name, text)| assert_eq!(record[*name], *text, "{body}"));
        assert_eq!(record["number"], format!("OUT-{}", number), "{body}");
    }
    eventually("the delivery is acknowledged", async || {
        let told = bank.ask(&get(&format!("/v1/exchanges/{exchange}/deliveries"))).await.unwrap().json().to_string();
        told.contains("acknowledged").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_feed_in_an_odd_format_is_delivered_and_remembered() {
    let world = World::new();
    let receiver = world.receiver().await;
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    // The adapter comes while the gateway runs.
    install(&world.path("conf/mappings"));
    let route = "[[route]]\nto = \"bureau/payments\"\nmapping = \"payment-confirmation-json\"\n";
    world.flow("payments", "payment-confirmation.v1", &["bank"], "stanza-payments", route);
    let exchange = eventually("the stanza is taken in", async || {
        let answer = bank.ask(&post("payments", BODY, "")).await.unwrap();
        (answer.status == 202).then(|| answer.exchange())
    })
    .await;
    eventually("the records are delivered", async || (receiver.totals().get("payments")?.records == 2).then_some(())).await;

    // And goes while it runs: what was taken in is told from the component that its commit pinned.
    world.flow("payments", "payment-confirmation.v1", &["bank"], "payment-confirmation-json", route);
    fs::remove_dir_all(world.path("conf/mappings/adapters")).unwrap();
    fs::remove_dir_all(world.path("conf/mappings/stanza-payments")).unwrap();
    fs::remove_dir_all(world.path("conf/mappings/hostile")).unwrap();
    eventually("the new mapping is in force", async || {
        (bank.ask(&post("payments", &payments("LATER", 1), "")).await.unwrap().status == 202).then_some(())
    })
    .await;
    let told = bank.ask(&get(&format!("/v1/exchanges/{exchange}/records/2"))).await.unwrap().json();
    assert_eq!(told["canonical"]["amount"], "0.01", "{told}");
    assert!(told.to_string().contains("\"line\":14"), "the amount stands in the body's line 14: {told}");
}
