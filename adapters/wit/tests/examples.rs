//! The examples' build command, as an adapter's author runs it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../tests/support/tools.rs"]
mod tools;

use std::path::Path;
use std::process::Command;

/// How a component begins, by the component model's binary format.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn each_example_is_built_by_its_command() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folder = tempfile::tempdir().unwrap();
    for name in ["stanza", "hostile"] {
        let built = folder.path().join(name);
        let mut command = Command::new(examples.join("build"));
        command.arg(name).arg(&built).env("PYTHON", tools::python()).env("WIT_TOOL", env!("CARGO_BIN_EXE_portolan-wit"));
        let output = command.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::read(&built).unwrap().starts_with(COMPONENT), "{name}");
    }
}

#[test]
fn a_module_that_does_not_fit_is_refused() {
    // A core module without anything in it.
    let message = portolan_wit::component(b"\0asm\x01\0\0\0").unwrap_err();
    assert!(message.contains("portolan:adapter/format@1.0.0"), "{message}");
    assert!(portolan_wit::component(b"no module").is_err());
}
