//! JSON text to tokens, as RFC 8259 has it and no more.
//!
//! It is our own because what a gateway must tell is lost in a general parser: where every value
//! stands, how a number was written, that a name came twice, and that a token is too large before
//! all of it has been read. Besides the token at hand, only the names of the objects that are open
//! are held.
//!
//! Limits: depth, bytes of a token, members of an object, and the bytes of all names held, which
//! together may be no more than one token.

use crate::Layout;
use portolan_contract::{Charset, FormatCode, FormatError, Limits, Position, TextInput};
use std::io::{BufRead, Read};

/// The name under which a value stands that is in no object.
pub const TOP: &str = "$";

/// What comes next in the body. Names are taken together with the value that they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// `{`
    Object,
    /// `}`
    ObjectEnd,
    /// `[`
    Array,
    /// `]`
    ArrayEnd,
    /// A string; [`Tokens::text`] is what it stands for.
    String,
    /// A number; [`Tokens::text`] is how it was written.
    Number,
    /// `true` or `false`; [`Tokens::text`] is the word.
    Boolean,
    /// `null`
    Null,
    /// The body ended as it should.
    End,
}

/// An object or array that is open.
struct Open {
    /// Names in [`Tokens::names`] before this object's own; `None` for an array.
    names_before: Option<usize>,
    empty: bool,
}

/// The tokens of one body.
pub struct Tokens<'a> {
    input: TextInput<'a>,
    limits: Limits,
    layout: Layout,
    open: Vec<Open>,
    /// The names seen in the open objects, one after the other, and where each of them ends.
    names: String,
    name_ends: Vec<usize>,
    text: String,
    holds_nul: bool,
    /// Top-level values begun, whether more than one may stand, and whether a line break followed
    /// the last of them.
    values: u64,
    many: bool,
    line_broken: bool,
}

