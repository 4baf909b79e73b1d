//! Runs the cases of mappings: bodies with the records or findings that they must give.
//!
//! `cases/NAME.in.EXT` is a body; `NAME.out.ndjson` its canonical records, one a line;
//! `NAME.findings.json` an array of `{rule, record, line, place, canonical, severity}`, of which
//! those given must fit; `place` is as people read it in Chinese, such as `收入!C17，收入总额`. Each
//! body of a two-way mapping is also written and read again.
//!
//! `cases/NAME.records.ndjson` are canonical records, `NAME.written.EXT` the very body that they must give: cases of a
//! mapping that writes alone, and of how anything is written.

use super::body::{BodyReader, Step};
use super::compiled::{Check, Field, Mapping};
use super::differences::differences;
use super::findings::FINDINGS_PER_RECORD_MAX;
use super::heading;
use super::lineage::{Asked, Reached, lineage};
use super::totals::Totals;
use super::trace::SourceText;
use super::write::BodyWriter;
use crate::domain::{Finding, Severity};
use jiff::tz::TimeZone;
use portolan_contract::{FormatError, Limits};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Differences of one case that are told.
const DIFFERENCES_MAX: usize = 100;

/// What a body gives: its canonical records (of those without errors) and findings.
#[derive(Debug, Default)]
pub struct Converted {
    /// Canonical records.
    pub records: Vec<Value>,
    /// The number in the body of each of them, from 1.
    pub numbers: Vec<u64>,
    /// The findings, of each record up to [`FINDINGS_PER_RECORD_MAX`].
    pub findings: Vec<Finding>,
    /// How many more were found.
    pub findings_left_out: u64,
}

/// Converts a small body in memory.
///
/// # Errors
/// A body that is not well-formed.
pub fn convert(mapping: &Mapping, zone: &TimeZone, body: &[u8]) -> Result<Converted, FormatError> {
    let mut converted = Converted::default();
    let mut reader = BodyReader::new(mapping, zone, &Limits::default(), FINDINGS_PER_RECORD_MAX, Box::new(body))?;
    loop {
        match reader.read()? {
            Step::Record(record) => {
                converted.findings.extend(record.of_body);
                if !record.findings.refuse() {
                    converted.records.push(record.canonical);
                    converted.numbers.push(record.number);
                }
                let (kept, left_out) = record.findings.into_kept();
                converted.findings.extend(kept);
                converted.findings_left_out += left_out;
            }
            Step::End { of_body, .. } => {
                converted.findings.extend(of_body);
                return Ok(converted);
            }
        }
    }
}

/// Writes canonical records as a body.
///
/// # Errors
/// What cannot be written, in words.
pub fn write_body(mapping: &Mapping, zone: &TimeZone, records: &[Value]) -> Result<Vec<u8>, String> {
    let mut totals = Totals::new(mapping, zone);
    records.iter().try_for_each(|record| totals.count(record)).map_err(|e| e.to_string())?;
    let mut output = Vec::new();
    let filling = totals.filling().map_err(|words| words.en)?;
    let mut writer = BodyWriter::new(mapping, zone, filling, Box::new(&mut output));
    records.iter().try_for_each(|record| writer.write(record)).map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(output)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rule: String,
    record: Option<u64>,
    line: Option<u64>,
    place: Option<String>,
    canonical: Option<String>,
    severity: Option<Severity>,
}

/// One case that was run.
#[derive(Debug)]
pub struct Case {
    /// The file of its body.
    pub input: PathBuf,
    /// What failed; nothing for a case that holds.
    pub failures: Vec<Failure>,
}

/// What failed in a case.
#[derive(Debug)]
pub enum Failure {
    /// Something other than a value: a body that cannot be read, a finding too many.
    Told(String),
    /// One canonical value is not what was expected.
    Differs(Box<Difference>),
}

/// A canonical value that is not what was expected.
#[derive(Debug)]
pub struct Difference {
    /// The record's number in the body, from 1.
    pub record: u64,
    /// Canonical path, with list indexes from 0.
    pub canonical: String,
    /// What the case says; absent where there should be no value.
    pub expected: Option<Value>,
    /// What the mapping makes; absent where it makes nothing.
    pub got: Option<Value>,
    /// The text that it was made from, where there is one.
    pub source: Option<SourceText>,
    /// The records were written and read again; `expected` is what was first read.
    pub again: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differs = match self {
            Self::Told(message) => return f.write_str(message),
            Self::Differs(differs) => differs,
        };
        let said = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        let again = if differs.again { "written and read again: " } else { "" };
        let (record, path) = (differs.record, &differs.canonical);
        write!(f, "{again}record {record}, {path}: expected {}, got {}", said(&differs.expected), said(&differs.got))?;
        match &differs.source {
            Some(source) => {
                let spot = source.spot(false).map_or_else(String::new, |spot| format!(" at {spot}"));
                write!(f, " from {:?}{spot}, {}", source.raw(), source.source)
            }
            None => Ok(()),
        }
    }
}

