//! What every writing mapping writes, read back by us and by a program that is not ours.
//!
//! Records are made from a seed out of a mapping's fields and its canonical schema (`records.rs`), within what the format
//! can carry (`MAPPING.toml`, see `limits.rs`). Read by us, a body must give the records that it was written from. Because
//! two values that were swapped survive that, the script `MAPPING.py` reads the same bodies with a library that we did not
//! write, along paths that it knows on its own, and must find every value of every record and no other. What a script
//! leaves out it names with a reason. All bodies of a mapping go through one start of the script. What is written into
//! containers is taken out of them by another program too (`containers.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod containers;
mod limits;
mod reader;
mod records;
#[path = "../support/tools.rs"]
mod tools;
mod values;
#[path = "../support/waivers.rs"]
mod waivers;

use jiff::tz::TimeZone;
use limits::Limits;
use portolan::domain::Severity;
use portolan::mapping::{Library, Mapping, cases};
use reader::{Told, compare, flattened, script, without_indices};
use records::Maker;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use waivers::Waivers;

/// The seed of all records; another one finds other things, the same one the same.
const SEED: u64 = 20_261_125;
/// Bodies of each mapping.
const BODIES: usize = 60;

#[test]
fn every_written_format_is_read_elsewhere() {
    let library = Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let waivers = Waivers::parse(include_str!("waivers.toml"));
    let writes = |mapping: &str| library.mapping(mapping).is_some_and(|m| m.direction.writes());
    let mut failures = waivers.problems(|mapping, has_script| writes(mapping) && script(mapping).is_file() == has_script);
    let waived = |mapping: &Mapping| waivers.mappings().contains(mapping.name.as_str());
    let writing: Vec<&Mapping> = library.mappings().filter(|m| m.direction.writes() && !waived(m)).map(AsRef::as_ref).collect();
    // Each waits for a process of its own.
    std::thread::scope(|scope| {
        let checks: Vec<_> = writing.iter().map(|mapping| (mapping, scope.spawn(|| check(mapping)))).collect();
        for (mapping, checked) in checks {
            match checked.join() {
                Ok(Ok(())) => {}
                Ok(Err(message)) => failures.push(format!("{}: {message}", mapping.name)),
                Err(_) => failures.push(format!("{}: it panicked", mapping.name)),
            }
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Mappings whose scripts hold a body against the standard's own schema, and read it whatever its records came from.
const BY_SCHEMA: [&str; 8] = ["camt053", "camt054", "cii-invoice", "pain001", "pain002", "pain008", "ubl-credit-note", "ubl-invoice"];

#[test]
fn what_other_formats_lack_makes_no_invalid_document() {
    let library = Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let mut failures = Vec::new();
    for name in BY_SCHEMA {
        let mapping = library.mapping(name).unwrap();
        let bodies = tempfile::tempdir().unwrap();
        let (mut written, mut refused) = (0, 0);
        for mut record in records_of_all_cases(&library, &mapping.canonical.name) {
            // Most cases are of invoices, whose type no credit note has.
            if name == "ubl-credit-note" {
                record["type_code"] = Value::from("381");
            }
            match cases::write_body(mapping, &zone, &[record]) {
                Ok(body) => std::fs::write(bodies.path().join(format!("{written:04}")), body).map(|()| written += 1).unwrap(),
                Err(_) => refused += 1,
            }
        }
        assert!(written > 2 && refused > 0, "{name}: {written} written, {refused} refused");
        failures.extend(reader::read(name, bodies.path()).err().map(|message| format!("{name}: {message}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The records that the cases of all mappings of a canonical schema have.
fn records_of_all_cases(library: &Library, canonical: &str) -> Vec<Value> {
    let mut records = Vec::new();
    for mapping in library.mappings().filter(|mapping| mapping.canonical.name == canonical) {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings").join(&mapping.name).join("cases");
        for file in std::fs::read_dir(cases).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            // What is sent may be wrong; what came of it is not.
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".out.ndjson") || name.ends_with(".records.ndjson") {
                let text = std::fs::read_to_string(&file).unwrap();
                records.extend(
                    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{}: {e}", file.display()))),
                );
            }
        }
    }
    records
}

/// Reads and writes many records of one mapping, here and elsewhere.
fn check(mapping: &Mapping) -> Result<(), String> {
    let script = script(&mapping.name);
    if !script.is_file() {
        return Err(format!("it writes, and there is no {}, nor a waiver with a reason", script.display()));
    }
    let limits = Limits::of(&reader::folder().join(format!("{}.toml", mapping.name)))?;
    let zone = TimeZone::get("Asia/Shanghai").map_err(|e| e.to_string())?;
    let mut maker = Maker::new(mapping, &limits, &zone, SEED);
    let bodies = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut written = Vec::new();
    for number in 0..BODIES {
        let records = maker.body(number)?;
        let body =
            cases::write_body(mapping, &zone, &records).map_err(|e| format!("cannot be written: {e}\n{}", Value::from(records.clone())))?;
        read_here(mapping, &zone, &records, &body)?;
        std::fs::write(bodies.path().join(format!("{number:04}")), body).map_err(|e| e.to_string())?;
        written.push(records);
    }
    read_elsewhere(mapping, bodies.path(), &written)
}

fn read_here(mapping: &Mapping, zone: &TimeZone, records: &[Value], body: &[u8]) -> Result<(), String> {
    if !mapping.direction.reads() {
        return Ok(());
    }
    let text = || String::from_utf8_lossy(body);
    let read = cases::convert(mapping, zone, body).map_err(|e| format!("cannot be read again: {e}\n{}", text()))?;
    if let Some(finding) = read.findings.iter().find(|f| f.severity == Severity::Error) {
        return Err(format!("read again there is {finding:?}\n{}", text()));
    }
    let computed: Vec<&str> = mapping.computed.iter().map(|(path, _)| path.as_str()).collect();
    // What one entry only writes, or only reads, does not come back; nor does the currency of such an amount.
    let one_way = |path: &str| {
        let of_path = || mapping.record.fields.iter().filter(|field| field.to == path);
        of_path().next().is_some() && !(of_path().any(|field| field.direction.reads()) && of_path().any(|field| field.direction.writes()))
    };
    let currency_of = |path: &str| path.strip_suffix(".currency").is_some_and(|of| one_way(&format!("{of}.amount")));
    let told = |record: &Value| {
        let mut flat = flattened(record);
        flat.retain(|path, _| !computed.contains(&path.as_str()) && !one_way(path) && !currency_of(path));
        flat
    };
    for (number, record) in records.iter().enumerate() {
        let again = read.records.get(number).ok_or_else(|| format!("record {} is lost\n{}", number + 1, text()))?;
        compare(&told(record), &told(again)).map_err(|m| format!("written and read again: {m}\n{}", text()))?;
    }
    if read.records.len() == records.len() { Ok(()) } else { Err(format!("there are more records\n{}", text())) }
}

fn read_elsewhere(mapping: &Mapping, bodies: &Path, written: &[Vec<Value>]) -> Result<(), String> {
    let kept = || {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("elsewhere").join(&mapping.name);
        let copied = std::fs::create_dir_all(&kept)
            .and_then(|()| std::fs::read_dir(bodies))
            .and_then(|entries| entries.flatten().try_for_each(|e| std::fs::copy(e.path(), kept.join(e.file_name())).map(drop)));
        copied.map_or_else(|e| e.to_string(), |()| format!("the bodies are kept in {}", kept.display()))
    };
    let Told { not_read, bodies } = reader::read(&mapping.name, bodies).map_err(|e| format!("{e}; {}", kept()))?;
    let mut missed: BTreeMap<&str, bool> = not_read.keys().map(|path| (path.as_str(), false)).collect();
    for (number, records) in written.iter().enumerate() {
        let read = bodies.get(number).ok_or_else(|| format!("it told nothing of body {number:04}"))?;
        if read.len() != records.len() {
            return Err(format!("body {number:04} has {} records, the script found {}; {}", records.len(), read.len(), kept()));
        }
        for (record, read) in records.iter().zip(read) {
            let mut expected = flattened(record);
            expected.retain(|path, _| match missed.get_mut(without_indices(path).as_str()) {
                Some(seen) => {
                    *seen = true;
                    false
                }
                None => true,
            });
            compare(&expected, read).map_err(|m| format!("body {number:04}, read elsewhere: {m}; {}", kept()))?;
        }
    }
    match missed.iter().find(|(_, seen)| !**seen) {
        Some((path, _)) => Err(format!("the script says that it does not read {path}, which nothing writes")),
        None => Ok(()),
    }
}
