//! A plan laid over a message definition: what each of the plan's nodes is in the message, looked up
//! once when a mapping is loaded.
//!
//! Names in a path: `message` for a message; a group by its number (`SG6`) or, the same in every
//! version, by the segment that it begins with (`SG:NAD`); a segment by its tag; an element or
//! composite by its number. `NAD+EX` and `SG:NAD+EX` are those with this qualifier; a name without
//! one is any other. `C246#2` is the second composite of its number, `SG:TAX#2` the second such
//! group among its like; an element's name without a number stands for all. The text of a composite
//! is that of its components, joined by `:` (released by `?`): `UNB/S004` is `260701:0830`. Where they
//! are all of one number, as the lines of a free text are, it is that of the lines.

use crate::definition::{Definition, Definitions, Element, Layout};
use portolan_contract::{NodeId, OptionsError, Plan, SlotId};

/// Segments around messages that a mapping may name.
pub(crate) const AROUND: [&str; 4] = ["UNB", "UNG", "UNE", "UNZ"];

/// What a node of the plan is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing in this version of the message.
    #[default]
    None,
    /// The body.
    Top,
    /// A message.
    Message,
    /// A group, by its entry.
    Group(usize),
    /// A segment within a message, by its entry.
    Segment(usize),
    /// A segment around messages, by its index in [`AROUND`].
    Around(usize),
    /// A composite or simple element: where it may stand.
    Element(Vec<u16>),
    /// A component: where it may stand in its composite.
    Component(Vec<u16>),
}

/// A segment or group that something is asked of.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) entry: usize,
    pub(crate) qualifier: Option<Box<str>>,
    pub(crate) node: NodeId,
}

/// An element that something is asked of.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) node: NodeId,
    /// Elements (or components) at which it may stand.
    pub(crate) places: Vec<u16>,
    /// It is an item of a list.
    pub(crate) is_list: bool,
    pub(crate) slot: Option<SlotId>,
    pub(crate) numeric: bool,
    /// Where it is a composite: what joins its components to its text.
    pub(crate) joint: Option<char>,
    /// What is asked of its components.
    pub(crate) components: Vec<Ask>,
}

/// A plan laid over one version of a message.
pub(crate) struct Chart {
    pub(crate) definition: Definition,
    /// Layouts of the segments around messages, as in [`AROUND`].
    pub(crate) around: [Layout; 4],
    /// By node.
    pub(crate) roles: Vec<Role>,
    /// By node, the qualifier in its name.
    pub(crate) qualifiers: Vec<Option<Box<str>>>,
    /// By node, the segments and groups below.
    pub(crate) branches: Vec<Vec<Branch>>,
    /// By node, the elements below.
    pub(crate) asks: Vec<Vec<Ask>>,
    /// By node, its place among its siblings in the message.
    pub(crate) order: Vec<usize>,
    /// Nodes that this version has no place for, with what may stand there.
    pub(crate) unknown: Vec<(NodeId, String)>,
}

impl Chart {
    /// Lays a plan over a version of a message.
    ///
    /// # Errors
    /// A version that is not defined.
    pub(crate) fn new(plan: &Plan, definitions: &Definitions<'_>, message: &str, version: &str) -> Result<Self, String> {
        let [unb, ung, une, unz] = AROUND.map(|tag| definitions.service(tag));
        let nodes = plan.nodes.len();
        let mut chart = Self {
            definition: definitions.message(message, version)?,
            around: [unb?, ung?, une?, unz?],
            roles: vec![Role::None; nodes],
            qualifiers: vec![None; nodes],
            branches: vec![Vec::new(); nodes],
            asks: vec![Vec::new(); nodes],
            order: vec![usize::MAX; nodes],
            unknown: Vec::new(),
        };
        chart.set(0, Role::Top, 0);
        chart.below(plan, 0);
        Ok(chart)
    }

    /// What a node is.
    pub(crate) fn role(&self, node: NodeId) -> &Role {
        self.roles.get(node as usize).unwrap_or(&Role::None)
    }

