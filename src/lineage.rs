//! The lineage of records that were committed: where each value of a record came from, by which rule,
//! and what is wrong with the record.
//!
//! The stored body is read again, through the mapping that the commit pinned, up to the record that is
//! asked for: on a blocking thread, as one of [`LINEAGES_MAX`] looks that a listener may take at once, and in
//! memory that is bounded by the largest record. Who finds no place free is asked to come back, and no
//! translation waits. Reading ends when nobody waits for the answer any more.

use crate::coding::{self, Coding, DecodeLimits};
use crate::domain::{ExchangeId, Finding, Outcome, Pins, Severity, Stored};
use crate::exchange::{journal_fault, report};
use crate::fault::problem::FindingEntry;
use crate::fault::{Fault, FaultCode};
use crate::journal::{ExchangeRow, Journal};
use crate::live::Live;
use crate::mapping::findings::FINDINGS_PER_RECORD_MAX;
use crate::mapping::lineage::{Asked, Lineage, Reached, lineage};
use crate::mapping::{Canonical, Mapping};
use crate::mask::{self, Shown};
use crate::pinned::{Compiled, PinnedMappings, Unavailable};
use crate::spool;
use crate::translate::{Stop, storage_fault};
use arc_swap::ArcSwap;
use portolan_contract::Limits;
use serde_json::{Value, json};
use std::io::{self, Read};
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Looks into records that one listener may take at once.
pub const LINEAGES_MAX: usize = 2;

/// Looks into records of exchanges.
pub struct Lineages {
    /// Where bodies, reports and pinned texts are.
    pub journal: Arc<dyn Journal>,
    /// The limits in force.
    pub live: Arc<ArcSwap<Live>>,
    /// Bodies being read at once.
    pub places: Arc<Semaphore>,
    /// The mappings that commits pinned.
    pub mappings: Arc<PinnedMappings>,
}

impl Lineages {
    /// The lineage of a record of an exchange, by its number as the address has it, with its personal values `shown` or not.
    ///
    /// # Errors
    /// A record that the exchange does not have, and failures of the gateway.
    pub async fn record(&self, row: &ExchangeRow, number: &str, shown: Shown, zh: bool) -> Result<Value, Fault> {
        let looked = self.look(row, number, shown).await?;
        let mut answer = answer(row, &looked, zh);
        answer["masked"] = json!(shown == Shown::Masked);
        Ok(answer)
    }

    /// The same as it is.
    ///
    /// # Errors
    /// As [`Lineages::record`].
    pub async fn look(&self, row: &ExchangeRow, number: &str, shown: Shown) -> Result<Looked, Fault> {
        let record = record_number(row, number)?;
        let told = report(self.journal.as_ref(), row.journaled.exchange()).await?;
        let (kept, permit, caller) = self.kept(row).await?;
        let (mapping, zone) = self.compiled(row.pins).await?;
        let reading = Arc::clone(&mapping);
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let limits = Limits::default();
            let asked = Asked { mapping: &reading, zone: &zone, limits: &limits, findings_max: FINDINGS_PER_RECORD_MAX, record };
            match lineage(&asked, &|| kept.open()).map_err(Stop::of) {
                Ok(Reached::Record(lineage)) => Ok(Some(lineage)),
                Ok(Reached::End(_)) => Ok(None),
                Err(Stop::Body(code, finding)) => Err(Fault { findings: vec![*finding], ..Fault::new(code) }),
                Err(Stop::Gateway(error)) => Err(storage_fault(error)),
            }
        });
        let read = read.await.unwrap_or_else(|error| Err(Fault::new(FaultCode::Internal).caused_by(error)));
        drop(caller);
        let mut lineage = read?.ok_or_else(|| unknown(row))?;
        add_told(&mut lineage, told);
        let schemas = self.marking(&mapping);
        if shown == Shown::Masked {
            mask::lineage(&mut lineage, &schemas.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        }
        Ok(Looked { lineage, mapping, schemas })
    }

    /// The schemas that say what is personal in an exchange's records.
    ///
    /// # Errors
    /// Failures of the gateway.
    pub async fn schemas(&self, row: &ExchangeRow) -> Result<Vec<Arc<Canonical>>, Fault> {
        Ok(self.marking(&self.compiled(row.pins).await?.0))
    }

    /// The schema of the records that a mapping reads, and the one of that name that is in force: marks may have come since.
    fn marking(&self, mapping: &Mapping) -> Vec<Arc<Canonical>> {
        let live = self.live.load();
        [Some(&mapping.canonical), live.library.canonical(&mapping.canonical.name)].into_iter().flatten().cloned().collect()
    }

    /// The mapping that a commit pinned, and the zone of its flow.
    async fn compiled(&self, pins: Pins) -> Result<Compiled, Fault> {
        let (journal, mappings, runtime) = (Arc::clone(&self.journal), Arc::clone(&self.mappings), Handle::current());
        let compiling = tokio::task::spawn_blocking(move || {
            let pinned = |digest| {
                let text = runtime.block_on(journal.pinned(digest)).map_err(journal_fault)?;
                text.ok_or_else(|| Fault::new(FaultCode::Internal).caused_by(format!("no text with the digest {digest}")))
            };
            mappings.compiled(&pins, &pinned).map_err(|error| match error {
                Unavailable::Text(fault) => fault,
                Unavailable::Broken(message) => Fault::new(FaultCode::Internal).caused_by(message),
            })
        });
        compiling.await.unwrap_or_else(|error| Err(Fault::new(FaultCode::Internal).caused_by(error)))
    }
}

