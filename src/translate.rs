//! One pass over a received body: decoded, read, mapped, checked, routed, written as canonical NDJSON.
//!
//! No clock, no network. Memory is bounded by the largest record: the canonical records and their
//! index go to spool files as they come.

mod chunks;

use crate::amounts::Tally;
use crate::answer::Facts;
use crate::coding::{self, Coding, DecodeError, DecodeLimits};
use crate::config::{Flow, OnInvalid, RequestLimits};
use crate::domain::{Counts, Digest, Finding, Hasher, IndexRow, Outcome, PartnerId, Pins, Routed, Severity, Stored, Verdict};
use crate::ended::end_of;
use crate::fault::{Fault, FaultCode};
use crate::mapping::body::{BodyReader, ReadRecord, Step};
use crate::mapping::documents::Documents;
use crate::mapping::findings::RecordFindings;
use crate::mapping::profile::Sample;
use crate::mapping::rules::Runner;
use crate::mapping::{Canonical, Mapping};
use crate::profile::Profile;
use crate::references::References;
use crate::routing::Router;
use crate::schedule::BusinessDay;
use crate::schedule::Period;
use crate::spool::{self, Spool, SpoolWriter, Spooled};
use chunks::Chunks;
use jiff::tz::TimeZone;
use portolan_contract::{FormatCode, FormatError, Limits, Position, RawRecord, Words};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Deliveries that one body may give rise to. A new one begins wherever the key of an ordered flow or the heading of
/// what is written changes, so that without this a body could choose how long its commit holds the journal.
pub const DELIVERIES_PER_BODY_MAX: usize = 100_000;
/// Characters of a message id, as many as those of an idempotency key: it stands in the receipt.
pub const MESSAGE_ID_CHARS_MAX: usize = 255;

/// A flow as translation needs it: compiled once, pinned by its digests.
pub struct FlowPlan {
    /// The flow.
    pub flow: Arc<Flow>,
    /// Its zone.
    pub zone: TimeZone,
    /// How its days are told apart.
    pub business_day: BusinessDay,
    /// Its canonical schema.
    pub canonical: Arc<Canonical>,
    /// Its routes.
    pub router: Router,
    /// Its destinations in the order of the router's bits, with the mappings that render them.
    pub destinations: Vec<(Routed, Arc<Mapping>)>,
    /// The mappings of senders who are answered in a format of their own.
    pub answers: BTreeMap<PartnerId, Arc<Mapping>>,
}

/// A check of all documents of a body that a program outside this one makes.
pub trait BodyCheck: Send + Sync {
    /// What is wrong with them.
    ///
    /// # Errors
    /// When they could not be checked: never a reason to take them for good.
    fn findings(&self, documents: &Documents<'_>) -> io::Result<Vec<Finding>>;
}

/// What one translation may cost.
#[derive(Clone, Copy, Debug)]
pub struct TranslateLimits {
    /// Caps on content decoding.
    pub decode: DecodeLimits,
    /// Caps on reading.
    pub read: Limits,
    /// Records of one body.
    pub records_max: u64,
}

impl TranslateLimits {
    /// What the configuration lets any body cost, with so many records.
    pub fn of(limits: &RequestLimits, records_max: u64) -> Self {
        let RequestLimits { decoded_bytes_max, expansion_ratio_max, .. } = *limits;
        Self {
            decode: DecodeLimits { decoded_bytes_max, expansion_ratio_max },
            read: Limits { expanded_bytes_max: decoded_bytes_max, expansion_ratio_max, ..Limits::default() },
            records_max,
        }
    }
}

/// A verdict and the spool files that it points into, which must be held as long as it is.
pub struct Translated {
    /// The verdict.
    pub verdict: Verdict,
    /// What a business answer repeats of the body; nothing where none is given.
    pub facts: Facts,
    /// The files of its canonical records and of their index.
    pub files: [Spooled; 2],
    /// What its records refer to, where the flow asks for it.
    pub references: References,
}

/// A body as it arrived.
#[derive(Clone, Copy)]
pub struct Arrived<'b> {
    /// Its bytes.
    pub body: &'b Stored,
    /// Their digest.
    pub digest: Digest,
    /// How they are compressed.
    pub coding: Coding,
    /// Its sender is answered in a format of its own.
    pub is_answered: bool,
}

