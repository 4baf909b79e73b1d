//! From a raw record to a canonical record and every finding in it.

use super::balance::{self, Balances};
use super::compiled::{Check, CurrencyAt, Field, Fixed, Group, Mapping};
use super::file::{CheckSeverity, Direction};
use super::findings::{Named, RecordFindings};
use super::index::RecordIndex;
use super::kinds::{self, KindContext};
use super::rules::Runner;
use super::schema::at_path;
use crate::domain::{FOUND_CHARS_MAX, Finding, Severity};
use jiff::tz::TimeZone;
use portolan_contract::{Position, RawFinding, RawRecord, RawValue, Repeat, SlotId, Words};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// Reads the records of one body.
pub struct RecordReader<'m> {
    mapping: &'m Mapping,
    zone: &'m TimeZone,
    findings_max: usize,
    runner: Runner,
    index: RecordIndex<'m>,
}

/// What is being found in one record.
struct Notes<'r> {
    record: u64,
    raw: &'r RawRecord,
    findings: RecordFindings,
    /// Paths with an error, of which the schema need not say more.
    named: Named,
}

impl<'m> RecordReader<'m> {
    /// A reader for bodies of this mapping, in the flow's zone, that keeps at most `findings_max`
    /// findings of a record.
    pub fn new(mapping: &'m Mapping, zone: &'m TimeZone, findings_max: usize) -> Self {
        Self { mapping, zone, findings_max, runner: Runner::new(), index: RecordIndex::new(&mapping.plan) }
    }

    /// The canonical record of a raw one, with its findings. A record with an error is not to be
    /// taken in; its canonical form is then what could be read.
    pub fn read(&mut self, raw: &RawRecord, record: u64) -> (Value, RecordFindings) {
        self.index.fill(raw);
        let mut notes = Notes { record, raw, findings: RecordFindings::new(self.findings_max), named: Named::default() };
        self.found_by_the_format(&mut notes);
        let mut canonical = Value::Object(self.group(&self.mapping.record, None, "", None, &mut notes));
        self.compute(&mut canonical, &mut notes);
        self.conditional_checks(&canonical, &mut notes);
        self.check_schema(&canonical, &mut notes);
        self.check_rules(&canonical, &mut notes);
        (canonical, notes.findings)
    }

    fn found_by_the_format(&self, notes: &mut Notes<'_>) {
        for found in &notes.raw.findings {
            let Some(severity) = self.severity(found) else { continue };
            // What the format could not read is not missing as well, nor is the currency of an amount.
            for field in self.read_from(found.slot).filter(|_| severity == Severity::Error) {
                notes.named.add(&field.to);
                if let CurrencyAt::Fixed(_, Some(currency)) = &field.currency {
                    notes.named.add(currency);
                }
            }
            notes.findings.push(self.found(found, severity, notes.raw, Some(notes.record)));
        }
        notes.findings.count(Severity::Error, notes.raw.findings_left_out);
    }

    /// What the format found wrong after the last record.
    pub fn found_at_end(&self, raw: &RawRecord) -> Vec<Finding> {
        raw.findings.iter().filter_map(|found| Some(self.found(found, self.severity(found)?, raw, None))).collect()
    }

    /// What a finding of the format means in this mapping; `None` where it is not to be told.
    fn severity(&self, found: &RawFinding) -> Option<Severity> {
        match self.mapping.doubts.get(&found.rule) {
            None | Some(CheckSeverity::Error) => Some(Severity::Error),
            Some(CheckSeverity::Warning) => Some(Severity::Warning),
            Some(CheckSeverity::Off) => None,
        }
    }

    /// The entries of the record itself that read a slot.
    fn read_from(&self, slot: Option<SlotId>) -> impl Iterator<Item = &Field> {
        self.mapping.record.fields.iter().filter(move |f| f.places.iter().any(|place| Some(place.slot) == slot))
    }

