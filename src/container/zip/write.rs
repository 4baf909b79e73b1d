//! Writes an archive of one member.

use super::{DEFLATED, DESCRIPTOR, END, ENTRY, FLAG_DESCRIPTOR, FLAG_UTF_8, LOCAL};
use crate::container::{Close, Writer};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use portolan_contract::{Bound, Charset, FormatCode, FormatError, Position, RawRecord, TextOutput, WriteRecords};
use std::io::{self, Write};

/// The version of the format that deflate needs: 2.0.
const VERSION: u16 = 20;
/// 1980-01-01, the first day that the format knows.
const FIRST_DAY: u16 = 1 << 5 | 1;

pub(in crate::container) fn writer<'a>(
    output: Box<dyn Write + 'a>,
    name: &str,
    charset: Charset,
    inner: &'a dyn Bound,
    head: &RawRecord,
) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
    let name = encoded(name, charset)?;
    let flags = FLAG_DESCRIPTOR | if charset == Charset::Utf8 && !name.is_ascii() { FLAG_UTF_8 } else { 0 };
    let mut output = Counted { output, bytes: 0 };
    let mut header = LOCAL.to_le_bytes().to_vec();
    shorts(&mut header, &[VERSION, flags, DEFLATED, 0, FIRST_DAY]);
    words(&mut header, &[0, 0, 0]);
    shorts(&mut header, &[name.len() as u16, 0]);
    header.extend(&name);
    output.write_all(&header).map_err(|e| FormatError::from_io(e, Position::default()))?;
    let head_bytes = output.bytes;
    let member =
        Member { encoder: DeflateEncoder::new(output, Compression::default()), name, flags, head_bytes, crc: Crc::new(), bytes: 0 };
    Ok(Box::new(Writer::begin(member, inner, head)?))
}

/// A member's name as it is written.
///
/// # Errors
/// A name that the charset cannot hold.
pub(in crate::container) fn encoded(name: &str, charset: Charset) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    let mut output = TextOutput::new(Box::new(&mut bytes), charset);
    output.write(name).and_then(|()| output.finish())?;
    drop(output);
    Ok(bytes)
}

struct Counted<'a> {
    output: Box<dyn Write + 'a>,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// The one member.
struct Member<'a> {
    encoder: DeflateEncoder<Counted<'a>>,
    name: Vec<u8>,
    flags: u16,
    head_bytes: u64,
    crc: Crc,
    bytes: u64,
}

impl Write for Member<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.crc.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Close for Member<'_> {
    fn close(&mut self) -> io::Result<()> {
        self.encoder.try_finish()?;
        let output = self.encoder.get_mut();
        let packed_bytes = output.bytes - self.head_bytes;
        let (Ok(packed_bytes), Ok(bytes)) = (u32::try_from(packed_bytes), u32::try_from(self.bytes)) else {
            return Err(too_large().into());
        };
        let sizes = [self.crc.sum(), packed_bytes, bytes];
        let mut end = DESCRIPTOR.to_le_bytes().to_vec();
        words(&mut end, &sizes);
        let Ok(start) = u32::try_from(output.bytes + end.len() as u64) else { return Err(too_large().into()) };
        let entry = end.len();
        end.extend(ENTRY.to_le_bytes());
        shorts(&mut end, &[VERSION, VERSION, self.flags, DEFLATED, 0, FIRST_DAY]);
        words(&mut end, &sizes);
        shorts(&mut end, &[self.name.len() as u16, 0, 0, 0, 0]);
        words(&mut end, &[0, 0]);
        end.extend(&self.name);
        let directory_bytes = (end.len() - entry) as u32;
        end.extend(END.to_le_bytes());
        shorts(&mut end, &[0, 0, 1, 1]);
        words(&mut end, &[directory_bytes, start]);
        shorts(&mut end, &[0]);
        output.write_all(&end)?;
        output.flush()
    }
}

fn too_large() -> FormatError {
    FormatError::new(
        FormatCode::RecordExceeded,
        Position::default(),
        "zip 成员超过 4 GiB，无法写出",
        "a zip member of more than 4 GiB is not written",
    )
}

fn shorts(into: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| into.extend(number.to_le_bytes()));
}

fn words(into: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| into.extend(number.to_le_bytes()));
}
