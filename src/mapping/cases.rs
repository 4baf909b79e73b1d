//! Runs the cases of mappings: bodies with the records or findings that they must give.
//!
//! `cases/NAME.in.EXT` is a body; `NAME.out.ndjson` its canonical records, one a line;
//! `NAME.findings.json` an array of `{rule, record, line, canonical, severity}`, of which those
//! given must fit. Each body of a two-way mapping is also written and read again.

use super::body::{BodyReader, Step};
use super::compile::Mapping;
use super::findings::FINDINGS_PER_RECORD_MAX;
use super::write;
use crate::domain::{Finding, Severity};
use jiff::tz::TimeZone;
use portolan_contract::{FormatError, Limits, RawRecord};
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What a body gives: its canonical records (of those without errors) and findings.
#[derive(Debug, Default)]
pub struct Converted {
    /// Canonical records.
    pub records: Vec<Value>,
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
    let mut output = Vec::new();
    let mut raw = RawRecord::default();
    let head = match records.first() {
        Some(first) => {
            write::write(mapping, zone, first, &mut raw).map_err(|e| e.to_string())?;
            raw.clone()
        }
        None => RawRecord::default(),
    };
    let mut writer = mapping.format.writer(Box::new(&mut output), &head).map_err(|e| e.to_string())?;
    for record in records {
        write::write(mapping, zone, record, &mut raw).map_err(|e| e.to_string())?;
        writer.write(&raw).map_err(|e| e.to_string())?;
    }
    writer.finish().map_err(|e| e.to_string())?;
    Ok(output)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rule: String,
    record: Option<u64>,
    line: Option<u64>,
    canonical: Option<String>,
    severity: Option<Severity>,
}

/// Runs all cases in a mapping's `cases` folder. Returns how many there were and what failed.
pub fn run(mapping: &Mapping, folder: &Path) -> (usize, Vec<String>) {
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    let mut failures = Vec::new();
    let mut count = 0;
    let mut inputs: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    inputs.sort();
    for input in inputs {
        let file = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((name, _)) = file.split_once(".in.") else { continue };
        count += 1;
        if let Err(message) = check(mapping, &zone, folder, name, &input) {
            failures.push(format!("{}: {message}", input.display()));
        }
    }
    (count, failures)
}

fn check(mapping: &Mapping, zone: &TimeZone, folder: &Path, name: &str, input: &Path) -> Result<(), String> {
    let body = fs::read(input).map_err(|e| e.to_string())?;
    let converted = convert(mapping, zone, &body).map_err(|e| e.to_string())?;
    let records = fs::read_to_string(folder.join(format!("{name}.out.ndjson"))).ok();
    let findings = fs::read_to_string(folder.join(format!("{name}.findings.json"))).ok();
    if records.is_none() && findings.is_none() {
        return Err("there is neither .out.ndjson nor .findings.json beside it".to_owned());
    }
    if let Some(text) = records {
        let expected: Result<Vec<Value>, _> = text.lines().filter(|l| !l.trim().is_empty()).map(serde_json::from_str).collect();
        compare(&expected.map_err(|e| e.to_string())?, &converted.records)?;
    }
    let expected: Vec<Expected> = findings.map_or(Ok(Vec::new()), |t| serde_json::from_str(&t)).map_err(|e| e.to_string())?;
    compare_findings(&expected, &converted.findings)?;
    if mapping.direction.writes() && mapping.direction.reads() {
        let written = write_body(mapping, zone, &converted.records)?;
        let again = convert(mapping, zone, &written).map_err(|e| format!("what was written cannot be read: {e}"))?;
        compare(&converted.records, &again.records).map_err(|m| format!("written and read again: {m}"))?;
    }
    Ok(())
}

fn compare(expected: &[Value], got: &[Value]) -> Result<(), String> {
    for (number, (expected, got)) in expected.iter().zip(got).enumerate() {
        if expected != got {
            return Err(format!("record {}:\n  expected {expected}\n  got      {got}", number + 1));
        }
    }
    if expected.len() == got.len() { Ok(()) } else { Err(format!("{} records expected, {} found", expected.len(), got.len())) }
}

fn compare_findings(expected: &[Expected], got: &[Finding]) -> Result<(), String> {
    let fits = |e: &Expected, f: &Finding| {
        e.rule == f.rule
            && (e.record.is_none() || e.record == f.record)
            && e.line.is_none_or(|l| l == f.at.line)
            && (e.canonical.is_none() || e.canonical == f.canonical)
            && e.severity.is_none_or(|s| s == f.severity)
    };
    if let Some(missing) = expected.iter().find(|e| !got.iter().any(|f| fits(e, f))) {
        return Err(format!("a finding is missing: {missing:?}; there are {got:#?}"));
    }
    match got.iter().find(|f| !expected.iter().any(|e| fits(e, f))) {
        Some(unexpected) => Err(format!("a finding was not expected: {unexpected:?}")),
        None => Ok(()),
    }
}
