//! Partners and flows in numbers: how each stands now, and what its last day or month was.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/partners` | 200, one row for each partner: last seen, the last 24 hours, what waits for it, certificates, limits |
//! | `GET /v1/partners/NAME?span=day` | 200, its row, hour by hour what it sent and what reached it, its rules with the most findings |
//! | `GET /v1/flows/NAME?span=day` | 200, the same of a flow, over all its senders |
//!
//! `span` is `day` (the last 24 hours, unless given) or `month` (31 days). Hours are of UTC, hours without anything are left
//! out. Percentiles are the upper ends of the buckets that they fall into, `null` beyond the last.

use super::access::Ask;
use super::acts::answer;
use super::status::{DestinationStatus, FlowStatus, JournalStatus};
use super::view::OpsView;
use crate::domain::{DestinationId, FlowId, PartnerId};
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::http::query::bad_query;
use crate::journal::hours::{DestinationHour, FlowHour, HourFilter, Latencies, RuleCount};
use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use portolan_contract::Words;
use serde_json::{Value, json};

/// What is known of a partner beside the journal. `app` tells it.
#[derive(Clone, Debug, Default)]
pub struct PartnerFacts {
    /// Certificates that it has called with since the start: subject and end.
    pub certificates: Vec<(String, Timestamp)>,
    /// Its limits.
    pub limits: Option<LimitsLeft>,
}

/// A partner's limits and what is left of them, as its own answers say.
#[derive(Clone, Debug)]
pub struct LimitsLeft {
    /// `RateLimit-Policy`.
    pub policy: String,
    /// `RateLimit`.
    pub left: String,
}

/// Sums over hours.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Exchanges.
    pub exchanges: u64,
    /// Those accepted in part.
    pub in_part: u64,
    /// Those refused.
    pub refused: u64,
    /// Their records.
    pub records: u64,
    /// Those refused.
    pub records_refused: u64,
    /// Those known before.
    pub records_repeated: u64,
    /// Bytes of the bodies as received.
    pub bytes: u64,
    /// From the last byte in to the commit.
    pub latencies: Latencies,
}

/// How a partner stands now, and what it sent in a span of hours.
#[derive(Clone, Debug)]
pub struct PartnerRow {
    /// Which.
    pub partner: PartnerId,
    /// Its title.
    pub title: Words,
    /// When its last exchange came.
    pub last_received_at: Option<Timestamp>,
    /// What it sent.
    pub sent: Sums,
    /// Records that wait for it.
    pub queued: u64,
    /// Records for it in dead letters.
    pub dead: u64,
    /// When the oldest that is not acknowledged was received.
    pub oldest_waiting: Option<Timestamp>,
    /// Places of it that are not called for a while.
    pub circuits_open: Vec<DestinationId>,
    /// What is known of it beside the journal.
    pub facts: PartnerFacts,
}

/// Every partner as it stands now, with everything that it was made from.
pub struct Standing {
    /// What the journal says.
    pub status: JournalStatus,
    /// What everybody sent in the last 24 hours.
    pub hours: Vec<FlowHour>,
    /// The partners, by their names.
    pub partners: Vec<PartnerRow>,
}

impl<'h> FromIterator<&'h FlowHour> for Sums {
    fn from_iter<I: IntoIterator<Item = &'h FlowHour>>(hours: I) -> Self {
        hours.into_iter().fold(Self::default(), |mut sums, hour| {
            sums.exchanges += hour.exchanges;
            sums.in_part += hour.in_part;
            sums.refused += hour.refused;
            sums.records += hour.counts.records;
            sums.records_refused += hour.counts.refused;
            sums.records_repeated += hour.counts.repeated;
            sums.bytes += hour.bytes;
            sums.latencies.add(&hour.latencies);
            sums
        })
    }
}

impl Sums {
    fn to_json(&self) -> Value {
        let share = (self.records > 0).then(|| self.records_refused as f64 / self.records as f64);
        json!({
            "exchanges": self.exchanges,
            "in_part": self.in_part,
            "refused": self.refused,
            "records": self.records,
            "records_refused": self.records_refused,
            "records_repeated": self.records_repeated,
            "refused_share": share,
            "bytes": self.bytes,
            "p50_ms": self.latencies.within_ms(50),
            "p99_ms": self.latencies.within_ms(99),
        })
    }
}

