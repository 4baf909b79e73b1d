//! From a mapping file to a [`Mapping`]: every problem at once, each with its line.

use super::containers;
use super::file::{
    AnswerEntry, BodyEntry, CheckEntry, CheckIf, CheckSeverity, ComputedEntry, ConstantEntry, Currency, Direction, FieldEntry, Kind,
    ListEntry, MappingFile, RuleEntry, XsdEntry,
};
use super::place::{Besides, Choice, Is, Pick, Place};
use super::rules::Expression;
use super::schema::{Canonical, at_path};
use crate::domain::Digest;
use portolan_contract::{Bound, Format, ListId, Plan, PlanBuilder, PlanError, Repeat, SlotId, Words};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use toml::Spanned;

/// A mapping's text with the code files it names: what is pinned by digest at a commit, and all
/// that is needed to compile it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The mapping's name.
    pub name: String,
    /// The text of `mapping.toml`.
    pub mapping: String,
    /// Code files by the name that the mapping uses.
    pub codes: BTreeMap<String, String>,
}

/// A compiled mapping.
pub struct Mapping {
    /// Its name: the folder's.
    pub name: String,
    /// What it is.
    pub title: Words,
    /// The bundle as text: pinned at each commit.
    pub text: Arc<str>,
    /// Digest of that text.
    pub digest: Digest,
    /// Which ways it goes.
    pub direction: Direction,
    /// The format's name.
    pub format_name: String,
    /// The format, bound to the plan, in its containers.
    pub format: Arc<dyn Bound>,
    /// Whether it stands in a container.
    pub is_contained: bool,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The path from the top to what encloses everything else.
    pub root: String,
    /// The canonical schema.
    pub canonical: Arc<Canonical>,
    /// The XML Schemas of a body.
    pub xsd: Option<XsdEntry>,
    /// The record's values and lists.
    pub record: Group,
    /// Computed values, in order.
    pub computed: Vec<(String, Expression)>,
    /// Business rules.
    pub rules: Vec<Rule>,
    /// Sums and counts.
    pub checks: Vec<Check>,
    /// Where the message id stands.
    pub message_id: Option<SlotId>,
    /// What a business answer repeats of a body.
    pub answer: Vec<AnswerValue>,
    /// Fewest records of a body.
    pub records_min: u64,
    /// Most records of a body, by its format.
    pub records_max: u64,
    /// Most records of a body that is written.
    pub written_records_max: u64,
    /// Canonical paths that a record must have to be written.
    pub required: Vec<String>,
}

/// Values and lists of a record or of a list's item.
#[derive(Default)]
pub struct Group {
    /// Values.
    pub fields: Vec<Field>,
    /// Lists.
    pub lists: Vec<ListMap>,
}

/// A list and its items.
pub struct ListMap {
    /// Canonical path of the array, from the enclosing group.
    pub to: String,
    /// The list in the plan.
    pub list: ListId,
    /// Which of several like elements holds the items.
    pub pick: Option<Pick>,
    /// Items that the format has room for.
    pub items_max: usize,
    /// An item without values is none.
    pub skip_empty: bool,
    /// Which of the items are none, since other entries choose them.
    pub besides: Option<Besides>,
    /// What an item holds.
    pub item: Group,
}

/// One value.
pub struct Field {
    /// Canonical path from the enclosing group.
    pub to: String,
    /// Where it stands, in the order of preference.
    pub places: Vec<Place>,
    /// An earlier entry writes the same place; this one does where that had nothing to write.
    pub yields: bool,
    /// What the text means.
    pub kind: Kind,
    /// Where an amount's currency stands.
    pub currency: CurrencyAt,
    /// Source code → canonical code, and back.
    pub codes: Option<Codes>,
    /// Layout of a date, time or period.
    pub layout: Option<String>,
    /// Canonical text where the source has none.
    pub default: Option<String>,
    /// Source texts that mean that there is no value.
    pub absent: Vec<String>,
    /// What several values mean.
    pub repeat: Repeat,
    /// White space is removed.
    pub trim: bool,
    /// What a failed check means.
    pub check: CheckSeverity,
    /// When the check holds.
    pub check_if: Option<CheckIf>,
    /// Which ways the entry goes.
    pub direction: Direction,
    /// Values that the format has room for.
    pub items_max: usize,
}

