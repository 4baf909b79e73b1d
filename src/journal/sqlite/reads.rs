//! Reads: a few connections beside the writer's, each read on a blocking thread and ended when it
//! takes too long. What the writer looks up inside its transactions is here too.

use super::{acts, column, milliseconds, search, timestamp};
use crate::domain::{
    BusinessAnswer, Counts, DeliveryId, DestinationId, Digest, ExchangeId, Id, IndexRow, Outcome, PartnerId, Pins, Stored,
};
use crate::journal::acts::Pausable;
use crate::journal::bodies::{BodyStore, Part};
use crate::journal::search::Attempt;
use crate::journal::{
    ChainPosition, DeadLetterFilter, DeliveryRow, DeliveryState, DestinationTotals, ExchangeFilter, ExchangeRow, FlowTotals, HeadRow,
    JournalError, Journaled, PAGE_ROWS_MAX, Totals,
};
use crate::spool::slice;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, TransactionBehavior, params, params_from_iter};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Heads of one page: with full groups, some ten megabytes of leaves.
const HEADS_MAX: usize = 32;

/// How often a read that has used up its time is interrupted again.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(20);

/// The connections that read.
pub(super) struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl Readers {
    pub fn new(connections: Vec<Connection>, timeout: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self { free: Mutex::new(connections), permits, timeout }
    }

    /// Runs a read in one transaction. What waits for its turn ends with whoever waits for it; what has begun goes
    /// on, within its time.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let closed = || JournalError::Unavailable("the journal is closed".to_owned());
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| closed())?;
        let connection = self.lock().pop().ok_or_else(closed)?;
        let readers = self.clone();
        let read = tokio::spawn(async move { readers.read_within_time(permit, connection, work).await });
        read.await.unwrap_or_else(|error| Err(JournalError::Unavailable(error.to_string())))
    }

    /// The permit is held to the end, beyond the last interruption: the next read must not be met by it.
    async fn read_within_time<T: Send + 'static>(
        self: Arc<Self>,
        _permit: OwnedSemaphorePermit,
        mut connection: Connection,
        work: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let interrupt = connection.get_interrupt_handle();
        let mut reading = tokio::task::spawn_blocking(move || (in_transaction(&mut connection, work), connection));
        let mut wait = self.timeout;
        let read = loop {
            match tokio::time::timeout(wait, &mut reading).await {
                Ok(read) => break read,
                // Between two statements, or before the first, an interruption is lost: it is said again.
                Err(_) => interrupt.interrupt(),
            }
            wait = INTERRUPT_AGAIN;
        };
        let (read, connection) = read.map_err(|error| JournalError::Unavailable(error.to_string()))?;
        self.lock().push(connection);
        read
    }

    /// Keeps every connection busy, until what is returned is dropped.
    #[cfg(test)]
    pub async fn take_all(&self) -> OwnedSemaphorePermit {
        let all = u32::try_from(self.permits.available_permits()).unwrap();
        self.permits.clone().acquire_many_owned(all).await.unwrap()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_transaction<T>(connection: &mut Connection, work: impl FnOnce(&Connection) -> Result<T, JournalError>) -> Result<T, JournalError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    work(&transaction)
}

/// The evidence of an exchange that is known to be there.
pub(super) fn journaled(connection: &Connection, id: ExchangeId) -> Result<Journaled, JournalError> {
    let missing = || JournalError::Damaged(format!("the evidence of exchange {id} is missing"));
    Ok(exchange(connection, id)?.ok_or_else(missing)?.journaled)
}

/// The columns that [`read_exchange`] reads, from an exchange, its leaf and its head.
const EXCHANGE: &str = "SELECT e.id, e.partner, e.flow, e.received_at, e.idempotency_key, e.message_id, e.corrects, e.mapping,
    e.content_type, e.content_encoding, e.trace_id, e.outcome, e.fault, e.records, e.accepted, e.refused, e.warnings, e.repeated,
    e.findings_left_out, e.body_bytes, e.body_digest, e.canonical_digest, e.mapping_digest, e.schema_digest, e.flow_digest,
    l.epoch, h.first_index + l.leaf_index, l.leaf, l.path, l.leaf_index, h.size, h.jws, e.translated_at
    FROM exchange e JOIN leaf l ON l.sequence = e.sequence JOIN head h ON h.epoch = l.epoch AND h.batch = l.batch";

