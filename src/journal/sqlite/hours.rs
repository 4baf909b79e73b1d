//! The hours of a group's transaction: gathered in memory, written once at its end; and their reads.

use super::reads::{all, id, name, number, outcome_number, parse};
use super::{column, milliseconds, timestamp};
use crate::domain::{Counts, DestinationId, Finding};
use crate::journal::alarms::{Activity, ActivityRow, HISTORY_ROWS_MAX};
use crate::journal::hours::{
    DestinationHour, FlowHour, HOUR_ROWS_MAX, HourFilter, LATENCY_BOUNDS_MS, Latencies, OTHER_RULES, RULE_ROWS_MAX, RULES_PER_HOUR_MAX,
    RuleCount,
};
use crate::journal::{JournalError, NewExchange};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;

/// What a group adds to the hours.
#[derive(Default)]
pub(super) struct Hours {
    flows: BTreeMap<(i64, String, String), Flow>,
    rules: BTreeMap<RuleKey, Rule>,
    destinations: BTreeMap<(i64, String), Destination>,
    latencies: BTreeMap<(i64, String, usize), i64>,
}

/// Hour, partner, flow and rule.
type RuleKey = (i64, String, String, String);

#[derive(Default)]
struct Rule {
    findings: i64,
    /// The latest exchange that had one.
    example: [u8; 16],
}

#[derive(Default)]
struct Flow {
    exchanges: i64,
    by_outcome: [i64; 3],
    counts: Counts,
    bytes: i64,
}

/// What a settled attempt adds to its destination's hour.
#[derive(Clone, Copy, Default)]
pub(super) struct Destination {
    pub acknowledged: i64,
    pub records: i64,
    pub failed: i64,
    pub dead: i64,
}

impl Hours {
    /// A new exchange, in the hour in which it was received.
    pub fn exchange(&mut self, exchange: &NewExchange, counts: Counts, told: &[Finding], committed_at: Timestamp) {
        let hour = milliseconds(exchange.received_at).div_euclid(HOUR_MS);
        let (partner, flow) = (exchange.partner.to_string(), exchange.flow.to_string());
        let total = self.flows.entry((hour, partner.clone(), flow.clone())).or_default();
        total.exchanges += 1;
        if let Some(outcome) = total.by_outcome.get_mut(outcome_number(exchange.verdict.outcome) as usize) {
            *outcome += 1;
        }
        total.counts.records += counts.records;
        total.counts.accepted += counts.accepted;
        total.counts.refused += counts.refused;
        total.counts.warnings += counts.warnings;
        total.counts.repeated += counts.repeated;
        total.bytes += column(exchange.body.length());
        for finding in exchange.verdict.findings.iter().chain(told) {
            let rule = self.rules.entry((hour, partner.clone(), flow.clone(), finding.rule.clone())).or_default();
            *rule = Rule { findings: rule.findings + 1, example: *exchange.id.as_bytes() };
        }
        self.latency(hour, format!("{partner}/{flow}"), milliseconds(committed_at) - milliseconds(exchange.received_at));
    }

    /// A settled attempt, in the hour in which it was settled; with how long after the receipt it was acknowledged.
    pub fn settled(&mut self, to: &str, at: Timestamp, added: Destination, received_at: Option<i64>) {
        let hour = milliseconds(at).div_euclid(HOUR_MS);
        let total = self.destinations.entry((hour, to.to_owned())).or_default();
        total.acknowledged += added.acknowledged;
        total.records += added.records;
        total.failed += added.failed;
        total.dead += added.dead;
        if let Some(received_at) = received_at {
            self.latency(hour, format!("to {to}"), milliseconds(at) - received_at);
        }
    }

    fn latency(&mut self, hour: i64, series: String, milliseconds: i64) {
        *self.latencies.entry((hour, series, Latencies::bucket(milliseconds))).or_default() += 1;
    }

