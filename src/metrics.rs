//! Counters and times of what happens, for `/metrics` (OpenMetrics text) and the console.
//!
//! Labels come from the configuration or from fixed lists alone, so that a stranger cannot make a
//! new time series.

pub mod recent;

use crate::delivery::{Attempted, Ended, Observer};
use crate::domain::{Counts, DestinationId, FlowId, Name, Outcome, PartnerId};
use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use recent::{LastMinute, Latencies, Recently};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Latest exchange times kept for each partner and flow, for percentiles in `/status.json`.
const RECENT_TIMES_MAX: usize = 4_096;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExchangeLabels {
    partner: String,
    flow: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FlowLabels {
    partner: String,
    flow: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    partner: String,
    service: String,
    ended: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    service: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    destination: String,
    ended: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabels {
    destination: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhyLabels {
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartnerLabels {
    partner: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    webhook: String,
    ended: &'static str,
}

/// What leads from a bucket of a histogram to the trace of one that fell into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TraceLabels {
    trace_id: String,
}

/// All metrics of one gateway.
pub struct Metrics {
    registry: Registry,
    exchanges: Family<ExchangeLabels, Counter>,
    records: Family<ExchangeLabels, Counter>,
    received_bytes: Family<FlowLabels, Counter>,
    exchange_seconds: Family<FlowLabels, HistogramWithExemplars<TraceLabels>>,
    queries: Family<QueryLabels, Counter>,
    query_seconds: Family<ServiceLabels, Histogram>,
    refusals: Family<CodeLabels, Counter>,
    turned_away: Family<CodeLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    throttled: Family<PartnerLabels, Counter>,
    notices: Family<WebhookLabels, Counter>,
    delivery_seconds: Family<DestinationLabels, HistogramWithExemplars<TraceLabels>>,
    circuits: Family<DestinationLabels, Gauge>,
    ends: Family<KindLabels, Gauge>,
    spans_sent: Counter,
    spans_dropped: Family<WhyLabels, Counter>,
    recent: Mutex<BTreeMap<(PartnerId, FlowId), Recent>>,
    recently: Mutex<Recently>,
}

#[derive(Default)]
struct Recent {
    times: Vec<Duration>,
    next: usize,
}

/// What is counted of a committed exchange.
#[derive(Clone, Copy, Debug)]
pub struct Exchanged<'t> {
    /// What became of it.
    pub outcome: Outcome,
    /// Its records.
    pub counts: Counts,
    /// Bytes of its body.
    pub bytes: u64,
    /// From the call to the answer.
    pub took: Duration,
    /// W3C trace id; empty for none.
    pub trace_id: &'t str,
}

/// The median and the 99th percentile of the latest exchanges, from the last byte in to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of them took at most so long.
    pub p50: Duration,
    /// All but one in a hundred took at most so long.
    pub p99: Duration,
}

/// Upper bounds of the buckets of every time.
const BUCKETS_SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

fn seconds() -> Histogram {
    Histogram::new(BUCKETS_SECONDS)
}

fn traced_seconds() -> HistogramWithExemplars<TraceLabels> {
    HistogramWithExemplars::new(BUCKETS_SECONDS.into_iter())
}

fn traced(trace_id: &str) -> Option<TraceLabels> {
    (!trace_id.is_empty()).then(|| TraceLabels { trace_id: trace_id.to_owned() })
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that all stand at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("portolan");
        let metrics = Self {
            exchanges: Family::default(),
            records: Family::default(),
            received_bytes: Family::default(),
            exchange_seconds: Family::new_with_constructor(traced_seconds),
            queries: Family::default(),
            query_seconds: Family::new_with_constructor(seconds),
            refusals: Family::default(),
            turned_away: Family::default(),
            attempts: Family::default(),
            throttled: Family::default(),
            notices: Family::default(),
            delivery_seconds: Family::new_with_constructor(traced_seconds),
            circuits: Family::default(),
            ends: Family::default(),
            spans_sent: Counter::default(),
            spans_dropped: Family::default(),
            recent: Mutex::default(),
            recently: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register("exchanges", "Exchanges committed, by outcome", metrics.exchanges.clone());
        registry.register("records", "Records of committed exchanges, by outcome", metrics.records.clone());
        registry.register_with_unit("received", "Bytes of bodies committed", Unit::Bytes, metrics.received_bytes.clone());
        registry.register_with_unit("exchange", "From the last byte in to the answer", Unit::Seconds, metrics.exchange_seconds.clone());
        let help = "Questions committed, by what became of them: answered, repeated, or a fault code";
        registry.register("queries", help, metrics.queries.clone());
        registry.register_with_unit("query", "From the commit of a question to its answer", Unit::Seconds, metrics.query_seconds.clone());
        registry.register("refusals", "Requests refused before a commit, by fault code", metrics.refusals.clone());
        registry.register("throttled", "Requests turned away because a partner was over a limit", metrics.throttled.clone());
        registry.register("webhook_notices", "Attempts to tell a webhook of an alarm, by how they ended", metrics.notices.clone());
        registry.register("connections_turned_away", "Connections that came to nothing, by reason", metrics.turned_away.clone());
        registry.register("delivery_attempts", "Attempts to deliver, by how they ended", metrics.attempts.clone());
        registry.register_with_unit(
            "delivery",
            "From the receipt of an exchange to its acknowledged delivery",
            Unit::Seconds,
            metrics.delivery_seconds.clone(),
        );
        registry.register("circuit_open", "1 while a destination is not called because it keeps failing", metrics.circuits.clone());
        registry.register_with_unit(
            "certificate_expiry",
            "Unix time of the soonest end among certificates, authorities or due revocation lists",
            Unit::Seconds,
            metrics.ends.clone(),
        );
        registry.register("trace_spans_sent", "Spans that the collector of traces has taken", metrics.spans_sent.clone());
        let help = "Spans that the collector of traces never got: queue-full, refused, collector-down";
        registry.register("trace_spans_dropped", help, metrics.spans_dropped.clone());
        Self { registry, ..metrics }
    }

    /// A committed exchange, whose trace this was.
    pub fn exchanged(&self, partner: &PartnerId, flow: &FlowId, exchanged: &Exchanged<'_>) {
        let Exchanged { outcome, counts, bytes, took, trace_id } = *exchanged;
        let labels = |outcome| ExchangeLabels { partner: partner.to_string(), flow: flow.to_string(), outcome };
        let flow_labels = FlowLabels { partner: partner.to_string(), flow: flow.to_string() };
        self.exchanges.get_or_create(&labels(outcome.as_str())).inc();
        self.records.get_or_create(&labels("accepted")).inc_by(counts.accepted);
        self.records.get_or_create(&labels("refused")).inc_by(counts.refused);
        self.records.get_or_create(&labels("repeated")).inc_by(counts.repeated);
        self.received_bytes.get_or_create(&flow_labels).inc_by(bytes);
        self.exchange_seconds.get_or_create(&flow_labels).observe(took.as_secs_f64(), traced(trace_id), None);
        self.recently().sent(partner, flow, counts.records, Instant::now());
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.entry((partner.clone(), flow.clone())).or_default().add(took);
    }

    /// A question that was committed, and what became of it.
    pub fn queried(&self, partner: &PartnerId, service: &Name, ended: &'static str, took: Duration) {
        self.queries.get_or_create(&QueryLabels { partner: partner.to_string(), service: service.to_string(), ended }).inc();
        self.query_seconds.get_or_create(&ServiceLabels { service: service.to_string() }).observe(took.as_secs_f64());
    }

    /// A request that was refused before anything was committed.
    pub fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&CodeLabels { code }).inc();
    }

    /// A request that was turned away because its partner is over a limit.
    pub fn throttled(&self, partner: &PartnerId) {
        self.throttled.get_or_create(&PartnerLabels { partner: partner.to_string() }).inc();
        self.recently().throttle(partner, Instant::now());
    }

    /// An attempt to tell a webhook of an alarm has ended.
    pub fn told(&self, webhook: &Name, ended: &'static str) {
        self.notices.get_or_create(&WebhookLabels { webhook: webhook.to_string(), ended }).inc();
    }

    /// How many requests of each partner were turned away within the last ten seconds for being over its limits.
    pub fn throttled_lately(&self) -> BTreeMap<PartnerId, u64> {
        self.recently().throttled(Instant::now())
    }

    /// How long deliveries took lately, of flows that promise a time.
    pub fn latencies(&self, promise: impl Fn(&FlowId) -> Option<Duration>) -> BTreeMap<(FlowId, DestinationId), Latencies> {
        self.recently().latencies(promise, Instant::now())
    }

    /// Records of the last minute: what came, and what receivers took.
    pub fn last_minute(&self) -> LastMinute {
        self.recently().last_minute(Instant::now())
    }

    fn recently(&self) -> std::sync::MutexGuard<'_, Recently> {
        self.recently.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that came to nothing.
    pub fn turned_away(&self, code: &'static str) {
        self.turned_away.get_or_create(&CodeLabels { code }).inc();
    }

    /// Spans that the collector has taken.
    pub fn spans_sent(&self, spans: u64) {
        self.spans_sent.inc_by(spans);
    }

    /// Spans that the collector never got.
    pub fn spans_dropped(&self, why: &'static str, spans: u64) {
        self.spans_dropped.get_or_create(&WhyLabels { why }).inc_by(spans);
    }

    /// The ends of certificates and lists as they are now, by kind.
    pub fn ends(&self, ends: impl Iterator<Item = (&'static str, Timestamp)>) {
        let mut soonest = BTreeMap::new();
        for (what, end) in ends {
            soonest.entry(what).and_modify(|known: &mut Timestamp| *known = end.min(*known)).or_insert(end);
        }
        self.ends.clear();
        for (what, end) in soonest {
            self.ends.get_or_create(&KindLabels { what }).set(end.as_second());
        }
    }

    /// The percentiles of one partner's latest exchanges under a flow.
    pub fn percentiles(&self, partner: &PartnerId, flow: &FlowId) -> Option<Percentiles> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(&(partner.clone(), flow.clone())).and_then(Recent::percentiles)
    }

    /// Whether a destination is not called because it keeps failing.
    pub fn circuit_open(&self, to: &DestinationId) -> bool {
        self.circuits.get(&DestinationLabels { destination: to.to_string() }).is_some_and(|gauge| gauge.get() == 1)
    }

    /// Everything as OpenMetrics text.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