/// What a look into a record found.
pub struct Looked {
    /// Where its values came from.
    pub lineage: Box<Lineage>,
    /// What it was read with.
    pub mapping: Arc<Mapping>,
    /// What says which of its values are personal.
    pub schemas: Vec<Arc<Canonical>>,
}

impl Looked {
    /// Whether the record was taken in.
    pub fn is_taken(&self, row: &ExchangeRow) -> bool {
        let refused = |finding: &Finding| finding.severity == Severity::Error;
        row.journaled.outcome() != Outcome::Refused && !self.lineage.findings.iter().any(refused)
    }
}

/// Bytes of a body.
pub struct Window {
    /// What stands there; less than asked for at the end.
    pub bytes: Vec<u8>,
    /// Whether there is more behind it.
    pub more: bool,
}

impl Lineages {
    /// Bytes of an exchange's body after content decoding, as one of the looks that may be taken at once.
    ///
    /// # Errors
    /// A body that cannot be decoded, and failures of the gateway.
    pub async fn window(&self, row: &ExchangeRow, from: u64, bytes: u64) -> Result<Window, Fault> {
        let (kept, permit, caller) = self.kept(row).await?;
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            kept.window(from, bytes)
        });
        let read = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        drop(caller);
        read.map_err(|error| Fault::new(FaultCode::EncodingDamaged).caused_by(error))
    }

    /// The body of an exchange, a place among the looks that may be taken at once, and what is to be held as
    /// long as someone waits for the answer.
    async fn kept(&self, row: &ExchangeRow) -> Result<(Kept, OwnedSemaphorePermit, Arc<()>), Fault> {
        let body = self.journal.body(row.journaled.exchange()).await.map_err(journal_fault)?;
        let body = body.ok_or_else(|| Fault::new(FaultCode::Internal).caused_by("the body of an exchange is missing"))?;
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Fault::new(FaultCode::TooManyRequests))?;
        let caller = Arc::new(());
        let limits = &self.live.load().config.gateway.limits;
        let decode = DecodeLimits { decoded_bytes_max: limits.decoded_bytes_max, expansion_ratio_max: limits.expansion_ratio_max };
        let coding = Coding::from_header(&row.content_encoding).unwrap_or_default();
        let kept = Kept { body, coding, decode, caller: Arc::downgrade(&caller) };
        Ok((kept, permit, caller))
    }

    /// Bytes of an exchange's canonical records.
    ///
    /// # Errors
    /// Failures of the gateway.
    pub async fn canonical(&self, exchange: ExchangeId, from: u64, bytes: u64) -> Result<Vec<u8>, Fault> {
        let stored = self.journal.canonical(exchange).await.map_err(journal_fault)?;
        let stored = stored.ok_or_else(|| Fault::new(FaultCode::ExchangeUnknown))?;
        let read = tokio::task::spawn_blocking(move || spool::slice(&stored, from, bytes)).await;
        read.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(storage_fault)
    }
}