/// Translates a body, which must also pass `check` where there is one. A body that cannot be taken in gives a
/// verdict that says so; only what is the gateway's own failure is a fault.
///
/// # Errors
/// I/O of the gateway.
pub fn translate(
    arrived: Arrived<'_>,
    mapping: &Mapping,
    check: Option<&dyn BodyCheck>,
    plan: &FlowPlan,
    limits: &TranslateLimits,
    spool: &Spool,
) -> Result<Translated, Fault> {
    let mut pass = Pass { is_answered: arrived.is_answered, ..Pass::new(mapping, plan, limits, spool) };
    let mut input = Decoded::open(arrived, limits)?;
    let fault = match (pass.read_all(&mut input), check) {
        (Ok(()), None) => None,
        (Ok(()), Some(check)) => pass.check(check, arrived)?,
        (Err(Stop::Body(code, finding)), _) => {
            pass.findings.of_body(vec![*finding]);
            Some(code)
        }
        (Err(Stop::Gateway(error)), _) => return Err(storage_fault(error)),
    };
    let decoded_digest = input.digest(arrived.digest);
    let fault = match fault {
        None if pass.counts.records < mapping.records_min => {
            let ended = end_of(mapping, Decoded::open(arrived, limits)?).map_err(storage_fault)?;
            pass.findings.of_body(vec![no_records(mapping, ended)]);
            Some(FaultCode::NoRecords)
        }
        fault => fault,
    };
    pass.conclude(fault, decoded_digest)
}

/// What becomes of a declaration that there is nothing for a period (本期无数据): accepted, without records.
///
/// # Errors
/// I/O of the gateway.
pub fn declared_empty(
    body: Digest,
    period: Period,
    mapping: &Mapping,
    plan: &FlowPlan,
    limits: &TranslateLimits,
    spool: &Spool,
) -> Result<Translated, Fault> {
    let mut pass = Pass::new(mapping, plan, limits, spool);
    pass.message_id = Some(period.empty_message_id());
    pass.finish(Outcome::Accepted, None, body).map_err(storage_fault)
}

/// An I/O error of the gateway's own disk as a fault.
pub fn storage_fault(error: io::Error) -> Fault {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    Fault::new(if full { FaultCode::StorageFull } else { FaultCode::Internal }).caused_by(error)
}

/// Why reading a body ended early.
pub enum Stop {
    /// The body is at fault.
    Body(FaultCode, Box<Finding>),
    /// The gateway is.
    Gateway(io::Error),
}

impl Stop {
    /// A format's error as a fault code and a finding, or the I/O error below it.
    pub fn of(error: FormatError) -> Self {
        if let Some(io) = error.io {
            return match io.get_ref().and_then(|e| e.downcast_ref::<DecodeError>()) {
                Some(DecodeError::Damaged) => damaged(FaultCode::EncodingDamaged, error.at),
                Some(DecodeError::Expansion) => damaged(FaultCode::ExpansionExceeded, error.at),
                None => Self::Gateway(io),
            };
        }
        let code = fault_code(error.code);
        Self::Body(code, Box::new(Finding { part: error.part, ..body_finding(code, error.at, error.path, error.words) }))
    }

    /// A body that holds more than `max` records.
    pub fn too_many_records(max: u64, at: Position) -> Self {
        let words = Words::new(format!("记录数超过 {max}"), format!("the body holds more than {max} records"));
        Self::Body(FaultCode::TooManyRecords, Box::new(body_finding(FaultCode::TooManyRecords, at, None, words)))
    }

    /// A message id that a receipt has no room for, and that would not tell repeats apart if it were cut.
    fn message_id_too_long(at: Position) -> Self {
        let max = MESSAGE_ID_CHARS_MAX;
        let words = Words::new(format!("报文编号超过 {max} 个字符"), format!("the message id has more than {max} characters"));
        Self::Body(FaultCode::TokenExceeded, Box::new(body_finding(FaultCode::TokenExceeded, at, None, words)))
    }
}