/// How everybody stands now.
///
/// # Errors
/// The journal's failures.
pub async fn everybody(view: &OpsView) -> Result<Standing, Fault> {
    let status = standing(view).await?;
    let hours = view.journal.flow_hours(span(view, false)).await?;
    let facts = view.partner_facts().await;
    let live = view.live.load_full();
    let rows = live.config.partners.values().map(|partner| {
        let sent = hours.iter().filter(|hour| hour.partner == partner.id).collect();
        row(&partner.id, &partner.title, &status, sent, facts(&partner.id))
    });
    let partners = rows.collect();
    Ok(Standing { status, hours, partners })
}

/// Every partner.
///
/// # Errors
/// The journal's failures.
pub(super) async fn list(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    let (now, everybody) = (view.clock.now(), everybody(view).await?);
    let rows: Vec<Value> = everybody.partners.iter().map(|row| row.to_json(now)).collect();
    Ok(answer(StatusCode::OK, &json!({ "partners": rows })))
}

/// One partner.
///
/// # Errors
/// A partner that is not configured; the journal's failures.
pub(super) async fn show(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let is_month = is_month(&ask)?;
    let live = view.live.load_full();
    let unknown = || Fault::new(FaultCode::PathUnknown).detail("没有此接入单位", "there is no such partner");
    let partner = ask.segment(0).parse::<PartnerId>().ok().and_then(|id| live.config.partners.get(&id).cloned()).ok_or_else(unknown)?;
    let status = standing(view).await?;
    let filter = HourFilter { partner: Some(partner.id.clone()), flow: None, ..span(view, is_month) };
    let hours = view.journal.flow_hours(filter.clone()).await?;
    let rules = view.journal.rule_counts(filter.clone()).await?;
    let mut received = Vec::new();
    for destination in partner.destinations.values() {
        received.extend(view.journal.destination_hours(Some(destination.id.clone()), filter.from, filter.to).await?);
    }
    let facts = view.partner_facts().await;
    let row = row(&partner.id, &partner.title, &status, hours.iter().collect(), facts(&partner.id));
    let mut whole = row.to_json(view.clock.now());
    whole["hours"] = json!(hours.iter().map(flow_hour).collect::<Vec<_>>());
    whole["received"] = json!(received.iter().map(destination_hour).collect::<Vec<_>>());
    whole["rules"] = json!(rules.iter().map(rule).collect::<Vec<_>>());
    Ok(answer(StatusCode::OK, &whole))
}

/// One flow.
///
/// # Errors
/// A flow that is not configured; the journal's failures.
pub(super) async fn flow(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let is_month = is_month(&ask)?;
    let live = view.live.load_full();
    let unknown = || Fault::new(FaultCode::FlowUnknown);
    let flow = ask.segment(0).parse::<FlowId>().ok().and_then(|id| live.config.flows.get(&id).cloned()).ok_or_else(unknown)?;
    let status = standing(view).await?;
    let filter = HourFilter { partner: None, flow: Some(flow.id.clone()), ..span(view, is_month) };
    let hours = view.journal.flow_hours(filter.clone()).await?;
    let rules = view.journal.rule_counts(filter).await?;
    let sums: Sums = hours.iter().collect();
    let senders: Vec<&FlowStatus> = status.flows.iter().filter(|row| row.flow == flow.id).collect();
    Ok(answer(
        StatusCode::OK,
        &json!({
            "flow": flow.id,
            "title": flow.title,
            "canonical": flow.canonical,
            "paused": view.pauses.holds(&flow.id),
            "senders": senders.iter().map(|row| json!({ "partner": row.partner, "last_received_at": row.last_received_at.map(|at| at.to_string()) })).collect::<Vec<_>>(),
            "routes": flow.routes.iter().map(|route| json!({ "to": route.to, "mapping": route.mapping, "when": route.when })).collect::<Vec<_>>(),
            "sent": sums.to_json(),
            "hours": hours.iter().map(flow_hour).collect::<Vec<_>>(),
            "rules": rules.iter().map(rule).collect::<Vec<_>>(),
        }),
    ))
}

