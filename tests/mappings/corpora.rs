//! Files that other people wrote, converted and compared with what another program reads in them, or
//! with their twins in UTF-8.
//!
//! The files lie outside the repository, in `../shared/corpora`; without them this test says so and
//! passes. `tests/data/corpora.json` (banks) and `tests/data/corpora-trade.json` (customs, platforms,
//! sellers) hold what is expected, and how it was derived.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use jiff::tz::TimeZone;
use portolan::convert::{Converted, Source, Target, convert};
use portolan::domain::Severity;
use portolan::mapping::{Library, cases};
use portolan_contract::{Charset, Limits, TextInput, TextOutput};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const BANKS: &str = include_str!("../data/corpora.json");
const TRADE: &str = include_str!("../data/corpora-trade.json");

#[derive(Deserialize)]
struct Expected {
    good: Vec<GoodFile>,
    refused: Vec<RefusedFile>,
    #[serde(default)]
    interchanges: Vec<GoodFile>,
}

#[derive(Deserialize)]
struct GoodFile {
    file: String,
    mapping: String,
    /// Name, path or JSON pointer in the canonical record → text, by the test that reads it.
    records: Vec<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RefusedFile {
    file: String,
    mapping: String,
    fault: String,
}

#[test]
fn bank_statements_give_one_record_per_transaction_each_traced_to_its_place() {
    let Some(folder) = corpora("iso20022") else { return };
    for good in &expected(BANKS).good {
        let traces = check_good(&folder, good, check_record);
        check_traces(good, &traces);
    }
}

#[test]
fn what_is_refused_is_refused_for_its_reason() {
    let Some(folder) = corpora("iso20022") else { return };
    for refused in &expected(BANKS).refused {
        let body = std::fs::read(folder.join(&refused.file)).unwrap();
        let (converted, records, findings) = run(&refused.mapping, &body, Target::Canonical);
        assert_eq!(converted.fault.map(|code| code.as_str()), Some(refused.fault.as_str()), "{}", refused.file);
        assert!(records.is_empty() && findings == [refused.fault.as_str()], "{}: {findings:?}", refused.file);
    }
}

/// Texts with their twins in UTF-8: read as those say, and written again byte for byte.
#[test]
fn chinese_texts_are_read_as_their_twins_say_and_written_again() {
    let Some(folder) = corpora("gb18030") else { return };
    for (file, charset) in [("gb2312", Charset::Gb2312), ("gbk", Charset::Gbk), ("gb18030", Charset::Gb18030)] {
        let body = std::fs::read(folder.join(format!("{file}.txt"))).unwrap();
        let twin = std::fs::read_to_string(folder.join(format!("{file}-utf8.txt"))).unwrap();
        let mut text = String::new();
        TextInput::new(Box::new(&body[..]), charset, usize::MAX).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, twin, "{file}");
        let mut written = Vec::new();
        let mut output = TextOutput::new(Box::new(&mut written), charset);
        output.write(&text).and_then(|()| output.finish()).unwrap();
        drop(output);
        assert!(written == body, "{file} is not written as it was");
    }
}

#[test]
fn interchanges_are_read_as_their_authors_meant() {
    let Some(folder) = corpora("edifact/samples") else { return };
    for good in &expected(BANKS).interchanges {
        check_good(&folder, good, check_pointers);
    }
}

/// Reads a file without a refusal and checks each of its records, and that every value stands where its trace says.
/// Returns the traces.
fn check_good(folder: &Path, good: &GoodFile, check: fn(&str, &BTreeMap<String, String>, &Value)) -> Vec<Value> {
    let body = std::fs::read(folder.join(&good.file)).unwrap();
    let (converted, records, findings) = run(&good.mapping, &body, Target::Canonical);
    assert_eq!((converted.fault, converted.counts.refused), (None, 0), "{}: {findings:?}", good.file);
    assert_eq!(records.len(), good.records.len(), "{}", good.file);
    good.records.iter().zip(&records).for_each(|(expected, found)| check(&good.file, expected, found));
    let (_, traces, _) = run(&good.mapping, &body, Target::Trace);
    check_places(good, &body, &traces);
    traces
}

/// Values by their JSON pointers.
fn check_pointers(file: &str, expected: &BTreeMap<String, String>, found: &Value) {
    for (path, expected) in expected {
        let value = found.pointer(path).unwrap_or_else(|| panic!("{file}: {path} is missing: {found}"));
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(&text, expected, "{file}: {path}");
    }
}

