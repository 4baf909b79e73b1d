//! Reads for those who look for an exchange. What leads to the rows is chosen here and not by the planner:
//! a search whose index does not fit fails in the tests, and is never slow instead. Rows that lie all over a disk that has
//! to be read are another matter: a page has a time, too.

use super::reads::{all, id, name, number, one, outcome_number, read_outcome, read_state};
use super::{milliseconds, timestamp};
use crate::domain::{Counts, ExchangeId, Outcome};
use crate::journal::search::{Attempt, Brief, DeliverySums, Found, SEARCH_EXAMINED_MAX, SEARCH_MS_MAX, Search};
use crate::journal::{JournalError, PAGE_ROWS_MAX};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use std::time::{Duration, Instant};

/// The columns that [`read_brief`] reads, and behind them the sequence.
const BRIEF: &str = "e.id, e.partner, e.flow, e.received_at, e.outcome, e.fault, e.message_id, e.records, e.accepted, e.refused,
    e.warnings, e.repeated, e.body_bytes, e.sequence";

/// The exchange after which a page begins.
struct Cursor {
    received_at: i64,
    sequence: i64,
}

/// A page of exchanges that fit.
pub(super) fn search(connection: &Connection, search: &Search) -> Result<Found, JournalError> {
    search_within(connection, search, Duration::from_millis(SEARCH_MS_MAX))
}

/// The same, in a time of its own: whatever it is, a page looks at one row at least, so that the search goes on.
fn search_within(connection: &Connection, search: &Search, longest: Duration) -> Result<Found, JournalError> {
    let begun = Instant::now();
    let cursor = match search.before {
        None => None,
        Some(before) => {
            let find = "SELECT received_at, sequence FROM exchange WHERE id = ?1";
            let cursor = one(connection, find, [before.as_bytes()], |row| Ok(Cursor { received_at: row.get(0)?, sequence: row.get(1)? }))?;
            // Nothing stands behind what is not there.
            let Some(cursor) = cursor else { return Ok(Found::default()) };
            Some(cursor)
        }
    };
    let (query, values) = query(search, cursor.as_ref());
    let mut statement = connection.prepare_cached(&query)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let rows_max = search.rows_max.clamp(1, PAGE_ROWS_MAX);
    let (mut found, mut last) = (Found::default(), None);
    while let Some(row) = rows.next()? {
        let used_up = found.examined == SEARCH_EXAMINED_MAX || (last.is_some() && begun.elapsed() >= longest);
        if used_up || found.exchanges.len() == rows_max {
            found.next_before = last;
            break;
        }
        found.examined += 1;
        let (brief, sequence): (Brief, i64) = (read_brief(row)?, row.get(13)?);
        // An exchange with several dead letters is met once for each.
        let met = last.replace(brief.id) == Some(brief.id);
        if !met && fits(connection, search, &brief, sequence)? {
            found.exchanges.push(brief);
        }
    }
    Ok(found)
}

/// What leads to the rows: the most telling of what is given.
fn query(search: &Search, cursor: Option<&Cursor>) -> (String, Vec<Value>) {
    let text = |text: &str| Value::Text(text.to_owned());
    let given = |index: &str, conditions: &[(&str, Value)]| {
        let from = format!("exchange e INDEXED BY {index}");
        in_time(search, cursor, &from, "e", conditions)
    };
    let (partner, flow) = (search.partner.as_ref().map(|p| text(p.as_str())), search.flow.as_ref().map(|f| text(f.as_str())));
    let trouble = search.outcome.filter(|outcome| *outcome != Outcome::Accepted).map(|outcome| Value::Integer(outcome_number(outcome)));
    if let Some(message_id) = &search.message_id {
        return given("exchange_message", &[("e.message_id = ?", text(message_id))]);
    }
    if let Some(rule) = &search.rule {
        let from = "exchange_rule r JOIN exchange e ON e.sequence = r.sequence";
        return in_time(search, cursor, from, "r", &[("r.rule = ?", text(rule))]);
    }
    if let Some(fault) = &search.fault {
        return given("exchange_fault", &[("e.fault = ?", text(fault))]);
    }
    if search.has_dead_letter {
        return dead(cursor);
    }
    match (partner, flow, trouble) {
        (Some(partner), _, Some(trouble)) => {
            given("exchange_partner_trouble", &[("e.partner = ?", partner), ("e.outcome = ?", trouble), ("e.outcome > 0", Value::Null)])
        }
        (None, _, Some(trouble)) => given("exchange_trouble", &[("e.outcome = ?", trouble), ("e.outcome > 0", Value::Null)]),
        (Some(partner), Some(flow), None) => given("exchange_flow", &[("e.partner = ?", partner), ("e.flow = ?", flow)]),
        (Some(partner), None, None) => given("exchange_partner", &[("e.partner = ?", partner)]),
        (None, Some(flow), None) => given("exchange_of_flow", &[("e.flow = ?", flow)]),
        (None, None, None) => given("exchange_received", &[]),
    }
}