/// The finding of a body with fewer records than its mapping asks for (`records.none`), which was read to where it ended.
pub fn no_records(mapping: &Mapping, ended: Position) -> Finding {
    let expected: Vec<String> = mapping.plan.anchors.iter().map(|&anchor| mapping.plan.path(anchor)).collect();
    let (zh, en) = (expected.join(" 或 "), expected.join(" or "));
    let (zh, en) = match en.as_str() {
        "row" => ("表头之下的数据行（row）".to_owned(), "a row below the headings (row)".to_owned()),
        _ => (zh, en),
    };
    let Position { line, byte, .. } = ended;
    let words = match line {
        0 => Words::new(
            format!("读到报文末尾（共 {byte} 字节）没有记录，应有 {zh}"),
            format!("read to its end, after {byte} bytes, the body holds no record; {en} is expected"),
        ),
        _ => Words::new(
            format!("读到报文末尾（第 {line} 行，共 {byte} 字节）没有记录，应有 {zh}"),
            format!("read to its end in line {line}, after {byte} bytes, the body holds no record; {en} is expected"),
        ),
    };
    body_finding(FaultCode::NoRecords, ended, expected.into_iter().next(), words)
}

fn decoded(arrived: Arrived<'_>, limits: &TranslateLimits) -> io::Result<Box<dyn Read + Send>> {
    coding::decode(arrived.coding, spool::open(arrived.body)?, arrived.body.length(), limits.decode)
}

/// The decoded body, hashed as it is read.
struct Decoded {
    input: Box<dyn Read + Send>,
    hasher: Option<Hasher>,
}

impl Decoded {
    fn open(arrived: Arrived<'_>, limits: &TranslateLimits) -> Result<Self, Fault> {
        let input = decoded(arrived, limits).map_err(storage_fault)?;
        let hasher = (arrived.coding != Coding::Identity).then(Hasher::default);
        Ok(Self { input, hasher })
    }

    /// The digest of the whole decoded body, read to its end if it was not; without a coding it is
    /// the body's own. What cannot be decoded has the digest of what could be.
    fn digest(mut self, body_digest: Digest) -> Digest {
        if self.hasher.is_none() {
            return body_digest;
        }
        let _ = io::copy(&mut self, &mut io::sink());
        self.hasher.map_or(body_digest, Hasher::finish)
    }
}

impl Read for Decoded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&out[..read]);
        }
        Ok(read)
    }
}

/// The state of one pass.
struct Pass<'p> {
    mapping: &'p Mapping,
    plan: &'p FlowPlan,
    limits: &'p TranslateLimits,
    runner: Runner,
    counts: Counts,
    findings: Findings<'p>,
    message_id: Option<String>,
    is_answered: bool,
    facts: Facts,
    canonical: SpoolWriter,
    index: SpoolWriter,
    rows: u64,
    chunks: Chunks<'p>,
    references: References,
    sample: Sample<'p>,
    tally: Tally,
    line: Vec<u8>,
}

impl<'p> Pass<'p> {
    fn new(mapping: &'p Mapping, plan: &'p FlowPlan, limits: &'p TranslateLimits, spool: &Spool) -> Self {
        let flow = plan.flow.as_ref();
        Self {
            mapping,
            plan,
            limits,
            runner: Runner::new(),
            counts: Counts::default(),
            findings: Findings { kept: Vec::new(), left_out: 0, warnings: 0, around: HashSet::new(), flow },
            message_id: None,
            is_answered: false,
            facts: Facts::default(),
            canonical: spool.writer(),
            index: spool.writer(),
            rows: 0,
            chunks: Chunks::new(plan),
            references: References::default(),
            sample: Sample::new(plan.canonical.profiled()),
            tally: Tally::default(),
            line: Vec::new(),
        }
    }

    fn read_all(&mut self, input: &mut Decoded) -> Result<(), Stop> {
        let findings_max = self.plan.flow.findings_per_record_max;
        let reader = BodyReader::new(self.mapping, &self.plan.zone, &self.limits.read, findings_max, Box::new(input));
        let mut reader = reader.map_err(Stop::of)?;
        loop {
            let step = match reader.read() {
                Ok(step) => step,
                Err(error) => {
                    // Whose message it is may be known although none of its records is whole.
                    self.note_facts(reader.held());
                    return Err(Stop::of(error));
                }
            };
            match step {
                Step::Record(ReadRecord { number, raw, canonical, findings, of_body }) => {
                    self.count_record(number, raw)?;
                    self.findings.of_body(of_body);
                    self.note_message(raw)?;
                    self.record(raw, &canonical, findings).map_err(Stop::Gateway)?;
                    self.within_deliveries(raw)?;
                }
                Step::End { raw, of_body } => {
                    self.note_message(raw)?;
                    self.findings.of_body(of_body);
                    return Ok(());
                }
            }
        }
    }

