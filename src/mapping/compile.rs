//! From a mapping file to a [`Mapping`]: every problem at once, each with its line.

mod fields;
mod rules;

use super::compiled::{AnswerValue, Bundle, Check, Fixed, Group, ListMap, Mapping, Rule};
use super::containers;
use super::draft::nearest;
use super::file::{
    AnswerEntry, BodyEntry, CheckEntry, CheckSeverity, ComputedEntry, ConstantEntry, Direction, FieldEntry, ListEntry, MappingFile,
    XsdEntry,
};
use super::heading;
use super::place::{Besides, Choice, Place};
use super::rules::Expression;
use super::schema::{Canonical, is_unmapped};
use crate::config::recovery::{Entry as Key, line_of, recovered};
use crate::container::Contained;
use crate::domain::Digest;
use portolan_contract::{Bound, Format, ListId, Plan, PlanBuilder, PlanError, Repeat, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// Paths that are told for one that a draft leaves open.
const UNMAPPED_TOLD_MAX: usize = 3;

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
        let at = |spanned: Range<usize>| line_of(text, spanned.start);
        let Sheet { mut file, damaged, mut problems } = Sheet::read(text)?;
        let (Some(name), Some(format), Some(body)) = (file.canonical.take(), file.format.take(), file.body.take()) else {
            return Err(problems);
        };
        let Some(schema) = canonical(name.get_ref()) else {
            let message =
                format!("there is no canonical schema {:?} that can be used; name one of canonical/NAME.vN.schema.json", name.get_ref());
            problems.push(CompileProblem { line: at(name.span()), message });
            return Err(problems);
        };
        let mut compiler = Compiler::new(bundle, &file, body.get_ref(), schema, damaged);
        compiler.doubts = doubts(format.get_ref(), formats);
        let parts = compiler.entries(&file, text);
        compiler.shape(at(body.span()));
        let (plan, schema) = compiler.finish(&mut problems);
        let xsd = file.xsd.take().map(|xsd| XsdEntry { line: at(xsd.span()), ..xsd.into_inner() });
        let bound = plan.as_ref().and_then(|plan| {
            let has_checks = !parts.checks.is_empty();
            bound(format, &mut file, text, formats, plan, has_checks).map_err(|problem| problems.push(problem)).ok()
        });
        let (Some(title), Some(plan), Some(format)) = (file.title, plan, bound) else { return Err(problems) };
        if !problems.is_empty() {
            return Err(problems);
        }
        let body = body.into_inner();
        let written_records_max = body.written_records_max.or(body.records_max).unwrap_or(u64::MAX);
        let heading = heading::paths(&plan, &join(&body.root, body.once.as_deref().unwrap_or_default()), &parts.record);
        let numbered = numbered_paths(&parts, &file.field, written_records_max, &heading, text)?;
        let pinned: Arc<str> = serde_json::to_string(bundle).unwrap_or_default().into();
        let answer = parts.answer.into_iter().map(|(to, slot)| AnswerValue { to, slot, in_record: plan.slot(slot).in_record }).collect();
        Ok(Self {
            name: bundle.name.clone(),
            title,
            digest: Digest::of(pinned.as_bytes()),
            text: pinned,
            direction: file.direction,
            format_name: format.name,
            format: format.bound,
            contained: format.contained,
            is_outside: bundle.component.is_some(),
            plan,
            root: body.root,
            canonical: schema,
            xsd,
            record: parts.record,
            computed: parts.computed,
            rules: parts.rules,
            checks: parts.checks,
            doubts: parts.doubts,
            answer,
            message_id: parts.message_id,
            records_min: body.records_min,
            records_max: body.records_max.unwrap_or(u64::MAX),
            written_records_max,
            required: body.required,
            heading,
            numbered,
        })
    }
}

/// The canonical paths of what a receiver knows a message by, which must stand around all records that are written.
fn numbered_paths(
    parts: &Parts,
    entries: &[Spanned<FieldEntry>],
    written_records_max: u64,
    heading: &[String],
    text: &str,
) -> Result<Vec<String>, Vec<CompileProblem>> {
    let mut numbered: Vec<String> =
        parts.record.fields.iter().filter(|field| field.numbered_max.is_some()).map(|field| field.to.clone()).collect();
    numbered.dedup();
    if let Some(path) = numbered.iter().find(|path| written_records_max > 1 && !heading.contains(path)) {
        let entry = entries.iter().find(|entry| entry.get_ref().numbered_max.is_some() && entry.get_ref().to == *path);
        let message = format!("numbered_max: {path:?} does not stand around all records of a body, of which there may be several");
        return Err(vec![CompileProblem { line: entry.map_or(0, |entry| line_of(text, entry.span().start)), message }]);
    }
    Ok(numbered)
}

