//! The charsets of the wire, their labels, and the tables of those with one byte for a character.

use encoding_rs::{DecoderResult, Encoding, GB18030, UTF_16BE, UTF_16LE};

/// The charsets of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Charset {
    /// UTF-8, RFC 3629.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little end first.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, big end first; also what a bare `UTF-16` means (RFC 2781) where no mark says else.
    #[serde(rename = "utf-16be", alias = "utf-16")]
    Utf16Be,
    /// GB 18030, four-byte characters included.
    #[serde(rename = "gb18030")]
    Gb18030,
    /// Read as GB 18030, of which it is a part; written in two bytes or not at all.
    #[serde(rename = "gbk")]
    Gbk,
    /// Read as GB 18030, of which it is a part; written within GB/T 2312 or not at all.
    #[serde(rename = "gb2312")]
    Gb2312,
    /// ISO 8859-1, Western Europe: bytes 80 to 9F are the controls of ISO 6429, not those of Windows.
    #[serde(rename = "iso-8859-1")]
    Iso8859_1,
    /// ISO 8859-2, Central Europe.
    #[serde(rename = "iso-8859-2")]
    Iso8859_2,
    /// ISO 8859-3, Southern Europe.
    #[serde(rename = "iso-8859-3")]
    Iso8859_3,
    /// ISO 8859-4, Northern Europe.
    #[serde(rename = "iso-8859-4")]
    Iso8859_4,
    /// ISO 8859-5, Cyrillic.
    #[serde(rename = "iso-8859-5")]
    Iso8859_5,
    /// ISO 8859-6, Arabic.
    #[serde(rename = "iso-8859-6")]
    Iso8859_6,
    /// ISO 8859-7, Greek.
    #[serde(rename = "iso-8859-7")]
    Iso8859_7,
    /// ISO 8859-8, Hebrew.
    #[serde(rename = "iso-8859-8")]
    Iso8859_8,
    /// ISO 8859-9, Turkish.
    #[serde(rename = "iso-8859-9")]
    Iso8859_9,
    /// ISO 8859-15, Western Europe with the euro sign.
    #[serde(rename = "iso-8859-15")]
    Iso8859_15,
    /// ASCII and GB/T 2312 by ISO 2022, as level X of UN/EDIFACT; no label names it.
    #[serde(skip)]
    Iso2022,
}

/// The characters of bytes 80 to FF; U+FFFD where there is none.
pub(crate) type UpperHalf = [char; 128];