impl Recent {
    fn add(&mut self, took: Duration) {
        if self.times.len() < RECENT_TIMES_MAX {
            self.times.push(took);
        } else {
            self.times[self.next] = took;
            self.next = (self.next + 1) % RECENT_TIMES_MAX;
        }
    }

    fn percentiles(&self) -> Option<Percentiles> {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let at = |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1))).copied();
        Some(Percentiles { p50: at(50)?, p99: at(99)? })
    }
}

impl Observer for Metrics {
    fn attempted(&self, attempted: &Attempted) {
        let (ended, code) = match attempted.ended {
            Ended::Retried(code) | Ended::Dead(code) => (attempted.ended.as_str(), code.as_str()),
            ended => (ended.as_str(), ""),
        };
        let destination = attempted.to.to_string();
        self.attempts.get_or_create(&AttemptLabels { destination: destination.clone(), ended, code }).inc();
        if attempted.ended == Ended::Acknowledged {
            let (took, trace) = (attempted.since_received, traced(&attempted.trace_id));
            self.delivery_seconds.get_or_create(&DestinationLabels { destination }).observe(took.as_secs_f64(), trace, None);
            self.recently().delivered(attempted, took, Instant::now());
        }
    }

    fn circuit(&self, to: &DestinationId, open: bool) {
        self.circuits.get_or_create(&DestinationLabels { destination: to.to_string() }).set(i64::from(open));
    }
}