    /// The qualifier in a node's name.
    pub(crate) fn qualifier(&self, node: NodeId) -> Option<&str> {
        self.qualifiers.get(node as usize)?.as_deref()
    }

    /// The layout of a segment node.
    pub(crate) fn layout(&self, node: NodeId) -> Option<&Layout> {
        match self.role(node) {
            Role::Segment(entry) => Some(&self.definition.entry(*entry).layout),
            Role::Around(index) => self.around.get(*index),
            _ => None,
        }
    }

    /// The node for an entry with this qualifier, below another node.
    pub(crate) fn branch(&self, above: NodeId, entry: usize, qualifier: &str) -> Option<NodeId> {
        let branches = self.branches.get(above as usize)?;
        let mut any = None;
        for branch in branches.iter().filter(|b| b.entry == entry) {
            match branch.qualifier.as_deref() {
                Some(asked) if asked == qualifier => return Some(branch.node),
                Some(_) => {}
                None => any = Some(branch.node),
            }
        }
        any
    }

    fn set(&mut self, node: NodeId, role: Role, order: usize) {
        if let (Some(place), Some(rank)) = (self.roles.get_mut(node as usize), self.order.get_mut(node as usize)) {
            *place = role;
            *rank = order;
        }
    }

    fn below(&mut self, plan: &Plan, node: NodeId) {
        for &child in &plan.node(node).children {
            let name = plan.node(child).name.as_str();
            let known = match self.role(node).clone() {
                Role::Top => self.around_messages(child, name),
                Role::Message => self.in_group(node, child, name, 0),
                Role::Group(entry) => self.in_group(node, child, name, entry),
                _ => None,
            };
            match known {
                Some(()) if matches!(self.role(child), Role::Segment(_) | Role::Around(_)) => self.elements(plan, child),
                Some(()) => self.below(plan, child),
                None => {
                    let expected = self.expected(node);
                    self.unknown.push((child, expected));
                }
            }
        }
    }

    fn around_messages(&mut self, child: NodeId, name: &str) -> Option<()> {
        if name == "message" {
            self.set(child, Role::Message, 2);
            return Some(());
        }
        let index = AROUND.iter().position(|tag| *tag == name)?;
        self.set(child, Role::Around(index), if index < 2 { index } else { index + 1 });
        Some(())
    }

    /// A name in a group: another group, or a segment.
    fn in_group(&mut self, node: NodeId, child: NodeId, name: &str, group: usize) -> Option<()> {
        let (name, rank) = ranked(name)?;
        let (base, qualifier) = name.split_once('+').map_or((name, None), |(base, q)| (base, Some(q)));
        let children = &self.definition.entry(group).children;
        let fits = |entry: &usize| {
            let entry = self.definition.entry(*entry);
            let begins = base.strip_prefix("SG:").is_some_and(|tag| entry.is_group && tag.as_bytes() == entry.tag);
            let fixed = entry.fixed.as_deref().is_none_or(|fixed| qualifier.is_none_or(|q| q == fixed));
            begins || (entry.name == base && fixed)
        };
        let entry = children.iter().copied().filter(fits).nth(rank.unwrap_or(1) - 1)?;
        let found = self.definition.entry(entry);
        let trigger = found.children.first().map_or(found, |&first| self.definition.entry(first));
        if qualifier.is_some() && trigger.layout.qualifier.is_none() {
            return None;
        }
        let role = if found.is_group { Role::Group(entry) } else { Role::Segment(entry) };
        let qualifier: Option<Box<str>> = qualifier.or(found.fixed.as_deref()).map(Box::from);
        self.set(child, role, entry);
        if let Some(place) = self.qualifiers.get_mut(child as usize) {
            place.clone_from(&qualifier);
        }
        if let Some(branches) = self.branches.get_mut(node as usize) {
            branches.push(Branch { entry, qualifier, node: child });
        }
        Some(())
    }

