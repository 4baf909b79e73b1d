//! Where each canonical value of a record came from, and by which rule it was made.
//!
//! A [`RawRecord`](portolan_contract::RawRecord) says where a value begins and not where it ends: what an
//! adapter gives is the text, not its bytes, and ends for all values would be a cost of every body for
//! the few records that someone looks into. The end is found afterwards ([`super::ranges`]).

use super::compiled::{Codes, CurrencyAt, Field, Group, Mapping};
use super::file::{Direction, Kind};
use super::index::RecordIndex;
use super::read::dotted;
use crate::domain::spot;
use portolan_contract::{Position, RawRecord, RawValue, Repeat, Words};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;

/// Where one canonical value came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Traced {
    /// Canonical path, with list indexes from 0.
    pub canonical: String,
    /// The canonical value; absent where the text could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The place in the body; absent for what does not come from it.
    #[serde(flatten)]
    pub source: Option<SourceText>,
    /// What made the value.
    pub rule: Rule,
}

/// A text in the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceText {
    /// Source path.
    pub source: String,
    /// The part of the body, such as a sheet or a member of an archive, where the body has parts; the place is one in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Line, from 1; in a sheet the row. Absent for what stands around a document, in its envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Byte offset, from 0: where the value begins, its quotes included; absent where there is no line, and in a sheet,
    /// whose cells stand in compressed parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// Column of a table, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// First byte of the text itself and the one after its last, after content decoding and in the part; absent where
    /// the bytes are not those of the text, because something in it is escaped, and in a sheet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(u64, u64)>,
    /// The text as the format reads it.
    pub text: String,
    /// The text as it stands in the body, where the format makes another of it: with what fills up its columns, or with the
    /// comma of its amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The text is a count that the reader keeps (`#`, `##`), and stands nowhere.
    #[serde(skip)]
    pub counted: bool,
}

impl SourceText {
    /// The text as it stands in the body, as far as that is known.
    pub fn raw(&self) -> &str {
        self.raw.as_ref().unwrap_or(&self.text)
    }

    /// Where it stands, in words: a cell of a sheet, or line and bytes, with the part's name; nothing where that is not known.
    pub fn spot(&self, zh: bool) -> Option<String> {
        let line = self.line?;
        let Some(byte) = self.byte else {
            let at = Position { line, byte: 0, column: self.column.unwrap_or(0) };
            return Some(spot(self.part.as_deref(), at, true, zh));
        };
        let within = match (self.range, zh) {
            (Some((from, to)), true) => format!("第 {line} 行，字节 {from}..{to}"),
            (Some((from, to)), false) => format!("line {line}, bytes {from}..{to}"),
            (None, true) => format!("第 {line} 行，自字节 {byte} 起"),
            (None, false) => format!("line {line}, from byte {byte}"),
        };
        Some(match (&self.part, zh) {
            (None, _) => within,
            (Some(part), true) => format!("{part}：{within}"),
            (Some(part), false) => format!("{part}: {within}"),
        })
    }
}

/// What made a canonical value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "made", rename_all = "kebab-case")]
pub enum Rule {
    /// Read from the source text.
    Read {
        /// As what.
        #[serde(rename = "type")]
        kind: Kind,
        /// In this layout, where it is not the standard one.
        #[serde(skip_serializing_if = "Option::is_none")]
        layout: Option<String>,
        /// Through this entry of a code list, source code first.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<(String, String)>,
    },
    /// The source has no value, and the mapping says which one then counts.
    Default {
        /// As the mapping has it.
        text: String,
    },
    /// Always the same.
    Constant {
        /// As the mapping has it.
        text: String,
    },
    /// Computed from other canonical values.
    Computed {
        /// The CEL expression.
        cel: String,
    },
}

impl Rule {
    /// The rule as a sentence's end.
    pub fn words(&self) -> Words {
        match self {
            Self::Read { kind, layout, code } => {
                let (mut zh, mut en) = (format!("按 {kind} 读取"), format!("read as {kind}"));
                if let Some(layout) = layout {
                    zh.push_str(&format!("，格式 {layout}"));
                    en.push_str(&format!(", layout {layout}"));
                }
                if let Some((source, canonical)) = code {
                    zh.push_str(&format!("，代码表 {source} → {canonical}"));
                    en.push_str(&format!(", code list {source} → {canonical}"));
                }
                Words::new(zh, en)
            }
            Self::Default { text } => Words::new(format!("原文没有，取默认值 {text}"), format!("not in the source: the default {text}")),
            Self::Constant { text } => Words::new(format!("固定值 {text}"), format!("always {text}")),
            Self::Computed { cel } => Words::new(format!("计算得出：{cel}"), format!("computed: {cel}")),
        }
    }
}

/// Traces the records of one body.
pub struct Tracer<'m> {
    mapping: &'m Mapping,
    index: RecordIndex<'m>,
}

