//! The lineage of one record: its canonical form, what is wrong with it, and for each value where in
//! the body it came from and by which rule.
//!
//! The body is read up to that record and no further, and once more up to its last value for the
//! ranges of the texts. Memory is bounded by the largest record.

use super::body::{BodyReader, Step};
use super::compiled::Mapping;
use super::documents::Documents;
use super::ranges;
use super::trace::{Traced, Tracer};
use crate::domain::Finding;
use jiff::tz::TimeZone;
use portolan_contract::{FormatError, Limits, Position};
use serde_json::Value;
use std::io::{self, Read};

/// One record and where it came from.
#[derive(Debug)]
pub struct Lineage {
    /// Its number in the body, from 1.
    pub record: u64,
    /// The part of the body in which it stands, where the body has parts.
    pub part: Option<String>,
    /// Where it begins.
    pub at: Position,
    /// Nothing is wrong with it but what a warning says.
    pub accepted: bool,
    /// What its texts mean; only what could be read, where there is an error.
    pub canonical: Value,
    /// Each of its values, in the order of the mapping.
    pub fields: Vec<Traced>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// How many findings there was no room for.
    pub findings_left_out: u64,
}

/// How to read a body for one of its records.
pub struct Asked<'m> {
    /// The mapping to read with.
    pub mapping: &'m Mapping,
    /// The zone of moments without an offset.
    pub zone: &'m TimeZone,
    /// Caps on reading.
    pub limits: &'m Limits,
    /// Findings that are kept.
    pub findings_max: usize,
    /// The number of the record, from 1.
    pub record: u64,
}

/// What the body holds at that number.
#[derive(Debug)]
pub enum Reached {
    /// The record.
    Record(Box<Lineage>),
    /// Its end came before: it holds so many records.
    End(u64),
}

/// The lineage of one record. `open` gives the body after content decoding, from its start; it is called
/// twice.
///
/// # Errors
/// A body that cannot be read as far as that record, and I/O.
pub fn lineage<'i>(asked: &Asked<'_>, open: &dyn Fn() -> io::Result<Box<dyn Read + Send + 'i>>) -> Result<Reached, FormatError> {
    let opened = || open().map_err(|error| FormatError::from_io(error, Position::default()));
    let input = opened()?;
    let mut reader = BodyReader::new(asked.mapping, asked.zone, asked.limits, asked.findings_max, Box::new(input))?;
    let mut records = 0;
    let mut lineage = loop {
        match reader.read()? {
            Step::End { .. } => return Ok(Reached::End(records)),
            Step::Record(record) if record.number < asked.record => records = record.number,
            Step::Record(record) => {
                let fields = Tracer::new(asked.mapping).trace(record.raw, &record.canonical);
                let accepted = !record.findings.refuse();
                let (findings, findings_left_out) = record.findings.into_kept();
                let (part, at) = (record.raw.part.clone(), record.raw.at);
                let (record, canonical) = (record.number, record.canonical);
                break Box::new(Lineage { record, part, at, accepted, canonical, fields, findings, findings_left_out });
            }
        }
    };
    drop(reader);
    let open_again = || open().map(|input| -> Box<dyn Read + '_> { input });
    let documents = Documents::new(asked.mapping, asked.limits, Box::new(open_again));
    ranges::find(&mut lineage.fields, &documents).map_err(|error| FormatError::from_io(error, lineage.at))?;
    Ok(Reached::Record(lineage))
}
