//! The XML of a workbook's parts, one node at a time.
//!
//! Names are told without their prefix, since transitional and strict workbooks differ in their
//! namespaces alone. A document type and any entity but the five predefined ones are refused, so
//! that nothing outside the part is ever asked for. Limits: bytes of a token, attributes and depth.

use portolan_contract::{FormatCode, FormatError, Limits, Position, TextInput};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::io::{self, Read};
use std::sync::Arc;

/// One part, read from its start to its end.
pub struct Xml<'a> {
    events: Reader<TextInput<'a>>,
    part: String,
    limits: Limits,
    depth: usize,
    token: Vec<u8>,
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// An element opens: [`Xml::name`], [`Xml::attribute`].
    Open,
    /// An element closes: [`Xml::name`].
    Close,
    /// Text: [`Xml::text`].
    Text,
    /// The part ended.
    End,
}

impl<'a> Xml<'a> {
    /// A reader at the start of a part.
    ///
    /// # Errors
    /// A charset that is unknown.
    pub fn new(source: Box<dyn Read + 'a>, part: &str, limits: &Limits) -> Result<Self, FormatError> {
        let input = TextInput::xml(source, None, limits.token_bytes_max).map_err(|e| e.within(part))?;
        let mut events = Reader::from_reader(input);
        let config = events.config_mut();
        config.enable_all_checks(true);
        config.expand_empty_elements = true;
        Ok(Self {
            events,
            part: part.to_owned(),
            limits: *limits,
            depth: 0,
            token: Vec::new(),
            name: String::new(),
            attributes: Vec::new(),
            text: String::new(),
        })
    }

    /// Reads on to the next node that matters.
    ///
    /// # Errors
    /// What is not well-formed, refused or beyond a limit.
    pub fn next(&mut self) -> Result<Node, FormatError> {
        let mut token = std::mem::take(&mut self.token);
        let node = loop {
            token.clear();
            self.events.get_mut().begin_token();
            let at = self.events.get_ref().position();
            let event = self.events.read_event_into(&mut token).map_err(|e| self.refused(e, at))?;
            if let Some(node) =
                take(&event, self.limits, &mut self.name, &mut self.attributes, &mut self.text).map_err(|e| self.placed(e, at))?
            {
                break node;
            }
        };
        self.token = token;
        match node {
            Node::Open => self.depth += 1,
            Node::Close => self.depth = self.depth.saturating_sub(1),
            Node::End if self.depth > 0 => return Err(self.error(FormatCode::Truncated, "部件在中途结束", "the part ends in the middle")),
            Node::End | Node::Text => {}
        }
        if self.depth > self.limits.depth_max {
            return Err(self.error(FormatCode::DepthExceeded, "嵌套过深", "it is nested too deeply"));
        }
        Ok(node)
    }

    /// The element that opened or closed last.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An attribute of the element that opened last.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The text read last.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Elements open at present.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// An error at the present place of the part.
    pub fn error(&self, code: FormatCode, zh: impl Into<String>, en: impl Into<String>) -> FormatError {
        FormatError::new(code, self.events.get_ref().position(), zh, en).within(&self.part)
    }

    fn placed(&self, mut error: FormatError, at: Position) -> FormatError {
        error.at = at;
        error.within(&self.part)
    }

    fn refused(&self, error: quick_xml::Error, at: Position) -> FormatError {
        match error {
            // The input's own errors, of which a damaged zip is one, travel inside.
            quick_xml::Error::Io(shared) => match Arc::try_unwrap(shared) {
                Ok(error) => FormatError::from_io(error, at),
                Err(shared) => FormatError::from_io(io::Error::new(shared.kind(), shared), at),
            }
            .within(&self.part),
            other => {
                FormatError::new(FormatCode::Syntax, at, format!("XML 不合法：{other}"), format!("the XML is not well-formed: {other}"))
                    .within(&self.part)
            }
        }
    }
}

/// Takes what an event holds; `None` for what does not matter. Places are the caller's.
fn take(
    event: &Event<'_>,
    limits: Limits,
    name: &mut String,
    attributes: &mut Vec<(String, String)>,
    text: &mut String,
) -> Result<Option<Node>, FormatError> {
    let refused = |code, zh: String, en: String| FormatError::new(code, Position::default(), zh, en);
    match event {
        Event::Start(tag) | Event::Empty(tag) => {
            replace(name, tag.local_name().as_ref());
            take_attributes(tag, limits.attributes_max, attributes)?;
            Ok(Some(Node::Open))
        }
        Event::End(tag) => {
            replace(name, tag.local_name().as_ref());
            Ok(Some(Node::Close))
        }
        Event::Text(found) => {
            replace(text, &found.xml10_content());
            Ok(Some(Node::Text))
        }
        Event::CData(found) => {
            replace(text, &found.xml10_content());
            Ok(Some(Node::Text))
        }
        Event::GeneralRef(reference) => {
            let character = match reference.resolve_char_ref() {
                Ok(Some(character)) => Some(character.to_string()),
                Ok(None) => quick_xml::escape::resolve_xml_entity(reference).map(str::to_owned),
                Err(_) => None,
            };
            let Some(character) = character else {
                let named: &str = reference;
                return Err(refused(
                    FormatCode::EntityRefused,
                    format!("拒绝实体引用 &{named};"),
                    format!("the entity reference &{named}; is refused"),
                ));
            };
            replace(text, &character);
            Ok(Some(Node::Text))
        }
        Event::DocType(_) => Err(refused(
            FormatCode::DoctypeRefused,
            "拒绝文档类型声明（DOCTYPE）".to_owned(),
            "a document type declaration is refused".to_owned(),
        )),
        Event::Eof => Ok(Some(Node::End)),
        Event::Comment(_) | Event::PI(_) | Event::Decl(_) => Ok(None),
    }
}

fn take_attributes(tag: &BytesStart<'_>, attributes_max: usize, into: &mut Vec<(String, String)>) -> Result<(), FormatError> {
    let wrong = |code, zh: String, en: String| FormatError::new(code, Position::default(), zh, en);
    let mut count = 0;
    for attribute in tag.attributes() {
        let syntax = |e: &dyn std::fmt::Display| {
            wrong(FormatCode::Syntax, format!("属性不合法：{e}"), format!("an attribute is not well-formed: {e}"))
        };
        let attribute = attribute.map_err(|e| syntax(&e))?;
        if count == attributes_max {
            let (zh, en) = (format!("属性超过 {attributes_max} 个"), format!("an element has more than {attributes_max} attributes"));
            return Err(wrong(FormatCode::RecordExceeded, zh, en));
        }
        if into.len() == count {
            into.push(Default::default());
        }
        let value = quick_xml::escape::unescape(&attribute.value).map_err(|e| syntax(&e))?;
        if let Some((name, text)) = into.get_mut(count) {
            replace(name, attribute.key.local_name().as_ref());
            replace(text, &value);
        }
        count += 1;
    }
    into.truncate(count);
    Ok(())
}

fn replace(text: &mut String, with: &str) {
    text.clear();
    text.push_str(with);
}
