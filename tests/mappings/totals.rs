//! What a written body says about itself. `totals_cases` holds mappings made for this, each body
//! written by hand as the writer must write it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use jiff::tz::TimeZone;
use portolan::convert::{Converted, Source, Target, convert};
use portolan::fault::FaultCode;
use portolan::mapping::{Library, Mapping, cases};
use portolan_contract::Limits;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAPPINGS: [&str; 2] = ["batches", "trailer"];

#[test]
fn totals_are_checked_when_reading() {
    for mapping in MAPPINGS.map(mapping) {
        let cases = cases::run(&mapping, &folder().join(&mapping.name).join("cases"));
        let failures: Vec<String> = cases.iter().flat_map(|case| &case.failures).map(ToString::to_string).collect();
        assert!(!cases.is_empty() && failures.is_empty(), "{}", failures.join("\n"));
    }
}

#[test]
fn totals_are_computed_when_writing() {
    let cases = [("batches", "three.in.xml", "three.out.ndjson"), ("trailer", "two.in.csv", "two.out.ndjson")];
    for (name, body, records) in cases {
        let cases = folder().join(name).join("cases");
        let (converted, written) = write(&mapping(name), &fs::read(cases.join(records)).unwrap());
        assert_eq!((converted.fault, converted.counts.refused), (None, 0), "{name}");
        assert_eq!(String::from_utf8(written).unwrap(), fs::read_to_string(cases.join(body)).unwrap(), "{name}");
    }
}

#[test]
fn a_record_that_is_left_out_counts_in_no_total() {
    let records = fs::read_to_string(folder().join("batches/cases/three.out.ndjson")).unwrap();
    let records = records.replacen("\"1200.50\"", "\"-1\"", 1).replacen("\"CNY\"", "\"USD\"", 1);
    let (converted, written) = write(&mapping("batches"), records.as_bytes());
    assert_eq!((converted.fault, converted.counts.accepted), (None, 2));
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains("<Count>2</Count><Sum>0.10</Sum>"), "{written}");
    assert!(written.contains("<Count>1</Count><Sum>0.01</Sum><Period>2026Q3</Period>"), "{written}");
}

#[test]
fn a_body_without_records_states_that() {
    let (_, written) = write(&mapping("batches"), b"");
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains("<File><Head><Count>0</Count><Sum>0</Sum></Head></File>"), "{written}");
}

#[test]
fn no_body_holds_more_records_than_its_format_allows() {
    let batches = mapping("batches");
    let record = fs::read_to_string(folder().join("batches/cases/three.out.ndjson")).unwrap().lines().next().unwrap().to_owned() + "\n";
    for (records, fault) in [(4, None), (5, Some(FaultCode::TooManyRecords))] {
        let (converted, _) = write(&batches, record.repeat(records).as_bytes());
        assert_eq!(converted.fault, fault, "{records} written");
        let sellers = "<Seller id=\"A\">1.00</Seller>".repeat(records);
        let batch = format!("<Batch of=\"91350100M000100Y43\"><Period>2026Q3</Period>{sellers}</Batch>");
        let body = format!("<File><Head><From>合成平台</From></Head>{batch}</File>");
        let (converted, _) = run(Source::Body(&batches), Target::Canonical, body.as_bytes());
        assert_eq!(converted.fault, fault, "{records} read");
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/totals_cases")
}

fn mapping(name: &str) -> Arc<Mapping> {
    let library = Library::load(&[folder()]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    Arc::clone(library.mapping(name).unwrap())
}

fn write(mapping: &Mapping, records: &[u8]) -> (Converted, Vec<u8>) {
    run(Source::Canonical(&mapping.canonical), Target::Body(mapping), records)
}

fn run(source: Source<'_>, target: Target<'_>, input: &[u8]) -> (Converted, Vec<u8>) {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let mut output = Vec::new();
    let converted = convert(source, target, &zone, &Limits::default(), Box::new(input), Box::new(&mut output), &mut |_| {});
    (converted.unwrap(), output)
}
