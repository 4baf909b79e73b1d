//! What an interchange says of itself before its first value: service characters, syntax level
//! (which is its charset and repertoire) and syntax version. ISO 9735, ISO 9735-1.

use portolan_contract::{Charset, FormatCode, FormatError, OptionsError, Position};

/// The service characters of one interchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceCharacters {
    pub(crate) component: u8,
    pub(crate) element: u8,
    /// `None` where a space stands in its place: nothing can be released.
    pub(crate) release: Option<u8>,
    /// Used from syntax version 4 on.
    pub(crate) repetition: Option<u8>,
    pub(crate) terminator: u8,
    /// The decimal mark of what is written. Both marks are read, as ISO 9735 allows either.
    pub(crate) decimal: u8,
}

/// What stands where no UNA says otherwise.
const USUAL: ServiceCharacters =
    ServiceCharacters { component: b':', element: b'+', release: Some(b'?'), repetition: Some(b'*'), terminator: b'\'', decimal: b'.' };

/// The separators of level B in syntax versions 1 to 3, which do not print; nothing is released.
const UNPRINTED: ServiceCharacters =
    ServiceCharacters { component: 0x1F, element: 0x1D, release: None, repetition: None, terminator: 0x1C, decimal: b'.' };

/// Characters of a UNA: the six that follow the tag.
pub(crate) const UNA_CHARACTERS: usize = 6;

impl ServiceCharacters {
    /// The characters of a UNA, in its order: component, element, decimal mark, release, repetition
    /// (a space before version 4), terminator.
    ///
    /// # Errors
    /// The index of a character that cannot be one.
    pub(crate) fn from_una(una: &[u8; UNA_CHARACTERS]) -> Result<Self, usize> {
        let [component, element, decimal, release, repetition, terminator] = *una;
        let or_none = |byte: u8| (byte != b' ').then_some(byte);
        let fits = |byte: u8| byte.is_ascii() && !byte.is_ascii_alphanumeric() && byte != b' ';
        if !matches!(decimal, b'.' | b',') {
            return Err(2);
        }
        for (index, byte) in [(0, component), (1, element), (5, terminator)] {
            if !fits(byte) {
                return Err(index);
            }
        }
        let all = [Some(component), Some(element), or_none(release), or_none(repetition), Some(terminator)];
        for (rank, (index, byte)) in [0, 1, 3, 4, 5].into_iter().zip(all).enumerate() {
            let Some(byte) = byte else { continue };
            if !fits(byte) || all.iter().take(rank).any(|other| *other == Some(byte)) {
                return Err(index);
            }
        }
        let (release, repetition) = (or_none(release), or_none(repetition));
        Ok(Self { component, element, release, repetition, terminator, decimal })
    }

    /// What is meant where there is no UNA: told by what follows `UNB`.
    pub(crate) fn without_una(separator: u8) -> Option<Self> {
        [USUAL, UNPRINTED].into_iter().find(|characters| characters.element == separator)
    }

    /// The characters of the option `service_characters`; the usual ones where it is not given.
    pub(crate) fn from_option(text: Option<&str>) -> Result<Self, OptionsError> {
        let Some(text) = text else { return Ok(USUAL) };
        let una = <&[u8; UNA_CHARACTERS]>::try_from(text.as_bytes());
        una.ok().and_then(|una| Self::from_una(una).ok()).ok_or_else(|| {
            let message = "six different characters as in a UNA are expected, such as \":+.? '\" or \":+,?*'\"";
            OptionsError::new("service_characters", message)
        })
    }

    /// The same, with no repetition separator before version 4.
    pub(crate) fn in_version(self, version: u8) -> Self {
        Self { repetition: self.repetition.filter(|_| version >= 4), ..self }
    }
}

/// A syntax identifier: `UNOA` to `UNOY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Its last letter.
    letter: u8,
}

impl Level {
    /// The level of an identifier; `None` for what is none.
    pub(crate) fn from_identifier(identifier: &str) -> Option<Self> {
        let letter = *identifier.strip_prefix("UNO")?.as_bytes().first()?;
        (identifier.len() == 4 && letter.is_ascii_uppercase()).then_some(Self { letter })
    }

    /// The charset of its bytes. Levels A and B are parts of ASCII, which [`Level::holds`] checks.
    ///
    /// # Errors
    /// Why there is none, in Chinese and English.
    pub(crate) fn charset(self) -> Result<Charset, (String, String)> {
        Ok(match self.letter {
            b'A' | b'B' | b'W' => Charset::Utf8,
            b'C' => Charset::Iso8859_1,
            b'D' => Charset::Iso8859_2,
            b'E' => Charset::Iso8859_5,
            b'F' => Charset::Iso8859_7,
            b'G' => Charset::Iso8859_3,
            b'H' => Charset::Iso8859_4,
            b'I' => Charset::Iso8859_6,
            b'J' => Charset::Iso8859_8,
            b'K' => Charset::Iso8859_9,
            b'L' => Charset::Iso8859_15,
            b'Y' => Charset::Utf16Be,
            // Code extension: which sets are used, escape sequences in the body say.
            b'X' => Charset::Iso2022,
            letter => {
                let letter = char::from(letter);
                return Err((
                    format!("语法标识 UNO{letter} 不存在；可用 UNOA 至 UNOL、UNOW 至 UNOY"),
                    format!("there is no syntax identifier UNO{letter}; use UNOA to UNOL or UNOW to UNOY"),
                ));
            }
        })
    }

    /// Whether a character is in the repertoire of level A or B; the others are their charset's.
    pub(crate) fn holds(self, byte: u8) -> bool {
        let common = byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" .,-()/='+:?!\"%&*;<>".contains(&byte);
        match self.letter {
            b'A' => common,
            b'B' => common || byte.is_ascii_lowercase(),
            _ => true,
        }
    }
}

/// The charset of a body, from its first bytes: that of the level that its UNB names.
///
/// # Errors
/// A level that cannot be read. What is no interchange at all is left to the reader.
pub(crate) fn charset_of(head: &[u8]) -> Result<Charset, FormatError> {
    // In UNOY every character has two bytes, the first of which is 0 here.
    if matches!(head, [0, b'U' | b'\r' | b'\n', ..]) {
        return Ok(Charset::Utf16Be);
    }
    let Some(unb) = memchr::memmem::find(head, b"UNB") else { return Ok(Charset::Utf8) };
    let identifier = head.get(unb + 4..unb + 8).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let Some(level) = identifier.and_then(Level::from_identifier) else { return Ok(Charset::Utf8) };
    level.charset().map_err(|(zh, en)| {
        let line = 1 + memchr::memchr_iter(b'\n', &head[..unb]).count() as u64;
        let at = Position { line, byte: unb as u64 + 4, column: 0 };
        FormatError::new(FormatCode::CharsetUnknown, at, zh, en).on("UNB/S001/0001")
    })
}
