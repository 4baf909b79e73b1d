//! Admission: may this partner send this flow, in this form, now, and a body this large.
//!
//! A refusal here is counted and logged but never journaled, so that a flood cannot fill the disk.

use super::identity::ConnectionIdentity;
use super::limits::{Admission, RateLimits};
use super::receive::{ContentDigest, too_large};
use crate::coding::Coding;
use crate::domain::{FlowId, PartnerId};
use crate::exchange::Intake;
use crate::fault::{Fault, FaultCode};
use crate::live::Live;
use crate::mapping::Mapping;
use crate::pauses::Pauses;
use crate::schedule::Period;
use crate::seams::Clock;
use crate::spool::Spool;
use crate::translate::{FlowPlan, storage_fault};
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use std::sync::Arc;

/// Characters of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Characters kept of a `Content-Type`.
const CONTENT_TYPE_CHARS_MAX: usize = 127;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const CORRECTS: HeaderName = HeaderName::from_static("portolan-corrects");
const EMPTY_PERIOD: HeaderName = HeaderName::from_static("portolan-empty-period");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whether anything is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    #[default]
    Commit,
    /// Everything but the commit.
    Validate,
}

/// What the address of a submission says beside its flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `mode=validate`.
    pub mode: Mode,
    /// `mapping=NAME`.
    pub mapping: Option<String>,
}

/// A submission that may be received.
pub struct Admitted {
    /// What it is taken in as.
    pub intake: Intake,
    /// The connection it comes on, to ask again before the commit.
    pub identity: Arc<ConnectionIdentity>,
    /// Whether anything will be committed.
    pub mode: Mode,
    /// `Content-Digest`.
    pub content_digest: Option<ContentDigest>,
    /// Its charge on the limits.
    pub admission: Admission,
}

/// Who asks, and what is in force.
pub struct Asking<'a> {
    /// The partner.
    pub partner: PartnerId,
    /// The connection.
    pub identity: &'a Arc<ConnectionIdentity>,
    /// What is in force.
    pub live: &'a Arc<Live>,
    /// Which flows are paused.
    pub pauses: &'a Pauses,
    /// The limits.
    pub limits: &'a RateLimits,
    /// Where the body will go.
    pub spool: &'a Spool,
    /// Time and chance.
    pub clock: &'a dyn Clock,
    /// W3C trace id of the request.
    pub trace_id: String,
}

/// Admits or refuses a submission, in the order: permission, pause, room on the disk, limits, size, form. What is only
/// validated is not kept from a flow that is paused.
///
/// # Errors
/// The first reason to refuse.
pub fn admit(asking: Asking<'_>, flow: &str, query: &Query, headers: &HeaderMap) -> Result<Admitted, Fault> {
    let (plan, mapping) = permission(&asking, flow, query)?;
    if query.mode == Mode::Commit && asking.pauses.holds(&plan.flow.id) {
        return Err(Fault::new(FaultCode::FlowPaused));
    }
    asking.spool.check_room().map_err(storage_fault)?;
    let declared = declared_bytes(headers)?;
    let admission = asking.limits.admit(&asking.partner, Some(&plan.flow.id), declared)?;
    let body_bytes_max = asking.live.config.gateway.limits.body_bytes_max;
    if declared.is_some_and(|bytes| bytes > body_bytes_max) {
        return Err(too_large(body_bytes_max));
    }
    let coding = match text(headers, &CONTENT_ENCODING)? {
        None => Coding::Identity,
        Some(value) => Coding::from_header(value)
            .ok_or_else(|| Fault::new(FaultCode::ContentEncodingUnknown).detail("可用 gzip 或 zstd", "use gzip or zstd"))?,
    };
    let intake = Intake {
        exchange: crate::seams::new_id(asking.clock),
        certificate: asking.identity.caller().leaf_sha256,
        partner: asking.partner,
        live: Arc::clone(asking.live),
        flow: plan,
        check: asking.live.xsds.get(&mapping.name).cloned(),
        mapping,
        records_max: admission.records_per_body_max().unwrap_or(u64::MAX),
        idempotency_key: idempotency_key(headers)?,
        question: None,
        coding,
        content_type: text(headers, &CONTENT_TYPE)?.map(kept_content_type),
        empty_period: empty_period(headers, declared)?,
        corrects: text(headers, &CORRECTS)?.map(str::parse).transpose().map_err(|_| malformed("Portolan-Corrects"))?,
        trace_id: asking.trace_id,
    };
    let content_digest = text(headers, &CONTENT_DIGEST)?.map(ContentDigest::parse).transpose()?;
    Ok(Admitted { intake, identity: Arc::clone(asking.identity), mode: query.mode, content_digest, admission })
}

