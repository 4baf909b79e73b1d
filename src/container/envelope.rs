//! An XML document that carries another one in base64 (RFC 4648) within an element.
//!
//! The envelope's values are ordinary entries of the mapping, whose paths begin with `//`: those
//! before the payload can be read, and all of them are written before it, in the order of the mapping.
//! The payload is decoded while it streams by; the envelope is read event by event. What is kept of it
//! goes to every record, so that all of it together may be no larger than one.
//!
//! Limits: `Limits::token_bytes_max` and `depth_max`; of values kept, and of the names of open elements,
//! `record_values_max` and `record_bytes_max`.

use super::{Close, Parts, Writer as PartWriter, damaged, skip_rest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portolan_contract::{Bound, FormatCode, FormatError, Limits, NodeId, Plan, Position, RawRecord, SlotId, TextInput, WriteRecords};
use quick_xml::escape::{escape, resolve_xml_entity};
use quick_xml::events::{BytesStart, Event};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

/// Characters of base64 decoded at a time; a multiple of four.
const BASE64_CHUNK_CHARS: usize = 8 * 1024;
/// Bytes that make a whole number of base64 characters.
const TRIPLES_BYTES: usize = 3 * 2048;

/// An envelope as a mapping describes it.
pub struct Envelope {
    /// The path of the element that holds the payload, root first.
    pub path: Vec<String>,
    /// The namespace of the envelope; any where it is not given.
    pub namespace: Option<String>,
    /// The plan, in which the envelope's root stands beside that of the document within.
    pub plan: Arc<Plan>,
}

impl Envelope {
    fn root(&self) -> Option<NodeId> {
        self.plan.child(0, self.path.first()?)
    }

    fn is_slot(&self, slot: SlotId) -> bool {
        self.root().is_some_and(|root| self.plan.within(self.plan.slot(slot).node, root))
    }

    fn name(&self) -> String {
        self.path.join("/")
    }
}

/// An envelope that is being read.
pub(super) struct Reader<'a> {
    envelope: &'a Envelope,
    events: quick_xml::Reader<TextInput<'a>>,
    limits: Limits,
    token: Vec<u8>,
    /// Names of the open elements.
    open: Vec<String>,
    /// By open element, its text if the mapping asks for it.
    texts: Vec<Option<String>>,
    /// What the mapping asks for, as far as it has come.
    values: Vec<(SlotId, String)>,
    /// Bytes of names, texts and values that are held.
    held_bytes: usize,
    payload: Payload,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Payload,
    After,
    Over,
}

impl<'a> Reader<'a> {
    pub(super) fn new(envelope: &'a Envelope, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Self, FormatError> {
        let mut events = quick_xml::Reader::from_reader(TextInput::xml(input, None, limits.token_bytes_max)?);
        events.config_mut().enable_all_checks(true);
        Ok(Self {
            envelope,
            events,
            limits: *limits,
            token: Vec::new(),
            open: Vec::new(),
            texts: Vec::new(),
            values: Vec::new(),
            held_bytes: 0,
            payload: Payload::default(),
            stage: Stage::Before,
        })
    }

    /// Reads on to the payload, or past it to the end.
    fn walk(&mut self) -> Result<(), FormatError> {
        loop {
            let at = self.events.get_ref().position();
            self.events.get_mut().begin_token();
            let mut token = std::mem::take(&mut self.token);
            token.clear();
            let found = match self.events.read_event_into(&mut token) {
                Ok(event) => self.event(&event, at),
                Err(quick_xml::Error::Io(error)) => Err(FormatError::from_io(unshared(error), at)),
                Err(error) => Err(syntax(at, format!("信封 XML 不正确：{error}"), format!("the envelope is not well-formed: {error}"))),
            };
            self.token = token;
            if found? {
                return Ok(());
            }
        }
    }