/// How everything stands now.
async fn standing(view: &OpsView) -> Result<JournalStatus, Fault> {
    view.status().await.journal.map_err(|reason| Fault::new(FaultCode::Unavailable).caused_by(reason))
}

/// The hours of the last day, or of the last 31.
fn span(view: &OpsView, is_month: bool) -> HourFilter {
    let now = view.clock.now();
    let hours = if is_month { 31 * 24 } else { 24 };
    let from = now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now);
    HourFilter { partner: None, flow: None, from, to: now }
}

fn is_month(ask: &Ask<'_>) -> Result<bool, Fault> {
    let mut is_month = false;
    for (name, value) in ask.query() {
        match (name.as_str(), value.as_str()) {
            ("span", "day") => is_month = false,
            ("span", "month") => is_month = true,
            _ => return Err(bad_query(&name, "span=day, span=month")),
        }
    }
    Ok(is_month)
}

fn row(partner: &PartnerId, title: &Words, status: &JournalStatus, sent: Sums, facts: PartnerFacts) -> PartnerRow {
    let places: Vec<&DestinationStatus> = status.destinations.iter().filter(|row| row.to.partner == *partner).collect();
    PartnerRow {
        partner: partner.clone(),
        title: title.clone(),
        last_received_at: status.flows.iter().filter(|row| row.partner == *partner).filter_map(|row| row.last_received_at).max(),
        sent,
        queued: places.iter().map(|row| row.queued).sum(),
        dead: places.iter().map(|row| row.dead).sum(),
        oldest_waiting: places.iter().filter_map(|row| row.oldest_waiting).min(),
        circuits_open: places.iter().filter(|row| row.circuit_open).map(|row| row.to.clone()).collect(),
        facts,
    }
}

impl PartnerFacts {
    /// Whole days until the first of its certificates ends; negative once it has ended.
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        self.certificates.iter().map(|(_, end)| days_left(*end, now)).min()
    }
}

/// Whole days until an end; negative once it has come.
pub fn days_left(end: Timestamp, now: Timestamp) -> i64 {
    end.duration_since(now).as_secs().div_euclid(86_400)
}

impl PartnerRow {
    fn to_json(&self, now: Timestamp) -> Value {
        let certificates = self.facts.certificates.iter();
        let certificates = certificates
            .map(|(subject, end)| json!({ "subject": subject, "not_after": end.to_string(), "days_left": days_left(*end, now) }));
        json!({
            "partner": self.partner,
            "title": self.title,
            "last_received_at": self.last_received_at.map(|at| at.to_string()),
            "sent": self.sent.to_json(),
            "queued": self.queued,
            "dead": self.dead,
            "oldest_waiting": self.oldest_waiting.map(|at| at.to_string()),
            "circuits_open": self.circuits_open,
            "certificates": certificates.collect::<Vec<_>>(),
            "limits": self.facts.limits.as_ref().map(|limits| json!({ "policy": limits.policy, "left": limits.left })),
        })
    }
}

fn flow_hour(hour: &FlowHour) -> Value {
    let mut row = std::iter::once(hour).collect::<Sums>().to_json();
    row["hour"] = json!(hour.hour.to_string());
    row["partner"] = json!(hour.partner);
    row["flow"] = json!(hour.flow);
    row
}

fn destination_hour(hour: &DestinationHour) -> Value {
    json!({
        "hour": hour.hour.to_string(),
        "to": hour.to,
        "acknowledged": hour.acknowledged,
        "records": hour.records,
        "failed": hour.failed,
        "dead": hour.dead,
        "p50_ms": hour.latencies.within_ms(50),
        "p99_ms": hour.latencies.within_ms(99),
    })
}

fn rule(rule: &RuleCount) -> Value {
    json!({ "rule": rule.rule, "findings": rule.findings, "example": rule.example.to_string() })
}
