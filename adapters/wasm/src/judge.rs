//! Holds what a component gives back against the plan and the limits: nothing that it says is taken on trust.

use crate::bindings as wit;
use crate::convert;
use portolan_contract::walk::RECORD_FINDINGS_MAX;
use portolan_contract::{FormatCode, FormatError, Limits, ListId, Plan, Position, RawFinding, RawRecord, Repeat, SlotId};
use std::collections::HashSet;

/// Bytes of the name of a body's part.
const PART_BYTES_MAX: usize = 200;
/// Bytes of a finding's rule.
const RULE_BYTES_MAX: usize = 64;

/// What is wrong with something that was given back.
pub enum Wrong {
    /// Against the rules of `adapter.wit`, in Chinese and in English.
    Rule(&'static str, &'static str),
    /// The body holds more than a record may.
    Body(FormatError),
}

/// The rules of one body.
pub struct Judge<'p> {
    plan: &'p Plan,
    limits: Limits,
    /// Bytes and lines that the component has been given.
    pub given: Position,
    records: u64,
    last: u64,
}

impl<'p> Judge<'p> {
    /// For a body of which nothing has been given yet.
    pub fn new(plan: &'p Plan, limits: &Limits) -> Self {
        Self { plan, limits: *limits, given: Position { line: 1, byte: 0, column: 0 }, records: 0, last: 0 }
    }

    /// Counts a piece that is given.
    pub fn give(&mut self, piece: &[u8]) {
        self.given.byte += piece.len() as u64;
        self.given.line += piece.iter().filter(|&&byte| byte == b'\n').count() as u64;
    }

    /// A record, once it is found to be one.
    pub fn record(&mut self, given: wit::RawRecord) -> Result<RawRecord, Wrong> {
        self.records += 1;
        if self.records > self.given.byte {
            return Err(Wrong::Rule("记录数多于报文字节数", "it gave back more records than the body has bytes"));
        }
        if given.at.byte < self.last {
            return Err(Wrong::Rule("记录的位置倒退", "the places of records go backwards"));
        }
        self.last = given.at.byte;
        self.judge(given, true)
    }

    /// The values outside the records, at the end.
    pub fn end(&self, given: wit::RawRecord) -> Result<RawRecord, Wrong> {
        self.judge(given, false)
    }

    /// An error with which a body ends: its place is within what was given.
    pub fn error(&self, given: wit::Error) -> Wrong {
        match self.place(&given.at) {
            Ok(at) => error(given, at),
            Err(wrong) => wrong,
        }
    }

    fn judge(&self, given: wit::RawRecord, is_record: bool) -> Result<RawRecord, Wrong> {
        let mut record = RawRecord::default();
        record.at = self.place(&given.at)?;
        if given.part.as_ref().is_some_and(|part| part.len() > PART_BYTES_MAX || part.contains(char::is_control)) {
            return Err(Wrong::Rule("部分名称过长或含有控制字符", "the name of a part is too long, or holds a control character"));
        }
        record.part = given.part;
        self.sizes(&given.values, &given.items, record.at)?;
        if !is_record && !given.items.is_empty() {
            return Err(Wrong::Rule("记录之外出现列表项", "an item of a list stands outside the records"));
        }
        for item in &given.items {
            self.item(item, &record)?;
            record.push_item(item.list, item.parent);
        }
        let mut filled: HashSet<(SlotId, Option<u32>)> = HashSet::new();
        let mut is_within = false;
        for value in &given.values {
            let at = self.place(&value.at)?;
            let slot = self.slot(value.slot)?;
            self.belongs(value, slot.list, &record)?;
            if slot.in_record && !is_record || !slot.in_record && is_within {
                return Err(Wrong::Rule("记录内外的值混杂", "values of the record and around it are mixed up"));
            }
            is_within = slot.in_record;
            if slot.repeat != Repeat::List && !filled.insert((value.slot, value.item)) {
                return Err(Wrong::Rule("只允许一个值之处给出两个值", "it gave back two values where one may be"));
            }
            if value.text.contains('\0') {
                let (zh, en) = ("文本含有 NUL（U+0000）字符", "the text holds a NUL character (U+0000)");
                return Err(Wrong::Body(FormatError::new(FormatCode::CharacterForbidden, at, zh, en).on(slot.path.clone())));
            }
            record.push(value.slot, value.item, &value.text, at);
        }
        for finding in given.findings {
            self.finding(finding, &mut record)?;
        }
        Ok(record)
    }

