//! Containers: a body that holds its documents in an archive, in the parts of a form or in an
//! envelope, read and written as if they stood alone.
//!
//! A mapping says so in `[[container]]`, the outermost first; nothing is opened by guess. A container
//! wraps the bound format, so that translation, conversion, cases and delivery take the same way with
//! it as without. Parts are read one after the other as the body streams by: no part is held, and
//! none is written to disk. Places in findings are those of the document within, and the part's name
//! stands beside them.
//!
//! Limits: [`CONTAINERS_MAX`] within one another, a document that is itself an archive is refused;
//! `Limits::members_max`, `expanded_bytes_max` and `expansion_ratio_max` for each container; a record and
//! what stands around its part are one record to `record_values_max` and `record_bytes_max`.

mod documents;
mod envelope;
mod kind;
mod multipart;
mod names;
mod packed;
mod zip;

pub use documents::Visit;
pub use envelope::Envelope;
pub use multipart::write::WrittenPart;
pub use names::Members;
pub use packed::Packing;

use portolan_contract::{Bound, Charset, FormatCode, FormatError, Found, Limits, Position, RawRecord, ReadRecords, WriteRecords};
use std::cell::RefCell;
use std::io::{self, Cursor, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

/// Containers of one mapping within one another.
pub const CONTAINERS_MAX: usize = 3;
/// Bytes read at a time where they go nowhere.
const SKIPPED_CHUNK_BYTES: usize = 16 * 1024;

/// A kind of container with what a mapping says of it.
pub enum Container {
    /// One file, compressed.
    Packed(Packing),
    /// A zip archive.
    Zip {
        /// Which members are read, and how they are named.
        members: Members,
        /// The charset of names that are not said to be UTF-8.
        names: Charset,
        /// The name of the member that is written; without it the mapping reads alone.
        write: Option<String>,
    },
    /// The body of a form or of a mixed message.
    Multipart {
        /// Which parts are read.
        members: Members,
        /// The part that is written; without it the mapping reads alone.
        write: Option<WrittenPart>,
    },
    /// Base64 within an element of an XML document.
    Envelope(Envelope),
}

/// The parts of a container, one after the other.
trait Parts {
    /// Goes on to the next part, past what is left of the present one, and gives its name; `None`
    /// once the container has ended as it should.
    fn next(&mut self) -> Result<Option<String>, FormatError>;

    /// Bytes of the present part; none at its end, which has been checked by then.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize>;

    /// What stands around the part, for its records.
    fn around(&self, _record: &mut RawRecord) {}
}

/// Checks the name of a member that is to be written.
///
/// # Errors
/// A name that its charset cannot hold, that leaves the container, or that would not be read again.
pub fn member_name(name: &str, charset: Charset, read: &[String]) -> Result<(), String> {
    let encoded = zip::write::encoded(name, charset).map_err(|e| format!("write = {name:?}: {}", e.words.en))?;
    if encoded.len() > names::NAME_BYTES_MAX || name.ends_with('/') || !names::is_within(name) {
        return Err(format!("write = {name:?} is no name of a member: a relative path with / between its steps"));
    }
    if !read.iter().any(|pattern| names::fits(pattern, name)) {
        return Err(format!("write = {name:?} fits none of members, so that it could not be read again"));
    }
    Ok(())
}

/// A format within a container.
pub struct Contained {
    container: Container,
    inner: Inner,
}

/// What stands in a container.
pub enum Inner {
    /// Documents.
    Document {
        /// Their format.
        format: Arc<dyn Bound>,
        /// They are texts, so that an archive in place of one is one too many.
        is_text: bool,
    },
    /// Another container.
    Container(Arc<Contained>),
}

impl Inner {
    fn bound(&self) -> &dyn Bound {
        match self {
            Self::Document { format, .. } => format.as_ref(),
            Self::Container(contained) => contained.as_ref(),
        }
    }
}

impl Contained {
    /// What stands in a container.
    pub fn new(container: Container, inner: Inner) -> Self {
        Self { container, inner }
    }

    fn parts<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn Parts + 'a>, FormatError> {
        Ok(match &self.container {
            Container::Packed(packing) => Box::new(packed::Packed::new(*packing, input, limits)?),
            Container::Zip { members, names, .. } => {
                let input = kind::expect(&[b"PK"], "zip", input)?;
                Box::new(zip::read::Archive::new(input, members, *names, limits))
            }
            Container::Multipart { members, .. } => Box::new(multipart::Multipart::new(input, members, limits)),
            Container::Envelope(envelope) => Box::new(envelope::Reader::new(envelope, input, limits)?),
        })
    }
}

