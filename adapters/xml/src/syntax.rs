//! The small grammar of XML that the event reader leaves unchecked: characters, names, references,
//! attributes, and the XML declaration. Numbers in brackets are productions of XML 1.0, fifth
//! edition, or of Namespaces in XML 1.0 (NS).

use portolan_contract::{FormatCode, Words};
use std::ops::Range;

/// Something wrong within a token, `offset` bytes of text after its start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) offset: usize,
    pub(crate) code: FormatCode,
    pub(crate) words: Words,
}

impl Flaw {
    pub(crate) fn new(offset: usize, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { offset, code: FormatCode::Syntax, words: Words::new(zh, en) }
    }

    fn coded(code: FormatCode, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { offset: 0, code, words: Words::new(zh, en) }
    }

    /// The same flaw, seen from a token that begins `by` bytes earlier.
    pub(crate) fn moved(mut self, by: usize) -> Self {
        self.offset += by;
        self
    }
}

/// One attribute as it stands in a tag; places are relative to the text that was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: Range<usize>,
    /// What stands between the quotes.
    pub(crate) value: Range<usize>,
    /// The value means what it says: no reference, and no white space but blanks.
    pub(crate) is_plain: bool,
}

/// A name's prefix (empty where there is none) and local part, NS \[7\]; `None` where it is no name.
pub(crate) fn qualified(name: &str) -> Option<(&str, &str)> {
    let (prefix, local) = match name.bytes().position(|b| b == b':') {
        Some(colon) if is_name(&name[..colon]) => (&name[..colon], &name[colon + 1..]),
        Some(_) => return None,
        None => ("", name),
    };
    is_name(local).then_some((prefix, local))
}

/// Whether `text` is a name without a colon, NS \[4\].
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    match text.as_bytes() {
        [first, rest @ ..] if first.is_ascii_alphabetic() && rest.iter().all(|&b| plain(b)) => true,
        _ => {
            let mut characters = text.chars();
            characters.next().is_some_and(starts_name) && characters.all(continues_name)
        }
    }
}

/// Whether XML allows a character at all, \[2\].
pub(crate) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether a byte is white space, \[3\].
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// What `&name;` stands for, \[66\] and 4.6.
pub(crate) fn referenced(name: &str) -> Result<char, Flaw> {
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => match name.strip_prefix('#') {
            Some(number) => numbered(number),
            None if is_name(name) => Err(Flaw::coded(
                FormatCode::EntityRefused,
                format!("拒绝实体引用 &{name};，只允许 XML 预定义的五个实体和字符引用"),
                format!("the entity reference &{name}; is refused; only the five predefined entities and character references are allowed"),
            )),
            None => Err(Flaw::new(0, "`&` 之后不是实体引用", "`&` begins no reference; write it as `&amp;`")),
        },
    }
}

/// Resolves the references in an attribute's value and normalizes its white space (3.3.3).
pub(crate) fn attribute_value(raw: &str, into: &mut String) -> Result<(), Flaw> {
    into.clear();
    let mut at = 0;
    while let Some(found) = raw[at..].find(['&', '\t', '\n', '\r']) {
        into.push_str(&raw[at..at + found]);
        at += found;
        let rest = &raw[at..];
        if let Some(reference) = rest.strip_prefix('&') {
            let name = reference.split_once(';').map(|(name, _)| name);
            let name = name.ok_or_else(|| Flaw::new(at, "引用缺少 `;`", "a reference does not end with `;`"))?;
            into.push(referenced(name).map_err(|flaw| flaw.moved(at))?);
            at += name.len() + 2;
        } else {
            into.push(' ');
            at += if rest.starts_with("\r\n") { 2 } else { 1 };
        }
    }
    into.push_str(&raw[at..]);
    Ok(())
}

