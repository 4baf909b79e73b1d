//! Canonical schemas: `canonical/NAME.vN.schema.json`, JSON Schema 2020-12, compiled once.
//!
//! Beside the schema proper a file says under `x-portolan` which paths make a record the same
//! fact (`key`) and which hold decimals as text (`decimal`). Nothing is ever fetched: a reference
//! that leaves the file fails at load.

use super::profile::{ProfiledField, profiled};
use crate::domain::Digest;
use portolan_contract::Words;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ways in which one record does not fit its schema that are told apart; there may be one for each
/// value of each item of a list, and the record is refused for the first.
pub const SCHEMA_FINDINGS_MAX: usize = 10_000;

/// Places of one schema, those that its references repeat counted again.
const PLACES_MAX: usize = 10_000;
/// Steps from the top below which references are not followed: a schema that refers to itself has no end.
const REFERENCE_LEVEL_MAX: usize = 32;

/// A canonical record's schema, ready to check records.
pub struct Canonical {
    /// `NAME.vN`.
    pub name: String,
    /// The file's text.
    pub text: Arc<str>,
    /// Its digest.
    pub digest: Digest,
    validator: jsonschema::Validator,
    annotations: Annotations,
    titles: BTreeMap<String, Words>,
    /// Paths of arrays.
    lists: BTreeSet<String>,
    /// What a body's profile is made of.
    profiled: Vec<ProfiledField>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    #[serde(default)]
    key: Vec<Vec<String>>,
    /// Paths of references of which one must be there: without any, a record has no key, because
    /// two facts may well agree in everything else.
    #[serde(default)]
    key_if: Vec<String>,
    #[serde(default)]
    decimal: BTreeSet<String>,
}

/// One way in which a record does not fit its schema.
pub struct SchemaFinding {
    /// The rule's id, such as `schema.required`.
    pub rule: String,
    /// The canonical path.
    pub path: String,
    /// What was expected.
    pub words: Words,
}

impl Canonical {
    /// Compiles a schema.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn compile(name: &str, text: &str) -> Result<Self, String> {
        let schema: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&schema)
            .map_err(|e| format!("not a JSON Schema 2020-12 that can be compiled: {e}"))?;
        let annotations = match schema.get("x-portolan") {
            Some(given) => Annotations::deserialize(given).map_err(|e| format!("x-portolan: {e}"))?,
            None => Annotations::default(),
        };
        let Paths { titles, lists, .. } = Paths::of(&schema)?;
        for path in annotations.key.iter().flatten().chain(&annotations.key_if).chain(&annotations.decimal) {
            if !titles.contains_key(path) {
                return Err(format!("x-portolan names {path:?}, which the schema has no title for"));
            }
        }
        let profiled = profiled(&schema);
        let digest = Digest::of(text.as_bytes());
        Ok(Self { name: name.to_owned(), text: text.into(), digest, validator, annotations, titles, lists, profiled })
    }

    /// The record's name without its version: the space in which business keys are unique.
    pub fn key_space(&self) -> &str {
        self.name.rsplit_once(".v").map_or(&self.name, |(name, _)| name)
    }

    /// Canonical paths that hold decimals as text.
    pub fn decimals(&self) -> &BTreeSet<String> {
        &self.annotations.decimal
    }

    /// The title of a canonical path, whatever its list indexes; the path itself where it has none.
    pub fn title(&self, path: &str) -> Words {
        let steps: Vec<&str> = path.split('.').filter(|step| step.parse::<usize>().is_err()).collect();
        self.titles.get(&steps.join(".")).cloned().unwrap_or_else(|| Words::new(path, path))
    }

    /// Whether the schema knows a canonical path.
    pub fn knows(&self, path: &str) -> bool {
        self.titles.contains_key(path)
    }

    /// The paths that a body's profile is made of.
    pub fn profiled(&self) -> &[ProfiledField] {
        &self.profiled
    }

    /// Whether a canonical path is that of an array.
    pub fn is_list(&self, path: &str) -> bool {
        self.lists.contains(path)
    }

    /// Every canonical path with its title, in alphabetical order.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &Words)> {
        self.titles.iter().map(|(path, words)| (path.as_str(), words))
    }

    /// Checks a record; the first [`SCHEMA_FINDINGS_MAX`] findings, in the order of the schema.
    pub fn check(&self, record: &Value) -> Vec<SchemaFinding> {
        if self.validator.is_valid(record) {
            return Vec::new();
        }
        self.validator.iter_errors(record).flat_map(|e| findings(&e)).take(SCHEMA_FINDINGS_MAX).collect()
    }

    /// The first 16 bytes of the SHA-256 of the record's business key; zero where it has none.
    pub fn business_key(&self, record: &Value) -> [u8; 16] {
        let references = &self.annotations.key_if;
        if !references.is_empty() && !references.iter().any(|path| at_path(record, path).is_some()) {
            return [0; 16];
        }
        let mut text = String::new();
        let mut any = false;
        for component in &self.annotations.key {
            if let Some(value) = component.iter().find_map(|path| at_path(record, path)) {
                any = true;
                match value {
                    Value::String(s) => text.push_str(s),
                    other => text.push_str(&other.to_string()),
                }
            }
            // A separator that no text of a record may contain keeps neighbours apart.
            text.push('\u{0}');
        }
        let mut key = [0; 16];
        if any {
            key.copy_from_slice(&Digest::of(text.as_bytes()).0[..16]);
        }
        key
    }
}

