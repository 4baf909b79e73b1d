//! The business answer (业务回执): what a sender is told in a format of its own, such as CONTRL, in place of JSON.
//!
//! A flow names a mapping of [`CANONICAL`] for a sender. While a body is read, [`Facts`] keeps what the
//! reading mapping says an answer needs: whose interchange it is, and which records are refused. Once there is
//! a verdict, the canonical answer is put together and written. The journal keeps its bytes with the commit, so
//! that a repeat gets them again.
//!
//! Limits: [`REFUSED_MAX`] refused records, [`FOUND_CHARS_MAX`] characters of what the body says of itself and [`ANSWER_BYTES_MAX`] bytes of an answer; what cannot be answered
//! within them, or lacks what the format needs, is answered as JSON.

use crate::domain::{BusinessAnswer, ExchangeId, FOUND_CHARS_MAX, Finding, FlowId, Severity, Verdict};
use crate::mapping::totals::Totals;
use crate::mapping::write::{BodyWriter, NotWritten};
use crate::mapping::{AnswerValue, Mapping};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use portolan_contract::RawRecord;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// The canonical record of an answer.
pub const CANONICAL: &str = "exchange-answer.v1";
/// Refused records that an answer names; all are counted.
pub const REFUSED_MAX: usize = 1_000;
/// Characters of an answer's reference: the room of an interchange control reference (UN/EDIFACT 0020).
const REFERENCE_CHARS: usize = 14;
/// Bytes of one answer.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What a body says of itself that its answer repeats.
#[derive(Debug, Default)]
pub struct Facts {
    /// Of the body: the first value of each.
    message: Map<String, Value>,
    /// Of refused records, by their numbers.
    refused: Vec<(u64, Map<String, Value>)>,
}

impl Facts {
    /// Takes what stands around the records; a value that is known already stays.
    pub fn note_message(&mut self, mapping: &Mapping, raw: &RawRecord) {
        note(&mut self.message, mapping.answer.iter().filter(|value| !value.in_record), raw);
    }

    /// Takes what names a refused record.
    pub fn note_refused(&mut self, mapping: &Mapping, raw: &RawRecord, record: u64) {
        if mapping.answer.is_empty() || self.refused.len() == REFUSED_MAX {
            return;
        }
        let mut values = Map::new();
        note(&mut values, mapping.answer.iter().filter(|value| value.in_record), raw);
        self.refused.push((record, values));
    }
}

fn note<'m>(into: &mut Map<String, Value>, values: impl Iterator<Item = &'m AnswerValue>, raw: &RawRecord) {
    for value in values {
        let text = raw.find(value.slot, None).map(|found| raw.text(found).trim()).filter(|text| !text.is_empty());
        if let Some(text) = text
            && !into.contains_key(&value.to)
        {
            into.insert(value.to.clone(), Value::from(text.chars().take(FOUND_CHARS_MAX).collect::<String>()));
        }
    }
}

/// Whose answer it is, beside the verdict.
#[derive(Clone, Copy)]
pub struct Answered<'a> {
    /// The exchange.
    pub exchange: ExchangeId,
    /// When its last byte had come in.
    pub received_at: Timestamp,
    /// Its flow.
    pub flow: &'a FlowId,
    /// The flow's zone.
    pub zone: &'a TimeZone,
    /// The format that the body was read as.
    pub format: &'a str,
}

/// Writes the answer to a body through a mapping.
///
/// # Errors
/// What the format has no form for, and an answer that is too long.
pub fn write(mapping: &Mapping, answered: Answered<'_>, verdict: &Verdict, facts: &Facts) -> Result<BusinessAnswer, NotWritten> {
    render(mapping, answered.zone, &canonical(answered, verdict, facts))
}

/// Writes a body of one canonical record through a mapping.
///
/// # Errors
/// What the format has no form for, and a body that is longer than [`ANSWER_BYTES_MAX`].
pub fn render(mapping: &Mapping, zone: &TimeZone, canonical: &Value) -> Result<BusinessAnswer, NotWritten> {
    let mut totals = Totals::new(mapping, zone);
    totals.count(canonical)?;
    let mut output = Capped(Vec::new());
    let mut writer = BodyWriter::new(mapping, zone, totals.filling().map_err(NotWritten::Totals)?, Box::new(&mut output));
    writer.write(canonical)?;
    writer.finish()?;
    Ok(BusinessAnswer { media_type: mapping.format.media_type().into(), bytes: output.0.into() })
}

