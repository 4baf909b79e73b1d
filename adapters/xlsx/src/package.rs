//! The zip around a workbook: its entries, each a part that is read on its own.
//!
//! Everything that a body could choose is capped before the zip is opened: its bytes, which are held
//! in memory since a zip is read from its end; its entries; what they expand to, together and in
//! relation to their compressed size. An entry that expands to more than it says is damaged.

use bytes::Bytes;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use portolan_contract::{FormatCode, FormatError, Position};
use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use zip::{CompressionMethod, ZipArchive};

/// Bytes of a workbook as it is sent, held in memory while it is read.
pub const BODY_BYTES_MAX: u64 = 64 << 20;
/// Entries of its zip.
pub const ENTRIES_MAX: usize = 1_000;
/// Bytes that all entries expand to.
pub const EXPANDED_BYTES_MAX: u64 = 1 << 30;
/// How much larger than in the zip an entry may be, where it is larger than [`RATIO_FROM_BYTES`].
pub const RATIO_MAX: u64 = 200;
/// An entry that expands to no more than this may have any ratio.
pub const RATIO_FROM_BYTES: u64 = 1 << 20;

/// How each entry of a zip's directory begins.
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
/// How a compound file begins: an old binary workbook, or an encrypted one.
const COMPOUND_FILE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

/// A workbook's zip in memory.
pub struct Package {
    body: Bytes,
    /// By name in lower case, as the names of parts are compared.
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    end: usize,
    expanded_bytes: u64,
    is_deflated: bool,
    crc: u32,
}

impl Package {
    /// Reads a body whole and looks through its directory.
    ///
    /// # Errors
    /// What is no zip, is damaged, or is beyond a cap.
    pub fn open(input: &mut dyn Read) -> Result<Self, FormatError> {
        let mut body = Vec::new();
        input.take(BODY_BYTES_MAX + 1).read_to_end(&mut body).map_err(|e| FormatError::from_io(e, Position::default()))?;
        if body.len() as u64 > BODY_BYTES_MAX {
            let (zh, en) = (format!("工作簿超过 {BODY_BYTES_MAX} 字节"), format!("the workbook is larger than {BODY_BYTES_MAX} bytes"));
            return Err(error(FormatCode::RecordExceeded, zh, en));
        }
        refuse_other_kinds(&body)?;
        // No reading of the directory can give more entries than there are beginnings of one.
        if memchr::memmem::find_iter(&body, DIRECTORY_ENTRY).nth(ENTRIES_MAX).is_some() {
            let (zh, en) = (format!("压缩包内超过 {ENTRIES_MAX} 个文件"), format!("the zip holds more than {ENTRIES_MAX} files"));
            return Err(error(FormatCode::ExpansionExceeded, zh, en));
        }
        let body = Bytes::from(body);
        let mut archive = ZipArchive::new(Cursor::new(body.clone())).map_err(damaged)?;
        let mut package = Self { body, entries: HashMap::new() };
        for index in 0..archive.len() {
            package.add(&mut archive, index)?;
        }
        package.check_expansion()?;
        Ok(package)
    }

    /// Whether there is a part of this name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(&key(name))
    }

    /// The names of all parts, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// A part, expanded as it is read and checked against its size and checksum at its end.
    ///
    /// # Errors
    /// A part that is not there.
    pub fn part(&self, name: &str) -> Result<Box<dyn Read>, FormatError> {
        let entry =
            self.entries.get(&key(name)).copied().ok_or_else(|| {
                error(FormatCode::Syntax, format!("工作簿缺少部件 {name}"), format!("the workbook lacks its part {name}"))
            })?;
        let stored = Stored { body: self.body.clone(), at: entry.start, end: entry.end };
        let source: Box<dyn Read> = if entry.is_deflated { Box::new(DeflateDecoder::new(stored)) } else { Box::new(stored) };
        Ok(Box::new(Checked { source, left: entry.expanded_bytes, crc: Crc::new(), expected: entry.crc }))
    }

    fn add(&mut self, archive: &mut ZipArchive<Cursor<Bytes>>, index: usize) -> Result<(), FormatError> {
        let file = archive.by_index_raw(index).map_err(damaged)?;
        let name = file.name().map_err(damaged)?.into_owned();
        if name.ends_with('/') {
            return Ok(());
        }
        let is_deflated = match file.compression() {
            _ if file.encrypted() => {
                return Err(error(
                    FormatCode::NotThisMessage,
                    "压缩包已加密，请去除密码后报送",
                    "the zip is encrypted; send it without a password",
                ));
            }
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            _ => {
                let (zh, en) = (
                    format!("{name} 的压缩方式不受支持，请用表格软件重新保存"),
                    format!("{name} is compressed in a way that workbooks do not use; save it anew"),
                );
                return Err(error(FormatCode::Syntax, zh, en));
            }
        };
        let range = file.data_start().and_then(|start| Some((usize::try_from(start).ok()?, usize::try_from(file.compressed_size()).ok()?)));
        let range = range.and_then(|(start, length)| Some((start, start.checked_add(length).filter(|end| *end <= self.body.len())?)));
        let (start, end) = range.ok_or_else(truncated)?;
        let entry = Entry { start, end, expanded_bytes: file.size(), is_deflated, crc: file.crc32() };
        if self.entries.insert(key(&name), entry).is_some() {
            let (zh, en) = (format!("压缩包内 {name} 出现两次"), format!("the zip holds {name} twice"));
            return Err(error(FormatCode::Syntax, zh, en));
        }
        Ok(())
    }

    fn check_expansion(&self) -> Result<(), FormatError> {
        let beyond_ratio = |e: &Entry| e.expanded_bytes > RATIO_FROM_BYTES && e.expanded_bytes / RATIO_MAX > (e.end - e.start) as u64;
        let expanded = self.entries.values().fold(0_u64, |sum, e| sum.saturating_add(e.expanded_bytes));
        let compressed: usize = self.entries.values().map(|e| e.end - e.start).sum();
        if expanded > EXPANDED_BYTES_MAX || self.entries.values().any(beyond_ratio) {
            let (zh, en) = (
                format!("工作簿解压后超过 {EXPANDED_BYTES_MAX} 字节，或超过压缩前大小的 {RATIO_MAX} 倍"),
                format!(
                    "the workbook expands to more than {EXPANDED_BYTES_MAX} bytes, or a part of it to more than {RATIO_MAX} times its size"
                ),
            );
            return Err(error(FormatCode::ExpansionExceeded, zh, en));
        }
        if compressed > self.body.len() {
            return Err(error(FormatCode::ExpansionExceeded, "压缩包内的文件互相重叠", "files of the zip overlap"));
        }
        Ok(())
    }
}

