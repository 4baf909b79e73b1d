//! Partners and flows in numbers: how each stands now, and what its last day or month was.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/partners` | 200, one row for each partner: how it stands, last seen, the last minute and 24 hours, what waits for it, certificates, limits |
//! | `GET /v1/partners/NAME?span=day` | 200, its row, hour by hour what it sent and what reached it, its rules with the most findings, whether its feeds came when expected |
//! | `GET /v1/flows/NAME?span=day` | 200, the same of a flow, over all its senders |
//!
//! `span` is `day` (the last 24 hours, unless given) or `month` (31 days). Hours are of UTC, hours without anything are left
//! out. Percentiles are the upper ends of the buckets that they fall into, `null` beyond the last.

use super::access::Ask;
use super::acts::answer;
use super::kept::expected;
use super::standing::{State, states};
use super::status::{DestinationStatus, Traffic};
use super::view::OpsView;
use crate::config::{Config, Flow, Partner};
use crate::domain::{DestinationId, FlowId, PartnerId};
use crate::expiry::alarm_days;
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::http::query::bad_query;
use crate::journal::acts::Pausable;
use crate::journal::alarms::AlarmRow;
use crate::journal::hours::{DestinationHour, FlowHour, HourFilter, Latencies, RuleCount};
use crate::metrics::recent::LastMinute;
use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use portolan_contract::Words;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of a partner beside the journal. `app` tells it.
#[derive(Clone, Debug, Default)]
pub struct PartnerFacts {
    /// Certificates that it has called with since the start: subject and end.
    pub certificates: Vec<(String, Timestamp)>,
    /// Its limits over all flows.
    pub limits: Option<LimitsLeft>,
    /// Those under each flow that limits it besides, its own over all flows among them.
    pub flow_limits: BTreeMap<FlowId, LimitsLeft>,
}

/// A partner's limits and what is left of them, as its own answers say.
#[derive(Clone, Debug)]
pub struct LimitsLeft {
    /// `RateLimit-Policy`.
    pub policy: String,
    /// `RateLimit`.
    pub left: String,
}

impl LimitsLeft {
    fn to_json(&self) -> Value {
        json!({ "policy": self.policy, "left": self.left })
    }
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
    /// What it took.
    pub taken: Taken,
    /// Records that it sent and took within the last minute.
    pub last_minute: (u64, u64),
    /// How it stands, the worst first; never empty.
    pub states: Vec<State>,
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

/// Sums over hours of what was delivered.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Deliveries acknowledged.
    pub acknowledged: u64,
    /// Their records.
    pub records: u64,
    /// Attempts that failed and are made again.
    pub failed: u64,
    /// Deliveries that became dead letters.
    pub dead: u64,
    /// From the receipt of an exchange to its acknowledgement.
    pub latencies: Latencies,
}

impl<'h> FromIterator<&'h DestinationHour> for Taken {
    fn from_iter<I: IntoIterator<Item = &'h DestinationHour>>(hours: I) -> Self {
        hours.into_iter().fold(Self::default(), |mut taken, hour| {
            taken.acknowledged += hour.acknowledged;
            taken.records += hour.records;
            taken.failed += hour.failed;
            taken.dead += hour.dead;
            taken.latencies.add(&hour.latencies);
            taken
        })
    }
}

/// Every partner as it stands now, with everything that it was made from.
pub struct Standing {
    /// What came and went, and what waits.
    pub status: Traffic,
    /// The alarms that are open, oldest first.
    pub alarms: Arc<Vec<AlarmRow>>,
    /// What came and went within the last minute.
    pub last_minute: LastMinute,
    /// What everybody sent in the last 24 hours.
    pub hours: Vec<FlowHour>,
    /// What everybody took in the last 24 hours.
    pub taken: Vec<DestinationHour>,
    /// Days before its end from which a certificate counts as expiring.
    pub expiring_days: i64,
    /// The partners, by their names.
    pub partners: Vec<PartnerRow>,
}

