//! The case runner: every adapter's `cases/` folder holds one folder per case.
//!
//! - `plan.toml`: `records`, `lists` and `slots` (paths), `constants` (path to text), and the
//!   tables `[options]` (the mapping's format options) and `[limits]`. A slot is a path or
//!   `{ path, repeat, after }`.
//! - `input.*`: the body, byte for byte.
//! - one of `expected.json` (records), `expected-error.json` (the body is refused) and
//!   `expected-options.json` (the plan or its options are refused; no input then).
//! - `written.*`, where it is there: what writing the records that were read must give.
//!
//! Where the body has parts, a record names its own, and so may an expected error. In
//! `expected.json` a value is `[path, text, line, byte, column]`, with the index of its list
//! item added where it is in one; a finding is `[rule, line, byte, column]`, with the path added
//! where one is known; an item is `[path, index of the enclosing item or null]`.

use crate::{
    Bound, Form, Format, FormatError, Found, Limits, OptionsError, Plan, PlanBuilder, Position, RawFinding, RawRecord, RawValue, Repeat,
    SlotId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A case's plan, ready to be bound.
pub struct CasePlan {
    /// The compiled plan.
    pub plan: Arc<Plan>,
    /// The format's options.
    pub options: toml::Table,
    /// The limits to read with.
    pub limits: Limits,
}

impl CasePlan {
    /// Reads the text of a `plan.toml`.
    ///
    /// # Errors
    /// What is wrong with the file, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: PlanFile = toml::from_str(text).map_err(|e| e.to_string())?;
        let plan = file.build().map_err(|e| e.to_string())?;
        Ok(Self { plan: Arc::new(plan), options: file.options, limits: file.limits })
    }

    /// Binds a format to the plan, with the options as they are now.
    ///
    /// # Errors
    /// What the format objects to.
    pub fn bind(&self, format: &dyn Format) -> Result<Arc<dyn Bound>, OptionsError> {
        format.bind(Arc::clone(&self.plan), &self.options)
    }
}

/// What a reading gave: records, and the values outside them or the error.
pub type Reading = (Vec<RawRecord>, Result<RawRecord, FormatError>);

/// Reads a whole body: the records, and then the values outside them or the error.
pub fn read_all(bound: &dyn Bound, body: &[u8], limits: &Limits) -> Reading {
    read_from(bound, body, limits)
}

/// The same of a body that comes in as its sender pleases, such as a [`Dribble`].
pub fn read_from<'b>(bound: &'b dyn Bound, input: impl Read + 'b, limits: &Limits) -> Reading {
    let mut records = Vec::new();
    let mut reader = match bound.reader(Box::new(input), limits) {
        Ok(reader) => reader,
        Err(error) => return (records, Err(error)),
    };
    loop {
        match reader.read() {
            Ok(Found::Record(record)) => records.push(record.clone()),
            Ok(Found::End(outside)) => return (records, Ok(outside.clone())),
            Err(error) => return (records, Err(error)),
        }
    }
}

/// Writes a whole body.
///
/// # Errors
/// What the writer raises.
pub fn write_all(bound: &dyn Bound, head: &RawRecord, records: &[RawRecord]) -> Result<Vec<u8>, FormatError> {
    let mut body = Vec::new();
    let mut writer = bound.writer(Box::new(&mut body), head)?;
    for record in records {
        writer.write(record)?;
    }
    writer.finish()?;
    Ok(body)
}

/// Hands out a few bytes at a time, as a slow sender does, so that every place is once the end of a buffer.
pub struct Dribble<'b> {
    rest: &'b [u8],
    bytes_at_a_time: usize,
}

impl<'b> Dribble<'b> {
    /// A body, and how many bytes of it are read at once.
    pub fn new(body: &'b [u8], bytes_at_a_time: usize) -> Self {
        Self { rest: body, bytes_at_a_time }
    }
}

impl Read for Dribble<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let now_bytes_max = self.bytes_at_a_time.min(out.len());
        self.rest.by_ref().take(now_bytes_max as u64).read(out)
    }
}

