//! Text to segments: elements, repetitions and components, each with its place.
//!
//! One segment is held at a time. Limits: the bytes of a segment (a token), kept while it is being
//! read, and its components (the columns of a row).

use crate::definition::{Tag, tag_of};
use crate::service::{Level, ServiceCharacters, UNA_CHARACTERS, charset_of};
use portolan_contract::{Charset, FormatCode, FormatError, Limits, Position, TextInput};
use std::io::{BufRead, Read};

/// The segments of one body.
pub(crate) struct Segments<'a> {
    input: TextInput<'a>,
    characters: ServiceCharacters,
    classes: [Class; 256],
    /// The level whose repertoire is checked; none where the mapping names the charset.
    level: Option<Level>,
    checks_level: bool,
    segment_bytes_max: usize,
    pieces_max: usize,
    segment: Segment,
    /// The tag of the segment to come has been taken.
    begun: bool,
    /// A text without its release characters.
    scratch: String,
}

/// One segment.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// Its tag.
    pub(crate) tag: Tag,
    /// Where it begins.
    pub(crate) at: Position,
    /// As it stands, without its terminator.
    raw: String,
    pieces: Vec<Piece>,
    /// By element, the index of its first piece.
    elements: Vec<u32>,
    /// The first character outside the level's repertoire.
    outside: Option<u32>,
}

/// One component, as a stretch of the segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    start: u32,
    end: u32,
    /// Among the repetitions of its element, from 0.
    pub(crate) repetition: u16,
    /// Within its element, from 0.
    pub(crate) component: u16,
    released: bool,
}

impl Piece {
    /// Whether nothing stands there.
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// What a byte means in a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Text,
    Element,
    Component,
    Repetition,
    Release,
    Outside,
}

impl<'a> Segments<'a> {
    /// The segments of `source`, whose service characters and charset are found here.
    ///
    /// # Errors
    /// A body that does not begin as an interchange.
    pub(crate) fn new(source: Box<dyn Read + 'a>, charset: Option<Charset>, limits: &Limits) -> Result<Self, FormatError> {
        // The cap is kept here rather than by the input, so that the error names the segment's start.
        let input = TextInput::chosen(source, usize::MAX, |head| charset.map_or_else(|| charset_of(head), Ok))?;
        let mut segments = Self {
            input,
            characters: ServiceCharacters::from_option(None).map_err(|e| syntax(Position::default(), &e.message, &e.message))?,
            classes: [Class::Text; 256],
            level: None,
            checks_level: charset.is_none(),
            segment_bytes_max: limits.token_bytes_max.min(u32::MAX as usize),
            pieces_max: limits.columns_max,
            segment: Segment::default(),
            begun: false,
            scratch: String::new(),
        };
        segments.read_preamble()?;
        Ok(segments)
    }

    /// The segment read last.
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Where the next byte stands.
    pub(crate) fn here(&self) -> Position {
        self.input.position()
    }

    /// What UNB says holds from here on: its level and its version.
    ///
    /// # Errors
    /// A level or version that does not exist.
    pub(crate) fn begin(&mut self) -> Result<(), FormatError> {
        let (identifier, version) = (self.text_at(0, 0).to_owned(), self.text_at(0, 1).to_owned());
        let at = self.place_at(0, 0);
        let level = Level::from_identifier(&identifier).ok_or_else(|| {
            let (zh, en) =
                (format!("{identifier:?} 不是语法标识，应为 UNOA 等"), format!("{identifier:?} is no syntax identifier such as UNOA"));
            FormatError::new(FormatCode::CharsetUnknown, at, zh, en).on("UNB/S001/0001")
        })?;
        let number = version.parse().ok().filter(|v| (1..=4).contains(v)).ok_or_else(|| {
            let (zh, en) =
                (format!("语法版本 {version:?} 不存在；可为 1 至 4"), format!("there is no syntax version {version:?}, only 1 to 4"));
            FormatError::new(FormatCode::Syntax, self.place_at(0, 1), zh, en).on("UNB/S001/0002")
        })?;
        self.level = Some(level).filter(|_| self.checks_level);
        self.characters = self.characters.in_version(number);
        self.classify();
        Ok(())
    }

