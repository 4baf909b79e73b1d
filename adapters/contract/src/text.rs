//! Text in and out: charsets, positions, and caps that hold while a token is being read.

use crate::error::{FormatCode, FormatError};
use crate::record::Position;
use encoding_rs::{Decoder, DecoderResult, Encoder, EncoderResult, Encoding, GB18030, GBK, UTF_16BE, UTF_16LE};
use std::io::{self, BufRead, Read, Write};

/// Bytes read from the source at a time.
const CHUNK_BYTES: usize = 32 * 1024;
/// Bytes looked at to find a byte order mark or an XML declaration.
const SNIFF_BYTES: usize = 1024;

/// The charsets of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Charset {
    /// UTF-8, RFC 3629.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little end first.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, big end first; also what a bare `UTF-16` means (RFC 2781) where no mark says else.
    #[serde(rename = "utf-16be", alias = "utf-16")]
    Utf16Be,
    /// GB 18030, four-byte characters included.
    #[serde(rename = "gb18030")]
    Gb18030,
    /// Read as GB 18030, of which it is a part; written in two bytes or not at all.
    #[serde(rename = "gbk")]
    Gbk,
    /// Read as GB 18030, of which it is a part; written within GB/T 2312 or not at all.
    #[serde(rename = "gb2312")]
    Gb2312,
}

impl Charset {
    /// The charset of a label as it stands in an XML declaration or a configuration.
    pub fn from_label(label: &str) -> Option<Self> {
        Some(match label.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Self::Utf8,
            "utf-16le" => Self::Utf16Le,
            "utf-16" | "utf-16be" => Self::Utf16Be,
            "gb18030" | "gb18030-2022" | "gb_18030" => Self::Gb18030,
            "gbk" | "cp936" | "ms936" | "windows-936" => Self::Gbk,
            "gb2312" | "gb_2312-80" | "euc-cn" => Self::Gb2312,
            _ => return None,
        })
    }

    /// The registered (IANA) name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Gb18030 => "GB18030",
            Self::Gbk => "GBK",
            Self::Gb2312 => "GB2312",
        }
    }

    fn decoder(self) -> Option<Decoder> {
        let encoding: &'static Encoding = match self {
            Self::Utf8 => return None,
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
            Self::Gb18030 | Self::Gbk | Self::Gb2312 => GB18030,
        };
        Some(encoding.new_decoder_without_bom_handling())
    }
}

/// A body as UTF-8 text, with the place of every byte in the body as it was sent.
///
/// As a [`BufRead`] it hands out valid UTF-8 (whole characters in each buffer), without a byte
/// order mark. NUL is refused here, once for all formats. Errors are [`FormatError`]s inside
/// [`io::Error`]s; [`FormatError::from_io`] gets them out.
pub struct TextInput<'a> {
    source: Box<dyn Read + 'a>,
    charset: Charset,
    decoder: Option<Decoder>,
    /// Bytes read and not yet decoded.
    raw: Vec<u8>,
    /// Decoded text; `text[taken..]` is not yet consumed.
    text: Vec<u8>,
    taken: usize,
    /// Source offset of the first byte of `raw`.
    raw_offset: u64,
    at: Position,
    ended: bool,
    /// What is wrong right after `text`, told once `text` is used up.
    failed: Option<FormatError>,
    token_left: usize,
    token_max: usize,
    gb: Encoder,
}

impl<'a> TextInput<'a> {
    /// Text in the given charset, unless a byte order mark says otherwise.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(source: Box<dyn Read + 'a>, charset: Charset, token_bytes_max: usize) -> Result<Self, FormatError> {
        let mut input = Self::unstarted(source, token_bytes_max);
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
        let mut input = Self::unstarted(source, token_bytes_max);
        let charset = match (input.sniff()?, forced) {
            (Some(marked), _) => marked,
            (None, Some(forced)) => forced,
            (None, None) => input.declared()?,
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
        self.at
    }

    /// A token begins: its bytes are counted from here, and reading fails beyond the cap.
    pub fn begin_token(&mut self) {
        self.token_left = self.token_max;
    }