/// Where an amount's currency stands.
pub enum CurrencyAt {
    /// It has none: no amount.
    None,
    /// Always this code, perhaps filling a canonical path.
    Fixed(String, Option<String>),
    /// In a place for each of the field's places, filling a canonical path; one that begins with `/`
    /// is the record's, not the item's.
    Places(String, Vec<Place>),
}

/// A code list.
pub struct Codes {
    to_canonical: BTreeMap<String, String>,
    /// How source codes begin, without the `*`.
    beginnings: BTreeMap<String, String>,
    to_source: BTreeMap<String, String>,
    /// The source code of whatever the list does not have.
    otherwise: Option<String>,
}

impl Codes {
    /// The canonical code.
    pub fn canonical(&self, source: &str) -> Option<&str> {
        let beginning = || self.beginnings.iter().rev().find(|(beginning, _)| source.starts_with(beginning.as_str())).map(|(_, code)| code);
        self.to_canonical.get(source).or_else(beginning).map(String::as_str)
    }

    /// The source code.
    pub fn source(&self, canonical: &str) -> Option<&str> {
        self.to_source.get(canonical).or(self.otherwise.as_ref()).map(String::as_str)
    }

    /// Source codes, for people.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.to_canonical.keys().map(String::as_str)
    }
}

/// A business rule.
pub struct Rule {
    /// Stable id.
    pub id: String,
    /// True for a good record.
    pub holds: Expression,
    /// What a failure means.
    pub severity: CheckSeverity,
    /// Canonical path to point at.
    pub field: Option<String>,
    /// What is wrong and what is expected.
    pub words: Words,
}

/// A sum or count over a group of records.
pub struct Check {
    /// Stable id.
    pub id: String,
    /// Slot of the group's serial number; `None` for the whole body.
    pub group: Option<SlotId>,
    /// Canonical path to add up; `None` to count.
    pub sum: Option<String>,
    /// Canonical paths that differ in a record which counts against the sum.
    pub against: Option<[String; 2]>,
    /// Slot of the expected value.
    pub equals: SlotId,
    /// Canonical path and slot that must agree in all records.
    pub comparable: Option<(String, SlotId)>,
    /// What a failure means.
    pub severity: CheckSeverity,
    /// What is wrong and what is expected.
    pub words: Words,
}

impl Check {
    /// What a record adds to the sum, or takes from it; `None` where it holds no number there.
    pub fn part(&self, canonical: &Value) -> Option<Decimal> {
        let number = Decimal::from_str_exact(at_path(canonical, self.sum.as_deref()?)?.as_str()?).ok()?;
        let differ = |[a, b]: &[String; 2]| at_path(canonical, a).zip(at_path(canonical, b)).is_some_and(|(a, b)| a != b);
        Some(if self.against.as_ref().is_some_and(differ) { -number } else { number })
    }
}

/// A text of the body that a business answer repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerValue {
    /// Its name in the answer.
    pub to: String,
    /// Where it stands.
    pub slot: SlotId,
    /// Whether it names a record, and not the whole body.
    pub in_record: bool,
}

