//! The steps of a group's transaction that administrative acts take, and the reads of their log.

use super::commit::Group;
use super::deliveries::Open;
use super::duty;
use super::matters;
use super::reads::{all, digest, number, one, parse};
use super::{column, milliseconds, timestamp};
use crate::domain::{DestinationId, Digest};
use crate::journal::acts::{
    ACTS_LISTED_MAX, Act, ActFilter, ActRequest, ActStanding, Acted, ActsEnd, Deed, EXAMINED_MAX, Entry, NewAct, PICKED_MAX, Pausable,
    Paused, Pick, PickSummary,
};
use crate::journal::{JournalError, PAGE_ROWS_MAX};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use std::collections::BTreeSet;

/// The columns that [`read_act`] reads.
const ACT: &str = "SELECT a.text, a.hash, p.decided_by, p.until FROM act a LEFT JOIN proposal p ON p.act = a.number";
/// The proposals that wait at a moment. Proposals are made by hand: all there ever were are few.
const WAITING: &str = "SELECT a.text, a.hash, p.decided_by, p.until FROM proposal p JOIN act a ON a.number = p.act
    WHERE p.decided_by IS NULL AND p.until > ?1 AND p.act < ?2 ORDER BY p.act DESC LIMIT ?3";

/// What doing something came to.
#[derive(Default)]
struct Performed {
    deliveries: u64,
    complete: bool,
    changed: bool,
    woken: BTreeSet<DestinationId>,
}

/// Dead letters that were picked.
struct Picked {
    open: Vec<Open>,
    /// Whether there are no others.
    complete: bool,
}

