//! The reader's half of a plan: an adapter tells the walker what opens, what text stands there and
//! what closes; the walker fills slots and says when a record is whole.
//!
//! Values live on one stack. What encloses the records (a batch, a statement) stays on it until
//! its group closes, so each record sees the values around it without copying them.

use crate::error::{FormatCode, FormatError, Words};
use crate::limits::Limits;
use crate::plan::{NodeId, Plan, Repeat, SlotId};
use crate::record::{Mark, Position, RawFinding, RawRecord};
use std::collections::HashMap;
use std::sync::Arc;

/// Findings kept for one record; more are counted in [`RawRecord::findings_left_out`].
pub const RECORD_FINDINGS_MAX: usize = 1_000;

/// Walks a plan along the events of one body.
pub struct Walker {
    plan: Arc<Plan>,
    limits: Limits,
    frames: Vec<Frame>,
    /// Open elements that no mapping asks for.
    skipped: usize,
    record: RawRecord,
    /// Text of the open elements, innermost last.
    text: String,
    /// By slot, the value that last filled it, plus one.
    filled: Vec<u32>,
    /// By node, how often it was opened in the whole body.
    serials: HashMap<NodeId, u64>,
    /// A record was handed out; the stack goes back to here before anything else happens.
    pending: Option<Settle>,
}

/// What to forget before the next event.
struct Settle {
    mark: Mark,
    /// A record was handed out, and its findings with it.
    whole: bool,
    /// A record's element closed, not only a group around records. What a group held is kept while
    /// nothing but closing follows, so that the end of the body still knows it.
    record: bool,
}

struct Frame {
    node: NodeId,
    mark: Mark,
    text_start: usize,
    text_at: Option<Position>,
    item: Option<u32>,
    emitted: bool,
    /// Ordinals of children that a slot asks for.
    ordinals: Vec<(NodeId, u64)>,
}

impl Walker {
    /// A walker at the top of a body.
    pub fn new(plan: Arc<Plan>, limits: &Limits) -> Self {
        let filled = vec![0; plan.slots.len()];
        // Places in a record's text are 32 bits wide.
        let limits = Limits { record_bytes_max: limits.record_bytes_max.min(u32::MAX as usize), ..*limits };
        let top = Frame { node: 0, mark: Mark::default(), text_start: 0, text_at: None, item: None, emitted: false, ordinals: Vec::new() };
        Self {
            plan,
            limits,
            frames: vec![top],
            skipped: 0,
            record: RawRecord::default(),
            text: String::new(),
            filled,
            serials: HashMap::new(),
            pending: None,
        }
    }

    /// The plan that is walked.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The limits of this body.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What follows stands in this part of the body, such as a sheet of a workbook.
    pub fn begin_part(&mut self, name: &str) {
        self.settle();
        self.record.part = Some(name.to_owned());
    }

    /// Something called `name` opens. Returns its node, or `None` when nothing within it is asked
    /// for: its text may then be passed over, but its [`Walker::leave`] must still be told.
    ///
    /// # Errors
    /// Too deep, or too much in one record.
    pub fn enter(&mut self, name: &str, at: Position) -> Result<Option<NodeId>, FormatError> {
        let child = if self.skipped > 0 { None } else { self.plan.child(self.here(), name) };
        self.enter_node(child, at)
    }

    /// As [`Walker::enter`], for an adapter that has looked the child of [`Walker::here`] up
    /// itself; `None` where no mapping asks for it.
    ///
    /// # Errors
    /// As for [`Walker::enter`].
    pub fn enter_node(&mut self, child: Option<NodeId>, at: Position) -> Result<Option<NodeId>, FormatError> {
        self.settle();
        if self.frames.len() + self.skipped > self.limits.depth_max {
            let max = self.limits.depth_max;
            return Err(FormatError::new(
                FormatCode::DepthExceeded,
                at,
                format!("嵌套超过 {max} 层"),
                format!("nested more than {max} deep"),
            ));
        }
        match child {
            Some(node) if self.skipped == 0 => {
                self.open(node, at)?;
                Ok(Some(node))
            }
            _ => {
                self.skipped += 1;
                Ok(None)
            }
        }
    }

