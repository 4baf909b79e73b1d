//! The follower: reads what was committed since it looked last, and has the journal write what it has seen.
//!
//! A step brings at most [`SEEN_PER_STEP_MAX`] records of at most [`STEP_BYTES_MAX`]; where little is to be seen, how far it
//! came is written once in [`SKIPPED_MAX`] exchanges, and read over again after a restart. What the journal cannot answer is
//! tried again at the next look; the log tells it once.

use super::plan::{Part, ReconciliationPlan};
use crate::delivery::lines;
use crate::domain::{IndexRow, Stored};
use crate::fault::Fault;
use crate::journal::matters::{CommittedRow, Cursor, MatterStep, NewSeen, Progress, SEEN_PER_STEP_MAX, Seen};
use crate::journal::{Journal, JournalError, PAGE_ROWS_MAX};
use crate::live::Live;
use crate::mapping::rules::Runner;
use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often it looks.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of canonical records of one step.
pub const STEP_BYTES_MAX: u64 = 4 << 20;
/// Exchanges without anything to see after which how far it came is written all the same.
pub const SKIPPED_MAX: u64 = 10_000;

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The journal could not be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Canonical records could not be read.
    #[error("{0}")]
    Records(Fault),
}

/// Follows the commits for all reconciliations in force.
pub struct Follower {
    journal: Arc<dyn Journal>,
    live: Arc<ArcSwap<Live>>,
    /// How far each has come beyond what is written.
    reached: BTreeMap<String, Progress>,
    failing: bool,
}

impl Follower {
    /// A follower that has not looked yet.
    pub fn new(journal: Arc<dyn Journal>, live: Arc<ArcSwap<Live>>) -> Self {
        Self { journal, live, reached: BTreeMap::new(), failing: false }
    }

    /// Looks every second until it is to stop.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                looked = self.look() => match looked {
                    Ok(()) => self.failing = false,
                    Err(error) if !std::mem::replace(&mut self.failing, true) => {
                        tracing::error!(%error, "reconciliations cannot go on for the moment");
                    }
                    Err(_) => {}
                }
            }
        }
    }

    /// Looks at everything that was committed until now. A reconciliation that cannot go on keeps no other from it.
    ///
    /// # Errors
    /// The first reason why one could not go on; the next look goes on from where this one came to.
    pub async fn look(&mut self) -> Result<(), LookError> {
        let plans: Vec<Arc<ReconciliationPlan>> = self.live.load().reconciliations.values().cloned().collect();
        let mut looked = Ok(());
        for plan in plans {
            looked = looked.and(self.catch_up(&plan).await);
        }
        looked
    }

    async fn catch_up(&mut self, plan: &ReconciliationPlan) -> Result<(), LookError> {
        while self.advance(plan).await? {}
        Ok(())
    }

    /// One step of one reconciliation. Returns whether there may be more to see.
    async fn advance(&mut self, plan: &ReconciliationPlan) -> Result<bool, LookError> {
        let name = &plan.reconciliation.name;
        let written = self.journal.reconciled_to(name).await?;
        let Some(written) = written.filter(|written| written.declaration == plan.digest) else {
            return self.begin(plan, written).await.map(|()| true);
        };
        let reached = self.reached.get(name.as_str()).filter(|at| at.declaration == plan.digest && at.cursor > written.cursor);
        let mut cursor = reached.map_or(written.cursor, |at| at.cursor);
        let page = self.journal.committed_from(cursor.sequence, PAGE_ROWS_MAX).await?;
        let whole = page.len() < PAGE_ROWS_MAX;
        let mut step = Step { plan, seen: Vec::new(), left_out: 0, bytes: 0, read: 0 };
        let mut full = false;
        for row in page {
            let first_row = if row.sequence == cursor.sequence { cursor.row } else { 0 };
            match self.look_into(&mut step, &row, first_row).await? {
                Some(next_row) => {
                    (cursor, full) = (Cursor { sequence: row.sequence, row: next_row }, true);
                    break;
                }
                None => cursor = Cursor { sequence: row.sequence + 1, row: 0 },
            }
        }
        let after = Progress { declaration: plan.digest, cursor };
        let nothing = step.seen.is_empty() && step.left_out == 0 && cursor.row == 0;
        if nothing && cursor.sequence - written.cursor.sequence < SKIPPED_MAX {
            self.reached.insert(name.to_string(), after);
        } else {
            self.write(step, Some(written), after).await?;
        }
        Ok(full || !whole)
    }

    /// Begins where the declaration says; what there is of an earlier one is forgotten first.
    async fn begin(&mut self, plan: &ReconciliationPlan, written: Option<Progress>) -> Result<(), LookError> {
        let name = &plan.reconciliation.name;
        self.reached.remove(name.as_str());
        if written.is_some() {
            while self.journal.forget_matters(name).await? {}
        }
        let sequence = self.journal.first_received(plan.begins_at).await?;
        let step = Step { plan, seen: Vec::new(), left_out: 0, bytes: 0, read: 0 };
        self.write(step, None, Progress { declaration: plan.digest, cursor: Cursor { sequence, row: 0 } }).await
    }

    async fn write(&self, step: Step<'_>, before: Option<Progress>, after: Progress) -> Result<(), LookError> {
        let Step { plan, seen, left_out, .. } = step;
        let step = MatterStep { name: plan.reconciliation.name.clone(), before, after, within: plan.within(), seen, left_out };
        match self.journal.reconcile(step).await? {
            true => Ok(()),
            false => Err(JournalError::Unavailable("the reconciliation stands elsewhere".to_owned()).into()),
        }
    }

    /// Looks into an exchange from a row on. Returns the row at which the step is full, if it is.
    async fn look_into(&self, step: &mut Step<'_>, exchange: &CommittedRow, first_row: u64) -> Result<Option<u64>, LookError> {
        let concerns = step.plan.legs.iter().any(|leg| *leg.flow() == exchange.flow);
        if !concerns || exchange.accepted == 0 || exchange.received_at < step.plan.begins_at {
            return Ok(None);
        }
        let mut row = first_row;
        loop {
            let rows = self.journal.index(exchange.exchange, row, SEEN_PER_STEP_MAX as u64).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            let Some(canonical) = self.journal.canonical(exchange.exchange).await? else {
                return Err(JournalError::Damaged("an exchange has no canonical records".to_owned()).into());
            };
            let fitting = step.fitting(&rows);
            if fitting == 0 {
                return Ok(Some(row));
            }
            let taken: Vec<IndexRow> = rows.into_iter().take(fitting).filter(|(_, known)| !known).map(|(row, _)| row).collect();
            step.see_all(exchange, &read(taken, canonical).await?);
            row += fitting as u64;
        }
    }
}