    /// Reads the next segment; false at the end of the body.
    ///
    /// # Errors
    /// A segment that is cut off, or larger than allowed, or has no tag.
    pub(crate) fn next(&mut self) -> Result<bool, FormatError> {
        if !std::mem::take(&mut self.begun) {
            if !self.skip_line_ends()? {
                return Ok(false);
            }
            self.segment.at = self.input.position();
            self.segment.raw.clear();
        }
        self.take()?;
        self.split()?;
        Ok(true)
    }

    /// The text of a component of the first repetition; empty where it is absent.
    pub(crate) fn text_at(&mut self, element: usize, component: u16) -> &str {
        match self.segment.piece(element, component) {
            Some(piece) => self.text(piece),
            None => "",
        }
    }

    /// The text of a piece, without release characters.
    pub(crate) fn text(&mut self, piece: Piece) -> &str {
        let text = &self.segment.raw[piece.start as usize..piece.end as usize];
        if !piece.released {
            return text;
        }
        self.scratch.clear();
        let release = self.characters.release.map(char::from);
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let character = if Some(character) == release { characters.next() } else { Some(character) };
            self.scratch.extend(character);
        }
        &self.scratch
    }

    /// The text of a number, whose decimal mark may be a comma.
    pub(crate) fn number(&mut self, piece: Piece) -> &str {
        let comma = self.text(piece).find(',');
        let Some(comma) = comma else { return self.text(piece) };
        let text = self.text(piece).to_owned();
        self.scratch.clear();
        self.scratch.push_str(&text[..comma]);
        self.scratch.push('.');
        self.scratch.push_str(&text[comma + 1..]);
        &self.scratch
    }

    /// Where a piece begins.
    pub(crate) fn place(&self, piece: Piece) -> Position {
        self.place_of(piece.start)
    }

    /// Where a component of the first repetition begins; the segment's start where it is absent.
    pub(crate) fn place_at(&self, element: usize, component: u16) -> Position {
        self.segment.piece(element, component).map_or(self.segment.at, |piece| self.place(piece))
    }

    /// The first character outside the level's repertoire, and its place.
    pub(crate) fn outside(&self) -> Option<(char, Position)> {
        let start = self.segment.outside?;
        let character = self.segment.raw.get(start as usize..)?.chars().next()?;
        Some((character, self.place_of(start)))
    }

    fn place_of(&self, start: u32) -> Position {
        let before = self.segment.raw.get(..start as usize).unwrap_or("");
        self.input.position_after(self.segment.at, before)
    }

    /// Reads a UNA, or sees by what follows `UNB` that the usual characters are meant.
    fn read_preamble(&mut self) -> Result<(), FormatError> {
        self.skip_line_ends()?;
        let at = self.input.position();
        let tag = self.ahead::<3>()?;
        if tag == Some(*b"UNA") {
            let at = self.input.position();
            let una = self.ahead::<UNA_CHARACTERS>()?.ok_or_else(|| cut_off(at))?;
            self.characters = ServiceCharacters::from_una(&una).map_err(|index| {
                let character = char::from(una.get(index).copied().unwrap_or(b'?'));
                let at = self.input.position_after(at, &String::from_utf8_lossy(&una[..index]));
                let (zh, en) = (
                    format!("UNA 中的 {character:?} 不能作此服务字符"),
                    format!("{character:?} cannot be this service character in a UNA"),
                );
                FormatError::new(FormatCode::Syntax, at, zh, en).on("UNA")
            })?;
            self.classify();
            return Ok(());
        }
        let after = self.input.position();
        let separator = self.peek()?;
        if tag != Some(*b"UNB") {
            let (zh, en) =
                ("报文不以 UNA 或 UNB 开头，不是 EDIFACT 交换", "the body begins with neither UNA nor UNB: it is no interchange");
            return Err(FormatError::new(FormatCode::NotThisMessage, at, zh, en));
        }
        let separator = separator.ok_or_else(|| cut_off(at))?;
        self.characters = ServiceCharacters::without_una(separator).ok_or_else(|| {
            let character = char::from(separator);
            let (zh, en) = (
                format!("UNB 之后为 {character:?}；没有 UNA 时数据元分隔符应为“+”"),
                format!("{character:?} follows UNB; without a UNA, elements are separated by '+'"),
            );
            syntax(after, &zh, &en)
        })?;
        self.classify();
        // The tag was taken to see it: it is the start of the first segment.
        self.segment.raw.push_str("UNB");
        self.segment.at = at;
        self.begun = true;
        Ok(())
    }

    /// Takes the next `N` bytes, all of them ASCII; nothing where there are fewer or others.
    fn ahead<const N: usize>(&mut self) -> Result<Option<[u8; N]>, FormatError> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            match self.peek()?.filter(u8::is_ascii) {
                Some(next) => *byte = next,
                None => return Ok(None),
            }
            self.input.consume(1);
        }
        Ok(Some(bytes))
    }

    fn classify(&mut self) {
        let ServiceCharacters { component, element, release, repetition, .. } = self.characters;
        let level = self.level;
        self.classes = std::array::from_fn(|byte| {
            let byte = byte as u8;
            match byte {
                _ if byte == element => Class::Element,
                _ if byte == component => Class::Component,
                _ if Some(byte) == release => Class::Release,
                _ if Some(byte) == repetition => Class::Repetition,
                _ if level.is_some_and(|level| !level.holds(byte)) => Class::Outside,
                _ => Class::Text,
            }
        });
    }

    /// Passes over line ends between segments; false at the end of the body.
    fn skip_line_ends(&mut self) -> Result<bool, FormatError> {
        loop {
            let bytes = filled(&mut self.input)?;
            let Some(first) = bytes.first() else { return Ok(false) };
            if !matches!(first, b'\r' | b'\n') {
                return Ok(true);
            }
            let ends = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
            self.input.consume(ends);
        }
    }

    /// Takes a segment and its terminator.
    fn take(&mut self) -> Result<(), FormatError> {
        let terminator = self.characters.terminator;
        let release = self.characters.release.unwrap_or(terminator);
        loop {
            let bytes = filled(&mut self.input)?;
            if bytes.is_empty() {
                return Err(cut_off(self.segment.at));
            }
            let found = memchr::memchr2(terminator, release, bytes);
            let length = found.unwrap_or(bytes.len());
            let stop = bytes.get(length).copied();
            append(&mut self.segment, &bytes[..length], self.segment_bytes_max)?;
            match stop {
                None => self.input.consume(length),
                Some(byte) if byte == terminator => {
                    self.input.consume(length + 1);
                    return Ok(());
                }
                Some(byte) => {
                    self.input.consume(length + 1);
                    append(&mut self.segment, &[byte], self.segment_bytes_max)?;
                    // A released character may be the terminator. One of several bytes is none.
                    if let Some(released) = self.peek()?.filter(u8::is_ascii) {
                        append(&mut self.segment, &[released], self.segment_bytes_max)?;
                        self.input.consume(1);
                    }
                }
            }
        }
    }

    /// Finds the components of the segment that was taken.
    fn split(&mut self) -> Result<(), FormatError> {
        let segment = &mut self.segment;
        segment.pieces.clear();
        segment.elements.clear();
        segment.outside = None;
        let bytes = segment.raw.as_bytes();
        let tag = segment.raw.get(..3).and_then(tag_of);
        let separator = bytes.get(3).copied();
        segment.tag = match (tag, separator) {
            (Some(tag), None) => tag,
            (Some(tag), Some(separator)) if separator == self.characters.element => tag,
            _ => return Err(no_tag(segment)),
        };
        let mut piece = Piece { start: 4, end: 4, repetition: 0, component: 0, released: false };
        let mut index = 4;
        if bytes.len() >= 4 {
            segment.elements.push(0);
        }
        while let Some(&byte) = bytes.get(index) {
            match self.classes[usize::from(byte)] {
                Class::Text => {}
                Class::Release => {
                    piece.released = true;
                    index += 1;
                    if bytes.get(index).is_some_and(|&released| self.classes[usize::from(released)] == Class::Outside) {
                        segment.outside.get_or_insert(index as u32);
                    }
                }
                Class::Outside => drop(segment.outside.get_or_insert(index as u32)),
                class => {
                    segment.pieces.push(Piece { end: index as u32, ..piece });
                    piece = Piece { start: index as u32 + 1, released: false, ..piece };
                    match class {
                        Class::Component => piece.component += 1,
                        Class::Repetition => (piece.repetition, piece.component) = (piece.repetition + 1, 0),
                        _ => {
                            (piece.repetition, piece.component) = (0, 0);
                            segment.elements.push(segment.pieces.len() as u32);
                        }
                    }
                    if segment.pieces.len() >= self.pieces_max {
                        return Err(too_many(segment.at, self.pieces_max));
                    }
                }
            }
            index += 1;
        }
        if bytes.len() >= 4 {
            segment.pieces.push(Piece { end: bytes.len() as u32, ..piece });
        }
        Ok(())
    }

    fn peek(&mut self) -> Result<Option<u8>, FormatError> {
        Ok(filled(&mut self.input)?.first().copied())
    }
}

