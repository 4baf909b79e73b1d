//! Bodies looked into without a plan.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use portolan_contract::{Format, Limits};
use portolan_json::Json;

#[track_caller]
fn check(body: &str, expected: &[(&str, u64, u64)], options: &str) {
    let outline = Json.outline(Box::new(body.as_bytes()), &Limits::default()).unwrap().unwrap();
    let told: Vec<_> = outline.paths.iter().map(|path| (path.path.as_str(), path.times, path.times_within_max)).collect();
    assert_eq!(told, expected);
    assert_eq!(outline.options, toml::from_str::<toml::Table>(options).unwrap());
}

#[test]
fn arrays_have_no_segment_of_their_own() {
    check(
        r#"{"id": "1", "rows": [{"n": 1, "ok": true}, {"n": 2.5, "tags": ["x", "y"], "none": null}]}"#,
        &[("$", 1, 1), ("$/id", 1, 1), ("$/rows", 2, 2), ("$/rows/n", 2, 1), ("$/rows/ok", 1, 1), ("$/rows/tags", 2, 2)],
        "numbers = [\"$/rows/n\"]\nbooleans = [\"$/rows/ok\"]\n",
    );
}

#[test]
fn lines_repeat_at_the_top() {
    check("{\"a\": 1}\n{\"a\": \"b\"}\n", &[("$", 2, 2), ("$/a", 2, 1)], "");
}

#[test]
fn members_without_a_name_are_counted_and_left_out() {
    let body = r#"{"a": {"": 1, "b": 2}, "": [{"c": true}, {"c": false}]}"#;
    check(body, &[("$", 1, 1), ("$/a", 1, 1), ("$/a/b", 1, 1)], "numbers = [\"$/a/b\"]\n");
    let outline = Json.outline(Box::new(body.as_bytes()), &Limits::default()).unwrap().unwrap();
    assert_eq!((outline.unnamed, outline.left_out), (3, 0));
}
