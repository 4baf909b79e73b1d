//! Reads a body event by event: checks what the event reader leaves unchecked, resolves namespaces,
//! and tells the walker what it finds.
//!
//! Elements that no mapping asks for are passed over, and so is all within them; their tags,
//! namespaces and references are checked all the same.

use crate::names::Names;
use crate::namespaces::{Namespaces, Unfit};
use crate::syntax::{self, Attribute, Flaw, is_space, qualified};
use portolan_contract::{
    Charset, FormatCode, FormatError, Found, Limits, NodeId, Plan, Position, RawRecord, ReadRecords, TextInput, Walker,
};
use quick_xml::errors::{IllFormedError, SyntaxError};
use quick_xml::events::{BytesStart, Event};
use std::io::{BufRead, Read};
use std::sync::Arc;

const CDATA_START: &str = "<![CDATA[";

/// Reads one body.
pub(crate) struct Reader<'a> {
    events: quick_xml::Reader<TextInput<'a>>,
    walker: Walker,
    names: &'a Names,
    namespaces: Namespaces,
    stage: Stage,
    /// The bytes of one event.
    token: Vec<u8>,
    /// The attributes of one tag.
    attributes: Vec<Attribute>,
    /// A text that is not as it stands in the body.
    scratch: String,
}

/// How far a document has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has been read, so an XML declaration may come.
    Start,
    BeforeRoot,
    InRoot,
    AfterRoot,
}

/// What an event has led to.
enum Step {
    Further,
    Record,
    End,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a body.
    pub(crate) fn new(
        plan: &Arc<Plan>,
        names: &'a Names,
        input: Box<dyn Read + 'a>,
        charset: Option<Charset>,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        let mut events = quick_xml::Reader::from_reader(TextInput::xml(input, charset, limits.token_bytes_max)?);
        events.config_mut().enable_all_checks(true);
        Ok(Self {
            events,
            walker: Walker::new(Arc::clone(plan), limits),
            names,
            namespaces: Namespaces::new(names),
            stage: Stage::Start,
            token: Vec::new(),
            attributes: Vec::new(),
            scratch: String::new(),
        })
    }
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        loop {
            match self.step() {
                Ok(Step::Further) => {}
                Ok(Step::Record) => return Ok(Found::Record(self.walker.record())),
                Ok(Step::End) => return Ok(Found::End(self.walker.end())),
                Err(error) => return Err(self.with_path(error)),
            }
        }
    }

    fn held(&self) -> &RawRecord {
        self.walker.record()
    }
}

