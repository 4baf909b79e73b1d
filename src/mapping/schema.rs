//! Canonical schemas: `canonical/NAME.vN.schema.json`, JSON Schema 2020-12, compiled once.
//!
//! Beside the schema proper a file says under `x-portolan` which paths make a record the same
//! fact (`key`), which hold decimals as text (`decimal`), which are personal (`personal`), and what daily statements
//! add up (`statement`). Nothing is ever fetched: a reference
//! that leaves the file fails at load.

use super::compile::CompileProblem;
use super::json_place::{line_of_part, value_at};
use super::profile::{ProfiledField, profiled};
use crate::amounts::Noted;
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
    /// A draft may still say [`UNMAPPED`] of its values.
    takes_unmapped: bool,
}

/// The step of a canonical path with which a draft says that none has been chosen yet.
pub const UNMAPPED: &str = "unmapped";

/// Whether a draft says of a canonical path that none has been chosen yet.
pub fn is_unmapped(path: &str) -> bool {
    path.split('.').any(|step| step == UNMAPPED)
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
    /// Paths of values that are personal, with all below them.
    #[serde(default)]
    personal: BTreeSet<String>,
    #[serde(default)]
    statement: Statement,
}

/// Where a record has what daily statements add up; each is a path outside lists.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    /// The amount, one of `decimal`.
    amount: Option<String>,
    /// Its currency.
    currency: Option<String>,
    /// Which way the money goes, where records go both ways.
    direction: Option<String>,
    /// The work date (工作日期).
    work_date: Option<String>,
    /// The booking date (记账日期).
    booking_date: Option<String>,
}

impl Statement {
    fn paths(&self) -> impl Iterator<Item = &String> {
        [&self.amount, &self.currency, &self.direction, &self.work_date, &self.booking_date].into_iter().flatten()
    }

    /// What is wrong with it, in words.
    fn check(&self, decimals: &BTreeSet<String>, lists: &BTreeSet<String>) -> Result<(), String> {
        if self.amount.is_some() != self.currency.is_some() {
            return Err("x-portolan: `statement` names `amount` and `currency` together, or neither".to_owned());
        }
        if let Some(amount) = self.amount.as_ref().filter(|amount| !decimals.contains(*amount)) {
            return Err(format!("x-portolan: `statement` adds up {amount:?}, which is not among `decimal`"));
        }
        let in_list = |path: &&String| lists.iter().any(|list| path.strip_prefix(list.as_str()).is_some_and(|rest| rest.starts_with('.')));
        self.paths().find(in_list).map_or(Ok(()), |path| Err(format!("x-portolan: `statement` names {path:?}, which is in a list")))
    }
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
    /// What is wrong with it, with its line.
    pub fn compile(name: &str, text: &str) -> Result<Self, CompileProblem> {
        let schema: Value =
            serde_json::from_str(text).map_err(|e| CompileProblem { line: e.line().max(1), message: format!("this is not JSON: {e}") })?;
        let at = |part: &str, message: String| CompileProblem { line: line_of_part(text, part), message };
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&schema)
            .map_err(|e| {
                let pointer = e.instance_path().as_str().to_owned();
                let part = value_at(text, pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")));
                at(part, format!("not a JSON Schema 2020-12 that can be compiled: {e}"))
            })?;
        let own = value_at(text, ["x-portolan"]);
        let annotations = match schema.get("x-portolan") {
            Some(given) => Annotations::deserialize(given).map_err(|e| at(own, format!("x-portolan: {e}")))?,
            None => Annotations::default(),
        };
        let Paths { titles, lists, .. } = Paths::of(&schema).map_err(|message| at(text, message))?;
        let Annotations { key, key_if, decimal, personal, statement } = &annotations;
        for path in key.iter().flatten().chain(key_if).chain(decimal).chain(personal).chain(statement.paths()) {
            if !titles.contains_key(path) {
                let part = own.find(&format!("{path:?}")).map_or(own, |byte| own.get(byte..).unwrap_or(own));
                return Err(at(part, format!("x-portolan names {path:?}, which the schema has no title for")));
            }
        }
        annotations.statement.check(&annotations.decimal, &lists).map_err(|message| at(own, message))?;
        let mut canonical = Self {
            name: name.to_owned(),
            text: text.into(),
            digest: Digest::of(text.as_bytes()),
            validator,
            annotations,
            titles,
            lists,
            profiled: profiled(&schema),
            takes_unmapped: false,
        };
        // What is personal is counted nowhere.
        let personal: Vec<bool> = canonical.profiled.iter().map(|field| canonical.is_personal(&field.path)).collect();
        let mut personal = personal.into_iter();
        canonical.profiled.retain(|_| !personal.next().unwrap_or_default());
        Ok(canonical)
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

    /// Whether it marks anything as personal.
    pub fn has_personal(&self) -> bool {
        !self.annotations.personal.is_empty()
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
        self.titles.contains_key(path) || (self.takes_unmapped && is_unmapped(path))
    }

    /// What daily statements add up of a record.
    pub fn noted<'r>(&self, record: &'r Value) -> Noted<'r> {
        let Statement { amount, currency, direction, work_date, booking_date } = &self.annotations.statement;
        let text = |path: &Option<String>| at_path(record, path.as_ref()?)?.as_str();
        let date = |path: &Option<String>| path.as_ref().map(|path| at_path(record, path).and_then(Value::as_str).unwrap_or_default());
        Noted {
            amount: text(amount),
            currency: text(currency),
            direction: text(direction),
            work_date: date(work_date),
            booking_date: date(booking_date),
        }
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

    /// The paths that make up a record's business key, in their order; of each component the first that a record has counts.
    pub fn key(&self) -> &[Vec<String>] {
        &self.annotations.key
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
