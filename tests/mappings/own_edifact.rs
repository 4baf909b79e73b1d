//! A message that nobody has defined before: `own_edifact_cases` holds a mapping with the message's
//! definition in it, and nothing else. Messages and bodies are made up.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use portolan::mapping::{Library, cases};
use std::path::Path;

#[test]
fn a_made_up_message_needs_its_mapping_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own_edifact_cases");
    let library = Library::load(std::slice::from_ref(&folder)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mapping = library.mapping("acme-income").unwrap();
    // What is pinned at a commit is the mapping's text, and the definition is part of it.
    assert!(mapping.text.contains("message ACMEXX D.26A"));
    let cases = cases::run(mapping, &folder.join("acme-income/cases"));
    let failures: Vec<String> = cases.iter().flat_map(|case| &case.failures).map(ToString::to_string).collect();
    assert!(cases.len() == 2 && failures.is_empty(), "{}", failures.join("\n"));
}