    /// Whether what is open, or something around it, is asked for by no mapping.
    pub fn is_skipping(&self) -> bool {
        self.skipped > 0
    }

    /// Text of what is open. May come in pieces; they are joined as they stand.
    ///
    /// # Errors
    /// More text than a record may have.
    pub fn text(&mut self, text: &str, at: Position) -> Result<(), FormatError> {
        if self.skipped > 0 || self.plan.node(self.here()).slot.is_none() {
            return Ok(());
        }
        if let Some(frame) = self.frames.last_mut()
            && frame.text_at.is_none()
            && !text.trim_ascii().is_empty()
        {
            frame.text_at = Some(at);
        }
        self.text.push_str(text);
        self.check_size(at)
    }

    /// Whether text here would fill a slot.
    pub fn wants_text(&self) -> bool {
        self.skipped == 0 && self.plan.node(self.here()).slot.is_some()
    }

    /// A child that is nothing but a value: an attribute (`@name`), a cell.
    ///
    /// # Errors
    /// A value that comes too late, or too much in one record.
    pub fn value(&mut self, name: &str, text: &str, at: Position) -> Result<(), FormatError> {
        self.value_from(name, text, text, at)
    }

    /// As [`Walker::value`], for a text that the adapter has made of `source`, which stands in the body.
    ///
    /// # Errors
    /// As for [`Walker::value`].
    pub fn value_from(&mut self, name: &str, text: &str, source: &str, at: Position) -> Result<(), FormatError> {
        self.settle();
        if self.skipped > 0 {
            return Ok(());
        }
        let node = self.plan.child(self.here(), name);
        match node.and_then(|node| self.plan.node(node).slot) {
            Some(slot) => self.fill_from(slot, text, source, at),
            None => Ok(()),
        }
    }

    /// A value for a node that the adapter has looked up beforehand, such as a column's.
    ///
    /// # Errors
    /// As for [`Walker::value`].
    pub fn fill(&mut self, slot: SlotId, text: &str, at: Position) -> Result<(), FormatError> {
        self.fill_from(slot, text, text, at)
    }

    /// As [`Walker::fill`], for a text that the adapter has made of `source`, which stands in the body.
    ///
    /// # Errors
    /// As for [`Walker::value`].
    pub fn fill_from(&mut self, slot: SlotId, text: &str, source: &str, at: Position) -> Result<(), FormatError> {
        self.settle();
        let asked = self.plan.slot(slot);
        let (repeat, outside) = (asked.repeat, !asked.in_record && !asked.after);
        if outside && self.records_came_before(asked.node) {
            return Err(FormatError::new(
                FormatCode::ValueLate,
                at,
                "该值应位于记录之前，却出现在记录之后",
                "this value belongs before the records, but one came earlier",
            )
            .on(&asked.path));
        }
        let item = self.frames.last().and_then(|f| f.item);
        let last = self.filled[slot as usize];
        if last > 0 && self.record.values()[(last - 1) as usize].item == item {
            match repeat {
                Repeat::First => return Ok(()),
                Repeat::List => {}
                Repeat::Once => {
                    self.finding("source.repeated", at, Some(slot), Words::new("该项只应出现一次", "this may occur only once"));
                    return Ok(());
                }
            }
        }
        self.record.push_from(slot, item, text, source, at);
        self.filled[slot as usize] = self.record.values().len() as u32;
        self.check_size(at)
    }

    /// What was opened last closes. Returns true when a record is whole: take it with
    /// [`Walker::record`] before the next call.
    ///
    /// # Errors
    /// A value that comes too late, or too much in one record.
    pub fn leave(&mut self, at: Position) -> Result<bool, FormatError> {
        if self.pending.as_ref().is_some_and(|p| p.record) {
            self.settle();
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(false);
        }
        self.close_text(at)?;
        let Some(frame) = self.frames.pop() else { return Ok(false) };
        let node = self.plan.node(frame.node);
        let (anchor, encloses) = (node.anchor.is_some(), node.encloses_record);
        let whole = anchor && !frame.emitted;
        if whole {
            for outer in &mut self.frames {
                outer.emitted = true;
            }
        }
        if anchor || encloses {
            self.pending = Some(Settle { mark: frame.mark, whole, record: anchor });
        }
        Ok(whole)
    }

