//! Alarms, notes between shifts and the history that alarms judge by, in their tables (`duty.sql`).

use super::commit::Group;
use super::reads::{all, number, one, parse};
use super::writer::{Answer, Work};
use super::{JournalError, SqliteJournal, column, milliseconds, timestamp};
use crate::domain::{FlowId, PartnerId};
use crate::journal::PAGE_ROWS_MAX;
use crate::journal::alarms::{
    Activity, ActivityRow, AlarmChange, AlarmFilter, AlarmNote, AlarmRow, AlarmSeverity, AlarmState, AlarmSubject, CLOSED_ALARMS_MAX,
    DutyBook, HANDOVERS_MAX, HISTORY_ROWS_MAX, Handover, NOTES_PER_ALARM_MAX, NoteKind, OPEN_ALARMS_MAX, ProfileRow,
};
use crate::profile::Profile;
use jiff::Timestamp;
use portolan_contract::Words;
use rusqlite::{Connection, Row, params};

/// What the writer is asked to do.
pub(super) enum DutyWork {
    Change(Vec<AlarmChange>),
    Note(u64, AlarmNote),
    HandOver(Handover),
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

    async fn note_alarm(&self, number: u64, note: AlarmNote) -> Result<Option<AlarmRow>, JournalError> {
        if !self.write(Work::Duty(DutyWork::Note(number, note))).await?.changed()? {
            return Ok(None);
        }
        self.list_readers.read(move |connection| alarm(connection, number)).await
    }

    async fn hand_over(&self, handover: Handover) -> Result<(), JournalError> {
        self.write(Work::Duty(DutyWork::HandOver(handover))).await?.changed().map(drop)
    }

    async fn handovers(&self) -> Result<Vec<Handover>, JournalError> {
        self.list_readers.read(handovers).await
    }

    async fn activity(&self, from_hour: i64) -> Result<Vec<ActivityRow>, JournalError> {
        self.list_readers.read(move |connection| activity(connection, from_hour)).await
    }

    async fn profiles(&self, from_day: i64) -> Result<Vec<ProfileRow>, JournalError> {
        self.list_readers.read(move |connection| profiles(connection, from_day)).await
    }

    async fn forget_history(&self, before_day: i64) -> Result<(), JournalError> {
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
            DutyWork::Note(alarm, note) => note_alarm(self.connection, *alarm, note).map(Answer::Changed),
            DutyWork::HandOver(handover) => hand_over(self.connection, handover).map(|()| Answer::Changed(true)),
            DutyWork::Forget(before_day) => {
                self.connection.execute("DELETE FROM activity WHERE hour < ?1", [before_day.saturating_mul(24)])?;
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

fn note_alarm(connection: &Connection, alarm: u64, note: &AlarmNote) -> Result<bool, JournalError> {
    let known = one(connection, "SELECT closed_at FROM alarm WHERE number = ?1", [column(alarm)], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    let Some(closed_at) = known else { return Ok(false) };
    let notes = notes(connection, alarm)?;
    let acknowledged = notes.iter().any(|note| note.kind == NoteKind::Acknowledged);
    if notes.len() >= NOTES_PER_ALARM_MAX || (note.kind == NoteKind::Acknowledged && (acknowledged || closed_at.is_some())) {
        return Ok(false);
    }
    let insert = "INSERT INTO alarm_note (alarm, number, kind, at, operator, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let number = column(notes.len() as u64 + 1);
    let kind = note_number(note.kind);
    connection.prepare_cached(insert)?.execute(params![column(alarm), number, kind, milliseconds(note.at), note.operator, note.text])?;
    Ok(true)
}

fn hand_over(connection: &Connection, handover: &Handover) -> Result<(), JournalError> {
    let open = serde_json::to_string(&handover.open).map_err(|error| JournalError::Unavailable(error.to_string()))?;
    let insert = "INSERT INTO handover (at, operator, note, open) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(insert)?.execute(params![milliseconds(handover.at), handover.operator, handover.note, open])?;
    let forget = "DELETE FROM handover WHERE number <= (SELECT max(number) FROM handover) - ?1";
    connection.prepare_cached(forget)?.execute([column(HANDOVERS_MAX as u64)])?;
    Ok(())
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

fn alarm(connection: &Connection, number: u64) -> Result<Option<AlarmRow>, JournalError> {
    one(connection, &format!("{ALARM} WHERE number = ?1"), [column(number)], |row| read_alarm(connection, row))
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
        notes: notes(connection, alarm)?,
    })
}

/// A name, where there is one.
fn parse_some<T: std::str::FromStr<Err = String>>(row: &Row, column: usize) -> Result<Option<T>, JournalError> {
    if row.get::<_, String>(column)?.is_empty() { Ok(None) } else { parse(row, column).map(Some) }
}

fn notes(connection: &Connection, alarm: u64) -> Result<Vec<AlarmNote>, JournalError> {
    let find = "SELECT kind, at, operator, text FROM alarm_note WHERE alarm = ?1 ORDER BY number";
    all(connection, find, [column(alarm)], |row| {
        Ok(AlarmNote { kind: read_note(row.get(0)?)?, at: timestamp(row.get(1)?)?, operator: row.get(2)?, text: row.get(3)? })
    })
}

fn handovers(connection: &Connection) -> Result<Vec<Handover>, JournalError> {
    let find = "SELECT at, operator, note, open FROM handover ORDER BY number DESC LIMIT ?1";
    all(connection, find, [column(PAGE_ROWS_MAX as u64)], |row| {
        let open: String = row.get(3)?;
        let open = serde_json::from_str(&open).map_err(|error| JournalError::Damaged(error.to_string()))?;
        Ok(Handover { at: timestamp(row.get(0)?)?, operator: row.get(1)?, note: row.get(2)?, open })
    })
}

fn activity(connection: &Connection, from_hour: i64) -> Result<Vec<ActivityRow>, JournalError> {
    let find = "SELECT partner, flow, hour, exchanges, refused_exchanges, records, refused_records FROM activity
                WHERE hour >= ?1 ORDER BY hour LIMIT ?2";
    all(connection, find, params![from_hour, column(HISTORY_ROWS_MAX as u64)], |row| {
        let activity = Activity {
            exchanges: number(row, 3)?,
            refused_exchanges: number(row, 4)?,
            records: number(row, 5)?,
            refused_records: number(row, 6)?,
        };
        Ok(ActivityRow { partner: parse(row, 0)?, flow: parse(row, 1)?, hour: row.get(2)?, activity })
    })
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

/// `alarm_note.kind`.
fn note_number(kind: NoteKind) -> i64 {
    match kind {
        NoteKind::Acknowledged => 0,
        NoteKind::Done => 1,
    }
}

fn read_note(number: i64) -> Result<NoteKind, JournalError> {
    match number {
        0 => Ok(NoteKind::Acknowledged),
        1 => Ok(NoteKind::Done),
        _ => Err(JournalError::Damaged(format!("{number} is no kind of note"))),
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