/// A mapping file as far as it can be read.
struct Sheet {
    file: MappingFile,
    /// Where the tables begin of which something could not be read, the file's own at 0: what is left of them is not judged.
    damaged: BTreeSet<usize>,
    problems: Vec<CompileProblem>,
}

impl Sheet {
    fn read(text: &str) -> Result<Self, Vec<CompileProblem>> {
        let read = recovered::<MappingFile>(text);
        let problem = |(at, message): (Option<Range<usize>>, String)| {
            let line = at.map_or(0, |at| line_of(text, at.start));
            CompileProblem { line, message }
        };
        let mut problems: Vec<CompileProblem> = read.problems.into_iter().map(problem).collect();
        let Some(mut file) = read.value else { return Err(problems) };
        let given = [file.title.is_some(), file.canonical.is_some(), file.format.is_some(), file.body.is_some()];
        for (key, _) in ["title", "canonical", "format", "body"].into_iter().zip(given).filter(|(_, given)| !given) {
            if !read.unreadable.contains(&Key { table: None, key: key.to_owned() }) {
                problems.push(CompileProblem { line: 0, message: format!("`{key}` is missing") });
            }
        }
        // A table begins with its header, the last line before that begins so.
        let header = |at: &Range<usize>| text.get(..=at.start).and_then(|before| before.rfind("\n[")).map_or(0, |newline| newline + 1);
        let damaged: BTreeSet<usize> = read.unreadable.iter().map(|key| key.table.as_ref().map_or(0, header)).collect();
        // Every path hangs on the body's.
        file.body = file.body.filter(|body| !damaged.contains(&header(&body.span())));
        Ok(Self { file, damaged, problems })
    }
}

/// What bodies are read and written with.
struct BoundFormat {
    name: String,
    /// The format, in its containers.
    bound: Arc<dyn Bound>,
    contained: Option<Arc<Contained>>,
}

fn bound(
    format: Spanned<toml::Table>,
    file: &mut MappingFile,
    text: &str,
    formats: &[Box<dyn Format>],
    plan: &Arc<Plan>,
    has_checks: bool,
) -> Result<BoundFormat, CompileProblem> {
    let problem = |line: usize| move |message| CompileProblem { line, message };
    let containers = std::mem::take(&mut file.container);
    let line = line_of(text, format.span().start);
    let (name, bound) = bind(format.into_inner(), formats, &containers::within(plan, &containers)).map_err(problem(line))?;
    let line = containers.first().map_or(0, |entry| line_of(text, entry.span().start));
    let entries: Vec<_> = containers.into_iter().map(Spanned::into_inner).collect();
    let facts = containers::Facts { direction: file.direction, has_checks, format: &name, plan };
    let contained = containers::wrap(entries, &bound, &facts).map_err(problem(line))?;
    let bound = contained.clone().map_or(bound, |contained| contained as Arc<dyn Bound>);
    Ok(BoundFormat { name, bound, contained })
}

/// The doubts of the format that a mapping names.
fn doubts(format: &toml::Table, formats: &[Box<dyn Format>]) -> &'static [&'static str] {
    let named = format.get("name").and_then(toml::Value::as_str);
    formats.iter().find(|f| Some(f.name()) == named).map_or(&[], |f| f.doubts())
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
    doubts: BTreeMap<String, CheckSeverity>,
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
    /// Rules of the format that `[[severity]]` may name.
    doubts: &'static [&'static str],
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
    /// Where entries begin that are not whole.
    damaged: BTreeSet<usize>,
}

impl<'f> Compiler<'f> {
    fn new(bundle: &'f Bundle, file: &'f MappingFile, body: &'f BodyEntry, schema: Arc<Canonical>, damaged: BTreeSet<usize>) -> Self {
        Self {
            bundle,
            body,
            envelope: containers::envelope_root(&file.container),
            direction: file.direction,
            schema,
            doubts: &[],
            plan: PlanBuilder::new(),
            problems: Vec::new(),
            line: 0,
            filled: BTreeSet::new(),
            chosen: BTreeMap::new(),
            written: Vec::new(),
            expected: Vec::new(),
            damaged,
        }
    }