/// Rows in the order of their time of receipt, newest first. One upper bound is given to the index, the nearer one.
fn in_time(search: &Search, cursor: Option<&Cursor>, from: &str, by: &str, conditions: &[(&str, Value)]) -> (String, Vec<Value>) {
    let mut texts: Vec<String> = conditions.iter().map(|(condition, _)| (*condition).to_owned()).collect();
    let mut values: Vec<Value> =
        conditions.iter().filter(|(condition, _)| condition.contains('?')).map(|(_, value)| value.clone()).collect();
    if let Some(from) = search.received_from {
        texts.push(format!("{by}.received_at >= ?"));
        values.push(Value::Integer(milliseconds(from)));
    }
    if let Some(Cursor { received_at, sequence }) = cursor {
        texts.push(format!("({by}.received_at, {by}.sequence) < (?, ?)"));
        values.extend([Value::Integer(*received_at), Value::Integer(*sequence)]);
    } else if let Some(to) = search.received_to {
        texts.push(format!("{by}.received_at < ?"));
        values.push(Value::Integer(milliseconds(to)));
    }
    let conditions = if texts.is_empty() { String::new() } else { format!("WHERE {}", texts.join(" AND ")) };
    (format!("SELECT {BRIEF} FROM {from} {conditions} ORDER BY {by}.received_at DESC, {by}.sequence DESC"), values)
}

/// Rows in the order of their commits, newest first.
fn dead(cursor: Option<&Cursor>) -> (String, Vec<Value>) {
    let query = format!(
        "SELECT {BRIEF} FROM delivery d INDEXED BY delivery_dead_exchange JOIN exchange e ON e.sequence = d.exchange
         WHERE d.state = 3 AND d.exchange < ? ORDER BY d.exchange DESC"
    );
    (query, vec![Value::Integer(cursor.map_or(i64::MAX, |cursor| cursor.sequence))])
}

/// Whether a row fits all that is given, whatever led to it.
fn fits(connection: &Connection, search: &Search, brief: &Brief, sequence: i64) -> Result<bool, JournalError> {
    let plain = search.partner.as_ref().is_none_or(|partner| *partner == brief.partner)
        && search.flow.as_ref().is_none_or(|flow| *flow == brief.flow)
        && search.message_id.as_ref().is_none_or(|message_id| brief.message_id.as_ref() == Some(message_id))
        && search.fault.as_ref().is_none_or(|fault| brief.fault.as_ref() == Some(fault))
        && search.outcome.is_none_or(|outcome| outcome == brief.outcome)
        && search.received_from.is_none_or(|from| brief.received_at >= from)
        && search.received_to.is_none_or(|to| brief.received_at < to);
    if !plain {
        return Ok(false);
    }
    if let Some(rule) = &search.rule {
        let find = "SELECT 1 FROM exchange_rule WHERE rule = ?1 AND received_at = ?2 AND sequence = ?3";
        if !connection.prepare_cached(find)?.exists(params![rule, milliseconds(brief.received_at), sequence])? {
            return Ok(false);
        }
    }
    if search.has_dead_letter {
        return Ok(connection.prepare_cached("SELECT 1 FROM delivery WHERE exchange = ?1 AND state = 3")?.exists([sequence])?);
    }
    Ok(true)
}

fn read_brief(row: &Row) -> Result<Brief, JournalError> {
    Ok(Brief {
        id: id(row, 0)?,
        partner: name(row, 1)?,
        flow: name(row, 2)?,
        received_at: timestamp(row.get(3)?)?,
        outcome: read_outcome(row.get(4)?)?,
        fault: row.get(5)?,
        message_id: row.get(6)?,
        counts: Counts {
            records: number(row, 7)?,
            accepted: number(row, 8)?,
            refused: number(row, 9)?,
            warnings: number(row, 10)?,
            repeated: number(row, 11)?,
        },
        body_bytes: number(row, 12)?,
    })
}

/// The exchange that has a business key.
pub(super) fn holder(connection: &Connection, key_space: &str, key: &[u8; 16]) -> Result<Option<ExchangeId>, JournalError> {
    let find = "SELECT e.id FROM key_space s JOIN business_key k ON k.space = s.space JOIN exchange e ON e.sequence = k.sequence
                WHERE s.name = ?1 AND k.key = ?2";
    one(connection, find, params![key_space, key], |row| id(row, 0))
}

/// The attempts of a delivery that are kept, oldest first.
pub(super) fn attempts(connection: &Connection, delivery: i64) -> Result<Vec<Attempt>, JournalError> {
    let find = "SELECT number, started_at, ended_at, fault, detail, answer FROM attempt WHERE delivery = ?1 ORDER BY number";
    all(connection, find, [delivery], |row| {
        let (ended_at, fault, detail): (Option<i64>, Option<String>, Option<String>) = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Attempt {
            number: row.get(0)?,
            started_at: timestamp(row.get(1)?)?,
            ended_at: ended_at.map(timestamp).transpose()?,
            fault: fault.map(|fault| (fault, detail.unwrap_or_default())),
            answer: row.get(5)?,
        })
    })
}

