//! Looks into a body without a plan: which elements and attributes there are, in which namespaces.
//!
//! A name without a prefix stands for the namespace of the root element; every other namespace has the
//! prefix that the body first declares for it, whatever others it uses later.

use crate::syntax::{self, Attribute};
use portolan_contract::{FormatCode, FormatError, Limits, Outline, Outliner, Position, TextInput};
use quick_xml::events::{BytesStart, Event};
use std::io::Read;

/// Attributes of this namespace are about schemas, and no part of a message.
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Namespaces that are told apart; elements of others have the names of the root's.
const NAMESPACES_MAX: usize = 100;

/// The outline of a body.
///
/// # Errors
/// A body that is not well-formed as far as it is looked at, and I/O.
pub(crate) fn outline<'a>(input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Outline, FormatError> {
    let mut events = quick_xml::Reader::from_reader(TextInput::xml(input, None, limits.token_bytes_max)?);
    events.config_mut().enable_all_checks(true);
    let mut look = Look { outliner: Outliner::new(limits), scopes: Vec::new(), depth: 0, namespaces: Vec::new() };
    let mut token = Vec::new();
    loop {
        let at = events.get_ref().position();
        events.get_mut().begin_token();
        token.clear();
        match events.read_event_into(&mut token).map_err(|error| refused(error, at))? {
            Event::Start(tag) => look.start(&tag, at)?,
            Event::Empty(tag) => {
                look.start(&tag, at)?;
                look.end();
            }
            Event::End(_) => look.end(),
            Event::Text(text) => look.outliner.text(&text),
            Event::CData(text) => look.outliner.text(&text),
            Event::GeneralRef(name) => {
                let character = syntax::referenced(&name).map_err(|flaw| flawed(flaw, at))?;
                look.outliner.text(character.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => {
                return Err(FormatError::new(
                    FormatCode::DoctypeRefused,
                    at,
                    "拒绝文档类型声明（DOCTYPE）",
                    "a document type declaration (DOCTYPE) is refused",
                ));
            }
            Event::Eof => return look.finish(at),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
        }
    }
}

struct Look {
    outliner: Outliner,
    /// Declarations in scope: the depth at which they were made, prefix, namespace.
    scopes: Vec<(usize, String, String)>,
    depth: usize,
    /// By prefix of the mapping, the namespace; that of the root first.
    namespaces: Vec<(String, String)>,
}

impl Look {
    fn start(&mut self, tag: &BytesStart<'_>, at: Position) -> Result<(), FormatError> {
        self.depth += 1;
        let raw = tag.attributes_raw();
        let mut attributes = Vec::new();
        syntax::attributes(raw, &mut attributes).map_err(|flaw| flawed(flaw, at))?;
        let mut values = Vec::new();
        for attribute in &attributes {
            let (name, value) = pair(raw, attribute, at)?;
            match name.strip_prefix("xmlns") {
                Some("") => self.scopes.push((self.depth, String::new(), value)),
                Some(rest) if rest.starts_with(':') => self.scopes.push((self.depth, rest[1..].to_owned(), value)),
                _ => values.push((name, value)),
            }
        }
        let name = tag.name();
        let name = self.named(name.as_ref(), true);
        self.outliner.enter(&name, at)?;
        for (name, value) in values {
            let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
            if prefix == "xml" || self.namespace(prefix) == SCHEMA_INSTANCE {
                continue;
            }
            let name = self.named(name, false);
            self.outliner.value(&format!("@{name}"), &value, at)?;
        }
        Ok(())
    }

    fn end(&mut self) {
        self.outliner.leave();
        let depth = self.depth;
        self.scopes.retain(|(made_at, ..)| *made_at < depth);
        self.depth = depth.saturating_sub(1);
    }

    /// A name as a mapping writes it.
    fn named(&mut self, name: &str, element: bool) -> String {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if prefix.is_empty() && !element {
            return local.to_owned();
        }
        let namespace = self.namespace(prefix).to_owned();
        let known = self.namespaces.iter().find(|(_, known)| *known == namespace).map(|(prefix, _)| prefix.clone());
        let prefix = known.unwrap_or_else(|| self.added(prefix, namespace));
        if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
    }

    /// A prefix for a namespace that was not met before: none for the root's.
    fn added(&mut self, prefix: &str, namespace: String) -> String {
        let taken = |prefix: &str| self.namespaces.iter().any(|(known, _)| known == prefix);
        let prefix = match self.namespaces.len() {
            0 => String::new(),
            NAMESPACES_MAX.. => return String::new(),
            number if prefix.is_empty() || taken(prefix) => format!("ns{number}"),
            _ => prefix.to_owned(),
        };
        self.namespaces.push((prefix.clone(), namespace));
        prefix
    }

    fn namespace(&self, prefix: &str) -> &str {
        self.scopes.iter().rev().find(|(_, known, _)| known == prefix).map_or("", |(_, _, namespace)| namespace)
    }

    fn finish(self, at: Position) -> Result<Outline, FormatError> {
        if self.depth > 0 || self.namespaces.is_empty() {
            return Err(FormatError::new(
                FormatCode::Truncated,
                at,
                "报文在此中断，元素没有结束",
                "the body breaks off here with elements open",
            ));
        }
        let named = self.namespaces.into_iter().filter(|(prefix, namespace)| !(prefix.is_empty() && namespace.is_empty()));
        let namespaces: toml::Table = named.map(|(prefix, namespace)| (prefix, toml::Value::from(vec![namespace]))).collect();
        let mut options = toml::Table::new();
        if !namespaces.is_empty() {
            options.insert("namespaces".to_owned(), namespaces.into());
        }
        Ok(self.outliner.finish(options))
    }
}

fn pair<'t>(raw: &'t str, attribute: &Attribute, at: Position) -> Result<(&'t str, String), FormatError> {
    let mut value = String::new();
    syntax::attribute_value(&raw[attribute.value.clone()], &mut value).map_err(|flaw| flawed(flaw, at))?;
    Ok((&raw[attribute.name.clone()], value))
}

fn flawed(flaw: syntax::Flaw, at: Position) -> FormatError {
    FormatError::new(flaw.code, at, flaw.words.zh, flaw.words.en)
}

fn refused(error: quick_xml::Error, at: Position) -> FormatError {
    match error {
        quick_xml::Error::Io(shared) => match std::sync::Arc::try_unwrap(shared) {
            Ok(error) => FormatError::from_io(error, at),
            Err(shared) => FormatError::from_io(std::io::Error::new(shared.kind(), shared), at),
        },
        other => FormatError::new(FormatCode::Syntax, at, format!("XML 语法错误：{other}"), format!("not well-formed: {other}")),
    }
}
