//! Text in and out: charsets, positions, and caps that hold while a token is being read.

mod decode;
mod output;

pub use output::TextOutput;

use crate::charset::{Charset, UpperHalf, Width};
use crate::error::{FormatCode, FormatError};
use crate::gb18030;
use crate::iso2022::{self, Shift};
use crate::record::Position;
pub(crate) use decode::Malformed;
use decode::{decode_other, decode_single, decode_utf8};
use encoding_rs::Decoder;
use std::cell::Cell;
use std::io::{self, BufRead, Read};

/// Bytes read from the source at a time.
const CHUNK_BYTES: usize = 32 * 1024;
/// Bytes looked at to find a byte order mark or an XML declaration.
const SNIFF_BYTES: usize = 1024;

impl Charset {
    /// Bytes that text takes when it is written in this charset.
    pub fn bytes_of(self, text: &str) -> usize {
        match self.width() {
            Width::Utf8 => text.len(),
            Width::Utf16 => text.bytes().map(utf16_bytes).sum(),
            Width::Gb => text.chars().map(gb18030::character_bytes).sum(),
            Width::Single => characters_in(text.as_bytes()),
            Width::Shifted => iso2022::usual_bytes(text),
        }
    }
}

/// A body as UTF-8 text, with the place of every byte in the body as it was sent.
///
/// As a [`BufRead`] it hands out valid UTF-8 (whole characters in each buffer), without a byte
/// order mark. Characters that no body may hold are refused here, once for all adapters: NUL
/// everywhere, and in XML whatever its `Char` production (XML 1.0, 2.2) leaves out. Errors are
/// [`FormatError`]s inside [`io::Error`]s; [`FormatError::from_io`] gets them out.
///
/// Positions are exact because the source bytes of what is not yet consumed are kept and walked
/// in step: GB 18030 writes some characters in more than one way, so their length cannot be told
/// from the text.
pub struct TextInput<'a> {
    source: Box<dyn Read + 'a>,
    charset: Charset,
    decoding: Decoding,
    forbidden: fn(&[u8]) -> Option<usize>,
    /// Source bytes: first those of `text`, then those that are not decoded yet.
    raw: Vec<u8>,
    /// `raw[..fed]` has been given to the decoder.
    fed: usize,
    /// Decoded text; `text[taken..]` is not yet consumed.
    text: Vec<u8>,
    taken: usize,
    /// The latest place that was worked out: that is done when one is asked for, not for every
    /// piece that is consumed.
    place: Cell<Place>,
    /// The source has no more bytes.
    ended: bool,
    /// Nothing will be decoded any more.
    finished: bool,
    /// What is wrong right after `text`, told once `text` is used up.
    failed: Option<FormatError>,
    token_left: usize,
    token_max: usize,
}

/// How bytes become text.
enum Decoding {
    Utf8,
    Single(Box<UpperHalf>),
    Multi(Decoder),
    Shifted(Shift),
}

/// A place in the text that is held.
#[derive(Clone, Copy)]
struct Place {
    at: Position,
    /// Index into `text`.
    text: usize,
    /// Index into `raw`: `raw[..raw]` was decoded to `text[..text]`.
    raw: usize,
    /// Bytes before those of `raw` that belong to the character to come, and are not held.
    passed: u64,
    /// How the bytes from there are meant.
    shift: Shift,
    /// Where in the body a set was put behind SO for the last time.
    designated: Option<u64>,
}