    /// The body ends: a record that was handed out is forgotten, what stands outside remains.
    pub fn end(&mut self) -> &RawRecord {
        if self.pending.as_ref().is_some_and(|p| p.record) {
            self.settle();
        }
        &self.record
    }

    /// The record that is whole.
    pub fn record(&self) -> &RawRecord {
        &self.record
    }

    /// Notes something wrong with the record being read.
    pub fn finding(&mut self, rule: &str, at: Position, slot: Option<SlotId>, words: Words) {
        self.settle();
        if self.record.findings.len() < RECORD_FINDINGS_MAX {
            self.record.findings.push(RawFinding { rule: rule.to_owned(), at, slot, words });
        } else {
            self.record.findings_left_out += 1;
        }
    }

    /// The node that is open, where nothing is being skipped.
    pub fn here(&self) -> NodeId {
        self.frames.last().map_or(0, |f| f.node)
    }

    /// Elements open at present, skipped ones included; 0 at the top.
    pub fn depth(&self) -> usize {
        self.frames.len() - 1 + self.skipped
    }

    fn open(&mut self, node: NodeId, at: Position) -> Result<(), FormatError> {
        let entry = self.plan.node(node);
        let (list, anchor, ordinal_slot, serial_slot) = (entry.list, entry.anchor, entry.ordinal, entry.serial);
        let outer = self.frames.last().and_then(|f| f.item);
        let mark = self.record.mark();
        let item = match list {
            Some(list) => Some(self.record.push_item(list, outer)),
            None => outer,
        };
        if list.is_some() {
            self.check_size(at)?;
        }
        if anchor == Some(0) || (anchor.is_some() && !self.in_anchor()) {
            self.record.at = at;
        }
        let ordinal = ordinal_slot.map(|slot| (slot, self.count_ordinal(node)));
        let frame = Frame { node, mark, text_start: self.text.len(), text_at: None, item, emitted: false, ordinals: Vec::new() };
        self.frames.push(frame);
        if let Some((slot, ordinal)) = ordinal {
            self.fill(slot, &ordinal.to_string(), at)?;
        }
        if let Some(slot) = serial_slot {
            let serial = self.serials.entry(node).or_default();
            *serial += 1;
            let serial = serial.to_string();
            self.fill(slot, &serial, at)?;
        }
        Ok(())
    }

    fn in_anchor(&self) -> bool {
        self.frames.iter().any(|f| self.plan.node(f.node).anchor == Some(0))
    }

    /// Counts an element among its like in the nearest enclosing anchor (else in its parent), so
    /// that a second `NtryDtls` does not count one entry's transactions anew.
    fn count_ordinal(&mut self, node: NodeId) -> u64 {
        let plan = &self.plan;
        let scope = self.frames.iter().rposition(|f| plan.node(f.node).anchor.is_some());
        let scope = scope.unwrap_or(self.frames.len() - 1);
        let ordinals = &mut self.frames[scope].ordinals;
        if let Some((_, count)) = ordinals.iter_mut().find(|(n, _)| *n == node) {
            *count += 1;
            return *count;
        }
        ordinals.push((node, 1));
        1
    }

