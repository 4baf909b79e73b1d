//! multipart/form-data (RFC 7578) and multipart/mixed (RFC 2046): the body of a request with files.
//!
//! The first line is the boundary, so that a body that was kept can be read again without its
//! request; a preamble is refused, and so is anything but blanks after the end. A part is called by
//! its file name, else by the name of its field. Parts that are encoded once more or hold parts of
//! their own are refused. It is read by hand: what there is for it is asynchronous, and a boundary
//! and a few header lines are all there is to it.

pub(super) mod write;

use super::names::{Members, NAME_BYTES_MAX, Names};
use super::{Parts, damaged, of_container, skip_rest};
use crate::http::query::percent_decoded_strictly;
use memchr::memmem;
use portolan_contract::{FormatCode, FormatError, Limits, Position};
use std::io::{self, Read};

/// Bytes read from the body at a time.
const CHUNK_BYTES: usize = 32 * 1024;
/// Characters of a boundary (RFC 2046, 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;
/// Bytes of the header lines of one part.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// A multipart body that is being read.
pub(super) struct Multipart<'a> {
    input: Box<dyn Read + 'a>,
    names: Names<'a>,
    /// The boundary as it stands between parts: a line break, `--` and the text.
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    /// `buffer[..at]` has been handed on.
    at: usize,
    /// So many bytes from there belong to the part.
    free: usize,
    /// Offset of `buffer[at]` in the body.
    offset: u64,
    stage: Stage,
    /// Parts so far.
    count: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    /// Within a part.
    Part,
    /// Within a part whose end stands right after the free bytes.
    LastOfPart,
    /// After a boundary.
    Between,
    Over,
}

/// What the header lines of a part say.
#[derive(Default)]
struct Header {
    name: Option<String>,
    file: Option<String>,
}

impl<'a> Multipart<'a> {
    pub(super) fn new(input: Box<dyn Read + 'a>, members: &'a Members, limits: &Limits) -> Self {
        let names = Names::new(members, limits.members_max);
        let (buffer, stage) = (Vec::with_capacity(2 * CHUNK_BYTES), Stage::Start);
        Self { input, names, delimiter: Vec::new(), buffer, at: 0, free: 0, offset: 0, stage, count: 0 }
    }

    /// The first line, which is the boundary.
    fn begin(&mut self) -> Result<(), FormatError> {
        let line = self.line(BOUNDARY_CHARS_MAX + 4)?;
        let boundary = line.as_deref().and_then(|line| line.strip_prefix(b"--")).filter(|b| {
            (1..=BOUNDARY_CHARS_MAX).contains(&b.len()) && b.iter().all(|c| c.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(c))
        });
        let Some(boundary) = boundary else {
            return Err(damaged(
                0,
                "multipart 报文第一行应为以 -- 开头的分隔行",
                "the first line of a multipart body is its boundary, which begins with --",
            ));
        };
        self.delimiter = [b"\r\n--", boundary].concat();
        self.stage = Stage::Between;
        Ok(())
    }

    /// After a boundary: the header of the next part, or the end; `false` for that.
    fn header(&mut self) -> Result<Option<Header>, FormatError> {
        let mut header = Header::default();
        let mut left = HEADER_BYTES_MAX;
        loop {
            let at = self.offset;
            let line = self.line(left)?.ok_or_else(|| {
                let (zh, en) = ("部分的头部过长或中断", "the header of a part is too long or breaks off");
                damaged(at, zh, en)
            })?;
            if line.is_empty() {
                return Ok(Some(header));
            }
            left = left.saturating_sub(line.len() + 2);
            header.line(&line, at)?;
        }
    }

