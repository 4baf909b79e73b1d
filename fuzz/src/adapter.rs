//! A format's reader and writer, with the plans of the adapter's own cases.

use super::holds::{self, Bounds, dribble};
use super::{chosen, folder};
use portolan_contract::cases::{CasePlan, Reading, read_all, read_from, write_all};
use portolan_contract::{Bound, Format, FormatCode, FormatError, Limits, Plan, RawRecord, RawValue};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, LazyLock};

/// The plans of `adapters/csv`.
pub fn csv(input: &[u8]) {
    static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_csv::Csv));
    ADAPTER.check(input);
}

/// The plans of `adapters/edifact`.
pub fn edifact(input: &[u8]) {
    static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_edifact::Edifact));
    ADAPTER.check(input);
}

/// The plans of `adapters/fixed`.
pub fn fixed(input: &[u8]) {
    static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_fixed::Fixed));
    ADAPTER.check(input);
}

/// The plans of `adapters/json`.
pub fn json(input: &[u8]) {
    static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_json::Json));
    ADAPTER.check(input);
}

/// The plans of `adapters/mt940`.
pub fn mt940(input: &[u8]) {
    static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_mt940::Mt940));
    ADAPTER.check(input);
}

/// The plans of `adapters/xlsx`.
pub fn xlsx(input: &[u8]) {
    static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_xlsx::Xlsx));
    ADAPTER.check(input);
}

/// The plans of `adapters/xml`.
pub fn xml(input: &[u8]) {
    static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_xml::Xml));
    ADAPTER.check(input);
}

/// An adapter, bound to the plan of each of its cases.
pub struct Adapter {
    format: String,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    /// Nothing where the case is that the plan is refused.
    bound: Option<Arc<dyn Bound>>,
    plan: Arc<Plan>,
    limits: Limits,
    /// What is written is meant to be read with these options too.
    reads_its_own: bool,
}

impl Adapter {
    /// Binds every plan of the adapter's cases, in the order of their names.
    pub fn load(format: &dyn Format) -> Self {
        let cases = folder("adapters").join(format.name()).join("cases");
        let mut folders: Vec<_> = fs::read_dir(cases).unwrap().flatten().map(|entry| entry.path()).collect();
        folders.sort();
        let case = |path: std::path::PathBuf| {
            let case = CasePlan::parse(&fs::read_to_string(path.join("plan.toml")).ok()?).unwrap();
            let bound = case.bind(format).ok();
            let name = path.file_name()?.to_string_lossy().into_owned();
            let reads_its_own = reads_its_own(&case.options);
            Some(Case { name, bound, plan: case.plan, limits: case.limits, reads_its_own })
        };
        Self { format: format.name().to_owned(), cases: folders.into_iter().filter_map(case).collect() }
    }

    /// Reads a body, at once and a few bytes at a time, and writes what was read and reads that again.
    pub fn check(&self, input: &[u8]) {
        let Some((choice, body)) = chosen(input, self.cases.len()) else { return };
        let case = &self.cases[choice];
        let Some(bound) = case.bound.as_deref() else { return };
        let read = read_all(bound, body, &case.limits);
        let bounds = match self.format.as_str() {
            "xlsx" => Bounds::of_parts(case.limits),
            _ => Bounds::of(body, case.limits),
        };
        read.0.iter().chain(&read.1).for_each(|record| bounds.record(record));
        if let Err(error) = &read.1 {
            bounds.error(error);
        }
        same_at_any_pace(&case.name, &read, &read_from(bound, dribble(body), &case.limits));
        if let (records, Ok(outside)) = &read {
            // A segment needs something in it: what is empty in an interchange cannot be written.
            written_is_read_again(case, bound, outside, records, self.format != "edifact");
        }
    }
}

/// Not where an option is of reading alone or of writing alone: another charset or layout, a row or a sheet that is
/// not the first.
fn reads_its_own(options: &toml::Table) -> bool {
    let numbered = |key: &str| options.get(key).is_some_and(toml::Value::is_integer);
    !["write_charset", "layout"].iter().any(|key| options.contains_key(*key)) && !["heading_row", "sheet"].into_iter().any(numbered)
}

fn same_at_any_pace(case: &str, one: &Reading, other: &Reading) {
    assert_eq!(one.0, other.0, "{case}: records depend on how the bytes come in");
    match (&one.1, &other.1) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "{case}"),
        (Err(one), Err(other)) => {
            let told = |e: &FormatError| (e.code, e.at, e.part.clone(), e.words.clone());
            assert_eq!(told(one), told(other), "{case}: the error depends on how the bytes come in");
        }
        (one, other) => panic!("{case}: refused or not as the bytes come in: {:?}, {:?}", one.as_ref().err(), other.as_ref().err()),
    }
}

fn written_is_read_again(case: &Case, bound: &dyn Bound, outside: &RawRecord, records: &[RawRecord], keeps_empty_items: bool) {
    if !case.reads_its_own || records.is_empty() || records.iter().chain([outside]).any(|record| !record.findings.is_empty()) {
        return;
    }
    let written = match write_all(bound, outside, records) {
        Ok(written) => written,
        Err(error) => {
            assert!(error.code != FormatCode::Io, "{}: {error}", case.name);
            holds::words(&error.words);
            return;
        }
    };
    let (again, end) = read_all(bound, &written, &case.limits);
    let shown = || String::from_utf8_lossy(&written).into_owned();
    if let Err(error) = end {
        panic!("{}: what was written cannot be read: {error}\n{}", case.name, shown());
    }
    let (one, other) = (texts(&case.plan, records, keeps_empty_items), texts(&case.plan, &again, keeps_empty_items));
    assert_eq!(one, other, "{}: what was written is read as something else\n{}", case.name, shown());
}

/// Codes that an account statement has where nothing is known.
const NOTHING_KNOWN: [&str; 2] = ["NONREF", "NMSC"];

/// The texts of records, sorted, without their places. An ordinal is no text of the body, and a number means the
/// same with more zeros around it.
fn texts(plan: &Plan, records: &[RawRecord], with_empty_items: bool) -> Vec<Vec<(String, String, Option<usize>)>> {
    let one = |record: &RawRecord| {
        let is_said = |text: &str| !text.is_empty() && !NOTHING_KNOWN.contains(&text);
        let is_text = |v: &&RawValue| is_said(record.text(v)) && !plan.slot(v.slot).path.ends_with('#');
        let texts: Vec<&RawValue> = record.values().iter().filter(is_text).collect();
        let held: BTreeSet<u32> = texts.iter().filter_map(|v| v.item).collect();
        let item = |item: u32| if with_empty_items { item as usize } else { held.range(..item).count() };
        let text = |v: &&RawValue| (plan.slot(v.slot).path.clone(), without_zeros(record.text(v)), v.item.map(item));
        let mut texts: Vec<_> = texts.iter().map(text).collect();
        texts.sort();
        texts
    };
    records.iter().map(one).collect()
}

fn without_zeros(text: &str) -> String {
    let (sign, number) = text.split_at(usize::from(text.starts_with(['+', '-'])));
    let Some((whole, part)) = number.split_once('.') else { return text.to_owned() };
    if !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let sign = if sign == "+" { "" } else { sign };
    format!("{sign}{}.{}", whole.trim_start_matches('0'), part.trim_end_matches('0'))
}
