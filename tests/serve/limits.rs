//! Limits hold back the partner that is over them, and nobody else.

use crate::line::{Answer, get, payments, post};
use crate::world::World;

fn wait_seconds(answer: &Answer) -> u64 {
    assert_eq!((answer.status, answer.code().as_str()), (429, "limit.rate"));
    answer.headers["retry-after"].parse().unwrap()
}

#[tokio::test]
async fn a_partner_over_its_rate_waits_and_another_does_not() {
    let world = World::new();
    world.partner("bank", &["bank"], "[limits]\nrequests = { per_second = 1, burst = 3 }\n");
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    // All at once, so that no machine is too slow to be over the limit.
    bank.send(&get("/v1/me").repeat(20)).await.unwrap();
    let mut refused = Vec::new();
    for number in 0..20 {
        let answer = bank.read().await.unwrap();
        assert_eq!(answer.headers["ratelimit-policy"], "\"requests\";q=3;qu=\"requests\";w=3");
        assert!(answer.headers["ratelimit"].starts_with("\"requests\";r="), "{answer:?}");
        assert!(number > 2 || answer.status == 200, "the burst is 3");
        refused.extend((answer.status != 200).then_some(answer));
    }
    assert!(!refused.is_empty());
    for answer in &refused {
        assert_eq!(wait_seconds(answer), 1, "one request a second: the next is let in within one");
        assert!(answer.json()["retryable"].as_bool().unwrap());
    }
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    for number in 0..5 {
        platform.ask(&post("payments", &payments(&format!("FREE-{number}"), 1), "")).await.unwrap().exchange();
    }
}

#[tokio::test]
async fn records_are_a_debt_on_the_next_request() {
    let world = World::new();
    world.partner("bank", &["bank"], "[limits]\nrecords = { per_second = 1, burst = 10 }\n");
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    // Sixty records at once, though the burst is ten: not refused, but owed for.
    bank.ask(&post("payments", &payments("MANY", 60), "")).await.unwrap().exchange();
    let refused = bank.ask(&post("payments", &payments("NEXT", 1), "")).await.unwrap();
    // 60 taken, 10 of them at once; the next needs one more: at most 51 s.
    assert!((1..=51).contains(&wait_seconds(&refused)));
    assert_eq!(bank.ask(&get("/v1/exchanges")).await.unwrap().status, 200, "to ask costs no records");
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    platform.ask(&post("payments", &payments("OTHER", 60), "")).await.unwrap().exchange();
    platform.ask(&post("payments", &payments("OTHER-2", 1), "")).await.unwrap().exchange();
}
