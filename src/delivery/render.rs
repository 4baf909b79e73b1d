//! From a lease to the bytes that are sent: the records of the chunk are read from the journal and
//! rendered in the receiver's format, always to the same bytes.
//!
//! What is held in memory is bounded by the flow: `delivery_records_max` and `delivery_bytes_max`.

use crate::amounts::Amounts;
use crate::domain::{Digest, IndexRow, Stored};
use crate::fault::{Fault, FaultCode};
use crate::journal::{Journal, JournalError, Lease};
use bytes::Bytes;
use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Rows of the index read at a time.
const INDEX_ROWS_MAX: u64 = 8192;

/// What a delivery is rendered from.
pub struct RenderJob<'a> {
    /// The delivery: flow, sender, and the digests that pin the mapping, the schema and the flow.
    pub lease: &'a Lease,
    /// The chunk's records that go to this destination, each with its canonical line.
    pub records: Vec<(IndexRow, Bytes)>,
    /// The text that a digest pins. It may wait for the journal: call it on a blocking thread.
    pub pinned: &'a dyn Fn(Digest) -> Result<Arc<str>, Fault>,
}

/// What was rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The `Content-Type` of the output.
    pub media_type: String,
    /// Records in it.
    pub records: u64,
    /// Their amounts.
    pub amounts: Amounts,
}

/// Renders canonical records in a receiver's format. Called on blocking threads.
pub trait Render: Send + Sync {
    /// Appends the rendered body to `output`. The same job gives the same bytes, whenever it is
    /// rendered: later attempts depend on it.
    ///
    /// # Errors
    /// A fault that says [`crate::fault::Retry::Never`] makes the delivery a dead letter; any other
    /// is tried again.
    fn render(&self, job: &RenderJob<'_>, output: &mut Vec<u8>) -> Result<Rendered, Fault>;
}

/// A rendered delivery.
pub(super) struct Payload {
    pub media_type: String,
    pub records: u64,
    pub amounts: Amounts,
    pub body: Bytes,
    pub digest: Digest,
}

/// Loads and renders what was leased. The journal queues nothing without a record: where none is found, the index
/// is damaged, and what nobody has sent must not count as acknowledged.
pub(super) async fn payload(journal: Arc<dyn Journal>, render: Arc<dyn Render>, lease: Lease) -> Result<Payload, Fault> {
    let rows = rows_of(journal.as_ref(), &lease).await?;
    if rows.is_empty() {
        return Err(damaged("no records in the index"));
    }
    let canonical = journal.canonical(lease.exchange).await.map_err(journal_fault)?.ok_or_else(|| damaged("no canonical records"))?;
    let runtime = Handle::current();
    let blocking = tokio::task::spawn_blocking(move || {
        let pinned = |digest: Digest| {
            let text = runtime.block_on(journal.pinned(digest)).map_err(journal_fault)?;
            text.ok_or_else(|| damaged(&format!("no text with the digest {digest}")))
        };
        let job = RenderJob { lease: &lease, records: lines(rows, &canonical)?, pinned: &pinned };
        let mut output = Vec::new();
        let Rendered { media_type, records, amounts } = render.render(&job, &mut output)?;
        Ok(Payload { media_type, records, amounts, digest: Digest::of(&output), body: output.into() })
    });
    blocking.await.unwrap_or_else(|panicked| Err(Fault::new(FaultCode::Internal).caused_by(panicked)))
}

/// What the journal could not do, as a fault of a delivery: what is damaged is never sent, and anything
/// else is tried again.
pub(super) fn journal_fault(error: JournalError) -> Fault {
    match error {
        JournalError::Damaged(what) => damaged(&what),
        other => Fault::new(other.code()).caused_by(other),
    }
}

/// Evidence that is not what it was: nothing is sent from it.
pub(super) fn damaged(what: &str) -> Fault {
    Fault::new(FaultCode::RenderFailed).detail(format!("存证与已存内容不符：{what}"), format!("the evidence is broken: {what}"))
}

async fn rows_of(journal: &dyn Journal, lease: &Lease) -> Result<Vec<IndexRow>, Fault> {
    let mut rows = Vec::new();
    let end = lease.first_row.saturating_add(lease.rows);
    let mut first = lease.first_row;
    while first < end {
        let page = journal.index(lease.exchange, first, (end - first).min(INDEX_ROWS_MAX)).await.map_err(journal_fault)?;
        if page.is_empty() {
            return Err(damaged("the index of its records is too short"));
        }
        first += page.len() as u64;
        let ours = |row: &IndexRow| row.destinations.checked_shr(lease.bit.into()).unwrap_or(0) & 1 == 1;
        rows.extend(page.into_iter().filter(|(row, known)| !known && ours(row)).map(|(row, _)| row));
    }
    Ok(rows)
}

/// The canonical lines of rows, in their order. Blocks.
///
/// # Errors
/// Lines that are not there, and files that cannot be read.
pub(crate) fn lines(rows: Vec<IndexRow>, canonical: &Stored) -> Result<Vec<(IndexRow, Bytes)>, Fault> {
    match canonical {
        Stored::Inline(bytes) => rows.into_iter().map(|row| Ok((row, slice(bytes, row.offset, row.length)?))).collect(),
        Stored::File { path, bytes } => {
            if rows.iter().any(|row| row.offset.saturating_add(row.length.into()) > *bytes) {
                return Err(damaged("the canonical records are cut short"));
            }
            let unreadable = |e: std::io::Error| Fault::new(FaultCode::Unavailable).caused_by(e);
            lines_of_file(rows, File::open(path).map_err(unreadable)?).map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => damaged("the canonical records are cut short"),
                _ => unreadable(e),
            })
        }
    }
}

