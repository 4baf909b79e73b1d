//! The house: who imports whom (`house/imports.toml`), and whether `ARCHITECTURE.md` tells of the tree as it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Imports {
    rule: Vec<Rule>,
}

/// Files or folders, and the texts that must not stand in their code.
#[derive(Deserialize)]
struct Rule {
    says: String,
    who: Vec<String>,
    never: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

#[test]
fn imports_keep_to_the_rules() {
    let imports: Imports = toml::from_str(&read("tests/house/imports.toml")).unwrap();
    let broken: Vec<String> = imports.rule.iter().flat_map(broken).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn adapters_depend_on_the_contract_alone() {
    let mut wrong = Vec::new();
    for manifest in ["adapters/contract", "adapters/xml", "adapters/json", "adapters/csv", "conformance"] {
        let allowed = if manifest.starts_with("adapters/") && manifest != "adapters/contract" { "portolan-contract" } else { "" };
        let found = dependencies(&toml::from_str(&read(&format!("{manifest}/Cargo.toml"))).unwrap());
        wrong.extend(found.keys().filter(|n| n.starts_with("portolan") && *n != allowed).map(|n| format!("{manifest} depends on {n}")));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

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
        } else if let Some(file) = file.filter(|_| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')) {
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            missing.extend((!text.contains(&format!("fn {word}("))).then(|| format!("{file}: {word}")));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(file.is_some(), "no invariant was found");
}

fn broken(rule: &Rule) -> Vec<String> {
    let mut broken = Vec::new();
    for file in rule.who.iter().flat_map(|who| rust_files(&root().join(who))) {
        let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if rule.except.iter().any(|except| Path::new(&name).starts_with(except)) {
            continue;
        }
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            broken.extend(rule.never.iter().filter(|never| code.contains(*never)).map(|never| {
                let line = number + 1;
                format!("{name}:{line}: {never}; but {}", rule.says)
            }));
        }
    }
    broken
}

fn rust_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|p| p.is_dir() || p.extension().is_some_and(|e| e == "rs")).flat_map(|p| rust_files(&p)).collect()
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
