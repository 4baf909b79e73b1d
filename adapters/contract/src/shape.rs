//! The writer's half of a plan: turns records back into what opens, stands and closes.

use crate::FormatError;
use crate::plan::{NodeId, Plan, SlotId};
use crate::record::RawRecord;
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
/// Groups around the records (a statement, an entry) stay open while the values in them stay the
/// same. A group in which records are counted (`#`) goes on exactly while the count does.
pub struct Shaper {
    plan: Arc<Plan>,
    /// Group nodes from the top down to the anchor's parent.
    groups: Vec<NodeId>,
    anchor: NodeId,
    ordinal: Option<SlotId>,
    open: Vec<OpenGroup>,
    last_ordinal: u64,
}

struct OpenGroup {
    node: NodeId,
    /// The values of the group, to see whether the next record is in the same one.
    values: Vec<(SlotId, String)>,
    /// A copy of the record that opened it, for what stands after the records.
    record: RawRecord,
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
        let ordinal = plan.node(anchor).ordinal;
        Self { plan, groups, anchor, ordinal, open: Vec::new(), last_ordinal: 0 }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// What the sink raises.
    pub fn record(&mut self, record: &RawRecord, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let ordinal = self.ordinal.and_then(|slot| record.find(slot, None)).and_then(|v| record.text(v).parse::<u64>().ok());
        let counted_on = ordinal.is_none_or(|n| n > 1 && n == self.last_ordinal + 1);
        let same = self.groups.iter().enumerate().take_while(|&(i, &node)| self.continues(i, node, record, counted_on)).count();
        self.close_to(same, sink)?;
        for index in same..self.groups.len() {
            self.open_group(self.groups[index], record, sink)?;
        }
        self.last_ordinal = ordinal.unwrap_or(0);
        self.subtree(self.anchor, None, record, true, sink)
    }

    /// Ends the body; with no record written, the groups are written from `head` alone.
    ///
    /// # Errors
    /// What the sink raises.
    pub fn finish(&mut self, head: &RawRecord, sink: &mut dyn Sink) -> Result<(), FormatError> {
        for index in self.open.len()..self.groups.len() {
            let node = self.groups[index];
            if index > 0 && !self.any_value(node, None, head) {
                break;
            }
            self.open_group(node, head, sink)?;
        }
        self.close_to(0, sink)
    }

    fn continues(&self, index: usize, node: NodeId, record: &RawRecord, counted_on: bool) -> bool {
        let Some(open) = self.open.get(index) else { return false };
        let counts_here = self.ordinal.is_some() && self.counting_group() == Some(node);
        let anew = if counts_here { !counted_on } else { self.plan.node(node).per_record };
        !anew && self.group_values(node, record) == open.values
    }

    /// The group in which the anchor's ordinals run: the nearest enclosing anchor, else the parent.
    fn counting_group(&self) -> Option<NodeId> {
        let enclosing = self.groups.iter().rev().find(|&&g| self.plan.node(g).anchor.is_some());
        enclosing.or(self.groups.last()).copied()
    }

    fn group_values(&self, node: NodeId, record: &RawRecord) -> Vec<(SlotId, String)> {
        let inner = self.groups.iter().skip_while(|&&g| g != node).nth(1).copied().unwrap_or(self.anchor);
        let mine = |slot: SlotId| {
            let at = self.plan.slot(slot).node;
            self.plan.within(at, node) && !self.plan.within(at, inner)
        };
        record.values().iter().filter(|v| mine(v.slot)).map(|v| (v.slot, record.text(v).to_owned())).collect()
    }

    fn open_group(&mut self, node: NodeId, record: &RawRecord, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let values = self.group_values(node, record);
        if node != 0 {
            sink.open(node)?;
        }
        let plan = Arc::clone(&self.plan);
        self.own(node, None, record, sink)?;
        for &child in plan.node(node).children.iter().take_while(|&&c| !self.leads_to_record(c)) {
            self.subtree(child, None, record, false, sink)?;
        }
        self.open.push(OpenGroup { node, values, record: record.clone() });
        Ok(())
    }

    fn close_to(&mut self, depth: usize, sink: &mut dyn Sink) -> Result<(), FormatError> {
        while self.open.len() > depth {
            let Some(group) = self.open.pop() else { break };
            let plan = Arc::clone(&self.plan);
            for &child in plan.node(group.node).children.iter().skip_while(|&&c| !self.leads_to_record(c)).skip(1) {
                self.subtree(child, None, &group.record, false, sink)?;
            }
            if group.node != 0 {
                sink.close(group.node)?;
            }
        }
        Ok(())
    }

    fn leads_to_record(&self, node: NodeId) -> bool {
        self.plan.within(self.anchor, node)
    }

    /// Writes a node and all below it, once for each value or list item; nothing where it is empty.
    fn subtree(&self, node: NodeId, item: Option<u32>, record: &RawRecord, always: bool, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let entry = self.plan.node(node);
        if entry.name.starts_with('@') {
            return Ok(());
        }
        if let Some(list) = entry.list {
            for (index, of) in record.items().iter().enumerate() {
                if of.list == list && of.parent == item {
                    self.element(node, Some(index as u32), record, sink)?;
                }
            }
            return Ok(());
        }
        if let Some(slot) = entry.slot
            && entry.children.is_empty()
        {
            for value in record.values().iter().filter(|v| v.slot == slot && v.item == item) {
                sink.open(node)?;
                sink.text(node, record.text(value))?;
                sink.close(node)?;
            }
            return Ok(());
        }
        if always || entry.constant.is_some() || self.any_value(node, item, record) {
            self.element(node, item, record, sink)?;
        }
        Ok(())
    }

    fn element(&self, node: NodeId, item: Option<u32>, record: &RawRecord, sink: &mut dyn Sink) -> Result<(), FormatError> {
        sink.open(node)?;
        self.own(node, item, record, sink)?;
        for &child in &self.plan.node(node).children {
            self.subtree(child, item, record, false, sink)?;
        }
        sink.close(node)
    }

    /// A node's attributes and text.
    fn own(&self, node: NodeId, item: Option<u32>, record: &RawRecord, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let entry = self.plan.node(node);
        for &child in &entry.children {
            let attribute = self.plan.node(child);
            if !attribute.name.starts_with('@') {
                continue;
            }
            let value = attribute.slot.and_then(|slot| record.find(slot, item));
            if let Some(text) = value.map(|v| record.text(v)).or(attribute.constant.as_deref()) {
                sink.attribute(child, text)?;
            }
        }
        let value = entry.slot.and_then(|slot| record.find(slot, item));
        match value.map(|v| record.text(v)).or(entry.constant.as_deref()) {
            Some(text) => sink.text(node, text),
            None => Ok(()),
        }
    }

    /// Whether anything stands at or below a node, for one item; constants do not count.
    fn any_value(&self, node: NodeId, item: Option<u32>, record: &RawRecord) -> bool {
        record.values().iter().any(|v| self.of_item(v.item, item, record) && self.plan.within(self.plan.slot(v.slot).node, node))
    }

    fn of_item(&self, mut inner: Option<u32>, outer: Option<u32>, record: &RawRecord) -> bool {
        loop {
            if inner == outer {
                return true;
            }
            match inner {
                Some(i) => inner = record.items()[i as usize].parent,
                None => return false,
            }
        }
    }
}
