//! Bodies through whole mappings, with the schema and the rules: those that ship, and one of them in containers.

use super::holds::{Bounds, dribble, words};
use super::{chosen, folder};
use jiff::tz::TimeZone;
use portolan::domain::Finding;
use portolan::fault::FaultCode;
use portolan::mapping::body::{BodyReader, Step};
use portolan::mapping::cases::write_body;
use portolan::mapping::lineage::{Asked, Reached, lineage};
use portolan::mapping::{Group, Library, Mapping};
use portolan::translate::Stop;
use portolan_contract::{FormatError, Limits};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::sync::{Arc, LazyLock};

/// Findings of one record that are kept.
const FINDINGS_MAX: usize = 100;
/// Containers that are written too, besides those of `tests/containers/cases.toml`, which are read alone.
const TWO_WAY: [&str; 8] = [
    "kind = \"gzip\"",
    "kind = \"zstd\"",
    "kind = \"zip\"\nwrite = \"a.csv\"",
    "kind = \"xml-base64\"\npath = \"A/B\"",
    "kind = \"multipart\"\nwrite = \"甲.csv\"",
    "kind = \"multipart\"\nwrite = \"a.csv.zst\"\nfield = \"表\"\n[[container]]\nkind = \"zstd\"",
    "kind = \"zip\"\nwrite = \"a.csv.gz\"\n[[container]]\nkind = \"gzip\"",
    "kind = \"zstd\"\n[[container]]\nkind = \"xml-base64\"\npath = \"A/B\"\n[[container]]\nkind = \"zip\"\nwrite = \"甲.csv\"\nnames = \"gb18030\"",
];

/// The mappings that ship, in the order of their names.
pub fn shipped(input: &[u8]) {
    static SHIPPED: LazyLock<Mappings> = LazyLock::new(|| Mappings(library(&[]).mappings().map(Arc::clone).collect()));
    SHIPPED.check(input);
}

/// The mapping of the income table in each of the containers of `tests/containers/cases.toml`, then in those of [`TWO_WAY`].
pub fn contained(input: &[u8]) {
    static CONTAINED: LazyLock<Mappings> = LazyLock::new(Mappings::contained);
    CONTAINED.check(input);
}

/// Mappings by their number.
struct Mappings(Vec<Arc<Mapping>>);

/// What a reading gave.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    /// The canonical records of those without errors, with their numbers in the body.
    records: Vec<(u64, Value)>,
    findings: Vec<Finding>,
}

impl Mappings {
    fn contained() -> Self {
        let text = fs::read_to_string(folder("mappings/cn-platform-income/mapping.toml")).unwrap();
        let cases: toml::Table = toml::from_str(&fs::read_to_string(folder("tests/containers/cases.toml")).unwrap()).unwrap();
        let read_alone = cases["of"].as_array().unwrap().iter().map(|of| ("direction = \"read\"\n", of["container"].as_str().unwrap()));
        let mine = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for (number, (direction, container)) in read_alone.chain(TWO_WAY.map(|container| ("", container))).enumerate() {
            let name = format!("contained-{number:02}");
            fs::create_dir(mine.path().join(&name)).unwrap();
            fs::write(mine.path().join(&name).join("mapping.toml"), format!("{direction}{text}\n[[container]]\n{container}")).unwrap();
            names.push(name);
        }
        let library = library(&[mine.path().to_owned()]);
        Self(names.iter().map(|name| Arc::clone(library.mapping(name).unwrap())).collect())
    }

    /// Reads a body, at once and a few bytes at a time; looks where a record came from; and writes what was read, where the
    /// mapping writes, and reads that again.
    fn check(&self, input: &[u8]) {
        let Some((choice, body)) = chosen(input, self.0.len()) else { return };
        let mapping = self.0[choice].as_ref();
        if !mapping.direction.reads() {
            return;
        }
        let (one, error) = read(mapping, body, Box::new(body));
        let (other, other_error) = read(mapping, body, dribble(body));
        let name = &mapping.name;
        // How much comes out of a decoder before it finds damage is its own affair.
        if mapping.contained.is_none() || error.is_none() {
            assert_eq!(one, other, "{name}: what is read depends on how the bytes come in");
            assert_eq!(error, other_error, "{name}: refused or not as the bytes come in");
        }
        assert_eq!(error.is_some(), other_error.is_some(), "{name}: {error:?}, {other_error:?}");
        if let Some((record, canonical)) = one.records.last() {
            traced(mapping, body, *record, canonical);
        }
        if error.is_none() && !one.records.is_empty() && mapping.direction.writes() {
            written_is_read_again(mapping, one.records.into_iter().map(|(_, record)| record).collect());
        }
    }
}

