//! Renders canonical records for a receiver, with the texts that the commit pinned: the same
//! mapping, schema and zone whenever it is done, and so the same bytes.

use crate::amounts::Amounts;
use crate::delivery::{Render, RenderJob, Rendered};
use crate::domain::{IndexRow, Pins};
use crate::fault::{Fault, FaultCode};
use crate::mapping::numbered::Part;
use crate::mapping::totals::Totals;
use crate::mapping::write::{BodyWriter, NotWritten};
use crate::pinned::{PinnedMappings, Unavailable};
use portolan_contract::FormatCode;
use serde_json::Value;
use std::sync::Arc;

/// Renders with the mappings that commits pinned.
pub struct PinnedRender {
    mappings: Arc<PinnedMappings>,
}

impl PinnedRender {
    /// Renders with these compiled mappings, which others may share.
    pub fn new(mappings: Arc<PinnedMappings>) -> Self {
        Self { mappings }
    }
}

impl Render for PinnedRender {
    fn render(&self, job: &RenderJob<'_>, output: &mut Vec<u8>) -> Result<Rendered, Fault> {
        let pins = Pins { mapping: job.lease.mapping, ..job.lease.pins };
        let (mapping, zone) = self.mappings.compiled(&pins, job.pinned).map_err(|error| match error {
            Unavailable::Text(fault) => fault,
            Unavailable::Broken(message) => Fault::new(FaultCode::RenderFailed).detail(message.clone(), message),
        })?;
        let mut totals = Totals::new(&mapping, &zone);
        if totals.are_needed() {
            for (row, line) in &job.records {
                totals.count(&parsed(row, line)?).map_err(|e| unwritten(row.record, e))?;
            }
        }
        let first = job.records.first().map_or(0, |(row, _)| row.record);
        let filling = totals.filling().map_err(|words| unwritten(first, NotWritten::Totals(words)))?;
        let part = Part { record: first, repeated: job.lease.repeated_ids };
        let mut writer = BodyWriter::new(&mapping, &zone, filling, Box::new(output)).part(part);
        let mut amounts = Amounts::default();
        for (row, line) in &job.records {
            let record = parsed(row, line)?;
            amounts.note(mapping.canonical.noted(&record));
            writer.write(&record).map_err(|e| unwritten(row.record, e))?;
        }
        writer.finish().map_err(|e| unwritten(0, e.into()))?;
        Ok(Rendered { media_type: mapping.format.media_type(), records: job.records.len() as u64, amounts })
    }
}

fn unrenderable(record: u64, zh: &str, en: &str) -> Fault {
    of_record(FaultCode::RenderFailed, record, zh, en)
}

fn of_record(code: FaultCode, record: u64, zh: &str, en: &str) -> Fault {
    Fault::new(code).detail(format!("第 {record} 条记录：{zh}"), format!("record {record}: {en}"))
}

fn parsed(row: &IndexRow, line: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(line).map_err(|e| unrenderable(row.record, &e.to_string(), &e.to_string()))
}

/// Why records cannot be written in a receiver's format, as a fault.
pub fn unwritten(record: u64, why: NotWritten) -> Fault {
    match why {
        NotWritten::Record(unwritable) => unrenderable(record, &unwritable.words.zh, &unwritable.to_string()),
        NotWritten::TooMany(max) => unrenderable(record, &format!("此格式一份报文最多 {max} 条记录"), &why.to_string()),
        NotWritten::Totals(words) => unrenderable(record, &words.zh, &words.en),
        NotWritten::Body(error) if error.code == FormatCode::CharacterUnmappable => {
            of_record(FaultCode::CharacterUnmappable, record, &error.words.zh, &error.words.en)
        }
        NotWritten::Body(error) => unrenderable(record, &error.words.zh, &error.words.en),
    }
}