/// Messages of customs, of platforms and of sellers: every value of each record is expected, and there is no other.
#[test]
fn messages_are_read_as_their_authors_meant() {
    let Some(folder) = corpora("") else { return };
    let library = Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let convert = |file: &str, mapping: &str| {
        let body = std::fs::read(folder.join(file)).unwrap();
        cases::convert(library.mapping(mapping).unwrap(), &zone, &body)
    };
    let expected = expected(TRADE);
    for good in &expected.good {
        let converted = convert(&good.file, &good.mapping).unwrap_or_else(|e| panic!("{}: {e}", good.file));
        let errors: Vec<_> = converted.findings.iter().filter(|f| f.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", good.file);
        assert_eq!(converted.records.len(), good.records.len(), "{}", good.file);
        for (expected, found) in good.records.iter().zip(&converted.records) {
            let mut flat = BTreeMap::new();
            flatten(String::new(), found, &mut flat);
            for path in expected.keys().chain(flat.keys()) {
                let (expected, found) = (expected.get(path).map(String::as_str), flat.get(path).map(String::as_str));
                assert!(is_same(expected, found), "{} {}: {path} should be {expected:?} and is {found:?}", good.file, good.mapping);
            }
        }
    }
    for refused in &expected.refused {
        let error = convert(&refused.file, &refused.mapping).err().unwrap_or_else(|| panic!("{} is read", refused.file));
        assert_eq!(format!("{:?}", error.code), refused.fault, "{}", refused.file);
    }
}

/// Amounts are compared as numbers: how many decimals are written is the currency's affair.
fn check_record(file: &str, expected: &BTreeMap<String, String>, found: &Value) {
    for (name, expected) in expected {
        let text = found[name].as_str().unwrap_or_default();
        let same = match name.as_str() {
            "amount" => text.parse::<Decimal>().unwrap() == expected.parse::<Decimal>().unwrap(),
            _ => text == expected,
        };
        assert!(same, "{file}: {name} should be {expected}: {found}");
    }
}

/// Amounts are the same as numbers.
fn is_same(expected: Option<&str>, found: Option<&str>) -> bool {
    let number = |text: Option<&str>| text.and_then(|t| t.parse::<Decimal>().ok());
    expected == found || found.is_some_and(|f| f.contains('.')) && number(expected).is_some() && number(expected) == number(found)
}

fn flatten(path: String, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(path, value, into);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| flatten(format!("{path}[{index}]"), item, into)),
        Value::String(text) => drop(into.insert(path, text.clone())),
        other => drop(into.insert(path, other.to_string())),
    }
}

/// Amount and id of each record are traced.
fn check_traces(good: &GoodFile, traces: &[Value]) {
    for (number, expected) in (1_u64..).zip(&good.records) {
        let traced = |name: &str| traces.iter().find(|t| t["record"] == number && t["canonical"] == name);
        for name in ["amount", "end_to_end_id"] {
            let text = traced(name).and_then(|t| t["text"].as_str());
            assert_eq!(text, expected.get(name).map(String::as_str), "{}: {name} of record {number}", good.file);
        }
    }
}

/// Every value stands in the file where its trace says.
fn check_places(good: &GoodFile, body: &[u8], traces: &[Value]) {
    assert!(!traces.is_empty(), "{}", good.file);
    // A value that the mapping makes stands nowhere.
    for trace in traces.iter().filter(|trace| trace.get("source").is_some()) {
        let (byte, line) = (trace["byte"].as_u64().unwrap(), trace["line"].as_u64().unwrap());
        let text = trace["text"].as_str().unwrap();
        let before = &body[..usize::try_from(byte).unwrap()];
        // An ordinal is counted, not read: it stands at its element.
        let counted = trace["source"].as_str().unwrap().ends_with('#');
        assert!(counted || body[before.len()..].starts_with(text.as_bytes()), "{}: {trace}", good.file);
        assert_eq!(line, 1 + before.iter().filter(|b| **b == b'\n').count() as u64, "{}: {trace}", good.file);
    }
}

/// Converts a body; the lines written, and the rules of all findings.
fn run(mapping: &str, body: &[u8], target: Target<'_>) -> (Converted, Vec<Value>, Vec<String>) {
    let library = Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let source = Source::Body(library.mapping(mapping).unwrap());
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let (mut output, mut rules) = (Vec::new(), Vec::new());
    let converted =
        convert(source, target, &zone, &Limits::default(), Box::new(body), Box::new(&mut output), &mut |f| rules.push(f.rule.clone()));
    let lines = String::from_utf8(output).unwrap();
    (converted.unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), rules)
}

fn expected(text: &str) -> Expected {
    serde_json::from_str(text).unwrap()
}

#[allow(clippy::explicit_write, reason = "the harness shows what eprintln says for failed tests alone")]
fn corpora(kind: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora").join(kind);
    if folder.is_dir() {
        return Some(folder);
    }
    writeln!(std::io::stderr(), "NOTE: {} is not there, so nothing was compared with it", folder.display()).unwrap();
    None
}
