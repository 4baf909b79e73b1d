//! How the gateway stands, as numbers: what the console, `/status.json` and the gauges show.
//!
//! What is configured is listed although nothing came or went yet, so that a silent partner is seen;
//! what the journal knows is listed although it is no longer configured.

use super::chain;
use super::health::{HealthState, Phase, RefusedReload};
use super::pauses;
use crate::alarms::alarm_entry;
use crate::config::Config;
use crate::domain::{Counts, DestinationId, FlowId, Name, PartnerId};
use crate::journal::acts::Paused;
use crate::journal::alarms::AlarmRow;
use crate::journal::matters::MatterCounts;
use crate::journal::{ChainPosition, Totals};
use crate::metrics::{Metrics, Percentiles};
use crate::receipt::audit::watch::Verified;
use jiff::Timestamp;
use portolan_contract::Words;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Rows of one table of a status; more are counted only.
pub const ROWS_MAX: usize = 2_000;
/// Problems of a refused reload that are listed; more are counted only.
pub const PROBLEMS_MAX: usize = 50;

/// How the gateway stands at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// When.
    pub at: Timestamp,
    /// Whether it takes work, and the configuration in force.
    pub health: HealthState,
    /// What the journal says, or why it did not answer.
    pub journal: Result<JournalStatus, String>,
    /// How far the chain is verified.
    pub verified: Arc<Verified>,
    /// What ends soon or has ended, soonest first.
    pub endings: Vec<Ending>,
    /// The alarms that are open, oldest first.
    pub alarms: Arc<Vec<AlarmRow>>,
}

/// What the journal says.
#[derive(Clone, Debug)]
pub struct JournalStatus {
    /// What came and went.
    pub traffic: Traffic,
    /// How far the chain reaches; `None` while it is empty.
    pub chain: Option<ChainPosition>,
    /// How the reconciliations stand.
    pub reconciliations: BTreeMap<Name, MatterCounts>,
}

/// What came and went, and what waits, beside what is configured.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// One row for each partner and flow, at most [`ROWS_MAX`].
    pub flows: Vec<FlowStatus>,
    /// One row for each destination, at most [`ROWS_MAX`].
    pub destinations: Vec<DestinationStatus>,
    /// Rows that found no room.
    pub rows_left_out: usize,
    /// What operators have paused.
    pub paused: Vec<Paused>,
}

/// What one partner has sent under one flow.
#[derive(Clone, Debug)]
pub struct FlowStatus {
    /// Who.
    pub partner: PartnerId,
    /// Its title; `None` once it is no longer configured.
    pub partner_title: Option<Words>,
    /// Under which flow.
    pub flow: FlowId,
    /// Its title; `None` once it is no longer configured.
    pub flow_title: Option<Words>,
    /// Exchanges journaled.
    pub exchanges: u64,
    /// Those of them whose body was refused whole.
    pub refused_whole: u64,
    /// Their records.
    pub counts: Counts,
    /// Times of the latest exchanges since the gateway started.
    pub percentiles: Option<Percentiles>,
    /// When the last came.
    pub last_received_at: Option<Timestamp>,
}

/// What stands at one destination.
#[derive(Clone, Debug)]
pub struct DestinationStatus {
    /// Where to.
    pub to: DestinationId,
    /// The receiving partner's title; `None` once the destination is no longer configured.
    pub title: Option<Words>,
    /// Records queued.
    pub queued: u64,
    /// Records that the receiver has.
    pub acknowledged: u64,
    /// Records in dead letters.
    pub dead: u64,
    /// When the oldest delivery that is not acknowledged was received.
    pub oldest_waiting: Option<Timestamp>,
    /// Whether it is not called for a while because it keeps failing.
    pub circuit_open: bool,
}

/// Something that ends soon or has ended: a certificate, an authority, a revocation list.
#[derive(Clone, Debug)]
pub struct Ending {
    /// What, in both languages.
    pub what: Words,
    /// Its end.
    pub not_after: Timestamp,
    /// Whole days until then; negative once it has ended.
    pub days_left: i64,
}

/// Sums over all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Exchanges journaled.
    pub exchanges: u64,
    /// Records taken in.
    pub accepted: u64,
    /// Records refused.
    pub refused: u64,
    /// Records waiting at all destinations.
    pub queued: u64,
    /// Records that receivers have.
    pub acknowledged: u64,
    /// Records in dead letters.
    pub dead: u64,
}

impl Traffic {
    /// Puts the journal's numbers beside what is configured.
    pub fn new(
        totals: Totals,
        paused: Vec<Paused>,
        config: &Config,
        metrics: &Metrics,
        circuit_open: impl Fn(&DestinationId) -> bool,
    ) -> Self {
        let (mut flows, mut destinations) = (flows(totals.flows, config, metrics), destinations(totals.destinations, config, circuit_open));
        let rows_left_out = flows.len().saturating_sub(ROWS_MAX) + destinations.len().saturating_sub(ROWS_MAX);
        flows.truncate(ROWS_MAX);
        destinations.truncate(ROWS_MAX);
        Self { flows, destinations, rows_left_out, paused }
    }

    /// Sums over the rows.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for row in &self.flows {
            sums.exchanges += row.exchanges;
            sums.accepted += row.counts.accepted;
            sums.refused += row.counts.refused;
        }
        for row in &self.destinations {
            sums.queued += row.queued;
            sums.acknowledged += row.acknowledged;
            sums.dead += row.dead;
        }
        sums
    }
}

impl Status {
    /// Whether the gateway can take work now.
    pub fn is_ready(&self) -> bool {
        self.health.phase == Phase::Serving && self.journal.is_ok()
    }

