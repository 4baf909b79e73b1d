//! The life of a message, from its first byte to its answer.
//!
//! [`exchange`] reads as the list of what happens. Each stage takes what the one before returned,
//! so that no step can be left out: nothing is translated before it is whole, nothing is committed
//! before it has a verdict, and no receipt exists before the commit.

use crate::answer::{self, Answered, Facts};
use crate::coding::Coding;
use crate::domain::{BusinessAnswer, DestinationId, Digest, ExchangeId, Finding, Outcome, PartnerId, Stored, Verdict};
use crate::fault::{Fault, FaultCode};
use crate::ingress::admit::{Admitted, Mode, not_empty};
use crate::ingress::identity::{ConnectionIdentity, Partners, TrustStore};
use crate::ingress::in_flight::InFlight;
use crate::ingress::limits::Admission;
use crate::ingress::receive::{ReceivedBody, receive};
use crate::journal::{Committed, Journal, JournalError, NewExchange, RepeatQuery, resolve};
use crate::live::Live;
use crate::mapping::Mapping;
use crate::mapping::write::NotWritten;
use crate::pauses::Pauses;
use crate::places::Places;
use crate::receipt::Receipt;
use crate::references::{Referred, look_up};
use crate::schedule::Period;
use crate::seams::SharedClock;
use crate::spool::Spool;
use crate::traces::{SpanKind, TraceContext, Traces, key};
use crate::translate::{Arrived, BodyCheck, FlowPlan, TranslateLimits, Translated, declared_empty, translate};
use crate::xsd::Xsd;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use jiff::Timestamp;
use std::sync::Arc;

/// Bytes of a body that is translated at once, on the thread that received it: a few milliseconds.
const INLINE_TRANSLATION_BYTES_MAX: u64 = 16 * 1024;

/// What every exchange is handled with.
pub struct Exchanges {
    /// What is in force.
    pub live: Arc<ArcSwap<Live>>,
    /// Who may call.
    pub trust: Arc<TrustStore<Partners>>,
    /// The durable state.
    pub journal: Arc<dyn Journal>,
    /// Which flows are paused.
    pub pauses: Arc<Pauses>,
    /// Submissions under way, by their keys.
    pub in_flight: InFlight,
    /// Large bodies being translated at once.
    pub translations: Places,
    /// Where bodies grow.
    pub spool: Spool,
    /// Time and chance.
    pub clock: SharedClock,
    /// What spans are made with.
    pub traces: Traces,
    /// Told which destinations have something new.
    pub wake: Box<dyn Fn(&DestinationId) + Send + Sync>,
}

/// What a sender is told.
#[derive(Debug)]
pub struct Answer {
    /// The durable part; `None` for `mode=validate`.
    pub evidence: Option<Evidence>,
    /// Accepted, in part or refused.
    pub outcome: Outcome,
    /// Numbers of records.
    pub counts: crate::domain::Counts,
    /// Why the body was refused whole, where it was.
    pub fault: Option<FaultCode>,
    /// Findings kept.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub findings_left_out: u64,
    /// What the sender is told in a format of its own.
    pub business: Option<BusinessAnswer>,
}

/// What only a commit gives.
#[derive(Debug)]
pub struct Evidence {
    /// The exchange.
    pub exchange: ExchangeId,
    /// Its receipt.
    pub receipt: Receipt,
    /// It was committed before; this is the first answer again.
    pub repeat: bool,
    /// Bytes of the body as received; 0 for a repeat.
    pub received_bytes: u64,
}

/// What a body is taken in as: whose it is, under which flow, and how it is read.
pub struct Intake {
    /// Its id, from here to its last delivery.
    pub exchange: ExchangeId,
    /// Who sends it.
    pub partner: PartnerId,
    /// SHA-256 of the certificate that its sender has shown.
    pub certificate: Digest,
    /// What is in force for it.
    pub live: Arc<Live>,
    /// Its flow.
    pub flow: Arc<FlowPlan>,
    /// The mapping that will read it.
    pub mapping: Arc<Mapping>,
    /// The XML Schemas that it must be valid against.
    pub check: Option<Arc<Xsd>>,
    /// Records that it may hold.
    pub records_max: u64,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The question that it answers, whose name is its key.
    pub question: Option<ExchangeId>,
    /// `Content-Encoding`.
    pub coding: Coding,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// The period for which it declares that there is nothing (本期无数据); its body is empty.
    pub empty_period: Option<Period>,
    /// The exchange that it corrects.
    pub corrects: Option<ExchangeId>,
    /// Where in a trace it is taken in.
    pub trace: TraceContext,
}

