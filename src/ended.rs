//! Where a body ends, for a reader that found nothing in it.
//!
//! Lines are counted by line feeds, as adapters count them. A body that is no text of its own, such as an archive or a
//! workbook, has no lines, and one of UTF-16 has none that a byte tells: theirs is 0.

use crate::mapping::Mapping;
use portolan_contract::Position;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// How far an input has been read.
#[derive(Clone, Copy, Default)]
pub struct Extent {
    bytes: u64,
    line_feeds: u64,
    last: u8,
    /// The first two bytes, which tell UTF-16.
    first: [u8; 2],
}

impl Extent {
    fn add(&mut self, read: &[u8]) {
        for (&byte, at) in read.iter().zip(self.bytes..2) {
            self.first[usize::from(at > 0)] = byte;
        }
        self.bytes += read.len() as u64;
        self.line_feeds += read.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.last = read.last().copied().unwrap_or(self.last);
    }

    /// The end, in a body of this mapping.
    pub fn end(self, mapping: &Mapping) -> Position {
        let has_lines = mapping.contained.is_none() && mapping.has_bytes() && !matches!(self.first, [0xff, 0xfe] | [0xfe, 0xff]);
        // What ends in a line feed ends in the line that it ends.
        let line = (self.line_feeds + u64::from(self.last != b'\n')).max(1);
        Position { line: if has_lines { line } else { 0 }, byte: self.bytes, column: 0 }
    }
}

/// An input whose extent is known as it is read.
pub struct Measured<R> {
    input: R,
    extent: Rc<Cell<Extent>>,
}

impl<R: Read> Measured<R> {
    /// The input, and where its extent is told.
    pub fn new(input: R) -> (Self, Rc<Cell<Extent>>) {
        let extent = Rc::new(Cell::default());
        (Self { input, extent: Rc::clone(&extent) }, extent)
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        let mut extent = self.extent.get();
        extent.add(&out[..read]);
        self.extent.set(extent);
        Ok(read)
    }
}

/// Reads a body to its end, and tells where that is.
///
/// # Errors
/// I/O of the input.
pub fn end_of(mapping: &Mapping, body: impl Read) -> io::Result<Position> {
    let (mut measured, extent) = Measured::new(body);
    io::copy(&mut measured, &mut io::sink())?;
    Ok(extent.get().end(mapping))
}
