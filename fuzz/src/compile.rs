//! The compiler of mappings and of canonical schemas: a text is refused with its problems, each with a line of the text, or
//! it is a mapping that can be pinned, shown and read with.
//!
//! The first byte of an input is odd where the rest is a canonical schema.

use super::{folder, holds};
use portolan::formats::formats;
use portolan::mapping::cases::{convert, write_body};
use portolan::mapping::{Bundle, Canonical, Library, Mapping, overview};
use portolan_contract::Format;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:?}")));
static FORMATS: LazyLock<Vec<Box<dyn Format>>> = LazyLock::new(formats);
/// The code files that ship, by the names that mappings have for them.
static CODES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let files = fs::read_dir(folder("mappings/codes")).unwrap().flatten();
    files.map(|file| (format!("../codes/{}", file.file_name().display()), fs::read_to_string(file.path()).unwrap())).collect()
});
/// Bodies that are of no mapping in particular.
const BODIES: [&str; 6] = ["", "{}", "<a/>", "a,b\n1,2\n", "UNB+UNOA:1+a+b+1:1+1'", ":20:1\r\n"];

/// Compiles a mapping or a schema.
pub fn check(input: &[u8]) {
    let Some((&kind, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if kind % 2 == 1 { schema(text) } else { mapping(text) }
}

fn schema(text: &str) {
    match Canonical::compile("fuzz.v1", text) {
        Err(problem) => {
            let lines = 1 + text.matches('\n').count();
            assert!(!problem.message.is_empty() && (1..=lines).contains(&problem.line), "line {} of {lines}", problem.line);
        }
        Ok(canonical) => {
            let record = json!({"id": "1", "amount": "12.30", "lines": [1, {"amount": "0.10"}], "account": {"iban": null}});
            assert_eq!(canonical.business_key(&record), canonical.business_key(&record));
            canonical.check(&record).iter().for_each(|finding| {
                holds::words(&finding.words);
                assert!(!finding.rule.is_empty());
            });
            canonical.paths().for_each(|(path, _)| assert!(canonical.knows(path), "{path}"));
        }
    }
}

fn mapping(text: &str) {
    let bundle = Bundle { name: "fuzz".to_owned(), mapping: text.to_owned(), codes: CODES.clone(), component: None };
    match Mapping::compile(&bundle, &FORMATS, &|name| LIBRARY.canonical(name).cloned()) {
        Ok(mapping) => used(&mapping, &bundle),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word");
            let lines = 1 + text.matches('\n').count();
            problems.iter().for_each(|p| assert!(!p.message.is_empty() && p.line <= lines, "line {} of {lines}: {}", p.line, p.message));
        }
    }
}

/// A mapping that compiles does so again from what is pinned of it, is shown, and reads and writes whatever comes.
fn used(mapping: &Mapping, bundle: &Bundle) {
    let pinned = Library::pinned(&mapping.text, &mapping.canonical.text).unwrap_or_else(|e| panic!("what is pinned does not compile: {e}"));
    assert_eq!(pinned.digest, mapping.digest);
    assert_eq!(*bundle, serde_json::from_str(&mapping.text).unwrap());
    overview::head(mapping).iter().for_each(holds::words);
    drop((overview::rows(mapping), overview::rules(mapping)));
    let zone = jiff::tz::TimeZone::UTC;
    for body in BODIES.iter().filter(|_| mapping.direction.reads()) {
        match convert(mapping, &zone, body.as_bytes()) {
            Err(error) => holds::words(&error.words),
            Ok(converted) => converted.findings.iter().for_each(|finding| holds::words(&finding.words)),
        }
    }
    if mapping.direction.writes()
        && let Err(message) = write_body(mapping, &zone, &[json!({}), json!({"amount": "1.00", "lines": [{}]})])
    {
        assert!(!message.is_empty());
    }
}
