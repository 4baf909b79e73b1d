//! Where each canonical value of a record came from.

use super::compile::{CurrencyAt, Group, Mapping};
use super::file::Direction;
use super::index::RecordIndex;
use super::read::dotted;
use portolan_contract::{RawRecord, RawValue};

/// Where one canonical value came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Traced {
    /// Canonical path, with list indexes from 0.
    pub canonical: String,
    /// Source path.
    pub source: String,
    /// Line, from 1.
    pub line: u64,
    /// Byte offset, from 0.
    pub byte: u64,
    /// The text as it stands in the source.
    pub text: String,
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

    /// Where each canonical value of a raw record came from.
    pub fn trace(&mut self, raw: &RawRecord) -> Vec<Traced> {
        self.index.fill(raw);
        let mut traced = Vec::new();
        self.group(&self.mapping.record, None, "", raw, &mut traced);
        traced
    }

    fn group(&self, group: &Group, item: Option<u32>, path: &str, raw: &RawRecord, traced: &mut Vec<Traced>) {
        for field in group.fields.iter().filter(|f| f.direction != Direction::Write) {
            let Some((rank, first)) = self.index.present(field, item, raw) else { continue };
            let mut push = |to: &str, v: &RawValue| {
                let source = self.mapping.plan.slot(v.slot).path.clone();
                traced.push(Traced { canonical: dotted(path, to), source, line: v.at.line, byte: v.at.byte, text: raw.text(v).to_owned() });
            };
            push(&field.to, first);
            if let CurrencyAt::Slots(to, slots) = &field.currency
                && let Some(v) = self.index.values(slots[rank], item, raw).next()
            {
                push(to, v);
            }
        }
        for list in &group.lists {
            for (number, index) in self.index.items(list.list, item).enumerate() {
                self.group(&list.item, Some(index), &dotted(path, &format!("{}.{number}", list.to)), raw, traced);
            }
        }
    }
}
