//! The namespace declarations that are open while a document is read.

use crate::names::{Names, Prefixes, XML_NAMESPACE};

/// The namespace of the prefix `xmlns`, which no document may use.
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// Open declarations, the innermost last.
pub(crate) struct Namespaces {
    bindings: Vec<Binding>,
    /// Prefixes and namespaces of the bindings, one after the other.
    text: String,
    default: Prefixes,
    no_namespace: Prefixes,
}

#[derive(Clone, Copy)]
struct Binding {
    /// Depth of the element that declares it, the root being 1.
    depth: usize,
    start: usize,
    /// Where the prefix ends and the namespace begins in `text`; the namespace ends at `end`.
    middle: usize,
    end: usize,
    accepting: Prefixes,
    /// What the default was before, for a declaration of the default.
    default_before: Prefixes,
}

/// Why a namespace may not be declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Prefixes cannot be undeclared (Namespaces in XML 1.0, section 3).
    Empty,
    /// `xml` and `xmlns` are what they are.
    Reserved,
}

impl Namespaces {
    /// No declaration but that of `xml`.
    pub(crate) fn new(names: &Names) -> Self {
        let no_namespace = names.accepting("");
        let mut namespaces = Self { bindings: Vec::new(), text: String::new(), default: no_namespace, no_namespace };
        namespaces.push(0, "xml", XML_NAMESPACE, names);
        namespaces
    }

    /// Declares a namespace on the element at `depth`; the empty prefix is the default.
    pub(crate) fn declare(&mut self, depth: usize, prefix: &str, namespace: &str, names: &Names) -> Result<(), Unfit> {
        let is_xml = (prefix == "xml") == (namespace == XML_NAMESPACE);
        if !is_xml || prefix == "xmlns" || namespace == XMLNS_NAMESPACE {
            return Err(Unfit::Reserved);
        }
        if namespace.is_empty() && !prefix.is_empty() {
            return Err(Unfit::Empty);
        }
        self.push(depth, prefix, namespace, names);
        Ok(())
    }

    /// Forgets what the element at `depth` has declared.
    pub(crate) fn leave(&mut self, depth: usize) {
        while let Some(binding) = self.bindings.pop_if(|b| b.depth >= depth) {
            self.text.truncate(binding.start);
            self.default = binding.default_before;
        }
    }

    /// Declarations that are open.
    pub(crate) fn count(&self) -> usize {
        self.bindings.len()
    }

    /// Bytes that the open declarations take.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The plan's prefixes for an element with this prefix; `None` where it is not declared.
    pub(crate) fn element(&self, prefix: &str) -> Option<Prefixes> {
        if prefix.is_empty() { Some(self.default) } else { self.find(prefix).map(|b| b.accepting) }
    }

    /// The plan's prefixes for an attribute with this prefix; `None` where it is not declared.
    pub(crate) fn attribute(&self, prefix: &str) -> Option<Prefixes> {
        if prefix.is_empty() { Some(Prefixes::NONE) } else { self.find(prefix).map(|b| b.accepting.for_attribute()) }
    }

    /// The namespace of a prefix, empty where it has none.
    pub(crate) fn namespace(&self, prefix: &str) -> &str {
        self.find(prefix).map_or("", |b| &self.text[b.middle..b.end])
    }

    fn find(&self, prefix: &str) -> Option<&Binding> {
        self.bindings.iter().rev().find(|b| &self.text[b.start..b.middle] == prefix)
    }

    fn push(&mut self, depth: usize, prefix: &str, namespace: &str, names: &Names) {
        let accepting = if namespace.is_empty() { self.no_namespace } else { names.accepting(namespace) };
        let start = self.text.len();
        self.text.push_str(prefix);
        let middle = self.text.len();
        self.text.push_str(namespace);
        self.bindings.push(Binding { depth, start, middle, end: self.text.len(), accepting, default_before: self.default });
        if prefix.is_empty() {
            self.default = accepting;
        }
    }
}
