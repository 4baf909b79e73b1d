//! The compiled plan: which source paths fill which slots, and where lists and records stand.
//!
//! Paths are segments joined by `/`, from the top of the body: `Document/GrpHdr/MsgId`. A last
//! segment `@Name` is an attribute; `#` is the ordinal of the element among its like within the
//! enclosing group (from 1), `##` its serial number in the whole body (from 1).

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Index of a node in [`Plan::nodes`].
pub type NodeId = u32;
/// Index of a slot in [`Plan::slots`].
pub type SlotId = u32;
/// Index of a list in [`Plan::lists`].
pub type ListId = u32;

/// Nodes, slots and lists that one plan may have; a mapping beyond this is refused at load.
pub const PLAN_NODES_MAX: usize = 20_000;

/// What a second value in a slot means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// It is a finding.
    #[default]
    Once,
    /// The first value counts, later ones are passed over.
    First,
    /// Every value counts.
    List,
}

/// What a text is to a format whose cells have types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Text, of which every character counts: an identifier, a code.
    #[default]
    Text,
    /// A plain number, whose decimals count.
    Number,
    /// A plain number that is the same with fewer or more zeros at its end: an amount, a count.
    Amount,
    /// A day, `YYYY-MM-DD`.
    Date,
}

/// One place that a mapping reads from or writes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The path from the top of the body.
    pub path: String,
    /// The node that fills it.
    pub node: NodeId,
    /// The list whose items hold it, innermost; `None` for the record itself or outside it.
    pub list: Option<ListId>,
    /// Whether it lies within a record (and not around it).
    pub in_record: bool,
    /// For a value outside the records: it may stand after them.
    pub after: bool,
    /// What a second value means.
    pub repeat: Repeat,
    /// What its text is to a format whose cells have types.
    #[serde(default)]
    pub form: Form,
}

/// A list of items inside a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The path of one item.
    pub path: String,
    /// The node of one item.
    pub node: NodeId,
    /// The enclosing list.
    pub parent: Option<ListId>,
}

/// One step of a source path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The segment: a name, perhaps with a prefix (`cbc:ID`), or `@name` for an attribute.
    pub name: String,
    /// The enclosing node; `None` for the top, which is the body itself.
    pub parent: Option<NodeId>,
    /// Nodes below, in the order in which they are written.
    pub children: Vec<NodeId>,
    /// The slot that this node's text fills.
    pub slot: Option<SlotId>,
    /// The slot that takes this node's ordinal within its group.
    pub ordinal: Option<SlotId>,
    /// The slot that takes this node's serial number in the body.
    pub serial: Option<SlotId>,
    /// The list of which each occurrence of this node is an item.
    pub list: Option<ListId>,
    /// A record ends with each occurrence of this node; the rank among the anchors, 0 the primary.
    pub anchor: Option<u32>,
    /// The node encloses an anchor: what is filled in it is forgotten when it closes.
    pub encloses_record: bool,
    /// Written with this text where its parent is written; never read.
    pub constant: Option<String>,
    /// Writing opens a new one of these for every record.
    pub per_record: bool,
}

/// The compiled plan of one mapping. The first node is the top of the body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// All nodes; index 0 is the top.
    pub nodes: Vec<Node>,
    /// All slots.
    pub slots: Vec<Slot>,
    /// All lists.
    pub lists: Vec<List>,
    /// The nodes with which a record ends, the primary first. A later anchor yields a record only
    /// where none of the earlier ones did within it.
    pub anchors: Vec<NodeId>,
    #[serde(skip)]
    by_name: ByName,
}

