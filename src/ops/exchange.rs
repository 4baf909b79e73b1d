//! One exchange: its life, its evidence, what is wrong with it, what came and what was made of it, and its deliveries.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/exchanges/ID` | 200, what is known of it, its life as a timeline, and the proof of its receipt |
//! | `GET /v1/exchanges/ID/receipt` | 200, the receipt, byte for byte |
//! | `GET /v1/exchanges/ID/answer` | 200, what the sender was given in a format of its own; 404 where there is none |
//! | `GET /v1/exchanges/ID/findings?from=&rows=` | 200, a page of the findings that are kept, counted from 0 |
//! | `GET /v1/exchanges/ID/body?from=&bytes=` | 200, a window of the body after content decoding, in Base64: at most [`WINDOW_BYTES_MAX`] |
//! | `GET /v1/exchanges/ID/canonical?from=&rows=` | 200, canonical records by their rows, counted from 0: at most [`CANONICAL_ROWS_MAX`] and [`CANONICAL_BYTES_MAX`] |
//! | `GET /v1/exchanges/ID/deliveries?after=&rows=` | 200, a page of deliveries, at most [`DELIVERIES_MAX`], each with the attempts that are kept |
//! | `GET /v1/deliveries/ID` | 200, one of them |
//!
//! Body, canonical records and answer take the role operate, and each look at them is logged with the operator's name. Personal
//! values in findings and canonical records are masked unless `?reveal=REASON` of one who may operate says why they are needed, which is
//! an act in the log. A
//! body and an answer are as they came, and cannot be masked: where the schema marks anything as personal they are not given without
//! `?reveal=REASON`. What a receiver answered to an attempt takes the role operate: to others
//! it is `null`, and `masked` says that there is one.

use super::access::{Ask, REVEAL};
use super::acts::{answer, entry};
use super::view::OpsView;
use crate::domain::{BusinessAnswer, DeliveryId, Digest, ExchangeId, Finding, Operator, Role};
use crate::exchange::report;
use crate::fault::problem::FindingEntry;
use crate::fault::{Fault, FaultCode};
use crate::http::query::bad_query;
use crate::http::{self, Response};
use crate::journal::acts::Revealed;
use crate::journal::chain::{leaf_hash, root_of};
use crate::journal::evidence::Head;
use crate::journal::search::{Attempt, DeliverySums};
use crate::journal::{DeliveryRow, ExchangeRow, Journaled};
use crate::mapping::Canonical;
use crate::mask::{self, Shown};
use crate::receipt::Receipt;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// Bytes of one window of a body.
pub const WINDOW_BYTES_MAX: u64 = 64 * 1024;
/// Canonical records of one page.
pub const CANONICAL_ROWS_MAX: u64 = 50;
/// Bytes of the canonical records of one page; the first is there whatever its size.
pub const CANONICAL_BYTES_MAX: u64 = 1024 * 1024;
/// Findings of one page.
pub const FINDINGS_MAX: usize = 200;
/// Deliveries of one page.
pub const DELIVERIES_MAX: usize = 50;

/// What is known of an exchange.
///
/// # Errors
/// An exchange that there is not; the journal's failures.
pub(super) async fn show(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let row = row(view, &ask).await?;
    let sums = view.journal.delivery_sums(row.journaled.exchange()).await?;
    Ok(answer(StatusCode::OK, &whole(&row, &sums)))
}

/// Its receipt.
///
/// # Errors
/// An exchange that there is not; the journal's failures.
pub(super) async fn receipt(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let row = row(view, &ask).await?;
    Ok(http::answer(StatusCode::OK, "application/json", Receipt::new(&row.journaled).to_bytes().to_vec()))
}

