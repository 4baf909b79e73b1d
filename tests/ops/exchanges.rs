//! Finding exchanges and looking into one, over mutual TLS. Requests are in `exchanges.toml`, those for what is personal in
//! `masked.toml`.

use crate::cases::cases;
use crate::door::House;
use crate::samples::{SampleRecord, TestClock, sample, sample_of};
use crate::world::{World, ask};
use jiff::SignedDuration;
use portolan::domain::{BusinessAnswer, Counts, DestinationId, ExchangeId, Finding, Outcome, Severity};
use portolan::fault::FaultCode;
use portolan::journal::search::ATTEMPTS_KEPT_MAX;
use portolan::journal::{NewExchange, Settlement};
use portolan::seams::Clock;
use portolan_contract::{Position, Words};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    request: String,
    /// `reader` unless given.
    #[serde(default)]
    by: String,
    status: u16,
    /// Names of the exchanges found, in their order.
    found: Option<Vec<String>>,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
}

#[tokio::test]
async fn exchanges_are_found_and_shown() {
    let world = World::new().await;
    let house = House::open(&world).await;
    check(&house, &fill(&world).await, include_str!("exchanges.toml")).await;
}

#[tokio::test]
async fn what_is_personal_is_masked_unless_a_reason_is_given() {
    let world = World::new().await;
    let house = House::open(&world).await;
    // The canonical record has the account beside the body's name.
    let mut exchange = sample(&*world.clock, r#"M","account":{"number":"6222000000001234"},"currency":"CNY"#);
    pin_mapping(&world, &mut exchange);
    exchange.answer = Some(BusinessAnswer { media_type: "application/EDIFACT".into(), bytes: "UNB+'".into() });
    let found = |canonical: Option<&str>, text: &str| Finding {
        canonical: canonical.map(str::to_owned),
        found: Some(text.to_owned()),
        words: Words::new(format!("不允许 {text}"), format!("{text} is not allowed")),
        ..finding("own.rule", 1)
    };
    exchange.verdict.findings =
        vec![found(Some("account.number"), "6222000000005678"), found(Some("currency"), "CNYY"), found(None, "李小四")];
    let id = commit(&world, exchange).await;
    check(&house, &[("M", id)], include_str!("masked.toml")).await;
}

/// Asks each case's request, and compares the answer.
async fn check(house: &House, names: &[(&str, ExchangeId)], table: &str) {
    let ids = |text: &str| names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("<{name}>"), &id.to_string()));
    for case in &cases::<Case>(table) {
        let issued = if case.by == "second" { &house.second } else { &house.reader };
        let head = format!("GET {} HTTP/1.1\r\nhost: localhost\r\naccept-language: en\r\n", ids(&case.request));
        let answer = ask(house.connect(Some(issued)).await.unwrap(), &head).await;
        assert_eq!(answer.status, case.status, "{}: {}", case.name, answer.body);
        if let Some(expected) = &case.found {
            let found: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            let found = found["exchanges"].as_array().unwrap().iter().map(|found| found["exchange"].as_str().unwrap().to_owned());
            let found: Vec<_> =
                found.map(|id| names.iter().find(|(_, known)| known.to_string() == id).map_or("?", |(name, _)| *name)).collect();
            assert_eq!(&found, expected, "{}: {}", case.name, answer.body);
        }
        answer.says(&case.name, &case.holds, &case.lacks, ids);
    }
}

#[tokio::test]
async fn the_latest_attempts_of_a_delivery_are_kept() {
    let world = World::new().await;
    let (to, retries): (DestinationId, _) = ("tax-bureau/payments".parse().unwrap(), ATTEMPTS_KEPT_MAX + 3);
    let mut delivery = None;
    for number in 1..=retries {
        let now = world.clock.now();
        let lease = world.view.journal.lease(&to, now, now + SignedDuration::from_secs(9), 1).await.unwrap().remove(0);
        let retry = Settlement::RetryAt { at: now, fault: "delivery.failing".to_owned(), detail: number.to_string(), answer: None };
        assert!(world.view.journal.settle(lease.delivery, lease.token, now, retry).await.unwrap());
        delivery = Some(lease.delivery);
    }
    let (row, attempts) = world.view.journal.delivery(delivery.unwrap()).await.unwrap().unwrap();
    let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!((row.attempts, numbers), (retries, (4..=retries).collect()));
    let last = attempts.last().and_then(|attempt| attempt.fault.clone());
    assert_eq!(last, Some(("delivery.failing".to_owned(), retries.to_string())));
}

