//! The steps of a group's transaction that move deliveries on. States are those of `schema.sql`.

use super::acts;
use super::commit::Group;
use super::hours;
use super::reads::{digest, id, name, number, parse};
use super::writer::Answer;
use super::{column, milliseconds, timestamp};
use crate::domain::{DeliveryId, DestinationId, Digest, Pins};
use crate::journal::acts::Pausable;
use crate::journal::search::ATTEMPTS_KEPT_MAX;
use crate::journal::{ANSWER_BYTES_MAX, JournalError, Lease, Settlement};
use crate::traces::TraceContext;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

/// Leases of one call.
const LEASES_MAX: usize = 256;

/// What is due at a destination.
pub(super) const DUE: &str = "SELECT d.sequence, d.id, d.attempts + 1, e.id, e.partner, e.flow, e.received_at, d.destination, d.mapping,
    e.mapping_digest, e.schema_digest, e.flow_digest, d.rendered, e.trace_id, d.destination_bit, d.first_row, d.rows,
    d.due_since, d.repeated_ids, e.trace_span, e.trace_flags, e.trace_state, d.records
    FROM delivery d JOIN exchange e ON e.sequence = d.exchange
    WHERE d.destination = ?1 AND d.state <= 1 AND d.due_at <= ?2 ORDER BY d.due_at, d.sequence LIMIT ?3";
/// Lets the next one of an order key go.
pub(super) const RELEASE: &str =
    "UPDATE delivery SET state = 0, due_since = ?3 WHERE state = 2 AND sequence = (SELECT min(sequence) FROM delivery
    WHERE destination = ?1 AND order_key = ?2 AND order_key IS NOT NULL AND state <= 3)";

/// A delivery that is about to change.
pub(super) struct Open {
    pub sequence: i64,
    pub destination: String,
    order_key: Option<String>,
    pub records: i64,
    pub rendered: Option<Vec<u8>>,
}

/// How an attempt failed: fault code, words, and the receiver's answer.
struct Failure<'a> {
    fault: &'a str,
    detail: &'a str,
    answer: Option<&'a str>,
}

