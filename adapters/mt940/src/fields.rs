//! The text of a body as messages and their fields.
//!
//! Limits: a field, with all its lines, is held whole and counts as a token; so does a line of blocks.

use portolan_contract::{Charset, FormatCode, FormatError, Position, TextInput};
use std::io::{BufRead, Read};

/// The messages of one body.
pub struct Fields<'a> {
    input: TextInput<'a>,
    bytes_max: usize,
    line: String,
    at: Position,
    /// `line` was not used up; what is left begins here.
    held: Option<usize>,
    /// The message at hand stands in blocks.
    in_blocks: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum Event {
    /// A message begins with its blocks.
    Blocks {
        /// The text of the blocks, `{4:` included.
        text: String,
        /// Where they begin.
        at: Position,
    },
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
    /// Where each line begins in `text`, and in the body.
    lines: Vec<(usize, Position)>,
    charset: Charset,
}

impl Field {
    /// Its lines with their places.
    pub fn lines(&self) -> impl Iterator<Item = (&str, Position)> {
        let ends = self.lines.iter().skip(1).map(|(start, _)| *start).chain([self.text.len()]);
        self.lines.iter().zip(ends).map(|(&(start, at), end)| (self.text.get(start..end).unwrap_or_default(), at))
    }

    /// The place of what begins so far into the text.
    pub fn place(&self, offset: usize) -> Position {
        let line = self.lines.iter().rev().find(|(start, _)| *start <= offset);
        let Some(&(start, at)) = line else { return self.at };
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { byte: at.byte + self.charset.bytes_of(before) as u64, ..at }
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
        Ok(Self { input, bytes_max: token_bytes_max, line: String::new(), at, held: None, in_blocks: false })
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
        let text = self.line.get(start..).unwrap_or_default().trim_matches([' ', '\u{1}', '$']).to_owned();
        if self.in_blocks || !text.ends_with("{4:") {
            return Err(self.error(
                FormatCode::Syntax,
                "报文块应在同一行以“{4:”结束，且不得嵌套",
                "the blocks before a message stand on one line that ends with `{4:`, and not within another message",
            ));
        }
        self.in_blocks = true;
        Ok(Event::Blocks { text, at: self.at })
    }

    /// The field that begins on the line that is held, with all its lines.
    fn field(&mut self, tag: String) -> Result<Event, FormatError> {
        let first = tag.len() + 2;
        let charset = self.input.charset();
        let text = self.line.get(first..).unwrap_or_default().to_owned();
        let byte = self.at.byte + charset.bytes_of(self.line.get(..first).unwrap_or_default()) as u64;
        let mut field = Field { tag, text, at: self.at, lines: vec![(0, Position { byte, ..self.at })], charset };
        while self.next_line()? {
            if ends_field(&self.line) {
                self.held = Some(0);
                break;
            }
            field.lines.push((field.text.len(), self.at));
            field.text.push_str(&self.line);
            if field.text.len() + field.lines.len() > self.bytes_max {
                return Err(self.too_large(field.at));
            }
        }
        while field.lines.len() > 1 && field.lines.last().is_some_and(|(start, _)| *start == field.text.len()) {
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
        if self.line.ends_with('\r') {
            self.line.pop();
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

/// The message's number and the BIC of its sender, as its blocks say.
pub fn sender(blocks: &str) -> (Option<&str>, Option<String>) {
    let block = |name: &str| blocks.split_once(name).and_then(|(_, rest)| rest.split('}').next());
    let (basic, application) = (block("{1:"), block("{2:"));
    let number = application.and_then(|block| block.get(1..4));
    let terminal = match application.and_then(|block| block.get(..1)) {
        Some("O") => application.and_then(|block| block.get(14..26)),
        _ => basic.and_then(|block| block.get(3..15)),
    };
    // The ninth character of a terminal's address is no part of its BIC.
    let bic = terminal.and_then(|terminal| Some((terminal.get(..8)?, terminal.get(9..12)?)));
    (number, bic.map(|(bank, branch)| if branch == "XXX" { bank.to_owned() } else { format!("{bank}{branch}") }))
}