impl Standing {
    /// Whether an operator has paused it.
    pub fn is_paused(&self, what: &Pausable) -> bool {
        self.status.paused.iter().any(|paused| paused.what == *what)
    }
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
    let (status, alarms) = (view.traffic().await?, (view.lookups.alarms)());
    let span = span(view, false);
    let taken = view.journal.destination_hours(None, span.from, span.to).await?;
    let hours = view.journal.flow_hours(span).await?;
    let (facts, now) = (view.partner_facts().await, view.clock.now());
    let live = view.live.load_full();
    let (last_minute, expiring_days, partners) = (view.metrics.last_minute(), alarm_days(&live.config), Vec::new());
    let mut standing = Standing { status, alarms, last_minute, hours, taken, expiring_days, partners };
    standing.partners = live.config.partners.values().map(|partner| row(partner, &standing, facts(&partner.id), now)).collect();
    Ok(standing)
}

/// What a partner sent and took in its last day or month.
///
/// # Errors
/// The journal's failures.
pub async fn hours_of(view: &OpsView, partner: &Partner, is_month: bool) -> Result<(Vec<FlowHour>, Vec<DestinationHour>), Fault> {
    let filter = HourFilter { partner: Some(partner.id.clone()), ..span(view, is_month) };
    let mut taken = Vec::new();
    for destination in partner.destinations.values() {
        taken.extend(view.journal.destination_hours(Some(destination.id.clone()), filter.from, filter.to).await?);
    }
    Ok((view.journal.flow_hours(filter).await?, taken))
}

/// What was sent under a flow in its last day or month.
///
/// # Errors
/// The journal's failures.
pub async fn hours_of_flow(view: &OpsView, flow: &FlowId, is_month: bool) -> Result<Vec<FlowHour>, Fault> {
    Ok(view.journal.flow_hours(HourFilter { flow: Some(flow.clone()), ..span(view, is_month) }).await?)
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
    let partner = configured(&live.config, ask.segment(0))?;
    let (standing, now) = (everybody(view).await?, view.clock.now());
    // Gone where a reload came between.
    let row = standing.partners.into_iter().find(|row| row.partner == partner.id).ok_or_else(no_partner)?;
    let (hours, taken) = hours_of(view, &partner, is_month).await?;
    let rules = rules(view, Some(partner.id.clone()), None, is_month).await?;
    let mut whole = PartnerRow { sent: hours.iter().collect(), taken: taken.iter().collect(), ..row }.to_json(now);
    whole["hours"] = json!(hours.iter().map(flow_hour).collect::<Vec<_>>());
    whole["received"] = json!(taken.iter().map(destination_hour).collect::<Vec<_>>());
    whole["rules"] = json!(rules.iter().map(rule).collect::<Vec<_>>());
    let feeds = live.config.flows.values().map(|flow| (flow.as_ref(), &partner.id));
    let schedule = expected(view.journal.as_ref(), &live.config, feeds, &hours, (begin(is_month, now), now)).await?;
    whole["schedule"] = schedule.iter().map(|expected| expected.to_json()).collect();
    Ok(answer(StatusCode::OK, &whole))
}

/// A partner by its name.
///
/// # Errors
/// One that is not configured.
pub fn configured(config: &Config, name: &str) -> Result<Arc<Partner>, Fault> {
    name.parse::<PartnerId>().ok().and_then(|id| config.partners.get(&id).cloned()).ok_or_else(no_partner)
}

fn no_partner() -> Fault {
    Fault::new(FaultCode::PathUnknown).detail("没有此接入单位", "there is no such partner")
}

/// A flow by its name.
///
/// # Errors
/// One that is not configured.
pub fn configured_flow(config: &Config, name: &str) -> Result<Arc<Flow>, Fault> {
    name.parse::<FlowId>().ok().and_then(|id| config.flows.get(&id).cloned()).ok_or_else(|| Fault::new(FaultCode::FlowUnknown))
}

/// The rules with the most findings, of a partner's or a flow's last day or month.
///
/// # Errors
/// The journal's failures.
pub async fn rules(view: &OpsView, partner: Option<PartnerId>, flow: Option<FlowId>, is_month: bool) -> Result<Vec<RuleCount>, Fault> {
    Ok(view.journal.rule_counts(HourFilter { partner, flow, ..span(view, is_month) }).await?)
}

