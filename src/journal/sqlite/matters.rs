//! Reconciliations in their tables (`matters.sql`).

use super::acts;
use super::commit::Group;
use super::reads::{all, digest, id, name, number, one};
use super::writer::{Answer, Work};
use super::{JournalError, SqliteJournal, column, milliseconds, timestamp};
use crate::domain::Name;
use crate::journal::PAGE_ROWS_MAX;
use crate::journal::matters::{
    CommittedRow, Cursor, FORGOTTEN_PER_STEP_MAX, MatterBook, MatterCounts, MatterFilter, MatterRow, MatterState, MatterStep, NewSeen,
    Progress, RECENT_SPAN, Seen, standing,
};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, params};

/// What the writer is asked to do.
pub(super) enum MatterWork {
    Step(Box<MatterStep>),
    Forget(Name),
}

/// `matter.state`.
const MATCHED: i64 = 0;
const WAITING: i64 = 1;
const UNMATCHED: i64 = 2;
const DIFFERENT: i64 = 3;
const SETTLED: i64 = 4;

#[async_trait::async_trait]
impl MatterBook for SqliteJournal {
    async fn reconciled_to(&self, name: &Name) -> Result<Option<Progress>, JournalError> {
        let name = name.clone();
        self.list_readers.read(move |connection| progress(connection, &name)).await
    }

    async fn first_received(&self, from: Timestamp) -> Result<u64, JournalError> {
        // Those received first are committed first, but for a few that take long.
        let find = "SELECT ifnull((SELECT min(sequence) FROM (SELECT sequence FROM exchange WHERE received_at >= ?1 ORDER BY received_at LIMIT 1000)),
            (SELECT ifnull(max(sequence), 0) + 1 FROM exchange))";
        let read = move |connection: &Connection| Ok(one(connection, find, [milliseconds(from)], |row| number(row, 0))?.unwrap_or(1));
        self.list_readers.read(read).await
    }

    async fn committed_from(&self, sequence: u64, rows_max: usize) -> Result<Vec<CommittedRow>, JournalError> {
        let find = "SELECT sequence, id, flow, received_at, accepted FROM exchange WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2";
        let read = move |connection: &Connection| {
            all(connection, find, params![column(sequence), column(rows_max.min(PAGE_ROWS_MAX) as u64)], |row| {
                let (sequence, accepted) = (number(row, 0)?, number(row, 4)?);
                Ok(CommittedRow { sequence, exchange: id(row, 1)?, flow: name(row, 2)?, received_at: timestamp(row.get(3)?)?, accepted })
            })
        };
        self.list_readers.read(read).await
    }

    async fn reconcile(&self, step: MatterStep) -> Result<bool, JournalError> {
        self.write(Work::Matters(MatterWork::Step(Box::new(step)))).await?.changed()
    }

    async fn forget_matters(&self, name: &Name) -> Result<bool, JournalError> {
        self.write(Work::Matters(MatterWork::Forget(name.clone()))).await?.changed()
    }

    async fn matters(&self, filter: MatterFilter) -> Result<Vec<MatterRow>, JournalError> {
        self.list_readers.read(move |connection| matters(connection, &filter)).await
    }

    async fn matter_counts(&self, name: &Name, now: Timestamp) -> Result<MatterCounts, JournalError> {
        let name = name.clone();
        self.list_readers.read(move |connection| counts(connection, &name, now)).await
    }
}

impl Group<'_> {
    pub(super) fn matters(&self, work: &MatterWork) -> Result<Answer, JournalError> {
        match work {
            MatterWork::Step(step) => step_on(self.connection, step).map(Answer::Changed),
            MatterWork::Forget(name) => forget(self.connection, name).map(Answer::Changed),
        }
    }
}

fn progress(connection: &Connection, name: &Name) -> Result<Option<Progress>, JournalError> {
    let find = "SELECT declaration, sequence, row FROM reconciliation WHERE name = ?1";
    one(connection, find, [name.as_str()], |row| {
        Ok(Progress { declaration: digest(row, 0)?, cursor: Cursor { sequence: number(row, 1)?, row: number(row, 2)? } })
    })
}