    fn found(&self, found: &RawFinding, severity: Severity, raw: &RawRecord, record: Option<u64>) -> Finding {
        Finding {
            severity,
            rule: found.rule.clone(),
            record,
            part: raw.part.clone(),
            at: found.at,
            source: found.slot.map(|s| source_name(self.mapping, s)),
            canonical: self.read_from(found.slot).next().map(|field| field.to.clone()),
            found: None,
            words: found.words.clone(),
        }
    }

    /// `record` is what of the record is known where the group is a list's item.
    fn group(
        &self,
        group: &Group,
        item: Option<u32>,
        path: &str,
        record: Option<&Map<String, Value>>,
        notes: &mut Notes<'_>,
    ) -> Map<String, Value> {
        let mut object = Map::new();
        group.fixed.iter().for_each(|fixed| self.fixed(fixed, item, notes));
        for field in group.fields.iter().filter(|f| f.direction != Direction::Write) {
            self.field(field, item, path, record, &mut object, notes);
        }
        for list in &group.lists {
            let known = record.unwrap_or(&object);
            let before = at_map(&object, &list.to).and_then(Value::as_array).map_or(0, Vec::len);
            let items = (before..).zip(self.index.items_of(list, item, notes.raw));
            let array: Vec<Value> = items
                .map(|(n, i)| self.group(&list.item, Some(i), &dotted(path, &format!("{}.{n}", list.to)), Some(known), notes))
                .filter(|item| !list.skip_empty || !item.is_empty())
                .map(Value::Object)
                .collect();
            if !array.is_empty() {
                append(&mut object, &list.to, array);
            }
        }
        object
    }

    /// A fixed text need not be there; another one must not.
    fn fixed(&self, fixed: &Fixed, item: Option<u32>, notes: &mut Notes<'_>) {
        let raw = notes.raw;
        let mut texts = self.index.values(fixed.slot, item, raw).map(|value| (value.at, raw.text(value).trim()));
        let other = texts.find(|(_, text)| !text.is_empty() && *text != fixed.text);
        if let Some((at, text)) = other {
            let words = Words::new(format!("此处固定为 {}", fixed.text), format!("{} is expected, and nothing else", fixed.text));
            self.note(notes, Severity::Error, "constant.differs", at, Some(fixed.slot), None, Some(text), words);
        }
    }

    fn field(
        &self,
        field: &Field,
        item: Option<u32>,
        path: &str,
        record: Option<&Map<String, Value>>,
        object: &mut Map<String, Value>,
        notes: &mut Notes<'_>,
    ) {
        let raw = notes.raw;
        let Some((rank, first)) = self.index.present(field, item, raw) else {
            if let Some(default) = &field.default {
                insert(object, &field.to, self.default_value(field, default));
            }
            return;
        };
        let currency = self.currency(field, rank, item, path, first, record, object, notes);
        if field.repeat != Repeat::List {
            if let Some(value) = self.value(field, first, currency.as_deref(), path, notes) {
                insert(object, &field.to, value);
            }
            return;
        }
        let all: Vec<&RawValue> =
            self.index.values_at(&field.places[rank], item, raw).filter(|v| !raw.text(v).trim_ascii().is_empty()).collect();
        let values: Vec<Value> = all.into_iter().filter_map(|v| self.value(field, v, currency.as_deref(), path, notes)).collect();
        if !values.is_empty() {
            insert(object, &field.to, Value::Array(values));
        }
    }

    fn default_value(&self, field: &Field, default: &str) -> Value {
        let context = KindContext { layout: None, currency: None, zone: self.zone };
        kinds::read(field.kind, default, &context).unwrap_or_else(|_| Value::from(default))
    }