/// The value at a canonical path (names joined by `.`), lists not entered.
pub fn at_path<'v>(record: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(record, |value, name| value.get(name))
}

/// The paths of a schema; the items of a list have the list's path.
#[derive(Default)]
struct Paths {
    titles: BTreeMap<String, Words>,
    /// Paths of arrays.
    lists: BTreeSet<String>,
    /// Places that were looked at.
    places: usize,
}

impl Paths {
    fn of(schema: &Value) -> Result<Self, String> {
        let mut paths = Self::default();
        paths.collect(schema, schema, "", 0)?;
        Ok(paths)
    }

    /// Collects what stands below a place, `level` steps from the top.
    fn collect(&mut self, root: &Value, schema: &Value, path: &str, level: usize) -> Result<(), String> {
        self.places += 1;
        if self.places > PLACES_MAX {
            return Err(format!("the schema has more than {PLACES_MAX} places, with those that its references repeat"));
        }
        let schema = match schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
            Some(pointer) => match root.pointer(pointer) {
                Some(target) if level <= REFERENCE_LEVEL_MAX => target,
                _ => return Ok(()),
            },
            None => schema,
        };
        let members = schema.get("properties").and_then(Value::as_object);
        for (name, member) in members.into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let text = |key: &str| member.get(key).and_then(Value::as_str).unwrap_or(name).to_owned();
            self.titles.insert(path.clone(), Words::new(text("x-title-zh"), text("title")));
            self.collect(root, member, &path, level + 1)?;
        }
        if let Some(items) = schema.get("items") {
            self.lists.insert(path.to_owned());
            self.collect(root, items, path, level + 1)?;
        }
        Ok(())
    }
}

fn findings(error: &jsonschema::ValidationError<'_>) -> Vec<SchemaFinding> {
    use jsonschema::error::ValidationErrorKind as Kind;
    let path = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let one = |path: String, zh: String, en: String| {
        vec![SchemaFinding { rule: format!("schema.{}", keyword(error)), path, words: Words::new(zh, en) }]
    };
    match error.kind() {
        Kind::Required { property } => {
            one(below(property.as_str().unwrap_or_default()), "缺少必填项".into(), "a required value is missing".into())
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .flat_map(|name| one(below(name), "标准记录中没有此项".into(), "the canonical record has no such value".into()))
            .collect(),
        Kind::Enum { options } => one(path.clone(), format!("应为其中之一：{options}"), format!("one of {options} is expected")),
        Kind::Pattern { pattern } => one(path.clone(), format!("不符合格式 {pattern}"), format!("it does not match {pattern}")),
        Kind::MaxLength { limit } => one(path.clone(), format!("最多 {limit} 个字符"), format!("at most {limit} characters are allowed")),
        Kind::MinLength { limit } => one(path.clone(), format!("至少 {limit} 个字符"), format!("at least {limit} characters are needed")),
        Kind::Minimum { limit } | Kind::ExclusiveMinimum { limit } => {
            one(path.clone(), format!("低于下限 {limit}"), format!("it is below {limit}"))
        }
        Kind::Maximum { limit } | Kind::ExclusiveMaximum { limit } => {
            one(path.clone(), format!("超过上限 {limit}"), format!("it is above {limit}"))
        }
        Kind::MinItems { limit } => one(path.clone(), format!("至少 {limit} 项"), format!("at least {limit} items are needed")),
        Kind::MaxItems { limit } => one(path.clone(), format!("最多 {limit} 项"), format!("at most {limit} items are allowed")),
        // Without the value itself, which may be a whole list.
        _ => one(path.clone(), "不符合标准记录的结构".into(), error.masked().to_string()),
    }
}

fn keyword<'e>(error: &'e jsonschema::ValidationError<'_>) -> &'e str {
    error.kind().keyword()
}