impl Group<'_> {
    /// Does what is asked for, or keeps it as a proposal, and logs it.
    pub fn act(&mut self, act: &NewAct) -> Result<Acted, JournalError> {
        match &act.request {
            ActRequest::Do(deed) => self.do_or_propose(act, deed),
            ActRequest::Approve(proposal) => self.approve(act, *proposal),
            ActRequest::Reject(proposal) => self.reject(act, *proposal),
        }
    }

    fn do_or_propose(&mut self, act: &NewAct, deed: &Deed) -> Result<Acted, JournalError> {
        if let Deed::Resend { pick, .. } | Deed::Waive { pick } = deed {
            let picked = picked(self.connection, pick)?;
            if picked.open.is_empty() {
                return Ok(Acted::NothingPicked);
            }
            if picked.open.len() as u64 > act.deliveries_alone_max {
                return self.propose(act, deed, &picked).map(Acted::Proposed);
            }
        }
        if let Deed::PromoteMapping { .. } = deed {
            // It changes no delivery, and whatever comes after it: two people want it.
            return self.propose(act, deed, &Picked { open: Vec::new(), complete: true }).map(Acted::Proposed);
        }
        self.perform_and_log(act, deed, None)
    }

    fn propose(&mut self, act: &NewAct, deed: &Deed, picked: &Picked) -> Result<Act, JournalError> {
        let mut entry = Entry::after(self.chain.acts, act, deed.clone(), ActStanding::Proposed);
        (entry.deliveries, entry.complete) = (picked.open.len() as u64, picked.complete);
        let mut logged = self.log(entry)?;
        let insert = "INSERT INTO proposal (act, until) VALUES (?1, ?2)";
        self.connection.prepare_cached(insert)?.execute(params![column(logged.entry.number), milliseconds(act.proposal_until)])?;
        logged.waits_until = Some(act.proposal_until);
        Ok(logged)
    }

    fn approve(&mut self, act: &NewAct, proposal: u64) -> Result<Acted, JournalError> {
        let Some(proposed) = self.waiting(proposal, act.at)? else { return Ok(Acted::ProposalUnknown) };
        let name = act.operator.as_ref().and_then(|operator| operator.name.as_ref());
        if name.is_none() || proposed.entry.operator.as_ref().map(|proposer| &proposer.name) == name {
            return Ok(Acted::OwnProposal);
        }
        self.perform_and_log(act, &proposed.entry.deed, Some(proposal))
    }

    fn reject(&mut self, act: &NewAct, proposal: u64) -> Result<Acted, JournalError> {
        let Some(proposed) = self.waiting(proposal, act.at)? else { return Ok(Acted::ProposalUnknown) };
        let mut entry = Entry::after(self.chain.acts, act, proposed.entry.deed, ActStanding::Rejected);
        entry.proposal = Some(proposal);
        let act = self.log(entry)?;
        Ok(Acted::Done { act, woken: Vec::new() })
    }

    fn waiting(&self, proposal: u64, at: Timestamp) -> Result<Option<Act>, JournalError> {
        let find = format!("{ACT} WHERE a.number = ?1 AND p.decided_by IS NULL AND p.until > ?2");
        one(self.connection, &find, params![column(proposal), milliseconds(at)], read_act)
    }

    fn perform_and_log(&mut self, act: &NewAct, deed: &Deed, proposal: Option<u64>) -> Result<Acted, JournalError> {
        let performed = self.perform(deed, act.at)?;
        if !performed.changed {
            return Ok(match deed {
                Deed::AcknowledgeAlarm { .. } | Deed::NoteAlarm { .. } => Acted::AlarmUnknown,
                Deed::Resend { .. } | Deed::Waive { .. } => Acted::NothingPicked,
                Deed::Configure { .. }
                | Deed::DropMapping { .. }
                | Deed::HandOver { .. }
                | Deed::Pause { .. }
                | Deed::PromoteMapping { .. }
                | Deed::PromotionFailed { .. }
                | Deed::Resume { .. }
                | Deed::Reveal { .. }
                | Deed::SettleMatter { .. } => Acted::Unchanged,
            });
        }
        let mut entry = Entry::after(self.chain.acts, act, deed.clone(), ActStanding::Done);
        (entry.deliveries, entry.complete, entry.proposal) = (performed.deliveries, performed.complete, proposal);
        let act = self.log(entry)?;
        Ok(Acted::Done { act, woken: performed.woken.into_iter().collect() })
    }

    /// Writes an entry at the end of the log, and notes which proposal it decides.
    fn log(&mut self, entry: Entry) -> Result<Act, JournalError> {
        let text = entry.to_canonical().map_err(|error| JournalError::Damaged(error.to_string()))?;
        let hash = Digest::of(text.as_bytes());
        let insert = "INSERT INTO act (number, kind, text, hash) VALUES (?1, ?2, ?3, ?4)";
        self.connection.prepare_cached(insert)?.execute(params![column(entry.number), entry.deed.kind(), text, hash.0])?;
        if let Some(proposal) = entry.proposal {
            let decide = "UPDATE proposal SET decided_by = ?2 WHERE act = ?1";
            self.connection.prepare_cached(decide)?.execute(params![column(proposal), column(entry.number)])?;
        }
        self.chain.acts = ActsEnd { number: entry.number, sha256: hash };
        Ok(Act { entry, hash, decided_by: None, waits_until: None })
    }

    /// Does it. What follows from it refers to the act that is logged next.
    fn perform(&mut self, deed: &Deed, at: Timestamp) -> Result<Performed, JournalError> {
        match deed {
            Deed::AcknowledgeAlarm { number } | Deed::NoteAlarm { number } => {
                let act = column(self.chain.acts.number + 1);
                let changed = duty::note(self.connection, *number, deed, act)?;
                Ok(Performed { changed, complete: true, ..Performed::default() })
            }
            // What is done of these is done by whoever asked for it to be logged.
            Deed::Configure { .. }
            | Deed::DropMapping { .. }
            | Deed::HandOver { .. }
            | Deed::PromoteMapping { .. }
            | Deed::PromotionFailed { .. }
            | Deed::Reveal { .. } => Ok(Performed { changed: true, complete: true, ..Performed::default() }),
            Deed::Pause { what } => self.pause(what),
            Deed::Resume { what } => self.resume(what),
            Deed::Resend { pick, per_second } => {
                self.each_picked(pick, |group, place, open| group.resend(open, due(at, place, *per_second)))
            }
            Deed::SettleMatter { key, reconciliation } => {
                let act = column(self.chain.acts.number + 1);
                let changed = matters::settle(self.connection, reconciliation, key, at, act)?;
                Ok(Performed { changed, complete: true, ..Performed::default() })
            }
            Deed::Waive { pick } => self.each_picked(pick, |group, _, open| group.waive(open, at)),
        }
    }

    fn each_picked(
        &mut self,
        pick: &Pick,
        mut change: impl FnMut(&mut Self, u64, &Open) -> Result<(), JournalError>,
    ) -> Result<Performed, JournalError> {
        let picked = picked(self.connection, pick)?;
        let act = column(self.chain.acts.number + 1);
        let mut performed = Performed { complete: picked.complete, changed: !picked.open.is_empty(), ..Performed::default() };
        for open in &picked.open {
            change(self, performed.deliveries, open)?;
            let note = "INSERT INTO delivery_act (delivery, act) VALUES (?1, ?2)";
            self.connection.prepare_cached(note)?.execute([open.sequence, act])?;
            performed.deliveries += 1;
            performed.woken.insert(open.destination.parse().map_err(JournalError::Damaged)?);
        }
        Ok(performed)
    }

    fn pause(&self, what: &Pausable) -> Result<Performed, JournalError> {
        let insert = "INSERT INTO pause (what, act) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let act = column(self.chain.acts.number + 1);
        let paused = self.connection.prepare_cached(insert)?.execute(params![what.to_string(), act])?;
        Ok(Performed { changed: paused > 0, complete: true, ..Performed::default() })
    }

    fn resume(&self, what: &Pausable) -> Result<Performed, JournalError> {
        let resumed = self.connection.prepare_cached("DELETE FROM pause WHERE what = ?1")?.execute([what.to_string()])?;
        let woken = match what {
            Pausable::Destination(to) => BTreeSet::from([to.clone()]),
            Pausable::Flow(_) => BTreeSet::new(),
        };
        Ok(Performed { changed: resumed > 0, complete: true, woken, ..Performed::default() })
    }
}

