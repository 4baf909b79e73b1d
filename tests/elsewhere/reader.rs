//! Bodies read by a program that is not ours: the script of a mapping, and what it tells.

use crate::tools;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Canonical path → text: `items[0].name`.
pub type Flat = BTreeMap<String, String>;

/// What a script tells of the bodies in a folder.
pub struct Told {
    /// Canonical paths that it does not read, each with its reason.
    pub not_read: BTreeMap<String, String>,
    /// The records of each body, in the order of the bodies' names.
    pub bodies: Vec<Vec<Flat>>,
}

#[derive(Deserialize)]
struct Promise {
    not_read: BTreeMap<String, String>,
}

/// Reads the bodies of a mapping's format that are in a folder, with one start of its script.
pub fn read(mapping: &str, bodies: &Path) -> Result<Told, String> {
    let output = Command::new(tools::python()).arg(script(mapping)).arg(bodies).arg(mapping).output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("the script failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let told = String::from_utf8(output.stdout).map_err(|e| e.to_string())?;
    let mut lines = told.lines();
    let Promise { not_read } = serde_json::from_str(lines.next().unwrap_or_default()).map_err(|e| format!("its first line: {e}"))?;
    if not_read.values().any(String::is_empty) {
        return Err("a path that the script does not read has no reason".to_owned());
    }
    let bodies = lines.enumerate().map(|(number, line)| serde_json::from_str(line).map_err(|e| format!("body {number:04}: {e}")));
    Ok(Told { not_read, bodies: bodies.collect::<Result<_, _>>()? })
}

pub fn compare(expected: &Flat, read: &Flat) -> Result<(), String> {
    for path in expected.keys().chain(read.keys()) {
        if expected.get(path) != read.get(path) {
            return Err(format!("{path} should be {:?} and is {:?}", expected.get(path), read.get(path)));
        }
    }
    Ok(())
}

/// Canonical path → text: `items[0].name`.
pub fn flattened(record: &Value) -> Flat {
    fn walk(path: String, value: &Value, into: &mut Flat) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(path, value, into);
            }),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| walk(format!("{path}[{index}]"), item, into)),
            Value::String(text) => drop(into.insert(path, text.clone())),
            other => drop(into.insert(path, other.to_string())),
        }
    }
    let mut flat = BTreeMap::new();
    walk(String::new(), record, &mut flat);
    flat
}

pub fn without_indices(path: &str) -> String {
    path.split('.').map(|name| name.split('[').next().unwrap_or_default()).collect::<Vec<_>>().join(".")
}

/// The script of a mapping: that of its name, of the canonical record for one in JSON, and of the same table for
/// one in a workbook.
pub fn script(mapping: &str) -> PathBuf {
    let name = if mapping.ends_with("-json") { "canonical-json" } else { mapping.strip_suffix("-xlsx").unwrap_or(mapping) };
    folder().join(format!("{name}.py"))
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/elsewhere")
}