pub(super) fn exchange(connection: &Connection, id: ExchangeId) -> Result<Option<ExchangeRow>, JournalError> {
    one(connection, &format!("{EXCHANGE} WHERE e.id = ?1"), [id.as_bytes()], read_exchange)
}

pub(super) fn exchanges(connection: &Connection, filter: &ExchangeFilter) -> Result<Vec<ExchangeRow>, JournalError> {
    let (query, values) = list_query(filter);
    all(connection, &query, params_from_iter(values), read_exchange)
}

/// The query of a list. Whatever is given, one of the indexes on message id, partner and time of
/// receipt leads to the rows in their order.
fn list_query(filter: &ExchangeFilter) -> (String, Vec<Value>) {
    let mut conditions = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    };
    let text = |text: &str| Value::Text(text.to_owned());
    add("e.message_id = ?", filter.message_id.as_deref().map(text));
    add("e.partner = ?", filter.partner.as_ref().map(|partner| text(partner.as_str())));
    add("e.flow = ?", filter.flow.as_ref().map(|flow| text(flow.as_str())));
    // A span of time is no reason to take an index that knows no flow.
    add("likely(e.received_at >= ?)", filter.received_from.map(|from| Value::Integer(milliseconds(from))));
    add("likely(e.received_at < ?)", filter.received_to.map(|to| Value::Integer(milliseconds(to))));
    add(
        "(e.received_at, e.sequence) < (SELECT received_at, sequence FROM exchange WHERE id = ?)",
        filter.before.map(|id| Value::Blob(id.as_bytes().to_vec())),
    );
    values.push(Value::Integer(column(filter.rows_max.min(PAGE_ROWS_MAX) as u64)));
    let conditions = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    (format!("{EXCHANGE} {conditions} ORDER BY e.received_at DESC, e.sequence DESC LIMIT ?"), values)
}

fn read_exchange(row: &Row) -> Result<ExchangeRow, JournalError> {
    let outcome = read_outcome(row.get(11)?)?;
    let counts = Counts {
        records: number(row, 13)?,
        accepted: number(row, 14)?,
        refused: number(row, 15)?,
        warnings: number(row, 16)?,
        repeated: number(row, 17)?,
    };
    let corrects: Option<[u8; 16]> = row.get(6)?;
    Ok(ExchangeRow {
        journaled: Journaled {
            exchange: id(row, 0)?,
            position: ChainPosition { epoch: number(row, 25)?, index: number(row, 26)? },
            outcome,
            counts,
            leaf: row.get::<_, Arc<str>>(27)?,
            path: read_path(&row.get::<_, Vec<u8>>(28)?)?,
            leaf_index: number(row, 29)?,
            tree_size: number(row, 30)?,
            head: row.get::<_, Arc<str>>(31)?,
        },
        partner: name(row, 1)?,
        flow: name(row, 2)?,
        received_at: timestamp(row.get(3)?)?,
        translated_at: timestamp(row.get(32)?)?,
        idempotency_key: row.get(4)?,
        message_id: row.get(5)?,
        corrects: corrects.map(Id::from_bytes),
        mapping: row.get(7)?,
        content_type: row.get(8)?,
        content_encoding: row.get(9)?,
        trace_id: row.get(10)?,
        fault: row.get(12)?,
        body_bytes: number(row, 19)?,
        body_digest: digest(row, 20)?,
        canonical_digest: digest(row, 21)?,
        pins: Pins { mapping: digest(row, 22)?, schema: digest(row, 23)?, flow: digest(row, 24)? },
        findings_left_out: number(row, 18)?,
    })
}

/// A refused body does not bind its id, and there may be any number of those: they are passed over in the index.
const KNOWN_MESSAGE: &str = "SELECT 1 FROM exchange WHERE message_id = ?1 AND flow = ?2 AND outcome <> 2 LIMIT 1";

/// Whether something of each message was accepted under a flow.
pub(super) fn known_messages(connection: &Connection, flow: &str, message_ids: &[String]) -> Result<Vec<bool>, JournalError> {
    let known = |id: &String| Ok(one(connection, KNOWN_MESSAGE, [id.as_str(), flow], |_| Ok(()))?.is_some());
    message_ids.iter().map(known).collect()
}