    fn count_record(&mut self, number: u64, raw: &RawRecord) -> Result<(), Stop> {
        self.counts.records = number;
        let max = self.limits.records_max.min(self.mapping.records_max);
        if number <= max { Ok(()) } else { Err(Stop::too_many_records(max, raw.at)) }
    }

    fn within_deliveries(&self, raw: &RawRecord) -> Result<(), Stop> {
        if self.chunks.closed() <= DELIVERIES_PER_BODY_MAX {
            return Ok(());
        }
        let words = Words::new(
            format!("报文需要拆成 {DELIVERIES_PER_BODY_MAX} 个以上的投递；请拆分报文，并将同一报文标识、同一顺序键的记录排在一起"),
            format!(
                "the body makes more than {DELIVERIES_PER_BODY_MAX} deliveries; send it in parts, with the records of one message, and of one key in an ordered flow, next to each other"
            ),
        );
        Err(Stop::Body(FaultCode::TooManyRecords, Box::new(body_finding(FaultCode::TooManyRecords, raw.at, None, words))))
    }

    fn note_facts(&mut self, raw: &RawRecord) {
        if self.is_answered {
            self.facts.note_message(self.mapping, raw);
        }
    }

    fn note_message(&mut self, raw: &RawRecord) -> Result<(), Stop> {
        self.note_facts(raw);
        if self.message_id.is_none()
            && let Some((id, at)) = self.mapping.message_id_in(raw)
        {
            if id.chars().nth(MESSAGE_ID_CHARS_MAX).is_some() {
                return Err(Stop::message_id_too_long(at));
            }
            self.message_id = Some(id.to_owned());
        }
        Ok(())
    }

    /// Routes one record, and writes it where nothing is wrong with it.
    fn record(&mut self, raw: &RawRecord, canonical: &Value, mut findings: RecordFindings) -> io::Result<()> {
        let mut bits = 0;
        if !findings.refuse() {
            let found = self.plan.router.destinations(&self.runner, canonical);
            bits = found.map_err(|message| undecided(self.counts.records, &message))?;
        }
        let taken = !findings.refuse();
        if taken && bits == 0 && !self.plan.destinations.is_empty() {
            findings.push(routed_nowhere(raw, self.counts.records));
        }
        self.findings.of_record(findings, raw.at.byte);
        if !taken {
            self.counts.refused += 1;
            self.tally.refused.note(self.plan.canonical.noted(canonical));
            if self.is_answered {
                self.facts.note_refused(self.mapping, raw, self.counts.records);
            }
            return Ok(());
        }
        self.counts.accepted += 1;
        self.tally.accepted.note(self.plan.canonical.noted(canonical));
        self.write(raw, canonical, bits)
    }