/// What a step gathers.
struct Step<'p> {
    plan: &'p ReconciliationPlan,
    seen: Vec<NewSeen>,
    left_out: u64,
    bytes: u64,
    read: usize,
}

impl Step<'_> {
    /// How many of these rows have room in the step; the first one of a step always has.
    fn fitting(&mut self, rows: &[(IndexRow, bool)]) -> usize {
        let mut fitting = 0;
        for (row, known) in rows {
            let bytes = if *known { 0 } else { u64::from(row.length) };
            let fits = self.read == 0 || (self.read < SEEN_PER_STEP_MAX && self.bytes + bytes <= STEP_BYTES_MAX);
            if !fits {
                break;
            }
            (self.bytes, self.read, fitting) = (self.bytes + bytes, self.read + 1, fitting + 1);
        }
        fitting
    }

    fn see_all(&mut self, exchange: &CommittedRow, lines: &[(IndexRow, Bytes)]) {
        let runner = Runner::new();
        lines.iter().for_each(|(row, line)| self.see(&runner, exchange, row, line));
    }

    /// Sees a record with every leg of its flow.
    fn see(&mut self, runner: &Runner, exchange: &CommittedRow, row: &IndexRow, line: &Bytes) {
        let Ok(record) = serde_json::from_slice::<Value>(line) else {
            self.left_out += 1;
            return;
        };
        for (leg, plan) in self.plan.legs.iter().enumerate().filter(|(_, plan)| *plan.flow() == exchange.flow) {
            match plan.part(runner, &record) {
                Part::None => {}
                Part::LeftOut => self.left_out += 1,
                Part::Of { key, ends } => {
                    let (record_number, amount) = (row.record, plan.amount(&record));
                    let seen = Seen { exchange: exchange.exchange, record: record_number, received_at: exchange.received_at, amount, ends };
                    self.seen.push(NewSeen { leg, key, seen });
                }
            }
        }
    }
}

/// The lines of rows, read on a thread that may be blocked.
async fn read(rows: Vec<IndexRow>, canonical: Stored) -> Result<Vec<(IndexRow, Bytes)>, LookError> {
    let read = tokio::task::spawn_blocking(move || lines(rows, &canonical)).await;
    read.map_err(|error| JournalError::Unavailable(error.to_string()))?.map_err(LookError::Records)
}