    fn unstarted(source: Box<dyn Read + 'a>, token_max: usize) -> Self {
        Self {
            source,
            charset: Charset::Utf8,
            decoder: None,
            raw: Vec::with_capacity(CHUNK_BYTES + 4),
            text: Vec::new(),
            taken: 0,
            raw_offset: 0,
            at: Position { line: 1, byte: 0, column: 0 },
            ended: false,
            failed: None,
            token_left: token_max,
            token_max,
            gb: GB18030.new_encoder(),
        }
    }

    fn start(&mut self, charset: Charset) {
        self.charset = charset;
        self.decoder = charset.decoder();
    }

    /// Reads the start of the source; takes a byte order mark off and says which it was.
    fn sniff(&mut self) -> Result<Option<Charset>, FormatError> {
        while self.raw.len() < SNIFF_BYTES && !self.ended {
            self.read_raw(SNIFF_BYTES).map_err(|e| FormatError::from_io(e, self.at))?;
        }
        let (charset, length) = match self.raw.as_slice() {
            [0xEF, 0xBB, 0xBF, ..] => (Charset::Utf8, 3),
            [0xFF, 0xFE, ..] => (Charset::Utf16Le, 2),
            [0xFE, 0xFF, ..] => (Charset::Utf16Be, 2),
            [0x84, 0x31, 0x95, 0x33, ..] => (Charset::Gb18030, 4),
            [b'<', 0, ..] => return Ok(Some(Charset::Utf16Le)),
            [0, b'<', ..] => return Ok(Some(Charset::Utf16Be)),
            _ => return Ok(None),
        };
        self.raw.drain(..length);
        self.raw_offset = length as u64;
        self.at.byte = length as u64;
        Ok(Some(charset))
    }

    /// The charset that an XML declaration names; UTF-8 where there is none.
    fn declared(&self) -> Result<Charset, FormatError> {
        let head = String::from_utf8_lossy(&self.raw[..self.raw.len().min(SNIFF_BYTES)]);
        let Some(declaration) = head.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map(|(d, _)| d) else {
            return Ok(Charset::Utf8);
        };
        let Some(after) = declaration.split_once("encoding").map(|(_, a)| a.trim_start()) else { return Ok(Charset::Utf8) };
        let after = after.strip_prefix('=').unwrap_or(after).trim_start();
        let label = after.get(1..).unwrap_or("").split(['"', '\'']).next().unwrap_or("");
        Charset::from_label(label).ok_or_else(|| {
            FormatError::new(
                FormatCode::CharsetUnknown,
                self.at,
                format!("不支持的字符集 {label:?}；可用 UTF-8、UTF-16、GB18030、GBK、GB2312"),
                format!("charset {label:?} is not known; use UTF-8, UTF-16, GB18030, GBK or GB2312"),
            )
        })
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
        self.text.clear();
        self.taken = 0;
        while self.text.is_empty() {
            if let Some(error) = self.failed.take() {
                return Err(error.into());
            }
            if self.ended && self.raw.is_empty() {
                return Ok(());
            }
            if !self.ended {
                let want = CHUNK_BYTES.saturating_sub(self.raw.len()).max(1024);
                self.read_raw(want)?;
            }
            self.decode();
        }
        self.refuse_nul();
        Ok(())
    }

    fn decode(&mut self) {
        let taken = match &mut self.decoder {
            None => Self::decode_utf8(&self.raw, self.ended, &mut self.text),
            Some(decoder) => Self::decode_other(decoder, &self.raw, self.ended, &mut self.text),
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err((taken, bad)) => {
                self.failed = Some(self.unmappable(taken, bad));
                self.ended = true;
                self.raw.len()
            }
        };
        self.raw.drain(..taken);
        self.raw_offset += taken as u64;
    }

    /// Appends whole characters to `text`; gives bytes taken, or where the bad bytes begin and how
    /// many they are.
    fn decode_utf8(raw: &[u8], ended: bool, text: &mut Vec<u8>) -> Result<usize, (usize, usize)> {
        match std::str::from_utf8(raw) {
            Ok(_) => {
                text.extend_from_slice(raw);
                Ok(raw.len())
            }
            Err(e) => {
                text.extend_from_slice(&raw[..e.valid_up_to()]);
                match e.error_len() {
                    None if !ended => Ok(e.valid_up_to()),
                    None => Err((e.valid_up_to(), raw.len() - e.valid_up_to())),
                    Some(bad) => Err((e.valid_up_to(), bad)),
                }
            }
        }
    }