    fn close_text(&mut self, at: Position) -> Result<(), FormatError> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let (start, begun) = (frame.text_start, frame.text_at);
        if let Some(slot) = self.plan.node(frame.node).slot {
            let text = std::mem::take(&mut self.text);
            let filled = self.fill(slot, &text[start..], begun.unwrap_or(at));
            self.text = text;
            filled?;
        }
        self.text.truncate(start);
        Ok(())
    }

    /// The innermost open group that encloses both the value and records decides; so does a second
    /// anchor that stands beside the primary and not around it.
    fn records_came_before(&self, node: NodeId) -> bool {
        let holds_records = |n: NodeId| self.plan.node(n).encloses_record || self.plan.node(n).anchor.is_some();
        let group = self.frames.iter().rev().find(|f| holds_records(f.node) && self.plan.within(node, f.node));
        group.is_some_and(|f| f.emitted)
    }

    fn check_size(&self, at: Position) -> Result<(), FormatError> {
        let bytes = self.record.text_bytes() + self.text.len();
        let values = self.record.values().len().max(self.record.items().len());
        self.limits.check_record(values, bytes, at)
    }

    /// Forgets a record that was handed out, and every group that has closed.
    fn settle(&mut self) {
        let Some(Settle { mark, whole, .. }) = self.pending.take() else { return };
        for value in &self.record.values()[mark.values..] {
            self.filled[value.slot as usize] = 0;
        }
        self.record.truncate(mark);
        if whole {
            self.record.findings.clear();
            self.record.findings_left_out = 0;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! Bodies are written as `(name @attribute=value text (child …))`; what is read is shown as
    //! `path=text`, with `[item]` where it is in one.

    use super::*;
    use crate::cases::CasePlan;

    const ROWS: &str = r#"
        records = ["D/Row"]
        slots = ["D/Id", "D/Row/@k", "D/Row/Name", { path = "D/Sum", after = true }]
    "#;
    const ENTRIES: &str = r##"
        records = ["D/S/E/T", "D/S/E"]
        slots = ["D/S/No", "D/S/E/#", "D/S/E/##", "D/S/E/Ref", "D/S/E/T/#", "D/S/E/T/Id", { path = "D/S/Sum", after = true }]
    "##;
    const LISTS: &str = r#"
        records = ["D/Row"]
        lists = ["D/Row/I", "D/Row/I/T"]
        slots = ["D/Row/I/N", "D/Row/I/T", { path = "D/Row/L", repeat = "list" }, { path = "D/Row/F", repeat = "first" }]
    "#;
    const BESIDE: &str = r#"
        records = ["D/Row", "D/Other"]
        slots = ["D/Row/Name", "D/Other/Name"]
    "#;

    pub(crate) fn plan(text: &str) -> CasePlan {
        CasePlan::parse(text).unwrap()
    }

    /// The records of a body, and last the values outside them.
    pub(crate) fn read(plan: &CasePlan, body: &str) -> Result<Vec<RawRecord>, FormatError> {
        let mut walker = Walker::new(Arc::clone(&plan.plan), &plan.limits);
        let mut records = Vec::new();
        let mut rest = body;
        while let Some(character) = rest.chars().next() {
            let at = Position { line: 1, byte: (body.len() - rest.len()) as u64, column: 0 };
            let length = rest[1..].find([' ', '(', ')']).map_or(rest.len(), |n| n + 1);
            let word = &rest[..length];
            match character {
                ' ' => {}
                '(' => drop(walker.enter(&word[1..], at)?),
                ')' => {
                    if walker.leave(at)? {
                        records.push(walker.record().clone());
                    }
                }
                '@' => {
                    let (name, text) = word.split_once('=').unwrap();
                    walker.value(name, text, at)?;
                }
                _ => walker.text(word, at)?,
            }
            rest = &rest[if matches!(character, ' ' | ')') { 1 } else { length }..];
        }
        records.push(walker.end().clone());
        Ok(records)
    }

    fn shown(plan: &Plan, record: &RawRecord) -> String {
        let item = |item: Option<u32>| item.map(|i| format!("[{i}]")).unwrap_or_default();
        let value = |v: &crate::RawValue| format!("{}={}{}", plan.slot(v.slot).path, record.text(v), item(v.item));
        let findings = record.findings.iter().map(|f| format!("!{}", f.rule));
        record.values().iter().map(value).chain(findings).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(plan: &str, body: &str, expected: &[&str]) {
        let plan = self::plan(plan);
        let records = read(&plan, body).unwrap();
        let found: Vec<String> = records.iter().map(|r| shown(&plan.plan, r)).collect();
        assert_eq!(found, expected, "{body}");
    }

    #[track_caller]
    fn check_refused(plan: &str, body: &str, code: FormatCode, at: &str) {
        let error = read(&self::plan(plan), body).unwrap_err();
        assert_eq!((error.code, error.at.byte), (code, body.find(at).unwrap() as u64), "{body}: {error}");
    }

    #[test]
    fn values_around_records_are_seen_by_each() {
        check(
            ROWS,
            "(D (Id 7) (Row @k=x (Name a)) (Row @k=y (Name b)) (Sum 2))",
            &["D/Id=7 D/Row/@k=x D/Row/Name=a", "D/Id=7 D/Row/@k=y D/Row/Name=b", "D/Id=7 D/Sum=2"],
        );
        check(ROWS, "(D (Row))", &["", ""]);
        check(ROWS, "(D (Id 7))", &["D/Id=7"]);
    }

    #[test]
    fn what_no_path_names_is_passed_over() {
        check(ROWS, "(X (Row (Name a)))", &[""]);
        check(ROWS, "(D (X (Id 1) (Row (Name a))) (Row @z=1 (X (Name no)) (Name yes (Name no))))", &["D/Row/Name=yes", ""]);
    }

    #[test]
    fn entries_without_details_are_records() {
        let s = "(D (S (No 1) (E (Ref a) (T (Id p)) (T (Id q))) (E (Ref b))) (S (No 2) (E (T (Id r))) (Sum 9)))";
        check(
            ENTRIES,
            s,
            &[
                "D/S/No=1 D/S/E/#=1 D/S/E/##=1 D/S/E/Ref=a D/S/E/T/#=1 D/S/E/T/Id=p",
                "D/S/No=1 D/S/E/#=1 D/S/E/##=1 D/S/E/Ref=a D/S/E/T/#=2 D/S/E/T/Id=q",
                "D/S/No=1 D/S/E/#=2 D/S/E/##=2 D/S/E/Ref=b",
                "D/S/No=2 D/S/E/#=1 D/S/E/##=3 D/S/E/T/#=1 D/S/E/T/Id=r",
                "D/S/No=2 D/S/Sum=9",
            ],
        );
    }

    #[test]
    fn a_second_anchor_may_stand_beside_the_first() {
        check(BESIDE, "(D (Row (Name a)) (Other (Name b)) (Row (Name c)))", &["D/Row/Name=a", "D/Other/Name=b", "D/Row/Name=c", ""]);
    }

    #[test]
    fn late_values_are_refused() {
        check_refused(ROWS, "(D (Row (Name a)) (Id 7))", FormatCode::ValueLate, "7");
        check_refused(ENTRIES, "(D (S (E (T (Id a)) (Ref late))))", FormatCode::ValueLate, "late");
        check_refused(ENTRIES, "(D (S (E (Ref a)) (No 1)))", FormatCode::ValueLate, "1");
    }

    #[test]
    fn lists_and_repeats() {
        check(
            LISTS,
            "(D (Row (I (N a) (T x) (T y)) (I (T z) (N b)) (L 1) (L 2) (F 1) (F 2)))",
            &["D/Row/I/N=a[0] D/Row/I/T=x[1] D/Row/I/T=y[2] D/Row/I/T=z[4] D/Row/I/N=b[3] D/Row/L=1 D/Row/L=2 D/Row/F=1", ""],
        );
        check(LISTS, "(D (Row (I (N a) (N b))) (Row (I (N c))))", &["D/Row/I/N=a[0] !source.repeated", "D/Row/I/N=c[0]", ""]);
    }

    #[test]
    fn sizes_are_bounded() {
        let limited = |limits: &str| format!("{LISTS}\n[limits]\n{limits}");
        check_refused(&limited("depth_max = 3"), "(D (Row (I (N a))))", FormatCode::DepthExceeded, "(N");
        check_refused(&limited("depth_max = 3"), "(D (X (X (X))))", FormatCode::DepthExceeded, "(X))");
        check_refused(&limited("record_values_max = 2"), "(D (Row (L 1) (L 2) (L 3)))", FormatCode::RecordExceeded, "3");
        check_refused(&limited("record_values_max = 2"), "(D (Row (I) (I) (I @last=1)))", FormatCode::RecordExceeded, "(I @");
        check_refused(&limited("record_bytes_max = 4"), "(D (Row (L abc) (L de)))", FormatCode::RecordExceeded, "de");
        let again = "(L 1) (F 1) ".repeat(2 * RECORD_FINDINGS_MAX).replace('L', "N");
        let records = read(&plan(LISTS), &format!("(D (Row (I {again})))")).unwrap();
        assert_eq!(records[0].findings.len(), RECORD_FINDINGS_MAX);
        assert_eq!(records[0].findings_left_out as usize, 2 * RECORD_FINDINGS_MAX - 1 - RECORD_FINDINGS_MAX);
    }
}
