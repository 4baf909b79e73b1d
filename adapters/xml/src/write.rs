//! Writes records as XML: an XML declaration, the namespaces on the root element, and a line for
//! each group or record that closes. Nothing else is indented, so that no text gains white space.

use crate::names::{Names, Prefix};
use crate::syntax::is_allowed;
use portolan_contract::{
    Charset, FormatCode, FormatError, NodeId, OptionsError, Plan, Position, RawRecord, Shaper, Sink, TextOutput, WriteRecords,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

/// The namespace declarations of the written root element, or the first prefix of the plan that
/// has no namespace to write, which makes the mapping one that only reads.
///
/// # Errors
/// A namespace to write that reading would not accept.
pub(crate) fn declarations(names: &Names, chosen: &BTreeMap<String, String>) -> Result<Result<String, String>, OptionsError> {
    let mut declarations = String::new();
    for prefix in names.prefixes().iter().filter(|p| p.is_used && p.name != "xml") {
        let namespace = match chosen.get(&prefix.name) {
            Some(chosen) if !prefix.accepts(chosen) => return Err(not_accepted(prefix, chosen)),
            Some(chosen) => chosen,
            None => match prefix.accepted.first() {
                Some(first) if !first.ends_with('*') => first,
                _ => return Ok(Err(prefix.name.clone())),
            },
        };
        if !namespace.is_empty() {
            declarations.push_str(if prefix.name.is_empty() { " xmlns" } else { " xmlns:" });
            declarations.push_str(&prefix.name);
            declarations.push_str("=\"");
            escape(namespace, true, &mut declarations);
            declarations.push('"');
        }
    }
    Ok(Ok(declarations))
}

/// The name by which XML declares a charset. UTF-16 comes with a byte order mark, so its label does
/// not say which end is first (RFC 2781, 3.3).
pub(crate) fn label(charset: Charset) -> &'static str {
    match charset {
        Charset::Utf16Le | Charset::Utf16Be => "UTF-16",
        other => other.label(),
    }
}

/// Writes one body.
pub(crate) struct Writer<'a> {
    shaper: Shaper,
    tags: Tags<'a>,
    head: RawRecord,
}

impl<'a> Writer<'a> {
    /// Starts a body with its XML declaration.
    pub(crate) fn new(
        plan: &'a Arc<Plan>,
        declarations: &'a str,
        output: Box<dyn Write + 'a>,
        charset: Charset,
        head: &RawRecord,
    ) -> Result<Self, FormatError> {
        let mut output = TextOutput::new(output, charset);
        if matches!(charset, Charset::Utf16Le | Charset::Utf16Be) {
            output.byte_order_mark()?;
        }
        output.write(&format!("<?xml version=\"1.0\" encoding=\"{}\"?>\n", label(charset)))?;
        let tags = Tags { plan, declarations, output, is_open: false, has_root: false, depth: 0, escaped: String::new() };
        Ok(Self { shaper: Shaper::new(Arc::clone(plan)), tags, head: head.clone() })
    }
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        self.shaper.record(record, &mut self.tags)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.shaper.finish(&self.head, &mut self.tags)?;
        if !self.tags.has_root {
            return Err(FormatError::new(
                FormatCode::NotThisMessage,
                Position::default(),
                "没有任何记录：此类报文的根元素就是记录本身，不能为空",
                "there is no record: the root element of this message is the record itself",
            ));
        }
        self.tags.output.finish()
    }
}

/// Writes tags and text.
struct Tags<'a> {
    plan: &'a Plan,
    declarations: &'a str,
    output: TextOutput<'a>,
    /// A start tag is written up to its last attribute.
    is_open: bool,
    has_root: bool,
    /// Elements that are open.
    depth: usize,
    escaped: String,
}

impl Tags<'_> {
    fn end_start_tag(&mut self) -> Result<(), FormatError> {
        if std::mem::take(&mut self.is_open) { self.output.write(">") } else { Ok(()) }
    }

    fn escaped(&mut self, node: NodeId, text: &str, in_attribute: bool) -> Result<(), FormatError> {
        if let Some(character) = text.chars().find(|&c| !is_allowed(c)) {
            let code = u32::from(character);
            return Err(FormatError::new(
                FormatCode::CharacterForbidden,
                Position::default(),
                format!("XML 不允许字符 U+{code:04X}"),
                format!("XML does not allow the character U+{code:04X}"),
            )
            .on(self.plan.path(node)));
        }
        self.escaped.clear();
        escape(text, in_attribute, &mut self.escaped);
        self.output.write(&self.escaped).map_err(|e| e.on(self.plan.path(node)))
    }
}

impl Sink for Tags<'_> {
    fn open(&mut self, node: NodeId) -> Result<(), FormatError> {
        if self.depth == 0 && self.has_root {
            return Err(FormatError::new(
                FormatCode::NotThisMessage,
                Position::default(),
                "此类报文的根元素就是记录本身，一个报文只能有一条记录",
                "the root element of this message is the record itself: one body holds one record",
            ));
        }
        self.end_start_tag()?;
        self.output.write("<")?;
        self.output.write(&self.plan.node(node).name)?;
        if self.depth == 0 {
            self.output.write(self.declarations)?;
        }
        self.depth += 1;
        self.has_root = true;
        self.is_open = true;
        Ok(())
    }

    fn attribute(&mut self, node: NodeId, text: &str) -> Result<(), FormatError> {
        self.output.write(" ")?;
        self.output.write(self.plan.node(node).name.trim_start_matches('@'))?;
        self.output.write("=\"")?;
        self.escaped(node, text, true)?;
        self.output.write("\"")
    }

    fn text(&mut self, node: NodeId, text: &str) -> Result<(), FormatError> {
        if text.is_empty() {
            return Ok(());
        }
        self.end_start_tag()?;
        self.escaped(node, text, false)
    }

    fn close(&mut self, node: NodeId) -> Result<(), FormatError> {
        let entry = self.plan.node(node);
        self.depth -= 1;
        if std::mem::take(&mut self.is_open) {
            self.output.write("/>")?;
        } else {
            self.output.write("</")?;
            self.output.write(&entry.name)?;
            self.output.write(">")?;
        }
        let is_line = entry.anchor.is_some() || entry.encloses_record;
        let in_text = entry.parent.is_some_and(|parent| self.plan.node(parent).slot.is_some());
        if is_line && !in_text { self.output.write("\n") } else { Ok(()) }
    }
}

fn not_accepted(prefix: &Prefix, chosen: &str) -> OptionsError {
    let accepted = prefix.accepted.join("`, `");
    OptionsError::new(format!("write_namespaces.{}", prefix.name), format!("`{chosen}` is not accepted when reading: `{accepted}`"))
}

/// Appends text so that reading it gives the same text again: line ends and tabs would otherwise
/// be normalized.
fn escape(text: &str, in_attribute: bool, into: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(|c| matches!(c, '&' | '<' | '>' | '\r') || (in_attribute && matches!(c, '"' | '\t' | '\n'))) {
        into.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'&' => into.push_str("&amp;"),
            b'<' => into.push_str("&lt;"),
            b'>' => into.push_str("&gt;"),
            b'"' => into.push_str("&quot;"),
            // Writing into a string cannot fail.
            control => drop(write!(into, "&#{control};")),
        }
        rest = &rest[at + 1..];
    }
    into.push_str(rest);
}