/// Whether each business key was claimed in one of these spaces.
pub(super) fn known_records(connection: &Connection, spaces: &[String], keys: &[[u8; 16]]) -> Result<Vec<bool>, JournalError> {
    let space = |name: &String| one(connection, "SELECT space FROM key_space WHERE name = ?1", [name], |row| Ok(row.get::<_, i64>(0)?));
    let spaces: Vec<i64> = spaces.iter().filter_map(|name| space(name).transpose()).collect::<Result<_, _>>()?;
    let claimed = "SELECT 1 FROM business_key WHERE space = ?1 AND key = ?2";
    let mut known = vec![false; keys.len()];
    for (known, key) in known.iter_mut().zip(keys).filter(|(_, key)| **key != [0; 16]) {
        for space in &spaces {
            *known = *known || one(connection, claimed, rusqlite::params![space, key], |_| Ok(()))?.is_some();
        }
    }
    Ok(known)
}

pub(super) fn report(connection: &Connection, id: ExchangeId) -> Result<Option<Arc<str>>, JournalError> {
    let find = "SELECT c.report FROM content c JOIN exchange e ON e.sequence = c.sequence WHERE e.id = ?1";
    one(connection, find, [id.as_bytes()], |row| Ok(row.get(0)?))
}

/// The business answer of an exchange that has one.
pub(super) fn answer(connection: &Connection, id: ExchangeId) -> Result<Option<BusinessAnswer>, JournalError> {
    let find = "SELECT c.answer_type, c.answer FROM content c JOIN exchange e ON e.sequence = c.sequence
        WHERE e.id = ?1 AND c.answer IS NOT NULL";
    one(connection, find, [id.as_bytes()], |row| Ok(BusinessAnswer { media_type: row.get(0)?, bytes: row.get::<_, Vec<u8>>(1)?.into() }))
}

/// The bytes of the body or the canonical records.
pub(super) fn part(connection: &Connection, bodies: &dyn BodyStore, id: ExchangeId, part: Part) -> Result<Option<Stored>, JournalError> {
    let find = match part {
        Part::Body => "SELECT c.in_files & 1, c.body FROM content c JOIN exchange e ON e.sequence = c.sequence WHERE e.id = ?1",
        Part::Canonical => "SELECT c.in_files & 2, c.canonical FROM content c JOIN exchange e ON e.sequence = c.sequence WHERE e.id = ?1",
        Part::Index => "SELECT c.in_files & 4, c.rows FROM content c JOIN exchange e ON e.sequence = c.sequence WHERE e.id = ?1",
    };
    let found = one(connection, find, [id.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<Vec<u8>>>(1)?)))?;
    Ok(match found {
        None | Some((0, None)) => None,
        Some((0, Some(bytes))) => Some(Stored::Inline(bytes.into())),
        Some(_) => Some(bodies.open(id, part)?),
    })
}

pub(super) fn index(
    connection: &Connection,
    bodies: &dyn BodyStore,
    id: ExchangeId,
    first_row: u64,
    rows: u64,
) -> Result<Vec<(IndexRow, bool)>, JournalError> {
    let Some(stored) = part(connection, bodies, id, Part::Index)? else { return Ok(Vec::new()) };
    let last_row = first_row.saturating_add(rows).min(stored.length() / IndexRow::BYTES as u64);
    if first_row >= last_row {
        return Ok(Vec::new());
    }
    let length = (last_row - first_row) * IndexRow::BYTES as u64;
    let bytes = slice(&stored, first_row * IndexRow::BYTES as u64, length)?;
    if bytes.len() as u64 != length {
        return Err(JournalError::Damaged("an index is cut".to_owned()));
    }
    let find = "SELECT substr(c.repeated, ?2, ?3) FROM content c JOIN exchange e ON e.sequence = c.sequence WHERE e.id = ?1";
    let (first_byte, bits_bytes) = (first_row / 8, last_row / 8 - first_row / 8 + 1);
    let bits: Option<Vec<u8>> =
        one(connection, find, params![id.as_bytes(), column(first_byte + 1), column(bits_bytes)], |row| Ok(row.get(0)?))?.flatten();
    let bits = bits.unwrap_or_default();
    let repeated = |row: u64| bits.get((row / 8 - first_byte) as usize).is_some_and(|byte| byte >> (row % 8) & 1 == 1);
    let (chunks, _) = bytes.as_chunks();
    Ok((first_row..last_row).zip(chunks).map(|(row, bytes)| (IndexRow::from_bytes(bytes), repeated(row))).collect())
}