/// A body that is whole, with what it is taken in as.
struct Received {
    intake: Intake,
    body: ReceivedBody,
    received_at: Timestamp,
}

/// The rest of an admission.
struct Caller {
    identity: Arc<ConnectionIdentity>,
    mode: Mode,
    admission: Admission,
}

/// Handles one submission.
///
/// # Errors
/// Refusals before anything is journaled, and failures of the gateway.
pub async fn exchange<B>(exchanges: &Arc<Exchanges>, admitted: Admitted, body: B) -> Result<Answer, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Admitted { intake, identity, mode, content_digest, mut admission } = admitted;
    let place = exchanges.in_flight.enter(&intake.partner, &intake.flow.flow.id, intake.idempotency_key.as_deref())?;
    let limits = &intake.live.config.gateway.limits;
    let receiving = exchanges.traces.child("receive", SpanKind::Internal, &intake.trace);
    let body = receiving.ended(receive(body, limits, &exchanges.spool, content_digest, |bytes| admission.charge_bytes(bytes)).await)?;
    if intake.empty_period.is_some() && body.spooled.stored().length() > 0 {
        return Err(not_empty());
    }
    let received = Received { intake, body, received_at: exchanges.clock.now() };
    let caller = Caller { identity, mode, admission };
    // Every byte is in: from here on the sender's line may drop and the commit goes on.
    let exchanges = Arc::clone(exchanges);
    let settled = tokio::spawn(async move {
        let answer = settle(&exchanges, caller, received).await;
        drop(place);
        answer
    });
    settled.await.unwrap_or_else(|error| Err(Fault::new(FaultCode::Internal).caused_by(error)))
}

/// Takes in a body that the gateway has fetched itself: translated and committed like any other. What it is
/// turned into for whoever waits for it, if it is accepted, is kept with the commit.
///
/// # Errors
/// Failures of the gateway; a clash with what was committed under the same key.
pub async fn take_in(
    exchanges: &Arc<Exchanges>,
    intake: Intake,
    body: Bytes,
    turned: impl FnOnce(&Verdict) -> Option<BusinessAnswer> + Send + 'static,
) -> Result<Answer, Fault> {
    let limits = &intake.live.config.gateway.limits;
    let body = receive(Full::new(body), limits, &exchanges.spool, None, |_| Ok(())).await?;
    let received = Received { intake, body, received_at: exchanges.clock.now() };
    let (received, translated) = translated(exchanges, received).await?;
    let (business, translated) = pooled(exchanges, &received.intake.partner, move || (turned(&translated.verdict), translated)).await?;
    commit(exchanges, received, translated, business).await
}

/// From a whole body to its answer.
async fn settle(exchanges: &Arc<Exchanges>, caller: Caller, received: Received) -> Result<Answer, Fault> {
    know_corrected(exchanges, &received.intake).await?;
    if caller.mode == Mode::Commit
        && let Some(first) = find_repeat(exchanges, &received).await?
    {
        return Ok(first);
    }
    let (received, translated) = translated(exchanges, received).await?;
    caller.admission.charge_records(translated.verdict.counts.records);
    if caller.mode == Mode::Validate {
        return Ok(validated(translated));
    }
    still_entitled(exchanges, &caller.identity, &received.intake)?;
    let (received, translated, business) = answered(exchanges, received, translated).await?;
    commit(exchanges, received, translated, business).await
}

/// Writes the business answer, where the sender is given one: at once where the body was small, else on a thread of the
/// bounded pool, as an adapter from outside does always: it may take its whole time limit.
async fn answered(
    exchanges: &Exchanges,
    received: Received,
    translated: Translated,
) -> Result<(Received, Translated, Option<BusinessAnswer>), Fault> {
    let Some(mapping) = received.intake.flow.answers.get(&received.intake.partner) else { return Ok((received, translated, None)) };
    let at_once = is_small(&received) && !mapping.is_outside;
    let write = |received: Received, translated: Translated| {
        let business = business_answer(&received, &translated.verdict, &translated.facts);
        (received, translated, business)
    };
    if at_once {
        return Ok(write(received, translated));
    }
    let partner = received.intake.partner.clone();
    pooled(exchanges, &partner, move || write(received, translated)).await
}

/// Whether the caller is still who it was when it was admitted, and may still send this flow: a
/// body may take long to come in, and trust and configuration may have changed meanwhile.
fn still_entitled(exchanges: &Exchanges, identity: &ConnectionIdentity, intake: &Intake) -> Result<(), Fault> {
    let partner = exchanges.trust.resolve(identity, exchanges.clock.now())?;
    if partner != intake.partner {
        return Err(Fault::new(FaultCode::CertificateUnlisted));
    }
    let live = exchanges.live.load();
    let flow = live.flows.get(&intake.flow.flow.id).filter(|plan| plan.flow.senders.contains_key(&partner));
    flow.map(drop).ok_or_else(|| Fault::new(FaultCode::FlowForbidden))
}