    fn sizes(&self, values: &[wit::Value], items: &[wit::Item], at: Position) -> Result<(), Wrong> {
        let limits = &self.limits;
        let exceeded = |code, what: &str, max: usize| {
            Err(Wrong::Body(FormatError::new(code, at, format!("超过上限：{max} {what}"), format!("more than {max} {what}"))))
        };
        if values.iter().any(|value| value.text.len() > limits.token_bytes_max) {
            return exceeded(FormatCode::TokenExceeded, "bytes", limits.token_bytes_max);
        }
        if values.len() > limits.record_values_max || items.len() > limits.record_values_max {
            return exceeded(FormatCode::RecordExceeded, "values", limits.record_values_max);
        }
        let bytes_max = limits.record_bytes_max.min(u32::MAX as usize);
        if values.iter().map(|value| value.text.len()).sum::<usize>() > bytes_max {
            return exceeded(FormatCode::RecordExceeded, "bytes", bytes_max);
        }
        Ok(())
    }

    fn place(&self, at: &wit::Position) -> Result<Position, Wrong> {
        if at.byte > self.given.byte || at.line > self.given.line {
            return Err(Wrong::Rule("位置超出报文", "it named a place beyond what it was given"));
        }
        Ok(convert::position(at))
    }

    fn slot(&self, slot: SlotId) -> Result<&portolan_contract::Slot, Wrong> {
        self.plan.slots.get(slot as usize).ok_or(Wrong::Rule("槽位不存在", "it named a slot that is not in the plan"))
    }

    fn item(&self, item: &wit::Item, before: &RawRecord) -> Result<(), Wrong> {
        let list = self.plan.lists.get(item.list as usize);
        let list = list.ok_or(Wrong::Rule("列表不存在", "it named a list that is not in the plan"))?;
        let is_good = match (list.parent, item.parent) {
            (None, None) => true,
            (Some(outer), Some(parent)) => is_item(before, parent, outer),
            _ => false,
        };
        if is_good {
            Ok(())
        } else {
            Err(Wrong::Rule("列表项的上级不符", "the parent of an item is not one of the enclosing list"))
        }
    }

    fn belongs(&self, value: &wit::Value, list: Option<ListId>, record: &RawRecord) -> Result<(), Wrong> {
        let is_good = match (list, value.item) {
            (None, None) => true,
            (Some(list), Some(item)) => is_item(record, item, list),
            _ => false,
        };
        if is_good { Ok(()) } else { Err(Wrong::Rule("值所属的列表项不符", "a value belongs to an item that is not of its list")) }
    }

    fn finding(&self, finding: wit::Finding, record: &mut RawRecord) -> Result<(), Wrong> {
        let at = self.place(&finding.at)?;
        finding.slot.map(|slot| self.slot(slot).map(drop)).transpose()?;
        let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
        if finding.rule.is_empty() || finding.rule.len() > RULE_BYTES_MAX || !finding.rule.bytes().all(is_id) {
            return Err(Wrong::Rule("校验问题的规则标识不符合格式", "a finding's rule is not an id of a-z, 0-9, dots and hyphens"));
        }
        is_said(&finding.words)?;
        if record.findings.len() == RECORD_FINDINGS_MAX {
            record.findings_left_out += 1;
        } else {
            record.findings.push(RawFinding { rule: finding.rule, at, slot: finding.slot, words: convert::words(finding.words) });
        }
        Ok(())
    }
}

/// An error with which a component ends a body at a place, or gives up writing one.
pub fn error(given: wit::Error, at: Position) -> Wrong {
    is_said(&given.words).map_or_else(|wrong| wrong, |()| Wrong::Body(convert::error(given, at)))
}

/// Both languages say something.
fn is_said(words: &wit::Words) -> Result<(), Wrong> {
    let is_empty = |text: &str| text.chars().all(|c| c.is_whitespace() || c.is_control());
    if is_empty(&words.zh) || is_empty(&words.en) {
        return Err(Wrong::Rule("错误或校验问题未以两种语言说明", "it named an error or a finding without words in both languages"));
    }
    Ok(())
}

/// Whether `item` is an item of `list`.
fn is_item(record: &RawRecord, item: u32, list: ListId) -> bool {
    record.items().get(item as usize).is_some_and(|item| item.list == list)
}
