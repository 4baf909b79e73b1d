//! Source bytes to UTF-8: whole characters of what there is, or the bytes that are none.

use crate::charset::UpperHalf;
use encoding_rs::{Decoder, DecoderResult};

/// Bytes that are no character: `length` of them, and `beyond` more that the decoder has looked
/// at, end `read` bytes after what it was given before.
pub(crate) struct Malformed {
    pub(crate) read: usize,
    pub(crate) beyond: usize,
    pub(crate) length: usize,
}

/// Appends whole characters to `text`; gives the number of bytes taken.
pub(super) fn decode_utf8(raw: &[u8], ended: bool, text: &mut Vec<u8>) -> Result<usize, Malformed> {
    let Err(error) = std::str::from_utf8(raw) else {
        text.extend_from_slice(raw);
        return Ok(raw.len());
    };
    let valid = error.valid_up_to();
    text.extend_from_slice(&raw[..valid]);
    match error.error_len() {
        None if !ended => Ok(valid),
        length => {
            let length = length.unwrap_or(raw.len() - valid);
            Err(Malformed { read: valid + length, beyond: 0, length })
        }
    }
}

/// Appends a character for each byte.
pub(super) fn decode_single(upper: &UpperHalf, raw: &[u8], text: &mut Vec<u8>) -> Result<usize, Malformed> {
    let mut read = 0;
    while let Some(rest) = raw.get(read..).filter(|rest| !rest.is_empty()) {
        let ascii = rest.iter().position(|b| !b.is_ascii()).unwrap_or(rest.len());
        text.extend_from_slice(&rest[..ascii]);
        read += ascii;
        let Some(&byte) = rest.get(ascii) else { break };
        read += 1;
        match upper[usize::from(byte & 0x7F)] {
            char::REPLACEMENT_CHARACTER => return Err(Malformed { read, beyond: 0, length: 1 }),
            character => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(read)
}

/// Appends whole characters to `text`; the decoder keeps the start of one that is cut.
pub(super) fn decode_other(decoder: &mut Decoder, raw: &[u8], ended: bool, text: &mut Vec<u8>) -> Result<usize, Malformed> {
    let room = decoder.max_utf8_buffer_length_without_replacement(raw.len()).unwrap_or(raw.len() * 3 + 16);
    let start = text.len();
    text.resize(start + room, 0);
    let (result, read, written) = decoder.decode_to_utf8_without_replacement(raw, &mut text[start..], ended);
    text.truncate(start + written);
    match result {
        DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(read),
        DecoderResult::Malformed(length, beyond) => Err(Malformed { read, beyond: usize::from(beyond), length: usize::from(length) }),
    }
}
