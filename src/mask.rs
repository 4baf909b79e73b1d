//! Personal values, hidden from those who need not see them.
//!
//! A canonical schema says under `x-portolan.personal` which of its values are personal: names and addresses of
//! people, numbers of identity papers, telephones, accounts. A path there covers all that is below it. A personal
//! value is shown as its first character and two stars, or as its last four digits where it is a number long
//! enough that they do not tell it; how long it is cannot be seen.
//!
//! [`lineage`] hides them in what operators are told of a record: in the canonical record, in the texts that they were
//! read from, and in the messages that repeat them. [`record`] and [`finding`] do so where a canonical record or a finding is
//! shown by itself. Logs hold no value of any record.

use crate::domain::Finding;
use crate::mapping::Canonical;
use crate::mapping::lineage::Lineage;
use crate::mapping::trace::Rule;
use portolan_contract::Words;
use serde_json::Value;

/// Letters and digits from which on the last four of a number may be shown: those of a telephone, more than a date has.
const LONG_CHARS: usize = 11;
/// Characters of a number's end that are shown.
const TAIL_CHARS: usize = 4;
/// Characters from which on a personal text is looked for in messages; a shorter one would be found in any word.
const SOUGHT_CHARS_MIN: usize = 2;

/// Whether personal values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Hidden.
    Masked,
    /// As they are: to whom they belong, and to who may see them and says why.
    Whole,
}

/// A personal text as it may be shown.
pub fn masked(text: &str) -> String {
    let text = text.trim();
    let is_number = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '+' | '.' | '/' | '(' | ')'))
        && text.chars().filter(char::is_ascii_digit).count() * 2 > text.len();
    if !is_number {
        return text.chars().next().map(|first| format!("{first}**")).unwrap_or_default();
    }
    let characters: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    match characters.last_chunk::<TAIL_CHARS>() {
        Some(tail) if characters.len() >= LONG_CHARS => format!("****{}", tail.iter().collect::<String>()),
        _ => "****".to_owned(),
    }
}

/// Hides the personal values of a canonical record; each of the schemas may mark some.
pub fn record(record: &mut Value, schemas: &[&Canonical]) {
    below(record, "", schemas);
}

/// Hides a value that stands at this canonical path, or what is personal below it.
pub fn value(value: &mut Value, path: &str, schemas: &[&Canonical]) {
    below(value, path, schemas);
}

fn below(value: &mut Value, path: &str, schemas: &[&Canonical]) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                below(member, &path, schemas);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| below(item, path, schemas)),
        Value::Null => {}
        value => {
            if is_personal(path, schemas) {
                *value = Value::String(masked(&text_of(value)));
            }
        }
    }
}

/// Hides the personal values of a record, and what repeats them, in its lineage. The schema that the record was read
/// with may be older than the marks of the present one, so that both are asked.
pub fn lineage(lineage: &mut Lineage, schemas: &[&Canonical]) {
    let mut secrets = Vec::new();
    for field in lineage.fields.iter_mut().filter(|field| is_personal(&field.canonical, schemas)) {
        if let Some(value) = &mut field.value {
            secrets.push(text_of(value));
            below(value, &field.canonical, schemas);
        }
        if let Some(source) = &mut field.source {
            secrets.push(source.text.clone());
            source.text = masked(&source.text);
            secrets.extend(source.raw.as_mut().map(|raw| std::mem::replace(raw, masked(raw))));
        }
        if let Rule::Read { code, .. } = &mut field.rule {
            *code = None;
        }
    }
    for finding in lineage.findings.iter_mut() {
        let of_personal = finding.canonical.as_deref().is_some_and(|path| is_personal(path, schemas));
        if let Some(found) = finding.found.as_mut().filter(|_| of_personal) {
            secrets.push(found.clone());
            *found = masked(found);
        }
    }
    hide(secrets, &mut lineage.findings);
    record(&mut lineage.canonical, schemas);
}

/// Hides what a finding tells of a personal value, where the values of its record are not at hand. What was found of no canonical
/// value, as by an XML Schema, may be of any, so that it is hidden as well where the schemas mark anything.
pub fn finding(finding: &mut Finding, schemas: &[&Canonical]) {
    let hidden = match &finding.canonical {
        Some(path) => is_personal(path, schemas),
        None => schemas.iter().any(|schema| schema.has_personal()),
    };
    if let Some(found) = finding.found.as_mut().filter(|_| hidden) {
        let secret = std::mem::replace(found, masked(found));
        hide(vec![secret], std::slice::from_mut(finding));
    }
}

/// Hides personal texts in findings that repeat them.
fn hide(mut secrets: Vec<String>, findings: &mut [Finding]) {
    // The longest first: what is within another is gone with it.
    secrets.retain(|secret| secret.trim().chars().count() >= SOUGHT_CHARS_MIN);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    for finding in findings {
        let Words { zh, en } = &mut finding.words;
        for text in [Some(zh), Some(en), finding.found.as_mut()].into_iter().flatten() {
            for secret in secrets.iter().filter(|secret| text.contains(secret.trim())).collect::<Vec<_>>() {
                *text = text.replace(secret.trim(), &masked(secret));
            }
        }
    }
}