impl Group<'_> {
    /// Leases what is due. Those held behind another are not `state <= 1`, so that they never are; a destination that
    /// is paused has nothing due. A lease that has waited, behind a large submission, is whole from the moment that it
    /// is given.
    pub fn lease(&self, to: &DestinationId, now: Timestamp, until: Timestamp, leases_max: usize) -> Result<Vec<Lease>, JournalError> {
        if acts::is_paused(self.connection, &Pausable::Destination(to.clone()))? {
            return Ok(Vec::new());
        }
        let waited = self.clock.now().duration_since(now).max(SignedDuration::ZERO);
        let later = |time: Timestamp| time.checked_add(waited).unwrap_or(time);
        let (now, until) = (later(now), later(until));
        let mut find = self.connection.prepare_cached(DUE)?;
        let rows = find.query_and_then(params![to.to_string(), milliseconds(now), column(leases_max.min(LEASES_MAX) as u64)], |row| {
            Ok::<_, JournalError>((row.get::<_, i64>(0)?, read_lease(row, until)?))
        })?;
        let leases = rows.collect::<Result<Vec<_>, _>>()?;
        for (sequence, lease) in &leases {
            self.connection
                .prepare_cached("UPDATE delivery SET state = 1, due_at = ?2, attempts = ?3 WHERE sequence = ?1")?
                .execute(params![sequence, milliseconds(until), lease.attempt])?;
            self.connection.prepare_cached("INSERT INTO attempt (delivery, number, started_at) VALUES (?1, ?2, ?3)")?.execute(params![
                sequence,
                lease.attempt,
                milliseconds(now)
            ])?;
            let forget = "DELETE FROM attempt WHERE delivery = ?1 AND number <= ?2";
            if let Some(number) = lease.attempt.checked_sub(ATTEMPTS_KEPT_MAX) {
                self.connection.prepare_cached(forget)?.execute(params![sequence, number])?;
            }
        }
        Ok(leases.into_iter().map(|(_, lease)| lease).collect())
    }

    /// Notes what the first attempt is about to send.
    pub fn rendered(&self, delivery: DeliveryId, token: u64, digest: Digest) -> Result<Answer, JournalError> {
        let Some(open) = self.leased(delivery, token)? else { return Ok(Answer::Changed(false)) };
        match open.rendered {
            Some(first) if first != digest.0 => {
                let damage = format!("delivery {delivery} would not be sent as it was the first time");
                Ok(Answer::Refused(JournalError::Damaged(damage)))
            }
            Some(_) => Ok(Answer::Changed(true)),
            None => {
                let note = "UPDATE delivery SET rendered = ?2 WHERE sequence = ?1";
                self.connection.prepare_cached(note)?.execute(params![open.sequence, digest.0])?;
                Ok(Answer::Changed(true))
            }
        }
    }

    /// Ends an attempt, if its lease is the last one given out.
    pub fn settle(&mut self, delivery: DeliveryId, token: u64, now: Timestamp, settlement: &Settlement) -> Result<bool, JournalError> {
        let Some(open) = self.leased(delivery, token)? else { return Ok(false) };
        let none = hours::Destination::default();
        match settlement {
            Settlement::Acknowledged(amounts) => {
                self.end_attempt(&open, token, now, None)?;
                let received_at = self.days.delivered(self.connection, open.sequence, &open.destination, amounts, now)?;
                let end = "UPDATE delivery SET state = 4, acknowledged_at = ?2 WHERE sequence = ?1";
                self.connection.prepare_cached(end)?.execute(params![open.sequence, milliseconds(now)])?;
                self.release_next(&open, now)?;
                let added = hours::Destination { acknowledged: 1, records: open.records, ..none };
                self.hours.settled(&open.destination, now, added, received_at);
                let total = self.destination_totals.entry(open.destination).or_default();
                (total.queued, total.acknowledged) = (total.queued - open.records, total.acknowledged + open.records);
            }
            Settlement::RetryAt { at, fault, detail, answer } => {
                self.end_attempt(&open, token, now, Some(Failure { fault, detail, answer: answer.as_deref() }))?;
                let wait = "UPDATE delivery SET state = 0, due_at = ?2 WHERE sequence = ?1";
                self.connection.prepare_cached(wait)?.execute(params![open.sequence, milliseconds(*at)])?;
                self.hours.settled(&open.destination, now, hours::Destination { failed: 1, ..none }, None);
            }
            Settlement::Dead { fault, detail, answer } => {
                self.end_attempt(&open, token, now, Some(Failure { fault, detail, answer: answer.as_deref() }))?;
                let bury = "UPDATE delivery SET state = 3, fault = ?2 WHERE sequence = ?1";
                self.connection.prepare_cached(bury)?.execute(params![open.sequence, fault])?;
                self.hours.settled(&open.destination, now, hours::Destination { dead: 1, ..none }, None);
                let total = self.destination_totals.entry(open.destination).or_default();
                (total.queued, total.dead) = (total.queued - open.records, total.dead + open.records);
            }
        }
        Ok(true)
    }

    /// Queues a dead letter again.
    pub fn resend(&mut self, open: &Open, due_at: Timestamp) -> Result<(), JournalError> {
        let queue = "UPDATE delivery SET state = 0, due_at = ?2, due_since = ?2 WHERE sequence = ?1";
        self.connection.prepare_cached(queue)?.execute(params![open.sequence, milliseconds(due_at)])?;
        let total = self.destination_totals.entry(open.destination.clone()).or_default();
        (total.queued, total.dead) = (total.queued + open.records, total.dead - open.records);
        Ok(())
    }

    /// Gives a dead letter up for good.
    pub fn waive(&mut self, open: &Open, at: Timestamp) -> Result<(), JournalError> {
        self.connection.prepare_cached("UPDATE delivery SET state = 5 WHERE sequence = ?1")?.execute([open.sequence])?;
        self.release_next(open, at)?;
        self.destination_totals.entry(open.destination.clone()).or_default().dead -= open.records;
        Ok(())
    }

    fn leased(&self, delivery: DeliveryId, token: u64) -> Result<Option<Open>, JournalError> {
        let find = "SELECT sequence, destination, order_key, records, rendered FROM delivery WHERE id = ?1 AND state = 1 AND attempts = ?2";
        Ok(self.connection.prepare_cached(find)?.query_row(params![delivery.as_bytes(), column(token)], Open::read).optional()?)
    }

    fn end_attempt(&self, open: &Open, token: u64, now: Timestamp, failure: Option<Failure>) -> Result<(), JournalError> {
        let (fault, detail) = failure.as_ref().map(|failure| (failure.fault, failure.detail)).unzip();
        let answer = failure.as_ref().and_then(|failure| failure.answer).map(|answer| cut(answer, ANSWER_BYTES_MAX));
        self.connection
            .prepare_cached("UPDATE attempt SET ended_at = ?3, fault = ?4, detail = ?5, answer = ?6 WHERE delivery = ?1 AND number = ?2")?
            .execute(params![open.sequence, column(token), milliseconds(now), fault, detail, answer])?;
        Ok(())
    }

    /// Lets the next one of an order key go.
    fn release_next(&self, settled: &Open, now: Timestamp) -> Result<(), JournalError> {
        if let Some(order_key) = &settled.order_key {
            self.connection.prepare_cached(RELEASE)?.execute(params![settled.destination, order_key, milliseconds(now)])?;
        }
        Ok(())
    }
}

impl Open {
    /// From sequence, destination, order key, records and rendered digest, in this order.
    pub fn read(row: &Row) -> rusqlite::Result<Self> {
        let (sequence, destination, order_key) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Self { sequence, destination, order_key, records: row.get(3)?, rendered: row.get(4)? })
    }
}

fn read_lease(row: &Row, until: Timestamp) -> Result<Lease, JournalError> {
    let attempt: u32 = row.get(2)?;
    let rendered: Option<[u8; 32]> = row.get(12)?;
    Ok(Lease {
        delivery: id(row, 1)?,
        token: u64::from(attempt),
        until: timestamp(milliseconds(until))?,
        exchange: id(row, 3)?,
        partner: name(row, 4)?,
        flow: name(row, 5)?,
        received_at: timestamp(row.get(6)?)?,
        to: parse(row, 7)?,
        mapping: digest(row, 8)?,
        pins: Pins { mapping: digest(row, 9)?, schema: digest(row, 10)?, flow: digest(row, 11)? },
        attempt,
        rendered: rendered.map(Digest),
        trace: TraceContext::kept(&row.get::<_, String>(13)?, &row.get::<_, String>(19)?, row.get(20)?, &row.get::<_, String>(21)?),
        bit: row.get(14)?,
        first_row: number(row, 15)?,
        rows: number(row, 16)?,
        due_since: timestamp(row.get(17)?)?,
        repeated_ids: row.get(18)?,
        records: number(row, 22)?,
    })
}

/// The beginning of a text, cut between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or(text)
}