fn library(folders: &[std::path::PathBuf]) -> Library {
    Library::load(folders).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn limits() -> Limits {
    Limits { expanded_bytes_max: 4 << 20, ..Limits::default() }
}

/// Places are in the body itself unless it has parts.
fn bounds(mapping: &Mapping, body: &[u8]) -> Bounds {
    let has_parts = mapping.contained.is_some() || !mapping.has_bytes();
    if has_parts { Bounds::of_parts(limits()) } else { Bounds::of(body, limits()) }
}

/// Records, findings, and why the body is refused, if it is.
fn read(mapping: &Mapping, body: &[u8], input: Box<dyn Read + '_>) -> (Reading, Option<(FaultCode, Finding)>) {
    let bounds = bounds(mapping, body);
    let mut reading = Reading::default();
    let zone = TimeZone::UTC;
    let reader = BodyReader::new(mapping, &zone, &limits(), FINDINGS_MAX, input);
    let error = reader.and_then(|reader| read_through(reader, &bounds, &mut reading)).err();
    let refused = error.map(|error| match Stop::of(error) {
        Stop::Body(code, finding) => (code, *finding),
        Stop::Gateway(error) => panic!("{}: the body is at fault, not the gateway: {error}", mapping.name),
    });
    for finding in reading.findings.iter().chain(refused.iter().map(|(_, finding)| finding)) {
        words(&finding.words);
        assert!(!finding.rule.is_empty());
        bounds.place(finding.at);
    }
    (reading, refused)
}

fn read_through(mut reader: BodyReader<'_>, bounds: &Bounds, reading: &mut Reading) -> Result<(), FormatError> {
    loop {
        match reader.read()? {
            Step::Record(record) => {
                bounds.record(record.raw);
                reading.findings.extend(record.of_body);
                if !record.findings.refuse() {
                    reading.records.push((record.number, record.canonical));
                }
                let (kept, left_out) = record.findings.into_kept();
                assert!(kept.len() <= FINDINGS_MAX && (left_out == 0 || kept.len() == FINDINGS_MAX), "{}", kept.len());
                reading.findings.extend(kept);
            }
            Step::End { of_body, .. } => {
                reading.findings.extend(of_body);
                return Ok(());
            }
        }
    }
}

/// The lineage of a record is that of the record that was read, and its ranges are texts of the body.
fn traced(mapping: &Mapping, body: &[u8], record: u64, canonical: &Value) {
    let name = &mapping.name;
    let asked = Asked { mapping, zone: &TimeZone::UTC, limits: &limits(), findings_max: FINDINGS_MAX, record };
    let reached = lineage(&asked, &|| Ok(Box::new(body))).unwrap_or_else(|error| panic!("{name}: record {record} was read: {error}"));
    let Reached::Record(reached) = reached else { panic!("{name}: record {record} was read") };
    assert!(reached.accepted && reached.canonical == *canonical, "{name}: record {record} has another lineage");
    for source in reached.fields.iter().filter_map(|field| field.source.as_ref()) {
        let Some((from, to)) = source.range else { continue };
        let within_body = mapping.contained.is_some() || to <= body.len() as u64;
        assert!(source.byte <= Some(from) && from <= to && within_body, "{name}: {source:?}");
    }
}

fn written_is_read_again(mapping: &Mapping, records: Vec<Value>) {
    let name = &mapping.name;
    let written = match write_body(mapping, &TimeZone::UTC, &records) {
        Ok(written) => written,
        Err(message) => return assert!(!message.is_empty(), "{name}"),
    };
    let (again, error) = read(mapping, &written, Box::new(written.as_slice()));
    let shown = || String::from_utf8_lossy(&written).into_owned();
    assert!(error.is_none(), "{name}: what was written cannot be read: {error:?}\n{}", shown());
    let two_way = |mut record: Value| {
        without_what_is_only_read(&mapping.record, &mut record);
        without_empty_objects(&mut record);
        record
    };
    let mut read: Vec<Value> = again.records.into_iter().map(|(_, record)| two_way(record)).collect();
    let mut records: Vec<Value> = records.into_iter().map(two_way).collect();
    for (record, again) in records.iter_mut().zip(&mut read) {
        without_cut_ids(mapping, record, again);
    }
    assert_eq!(records, read, "{name}: what was written is read as something else, {:?}\n{}", again.findings, shown());
}

/// Takes out what no entry of the mapping writes.
fn without_what_is_only_read(group: &Group, value: &mut Value) {
    let written = |path: &str| group.fields.iter().any(|field| field.to == path && field.direction.writes());
    for field in group.fields.iter().filter(|field| !written(&field.to)) {
        remove(value, &field.to);
    }
    for list in &group.lists {
        let path = format!("/{}", list.to.replace('.', "/"));
        let items = value.pointer_mut(&path).and_then(Value::as_array_mut);
        items.into_iter().flatten().for_each(|item| without_what_is_only_read(&list.item, item));
    }
}

/// Takes out the ids that are too long for their field, in whose end a digest is written.
fn without_cut_ids(mapping: &Mapping, record: &mut Value, again: &mut Value) {
    for field in mapping.record.fields.iter().filter(|field| field.direction.writes()) {
        let Some(chars_max) = field.numbered_max else { continue };
        let id = record.pointer(&format!("/{}", field.to.replace('.', "/"))).and_then(Value::as_str);
        if id.is_some_and(|id| id.chars().count() > chars_max) {
            remove(record, &field.to);
            remove(again, &field.to);
        }
    }
}

fn remove(value: &mut Value, path: &str) {
    let (above, name) = path.rsplit_once('.').unwrap_or(("", path));
    let above = if above.is_empty() { Some(value) } else { value.pointer_mut(&format!("/{}", above.replace('.', "/"))) };
    if let Some(object) = above.and_then(Value::as_object_mut) {
        object.remove(name);
    }
}

/// Takes out the objects in which nothing is left.
fn without_empty_objects(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(without_empty_objects);
            object.retain(|_, value| value.as_object().is_none_or(|object| !object.is_empty()));
        }
        Value::Array(items) => items.iter_mut().for_each(without_empty_objects),
        _ => {}
    }
}
