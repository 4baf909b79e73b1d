//! Whether `ARCHITECTURE.md` tells of the tree as it is: modules, dependencies, invariants; and `README.md` of its limits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_map_shows_every_module_and_nothing_else() {
    let page = read("ARCHITECTURE.md");
    let shown: BTreeSet<String> = first_cells(section(&page, "The map")).collect();
    let modules = read("src/lib.rs");
    let modules = modules.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing: Vec<&str> = modules.filter(|m| !shown.contains(&format!("src/{m}")) && !shown.contains(&format!("src/{m}.rs"))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not show {missing:?}");
    let gone: Vec<&String> = shown.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md shows what is not there: {gone:?}");
}

#[test]
fn every_dependency_has_its_reason() {
    let page = read("ARCHITECTURE.md");
    let rows = section(&page, "Dependencies").lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        Some((cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned(), cells.next()?.to_owned()))
    });
    let told: BTreeMap<String, String> = rows.collect();
    let wanted = dependencies(&toml::from_str::<toml::Table>(&read("Cargo.toml")).unwrap()["workspace"]);
    let wanted: BTreeMap<String, String> = wanted.into_iter().filter(|(name, _)| !name.starts_with("portolan")).collect();
    assert_eq!(told, wanted, "left: ARCHITECTURE.md, right: Cargo.toml");
}

#[test]
fn every_invariant_names_a_test_that_is_there() {
    let page = read("ARCHITECTURE.md");
    let mut missing = Vec::new();
    let mut file = None;
    for word in section(&page, "Invariants").split('`').skip(1).step_by(2) {
        if word.ends_with(".rs") {
            file = Some(word);
            missing.extend((!root().join(word).is_file()).then(|| word.to_owned()));
        } else if let Some(file) = file.filter(|_| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')) {
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            missing.extend((!text.contains(&format!("fn {word}("))).then(|| format!("{file}: {word}")));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(file.is_some(), "no invariant was found");
}

#[test]
fn every_limit_of_the_readme_is_in_the_code() {
    let page = read("README.md");
    let code: String = ["src", "adapters"].iter().flat_map(|folder| rust_files(&root().join(folder))).collect();
    let last_cells = section(&page, "Limits").lines().filter_map(|line| line.strip_suffix('|')?.rsplit('|').next());
    let names: Vec<&str> = last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let gone: Vec<&&str> = names.iter().filter(|name| !code.contains(&format!("{name}:"))).collect();
    assert!(gone.is_empty() && !names.is_empty(), "README.md names limits that the code has not: {gone:?}");
}

/// The texts of the Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = paths.flat_map(|path| match path.is_dir() {
        true => rust_files(&path),
        false if path.extension().is_some_and(|e| e == "rs") => vec![fs::read_to_string(path).unwrap()],
        false => Vec::new(),
    });
    texts.collect()
}

/// The text under a heading of the second level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = page.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("there is no heading {heading}"));
    let text = &page[start + 4..];
    text.find("\n## ").map_or(text, |end| &text[..end])
}

/// The first cell of each table row whose first cell is one piece of code.
fn first_cells(section: &str) -> impl Iterator<Item = String> {
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(cell, _)| cell.to_owned()))
}

/// Names and versions of a manifest's dependencies.
fn dependencies(manifest: &toml::Value) -> BTreeMap<String, String> {
    let Some(dependencies) = manifest.get("dependencies").and_then(|d| d.as_table()) else { return BTreeMap::new() };
    let version = |value: &toml::Value| value.as_str().or_else(|| value.get("version")?.as_str()).unwrap_or_default().to_owned();
    dependencies.iter().map(|(name, value)| (name.clone(), version(value))).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
