//! What a file is by its first bytes, for a sender who sent another kind than the mapping opens.

use portolan_contract::{FormatCode, FormatError, Position, Words};
use std::io::{BufRead, BufReader, Read};

/// Bytes that are looked at.
const HEAD_BYTES: usize = 512;
/// How old Office files begin (compound file binary).
const COMPOUND_FILE: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// What a file looks like.
pub fn looks_like(head: &[u8]) -> Words {
    let text = head.strip_prefix(b"\xEF\xBB\xBF".as_slice()).unwrap_or(head).trim_ascii_start();
    let (zh, en) = match head {
        [b'P', b'K', 3 | 5 | 7, 4 | 6 | 8, ..] => ("zip 压缩包", "a zip archive"),
        [0x1F, 0x8B, ..] => ("gzip 压缩文件", "a gzip file"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => ("zstd 压缩文件", "a zstd file"),
        [b'R', b'a', b'r', b'!', ..] => ("rar 压缩包", "a rar archive"),
        [b'7', b'z', 0xBC, 0xAF, ..] => ("7z 压缩包", "a 7z archive"),
        [b'%', b'P', b'D', b'F', ..] => ("PDF 文件", "a PDF file"),
        _ if head.starts_with(COMPOUND_FILE) => ("旧版 Office 文件（.xls、.doc）", "an old Office file (.xls, .doc)"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => ("文本（UTF-16）", "text (UTF-16)"),
        _ if text.starts_with(b"<") => ("XML 或 HTML 文本", "XML or HTML text"),
        _ if text.starts_with(b"{") || text.starts_with(b"[") => ("JSON 文本", "JSON text"),
        _ if text.starts_with(b"UNA") || text.starts_with(b"UNB") => ("EDIFACT 文本", "EDIFACT text"),
        // No charset of ours has control characters in its text.
        _ if !head.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31)) => ("文本，如 CSV", "text, such as CSV"),
        _ => ("无法识别的二进制文件", "binary data of no kind that is known here"),
    };
    Words::new(zh, en)
}

/// The same input, which begins as `expected` does. An empty one is left to whoever reads it.
///
/// # Errors
/// What it looks like instead, and I/O of the input.
pub fn expect<'a>(expected: &[&[u8]], name: &str, input: Box<dyn Read + 'a>) -> Result<Box<dyn Read + 'a>, FormatError> {
    let mut input = BufReader::with_capacity(HEAD_BYTES, input);
    let head = input.fill_buf().map_err(|e| FormatError::from_io(e, Position::default()))?;
    let begins = |start: &&&[u8]| head.starts_with(start) || start.starts_with(head);
    if expected.iter().find(begins).is_some() {
        return Ok(Box::new(input));
    }
    let Words { zh, en } = looks_like(head);
    Err(FormatError::new(
        FormatCode::NotThisMessage,
        Position { line: 1, byte: 0, column: 0 },
        format!("这不是 {name} 文件，看起来是{zh}；映射规则要求报送 {name} 文件"),
        format!("this is no {name} file but looks like {en}; the mapping expects a {name} file"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let cases: [(&[u8], &str); 10] = [
            (b"PK\x03\x04\x14\x00", "a zip archive"),
            (b"\x1f\x8b\x08\x00", "a gzip file"),
            (b"%PDF-1.7", "a PDF file"),
            (b"\xEF\xBB\xBF<?xml version=\"1.0\"?>", "XML or HTML text"),
            (b"  {\"a\": 1}", "JSON text"),
            (b"UNA:+.? 'UNB+UNOC", "EDIFACT text"),
            ("统一社会信用代码,收入".as_bytes(), "text, such as CSV"),
            (b"\xc4\xc9\xcb\xb0\xc8\xcb,1.00\r\n", "text, such as CSV"),
            (b"\x00\x01\x02\x03", "binary data of no kind that is known here"),
            (COMPOUND_FILE, "an old Office file (.xls, .doc)"),
        ];
        cases.into_iter().for_each(|(head, expected)| assert_eq!(looks_like(head).en, expected));
    }

    #[test]
    fn an_input_is_whole_after_it_was_looked_at() {
        for body in [b"\x1f\x8b and more".as_slice(), b"\x1f", b""] {
            let mut read = Vec::new();
            expect(&[&[0x1f, 0x8b]], "gzip", Box::new(body)).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, body);
        }
        let Err(error) = expect(&[&[0x1f, 0x8b]], "gzip", Box::new(b"a,b\n1,2\n".as_slice())) else { panic!("no gzip") };
        assert!(error.words.en.contains("looks like text, such as CSV"), "{error}");
    }
}