/// One problem of a mapping file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileProblem {
    /// Line, counted from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl Mapping {
    /// Compiles a bundle.
    ///
    /// # Errors
    /// Every problem found.
    pub fn compile(
        bundle: &Bundle,
        formats: &[Box<dyn Format>],
        canonical: &dyn Fn(&str) -> Option<Arc<Canonical>>,
    ) -> Result<Self, Vec<CompileProblem>> {
        let text = &bundle.mapping;
        let file: MappingFile = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |s| line_of(text, s.start));
            vec![CompileProblem { line, message: e.message().to_owned() }]
        })?;
        let at = |spanned: std::ops::Range<usize>| line_of(text, spanned.start);
        let schema = canonical(file.canonical.get_ref()).ok_or_else(|| {
            let message = format!("there is no canonical schema {:?}; name one of canonical/NAME.vN.schema.json", file.canonical.get_ref());
            vec![CompileProblem { line: at(file.canonical.span()), message }]
        })?;
        let mut compiler = Compiler {
            bundle,
            body: &file.body,
            envelope: containers::envelope_root(&file.container),
            direction: file.direction,
            schema,
            plan: PlanBuilder::new(),
            problems: Vec::new(),
            line: 0,
            filled: BTreeSet::new(),
            chosen: BTreeMap::new(),
            written: Vec::new(),
            expected: Vec::new(),
        };
        let parts = compiler.entries(&file, text);
        compiler.shape(&file.body, text);
        let (plan, schema) = compiler.finish()?;
        let answer = parts.answer.into_iter().map(|(to, slot)| AnswerValue { to, slot, in_record: plan.slot(slot).in_record }).collect();
        let line = at(file.format.span());
        let (format_name, format) = bind(file.format.into_inner(), formats, &containers::within(&plan, &file.container))
            .map_err(|message| vec![CompileProblem { line, message }])?;
        let is_contained = !file.container.is_empty();
        let line = file.container.first().map_or(0, |entry| at(entry.span()));
        let entries: Vec<_> = file.container.into_iter().map(Spanned::into_inner).collect();
        let facts = containers::Facts {
            direction: file.direction,
            has_checks: !parts.checks.is_empty(),
            has_xsd: file.xsd.is_some(),
            format: &format_name,
            plan: &plan,
        };
        let format = containers::wrap(entries, format, &facts).map_err(|message| vec![CompileProblem { line, message }])?;
        let pinned: Arc<str> = serde_json::to_string(bundle).unwrap_or_default().into();
        Ok(Self {
            name: bundle.name.clone(),
            title: file.title,
            digest: Digest::of(pinned.as_bytes()),
            text: pinned,
            direction: file.direction,
            format_name,
            format,
            is_contained,
            plan,
            root: file.body.root,
            canonical: schema,
            xsd: file.xsd,
            record: parts.record,
            computed: parts.computed,
            rules: parts.rules,
            checks: parts.checks,
            answer,
            message_id: parts.message_id,
            records_min: file.body.records_min,
            records_max: file.body.records_max.unwrap_or(u64::MAX),
            written_records_max: file.body.written_records_max.or(file.body.records_max).unwrap_or(u64::MAX),
            required: file.body.required,
        })
    }
}

impl Mapping {
    /// Whether a check's expected value is computed when a body is written: no field writes it.
    pub fn computes(&self, check: &Check) -> bool {
        !self
            .record
            .fields
            .iter()
            .any(|field| field.direction.writes() && field.places.first().is_some_and(|place| place.slot == check.equals))
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|&&b| b == b'\n').count() + 1
}

fn bind(mut options: toml::Table, formats: &[Box<dyn Format>], plan: &Arc<Plan>) -> Result<(String, Arc<dyn Bound>), String> {
    let known = || formats.iter().map(|f| f.name()).collect::<Vec<_>>().join(", ");
    let name = match options.remove("name") {
        Some(toml::Value::String(name)) => name,
        _ => return Err(format!("[format] needs name = one of {}", known())),
    };
    let format = formats.iter().find(|f| f.name() == name).ok_or_else(|| format!("unknown format {name:?}; there are {}", known()))?;
    let bound = format.bind(Arc::clone(plan), &options).map_err(|e| format!("[format] {e}"))?;
    Ok((name, bound))
}

#[derive(Default)]
struct Parts {
    record: Group,
    computed: Vec<(String, Expression)>,
    rules: Vec<Rule>,
    checks: Vec<Check>,
    message_id: Option<SlotId>,
    answer: Vec<(String, SlotId)>,
}

