//! The writer's half of a plan: turns records back into what opens, stands and closes.
//!
//! Each record is indexed once (values by list item and slot, items by list, and which nodes hold
//! anything), so that writing it costs little more than its values.

use crate::FormatError;
use crate::plan::{ListId, NodeId, Plan, SlotId};
use crate::record::RawRecord;
use std::collections::HashSet;
use std::sync::Arc;

/// What a writer of a tree-shaped format does for each event.
pub trait Sink {
    /// A node opens. Attributes follow, then text or children, then [`Sink::close`].
    ///
    /// # Errors
    /// I/O faults, and text that the output cannot hold.
    fn open(&mut self, node: NodeId) -> Result<(), FormatError>;

    /// An attribute of the node that was opened last.
    ///
    /// # Errors
    /// As for [`Sink::open`].
    fn attribute(&mut self, node: NodeId, text: &str) -> Result<(), FormatError>;

    /// The text of the node that was opened last.
    ///
    /// # Errors
    /// As for [`Sink::open`].
    fn text(&mut self, node: NodeId, text: &str) -> Result<(), FormatError>;

    /// The node that was opened last closes.
    ///
    /// # Errors
    /// As for [`Sink::open`].
    fn close(&mut self, node: NodeId) -> Result<(), FormatError>;
}

/// Turns a sequence of records into the events of a tree-shaped body.
///
/// Every record brings the values of the groups around it along (a statement, an entry); a group
/// stays open while they stay the same. A group in which records are counted (`#`) goes on exactly
/// while the count does. A record without any value of its own, which only a second anchor around
/// the primary yields, is written as a group without a record in it.
pub struct Shaper {
    plan: Arc<Plan>,
    /// Group nodes from the top down to the anchor's parent.
    groups: Vec<NodeId>,
    anchor: NodeId,
    ordinal: Option<SlotId>,
    /// Index in `groups` of the one in which the anchor's ordinals run: the nearest enclosing
    /// anchor, else the parent.
    counting: Option<usize>,
    /// Indices in `groups` of the other anchors, the outermost first.
    others: Vec<usize>,
    /// By slot, the index in `groups` of the innermost group that it belongs to; `None` within
    /// the record.
    group_of: Vec<Option<usize>>,
    open: Vec<OpenGroup>,
    last_ordinal: u64,
    index: Index,
}

struct OpenGroup {
    node: NodeId,
    /// The values of the group, to see whether the next record is in the same one.
    values: Vec<(SlotId, String)>,
    /// A copy of the record that opened it, where something stands after the records.
    record: Option<RawRecord>,
}