/// The deliveries of an exchange, by where they stand.
pub(super) fn delivery_sums(connection: &Connection, exchange: ExchangeId) -> Result<DeliverySums, JournalError> {
    let find = "SELECT d.state, count(*), min(d.acknowledged_at), max(d.acknowledged_at),
                       max(CASE d.state WHEN 3 THEN (SELECT max(ended_at) FROM attempt WHERE delivery = d.sequence) END)
                FROM delivery d JOIN exchange e ON e.sequence = d.exchange WHERE e.id = ?1 GROUP BY d.state";
    let mut sums = DeliverySums::default();
    let rows = all(connection, find, [exchange.as_bytes()], |row| {
        let moment = |column| row.get::<_, Option<i64>>(column)?.map(timestamp).transpose();
        Ok((read_state(row.get(0)?)?, number(row, 1)?, moment(2)?, moment(3)?, moment(4)?))
    })?;
    for (state, deliveries, first, last, dead) in rows {
        *sums.deliveries.entry(state.as_str()).or_default() += deliveries;
        sums.first_acknowledged_at = sums.first_acknowledged_at.or(first);
        sums.last_acknowledged_at = sums.last_acknowledged_at.or(last);
        sums.last_dead_at = sums.last_dead_at.or(dead);
    }
    Ok(sums)
}

/// The index of an exchange's rules, written with it.
pub(super) const NOTE_RULE: &str = "INSERT INTO exchange_rule (rule, received_at, sequence) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    /// The plan of a query, one step a line.
    fn plan(connection: &Connection, query: &str) -> String {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let nulls = vec![Value::Null; explained.parameter_count()];
        let steps = explained.query_map(params_from_iter(nulls), |row| row.get::<_, String>(3)).unwrap();
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
    }

    #[test]
    fn a_page_ends_when_its_time_is_over_and_the_search_goes_on_behind_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 7)
            INSERT INTO exchange SELECT i, unhex(printf('%032x', i)), 'bank', 'payments', i / 2, 0, NULL, NULL, NULL, '', NULL, '',
            '', '', 0, '', 0, NULL, 0, 0, 0, 0, 0, 0, 0, zeroblob(32), zeroblob(32), zeroblob(32), zeroblob(32), zeroblob(32) FROM n";
        connection.execute_batch(fill).unwrap();
        let pages = |longest: Duration| {
            let (mut search, mut pages) = (Search { rows_max: 9, ..Search::default() }, Vec::new());
            loop {
                let found = search_within(&connection, &search, longest).unwrap();
                search.before = found.next_before;
                pages.push(found.exchanges.into_iter().map(|brief| brief.id).collect::<Vec<_>>());
                if search.before.is_none() {
                    return pages;
                }
            }
        };
        let whole = pages(Duration::MAX);
        let hurried = pages(Duration::ZERO);
        assert_eq!((whole.len(), whole.concat().len()), (1, 7));
        assert_eq!((hurried.len(), hurried.concat()), (7, whole.concat()));
    }

    #[test]
    fn whatever_is_looked_for_an_index_leads_to_it_in_its_order() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        for chosen in 0..512_u32 {
            let given = |bit: u32| chosen >> bit & 1 == 1;
            let name = |bit| given(bit).then(|| "name".parse().unwrap());
            let search = Search {
                partner: name(0),
                flow: name(1),
                message_id: given(2).then(|| "m".to_owned()),
                rule: given(3).then(|| "rule".to_owned()),
                fault: given(4).then(|| "fault".to_owned()),
                outcome: given(5).then_some(Outcome::Refused),
                has_dead_letter: given(6),
                received_from: given(7).then_some(Timestamp::UNIX_EPOCH),
                received_to: given(7).then_some(Timestamp::UNIX_EPOCH),
                ..Search::default()
            };
            let cursor = given(8).then_some(Cursor { received_at: 0, sequence: 0 });
            let plan = plan(&connection, &query(&search, cursor.as_ref()).0);
            assert!(!plan.contains("TEMP B-TREE"), "{search:?}: {plan}");
            let first = plan.lines().next().unwrap_or_default();
            let expected = match chosen & 0b111_1111 {
                chosen if chosen & 0b100 != 0 => "exchange_message (message_id=?",
                chosen if chosen & 0b1000 != 0 => "r USING PRIMARY KEY (rule=?",
                chosen if chosen & 0b1_0000 != 0 => "exchange_fault (fault=?",
                chosen if chosen & 0b100_0000 != 0 => "delivery_dead_exchange (exchange<?",
                0b10_0000 | 0b10_0010 => "exchange_trouble (outcome=?",
                0b10_0001 | 0b10_0011 => "exchange_partner_trouble (partner=? AND outcome=?",
                0b11 => "exchange_flow (partner=? AND flow=?",
                0b01 => "exchange_partner (partner=?",
                0b10 => "exchange_of_flow (flow=?",
                _ => "exchange_received",
            };
            assert!(first.contains(expected), "{search:?}: {plan}");
            let by_time = cursor.is_some() || search.received_from.is_some();
            assert!(
                !by_time
                    || ["received_at<?", "received_at>?", "exchange<?", "(received_at,sequence)<(?,?)"]
                        .iter()
                        .any(|bound| first.contains(bound)),
                "{search:?}: {plan}"
            );
        }
    }
}
