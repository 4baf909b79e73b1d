//! The plan's names, ready to be found: for each node its children by local name, and for each
//! prefix of the plan the namespaces that it accepts.
//!
//! A namespace is compared with the accepted ones once, where a document declares it, and is then
//! known as a set of the plan's prefixes.

use crate::syntax::qualified;
use portolan_contract::{NodeId, OptionsError, Plan};
use std::collections::BTreeMap;

/// The namespace of the prefix `xml`, which is always declared.
pub(crate) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// Prefixes that one plan may use, the empty one included: what a [`Prefixes`] has room for.
const PREFIXES_MAX: usize = 64;

/// A set of the plan's prefixes, by index: those that accept one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefixes(u64);

impl Prefixes {
    /// The empty prefix alone: what an attribute without a prefix is in.
    pub(crate) const NONE: Self = Self(1);

    /// The same without the empty prefix: a plan's `@name` is in no namespace.
    pub(crate) fn for_attribute(self) -> Self {
        Self(self.0 & !1)
    }

    fn holds(self, prefix: usize) -> bool {
        self.0 >> prefix & 1 == 1
    }
}

/// The names of one plan.
pub(crate) struct Names {
    /// The empty prefix first.
    prefixes: Vec<Prefix>,
    children: Vec<Children>,
}

/// A prefix of the plan.
pub(crate) struct Prefix {
    pub(crate) name: String,
    /// Namespaces that it accepts, the empty text for none; a last `*` stands for any end.
    pub(crate) accepted: Vec<String>,
    /// Whether an element or a prefixed attribute of the plan is in it.
    pub(crate) is_used: bool,
}

impl Prefix {
    /// Whether a namespace is one of those that it accepts.
    pub(crate) fn accepts(&self, namespace: &str) -> bool {
        self.accepted.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => namespace.starts_with(start),
            None => namespace == pattern,
        })
    }
}

#[derive(Default)]
struct Children {
    /// Sorted by key.
    elements: Vec<Name>,
    attributes: Vec<Name>,
}

struct Name {
    key: Key,
    local: Box<str>,
    prefix: usize,
    node: NodeId,
}

impl Names {
    /// Reads the names of a plan.
    ///
    /// # Errors
    /// A plan that is no XML document, or a prefix without a namespace.
    pub(crate) fn new(plan: &Plan, namespaces: &BTreeMap<String, Vec<String>>) -> Result<Self, OptionsError> {
        let mut prefixes = vec![Prefix::new("", namespaces)?];
        let mut children: Vec<Children> = plan.nodes.iter().map(|_| Children::default()).collect();
        for (id, node) in (0..).zip(&plan.nodes) {
            let Some(parent) = node.parent else { continue };
            let of_parent = &mut children[parent as usize];
            let (written, siblings) = match node.name.strip_prefix('@') {
                Some(attribute) => (attribute, &mut of_parent.attributes),
                None => (node.name.as_str(), &mut of_parent.elements),
            };
            let Some((prefix, local)) = qualified(written) else {
                return Err(OptionsError::new(plan.path(id), format!("`{}` is no XML name", node.name)));
            };
            let index = match prefixes.iter().position(|p| p.name == prefix) {
                Some(index) => index,
                None if prefixes.len() == PREFIXES_MAX => {
                    return Err(OptionsError::new(plan.path(id), format!("the paths have more than {PREFIXES_MAX} prefixes")));
                }
                None => {
                    prefixes.push(Prefix::new(prefix, namespaces).map_err(|e| OptionsError { key: plan.path(id), ..e })?);
                    prefixes.len() - 1
                }
            };
            prefixes[index].is_used |= !node.name.starts_with('@') || index > 0;
            siblings.push(Name { key: Key::new(local), local: local.into(), prefix: index, node: id });
        }
        for of_node in &mut children {
            of_node.elements.sort_by_key(|name| name.key);
            of_node.attributes.sort_by_key(|name| name.key);
        }
        check_root(plan, &children)?;
        Ok(Self { prefixes, children })
    }

