//! How often values stand in canonical records: a sample of each body, from which alarms see that a feed has
//! changed (a column gone empty, a code that was never there).
//!
//! Looked at are the first [`RECORDS_MAX`] accepted records of a body, in them at most
//! [`FIELDS_MAX`] paths that are in no list, and the values of code lists alone: a property with `enum`,
//! or one that is a `currency` or a `country` of the schema's `$defs`. No other value is looked into.

use super::schema::at_path;
use crate::profile::{CODES_MAX, FIELDS_MAX, Profile};
use serde_json::Value;
use std::collections::BTreeMap;

/// Records of a body that are looked at.
pub const RECORDS_MAX: u64 = 1_000;
/// Characters of a code; a longer one is none.
const CODE_CHARS_MAX: usize = 32;
/// Steps of a path.
const STEPS_MAX: usize = 3;

/// A path that is looked at, and whether its values are codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfiledField {
    /// The canonical path.
    pub path: String,
    /// Whether it is a code list.
    pub is_code: bool,
}

/// The paths of a canonical schema that are looked at, in its order.
pub fn profiled(schema: &Value) -> Vec<ProfiledField> {
    let mut fields = Vec::new();
    collect(schema, schema, "", &mut fields);
    fields.truncate(FIELDS_MAX);
    fields
}

fn collect(root: &Value, schema: &Value, path: &str, fields: &mut Vec<ProfiledField>) {
    let members = schema.get("properties").and_then(Value::as_object);
    for (name, member) in members.into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let reference = member.get("$ref").and_then(Value::as_str).unwrap_or_default();
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).unwrap_or(member);
        if target.get("items").is_some() {
            continue;
        }
        if target.get("properties").is_some() {
            if path.split('.').count() < STEPS_MAX {
                collect(root, target, &path, fields);
            }
            continue;
        }
        let is_code = target.get("enum").is_some() || matches!(reference, "#/$defs/currency" | "#/$defs/country");
        fields.push(ProfiledField { path, is_code });
    }
}

/// The sample of one body.
pub struct Sample<'f> {
    fields: &'f [ProfiledField],
    records: u64,
    present: Vec<u64>,
    codes: Vec<BTreeMap<String, u64>>,
}

impl<'f> Sample<'f> {
    /// A sample of nothing yet.
    pub fn new(fields: &'f [ProfiledField]) -> Self {
        Self { fields, records: 0, present: vec![0; fields.len()], codes: vec![BTreeMap::new(); fields.len()] }
    }

    /// Looks at a record, as long as there is room.
    pub fn note(&mut self, record: &Value) {
        if self.records >= RECORDS_MAX {
            return;
        }
        self.records += 1;
        for ((field, present), codes) in self.fields.iter().zip(&mut self.present).zip(&mut self.codes) {
            let Some(value) = at_path(record, &field.path).filter(|value| !value.is_null()) else { continue };
            *present += 1;
            let code = value.as_str().filter(|code| field.is_code && !code.is_empty() && code.chars().count() <= CODE_CHARS_MAX);
            let Some(code) = code else { continue };
            if let Some(known) = codes.get_mut(code) {
                *known += 1;
            } else if codes.len() < CODES_MAX {
                codes.insert(code.to_owned(), 1);
            }
        }
    }

    /// What was seen. Paths that no record has are there with 0.
    pub fn into_profile(self) -> Profile {
        if self.records == 0 {
            return Profile::default();
        }
        let paths = self.fields.iter().map(|field| field.path.clone());
        let codes = self.fields.iter().zip(self.codes);
        Profile {
            records: self.records,
            present: paths.zip(self.present).collect(),
            codes: codes.flat_map(|(field, codes)| codes.into_iter().map(|(code, n)| ((field.path.clone(), code), n))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_and_codes_are_counted() {
        let schema = json!({
            "properties": {
                "id": { "type": "string" },
                "kind": { "enum": ["a", "b"] },
                "money": { "$ref": "#/$defs/money" },
                "lines": { "type": "array", "items": { "properties": { "kind": { "enum": ["x"] } } } },
            },
            "$defs": { "money": { "properties": { "currency": { "$ref": "#/$defs/currency" } } }, "currency": { "type": "string" } },
        });
        let fields = profiled(&schema);
        let paths: Vec<_> = fields.iter().map(|field| (field.path.as_str(), field.is_code)).collect();
        assert_eq!(paths, [("id", false), ("kind", true), ("money.currency", true)]);
        let mut sample = Sample::new(&fields);
        for record in [
            json!({ "id": "1", "kind": "a", "money": { "currency": "CNY" } }),
            json!({ "id": null, "kind": "a", "lines": [{ "kind": "x" }] }),
            json!({ "kind": "b", "money": { "currency": "CNY" } }),
        ] {
            sample.note(&record);
        }
        let profile = sample.into_profile();
        assert_eq!(profile.records, 3);
        let present = profile.present.iter().map(|(path, n)| (path.as_str(), *n)).collect::<Vec<_>>();
        assert_eq!(present, [("id", 1), ("kind", 3), ("money.currency", 2)]);
        let codes = profile.codes.iter().map(|((path, code), n)| (path.as_str(), code.as_str(), *n)).collect::<Vec<_>>();
        assert_eq!(codes, [("kind", "a", 2), ("kind", "b", 1), ("money.currency", "CNY", 2)]);
    }

    #[test]
    fn a_body_chooses_neither_the_records_nor_the_codes_that_are_kept() {
        let fields = profiled(&json!({ "properties": { "code": { "enum": ["any"] } } }));
        let mut sample = Sample::new(&fields);
        (0..RECORDS_MAX + 10).for_each(|number| sample.note(&json!({ "code": number.to_string() })));
        let profile = sample.into_profile();
        assert_eq!((profile.records, profile.codes.len()), (RECORDS_MAX, CODES_MAX));
    }
}