/// The zone in which cases are read: that of the flows that ship with the gateway.
fn case_zone() -> TimeZone {
    TimeZone::get(crate::config::ZONE_DEFAULT).unwrap_or(TimeZone::UTC)
}

/// Runs all cases in a mapping's `cases` folder.
pub fn run(mapping: &Mapping, folder: &Path) -> Vec<Case> {
    let zone = case_zone();
    let mut inputs: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    inputs.sort();
    let case = |input: PathBuf| {
        let file = input.file_name()?.to_string_lossy().into_owned();
        let mut failures = Vec::new();
        let checked = match (file.split_once(".in."), file.strip_suffix(".records.ndjson")) {
            (Some((name, _)), _) => check(mapping, &zone, folder, name, &input, &mut failures),
            (None, Some(name)) => check_written(mapping, &zone, folder, name, &input),
            (None, None) => return None,
        };
        failures.extend(checked.err().map(Failure::Told));
        Some(Case { input, failures })
    };
    inputs.into_iter().filter_map(case).collect()
}

fn check(mapping: &Mapping, zone: &TimeZone, folder: &Path, name: &str, input: &Path, failures: &mut Vec<Failure>) -> Result<(), String> {
    let body = fs::read(input).map_err(|e| e.to_string())?;
    let converted = convert(mapping, zone, &body).map_err(|e| e.to_string())?;
    let records = fs::read_to_string(folder.join(format!("{name}.out.ndjson"))).ok();
    let findings = fs::read_to_string(folder.join(format!("{name}.findings.json"))).ok();
    if records.is_none() && findings.is_none() {
        return Err("there is neither .out.ndjson nor .findings.json beside it".to_owned());
    }
    if let Some(text) = records {
        let expected = records_in(&text).map_err(|e| format!("{name}.out.ndjson: {e}"))?;
        let mut found = compare(&expected, &converted.records, &converted.numbers);
        find_sources(mapping, zone, &body, &mut found);
        failures.extend(found);
    }
    let expected: Vec<Expected> =
        findings.map_or(Ok(Vec::new()), |t| serde_json::from_str(&t)).map_err(|e| format!("{name}.findings.json: {e}"))?;
    compare_findings(&expected, &converted.findings, failures);
    // A body without records is never sent, and not every format has a form for one.
    if mapping.direction.writes() && mapping.direction.reads() && !converted.records.is_empty() && !asks_for_more(mapping) {
        // Balances that were found not to add up are never written.
        let found = |check: &&Check| check.balance.is_some() && converted.findings.iter().any(|f| f.rule == check.id);
        if let Some(check) = mapping.checks.iter().find(found) {
            return match written_and_read(mapping, zone, &converted.records) {
                Err(why) if why.starts_with(&check.words.en) => Ok(()),
                other => {
                    Err(format!("{} was found, and the records are written, or refused for another reason: {:?}", check.id, other.err()))
                }
            };
        }
        let again = written_and_read(mapping, zone, &converted.records)?;
        let mut found =
            compare(&without_read_alone(mapping, &converted.records), &without_read_alone(mapping, &again.records), &converted.numbers);
        for failure in &mut found {
            match failure {
                Failure::Told(message) => message.insert_str(0, "written and read again: "),
                Failure::Differs(differs) => differs.again = true,
            }
        }
        failures.extend(found);
        let computed = |f: &Finding| mapping.checks.iter().any(|check| check.id == f.rule && mapping.computes(check));
        if let Some(wrong) = again.findings.iter().find(|f| computed(f)) {
            failures.push(Failure::Told(format!("what was written states a wrong total: {wrong:?}")));
        }
    }
    Ok(())
}

/// Whether it asks a record that is written for a value that none has which it read.
fn asks_for_more(mapping: &Mapping) -> bool {
    let mut required = mapping.required.iter().map(|path| mapping.record.fields.iter().filter(move |field| field.to == *path));
    required.any(|mut fields| fields.next().is_some_and(|first| !first.direction.reads() && fields.all(|field| !field.direction.reads())))
}

/// Writes records and reads them again: a body for each heading, as deliveries are cut.
fn written_and_read(mapping: &Mapping, zone: &TimeZone, records: &[Value]) -> Result<Converted, String> {
    let mut again = Converted::default();
    let of_one_body = |a: &Value, b: &Value| heading::differing(&mapping.heading, &heading::values(&mapping.heading, a), b).is_none();
    for records in records.chunk_by(of_one_body) {
        let written = write_body(mapping, zone, records)?;
        let read = convert(mapping, zone, &written).map_err(|e| format!("what was written cannot be read: {e}"))?;
        again.records.extend(read.records);
        again.findings.extend(read.findings);
    }
    Ok(again)
}

/// Records without the values that entries of the mapping only read.
fn without_read_alone(mapping: &Mapping, records: &[Value]) -> Vec<Value> {
    let fields = &mapping.record.fields;
    let alone = |field: &&Field| !fields.iter().any(|other| other.to == field.to && other.direction.writes());
    let mut records = records.to_vec();
    for field in mapping.record.fields.iter().filter(alone) {
        records.iter_mut().for_each(|record| remove(record, &field.to));
    }
    records
}