/// The first answer, where this submission was made before, byte for byte. Other bytes under a known
/// key are the commit's to judge, and so is what has no key: only translation finds the message id, which may be known too.
async fn find_repeat(exchanges: &Exchanges, received: &Received) -> Result<Option<Answer>, Fault> {
    let intake = &received.intake;
    if intake.idempotency_key.is_none() {
        return Ok(None);
    }
    let query = RepeatQuery {
        partner: intake.partner.clone(),
        flow: intake.flow.flow.id.clone(),
        idempotency_key: intake.idempotency_key.clone(),
        message_id: None,
        body_digest: received.body.digest,
        corrects: intake.corrects,
    };
    match exchanges.journal.find_repeat(query).await.map_err(journal_fault)? {
        Some(committed @ Committed::Repeat(_)) => answer(exchanges, committed, None).await.map(Some),
        _ => Ok(None),
    }
}

/// Whether the exchange that is to be corrected is one of the sender's own in this flow.
async fn know_corrected(exchanges: &Exchanges, intake: &Intake) -> Result<(), Fault> {
    let Some(id) = intake.corrects else { return Ok(()) };
    let corrected = exchanges.journal.exchange(id).await.map_err(journal_fault)?;
    match corrected.filter(|row| row.partner == intake.partner && row.flow == intake.flow.flow.id) {
        Some(_) => Ok(()),
        None => Err(Fault::new(FaultCode::CorrectionUnknown)),
    }
}

/// Looks for the messages or records that the records refer to, where the flow says that they must be known.
async fn know_referred(exchanges: &Exchanges, intake: &Intake, translated: Translated) -> Result<Translated, Fault> {
    let Some(reference) = &intake.flow.flow.reference else { return Ok(translated) };
    let live = exchanges.live.load_full();
    let referred = live.flows.get(&reference.flow).map(|other| {
        let spaces = other.flow.senders.keys().map(|sender| key_space(sender, other)).collect();
        Referred { canonical: &other.canonical, spaces }
    });
    look_up(exchanges.journal.as_ref(), reference, referred, translated).await.map_err(journal_fault)
}

/// Translates, and looks up what the records refer to.
async fn translated(exchanges: &Arc<Exchanges>, received: Received) -> Result<(Received, Translated), Fault> {
    let span = exchanges.traces.child("translate", SpanKind::Internal, &received.intake.trace);
    span.tell(key::MAPPING, &received.intake.mapping.name);
    let translated = async {
        let (received, translated) = in_turn(exchanges, received).await?;
        let translated = know_referred(exchanges, &received.intake, translated).await?;
        Ok((received, translated))
    };
    let translated = translated.await.inspect(|(_, translated)| {
        span.set(key::VERDICT, translated.verdict.outcome.as_str());
        span.set(key::RECORDS, i64::try_from(translated.verdict.counts.records).unwrap_or(i64::MAX));
    });
    span.ended(translated)
}

/// Translates at once where the body is small, else on a thread of the bounded pool.
async fn in_turn(exchanges: &Arc<Exchanges>, received: Received) -> Result<(Received, Translated), Fault> {
    let spool = exchanges.spool.clone();
    // An adapter from outside may take its whole time limit, and must not take it from others.
    let small = is_small(&received) && received.intake.check.is_none() && !received.intake.mapping.is_outside;
    if small {
        let translated = run(&received, &spool)?;
        return Ok((received, translated));
    }
    let partner = received.intake.partner.clone();
    pooled(exchanges, &partner, move || run(&received, &spool).map(|translated| (received, translated))).await?
}

/// Whether handling a body takes so little that no other waits for it.
fn is_small(received: &Received) -> bool {
    let stored = received.body.spooled.stored();
    let small = matches!(stored, Stored::Inline(_)) && stored.length() <= INLINE_TRANSLATION_BYTES_MAX;
    small && received.intake.coding == Coding::Identity && received.intake.mapping.contained.is_none()
}

/// Does a piece of work for a partner on a thread of the bounded pool.
async fn pooled<T: Send + 'static>(
    exchanges: &Exchanges,
    partner: &PartnerId,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let seat = exchanges.translations.enter(partner).await;
    let seat = seat.map_err(|_| Fault::new(FaultCode::ShuttingDown))?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(seat);
        done
    });
    done.await.map_err(|error| Fault::new(FaultCode::Internal).caused_by(error))
}