    /// The prefixes of the plan, the empty one first.
    pub(crate) fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }

    /// The plan's prefixes that accept a namespace; the empty text is no namespace.
    pub(crate) fn accepting(&self, namespace: &str) -> Prefixes {
        let bit = |(index, prefix): (usize, &Prefix)| u64::from(prefix.accepts(namespace)) << index;
        Prefixes(self.prefixes.iter().enumerate().map(bit).fold(0, |all, bit| all | bit))
    }

    /// The child element of a node with this local name, in one of these namespaces.
    pub(crate) fn element(&self, parent: NodeId, local: &str, within: Prefixes) -> Option<NodeId> {
        find(&self.children[parent as usize].elements, local, within)
    }

    /// The attribute of a node with this local name, in one of these namespaces.
    pub(crate) fn attribute(&self, parent: NodeId, local: &str, within: Prefixes) -> Option<NodeId> {
        find(&self.children[parent as usize].attributes, local, within)
    }

    /// Whether any attribute of a node is asked for.
    pub(crate) fn has_attributes(&self, node: NodeId) -> bool {
        !self.children[node as usize].attributes.is_empty()
    }

    /// The root element as messages name it: its local name and the namespaces that it may be in.
    pub(crate) fn expected_root(&self) -> (&str, String) {
        let Some(root) = self.children.first().and_then(|top| top.elements.first()) else { return ("", String::new()) };
        let accepted: Vec<String> = self.prefixes[root.prefix].accepted.iter().map(|n| format!("{n:?}")).collect();
        (&root.local, accepted.join(" | "))
    }
}

impl Prefix {
    fn new(name: &str, namespaces: &BTreeMap<String, Vec<String>>) -> Result<Self, OptionsError> {
        let accepted = match (namespaces.get(name), name) {
            (Some(accepted), _) => accepted.clone(),
            (None, "") => vec![String::new()],
            (None, "xml") => vec![XML_NAMESPACE.to_owned()],
            (None, _) => {
                return Err(OptionsError::new("namespaces", format!("the prefix `{name}` has no namespace in the option `namespaces`")));
            }
        };
        if accepted.is_empty() {
            return Err(OptionsError::new(format!("namespaces.{name}"), "lists no namespace"));
        }
        if let Some(wrong) = accepted.iter().find(|n| n.trim_end_matches('*').contains('*') || n.ends_with("**")) {
            return Err(OptionsError::new(format!("namespaces.{name}"), format!("`{wrong}`: `*` may only stand once, at the end")));
        }
        Ok(Self { name: name.to_owned(), accepted, is_used: false })
    }
}

/// A document has one element at the top, and nothing else.
fn check_root(plan: &Plan, children: &[Children]) -> Result<(), OptionsError> {
    let top = plan.node(0);
    if top.slot.is_some() || top.anchor.is_some() || top.list.is_some() {
        return Err(OptionsError::new("", "an empty path is no element; the first segment of a path is the root element"));
    }
    match children {
        [Children { elements, attributes }, ..] if elements.len() == 1 && attributes.is_empty() => Ok(()),
        _ => Err(OptionsError::new("", "all paths must begin with one and the same root element")),
    }
}

/// A name's length and first bytes, which decide nearly every comparison without looking further.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(usize, u64);

impl Key {
    fn new(name: &str) -> Self {
        let start = name.bytes().take(8).fold(0, |start, byte| start << 8 | u64::from(byte));
        Self(name.len(), start)
    }
}

fn find(names: &[Name], local: &str, within: Prefixes) -> Option<NodeId> {
    let key = Key::new(local);
    let start = names.partition_point(|name| name.key < key);
    let alike = names[start..].iter().take_while(|name| name.key == key);
    alike.filter(|name| within.holds(name.prefix) && *name.local == *local).map(|name| name.node).next()
}
