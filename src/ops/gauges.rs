//! What stands at the moment of a scrape, as OpenMetrics gauges beside the counters of
//! [`crate::metrics`]: queues, dead letters, ends of certificates, the last reload.

use super::health::Phase;
use super::status::{JournalStatus, ROWS_MAX, Status};
use crate::journal::matters::MatterState;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

const END: &str = "# EOF\n";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabels {
    destination: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeedLabels {
    partner: String,
    flow: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MatterLabels {
    reconciliation: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndingLabels {
    what: String,
}

/// Each has its name, or nothing where the alarm's kind has no such subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlarmLabels {
    kind: String,
    severity: &'static str,
    party: String,
    partner: String,
    flow: String,
    destination: String,
    what: String,
    acknowledged: &'static str,
}

/// The counters with the gauges of this status behind them, one OpenMetrics text.
pub fn with_gauges(counters: &str, status: &Status) -> String {
    let mut whole = counters.strip_suffix(END).unwrap_or(counters).to_owned();
    // Writing to a string cannot fail.
    let _ = text::encode(&mut whole, &registry(status));
    whole
}

fn registry(status: &Status) -> Registry {
    let mut registry = Registry::with_prefix("portolan");
    single(&mut registry, "serving", "1 while the gateway takes work", i64::from(status.health.phase == Phase::Serving));
    single(&mut registry, "journal_available", "1 while the journal answers", i64::from(status.journal.is_ok()));
    let refused = i64::from(status.health.refused_reload.is_some());
    single(&mut registry, "reload_refused", "1 while the last reload of the configuration stands refused", refused);
    let since = Gauge::<i64>::default();
    since.set(status.health.in_force_since.as_second());
    registry.register_with_unit("configuration_in_force_since", "Unix time", Unit::Seconds, since);
    single(&mut registry, "chain_problems", "What does not hold in the chain of evidence", status.verified.left_out(0).cast_signed());
    let verified = Gauge::<i64>::default();
    verified.set(status.verified.whole_at.map_or(0, |at| at.as_second()));
    let help = "Unix time at which the whole chain of evidence was last verified; 0 while it has not been since the start";
    registry.register_with_unit("chain_verified_at", help, Unit::Seconds, verified);
    let ends = Family::<EndingLabels, Gauge>::default();
    for ending in &status.endings {
        ends.get_or_create(&EndingLabels { what: ending.what.en.clone() }).set(ending.not_after.as_second());
    }
    registry.register_with_unit("ends_soon_at", "Unix time at which a certificate or list ends, once it is warned of", Unit::Seconds, ends);
    registry.register("alarm", "1 for each alarm that is open", alarms(status));
    if let Ok(journal) = &status.journal {
        let (queued, dead, waiting) = (
            Family::<DestinationLabels, Gauge>::default(),
            Family::<DestinationLabels, Gauge>::default(),
            Family::<DestinationLabels, Gauge>::default(),
        );
        for row in &journal.traffic.destinations {
            let labels = DestinationLabels { destination: row.to.to_string() };
            queued.get_or_create(&labels).set(row.queued.cast_signed());
            dead.get_or_create(&labels).set(row.dead.cast_signed());
            let seconds = row.oldest_waiting.map_or(0, |since| status.at.duration_since(since).as_secs().max(0));
            waiting.get_or_create(&labels).set(seconds);
        }
        let help = "Unix time at which the last exchange of a partner under a flow came; those that are configured and have sent";
        registry.register_with_unit("last_received_at", help, Unit::Seconds, last_received(journal));
        registry.register("reconciliation_matters", "Matters of each reconciliation by how they stand", matters(journal));
        registry.register("queued_records", "Records that wait for their delivery", queued);
        registry.register("dead_letter_records", "Records in dead letters", dead);
        registry.register_with_unit("oldest_waiting", "Age of the oldest delivery that is not acknowledged", Unit::Seconds, waiting);
    }
    registry
}

fn last_received(journal: &JournalStatus) -> Family<FeedLabels, Gauge> {
    let last = Family::<FeedLabels, Gauge>::default();
    let configured = journal.traffic.flows.iter().filter(|row| row.partner_title.is_some() && row.flow_title.is_some());
    for (row, at) in configured.filter_map(|row| Some((row, row.last_received_at?))) {
        last.get_or_create(&FeedLabels { partner: row.partner.to_string(), flow: row.flow.to_string() }).set(at.as_second());
    }
    last
}

fn matters(journal: &JournalStatus) -> Family<MatterLabels, Gauge> {
    let matters = Family::<MatterLabels, Gauge>::default();
    for (name, counts) in &journal.reconciliations {
        for state in MatterState::ALL {
            let labels = MatterLabels { reconciliation: name.to_string(), state: state.as_str() };
            matters.get_or_create(&labels).set(counts.of(state).cast_signed());
        }
    }
    matters
}

fn alarms(status: &Status) -> Family<AlarmLabels, Gauge> {
    let text = |name: Option<String>| name.unwrap_or_default();
    let alarms = Family::<AlarmLabels, Gauge>::default();
    for row in status.alarms.iter().take(ROWS_MAX) {
        let subject = &row.subject;
        let labels = AlarmLabels {
            kind: row.kind.clone(),
            severity: row.state.severity.as_str(),
            party: row.state.party.clone(),
            partner: text(subject.partner.as_ref().map(ToString::to_string)),
            flow: text(subject.flow.as_ref().map(ToString::to_string)),
            destination: text(subject.destination.as_ref().map(ToString::to_string)),
            what: text(subject.what.clone()),
            acknowledged: if row.acknowledgement().is_some() { "true" } else { "false" },
        };
        alarms.get_or_create(&labels).set(1);
    }
    alarms
}

fn single(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}
