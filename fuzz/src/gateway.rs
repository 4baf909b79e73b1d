//! Bodies through mappings, with the schema and the rules: those that ship and, in containers, one of them.

use crate::holds::{Bounds, Dribble, words};
use crate::{chosen, folder};
use jiff::tz::TimeZone;
use portolan::domain::Finding;
use portolan::mapping::body::{BodyReader, Step};
use portolan::mapping::cases::write_body;
use portolan::mapping::{Library, Mapping};
use portolan_contract::{FormatCode, FormatError, Limits};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::sync::Arc;

/// Findings of one record that are kept.
const FINDINGS_MAX: usize = 100;

/// Mappings by their number.
pub struct Mappings(Vec<Arc<Mapping>>);

/// What a reading gave.
struct Reading {
    /// The canonical records of those without errors.
    records: Vec<Value>,
    findings: Vec<(String, Option<u64>)>,
    error: Option<FormatError>,
}

impl Mappings {
    /// All that ship, in the order of their names.
    pub fn shipped() -> Self {
        Self(library(&[]).mappings().map(Arc::clone).collect())
    }

    /// One that ships, in each of the containers of `tests/containers/cases.toml`, in its order.
    pub fn contained() -> Self {
        let text = fs::read_to_string(folder("mappings/cn-platform-income/mapping.toml")).unwrap();
        let cases: toml::Table = toml::from_str(&fs::read_to_string(folder("tests/containers/cases.toml")).unwrap()).unwrap();
        let mine = std::env::temp_dir().join(format!("portolan-fuzz-{}", std::process::id()));
        let mut names = Vec::new();
        for (index, of) in cases["of"].as_array().unwrap().iter().enumerate() {
            let name = format!("contained-{index:02}");
            fs::create_dir_all(mine.join(&name)).unwrap();
            let container = of["container"].as_str().unwrap();
            let text = format!("direction = \"read\"\n{text}\n[[container]]\n{container}");
            fs::write(mine.join(&name).join("mapping.toml"), text).unwrap();
            names.push(name);
        }
        let library = library(&[mine.clone()]);
        fs::remove_dir_all(mine).unwrap();
        Self(names.iter().map(|name| Arc::clone(library.mapping(name).unwrap())).collect())
    }

    /// Reads a body, at once and a few bytes at a time; a mapping of both ways also writes what it read and
    /// reads that again.
    pub fn check(&self, input: &[u8]) {
        let Some((choice, body)) = chosen(input, self.0.len()) else { return };
        let mapping = self.0[choice].as_ref();
        if !mapping.direction.reads() {
            return;
        }
        let one = read(mapping, body, Box::new(body));
        let other = read(mapping, body, Box::new(Dribble::new(body)));
        let name = &mapping.name;
        assert_eq!(one.records, other.records, "{name}: records depend on how the bytes come in");
        assert_eq!(one.findings, other.findings, "{name}: findings depend on how the bytes come in");
        let told = |error: &FormatError| (error.code, error.at, error.part.clone(), error.words.clone());
        assert_eq!(one.error.as_ref().map(told), other.error.as_ref().map(told), "{name}");
        if one.error.is_none() && !one.records.is_empty() && mapping.direction.writes() {
            written_is_read_again(mapping, &one.records);
        }
    }
}

fn library(folders: &[std::path::PathBuf]) -> Library {
    Library::load(folders).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn read(mapping: &Mapping, body: &[u8], input: Box<dyn Read + '_>) -> Reading {
    let limits = Limits { expanded_bytes_max: 4 << 20, ..Limits::default() };
    let packed = body.starts_with(b"PK") || mapping.name.starts_with("contained") || mapping.plan.nodes.is_empty();
    let bounds = if packed || !is_bare(mapping) { Bounds::of_parts(limits) } else { Bounds::of(body, limits) };
    let mut reading = Reading { records: Vec::new(), findings: Vec::new(), error: None };
    let mut reader = match BodyReader::new(mapping, &TimeZone::UTC, &limits, FINDINGS_MAX, input) {
        Ok(reader) => reader,
        Err(error) => return Reading { error: Some(told(error, &bounds)), ..reading },
    };
    loop {
        match reader.read() {
            Ok(Step::Record(record)) => {
                bounds.record(record.raw);
                note(&mut reading, record.of_body);
                if !record.findings.refuse() {
                    reading.records.push(record.canonical);
                }
                let (kept, left_out) = record.findings.into_kept();
                assert!(kept.len() <= FINDINGS_MAX && (left_out == 0 || kept.len() == FINDINGS_MAX), "{}", kept.len());
                note(&mut reading, kept);
            }
            Ok(Step::End { of_body, .. }) => {
                note(&mut reading, of_body);
                return reading;
            }
            Err(error) => return Reading { error: Some(told(error, &bounds)), ..reading },
        }
    }
}

/// Whether places are those of the body itself.
fn is_bare(mapping: &Mapping) -> bool {
    mapping.format.media_type().starts_with("text/") || {
        let media_type = mapping.format.media_type();
        ["/xml", "/json", "edifact", "ndjson", "csv"].iter().any(|kind| media_type.contains(kind)) && !mapping.name.contains("dxp")
    }
}

fn told(error: FormatError, bounds: &Bounds) -> FormatError {
    let io = error.io.is_some();
    if !io {
        bounds.error(&error);
    }
    words(&error.words);
    error
}

fn note(reading: &mut Reading, findings: Vec<Finding>) {
    for finding in findings {
        words(&finding.words);
        assert!(!finding.rule.is_empty());
        reading.findings.push((finding.rule, finding.record));
    }
}

fn written_is_read_again(mapping: &Mapping, records: &[Value]) {
    let name = &mapping.name;
    let written = match write_body(mapping, &TimeZone::UTC, records) {
        Ok(written) => written,
        Err(message) => return assert!(!message.is_empty(), "{name}"),
    };
    let again = read(mapping, &written, Box::new(written.as_slice()));
    let shown = || String::from_utf8_lossy(&written).into_owned();
    if let Some(error) = &again.error {
        assert!(error.code != FormatCode::Io, "{name}: {error}");
        panic!("{name}: what was written cannot be read: {error}\n{}", shown());
    }
    for (one, other) in records.iter().zip(&again.records) {
        assert_eq!(one, other, "{name}: what was written is read as something else\n{}", shown());
    }
    assert_eq!(records.len(), again.records.len(), "{name}: {:?}\n{}", again.findings, shown());
}