/// When the delivery at a place among those that are resent is due.
fn due(at: Timestamp, place: u64, per_second: u32) -> Timestamp {
    let milliseconds = place.saturating_mul(1_000) / u64::from(per_second.max(1));
    at.checked_add(std::time::Duration::from_millis(milliseconds)).unwrap_or(at)
}

/// The dead letters that fit, by destination and oldest first, at most [`PICKED_MAX`] of [`EXAMINED_MAX`].
fn picked(connection: &Connection, pick: &Pick) -> Result<Picked, JournalError> {
    let mut open = Vec::new();
    let complete = each_fitting(connection, pick, |row| {
        open.push(Open::read(row)?);
        Ok(())
    })?;
    Ok(Picked { open, complete })
}

/// What an act on them would change.
pub(super) fn summary(connection: &Connection, pick: &Pick) -> Result<PickSummary, JournalError> {
    let mut summary = PickSummary::default();
    summary.complete = each_fitting(connection, pick, |row| {
        let open = Open::read(row)?;
        let (fault, received_at): (Option<String>, i64) = (row.get(5)?, row.get(8)?);
        let part = summary.destinations.entry(open.destination.parse().map_err(JournalError::Damaged)?).or_default();
        part.deliveries += 1;
        part.records += open.records.unsigned_abs();
        match (open.rendered, fault.as_deref()) {
            (None, _) => summary.never_sent += 1,
            (Some(_), Some("delivery.refused")) => summary.refused += 1,
            (Some(_), _) => summary.maybe_received += 1,
        }
        let received_at = timestamp(received_at)?;
        summary.oldest_received_at = Some(summary.oldest_received_at.map_or(received_at, |oldest| oldest.min(received_at)));
        Ok(())
    })?;
    Ok(summary)
}

/// Calls `take` with the row of each dead letter that fits, at most [`PICKED_MAX`] of [`EXAMINED_MAX`]; returns whether
/// these are all.
fn each_fitting(
    connection: &Connection,
    pick: &Pick,
    mut take: impl FnMut(&Row) -> Result<(), JournalError>,
) -> Result<bool, JournalError> {
    let (query, values) = pick_query(pick);
    let mut statement = connection.prepare_cached(&query)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut taken, mut examined) = (0, 0);
    while let Some(row) = rows.next()? {
        if taken == PICKED_MAX || examined == EXAMINED_MAX {
            return Ok(false);
        }
        examined += 1;
        if fits(row, pick)? {
            take(row)?;
            taken += 1;
        }
    }
    Ok(true)
}

/// What an index leads to; the rest of a pick is asked of each row.
pub(super) fn pick_query(pick: &Pick) -> (String, Vec<Value>) {
    let mut query = "SELECT d.sequence, d.destination, d.order_key, d.records, d.rendered, d.fault, e.partner, e.flow, e.received_at
        FROM delivery d JOIN exchange e ON e.sequence = d.exchange WHERE d.state = 3"
        .to_owned();
    let mut values = Vec::new();
    if let Some(delivery) = pick.delivery {
        query += " AND d.id = ?";
        values.push(Value::Blob(delivery.as_bytes().to_vec()));
    }
    if let Some(to) = &pick.destination {
        query += " AND d.destination = ?";
        values.push(Value::Text(to.to_string()));
    }
    (query + " ORDER BY d.destination, d.sequence", values)
}