    /// Adds what was gathered to the tables.
    pub fn write(&self, connection: &Connection) -> Result<(), JournalError> {
        self.write_flows(connection)?;
        for ((hour, partner, flow, rule), Rule { findings, example }) in &self.rules {
            let rule = counted_as(connection, *hour, partner, flow, rule)?;
            let add = "INSERT INTO hour_rule (partner, flow, hour, rule, findings, example) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                       ON CONFLICT DO UPDATE SET findings = findings + ?5, example = ?6";
            connection.prepare_cached(add)?.execute(params![partner, flow, hour, rule, findings, example])?;
        }
        for ((hour, to), Destination { acknowledged, records, failed, dead }) in &self.destinations {
            let add = "INSERT INTO hour_destination (destination, hour, acknowledged, records, failed, dead) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                       ON CONFLICT DO UPDATE SET acknowledged = acknowledged + ?3, records = records + ?4, failed = failed + ?5, dead = dead + ?6";
            connection.prepare_cached(add)?.execute(params![to, hour, acknowledged, records, failed, dead])?;
        }
        for ((hour, series, bucket), count) in &self.latencies {
            let add = "INSERT INTO hour_latency (series, hour, bucket, count) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT DO UPDATE SET count = count + ?4";
            connection.prepare_cached(add)?.execute(params![series, hour, column(*bucket as u64), count])?;
        }
        Ok(())
    }

    fn write_flows(&self, connection: &Connection) -> Result<(), JournalError> {
        let add = "INSERT INTO hour_flow (partner, flow, hour, exchanges, in_part, refused_exchanges, records, accepted, refused, warnings,
                   repeated, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                   ON CONFLICT DO UPDATE SET exchanges = exchanges + ?4, in_part = in_part + ?5, refused_exchanges = refused_exchanges + ?6,
                   records = records + ?7, accepted = accepted + ?8, refused = refused + ?9, warnings = warnings + ?10,
                   repeated = repeated + ?11, bytes = bytes + ?12";
        let mut add = connection.prepare_cached(add)?;
        for ((hour, partner, flow), total) in &self.flows {
            let [_, in_part, refused_exchanges] = total.by_outcome;
            let Counts { records, accepted, refused, warnings, repeated } = total.counts;
            add.execute(params![
                partner,
                flow,
                hour,
                total.exchanges,
                in_part,
                refused_exchanges,
                column(records),
                column(accepted),
                column(refused),
                column(warnings),
                column(repeated),
                total.bytes
            ])?;
        }
        Ok(())
    }
}

/// The name under which a rule is counted: its own while there is room.
fn counted_as<'r>(connection: &Connection, hour: i64, partner: &str, flow: &str, rule: &'r str) -> Result<&'r str, JournalError> {
    let known = "SELECT 1 FROM hour_rule WHERE partner = ?1 AND flow = ?2 AND hour = ?3 AND rule = ?4";
    if connection.prepare_cached(known)?.exists(params![partner, flow, hour, rule])? {
        return Ok(rule);
    }
    let count = "SELECT count(*) FROM hour_rule WHERE partner = ?1 AND flow = ?2 AND hour = ?3";
    let rules: i64 = connection.prepare_cached(count)?.query_row(params![partner, flow, hour], |row| row.get(0))?;
    Ok(if rules < column(RULES_PER_HOUR_MAX as u64) { rule } else { OTHER_RULES })
}

/// Every partner and flow that ever sent anything leads to its hours: there are few of them.
const FLOW_HOURS: &str = "SELECT h.hour, t.partner, t.flow, h.exchanges, h.in_part, h.refused_exchanges, h.records, h.accepted, h.refused,
    h.warnings, h.repeated, h.bytes FROM flow_total t CROSS JOIN hour_flow h ON h.partner = t.partner AND h.flow = t.flow
    WHERE (?1 IS NULL OR t.partner = ?1) AND (?2 IS NULL OR t.flow = ?2) AND h.hour >= ?3 AND h.hour < ?4 LIMIT ?5";

pub(super) fn flows(connection: &Connection, filter: &HourFilter) -> Result<Vec<FlowHour>, JournalError> {
    let (partner, flow) = (filter.partner.as_ref().map(|p| p.as_str()), filter.flow.as_ref().map(|f| f.as_str()));
    let (from, to) = (first_hour(filter.from), first_hour(filter.to));
    all(connection, FLOW_HOURS, params![partner, flow, from, to, column(HOUR_ROWS_MAX as u64)], |row| {
        let (hour, partner, flow): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(FlowHour {
            hour: timestamp(hour * HOUR_MS)?,
            partner: name(row, 1)?,
            flow: name(row, 2)?,
            exchanges: number(row, 3)?,
            in_part: number(row, 4)?,
            refused: number(row, 5)?,
            counts: Counts {
                records: number(row, 6)?,
                accepted: number(row, 7)?,
                refused: number(row, 8)?,
                warnings: number(row, 9)?,
                repeated: number(row, 10)?,
            },
            bytes: number(row, 11)?,
            latencies: latencies(connection, &format!("{partner}/{flow}"), hour)?,
        })
    })
}

