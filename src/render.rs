//! Renders canonical records for a receiver, with the texts that the commit pinned: the same
//! mapping, schema and zone whenever it is done, and so the same bytes.

use crate::delivery::{Render, RenderJob, Rendered};
use crate::domain::{Digest, IndexRow};
use crate::fault::{Fault, FaultCode};
use crate::mapping::totals::Totals;
use crate::mapping::write::{BodyWriter, NotWritten};
use crate::mapping::{Library, Mapping};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Compiled mappings kept; beyond it all are let go and compiled again as they are needed.
const COMPILED_MAX: usize = 256;

/// What makes a rendering: mapping, schema, flow.
type Key = (Digest, Digest, Digest);
type Compiled = (Arc<Mapping>, TimeZone);

/// Renders with compiled mappings kept by digest.
#[derive(Default)]
pub struct PinnedRender {
    compiled: Mutex<HashMap<Key, Compiled>>,
}

impl PinnedRender {
    fn compiled(&self, job: &RenderJob<'_>) -> Result<Compiled, Fault> {
        let key = (job.lease.mapping, job.lease.pins.schema, job.lease.pins.flow);
        let kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(compiled) = kept {
            return Ok(compiled);
        }
        let (bundle, schema, flow) = ((job.pinned)(key.0)?, (job.pinned)(key.1)?, (job.pinned)(key.2)?);
        let mapping = Library::pinned(&bundle, &schema).map_err(|m| Fault::new(FaultCode::RenderFailed).detail(m.clone(), m))?;
        let compiled = (mapping, zone_of(&flow));
        let mut kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= COMPILED_MAX {
            kept.clear();
        }
        kept.insert(key, compiled.clone());
        Ok(compiled)
    }
}

impl Render for PinnedRender {
    fn render(&self, job: &RenderJob<'_>, output: &mut Vec<u8>) -> Result<Rendered, Fault> {
        let (mapping, zone) = self.compiled(job)?;
        let mut totals = Totals::new(&mapping, &zone);
        if totals.are_needed() {
            for (row, line) in &job.records {
                totals.count(&parsed(row, line)?).map_err(|e| unwritten(row.record, e))?;
            }
        }
        let mut writer = BodyWriter::new(&mapping, &zone, totals.filling(), Box::new(output));
        for (row, line) in &job.records {
            writer.write(&parsed(row, line)?).map_err(|e| unwritten(row.record, e))?;
        }
        writer.finish().map_err(|e| unwritten(0, e.into()))?;
        Ok(Rendered { media_type: mapping.format.media_type(), records: job.records.len() as u64 })
    }
}

/// The zone that a flow's pinned text names; the default of flows where it names none.
fn zone_of(flow: &str) -> TimeZone {
    let table: Option<toml::Table> = flow.parse().ok();
    let named = table.as_ref().and_then(|t| t.get("zone")).and_then(toml::Value::as_str).unwrap_or(crate::config::ZONE_DEFAULT);
    TimeZone::get(named).unwrap_or(TimeZone::UTC)
}

fn unrenderable(record: u64, zh: &str, en: &str) -> Fault {
    Fault::new(FaultCode::RenderFailed).detail(format!("第 {record} 条记录：{zh}"), format!("record {record}: {en}"))
}

fn parsed(row: &IndexRow, line: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(line).map_err(|e| unrenderable(row.record, &e.to_string(), &e.to_string()))
}

fn unwritten(record: u64, why: NotWritten) -> Fault {
    match why {
        NotWritten::Record(unwritable) => unrenderable(record, &unwritable.words.zh, &unwritable.to_string()),
        NotWritten::TooMany(max) => unrenderable(record, &format!("此格式一份报文最多 {max} 条记录"), &why.to_string()),
        NotWritten::Totals(words) => unrenderable(record, &words.zh, &words.en),
        NotWritten::Body(error) => unrenderable(record, &error.words.zh, &error.words.en),
    }
}