    /// The status as `/status.json` has it. Times are RFC 3339 in UTC, durations are in milliseconds.
    pub fn to_json(&self) -> Value {
        let refused = self.health.refused_reload.as_ref().map(|refused| refused.to_json());
        let journal = self.journal.as_ref();
        let traffic = journal.map(|journal| &journal.traffic);
        json!({
            "at": self.at.to_string(),
            "version": env!("CARGO_PKG_VERSION"),
            "phase": self.health.phase.as_str(),
            "ready": self.is_ready(),
            "journal": {
                "available": journal.is_ok(),
                "error": journal.err(),
                "chain": journal.ok().and_then(|j| j.chain).map(chain::position),
                "verified": chain::to_json(&self.verified),
            },
            "configuration": {
                "in_force_since": self.health.in_force_since.to_string(),
                "refused_reload": refused,
                "for_next_start": self.health.for_next_start,
            },
            "flows": traffic.map(|traffic| traffic.flows.iter().map(FlowStatus::to_json).collect::<Vec<_>>()).unwrap_or_default(),
            "destinations": traffic.map(|traffic| traffic.destinations.iter().map(DestinationStatus::to_json).collect::<Vec<_>>()).unwrap_or_default(),
            "paused": traffic.map(|traffic| traffic.paused.iter().map(pauses::one).collect::<Vec<_>>()).unwrap_or_default(),
            "rows_left_out": traffic.map_or(0, |traffic| traffic.rows_left_out),
            "endings": self.endings.iter().map(Ending::to_json).collect::<Vec<_>>(),
            "alarms": self.alarms.iter().take(ROWS_MAX).map(alarm_entry).collect::<Vec<_>>(),
        })
    }
}

impl RefusedReload {
    /// What was wrong with it, at most [`PROBLEMS_MAX`] problems.
    pub fn to_json(&self) -> Value {
        let shown = self.problems.iter().take(PROBLEMS_MAX);
        json!({
            "at": self.at.to_string(),
            "problems": shown.map(|p| json!({ "file": p.file, "line": p.line, "message": p.message })).collect::<Vec<_>>(),
            "problems_left_out": self.problems.len().saturating_sub(PROBLEMS_MAX),
        })
    }
}

impl FlowStatus {
    fn to_json(&self) -> Value {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        json!({
            "partner": self.partner,
            "flow": self.flow,
            "configured": self.partner_title.is_some() && self.flow_title.is_some(),
            "exchanges": self.exchanges,
            "refused_whole": self.refused_whole,
            "records": self.counts,
            "p50_ms": self.percentiles.map(|p| milliseconds(p.p50)),
            "p99_ms": self.percentiles.map(|p| milliseconds(p.p99)),
            "last_received_at": self.last_received_at.map(|at| at.to_string()),
        })
    }
}

impl DestinationStatus {
    fn to_json(&self) -> Value {
        json!({
            "destination": self.to,
            "configured": self.title.is_some(),
            "queued": self.queued,
            "acknowledged": self.acknowledged,
            "dead": self.dead,
            "oldest_waiting": self.oldest_waiting.map(|at| at.to_string()),
            "circuit": if self.circuit_open { "open" } else { "closed" },
        })
    }
}

impl Ending {
    fn to_json(&self) -> Value {
        json!({ "what": self.what, "not_after": self.not_after.to_string(), "days_left": self.days_left })
    }
}

impl Phase {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Stopping => "stopping",
        }
    }
}

fn flows(totals: Vec<crate::journal::FlowTotals>, config: &Config, metrics: &Metrics) -> Vec<FlowStatus> {
    let empty = |partner: &PartnerId, flow: &FlowId| FlowStatus {
        partner: partner.clone(),
        partner_title: config.partners.get(partner).map(|p| p.title.clone()),
        flow: flow.clone(),
        flow_title: config.flows.get(flow).map(|f| f.title.clone()),
        exchanges: 0,
        refused_whole: 0,
        counts: Counts::default(),
        percentiles: metrics.percentiles(partner, flow),
        last_received_at: None,
    };
    let configured = config.flows.values().flat_map(|flow| flow.senders.keys().map(move |partner| (partner, &flow.id)));
    let mut rows: BTreeMap<_, _> = configured.map(|(partner, flow)| ((partner.clone(), flow.clone()), empty(partner, flow))).collect();
    for total in totals {
        let row = rows.entry((total.partner.clone(), total.flow.clone())).or_insert_with(|| empty(&total.partner, &total.flow));
        row.exchanges = total.exchanges;
        row.refused_whole = total.refused_whole;
        row.counts = total.counts;
        row.last_received_at = total.last_received_at;
    }
    rows.into_values().collect()
}

fn destinations(
    totals: Vec<crate::journal::DestinationTotals>,
    config: &Config,
    circuit_open: impl Fn(&DestinationId) -> bool,
) -> Vec<DestinationStatus> {
    let empty = |to: &DestinationId| DestinationStatus {
        to: to.clone(),
        title: config.partners.get(&to.partner).filter(|p| p.destinations.contains_key(&to.place)).map(|p| p.title.clone()),
        queued: 0,
        acknowledged: 0,
        dead: 0,
        oldest_waiting: None,
        circuit_open: circuit_open(to),
    };
    let configured = config.partners.values().flat_map(|partner| partner.destinations.values());
    let mut rows: BTreeMap<_, _> = configured.map(|destination| (destination.id.clone(), empty(&destination.id))).collect();
    for total in totals {
        let row = rows.entry(total.to.clone()).or_insert_with(|| empty(&total.to));
        row.queued = total.queued;
        row.acknowledged = total.acknowledged;
        row.dead = total.dead;
        row.oldest_waiting = total.oldest_waiting;
    }
    rows.into_values().collect()
}