    fn decode_other(decoder: &mut Decoder, raw: &[u8], ended: bool, text: &mut Vec<u8>) -> Result<usize, (usize, usize)> {
        let room = decoder.max_utf8_buffer_length_without_replacement(raw.len()).unwrap_or(raw.len() * 3 + 16);
        let start = text.len();
        text.resize(start + room, 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(raw, &mut text[start..], ended);
        text.truncate(start + written);
        match result {
            DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(read),
            DecoderResult::Malformed(bad, beyond) => {
                let bad = usize::from(bad);
                Err((read.saturating_sub(bad + usize::from(beyond)), bad))
            }
        }
    }

    fn unmappable(&self, start: usize, length: usize) -> FormatError {
        let bytes: Vec<String> = self.raw[start..].iter().take(length).map(|b| format!("{b:02X}")).collect();
        let (bytes, charset, offset) = (bytes.join(" "), self.charset.label(), self.raw_offset + start as u64);
        let line = self.at.line + memchr::memchr_iter(b'\n', &self.text[self.taken..]).count() as u64;
        FormatError::new(
            FormatCode::BytesUnmappable,
            Position { line, byte: offset, column: 0 },
            format!("字节 {bytes} 不是 {charset} 字符"),
            format!("the bytes {bytes} are no character of {charset}"),
        )
    }

    fn refuse_nul(&mut self) {
        let Some(nul) = memchr::memchr(0, &self.text) else { return };
        self.text.truncate(nul);
        let mut at = self.at;
        self.advance(&mut at, 0, nul);
        self.failed = Some(FormatError::new(
            FormatCode::CharacterForbidden,
            at,
            "正文含有 NUL（U+0000）字符",
            "the body holds a NUL character (U+0000)",
        ));
        self.ended = true;
        self.raw.clear();
    }

    /// Moves a position over `text[from..to]`.
    fn advance(&mut self, at: &mut Position, from: usize, to: usize) {
        let text = &self.text[from..to];
        at.line += memchr::memchr_iter(b'\n', text).count() as u64;
        at.byte += match self.charset {
            Charset::Utf8 => text.len() as u64,
            Charset::Utf16Le | Charset::Utf16Be => text.iter().map(|&b| utf16_bytes(b)).sum(),
            Charset::Gb18030 | Charset::Gbk | Charset::Gb2312 => gb_bytes(&mut self.gb, text),
        };
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
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.token_left == 0 {
            let max = self.token_max;
            return Err(FormatError::new(
                FormatCode::TokenExceeded,
                self.at,
                format!("单个标记、文本或单元格超过 {max} 字节"),
                format!("one tag, text or cell is larger than {max} bytes"),
            )
            .into());
        }
        if self.taken >= self.text.len() {
            self.refill()?;
        }
        Ok(&self.text[self.taken..])
    }

    fn consume(&mut self, bytes: usize) {
        let to = (self.taken + bytes).min(self.text.len());
        let mut at = self.at;
        self.advance(&mut at, self.taken, to);
        self.at = at;
        self.token_left = self.token_left.saturating_sub(bytes);
        self.taken = to;
    }
}

/// Bytes in UTF-16 of the character that begins with this UTF-8 byte; none for one that goes on.
fn utf16_bytes(lead: u8) -> u64 {
    match lead {
        0x80..=0xBF => 0,
        0xF0..=0xFF => 4,
        _ => 2,
    }
}

/// Bytes that UTF-8 text takes in GB 18030. A character cut by the end counts with its lead byte.
fn gb_bytes(encoder: &mut Encoder, text: &[u8]) -> u64 {
    let mut bytes = 0;
    let mut scratch = [0; 8];
    let mut rest = text;
    while let Some(&lead) = rest.first() {
        let length = match lead {
            0x00..=0x7F => {
                let run = rest.iter().position(|b| !b.is_ascii()).unwrap_or(rest.len());
                bytes += run as u64;
                run
            }
            0x80..=0xBF => 1,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
        };
        let (character, after) = rest.split_at(length.min(rest.len()));
        if !lead.is_ascii()
            && let Ok(character) = std::str::from_utf8(character)
        {
            let (_, _, written) = encoder.encode_from_utf8_without_replacement(character, &mut scratch, false);
            bytes += written as u64;
        }
        rest = after;
    }
    bytes
}

/// Text going out in a charset. A character that the charset cannot hold is an error, never a `?`.
pub struct TextOutput<'a> {
    output: Box<dyn Write + 'a>,
    charset: Charset,
    buffer: Vec<u8>,
    written: u64,
}