/// A lineage as JSON, with findings in Chinese or in English: what is served, and what
/// `portolan explain-record` prints.
pub fn to_json(mapping: &Mapping, lineage: &Lineage, zh: bool) -> Value {
    let field = |traced: &crate::mapping::trace::Traced| {
        let mut field = serde_json::to_value(traced).unwrap_or_default();
        field["title"] = json!(mapping.canonical.title(&traced.canonical));
        if let Some(place) = traced.source.as_ref().filter(|source| source.part.is_some()).and_then(|source| source.spot(zh)) {
            field["place"] = json!(place);
        }
        field["rule"]["words"] = json!(traced.rule.words());
        field
    };
    let findings: Vec<FindingEntry<'_>> = lineage.findings.iter().map(|finding| FindingEntry::new(finding, zh)).collect();
    let mut told = json!({
        "record": lineage.record,
        "line": lineage.at.line,
        "mapping": { "name": mapping.name, "sha256": mapping.digest.to_string() },
        "canonical": lineage.canonical,
        "fields": lineage.fields.iter().map(field).collect::<Vec<_>>(),
        "findings": findings,
        "findings_left_out": lineage.findings_left_out,
    });
    if mapping.has_bytes() {
        told["byte"] = json!(lineage.at.byte);
    }
    if let Some(part) = &lineage.part {
        told["part"] = json!(part);
    }
    told
}

fn answer(row: &ExchangeRow, looked: &Looked, zh: bool) -> Value {
    let mut answer = to_json(&looked.mapping, &looked.lineage, zh);
    answer["exchange"] = json!(row.journaled.exchange().to_string());
    answer["records"] = json!(row.journaled.counts().records);
    answer["verdict"] = json!(if looked.is_taken(row) { Outcome::Accepted } else { Outcome::Refused }.as_str());
    answer
}

/// Adds what the report says of the record beyond its reading: where it is routed, and that it was known.
fn add_told(lineage: &mut Lineage, told: Vec<Finding>) {
    let known =
        |found: &Finding| lineage.findings.iter().any(|f| (&f.rule, &f.canonical, f.at) == (&found.rule, &found.canonical, found.at));
    let more: Vec<Finding> = told.into_iter().filter(|found| found.record == Some(lineage.record) && !known(found)).collect();
    lineage.findings.extend(more);
}

/// The fault of a number that no record has; where the body could not be read to its end, why.
/// The number of a record that an exchange has, as an address has it.
///
/// # Errors
/// [`FaultCode::RecordUnknown`].
pub fn record_number(row: &ExchangeRow, number: &str) -> Result<u64, Fault> {
    let records = row.journaled.counts().records;
    number.parse::<u64>().ok().filter(|n| (1..=records).contains(n)).ok_or_else(|| unknown(row))
}

fn unknown(row: &ExchangeRow) -> Fault {
    let records = row.journaled.counts().records;
    let noun = if records == 1 { "record" } else { "records" };
    let (mut zh, mut en) = (format!("此交换单有 {records} 条记录"), format!("this exchange has {records} {noun}"));
    if let Some(fault) = &row.fault {
        zh.push_str(&format!("；报文被退回：{fault}"));
        en.push_str(&format!("; its body was refused: {fault}"));
    }
    let mut fault = Fault::new(FaultCode::RecordUnknown).detail(zh, en);
    fault.exchange = Some(row.journaled.exchange());
    fault
}

/// A body as it is kept, and who waits for it to be read.
struct Kept {
    body: Stored,
    coding: Coding,
    decode: DecodeLimits,
    caller: Weak<()>,
}

impl Kept {
    /// The body after content decoding, from its start.
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let input = coding::decode(self.coding, spool::open(&self.body)?, self.body.length(), self.decode)?;
        Ok(Box::new(Attended { input, caller: self.caller.clone() }))
    }

    /// Some of its bytes. What stands before is read over: there is no other way into a compressed body.
    fn window(&self, from: u64, length: u64) -> io::Result<Window> {
        let mut input = self.open()?;
        io::copy(&mut input.by_ref().take(from), &mut io::sink())?;
        let mut bytes = Vec::new();
        input.by_ref().take(length).read_to_end(&mut bytes)?;
        let more = input.read(&mut [0])? > 0;
        Ok(Window { bytes, more })
    }
}

/// An input that fails once nobody waits for what it gives.
struct Attended {
    input: Box<dyn Read + Send>,
    caller: Weak<()>,
}

impl Read for Attended {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.caller.strong_count() == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.input.read(out)
    }
}
