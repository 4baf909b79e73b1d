//! GB 18030-2022 and its parts GBK and GB/T 2312, over `encoding_rs`.
//!
//! `encoding_rs` implements WHATWG's Encoding, which a browser needs and an archive does not: it
//! takes two sequences for one character, so that what was read is not what is written again. Here
//! every character has one sequence, that of the 2022 edition:
//!
//! - The 18 two-byte sequences that earlier editions gave to private use (A6D9 to A6F3, FE59 to FEA0)
//!   are characters of Unicode, and the four-byte sequences that these had before now hold the
//!   private ones: the editions swapped them. `encoding_rs` swaps the first half alone.
//! - A8BC is U+1E3F and 81 35 F4 37 is U+E7C7, as since the 2005 edition.
//! - FE51, FE52, FE53, FE6C, FE76 and FE91 stay in private use (U+E816 to U+E855); the ideographs of
//!   that shape (U+20087 to U+241FE) have four bytes of their own.
//! - A3A0 is U+E5E5, of the user-defined area; `encoding_rs` reads a second ideographic space.
//!
//! One sequence is read and never written: the byte 80, by which code page 936 means the euro sign.

use encoding_rs::{DecoderResult, EncoderResult, Encoding, GB18030, GBK};

/// Private-use characters whose four-byte sequences `encoding_rs` gives to the characters that took
/// their place in two bytes.
const SWAPPED: [(char, [u8; 4]); 18] = [
    ('\u{E78D}', [0x84, 0x31, 0x82, 0x36]),
    ('\u{E78E}', [0x84, 0x31, 0x82, 0x38]),
    ('\u{E78F}', [0x84, 0x31, 0x82, 0x37]),
    ('\u{E790}', [0x84, 0x31, 0x82, 0x39]),
    ('\u{E791}', [0x84, 0x31, 0x83, 0x30]),
    ('\u{E792}', [0x84, 0x31, 0x83, 0x31]),
    ('\u{E793}', [0x84, 0x31, 0x83, 0x32]),
    ('\u{E794}', [0x84, 0x31, 0x83, 0x33]),
    ('\u{E795}', [0x84, 0x31, 0x83, 0x34]),
    ('\u{E796}', [0x84, 0x31, 0x83, 0x35]),
    ('\u{E81E}', [0x82, 0x35, 0x90, 0x37]),
    ('\u{E826}', [0x82, 0x35, 0x90, 0x38]),
    ('\u{E82B}', [0x82, 0x35, 0x90, 0x39]),
    ('\u{E82C}', [0x82, 0x35, 0x91, 0x30]),
    ('\u{E832}', [0x82, 0x35, 0x91, 0x31]),
    ('\u{E843}', [0x82, 0x35, 0x91, 0x32]),
    ('\u{E854}', [0x82, 0x35, 0x91, 0x33]),
    ('\u{E864}', [0x82, 0x35, 0x91, 0x34]),
];
/// A character of the user-defined area that `encoding_rs` neither reads nor writes.
const USER_DEFINED: (char, [u8; 2]) = ('\u{E5E5}', [0xA3, 0xA0]);
/// The UTF-8 lead byte that all of them share.
const LEAD: u8 = 0xEE;

/// Which part of GB 18030 is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// What has two bytes.
    Gbk,
    /// What is in GB/T 2312-1980.
    Gb2312,
}

/// Appends `text` in GB 18030.
///
/// # Errors
/// The first character that the part cannot hold.
pub(crate) fn encode(text: &str, part: Part, into: &mut Vec<u8>) -> Result<(), char> {
    if text.is_ascii() {
        into.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    if let Some(character) = text.chars().find(|&c| !holds(part, c)) {
        return Err(character);
    }
    let mut rest = text;
    while let Some((before, bytes, after)) = next_exception(rest) {
        encode_plain(before, part, into)?;
        into.extend_from_slice(bytes);
        rest = after;
    }
    encode_plain(rest, part, into)
}

fn encode_plain(text: &str, part: Part, into: &mut Vec<u8>) -> Result<(), char> {
    let encoding: &'static Encoding = if part == Part::Whole { GB18030 } else { GBK };
    let start = into.len();
    into.resize(start + text.len() * 2 + 16, 0);
    let (result, _, written) = encoding.new_encoder().encode_from_utf8_without_replacement(text, &mut into[start..], true);
    into.truncate(start + written);
    match result {
        EncoderResult::Unmappable(character) => Err(character),
        EncoderResult::InputEmpty | EncoderResult::OutputFull => Ok(()),
    }
}

/// Whether a part can hold a character, as far as the encoder for it would not say so.
fn holds(part: Part, character: char) -> bool {
    match part {
        Part::Whole => true,
        // The encoder would write the euro sign as the byte 80 and the swapped ones in two bytes, which are others'.
        Part::Gbk => character != '€' && exception(character).is_none_or(|bytes| bytes.len() == 2),
        Part::Gb2312 => in_gb2312(character),
    }
}

/// The first character that is written otherwise than by `encoding_rs`, with what is around it.
fn next_exception(text: &str) -> Option<(&str, &'static [u8], &str)> {
    memchr::memchr(LEAD, text.as_bytes())?;
    let (at, character, bytes) = text.char_indices().find_map(|(at, c)| exception(c).map(|bytes| (at, c, bytes)))?;
    Some((&text[..at], bytes, &text[at + character.len_utf8()..]))
}

fn exception(character: char) -> Option<&'static [u8]> {
    if character == USER_DEFINED.0 {
        return Some(&USER_DEFINED.1);
    }
    SWAPPED.iter().find(|(private, _)| *private == character).map(|(_, bytes)| bytes.as_slice())
}

