//! JSONTestSuite: what it says must be accepted is accepted, what it says must be refused is refused with a position, and what
//! it leaves open is decided by us and written down in `suite.toml`, as are the few tests that end otherwise than it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../../tests/support/tools.rs"]
mod tools;

use portolan_contract::cases::{CasePlan, read_all};
use portolan_contract::{Format, FormatError};
use portolan_json::Json;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    decided: Vec<Decided>,
    /// How many documents of each kind there are.
    count: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    /// `accepted`, or the code of the refusal.
    code: String,
    reason: String,
    files: Vec<String>,
}

#[test]
fn documents_are_accepted_and_refused_as_the_suite_says() {
    let expected: Expected = toml::from_str(include_str!("suite.toml")).unwrap();
    let folder = tools::sources("actson").join("tests/json_test_suite/test_parsing");
    let mut decided: BTreeMap<&str, &str> = BTreeMap::new();
    let mut failures = Vec::new();
    for decision in &expected.decided {
        decided.extend(decision.files.iter().map(|file| (file.as_str(), decision.code.as_str())));
        assert!(!decision.reason.is_empty(), "{:?} have no reason", decision.files);
    }
    let mut count = BTreeMap::<String, usize>::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        failures.extend(check(name, &std::fs::read(&path).unwrap(), decided.remove(name)).err());
        *count.entry(name.chars().take(1).collect()).or_default() += 1;
    }
    failures.extend(decided.keys().map(|name| format!("{name} is decided and not there")));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(count, expected.count, "how many documents of each kind there are");
}

fn check(name: &str, body: &[u8], decided: Option<&str>) -> Result<(), String> {
    let refused = read(body);
    if let Some(error) = &refused
        && (error.at.line == 0 || error.at.byte > body.len() as u64)
    {
        return Err(format!("{name}: refused without a place: {error:?}"));
    }
    let code = refused.as_ref().map_or("accepted".to_owned(), |error| format!("{:?}", error.code));
    let said = match name.chars().next() {
        Some('y') => Some(code == "accepted"),
        Some('n') => Some(code != "accepted"),
        _ => None,
    };
    match (said, decided) {
        (None, None) => Err(format!("{name} is left open by the suite: write down that it is {code}: {refused:?}")),
        (Some(true), Some(_)) => Err(format!("{name} needs no decision: it ends as the suite says")),
        (Some(false), None) => Err(format!("{name} ends otherwise than the suite says: {code}: {refused:?}")),
        (_, Some(decided)) if decided != code => Err(format!("{name} should be {decided} and is {code}: {refused:?}")),
        _ => Ok(()),
    }
}

fn read(body: &[u8]) -> Option<FormatError> {
    let plan = CasePlan::parse("records = ['$']\nslots = []\n[options]\nlayout = 'document'").unwrap();
    let bound = Json.bind(plan.plan, &plan.options).unwrap();
    read_all(bound.as_ref(), body, &plan.limits).1.err()
}
