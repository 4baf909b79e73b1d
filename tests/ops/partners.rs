//! Partners and flows in numbers, over mutual TLS. Requests are in `partners.toml`.

use crate::cases::cases;
use crate::door::House;
use crate::samples::sample;
use crate::world::{World, ask};
use jiff::SignedDuration;
use portolan::domain::{Counts, DestinationId, Finding, Outcome, Severity};
use portolan::journal::Settlement;
use portolan::seams::Clock;
use portolan_contract::{Position, Words};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    request: String,
    status: u16,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
}

#[tokio::test]
async fn partners_and_flows_are_told_in_numbers() {
    let world = World::new().await;
    let house = House::open(&world).await;
    fill(&world).await;
    for case in &cases::<Case>(include_str!("partners.toml")) {
        let head = format!("GET {} HTTP/1.1\r\nhost: localhost\r\naccept-language: en\r\n", case.request);
        let answer = ask(house.connect(Some(&house.reader)).await.unwrap(), &head).await;
        assert_eq!(answer.status, case.status, "{}: {}", case.name, answer.body);
        answer.says(&case.name, &case.holds, &case.lacks, str::to_owned);
    }
}

/// Two days after the first exchange of the world: one of ten records, four of them refused, that took 60 ms; and the
/// deliveries of the first acknowledged after two days.
async fn fill(world: &World) {
    world.clock.advance(SignedDuration::from_hours(48));
    let mut part = sample(&*world.clock, "part");
    part.flow = "payment-confirmation".parse().unwrap();
    part.verdict.outcome = Outcome::InPart;
    part.verdict.counts = Counts { records: 10, accepted: 6, refused: 4, ..Counts::default() };
    part.verdict.findings = (1..=4).map(finding).collect();
    part.verdict.destinations[0].to = "nobody/inbox".parse().unwrap();
    world.clock.advance(SignedDuration::from_millis(60));
    world.view.journal.commit(part).await.unwrap();
    let (to, now): (DestinationId, _) = ("tax-bureau/payments".parse().unwrap(), world.clock.now());
    for lease in world.view.journal.lease(&to, now, now + SignedDuration::from_hours(1), 9).await.unwrap() {
        assert!(world.view.journal.settle(lease.delivery, lease.token, now, Settlement::Acknowledged(Default::default())).await.unwrap());
    }
}

fn finding(record: u64) -> Finding {
    Finding {
        severity: Severity::Error,
        rule: "type.money".to_owned(),
        record: Some(record),
        part: None,
        at: Position { line: record, byte: 0, column: 0 },
        source: None,
        canonical: None,
        found: None,
        words: Words::new("金额不正确", "no amount"),
    }
}
