//! The JSON adapter: documents, arrays of records, and lines (NDJSON), read and written.
//!
//! Every source path begins with `$`, which is one value at the top of the body: the value of a
//! document, each element of an array at the top, each line of NDJSON. Below it a segment is a
//! member name. Arrays have no segment of their own: each element stands under the name of the
//! array. Strings are read as their text, numbers as they were written, `true` and `false` as
//! these words, and `null` as nothing.
//!
//! Wire format: RFC 8259, strictly; names must be unique within an object. Written bodies are
//! UTF-8 without a byte order mark. Limits: see [`portolan_contract::Limits`]; members of one
//! object count as attributes, and all names of the open objects together as one token.

mod outline;
mod read;
mod tokens;
mod write;

use portolan_contract::{
    Bound, Format, FormatError, Limits, NodeId, OptionsError, Outline, Plan, RawRecord, ReadRecords, Repeat, TextOutput, WriteRecords,
};
use serde::Deserialize;
use std::io::{Read, Write};
use std::sync::Arc;

/// The format named `json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

/// What a body that is read consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Layout {
    /// A body that begins with `{` is one value or several, each beginning on a line of its own;
    /// any other is one value.
    #[default]
    Auto,
    /// One value.
    Document,
    /// One value on each line (NDJSON); blank lines are passed over, and a body may hold none.
    Lines,
}

/// What a body that is written consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WriteLayout {
    /// One `$` on each line (NDJSON).
    #[default]
    Lines,
    /// One array that holds each `$`.
    Array,
    /// One `$`, and no second.
    Document,
}

/// The mapping's `[format]` options.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// What a body that is read consists of.
    layout: Layout,
    /// What a body that is written consists of.
    write_layout: WriteLayout,
    /// Paths whose values are written as bare numbers; all others are strings.
    numbers: Vec<String>,
    /// Paths whose values are written as bare `true` and `false`.
    booleans: Vec<String>,
    /// Paths of groups around the records that are written as arrays, since there may be several.
    arrays: Vec<String>,
}

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError> {
        let options: Options = OptionsError::parse(options)?;
        check_plan(&plan)?;
        let style = Style::new(&plan, &options)?;
        Ok(Arc::new(BoundJson { plan, layout: options.layout, style: Arc::new(style) }))
    }

    fn outline<'a>(&self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Option<Outline>, FormatError> {
        outline::outline(input, limits).map(Some)
    }
}

struct BoundJson {
    plan: Arc<Plan>,
    layout: Layout,
    style: Arc<Style>,
}

impl Bound for BoundJson {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        Ok(Box::new(read::Reader::new(input, Arc::clone(&self.plan), self.layout, limits)?))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        let text = TextOutput::new(output, portolan_contract::Charset::Utf8);
        Ok(Box::new(write::Writer::new(text, Arc::clone(&self.plan), Arc::clone(&self.style), head.clone())))
    }

    fn media_type(&self) -> String {
        match self.style.layout {
            WriteLayout::Lines => "application/x-ndjson".to_owned(),
            WriteLayout::Array | WriteLayout::Document => "application/json".to_owned(),
        }
    }
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scalar {
    #[default]
    Text,
    Number,
    Boolean,
}

/// How each node of the plan is written.
struct Style {
    layout: WriteLayout,
    /// By node.
    scalars: Vec<Scalar>,
    /// By node: whether its occurrences stand in an array.
    arrays: Vec<bool>,
}

impl Style {
    fn new(plan: &Plan, options: &Options) -> Result<Self, OptionsError> {
        let mut scalars = vec![Scalar::Text; plan.nodes.len()];
        for (key, paths, scalar) in [("numbers", &options.numbers, Scalar::Number), ("booleans", &options.booleans, Scalar::Boolean)] {
            for path in paths {
                let slot = plan.slots.iter().find(|s| s.path == *path);
                let node = slot.ok_or_else(|| OptionsError::new(key, format!("no entry of the mapping has the path `{path}`")))?.node;
                set(&mut scalars, node, scalar);
            }
        }
        let mut arrays: Vec<bool> = plan.nodes.iter().map(|n| n.anchor.is_some() || n.list.is_some() || n.per_record).collect();
        for slot in plan.slots.iter().filter(|s| s.repeat == Repeat::List) {
            set(&mut arrays, slot.node, true);
        }
        for path in &options.arrays {
            let node = (0..plan.nodes.len() as NodeId).find(|&id| plan.node(id).parent.is_some() && plan.path(id) == *path);
            let node = node.ok_or_else(|| OptionsError::new("arrays", format!("no path of the mapping passes through `{path}`")))?;
            set(&mut arrays, node, true);
        }
        Ok(Self { layout: options.write_layout, scalars, arrays })
    }

    fn scalar(&self, node: NodeId) -> Scalar {
        self.scalars.get(node as usize).copied().unwrap_or_default()
    }

    fn is_array(&self, node: NodeId) -> bool {
        self.arrays.get(node as usize).copied().unwrap_or_default()
    }
}

fn set<T>(by_node: &mut [T], node: NodeId, to: T) {
    if let Some(entry) = by_node.get_mut(node as usize) {
        *entry = to;
    }
}

/// Refuses what JSON cannot carry: paths outside `$`, and values that have members as well.
fn check_plan(plan: &Plan) -> Result<(), OptionsError> {
    if plan.anchors.is_empty() || plan.anchors.contains(&0) {
        return Err(OptionsError::new("", "the mapping must name a record path, `$` or one below it"));
    }
    for id in 0..plan.nodes.len() as NodeId {
        let node = plan.node(id);
        if node.parent == Some(0) && node.name != tokens::TOP {
            return Err(OptionsError::new(plan.path(id), "a JSON path begins with `$`, one value at the top of the body"));
        }
        if node.parent.is_none() && node.slot.is_some() {
            return Err(OptionsError::new("", "a JSON path begins with `$`, one value at the top of the body"));
        }
        if (node.slot.is_some() || node.constant.is_some()) && !node.children.is_empty() {
            return Err(OptionsError::new(plan.path(id), "a JSON value is a text or an object; this path has a value and paths below it"));
        }
    }
    Ok(())
}
