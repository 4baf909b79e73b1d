//! One pass over a body: its records one after another, each with its findings, and what is found
//! of the body as a whole. In memory there is one record at a time.

use super::compiled::Mapping;
use super::findings::RecordFindings;
use super::read::{CheckRunner, RecordReader};
use crate::domain::Finding;
use jiff::tz::TimeZone;
use portolan_contract::{FormatError, Found, Limits, RawRecord, ReadRecords};
use serde_json::Value;
use std::io::Read;

/// Reads a body, after content decoding, through a mapping.
pub struct BodyReader<'m> {
    input: Box<dyn ReadRecords + 'm>,
    records: RecordReader<'m>,
    checks: CheckRunner<'m>,
    read: u64,
}

/// What came next in a body.
pub enum Step<'s> {
    /// A record.
    Record(ReadRecord<'s>),
    /// Its end.
    End {
        /// The values that stand outside the records.
        raw: &'s RawRecord,
        /// Findings of the last groups and of the whole.
        of_body: Vec<Finding>,
    },
}

/// One record of a body.
pub struct ReadRecord<'s> {
    /// Its number in the body, from 1.
    pub number: u64,
    /// Its texts as they stand in the body.
    pub raw: &'s RawRecord,
    /// What they mean; only what could be read, where there is an error.
    pub canonical: Value,
    /// What is wrong with it.
    pub findings: RecordFindings,
    /// Findings of groups of records that ended before it.
    pub of_body: Vec<Finding>,
}

impl<'m> BodyReader<'m> {
    /// Starts with a body; at most `findings_max` findings of each record are kept.
    ///
    /// # Errors
    /// A body whose very start cannot be of the mapping's format.
    pub fn new(
        mapping: &'m Mapping,
        zone: &'m TimeZone,
        limits: &Limits,
        findings_max: usize,
        input: Box<dyn Read + 'm>,
    ) -> Result<Self, FormatError> {
        let input = mapping.format.reader(input, limits)?;
        let records = RecordReader::new(mapping, zone, findings_max);
        Ok(Self { input, records, checks: CheckRunner::new(mapping), read: 0 })
    }

    /// Reads on; nothing is to be read after the end.
    ///
    /// # Errors
    /// A body that is not well-formed, and I/O of the input.
    pub fn read(&mut self) -> Result<Step<'_>, FormatError> {
        let raw = match self.input.read()? {
            Found::Record(raw) => raw,
            Found::End(raw) => {
                let mut of_body = self.records.found_at_end(raw);
                of_body.extend(self.checks.end(raw));
                return Ok(Step::End { raw, of_body });
            }
        };
        self.read += 1;
        let (canonical, findings) = self.records.read(raw, self.read);
        let of_body = self.checks.record(raw, &canonical);
        Ok(Step::Record(ReadRecord { number: self.read, raw, canonical, findings, of_body }))
    }

    /// What is held of the body after an error, as [`ReadRecords::held`] says.
    pub fn held(&self) -> &RawRecord {
        self.input.held()
    }
}
