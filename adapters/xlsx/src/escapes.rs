//! `_xHHHH_`: how the text of a workbook writes characters that XML cannot hold or would change.

use std::fmt::Write as _;

/// Length of an escape in bytes.
const LENGTH: usize = 7;

/// The text with its escapes resolved; `None` where there are none. What stands for NUL or for half
/// of a character stays as it is.
pub fn decoded(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find("_x") {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let (character, length) = match escaped(escape) {
            Some(character) => (character, LENGTH),
            None => ('_', 1),
        };
        found |= length == LENGTH;
        plain.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    found.then_some(plain)
}

/// Appends a text so that XML holds it and [`decoded`] gives it back.
pub fn encode(text: &str, into: &mut String) {
    for (at, character) in text.char_indices() {
        let looks_escaped = character == '_' && text.get(at..).and_then(escaped).is_some();
        let unfit = character != '\n' && character != '\t' && (character < ' ' || matches!(character, '\u{FFFE}' | '\u{FFFF}'));
        match character {
            _ if looks_escaped || unfit => drop(write!(into, "_x{:04X}_", u32::from(character))),
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            _ => into.push(character),
        }
    }
}

/// The character that the escape at the start of a text stands for.
fn escaped(text: &str) -> Option<char> {
    let digits = text.strip_prefix("_x")?.get(..4)?;
    let whole = text.as_bytes().get(LENGTH - 1) == Some(&b'_') && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|code| whole && *code > 0)?;
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_encoded_is_decoded() {
        for text in ["", "plain", "a\rb", "_x000D_", "_x_x0041_", "__x0041__", "\u{1}\u{FFFF}", "_x0000_", "_xD83D_", "中_x4E2D_"] {
            let mut encoded = String::new();
            super::encode(text, &mut encoded);
            assert_eq!(super::decoded(&encoded).unwrap_or(encoded), text);
        }
        assert_eq!(super::decoded("a_x000D_b_x005F_x000D_").as_deref(), Some("a\rb_x000D_"));
    }
}
