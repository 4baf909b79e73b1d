//! The commands with an adapter from outside.

use crate::built::{mappings, root};
use crate::support::portolan;
use std::path::Path;
use std::process::Output;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    portolan().current_dir(folder).args(arguments).output().unwrap()
}

fn case(name: &str) -> String {
    std::fs::read_to_string(root().join("adapters/wit/examples/stanza/mapping/cases").join(name)).unwrap()
}

#[test]
fn the_example_passes_its_cases_both_ways() {
    let folder = mappings();
    let checked = run(folder.path(), &["check", "--mappings", "."]);
    assert!(checked.status.success(), "{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    let tested = run(folder.path(), &["map", "test", "stanza-payments"]);
    assert!(tested.status.success(), "{}{}", String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
}

#[test]
fn a_body_is_converted_both_ways() {
    let folder = mappings();
    let body = "stanza-payments/cases/two.in.txt";
    let read = run(folder.path(), &["convert", "--mappings", ".", "--mapping", "stanza-payments", body]);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let values = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>();
    assert_eq!(values(&String::from_utf8_lossy(&read.stdout)), values(&case("two.out.ndjson")));
    // The same mapping the other way: all but the line that no mapping asks for.
    let arguments = ["convert", "--mappings", ".", "--mapping", "stanza-payments", "--to", "stanza-payments", body];
    let written = run(folder.path(), &arguments);
    let expected: String = case("two.in.txt").split_inclusive('\n').filter(|line| !line.starts_with("note=")).collect();
    assert_eq!(String::from_utf8_lossy(&written.stdout), expected, "{}", String::from_utf8_lossy(&written.stderr));
}

#[test]
fn a_failure_is_told_as_any_other() {
    let folder = mappings();
    std::fs::write(folder.path().join("bad.txt"), "trap").unwrap();
    let read = run(folder.path(), &["convert", "--mappings", ".", "--mapping", "hostile", "bad.txt"]);
    assert!(!read.status.success());
    let told = String::from_utf8_lossy(&read.stderr);
    assert!(told.contains("syntax.adapter-failed") && told.contains("外部格式适配器 hostile 失败"), "{told}");
}
