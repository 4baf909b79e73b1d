//! Query strings (RFC 3986, section 3.4) and percent-encoding, as every listener reads them.

use crate::fault::{Fault, FaultCode};

/// Characters of a parameter's name that its refusal repeats.
const NAME_CHARS_SHOWN: usize = 40;

/// Splits a query string; percent-encoding is undone, `+` stands for itself as RFC 3986 has it. Bytes
/// that are no UTF-8 become U+FFFD, which no value that is looked for holds.
pub fn parse_query(text: &str) -> Vec<(String, String)> {
    let unescaped = |text: &str| String::from_utf8_lossy(&percent_decoded(text)).into_owned();
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (unescaped(name), unescaped(value))).collect()
}

/// The refusal of a parameter; `allowed` are those that there are.
pub fn bad_query(name: &str, allowed: &str) -> Fault {
    let name: String = name.chars().take(NAME_CHARS_SHOWN).collect();
    Fault::new(FaultCode::QueryInvalid).detail(
        format!("查询参数 {name:?} 不可用或取值不正确；可用 {allowed}"),
        format!("the query parameter {name:?} is unknown or malformed; there are {allowed}"),
    )
}

/// Undoes percent-encoding (RFC 3986, section 2.1). A `%` without two hexadecimal digits stands for itself.
pub fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = match (first, after.split_at_checked(2).and_then(|(pair, after)| Some((two_digits(pair)?, after)))) {
            (b'%', Some((byte, after))) => {
                bytes.push(byte);
                after
            }
            _ => {
                bytes.push(first);
                after
            }
        };
    }
    bytes
}

/// The same where a `%` without two hexadecimal digits is a mistake.
pub fn percent_decoded_strictly(text: &str) -> Option<Vec<u8>> {
    let mut escaped = text.as_bytes().split(|byte| *byte == b'%').skip(1);
    escaped.all(|piece| piece.get(..2).and_then(two_digits).is_some()).then(|| percent_decoded(text))
}

/// Percent-encodes everything but unreserved characters (RFC 3986, section 2.3).
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn two_digits(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [high, low] = pair else { return None };
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone() {
        let cases: [(&str, &[u8]); 8] = [
            ("", b""),
            ("a+b", b"a+b"),
            ("%41%2f%2F", b"A//"),
            ("%E7%A8%8E", "税".as_bytes()),
            ("%ff", &[0xff]),
            ("100%", b"100%"),
            ("%4", b"%4"),
            ("%+4%é", "%+4%é".as_bytes()),
        ];
        for (text, expected) in cases {
            assert_eq!(percent_decoded(text), expected, "{text}");
            // Whatever stands for itself is a mistake to the strict one.
            let is_mistaken = expected.contains(&b'%');
            assert_eq!(percent_decoded_strictly(text), Some(expected.to_vec()).filter(|_| !is_mistaken), "{text}");
        }
    }

    #[test]
    fn everything_but_the_unreserved_is_encoded() {
        assert_eq!(percent_encoded("Az09-._~ %/税\r\n"), "Az09-._~%20%25%2F%E7%A8%8E%0D%0A");
    }

    #[test]
    fn pairs_are_split() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(parse_query("a=1&&b&c=%3D=&%61=x"), [pair("a", "1"), pair("b", ""), pair("c", "=="), pair("a", "x")]);
    }
}