    fn write(&mut self, raw: &RawRecord, canonical: &Value, destinations: u64) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, canonical)?;
        self.line.push(b'\n');
        let row = IndexRow {
            record: self.counts.records,
            offset: self.canonical.bytes(),
            length: self.line.len() as u32,
            source_line: u32::try_from(raw.at.line).unwrap_or(u32::MAX),
            destinations,
            key: self.plan.canonical.business_key(canonical),
        };
        self.canonical.write_all(&self.line)?;
        self.index.write_all(&row.to_bytes())?;
        self.chunks.add(self.rows, &row, canonical);
        self.sample.note(canonical);
        if let Some(reference) = &self.plan.flow.reference {
            self.references.note(reference, canonical, row.record, raw.at);
        }
        self.rows += 1;
        Ok(())
    }

    /// Has the whole body checked from outside; a body that could not be checked is not taken for good.
    fn check(&mut self, check: &dyn BodyCheck, arrived: Arrived<'_>) -> Result<Option<FaultCode>, Fault> {
        let limits = self.limits;
        let open = move || decoded(arrived, limits).map(|body| -> Box<dyn Read> { body });
        let documents = Documents::new(self.mapping, &limits.read, Box::new(open));
        let findings = check.findings(&documents).map_err(|error| Fault::new(FaultCode::Internal).caused_by(error))?;
        let invalid = findings.iter().any(|finding| finding.severity == Severity::Error);
        self.findings.of_body(findings);
        Ok(invalid.then_some(FaultCode::SchemaInvalid))
    }

    fn conclude(self, mut fault: Option<FaultCode>, decoded_digest: Digest) -> Result<Translated, Fault> {
        if fault.is_none() && self.findings.kept.iter().any(|f| f.record.is_none() && f.severity == Severity::Error) {
            fault = Some(FaultCode::TotalsMismatch);
        }
        let all_or_nothing = self.plan.flow.on_invalid == OnInvalid::RefuseBody && self.counts.refused > 0;
        if fault.is_none() && (all_or_nothing || (self.counts.accepted == 0 && self.counts.records > 0)) {
            fault = Some(FaultCode::RecordsRefused);
        }
        let outcome = match (fault, self.counts.refused) {
            (Some(_), _) => Outcome::Refused,
            (None, 0) => Outcome::Accepted,
            (None, _) => Outcome::InPart,
        };
        self.finish(outcome, fault, decoded_digest).map_err(storage_fault)
    }

    fn finish(mut self, outcome: Outcome, fault: Option<FaultCode>, decoded_digest: Digest) -> io::Result<Translated> {
        self.tally.refused.fill_up(self.counts.refused);
        self.counts.warnings = self.findings.warnings;
        let (canonical, canonical_digest) = self.canonical.finish()?;
        let (index, _) = self.index.finish()?;
        let verdict = Verdict {
            outcome,
            counts: self.counts,
            fault,
            findings: self.findings.kept,
            findings_left_out: self.findings.left_out,
            message_id: self.message_id,
            decoded_digest,
            canonical_digest,
            canonical: canonical.stored().clone(),
            index: index.stored().clone(),
            destinations: self.plan.destinations.iter().map(|(routed, _)| routed.clone()).collect(),
            chunks: self.chunks.finish(),
            pins: Pins { mapping: self.mapping.digest, schema: self.plan.canonical.digest, flow: self.plan.flow.digest },
            tally: self.tally,
            profile: self.sample.into_profile(),
        };
        let translated = Translated { verdict, facts: self.facts, files: [canonical, index], references: self.references };
        match fault {
            Some(fault) => translated.refuse(fault),
            None => Ok(translated),
        }
    }
}

impl Translated {
    /// Refuses the body whole: nothing of it goes on, and what was written of it is dropped with its files.
    ///
    /// # Errors
    /// I/O of the gateway.
    pub fn refuse(mut self, fault: FaultCode) -> io::Result<Self> {
        let nothing = || Spool::nowhere().writer().finish();
        let ((canonical, digest), (index, _)) = (nothing()?, nothing()?);
        let verdict = &mut self.verdict;
        verdict.outcome = Outcome::Refused;
        verdict.fault = Some(fault);
        verdict.counts.refused = verdict.counts.records;
        verdict.counts.accepted = 0;
        verdict.chunks.clear();
        verdict.profile = Profile::default();
        verdict.tally.refuse();
        verdict.tally.refused.fill_up(verdict.counts.refused);
        verdict.canonical_digest = digest;
        verdict.canonical = canonical.stored().clone();
        verdict.index = index.stored().clone();
        self.files = [canonical, index];
        Ok(self)
    }
}

/// Findings, capped per record and per body with the count of what was left out.
struct Findings<'p> {
    kept: Vec<Finding>,
    left_out: u64,
    /// Warnings, those left out included.
    warnings: u64,
    /// Rule, place, part and field of what was found before the record that it is told of: in a heading or a message's
    /// header, which every record repeats. Once is enough, or it would fill the room of all others.
    around: HashSet<(String, u64, Option<String>, Option<String>)>,
    flow: &'p Flow,
}