    /// The currency of an amount; where it stands in the source it is checked and filled as well.
    #[allow(clippy::too_many_arguments)]
    fn currency(
        &self,
        field: &Field,
        rank: usize,
        item: Option<u32>,
        path: &str,
        amount: &RawValue,
        record: Option<&Map<String, Value>>,
        object: &mut Map<String, Value>,
        notes: &mut Notes<'_>,
    ) -> Option<String> {
        match &field.currency {
            CurrencyAt::None => None,
            CurrencyAt::Fixed(code, to) => {
                if let Some(to) = to {
                    insert(object, to, Value::from(code.as_str()));
                }
                Some(code.clone())
            }
            CurrencyAt::Places(to, places) => {
                let place = &places[rank];
                let value = self.index.values_at(place, item, notes.raw).next();
                let (text, at) = value.map_or(("", amount.at), |v| (notes.raw.text(v).trim_ascii(), v.at));
                let of_record = to.strip_prefix('/');
                let (to, canonical) = of_record.map_or_else(|| (to.as_str(), dotted(path, to)), |to| (to, to.to_owned()));
                if super::tables::currency_decimals(text).is_none() {
                    let words = Words::new("应为 ISO 4217 币种代码", "an ISO 4217 currency code is expected");
                    let (rule, words) = told("type.currency", text, words);
                    self.note(notes, Severity::Error, rule, at, Some(place.slot), Some(canonical), Some(text), words);
                    return None;
                }
                let known = at_map(record.filter(|_| of_record.is_some()).unwrap_or(object), to).and_then(Value::as_str);
                if let Some(known) = known.filter(|known| *known != text) {
                    let words =
                        Words::new(format!("应与币种 {known} 相同"), format!("the currency should be {known}, as that of the rest"));
                    self.note(notes, Severity::Error, "type.currency-differs", at, Some(place.slot), Some(canonical), Some(text), words);
                } else if of_record.is_none() || record.is_none() {
                    insert(object, to, Value::from(text));
                }
                Some(text.to_owned())
            }
        }
    }

    fn value(&self, field: &Field, value: &RawValue, currency: Option<&str>, path: &str, notes: &mut Notes<'_>) -> Option<Value> {
        let raw = notes.raw;
        let whole = raw.text(value);
        let text = if field.trim || field.kind != super::file::Kind::Text { whole.trim() } else { whole };
        let canonical = dotted(path, &field.to);
        let text = match &field.codes {
            None => text,
            Some(codes) => match codes.canonical(text) {
                Some(code) => code,
                None => {
                    let (rule, words) = told("code.unknown", text, codes.not_listed(text));
                    self.note(notes, Severity::Error, rule, value.at, Some(value.slot), Some(canonical), Some(text), words);
                    return None;
                }
            },
        };
        if matches!(field.currency, CurrencyAt::Places(..)) && currency.is_none() {
            // The currency has its own finding; the amount stands as it is, so that it is not missed too.
            return kinds::read(super::file::Kind::Decimal, text, &KindContext { layout: None, currency: None, zone: self.zone }).ok();
        }
        let context = KindContext { layout: field.layout.as_deref(), currency, zone: self.zone };
        match kinds::read(field.kind, text, &context) {
            Ok(value) => Some(value),
            Err(misfit) => {
                let severity = match (&misfit.checked_only, field.check, &field.check_if) {
                    (Some(_), CheckSeverity::Off, _) | (Some(_), _, Some(_)) => return misfit.checked_only,
                    (Some(_), CheckSeverity::Warning, None) => Severity::Warning,
                    _ => Severity::Error,
                };
                self.note(notes, severity, misfit.rule, value.at, Some(value.slot), Some(canonical), Some(text), misfit.words);
                misfit.checked_only
            }
        }
    }

    /// Checks that hold only where another value of the record says so, once all values are known.
    fn conditional_checks(&self, canonical: &Value, notes: &mut Notes<'_>) {
        for field in &self.mapping.record.fields {
            let Some(condition) = &field.check_if else { continue };
            let holds = condition.holds(canonical);
            let Some((_, value)) = self.index.present(field, None, notes.raw).filter(|_| holds && field.check != CheckSeverity::Off) else {
                continue;
            };
            let (at, slot, text) = (value.at, value.slot, notes.raw.text(value).trim().to_owned());
            let context = KindContext { layout: field.layout.as_deref(), currency: None, zone: self.zone };
            // Any other misfit was found when the value was read.
            if let Err(misfit) = kinds::read(field.kind, &text, &context)
                && misfit.checked_only.is_some()
            {
                let severity = if field.check == CheckSeverity::Warning { Severity::Warning } else { Severity::Error };
                self.note(notes, severity, misfit.rule, at, Some(slot), Some(field.to.clone()), Some(&text), misfit.words);
            }
        }
    }