impl Bound for Contained {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        Ok(Box::new(Reader {
            contained: self,
            parts: Rc::new(RefCell::new(self.parts(input, limits)?)),
            limits: *limits,
            part: String::new(),
            document: None,
            any: false,
            record: RawRecord::default(),
        }))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        let inner = self.inner.bound();
        match &self.container {
            Container::Packed(packing) => packed::writer(*packing, output, inner, head),
            Container::Zip { names, write: Some(name), .. } => zip::write::writer(output, name, *names, inner, head),
            Container::Zip { write: None, .. } => {
                Err(read_alone("zip 容器未说明要写入的成员名（write）", "its zip container names no member to write"))
            }
            Container::Multipart { write: Some(part), .. } => multipart::write::writer(output, part, inner, head),
            Container::Multipart { write: None, .. } => {
                Err(read_alone("multipart 容器未说明要写入的文件名（write）", "its multipart container names no file to write"))
            }
            Container::Envelope(envelope) => envelope::writer(envelope, output, inner, head),
        }
    }

    fn media_type(&self) -> String {
        match &self.container {
            Container::Packed(packing) => packing.media_type().to_owned(),
            Container::Zip { .. } => "application/zip".to_owned(),
            Container::Multipart { write, .. } => multipart::write::media_type(write.as_ref()),
            Container::Envelope(_) => "application/xml; charset=utf-8".to_owned(),
        }
    }
}

fn read_alone(zh: &str, en: &str) -> FormatError {
    FormatError::new(
        FormatCode::NotThisMessage,
        Position::default(),
        format!("本映射只能读取：{zh}"),
        format!("this mapping only reads: {en}"),
    )
}

/// Reads the documents of all parts as one body.
struct Reader<'a> {
    contained: &'a Contained,
    parts: Rc<RefCell<Box<dyn Parts + 'a>>>,
    limits: Limits,
    part: String,
    document: Option<Box<dyn ReadRecords + 'a>>,
    /// Some part has been read.
    any: bool,
    /// The latest record, or what the latest part ended with.
    record: RawRecord,
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        loop {
            let Some(document) = &mut self.document else {
                if self.begin()? {
                    continue;
                }
                return Ok(Found::End(&self.record));
            };
            let is_record = match document.read() {
                Ok(Found::Record(raw)) => {
                    self.record.clone_from(raw);
                    true
                }
                Ok(Found::End(raw)) => {
                    self.record.clone_from(raw);
                    false
                }
                Err(error) => return Err(self.in_part(error)),
            };
            self.record.part = joined(&self.part, self.record.part.take());
            self.parts.borrow().around(&mut self.record);
            self.limits.check_record(self.record.values().len(), self.record.text_bytes(), self.record.at)?;
            if is_record {
                return Ok(Found::Record(&self.record));
            }
            self.document = None;
        }
    }

    fn held(&self) -> &RawRecord {
        self.document.as_ref().map_or(&self.record, |document| document.held())
    }
}

impl<'a> Reader<'a> {
    /// Begins with the next part; `false` when there is none.
    fn begin(&mut self) -> Result<bool, FormatError> {
        let Some(part) = self.parts.borrow_mut().next()? else {
            if !self.any {
                return Err(FormatError::new(
                    FormatCode::MembersUnexpected,
                    Position::default(),
                    "容器中没有映射所要读取的成员",
                    "the container holds no member that the mapping reads",
                ));
            }
            return Ok(false);
        };
        self.any = true;
        self.part = part;
        let mut input: Box<dyn Read + 'a> = Box::new(Part(Rc::clone(&self.parts)));
        if matches!(self.contained.inner, Inner::Document { is_text: true, .. }) {
            input = self.no_archive(input)?;
        }
        let document = self.contained.inner.bound().reader(input, &self.limits);
        self.document = Some(document.map_err(|error| self.in_part(error))?);
        Ok(true)
    }

