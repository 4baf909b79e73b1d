//! Content codings (RFC 9110, section 8.4.1): gzip and zstd (RFC 8878), with caps that neither
//! library has: bytes out, and bytes out for each byte in.
//!
//! An error of the disk below a decoder stays what it is; only what the decoder itself cannot read
//! is the sender's fault.

use flate2::read::MultiGzDecoder;
use std::io::{self, Read};

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
    let encoded = Encoded { body };
    let decoder: Box<dyn Read + Send + 'a> = match coding {
        Coding::Identity => return Ok(encoded.body),
        Coding::Gzip => Box::new(MultiGzDecoder::new(encoded)),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(encoded)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    };
    let by_ratio = encoded_bytes.saturating_mul(limits.expansion_ratio_max).max(RATIO_FREE_BYTES);
    Ok(Box::new(Capped { decoder, left: by_ratio.min(limits.decoded_bytes_max) }))
}

/// The body below a decoder. Its errors are marked, since the decoders pass them on among their own.
struct Encoded<'a> {
    body: Box<dyn Read + Send + 'a>,
}

/// An error of the input, on its way through a decoder.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct InputError(io::Error);

impl Read for Encoded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.body.read(out).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, InputError(error)),
        })
    }
}

struct Capped<'a> {
    decoder: Box<dyn Read + Send + 'a>,
    left: u64,
}

impl Read for Capped<'_> {
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