fn is_personal(path: &str, schemas: &[&Canonical]) -> bool {
    schemas.iter().any(|schema| schema.is_personal(path))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Severity;
    use crate::mapping::trace::{SourceText, Traced};
    use portolan_contract::Position;
    use serde_json::json;

    const SCHEMA: &str = r#"{
      "x-portolan": {"personal": ["name", "accounts"]},
      "properties": {
        "name": {"title": "Name"}, "amount": {"title": "Amount"},
        "accounts": {"title": "Accounts", "type": "array", "items": {"properties": {"number": {"title": "Number"}}}}
      }
    }"#;

    #[test]
    fn a_masked_text_tells_neither_itself_nor_its_length() {
        let cases = [
            ("张三", "张**"),
            ("Fatima al-Example", "F**"),
            ("11010519491231002X", "****002X"),
            ("6222 0000 0000 1234", "****1234"),
            ("+86 138 0000 5678", "****5678"),
            ("1234567", "****"),
            ("1949-12-31", "****"),
            ("北京市海淀区 1 号", "北**"),
            ("", ""),
        ];
        cases.into_iter().for_each(|(text, expected)| assert_eq!(masked(text), expected, "{text}"));
    }

    #[test]
    fn a_path_covers_what_is_below_it() {
        let schema = Canonical::compile("person.v1", SCHEMA).unwrap();
        let mut person = json!({"name": "张三", "amount": "10.00", "accounts": [{"number": "6222000000001234"}, {"number": 12}]});
        record(&mut person, &[&schema]);
        assert_eq!(person, json!({"name": "张**", "amount": "10.00", "accounts": [{"number": "****1234"}, {"number": "****"}]}));
        let unknown = SCHEMA.replace("\"accounts\"]", "\"nobody\"]");
        assert!(Canonical::compile("person.v1", &unknown).is_err_and(|problem| problem.message.contains("nobody")));
    }

    fn found_at(canonical: Option<&str>, found: Option<&str>, words: &str) -> Finding {
        Finding {
            severity: Severity::Error,
            rule: "r".to_owned(),
            record: Some(1),
            part: None,
            at: Position::default(),
            source: None,
            canonical: canonical.map(str::to_owned),
            found: found.map(str::to_owned),
            words: Words::new(words, words),
        }
    }

    #[test]
    fn a_finding_by_itself_tells_no_personal_value() {
        let marked = Canonical::compile("person.v1", SCHEMA).unwrap();
        let unmarked = Canonical::compile("person.v1", r#"{"properties": {"name": {"title": "Name"}}}"#).unwrap();
        let cases = [
            (&marked, Some("accounts.0.number"), Some("6222 0000 0000 1234"), "****1234"),
            (&marked, Some("amount"), Some("10.001"), "10.001"),
            // Of no canonical value: it may be of any.
            (&marked, None, Some("李小四"), "李**"),
            (&unmarked, None, Some("李小四"), "李小四"),
            (&unmarked, Some("name"), Some("李小四"), "李小四"),
            (&marked, Some("name"), None, ""),
        ];
        for (schema, canonical, found, expected) in cases {
            let words = |text: &str| format!("the value '{text}' is not allowed");
            let mut told = found_at(canonical, found, &words(found.unwrap_or_default()));
            finding(&mut told, &[schema]);
            assert_eq!(told.found.as_deref(), found.map(|_| expected), "{canonical:?} {found:?}");
            assert_eq!((&told.words.zh, &told.words.en), (&words(expected), &words(expected)), "{canonical:?} {found:?}");
        }
    }

    #[test]
    fn a_lineage_repeats_no_personal_value() {
        let schema = Canonical::compile("person.v1", SCHEMA).unwrap();
        let source = |text: &str| {
            let (source, text) = ("row/x".to_owned(), text.to_owned());
            let (line, byte, raw) = (Some(2), Some(9), Some(format!("{text}  ")));
            Some(SourceText { source, part: None, line, byte, column: Some(1), range: None, text, raw, counted: false })
        };
        let rule = Rule::Default { text: String::new() };
        let traced = |canonical: &str, value: Value, text| Traced {
            canonical: canonical.to_owned(),
            value: Some(value),
            source: source(text),
            rule: rule.clone(),
        };
        let mut told = Lineage {
            record: 1,
            part: None,
            at: Position::default(),
            accepted: false,
            canonical: json!({"name": "李小四", "amount": "10.00", "accounts": [{"number": "6222000000001234"}]}),
            fields: vec![
                traced("name", json!("李小四"), " 李小四 "),
                traced("accounts.0.number", json!("6222000000001234"), "6222-0000-0000-1234"),
                traced("amount", json!("10.00"), "10.00"),
            ],
            findings: vec![
                found_at(None, Some("李小四;10.00"), "“李小四”之后多出一格"),
                found_at(Some("accounts.0.number"), Some("6222-0000-0000-9999"), "6222-0000-0000-9999 is no account"),
            ],
            findings_left_out: 0,
        };
        lineage(&mut told, &[&schema]);
        let shown = format!("{told:?}");
        for secret in ["李小四", "6222"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert!(shown.contains("10.00") && shown.contains("李**") && shown.contains("****1234") && shown.contains("****9999"), "{shown}");
    }
}