impl Shaper {
    /// A shaper at the top of a body; records are written at the plan's primary anchor.
    pub fn new(plan: Arc<Plan>) -> Self {
        let anchor = plan.anchors.first().copied().unwrap_or(0);
        let mut groups = Vec::new();
        let mut at = plan.node(anchor).parent;
        while let Some(node) = at {
            groups.push(node);
            at = plan.node(node).parent;
        }
        groups.reverse();
        let others: Vec<usize> = (0..groups.len()).filter(|&g| plan.node(groups[g]).anchor.is_some()).collect();
        let counting = others.last().copied().or(groups.len().checked_sub(1));
        let ordinal = plan.node(anchor).ordinal;
        let group_of = plan.slots.iter().map(|slot| group_of(&plan, &groups, anchor, slot.node)).collect();
        Self { plan, groups, anchor, ordinal, counting, others, group_of, open: Vec::new(), last_ordinal: 0, index: Index::default() }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// What the sink raises.
    pub fn record(&mut self, record: &RawRecord, sink: &mut dyn Sink) -> Result<(), FormatError> {
        self.index.read(&self.plan, record);
        let ordinal = self.ordinal.and_then(|slot| self.index.text(slot, None, record)).and_then(|text| text.parse::<u64>().ok());
        let counted_on = ordinal.is_some_and(|n| n > 1 && n == self.last_ordinal + 1);
        let bare = self.bare();
        let continues = |index: &usize| match (Some(*index) == self.counting, bare) {
            (_, Some(second)) if *index == second => false,
            (true, _) if self.ordinal.is_some() && !counted_on => false,
            (true, _) if self.ordinal.is_some() => self.same_values(*index, record),
            _ => !self.plan.node(self.groups[*index]).per_record && self.same_values(*index, record),
        };
        let same = (0..self.groups.len()).take_while(continues).count();
        self.close_to(same, sink)?;
        for index in same..self.groups.len().min(bare.map_or(usize::MAX, |second| second + 1)) {
            self.open_group(index, record, sink)?;
        }
        self.last_ordinal = ordinal.unwrap_or(0);
        match bare {
            Some(second) => self.close_to(second, sink),
            None => self.writer(record).subtree(self.anchor, None, true, sink),
        }
    }

    /// Ends the body; with no record written, the groups are written from `head` alone.
    ///
    /// # Errors
    /// What the sink raises.
    pub fn finish(&mut self, head: &RawRecord, sink: &mut dyn Sink) -> Result<(), FormatError> {
        if self.open.is_empty() {
            self.index.read(&self.plan, head);
            for index in 0..self.groups.len() {
                // The top and the outermost element are written even where they hold nothing.
                if index > 1 && !self.index.holds(self.groups[index], None) {
                    break;
                }
                self.open_group(index, head, sink)?;
            }
        }
        self.close_to(0, sink)
    }

    /// For a record without any value of its own, the group that it is: the innermost of the other
    /// anchors that holds anything.
    fn bare(&self) -> Option<usize> {
        let outermost = *self.others.first()?;
        let holds = |&&group: &&usize| self.index.holds(self.groups[group], None);
        let group = self.others.iter().rev().find(holds).copied().unwrap_or(outermost);
        (!self.index.holds(self.anchor, None)).then_some(group)
    }

    fn writer<'s>(&'s self, record: &'s RawRecord) -> RecordWriter<'s> {
        RecordWriter { plan: &self.plan, index: &self.index, record }
    }

    fn group_values<'r>(&self, index: usize, record: &'r RawRecord) -> impl Iterator<Item = (SlotId, &'r str)> {
        record.values().iter().filter(move |v| self.group_of[v.slot as usize] == Some(index)).map(|v| (v.slot, record.text(v)))
    }

    fn same_values(&self, index: usize, record: &RawRecord) -> bool {
        let Some(open) = self.open.get(index) else { return false };
        self.group_values(index, record).eq(open.values.iter().map(|(slot, text)| (*slot, text.as_str())))
    }

    fn leads_to_record(&self, node: NodeId) -> bool {
        self.plan.within(self.anchor, node)
    }

    /// Opens a group and writes what stands in it before the records.
    fn open_group(&mut self, index: usize, record: &RawRecord, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let node = self.groups[index];
        if node != 0 {
            sink.open(node)?;
        }
        let writer = self.writer(record);
        writer.own(node, None, sink)?;
        let children = &self.plan.node(node).children;
        for &child in children.iter().take_while(|&&c| !self.leads_to_record(c)) {
            writer.subtree(child, None, false, sink)?;
        }
        let trailing = children.last().is_some_and(|&last| !self.leads_to_record(last));
        let values = self.group_values(index, record).map(|(slot, text)| (slot, text.to_owned())).collect();
        self.open.push(OpenGroup { node, values, record: trailing.then(|| record.clone()) });
        Ok(())
    }

    /// Closes groups until `depth` are left, writing what stands in them after the records.
    fn close_to(&mut self, depth: usize, sink: &mut dyn Sink) -> Result<(), FormatError> {
        while self.open.len() > depth {
            let Some(group) = self.open.pop() else { break };
            if let Some(record) = &group.record {
                let mut index = Index::default();
                index.read(&self.plan, record);
                let writer = RecordWriter { plan: &self.plan, index: &index, record };
                let children = &self.plan.node(group.node).children;
                for &child in children.iter().skip_while(|&&c| !self.leads_to_record(c)).skip(1) {
                    writer.subtree(child, None, false, sink)?;
                }
            }
            if group.node != 0 {
                sink.close(group.node)?;
            }
        }
        Ok(())
    }
}