/// As much of a `Content-Type` as is kept, for people.
pub fn kept_content_type(text: &str) -> String {
    text.chars().take(CONTENT_TYPE_CHARS_MAX).collect()
}

/// The flow and the mapping. A flow that the partner may not send answers as one that is not there
/// only where it does not exist at all.
fn permission(asking: &Asking<'_>, flow: &str, query: &Query) -> Result<(Arc<FlowPlan>, Arc<Mapping>), Fault> {
    let refused = |code: FaultCode| {
        let (zh, en) = code.title();
        Fault::new(code)
            .detail(format!("{zh}；可报送的交换业务见 GET /v1/me"), format!("{en}; GET /v1/me lists the flows that you may send"))
    };
    let id: FlowId = flow.parse().map_err(|_| refused(FaultCode::FlowUnknown))?;
    let plan = asking.live.flows.get(&id).ok_or_else(|| refused(FaultCode::FlowUnknown))?;
    let sender = plan.flow.senders.get(&asking.partner).ok_or_else(|| refused(FaultCode::FlowForbidden))?;
    let allowed = || {
        Fault::new(FaultCode::MappingForbidden)
            .detail(format!("可用映射：{}", sender.mappings.join("、")), format!("you may send {}", sender.mappings.join(", ")))
    };
    let name = match &query.mapping {
        Some(name) => sender.mappings.iter().find(|m| *m == name).ok_or_else(allowed)?,
        None => sender.mappings.first().ok_or_else(allowed)?,
    };
    let mapping = asking.live.library.mapping(name).ok_or_else(allowed)?;
    Ok((Arc::clone(plan), Arc::clone(mapping)))
}

fn declared_bytes(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    text(headers, &CONTENT_LENGTH)?.map(str::parse).transpose().map_err(|_| malformed("Content-Length"))
}

/// The period of a declaration that there is nothing for it, which goes with an empty body.
fn empty_period(headers: &HeaderMap, declared_bytes: Option<u64>) -> Result<Option<Period>, Fault> {
    let Some(text) = text(headers, &EMPTY_PERIOD)? else { return Ok(None) };
    let period = text.parse().map_err(|why: String| {
        let zh = "Portolan-Empty-Period 应为一个所属期：2026-07-15、2026-07、2026Q3 或 2026";
        Fault::new(FaultCode::HeaderInvalid).detail(zh, format!("Portolan-Empty-Period: {why}"))
    })?;
    if declared_bytes.is_some_and(|bytes| bytes > 0) { Err(not_empty()) } else { Ok(Some(period)) }
}

/// The fault of a body that is declared to be empty and is not.
pub fn not_empty() -> Fault {
    let (zh, en) = (
        "Portolan-Empty-Period 声明本期无数据，报文必须为空",
        "Portolan-Empty-Period declares that there is nothing; the body must be empty",
    );
    Fault::new(FaultCode::HeaderInvalid).detail(zh, en)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(key) = text(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    // The draft for this field writes it as a quoted string; a bare one is common.
    let key = key.strip_prefix('"').and_then(|k| k.strip_suffix('"')).unwrap_or(key);
    let fits = (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len());
    if fits { Ok(Some(key.to_owned())) } else { Err(malformed("Idempotency-Key")) }
}

/// A field's value as text; the same field twice is a mistake, not a choice.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Fault> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| malformed(name.as_str())),
        (Some(_), Some(_)) => Err(malformed(name.as_str())),
    }
}

fn malformed(field: &str) -> Fault {
    Fault::new(FaultCode::HeaderInvalid).detail(format!("请求头 {field} 不正确"), format!("the header field {field} is malformed"))
}

/// The trace id of a `traceparent` (W3C Trace Context), or a new one where there is none or it is
/// not one.
pub(super) fn trace_id(headers: &HeaderMap, clock: &dyn Clock) -> String {
    let given = headers.get(TRACEPARENT).and_then(|v| v.to_str().ok()).and_then(|v| v.split('-').nth(1));
    let legal =
        |id: &&str| id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')) && id.bytes().any(|b| b != b'0');
    given.filter(legal).map_or_else(
        || {
            let mut random = [0; 16];
            clock.random(&mut random);
            random.iter().map(|b| format!("{b:02x}")).collect()
        },
        str::to_owned,
    )
}
