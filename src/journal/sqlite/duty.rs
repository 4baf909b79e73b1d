//! Alarms and the profiles that they judge by, in their tables (`duty.sql`).

use super::commit::Group;
use super::reads::{all, number, one, parse};
use super::writer::{Answer, Work};
use super::{JournalError, SqliteJournal, acts, column, hours, milliseconds, timestamp};
use crate::domain::{FlowId, PartnerId};
use crate::journal::PAGE_ROWS_MAX;
use crate::journal::acts::Deed;
use crate::journal::alarms::{
    ACTS_PER_ALARM_MAX, ActivityRow, AlarmChange, AlarmFilter, AlarmRow, AlarmSeverity, AlarmState, AlarmSubject, CLOSED_ALARMS_MAX,
    DutyBook, HISTORY_ROWS_MAX, OPEN_ALARMS_MAX, ProfileRow,
};
use crate::profile::Profile;
use jiff::Timestamp;
use portolan_contract::Words;
use rusqlite::{Connection, Row, params};

/// What the writer is asked to do.
pub(super) enum DutyWork {
    Change(Vec<AlarmChange>),
    Forget(i64),
}

const ALARM: &str = "SELECT number, kind, partner, flow, destination, what, severity, party, zh, en, figures, since, opened_at, updated_at,
    closed_at, told_opened_at, told_closed_at FROM alarm";

#[async_trait::async_trait]
impl DutyBook for SqliteJournal {
    async fn change_alarms(&self, changes: Vec<AlarmChange>) -> Result<(), JournalError> {
        self.write(Work::Duty(DutyWork::Change(changes))).await?.changed().map(drop)
    }

    async fn alarms(&self, filter: AlarmFilter) -> Result<Vec<AlarmRow>, JournalError> {
        self.list_readers.read(move |connection| alarms(connection, filter)).await
    }

    async fn activity(&self, from_hour: i64) -> Result<Vec<ActivityRow>, JournalError> {
        self.list_readers.read(move |connection| hours::activity(connection, from_hour)).await
    }

    async fn profiles(&self, from_day: i64) -> Result<Vec<ProfileRow>, JournalError> {
        self.list_readers.read(move |connection| profiles(connection, from_day)).await
    }

    async fn forget_profiles(&self, before_day: i64) -> Result<(), JournalError> {
        self.write(Work::Duty(DutyWork::Forget(before_day))).await?.changed().map(drop)
    }

    async fn last_accepted(&self, partner: &PartnerId, flow: &FlowId) -> Result<Option<Timestamp>, JournalError> {
        let (partner, flow) = (partner.clone(), flow.clone());
        self.list_readers.read(move |connection| last_accepted(connection, &partner, &flow)).await
    }

    async fn begun_at(&self) -> Result<Timestamp, JournalError> {
        let begun = |connection: &Connection| one(connection, "SELECT min(begun_at) FROM epoch", [], |row| timestamp(row.get(0)?));
        self.list_readers.read(begun).await?.ok_or_else(|| JournalError::Damaged("there is no epoch".to_owned()))
    }
}

impl Group<'_> {
    pub(super) fn duty(&self, work: &DutyWork) -> Result<Answer, JournalError> {
        match work {
            DutyWork::Change(changes) => {
                changes.iter().try_for_each(|change| apply(self.connection, change))?;
                forget_closed(self.connection)?;
                Ok(Answer::Changed(true))
            }
            DutyWork::Forget(before_day) => {
                self.connection.execute("DELETE FROM profile WHERE day < ?1", [before_day])?;
                Ok(Answer::Changed(true))
            }
        }
    }
}

