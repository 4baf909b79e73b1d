//! Charsets: bytes to text, and text to bytes.

use super::holds::{self, Bounds, dribble};
use portolan_contract::{Charset, FormatError, Limits, Position, TextInput, TextOutput};
use std::io::{BufRead, Read};

/// Every charset of the wire, by one of its labels.
const LABELS: [&str; 16] = [
    "utf-8",
    "utf-16le",
    "utf-16be",
    "gb18030",
    "gbk",
    "gb2312",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-9",
    "iso-8859-15",
];

/// The first byte names the charset and says whether the rest is read as XML.
pub fn check(input: &[u8]) {
    let Some((&choice, body)) = input.split_first() else { return };
    let xml = choice & 0x80 != 0;
    let Some(charset) = LABELS.get(usize::from(choice & 0x0F)).and_then(|label| Charset::from_label(label)) else { return };
    let one = read(Box::new(body), charset, xml);
    let other = read(dribble(body), charset, xml);
    assert_eq!(one.text, other.text, "{charset:?}: the text depends on how the bytes come in");
    assert_eq!(one.at, other.at, "{charset:?}: places depend on how the bytes come in");
    let told = |error: &FormatError| (error.code, error.at, error.words.clone());
    assert_eq!(one.error.as_ref().map(told), other.error.as_ref().map(told));
    assert!(!one.text.contains('\0'), "NUL is let through");
    match &one.error {
        Some(error) => Bounds::of(body, Limits::default()).error(error),
        None => {
            assert_eq!(one.at.byte, body.len() as u64, "{charset:?}: the end is not where the bytes end");
            assert_eq!(one.at.line, 1 + one.text.matches('\n').count() as u64);
        }
    }
    written_is_read_again(&one.text, charset);
}

struct Text {
    text: String,
    at: Position,
    error: Option<FormatError>,
}

fn read(input: Box<dyn Read + '_>, charset: Charset, xml: bool) -> Text {
    let token_bytes_max = Limits::default().token_bytes_max;
    let opened = match xml {
        true => TextInput::xml(input, None, token_bytes_max),
        false => TextInput::new(input, charset, token_bytes_max),
    };
    let mut text = Text { text: String::new(), at: Position::default(), error: None };
    let mut input = match opened {
        Ok(input) => input,
        Err(error) => return Text { error: Some(error), ..text },
    };
    loop {
        input.begin_token();
        text.at = input.position();
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(error) => {
                text.error = Some(FormatError::from_io(error, text.at));
                return text;
            }
        };
        if piece.is_empty() {
            return text;
        }
        text.text.push_str(std::str::from_utf8(piece).unwrap());
        let taken = piece.len();
        input.consume(taken);
    }
}

/// What a charset can hold is read again as it was, but for what looks like another charset's mark.
fn written_is_read_again(text: &str, charset: Charset) {
    let mut bytes = Vec::new();
    let mut output = TextOutput::new(Box::new(&mut bytes), charset);
    // A character that comes first, so that nothing is taken for a byte order mark.
    let written = output.write("税").or_else(|_| output.write("ab")).and_then(|()| output.write(text)).and_then(|()| output.finish());
    drop(output);
    match written {
        Err(error) => holds::words(&error.words),
        Ok(()) => {
            let again = read(Box::new(bytes.as_slice()), charset, false);
            assert!(again.error.is_none(), "{charset:?}: what was written cannot be read: {:?}", again.error);
            let after = again.text.strip_prefix("税").or_else(|| again.text.strip_prefix("ab"));
            assert_eq!(after, Some(text), "{charset:?}: what was written is read as something else");
            assert_eq!(again.at.byte, bytes.len() as u64);
        }
    }
}
