//! Every flow of the example configuration runs through the program itself: real bodies over mutual TLS, a receiver that
//! holds what arrives, and programs that are not ours to read it.
//!
//! A flow's cases (`FLOW.toml`) name bodies of the mappings' own cases. What such a body means was worked out by a program
//! that knows nothing of the mappings (`CASE.out.ndjson`); these values must be read from each delivery by the scripts of
//! `tests/elsewhere`, in whatever format the route asked for. What a format cannot carry stands in the cases with a reason.
//! Every mapping that reads is sent with, every one that writes is delivered or answered with, and so is every sender's
//! mapping and every route of the example; `waivers.toml` names the mappings that are tried elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod broken;
mod cases;
mod example;
#[path = "../serve/line.rs"]
#[allow(dead_code, reason = "the tests of the running program use more of it")]
mod line;
#[path = "../elsewhere/reader.rs"]
mod reader;
#[path = "../delivery/receiver.rs"]
#[allow(dead_code, reason = "the tests of deliveries use more of it")]
mod receiver;
mod reconciliation;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod support;
#[path = "../support/tools.rs"]
mod tools;
#[path = "../support/waivers.rs"]
mod waivers;
#[path = "../serve/world.rs"]
#[allow(dead_code, reason = "the tests of the running program use more of it")]
mod world;

use cases::{Answer, Case, Flow};
use example::Example;
use line::{Line, get};
use portolan::config;
use portolan::mapping::Library;
use reader::{Flat, without_indices};
use std::collections::{BTreeMap, BTreeSet};
use waivers::Waivers;
use world::eventually;

/// Bodies that wait to be read elsewhere, all of one mapping's with one start of its script.
#[derive(Default)]
struct Unread {
    by_mapping: BTreeMap<String, Vec<Expectation>>,
}

/// What must be read from bodies of one case.
struct Expectation {
    /// The case and where it arrived.
    name: String,
    bodies: Vec<Vec<u8>>,
    expected: Expected,
    /// Canonical paths that do not arrive as they were.
    differs: BTreeSet<String>,
}

enum Expected {
    /// These records and no other value, over all the bodies.
    Records(Vec<Flat>),
    /// These values of the one record, among others.
    Values(Flat),
}