/// The index in `groups` of the innermost group around a node; `None` within the anchor.
fn group_of(plan: &Plan, groups: &[NodeId], anchor: NodeId, node: NodeId) -> Option<usize> {
    if plan.within(node, anchor) { None } else { groups.iter().rposition(|&group| plan.within(node, group)) }
}

/// Writes the nodes of one record.
struct RecordWriter<'s> {
    plan: &'s Plan,
    index: &'s Index,
    record: &'s RawRecord,
}

impl RecordWriter<'_> {
    /// Writes a node and all below it, once for each value or list item; nothing where it is empty.
    fn subtree(&self, node: NodeId, item: Option<u32>, always: bool, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let entry = self.plan.node(node);
        if entry.name.starts_with('@') {
            return Ok(());
        }
        if let Some(list) = entry.list {
            for item in self.index.items(list, item, self.record) {
                self.element(node, Some(item), sink)?;
            }
            return Ok(());
        }
        if let Some(slot) = entry.slot
            && entry.children.is_empty()
            && !always
            && (entry.constant.is_none() || self.index.holds(node, item))
        {
            for text in self.index.texts(slot, item, self.record) {
                sink.open(node)?;
                sink.text(node, text)?;
                sink.close(node)?;
            }
            return Ok(());
        }
        if always || entry.constant.is_some() || self.index.holds(node, item) {
            self.element(node, item, sink)?;
        }
        Ok(())
    }

    fn element(&self, node: NodeId, item: Option<u32>, sink: &mut dyn Sink) -> Result<(), FormatError> {
        sink.open(node)?;
        self.own(node, item, sink)?;
        for &child in &self.plan.node(node).children {
            self.subtree(child, item, false, sink)?;
        }
        sink.close(node)
    }

    /// A node's attributes and text.
    fn own(&self, node: NodeId, item: Option<u32>, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let entry = self.plan.node(node);
        for &child in &entry.children {
            let attribute = self.plan.node(child);
            if !attribute.name.starts_with('@') {
                continue;
            }
            let value = attribute.slot.and_then(|slot| self.index.text(slot, item, self.record));
            if let Some(text) = value.or(attribute.constant.as_deref()) {
                sink.attribute(child, text)?;
            }
        }
        let value = entry.slot.and_then(|slot| self.index.text(slot, item, self.record));
        match value.or(entry.constant.as_deref()) {
            Some(text) => sink.text(node, text),
            None => Ok(()),
        }
    }
}

/// What one record holds, sorted for looking up; kept from record to record for its memory.
#[derive(Default)]
pub struct Index {
    /// Indices into the record's values, by list item and slot, else as they stand.
    values: Vec<u32>,
    /// Indices into the record's items, by list and enclosing item, else as they stand.
    items: Vec<u32>,
    /// Nodes at or below which something stands, per list item.
    held: HashSet<(NodeId, Option<u32>)>,
}

impl Index {
    /// Takes the place of the record before.
    pub fn read(&mut self, plan: &Plan, record: &RawRecord) {
        let (values, items) = (record.values(), record.items());
        self.values.clear();
        self.values.extend(0..values.len() as u32);
        self.values.sort_by_key(|&v| (values[v as usize].item, values[v as usize].slot));
        self.items.clear();
        self.items.extend(0..items.len() as u32);
        self.items.sort_by_key(|&i| (items[i as usize].list, items[i as usize].parent));
        self.held.clear();
        for value in values {
            self.mark(plan, record, plan.slot(value.slot).node, value.item);
        }
        for (index, item) in items.iter().enumerate() {
            self.mark(plan, record, plan.lists[item.list as usize].node, Some(index as u32));
        }
    }

    /// Marks a node and all around it, from list item to enclosing item.
    fn mark(&mut self, plan: &Plan, record: &RawRecord, node: NodeId, mut item: Option<u32>) {
        let mut at = Some(node);
        while let Some(node) = at
            && self.held.insert((node, item))
        {
            if plan.node(node).list.is_some() {
                item = item.and_then(|i| record.items()[i as usize].parent);
            }
            at = plan.node(node).parent;
        }
    }

