//! Writes a multipart body of one part: a form with a file (RFC 7578), or a mixed message (RFC 2046).
//!
//! The boundary is told to the receiver before a byte of the document is known, so it is always the same, and a document that
//! holds it is refused: nobody's text can end the part early and begin one of its own.

use crate::container::{Close, Writer, member_name, names::NAME_BYTES_MAX};
use crate::http::query::percent_encoded;
use memchr::memmem;
use portolan_contract::{Bound, Charset, FormatCode, FormatError, Position, RawRecord, WriteRecords};
use std::io::{self, Write};

/// What stands between parts.
const BOUNDARY: &str = "portolan-7c1f0e5ab2d94f368e2b6a90";

/// The part that is written.
pub struct WrittenPart {
    file: String,
    field: Option<String>,
}

impl WrittenPart {
    /// A file, in a field of a form or in a mixed message; `read` are the patterns by which it is found again.
    ///
    /// # Errors
    /// A name that cannot stand in a part's header, or that would not be read again.
    pub fn new(file: String, field: Option<String>, read: &[String]) -> Result<Self, String> {
        member_name(&file, Charset::Utf8, read)?;
        for (key, name) in [("write", Some(&file)), ("field", field.as_ref())] {
            let Some(name) = name else { continue };
            if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(|c: char| matches!(c, '"' | '\\') || c.is_control()) {
                return Err(format!(
                    "{key} = {name:?} is no name for a part: no quotation mark, backslash or control character stands in it"
                ));
            }
        }
        Ok(Self { file, field })
    }

    /// The header lines of the part, up to the blank one.
    fn header(&self, media_type: &str) -> String {
        let disposition = match &self.field {
            // A form has names as they are in UTF-8; the other way of RFC 8187 must not be used (RFC 7578, 4.2).
            Some(field) => format!("form-data; name=\"{field}\"; filename=\"{}\"", self.file),
            None if self.file.is_ascii() => format!("attachment; filename=\"{}\"", self.file),
            None => format!("attachment; filename*=UTF-8''{}", percent_encoded(&self.file)),
        };
        // Without it a part of a mixed message has lines of seven bits (RFC 2045, 6.1); a form never says it (RFC 7578, 4.7).
        let encoding = if self.field.is_some() { "" } else { "Content-Transfer-Encoding: binary\r\n" };
        format!("Content-Disposition: {disposition}\r\nContent-Type: {media_type}\r\n{encoding}\r\n")
    }
}

/// The media type of what is written.
pub(in crate::container) fn media_type(part: Option<&WrittenPart>) -> String {
    let kind = if part.is_some_and(|part| part.field.is_some()) { "form-data" } else { "mixed" };
    format!("multipart/{kind}; boundary={BOUNDARY}")
}

pub(in crate::container) fn writer<'a>(
    mut output: Box<dyn Write + 'a>,
    part: &WrittenPart,
    inner: &'a dyn Bound,
    head: &RawRecord,
) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
    let begin = format!("--{BOUNDARY}\r\n{}", part.header(&inner.media_type()));
    output.write_all(begin.as_bytes()).map_err(|e| FormatError::from_io(e, Position::default()))?;
    Ok(Box::new(Writer::begin(Content { output, latest: Vec::new() }, inner, head)?))
}

/// The content of the part.
struct Content<W> {
    output: W,
    /// The latest bytes, in which the boundary may have begun.
    latest: Vec<u8>,
}

impl<W: Write> Write for Content<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.latest.extend_from_slice(bytes);
        if memmem::find(&self.latest, BOUNDARY.as_bytes()).is_some() {
            return Err(holds_boundary().into());
        }
        self.latest.drain(..self.latest.len().saturating_sub(BOUNDARY.len() - 1));
        self.output.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Close for Content<W> {
    fn close(&mut self) -> io::Result<()> {
        write!(self.output, "\r\n--{BOUNDARY}--\r\n")?;
        self.output.flush()
    }
}

fn holds_boundary() -> FormatError {
    FormatError::new(
        FormatCode::ValueUnwritable,
        Position::default(),
        format!("报文内容含有 multipart 分隔文本 {BOUNDARY}，无法写入"),
        format!("the document holds the boundary of the multipart body, {BOUNDARY}, and cannot be written into it"),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_holds_the_boundary_is_refused_however_it_comes() {
        let document = format!("a,b\r\n--{BOUNDARY}--\r\n");
        for at in 0..=document.len() {
            let (first, second) = document.as_bytes().split_at(at);
            let mut content = Content { output: Vec::new(), latest: Vec::new() };
            let error = content.write_all(first).and_then(|()| content.write_all(second)).unwrap_err();
            assert_eq!(FormatError::from_io(error, Position::default()).code, FormatCode::ValueUnwritable, "split at {at}");
            assert!(memmem::find(&content.output, BOUNDARY.as_bytes()).is_none(), "split at {at}");
        }
        let mut content = Content { output: Vec::new(), latest: Vec::new() };
        let close = &BOUNDARY[..BOUNDARY.len() - 1];
        close.bytes().chain(*b"-").for_each(|byte| content.write_all(&[byte]).unwrap());
        assert_eq!(content.output, format!("{close}-").as_bytes());
    }

    #[test]
    fn names_that_would_end_a_header() {
        for (file, field) in [("a\".csv", None), ("a.csv", Some("a\"; filename=\"b")), ("a.csv", Some("a\r\nx: y")), ("a.csv", Some(""))] {
            assert!(WrittenPart::new(file.to_owned(), field.map(str::to_owned), &["*".to_owned()]).is_err(), "{file:?} {field:?}");
        }
    }
}
