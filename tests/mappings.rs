//! Every mapping that ships with the gateway, held to its cases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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