    /// Whether anything stands at or below a node, for one item; constants do not count.
    pub fn holds(&self, node: NodeId, item: Option<u32>) -> bool {
        self.held.contains(&(node, item))
    }

    /// The texts of a slot, for one item.
    pub fn texts<'r>(&self, slot: SlotId, item: Option<u32>, record: &'r RawRecord) -> impl Iterator<Item = &'r str> {
        let values = record.values();
        let start = self.values.partition_point(|&v| (values[v as usize].item, values[v as usize].slot) < (item, slot));
        let same = self.values[start..].iter().map(|&v| &values[v as usize]).take_while(move |v| v.item == item && v.slot == slot);
        same.map(|v| record.text(v))
    }

    /// The first text of a slot, for one item.
    pub fn text<'r>(&self, slot: SlotId, item: Option<u32>, record: &'r RawRecord) -> Option<&'r str> {
        self.texts(slot, item, record).next()
    }

    /// The items of a list within one item.
    pub fn items(&self, list: ListId, parent: Option<u32>, record: &RawRecord) -> impl Iterator<Item = u32> {
        let items = record.items();
        let start = self.items.partition_point(|&i| (items[i as usize].list, items[i as usize].parent) < (list, parent));
        self.items[start..].iter().copied().take_while(move |&i| items[i as usize].list == list && items[i as usize].parent == parent)
    }
}

#[cfg(test)]
mod tests {
    //! Bodies are written as in the walker's tests.

    use super::*;
    use crate::walk::tests::{plan, read};