fn step_on(connection: &Connection, step: &MatterStep) -> Result<bool, JournalError> {
    if progress(connection, &step.name)? != step.before {
        return Ok(false);
    }
    let mut duplicates = 0;
    for new in &step.seen {
        duplicates += note(connection, &step.name, &step.within, new)?;
    }
    let Progress { declaration, cursor } = step.after;
    let write = "INSERT INTO reconciliation (name, declaration, sequence, row, duplicates, left_out) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT DO UPDATE SET sequence = ?3, row = ?4, duplicates = duplicates + ?5, left_out = left_out + ?6";
    connection.prepare_cached(write)?.execute(params![
        step.name.as_str(),
        declaration.0,
        column(cursor.sequence),
        column(cursor.row),
        duplicates,
        column(step.left_out)
    ])?;
    Ok(true)
}

/// Notes a record of a leg, and how its matter stands then. Returns 1 for a duplicate.
fn note(connection: &Connection, name: &Name, within: &[Option<SignedDuration>], new: &NewSeen) -> Result<i64, JournalError> {
    let find = "SELECT number, state FROM matter WHERE reconciliation = ?1 AND key = ?2";
    let known = one(connection, find, params![name.as_str(), new.key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let mut legs = match known {
        Some((matter, _)) => legs_of(connection, matter, within.len())?,
        None => vec![None; within.len()],
    };
    let Some(place) = legs.get_mut(new.leg) else {
        return Err(JournalError::Unavailable("a step names a leg that there is not".to_owned()));
    };
    let earlier = place.take();
    let duplicates = earlier.as_ref().map_or(0, |(_, more)| more + 1);
    let kept = earlier
        .map(|(seen, _)| seen)
        .into_iter()
        .chain([new.seen.clone()])
        .min_by_key(|seen| (seen.received_at, seen.exchange, seen.record));
    *place = kept.map(|kept| (kept, duplicates));
    let seen: Vec<Option<Seen>> = legs.iter().map(|leg| leg.as_ref().map(|(seen, _)| seen.clone())).collect();
    let (state, due_at, came_late) = standing(&seen, within);
    let changed_at = seen.iter().flatten().map(|seen| seen.received_at).max().unwrap_or(new.seen.received_at);
    let state = state_number(state);
    let due_at = due_at.map(milliseconds);
    let matter = match known {
        Some((matter, _)) => {
            let write = "UPDATE matter SET state = ?2, due_at = ?3, changed_at = ?4, came_late = ?5 WHERE number = ?1";
            connection.prepare_cached(write)?.execute(params![matter, state, due_at, milliseconds(changed_at), came_late])?;
            matter
        }
        None => {
            let write = "INSERT INTO matter (reconciliation, key, state, due_at, changed_at, came_late) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let written = params![name.as_str(), new.key, state, due_at, milliseconds(changed_at), came_late];
            connection.prepare_cached(write)?.insert(written)?
        }
    };
    if let Some(Some((seen, duplicates))) = legs.get(new.leg) {
        write_leg(connection, matter, new.leg, seen, *duplicates)?;
    }
    count(connection, name, state, 1)?;
    if let Some((_, before)) = known {
        count(connection, name, before, -1)?;
    }
    Ok(i64::from(duplicates > 0))
}

/// Settles a matter that is late, unmatched or different; false where it is not so. What is seen of it later has it judged anew.
pub(super) fn settle(connection: &Connection, name: &Name, key: &str, at: Timestamp, act: i64) -> Result<bool, JournalError> {
    let find = "SELECT number, state FROM matter WHERE reconciliation = ?1 AND key = ?2 AND (state IN (2, 3) OR state = 1 AND due_at < ?3)";
    let found =
        one(connection, find, params![name.as_str(), key, milliseconds(at)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let Some((matter, before)) = found else { return Ok(false) };
    connection.prepare_cached("UPDATE matter SET state = ?2 WHERE number = ?1")?.execute([matter, SETTLED])?;
    connection.prepare_cached("INSERT OR REPLACE INTO matter_act (matter, act) VALUES (?1, ?2)")?.execute([matter, act])?;
    count(connection, name, SETTLED, 1)?;
    count(connection, name, before, -1)?;
    Ok(true)
}

fn write_leg(connection: &Connection, matter: i64, leg: usize, seen: &Seen, duplicates: u64) -> Result<(), JournalError> {
    let write = "INSERT OR REPLACE INTO matter_leg (matter, leg, exchange, record, received_at, amount, currency, ends, duplicates)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let (amount, currency) = seen.amount.as_ref().map(|(amount, currency)| (amount.to_string(), currency)).unzip();
    connection.prepare_cached(write)?.execute(params![
        matter,
        column(leg as u64),
        seen.exchange.as_bytes(),
        column(seen.record),
        milliseconds(seen.received_at),
        amount,
        currency,
        seen.ends,
        column(duplicates)
    ])?;
    Ok(())
}

fn count(connection: &Connection, name: &Name, state: i64, added: i64) -> Result<(), JournalError> {
    let add =
        "INSERT INTO matter_count (reconciliation, state, matters) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET matters = matters + ?3";
    connection.prepare_cached(add)?.execute(params![name.as_str(), state, added])?;
    Ok(())
}

fn forget(connection: &Connection, name: &Name) -> Result<bool, JournalError> {
    let some = "DELETE FROM matter WHERE number IN (SELECT number FROM matter WHERE reconciliation = ?1 LIMIT ?2)";
    let forgotten = connection.prepare_cached(some)?.execute(params![name.as_str(), column(FORGOTTEN_PER_STEP_MAX as u64)])?;
    if forgotten == FORGOTTEN_PER_STEP_MAX {
        return Ok(true);
    }
    connection.execute("DELETE FROM matter_count WHERE reconciliation = ?1", [name.as_str()])?;
    connection.execute("DELETE FROM reconciliation WHERE name = ?1", [name.as_str()])?;
    Ok(false)
}

fn matters(connection: &Connection, filter: &MatterFilter) -> Result<Vec<MatterRow>, JournalError> {
    // Those that are late are few, however many wait.
    let (index, condition) = match (filter.state, &filter.key) {
        (_, Some(_)) => ("matter_key", "m.key = ?4"),
        (None, None) => ("matter_number", "TRUE"),
        (Some(MatterState::Matched), _) => ("matter_state", "m.state = 0"),
        (Some(MatterState::Waiting), _) => ("matter_state", "m.state = 1 AND m.due_at >= ?3"),
        (Some(MatterState::Late), _) => ("matter_due", "m.state = 1 AND m.due_at < ?3"),
        (Some(MatterState::Unmatched), _) => ("matter_state", "m.state = 2"),
        (Some(MatterState::AmountDifferent), _) => ("matter_state", "m.state = 3"),
        (Some(MatterState::Settled), _) => ("matter_state", "m.state = 4"),
    };
    let find = format!(
        "SELECT m.number, m.key, m.state, m.due_at, m.came_late, (SELECT max(leg) FROM matter_leg WHERE matter = m.number)
         FROM matter m INDEXED BY {index} WHERE m.reconciliation = ?1 AND m.number < ?2 AND {condition} ORDER BY m.number DESC LIMIT ?5"
    );
    let (name, before, now) = (filter.name.as_str(), filter.before.map_or(i64::MAX, column), milliseconds(filter.now));
    let rows_max = column(filter.rows_max.min(PAGE_ROWS_MAX) as u64);
    all(connection, &find, params![name, before, now, filter.key, rows_max], |row| {
        let due_at = row.get::<_, Option<i64>>(3)?.map(timestamp).transpose()?;
        let state = match (row.get::<_, i64>(2)?, due_at) {
            (MATCHED, _) => MatterState::Matched,
            (WAITING, Some(due_at)) if due_at < filter.now => MatterState::Late,
            (WAITING, _) => MatterState::Waiting,
            (UNMATCHED, _) => MatterState::Unmatched,
            (SETTLED, _) => MatterState::Settled,
            _ => MatterState::AmountDifferent,
        };
        let legs = legs_of(connection, row.get(0)?, usize::try_from(row.get::<_, i64>(5)?).unwrap_or_default() + 1)?;
        let settled = if state == MatterState::Settled { acts::of_matter(connection, row.get(0)?)? } else { None };
        Ok(MatterRow { number: number(row, 0)?, key: row.get(1)?, state, due_at, legs, came_late: row.get(4)?, settled })
    })
}

fn counts(connection: &Connection, name: &Name, now: Timestamp) -> Result<MatterCounts, JournalError> {
    let mut counts = MatterCounts::default();
    let find = "SELECT state, matters FROM matter_count WHERE reconciliation = ?1";
    for (state, matters) in all(connection, find, [name.as_str()], |row| Ok((row.get::<_, i64>(0)?, number(row, 1)?)))? {
        match state {
            MATCHED => counts.matched = matters,
            WAITING => counts.waiting = matters,
            UNMATCHED => counts.unmatched = matters,
            SETTLED => counts.settled = matters,
            _ => counts.amount_different = matters,
        }
    }
    let find = "SELECT duplicates, left_out FROM reconciliation WHERE name = ?1";
    if let Some((duplicates, left_out)) = one(connection, find, [name.as_str()], |row| Ok((number(row, 0)?, number(row, 1)?)))? {
        (counts.duplicates, counts.left_out) = (duplicates, left_out);
    }
    let since = milliseconds(now.saturating_sub(RECENT_SPAN).unwrap_or(now));
    let late = "SELECT count(*), ifnull(sum(due_at >= ?3), 0) FROM matter WHERE reconciliation = ?1 AND state = 1 AND due_at < ?2";
    let late = one(connection, late, params![name.as_str(), milliseconds(now), since], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
    let (late, recently_late) = late.unwrap_or_default();
    let trouble = "SELECT count(*) FROM matter WHERE reconciliation = ?1 AND state >= 2 AND state <> 4 AND changed_at >= ?2";
    let trouble = one(connection, trouble, params![name.as_str(), since], |row| number(row, 0))?.unwrap_or_default();
    (counts.late, counts.waiting) = (late, counts.waiting.saturating_sub(late));
    counts.recent = recently_late + trouble;
    Ok(counts)
}

/// What was seen of a matter's legs, and how many more of each.
fn legs_of(connection: &Connection, matter: i64, legs_max: usize) -> Result<Vec<Option<(Seen, u64)>>, JournalError> {
    let mut legs = vec![None; legs_max];
    let find = "SELECT exchange, record, received_at, amount, currency, ends, leg, duplicates FROM matter_leg WHERE matter = ?1";
    for (leg, seen, duplicates) in all(connection, find, [matter], |row| Ok((number(row, 6)?, read_seen(row)?, number(row, 7)?)))? {
        if let Some(place) = usize::try_from(leg).ok().and_then(|leg| legs.get_mut(leg)) {
            *place = Some((seen, duplicates));
        }
    }
    Ok(legs)
}

fn read_seen(row: &Row) -> Result<Seen, JournalError> {
    let amount = row.get::<_, Option<String>>(3)?.map(|text| text.parse()).transpose().map_err(JournalError::Damaged)?;
    Ok(Seen {
        exchange: id(row, 0)?,
        record: number(row, 1)?,
        received_at: timestamp(row.get(2)?)?,
        amount: amount.zip(row.get::<_, Option<String>>(4)?),
        ends: row.get(5)?,
    })
}

fn state_number(state: MatterState) -> i64 {
    match state {
        MatterState::Matched => MATCHED,
        MatterState::Waiting | MatterState::Late => WAITING,
        MatterState::Unmatched => UNMATCHED,
        MatterState::AmountDifferent => DIFFERENT,
        MatterState::Settled => SETTLED,
    }
}
