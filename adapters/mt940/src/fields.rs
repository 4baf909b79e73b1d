//! The text of a body as messages and their fields.
//!
//! Limits: a field, with all its lines, is held whole and counts as a token; so does a line of blocks.

use portolan_contract::{Charset, FormatCode, FormatError, Position, TextInput};
use std::borrow::Cow;
use std::io::{BufRead, Read};
use std::ops::Range;

/// The messages of one body.
pub struct Fields<'a> {
    input: TextInput<'a>,
    bytes_max: usize,
    line: String,
    /// What ended the line.
    line_end: &'static str,
    at: Position,
    /// `line` was not used up; what is left begins here.
    held: Option<usize>,
    /// The message at hand stands in blocks.
    in_blocks: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum Event {
    /// A message begins with its blocks: their text, `{4:` included, without a tag.
    Blocks(Field),
    /// A field.
    Field(Field),
    /// The message ends.
    Close(Position),
    /// The body ends.
    End(Position),
}

/// A field: its lines joined, with the place of each.
#[derive(Debug)]
pub struct Field {
    /// The tag, such as `60F`.
    pub tag: String,
    /// Its text, line ends left out.
    pub text: String,
    /// Where the tag stands.
    pub at: Position,
    lines: Vec<Line>,
    charset: Charset,
}

/// A line of a field.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Where it begins in the field's text.
    start: usize,
    /// Where it begins in the body.
    at: Position,
    /// The end of the line before it, which is left out of the text.
    end_before: &'static str,
}

impl Field {
    /// Its lines with their places.
    pub fn lines(&self) -> impl Iterator<Item = (&str, Position)> {
        let ends = self.lines.iter().skip(1).map(|line| line.start).chain([self.text.len()]);
        self.lines.iter().zip(ends).map(|(line, end)| (self.text.get(line.start..end).unwrap_or_default(), line.at))
    }

    /// The place of what begins so far into the text.
    pub fn place(&self, offset: usize) -> Position {
        let line = self.lines.iter().rev().find(|line| line.start <= offset);
        let Some(&Line { start, at, .. }) = line else { return self.at };
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { byte: at.byte + self.charset.bytes_of(before) as u64, ..at }
    }

    /// The place of the letter at the end of the tag.
    pub fn place_of_option(&self) -> Position {
        let before = self.tag.get(..2).unwrap_or_default();
        Position { byte: self.at.byte + self.charset.bytes_of(":") as u64 + self.charset.bytes_of(before) as u64, ..self.at }
    }

    /// A stretch of the text as it stands in the body, with the line ends in it.
    pub fn source(&self, range: Range<usize>) -> Cow<'_, str> {
        let plain = self.text.get(range.clone()).unwrap_or_default();
        let mut within = self.lines.iter().filter(|line| range.start < line.start && line.start < range.end).peekable();
        if within.peek().is_none() {
            return Cow::Borrowed(plain);
        }
        let (mut source, mut from) = (String::with_capacity(plain.len() + 2), range.start);
        for line in within {
            source.push_str(self.text.get(from..line.start).unwrap_or_default());
            source.push_str(line.end_before);
            from = line.start;
        }
        source.push_str(self.text.get(from..range.end).unwrap_or_default());
        Cow::Owned(source)
    }
}

