//! In which values two canonical records differ.

use super::read::dotted;
use serde_json::Value;
use std::collections::BTreeSet;

/// Is told where two records differ: the canonical path, with the indexes of lists from 0, and what either has there, if anything.
pub type Tell<'t> = dyn FnMut(&str, Option<&Value>, Option<&Value>) + 't;

/// Tells of every value in which two records differ, from a canonical path on.
pub fn differences(path: &str, one: Option<&Value>, other: Option<&Value>, tell: &mut Tell<'_>) {
    match (one, other) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().for_each(|name| differences(&dotted(path, name), one.get(name), other.get(name), tell));
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            (0..one.len().max(other.len())).for_each(|n| differences(&dotted(path, &n.to_string()), one.get(n), other.get(n), tell));
        }
        (one, other) if one == other => {}
        (one, other) => tell(path, one, other),
    }
}
