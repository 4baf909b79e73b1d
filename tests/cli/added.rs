//! A partner's own layout is new files and nothing else: each folder of `tests/cli_added_cases` holds a made-up layout, one of
//! them an EDIFACT message that nobody has defined before, and it is read, written and tested by the program as it is built.
//! (An adapter from outside is added so in `tests/outside`, which needs the component runtime.)

use crate::{lines, portolan};
use std::fs;
use std::path::{Path, PathBuf};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli_added_cases");

/// Files below a folder, by their paths from there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).collect()
}

fn check(name: &str, input: &str) {
    let (added, folder) = (Path::new(CASES).join(name), tempfile::tempdir().unwrap());
    let own = folder.path().to_str().unwrap();
    for file in files(&added) {
        let place = file.strip_prefix(&added).unwrap();
        assert!(place == Path::new("mapping.toml") || place.starts_with("cases"), "{place:?} is no part of a mapping");
        let copy = folder.path().join(name).join(place);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
    let unknown = portolan(&["convert", "--mapping", name, "-"], b"");
    assert!(unknown.code == 1 && unknown.errors.contains(name), "the program knows {name} before it is added");

    let checked = portolan(&["check", "--mappings", own], b"");
    assert_eq!(checked.code, 0, "{}", checked.output);
    let tested = portolan(&["map", "test", &format!("{own}/{name}")], b"");
    assert!(tested.code == 0 && tested.output.contains("all hold"), "{}{}", tested.output, tested.errors);

    let body = format!("{own}/{name}/cases/{input}");
    let expected = body.split(".in.").next().unwrap().to_owned() + ".out.ndjson";
    let expected = lines(&fs::read_to_string(expected).unwrap());
    let read = portolan(&["convert", "--mappings", own, "--mapping", name, &body], b"");
    assert_eq!(lines(&read.output), expected, "{}", read.errors);
    let written = format!("{own}/written");
    let writing = portolan(&["convert", "--mappings", own, "--mapping", name, "--to", name, "-o", &written, &body], b"");
    assert_eq!(writing.code, 0, "{}", writing.errors);
    let again = portolan(&["convert", "--mappings", own, "--mapping", name, &written], b"");
    assert_eq!(lines(&again.output), expected, "{}", again.errors);
    // Another format that the record has is written from it too.
    let other = portolan(&["convert", "--mappings", own, "--mapping", name, "--to", "platform-income-json", &body], b"");
    assert_eq!(lines(&other.output).len(), expected.len(), "{}", other.errors);
}

#[test]
fn a_made_up_table_needs_its_mapping_alone() {
    check("harbour-income", "two.in.csv");
}

#[test]
fn a_made_up_edifact_message_needs_its_mapping_alone() {
    check("acme-edifact", "two.in.edi");
}
