//! Chinese by code extension (ISO 2022, in seven bits): ASCII and the characters of GB/T 2312, as ISO-2022-CN (RFC 1922) and
//! the Chinese part of ISO-2022-JP-2 (RFC 1554) write them.
//!
//! Read are `ESC $ ) A`, after which SO begins characters of two bytes and SI ends them; and `ESC $ A` or `ESC $ ( A`, which
//! begins them until `ESC ( B`. Controls and blanks stand among them in one byte. Any other designation is refused: there are
//! no tables for it here. Written is the first form, and ASCII at the end.

use crate::gb18030::{gb2312_bytes, gb2312_character};
use crate::text::Malformed;

const ESCAPE: u8 = 0x1B;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;
/// Puts GB/T 2312 behind SO.
pub(crate) const DESIGNATION: &[u8] = b"\x1B$)A";
/// What may stand after an escape, and what it does.
const SEQUENCES: [(&[u8], Effect); 4] =
    [(DESIGNATION, Effect::Behind), (b"\x1B$A", Effect::Begin), (b"\x1B$(A", Effect::Begin), (b"\x1B(B", Effect::End)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The set stands behind SO.
    Behind,
    /// Its characters begin.
    Begin,
    /// They end.
    End,
}

/// How the bytes to come are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    /// The set stands behind SO.
    behind: bool,
    /// SO came, and no SI after it.
    out: bool,
    /// The set was designated in place of ASCII.
    instead: bool,
}

/// What stands at the start of some bytes.
enum Unit {
    /// So many bytes that change the shift.
    Control(usize, Shift),
    /// One byte of ASCII.
    Ascii(u8),
    /// Two bytes.
    Double([u8; 2]),
    /// More bytes are needed to tell.
    Cut,
    /// So many bytes mean nothing here.
    Unknown(usize),
}

impl Shift {
    fn is_double(self) -> bool {
        self.out || self.instead
    }

    fn unit(self, bytes: &[u8]) -> Unit {
        match bytes {
            [ESCAPE, ..] => self.escape(bytes),
            [SHIFT_OUT, ..] if self.behind => Unit::Control(1, Self { out: true, ..self }),
            [SHIFT_IN, ..] => Unit::Control(1, Self { out: false, ..self }),
            [SHIFT_OUT | 0x80.., ..] => Unit::Unknown(1),
            [first @ 0x21..=0x7E, rest @ ..] if self.is_double() => match rest {
                [second @ 0x21..=0x7E, ..] => Unit::Double([first | 0x80, second | 0x80]),
                [] => Unit::Cut,
                _ => Unit::Unknown(1),
            },
            [byte, ..] => Unit::Ascii(*byte),
            [] => Unit::Cut,
        }
    }

    fn escape(self, bytes: &[u8]) -> Unit {
        if let Some((sequence, effect)) = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence)) {
            let shift = match effect {
                Effect::Behind => Self { behind: true, ..self },
                Effect::Begin => Self { instead: true, ..self },
                Effect::End => Self { instead: false, ..self },
            };
            return Unit::Control(sequence.len(), shift);
        }
        if SEQUENCES.iter().any(|(sequence, _)| sequence.starts_with(bytes)) { Unit::Cut } else { Unit::Unknown(bytes.len().min(4)) }
    }
}

/// Appends whole characters to `text`; gives the number of bytes taken, and keeps the shift at their end.
pub(crate) fn decode(shift: &mut Shift, raw: &[u8], ended: bool, text: &mut Vec<u8>) -> Result<usize, Malformed> {
    let mut read = 0;
    loop {
        let rest = &raw[read..];
        let (taken, character) = match shift.unit(rest) {
            Unit::Control(bytes, after) => {
                *shift = after;
                read += bytes;
                continue;
            }
            Unit::Ascii(byte) => (1, Some(char::from(byte))),
            Unit::Double(pair) => (2, gb2312_character(pair)),
            Unit::Cut if rest.is_empty() || !ended => return Ok(read),
            Unit::Cut => (rest.len(), None),
            Unit::Unknown(bytes) => (bytes, None),
        };
        read += taken;
        match character {
            Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => return Err(Malformed { read, beyond: 0, length: taken }),
        }
    }
}

/// The bytes of `raw` that were decoded to `text`, whatever changes the shift before its characters included; and where in them
/// the set was put behind SO for the last time.
pub(crate) fn source_bytes(shift: &mut Shift, text: &[u8], raw: &[u8]) -> (usize, Option<usize>) {
    let (mut at, mut designated) = (0, None);
    for _ in text.iter().filter(|&&byte| byte & 0xC0 != 0x80) {
        at += loop {
            match shift.unit(&raw[at..]) {
                Unit::Control(bytes, after) => {
                    designated = if raw[at..].starts_with(DESIGNATION) { Some(at) } else { designated };
                    *shift = after;
                    at += bytes;
                }
                Unit::Double(_) => break 2,
                Unit::Ascii(_) => break 1,
                Unit::Cut | Unit::Unknown(_) => break 0,
            }
        };
    }
    (at, designated)
}