/// A record of texts in slots that follow each other; one that stands nowhere yet.
pub fn record_of(first_slot: SlotId, texts: &[impl AsRef<str>]) -> RawRecord {
    let mut record = RawRecord::default();
    for (slot, text) in (first_slot..).zip(texts) {
        record.push(slot, None, text.as_ref(), Position::default());
    }
    record
}

/// The texts of some slots outside items; empty where there is none.
pub fn texts(record: &RawRecord, slots: Range<SlotId>) -> Vec<String> {
    slots.map(|slot| record.find(slot, None).map_or("", |v| record.text(v)).to_owned()).collect()
}

/// Runs every case below `folder`: one text for each that fails, and one if there is no case.
pub fn run(format: &dyn Format, folder: &Path) -> Vec<String> {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|p| p.is_dir()).collect();
    cases.sort();
    if cases.is_empty() {
        return vec![format!("no cases in {}", folder.display())];
    }
    cases.iter().filter_map(|case| check(format, case).err().map(|e| format!("{}: {e}", case.display()))).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    records: Vec<String>,
    #[serde(default)]
    lists: Vec<String>,
    #[serde(default)]
    slots: Vec<SlotEntry>,
    #[serde(default)]
    constants: BTreeMap<String, String>,
    #[serde(default)]
    options: toml::Table,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum SlotEntry {
    Path(String),
    Whole {
        path: String,
        #[serde(default)]
        repeat: Repeat,
        #[serde(default)]
        after: bool,
        #[serde(default)]
        form: Form,
    },
}