/// The canonical answer.
fn canonical(answered: Answered<'_>, verdict: &Verdict, facts: &Facts) -> Value {
    let Answered { exchange, received_at, flow, zone, format } = answered;
    let time = received_at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let (exchange, counts) = (exchange.to_string(), verdict.counts);
    let errors = || verdict.findings.iter().filter(|finding| finding.severity == Severity::Error);
    // What a format itself finds in a record begins with its name.
    let of_format = |finding: &Finding| finding.rule.split('.').next() == Some(format);
    let refused = |counts: &dyn Fn(&Finding) -> bool| {
        let chosen = facts.refused.iter().filter_map(|(record, values)| {
            let first = errors().find(|finding| finding.record == Some(*record) && counts(finding));
            Some((record, values, first?))
        });
        let told = chosen.map(|(record, values, first)| {
            let mut values = numbered(*record, values.clone());
            values.insert("rule".to_owned(), json!(first.rule));
            Value::Object(values)
        });
        told.collect::<Vec<_>>()
    };
    let values_of = |record: u64| facts.refused.iter().find(|(number, _)| *number == record).map(|(_, values)| values.clone());
    let told = errors().map(|finding| {
        let mut values = finding.record.map(|record| numbered(record, values_of(record).unwrap_or_default())).unwrap_or_default();
        tell(&mut values, finding);
        Value::Object(values)
    });
    let syntax_fault = verdict.fault.filter(|fault| fault.is_of_syntax());
    let mut answer = Map::new();
    answer.insert("reference".to_owned(), json!(exchange[exchange.len() - REFERENCE_CHARS..].to_uppercase()));
    answer.insert("exchange".to_owned(), json!(exchange));
    answer.insert("received_at".to_owned(), json!(time));
    answer.insert("flow".to_owned(), json!(flow.to_string()));
    answer.insert("verdict".to_owned(), json!(verdict.outcome.as_str()));
    answer.insert("readable".to_owned(), json!(syntax_fault.is_none()));
    answer.insert("counts".to_owned(), json!({ "records": counts.records, "accepted": counts.accepted, "refused": counts.refused }));
    for (name, fault) in [("fault", verdict.fault), ("syntax_fault", syntax_fault)] {
        if let Some(fault) = fault {
            answer.insert(name.to_owned(), json!(fault.as_str()));
        }
    }
    if let Some(fault) = syntax_fault {
        let place = errors().find(|finding| finding.record.is_none()).and_then(|finding| finding.source.as_deref());
        answer.insert("syntax_place".to_owned(), json!(place.unwrap_or(fault.as_str())));
    }
    if let Some(message_id) = &verdict.message_id {
        answer.insert("message_id".to_owned(), json!(message_id));
    }
    if !facts.message.is_empty() {
        answer.insert("message".to_owned(), Value::Object(facts.message.clone()));
    }
    put_unless_empty(&mut answer, "refused", refused(&|_| true));
    put_unless_empty(&mut answer, "unreadable", refused(&of_format));
    put_unless_empty(&mut answer, "errors", told.collect());
    Value::Object(answer)
}

fn numbered(record: u64, mut values: Map<String, Value>) -> Map<String, Value> {
    values.insert("record".to_owned(), json!(record));
    values
}

fn put_unless_empty(into: &mut Map<String, Value>, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        into.insert(name.to_owned(), Value::Array(values));
    }
}

fn tell(told: &mut Map<String, Value>, finding: &Finding) {
    told.insert("rule".to_owned(), json!(finding.rule));
    told.insert("line".to_owned(), json!(finding.at.line));
    told.insert("byte".to_owned(), json!(finding.at.byte));
    for (name, text) in [("source", &finding.source), ("found", &finding.found)] {
        if let Some(text) = text {
            told.insert(name.to_owned(), json!(text));
        }
    }
    told.insert("message_zh".to_owned(), json!(finding.words.zh));
    told.insert("message_en".to_owned(), json!(finding.words.en));
}

/// Bytes up to [`ANSWER_BYTES_MAX`].
struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::other(format!("an answer has at most {ANSWER_BYTES_MAX} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
