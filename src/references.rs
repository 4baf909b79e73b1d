//! References of a body's records to messages of another flow, such as an answer's to the debit that
//! it answers. Translation collects them, without looking anything up; before the commit they are
//! looked for in the journal, and a reference to nothing known is a finding.
//!
//! A message is known once a body with its id had something accepted, whoever sent it. Of one body
//! the first [`REFERENCES_MAX`] distinct references are looked for; that there were more is a warning.

use crate::config::Reference;
use crate::domain::{Finding, Outcome, Severity};
use crate::fault::FaultCode;
use crate::journal::{Journal, JournalError};
use crate::mapping::numbered;
use crate::mapping::schema::at_path;
use crate::translate::Translated;
use portolan_contract::{Position, Words};
use serde_json::Value;
use std::collections::BTreeMap;

/// Distinct references of one body that are looked for.
pub const REFERENCES_MAX: usize = 1_000;

/// The distinct references of a body's records, each with the first record that has it.
#[derive(Debug, Default)]
pub struct References {
    first: BTreeMap<String, (u64, Position)>,
    /// A record that has one more than fit.
    beyond: Option<(u64, Position)>,
}

impl References {
    /// Takes note of what one accepted record refers to.
    pub fn note(&mut self, reference: &Reference, canonical: &Value, record: u64, at: Position) {
        let Some(id) = at_path(canonical, &reference.field).and_then(Value::as_str) else { return };
        if self.first.contains_key(id) {
            return;
        }
        if self.first.len() == REFERENCES_MAX {
            self.beyond.get_or_insert((record, at));
            return;
        }
        self.first.insert(id.to_owned(), (record, at));
    }
}

/// Looks for what the records of a body refer to, and adds what is found to its verdict.
///
/// # Errors
/// When the journal cannot be read.
pub async fn look_up(journal: &dyn Journal, reference: &Reference, mut translated: Translated) -> Result<Translated, JournalError> {
    if translated.verdict.outcome == Outcome::Refused {
        return Ok(translated);
    }
    let references = std::mem::take(&mut translated.references);
    for (id, (record, at)) in references.first {
        if !journal.knows_message(&reference.flow, &id).await? && !is_part_of_known(journal, reference, &id).await? {
            let (flow, max) = (&reference.flow, crate::domain::FOUND_CHARS_MAX);
            let words = Words::new(
                format!("所引用的报文在交换业务 {flow} 中不存在"),
                format!("the message that it refers to is not known in the flow {flow}"),
            );
            let found = Some(id.chars().take(max).collect());
            add(&mut translated, finding(reference, reference.unknown, "reference.unknown", (record, at), found, words));
        }
    }
    if let Some(place) = references.beyond {
        let words = Words::new(
            format!("报文引用的不同报文超过 {REFERENCES_MAX} 个，其余未核对"),
            format!("the body refers to more than {REFERENCES_MAX} messages; the others were not looked for"),
        );
        add(&mut translated, finding(reference, Severity::Warning, "reference.unchecked", place, None, words));
    }
    let refused = translated.verdict.findings.iter().any(|f| f.rule == "reference.unknown" && f.severity == Severity::Error);
    if !refused {
        return Ok(translated);
    }
    translated.refuse(FaultCode::RecordsRefused).map_err(|e| JournalError::Unavailable(e.to_string()))
}

/// Whether it is the id that a later delivery of a known message had.
async fn is_part_of_known(journal: &dyn Journal, reference: &Reference, id: &str) -> Result<bool, JournalError> {
    match numbered::origin(id) {
        Some(origin) => journal.knows_message(&reference.flow, origin).await,
        None => Ok(false),
    }
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

    #[test]
    fn references_are_told_apart_up_to_a_limit() {
        let reference = Reference { flow: "debits".parse().unwrap(), field: "a.id".to_owned(), unknown: Severity::Error };
        let mut references = References::default();
        let at = |line| Position { line, byte: 0, column: 0 };
        for (record, canonical) in (1..).zip([json!({"a": {"id": "x"}}), json!({"a": {"id": "x"}}), json!({"a": {}}), json!({})]) {
            references.note(&reference, &canonical, record, at(record));
        }
        assert_eq!(references.first, BTreeMap::from([("x".to_owned(), (1, at(1)))]));
        for record in 10..10 + REFERENCES_MAX as u64 + 5 {
            references.note(&reference, &json!({"a": {"id": record.to_string()}}), record, at(record));
        }
        assert_eq!(references.first.len(), REFERENCES_MAX);
        assert_eq!(references.beyond, Some((10 + REFERENCES_MAX as u64 - 1, at(10 + REFERENCES_MAX as u64 - 1))));
    }
}