/// The columns that [`read_delivery`] reads, from a delivery and its exchange.
const DELIVERY: &str = "SELECT d.sequence, d.id, e.id, d.destination, d.state, d.records, d.attempts, d.due_at, d.acknowledged_at
    FROM delivery d JOIN exchange e ON e.sequence = d.exchange";

pub(super) fn deliveries(
    connection: &Connection,
    exchange: ExchangeId,
    after: Option<DeliveryId>,
    rows_max: usize,
) -> Result<Vec<DeliveryRow>, JournalError> {
    let (query, values) = deliveries_query(exchange, after, rows_max);
    all(connection, &query, params_from_iter(values), |row| read_delivery(connection, row))
}

fn deliveries_query(exchange: ExchangeId, after: Option<DeliveryId>, rows_max: usize) -> (String, Vec<Value>) {
    let mut query = format!("{DELIVERY} WHERE e.id = ?");
    let mut values = vec![Value::Blob(exchange.as_bytes().to_vec())];
    if let Some(after) = after {
        query += " AND d.sequence > (SELECT sequence FROM delivery WHERE id = ?)";
        values.push(Value::Blob(after.as_bytes().to_vec()));
    }
    values.push(Value::Integer(column(rows_max.min(PAGE_ROWS_MAX) as u64)));
    (query + " ORDER BY d.sequence LIMIT ?", values)
}

/// A page of an exchange's deliveries, each with its attempts.
pub(super) fn attempted(
    connection: &Connection,
    exchange: ExchangeId,
    after: Option<DeliveryId>,
    rows_max: usize,
) -> Result<Vec<(DeliveryRow, Vec<Attempt>)>, JournalError> {
    let (query, values) = deliveries_query(exchange, after, rows_max);
    all(connection, &query, params_from_iter(values), |row| with_attempts(connection, row))
}

pub(super) fn delivery(connection: &Connection, id: DeliveryId) -> Result<Option<(DeliveryRow, Vec<Attempt>)>, JournalError> {
    one(connection, &format!("{DELIVERY} WHERE d.id = ?1"), [id.as_bytes()], |row| with_attempts(connection, row))
}

fn with_attempts(connection: &Connection, row: &Row) -> Result<(DeliveryRow, Vec<Attempt>), JournalError> {
    Ok((read_delivery(connection, row)?, search::attempts(connection, row.get(0)?)?))
}

pub(super) fn dead_letters(connection: &Connection, filter: &DeadLetterFilter) -> Result<Vec<DeliveryRow>, JournalError> {
    let (query, values) = dead_letters_query(filter);
    all(connection, &query, params_from_iter(values), |row| read_delivery(connection, row))
}

fn dead_letters_query(filter: &DeadLetterFilter) -> (String, Vec<Value>) {
    let mut query = format!("{DELIVERY} WHERE d.state = 3");
    let mut values: Vec<Value> = Vec::new();
    if let Some(to) = &filter.to {
        query += " AND d.destination = ?";
        values.push(Value::Text(to.to_string()));
    }
    if let Some(after) = filter.after {
        query += " AND (d.destination, d.sequence) > (SELECT destination, sequence FROM delivery WHERE id = ?)";
        values.push(Value::Blob(after.as_bytes().to_vec()));
    }
    values.push(Value::Integer(column(filter.rows_max.min(PAGE_ROWS_MAX) as u64)));
    (query + " ORDER BY d.destination, d.sequence LIMIT ?", values)
}

fn read_delivery(connection: &Connection, row: &Row) -> Result<DeliveryRow, JournalError> {
    let (last_fault, last_answer) = last_failure(connection, row.get(0)?)?;
    let acknowledged_at: Option<i64> = row.get(8)?;
    Ok(DeliveryRow {
        id: id(row, 1)?,
        exchange: id(row, 2)?,
        to: parse(row, 3)?,
        state: read_state(row.get(4)?)?,
        records: number(row, 5)?,
        attempts: row.get(6)?,
        due_at: timestamp(row.get(7)?)?,
        acknowledged_at: acknowledged_at.map(timestamp).transpose()?,
        last_fault,
        last_answer,
        acts: acts::of_delivery(connection, row.get(0)?)?,
    })
}

/// Fault code with its detail, and the receiver's answer.
type Failure = (Option<(String, String)>, Option<String>);