impl<'a> TextOutput<'a> {
    /// Text to `output` in `charset`, without a byte order mark.
    pub fn new(output: Box<dyn Write + 'a>, charset: Charset) -> Self {
        Self { output, charset, buffer: Vec::with_capacity(CHUNK_BYTES), written: 0 }
    }

    /// Writes a byte order mark.
    ///
    /// # Errors
    /// I/O faults.
    pub fn byte_order_mark(&mut self) -> Result<(), FormatError> {
        let mark: &[u8] = match self.charset {
            Charset::Utf8 => &[0xEF, 0xBB, 0xBF],
            Charset::Utf16Le => &[0xFF, 0xFE],
            Charset::Utf16Be => &[0xFE, 0xFF],
            Charset::Gb18030 => &[0x84, 0x31, 0x95, 0x33],
            Charset::Gbk | Charset::Gb2312 => &[],
        };
        self.buffer.extend_from_slice(mark);
        Ok(())
    }

    /// Writes text.
    ///
    /// # Errors
    /// I/O faults, and a character that the charset cannot hold.
    pub fn write(&mut self, text: &str) -> Result<(), FormatError> {
        match self.charset {
            Charset::Utf8 => self.buffer.extend_from_slice(text.as_bytes()),
            Charset::Utf16Le => self.buffer.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
            Charset::Utf16Be => self.buffer.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
            Charset::Gb18030 | Charset::Gbk | Charset::Gb2312 => self.write_gb(text)?,
        }
        if self.buffer.len() >= CHUNK_BYTES { self.drain() } else { Ok(()) }
    }

    /// Hands everything to the output and flushes it.
    ///
    /// # Errors
    /// I/O faults.
    pub fn finish(&mut self) -> Result<(), FormatError> {
        self.drain()?;
        self.output.flush().map_err(|e| FormatError::from_io(e, self.position()))
    }

    fn position(&self) -> Position {
        Position { line: 0, byte: self.written + self.buffer.len() as u64, column: 0 }
    }

    fn drain(&mut self) -> Result<(), FormatError> {
        self.output.write_all(&self.buffer).map_err(|e| FormatError::from_io(e, self.position()))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn write_gb(&mut self, text: &str) -> Result<(), FormatError> {
        let encoding = if self.charset == Charset::Gb18030 { GB18030 } else { GBK };
        let start = self.buffer.len();
        self.buffer.resize(start + text.len() * 2 + 16, 0);
        let (result, read, written) = encoding.new_encoder().encode_from_utf8_without_replacement(text, &mut self.buffer[start..], true);
        self.buffer.truncate(start + written);
        if let EncoderResult::Unmappable(character) = result {
            return Err(self.cannot_hold(character));
        }
        debug_assert_eq!(read, text.len());
        if self.charset == Charset::Gb2312
            && let Some(character) = text.chars().find(|c| !in_gb2312(*c))
        {
            self.buffer.truncate(start);
            return Err(self.cannot_hold(character));
        }
        Ok(())
    }

    fn cannot_hold(&self, character: char) -> FormatError {
        let (code, charset) = (character as u32, self.charset.label());
        FormatError::new(
            FormatCode::CharacterUnmappable,
            self.position(),
            format!("{charset} 无法表示字符 {character:?}（U+{code:04X}）"),
            format!("{charset} cannot hold the character {character:?} (U+{code:04X})"),
        )
    }
}

/// Whether a character is in GB/T 2312: ASCII, or both bytes from A1 in rows 01–09 and 16–87.
fn in_gb2312(character: char) -> bool {
    if character.is_ascii() {
        return true;
    }
    let mut utf8 = [0; 4];
    let mut bytes = [0; 8];
    let (_, _, written) = GBK.new_encoder().encode_from_utf8_without_replacement(character.encode_utf8(&mut utf8), &mut bytes, true);
    written == 2 && bytes[1] >= 0xA1 && matches!(bytes[0], 0xA1..=0xA9 | 0xB0..=0xF7)
}