    /// The elements below a segment's node, and their components.
    fn elements(&mut self, plan: &Plan, segment: NodeId) {
        let Some(layout) = self.layout(segment).cloned() else { return };
        let mut asks = Vec::new();
        for &child in &plan.node(segment).children {
            let Some(mut ask) = self.ask(plan, segment, child, &layout.elements, false) else { continue };
            let composite = ask.places.first().and_then(|&place| layout.elements.get(usize::from(place)));
            let components = composite.map_or(&[][..], |element| element.components.as_slice());
            for &below in &plan.node(child).children {
                ask.components.extend(self.ask(plan, child, below, components, true));
            }
            asks.push(ask);
        }
        if let Some(place) = self.asks.get_mut(segment as usize) {
            *place = asks;
        }
    }

    fn ask(&mut self, plan: &Plan, above: NodeId, node: NodeId, elements: &[Element], is_component: bool) -> Option<Ask> {
        let entry = plan.node(node);
        let places = places(&entry.name, elements);
        let (Some(&first), true) = (places.first(), !is_component || entry.children.is_empty()) else {
            let expected = self.expected(above);
            self.unknown.push((node, expected));
            return None;
        };
        let role = if is_component { Role::Component(places.clone()) } else { Role::Element(places.clone()) };
        self.set(node, role, usize::from(first));
        let element = elements.get(usize::from(first));
        let (numeric, joint) = element.map_or((false, None), |e| (e.is_number(), e.joint()));
        Some(Ask { node, places, is_list: entry.list.is_some(), slot: entry.slot, numeric, joint, components: Vec::new() })
    }

    /// What may stand below a node, for people.
    fn expected(&self, node: NodeId) -> String {
        let named = |element: &Element| element.id.clone();
        let of = |elements: &[Element]| elements.iter().map(named).collect::<Vec<_>>().join(", ");
        match self.role(node) {
            Role::Top => format!("message, {}", AROUND.join(", ")),
            Role::Message => self.expected_in(0),
            Role::Group(entry) => self.expected_in(*entry),
            Role::Segment(_) | Role::Around(_) => self.layout(node).map(|layout| of(&layout.elements)).unwrap_or_default(),
            _ => String::new(),
        }
    }

    fn expected_in(&self, group: usize) -> String {
        let names = self.definition.entry(group).children.iter().map(|&child| {
            let entry = self.definition.entry(child);
            if entry.is_group { format!("SG:{}", String::from_utf8_lossy(&entry.tag)) } else { entry.name.clone() }
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

/// Elements of a name, by their index.
fn places(name: &str, elements: &[Element]) -> Vec<u16> {
    let Some((id, rank)) = ranked(name) else { return Vec::new() };
    let all = elements.iter().enumerate().filter(|(_, e)| e.id == id).filter_map(|(index, _)| u16::try_from(index).ok());
    match rank {
        None => all.collect(),
        Some(rank) => all.skip(rank - 1).take(1).collect(),
    }
}

/// A name and its number after `#`, from 1.
fn ranked(name: &str) -> Option<(&str, Option<usize>)> {
    match name.split_once('#') {
        None => Some((name, None)),
        Some((name, rank)) => Some((name, Some(rank.parse().ok().filter(|r| *r > 0)?))),
    }
}

/// Checks what no version has a place for, and what a record may be.
///
/// # Errors
/// The first such path.
pub(crate) fn check(plan: &Plan, charts: &[Chart]) -> Result<(), OptionsError> {
    let nowhere = |node: &NodeId| charts.iter().all(|chart| *chart.role(*node) == Role::None);
    if let Some(node) = (1..plan.nodes.len() as NodeId).find(nowhere) {
        let expected = charts.iter().flat_map(|chart| &chart.unknown).find(|(unknown, _)| *unknown == node);
        let expected = expected.map_or("nothing", |(_, expected)| expected.as_str());
        let message = format!("no version of the message has this; in its place there may be {expected}");
        return Err(OptionsError::new(plan.path(node), message));
    }
    for &anchor in &plan.anchors {
        let stands = |chart: &Chart| matches!(chart.role(anchor), Role::Message | Role::Group(_) | Role::Segment(_) | Role::None);
        if !charts.iter().all(stands) || !plan.path(anchor).starts_with("message") {
            return Err(OptionsError::new(plan.path(anchor), "a record is a `message`, or a group or segment within it"));
        }
    }
    Ok(())
}