    /// Compiles every entry in the order of the file, which is the order of writing.
    fn entries(&mut self, file: &MappingFile, text: &str) -> Parts {
        let mut parts = Parts::default();
        let mut ordered = in_order(&file.field, &file.list, &file.constant);
        ordered.extend(file.check.iter().map(|e| (e.span().start, Entry::Check(e.get_ref()))));
        ordered.sort_by_key(|(start, _)| *start);
        ordered.retain(|(start, _)| !self.damaged.contains(start));
        let base = join(&self.body.root, &self.body.record);
        for (start, entry) in ordered {
            self.line = line_of(text, start);
            match entry {
                Entry::Field(field) => parts.record.fields.extend(self.field(field, &base, "", None)),
                Entry::List(list) => parts.record.lists.extend(self.list(list, text, &base, "")),
                Entry::Constant(constant) => parts.record.fixed.extend(self.constant(constant, &base, None)),
                Entry::Check(check) => {
                    let check = self.check(check, &parts.record);
                    parts.checks.extend(check);
                }
            }
        }
        self.each(&file.computed, text, Self::computed, &mut parts.computed);
        self.each(&file.rule, text, Self::rule, &mut parts.rules);
        for entry in &file.severity {
            self.line = line_of(text, entry.span().start);
            self.severity(entry.get_ref(), &mut parts);
        }
        self.each(&file.answer, text, Self::answer, &mut parts.answer);
        if let Some(path) = &self.body.message_id {
            self.line = line_of(text, path.span().start);
            let path = self.resolve(&base, path.get_ref());
            let slot = self.plan.slot(&path, Repeat::Once, false);
            parts.message_id = self.note(slot);
        }
        parts
    }

    /// A fixed text; where it is checked, what a body must have there.
    fn constant(&mut self, entry: &ConstantEntry, base: &str, list: Option<ListId>) -> Option<Fixed> {
        let path = self.resolve(base, &entry.path);
        let done = match &entry.value {
            Some(text) => self.plan.constant(&path, text),
            None => self.plan.place(&path),
        };
        self.note(done)?;
        if !entry.checked {
            return None;
        }
        let Some(text) = entry.value.clone() else {
            self.problem("checked = true: there is no value to compare with".to_owned());
            return None;
        };
        let slot = self.plan.slot(&path, Repeat::Once, false);
        let slot = self.note(slot)?;
        self.expected.push((slot, list, self.line));
        Some(Fixed { slot, text })
    }

    fn each<E, T>(&mut self, entries: &[Spanned<E>], text: &str, compile: impl Fn(&mut Self, &E) -> Option<T>, into: &mut Vec<T>) {
        for entry in entries {
            if self.damaged.contains(&entry.span().start) {
                continue;
            }
            self.line = line_of(text, entry.span().start);
            into.extend(compile(self, entry.get_ref()));
        }
    }

    /// Declares the records, and looks for required values that nothing fills.
    fn shape(&mut self, line: usize) {
        let body = self.body;
        self.line = line;
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
        // What is not whole may fill what nothing else does; what a draft leaves open is shown with it.
        if self.direction.reads() && self.damaged.is_empty() && !self.schema.is_of_draft() {
            for name in &self.schema.required() {
                if !self.filled.iter().any(|f| f == name || f.starts_with(&format!("{name}."))) {
                    self.problem(format!("{} requires {name:?}, but nothing here fills it", self.schema.name));
                }
            }
        }
    }

    /// The plan, where there can be one; every problem found joins the others.
    fn finish(mut self, problems: &mut Vec<CompileProblem>) -> (Option<Arc<Plan>>, Arc<Canonical>) {
        let plan = std::mem::take(&mut self.plan).build().map_err(|error| self.problem(error.to_string())).ok();
        for (slot, list, line) in std::mem::take(&mut self.expected) {
            let Some(slot) = plan.as_ref().map(|plan| plan.slot(slot)) else { break };
            if slot.list.is_some() && slot.list != list {
                self.line = line;
                self.problem(format!("{:?} lies within elements that are listed or chosen by another entry", slot.path));
            }
        }
        problems.append(&mut self.problems);
        (plan.map(Arc::new), self.schema)
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
            if is_unmapped(to) {
                let such = near.get(..UNMAPPED_TOLD_MAX).unwrap_or(&near).join(", ");
                let message = format!("{} has no {to:?}; choose a path, such as {such}, or take the entry away", self.schema.name);
                return self.problem(message);
            }
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
        let mut ordered = in_order(&entry.field, &entry.list, &entry.constant);
        ordered.retain(|(start, _)| !self.damaged.contains(start));
        for (start, entry) in ordered {
            self.line = line_of(text, start);
            match entry {
                Entry::Field(field) => item.fields.extend(self.field(field, &path, &to, Some(list))),
                Entry::List(list) => item.lists.extend(self.list(list, text, &path, &to)),
                Entry::Constant(constant) => item.fixed.extend(self.constant(constant, &path, Some(list))),
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