impl<'a> TextInput<'a> {
    /// Text in the given charset, unless a byte order mark says otherwise.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(source: Box<dyn Read + 'a>, charset: Charset, token_bytes_max: usize) -> Result<Self, FormatError> {
        let mut input = Self::unstarted(source, |text| memchr::memchr(0, text), token_bytes_max);
        let mark = input.sniff()?;
        input.start(mark.unwrap_or(charset));
        Ok(input)
    }

    /// XML text: a byte order mark, else the charset forced by configuration, else the XML
    /// declaration, else UTF-8.
    ///
    /// # Errors
    /// When the source cannot be read, or declares a charset that is unknown.
    pub fn xml(source: Box<dyn Read + 'a>, forced: Option<Charset>, token_bytes_max: usize) -> Result<Self, FormatError> {
        let mut input = Self::unstarted(source, forbidden_in_xml, token_bytes_max);
        let charset = match (input.sniff()?, forced) {
            (Some(marked), _) => marked,
            (None, Some(forced)) => forced,
            (None, None) => input.declared()?,
        };
        input.start(charset);
        Ok(input)
    }

    /// Text in the charset that `choose` finds in the first bytes (at least 1024, or all there are),
    /// unless a byte order mark says otherwise.
    ///
    /// # Errors
    /// When the source cannot be read, and what `choose` raises.
    pub fn chosen(
        source: Box<dyn Read + 'a>,
        token_bytes_max: usize,
        choose: impl FnOnce(&[u8]) -> Result<Charset, FormatError>,
    ) -> Result<Self, FormatError> {
        let mut input = Self::unstarted(source, |text| memchr::memchr(0, text), token_bytes_max);
        let charset = match input.sniff()? {
            Some(marked) => marked,
            None => choose(&input.raw)?,
        };
        input.start(charset);
        Ok(input)
    }

    /// The charset in use.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// Where the next unconsumed byte stands in the body as it was sent.
    pub fn position(&self) -> Position {
        let place = self.place_of(self.taken);
        self.place.set(place);
        place.at
    }

    /// Where something stands that comes `text` after `from`: for a part of a token that has been
    /// consumed whole. In GB 18030 and by ISO 2022, characters in `text` count as they are usually written, though never
    /// beyond what was consumed.
    pub fn position_after(&self, from: Position, text: &str) -> Position {
        let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count();
        let byte = from.byte + self.charset.bytes_of(text) as u64;
        let byte = match self.charset.width() {
            Width::Utf8 | Width::Utf16 | Width::Single => byte,
            Width::Gb => byte.min(self.position().byte),
            Width::Shifted => {
                let end = self.position().byte;
                let within = !text.is_ascii() && self.place.get().designated.is_some_and(|at| at >= from.byte);
                (byte + if within { iso2022::DESIGNATION.len() as u64 } else { 0 }).min(end)
            }
        };
        Position { line: from.line + lines as u64, byte, column: 0 }
    }

    /// A token begins: its bytes are counted from here, and reading fails beyond the cap.
    pub fn begin_token(&mut self) {
        self.token_left = self.token_max;
    }

    fn unstarted(source: Box<dyn Read + 'a>, forbidden: fn(&[u8]) -> Option<usize>, token_max: usize) -> Self {
        Self {
            source,
            charset: Charset::Utf8,
            decoding: Decoding::Utf8,
            forbidden,
            raw: Vec::with_capacity(CHUNK_BYTES + 4),
            fed: 0,
            text: Vec::new(),
            taken: 0,
            place: Cell::new(Place {
                at: Position { line: 1, byte: 0, column: 0 },
                text: 0,
                raw: 0,
                passed: 0,
                shift: Shift::default(),
                designated: None,
            }),
            ended: false,
            finished: false,
            failed: None,
            token_left: token_max,
            token_max,
        }
    }

    fn start(&mut self, charset: Charset) {
        self.charset = charset;
        self.decoding = match (charset.multi_byte(), charset.upper_half()) {
            (Some(encoding), _) => Decoding::Multi(encoding.new_decoder_without_bom_handling()),
            (None, Some(upper)) => Decoding::Single(upper),
            (None, None) if charset == Charset::Iso2022 => Decoding::Shifted(Shift::default()),
            (None, None) => Decoding::Utf8,
        };
    }

    /// Reads the start of the source; takes a byte order mark off and says which it was, or that
    /// the text is UTF-16 without one.
    fn sniff(&mut self) -> Result<Option<Charset>, FormatError> {
        while self.raw.len() < SNIFF_BYTES && !self.ended {
            self.read_raw(SNIFF_BYTES).map_err(|e| FormatError::from_io(e, self.position()))?;
        }
        let (charset, length) = match self.raw.as_slice() {
            [0xEF, 0xBB, 0xBF, ..] => (Charset::Utf8, 3),
            [0xFF, 0xFE, ..] => (Charset::Utf16Le, 2),
            [0xFE, 0xFF, ..] => (Charset::Utf16Be, 2),
            [0x84, 0x31, 0x95, 0x33, ..] => (Charset::Gb18030, 4),
            // ASCII characters with zeros between them: no body may hold NUL, so it is UTF-16.
            [0x01..=0x7F, 0, 0x01..=0x7F, 0, ..] => return Ok(Some(Charset::Utf16Le)),
            [0, 0x01..=0x7F, 0, 0x01..=0x7F, ..] => return Ok(Some(Charset::Utf16Be)),
            // An element's name need not be ASCII.
            [b'<', 0, ..] => return Ok(Some(Charset::Utf16Le)),
            [0, b'<', ..] => return Ok(Some(Charset::Utf16Be)),
            _ => return Ok(None),
        };
        self.raw.drain(..length);
        self.place.get_mut().at.byte = length as u64;
        Ok(Some(charset))
    }

    /// The charset that an XML declaration names; UTF-8 where there is none.
    fn declared(&self) -> Result<Charset, FormatError> {
        let head = String::from_utf8_lossy(&self.raw[..self.raw.len().min(SNIFF_BYTES)]);
        let declaration = head.strip_prefix("<?xml").filter(|rest| rest.starts_with(|c: char| c.is_ascii_whitespace()));
        let declaration = declaration.and_then(|rest| rest.split_once("?>")).map(|(declaration, _)| declaration);
        let Some((_, after)) = declaration.and_then(|d| d.split_once("encoding")) else { return Ok(Charset::Utf8) };
        let after = after.trim_start();
        let after = after.strip_prefix('=').unwrap_or(after).trim_start();
        let label = after.get(1..).unwrap_or("").split(['"', '\'']).next().unwrap_or("");
        let (zh, en) = match Charset::from_label(label) {
            // Its declaration could not have been read in one byte for a character.
            Some(charset) if charset.width() == Width::Utf16 => (
                format!("声明的字符集为 {label:?}，但报文并非 UTF-16"),
                format!("charset {label:?} is declared, and the text is not in UTF-16"),
            ),
            Some(charset) => return Ok(charset),
            None => (
                format!("不支持的字符集 {label:?}；可用 UTF-8、UTF-16、GB18030、GBK、GB2312、ISO-8859-1 至 9 及 15"),
                format!("charset {label:?} is not known; use UTF-8, UTF-16, GB18030, GBK, GB2312, or ISO-8859-1 to 9 or 15"),
            ),
        };
        Err(FormatError::new(FormatCode::CharsetUnknown, self.position(), zh, en))
    }

    fn read_raw(&mut self, want: usize) -> io::Result<()> {
        let held = self.raw.len();
        self.raw.resize(held + want, 0);
        let read = loop {
            match self.source.read(&mut self.raw[held..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.raw.truncate(held + *read.as_ref().unwrap_or(&0));
        self.ended |= read? == 0;
        Ok(())
    }

    fn refill(&mut self) -> io::Result<()> {
        let Place { at, raw, passed, shift, designated, .. } = self.place_of(self.taken);
        self.text.clear();
        self.taken = 0;
        self.raw.drain(..raw);
        self.fed -= raw;
        self.place.set(Place { at, text: 0, raw: 0, passed, shift, designated });
        while self.text.is_empty() {
            if let Some(error) = self.failed.take() {
                return Err(error.into());
            }
            if self.finished {
                return Ok(());
            }
            if !self.ended {
                self.read_raw(CHUNK_BYTES.saturating_sub(self.raw.len()).max(1024))?;
            }
            self.decode();
            self.pass_over_shifts();
            // Within the loop: where it leaves no text, its error is due now, since no text means the end.
            self.refuse_forbidden();
        }
        Ok(())
    }

    fn decode(&mut self) {
        let pending = &self.raw[self.fed..];
        let decoded = match &mut self.decoding {
            Decoding::Utf8 => decode_utf8(pending, self.ended, &mut self.text),
            Decoding::Single(upper) => decode_single(upper, pending, &mut self.text),
            Decoding::Multi(decoder) => decode_other(decoder, pending, self.ended, &mut self.text),
            Decoding::Shifted(shift) => iso2022::decode(shift, pending, self.ended, &mut self.text),
        };
        if matches!(self.charset, Charset::Gb18030 | Charset::Gbk | Charset::Gb2312) {
            // `text` was empty, so that it begins where `raw` does.
            gb18030::correct(&self.raw, &mut self.text);
        }
        match decoded {
            Ok(read) => {
                self.fed += read;
                self.finished = self.ended;
            }
            Err(malformed) => {
                let read = malformed.read;
                self.fail(self.unmappable(malformed));
                self.fed += read;
            }
        }
    }

    /// Bytes that change the shift alone are no text, and are not held for any.
    fn pass_over_shifts(&mut self) {
        let Decoding::Shifted(shift) = &self.decoding else { return };
        if self.text.is_empty() && self.failed.is_none() {
            let place = self.place.get();
            self.place.set(Place { text: 0, raw: 0, passed: place.passed + self.fed as u64, shift: *shift, ..place });
            self.raw.drain(..self.fed);
            self.fed = 0;
        }
    }

    /// Ends the text here; `error` is told once what was decoded is used up.
    fn fail(&mut self, error: FormatError) {
        self.failed = Some(error);
        self.finished = true;
    }

    fn unmappable(&self, malformed: Malformed) -> FormatError {
        let end = (self.fed + malformed.read).saturating_sub(malformed.beyond);
        let start = end.saturating_sub(malformed.length);
        let bytes: Vec<String> = self.raw[start..end].iter().map(|b| format!("{b:02X}")).collect();
        let (bytes, charset) = (bytes.join(" "), self.charset.label());
        let Place { at, passed, .. } = self.place.get();
        let line = at.line + memchr::memchr_iter(b'\n', &self.text).count() as u64;
        FormatError::new(
            FormatCode::BytesUnmappable,
            Position { line, byte: at.byte + passed + start as u64, column: 0 },
            format!("字节 {bytes} 不是 {charset} 字符"),
            format!("the bytes {bytes} are no character of {charset}"),
        )
    }

    fn refuse_forbidden(&mut self) {
        let Some(start) = (self.forbidden)(&self.text) else { return };
        let at = self.place_of(start).at;
        let text = String::from_utf8_lossy(&self.text[start..]);
        let code = text.chars().next().map_or(0, u32::from);
        self.text.truncate(start);
        self.fail(FormatError::new(
            FormatCode::CharacterForbidden,
            at,
            format!("报文含有不允许的字符 U+{code:04X}"),
            format!("the body holds the character U+{code:04X}, which is not allowed"),
        ));
    }

    /// The place of `text[to]`, which must not be before the latest place that was worked out.
    fn place_of(&self, to: usize) -> Place {
        let Place { at, text: from, raw, mut passed, mut shift, mut designated } = self.place.get();
        let text = &self.text[from..to];
        let bytes = match self.charset.width() {
            Width::Utf8 => text.len(),
            Width::Utf16 => text.iter().map(|&b| utf16_bytes(b)).sum(),
            Width::Gb => gb18030::source_bytes(text, &self.raw[raw..]),
            Width::Single => characters_in(text),
            Width::Shifted => {
                let (bytes, found) = iso2022::source_bytes(&mut shift, text, &self.raw[raw..]);
                designated = found.map(|offset| at.byte + offset as u64).or(designated);
                bytes
            }
        };
        let lines = memchr::memchr_iter(b'\n', text).count();
        let before = if text.is_empty() { 0 } else { std::mem::take(&mut passed) };
        let at = Position { line: at.line + lines as u64, byte: at.byte + before + bytes as u64, column: 0 };
        Place { at, text: to, raw: raw + bytes, passed, shift, designated }
    }

    #[cold]
    fn token_exceeded(&self) -> io::Error {
        let max = self.token_max;
        FormatError::new(
            FormatCode::TokenExceeded,
            self.position(),
            format!("单个标记、文本或单元格超过 {max} 字节"),
            format!("one tag, text or cell is larger than {max} bytes"),
        )
        .into()
    }
}

impl Read for TextInput<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(out.len());
        out[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for TextInput<'_> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.token_left == 0 {
            return Err(self.token_exceeded());
        }
        if self.taken >= self.text.len() {
            self.refill()?;
        }
        Ok(&self.text[self.taken..])
    }

    #[inline]
    fn consume(&mut self, bytes: usize) {
        self.token_left = self.token_left.saturating_sub(bytes);
        self.taken = (self.taken + bytes).min(self.text.len());
    }
}

