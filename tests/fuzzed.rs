//! What fuzzing has found, again: every input in `fuzz/found/TARGET/` goes through its target's own check (`fuzz/src`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "a target without a finding is not called here")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;
#[cfg(feature = "wasm-adapters")]
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::path::PathBuf;

/// A target's check.
type Check = fn(&[u8]);

/// The targets of `fuzz/fuzz_targets`.
const TARGETS: &[(&str, Check)] = &[
    ("cel", fuzz::cel::check),
    ("coding", fuzz::coding::check),
    ("config", fuzz::config::check),
    ("containers", fuzz::mapped::contained),
    ("csv", fuzz::adapter::csv),
    ("draft", fuzz::draft::check),
    ("edifact", fuzz::adapter::edifact),
    ("fixed", fuzz::adapter::fixed),
    ("json", fuzz::adapter::json),
    ("mapping_compile", fuzz::compile::check),
    ("mapping_read", fuzz::mapped::shipped),
    ("mt940", fuzz::adapter::mt940),
    ("query", fuzz::query::check),
    ("text", fuzz::text::check),
    #[cfg(feature = "wasm-adapters")]
    ("wasm", fuzz::outside::check),
    ("xlsx", fuzz::adapter::xlsx),
    ("xml", fuzz::adapter::xml),
];

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(fuzz::folder(folder)).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn what_was_found_is_mended() {
    #[cfg(feature = "wasm-adapters")]
    fuzz::outside::PYTHON.set(tools::python()).unwrap();
    let mut checked = 0;
    for (target, check) in TARGETS {
        for input in files(&format!("fuzz/found/{target}")) {
            println!("{}", input.display());
            check(&fs::read(&input).unwrap());
            checked += 1;
        }
    }
    assert!(checked > 0, "nothing in fuzz/found");
}

#[test]
fn each_target_is_known_here() {
    let known = |name: &str| name == "wasm" || TARGETS.iter().any(|(target, _)| *target == name);
    let targets = files("fuzz/fuzz_targets");
    assert!(!targets.is_empty());
    for file in targets.into_iter().chain(files("fuzz/found")) {
        let name = file.file_stem().unwrap().to_string_lossy();
        assert!(known(&name), "tests/fuzzed.rs does not know {name}");
    }
}