fn slice(bytes: &Bytes, offset: u64, length: u32) -> Result<Bytes, Fault> {
    let range = usize::try_from(offset).ok().and_then(|from| Some(from..from.checked_add(length as usize)?));
    match range.filter(|range| range.end <= bytes.len()) {
        Some(range) => Ok(bytes.slice(range)),
        None => Err(damaged("the canonical records are cut short")),
    }
}

/// Reads each row's line; rows stand in the order of the file, so this only ever goes forward.
fn lines_of_file(rows: Vec<IndexRow>, file: File) -> std::io::Result<Vec<(IndexRow, Bytes)>> {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut at = 0_u64;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        reader.seek_relative(row.offset.wrapping_sub(at).cast_signed())?;
        let mut line = vec![0; row.length as usize];
        reader.read_exact(&mut line)?;
        at = row.offset + u64::from(row.length);
        lines.push((row, line.into()));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn row(offset: u64, length: u32) -> IndexRow {
        IndexRow { record: 1, offset, length, source_line: 1, destinations: 1, key: [0; 16] }
    }

    /// Reads the spans from the same text inline and in a file.
    fn check(spans: &[(u64, u32)], expected: Option<&[&str]>) {
        let text = "{\"a\":1}\n{\"b\":22}\n{\"c\":333}\n";
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let in_file = Stored::File { path: file.path().to_owned(), bytes: text.len() as u64 };
        for stored in [Stored::Inline(Bytes::from_static(text.as_bytes())), in_file] {
            let rows = spans.iter().map(|&(offset, length)| row(offset, length)).collect();
            let found = lines(rows, &stored);
            let found = found.as_ref().map(|lines| lines.iter().map(|(_, line)| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>());
            match (found, expected) {
                (Ok(found), Some(expected)) => assert_eq!(found, expected, "{spans:?}"),
                (Err(fault), None) => assert_eq!(fault.code, FaultCode::RenderFailed, "{spans:?}"),
                (found, _) => panic!("{spans:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn lines_are_found_by_their_rows() {
        check(&[(0, 8), (8, 9), (17, 10)], Some(&["{\"a\":1}\n", "{\"b\":22}\n", "{\"c\":333}\n"]));
        check(&[(17, 10)], Some(&["{\"c\":333}\n"]));
        check(&[(0, 8), (17, 10)], Some(&["{\"a\":1}\n", "{\"c\":333}\n"]));
        check(&[], Some(&[]));
    }

    #[test]
    fn a_row_beyond_the_end_is_broken_evidence() {
        check(&[(17, 11)], None);
        check(&[(27, 1)], None);
        check(&[(9000, 4)], None);
    }
}