    /// Takes one event; whether the payload or the end has come.
    fn event(&mut self, event: &Event<'_>, at: Position) -> Result<bool, FormatError> {
        match event {
            Event::Start(tag) => return self.start(tag, at),
            Event::Empty(tag) => {
                if self.start(tag, at)? {
                    return Err(no_payload(self.envelope, at));
                }
                self.end(at)?;
            }
            Event::End(_) => self.end(at)?,
            Event::Text(text) => self.text(text, at)?,
            Event::CData(text) => self.text(text, at)?,
            Event::GeneralRef(name) => self.reference(name, at)?,
            Event::DocType(_) => {
                let (zh, en) = ("信封不得含文档类型声明", "the envelope must not hold a document type declaration");
                return Err(FormatError::new(FormatCode::DoctypeRefused, at, zh, en));
            }
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof if self.stage == Stage::After && self.open.is_empty() => {
                self.stage = Stage::Over;
                return Ok(true);
            }
            Event::Eof if self.open.is_empty() => return Err(no_payload(self.envelope, at)),
            Event::Eof => return Err(FormatError::new(FormatCode::Truncated, at, "信封在此中断", "the envelope breaks off here")),
        }
        Ok(false)
    }

    fn start(&mut self, tag: &BytesStart<'_>, at: Position) -> Result<bool, FormatError> {
        let local = tag.local_name();
        let local: &str = local.as_ref();
        if self.open.is_empty() {
            self.check_root(tag, local, at)?;
        }
        if self.open.len() >= self.limits.depth_max {
            let max = self.limits.depth_max;
            let (zh, en) = (format!("嵌套超过 {max} 层"), format!("nested more than {max} deep"));
            return Err(FormatError::new(FormatCode::DepthExceeded, at, zh, en));
        }
        if self.open == self.envelope.path {
            return Err(syntax(at, "载荷只能是 base64，不应有元素", "the payload is base64 alone, without elements"));
        }
        self.hold(local.len(), at)?;
        self.open.push(local.to_owned());
        self.texts.push(self.slot().map(|_| String::new()));
        if self.open != self.envelope.path {
            return Ok(false);
        }
        if self.stage == Stage::After {
            let name = self.envelope.name();
            return Err(FormatError::new(
                FormatCode::MembersUnexpected,
                at,
                format!("信封中有两个 {name}"),
                format!("the envelope holds {name} twice"),
            ));
        }
        self.stage = Stage::Payload;
        Ok(true)
    }

    fn check_root(&self, tag: &BytesStart<'_>, local: &str, at: Position) -> Result<(), FormatError> {
        let expected = self.envelope.path.first().map_or("", String::as_str);
        let declared = match tag.name().prefix() {
            None => "xmlns".to_owned(),
            Some(prefix) => format!("xmlns:{}", prefix.as_ref()),
        };
        let namespace = tag.attributes().flatten().find(|a| a.key.as_ref() == declared).map(|a| a.value.into_owned());
        let wanted = self.envelope.namespace.as_deref();
        if self.stage == Stage::Before && local == expected && (wanted.is_none() || wanted == namespace.as_deref()) {
            return Ok(());
        }
        let wanted = wanted.unwrap_or("");
        Err(FormatError::new(
            FormatCode::NotThisMessage,
            at,
            format!("信封的根元素应为 {expected}（命名空间 {wanted:?}），实为 {local}"),
            format!("the envelope's root is {expected} in the namespace {wanted:?}, not {local}"),
        ))
    }

    /// The slot of the innermost open element.
    fn slot(&self) -> Option<SlotId> {
        let node = self.open.iter().try_fold(0, |node, name| self.envelope.plan.child(node, name))?;
        self.envelope.plan.node(node).slot
    }

    fn end(&mut self, at: Position) -> Result<(), FormatError> {
        if let (Some(slot), Some(Some(text))) = (self.slot(), self.texts.last_mut().map(Option::take)) {
            self.values.push((slot, text));
        }
        self.held_bytes -= self.open.pop().map_or(0, |name| name.len());
        self.texts.pop();
        self.hold(0, at)
    }

    /// Makes room for so many more bytes, where what is held then is still no larger than one record.
    fn hold(&mut self, more_bytes: usize, at: Position) -> Result<(), FormatError> {
        self.held_bytes += more_bytes;
        self.limits.check_record(self.values.len(), self.held_bytes, at)
    }

    fn text(&mut self, text: &str, at: Position) -> Result<(), FormatError> {
        let is_blank = text.bytes().all(|b| b.is_ascii_whitespace());
        if !is_blank && (self.open.is_empty() || self.open == self.envelope.path) {
            return Err(syntax(at, "信封的此处不应有文本", "no text may stand here in the envelope"));
        }
        if let Some(Some(held)) = self.texts.last_mut() {
            held.push_str(text);
            self.hold(text.len(), at)?;
        }
        Ok(())
    }

