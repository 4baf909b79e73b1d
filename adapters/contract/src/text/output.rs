//! Text going out: every character in the body's charset, or an error.

use super::CHUNK_BYTES;
use crate::charset::{Charset, UpperHalf};
use crate::error::{FormatCode, FormatError};
use crate::gb18030;
use crate::iso2022::{self, Shift};
use crate::record::Position;
use std::io::Write;

/// Text going out in a charset. A character that the charset cannot hold is an error, never a `?`.
pub struct TextOutput<'a> {
    output: Box<dyn Write + 'a>,
    charset: Charset,
    upper: Option<Box<UpperHalf>>,
    shift: Shift,
    buffer: Vec<u8>,
    written: u64,
}

impl<'a> TextOutput<'a> {
    /// Text to `output` in `charset`, without a byte order mark.
    pub fn new(output: Box<dyn Write + 'a>, charset: Charset) -> Self {
        Self { output, charset, upper: charset.upper_half(), shift: Shift::default(), buffer: Vec::with_capacity(CHUNK_BYTES), written: 0 }
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
            _ => &[],
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
            Charset::Gb18030 => self.write_gb(text, gb18030::Part::Whole)?,
            Charset::Gbk => self.write_gb(text, gb18030::Part::Gbk)?,
            Charset::Gb2312 => self.write_gb(text, gb18030::Part::Gb2312)?,
            Charset::Iso2022 => self.write_shifted(text)?,
            _ => self.write_single(text)?,
        }
        if self.buffer.len() >= CHUNK_BYTES { self.drain() } else { Ok(()) }
    }

    /// Hands everything to the output and flushes it.
    ///
    /// # Errors
    /// I/O faults.
    pub fn finish(&mut self) -> Result<(), FormatError> {
        iso2022::end(&mut self.shift, &mut self.buffer);
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

    fn write_gb(&mut self, text: &str, part: gb18030::Part) -> Result<(), FormatError> {
        gb18030::encode(text, part, &mut self.buffer).map_err(|character| self.cannot_hold(character))
    }

    fn write_shifted(&mut self, text: &str) -> Result<(), FormatError> {
        iso2022::encode(&mut self.shift, text, &mut self.buffer).map_err(|character| self.cannot_hold(character))
    }

    fn write_single(&mut self, text: &str) -> Result<(), FormatError> {
        for character in text.chars() {
            let byte = match (u8::try_from(character), &self.upper) {
                (Ok(byte), _) if byte.is_ascii() => Some(byte),
                (_, Some(upper)) => upper.iter().position(|c| *c == character).map(|index| 0x80 | index as u8),
                _ => None,
            };
            match byte.filter(|_| character != char::REPLACEMENT_CHARACTER) {
                Some(byte) => self.buffer.push(byte),
                None => return Err(self.cannot_hold(character)),
            }
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