impl Charset {
    /// The charset of a label as it stands in an XML declaration or a configuration.
    pub fn from_label(label: &str) -> Option<Self> {
        Some(match label.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Self::Utf8,
            "utf-16le" => Self::Utf16Le,
            "utf-16" | "utf-16be" => Self::Utf16Be,
            "gb18030" | "gb18030-2022" | "gb_18030" => Self::Gb18030,
            "gbk" | "cp936" | "ms936" | "windows-936" => Self::Gbk,
            "gb2312" | "gb_2312-80" | "euc-cn" => Self::Gb2312,
            "iso-8859-1" | "latin1" => Self::Iso8859_1,
            "iso-8859-2" | "latin2" => Self::Iso8859_2,
            "iso-8859-3" | "latin3" => Self::Iso8859_3,
            "iso-8859-4" | "latin4" => Self::Iso8859_4,
            "iso-8859-5" => Self::Iso8859_5,
            "iso-8859-6" => Self::Iso8859_6,
            "iso-8859-7" => Self::Iso8859_7,
            "iso-8859-8" => Self::Iso8859_8,
            "iso-8859-9" | "latin5" => Self::Iso8859_9,
            "iso-8859-15" | "latin-9" => Self::Iso8859_15,
            _ => return None,
        })
    }

    /// The registered (IANA) name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Gb18030 => "GB18030",
            Self::Gbk => "GBK",
            Self::Gb2312 => "GB2312",
            Self::Iso8859_1 => "ISO-8859-1",
            Self::Iso8859_2 => "ISO-8859-2",
            Self::Iso8859_3 => "ISO-8859-3",
            Self::Iso8859_4 => "ISO-8859-4",
            Self::Iso8859_5 => "ISO-8859-5",
            Self::Iso8859_6 => "ISO-8859-6",
            Self::Iso8859_7 => "ISO-8859-7",
            Self::Iso8859_8 => "ISO-8859-8",
            Self::Iso8859_9 => "ISO-8859-9",
            Self::Iso8859_15 => "ISO-8859-15",
            Self::Iso2022 => "ISO-2022-CN",
        }
    }

    /// How many bytes its characters take.
    pub(crate) fn width(self) -> Width {
        match self {
            Self::Utf8 => Width::Utf8,
            Self::Utf16Le | Self::Utf16Be => Width::Utf16,
            Self::Gb18030 | Self::Gbk | Self::Gb2312 => Width::Gb,
            Self::Iso2022 => Width::Shifted,
            _ => Width::Single,
        }
    }

    /// The decoder of encoding_rs, for what is neither UTF-8 nor one byte for a character.
    pub(crate) fn multi_byte(self) -> Option<&'static Encoding> {
        match self {
            Self::Utf16Le => Some(UTF_16LE),
            Self::Utf16Be => Some(UTF_16BE),
            Self::Gb18030 | Self::Gbk | Self::Gb2312 => Some(GB18030),
            _ => None,
        }
    }

    /// The upper half of a charset with one byte for a character.
    pub(crate) fn upper_half(self) -> Option<Box<UpperHalf>> {
        let encoding = match self {
            Self::Iso8859_1 | Self::Iso8859_9 => return Some(Box::new(western(self == Self::Iso8859_9))),
            Self::Iso8859_2 => encoding_rs::ISO_8859_2,
            Self::Iso8859_3 => encoding_rs::ISO_8859_3,
            Self::Iso8859_4 => encoding_rs::ISO_8859_4,
            Self::Iso8859_5 => encoding_rs::ISO_8859_5,
            Self::Iso8859_6 => encoding_rs::ISO_8859_6,
            Self::Iso8859_7 => encoding_rs::ISO_8859_7,
            Self::Iso8859_8 => encoding_rs::ISO_8859_8,
            Self::Iso8859_15 => encoding_rs::ISO_8859_15,
            _ => return None,
        };
        Some(Box::new(std::array::from_fn(|index| decoded(encoding, 0x80 + index as u8))))
    }
}

/// How the length of a character in a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// As many bytes as in the text.
    Utf8,
    /// Two or four.
    Utf16,
    /// One, two or four, as the body says.
    Gb,
    /// One.
    Single,
    /// One or two, as what came before says.
    Shifted,
}

/// ISO 8859-1 is the start of Unicode; ISO 8859-9 has six Turkish letters in it. The web's encodings
/// of these names are those of Windows, so encoding_rs has neither.
fn western(turkish: bool) -> UpperHalf {
    std::array::from_fn(|index| {
        let byte = 0x80 + index as u8;
        match (turkish, byte) {
            (true, 0xD0) => 'Ğ',
            (true, 0xDD) => 'İ',
            (true, 0xDE) => 'Ş',
            (true, 0xF0) => 'ğ',
            (true, 0xFD) => 'ı',
            (true, 0xFE) => 'ş',
            _ => char::from(byte),
        }
    })
}

fn decoded(encoding: &'static Encoding, byte: u8) -> char {
    let mut text = [0; 8];
    let (result, _, written) = encoding.new_decoder_without_bom_handling().decode_to_utf8_without_replacement(&[byte], &mut text, true);
    match (result, std::str::from_utf8(&text[..written])) {
        (DecoderResult::InputEmpty, Ok(text)) => text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER),
        _ => char::REPLACEMENT_CHARACTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of `cases/text/iso8859.tsv`, from CPython's codecs: charset, and the characters of bytes
    /// A0 to FF, a question mark where there is none.
    #[test]
    fn upper_halves_are_those_of_another_program() {
        let mut rows = 0;
        for line in include_str!("../cases/text/iso8859.tsv").lines() {
            let (label, characters) = line.split_once('\t').unwrap();
            let upper = Charset::from_label(label).and_then(Charset::upper_half).unwrap();
            let found: String = upper[0x20..].iter().map(|c| if *c == char::REPLACEMENT_CHARACTER { '?' } else { *c }).collect();
            assert_eq!(found, characters, "{label}");
            rows += 1;
        }
        assert_eq!(rows, 10);
    }
}
