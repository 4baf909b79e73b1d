//! Messages of customs, of platforms and of sellers that other people wrote: every value of each record is what another
//! program reads in them, and there is no other.
//!
//! The files lie outside the repository, in `../shared/corpora`; without them this test says so and passes.
//! `tests/data/corpora-trade.json` holds what is expected, and how it was derived.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use jiff::tz::TimeZone;
use portolan::domain::Severity;
use portolan::mapping::{Library, cases};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

#[derive(Deserialize)]
struct Expected {
    good: Vec<GoodFile>,
    refused: Vec<RefusedFile>,
}

#[derive(Deserialize)]
struct GoodFile {
    file: String,
    mapping: String,
    /// Canonical path → text: `items[0].name`.
    records: Vec<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RefusedFile {
    file: String,
    mapping: String,
    fault: String,
}

#[test]
#[allow(clippy::explicit_write, reason = "the harness shows what eprintln says for failed tests alone")]
fn messages_are_read_as_their_authors_meant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    if !folder.is_dir() {
        writeln!(std::io::stderr(), "NOTE: {} is not there, so nothing was compared with it", folder.display()).unwrap();
        return;
    }
    let library = Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let convert = |file: &str, mapping: &str| {
        let body = std::fs::read(folder.join(file)).unwrap();
        cases::convert(library.mapping(mapping).unwrap(), &zone, &body)
    };
    let expected: Expected = serde_json::from_str(include_str!("data/corpora-trade.json")).unwrap();
    for good in &expected.good {
        let converted = convert(&good.file, &good.mapping).unwrap_or_else(|e| panic!("{}: {e}", good.file));
        let errors: Vec<_> = converted.findings.iter().filter(|f| f.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", good.file);
        assert_eq!(converted.records.len(), good.records.len(), "{}", good.file);
        for (expected, found) in good.records.iter().zip(&converted.records) {
            let mut flat = BTreeMap::new();
            flatten(String::new(), found, &mut flat);
            for path in expected.keys().chain(flat.keys()) {
                let (expected, found) = (expected.get(path).map(String::as_str), flat.get(path).map(String::as_str));
                assert!(is_same(expected, found), "{} {}: {path} should be {expected:?} and is {found:?}", good.file, good.mapping);
            }
        }
    }
    for refused in &expected.refused {
        let error = convert(&refused.file, &refused.mapping).err().unwrap_or_else(|| panic!("{} is read", refused.file));
        assert_eq!(format!("{:?}", error.code), refused.fault, "{}", refused.file);
    }
}

/// Amounts are the same as numbers.
fn is_same(expected: Option<&str>, found: Option<&str>) -> bool {
    let number = |text: Option<&str>| text.and_then(|t| t.parse::<Decimal>().ok());
    expected == found || found.is_some_and(|f| f.contains('.')) && number(expected).is_some() && number(expected) == number(found)
}

fn flatten(path: String, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(path, value, into);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| flatten(format!("{path}[{index}]"), item, into)),
        Value::String(text) => drop(into.insert(path, text.clone())),
        other => drop(into.insert(path, other.to_string())),
    }
}