fn last_failure(connection: &Connection, delivery: i64) -> Result<Failure, JournalError> {
    let find = "SELECT fault, detail, answer FROM attempt WHERE delivery = ?1 AND fault IS NOT NULL ORDER BY number DESC LIMIT 1";
    let failure = one(connection, find, [delivery], |row| Ok((Some((row.get(0)?, row.get(1)?)), row.get(2)?)))?;
    Ok(failure.unwrap_or_default())
}

pub(super) fn pinned(connection: &Connection, digest: Digest) -> Result<Option<Arc<str>>, JournalError> {
    one(connection, "SELECT text FROM pinned WHERE digest = ?1", [digest.0], |row| Ok(row.get(0)?))
}

/// When something is due at a destination.
pub(super) const NEXT_DUE: &str = "SELECT min(due_at) FROM delivery WHERE destination = ?1 AND state <= 1";

pub(super) fn next_due(connection: &Connection, to: &DestinationId) -> Result<Option<Timestamp>, JournalError> {
    if acts::is_paused(connection, &Pausable::Destination(to.clone()))? {
        return Ok(None);
    }
    let due: Option<i64> = one(connection, NEXT_DUE, [to.to_string()], |row| Ok(row.get(0)?))?.flatten();
    due.map(timestamp).transpose()
}

const DESTINATION_TOTALS: &str = "SELECT destination, queued, acknowledged, dead, (SELECT e.received_at FROM delivery d
    JOIN exchange e ON e.sequence = d.exchange WHERE d.destination = t.destination AND d.state <= 3 ORDER BY d.sequence LIMIT 1)
    FROM destination_total t ORDER BY destination";

pub(super) fn totals(connection: &Connection) -> Result<Totals, JournalError> {
    let flows = "SELECT partner, flow, exchanges, records, accepted, refused, warnings, repeated, last_received_at,
                 refused_whole FROM flow_total ORDER BY partner, flow";
    let flows = all(connection, flows, [], |row| {
        let counts = Counts {
            records: number(row, 3)?,
            accepted: number(row, 4)?,
            refused: number(row, 5)?,
            warnings: number(row, 6)?,
            repeated: number(row, 7)?,
        };
        let last_received_at = Some(timestamp(row.get(8)?)?);
        let (exchanges, refused_whole) = (number(row, 2)?, number(row, 9)?);
        Ok(FlowTotals { partner: name(row, 0)?, flow: name(row, 1)?, exchanges, refused_whole, counts, last_received_at })
    })?;
    let destinations = all(connection, DESTINATION_TOTALS, [], |row| {
        let oldest: Option<i64> = row.get(4)?;
        Ok(DestinationTotals {
            to: parse::<DestinationId>(row, 0)?,
            queued: number(row, 1)?,
            acknowledged: number(row, 2)?,
            dead: number(row, 3)?,
            oldest_waiting: oldest.map(timestamp).transpose()?,
        })
    })?;
    Ok(Totals { flows, destinations })
}

pub(super) fn heads(connection: &Connection, epoch: u64, from_batch: u64, heads_max: usize) -> Result<Vec<HeadRow>, JournalError> {
    let find = "SELECT batch, first_index, jws FROM head WHERE epoch = ?1 AND batch >= ?2 ORDER BY batch LIMIT ?3";
    all(connection, find, params![column(epoch), column(from_batch), column(heads_max.min(HEADS_MAX) as u64)], |row| {
        let batch = number(row, 0)?;
        Ok(HeadRow { epoch, batch, first_index: number(row, 1)?, head: row.get(2)?, leaves: leaves(connection, epoch, batch)? })
    })
}

/// The leaves of a batch in order. Those that ought to be there are found by the head's sequence
/// numbers, those that are there say themselves which batch they belong to.
pub(super) fn leaves(connection: &Connection, epoch: u64, batch: u64) -> Result<Vec<(ExchangeId, String)>, JournalError> {
    let find = "SELECT e.id, l.leaf FROM head h JOIN leaf l ON l.sequence >= h.first_sequence AND l.sequence < h.first_sequence + h.size
                JOIN exchange e ON e.sequence = l.sequence
                WHERE h.epoch = ?1 AND h.batch = ?2 AND l.epoch = ?1 AND l.batch = ?2 ORDER BY l.leaf_index";
    all(connection, find, params![column(epoch), column(batch)], |row| Ok((id(row, 0)?, row.get(1)?)))
}