/// Appends text; gives the first character that has no bytes.
pub(crate) fn encode(shift: &mut Shift, text: &str, into: &mut Vec<u8>) -> Result<(), char> {
    for character in text.chars() {
        if !character.is_ascii() {
            let pair = gb2312_bytes(character).ok_or(character)?;
            if !std::mem::replace(&mut shift.behind, true) {
                into.extend_from_slice(DESIGNATION);
            }
            if !std::mem::replace(&mut shift.out, true) {
                into.push(SHIFT_OUT);
            }
            into.extend(pair.map(|byte| byte & 0x7F));
            continue;
        }
        end(shift, into);
        let byte = character as u8;
        if matches!(byte, ESCAPE | SHIFT_OUT | SHIFT_IN) {
            return Err(character);
        }
        into.push(byte);
        // A line says by itself what stands in it (RFC 1922, 4.1).
        shift.behind &= byte != b'\n';
    }
    Ok(())
}

/// Appends what leads back to ASCII.
pub(crate) fn end(shift: &mut Shift, into: &mut Vec<u8>) {
    if std::mem::take(&mut shift.out) {
        into.push(SHIFT_IN);
    }
}

/// Bytes that text takes as it is usually written, where the set stands behind SO already.
pub(crate) fn usual_bytes(text: &str) -> usize {
    let (mut bytes, mut out) = (0, false);
    for character in text.chars() {
        let is_out = !character.is_ascii();
        bytes += 1 + usize::from(is_out) + usize::from(is_out != out);
        out = is_out;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Result<String, (usize, usize)> {
        let (mut shift, mut text) = (Shift::default(), Vec::new());
        let read = decode(&mut shift, bytes, true, &mut text).map_err(|wrong| (wrong.read - wrong.length, wrong.length))?;
        assert_eq!(read, bytes.len());
        let mut walked = Shift::default();
        let (taken, _) = source_bytes(&mut walked, &text, bytes);
        assert!(bytes[taken..].iter().all(|byte| b"\x1B$)(AB\x0E\x0F".contains(byte)), "what follows the last character: {bytes:?}");
        Ok(String::from_utf8(text).unwrap())
    }

    /// Rows of `cases/text/iso2022.tsv`: who wrote them, bytes, text. Those of `iconv` are ISO-2022-CN of GNU libc 2.36, and are
    /// written so here; those of `python` are ISO-2022-JP-2 of CPython 3.
    #[test]
    fn texts_are_those_of_other_programs() {
        let mut rows = 0;
        for row in include_str!("../cases/text/iso2022.tsv").lines() {
            let [by, bytes, text] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("three columns: {row}") };
            let bytes: Vec<u8> = bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
            let text = text.replace("\\n", "\n");
            assert_eq!(decoded(&bytes).as_deref(), Ok(text.as_str()), "{row}");
            if by == "iconv" {
                let (mut shift, mut written) = (Shift::default(), Vec::new());
                encode(&mut shift, &text, &mut written).unwrap();
                end(&mut shift, &mut written);
                assert_eq!(written, bytes, "{row}");
            }
            rows += 1;
        }
        assert!(rows > 6);
    }

    #[test]
    fn what_means_nothing_is_refused_where_it_stands() {
        let cases: [(&[u8], (usize, usize)); 9] = [
            // SO before anything stands behind it, and a byte beyond seven bits.
            (b"a\x0EIO", (1, 1)),
            (b"ab\xC9\xCF", (2, 1)),
            // JIS X 0208, and KS X 1001 behind SO.
            (b"a\x1B$B>e", (1, 4)),
            (b"\x1B$)CIO", (0, 4)),
            // ISO 646 as it was in 1983, with a sign for money in place of the dollar's.
            (b"a\x1B(@$", (1, 4)),
            // A cell that GB/T 2312 leaves free, and half a character at the end.
            (b"\x1B$)A\x0E)!", (5, 2)),
            (b"\x1B$)A\x0EI", (5, 1)),
            (b"\x1B$)A\x0EI\x0F", (5, 1)),
            (b"a\x1B$", (1, 2)),
        ];
        for (bytes, place) in cases {
            assert_eq!(decoded(bytes), Err(place), "{bytes:?}");
        }
        for character in ['€', '㐂', '\u{1B}', '\u{E}', '\u{F}'] {
            let text = format!("a税{character}");
            assert_eq!(encode(&mut Shift::default(), &text, &mut Vec::new()), Err(character));
        }
    }

    #[test]
    fn every_character_of_the_set_is_written_and_read_again() {
        let mut all: String = include_str!("../cases/text/gb2312.txt").lines().collect();
        all.push_str("a ");
        let (mut shift, mut written) = (Shift::default(), Vec::new());
        encode(&mut shift, &all, &mut written).unwrap();
        end(&mut shift, &mut written);
        assert!(written.is_ascii());
        assert_eq!(decoded(&written).as_deref(), Ok(all.as_str()));
    }

    #[test]
    fn bytes_that_come_one_by_one_are_the_same_text() {
        let bytes = b"a\x1B$)A\x0EIO:#\x0F'\x0EK0\x0F\x1B$ANq\x1B(Bz";
        let (mut shift, mut text, mut fed) = (Shift::default(), Vec::new(), 0);
        for to in 1..=bytes.len() {
            fed += decode(&mut shift, &bytes[fed..to], to == bytes.len(), &mut text).unwrap_or_else(|_| panic!("up to byte {to}"));
        }
        assert_eq!(String::from_utf8(text).unwrap(), "a上海'税务z");
        assert_eq!((usual_bytes("a上海'税"), usual_bytes("上"), usual_bytes("ab")), (1 + 1 + 4 + 1 + 1 + 1 + 2, 3, 2));
    }
}