/// The exchanges of the cases by their names, committed a minute apart.
pub async fn fill(world: &World) -> Vec<(&'static str, ExchangeId)> {
    let clock: &TestClock = &world.clock;
    let plain = |body: &str, partner: &str, flow: &str| {
        let mut exchange = sample(clock, body);
        (exchange.partner, exchange.flow) = (partner.parse().unwrap(), flow.parse().unwrap());
        exchange.verdict.destinations[0].to = "bureau/inbox".parse().unwrap();
        exchange.answer = None;
        exchange
    };
    let mut names = Vec::new();
    for (name, partner, flow) in [("A", "bank-a", "debits"), ("B", "bank-b", "debits"), ("C", "bank-a", "refunds")] {
        clock.advance(SignedDuration::from_mins(1));
        let mut exchange = plain(name, partner, flow);
        exchange.verdict.message_id = Some(format!("MSG-{name}"));
        names.push((name, commit(world, exchange).await));
    }
    clock.advance(SignedDuration::from_mins(1));
    let mut refused = plain("R", "bank-a", "debits");
    refused.verdict.outcome = Outcome::Refused;
    refused.verdict.fault = Some(FaultCode::RecordsRefused);
    refused.verdict.counts = Counts { records: 1, refused: 1, ..Counts::default() };
    pin_mapping(world, &mut refused);
    refused.verdict.findings = (1..=3).map(|record| finding("type.money", record)).collect();
    refused.verdict.destinations.clear();
    refused.verdict.chunks.clear();
    names.push(("R", commit(world, refused).await));
    clock.advance(SignedDuration::from_mins(1));
    let mut part = sample_of(clock, "P", &[SampleRecord { key: None, destinations: 3 }, SampleRecord::plain()]);
    pin_mapping(world, &mut part);
    part.partner = "bank-b".parse().unwrap();
    part.verdict.outcome = Outcome::InPart;
    part.verdict.findings = vec![finding("own.rule", 2)];
    part.verdict.destinations[0].to = "elsewhere/inbox".parse().unwrap();
    names.push(("P", commit(world, part).await));
    let (to, now): (DestinationId, _) = ("elsewhere/inbox".parse().unwrap(), clock.now());
    for lease in world.view.journal.lease(&to, now, now + SignedDuration::from_hours(1), 9).await.unwrap() {
        let dead = Settlement::Dead { fault: "delivery.refused".to_owned(), detail: "HTTP 422".to_owned(), answer: Some("no".to_owned()) };
        assert!(world.view.journal.settle(lease.delivery, lease.token, now, dead).await.unwrap());
        names.push(("P-DELIVERY", lease.delivery));
    }
    names
}

/// Has an exchange read by a mapping that there is, so that its schema is known.
pub fn pin_mapping(world: &World, exchange: &mut NewExchange) {
    let live = world.view.live.load_full();
    let mapping = live.library.mapping("camt054").unwrap();
    (exchange.verdict.pins.mapping, exchange.verdict.pins.schema) = (mapping.digest, mapping.canonical.digest);
    exchange.pinned.push((mapping.digest, mapping.text.clone()));
    exchange.pinned.push((mapping.canonical.digest, mapping.canonical.text.clone()));
}

pub async fn commit(world: &World, exchange: NewExchange) -> ExchangeId {
    let id = exchange.id;
    world.view.journal.commit(exchange).await.unwrap();
    id
}

fn finding(rule: &str, record: u64) -> Finding {
    Finding {
        severity: Severity::Error,
        rule: rule.to_owned(),
        record: Some(record),
        part: None,
        at: Position { line: record, byte: 0, column: 0 },
        source: None,
        canonical: None,
        found: None,
        words: Words::new("金额不正确", "no amount"),
    }
}