    /// The same input, unless it begins as an archive does: that is one more than the mapping opens.
    fn no_archive(&self, mut input: Box<dyn Read + 'a>) -> Result<Box<dyn Read + 'a>, FormatError> {
        let mut head = Vec::with_capacity(4);
        let read = input.by_ref().take(4).read_to_end(&mut head);
        read.map_err(|error| self.in_part(FormatError::from_io(error, Position::default())))?;
        let kind = match head.as_slice() {
            [b'P', b'K', 3 | 5 | 7, 4 | 6 | 8] => "zip",
            [0x1F, 0x8B, ..] => "gzip",
            [0x28, 0xB5, 0x2F, 0xFD] => "zstd",
            _ => return Ok(Box::new(Cursor::new(head).chain(input))),
        };
        let part = &self.part;
        Err(FormatError::new(
            FormatCode::ContainerNested,
            Position::default(),
            format!("成员 {part:?} 本身又是 {kind} 压缩包，超出映射所说明的层数"),
            format!("the member {part:?} is itself a {kind} archive, deeper than the mapping says"),
        ))
    }

    /// The container's own faults are those of the whole body; any other is one of the part.
    fn in_part(&self, mut error: FormatError) -> FormatError {
        if !error.code.is_of_container() {
            error.part = joined(&self.part, error.part.take());
        }
        error
    }
}

/// A part's name, with that of a part within it.
fn joined(outer: &str, inner: Option<String>) -> Option<String> {
    match inner {
        None => Some(outer.to_owned()).filter(|name| !name.is_empty()),
        Some(inner) if outer.is_empty() => Some(inner),
        Some(inner) => Some(format!("{outer}/{inner}")),
    }
}

/// The present part as an input.
struct Part<'a>(Rc<RefCell<Box<dyn Parts + 'a>>>);

impl Read for Part<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(out)
    }
}

/// Reads what is left of a part, so that its end is checked too.
fn skip_rest(parts: &mut dyn Parts) -> Result<(), FormatError> {
    let mut chunk = [0; SKIPPED_CHUNK_BYTES];
    while parts.read(&mut chunk).map_err(|e| FormatError::from_io(e, Position::default()))? > 0 {}
    Ok(())
}

/// A container's structure is not what it says.
fn damaged(at_byte: u64, zh: impl Into<String>, en: impl Into<String>) -> FormatError {
    of_container(FormatCode::ContainerDamaged, at_byte, zh, en)
}

/// A fault of a container, with its offset in it.
fn of_container(code: FormatCode, at_byte: u64, zh: impl Into<String>, en: impl Into<String>) -> FormatError {
    let at = Position { line: 0, byte: at_byte, column: 0 };
    let (zh, en) = (zh.into(), en.into());
    FormatError::new(code, at, format!("{zh}（容器第 {at_byte} 字节处）"), format!("{en} (at byte {at_byte} of the container)"))
}

/// What a writer shares with the output that it gave to the document within.
struct Shared<W>(Rc<RefCell<W>>);

impl<W: Write> Write for Shared<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that has an end of its own.
trait Close: Write {
    /// Writes what comes after the document, and flushes.
    fn close(&mut self) -> io::Result<()>;
}

/// Writes one document into a container.
struct Writer<'a, W> {
    document: Box<dyn WriteRecords + 'a>,
    output: Rc<RefCell<W>>,
}

impl<'a, W: Close + 'a> Writer<'a, W> {
    fn begin(output: W, inner: &'a dyn Bound, head: &RawRecord) -> Result<Self, FormatError> {
        let output = Rc::new(RefCell::new(output));
        let document = inner.writer(Box::new(Shared(Rc::clone(&output))), head)?;
        Ok(Self { document, output })
    }
}

impl<W: Close> WriteRecords for Writer<'_, W> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        self.document.write(record)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        self.document.finish()?;
        self.output.borrow_mut().close().map_err(|e| FormatError::from_io(e, Position::default()))
    }
}
