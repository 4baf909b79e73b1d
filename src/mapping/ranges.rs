//! Where the texts of a record end in the body.
//!
//! The document that the record stands in is read a second time, up to the last of the texts, and compared with each
//! text in every charset there is: where the bytes are those of the text, its range is known exactly, whatever
//! the format; where they are not (something is escaped, or the format is no text), no range is
//! claimed. In memory is the longest text of the record.

use super::documents::Documents;
use super::trace::{SourceText, Traced};
use portolan_contract::{Charset, FormatError, TextOutput};
use std::io::{self, Read};
use std::ops::ControlFlow;

/// The charsets that texts are compared in.
const CHARSETS: [Charset; 4] = [Charset::Utf8, Charset::Gb18030, Charset::Utf16Le, Charset::Utf16Be];
/// Bytes of a text's character in any of the charsets, at most.
const CHARACTER_BYTES_MAX: usize = 4;

/// Fills in the ranges of a record's values by reading the body again.
///
/// # Errors
/// I/O of the input.
pub fn find(traced: &mut [Traced], documents: &Documents<'_>) -> io::Result<()> {
    let mut sources: Vec<(u64, &mut SourceText)> = traced.iter_mut().filter_map(|t| t.source.as_mut()).filter_map(in_bytes).collect();
    sources.sort_by_key(|(byte, _)| *byte);
    // A record stands in one document.
    let Some(part) = sources.first().map(|(_, source)| source.part.clone()) else { return Ok(()) };
    documents.each(&mut |name, document| {
        if name != part.as_deref() {
            return Ok(ControlFlow::Continue(()));
        }
        let mut window = Window { input: document, start: 0, bytes: Vec::new() };
        for (byte, source) in &mut sources {
            let text = source.raw();
            let wanted = text.chars().count().saturating_add(2).saturating_mul(CHARACTER_BYTES_MAX);
            let bytes = window.at(*byte, wanted)?;
            let found = CHARSETS.iter().find_map(|&charset| within(bytes, text, charset));
            source.range = found.map(|(from, to)| (*byte + from as u64, *byte + to as u64));
        }
        Ok(ControlFlow::Break(()))
    })
}

/// A text that stands in the bytes of a document themselves, with its offset: no count, and no cell of a sheet.
fn in_bytes(source: &mut SourceText) -> Option<(u64, &mut SourceText)> {
    let byte = source.byte.filter(|_| !source.counted && !source.raw().is_empty())?;
    Some((byte, source))
}

/// A stretch of the input that only ever moves forward.
struct Window<'i> {
    input: &'i mut dyn Read,
    /// Offset of its first byte.
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from an offset, as many as wanted or as there are.
    fn at(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let passed = offset.saturating_sub(self.start);
        let held = usize::try_from(passed).unwrap_or(usize::MAX).min(self.bytes.len());
        self.bytes.drain(..held);
        let left = passed - held as u64;
        io::copy(&mut (&mut *self.input).take(left), &mut io::sink())?;
        self.start = offset;
        let missing = wanted.saturating_sub(self.bytes.len()) as u64;
        (&mut *self.input).take(missing).read_to_end(&mut self.bytes)?;
        Ok(&self.bytes)
    }
}

/// Where a text stands at the start of some bytes, bare or in double quotes.
fn within(bytes: &[u8], text: &str, charset: Charset) -> Option<(usize, usize)> {
    let text = encoded(text, charset).ok()?;
    if bytes.starts_with(&text) {
        return Some((0, text.len()));
    }
    let quote = encoded("\"", charset).ok()?;
    let rest = bytes.strip_prefix(quote.as_slice())?.strip_prefix(text.as_slice())?;
    rest.starts_with(&quote).then_some((quote.len(), quote.len() + text.len()))
}

fn encoded(text: &str, charset: Charset) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    let mut output = TextOutput::new(Box::new(&mut bytes), charset);
    output.write(text)?;
    output.finish()?;
    drop(output);
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    /// Offsets were counted by hand.
    #[track_caller]
    fn check(bytes: &[u8], text: &str, charset: Charset, expected: Option<(usize, usize)>) {
        assert_eq!(within(bytes, text, charset), expected);
    }

    #[test]
    fn a_range_is_claimed_only_where_the_bytes_are_the_text() {
        check(b"12.50</Amt>", "12.50", Charset::Utf8, Some((0, 5)));
        check("\"税\",".as_bytes(), "税", Charset::Utf8, Some((1, 4)));
        // 税 is CBB0 in GB 18030.
        check(b"\xCB\xB0,", "税", Charset::Gb18030, Some((0, 2)));
        check(b"\x0E\x7A,\x00", "税", Charset::Utf16Le, Some((0, 2)));
        check(b"A &amp; B</Nm>", "A & B", Charset::Utf8, None);
        // In the body the quote is doubled, so the text ends elsewhere.
        check(b"\"a\"\"b\",", "a\"b", Charset::Utf8, None);
    }

    #[test]
    fn the_window_moves_forward_over_what_nobody_asks_for() {
        let mut input: &[u8] = b"0123456789abcdef";
        let mut window = Window { input: &mut input, start: 0, bytes: Vec::new() };
        assert_eq!(window.at(2, 4).unwrap(), b"2345");
        assert_eq!(window.at(2, 6).unwrap(), b"234567");
        assert_eq!(window.at(12, 9).unwrap(), b"cdef");
        assert_eq!(window.at(90, 9).unwrap(), b"");
    }
}
