//! What operators do about dead letters, over mutual TLS. Steps are in `dead_letters.toml`.

use crate::cases::cases;
use crate::door::House;
use crate::samples::sample;
use crate::world::{World, ask};
use jiff::SignedDuration;
use portolan::domain::Role;
use portolan::domain::{DeliveryId, DestinationId};
use portolan::journal::evidence::time_text;
use portolan::journal::{Lease, Settlement};
use portolan::seams::Clock;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    request: String,
    /// `Portolan-Reason`, as it goes over the line.
    reason: Option<String>,
    /// A reason made of one piece so many times.
    reason_repeated: Option<(String, usize)>,
    status: u16,
    #[serde(default)]
    allow: String,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    in_order: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    due: Vec<String>,
    #[serde(default)]
    woken: bool,
}

#[tokio::test]
async fn dead_letters_are_listed_resent_and_waived() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let names = bury(&world).await;
    for step in &cases::<Step>(include_str!("dead_letters.toml")) {
        check(step, &world, &house, &names).await;
    }
    let waived = names.iter().find(|(name, ..)| *name == "FIRST").unwrap();
    let acts = world.view.journal.deliveries(waived.2, None, 99).await.unwrap().remove(0).acts;
    let [act] = &acts[..] else { panic!("{acts:?}") };
    let operator = act.entry.operator.as_ref().unwrap();
    let kept = (act.entry.deed.kind(), act.entry.at.as_str(), operator.name.as_str(), operator.role, act.entry.reason.as_str());
    assert_eq!(kept, ("waive", time_text(world.clock.now()).as_str(), "operator", Role::Administer, "已由人工送达"));
}

async fn check(step: &Step, world: &World, house: &House, names: &[Named]) {
    let ids = |text: &str| names.iter().fold(text.to_owned(), |text, (name, id, _)| text.replace(name, &id.to_string()));
    let repeated = step.reason_repeated.as_ref().map(|(piece, times)| piece.repeat(*times));
    let reason = step.reason.clone().or(repeated).map(|reason| format!("portolan-reason: {reason}\r\n")).unwrap_or_default();
    let head = format!("{} HTTP/1.1\r\nhost: localhost\r\naccept-language: en\r\nportolan-client: test\r\n{reason}", ids(&step.request));
    let answer = ask(house.connect(Some(&house.operator)).await.unwrap(), &head).await;
    assert_eq!(answer.status, step.status, "{}: {}", step.name, answer.body);
    let media_type = if step.status == 200 { "application/json" } else { "application/problem+json" };
    assert_eq!((answer.header("content-type"), answer.header("allow")), (media_type, step.allow.as_str()), "{}", step.name);
    answer.says(&step.name, &step.holds, &step.lacks, ids);
    let mut rest = answer.body.as_str();
    for text in &step.in_order {
        rest = rest.split_once(&ids(text)).unwrap_or_else(|| panic!("{}: {text:?} is not next in {rest}", step.name)).1;
    }
    let due: Vec<DeliveryId> = lease(world, "bureau/inbox").await.iter().map(|lease| lease.delivery).collect();
    let expected: Vec<String> = step.due.iter().map(|name| ids(name)).collect();
    assert_eq!(due.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{}", step.name);
    let woken = std::mem::take(&mut *world.woken.lock().unwrap());
    assert_eq!(woken, vec!["bureau/inbox"; usize::from(step.woken)], "{}", step.name);
}

/// A delivery by its name in the steps, and its exchange.
pub type Named = (&'static str, DeliveryId, portolan::domain::ExchangeId);

/// Commits the deliveries of the steps, and has their receivers refuse whatever is due.
pub async fn bury(world: &World) -> Vec<Named> {
    let deliveries = [
        ("FIRST", "bureau/inbox", Some("key")),
        ("SECOND", "bureau/inbox", Some("key")),
        ("LONE", "bureau/inbox", None),
        ("ELSEWHERE", "other/inbox", None),
    ];
    let mut names = Vec::new();
    for (name, to, order_key) in deliveries {
        let mut exchange = sample(&*world.clock, name);
        exchange.verdict.destinations[0].to = to.parse().unwrap();
        exchange.verdict.chunks.iter_mut().for_each(|chunk| chunk.order_key = order_key.map(str::to_owned));
        let id = exchange.id;
        world.view.journal.commit(exchange).await.unwrap();
        names.push((name, world.view.journal.deliveries(id, None, 99).await.unwrap()[0].id, id));
    }
    for to in ["bureau/inbox", "other/inbox"] {
        for lease in lease(world, to).await {
            let answer = Some("no such office".to_owned());
            let dead = Settlement::Dead { fault: "delivery.refused".to_owned(), detail: "HTTP 422".to_owned(), answer };
            assert!(world.view.journal.settle(lease.delivery, lease.token, world.clock.now(), dead).await.unwrap());
        }
    }
    names
}

async fn lease(world: &World, to: &str) -> Vec<Lease> {
    let (to, now): (DestinationId, _) = (to.parse().unwrap(), world.clock.now());
    world.view.journal.lease(&to, now, now + SignedDuration::from_hours(1), 9).await.unwrap()
}
