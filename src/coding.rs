//! Content codings (RFC 9110, section 8.4.1): gzip and zstd (RFC 8878), with caps that neither
//! library has: bytes out, and bytes out for each byte in.

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
    let decoder: Box<dyn Read + Send + 'a> = match coding {
        Coding::Identity => return Ok(body),
        Coding::Gzip => Box::new(MultiGzDecoder::new(body)),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(body)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    };
    let by_ratio = encoded_bytes.saturating_mul(limits.expansion_ratio_max).max(RATIO_FREE_BYTES);
    Ok(Box::new(Capped { decoder, left: by_ratio.min(limits.decoded_bytes_max) }))
}

struct Capped<'a> {
    decoder: Box<dyn Read + Send + 'a>,
    left: u64,
}

impl Read for Capped<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(out).map_err(|e| match e.kind() {
            io::ErrorKind::Interrupted => e,
            _ => io::Error::new(io::ErrorKind::InvalidData, DecodeError::Damaged),
        })?;
        self.left = match self.left.checked_sub(read as u64) {
            Some(left) => left,
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, DecodeError::Expansion)),
        };
        Ok(read)
    }
}