/// `exchange.outcome`.
pub(super) fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Accepted => 0,
        Outcome::InPart => 1,
        Outcome::Refused => 2,
    }
}

pub(super) fn read_outcome(number: i64) -> Result<Outcome, JournalError> {
    match number {
        0 => Ok(Outcome::Accepted),
        1 => Ok(Outcome::InPart),
        2 => Ok(Outcome::Refused),
        _ => Err(JournalError::Damaged(format!("{number} is no outcome"))),
    }
}

/// A delivery that is held behind another is queued, for all that anyone else needs to know.
pub(super) fn read_state(number: i64) -> Result<DeliveryState, JournalError> {
    match number {
        0 | 2 => Ok(DeliveryState::Queued),
        1 => Ok(DeliveryState::Leased),
        3 => Ok(DeliveryState::Dead),
        4 => Ok(DeliveryState::Acknowledged),
        5 => Ok(DeliveryState::Waived),
        _ => Err(JournalError::Damaged(format!("{number} is no state of a delivery"))),
    }
}

fn read_path(bytes: &[u8]) -> Result<Arc<[Digest]>, JournalError> {
    let (digests, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(JournalError::Damaged("an inclusion path is cut".to_owned()));
    }
    Ok(digests.iter().copied().map(Digest).collect())
}

pub(super) fn id(row: &Row, column: usize) -> Result<Id, JournalError> {
    Ok(Id::from_bytes(row.get(column)?))
}

pub(super) fn digest(row: &Row, column: usize) -> Result<Digest, JournalError> {
    Ok(Digest(row.get(column)?))
}

pub(super) fn number(row: &Row, column: usize) -> Result<u64, JournalError> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|error| JournalError::Damaged(error.to_string()))
}

pub(super) fn name(row: &Row, column: usize) -> Result<PartnerId, JournalError> {
    parse(row, column)
}

pub(super) fn parse<T: FromStr<Err = String>>(row: &Row, column: usize) -> Result<T, JournalError> {
    let text: String = row.get(column)?;
    text.parse().map_err(JournalError::Damaged)
}

pub(super) fn one<T>(
    connection: &Connection,
    query: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row) -> Result<T, JournalError>,
) -> Result<Option<T>, JournalError> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(read).transpose()
}

pub(super) fn all<T>(
    connection: &Connection,
    query: &str,
    parameters: impl Params,
    read: impl FnMut(&Row) -> Result<T, JournalError>,
) -> Result<Vec<T>, JournalError> {
    connection.prepare_cached(query)?.query_and_then(parameters, read)?.collect()
}

#[cfg(test)]
mod tests {
    use super::super::holders::{HOLDS, LATEST, SAME_BYTES, SHARED};
    use super::super::{acts, commit, deliveries};
    use super::*;
    use crate::journal::acts::Pick;