impl<'a> Fields<'a> {
    /// The messages of `source`.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(source: Box<dyn Read + 'a>, charset: Charset, token_bytes_max: usize) -> Result<Self, FormatError> {
        // The cap is kept here rather than by the input, so that the error names the field's start.
        let input = TextInput::new(source, charset, usize::MAX)?;
        let at = input.position();
        Ok(Self { input, bytes_max: token_bytes_max, line: String::new(), line_end: "", at, held: None, in_blocks: false })
    }

    /// What comes next.
    ///
    /// # Errors
    /// What is no text in its charset, text that belongs to no field, a field beyond the limit, and
    /// a body that ends within blocks.
    pub fn next(&mut self) -> Result<Event, FormatError> {
        loop {
            if !self.next_line()? {
                return match self.in_blocks {
                    true => {
                        Err(self.error(FormatCode::Truncated, "报文块没有以“-}”结束", "the blocks of the message do not end with `-}`"))
                    }
                    false => Ok(Event::End(self.at)),
                };
            }
            let start = self.held.take().unwrap_or(0);
            let line = self.line.get(start..).unwrap_or_default();
            let blank = line.trim_matches([' ', '\u{1}', '\u{3}', '$']).is_empty();
            if blank {
                continue;
            }
            if line.starts_with("-}") {
                return Ok(self.close_blocks(start));
            }
            if line.trim_end() == "-" {
                return Ok(Event::Close(self.at));
            }
            if line.trim_start_matches(['\u{1}', '$']).starts_with('{') {
                return self.blocks(start);
            }
            return match tag(line) {
                Some(tag) => self.field(tag.to_owned()),
                None => Err(self.error(
                    FormatCode::Syntax,
                    "此行不属于任何字段；应以“:标识:”开头",
                    "this line belongs to no field; one begins with `:TAG:`",
                )),
            };
        }
    }

    fn error(&self, code: FormatCode, zh: &str, en: &str) -> FormatError {
        FormatError::new(code, self.at, zh, en)
    }

    fn close_blocks(&mut self, start: usize) -> Event {
        self.in_blocks = false;
        let rest = self.line.get(start..).unwrap_or_default();
        // The next message may begin on the same line, after block 5 and a separator.
        self.held = rest.find("{1:").map(|at| start + at);
        Event::Close(self.at)
    }

    fn blocks(&mut self, start: usize) -> Result<Event, FormatError> {
        let text = self.line.get(start..).unwrap_or_default().trim_start_matches([' ', '\u{1}', '$']);
        let begin = self.place(self.line.len() - text.len());
        let text = text.trim_end_matches([' ', '\u{1}', '$']).to_owned();
        if self.in_blocks || !text.ends_with("{4:") {
            return Err(self.error(
                FormatCode::Syntax,
                "报文块应在同一行以“{4:”结束，且不得嵌套",
                "the blocks before a message stand on one line that ends with `{4:`, and not within another message",
            ));
        }
        self.in_blocks = true;
        let lines = vec![Line { start: 0, at: begin, end_before: "" }];
        Ok(Event::Blocks(Field { tag: String::new(), text, at: self.at, lines, charset: self.input.charset() }))
    }

    /// The place of what begins so far into the line.
    fn place(&self, offset: usize) -> Position {
        let before = self.line.get(..offset).unwrap_or_default();
        Position { byte: self.at.byte + self.input.charset().bytes_of(before) as u64, ..self.at }
    }

    /// The field that begins on the line that is held, with all its lines.
    fn field(&mut self, tag: String) -> Result<Event, FormatError> {
        let first = tag.len() + 2;
        let text = self.line.get(first..).unwrap_or_default().to_owned();
        let lines = vec![Line { start: 0, at: self.place(first), end_before: "" }];
        let mut field = Field { tag, text, at: self.at, lines, charset: self.input.charset() };
        let mut end_before = self.line_end;
        while self.next_line()? {
            if ends_field(&self.line) {
                self.held = Some(0);
                break;
            }
            field.lines.push(Line { start: field.text.len(), at: self.at, end_before });
            field.text.push_str(&self.line);
            end_before = self.line_end;
            if field.text.len() + field.lines.len() > self.bytes_max {
                return Err(self.too_large(field.at));
            }
        }
        while field.lines.len() > 1 && field.lines.last().is_some_and(|line| line.start == field.text.len()) {
            field.lines.pop();
        }
        Ok(Event::Field(field))
    }

    /// Reads a line unless one is held; `false` at the end of the body.
    fn next_line(&mut self) -> Result<bool, FormatError> {
        if self.held.is_some() {
            return Ok(true);
        }
        self.line.clear();
        self.at = self.input.position();
        let mut any = false;
        loop {
            let at = self.input.position();
            let bytes = self.input.fill_buf().map_err(|e| FormatError::from_io(e, at))?;
            if bytes.is_empty() {
                break;
            }
            any = true;
            let stop = memchr::memchr(b'\n', bytes);
            let length = stop.unwrap_or(bytes.len());
            if self.line.len() + length > self.bytes_max {
                return Err(self.too_large(self.at));
            }
            self.line.push_str(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()));
            self.input.consume(length + usize::from(stop.is_some()));
            if stop.is_some() {
                break;
            }
        }
        self.line_end = "\n";
        if self.line.ends_with('\r') {
            self.line.pop();
            self.line_end = "\r\n";
        }
        Ok(any)
    }

    fn too_large(&self, at: Position) -> FormatError {
        let max = self.bytes_max;
        let (zh, en) = (format!("一个字段超过 {max} 字节"), format!("a field is larger than {max} bytes"));
        FormatError::new(FormatCode::TokenExceeded, at, zh, en)
    }
}

/// Whether a line belongs to no field that began before it.
fn ends_field(line: &str) -> bool {
    let separator = line.starts_with(['\u{3}', '$']) && line.trim_matches([' ', '\u{3}', '$']).is_empty();
    separator || line.trim_end() == "-" || line.starts_with("-}") || line.starts_with("{1:") || tag(line).is_some()
}

/// The tag at the start of a line: two digits or letters, and perhaps a letter.
fn tag(line: &str) -> Option<&str> {
    let (tag, _) = line.strip_prefix(':')?.split_once(':')?;
    ((2..=3).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())).then_some(tag)
}

/// The message's number and the BIC of its sender, with the place of the terminal's address that it is taken from, as its
/// blocks say.
pub fn sender(blocks: &str) -> (Option<&str>, Option<(String, Range<usize>)>) {
    let block = |name: &str| {
        let start = blocks.find(name)? + name.len();
        Some((start, blocks.get(start..)?.split('}').next()?))
    };
    let (basic, application) = (block("{1:"), block("{2:"));
    let number = application.and_then(|(_, block)| block.get(1..4));
    let terminal = match application.filter(|(_, block)| block.starts_with('O')) {
        Some((start, block)) => block.get(14..26).map(|terminal| (terminal, start + 14)),
        None => basic.and_then(|(start, block)| block.get(3..15).map(|terminal| (terminal, start + 3))),
    };
    // The ninth character of a terminal's address is no part of its BIC.
    let bic = terminal.and_then(|(terminal, start)| Some((terminal.get(..8)?, terminal.get(9..12)?, start..start + terminal.len())));
    (number, bic.map(|(bank, branch, range)| (if branch == "XXX" { bank.to_owned() } else { format!("{bank}{branch}") }, range)))
}
