//! Canonical schemas: `canonical/NAME.vN.schema.json`, JSON Schema 2020-12, compiled once.
//!
//! Beside the schema proper a file says under `x-portolan` which paths make a record the same
//! fact (`key`), which hold decimals as text (`decimal`) and which are personal (`personal`). Nothing is ever fetched: a reference
//! that leaves the file fails at load.

use crate::domain::Digest;
use portolan_contract::Words;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ways in which one record does not fit its schema that are told apart; there may be one for each
/// value of each item of a list, and the record is refused for the first.
pub const SCHEMA_FINDINGS_MAX: usize = 10_000;

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
    /// A draft may still say [`UNMAPPED`] of its values.
    takes_unmapped: bool,
}

/// The step of a canonical path with which a draft says that none has been chosen yet.
pub const UNMAPPED: &str = "unmapped";

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
    /// Paths of values that are personal, with all below them.
    #[serde(default)]
    personal: BTreeSet<String>,
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
        let (mut titles, mut lists) = (BTreeMap::new(), BTreeSet::new());
        collect_titles(&schema, &schema, "", &mut titles, &mut lists);
        for path in annotations.key.iter().flatten().chain(&annotations.key_if).chain(&annotations.decimal).chain(&annotations.personal) {
            if !titles.contains_key(path) {
                return Err(format!("x-portolan names {path:?}, which the schema has no title for"));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            text: text.into(),
            digest: Digest::of(text.as_bytes()),
            validator,
            annotations,
            titles,
            lists,
            takes_unmapped: false,
        })
    }

    /// The same schema for a draft, whose values need not have a place in it yet.
    #[must_use]
    pub fn of_draft(mut self) -> Self {
        self.takes_unmapped = true;
        self
    }

    /// The record's name without its version: the space in which business keys are unique.
    pub fn key_space(&self) -> &str {
        self.name.rsplit_once(".v").map_or(&self.name, |(name, _)| name)
    }

    /// Canonical paths that hold decimals as text.
    pub fn decimals(&self) -> &BTreeSet<String> {
        &self.annotations.decimal
    }

    /// Whether a canonical path, whatever its list indexes, holds a personal value or is below one that does.
    pub fn is_personal(&self, path: &str) -> bool {
        let personal = &self.annotations.personal;
        let mut above = String::new();
        path.split('.').filter(|step| step.parse::<usize>().is_err()).any(|step| {
            above = if above.is_empty() { step.to_owned() } else { format!("{above}.{step}") };
            personal.contains(&above)
        })
    }

    /// The title of a canonical path, whatever its list indexes; the path itself where it has none.
    pub fn title(&self, path: &str) -> Words {
        let steps: Vec<&str> = path.split('.').filter(|step| step.parse::<usize>().is_err()).collect();
        self.titles.get(&steps.join(".")).cloned().unwrap_or_else(|| Words::new(path, path))
    }

    /// Whether it is that of a draft.
    pub fn is_of_draft(&self) -> bool {
        self.takes_unmapped
    }

    /// The values that every record must have.
    pub fn required(&self) -> Vec<String> {
        let schema: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let names = schema.get("required").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Whether the schema knows a canonical path.
    pub fn knows(&self, path: &str) -> bool {
        self.titles.contains_key(path) || (self.takes_unmapped && path.split('.').any(|step| step == UNMAPPED))
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

/// Collects the titles of all properties; the items of a list have the list's path and `[]` left out.
fn collect_titles(root: &Value, schema: &Value, path: &str, titles: &mut BTreeMap<String, Words>, lists: &mut BTreeSet<String>) {
    let schema = match schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
        Some(pointer) => match root.pointer(pointer) {
            Some(target) if path.split('.').count() <= 16 => target,
            _ => return,
        },
        None => schema,
    };
    let members = schema.get("properties").and_then(Value::as_object);
    for (name, member) in members.into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let text = |key: &str| member.get(key).and_then(Value::as_str).unwrap_or(name).to_owned();
        titles.insert(path.clone(), Words::new(text("x-title-zh"), text("title")));
        collect_titles(root, member, &path, titles, lists);
    }
    if let Some(items) = schema.get("items") {
        lists.insert(path.to_owned());
        collect_titles(root, items, path, titles, lists);
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
