//! Acts that need a second person, and the log of all. Steps are in `acts.toml`.

use crate::cases::cases;
use crate::dead_letters::bury;
use crate::door::House;
use crate::world::{World, ask_with};
use jiff::SignedDuration;
use portolan::journal::acts::ActFilter;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    /// `operator`, `second` or `reader`.
    by: String,
    request: String,
    /// JSON.
    #[serde(default)]
    body: String,
    /// Hours that pass before.
    #[serde(default)]
    hours: i64,
    status: u16,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
}

#[tokio::test]
async fn acts_over_the_threshold_take_two() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let names = bury(&world).await;
    for step in &cases::<Step>(include_str!("acts.toml")) {
        world.clock.advance(SignedDuration::from_hours(step.hours));
        let issued = match step.by.as_str() {
            "operator" => &house.operator,
            "second" => &house.second,
            _ => &house.reader,
        };
        let ids = |text: &str| names.iter().fold(text.to_owned(), |text, (name, id, _)| text.replace(name, &id.to_string()));
        let head = format!(
            "{} HTTP/1.1\r\nhost: localhost\r\naccept-language: en\r\nportolan-client: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            ids(&step.request),
            ids(&step.body).len()
        );
        let answer = ask_with(house.connect(Some(issued)).await.unwrap(), &head, &ids(&step.body)).await;
        assert_eq!(answer.status, step.status, "{}: {}", step.name, answer.body);
        answer.says(&step.name, &step.holds, &step.lacks, ids);
    }
    let log = world.view.journal.acts(ActFilter { rows_max: 100, ..ActFilter::default() }).await.unwrap();
    for (newer, older) in log.iter().zip(log.iter().skip(1)) {
        assert_eq!((newer.entry.number, newer.entry.previous), (older.entry.number + 1, older.hash));
    }
}