impl Plan {
    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The slot with this id.
    pub fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[id as usize]
    }

    /// The child of `parent` with this name.
    pub fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        let children = &self.by_name.0.get_or_init(|| self.sorted_children())[parent as usize];
        let key = |child: NodeId| sort_key(&self.node(child).name);
        let at = children.partition_point(|&c| key(c) < sort_key(name));
        children.get(at).copied().filter(|&c| self.node(c).name == name)
    }

    /// The path of a node from the top.
    pub fn path(&self, id: NodeId) -> String {
        let mut names = Vec::new();
        let mut at = Some(id);
        while let Some(node) = at {
            let node = self.node(node);
            if node.parent.is_some() {
                names.push(node.name.as_str());
            }
            at = node.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// Whether `inner` is `outer` or lies below it.
    pub fn within(&self, inner: NodeId, outer: NodeId) -> bool {
        let mut at = Some(inner);
        while let Some(node) = at {
            if node == outer {
                return true;
            }
            at = self.node(node).parent;
        }
        false
    }

    fn sorted_children(&self) -> Vec<Box<[NodeId]>> {
        let sorted = |node: &Node| {
            let mut children = node.children.clone();
            children.sort_by_key(|&c| sort_key(&self.node(c).name));
            children.into_boxed_slice()
        };
        self.nodes.iter().map(sorted).collect()
    }
}

/// By node, its children in the order of [`sort_key`]: worked out when first asked for, so that a
/// plan that was stored and loaded has it too. It says nothing new, so all are equal.
#[derive(Clone, Debug, Default)]
struct ByName(OnceLock<Vec<Box<[NodeId]>>>);

impl PartialEq for ByName {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ByName {}

/// Names by length first, which most comparisons then decide at once.
fn sort_key(name: &str) -> (usize, &str) {
    (name.len(), name)
}

/// Why a plan cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More nodes than [`PLAN_NODES_MAX`].
    #[error("the mapping has more than {PLAN_NODES_MAX} source paths")]
    TooLarge,
    /// A path that is empty, or has an empty segment, or an attribute before its end.
    #[error("`{0}` is not a source path: segments are names joined by `/`, and only the last may be `@name`, `#` or `##`")]
    Path(String),
    /// One path is used with two meanings.
    #[error("`{0}` is used in two ways: {1}")]
    Conflict(String, &'static str),
}

/// Builds a [`Plan`], path by path, in the order in which a writer writes.
#[derive(Debug)]
pub struct PlanBuilder {
    plan: Plan,
    /// Slots of which it was said what their text is.
    formed: BTreeSet<SlotId>,
}

impl PlanBuilder {
    /// An empty plan: the top alone.
    pub fn new() -> Self {
        Self { plan: Plan { nodes: vec![Node::default()], ..Plan::default() }, formed: BTreeSet::new() }
    }

    /// Declares a record's path. The first declared is the primary. May be called at any time
    /// before [`PlanBuilder::build`], so that the order of writing is that of the calls.
    ///
    /// # Errors
    /// A path that is none, or one that is an anchor already.
    pub fn anchor(&mut self, path: &str) -> Result<NodeId, PlanError> {
        let node = self.node(path)?;
        if self.plan.anchors.contains(&node) {
            return Err(PlanError::Conflict(path.to_owned(), "it is declared as a record twice"));
        }
        self.plan.nodes[node as usize].anchor = Some(self.plan.anchors.len() as u32);
        self.plan.anchors.push(node);
        Ok(node)
    }

    /// Declares a list inside the record by the path of one item.
    ///
    /// # Errors
    /// A path that is none, or one that is a list already.
    pub fn list(&mut self, path: &str) -> Result<ListId, PlanError> {
        let node = self.node(path)?;
        if self.plan.node(node).list.is_some() {
            return Err(PlanError::Conflict(path.to_owned(), "it is declared as a list twice"));
        }
        let id = self.plan.lists.len() as ListId;
        self.plan.nodes[node as usize].list = Some(id);
        self.plan.lists.push(List { path: path.to_owned(), node, parent: None });
        Ok(id)
    }

    /// The slot of a path; the same path always gives the same slot.
    ///
    /// # Errors
    /// A path that is none, or one that was declared with another `repeat` or `after`.
    pub fn slot(&mut self, path: &str, repeat: Repeat, after: bool) -> Result<SlotId, PlanError> {
        enum Place {
            Text,
            Ordinal,
            Serial,
        }
        let (stem, place) = match path.rsplit_once('/') {
            Some((stem, "#")) => (stem, Place::Ordinal),
            Some((stem, "##")) => (stem, Place::Serial),
            _ => (path, Place::Text),
        };
        let node = self.node(stem)?;
        let id = self.plan.slots.len() as SlotId;
        let entry = &mut self.plan.nodes[node as usize];
        let field = match place {
            Place::Text => &mut entry.slot,
            Place::Ordinal => &mut entry.ordinal,
            Place::Serial => &mut entry.serial,
        };
        if let Some(known) = *field {
            let slot = &self.plan.slots[known as usize];
            if slot.repeat != repeat || slot.after != after {
                return Err(PlanError::Conflict(path.to_owned(), "its entries differ in `repeat` or `after`"));
            }
            return Ok(known);
        }
        *field = Some(id);
        self.plan.slots.push(Slot { path: path.to_owned(), node, list: None, in_record: false, after, repeat, form: Form::Text });
        Ok(id)
    }

    /// Says what the text of a slot is; one of which different things are said is text.
    pub fn form(&mut self, slot: SlotId, form: Form) {
        let is_first = self.formed.insert(slot);
        if let Some(slot) = self.plan.slots.get_mut(slot as usize) {
            slot.form = if is_first || slot.form == form { form } else { Form::Text };
        }
    }

    /// Writes `text` at a path wherever its parent is written.
    ///
    /// # Errors
    /// A path that is none.
    pub fn constant(&mut self, path: &str, text: &str) -> Result<(), PlanError> {
        let node = self.node(path)?;
        self.plan.nodes[node as usize].constant = Some(text.to_owned());
        Ok(())
    }

    /// Gives a path its place in the order of writing, before anything below it is asked for.
    ///
    /// # Errors
    /// A path that is none.
    pub fn place(&mut self, path: &str) -> Result<(), PlanError> {
        self.node(path).map(drop)
    }

    /// Writing opens a new element at this path for every record.
    ///
    /// # Errors
    /// A path that is none.
    pub fn per_record(&mut self, path: &str) -> Result<(), PlanError> {
        let node = self.node(path)?;
        self.plan.nodes[node as usize].per_record = true;
        Ok(())
    }

    /// Resolves scopes and lists.
    ///
    /// # Errors
    /// None at present beyond those of the parts; kept fallible for size checks.
    pub fn build(mut self) -> Result<Plan, PlanError> {
        for anchor in self.plan.anchors.clone() {
            let mut at = self.plan.node(anchor).parent;
            while let Some(node) = at {
                self.plan.nodes[node as usize].encloses_record = true;
                at = self.plan.node(node).parent;
            }
        }
        for index in 0..self.plan.lists.len() {
            let parent = self.plan.node(self.plan.lists[index].node).parent;
            self.plan.lists[index].parent = parent.and_then(|p| self.enclosing_list(p));
        }
        for index in 0..self.plan.slots.len() {
            let node = self.plan.slots[index].node;
            let list = self.enclosing_list(node);
            let primary = self.plan.anchors.first().copied();
            let in_record = primary.is_some_and(|anchor| self.plan.within(node, anchor));
            let slot = &mut self.plan.slots[index];
            slot.list = list;
            slot.in_record = in_record;
        }
        Ok(self.plan)
    }

    fn enclosing_list(&self, node: NodeId) -> Option<ListId> {
        let mut at = Some(node);
        while let Some(node) = at {
            let node = self.plan.node(node);
            if node.list.is_some() {
                return node.list;
            }
            at = node.parent;
        }
        None
    }

    fn node(&mut self, path: &str) -> Result<NodeId, PlanError> {
        let mut at: NodeId = 0;
        if path.is_empty() {
            return Ok(at);
        }
        for name in path.split('/') {
            let attribute_above = self.plan.node(at).name.starts_with('@');
            if name.is_empty() || name == "#" || name == "##" || attribute_above {
                return Err(PlanError::Path(path.to_owned()));
            }
            // Not `Plan::child`, whose order is worked out once, when the plan is whole.
            let known = self.plan.node(at).children.iter().copied().find(|&c| self.plan.node(c).name == name);
            at = match known {
                Some(child) => child,
                None => self.add(at, name)?,
            };
        }
        Ok(at)
    }

    fn add(&mut self, parent: NodeId, name: &str) -> Result<NodeId, PlanError> {
        let id = self.plan.nodes.len();
        if id >= PLAN_NODES_MAX {
            return Err(PlanError::TooLarge);
        }
        self.plan.nodes.push(Node { name: name.to_owned(), parent: Some(parent), ..Node::default() });
        self.plan.nodes[parent as usize].children.push(id as NodeId);
        Ok(id as NodeId)
    }
}

impl Default for PlanBuilder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(paths: &[&str]) -> Plan {
        let mut builder = PlanBuilder::new();
        for path in paths {
            builder.slot(path, Repeat::Once, false).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn children_are_found_by_name() {
        let names = ["a", "b", "aa", "中", "ab", "A", "@a", "a:b"];
        let paths: Vec<String> = names.iter().map(|name| format!("D/{name}")).collect();
        let plan = built(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        for plan in [plan, stored] {
            let root = plan.child(0, "D").unwrap();
            for name in names {
                assert_eq!(plan.child(root, name).map(|c| plan.path(c)), Some(format!("D/{name}")));
            }
            for name in ["", "c", "D", "a:", "aaa"] {
                assert_eq!(plan.child(root, name), None, "{name:?}");
            }
        }
    }

    #[test]
    fn a_path_means_one_slot() {
        let mut builder = PlanBuilder::new();
        let slot = builder.slot("D/a", Repeat::List, true).unwrap();
        assert_eq!(builder.slot("D/a", Repeat::List, true), Ok(slot));
        assert_ne!(builder.slot("D/a/#", Repeat::Once, false), Ok(slot));
        assert!(matches!(builder.slot("D/a", Repeat::Once, true), Err(PlanError::Conflict(..))));
        assert!(matches!(builder.slot("D/a", Repeat::List, false), Err(PlanError::Conflict(..))));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["/", "a/", "/a", "a//b", "a/#/b", "#/b", "@a/b", "a/@b/c"] {
            let refused = PlanBuilder::new().slot(path, Repeat::Once, false);
            assert_eq!(refused, Err(PlanError::Path(path.to_owned())), "{path}");
        }
    }

    #[test]
    fn scopes_are_resolved() {
        let mut builder = PlanBuilder::new();
        for path in ["D/Id", "D/G/Row/Name", "D/G/Row/I/N", "D/G/Row/I/T/R", "D/G/End"] {
            builder.slot(path, Repeat::Once, false).unwrap();
        }
        builder.anchor("D/G/Row").unwrap();
        let outer = builder.list("D/G/Row/I").unwrap();
        let inner = builder.list("D/G/Row/I/T").unwrap();
        assert!(matches!(builder.list("D/G/Row/I"), Err(PlanError::Conflict(..))));
        assert!(matches!(builder.anchor("D/G/Row"), Err(PlanError::Conflict(..))));
        let plan = builder.build().unwrap();
        let scopes: Vec<_> = plan.slots.iter().map(|s| (s.in_record, s.list)).collect();
        assert_eq!(scopes, [(false, None), (true, None), (true, Some(outer)), (true, Some(inner)), (false, None)]);
        assert_eq!(plan.lists[inner as usize].parent, Some(outer));
        let enclosing: Vec<String> =
            (0..plan.nodes.len() as NodeId).filter(|&n| plan.node(n).encloses_record).map(|n| plan.path(n)).collect();
        assert_eq!(enclosing, ["", "D", "D/G"]);
    }
}
