//! What an adapter may report: errors of a whole body, and of its own options.

use crate::record::Position;
use std::fmt;
use std::io;

/// Bytes of one sentence; what goes beyond is cut.
const SENTENCE_BYTES_MAX: usize = 4_096;

/// One sentence in both languages of the gateway. It may repeat what stands in a body, and is shown on terminals and in logs:
/// control characters stand in it as they are escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Words {
    /// Both sentences at once, Chinese first.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: sentence(zh), en: sentence(en) }
    }
}

/// A text as one sentence: control characters as they are escaped (`\n`, `\u{1b}`), and cut where it is very long.
pub fn sentence(text: impl Into<String>) -> String {
    let text = text.into();
    if text.len() <= SENTENCE_BYTES_MAX && !text.contains(char::is_control) {
        return text;
    }
    let mut said = String::new();
    for character in text.chars() {
        if said.len() >= SENTENCE_BYTES_MAX {
            said.push('…');
            break;
        }
        if character.is_control() { said.extend(character.escape_default()) } else { said.push(character) }
    }
    said
}

/// Why a body cannot be read (or written) any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FormatCode {
    /// Not well-formed in its format.
    Syntax,
    /// The body ends in the middle of something.
    Truncated,
    /// A charset label that is unknown or not allowed.
    CharsetUnknown,
    /// Bytes that are not text in the declared charset.
    BytesUnmappable,
    /// A character that the output's charset cannot hold.
    CharacterUnmappable,
    /// A character that the format does not allow, such as NUL.
    CharacterForbidden,
    /// An XML document type declaration.
    DoctypeRefused,
    /// An XML entity other than the five predefined ones.
    EntityRefused,
    /// A member name twice in one JSON object.
    DuplicateKey,
    /// Nested more deeply than allowed.
    DepthExceeded,
    /// One token larger than allowed.
    TokenExceeded,
    /// One record larger than allowed, in bytes, values or attributes.
    RecordExceeded,
    /// Compressed so strongly, or of so many files, that expanding it is refused.
    ExpansionExceeded,
    /// Well-formed, but not the message that the mapping reads (another root, namespace, headings).
    NotThisMessage,
    /// A value that belongs before the records came after one.
    ValueLate,
    /// A value that has no form in the output, such as one that is too long for its columns.
    ValueUnwritable,
    /// A container (zip, multipart, envelope) whose structure or content is not what it says.
    ContainerDamaged,
    /// A container with something that is not opened: encryption, volumes, other methods.
    ContainerUnsupported,
    /// A member of a container with a name that is refused.
    MemberName,
    /// Members of a container other than the mapping reads.
    MembersUnexpected,
    /// A container within a container, deeper than the mapping says.
    ContainerNested,
    /// The adapter, one from outside, failed on this body: a crash, an overrun, or a result against its rules.
    AdapterFailed,
    /// The input or output failed below the format; [`FormatError::io`] holds the cause.
    Io,
}

impl FormatCode {
    /// Whether a container is at fault, and so the body as a whole rather than a document within.
    pub fn is_of_container(self) -> bool {
        matches!(
            self,
            Self::ContainerDamaged | Self::ContainerUnsupported | Self::MemberName | Self::MembersUnexpected | Self::ContainerNested
        )
    }
}

/// A body-level error: what, where, and in words.
#[derive(Debug)]
pub struct FormatError {
    /// What kind of error.
    pub code: FormatCode,
    /// Where in the body.
    pub at: Position,
    /// The part of the body in which it stands, such as a sheet of a workbook.
    pub part: Option<String>,
    /// Source path, where one is known.
    pub path: Option<String>,
    /// What was found and what was expected.
    pub words: Words,
    /// The I/O error below, for [`FormatCode::Io`].
    pub io: Option<io::Error>,
}

impl FormatError {
    /// An error without a source path.
    pub fn new(code: FormatCode, at: Position, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, at, part: None, path: None, words: Words::new(zh, en), io: None }
    }

    /// The same error, naming the source path.
    #[must_use]
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same error, naming the part of the body in which it stands.
    #[must_use]
    pub fn within(mut self, part: impl Into<String>) -> Self {
        self.part = Some(part.into());
        self
    }

    /// Unwraps an I/O error that carries a [`FormatError`] (as [`crate::TextInput`] raises them);
    /// any other becomes [`FormatCode::Io`].
    pub fn from_io(error: io::Error, at: Position) -> Self {
        match error.downcast::<Self>() {
            Ok(inner) => inner,
            Err(error) => Self {
                code: FormatCode::Io,
                at,
                part: None,
                path: None,
                words: Words::new(format!("读写失败：{error}"), format!("input or output failed: {error}")),
                io: Some(error),
            },
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}: {}", self.at.line, self.at.byte, self.words.en)
    }
}

impl std::error::Error for FormatError {}

impl From<FormatError> for io::Error {
    fn from(error: FormatError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Why a mapping's format options or plan cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionsError {
    /// The option or path at fault, as the mapping file names it; empty for the table itself.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl OptionsError {
    /// An error about one option.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }

    /// Reads a format's options into its own type; unknown keys fail and name the valid ones.
    ///
    /// # Errors
    /// What serde says of the first key that does not fit.
    pub fn parse<T: serde::de::DeserializeOwned>(options: &toml::Table) -> Result<T, Self> {
        options.clone().try_into().map_err(|e: toml::de::Error| Self::new("", e.message()))
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() { write!(f, "{}", self.message) } else { write!(f, "{}: {}", self.key, self.message) }
    }
}

impl std::error::Error for OptionsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_body_holds_is_shown_on_one_line() {
        let words = Words::new("甲\u{1b}[2J", format!("a\r\n{}", "b".repeat(2 * SENTENCE_BYTES_MAX)));
        assert_eq!(words.zh, "甲\\u{1b}[2J");
        assert!(words.en.starts_with("a\\r\\nbb") && words.en.ends_with("b…"), "{}", words.en);
        assert!(words.en.len() < SENTENCE_BYTES_MAX + 10);
        assert_eq!(sentence("甲 and b"), "甲 and b");
    }
}