    /// Writes the notation of the walker's tests.
    struct Notation<'p>(&'p Plan, String);

    impl Sink for Notation<'_> {
        fn open(&mut self, node: NodeId) -> Result<(), FormatError> {
            self.1.push_str(if self.1.is_empty() { "(" } else { " (" });
            self.1.push_str(&self.0.node(node).name);
            Ok(())
        }

        fn attribute(&mut self, node: NodeId, text: &str) -> Result<(), FormatError> {
            self.1.push_str(&format!(" {}={text}", self.0.node(node).name));
            Ok(())
        }

        fn text(&mut self, _: NodeId, text: &str) -> Result<(), FormatError> {
            self.1.push_str(&format!(" {text}"));
            Ok(())
        }

        fn close(&mut self, _: NodeId) -> Result<(), FormatError> {
            self.1.push(')');
            Ok(())
        }
    }

    /// Reads a body and writes its records again.
    #[track_caller]
    fn check(plan_text: &str, body: &str, expected: &str) {
        let plan = plan(plan_text);
        let mut records = read(&plan, body).unwrap();
        let head = records.pop().unwrap();
        let mut shaper = Shaper::new(Arc::clone(&plan.plan));
        let mut sink = Notation(&plan.plan, String::new());
        for record in &records {
            shaper.record(record, &mut sink).unwrap();
        }
        shaper.finish(&head, &mut sink).unwrap();
        assert_eq!(sink.1, expected);
    }

    #[track_caller]
    fn check_same(plan: &str, body: &str) {
        check(plan, body, body);
    }

    const ROWS: &str = r#"
        records = ["D/B/Row"]
        slots = ["D/Id", "D/B/@no", "D/B/Name", "D/B/Row/@k", "D/B/Row/Name", "D/B/Row/P/Q"]
        constants = { "D/@version" = "1", "D/B/Row/P/Kind" = "q", "D/B/Row/Type" = "r" }
    "#;

    #[test]
    fn groups_go_on_while_their_values_do() {
        check_same(ROWS, "(D @version=1 (Id 1) (B @no=1 (Row @k=a (Type r)) (Row @k=a (Type r))) (B @no=2 (Row (Type r))))");
        check_same(ROWS, "(D @version=1 (B @no=1 (Name x) (Row (Type r))) (B @no=1 (Name y) (Row (Type r))))");
        check(
            ROWS,
            "(D (B @no=1 (Row (Name a))) (B @no=1 (Row (Name b))))",
            "(D @version=1 (B @no=1 (Row (Name a) (Type r)) (Row (Name b) (Type r))))",
        );
    }

    #[test]
    fn constants_stand_where_their_parent_does() {
        let both = r#"
            records = ["D/Row"]
            slots = ["D/Row/Name", "D/Row/Type"]
            constants = { "D/Row/Type" = "r" }
        "#;
        check(both, "(D (Row (Name a)) (Row (Type s)))", "(D (Row (Name a) (Type r)) (Row (Type s)))");
        check_same(ROWS, "(D @version=1 (B (Row (P (Q 1) (Kind q)) (Type r)) (Row (Type r))))");
    }

    #[test]
    fn no_records() {
        check_same(ROWS, "(D @version=1 (Id 7))");
        check(ROWS, "(D)", "(D @version=1)");
    }

    #[test]
    fn values_after_the_records() {
        let after = r#"
            records = ["D/B/Row"]
            slots = ["D/Id", "D/B/Row/Name", { path = "D/B/Sum", after = true }, { path = "D/End", after = true }]
        "#;
        let plan = plan(after);
        for body in ["(D (Id 1) (B (Row (Name a)) (Sum 5)))", "(D (Id 1) (B (Row (Name a))) (End 9))"] {
            let records = read(&plan, body).unwrap();
            let [row, end] = &records[..] else { panic!("{records:?}") };
            // A writer is told the totals beforehand, with every record.
            let mut told = row.clone();
            for value in end.values().iter().filter(|v| plan.plan.slot(v.slot).after) {
                told.push(value.slot, None, end.text(value), value.at);
            }
            let mut sink = Notation(&plan.plan, String::new());
            let mut shaper = Shaper::new(Arc::clone(&plan.plan));
            shaper.record(&told, &mut sink).unwrap();
            shaper.finish(end, &mut sink).unwrap();
            assert_eq!(sink.1, body);
        }
    }

    #[test]
    fn lists_within_lists() {
        let lists = r#"
            records = ["D/Row"]
            lists = ["D/Row/I", "D/Row/I/T"]
            slots = ["D/Row/I/N", "D/Row/I/T", "D/Row/I/P/Q", { path = "D/Row/L", repeat = "list" }]
        "#;
        check_same(lists, "(D (Row (I (N a) (T x) (T y) (P (Q 1))) (I) (I (N b) (T z)) (L 1) (L 2)) (Row) (Row (I (T x))))");
    }

    #[test]
    fn a_record_is_the_innermost_group_that_holds_anything() {
        let levels = r#"
            records = ["D/B/T", "D/B", "D"]
            slots = ["D/Id", "D/B/Id", "D/B/T/Id"]
        "#;
        check_same(levels, "(D (Id a) (B (Id p) (T (Id q)) (T (Id r))) (B (Id s)) (B (T (Id u))))");
        check_same(levels, "(D (Id a))");
    }

    #[test]
    fn a_constant_stands_where_there_is_no_value() {
        let constant = r#"
            records = ["D/R"]
            slots = ["D/R/A", "D/R/B"]
            constants = { "D/R/A" = "none" }
        "#;
        check(constant, "(D (R (A 1) (B x)) (R (B y)))", "(D (R (A 1) (B x)) (R (A none) (B y)))");
    }

    #[test]
    fn counted_records() {
        let counted = r##"
            records = ["D/E/Ds/T", "D/E"]
            slots = ["D/E/Ref", "D/E/Ds/T/#", "D/E/Ds/T/Id"]
        "##;
        check_same(counted, "(D (E (Ref a) (Ds (T (Id p)) (T (Id q)))) (E (Ref a) (Ds (T (Id r)))))");
        // An entry without details has no record element; entries that look alike stay apart.
        check_same(counted, "(D (E (Ref a)) (E (Ref a)) (E (Ref a) (Ds (T (Id p)))) (E (Ref b)))");
        let uncounted = counted.replace(r##""D/E/Ds/T/#","##, "");
        check_same(&uncounted, "(D (E (Ref a)) (E (Ref a)) (E (Ref a) (Ds (T (Id p)) (T (Id q)))) (E (Ref a)))");
    }
}