fn apply(connection: &Connection, change: &AlarmChange) -> Result<(), JournalError> {
    match change {
        AlarmChange::Open { kind, subject, state, since, at } => {
            let open: i64 = connection.query_row("SELECT count(*) FROM alarm WHERE closed_at IS NULL", [], |row| row.get(0))?;
            if open >= column(OPEN_ALARMS_MAX as u64) {
                return Ok(());
            }
            let text = |name: Option<String>| name.unwrap_or_default();
            let AlarmSubject { partner, flow, destination, what } = subject;
            connection
                .prepare_cached(
                    "INSERT INTO alarm (kind, partner, flow, destination, what, severity, party, zh, en, figures, since, opened_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    kind,
                    text(partner.as_ref().map(ToString::to_string)),
                    text(flow.as_ref().map(ToString::to_string)),
                    text(destination.as_ref().map(ToString::to_string)),
                    text(what.clone()),
                    severity_number(state.severity),
                    state.party,
                    state.words.zh,
                    state.words.en,
                    figures_text(state)?,
                    milliseconds(*since),
                    milliseconds(*at)
                ])?;
        }
        AlarmChange::Update { number, state, at } => {
            connection
                .prepare_cached(
                    "UPDATE alarm SET severity = ?2, party = ?3, zh = ?4, en = ?5, figures = ?6, updated_at = ?7
                     WHERE number = ?1 AND closed_at IS NULL",
                )?
                .execute(params![
                    column(*number),
                    severity_number(state.severity),
                    state.party,
                    state.words.zh,
                    state.words.en,
                    figures_text(state)?,
                    milliseconds(*at)
                ])?;
        }
        AlarmChange::Close { number, at } => {
            let close = "UPDATE alarm SET closed_at = ?2 WHERE number = ?1 AND closed_at IS NULL";
            connection.prepare_cached(close)?.execute(params![column(*number), milliseconds(*at)])?;
        }
        AlarmChange::Told { number, closed, at } => {
            let told = match closed {
                false => "UPDATE alarm SET told_opened_at = ?2 WHERE number = ?1 AND told_opened_at IS NULL",
                true => "UPDATE alarm SET told_closed_at = ?2 WHERE number = ?1 AND told_closed_at IS NULL AND closed_at IS NOT NULL",
            };
            connection.prepare_cached(told)?.execute(params![column(*number), milliseconds(*at)])?;
        }
    }
    Ok(())
}

/// Forgets the oldest of those closed, once there are more than are kept. What is open stays, however old.
fn forget_closed(connection: &Connection) -> Result<(), JournalError> {
    let forget = "DELETE FROM alarm WHERE closed_at IS NOT NULL AND number <= (SELECT max(number) FROM alarm) - ?1";
    connection.prepare_cached(forget)?.execute([column(CLOSED_ALARMS_MAX as u64)])?;
    Ok(())
}