#[tokio::test]
async fn every_flow_of_the_example_runs() {
    let example = Example::start("").await;
    let mut flows: Vec<&config::Flow> = example.config.flows.values().map(AsRef::as_ref).collect();
    // Debits before the answers that refer to them.
    flows.sort_by_key(|flow| flow.id.to_string());
    let (mut failures, mut tried, mut unread) = (Vec::new(), Tried::default(), Unread::default());
    for flow in flows {
        match Flow::load(flow.id.as_str()) {
            Ok(cases) => run(&example, flow, &cases, &mut tried, &mut unread, &mut failures).await,
            Err(message) => failures.push(message),
        }
    }
    unread.read(&mut failures);
    tried.is_complete(&example.config, &mut failures);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// A message that takes several deliveries is not taken for a repeat of itself: each has an id of its own, which a program
/// that is not ours reads. The cases are `cut.toml`.
#[tokio::test]
async fn every_part_of_a_message_has_an_id_of_its_own() {
    let example = Example::start("delivery_records_max = 1\n").await;
    let cut: cases::Cut = toml::from_str(include_str!("cut.toml")).unwrap();
    let mut failures = Vec::new();
    for cases::CutCase { flow, case, ids } in &cut.cut {
        let flow = &example.config.flows[&flow.parse().unwrap()];
        let exchange =
            send(&example, flow, case, &case.body, &mut Unread::default()).await.unwrap_or_else(|e| panic!("{}: {e}", case.body));
        for (to, expected) in ids {
            let route = flow.routes.iter().find(|route| route.to.to_string() == *to).unwrap_or_else(|| panic!("no route to {to}"));
            let bodies = tempfile::tempdir().unwrap();
            for (number, seen) in example.arrived(&exchange, to).into_iter().enumerate() {
                std::fs::write(bodies.path().join(format!("{number:04}")), seen.body).unwrap();
            }
            let told = reader::read(&route.mapping, bodies.path()).unwrap_or_else(|e| panic!("{to}: {e}"));
            let mut read: Vec<String> = told.bodies.iter().flatten().map(|record| record["message_id"].clone()).collect();
            read.sort();
            if read != *expected {
                failures.push(format!("{}: {to} got {read:?}, not {expected:?}", case.body));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Sends a flow's cases and gathers what arrives.
async fn run(example: &Example, flow: &config::Flow, cases: &Flow, tried: &mut Tried, unread: &mut Unread, failures: &mut Vec<String>) {
    let mut differed = BTreeSet::new();
    for case in &cases.case {
        let name = format!("{}: {} with {} from {}", flow.id, case.body, case.mapping, case.sender);
        let exchange = match send(example, flow, case, &name, unread).await {
            Ok(exchange) => exchange,
            Err(message) => {
                failures.push(format!("{name}: {message}"));
                continue;
            }
        };
        tried.sent.insert((flow.id.to_string(), case.sender.clone(), case.mapping.clone()));
        tried.answered.extend(case.answer.as_ref().map(|answer| answer.mapping.clone()));
        for to in &case.to {
            let Some(route) = flow.routes.iter().find(|route| route.to.to_string() == *to) else {
                failures.push(format!("{name}: the flow has no route to {to}"));
                continue;
            };
            let differs = cases.differs.get(&route.mapping).map(|paths| paths.keys().cloned().collect()).unwrap_or_default();
            differed.insert(route.mapping.clone());
            tried.arrived.insert((flow.id.to_string(), to.clone()));
            unread.by_mapping.entry(route.mapping.clone()).or_default().push(Expectation {
                name: format!("{name}, at {to}"),
                bodies: example.arrived(&exchange, to).into_iter().map(|seen| seen.body.to_vec()).collect(),
                expected: Expected::Records(case.records(to)),
                differs,
            });
        }
    }
    for (mapping, paths) in &cases.differs {
        if !differed.contains(mapping) || paths.values().any(String::is_empty) {
            failures.push(format!("{}: what differs in {mapping} has no reason, or nothing is delivered with it", flow.id));
        }
    }
}

/// Sends a body, holds the verdict to the case, and waits until all of it is delivered.
async fn send(example: &Example, flow: &config::Flow, case: &Case, name: &str, unread: &mut Unread) -> Result<String, String> {
    let mut line = example.line(&case.sender).await;
    let request = submission(flow, case);
    let answer = line.ask(&request).await.map_err(|e| e.to_string())?;
    let text = || String::from_utf8_lossy(&answer.body).into_owned();
    let location = answer.headers.get("location").cloned().ok_or_else(text)?;
    let known = line.ask(&get(&location)).await.unwrap().json();
    let counts = ["records", "accepted", "refused"].map(|count| known["counts"][count].as_u64().unwrap_or_default());
    if (known["verdict"].as_str(), counts) != (Some(case.verdict.as_str()), case.counts) {
        return Err(format!("it is {} with {counts:?}: {}", known["verdict"], text()));
    }
    if let Some(expected) = &case.answer {
        let media_type = answer.headers.get("content-type").map(String::as_str).unwrap_or_default();
        if media_type != expected.media_type {
            return Err(format!("it is answered with {media_type}: {}", text()));
        }
        if line.ask(&request).await.map_err(|e| e.to_string())?.body != answer.body {
            return Err("a repeat is answered with other bytes".to_owned());
        }
        unread.answer(name, expected, answer.body);
    }
    delivered(&mut line, &location, case).await?;
    Ok(known["exchange"].as_str().unwrap_or_default().to_owned())
}

fn submission(flow: &config::Flow, case: &Case) -> Vec<u8> {
    let body = case.bytes();
    let head = format!(
        "POST /v1/flows/{}/exchanges?mapping={} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n\
         content-length: {}\r\n\r\n",
        flow.id,
        case.mapping,
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// Waits until every delivery of an exchange has ended, and holds their destinations to the case.
async fn delivered(line: &mut Line, location: &str, case: &Case) -> Result<(), String> {
    let deliveries = eventually("every delivery ends", async || {
        let told = line.ask(&get(&format!("{location}/deliveries"))).await.unwrap().json();
        let deliveries = told["deliveries"].as_array().cloned().unwrap();
        let ended = |state: &str| matches!(state, "acknowledged" | "dead-letter" | "waived");
        deliveries.iter().all(|delivery| ended(delivery["state"].as_str().unwrap_or_default())).then_some(deliveries)
    })
    .await;
    let went: BTreeSet<&str> = deliveries.iter().filter_map(|delivery| delivery["to"].as_str()).collect();
    let expected: BTreeSet<&str> = case.to.iter().filter_map(|to| to.split('/').next()).collect();
    match deliveries.iter().find(|delivery| delivery["state"] != "acknowledged") {
        Some(dead) => Err(format!("a delivery failed: {dead}")),
        None if went != expected => Err(format!("it went to {went:?}")),
        None => Ok(()),
    }
}

impl Unread {
    fn answer(&mut self, name: &str, expected: &Answer, body: Vec<u8>) {
        self.by_mapping.entry(expected.mapping.clone()).or_default().push(Expectation {
            name: format!("{name}, its answer"),
            bodies: vec![body],
            expected: Expected::Values(expected.values.clone()),
            differs: BTreeSet::new(),
        });
    }

    /// Reads all, each mapping's bodies with one start of its script.
    fn read(self, failures: &mut Vec<String>) {
        std::thread::scope(|scope| {
            let reads: Vec<_> =
                self.by_mapping.iter().map(|(mapping, expectations)| (mapping, scope.spawn(move || read(mapping, expectations)))).collect();
            for (mapping, read) in reads {
                match read.join().unwrap() {
                    Ok(wrong) => failures.extend(wrong),
                    Err(message) => failures.push(format!("{mapping}: {message}")),
                }
            }
        });
    }
}

/// What is wrong with the bodies of one mapping.
fn read(mapping: &str, expectations: &[Expectation]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    for (number, body) in expectations.iter().flat_map(|expectation| &expectation.bodies).enumerate() {
        std::fs::write(folder.path().join(format!("{number:04}")), body).map_err(|e| e.to_string())?;
    }
    let told = reader::read(mapping, folder.path())?;
    let mut bodies = told.bodies.into_iter();
    let mut failures = Vec::new();
    for expectation in expectations {
        let read: Vec<Flat> = bodies.by_ref().take(expectation.bodies.len()).flatten().collect();
        let left_out = |path: &String| {
            let path = without_indices(path);
            told.not_read.contains_key(&path) || expectation.differs.contains(&path)
        };
        if let Err(message) = expectation.met(read, left_out) {
            failures.push(format!("{}, read elsewhere: {message}", expectation.name));
        }
    }
    Ok(failures)
}

impl Expectation {
    fn met(&self, read: Vec<Flat>, left_out: impl Fn(&String) -> bool) -> Result<(), String> {
        let without = |mut records: Vec<Flat>| {
            records.iter_mut().for_each(|record| record.retain(|path, _| !left_out(path)));
            // Deliveries of one exchange may overtake one another.
            records.sort();
            records
        };
        match &self.expected {
            Expected::Values(values) => {
                let [read] = read.as_slice() else { return Err(format!("it is {} records", read.len())) };
                let told = values.keys().filter_map(|path| Some((path.clone(), read.get(path)?.clone()))).collect();
                reader::compare(values, &told)
            }
            Expected::Records(records) if records.len() != read.len() => {
                Err(format!("{} records arrived of {}", read.len(), records.len()))
            }
            Expected::Records(records) => {
                let (expected, read) = (without(records.clone()), without(read));
                expected.iter().zip(&read).try_for_each(|(expected, read)| reader::compare(expected, read))
            }
        }
    }
}

/// What was tried.
#[derive(Default)]
struct Tried {
    /// Flow, sender, mapping.
    sent: BTreeSet<(String, String, String)>,
    /// Flow, destination.
    arrived: BTreeSet<(String, String)>,
    /// Mappings that answered.
    answered: BTreeSet<String>,
}

impl Tried {
    /// Whether all of the example and all mappings were tried.
    fn is_complete(&self, config: &config::Config, failures: &mut Vec<String>) {
        let mut writes = self.answered.clone();
        for flow in config.flows.values() {
            for (sender, mapping) in flow.senders.iter().flat_map(|(id, sender)| sender.mappings.iter().map(move |m| (id, m))) {
                if !self.sent.contains(&(flow.id.to_string(), sender.to_string(), mapping.clone())) {
                    failures.push(format!("{}: no case of {sender} sends with {mapping}", flow.id));
                }
            }
            for route in &flow.routes {
                if !self.arrived.contains(&(flow.id.to_string(), route.to.to_string())) {
                    failures.push(format!("{}: no case arrives at {}", flow.id, route.to));
                }
                writes.insert(route.mapping.clone());
            }
        }
        let reads: BTreeSet<&str> = self.sent.iter().map(|(_, _, mapping)| mapping.as_str()).collect();
        let waivers = Waivers::parse(include_str!("waivers.toml"));
        let waived = waivers.mappings();
        let mut needed = BTreeSet::new();
        for mapping in Library::load(&[]).unwrap().mappings() {
            let (name, ways) = (mapping.name.as_str(), mapping.direction);
            if (ways.reads() && !reads.contains(name)) || (ways.writes() && !writes.contains(name)) {
                needed.insert(name.to_owned());
                if !waived.contains(name) {
                    failures.push(format!("{name}: no flow of the example uses it in each of its ways, and it has no waiver"));
                }
            }
        }
        failures.extend(waivers.problems(|mapping, _| needed.contains(mapping)));
    }
}