/// The first character that XML 1.0 does not allow (production 2, `Char`). What could be a
/// surrogate is refused by decoding.
fn forbidden_in_xml(text: &[u8]) -> Option<usize> {
    let is_control = |b: u8| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r');
    // Looking at every byte without leaving early is what the compiler makes wide instructions of.
    let control = text.iter().fold(false, |any, &b| any | is_control(b));
    let control = control.then(|| text.iter().position(|&b| is_control(b))).flatten();
    let noncharacter = memchr::memmem::find_iter(text, b"\xEF\xBF").find(|&at| matches!(text.get(at + 2), Some(0xBE | 0xBF)));
    control.into_iter().chain(noncharacter).min()
}

/// Bytes in UTF-16 of the character that begins with this UTF-8 byte; none for one that goes on.
fn utf16_bytes(lead: u8) -> usize {
    match lead {
        0x80..=0xBF => 0,
        0xF0..=0xFF => 4,
        _ => 2,
    }
}

/// Characters that begin in a stretch of UTF-8.
fn characters_in(text: &[u8]) -> usize {
    text.iter().filter(|&&b| b & 0xC0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    //! `cases/text/` holds what CPython 3 says: `gb18030.tsv` (bytes, character) and `malformed.tsv`
    //! (charset, bytes, line and offset of the first bad byte). Every character there is, in GB 18030,
    //! is compared in `tests/gb18030.rs`.

    use super::*;
    use crate::cases::Dribble;

    const GB18030_CHARACTERS: &str = include_str!("../cases/text/gb18030.tsv");
    const MALFORMED: &str = include_str!("../cases/text/malformed.tsv");

    fn charset(label: &str) -> Charset {
        Charset::from_label(label).unwrap()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// Each character with the offset of its first byte, and how it ended.
    fn characters(input: &mut TextInput<'_>) -> (Vec<(u64, char)>, Result<(), FormatError>) {
        let mut found = Vec::new();
        loop {
            let at = input.position();
            input.begin_token();
            let text = match input.fill_buf() {
                Ok(text) => std::str::from_utf8(text).unwrap(),
                Err(error) => return (found, Err(FormatError::from_io(error, at))),
            };
            let Some(character) = text.chars().next() else { return (found, Ok(())) };
            found.push((at.byte, character));
            input.consume(character.len_utf8());
        }
    }

    fn gb18030_vectors() -> Vec<(Vec<u8>, char)> {
        let character = |code: &str| char::from_u32(u32::from_str_radix(&code[2..], 16).unwrap()).unwrap();
        GB18030_CHARACTERS.lines().map(|line| line.split_once('\t').unwrap()).map(|(hex, code)| (bytes(hex), character(code))).collect()
    }

    #[test]
    fn gb18030_is_read_with_exact_positions() {
        let vectors = gb18030_vectors();
        let body: Vec<u8> = vectors.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let starts = vectors.iter().scan(0, |at, (bytes, _)| Some(std::mem::replace(at, *at + bytes.len() as u64)));
        let expected: Vec<(u64, char)> = starts.zip(vectors.iter().map(|(_, c)| *c)).collect();
        for step in [1, 2, 3, 5, 1 << 20] {
            let mut input = TextInput::new(Box::new(Dribble::new(&body, step)), Charset::Gb18030, 1 << 20).unwrap();
            let (found, end) = characters(&mut input);
            assert!(end.is_ok(), "{:?}", end.err());
            assert_eq!(found, expected, "{step} bytes at a time");
        }
    }

    #[test]
    fn gb18030_is_written() {
        for (bytes, character) in gb18030_vectors() {
            let mut body = Vec::new();
            let mut output = TextOutput::new(Box::new(&mut body), Charset::Gb18030);
            output.write(&character.to_string()).unwrap();
            output.finish().unwrap();
            drop(output);
            assert_eq!(body, bytes, "{character:?}");
        }
    }

    #[test]
    fn what_a_charset_cannot_hold_is_refused() {
        for (label, text, bad) in [
            ("gb2312", "税务局", None),
            ("gb2312", "镕", Some('镕')),
            ("gb2312", "ⅰ", Some('ⅰ')),
            ("gbk", "镕基", None),
            ("gbk", "价格€5", Some('€')),
            ("gbk", "a😀", Some('😀')),
            ("gbk", "㐀", Some('㐀')),
            ("gb18030", "镕€😀㐀ä", None),
            // Two bytes of GBK that the 2022 edition gives to U+9FB4 and U+FE10, so that these are held.
            ("gbk", "\u{E81E}", Some('\u{E81E}')),
            ("gbk", "\u{E78D}", Some('\u{E78D}')),
            ("gbk", "\u{9FB4}\u{FE10}\u{E5E5}\u{E816}", None),
            ("gbk", "\u{20087}", Some('\u{20087}')),
            ("gb18030", "\u{E5E5}\u{E81E}\u{20087}", None),
            ("utf-16", "😀\u{E5E5}", None),
        ] {
            let mut output = TextOutput::new(Box::new(io::sink()), charset(label));
            let refused = output.write(text).err();
            match (bad, refused) {
                (None, None) => {}
                (Some(bad), Some(error)) => {
                    assert_eq!(error.code, FormatCode::CharacterUnmappable);
                    assert!(error.words.en.contains(&format!("{bad:?}")), "{label}, {text}: {error}");
                }
                (bad, refused) => panic!("{label}, {text}: expected {bad:?}, got {refused:?}"),
            }
        }
    }

    #[test]
    fn malformed_bytes_are_told_with_their_place() {
        for line in MALFORMED.lines() {
            let [label, hex, line_number, start] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let body = bytes(hex);
            for step in [1, 2, 3, 64] {
                let mut input = TextInput::new(Box::new(Dribble::new(&body, step)), charset(label), 1 << 20).unwrap();
                let error = characters(&mut input).1.unwrap_err();
                let found = (error.code, error.at.line.to_string(), error.at.byte.to_string());
                assert_eq!(found, (FormatCode::BytesUnmappable, line_number.to_owned(), start.to_owned()), "{line}: {error}");
            }
        }
    }

    #[test]
    fn charset_is_found() {
        for (body, expected) in [
            ("", "UTF-8"),
            ("<a/>", "UTF-8"),
            ("<?xml version='1.0'?>", "UTF-8"),
            ("<?xml version='1.0' encoding='gb2312'?>", "GB2312"),
            ("<?xml version=\"1.0\" encoding = \"GBK\" standalone='yes'?>", "GBK"),
            ("<?xml-stylesheet encoding='gbk'?>", "UTF-8"),
            ("<?xml version='1.0' encoding='gbk'", "UTF-8"),
            ("<a encoding='gbk'/>", "UTF-8"),
        ] {
            let input = TextInput::xml(Box::new(body.as_bytes()), None, 100).unwrap();
            assert_eq!(input.charset().label(), expected, "{body}");
        }
        let unknown = TextInput::xml(Box::new(&b"<?xml version='1.0' encoding='EBCDIC'?>"[..]), None, 100).err().unwrap();
        assert_eq!(unknown.code, FormatCode::CharsetUnknown);
        let forced = TextInput::xml(Box::new(&b"<?xml version='1.0' encoding='EBCDIC'?>"[..]), Some(Charset::Gbk), 100).unwrap();
        assert_eq!(forced.charset(), Charset::Gbk);
    }

    #[test]
    fn utf_16_is_known_with_and_without_its_mark() {
        for text in ["{\"名\":1}", "[1]", "name,金额\n𠮷,1\n", "<名/>"] {
            for mark in ["", "\u{FEFF}"] {
                let units: Vec<u16> = format!("{mark}{text}").encode_utf16().collect();
                for expected in [Charset::Utf16Le, Charset::Utf16Be] {
                    let bytes = |unit| if expected == Charset::Utf16Le { u16::to_le_bytes(unit) } else { u16::to_be_bytes(unit) };
                    let body: Vec<u8> = units.iter().copied().flat_map(bytes).collect();
                    let mut input = TextInput::new(Box::new(&body[..]), Charset::Gb18030, 1 << 20).unwrap();
                    let mut read = String::new();
                    input.read_to_string(&mut read).unwrap();
                    assert_eq!((read.as_str(), input.charset()), (text, expected), "{text:?}, mark {mark:?}");
                }
            }
        }
    }

    #[test]
    fn forbidden_characters_are_told_with_their_place() {
        let after_a_chunk = [&[b'a'; CHUNK_BYTES][..], b"\0b"].concat();
        for (body, in_xml, place) in [
            (&b"a\n\xE4\xB8\xADb\0c"[..], false, Some((2, 6))),
            (b"a\n\xE4\xB8\xADb\0c", true, Some((2, 6))),
            (b"a\x01b", true, Some((1, 1))),
            (b"a\x01b", false, None),
            // First of all that is decoded at a time, where nothing is left before it.
            (b"\0name,amount\n1,2\n", false, Some((1, 0))),
            (b"\x0E<a/>", true, Some((1, 0))),
            (&after_a_chunk, false, Some((1, CHUNK_BYTES as u64))),
            (b"a\xEF\xBF\xBF\x01", true, Some((1, 1))),
            (b"\xEF\xBF\xBDa\xEF\xBF\xBE", true, Some((1, 4))),
            (b"\xEF\xBD\x9E\t\r\n\x7F", true, None),
        ] {
            let source = Box::new(body);
            let input = if in_xml { TextInput::xml(source, None, 100) } else { TextInput::new(source, Charset::Utf8, 100) };
            let end = characters(&mut input.unwrap()).1;
            let found = end.err().map(|e| (e.code, e.at.line, e.at.byte));
            assert_eq!(found, place.map(|(line, byte)| (FormatCode::CharacterForbidden, line, byte)), "{body:?}");
        }
    }

    #[test]
    fn a_token_is_capped_while_it_is_read() {
        let body = vec![b'x'; 1 << 20];
        let mut input = TextInput::new(Box::new(&body[..]), Charset::Utf8, 100_000).unwrap();
        input.begin_token();
        let error = loop {
            match input.fill_buf() {
                Ok(text) => {
                    let length = text.len();
                    input.consume(length);
                }
                Err(error) => break FormatError::from_io(error, Position::default()),
            }
        };
        assert_eq!(error.code, FormatCode::TokenExceeded);
        assert!((100_000..100_000 + CHUNK_BYTES as u64).contains(&error.at.byte), "{error}");
    }

    #[test]
    fn shifts_without_text_are_not_held() {
        let body = [b"\x1B(B".repeat(1 << 20), b"a\x1B$)A\x0EIO\x0F.".to_vec()].concat();
        let mut input = TextInput::new(Box::new(&body[..]), Charset::Iso2022, 100).unwrap();
        assert_eq!(input.fill_buf().unwrap().first(), Some(&b'a'));
        assert_eq!(input.position().byte, 0);
        assert!(input.raw.capacity() < 4 * CHUNK_BYTES, "{}", input.raw.capacity());
        input.consume(1);
        assert_eq!(input.position().byte, (3 << 20) + 1);
        let mut text = String::new();
        input.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), input.position().byte), ("上.", body.len() as u64));
    }

    #[test]
    fn places_within_a_token() {
        for (label, body, text, bytes) in [
            ("utf-8", &b"\xE4\xB8\xADa."[..], "中a", 4),
            ("utf-16", b"\x4E\x2D\0a\xD8\x3D\xDE\x00\0.", "中a😀", 8),
            ("gb18030", b"\xD6\xD0a\x94\x39\xFC\x36\n.", "中a😀\n", 8),
            // Code page 936 has a euro sign of one byte.
            ("gbk", b"\x80\x80", "€€", 2),
        ] {
            let mut input = TextInput::new(Box::new(body), charset(label), 100).unwrap();
            input.read_to_string(&mut String::new()).unwrap();
            let after = input.position_after(Position { line: 1, byte: 0, column: 0 }, text);
            assert_eq!((after.line, after.byte), (1 + text.matches('\n').count() as u64, bytes), "{label}");
        }
    }
}