/// Notes an act on an alarm. Returns whether the alarm takes it: it is there and has not all that it may have, and
/// an acknowledgement is its first and comes while it is open.
pub(super) fn note(connection: &Connection, alarm: u64, deed: &Deed, act: i64) -> Result<bool, JournalError> {
    let known = one(connection, "SELECT closed_at FROM alarm WHERE number = ?1", [column(alarm)], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    let Some(closed_at) = known else { return Ok(false) };
    let earlier = acts::of_alarm(connection, alarm)?;
    let acknowledges = |deed: &Deed| matches!(deed, Deed::AcknowledgeAlarm { .. });
    let late = closed_at.is_some() || earlier.iter().any(|act| acknowledges(&act.entry.deed));
    if earlier.len() >= ACTS_PER_ALARM_MAX || (acknowledges(deed) && late) {
        return Ok(false);
    }
    connection.prepare_cached("INSERT INTO alarm_act (alarm, act) VALUES (?1, ?2)")?.execute([column(alarm), act])?;
    Ok(true)
}

fn alarms(connection: &Connection, filter: AlarmFilter) -> Result<Vec<AlarmRow>, JournalError> {
    let page = column(PAGE_ROWS_MAX as u64);
    let read = |row: &Row| read_alarm(connection, row);
    match filter {
        AlarmFilter::Open => all(connection, &format!("{ALARM} WHERE closed_at IS NULL ORDER BY number"), [], read),
        AlarmFilter::ClosedUntold => {
            let untold = "closed_at IS NOT NULL AND told_opened_at IS NOT NULL AND told_closed_at IS NULL";
            all(connection, &format!("{ALARM} WHERE {untold} ORDER BY number LIMIT ?1"), [page], read)
        }
        AlarmFilter::Before(before) => {
            let before = before.map_or(i64::MAX, column);
            all(connection, &format!("{ALARM} WHERE number < ?1 ORDER BY number DESC LIMIT ?2"), [before, page], read)
        }
    }
}

fn read_alarm(connection: &Connection, row: &Row) -> Result<AlarmRow, JournalError> {
    let damaged = |error: serde_json::Error| JournalError::Damaged(error.to_string());
    let optional = |column: usize| row.get::<_, Option<i64>>(column)?.map(timestamp).transpose();
    let what: String = row.get(5)?;
    let figures: String = row.get(10)?;
    let alarm = number(row, 0)?;
    Ok(AlarmRow {
        number: alarm,
        kind: row.get(1)?,
        subject: AlarmSubject {
            partner: parse_some(row, 2)?,
            flow: parse_some(row, 3)?,
            destination: parse_some(row, 4)?,
            what: Some(what).filter(|what| !what.is_empty()),
        },
        state: AlarmState {
            severity: read_severity(row.get(6)?)?,
            party: row.get(7)?,
            words: Words::new(row.get::<_, String>(8)?, row.get::<_, String>(9)?),
            figures: serde_json::from_str(&figures).map_err(damaged)?,
        },
        since: timestamp(row.get(11)?)?,
        opened_at: timestamp(row.get(12)?)?,
        updated_at: timestamp(row.get(13)?)?,
        closed_at: optional(14)?,
        told_opened_at: optional(15)?,
        told_closed_at: optional(16)?,
        acts: acts::of_alarm(connection, alarm)?,
    })
}

/// A name, where there is one.
fn parse_some<T: std::str::FromStr<Err = String>>(row: &Row, column: usize) -> Result<Option<T>, JournalError> {
    if row.get::<_, String>(column)?.is_empty() { Ok(None) } else { parse(row, column).map(Some) }
}

fn profiles(connection: &Connection, from_day: i64) -> Result<Vec<ProfileRow>, JournalError> {
    let find = "SELECT partner, flow, day, path, code, records FROM profile WHERE day >= ?1 ORDER BY day, partner, flow LIMIT ?2";
    let mut rows: Vec<ProfileRow> = Vec::new();
    all(connection, find, params![from_day, column(HISTORY_ROWS_MAX as u64)], |row| {
        let (partner, flow, day): (PartnerId, FlowId, i64) = (parse(row, 0)?, parse(row, 1)?, row.get(2)?);
        let same = rows.last().is_some_and(|last| (&last.partner, &last.flow, last.day) == (&partner, &flow, day));
        if !same {
            rows.push(ProfileRow { partner, flow, day, profile: Profile::default() });
        }
        let (path, code, records): (String, String, u64) = (row.get(3)?, row.get(4)?, number(row, 5)?);
        if let Some(ProfileRow { profile, .. }) = rows.last_mut() {
            match (path.is_empty(), code.is_empty()) {
                (true, _) => profile.records = records,
                (false, true) => drop(profile.present.insert(path, records)),
                (false, false) => drop(profile.codes.insert((path, code), records)),
            }
        }
        Ok(())
    })?;
    Ok(rows)
}

/// The newest first, by the index of partner and flow; what was refused or empty is passed over.
const LAST_ACCEPTED: &str =
    "SELECT received_at FROM exchange WHERE partner = ?1 AND flow = ?2 AND accepted > 0 ORDER BY received_at DESC LIMIT 1";

fn last_accepted(connection: &Connection, partner: &PartnerId, flow: &FlowId) -> Result<Option<Timestamp>, JournalError> {
    one(connection, LAST_ACCEPTED, params![partner.as_str(), flow.as_str()], |row| timestamp(row.get(0)?))
}

fn figures_text(state: &AlarmState) -> Result<String, JournalError> {
    serde_json::to_string(&state.figures).map_err(|error| JournalError::Unavailable(error.to_string()))
}

/// `alarm.severity`.
fn severity_number(severity: AlarmSeverity) -> i64 {
    match severity {
        AlarmSeverity::Warning => 0,
        AlarmSeverity::Critical => 1,
    }
}

fn read_severity(number: i64) -> Result<AlarmSeverity, JournalError> {
    match number {
        0 => Ok(AlarmSeverity::Warning),
        1 => Ok(AlarmSeverity::Critical),
        _ => Err(JournalError::Damaged(format!("{number} is no severity"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_accepted_is_found_by_an_index() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {LAST_ACCEPTED}")).unwrap();
        let steps = explained.query_map(params!["bank", "payments"], |row| row.get::<_, String>(3)).unwrap();
        let plan = steps.collect::<Result<Vec<_>, _>>().unwrap().join("\n");
        assert!(plan.contains("exchange_flow (partner=? AND flow=?)"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
