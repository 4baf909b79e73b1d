//! The documents of a body, as they are: the body itself, or what stands in its containers.
//!
//! They are read beside the format's reader, which has found nothing wrong with the body by then: a validator reads them, and
//! where a text stands is looked up in them.

use super::compiled::Mapping;
use portolan_contract::{FormatError, Limits, Position};
use std::io::{self, Read};
use std::ops::ControlFlow;

/// Opens a body after content decoding, from its start.
pub type Opens<'b> = dyn Fn() -> io::Result<Box<dyn Read + 'b>> + 'b;

/// What is done with a document, under the name by which its records name their part; a break ends the reading.
pub type Visit<'v> = dyn FnMut(Option<&str>, &mut dyn Read) -> io::Result<ControlFlow<()>> + 'v;

/// The documents of one body, which is opened anew whenever they are read.
pub struct Documents<'b> {
    mapping: &'b Mapping,
    limits: &'b Limits,
    open: Box<Opens<'b>>,
}

impl<'b> Documents<'b> {
    /// The documents of what `open` opens.
    pub fn new(mapping: &'b Mapping, limits: &'b Limits, open: Box<Opens<'b>>) -> Self {
        Self { mapping, limits, open }
    }

    /// Reads one after the other, until a visit says that it is enough.
    ///
    /// # Errors
    /// A body that cannot be read, and what a visit fails at.
    pub fn each(&self, visit: &mut Visit<'_>) -> io::Result<()> {
        let mut body = (self.open)()?;
        let Some(contained) = &self.mapping.contained else { return visit(None, &mut body).map(drop) };
        let mut visit = |name: Option<&str>, document: &mut dyn Read| {
            visit(name, document).map_err(|error| FormatError::from_io(error, Position::default()))
        };
        contained
            .each_document(body, self.limits, &mut visit)
            .map(drop)
            .map_err(|mut error| error.io.take().unwrap_or_else(|| error.into()))
    }
}
