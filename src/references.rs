//! References of a body's records to messages of another flow, such as an answer's to the debit that
//! it answers, or to records, such as a correction's to what it corrects. Translation collects them,
//! without looking anything up; before the commit they are looked for in the journal, all those of a
//! body at once, and a reference to nothing known is a finding.
//!
//! A message is known once a body with its id had something accepted, a record once it was accepted
//! and by its business key, whoever sent it. Of one body the first [`REFERENCES_MAX`] distinct
//! references are looked for; that there were more is a warning.

use crate::config::Reference;
use crate::domain::{Finding, Outcome, Severity};
use crate::fault::FaultCode;
use crate::journal::{Journal, JournalError};
use crate::mapping::Canonical;
use crate::mapping::numbered;
use crate::mapping::schema::at_path;
use crate::translate::Translated;
use portolan_contract::{Position, Words};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Distinct references of one body that are looked for.
pub const REFERENCES_MAX: usize = 1_000;

/// The distinct references of a body's records, each with the first record that has it.
#[derive(Debug, Default)]
pub struct References {
    first: BTreeMap<String, First>,
    /// A record that has one more than fit.
    beyond: Option<(u64, Position)>,
}

/// One reference.
#[derive(Debug, PartialEq)]
struct First {
    /// What stands at the path that holds it.
    id: String,
    /// The first record that has it.
    place: (u64, Position),
    /// The other record as far as its business key goes; null for a message.
    key: Value,
}

/// The flow that is referred to, as far as its records are looked for.
pub struct Referred<'f> {
    /// What makes its records the same.
    pub canonical: &'f Canonical,
    /// Among which keys they are: those of each of its senders.
    pub spaces: Vec<String>,
}

impl References {
    /// Takes note of what one accepted record refers to.
    pub fn note(&mut self, reference: &Reference, canonical: &Value, record: u64, at: Position) {
        let Some(id) = at_path(canonical, &reference.field).and_then(Value::as_str) else { return };
        let mut key = Value::Null;
        for (theirs, ours) in &reference.key {
            at_path(canonical, ours).into_iter().for_each(|value| put(&mut key, theirs, value));
        }
        // Keys of several values differ where one of these does.
        let told = if key.is_null() { id.to_owned() } else { key.to_string() };
        if self.first.contains_key(&told) {
            return;
        }
        if self.first.len() == REFERENCES_MAX {
            self.beyond.get_or_insert((record, at));
            return;
        }
        self.first.insert(told, First { id: id.to_owned(), place: (record, at), key });
    }
}

/// Puts a value at a canonical path, making the objects on the way.
fn put(object: &mut Value, path: &str, value: &Value) {
    if object.is_null() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(members) = object else { return };
    match path.split_once('.') {
        None => drop(members.insert(path.to_owned(), value.clone())),
        Some((name, rest)) => put(members.entry(name).or_insert(Value::Null), rest, value),
    }
}

/// Looks for what the records of a body refer to, and adds what is found to its verdict.
///
/// # Errors
/// When the journal cannot be read.
pub async fn look_up(
    journal: &dyn Journal,
    reference: &Reference,
    referred: Option<Referred<'_>>,
    mut translated: Translated,
) -> Result<Translated, JournalError> {
    if translated.verdict.outcome == Outcome::Refused {
        return Ok(translated);
    }
    let references = std::mem::take(&mut translated.references);
    let first: Vec<First> = references.first.into_values().collect();
    let known = match referred.filter(|_| !reference.key.is_empty()) {
        Some(Referred { canonical, spaces }) => {
            journal.known_records(spaces, first.iter().map(|first| canonical.business_key(&first.key)).collect()).await?
        }
        None => known_messages(journal, reference, &first).await?,
    };
    for (First { id, place, .. }, _) in first.iter().zip(known).filter(|(_, known)| !known) {
        let (flow, max) = (&reference.flow, crate::domain::FOUND_CHARS_MAX);
        let (zh, en) = if reference.key.is_empty() { ("报文", "message") } else { ("记录", "record") };
        let words = Words::new(
            format!("所引用的{zh}在交换业务 {flow} 中不存在"),
            format!("the {en} that it refers to is not known in the flow {flow}"),
        );
        let found = Some(id.chars().take(max).collect());
        add(&mut translated, finding(reference, reference.unknown, "reference.unknown", *place, found, words));
    }
    if let Some(place) = references.beyond {
        let words = Words::new(
            format!("报文引用的不同对象超过 {REFERENCES_MAX} 个，其余未核对"),
            format!("the body has more than {REFERENCES_MAX} references; the others were not looked for"),
        );
        add(&mut translated, finding(reference, Severity::Warning, "reference.unchecked", place, None, words));
    }
    let refused = translated.verdict.findings.iter().any(|f| f.rule == "reference.unknown" && f.severity == Severity::Error);
    if !refused {
        return Ok(translated);
    }
    translated.refuse(FaultCode::RecordsRefused).map_err(|e| JournalError::Unavailable(e.to_string()))
}