    /// A line without its end; `None` where there is none within so many bytes.
    fn line(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, FormatError> {
        loop {
            let held = &self.buffer[self.at..];
            if let Some(end) = memmem::find(&held[..held.len().min(bytes_max)], b"\r\n") {
                let line = held[..end].to_vec();
                self.take(end + 2);
                return Ok(Some(line));
            }
            if held.len() >= bytes_max || !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn take(&mut self, bytes: usize) {
        self.at += bytes;
        self.offset += bytes as u64;
    }

    /// Reads more; `false` at the end of the body.
    fn fill(&mut self) -> Result<bool, FormatError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + CHUNK_BYTES, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[held..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        read.map(|read| read > 0).map_err(|e| FormatError::from_io(e, Position::default()))
    }

    /// Finds how much of what is held belongs to the part.
    fn look(&mut self) -> Result<(), FormatError> {
        loop {
            let held = &self.buffer[self.at..];
            if let Some(end) = memmem::find(held, &self.delimiter) {
                (self.free, self.stage) = (end, Stage::LastOfPart);
                return Ok(());
            }
            self.free = (held.len() + 1).saturating_sub(self.delimiter.len());
            if self.free > 0 {
                return Ok(());
            }
            if !self.fill()? {
                let (zh, en) =
                    ("multipart 报文在此中断，缺少结束分隔行", "the multipart body breaks off here, without its closing boundary");
                return Err(damaged(self.offset + (self.buffer.len() - self.at) as u64, zh, en));
            }
        }
    }

    /// After the last part: nothing but blanks.
    fn end(&mut self) -> Result<(), FormatError> {
        loop {
            let held = &self.buffer[self.at..];
            if let Some(other) = held.iter().position(|b| !b.is_ascii_whitespace()) {
                let (zh, en) = ("multipart 报文结束之后还有内容", "there is something after the end of the multipart body");
                return Err(damaged(self.offset + other as u64, zh, en));
            }
            self.take(held.len());
            if !self.fill()? {
                self.stage = Stage::Over;
                return Ok(());
            }
        }
    }

    /// Whether two dashes stand after a boundary: it was the last.
    fn is_last(&mut self) -> Result<bool, FormatError> {
        while self.buffer.len() - self.at < 2 {
            if !self.fill()? {
                return Err(damaged(self.offset, "multipart 报文在分隔行中断", "the multipart body breaks off in a boundary"));
            }
        }
        match &self.buffer[self.at..self.at + 2] {
            b"--" => Ok(true),
            b"\r\n" => Ok(false),
            _ => Err(damaged(self.offset, "分隔行之后应为换行或 --", "a boundary is followed by a line break or --")),
        }
    }
}

impl Parts for Multipart<'_> {
    fn next(&mut self) -> Result<Option<String>, FormatError> {
        if self.stage == Stage::Start {
            self.begin()?;
        } else if self.stage != Stage::Over {
            skip_rest(self)?;
        }
        while self.stage == Stage::Between {
            if self.count > 0 {
                let is_last = self.is_last()?;
                self.take(2);
                if is_last {
                    self.end()?;
                    break;
                }
            }
            let at = self.offset;
            let Some(header) = self.header()? else { break };
            self.count += 1;
            self.stage = Stage::Part;
            let name = header.file.or(header.name).unwrap_or_else(|| format!("part-{}", self.count));
            if self.names.take(&name, at)? {
                return Ok(Some(name));
            }
            skip_rest(self)?;
        }
        Ok(None)
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.free == 0 && self.stage == Stage::Part {
            self.look()?;
        }
        if self.free == 0 && self.stage == Stage::LastOfPart {
            self.take(self.delimiter.len());
            self.stage = Stage::Between;
        }
        let got = out.len().min(self.free);
        out[..got].copy_from_slice(&self.buffer[self.at..self.at + got]);
        self.take(got);
        self.free -= got;
        Ok(got)
    }
}

impl Header {
    fn line(&mut self, line: &[u8], at: u64) -> Result<(), FormatError> {
        let text =
            std::str::from_utf8(line).map_err(|_| damaged(at, "部分的头部不是 UTF-8 文本", "the header of a part is no UTF-8 text"))?;
        let Some((field, value)) = text.split_once(':') else {
            return Err(damaged(at, "部分的头部不是“名: 值”", "a line in the header of a part is no field with a value"));
        };
        let value = value.trim();
        match field.to_ascii_lowercase().as_str() {
            "content-disposition" => self.disposition(value, at),
            "content-transfer-encoding" if !["7bit", "8bit", "binary"].contains(&value.to_ascii_lowercase().as_str()) => Err(of_container(
                FormatCode::ContainerUnsupported,
                at,
                format!("不支持 Content-Transfer-Encoding {value:?}；请直接传送文件内容"),
                format!("the Content-Transfer-Encoding {value:?} is not supported; send the file as it is"),
            )),
            "content-type" if value.to_ascii_lowercase().starts_with("multipart/") => Err(of_container(
                FormatCode::ContainerNested,
                at,
                "部分本身又是 multipart，超出映射所说明的层数",
                "a part is itself multipart, deeper than the mapping says",
            )),
            _ => Ok(()),
        }
    }

    fn disposition(&mut self, value: &str, at: u64) -> Result<(), FormatError> {
        let bad = || of_container(FormatCode::MemberName, at, "部分的名称无法读取", "the name of a part cannot be read");
        let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
        while let Some((key, after)) = rest.split_once('=') {
            let (text, after) = parameter(after).ok_or_else(bad)?;
            match key.trim().to_ascii_lowercase().as_str() {
                "name" => self.name = Some(text),
                // The plain one is for those who do not know the other (RFC 6266, 4.3).
                "filename" => self.file = self.file.take().or(Some(text)),
                "filename*" => self.file = Some(extended(&text).ok_or_else(bad)?),
                _ => {}
            }
            rest = after;
        }
        let too_long = [&self.name, &self.file].into_iter().flatten().any(|name| name.len() > NAME_BYTES_MAX);
        if too_long { Err(bad()) } else { Ok(()) }
    }
}

/// A parameter's value, a token or quoted, and what comes after it.
fn parameter(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = text.split_once(';').unwrap_or((text, ""));
        return Some((token.trim().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted[at + 1..].trim_start().trim_start_matches(';'))),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// A value with its charset and language (RFC 8187): UTF-8 alone.
fn extended(text: &str) -> Option<String> {
    let (charset, encoded) = text.split_once('\'').and_then(|(charset, rest)| Some((charset, rest.split_once('\'')?.1)))?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    String::from_utf8(percent_decoded_strictly(encoded)?).ok()
}