/// What came since an hour (counted since 1970), newest first.
pub(super) fn activity(connection: &Connection, from_hour: i64) -> Result<Vec<ActivityRow>, JournalError> {
    let find = "SELECT t.partner, t.flow, h.hour, h.exchanges, h.refused_exchanges, h.records, h.refused
        FROM flow_total t CROSS JOIN hour_flow h ON h.partner = t.partner AND h.flow = t.flow
        WHERE h.hour >= ?1 ORDER BY h.hour DESC LIMIT ?2";
    all(connection, find, params![from_hour, column(HISTORY_ROWS_MAX as u64)], |row| {
        let activity = Activity {
            exchanges: number(row, 3)?,
            refused_exchanges: number(row, 4)?,
            records: number(row, 5)?,
            refused_records: number(row, 6)?,
        };
        Ok(ActivityRow { partner: name(row, 0)?, flow: name(row, 1)?, hour: row.get(2)?, activity })
    })
}

pub(super) fn destinations(
    connection: &Connection,
    to: Option<&DestinationId>,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<DestinationHour>, JournalError> {
    let find = "SELECT h.hour, t.destination, h.acknowledged, h.records, h.failed, h.dead
        FROM destination_total t CROSS JOIN hour_destination h ON h.destination = t.destination
        WHERE (?1 IS NULL OR t.destination = ?1) AND h.hour >= ?2 AND h.hour < ?3 LIMIT ?4";
    let to = to.map(ToString::to_string);
    all(connection, find, params![to, first_hour(from), first_hour(until), column(HOUR_ROWS_MAX as u64)], |row| {
        let (hour, to): (i64, String) = (row.get(0)?, row.get(1)?);
        Ok(DestinationHour {
            hour: timestamp(hour * HOUR_MS)?,
            to: parse(row, 1)?,
            acknowledged: number(row, 2)?,
            records: number(row, 3)?,
            failed: number(row, 4)?,
            dead: number(row, 5)?,
            latencies: latencies(connection, &format!("to {to}"), hour)?,
        })
    })
}

/// The rules with the most findings.
pub(super) fn rules(connection: &Connection, filter: &HourFilter) -> Result<Vec<RuleCount>, JournalError> {
    let find = "SELECT h.rule, sum(h.findings), max(h.example) FROM flow_total t CROSS JOIN hour_rule h ON h.partner = t.partner AND h.flow = t.flow
        WHERE (?1 IS NULL OR t.partner = ?1) AND (?2 IS NULL OR t.flow = ?2) AND h.hour >= ?3 AND h.hour < ?4
        GROUP BY h.rule ORDER BY 2 DESC, 1 LIMIT ?5";
    let (partner, flow) = (filter.partner.as_ref().map(|p| p.as_str()), filter.flow.as_ref().map(|f| f.as_str()));
    let (from, to) = (first_hour(filter.from), first_hour(filter.to));
    all(connection, find, params![partner, flow, from, to, column(RULE_ROWS_MAX as u64)], |row| {
        Ok(RuleCount { rule: row.get(0)?, findings: number(row, 1)?, example: id(row, 2)? })
    })
}

fn latencies(connection: &Connection, series: &str, hour: i64) -> Result<Latencies, JournalError> {
    let mut latencies = Latencies::default();
    let find = "SELECT bucket, count FROM hour_latency WHERE series = ?1 AND hour = ?2";
    for (bucket, count) in all(connection, find, params![series, hour], |row| Ok((number(row, 0)?, number(row, 1)?)))? {
        let bucket = usize::try_from(bucket).unwrap_or(LATENCY_BOUNDS_MS.len()).min(LATENCY_BOUNDS_MS.len());
        if let Some(place) = latencies.0.get_mut(bucket) {
            *place += count;
        }
    }
    Ok(latencies)
}

/// The number of the first hour that begins at or after a moment.
fn first_hour(at: Timestamp) -> i64 {
    (milliseconds(at) + HOUR_MS - 1).div_euclid(HOUR_MS)
}