impl<'a> Tokens<'a> {
    /// The tokens of `source`, which is UTF-8 unless a byte order mark says otherwise.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(source: Box<dyn Read + 'a>, layout: Layout, limits: &Limits) -> Result<Self, FormatError> {
        // The cap is kept here rather than by the input, so that the error names the token's start.
        let input = TextInput::new(source, Charset::Utf8, usize::MAX)?;
        Ok(Self {
            input,
            limits: *limits,
            layout,
            open: Vec::new(),
            names: String::new(),
            name_ends: Vec::new(),
            text: String::new(),
            holds_nul: false,
            values: 0,
            many: false,
            line_broken: false,
        })
    }

    /// The next token and where it begins.
    ///
    /// # Errors
    /// What is not JSON, or beyond a limit.
    pub fn next(&mut self) -> Result<(Token, Position), FormatError> {
        let byte = self.skip_space()?;
        let Some(open) = self.open.last_mut() else { return self.at_top(byte) };
        let first = std::mem::replace(&mut open.empty, false);
        let object = open.names_before.is_some();
        let byte = match byte {
            Some(b'}') if object => return self.close(Token::ObjectEnd),
            Some(b']') if !object => return self.close(Token::ArrayEnd),
            begun if first => begun,
            Some(b',') => {
                self.input.consume(1);
                self.skip_space()?
            }
            other if object => return Err(self.unexpected(other, "`,` 或 `}`", "`,` or `}`")),
            other => return Err(self.unexpected(other, "`,` 或 `]`", "`,` or `]`")),
        };
        if object { self.member(byte) } else { self.value(byte) }
    }

    /// The text of the string, number or word that came last.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the string that came last stands for text with a NUL in it (written `\u0000`).
    pub fn holds_nul(&self) -> bool {
        self.holds_nul
    }

    /// The name under which the value that came last stands: that of the member which it is, or
    /// in whose arrays it lies.
    pub fn name(&self) -> &str {
        let last = self.name_ends.len().checked_sub(1);
        last.and_then(|last| self.names.get(self.name_start(last)..)).unwrap_or(TOP)
    }

    /// Objects and arrays that are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    fn at_top(&mut self, byte: Option<u8>) -> Result<(Token, Position), FormatError> {
        if self.values == 0 {
            self.many = self.layout == Layout::Lines || (self.layout == Layout::Auto && byte == Some(b'{'));
        }
        match byte {
            None if self.values > 0 || self.layout == Layout::Lines => Ok((Token::End, self.input.position())),
            None => Err(self.truncated("报文为空", "it holds no value")),
            Some(_) if self.values > 0 && !self.many => Err(self.unexpected(byte, "报文结束", "the end of the body")),
            Some(_) if self.values > 0 && !self.line_broken => Err(self.unexpected(byte, "换行", "a line break")),
            Some(_) => {
                self.values += 1;
                self.line_broken = false;
                self.value(byte)
            }
        }
    }

    fn member(&mut self, byte: Option<u8>) -> Result<(Token, Position), FormatError> {
        if byte != Some(b'"') {
            return Err(self.unexpected(byte, "成员名", "a member name"));
        }
        let at = self.input.position();
        self.string(at)?;
        self.keep_name(at)?;
        match self.skip_space()? {
            Some(b':') => self.input.consume(1),
            other => return Err(self.unexpected(other, "`:`", "`:`")),
        }
        let byte = self.skip_space()?;
        self.value(byte)
    }

    fn value(&mut self, byte: Option<u8>) -> Result<(Token, Position), FormatError> {
        let at = self.input.position();
        let token = match byte {
            Some(b'{') => self.open(Token::Object, Some(self.name_ends.len()))?,
            Some(b'[') => self.open(Token::Array, None)?,
            Some(b'"') => self.string(at)?,
            Some(b'-' | b'0'..=b'9') => self.number(at)?,
            Some(b'a'..=b'z') => self.word(at)?,
            other => return Err(self.unexpected(other, "一个值", "a value")),
        };
        Ok((token, at))
    }

    fn open(&mut self, token: Token, names_before: Option<usize>) -> Result<Token, FormatError> {
        let max = self.limits.depth_max;
        if self.open.len() >= max {
            let (zh, en) = (format!("嵌套超过 {max} 层"), format!("nested more than {max} deep"));
            return Err(FormatError::new(FormatCode::DepthExceeded, self.input.position(), zh, en));
        }
        self.input.consume(1);
        self.open.push(Open { names_before, empty: true });
        Ok(token)
    }

    fn close(&mut self, token: Token) -> Result<(Token, Position), FormatError> {
        let at = self.input.position();
        self.input.consume(1);
        if let Some(before) = self.open.pop().and_then(|o| o.names_before) {
            self.names.truncate(self.name_start(before));
            self.name_ends.truncate(before);
        }
        Ok((token, at))
    }

    /// Keeps the name just read as the innermost object's latest, unless it has that name already.
    fn keep_name(&mut self, at: Position) -> Result<(), FormatError> {
        let before = self.open.last().and_then(|o| o.names_before).unwrap_or(0);
        let mut start = self.name_start(before);
        for &end in self.name_ends.iter().skip(before) {
            if self.names.get(start..end) == Some(self.text.as_str()) {
                let name = shortened(&self.text);
                let (zh, en) =
                    (format!("成员名 {name:?} 在同一对象中出现两次"), format!("the member name {name:?} stands twice in one object"));
                return Err(FormatError::new(FormatCode::DuplicateKey, at, zh, en));
            }
            start = end;
        }
        let (members, bytes) = (self.limits.attributes_max, self.limits.token_bytes_max);
        if self.name_ends.len() - before >= members || self.names.len() + self.text.len() > bytes {
            return Err(FormatError::new(
                FormatCode::RecordExceeded,
                at,
                format!("一个对象超过 {members} 个成员，或成员名合计超过 {bytes} 字节"),
                format!("one object has more than {members} members, or the names of the open objects more than {bytes} bytes"),
            ));
        }
        self.names.push_str(&self.text);
        self.name_ends.push(self.names.len());
        Ok(())
    }

    fn name_start(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|i| self.name_ends.get(i)).copied().unwrap_or(0)
    }

    fn string(&mut self, at: Position) -> Result<Token, FormatError> {
        self.text.clear();
        self.holds_nul = false;
        self.input.consume(1);
        loop {
            match self.run(at, |byte| !matches!(byte, b'"' | b'\\' | 0..0x20))? {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(byte) => {
                    let (zh, en) = (
                        format!("字符串中有未转义的控制字符 U+{byte:04X}"),
                        format!("a string holds the bare control character U+{byte:04X}"),
                    );
                    return Err(FormatError::new(FormatCode::CharacterForbidden, self.input.position(), zh, en));
                }
                None => return Err(self.truncated("字符串没有结束", "a string does not end")),
            }
        }
        self.input.consume(1);
        Ok(Token::String)
    }

    fn escape(&mut self) -> Result<(), FormatError> {
        let at = self.input.position();
        self.input.consume(1);
        let character = match self.peek()? {
            Some(b'u') => {
                self.input.consume(1);
                let character = self.unicode(at)?;
                self.text.push(character);
                self.holds_nul |= character == '\0';
                return Ok(());
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            other => return Err(self.unexpected(other, "转义字符之一 \"\\/bfnrtu", "one of the escapes \"\\/bfnrtu")),
        };
        self.input.consume(1);
        self.text.push(character);
        Ok(())
    }

    /// The character of a `\uXXXX`, or of two that are a surrogate pair (RFC 8259 section 7).
    fn unicode(&mut self, at: Position) -> Result<char, FormatError> {
        let unit = self.four_digits()?;
        if let Some(character) = char::from_u32(unit) {
            return Ok(character);
        }
        if unit < 0xDC00 && self.peek()? == Some(b'\\') {
            self.input.consume(1);
            if self.peek()? == Some(b'u') {
                self.input.consume(1);
                let low = self.four_digits()?;
                if let Some(Ok(character)) = char::decode_utf16([unit as u16, low as u16]).next() {
                    return Ok(character);
                }
            }
        }
        let (zh, en) = (format!("\\u{unit:04X} 是不成对的代理码"), format!("\\u{unit:04X} is half of a surrogate pair, alone"));
        Err(FormatError::new(FormatCode::CharacterForbidden, at, zh, en))
    }

    fn four_digits(&mut self) -> Result<u32, FormatError> {
        let mut unit = 0;
        for _ in 0..4 {
            let byte = self.peek()?;
            let Some(digit) = byte.and_then(|b| char::from(b).to_digit(16)) else {
                return Err(self.unexpected(byte, "四位十六进制数字", "four hexadecimal digits"));
            };
            unit = unit * 16 + digit;
            self.input.consume(1);
        }
        Ok(unit)
    }

    fn number(&mut self, at: Position) -> Result<Token, FormatError> {
        self.text.clear();
        let next = self.run(at, |byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))?;
        if is_number(&self.text) {
            return Ok(Token::Number);
        }
        if next.is_none() && !self.text.ends_with(|last: char| last.is_ascii_digit()) {
            return Err(self.truncated("数字没有写完", "a number does not end"));
        }
        let number = shortened(&self.text);
        Err(FormatError::new(FormatCode::Syntax, at, format!("{number} 不是 JSON 数字"), format!("{number} is no JSON number")))
    }

    fn word(&mut self, at: Position) -> Result<Token, FormatError> {
        self.text.clear();
        let next = self.run(at, |byte| byte.is_ascii_alphanumeric())?;
        match self.text.as_str() {
            "true" | "false" => Ok(Token::Boolean),
            "null" => Ok(Token::Null),
            part if next.is_none() && ["true", "false", "null"].iter().any(|word| word.starts_with(part)) => {
                Err(self.truncated("单词没有写完", "a word does not end"))
            }
            other => {
                let word = shortened(other);
                let (zh, en) =
                    (format!("{word} 不是 JSON 值；字符串须加引号"), format!("{word} is no JSON value; strings stand in quotes"));
                Err(FormatError::new(FormatCode::Syntax, at, zh, en))
            }
        }
    }

    /// Appends to the text what `belongs` to it, and gives the byte after; `begun` is the token's.
    fn run(&mut self, begun: Position, belongs: impl Fn(u8) -> bool) -> Result<Option<u8>, FormatError> {
        loop {
            let bytes = Self::filled(&mut self.input)?;
            let length = bytes.iter().position(|&b| !belongs(b)).unwrap_or(bytes.len());
            if self.text.len() + length > self.limits.token_bytes_max {
                let max = self.limits.token_bytes_max;
                let (zh, en) = (format!("单个字符串或数字超过 {max} 字节"), format!("one string or number is larger than {max} bytes"));
                return Err(FormatError::new(FormatCode::TokenExceeded, begun, zh, en));
            }
            // The input hands out whole characters, and a run ends at an ASCII one.
            match std::str::from_utf8(&bytes[..length]) {
                Ok(whole) => self.text.push_str(whole),
                Err(_) => self.text.push_str(&String::from_utf8_lossy(&bytes[..length])),
            }
            let next = bytes.get(length).copied();
            let ended = bytes.is_empty();
            self.input.consume(length);
            if next.is_some() || ended {
                return Ok(next);
            }
        }
    }

    /// Passes over white space and gives the byte after it; `None` at the end of the body.
    fn skip_space(&mut self) -> Result<Option<u8>, FormatError> {
        loop {
            let bytes = Self::filled(&mut self.input)?;
            let Some(&first) = bytes.first() else { return Ok(None) };
            if !matches!(first, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(Some(first));
            }
            if first == b'\n' {
                self.break_line()?;
                self.input.consume(1);
                continue;
            }
            let length = bytes.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r')).unwrap_or(bytes.len());
            self.input.consume(length);
        }
    }

    fn break_line(&mut self) -> Result<(), FormatError> {
        self.line_broken = true;
        if self.layout != Layout::Lines || self.open.is_empty() {
            return Ok(());
        }
        let (zh, en) = ("每行须是一个完整的值，此行的值没有结束", "each line is one whole value, and that of this line does not end on it");
        Err(FormatError::new(FormatCode::Syntax, self.input.position(), zh, en))
    }

    fn peek(&mut self) -> Result<Option<u8>, FormatError> {
        Ok(Self::filled(&mut self.input)?.first().copied())
    }

    fn filled<'i>(input: &'i mut TextInput<'a>) -> Result<&'i [u8], FormatError> {
        let at = input.position();
        input.fill_buf().map_err(|e| FormatError::from_io(e, at))
    }

    fn unexpected(&mut self, found: Option<u8>, zh: &str, en: &str) -> FormatError {
        if found.is_none() {
            return self.truncated(&format!("此处应为{zh}"), &format!("{en} is expected here"));
        }
        let character = match self.character() {
            Ok(character) => character,
            Err(error) => return error,
        };
        let at = self.input.position();
        FormatError::new(FormatCode::Syntax, at, format!("此处应为{zh}，却是 {character:?}"), format!("expected {en}, found {character:?}"))
    }

    /// The whole character that comes next.
    fn character(&mut self) -> Result<char, FormatError> {
        let bytes = Self::filled(&mut self.input)?;
        let head = bytes.get(..bytes.len().min(4)).unwrap_or(bytes);
        Ok(String::from_utf8_lossy(head).chars().next().unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn truncated(&self, zh: &str, en: &str) -> FormatError {
        let open = self.open.len();
        let (zh, en) =
            (format!("报文在此中断：{zh}（未闭合 {open} 层）"), format!("the body ends here: {en} ({open} objects and arrays are open)"));
        FormatError::new(FormatCode::Truncated, self.input.position(), zh, en)
    }
}

/// Whether text is a number by the grammar of RFC 8259 section 6.
pub fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let no_leading_zero = whole.len() == 1 || !whole.starts_with('0');
    digits(whole) && no_leading_zero && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

/// The start of a text that may be long, to name it in a message.
fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}