    fn compute(&self, canonical: &mut Value, notes: &mut Notes<'_>) {
        for (to, expression) in &self.mapping.computed {
            match expression.value(&self.runner, canonical) {
                Ok(Value::Null) => {}
                Ok(value) => {
                    if let Value::Object(object) = canonical {
                        insert(object, to, value);
                    }
                }
                Err(message) => {
                    let words = Words::new(format!("无法计算：{message}"), format!("it cannot be computed: {message}"));
                    let at = notes.raw.at;
                    self.note(notes, Severity::Error, "computed.failed", at, None, Some(to.clone()), None, words);
                }
            }
        }
    }

    /// What the schema says beyond the errors there are. Once these fill the room for findings, it
    /// is not asked: nobody would read the answer.
    fn check_schema(&self, canonical: &Value, notes: &mut Notes<'_>) {
        if !notes.findings.has_room(Severity::Error) {
            return;
        }
        for finding in self.mapping.canonical.check(canonical) {
            if notes.named.holds(&finding.path) {
                continue;
            }
            // A place is looked for only where someone will read it.
            let room = notes.findings.has_room(Severity::Error);
            let (at, slot, text) = if room { self.locate(&finding.path, notes.raw) } else { (notes.raw.at, None, None) };
            self.note(notes, Severity::Error, &finding.rule, at, slot, Some(finding.path), text.as_deref(), finding.words);
        }
    }

    fn check_rules(&self, canonical: &Value, notes: &mut Notes<'_>) {
        for rule in &self.mapping.rules {
            let severity = match rule.severity {
                CheckSeverity::Off => continue,
                CheckSeverity::Warning => Severity::Warning,
                CheckSeverity::Error => Severity::Error,
            };
            let words = match rule.holds.holds(&self.runner, canonical) {
                Ok(true) => continue,
                Ok(false) => rule.words.clone(),
                // A value that could not be read has its own finding; the rule says nothing more.
                Err(_) if notes.findings.refuse() => continue,
                Err(message) => Words::new(format!("规则无法判断：{message}"), format!("the rule cannot be judged: {message}")),
            };
            let (at, slot, text) = rule.field.as_deref().map_or((notes.raw.at, None, None), |f| self.locate(f, notes.raw));
            self.note(notes, severity, &rule.id, at, slot, rule.field.clone(), text.as_deref(), words);
        }
    }

    /// Where a canonical path (with list indexes) stands in the source.
    fn locate(&self, path: &str, raw: &RawRecord) -> (Position, Option<SlotId>, Option<String>) {
        self.locate_in(&self.mapping.record, None, path, raw).unwrap_or((raw.at, None, None))
    }

    fn locate_in(
        &self,
        group: &Group,
        item: Option<u32>,
        path: &str,
        raw: &RawRecord,
    ) -> Option<(Position, Option<SlotId>, Option<String>)> {
        let fills = |to: &str| to == path || path.strip_prefix(to).is_some_and(|rest| rest.starts_with('.'));
        let filling = |f: &&Field| fills(&f.to) || matches!(&f.currency, CurrencyAt::Places(to, _) if fills(to));
        if let Some(field) = group.fields.iter().find(filling) {
            let found = self.index.present(field, item, raw).map(|(_, v)| (v.at, Some(v.slot), Some(raw.text(v).to_owned())));
            let fallback = item.and_then(|i| self.index.start(i)).unwrap_or(raw.at);
            return found.or_else(|| Some((fallback, field.places.first().map(|p| p.slot), None)));
        }
        let below = |to: &str| path.strip_prefix(to).and_then(|rest| rest.strip_prefix('.'));
        let (list, rest) = group.lists.iter().find_map(|list| Some((list, below(&list.to)?)))?;
        let (number, rest) = rest.split_once('.').unwrap_or((rest, ""));
        let index = self.index.items_of(list, item, raw).nth(number.parse().ok()?)?;
        self.locate_in(&list.item, Some(index), rest, raw).or_else(|| self.index.start(index).map(|at| (at, None, None)))
    }