/// Finds the attributes in what follows the name of a tag, \[41\] and \[10\]. Names are not
/// compared with each other.
pub(crate) fn attributes(text: &str, into: &mut Vec<Attribute>) -> Result<(), Flaw> {
    let bytes = text.as_bytes();
    let skip_space = |from: usize| bytes[from..].iter().position(|&b| !is_space(b)).map_or(bytes.len(), |n| from + n);
    let mut at = 0;
    loop {
        let start = skip_space(at);
        if start == bytes.len() {
            return Ok(());
        }
        if start == at {
            return Err(Flaw::new(at, "属性之前缺少空白", "white space is missing before an attribute"));
        }
        let end = bytes[start..].iter().position(|&b| is_space(b) || b == b'=').map_or(bytes.len(), |n| start + n);
        let name = &text[start..end];
        if qualified(name).is_none() {
            return Err(Flaw::new(start, format!("{name:?} 不是合法的属性名"), format!("{name:?} is no attribute name")));
        }
        let equals = skip_space(end);
        let quote = if bytes.get(equals) == Some(&b'=') { skip_space(equals + 1) } else { bytes.len() };
        let Some(&mark @ (b'"' | b'\'')) = bytes.get(quote) else {
            let (zh, en) = (format!("属性 {name} 缺少加引号的值"), format!("the attribute {name} has no value in quotes"));
            return Err(Flaw::new(start, zh, en));
        };
        let value_start = quote + 1;
        let Some(length) = bytes[value_start..].iter().position(|&b| b == mark) else {
            return Err(Flaw::new(quote, format!("属性 {name} 的值没有结束"), format!("the value of the attribute {name} does not end")));
        };
        let value = value_start..value_start + length;
        if let Some(found) = bytes[value.clone()].iter().position(|&b| b == b'<') {
            return Err(Flaw::new(value_start + found, "属性值中不允许 `<`", "`<` is not allowed in an attribute's value"));
        }
        let is_plain = !bytes[value.clone()].iter().any(|&b| matches!(b, b'&' | b'\t' | b'\n' | b'\r'));
        at = value.end + 1;
        into.push(Attribute { name: start..end, value, is_plain });
    }
}

/// Checks what follows `<?xml` in an XML declaration, \[23\]: version, encoding, standalone.
pub(crate) fn declaration(text: &str) -> Result<(), Flaw> {
    let mut found = Vec::new();
    attributes(text, &mut found)?;
    let mut rest = found.iter().map(|a| (&text[a.name.clone()], &text[a.value.clone()], a.name.start)).peekable();
    match rest.next() {
        Some(("version", version, _)) if is_version(version) => {}
        _ => return Err(Flaw::new(0, "XML 声明须以 version=\"1.0\" 开头", "an XML declaration begins with version=\"1.0\"")),
    }
    rest.next_if(|(name, value, _)| *name == "encoding" && is_encoding(value));
    rest.next_if(|(name, value, _)| *name == "standalone" && matches!(*value, "yes" | "no"));
    match rest.next() {
        None => Ok(()),
        Some((name, value, at)) => Err(Flaw::new(
            at,
            format!("XML 声明中不允许 {name}={value:?}"),
            format!("{name}={value:?} is not allowed in an XML declaration"),
        )),
    }
}

/// Turns line endings into line feeds (2.11); `None` where there is nothing to change.
pub(crate) fn with_line_feeds<'s>(text: &str, scratch: &'s mut String) -> Option<&'s str> {
    if !text.as_bytes().contains(&b'\r') {
        return None;
    }
    scratch.clear();
    let mut lines = text.split('\r');
    scratch.push_str(lines.next().unwrap_or(""));
    for line in lines {
        scratch.push('\n');
        scratch.push_str(line.strip_prefix('\n').unwrap_or(line));
    }
    Some(scratch)
}

/// The character of `&#number;`: decimal, or hexadecimal after an `x`.
fn numbered(number: &str) -> Result<char, Flaw> {
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(Flaw::new(0, format!("&#{number}; 不是字符引用"), format!("&#{number}; is no character reference")));
    }
    let character = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|&c| is_allowed(c));
    character.ok_or_else(|| {
        Flaw::coded(
            FormatCode::CharacterForbidden,
            format!("&#{number}; 引用了 XML 不允许的字符"),
            format!("&#{number}; refers to a character that XML does not allow"),
        )
    })
}

/// \[26\]: any 1.x is read as 1.0.
fn is_version(text: &str) -> bool {
    text.strip_prefix("1.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}

/// \[81\].
fn is_encoding(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// \[4\], without the colon.
fn starts_name(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// \[4a\], without the colon.
fn continues_name(character: char) -> bool {
    starts_name(character) || matches!(character, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}