    fn reference(&mut self, name: &quick_xml::events::BytesRef<'_>, at: Position) -> Result<(), FormatError> {
        let numbered = name.resolve_char_ref().ok().flatten().map(String::from);
        let known = numbered.or_else(|| resolve_xml_entity(name).map(str::to_owned));
        let Some(text) = known else {
            let (zh, en) = ("信封中不接受实体引用", "entity references are not accepted in the envelope");
            return Err(FormatError::new(FormatCode::EntityRefused, at, zh, en));
        };
        self.text(&text, at)
    }
}

impl Parts for Reader<'_> {
    fn next(&mut self) -> Result<Option<String>, FormatError> {
        match self.stage {
            Stage::Before => {
                self.walk()?;
                Ok(Some(self.envelope.name()))
            }
            Stage::Payload => {
                skip_rest(self)?;
                self.stage = Stage::After;
                self.walk()?;
                Ok(None)
            }
            Stage::After | Stage::Over => Ok(None),
        }
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.stage != Stage::Payload {
            return Ok(0);
        }
        self.payload.read(self.events.get_mut(), out)
    }

    fn around(&self, record: &mut RawRecord) {
        for (slot, text) in &self.values {
            // A place in the envelope is none in the document within.
            record.push(*slot, None, text, Position::default());
        }
    }
}

/// Base64 on its way to bytes.
#[derive(Default)]
struct Payload {
    /// Characters that are not decoded yet.
    held: Vec<u8>,
    decoded: Vec<u8>,
    at: usize,
    /// Padding has come, after which nothing may.
    padded: bool,
}

impl Payload {
    fn read(&mut self, text: &mut TextInput<'_>, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.decoded.len() && !self.fill(text)? {}
        let got = out.len().min(self.decoded.len() - self.at);
        out[..got].copy_from_slice(&self.decoded[self.at..self.at + got]);
        self.at += got;
        Ok(got)
    }

    /// Decodes some more; whether the element's text has ended.
    fn fill(&mut self, text: &mut TextInput<'_>) -> io::Result<bool> {
        text.begin_token();
        let position = text.position();
        let available = text.fill_buf()?;
        if available.is_empty() {
            return Err(damaged(position.byte, "信封在载荷中中断", "the envelope breaks off in its payload").into());
        }
        let piece = &available[..available.len().min(BASE64_CHUNK_CHARS)];
        let end = memchr::memchr(b'<', piece);
        let piece = &piece[..end.unwrap_or(piece.len())];
        let (length, is_over) = (piece.len(), end.is_some());
        self.held.extend(piece.iter().filter(|b| !b.is_ascii_whitespace()));
        text.consume(length);
        let whole = if is_over { self.held.len() } else { self.held.len() / 4 * 4 };
        self.at = 0;
        self.decoded.clear();
        let broken = || damaged(position.byte, "载荷不是 base64", "the payload is no base64");
        if whole > 0 {
            if self.padded {
                return Err(broken().into());
            }
            self.padded = self.held[..whole].contains(&b'=');
            STANDARD.decode_vec(&self.held[..whole], &mut self.decoded).map_err(|_| broken())?;
            self.held.drain(..whole);
        }
        Ok(is_over)
    }
}

fn syntax(at: Position, zh: impl Into<String>, en: impl Into<String>) -> FormatError {
    FormatError::new(FormatCode::Syntax, at, zh, en)
}

fn no_payload(envelope: &Envelope, at: Position) -> FormatError {
    let name = envelope.name();
    let (zh, en) = (format!("信封中没有载荷 {name}"), format!("the envelope holds no payload {name}"));
    FormatError::new(FormatCode::MembersUnexpected, at, zh, en)
}

/// The error that the input raised, whole: it says whose fault it is.
fn unshared(error: Arc<io::Error>) -> io::Error {
    Arc::try_unwrap(error).unwrap_or_else(|shared| io::Error::new(shared.kind(), shared))
}