    #[tokio::test]
    async fn a_read_that_takes_too_long_is_ended() {
        let readers = Arc::new(Readers::new(vec![tables()], Duration::from_millis(1)));
        let endless = "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted) SELECT max(n) FROM counted";
        let ended = readers.read(move |connection| one(connection, endless, [], |row| number(row, 0))).await;
        assert!(matches!(ended, Err(JournalError::Unavailable(_))), "{ended:?}");
        // The connection is given back, and serves the next.
        assert_eq!(readers.free.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_connection_is_free_once_nobody_interrupts_it_any_more() {
        let readers = Arc::new(Readers::new(vec![tables()], Duration::from_secs(60)));
        let (begun, begin) = std::sync::mpsc::channel();
        let (ends, end) = std::sync::mpsc::channel();
        let reader = readers.clone();
        let work = move |_: &Connection| {
            begun.send(()).map_err(|_| JournalError::Full)?;
            end.recv().map_err(|_| JournalError::Full)
        };
        let read = tokio::spawn(async move { reader.read(work).await });
        while begin.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        // The read ends, and whoever would interrupt it, on this very thread, cannot know yet.
        ends.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(readers.free.lock().unwrap().is_empty(), "another read could be met by an interruption");
        read.await.unwrap().unwrap();
        assert_eq!(readers.free.lock().unwrap().len(), 1);
    }

    /// The plan of a query, one step a line.
    fn plan(connection: &Connection, query: &str) -> String {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let nulls = vec![Value::Null; explained.parameter_count()];
        let steps = explained.query_map(params_from_iter(nulls), |row| row.get::<_, String>(3)).unwrap();
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
    }

    fn tables() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        connection
    }

    #[test]
    fn every_list_is_read_in_the_order_of_an_index() {
        let connection = tables();
        let name = || Some("name".parse().unwrap());
        for chosen in 0..64 {
            let given = |bit: u32| chosen >> bit & 1 == 1;
            let filter = ExchangeFilter {
                partner: given(0).then(name).flatten(),
                flow: given(1).then(name).flatten(),
                message_id: given(2).then(|| "m".to_owned()),
                received_from: given(3).then_some(Timestamp::UNIX_EPOCH),
                received_to: given(4).then_some(Timestamp::UNIX_EPOCH),
                before: given(5).then(|| Id::new(0, [0; 10])),
                rows_max: 1,
            };
            let plan = plan(&connection, &list_query(&filter).0);
            assert!(plan.contains("e USING INDEX exchange_"), "{filter:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
            if filter.partner.is_some() && filter.flow.is_some() && filter.message_id.is_none() {
                assert!(plan.contains("exchange_flow (partner=? AND flow=?"), "{filter:?}: {plan}");
            }
        }
    }

    #[test]
    fn dead_letters_are_read_in_the_order_of_an_index() {
        let connection = tables();
        for chosen in 0..4 {
            let to = (chosen & 1 == 1).then(|| "tax/inbox".parse().unwrap());
            let after = (chosen & 2 == 2).then(|| Id::new(0, [0; 10]));
            let filter = DeadLetterFilter { to, after, rows_max: 1 };
            let plan = plan(&connection, &dead_letters_query(&filter).0);
            assert!(plan.contains("d USING INDEX delivery_dead"), "{filter:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }

    #[test]
    fn deliveries_of_an_exchange_are_read_in_the_order_of_an_index() {
        let (connection, id) = (tables(), Id::new(0, [0; 10]));
        for (after, expected) in [(None, "delivery_exchange (exchange=?)"), (Some(id), "delivery_exchange (exchange=? AND rowid>?)")] {
            let plan = plan(&connection, &deliveries_query(id, after, 1).0);
            assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{after:?}: {plan}");
        }
    }

    #[test]
    fn dead_letters_are_picked_by_an_index() {
        let connection = tables();
        let pick = Pick { destination: Some("tax/inbox".parse().unwrap()), ..Pick::default() };
        for (pick, index) in [(Pick::default(), "delivery_dead"), (pick, "delivery_dead (destination=?)")] {
            let plan = plan(&connection, &acts::pick_query(&pick).0);
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{pick:?}: {plan}");
        }
        let one = plan(&connection, &acts::pick_query(&Pick::one(Id::new(0, [0; 10]))).0);
        assert!(one.contains("(id=?)"), "{one}");
    }

    #[test]
    fn no_step_of_the_writer_reads_more_the_more_there_is() {
        let connection = tables();
        let cases = [
            (deliveries::DUE, "delivery_due (destination=? AND due_at<?)"),
            (deliveries::RELEASE, "delivery_order (destination=? AND order_key=?)"),
            (commit::QUEUE, "delivery_order (destination=? AND order_key=?)"),
            (NEXT_DUE, "delivery_due (destination=?)"),
            (LATEST, "k USING PRIMARY KEY (partner=? AND flow=? AND kind=? AND value=?)"),
            (SAME_BYTES, "k USING PRIMARY KEY (partner=? AND flow=? AND kind=? AND value=?)"),
            (HOLDS, "repeat_key USING PRIMARY KEY (partner=? AND flow=? AND kind=? AND value=? AND sequence=?)"),
            (SHARED, "m USING PRIMARY KEY (partner=? AND flow=? AND kind=? AND value=? AND sequence=?)"),
            (DESTINATION_TOTALS, "delivery_open (destination=?)"),
            (KNOWN_MESSAGE, "COVERING INDEX exchange_message (message_id=?)"),
        ];
        for (query, expected) in cases {
            let plan = plan(&connection, query);
            assert!(plan.contains(expected), "{query}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{query}: {plan}");
            assert!(plan.lines().all(|step| !step.starts_with("SCAN") || step.starts_with("SCAN t")), "{query}: {plan}");
        }
    }
}