    #[allow(clippy::too_many_arguments)]
    fn note(
        &self,
        notes: &mut Notes<'_>,
        severity: Severity,
        rule: &str,
        at: Position,
        slot: Option<SlotId>,
        canonical: Option<String>,
        found: Option<&str>,
        words: Words,
    ) {
        if let Some(path) = canonical.as_deref().filter(|_| severity == Severity::Error) {
            notes.named.add(path);
        }
        if !notes.findings.has_room(severity) {
            notes.findings.count(severity, 1);
            return;
        }
        let source = slot.map(|s| source_name(self.mapping, s));
        let found = found.map(|t| t.chars().take(FOUND_CHARS_MAX).collect());
        let (record, part) = (Some(notes.record), notes.raw.part.clone());
        notes.findings.push(Finding { severity, rule: rule.to_owned(), record, part, at, source, canonical, found, words });
    }
}

impl Mapping {
    /// The message id of a body and its place, from any record of it or from its end.
    pub fn message_id_in<'r>(&self, raw: &'r RawRecord) -> Option<(&'r str, Position)> {
        let slot = self.message_id?;
        raw.find(slot, None).map(|value| (raw.text(value).trim(), value.at)).filter(|(text, _)| !text.is_empty())
    }
}

/// The rule that a text breaks and its words, unless it is that it is written in full width.
fn told(rule: &'static str, text: &str, words: Words) -> (&'static str, Words) {
    kinds::full_width(text, &words).map_or((rule, words), |misfit| (misfit.rule, misfit.words))
}

/// A source path as people know it: in a table the heading of a column or the label of a cell alone, else the whole path.
fn source_name(mapping: &Mapping, slot: SlotId) -> String {
    let path = &mapping.plan.slot(slot).path;
    let is_table = mapping.plan.anchors.iter().all(|&anchor| mapping.plan.path(anchor) == "row");
    let named = ["row/", "header/", "trailer/"].iter().find_map(|group| path.strip_prefix(group));
    named.filter(|_| is_table).unwrap_or(path).to_owned()
}

/// A canonical path below another; the whole of it where there is none above.
pub fn dotted(base: &str, path: &str) -> String {
    if base.is_empty() { path.to_owned() } else { format!("{base}.{path}") }
}

/// The value at a canonical path below an object.
fn at_map<'v>(object: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    match path.split_once('.') {
        None => object.get(path),
        Some((name, rest)) => object.get(name).and_then(|value| at_path(value, rest)),
    }
}

/// Puts items at a canonical path, behind those that another list has put there.
fn append(object: &mut Map<String, Value>, path: &str, mut items: Vec<Value>) {
    if let Some(Value::Array(known)) = at_map(object, path) {
        items.splice(0..0, known.iter().cloned());
    }
    insert(object, path, Value::Array(items));
}

/// Puts a value at a canonical path, making the objects on the way.
fn insert(object: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value);
        }
        Some((name, rest)) => {
            let inner = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Sums and counts over the groups of one body, in memory that does not grow with it.
pub struct CheckRunner<'m> {
    mapping: &'m Mapping,
    running: Vec<Running>,
}

#[derive(Default)]
struct Running {
    group: Option<String>,
    /// The element whose first record was counted last.
    once: Option<String>,
    sum: Decimal,
    count: u64,
    /// A part could not be read, or currencies differ: the sum says nothing.
    unknown: bool,
    expected: Option<(String, Option<String>, Position)>,
}

impl<'m> CheckRunner<'m> {
    /// Starts with a body.
    pub fn new(mapping: &'m Mapping) -> Self {
        Self { mapping, running: mapping.checks.iter().map(|_| Running::default()).collect() }
    }