impl PlanFile {
    /// Slots come first, so that the order of writing is theirs.
    fn build(&self) -> Result<Plan, crate::PlanError> {
        let mut builder = PlanBuilder::new();
        for slot in &self.slots {
            match slot {
                SlotEntry::Path(path) => drop(builder.slot(path, Repeat::Once, false)?),
                SlotEntry::Whole { path, repeat, after, form } => {
                    let slot = builder.slot(path, *repeat, *after)?;
                    builder.form(slot, *form);
                }
            }
        }
        for path in &self.records {
            builder.anchor(path)?;
        }
        for path in &self.lists {
            builder.list(path)?;
        }
        for (path, text) in &self.constants {
            builder.constant(path, text)?;
        }
        builder.build()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedError {
    code: String,
    line: u64,
    byte: u64,
    #[serde(default)]
    column: u32,
    #[serde(default)]
    part: Option<String>,
    /// Records that were read before the error.
    #[serde(default)]
    records: usize,
    /// What the words must name, in both languages.
    #[serde(default)]
    mentions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedOptions {
    key: String,
    #[serde(default)]
    mentions: Vec<String>,
}

fn check(format: &dyn Format, case: &Path) -> Result<(), String> {
    let plan = CasePlan::parse(&text_of(&case.join("plan.toml"))?)?;
    let bound = match (plan.bind(format), text_of(&case.join("expected-options.json"))) {
        (Ok(bound), Err(_)) => bound,
        (Err(error), Err(_)) => return Err(format!("the plan is refused: {error}")),
        (Ok(_), Ok(_)) => return Err("the plan is not refused".to_owned()),
        (Err(error), Ok(expected)) => {
            let expected: ExpectedOptions = serde_json::from_str(&expected).map_err(|e| e.to_string())?;
            same("key", &json!(expected.key), &json!(error.key))?;
            return mentions(&error.message, &expected.mentions);
        }
    };
    let input = file_of(case, "input").ok_or("no input")?;
    let body = fs::read(input).map_err(|e| e.to_string())?;
    let (records, end) = read_all(bound.as_ref(), &body, &plan.limits);
    if let Ok(expected) = text_of(&case.join("expected-error.json")) {
        let expected: ExpectedError = serde_json::from_str(&expected).map_err(|e| e.to_string())?;
        return check_error(&expected, records.len(), end.err());
    }
    let outside = end.map_err(|e| format!("refused: {:?}, {e}", e.code))?;
    let expected: Value = serde_json::from_str(&text_of(&case.join("expected.json"))?).map_err(|e| e.to_string())?;
    let shown: Vec<Value> = records.iter().map(|r| shown(&plan.plan, r, true)).collect();
    same("records", &expected["records"], &json!(shown))?;
    let none = json!({});
    same("end", expected.get("end").unwrap_or(&none), &self::shown(&plan.plan, &outside, false))?;
    let Some(written) = file_of(case, "written") else { return Ok(()) };
    let written = fs::read(written).map_err(|e| e.to_string())?;
    let actual = write_all(bound.as_ref(), &outside, &records).map_err(|e| format!("not written: {:?}, {e}", e.code))?;
    same("written", &json!(String::from_utf8_lossy(&written)), &json!(String::from_utf8_lossy(&actual)))?;
    if written == actual { Ok(()) } else { Err(format!("written differs in bytes: {actual:02X?}")) }
}

fn check_error(expected: &ExpectedError, records: usize, error: Option<FormatError>) -> Result<(), String> {
    let Some(error) = error else { return Err("the body is not refused".to_owned()) };
    let found = json!([format!("{:?}", error.code), error.at.line, error.at.byte, error.at.column, records]);
    let wanted = json!([expected.code, expected.line, expected.byte, expected.column, expected.records]);
    same("code, line, byte, column, records before", &wanted, &found).map_err(|e| format!("{e}\n{error}"))?;
    if expected.part.is_some() {
        same("part", &json!(expected.part), &json!(error.part))?;
    }
    mentions(&error.words.en, &expected.mentions)?;
    mentions(&error.words.zh, &expected.mentions)
}

fn mentions(words: &str, names: &[String]) -> Result<(), String> {
    match names.iter().find(|name| !words.contains(name.as_str())) {
        Some(missing) => Err(format!("`{missing}` is not named in: {words}")),
        None => Ok(()),
    }
}

fn same(what: &str, expected: &Value, actual: &Value) -> Result<(), String> {
    if expected == actual { Ok(()) } else { Err(format!("{what}\n  expected {expected}\n  found    {actual}")) }
}

/// A record as cases write it; what is empty is left out.
fn shown(plan: &Plan, record: &RawRecord, with_place: bool) -> Value {
    let mut shown = serde_json::Map::new();
    if with_place {
        shown.insert("at".to_owned(), json!([record.at.line, record.at.byte]));
        shown.extend(record.part.as_ref().map(|part| ("part".to_owned(), json!(part))));
    }
    let values: Vec<Value> = record.values().iter().map(|v| shown_value(plan, record, v)).collect();
    let items: Vec<Value> = record.items().iter().map(|i| json!([plan.lists[i.list as usize].path, i.parent])).collect();
    let findings: Vec<Value> = record.findings.iter().map(|f| shown_finding(plan, f)).collect();
    for (name, list) in [("values", values), ("items", items), ("findings", findings)] {
        if !list.is_empty() {
            shown.insert(name.to_owned(), Value::Array(list));
        }
    }
    Value::Object(shown)
}

fn shown_value(plan: &Plan, record: &RawRecord, value: &RawValue) -> Value {
    let Position { line, byte, column } = value.at;
    let (path, text) = (&plan.slot(value.slot).path, record.text(value));
    match value.item {
        Some(item) => json!([path, text, line, byte, column, item]),
        None => json!([path, text, line, byte, column]),
    }
}

fn shown_finding(plan: &Plan, finding: &RawFinding) -> Value {
    let Position { line, byte, column } = finding.at;
    match finding.slot {
        Some(slot) => json!([finding.rule, line, byte, column, plan.slot(slot).path]),
        None => json!([finding.rule, line, byte, column]),
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The file of a case whose name without its extension is `stem`.
fn file_of(case: &Path, stem: &str) -> Option<PathBuf> {
    fs::read_dir(case).into_iter().flatten().flatten().map(|entry| entry.path()).find(|p| p.file_stem().is_some_and(|s| s == stem))
}