/// An entry's bytes in the zip.
struct Stored {
    body: Bytes,
    at: usize,
    end: usize,
}

impl Read for Stored {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut left = self.body.get(self.at..self.end).unwrap_or_default();
        let read = left.read(out)?;
        self.at += read;
        Ok(read)
    }
}

/// An entry's text, no longer than it says and with the checksum that it says.
struct Checked {
    source: Box<dyn Read>,
    left: u64,
    crc: Crc,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let read = self.source.read(out).map_err(|_| io::Error::from(damaged("deflate")))?;
        let bytes = out.get(..read).unwrap_or_default();
        self.crc.update(bytes);
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::from(damaged("size")))?;
        if read == 0 && (self.left > 0 || self.crc.sum() != self.expected) {
            return Err(damaged("checksum").into());
        }
        Ok(read)
    }
}

/// Says what else a body is that is no workbook of this kind.
fn refuse_other_kinds(body: &[u8]) -> Result<(), FormatError> {
    let (zh, en) = match body {
        [] => return Err(error(FormatCode::Truncated, "文件为空", "the file is empty")),
        [b'P', b'K', 3, 4, ..] => return Ok(()),
        _ if body.starts_with(COMPOUND_FILE) && has_utf16(body, "EncryptedPackage") => {
            ("工作簿设有打开密码，请去除密码后报送", "the workbook is encrypted; save it without a password")
        }
        _ if body.starts_with(COMPOUND_FILE) => {
            ("这是旧版 .xls 工作簿，请另存为 .xlsx 后报送", "this is an old binary workbook (.xls); save it as .xlsx")
        }
        _ if std::str::from_utf8(body.get(..32).unwrap_or(body)).is_ok() || body.starts_with(b"\xEF\xBB\xBF") => (
            "这是文本文件，不是 .xlsx 工作簿；更改扩展名不会改变格式，请另存为 .xlsx",
            "this is a text file and no .xlsx workbook; a new extension changes no format: save it as .xlsx",
        ),
        _ => ("不是 .xlsx 工作簿，请另存为 .xlsx 后报送", "this is no .xlsx workbook; save it as .xlsx"),
    };
    Err(error(FormatCode::NotThisMessage, zh, en))
}

fn has_utf16(body: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    memchr::memmem::find(body, &wide).is_some()
}

fn key(name: &str) -> String {
    name.trim_start_matches('/').replace('\\', "/").to_ascii_lowercase()
}

fn truncated() -> FormatError {
    error(FormatCode::Truncated, "压缩包不完整，文件可能在传送中被截断", "the zip is not whole; the file may have been cut off")
}

fn damaged(why: impl std::fmt::Display) -> FormatError {
    let (zh, en) = (format!("压缩包损坏或不完整：{why}"), format!("the zip is damaged or not whole: {why}"));
    error(FormatCode::Truncated, zh, en)
}

/// An error of the workbook as a whole, which stands at no place.
pub fn error(code: FormatCode, zh: impl Into<String>, en: impl Into<String>) -> FormatError {
    FormatError::new(code, Position::default(), zh, en)
}