    /// Counts one record in; gives the findings of groups that ended before it.
    pub fn record(&mut self, raw: &RawRecord, canonical: &Value) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (check, running) in self.mapping.checks.iter().zip(&mut self.running) {
            let group = check.group.and_then(|slot| raw.find(slot, None)).map(|v| raw.text(v).to_owned());
            if group != running.group {
                findings.extend(running.conclude(check, self.mapping));
                *running = Running { group, ..Running::default() };
            }
            running.add(check, raw, canonical);
        }
        findings
    }

    /// Ends the body; gives the findings of the last groups and of the whole.
    pub fn end(&mut self, raw: &RawRecord) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (check, running) in self.mapping.checks.iter().zip(&mut self.running) {
            if check.group.is_none() {
                running.expect(check, raw);
            }
            findings.extend(running.conclude(check, self.mapping));
        }
        findings
    }
}

impl Running {
    fn add(&mut self, check: &Check, raw: &RawRecord, canonical: &Value) {
        match &check.balance {
            None => self.expect(check, raw),
            Some(balances) => self.expect_balance(check, balances, raw, canonical),
        }
        if check.passes_over(canonical) {
            return;
        }
        if let Some(element) = check.once.and_then(|slot| raw.find(slot, None)).map(|v| raw.text(v)) {
            if self.once.as_deref() == Some(element) {
                return;
            }
            self.once = Some(element.to_owned());
        }
        self.count += 1;
        if check.sum.is_some() {
            match check.part(canonical).and_then(|part| self.sum.checked_add(part)) {
                Some(sum) => self.sum = sum,
                None => self.unknown = true,
            }
        }
        if let Some((path, slot)) = &check.comparable {
            let theirs = raw.find(*slot, None).map(|v| raw.text(v));
            self.unknown |= theirs.is_none() || at_path(canonical, path).and_then(Value::as_str) != theirs;
        }
    }

    fn expect(&mut self, check: &Check, raw: &RawRecord) {
        if let Some(value) = raw.find(check.equals, None) {
            self.expected = Some((raw.text(value).trim().to_owned(), raw.part.clone(), value.at));
        }
    }

    /// A sum goes on from the first balance of its group; the second is expected, with its sign.
    fn expect_balance(&mut self, check: &Check, balances: &Balances, raw: &RawRecord, canonical: &Value) {
        if self.expected.is_some() {
            return;
        }
        let Some((from, to)) = balance::both(canonical, balances) else { return };
        self.sum += from;
        let amount = at_path(canonical, &balances.to).and_then(|to| to.get("amount")).and_then(Value::as_str);
        // Balances stand in like elements: the place is that of the last one with this amount.
        let stands = |value: &&RawValue| value.slot == check.equals && Some(raw.text(value).trim()) == amount;
        let at = raw.values().iter().rfind(stands).map_or(raw.at, |value| value.at);
        self.expected = Some((to.to_string(), raw.part.clone(), at));
    }

    fn conclude(&self, check: &Check, mapping: &Mapping) -> Option<Finding> {
        let severity = match check.severity {
            CheckSeverity::Off => return None,
            CheckSeverity::Warning => Severity::Warning,
            CheckSeverity::Error => Severity::Error,
        };
        let (text, part, at) = self.expected.as_ref().filter(|_| !self.unknown)?;
        let got = if check.sum.is_some() { self.sum } else { Decimal::from(self.count) };
        // An expected value that is no number at all is not equal to anything.
        if Decimal::from_str_exact(text).is_ok_and(|expected| expected == got) {
            return None;
        }
        Some(Finding {
            severity,
            rule: check.id.clone(),
            record: None,
            part: part.clone(),
            at: *at,
            source: Some(source_name(mapping, check.equals)),
            canonical: check.balance.as_ref().map(|balances| format!("{}.amount", balances.to)).or_else(|| check.sum.clone()),
            found: Some(text.clone()),
            words: Words::new(format!("{}（实际为 {got}）", check.words.zh), format!("{} (the records give {got})", check.words.en)),
        })
    }
}
