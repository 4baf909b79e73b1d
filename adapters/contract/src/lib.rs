//! Everything that the author of a format adapter needs, and nothing else.
//!
//! A mapping is compiled into a [`Plan`]: a tree of source paths, each of which may fill a
//! *slot*. A reader walks the events of its format with a [`Walker`] and so fills slots straight
//! from the bytes; no tree of the body is ever built. A writer walks the same plan the other way
//! with a [`Shaper`]. What no mapping asks for is skipped while it is read.
//!
//! Limits: every size that a body could choose is capped by [`Limits`].

pub mod cases;
mod charset;
pub mod error;
mod gb18030;
mod iso2022;
pub mod limits;
pub mod outline;
pub mod plan;
pub mod record;
pub mod shape;
pub mod table;
pub mod text;
pub mod walk;

pub use charset::Charset;
pub use error::{FormatCode, FormatError, OptionsError, Words, sentence};
pub use limits::Limits;
pub use outline::{Outline, Outliner};
pub use plan::{Form, List, ListId, Node, NodeId, Plan, PlanBuilder, PlanError, Repeat, Slot, SlotId};
pub use record::{Item, Position, RawFinding, RawRecord, RawValue};
pub use shape::{Index, Shaper, Sink};
pub use text::{TextInput, TextOutput};
pub use walk::Walker;

use std::io::{Read, Write};
use std::sync::Arc;

/// A wire format, such as XML or CSV: what an adapter crate offers.
pub trait Format: Send + Sync {
    /// The name that mapping files use, such as `xml`.
    fn name(&self) -> &str;

    /// Checks the mapping's `[format]` options against the plan and returns a format that is
    /// ready to read and write bodies of that one mapping. Called once, when a mapping is loaded.
    ///
    /// # Errors
    /// Options that the format does not know, or a plan that it cannot carry.
    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError>;

    /// Rules of findings that are doubts: what was read stands, and a mapping may say with `[[severity]]` what they mean.
    /// They are errors where it does not, as all other findings are.
    fn doubts(&self) -> &'static [&'static str] {
        &[]
    }

    /// Looks into a body without a plan, for someone who is about to write a mapping: which paths there
    /// are, and samples of their texts. `None` for a format whose bodies do not say what they hold, or
    /// that cannot be looked into so yet.
    ///
    /// # Errors
    /// A body that is not of this format, and I/O.
    fn outline<'a>(&self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Option<Outline>, FormatError> {
        let _ = (input, limits);
        Ok(None)
    }
}

/// A format bound to one plan and its options: what runs for every body.
pub trait Bound: Send + Sync {
    /// Starts to read a body. `input` yields the body after content decoding, in its own charset.
    ///
    /// # Errors
    /// A body whose very start cannot be of this format.
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError>;

    /// Starts to write a body. `head` holds every value that stands outside the records and is
    /// known beforehand, counts and totals included.
    ///
    /// # Errors
    /// I/O faults, and text that the output's charset cannot hold.
    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError>;

    /// The media type of what [`Bound::writer`] writes, with its charset where it has one.
    fn media_type(&self) -> String;
}

/// What a reader found next.
pub enum Found<'r> {
    /// One record, together with the values outside it that apply to it.
    Record(&'r RawRecord),
    /// The body ended as it should; the values outside any record, trailers included.
    End(&'r RawRecord),
}

/// Reads records one after the other; holds one record in memory.
pub trait ReadRecords {
    /// The next record, or the end. After [`Found::End`] or an error it is not called again.
    ///
    /// # Errors
    /// The body is not well-formed from here on: nothing after the error can be trusted.
    fn read(&mut self) -> Result<Found<'_>, FormatError>;

    /// What is held of the body at present, such as after an error: the values outside the records that were read before
    /// it, by which its sender can still be answered, and what had been read of a record, which is not to be used.
    fn held(&self) -> &RawRecord;
}

/// Writes records one after the other.
pub trait WriteRecords {
    /// Writes one record. Values outside the record that differ from those of the record before
    /// close and open the enclosing groups.
    ///
    /// # Errors
    /// I/O faults, and text that the output's charset cannot hold.
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError>;

    /// Ends the body and flushes it.
    ///
    /// # Errors
    /// As for [`WriteRecords::write`].
    fn finish(self: Box<Self>) -> Result<(), FormatError>;
}