enum Entry<'f> {
    Field(&'f FieldEntry),
    List(&'f ListEntry),
    Constant(&'f ConstantEntry),
    Check(&'f CheckEntry),
}

struct Compiler<'f> {
    bundle: &'f Bundle,
    body: &'f BodyEntry,
    /// The root of the envelope, where there is one.
    envelope: Option<&'f str>,
    direction: Direction,
    schema: Arc<Canonical>,
    plan: PlanBuilder,
    problems: Vec<CompileProblem>,
    line: usize,
    /// Canonical paths that something fills on reading.
    filled: BTreeSet<String>,
    /// Elements that are chosen among their like, by path.
    chosen: BTreeMap<String, ListId>,
    /// Places that some entry writes.
    written: Vec<Place>,
    /// For each slot the list in which its entry stands, and the entry's line.
    expected: Vec<(SlotId, Option<ListId>, usize)>,
}

impl Compiler<'_> {
    /// Compiles every entry in the order of the file, which is the order of writing.
    fn entries(&mut self, file: &MappingFile, text: &str) -> Parts {
        let mut parts = Parts::default();
        let mut ordered = in_order(&file.field, &file.list, &file.constant);
        ordered.extend(file.check.iter().map(|e| (e.span().start, Entry::Check(e.get_ref()))));
        ordered.sort_by_key(|(start, _)| *start);
        let base = join(&self.body.root, &self.body.record);
        for (start, entry) in ordered {
            self.line = line_of(text, start);
            match entry {
                Entry::Field(field) => parts.record.fields.extend(self.field(field, &base, "", None)),
                Entry::List(list) => parts.record.lists.extend(self.list(list, text, &base, "")),
                Entry::Constant(constant) => self.constant(constant, &base),
                Entry::Check(check) => parts.checks.extend(self.check(check)),
            }
        }
        self.each(&file.computed, text, Self::computed, &mut parts.computed);
        self.each(&file.rule, text, Self::rule, &mut parts.rules);
        self.each(&file.answer, text, Self::answer, &mut parts.answer);
        if let Some(path) = &file.body.message_id {
            self.line = line_of(text, path.span().start);
            let path = self.resolve(&base, path.get_ref());
            let slot = self.plan.slot(&path, Repeat::Once, false);
            parts.message_id = self.note(slot);
        }
        parts
    }

    fn constant(&mut self, entry: &ConstantEntry, base: &str) {
        let path = self.resolve(base, &entry.path);
        let done = match &entry.value {
            Some(text) => self.plan.constant(&path, text),
            None => self.plan.place(&path),
        };
        self.note(done);
    }

    fn each<E, T>(&mut self, entries: &[Spanned<E>], text: &str, compile: impl Fn(&mut Self, &E) -> Option<T>, into: &mut Vec<T>) {
        for entry in entries {
            self.line = line_of(text, entry.span().start);
            into.extend(compile(self, entry.get_ref()));
        }
    }

    /// Declares the records, and looks for required values that nothing fills.
    fn shape(&mut self, body: &BodyEntry, text: &str) {
        self.line = text.find("[body]").map_or(0, |start| line_of(text, start));
        for record in std::iter::once(&body.record).chain(&body.record_else) {
            let anchor = self.plan.anchor(&join(&body.root, record));
            self.note(anchor);
        }
        if [body.records_max, body.written_records_max].into_iter().flatten().any(|max| max < body.records_min.max(1)) {
            self.problem("records_max or written_records_max allows fewer records than records_min asks for, or none".to_owned());
        }
        body.required.iter().for_each(|path| self.knows(path));
        if let Some(path) = &body.per_record {
            let done = self.plan.per_record(&join(&body.root, path.trim_start_matches('/')));
            self.note(done);
        }
        if self.direction.reads() {
            let schema: serde_json::Value = serde_json::from_str(&self.schema.text).unwrap_or_default();
            let required = schema.get("required").and_then(serde_json::Value::as_array);
            for name in required.into_iter().flatten().filter_map(serde_json::Value::as_str) {
                if !self.filled.iter().any(|f| f == name || f.starts_with(&format!("{name}."))) {
                    self.problem(format!("{} requires {name:?}, but nothing here fills it", self.schema.name));
                }
            }
        }
    }

    fn finish(mut self) -> Result<(Arc<Plan>, Arc<Canonical>), Vec<CompileProblem>> {
        match std::mem::take(&mut self.plan).build() {
            Ok(plan) => {
                for (slot, list, line) in std::mem::take(&mut self.expected) {
                    let slot = plan.slot(slot);
                    if slot.list.is_some() && slot.list != list {
                        self.line = line;
                        self.problem(format!("{:?} lies within elements that are listed or chosen by another entry", slot.path));
                    }
                }
                if self.problems.is_empty() { Ok((Arc::new(plan), self.schema)) } else { Err(self.problems) }
            }
            Err(error) => {
                self.problem(error.to_string());
                Err(self.problems)
            }
        }
    }

    fn problem(&mut self, message: String) {
        self.problems.push(CompileProblem { line: self.line, message });
    }

    fn note<T>(&mut self, result: Result<T, PlanError>) -> Option<T> {
        result.map_err(|e| self.problem(e.to_string())).ok()
    }

    fn knows(&mut self, to: &str) {
        if !self.schema.knows(to) {
            let near: Vec<_> = self.schema.paths().map(|(p, _)| p).collect();
            let message = format!("{} has no {to:?}; it has {}", self.schema.name, near.join(", "));
            self.problem(message);
        }
    }

    fn resolve(&self, base: &str, path: &str) -> String {
        if let (Some(of_envelope), Some(root)) = (path.strip_prefix("//"), self.envelope) {
            return join(root, of_envelope);
        }
        match path.strip_prefix('/') {
            Some(absolute) => join(&self.body.root, absolute),
            None if path == "." => base.to_owned(),
            None => join(base, path),
        }
    }

    fn expression(&mut self, cel: &str) -> Option<Expression> {
        Expression::compile(cel, self.schema.decimals()).map_err(|e| self.problem(e)).ok()
    }

    fn field(&mut self, entry: &FieldEntry, base: &str, to_base: &str, list: Option<ListId>) -> Option<Field> {
        let to = dotted(to_base, &entry.to);
        self.knows(&to);
        if entry.direction.reads() && !self.filled.insert(to.clone()) {
            self.problem(format!("{to:?} is filled twice; give one entry several paths instead"));
        }
        let paths: Vec<String> = entry.path.as_slice().iter().map(|p| self.resolve(base, p)).collect();
        if paths.is_empty() {
            self.problem("path = [] names no path".to_owned());
        }
        let places: Vec<Place> = paths.iter().filter_map(|p| self.place(p, entry, list)).collect();
        let currency = self.currency(entry, &paths, to_base, list);
        let codes = self.codes(entry);
        let first = places.first().filter(|_| entry.direction.writes());
        let yields = first.is_some_and(|place| self.written.contains(place));
        self.written.extend(first.cloned());
        (places.len() == paths.len()).then(|| Field {
            to: entry.to.clone(),
            places,
            yields,
            kind: entry.kind,
            currency,
            codes,
            layout: entry.layout.clone(),
            default: entry.default.clone(),
            absent: entry.absent.clone(),
            repeat: entry.repeat,
            trim: entry.trim,
            check: entry.check,
            check_if: entry.check_if.clone(),
            direction: entry.direction,
            items_max: entry.items_max.unwrap_or(usize::MAX),
        })
    }

    /// The place of a path that may choose one of several like elements.
    fn place(&mut self, path: &str, entry: &FieldEntry, list: Option<ListId>) -> Option<Place> {
        let (pick, path) = self.pick(path)?;
        let slot = self.plan.slot(&path, entry.repeat, entry.after);
        let slot = self.note(slot)?;
        self.expected.push((slot, pick.as_ref().map(|p| p.list).or(list), self.line));
        Some(Place { slot, pick })
    }

    /// The list of the like elements at a path.
    fn like(&mut self, element: &str) -> Option<ListId> {
        if let Some(&list) = self.chosen.get(element) {
            return Some(list);
        }
        let list = self.plan.list(element);
        let list = self.note(list)?;
        self.chosen.insert(element.to_owned(), list);
        Some(list)
    }

    /// How a path chooses among like elements, and the path itself; the outer `None` for a problem.
    fn pick(&mut self, path: &str) -> Option<(Option<Pick>, String)> {
        let Some(choice) = Choice::of(path) else { return Some((None, path.to_owned())) };
        if choice.besides {
            self.problem(format!("{path:?}: `!=` belongs at the end of a list's path, where it leaves elements out"));
            return None;
        }
        let list = self.like(choice.element)?;
        // What is asked for is written before what it is told by, unless an earlier entry says else.
        let placed = self.plan.place(&join(choice.element, choice.rest));
        self.note(placed)?;
        let by = self.plan.slot(&join(choice.element, choice.by), Repeat::Once, false);
        let by = self.note(by)?;
        let is = match choice.is.strip_prefix("{/").and_then(|is| is.strip_suffix('}')) {
            None => Is::Text(choice.is.to_owned()),
            Some(other) => {
                let slot = self.plan.slot(&join(&self.body.root, other), Repeat::Once, false);
                Is::Slot(self.note(slot)?)
            }
        };
        Some((Some(Pick { list, by, is }), join(choice.element, choice.rest)))
    }

    fn currency(&mut self, entry: &FieldEntry, paths: &[String], to_base: &str, list: Option<ListId>) -> CurrencyAt {
        match (&entry.currency, entry.kind) {
            (None, Kind::Money) => {
                self.problem("type = \"money\" needs currency = \"CNY\", or currency = { to = …, path = … }".to_owned());
                CurrencyAt::None
            }
            (None, _) => CurrencyAt::None,
            (Some(Currency::From { .. }), Kind::Decimal) | (Some(_), Kind::Money) => self.currency_of(entry, paths, to_base, list),
            (Some(_), _) => {
                self.problem("currency belongs to type = \"money\", and one that stands in the source to \"decimal\"".to_owned());
                CurrencyAt::None
            }
        }
    }

    fn currency_of(&mut self, entry: &FieldEntry, paths: &[String], to_base: &str, list: Option<ListId>) -> CurrencyAt {
        match entry.currency.as_ref() {
            None => CurrencyAt::None,
            Some(Currency::Fixed(code)) => self.fixed(code, None),
            Some(Currency::FixedTo { to, is }) => {
                let path = dotted(to_base, to);
                self.knows(&path);
                self.filled.insert(path);
                self.fixed(is, Some(to.clone()))
            }
            Some(Currency::From { to, path }) => {
                let canonical = to.strip_prefix('/').map_or_else(|| dotted(to_base, to), str::to_owned);
                self.knows(&canonical);
                self.filled.insert(canonical);
                let places = paths.iter().filter_map(|amount| {
                    let path = self.resolve(amount, path);
                    self.place(&path, entry, list)
                });
                CurrencyAt::Places(to.clone(), places.collect())
            }
        }
    }

    fn fixed(&mut self, code: &str, to: Option<String>) -> CurrencyAt {
        if super::tables::currency_decimals(code).is_none() {
            self.problem(format!("{code:?} is no ISO 4217 currency"));
        }
        CurrencyAt::Fixed(code.to_owned(), to)
    }

    fn codes(&mut self, entry: &FieldEntry) -> Option<Codes> {
        let mut to_canonical: BTreeMap<String, String> = entry.codes.clone().unwrap_or_default();
        if let Some(file) = &entry.codes_file {
            match self.bundle.codes.get(file).map(|text| toml::from_str::<BTreeMap<String, String>>(text)) {
                Some(Ok(codes)) => to_canonical.extend(codes),
                Some(Err(e)) => self.problem(format!("codes_file {file:?}: {}", e.message())),
                None => self.problem(format!("codes_file {file:?} cannot be read; it is looked for beside mapping.toml")),
            }
        }
        let writes_alone = self.direction == Direction::Write || entry.direction == Direction::Write;
        if entry.codes_else.is_some() && !writes_alone {
            self.problem("codes_else cannot be read back; say direction = \"write\"".to_owned());
        }
        if entry.codes.is_none() && entry.codes_file.is_none() && entry.codes_else.is_none() {
            return None;
        }
        let (beginnings, to_canonical): (BTreeMap<_, _>, BTreeMap<_, _>) =
            to_canonical.into_iter().partition(|(source, _)| source.ends_with('*'));
        let beginnings = beginnings.into_iter().map(|(source, code)| (source.trim_end_matches('*').to_owned(), code)).collect();
        let to_source: BTreeMap<String, String> = to_canonical.iter().map(|(s, c)| (c.clone(), s.clone())).collect();
        if to_source.len() < to_canonical.len() && self.direction == Direction::Both && entry.direction == Direction::Both {
            let twice = to_canonical.iter().find(|(s, c)| to_source.get(*c) != Some(s)).map_or("", |(_, c)| c.as_str());
            self.problem(format!("two source codes mean {twice:?}, so it cannot be written; say direction = \"read\" or make them differ"));
        }
        Some(Codes { to_canonical, beginnings, to_source, otherwise: entry.codes_else.clone() })
    }

    fn list(&mut self, entry: &ListEntry, text: &str, base: &str, to_base: &str) -> Option<ListMap> {
        let to = dotted(to_base, &entry.to);
        self.knows(&to);
        if !self.filled.insert(to.clone()) && self.direction.writes() {
            self.problem(format!("{to:?} is listed twice, so it cannot be written; say direction = \"read\""));
        }
        self.filled.retain(|filled| !filled.starts_with(&format!("{to}.")));
        let path = self.resolve(base, &entry.path);
        let (list, pick, besides, path) = match Choice::of(&path).filter(|choice| choice.besides && choice.rest.is_empty()) {
            Some(choice) => {
                let list = self.like(choice.element)?;
                let texts: Vec<String> = choice.is.split('|').map(str::to_owned).collect();
                (list, None, Some((choice.by, texts)), choice.element.to_owned())
            }
            None => {
                let (pick, path) = self.pick(&path)?;
                let list = self.plan.list(&path);
                (self.note(list)?, pick, None, path)
            }
        };
        let mut item = Group::default();
        for (start, entry) in in_order(&entry.field, &entry.list, &entry.constant) {
            self.line = line_of(text, start);
            match entry {
                Entry::Field(field) => item.fields.extend(self.field(field, &path, &to, Some(list))),
                Entry::List(list) => item.lists.extend(self.list(list, text, &path, &to)),
                Entry::Constant(constant) => self.constant(constant, &path),
                Entry::Check(_) => {}
            }
        }
        let besides = match besides {
            None => None,
            Some((by, texts)) => {
                let by = self.plan.slot(&join(&path, by), Repeat::Once, false);
                Some(Besides { by: self.note(by)?, texts })
            }
        };
        let items_max = entry.items_max.unwrap_or(usize::MAX);
        Some(ListMap { to: entry.to.clone(), list, pick, besides, items_max, skip_empty: entry.skip_empty, item })
    }

    fn computed(&mut self, entry: &ComputedEntry) -> Option<(String, Expression)> {
        self.knows(&entry.to);
        self.filled.insert(entry.to.clone());
        self.expression(&entry.cel).map(|e| (entry.to.clone(), e))
    }

    fn answer(&mut self, entry: &AnswerEntry) -> Option<(String, SlotId)> {
        let base = join(&self.body.root, &self.body.record);
        let path = self.resolve(&base, &entry.path);
        let slot = self.plan.slot(&path, Repeat::Once, false);
        self.note(slot).map(|slot| (entry.to.clone(), slot))
    }

    fn rule(&mut self, entry: &RuleEntry) -> Option<Rule> {
        if let Some(field) = &entry.field {
            self.knows(field);
        }
        let holds = self.expression(&entry.cel)?;
        Some(Rule { id: entry.id.clone(), holds, severity: entry.severity, field: entry.field.clone(), words: entry.words.clone() })
    }

    fn check(&mut self, entry: &CheckEntry) -> Option<Check> {
        let base = join(&self.body.root, &self.body.record);
        if let Some(sum) = &entry.sum {
            self.knows(sum);
        }
        entry.against.iter().flatten().for_each(|path| self.knows(path));
        let group = match &entry.within {
            None => None,
            Some(_) if entry.after => {
                self.problem("after = true is for a check of the whole body: a group is forgotten once it has closed".to_owned());
                return None;
            }
            Some(path) => {
                let path = format!("{}/##", self.resolve(&base, path));
                let slot = self.plan.slot(&path, Repeat::Once, false);
                Some(self.note(slot)?)
            }
        };
        let equals = self.resolve(&base, &entry.equals);
        let equals = self.plan.slot(&equals, Repeat::Once, entry.after);
        let equals = self.note(equals)?;
        let comparable = match &entry.comparable {
            None => None,
            Some(pair) => {
                self.knows(&pair.field);
                let path = self.resolve(&base, &pair.path);
                let slot = self.plan.slot(&path, Repeat::Once, entry.after);
                Some((pair.field.clone(), self.note(slot)?))
            }
        };
        let (id, severity, words) = (entry.id.clone(), entry.severity, entry.words.clone());
        Some(Check { id, group, sum: entry.sum.clone(), against: entry.against.clone(), equals, comparable, severity, words })
    }
}

/// Entries in the order of the file, which is the order of writing.
fn in_order<'f>(
    fields: &'f [Spanned<FieldEntry>],
    lists: &'f [Spanned<ListEntry>],
    constants: &'f [Spanned<ConstantEntry>],
) -> Vec<(usize, Entry<'f>)> {
    let fields = fields.iter().map(|e| (e.span().start, Entry::Field(e.get_ref())));
    let lists = lists.iter().map(|e| (e.span().start, Entry::List(e.get_ref())));
    let constants = constants.iter().map(|e| (e.span().start, Entry::Constant(e.get_ref())));
    let mut ordered: Vec<_> = fields.chain(lists).chain(constants).collect();
    ordered.sort_by_key(|(start, _)| *start);
    ordered
}

/// Joins two source paths; either may be empty.
fn join(base: &str, path: &str) -> String {
    match (base.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (_, true) => base.to_owned(),
        _ => format!("{base}/{path}"),
    }
}

/// Joins two canonical paths; the first may be empty.
fn dotted(base: &str, path: &str) -> String {
    if base.is_empty() { path.to_owned() } else { format!("{base}.{path}") }
}
