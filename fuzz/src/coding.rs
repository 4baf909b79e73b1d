//! Content codings: what is decoded does not depend on how the bytes come in, and stays within its caps.
//!
//! The first byte of an input names the coding: zstd where it is odd, else gzip.

use super::holds::dribble;
use portolan::coding::{Coding, DecodeError, DecodeLimits, Guard, decode, decode_guarded};
use std::io::{Cursor, Read};

/// Bytes that a compressed body may become.
const DECODE_LIMITS: DecodeLimits = DecodeLimits { decoded_bytes_max: 4 << 20, expansion_ratio_max: 100 };

/// Decodes a body as one that came whole, and as part of another.
pub fn check(input: &[u8]) {
    let Some((&kind, body)) = input.split_first() else { return };
    let coding = if kind % 2 == 1 { Coding::Zstd } else { Coding::Gzip };
    let limits = DECODE_LIMITS;
    let whole = read(decode(coding, Box::new(Cursor::new(body)), body.len() as u64, limits).unwrap());
    let again = read(decode(coding, Box::new(Cursor::new(body)), body.len() as u64, limits).unwrap());
    assert_eq!(whole, again, "another time, another body");
    let guard = || Guard::new(limits.decoded_bytes_max, limits.expansion_ratio_max);
    let part = read(decode_guarded(coding, Box::new(body), guard()).unwrap());
    let dribbled = read(decode_guarded(coding, dribble(body), guard()).unwrap());
    // The ratio is judged by what has gone in so far, which depends on how it comes in; damage does not.
    for (one, other) in [(&whole, &part), (&part, &dribbled)] {
        if [one.1, other.1].iter().all(|error| *error != Some(DecodeError::Expansion)) {
            assert_eq!(one.1, other.1, "damaged or not as the bytes come in");
            assert!(one.1.is_some() || one.0 == other.0, "other bytes as they come in");
        }
    }
}

/// What came out, and why it ended early.
fn read(mut decoder: Box<dyn Read + '_>) -> (Vec<u8>, Option<DecodeError>) {
    let mut out = Vec::new();
    let error = decoder.read_to_end(&mut out).err();
    assert!(out.len() as u64 <= DECODE_LIMITS.decoded_bytes_max, "{} bytes", out.len());
    let known = error.map(|error| error.get_ref().and_then(|e| e.downcast_ref()).copied().unwrap_or_else(|| panic!("{error:?}")));
    (out, known)
}
