//! Writing: the events of the plan become JSON text.

use crate::tokens::is_number;
use crate::{Scalar, Style, WriteLayout};
use portolan_contract::{FormatCode, FormatError, NodeId, Plan, Position, RawRecord, Shaper, Sink, TextOutput, WriteRecords};
use std::sync::Arc;

/// Writes the records of one body.
pub struct Writer<'a> {
    shaper: Shaper,
    output: Output<'a>,
    head: RawRecord,
}

impl<'a> Writer<'a> {
    /// A writer at the start of a body.
    pub fn new(text: TextOutput<'a>, plan: Arc<Plan>, style: Arc<Style>, head: RawRecord) -> Self {
        let top = Open { kind: Kind::Object, last: None };
        Self { shaper: Shaper::new(Arc::clone(&plan)), output: Output { plan, style, text, open: vec![top], tops: 0 }, head }
    }
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        self.shaper.record(record, &mut self.output)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.shaper.finish(&self.head, &mut self.output)?;
        self.output.end()?;
        self.output.text.finish()
    }
}

/// What has been written of a value so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Scalar,
    Object,
}

/// A node that is being written.
struct Open {
    kind: Kind,
    /// The member written last; where it is an array, that is open yet.
    last: Option<NodeId>,
}

struct Output<'a> {
    plan: Arc<Plan>,
    style: Arc<Style>,
    text: TextOutput<'a>,
    /// The first is the body itself.
    open: Vec<Open>,
    /// Values written at the top.
    tops: u64,
}

impl Sink for Output<'_> {
    fn open(&mut self, node: NodeId) -> Result<(), FormatError> {
        if self.open.len() == 1 {
            self.begin_top(node)?
        } else {
            self.begin_member(node)?
        }
        self.open.push(Open { kind: Kind::Nothing, last: None });
        Ok(())
    }

    fn attribute(&mut self, node: NodeId, text: &str) -> Result<(), FormatError> {
        self.open(node)?;
        self.text(node, text)?;
        self.close(node)
    }

    fn text(&mut self, node: NodeId, text: &str) -> Result<(), FormatError> {
        if let Some(open) = self.open.last_mut() {
            open.kind = Kind::Scalar;
        }
        let (bare, zh, en) = match self.style.scalar(node) {
            Scalar::Text => return write_string(&mut self.text, text),
            Scalar::Number => (is_number(text), "JSON 数字", "a JSON number"),
            Scalar::Boolean => (matches!(text, "true" | "false"), "true 或 false", "true or false"),
        };
        if !bare {
            let (zh, en) = (format!("须写成{zh}，却是 {text:?}"), format!("must be written as {en}, but is {text:?}"));
            return Err(FormatError::new(FormatCode::Syntax, Position::default(), zh, en).on(self.plan.path(node)));
        }
        self.text.write(text)
    }

    fn close(&mut self, node: NodeId) -> Result<(), FormatError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        match open.kind {
            Kind::Scalar => {}
            Kind::Object => {
                self.end_array(open.last)?;
                self.text.write("}")?;
            }
            Kind::Nothing if self.plan.node(node).slot.is_some() => self.text.write("null")?,
            Kind::Nothing => self.text.write("{}")?,
        }
        if self.open.len() == 1 && self.style.layout == WriteLayout::Lines {
            self.text.write("\n")?;
        }
        Ok(())
    }
}

impl Output<'_> {
    fn begin_top(&mut self, node: NodeId) -> Result<(), FormatError> {
        self.tops += 1;
        match (self.style.layout, self.tops) {
            (WriteLayout::Array, 1) => self.text.write("[\n"),
            (WriteLayout::Array, _) => self.text.write(",\n"),
            (WriteLayout::Document, 2..) => Err(self.twice(node)),
            _ => Ok(()),
        }
    }

    fn begin_member(&mut self, node: NodeId) -> Result<(), FormatError> {
        let is_array = self.style.is_array(node);
        let Some(parent) = self.open.last_mut() else { return Ok(()) };
        let before = (parent.kind, parent.last.replace(node));
        parent.kind = Kind::Object;
        match before {
            (_, Some(last)) if last == node && is_array => return self.text.write(","),
            (_, Some(last)) if last == node => return Err(self.twice(node)),
            (Kind::Object, last) => {
                self.end_array(last)?;
                self.text.write(",")?;
            }
            _ => self.text.write("{")?,
        }
        let plan = Arc::clone(&self.plan);
        write_string(&mut self.text, &plan.node(node).name)?;
        self.text.write(if is_array { ":[" } else { ":" })
    }

    fn end_array(&mut self, last: Option<NodeId>) -> Result<(), FormatError> {
        if last.is_some_and(|node| self.style.is_array(node)) { self.text.write("]") } else { Ok(()) }
    }

    /// Ends what the layout opened.
    fn end(&mut self) -> Result<(), FormatError> {
        match (self.style.layout, self.tops) {
            (WriteLayout::Lines, _) => Ok(()),
            (WriteLayout::Array, 0) => self.text.write("[]\n"),
            (WriteLayout::Array, _) => self.text.write("\n]\n"),
            (WriteLayout::Document, 1..) => self.text.write("\n"),
            (WriteLayout::Document, 0) => Err(FormatError::new(
                FormatCode::NotThisMessage,
                Position::default(),
                "单个 JSON 文档须有一条记录，却没有",
                "a JSON document is one record, and there is none",
            )),
        }
    }

    fn twice(&self, node: NodeId) -> FormatError {
        let path = self.plan.path(node);
        FormatError::new(
            FormatCode::NotThisMessage,
            Position::default(),
            format!("{path} 只能写一次，各记录的所属组却不同；请将它列入 arrays，或换用 write_layout"),
            format!(
                "{path} can be written once only, but these records need several; name it in `arrays`, or choose another `write_layout`"
            ),
        )
        .on(path)
    }
}

/// Writes text in quotes; only what RFC 8259 section 7 demands is escaped.
fn write_string(output: &mut TextOutput<'_>, text: &str) -> Result<(), FormatError> {
    output.write("\"")?;
    let mut rest = text;
    while let Some(index) = rest.bytes().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)) {
        let (plain, special) = rest.split_at(index);
        output.write(plain)?;
        let (special, after) = special.split_at(1);
        match special {
            "\"" => output.write("\\\"")?,
            "\\" => output.write("\\\\")?,
            "\n" => output.write("\\n")?,
            "\r" => output.write("\\r")?,
            "\t" => output.write("\\t")?,
            control => output.write(&format!("\\u{:04x}", control.bytes().next().unwrap_or(0)))?,
        }
        rest = after;
    }
    output.write(rest)?;
    output.write("\"")
}
