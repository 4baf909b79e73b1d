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

#[test]
fn what_the_adapter_says_of_a_body_is_told_with_its_place() {
    let folder = mappings();
    // Bytes counted by hand; the second line ends with a byte that begins nothing in UTF-8.
    let cases: [(&[u8], &str, &str); 4] = [
        (b"batch=B\n==\nnumber=1\n", "syntax.truncated", "line 4, byte 20"),
        (b"batch=B\nnote=\xff\n==\n", "encoding.bytes", "line 2, byte 13"),
        (b"batch=B\r\n==\r\nnumber\r\n", "syntax.malformed", "line 3, byte 13"),
        (b"batch=B\nbatch=C\n", "syntax.duplicate-key", "line 2, byte 14"),
    ];
    for (body, code, place) in cases {
        std::fs::write(folder.path().join("body.txt"), body).unwrap();
        let read = run(folder.path(), &["convert", "--mappings", ".", "--mapping", "stanza-payments", "body.txt"]);
        let told = String::from_utf8_lossy(&read.stderr);
        assert!(!read.status.success() && told.contains(code) && told.contains(place), "{told}");
    }
}