fn run(received: &Received, spool: &Spool) -> Result<Translated, Fault> {
    let intake = &received.intake;
    let limits = TranslateLimits::of(&intake.live.config.gateway.limits, intake.records_max);
    if let Some(period) = intake.empty_period {
        return declared_empty(received.body.digest, period, &intake.mapping, &intake.flow, &limits, spool);
    }
    let is_answered = intake.flow.answers.contains_key(&intake.partner);
    let arrived = Arrived { body: received.body.spooled.stored(), digest: received.body.digest, coding: intake.coding, is_answered };
    let check = intake.check.as_deref().map(|xsd| xsd as &dyn BodyCheck);
    translate(arrived, &intake.mapping, check, &intake.flow, &limits, spool)
}

fn validated(translated: Translated) -> Answer {
    let verdict = translated.verdict;
    Answer {
        evidence: None,
        outcome: verdict.outcome,
        counts: verdict.counts,
        fault: verdict.fault,
        findings: verdict.findings,
        findings_left_out: verdict.findings_left_out,
        business: None,
    }
}

/// The one durable step, and the receipt that only it can give.
async fn commit(
    exchanges: &Exchanges,
    received: Received,
    translated: Translated,
    business: Option<BusinessAnswer>,
) -> Result<Answer, Fault> {
    let Received { intake, body, received_at } = received;
    // Body and files are held to the end of this function: what the journal did not take over goes with them.
    let Translated { mut verdict, files: _files, .. } = translated;
    // An order is a sender's own within a flow: nobody's dead letter holds another's deliveries.
    let scope = format!("{}/{}", intake.flow.flow.id, intake.partner);
    verdict.chunks.iter_mut().filter_map(|chunk| chunk.order_key.as_mut()).for_each(|key| *key = format!("{scope}/{key}"));
    let received_bytes = body.spooled.stored().length();
    let told = Told {
        received_bytes,
        fault: verdict.fault,
        findings: verdict.findings.clone(),
        findings_left_out: verdict.findings_left_out,
        business: business.clone(),
    };
    let destinations = verdict.destinations.clone();
    let id = intake.exchange;
    let key_space = key_space(&intake.partner, &intake.flow);
    let new = NewExchange {
        id,
        partner: intake.partner.clone(),
        flow: intake.flow.flow.id.clone(),
        received_at,
        translated_at: exchanges.clock.now(),
        business_day: intake.flow.business_day.clone(),
        key_space,
        idempotency_key: intake.idempotency_key,
        question: intake.question,
        certificate: intake.certificate,
        corrects: intake.corrects,
        mapping: intake.mapping.name.clone(),
        content_type: intake.content_type,
        content_encoding: intake.coding.as_str().to_owned(),
        trace: intake.trace,
        body: body.spooled.stored().clone(),
        body_digest: body.digest,
        pinned: pinned(&intake.mapping, &intake.flow),
        verdict,
        answer: business,
    };
    let committing = exchanges.traces.child("commit", SpanKind::Internal, &new.trace);
    let trace = new.trace.clone();
    let committed = match exchanges.journal.commit(new).await {
        Err(JournalError::OutcomeUnknown) => outcome_of(exchanges, id).await,
        other => other.map_err(journal_fault),
    };
    let committed = committing.ended(committed)?;
    if matches!(committed, Committed::New(_)) {
        destinations.iter().for_each(|routed| (exchanges.wake)(&routed.to));
    }
    let answering = exchanges.traces.child("receipt", SpanKind::Internal, &trace);
    answering.ended(answer(exchanges, committed, Some(told)).await)
}

/// Among which keys the business keys of a sender's records are: a fact is a sender's own, so that nobody can claim
/// another's before it is sent.
pub fn key_space(partner: &PartnerId, flow: &FlowPlan) -> String {
    format!("{partner}/{}", flow.canonical.key_space())
}

/// The answer in the sender's own format, where its flow names one. One that cannot be written leaves JSON to
/// be answered, and an operator to be told.
fn business_answer(received: &Received, verdict: &Verdict, facts: &Facts) -> Option<BusinessAnswer> {
    let Received { intake, received_at, .. } = received;
    let plan = &intake.flow;
    // What is empty has nothing that a format of the sender's own could answer to.
    let mapping = plan.answers.get(&intake.partner).filter(|_| intake.empty_period.is_none())?;
    let (flow, zone, format) = (&plan.flow.id, &plan.zone, &intake.mapping.format_name);
    let answered = Answered { exchange: intake.exchange, received_at: *received_at, flow, zone, format };
    let written = answer::write(mapping, answered, verdict, facts);
    let told = |error: &NotWritten| {
        tracing::warn!(exchange = %intake.exchange, partner = %intake.partner, mapping = mapping.name, %error, "no answer in the sender's format; it is answered in JSON");
    };
    written.inspect_err(told).ok()
}

