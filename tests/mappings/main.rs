//! Every mapping that ships with the gateway, held to its cases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod containers;
mod corpora;
mod totals;
mod translate;

use portolan::mapping::{Library, cases};
use std::path::Path;

#[test]
fn every_mapping_gives_what_its_cases_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let library = Library::load(std::slice::from_ref(&folder)).unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    });
    let mut failures = Vec::new();
    for mapping in library.mappings() {
        let cases = cases::run(mapping, &folder.join(&mapping.name).join("cases"));
        if cases.is_empty() {
            failures.push(format!("{}: it has no case", mapping.name));
        }
        for case in cases {
            failures.extend(case.failures.iter().map(|failure| format!("{}: {failure}", case.input.display())));
        }
    }
    assert!(library.mappings().next().is_some());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A payment that a bank tells of in a notification, a statement and an MT940 is one fact.
#[test]
fn one_payment_has_one_key() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let library = Library::load(&[]).unwrap();
    let zone = jiff::tz::TimeZone::UTC;
    let key = |name: &str, file: &str| {
        let mapping = library.mapping(name).unwrap();
        let body = std::fs::read(folder.join(name).join("cases").join(file)).unwrap();
        let read = cases::convert(mapping, &zone, &body).unwrap();
        assert_eq!((read.records.len(), read.findings.len()), (1, 0), "{name}");
        mapping.canonical.business_key(&read.records[0])
    };
    let notified = key("camt054", "one-payment.in.xml");
    assert_ne!(notified, [0; 16]);
    assert_eq!(notified, key("camt053", "one-payment.in.xml"));
    assert_eq!(notified, key("mt940", "one-payment.in.sta"));
}
