//! `portolan dead-letters` and `portolan ops` as operators run them, against the operators' door. Runs are in
//! `command.toml`, `ops.toml` and `findings.toml`.

use crate::dead_letters::{Named, bury};
use crate::door::House;
use crate::exchanges::fill;
use crate::world::World;
use portolan_contract::Words;
use serde::Deserialize;
use std::process::{Command, Output};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    run: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    name: String,
    arguments: Vec<String>,
    /// `second`; else an administrator.
    #[serde(default)]
    by: String,
    code: i32,
    #[serde(default)]
    output: Vec<String>,
    #[serde(default)]
    errors: Vec<String>,
    /// What must not stand in either.
    #[serde(default)]
    lacks: Vec<String>,
}

#[tokio::test]
async fn dead_letters_are_dealt_with_by_command() {
    let world = World::new().await;
    let names = play(&world, "dead-letters", include_str!("command.toml")).await;
    let waived = names.iter().find(|(name, ..)| *name == "FIRST").unwrap();
    let acts = world.view.journal.deliveries(waived.2, None, 99).await.unwrap().remove(0).acts;
    assert_eq!(acts.last().map(|act| act.entry.reason.as_str()), Some("纸质移交 100% / 88"));
}

#[tokio::test]
async fn a_gateway_is_looked_after_by_command() {
    let world = World::new().await;
    world.raise("disk.low", Words::new("磁盘将满", "the disk is nearly full")).await;
    play(&world, "ops", include_str!("ops.toml")).await;
}

#[tokio::test]
async fn what_is_wrong_with_an_exchange_is_shown_by_command() {
    let world = World::new().await;
    let (_, refused) = fill(&world).await.into_iter().find(|(name, _)| *name == "R").unwrap();
    run_all(&world, "ops", include_str!("findings.toml"), &[("REFUSED", refused, refused)]).await;
}

/// Runs the commands of a group about dead letters, which are returned.
async fn play(world: &World, group: &str, runs: &str) -> Vec<Named> {
    let names = bury(world).await;
    run_all(world, group, runs, &names).await;
    names
}

/// Runs the commands of a group, one after the other.
async fn run_all(world: &World, group: &str, runs: &str, names: &[Named]) {
    let house = House::open(world).await;
    let runs: Runs = toml::from_str(runs).unwrap();
    for run in &runs.run {
        let exchange =
            |text: String| names.iter().fold(text, |text, (name, _, id)| text.replace(&format!("{name}-EXCHANGE"), &id.to_string()));
        let ids = |text: &String| names.iter().fold(exchange(text.clone()), |text, (name, id, _)| text.replace(name, &id.to_string()));
        let who = if run.by == "second" { &house.second } else { &house.operator };
        let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
        command.env("LC_ALL", "C").arg(group).args(run.arguments.iter().map(ids)).args(house.access(who));
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        check(run, &ran, ids);
    }
}

fn check(run: &Run, ran: &Output, ids: impl Fn(&String) -> String) {
    let (output, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let told = format!("{}\n--- output\n{output}\n--- errors\n{errors}", run.name);
    assert_eq!(ran.status.code(), Some(run.code), "{told}");
    run.output.iter().for_each(|text| assert!(output.contains(&ids(text)), "{text:?} is not in the output of {told}"));
    run.errors.iter().for_each(|text| assert!(errors.contains(&ids(text)), "{text:?} is not in the errors of {told}"));
    let both = format!("{output}{errors}");
    run.lacks.iter().for_each(|text| assert!(!both.contains(&ids(text)), "{text:?} stands in {told}"));
}
