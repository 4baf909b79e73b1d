//! Content codings (RFC 9110, section 8.4.1): gzip and zstd (RFC 8878), with caps that neither
//! library has: bytes out, and bytes out for each byte in.
//!
//! An error of the disk below a decoder stays what it is; only what the decoder itself cannot read
//! is the sender's fault.

use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

/// Ratios are judged only beyond so many bytes, so that small texts may compress well.
const RATIO_FREE_BYTES: u64 = 1 << 20;
/// Largest zstd window, as a power of two (8 MiB, the most that RFC 8878 asks decoders to support).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A content coding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// None.
    #[default]
    Identity,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Coding {
    /// The coding that a `Content-Encoding` field names; at most one coding is supported.
    pub fn from_header(value: &str) -> Option<Self> {
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The name in `Content-Encoding`; empty for none.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Caps on decoding.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Bytes out.
    pub decoded_bytes_max: u64,
    /// Bytes out for each byte in.
    pub expansion_ratio_max: u64,
}

/// Why a decoded body cannot be read on; travels inside [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The compressed data is not what the coding says.
    #[error("the compressed body is damaged")]
    Damaged,
    /// More bytes out than allowed.
    #[error("the body expands beyond the allowed size or ratio")]
    Expansion,
}

/// Decodes a body of `encoded_bytes` bytes.
///
/// # Errors
/// When the decoder cannot be set up.
pub fn decode<'a>(
    coding: Coding,
    body: Box<dyn Read + Send + 'a>,
    encoded_bytes: u64,
    limits: DecodeLimits,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    if coding == Coding::Identity {
        return Ok(body);
    }
    let decoder = Decoder::new(coding, body)?;
    let by_ratio = encoded_bytes.saturating_mul(limits.expansion_ratio_max).max(RATIO_FREE_BYTES);
    Ok(Box::new(Capped { decoder, left: by_ratio.min(limits.decoded_bytes_max) }))
}

/// Decodes what is part of a body, whose encoded length nobody knows beforehand.
///
/// # Errors
/// When the decoder cannot be set up.
pub fn decode_guarded<'a>(coding: Coding, input: Box<dyn Read + 'a>, guard: Guard) -> io::Result<Box<dyn Read + 'a>> {
    let taken = Rc::new(Cell::new(0));
    let decoder = Decoder::new(coding, Counted { input, taken: Rc::clone(&taken) })?;
    Ok(Box::new(Guarded { decoder, taken, guard }))
}

/// Judges what has come out of a decoder by what has gone into it so far.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    out_bytes_max: u64,
    ratio_max: u64,
    out_bytes: u64,
}

impl Guard {
    /// A guard of one container.
    pub fn new(out_bytes_max: u64, ratio_max: u64) -> Self {
        Self { out_bytes_max, ratio_max, out_bytes: 0 }
    }

    /// Counts what came out, now that `taken` bytes in all have gone in.
    ///
    /// # Errors
    /// [`DecodeError::Expansion`].
    pub fn count(&mut self, out_bytes: usize, taken: u64) -> io::Result<()> {
        self.out_bytes = self.out_bytes.saturating_add(out_bytes as u64);
        let by_ratio = taken.saturating_mul(self.ratio_max).max(RATIO_FREE_BYTES);
        if self.out_bytes > by_ratio.min(self.out_bytes_max) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, DecodeError::Expansion));
        }
        Ok(())
    }
}

struct Counted<R> {
    input: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

struct Guarded<R: Read> {
    decoder: Decoder<Counted<R>>,
    taken: Rc<Cell<u64>>,
    guard: Guard,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(out).map_err(blamed)?;
        self.guard.count(read, self.taken.get())?;
        Ok(read)
    }
}

enum Decoder<R: Read> {
    Identity(R),
    Gzip(MultiGzDecoder<Encoded<R>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Encoded<R>>>),
}

impl<R: Read> Decoder<R> {
    fn new(coding: Coding, body: R) -> io::Result<Self> {
        Ok(match coding {
            Coding::Identity => Self::Identity(body),
            Coding::Gzip => Self::Gzip(MultiGzDecoder::new(Encoded { body })),
            Coding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(Encoded { body })?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::Zstd(decoder)
            }
        })
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Identity(body) => body.read(out),
            Self::Gzip(decoder) => decoder.read(out),
            Self::Zstd(decoder) => decoder.read(out),
        }
    }
}

/// The body below a decoder. Its errors are marked, since the decoders pass them on among their own.
struct Encoded<R> {
    body: R,
}

/// An error of the input, on its way through a decoder.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct InputError(io::Error);

impl<R: Read> Read for Encoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.body.read(out).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, InputError(error)),
        })
    }
}

struct Capped<R: Read> {
    decoder: Decoder<R>,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(out).map_err(blamed)?;
        self.left = match self.left.checked_sub(read as u64) {
            Some(left) => left,
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, DecodeError::Expansion)),
        };
        Ok(read)
    }
}

/// A decoder's error as the input's own or as damage in what was sent.
fn blamed(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    match error.downcast::<InputError>() {
        Ok(InputError(error)) => error,
        Err(_) => io::Error::new(io::ErrorKind::InvalidData, DecodeError::Damaged),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use std::io::Write;

    /// Gives some bytes, then the error of a failing disk.
    struct Failing(io::Cursor<Vec<u8>>);

    impl Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::from_raw_os_error(EIO)),
                read => Ok(read),
            }
        }
    }

    /// The number of "input/output error" on Linux (errno.h).
    const EIO: i32 = 5;
    const TEXT: &[u8] = b"one line that is encoded\n";

    fn gzip() -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(TEXT).unwrap();
        encoder.finish().unwrap()
    }

    fn error_of(coding: Coding, body: impl Read + Send) -> io::Error {
        let limits = DecodeLimits { decoded_bytes_max: 1 << 20, expansion_ratio_max: 100 };
        let mut decoded = decode(coding, Box::new(body), 100, limits).unwrap();
        io::copy(&mut decoded, &mut io::sink()).unwrap_err()
    }

    #[test]
    fn what_the_disk_does_is_not_the_senders_fault() {
        let zstd = || zstd::encode_all(TEXT, 0).unwrap();
        for (coding, whole) in [(Coding::Gzip, gzip()), (Coding::Zstd, zstd())] {
            let half = whole[..whole.len() / 2].to_vec();
            let failing = error_of(coding, Failing(io::Cursor::new(half.clone())));
            assert_eq!(failing.raw_os_error(), Some(EIO), "{coding:?}: {failing:?}");
            let cut = error_of(coding, io::Cursor::new(half));
            let damage = cut.get_ref().and_then(|e| e.downcast_ref::<DecodeError>());
            assert_eq!(damage, Some(&DecodeError::Damaged), "{coding:?}: {cut:?}");
        }
    }
}