impl Findings<'_> {
    /// Findings of a record that begins at this byte.
    fn of_record(&mut self, findings: RecordFindings, begins_at: u64) {
        self.warnings += findings.warnings();
        let (mut findings, left_out) = findings.into_kept();
        // What stands around the records is told with the first of them, and is not left out of what the others are told.
        findings.retain(|finding| {
            let around = finding.at.byte < begins_at && self.around.len() < self.flow.findings_per_body_max;
            !around || self.around.insert(around_key(finding))
        });
        self.left_out += left_out;
        self.keep(findings, self.flow.findings_per_body_max);
    }

    /// Findings of the whole body are few and always kept.
    fn of_body(&mut self, findings: Vec<Finding>) {
        self.warnings += findings.iter().filter(|f| f.severity == Severity::Warning).count() as u64;
        self.keep(findings, self.flow.findings_per_body_max.saturating_mul(2));
    }

    fn keep(&mut self, findings: Vec<Finding>, body_max: usize) {
        let room = body_max.saturating_sub(self.kept.len());
        self.left_out += findings.len().saturating_sub(room) as u64;
        self.kept.extend(findings.into_iter().take(room));
    }
}

/// What makes two findings before their records the same. All values of an envelope stand at one place.
fn around_key(finding: &Finding) -> (String, u64, Option<String>, Option<String>) {
    let field = finding.canonical.as_ref().or(finding.source.as_ref());
    (finding.rule.clone(), finding.at.byte, finding.part.clone(), field.cloned())
}

/// A condition that cannot be judged is the operator's, and no fault of the record.
fn undecided(record: u64, message: &str) -> io::Error {
    io::Error::other(format!("where record {record} goes cannot be decided, mend the `when` of the flow's routes: {message}"))
}

/// A record that no route takes is kept and delivered to no one, which its sender may not have meant.
fn routed_nowhere(raw: &RawRecord, record: u64) -> Finding {
    let words = Words::new("没有投递路由接收此记录：已留存，但不投递", "no route takes this record: it is kept and delivered to no one");
    let (at, part) = (raw.at, raw.part.clone());
    let rule = "route.none".to_owned();
    Finding { severity: Severity::Warning, rule, record: Some(record), part, at, source: None, canonical: None, found: None, words }
}

/// What is wrong with a body as a whole.
pub fn body_finding(code: FaultCode, at: Position, source: Option<String>, words: Words) -> Finding {
    let rule = code.as_str().to_owned();
    Finding { severity: Severity::Error, rule, record: None, part: None, at, source, canonical: None, found: None, words }
}

fn damaged(code: FaultCode, at: Position) -> Stop {
    let (zh, en) = code.title();
    Stop::Body(code, Box::new(body_finding(code, at, None, Words::new(zh, en))))
}

fn fault_code(code: FormatCode) -> FaultCode {
    match code {
        FormatCode::Syntax => FaultCode::SyntaxMalformed,
        FormatCode::Truncated => FaultCode::SyntaxTruncated,
        FormatCode::CharsetUnknown => FaultCode::CharsetUnknown,
        FormatCode::BytesUnmappable => FaultCode::BytesUnmappable,
        FormatCode::CharacterUnmappable => FaultCode::CharacterUnmappable,
        FormatCode::ValueUnwritable => FaultCode::RenderFailed,
        FormatCode::CharacterForbidden => FaultCode::CharacterForbidden,
        FormatCode::DoctypeRefused => FaultCode::DoctypeRefused,
        FormatCode::EntityRefused => FaultCode::EntityRefused,
        FormatCode::DuplicateKey => FaultCode::DuplicateKey,
        FormatCode::DepthExceeded => FaultCode::DepthExceeded,
        FormatCode::TokenExceeded => FaultCode::TokenExceeded,
        FormatCode::RecordExceeded => FaultCode::RecordExceeded,
        FormatCode::ExpansionExceeded => FaultCode::ExpansionExceeded,
        FormatCode::NotThisMessage => FaultCode::NotThisMessage,
        FormatCode::ValueLate => FaultCode::ValueLate,
        FormatCode::ContainerDamaged => FaultCode::ContainerDamaged,
        FormatCode::ContainerUnsupported => FaultCode::ContainerUnsupported,
        FormatCode::MemberName => FaultCode::MemberName,
        FormatCode::MembersUnexpected => FaultCode::MembersUnexpected,
        FormatCode::ContainerNested => FaultCode::ContainerNested,
        FormatCode::AdapterFailed => FaultCode::AdapterFailed,
        FormatCode::Io => FaultCode::Internal,
    }
}