/// One flow.
///
/// # Errors
/// A flow that is not configured; the journal's failures.
pub(super) async fn flow(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let (is_month, now) = (is_month(&ask)?, view.clock.now());
    let live = view.live.load_full();
    let flow = configured_flow(&live.config, ask.segment(0))?;
    let status = view.traffic().await?;
    let hours = hours_of_flow(view, &flow.id, is_month).await?;
    let rules = rules(view, None, Some(flow.id.clone()), is_month).await?;
    let sums: Sums = hours.iter().collect();
    let feeds = flow.senders.keys().map(|partner| (flow.as_ref(), partner));
    let schedule = expected(view.journal.as_ref(), &live.config, feeds, &hours, (begin(is_month, now), now)).await?;
    let senders = status.flows.iter().filter(|row| row.flow == flow.id).map(|row| {
        let limits = view.flow_limits(&row.partner, &flow.id);
        json!({
            "partner": row.partner,
            "last_received_at": row.last_received_at.map(|at| at.to_string()),
            "limits": limits.as_ref().map(LimitsLeft::to_json),
        })
    });
    Ok(answer(
        StatusCode::OK,
        &json!({
            "flow": flow.id,
            "title": flow.title,
            "canonical": flow.canonical,
            "paused": view.pauses.holds(&flow.id),
            "senders": senders.collect::<Vec<_>>(),
            "routes": flow.routes.iter().map(|route| json!({ "to": route.to, "mapping": route.mapping, "when": route.when })).collect::<Vec<_>>(),
            "sent": sums.to_json(),
            "hours": hours.iter().map(flow_hour).collect::<Vec<_>>(),
            "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            "schedule": schedule.iter().map(|expected| expected.to_json()).collect::<Value>(),
        }),
    ))
}

/// The hours of the last day, or of the last 31.
fn span(view: &OpsView, is_month: bool) -> HourFilter {
    let now = view.clock.now();
    HourFilter { partner: None, flow: None, from: begin(is_month, now), to: now }
}

/// Since when the hours of a day or a month are.
pub fn begin(is_month: bool, now: Timestamp) -> Timestamp {
    let hours = if is_month { 31 * 24 } else { 24 };
    now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now)
}

/// Whether the last 31 days are asked for, by the parameter `span`.
///
/// # Errors
/// Another parameter or span.
pub fn is_month(ask: &Ask<'_>) -> Result<bool, Fault> {
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

fn row(partner: &Partner, standing: &Standing, facts: PartnerFacts, now: Timestamp) -> PartnerRow {
    let id = &partner.id;
    let places: Vec<&DestinationStatus> = standing.status.destinations.iter().filter(|row| row.to.partner == *id).collect();
    let flows = standing.status.flows.iter().filter(|row| row.partner == *id);
    let mut row = PartnerRow {
        partner: id.clone(),
        title: partner.title.clone(),
        last_received_at: flows.filter_map(|row| row.last_received_at).max(),
        sent: standing.hours.iter().filter(|hour| hour.partner == *id).collect(),
        taken: standing.taken.iter().filter(|hour| hour.to.partner == *id).collect(),
        last_minute: (standing.last_minute.sent_by(id), standing.last_minute.taken_by(id)),
        states: Vec::new(),
        queued: places.iter().map(|row| row.queued).sum(),
        dead: places.iter().map(|row| row.dead).sum(),
        oldest_waiting: places.iter().filter_map(|row| row.oldest_waiting).min(),
        circuits_open: places.iter().filter(|row| row.circuit_open).map(|row| row.to.clone()).collect(),
        facts,
    };
    row.states = states(&row, &standing.alarms, &standing.status.paused, standing.expiring_days, now);
    row
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
            "states": self.states.iter().map(|state| state.as_str()).collect::<Vec<_>>(),
            "sent": self.sent.to_json(),
            "last_minute": { "sent": self.last_minute.0, "taken": self.last_minute.1 },
            "queued": self.queued,
            "dead": self.dead,
            "oldest_waiting": self.oldest_waiting.map(|at| at.to_string()),
            "circuits_open": self.circuits_open,
            "certificates": certificates.collect::<Vec<_>>(),
            "limits": self.facts.limits.as_ref().map(LimitsLeft::to_json),
            "flow_limits": self.facts.flow_limits.iter().map(|(flow, limits)| (flow.to_string(), limits.to_json())).collect::<Value>(),
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