impl Segment {
    /// Its tag as text.
    pub(crate) fn name(&self) -> &str {
        self.raw.get(..3).unwrap_or("")
    }

    /// How many elements it has.
    pub(crate) fn element_count(&self) -> usize {
        self.elements.len()
    }

    /// The pieces of an element, all its repetitions; none where it is absent.
    pub(crate) fn pieces_of(&self, element: usize) -> &[Piece] {
        let Some(&start) = self.elements.get(element) else { return &[] };
        let end = self.elements.get(element + 1).map_or(self.pieces.len(), |&end| end as usize);
        self.pieces.get(start as usize..end).unwrap_or(&[])
    }

    /// A component of an element's first repetition.
    fn piece(&self, element: usize, component: u16) -> Option<Piece> {
        self.pieces_of(element).iter().find(|p| p.repetition == 0 && p.component == component).copied()
    }
}

fn filled<'i>(input: &'i mut TextInput<'_>) -> Result<&'i [u8], FormatError> {
    let at = input.position();
    input.fill_buf().map_err(|e| FormatError::from_io(e, at))
}

/// Appends bytes that end at an ASCII character or with the input's buffer, so are whole
/// characters.
fn append(segment: &mut Segment, bytes: &[u8], bytes_max: usize) -> Result<(), FormatError> {
    if segment.raw.len() + bytes.len() > bytes_max {
        let (zh, en) = (format!("数据段超过 {bytes_max} 字节"), format!("a segment is larger than {bytes_max} bytes"));
        return Err(FormatError::new(FormatCode::TokenExceeded, segment.at, zh, en));
    }
    match std::str::from_utf8(bytes) {
        Ok(whole) => segment.raw.push_str(whole),
        Err(_) => segment.raw.push_str(&String::from_utf8_lossy(bytes)),
    }
    Ok(())
}

fn no_tag(segment: &Segment) -> FormatError {
    let start: String = segment.raw.chars().take(4).collect();
    let (zh, en) = (
        format!("{start:?} 不是段标识：应为三个大写字母或数字，其后为数据元分隔符"),
        format!("{start:?} is no segment tag: three capitals or digits, and then the element separator, are expected"),
    );
    syntax(segment.at, &zh, &en)
}

fn too_many(at: Position, max: usize) -> FormatError {
    let (zh, en) = (format!("一个数据段超过 {max} 个成分"), format!("a segment has more than {max} components"));
    FormatError::new(FormatCode::RecordExceeded, at, zh, en)
}

fn cut_off(at: Position) -> FormatError {
    let (zh, en) = ("报文在此数据段中断：没有段终止符", "the body breaks off in the segment that begins here: it has no terminator");
    FormatError::new(FormatCode::Truncated, at, zh, en)
}

fn syntax(at: Position, zh: &str, en: &str) -> FormatError {
    FormatError::new(FormatCode::Syntax, at, zh, en)
}