impl Reader<'_> {
    fn step(&mut self) -> Result<Step, FormatError> {
        let at = self.position();
        self.events.get_mut().begin_token();
        let mut token = std::mem::take(&mut self.token);
        token.clear();
        let step = match self.events.read_event_into(&mut token) {
            Ok(event) => self.event(&event, at),
            Err(error) => Err(self.refused(error, &token, at)),
        };
        self.token = token;
        step
    }

    fn event(&mut self, event: &Event<'_>, at: Position) -> Result<Step, FormatError> {
        let is_first = self.stage == Stage::Start;
        if is_first {
            self.stage = Stage::BeforeRoot;
        }
        let is_record = match event {
            Event::Start(tag) => self.start(tag, at).map(|()| false),
            Event::Empty(tag) => self.start(tag, at).and_then(|()| self.end(self.position())),
            Event::End(_) => self.end(at),
            Event::Text(text) => self.text(text, at).map(|()| false),
            Event::CData(text) => self.cdata(text, at).map(|()| false),
            Event::GeneralRef(name) => self.reference(name, at).map(|()| false),
            Event::Comment(_) => Ok(false),
            Event::PI(instruction) => self.instruction(instruction.target(), at).map(|()| false),
            Event::Decl(declaration) => self.declaration(declaration, is_first, at).map(|()| false),
            Event::DocType(_) => Err(doctype_refused(at)),
            Event::Eof => return self.eof(at),
        };
        is_record.map(|is_record| if is_record { Step::Record } else { Step::Further })
    }

    /// A start tag, or an empty-element tag up to its end.
    fn start(&mut self, tag: &BytesStart<'_>, at: Position) -> Result<(), FormatError> {
        let name = tag.name();
        let name = name.as_ref();
        let Some((prefix, local)) = qualified(name) else {
            return Err(syntax_error(at, format!("{name:?} 不是合法的元素名"), format!("{name:?} is no element name")));
        };
        if self.stage == Stage::AfterRoot {
            return Err(syntax_error(at, format!("根元素之后又有元素 {name}"), format!("a second root element, {name}")));
        }
        self.attributes.clear();
        if !tag.attributes_raw().is_empty() {
            self.scan_attributes(tag, at)?;
            self.declare_namespaces(tag, at)?;
            self.check_attribute_names(tag, at)?;
        }
        let Some(within) = self.namespaces.element(prefix) else { return Err(undeclared(prefix, at)) };
        let child = if self.walker.is_skipping() { None } else { self.names.element(self.walker.here(), local, within) };
        if self.stage == Stage::BeforeRoot {
            if child.is_none() {
                return Err(self.not_this_message(prefix, local, at));
            }
            self.stage = Stage::InRoot;
        }
        let node = self.walker.enter_node(child, at)?;
        if self.attributes.is_empty() { Ok(()) } else { self.fill_attributes(node, tag, at) }
    }

    fn end(&mut self, at: Position) -> Result<bool, FormatError> {
        let depth = self.walker.depth();
        self.namespaces.leave(depth);
        if depth == 1 {
            self.stage = Stage::AfterRoot;
        }
        self.walker.leave(at)
    }

    fn text(&mut self, text: &str, at: Position) -> Result<(), FormatError> {
        if self.stage != Stage::InRoot {
            return match text.bytes().position(|b| !is_space(b)) {
                Some(start) => Err(outside_root(self.place(at, &text[..start]))),
                None => Ok(()),
            };
        }
        if text.as_bytes().contains(&b'>')
            && let Some(start) = text.find("]]>")
        {
            let at = self.place(at, &text[..start]);
            return Err(syntax_error(at, "文本中不允许 `]]>`", "`]]>` is not allowed in text; write it as `]]&gt;`"));
        }
        self.value_text(text, at)
    }

    fn cdata(&mut self, text: &str, at: Position) -> Result<(), FormatError> {
        if self.stage != Stage::InRoot {
            return Err(outside_root(at));
        }
        self.value_text(text, self.place(at, CDATA_START))
    }

    fn value_text(&mut self, text: &str, at: Position) -> Result<(), FormatError> {
        if !self.walker.wants_text() {
            return Ok(());
        }
        self.walker.text(syntax::with_line_feeds(text, &mut self.scratch).unwrap_or(text), at)
    }

    fn reference(&mut self, name: &str, at: Position) -> Result<(), FormatError> {
        if self.stage != Stage::InRoot {
            return Err(outside_root(at));
        }
        let character = syntax::referenced(name).map_err(|flaw| self.flawed(flaw, "", at))?;
        self.walker.text(character.encode_utf8(&mut [0; 4]), at)
    }

    fn instruction(&self, target: &str, at: Position) -> Result<(), FormatError> {
        if syntax::is_name(target) && !target.eq_ignore_ascii_case("xml") {
            return Ok(());
        }
        Err(syntax_error(at, format!("{target:?} 不能作为处理指令的目标"), format!("{target:?} is no target of a processing instruction")))
    }

    fn declaration(&self, declaration: &str, is_first: bool, at: Position) -> Result<(), FormatError> {
        if !is_first {
            return Err(syntax_error(at, "XML 声明只能位于报文最前面", "an XML declaration may only stand at the very start of the body"));
        }
        let text = declaration.strip_prefix("xml").unwrap_or(declaration);
        syntax::declaration(text).map_err(|flaw| self.flawed(flaw.moved("<?xml".len()), &format!("<?{declaration}"), at))
    }

    fn eof(&self, at: Position) -> Result<Step, FormatError> {
        match self.stage {
            Stage::AfterRoot => Ok(Step::End),
            Stage::InRoot => {
                let depth = self.walker.depth();
                Err(truncated(
                    at,
                    format!("报文在此中断，还有 {depth} 个元素没有结束"),
                    format!("the body breaks off here with {depth} elements open"),
                ))
            }
            Stage::Start | Stage::BeforeRoot => Err(truncated(at, "报文没有根元素", "the body has no root element")),
        }
    }

    fn scan_attributes(&mut self, tag: &BytesStart<'_>, at: Position) -> Result<(), FormatError> {
        let raw = tag.attributes_raw();
        syntax::attributes(raw, &mut self.attributes).map_err(|flaw| self.flawed_in_tag(flaw, tag, at))?;
        let max = self.walker.limits().attributes_max;
        if self.attributes.len() <= max {
            return Ok(());
        }
        Err(FormatError::new(
            FormatCode::RecordExceeded,
            at,
            format!("一个元素的属性超过 {max} 个"),
            format!("one element has more than {max} attributes"),
        ))
    }

    /// Takes the declarations among the attributes into scope, and out of the list of attributes.
    fn declare_namespaces(&mut self, tag: &BytesStart<'_>, at: Position) -> Result<(), FormatError> {
        let raw = tag.attributes_raw();
        let depth = self.walker.depth() + 1;
        for index in 0..self.attributes.len() {
            let attribute = self.attributes[index].clone();
            let name = &raw[attribute.name.clone()];
            if self.attributes[..index].iter().any(|other| raw[other.name.clone()] == *name) {
                return Err(self.repeated_attribute(name, tag, attribute.name.start, at));
            }
            let Some(prefix) = declared_prefix(name) else { continue };
            let namespace = self.attribute_value(&attribute, tag, at)?.to_owned();
            if let Err(unfit) = self.namespaces.declare(depth, prefix, &namespace, self.names) {
                return Err(self.unfit_namespace(unfit, prefix, &namespace, at));
            }
        }
        self.attributes.retain(|attribute| declared_prefix(&raw[attribute.name.clone()]).is_none());
        let limits = self.walker.limits();
        let (count_max, bytes_max) = (limits.attributes_max, limits.token_bytes_max);
        if self.namespaces.count() <= count_max && self.namespaces.bytes() <= bytes_max {
            return Ok(());
        }
        Err(FormatError::new(
            FormatCode::RecordExceeded,
            at,
            format!("同时有效的命名空间声明超过 {count_max} 个或 {bytes_max} 字节"),
            format!("more than {count_max} namespace declarations, or {bytes_max} bytes of them, are open at once"),
        ))
    }

    /// Every prefix must be declared, and no two attributes may mean the same name.
    fn check_attribute_names(&self, tag: &BytesStart<'_>, at: Position) -> Result<(), FormatError> {
        let raw = tag.attributes_raw();
        for (index, attribute) in self.attributes.iter().enumerate() {
            let name = &raw[attribute.name.clone()];
            let Some((prefix, local)) = name.split_once(':') else { continue };
            if self.namespaces.attribute(prefix).is_none() {
                return Err(undeclared(prefix, self.place_in_tag(at, tag, attribute.name.start)));
            }
            let is_same = |other: &&Attribute| match raw[other.name.clone()].split_once(':') {
                Some((p, l)) => l == local && self.namespaces.namespace(p) == self.namespaces.namespace(prefix),
                None => false,
            };
            if self.attributes[..index].iter().any(|other| is_same(&other)) {
                return Err(self.repeated_attribute(name, tag, attribute.name.start, at));
            }
        }
        Ok(())
    }

    /// Fills the attributes that the plan asks for; the values of the others are checked.
    fn fill_attributes(&mut self, node: Option<NodeId>, tag: &BytesStart<'_>, at: Position) -> Result<(), FormatError> {
        let raw = tag.attributes_raw();
        let asked = node.filter(|&n| self.names.has_attributes(n));
        let attributes = std::mem::take(&mut self.attributes);
        for attribute in &attributes {
            let (prefix, local) = raw[attribute.name.clone()].split_once(':').unwrap_or(("", &raw[attribute.name.clone()]));
            let within = self.namespaces.attribute(prefix);
            let node = asked.zip(within).and_then(|(node, within)| self.names.attribute(node, local, within));
            let slot = node.and_then(|node| self.walker.plan().node(node).slot);
            if slot.is_none() && attribute.is_plain {
                continue;
            }
            self.attribute_value(attribute, tag, at)?;
            if let Some(slot) = slot {
                let place = self.place_in_tag(at, tag, attribute.value.start);
                let text = if attribute.is_plain { &raw[attribute.value.clone()] } else { &self.scratch };
                self.walker.fill(slot, text, place)?;
            }
        }
        self.attributes = attributes;
        Ok(())
    }

    /// An attribute's value, resolved into the scratch text where it is not plain.
    fn attribute_value<'t>(&'t mut self, attribute: &Attribute, tag: &'t BytesStart<'_>, at: Position) -> Result<&'t str, FormatError> {
        let raw = &tag.attributes_raw()[attribute.value.clone()];
        if attribute.is_plain {
            return Ok(raw);
        }
        let resolved = syntax::attribute_value(raw, &mut self.scratch);
        resolved.map_err(|flaw| self.flawed_in_tag(flaw.moved(attribute.value.start), tag, at))?;
        Ok(&self.scratch)
    }

    fn position(&self) -> Position {
        self.events.get_ref().position()
    }

    fn place(&self, from: Position, text: &str) -> Position {
        self.events.get_ref().position_after(from, text)
    }

    /// The place of something `offset` bytes into the attributes of a tag.
    fn place_in_tag(&self, at: Position, tag: &BytesStart<'_>, offset: usize) -> Position {
        let before = tag.len() - tag.attributes_raw().len() + offset;
        self.place(self.place(at, "<"), &tag[..before])
    }

    fn flawed(&self, flaw: Flaw, token: &str, at: Position) -> FormatError {
        let at = self.place(at, token.get(..flaw.offset).unwrap_or(""));
        FormatError { code: flaw.code, at, part: None, path: None, words: flaw.words, io: None }
    }

    fn flawed_in_tag(&self, flaw: Flaw, tag: &BytesStart<'_>, at: Position) -> FormatError {
        let at = self.place_in_tag(at, tag, flaw.offset);
        FormatError { code: flaw.code, at, part: None, path: None, words: flaw.words, io: None }
    }

    fn repeated_attribute(&self, name: &str, tag: &BytesStart<'_>, offset: usize, at: Position) -> FormatError {
        let at = self.place_in_tag(at, tag, offset);
        syntax_error(at, format!("属性 {name} 重复出现"), format!("the attribute {name} occurs twice"))
    }

    fn unfit_namespace(&self, unfit: Unfit, prefix: &str, namespace: &str, at: Position) -> FormatError {
        match unfit {
            Unfit::Empty => syntax_error(
                at,
                format!("前缀 {prefix} 的命名空间不能为空"),
                format!("the prefix {prefix} cannot be declared without a namespace"),
            ),
            Unfit::Reserved => syntax_error(
                at,
                format!("不允许声明 {prefix:?} = {namespace:?}：这是 XML 的保留名称"),
                format!("{prefix:?} = {namespace:?} cannot be declared: these names are reserved"),
            ),
        }
    }

    fn not_this_message(&self, prefix: &str, local: &str, at: Position) -> FormatError {
        let (expected, namespaces) = self.names.expected_root();
        let found = self.namespaces.namespace(prefix);
        FormatError::new(
            FormatCode::NotThisMessage,
            at,
            format!("根元素为 {local}（命名空间 {found:?}），应为 {expected}（命名空间 {namespaces}）"),
            format!("the root element is {local} in the namespace {found:?}; expected {expected} in {namespaces}"),
        )
    }

    /// Names the innermost path that is open, where the error names none.
    fn with_path(&self, error: FormatError) -> FormatError {
        let here = self.walker.here();
        if error.path.is_some() || here == 0 { error } else { error.on(self.walker.plan().path(here)) }
    }

    /// What the event reader refuses, in our words.
    fn refused(&mut self, error: quick_xml::Error, token: &[u8], at: Position) -> FormatError {
        if token.len() > 2 && token[..3].eq_ignore_ascii_case(b"<!D") {
            return doctype_refused(at);
        }
        match error {
            quick_xml::Error::Io(shared) => match Arc::try_unwrap(shared) {
                Ok(error) => FormatError::from_io(error, self.position()),
                Err(shared) => FormatError::from_io(std::io::Error::new(shared.kind(), shared), self.position()),
            },
            quick_xml::Error::Syntax(_) if self.is_at_end() => self.broken_off(),
            quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) if self.is_at_end() => self.broken_off(),
            quick_xml::Error::Syntax(SyntaxError::InvalidBangMarkup) => {
                syntax_error(at, "`<!` 之后不是注释或 CDATA", "`<!` begins neither a comment nor CDATA")
            }
            quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => {
                syntax_error(at, "`&` 之后的引用缺少 `;`", "the reference after `&` does not end with `;`")
            }
            quick_xml::Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                syntax_error(at, format!("此处应为 </{expected}>，却是 </{found}>"), format!("expected </{expected}>, found </{found}>"))
            }
            quick_xml::Error::IllFormed(IllFormedError::UnmatchedEndTag(name)) => {
                syntax_error(at, format!("</{name}> 没有对应的开始标签"), format!("</{name}> has no start tag"))
            }
            quick_xml::Error::IllFormed(IllFormedError::DoubleHyphenInComment) => {
                syntax_error(at, "注释中不允许 `--`", "`--` is not allowed within a comment")
            }
            other => syntax_error(at, format!("XML 语法错误：{other}"), format!("not well-formed: {other}")),
        }
    }

    fn is_at_end(&mut self) -> bool {
        let input = self.events.get_mut();
        input.begin_token();
        input.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    fn broken_off(&self) -> FormatError {
        truncated(self.position(), "报文在一个标记中间中断", "the body breaks off within a tag, comment or reference")
    }
}

/// The prefix that an attribute declares, empty for the default; `None` for any other attribute.
fn declared_prefix(name: &str) -> Option<&str> {
    match name.strip_prefix("xmlns") {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix(':'),
        None => None,
    }
}

fn syntax_error(at: Position, zh: impl Into<String>, en: impl Into<String>) -> FormatError {
    FormatError::new(FormatCode::Syntax, at, zh, en)
}

fn truncated(at: Position, zh: impl Into<String>, en: impl Into<String>) -> FormatError {
    FormatError::new(FormatCode::Truncated, at, zh, en)
}

fn outside_root(at: Position) -> FormatError {
    syntax_error(at, "根元素之外不允许有文本", "text is not allowed outside the root element")
}

fn undeclared(prefix: &str, at: Position) -> FormatError {
    syntax_error(at, format!("前缀 {prefix} 没有声明命名空间"), format!("the prefix {prefix} is not declared"))
}

fn doctype_refused(at: Position) -> FormatError {
    FormatError::new(FormatCode::DoctypeRefused, at, "拒绝文档类型声明（DOCTYPE）", "a document type declaration (DOCTYPE) is refused")
}