/// Takes a value away, together with what it leaves empty.
fn remove(value: &mut Value, path: &str) {
    let Value::Object(members) = value else { return };
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let is_left = members.get_mut(name).is_some_and(|inner| {
        remove(inner, rest);
        !rest.is_empty() && inner.as_object().is_none_or(|inner| !inner.is_empty())
    });
    if !is_left {
        members.remove(name);
    }
}

/// Writes canonical records and compares the body with the one beside them, byte for byte.
fn check_written(mapping: &Mapping, zone: &TimeZone, folder: &Path, name: &str, input: &Path) -> Result<(), String> {
    let records = records_in(&fs::read_to_string(input).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    let written = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let beginning = format!("{name}.written.");
    let named = |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&beginning));
    let expected = written.filter(named).min().ok_or_else(|| format!("there is no {beginning}EXT beside it"))?;
    let expected = fs::read(expected).map_err(|e| e.to_string())?;
    let got = write_body(mapping, zone, &records)?;
    if got == expected {
        return Ok(());
    }
    let same = expected.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let around = |body: &[u8]| String::from_utf8_lossy(body.get(same..).unwrap_or_default()).chars().take(60).collect::<String>();
    Err(format!("written from byte {same} on: expected {:?}, got {:?}", around(&expected), around(&got)))
}

fn records_in(text: &str) -> serde_json::Result<Vec<Value>> {
    text.lines().filter(|l| !l.trim().is_empty()).map(serde_json::from_str).collect()
}

/// Every value in which records differ, up to [`DIFFERENCES_MAX`].
fn compare(expected: &[Value], got: &[Value], numbers: &[u64]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for ((expected, got), &record) in expected.iter().zip(got).zip(numbers) {
        differences("", Some(expected), Some(got), &mut |path, expected, got| {
            let (expected, got) = (expected.cloned(), got.cloned());
            let differs = Difference { record, canonical: path.to_owned(), expected, got, source: None, again: false };
            failures.push(Failure::Differs(Box::new(differs)));
        });
    }
    let more = failures.len().saturating_sub(DIFFERENCES_MAX);
    failures.truncate(DIFFERENCES_MAX);
    if more > 0 {
        failures.push(Failure::Told(format!("{more} more values differ")));
    }
    if expected.len() != got.len() {
        failures.push(Failure::Told(format!("{} records expected, {} found", expected.len(), got.len())));
    }
    failures
}

/// Looks up where in the body each value that differs came from.
fn find_sources(mapping: &Mapping, zone: &TimeZone, body: &[u8], failures: &mut [Failure]) {
    let mut fields = (0, Vec::new());
    for failure in failures {
        let Failure::Differs(differs) = failure else { continue };
        if fields.0 != differs.record {
            let limits = Limits::default();
            let asked = Asked { mapping, zone, limits: &limits, findings_max: 0, record: differs.record };
            let read = lineage(&asked, &|| Ok(Box::new(body)));
            fields = (differs.record, if let Ok(Reached::Record(record)) = read { record.fields } else { Vec::new() });
        }
        let made = fields.1.iter().find(|traced| traced.canonical == differs.canonical);
        differs.source = made.and_then(|traced| traced.source.clone());
    }
}

fn compare_findings(expected: &[Expected], got: &[Finding], failures: &mut Vec<Failure>) {
    let fits = |e: &Expected, f: &Finding| {
        e.rule == f.rule
            && (e.record.is_none() || e.record == f.record)
            && e.line.is_none_or(|l| l == f.at.line)
            && e.place.as_ref().is_none_or(|place| *place == f.place(true))
            && (e.canonical.is_none() || e.canonical == f.canonical)
            && e.severity.is_none_or(|s| s == f.severity)
    };
    for missing in expected.iter().filter(|e| !got.iter().any(|f| fits(e, f))) {
        let place = |name: &str, number: Option<u64>| number.map_or_else(String::new, |n| format!(", {name} {n}"));
        let path = missing.canonical.as_ref().map_or_else(String::new, |path| format!(", {path}"));
        let (record, line) = (place("record", missing.record), place("line", missing.line));
        let path = missing.place.as_ref().map_or(path, |place| format!(", {place}"));
        failures.push(Failure::Told(format!("a finding is missing: {}{record}{line}{path}", missing.rule)));
    }
    for found in got.iter().filter(|f| !expected.iter().any(|e| fits(e, f))) {
        let record = found.record.map_or_else(String::new, |n| format!("record {n}, "));
        let text = found.found.as_ref().map_or_else(String::new, |text| format!(" {text:?}"));
        let (rule, place, words) = (&found.rule, found.place(false), &found.words.en);
        failures.push(Failure::Told(format!("a finding was not expected: {rule} at {record}{place}{text}: {words}")));
    }
}
