//! gzip (RFC 1952) and zstd (RFC 8878) as files: what a partner uploads as `feed.csv.gz`.

use super::{Close, Parts, Writer, kind, skip_rest};
use crate::coding::{self, Coding, Guard};
use portolan_contract::{Bound, FormatError, Limits, Position, RawRecord, WriteRecords};
use std::io::{self, Read, Write};

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Packing {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/gzip",
            Self::Zstd => "application/zstd",
        }
    }
}

/// The one part of a compressed file; it has no name.
pub(super) struct Packed<'a> {
    input: Box<dyn Read + 'a>,
    begun: bool,
}

impl<'a> Packed<'a> {
    pub(super) fn new(packing: Packing, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Self, FormatError> {
        // A zstd file may begin with a frame that is to be skipped.
        let (coding, name, begins): (_, _, &[&[u8]]) = match packing {
            Packing::Gzip => (Coding::Gzip, "gzip", &[&[0x1F, 0x8B]]),
            Packing::Zstd => (Coding::Zstd, "zstd", &[&[0x28, 0xB5, 0x2F, 0xFD], b"P*M\x18"]),
        };
        let input = kind::expect(begins, name, input)?;
        let guard = Guard::new(limits.expanded_bytes_max, limits.expansion_ratio_max);
        let input = coding::decode_guarded(coding, input, guard).map_err(|e| FormatError::from_io(e, Position::default()))?;
        Ok(Self { input, begun: false })
    }
}

impl Parts for Packed<'_> {
    fn next(&mut self) -> Result<Option<String>, FormatError> {
        if std::mem::replace(&mut self.begun, true) {
            skip_rest(self)?;
            return Ok(None);
        }
        Ok(Some(String::new()))
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.input.read(out)
    }
}

/// Writes one document, compressed.
pub(super) fn writer<'a>(
    packing: Packing,
    output: Box<dyn Write + 'a>,
    inner: &'a dyn Bound,
    head: &RawRecord,
) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
    Ok(match packing {
        Packing::Gzip => Box::new(Writer::begin(flate2::write::GzEncoder::new(output, flate2::Compression::default()), inner, head)?),
        Packing::Zstd => {
            let encoder = zstd::stream::write::Encoder::new(output, zstd::DEFAULT_COMPRESSION_LEVEL);
            let encoder = encoder.map_err(|e| FormatError::from_io(e, Position::default()))?;
            Box::new(Writer::begin(Zstd(encoder), inner, head)?)
        }
    })
}

impl Close for flate2::write::GzEncoder<Box<dyn Write + '_>> {
    fn close(&mut self) -> io::Result<()> {
        self.try_finish()?;
        self.get_mut().flush()
    }
}

struct Zstd<'a>(zstd::stream::write::Encoder<'static, Box<dyn Write + 'a>>);

impl Write for Zstd<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Close for Zstd<'_> {
    fn close(&mut self) -> io::Result<()> {
        self.0.do_finish()?;
        self.0.get_mut().flush()
    }
}