fn fits(row: &Row, pick: &Pick) -> Result<bool, JournalError> {
    let same = |column: usize, wanted: Option<&str>| match wanted {
        None => Ok(true),
        Some(wanted) => row.get_ref(column).map(|value| value.as_str_or_null().is_ok_and(|text| text == Some(wanted))),
    };
    let received_at: i64 = row.get(8)?;
    Ok(same(5, pick.fault.as_deref())?
        && same(6, pick.partner.as_ref().map(|partner| partner.as_str()))?
        && same(7, pick.flow.as_ref().map(|flow| flow.as_str()))?
        && pick.received_from.is_none_or(|from| received_at >= milliseconds(from))
        && pick.received_to.is_none_or(|to| received_at < milliseconds(to)))
}

/// A page of the log, newest first.
pub(super) fn list(connection: &Connection, filter: &ActFilter) -> Result<Vec<Act>, JournalError> {
    let (before, rows) = (filter.before.map_or(i64::MAX, column), column(filter.rows_max.min(PAGE_ROWS_MAX) as u64));
    match (filter.waiting_at, &filter.kind) {
        (Some(at), _) => all(connection, WAITING, params![milliseconds(at), before, rows], read_act),
        (None, Some(kind)) => {
            let list = format!("{ACT} WHERE a.kind = ?1 AND a.number < ?2 ORDER BY a.number DESC LIMIT ?3");
            all(connection, &list, params![kind, before, rows], read_act)
        }
        (None, None) => {
            let list = format!("{ACT} WHERE a.number < ?1 ORDER BY a.number DESC LIMIT ?2");
            all(connection, &list, [before, rows], read_act)
        }
    }
}

/// Entries as they stand, oldest first, for whoever checks them: number, text and hash.
pub(super) fn entries(connection: &Connection, after: u64, rows_max: usize) -> Result<Vec<(u64, String, Digest)>, JournalError> {
    let list = "SELECT number, text, hash FROM act WHERE number > ?1 ORDER BY number LIMIT ?2";
    let rows = column(rows_max.min(PAGE_ROWS_MAX) as u64);
    all(connection, list, [column(after), rows], |row| Ok((number(row, 0)?, row.get(1)?, digest(row, 2)?)))
}

/// The latest acts on a delivery, oldest first.
pub(super) fn of_delivery(connection: &Connection, delivery: i64) -> Result<Vec<Act>, JournalError> {
    let find = format!("{ACT} JOIN delivery_act d ON d.act = a.number WHERE d.delivery = ?1 ORDER BY d.act DESC LIMIT ?2");
    let mut acts = all(connection, &find, params![delivery, column(ACTS_LISTED_MAX as u64)], read_act)?;
    acts.reverse();
    Ok(acts)
}

/// The acts on an alarm, oldest first.
pub(super) fn of_alarm(connection: &Connection, alarm: u64) -> Result<Vec<Act>, JournalError> {
    all(connection, &format!("{ACT} JOIN alarm_act n ON n.act = a.number WHERE n.alarm = ?1 ORDER BY n.act"), [column(alarm)], read_act)
}

/// The act that settled a matter last, if one did.
pub(super) fn of_matter(connection: &Connection, matter: i64) -> Result<Option<Act>, JournalError> {
    one(connection, &format!("{ACT} JOIN matter_act m ON m.act = a.number WHERE m.matter = ?1"), [matter], read_act)
}

/// Everything that is paused.
pub(super) fn paused(connection: &Connection) -> Result<Vec<Paused>, JournalError> {
    let find = "SELECT a.text, a.hash, NULL, NULL, p.what FROM pause p JOIN act a ON a.number = p.act ORDER BY p.what";
    all(connection, find, [], |row| Ok(Paused { what: parse(row, 4)?, act: read_act(row)? }))
}

/// Whether something is paused.
pub(super) fn is_paused(connection: &Connection, what: &Pausable) -> Result<bool, JournalError> {
    Ok(connection.prepare_cached("SELECT 1 FROM pause WHERE what = ?1")?.exists([what.to_string()])?)
}

/// The end of the log.
pub(super) fn end(connection: &Connection) -> Result<ActsEnd, JournalError> {
    let last = "SELECT number, hash FROM act ORDER BY number DESC LIMIT 1";
    let end = one(connection, last, [], |row| Ok(ActsEnd { number: number(row, 0)?, sha256: digest(row, 1)? }))?;
    Ok(end.unwrap_or_default())
}

fn read_act(row: &Row) -> Result<Act, JournalError> {
    let text: String = row.get(0)?;
    let entry = serde_json::from_str(&text).map_err(|error| JournalError::Damaged(format!("an act cannot be read: {error}")))?;
    let (decided_by, until): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
    Ok(Act {
        entry,
        hash: digest(row, 1)?,
        decided_by: decided_by.map(|number| number.unsigned_abs()),
        waits_until: until.map(timestamp).transpose()?,
    })
}