/// Whether each message is known by its id, or is the later delivery of one that is.
async fn known_messages(journal: &dyn Journal, reference: &Reference, first: &[First]) -> Result<Vec<bool>, JournalError> {
    let mut known = journal.known_messages(&reference.flow, first.iter().map(|first| first.id.clone()).collect()).await?;
    let origin = |(at, first): (usize, &First)| Some((at, numbered::origin(&first.id)?.to_owned()));
    let (places, origins): (Vec<usize>, Vec<String>) =
        first.iter().enumerate().filter(|(at, _)| known.get(*at) == Some(&false)).filter_map(origin).unzip();
    if origins.is_empty() {
        return Ok(known);
    }
    for (at, is_known) in places.into_iter().zip(journal.known_messages(&reference.flow, origins).await?) {
        known.get_mut(at).into_iter().for_each(|known| *known = is_known);
    }
    Ok(known)
}

fn finding(reference: &Reference, severity: Severity, rule: &str, place: (u64, Position), found: Option<String>, words: Words) -> Finding {
    let (record, at) = place;
    let canonical = Some(reference.field.clone());
    Finding { severity, rule: rule.to_owned(), record: Some(record), part: None, at, source: None, canonical, found, words }
}

/// There are few of these, and they are always kept.
fn add(translated: &mut Translated, finding: Finding) {
    translated.verdict.counts.warnings += u64::from(finding.severity == Severity::Warning);
    translated.verdict.findings.push(finding);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(line: u64) -> Position {
        Position { line, byte: 0, column: 0 }
    }

    fn noted(reference: &Reference, records: impl IntoIterator<Item = Value>) -> References {
        let mut references = References::default();
        (1..).zip(records).for_each(|(record, canonical)| references.note(reference, &canonical, record, at(record)));
        references
    }

    #[test]
    fn references_are_told_apart_up_to_a_limit() {
        let reference = Reference { flow: "debits".parse().unwrap(), field: "a.id".to_owned(), key: Vec::new(), unknown: Severity::Error };
        let references = noted(&reference, [json!({"a": {"id": "x"}}), json!({"a": {"id": "x"}}), json!({"a": {}}), json!({})]);
        let x = First { id: "x".to_owned(), place: (1, at(1)), key: Value::Null };
        assert_eq!(references.first, BTreeMap::from([("x".to_owned(), x)]));
        let many = (0..REFERENCES_MAX + 5).map(|number| json!({"a": {"id": number.to_string()}}));
        let references = noted(&reference, many);
        assert_eq!(references.first.len(), REFERENCES_MAX);
        assert_eq!(references.beyond, Some((REFERENCES_MAX as u64 + 1, at(REFERENCES_MAX as u64 + 1))));
    }

    #[test]
    fn a_record_is_referred_to_by_all_of_its_key() {
        let key = [("of.operator", "operator"), ("of.id", "corrects"), ("version", "version")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let reference =
            Reference { flow: "incomes".parse().unwrap(), field: "corrects".to_owned(), key: key.into(), unknown: Severity::Error };
        let record = |operator: &str| json!({"operator": operator, "corrects": "1", "id": "2"});
        let references = noted(&reference, [record("A"), record("B"), record("A"), json!({"operator": "A"})]);
        let keys: Vec<&Value> = references.first.values().map(|first| &first.key).collect();
        assert_eq!(keys, [&json!({"of": {"operator": "A", "id": "1"}}), &json!({"of": {"operator": "B", "id": "1"}})]);
    }
}