/// Puts right what `encoding_rs` decoded from `raw` to `text`, which begin together. Every character
/// concerned has three bytes in UTF-8, and so has the one that takes its place.
pub(crate) fn correct(raw: &[u8], text: &mut [u8]) {
    let starts: [&[u8]; 3] = [&USER_DEFINED.1, &SWAPPED[0].1[..2], &SWAPPED[10].1[..2]];
    if starts.iter().all(|start| memchr::memmem::find(raw, start).is_none()) {
        return;
    }
    let (mut raw, mut text) = (raw, text);
    while let Some(&lead) = text.first() {
        let (in_raw, in_text) = (length(raw).min(raw.len()), utf8_length(lead).min(text.len()));
        let (source, after) = raw.split_at(in_raw);
        let (character, rest) = std::mem::take(&mut text).split_at_mut(in_text);
        let user_defined = (source == USER_DEFINED.1).then_some(USER_DEFINED.0);
        let correct = user_defined.or_else(|| SWAPPED.iter().find(|(_, bytes)| source == bytes).map(|(private, _)| *private));
        if let Some(correct) = correct.filter(|_| in_text == 3) {
            correct.encode_utf8(character);
        }
        (raw, text) = (after, rest);
    }
}

fn utf8_length(lead: u8) -> usize {
    match lead {
        0x00..=0xBF => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        _ => 4,
    }
}

/// Bytes that a character takes.
pub(crate) fn character_bytes(character: char) -> usize {
    if character.is_ascii() {
        return 1;
    }
    let mut bytes = Vec::with_capacity(8);
    let _ = encode(character.encode_utf8(&mut [0; 4]), Part::Whole, &mut bytes);
    bytes.len()
}

/// Bytes at the start of `raw` that were decoded to `text`. A character cut by an end of `text`
/// belongs where its lead byte is.
pub(crate) fn source_bytes(text: &[u8], raw: &[u8]) -> usize {
    let (mut bytes, mut rest) = (0, text);
    while let Some(&lead) = rest.first() {
        let length = match lead {
            0x00..=0x7F => {
                let run = rest.iter().position(|b| !b.is_ascii()).unwrap_or(rest.len());
                bytes += run;
                run
            }
            0x80..=0xBF => 1,
            _ => {
                bytes += length(raw.get(bytes..).unwrap_or(&[]));
                utf8_length(lead)
            }
        };
        rest = rest.get(length..).unwrap_or(&[]);
    }
    bytes
}

/// Bytes of the character at the start of `raw`.
fn length(raw: &[u8]) -> usize {
    match raw {
        [0x81..=0xFE, 0x30..=0x39, ..] => 4,
        [0x81..=0xFE, ..] => 2,
        _ => 1,
    }
}

/// Whether a character is in GB/T 2312-1980: ASCII, or one of its rows 1 to 9 and 16 to 87. GBK
/// has filled the gaps within these rows, so each is given with its ends.
fn in_gb2312(character: char) -> bool {
    character.is_ascii() || gb2312_bytes(character).is_some()
}

/// The character of GB/T 2312 that two bytes are.
pub(crate) fn gb2312_character(pair: [u8; 2]) -> Option<char> {
    let mut utf8 = [0; 8];
    let (result, _, written) = GBK.new_decoder_without_bom_handling().decode_to_utf8_without_replacement(&pair, &mut utf8, true);
    let text = utf8.get(..written).filter(|_| matches!(result, DecoderResult::InputEmpty))?;
    let character = std::str::from_utf8(text).ok()?.chars().next()?;
    gb2312_bytes(character).filter(|bytes| *bytes == pair).map(|_| character)
}

/// The two bytes of a character of GB/T 2312 that is not ASCII.
pub(crate) fn gb2312_bytes(character: char) -> Option<[u8; 2]> {
    let (mut utf8, mut bytes) = ([0; 4], [0; 8]);
    let encoded = GBK.new_encoder().encode_from_utf8_without_replacement(character.encode_utf8(&mut utf8), &mut bytes, true);
    let bytes = [bytes[0], bytes[1]];
    (matches!(encoded, (EncoderResult::InputEmpty, _, 2)) && is_cell_of_gb2312(bytes)).then_some(bytes)
}

fn is_cell_of_gb2312(bytes: [u8; 2]) -> bool {
    match (bytes[0], bytes[1]) {
        (0xA1 | 0xA3, cell) => cell >= 0xA1,
        (0xA2, cell) => matches!(cell, 0xB1..=0xE2 | 0xE5..=0xEE | 0xF1..=0xFC),
        (0xA4, cell) => matches!(cell, 0xA1..=0xF3),
        (0xA5, cell) => matches!(cell, 0xA1..=0xF6),
        (0xA6, cell) => matches!(cell, 0xA1..=0xB8 | 0xC1..=0xD8),
        (0xA7, cell) => matches!(cell, 0xA1..=0xC1 | 0xD1..=0xF1),
        (0xA8, cell) => matches!(cell, 0xA1..=0xBA | 0xC5..=0xE9),
        (0xA9, cell) => matches!(cell, 0xA4..=0xEF),
        (0xD7, cell) => matches!(cell, 0xA1..=0xF9),
        (0xB0..=0xF7, cell) => cell >= 0xA1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All characters of GB/T 2312, as CPython 3 lists them.
    const GB2312_CHARACTERS: &str = include_str!("../cases/text/gb2312.txt");

    #[test]
    fn gb2312_holds_what_the_standard_lists() {
        let listed: std::collections::HashSet<char> = GB2312_CHARACTERS.chars().filter(|c| *c != '\n').collect();
        let differ: Vec<char> = ('\u{80}'..='\u{FFFF}').filter(|&c| in_gb2312(c) != listed.contains(&c)).collect();
        assert!(differ.is_empty(), "{differ:?}");
    }
}
