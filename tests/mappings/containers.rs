//! Containers that another program makes (`tests/containers/make.py`), read. `tests/containers/cases.toml` says what becomes of each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use jiff::tz::TimeZone;
use portolan::coding::DecodeError;
use portolan::convert::{Source, Target, convert};
use portolan::domain::Finding;
use portolan::mapping::body::{BodyReader, Step};
use portolan::mapping::{Library, Mapping};
use portolan_contract::Limits;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

const DOCUMENT: &str = "mappings/cn-platform-income/cases/gb18030.in.csv";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    of: Vec<Of>,
}

/// What one container entry makes of bodies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    container: String,
    good: Vec<Good>,
    bad: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    body: String,
    parts: Vec<String>,
}

#[test]
fn containers_of_another_program_are_read_and_hostile_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    python("make.py", &[root().join(DOCUMENT).as_os_str(), folder.path().as_os_str()]);
    let cases: Cases = toml::from_str(&std::fs::read_to_string(root().join("tests/containers/cases.toml")).unwrap()).unwrap();
    let plain = mapping("");
    let (_, document, _) = run(&plain, &std::fs::read(root().join(DOCUMENT)).unwrap());
    assert!(!document.is_empty());
    let mut left: BTreeSet<String> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    for of in cases.of {
        let mapping = mapping(&of.container);
        let body = |name: &str| std::fs::read(folder.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        for Good { body: name, parts } in of.good {
            left.remove(&name);
            let (fault, records, findings) = run(&mapping, &body(&name));
            assert_eq!(fault, None, "{name}: {findings:#?}");
            let expected: Vec<Value> = parts.iter().flat_map(|_| document.clone()).collect();
            assert!(records == expected, "{name} in {}: other records", of.container);
            check_parts(&mapping, &body(&name), &parts, &name);
        }
        for (name, expected) in of.bad {
            left.remove(&name);
            let (fault, _, findings) = run(&mapping, &body(&name));
            assert_eq!(fault.as_deref(), Some(expected.as_str()), "{name} in {}: {findings:#?}", of.container);
            let told = findings.last().unwrap();
            assert!(told.words.zh.chars().any(|c| c > '\u{4E00}') && !told.words.en.is_empty(), "{name}: {told:?}");
        }
    }
    assert!(left.is_empty(), "no case is for {left:?}");
}

/// A content coding may be damaged anywhere below an envelope: that is the sender's fault wherever it is met.
#[test]
fn what_is_wrong_below_an_envelope_keeps_its_blame() {
    let cases: Cases = toml::from_str(&std::fs::read_to_string(root().join("tests/containers/cases.toml")).unwrap()).unwrap();
    let of = cases.of.into_iter().find(|of| of.container.contains("xml-base64")).unwrap();
    let mapping = mapping(&of.container);
    let head = "<DxpMsg xmlns=\"http://www.chinaport.gov.cn/dxp\"><A>1</A><Data>";
    let body = format!("{head}{}</Data><B>2</B></DxpMsg>", "5rWL6K+V".repeat(20));
    for at in 0..body.len() {
        let broken = body.as_bytes()[..at].chain(Broken);
        let (fault, _, findings) = run_input(&mapping, Box::new(broken));
        assert_eq!(fault.as_deref(), Some("encoding.damaged"), "broken at byte {at}: {findings:#?}");
    }
}

/// An input whose content coding is damaged from here on.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::InvalidData, DecodeError::Damaged))
    }
}

/// Every record names the part that it stands in, and stands where it stands in the document.
fn check_parts(mapping: &Mapping, body: &[u8], parts: &[String], name: &str) {
    let (zone, limits) = (TimeZone::UTC, Limits::default());
    let mut reader = BodyReader::new(mapping, &zone, &limits, 1, Box::new(body)).unwrap();
    let mut seen: Vec<String> = Vec::new();
    while let Step::Record(record) = reader.read().unwrap() {
        let part = record.raw.part.clone().unwrap_or_default();
        assert!(record.raw.at.line > 1 && record.raw.at.byte > 0, "{name}: {:?}", record.raw.at);
        if seen.last() != Some(&part) {
            seen.push(part);
        }
    }
    assert_eq!(seen, parts, "{name}");
}

/// The mapping of the income table in a container; it reads alone.
fn mapping(container: &str) -> std::sync::Arc<Mapping> {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root().join("mappings/cn-platform-income/mapping.toml")).unwrap();
    let container = if container.is_empty() { String::new() } else { format!("\n[[container]]\n{container}") };
    std::fs::create_dir(folder.path().join("contained")).unwrap();
    std::fs::write(folder.path().join("contained/mapping.toml"), format!("direction = \"read\"\n{text}{container}")).unwrap();
    let library = Library::load(&[folder.path().to_owned()]).unwrap_or_else(|problems| panic!("{problems:?}"));
    std::sync::Arc::clone(library.mapping("contained").unwrap())
}

/// The fault, the records and the findings of a body.
fn run(mapping: &Mapping, body: &[u8]) -> (Option<String>, Vec<Value>, Vec<Finding>) {
    run_input(mapping, Box::new(body))
}

fn run_input(mapping: &Mapping, body: Box<dyn Read + '_>) -> (Option<String>, Vec<Value>, Vec<Finding>) {
    let (mut output, mut findings) = (Vec::new(), Vec::new());
    let mut noted = |finding: &Finding| findings.push(finding.clone());
    let source = Source::Body(mapping);
    let converted = convert(source, Target::Canonical, &TimeZone::UTC, &Limits::default(), body, Box::new(&mut output), &mut noted);
    let fault = converted.unwrap().fault.map(|code| code.as_str().to_owned());
    let records = output.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap());
    (fault, records.collect(), findings)
}

fn python(program: &str, arguments: &[&std::ffi::OsStr]) {
    let program = root().join("tests/containers").join(program);
    let output = Command::new("python3").arg(&program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("python3 is needed (make tools): {e}"));
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