/// What its sender was given in a format of its own.
///
/// # Errors
/// An exchange that there is not, or that has no such answer; as [`whole_for_reason`]; the journal's failures.
pub(super) async fn business_answer(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let row = row(view, &ask).await?;
    let given = view.journal.answer(row.journaled.exchange()).await?;
    let BusinessAnswer { media_type, bytes } = given.ok_or_else(|| Fault::new(FaultCode::PathUnknown))?;
    whole_for_reason(view, &ask, &row, Revealed::Answer).await?;
    note(&ask, &row, "the answer to its sender");
    let mut response = http::answer(StatusCode::OK, "application/octet-stream", bytes);
    if let Ok(media_type) = HeaderValue::from_str(&media_type) {
        response.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    Ok(response)
}

/// A page of its findings.
///
/// # Errors
/// An exchange that there is not; the journal's failures.
pub(super) async fn findings(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let [from, rows] = numbers(&ask, ["from", "rows"])?;
    let row = row(view, &ask).await?;
    let from = usize::try_from(from.unwrap_or(0)).unwrap_or(usize::MAX);
    let rows = rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(FINDINGS_MAX).clamp(1, FINDINGS_MAX);
    let page = FindingsPage::of(view, &ask, &row, from, rows).await?;
    Ok(answer(
        StatusCode::OK,
        &json!({
            "findings": page.findings.iter().map(|finding| FindingEntry::new(finding, ask.zh)).collect::<Vec<_>>(),
            "masked": page.masked,
            "kept": page.kept,
            "left_out": row.findings_left_out,
            "next_from": page.next_from,
        }),
    ))
}

/// Some of the findings that are kept of an exchange.
pub(super) struct FindingsPage {
    /// The findings.
    pub findings: Vec<Finding>,
    /// Whether what is personal in them is masked.
    pub masked: bool,
    /// How many are kept in all.
    pub kept: usize,
    /// Where the next page begins, if there is one.
    pub next_from: Option<usize>,
}

impl FindingsPage {
    /// A page of them, as the operator may see it.
    ///
    /// # Errors
    /// A reason that says nothing; the journal's failures.
    pub(super) async fn of(view: &OpsView, ask: &Ask<'_>, row: &ExchangeRow, from: usize, rows: usize) -> Result<Self, Fault> {
        let schemas = marking(view, ask, row, Revealed::Findings).await?;
        let all = report(view.journal.as_ref(), row.journaled.exchange()).await?;
        let (kept, next_from) = (all.len(), Some(from.saturating_add(rows)).filter(|next| *next < all.len()));
        let mut findings: Vec<Finding> = all.into_iter().skip(from).take(rows).collect();
        if let Some(schemas) = &schemas {
            let schemas: Vec<&Canonical> = schemas.iter().map(AsRef::as_ref).collect();
            findings.iter_mut().for_each(|finding| mask::finding(finding, &schemas));
        }
        Ok(Self { findings, masked: schemas.is_some(), kept, next_from })
    }
}

/// A window of its body.
///
/// # Errors
/// An exchange that there is not, a body that cannot be decoded; as [`whole_for_reason`]; the journal's failures.
pub(super) async fn body(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let [from, bytes] = numbers(&ask, ["from", "bytes"])?;
    let (from, bytes) = (from.unwrap_or(0), bytes.unwrap_or(WINDOW_BYTES_MAX).clamp(1, WINDOW_BYTES_MAX));
    let row = row(view, &ask).await?;
    whole_for_reason(view, &ask, &row, Revealed::Body).await?;
    note(&ask, &row, "the body");
    let window = view.lineages.window(&row, from, bytes).await?;
    Ok(answer(
        StatusCode::OK,
        &json!({
            "from": from,
            "base64": STANDARD.encode(&window.bytes),
            "next_from": window.more.then_some(from + window.bytes.len() as u64),
            "content_type": row.content_type,
            "content_encoding": row.content_encoding,
            "received_bytes": row.body_bytes,
        }),
    ))
}

/// A page of its canonical records.
///
/// # Errors
/// An exchange that there is not; the journal's failures.
pub(super) async fn canonical(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let [from, rows] = numbers(&ask, ["from", "rows"])?;
    let (from, rows) = (from.unwrap_or(0), rows.unwrap_or(CANONICAL_ROWS_MAX).clamp(1, CANONICAL_ROWS_MAX));
    let row = row(view, &ask).await?;
    let schemas = marking(view, &ask, &row, Revealed::Canonical).await?;
    note(&ask, &row, "canonical records");
    let id = row.journaled.exchange();
    let index = view.journal.index(id, from, rows).await?;
    let mut bytes = 0;
    let fitting = index.iter().take_while(|(row, _)| {
        let first = bytes == 0;
        bytes += u64::from(row.length);
        first || bytes <= CANONICAL_BYTES_MAX
    });
    let index: Vec<_> = fitting.collect();
    let lines = match (index.first(), index.last()) {
        (Some((first, _)), Some((last, _))) => {
            let span = (last.offset + u64::from(last.length)).saturating_sub(first.offset);
            view.lineages.canonical(id, first.offset, span).await?
        }
        _ => Vec::new(),
    };
    let text = String::from_utf8(lines).map_err(|error| Fault::new(FaultCode::Internal).caused_by(error))?;
    let marks: Option<Vec<&Canonical>> = schemas.as_ref().map(|schemas| schemas.iter().map(AsRef::as_ref).collect());
    let records = index.iter().zip(text.lines()).map(|((row, repeated), line)| {
        let mut record: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(marks) = &marks {
            mask::record(&mut record, marks);
        }
        json!({ "record": row.record, "line": row.source_line, "repeated": repeated, "canonical": record })
    });
    let records: Vec<Value> = records.collect();
    let next = from + records.len() as u64;
    let more = !view.journal.index(id, next, 1).await?.is_empty();
    Ok(answer(StatusCode::OK, &json!({ "records": records, "masked": marks.is_some(), "next_from": more.then_some(next) })))
}

/// A page of its deliveries.
///
/// # Errors
/// An exchange that there is not; the journal's failures.
pub(super) async fn deliveries(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (mut after, mut rows_max) = (None, DELIVERIES_MAX);
    for (name, value) in ask.query() {
        let fits = match name.as_str() {
            "after" => value.parse().map(|id| after = Some(id)).is_ok(),
            "rows" => value.parse::<usize>().map(|rows| rows_max = rows.clamp(1, DELIVERIES_MAX)).is_ok(),
            _ => false,
        };
        if !fits {
            return Err(bad_query(&name, "after=ID, rows=NUMBER"));
        }
    }
    let row = row(view, &ask).await?;
    let page = view.journal.attempted(row.journaled.exchange(), after, rows_max).await?;
    let next = page.last().filter(|_| page.len() == rows_max).map(|(row, _)| row.id.to_string());
    let deliveries: Vec<Value> = page.iter().map(|(row, attempts)| attempted(row, attempts, ask.operator)).collect();
    Ok(answer(StatusCode::OK, &json!({ "deliveries": deliveries, "next_after": next })))
}

/// One delivery.
///
/// # Errors
/// A delivery that there is not; the journal's failures.
pub(super) async fn delivery(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let unknown = || Fault::new(FaultCode::PathUnknown).detail("没有此投递", "there is no such delivery");
    let id: DeliveryId = ask.segment(0).parse().map_err(|_| unknown())?;
    let (row, attempts) = view.journal.delivery(id).await?.ok_or_else(unknown)?;
    Ok(answer(StatusCode::OK, &attempted(&row, &attempts, ask.operator)))
}

/// The exchange of the path.
///
/// # Errors
/// An exchange that there is not; the journal's failures.
pub(super) async fn row(view: &OpsView, ask: &Ask<'_>) -> Result<ExchangeRow, Fault> {
    let unknown = || Fault::new(FaultCode::ExchangeUnknown);
    let id: ExchangeId = ask.segment(0).parse().map_err(|_| unknown())?;
    view.journal.exchange(id).await?.ok_or_else(unknown)
}

/// Logs that an operator looks at something of an exchange.
pub(super) fn note(ask: &Ask<'_>, row: &ExchangeRow, what: &str) {
    tracing::info!(exchange = %row.journaled.exchange(), operator = %ask.operator, what, "an operator looks into an exchange");
}

/// The schemas that say what is to be masked in what is shown of an exchange; none where the operator said why it is not.
async fn marking(view: &OpsView, ask: &Ask<'_>, row: &ExchangeRow, what: Revealed) -> Result<Option<Vec<Arc<Canonical>>>, Fault> {
    Ok(match ask.shown(view, row.journaled.exchange(), what).await? {
        Shown::Masked => Some(view.lineages.schemas(row).await?),
        Shown::Whole => None,
    })
}

/// Lets through to what nothing is masked in: for a reason, as `?reveal=REASON`, where records of the exchange may hold personal values.
///
/// # Errors
/// [`FaultCode::QueryInvalid`] where the reason is missing; as [`Ask::shown`].
async fn whole_for_reason(view: &OpsView, ask: &Ask<'_>, row: &ExchangeRow, what: Revealed) -> Result<(), Fault> {
    let schemas = marking(view, ask, row, what).await?.unwrap_or_default();
    if !schemas.iter().any(|schema| schema.has_personal()) {
        return Ok(());
    }
    Err(Fault::new(FaultCode::QueryInvalid).detail(
        format!("其中可能有无法遮盖的个人信息，须以 {REVEAL}=REASON 写明理由"),
        format!("it may hold personal values, and cannot be masked: say why it is needed, as {REVEAL}=REASON"),
    ))
}

/// Two parameters that are whole numbers, and no others but the one that reveals.
fn numbers(ask: &Ask<'_>, names: [&str; 2]) -> Result<[Option<u64>; 2], Fault> {
    let mut numbers = [None, None];
    for (name, value) in ask.query().into_iter().filter(|(name, _)| name != REVEAL) {
        let place = names.iter().position(|known| *known == name);
        let number = value.parse::<u64>().ok();
        match (place.and_then(|place| numbers.get_mut(place)), number) {
            (Some(place), Some(number)) => *place = Some(number),
            _ => return Err(bad_query(&name, &names.join("=NUMBER, "))),
        }
    }
    Ok(numbers)
}

fn whole(row: &ExchangeRow, sums: &DeliverySums) -> Value {
    let journaled = &row.journaled;
    let head = Head::of_jws(journaled.head());
    let committed_at = head.as_ref().map(|head| head.signed_at.as_str());
    let mut timeline = vec![
        json!({ "what": "received", "at": row.received_at.to_string() }),
        json!({ "what": "translated", "at": row.translated_at.to_string() }),
        json!({ "what": "committed", "at": committed_at }),
    ];
    let acknowledged = [("first-acknowledged", sums.first_acknowledged_at), ("last-acknowledged", sums.last_acknowledged_at)];
    timeline.extend(acknowledged.iter().filter_map(|(what, at)| Some(json!({ "what": what, "at": (*at)?.to_string() }))));
    json!({
        "exchange": journaled.exchange().to_string(),
        "partner": row.partner,
        "flow": row.flow,
        "verdict": journaled.outcome().as_str(),
        "fault": row.fault,
        "counts": journaled.counts(),
        "message_id": row.message_id,
        "idempotency_key": row.idempotency_key,
        "corrects": row.corrects.map(|id| id.to_string()),
        "mapping": row.mapping,
        "pins": { "mapping": row.pins.mapping, "schema": row.pins.schema, "flow": row.pins.flow },
        "content_type": row.content_type,
        "content_encoding": row.content_encoding,
        "trace_id": row.trace_id,
        "body": { "bytes": row.body_bytes, "sha256": row.body_digest },
        "canonical_sha256": row.canonical_digest,
        "timeline": timeline,
        "deliveries": sums.deliveries,
        "proof": proof(row, head.as_ref()),
    })
}

/// What the receipt rests on, and whether the leaf leads to the root that was signed. Whether the signature is
/// one of the gateway's keys is for `portolan verify`.
fn proof(row: &ExchangeRow, head: Option<&Head>) -> Value {
    let journaled = &row.journaled;
    let leaf: Option<&RawValue> = serde_json::from_str(journaled.leaf()).ok();
    let root = root(journaled);
    json!({
        "epoch": journaled.position().epoch,
        "index": journaled.position().index,
        "leaf": leaf,
        "leaf_index": journaled.leaf_index(),
        "tree_size": journaled.tree_size(),
        "path": journaled.path(),
        "root": root,
        "signed_root": head.map(|head| head.root),
        "signed_at": head.map(|head| head.signed_at.as_str()),
        "holds": holds(root, head),
    })
}

/// The root that the leaf of an exchange leads to.
pub(super) fn root(journaled: &Journaled) -> Option<Digest> {
    root_of(leaf_hash(journaled.leaf().as_bytes()), journaled.leaf_index(), journaled.tree_size(), journaled.path())
}

/// Whether that root is the one that was signed.
pub(super) fn holds(root: Option<Digest>, head: Option<&Head>) -> bool {
    root.is_some() && root == head.map(|head| head.root)
}

fn attempted(row: &DeliveryRow, attempts: &[Attempt], operator: &Operator) -> Value {
    json!({
        "delivery": row.id.to_string(),
        "exchange": row.exchange.to_string(),
        "to": row.to,
        "state": row.state.as_str(),
        "records": row.records,
        "attempts_begun": row.attempts,
        "due_at": row.due_at.to_string(),
        "acknowledged_at": row.acknowledged_at.map(|at| at.to_string()),
        "attempts": attempts.iter().map(|tried| attempt(tried, operator)).collect::<Vec<_>>(),
        "acts": row.acts.iter().map(entry).collect::<Vec<_>>(),
    })
}

/// What a receiver answered, as an operator may see it, and whether it is kept from that operator: it may hold anything.
pub(super) fn receivers_answer<'a>(answer: Option<&'a str>, operator: &Operator) -> (Option<&'a str>, bool) {
    let may_see = operator.role >= Role::Operate;
    (answer.filter(|_| may_see), answer.is_some() && !may_see)
}

fn attempt(attempt: &Attempt, operator: &Operator) -> Value {
    let (answer, masked) = receivers_answer(attempt.answer.as_deref(), operator);
    let (fault, detail) = attempt.fault.as_ref().map(|(fault, detail)| (fault, detail)).unzip();
    json!({
        "number": attempt.number,
        "started_at": attempt.started_at.to_string(),
        "ended_at": attempt.ended_at.map(|at| at.to_string()),
        "fault": fault,
        "detail": detail,
        "answer": answer,
        "masked": masked,
    })
}
