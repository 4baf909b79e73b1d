//! From a mapping file to a [`Mapping`]: every problem at once, each with its line.

mod fields;

use super::compiled::{AnswerValue, Bundle, Check, Group, ListMap, Mapping, Rule};
use super::containers;
use super::draft::nearest;
use super::file::{
    AnswerEntry, BodyEntry, CheckEntry, ComputedEntry, ConstantEntry, Direction, FieldEntry, ListEntry, MappingFile, RuleEntry,
};
use super::place::{Besides, Choice, Place};
use super::rules::Expression;
use super::schema::Canonical;
use crate::domain::Digest;
use portolan_contract::{Bound, Format, ListId, Plan, PlanBuilder, PlanError, Repeat, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use toml::Spanned;

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
        let mut compiler = Compiler::new(bundle, &file, schema);
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
            is_outside: bundle.component.is_some(),
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

impl<'f> Compiler<'f> {
    fn new(bundle: &'f Bundle, file: &'f MappingFile, schema: Arc<Canonical>) -> Self {
        Self {
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
        }
    }

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
            let (near, left_out) = nearest(to, &self.schema);
            let more = if left_out == 0 { String::new() } else { format!(" and {left_out} others less like it") };
            let message = format!("{} has no {to:?}; it has {}{more}", self.schema.name, near.join(", "));
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
        let expression = Expression::compile(cel, self.schema.decimals()).map_err(|e| self.problem(e)).ok()?;
        expression.paths().iter().for_each(|path| self.knows(path));
        Some(expression)
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