/// Begins to write an envelope, up to its payload.
pub(super) fn writer<'a>(
    envelope: &'a Envelope,
    output: Box<dyn Write + 'a>,
    inner: &'a dyn Bound,
    head: &RawRecord,
) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
    let mut open = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut around = String::new();
    if let Some(root) = envelope.root() {
        envelope.children(root, head, &mut around);
    }
    let last = envelope.path.len().saturating_sub(1);
    for (depth, name) in envelope.path.iter().enumerate() {
        let _ = write!(open, "<{name}");
        if depth == 0 {
            if let Some(namespace) = &envelope.namespace {
                let _ = write!(open, " xmlns=\"{}\"", escape(namespace.as_str()));
            }
            envelope.root().into_iter().for_each(|root| envelope.attributes(root, head, &mut open));
        }
        open.push('>');
        if depth == 0 {
            open.push_str(if last == 0 { "" } else { &around });
        }
    }
    let close: String = envelope.path.iter().rev().fold(String::new(), |text, name| format!("{text}</{name}>")) + "\n";
    let mut output = Base64 { output, held: Vec::new(), close };
    output.output.write_all(open.as_bytes()).map_err(|e| FormatError::from_io(e, Position::default()))?;
    let mut bare = RawRecord::default();
    envelope.bare(head, &mut bare);
    let document = PartWriter::begin(output, inner, &bare)?;
    Ok(Box::new(Writer { envelope, document: Box::new(document), head: envelope.values(head), bare }))
}

impl Envelope {
    /// The elements below one that have a text, in the order of the mapping.
    fn children(&self, of: NodeId, head: &RawRecord, into: &mut String) {
        for &child in &self.plan.node(of).children {
            let node = self.plan.node(child);
            if node.name.starts_with('@') {
                continue;
            }
            let (mut attributes, mut within) = (String::new(), String::new());
            self.attributes(child, head, &mut attributes);
            if let Some(text) = self.text(child, head) {
                within.push_str(&escape(text));
            }
            self.children(child, head, &mut within);
            if !within.is_empty() || !attributes.is_empty() {
                let _ = write!(into, "<{0}{attributes}>{within}</{0}>", node.name);
            }
        }
    }

    fn attributes(&self, of: NodeId, head: &RawRecord, into: &mut String) {
        for &child in &self.plan.node(of).children {
            if let (Some(name), Some(text)) = (self.plan.node(child).name.strip_prefix('@'), self.text(child, head)) {
                let _ = write!(into, " {name}=\"{}\"", escape(text));
            }
        }
    }

    fn text<'t>(&'t self, node: NodeId, head: &'t RawRecord) -> Option<&'t str> {
        let node = self.plan.node(node);
        let value = node.slot.and_then(|slot| head.find(slot, None)).map(|value| head.text(value));
        value.or(node.constant.as_deref())
    }

    /// The envelope's own values of a record.
    fn values(&self, record: &RawRecord) -> HashSet<(SlotId, String)> {
        let own = record.values().iter().filter(|value| self.is_slot(value.slot));
        own.map(|value| (value.slot, record.text(value).to_owned())).collect()
    }

    /// A record without them.
    fn bare(&self, record: &RawRecord, into: &mut RawRecord) {
        into.clear();
        into.at = record.at;
        for item in record.items() {
            into.push_item(item.list, item.parent);
        }
        for value in record.values().iter().filter(|value| !self.is_slot(value.slot)) {
            into.push(value.slot, value.item, record.text(value), value.at);
        }
    }
}

/// Writes records into an envelope.
struct Writer<'a> {
    envelope: &'a Envelope,
    document: Box<dyn WriteRecords + 'a>,
    head: HashSet<(SlotId, String)>,
    bare: RawRecord,
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        if self.envelope.values(record) != self.head {
            return Err(FormatError::new(
                FormatCode::NotThisMessage,
                Position::default(),
                "各条记录的信封值不同，无法写入同一信封",
                "the records differ in the envelope's values, so that one envelope cannot hold them",
            ));
        }
        self.envelope.bare(record, &mut self.bare);
        self.document.write(&self.bare)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        self.document.finish()
    }
}

/// Bytes on their way to base64, and what closes the envelope.
struct Base64<'a> {
    output: Box<dyn Write + 'a>,
    held: Vec<u8>,
    close: String,
}

impl Write for Base64<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        let whole = self.held.len() / TRIPLES_BYTES * TRIPLES_BYTES;
        if whole > 0 {
            self.output.write_all(STANDARD.encode(&self.held[..whole]).as_bytes())?;
            self.held.drain(..whole);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Close for Base64<'_> {
    fn close(&mut self) -> io::Result<()> {
        self.output.write_all(STANDARD.encode(&self.held).as_bytes())?;
        self.output.write_all(self.close.as_bytes())?;
        self.output.flush()
    }
}