impl<'m> Tracer<'m> {
    /// A tracer for bodies of this mapping.
    pub fn new(mapping: &'m Mapping) -> Self {
        Self { mapping, index: RecordIndex::new(&mapping.plan) }
    }

    /// Where each canonical value of a record came from; `canonical` is what the raw record was read as.
    pub fn trace(&mut self, raw: &RawRecord, canonical: &Value) -> Vec<Traced> {
        self.index.fill(raw);
        let mut pass = Pass { mapping: self.mapping, index: &self.index, raw, canonical, constants: HashSet::new(), traced: Vec::new() };
        pass.group(&self.mapping.record, None, "");
        for (to, expression) in &self.mapping.computed {
            let rule = Rule::Computed { cel: expression.text().to_owned() };
            pass.push(to.clone(), None, rule);
        }
        pass.traced
    }
}

/// One record being traced.
struct Pass<'p> {
    mapping: &'p Mapping,
    index: &'p RecordIndex<'p>,
    raw: &'p RawRecord,
    canonical: &'p Value,
    /// Currencies that several amounts have in common; each is told once.
    constants: HashSet<String>,
    traced: Vec<Traced>,
}

impl Pass<'_> {
    fn group(&mut self, group: &Group, item: Option<u32>, path: &str) {
        for field in group.fields.iter().filter(|f| f.direction != Direction::Write) {
            self.field(field, item, path);
        }
        let index = self.index;
        for list in &group.lists {
            for (number, item) in index.items_of(list, item, self.raw).enumerate() {
                self.group(&list.item, Some(item), &dotted(path, &format!("{}.{number}", list.to)));
            }
        }
    }

    fn field(&mut self, field: &Field, item: Option<u32>, path: &str) {
        let (index, raw) = (self.index, self.raw);
        let to = dotted(path, &field.to);
        let Some((rank, first)) = index.present(field, item, raw) else {
            if let Some(default) = &field.default {
                self.push(to, None, Rule::Default { text: default.clone() });
            }
            return;
        };
        if let (Repeat::List, Some(place)) = (field.repeat, field.places.get(rank)) {
            let said = index.values_at(place, item, raw).filter(|v| !raw.text(v).trim_ascii().is_empty());
            for (number, value) in said.enumerate() {
                self.push(format!("{to}.{number}"), Some(value), read_by(field, raw.text(value)));
            }
        } else {
            self.push(to, Some(first), read_by(field, raw.text(first)));
        }
        match &field.currency {
            CurrencyAt::Fixed(code, Some(to)) => {
                let to = dotted(path, to);
                if self.constants.insert(to.clone()) {
                    self.push(to, None, Rule::Constant { text: code.clone() });
                }
            }
            CurrencyAt::Places(to, places) => {
                let value = places.get(rank).and_then(|place| index.values_at(place, item, raw).next());
                if let Some(value) = value {
                    let rule = Rule::Read { kind: Kind::Currency, layout: None, code: None };
                    let to = to.strip_prefix('/').map_or_else(|| dotted(path, to), str::to_owned);
                    self.push(to, Some(value), rule);
                }
            }
            CurrencyAt::None | CurrencyAt::Fixed(_, None) => {}
        }
    }

    fn push(&mut self, canonical: String, value: Option<&RawValue>, rule: Rule) {
        let source = value.map(|v| self.source(v));
        let value = at_index_path(self.canonical, &canonical).cloned();
        // What the mapping would make and did not make is told by a finding; there is no value to trace.
        if value.is_some() || source.is_some() {
            self.traced.push(Traced { canonical, value, source, rule });
        }
    }

    fn source(&self, value: &RawValue) -> SourceText {
        let slot = self.mapping.plan.slot(value.slot);
        let node = self.mapping.plan.node(slot.node);
        // What stands nowhere in the document stands around it.
        let is_within = value.at != Position::default();
        SourceText {
            source: slot.path.clone(),
            part: self.raw.part.clone().filter(|_| is_within),
            line: is_within.then_some(value.at.line),
            byte: (is_within && self.mapping.has_bytes()).then_some(value.at.byte),
            column: (value.at.column > 0).then_some(value.at.column),
            range: None,
            text: self.raw.text(value).to_owned(),
            raw: self.raw.source(value).map(str::to_owned),
            counted: node.ordinal == Some(value.slot) || node.serial == Some(value.slot),
        }
    }
}

fn read_by(field: &Field, text: &str) -> Rule {
    let entry = |codes: &Codes| {
        let source = text.trim();
        codes.canonical(source).map(|canonical| (source.to_owned(), canonical.to_owned()))
    };
    Rule::Read { kind: field.kind, layout: field.layout.clone(), code: field.codes.as_ref().and_then(entry) }
}

/// The value at a canonical path in which numbers are indexes of lists.
fn at_index_path<'v>(record: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(record, |value, step| match value {
        Value::Array(items) => step.parse::<usize>().ok().and_then(|number| items.get(number)),
        other => other.get(step),
    })
}
