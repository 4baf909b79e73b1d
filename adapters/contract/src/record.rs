//! Raw records: text by slot, with the place in the body that each value came from.

use crate::error::Words;
use crate::plan::{ListId, SlotId};
use serde::{Deserialize, Serialize};

/// A place in a body, after content decoding and in the body's own charset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Line, counted from 1 by line feeds; in a spreadsheet the row.
    pub line: u64,
    /// Offset in bytes, counted from 0, a byte order mark included; always 0 in a spreadsheet, whose
    /// cells stand in compressed parts.
    pub byte: u64,
    /// Column of a table, counted from 1; 0 where there is no table.
    pub column: u32,
}

/// One value: a stretch of the record's text, and where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawValue {
    /// The slot it fills.
    pub slot: SlotId,
    /// Index into [`RawRecord::items`] of the list item that it belongs to; `None` for the record.
    pub item: Option<u32>,
    /// Where it began in the body.
    pub at: Position,
    start: u32,
    end: u32,
    /// The text as it stands in the body follows up to here, where it is another.
    #[serde(default)]
    source_end: u32,
}

/// One item of a list inside a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Which list.
    pub list: ListId,
    /// The enclosing item, for a list within a list.
    pub parent: Option<u32>,
}

/// Something wrong with one record that does not end the body, such as a row with a cell too many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawFinding {
    /// The rule's stable id, such as `csv.ragged-row`.
    pub rule: String,
    /// Where.
    pub at: Position,
    /// The slot concerned, if one is.
    pub slot: Option<SlotId>,
    /// What was found and expected.
    pub words: Words,
}

/// A record as text by slot. Values outside the record stand first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRecord {
    /// Where the record began.
    pub at: Position,
    /// The part of the body in which it stands, where the body has parts: a sheet of a workbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What the reader itself found wrong.
    pub findings: Vec<RawFinding>,
    /// How many findings were left out because there were too many.
    #[serde(default)]
    pub findings_left_out: u64,
    values: Vec<RawValue>,
    items: Vec<Item>,
    text: String,
}

/// How much of a record to keep when a scope closes; see [`RawRecord::truncate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Number of values.
    pub values: usize,
    /// Number of items.
    pub items: usize,
    text: usize,
}

impl RawRecord {
    /// Appends one value.
    pub fn push(&mut self, slot: SlotId, item: Option<u32>, text: &str, at: Position) {
        self.push_from(slot, item, text, text, at);
    }

    /// Appends one value that was made of `source`, the text as it stands in the body.
    pub fn push_from(&mut self, slot: SlotId, item: Option<u32>, text: &str, source: &str, at: Position) {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        let end = self.text.len() as u32;
        if source != text {
            self.text.push_str(source);
        }
        self.values.push(RawValue { slot, item, at, start, end, source_end: self.text.len() as u32 });
    }

    /// Appends one list item and returns its index.
    pub fn push_item(&mut self, list: ListId, parent: Option<u32>) -> u32 {
        self.items.push(Item { list, parent });
        (self.items.len() - 1) as u32
    }

    /// All values, in the order in which they were filled.
    pub fn values(&self) -> &[RawValue] {
        &self.values
    }

    /// All list items.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The text of a value of this record.
    pub fn text(&self, value: &RawValue) -> &str {
        &self.text[value.start as usize..value.end as usize]
    }

    /// The text in the body that a value was made of, where it is another than the value's.
    pub fn source(&self, value: &RawValue) -> Option<&str> {
        self.text.get(value.end as usize..value.source_end as usize).filter(|source| !source.is_empty())
    }

    /// Bytes of text held.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The first value in `slot` for `item`.
    pub fn find(&self, slot: SlotId, item: Option<u32>) -> Option<&RawValue> {
        self.values.iter().find(|v| v.slot == slot && v.item == item)
    }

    /// Removes everything, keeping the memory.
    pub fn clear(&mut self) {
        self.truncate(Mark::default());
        self.findings.clear();
        self.findings_left_out = 0;
        self.at = Position::default();
        self.part = None;
    }

    /// The present end, to come back to.
    pub fn mark(&self) -> Mark {
        Mark { values: self.values.len(), items: self.items.len(), text: self.text.len() }
    }

    /// Forgets all that was appended since `mark`.
    pub fn truncate(&mut self, mark: Mark) {
        self.values.truncate(mark.values);
        self.items.truncate(mark.items);
        self.text.truncate(mark.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(record: &RawRecord) -> Vec<&str> {
        record.values().iter().map(|v| record.text(v)).collect()
    }

    #[test]
    fn truncating_forgets_what_came_later() {
        let mut record = RawRecord::default();
        record.push(0, None, "头", Position::default());
        let mark = record.mark();
        let item = record.push_item(0, None);
        record.push(1, Some(item), "a", Position::default());
        record.push(1, None, "", Position::default());
        assert_eq!(texts(&record), ["头", "a", ""]);
        assert_eq!(record.find(1, None).map(|v| record.text(v)), Some(""));
        record.truncate(mark);
        assert_eq!((texts(&record), record.items().len(), record.text_bytes()), (vec!["头"], 0, "头".len()));
        record.push(2, None, "b", Position::default());
        assert_eq!(texts(&record), ["头", "b"]);
        record.clear();
        assert_eq!(record, RawRecord::default());
    }

    #[test]
    fn a_stored_record_is_the_same() {
        let mut record = RawRecord { at: Position { line: 3, byte: 40, column: 2 }, ..RawRecord::default() };
        let item = record.push_item(7, None);
        record.push_from(5, Some(item), "金额 ¥1.00", "金额 ¥1,0", record.at);
        let value = record.values()[0];
        assert_eq!((record.text(&value), record.source(&value)), ("金额 ¥1.00", Some("金额 ¥1,0")));
        record.push_from(5, Some(item), "甲", "甲", record.at);
        assert_eq!(record.source(&record.values()[1]), None);
        let stored = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<RawRecord>(&stored).unwrap(), record);
    }
}