fn pinned(mapping: &Mapping, plan: &FlowPlan) -> Vec<(Digest, Arc<str>)> {
    let mut pinned = vec![
        (mapping.digest, Arc::clone(&mapping.text)),
        (plan.canonical.digest, Arc::clone(&plan.canonical.text)),
        (plan.flow.digest, Arc::clone(&plan.flow.text)),
    ];
    pinned.extend(plan.destinations.iter().map(|(_, m)| (m.digest, Arc::clone(&m.text))));
    pinned
}

/// Learns whether an exchange was committed after all, before anyone is answered.
async fn outcome_of(exchanges: &Exchanges, id: ExchangeId) -> Result<Committed, Fault> {
    match resolve(exchanges.journal.as_ref(), id).await.map_err(journal_fault)? {
        Some(journaled) => Ok(Committed::New(journaled)),
        None => Err(Fault::new(FaultCode::Unavailable)),
    }
}

/// What a verdict says to the sender beside its counts.
struct Told {
    received_bytes: u64,
    fault: Option<FaultCode>,
    findings: Vec<Finding>,
    findings_left_out: u64,
    business: Option<BusinessAnswer>,
}

/// The answer to what a commit came to. What there is to tell is at hand when it was just made; a
/// repeat's is read from the first one.
async fn answer(exchanges: &Exchanges, committed: Committed, told: Option<Told>) -> Result<Answer, Fault> {
    let repeat = matches!(committed, Committed::Repeat(_));
    let received_bytes = told.as_ref().filter(|_| !repeat).map_or(0, |told| told.received_bytes);
    let (journaled, told) = match (committed, told) {
        (Committed::New(journaled), Some(told)) if journaled.counts().repeated == 0 => (journaled, told),
        // Which records were known before, only the journal's own report says. What is committed is answered as
        // committed, though: its sender would send it again.
        (Committed::New(journaled), Some(told)) => {
            let recalled = recall(exchanges.journal.as_ref(), journaled.exchange()).await;
            let unread = |fault: &Fault| {
                let error = fault.source.as_deref().map(tracing::field::display);
                tracing::error!(exchange = %journaled.exchange(), error, "which records were known before cannot be told");
            };
            let recalled = recalled.inspect_err(unread).unwrap_or(told);
            (journaled, recalled)
        }
        (Committed::New(journaled) | Committed::Repeat(journaled), _) => {
            let told = recall(exchanges.journal.as_ref(), journaled.exchange()).await?;
            (journaled, told)
        }
        (Committed::OtherBytes(first), _) => {
            let mut fault = Fault::new(FaultCode::RepeatOtherBytes);
            fault.exchange = Some(first);
            return Err(fault);
        }
        (Committed::Conflict, _) => return Err(Fault::new(FaultCode::RepeatConflict)),
    };
    Ok(Answer {
        outcome: journaled.outcome(),
        counts: journaled.counts(),
        fault: told.fault,
        findings: told.findings,
        findings_left_out: told.findings_left_out,
        business: told.business,
        evidence: Some(Evidence { exchange: journaled.exchange(), receipt: Receipt::new(&journaled), repeat, received_bytes }),
    })
}

async fn recall(journal: &dyn Journal, id: ExchangeId) -> Result<Told, Fault> {
    let row = journal.exchange(id).await.map_err(journal_fault)?;
    Ok(Told {
        received_bytes: 0,
        fault: row.as_ref().and_then(|r| r.fault.as_deref()).and_then(|f| f.parse().ok()),
        findings: report(journal, id).await?,
        findings_left_out: row.map_or(0, |r| r.findings_left_out),
        business: journal.answer(id).await.map_err(journal_fault)?,
    })
}

/// The findings of an exchange's report.
///
/// # Errors
/// When the journal cannot be read.
pub async fn report(journal: &dyn Journal, id: ExchangeId) -> Result<Vec<Finding>, Fault> {
    let text = journal.report(id).await.map_err(journal_fault)?.unwrap_or_else(|| "".into());
    let findings: Result<Vec<Finding>, _> = text.lines().map(serde_json::from_str).collect();
    findings.map_err(|e| Fault::new(FaultCode::Internal).caused_by(e))
}

/// What the journal could not do, as a fault.
pub fn journal_fault(error: JournalError) -> Fault {
    error.into()
}
